# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the answers of hypervisors say of a VM: which of recovery.Evidence they fill.

Where a host did not answer, nothing is known of it, unless an operator says that it is off: then nothing runs there, and of its files nothing is known.

Disks on the move are at both ends for a while, so one end alone proves nothing. OpenNebula's tm/ssh/mv (5.0 to 7.4) deletes its target, copies the whole
folder with tar, and deletes the source when tar said that it was all there; tm/shared/mv is one mv, into the target if that exists. Hence:
  at_source   all disks are there, and the target has nothing that the source does not have: no deletion began, and moving again loses nothing.
  arrived     all disks are there, the source has not all of them any more and nothing that the target does not have: its deletion began, so the copy ended.
A full-sized disk alone is no proof of a copy: a live migration of local disks (6.10 kvm/migrate) begins with empty images of the right size on the target.
"""
from __future__ import annotations

import re
from collections import namedtuple

from . import recovery
from .hypervisor import FRONT_END, LOCATION, Question, Report
from .recovery import UNKNOWN

Place = namedtuple("Place", "host folder")

MIB = 1 << 20
ANSWERED, OFF = "answered", "off"
CLOCK_S = 10                # qemu may write its images once more after libvirt finished the checkpoint

_TO_FRONTEND = ("EPILOG_STOP", "EPILOG_UNDEPLOY")
_FROM_FRONTEND = ("PROLOG_RESUME", "PROLOG_UNDEPLOY")
_KVM = ("kvm", "qemu")
_COPYING = ("ssh", "local")                             # mv copies and deletes
_FILES = _COPYING + ("shared", "qcow2")                 # drivers whose disks are files disk.<id> in the VM's folder
_RUNS = ("running", "idle")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


# --- asking ------------------------------------------------------------------------------------------------------------------

def questions(vms, location=LOCATION, listed=()):
    """Return host → Questions, for VMs on hypervisors that we know how to ask (KVM), and for the front-end that some move disks from or to.

    listed: ids of VMs whose folders are listed wherever they may be.
    """
    wanted = {}
    for vm in vms:
        for place, wants in _looks(vm, location, vm.id in listed).items():
            wanted.setdefault(place.host, []).append(Question(vm.id, _names(vm)[-1], vm.deploy_id if _UUID.fullmatch(vm.deploy_id) else "",
                                                              place.folder, wants))
    return {host: sorted(rows) for host, rows in sorted(wanted.items())}


def _looks(vm, location, listed=False):
    """Return Place → what to look for in its folder."""
    here, before, columns = _here(vm, location), _before(vm, location), recovery.columns(vm.state)
    found = dict.fromkeys(filter(None, (before if vm.previous_host else None, here)), "")
    if "disks" in columns:
        source, target = _ends(vm, location)
        found.update({place: wants for place, wants in ((source, "f"), (target, "fq")) if place})
    elif "checkpoint" in columns:
        found.update({place: "fc" for place in (_saves_to(vm, location),) if place})
    elif "snapshot" in columns and here:
        found[here] = "f"
    if listed:
        found.update({place: "f" for place in _places(vm, location) if "f" not in found.get(place, "")})
    return found


def _places(vm, location):
    """Return where a folder of the VM may be: on its host, on the one before, and, when it is or was on its way there, on this front-end."""
    here, before = _here(vm, location), _before(vm, location)
    parked = any(word in vm.state for word in ("STOP", "UNDEPLOY", "PROLOG_RESUME"))
    found = [here, before if vm.previous_host else None, Place(FRONT_END, here.folder) if here and parked else None]
    return list(dict.fromkeys(place for place in found if place))


def _names(vm):
    """Return the names that the VM's domain may have: what an imported one is called, and one-<id>, as OpenNebula's deployment files say."""
    imported = _NAME.fullmatch(vm.deploy_id) and not _UUID.fullmatch(vm.deploy_id)
    return ([vm.deploy_id] if imported and vm.deploy_id != f"one-{vm.id}" else []) + [f"one-{vm.id}"]


def _here(vm, location):
    return _place(vm, vm.records[-1], location) if vm.records else None


def _before(vm, location):
    return _place(vm, vm.records[-2], location) if len(vm.records) > 1 else None


def _place(vm, record, location):
    return Place(record.host, f"{location}/{record.ds_id}/{vm.id}") if record.vm_mad in _KVM and record.ds_id >= 0 else None


def _ends(vm, location):
    """Return where the disks of the VM are moved from and to in its state."""
    here, state = _here(vm, location), vm.state.replace("_FAILURE", "")
    front_end = Place(FRONT_END, here.folder) if here else None
    if state in _TO_FRONTEND:
        return here, front_end
    return (front_end, here) if state in _FROM_FRONTEND else (_before(vm, location), here)


def _saves_to(vm, location):
    return _before(vm, location) if vm.state == "SAVE_MIGRATE" else _here(vm, location)


# --- weighing ----------------------------------------------------------------------------------------------------------------

def facts(vm, reports, off=(), location=LOCATION):
    """Return column → value of what the hosts show of the VM; a column that they do not settle is not in it.

    reports: host → Report, or a text that says why there is none. off: hosts of which somebody vouches that they are without power.
    """
    found = {
        "domain": _domain(vm, vm.host, reports, off),
        "source": _domain(vm, vm.previous_host, reports, off) if vm.previous_host else UNKNOWN,
        "disks": _disks(vm, reports, location),
        "checkpoint": _checkpoint(vm, reports, location),
        "device": _device(vm, reports),
        "snapshot": _snapshot(vm, reports, location),
        "transfer": "running" if _works(vm, reports) else UNKNOWN,
        "hypervisors": _answered(asked(vm, reports, off), vm.host),
    }
    return {column: value for column, value in found.items() if value != UNKNOWN}


def asked(vm, reports, off=()):
    """Return host → answered, off, or why not, for the hypervisors that may have something of the VM."""
    hosts = [record.host for record in (vm.records[-1:] + (vm.records[-2:-1] if vm.previous_host else ())) if record.vm_mad in _KVM]
    return {host: OFF if host in off else _why_not(host, reports.get(host, f"{host}: it was not asked")) for host in hosts}


def _why_not(host, report):
    if not isinstance(report, Report):
        return str(report)
    if report.domains is None:
        return f"{host}: its libvirt does not answer"
    return ANSWERED if report.busy is not None else f"{host}: what runs there cannot be seen"


def _answered(answers, own):
    if not answers:
        return UNKNOWN
    if any(answer not in (ANSWERED, OFF) for answer in answers.values()):
        return "silent"
    return "off" if answers.get(own) == OFF else "answered"


def _report(host, reports):
    report = reports.get(host)
    return report if isinstance(report, Report) else None


def _there(vm, report):
    """Return the names of domains there that are, or may be, the VM's."""
    imported = report.uuids.get(vm.deploy_id)
    return {name for name in (*_names(vm), *([imported] if imported else ())) if name in report.domains}


def strays(vm, reports, hosts):
    """Return the hosts that have something of the VM's domain where no row of the table looks for it. hosts: of the daemon's pool.

    An imported domain's own name is its own on one host only, so that only one-<id> counts; and a host that was renamed is still the same.
    """
    weighed = {vm.host, vm.previous_host if "source" in recovery.columns(vm.state) else None}
    found = {host.name for host in hosts if host.id != vm.hid and host.name not in weighed and _has(f"one-{vm.id}", _report(host.name, reports))}
    return sorted(found)


def _has(name, report):
    return report is not None and (name in report.guests or (report.domains or {}).get(name, "shut off") != "shut off")


def _domain(vm, host, reports, off):
    if host in off:
        return "absent"
    report = _report(host, reports)
    if report is None or report.domains is None:
        return UNKNOWN
    names = _there(vm, report)
    if not names:
        # a process that this libvirt does not know, or a UUID that it lists and cannot name
        return "unclear" if report.guests & set(_names(vm)) or vm.deploy_id in report.uuids else "absent"
    states = {report.domains[name] for name in names}
    if states <= {"shut off"}:
        return "unclear" if report.guests & names else "absent"
    # paused is an incoming migration, a full disk, or an operator; without its job it is not known whether it is about to leave
    return "running" if len(names) == 1 and states <= set(_RUNS) and names <= set(report.jobs) else "unclear"


def shown(vm, reports, off=(), location=LOCATION):
    """Return in words what runs where, and which copies of its disks were seen where: what is told to those who want it gone."""
    if not vm.records:
        return ["it has no host"]
    return [*_domains_shown(vm, reports, off), *_disks_shown(vm, reports, off, location)]


def _domains_shown(vm, reports, off):
    words = {"running": "its domain runs on {}", "absent": "no domain of it on {}", "unclear": "something of its domain on {}, which does not simply run"}
    known = asked(vm, reports, off)
    if not known:
        yield f"nobody was asked whether its domain runs on {vm.host}"
    for host, answer in known.items():
        if answer == OFF:
            yield f"{host} is said to be off"
        else:
            seen = _domain(vm, host, reports, off)
            yield words[seen].format(host) if seen in words else f"not known whether its domain runs on {host} ({answer})"


def _disks_shown(vm, reports, off, location):
    last = vm.records[-1]
    if not vm.disks or last.vm_mad not in _KVM:
        return
    if last.tm_mad not in _FILES:
        yield f"its disks are no files of a folder (transfer driver {last.tm_mad or 'unknown'}): not looked at"
        return
    found = {place: None if place.host in off else _folder(place, vm, reports) for place in _places(vm, location)}
    copies = [place for place, files in found.items() if files and any(f"disk.{disk.id}" in files for disk in vm.disks)]
    for place, files in found.items():
        where = f"{place.folder} on {place.host}"
        if files is None:
            yield f"not seen: {where}"
        elif place in copies:
            names = ", ".join(f"disk.{disk.id}{'' if _whole(disk, files, place, False) else ' (not whole)'}" for disk in vm.disks if f"disk.{disk.id}" in files)
            yield f"{names} in {where}"
    unseen = any(files is None for files in found.values())
    if len(copies) > 1 and last.tm_mad not in _COPYING:
        yield "that is one shared datastore seen from several places, so one copy"
    elif len(copies) == 1:
        yield "not known whether there is another copy of these disks" if unseen else "THE ONLY COPY of these disks that was found"
    elif not copies:
        yield "no disk of it was found" + (" where was looked" if unseen else "")


def _works(vm, reports):
    seen = [report for report in (_report(host, reports) for host in (vm.host, vm.previous_host, FRONT_END)) if report]
    return any(vm.id in (report.busy or ()) or any(report.jobs.get(name) for name in _there(vm, report._replace(domains=report.domains or {})))
               for report in seen)


def _folder(place, vm, reports):
    """Return the files of the VM at a place; None when that was not seen. Where a datastore is mounted, one that is empty may be one that is not."""
    report = _report(place.host, reports) if place else None
    if report is None or (place.folder in report.empty and vm.records[-1].tm_mad not in _COPYING):
        return None
    return report.folders.get(place.folder)


def _disks(vm, reports, location):
    if not vm.records or vm.records[-1].tm_mad not in _FILES or not vm.disks or "disks" not in recovery.columns(vm.state):
        return UNKNOWN
    source, target = _ends(vm, location)
    left, came = _folder(source, vm, reports), _folder(target, vm, reports)
    if left is None or came is None or source == target:
        return UNKNOWN
    if _complete(vm, left, source) and _within(came, left) and (not came or vm.records[-1].tm_mad in _COPYING):
        return "at_source"
    if _complete(vm, came, target, checked=True) and _within(left, came) and not _complete(vm, left, source):
        return "arrived"
    return "partial"


def _within(part, whole):
    """Tell whether ``whole`` has everything that ``part`` has, as large as there."""
    return all(name == "." or (name in whole and whole[name].kind == file.kind and (file.kind != "f" or whole[name].size >= file.size))
               for name, file in part.items())


def _complete(vm, files, place, checked=False):
    return all(_whole(disk, files, place, checked) for disk in vm.disks) and all(name in files and files[name].size for name in vm.extras)


def _whole(disk, files, place, checked):
    """Tell whether a disk is there to its last byte. A raw image has the size of its DISK, which is told in whole MiB, rounded up; 5.0's mkswap adds a byte.

    checked: a qcow2 image has to pass its own check, too.
    """
    file = _end_of(f"disk.{disk.id}", files, place)
    if file is None or not disk.is_file:
        return False
    if file.kind == "l":
        return file.target_kind in ("f", "b")               # outside the folder: a persistent or shared image, which is not moved
    if file.virtual is not None:
        return (bool(file.sound) or not checked) and file.virtual > (disk.size_mib - 1) * MIB
    return file.kind == "f" and (disk.size_mib - 1) * MIB < file.size <= disk.size_mib * MIB + 1


def _end_of(name, files, place):
    """Follow a link as long as it stays in the folder (disk.0 → disk.0.snap/0 of qcow2)."""
    for unused in range(4):
        file = files.get(name)
        if file is None or file.kind != "l":
            return file
        parts = [] if file.link.startswith("/") else name.split("/")[:-1]
        path = file.link[len(place.folder) + 1:] if file.link.startswith(place.folder + "/") else file.link
        for part in path.split("/"):
            parts = parts[:-1] if part == ".." and parts else parts + [part] * (part != ".")
        if path.startswith("/") or ".." in parts:
            return file
        name = "/".join(parts)
    return None


def _checkpoint(vm, reports, location):
    place = _saves_to(vm, location)
    files = _folder(place, vm, reports)
    if files is None or "checkpoint" not in recovery.columns(vm.state):
        return UNKNOWN
    verdict = _report(place.host, reports).checkpoints.get(place.folder, "missing")
    if verdict != "complete":
        return verdict
    # a checkpoint of an earlier time would bring back memory that does not fit what was written to the disks since
    written = [files[name].mtime for name in (f"disk.{disk.id}" for disk in vm.disks) if name in files]
    saved = files["checkpoint"].mtime
    return "complete" if saved and all(written) and max(written, default=0) <= saved + CLOCK_S else UNKNOWN


def _device(vm, reports):
    report = _report(vm.host, reports)
    if not vm.attaching or report is None or report.domains is None:
        return UNKNOWN
    names = _there(vm, report)
    if len(names) != 1 or report.domains[min(names)] not in _RUNS:
        return UNKNOWN
    shown = (report.nics if ":" in vm.attaching else report.disks).get(min(names))
    return UNKNOWN if shown is None else "attached" if vm.attaching in shown else "detached"


def _snapshot(vm, reports, location):
    """Tell whether the disk has the snapshot. qcow2 goes on in the next file, and its link tells which; the others copy the disk, and remove the copy."""
    place = _here(vm, location)
    files = _folder(place, vm, reports) if vm.snapshot and place else None
    if not files or vm.records[-1].tm_mad not in _FILES:
        return UNKNOWN
    disk, number = vm.snapshot
    own, copies, deleting = files.get(f"disk.{disk.id}"), files.get(f"disk.{disk.id}.snap"), "DELETE" in vm.state
    if own is None or (copies is not None and copies.kind != "d"):
        return UNKNOWN
    copy = files.get(f"disk.{disk.id}.snap/{number}")
    if own.kind == "l":
        following, current = f"disk.{disk.id}.snap/{number + 1}" in files, own.link.rpartition("/")[2]
        if deleting or not current.isdigit() or not own.link.startswith(f"disk.{disk.id}.snap/"):
            return UNKNOWN                              # its chain may have been rewritten, or lies with a persistent image
        return "present" if current == str(number + 1) and following else "absent" if int(current) <= number and not following else UNKNOWN
    if copy is None or deleting:
        return "absent" if copy is None else "present"
    # a copy of a running disk has its size from the beginning (blockcopy)
    return "present" if vm.state != "DISK_SNAPSHOT" and copy.kind == "f" and copy.size == own.size else UNKNOWN
