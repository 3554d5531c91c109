# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases of evidence.py: how a VM gets into its state, what its hosts show, and what is right to do with it."""
from __future__ import annotations

from dataclasses import dataclass, field

STORE = "/var/lib/one/datastores/0"
MAC = "02:00:0a:08:00:01"
HANGS_S = 1800

# Shell on a hypervisor, as oneadmin, in the system datastore; $vm is the VM's id
TOOLS = r"""
export LC_ALL=C
virsh() { command virsh --connect qemu:///system "$@" < /dev/null; }
disk() { mkdir -p "$vm"; truncate -s "${2:-4}M" "$vm/disk.${1:-0}"; }       # number, MiB
xml() { # further devices
  cat <<X
<domain type='qemu'><name>one-$vm</name><memory unit='MiB'>16</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os><devices>
<emulator>/usr/bin/qemu-system-x86_64</emulator><disk type='file' device='disk'><driver name='qemu' type='raw'/>
<source file='$PWD/$vm/disk.0'/><target dev='vda' bus='virtio'/></disk>$1</devices></domain>
X
}
domain() { disk; xml "$1" > "/tmp/one-$vm.xml"; virsh create $2 "/tmp/one-$vm.xml"; }
second() {
  disk 1 1
  echo "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$PWD/$vm/disk.1'/><target dev='vdb' bus='virtio'/></disk>"
}
card() { echo "<interface type='user'><mac address='""" + MAC + r"""'/><model type='virtio'/></interface>"; }
saved() { domain; touch "$vm/checkpoint"; virsh save "one-$vm" "$PWD/$vm/checkpoint"; }
gone() { virsh destroy "one-$vm"; }
copying() { disk 0 1; setsid sh -c "sleep 86400 | dd of=$vm/disk.0 conv=notrunc" < /dev/null > /dev/null 2>&1 & echo $! > "/tmp/copies-$vm"; sleep 0.2; }
copied() { kill -- "-$(cat "/tmp/copies-$vm")"; rm "/tmp/copies-$vm"; }
"""
CLEAR = f"""
for pid in $(cat /tmp/copies-* 2> /dev/null); do kill -- "-$pid"; done
rm -f /tmp/copies-*
for domain in $(virsh list --name); do virsh destroy "$domain"; done
rm -rf {STORE}/*
"""


@dataclass(frozen=True)
class Case:
    name: str
    state: str                                          # in which it is caught
    life: tuple                                         # the calls that lead there after its deployment
    shows: dict                                         # host → shell that makes it show this
    evidence: str                                       # the same in words
    verdict: str                                        # of the plan; "-": monitoring resolved it before
    words: str                                          # of its reason
    ends: str                                           # states in which it may be after the run
    on: str = "kvm1"
    rows: dict = field(default_factory=dict)            # host → state of the simulated domain that says the same
    hangs: str = ""                                     # the step that does not end, when it is not called like the state
    extra: str = ""                                     # of its template
    loose: bool = False                                 # monitoring may resolve it before the front-end is lost
    mend: object = None                                 # "unlock" or (host, shell)
    rows_after: dict = field(default_factory=dict)
    mended: str = ""                                    # states in which it may be after mending and another run


def template(case):
    groups = "PROLOG BOOT MIGRATE SAVE SHUTDOWN EPILOG RESTORE CANCEL SNAPSHOT HOTPLUG CLEANUP"
    steps = {**dict.fromkeys(groups.split(), 0.2), case.hangs or case.state: HANGS_S}
    pace = " ".join(f"{step}={number}" for step, number in steps.items())
    lines = [f'NAME = "{case.name}"', "CPU = 0.01", "MEMORY = 16", f'LAB_SECONDS = "{pace}"']
    if "DISK" not in case.extra:
        lines.append('DISK = [SIZE = "4", TARGET = "vda"]')
    return "\n".join([*lines, case.extra])


def act(name):
    return ("one.vm.action", name)


ATTACH = (("one.vm.attach", 'DISK = [SIZE = "1", TARGET = "vdb"]'),)
TWO_DISKS = 'DISK = [SIZE = "4", TARGET = "vda"]\nDISK = [SIZE = "1", TARGET = "vdb"]'
LIVE, COLD = (("one.vm.migrate", "kvm2", True),), (("one.vm.migrate", "kvm2", False),)
RUNS, OFF, SAVED = {"kvm1": "running"}, {"kvm1": "off"}, {"kvm1": "saved"}
BOTH, THERE, NOWHERE = {"kvm1": "running", "kvm2": "running"}, {"kvm1": "off", "kvm2": "running"}, {"kvm1": "off", "kvm2": "off"}

CASES = (
    # -- PROLOG, BOOT
    Case("prolog", "PROLOG", (), {"kvm1": "disk 0 1"}, "half a disk, nothing works on it", "failure", "copy of its disks was lost", "RUNNING"),
    Case("prolog-copying", "PROLOG", (), {"kvm1": "copying"}, "half a disk, dd still writes it", "wait", "still runs", "PROLOG",
         mend=("kvm1", "copied"), mended="RUNNING"),
    Case("prolog-runs", "PROLOG", (), {"kvm1": "domain"}, "a domain of its name runs there", "refuse", "where nothing of it should run", "PROLOG",
         mend=("kvm1", "gone"), mended="RUNNING"),
    Case("prolog-lost-host", "PROLOG", (), {}, "its host does not answer", "refuse", "cannot be asked (it cannot be asked at kvm3", "PROLOG", on="kvm3"),
    Case("prolog-failed", "PROLOG_FAILURE", (), {}, "the copy failed before the front-end was lost", "leave", "failed by itself", "PROLOG_FAILURE",
         hangs="EPILOG", extra='LAB_FAIL = "PROLOG"', mended="RUNNING"),
    Case("boot", "BOOT", (), {"kvm1": "disk"}, "no domain", "failure", "does not run it", "RUNNING"),
    Case("boot-done", "BOOT", (), {"kvm1": "domain"}, "its domain runs and is reported", "-", "", "RUNNING", rows=RUNS, loose=True),
    Case("boot-unreported", "BOOT", (), {"kvm1": "domain"}, "its domain runs, reports do not have it", "refuse", "not known whether its domain runs", "BOOT",
         rows_after=RUNS, mended="RUNNING"),
    Case("boot-paused", "BOOT", (), {"kvm1": 'domain "" --paused'}, "its domain is paused", "refuse", "does not simply run: paused", "BOOT",
         mend=("kvm1", "gone"), mended="RUNNING"),
    Case("boot-locked", "BOOT", (("one.vm.lock", 4),), {"kvm1": "disk"}, "no domain; locked by its owner", "refuse", "locked (onevm lock)", "BOOT",
         mend="unlock", mended="RUNNING"),
    Case("boot-failed", "BOOT_FAILURE", (), {"kvm1": "disk"}, "no domain", "leave", "failed by itself", "BOOT_FAILURE", hangs="EPILOG",
         extra='LAB_FAIL = "BOOT"', mended="RUNNING"),
    # -- MIGRATE, live
    Case("migrate-source", "MIGRATE", LIVE, {"kvm1": "domain", "kvm2": "disk"}, "runs on the source", "failure", "on the source and not on the target",
         "RUNNING", rows=RUNS),
    Case("migrate-target", "MIGRATE", LIVE, {"kvm2": "domain"}, "runs on the target", "success", "on the target and not on the source", "RUNNING", rows=THERE),
    Case("migrate-both", "MIGRATE", LIVE, {"kvm1": "domain", "kvm2": "domain"}, "runs on both", "refuse", "runs on both hosts: fence one", "MIGRATE",
         rows=BOTH, mend=("kvm1", "gone"), rows_after=THERE, mended="RUNNING"),
    Case("migrate-none", "MIGRATE", LIVE, {"kvm1": "disk", "kvm2": "disk"}, "runs on neither", "refuse", "runs on neither host", "MIGRATE", rows=NOWHERE),
    Case("migrate-leaving", "MIGRATE", LIVE, {"kvm1": "domain", "kvm2": 'domain "" --paused'}, "runs on the source, paused on the target", "refuse",
         "does not simply run", "MIGRATE", rows=RUNS, mend=("kvm2", "gone"), mended="RUNNING"),
    Case("migrate-lost-host", "MIGRATE", (("one.vm.migrate", "kvm3", True),), {"kvm1": "domain"}, "runs on the source, the target does not answer", "refuse",
         "on the host that it goes to (it cannot be asked at kvm3", "MIGRATE", rows=RUNS, mended="RUNNING"),
    # -- SAVE
    Case("suspend-running", "SAVE_SUSPEND", (act("suspend"),), {"kvm1": "domain"}, "runs, no checkpoint", "failure", "still runs, nothing was saved", "RUNNING",
         rows=RUNS),
    Case("suspend-saved", "SAVE_SUSPEND", (act("suspend"),), {"kvm1": "saved"}, "gone, whole checkpoint", "success", "checkpoint is complete", "SUSPENDED",
         rows=SAVED),
    Case("suspend-cut", "SAVE_SUSPEND", (act("suspend"),),
         {"kvm1": "saved; cp $vm/checkpoint $vm/c; sed 's/^LibvirtQemudSave/LibvirtQemudPart/' $vm/c > $vm/checkpoint; rm $vm/c"},
         "gone, checkpoint not written to its end", "refuse", "no complete checkpoint", "SAVE_SUSPEND", rows=OFF),
    Case("stop-saved", "SAVE_STOP", (act("stop"),), {"kvm1": "saved"}, "gone, whole checkpoint", "success", "checkpoint is complete", "STOPPED", rows=SAVED),
    Case("stop-lost", "SAVE_STOP", (act("stop"),), {"kvm1": "disk"}, "gone, no checkpoint", "refuse", "no complete checkpoint", "SAVE_STOP", rows=OFF),
    Case("cold-running", "SAVE_MIGRATE", COLD, {"kvm1": "domain"}, "runs on the source", "failure", "still runs on the source", "RUNNING", rows=RUNS),
    Case("cold-saved", "SAVE_MIGRATE", COLD, {"kvm1": "saved"}, "gone, whole checkpoint on the source", "success", "checkpoint is complete",
         "RUNNING", rows=SAVED),
    # -- the disks on the move
    Case("move-begun", "PROLOG_MIGRATE", COLD, {"kvm1": "disk; touch $vm/checkpoint", "kvm2": "disk 0 1"}, "whole on the source, half on the target", "failure",
         "still where they came from", "RUNNING", rows=SAVED),
    Case("move-arrived", "PROLOG_MIGRATE", COLD, {"kvm1": "mkdir -p $vm", "kvm2": "disk"}, "whole on the target, source being deleted", "success",
         "seen at their destination", "RUNNING", rows=SAVED),
    Case("move-half", "PROLOG_MIGRATE", COLD, {"kvm2": "disk 0 2"}, "half a disk on the target, none on the source", "refuse", "disks are in two places",
         "PROLOG_MIGRATE", rows=SAVED),
    Case("move-copying", "PROLOG_MIGRATE", COLD, {"kvm1": "disk", "kvm2": "copying"}, "dd still writes on the target", "wait", "still runs", "PROLOG_MIGRATE",
         rows=SAVED, mend=("kvm2", "copied; disk"), mended="RUNNING"),
    Case("move-off", "PROLOG_MIGRATE_POWEROFF", (act("poweroff"), *COLD), {"kvm1": "disk", "kvm2": ""}, "whole on the source", "failure",
         "still where they came from", "POWEROFF"),
    # -- EPILOG, CLEANUP
    Case("epilog", "EPILOG", (act("terminate"),), {"kvm1": "disk"}, "gone, its folder left over", "failure", "clean-up of its disks was lost", "DONE",
         rows=OFF),
    Case("epilog-runs", "EPILOG", (act("terminate"),), {"kvm1": "domain"}, "runs still", "refuse", "where nothing of it should run", "EPILOG", rows=OFF,
         mend=("kvm1", "gone"), mended="DONE"),
    Case("stop-begun", "EPILOG_STOP", (act("stop"),), {"kvm1": "disk; touch $vm/checkpoint"}, "whole on the host, nothing on the front-end", "failure",
         "still where they came from", "STOPPED", rows=SAVED),
    Case("stop-arrived", "EPILOG_STOP", (act("stop"),), {"kvm1": "mkdir -p $vm", "front-end": "disk"}, "whole on the front-end", "success",
         "seen at their destination", "STOPPED", rows=SAVED),
    Case("undeploy-half", "EPILOG_UNDEPLOY", (act("undeploy"),), {"kvm1": "mkdir -p $vm", "front-end": "disk 0 2"}, "half a disk on the front-end", "refuse",
         "disks are in two places", "EPILOG_UNDEPLOY", rows=OFF),
    Case("resubmit", "CLEANUP_RESUBMIT", (("one.vm.recover", 4),), {"kvm1": "disk"}, "gone, its folder left over", "failure", "can be scheduled again",
         "PENDING", rows=OFF, extra='SCHED_REQUIREMENTS = "nowhere"'),
    Case("resubmit-runs", "CLEANUP_RESUBMIT", (("one.vm.recover", 4),), {"kvm1": "domain"}, "runs still", "refuse", "it would run twice", "CLEANUP_RESUBMIT",
         rows=RUNS, extra='SCHED_REQUIREMENTS = "nowhere"'),
    # -- SHUTDOWN, UNKNOWN
    Case("poweroff-runs", "SHUTDOWN_POWEROFF", (act("poweroff"),), {"kvm1": "domain"}, "runs on", "failure", "has to be given again", "RUNNING", rows=RUNS),
    Case("poweroff-gone", "SHUTDOWN_POWEROFF", (act("poweroff"),), {"kvm1": "disk"}, "gone", "-", "", "POWEROFF", rows=OFF, loose=True),
    Case("unknown", "UNKNOWN", (("sql", "UPDATE opennebula.lab_domain SET state = 'crashed' WHERE vmid = {vm}"),), {"kvm1": 'domain "" --paused'},
         "its domain is paused, reports say error", "leave", "would only write RUNNING", "UNKNOWN", hangs="EPILOG"),
    # -- HOTPLUG
    Case("attach-done", "HOTPLUG", ATTACH, {"kvm1": 'domain "$(second)"'}, "the domain has vdb", "success", "the domain has the device", "RUNNING", rows=RUNS),
    Case("attach-lost", "HOTPLUG", ATTACH, {"kvm1": "domain"}, "the domain has no vdb", "failure", "does not have the device", "RUNNING", rows=RUNS),
    Case("attach-paused", "HOTPLUG", ATTACH, {"kvm1": 'domain "$(second)" --paused'}, "its domain is paused", "refuse", "not known whether the domain has",
         "HOTPLUG", rows=RUNS),
    Case("detach-done", "HOTPLUG", (("one.vm.detach", 1),), {"kvm1": "domain"}, "vdb is gone from the domain", "success", "gone from the domain", "RUNNING",
         rows=RUNS, extra=TWO_DISKS),
    Case("detach-lost", "HOTPLUG", (("one.vm.detach", 1),), {"kvm1": 'domain "$(second)"'}, "the domain still has vdb", "failure", "can be asked for again",
         "RUNNING", rows=RUNS, extra=TWO_DISKS),
    Case("nic-done", "HOTPLUG_NIC", (("one.vm.attachnic", f'NIC = [MAC = "{MAC}"]'),), {"kvm1": 'domain "$(card)"'}, "the domain has the NIC", "success",
         "the domain has the device", "RUNNING", rows=RUNS),
    # -- SNAPSHOT
    Case("snapshot-made", "DISK_SNAPSHOT", (("one.vm.disksnapshotcreate", 0, "s"),),
         {"kvm1": "mkdir -p $vm/disk.0.snap; cd $vm; truncate -s 4M disk.0.snap/0 disk.0.snap/1; ln -s disk.0.snap/1 disk.0"},
         "qcow2: the disk goes on in the next file", "success", "the disk has the snapshot", "RUNNING", rows=RUNS, extra='LAB_TM_MAD = "qcow2"'),
    Case("snapshot-off", "DISK_SNAPSHOT_POWEROFF", (act("poweroff"), ("one.vm.disksnapshotcreate", 0, "s")), {"kvm1": "disk; mkdir $vm/disk.0.snap"},
         "no copy of the disk", "failure", "does not have the snapshot", "POWEROFF"),
    Case("snapshot-running", "DISK_SNAPSHOT", (("one.vm.disksnapshotcreate", 0, "s"),),
         {"kvm1": "domain; mkdir $vm/disk.0.snap; truncate -s 4M $vm/disk.0.snap/0"}, "a copy of a running disk, which has its size from the beginning",
         "refuse", "not known whether the disk has", "DISK_SNAPSHOT", rows=RUNS),
    Case("revert-off", "DISK_SNAPSHOT_REVERT_POWEROFF", (act("poweroff"), ("one.vm.disksnapshotrevert", 0, 0)), {"kvm1": "disk"}, "nothing tells", "refuse",
         "nothing tells whether the disk was reverted", "DISK_SNAPSHOT_REVERT_POWEROFF"),
    Case("system-snapshot", "HOTPLUG_SNAPSHOT", (("one.vm.snapshotcreate", "s"),), {"kvm1": "domain"}, "runs", "failure", "can be asked for again", "RUNNING",
         rows=RUNS),
)
