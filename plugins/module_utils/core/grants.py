# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases and accounts of one MariaDB server: parse SHOW GRANTS, compare by meaning, steps.

An account is user@host. Passwords are compared as mysql_native_password hashes, which can be computed here: so a changed
password is a change, the same one is none, and no statement ever carries a password in clear.
"""
from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from .errors import CoreError, Problems
from .plan import Change, Plan

# names that MariaDB treats as one privilege (10.5 renamed some); the right side is what SHOW GRANTS says
SAME = {
    "ALL": "ALL PRIVILEGES", "REPLICATION CLIENT": "BINLOG MONITOR", "REPLICATION REPLICA": "REPLICATION SLAVE",
    "REPLICA MONITOR": "SLAVE MONITOR", "REPLICATION REPLICA ADMIN": "REPLICATION SLAVE ADMIN", "CREATE TEMPORARY TABLE": "CREATE TEMPORARY TABLES",
}
ALL = "ALL PRIVILEGES"
_GRANT = re.compile(r"^GRANT (?P<what>.+?) ON (?P<level>(?:`(?:[^`]|``)*`|\*)\.(?:`(?:[^`]|``)*`|\*)) TO ", re.S)
_NAME = re.compile(r"^[0-9A-Za-z_$-]{1,64}$")
_PRIVILEGE = re.compile(r"^[A-Z][A-Z ]+$")


@dataclass(frozen=True)
class Account:
    """One account as wanted. privileges: {level: frozenset}; the levels are "*.*", "db.*" or "db.table"."""

    user: str
    host: str
    hash: str = ""
    privileges: tuple = ()
    require_tls: object = False       # None: as it is; a new account then needs none
    exclusive: bool = False
    state: str = "present"
    unix_socket: bool = False

    @property
    def label(self):
        return f"{self.user}@{self.host}"


@dataclass(frozen=True)
class Step:
    """One statement; ``secrets`` must appear in no log and no error text."""

    sql: str
    args: tuple = ()
    secrets: tuple = ()


def password_hash(password):
    """Return what mysql_native_password stores.

    >>> password_hash("pw")
    '*D821809F681A40A6E379B50D0463EFAE20BDD122'
    """
    return "*" + hashlib.sha1(hashlib.sha1(password.encode("utf-8")).digest()).hexdigest().upper()


def privilege(name):
    """Return one privilege in the server's own spelling; column lists stay as they are."""
    shown = " ".join(name.split())
    return SAME.get(shown.upper(), shown.upper() if "(" not in shown else shown)


# --- wanted ------------------------------------------------------------------------------------------------------------------

def wanted_accounts(users):
    """Return Accounts from module parameters, one per user and host. All mistakes at once."""
    accounts, problems = [], []
    for item in users:
        name, state = item["name"], item.get("state") or "present"
        socket = bool(item.get("unix_socket"))
        if state == "present" and socket == bool(item.get("password")):
            problems.append(f"user {name}: " + ("unix_socket takes no password" if socket else "password is missing"))
        if not item.get("hosts"):
            problems.append(f"user {name}: hosts is empty")
        privileges = {}
        for level, names in (item.get("privileges") or {}).items():
            if not re.match(r"^(\*|[^.*`]+)\.(\*|[^.*`]+)$", str(level)) or str(level).startswith("*.") and level != "*.*":
                problems.append(f"user {name}: level {level!r} is not '*.*', 'database.*' or 'database.table'")
            chosen = frozenset(privilege(str(one)) for one in (names if isinstance(names, list) else str(names).split(",")))
            problems += [f"user {name}: {one!r} is not a privilege" for one in sorted(chosen) if not _PRIVILEGE.match(one)]
            privileges[str(level)] = chosen
        for host in item.get("hosts") or []:
            accounts.append(Account(name, host, password_hash(item.get("password") or "") if item.get("password") else "", tuple(sorted(privileges.items())),
                                    item.get("require_tls"), bool(item.get("exclusive")), state, socket))
    labels = [account.label for account in accounts]
    problems += [f"account {label} is declared twice" for label in sorted(set(labels)) if labels.count(label) > 1]
    if problems:
        raise Problems("the database users are not usable", problems, "Nothing was changed.")
    return accounts


def not_demanding_yet(users):
    """Return the users without the demand for TLS: accounts stay as they are in this, new ones do without."""
    return [{key: value for key, value in user.items() if key != "require_tls"} if user.get("require_tls") else user for user in users]


def demanding(users, addresses):
    """Return the users that shall use TLS with those of their hosts that are in ``addresses``; nobody else is locked out by it.

    Not all hosts of a user are named then, so none is exclusive.

    >>> demanding([{"name": "a", "hosts": ["1", "2"], "require_tls": True}, {"name": "b", "hosts": ["1"]}], ["1"])
    [{'name': 'a', 'hosts': ['1'], 'require_tls': True}]
    """
    found = [{**{key: value for key, value in user.items() if key != "exclusive"}, "hosts": [host for host in user["hosts"] if host in addresses]}
             for user in users if user.get("require_tls")]
    return [user for user in found if user["hosts"]]


def tls_clients(nodes, seen):
    """Return the addresses of the front-ends whose replication all uses TLS. seen: {front-end: result of replication_info or None}."""
    return sorted(nodes[name]["address"] for name, report in seen.items()
                  if name in nodes and report and report.get("sources") and all(source["ssl"] for source in report["sources"]))


# --- read --------------------------------------------------------------------------------------------------------------------

def parse_grants(lines):
    """Return {level: set of privileges} of SHOW GRANTS; roles, proxies and routines are not ours and left out.

    >>> parse_grants(["GRANT REPLICATION SLAVE ON *.* TO `repl`@`10.0.0.1` IDENTIFIED BY PASSWORD '*D8'"])
    {'*.*': {'REPLICATION SLAVE'}}
    """
    found = {}
    for line in lines:
        match = _GRANT.match(line)
        if not match:
            continue
        names = {privilege(name) for name in _split(match.group("what"))} - {"USAGE"}
        if line.rstrip().endswith("WITH GRANT OPTION"):
            names.add("GRANT OPTION")
        if names:
            found.setdefault(_level(match.group("level")), set()).update(names)
    return found


def _split(text):
    """Split at commas outside of parentheses (SELECT (`a`, `b`), INSERT)."""
    return [part.strip() for part in re.split(r",\s*(?![^()]*\))", text)]


def _level(quoted):
    database, table = re.findall(r"`((?:[^`]|``)*)`|(\*)", quoted)
    database, table = ("*" if star else name.replace("``", "`") for name, star in (database, table))
    if table == "*":
        database = database.replace("\\_", "_").replace("\\%", "%")
    return f"{database}.{table}"


# --- compare -----------------------------------------------------------------------------------------------------------------

def plan(state, databases, accounts, charset="utf8mb4"):
    """Return the Plan. state: {"databases": set of names, "accounts": {(user, host): {"hash", "plugin", "tls", "grants": {level: set}}}}.

    A declared account has on each declared level exactly the declared privileges; its other levels, and other hosts of the same user,
    stay as they are unless it is exclusive. Accounts that nobody declared are never looked at.
    """
    changes = []
    for name in databases:
        if not _NAME.match(name):
            raise CoreError("cannot create database", why=f"{name!r} is not a plain name", hint="Use letters, digits, '_' and '-'.")
        if name not in state["databases"]:
            changes.append(Change("database", name, None, charset, step=(Step(f"CREATE DATABASE `{name}` CHARACTER SET {_word(charset)}"),)))
    for account in accounts:
        live = state["accounts"].get((account.user, account.host))
        if account.state == "absent":
            changes += [_drop(account.user, account.host, live)] if live else []
        elif live is None:
            changes.append(_create(account))
        else:
            changes += list(_alter(account, live))
    declared = {(account.user, account.host) for account in accounts}
    for user in sorted({account.user for account in accounts if account.exclusive}):
        changes += [_drop(*key, live) for key, live in sorted(state["accounts"].items()) if key[0] == user and key not in declared]
    return Plan(tuple(changes))


def _create(account):
    require = "REQUIRE " + ("SSL" if account.require_tls else "NONE")
    if account.unix_socket:
        steps = [Step(f"CREATE USER %s@%s IDENTIFIED VIA unix_socket {require}", (account.user, account.host))]
    else:
        steps = [Step(f"CREATE USER %s@%s IDENTIFIED VIA mysql_native_password USING %s {require}",
                      (account.user, account.host, account.hash), (account.hash,))]
    steps += [_grant(account, level, names) for level, names in account.privileges]
    return Change("database_user", account.label, None, {"privileges": {level: sorted(names) for level, names in account.privileges},
                                                         "require_tls": bool(account.require_tls)}, step=tuple(steps))


def _alter(account, live):
    if account.unix_socket:
        if live["plugin"] != "unix_socket":
            yield Change("database_login", account.label, live["plugin"], "unix_socket",
                         step=(Step("ALTER USER %s@%s IDENTIFIED VIA unix_socket", (account.user, account.host)),))
    elif live["hash"] != account.hash or live["plugin"] != "mysql_native_password":
        yield Change("database_password", account.label, "old", "new", secret=True,
                     step=(Step("ALTER USER %s@%s IDENTIFIED VIA mysql_native_password USING %s", (account.user, account.host, account.hash), (account.hash,)),
                           ))
    if account.require_tls is not None and live["tls"] != account.require_tls:
        yield Change("database_tls", account.label, live["tls"], account.require_tls,
                     step=(Step(f"ALTER USER %s@%s REQUIRE {'SSL' if account.require_tls else 'NONE'}", (account.user, account.host)),))
    wanted = dict(account.privileges)
    for level in sorted(set(wanted) | (set(live["grants"]) if account.exclusive else set())):
        have, want = frozenset(live["grants"].get(level, ())), wanted.get(level, frozenset())
        if have != want:
            yield Change("database_privileges", f"{account.label} on {level}", sorted(have), sorted(want), step=tuple(_regrant(account, level, have, want)))


def _regrant(account, level, have, want):
    """Grant first, so that nothing that stays is missing for a moment; ALL cannot be taken away in part."""
    if ALL in have:
        if ALL not in want:
            yield _revoke(account, level, frozenset([ALL]))
        have = have & frozenset([ALL, "GRANT OPTION"]) if ALL in want else have & frozenset(["GRANT OPTION"])
    if want - have:
        yield _grant(account, level, want - have)
    gone = frozenset(["GRANT OPTION"]) & (have - want) if ALL in want else have - want
    if gone:
        yield _revoke(account, level, gone)


def _grant(account, level, names):
    option = " WITH GRANT OPTION" if "GRANT OPTION" in names else ""
    plain = sorted(names - {"GRANT OPTION"}) or ["USAGE"]
    return Step(f"GRANT {', '.join(plain)} ON {_quoted(level)} TO %s@%s{option}", (account.user, account.host))


def _revoke(account, level, names):
    return Step(f"REVOKE {', '.join(sorted(names))} ON {_quoted(level)} FROM %s@%s", (account.user, account.host))


def _drop(user, host, live):
    before = {"privileges": {level: sorted(names) for level, names in live["grants"].items()}, "require_tls": live["tls"]}
    return Change("database_user", f"{user}@{host}", before, None, step=(Step("DROP USER %s@%s", (user, host)),))


def _quoted(level):
    """Return the level for a statement; '_' in a database name would be a wildcard there. '%' is doubled for the driver."""
    database, table = level.split(".", 1)
    if table == "*" and database != "*":
        database = database.replace("_", "\\_")
    return ".".join("*" if part == "*" else "`" + part.replace("%", "%%") + "`" for part in (database, table))


def _word(charset):
    if not re.match(r"^[0-9a-z_]+$", charset):
        raise CoreError("cannot create database", why=f"{charset!r} is not a character set", hint="Use utf8mb4.")
    return charset
