# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drivers: every step takes its time, then answers. Nothing of them survives the daemon.

How long and with what end: /etc/one/standin.conf, and per machine the attributes LAB_SECONDS, LAB_FAIL, LAB_EFFECT (see ../README.md).
"""
from __future__ import annotations

import collections
import heapq
import itertools
import threading
import time
import traceback

from . import template
from .hypervisor import DriverError

# driver: TM or VMM · group: the name for times and failures · effect: what happens on the hypervisor · error: the daemon's words
Step = collections.namedtuple("Step", "driver group effect error")

_TM = "Error executing image transfer script"
_DEPLOY = ("VMM", "BOOT", "deploy", "Error deploying virtual machine")
_RESTORE = ("VMM", "RESTORE", "restore", "Error restoring VM")
_SAVE = ("VMM", "SAVE", "save", "Error saving VM state")
_SHUTDOWN = ("VMM", "SHUTDOWN", "shutdown", "Error shuting down VM")
CANCEL = Step("VMM", "CANCEL", "shutdown", "Error canceling VM")
RESTORE = Step(*_RESTORE)

STEPS = {state: Step(*step) for state, step in {
    "PROLOG": ("TM", "PROLOG", None, _TM), "PROLOG_MIGRATE": ("TM", "PROLOG", None, _TM), "PROLOG_RESUME": ("TM", "PROLOG", None, _TM),
    "PROLOG_UNDEPLOY": ("TM", "PROLOG", None, _TM), "PROLOG_MIGRATE_POWEROFF": ("TM", "PROLOG", None, _TM),
    "PROLOG_MIGRATE_SUSPEND": ("TM", "PROLOG", None, _TM), "PROLOG_MIGRATE_UNKNOWN": ("TM", "PROLOG", None, _TM),
    "EPILOG": ("TM", "EPILOG", None, _TM), "EPILOG_STOP": ("TM", "EPILOG", None, _TM), "EPILOG_UNDEPLOY": ("TM", "EPILOG", None, _TM),
    "CLEANUP_RESUBMIT": ("VMM", "CLEANUP", "shutdown", "Error cleaning up"),
    "BOOT": _DEPLOY, "BOOT_UNKNOWN": _DEPLOY, "BOOT_POWEROFF": _DEPLOY, "BOOT_UNDEPLOY": _DEPLOY,
    "BOOT_SUSPENDED": _RESTORE, "BOOT_STOPPED": _RESTORE, "BOOT_MIGRATE": _RESTORE,
    "SAVE_STOP": _SAVE, "SAVE_SUSPEND": _SAVE, "SAVE_MIGRATE": _SAVE,
    "SHUTDOWN": _SHUTDOWN, "SHUTDOWN_POWEROFF": _SHUTDOWN, "SHUTDOWN_UNDEPLOY": _SHUTDOWN,
    "MIGRATE": ("VMM", "MIGRATE", "migrate", "Error live migrating VM"),
    "HOTPLUG": ("VMM", "HOTPLUG", None, "Error attaching or detaching a disk"), "HOTPLUG_NIC": ("VMM", "HOTPLUG", None, "Error attaching or detaching a NIC"),
    "HOTPLUG_SNAPSHOT": ("VMM", "SNAPSHOT", None, "Error in the VM snapshot"),
    "HOTPLUG_SAVEAS": ("TM", "SAVEAS", None, _TM), "HOTPLUG_SAVEAS_POWEROFF": ("TM", "SAVEAS", None, _TM),
    "HOTPLUG_SAVEAS_SUSPENDED": ("TM", "SAVEAS", None, _TM),
    "HOTPLUG_PROLOG_POWEROFF": ("TM", "HOTPLUG", None, _TM), "HOTPLUG_EPILOG_POWEROFF": ("TM", "HOTPLUG", None, _TM),
    **{name: ("TM", "SNAPSHOT", None, _TM) for name in (
        "DISK_SNAPSHOT_POWEROFF DISK_SNAPSHOT_REVERT_POWEROFF DISK_SNAPSHOT_DELETE_POWEROFF DISK_SNAPSHOT_SUSPENDED"
        " DISK_SNAPSHOT_REVERT_SUSPENDED DISK_SNAPSHOT_DELETE_SUSPENDED").split()},
    "DISK_SNAPSHOT": ("VMM", "SNAPSHOT", None, "Error in the disk snapshot"), "DISK_SNAPSHOT_DELETE": ("VMM", "SNAPSHOT", None, "Error in the disk snapshot"),
}.items()}
GROUPS = sorted({step.group for step in STEPS.values()} | {"CANCEL"})
DEFAULT_SECONDS = 2.0
NEVER = "never"


def chosen(table, state, group):
    """Return what a LAB_ attribute says for a step: by the state's own name, else by its group, else None.

    CANCEL goes by its own name only: it comes to help where the graceful step of the same state hangs.
    """
    return table.get(group) if group == CANCEL.group else table.get(state, table.get(group))


def seconds(vm, state, group, defaults):
    """Return how long a step takes; None: it never answers."""
    text = chosen(template.pairs(vm.user("LAB_SECONDS")), state, group)
    if text == NEVER:
        return None
    try:
        return float((text or "").rstrip("s"))
    except ValueError:
        found = chosen(defaults, state, group)
        return DEFAULT_SECONDS if found is None else found


def fails(vm, state, group, failures):
    """Tell whether LAB_FAIL wants this run to fail: ``BOOT`` once, ``BOOT=3`` three times, ``BOOT=always``."""
    text = chosen(template.pairs(vm.user("LAB_FAIL")), state, group)
    if text is None:
        return False
    return text == "always" or failures < int(text if text.isdigit() else 1)


class Drivers:
    """One thread that lets time pass and hands answers to ``answered(vm_id, state, problem)``."""

    def __init__(self, database, hypervisors, defaults, answered, lost):
        self.database, self.hypervisors, self.defaults, self.answered, self.lost = database, hypervisors, defaults, answered, lost
        self._due = []
        self._number = itertools.count()
        self._wake = threading.Condition()
        threading.Thread(target=self._run, daemon=True, name="drivers").start()

    @staticmethod
    def counting(vm, state):
        """Return the statement that counts this run."""
        return ("INSERT INTO lab_step (vmid, state, runs) VALUES (%s, %s, 1) ON DUPLICATE KEY UPDATE runs = runs + 1", vm.id, state)

    def start(self, vm, state, step=None):
        """Send the driver into a step; its answer comes later, or never."""
        step = step or STEPS[state]
        rows = self.database.rows("SELECT failures FROM lab_step WHERE vmid = %s AND state = %s", vm.id, state)
        failing = fails(vm, state, step.group, rows[0][0] if rows else 0)
        wait = seconds(vm, state, step.group, self.defaults)
        work = self._work(vm, state, step, failing)
        if vm.user("LAB_EFFECT").upper() == "EARLY" and not failing:
            problem = work()
            work = lambda: problem                          # noqa: E731  the host has done it; only the answer is on its way
        if wait is not None:
            with self._wake:
                heapq.heappush(self._due, (time.monotonic() + wait, next(self._number), vm.id, state, work))
                self._wake.notify()

    def _work(self, vm, state, step, failing):
        vm_id, host = vm.id, vm.last.findtext("HOSTNAME")
        source = vm.previous.findtext("HOSTNAME") if vm.previous is not None else host
        here = source if state == "SAVE_MIGRATE" else host  # the new record is open already, the domain is still on the old host

        def work():
            """Do the step on the hypervisor; return the error, None if it went well."""
            if failing:
                self.database.write(("UPDATE lab_step SET failures = failures + 1 WHERE vmid = %s AND state = %s", vm_id, state))
                return f"{step.error}: failure asked for by LAB_FAIL"
            try:
                if step.effect:
                    getattr(self.hypervisors, step.effect)(vm_id, here, source)
            except DriverError as error:
                return f"{step.error}: {error}"
            return None
        return work

    def _run(self):
        while True:
            with self._wake:
                while not self._due or self._due[0][0] > time.monotonic():
                    self._wake.wait(self._due[0][0] - time.monotonic() if self._due else None)
                _when, _number, vm_id, state, work = heapq.heappop(self._due)
            try:
                self.answered(vm_id, state, work)
            except Exception:                           # noqa: BLE001  other machines' answers still have to come
                self.lost(f"The answer of {state} of VM {vm_id} is lost:\n{traceback.format_exc()}")
