# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with one MariaDB server's replication, by its name in the catalogue, with the evidence and the verb that repairs it."""
from __future__ import annotations

from dataclasses import dataclass, replace

from . import contents, failure_catalogue, gtid, repair, replication, replication_rules

MANY = 10          # differing rows above which a table is seeded again rather than mended row by row
GUESSES = 3        # rows of which one is the missing one, above which trying them takes longer than seeding the table again


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: its name in the catalogue, the evidence, and the verb that repairs it ("" when nothing is to be done here)."""

    name: str
    source: str
    why: str
    verb: str = ""
    table: str = ""
    key: str = ""
    hint: str = ""
    host: str = ""
    port: int = 0

    def as_dict(self, node, inventory=()):
        return {"name": self.name, "source": self.source, "why": self.why, "verb": self.verb, "table": self.table, "key": self.key, "hint": self.hint,
                "command": repair.command(node, self.verb, self.source, self.table, self.key, self.host, self.port or "", inventory)}


def findings(facts_of, expected=None, servers=None, configured=None):
    """Return Findings of a server.

    facts_of: {source name: Facts of that source}; expected: {source name: tables of its filter}; servers: {source name: (host, port, other hosts that
    are right, too) to pull from}; configured: {source name: tables} of the filters that the server's next start brings, None where that is not known.
    """
    found = []
    for name, facts in facts_of.items():
        row = facts.row(name)
        if row is None:
            found.append(Finding("missing source", name, "SHOW ALL SLAVES STATUS does not list it", repair.SITE, hint="Run site.yml: it creates the source."))
            continue
        want = (expected or {}).get(name)
        ignored = row.get("Replicate_Ignore_Table")
        if want is not None and (replication.filter_of(row) != sorted(want) or ignored):
            found.append(Finding("filter", name, f"its live filter lists {len(replication.filter_of(row))} tables"
                                 + (f" and ignores {ignored}" if ignored else "") + f", wanted {len(want)}", "refilter",
                                 hint="If it comes back after a restart, the configuration file is wrong: site.yml --tags database."))
        if want and configured is not None and configured.get(name, []) != sorted(want):
            found.append(Finding("file", name, f"the configuration file has {len(configured.get(name, []))} tables for its filter, wanted {len(want)}: "
                                 "the next start of MariaDB brings that", repair.SITE))
        wrong = list(_of_address(name, row, (servers or {}).get(name)))
        if wrong:
            found += wrong      # what it gets and what it lacks is judged once it pulls from the right server
            continue
        own = [*_of_threads(name, row, facts), *_of_contents(name, row, facts)]
        found += own if facts.here.passes_on else [_in_guide(one, row, facts) for one in own]
    return found


def _in_guide(finding, row, facts):
    """What one source's position proves is not enough in layout guide: its verbs are the two that copy everything of one moment."""
    if finding.verb not in repair.NOT_IN_GUIDE + ("reseed_node", "reseed_tables"):
        return finding
    if repair.is_federation(row):
        return replace(finding, verb="reseed_tables", table="", key="")
    if facts.here.read_only:
        return replace(finding, verb="reseed_node", table="", key="")
    return replace(finding, verb="", table="", key="",
                   hint="The other node has not what it once sent here, or wrote what this node refuses: verb reseed_node there.")


def _of_address(name, row, server):
    have = row["Master_Host"], int(row["Master_Port"])
    if server and have != server[:2] and have[0] not in server[2:]:
        yield Finding("elsewhere", name, f"it pulls from {have[0]}:{have[1]}, wanted {server[0]}:{server[1]}", "repoint", host=server[0],
                      port=server[1] if server[1] != have[1] else 0)


def _of_threads(name, row, facts):
    shown = replication.status_of(row)
    if repair.runs(row):
        return
    if repair.taken_back(facts.here):
        verb = "" if repair.is_federation(row) else "reseed_node"
        yield Finding("taken back", name, f"this node's position has {repair.taken_back(facts.here)}, an event of its own that its binary log has not",
                      verb, hint=replication_rules.SET_BACK)
        return
    thread, errno, text = ("SQL", shown["sql_errno"], shown["sql_error"]) if shown["sql_errno"] else ("IO", shown["io_errno"], shown["io_error"])
    entry = failure_catalogue.remedy(errno, text, thread)
    verb, table, key = repair.from_status(row, not facts.here.read_only)
    why = f"IO={shown['io']} SQL={shown['sql']}" + (f", {thread} error {errno}: {entry.cause} ({text.strip()})" if errno else ", no error")
    hint = entry.hint
    source = repair.source_for(facts.here.rows, table, name) if verb in repair.ON_TABLE else name
    if source != name and any(one["name"] == source and repair.named_in(one["sql_error"])[0] == table for one in map(replication.status_of, facts.here.rows)):
        return      # the same fault, which that source tells better; its repair starts this one, too
    if errno == 1062:
        key = facts.culprit or key
        if facts.row_here is not None and facts.row_here == facts.row_there:
            verb, key, hint = "reseed_table", "", "The row equals the source's: the position is wrong, not the row."
    elif errno == 1032:
        missing = (facts.comparison.table(table) or contents.Table(table)).missing
        if len(missing) > GUESSES or not missing:
            verb, hint = "reseed_table", f"{len(missing) or 'No'} rows are missing; which one it waits for cannot be told."
        elif len(missing) > 1:
            hint = f"It is one of the rows {', '.join(missing)}; a row that was not it is taken out again."
        for key in missing if verb == "insert_row" else ("",):
            yield Finding("1032", source, why, verb, table, key, hint)
        return
    elif verb == "reseed_node" and facts.source and not facts.source.error and facts.source.read_only and errno == 1236 and not gtid.beyond(
            facts.source.binlog_state, facts.here.binlog_state, facts.here.domain):
        verb = "demote"
    elif verb == "demote" and facts.source and gtid.beyond(facts.source.binlog_state, facts.here.binlog_state, facts.here.domain):
        verb, hint = "", f"The other node ({facts.source.where}) has events of its own: verb reseed_node there, which also lets this one follow again."
    elif not errno and "No" not in (shown["io"], shown["sql"]):
        verb, hint = "", "It is connecting; look again."
    yield Finding(str(errno) if errno else "stopped", source, why, verb, table, key, hint, row["Master_Host"])


def _of_contents(name, row, facts):
    comparison = facts.comparison
    if comparison.error:
        yield Finding("unknown contents", name, comparison.error, hint="Nothing is known about the contents towards this source.")
        return
    if not facts.here.read_only and facts.source.domain == facts.here.domain:
        return      # this node is the writer: what differs is judged on the other node
    if not facts.here.passes_on and (facts.source.read_only or not (facts.here.read_only or repair.is_federation(row))):
        return      # layout guide: the truth is at the writers
    at = "" if comparison.proven else f" (not proven: here {comparison.here or 'nothing'}, source {comparison.there}; some may still be to come)"
    stopped = {repair.named_in(one["sql_error"])[0] for one in map(replication.status_of, facts.here.rows) if one["sql_errno"]}
    for table in comparison.tables:
        if not comparison.proven and table.name in stopped:
            continue      # the error says it, and better
        keys = table.keys()
        if table.why or not comparison.proven or table.differing or len(keys) > MANY:
            proposals = [("reseed_table" if comparison.proven or table.why else "", "")]
        else:
            proposals = [("remove_row", key) for key in table.extra] + [("insert_row", key) for key in table.missing]
        for verb, key in proposals:
            yield Finding("difference" if comparison.proven or table.why else "behind", name, f"{table}{at}", verb, table.name, key,
                          "" if verb else "Let it catch up, then look again.")


def lines(node, found, inventory=()):
    """Return the findings as a table for people."""
    if not found:
        return [f"{node}: nothing to repair"]
    text = [f"{node}: {len(found)} finding{'s' if len(found) != 1 else ''}"]
    told = None
    for one in found:
        data = one.as_dict(node, inventory)
        if (one.name, one.source, one.why, one.hint) != told:
            text.append(f"  {data['name']:<12} source {data['source']}: {data['why']}")
            if data["hint"]:
                text.append(f"  {'':<12} {data['hint']}")
        told = one.name, one.source, one.why, one.hint
        text.append(f"  {'':<12} → " + (data["command"] or "nothing to do here"))
    return text
