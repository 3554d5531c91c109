#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Crash a zone's active front-end and part its front-ends from each other, many times; always one of them must be left, and the right one.

A round: users are being made → the fault → one front-end is fenced → the service is on one front-end, the expected one → the fault is undone and
the fenced front-end powered on; whether it comes in is its gate's business → all are members again. All the while it is looked twice a second who has
the address, the daemon, the writes. `drill.py` asks whether work got lost on the way; this, who survives, and how long that takes.

The lab must be converged with -e database_auto_rejoin=true. Exit 1 when any check of any round failed; the next round is begun all the same, unless
the zone does not recover. Rounds are kept in --out after each; --from goes on where a run ended, --tables prints what files hold.
"""
from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import random
import re
import statistics
import sys
import threading
import time
import xml.etree.ElementTree as ET
from dataclasses import asdict, dataclass, field

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import drill                                             # noqa: E402
import faults                                            # noqa: E402
import nodes                                             # noqa: E402
import watch                                             # noqa: E402
import workload                                          # noqa: E402
from podman import LabError, say                         # noqa: E402
from zone import Zone                                    # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
STAGES = {"lost": "the peer is lost", "asked": "fencing asked for", "off": "held for off", "address": "address answers", "daemon": "daemon answers"}
ADDRESSED = ("address", "daemon")                        # of a crash only: a partition leaves them where they are, or interrupts them
PERSISTS_S = 45                                          # longer than a boot, dc-deadtime and the tries of the gate


# -- pure --------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Fault:
    """What is done to the active front-end or to one of its standbys, and who may be left; `persists`: the fenced one boots into it."""

    name: str
    loser: str                                           # "active" or "standby"
    persists: bool = False


CRASH = Fault("crash", "active")
PAIR = (Fault("apart", "standby"), Fault("one way: active unheard", "standby"), Fault("one way: standby unheard", "standby"),
        Fault("port of the standby dead", "standby"), Fault("port of the active dead", "standby"), Fault("apart, and it stays", "standby", True))
DEALT = {"apart": 8, "one way: active unheard": 3, "one way: standby unheard": 3, "port of the standby dead": 2, "port of the active dead": 2,
         "apart, and it stays": 2}                       # of twenty


def kinds(front_ends, third_vote):
    """Return the partitions of a zone: who loses is a matter of the delay, of the third vote, or of the majority.

    >>> [fault.loser for fault in kinds(2, False) if "port" in fault.name], [fault.loser for fault in kinds(3, False)]
    (['standby', 'standby'], ['standby', 'active'])
    """
    isolated = [Fault("port of the standby dead", "standby"), Fault("port of the active dead", "active")]
    if front_ends > 2:
        return isolated
    return [fault for fault in PAIR if "port" not in fault.name] + isolated if third_vote else list(PAIR)


def deal(seed, crashes, partitions, among):
    """Return the rounds of a seed, mixed: so many crashes, and the partitions by their weights; each in turn when they are too few for that."""
    rng = random.Random(f"drills {seed}")
    weighted = [fault for fault in among for _ in range(DEALT[fault.name])]
    deck = weighted if partitions >= len(weighted) else list(among)
    dealt = []
    while len(dealt) < partitions:
        dealt += rng.sample(deck, len(deck))
    rounds = [CRASH] * crashes + dealt[:partitions]
    rng.shuffle(rounds)
    return rounds


@dataclass
class Round:
    number: int
    fault: str
    active: str
    expected: str                                        # who must be fenced
    survivors: list                                      # who may have the service after it
    survivor: str = ""
    fenced: list = field(default_factory=list)
    times: dict = field(default_factory=dict)
    silence: float = 0.0                                 # longest time without an acknowledged write
    back: float = 0.0                                    # from power on to a whole zone
    looks: int = 0
    load: float = 0.0
    failed: list = field(default_factory=list)


def fencings(lines):
    """Return {(who, by whom, result)} of journals' lines, once each however many nodes tell it.

    >>> fencings(["9.5 a2 pacemaker-fenced[1]: notice: Operation 'reboot' targeting a1 by a2 for pacemaker-controld.7@a2: OK (complete)"])
    {('a1', 'a2', 'OK (complete)')}
    """
    found = (re.search(r"Operation '\w+' targeting (\S+) by (\S+) for \S+: (.*)$", line) for line in lines)
    return {match.groups() for match in found if match}


EVENTS = (("lost", r"\[TOTEM \] A new membership .* Members left"), ("asked", r"Requesting fencing \(\w+\) of node {victim}$"),
          ("delayed", r"Delaying '\w+' action targeting {victim} using \S+ for (\d+)s"),
          ("off", r"Operation '\w+' targeting {victim} by \S+ for \S+: OK"),
          ("writer start", r"Initiating start operation database_writer_start_0"), ("writer", r"Result of start operation for database_writer on \S+: ok"),
          ("daemon start", r"Initiating start operation opennebula_start_0"), ("started", r"Result of start operation for opennebula on \S+: ok"))


def events(lines, victim, begun):
    """Return when (seconds after the fault) each thing happened first that a survivor's journal tells; `delay` is what pacemaker says it waits."""
    found = {}
    for line in lines:
        when = re.match(r"\d+\.\d+", line)
        for name, pattern in EVENTS if when else ():
            match = re.search(pattern.format(victim=re.escape(victim)), line)
            if match and name not in found and float(when.group()) >= begun:
                found[name] = round(float(when.group()) - begun, 2)
                if name == "delayed":
                    found["delay"] = float(match.group(1))
    return found


def fencing_problems(found, pressed, round_):
    """Return what is wrong with who fenced whom: by pacemaker's own account, and by the buttons that were pressed (who, by whom)."""
    problems = [f"{who} was fenced by {by} ({result}), and only {round_.expected} should be" for who, by, result in sorted(found) if who != round_.expected]
    problems += [f"{by} could not fence {who}: {result}" for who, by, result in sorted(found) if who == round_.expected and not result.startswith("OK")]
    problems += [f"{by} pressed the button of {who}, and only {round_.expected} should be off" for who, by in sorted(pressed)
                 if who != round_.expected or by == who]
    good = [by for who, by, result in found if who == round_.expected and result.startswith("OK")]
    return problems + ([] if len(good) == 1 else [f"{round_.expected} was fenced {len(good)} times, not once"])


def whole(crm_mon, names):
    """Return what is not as it should be in a zone at rest: members, resources, failures."""
    root = ET.fromstring(crm_mon)
    members = {node.get("name"): node for node in root.iterfind("./nodes/node")}
    problems = [f"{name} is not a member" for name in names if name not in members or members[name].get("online") != "true"
                or "true" in (members[name].get(key) for key in ("pending", "unclean", "standby"))]
    problems += [f"{one.get('id')} does not run" for one in root.iter("resource") if one.get("active") != "true" or one.get("failed") == "true"]
    return problems + [f"{one.get('op_key')} failed on {one.get('node')}" for one in root.iterfind("./failures/failure")]


def _cells(values):
    return f"{statistics.median(values):.1f} | {max(values):.1f}" if values else "- | -"


def tables(results):
    """Return the lines of both tables, of rounds as dictionaries: times of crashes and partitions next to what bounds them; outcome of each kind."""
    rounds = [one for result in results for one in result["rounds"]]
    lines = ["| | crash: median | worst | partition: median | worst | bounded by |", "|---|---|---|---|---|---|"]
    groups = [[one for one in rounds if (one["fault"] == CRASH.name) == crash] for crash in (True, False)]

    def line(label, value, bound):
        seen = [[found for found in map(value, group) if found is not None] for group in groups]
        lines.append(f"| {label} | {_cells(seen[0])} | {_cells(seen[1])} | {bound} |")

    def at(name):
        return lambda one: one["times"].get(name)

    def between(first, then, less=""):
        return lambda one: round(one["times"][then] - one["times"][first] - one["times"].get(less, 0), 2) if {first, then} <= set(one["times"]) else None
    bounds = results[0]["bounds"]
    line("fault → peer lost", at("lost"), f"token {bounds['token'] / 1000:.1f} + consensus {bounds['consensus'] / 1000:.1f} s")
    line("→ fencing asked for", between("lost", "asked"), "the scheduler")
    line("→ delay", at("delay"), f"`priority-fencing-delay` {bounds['delay']}: only who fences the front-end with the service waits")
    line("→ off (fence run)", between("asked", "off", "delay"), "ssh login, `power_wait` 1 s for each press")
    line("→ address answers", between("off", "address"), "IPaddr2")
    line("→ writer", between("writer start", "writer"), "drain, `read_only` off")
    line("→ daemon start asked for", between("writer", "daemon start"), "nothing, but a busy pacemaker does one thing at a time")
    line("→ daemon started", between("daemon start", "started"), "the daemon")
    for name, label in STAGES.items():
        line(f"**fault → {label}**", at(name), "sum of the above" if name != "lost" else "")
    line("longest time without an acknowledged write", lambda one: one["silence"], "")
    line("power on → member, everything runs", lambda one: one["back"] or None, "boot, gate, `dc-deadtime`")
    lines += ["", "| fault | rounds | fenced | right survivor | at two places | another one off | rounds failed | without writes: median | worst |",
              "|" + "---|" * 9]
    for name in dict.fromkeys(one["fault"] for one in rounds):
        mine = [one for one in rounds if one["fault"] == name]
        right = sum(one["survivor"] in one["survivors"] for one in mine)
        twice, other, bad = (sum(any(words in text for text in one["failed"]) for one in mine) for words in (" each ", "and only", ""))
        counts = (len(mine), sum(len(one["fenced"]) for one in mine), right, twice, other, bad)
        lines.append(f"| {name} | {' | '.join(map(str, counts))} | {_cells([one['silence'] for one in mine])} |")
    loads = [one["load"] for one in rounds]
    return lines + ["", f"{len(rounds)} rounds, {sum(one['looks'] for one in rounds)} looks, {sum(bool(one['failed']) for one in rounds)} rounds failed;"
                    f" load average {min(loads):.0f} to {max(loads):.0f}, median {statistics.median(loads):.0f}, on {results[0]['cpus']} cores"]


# -- the lab -----------------------------------------------------------------------------------------------------------
def crm_mon(zone, name):
    return zone.lab.inside(name, "crm_mon", "--one-shot", "--inactive", "--output-as=xml", check=False).stdout


def ready(zone):
    """Return what stands against a round."""
    active = zone.active()
    problems = whole(crm_mon(zone, active), zone.nodes)
    problems += [problem for name in zone.nodes for problem in drill.broken(name, zone.channels(name))]
    if faults.mariadb(zone.lab, active, "SHOW STATUS LIKE 'rpl_semi_sync_master_status'")[0]["Value"] != "ON":
        problems.append(f"commits on {active} do not wait for the standby")
    if third_vote(zone):
        flags = zone.lab.inside(active, "corosync-quorumtool", "-s", check=False).stdout
        problems += [] if flags.count("A,V,") == len(zone.nodes) else [f"the quorum device does not vote for all:\n{flags}"]
    return problems


def third_vote(zone):
    return "Qdevice" in zone.lab.inside(zone.active(), "corosync-quorumtool", "-s", check=False).stdout


def bounds(zone):
    """Return what the configuration says about how long things take, as the running cluster knows it."""
    name = zone.active()
    totem = zone.lab.inside(name, "corosync-cmapctl").stdout
    timers = {key: int(re.search(rf"^runtime.config.totem.{key} .*= (\d+)$", totem, flags=re.M).group(1)) for key in ("token", "consensus")}
    delay = re.search(r'name="priority-fencing-delay" value="(\w+)"', zone.lab.inside(name, "cibadmin", "--query", "--scope", "crm_config").stdout)
    return {**timers, "delay": delay.group(1) if delay else "none"}


def inflict(zone, fault, active, standby):
    """Do it; return when."""
    if fault == CRASH:
        faults.kill(zone.lab, active)
    elif fault.name.startswith("port"):
        faults.cut(zone.lab, active if "active" in fault.name else standby)
    elif fault.name.startswith("one way"):
        faults.cut(zone.lab, *((active, standby) if "active" in fault.name else (standby, active)), one_way=True)
    else:
        faults.cut(zone.lab, active, standby)


def undo(zone):
    for name in zone.nodes:
        faults.heal(zone.lab, name)
        for peer in zone.nodes:
            if peer > name:
                faults.heal(zone.lab, name, peer)


def journal(zone, begun):
    """Return {node: lines of its cluster's journal since the fault}, of those that are up."""
    return {name: zone.lab.inside(name, "journalctl", "--quiet", "--unit=pacemaker", "--unit=corosync", f"--since=@{int(begun)}", "--output=short-unix",
                                  check=False).stdout.splitlines() for name in zone.nodes if zone.lab.states().get(zone.lab.node(name).container) == "running"}


def pressed(zone, begun):
    """Return {(who, by whom)} of the zone's power buttons that were pressed since."""
    rows = [json.loads(row) for row in (zone.lab.bmc_state / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return {(row["node"], row["by"]) for row in rows if row["node"] in zone.nodes and row.get("verb") in ("off", "reset")
            and row["command"] != "done" and datetime.datetime.fromisoformat(row["time"]).timestamp() >= begun}


def follow(zone, round_, begun, within_s=180):
    """Wait until the fault has had its effect: somebody is off, and the zone is served by who is left."""
    seen, ended = {}, threading.Event()

    def first(name, look, every_s=0.05):
        while name not in seen and not ended.wait(every_s):
            if look():
                seen[name] = time.time() - begun
    looks = {"daemon": zone.client.answers, "address": lambda: any(zone.address_answers_at(name) for name in round_.survivors)}
    if round_.fault == CRASH.name:
        for name, look in looks.items():
            threading.Thread(target=first, args=(name, look), daemon=True).start()
    done = {}
    while time.time() - begun < within_s:
        lines = journal(zone, begun)
        done = {who for who, _by, result in fencings(sum(lines.values(), [])) if result.startswith("OK")}
        if done and (round_.fault != CRASH.name or len(seen) == len(looks)) and not serving(zone):
            break
        time.sleep(1)
    else:
        round_.failed.append(f"not over within {within_s} s: fenced {sorted(done) or 'nobody'}, {'; '.join(serving(zone)) or 'served'}")
    ended.set()
    round_.times.update({name: round(when, 2) for name, when in seen.items()})


def serving(zone):
    """Return what is wrong with who serves the zone: one node has the address, runs the daemon, takes writes and alone answers, and the daemon does."""
    look = watch.Watch(zone).look()
    places = {*look.seen.values(), look.answers}
    if len(places) != 1 or len(look.answers) != 1:
        return ["; ".join(f"{what}: {', '.join(names) or 'nobody'}" for what, names in [*look.seen.items(), ("answers", look.answers)])]
    return [] if zone.client.answers(2.0) else ["the daemon does not answer"]


def stays_away(zone, round_, begun):
    """Boot the fenced one into the partition that is still there: it must not come in, and must not fence who serves."""
    faults.power(zone.lab, round_.expected, "on")
    time.sleep(PERSISTS_S)
    problems = serving(zone)
    if not zone.lab.states().get(zone.lab.node(round_.survivor).container) == "running":
        problems.append(f"{round_.survivor} is off after {round_.expected} booted into the partition")
    inside = crm_mon(zone, round_.survivor)
    if "<nodes>" in inside and f"{round_.expected} is not a member" not in whole(inside, zone.nodes):
        problems.append(f"{round_.expected} is a member, and cut off")
    return problems + fencing_problems(fencings(sum(journal(zone, begun).values(), [])), pressed(zone, begun), round_)


def one_round(zone, number, fault, rng, rounds):
    label = f"drills-{int(time.time())}-{number}"
    wrong = drill.settle(lambda: ready(zone), 300)
    if wrong:
        raise LabError("not ready for a drill: " + "; ".join(wrong))
    active = zone.active()
    standby = rng.choice([name for name in zone.nodes if name != active])
    loser = active if fault.loser == "active" else standby
    left = [name for name in zone.nodes if name != loser] if fault.loser == "active" else [active]
    round_ = Round(number, fault.name, active, loser, left, load=os.getloadavg()[0])
    maker, watcher = workload.UserMaker(zone.client, label), watch.Watch(zone)
    maker.start()
    watcher.start()
    workload.until(lambda: len(maker.acknowledged) >= 5, 30, "users are being made")
    say(f"round {number}: {fault.name}; {active} is active, {loser} should be fenced")
    rounds.append(round_)
    begun = time.time()
    try:
        inflict(zone, fault, active, standby)
        follow(zone, round_, begun)
        time.sleep(2)                                    # some users more
        maker.stop()
        round_.silence = round(watch.silence(maker.moments, begun, time.time()), 2)
        wrong = drill.settle(lambda: serving(zone), 20)
        round_.failed += wrong
        round_.survivor = "" if wrong else zone.active()
        if round_.survivor not in left:
            round_.failed.append(f"{round_.survivor or 'nobody'} survived, not {' or '.join(left)}")
        lines = journal(zone, begun)
        round_.times.update({key: value for key, value in events(lines.get(round_.survivor, []), loser, begun).items() if key not in ADDRESSED})
        round_.failed += fencing_problems(fencings(sum(lines.values(), [])), pressed(zone, begun), round_)
        if zone.lab.states().get(zone.lab.node(loser).container) == "running":
            round_.failed.append(f"{loser} is still on")
        elif fault.persists and round_.survivor:
            round_.failed += stays_away(zone, round_, begun)
        round_.failed += [f"making users was refused: {text}" for text in sorted(set(maker.refusals))]
        users = zone.client.users()
        round_.failed += drill.missing(maker.acknowledged, users)
    finally:
        maker.stop()
        undo(zone)
    round_.fenced = sorted({who for who, _by, result in fencings(sum(lines.values(), [])) if result.startswith("OK")})
    on = time.time()
    for name in zone.nodes:
        faults.power(zone.lab, name, "on")
    round_.failed += drill.settle(lambda: ready(zone), 300)
    round_.back = round(time.time() - on, 1)
    if round_.survivor and round_.survivor != zone.active():
        round_.failed.append(f"the service moved from {round_.survivor} to {zone.active()} when {loser} came back")
    round_.failed += fencing_problems(fencings(sum(journal(zone, begun).values(), [])), pressed(zone, begun), round_)
    looks = watcher.stop()
    round_.looks = len(looks)
    round_.failed = list(dict.fromkeys(round_.failed + watch.twice(looks, begun)))
    workload.sweep(zone.client, [], [identity for name, identity in zone.client.users().items() if name.startswith(label)])
    times = ", ".join(f"{name} {round_.times[name]}" for name in STAGES if name in round_.times)
    say(f"  {round_.survivor} survived, {', '.join(round_.fenced)} fenced; {times}; no writes for {round_.silence} s;"
        f" whole {round_.back} s after power on; load {round_.load:.0f}")


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crashes", type=int, default=20)
    parser.add_argument("--partitions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--from", type=int, default=1, dest="first", metavar="N", help="leave out the rounds before; the seed's others stay what they are")
    parser.add_argument("--zone", default="alpha")
    parser.add_argument("--out", type=pathlib.Path, help="default build/drills/<zone>-<shape>-<seed>-<from>.json")
    parser.add_argument("--tables", nargs="+", type=pathlib.Path, metavar="FILE", help="only print the tables of these")
    args = parser.parse_args(argv)
    if args.tables:
        print("\n".join(tables([json.loads(path.read_text(encoding="utf-8")) for path in args.tables])))
        return 0
    zone = Zone(nodes.Lab(), args.zone)
    shape = f"{len(zone.nodes)}{'q' if third_vote(zone) else ''}"
    out = args.out or ROOT / f"build/drills/{args.zone}-{shape}-{args.seed}-{args.first}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    undo(zone)
    rounds, result = [], {"shape": shape, "seed": args.seed, "cpus": os.cpu_count(), "bounds": bounds(zone)}
    for number, fault in enumerate(deal(args.seed, args.crashes, args.partitions, kinds(len(zone.nodes), third_vote(zone))), 1):
        rng = random.Random(f"round {args.seed} {number}")
        if number < args.first:
            continue
        before = len(rounds)
        try:
            one_round(zone, number, fault, rng, rounds)
        except LabError as problem:
            if len(rounds) == before:
                say(f"FAILED: {problem}")
                break
            rounds[-1].failed.append(str(problem))
        for problem in rounds[-1].failed:
            say(f"FAILED: {problem}")
        out.write_text(json.dumps({**result, "rounds": [asdict(one) for one in rounds]}, indent=1), encoding="utf-8")
    if rounds:
        print("\n".join(tables([{**result, "rounds": [asdict(one) for one in rounds]}])))
    return int(not rounds or any(one.failed for one in rounds))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as problem:
        sys.exit(f"drills: {problem}")
