#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the MariaDB part on four real servers of this machine (those of tests/faults).

    tests/benchmarks/mariadb.py [--rows 10 100000]

1. exact verification of 2×2 nodes while writes go on: time, and the longest stall of a write against as long without verification
2. seeding all federated tables against a bare dump | load pipe of the same tables into the same server
3. an idempotent source against one SHOW ALL SLAVES STATUS
4. a slave zone seeded while the master zone takes 500 writes a second: equal afterwards?

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

from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import mariadb  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.module_utils.core import federated  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.modules import federated_tables_info  # noqa: E402

FILL = {
    "acl": "INSERT INTO acl SELECT seq, seq, seq, seq, seq FROM seq_1_to_{rows}",
    "db_versioning": "INSERT INTO db_versioning SELECT seq, '5.0.2', seq, REPEAT('c', 100), 0 FROM seq_1_to_{rows}"}
POOL = "INSERT INTO {table} (oid, name, body, uid, gid) " \
       "SELECT seq + 100, CONCAT('{table} of ', seq), REPEAT(CHAR(65 + seq % 26), 200), 0, 0 FROM seq_1_to_{rows}"


def load():
    return round(os.getloadavg()[0], 1)


def fill(layout, rows):
    """The same rows on every node, at once and not replicated."""
    statements = ["SET sql_log_bin=0"] + [FILL.get(table, POOL).format(table=table, rows=rows) for table in federated.FEDERATED_TABLES]

    def on(node):
        subprocess.run(["mariadb", "--no-defaults", f"--socket={node.socket}", "opennebula", "-e", "; ".join(statements)], check=True)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(on, layout.nodes.values()))


def report(layout, node):
    return dict(federated_tables_info.read({"database": "opennebula", "tables": None}, layout.server(node, mariadb.Snapshot)), node=node.name)


def verification(one):
    """Read all nodes at once, as verify.yml does, round after round until every table is judged; return (seconds, rounds, summary)."""
    begun, rounds, reports = time.monotonic(), 0, []
    while True:
        rounds += 1
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            reports += pool.map(lambda node: report(one.layout, node), one.layout.nodes.values())
        summary = federated.summary(federated.compare(reports))
        if summary != "retry" or rounds == 10:
            return time.monotonic() - begun, rounds, summary


def exact(one, rows, written="vm_pool"):
    """written: the table that gets 50 rows a second meanwhile; one that is not federated, as nearly all of OpenNebula's writes."""
    with seeding.Load(one.layout.nodes["alpha1"], 50, threads=1, table=written) as writing:
        time.sleep(0.5)
        writing.longest_s = 0.0
        seconds, rounds, summary = verification(one)
        stall, writing.longest_s = writing.longest_s, 0.0
        time.sleep(max(1.0, min(seconds, 10)))
        usual = writing.longest_s
    return {"rows a table": rows, "written": written, "s": round(seconds, 2), "rounds": rounds, "verdict": summary, "longest write ms": round(stall * 1000),
            "the same without verification ms": round(usual * 1000), "load": load()}


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


def under_load(rate=500):
    with run.Run("standby", 1, 0, log=open(os.devnull, "w", encoding="utf-8")) as one:
        one.layout.begin(one.cluster)
        done, took = seeding.seed_under_load(one.layout, rate, before_s=2, after_s=2)
        nodes = one.layout.nodes.values()
        servers.until(lambda: one.cluster.attend() or not any(done.missing(node) for node in nodes), 60)
        contents = [oracle.content(node.socket) for node in nodes]
        equal = all(len({found[table]["digest"] for found in contents}) == 1 for table in oracle.FEDERATED)
        return {"asked writes/s": rate, "writes/s": round(done.rate), "acked": len(done.acked), "errors": len(done.errors),
                "seeding s": [round(one_took, 2) for one_took in took.values()], "longest write ms": round(done.longest_s * 1000),
                "missing on the worst node": max(len(done.missing(node)) for node in nodes), "equal": equal, "load": load()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10, 100000])
    arguments = parser.parse_args()
    servers.SIZES[0] = "--innodb-buffer-pool-size=512M"
    numbers = {"exact verification": []}
    quiet = open(os.devnull, "w", encoding="utf-8")
    with run.Run("standby", 1, 0, log=quiet) as one:
        one.layout.converge(one.cluster)
        numbers["idempotent source"] = source(one)
        print("idempotent source:", numbers["idempotent source"], flush=True)
    for rows in arguments.rows:
        with run.Run("standby", 1, 0, log=quiet) as one:
            one.layout.converge(one.cluster)
            fill(one.layout, rows)
            for written in ("vm_pool", "vdc_pool") if rows == min(arguments.rows) else ("vm_pool",):
                numbers["exact verification"].append(exact(one, rows, written))
                print("exact verification of 2×2 nodes, 8 tables:", numbers["exact verification"][-1], flush=True)
            if rows == max(arguments.rows):
                numbers["seeding"] = seed(one)
                print("seeding:", numbers["seeding"], flush=True)
    numbers["seeding under writes"] = under_load()
    print("seeding under writes:", numbers["seeding under writes"], flush=True)
    out = ROOT / "build/benchmarks"
    out.mkdir(parents=True, exist_ok=True)
    (out / "mariadb.json").write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
