# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hypervisor's answer tells of stuck VMs. The answer was recorded on libvirt 9.0 and qemu 7.2; other cases are made from it."""
import pathlib
import re
import subprocess

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import evidence, hypervisor, recovery
from ansible_collections.constellation.opennebula.plugins.module_utils.core.recovery import UNKNOWN
from hypothesis import given
from hypothesis import strategies as st

ANSWER = (pathlib.Path(__file__).parents[1] / "fixtures/hypervisor_answer.txt").read_text(encoding="utf-8")
QUESTIONS = [hypervisor.Question(number, f"one-{number}", f"{hypervisor.LOCATION}/0/{number}") for number in range(42, 49)]
MIB = hypervisor.MIB


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
    """disk_0=8 → a raw file disk.0 of 8 MiB."""
    return {name.replace("_", "."): hypervisor.File("f", "f", size * MIB) for name, size in sizes.items()}


def shows(here=None, before=None, number=42):
    """Return reports in which each host has these files of one VM."""
    return {"kvm1": report(folders={number: before}, busy=set()), "kvm2": report(folders={number: here}, busy=set())}


def test_recorded_answer_is_read_whole():
    read = report()
    assert read.domains == {"one-42": "running", "one-43": "running"} and read.jobs == set()
    assert read.busy == {46, 47}, "the domains' own qemu is no transfer, a copy into the folder and a shell in it are"
    assert read.folders[42]["disk.0"] == hypervisor.File("f", "f", 8 * MIB) and read.folders[48] is None
    assert read.folders[43]["disk.0"].virtual == 16 * MIB and read.folders[43]["disk.0"].sound
    assert read.folders[44]["disk.0"].kind == "l" and read.folders[44]["disk.0.snap/0"].virtual == 8 * MIB
    assert read.checkpoints == {44: "missing", 45: "complete"}
    assert {"vda", "02:00:0a:00:00:42"} <= read.devices["one-42"]


@pytest.mark.parametrize("cut", ["\n== end", "\n== files"])
def test_answer_that_was_cut_off_is_none(cut):
    assert hypervisor.parse(ANSWER[:ANSWER.index(cut)], QUESTIONS) is None


def test_libvirt_that_does_not_answer_leaves_the_domain_unknown():
    silent = hypervisor.parse(ANSWER.replace("\n== domains-end", ""), QUESTIONS)
    assert silent is not None and silent.domains is None
    facts = hypervisor.facts(vm(42, "BOOT", hosts=("kvm2",)), {"kvm2": silent})
    assert "domain" not in facts and facts["hypervisors"] == "answered"


@pytest.mark.parametrize("state, expected", [("running", "running"), ("idle", "running"), ("shut off", "absent"), (None, "absent"), ("paused", None),
                                             ("in shutdown", None), ("crashed", None), ("no state", None), ("pmsuspended", None)])
def test_a_domain_runs_is_gone_or_is_unknown(state, expected):
    seen = report(domains={"one-7": state} if state else {})
    assert hypervisor.facts(vm(7, "BOOT", hosts=("kvm2",)), {"kvm2": seen}).get("domain") == expected


def test_both_hosts_of_a_migration_are_asked_and_told_apart():
    migrating = vm(42, "MIGRATE")
    assert hypervisor.questions([migrating]) == {host: [hypervisor.Question(42, "one-42", "/var/lib/one/datastores/0/42")] for host in ("kvm1", "kvm2")}
    facts = hypervisor.facts(migrating, {"kvm1": report(domains={}), "kvm2": report()})
    assert (facts["source"], facts["domain"]) == ("absent", "running")


def test_only_kvm_is_asked_and_strange_names_never_reach_a_shell():
    assert hypervisor.questions([vm(1, vm_mad="ec2"), vm(2, hosts=("aws",), vm_mad="dummy")]) == {}
    assert hypervisor.domain(vm(9, deploy_id="imported.web-1")) == "imported.web-1"
    assert hypervisor.domain(vm(9, deploy_id="x; rm -rf /")) == "one-9" == hypervisor.domain(vm(9, deploy_id="f7a005e1-9f31-4ccd-a192-01a03240c0ee"))


def test_host_that_is_off_runs_nothing_and_one_that_is_silent_tells_nothing():
    migrating = vm(42, "MIGRATE")
    facts = hypervisor.facts(migrating, {"kvm2": report()}, off=("kvm1",))
    assert (facts["source"], facts["domain"], facts["hypervisors"]) == ("absent", "running", "answered")
    facts = hypervisor.facts(migrating, {"kvm2": report(), "kvm1": "kvm1: it does not let us in"})
    assert "source" not in facts and facts["hypervisors"] == "silent"
    assert hypervisor.asked(migrating, {"kvm2": report(), "kvm1": "no"}) == {"kvm2": "answered", "kvm1": "no"}


def test_work_on_its_files_and_a_job_of_its_domain_are_transfers():
    assert hypervisor.facts(vm(46), {"kvm1": report(), "kvm2": report(busy=set())})["transfer"] == "running"
    assert hypervisor.facts(vm(42), {"kvm2": report(jobs={"one-42"})})["transfer"] == "running"
    assert "transfer" not in hypervisor.facts(vm(42), {"kvm1": report(), "kvm2": report()})
    active = hypervisor.parse(ANSWER.replace("Job type:         None", "Job type:         Unbounded", 1), QUESTIONS)
    assert active.jobs == {"one-42"}


DISKS = [disk(0, 8), disk(1, 2)]
WHOLE, HALF = files(disk_0=8, disk_1=2), files(disk_0=8, disk_1=1)


@pytest.mark.parametrize("before, here, expected", [
    (WHOLE, {}, "at_source"), (WHOLE, None, "at_source"), (WHOLE, HALF, "at_source"), (WHOLE, WHOLE, "at_source"),
    (None, WHOLE, "arrived"), (HALF, WHOLE, "arrived"), ({}, WHOLE, "arrived"),
    (HALF, HALF, "partial"), (None, HALF, "partial"), ({}, {}, "partial"), (None, None, "partial"),
])
def test_where_the_disks_are(before, here, expected):
    assert hypervisor.facts(vm(42, disks=DISKS), shows(here, before)).get("disks") == expected


def test_disks_are_unknown_where_a_host_is_silent_a_mount_may_be_missing_or_disks_are_no_files():
    one = {"kvm2": shows(HALF)["kvm2"], "kvm1": "kvm1: no"}
    assert "disks" not in hypervisor.facts(vm(42, disks=DISKS), one)
    assert "disks" not in hypervisor.facts(vm(42, disks=DISKS, tm_mad="shared"), shows(None, None))
    assert "disks" not in hypervisor.facts(vm(42, disks=DISKS, tm_mad="ceph"), shows(WHOLE, WHOLE))
    assert hypervisor.facts(vm(42, disks=[disk(0, 8, is_file=False)]), shows(WHOLE, WHOLE))["disks"] == "partial"
    assert "disks" not in hypervisor.facts(vm(42), shows(WHOLE, WHOLE)), "a VM without a disk proves nothing"


@pytest.mark.parametrize("file, whole", [
    (hypervisor.File("f", "f", 8 * MIB), True), (hypervisor.File("f", "f", 8 * MIB - 1), False), (hypervisor.File("f", "f", 9 * MIB), False),
    (hypervisor.File("f", "f", 200000, 8 * MIB, True), True), (hypervisor.File("f", "f", 200000, 8 * MIB, False), False),
    (hypervisor.File("f", "f", 200000, 4 * MIB, True), False), (hypervisor.File("l", "f", 13), True), (hypervisor.File("l", "N", 13), False),
])
def test_a_disk_is_whole_to_its_last_byte(file, whole):
    facts = hypervisor.facts(vm(42, disks=[disk(0, 8)]), shows({"disk.0": file}, {}))
    assert facts["disks"] == ("arrived" if whole else "partial")


def test_context_has_to_be_there_too():
    with_context = vm(42, disks=[disk(0, 8)], extras=("disk.1",))
    assert hypervisor.facts(with_context, shows(files(disk_0=8), {}))["disks"] == "partial"
    assert hypervisor.facts(with_context, shows(files(disk_0=8, disk_1=1), {}))["disks"] == "arrived"


def test_disks_on_their_way_to_the_front_end_are_looked_for_where_they_came_from():
    stopping = vm(42, "EPILOG_STOP", disks=DISKS, hosts=("kvm2",))
    assert hypervisor.facts(stopping, shows(WHOLE))["disks"] == "at_source"
    assert "disks" not in hypervisor.facts(stopping, shows(HALF))
    resuming = vm(42, "PROLOG_RESUME", disks=DISKS, hosts=("kvm1", "kvm2"))
    assert hypervisor.facts(resuming, shows(WHOLE, {}))["disks"] == "arrived"
    assert "disks" not in hypervisor.facts(resuming, shows(HALF, WHOLE)), "what lies on an earlier host is not where it comes from"


@pytest.mark.parametrize("number, expected", [(45, "complete"), (44, "missing"), (42, "missing")])
def test_checkpoint_is_what_libvirt_says_of_it(number, expected):
    assert hypervisor.facts(vm(number, "SAVE_SUSPEND", hosts=("kvm2",)), {"kvm2": report()})["checkpoint"] == expected
    leaving = vm(number, "SAVE_MIGRATE")
    assert hypervisor.facts(leaving, {"kvm1": report(), "kvm2": report(checkpoints={}, folders={number: {}})})["checkpoint"] == expected


def test_checkpoint_that_libvirt_does_not_judge_is_unknown():
    unread = hypervisor.parse(ANSWER.replace("checkpoint\t\tsaved", "checkpoint\t\t-"), QUESTIONS)
    assert "checkpoint" not in hypervisor.facts(vm(45, "SAVE_SUSPEND", hosts=("kvm2",)), {"kvm2": unread})


@pytest.mark.parametrize("device, expected", [("vda", "attached"), ("vdb", "detached"), ("02:00:0a:00:00:42", "attached"), ("02:00:0a:00:00:99", "detached"),
                                              ("", None)])
def test_device_is_looked_for_in_the_running_domain(device, expected):
    assert hypervisor.facts(vm(42, "HOTPLUG", hosts=("kvm2",), attaching=device), {"kvm2": report()}).get("device") == expected
    assert "device" not in hypervisor.facts(vm(48, "HOTPLUG", hosts=("kvm2",), attaching=device), {"kvm2": report()}), "its domain does not run"


@pytest.mark.parametrize("wanted, expected", [((disk(0, 8), 0), "present"), ((disk(0, 8), 1), "absent"), ((disk(0, 9), 0), None)])
def test_disk_snapshot_is_a_whole_file(wanted, expected):
    snapshotting = vm(44, "DISK_SNAPSHOT_POWEROFF", hosts=("kvm2",), tm_mad="qcow2", snapshot=wanted)
    assert hypervisor.facts(snapshotting, {"kvm2": report()}).get("snapshot") == expected
    assert "snapshot" not in hypervisor.facts(snapshotting, {"kvm2": report(folders={44: None})})


FILE = st.builds(hypervisor.File, st.sampled_from("fl"), st.sampled_from("fN"), st.sampled_from([0, MIB, 8 * MIB - 1, 8 * MIB]),
                 st.sampled_from([None, 8 * MIB, MIB]), st.sampled_from([None, True, False]))
FOLDER = st.none() | st.dictionaries(st.sampled_from(["disk.0", "disk.1", "checkpoint", "disk.0.snap/0"]), FILE)
REPORT = st.just("it cannot be asked") | st.builds(
    lambda domains, folder, checkpoint, busy: report(domains=domains, folders={42: folder}, checkpoints=checkpoint, busy=busy, jobs=set()),
    st.none() | st.dictionaries(st.just("one-42"), st.sampled_from(["running", "paused", "shut off"])), FOLDER,
    st.dictionaries(st.just(42), st.sampled_from(["complete", "missing", UNKNOWN])), st.sets(st.just(42)))
BASE = recovery.Evidence(began="before", transfer="none", monitored="yes", origin="asked", move="copying", operation="attach")


@given(state=st.sampled_from(sorted(recovery.TABLE)), here=REPORT, before=REPORT)
def test_whatever_two_hosts_show_nothing_unsafe_follows(state, here, before):
    reports = {"kvm1": before, "kvm2": here}
    machine = vm(42, state, disks=[disk(0, 8)], attaching="vda", snapshot=(disk(0, 8), 0))
    facts = hypervisor.facts(machine, reports)
    known = evidence._with(facts, BASE)                                     # pylint: disable=protected-access
    decision = recovery.decide(state, known)
    if decision.action not in recovery.ACTIONS:
        return
    looked = [seen for seen in reports.values() if not isinstance(seen, str)]
    assert not any(42 in seen.busy for seen in looked), "acted beside a transfer"
    running = [host for host, seen in reports.items() if not isinstance(seen, str) and (seen.domains or {}).get("one-42") == "running"]
    assert len(running) < 2 or "domain" not in recovery.columns(state) or "source" not in recovery.columns(state), "acted on a VM that runs twice"
    if decision.action == recovery.SUCCESS and "disks" in recovery.columns(state):
        assert isinstance(here, hypervisor.Report) and here.folders[42], "success of a move whose target nobody saw"
    if decision.action == recovery.SUCCESS and known.checkpoint == "complete" and state.startswith("SAVE"):
        assert "complete" in [seen.checkpoints.get(42) for seen in looked]


@given(st.lists(st.tuples(st.integers(0, 10 ** 6), st.text(max_size=20)), max_size=5))
def test_the_script_hands_every_name_on_as_it_is(pairs):
    rows = [hypervisor.Question(number, name.replace("\n", " ").replace("\t", " ").replace("\0", " ").replace("\r", " "), f"/d/{number}")
            for number, name in pairs]
    text = hypervisor.script(rows, uri="u'r i").partition("export LC_ALL")[0] + 'printf "%s" "$vms"'
    printed = subprocess.run(["sh", "-s"], input=text.encode(), stdout=subprocess.PIPE, check=True).stdout.decode()
    assert printed == "\n".join(f"{row.vm}\t{row.domain}\t{row.folder}" for row in rows)


def test_the_script_only_reads():
    words = set(re.findall(r"[a-z-]+", hypervisor.SCRIPT))
    assert not words & {"rm", "mv", "cp", "kill", "destroy", "undefine", "create", "start", "shutdown", "reboot", "tee", "dd", "truncate", "chmod", "chown"}
    assert not re.search(r"(?<![0-9&])>(?! ?(/dev/null|&))", hypervisor.SCRIPT.replace("2>&1", "")), "it writes into a file"
