# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users ask of a virtual machine: deploy, migrate, the actions of one.vm.action, disks, snapshots.

One table says from which states an action is possible and where it leads; the history codes are those of HISTORY_ACTION.
"""
from __future__ import annotations

from . import body, devices, machine
from .drivers import CANCEL
from .vm import USER, stamp

# action → (history code, {state: next state}); a name with -hard does the same by CANCEL
_ACTIONS = {
    "terminate": (27, {"RUNNING": "SHUTDOWN", "UNKNOWN": "SHUTDOWN", "PENDING": "DONE", "HOLD": "DONE", "POWEROFF": "EPILOG", "SUSPENDED": "EPILOG",
                       "STOPPED": "EPILOG", "UNDEPLOYED": "EPILOG", "CLONING": "DONE", "CLONING_FAILURE": "DONE"}),
    "undeploy": (5, {"RUNNING": "SHUTDOWN_UNDEPLOY", "UNKNOWN": "SHUTDOWN_UNDEPLOY", "POWEROFF": "EPILOG_UNDEPLOY"}),
    "poweroff": (19, {"RUNNING": "SHUTDOWN_POWEROFF", "UNKNOWN": "SHUTDOWN_POWEROFF"}),
    "suspend": (10, {"RUNNING": "SAVE_SUSPEND"}),
    "stop": (9, {"RUNNING": "SAVE_STOP", "SUSPENDED": "EPILOG_STOP"}),
    "resume": (0, {"SUSPENDED": "BOOT_SUSPENDED", "POWEROFF": "BOOT_POWEROFF", "UNKNOWN": "BOOT_UNKNOWN", "STOPPED": "PENDING", "UNDEPLOYED": "PENDING"}),
    "hold": (7, {"PENDING": "HOLD"}),
    "release": (8, {"HOLD": "PENDING"}),
    "reboot": (15, {"RUNNING": None}),
    "resched": (17, {"RUNNING": None, "UNKNOWN": None}),
    "unresched": (18, {"RUNNING": None, "UNKNOWN": None}),
}
HARD = {"terminate-hard": 28, "undeploy-hard": 6, "poweroff-hard": 20, "reboot-hard": 16}
STOP_ACTIONS, UNDEPLOY_ACTIONS = {9}, {5, 6}
# operations on a running machine (a new history record, code) and on one that is not: disk, nic, snapshot, save as
HOTPLUG = {
    "attach": (21, {"RUNNING": "HOTPLUG", "POWEROFF": "HOTPLUG_PROLOG_POWEROFF"}),
    "detach": (22, {"RUNNING": "HOTPLUG", "POWEROFF": "HOTPLUG_EPILOG_POWEROFF"}),
    "attachnic": (23, {"RUNNING": "HOTPLUG_NIC"}),
    "detachnic": (24, {"RUNNING": "HOTPLUG_NIC"}),
    "snapshotcreate": (None, {"RUNNING": "HOTPLUG_SNAPSHOT"}),
    "disksaveas": (None, {"RUNNING": "HOTPLUG_SAVEAS", "POWEROFF": "HOTPLUG_SAVEAS_POWEROFF", "SUSPENDED": "HOTPLUG_SAVEAS_SUSPENDED"}),
    "disksnapshotcreate": (25, {"RUNNING": "DISK_SNAPSHOT", "POWEROFF": "DISK_SNAPSHOT_POWEROFF", "SUSPENDED": "DISK_SNAPSHOT_SUSPENDED"}),
    "disksnapshotrevert": (None, {"POWEROFF": "DISK_SNAPSHOT_REVERT_POWEROFF", "SUSPENDED": "DISK_SNAPSHOT_REVERT_SUSPENDED"}),
    "disksnapshotdelete": (26, {"RUNNING": "DISK_SNAPSHOT_DELETE", "POWEROFF": "DISK_SNAPSHOT_DELETE_POWEROFF",
                                "SUSPENDED": "DISK_SNAPSHOT_DELETE_SUSPENDED"}),
}
COLD = {"RUNNING": "SAVE_MIGRATE", "POWEROFF": "PROLOG_MIGRATE_POWEROFF", "SUSPENDED": "PROLOG_MIGRATE_SUSPEND", "UNKNOWN": "PROLOG_MIGRATE_UNKNOWN"}


class Refusal(Exception):
    """The action is not possible now; the message is the daemon's."""


class Actions:
    """Called with the lifecycle's lock held."""

    def __init__(self, lifecycle, hosts):
        self.lifecycle, self.hosts = lifecycle, hosts

    def action(self, vm, name):
        base = name[:-len("-hard")] if name in HARD else name
        if base not in _ACTIONS:
            raise Refusal(f'Action "{name}" is not supported')
        code, ways = _ACTIONS[base]
        if vm.state not in ways:
            why = (f"Could not terminate VM {vm.id}, wrong state {vm.state}." if base == "terminate"
                   else f"This action is not available for state {vm.state}")
            raise Refusal(f'Error performing action "{name}": {why}')
        following = ways[vm.state]
        if following is None:
            body.put(vm.element, "RESCHED", int(base == "resched"))
            self.lifecycle.vms.save(vm)
            return
        self._start(vm, base, HARD.get(name, code), following)

    def _start(self, vm, base, code, following):
        when = machine.now()
        if following in ("BOOT_SUSPENDED", "BOOT_POWEROFF"):
            vm.repeat_record(when, RSTIME=when)
        elif vm.last is not None and base not in ("resume", "hold", "release"):
            stamp(vm.last, when, ACTION=code)
        hard = CANCEL if code in HARD.values() and following.startswith("SHUTDOWN") else None
        self.lifecycle.enter(vm, following, step=hard)

    def deploy(self, vm, host):
        """Put a PENDING or HOLD machine on a host (an element of the host pool)."""
        if vm.state not in ("PENDING", "HOLD"):
            raise Refusal(f"Could not deploy VM {vm.id}, wrong state {vm.state}.")
        before = 0 if vm.last is None else body.number(vm.last, "ACTION")
        following = "PROLOG_RESUME" if before in STOP_ACTIONS else "PROLOG_UNDEPLOY" if before in UNDEPLOY_ACTIONS else "PROLOG"
        when = machine.now()
        vm.add_record(*_place(host), when, PSTIME=when)
        self.hosts.place(body.number(host, "ID"), vm)
        self.lifecycle.enter(vm, following)

    def migrate(self, vm, host, live):
        """Move a machine to another host, as it runs (live) or by its state."""
        if vm.state not in ({"RUNNING"} if live else COLD):
            raise Refusal(f'Error performing action "migrate": This action is not available for state {vm.state}')
        if body.number(host, "ID") == vm.host:
            raise Refusal(f"VM is already running on host [{body.get(host, 'ID')}]")
        when = machine.now()
        following = "MIGRATE" if live else COLD[vm.state]
        if vm.state in ("RUNNING", "UNKNOWN"):
            stamp(vm.last, when, ACTION=2 if live else 1)
        if vm.state == "UNKNOWN":
            stamp(vm.last, when, "RETIME", "ETIME", REASON=USER)
        times = {"PSTIME": when} if following.startswith("PROLOG") else {}
        vm.add_record(*_place(host), when, **times)
        self.hosts.place(body.number(host, "ID"), vm)
        self.lifecycle.enter(vm, following)

    def operate(self, vm, name, arguments=()):
        """Attach, detach, snapshot, save as."""
        code, ways = HOTPLUG[name]
        if vm.state not in ways:
            raise Refusal(f"Could not perform {name} on VM {vm.id}, wrong state {vm.state}.")
        when = machine.now()
        if vm.state == "RUNNING" and code is not None:
            stamp(vm.last, when, "RETIME", "ETIME", REASON=USER, ACTION=code)
            vm.repeat_record(when, RSTIME=when)
        devices.begin(vm, name, arguments)
        self.lifecycle.enter(vm, ways[vm.state])


def _place(host):
    return (body.number(host, "ID"), body.get(host, "NAME"), body.get(host, "VM_MAD")), body.number(host, "CLUSTER_ID")
