# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
from ansible_collections.constellation.opennebula.plugins.filter import tls_accounts
from ansible_collections.constellation.opennebula.plugins.module_utils.core import grants
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, Problems


def test_hash_is_the_servers():
    assert grants.password_hash("pw") == "*D821809F681A40A6E379B50D0463EFAE20BDD122"      # SELECT PASSWORD('pw') on 10.11.19


@pytest.mark.parametrize(("line", "expected"), [
    ("GRANT USAGE ON *.* TO `s`@`127.0.0.1` IDENTIFIED BY PASSWORD '*A8'", {}),
    ("GRANT RELOAD, BINLOG MONITOR ON *.* TO `s`@`127.0.0.1`", {"*.*": {"RELOAD", "BINLOG MONITOR"}}),
    ("GRANT ALL PRIVILEGES ON `opennebula`.* TO `oneadmin`@`localhost`", {"opennebula.*": {"ALL PRIVILEGES"}}),
    ("GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` IDENTIFIED VIA mysql_native_password USING 'invalid' OR unix_socket WITH GRANT OPTION",
     {"*.*": {"ALL PRIVILEGES", "GRANT OPTION"}}),
    ("GRANT SELECT ON `my\\_db`.* TO `u`@`h`", {"my_db.*": {"SELECT"}}),
    ("GRANT SELECT (`a`, `b`), INSERT ON `d`.`t` TO `u`@`h`", {"d.t": {"SELECT (`a`, `b`)", "INSERT"}}),
    ("GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION", {}), ("GRANT `role` TO `u`@`h`", {})])
def test_grants_are_read(line, expected):
    assert grants.parse_grants([line]) == expected


@pytest.mark.parametrize(("written", "meant"),
                         [("all", "ALL PRIVILEGES"), ("Replication  Client", "BINLOG MONITOR"), ("REPLICA MONITOR", "SLAVE MONITOR"), ("select", "SELECT")])
def test_names_that_mean_the_same_are_one(written, meant):
    assert grants.privilege(written) == meant


def statements(have, want, **more):
    account = grants.Account("u", "h", "*H", (("d.*", frozenset(want)),), **more)
    state = {"databases": set(), "accounts": {("u", "h"): {"hash": "*H", "plugin": "mysql_native_password", "tls": False, "grants": have}}}
    return [step.sql for change in grants.plan(state, [], [account]) for step in change.step]


@pytest.mark.parametrize(("have", "want", "expected"), [
    ({"SELECT"}, {"SELECT"}, []),
    ({"SELECT"}, {"INSERT"}, ["GRANT INSERT ON `d`.* TO %s@%s", "REVOKE SELECT ON `d`.* FROM %s@%s"]),
    ({"ALL PRIVILEGES"}, {"SELECT"}, ["REVOKE ALL PRIVILEGES ON `d`.* FROM %s@%s", "GRANT SELECT ON `d`.* TO %s@%s"]),
    ({"SELECT"}, {"ALL PRIVILEGES"}, ["GRANT ALL PRIVILEGES ON `d`.* TO %s@%s"]),
    ({"SELECT", "GRANT OPTION"}, {"SELECT"}, ["REVOKE GRANT OPTION ON `d`.* FROM %s@%s"]),
    ({"SELECT"}, {"SELECT", "GRANT OPTION"}, ["GRANT USAGE ON `d`.* TO %s@%s WITH GRANT OPTION"])])
def test_privileges_of_a_declared_level_become_exact(have, want, expected):
    assert statements({"d.*": have}, want) == expected


def test_user_of_which_only_some_hosts_are_named_is_never_exclusive():
    """Switching TLS on names those that use it: the accounts of all others would go."""
    user = {"name": "repl", "hosts": ["10.0.0.1", "10.0.0.2"], "require_tls": True, "exclusive": True}
    assert grants.demanding([user], ["10.0.0.1"]) == [{"name": "repl", "hosts": ["10.0.0.1"], "require_tls": True}]
    assert grants.not_demanding_yet([user])[0]["exclusive"], "all hosts are named here"


def test_other_levels_stay_unless_the_account_is_exclusive():
    have = {"d.*": {"SELECT"}, "*.*": {"RELOAD"}}
    assert statements(have, {"SELECT"}) == []
    assert statements(have, {"SELECT"}, exclusive=True) == ["REVOKE RELOAD ON *.* FROM %s@%s"]


def test_underscore_of_a_database_is_no_wildcard():
    account = grants.Account("u", "h", "*H", (("my_db.*", frozenset(["SELECT"])), ("my_db.my_t", frozenset(["SELECT"]))))
    sql = [step.sql for change in grants.plan({"databases": set(), "accounts": {}}, [], [account]) for step in change.step]
    assert sql[1:] == ["GRANT SELECT ON `my\\_db`.* TO %s@%s", "GRANT SELECT ON `my_db`.`my_t` TO %s@%s"]


def test_mistakes_are_reported_together():
    users = [{"name": "a", "hosts": [], "password": "x"}, {"name": "b", "hosts": ["h", "h"]},
             {"name": "c", "hosts": ["h"], "password": "x", "privileges": {"opennebula": ["SELECT; DROP"], "*.t": ["SELECT"]}}]
    with pytest.raises(Problems) as mistakes:
        grants.wanted_accounts(users)
    assert len(mistakes.value.problems) == 6


@pytest.mark.parametrize(("name", "charset"), [("x`; DROP", "utf8mb4"), ("x", "utf8mb4; DROP")])
def test_names_cannot_carry_statements(name, charset):
    with pytest.raises(CoreError):
        grants.plan({"databases": set(), "accounts": {}}, [name], [], charset)


# --- the demand for TLS ---

NODES = {"alpha1": {"address": "10.0.0.1"}, "beta1": {"address": "10.0.2.1"}, "beta2": {"address": "10.0.2.2"}}
USERS = [{"name": "oneadmin", "hosts": ["localhost"], "privileges": {}},
         {"name": "repl", "hosts": ["10.0.0.1", "10.0.2.1", "10.0.2.2"], "require_tls": True}, {"name": "off", "hosts": ["10.0.2.1"], "require_tls": False}]


def using(*answers):
    return {"sources": [{"ssl": answer} for answer in answers]}


@pytest.mark.parametrize("seen, hosts", [
    ({"alpha1": using(True), "beta1": using(True, True), "beta2": using(True, True)}, ["10.0.0.1", "10.0.2.1", "10.0.2.2"]),
    ({"alpha1": using(True), "beta1": using(True, False)}, ["10.0.0.1"]),
    ({"alpha1": None, "beta1": {"failed": True}, "beta2": using()}, []),
    ({"stranger": using(True)}, [])])
def test_tls_is_demanded_only_from_those_whose_channels_all_use_it(seen, hosts):
    found = tls_accounts.tls_accounts(USERS, NODES, seen)
    assert found == ([{"name": "repl", "hosts": hosts, "require_tls": True}] if hosts else [])


def test_before_that_nothing_is_demanded_and_nothing_taken_back():
    first = tls_accounts.tls_accounts(USERS)
    assert ["require_tls" in user for user in first] == [False, False, True]
    live = {"hash": "*H", "plugin": "mysql_native_password", "tls": True, "grants": {}}
    account = grants.Account("repl", "h", "*H", (), require_tls=None)
    assert not grants.plan({"databases": set(), "accounts": {("repl", "h"): live}}, [], [account])
    assert "REQUIRE NONE" in grants.plan({"databases": set(), "accounts": {}}, [], [account]).changes[0].step[0].sql


def test_check_mode_foresees_the_demand():
    assert tls_accounts.tls_accounts(USERS, NODES, {"alpha1": using(False)}, True)[0]["hosts"] == ["10.0.0.1"]
