# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold on a server before a source is started, each rule with what it costs to break it.

Reasons are measurements: field note "mariadb", sections 1, 2 and 4. A rule has a name, so that an operator can accept one by name. That a misspelt
prefix leaves a channel without its filter is looked at by replication.check_filter; equal server ids are refused by MariaDB itself (1593).
"""
from __future__ import annotations

import re
from dataclasses import dataclass

from . import gtid, replication
from .errors import CoreError
from .report import Check, check

PAIR = re.compile(r"^zone\d+-(master|slave)$")
# Variables that are looked at, besides those of RULES.
VARIABLES = ("gtid_ignore_duplicates", "read_only", "rpl_semi_sync_master_enabled", "server_id", "gtid_domain_id", "gtid_slave_pos", "gtid_binlog_pos")

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

SET_BACK = ("Run /usr/local/libexec/constellation/start-replication there as root: it sets the position back and starts the sources. Where it cannot, use verb "
            "reseed_node.")


@dataclass(frozen=True)
class Broken:
    """A rule that does not hold. rule: its name; why: the fact seen and what it costs."""

    rule: str
    why: str
    hint: str


def names():
    """Return the names of all rules."""
    return sorted({*RULES, *_OF_SERVER, *_OF_SOURCE})


def expected(settings):
    """Return {variable: (value, reason)}: RULES with ``settings`` over them (None drops a rule)."""
    return dict(RULES, **{name: (value, DERIVED.get(name) or RULES.get(name, ("", "the topology derives it"))[1]) for name, value in settings.items()})


def same_value(have, want):
    """Compare values of server variables by meaning: ON, 1, true and yes are equal; numbers as numbers; words without case."""
    words = {"1": "on", "true": "on", "yes": "on", "0": "off", "false": "off", "no": "off"}
    left, right = (words.get(str(value).strip().lower(), str(value).strip().lower()) for value in (have, want))
    return left == right


def broken(source, rows, variables, wanted=(), require=None):
    """Return what is Broken for one source.

    rows: SHOW ALL SLAVES STATUS; wanted: all Sources declared, so that those to come count, too; require: {variable: value} besides RULES.
    """
    found = []
    row = replication.by_name(rows).get(source.name)
    for rule, judge in _OF_SOURCE.items():
        why = judge(source, row)
        if why:
            found.append(Broken(rule, *why))
    filtered, plain = _channels(rows, wanted)
    for rule, judge in _OF_SERVER.items():
        why = judge(variables, filtered, plain)
        if why:
            found.append(Broken(rule, *why))
    for name, (want, reason) in expected(require or {}).items():
        if want is not None and not same_value(variables.get(name), want):
            found.append(Broken(name, f"{name} is {variables.get(name, 'unknown')}, wanted {want}: {reason}", "Correct the configuration and restart MariaDB."))
    return found


def refuse(source, rows, variables, wanted=(), require=None, accept=(), where=""):
    """Raise CoreError unless every rule holds that was not accepted by name."""
    found = [one for one in broken(source, rows, variables, wanted, require) if one.rule not in accept]
    if found:
        raise CoreError(f"refusing to start source {source.name}", where, "; ".join(f"{one.rule}: {one.why}" for one in found),
                        " ".join(dict.fromkeys(one.hint for one in found)) + f" Or accept the loss by name: accept: [{', '.join(one.rule for one in found)}].",
                        source=source.name, rules=[one.rule for one in found])


def checks(node, sources, rows, variables):
    """Return report.Checks of the rules that verification does not see otherwise (variables and filters are replication_health's)."""
    found = {}
    for source in sources:
        for one in broken(source, rows, variables, sources):
            if one.rule not in RULES and one.rule != "domain_filter":
                found.setdefault(one.rule, one)
    if not found:
        return [Check("replication", node, "nothing is set up that is known to lose or double rows")]
    return [check("replication", node, f"rule {one.rule} is broken", False, one.why, one.hint) for one in found.values()]


def _channels(rows, wanted):
    """Return (names of the channels with a table filter, names of those without): running ones and declared ones."""
    kinds = {row["Connection_name"]: bool(replication.filter_of(row)) for row in rows if set(replication.threads_of(row)) != {"No"}}
    kinds.update({source.name: bool(source.do_tables) for source in wanted if source.state == "started" and source.do_tables is not None})
    for source in wanted:
        if source.state == "started":
            kinds.setdefault(source.name, bool(source.do_tables))
    return [name for name, has in kinds.items() if has], [name for name, has in kinds.items() if not has]


def _on(variables, name):
    return same_value(variables.get(name, "OFF"), "ON")


# --- of one source: (source, its row or None) → None or (why, hint) --------------------------------------------------------------

def _current_pos(source, row):
    if source.use_gtid == "current_pos":
        return ("use_gtid current_pos asks a rebuilt source for what only this server has, and is deprecated since 10.10",
                "Use slave_pos: in a pair the own events come back and move it.")
    return None


def _file_position(source, row):
    if source.use_gtid == "no":
        return ("a position in a file does not survive a crash of this server together with the rows: 3 to 6 of 8 kills applied events twice, by GTID none, "
                "and in a ring an event can circulate for ever", "Use use_gtid slave_pos.")
    return None


def _delay(source, row):
    if source.delay_s and PAIR.match(source.name):
        return (f"delay_s is {source.delay_s}, and a promotion waits until everything received from the zone's other node is applied",
                "Leave delay_s at 0 between the nodes of a zone.")
    return None


def _domain_filter(source, row):
    columns = ("Replicate_Do_Domain_Ids", "Replicate_Ignore_Domain_Ids")
    seen = {column: row[column] for column in columns if row and row.get(column)}
    if seen:
        return ("; ".join(f"{column}={value}" for column, value in seen.items()) + ": all channels share gtid_slave_pos, so ignored events still advance it "
                "and are missing for ever with every thread saying Yes", "Remove the source (state: absent), declare it anew and seed again.")
    return None


# --- of the server: (variables, channels with a filter, channels without) → None or (why, hint) ---------------------------------

def _duplicates_by_number(variables, filtered, plain):
    if len(filtered) > 1 and _on(variables, "gtid_ignore_duplicates"):
        return (f"gtid_ignore_duplicates with the federation channels {', '.join(sorted(filtered))}: it goes by sequence number only, and after a crash of a "
                "source it skipped rows that nobody had, with every thread saying Yes", "Have one federation channel, or gtid_ignore_duplicates off.")
    return None


def _applied_twice(variables, filtered, plain):
    if not _on(variables, "log_slave_updates") or not filtered or _on(variables, "gtid_ignore_duplicates"):
        return None
    if len(filtered) > 1:
        roads = f"{' and '.join(sorted(filtered))} can both bring"
    elif plain:
        roads = f"{filtered[0]} and {plain[0]} both bring"
    else:
        return None
    return (f"with log_slave_updates {roads} the same federated row: error 1062, or 5 increments counted as 10",
            "Have one federation channel and gtid_ignore_duplicates on (layout standby), or log_slave_updates off in all zones (layout guide).")


def _semi_sync_on_standby(variables, filtered, plain):
    if _on(variables, "rpl_semi_sync_master_enabled") and _on(variables, "read_only"):
        return ("rpl_semi_sync_master_enabled is on while the server is read_only: a standby's applier then waits for an acknowledgement, and the first write "
                "after a takeover hangs for the whole timeout", "SET GLOBAL rpl_semi_sync_master_enabled=0; the writer agent turns it on where the writer is.")
    return None


def _taken_back(variables, filtered, plain):
    positions = [variables.get(name) or "" for name in ("gtid_slave_pos", "gtid_binlog_pos")]
    ids = [int(variables.get(name) or 0) for name in ("gtid_domain_id", "server_id")]
    entry = gtid.taken_back(*positions, *ids) if not same_value(variables.get("read_only", "OFF"), "OFF") else ""
    if entry:
        return (f"gtid_slave_pos says {entry}, an event of this server's own, and its binary log ends at {positions[1] or 'nothing'}: a crash took it back, "
                "and replication from there would leave it out for ever, with every thread saying Yes", SET_BACK)
    return None


_OF_SOURCE = {"current_pos": _current_pos, "file_position": _file_position, "delay": _delay, "domain_filter": _domain_filter}
_OF_SERVER = {"duplicates_by_number": _duplicates_by_number, "applied_twice": _applied_twice, "semi_sync_on_standby": _semi_sync_on_standby,
              "taken_back": _taken_back}
