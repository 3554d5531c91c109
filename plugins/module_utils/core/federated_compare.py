# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the federated tables of this server with the master zone's, exactly, while they are written to; rows are named by their keys.

``servers`` (adapters/mariadb.py) is given as an object. How two servers come to one position: core/meeting.py. What the results mean: core/federated.py.
"""
from __future__ import annotations

import contextlib

from . import contents, federated, federated_run, gtid, meeting, replication
from .errors import CoreError, NotThere
from .federated_run import domains_of

LOOK = ("SELECT @@GLOBAL.server_id AS server_id, @@GLOBAL.gtid_domain_id AS domain, " + replication.READ_ONLY + ", "
        "@@GLOBAL.gtid_binlog_pos AS binlog_pos, @@GLOBAL.log_bin AS log_bin")


def read(params, servers):
    """Return the report of one server; with ``masters`` it has a comparison."""
    if params.get("masters") is None:
        return federated_run.read(params, servers.here(servers.Snapshot))
    wanted = params["tables"] or federated.FEDERATED_TABLES
    with contextlib.closing(servers.here()) as server:
        try:
            row = server.rows(LOOK)[0]
        except NotThere as absent:
            return federated_run.absent(absent, wanted)
        report = {"present": True, "position": row["binlog_pos"] or "", "tables": {}, "server_id": int(row["server_id"]),
                  "gtid_domain_id": int(row["domain"]), "read_only": bool(int(row["read_only"])),
                  "missing": sorted(set(wanted) - federated_run.present(server, params["database"]))}
        try:
            reference = choose([_candidate(servers, host, params) for host in params["masters"]], _mine(row), domains_of(params))
            if reference is None:
                report["comparison"] = {"reference": True, "with": "", "equal": True, "sequence": gtid.sequence(row["binlog_pos"], int(row["domain"])),
                                        "tables": [], "why": ""}
            else:
                _compare(params, servers, server, reference, wanted, row, report)
        except CoreError as error:
            report["comparison"] = {"reference": False, "with": "", "equal": None, "sequence": 0, "tables": [], "why": str(error)}
    return report


def _mine(row):
    return {"address": "", "server_id": int(row["server_id"]), "domain": int(row["domain"]), "read_only": bool(int(row["read_only"])),
            "position": row["binlog_pos"] or ""}


def _candidate(servers, host, params):
    with contextlib.closing(servers.at(host, params["master_port"])) as server:
        try:
            return dict(_mine(server.rows(LOOK)[0]), address=host)
        except CoreError as error:
            return {"address": host, "error": error.why or str(error)}


def choose(candidates, mine, domains):
    """Return the candidate to compare with, None when this server is the one that all others are compared with.

    That is the one that writes; without one, of those that answer, the farthest. Each is {"address", "server_id", "domain", "read_only", "position"} or
    {"address", "error"}.
    """
    usable = [one for one in candidates if not one.get("error") and one["domain"] in domains] + ([mine] if mine["domain"] in domains else [])
    if mine in usable and not mine["read_only"]:
        return None
    silent = "; ".join(f"{one['address']}: {one.get('error') or 'writes in GTID domain ' + str(one['domain'])}" for one in candidates if one not in usable)
    best = min(usable, key=lambda one: (one["read_only"], -gtid.sequence(one["position"], one["domain"]), one["server_id"]), default=mine)
    if best is not mine:
        return best
    if silent or mine not in usable:
        raise CoreError("no server of the master zone can be compared with", why=silent, hint="Start MariaDB there, and give the user access (site.yml "
                        "--tags database).")
    return None


def _compare(params, servers, server, reference, wanted, row, report):
    domain, database = reference["domain"], params["database"]
    with contextlib.ExitStack() as stack:
        there = meeting.There(stack.enter_context(servers.at(reference["address"], params["master_port"], servers.Snapshot)), domain)
        here = meeting.Here(server, lambda: servers.here(servers.Snapshot), domain, _own(servers, row, domain))
        stack.callback(here.close)
        number, snapshot = meeting.meet(there, here, params["wait_timeout_s"])
        report["position"] = federated.position_of(row["binlog_pos"], snapshot.rows(federated_run.APPLIED))
        _same_others(there.server, server, report["position"], [one for one in domains_of(params) if one != domain])
        different, sums = compare(servers.together, there.server, snapshot, database, wanted)
    report["tables"] = sums
    report["comparison"] = {"reference": False, "with": reference["address"], "equal": not different, "sequence": number,
                            "tables": [one.as_dict(contents.MOST) for one in different], "why": "; ".join(map(str, different))}


def _same_others(there, here, position, domains):
    """Refuse to compare while the writes of the master zone's other servers (layout guide) have not come as far here as to the one that is compared with.

    They do not write while it does, so that their positions stand still; what each had written last it has in the domain of its own.
    """
    if not domains:
        return
    mine, theirs = gtid.among(position, domains), gtid.among(there.value("SELECT @@GLOBAL.gtid_slave_pos") or "", domains)
    if mine != theirs:
        raise CoreError("the contents could not be read at one position", here.where, f"of the master zone's other servers it has {mine or 'nothing'}, "
                        f"{there.where} has {theirs or 'nothing'}", "It is catching up, or its replication is broken; look again.")


def _own(servers, row, domain):
    """A server of the master zone may have written events itself, which its applier has not counted."""
    if int(row["domain"]) != domain or not int(row["log_bin"]):
        return 0
    with servers.here(servers.Snapshot) as snapshot:
        return gtid.sequence(federated_run.binlog_position(snapshot), domain)


def compare(together, there, here, database, wanted):
    """Return the Tables that differ between two snapshots, and what this server has: {table: {"rows", "checksum", "columns"}}."""
    theirs, ours = together(lambda: _sums(there, database, wanted), lambda: _sums(here, database, wanted))
    found = []
    for name in wanted:
        if name not in ours or name not in theirs:
            why = "the table is missing here" if name in theirs else "the master zone does not have the table"
            found.append(contents.Table(name, why=why))
        elif ours[name]["columns"] != theirs[name]["columns"]:
            found.append(contents.Table(name, why="the columns differ"))
        elif ours[name] != theirs[name]:
            found.append(_rows(together, there, here, database, name, ours[name]["columns"]))
    return found, ours


def _sums(server, database, wanted):
    columns = federated_run.columns_of(server, database)
    return {table: federated_run.content(server, database, table, columns[table]) for table in wanted if table in columns}


def _rows(together, there, here, database, table, columns):
    key = [one["c"] for one in here.rows(contents.KEYS, (database,)) if one["t"] == table]
    if not key:
        return contents.Table(table, why="the contents differ; the table has no primary key")
    sql = contents.buckets_sql(database, table, columns, key)
    theirs, ours = together(*(lambda one=one: {int(row["b"]): row["s"] for row in one.rows(sql)} for one in (there, here)))
    wrong = sorted(number for number in set(theirs) | set(ours) if theirs.get(number) != ours.get(number))
    sql = contents.rows_sql(database, table, columns, key, len(wrong))
    theirs, ours = together(*(lambda one=one: {row["k"]: row["h"] for row in one.rows(sql, wrong)} for one in (there, here)))
    return contents.rows_of(table, theirs, ours, theirs) or contents.Table(table, why="the contents differ in rows of one primary key")
