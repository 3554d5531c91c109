# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replication sources (named connections) of one MariaDB server: parse, compare, steps, health.

A row is one row of SHOW ALL SLAVES STATUS. Facts and measurements: MariaDB 10.11.18, field note "mariadb" of the project,
sections 1, 2 and 5. ``CATALOGUE`` is the one place that knows what an error number means and what is safe to do about it.
"""
from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace

from . import gtid
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
    if source.connect_retry_s < 1:
        yield f"{label}: connect_retry_s {source.connect_retry_s} is below 1"
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

def plan(rows, wanted, passwords=None, update_password="on_create", exclusive=False):
    """Return the Plan from the rows to the wanted sources; each change carries its Steps in ``step``.

    passwords: {source name: password}. A source that is right is not touched; one that is right and stopped is only started.
    """
    passwords = passwords or {}
    live = by_name(rows)
    _refuse_other_spelling(live, wanted)
    changes = []
    for source in wanted:
        changes += _changes(source, live.get(source.name), passwords.get(source.name), update_password)
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


def _changes(source, row, password, update_password):
    if source.state == "absent":
        return [_removal(source.name, row)] if row else []
    if row is None:
        return _creation(source, password)
    io, sql = threads_of(row)
    have, want = options_of(row), source.options()
    if have["host"] in source.other_hosts:
        want["host"] = have["host"]
    differs = [name for name in want if not _same(name, have[name], want[name])]
    refused = _number(row.get("Last_IO_Errno")) == 1045      # the password it has is wrong: ours is the better one
    renew = password is not None and (update_password == "always" or refused)
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


def _same(name, have, want):
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
    Host and port are only named when they differ: with file positions, naming them starts from the first file again.
    """
    creating = names is None
    parts, args = [], [source.name]
    for option in OPTIONS:
        if creating or option.name in names:
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

@dataclass(frozen=True)
class Remedy:
    """An entry of the failure catalogue. passing: heals by itself; again: STOP and START of both threads may heal it, and loses nothing;
    verb: which of core.repair.VERBS repairs it, "site" for configuration and accounts, "" when nothing is to be done.

    START alone is not enough: while the SQL thread runs, the IO thread goes on from its own old position (10.11.19).
    """

    errno: int
    thread: str
    text: str
    cause: str
    hint: str
    passing: bool = False
    again: bool = False
    verb: str = ""


CATALOGUE = (
    Remedy(1062, "SQL", "", "a row is there that the source does not know (an errant write), or the histories have parted",
           "Compare the row with the source's; remove it when it is errant, else seed again. Never skip.", verb="remove_row"),
    Remedy(1032, "SQL", "", "a row that the source changes is missing here",
           "Insert the source's current row, then start the source. Never skip.", verb="insert_row"),
    Remedy(1146, "SQL", "", "a table that the source changes is missing here", "Seed it.", verb="reseed_table"),
    Remedy(1950, "SQL", "", "two servers wrote in one GTID domain, or a node was promoted before its relay log was drained",
           "The node that is not the active one is wrong: seed it again from the active one. Never switch gtid_strict_mode off.", verb="reseed_node"),
    # "Since the master's binlog contains GTIDs with higher sequence numbers, it probably means that the slave has diverged"
    Remedy(1236, "IO", "higher sequence numbers", "this node has events that its source never had, and the source has gone on without them: two histories",
           "Seed it again; waiting does not help.", verb="reseed_node"),
    Remedy(1236, "IO", "not in the master's binlog", "this node is ahead of its source, or the source is merely behind",
           "If the source is behind, wait and start again; if it can never have this position (rebuilt, unsynced failover), seed again.",
           again=True, verb="restart"),
    # Slave zones: the position is a filtered event of the master zone, in no binary log here. Seen after each crash of a slave-zone node.
    Remedy(1236, "IO", "missing the GTID", "the source's binary log has a hole at this position",
           "Once the federation channel has passed it, stop and start this source; if that never helps, seed again from the master zone.",
           again=True, verb="restart"),
    # Also a slave zone whose second node was seeded while the master zone wrote: the first asks for less than where the second's binary log begins.
    Remedy(1236, "IO", "Could not find GTID state",
           "the source's binary logs begin after this position: it was seeded later than this node, or has purged them",
           "Once the federation channel has passed it, stop and start this source; if that never helps, seed again, and raise binlog_expire_logs_seconds on "
           "the source.", again=True, verb="reseed_node"),
    Remedy(1236, "IO", "purged", "the source has purged the binary logs that are needed", "Seed again, and raise binlog_expire_logs_seconds on the source.",
           verb="reseed_node"),
    Remedy(1236, "IO", "Could not find first log", "the source has purged the binary log that is needed; its position is a file's",
           "Follow by GTID instead; if the source has purged that, too, seed again.", verb="repoint"),
    Remedy(1236, "IO", "", "the source cannot serve the position that is asked for", "Seed again, unless the source is only behind.", verb="reseed_node"),
    # 10.11.19: one semi-sync state for all connections; the end of one IO thread leaves the headers of the others unread.
    Remedy(1595, "IO", "could not queue event", "another connection of this server was stopped while semi-synchronous replication was on",
           "Stop and start this source; nothing is lost.", again=True, verb="restart"),
    # "Missing magic number for semi-sync packet" in the error log: the other way round, one that begins anew asks all others for such headers.
    Remedy(1593, "IO", "after_read_event", "another connection of this server began semi-synchronous replication anew",
           "Stop and start this source; nothing is lost.", again=True, verb="restart"),
    Remedy(1593, "IO", "equal", "source and replica have the same server_id",
           "Give each server of the federation its own server_id and restart the one that is wrong.", verb="site"),
    Remedy(1593, "IO", "", "the source has no binary log or its settings do not fit", "Look at log_bin and server_id of the source.", verb="site"),
    Remedy(1597, "IO", "", "the replication user may not replicate",
           "On the source: GRANT REPLICATION SLAVE ON *.* to this user for this node's address (database_access).", verb="site"),
    Remedy(1045, "IO", "", "wrong user, password or address, or the user requires TLS and the source is set up without",
           "Check the user and its hosts on the source (database_access) and the password given here.", verb="site"),
    Remedy(1130, "IO", "", "no user on the source may come from this node's address",
           "Add this node's address to the user's hosts on the source (database_access).", verb="site"),
    # Texts of 10.11.19. With the authority unknown and with a certificate that is over, its client says no more than "error:00000000".
    Remedy(2026, "IO", "SSL certificate validation failure", "the source's certificate does not name the address used as host",
           "Give the source a certificate with this address among its subject alternative names; a service address belongs into those of all servers that "
           "may have it.", verb="site"),
    Remedy(2026, "IO", "server does not support it", "the source offers no TLS",
           "Give the source a certificate first, and let its MariaDB run with it.", verb="site"),
    Remedy(2026, "IO", "verify_paths failed", "the file with the authorities cannot be read here", "Correct ssl_ca, or write the file.", verb="site"),
    Remedy(2026, "IO", "", "TLS failed: the source's certificate is over, or of an authority that is not in ssl_ca, or the clocks differ",
           "Look at it on the source (tls_certificate_info, or openssl s_client -starttls mysql), renew it, or correct ssl_ca.", verb="site"),
    Remedy(2003, "IO", "", "nobody answers at the source's address", "Start the source or mend the network; it retries by itself.", passing=True),
    Remedy(2002, "IO", "", "nobody answers at the source's address", "Start the source or mend the network; it retries by itself.", passing=True),
    Remedy(2005, "IO", "", "the source's host name is unknown", "Correct host; an address needs no name service.", passing=True),
    Remedy(2013, "IO", "", "the connection to the source was lost", "Start the source or mend the network; it retries by itself.", passing=True),
    Remedy(2006, "IO", "", "the source closed the connection", "Start the source; it retries by itself.", passing=True),
    Remedy(1158, "IO", "", "the connection to the source was lost", "Mend the network; it retries by itself.", passing=True),
    Remedy(1159, "IO", "", "the connection to the source timed out", "Mend the network; it retries by itself.", passing=True),
    Remedy(1160, "IO", "", "the connection to the source was lost", "Mend the network; it retries by itself.", passing=True),
    Remedy(1053, "IO", "", "the source is shutting down", "Wait for it; it retries by itself.", passing=True),
    Remedy(1947, "SQL", "", "gtid_slave_pos was set on a node that writes in this domain",
           "CHANGE MASTER … MASTER_DEMOTE_TO_SLAVE=1 on this node, then start the source again.", verb="demote"),
)
UNKNOWN = Remedy(0, "", "", "this error is not in the catalogue", "Read the message and the server's error log; do not skip events.")


def remedy(errno, text="", thread=""):
    """Return the catalogue's entry for an error; never None."""
    for entry in CATALOGUE:
        if entry.errno == errno and entry.text.lower() in (text or "").lower() and thread in ("", entry.thread):
            return entry
    return UNKNOWN if errno else Remedy(0, "", "", "", "")


def source_has_lost(row):
    """Tell whether a front-end of the master zone has lost what it had sent here (layout guide): tried again after its next writes it would pass by them."""
    return _number(row.get("Last_IO_Errno")) == 1236 and bool(GUIDE_CHANNEL.match(_text(row.get("Connection_name"))))


def moves_to_tls(todo, wanted):
    """Return the sources of the Plan that begin, by it, to use TLS, or another address or authority with it."""
    touched = {change.target for change in todo if change.kind == "source" and change.after
               and {"ssl", "ssl_ca", "host", "port", "ssl_verify"} & set(change.after)}
    return [source for source in wanted if source.name in touched and source.ssl]


def refuse_tls(source, trouble, where=""):
    """Return the CoreError for a source that must not move to TLS yet: a running one goes on as it is. trouble: the words of Python's TLS or PyMySQL."""
    known = (("not valid for", "SSL certificate validation failure"), ("offers no TLS", "server does not support it"),
             ("doesn't support it", "server does not support it"))
    entry = remedy(2026, next((text for words, text in known if words in trouble), ""), "IO")
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
    cause = remedy(io_errno, row.get("Last_IO_Error"), "IO")
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
    entry = remedy(errno, text, thread)
    why = f"towards {source.host}:{source.port} IO={shown['io']} SQL={shown['sql']}"
    why += f", error {errno} ({text.strip()}): {entry.cause}" if errno else f", state '{shown['io_state'] or shown['sql_state']}', no error yet"
    return CoreError(f"source {source.name} does not run", where, why, entry.hint or "Give it more time (wait_timeout_s).", source=source.name, errno=errno,
                     status=shown)


# --- health ------------------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Verdict:
    """One line of verification. level: ok or red; verb, source: what repairs it, see core.repair."""

    level: str
    subject: str
    what: str
    why: str = ""
    hint: str = ""
    errno: int = 0
    verb: str = ""
    source: str = ""

    def as_dict(self):
        return asdict(self)


# Reasons are measurements of the field note (section 2); each is what a wrong value costs.
RULES = {
    "log_bin": ("ON", "without a binary log nobody can replicate from this node"),
    "log_slave_updates": ("ON", "a promoted node could not pass on what it received"),
    "gtid_strict_mode": ("ON", "two parted histories would be applied without an error"),
    "binlog_format": ("ROW", "statements may do something else on another node, and default databases filter them wrongly"),
    "binlog_row_image": ("FULL", "changed columns could not repair the others"),
    "relay_log_recovery": ("ON", "a crash can leave a damaged relay log"),
    "slave_exec_mode": ("STRICT", "an update of a missing row would be dropped without a word"),
    "slave_skip_errors": ("OFF", "differences would be skipped silently"),
}


# What a wrong value of a derived variable costs.
DERIVED = {
    "gtid_domain_id": "two servers that write in one domain, or one that writes in another's, part the histories",
    "gtid_ignore_duplicates": "a federated row that comes by two roads is applied twice, or with two channels rows are skipped by their number alone",
    "log_slave_updates": "a promoted node could not pass on what it received; in layout guide, passed on, it would be applied twice",
    "rpl_semi_sync_slave_enabled": "a zone's standby that does not acknowledge saves no commit; in layout guide a slave zone's would count for the standby's",
    "rpl_semi_sync_master_wait_point": "others would see a commit that the standby may not have, and that dies with this node",
    "sync_binlog": "the binary log ends before what was committed when the power goes",
    "innodb_flush_log_at_trx_commit": "what was committed is not on disk when the power goes",
    "server_id": "replication between equal ids stops (error 1593)",
}


def expected(settings):
    """Return {variable: (value, reason)}: RULES with ``settings`` over them (None drops a rule)."""
    return dict(RULES, **{name: (value, DERIVED.get(name) or RULES.get(name, ("", "the topology derives it"))[1]) for name, value in settings.items()})


def same_value(have, want):
    """Compare values of server variables by meaning: ON, 1, true and yes are equal; numbers as numbers; words without case."""
    words = {"1": "on", "true": "on", "yes": "on", "0": "off", "false": "off", "no": "off"}
    left, right = (words.get(str(value).strip().lower(), str(value).strip().lower()) for value in (have, want))
    return left == right


def health(rows, variables, wanted, settings=None, targets=None, undeclared="red"):
    """Return Verdicts for one server: its sources against ``wanted``, its variables against the rules and ``settings``.

    settings: {variable: value} on top of RULES (None drops a rule); targets: {source name: GTID position that it must have reached}.
    undeclared: level of sources that nobody declared ("red", "ok", or None for silence).
    """
    live = by_name(rows)
    verdicts = []
    for source in wanted:
        verdicts += _source_health(source, live.get(source.name), (targets or {}).get(source.name))
    if undeclared:
        verdicts += [Verdict(undeclared, f"source {name}", "is not declared", f"towards {live[name].get('Master_Host')}",
                             "Remove it with replication_source state: absent, or declare it.") for name in sorted(set(live) - {s.name for s in wanted})]
    return verdicts + list(_settings_health(variables, settings or {}))


def _source_health(source, row, target):
    subject = f"source {source.name}"
    if row is None:
        yield Verdict("red", subject, "is missing", "SHOW ALL SLAVES STATUS does not list it", "This creates it:", verb="site", source=source.name)
        return
    have, want = options_of(row), source.options()
    drift = [name for name in want if not _same(name, have[name], want[name])]
    if drift:
        elsewhere = set(drift) <= {"host", "port"}
        yield Verdict("red", subject, "is set up differently", "; ".join(f"{name} is {have[name]!r}, wanted {want[name]!r}" for name in drift),
                      "Let it pull from the right server:" if elsewhere else "This changes exactly these:", verb="repoint" if elsewhere else "site",
                      source=source.name)
    elif source.ssl:
        yield Verdict("ok", subject, "is encrypted, and its server's name is verified")
    if source.do_tables is not None:
        live = filter_of(row)
        if live != sorted(source.do_tables):
            yield Verdict("red", subject, "does not have its table filter",
                          f"live: {', '.join(live) or 'none'}; wanted: {', '.join(sorted(source.do_tables)) or 'none'}",
                          f"The live filter is set by this; run site.yml as well, in case the '{source.name}.replicate-do-table' lines in the configuration "
                          "file are wrong, too, which the next restart of MariaDB would bring back:",
                          verb="refilter", source=source.name)
        else:
            yield Verdict("ok", subject, f"filter is live ({len(live)} tables)" if live else "replicates without a filter, as wanted")
    extra = other_filters(row)
    if extra:
        yield Verdict("red", subject, "has filters that nobody declared", "; ".join(f"{key}={value}" for key, value in sorted(extra.items())),
                      "Ignored events still advance gtid_slave_pos and are lost for ever; remove the filter:",
                      verb="refilter" if set(extra) == {"Replicate_Ignore_Table"} else "", source=source.name)
    if source.state == "started":
        yield _threads_health(subject, row)
        if target:
            late = gtid.missing(_text(row.get("Gtid_Slave_Pos")), target)
            yield (Verdict("red", subject, "is behind", f"has {row.get('Gtid_Slave_Pos') or 'nothing'}, its source is at {target}",
                           "Wait for it; if it stays behind, look at its error.") if late else Verdict("ok", subject, f"has reached {target}"))


def _threads_health(subject, row):
    shown = status_of(row)
    if (shown["io"], shown["sql"]) == ("Yes", "Yes"):
        return Verdict("ok", subject, "runs (IO=Yes SQL=Yes)")
    thread, errno, text = ("SQL", shown["sql_errno"], shown["sql_error"]) if shown["sql_errno"] else ("IO", shown["io_errno"], shown["io_error"])
    entry = remedy(errno, text, thread)
    why = f"error {errno} {text.strip()}: {entry.cause}" if errno else "no error; somebody stopped it, or it is still connecting"
    return Verdict("red", subject, f"does not run (IO={shown['io']} SQL={shown['sql']})", why, entry.hint or "Start it.",
                   errno, source=row["Connection_name"])


def _settings_health(variables, settings):
    for name, (want, reason) in sorted(expected(settings).items()):
        if want is None:
            continue
        have = variables.get(name)
        if have is None:
            yield Verdict("red", f"variable {name}", "is unknown", "the server did not tell it",
                          "Ask for it in replication_info, or use a MariaDB that has it.")
        elif same_value(have, want):
            yield Verdict("ok", f"variable {name}", f"is {have}")
        else:
            yield Verdict("red", f"variable {name}", f"is {have}, wanted {want}", reason, "Correct the configuration drop-in and restart MariaDB.")
