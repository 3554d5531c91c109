# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""delete, recreate and delete-db: what the table of recovery.py never chooses, for a VM that somebody named together with the operation.

A demand says what is wanted, not that it is safe. What the daemon would refuse, or accept and ignore, in the VM's state is refused before it is called
(shared/field-notes/opennebula-recover.md and its matrices of 5.0.2, 5.12.13, 6.10.5 and 7.4.0), and so is what the evidence speaks against:
  delete      DONE at once, clean-up scripts go on without anyone waiting. So not where something of the domain is out of their reach.
  recreate    PENDING, whether the clean-up succeeds or fails (CLEANUP_RESUBMIT: failure and success are the same). So only where no domain runs.
  delete-db   DONE in the database and nothing else. A domain that ran would run on, unknown to all. So only where none runs, too.
What a daemon of a release does in a state that nobody recorded is not guessed.
"""
from __future__ import annotations

from . import recovery, vm_states
from .recovery import LEAVE, REFUSE, UNKNOWN, WAIT, Decision, Row

DELETE, RECREATE, DELETE_DB = "delete", "recreate", "delete-db"
OPERATIONS = (DELETE, RECREATE, DELETE_DB)
COLUMNS = ("began", "transfer", "domain", "source", "hypervisors")
_DELETE_DB_SINCE, _RESTING_SINCE = (5, 8), (6, 10)
# recreate triggers no clean-up here, and only a second one brings the VM from CLEANUP_RESUBMIT to PENDING: state → series in which that was seen
_TWICE = {"HOTPLUG_SAVEAS_POWEROFF": ((5, 0), (5, 0)), "HOTPLUG_SAVEAS_SUSPENDED": ((5, 0), (5, 0)),
          "HOTPLUG_SAVEAS_UNDEPLOYED": ((6, 10), None), "HOTPLUG_SAVEAS_STOPPED": ((6, 10), None)}
_ONCE_SINCE = {"HOTPLUG_SAVEAS_POWEROFF": (5, 12), "HOTPLUG_SAVEAS_SUSPENDED": (5, 12)}
_IGNORED = ("CLONING", "CLONING_FAILURE", "CLEANUP_DELETE")

_FIRST = (
    Row({"transfer": "running"}, WAIT, "something still works on it or on its files, and would work on without it"),
    Row({"began": ("after", "behind")}, WAIT, "the running daemon is still at work on it, and what it asked of its drivers would go on without it"),
    Row({"began": "overdue", "hypervisors": UNKNOWN}, WAIT, "the running daemon began it, and nobody was asked whether a host is still at work on it"),
    Row({"began": UNKNOWN}, REFUSE, "nothing tells whether the running daemon is at work on it: neither its history nor a log on this front-end"),
    Row({"transfer": UNKNOWN}, WAIT, "transfers that the dead daemon left get time to end first"),
    Row({"hypervisors": "silent"}, REFUSE,
        "a host that may have its domain or its disks cannot be asked; if it is without power for certain, name it in hosts_off"),
    Row({"domain": "running", "source": "running"}, REFUSE, "its domain runs on two hosts: fence one of them"),
    Row({"domain": "unclear"}, REFUSE, "something of its domain is on the host, and it does not simply run: end that first"),
    Row({"source": "unclear"}, REFUSE, "something of its domain is on the host before, and it does not simply run: end that first"),
)
_ANYWHERE = tuple(row for row in _FIRST if not set(row.when) - {"transfer", "began"})       # what counts for a VM that never had a host, too
_NO_DOMAIN = (
    Row({"domain": UNKNOWN}, REFUSE, "it is not known whether its domain runs on the host"),
    Row({"source": UNKNOWN}, REFUSE, "it is not known whether its domain runs on the host before"),
)
_TWO = "it would be PENDING even if the clean-up did not end that, and run twice: power it off there first"
_LOST = "it would run on there, on disks, leases and a host's capacity that OpenNebula takes for free: end it there first, or delete the VM instead"
_TABLE = {
    DELETE: (
        *_FIRST,
        Row({"source": "running"}, REFUSE, "its domain runs on the host before, which the clean-up may not reach: end it there first"),
        Row({"domain": UNKNOWN, "hypervisors": ("answered", "off")}, REFUSE,
            "its host and the daemon's reports contradict each other in whether its domain runs"),
    ),
    RECREATE: (*_FIRST, Row({"domain": "running"}, REFUSE, f"its domain runs on the host; {_TWO}"),
               Row({"source": "running"}, REFUSE, f"its domain runs on the host before; {_TWO}"), *_NO_DOMAIN),
    DELETE_DB: (*_FIRST, Row({"domain": "running"}, REFUSE, f"ITS DOMAIN RUNS on the host; {_LOST}"),
                Row({"source": "running"}, REFUSE, f"ITS DOMAIN RUNS on the host before; {_LOST}"), *_NO_DOMAIN),
}
_AT_REST = Row({"domain": "running"}, REFUSE,
               "its domain runs on the host although the VM is said to be at rest, so that no clean-up ends it: end it there first")


def check(demanded, release=None):
    """Return what is wrong with demands, as texts. release: of the daemon, None while it was not asked."""
    numbers = [demand["id"] for demand in demanded]
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    problems = [f"VM {number} is demanded {numbers.count(number)} times; one operation for each VM" for number in twice]
    if release is not None and vm_states.series(release) < _DELETE_DB_SINCE:
        problems += [f"VM {demand['id']}: the daemon is of release {release}, which has no delete-db (5.8 was the first)" for demand in demanded
                     if demand["operation"] == DELETE_DB]
    return problems


def named(demanded, vms, zone, zones):
    """Return what VMs named by id mean in one zone of a run: the zone's own demands, and, as texts, what is not clear. A number is its zone's own.

    >>> named([{"id": 7, "operation": "delete", "zone": "beta"}], [], "alpha", ["alpha", "beta"])
    {'demanded': [], 'problems': []}
    """
    run = ", ".join(zones)
    problems = []
    if vms and len(zones) > 1:
        problems.append(f"recovery_vms names VMs by id, which every zone counts for itself, and the run has zones {run}: --limit it to the front-ends of one")
    for demand in demanded:
        what = f"recovery_demanded: VM {demand.get('id')} ({demand.get('operation')})"
        if not demand.get("zone") and len(zones) > 1:
            problems.append(f"{what} names no zone, and the run has zones {run}: add zone, or --limit the run to the front-ends of one")
        elif demand.get("zone") and demand["zone"] not in zones:
            problems.append(f"{what} names zone {demand['zone']}, which is not in the run: it has {run or 'none'}")
    own = [demand for demand in demanded if not demand.get("zone") or demand["zone"] == zone]
    return {"demanded": [{key: value for key, value in demand.items() if key != "zone"} for demand in own], "problems": problems}


def decide(operation, state, release, known, placed=True, moved=True, again=False):
    """Return the Decision about a demand.

    placed: the VM is, or was, on a host; moved: on another one before, so that its evidence counts; again: this is the second call that some states need.

    >>> decide("delete", "RUNNING", "7.4.0", recovery.Evidence(transfer="none", domain="running", source="absent", hypervisors="answered")).action
    'delete'
    """
    impossible = _impossible(operation, state, vm_states.series(release), again)
    if impossible:
        return impossible
    if vm_states.is_settled(state) or again or not placed:
        known = known._replace(began="before")
    known = known if moved else known._replace(source="absent")
    row = recovery.fitting(_rows(operation, state) if placed else _ANYWHERE, known)
    return Decision(row.action, row.reason) if row else Decision(operation, "asked for by id")


def _rows(operation, state):
    rest = vm_states.code(state)[0] != vm_states.ACTIVE
    return _TABLE[operation] + ((_AT_REST,) if operation == DELETE and rest else ())


def _impossible(operation, state, release, again):
    """Return the Decision where the state and the release alone make it."""
    if vm_states.family(state) is None or state == "INIT":
        return Decision(REFUSE, f"what the daemon does with {operation} in this state is not known")
    if state == "DONE":
        return Decision(REFUSE, "it is DONE, and what is DONE cannot be recreated") if operation == RECREATE else Decision(LEAVE, "it is DONE: nothing to do")
    if operation == DELETE_DB and release < _DELETE_DB_SINCE:
        return Decision(REFUSE, "the daemon's release has no delete-db (5.8 was the first)")
    return _not_recreated(state, release, again) if operation == RECREATE else None


def _not_recreated(state, release, again):
    if state == "PENDING":
        return Decision(LEAVE, "it is PENDING, as it is after a recreate: nothing to do")
    if state in _IGNORED:
        return Decision(REFUSE, f"the daemon accepts recreate in {state} and does nothing")
    if state in ("POWEROFF", "SUSPENDED") and release < _RESTING_SINCE:
        return Decision(REFUSE, f"the daemon's release does not recreate a VM in {state} (6.10 was the first): resume it first, or delete it")
    if state in _TWICE and not takes_two(state, release) and release < _ONCE_SINCE.get(state, (999,)):
        return Decision(REFUSE, f"what a daemon of this release does with recreate in {state} was never recorded; on others it stays in CLEANUP_RESUBMIT")
    if state == "CLEANUP_RESUBMIT" and not again:
        return Decision(WAIT, "it is being recreated already")
    return None


def takes_two(state, release):
    """Tell whether recreate leaves the VM in CLEANUP_RESUBMIT, without a clean-up, until it is called once more."""
    first, last = _TWICE.get(state, ((999,), None))
    return first <= tuple(release) and (last is None or tuple(release) <= last)


def leads_to(operation):
    return "PENDING" if operation == RECREATE else "DONE"


def consequences(operation, state, release, persistent=()):
    """Return in words what is destroyed and what is left behind. persistent: the VM's disks that are."""
    if operation == DELETE_DB:
        return ["delete-db only writes DONE into the database, at once and for good",
                "no clean-up runs: whatever there is of its domain, its folders and its disks stays where it is, and has to be looked for by hand"]
    if operation == RECREATE and takes_two(state, vm_states.series(release)):
        words = [f"recreate gives up what the disks hold and puts the VM back to PENDING; in {state} it takes two calls",
                 "no clean-up runs in this state: its old folder stays where it is, and has to be removed by hand"]
    elif operation == RECREATE:
        words = ["recreate destroys its disks in the system datastore and puts the VM back to PENDING, to be made anew from its images, on whatever host",
                 "it is PENDING even if the clean-up fails; what that leaves has to be looked for by hand"]
    else:
        words = ["delete destroys the VM and its disks in the system datastore; it is DONE at once and for good",
                 "the clean-up goes on afterwards and nobody waits for it; what it leaves has to be looked for by hand"]
    if state == "CLEANUP_DELETE":
        words.append("the host's capacity may stay taken (seen where CLEANUP_DELETE had been written by hand and recover ended it)")
    if persistent:
        words.append(f"persistent: {', '.join(f'disk.{number}' for number in persistent)}; see first that what was written was saved back to the image")
    return words
