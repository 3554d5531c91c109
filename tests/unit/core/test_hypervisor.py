# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hypervisor's answer tells of stuck VMs. The answer was recorded on libvirt 9.0 and qemu 7.2; other cases are made from it."""
import pathlib
import re
import subprocess

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import evidence, hypervisor, hypervisor_facts, recovery
from ansible_collections.constellation.opennebula.plugins.module_utils.core.recovery import UNKNOWN
from hypothesis import given
from hypothesis import strategies as st

ANSWER = (pathlib.Path(__file__).parents[1] / "fixtures/hypervisor_answer.txt").read_text(encoding="utf-8")
WILD = "1b2e4116-cf59-4c9f-8965-fa0d23d43026"
HERE = f"{hypervisor.LOCATION}/0"
QUESTIONS = [hypervisor.Question(number, f"one-{number}", WILD if number == 49 else "", f"{hypervisor.LOCATION}/{int(number > 47)}/{number}", "fqc")
             for number in range(42, 50)] + [hypervisor.Question(50, "one-50", "", f"{hypervisor.LOCATION}/2/50", "fqc")]
MIB = hypervisor_facts.MIB


def disk(number, size_mib, is_file=True):
    return evidence.Disk(number, size_mib, is_file)


def vm(number, state="PROLOG_MIGRATE", disks=(), hosts=("kvm1", "kvm2"), tm_mad="ssh", vm_mad="kvm", **more):
    """A VM whose records go through ``hosts``; it is on the last one."""
    records = tuple(evidence.Record(seq, host, seq, tm_mad, 0, 0, {}, vm_mad) for seq, host in enumerate(hosts))
    return evidence.Vm(number, "web", "alice", state, hosts[-1], len(hosts) - 1, hosts[-2] if len(hosts) > 1 else None, len(hosts) - 1, "none", 0, "", records,
                       "", disks=tuple(disks), **more)


def report(**changes):
    return hypervisor.parse(ANSWER, QUESTIONS)._replace(**changes)


def files(**sizes):
    """disk_0=8 → a folder with a raw file disk.0 of 8 MiB."""
    return dict({name.replace("_", "."): hypervisor.File("f", "f", size * MIB) for name, size in sizes.items()}, **{".": hypervisor.File("d", "d", 4096)})


def shows(here=None, before=None, number=42, empty=()):
    """Return reports in which each host, and the front-end, has these files of one VM."""
    made = {host: report(folders={f"{HERE}/{number}": seen}, busy=set(), domains={}, guests=set(), empty={f"{HERE}/{number}"} if host in empty else set())
            for host, seen in (("kvm1", before), ("kvm2", here))}
    return dict(made, **{hypervisor.FRONT_END: made["kvm1"]})


def disks_of(machine, reports, **more):
    return hypervisor_facts.facts(machine, reports, **more).get("disks")


def test_recorded_answer_is_read_whole():
    read = report()
    assert read.domains == {"one-42": "running", "one-43": "running", "wild.web": "running"} and not any(read.jobs.values())
    assert read.uuids == {WILD: "wild.web"} and read.guests == set(read.domains) == set(read.jobs)
    assert read.busy == {46, 47}, "the domains' own qemu is no transfer, a copy into the folder and a shell in it are"
    folders = {int(path.rpartition("/")[2]): found for path, found in read.folders.items()}
    assert folders[42]["disk.0"] == hypervisor.File("f", "f", 8 * MIB, mtime=1795253088)
    assert folders[43]["disk.0"].virtual == 16 * MIB and folders[43]["disk.0"].sound
    assert folders[44]["disk.0"].kind == "l" and folders[44]["disk.0"].link == "disk.0.snap/0" and folders[44]["disk.0.snap/0"].virtual == 8 * MIB
    assert folders[48] == {} and f"{hypervisor.LOCATION}/1/48" in read.empty and folders[50] is None, "no such datastore there: nobody looked into it"
    assert read.checkpoints == {f"{HERE}/44": "missing", f"{HERE}/45": "complete"}
    assert "vda" in read.disks["one-42"] and "02:00:0a:00:00:49" in read.nics["wild.web"]


@pytest.mark.parametrize("cut", ["\n== end", "\n== files"])
def test_answer_that_was_cut_off_is_none(cut):
    assert hypervisor.parse(ANSWER[:ANSWER.index(cut)], QUESTIONS) is None


@pytest.mark.parametrize("section, column, words", [("domains-end", "domains", "libvirt does not answer"), ("processes-end", "busy", "cannot be seen")])
def test_half_an_answer_is_a_host_that_does_not_answer(section, column, words):
    half = hypervisor.parse(ANSWER.replace(f"\n== {section}", ""), QUESTIONS)
    assert half is not None and getattr(half, column) is None
    machine = vm(42, "BOOT", hosts=("kvm2",))
    assert hypervisor_facts.facts(machine, {"kvm2": half})["hypervisors"] == "silent"
    assert words in hypervisor_facts.asked(machine, {"kvm2": half})["kvm2"]


def test_listing_that_broke_off_is_no_listing():
    broken = hypervisor.parse(ANSWER.replace(f"{HERE}/44\t.\n", ""), QUESTIONS)
    assert broken.folders[f"{HERE}/44"] is None and broken.folders[f"{HERE}/45"]


@pytest.mark.parametrize("state, expected", [("running", "running"), ("idle", "running"), ("shut off", "absent"), (None, "absent"), ("paused", "unclear"),
                                             ("in shutdown", "unclear"), ("crashed", "unclear"), ("no state", "unclear"), ("pmsuspended", "unclear")])
def test_a_domain_runs_is_gone_or_is_unclear(state, expected):
    seen = report(domains={"one-7": state} if state else {}, jobs={"one-7": False})
    assert hypervisor_facts.facts(vm(7, "BOOT", hosts=("kvm2",)), {"kvm2": seen}).get("domain") == expected


@pytest.mark.parametrize("why, changes", [
    ("a qemu process that this libvirt does not know", {"domains": {}, "guests": {"one-7"}}),
    ("a process of a domain that libvirt calls off", {"domains": {"one-7": "shut off"}, "guests": {"one-7"}}),
    ("nobody told whether it is migrating", {"domains": {"one-7": "running"}, "jobs": {}}),
    ("a UUID of it without a name", {"domains": {}, "uuids": {"f7a005e1-9f31-4ccd-a192-01a03240c0ee": ""}}),
    ("two domains that may be it", {"domains": {"one-7": "running", "web": "running"}, "uuids": {"f7a005e1-9f31-4ccd-a192-01a03240c0ee": "web"}})])
def test_contradictions_about_a_domain_are_unclear(why, changes):
    machine = vm(7, "BOOT", hosts=("kvm2",), deploy_id="f7a005e1-9f31-4ccd-a192-01a03240c0ee")
    seen = report(**dict({"jobs": {"one-7": False, "web": False}, "guests": set()}, **changes))
    assert hypervisor_facts.facts(machine, {"kvm2": seen})["domain"] == "unclear", why
    assert recovery.decide("BOOT", recovery.Evidence(began="before", monitored="yes", domain="unclear")).action == "refuse"


def test_an_imported_domain_is_found_by_its_uuid_under_its_own_name():
    imported = vm(49, "HOTPLUG_NIC", hosts=("kvm2",), deploy_id=WILD, attaching="02:00:0a:00:00:49")
    facts = hypervisor_facts.facts(imported, {"kvm2": report()})
    assert facts["domain"] == "running" and facts["device"] == "attached"
    assert hypervisor_facts.questions([imported]) == {"kvm2": [hypervisor.Question(49, "one-49", WILD, f"{HERE}/49", "")]}


def test_both_hosts_of_a_migration_are_asked_and_told_apart():
    migrating = vm(42, "MIGRATE")
    assert hypervisor_facts.questions([migrating]) == {host: [hypervisor.Question(42, "one-42", "", f"{HERE}/42", "")] for host in ("kvm1", "kvm2")}
    facts = hypervisor_facts.facts(migrating, {"kvm1": report(domains={}, guests=set()), "kvm2": report()})
    assert (facts["source"], facts["domain"]) == ("absent", "running")


def test_files_are_looked_at_only_where_they_matter():
    wants = {state: {row.wants for rows in hypervisor_facts.questions([vm(42, state, disks=DISKS)]).values() for row in rows}
             for state in ("BOOT", "HOTPLUG", "SAVE_MIGRATE", "DISK_SNAPSHOT", "PROLOG_MIGRATE")}
    assert wants == {"BOOT": {""}, "HOTPLUG": {""}, "SAVE_MIGRATE": {"", "fc"}, "DISK_SNAPSHOT": {"", "f"}, "PROLOG_MIGRATE": {"f", "fq"}}


def test_only_kvm_is_asked_and_strange_names_never_reach_a_shell():
    def name(deploy_id):
        (row,) = hypervisor_facts.questions([vm(9, "BOOT", hosts=("kvm2",), deploy_id=deploy_id)])["kvm2"]
        return row.name, row.uuid

    assert hypervisor_facts.questions([vm(1, vm_mad="ec2"), vm(2, hosts=("aws",), vm_mad="dummy")]) == {}
    assert name("imported.web-1") == ("one-9", "") and name("x; rm -rf /") == ("one-9", "")
    seen = report(domains={"imported.web-1": "running"}, jobs={"imported.web-1": False})
    assert hypervisor_facts.facts(vm(9, "BOOT", hosts=("kvm2",), deploy_id="imported.web-1"), {"kvm2": seen})["domain"] == "running"


def test_host_that_is_off_runs_nothing_and_one_that_is_silent_tells_nothing():
    migrating = vm(42, "MIGRATE")
    facts = hypervisor_facts.facts(migrating, {"kvm2": report()}, off=("kvm1",))
    assert (facts["source"], facts["domain"], facts["hypervisors"]) == ("absent", "running", "answered")
    facts = hypervisor_facts.facts(migrating, {"kvm2": report(), "kvm1": "kvm1: it does not let us in"})
    assert "source" not in facts and facts["hypervisors"] == "silent"
    assert hypervisor_facts.asked(migrating, {"kvm2": report(), "kvm1": "no"}) == {"kvm2": "answered", "kvm1": "no"}


@pytest.mark.parametrize("state, host, changes, expected", [
    ("BOOT", "kvm9", {"domains": {"one-7": "running"}}, ["kvm9"]), ("BOOT", "kvm9", {"domains": {"one-7": "paused"}}, ["kvm9"]),
    ("BOOT", "kvm9", {"domains": {"one-7": "shut off", "web": "running"}}, []), ("BOOT", "kvm9", {"domains": {}, "guests": {"one-7"}}, ["kvm9"]),
    ("BOOT", "kvm9", {"domains": None, "guests": {"one-7"}}, ["kvm9"]), ("BOOT", "kvm9", {"domains": None}, []),
    ("BOOT", "kvm1", {"domains": {"one-7": "running"}}, []), ("HOTPLUG", "kvm1", {"domains": {"one-7": "running"}}, ["kvm1"]),
    ("HOTPLUG", "kvm2", {"domains": {"one-7": "running"}}, []), ("BOOT", "renamed", {"domains": {"one-7": "running"}}, []),
    ("BOOT", "nowhere", {"domains": {"one-7": "running"}}, [])])
def test_a_domain_on_a_host_that_no_row_looks_at_is_a_stray(state, host, changes, expected):
    pool = [evidence.Host(0, "kvm1", 2, 0), evidence.Host(1, "renamed", 2, 0), evidence.Host(9, "kvm9", 2, 0)]
    seen = {host: report(**dict({"guests": set()}, **changes)), "kvm8": "kvm8: it does not let us in"}
    assert hypervisor_facts.strays(vm(7, state, deploy_id="web"), seen, pool) == expected


def test_work_on_its_files_and_a_job_of_its_domain_are_transfers():
    assert hypervisor_facts.facts(vm(46), {"kvm1": report(), "kvm2": report(busy=set())})["transfer"] == "running"
    assert hypervisor_facts.facts(vm(42), {"kvm2": report(jobs={"one-42": True})})["transfer"] == "running"
    assert "transfer" not in hypervisor_facts.facts(vm(42), {"kvm1": report(), "kvm2": report()})
    active = hypervisor.parse(ANSWER.replace("Job type:         None", "Job type:         Unbounded", 1), QUESTIONS)
    assert active.jobs["one-42"] and not active.jobs["one-43"]


@pytest.mark.parametrize("lines, busy", [
    ("/proc/9/comm\tqemu-img\n/proc/9/fd/3\tD/0/44/disk.0", {44}), ("/proc/9/comm\tqemu-system-x86\n/proc/9/fd/3\tD/0/44/disk.0", set()),
    ("/proc/9/comm\tqemu-kvm\n/proc/9/fd/3\tD/0/44/disk.0", set()), ("/proc/9/fd/3\tD/0/44/disk.0", {44}),
    ("/proc/9/comm\ttar\n/proc/9/cmdline\ttar -C D/0 --sparse -cf - 44 ", {44}),
    ("/proc/9/comm\ttar\n/proc/9/cmdline\ttar -C D/0 --sparse -xf - ", set(range(42, 48))),
    ("/proc/9/comm\ttar\n/proc/9/cmdline\ttar -C D/0 --sparse -xf - \n/proc/9/fd/4\tD/0/45/disk.0", {45}),
    ("/proc/9/comm\ttar\n/proc/9/cmdline\ttar -C /backup -cf - 44 ", set()),
    ("/proc/9/comm\trm\n/proc/9/cmdline\trm -rf D/0/44 ", {44}), ("/proc/9/comm\tcp\n/proc/9/fd/5\t/mnt/nfs/47/disk.0", {47}),
    ("/proc/9/comm\tgrep\n/proc/9/cmdline\tgrep -e D ", set()),
    ("/proc/9/comm\tbash\n/proc/9/cmdline\t/bin/bash /var/tmp/one/vmm/kvm/migrate one-44 kvm2 kvm1 44 kvm1 ", {44}),
    ("/proc/9/comm\tbash\n/proc/9/cmdline\t/bin/bash /var/tmp/one/vmm/kvm/shutdown 5e0a-web kvm1 45 kvm1 ", {45}),
    ("/proc/9/comm\tbash\n/proc/9/cmdline\t/bin/bash /var/tmp/one/vmm/kvm/poll one-44 kvm1 44 kvm1 ", set()),
    ("/proc/9/comm\tswtpm\n/proc/9/cmdline\tswtpm socket --log file=/var/log/swtpm/one-44-swtpm.log ", set()),
    ("/proc/9/comm\tgrep\n/proc/9/cmdline\tgrep -a -H -e datastores/ -e one-[0-9] -e /vmm/ -e D 44 1 ", set())])
def test_who_works_on_which_vm(lines, busy):
    said = lines.replace("D/", hypervisor.LOCATION + "/")
    text = re.sub(r"(?s)\n== processes\n.*?\n== processes-end", lambda dummy: f"\n== processes\n{said}\n== processes-end",
                  ANSWER.replace(f"{HERE}\t{HERE}\n", f"{HERE}\t/mnt/nfs\n"))
    assert hypervisor.parse(text, QUESTIONS).busy == busy


DISKS = [disk(0, 8), disk(1, 2)]
WHOLE, HALF, EMPTY = files(disk_0=8, disk_1=2), files(disk_0=8, disk_1=1), files()
MORE = dict(WHOLE, checkpoint=hypervisor.File("f", "f", 100))
GONE = {}


@pytest.mark.parametrize("before, here, expected", [
    (WHOLE, GONE, "at_source"), (WHOLE, EMPTY, "at_source"), (WHOLE, HALF, "at_source"), (WHOLE, WHOLE, "at_source"), (MORE, WHOLE, "at_source"),
    (GONE, WHOLE, "arrived"), (EMPTY, WHOLE, "arrived"), (HALF, WHOLE, "arrived"), (GONE, MORE, "arrived"),
    # the source lost its checkpoint, the target has it: moving again would delete the only one
    (WHOLE, MORE, "partial"),
    # the source has something that never came: a target that is there in full is another one
    (dict(EMPTY, checkpoint=hypervisor.File("f", "f", 100)), WHOLE, "partial"),
    (HALF, HALF, "partial"), (GONE, HALF, "partial"), (GONE, GONE, "partial"), (EMPTY, EMPTY, "partial"),
    # one end alone proves nothing
    (WHOLE, None, None), (None, WHOLE, None), (None, HALF, None), (None, None, None),
])
def test_where_the_disks_are(before, here, expected):
    assert disks_of(vm(42, disks=DISKS), shows(here, before)) == expected


@pytest.mark.parametrize("silent", ["kvm1", "kvm2"])
@pytest.mark.parametrize("here, before", [(WHOLE, GONE), (GONE, WHOLE), (WHOLE, WHOLE)])
def test_disks_are_unknown_with_one_end_silent_or_off(silent, here, before):
    seen = {host: answer for host, answer in shows(here, before).items() if host != silent}
    assert disks_of(vm(42, disks=DISKS), seen) is None and disks_of(vm(42, disks=DISKS), seen, off=(silent,)) is None


def test_full_sized_leftovers_of_a_live_migration_are_no_arrival():
    """6.10's kvm/migrate makes empty images of the right size; the host with the only real ones is then switched off."""
    assert disks_of(vm(42, disks=DISKS), {"kvm2": shows(WHOLE)["kvm2"]}, off=("kvm1",)) is None
    assert disks_of(vm(42, disks=DISKS), shows(WHOLE, WHOLE)) == "at_source"


def test_shared_drivers_move_into_a_target_that_is_there():
    machine = vm(42, disks=DISKS, tm_mad="shared")
    assert disks_of(machine, shows(GONE, WHOLE)) == "at_source" and disks_of(machine, shows(EMPTY, WHOLE)) == "partial"
    assert disks_of(machine, shows(HALF, WHOLE)) == "partial" and disks_of(machine, shows(WHOLE, GONE)) == "arrived"
    assert disks_of(machine, shows(GONE, WHOLE, empty=["kvm2"])) is None, "an empty datastore may be one that is not mounted"
    assert disks_of(machine, shows(WHOLE, GONE, empty=["kvm1"])) is None


def test_disks_are_unknown_or_partial_where_they_are_no_files():
    assert disks_of(vm(42, disks=DISKS, tm_mad="ceph"), shows(WHOLE, WHOLE)) is None
    assert disks_of(vm(42, disks=[disk(0, 8, is_file=False)]), shows(WHOLE, WHOLE)) == "partial"
    assert disks_of(vm(42), shows(WHOLE, WHOLE)) is None, "a VM without a disk proves nothing"


QCOW = hypervisor.File("f", "f", 200000, 8 * MIB, True)


@pytest.mark.parametrize("file, whole", [
    (hypervisor.File("f", "f", 8 * MIB), True), (hypervisor.File("f", "f", 8 * MIB - 1), True), (hypervisor.File("f", "f", 7 * MIB), False),
    (hypervisor.File("f", "f", 8 * MIB + 1), True), (hypervisor.File("f", "f", 9 * MIB), False), (QCOW, True), (QCOW._replace(sound=False), False),
    (QCOW._replace(virtual=4 * MIB), False), (hypervisor.File("l", "f", 13, None, None, "/var/lib/one/datastores/1/abc"), True),
    (hypervisor.File("l", "N", 13, None, None, "/var/lib/one/datastores/1/abc"), False), (hypervisor.File("d", "d", 8 * MIB), False),
])
def test_a_disk_is_whole_as_far_as_its_size_can_tell(file, whole):
    assert disks_of(vm(42, disks=[disk(0, 8)]), shows({"disk.0": file}, {})) == ("arrived" if whole else "partial")


@pytest.mark.parametrize("link", ["disk.0.snap/0", f"{HERE}/42/disk.0.snap/0", "./disk.0.snap/../disk.0.snap/0"])
@pytest.mark.parametrize("behind, expected", [(QCOW, "arrived"), (QCOW._replace(sound=False), "partial"), (hypervisor.File("f", "f", MIB), "partial")])
def test_a_link_inside_the_folder_is_as_whole_as_what_it_leads_to(link, behind, expected):
    here = {"disk.0": hypervisor.File("l", "f", 13, None, None, link), "disk.0.snap/0": behind}
    assert disks_of(vm(42, disks=[disk(0, 8)]), shows(here, {})) == expected


def test_links_in_a_circle_are_no_disk():
    here = {"disk.0": hypervisor.File("l", "L", 6, None, None, "disk.1"), "disk.1": hypervisor.File("l", "L", 6, None, None, "disk.0")}
    assert disks_of(vm(42, disks=[disk(0, 8)]), shows(here, {})) == "partial"


@pytest.mark.parametrize("end, whole", [("262144", True), ("196608", True), ("262152", False), ("9999999999", False), ("-", False)])
def test_qcow2_ends_where_its_own_tables_say(end, whole):
    """qemu before 4.0 calls an image sound that was cut off behind its tables."""
    line = next(line for line in ANSWER.splitlines() if line.startswith(f"{HERE}/43/disk.0\t5146"))
    read = hypervisor.parse(ANSWER.replace(line, line.rpartition("\t")[0] + "\t" + end), QUESTIONS)
    assert read.folders[f"{HERE}/43"]["disk.0"].sound is whole


def test_source_needs_no_check_of_its_images():
    unchecked = {"disk.0": QCOW._replace(sound=False)}
    assert disks_of(vm(42, disks=[disk(0, 8)]), shows({}, unchecked)) == "at_source"


def test_context_has_to_be_there_too():
    with_context = vm(42, disks=[disk(0, 8)], extras=("disk.1",))
    assert disks_of(with_context, shows(files(disk_0=8), {})) == "partial" and disks_of(with_context, shows(files(disk_0=8, disk_1=1), {})) == "arrived"


def test_front_end_is_looked_at_like_a_host_where_disks_go_to_it_or_come_from_it():
    stopping, resuming = vm(42, "EPILOG_STOP", disks=DISKS, hosts=("kvm2",)), vm(42, "PROLOG_RESUME", disks=DISKS, hosts=("kvm0", "kvm2"))
    assert set(hypervisor_facts.questions([stopping])) == {"kvm2", hypervisor.FRONT_END}
    assert set(hypervisor_facts.questions([resuming])) == {"kvm0", "kvm2", hypervisor.FRONT_END}
    for here, front_end, stop, resume in ((WHOLE, GONE, "at_source", "arrived"), (GONE, WHOLE, "arrived", "at_source"), (HALF, GONE, "partial", "partial"),
                                          (WHOLE, None, None, None)):
        seen = shows(here, front_end)
        assert disks_of(stopping, seen) == stop and disks_of(resuming, seen) == resume


@pytest.mark.parametrize("number, expected", [(45, "complete"), (44, "missing"), (42, "missing"), (48, None)])
def test_checkpoint_is_what_libvirt_says_of_it(number, expected):
    assert hypervisor_facts.facts(vm(number, "SAVE_SUSPEND", hosts=("kvm2",)), {"kvm2": report()}).get("checkpoint") == expected
    leaving = vm(number, "SAVE_MIGRATE")
    assert hypervisor_facts.facts(leaving, {"kvm1": report(), "kvm2": report(checkpoints={}, folders={})}).get("checkpoint") == expected


@pytest.mark.parametrize("written, expected", [(1795253440, "complete"), (1795253440 + hypervisor_facts.CLOCK_S, "complete"),
                                               (1795253440 + hypervisor_facts.CLOCK_S + 1, None), ("", None)])
def test_checkpoint_older_than_what_its_domain_wrote_since_is_not_taken(written, expected):
    later = hypervisor.parse(ANSWER.replace("8388608\t1795253089", f"8388608\t{written}"), QUESTIONS)
    machine = vm(45, "SAVE_SUSPEND", disks=[disk(0, 8)], hosts=("kvm2",))
    assert hypervisor_facts.facts(machine, {"kvm2": later}).get("checkpoint") == expected


def test_checkpoint_that_libvirt_does_not_judge_is_unknown():
    unread = hypervisor.parse(ANSWER.replace("\tsaved\t", "\t-\t"), QUESTIONS)
    assert "checkpoint" not in hypervisor_facts.facts(vm(45, "SAVE_SUSPEND", hosts=("kvm2",)), {"kvm2": unread})


@pytest.mark.parametrize("device, expected", [("vda", "attached"), ("vdb", "detached"), ("02:00:0a:00:00:42", "attached"), ("02:00:0a:00:00:99", "detached"),
                                              ("", None)])
def test_device_is_looked_for_in_the_running_domain(device, expected):
    machine = vm(42, "HOTPLUG", hosts=("kvm2",), attaching=device)
    assert hypervisor_facts.facts(machine, {"kvm2": report()}).get("device") == expected
    assert "device" not in hypervisor_facts.facts(vm(48, "HOTPLUG", hosts=("kvm2",), attaching=device), {"kvm2": report()}), "its domain does not run"


@pytest.mark.parametrize("head, device", [(" Target   Source", "vdb"), (" Interface   Type   Source   Model    MAC", "02:00:0a:00:00:99")])
def test_device_is_not_gone_because_libvirt_said_nothing(head, device):
    """The daemon would free the disk or the lease of a device that the domain has."""
    silent = hypervisor.parse(ANSWER.replace(head, "error: Timed out during operation", 1), QUESTIONS)
    assert "device" not in hypervisor_facts.facts(vm(42, "HOTPLUG", hosts=("kvm2",), attaching=device), {"kvm2": silent})


COPY, CHAIN = {"disk.0": hypervisor.File("f", "f", 8 * MIB), "disk.0.snap": hypervisor.File("d", "d", 4096)}, {"disk.0.snap": hypervisor.File("d", "d", 4096)}


@pytest.mark.parametrize("state, tm_mad, found, expected", [
    ("DISK_SNAPSHOT_POWEROFF", "ssh", COPY, "absent"), ("DISK_SNAPSHOT_DELETE", "ssh", COPY, "absent"),
    ("DISK_SNAPSHOT_POWEROFF", "ssh", dict(COPY, **{"disk.0.snap/0": COPY["disk.0"]}), "present"),
    ("DISK_SNAPSHOT_DELETE", "ssh", dict(COPY, **{"disk.0.snap/0": COPY["disk.0"]}), "present"),
    ("DISK_SNAPSHOT_POWEROFF", "ssh", dict(COPY, **{"disk.0.snap/0": hypervisor.File("f", "f", MIB)}), None),
    # blockcopy begins with a file of the full size
    ("DISK_SNAPSHOT", "ssh", dict(COPY, **{"disk.0.snap/0": COPY["disk.0"]}), None), ("DISK_SNAPSHOT", "ssh", COPY, "absent"),
    ("DISK_SNAPSHOT_POWEROFF", "shared", {"disk.0": hypervisor.File("l", "f", 9, None, None, "/d/1/abc")}, None),
    ("DISK_SNAPSHOT_POWEROFF", "ssh", {"disk.0": COPY["disk.0"], "disk.0.snap": hypervisor.File("l", "d", 9)}, None),
    ("DISK_SNAPSHOT_POWEROFF", "ceph", COPY, None), ("DISK_SNAPSHOT_POWEROFF", "ssh", {}, None), ("DISK_SNAPSHOT_POWEROFF", "ssh", None, None)])
def test_disk_snapshot_of_a_copying_driver_is_a_whole_copy(state, tm_mad, found, expected):
    machine = vm(42, state, hosts=("kvm2",), tm_mad=tm_mad, snapshot=(disk(0, 8), 0))
    assert hypervisor_facts.facts(machine, {"kvm2": report(folders={f"{HERE}/42": found})}).get("snapshot") == expected


@pytest.mark.parametrize("state, link, files_there, expected", [
    ("DISK_SNAPSHOT", "disk.0.snap/0", ["0"], "absent"), ("DISK_SNAPSHOT", "disk.0.snap/1", ["0", "1"], "present"),
    # made, and qemu may write to it already, but the link does not know
    ("DISK_SNAPSHOT", "disk.0.snap/0", ["0", "1"], None), ("DISK_SNAPSHOT", "disk.0.snap/1", ["0"], None),
    ("DISK_SNAPSHOT", "/var/lib/one/datastores/1/abc.snap/1", ["0", "1"], None), ("DISK_SNAPSHOT_DELETE_POWEROFF", "disk.0.snap/1", ["1"], None)])
def test_disk_snapshot_of_qcow2_is_where_its_link_leads(state, link, files_there, expected):
    """Snapshot 0 is the file that was the disk until then, so its being there tells nothing."""
    found = dict(CHAIN, **{"disk.0": hypervisor.File("l", "f", 13, None, None, link)}, **{f"disk.0.snap/{name}": QCOW for name in files_there})
    machine = vm(42, state, hosts=("kvm2",), tm_mad="qcow2", snapshot=(disk(0, 8), 0))
    assert hypervisor_facts.facts(machine, {"kvm2": report(folders={f"{HERE}/42": found})}).get("snapshot") == expected


FILE = st.builds(hypervisor.File, st.sampled_from("fl"), st.sampled_from("fN"), st.sampled_from([0, MIB, 7 * MIB, 8 * MIB]),
                 st.sampled_from([None, 8 * MIB, MIB]), st.sampled_from([None, True, False]), st.sampled_from(["", "disk.0.snap/0", "/d/1/abc"]),
                 st.sampled_from([None, 100, 200]))
FOLDER = st.none() | st.dictionaries(st.sampled_from(["disk.0", "disk.1", "checkpoint", "disk.0.snap/0"]), FILE)
REPORT = st.just("it cannot be asked") | st.builds(
    lambda domains, folder, checkpoint, busy, guests, jobs: report(domains=domains, folders={f"{HERE}/42": folder}, checkpoints=checkpoint, busy=busy,
                                                                   jobs=jobs, guests=guests, empty=set()),
    st.none() | st.dictionaries(st.just("one-42"), st.sampled_from(["running", "paused", "shut off"])), FOLDER,
    st.dictionaries(st.just(f"{HERE}/42"), st.sampled_from(["complete", "missing", UNKNOWN])), st.none() | st.sets(st.just(42)), st.sets(st.just("one-42")),
    st.dictionaries(st.just("one-42"), st.booleans()))
BASE = recovery.Evidence(began="before", transfer="none", monitored="yes", origin="asked", move="copying", operation="attach")
ON_DISKS = ("PROLOG", "EPILOG", "PROLOG_MIGRATE", "PROLOG_RESUME", "PROLOG_UNDEPLOY", "EPILOG_STOP", "EPILOG_UNDEPLOY")


@given(state=st.sampled_from(sorted(recovery.TABLE)), here=REPORT, before=REPORT, front_end=REPORT)
def test_whatever_two_hosts_show_nothing_unsafe_follows(state, here, before, front_end):
    reports = {"kvm1": before, "kvm2": here, hypervisor.FRONT_END: front_end}
    machine = vm(42, state, disks=[disk(0, 8)], attaching="vda", snapshot=(disk(0, 8), 0))
    known = evidence._with(hypervisor_facts.facts(machine, reports), BASE)                                     # pylint: disable=protected-access
    decision = recovery.decide(state, known)
    if decision.action not in recovery.ACTIONS:
        return
    looked = [seen for seen in (here, before) if not isinstance(seen, str)]
    assert not any(42 in (seen.busy or ()) for seen in looked), "acted beside a transfer"
    running = [seen for seen in looked if (seen.domains or {}).get("one-42") == "running"]
    assert len(running) < 2 or "domain" not in recovery.columns(state) or "source" not in recovery.columns(state), "acted on a VM that runs twice"
    if state.replace("_FAILURE", "") in ON_DISKS:
        assert not running and not any("one-42" in seen.guests for seen in looked), "copied, moved or deleted disks under a running domain"
        assert len(looked) == 2 and all(seen.domains is not None and seen.busy is not None for seen in looked)
    if decision.action in (recovery.SUCCESS, recovery.FAILURE, recovery.RETRY) and "disks" in recovery.columns(state):
        ends = [seen.folders[f"{HERE}/42"] for seen in (here, front_end if "RESUME" in state or state.startswith(("EPILOG", "PROLOG_UNDEPLOY")) else before)]
        assert None not in ends, "moved disks without having seen both ends"
        assert ends[0] or ends[1]
    if decision.action == recovery.SUCCESS and known.checkpoint == "complete" and state.startswith("SAVE"):
        assert "complete" in [seen.checkpoints.get(f"{HERE}/42") for seen in looked]


@given(st.lists(st.tuples(st.integers(0, 10 ** 6), st.text(min_size=1, max_size=20)), max_size=5))
def test_the_script_hands_every_name_on_as_it_is(pairs):
    rows = [hypervisor.Question(number, re.sub(r"[\n\t\0\r]", " ", name), "", f"/d/{number}", "f") for number, name in pairs]
    text = hypervisor.script(rows, uri="u'r i").partition("export LC_ALL")[0] + 'printf "%s" "$vms"'
    printed = subprocess.run(["sh", "-s"], input=text.encode(), stdout=subprocess.PIPE, check=True).stdout.decode()
    assert printed == "\n".join(f"{row.vm}\t{row.name}\t-\t{row.folder}\tf" for row in rows)


def test_the_script_only_reads():
    words = set(re.findall(r"[a-z-]+", hypervisor.SCRIPT))
    assert not words & {"rm", "mv", "cp", "kill", "destroy", "undefine", "create", "start", "shutdown", "reboot", "tee", "dd", "truncate", "chmod", "chown"}
    assert not re.search(r"(?<![0-9&])>(?! ?(/dev/null|&))", hypervisor.SCRIPT.replace("2>&1", "")), "it writes into a file"
