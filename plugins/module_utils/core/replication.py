# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replication sources (named connections) of one MariaDB server: parse, compare, steps, and whether one runs.

A row is one row of SHOW ALL SLAVES STATUS. Facts and measurements: MariaDB 10.11.18, field note "mariadb" of the project, sections 1, 2 and 5.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, replace

from . import failure_catalogue
from .errors import CoreError, Problems
from .plan import Change, Plan

RUNNING, CONNECTING = "running", "connecting"
# 0 and 1 up to 11.8; OFF, ON, NO_LOCK and NO_LOCK_NO_ADMIN since 12.0.1 (MDEV-36425)
READ_ONLY = "@@GLOBAL.read_only NOT IN ('0', 'OFF') AS read_only"


@dataclass(frozen=True)
class Option:
    """One option of a source: its name here, its column, its word in CHANGE MASTER, and how the column is read."""

    name: str
    column: str
    keyword: str
    read: object
    bare: bool = False        # a word, not a quoted value


def _text(value):
    return str(value or "")


def _number(value):
    return int(value or 0)


def _seconds(value):
    return float(value or 0)


def _yes(value):
    return str(value).lower() in ("yes", "1", "true", "on")


def _word(value):
    return _text(value).lower()


OPTIONS = (
    Option("host", "Master_Host", "MASTER_HOST", _text),
    Option("port", "Master_Port", "MASTER_PORT", _number),
    Option("user", "Master_User", "MASTER_USER", _text),
    Option("connect_retry_s", "Connect_Retry", "MASTER_CONNECT_RETRY", _number),
    Option("heartbeat_s", "Slave_heartbeat_period", "MASTER_HEARTBEAT_PERIOD", _seconds),
    Option("delay_s", "SQL_Delay", "MASTER_DELAY", _number),
    Option("use_gtid", "Using_Gtid", "MASTER_USE_GTID", _word, bare=True),
    Option("ssl", "Master_SSL_Allowed", "MASTER_SSL", _yes),
    Option("ssl_ca", "Master_SSL_CA_File", "MASTER_SSL_CA", _text),
    Option("ssl_cert", "Master_SSL_Cert", "MASTER_SSL_CERT", _text),
    Option("ssl_key", "Master_SSL_Key", "MASTER_SSL_KEY", _text),
    Option("ssl_verify", "Master_SSL_Verify_Server_Cert", "MASTER_SSL_VERIFY_SERVER_CERT", _yes),
)
GUIDE_CHANNEL = re.compile(r"^zone\d+-master\d+$")
GTID_MODES = ("slave_pos", "current_pos", "no")
STATES = ("started", "stopped", "absent")


@dataclass(frozen=True)
class Source:
    """One named connection as wanted. do_tables: what its live filter must list; None is "do not look", () is "no filter"."""

    name: str
    host: str = ""
    port: int = 3306
    user: str = ""
    connect_retry_s: int = 2
    heartbeat_s: float = 5.0
    delay_s: int = 0
    use_gtid: str = "slave_pos"
    ssl: bool = False
    ssl_ca: str = ""
    ssl_cert: str = ""
    ssl_key: str = ""
    ssl_verify: bool = True
    do_tables: object = None
    log_file: str = ""
    log_pos: int = 0
    state: str = "started"
    other_hosts: tuple = ()   # hosts that an existing connection may have as well: in a ring its keeper chooses among the zone's nodes

    def options(self):
        """Return what CHANGE MASTER can say, every option with its value: no default of the server shall matter."""
        values = {option.name: getattr(self, option.name) for option in OPTIONS}
        if not self.ssl:
            values.update(ssl_ca="", ssl_cert="", ssl_key="", ssl_verify=False)
        return values

    def described(self):
        """Return the options worth showing: all that are not empty."""
        return {name: value for name, value in self.options().items() if value not in ("", False)}


@dataclass(frozen=True)
class Step:
    """One statement (``sql`` with %s for ``args``), or the check of a live filter (verb ``check_filter``, no SQL)."""

    verb: str
    source: str
    sql: str = ""
    args: tuple = ()
    secret: bool = False


def release(version):
    """Return the release of a server as numbers, of what VERSION() says.

    >>> release("10.11.19-MariaDB-0+deb12u1-log")
    (10, 11, 19)
    """
    return tuple(int(number) for number in re.match(r"[\d.]*\d|", version or "").group(0).split(".") if number)


# --- wanted ------------------------------------------------------------------------------------------------------------------

def wanted_sources(items, common=None):
    """Return Sources from module parameters; what an item leaves out comes from ``common``. All mistakes at once."""
    sources, problems = [], []
    for item in items:
        merged = dict({key: value for key, value in (common or {}).items() if value is not None},
                      **{key: value for key, value in item.items() if value is not None})
        known = {key: value for key, value in merged.items() if key in Source.__dataclass_fields__}
        for key in ("do_tables", "other_hosts"):
            if known.get(key) is not None:
                known[key] = tuple(known[key])
        sources.append(Source(**known))
        problems += list(_problems_of(sources[-1]))
    names = [source.name for source in sources]
    problems += [f"source {name}: declared {names.count(name)} times" for name in sorted(set(names)) if names.count(name) > 1]
    if problems:
        raise Problems("the replication sources are not usable", problems, "Nothing was changed.")
    return sources


def _problems_of(source):
    label = f"source {source.name or '(no name)'}"
    if not source.name or len(source.name) > 64:
        yield f"{label}: a name has 1 to 64 characters"
    if source.state == "absent":
        return
    if not source.host:
        yield f"{label}: host is missing"
    if not source.user:
        yield f"{label}: user is missing"
    if not 0 < source.port < 65536:
        yield f"{label}: port {source.port} is not 1 to 65535"
    if not 0 < source.connect_retry_s < 2 ** 32:
        yield f"{label}: connect_retry_s {source.connect_retry_s} is not 1 to {2 ** 32 - 1}"
    if source.heartbeat_s and not 0.001 <= source.heartbeat_s <= 4294967:
        yield f"{label}: heartbeat_s {source.heartbeat_s} is neither 0 (none) nor 0.001 to 4294967"
    if not 0 <= source.delay_s < 2 ** 31:
        yield f"{label}: delay_s {source.delay_s} is not 0 to {2 ** 31 - 1}"
    if source.use_gtid not in GTID_MODES:
        yield f"{label}: use_gtid is one of {', '.join(GTID_MODES)}"
    if source.use_gtid == "no" and not (source.log_file and source.log_pos):
        yield (f"{label}: use_gtid no needs log_file and log_pos of the dump it starts from; "
               "without them the server replays the source's binary log from its first file (error 1062)")
    if bool(source.ssl_cert) != bool(source.ssl_key):
        yield f"{label}: ssl_cert and ssl_key go together"


# --- read --------------------------------------------------------------------------------------------------------------------

def by_name(rows):
    return {row["Connection_name"]: row for row in rows}


def options_of(row):
    """Return the options that a row shows, in our names and types."""
    return {option.name: option.read(row.get(option.column)) for option in OPTIONS}


def filter_of(row):
    """Return the live table filter as a sorted list."""
    return sorted(table.strip() for table in _text(row.get("Replicate_Do_Table")).split(",") if table.strip())


_CONFIGURED = re.compile(r"--(\S+)\.replicate[-_]do[-_]table=(\S+)")


def configured_filters(arguments):
    """Return {prefix: tables} of a server's arguments: the filters that its next start brings. The prefix is a connection's name, in exact case.

    >>> configured_filters("--port=1 --zone0.replicate-do-table=one.b --zone0.replicate_do_table=one.a")
    {'zone0': ['one.a', 'one.b']}
    """
    found = {}
    for prefix, tables in _CONFIGURED.findall(arguments):
        found.setdefault(prefix, set()).update(filter(None, tables.split(",")))
    return {prefix: sorted(tables) for prefix, tables in found.items()}


def other_filters(row):
    """Return the filters besides the table filter that are in force, by their column."""
    columns = ("Replicate_Do_DB", "Replicate_Ignore_DB", "Replicate_Ignore_Table", "Replicate_Wild_Do_Table", "Replicate_Wild_Ignore_Table",
               "Replicate_Do_Domain_Ids", "Replicate_Ignore_Domain_Ids", "Replicate_Ignore_Server_Ids", "Replicate_Rewrite_DB")
    return {column: row[column] for column in columns if row.get(column)}


def threads_of(row):
    return row.get("Slave_IO_Running", "No"), row.get("Slave_SQL_Running", "No")


def parse(rows):
    """Return the sources as they are, as dictionaries that ``wanted_sources`` takes back: the output of the info module."""
    found = []
    for row in rows:
        io, sql = threads_of(row)
        item = dict(options_of(row), name=row["Connection_name"], state="started" if "No" not in (io, sql) else "stopped", do_tables=filter_of(row))
        if item["use_gtid"] == "no":
            item.update(log_file=_text(row.get("Relay_Master_Log_File")), log_pos=_number(row.get("Exec_Master_Log_Pos")))
        found.append(item)
    return found


def status_of(row):
    """Return what a row says about the running connection, as plain data."""
    io, sql = threads_of(row)
    lag = row.get("Seconds_Behind_Master")
    return {
        "name": row["Connection_name"], "io": io, "sql": sql, "io_state": _text(row.get("Slave_IO_State")),
        "sql_state": _text(row.get("Slave_SQL_Running_State")),
        "io_errno": _number(row.get("Last_IO_Errno")), "io_error": _text(row.get("Last_IO_Error")),
        "sql_errno": _number(row.get("Last_SQL_Errno")), "sql_error": _text(row.get("Last_SQL_Error")),
        "behind_s": None if lag is None else int(lag), "source_server_id": _number(row.get("Master_Server_Id")),
        "gtid_io_pos": _text(row.get("Gtid_IO_Pos")), "gtid_slave_pos": _text(row.get("Gtid_Slave_Pos")),
        "filters": dict(other_filters(row), Replicate_Do_Table=filter_of(row)),
    }


# --- compare -----------------------------------------------------------------------------------------------------------------

def plan(rows, wanted, passwords=None, update_password="on_create", exclusive=False, stored=None):
    """Return the Plan from the rows to the wanted sources; each change carries its Steps in ``step``.

    passwords: {source name: password}; stored: the same as the server has them, None where that is not known.
    A source that is right is not touched; one that is right and stopped is only started.
    """
    passwords = passwords or {}
    live = by_name(rows)
    _refuse_other_spelling(live, wanted)
    changes = []
    for source in wanted:
        changes += _changes(source, live.get(source.name), passwords.get(source.name), update_password, (stored or {}).get(source.name))
    if exclusive:
        known = {source.name for source in wanted}
        changes += [_removal(name, row) for name, row in sorted(live.items()) if name not in known]
    return Plan(tuple(changes))


def _refuse_other_spelling(live, wanted):
    """For the server zone0 and Zone0 are one connection, for the filters in its configuration file they are two."""
    for source in wanted:
        other = next((name for name in live if name.lower() == source.name.lower() and name != source.name), None)
        if other is not None:
            raise CoreError(f"cannot set up source {source.name}", why=f"the server has it as {other!r}, and names differ only in upper and lower case",
                            hint=f"Write {other!r}, or remove that one first (state: absent).", source=source.name)


def _changes(source, row, password, update_password, stored):
    if source.state == "absent":
        return [_removal(source.name, row)] if row else []
    if row is None:
        return _creation(source, password)
    io, sql = threads_of(row)
    have, want = options_of(row), source.options()
    if have["host"] in source.other_hosts:
        want["host"] = have["host"]
    differs = [name for name in want if not same_option(name, have[name], want[name])]
    refused = _number(row.get("Last_IO_Errno")) == 1045      # the password it has is wrong: ours is the better one
    renew = password is not None and (update_password == "always" or refused or stored not in (None, password))
    changes, steps = [], []
    if differs or renew:
        if (io, sql) != ("No", "No"):
            steps.append(_stop(source))
        steps.append(_change(source, differs, password))
    if differs:
        changes.append(Change("source", source.name, {name: have[name] for name in differs}, {name: want[name] for name in differs}, step=tuple(steps)))
    if renew:
        changes.append(Change("source_password", source.name, "old", "new", secret=True, readable=False, step=() if differs else tuple(steps)))
    if source.do_tables is not None and filter_of(row) != sorted(source.do_tables) and source.state == "started":
        changes.append(Change("source_filter", source.name, filter_of(row), sorted(source.do_tables), step=(Step("check_filter", source.name),)))
    was_running = "No" not in (io, sql)
    if source.state == "started":
        if not was_running:
            half = (_stop(source),) if (io, sql) != ("No", "No") and not steps else ()
            changes.append(Change("source_threads", source.name, _threads_text(row), "running", step=half + _start(source)))
        elif steps:
            changes[-1] = replace(changes[-1], step=changes[-1].step + _start(source))
    elif (io, sql) != ("No", "No"):
        changes.append(Change("source_threads", source.name, "running", "stopped", step=() if steps else (_stop(source),)))
    return changes


def _creation(source, password):
    made = Change("source", source.name, None, source.described(), step=(_change(source, None, password),))
    if source.state == "stopped":
        return [made]
    return [made, Change("source_threads", source.name, None, "running", step=_start(source))]


def _removal(name, row):
    return Change("source", name, {key: value for key, value in options_of(row).items() if value not in ("", False)}, None,
                  step=(Step("stop", name, "STOP SLAVE %s", (name,)), Step("reset", name, "RESET SLAVE %s ALL", (name,))))


def same_option(name, have, want):
    return abs(have - want) < 0.001 if name == "heartbeat_s" else have == want


def _stop(source):
    return Step("stop", source.name, "STOP SLAVE %s", (source.name,))


def _start(source):
    """A source with an expected filter is looked at right before it starts: a misspelt prefix in the file is silently no filter."""
    check = (Step("check_filter", source.name),) if source.do_tables is not None else ()
    return check + (Step("start", source.name, "START SLAVE %s", (source.name,)),)


def _change(source, names, password):
    """Return the CHANGE MASTER step for these options (None: all of them, for a new source).

    The password goes with every change: it is wanted anyway, and a new user would keep the old user's password.
    So does the heartbeat: each CHANGE MASTER that does not name it sets it to half of slave_net_timeout (10.11.19).
    Host and port are only named when they differ: with file positions, naming them starts from the first file again.
    """
    creating = names is None
    parts, args = [], [source.name]
    for option in OPTIONS:
        if creating or option.name in names or option.name == "heartbeat_s":
            value = source.options()[option.name]
            if option.bare:
                if value not in GTID_MODES:
                    raise AssertionError(value)
                parts.append(f"{option.keyword}={value}")
            else:
                parts.append(f"{option.keyword}=%s")
                args.append(int(value) if isinstance(value, bool) else value)
    if password is not None:
        parts.append("MASTER_PASSWORD=%s")
        args.append(password)
    moved = creating or {"host", "port", "use_gtid"} & set(names)
    if source.use_gtid == "no" and moved:
        parts.append("MASTER_LOG_FILE=%s, MASTER_LOG_POS=%s")
        args += [source.log_file, source.log_pos]
    return Step("create" if creating else "change", source.name, "CHANGE MASTER %s TO " + ", ".join(parts), tuple(args), secret=password is not None)


def _threads_text(row):
    io, sql = threads_of(row)
    errors = [f"{thread} {errno}" for thread, errno in (("IO", _number(row.get("Last_IO_Errno"))), ("SQL", _number(row.get("Last_SQL_Errno")))) if errno]
    return f"IO={io} SQL={sql}" + (f" (error {', '.join(errors)})" if errors else "")


def check_filter(rows, source, where=""):
    """Raise CoreError unless the live filter of the source is exactly the wanted one."""
    row = by_name(rows).get(source.name)
    live = filter_of(row) if row else []
    want = sorted(source.do_tables or ())
    if row is None or live != want:
        raise CoreError(
            f"refusing to start source {source.name}", where,
            f"its live table filter has {len(live)} tables ({', '.join(live) or 'none: it would replicate every table'}), wanted {len(want)}",
            f"The configuration file needs one line '{source.name}.replicate-do-table = {want[0] if want else '…'}' per table in [mysqld], with exactly this "
            "connection name (upper and lower case matter; a misspelt prefix is silently no filter), and MariaDB reads it only at a restart.",
            source=source.name, live=live, wanted=want)


# --- waiting -----------------------------------------------------------------------------------------------------------------

def source_has_lost(row):
    """Tell whether a front-end of the master zone has lost what it had sent here (layout guide): tried again after its next writes it would pass by them."""
    return _number(row.get("Last_IO_Errno")) == 1236 and bool(GUIDE_CHANNEL.match(_text(row.get("Connection_name"))))


def moves_to_tls(todo, wanted):
    """Return the sources of the Plan that begin, by it, to use TLS, or another address or authority with it."""
    touched = {change.target for change in todo if change.kind == "source" and change.after
               and {"ssl", "ssl_ca", "host", "port", "ssl_verify"} & set(change.after)}
    return [source for source in wanted if source.name in touched and source.ssl]


def renewed(rows, todo, wanted):
    """Return the sources that run, and get another password by the Plan, with the address that they will have."""
    live, names = by_name(rows), {change.target for change in todo if change.kind == "source_password"}
    found = [(source, live[source.name]) for source in wanted if source.name in names and threads_of(live[source.name])[0] == "Yes"]
    return [replace(source, host=row["Master_Host"]) if row["Master_Host"] in source.other_hosts else source for source, row in found]


def refuse_password(source, trouble, where=""):
    """Return the CoreError for a running source whose new password its server does not take. trouble: the server's words."""
    return CoreError(f"refusing to give source {source.name} its new password", where, f"towards {source.host}:{source.port}: {trouble.strip()}",
                     f"{failure_catalogue.remedy(1045, '', 'IO').hint} After a change of the password run site.yml for all front-ends. Nothing was changed.",
                     source=source.name, errno=1045)


def refuse_tls(source, trouble, where=""):
    """Return the CoreError for a source that must not move to TLS yet: a running one goes on as it is. trouble: the words of Python's TLS or PyMySQL."""
    known = (("not valid for", "SSL certificate validation failure"), ("offers no TLS", "server does not support it"),
             ("doesn't support it", "server does not support it"))
    entry = failure_catalogue.remedy(2026, next((text for words, text in known if words in trouble), ""), "IO")
    return CoreError(f"refusing to let source {source.name} use TLS", where, f"towards {source.host}:{source.port}: {trouble.strip()}: {entry.cause}",
                     f"{entry.hint} Nothing was changed.", source=source.name, errno=2026)


def judge(row, wait_for=RUNNING, patient=False):
    """Return "ok", "wait", "again" (STOP and START may heal it) or "failed" for a source that shall run.

    wait_for connecting: nobody at the source's address yet is fine (the federation address before the first start of its cluster).
    patient: a refused login is not believed yet; it may be yesterday's, and the server tries again every connect_retry_s.
    """
    if row is None:
        return "failed"
    io, sql = threads_of(row)
    io_errno, sql_errno = _number(row.get("Last_IO_Errno")), _number(row.get("Last_SQL_Errno"))
    cause = failure_catalogue.remedy(io_errno, row.get("Last_IO_Error"), "IO")
    if sql == "No":
        return "failed" if sql_errno else "wait"
    if io == "Yes":
        return "ok"
    if not io_errno:
        return "wait"
    if io == "No":
        return "again" if cause.again and not source_has_lost(row) else "failed"
    if cause.passing:
        return "ok" if wait_for == CONNECTING else "wait"
    return "wait" if patient else "failed"


def other_connections(rows, stopped):
    """Return the names of running connections besides the stopped ones: with semi-sync on, their IO threads must begin anew (see 1595)."""
    return [row["Connection_name"] for row in rows if row["Connection_name"] not in stopped and row.get("Slave_IO_Running") == "Yes"]


def broken_by_neighbour(rows):
    """Return the names of connections that stopped only because another one was stopped (1595) or started (1593)."""
    return [row["Connection_name"] for row in rows if row.get("Slave_IO_Running") == "No" and (
        _number(row.get("Last_IO_Errno")) == 1595 or _number(row.get("Last_IO_Errno")) == 1593 and "after_read_event" in row.get("Last_IO_Error", ""))]


def explain(row, source, where=""):
    """Return the CoreError for a source that does not run: source, server, number, cause, remedy."""
    if row is None:
        return CoreError(f"source {source.name} is not there", where, "SHOW ALL SLAVES STATUS does not list it", "Look at the server's error log.",
                         source=source.name)
    shown = status_of(row)
    thread, errno, text = ("SQL", shown["sql_errno"], shown["sql_error"]) if shown["sql_errno"] else ("IO", shown["io_errno"], shown["io_error"])
    entry = failure_catalogue.remedy(errno, text, thread)
    why = f"towards {source.host}:{source.port} IO={shown['io']} SQL={shown['sql']}"
    why += f", error {errno} ({text.strip()}): {entry.cause}" if errno else f", state '{shown['io_state'] or shown['sql_state']}', no error yet"
    return CoreError(f"source {source.name} does not run", where, why, entry.hint or "Give it more time (wait_timeout_s).", source=source.name, errno=errno,
                     status=shown)
