# SPDX-License-Identifier: GPL-3.0-or-later
"""Each entry of the failure catalogue on real servers: injected, found by verification under its right name, repaired by its verb, proven equal.

Four servers of this machine, shared by the cases; each begins and ends healthy. ``pytest --import-mode=importlib tests/servers``
"""
import importlib.util
import json
import os
import pathlib
import stat
import time

import pytest

pytest.importorskip("pymysql")

from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import mariadb  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.module_utils.core import federated, replication, topology, verification  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.modules import (  # noqa: E402
    database_access, database_repair, database_repair_info, replication_info)

_spec = importlib.util.spec_from_file_location("mariadb_servers", pathlib.Path(__file__).with_name("test_mariadb_servers.py"))
base = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(base)
pytestmark = base.pytestmark
SECRET = base.SECRET
PATIENCE_S = base.PATIENCE_S
MASTERS, SLAVES = ("alpha1", "alpha2"), ("beta1", "beta2")
WRITERS = {"alpha1", "beta1"}
ASKED = {"table": "", "key": "", "host": "", "port": 0, "do_tables": None, "moved_replicas": [], "database": "opennebula", "backup_dir": "/nonexistent",
         "wait_timeout_s": PATIENCE_S}


@pytest.fixture(scope="module")
def zones():
    servers = base.four_servers()
    zones = next(servers, None)
    try:
        build(zones)
        yield zones
    finally:
        servers.close()


def build(zones):
    for node in zones.values():
        access(node)
    for name in zones:
        base.sources(zones, name)
    for name in WRITERS:
        zones[name].rows("SET GLOBAL read_only=0")
    base.write(zones, *(f"CREATE TABLE opennebula.{table} (oid INT PRIMARY KEY, name VARCHAR(128), body MEDIUMTEXT, UNIQUE(name))"
                        for table in (*federated.FEDERATED_TABLES, "vm_pool")), *(base.pool(oid) for oid in range(5)), base.local(0))
    for name in SLAVES:
        base.seed(zones, name)
    for name in SLAVES:
        base.sources(zones, name, federation=True)
    zones["beta1"].rows("CREATE TABLE vm_pool (oid INT PRIMARY KEY, name VARCHAR(128), body MEDIUMTEXT)", database="opennebula")
    own(zones, 0)
    settle(zones)


def access(node):
    def user(name, privileges):
        return {"name": name, "hosts": ["127.0.0.1"], "password": SECRET, "privileges": privileges, "require_tls": False, "exclusive": False,
                "state": "present"}

    users = [user("repl", {"*.*": ["REPLICATION REPLICA"]}), user("seed", {"*.*": ["SLAVE MONITOR", "BINLOG MONITOR"], "opennebula.*": ["SELECT"]})]
    return database_access.ensure({"databases": ["opennebula"], "charset": "utf8mb4", "users": users}, node.server(), False)


# --- looking -----------------------------------------------------------------------------------------------------------------

def own(zones, oid):
    zones["beta1"].rows(f"REPLACE INTO opennebula.vm_pool VALUES ({oid}, 'v', RAND())")


def facts(zones):
    """Return the topology of the four, with the addresses of this machine."""
    hosts = {name: {"zone_name": name[:-1], "zone_mode": "slave" if node.domain else "master", "zone_vip": f"10.9.{node.domain}.100/24",
                    "ansible_host": f"10.9.{node.domain}.1{name[-1]}", "server_id": node.server_id,
                    "fence": {"agent": "fence_x", "ip": name}, **{secret: "x" for secret in topology.SECRETS}} for name, node in zones.items()}
    found = topology.derive(hosts).as_dict()
    for name, node in found["nodes"].items():
        node["pair_sources"][0].update(host="127.0.0.1", port=zones[base.PAIRS[name][1]].port)
        for source in node["federation_sources"]:
            source.update(host="127.0.0.1", port=zones["alpha2"].port)
    return found


def red(zones, *names):
    """Return what verification says is not green on these servers: "statement: why → hint"."""
    found, checks = facts(zones), []
    for name in names or zones:
        report = replication_info.read({"names": None, "wait_gtid_pos": None, "wait_timeout_s": 1}, zones[name].server())
        checks += [one for one in verification._replication(found, found["nodes"][name], report, {}) if "variable" not in one.what]
    contents = federated.checks({name: contents_of(zones, name) for name in names or zones},
                                lambda node, wrong: verification._remedy(found["nodes"][node], wrong))
    checks += contents
    return [f"{one.target} {one.what}: {one.why} → {one.hint}" for one in checks if one.status != "green"]


def contents_of(zones, name):
    try:
        return base.report(zones, name, wait_timeout_s=2)
    except CoreError:
        return None


def info(zones, name):
    node = facts(zones)["nodes"][name]
    params = {"database": "opennebula", "node": name, "inventory": [], "sources": node["pair_sources"] + node["federation_sources"]}
    return database_repair_info.read(params, servers(zones, name))


def servers(zones, name):
    return mariadb.Servers({"login_unix_socket": str(zones[name].folder / "s.sock"), "user": "seed", "password": SECRET, "connect_timeout_s": 5})


def named(zones, node, name, verb=None, **more):
    """Wait until the evidence has a finding of this name; return it."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = info(zones, node)
        match = [one for one in found["findings"] if one["name"] == name and verb in (None, one["verb"]) and more.items() <= one.items()]
        if match:
            assert SECRET not in json.dumps(found)
            return match[0]
        assert time.monotonic() < deadline, "\n".join(found["lines"] + red(zones))
        meanwhile(zones[node], name)
        time.sleep(0.2)


def in_red(zones, node, *texts):
    """Wait until one line of verification has all these texts."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        lines = red(zones, node)
        if any(all(text in line for text in texts) for line in lines):
            return
        assert time.monotonic() < deadline, "\n".join(lines)
        meanwhile(zones[node], *texts)
        time.sleep(0.1)


def meanwhile(node, *awaited):
    """Keep the channels of a node from standing still for another cause than the one that is waited for."""
    if not {str(number) for number in base.STOPPED_BY_ANOTHER}.intersection(awaited):
        node.start_again()


def arrived(zones, node, oid):
    """Wait until the node has this user."""
    def there():
        zones[node].start_again()
        return zones[node].rows(f"SELECT 1 FROM opennebula.user_pool WHERE oid={oid}")

    base.until(there, PATIENCE_S)


def settle(zones):
    deadline = time.monotonic() + PATIENCE_S
    while (left := red(zones) + [line for name in zones for line in info(zones, name)["lines"][1:]]):
        assert time.monotonic() < deadline, "\n".join(left)
        for node in zones.values():
            node.start_again()
        time.sleep(0.2)


# --- doing -------------------------------------------------------------------------------------------------------------------

def repair(zones, node, verb, source, check=True, **more):
    """Predict, do, and compare: what check mode said is what was done, and a second run has nothing to do."""
    params = dict(ASKED, verb=verb, source=source, **dict({"backup_dir": str(zones[node].folder / "backup")}, **more))
    predicted = database_repair.ensure(params, servers(zones, node), mariadb.Copy(60), True) if check else None
    outcome = database_repair.ensure(params, servers(zones, node), mariadb.Copy(60), False)
    result = outcome.as_result()
    assert outcome.changed and SECRET not in json.dumps(result, default=str)
    assert not check or result["changes"] == predicted.as_result()["changes"]
    if database_repair.repair.VERBS[verb].data:
        backup = pathlib.Path(result["backup_file"])
        assert stat.S_IMODE(os.stat(backup).st_mode) == 0o600 and "-- Dump completed" in backup.read_text(encoding="utf-8")
    assert not database_repair.ensure(params, servers(zones, node), mariadb.Copy(60), False).changed
    return result


def refused(zones, node, verb, source, says, **more):
    for check in (True, False):
        with pytest.raises(CoreError, match=says):
            params = dict(ASKED, verb=verb, source=source, **dict({"wait_timeout_s": 3}, **more))
            database_repair.ensure(params, servers(zones, node), mariadb.Copy(60), check)


def quietly(node, sql):
    node.rows(f"SET STATEMENT sql_log_bin=0 FOR {sql}", database="opennebula")


def table(node, name="user_pool"):
    return node.rows(f"SELECT * FROM opennebula.{name} ORDER BY oid")


# --- the catalogue -----------------------------------------------------------------------------------------------------------

def test_1062_rogue_row_is_removed(zones):
    quietly(zones["beta2"], "INSERT INTO user_pool VALUES (500, 'rogue', '<PASSWORD>hash</PASSWORD>')")
    in_red(zones, "beta2", "federated tables equal", "user_pool")
    named(zones, "beta2", "difference", "remove_row", table="user_pool", key="500")
    base.write(zones, base.pool(500))
    in_red(zones, "beta2", "1062", "-e repair_verb=remove_row", "-e repair_table=user_pool", "-e repair_key=500")
    found = named(zones, "beta2", "1062", "remove_row", table="user_pool", key="500")
    refused(zones, "beta2", "restart", found["source"], "which would come again")
    refused(zones, "beta2", "remove_row", "zone100-master", "zone0 is", table="user_pool", key="500")
    refused(zones, "beta2", "remove_row", "zone0", "no such row here", table="user_pool", key="77")
    refused(zones, "beta2", "remove_row", "zone0", "exactly the same row", table="user_pool", key="0")
    result = repair(zones, "beta2", "remove_row", "zone0", table="user_pool", key="500")
    assert "rogue" in pathlib.Path(result["backup_file"]).read_text(encoding="utf-8") and "hash" not in json.dumps(result, default=str)
    assert table(zones["beta2"]) == table(zones["alpha1"])
    settle(zones)


def test_1062_row_with_the_same_name_under_another_key_is_found_and_removed(zones):
    quietly(zones["beta1"], "INSERT INTO user_pool VALUES (601, 'u600', NULL)")
    base.write(zones, base.pool(600))
    found = named(zones, "beta1", "1062", "remove_row", table="user_pool", key="601")
    assert "'u600' for key 'name'" in found["why"]
    repair(zones, "beta1", "remove_row", "zone0", table="user_pool", key="601")
    settle(zones)


def test_1032_missing_row_is_inserted_and_a_wrong_guess_is_taken_out_again(zones):
    quietly(zones["beta2"], "DELETE FROM user_pool WHERE oid IN (1, 2)")
    base.write(zones, "UPDATE opennebula.user_pool SET body='changed' WHERE oid=1")
    in_red(zones, "beta2", "1032", "constellation.opennebula.repair --limit beta2")
    assert "rows 1, 2;" in named(zones, "beta2", "1032", "insert_row", table="user_pool", key="1")["hint"]
    refused(zones, "beta2", "insert_row", "zone0", "does not have this row", table="user_pool", key="99")
    with pytest.raises(CoreError, match="not the one that the source waits for"):
        repair(zones, "beta2", "insert_row", "zone0", table="user_pool", key="2", check=False)
    assert [row[0] for row in table(zones["beta2"])][:2] == [0, 3]
    with pytest.raises(CoreError, match="not proven equal"):      # right, and the other row is missing still
        repair(zones, "beta2", "insert_row", "zone0", table="user_pool", key="1", check=False)
    repair(zones, "beta2", "insert_row", "zone0", table="user_pool", key="2")
    assert table(zones["beta2"]) == table(zones["alpha1"])
    settle(zones)


def test_1146_missing_table_is_seeded(zones):
    quietly(zones["beta2"], "DROP TABLE vdc_pool")
    base.write(zones, "INSERT INTO opennebula.vdc_pool VALUES (1, 'v1', NULL)", base.pool(700))
    in_red(zones, "beta2", "1146", "-e repair_verb=reseed_table", "-e repair_table=vdc_pool")
    named(zones, "beta2", "1146", "reseed_table", table="vdc_pool")
    base.write(zones, "INSERT INTO opennebula.vdc_pool VALUES (2, 'v2', NULL)", base.pool(701), "UPDATE opennebula.user_pool SET body='b' WHERE oid=700")
    assert repair_with_backup_of_nothing(zones)["new_binary_log"]
    follow(zones, "beta1", "zone100-slave", "restart")
    assert table(zones["beta2"], "vdc_pool") == table(zones["alpha1"], "vdc_pool") and len(table(zones["beta2"], "vdc_pool")) == 2
    settle(zones)


def repair_with_backup_of_nothing(zones):
    params = dict(ASKED, verb="reseed_table", source="zone0", table="vdc_pool", backup_dir=str(zones["beta2"].folder / "backup"))
    outcome = database_repair.ensure(params, servers(zones, "beta2"), mariadb.Copy(60), False).as_result()
    assert "backup_file" not in outcome, "there was nothing to back up"
    return outcome


def follow(zones, node, source, verb):
    """What the playbook does on the zone's other node after a new binary log."""
    params = dict(ASKED, verb=verb, source=source)
    base.until(lambda: zones[node].rows("SELECT 1"), 5)
    time.sleep(0.5)
    return database_repair.ensure(params, servers(zones, node), mariadb.Copy(60), False)


def test_silent_difference_with_all_threads_yes_is_seeded_again(zones):
    quietly(zones["beta2"], "UPDATE user_pool SET body='silent' WHERE oid=3")
    assert {replication.threads_of(row) for row in zones["beta2"].server().slaves()} == {("Yes", "Yes")}
    in_red(zones, "beta2", "federated tables equal", "user_pool")
    found = named(zones, "beta2", "difference", "reseed_table", table="user_pool")
    assert "1 differing (3)" in found["why"]
    refused(zones, "beta2", "remove_row", "zone0", "differs, it is not errant", table="user_pool", key="3")
    result = repair(zones, "beta2", "reseed_table", "zone0", table="user_pool")
    assert "silent" in pathlib.Path(result["backup_file"]).read_text(encoding="utf-8")
    follow(zones, "beta1", "zone100-slave", "restart")
    settle(zones)


def test_errant_write_in_a_slave_zone_is_removed_on_both_nodes(zones):
    zones["beta1"].rows("INSERT INTO opennebula.acl VALUES (900, 'errant', NULL)")      # with its binary log, so it reaches the other node
    for node in SLAVES:
        in_red(zones, node, "federated tables equal", "acl")
        named(zones, node, "difference", "remove_row", table="acl", key="900")
    for node in SLAVES:
        repair(zones, node, "remove_row", "zone0", table="acl", key="900")
    settle(zones)


def test_1595_and_a_stopped_source_are_started_again(zones):
    zones["beta2"].rows("STOP SLAVE 'zone100-master' IO_THREAD")
    base.write(zones, base.pool(800))
    named(zones, "beta2", "1595", "restart", source="zone0")
    in_red(zones, "beta2", "1595", "-e repair_verb=restart -e repair_source=zone0")
    named(zones, "beta2", "stopped", "restart", source="zone100-master")
    repair(zones, "beta2", "restart", "zone0")
    repair(zones, "beta2", "restart", "zone100-master")
    settle(zones)


def test_1236_hole_after_a_crash_is_started_again(zones):
    base.write(zones, base.local(3))
    base.caught_up(zones)
    zones["beta2"].kill()
    base.write(zones, base.pool(1000), base.local(4))
    arrived(zones, "beta1", 1000)
    zones["beta2"].start()
    in_red(zones, "beta2", "1236", "missing the GTID", "-e repair_verb=restart")
    named(zones, "beta2", "1236", "restart", source="zone100-master")
    repair(zones, "beta2", "restart", "zone0", check=False) if "zone0" in "".join(red(zones, "beta2")) else None
    repair(zones, "beta2", "restart", "zone100-master")
    settle_after_restart(zones, "beta1", "zone100-slave")


def settle_after_restart(zones, node, source):
    if any(source in line for line in red(zones, node)):
        follow(zones, node, source, "restart")
    settle(zones)


def test_1236_ahead_of_its_source_waits_and_starts_again(zones):
    """Not in slave zones: with gtid_ignore_duplicates a server that is ahead just waits (10.11.19)."""
    repair(zones, "beta1", "repoint", "zone0", host="127.0.0.1", port=zones["alpha1"].port)
    zones["alpha2"].rows("STOP SLAVE 'zone0-master' SQL_THREAD")
    base.write(zones, base.pool(1100))
    arrived(zones, "beta1", 1100)
    refused(zones, "beta1", "repoint", "zone0", "this node already at", host="127.0.0.1", port=zones["alpha2"].port)
    zones["alpha1"].rows("STOP SLAVE 'zone0-slave'")
    zones["alpha1"].rows("CHANGE MASTER 'zone0-slave' TO MASTER_DEMOTE_TO_SLAVE=1")
    zones["alpha1"].rows("START SLAVE 'zone0-slave'")
    in_red(zones, "alpha1", "1236", "not in the master's binlog", "-e repair_verb=restart")
    named(zones, "alpha1", "1236", "restart", source="zone0-slave")
    repair(zones, "alpha2", "restart", "zone0-master")
    repair(zones, "alpha1", "restart", "zone0-slave")
    repair(zones, "beta1", "repoint", "zone0", host="127.0.0.1", port=zones["alpha2"].port)
    settle(zones)


def test_1236_purged_seeds_the_standby_then_the_writer(zones):
    for node in SLAVES:
        zones[node].rows("STOP ALL SLAVES")
    base.write(zones, base.pool(1200), base.local(5), base.pool(1201))
    arrived(zones, "alpha2", 1201)
    zones["alpha2"].rows("FLUSH BINARY LOGS")
    base.until(lambda: purge(zones["alpha2"]), PATIENCE_S)
    for node in SLAVES:
        zones[node].rows("START ALL SLAVES")
    for node in SLAVES:
        in_red(zones, node, "1236", "purged", "-e repair_verb=reseed_tables -e repair_source=zone0")
        named(zones, node, "1236", "reseed_tables", source="zone0")
    assert repair(zones, "beta2", "reseed_tables", "zone0")["new_binary_log"]
    assert "new_binary_log" not in repair(zones, "beta1", "reseed_tables", "zone0")
    settle_after_restart(zones, "beta1", "zone100-slave")


def purge(node):
    logs = node.rows("SHOW BINARY LOGS")
    node.rows(f"PURGE BINARY LOGS TO '{logs[-1][0]}'")
    return len(node.rows("SHOW BINARY LOGS")) == 1


def test_1236_first_log_file_follows_by_gtid_again(zones):
    zones["alpha1"].rows("STOP SLAVE 'zone0-slave'")
    zones["alpha1"].rows("CHANGE MASTER 'zone0-slave' TO MASTER_USE_GTID=no, MASTER_LOG_FILE='mysql-bin.000999', MASTER_LOG_POS=4")
    zones["alpha1"].rows("START SLAVE 'zone0-slave'")
    in_red(zones, "alpha1", "1236", "Could not find first log", "-e repair_verb=repoint", "-e repair_host=127.0.0.1")
    named(zones, "alpha1", "1236", "repoint")
    repair(zones, "alpha1", "repoint", "zone0-slave", host="127.0.0.1")
    settle(zones)


def test_1950_standby_of_the_master_zone_is_loaded_again_and_1947_is_demoted(zones):
    quietly(zones["alpha2"], "UPDATE vm_pool SET body='silent'")
    refused(zones, "alpha2", "reseed_table", "zone0-master", "pull from this node", table="vm_pool")
    for node in SLAVES:
        repair(zones, node, "repoint", "zone0", host="127.0.0.1", port=zones["alpha1"].port)
    repair(zones, "alpha2", "reseed_table", "zone0-master", table="vm_pool")
    follow(zones, "alpha1", "zone0-slave", "demote")
    parted(zones, "alpha1", "zone0-slave", "alpha2", "zone0-master")
    for node in SLAVES:
        repair(zones, node, "repoint", "zone0", host="127.0.0.1", port=zones["alpha2"].port)
    settle(zones)


def test_1950_standby_of_a_slave_zone_is_loaded_again(zones):
    parted(zones, "beta1", "zone100-slave", "beta2", "zone100-master")
    settle(zones)


def parted(zones, writer, back, standby, source):
    """Two writers in one domain; the standby's histories goes, and nobody else notices."""
    zones[standby].rows("STOP SLAVE")      # no such connection: nothing is stopped
    zones[standby].rows(f"STOP SLAVE '{source}' SQL_THREAD")
    zones[writer].rows("REPLACE INTO opennebula.vm_pool VALUES (70, 'right', NULL)")
    zones[standby].rows("REPLACE INTO opennebula.vm_pool VALUES (71, 'wrong', NULL)")
    zones[standby].rows("CREATE TABLE only_here (oid INT)", database="opennebula")
    zones[standby].rows(f"START SLAVE '{source}' SQL_THREAD")
    zones[writer].rows("REPLACE INTO opennebula.vm_pool VALUES (72, 'right', NULL)")
    in_red(zones, standby, "1950", f"-e repair_verb=reseed_node -e repair_source={source}")
    named(zones, standby, "1950", "reseed_node", source=source)
    in_red(zones, writer, "1950", f"-e repair_verb=demote -e repair_source={back}")
    refused(zones, writer, "demote", back, "two histories")
    refused(zones, writer, "reseed_node", back, "its data is the zone's data")
    result = repair(zones, standby, "reseed_node", source)
    assert "wrong" in pathlib.Path(result["backup_file"]).read_text(encoding="utf-8")
    assert not zones[standby].rows("SELECT 1 FROM information_schema.TABLES WHERE TABLE_NAME='only_here'")
    assert table(zones[standby], "vm_pool") == table(zones[writer], "vm_pool")
    domain = zones[writer].domain
    with pytest.raises(CoreError, match="1947"):
        zones[writer].rows("STOP ALL SLAVES")
        zones[writer].server().do("SET GLOBAL gtid_slave_pos=%s", (f"{domain}-{zones[writer].server_id}-1",))
    zones[writer].rows("START ALL SLAVES")
    follow(zones, writer, back, "demote")


def test_1593_equal_server_ids(zones):
    stop(zones["beta2"])
    zones["beta2"].start(f"--server-id={zones['beta1'].server_id}")
    in_red(zones, "beta2", "1593", "constellation.opennebula.site --tags database,federation")
    named(zones, "beta2", "1593", "site")
    stop(zones["beta2"])
    zones["beta2"].start()
    heal_by_site(zones)


def stop(node):
    node.rows("STOP ALL SLAVES")
    node.kill()


def heal_by_site(zones):
    """What site.yml does: accounts, then sources, on every node; until nothing is broken."""
    for node in zones.values():
        access(node)
    base.until(lambda: base.repaired(zones), PATIENCE_S)
    settle(zones)


def test_1597_and_1045_are_the_accounts(zones):
    zones["beta1"].rows("SET STATEMENT sql_log_bin=0 FOR REVOKE REPLICATION SLAVE ON *.* FROM repl@127.0.0.1")
    zones["beta2"].rows("STOP SLAVE 'zone100-master'")
    zones["beta2"].rows("START SLAVE 'zone100-master'")
    in_red(zones, "beta2", "1597", "constellation.opennebula.site --tags database,federation")
    named(zones, "beta2", "1597", "site")
    heal_by_site(zones)
    zones["beta2"].rows("STOP SLAVE 'zone100-master'")
    zones["beta2"].rows("CHANGE MASTER 'zone100-master' TO MASTER_PASSWORD='wrong'")
    zones["beta2"].rows("START SLAVE 'zone100-master'")
    in_red(zones, "beta2", "1045", "constellation.opennebula.site --tags database,federation")
    named(zones, "beta2", "1045", "site")
    heal_by_site(zones)


def test_2003_node_down_is_nothing_to_repair(zones):
    zones["alpha2"].kill()
    in_red(zones, "beta1", "2003", "retries by itself")
    assert not any("repair_verb" in line for line in red(zones, "beta1") if "2003" in line)
    found = named(zones, "beta1", "2003", "")
    assert found["command"] == "" and "Nothing is known" in named(zones, "beta1", "unknown contents")["hint"]
    refused(zones, "beta1", "restart", "zone0", "tries again by itself")
    refused(zones, "beta1", "reseed_tables", "zone0", "the source cannot be asked")
    zones["alpha2"].start()
    settle(zones)


def test_live_filter_that_is_not_the_declared_one_is_set_again(zones):
    zones["beta2"].rows("STOP SLAVE 'zone0'")
    server = zones["beta2"].server()
    server.do("SET @@default_master_connection='zone0'")
    server.do("SET GLOBAL replicate_do_table=%s", (",".join(base.TABLES[1:]),))
    zones["beta2"].rows("START SLAVE 'zone0'")
    in_red(zones, "beta2", "does not have its table filter", "-e repair_verb=refilter")
    named(zones, "beta2", "filter", "refilter", source="zone0")
    repair(zones, "beta2", "refilter", "zone0", do_tables=list(base.TABLES))
    settle_after_restart(zones, "beta1", "zone100-slave")


def test_misspelt_filter_prefix_is_found(zones):
    stop(zones["beta2"])
    zones["beta2"].start("--skip-slave-start", prefix="zone_0")
    in_red(zones, "beta2", "does not have its table filter", "live: none", "-e repair_verb=refilter")
    assert "lists 0 tables, wanted 8" in named(zones, "beta2", "filter", source="zone0")["why"]
    refused(zones, "beta2", "reseed_tables", "zone0", "no table filter")
    stop(zones["beta2"])
    zones["beta2"].start("--skip-slave-start")
    heal_by_site(zones)
