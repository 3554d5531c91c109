# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather the evidence for repair verbs; ``servers`` (adapters/mariadb.py) is given as an object. Reads only; repair_findings and repair judge."""
from __future__ import annotations

import contextlib

from . import contents, federated, federated_run, gtid, replication
from .errors import CoreError
from .repair import Facts, Request, Side, is_federation, named_in, parse_key, tables_of, where_sql
from .repair_findings import findings

LOOK = ("SELECT @@GLOBAL.server_id AS server_id, @@GLOBAL.gtid_domain_id AS domain, " + replication.READ_ONLY + ", @@GLOBAL.gtid_slave_pos AS slave_pos, "
        "@@GLOBAL.gtid_binlog_pos AS binlog_pos, @@GLOBAL.gtid_current_pos AS current_pos, @@GLOBAL.gtid_binlog_state AS binlog_state, "
        "@@GLOBAL.log_slave_updates AS passes_on")
UNIQUE = "SELECT COLUMN_NAME AS c FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND INDEX_NAME = %s ORDER BY SEQ_IN_INDEX"
ROUNDS, PAUSE_S = 10, 0.3


def side(server):
    """Return what one server says of itself; a server that does not answer is an answer, too."""
    try:
        row = server.rows(LOOK)[0]
    except CoreError as error:
        return Side(server.where, error=error.why or str(error))
    known = {"rows": None, "replicas": None}
    with contextlib.suppress(CoreError):
        known["rows"] = tuple(server.slaves())
    with contextlib.suppress(CoreError):
        known["replicas"] = tuple(int(one["Server_id"]) for one in server.rows("SHOW SLAVE HOSTS"))
    return Side(server.where, server_id=int(row["server_id"]), domain=int(row["domain"]), read_only=bool(int(row["read_only"])),
                passes_on=bool(int(row["passes_on"])), **known,
                **{name: row[name] or "" for name in ("slave_pos", "binlog_pos", "current_pos", "binlog_state")})


class Look:
    """The evidence about one server, each part read when it is first needed."""

    def __init__(self, servers, database, clock_server):
        self.servers, self.database, self.server = servers, database, clock_server
        self.here = side(clock_server)
        if self.here.error:
            clock_server.rows(LOOK)      # raises what is wrong
        self._sides = {}

    def source(self, name):
        row = replication.by_name(self.here.rows).get(name)
        if row is None:
            return None
        if name not in self._sides:
            with contextlib.closing(self.servers.at(row["Master_Host"], int(row["Master_Port"]))) as server:
                self._sides[name] = side(server)
        return self._sides[name]

    def peers(self):
        """Return the zone's other nodes, by the sources that have no filter."""
        return {row["Connection_name"]: self.source(row["Connection_name"]) for row in self.here.rows if not is_federation(row)}

    def facts(self, request):
        """Return the Facts for one request, or, with no verb, for the report about one source."""
        row = replication.by_name(self.here.rows).get(request.source)
        if row is None:
            return Facts(self.here)
        source = self.source(request.source)
        target = self.servers.at(request.host, request.port or int(row["Master_Port"])) if request.verb == "repoint" and request.host else None
        known = {"source": source, "peers": self.peers(), "target": side(target) if target else None}
        if source.error or request.verb in ("restart", "repoint", "refilter", "demote"):
            return Facts(self.here, comparison=contents.Comparison(error=source.error), **known)
        culprit, table, key = self._culprit(request, row)
        comparison, row_here, row_there = self.compare(request, row, table, key)
        return Facts(self.here, comparison=comparison, row_here=row_here, row_there=row_there, culprit=culprit, **known)

    def _culprit(self, request, row):
        """Return the key of the row here that a 1062 is about, and the table and key to look at."""
        shown = [replication.status_of(one) for one in self.here.rows]
        if not request.verb:
            shown = [one for one in shown if one["name"] == request.source]
        for one in shown:
            table, index, entry = named_in(one["sql_error"])
            if one["sql_errno"] == 1062 and table and request.table in ("", table):
                key = self._key_of(table, index, entry)
                return key, request.table or table, request.key or key
        return "", request.table, request.key

    def _key_of(self, table, index, entry):
        if index == "PRIMARY":
            columns = self.keys().get(table, [])
            return entry if len(columns) == 1 else ",".join(f"{column}={value}" for column, value in zip(columns, entry.split("-")))
        columns = [one["c"] for one in self.server.rows(UNIQUE, (self.database, table, index))]
        key = self.keys().get(table, [])
        if len(columns) != 1 or not key:
            return ""
        federated.must_be_names(table, columns[0], *key)
        found = self.server.rows(f"SELECT {', '.join(f'`{column}`' for column in key)} FROM `{self.database}`.`{table}` WHERE `{columns[0]}` = %s", (entry,))
        if len(found) != 1:
            return ""
        return str(found[0][key[0]]) if len(key) == 1 else ",".join(f"{column}={found[0][column]}" for column in key)

    def keys(self):
        found = {}
        for one in self.server.rows(contents.KEYS, (self.database,)):
            found.setdefault(one["t"], []).append(one["c"])
        return found

    # --- contents
    def compare(self, request, row, table="", key=""):
        """Compare until it is proven, or what differs cannot be proven: a source that stands still here."""
        for dummy in range(ROUNDS):
            result = self._compare(request, row, table, key)
            comparison = result[0]
            if comparison.equal or comparison.proven or replication.threads_of(row) != ("Yes", "Yes"):
                return result
            self.server.pause(PAUSE_S)
        return result

    def _compare(self, request, row, table, key):
        host, port = row["Master_Host"], int(row["Master_Port"])
        from_binlog = self.servers.at(host, port, self.servers.Snapshot), self.servers.here(self.servers.Snapshot), self.servers.at(
            host, port, self.servers.Snapshot)
        wanted = (request.table,) if request.table else None
        domain = self.source(request.source).domain
        try:
            with from_binlog[0] as first, from_binlog[1] as here, contextlib.ExitStack() as stack:
                read = [self._moment(first, request, wanted, False), self._moment(here, request, wanted, True)]
                second = stack.enter_context(from_binlog[2])
                read.append(self._moment(second, request, wanted, False))
                (before, there), (mine, ours), (after, theirs) = read
                different = []
                for name, why in contents.differing(there, ours, theirs).items():
                    keys = self.keys().get(name)
                    if why or not keys:
                        different.append(contents.Table(name, why=why or "the contents differ; the table has no primary key"))
                    else:
                        rows = self._rows((first, here, second), name, ours[name]["columns"], keys)
                        different += [found] if (found := contents.rows_of(name, *rows)) else []
                comparison = contents.Comparison(tuple(different), contents.proven(before, mine, after, domain), gtid.only(mine, domain),
                                                 gtid.only(after, domain))
                where = where_sql(parse_key(key, self.keys().get(table, []))) if table and key and table in ours and table in theirs else ""
                return (comparison, *(self._row(one, table, where) if where else None for one in (here, second)))
        except CoreError as error:
            return contents.Comparison(error=str(error)), None, None

    def _moment(self, server, request, wanted, applied):
        existing = [one["name"] for one in server.rows(federated_run.TABLES, (self.database,))]
        names = tables_of(self.here.rows, request.source, self.database, existing)
        position, tables, dummy = federated_run.moment(server, self.database, [name for name in names if not wanted or name in wanted], applied=applied)
        return position, tables

    def _rows(self, snapshots, table, columns, key):
        buckets = [{int(one["b"]): one["s"] for one in server.rows(contents.buckets_sql(self.database, table, columns, key))} for server in snapshots]
        first, here, second = buckets
        wrong = sorted(number for number in set(first) | set(here) | set(second) if here.get(number) not in (first.get(number), second.get(number)))
        if not wrong:
            return {}, {}, {}
        sql = contents.rows_sql(self.database, table, columns, key, len(wrong))
        return [{one["k"]: one["h"] for one in server.rows(sql, wrong)} for server in snapshots]

    def _row(self, server, table, where):
        federated.must_be_names(table)
        return next(iter(server.rows(f"SELECT * FROM `{self.database}`.`{table}` WHERE {where}")), None)


def report(servers, database, expected, addresses=None):
    """Return Findings: everything that is wrong towards any source, and everything declared that is not there."""
    look = Look(servers, database, servers.here())
    names = list(dict.fromkeys([row["Connection_name"] for row in look.here.rows] + list(expected or ())))
    arguments = look.server.next_arguments()
    return findings({name: look.facts(Request("", name, database=database)) for name in names}, expected, addresses,
                    None if arguments is None else replication.configured_filters(arguments))
