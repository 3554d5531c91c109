# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules vm_recovery and vm_recovery_info against a world that behaves."""
import gc
import importlib.util
import json
import pathlib
import weakref

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import recovery, recovery_table, vm_states
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, NotThere
from ansible_collections.constellation.opennebula.plugins.modules import vm_recovery, vm_recovery_info

_spec = importlib.util.spec_from_file_location("recovery_fakes", pathlib.Path(__file__).with_name("recovery_fakes.py"))
fakes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fakes)
Machine, World = fakes.Machine, fakes.World

PARAMS = {name: spec.get("default") for name, spec in vm_recovery.SPEC.items()}


def recover(world, check_mode=False, **params):
    return vm_recovery.ensure(dict(PARAMS, **params), lambda: world, world, check_mode, world.pause)


def plan(world, **params):
    return vm_recovery_info.read(dict(PARAMS, **params), lambda: world, world)


def results(outcome):
    return {vm["id"]: vm["result"] for vm in outcome.results["vms"]}


def mixed():
    return World(
        Machine(1, "PROLOG"), Machine(2, "BOOT"), Machine(3, "BOOT", runs=True), Machine(4, "EPILOG"), Machine(5, "RUNNING", runs=True),
        Machine(6, "MIGRATE"), Machine(7, "SHUTDOWN_POWEROFF", runs=True), Machine(8, "SHUTDOWN_POWEROFF"), Machine(9, "PROLOG_FAILURE"),
        Machine(10, "SAVE_SUSPEND", runs=True),
        Machine(11, "EPILOG_STOP"), Machine(12, "EPILOG_STOP", tm_mad="qcow2"), Machine(13, "HOTPLUG", action=21, runs=True),
        Machine(14, "HOTPLUG", action=22, runs=True),
        Machine(15, "PROLOG", began=1050), Machine(16, "DONE"))


def test_a_large_cloud_is_read_page_by_page():
    class Page(str):
        """A page that can be watched."""

    class Cloud(World):
        held = 0

        def vm_pool(self, state):
            alive = weakref.WeakSet()
            for page in super().vm_pool(state)[0].split("</VM>")[:-1]:
                gc.collect()
                self.held = max(self.held, len(alive))
                told = Page(f"<VM_POOL>{page.replace('<VM_POOL>', '')}</VM></VM_POOL>")
                alive.add(told)
                yield told
                del told

    cloud = Cloud(*(Machine(number, "RUNNING", runs=True) for number in range(20)), Machine(20, "EPILOG"))
    assert [vm["id"] for vm in plan(cloud)["vms"]] == [20] and cloud.held <= 1


def test_every_stuck_vm_is_brought_where_an_administrator_would_bring_it():
    world = mixed()
    outcome = recover(world, monitoring_settle_s=60)
    assert {number: machine.state for number, machine in world.machines.items()} == {
        1: "RUNNING", 2: "RUNNING", 3: "RUNNING", 4: "DONE", 5: "RUNNING", 6: "MIGRATE", 7: "RUNNING", 8: "POWEROFF", 9: "PROLOG_FAILURE", 10: "RUNNING",
        11: "EPILOG_STOP", 12: "STOPPED", 13: "HOTPLUG", 14: "RUNNING", 15: "PROLOG", 16: "DONE"}
    assert results(outcome) == {1: "recovered", 2: "recovered", 3: "resolved", 4: "recovered", 6: "refused", 7: "recovered", 8: "resolved", 9: "left",
                                10: "recovered",
                                11: "refused", 12: "recovered", 13: "refused", 14: "recovered", 15: "waiting"}
    assert outcome.results["left"] == [6, 11, 13]
    assert [machine.starts for machine in world.machines.values() if machine.id in (1, 2, 3)] == [1, 1, 0]
    audit = next(vm for vm in outcome.results["vms"] if vm["id"] == 1)
    assert [(call["operation"], call["state"]) for call in audit["calls"]] == [("failure", "PROLOG"),
                                                                               ("retry", "PROLOG_FAILURE")] and audit["state_after"] == "RUNNING"
    assert [(note["vm"], note["operation"]) for note in world.notes] == [(number, operation) for number, operation, unused in world.calls]


def test_the_journal_tells_how_each_vm_ended_and_why_one_was_given_up():
    world = mixed()
    recover(world)
    assert {note["vm"]: (note["result"], note["state_after"]) for note in world.outcomes} == {
        1: ("recovered", "RUNNING"), 2: ("recovered", "RUNNING"), 4: ("recovered", "DONE"), 7: ("recovered", "RUNNING"), 10: ("recovered", "RUNNING"),
        12: ("recovered", "STOPPED"), 14: ("recovered", "RUNNING")} and len(world.outcomes) == 7
    assert set(world.outcomes[0]) == {"vm", "result", "state_after", "seq", "time"}

    def why(world, **params):
        with pytest.raises(CoreError):
            recover(world, **params)
        (note,) = world.outcomes
        return note["result"], note["state_after"], note["why"]

    assert why(World(Machine(1, "PROLOG", fails=9))) == ("failed", "PROLOG_FAILURE", "it failed again; its ERROR attribute and its log tell why")
    assert why(World(Machine(1, "PROLOG"), deaf=True), wait_timeout_s=9) == ("unfinished", "PROLOG", "it did not come to rest within the 9 s of the recovery")
    assert why(World(Machine(1, "PROLOG"), dies_after=1)) == ("unfinished", "PROLOG_FAILURE", "recovery ended before it did: OpenNebula does not answer")
    world = World(Machine(1, "PROLOG"))

    def refuse(number, operation):
        raise fakes.Refused("one.vm.recover", "here", 512, "[one.vm.recover] Not authorized to perform ADMIN VM [1].")

    world.vm_recover = refuse
    assert why(world) == ("failed", "PROLOG", "[one.vm.recover] Not authorized to perform ADMIN VM [1]. (authorization, 512)")


def test_the_journal_takes_nothing_from_the_owner_and_nothing_in_check_mode():
    world = World(Machine(1, "PROLOG", fails=9))
    with pytest.raises(NotConverged):
        recover(world)
    assert world.machines[1].error and world.machines[1].error not in json.dumps([world.notes, world.outcomes])
    world = mixed()
    recover(world, True)
    assert world.outcomes == []


def test_a_journal_that_cannot_be_written_any_more_ends_the_run_with_what_became_of_every_vm():
    world = World(Machine(1, "PROLOG"), Machine(2, "PROLOG"))
    plain = world.record

    def record(note, sync=True):
        if not sync:
            raise CoreError("cannot write recovery's journal", "here", "No space left on device")
        plain(note)

    world.record = record
    with pytest.raises(CoreError, match="cannot write recovery's journal") as caught:
        recover(world)
    assert {vm["id"]: vm["result"] for vm in caught.value.as_dict()["vms"]} == {1: "recovered", 2: "unfinished"}


def test_check_mode_calls_nothing_and_foresees_exactly_what_a_run_does():
    foreseen = recover(mixed(), True)
    world = mixed()
    recover(world, True)
    assert world.calls == [] and world.notes == []
    done = recover(mixed())

    def by_target(outcome):                     # the order depends on what monitoring resolves when
        return sorted(outcome.plan.as_list(), key=lambda change: change["target"])

    assert by_target(foreseen) == by_target(done) and len(done.plan.as_list()) == 7
    assert {number for number, result in results(foreseen).items() if result == "predicted"} == {1, 2, 4, 7, 10, 12, 14}


def test_a_second_run_changes_nothing():
    world = mixed()
    recover(world)
    calls = len(world.calls)
    again = recover(world)
    assert not again.changed and len(world.calls) == calls and again.results["left"] == [6, 11, 13]


def test_the_plan_tells_every_vm_with_its_reason_and_calls_nothing():
    world = mixed()
    told = plan(world)
    assert told["answers"] and world.calls == [] and told["stuck"] == [1, 2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 14]
    assert {vm["id"]: vm["action"] for vm in told["vms"]} == {1: "failure", 2: "wait", 3: "wait", 4: "failure", 6: "refuse", 7: "wait", 8: "wait", 9: "leave",
                                                              10: "wait",
                                                              11: "refuse", 12: "failure", 13: "refuse", 14: "failure", 15: "wait"}
    assert told["vms"][0]["leads_to"] == "RUNNING" and told["vms"][0]["evidence"] == {
        "began": "before", "transfer": "none", "domain": "unknown", "source": "unknown", "hypervisors": "unknown"}
    assert plan(world, vms=[4])["stuck"] == [4]


def test_a_running_transfer_is_waited_for():
    world = World(Machine(1, "PROLOG"), transfers=[1], ends_transfers=True)
    assert plan(world)["vms"][0]["reason"].startswith("a transfer for it still runs")
    assert results(recover(world)) == {1: "recovered"}


def test_a_transfer_on_another_front_end_keeps_its_vm_from_being_recovered_and_nobody_waiting():
    world = World(Machine(1, "PROLOG"), Machine(2, "PROLOG"), Machine(3, "PROLOG_FAILURE"), Machine(4, "PROLOG", began=1050))
    seen = plan(world, transfers_elsewhere=[1, 3])["vms"]
    assert [vm["action"] for vm in seen] == ["refuse", "failure", "leave", "wait"] and "runs on another front-end" in seen[0]["reason"]
    outcome = recover(world, transfers_elsewhere=[1, 3, 4])
    assert results(outcome) == {1: "refused", 2: "recovered", 3: "left", 4: "refused"} and outcome.results["left"] == [1]
    assert {number for number, unused, unused2 in world.calls} == {2} and world.clock < 1110


def test_a_transfer_that_vm_transfer_holds_is_left_alone_also_between_its_steps():
    """A retry then would copy over what the next step copies."""
    world = World(Machine(1, "PROLOG_FAILURE"))
    world.by_hand = {1}
    (seen,) = plan(world, retry_failures=True)["vms"]
    assert seen["action"] == "wait" and "a transfer for it still runs" in seen["reason"]
    world.by_hand, read, pause = set(), world.vm, world.pause

    def vm(number):
        world.by_hand = {1} if world.clock < 1105 else set()           # it begins between the look and the call
        return read(number)

    def wait(seconds):
        pause(seconds)
        world.by_hand = world.by_hand if world.clock < 1105 else set()

    world.vm, world.pause = vm, wait
    assert results(recover(world, retry_failures=True)) == {1: "recovered"} and world.calls == [(1, "retry", "PROLOG_FAILURE")] and world.clock > 1105


def test_a_transfer_that_does_not_end_is_left_alone():
    world = World(Machine(1, "PROLOG"), transfers=[1])
    outcome = recover(world, wait_timeout_s=5)
    assert results(outcome) == {1: "waiting"} and outcome.results["left"] == [1] and world.calls == []


@pytest.mark.parametrize("state, monitored", [(1, "no"), (2, "yes"), (3, "no"), (4, "yes"), (5, "no"), (7, "no"), (8, "no")])
def test_a_host_that_was_only_asked_has_not_reported(state, monitored):
    world = World(Machine(1, "BOOT"))
    world.host_pool = lambda: f"<HOST_POOL><HOST><ID>0</ID><NAME>kvm1</NAME><STATE>{state}</STATE><LAST_MON_TIME>1090</LAST_MON_TIME></HOST></HOST_POOL>"
    seen = plan(world)["vms"][0]
    assert seen["evidence"]["monitored"] == monitored and seen["action"] == {"yes": "failure", "no": "wait"}[monitored]


@pytest.mark.parametrize("vm_mad, action", [("kvm", "failure"), ("lxc", "failure"), ("ec2", "refuse"), ("az", "refuse"), ("ours", "refuse")])
@pytest.mark.parametrize("state", ["BOOT", "BOOT_FAILURE"])
def test_no_second_instance_is_started_in_a_cloud(vm_mad, action, state):
    """Its deploy makes a new instance each time, and the first one may be without the tag by which it is reported."""
    world = World(Machine(1, state))
    world.machines[1].vm_mad = vm_mad
    world.pause(50)
    told = plan(world, retry_failures=True)["vms"][0]
    assert told["evidence"]["monitored"] == "yes" and told["action"] == (action if state == "BOOT" or action == "refuse" else "retry")
    recover(world, retry_failures=True, wait_timeout_s=5)
    assert bool(world.calls) is (action != "refuse")


def test_orphans_get_their_time_after_a_fresh_start():
    world = World(Machine(1, "PROLOG"))
    world.clock = 1010.0
    assert plan(world)["vms"][0]["action"] == "wait" and plan(world, transfer_settle_s=5)["vms"][0]["action"] == "failure"


def test_a_retry_that_fails_again_is_reported_and_not_repeated():
    world = World(Machine(1, "PROLOG", fails=9), Machine(2, "EPILOG"))
    with pytest.raises(NotConverged, match="1 of 2 VMs under recovery did not come to rest: VM 1 failed in PROLOG_FAILURE") as caught:
        recover(world)
    assert [operation for number, operation, unused in world.calls if number == 1] == ["failure", "retry"]
    told = {vm["id"]: vm for vm in caught.value.as_dict()["vms"]}
    assert told[1]["error"] == "no space left on device" and told[2]["result"] == "recovered"
    again = recover(world)          # the next run leaves it to the administrator
    assert not again.changed and results(again)[1] == "left" and "failed again after our retry" in again.results["vms"][0]["reason"]


def test_failures_stop_further_recoveries():
    world = World(*[Machine(number, "PROLOG", fails=9) for number in range(1, 9)])
    with pytest.raises(NotConverged):
        recover(world, batch=1, max_failures=2)
    assert {number for number, unused, unused2 in world.calls} == {1, 2}


def test_no_more_than_a_batch_is_under_recovery_at_once():
    world = World(*[Machine(number, "PROLOG") for number in range(1, 8)])
    outcome = recover(world, batch=2)
    assert set(results(outcome).values()) == {"recovered"} and len(results(outcome)) == 7
    first = [number for number, operation, unused in world.calls if operation == "failure"]
    position = [world.calls.index((number, "failure", "PROLOG")) for number in first]
    assert position[2] >= 4         # the third begins only after both of the first were retried


@pytest.mark.parametrize("params, first", [
    ({}, [1, 2, 3, 4, 5]), ({"order": ["EPILOG", "SAVE"]}, [3, 5, 4, 1, 2]), ({"vms": [5, 4, 2, 1]}, [5, 4, 2, 1]),
    ({"vms": [5, 4, 2, 1, 3], "order": ["PROLOG"]}, [2, 1, 5, 4, 3])])
def test_recoveries_begin_in_the_operators_order(params, first):
    def world():
        return World(Machine(1, "PROLOG"), Machine(2, "PROLOG_FAILURE"), Machine(3, "EPILOG"), Machine(4, "SAVE_SUSPEND", runs=True), Machine(5, "EPILOG"))

    made = world()
    made.pause(5)           # monitoring tells of the domain that is to be saved
    outcome = recover(made, batch=1, retry_failures=True, monitoring_settle_s=60, **params)
    begun = [number for number, unused, unused2 in made.calls]
    assert list(dict.fromkeys(begun)) == first and set(results(outcome).values()) == {"recovered"}
    made = world()
    made.pause(5)
    foreseen = recover(made, True, batch=1, retry_failures=True, monitoring_settle_s=60, **params)
    assert foreseen.plan.as_list() == outcome.plan.as_list()


@pytest.mark.parametrize("check_mode", [True, False])
def test_limits_with_which_nothing_would_be_begun_are_refused_together(check_mode):
    world = World(Machine(1, "PROLOG"))
    with pytest.raises(CoreError, match="cannot recover VMs with these options: 4 problems") as caught:
        recover(world, check_mode, batch=0, max_failures=0, wait_timeout_s=-1, poll_s=0)
    assert all(word in str(caught.value) for word in ("batch is 0", "max_failures is 0", "wait_timeout_s is -1", "poll_s is 0")) and world.requests == 0


def test_check_mode_foresees_more_than_a_batch():
    def world():
        return World(*[Machine(number, "PROLOG") for number in range(1, 8)])

    foreseen, done = recover(world(), True, batch=2), recover(world(), batch=2)
    assert foreseen.plan.as_list() == done.plan.as_list() and set(results(foreseen).values()) == {"predicted"}


def test_what_a_limit_kept_from_being_begun_is_told_as_left():
    world = World(*[Machine(number, "PROLOG", fails=9) for number in range(1, 5)])
    with pytest.raises(NotConverged) as caught:
        recover(world, batch=1, max_failures=1)
    told = caught.value.as_dict()
    assert {vm["id"]: vm["result"] for vm in told["vms"]} == {1: "failed", 2: "not_begun", 3: "not_begun", 4: "not_begun"} and told["left"] == [1, 2, 3, 4]
    world = World(*[Machine(number, "PROLOG") for number in range(1, 4)])
    with pytest.raises(NotConverged) as caught:
        recover(world, batch=1, wait_timeout_s=0)
    assert {vm["id"]: vm["result"] for vm in caught.value.as_dict()["vms"]} == {1: "unfinished", 2: "not_begun", 3: "not_begun"}


def test_a_vm_that_a_reading_of_the_pool_did_not_have_is_followed_on():
    """It went from one STATE to another while they were read one after the other."""
    world = World(Machine(1, "PROLOG"))
    plain, readings = world.vm_pool, []

    def vm_pool(state):
        readings.append(state)
        return ["<VM_POOL></VM_POOL>"] if state == 3 and readings.count(3) in (2, 3) else plain(state)

    world.vm_pool = vm_pool
    outcome = recover(world)
    assert results(outcome) == {1: "recovered"} and world.machines[1].state == "RUNNING" and readings.count(3) > 3


@pytest.mark.parametrize("state, result", [("CLONING_FAILURE", "left"), ("STATE_7", "resolved")])
def test_a_vm_that_goes_from_cloning_to_where_it_rests_is_not_waited_for(state, result):
    world = World(Machine(1, "CLONING"), Machine(2, "PROLOG"))
    plain, body = world.pause, world.machines[1].xml

    def pause(seconds):
        plain(seconds)
        if state == "STATE_7":
            world.machines[1].state, world.machines[1].xml = "INIT", lambda: body().replace("<STATE>0<", "<STATE>7<")
        else:
            world.machines[1].state = state

    world.pause = pause
    outcome = recover(world)
    assert results(outcome) == {1: result, 2: "recovered"} and world.clock < 1115, world.clock


def test_a_vm_whose_images_could_not_be_copied_is_told():
    seen, = plan(World(Machine(1, "CLONING_FAILURE")))["vms"]
    assert (seen["state"], seen["action"], seen["stuck"]) == ("CLONING_FAILURE", "leave", False) and "mend the image" in seen["reason"]


def test_a_failure_of_an_operation_after_the_one_that_was_recovered_is_not_ours():
    world = World(Machine(1, "PROLOG_MIGRATE_FAILURE", tm_mad="shared"))
    world.record({"vm": 1, "operation": "failure", "state": "PROLOG_MIGRATE", "seq": 0, "time": 950})
    assert plan(world)["vms"][0]["action"] == "retry"
    plain = world.machines[1].xml
    world.machines[1].xml = lambda: plain().replace("<SEQ>0<", "<SEQ>4<")
    assert plan(world)["vms"][0]["action"] == "leave"
    world.notes[-1].update(operation="retry", state="PROLOG_MIGRATE_FAILURE")
    assert plan(world)["vms"][0]["action"] == "leave" and not recover(world).changed and world.calls == []


def test_an_interrupted_recovery_is_finished_by_the_next_run():
    world = World(Machine(1, "PROLOG"), Machine(2, "PROLOG"), dies_after=2)
    with pytest.raises(NotThere) as caught:
        recover(world)
    assert world.machines[1].state == "PROLOG_FAILURE"
    assert {vm["id"]: vm["result"] for vm in caught.value.as_dict()["vms"]} == {1: "unfinished", 2: "unfinished"}
    assert [note["seq"] for note in world.notes] == [0, 0, 0]
    world.dies_after, world.started = None, world.clock + 1
    world.clock += 100
    outcome = recover(world)
    assert results(outcome) == {1: "recovered", 2: "recovered"} and world.machines[1].state == "RUNNING" and world.machines[1].starts == 1


def test_a_next_run_waits_until_it_can_finish_an_interrupted_recovery_and_tells_what_it_could_not():
    """The daemon was started a moment ago, so that a lost transfer may still run: the VM waits in a state in which nothing is under way."""
    def interrupted(**more):
        world = World(Machine(1, "PROLOG"), dies_after=1, **more)
        with pytest.raises(NotThere):
            recover(world)
        assert world.machines[1].state == "PROLOG_FAILURE"
        world.dies_after, world.started = None, world.clock + 1
        world.clock += 5
        return world

    world = interrupted()
    outcome = recover(world)
    assert results(outcome) == {1: "recovered"} and outcome.results["left"] == [] and world.machines[1].starts == 1
    outcome = recover(interrupted(), wait_timeout_s=9)
    assert results(outcome) == {1: "waiting"} and outcome.results["left"] == [1]
    world = interrupted()
    world.clock += 100
    body = world.machines[1].xml
    world.machines[1].xml = lambda: body().replace("<USER_TEMPLATE>", "<LOCK><LOCKED>1</LOCKED></LOCK><USER_TEMPLATE>")
    outcome = recover(world)
    assert results(outcome) == {1: "refused"} and outcome.results["left"] == [1]


@pytest.mark.parametrize("locked, result", [("<LOCK><LOCKED>1</LOCKED><OWNER>3</OWNER><TIME>900</TIME><REQ_ID>5</REQ_ID></LOCK>", "refused"),
                                            ("<LOCK><LOCKED>0</LOCKED></LOCK>", "recovered"), ("", "recovered")])
def test_a_vm_that_is_locked_is_left_alone(locked, result):
    world = World(Machine(1, "PROLOG"), Machine(2, "PROLOG"))
    plain = world.machines[1].xml
    world.machines[1].xml = lambda: plain().replace("<USER_TEMPLATE>", locked + "<USER_TEMPLATE>")
    outcome = recover(world)
    assert results(outcome) == {1: result, 2: "recovered"}
    if result == "refused":
        assert outcome.results["left"] == [1] and {number for number, unused, unused2 in world.calls} == {2}
        assert "locked (onevm lock): unlock it first" in outcome.results["vms"][0]["reason"] and "by failure, because" in outcome.results["vms"][0]["reason"]


@pytest.mark.parametrize("when", ["before its history is read", "before the call", "in the call", "after failure", "after retry", "while it waits"])
def test_a_vm_that_is_removed_from_the_database_meanwhile_ends_alone(when):
    world = World(Machine(1, "BOOT" if when == "while it waits" else "PROLOG"), Machine(2, "PROLOG"), monitoring=False)
    read, call, pools = world.vm, world.vm_recover, world.vm_pool
    gone = []

    def delete():
        if not gone:
            gone.append(world.machines.pop(1))

    def vm(number):
        if number == 1 and when == "before the call":
            delete()
        return read(number)

    def vm_recover(number, operation):
        if number == 1 and when == "in the call":
            delete()
        if number not in world.machines:
            raise fakes.Refused("one.vm.recover", "here", 1024, "[one.vm.recover] Error getting virtual machine [1].")
        call(number, operation)
        if number == 1 and when == f"after {operation}":
            delete()

    def vm_pool(state):
        pages = pools(state)
        if when == "before its history is read" and not gone:
            delete()
            return [page.replace("<SEQ>0<", "<SEQ>1<", 1) for page in pages]           # it is the first one
        return pages

    world.vm, world.vm_recover, world.vm_pool = vm, vm_recover, vm_pool
    if when == "while it waits":
        pause = world.pause
        world.pause = lambda seconds: (pause(seconds), delete())
    outcome = recover(world)
    told = {vm["id"]: vm for vm in outcome.results["vms"]}
    assert gone and told[2]["result"] == "recovered" and outcome.results["left"] == [] and world.machines[2].state == "RUNNING"
    if when == "before its history is read":
        assert set(told) == {2}
        return
    assert (told[1]["result"], told[1]["state_after"]) == ("removed", None) and "--delete-db" in told[1]["reason"] and "kvm1" in told[1]["reason"]
    assert [note["result"] for note in world.outcomes if note["vm"] == 1] == (["removed"] if told[1]["calls"] else [])
    assert ("1 vm1" in {change["target"] for change in outcome.plan.as_list()}) is bool(told[1]["calls"])
    (line,) = [line for line in recovery_table.table(outcome.as_result(), "alpha") if line.startswith("1 ")]
    assert " removed " in line and "None" not in line


def test_a_daemon_that_refuses_to_tell_of_a_vm_for_another_reason_is_heard():
    world = World(Machine(1, "PROLOG"))

    def vm(number):
        raise fakes.Refused("one.vm.info", "here", 512, "Not authorized to perform USE VM [1].")

    world.vm = vm
    with pytest.raises(fakes.Refused, match="Not authorized"):
        recover(world)
    assert world.calls == []


def test_failures_from_before_are_taken_in_only_on_request():
    world = World(Machine(1, "PROLOG_FAILURE"))
    assert not recover(world).changed
    assert results(recover(world, retry_failures=True)) == {1: "recovered"}


def test_a_run_is_alone_on_its_front_end_and_check_mode_keeps_nobody_out():
    world = World(Machine(1, "PROLOG"))
    plain, held = world.vm_recover, []
    world.vm_recover = lambda number, operation: (held.append(world.held), plain(number, operation))
    with world.alone():
        assert recover(world, True).changed and plan(world)["vms"]
        with pytest.raises(AssertionError, match="two recoveries at once"):
            recover(world)
    assert world.calls == [] and results(recover(world)) == {1: "recovered"} and held == [True, True]


def test_a_daemon_that_accepts_and_does_nothing_is_not_a_recovery():
    world = World(Machine(1, "PROLOG"), deaf=True)
    with pytest.raises(NotConverged, match="VM 1 unfinished in PROLOG"):
        recover(world, wait_timeout_s=10)
    assert len(world.calls) == 1


def test_a_vm_that_moved_meanwhile_is_looked_at_afresh():
    world = World(Machine(1, "PROLOG"))
    plain, once = world.vm, []

    def vm(number):
        if not once:
            once.append(world.enter(world.machines[1], "RUNNING", drive=False))
        return plain(number)

    world.vm = vm
    outcome = recover(world)
    assert not outcome.changed and world.calls == [] and results(outcome) == {1: "resolved"}


def test_without_a_daemon_check_mode_is_quiet_and_a_run_fails():
    def nobody():
        raise NotThere("OpenNebula does not answer", "here", "Connection refused")

    world = World()
    assert not vm_recovery.ensure(PARAMS, nobody, world, True).changed
    with pytest.raises(NotThere):
        vm_recovery.ensure(PARAMS, nobody, world, False)
    assert vm_recovery_info.read(PARAMS, nobody, world) == {"answers": False, "reason": "OpenNebula does not answer at here: Connection refused.", "vms": [],
                                                            "images": [], "leftovers": [], "stuck": []}


def test_without_the_daemons_process_nothing_is_decided():
    world = World(Machine(1, "PROLOG"))
    world.started = None
    with pytest.raises(CoreError, match="no oned runs on this host.*Run this on the front-end that holds the zone's address"):
        recover(world)


def test_many_vms_need_few_questions():
    world = World(*[Machine(number, "PROLOG") for number in range(300)])
    outcome = recover(world, batch=300)
    assert set(results(outcome).values()) == {"recovered"}
    # per VM: its history in three states, a second look before each of two calls, the end; per round: two pools
    assert world.requests < 300 * 8 + 50, world.requests


@pytest.mark.parametrize("state, registered, shown, words", [
    (4, 900, "LOCKED", "does not take up again"), (9, 900, "LOCKED_USED", "does not take up again"), (4, 1050, "LOCKED", "at work on it"),
    (5, 900, "ERROR", "failed"), (5, 1050, "ERROR", "failed"), (7, 900, "DELETE", "does not take up again"), (1, 900, None, ""), (8, 900, None, "")])
def test_images_that_wait_or_failed_are_told_with_their_vms_and_what_to_do(state, registered, shown, words):
    world = World(Machine(1, "PROLOG"))
    world.images = (f"<IMAGE><ID>7</ID><UNAME>alice</UNAME><NAME>web</NAME><REGTIME>{registered}</REGTIME><STATE>{state}</STATE><DATASTORE>default</DATASTORE>"
                    "<VMS><ID>42</ID><ID>1</ID></VMS><TEMPLATE><ERROR>no space</ERROR><IMAGE><ID>8</ID><STATE>5</STATE></IMAGE></TEMPLATE></IMAGE>")
    found = plan(world)["images"]
    assert [image["state"] for image in found] == ([shown] if shown else [])
    for image in found:
        assert words in image["reason"] and image["remedy"] and image["vms"] == [1, 42] and image["error"] == "no space"
    assert world.calls == []


def test_the_table_shows_images_with_what_to_do():
    world = World()
    world.images = "<IMAGE><ID>7</ID><UNAME>alice</UNAME><NAME>web</NAME><REGTIME>900</REGTIME><STATE>4</STATE><VMS><ID>42</ID></VMS></IMAGE>"
    lines = recovery_table.table(plan(world), "alpha")
    assert lines[:2] == ["zone alpha: no VM is stuck", "zone alpha: 1 images are locked, being copied or deleted, or in error"]
    assert lines[3].split()[:4] == ["7", "web", "LOCKED", "42"] and "does not take up again" in lines[3] and "See oned.log" in lines[3] and len(lines) == 4


def test_no_password_in_the_result():
    canary, world = "CANARY-51d0", World(Machine(1, "PROLOG"))
    outcome = recover(world, username="oneadmin", password=canary)
    assert canary not in json.dumps([outcome.as_result(), plan(world, username="oneadmin", password=canary), world.notes, world.outcomes])


def test_families_to_order_by_are_those_in_which_something_is_under_way():
    acting = {vm_states.family(vm_states.under_way(state) if vm_states.is_failure(state) else state) for state, rows in recovery.TABLE.items()
              if any(row.action in recovery.ACTIONS for row in rows)}
    assert set(vm_recovery.SPEC["order"]["choices"]) == acting


def test_the_journal_names_match_between_both_modules():
    assert all(vm_recovery.SPEC[name] == spec for name, spec in vm_recovery_info.SPEC.items())


def test_the_table_shows_plan_outcome_and_failure():
    world = mixed()
    lines = recovery_table.table(plan(world), "alpha")
    assert lines[0] == "zone alpha: 12 of 14 VMs in transition or failed are stuck" and len(lines) == 16
    assert lines[2].split()[:7] == ["1", "vm1", "kvm1", "PROLOG", "failure", "->", "RUNNING"] and lines[2].endswith("made again from the images")
    done = recovery_table.table(recover(world).as_result(), "alpha")
    assert done[2].split()[:7] == ["1", "vm1", "kvm1", "PROLOG", "failure", "recovered:", "RUNNING"]
    assert recovery_table.table({"vms": []}, "beta") == ["zone beta: no VM is stuck"]
    silent = {"answers": False, "reason": "OpenNebula does not answer at here: Connection refused.", "vms": [], "images": [], "leftovers": [], "stuck": []}
    assert recovery_table.table(silent, "beta") == ["zone beta: it is not known which VMs are stuck. " + silent["reason"]]
    assert recovery_table.table({"failed": True, "msg": "MODULE FAILURE"}, "beta") == ["zone beta: MODULE FAILURE"]
    assert recovery_table.table({"msg": "OpenNebula does not answer", "error": {}}, "beta") == ["zone beta: OpenNebula does not answer"]
    assert len(recovery_table.table({"error": {"vms": done and plan(world)["vms"]}}, "x")) > 3
