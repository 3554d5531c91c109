#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of run.py, and those that need a real cluster, on the converged lab: pacemaker, fencing, systemd and the gate do the rest.

    tests/faults/lab.py --seed 1 --faults 12 [--from-fault 5]

The writers work through the zones' addresses. Exit code as run.py's; besides, verify.yml must be green after each fault, nothing may need a
repair, and what a fault expects of its own must hold.
"""
import argparse
import json
import pathlib
import random
import signal
import sys
import tempfile
import time

import run  # makes the collection importable
import cluster as clusters
import lab_faults
import laboratory
import oracle

COLUMNS = ("seed", "#", "fault", "writer silent s", "beta without news s", "fenced", "lost", "stale", "missed", "doubled", "ghosts", "equal", "verify", "gate")


class LabRun(run.Run):
    complete_s, minutes, ask_every, ask = 240, 0, 1, True      # a busy machine takes minutes for what a quiet one does in one

    def __init__(self, seed, count, out, first=1, rates=(60, 15), only=None, log=None):  # pylint: disable=super-init-not-called
        self.out = out
        self.seed, self.first, self.rates, self.kind, self.log, self.keep, self.begun = seed, first, rates, "lab", log, False, time.monotonic()
        self.faults = [lab_faults.NAMES[name] for name in only] if only else lab_faults.sequence(random.Random(f"lab {seed}"), count)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="constellation-lab-faults-"))
        self.result = {"layout": "lab", "seed": seed, "faults": 0, "stops": 0, "repairs": 0, "silent": 0, "unseen": 0, "rounds": [], "looks": 0}
        self.layout = self.cluster = self.writers = None
        self.settled, self.looked, self.watch, self.news = 0.0, [], None, {}

    def set_up(self):
        self.writers = clusters.Writers(self.folder, self.seed, {"alpha": ("master", self.rates[0]), "beta": ("slave", self.rates[1])})
        self.layout = self.cluster = laboratory.Laboratory(self.say, self.writers)
        self.ledger = oracle.Ledger(*self.writers.ledgers.values())
        return self

    def verdict(self, writing=False):
        """What core.verification says on what the database modules read from here; in the rounds that ask it, what verify.yml says."""
        lines = super().verdict(writing)
        if not self.ask or (lines and not writing):
            return lines
        lines = self.cluster.verify()
        return [line for line in lines if not (writing and line.startswith("UNKNOWN") and "federated tables equal" in line)]

    def look(self, broken):
        """Only while somebody is active everywhere: verify.yml takes ten seconds and more, and slows down who takes over."""
        if all(self.cluster.active.values()):
            super().look(broken)
            self.looked.append(broken)

    def settle(self, name, first=False):
        self.settled, self.news = time.time(), self.watch.stop() if self.watch else {}
        good = super().settle(name, first)
        if not good:
            for line in self.cluster.evidence():
                self.say(f"  | {line}")
        return good

    def save(self):
        """What was seen so far outlives an interruption."""
        self.out.write_text(json.dumps(dict(self.result, failed=self.cluster.failed), indent=1), encoding="utf-8")

    def finish(self):
        self.ask = True
        return super().finish()

    def round(self, index, fault):
        self.ask = (index - 1) % self.ask_every == 0
        if self.minutes and time.monotonic() - self.begun > 60 * self.minutes:
            self.say(f"time is up: go on with --from-fault {index}")
            return False
        begun, self.looked, stalls, failures = time.time(), [], len(self.cluster.uncalled), len(self.cluster.failed)
        self.watch = laboratory.Watch([self.cluster.nodes[name] for name in self.cluster.zones["beta"]])
        self.watch.start()
        good = super().round(index, fault)
        one = self.result["rounds"][-1]
        silences = {zone: laboratory.silence(pathlib.Path(path).read_text(encoding="utf-8").splitlines(), begun, self.settled)
                    for zone, path in self.writers.ledgers.items()}
        gates = {name: [line[:400] for line in dict.fromkeys(self.cluster.gate_says(name, begun))] for name in self.cluster.nodes}
        gates = {name: said for name, said in gates.items() if said}
        off = {name: by for name, (by, dummy) in self.cluster.fenced_since(begun).items()}
        one.update({"seed": self.seed, "#": index, "silence": silences, "news": self.news, "fenced": off, "gates": gates, "looks": self.looked,
                    "verify": ("red" if one["red"] else "green") + ("" if self.ask else " (databases)"),
                    "uncalled": self.cluster.uncalled[stalls:], "failed": self.cluster.failed[failures:], "s": round(time.time() - begun)})
        self.say(f"writers silent {silences}, zone beta {self.news}, fenced {off}")
        for name, said in gates.items():
            self.say(f"gate of {name}: {len(said)} different lines, last: {said[-1]}")
        self.save()
        return good


def row(one):
    """Return a line of the table."""
    refused = {name: sum("REFUSED" in line for line in said) for name, said in one["gates"].items()}
    gate = ", ".join(f"{name} {'refused, then ' if count else ''}{'open' if 'open' in one['gates'][name][-1] else 'shut'}" for name, count in refused.items())
    news = max(seconds for seconds, dummy in one["news"].values())
    cells = {"fault": one["fault"], "writer silent s": max(one["silence"].values()), "beta without news s": news, "equal": "yes" if one["equal"] else "NO",
             "fenced": ", ".join(f"{name} by {by}" for name, by in one["fenced"].items()) or "-", "gate": gate or "-"}
    return [str({**one, **one["counts"], **cells}[column]) for column in COLUMNS]


def table(rounds):
    """Return the lines of the table of rounds."""
    return ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)] + ["| " + " | ".join(row(one)) + " |" for one in rounds]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=12)
    parser.add_argument("--from-fault", type=int, default=1, help="leave out those before; the seed's others stay what they are")
    parser.add_argument("--only", nargs="+", choices=sorted(lab_faults.NAMES), help="these faults instead of the seed's")
    parser.add_argument("--rate", type=float, default=60, help="operations a second in the master zone")
    parser.add_argument("--minutes", type=float, default=0, help="begin no fault after so many minutes; the next run goes on with --from-fault")
    parser.add_argument("--verify-every", type=int, default=1, metavar="N", help="ask verify.yml in each Nth round and at the end")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *dummy: sys.exit("ended: cuts are healed, the writers go"))
    out = run.HERE.parents[1] / "build/faults"
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"lab-{'only' if arguments.only else arguments.seed}-{arguments.from_fault}.json"
    with open(file.with_suffix(".log"), "w", encoding="utf-8") as log, \
            LabRun(arguments.seed, arguments.faults, file, arguments.from_fault, (arguments.rate, 15), arguments.only, log) as one:
        one.minutes, one.ask_every, one.ask = arguments.minutes, arguments.verify_every, arguments.verify_every == 1
        result = one.run()
        one.save()
    print("\n".join(table([one for one in result["rounds"] if "#" in one])))
    print(run.table([result]))
    return 0 if run.right(result) and not one.cluster.failed and not result["repairs"] and not result["unseen"] else 1


if __name__ == "__main__":
    sys.exit(main())
