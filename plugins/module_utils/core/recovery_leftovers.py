# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of VMs on hypervisors where the daemon has no use for them: found and explained, never removed, and no evidence for a verdict.

Such a folder may be the only copy of a disk, so that a wrong word here would cost data. One is told only when all of this holds:
  - its system datastore belongs to that host alone: its driver copies disks from host to host, its file system is a local one, and no other host shows
    the very same folder (the same host under another name, a file system that is shared after all);
  - the host said all of it: its domains, its processes, the whole listing; none of them has to do with the VM, and nothing has the folder open;
  - nothing happened to the folder or to the VM for a while, and the daemon, asked after the host, says that the VM
      is not known, or is DONE, or
      rests (RUNNING, POWEROFF, SUSPENDED) on another host, which was asked as well and has a folder of the VM.
Whatever is under way, waits (PENDING), is on the front-end (STOPPED, UNDEPLOYED) or stuck is not told: its folders are its evidence.
"""
from __future__ import annotations

from collections import namedtuple
from xml.etree import ElementTree

from . import evidence, recovery_run
from .errors import CoreError
from .hypervisor import FRONT_END, LOCATION, Report

SETTLED_S = 600             # younger traces may be of something that just ended: a migration, a termination, a clean-up
MANY = 50                   # VMs to be asked for one by one; of more, those that simply rest are read from their pools
_COPYING = ("ssh", "local")
_RESTING = {5: "SUSPENDED", 8: "POWEROFF"}
_SYSTEM = 1                 # TYPE of a datastore (Datastore.h)

Place = namedtuple("Place", "host store vm")

_ELSEWHERE = ("its VM is {state} on {own}, which has a folder of it, too; nothing on this host uses this one",
              "Compare the disks of both. If those on {own} are whole and the newer ones, remove this folder by hand.")
_DONE = ("its VM is DONE; this should have been deleted with it",
         "If one of its images is persistent, see first that what the VM wrote was saved back to it. Then remove this folder by hand.")
_UNKNOWN = ("the daemon has no such VM (any more)",
            "It may be all that is left of the VM: find out whose it was, and save what is needed. Then remove this folder by hand.")


def stores(text):
    """Return the numbers of the system datastores that each host has for itself."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise CoreError("cannot read the datastore pool", why=f"it is not XML: {error}") from None
    return [int(node.findtext("ID")) for node in root.findall("DATASTORE")
            if node.findtext("TYPE") == str(_SYSTEM) and node.findtext("TM_MAD") in _COPYING and (node.findtext("ID") or "").isdigit()]


def told(api, reports, unrest, now, asked=(), location=LOCATION):
    """Return the leftovers as data. reports: host → what it answered; unrest: ids of the VMs that have a verdict; asked: only these VMs, if any."""
    hosts = {host: report for host, report in reports.items() if isinstance(report, Report) and host != FRONT_END}
    seen = {}                                               # (datastore, VM) → host → Stored
    for host, report in sorted(hosts.items()):
        for key, stored in report.stored.items():
            seen.setdefault(key, {})[host] = stored
    doubtful = {}                                           # VM → Places
    for (store, number), there in seen.items():
        if number not in unrest and (not asked or number in asked):
            for host in there:
                if _idle(host, number, hosts[host], there):
                    doubtful.setdefault(number, []).append(Place(host, store, number))
    if len(doubtful) > MANY:
        _cross_off(api, doubtful)
    found = []
    for number, places in sorted(doubtful.items()):
        answered, vm = _read(api, number) if places else (False, None)
        for place in places if answered else ():
            words = _judge(place, vm, seen, hosts[place.host], now)
            if words:
                found.append(_told(place, vm, words, seen, location))
    return found


def _idle(host, number, report, there):
    """Tell whether a folder belongs to this host alone, and nothing there has to do with it."""
    stored = there[host]
    if report.domains is None or report.busy is None or not stored.local or stored.open or stored.age_s < SETTLED_S:
        return False
    if any((stored.inode, stored.written) == (other.inode, other.written) for name, other in there.items() if name != host):
        return False
    return f"one-{number}" not in report.domains and f"one-{number}" not in report.guests


def _cross_off(api, doubtful):
    """Leave out the folders of VMs that rest where the folder is."""
    for state in _RESTING:
        for page in api.vm_pool(state):
            for vm in evidence.parse_vms(page):
                if vm.id in doubtful:
                    doubtful[vm.id] = [place for place in doubtful[vm.id] if place.host != vm.host]


def _read(api, number):
    """Return whether the daemon told about the VM, and the VM; none when it has none of this number."""
    try:
        return True, recovery_run.find_vm(api, number)
    except CoreError as error:
        if getattr(error, "code", None) is None:
            raise
        return False, None


def _judge(place, vm, seen, report, now):
    """Return (reason, remedy) of a leftover, None for a folder that is none, or that nobody can be sure about."""
    if vm is None:
        return _UNKNOWN
    last = vm.records[-1] if vm.records else None
    moved = max((time for record in vm.records[-2:] for time in record.times.values()), default=now)
    if last is None or moved > now - SETTLED_S or vm.deploy_id in report.domains or vm.deploy_id in report.guests:
        return None
    if vm.state == "DONE":
        return _DONE
    if vm.state in ("RUNNING", *_RESTING.values()) and last.host != place.host and last.host in seen.get((last.ds_id, vm.id), ()):
        return tuple(text.format(state=vm.state, own=last.host) for text in _ELSEWHERE)
    return None


def _told(place, vm, words, seen, location):
    stored = seen[place.store, place.vm][place.host]
    return {"host": place.host, "path": f"{location}/{place.store}/{place.vm}", "vm": place.vm, "name": vm.name if vm else "", "state": vm.state if vm else "",
            "vm_host": vm.host if vm and vm.state != "DONE" else None, "age_s": stored.age_s,
            "size_mib": None if stored.kib is None else -(-stored.kib // 1024), "reason": words[0], "remedy": words[1]}
