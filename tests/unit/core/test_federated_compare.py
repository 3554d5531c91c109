# SPDX-License-Identifier: GPL-3.0-or-later
"""What federated_tables_info reports when it compares: with whom, which rows, and what could not be said."""
import json

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core import contents, federated_compare, federated_run, meeting
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotThere

CANARY = "CANARY-9f2c"
WANTED = ["acl", "user_pool"]
ROWS = {"acl": {"1": "a"}, "user_pool": {str(oid): "a" for oid in range(300)}}


class Fake:
    """A server whose snapshot has ``tables`` {name: {key: value}}; position: what it has written or applied in domain 0."""

    def __init__(self, tables, position=9, server_id=1, domain=0, read_only=1, error=None, keys=("oid",), columns=("oid", "body")):
        self.tables, self.position, self.error, self.keys, self.columns = tables, position, error, keys, columns
        self.row = {"server_id": server_id, "domain": domain, "read_only": read_only, "binlog_pos": f"0-1-{position}", "log_bin": 1}
        self.time, self.where, self.opened, self.snapshots = 0.0, f"fake{server_id}", 0, 0

    def clock(self):
        return self.time

    def pause(self, seconds):
        self.time += seconds

    def close(self):
        self.opened -= 1

    def __enter__(self):
        self.renew()
        return self

    def __exit__(self, *nothing):
        self.close()

    def renew(self, reached="", within_s=0):
        self.snapshots += 1
        self.time += within_s

    def value(self, sql, args):
        return self.position if sql == meeting.APPLIED else f"0-1-{self.position}"

    def rows(self, sql, args=()):
        if self.error:
            raise self.error
        fixed = {federated_compare.LOOK: [self.row], federated_run.TABLES: [{"name": name} for name in self.tables],
                 federated_run.APPLIED: [{"domain_id": 0, "server_id": 1, "seq_no": self.position}],
                 federated_run.COLUMNS: [{"t": name, "c": column} for name in self.tables for column in self.columns],
                 contents.KEYS: [{"t": name, "c": key} for name in self.tables for key in self.keys],
                 meeting.COORDINATES: [{"Variable_name": "Binlog_snapshot_file", "Value": "b"}, {"Variable_name": "Binlog_snapshot_position", "Value": "4"}]}
        if sql in fixed:
            return fixed[sql]
        found = self.tables[next(name for name in self.tables if f"`{name}`" in sql)]
        if "COUNT(*) AS n" in sql:
            return [{"n": len(found), "x": hash(tuple(sorted(found.items()))), "s": 0}]
        buckets = {}
        for key, value in found.items():
            buckets.setdefault(int(key) % 8, {})[key] = value
        if "GROUP BY b" in sql:
            return [{"b": number, "s": json.dumps(rows, sort_keys=True)} for number, rows in buckets.items()]
        return [{"k": key, "h": value} for number in args for key, value in buckets.get(number, {}).items()]


class Fakes:
    Snapshot = "snapshot"

    def __init__(self, here, **others):
        self.local, self.others = here, others

    def here(self, kind=None):
        self.local.opened += 1
        return self.local

    def at(self, host, port, kind=None):
        assert port == 3306
        self.others[host].opened += 1
        return self.others[host]

    @staticmethod
    def together(*calls):
        return [call() for call in calls]


def read(servers, **more):
    params = {"database": "opennebula", "tables": WANTED, "masters": sorted(servers.others), "master_port": 3306, "user": "seed", "password": CANARY,
              "domain": 0, "wait_timeout_s": 30}
    report = federated_compare.read(dict(params, **more), servers)
    assert CANARY not in json.dumps(report) and not any(one.opened for one in (servers.local, *servers.others.values())), "a connection was left"
    return report


def beta(tables, **more):
    return Fake(tables, server_id=3, domain=100, **more)


def writer(tables=None, **more):
    return Fake(tables or ROWS, read_only=0, **more)


def test_equal_contents_at_one_position():
    report = read(Fakes(beta(ROWS), a=writer()))
    assert report["comparison"] == {"reference": False, "with": "a", "equal": True, "sequence": 9, "tables": [], "why": ""}
    assert report["position"] == "0-1-9" and set(report["tables"]) == set(WANTED) and report["missing"] == []


def test_rows_are_named_by_table_and_key():
    users = dict(ROWS["user_pool"], **{"3": "other", "500": "a"})
    del users["7"]
    comparison = read(Fakes(beta(dict(ROWS, user_pool=users)), a=writer()))["comparison"]
    assert comparison["equal"] is False and comparison["why"] == "user_pool: 1 missing here (7); 1 only here (500); 1 differing (3)"
    assert comparison["tables"] == [{"table": "user_pool", "missing_here": ["7"], "only_here": ["500"], "differing": ["3"], "count": 3, "why": ""}]


def test_many_rows_are_counted_and_the_first_are_listed():
    comparison = read(Fakes(beta(dict(ROWS, user_pool={})), a=writer()))["comparison"]
    (table,) = comparison["tables"]
    assert table["count"] == 300 and table["missing_here"] == [str(oid) for oid in range(100)] and "300 missing here (0, 1, 2, 3, 4, …)" in comparison["why"]


@pytest.mark.parametrize(("here", "there", "why"), [
    (beta({"acl": {}}), writer({"acl": {}, "user_pool": {}}), "user_pool: the table is missing here"),
    (beta({"acl": {}, "user_pool": {}}), writer({"acl": {}}), "user_pool: the master zone does not have the table"),
    (beta(ROWS, columns=("oid",)), writer(), "acl: the columns differ; user_pool: the columns differ"),
    (beta(dict(ROWS, acl={}), keys=()), writer(), "acl: the contents differ; the table has no primary key")])
def test_tables_that_have_no_rows_to_name(here, there, why):
    assert read(Fakes(here, a=there))["comparison"]["why"] == why


def test_who_writes_in_the_master_zone_is_the_reference_and_reads_nothing():
    here = writer(server_id=2)
    report = read(Fakes(here, a=Fake(ROWS, position=99)))
    assert report["comparison"]["reference"] and report["comparison"]["equal"] and report["tables"] == {} and here.snapshots == 0
    assert read(Fakes(writer()))["comparison"]["reference"], "a master zone of one front-end"
    assert read(Fakes(writer({"acl": {}})))["missing"] == ["user_pool"]


def one(address, position, read_only=True, server_id=1, domain=0):
    return {"address": address, "server_id": server_id, "domain": domain, "read_only": read_only, "position": f"{domain}-1-{position}"}


@pytest.mark.parametrize(("candidates", "mine", "best"), [
    ([one("a", 5), one("b", 3, read_only=False)], one("", 9, domain=100), "b"),
    ([one("a", 5), one("b", 7)], one("", 9, domain=100), "b"),
    ([one("a", 5), {"address": "b", "error": "2003"}], one("", 9, domain=100), "a"),
    ([one("a", 5, server_id=1)], one("", 5, server_id=2), "a"),
    ([one("a", 5, server_id=2)], one("", 5, server_id=1), None),
    ([one("a", 5)], one("", 9, server_id=2), None),
    ([one("a", 5, read_only=False)], one("", 9, server_id=2), "a"),
    ([one("a", 5, read_only=False)], one("", 9, read_only=False), None)])
def test_the_writer_is_compared_with_else_the_farthest(candidates, mine, best):
    found = federated_compare.choose(candidates, mine, (0,))
    assert (found or {}).get("address") == best


def test_nobody_to_compare_with_is_unknown_and_says_who_was_asked():
    refused = CoreError("MariaDB does not answer", "a", "2003 refused", "Start it.")
    comparison = read(Fakes(beta(ROWS), a=Fake(ROWS, error=refused), b=Fake(ROWS, domain=7)))["comparison"]
    assert comparison["equal"] is None and "a: 2003 refused; b: writes in GTID domain 7" in comparison["why"]


def test_a_standby_does_not_take_itself_for_the_writer_that_cannot_be_asked():
    """Green would be a claim that nobody looked at."""
    refused = CoreError("cannot log in to MariaDB", "a", "1045 denied", "Give access.")
    comparison = read(Fakes(Fake(ROWS, server_id=2), a=Fake(ROWS, error=refused)))["comparison"]
    assert comparison["equal"] is None and not comparison["reference"] and "a: 1045 denied" in comparison["why"]


def test_a_server_that_is_behind_and_stands_still_is_unknown_not_different():
    comparison = read(Fakes(beta(dict(ROWS, acl={}), position=5), a=writer()))["comparison"]
    assert comparison["equal"] is None and "stands still at sequence 5" in comparison["why"] and comparison["tables"] == []


def test_host_without_mariadb_is_an_answer():
    report = read(Fakes(Fake({}, error=NotThere("MariaDB does not answer", "fake", "2002", "Start it.")), a=writer()))
    assert report["present"] is False and report["missing"] == WANTED and "comparison" not in report


class Told:
    where = "fake"

    def __init__(self, slave_pos):
        self.slave_pos = slave_pos

    def value(self, sql):
        return self.slave_pos


@pytest.mark.parametrize(("here", "there", "same"), [
    ("1-1-9,2-2-4,100-3-7", "2-2-4", True), ("1-1-9", "", True), ("1-1-9", "10001-3-8", True), ("1-1-9,2-2-3", "2-2-4", False), ("1-1-9,2-2-4", "", False)])
def test_layout_guide_compares_only_where_the_other_servers_writes_have_come_equally_far(here, there, same):
    """The servers met in domain 1; in domain 2 nobody writes now."""
    if same:
        federated_compare._same_others(Told(there), Told(""), here, [2])
    else:
        with pytest.raises(CoreError, match="of the master zone's other servers it has"):
            federated_compare._same_others(Told(there), Told(""), here, [2])
    federated_compare._same_others(Told("9-9-9"), Told(""), here, [])
