# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the daemon's pools, this front-end's logs and our own journal say about a VM, weighed into recovery.Evidence.

When did the transition begin? The history record has a start time for some steps only; a suspend or a shutdown leaves none. So, strongest first:
our journal (a retry of ours), a time in the record that is later than the daemon's start, the last state that a daemon of this host logged, the record's
time of the step under way. The log comes after the record, because it may be of another time: when this front-end was active last, before the daemon
logged to syslog, in the hour that comes twice. And where the running daemon logs into files, a VM that it never logged a new state for cannot have begun
anything since it started.
Times are whole seconds; the same second as the daemon's start counts as after it, which is the side that does nothing.

What does monitoring say of a domain? Seen: LAST_POLL (from 5.12 also MONITORING/TIMESTAMP) moved since the daemon started, with state a.
Not seen: the host was monitored since then, and a VM that a report "a" would have brought to RUNNING (BOOT*) is still where it was. Not so in a cloud,
nor from 5.12 on, where a host's report does not tell of its VMs.
"""
from __future__ import annotations

from collections import namedtuple
from xml.etree import ElementTree

from . import vm_states
from .errors import CoreError
from .recovery import UNKNOWN, Evidence

# deploy_id: the driver's name of the domain; disks: those that must exist, extras: other files of theirs; attaching: what the domain has of a
# device that is being attached or detached (target of a disk, MAC of a NIC); snapshot: (disk, id) of the disk snapshot under way; locked: 'onevm lock' (5.6).
Vm = namedtuple("Vm", "id name owner state host hid previous_host seq action last_poll poll records error deploy_id disks extras attaching snapshot locked",
                defaults=("", (), (), "", None, False))
Disk = namedtuple("Disk", "id size_mib is_file persistent", defaults=(False,))
# whole: a report of it tells of all its VMs (up to 5.10, with LAST_MON_TIME; later ones come in parts, at times of their own)
Host = namedtuple("Host", "id name state monitored_at whole", defaults=(True,))
Record = namedtuple("Record", "seq host hid tm_mad ds_id action times vm_mad", defaults=("",))

# Facts of the moment, shared by all VMs. logs: this daemon writes its logs into files here. release: the daemon's, asked for where it matters.
# stuck_after_s: 0 for never; drivers: what the daemon's drivers run here at all, when that matters
Scene = namedtuple("Scene", "now started logs hosts transfers journal transfer_settle_s monitoring_settle_s retry_failures release "
                   "stuck_after_s drivers", defaults=("", 0, ()))

_TIMES = ("STIME", "ETIME", "PSTIME", "PETIME", "RSTIME", "RETIME", "ESTIME", "EETIME")
_IN_PLACE = ("shared", "qcow2")             # drivers whose system datastore is the same directory on every host
MONITORED = 2                               # what a host is once its report came
# and DISABLED (still probed). Not MONITORING_MONITORED and its like (up to 5.10): their time is when the host was asked, dead or not (Host.h of 5.0.2)
_MONITORED = (MONITORED, 4)
# state → the time in the last record at which this step began. Others leave none (SAVE_STOP, SAVE_SUSPEND, SHUTDOWN*, operations on a VM that is off).
_BEGAN = {"MIGRATE": "STIME", "SAVE_MIGRATE": "STIME", "HOTPLUG": "STIME", "HOTPLUG_NIC": "STIME", "DISK_SNAPSHOT": "STIME", "DISK_SNAPSHOT_DELETE": "STIME",
          "CLEANUP_RESUBMIT": "ETIME"}
_BEGAN_FAMILY = {"PROLOG": "PSTIME", "EPILOG": "ESTIME"}
_TIMED = ("MIGRATE", "SAVE_MIGRATE")                      # of _BEGAN, those whose record begins with the step in every release
_BOOTS_BEGAN = ("BOOT", "BOOT_MIGRATE", "BOOT_STOPPED", "BOOT_UNDEPLOY", "BOOT_POWEROFF", "BOOT_SUSPENDED")      # BOOT_UNKNOWN keeps the old RSTIME
# What refuses to start a domain that it has already. A cloud does not: deploy of ec2 makes another instance (ec2_driver.rb), and reports the first one only
# once it was tagged, which the daemon's death may have prevented.
_ONE_OF_A_KIND = ("kvm", "qemu", "xen", "lxd", "lxc", "firecracker", "vmware", "vcenter", "dummy")
_SINGLE_HOST = ("SAVE_STOP", "SAVE_SUSPEND", "SHUTDOWN", "SHUTDOWN_POWEROFF", "SHUTDOWN_UNDEPLOY")


def parse_vms(text):
    """Return the VMs of a pool or of one.vm.info."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise CoreError("cannot read the VM pool", why=f"it is not XML: {error}") from None
    return [_vm(node) for node in ([root] if root.tag == "VM" else root.findall("VM"))]


def parse_hosts(text):
    """Return the Hosts of a pool, or of one.host.info, by id.

    From 5.12 on LAST_MON_TIME is gone; MONITORING/TIMESTAMP stands in one.host.info only, and is empty in the pool (recorded from 7.4.0).
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise CoreError("cannot read the host pool", why=f"it is not XML: {error}") from None
    hosts = [Host(_int(node, "ID"), node.findtext("NAME"), _int(node, "STATE"), _int(node, "LAST_MON_TIME") or _int(node, "MONITORING/TIMESTAMP"),
                  node.find("LAST_MON_TIME") is not None)
             for node in ([root] if root.tag == "HOST" else root.findall("HOST")) if node.find("ID") is not None]
    return {host.id: host for host in hosts}


def weigh(vm, scene, last_logged, shown=None):
    """Return the Evidence about one VM.

    last_logged: (time, state) of the last state that a daemon of this host logged, or None. shown: column → value of what its hypervisors
    show (core.hypervisor.facts). Where they and the daemon's reports contradict each other, nothing is known.
    """
    entry = _ours(vm, scene)
    monitored = _monitored(vm, scene)
    return _with(shown or {}, Evidence(
        began=_aged(_began(vm, scene, last_logged, entry), vm, scene, last_logged, entry),
        transfer=_transfer(vm, scene),
        monitored=monitored,
        origin=_origin(vm, scene, entry),
        domain=_domain(vm, scene, monitored),
        source=_source(vm, scene),
        move=_move(vm),
        operation=_operation(vm),
    ))


def _ours(vm, scene):
    """Return our last call for the VM; one of an earlier history record was about another operation, and tells nothing of this one."""
    entry = scene.journal.get(vm.id)
    return entry if entry and entry.get("seq", vm.seq) == vm.seq else None


def _with(shown, evidence):
    for column, value in shown.items():
        have = getattr(evidence, column)
        if column == "transfer":
            evidence = evidence._replace(transfer="running")       # a process at work anywhere is one
        elif value == "unclear":
            evidence = evidence._replace(**{column: value})        # a report cannot contradict it: it tells running domains, and no paused ones
        else:
            evidence = evidence._replace(**{column: value if have in (UNKNOWN, value) else UNKNOWN})
    return evidence


def _began(vm, scene, last_logged, entry):
    started = int(scene.started)
    if entry and entry.get("operation") in ("retry", "recreate") and entry.get("time", 0) >= started:
        return "after"
    last = vm.records[-1] if vm.records else None
    if last and max(last.times.values(), default=0) >= started:
        return "after"
    if last_logged and last_logged[1] == vm.state:
        return "after" if last_logged[0] >= started else "before"
    if last_logged and last_logged[0] >= started:
        return UNKNOWN                      # the log speaks of another state than the daemon: look again
    if last is None:
        return UNKNOWN
    if scene.logs or last.times.get(_step_time(vm.state), 0):
        return "before"
    return UNKNOWN


def _aged(began, vm, scene, last_logged, entry):
    """Tell what takes longer than the operator gives it. Unlike for "before", an earlier time than the true one would be the wrong side to be on."""
    under_way = began == "after" and not vm_states.is_settled(vm.state)
    since = _since(vm, scene, last_logged, entry) if under_way and scene.stuck_after_s else None
    if since is None or scene.now - since < scene.stuck_after_s:
        return began
    return "behind" if scene.drivers else "overdue"


def _since(vm, scene, last_logged, entry):
    """Return the time since when the VM has certainly been in its state, None when nothing tells: only what this daemon logged, or a record's own time."""
    times = []
    if last_logged and last_logged[1] == vm.state and last_logged[0] >= int(scene.started):
        times.append(last_logged[0])
    record = vm.records[-1].times if vm.records else {}
    if vm.state in _BOOTS_BEGAN + _TIMED or vm_states.family(vm.state) in _BEGAN_FAMILY:
        times += [time for time in (record.get(_step_time(vm.state), 0),) if time]
    return max([*times, *record.values(), entry.get("time", 0) if entry else 0]) if times else None


def _step_time(state):
    if state in _BOOTS_BEGAN:
        return "RSTIME"
    return _BEGAN.get(state) or _BEGAN_FAMILY.get(vm_states.family(state))


def _transfer(vm, scene):
    if vm.id in scene.transfers:
        return "running"
    return "none" if scene.now - scene.started >= scene.transfer_settle_s else UNKNOWN


def _monitored(vm, scene):
    leaving = vm.state in ("MIGRATE", "SAVE_MIGRATE") and len(vm.records) > 1
    host = scene.hosts.get(vm.records[-2].hid if leaving else vm.hid)
    if host is None:
        return UNKNOWN
    return "yes" if host.state in _MONITORED and host.monitored_at >= scene.started + scene.monitoring_settle_s else "no"


def _origin(vm, scene, entry):
    if not vm_states.is_failure(vm.state):
        return UNKNOWN
    if entry and entry.get("operation") == "failure" and entry.get("state") == vm_states.under_way(vm.state):
        return "ours"
    if scene.retry_failures:
        return "asked"
    if entry and entry.get("operation") == "retry" and entry.get("state") == vm.state:
        return "spent" if entry.get("time", 0) >= int(scene.started) else "ours"        # a retry that was lost with another daemon
    return "other"


def _seen(vm, scene):
    """Return what a report that is newer than the running daemon said of the domain: a, d, e, or nothing."""
    return vm.poll if vm.last_poll >= int(scene.started) + 1 else ""


def _domain(vm, scene, monitored):
    if vm.state in _SINGLE_HOST:
        return "running" if _seen(vm, scene) == "a" else UNKNOWN
    known = vm.records and vm.records[-1].vm_mad in _ONE_OF_A_KIND and vm.hid in scene.hosts and scene.hosts[vm.hid].whole
    return "absent" if vm.state.startswith("BOOT") and monitored == "yes" and known else UNKNOWN


def _source(vm, scene):
    # Both hosts own a VM under way between them, and a report does not say whose it is. But before it is saved it can only run where it was.
    return "running" if vm.state == "SAVE_MIGRATE" and _seen(vm, scene) == "a" else UNKNOWN


def _move(vm):
    if not vm.records or not vm.records[-1].tm_mad:
        return UNKNOWN
    stores = {record.ds_id for record in vm.records[-2:]}
    return "in_place" if vm.records[-1].tm_mad in _IN_PLACE and len(stores) == 1 else "copying"


def _operation(vm):
    word = vm.action.rpartition("-")[2]
    return word if vm.state.startswith("HOTPLUG") and word in ("attach", "detach") else UNKNOWN


def _vm(node):
    records = [Record(_int(record, "SEQ"), record.findtext("HOSTNAME") or "", _int(record, "HID", -1), record.findtext("TM_MAD") or "",
                      _int(record, "DS_ID", -1),
                      _int(record, "ACTION"), {name: _int(record, name) for name in _TIMES if record.find(name) is not None},
                      record.findtext("VM_MAD") or "")
               # by its whole path: owners write what they like into USER_TEMPLATE, also a HISTORY or a VM
               for record in node.iterfind("HISTORY_RECORDS/HISTORY")]
    last = records[-1] if records else None
    return Vm(id=_int(node, "ID"), name=node.findtext("NAME") or "", owner=node.findtext("UNAME") or "",
              state=vm_states.name(_int(node, "STATE"), _int(node, "LCM_STATE")), host=last.host if last else None, hid=last.hid if last else None,
              seq=last.seq if last else -1, last_poll=max(_int(node, "LAST_POLL"), _int(node, "MONITORING/TIMESTAMP")),
              poll=node.findtext("MONITORING/STATE") or "",
              error=node.findtext("USER_TEMPLATE/ERROR") or "", deploy_id=node.findtext("DEPLOY_ID") or "",
              locked=_int(node, "LOCK/LOCKED") > 0, **_past(tuple(records)), **_devices(node))


def with_earlier(vm, records):
    """Return the VM with the records before its last one, which pools do not have."""
    return vm._replace(**_past(tuple(records) + vm.records[-1:]))


def _past(records):
    before = records[-2] if len(records) > 1 else None
    # 5.0 writes what a migration or a hot-plug is into the record before the new one; 7.x into both
    action = next((record.action for record in reversed(records[-2:]) if record.action), 0)
    return {"records": records, "previous_host": before.host if before and before.hid != records[-1].hid else None,
            "action": vm_states.HISTORY_ACTIONS.get(action, str(action))}


def _devices(node):
    """Return what the template says of the VM's disks, and of the device or snapshot that an operation is about."""
    disks = {disk: Disk(_int(disk, "DISK_ID", -1), _int(disk, "SIZE"), disk.findtext("DISK_TYPE", "FILE").upper() in ("FILE", "CDROM", ""),
                        disk.findtext("PERSISTENT") == "YES")
             for disk in node.iterfind("TEMPLATE/DISK")}
    context = node.findtext("TEMPLATE/CONTEXT/DISK_ID")
    attaching = [disk.findtext("TARGET") for disk in disks if disk.findtext("ATTACH") == "YES"]
    attaching += [(nic.findtext("MAC") or "").lower() for nic in node.iterfind("TEMPLATE/NIC") if nic.findtext("ATTACH") == "YES"]
    snapshots = [(disks[disk], _int(disk, "DISK_SNAPSHOT_ID", -1)) for disk in disks if disk.findtext("DISK_SNAPSHOT_ACTIVE") == "YES"]
    return {"disks": tuple(disks.values()), "extras": (f"disk.{context}",) if context else (), "attaching": attaching[0] or "" if len(attaching) == 1 else "",
            "snapshot": snapshots[0] if len(snapshots) == 1 and snapshots[0][1] >= 0 else None}


def _int(node, path, default=0):
    text = node.findtext(path)
    try:
        return int(float(text)) if text else default
    except ValueError:
        return default
