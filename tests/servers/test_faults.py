# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A short slice of tests/faults with a fixed seed, a ring of three, and a slave zone that is seeded under 500 writes a second."""
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


def test_ring_of_three_loses_nothing_whoever_takes_over():
    import oracle
    import run
    with run.Run("standby", 1, 0, nodes=(3, 2)) as one:
        one.layout.converge(one.cluster)
        one.writers.start()
        for dead, successor in (("alpha1", "alpha3"), ("alpha3", "alpha1"), ("alpha1", "alpha2")):      # one that acknowledges, and twice one that does not
            one.cluster.wait(1)
            one.cluster.kill(dead)
            one.cluster.fenced(dead)
            assert one.cluster.promote(successor), f"{successor} did not take over from {dead}"
            one.cluster.wait(1)
            one.cluster.power_on(dead)
            assert one.cluster.wait_until(one.cluster.complete, 60)
        one.writers.pause()
        seen, red = one.compare(30)
        assert oracle.right(seen) and not red, (oracle.counts(seen), red)
        assert one.ledger.acked_inserts > 50 and sum(one.ledger.acked_plus.values()) > 10


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
