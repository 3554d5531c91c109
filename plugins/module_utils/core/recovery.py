# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence about a VM → what to do with it: one table, each row with its reason.

A daemon never takes up again what it was doing when it died (field-notes/opennebula-failover.md). What it leaves is a VM in a transient state;
one.vm.recover writes the end of that transition without looking at anything (field-notes/opennebula-recover.md). So the looking is done here.

How the table thinks, family by family (F, S, R: recover with failure, success, retry):
  PROLOG            nothing ran yet and the image is the source: F, then R copies again. Only a transfer that still runs must end first.
  PROLOG_x, EPILOG_STOP/UNDEPLOY   move the only copy of the disks. A move whose answer was lost may be complete, and tm/ssh/mv begins by deleting the
                    target: R would then delete the only copy. So only where nothing moves (same shared datastore), or where the disks were seen.
  EPILOG            copies saved disks back, then deletes: F, then R. A copy without source fails and leaves the image as it is.
  BOOT*             monitoring reports a running domain and the daemon follows. Not reported: F, then R. A hypervisor refuses a domain it already has;
                    a cloud starts another, so that there nothing counts as not reported (core/evidence.py).
  MIGRATE           F and S both write RUNNING, on the source or on the target: only the hypervisors know which. SAVE_MIGRATE alike.
  SAVE_*            still running: F. Gone with a complete checkpoint: S. F on a saved VM would boot it without its memory.
  SHUTDOWN*         monitoring ends it (wait). Still running: F (ask again). R would switch it off hard, S on a running domain frees what it uses.
  HOTPLUG*          F on an attach that happened frees a disk or lease in use. F on a detach keeps the entry, and detach can be asked again.
  DISK_SNAPSHOT*    the list must say what the disk has: only with the disk seen. A half-done revert cannot be told.
  RESIZE, SAVEAS, BACKUP, HOTPLUG_SNAPSHOT   F: the source is untouched, the operation is asked for again.
  CLEANUP, RESTORE  F and S are the same, and wrong if the domain still runs or the disks are half written.
  UNKNOWN           F and S both just write RUNNING. Never.
  *_FAILURE         R by the same rules as the state they failed in, but only for those that our own F brought there, or on request.
A host that is said to be off runs nothing; but what was lost and has to be done again there cannot be.
delete, recreate and delete-db are in no row: they are for those who ask for them by VM id and operation (recovery_demands.py).
"""
from __future__ import annotations

import functools
from collections import namedtuple

from . import vm_states

SUCCESS, FAILURE, RETRY, WAIT, REFUSE, LEAVE = "success", "failure", "retry", "wait", "refuse", "leave"
ACTIONS = (SUCCESS, FAILURE, RETRY)
UNKNOWN = "unknown"

# What can be known about a VM. The first value of each is "we do not know". The columns from domain on are the hypervisors' to fill;
# until then monitoring tells what it can (core/evidence.py), and unknown leads to no row that acts.
EVIDENCE = {
    # the transition, relative to the start of the running daemon. After it and longer ago than the operator gives it: overdue, and behind where the
    # daemon's drivers are at work on anything, because what they have in their queues cannot be seen
    "began": (UNKNOWN, "before", "after", "behind", "overdue"),
    "transfer": (UNKNOWN, "none", "running"),           # transfer scripts for this VM; none: and orphans had their time to end
    "monitored": (UNKNOWN, "yes", "no"),                # whether its host was monitored since the daemon started
    "origin": (UNKNOWN, "ours", "asked", "other", "spent"),    # of a *_FAILURE state; spent: our retry failed
    "domain": (UNKNOWN, "running", "absent", "unclear"),        # on the VM's (target) host; unclear: there, but paused, leaving, or not as libvirt says
    "source": (UNKNOWN, "running", "absent", "unclear"),        # on the host before that
    "move": (UNKNOWN, "in_place", "copying"),           # whether moving the disks moves anything
    "disks": (UNKNOWN, "arrived", "at_source", "partial"),
    "checkpoint": (UNKNOWN, "complete", "missing"),
    "operation": (UNKNOWN, "attach", "detach"),
    "device": (UNKNOWN, "attached", "detached"),
    "snapshot": (UNKNOWN, "present", "absent"),
    "hypervisors": (UNKNOWN, "answered", "silent", "off"),      # those that it may have something on; off: its own one; unknown: nobody asked them
}
Evidence = namedtuple("Evidence", EVIDENCE, defaults=[UNKNOWN] * len(EVIDENCE))
Decision = namedtuple("Decision", "action reason")
Row = namedtuple("Row", "when action reason")           # when: column → value or values; the first row that fits decides

_MOVES = ("PROLOG_MIGRATE", "PROLOG_MIGRATE_POWEROFF", "PROLOG_MIGRATE_SUSPEND", "PROLOG_RESUME", "PROLOG_UNDEPLOY", "EPILOG_STOP", "EPILOG_UNDEPLOY")
_BOOTS = ("BOOT", "BOOT_POWEROFF", "BOOT_SUSPENDED", "BOOT_UNKNOWN", "BOOT_STOPPED", "BOOT_MIGRATE", "BOOT_UNDEPLOY")
_SHUTDOWNS = ("SHUTDOWN", "SHUTDOWN_POWEROFF", "SHUTDOWN_UNDEPLOY")
_AGAIN = ("HOTPLUG_SNAPSHOT", "HOTPLUG_SAVEAS", "HOTPLUG_SAVEAS_POWEROFF", "HOTPLUG_SAVEAS_SUSPENDED", "HOTPLUG_SAVEAS_UNDEPLOYED", "HOTPLUG_SAVEAS_STOPPED",
          "HOTPLUG_PROLOG_POWEROFF", "HOTPLUG_EPILOG_POWEROFF", "HOTPLUG_NIC_POWEROFF", "HOTPLUG_RESIZE", "DISK_RESIZE", "DISK_RESIZE_POWEROFF",
          "DISK_RESIZE_UNDEPLOYED", "BACKUP", "BACKUP_POWEROFF")
_SNAPSHOTS = ("DISK_SNAPSHOT", "DISK_SNAPSHOT_POWEROFF", "DISK_SNAPSHOT_SUSPENDED")
_SNAPSHOT_DELETES = ("DISK_SNAPSHOT_DELETE", "DISK_SNAPSHOT_DELETE_POWEROFF", "DISK_SNAPSHOT_DELETE_SUSPENDED")
_REVERTS = ("DISK_SNAPSHOT_REVERT_POWEROFF", "DISK_SNAPSHOT_REVERT_SUSPENDED")

# What the running daemon began is nobody else's, however old, until it is seen that nothing works on it anywhere.
_BUSY = (
    Row({"began": "after"}, WAIT, "it began after the running daemon started, which is still at work on it"),
    Row({"began": "behind"}, WAIT, "it takes longer than stuck_after_s, and the daemon's drivers are at work: what waits behind that cannot be seen"),
    Row({"began": "overdue", "transfer": ("running", UNKNOWN)}, WAIT, "it takes longer than stuck_after_s, and something still works, or may work, on it"),
    Row({"began": "overdue", "hypervisors": (UNKNOWN, "silent")}, WAIT,
        "it takes longer than stuck_after_s, and not every host that may be at work on it could be asked whether it is"),
)
_TRANSFER = (
    Row({"transfer": "running"}, WAIT, "a transfer for it still runs; a second one would write over it"),
    Row({"transfer": UNKNOWN}, WAIT, "transfers that the dead daemon left get time to end first"),
)
_WORK = Row({"transfer": "running"}, WAIT, "something still works on it or on its files: what the daemon began goes on without it")
_WHEN = Row({"began": UNKNOWN}, REFUSE, "nothing tells whether it began before the running daemon started: neither its history nor a log on this front-end")
_SILENT = Row({"hypervisors": "silent"}, REFUSE, "a host that may have its domain, its disks or a transfer of them cannot be asked")
_OFF = Row({"hypervisors": "off"}, REFUSE, "its host is said to be off, and what was lost can only be done there: power it on, or have the VM made anew "
                                           "elsewhere (onevm recover --recreate, which gives up what its disks there hold)")
_MONITOR = Row({"monitored": (UNKNOWN, "no")}, WAIT, "its host was not monitored since the daemon started; a report may resolve it")
_REPORT = Row({"domain": UNKNOWN, "monitored": (UNKNOWN, "no")}, WAIT,
              "its host was not monitored since the daemon started; a report may tell whether its domain runs")
_UNCLEAR = Row({"domain": "unclear"}, REFUSE, "something of its domain is on the host, and it does not simply run: paused, leaving, or unknown to libvirt")
_UNCLEAR_SOURCE = Row({"source": "unclear"}, REFUSE, "something of its domain is on the host that it leaves, and it does not simply run there")
_DOMAIN = (_UNCLEAR, Row({"domain": UNKNOWN}, REFUSE, "it is not known whether its domain runs on the host"))
# what is done to the disks of a VM that should run nowhere: copied, moved, deleted
_NOWHERE = (_UNCLEAR, _UNCLEAR_SOURCE,
            Row({"domain": "running"}, REFUSE, "its domain runs on the host, where nothing of it should run while its disks are copied or deleted"),
            Row({"source": "running"}, REFUSE, "its domain runs on the host that it leaves, where nothing of it should run while its disks are moved"))

_MOVE_ROWS = {
    "here": Row({"move": "in_place"}, None, "its disks lie in one shared datastore, so that moving them again moves nothing"),
    "source": Row({"disks": "at_source"}, None, "all its disks are still where they came from"),
    "arrived": Row({"disks": "arrived"}, SUCCESS, "all its disks were seen at their destination"),
    "partial": Row({"disks": "partial"}, REFUSE, "its disks are in two places; look at them before anything is moved"),
    "else": Row({}, REFUSE, "its disks may already have arrived, and a retry of the move deletes the target first: look where they are"),
}


def _moves(action):
    rows = (_MOVE_ROWS[name] for name in ("here", "source", "arrived", "partial", "else"))
    return tuple(row._replace(action=row.action or action) for row in rows)


def _boots(action):
    return (
        _WORK,
        _OFF,
        _UNCLEAR_SOURCE,
        Row({"source": "running"}, REFUSE, "its domain runs on the host that it should have left"),
        _UNCLEAR,
        Row({"domain": "running", "monitored": "yes", "hypervisors": (UNKNOWN, "answered")}, SUCCESS, "its domain runs on the host"),
        _MONITOR,
        *_DOMAIN,
        _SILENT,
        Row({"domain": "absent"}, action, "its host was monitored since the daemon started and does not run it"),
    )


def _table():
    """Return state → rows. Every list ends with a row that fits always, or covers its column."""
    lost = (*_BUSY, *_TRANSFER, _WHEN, _SILENT)
    table = {
        "PROLOG": (*lost, _OFF, *_NOWHERE, Row({}, FAILURE, "the copy of its disks was lost with the daemon; it can be made again from the images")),
        "EPILOG": (*lost, _OFF, *_NOWHERE, Row({}, FAILURE, "the clean-up of its disks was lost with the daemon; it can be done again")),
        "PROLOG_MIGRATE_UNKNOWN": (*lost, _OFF, *_NOWHERE[:-1], Row({"source": "running"}, REFUSE, "its domain still runs on the host that it should leave"),
                                   Row({"source": UNKNOWN}, REFUSE, "it is not known whether its domain still runs on the host that it should leave"),
                                   *_moves(FAILURE)),
        "MIGRATE": (
            *_BUSY, _WORK, _WHEN,
            Row({"source": "running", "domain": "running"}, REFUSE, "its domain runs on both hosts: fence one of them"),
            _UNCLEAR, _UNCLEAR_SOURCE,
            Row({"source": UNKNOWN}, REFUSE, "it is not known whether its domain runs on the host that it leaves"),
            Row({"domain": UNKNOWN}, REFUSE, "it is not known whether its domain runs on the host that it goes to"),
            _SILENT,
            Row({"source": "absent", "domain": "running"}, SUCCESS, "its domain runs on the target and not on the source"),
            Row({"source": "running", "domain": "absent"}, FAILURE, "its domain runs on the source and not on the target"),
            Row({}, REFUSE, "its domain runs on neither host")),
        "SAVE_MIGRATE": (
            *_BUSY, *_TRANSFER, _WHEN,
            Row({"source": UNKNOWN, "monitored": (UNKNOWN, "no")}, WAIT,
                "the host that it leaves was not monitored since the daemon started; a report may tell whether it runs there"),
            Row({"source": UNKNOWN}, REFUSE, "it is not known whether its domain still runs on the host that it leaves"),
            _UNCLEAR, _UNCLEAR_SOURCE,
            Row({"domain": "running"}, REFUSE, "its domain runs on the target already, where it is not to be before it was saved"),
            _SILENT,
            Row({"source": "running"}, FAILURE, "its domain still runs on the source"),
            _OFF,
            Row({"checkpoint": "complete"}, SUCCESS, "its domain is gone from the source and its checkpoint is complete"),
            Row({}, REFUSE, "its domain is gone from the source and no complete checkpoint was seen")),
        "RESTORE": (*_BUSY, Row({}, REFUSE, "its disks may be half restored: restore them again, or look at them")),
        "CLEANUP_DELETE": (*_BUSY, Row({}, REFUSE, "it is being deleted; leftovers on its host have to be looked for by hand")),
        "CLEANUP_RESUBMIT": (
            *_BUSY, *_TRANSFER, _WHEN, *_DOMAIN, _UNCLEAR_SOURCE,
            Row({"domain": "running"}, REFUSE, "its domain still runs; put back to PENDING it would run twice"),
            # recreated while it migrated: what should clean up on both hosts may have reached neither
            Row({"source": "running"}, REFUSE, "its domain still runs on the host before; put back to PENDING it would run twice"),
            _SILENT,
            Row({}, FAILURE, "its domain is gone, so it can be scheduled again")),
        "CLONING": (Row({}, WAIT, "it waits for its images to be copied; the daemon takes no recover call in this state"),),
        "UNKNOWN": (_MONITOR._replace(reason="its host was not monitored since the daemon started; a report may show it running again"),
                    Row({}, LEAVE, "its host or its domain does not answer; recover would only write RUNNING")),
        "CLONING_FAILURE": (Row({}, LEAVE, "an image could not be copied; mend the image, recover does not help"),),
    }
    for state in _MOVES:
        table[state] = (*lost, _OFF, *_NOWHERE, *_moves(FAILURE))
    for state in _BOOTS:
        table[state] = (*_BUSY, *_boots(FAILURE)[:-1], _WHEN, _boots(FAILURE)[-1])
    for state in _SHUTDOWNS:
        table[state] = (
            *_BUSY, _OFF, _MONITOR,
            Row({"domain": "absent"}, WAIT, "its domain is gone; the next report of its host ends it"),
            Row({"domain": "unclear"}, WAIT, "its domain is there and does not simply run; it may be shutting down"),
            Row({"domain": UNKNOWN}, WAIT, "no report says that its domain runs; after two reports without it the daemon ends it by itself"),
            _WHEN, *_TRANSFER, _SILENT,
            Row({}, FAILURE, "its domain runs on; the order to shut down is lost and has to be given again"))
    for state in ("SAVE_STOP", "SAVE_SUSPEND"):
        table[state] = (
            *_BUSY, *_TRANSFER, _WHEN, _REPORT, *_DOMAIN, _SILENT,
            Row({"domain": "running"}, FAILURE, "its domain still runs, nothing was saved"),
            Row({"checkpoint": "complete"}, SUCCESS, "its domain is gone and its checkpoint is complete"),
            Row({}, REFUSE, "its domain is gone and no complete checkpoint was seen"))
    for state in ("HOTPLUG", "HOTPLUG_NIC"):
        table[state] = (
            *lost,
            Row({"operation": "detach", "device": "detached"}, SUCCESS, "the device is gone from the domain"),
            Row({"operation": "detach"}, FAILURE, "the device stays in its list, and detaching can be asked for again"),
            Row({"operation": "attach", "device": "attached"}, SUCCESS, "the domain has the device"),
            Row({"operation": "attach", "device": "detached"}, FAILURE, "the domain does not have the device"),
            Row({}, REFUSE, "it is not known whether the domain has the device; a wrong answer would free what it uses"))
    for state in _AGAIN:
        table[state] = (*lost, Row({}, FAILURE, "the operation was lost with the daemon; the VM is as before and the operation can be asked for again"))
    for state in _SNAPSHOTS:
        table[state] = (*lost, Row({"snapshot": "present"}, SUCCESS, "the disk has the snapshot"),
                        Row({"snapshot": "absent"}, FAILURE, "the disk does not have the snapshot"),
                        Row({}, REFUSE, "it is not known whether the disk has the snapshot"))
    for state in _SNAPSHOT_DELETES:
        table[state] = (*lost, Row({"snapshot": "absent"}, SUCCESS, "the snapshot is gone from the disk"),
                        Row({"snapshot": "present"}, FAILURE, "the disk still has the snapshot"),
                        Row({}, REFUSE, "it is not known whether the snapshot is gone from the disk"))
    for state in _REVERTS:
        table[state] = (*_BUSY, Row({}, REFUSE, "nothing tells whether the disk was reverted"))
    table.update({f"{state}_FAILURE": _after_failure(state) for state in ("PROLOG", "EPILOG", "PROLOG_MIGRATE_UNKNOWN") + _MOVES})
    table.update({f"{state}_FAILURE": _after_failure(state) for state in ("BOOT", "BOOT_MIGRATE", "BOOT_STOPPED", "BOOT_UNDEPLOY")})
    return table


def _after_failure(state):
    """Return the rows of the state in which ``state`` failed."""
    gate = (
        Row({"origin": "spent"}, LEAVE, "it failed again after our retry: see its ERROR and its log"),
        Row({"origin": ("other", UNKNOWN)}, LEAVE, "it failed by itself, not by the failover (option retry_failures takes these in)"),
    )
    if state.startswith("BOOT"):
        return (*gate, *_boots(RETRY))
    source = _NOWHERE
    if state == "PROLOG_MIGRATE_UNKNOWN":
        source += (Row({"source": UNKNOWN}, REFUSE, "it is not known to be gone from the host that it should leave"),)
    moves = state in _MOVES or state == "PROLOG_MIGRATE_UNKNOWN"
    last = _moves(RETRY) if moves else (Row({}, RETRY, "nothing of it is under way, so the step can be done again"),)
    return (*gate, *_TRANSFER, _SILENT, _OFF, *source, *last)


TABLE = _table()
STRANGE = Row({}, REFUSE, "this state is not known to this release of the collection")
QUIET = Row({}, LEAVE, "nothing is under way")

# Where a successful recovery ends; for a state with a _FAILURE state, F is followed by R, which ends where S does.
_ENDS = {
    "PROLOG": "RUNNING", "PROLOG_MIGRATE": "RUNNING", "PROLOG_RESUME": "RUNNING", "PROLOG_UNDEPLOY": "RUNNING", "PROLOG_MIGRATE_UNKNOWN": "RUNNING",
    "PROLOG_MIGRATE_POWEROFF": "POWEROFF", "PROLOG_MIGRATE_SUSPEND": "SUSPENDED", "EPILOG": "DONE", "EPILOG_STOP": "STOPPED", "EPILOG_UNDEPLOY": "UNDEPLOYED",
    "SAVE_STOP": "STOPPED", "SAVE_SUSPEND": "SUSPENDED", "CLEANUP_RESUBMIT": "PENDING",
}
_BACK = {"BOOT_UNKNOWN": "UNKNOWN", "BOOT_POWEROFF": "POWEROFF", "BOOT_SUSPENDED": "SUSPENDED", "CLEANUP_RESUBMIT": "PENDING"}


def decide(state, evidence):
    """Return the Decision for a VM in ``state``.

    >>> decide("PROLOG", Evidence(began="before", transfer="none")).action
    'failure'
    """
    if state in TABLE:
        row = fitting(TABLE[state], evidence)
    else:
        row = QUIET if vm_states.is_settled(state) else STRANGE
    return Decision(row.action, row.reason)


def fitting(rows, evidence):
    """Return the first row that fits, None when none does."""
    return next((row for row in rows if _fits(row, evidence)), None)


@functools.lru_cache(maxsize=None)
def columns(state):
    """Return the evidence that the decision about a state depends on."""
    return tuple(column for column in EVIDENCE if any(column in row.when for row in TABLE.get(state, ())))


def leads_to(state, action):
    """Return the state in which a recovery that begins with ``action`` ends when everything goes well."""
    if action not in ACTIONS:
        raise AssertionError(action)
    if vm_states.is_failure(state):
        state = vm_states.under_way(state)
    elif _resting(state) or (action == FAILURE and vm_states.failure_of(state) is None):
        return _failed_back(state)
    return _ENDS.get(state, "RUNNING")


def _resting(state):
    """Tell whether success, too, only brings the VM back to where it rested (an operation on a VM that is not running)."""
    return state.startswith(("HOTPLUG", "DISK_", "BACKUP"))


def _failed_back(state):
    if state in _BACK:
        return _BACK[state]
    return next((rest for rest in ("POWEROFF", "SUSPENDED", "UNDEPLOYED", "STOPPED") if _resting(state) and state.endswith(rest)), "RUNNING")


def _fits(row, evidence):
    for column, wanted in row.when.items():
        value = getattr(evidence, column)
        if value != wanted if isinstance(wanted, str) else value not in wanted:
            return False
    return True
