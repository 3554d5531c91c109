# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A slave zone seeded while the master zone is written to, and what that costs the writers."""
import threading
import time

import pymysql


class Load:
    """Threads that insert rows of their own, ``rate`` a second together; every acknowledged one is on record, and the longest a write took.

    batch: transactions that the server makes of one statement, each with its own commit; where the client cannot ask often enough.
    """

    def __init__(self, node, rate, threads=20, table="user_pool", first=0, batch=1):
        self.node, self.pause_s, self.table, self.first, self.batch = node, threads * batch / rate, table, first, batch
        self.stop, self.acked, self.errors, self.longest_s, self.begun, self.seconds = threading.Event(), {}, [], 0.0, time.monotonic(), 0.0
        self.threads = [threading.Thread(target=self.work, args=(number,), daemon=True) for number in range(threads)]

    def work(self, number):
        try:
            with pymysql.connect(unix_socket=self.node.socket, user="oneadmin", password="CANARY-oneadmin", database="opennebula",
                                 autocommit=True) as connection, connection.cursor() as cursor:
                oid, due = 10_000_000 * (number + 1) + self.first, time.monotonic()
                while not self.stop.is_set():
                    begun = time.monotonic()
                    cursor.execute(f"FOR one IN {oid}..{oid + self.batch - 1} DO INSERT INTO {self.table} (oid, name, body) "
                                   "VALUES (one, CONCAT('load ', one), CONCAT('token ', one)); END FOR")
                    self.longest_s = max(self.longest_s, time.monotonic() - begun)
                    self.acked.update((one, f"token {one}") for one in range(oid, oid + self.batch))
                    oid, due = oid + self.batch, due + self.pause_s
                    time.sleep(max(0.0, due - time.monotonic()))
        except pymysql.err.MySQLError as error:
            self.errors.append(str(error))

    def __enter__(self):
        self.begun = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *dummy):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
        self.seconds = time.monotonic() - self.begun

    @property
    def rate(self):
        return len(self.acked) / self.seconds

    def missing(self, node):
        """Return the acknowledged rows that a node does not have."""
        have = {row["oid"]: row["body"] for row in node.rows(f"SELECT oid, body FROM {self.table} WHERE oid >= 10000000", "opennebula")}
        return [oid for oid, body in self.acked.items() if have.get(oid) != body]


def seed_under_load(layout, rate, before_s=1.0, after_s=1.0, nodes=("beta1", "beta2"), **more):
    """Seed the slave zone's nodes, start their channels, all under load; return (load, seconds of each seeding, writes a second during them)."""
    took = {}
    with Load(layout.nodes["alpha1"], rate, **more) as load:
        time.sleep(before_s)
        before, started = len(load.acked), time.monotonic()
        for name in nodes:
            begun = time.monotonic()
            layout.seed(layout.nodes[name])
            took[name] = time.monotonic() - begun
        meanwhile = (len(load.acked) - before) / (time.monotonic() - started)
        for name in nodes:
            layout.sources(layout.nodes[name])
        time.sleep(after_s)
    return load, took, meanwhile
