#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stuck VMs with real evidence: caught in mid-transition when the active front-end loses power, with real domains, files and processes on KVM hosts.

    LAB_ZONES=alpha:2 LAB_HYPERVISORS=3 tests/scenarios/evidence.py [CASE …]

For each VM: playbooks/recover.yml says the right verdict in the right words, --check predicts exactly what the run does, the run leads where an administrator
who looked at the hosts would, and a second one does nothing. Then what kept VMs from being recovered is mended, and a last run brings those to their end.
The stand-in daemon drives no hypervisor: its rows of simulated domains (lab_domain) are made to say what the hosts show.
"""
import argparse
import os
import sys
import time
from xml.etree import ElementTree

import evidence_cases as cases
import stage

os.environ.setdefault("LAB_ZONES", "alpha:2")
os.environ.setdefault("LAB_HYPERVISORS", "3")
sys.path.insert(0, str(stage.ROOT / "molecule/lab"))

import drill            # noqa: E402
import faults           # noqa: E402
import nodes            # noqa: E402
import workload         # noqa: E402
import zone as zones    # noqa: E402

stage.INVENTORY = "inventories/lab-hypervisors"
PLAN_TASK, APPLY_TASK = "Look for stuck VMs", "Recover the stuck VMs"
LOST = "kvm3"                                           # the hypervisor that dies with the front-end
WAIT_S = 50


class Stuck:
    """The VMs of the cases: VM id → case."""

    def __init__(self, zone, wanted):
        self.zone, self.lab, self.client = zone, zone.lab, zone.client
        self.cases = {}
        self.wanted = wanted

    def catch(self):
        """Bring a VM of each case into its transition."""
        for name in self.lab.plan.hypervisors:
            if name not in self.client.hosts():
                self.client.call("one.host.allocate", name, "kvm", "kvm", -1)
        self.answers(LOST, True)                                               # lost in an earlier run
        workload.until(lambda: all(self.client.hosts()[name][1] == workload.MONITORED for name in self.lab.plan.hypervisors), 90, "hypervisors monitored")
        hosts = {name: number for name, (number, _state) in self.client.hosts().items()}
        self.remove({case.name for case in cases.CASES})                       # of an earlier run
        self.cases = {self.client.call("one.vm.allocate", cases.template(case), True): case for case in self.wanted}
        for vm_id, case in self.cases.items():
            self.client.call("one.vm.deploy", vm_id, hosts[case.on])
        steps = {vm_id: list(case.life) for vm_id, case in self.cases.items()}
        deadline = time.monotonic() + 180
        while any(steps.values()):                      # each life at its own pace: the next call when the last one came to rest
            if time.monotonic() > deadline:
                raise SystemExit(f"FAILED: not caught: {({self.cases[vm_id].name: left for vm_id, left in steps.items() if left})}")
            states = self.client.machines()
            for vm_id, left in steps.items():
                rests = states[vm_id] in ("RUNNING", "POWEROFF", "SUSPENDED")
                if left and left[0] == cases.act("poweroff") and left[1:]:     # a report from before it may bring the VM back
                    if states[vm_id] == "POWEROFF":
                        self.step(vm_id, left[1], hosts)
                        del left[:2]
                    elif rests:
                        self.step(vm_id, left[0], hosts)
                elif left and (states[vm_id] == self.cases[vm_id].state if left[0][0] == "one.vm.lock" else rests):
                    self.step(vm_id, left.pop(0), hosts)
            time.sleep(0.3)
        workload.until(lambda: not self.astray(), 120, "VMs are in mid-transition")

    def step(self, vm_id, call, hosts):
        name, *arguments = call
        if name == "sql":
            self.lab.inside(self.zone.active(), "mariadb", "--batch", stdin=arguments[0].format(vm=vm_id))
        elif name == "one.vm.action":
            self.client.call(name, arguments[0], vm_id)
        else:
            self.client.call(name, vm_id, *(hosts.get(argument, argument) if isinstance(argument, str) else argument for argument in arguments))

    def astray(self):
        states = self.client.machines()
        return {case.name: states[vm_id] for vm_id, case in self.cases.items() if states[vm_id] != case.state}

    def show(self, survivor):
        """Put domains, files and processes on the hosts, and make the stand-in's rows say the same of the domains."""
        for host in list(self.lab.plan.hypervisors)[:2]:
            text = "".join(f"vm={vm_id}; cd {cases.STORE}\n{case.shows.get(host, '')}\n" for vm_id, case in self.cases.items() if host in case.shows)
            done = self.lab.inside(host, "su", "oneadmin", "-s", "/bin/sh", stdin=cases.TOOLS + cases.CLEAR + text)
            stage.say(f"{host}: {done.stdout.count('created from')} domains, {done.stdout.count('saved to')} saved")
        text = "".join(f"vm={vm_id}; cd {cases.STORE}\n{case.shows['front-end']}\n" for vm_id, case in self.cases.items() if "front-end" in case.shows)
        self.lab.inside(survivor, "sh", stdin=f"mkdir -p {cases.STORE}\n" + cases.TOOLS + text)

    def rows(self, which):
        """Write what the stand-in's monitoring shall see: which(case) → host → state."""
        statements = [f"INSERT INTO opennebula.lab_domain (vmid, host, state) VALUES ({vm_id}, '{host}', '{state}') ON DUPLICATE KEY UPDATE state = '{state}';"
                      for vm_id, case in self.cases.items() for host, state in which(case).items()]
        if statements:
            self.lab.inside(self.zone.active(), "mariadb", "--batch", stdin="\n".join(statements))

    def mend(self):
        """Take away what kept VMs from being recovered."""
        for vm_id, case in self.cases.items():
            if case.mend == "unlock":
                self.client.call("one.vm.unlock", vm_id)
            elif case.mend:
                host, command = case.mend
                self.lab.inside(host, "su", "oneadmin", "-s", "/bin/sh", stdin=f"{cases.TOOLS}vm={vm_id}; cd {cases.STORE}\n{command}\n")
        self.rows(lambda case: case.rows_after)

    def answers(self, host, well):
        """Let the stand-in's monitoring of a host succeed or fail."""
        self.client.call("one.host.update", self.client.hosts()[host][0], f'LAB_STATE="{"" if well else "ERROR"}"', 1)

    def remove(self, names):
        for vm in ElementTree.fromstring(self.client.call("one.vmpool.info", -2, -1, -1, -1)).iter("VM"):
            if vm.findtext("NAME") in names:
                self.client.call("one.vm.recover", int(vm.findtext("ID")), 3)

    def sweep(self):
        for host in list(self.lab.plan.hypervisors)[:2]:
            self.lab.inside(host, "su", "oneadmin", "-s", "/bin/sh", stdin=cases.TOOLS + cases.CLEAR)
        self.remove({case.name for case in self.wanted})


def recover(name, *arguments):
    """Run recover.yml; return (VM id → what was told of it, the changes, the log)."""
    run = stage.play("playbooks/recover.yml", "-e", f"recovery_wait_timeout_s={WAIT_S}", *arguments, name=f"evidence-{name}")
    ended = [event for event in run.results("ok", "failed") if event["task"].split(" : ")[-1] in (PLAN_TASK, APPLY_TASK)]
    if not ended:
        run.must_succeed()
        raise SystemExit(f"FAILED: {name}: neither planned nor applied, see {run.log}")
    return {vm["id"]: vm for vm in ended[-1]["vms"]}, ended[-1]["changes"], run


def pairs(changes):
    return sorted((change["target"], change["before"], change["after"]) for change in changes)


def table(stuck, plan, ends, mended):
    rows = [("VM", "STATE", "EVIDENCE", "VERDICT", "REASON", "END", "MENDED")]
    for vm_id, case in sorted(stuck.cases.items()):
        told = plan.get(vm_id, {"action": "-", "reason": "resolved by monitoring"})
        rows.append((str(vm_id), case.state, case.evidence, told["action"], told["reason"], ends.get(vm_id, "?"), mended.get(vm_id, "") if case.mended else ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(case.name for case in cases.CASES)}; default all")
    parser.add_argument("--keep", action="store_true", help="leave the VMs and what is on the hosts")
    options = parser.parse_args()
    wanted = [case for case in cases.CASES if case.name in options.cases or not options.cases]
    checks = stage.Checks()
    lab = nodes.Lab()
    if any(row[1] != "running" for row in lab.status()):
        stage.lab("up")
    zone = zones.Zone(lab, "alpha")
    if not zone.client.answers(timeout_s=3):
        stage.play("playbooks/site.yml", name="evidence-site").must_succeed()
    elif drill.settle(zone.offline, 30):                # of an earlier run
        stage.play("playbooks/rejoin.yml", name="evidence-rejoin").must_succeed()

    stuck = Stuck(zone, wanted)
    stuck.catch()
    victim = zone.active()
    survivor = zone.peer(victim)
    stuck.show(survivor)
    stuck.rows(lambda case: case.rows)
    checks.that(not stuck.astray() or all(case.loose for case in wanted if case.name in stuck.astray()), f"{len(wanted)} VMs are caught", stuck.astray())
    faults.kill(lab, LOST)
    stuck.answers(LOST, False)
    lost = drill.Round(victim)
    drill.fail_over(zone, lost, survivor)
    checks.that("daemon" in lost.times, f"{victim} lost its power and {survivor} answers", lost.failed)
    workload.hurry(zone.client, [vm_id for vm_id, state in zone.client.machines().items() if vm_id in stuck.cases])
    time.sleep(25)                                      # monitoring and the settling times of the inventory

    plan, _changes, _run = recover("plan")
    for vm_id, case in sorted(stuck.cases.items()):
        told = plan.get(vm_id, {"action": "-", "reason": ""})
        checks.that((told["action"], case.words in told["reason"]) == (case.verdict, True), f"plan {case.name}: {case.verdict}: {case.words}", told)
    predicted, foreseen, _run = recover("check", "-e", "recovery_apply=true", "--check")
    applied, done, run = recover("apply", "-e", "recovery_apply=true")
    checks.that(pairs(foreseen) == pairs(done), f"--check predicted exactly what the run did: {len(done)} VMs", (pairs(foreseen), pairs(done)))
    checks.that({vm_id: vm["action"] for vm_id, vm in predicted.items() if vm["result"] == "predicted"}
                == {vm_id: vm["calls"][0]["operation"] for vm_id, vm in applied.items() if vm["calls"]}, "by the operations that it named")
    ends = drill.settle(lambda: [f"{case.name} is {state}, not {case.ends}" for vm_id, case in stuck.cases.items()
                                 for state in [zone.client.machines()[vm_id]] if state not in case.ends.split()], 30)
    checks.that(not ends, "every VM is where it should be", ends)
    for vm_id, vm in applied.items():
        checks.that(vm["result"] not in ("failed", "unfinished"), f"{stuck.cases[vm_id].name if vm_id in stuck.cases else vm_id}: {vm['result']}", vm)
    states = zone.client.machines()
    hosts = where(zone, stuck)
    _again, nothing, _run = recover("again", "-e", "recovery_apply=true", "-e", "recovery_wait_timeout_s=5")
    checks.that(not nothing, "a second run does nothing", nothing)

    stuck.mend()
    _last, _changes, _run = recover("mended", "-e", '{"recovery_apply": true, "recovery_retry_failures": true, "recovery_hosts_off": ["kvm3"]}')
    wrong = drill.settle(lambda: [f"{case.name} is {state}, not {case.mended}" for vm_id, case in stuck.cases.items() if case.mended
                                  for state in [zone.client.machines()[vm_id]] if state not in case.mended.split()], 30)
    checks.that(not wrong, "what was mended is where it should be", wrong)
    mended = zone.client.machines()
    ids = ", ".join(map(str, stuck.cases))
    twice = [row for row in faults.mariadb(lab, survivor, f"SELECT vmid, host, collisions FROM opennebula.lab_domain WHERE vmid IN ({ids}) AND collisions > 0")]
    checks.that(not twice, "nothing was started twice", twice)
    print("\n".join(table(stuck, plan, {vm_id: f"{states[vm_id]}{hosts.get(vm_id, '')}" for vm_id in stuck.cases}, mended)), flush=True)
    if not options.keep:
        stuck.sweep()
    return checks.end()


def where(zone, stuck):
    """Return VM id → ' on <host>' of those that run, as the daemon has it."""
    pool = ElementTree.fromstring(zone.client.call("one.vmpool.info", -2, -1, -1, -1))
    return {int(vm.findtext("ID")): f" on {vm.findtext('HISTORY_RECORDS/HISTORY/HOSTNAME')}" for vm in pool.iter("VM")
            if int(vm.findtext("ID")) in stuck.cases and (vm.findtext("STATE"), vm.findtext("LCM_STATE")) == ("3", "3")}


if __name__ == "__main__":
    sys.exit(main())
