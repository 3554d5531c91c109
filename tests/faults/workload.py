#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A writer like OpenNebula's daemon, and the record of what it was promised.

A process of its own that shares no code with the collection: it speaks SQL to the server that it is told, one autocommit statement after the
other, and writes down for each whether the server acknowledged it ("ack"), refused it ("no"), or left it open ("?": the connection broke).

  workload.py LEDGER SEED master|slave PER_SECOND        commands on stdin: "go WHERE" (JSON, the arguments of pymysql.connect), "pause" (answered
                                                         "paused" when nothing is in flight), "quit"

master: 40 % INSERT with the next oid, which after each move is read from the new server (so an oid is handed out again if its row was lost);
30 % REPLACE of versioned objects that later go cold; 20 % "gid = gid + 1" (not idempotent); 10 % local vm_pool rows.
slave: local rows of the zone only. All rows have an oid of FIRST or above: in the lab a daemon has its own below.
"""
import json
import random
import socket
import sys
import threading
import time

import pymysql

# The server's answer to a statement that it did not do. Everything else that goes wrong may or may not have happened.
REFUSED = {1290, 1062, 1205, 1213, 1146, 1049, 1045, 1040, 1836}
HOT, ROUND = 12, 150      # so many objects are rewritten for so many operations, then they go cold
FIRST = 1_000_000
COUNTERS = {table: range(FIRST, FIRST + 5) for table in ("group_pool", "marketplace_pool")}
# A node that loses its power says nothing to those that wait for its answer; who lives answers at once, however long a commit waits.
KEEPALIVE = {socket.TCP_KEEPIDLE: 1, socket.TCP_KEEPINTVL: 1, socket.TCP_KEEPCNT: 3, socket.TCP_USER_TIMEOUT: 3000}


def connect(where):
    connection = pymysql.connect(**dict({"database": "opennebula", "autocommit": True, "connect_timeout": 3, "read_timeout": 45}, **where))
    if "host" in where:
        for option, value in KEEPALIVE.items():
            connection._sock.setsockopt(socket.IPPROTO_TCP, option, value)  # pylint: disable=protected-access
    return connection


def body(token):
    """Return an object's body, which a daemon can read."""
    return f"<TOKEN>{token}</TOKEN>"


class Workload:
    def __init__(self, ledger, seed, kind, rate):
        self.ledger, self.random, self.kind, self.pause_s = open(ledger, "a", encoding="utf-8"), random.Random(seed), kind, 1 / rate
        self.changed = threading.Condition()
        self.where, self.wanted, self.quit, self.busy = None, False, False, False
        self.number, self.versions, self.next_oid = 0, {}, {}

    def listen(self):
        for line in sys.stdin:
            word, _, rest = line.strip().partition(" ")
            with self.changed:
                if word == "go":
                    self.where, self.wanted = json.loads(rest), True
                elif word == "pause":
                    self.wanted = False
                    self.changed.notify_all()
                    while self.busy:
                        self.changed.wait()
                    sys.stdout.write(f"paused {self.number}\n")
                    sys.stdout.flush()
                else:
                    break
                self.changed.notify_all()
        with self.changed:
            self.quit = True
            self.changed.notify_all()

    def run(self):
        threading.Thread(target=self.listen, daemon=True).start()
        connection, connected_to, due = None, None, time.monotonic()
        while True:
            with self.changed:
                self.busy = False
                self.changed.notify_all()
                while not self.wanted and not self.quit:
                    self.changed.wait()
                if self.quit:
                    return
                self.busy, where = True, self.where
            try:
                if connection is None or connected_to != where:
                    connection = connect(where)
                    connected_to, self.next_oid = where, {}
                self.operate(connection)
                due = max(due + self.pause_s, time.monotonic() - 0.05)
            except pymysql.err.MySQLError:
                connection, due = None, time.monotonic() + 0.05
            with self.changed:
                self.busy = False
                self.changed.notify_all()
            time.sleep(max(0.0, due - time.monotonic()))

    def operate(self, connection):
        self.number += 1
        dice = self.random.random()
        if self.kind == "slave" or dice >= 0.9:
            self.insert(connection, "vm_pool")
        elif dice < 0.4:
            self.insert(connection, self.random.choice(["user_pool", "user_pool", "marketplaceapp_pool"]))
        elif dice < 0.7:
            oid = FIRST + self.number // ROUND * HOT + self.random.randrange(HOT)
            version = self.versions[oid] = self.versions.get(oid, 0) + 1
            self.do(connection, {"op": "version", "table": "vdc_pool", "oid": oid, "version": version},
                    "REPLACE INTO vdc_pool (oid, name, body, uid) VALUES (%s, %s, %s, %s)",
                    (oid, f"object {oid}", body(f"{oid}.{version} " + "x" * 200), version))
        else:
            table = self.random.choice(sorted(COUNTERS))
            oid = self.random.choice(COUNTERS[table])
            self.do(connection, {"op": "plus", "table": table, "oid": oid}, f"UPDATE {table} SET gid = gid + 1 WHERE oid = %s", (oid,))

    def insert(self, connection, table):
        if table not in self.next_oid:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT GREATEST(COALESCE(MAX(oid), 0) + 1, {FIRST}) FROM {table}")
                self.next_oid[table] = cursor.fetchone()[0]
        oid, token = self.next_oid[table], f"{self.kind} {self.number}"
        self.do(connection, {"op": "insert", "table": table, "oid": oid, "token": token},
                f"INSERT INTO {table} (oid, name, body) VALUES (%s, %s, %s)", (oid, f"{table} {oid}", body(token)))
        self.next_oid[table] = oid + 1

    def do(self, connection, what, sql, values):
        try:
            with connection.cursor() as cursor:
                done = cursor.execute(sql, values)
            self.note(what, "ack" if done else "no")
        except pymysql.err.MySQLError as error:
            self.note(what, "no" if error.args and error.args[0] in REFUSED else "?", str(error))
            raise

    def note(self, what, outcome, error=None):
        self.ledger.write(json.dumps(dict(what, n=self.number, outcome=outcome, at=round(time.time(), 3), **({"error": error} if error else {}))) + "\n")
        self.ledger.flush()


if __name__ == "__main__":
    Workload(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])).run()
