# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and seed the federated tables of one server; servers and copies (adapters/mariadb.py) are given as objects.

Order and refusals are decided in core/federated.py.
"""
from __future__ import annotations

from . import federated, gtid, meeting, replication
from .errors import CoreError, NotThere, afterwards, each

TABLES = "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
POSITIONS = ("SELECT @@GLOBAL.gtid_domain_id AS domain, @@GLOBAL.gtid_slave_pos AS slave_pos, @@GLOBAL.gtid_current_pos AS current_pos, "
             "@@GLOBAL.gtid_binlog_state AS binlog_state, @@GLOBAL.log_slave_updates AS passes_on, " + replication.READ_ONLY)
SERVER = ("SELECT @@GLOBAL.server_id AS server_id, @@GLOBAL.gtid_domain_id AS domain, @@GLOBAL.log_bin AS log_bin, " + replication.READ_ONLY)
APPLIED = "SELECT domain_id, server_id, seq_no FROM mysql.gtid_slave_pos"
DUMPS = 5      # as often is a dump repeated whose position is not exact
COLUMNS = "SELECT TABLE_NAME AS t, COLUMN_NAME AS c FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s"


def look(server, database, tables):
    """Return the Facts of the local server."""
    row = server.rows(POSITIONS)[0]
    left = bool(server.rows("SELECT 1 AS found FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", (federated.STAGING,)))
    placing = left and federated.PLACING in present(server, federated.STAGING)
    return federated.Facts(
        tables=tuple(sorted(present(server, database) & set(tables))), own_domain=int(row["domain"]), slave_pos=row["slave_pos"] or "",
        interrupted=placing, leftover=left and not placing,
        current_pos=row["current_pos"] or "", binlog_state=row["binlog_state"] or "", passes_on=bool(int(row["passes_on"])))


def present(server, database):
    return {row["name"] for row in server.rows(TABLES, (database,))}


def candidate(master, database):
    """Return what one server of the master zone says, or why it says nothing."""
    try:
        row = master.rows(POSITIONS)[0]
        return {"address": master.host, "server": master, "domain": int(row["domain"]), "read_only": int(row["read_only"]),
                "tables": sorted(present(master, database))}
    except CoreError as error:
        return {"address": master.host, "error": error.why or str(error)}


def seed(params, server, masters, copy, tables, results):
    database, domains = params["database"], domains_of(params)
    master = federated.choose_master([candidate(one, database) for one in masters], tables, domains)
    running = [row["Connection_name"] for row in server.slaves() if set(replication.threads_of(row)) != {"No"}]
    server.do("SET SESSION sql_log_bin=0")
    with afterwards(lambda: each(lambda name=name: server.do("START SLAVE %s", (name,)) for name in running)):
        server.do("STOP ALL SLAVES")      # before the dump: a channel that ran on would pass the dump's position
        before = look(server, database, tables)
        if before.tables:
            results["backup_file"] = copy.to_file(server, database, before.tables, params["backup_dir"])
        staged, position = exact_copy(server, copy, master, database, tables, domains)
        federated.check_position(before, position, domains)
        if set(tables) - staged:
            raise federated.not_placed(set(tables) - staged)
        for statement in federated.place_steps(database, tables, before.tables):
            server.do(statement)
        server.do("SET GLOBAL gtid_slave_pos=%s", (federated.new_slave_pos(before, position, domains),))
        if before.passes_on and not before.binlog_state:
            # An empty binary log may say where it begins: else the peer, which asks for this position, finds a hole (1236).
            server.do("SET GLOBAL gtid_binlog_state=%s", (position,))
        server.do(f"DROP DATABASE `{federated.STAGING}`")
    results.update(source=master["address"], position=position)


def clean(server):
    """Drop what a seeding left that put nothing into place."""
    server.do("SET SESSION sql_log_bin=0")
    server.do(f"DROP DATABASE IF EXISTS `{federated.STAGING}`")


def domains_of(params):
    return tuple(params.get("domains") or (params["domain"],))


def exact_copy(server, copy, master, database, tables, domains):
    """Stage the tables; return what the dump brought, and its position in all these domains.

    The dump names the position of the dumped server's own writes. Of the master zone's other servers it has what that server had applied; that this
    was the same before and after makes it the dump's, too. On a standby's writes nobody waits: with one writer nothing moves.
    """
    own, others = master["domain"], tuple(domain for domain in domains if domain != master["domain"])
    for dummy in range(DUMPS):
        before = applied(master["server"], others)
        comments, staged = stage(server, copy, master["server"], database, tables)
        after = applied(master["server"], others)
        if before == after:
            own = federated.read_position(comments, own, master["address"], unwritten=bool(after))
            return staged, gtid.render({**gtid.parse(own), **gtid.parse(after)})
    raise federated.others_moved(master["address"], before, after)


def applied(server, domains):
    return gtid.among(server.rows(POSITIONS)[0]["slave_pos"] or "", domains) if domains else ""


def stage(server, copy, source, database, tables):
    """Load the source's tables into the staging schema; return the comments of the dump and the names of the tables that it brought."""
    server.do(f"DROP DATABASE IF EXISTS `{federated.STAGING}`")
    server.do(f"CREATE DATABASE `{federated.STAGING}`")
    comments = copy.into(source, database, tables, server, federated.STAGING)
    return comments, present(server, federated.STAGING)


def read(params, snapshot):
    """Return the report of one server; everything in it is of one moment."""
    database, wanted = params["database"], params["tables"] or federated.FEDERATED_TABLES
    try:
        with snapshot as server:
            row = server.rows(SERVER)[0]
            position, tables, columns = moment(server, database, wanted, row["log_bin"])
    except NotThere as error:
        return absent(error, wanted)
    return {"present": True, "position": position, "tables": tables, "missing": [table for table in wanted if table not in columns],
            "server_id": int(row["server_id"]), "gtid_domain_id": int(row["domain"]), "read_only": bool(int(row["read_only"]))}


def absent(error, wanted):
    return {"present": False, "why_absent": str(error), "position": "", "tables": {}, "missing": list(wanted)}


def moment(server, database, wanted, log_bin=1, applied=True):
    """Return position, contents and columns of the tables, in the snapshot that ``server`` is in.

    wanted None: all tables there are. applied False: by its binary log alone, for a login that may not read the schema mysql; right for the domain
    that the server passes on completely.
    """
    binlog = binlog_position(server) if int(log_bin) else ""
    rows = server.rows(APPLIED) if applied else []
    columns = columns_of(server, database)
    tables = {table: content(server, database, table, columns[table]) for table in (sorted(columns) if wanted is None else wanted) if table in columns}
    return federated.position_of(binlog, rows), tables, columns


def binlog_position(server):
    """Return the GTID position of the binary log in the snapshot that ``server`` is in."""
    file, offset = meeting.coordinates(server)
    return (server.value("SELECT BINLOG_GTID_POS(%s, %s)", (file, offset)) or "") if file else ""


def columns_of(server, database):
    columns = {}
    for one in server.rows(COLUMNS, (database,)):
        columns.setdefault(one["t"], []).append(one["c"])
    return columns


def content(server, database, table, columns):
    row = server.rows(federated.checksum_sql(database, table, columns))[0]
    return {"rows": int(row["n"]), "checksum": f"{row['x']}-{row['s']}", "columns": sorted(columns)}
