# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of virtual machines: actions put them into a state, drivers answer, recover answers in the drivers' place.

Which state follows which is one table, recover_truth.py; which step has a driver is drivers.STEPS; what is written into the history
records is ``_stamp``, after the recorded replies. Nothing is driven again when the daemon starts: what was under way stays where it is.
"""
from __future__ import annotations

import threading
import time

from . import body, devices, machine, recover_truth
from .core import vm_states
from .database import DatabaseError
from .drivers import CANCEL, RESTORE, STEPS, Drivers
from .vm import USER, stamp

LEAVES_HOST = {"DONE", "STOPPED", "UNDEPLOYED", "PENDING"}
ENDS_RUN = {"SAVE_STOP", "SAVE_SUSPEND", "SHUTDOWN", "SHUTDOWN_POWEROFF", "SHUTDOWN_UNDEPLOY"}
# what a retry sends in 5.0.2 where it is not the step's own action
RETRY_STEP = {"SHUTDOWN_POWEROFF": CANCEL, "SHUTDOWN_UNDEPLOY": CANCEL, "BOOT_UNDEPLOY": RESTORE}
DELETE_ACTION, RECREATE_ACTION = 13, 14


class Lifecycle:
    """All changes of a machine's state go through here, one at a time."""

    def __init__(self, vms, hosts, hypervisors, files, log, defaults):
        self.vms, self.hosts, self.hypervisors, self.files, self.log = vms, hosts, hypervisors, files, log
        self.lock = threading.RLock()
        self.drivers = Drivers(vms.database, hypervisors, defaults, self.answered, lambda text: log.error("VM", text))

    def load(self, vm_id):
        vm = self.vms.get(vm_id)
        if vm is not None:
            self.files.loaded(vm_id)
        return vm

    # -- states

    def enter(self, vm, state, success=True, step=None, drive=True):
        """Put the machine into a state, store it, and send the driver if the state has one."""
        state = state.lstrip("*")
        left = _left_hosts(vm, vm.state, state, success)
        if state != vm.state:
            devices.end(vm, vm.state, success)
        _stamp(vm, vm.state, state, success, machine.now())
        vm.move(state)
        driven = drive and state in STEPS
        self.vms.save(vm, *([Drivers.counting(vm, state)] if driven else []))
        for host in left:
            self.hosts.remove(host, vm.id)
        if state == "DONE" and left:
            self.hypervisors.destroy(vm.id)
        kind = "LCM state" if vm.active else "state"
        self.files.log(vm.id, "LCM" if vm.active else "DiM", "I", f"New VM {kind} is {state}")
        self.log.write("VM", "D", f"VM {vm.id} is {state}")
        if driven:
            self._send(vm, state, step)

    def _send(self, vm, state, step=None):
        if not self.files.write(vm, state):
            self.enter(vm, recover_truth.LCM[state][recover_truth.FAILURE], success=False)
            return
        self.drivers.start(vm, state, step)

    def answered(self, vm_id, state, work):
        """Take a driver's answer: do its work on the hypervisor, then move the machine on."""
        try:
            problem = work()
            with self.lock:
                vm = self.load(vm_id)
                if vm is None or vm.state != state:
                    self.files.log(vm_id, STEPS[state].driver, "E", f"Wrong state in {STEPS[state].driver} answer for VM {vm_id}")
                    return
                if problem:
                    self.files.log(vm_id, STEPS[state].driver, "E", problem)
                    vm.complain(f"{time.strftime('%a %b %e %H:%M:%S %Y')} : {problem}")
                elif state.startswith("BOOT"):
                    body.put(vm.element, "DEPLOY_ID", f"one-{vm_id}")
                column = recover_truth.FAILURE if problem else recover_truth.SUCCESS
                self.enter(vm, recover_truth.LCM[state][column], success=not problem)
        except DatabaseError as error:
            self.log.error("VM", f"The answer of {state} of VM {vm_id} is lost, the database refused it: {error}")

    # -- recover

    def recover(self, vm, operation):
        """Do one.vm.recover; return its Reply (recover_truth)."""
        state = vm.state
        reply = recover_truth.answer(state, operation, vm.id)
        if not reply.accepted or reply.next == recover_truth.NOTHING:
            return reply
        self.files.log(vm.id, "LCM", "I", f"VM recover, operation {operation}, in {state}")
        if reply.next == recover_truth.AGAIN:
            self.vms.save(vm, Drivers.counting(vm, state))
            self._send(vm, state, RETRY_STEP.get(state))
        elif operation == recover_truth.DELETE:
            self._delete(vm, reply.next)
        elif operation == recover_truth.RECREATE:
            self._recreate(vm, state, reply.next)
        elif operation == recover_truth.RETRY:
            self.enter(vm, reply.next)
        else:
            self._conclude(vm, state, reply.next, operation == recover_truth.SUCCESS)
        return reply

    def _conclude(self, vm, state, following, success):
        """Success or failure by order: nothing on the hosts is looked at."""
        if success and following == "RUNNING" and not body.get(vm.element, "DEPLOY_ID"):
            body.put(vm.element, "DEPLOY_ID", f"one-{vm.id}")
        if success and state in recover_truth.PASSED_THROUGH:
            self.enter(vm, following, drive=False)
            following = recover_truth.LCM[following][recover_truth.SUCCESS]
        self.enter(vm, following, success)

    def _delete(self, vm, following):
        if following == "CLEANUP_DELETE":
            self.enter(vm, following, drive=False)
        self.enter(vm, "DONE")

    def _recreate(self, vm, state, following):
        if not vm.active:
            self.hypervisors.destroy(vm.id)                             # the checkpoint of a STOPPED one goes with its files
        if vm.last is not None:
            stamp(vm.last, machine.now(), ACTION=RECREATE_ACTION)       # its next deployment is a new one
        self.enter(vm, following, drive=state not in recover_truth.NO_CLEANUP)

    # -- monitoring

    AS_RUNNING = {"UNKNOWN", "BOOT", "BOOT_FAILURE", "BOOT_MIGRATE", "BOOT_MIGRATE_FAILURE", "BOOT_STOPPED", "BOOT_STOPPED_FAILURE", "BOOT_UNDEPLOY",
                  "BOOT_UNDEPLOY_FAILURE", "BOOT_UNKNOWN", "BOOT_POWEROFF", "BOOT_SUSPENDED"}
    AS_OFF = {"RUNNING", "SHUTDOWN", "SHUTDOWN_POWEROFF", "SHUTDOWN_UNDEPLOY"}

    def reported(self, vm, report):
        """Follow what a host says of a machine (opennebula-failover.md, section 2); True if that changed its state."""
        state = vm.state
        if report == "a" and state in self.AS_RUNNING | {"POWEROFF"}:
            if not body.get(vm.element, "DEPLOY_ID"):
                body.put(vm.element, "DEPLOY_ID", f"one-{vm.id}")
            self.enter(vm, "RUNNING")
        elif report == "d" and state in self.AS_OFF:
            self.enter(vm, "POWEROFF" if state == "RUNNING" else recover_truth.LCM[state][recover_truth.SUCCESS])
        elif report == "e" and state == "RUNNING":
            self.enter(vm, "UNKNOWN")
        else:
            return False
        return True


def _left_hosts(vm, old, new, success):
    """Return the hosts whose capacity the machine gives back: of a migration the source when it went well, the target when not."""
    last, source = (None if record is None else body.number(record, "HID") for record in (vm.last, vm.previous))
    if new in LEAVES_HOST:
        return {last, source} - {None}
    if old in ("MIGRATE", "SAVE_MIGRATE") and source is not None and last != source:
        return {source} if success else {last}
    if new.startswith("PROLOG_MIGRATE_") and source is not None and last != source:
        return {source}
    return set()


def _stamp(vm, old, new, success, when):
    """Write the times that this change of state leaves in the history records."""
    last = vm.last
    if new == "DONE":
        body.put(vm.element, "ETIME", when)
    if last is None:
        return
    if old in ("MIGRATE", "SAVE_MIGRATE"):
        _stamp_migration(vm, new, success, when)
    elif old in ENDS_RUN and new == "RUNNING":
        stamp(last, when, ACTION=0)
    elif old in ENDS_RUN and new.startswith("EPILOG"):
        stamp(last, when, "RETIME", "ESTIME", REASON=USER)
    elif old in ENDS_RUN or (old, new) == ("RUNNING", "POWEROFF") or (old.startswith("BOOT_") and new in ("POWEROFF", "SUSPENDED")):
        stamp(last, when, "RETIME", "ETIME", REASON=USER)
    elif old == "POWEROFF" and new == "RUNNING":
        vm.repeat_record(when, RSTIME=when)
    elif new.startswith("EPILOG"):
        stamp(last, when, "ESTIME")
    elif old.startswith("EPILOG") and not vm_states.is_failure(new):
        stamp(last, when, "EETIME", "ETIME")
    elif old.startswith("PROLOG") and new.startswith("BOOT"):
        stamp(last, when, "PETIME", "RSTIME")
    elif old.startswith("PROLOG_MIGRATE_") and new in ("POWEROFF", "SUSPENDED"):
        stamp(last, when, "PETIME", "ETIME")
    elif new in ("CLEANUP_RESUBMIT", "CLEANUP_DELETE"):
        times = ["ETIME"] + (["RETIME"] if body.number(last, "RSTIME") and not body.number(last, "RETIME") else [])
        stamp(last, when, *times, REASON=USER, ACTION=RECREATE_ACTION if new == "CLEANUP_RESUBMIT" else DELETE_ACTION)


def _stamp_migration(vm, new, success, when):
    last, previous = vm.last, vm.previous
    if new == "RUNNING" and not success:
        vm.records.pop()                    # the machine stays where it is
        stamp(vm.last, when, ACTION=0)
    elif new in ("RUNNING", "PROLOG_MIGRATE"):
        stamp(previous, when, "RETIME", "ETIME", REASON=USER)
        stamp(last, when, "RSTIME" if new == "RUNNING" else "PSTIME")
