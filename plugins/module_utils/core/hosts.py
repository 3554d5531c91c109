# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts: what is wanted of them, and the calls that bring them there; a kind of pool_objects.py.

one.host.allocate takes name, IM driver, VM driver and cluster (-1: the daemon's default), attributes follow by one.host.update. one.host.status
(0 enabled, 1 disabled, 2 offline) is there from 5.0 on; 5.0.2 has no one.host.enable (measured). Enabling sets a host in ERROR back to INIT, so
a host that is enabled already is left alone.
"""
from __future__ import annotations

from collections import namedtuple
from xml.etree import ElementTree

from . import pool_objects, templates, versions, vm_states
from .errors import CoreError, Problems
from .plan import Change, Plan
from .pool_objects import OID, Calls

KIND, PLURAL = "host", "hosts"
STATES = ("INIT", "MONITORING_MONITORED", "MONITORED", "ERROR", "DISABLED", "MONITORING_ERROR", "MONITORING_INIT", "MONITORING_DISABLED", "OFFLINE")
OUT_OF_USE = ("DISABLED", "MONITORING_DISABLED", "OFFLINE")
ENABLE, DISABLE = 0, 1
EVERY_STATE = -1                        # of one.vmpool.info: every VM that is not DONE
RESCHED = ("RUNNING", "UNKNOWN")
RESCHED_POWEROFF_SINCE = (5, 10)        # DispatchManager::resched: not in 5.8.5, in 5.10.5
DRIVERS = {name: "is the host's driver: use the options im and vm" for name in ("IM_MAD", "VM_MAD")}
# What probes and the daemon write into a host's template. Not told by host_info, for it would be declared then.
MONITORED = frozenset("""
ARCH CPUSPEED HOSTNAME HYPERVISOR MODELNAME NETRX NETTX TOTALCPU TOTALMEMORY FREECPU FREEMEMORY USEDCPU USEDMEMORY VERSION ERROR CGROUPS_VERSION
KVM_CPU_MODEL KVM_CPU_MODELS KVM_MACHINES KVM_CPU_FEATURES VM VM_POLL DS DS_LOCATION_USED_MB DS_LOCATION_FREE_MB DS_LOCATION_TOTAL_MB PCI
IM_MAD VM_MAD
""".split())
# Encrypted by the shipped oned.conf of 5.10 to 6.10 beside those whose names tell: nobody could give them back
ENCRYPTED = frozenset("EC2_ACCESS AZ_ID AZ_CERT AZ_SUB AZ_CLIENT AZ_TENANT".split())

Wanted = namedtuple("Wanted", "id name im vm cluster enabled state attributes update_secrets")
Vm = namedtuple("Vm", "id state resched")
State = namedtuple("State", "hosts clusters vms clear release")      # clear: {host id: template with its secrets decrypted}; None: not asked for
NOTHING = State((), None, {}, {}, None)


def wanted(items, update_secrets="always"):
    """Return what the module was asked for; raises Problems with all mistakes at once."""
    problems, hosts = [], []
    for item in items:
        name = item.get("name")
        label = f"host {name if name is not None else item.get('id')}"
        attributes = templates.wanted(item.get("attributes"), item.get("secrets"), label, problems, DRIVERS)
        cluster = item.get("cluster")
        host = Wanted(item.get("id"), name, item.get("im"), item.get("vm"), None if cluster in (None, "") else str(cluster), item.get("enabled"),
                      item.get("state") or "present", attributes, update_secrets)
        pool_objects.identify(host, KIND, problems)
        if host.state == "flushed" and host.enabled:
            problems.append(f"{label}: a flushed host is disabled; leave enabled out")
        hosts.append(host)
    problems += pool_objects.twice(hosts, "id", "name")
    if problems:
        raise Problems("cannot use these hosts", problems)
    return hosts


def read(api, text, want):
    """Return the State. Asks for clusters only when a host has to enter one, for VMs only to flush, for single hosts only to compare secrets."""
    hosts = pool_objects.objects(text, "HOST")
    found = [(_find(hosts, host), host) for host in want]
    entering = any(host.state == "present" and host.cluster is not None and not (known and _in_cluster(known, host.cluster)) for known, host in found)
    flushing = any(known and host.state == "flushed" and _vm_ids(known) for known, host in found)
    clear = pool_objects.clear(api, KIND, [pair for pair in found if pair[1].state == "present"])
    return State(hosts, pool_objects.objects(api.pool("cluster"), "CLUSTER") if entering else None,
                 _vms(api.vm_pool(EVERY_STATE)) if flushing else {}, clear, versions.number(api.version()) if flushing else None)


def plan(state, want):
    """Return the Plan; raises Problems before anything is touched when one of the hosts cannot be brought there."""
    warnings = []
    return Plan(pool_objects.planned(lambda host: _changes(state, host, warnings), want, PLURAL), tuple(warnings))


def allocated(change, oid):
    """Nothing to do: the daemon gives hosts any id."""


def described(state):
    """Return the hosts in the shape of the module's option, without what monitoring writes and without secrets."""
    return [_described(host)[0] for host in state.hosts]


def details(state):
    """Return what else the pool tells of each host."""
    return [{"id": host.id, "name": host.name, "state": _state(host), "vms": _vm_ids(host),
             "last_monitored": host.number("LAST_MON_TIME") or host.number("MONITORING/TIMESTAMP"), "hidden": _described(host)[1]}
            for host in state.hosts]


def _described(host):
    kept = {name: values for name, values in host.template.items() if name not in ("RESERVED_CPU", "RESERVED_MEM") or values != [""]}
    attributes, hidden = templates.described(kept, MONITORED, lambda name: templates.hides(name) or name in ENCRYPTED)
    return {"id": host.id, "name": host.name, "im": host.text("IM_MAD"), "vm": host.text("VM_MAD"), "cluster": host.text("CLUSTER") or None,
            "enabled": _enabled(host), "attributes": attributes}, hidden


def _find(hosts, host):
    return next((known for known in hosts if (known.id == host.id if host.id is not None else known.name == host.name)), None)


def _state(host):
    number = host.number("STATE")
    return STATES[number] if number < len(STATES) else str(number)


def _enabled(host):
    return _state(host) not in OUT_OF_USE


def _vm_ids(host):
    return [int(node.text) for node in host.node.findall("VMS/ID")]


def _in_cluster(known, reference):
    return pool_objects.means(pool_objects.Named(known.number("CLUSTER_ID"), known.text("CLUSTER")), reference)


def _vms(pages):
    return {int(node.findtext("ID")): Vm(int(node.findtext("ID")), vm_states.name(int(node.findtext("STATE")), int(node.findtext("LCM_STATE"))),
                                         node.findtext("RESCHED") == "1") for page in pages for node in ElementTree.fromstring(page).findall("VM")
            if node.find("STATE") is not None}


def _changes(state, host, warnings):
    known = _find(state.hosts, host)
    if host.state == "absent":
        return [_deletion(known)] if known else []
    if host.state == "flushed":
        return _flush(state, known, host, warnings)
    if known is None:
        return [_creation(state, host)]
    return _update(state, known, host) + pool_objects.secret_update(KIND, known, host, state.clear)


def _deletion(known):
    vms = _vm_ids(known)
    if vms or known.number("HOST_SHARE/RUNNING_VMS"):
        raise CoreError(f"cannot remove host {known.name}", why=f"it has VMs ({', '.join(map(str, vms)) or known.text('HOST_SHARE/RUNNING_VMS')}), "
                        "and the daemon removes no host with VMs", hint="Move or terminate them first (state: flushed lets the scheduler move those that run).")
    before = {"id": known.id, "im": known.text("IM_MAD"), "vm": known.text("VM_MAD"), "cluster": known.text("CLUSTER")}
    return Change("host", known.name, before, None, step=Calls((("one.host.delete", OID),), known.id))


def _creation(state, host):
    if host.id is not None:
        raise pool_objects.not_there(host, KIND)
    missing = [option for option in ("im", "vm") if not getattr(host, option)]
    if missing:
        raise CoreError(f"cannot create host {host.name}", why=f"it does not exist, and a new host needs {' and '.join(missing)}",
                        hint="Declare them: the NAMEs of the IM_MAD and VM_MAD stanzas in oned.conf.")
    values = {name: found for name, found in host.attributes.values.items() if found is not None}
    cluster = pool_objects.referred(state.clusters, host.cluster, "cluster") if host.cluster is not None else None
    calls = [("one.host.allocate", host.name, host.im, host.vm, cluster.id if cluster else -1)]
    calls += [("one.host.update", OID, *templates.update({}, values, any(map(host.attributes.is_secret, values))))] if values else []
    calls += [("one.host.status", OID, DISABLE)] if host.enabled is False else []
    after = {"im": host.im, "vm": host.vm}
    after.update({"cluster": host.cluster} if host.cluster is not None else {})
    after.update({"enabled": host.enabled} if host.enabled is not None else {})
    after.update({"attributes": templates.told({}, values, host.attributes.secret)[1]} if values else {})
    return Change("host", host.name, None, after, step=Calls(tuple(calls)))


def _update(state, known, host):
    for option, path in (("im", "IM_MAD"), ("vm", "VM_MAD")):
        if getattr(host, option) not in (None, known.text(path)):
            raise CoreError(f"cannot change the driver of host {known.name}", why=f"{option} is {known.text(path)}, wanted {getattr(host, option)}",
                            hint="Move its VMs away, remove the host (state: absent) in one task, and declare it anew in the next.")
    before, after = {}, {}
    calls = pool_objects.rename(KIND, known, host, state.hosts, before, after)
    if host.cluster is not None and not _in_cluster(known, host.cluster):
        before["cluster"], after["cluster"] = known.text("CLUSTER"), host.cluster
        calls.append(("one.cluster.addhost", pool_objects.referred(state.clusters, host.cluster, "cluster").id, OID))
    calls += pool_objects.update(KIND, known, host, before, after)
    if host.enabled is not None and host.enabled != _enabled(known):
        before["enabled"], after["enabled"] = not host.enabled, host.enabled
        calls.append(("one.host.status", OID, ENABLE if host.enabled else DISABLE))
    return [Change("host", known.name, before, after, step=Calls(tuple(calls), known.id))] if calls else []


def _flush(state, known, host, warnings):
    """Disable the host and have its VMs rescheduled, as ``onehost flush``; what the daemon would refuse is told and left."""
    if known is None:
        if state is NOTHING:
            return []
        raise CoreError(f"cannot flush host {host.name or host.id}", why="it does not exist")
    vms = [state.vms[number] for number in _vm_ids(known) if number in state.vms]
    legal = RESCHED + (("POWEROFF",) if state.release and state.release >= RESCHED_POWEROFF_SINCE else ())
    todo = [vm.id for vm in vms if vm.state in legal and not vm.resched]
    stay = [f"{vm.id} ({vm.state})" for vm in vms if vm.state not in legal]
    if stay:
        warnings.append(f"host {known.name}: only running VMs can be rescheduled; these stay: {', '.join(stay)}")
    calls = [("one.host.status", OID, DISABLE)] if _enabled(known) else []
    calls += [("one.vm.action", "resched", number) for number in todo]
    before, after = {"enabled": _enabled(known)}, {"enabled": False}
    after.update({"rescheduled": todo} if todo else {})
    return [Change("host", known.name, before, after, step=Calls(tuple(calls), known.id))] if calls else []
