# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules vm_transfer and vm_transfer_info: real scripts in a tree, a daemon that behaves, and the stand-in's daemon."""
import getpass
import importlib.util
import json
import os
import pathlib
import sys

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters.opennebula import Refused
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters.transfer import Transfers
from ansible_collections.constellation.opennebula.plugins.module_utils.core import transfer
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, NotThere, Problems
from ansible_collections.constellation.opennebula.plugins.modules import vm_transfer, vm_transfer_info

_spec = importlib.util.spec_from_file_location("recovery_fakes", pathlib.Path(__file__).with_name("recovery_fakes.py"))
fakes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fakes)
Machine = fakes.Machine
LAB = pathlib.Path(__file__).resolve().parents[1] / "lab"

PARAMS = dict({name: spec.get("default") for name, spec in vm_transfer.SPEC.items()}, vm=7)
CANARY = "CANARY-77d1"
# a script that notes its call, and fails or hangs when a file says so
SCRIPT = """#!/bin/bash
echo "$(basename $0) $@" >> {root}/called
if [ -e {root}/fail.$(basename $0) ]; then
    echo "ERROR MESSAGE --8<------" >&2
    cat {root}/fail.$(basename $0) >&2
    echo "ERROR MESSAGE ------>8--" >&2
    exit 2
fi
if [ -e {root}/hang ]; then sleep 60; fi
if [ -e {root}/then ]; then . {root}/then; fi
"""
EPILOG = "MVDS ssh kvm1:/ds/0/7/disk.0 /ds/1/a 7 1\nDELETE ssh kvm1:/ds/0/7/disk.1 7 1\nDELETE ssh kvm1:/ds/0/7 7 0\n"


class World(fakes.World):
    """The daemon of vm_recovery's tests, which also has a version and a state in which success passes through a transient one."""

    def version(self):
        return "5.0.2"


@pytest.fixture
def tree(tmp_path):
    for folder in ("var/lib/one/vms/7", "var/lib/one/vms/8", "var/lib/one/remotes/tm/ssh", "var/log/one", "run/lock"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "var/lib/one/config").write_text("SCRIPTS_REMOTE_DIR=/var/tmp/one\n")
    for name in ("clone", "mv", "delete", "mvds"):
        path = tmp_path / "var/lib/one/remotes/tm/ssh" / name
        path.write_text(SCRIPT.format(root=tmp_path))
        path.chmod(0o755)
    write(tmp_path, EPILOG)
    return tmp_path


def write(tree, text, name="7/transfer.0.epilog"):
    (tree / "var/lib/one/vms" / name).write_text(text)


def place_of(tree):
    return Transfers(tree, tree / "var/log/one/recovery.log", user=getpass.getuser())


def called(tree):
    path = tree / "called"
    return path.read_text().splitlines() if path.exists() else []


def ask(tree, world, check_mode=False, **params):
    return vm_transfer.ensure(dict(PARAMS, **params), lambda: world, world, place_of(tree), check_mode, world.pause)


def info(tree, world, vms=None):
    return vm_transfer_info.read({"vms": vms}, lambda: world, world, place_of(tree))


def stuck(state="EPILOG_FAILURE", **more):
    return World(Machine(7, state, **more), Machine(8, "RUNNING", runs=True))


def outcome_of(rows):
    return [row["result"] for row in rows]


def test_all_steps_are_run_and_success_leads_on(tree):
    world = stuck()
    done = ask(tree, world, run=["all"], report=True)
    assert called(tree) == ["mvds kvm1:/ds/0/7/disk.0 /ds/1/a 7 1", "delete kvm1:/ds/0/7/disk.1 7 1", "delete kvm1:/ds/0/7 7 0"]
    assert world.calls == [(7, "success", "EPILOG_FAILURE")] and world.machines[7].state == "DONE"
    assert done.plan.as_list()[0] == {"kind": "step", "target": "7/1 MVDS ssh kvm1:/ds/0/7/disk.0 /ds/1/a 7 1", "before": "not_run", "after": "done"}
    assert done.plan.as_list()[-1] == {"kind": "vm", "target": "7 vm7", "before": "EPILOG_FAILURE", "after": "DONE"}
    assert (done.results["state"], done.results["state_after"], outcome_of(done.results["steps"])) == ("EPILOG_FAILURE", "DONE", ["done"] * 3)
    assert [(note["operation"], note["vm"]) for note in world.notes] == [("success", 7)]
    again = ask(tree, world, run=["all"], report=True)
    assert not again.changed and len(called(tree)) == 3 and len(world.calls) == 1 and again.results["state_after"] == "DONE"


def test_check_mode_runs_nothing_and_foresees_exactly_what_a_run_does(tree):
    skip = [{"step": 2, "expect": "DELETE ssh kvm1:/ds/0/7/disk.1 7 1"}]
    world, files = stuck(), sorted(str(path) for path in tree.rglob("*"))
    foreseen = ask(tree, world, True, run=["rest"], skip=skip, report=True)
    assert called(tree) == [] and world.calls == [] and world.notes == [] and sorted(str(path) for path in tree.rglob("*")) == files
    done = ask(tree, world, run=["rest"], skip=skip, report=True)
    assert foreseen.plan.as_list() == done.plan.as_list() and len(called(tree)) == 2
    assert [change["after"] for change in done.plan.as_list()] == ["done", "skipped", "done", "DONE"]


def test_a_failed_step_ends_it_with_its_message_and_the_next_task_goes_on_there(tree):
    world = stuck()
    (tree / "fail.delete").write_text("no route to host\n")
    with pytest.raises(CoreError) as caught:
        ask(tree, world, run=["all"], report=True)
    text = str(caught.value)
    assert text.startswith("step 2 of the transfer of VM 7 failed at ") and "transfer.0.epilog:2 (DELETE ssh kvm1:/ds/0/7/disk.1 7 1)" in text
    assert "exit code 2: no route to host. The steps after it were not run" in text
    told = caught.value.as_dict()
    assert outcome_of(told["steps"]) == ["done", "failed", "not_run"] and told["steps"][1]["code"] == 2 and len(told["changes"]) == 1 and world.calls == []
    assert outcome_of(info(tree, world)["transfers"][0]["steps"]) == ["done", "failed", "not_run"]
    (tree / "fail.delete").unlink()
    done = ask(tree, world, run=["rest"], report=True)
    assert [line.split()[0] for line in called(tree)] == ["mvds", "delete", "delete", "delete"] and world.machines[7].state == "DONE"
    assert [change["before"] for change in done.plan.as_list()] == ["failed", "not_run", "EPILOG_FAILURE"]


def test_one_step_at_a_time_and_then_the_report(tree):
    world = stuck()
    for number in ("1", "2", "3"):
        assert ask(tree, world, run=[number]).changed
        assert not ask(tree, world, run=[number]).changed
    assert len(called(tree)) == 3 and world.calls == []
    done = ask(tree, world, report=True)
    assert [change["kind"] for change in done.plan.as_list()] == ["vm"] and world.machines[7].state == "DONE"


def test_success_is_never_reported_with_a_step_left(tree):
    world = stuck()
    with pytest.raises(Problems, match="step 3 .* is neither run nor skipped, so success cannot be reported"):
        ask(tree, world, run=["1", "2"], report=True)
    assert called(tree) == [] and world.calls == []


def test_a_file_that_was_written_anew_has_no_step_done(tree):
    world = stuck()
    ask(tree, world, run=["all"])
    path = tree / "var/lib/one/vms/7/transfer.0.epilog"
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1))       # a retry of the daemon writes the same text
    with pytest.raises(Problems, match="step 1 .* is neither run nor skipped"):
        ask(tree, world, report=True)
    assert outcome_of(info(tree, world)["transfers"][0]["steps"]) == ["not_run"] * 3


def test_a_changed_file_is_never_skipped_by_mistake(tree):
    write(tree, "DELETE ssh kvm1:/ds/0/7 7 0\n")
    with pytest.raises(Problems, match="step 1 is not skipped: it reads 'DELETE ssh kvm1:/ds/0/7 7 0', not 'MVDS ssh a b 7 1'"):
        ask(tree, stuck(), skip=[{"step": 1, "expect": "MVDS ssh a b 7 1"}], report=True)


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_vm_whose_transfer_runs_is_left_alone(tree, check_mode):
    world = stuck()
    world._transfers = {7}
    with pytest.raises(CoreError, match="a transfer script works on it now; a second one would write over it"):
        ask(tree, world, check_mode, run=["all"])
    row = info(tree, world)["transfers"][0]
    assert row["running"] and row["problem"] == "a transfer script works on it now" and called(tree) == []


@pytest.mark.parametrize("check_mode", [False, True])
def test_two_at_once_are_refused(tree, check_mode):
    with place_of(tree).locked(7):
        with pytest.raises(CoreError, match="the VM's transfer is busy"):
            ask(tree, stuck(), check_mode, run=["all"])
    assert called(tree) == []


def test_a_vm_that_moved_between_two_steps_stops_it(tree):
    world = stuck()
    plain = world.vm

    def vm(number):
        if called(tree):
            world.machines[7].state = "EPILOG"          # somebody called retry
        return plain(number)

    world.vm = vm
    with pytest.raises(CoreError, match=r"step 2 was not run at VM 7: it was in EPILOG_FAILURE \(record 0\) and is now in EPILOG \(record 0\)") as caught:
        ask(tree, world, run=["all"], report=True)
    assert len(called(tree)) == 1 and world.calls == [] and outcome_of(caught.value.as_dict()["steps"]) == ["done", "not_run", "not_run"]
    assert caught.value.as_dict()["state_after"] == "EPILOG"


def test_a_vm_that_moved_before_the_report_is_not_reported(tree):
    world = stuck()
    (tree / "then").write_text(f'[ $(wc -l < {tree}/called) -lt 3 ] || echo "# anew" >> {tree}/var/lib/one/vms/7/transfer.0.epilog\n')
    with pytest.raises(CoreError, match="success was not reported .*the daemon has written the transfer script anew"):
        ask(tree, world, run=["all"], report=True)
    assert world.calls == []


def test_a_transfer_that_begins_meanwhile_stops_it(tree):
    world = stuck()
    world.transfers = lambda: {7} if called(tree) else set()
    with pytest.raises(CoreError, match="a transfer script works on it now"):
        ask(tree, world, run=["all"])
    assert len(called(tree)) == 1


def test_a_daemon_that_left_this_host_stops_it(tree):
    world = stuck()
    world.daemon_started = lambda: None if called(tree) else 1.0
    with pytest.raises(CoreError, match="no oned runs on this host"):
        ask(tree, world, run=["all"])
    assert len(called(tree)) == 1


def test_a_step_out_of_time_is_not_known_and_not_run_again_unasked(tree):
    world = stuck()
    (tree / "hang").write_text("")
    with pytest.raises(CoreError, match="it did not end within 1 s and was stopped. What it did is not known"):
        ask(tree, world, run=["1"], step_timeout_s=1)
    (tree / "hang").unlink()
    with pytest.raises(Problems, match="step 1 .* was begun and its end was not seen"):
        ask(tree, world, run=["rest"])
    assert len(called(tree)) == 1
    assert ask(tree, world, run=["1"], again=True).plan.as_list()[0]["before"] == "unknown" and len(called(tree)) == 2


def test_a_task_that_died_in_a_step_leaves_it_unknown(tree):
    world, place = stuck(), place_of(tree)

    def die(*unused):
        raise KeyboardInterrupt

    place.run = die
    with pytest.raises(KeyboardInterrupt):
        vm_transfer.ensure(dict(PARAMS, run=["all"]), lambda: world, world, place, False, world.pause)
    assert outcome_of(info(tree, world)["transfers"][0]["steps"]) == ["unknown", "not_run", "not_run"]
    with pytest.raises(Problems, match="step 1 .* was begun and its end was not seen"):
        ask(tree, world, run=["all"])


def test_a_step_that_cannot_be_noted_is_not_run(tree):
    world = stuck()
    (tree / "var/log/one/recovery-transfers.log").mkdir()
    with pytest.raises(CoreError, match="cannot (read|write) the record of transfer steps"):
        ask(tree, world, run=["all"])
    assert called(tree) == []


def test_a_user_who_is_not_there_is_found_before_anything_runs(tree):
    for check_mode in (True, False):
        place = Transfers(tree, tree / "var/log/one/recovery.log", user="nobody-of-that-name")
        with pytest.raises(CoreError, match="there is no such user"):
            vm_transfer.ensure(dict(PARAMS, run=["all"]), stuck, stuck(), place, check_mode)
        assert place.entries(7) == []


def test_every_script_is_looked_at_before_the_first_runs(tree):
    (tree / "var/lib/one/remotes/tm/ssh/delete").chmod(0o644)
    write(tree, EPILOG + "DELETE ceph x 7 0\n")
    for check_mode in (True, False):
        with pytest.raises(Problems) as caught:
            ask(tree, stuck(), check_mode, run=["all"])
        text = str(caught.value)
        assert len(caught.value.problems) == 3 and "its script is not executable" in text and "its transfer driver is not on this front-end" in text
    assert called(tree) == []


@pytest.mark.parametrize("state, words", [("PROLOG", "Recover it with failure first"), ("RUNNING", "Nothing of it is under way"),
                                          ("BOOT_FAILURE", "has no transfer script")])
def test_other_states_are_refused(tree, state, words):
    with pytest.raises(CoreError, match=f"Current LCM STATE '{state}' not compatible with RECOVER RETRY action. .*{words}"):
        ask(tree, stuck(state), run=["all"])


def test_a_vm_that_fails_later_is_not_a_success(tree):
    write(tree, "CLONE ssh fe:/img kvm1:/ds/0/7/disk.0 7 1\n", "7/transfer.0.prolog")
    world = stuck("PROLOG_FAILURE")

    def recover(number, operation):
        world.calls.append((number, operation))
        world.machines[number].state, world.machines[number].error = "BOOT_FAILURE", "no such network"

    world.vm_recover, begun = recover, world.clock
    with pytest.raises(NotConverged, match=r"VM 7 did not come to RUNNING after success was reported: it is in BOOT_FAILURE \(no such network\)") as caught:
        ask(tree, world, run=["all"], report=True)
    told = caught.value.as_dict()
    assert told["state_after"] == "BOOT_FAILURE" and len(told["changes"]) == 2 and world.clock == begun


def test_a_daemon_that_answers_before_it_acts_gets_its_time(tree):
    world, late = stuck(), []
    plain, pause = world.vm_recover, world.pause
    world.vm_recover = lambda *call: late.append(call)
    world.pause = lambda seconds: (pause(seconds), world.clock >= 1102 and late and plain(*late.pop()))
    assert ask(tree, world, run=["all"], report=True).results["state_after"] == "DONE"


def test_a_daemon_that_accepts_and_does_nothing_is_not_a_success(tree):
    world = stuck()
    world.deaf = True
    with pytest.raises(NotConverged, match="it is in EPILOG_FAILURE"):
        ask(tree, world, run=["all"], report=True)
    assert len(world.calls) == 1


def test_a_vm_that_stays_under_way_is_told_after_the_time(tree):
    world = stuck()
    world.vm_recover = lambda number, operation: setattr(world.machines[number], "state", "EPILOG")
    begun = world.clock
    with pytest.raises(NotConverged, match="It is still under way"):
        ask(tree, world, run=["all"], report=True, wait_timeout_s=20)
    assert 20 <= world.clock - begun < 23


def test_a_refused_report_keeps_what_was_done(tree):
    world = stuck()

    def refuse(*unused):
        raise Refused("one.vm.recover", "here", 512, "Not authorized")

    plain, world.vm_recover = world.vm_recover, refuse
    with pytest.raises(Refused) as caught:
        ask(tree, world, run=["all"], report=True)
    assert outcome_of(caught.value.as_dict()["steps"]) == ["done"] * 3
    world.vm_recover = plain
    assert [change["kind"] for change in ask(tree, world, run=["all"], report=True).plan.as_list()] == ["vm"] and len(called(tree)) == 3


def test_without_a_daemon_check_mode_is_quiet_and_a_run_fails(tree):
    def nobody():
        raise NotThere("OpenNebula does not answer", "here", "Connection refused")

    world = stuck()
    world._transfers = {42, 7}                  # pylint: disable=protected-access
    assert not vm_transfer.ensure(dict(PARAMS, run=["all"]), nobody, world, place_of(tree), True).changed
    with pytest.raises(NotThere):
        vm_transfer.ensure(dict(PARAMS, run=["all"]), nobody, world, place_of(tree), False)
    assert vm_transfer_info.read({"vms": None}, nobody, world, place_of(tree)) == {
        "answers": False, "reason": "OpenNebula does not answer at here: Connection refused.", "running": [7, 42], "transfers": []}


def test_info_tells_every_step_and_runs_nothing(tree):
    world = stuck()
    assert info(tree, world)["running"] == []
    (tree / "var/lib/one/remotes/tm/ssh/mvds").unlink()
    row, = info(tree, world)["transfers"]
    assert {name: row[name] for name in ("id", "state", "seq", "file", "running", "problem", "leads_to")} == {
        "id": 7, "state": "EPILOG_FAILURE", "seq": 0, "file": str(tree / "var/lib/one/vms/7/transfer.0.epilog"), "running": False, "problem": "",
        "leads_to": "DONE"}
    assert row["steps"][0] == {"number": 1, "line": 1, "text": "MVDS ssh kvm1:/ds/0/7/disk.0 /ds/1/a 7 1", "command": "mvds", "driver": "ssh",
                               "arguments": ["kvm1:/ds/0/7/disk.0", "/ds/1/a", "7", "1"], "result": "not_run",
                               "script": str(tree / "var/lib/one/remotes/tm/ssh/mvds"), "exists": False, "executable": False,
                               "problem": "its script is not there"}
    assert row["steps"][1]["executable"] and called(tree) == []
    other, = info(tree, world, [8])["transfers"]
    assert other["steps"] == [] and "Current LCM STATE 'RUNNING' not compatible" in other["problem"] and other["leads_to"] is None


def test_what_info_tells_can_be_given_back(tree):
    world = stuck()
    steps = info(tree, world)["transfers"][0]["steps"]
    skip = [{"step": step["number"], "expect": step["text"]} for step in steps]
    assert outcome_of(ask(tree, world, skip=skip).results["steps"]) == ["skipped"] * 3 and called(tree) == []
    assert not ask(tree, world, skip=skip).changed


def test_a_password_in_a_url_is_shown_nowhere(tree):
    write(tree, f"CLONE ssh http://bob:{CANARY}@h/x kvm1:/ds/0/7/disk.0 7 1\n", "7/transfer.0.prolog")
    world = stuck("PROLOG_FAILURE")
    (tree / "fail.clone").write_text(f"cannot read http://bob:{CANARY}@h/x\n")
    seen = [info(tree, world), ask(tree, world, True, run=["all"]).as_result()]
    with pytest.raises(CoreError) as caught:
        ask(tree, world, run=["all"])
    (tree / "fail.clone").unlink()
    seen += [str(caught.value), caught.value.as_dict(), ask(tree, world, run=["all"], report=True).as_result()]
    assert CANARY in called(tree)[0] and CANARY not in json.dumps(seen) and "(secret)@h/x" in json.dumps(seen)
    assert CANARY not in (tree / "var/log/one/recovery-transfers.log").read_text()


@pytest.mark.parametrize("state, rest", [("PROLOG_FAILURE", "RUNNING"), ("PROLOG_MIGRATE_FAILURE", "RUNNING"), ("PROLOG_MIGRATE_POWEROFF_FAILURE", "POWEROFF"),
                                         ("PROLOG_MIGRATE_SUSPEND_FAILURE", "SUSPENDED"), ("EPILOG_FAILURE", "DONE"), ("EPILOG_STOP_FAILURE", "STOPPED"),
                                         ("EPILOG_UNDEPLOY_FAILURE", "UNDEPLOYED"), ("PROLOG_RESUME_FAILURE", "RUNNING")])
def test_the_stand_ins_daemon_takes_success_as_the_real_one(tree, state, rest):
    """The stand-in behaves as the recorded matrix (tests/unit/lab/test_recover_truth.py); its own files and states, our steps."""
    if str(LAB) not in sys.path:
        sys.path.insert(0, str(LAB))
    lab = importlib.import_module("oned_world").World(tree / "lab")
    for name in ("kvm1", "kvm2"):
        lab.add_host(name)
    lab.take_time_in_hand()
    number = lab.machine_in(state, checkpoint=state in ("PROLOG_MIGRATE_FAILURE", "PROLOG_RESUME_FAILURE"))

    class Daemon:
        def version(self):
            return lab.ok("one.system.version")

        def vm(self, vm_id):
            return lab.ok("one.vm.info", vm_id)

        def vm_recover(self, vm_id, operation):
            assert operation == "success"
            lab.ok("one.vm.recover", vm_id, 1)

    front, daemon = stuck(), Daemon()
    front.pause = lambda seconds: (setattr(front, "clock", front.clock + seconds), lab.let_drivers_answer())
    sequence = len(lab.history(number)) - 1
    (tree / f"var/lib/one/vms/{number}").mkdir(exist_ok=True)
    write(tree, f"DELETE ssh kvm2:/ds/0/{number} {number} 0\n", f"{number}/transfer.{sequence}.{transfer.KINDS[state]}")
    done = vm_transfer.ensure(dict(PARAMS, vm=number, run=["all"], report=True), lambda: daemon, front, place_of(tree), False, front.pause)
    assert done.results["state_after"] == rest == lab.state(number) and len(called(tree)) == 1
