# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run and skip steps of a VM's transfer script, then report success and follow the VM to where nothing is under way.

The daemon (adapters/opennebula.py), the front-end (adapters/frontend.py) and the scripts (adapters/transfer.py) are given as objects; time passes
only through ``pause``. Before each step everything is read again: the VM's state, the file, and whether a script works on the VM that is not ours.
"""
from __future__ import annotations

from collections import namedtuple

from . import evidence, recovery, recovery_run, transfer, vm_states
from .errors import CoreError, NotConverged
from .plan import Plan

ACTIVE = 3
Options = namedtuple("Options", "vm step_timeout_s wait_timeout_s poll_s", defaults=(3600, 300, 1.0))


def survey(api, host, place, wanted=None):
    """Return what is to be told about the transfers of some VMs, or of all in a state that has steps."""
    release = api.version()
    if wanted:
        vms = [recovery_run.read_vm(api, number) for number in wanted]
    else:
        found = {vm.id for page in api.vm_pool(ACTIVE) for vm in evidence.parse_vms(page) if vm.state in transfer.KINDS}
        vms = [vm for vm in (recovery_run.find_vm(api, number) for number in sorted(found)) if vm]
    running = host.transfers()
    return [_told(vm, place, release, vm.id in running) for vm in vms]


def look(vm, place, release):
    """Return the Transfer of a VM: its script as it is now, and what was done of it."""
    path, data, written = place.read(transfer.file_of(vm))
    now, steps = transfer.stamp(data, written), transfer.parse(data, release)
    return transfer.Transfer(vm, path, now, steps, transfer.progress(place.entries(vm.id), vm, now),
                             {step.number: place.script(transfer.scripts(step)) for step in steps})


def _told(vm, place, release, running):
    row = {"id": vm.id, "name": vm.name, "state": vm.state, "host": vm.host, "seq": vm.seq, "file": None, "steps": [], "running": running, "problem": "",
           "leads_to": None}
    try:
        seen = look(vm, place, release)
    except CoreError as error:
        return dict(row, problem=str(error))
    problem = "a transfer script works on it now" if running else ""
    return dict(row, file=seen.path, steps=transfer.told(seen), problem=problem, leads_to=recovery.leads_to(vm.state, recovery.SUCCESS))


class Run:
    """One request about one VM's transfer."""

    def __init__(self, api, host, place, request, options, check_mode, pause):
        self.api, self.host, self.place, self.request, self.options = api, host, place, request, options
        self.check_mode, self.pause = check_mode, pause
        self.rows, self.seen, self.config = [], None, {}
        self.vm = None                      # as last read
        self.done = []                      # the changes that were made

    def go(self):
        """Do it and return the Plan of it; in check mode only the Plan. An error carries what became of every step."""
        try:
            with self.place.locked(self.options.vm, make=not self.check_mode):
                return self._go()
        except CoreError as error:
            error.data.update(self.results(), changes=Plan(tuple(self.done)).as_list())
            raise

    def results(self):
        vm = self.vm
        return {"file": self.seen.path if self.seen else None, "steps": self.rows, "state": self.seen.vm.state if self.seen else vm and vm.state,
                "state_after": vm.state if vm else None}

    def _go(self):
        self.vm = recovery_run.read_vm(self.api, self.options.vm)
        if self.request.report and transfer.reported(self.place.entries(self.vm.id), self.vm):
            return Plan()                   # an earlier call did it, and the VM is where that leads
        self._free()
        self.seen = look(self.vm, self.place, self.api.version())
        self.rows = transfer.told(self.seen)
        todo = transfer.plan(self.seen, self.request)
        self.config = self.place.config()
        if not self.check_mode:
            for change in todo:
                verb, step = change.step
                self._still_the_same(step)
                getattr(self, f"_{verb}")(step, change)
        return todo

    def _free(self):
        """Refuse while somebody else moves the VM's disks, and where nobody could tell."""
        if self.host.daemon_started() is None:
            raise CoreError("cannot work on the VM's transfer", f"VM {self.options.vm}", "no oned runs on this host",
                            "Run this on the front-end that holds the zone's address.")
        if self.options.vm in self.host.transfers():
            raise CoreError("cannot work on the VM's transfer", f"VM {self.options.vm}", "a transfer script works on it now; a second one would write over it",
                            "Wait until it ends, then run again.")

    def _still_the_same(self, step):
        """Stop when the ground moved since we looked first."""
        what = f"step {step.number} was not run" if step else "success was not reported"
        self.vm, first = recovery_run.read_vm(self.api, self.options.vm), self.seen.vm
        if (self.vm.state, self.vm.seq) != (first.state, first.seq):
            raise CoreError(what, f"VM {first.id}", f"it was in {first.state} (record {first.seq}) and is now in {self.vm.state} (record {self.vm.seq})",
                            "Somebody else works on it: look at its log, then at vm_transfer_info.")
        self._free()
        unused, data, written = self.place.read(transfer.file_of(self.vm))
        if transfer.stamp(data, written) != self.seen.stamp:
            raise CoreError(what, self.seen.path, "the daemon has written the transfer script anew", "Look at vm_transfer_info, then run again.")

    def _note(self, step, result, **more):
        self.place.note(transfer.record(self.seen, step, result, self.host.now(), **more))

    def _skip(self, step, change):
        self._note(step, "skipped")
        self._became(step, transfer.SKIPPED, change)

    def _run(self, step, change):
        row = self.rows[step.number - 1]
        self._note(step, "begun")
        self._became(step, transfer.BEGUN)
        ended = self.place.run([row["script"], *step.arguments], self.config, self.options.step_timeout_s)
        row.update(code=ended["code"], seconds=ended["seconds"])
        if ended["code"] == 0:
            self._note(step, "done", seconds=ended["seconds"])
            self._became(step, transfer.DONE, change)
            return
        row["error"] = ended["why"] or f"exit code {ended['code']}: {transfer.error_message(ended['err'])}"
        if ended["ended"]:                  # one that we stopped may go on elsewhere, and what it did is not known
            self._note(step, "failed", error=row["error"])
            self._became(step, transfer.FAILED)
        raise CoreError(f"step {step.number} of the transfer of VM {self.vm.id} failed", f"{self.seen.path}:{step.line} ({step.text})", row["error"],
                        "The steps after it were not run. Mend the cause and run the rest, or skip the step by its number and text."
                        if row["result"] == transfer.FAILED else
                        "What it did is not known, and parts of it may still run on other hosts. Look at its disks, then run it with again, or skip it.")

    def _became(self, step, result, change=None):
        self.rows[step.number - 1]["result"] = result
        if change:
            self.done.append(change)

    def _report(self, unused, change):
        """Tell the daemon that the transfer succeeded, and follow the VM: that the call was accepted proves nothing."""
        called = self.host.now()
        reason = "every step of its transfer was run or skipped by name"
        self.host.record({"vm": self.vm.id, "operation": recovery.SUCCESS, "state": self.vm.state, "seq": self.vm.seq, "time": int(called),
                          "reason": reason})
        self.place.note({"vm": self.vm.id, "seq": self.vm.seq, "state": self.vm.state, "file": self.seen.path, "result": "reported", "time": int(called),
                         "leads_to": change.after})
        self.api.vm_recover(self.vm.id, recovery.SUCCESS)
        self.done.append(change)
        while True:
            self.vm = recovery_run.read_vm(self.api, self.vm.id)
            if self.vm.state == change.after:
                return
            moved = self.vm.state != self.seen.vm.state or self.host.now() - called >= recovery_run.SLOW_S
            settled = moved and vm_states.is_settled(self.vm.state)
            if settled or self.host.now() - called >= self.options.wait_timeout_s:
                why = f"it is in {self.vm.state}" + (f" ({self.vm.error})" if self.vm.error and vm_states.is_failure(self.vm.state) else "")
                raise NotConverged(f"VM {self.vm.id} did not come to {change.after} after success was reported", why=why,
                                   hint="Look at its ERROR attribute and log, and at vm_recovery_info." if settled else
                                        "It is still under way: look again later, or allow a longer wait_timeout_s.")
            self.pause(self.options.poll_s)
