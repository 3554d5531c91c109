# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Survey the VMs, recover the stuck ones, follow each to a state in which nothing is under way.

The daemon (adapters/opennebula.py) and the front-end (adapters/frontend.py) are given as objects; time passes only through ``pause``.
A recovery takes one call or two: failure, then, from the state where that leads, retry. There is no second plan for the second call: each round
reads everything again and asks the same table, so what an interrupted run left behind (our journal knows it) is finished by the next one.
"""
from __future__ import annotations

import contextlib
from collections import namedtuple

from . import evidence, hypervisor, hypervisor_facts, recovery, recovery_demands, vm_states
from .errors import CoreError, NotConverged, Problems
from .plan import Change, Plan

ACTIVE = 3
POOLS = (ACTIVE, 10, 11)    # and CLONING, CLONING_FAILURE: the STATEs in which something is under way or failed
SLOW_S = 3                  # the daemon answers a recover call before it acts on it; a state younger than this may still be the one before the call
NO_SUCH_OBJECT = 1024       # the daemon's error code
REMOVED = ("the daemon does not have it any more: somebody took it out of the database meanwhile (onevm recover --delete-db); "
           "its domain and its folder on {host} may still be there, look for them by hand")
LOOK_S = 10                 # how old an answer of a hypervisor may be when it is acted upon
Options = namedtuple(
    "Options", "vms transfer_settle_s monitoring_settle_s retry_failures wait_timeout_s poll_s batch max_failures hosts_off datastore_location "
    "transfers_elsewhere order demanded stuck_after_s",
    defaults=(None, 30, 60, False, 300, 1.0, 50, 5, (), hypervisor.LOCATION, (), (), (), 0))
# hosts: name → answered, off, or why not; demand: the operation that was asked for by the VM's id; words: what that destroys and what was seen of the VM
Finding = namedtuple("Finding", "vm evidence decision hosts demand words", defaults=({}, None, ()))
CALLS = recovery.ACTIONS + recovery_demands.OPERATIONS


def check(options):
    """Refuse options with which nothing is ever begun, whatever check mode foresees, or the daemon is asked without a pause."""
    problems = [f"{name} is {getattr(options, name)}; the least is {least}" for name, least in (("batch", 1), ("max_failures", 1), ("wait_timeout_s", 0))
                if getattr(options, name) < least]
    if options.poll_s <= 0:
        problems.append(f"poll_s is {options.poll_s}; it must be more than 0")
    least = max(options.transfer_settle_s, options.monitoring_settle_s, 1)
    if options.stuck_after_s and options.stuck_after_s < least:
        problems.append(f"stuck_after_s is {options.stuck_after_s}; it must be 0 (never), or at least what transfers and monitoring get, here {least}")
    problems += recovery_demands.check(options.demanded or ())
    if problems:
        raise Problems("cannot recover VMs with these options", problems)


def check_named(api, host, options):
    """Refuse VMs that the daemon does not have, and operations that its release does not have. One that we deleted and that was purged is no mistake."""
    demands = _demands(options)
    if not demands and not options.vms:
        return
    problems = recovery_demands.check(options.demanded or (), api.version()) if demands else []
    missing = [number for number in dict.fromkeys([*(options.vms or ()), *demands]) if find_vm(api, number) is None]
    journal = host.journal() if missing else {}
    problems += [f"VM {number}: the daemon has no VM of this number" for number in missing
                 if journal.get(number, {}).get("operation") not in (recovery_demands.DELETE, recovery_demands.DELETE_DB)]
    if problems:
        raise Problems("cannot recover these VMs", problems, "A VM's number is its zone's own; onevm list shows those of this one. Nothing was done.")


def _demands(options):
    return {demand["id"]: demand["operation"] for demand in options.demanded or ()}


def survey(api, host, options, known=None, hypervisors=None, called=None):
    """Return a Finding for every VM in which something is, or was, under way, and for those that an operation is demanded for.

    ``known`` keeps histories between surveys of one run.

    hypervisors: a Look, or None to leave them alone. called: VM id → when recover was called for it.
    """
    return [_in_words(_left_elsewhere(finding, options)) for finding in _survey(api, host, options, known, hypervisors, called)]


def _in_words(finding):
    """Put what a demand destroys, and what was seen of its VM, into the reason."""
    if not finding.demand or finding.decision.action == recovery.LEAVE:
        return finding
    reason = finding.decision.reason + ("" if finding.decision.action == finding.demand else f" (asked for: {finding.demand})")
    return finding._replace(decision=finding.decision._replace(reason="; ".join([reason, *finding.words])))


def _with_reports(api, scene, wanted):
    """Return the hosts with the times of their last reports. From 5.12 on pools have none, so that the hosts that matter are asked for one by one."""
    hosts = dict(scene.hosts)
    for number, host in scene.hosts.items():
        if number in wanted and not host.whole and not host.monitored_at:
            try:
                hosts.update(evidence.parse_hosts(api.host(number)))
            except CoreError as error:
                if getattr(error, "code", None) != NO_SUCH_OBJECT:
                    raise
    return hosts


def _left_elsewhere(finding, options):
    """A VM that another front-end's transfer works on is left alone; what was seen there before this run began cannot be waited for."""
    if finding.vm.id not in options.transfers_elsewhere or finding.decision.action not in CALLS + (recovery.WAIT,):
        return finding
    return finding._replace(decision=recovery.Decision(
        recovery.REFUSE, "a transfer for it runs on another front-end, left by the daemon that was there: wait until it ends, then run again"))


def _survey(api, host, options, known, hypervisors, called):
    known = {} if known is None else known
    scene = look(api, host, options)
    demands = _demands(options)
    whole = [_with_history(api, vm, known) for vm in _moving(api, options.vms) if vm.id not in demands] + [find_vm(api, number) for number in demands]
    unrest = sorted((vm for vm in whole if vm and (vm_states.family(vm.state) != "REST" or vm.id in demands)), key=_number)
    scene = scene._replace(hosts=_with_reports(api, scene, {record.hid for vm in unrest for record in vm.records[-2:]}))
    findings = [judge(vm, scene, host, demand=demands.get(vm.id)) for vm in unrest]
    if hypervisors is None:
        return findings
    # what the daemon is at work on, and what rests in a failure that is not ours, is no business of a hypervisor
    open_ = [finding.vm for finding in findings if finding.decision.action != recovery.LEAVE
             and (vm_states.is_failure(finding.vm.state) or _lost(finding) or finding.demand)]
    doubts = _doubts(scene, options)
    reports, numbers = dict(hypervisors.at(open_, host.now(), called or {}), **doubts), {vm.id for vm in open_}
    off, seen = [name for name in options.hosts_off if name not in doubts], hypervisors.reports()
    return [_alone(judge(finding.vm, scene, host, reports, off, options.datastore_location, finding.demand), scene, seen)
            if finding.vm.id in numbers else finding for finding in findings]


def _number(vm):
    return vm.id


def _alone(finding, scene, seen):
    """Refuse what any host contradicts that was asked in this run, also for other VMs and a while ago: its domain is where nothing looks for it."""
    strays = hypervisor_facts.strays(finding.vm, seen, scene.hosts.values())
    if not strays or finding.decision.action not in CALLS:
        return finding
    return finding._replace(decision=recovery.Decision(
        recovery.REFUSE, f"something of its domain is on {', '.join(strays)}, where it should not be: it may run twice, or elsewhere than the daemon says; "
                         "look there first"))


def _doubts(scene, options):
    """Return host → why it is not believed to be off: it reported to the daemon a moment ago. A mistaken name would let its VMs run twice."""
    return {host.name: f"{host.name}: it is said to be off, and it reported to the daemon {max(0, int(scene.now - host.monitored_at))} s ago"
            for host in scene.hosts.values() if host.name in options.hosts_off and host.state == evidence.MONITORED
            and scene.now - host.monitored_at < options.monitoring_settle_s}


def _moving(api, asked):
    """Return the VMs in which something is under way, by id. A page is let go before the next is read: most VMs of a cloud just run."""
    found = {}
    for page in (page for state in POOLS for page in api.vm_pool(state)):
        for vm in evidence.parse_vms(page):
            found.pop(vm.id, None)          # seen before, in another state
            if vm_states.family(vm.state) != "REST" and (not asked or vm.id in asked):
                found[vm.id] = vm
    return [found[number] for number in sorted(found)]


def _read_here(state):
    """Tell whether _moving finds a VM in this state."""
    codes = vm_states.names().get(state, (ACTIVE if state.startswith("LCM_STATE_") else None, 0))
    return codes[0] in POOLS and vm_states.family(state) != "REST"


class Look:
    """What the hypervisors answered, asked anew when it is too old or does not speak of all VMs."""

    def __init__(self, adapter, options, stores=()):
        self.adapter, self.options, self.stores = adapter, options, stores      # stores: datastores whose folders are all listed
        self.answers = {}           # host → (when, questions, Report or why not)
        self.moments = {}           # host → the moments of demanded VMs that it was asked in

    def at(self, vms, now, called):
        """Return host → Report, or the text that says why there is none, for the hosts of these VMs.

        What was seen before a VM's last call is no evidence for its next one: what ended in between (a mv, its deletion of the source) was not seen.
        ``called`` is in whole seconds, rounded down. For a demand, which cannot be undone, what was seen in another state of the VM is none either.
        """
        demands = _demands(self.options)
        wanted = hypervisor_facts.questions(vms, self.options.datastore_location, demands)
        moments = {vm.id: (vm.id, vm.state, vm.seq) for vm in vms if vm.id in demands}
        stale = {host: rows for host, rows in wanted.items() if host not in self.options.hosts_off and not self._fresh(host, rows, now, called, moments)}
        self.moments.update({host: {moments[row.vm] for row in rows if row.vm in moments} for host, rows in stale.items()})
        location = self.options.datastore_location
        scripts = {host: hypervisor.script(rows, location=location, stores=self.stores) for host, rows in stale.items()}
        for host, answer in self.adapter.ask(scripts).items():
            report = str(answer) if isinstance(answer, CoreError) else hypervisor.parse(answer, stale[host], location) or f"{host}: its answer was cut off"
            self.answers[host] = (now, set(stale[host]), report)
        return {host: self.answers[host][2] for host in wanted if host in self.answers}

    def reports(self):
        """Return host → what it answered last."""
        return {host: report for host, (unused, unused2, report) in self.answers.items()}

    def _fresh(self, host, rows, now, called, moments):
        when, answered, unused = self.answers.get(host, (None, (), None))
        return when is not None and 0 <= now - when < LOOK_S and set(rows) <= set(answered) and \
            {moments[row.vm] for row in rows if row.vm in moments} <= self.moments.get(host, set()) and all(called.get(row.vm, 0) + 1 <= when for row in rows)


def look(api, host, options):
    """Return the facts that all VMs share."""
    started = host.daemon_started()
    if started is None:
        raise CoreError("cannot tell which VMs are stuck", why="no oned runs on this host, so it is not known when it started",
                        hint="Run this on the front-end that holds the zone's address.")
    return evidence.Scene(now=host.now(), started=started, logs=host.logs_since(started), hosts=evidence.parse_hosts(api.host_pool()),
                          transfers=host.transfers() | host.transfers_by_hand(),
                          journal=host.journal(), transfer_settle_s=options.transfer_settle_s, monitoring_settle_s=options.monitoring_settle_s,
                          retry_failures=options.retry_failures, release=api.version() if options.demanded else "",
                          stuck_after_s=options.stuck_after_s, drivers=tuple(host.drivers_at_work()) if options.stuck_after_s else ())


def judge(vm, scene, host, reports=None, off=(), location=hypervisor.LOCATION, demand=None):
    words = () if demand is None or vm.state == "DONE" else (
        *recovery_demands.consequences(demand, vm.state, scene.release, [disk.id for disk in vm.disks if disk.persistent]),
        *hypervisor_facts.shown(vm, reports or {}, off, location))
    if reports is None:
        known = evidence.weigh(vm, scene, host.last_state(vm.id))
        return Finding(vm, known, _in_time(_decide(vm, known, scene, demand), known, scene), demand=demand, words=words)
    hosts = hypervisor_facts.asked(vm, reports, off)
    known = evidence.weigh(vm, scene, host.last_state(vm.id), hypervisor_facts.facts(vm, reports, off, location))
    decision = _decide(vm, known, scene, demand)
    silent = [why for why in hosts.values() if why not in (hypervisor_facts.ANSWERED, hypervisor_facts.OFF)]
    if silent and decision.action in (recovery.REFUSE, recovery.WAIT):
        decision = decision._replace(reason=f"{decision.reason} ({'; '.join(silent)})")
    return Finding(vm, known, _in_time(decision, known, scene), hosts, demand, words)


def _in_time(decision, known, scene):
    """Say of what took too long why it counts as given up, or what it waits for; it was not lost with a daemon."""
    if known.began == "overdue" and decision.action in CALLS:
        return decision._replace(reason=f"it takes longer than {scene.stuck_after_s} s, and neither a driver here nor a host works on it; "
                                        f"as after a lost daemon, {decision.reason}")
    if known.began == "behind" and decision.action == recovery.WAIT:
        return decision._replace(reason=f"{decision.reason} ({', '.join(scene.drivers[:3])})")
    return decision


def _decide(vm, known, scene, demand):
    again = _recreated_once(vm, scene)
    if demand is None or (demand == recovery_demands.RECREATE and vm.state == "CLEANUP_RESUBMIT" and not again):
        decision = recovery.decide(vm.state, known)         # a recreate that is under way ends as any
    else:
        decision = recovery_demands.decide(demand, vm.state, scene.release, known, bool(vm.records), bool(vm.previous_host), again)
    if not vm.locked or decision.action not in CALLS:
        return decision
    return recovery.Decision(recovery.REFUSE, f"it is locked (onevm lock): unlock it first; without the lock it would be recovered by {decision.action}, "
                                              f"because {decision.reason}")


def _recreated_once(vm, scene):
    """Tell whether we recreated the VM from a state in which that takes a second call. It had its time to be acted upon."""
    call = scene.journal.get(vm.id, {})
    return (vm.state == "CLEANUP_RESUBMIT" and call.get("operation") == recovery_demands.RECREATE and call.get("seq") == vm.seq
            and scene.now - call.get("time", 0) > SLOW_S and bool(scene.release)
            and recovery_demands.takes_two(call.get("state"), vm_states.series(scene.release)))


def _leads_to(state, action):
    if action in recovery_demands.OPERATIONS:
        return recovery_demands.leads_to(action)
    return recovery.leads_to(state, action) if action in recovery.ACTIONS else None


def stuck(finding):
    """Tell whether the VM waits for something that nobody is doing (or that nobody can say is being done)."""
    return not vm_states.is_settled(finding.vm.state) and _lost(finding)


def _lost(finding):
    return finding.evidence.began not in ("after", "behind")


def _unasked(finding):
    """Tell whether the VM waits for a host to answer: nobody waits for that with it."""
    return finding.evidence.began == "overdue" and finding.evidence.hypervisors in (recovery.UNKNOWN, "silent")


def told(finding):
    """Return a finding as data: what info returns, and the beginning of what a run returns."""
    vm = finding.vm
    return {
        "id": vm.id, "name": vm.name, "owner": vm.owner, "state": vm.state, "family": vm_states.family(vm.state) or "", "host": vm.host,
        "previous_host": vm.previous_host, "last_operation": vm.action, "stuck": stuck(finding), "action": finding.decision.action,
        "reason": finding.decision.reason, "hosts": finding.hosts, "demanded": finding.demand,
        "evidence": {name: getattr(finding.evidence, name) for name in recovery.EVIDENCE
                     if name in recovery.columns(vm.state) or (finding.demand and name in recovery_demands.COLUMNS)},
        "leads_to": _leads_to(vm.state, finding.decision.action),
    }


def _with_history(api, vm, known):
    """Return the VM with all its history, None when it is no more.

    A pool has the last record only (VirtualMachine::to_xml_extended); those before it stay as they are.
    """
    if vm.seq < 1 or len(vm.records) > 1:
        return vm
    if (vm.id, vm.seq) not in known:
        now = find_vm(api, vm.id)
        if now is None:
            return None
        known[vm.id, vm.seq] = now.records[:-1]
    return evidence.with_earlier(vm, known[vm.id, vm.seq])


def read_vm(api, number):
    return evidence.parse_vms(api.vm(number))[0]


def find_vm(api, number):
    """Return the VM, None when the daemon has none of this number: onevm recover --delete-db took it out of the database, or a purge of old ones."""
    try:
        return read_vm(api, number)
    except CoreError as error:
        if getattr(error, "code", None) != NO_SUCH_OBJECT:
            raise
        return None


class Run:
    """One recovery: rounds of survey and action until nothing is left to do or to wait for."""

    def __init__(self, api, host, options, check_mode, pause, hypervisors=None):
        self.api, self.host, self.options, self.check_mode, self.pause = api, host, options, check_mode, pause
        self.hypervisors = hypervisors
        self.vms = {}               # VM id → what is told about it
        self.changes = []
        self.known = {}
        self.open = set()           # VMs that we called recover for and that have not come to rest
        self.missed = set()         # VMs that the last reading of the pool did not have, and that are under way nevertheless

    def go(self):
        try:
            # two at once would each look, and both call: failure on a move that failed moves back, a second retry copies over the first
            with contextlib.nullcontext() if self.check_mode else self.host.alone():
                self._rounds()
        except CoreError as error:
            with contextlib.suppress(CoreError):        # it may be the journal that fails
                self._give_up(f"recovery ended before it did: {error.what}")
            error.data.update(self.results())
            raise
        failed = self.failed()
        if failed:
            shown = "; ".join(f"VM {number} {self.vms[number]['result']} in {self.vms[number]['state_after']}" for number in failed[:3])
            raise NotConverged(f"{len(failed)} of {len(self.changes)} VMs under recovery did not come to rest", why=shown + ("; …" if len(failed) > 3 else ""),
                               hint="Look at their ERROR attribute and log; what became of every VM is in error.vms.", **self.results())
        return Plan(tuple(self.changes))

    def results(self):
        """Return what is told; a VM without a result was to be recovered, and an error or a limit (failures, time) came before its turn or its end."""
        vms = [self.vms[number] for number in sorted(self.vms)]
        for vm in vms:
            vm["result"] = vm["result"] or ("unfinished" if vm["calls"] else "not_begun")
        return {"vms": vms, "left": [vm["id"] for vm in vms if vm["result"] == "not_begun" or (
            (vm["stuck"] or vm_states.is_failure(vm["state"]) or vm["demanded"]) and vm["result"] in ("refused", "waiting", "failed", "unfinished"))]}

    def failed(self):
        return [number for number in sorted(self.vms) if self.vms[number]["result"] in ("failed", "unfinished")]

    def _rounds(self):
        deadline = self.host.now() + self.options.wait_timeout_s
        check_named(self.api, self.host, self.options)
        while True:
            findings = survey(self.api, self.host, self.options, self.known, self.hypervisors,
                              {number: self.vms[number]["calls"][-1]["time"] for number in self.open})
            self._notice({finding.vm.id: finding for finding in findings})
            todo = [finding for finding in findings if self._wanted(finding)]
            begun = [finding for finding in todo if finding.vm.id in self.open]
            room = len(todo) if self.check_mode else max(0, self.options.batch - len(self.open))        # what is foreseen takes nobody's place
            fresh = sorted((finding for finding in todo if finding.vm.id not in self.open), key=self._turn)[:room]
            looked = self.host.now()
            for finding in begun + fresh:
                if self.host.now() - looked > LOOK_S:
                    break               # a slow daemon, a large batch: the rest is looked at again first
                if finding.vm.id in self.open or len(self.failed()) < self.options.max_failures:
                    self._act(finding)
            # a *_FAILURE state waits only when we brought the VM there, in a run that was cut short, or when it is asked for
            waiting = [finding for finding in findings if finding.decision.action == recovery.WAIT and not _unasked(finding)
                       and (stuck(finding) or vm_states.is_failure(finding.vm.state) or (finding.demand and not self.vms[finding.vm.id]["calls"]))]
            if not self.open and not self.missed and not waiting and (self.check_mode or not todo or len(self.failed()) >= self.options.max_failures):
                return
            if self.host.now() >= deadline:
                self._give_up(f"it did not come to rest within the {self.options.wait_timeout_s} s of the recovery")
                return
            self.pause(self.options.poll_s)

    def _turn(self, finding):
        """Return what the VMs to be begun are sorted by: the operator's order of families, then of VMs, then the id."""
        state, order, vms = finding.vm.state, list(self.options.order), list(self.options.vms or ())
        family = vm_states.family(vm_states.under_way(state) if vm_states.is_failure(state) else state)
        return (order.index(family) if family in order else len(order), vms.index(finding.vm.id) if finding.vm.id in vms else len(vms),
                finding.vm.id)

    def _wanted(self, finding):
        """Tell whether this round should act on the VM: once per step, and never again after a failure."""
        record = self.vms[finding.vm.id]
        if finding.decision.action not in CALLS or record["result"] in ("failed", "predicted"):
            return False
        made = [call["operation"] for call in record["calls"]]
        if finding.decision.action == recovery_demands.RECREATE and made and finding.vm.id in self.open:
            return finding.vm.state == "CLEANUP_RESUBMIT" and made == [recovery_demands.RECREATE]        # the second call that some states need
        return finding.decision.action not in made and not set(made) & set(recovery_demands.OPERATIONS)

    def _notice(self, findings):
        """Bring what is told up to date with what was read."""
        for number, finding in findings.items():
            record = self.vms.get(number)
            if record is None:
                record = self.vms[number] = dict(told(finding), calls=[], state_after=finding.vm.state, result="")
            record["state_after"] = finding.vm.state
            if number in self.open:
                self._follow(record, finding)
            elif not record["calls"] and record["result"] != "predicted":
                record.update(told(finding), result={"wait": "waiting", "refuse": "refused", "leave": "left"}.get(finding.decision.action, ""))
        self.missed = {number for number in set(self.vms) - set(findings) if not self._gone(self.vms[number])}

    def _follow(self, record, finding):
        """A VM of ours that is not at rest: done where it should end, or failed again."""
        last = record["calls"][-1]
        if last["operation"] in recovery_demands.OPERATIONS:
            # PENDING may be over before we look: a scheduler gives what was recreated a new record
            anew = last["operation"] == recovery_demands.RECREATE and finding.vm.seq > last["seq"] and finding.vm.state != "CLEANUP_RESUBMIT"
            if finding.vm.state == record["leads_to"] or anew:
                self._close(record, "recovered")
            return
        retried = [call["time"] for call in record["calls"] if call["operation"] == recovery.RETRY]
        spent = vm_states.is_failure(finding.vm.state) and retried and self.host.now() - retried[-1] >= SLOW_S
        if finding.vm.state == record["leads_to"]:
            self._close(record, "recovered")
        elif spent or (not retried and vm_states.is_settled(finding.vm.state)
                       and finding.decision.action not in (recovery.RETRY, recovery.SUCCESS, recovery.WAIT)):
            record["error"] = finding.vm.error
            self._close(record, "failed", "it failed again; its ERROR attribute and its log tell why" if spent else finding.decision.reason)

    def _gone(self, record):
        """A VM in which nothing is under way any more: ours is where it should be or rests elsewhere; the others resolved by themselves.

        False for one that is under way: the STATEs are read one after the other, and it may have gone from one that was not yet read to one that was.
        """
        if record["result"] in ("", "waiting", "refused", "left") or record["id"] in self.open:
            now = find_vm(self.api, record["id"])
            if now is None:
                record.update(state_after=None, reason=REMOVED.format(host=record["host"] or "a host"))
                self._close(record, "removed", record["reason"])
                return True
            record["state_after"] = now.state
            if _read_here(record["state_after"]):
                return False
            ours = record["id"] in self.open
            self._close(record, ("recovered" if record["state_after"] == record["leads_to"] else "settled") if ours else "resolved")
        return True

    def _close(self, record, result, why=""):
        """Note how a VM ended; in the journal, too, when we called recover for it. ``why``: our words or the daemon's, never an owner's (ERROR)."""
        record["result"] = result
        self.open.discard(record["id"])
        if record["calls"]:
            outcome = {"vm": record["id"], "result": result, "state_after": record["state_after"], "seq": record["calls"][-1]["seq"],
                       "time": int(self.host.now())}
            self.host.record(dict(outcome, why=why) if why else outcome, sync=False)       # no decision depends on it

    def _act(self, finding):
        vm, action, record = finding.vm, finding.decision.action, self.vms[finding.vm.id]
        if not record["calls"]:
            record.update(told(finding))
            self.changes.append(Change("vm", f"{vm.id} {vm.name}".strip(), vm.state, record["leads_to"]))
        if self.check_mode:
            record["result"] = "predicted"
            return
        now = find_vm(self.api, vm.id)
        if now is None or (now.state, now.seq, now.locked) != (vm.state, vm.seq, vm.locked) or vm.id in self.host.transfers_by_hand():
            if not record["calls"]:
                self.changes.pop()          # the ground moved: the next round looks at it afresh
            return
        call = {"operation": action, "state": vm.state, "seq": vm.seq, "time": int(self.host.now()), "reason": finding.decision.reason}
        self.host.record(dict(call, vm=vm.id))
        record["calls"].append(call)
        self.open.add(vm.id)
        try:
            (self.api.vm_recover_demanded if action in recovery_demands.OPERATIONS else self.api.vm_recover)(vm.id, action)
        except CoreError as error:
            if getattr(error, "code", None) is None:
                raise                       # nobody answered: this is about the daemon, not about the VM
            if error.code == NO_SUCH_OBJECT:
                return                      # the next round tells that it is no more
            record["error"] = str(error)
            self._close(record, "failed", error.why)

    def _give_up(self, why):
        for number in sorted(self.open):
            self._close(self.vms[number], "unfinished", why)
