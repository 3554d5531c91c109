# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work for a zone to be caught in the middle of: machines in every kind of transition, and somebody who keeps making users."""
from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from client import GONE, Refused
from podman import LabError

HOSTS = ("kvm-drill-1", "kvm-drill-2")
MONITORED = 2


@dataclass(frozen=True)
class Kind:
    """A way to be in the middle of something, and where such a machine may rest once it has been recovered."""

    state: str                                           # the transition it is caught in
    action: tuple                                        # the call that leads there; () = the first deployment
    ends: frozenset
    early: bool = False                                  # the hypervisor has done it already, only its answer is lost

    @property
    def name(self):
        return f"{self.state}{'-done' if self.early else ''}"


ACT, MIGRATE = "one.vm.action", "one.vm.migrate"
KINDS = tuple(Kind(state, action, frozenset(ends.split()), early) for state, action, ends, early in (
    ("PROLOG", (), "RUNNING", False),
    ("BOOT", (), "RUNNING", False),
    ("BOOT", (), "RUNNING", True),
    ("MIGRATE", (MIGRATE, True), "RUNNING", False),
    ("MIGRATE", (MIGRATE, True), "RUNNING", True),
    ("SAVE_MIGRATE", (MIGRATE, False), "RUNNING", False),
    ("SAVE_SUSPEND", (ACT, "suspend"), "RUNNING SUSPENDED", False),
    ("SAVE_STOP", (ACT, "stop"), "RUNNING STOPPED", False),
    ("SHUTDOWN_POWEROFF", (ACT, "poweroff"), "RUNNING POWEROFF", False),
    ("SHUTDOWN_UNDEPLOY", (ACT, "undeploy"), "RUNNING UNDEPLOYED", False),
    ("SHUTDOWN", (ACT, "terminate"), "RUNNING DONE", False),
    ("EPILOG", (ACT, "terminate"), "DONE", False),
    ("HOTPLUG_SNAPSHOT", ("one.vm.snapshotcreate",), "RUNNING", False),
))

# Where a machine of a lost live migration runs only its two hypervisors know, and these here cannot be asked: recovery rightly leaves it alone
# (issue 6 asks real ones). `lab stuck MIGRATE` still makes one.
DRILLED = tuple(kind for kind in KINDS if kind.state != "MIGRATE")

QUICK = {group: 0.2 for group in "PROLOG BOOT MIGRATE SAVE SHUTDOWN EPILOG RESTORE CANCEL SNAPSHOT HOTPLUG CLEANUP".split()}


def pace(seconds):
    """Return the stand-in's attribute (opennebula/README.md) for how long a machine's steps take."""
    return 'LAB_SECONDS = "{}"'.format(" ".join(f"{step}={number}" for step, number in seconds.items()))


def template(kind, name, hang_s):
    """Return the template of a machine that is quick in everything but the state it shall be caught in."""
    lines = [f'NAME = "{name}"', "CPU = 0.1", "MEMORY = 32", pace({**QUICK, kind.state: hang_s})]
    return "\n".join(lines + (['LAB_EFFECT = "EARLY"'] if kind.early else []))


def until(look, within_s, what, every_s=0.2):
    """Return the first true value of look(), whose failing while a front-end is gone counts as not yet; a LabError when time is up."""
    deadline, seen = time.monotonic() + within_s, None
    while time.monotonic() < deadline:
        try:
            seen = look()
            if seen:
                return seen
        except GONE as problem:
            seen = problem
        time.sleep(every_s)
    raise LabError(f"{what}: not within {within_s} s; last seen: {seen!r}")


def ensure_hosts(client, within_s=90):
    """Return the ids of two monitored hypervisors, made when absent."""
    for name in HOSTS:
        if name not in client.hosts():
            client.call("one.host.allocate", name, "kvm", "kvm", -1)
    until(lambda: all(client.hosts()[name][1] == MONITORED for name in HOSTS), within_s, f"{' and '.join(HOSTS)} monitored")
    return [client.hosts()[name][0] for name in HOSTS]


def hurry(client, machines):
    """Make every step quick again: whatever slowed the drivers down went with the front-end."""
    states = client.machines()
    for vm_id in machines:
        if states[vm_id] != "DONE":
            client.call("one.vm.update", vm_id, pace(QUICK), 1)


def sweep(client, machines, users):
    """Remove what a drill made."""
    for vm_id, state in client.machines().items():
        if vm_id in machines and state != "DONE":
            client.call("one.vm.recover", vm_id, 3)
    for number in users:
        client.call("one.user.delete", number)


def catch(client, label, hang_s=120, kinds=DRILLED):
    """Bring one machine of each kind into its transition; return VM id -> Kind. They leave it by themselves only after hang_s."""
    first, second = ensure_hosts(client)
    machines = {client.call("one.vm.allocate", template(kind, f"{label}-{kind.name}", hang_s), True): kind for kind in kinds}
    running = {vm_id: kind for vm_id, kind in machines.items() if kind.action}
    for vm_id in running:
        client.call("one.vm.deploy", vm_id, first)
    until(lambda: all(state == "RUNNING" for vm_id, state in client.machines().items() if vm_id in running), 60, "machines run")
    for vm_id, kind in machines.items():
        if not kind.action:
            client.call("one.vm.deploy", vm_id, first)
        elif kind.action[0] == ACT:
            client.call(ACT, kind.action[1], vm_id)
        elif kind.action[0] == MIGRATE:
            client.call(MIGRATE, vm_id, second, kind.action[1])
        else:
            client.call(kind.action[0], vm_id, "drill")

    def caught():
        states = client.machines()
        return all(states[vm_id] == kind.state for vm_id, kind in machines.items())
    until(caught, hang_s / 2, "machines are in mid-transition")
    return machines


def leave_stuck(zone, names):
    """Catch machines of the named kinds (none = all) and kill the daemon; wait until it answers again; return VM id -> Kind."""
    unknown = set(names) - {kind.name for kind in KINDS}
    if unknown:
        raise LabError(f"no kind {', '.join(sorted(unknown))}: use {', '.join(kind.name for kind in KINDS)}")
    machines = catch(zone.client, f"stuck-{int(time.time())}", kinds=[kind for kind in KINDS if kind.name in names] or DRILLED)
    zone.lab.inside(zone.active(), "systemctl", "kill", "--signal=KILL", "opennebula")
    time.sleep(1)                                        # systemd notices, the cluster a monitor interval later
    until(zone.client.answers, 120, "the daemon answers again (the cluster restarts it)")
    hurry(zone.client, machines)
    return machines


class UserMaker(threading.Thread):
    """Makes a user every moment, through fault and failover; remembers the ones that were acknowledged."""

    def __init__(self, client, label, every_s=0.2):
        super().__init__(daemon=True)
        self.client, self.label, self.every_s = client, label, every_s
        self.acknowledged, self.moments, self.refusals, self._stop_now = {}, [], [], threading.Event()

    def run(self):
        number = 0
        while not self._stop_now.is_set():
            number += 1
            name = f"{self.label}-{number}"
            try:
                self.acknowledged[name] = self.client.call("one.user.allocate", name, "laboratory", "core", timeout_s=2)
                self.moments.append(time.time())
            except Refused as problem:
                self.refusals.append(str(problem))
            except GONE:
                pass                                     # not acknowledged: it may be there or not, both are right
            self._stop_now.wait(self.every_s)

    def stop(self):
        self._stop_now.set()
        self.join(10)
