# SPDX-License-Identifier: GPL-3.0-or-later
"""database_repair and its reading twin: evidence first, a backup before any change, order of the steps, secrets."""
import json
import re

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import repair, repair_run
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, NotThere
from ansible_collections.constellation.opennebula.plugins.modules import database_repair, database_repair_info

SECRET = "CANARY-9f2c"
ROW = {"Slave_IO_Running": "Yes", "Slave_SQL_Running": "Yes", "Last_IO_Errno": 0, "Last_SQL_Errno": 0, "Last_IO_Error": "", "Last_SQL_Error": "",
       "Master_Host": "10.0.0.1", "Master_Port": 3306, "Master_User": "repl", "Connect_Retry": 2, "Slave_heartbeat_period": 5.0, "Using_Gtid": "Slave_Pos",
       "Replicate_Do_Table": "opennebula.acl", "Connection_name": "zone0"}
DUPLICATE = "on table opennebula.acl; Duplicate entry '5' for key 'PRIMARY'"


class FakeServer:
    """One table ``acl`` of {oid: name}, one source. On START the master's rows arrive, unless a row is in the way."""

    def __init__(self, world, name, domain, acl, read_only=1):
        self.world, self.where, self.domain, self.acl, self.read_only = world, name, domain, dict(acl), read_only
        self.status, self.now, self.writes, self.absent, self.deaf = [], 0.0, [], False, False
        self.arguments = "--zone0.replicate-do-table=opennebula.acl"

    def clock(self):
        return self.now

    def pause(self, seconds):
        self.now += seconds

    def until(self, read, judge, timeout_s):
        deadline = self.now + timeout_s
        while not judge(state := read()) and self.now < deadline:
            self.now += 0.2
        return state, judge(state)

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *nothing):
        pass

    def slaves(self):
        return [dict(row) for row in self.status]

    def next_arguments(self):
        return self.arguments

    def value(self, sql, args=()):
        return self.rows(sql, args) and "0-1-9"

    def rows(self, sql, args=()):
        if self.absent:
            raise NotThere("MariaDB does not answer", self.where, "2003 refused", "Start it.")
        if "SHOW" in sql:
            pair = ("file", "f"), ("position", 4)
            return [{"Variable_name": f"binlog_snapshot_{name}", "Value": value} for name, value in pair] if "binlog" in sql else []
        if "information_schema.TABLES" in sql:
            return [{"name": "acl"}]
        if "STATISTICS" in sql:
            return [{"t": "acl", "c": "oid"}]
        if "COLUMNS" in sql:
            return [{"t": "acl", "c": "oid"}, {"t": "acl", "c": "name"}]
        if "AS n" in sql:
            return [{"n": len(self.acl), "x": str(sorted(self.acl.items())), "s": 0}]
        if " AS b," in sql:
            return [{"b": 0, "s": str(self.acl)}]
        if "SELECT k, h" in sql:
            return [{"k": str(oid), "h": name} for oid, name in self.acl.items()]
        if "SELECT *" in sql:
            oid = int(re.search(r"`oid` = (\d+)", sql).group(1))
            return [{"oid": oid, "name": self.acl[oid]}] if oid in self.acl else []
        if "mysql.gtid_slave_pos" in sql:
            return [{"domain_id": 0, "server_id": 1, "seq_no": 9}]
        return [{"server_id": self.domain + 1, "domain": self.domain, "read_only": self.read_only, "slave_pos": "0-1-9", "binlog_pos": "0-1-9",
                 "current_pos": "0-1-9", "binlog_state": "0-1-9", "passes_on": 1}]

    def do(self, sql, args=(), secrets=()):
        assert "skip_counter" not in sql and SECRET not in sql
        self.writes.append(sql % tuple(repr(arg) for arg in args) if args else sql)
        row = self.status[0]
        if sql.startswith("STOP"):
            row.update({"Slave_SQL_Running": "No"} if sql.endswith("SQL_THREAD") else {"Slave_SQL_Running": "No", "Slave_IO_Running": "No"})
        elif sql.startswith("START") and not self.deaf:
            row.update(Slave_SQL_Running="Yes", Slave_IO_Running="Yes", Last_SQL_Errno=0, Last_SQL_Error="", Last_IO_Errno=0)
            for oid, name in self.world.master.acl.items():
                if self.acl.setdefault(oid, name) != name:
                    row.update(Slave_SQL_Running="No", Last_SQL_Errno=1062, Last_SQL_Error=DUPLICATE)
        elif sql.startswith("DELETE"):
            assert "-backup-" in self.writes and "SET SESSION sql_log_bin=0" in self.writes
            assert row["Slave_SQL_Running"] == "No", "nothing may apply events meanwhile"
            del self.acl[int(re.search(r"`oid` = (\d+)", sql).group(1))]


class World:
    """What Servers gives: this server, and the source's."""

    Snapshot = object()

    def __init__(self, here, master, **status):
        self.master = FakeServer(self, "master", 0, master, read_only=0)
        self.server = FakeServer(self, "here", 100, here)
        self.server.status = [dict(ROW, **status)]
        self.asked = []

    def here(self, kind=None):
        return self.server

    def at(self, host, port, kind=None):
        self.asked.append((host, port))
        return self.master


class FakeCopy:
    def into(self, source, database, tables, target, schema, where=""):
        oid = int(re.search(r"`oid` = (\d+)", where).group(1))
        target.acl[oid] = source.acl[oid]

    def to_file(self, server, database, tables, folder, where=""):
        server.writes.append("-backup-")
        return f"{folder}/{database}.sql"


def ensure(world, verb, check=False, **more):
    params = dict({"verb": verb, "source": "zone0", "table": "", "key": "", "host": "", "port": 0, "do_tables": None,
                   "moved_replicas": [], "database": "opennebula",
                   "backup_dir": "/b", "wait_timeout_s": 2, "user": "seed", "password": SECRET}, **more)
    return database_repair.ensure(params, world, FakeCopy(), check)


def rogue(**more):
    return World({5: "rogue"}, {5: "right"}, Slave_SQL_Running="No", Last_SQL_Errno=1062, Last_SQL_Error=DUPLICATE, **more)


def test_errant_row_is_backed_up_removed_and_the_right_one_arrives():
    world = rogue()
    predicted = ensure(world, "remove_row", check=True, table="acl", key="5")
    assert predicted.changed and world.server.writes == [] and world.server.acl == {5: "rogue"}
    done = ensure(world, "remove_row", table="acl", key="5")
    result = done.as_result()
    assert result["changes"] == predicted.as_result()["changes"] == [
        {"kind": "row", "target": "acl 5", "before": {"oid": 5, "name": "rogue"}, "after": None}]
    assert world.server.acl == {5: "right"} and result["backup_file"] == "/b/opennebula.sql" and result["equal"]
    world.server.writes.clear()
    assert not ensure(world, "remove_row", table="acl", key="5").changed and world.server.writes == []
    assert SECRET not in json.dumps([result, predicted.as_result()])


def test_missing_row_is_inserted():
    world = World({}, {5: "right"})
    world.server.acl = {}
    assert ensure(world, "insert_row", table="acl", key="5").changed and world.server.acl == {5: "right"}


@pytest.mark.parametrize("position", ["0-1-9", "0-1-9,100-10001-7"])        # the zone's other channel goes on meanwhile
def test_row_that_does_not_help_is_taken_out_again(position):
    world = World({1: "a"}, {1: "a", 5: "x"}, Slave_SQL_Running="No", Last_SQL_Errno=1032, Last_SQL_Error="on table opennebula.acl; Can't find")
    world.server.deaf = True      # it stops at the same place again
    world.server.value = lambda sql, args=(): position
    with pytest.raises(NotConverged, match="taken out again"):
        ensure(world, "insert_row", table="acl", key="5")
    assert world.server.acl == {1: "a"}


def test_source_that_still_does_not_run_is_an_error_with_the_backup():
    world = rogue()
    world.server.deaf = True
    with pytest.raises(NotConverged) as failed:
        ensure(world, "remove_row", table="acl", key="5")
    assert failed.value.data["backup_file"] == "/b/opennebula.sql" and world.server.writes[-1] == "SET SESSION sql_log_bin=1"


def test_row_that_changed_meanwhile_is_left_alone_and_the_source_started():
    world = World({5: "rogue"}, {})
    copy = world.server.do

    def moved(sql, args=(), secrets=()):
        copy(sql, args, secrets)
        if sql.startswith("STOP"):
            world.server.acl[5] = "newer"

    world.server.do = moved
    with pytest.raises(CoreError, match="changed since"):
        ensure(world, "remove_row", table="acl", key="5")
    assert world.server.acl == {5: "newer"} and world.server.status[0]["Slave_SQL_Running"] == "Yes"


def test_stopped_source_is_started_and_the_contents_compared():
    world = World({1: "a"}, {1: "a"}, Slave_IO_Running="No", Slave_SQL_Running="No")
    assert ensure(world, "restart", check=True).changed and ensure(world, "restart").as_result()["equal"]
    assert world.server.writes == ["SET SESSION sql_log_bin=0", "STOP SLAVE 'zone0'", "START SLAVE 'zone0'", "SET SESSION sql_log_bin=1"]


def test_running_is_not_enough_when_the_contents_differ():
    world = World({1: "a", 9: "errant"}, {1: "a"}, Slave_IO_Running="No", Slave_SQL_Running="No")
    with pytest.raises(NotConverged, match="acl: 1 only here \\(9\\)"):
        ensure(world, "restart")


def test_source_that_cannot_be_asked_leaves_everything_alone():
    world = rogue()
    world.master.absent = True
    with pytest.raises(CoreError, match="cannot be asked: 2003"):
        ensure(world, "remove_row", table="acl", key="5")
    assert world.server.writes == []


def info(world, **more):
    return database_repair_info.read(dict({"database": "opennebula", "node": "beta1", "inventory": [],
                                           "sources": [{"name": "zone0", "do_tables": ["opennebula.acl"]}]}, **more),
                                     world)


def test_info_names_the_row_the_verb_and_the_command_and_changes_nothing():
    world = rogue()
    found = info(world)
    assert [(one["name"], one["verb"], one["table"], one["key"]) for one in found["findings"] if one["name"] == "1062"] == [("1062", "remove_row", "acl", "5")]
    assert any("--limit beta1 -e repair_verb=remove_row -e repair_source=zone0 -e repair_table=acl -e repair_key=5" in line for line in found["lines"])
    assert world.server.writes == world.master.writes == [] and SECRET not in json.dumps(found)
    assert info(World({1: "a"}, {1: "a"}))["lines"] == ["beta1: nothing to repair"]


@pytest.mark.parametrize("arguments, told", [("--zone_0.replicate-do-table=opennebula.acl", True), ("", True), (None, False)])
def test_filter_that_the_next_start_would_bring_is_told_with_its_remedy(arguments, told):
    world = World({1: "a"}, {1: "a"})
    world.server.arguments = arguments
    assert [(one["name"], one["command"]) for one in info(world)["findings"]] == (
        [("file", "ansible-playbook constellation.opennebula.site --tags database,federation")] if told else [])


def test_info_of_a_host_without_mariadb_and_of_a_missing_source_are_answers():
    world = World({}, {})
    world.server.absent = True
    assert info(world)["present"] is False
    missing = info(World({}, {}), sources=[{"name": "zone9"}])["findings"]
    assert [(one["name"], one["verb"]) for one in missing] == [("missing source", "site")]


@pytest.mark.parametrize(("version", "done"), [
    ("10.11.19-MariaDB", ["STOP SLAVE 'zone0'", "CHANGE MASTER 'zone0' TO MASTER_DEMOTE_TO_SLAVE=1", "START SLAVE 'zone0'"]),
    ("10.6.22-MariaDB", ["STOP ALL SLAVES", "SET GLOBAL gtid_slave_pos='0-1-12,100-3-7'", "START SLAVE 'other'", "START SLAVE 'zone0'"])])
def test_demote_in_the_words_of_the_release(version, done):
    """MASTER_DEMOTE_TO_SLAVE came with 10.10; before, the position is set to what it would make of it."""
    world = rogue()
    server = world.server
    rows = [dict(ROW, Connection_name="other", Slave_IO_Running="Yes"), dict(ROW, Connection_name="zone0", Slave_IO_Running="No", Slave_SQL_Running="No")]
    server.value = lambda sql, args=(): version
    server.rows = lambda sql, args=(): [{"slave_pos": "0-1-9,100-3-7", "binlog_pos": "0-1-12,100-3-5"}]
    one = repair_run.Run(repair.Request("demote", "zone0", database="opennebula"), world, server, FakeCopy(), {}, {})
    one._demote(repair.Facts(repair.Side("here", rows=tuple(rows))), None)
    assert server.writes == done


def breaking(server, *words):
    """Let the statements fail that begin so; return what was done."""
    do, done = server.do, []

    def broken(sql, args=(), secrets=()):
        done.append(sql % tuple(repr(arg) for arg in args) if args else sql)
        if sql.startswith(words):
            raise CoreError(f"cannot {sql.split()[0]}", server.where, "1030 disk full")
        do(sql, args, secrets)

    server.do = broken
    return done


def test_error_that_began_it_is_told_first_though_nothing_starts_again_either():
    world = rogue()
    done = breaking(world.server, "DELETE", "START", "SET SESSION sql_log_bin=1")
    with pytest.raises(CoreError) as failed:
        ensure(world, "remove_row", table="acl", key="5")
    assert failed.value.what == "cannot DELETE" and [one["what"] for one in failed.value.data["also"]] == ["cannot START", "cannot SET"]
    assert done[-2:] == ["START SLAVE 'zone0' SQL_THREAD", "SET SESSION sql_log_bin=1"], "and each was tried"


def seeding(steps, **status):
    """Return a Run that seeds, and what its server is told; steps(run, source) is the verb's own part."""
    world = World({}, {})
    server, rows = world.server, [dict(ROW, Connection_name="zone100-master", Replicate_Do_Table="", **status), dict(ROW)]
    server.do = lambda sql, args=(), secrets=(): server.writes.append(sql % tuple(args) if args else sql)
    run = repair_run.Run(repair.Request("reseed_node", "zone100-master", database="opennebula"), world, server, FakeCopy(), {}, {"backup_file": "/b/x.sql"})
    with run._seeding(repair.Facts(repair.Side("here", rows=tuple(rows)))):
        steps(run)
    return server.writes


def fails_after(run, placed, log):
    if placed:
        run._place(["acl"], ["acl"])
    log.append(run.server.writes)
    raise CoreError("cannot go on", "here", "1030 disk full")


STOPPED = {"Slave_IO_Running": "No", "Slave_SQL_Running": "No"}


@pytest.mark.parametrize("placed, status, started", [
    (False, {}, ["zone0", "zone100-master"]), (False, STOPPED, ["zone0"]), (True, {}, []), (True, STOPPED, [])])
def test_failed_seeding_starts_what_ran_and_nothing_from_a_position_that_is_not_the_tables(placed, status, started):
    log = []
    with pytest.raises(CoreError) as failed:
        seeding(lambda run: fails_after(run, placed, log), **status)
    assert failed.value.what == "cannot go on" and [sql for sql in log[0] if sql.startswith("START")] == [f"START SLAVE {name}" for name in started]
    assert placed == ("no source is started" in str(failed.value) and "Run the same verb again. The backup is /b/x.sql" in str(failed.value))


def test_seeding_that_ends_starts_its_source_and_leaves_nothing_behind():
    writes = seeding(lambda run: run._place(["acl"], ["acl"]), **STOPPED)
    assert writes[-5:] == [f"DROP DATABASE IF EXISTS `{repair_run.federated.STAGING}`", "STOP SLAVE zone0", "START SLAVE zone0", "STOP SLAVE zone100-master",
                           "START SLAVE zone100-master"]
