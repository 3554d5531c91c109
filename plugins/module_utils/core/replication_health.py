# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What verification says of one MariaDB server's replication: its sources against what is declared, its variables against the rules."""
from __future__ import annotations

from dataclasses import asdict, dataclass

from . import failure_catalogue, gtid, replication, replication_rules


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


def health(rows, variables, wanted, settings=None, targets=None, undeclared="red", configured=None):
    """Return Verdicts for one server: its sources against ``wanted``, its variables against the rules and ``settings``.

    settings: {variable: value} on top of replication_rules.RULES (None drops a rule); targets: {source name: GTID position that it must have reached}.
    undeclared: level of sources that nobody declared ("red", "ok", or None for silence); configured: {source name: tables} that the next start of the
    server brings, None where that is not known.
    """
    live = replication.by_name(rows)
    verdicts = []
    for source in wanted:
        verdicts += _source_health(source, live.get(source.name), (targets or {}).get(source.name))
        verdicts += _configured_health(source, configured)
    if undeclared:
        verdicts += [Verdict(undeclared, f"source {name}", "is not declared", f"towards {live[name].get('Master_Host')}",
                             "Remove it with replication_source state: absent, or declare it.") for name in sorted(set(live) - {s.name for s in wanted})]
    return verdicts + list(_settings_health(variables, settings or {}))


def _source_health(source, row, target):
    subject = f"source {source.name}"
    if row is None:
        yield Verdict("red", subject, "is missing", "SHOW ALL SLAVES STATUS does not list it", "This creates it:", verb="site", source=source.name)
        return
    have, want = replication.options_of(row), source.options()
    drift = [name for name in want if not replication.same_option(name, have[name], want[name])]
    if drift:
        elsewhere = set(drift) <= {"host", "port"}
        yield Verdict("red", subject, "is set up differently", "; ".join(f"{name} is {have[name]!r}, wanted {want[name]!r}" for name in drift),
                      "Let it pull from the right server:" if elsewhere else "This changes exactly these:", verb="repoint" if elsewhere else "site",
                      source=source.name)
    elif source.ssl:
        yield Verdict("ok", subject, "is encrypted, and its server's name is verified")
    if source.do_tables is not None:
        live = replication.filter_of(row)
        if live != sorted(source.do_tables):
            yield Verdict("red", subject, "does not have its table filter",
                          f"live: {', '.join(live) or 'none'}; wanted: {', '.join(sorted(source.do_tables)) or 'none'}",
                          f"The live filter is set by this; run site.yml as well, in case the '{source.name}.replicate-do-table' lines in the configuration "
                          "file are wrong, too, which the next restart of MariaDB would bring back:",
                          verb="refilter", source=source.name)
        else:
            yield Verdict("ok", subject, f"filter is live ({len(live)} tables)" if live else "replicates without a filter, as wanted")
    extra = replication.other_filters(row)
    if extra:
        yield Verdict("red", subject, "has filters that nobody declared", "; ".join(f"{key}={value}" for key, value in sorted(extra.items())),
                      "Ignored events still advance gtid_slave_pos and are lost for ever; remove the filter:",
                      verb="refilter" if set(extra) == {"Replicate_Ignore_Table"} else "", source=source.name)
    if source.state == "started":
        yield _threads_health(subject, row)
        if target:
            late = gtid.missing(row.get("Gtid_Slave_Pos") or "", target)
            yield (Verdict("red", subject, "is behind", f"has {row.get('Gtid_Slave_Pos') or 'nothing'}, its source is at {target}",
                           "Wait for it; if it stays behind, look at its error.") if late else Verdict("ok", subject, f"has reached {target}"))


def _configured_health(source, configured):
    """The live filter is what the server has now, until it is started again."""
    have = None if configured is None else configured.get(source.name, [])
    if source.do_tables and have is not None and have != sorted(source.do_tables):
        yield Verdict("red", f"source {source.name}", "has another table filter in the configuration file",
                      f"the next start of MariaDB brings: {', '.join(have) or 'none'}; wanted: {', '.join(sorted(source.do_tables))}; a misspelt prefix "
                      f"({', '.join(sorted(set(configured) - {source.name})) or 'there is none'}) is silently no filter", "This writes it:", verb="site",
                      source=source.name)


def _threads_health(subject, row):
    shown = replication.status_of(row)
    if (shown["io"], shown["sql"]) == ("Yes", "Yes"):
        return Verdict("ok", subject, "runs (IO=Yes SQL=Yes)")
    thread, errno, text = ("SQL", shown["sql_errno"], shown["sql_error"]) if shown["sql_errno"] else ("IO", shown["io_errno"], shown["io_error"])
    entry = failure_catalogue.remedy(errno, text, thread)
    why = f"error {errno} {text.strip()}: {entry.cause}" if errno else "no error; somebody stopped it, or it is still connecting"
    return Verdict("red", subject, f"does not run (IO={shown['io']} SQL={shown['sql']})", why, entry.hint or "Start it.",
                   errno, source=row["Connection_name"])


def _settings_health(variables, settings):
    for name, (want, reason) in sorted(replication_rules.expected(settings).items()):
        if want is None:
            continue
        have = variables.get(name)
        if have is None:
            yield Verdict("red", f"variable {name}", "is unknown", "the server did not tell it",
                          "Ask for it in replication_info, or use a MariaDB that has it.")
        elif replication_rules.same_value(have, want):
            yield Verdict("ok", f"variable {name}", f"is {have}")
        else:
            yield Verdict("red", f"variable {name}", f"is {have}, wanted {want}", reason, "Correct the configuration drop-in and restart MariaDB.")
