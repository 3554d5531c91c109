# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The federated tables of a slave zone: are they seeded, what seeds them, and do they equal the master zone's, row for row.

Seeding: the dump goes into a staging schema; then, with the channels stopped, all tables are renamed into place in one statement and
only the master zone's domains of gtid_slave_pos are replaced: one, or in layout guide one for each of its servers. The dumped server's own is in the
dump; that of the others is what the dumped server has applied of them, the same before and after the dump. The staging schema goes last. While the mark
PLACING is in it, an interrupted seeding may have put tables into place without their position: it is run again, which is safe. Without the mark it is a
copy that never touched the tables, and only has to go.

Equality: each node compares itself with the master zone's writer, both in snapshots of one position (core/federated_compare.py), and reports which rows
differ. Nothing else proves equality or a difference; a node that could not compare is unknown.
"""
from __future__ import annotations

import re
from dataclasses import dataclass

from . import gtid
from .errors import CoreError, NotConverged
from .plan import Change, Plan
from .report import check
from .topology import FEDERATED_TABLES

STAGING = "constellation_seed"
PLACING = "constellation_placing"      # a table of the staging schema
_POSITION = re.compile(r"^(?:-- )?SET GLOBAL gtid_slave_pos='([0-9,-]*)';", re.M)
_NAME = re.compile(r"^[0-9A-Za-z_$]+$")


# --- seeding -----------------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Facts:
    """What one server tells: which wanted tables it has, where it is, and what an interrupted seeding left.

    interrupted: tables may be in place without their position; leftover: a copy of which nothing was put into place.
    """

    tables: tuple = ()
    interrupted: bool = False
    own_domain: object = None
    slave_pos: str = ""
    current_pos: str = ""
    binlog_state: str = ""
    passes_on: bool = True  # log_slave_updates
    leftover: bool = False


def plan(facts, database, domains, source, tables=FEDERATED_TABLES, replace=False, force=False):
    """Return the Plan of seeding this server from ``source`` (shown only); empty when it has all tables and a position in the domain."""
    if facts.own_domain in domains:
        raise CoreError("refusing to seed the federated tables",
                        why=f"this server writes in GTID domain {facts.own_domain}, it belongs to the master zone itself",
                        hint="Seed nodes of slave zones only; a diverged node of the master zone is loaded as a whole from its active peer.")
    position, named = gtid.among(facts.slave_pos, domains), " and ".join(map(str, domains))
    seeded = set(facts.tables) == set(tables) and bool(position) and not facts.interrupted
    if seeded and not force:
        return Plan((Change("leftover", STAGING, "the copy of an interrupted seeding, of which nothing was put into place", None),) if facts.leftover else ())
    foreign = bool(facts.tables) and not facts.interrupted
    if foreign and not (replace or force):
        raise CoreError(
            "refusing to seed the federated tables", why=f"{database} already has {len(facts.tables)} of {len(tables)} ({', '.join(sorted(facts.tables))}), "
            f"which are no complete copy of the master zone's (position in GTID domain {named}: {position or 'none'})",
            hint="If they may go, run again with replace: true (site.yml: -e federation_replace_tables=true); they are dumped into backup_dir first.")
    before = {"tables": sorted(facts.tables), "position": position or "none"} if facts.tables or position else None
    after = {"tables": sorted(tables), "position": f"of the dump (domain {named})", "from": source}
    return Plan((Change("federated_tables", database, before, after, readable=not force),))


def read_positions(comments):
    """Return the whole position that mariadb-dump --gtid --master-data=2 wrote as a comment, "" for none."""
    match = _POSITION.search(comments)
    return match.group(1) if match else ""


def read_position(comments, domain, where="", unwritten=False):
    """Return the part of one domain. unwritten: the server may not have written in it yet; else it is there."""
    found = read_positions(comments)
    position = gtid.only(found, domain)
    if not position and not (unwritten and _POSITION.search(comments)):
        raise CoreError("cannot seed from this dump", where, f"it carries no GTID position of domain {domain}" + (f" ({found!r})" if found else ""),
                        "The server needs a binary log and gtid_domain_id of the master zone, and must have written at least once.")
    return position


def check_position(facts, position, domains):
    """Refuse a position below what this server has binlogged in a domain: the next event would stop it with 1950."""
    for domain in domains:
        own, new = gtid.sequence(facts.binlog_state, domain), gtid.sequence(position, domain)
        if new < own:
            raise CoreError("refusing to seed the federated tables",
                            why=f"the dump is at {position}, and this server's binary log already has sequence {own} of that domain",
                            hint="Wait until the master zone has passed it, or rebuild this node from its peer.")


def new_slave_pos(facts, position, domains):
    """Return the whole gtid_slave_pos: these domains from the dump, the others as they are (the variable is one for all channels)."""
    result = facts.current_pos or facts.slave_pos
    for domain in domains:
        result = gtid.with_domain(result, domain, position)
    return result


def others_moved(address, before, after):
    """Return the error for a dump of a server that was applying events of the master zone's other servers: of these the dump knows no position."""
    return CoreError("cannot seed the federated tables", address, f"it went on applying the writes of another server of the master zone during each dump "
                     f"({before or 'nothing'}, then {after})", "A zone has one writer (read_only on all others), and it is the one to dump from; run "
                     "verify.yml, then seed again.")


def must_be_names(*names):
    """Names become part of statements, so a strange one is our own mistake."""
    if not all(_NAME.match(name) for name in names):
        raise AssertionError(names)


def place_steps(database, tables, existing):
    """Return the statements that put the staged tables into place; the RENAME is atomic over all of them."""
    must_be_names(database, *tables)
    steps = [f"CREATE TABLE `{STAGING}`.`{PLACING}` (nothing INT)"]
    steps += [f"DROP TABLE {', '.join(f'`{database}`.`{table}`' for table in sorted(existing))}"] if existing else []
    return steps + ["RENAME TABLE " + ", ".join(f"`{STAGING}`.`{table}` TO `{database}`.`{table}`" for table in tables)]


def choose_master(candidates, tables, domains):
    """Return the candidate to dump from: one that writes, else one that has the tables. Each is {"address", "error" or facts}."""
    usable, refused = [], []
    for candidate in candidates:
        if candidate.get("error"):
            refused.append(f"{candidate['address']}: {candidate['error']}")
        elif candidate["domain"] not in domains:
            refused.append(f"{candidate['address']}: writes in GTID domain {candidate['domain']}, the master zone's is {' or '.join(map(str, domains))}")
        elif set(tables) - set(candidate["tables"]):
            refused.append(f"{candidate['address']}: has no table {', '.join(sorted(set(tables) - set(candidate['tables'])))}")
        else:
            usable.append(candidate)
    if not usable:
        raise CoreError("no server of the master zone can seed the federated tables", why="; ".join(refused) or "none was given",
                        hint="Start the master zone's OpenNebula once so that it makes its tables, and give the seed user access (database_access).")
    return sorted(usable, key=lambda candidate: candidate["read_only"])[0]


# --- contents ----------------------------------------------------------------------------------------------------------------

def checksum_sql(database, table, columns):
    """Return a query for the number of rows and a checksum over all columns; NULL and '' differ, order of rows and columns does not matter.

    Each column is hashed by itself, so no value runs into the next and none exceeds max_allowed_packet. BIT_XOR over CRC32 is linear
    and misses changes; XOR over one half and a sum over the other half of an MD5 also sees doubled rows.
    """
    must_be_names(database, table)
    return (f"SELECT COUNT(*) AS n, COALESCE(HEX(BIT_XOR(CAST(CONV(SUBSTR(h, 1, 16), 16, 10) AS UNSIGNED))), '0') AS x, "
            f"COALESCE(SUM(CAST(CONV(SUBSTR(h, 17, 16), 16, 10) AS DECIMAL(20))), 0) AS s "
            f"FROM (SELECT {row_hash(columns)} AS h FROM `{database}`.`{table}`) AS hashed")


def row_hash(columns):
    """Return the expression for the hash of one row, see checksum_sql."""
    parts = ", ".join(f"IFNULL(MD5(`{column.replace('`', '``')}`), '-')" for column in sorted(columns)).replace("%", "%%")
    return f"MD5(CONCAT_WS('#', {parts}))"


def position_of(binlog_pos, slave_rows):
    """Return the position of a snapshot: by domain, the newer of its binary log and of its rows in mysql.gtid_slave_pos.

    A slave zone's binary log has only the events that passed the filter, its gtid_slave_pos rows have all.
    """
    position = gtid.parse(binlog_pos)
    for row in slave_rows:
        domain, entry = int(row["domain_id"]), (int(row["server_id"]), int(row["seq_no"]))
        if position.get(domain, (0, 0))[1] < entry[1]:
            position[domain] = entry
    return gtid.render(position)


def checks(reports, remedy=lambda node, tables: "run repair.yml", area="federation", zone="the master zone"):
    """Return report.Checks, one per node. reports: {node: result of federated_tables_info or None}; None could not be read.

    remedy(node, tables that differ): what to do about them; zone: whose writer they were compared with.
    """
    known = {node: report for node, report in reports.items() if report and report.get("present")}
    return [_check(node, known.get(node), remedy, area, zone) for node in reports]


def _check(node, report, remedy, area, zone):
    comparison = (report or {}).get("comparison") or {"equal": None, "tables": [], "why": ""}
    holds, why, wrong = comparison["equal"], comparison["why"], [table["table"] for table in comparison["tables"]]
    if report is None:
        why = "its tables could not be read"
    elif comparison.get("reference") and report["missing"]:
        holds, why, wrong = False, f"the writer of {zone} does not have {', '.join(report['missing'])}", []
    elif "comparison" not in report:
        why = f"it was not compared: no server of {zone} was given"
    hint = "It is catching up, or its replication is broken; look again."
    if wrong:
        hint = f"An errant write or a lost event: {remedy(node, wrong)}"
    elif holds is False:
        hint = f"Start {zone}'s OpenNebula once so that it makes its tables."
    return check(area, node, f"its federated tables equal {zone}'s" if area == "federation" else f"its users, groups and ACLs equal those of {zone}'s writer",
                 holds, why, hint)


def not_placed(tables):
    """Return the error for tables that the dump did not bring."""
    return NotConverged("the dump did not bring all federated tables", why=f"missing: {', '.join(sorted(tables))}",
                        hint="Run it again; nothing was put into place.")
