# SPDX-License-Identifier: GPL-3.0-or-later
"""Transfer scripts of VMs: which file, which commands, and what a request makes of them."""
import json
import pathlib
import re

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import evidence, recovery, transfer, vm_states
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, Problems

SHARED = pathlib.Path(__file__).resolve().parents[3].parent / "shared" / "fixtures"
TRANSCRIPTS, FAILOVER = SHARED / "interactive", SHARED / "failover"
CANARY = "CANARY-51ac"

MOVE = b"MV ssh kvm1:/ds/0/7/disk.0 kvm2:/ds/0/7/disk.0 7 1\n\n# moved by hand\nMV ssh kvm1:/ds/0/7 kvm2:/ds/0/7 7 0\n"
THERE = {"script": "/x", "exists": True, "executable": True, "problem": ""}


def vm(state="PROLOG_MIGRATE_FAILURE", seq=1, number=7):
    return evidence.Vm(id=number, name="web", owner="a", state=state, host="kvm2", hid=1, previous_host="kvm1", seq=seq, action="migrate", last_poll=0, poll="",
                       records=(), error="")


def seen(data=MOVE, state="PROLOG_MIGRATE_FAILURE", scripts=None, **results):
    steps = transfer.parse(data, "5.0.2")
    done = {int(name[1:]): result for name, result in results.items()}
    return transfer.Transfer(vm(state), "/vms/7/transfer.1.migrate", transfer.stamp(data, 1), steps, done, {step.number: scripts or THERE for step in steps})


def verbs(plan):
    return [(change.step[0], change.step[1] and change.step[1].number) for change in plan]


def ask(**request):
    return transfer.Request(**request)


# -- which file


@pytest.mark.parametrize("state, name", [(state, f"7/transfer.1.{kind}") for state, kind in transfer.KINDS.items()])
def test_the_file_follows_from_state_and_record(state, name):
    assert transfer.file_of(vm(state)) == name


def test_every_other_state_is_refused_in_onevms_words_with_what_leads_on():
    others = [state for state in vm_states.names() if state not in transfer.KINDS]
    assert len(others) > 60
    for state in others:
        with pytest.raises(CoreError) as caught:
            transfer.kind_of(vm(state))
        assert f"Current LCM STATE '{state}' not compatible with RECOVER RETRY action." in str(caught.value)
    with pytest.raises(CoreError, match="Recover it with failure first: that brings it to PROLOG_FAILURE"):
        transfer.kind_of(vm("PROLOG"))
    with pytest.raises(CoreError, match="Nothing of it is under way"):
        transfer.kind_of(vm("RUNNING"))
    with pytest.raises(CoreError, match="Its operation has no transfer script"):
        transfer.kind_of(vm("BOOT_FAILURE"))


# -- the commands


def test_a_command_a_line_blank_and_comment_lines_are_passed_over():
    steps = transfer.parse(MOVE, "5.0.2")
    assert [(step.number, step.line, step.command, step.driver, step.arguments) for step in steps] == [
        (1, 1, "mv", "ssh", ("kvm1:/ds/0/7/disk.0", "kvm2:/ds/0/7/disk.0", "7", "1")), (2, 4, "mv", "ssh", ("kvm1:/ds/0/7", "kvm2:/ds/0/7", "7", "0"))]
    assert transfer.parse(b"", "5.0.2") == () and transfer.parse(b"  \n\t# x\n", "7.2.0") == ()
    assert transfer.parse(b"  DELETE   ssh\ta 7 0", "5.0.2")[0].text == "DELETE ssh a 7 0"


@pytest.mark.parametrize("line, old, new", [
    ("CONTEXT ssh /ds/1/ab:'my key' host:/disk.1 7 1", ("/ds/1/ab:my key", "host:/disk.1", "7", "1"), ("/ds/1/ab:'my", "key'", "host:/disk.1", "7", "1")),
    ("CLONE ssh \"a  b\"c\\ d 7 1", ("a bc d", "7", "1"), ('"a', 'b"c\\', "d", "7", "1")),
    ("CLONE ssh a[1] 7 1", None, ("a[1]", "7", "1")),
    ("CLONE ssh a;reboot 7 1", None, ("a;reboot", "7", "1")),
    ("CLONE ssh $(reboot) 7 1", None, ("$(reboot)", "7", "1")),
    ("CLONE ssh 'open 7 1", None, ("'open", "7", "1")),
    ("CLONE ssh a # b", None, ("a", "#", "b")),
    ("CLONE ssh ''", ("",), ("''",)),
    ("CLONE ssh", (), ()),
])
def test_words_are_what_a_script_gets_from_the_release(line, old, new):
    before, after = (transfer.parse(line.encode(), release)[0] for release in ("5.4.1", "5.6.0"))
    assert (before.arguments, after.arguments, after.problem) == (old or (), new, "")
    assert bool(before.problem) == (old is None) and (old is not None or "a shell" in before.problem)


@pytest.mark.parametrize("line", ["CLONE", "CLONE ../x a 7 1", "../CLONE ssh a 7 1", "CL/ONE ssh a 7 1", "CLONE .. a 7 1"])
def test_a_line_without_command_and_driver_has_no_script(line):
    step = transfer.parse(line.encode(), "7.2.0")[0]
    assert step.problem == "it does not begin with a command and the name of a driver" and transfer.scripts(step) == []


def test_a_suffix_of_the_command_may_be_left_out():
    assert transfer.scripts(transfer.parse(b"CLONE.ssh ceph a 7 1", "6.10.5")[0]) == ["ceph/clone.ssh", "ceph/clone"]
    assert transfer.scripts(transfer.parse(b"CLONE ceph a 7 1", "6.10.5")[0]) == ["ceph/clone"]


def test_what_is_shown_is_printable_and_holds_no_password():
    step = transfer.parse(f"CONTEXT ssh http://bob:{CANARY}@h/x \udcff 7 1".encode("utf-8", "surrogateescape"), "5.6.0")[0]
    assert CANARY not in step.text and "://(secret)@h/x" in step.text and CANARY in step.arguments[0]
    step.text.encode()
    scripts = {1: THERE}
    assert CANARY not in json.dumps(transfer.told(transfer.Transfer(vm(), "p", {}, (step,), {}, scripts)))


def test_the_reason_of_a_failure_is_what_stands_between_the_marks():
    assert transfer.error_message("INFO: a\nERROR MESSAGE --8<------\nno space\nleft\nERROR MESSAGE ------>8--\nERROR: b\n") == "no space\nleft"
    assert transfer.error_message("line\nlast line\n\n") == "last line"
    assert transfer.error_message("") == "it said nothing"
    assert CANARY not in transfer.error_message(f"wget: cannot reach https://bob:{CANARY}@h/x")
    assert CANARY not in transfer.error_message(f"wget: https://bob:{CANARY}@h/" + "x" * (transfer.MOST_SAID - len(CANARY) - 5))


# -- a request


def test_steps_are_run_in_the_order_of_the_file_and_success_is_last():
    assert verbs(transfer.plan(seen(), ask(run=("2", "1"), report=True))) == [("run", 1), ("run", 2), ("report", None)]
    assert verbs(transfer.plan(seen(), ask(run=("rest",)))) == [("run", 1), ("run", 2)]
    assert verbs(transfer.plan(seen(s1="done"), ask(run=("rest",), report=True))) == [("run", 2), ("report", None)]
    assert verbs(transfer.plan(seen(s1="skipped"), ask(run=("all",)))) == [("run", 2)]
    assert verbs(transfer.plan(seen(s1="failed"), ask(run=("1",)))) == [("run", 1)]
    last = transfer.plan(seen(s1="done", s2="skipped"), ask(report=True)).as_list()
    assert last == [{"kind": "vm", "target": "7 web", "before": "PROLOG_MIGRATE_FAILURE", "after": "RUNNING"}]


def test_what_is_done_is_run_again_only_on_request():
    done = seen(s1="done", s2="done")
    assert not transfer.plan(done, ask(run=("all",))) and not transfer.plan(done, ask(run=("1",)))
    assert verbs(transfer.plan(done, ask(run=("all",), again=True))) == [("run", 1), ("run", 2)]
    assert verbs(transfer.plan(done, ask(run=("2",), again=True))) == [("run", 2)]
    assert not transfer.plan(done, ask(run=("rest",), again=True))


SKIP = {"step": 2, "expect": "MV ssh  kvm1:/ds/0/7 kvm2:/ds/0/7 7 0 "}


def test_a_step_is_skipped_by_its_number_and_text():
    plan = transfer.plan(seen(), ask(run=("rest",), skip=(SKIP,), report=True))
    assert verbs(plan) == [("run", 1), ("skip", 2), ("report", None)]
    assert plan.as_list()[1] == {"kind": "step", "target": "7/2 MV ssh kvm1:/ds/0/7 kvm2:/ds/0/7 7 0", "before": "not_run", "after": "skipped"}
    assert not transfer.plan(seen(s1="done", s2="skipped"), ask(run=("all",), skip=(SKIP,)))
    assert verbs(transfer.plan(seen(s1="done", s2="done"), ask(run=("all",), skip=(SKIP,), again=True))) == [("run", 1)]


@pytest.mark.parametrize("known, request_, problem", [
    ({}, {"run": ("2",)}, "step 2 comes after step 1, which must be run or skipped first"),
    ({}, {"run": ("2",), "skip": (SKIP,)}, "step 2 is to be run and to be skipped"),
    ({}, {"run": ("3",)}, "there is no step 3: steps are numbered 1 to 2"),
    ({}, {"run": ("one",)}, "there is no step one"),
    ({}, {"run": ("rest", "1")}, "rest and all stand alone"),
    ({}, {}, "nothing is asked for"),
    ({}, {"skip": ({"step": 1, "expect": "MV"},)}, "step 1 is not skipped: it reads 'MV ssh kvm1:/ds/0/7/disk.0 kvm2:/ds/0/7/disk.0 7 1', not 'MV'"),
    ({}, {"skip": ({"step": 0, "expect": "MV"},)}, "there is no step 0"),
    ({}, {"report": True}, "step 1 (MV ssh kvm1:/ds/0/7/disk.0 kvm2:/ds/0/7/disk.0 7 1) is neither run nor skipped, so success cannot be reported"),
    ({"s1": "done", "s2": "failed"}, {"report": True}, "step 2 (MV ssh kvm1:/ds/0/7 kvm2:/ds/0/7 7 0) is neither run nor skipped"),
    ({"s1": "unknown"}, {"run": ("1",)}, "was begun and its end was not seen"),
    ({"s1": "done", "s2": "unknown"}, {"report": True}, "step 2 (MV ssh kvm1:/ds/0/7 kvm2:/ds/0/7 7 0) is neither run nor skipped"),
])
def test_requests_that_cannot_be_are_refused_as_a_whole(known, request_, problem):
    with pytest.raises(Problems, match="Nothing was run") as caught:
        transfer.plan(seen(**known), ask(**request_))
    assert problem in str(caught.value)


def test_a_step_of_which_the_end_is_not_known_runs_again_or_is_skipped():
    assert verbs(transfer.plan(seen(s1="unknown"), ask(run=("1",), again=True))) == [("run", 1)]
    first = {"step": 1, "expect": "MV ssh kvm1:/ds/0/7/disk.0 kvm2:/ds/0/7/disk.0 7 1"}
    assert verbs(transfer.plan(seen(s1="unknown"), ask(skip=(first,)))) == [("skip", 1)]


def test_all_steps_that_cannot_be_run_are_told_before_any_runs():
    missing = dict(THERE, exists=False, problem="its script is not there")
    with pytest.raises(Problems, match="its script is not there") as caught:
        transfer.plan(seen(scripts=missing), ask(run=("all",)))
    assert len(caught.value.problems) == 2
    with pytest.raises(Problems, match="would act on its special characters; run it by hand as the daemon's user, then skip it"):
        transfer.plan(seen(b"CLONE ssh $x 7 1"), ask(run=("all",)))


def test_a_file_without_steps_proves_nothing():
    with pytest.raises(Problems, match="the file has no step"):
        transfer.plan(seen(b"# nothing\n"), ask(report=True))


# -- what was done


def test_records_count_for_the_very_file_they_were_made_with():
    known = seen()
    entries = [transfer.record(known, known.steps[0], "begun", 5), transfer.record(known, known.steps[0], "done", 6),
               transfer.record(known, known.steps[1], "begun", 7)]
    assert transfer.progress(entries, known.vm, known.stamp) == {1: "done", 2: "unknown"}
    assert transfer.progress(entries, known.vm, transfer.stamp(MOVE, 2)) == {}             # the same text, written anew
    assert transfer.progress(entries, known.vm, transfer.stamp(MOVE + b"\n", 1)) == {}
    for other in (vm(seq=2), vm("PROLOG_MIGRATE_POWEROFF_FAILURE"), vm(number=8)):
        assert transfer.progress(entries, other, known.stamp) == {}
    assert transfer.progress([{"step": 1, "result": "done"}, {"vm": 7, "result": "reported"}, {}], known.vm, known.stamp) == {}


def test_a_report_counts_while_the_vm_is_where_it_leads():
    entries = [{"vm": 7, "seq": 1, "result": "reported", "leads_to": "RUNNING"}]
    assert transfer.reported(entries, vm("RUNNING")) and not transfer.reported(entries, vm("POWEROFF")) and not transfer.reported(entries, vm("RUNNING", 2))
    assert not transfer.reported([], vm("RUNNING"))


def test_success_leads_somewhere_from_every_state_with_steps():
    assert {recovery.leads_to(state, "success") for state in transfer.KINDS} == {"RUNNING", "POWEROFF", "SUSPENDED", "DONE", "STOPPED", "UNDEPLOYED"}


# -- recorded on real daemons


@pytest.mark.skipif(not TRANSCRIPTS.is_dir(), reason="needs the recorded transcripts")
def test_recorded_transcripts_agree():
    listed = ran = refused = 0
    for path in sorted(TRANSCRIPTS.glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        for block in re.findall(r"TM Action list:\S*\n((?:\(\d+\) .*\n)+)", text):
            lines = re.findall(r"^\((\d+)\) (.*)$", block, re.MULTILINE)
            steps = transfer.parse("".join(line + "\n" for unused, line in lines).encode(), "5.0.2")
            assert [(str(step.number), step.text) for step in steps] == lines
            listed += 1
            commands = {" ".join(("/srv/one-5.0.2/var/remotes/tm/" + transfer.scripts(step)[0], *step.arguments)) for step in steps}
            for command in re.findall(r"Command execution fail: (.*)", text):
                assert command in commands
                ran += 1
        for state in re.findall(r"Current LCM STATE '(\w+)' not compatible with RECOVER RETRY action", text):
            with pytest.raises(CoreError, match=f"'{state}' not compatible"):
                transfer.kind_of(vm(state))
            refused += 1
        for name in re.findall(r"Cannot read \S+/vms/(\S+)", text):
            assert name == transfer.file_of(vm("EPILOG_STOP_FAILURE", 0, 9))
    print(f"{listed} lists of steps, {ran} commands as they were run, {refused} refusals")
    assert listed >= 20 and ran >= 10 and refused >= 2


@pytest.mark.skipif(not FAILOVER.is_dir(), reason="needs the recorded failovers")
def test_recorded_transfer_files_are_read_and_chosen():
    files, chosen = 0, set()
    for path in (FAILOVER / "5.0.2_kill9.json", FAILOVER / "5.0.2_term.json"):
        for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
            inside = row["files_in_vms_dir"]
            names = [name for name in inside if name.startswith("transfer.")]
            for name in names:
                steps = transfer.parse(inside[name].encode(), "5.0.2")
                assert steps and not [step for step in steps if step.problem] and [step.text for step in steps] == inside[name].splitlines(), (path.name, name)
            files += len(names)
            if names and row["before"] in transfer.KINDS:
                wanted = transfer.file_of(vm(row["before"], max(int(record["SEQ"]) for record in row["history_before"]), row["vm"]))
                assert wanted.partition("/")[2] in names, (path.name, row["before"])
                chosen.add((path.name, row["before"]))
    print(f"{files} transfer files read, {len(chosen)} chosen by state and record")
    assert files > 50 and len(chosen) >= len(transfer.KINDS)
