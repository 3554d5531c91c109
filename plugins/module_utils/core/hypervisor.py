# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hypervisors show of stuck VMs: what is asked, how the answer is read, and which of recovery.Evidence it fills.

A host is asked once for all its VMs, by one shell script on its standard input that only reads (``script``). The host's answer is one text of
sections (``parse``). Where a host did not answer, nothing is known of it, unless an operator says that it is off: then nothing runs there.

Sources: libvirt calls its save image incomplete until the last byte is written (qemu_saveimage.c; seen with 9.0 as an error of save-image-dumpxml);
qcow2's header has its virtual size in bytes 24 to 31 (qemu, docs/interop/qcow2.txt); the place of disks, checkpoint and disk snapshots, and that
tm/ssh/mv deletes its target before it copies, from OpenNebula's remotes/tm, 5.0 to 7.4.
"""
from __future__ import annotations

import re
from collections import namedtuple

from .recovery import UNKNOWN

LOCATION = "/var/lib/one/datastores"
MIB = 1 << 20

# What to look for on one host: the VM's domain, and its folder in the system datastore there.
Question = namedtuple("Question", "vm domain folder")
# A file of that folder. kind: f, l, d; target_kind: what a link ends at (N: nothing); virtual: bytes a qcow2 image claims, else None.
File = namedtuple("File", "kind target_kind size virtual sound", defaults=(None, None))
# One host's answer. domains: name → state of virsh, None when libvirt did not answer; devices: domain → sources, targets and MACs.
Report = namedtuple("Report", "domains jobs busy folders checkpoints devices")
# Where the disks of a VM are moved from and to in its state, and the hosts it may run on. None: the front-end, whose files are not asked for.
Place = namedtuple("Place", "host folder")

_TO_FRONTEND = ("EPILOG_STOP", "EPILOG_UNDEPLOY")
_FROM_FRONTEND = ("PROLOG_RESUME", "PROLOG_UNDEPLOY")
_KVM = ("kvm", "qemu")
_FILES = ("ssh", "shared", "qcow2", "local", "fs")      # drivers whose disks are files disk.<id> in the VM's folder
ANSWERED, OFF = "answered", "off"
_RUNS = ("running", "idle")
_OFF = ("shut off",)

SCRIPT = r"""
export LC_ALL=C
set -f
names=$(printf '%s\n' "$vms" | cut -f2)
folders=$(printf '%s\n' "$vms" | cut -f3)
section() { printf '\n== %s\n' "$1"; }

section domains
timeout -k 1 "$limit" virsh --connect "$uri" --readonly list --all < /dev/null && section domains-end

section details
present=$(timeout -k 1 "$limit" virsh --connect "$uri" --readonly list --name < /dev/null)
ask=$(printf '%s\n' "$names" | grep -Fx -e "$present" | while read -r name; do
    [ -z "$name" ] || printf 'echo @ %s; domjobinfo %s; domblklist %s; domiflist %s; ' "$name" "$name" "$name" "$name"
done)
[ -z "$present" ] || [ -z "$ask" ] || timeout -k 1 "$limit" virsh --connect "$uri" --readonly "$ask" < /dev/null

section processes
set +f
find /proc/[0-9]*/fd /proc/[0-9]*/cwd -lname "$location/*" -printf '%p\t%l\n' 2> /dev/null | while IFS='	' read -r place target; do
    pid=${place#/proc/}; pid=${pid%%/*}
    printf '%s\t%s\n' "$(cat "/proc/$pid/comm" 2> /dev/null)" "$target"
done
ps -eo comm=,args= | grep -F "$location/" | sed 's/^\([^ ]*\) */\1\t/'
set -f

section files
printf '%s\n' "$folders" | while read -r folder; do
    [ -d "$folder" ] && find "$folder" -maxdepth 2 -printf '%p\t%y\t%Y\t%s\n'
done

section heads
printf '%s\n' "$folders" | while read -r folder; do
    set +f
    for file in "$folder"/checkpoint "$folder"/disk.* "$folder"/disk.*.snap/*; do
        [ -f "$file" ] && printf '%s\t%s\n' "$file" "$(od -An -v -tx1 -N 32 "$file" 2> /dev/null | tr -d ' \n')"
    done
    set -f
done | while IFS='	' read -r file head; do
    sound=-
    case $head in
        514649fb*) timeout -k 1 "$limit" qemu-img check -q -U "$file" > /dev/null 2>&1; sound=$? ;;
    esac
    case $file in
        # only libvirt can read what libvirt wrote; it needs more than a read-only connection for it
        */checkpoint)
            said=$(timeout -k 1 "$limit" virsh --connect "$uri" save-image-dumpxml "$file" 2>&1 > /dev/null < /dev/null) && sound=saved
            case $said in *incomplete*|*"failed to read"*|*magic*) sound=broken ;; esac ;;
    esac
    printf '%s\t%s\t%s\n' "$file" "$head" "$sound"
done
section end
"""


def script(questions, uri="qemu:///system", location=LOCATION, limit_s=20):
    """Return the shell text that answers the questions. Names and folders are ours (numbers in fixed places), still they are quoted."""
    lines = "\n".join(f"{question.vm}\t{question.domain}\t{question.folder}" for question in questions)
    return "\n".join((f"vms={_quoted(lines)}", f"uri={_quoted(uri)}", f"location={_quoted(location)}", f"limit={int(limit_s)}")) + SCRIPT


def _quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


# --- reading -----------------------------------------------------------------------------------------------------------------

def parse(text, questions):
    """Return the Report of one host, or None for an answer that was cut off."""
    parts = re.split(r"\n== ([a-z-]+)\n", "\n" + text.replace("\r\n", "\n"))
    sections = dict(zip(parts[1::2], parts[2::2]))
    if "end" not in sections:
        return None
    domains = _domains(sections["domains"]) if "domains-end" in sections else None
    jobs, devices = _details(sections["details"])
    folders = {question.folder: question.vm for question in questions}
    files, checkpoints = _files(sections["files"], sections["heads"], folders)
    return Report(domains, jobs, _busy(sections["processes"]), files, checkpoints, devices)


def _domains(text):
    """Read the table of 'virsh list --all': Id, Name, State; a name has no blanks, a state may."""
    rows = (line.split(None, 2) for line in text.splitlines())
    return {row[1]: row[2].strip() for row in rows if len(row) == 3 and (row[0] == "-" or row[0].isdigit())}


def _details(text):
    """Read domjobinfo, domblklist and domiflist of each running domain."""
    jobs, devices, name = set(), {}, None
    for line in text.splitlines():
        words = line.split()
        if line.startswith("@ "):
            name = line[2:].strip()
            devices[name] = set()
        elif name and line.startswith("Job type:"):
            if words[-1] in ("Bounded", "Unbounded"):
                jobs.add(name)
        elif name and len(words) >= 2:
            devices[name].update(word.lower() if ":" in word else word for word in words)
    return jobs, devices


def _busy(text):
    """Return the ids of VMs in whose folder some process that is not the VM itself has something open, or is named with it."""
    found = set()
    for line in text.splitlines():
        command, unused, rest = line.partition("\t")
        if not command.startswith(("qemu", "kvm", "CPU ")):
            found.update(int(number) for number in re.findall(r"/\d+/(\d+)(?=/|\s|$)", rest))
    return found


def _files(listing, heads, folders):
    files = {vm: {} for vm in folders.values()}
    seen = set()
    known = {}
    for line in heads.splitlines():
        path, head, sound = (line.split("\t") + ["", ""])[:3]
        known[path] = (head, sound)
    checkpoints = {}
    for line in listing.splitlines():
        path, kind, target_kind, size = (line.split("\t") + [""] * 3)[:4]
        folder = next((folder for folder in folders if path == folder or path.startswith(folder + "/")), None)
        if folder is None:
            continue
        seen.add(folders[folder])
        name = path[len(folder) + 1:]
        head, sound = known.get(path, ("", ""))
        qcow2 = head.startswith("514649fb")
        if name:
            files[folders[folder]][name] = File(kind, target_kind, int(size or 0), int(head[48:64] or "0", 16) if qcow2 else None,
                                                sound in ("0", "3") if qcow2 else None)       # qemu-img check: 3 is leaked clusters, no damage
        if name == "checkpoint":
            checkpoints[folders[folder]] = {"saved": "complete", "broken": "missing"}.get(sound, UNKNOWN)
    return {vm: (found if vm in seen else None) for vm, found in files.items()}, checkpoints


# --- asking ------------------------------------------------------------------------------------------------------------------

def questions(vms, location=LOCATION):
    """Return host → Questions, for VMs on hypervisors that we know how to ask (KVM)."""
    asked = {}
    for vm in vms:
        for place in {place for place in (_here(vm, location), _before(vm, location)) if place}:
            asked.setdefault(place.host, []).append(Question(vm.id, domain(vm), place.folder))
    return {host: sorted(rows) for host, rows in sorted(asked.items())}


def domain(vm):
    """Return the name of the VM's domain: one-<id>, as its deployment file says, or the name of a domain that was imported."""
    imported = re.fullmatch(r"[A-Za-z0-9._-]+", vm.deploy_id) and not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", vm.deploy_id)
    return vm.deploy_id if imported else f"one-{vm.id}"


def _here(vm, location):
    return _place(vm, vm.records[-1], location) if vm.records else None


def _before(vm, location):
    return _place(vm, vm.records[-2], location) if len(vm.records) > 1 and vm.previous_host else None


def _place(vm, record, location):
    return Place(record.host, f"{location}/{record.ds_id}/{vm.id}") if record.vm_mad in _KVM and record.ds_id >= 0 else None


# --- weighing ----------------------------------------------------------------------------------------------------------------

def facts(vm, reports, off=()):
    """Return column → value of what the hosts show of the VM; a column that they do not settle is not in it.

    reports: host → Report, or a text that says why there is none. off: hosts of which somebody vouches that they are without power.
    """
    here = vm.host
    before = vm.previous_host
    found = {
        "domain": _domain(vm, here, reports, off),
        "source": _domain(vm, before, reports, off) if before else UNKNOWN,
        "disks": _disks(vm, reports),
        "checkpoint": _checkpoint(vm, reports),
        "device": _device(vm, reports),
        "snapshot": _snapshot(vm, reports),
        "transfer": "running" if _works(vm, reports) else UNKNOWN,
        "hypervisors": _answered(asked(vm, reports, off).values()),
    }
    return {column: value for column, value in found.items() if value != UNKNOWN}


def asked(vm, reports, off=()):
    """Return host → answered, off, or why not, for the hypervisors that may have something of the VM."""
    hosts = [record.host for record in (vm.records[-1:] + (vm.records[-2:-1] if vm.previous_host else ())) if record.vm_mad in _KVM]
    return {host: OFF if host in off else ANSWERED if isinstance(reports.get(host), Report) else str(reports.get(host, f"{host}: it was not asked"))
            for host in hosts}


def _report(host, reports):
    report = reports.get(host)
    return report if isinstance(report, Report) else None


def _domain(vm, host, reports, off):
    if host in off:
        return "absent"
    report = _report(host, reports)
    if report is None or report.domains is None:
        return UNKNOWN
    state = report.domains.get(domain(vm))
    if state is None or state in _OFF:
        return "absent"
    return "running" if state in _RUNS else UNKNOWN        # paused: an incoming migration, a full disk, or an operator


def _works(vm, reports):
    return any(vm.id in report.busy or domain(vm) in report.jobs for report in (_report(host, reports) for host in (vm.host, vm.previous_host)) if report)


def _answered(answers):
    if not answers:
        return UNKNOWN
    return "answered" if all(answer in (ANSWERED, OFF) for answer in answers) else "silent"


def _folder(vm, host, reports):
    """Return the files of the VM on a host; None when that was not seen. A folder that is not there is {} for drivers without mounts, else unseen."""
    report = _report(host, reports)
    if report is None:
        return None
    found = report.folders.get(vm.id)
    return {} if found is None and vm.records[-1].tm_mad in ("ssh", "local") else found


def _disks(vm, reports):
    if not vm.records or vm.records[-1].tm_mad not in _FILES or not vm.disks:
        return UNKNOWN
    source = None if vm.state.replace("_FAILURE", "") in _FROM_FRONTEND else (vm.host if _to_frontend(vm) else vm.previous_host)
    target = None if _to_frontend(vm) else vm.host
    left = _folder(vm, source, reports) if source else None
    came = _folder(vm, target, reports) if target else None
    if left is not None and _complete(vm, left):
        return "at_source"
    if came is not None and _complete(vm, came):
        return "arrived"
    return "partial" if left is not None and came is not None else UNKNOWN


def _to_frontend(vm):
    return vm.state.replace("_FAILURE", "") in _TO_FRONTEND


def _complete(vm, files):
    return all(_whole(disk, files) for disk in vm.disks) and all(files.get(name, File("", "", 0)).size for name in vm.extras)


def _whole(disk, files):
    """Tell whether a disk is there to its last byte. A raw image has exactly the size of its DISK; a qcow2 image claims it and passes its own check."""
    file = files.get(f"disk.{disk.id}")
    if file is None or not disk.is_file:
        return False
    if file.kind == "l":
        return file.target_kind in ("f", "b")               # a persistent or shared image, which is not moved
    if file.virtual is not None:
        return bool(file.sound) and file.virtual >= disk.size_mib * MIB
    return file.size == disk.size_mib * MIB


def _checkpoint(vm, reports):
    host = vm.previous_host if vm.state == "SAVE_MIGRATE" else vm.host
    folder = _folder(vm, host, reports)
    if folder is None:
        return UNKNOWN
    return _report(host, reports).checkpoints.get(vm.id, "missing")


def _device(vm, reports):
    report = _report(vm.host, reports)
    if not vm.attaching or report is None or report.domains is None or report.domains.get(domain(vm)) not in _RUNS:
        return UNKNOWN
    shown = report.devices.get(domain(vm))
    if shown is None:
        return UNKNOWN
    return "attached" if vm.attaching in shown else "detached"


def _snapshot(vm, reports):
    if vm.snapshot is None or not vm.records or vm.records[-1].tm_mad not in _FILES:
        return UNKNOWN
    folder = _folder(vm, vm.host, reports)
    if not folder:
        return UNKNOWN
    disk, number = vm.snapshot
    name = f"disk.{disk.id}.snap/{number}"
    if name not in folder:
        return "absent"
    return "present" if _whole(disk, {f"disk.{disk.id}": folder[name]}) else UNKNOWN
