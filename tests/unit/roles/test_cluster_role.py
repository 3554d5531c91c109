# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the entry points of role cluster do when a front-end is down, or goes down in the middle."""
from __future__ import annotations

import pathlib
import sys

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import topology

pytest.importorskip("ansible")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from front_ends import FrontEnds  # noqa: E402  pylint: disable=wrong-import-position


def test_check_of_rejoin_with_a_stopped_database_tells_what_a_run_would_do(tmp_path):
    front_ends = FrontEnds(tmp_path, ["alpha1"], running=False)
    code, screen = front_ends.play("rejoin", "--check", cluster_rejoin_tries=1)
    assert code == 0, screen
    assert "MariaDB of alpha1 is stopped" in screen and "changed=2" in screen and front_ends.told() == []


def test_front_end_that_its_cluster_does_not_take_in_is_told_where_to_look(tmp_path):
    front_ends = FrontEnds(tmp_path, ["alpha1"], running=False, units=["mariadb"])
    gate = front_ends.program("gate", "#!/bin/sh\necho gate: open: $1\n")
    code, screen = front_ends.play("rejoin", "-e", f"__cluster_gate_program={gate}", "-e", "__cluster_join_tries=1")
    assert code != 0 and front_ends.told() == ["alpha1 systemctl start pacemaker"], screen
    assert "its cluster has not taken it in: pacemaker does not run here any more. Look at journalctl" in " ".join(screen.split()), screen


MOVE = {"opennebula_zone": {"name": "alpha", "nodes": ["alpha1", "alpha2", "alpha3"], "services": ["opennebula"], "vip": {"ip": "192.0.2.100"},
                            "endpoint": "http://127.0.0.1:1/RPC2"},
        "__cluster_move": {"from": "alpha1", "to": "alpha2"}}


@pytest.mark.parametrize("lost, active, message", [
    (["alpha1"], "alpha2", "alpha1 could not be reached any more while zone alpha was being moved to alpha2"),
    (["alpha2"], "alpha1", "zone alpha was moved back to alpha1: alpha2 did not serve it: alpha2 could not be reached any more")])
def test_front_end_that_is_lost_in_the_middle_of_a_move_leaves_nobody_in_standby(tmp_path, lost, active, message):
    front_ends = FrontEnds(tmp_path, ["alpha1", "alpha2", "alpha3"], loses={"alpha1 standby": lost})
    code, screen = front_ends.play("move", on="alpha1", **MOVE)
    assert code != 0 and message in " ".join(screen.split()), screen
    assert front_ends.state["standby"] == [] and front_ends.state["active"] == active, front_ends.told()


def test_move_that_nobody_can_undo_any_more_names_the_command(tmp_path):
    front_ends = FrontEnds(tmp_path, ["alpha1", "alpha2", "alpha3"], loses={"alpha3 standby": ["alpha1", "alpha2", "alpha3"]})
    code, screen = front_ends.play("move", on="alpha1", **MOVE)
    assert code != 0 and "pcs node unstandby alpha1 alpha2 alpha3" in " ".join(screen.split()), screen


def derived():
    """Return what the preflight leaves of a zone of two outside a federation."""
    hosts = {f"alpha{number}": {"zone_name": "alpha", "zone_mode": "standalone", "zone_vip": "192.0.2.100/24", "ansible_host": f"192.0.2.1{number}",
                                "fence": {"agent": "fence_ilo_ssh", "ip": f"192.0.2.11{number}"}, **dict.fromkeys(topology.SECRETS, "x")} for number in (1, 2)}
    facts = topology.derive(hosts).as_dict()
    return {"opennebula_topology": facts, "opennebula_zone": facts["zones"]["alpha"], "opennebula_node": "{{ opennebula_topology.nodes[inventory_hostname] }}",
            "opennebula_replication_password": "x"}


def test_zone_with_a_front_end_that_cannot_be_reached_is_not_moved_and_says_why(tmp_path):
    front_ends = FrontEnds(tmp_path, ["alpha1", "alpha2"], lost=["alpha2"])
    code, screen = front_ends.play("switchover", **derived())
    said = " ".join(screen.split())
    assert code != 0 and "zone alpha stays on" in said and "alpha2: can be asked" in said and front_ends.told() == [], screen
