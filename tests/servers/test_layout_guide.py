# SPDX-License-Identifier: GPL-3.0-or-later
"""Layout guide on four real servers, set up by the collection's own templates, modules and agents (tests/faults). About a minute on a quiet machine."""
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
FEDERATED = ("beta1", "beta2")


@pytest.fixture
def run():
    import run as program
    with program.Run("guide", 1, 0) as one:
        yield one


def green(one, within_s=30):
    """Wait until verification has nothing to say; return what it still says."""
    import verdict
    deadline = time.monotonic() + within_s
    while (red := verdict.bad(one.layout, one.cluster)) and time.monotonic() < deadline:
        one.cluster.wait(0.5)
    return red


def test_converges_is_verified_and_a_second_run_changes_nothing(run):
    layout = run.layout
    layout.converge(run.cluster)
    assert green(run) == []
    for name, node in layout.nodes.items():
        assert not layout.sources(node).changed and not layout.access(node).changed
        rows = {row["Connection_name"]: row for row in node.rows("SHOW ALL SLAVES STATUS")}
        if name in FEDERATED:
            assert not layout.seed(node).changed
            assert {"zone0-master1", "zone0-master2"} < set(rows) and rows["zone0-master2"]["Replicate_Do_Table"].count("opennebula.") == 8
    for writer in ("alpha1", "alpha2"):      # a planned switch in between: each channel brings its own server's writes, once
        if writer != run.cluster.active["alpha"]:
            run.cluster.switch("alpha")
        layout.nodes[writer].rows(f"INSERT INTO group_pool (oid, name, gid) VALUES ({10 + int(writer[-1])}, '{writer}', 0)", "opennebula")
    layout.nodes["alpha2"].rows("UPDATE group_pool SET gid = gid + 1 WHERE oid = 11", "opennebula")
    assert green(run) == []
    for node in layout.nodes.values():
        assert {row["oid"]: row["gid"] for row in node.rows("SELECT oid, gid FROM group_pool WHERE oid IN (11, 12)", "opennebula")} == {11: 1, 12: 0}
        assert "alpha" in node.name or node.rows("SELECT COUNT(*) AS n FROM vm_pool", "opennebula")[0]["n"] == 0


def test_slave_zone_is_seeded_under_writes_at_the_positions_of_both_master_nodes(run):
    import oracle
    import seeding
    run.layout.begin(run.cluster)
    run.layout.nodes["alpha1"].rows("INSERT INTO acl (oid, user) VALUES (1, 1)", "opennebula")
    run.cluster.switch("alpha")
    run.layout.nodes["alpha2"].rows("INSERT INTO acl (oid, user) VALUES (2, 2)", "opennebula")
    run.cluster.switch("alpha")
    load, took, dummy = seeding.seed_under_load(run.layout, 300)
    assert not load.errors and len(took) == 2 and len(load.acked) > 100
    nodes = run.layout.nodes
    deadline = time.monotonic() + 30
    while any(load.missing(node) for node in nodes.values()) and time.monotonic() < deadline:
        run.cluster.wait(0.3)
    contents = [oracle.content(node.socket) for node in nodes.values()]
    assert all(len({found[table]["digest"] for found in contents}) == 1 for table in oracle.FEDERATED)
    for name in FEDERATED:
        position = nodes[name].value("SELECT @@gtid_slave_pos")
        assert nodes["alpha2"].value("SELECT @@gtid_binlog_pos") in position.split(","), position


def test_node_that_lost_its_own_write_is_named_kept_out_and_seeded_again(run):
    layout, nodes = run.layout, run.layout.nodes
    layout.converge(run.cluster)
    assert green(run) == []
    run.cluster.switch("alpha")
    # What crash recovery does to the last write of a killed writer: alpha2 has it, alpha1's binary log ends before it.
    domain, server, number = nodes["alpha1"].value("SELECT @@gtid_binlog_pos").split("-")
    nodes["alpha1"].rows("SET STATEMENT sql_log_bin=0 FOR DELETE FROM group_pool ORDER BY oid LIMIT 1", "opennebula")
    late = f"{domain}-{server}-{int(number) + 1}"
    nodes["alpha2"].rows("STOP SLAVE 'zone0-master'")
    nodes["alpha2"].rows(f"SET GLOBAL gtid_slave_pos='{late}'")
    red = green(run, 0)
    assert any(f"alpha1: has every write that others have of it: its own writes end at sequence {number}" in line for line in red), red
    assert "its crash took them back" in gate(run, "alpha1")
    assert layout.repair(nodes["alpha1"]) == "seeded again"
    nodes["alpha2"].rows("START SLAVE 'zone0-master'")
    for name in FEDERATED:      # their channels ask alpha1 for its last write, which its new binary log begins after
        layout.repair(nodes[name])
    assert green(run) == []
    assert gate(run, "alpha1").startswith("gate: open")
    assert nodes["alpha1"].value("SELECT @@gtid_binlog_pos") == late
    run.cluster.switch("alpha")      # and it can be the writer again
    nodes["alpha1"].rows("INSERT INTO group_pool (oid, name) VALUES (20, 'after')", "opennebula")
    assert green(run) == []


def gate(run, name):
    return run.cluster.run(name, "rejoin-gate", "check", "--config", str(run.layout.nodes[name].folder / "rejoin-gate.conf"),
                           "--credentials", str(run.layout.nodes[name].folder / "gate.cnf")).stdout


def test_slave_zone_node_that_has_what_its_source_lost_stops_and_is_seeded_again(run):
    """The row that the front-end sent and lost in its crash: visible (1236), not passed over."""
    layout, nodes = run.layout, run.layout.nodes
    layout.converge(run.cluster)
    assert green(run) == []
    domain, server, number = nodes["alpha1"].value("SELECT @@gtid_binlog_pos").split("-")
    nodes["beta2"].rows("STOP SLAVE 'zone0-master1'")
    nodes["beta2"].rows("SET STATEMENT sql_log_bin=0 FOR INSERT INTO group_pool (oid, name) VALUES (77, 'ghost')", "opennebula")
    parts = [part for part in nodes["beta2"].value("SELECT @@gtid_slave_pos").split(",") if not part.startswith(f"{domain}-")]
    nodes["beta2"].rows("STOP ALL SLAVES")
    nodes["beta2"].rows(f"SET GLOBAL gtid_slave_pos='{','.join([*parts, f'{domain}-{server}-{int(number) + 1}'])}'")
    nodes["beta2"].rows("START ALL SLAVES")
    run.cluster.wait(1)
    red = green(run, 0)
    assert any("beta2" in line and "zone0-master1" in line and "1236" in line for line in red), red
    assert layout.repair(nodes["beta2"]) == "seeded again"
    assert green(run) == []
    assert not nodes["beta2"].rows("SELECT 1 FROM group_pool WHERE oid = 77", "opennebula")
