#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lose the active front-end in the middle of its work, again and again; measure, and check that nothing else was lost.

A round: machines are caught in mid-transition and users are being made → the active front-end loses power → its peer fences
it, takes the address, starts the daemon → playbooks/recover.yml → checks → power on → playbooks/rejoin.yml → checks.
Exit 1 when any check of any round failed. All times are seconds since the fault, "rejoined" since power came back.
"""
from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import faults                                            # noqa: E402
import nodes                                             # noqa: E402
import workload                                          # noqa: E402
from client import GONE, Refused                         # noqa: E402
from podman import LabError, say                         # noqa: E402
from zone import FEDERATED, Zone                         # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOBODY_THERE = (0, 2002, 2003, 2013)                     # IO errors of a source whose server is down
MEASURES = ("fenced", "address", "daemon", "recovered", "rejoined")


# -- pure --------------------------------------------------------------------------------------------------------------
@dataclass
class Round:
    """What one round measured and found wrong."""

    victim: str
    times: dict = field(default_factory=dict)
    failed: list = field(default_factory=list)


def table(rounds):
    """Return the lines of the table of times: a row a round, then min, median and max.

    >>> table([Round("alpha1", {"fenced": 9.0, "daemon": 9.5})])[1].split()
    ['1', 'alpha1', '9.0', '-', '9.5', '-', '-', 'ok']
    """
    def cells(times):
        return "".join(f"{times[name]:11.1f}" if name in times else f"{'-':>11}" for name in MEASURES)
    lines = [f"{'round':<8}{'lost':<8}{''.join(f'{name:>11}' for name in MEASURES)}  checks"]
    for number, one in enumerate(rounds, 1):
        lines.append(f"{number:<8}{one.victim:<8}{cells(one.times)}  {f'{len(one.failed)} failed' if one.failed else 'ok'}")
    seen = {name: [one.times[name] for one in rounds if name in one.times] for name in MEASURES}
    for label, function in (("min", min), ("median", statistics.median), ("max", max)):
        lines.append(f"{label:<16}{cells({name: function(values) for name, values in seen.items() if values})}")
    return lines


def stuck(machines, states):
    """Return what is wrong with the machines of a round: where each rests against where it may."""
    return [f"VM {vm_id} caught in {kind.name} is {states.get(vm_id, 'gone')}, not {' or '.join(sorted(kind.ends))}"
            for vm_id, kind in sorted(machines.items()) if states.get(vm_id) not in kind.ends]


def twice(rows, machines):
    """Return the machines that ran twice, from the rows of lab_domain: what the hypervisors would have seen."""
    problems = []
    for vm_id, kind in sorted(machines.items()):
        mine = [row for row in rows if int(row["vmid"]) == vm_id]
        if sum(row["state"] == "running" for row in mine) > 1 or any(int(row["collisions"]) for row in mine):
            problems.append(f"VM {vm_id} caught in {kind.name} ran twice: " + ", ".join(
                f"{row['host']} {row['state']} (collisions {row['collisions']})" for row in mine))
    return problems


def missing(acknowledged, users):
    """Return the users that were acknowledged (name -> id) and are not there under their id."""
    return [f"user {name} ({number}) was acknowledged and is {'gone' if name not in users else f'number {users[name]} now'}"
            for name, number in acknowledged.items() if users.get(name) != number]


def broken(node, channels, peer_is_down=False):
    """Return what is wrong with a node's replication. A source whose server is down keeps trying, or the writer agent has parked it."""
    problems = [] if channels else [f"{node} has no replication source"]
    for row in channels:
        away = peer_is_down and int(row["Last_IO_Errno"]) in NOBODY_THERE
        if not (row["Slave_IO_Running"] == "Yes" or away) or row["Slave_SQL_Running"] != "Yes":
            problems.append(f"{node} source {row['Connection_name']}: IO={row['Slave_IO_Running']}({row['Last_IO_Errno']})"
                            f" SQL={row['Slave_SQL_Running']}({row['Last_SQL_Errno']})")
    return problems


# -- a round -----------------------------------------------------------------------------------------------------------
def play(playbook, *arguments):
    """Run a playbook on the lab; its output is shown only when it fails."""
    program = shutil.which("ansible-playbook") or str(ROOT / ".venv/bin/ansible-playbook")
    done = subprocess.run([program, "-i", "inventories/lab", f"playbooks/{playbook}", *arguments], cwd=ROOT, text=True, stdin=subprocess.DEVNULL, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                               "ANSIBLE_FORCE_COLOR": "0"})
    if done.returncode:
        print(done.stdout[-6000:], file=sys.stderr)
    return done.returncode


def settle(look, within_s):
    """Return what is still wrong after at most within_s; an empty list as soon as nothing is."""
    deadline, problems = time.monotonic() + within_s, None
    while problems is None or (problems and time.monotonic() < deadline):
        if problems:
            time.sleep(0.5)
        try:
            problems = look()
        except (*GONE, Refused, LabError) as problem:
            problems = [str(problem)]
    return problems


def ready(zone):
    """Return what stands against a round: a drill on a broken zone measures nothing."""
    everywhere = [problem for name in zone.lab.plan.nodes for problem in broken(name, zone.channels(name))]
    return everywhere + zone.offline()


def fail_over(zone, round_, survivor, within_s=180):
    """Take the power away and note when each part of the survivor answers."""
    began = faults.kill(zone.lab, round_.victim)
    wall = time.time() - (time.monotonic() - began)
    say(f"{round_.victim} lost power")

    def elapsed():
        return time.monotonic() - began

    def fenced():
        when = zone.fenced_at(survivor, round_.victim, wall)
        return when and when - wall
    looks = {"fenced": (fenced, 0.5), "address": (lambda: zone.address_answers_at(survivor) and elapsed(), 0.05),
             "daemon": (lambda: zone.client.answers() and elapsed(), 0.05)}

    def watch(name):
        look, every_s = looks[name]
        while elapsed() < within_s:
            seen = look()
            if seen:
                round_.times[name] = seen
                return
            time.sleep(every_s)
        round_.failed.append(f"{name}: not within {within_s} s")
    watchers = [threading.Thread(target=watch, args=(name,), daemon=True) for name in looks]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join()
    return began, wall


def bmc_asked(zone, survivor, victim, since):
    """Return a problem unless the victim's BMC was asked by the survivor after the fault."""
    log = [json.loads(line) for line in (zone.lab.bmc_state / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    asked = [row for row in log if (row["node"], row["by"]) == (victim, survivor) and datetime.datetime.fromisoformat(row["time"]).timestamp() >= since]
    return [] if asked else [f"the BMC of {victim} was never asked by {survivor}: not fenced, only believed to be"]


def one_round(zone, number, rounds):
    """Run a round; it appends itself to rounds as soon as it has lost somebody's power."""
    label = f"drill-{int(time.time())}-{number}"
    wrong = settle(lambda: ready(zone), 60)
    if wrong:
        raise LabError("not ready for a drill: " + "; ".join(wrong))
    round_ = Round(zone.active())
    survivor = zone.peer(round_.victim)
    before = {f"{label}-before-{count}": None for count in range(3)}
    for name in before:
        before[name] = zone.client.call("one.user.allocate", name, "laboratory", "core")
    machines = workload.catch(zone.client, label)
    maker = workload.UserMaker(zone.client, f"{label}-during")
    maker.start()
    workload.until(lambda: len(maker.acknowledged) >= 5, 30, "users are being made")
    say(f"round {number}: {len(machines)} machines caught in mid-transition on {round_.victim}")

    rounds.append(round_)
    began, wall = fail_over(zone, round_, survivor)
    if "daemon" not in round_.times:
        maker.stop()
        return
    say(f"{survivor} answers after {round_.times['daemon']:.1f} s")
    time.sleep(2)                                        # some users more, made on the survivor
    maker.stop()
    acknowledged = {**before, **maker.acknowledged}
    round_.failed += bmc_asked(zone, survivor, round_.victim, wall)
    round_.failed += [f"making users was refused: {text}" for text in sorted(set(maker.refusals))]
    round_.failed += missing(acknowledged, zone.client.users())
    round_.failed += broken(survivor, zone.channels(survivor), peer_is_down=True)
    if faults.mariadb(zone.lab, survivor, "SELECT @@read_only AS ro")[0]["ro"] != "0":
        round_.failed.append(f"{survivor} is active and its database read-only")

    workload.hurry(zone.client, machines)
    for _attempt in range(3):                            # some verdicts are "wait for monitoring first"
        if play("recover.yml", "-e", "recovery_apply=true"):
            round_.failed.append("playbooks/recover.yml failed")
        wrong = settle(lambda: stuck(machines, zone.client.machines()), 20)
        if not wrong:
            round_.times["recovered"] = time.monotonic() - began
            break
    round_.failed += wrong
    domains = f"SELECT vmid, host, state, collisions FROM opennebula.lab_domain WHERE vmid IN ({', '.join(map(str, machines))})"
    round_.failed += twice(faults.mariadb(zone.lab, survivor, domains), machines)
    say(f"recovered; {len(acknowledged)} users and {len(machines)} machines checked")

    back = time.monotonic()
    faults.power(zone.lab, round_.victim, "on")
    zone.lab.wait_for_ssh(round_.victim)
    if play("rejoin.yml"):
        round_.failed.append("playbooks/rejoin.yml failed")
    wrong = settle(lambda: ready(zone), 60)
    if wrong:
        round_.failed += wrong
    else:
        round_.times["rejoined"] = time.monotonic() - back
    if zone.active() != survivor:
        round_.failed.append(f"the service moved back to {round_.victim} by itself")
    contents = {}

    def differences():
        contents.update({name: zone.federated_contents(name) for name in zone.lab.plan.nodes})
        return [f"{name} differs from {survivor} in {', '.join(table_ for table_ in FEDERATED if tables[table_] != contents[survivor][table_])}"
                for name, tables in contents.items() if tables != contents[survivor]]
    round_.failed += settle(differences, 30)
    workload.sweep(zone.client, machines, [number for name, number in zone.client.users().items() if name.startswith(label)])


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    parser.add_argument("--zone", default="alpha")
    args = parser.parse_args(argv)
    zone = Zone(nodes.Lab(), args.zone)
    rounds = []
    for number in range(1, args.rounds + 1):
        try:
            one_round(zone, number, rounds)
        except LabError as problem:
            if not rounds:
                raise
            rounds[-1].failed.append(f"after round {len(rounds)}: {problem}" if len(rounds) < number else str(problem))
        for problem in rounds[-1].failed:
            say(f"FAILED: {problem}")
        if rounds[-1].failed:                            # what it left behind would fail the next one too, and is worth a look
            break
    print("\n".join(table(rounds)))
    return int(any(one.failed for one in rounds))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as problem:
        sys.exit(f"drill: {problem}")
