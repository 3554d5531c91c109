# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oracle: every acknowledged operation of the ledgers against the rows of every node. It uses none of the collection's code.

lost: acknowledged inserts whose row is missing or is another one's; stale: objects older than their last acknowledged version;
missed and doubled: a counter below what was acknowledged, or above everything that was tried; ghosts: rows that nobody was promised
(neither acknowledged nor left open).
"""
import collections
import hashlib
import json
import re

import pymysql

FEDERATED = ("user_pool", "group_pool", "marketplace_pool", "marketplaceapp_pool", "vdc_pool", "zone_pool", "db_versioning", "acl")
FAULTS = ("lost", "stale", "missed", "doubled", "ghosts")
FIRST = 1_000_000      # below are the rows of a daemon, whose ledger nobody keeps


class Ledger:
    """What the writers were promised, so far."""

    def __init__(self, *paths):
        self.streams = [open(path, encoding="utf-8") for path in paths]
        self.inserts, self.open, self.versions, self.tried = {}, set(), {}, {}
        self.acked_plus, self.tried_plus = collections.Counter(), collections.Counter()
        self.outcomes, self.acked_inserts, self.refused = collections.Counter(), 0, 0

    def read(self):
        for stream in self.streams:
            for line in stream:
                self.add(json.loads(line))
        return self

    def add(self, one):
        outcome, key = one["outcome"], (one["table"], one["oid"])
        self.outcomes[outcome] += 1
        if one["op"] == "insert":
            kind = one["token"].split()[0]
            if outcome == "ack":
                self.acked_inserts += 1
                self.inserts[(kind, one["table"], one["token"])] = one["oid"]
            elif outcome == "?":
                self.open.add((kind, one["table"], one["token"]))
        elif one["op"] == "version":
            if outcome != "no":
                self.tried[key] = one["version"]
            if outcome == "ack":
                self.versions[key] = one["version"]
        elif outcome != "no":
            self.tried_plus[key] += 1
            if outcome == "ack":
                self.acked_plus[key] += 1


def content(socket):
    """Return {table: {oid: (body, gid)}, and a digest of all its columns}, or None when nobody answers."""
    try:
        connection = pymysql.connect(unix_socket=socket, user="root", database="opennebula", connect_timeout=3, read_timeout=30)
    except pymysql.err.MySQLError:
        return None
    found = {}
    with connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        for table in FEDERATED + ("vm_pool",):
            try:
                cursor.execute(f"SELECT * FROM {table} ORDER BY oid")
            except pymysql.err.ProgrammingError:      # it is not there
                found[table] = {"rows": {}, "digest": "missing"}
                continue
            names = [column[0] for column in cursor.description]
            body, gid = (names.index(name) if name in names else None for name in ("body", "gid"))
            rows = cursor.fetchall()
            found[table] = {"rows": {row[names.index("oid")]: (bare(row[body]) if body is not None else None, row[gid] if gid is not None else None)
                                     for row in rows if row[names.index("oid")] >= FIRST},
                            "digest": hashlib.sha256(repr(rows).encode()).hexdigest()}
    return found


def bare(text):
    """Return a body without its tags."""
    return text and re.sub("<[^>]*>", "", text)


def judge(ledger, node, kind):
    """Return {fault: [what]} of one node; kind: whose local rows it has ("master" or "slave")."""
    wrong = {fault: [] for fault in FAULTS}
    by_token = {}
    for (owner, table, token), oid in ledger.inserts.items():
        if table == "vm_pool" and owner != kind:
            continue
        by_token[(table, token)] = oid
        have = node[table]["rows"].get(oid)
        if have is None or have[0] != token:
            wrong["lost"].append(f"{table} {oid}: {token!r}, there is {have[0] if have else 'nothing'!r}")
    for table in ("user_pool", "marketplaceapp_pool", "vm_pool"):
        for oid, (token, _) in node[table]["rows"].items():
            if (table, token) not in by_token and (kind, table, token) not in ledger.open and ("master", table, token) not in ledger.open:
                wrong["ghosts"].append(f"{table} {oid}: {token!r}")
    for (table, oid), version in ledger.versions.items():
        have = node[table]["rows"].get(oid)
        seen = int(have[0].split()[0].split(".")[1]) if have else 0
        if seen < version:
            wrong["stale"].append(f"{table} {oid}: version {seen}, acknowledged {version}")
        if seen > ledger.tried[(table, oid)]:
            wrong["ghosts"].append(f"{table} {oid}: version {seen}, tried {ledger.tried[(table, oid)]}")
    for key, tried in ledger.tried_plus.items():
        table, oid = key
        seen, acked = (node[table]["rows"].get(oid) or (None, 0))[1] or 0, ledger.acked_plus[key]
        if seen < acked:
            wrong["missed"] += [f"{table} {oid}: {seen}, acknowledged {acked}"] * (acked - seen)
        if seen > tried:
            wrong["doubled"] += [f"{table} {oid}: {seen}, tried {tried}"] * (seen - tried)
    return wrong


def look(ledger, nodes):
    """Return {"nodes": {name: {fault: [...]} or None}, "equal": bool}; nodes: {name: (socket, kind)}."""
    contents = {name: content(socket) for name, (socket, dummy) in nodes.items()}
    judged = {name: None if contents[name] is None else judge(ledger, contents[name], kind) for name, (dummy, kind) in nodes.items()}
    there = {name: found for name, found in contents.items() if found is not None}
    equal = len(there) == len(nodes)
    for table in FEDERATED:
        equal = equal and len({found[table]["digest"] for found in there.values()}) == 1
    for kind in ("master", "slave"):
        equal = equal and len({found["vm_pool"]["digest"] for name, found in there.items() if nodes[name][1] == kind}) == 1
    return {"nodes": judged, "equal": equal}


def counts(seen):
    """Return {fault: number on the worst node}."""
    return {fault: max([len(wrong[fault]) for wrong in seen["nodes"].values() if wrong] or [0]) for fault in FAULTS}


def right(seen):
    return seen["equal"] and not any(counts(seen).values()) and None not in seen["nodes"].values()
