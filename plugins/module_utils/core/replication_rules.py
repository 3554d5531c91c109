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

from . import replication
from .errors import CoreError
from .report import Check, check

PAIR = re.compile(r"^zone\d+-(master|slave)$")
# Variables that are looked at, besides those of replication.RULES.
VARIABLES = ("gtid_ignore_duplicates", "read_only", "rpl_semi_sync_master_enabled")


@dataclass(frozen=True)
class Broken:
    """A rule that does not hold. rule: its name; why: the fact seen and what it costs."""

    rule: str
    why: str
    hint: str


def names():
    """Return the names of all rules."""
    return sorted({*replication.RULES, *_OF_SERVER, *_OF_SOURCE})


def broken(source, rows, variables, wanted=(), require=None):
    """Return what is Broken for one source.

    rows: SHOW ALL SLAVES STATUS; wanted: all Sources declared, so that those to come count, too; require: {variable: value} besides replication.RULES.
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
    for name, (want, reason) in replication.expected(require or {}).items():
        if want is not None and not replication.same_value(variables.get(name), want):
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
    """Return report.Checks of the rules that verification does not see otherwise (variables and filters are replication.health's)."""
    found = {}
    for source in sources:
        for one in broken(source, rows, variables, sources):
            if one.rule not in replication.RULES and one.rule != "domain_filter":
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
    return replication.same_value(variables.get(name, "OFF"), "ON")


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


_OF_SOURCE = {"current_pos": _current_pos, "file_position": _file_position, "delay": _delay, "domain_filter": _domain_filter}
_OF_SERVER = {"duplicates_by_number": _duplicates_by_number, "applied_twice": _applied_twice, "semi_sync_on_standby": _semi_sync_on_standby}
