#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the MariaDB part on four real servers of this machine (those of tests/faults).

    tests/benchmarks/mariadb.py [--rows 10 100000]

1. exact verification of 2×2 nodes while writes go on: time, and the longest stall of a write against as long without verification
2. seeding all federated tables against a bare dump | load pipe of the same tables into the same server
3. an idempotent source against one SHOW ALL SLAVES STATUS
4. the writer resource: start and stop of mariadb-writer, idle and with a backlog to apply, against a bare SET GLOBAL read_only
5. a slave zone seeded while the master zone takes 500 writes a second: equal afterwards?

Only ratios of one run mean anything: the machine is shared. Writes build/benchmarks/mariadb.json, too.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/faults"))

import run  # noqa: E402
import oracle  # noqa: E402
import seeding  # noqa: E402
import servers  # noqa: E402
import verdict  # noqa: E402

from ansible_collections.constellation.opennebula.plugins.module_utils.core import federated  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.modules import federated_tables_info  # noqa: E402

FILL = {
    "acl": "INSERT INTO acl SELECT seq, seq, seq, seq, seq FROM seq_1_to_{rows}",
    "db_versioning": "INSERT INTO db_versioning SELECT seq, '5.0.2', seq, REPEAT('c', 100), 0 FROM seq_1_to_{rows}"}
POOL = "INSERT INTO {table} (oid, name, body, uid, gid) " \
       "SELECT seq + 100, CONCAT('{table} of ', seq), REPEAT(CHAR(65 + seq % 26), 200), 0, 0 FROM seq_1_to_{rows}"

PARTS = ["source", "writer", "exact", "seed", "under-load"]
WRITTEN = [("vm_pool", 50), ("vdc_pool", 50), ("vdc_pool", 500)]


def load():
    return round(os.getloadavg()[0], 1)


def fill(layout, rows):
    """The same rows on every node, at once and not replicated."""
    statements = ["SET sql_log_bin=0"] + [FILL.get(table, POOL).format(table=table, rows=rows) for table in federated.FEDERATED_TABLES]

    def on(node):
        subprocess.run(["mariadb", "--no-defaults", f"--socket={node.socket}", "opennebula", "-e", "; ".join(statements)], check=True)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(on, layout.nodes.values()))


def verification(one):
    """All nodes compare at once, as in verify.yml; return (seconds, rounds, verdict), the verdict "equal", "different" or "unknown"."""
    begun, rounds = time.monotonic(), 0
    while True:
        rounds += 1
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            found = [report["comparison"]["equal"] for report in pool.map(lambda node: compare(one.layout, node), one.layout.nodes.values())]
        verdict_now = "different" if False in found else "unknown" if None in found else "equal"
        if verdict_now != "unknown" or rounds == 10:
            return time.monotonic() - begun, rounds, verdict_now


def compare(layout, node):
    return federated_tables_info.read(dict(verdict.comparing(layout, node), wait_timeout_s=30), layout.servers(node))


def exact(one, rows, rate, written="vm_pool", first=0):
    """written: the table that gets the rows meanwhile; one that is not federated, as nearly all of OpenNebula's writes, or a federated one."""
    with seeding.Load(one.layout.nodes["alpha1"], rate, threads=max(1, rate // 25), table=written, first=first) as writing:
        time.sleep(0.5)
        writing.longest_s = 0.0
        before, begun = len(writing.acked), time.monotonic()
        seconds, rounds, verdict_now = verification(one)
        stall, reached = writing.longest_s, (len(writing.acked) - before) / (time.monotonic() - begun)
        writing.longest_s = 0.0
        time.sleep(max(1.0, min(seconds, 10)))
        usual = writing.longest_s
    return {"rows a table": rows, "written": written, "asked writes/s": rate, "writes/s": round(reached), "s": round(seconds, 2), "rounds": rounds,
            "verdict": verdict_now, "longest write ms": round(stall * 1000), "the same without verification ms": round(usual * 1000), "load": load()}


def seed(one):
    """Seed beta2 again with all its tables, and do the same with nothing but a pipe, in turns."""
    node, master = one.layout.nodes["beta2"], one.layout.nodes["alpha1"]
    ours, bare = [], []
    tables = " ".join(federated.FEDERATED_TABLES)
    for _ in range(2):
        begun = time.monotonic()
        node.rows("CREATE OR REPLACE DATABASE bare")
        subprocess.run(["bash", "-o", "pipefail", "-c",
                        f"mariadb-dump --no-defaults --socket={master.socket} --single-transaction --gtid --master-data=2 opennebula {tables} | "
                        f"mariadb --no-defaults --socket={node.socket} --init-command='SET SESSION sql_log_bin=0' bare"], check=True)
        bare.append(time.monotonic() - begun)
        node.rows("DROP DATABASE bare")
        begun = time.monotonic()
        one.layout.seed(node, force=True)
        ours.append(time.monotonic() - begun)
    size = node.value("SELECT ROUND(SUM(data_length) / 1e6) FROM information_schema.TABLES WHERE table_schema = 'opennebula'")
    one.layout.sources(node)
    return {"MB": int(size), "dump | load s": round(min(bare), 2), "federated_tables force, with backup s": round(min(ours), 2),
            "ratio": round(min(ours) / min(bare), 2), "load": load()}


def source(one):
    node = one.layout.nodes["beta1"]
    one.layout.sources(node)

    def timed(what):
        begun = time.monotonic()
        what()
        return time.monotonic() - begun

    ours, bare = [], []
    for _ in range(100):
        bare.append(timed(lambda: one.layout.server(node).slaves()))
        ours.append(timed(lambda: one.layout.sources(node)))
    ours, bare = statistics.median(ours) * 1000, statistics.median(bare) * 1000
    return {"SHOW ALL SLAVES STATUS ms": round(bare, 2), "replication_source ensure, nothing to do ms": round(ours, 2), "ratio": round(ours / bare, 2),
            "load": load()}


def writer(one):
    """Seconds of the resource's own actions, which pacemaker adds to a failover, and of a bare change of read_only through the same client."""
    node, cluster = one.layout.nodes["alpha1"], one.cluster

    def timed(what):
        begun = time.monotonic()
        what()
        return time.monotonic() - begun

    def bare(value):
        subprocess.run(["mariadb", "--no-defaults", f"--socket={node.socket}", "-e", f"SET GLOBAL read_only={value}"], check=True)

    def backlog(size=2000):
        """The standby has received but not applied: its SQL thread is held while the writer goes on."""
        standby = one.layout.nodes["alpha2"]
        standby.rows("STOP SLAVE 'zone0-master' SQL_THREAD")
        node.rows(f"FOR one IN 1..{size} DO REPLACE INTO vm_pool (oid, name, body) VALUES (one, UUID(), REPEAT('x', 200)); END FOR", "opennebula")
        cluster.demote("alpha1")
        return standby

    result = {"stop s": [], "start, idle s": [], "read_only=1 s": [], "read_only=0 s": []}
    for _ in range(5):
        result["stop s"].append(timed(lambda: cluster.demote("alpha1")))
        result["start, idle s"].append(timed(lambda: cluster.promote("alpha1")))
        result["read_only=1 s"].append(timed(lambda: bare(1)))
        result["read_only=0 s"].append(timed(lambda: bare(0)))
    result = {name: round(statistics.median(seconds), 3) for name, seconds in result.items()}
    standby = backlog()
    # what of it is applying, which nobody can leave out
    standby.rows("START SLAVE 'zone0-master' SQL_THREAD")
    goal = node.value("SELECT @@GLOBAL.gtid_binlog_pos")
    result["applying 2,000 transactions alone s"] = round(timed(lambda: standby.value(f"SELECT MASTER_GTID_WAIT('{goal}', 60)")), 3)
    cluster.promote("alpha1")
    backlog()
    result["start on the standby with 2,000 transactions to apply s"] = round(timed(lambda: cluster.promote("alpha2")), 3)
    return dict(result, load=load())


def under_load(rate=500, threads=20, batch=1):
    with run.Run("standby", 1, 0, log=open(os.devnull, "w", encoding="utf-8")) as one:
        one.layout.begin(one.cluster)
        done, took, meanwhile = seeding.seed_under_load(one.layout, rate, before_s=2, after_s=2, threads=threads, batch=batch)
        nodes = one.layout.nodes.values()
        servers.until(lambda: one.cluster.attend() or not any(done.missing(node) for node in nodes), 60)
        contents = [oracle.content(node.socket) for node in nodes]
        equal = all(len({found[table]["digest"] for found in contents}) == 1 for table in oracle.FEDERATED)
        return {"asked writes/s": rate, "writers": threads, "writes a statement": batch, "writes/s": round(done.rate), "while seeding": round(meanwhile),
                "acked": len(done.acked), "errors": len(done.errors),
                "seeding s": [round(one_took, 2) for one_took in took.values()], "longest statement ms": round(done.longest_s * 1000),
                "missing on the worst node": max(len(done.missing(node)) for node in nodes), "equal": equal, "load": load()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10, 100000])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--threads", type=int, default=20, help="writers of the part under-load")
    parser.add_argument("--batch", type=int, default=1, help="their transactions in one statement")
    arguments = parser.parse_args()
    servers.SIZES[0] = "--innodb-buffer-pool-size=512M"
    servers.SIZES.append("--max-connections=300")
    numbers, quiet = {}, open(os.devnull, "w", encoding="utf-8")

    def show(name, found):
        numbers.setdefault(name, []).append(found)
        print(f"{name}:", found, flush=True)

    for part in ("source", "writer"):
        if part in arguments.only:
            with run.Run("standby", 1, 0, log=quiet) as one:
                one.layout.converge(one.cluster)
                show(part, {"source": source, "writer": writer}[part](one))
    for rows in arguments.rows if {"exact", "seed"} & set(arguments.only) else ():
        with run.Run("standby", 1, 0, log=quiet) as one:
            one.layout.converge(one.cluster)
            fill(one.layout, rows)
            for number, (written, rate) in enumerate(WRITTEN[:2 if rows > 1000 else 3] if "exact" in arguments.only else ()):
                show("exact", exact(one, rows, rate, written, number * 1_000_000))
            if rows == max(arguments.rows) and "seed" in arguments.only:
                show("seed", seed(one))
    if "under-load" in arguments.only:
        show("under-load", under_load(threads=arguments.threads, batch=arguments.batch))
    out = ROOT / "build/benchmarks"
    out.mkdir(parents=True, exist_ok=True)
    (out / "mariadb.json").write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
