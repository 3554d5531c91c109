# SPDX-License-Identifier: GPL-3.0-or-later
"""federated_tables and its reading twin: order of the steps, interruption, secrets."""
import json
import re

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import federated
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotThere
from ansible_collections.constellation.opennebula.plugins.modules import federated_tables, federated_tables_info

SECRET = "CANARY-9f2c"
ALL = set(federated.FEDERATED_TABLES)


class FakeServer:
    def __init__(self, tables=(), domain=100, slave_pos="", binlog_state="", read_only=1, channels=(), host=None, absent=False, break_at=None,
                 passes_on=1):
        self.schemas = {"mysql": set(), "opennebula": set(tables)}
        self.domain, self.slave_pos, self.binlog_state, self.read_only, self.passes_on = domain, slave_pos, binlog_state, read_only, passes_on
        self.host, self.absent, self.break_at = host, absent, break_at
        self.channels = {name: "Yes" for name in channels}
        self.where, self.writes = f"root@{host or 'fake'}", []

    def rows(self, sql, args=()):
        if self.absent:
            raise NotThere("MariaDB does not answer", self.where, "2003 refused", "Start it.")
        if "information_schema.TABLES" in sql:
            return [{"name": name} for name in self.schemas.get(args[0], ())]
        if "SCHEMATA" in sql:
            return [{"found": 1}] if args[0] in self.schemas else []
        return [{"domain": self.domain, "slave_pos": self.slave_pos, "current_pos": self.slave_pos, "binlog_state": self.binlog_state,
                 "read_only": self.read_only, "passes_on": self.passes_on}]

    def slaves(self):
        return [{"Connection_name": name, "Slave_IO_Running": state, "Slave_SQL_Running": state} for name, state in self.channels.items()]

    def do(self, sql, args=(), secrets=()):
        self.writes.append(sql % tuple(repr(arg) for arg in args) if args else sql)
        if self.break_at and self.break_at in sql:
            raise CoreError("MariaDB refused a statement", self.where, "2013 lost connection")
        if "STOP ALL" in sql:
            self.channels = {name: "No" for name in self.channels}
        elif sql.startswith("START SLAVE"):
            self.channels[args[0]] = "Yes"
        elif sql.startswith("DROP DATABASE"):
            self.schemas.pop(re.search("`(.+)`", sql).group(1), None)
        elif sql.startswith("CREATE DATABASE"):
            self.schemas[re.search("`(.+)`", sql).group(1)] = set()
        elif sql.startswith("CREATE TABLE"):
            schema, table = re.findall("`([^`]+)`", sql)
            self.schemas[schema].add(table)
        elif sql.startswith("DROP TABLE"):
            self.schemas["opennebula"] -= set(re.findall(r"`opennebula`\.`(\w+)`", sql))
        elif sql.startswith("RENAME"):
            for old, table, new in re.findall(r"`(\w+)`\.`(\w+)` TO `(\w+)`", sql):
                self.schemas[old].remove(table)
                assert table not in self.schemas[new]
                self.schemas[new].add(table)
        elif "gtid_slave_pos" in sql:
            assert "Yes" not in self.channels.values()
            self.slave_pos = args[0]


class FakeCopy:
    def __init__(self, position="0-1-50", short=False):
        self.position, self.short, self.files = position, short, []

    def into(self, source, database, tables, target, schema):
        assert source.host and "Yes" not in target.channels.values(), "a running channel would pass the dump's position"
        target.schemas[schema] = set(list(tables)[1:] if self.short else tables)
        return f"-- SET GLOBAL gtid_slave_pos='{self.position}';"

    def to_file(self, source, database, tables, folder):
        self.files.append(tuple(tables))
        return f"{folder}/dump.sql"


def params(**more):
    return dict({"masters": ["10.90.1.11"], "user": "seed", "password": SECRET, "domain": 0, "database": "opennebula", "tables": None, "replace": False,
                 "force": False,
                 "backup_dir": "/backup"}, **more)


def master():
    return FakeServer(ALL, domain=0, read_only=0, host="10.90.1.11")


def ensure(server, copy=None, check=False, masters=None, **more):
    return federated_tables.ensure(params(**more), server, masters or [master()], copy or FakeCopy(), check)


def test_fresh_node_is_seeded_once():
    server = FakeServer(channels=["zone100-slave"])
    predicted = ensure(server, check=True)
    assert predicted.changed and server.writes == []
    done = ensure(server)
    result = done.as_result()
    assert result["changes"] == predicted.as_result()["changes"] and (result["source"], result["position"]) == ("10.90.1.11", "0-1-50")
    assert server.schemas == {"mysql": set(), "opennebula": ALL} and server.slave_pos == "0-1-50" and server.channels == {"zone100-slave": "Yes"}
    assert server.writes[0] == "SET SESSION sql_log_bin=0" and "SET GLOBAL gtid_binlog_state='0-1-50'" in server.writes
    server.writes.clear()
    assert not ensure(server).changed and server.writes == []
    assert SECRET not in json.dumps([result, predicted.as_result()])


def test_other_domains_stay_and_a_used_binary_log_is_not_touched():
    server = FakeServer(slave_pos="100-4-7", binlog_state="100-3-9")
    ensure(server)
    assert server.slave_pos == "0-1-50,100-4-7" and not any("gtid_binlog_state" in sql for sql in server.writes)


@pytest.mark.parametrize("statement", ["STOP ALL", "CREATE DATABASE", "RENAME", "gtid_slave_pos", "gtid_binlog_state", "DROP DATABASE `constellation_seed`"])
def test_interrupted_seeding_is_run_again(statement):
    server = FakeServer(channels=["zone100-slave"], break_at=statement)
    with pytest.raises(CoreError):
        ensure(server)
    assert set(server.channels.values()) == {"Yes"}, "the channels run again after a failure"
    server.break_at = None
    assert ensure(server).changed and server.schemas == {"mysql": set(), "opennebula": ALL} and server.slave_pos == "0-1-50"


def test_error_of_the_seeding_is_told_first_though_a_channel_does_not_start_again_either():
    server = FakeServer(channels=["zone0", "zone100-slave"])
    do, tried = server.do, []

    def broken(sql, args=(), secrets=()):
        tried.append(sql)
        if sql.startswith(("RENAME", "START")):
            raise CoreError(f"cannot {sql.split()[0]}", server.where, "1030 disk full")
        do(sql, args, secrets)

    server.do = broken
    with pytest.raises(CoreError) as failed:
        ensure(server)
    assert failed.value.what == "cannot RENAME" and [one["what"] for one in failed.value.data["also"]] == ["cannot START"]
    assert [sql for sql in tried if sql.startswith("START")] == ["START SLAVE %s"] * 2


@pytest.mark.parametrize("staged", [set(), {"acl"}, ALL])
def test_copy_of_which_nothing_was_placed_is_dropped_and_the_right_tables_stay(staged):
    server = FakeServer(ALL, slave_pos="0-1-20", binlog_state="0-1-20", channels=["zone0"])
    server.schemas["constellation_seed"] = set(staged)
    predicted = ensure(server, check=True)
    done = ensure(server)
    assert [one["kind"] for one in done.as_result()["changes"]] == ["leftover"] and done.as_result()["changes"] == predicted.as_result()["changes"]
    assert server.writes == ["SET SESSION sql_log_bin=0", "DROP DATABASE IF EXISTS `constellation_seed`"] and server.slave_pos == "0-1-20"
    assert server.schemas == {"mysql": set(), "opennebula": ALL} and not ensure(server).changed


@pytest.mark.parametrize("statement", ["RENAME", "gtid_slave_pos"])
def test_tables_without_their_position_are_seeded_again_though_all_are_there(statement):
    server = FakeServer(ALL, slave_pos="0-1-20", binlog_state="0-1-20", break_at=statement)
    with pytest.raises(CoreError):
        ensure(server, force=True)
    server.break_at = None
    assert ensure(server).changed and server.slave_pos == "0-1-50" and server.schemas == {"mysql": set(), "opennebula": ALL}


def test_foreign_tables_are_replaced_only_when_asked_and_dumped_first():
    server = FakeServer(["acl"])
    with pytest.raises(CoreError, match="refusing"):
        ensure(server)
    with pytest.raises(CoreError, match="refusing"):
        ensure(server, check=True)
    copy = FakeCopy()
    assert ensure(server, copy, replace=True).as_result()["backup_file"] == "/backup/dump.sql" and copy.files == [("acl",)]


def test_force_seeds_a_seeded_node_again():
    server = FakeServer(ALL, slave_pos="0-1-20", binlog_state="0-1-20")
    assert ensure(server, force=True).changed and server.slave_pos == "0-1-50"


@pytest.mark.parametrize(("copy", "says"),
                         [(FakeCopy("0-1-7"), "already has sequence 20"), (FakeCopy(short=True), "did not bring"), (FakeCopy("100-1-1"), "no GTID position")])
def test_unusable_dump_leaves_the_tables_alone(copy, says):
    server = FakeServer(ALL, slave_pos="0-1-20", binlog_state="0-1-20", channels=["zone0"])
    with pytest.raises(CoreError, match=says):
        ensure(server, copy, force=True)
    assert server.schemas["opennebula"] == ALL and server.slave_pos == "0-1-20" and server.channels == {"zone0": "Yes"}


class Moving(FakeServer):
    """A master-zone server of layout guide that applies another one's writes: its position at each look, the last for ever."""

    def __init__(self, *positions):
        super().__init__(ALL, domain=1, read_only=0, host="10.90.1.11")
        self.positions = list(positions)

    def rows(self, sql, args=()):
        found = super().rows(sql, args)
        if "AS passes_on" in sql:
            now = self.positions.pop(0) if len(self.positions) > 1 else self.positions[0]
            found[0].update(slave_pos=now, passes_on=0)
        return found


def guide(server, *positions, **more):
    return ensure(server, FakeCopy("1-1-50"), masters=[Moving(*positions)], domains=[1, 2], **more)


def test_layout_guide_takes_the_other_servers_position_from_the_one_that_is_copied():
    server = FakeServer(domain=10001, passes_on=0, channels=["zone100-slave"])
    done = guide(server, "2-2-7,10-10-3").as_result()
    assert server.slave_pos == "1-1-50,2-2-7" and done["position"] == "1-1-50,2-2-7", "only of the master zone's domains"
    assert not any("gtid_binlog_state" in sql for sql in server.writes), "its binary log has its own writes only"
    assert not guide(server, "2-2-7").changed


def test_layout_guide_copies_from_a_writer_that_has_just_taken_over():
    server = FakeServer(domain=10001, passes_on=0)
    assert ensure(server, FakeCopy(""), masters=[Moving("2-2-7")], domains=[1, 2]).as_result()["position"] == "2-2-7"
    with pytest.raises(CoreError, match="no GTID position"):
        ensure(FakeServer(domain=10001, passes_on=0), FakeCopy(""), masters=[Moving("")], domains=[1, 2])


def test_layout_guide_copies_again_until_the_position_is_exact():
    server = FakeServer(domain=10001, passes_on=0)
    guide(server, "", "2-2-7", "2-2-8", "2-2-9")      # the candidate's look, then before and after each dump
    assert server.slave_pos == "1-1-50,2-2-9"
    assert sum(sql.startswith("CREATE DATABASE") for sql in server.writes) == 2


def test_layout_guide_refuses_two_writers_that_never_rest():
    server = FakeServer(domain=10001, passes_on=0)
    with pytest.raises(CoreError, match="went on applying the writes of another server"):
        guide(server, *(f"2-2-{number}" for number in range(1, 20)))
    assert server.slave_pos == "" and server.schemas["opennebula"] == set()


def test_layout_guide_forgets_the_old_position_of_a_server_that_was_rebuilt():
    server = FakeServer(ALL, domain=10001, passes_on=0, slave_pos="1-1-40,2-2-99,10002-10002-5")
    guide(server, "", force=True)
    assert server.slave_pos == "1-1-50,10002-10002-5"


def test_node_of_the_master_zone_is_never_seeded():
    with pytest.raises(CoreError, match="belongs to the master zone"):
        ensure(FakeServer(domain=0), force=True)


def test_dead_master_is_passed_over_and_without_any_nothing_is_touched():
    server = FakeServer()
    dead = FakeServer(host="10.90.1.11", absent=True)
    assert ensure(server, masters=[dead, FakeServer(ALL, domain=0, host="10.90.1.12")]).as_result()["source"] == "10.90.1.12"
    server = FakeServer()
    with pytest.raises(CoreError, match="10.90.1.11: 2003 refused"):
        ensure(server, masters=[dead])
    assert server.writes == []


def test_host_without_mariadb_predicts_and_fails_for_real():
    assert ensure(FakeServer(absent=True), check=True).changed
    with pytest.raises(NotThere):
        ensure(FakeServer(absent=True))


class FakeSnapshot:
    def __init__(self, absent=False):
        self.absent, self.inside = absent, False

    def __enter__(self):
        if self.absent:
            raise NotThere("MariaDB does not answer", "fake", "2002", "Start it.")
        self.inside = True
        return self

    def __exit__(self, *nothing):
        self.inside = False

    def value(self, sql, args):
        assert self.inside and args == ("mysql-bin.000001", 4711)
        return "0-1-24"

    def rows(self, sql, args=()):
        assert self.inside, "everything is read in one snapshot"
        if "server_id AS" in sql:
            return [{"server_id": 3, "domain": 100, "read_only": 1, "log_bin": 1}]
        if "binlog_snapshot" in sql:
            return [{"Variable_name": "Binlog_snapshot_file", "Value": "mysql-bin.000001"}, {"Variable_name": "Binlog_snapshot_position", "Value": "4711"}]
        if "gtid_slave_pos" in sql:
            return [{"domain_id": 0, "server_id": 1, "seq_no": 29}]
        if "COLUMNS" in sql:
            return [{"t": "acl", "c": "oid"}, {"t": "vm_pool", "c": "oid"}]
        assert "`acl`" in sql
        return [{"n": 4, "x": "AB", "s": 12}]


class FakeServers:
    Snapshot = "a snapshot"

    def __init__(self, snapshot):
        self.snapshot = snapshot

    def here(self, kind):
        assert kind is self.Snapshot
        return self.snapshot


def test_report_is_of_one_moment_and_names_what_is_missing():
    report = federated_tables_info.read({"database": "opennebula", "tables": None}, FakeServers(FakeSnapshot()))
    assert report["position"] == "0-1-29" and report["tables"] == {"acl": {"rows": 4, "checksum": "AB-12", "columns": ["oid"]}}
    assert len(report["missing"]) == 7 and report["gtid_domain_id"] == 100 and report["read_only"] is True and json.dumps(report)


def test_info_of_a_host_without_mariadb_is_an_answer():
    report = federated_tables_info.read({"database": "opennebula", "tables": None}, FakeServers(FakeSnapshot(absent=True)))
    assert report["present"] is False and report["tables"] == {}
