#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random faults on a federation of real MariaDB servers, and an oracle that compares every acknowledged write with every node.

    tests/faults/run.py --seed 1 --faults 25 --layout standby|guide

Two zones of two (or --nodes) bare mariadbd servers on this machine, nothing else. The same seed gives the same faults in both layouts. Exit code 0 when
nothing acknowledged was lost, stale or doubled, the nodes are equal and our verification was never green on what the oracle saw broken.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import conftest  # noqa: E402,F401  pylint: disable=unused-import  (makes the collection importable from the checkout)
import cluster as clusters  # noqa: E402
import faults  # noqa: E402
import layouts  # noqa: E402
import oracle  # noqa: E402
import verdict  # noqa: E402
from servers import PASSWORD  # noqa: E402

SETTLE_S = {"standby": 25, "guide": 8, "lab": 150}      # what guide does not heal in a few seconds it does not heal
COLUMNS = ("layout", "nodes", "seed", "faults", "ops", "acked inserts", "lost", "stale", "missed", "doubled", "ghosts", "equal", "stops", "repairs",
           "silent", "unseen", "s")


class Run:
    complete_s, first = 60, 1

    def __init__(self, layout, seed, count, rates=(170, 25), only=None, log=None, keep=False, nodes=(2, 2)):
        self.seed, self.log, self.keep, self.begun, self.shape = seed, log, keep, time.monotonic(), nodes
        source = random.Random(f"faults {seed}")
        self.faults = [faults.NAMES[name] for name in only] if only else faults.sequence(source, count, nodes[0] > 2)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="constellation-faults-"))
        self.folder.chmod(0o755)      # mariadbd runs as user mysql
        self.result = {"layout": layout, "nodes": f"{nodes[0]}+{nodes[1]}", "seed": seed, "faults": 0, "stops": 0, "repairs": 0, "silent": 0, "unseen": 0,
                       "rounds": [], "looks": 0}
        self.layout = self.cluster = self.writers = self.damage = None
        self.rates, self.kind = rates, layout
        if layout == "guide":      # where most crashes need an operator before the gate opens
            self.complete_s = 15

    def say(self, line):
        print(f"{time.monotonic() - self.begun:7.1f}  {line}", file=self.log or sys.stdout, flush=True)

    def __enter__(self):
        try:
            return self.set_up()
        except BaseException:
            self.__exit__(True)
            raise

    def set_up(self):
        self.layout = layouts.LAYOUTS[self.kind](self.folder, nodes=self.shape)
        self.writers = clusters.Writers(self.folder, self.seed, {"alpha": ("master", self.rates[0]), "beta": ("slave", self.rates[1])},
                                        user="oneadmin", password=PASSWORD["opennebula_db_password"])
        self.cluster = clusters.Cluster(self.layout, self.say, self.writers, self.seed)
        self.ledger = oracle.Ledger(*self.writers.ledgers.values())
        return self

    def __exit__(self, *failure):
        for part in (self.cluster, self.writers, self.layout):
            if part is not None:
                part.close()
        if self.keep or failure[0]:
            self.say(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder)

    def run(self):
        self.layout.converge(self.cluster)
        self.say("converged")
        self.writers.start()
        self.settle("nothing", first=True)
        for index, fault in enumerate(self.faults, 1):
            if index >= self.first and not self.round(index, fault) and self.kind != "guide":
                break
        return self.finish()

    def round(self, index, fault):
        """One fault and what follows; return whether all is well again."""
        self.cluster.wait(1.0)
        self.say(f"--- {index}/{len(self.faults)} {fault.__name__}; writers: {self.cluster.active}")
        fault(self.cluster, random.Random(f"{self.seed} {index}"), self.look)
        self.result["faults"] += 1
        if not self.cluster.wait_until(self.cluster.complete, self.complete_s):
            self.say(f"NOT COMPLETE: members {self.cluster.members}, writers {self.cluster.active}")
            self.result["stops"] += 1
        return self.settle(fault.__name__)

    def look(self, broken):
        """Something is broken now: our verification must not be green."""
        self.result["looks"] += 1
        red = self.verdict(writing=True)
        if not red:
            self.result["unseen"] += 1
        self.say(f"{broken}: {len(red)} not green" + (f", such as {red[0]}" if red else "  <== UNSEEN"))

    def verdict(self, writing=False):
        return verdict.bad(self.layout, self.cluster, writing)

    def settle(self, name, first=False):
        """Writers pause; wait until all is right, else repair; compare the oracle's truth with the verdict; return whether to go on."""
        self.cluster.wait(0.5)
        self.writers.pause()
        seen, red = self.compare(SETTLE_S[self.kind])
        ok = oracle.right(seen)
        repaired = []
        if red or not ok:
            self.result["stops"] += bool(red)
            for line in red:
                self.say(f"RED {line}")
            if not red:
                self.silent()
            for node in self.layout.nodes.values():
                what = self.try_repair(node)
                if what != "nothing to do":
                    repaired.append(f"{node.name}: {what}")
            self.result["repairs"] += len(repaired)
            self.say(f"repaired: {repaired}")
            self.cluster.wait_until(self.cluster.complete, type(self).complete_s)      # as an operator would: the next fault is another one's night
            seen, red = self.compare(SETTLE_S[self.kind])
            ok = oracle.right(seen)
            for line in red:
                self.say(f"STILL RED {line}")
            if not red and not ok:
                self.silent()
        counts = oracle.counts(seen)
        self.result["rounds"].append({"fault": name, "counts": counts, "equal": seen["equal"], "red": red[:5], "repaired": repaired})
        self.say(f"{'ok' if ok and not red else 'BROKEN'} {dict(self.ledger.outcomes)} {counts if not ok else ''}")
        if not ok:
            self.show(seen)
        if ok and not red or self.kind == "guide":
            self.writers.start()
            return True
        return False

    def try_repair(self, node):
        try:
            return self.layout.repair(node)
        except Exception as error:  # whatever a repair says, the next comparison decides
            return f"repair failed: {error}"

    def compare(self, within_s):
        """Return what the oracle sees and what verification says once both are content, or at the end of the time."""
        deadline = time.monotonic() + within_s
        while True:
            self.cluster.attend()
            seen = self.truth()
            red = self.verdict()
            if oracle.right(seen) and not red or time.monotonic() >= deadline:
                return seen, red
            time.sleep(0.6)

    def truth(self):
        return oracle.look(self.ledger.read(), {name: (node.socket, node.kind) for name, node in self.layout.nodes.items()})

    def silent(self):
        """Verification was green after the oracle had looked: count what the oracle still sees, each damage once."""
        seen = self.truth()
        damage = (oracle.counts(seen), seen["equal"])
        if not oracle.right(seen) and damage != self.damage:
            self.damage = damage
            self.result["silent"] += 1
            self.say(f"SILENT: the oracle sees {damage[0]}, equal {damage[1]}, and verification is green")

    def show(self, seen):
        for name, wrong in seen["nodes"].items():
            for fault, items in (wrong or {"does not answer": [""]}).items():
                if items:
                    self.say(f"  {name}: {fault} {len(items)}: {items[:4]}")

    def finish(self):
        self.writers.pause()
        seen, red = self.compare(SETTLE_S[self.kind])
        active = self.cluster.active["alpha"]
        self.result.update(oracle.counts(seen), equal=seen["equal"], red=red[:10], ops=sum(self.ledger.outcomes.values()),
                           acked=self.ledger.outcomes["ack"], open=self.ledger.outcomes["?"], s=round(time.monotonic() - self.begun),
                           load=round(os.getloadavg()[0], 1), gates_refused=len(self.cluster.refusals),
                           on_active={fault: len(items) for fault, items in (seen["nodes"].get(active) or {}).items()})
        self.result["acked inserts"] = self.ledger.acked_inserts
        return self.result


def right(result):
    return not any(result[fault] for fault in oracle.FAULTS) and result["equal"] and not result["silent"] and not result["red"]


def table(results):
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    return "\n".join(lines + ["| " + " | ".join(str(result.get(column, "")) for column in COLUMNS) + " |" for result in results])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--faults", type=int, default=25)
    parser.add_argument("--layout", choices=sorted(layouts.LAYOUTS), nargs="+", default=["standby"])
    parser.add_argument("--only", nargs="+", choices=sorted(faults.NAMES), help="these faults instead of the seed's")
    parser.add_argument("--nodes", type=int, nargs="+", default=[2], help="front-ends of the master zone, and of the slave zone (2)")
    parser.add_argument("--rate", type=float, default=170, help="operations a second in the master zone")
    parser.add_argument("--keep", action="store_true", help="keep the servers' folder")
    arguments = parser.parse_args()
    if not shutil.which("mariadbd"):
        parser.error("mariadbd is not installed")
    signal.signal(signal.SIGTERM, lambda *dummy: sys.exit("ended: the servers go"))
    out = HERE.parents[1] / "build/faults"
    out.mkdir(parents=True, exist_ok=True)
    results = []
    for layout in arguments.layout:
        for seed in arguments.seed:
            nodes = (*arguments.nodes, 2)[:2]
            name = f"{layout}-{seed}" if nodes == (2, 2) else f"{layout}-{nodes[0]}+{nodes[1]}-{seed}"
            with open(out / f"{name}.log", "w", encoding="utf-8") as log, \
                    Run(layout, seed, arguments.faults, (arguments.rate, 25), arguments.only, log, arguments.keep, nodes) as run:
                results.append(run.run())
            (out / f"{name}.json").write_text(json.dumps(results[-1], indent=1))
            print(table(results[-1:]) if len(results) == 1 else table(results[-1:]).splitlines()[-1], flush=True)
    return 0 if all(right(result) for result in results if result["layout"] != "guide") else 1


if __name__ == "__main__":
    sys.exit(main())
