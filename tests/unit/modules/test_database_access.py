# SPDX-License-Identifier: GPL-3.0-or-later
"""database_access against a server that keeps accounts as 10.11 does."""
import json
import re

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import grants
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import NotConverged, NotThere
from ansible_collections.constellation.opennebula.plugins.modules import database_access

SECRET = "CANARY-9f2c"


class FakeServer:
    where = "root@fake"

    def __init__(self, absent=False, deaf=False):
        self.databases, self.accounts, self.writes, self.secrets, self.absent, self.deaf = {"mysql"}, {}, [], [], absent, deaf

    def rows(self, sql, args=()):
        if self.absent:
            raise NotThere("MariaDB does not answer", self.where, "2002", "Start it.")
        if "SCHEMATA" in sql:
            return [{"name": name} for name in self.databases]
        if "mysql.user" in sql:
            return [{"User": user, "Host": host, "plugin": one["plugin"], "authentication_string": one["hash"], "ssl_type": one["ssl"]}
                    for (user, host), one in self.accounts.items() if user == args[0]]
        assert sql.startswith("SHOW GRANTS FOR"), sql
        levels = self.accounts[tuple(args)]["grants"]
        return [{"Grants": f"GRANT USAGE ON *.* TO `{args[0]}`@`{args[1]}` IDENTIFIED BY PASSWORD '*x'"}] + [
            {"Grants": f"GRANT {', '.join(sorted(names))} ON {level} TO `{args[0]}`@`{args[1]}`"} for level, names in levels.items() if names]

    def do(self, sql, args=(), secrets=()):
        assert sql.count("%s") == len(args)
        self.writes.append((sql, args))
        self.secrets += list(secrets)
        if self.deaf or sql.startswith("SET SESSION"):
            return
        if sql.startswith("CREATE DATABASE"):
            self.databases.add(re.search("`(.+)`", sql).group(1))
        elif sql.startswith(("CREATE USER", "ALTER USER")):
            one = self.accounts.setdefault(tuple(args[:2]), {"plugin": "", "hash": "", "ssl": "", "grants": {}})
            if "mysql_native_password" in sql:
                one.update(plugin="mysql_native_password", hash=args[2])
            elif "unix_socket" in sql:
                one.update(plugin="unix_socket", hash="")
            if "REQUIRE" in sql:
                one["ssl"] = "ANY" if "REQUIRE SSL" in sql else ""
        elif sql.startswith("DROP USER"):
            del self.accounts[tuple(args)]
        else:
            verb, names, level = re.match(r"(GRANT|REVOKE) (.+) ON (\S+) (?:TO|FROM)", sql).groups()
            have = self.accounts[tuple(args)]["grants"].setdefault(level, set())
            {"GRANT": have.update, "REVOKE": have.difference_update}[verb](names.split(", "))


def params(**more):
    user = dict({"name": "repl", "hosts": ["10.0.0.1", "10.0.0.2"], "password": SECRET, "privileges": {"*.*": ["REPLICATION REPLICA"]}, "require_tls": False,
                 "exclusive": False, "state": "present"}, **more)
    return {"databases": ["opennebula"], "charset": "utf8mb4", "users": [user]}


def ensure(wanted, server, check=False):
    return database_access.ensure(wanted, server, check)


def changes(outcome):
    return outcome.as_result()["changes"]


def test_all_is_predicted_made_once_and_never_again():
    server = FakeServer()
    predicted = ensure(params(), server, check=True)
    assert server.writes == [] and [change["kind"] for change in changes(predicted)] == ["database", "database_user", "database_user"]
    done = ensure(params(), server)
    assert changes(done) == changes(predicted)
    assert server.writes[0] == ("SET SESSION sql_log_bin=0", ()), "nothing may reach the binary log"
    server.writes.clear()
    assert not ensure(params(), server, True).changed and not ensure(params(), server).changed and server.writes == []


def test_password_is_seen_to_change_and_never_shown():
    server = FakeServer()
    first = ensure(params(), server)
    done = ensure(params(password="CANARY-new"), server)
    assert [(change["kind"], change["after"]) for change in changes(done)] == [("database_password", "(secret)")] * 2
    assert not ensure(params(password="CANARY-new"), server).changed
    shown = json.dumps([first.as_result(), done.as_result(), [sql for sql, dummy in server.writes]])
    assert "CANARY" not in shown and grants.password_hash(SECRET) not in shown
    assert "CANARY" not in json.dumps([list(args) for dummy, args in server.writes]), "not even in the statements, only its hash"
    assert server.secrets == [grants.password_hash(SECRET)] * 2 + [grants.password_hash("CANARY-new")] * 2


@pytest.mark.parametrize(("change", "kinds"), [
    ({"privileges": {"*.*": ["SLAVE MONITOR"]}}, {"database_privileges"}), ({"require_tls": True}, {"database_tls"}),
    ({"hosts": ["10.0.0.1", "10.0.0.2", "10.0.0.3"]}, {"database_user"}), ({"state": "absent"}, {"database_user"})])
def test_only_what_differs_changes(change, kinds):
    server = FakeServer()
    ensure(params(), server)
    done = ensure(params(**change), server)
    assert {one["kind"] for one in changes(done)} == kinds and not ensure(params(**change), server).changed


def test_accounts_that_nobody_declared_stay_unless_exclusive():
    server = FakeServer()
    ensure(params(), server)
    assert not ensure(params(hosts=["10.0.0.1"]), server).changed
    done = ensure(params(hosts=["10.0.0.1"], exclusive=True), server)
    assert [(change["target"], change["after"]) for change in changes(done)] == [("repl@10.0.0.2", None)]


def test_account_with_another_plugin_gets_the_password():
    server = FakeServer()
    ensure(params(), server)
    server.accounts[("repl", "10.0.0.1")].update(plugin="unix_socket")
    assert [change["target"] for change in changes(ensure(params(), server))] == ["repl@10.0.0.1"]


def test_host_without_mariadb_predicts_everything_and_fails_for_real():
    assert len(changes(ensure(params(), FakeServer(absent=True), check=True))) == 3
    with pytest.raises(NotThere):
        ensure(params(), FakeServer(absent=True))


def test_server_that_ignores_writes_is_told_now():
    with pytest.raises(NotConverged, match="database opennebula"):
        ensure(params(), FakeServer(deaf=True))
