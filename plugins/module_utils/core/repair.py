# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repair verbs of one MariaDB server: from evidence to a plan, or to a refusal that says which evidence is missing.

A verb is asked for by name; nothing here chooses one, and no event is ever skipped. The authority for a table is the source whose filter lists it
(the federation channel), for all others the zone's other node. Reasons and measurements: field note "mariadb", sections 5 and 6.
"""
from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

from . import contents, failure_catalogue, gtid, replication, replication_rules
from .contents import Comparison
from .errors import CoreError
from .plan import Change, Plan


@dataclass(frozen=True)
class Verb:
    """does: for people; needs: options besides source; data: whether it changes rows, so that they are backed up before."""

    name: str
    does: str
    needs: tuple = ()
    data: bool = False


VERBS = {verb.name: verb for verb in (
    Verb("restart", "stops and starts the source, both threads"),
    Verb("repoint", "lets the source pull from another server (host), by GTID", ("host",)),
    Verb("refilter", "sets the live table filter of the source to what it should be (do_tables)", ("do_tables",)),
    Verb("remove_row", "removes one row (table, key) that the source does not know, and starts what it stopped", ("table", "key"), data=True),
    Verb("insert_row", "inserts the source's row (table, key) that is missing here, and starts what it stopped", ("table", "key"), data=True),
    Verb("reseed_table", "replaces one table (table) by the source's", ("table",), data=True),
    Verb("reseed_tables", "replaces all tables of a federation source by the master zone's, with their position", (), data=True),
    Verb("reseed_node", "replaces the whole database of a standby by its zone's writer's, with its position, and begins a new binary log", (), data=True),
    Verb("demote", "lets a writer follow its rebuilt peer again from its own position (MASTER_DEMOTE_TO_SLAVE)"),
)}
ON_TABLE = ("remove_row", "insert_row", "reseed_table")
SITE = "site"      # not a verb of ours: the configuration or the accounts are wrong
EVIDENCE = "Run the same playbook without repair_verb: it shows the evidence, and the command for each finding."
NOT_IN_GUIDE = ("repoint", "remove_row", "insert_row", "reseed_table", "demote")


@dataclass(frozen=True)
class Request:
    """What the operator asks for."""

    verb: str
    source: str
    table: str = ""
    key: str = ""
    host: str = ""
    port: int = 0
    do_tables: object = None
    database: str = "opennebula"
    moved_replicas: tuple = ()


@dataclass(frozen=True)
class Side:
    """What one server says. rows: SHOW ALL SLAVES STATUS, replicas: server ids that pull from it; None is "could not be read"."""

    where: str
    error: str = ""
    server_id: int = 0
    domain: int = 0
    read_only: bool = True
    slave_pos: str = ""
    binlog_pos: str = ""
    current_pos: str = ""
    binlog_state: str = ""
    rows: object = None
    replicas: object = None
    passes_on: bool = True  # log_slave_updates; layout guide has it off


@dataclass(frozen=True)
class Facts:
    """The evidence. peers: the zone's other nodes as {source name: Side}; row_here, row_there: the row that key names."""

    here: Side
    source: object = None
    peers: object = None
    comparison: Comparison = Comparison()
    row_here: object = None
    row_there: object = None
    target: object = None
    culprit: str = ""

    def row(self, name):
        return replication.by_name(self.here.rows or ()).get(name)


# --- reading errors and keys -------------------------------------------------------------------------------------------------

_ON_TABLE = re.compile(r"on table [`'\"]?[\w$]+[`'\"]?\.[`'\"]?([\w$]+)")
_NO_TABLE = re.compile(r"Table '[\w$]+\.([\w$]+)' doesn't exist")
_DUPLICATE = re.compile(r"Duplicate entry '(.*?)' for key '([\w$]+)'")


def named_in(text):
    """Return (table, index, entry) that an error of the SQL thread names; "" for what it does not."""
    table = _ON_TABLE.search(text or "") or _NO_TABLE.search(text or "")
    duplicate = _DUPLICATE.search(text or "")
    return table.group(1) if table else "", duplicate.group(2) if duplicate else "", duplicate.group(1) if duplicate else ""


def parse_key(text, columns):
    """Return {column: value} of a primary key as the operator writes it.

    >>> parse_key("5", ["oid"]), parse_key("vid=3,seq=0", ["vid", "seq"])
    ({'oid': '5'}, {'vid': '3', 'seq': '0'})
    """
    if not columns:
        raise CoreError("cannot name a row", why="the table has no primary key", hint="Use verb reseed_table.")
    if len(columns) == 1:
        return {columns[0]: text[len(columns[0]) + 1:] if text.startswith(f"{columns[0]}=") else text}
    found = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    if sorted(found) != sorted(columns):
        raise CoreError("cannot name a row", why=f"the key {text!r} does not give {', '.join(columns)}",
                        hint="Write it as " + ",".join(f"{column}=…" for column in columns) + ".")
    return {column: found[column] for column in columns}


def where_sql(key):
    """Return the condition for a key as text without any character that needs quoting: it also goes to mariadb-dump."""
    return " AND ".join(f"`{column}` = {_literal(value)}" for column, value in key.items())


def _literal(value):
    if re.fullmatch(r"0|-?[1-9][0-9]*", value):
        return value
    return f"CONVERT(X'{value.encode('utf-8').hex()}' USING utf8mb4)" if value else "''"


def authority(rows, database, table):
    """Return the name of the source that has the truth about a table, None when nobody has."""
    name = f"{database}.{table}"
    filtered = [row["Connection_name"] for row in rows if name in replication.filter_of(row)]
    return next(iter(filtered + [row["Connection_name"] for row in rows if not replication.filter_of(row)]), None)


def source_for(rows, table, name):
    """Return the source to name in a verb about a table: the one that has the truth about it, wherever the error showed."""
    database = next((one.split(".", 1)[0] for row in rows for one in replication.filter_of(row) if one.endswith(f".{table}")), "")
    return (authority(rows, database, table) if table else None) or name


def tables_of(rows, source, database, existing):
    """Return the tables that a source has the truth about, of those that exist on either side and those that its filter lists."""
    row = replication.by_name(rows).get(source)
    listed = [name.split(".", 1)[1] for name in replication.filter_of(row) if name.startswith(f"{database}.")] if row else []
    return tuple(sorted(name for name in set(listed) | set(existing) if name in listed or authority(rows, database, name) == source))


def taken_back(side):
    """Return the event of its own that a standby's position has and its binary log has not, "" for none. What a writer says so, its next writes undo."""
    return gtid.taken_back(side.slave_pos, side.binlog_pos, side.domain, side.server_id) if side.read_only else ""


def is_federation(row):
    return bool(replication.filter_of(row))


# --- which verb --------------------------------------------------------------------------------------------------------------

def verb_for(entry, federation, writer):
    """Return the verb of a catalogue entry for this kind of source and node."""
    if entry.verb == "reseed_node":
        return "reseed_tables" if federation else "demote" if writer else "reseed_node"
    return entry.verb


def from_status(row, writer=False):
    """Return (verb, table, key) that a row of SHOW ALL SLAVES STATUS alone suggests; the key only where the error names it."""
    shown = replication.status_of(row)
    thread, errno, text = ("SQL", shown["sql_errno"], shown["sql_error"]) if shown["sql_errno"] else ("IO", shown["io_errno"], shown["io_error"])
    if not errno:
        return ("" if "No" not in (shown["io"], shown["sql"]) else "restart", "", "")
    table, index, entry = named_in(text)
    verb = "reseed_tables" if replication.source_has_lost(row) else verb_for(failure_catalogue.remedy(errno, text, thread), is_federation(row), writer)
    return verb, table, entry if index == "PRIMARY" else ""


def command(node, verb, source="", table="", key="", host="", port="", inventory=()):
    """Return the command that does it, to be pasted as it is; "" when there is nothing to do here.

    Where the table or the row is not known it is the command that names them. inventory: what ansible-playbook was given with -i.
    """
    if not verb:
        return ""
    values = {"source": source, "table": table, "key": key, "host": host}
    words = ["ansible-playbook", *(f"-i {_quoted(one)}" for one in inventory)]
    if verb == SITE:
        return " ".join([*words, "constellation.opennebula.site --tags database,federation"])
    words += ["constellation.opennebula.repair", f"--limit {node}"]
    needs = [name for name in ("source", *VERBS[verb].needs) if name in values]
    if all(values[name] for name in needs):
        words += [f"-e repair_verb={verb}"] + [_extra(f"repair_{name}", values[name]) for name in needs]
        words += [_extra("repair_port", port)] if port and "host" in needs else []
    return " ".join(words)


def _quoted(word):
    """Return a word as a shell takes it back."""
    return word if re.fullmatch(r"[\w@%+=:,./-]+", word) else "'" + word.replace("'", "'\"'\"'") + "'"


def _extra(name, value):
    """Ansible splits name=value at blanks and takes quotes away; JSON stays what it is."""
    if re.fullmatch(r"[\w.,:=+-]+", str(value)):
        return f"-e {name}={value}"
    return f"-e {_quoted(json.dumps({name: str(value)}))}"


# --- the plan of a verb ------------------------------------------------------------------------------------------------------

def plan(request, facts):
    """Return the Plan of the verb, empty when its goal is there; raise CoreError when evidence is missing or contradicts."""
    verb = VERBS[request.verb]
    missing = [name for name in verb.needs if getattr(request, name) in ("", None)]
    row = facts.row(request.source)
    if missing:
        raise _refusal(request, facts, f"it needs {' and '.join(missing)}", EVIDENCE)
    if row is None:
        names = ", ".join(sorted(replication.by_name(facts.here.rows or ()))) or "none"
        raise _refusal(request, facts, f"this server has no source {request.source!r}, only: {names}", "Run site.yml: it creates what the topology wants.")
    if not facts.here.passes_on and request.verb in NOT_IN_GUIDE:
        raise _refusal(request, facts, "this server passes nothing on (layout guide): each server writes in a GTID domain of its own, and one source's "
                       "position says nothing about the rows that came from the others", "Use verb reseed_tables in a slave zone, reseed_node on a zone's "
                       "standby.")
    if request.verb != "reseed_node" and taken_back(facts.here):
        raise _refusal(request, facts, f"this server's position has {taken_back(facts.here)}, an event of its own that its binary log has not: a crash took it "
                       "back, and a source that is started from there leaves it out for ever", replication_rules.SET_BACK)
    if verb.data and request.do_tables is not None and not _filters_right(request, row):
        raise _refusal(request, facts, f"its live filter lists {len(replication.filter_of(row))} tables"
                       + (f" and ignores {row['Replicate_Ignore_Table']}" if row.get("Replicate_Ignore_Table") else "")
                       + f", wanted {len(request.do_tables)} and no others (a repair that was killed may have left that)",
                       "Use verb refilter first, then this one again.")
    if request.table and request.verb in ON_TABLE:
        right = authority(facts.here.rows, request.database, request.table)
        if right != request.source:
            raise _refusal(request, facts, f"{request.source} is not the source of {request.table}, {right} is", f"Name the source {right}.")
    return _PLANS[request.verb](request, facts, row)


def _refusal(request, facts, why, hint):
    target = " ".join(filter(None, (request.source, request.table, request.key)))
    return CoreError(f"refusing to {request.verb} {target}", facts.here.where, why, hint, verb=request.verb, source=request.source)


def runs(row):
    return replication.threads_of(row) == ("Yes", "Yes")


def _threads(request, row):
    return Change("source_threads", request.source, replication._threads_text(row), "running")


def _must_answer(request, facts, side, what):
    if side is None or side.error:
        raise _refusal(request, facts, f"{what} cannot be asked: {side.error if side else 'unknown'}",
                       "Start it, or let the seed user in from this node's address (run site.yml --tags database).")


def _restart(request, facts, row):
    if runs(row):
        return Plan()
    status = replication.status_of(row)
    verb, table, key = from_status(row, not facts.here.read_only)
    if status["sql_errno"]:
        raise _refusal(request, facts, f"its SQL thread stopped with error {status['sql_errno']} ({status['sql_error'].strip()}), which would come again",
                       f"Use verb {verb or 'reseed_node'}{f' for table {table}' if table else ''}.")
    if replication.source_has_lost(row):
        raise _refusal(request, facts, "its source has lost in a crash what it had sent here (error 1236); after its next writes a start would pass, and these "
                       "would be missing", "Use verb reseed_tables.")
    entry = failure_catalogue.remedy(status["io_errno"], status["io_error"], "IO")
    if status["io_errno"] and entry.passing and status["io"] != "No":
        raise _refusal(request, facts, f"error {status['io_errno']}: {entry.cause}, and it tries again by itself", f"Nothing to do here. {entry.hint}")
    return Plan((_threads(request, row),))


def _repoint(request, facts, row):
    have = replication.parse([row])[0]
    wanted = replace(replication.wanted_sources([dict(have, use_gtid="slave_pos", state="started")])[0], host=request.host, port=request.port or have["port"])
    todo = replication.plan([row], [wanted])
    if not todo:
        return todo
    if not gtid.only(facts.here.slave_pos, _domain_of(request, facts)):
        raise _refusal(request, facts, "this server has no GTID position of the source's domain, so another server would be read from its beginning",
                       "Use verb reseed_tables or reseed_node.")
    _must_answer(request, facts, facts.target, f"{wanted.host}:{wanted.port}")
    if facts.target.server_id == facts.here.server_id:
        raise _refusal(request, facts, f"{wanted.host}:{wanted.port} has this server's own server_id {facts.here.server_id}", "Name another server.")
    late = gtid.missing(facts.target.binlog_pos, gtid.only(facts.here.slave_pos, _domain_of(request, facts)))
    if late:
        raise _refusal(request, facts, f"{wanted.host}:{wanted.port} is at {facts.target.binlog_pos or 'nothing'}, this node already at {late}",
                       "Wait until it has caught up (it would answer 1236), or name another server.")
    return todo


def _domain_of(request, facts):
    named = re.match(r"zone(\d+)", request.source)
    return int(named.group(1)) if named else facts.here.domain


def _filters_right(request, row):
    return replication.filter_of(row) == sorted(request.do_tables) and not row.get("Replicate_Ignore_Table")


def _refilter(request, facts, row):
    have, want, ignored = replication.filter_of(row), sorted(request.do_tables), row.get("Replicate_Ignore_Table") or ""
    if _filters_right(request, row) and runs(row):
        return Plan()
    changes = [Change("source_filter", request.source, have, want)] if have != want else []
    changes += [Change("source_ignores", request.source, ignored, "")] if ignored else []
    return Plan(tuple(changes + ([] if runs(row) else [_threads(request, row)])))


def _demote(request, facts, row):
    if runs(row):
        return Plan()
    _must_answer(request, facts, facts.source, "the source")
    if is_federation(row) or facts.source.domain != facts.here.domain:
        raise _refusal(request, facts, "the source is of another zone, this node writes nothing that it has", "Use verb reseed_tables.")
    if not facts.source.read_only:
        raise _refusal(request, facts, "the source takes writes: there may be two writers", "Close one of them first (crm_mon -1r; SET GLOBAL read_only=1).")
    unknown = gtid.beyond(facts.source.binlog_state, facts.here.binlog_state, facts.here.domain)
    if unknown:
        raise _refusal(request, facts, f"the source has events that this node never had ({unknown}), and they would be passed over: two histories",
                       "Use verb reseed_node on the node that is not the writer, then demote here.")
    return Plan((_threads(request, row),))


# --- rows --------------------------------------------------------------------------------------------------------------------

def _rows_agree(facts):
    return facts.row_here == facts.row_there


def _check_reference(request, facts, row):
    """What every verb that takes the source's rows for the truth needs."""
    _must_answer(request, facts, facts.source, "the source")
    if facts.comparison.error:
        raise _refusal(request, facts, f"the contents cannot be compared: {facts.comparison.error}",
                       "The seed user needs SELECT on the database there (run site.yml --tags database).")
    if not facts.here.read_only and facts.source.domain == facts.here.domain:
        raise _refusal(request, facts, "this node is its zone's writer: its rows are the truth, the other node's are not", "Repair the other node.")


def _stopped_by(facts, errno, table):
    """Return the errors of this number for this table, on any source."""
    shown = [replication.status_of(one) for one in facts.here.rows]
    return [one for one in shown if one["sql_errno"] == errno and named_in(one["sql_error"])[0] == table]


def _remove_row(request, facts, row):
    _check_reference(request, facts, row)
    if _rows_agree(facts) and runs(row):
        return Plan()
    if facts.row_here is None:
        raise _refusal(request, facts, "there is no such row here", EVIDENCE)
    if _rows_agree(facts):
        raise _refusal(request, facts, "the source has exactly the same row: not the row is wrong, but the position", "Use verb reseed_table.")
    hit = bool(_stopped_by(facts, 1062, request.table)) and facts.culprit == request.key
    if not hit:
        if facts.row_there is not None:
            raise _refusal(request, facts, "the source has a row with this key, and nothing stopped at it: the row differs, it is not errant",
                           "Use verb reseed_table.")
        if not facts.comparison.proven:
            raise _refusal(request, facts, f"it is not proven that the source does not know the row: this node is at {facts.comparison.here or 'nothing'}, "
                           f"the source at {facts.comparison.there}, so its removal may still be to come",
                           "Let the source catch up first, or use verb reseed_table.")
    return Plan((Change("row", f"{request.table} {request.key}", contents.shown(facts.row_here), None),))


def _insert_row(request, facts, row):
    _check_reference(request, facts, row)
    if facts.row_there is None:
        raise _refusal(request, facts, "the source does not have this row", EVIDENCE)
    if _rows_agree(facts):
        if runs(row):
            return Plan()
        raise _refusal(request, facts, "the row is here, and equal to the source's; something else stopped the source", EVIDENCE)
    if facts.row_here is not None:
        raise _refusal(request, facts, "a row with this key is here, with other contents", "Use verb reseed_table.")
    if not facts.comparison.proven and not _stopped_by(facts, 1032, request.table):
        raise _refusal(request, facts, f"the row may still be to come: this node is at {facts.comparison.here or 'nothing'}, the source at "
                       f"{facts.comparison.there}, and no source stopped with 1032 at this table", "Let the source catch up first, or use verb reseed_table.")
    return Plan((Change("row", f"{request.table} {request.key}", None, contents.shown(facts.row_there)),))


# --- tables ------------------------------------------------------------------------------------------------------------------

def _reseed_table(request, facts, row):
    _check_reference(request, facts, row)
    wrong = facts.comparison.table(request.table)
    if not wrong and runs(row):
        return Plan()
    if not wrong and not any(named_in(one["sql_error"])[0] == request.table for one in map(replication.status_of, facts.here.rows)):
        raise _refusal(request, facts, "the table equals the source's, and no source stopped at it", EVIDENCE)
    _check_source_is_sound(request, facts)
    _check_binary_log(request, facts)
    return Plan((Change("table", f"{request.database}.{request.table}", "not the source's", f"the source's ({request.source})"),))


def _reseed_tables(request, facts, row):
    _check_reference(request, facts, row)
    if not is_federation(row):
        raise _refusal(request, facts, f"source {request.source} has no table filter, so it is no federation channel",
                       "Use verb reseed_node, or refilter if the filter was lost.")
    if facts.comparison.equal and runs(row) and (facts.here.passes_on or not _stopped_federation(facts)):
        return Plan()
    _check_source_is_sound(request, facts)
    if facts.here.passes_on:
        _check_binary_log(request, facts)
    elif facts.source.read_only:
        raise _refusal(request, facts, "the source is not its zone's writer (read_only), so it is not known whose data is right",
                       "Name the channel from the master zone's writer.")
    return Plan((Change("tables", request.database, "not the source's", {"source": request.source, "tables": [
        name.split(".", 1)[1] for name in replication.filter_of(row)]}),))


def _reseed_node(request, facts, row):
    _must_answer(request, facts, facts.source, "the source")
    if not facts.here.read_only:
        raise _refusal(request, facts, "this node is its zone's writer: its data is the zone's data", "Seed the other node; here use verb demote afterwards.")
    if is_federation(row) or (facts.here.passes_on and facts.source.domain != facts.here.domain):
        raise _refusal(request, facts, "the source is of another zone; a node is loaded from its own zone's writer",
                       "Name the source towards the zone's other node.")
    _check_reference(request, facts, row)
    if facts.comparison.equal and runs(row) and not _lost_own_writes(facts):
        return Plan()
    if facts.source.read_only:
        raise _refusal(request, facts, "the source is not its zone's writer (read_only), so it is not known whose data is right",
                       "Let the cluster start its database_writer there first.")
    if facts.here.passes_on:
        _check_replicas(request, facts)
    return Plan((Change("database", request.database, "not the writer's", f"the writer's ({request.source})"),))


def _stopped_federation(facts):
    """Return the federation channels of which a thread is stopped: one copy sets the positions of all."""
    return [row["Connection_name"] for row in facts.here.rows if is_federation(row) and "No" in replication.threads_of(row)]


def _lost_own_writes(facts):
    """Tell whether the source has another number of this server's writes than it has itself: where nothing is passed on, a crash took some back for good."""
    mine, theirs = (gtid.sequence(position, facts.here.domain) for position in (facts.here.binlog_pos, facts.source.slave_pos))
    return not facts.here.passes_on and mine != theirs


def _check_source_is_sound(request, facts):
    """What is copied from must itself be right: a source whose own replication stopped would spread its fault."""
    if facts.source.rows is None:
        raise _refusal(request, facts, "it cannot be seen whether the source's own replication is sound",
                       "The seed user needs SLAVE MONITOR there (run site.yml --tags database).")
    broken = [one["name"] for one in map(replication.status_of, facts.source.rows) if one["sql_errno"]]
    if broken and facts.source.read_only:
        raise _refusal(request, facts, f"the source's own replication stopped ({', '.join(broken)}), its rows may be wrong, too", "Repair the source first.")


def _check_binary_log(request, facts):
    """Seeding passes events over that the binary log of this node then does not have; whoever is behind must not read on over the gap.

    A standby begins a new binary log, at which such a reader stops (1236). A writer cannot: there the zone's other nodes must be past the gap,
    which is looked at again when its end is known.
    """
    for name, peer in (facts.peers or {}).items():
        _must_answer(request, facts, peer, f"the zone's other node ({name})")
    if facts.here.read_only:
        _check_replicas(request, facts)
        for name, peer in (facts.peers or {}).items():
            unknown = gtid.beyond(facts.here.binlog_state, peer.binlog_state, facts.here.domain)
            if unknown:
                raise _refusal(request, facts, f"this node has events of its own zone that {name} never had ({unknown}); a new binary log would lose them",
                               "Use verb reseed_node if this node is the one that is wrong; else let the other node catch up.")
        return
    for name, peer in (facts.peers or {}).items():
        if peer.rows is None or any(one["sql_errno"] for one in map(replication.status_of, peer.rows)):
            raise _refusal(request, facts, f"this node is the zone's writer, and the replication of the other node ({name}) is broken or cannot be seen: "
                           "it would read on over what is passed over here", "Repair the standby first, then this node.")


def _check_replicas(request, facts):
    """A new binary log throws out everyone who pulls from here; the zone's own nodes are started again, others would have to be seeded."""
    known = {peer.server_id for peer in (facts.peers or {}).values() if not peer.error}
    others = sorted(set(facts.here.replicas or ()) - known - set(request.moved_replicas or ()))
    if others:
        raise _refusal(request, facts, f"servers {', '.join(map(str, others))} (server_id) pull from this node and could not go on after its new binary log",
                       "Let them pull from the other node first: 'pcs node standby' for this front-end (the federation address moves; repair.yml does it where "
                       "the cluster runs), or verb repoint there.")


_PLANS = {"restart": _restart, "repoint": _repoint, "refilter": _refilter, "demote": _demote, "remove_row": _remove_row, "insert_row": _insert_row,
          "reseed_table": _reseed_table, "reseed_tables": _reseed_tables, "reseed_node": _reseed_node}
