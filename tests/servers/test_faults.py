# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A short slice of tests/faults with a fixed seed, and a slave zone that is seeded under 500 writes a second. About 40 s on a quiet machine."""
import pathlib
import shutil
import sys
import time

import pytest

pytest.importorskip("pymysql")
pytest.importorskip("jinja2")
pytestmark = pytest.mark.skipif(not shutil.which("mariadbd") or not pathlib.Path("/usr/lib/ocf/lib/heartbeat/ocf-shellfuncs").exists(),
                                reason="mariadbd or resource-agents is not installed")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "faults"))


def test_four_faults_lose_nothing():
    import run
    faults = ["partition_then_kill", "slave_zone_node_killed", "lagging_standby_then_kill", "planned_switch"]
    with run.Run("standby", 1, len(faults), only=faults) as one:
        result = one.run()
    assert result["faults"] == len(faults) and run.right(result), result
    assert result["acked inserts"] > 100 and result["looks"] and not result["unseen"]
    assert result["repairs"] == 0, "something stayed broken until an operator came"


def test_slave_zone_is_seeded_under_500_writes_a_second():
    import oracle
    import run
    import seeding
    with run.Run("standby", 1, 0) as one:
        one.layout.begin(one.cluster)
        load, took, dummy = seeding.seed_under_load(one.layout, 500)
        assert not load.errors and len(took) == 2 and len(load.acked) > 200
        nodes = dict(one.layout.nodes.items())
        deadline = time.monotonic() + 30
        while any(load.missing(node) for node in nodes.values()) and time.monotonic() < deadline:
            one.cluster.wait(0.3)
        assert {name: load.missing(node) for name, node in nodes.items()} == {name: [] for name in nodes}
        contents = [oracle.content(node.socket) for node in nodes.values()]
        assert all(len({found[table]["digest"] for found in contents}) == 1 for table in oracle.FEDERATED)
        assert load.longest_s < 10
