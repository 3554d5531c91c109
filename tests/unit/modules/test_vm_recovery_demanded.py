# SPDX-License-Identifier: GPL-3.0-or-later
"""delete, recreate and delete-db asked for by VM id: the worlds of the other recovery tests, with hosts that answer."""
import importlib.util
import pathlib

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import recovery_table
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged
from ansible_collections.constellation.opennebula.plugins.modules import vm_recovery, vm_recovery_info

_spec = importlib.util.spec_from_file_location("hypervisor_tests", pathlib.Path(__file__).with_name("test_vm_recovery_hypervisors.py"))
others = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(others)
Machine, Hosts, MIB, recover, plan, told = others.Machine, others.Hosts, others.MIB, others.recover, others.plan, others.told
World = others.fakes.World


def want(operation, *numbers):
    return [{"id": number, "operation": operation} for number in numbers]


def results(outcome):
    return {vm["id"]: vm["result"] for vm in outcome.results["vms"]}


@pytest.mark.parametrize("operation, state, runs_on, end", [
    ("delete", "RUNNING", ["kvm2"], "DONE"), ("delete", "PROLOG_FAILURE", [], "DONE"), ("delete", "POWEROFF", [], "DONE"), ("delete", "EPILOG", [], "DONE"),
    ("recreate", "PROLOG_FAILURE", [], "PENDING"), ("recreate", "UNKNOWN", [], "PENDING"), ("recreate", "UNDEPLOYED", [], "PENDING"),
    ("recreate", "HOTPLUG_SAVEAS_STOPPED", [], "PENDING"), ("delete-db", "UNKNOWN", [], "DONE"), ("delete-db", "MIGRATE", [], "DONE")])
def test_what_is_demanded_is_foreseen_done_noted_and_done_once(operation, state, runs_on, end):
    def scene():
        world = World(Machine(6, state, runs_on), Machine(9, "RUNNING", ["kvm2"]))
        return world, Hosts(world, {("kvm1", 6): 8 * MIB})

    world, hosts = scene()
    seen = next(vm for vm in plan(world, hosts, demanded=want(operation, 6))["vms"] if vm["id"] == 6)
    foreseen = recover(world, hosts, True, demanded=want(operation, 6))
    assert world.calls == [] and world.notes == [] and (seen["action"], seen["demanded"], seen["leads_to"]) == (operation, operation, end)
    assert foreseen.plan.as_list() == [{"kind": "vm", "target": "6 vm6", "before": state, "after": end}] and results(foreseen) == {6: "predicted"}
    world, hosts = scene()
    done = recover(world, hosts, demanded=want(operation, 6))
    calls = [(6, operation, state)] + ([(6, operation, "CLEANUP_RESUBMIT")] if state == "HOTPLUG_SAVEAS_STOPPED" else [])
    assert done.plan.as_list() == foreseen.plan.as_list() and results(done) == {6: "recovered"} and world.calls == calls
    assert world.machines[6].state == end and world.machines[9].state == "RUNNING" and done.results["left"] == []
    assert [(note["vm"], note["operation"]) for note in world.notes] == [(6, operation)] * len(calls) and "THE ONLY COPY" in world.notes[0]["reason"]
    assert world.outcomes[0]["result"] == "recovered"
    again = recover(world, hosts, demanded=want(operation, 6))
    assert not again.changed and len(world.calls) == len(calls) and results(again) == {6: "left"} and again.results["left"] == []
    assert "nothing to do" in again.results["vms"][0]["reason"]


def test_without_a_demand_nothing_of_the_kind_is_called():
    world = World(Machine(6, "PROLOG_FAILURE"), Machine(7, "UNKNOWN"), Machine(8, "CLEANUP_DELETE"))
    outcome = recover(world, Hosts(world), retry_failures=True)
    assert not {operation for unused, operation, unused2 in world.calls} & {"delete", "recreate", "delete-db"}
    assert all(vm["demanded"] is None for vm in outcome.results["vms"])


@pytest.mark.parametrize("operation, state, runs_on, words", [
    ("delete-db", "RUNNING", ["kvm2"], "ITS DOMAIN RUNS on the host; it would run on there"),
    ("delete-db", "UNKNOWN", ["kvm1"], "ITS DOMAIN RUNS on the host before"),
    ("recreate", "UNKNOWN", ["kvm2"], "run twice"), ("recreate", "RUNNING", ["kvm1", "kvm2"], "runs on two hosts"),
    ("delete", "RUNNING", ["kvm1", "kvm2"], "runs on two hosts"), ("delete", "POWEROFF", ["kvm2"], "although the VM is said to be at rest"),
    ("recreate", "CLEANUP_DELETE", [], "accepts recreate in CLEANUP_DELETE and does nothing"), ("recreate", "DONE", [], "cannot be recreated"),
    ("recreate", "CLONING_FAILURE", [], "and does nothing")])
def test_a_demand_that_the_evidence_or_the_daemon_speaks_against_is_refused_and_left_over(operation, state, runs_on, words):
    for check_mode in (True, False):
        world = World(Machine(6, state, runs_on))
        outcome = recover(world, Hosts(world), check_mode, demanded=want(operation, 6))
        (only,) = outcome.results["vms"]
        assert world.calls == [] and not outcome.changed and only["result"] == "refused" and outcome.results["left"] == [6]
        assert words in only["reason"] and f"(asked for: {operation})" in only["reason"], only["reason"]


def test_a_host_that_is_silent_refuses_until_somebody_vouches_that_it_is_off():
    for operation in ("delete", "recreate", "delete-db"):
        world = World(Machine(6, "UNKNOWN"), monitoring=False)
        seen = told(world, Hosts(world, silent=["kvm2"]), demanded=want(operation, 6))
        assert seen["action"] == "refuse" and "name it in hosts_off" in seen["reason"] and "kvm2" in seen["reason"] and "not seen: " in seen["reason"]
        recover(world, Hosts(world, silent=["kvm2"]), demanded=want(operation, 6), hosts_off=["kvm2"])
        assert world.calls == [(6, operation, "UNKNOWN")]


def test_nobody_asked_is_no_evidence_that_no_domain_runs():
    world = World(Machine(6, "UNKNOWN"))
    assert told(world, None, demanded=want("recreate", 6))["action"] == "refuse"
    assert told(world, None, demanded=want("delete-db", 6))["action"] == "refuse"
    seen = told(world, None, demanded=want("delete", 6))
    assert seen["action"] == "delete" and "not known whether its domain runs" in seen["reason"] and "not seen: " in seen["reason"]


def test_the_plan_tells_the_domains_and_the_copies_of_the_disks():
    world = World(Machine(6, "RUNNING", ["kvm2"]))
    seen = told(world, Hosts(world, {("kvm1", 6): 8 * MIB, ("kvm2", 6): 3 * MIB}), demanded=want("delete", 6))["reason"]
    assert "its domain runs on kvm2" in seen and "no domain of it on kvm1" in seen
    assert "disk.0 in /var/lib/one/datastores/0/6 on kvm1" in seen and "disk.0 (not whole) in /var/lib/one/datastores/0/6 on kvm2" in seen
    assert "ONLY COPY" not in seen
    shared = World(Machine(6, "RUNNING", ["kvm2"], tm_mad="shared"))
    seen = told(shared, Hosts(shared, {("kvm1", 6): 8 * MIB, ("kvm2", 6): 8 * MIB}), demanded=want("delete", 6))["reason"]
    assert "one shared datastore seen from several places, so one copy" in seen
    none = told(World(Machine(6, "UNKNOWN")), Hosts(World(Machine(6, "UNKNOWN"))), demanded=want("delete", 6))["reason"]
    assert "no disk of it was found" in none


def test_a_domain_that_is_where_it_should_not_be_stops_a_demand():
    world = World(Machine(6, "UNKNOWN", ["kvm3"]), Machine(9, "PROLOG"))
    plain = world.machines[9].xml
    world.machines[9].xml = lambda: plain().replace("kvm2", "kvm3").replace("<HID>1<", "<HID>2<")
    world.host_pool = lambda: others.three_hosts("kvm1", "kvm2", "kvm3")
    seen = {vm["id"]: vm for vm in plan(world, Hosts(world), demanded=want("delete-db", 6))["vms"]}
    assert seen[6]["action"] == "refuse" and "something of its domain is on kvm3" in seen[6]["reason"]


@pytest.mark.parametrize("operation", ["delete", "recreate", "delete-db"])
def test_a_transfer_a_lock_and_a_daemon_at_work_stop_a_demand(operation):
    world = World(Machine(6, "PROLOG_FAILURE"), Machine(7, "PROLOG_FAILURE"), Machine(8, "PROLOG", began=1050), Machine(9, "PROLOG_FAILURE"), transfers=[6])
    body = world.machines[7].xml
    world.machines[7].xml = lambda: body().replace("<USER_TEMPLATE>", "<LOCK><LOCKED>1</LOCKED></LOCK><USER_TEMPLATE>")
    outcome = recover(world, Hosts(world), demanded=want(operation, 6, 7, 8, 9), wait_timeout_s=5, transfers_elsewhere=[9])
    assert world.calls == [] and results(outcome) == {6: "waiting", 7: "refused", 8: "waiting", 9: "refused"} and outcome.results["left"] == [6, 7, 8, 9]
    assert ["works on it" in vm["reason"] for vm in outcome.results["vms"]] == [True, False, False, False]
    assert "unlock it first" in outcome.results["vms"][1]["reason"] and "still at work" in outcome.results["vms"][2]["reason"]
    assert "another front-end" in outcome.results["vms"][3]["reason"]


@pytest.mark.parametrize("check_mode", [True, False])
def test_unknown_ids_and_what_the_release_does_not_have_are_one_error_before_anything_is_touched(check_mode):
    def error(world, **params):
        with pytest.raises(CoreError) as caught:
            recover(world, Hosts(world), check_mode, **params)
        with pytest.raises(CoreError) as shown:
            plan(world, Hosts(world), **params)
        assert world.calls == [] and world.notes == [] and str(shown.value) == str(caught.value)
        return str(caught.value)

    world = World(Machine(6, "PROLOG"), Machine(7, "RUNNING"))
    text = error(world, vms=[6, 41, 7], demanded=want("delete", 42))
    assert "cannot recover these VMs: 2 problems" in text and "VM 41: the daemon has no VM" in text and "VM 42: " in text and "onevm list" in text
    world.release = "5.6.1"
    assert "VM 6: the daemon is of release 5.6.1, which has no delete-db (5.8 was the first)" in error(world, demanded=want("delete-db", 6))
    assert "VM 6 is demanded 2 times" in error(world, demanded=want("delete", 6, 6))


def test_what_we_deleted_and_somebody_purged_since_is_no_unknown_vm():
    world = World(Machine(6, "UNKNOWN"))
    recover(world, Hosts(world), demanded=want("delete", 6))
    del world.machines[6]
    assert not recover(world, Hosts(world), demanded=want("delete", 6)).changed
    with pytest.raises(CoreError, match="VM 7: the daemon has no VM"):
        recover(world, Hosts(world), demanded=want("delete", 7))


def test_a_demand_does_not_depend_on_the_vms_that_are_named_and_does_not_widen_them():
    world = World(Machine(5, "PROLOG"), Machine(6, "UNKNOWN"), Machine(8, "PROLOG"))
    outcome = recover(world, Hosts(world), vms=[5], demanded=want("delete", 6))
    assert results(outcome) == {5: "recovered", 6: "recovered"} and world.machines[8].state == "PROLOG"


def test_a_second_call_is_made_by_the_next_run_when_the_first_was_cut_short():
    world = World(Machine(6, "CLEANUP_RESUBMIT", began=1050))
    world.record({"vm": 6, "operation": "recreate", "state": "HOTPLUG_SAVEAS_STOPPED", "seq": 1, "time": 1060})
    assert results(recover(world, Hosts(world), demanded=want("recreate", 6))) == {6: "recovered"}
    assert world.calls == [(6, "recreate", "CLEANUP_RESUBMIT")] and world.machines[6].state == "PENDING"


def test_a_clean_up_that_runs_is_waited_for_and_not_called_away():
    world = World(Machine(6, "CLEANUP_RESUBMIT", began=1050))
    world.record({"vm": 6, "operation": "recreate", "state": "PROLOG_FAILURE", "seq": 1, "time": 1060})
    outcome = recover(world, Hosts(world), demanded=want("recreate", 6), wait_timeout_s=5)
    assert world.calls == [] and results(outcome) == {6: "waiting"}


def test_a_vm_that_moves_between_the_look_and_the_demanded_call_is_looked_at_afresh():
    world = World(Machine(6, "UNKNOWN"))
    plain, reads = world.vm, []

    def vm(number):
        reads.append(number)
        if len(reads) == 3:             # named, looked at, and then right before the call
            world.machines[6].state, world.machines[6].runs_on = "RUNNING", ["kvm2"]
        return plain(number)

    world.vm = vm
    outcome = recover(world, Hosts(world), demanded=want("delete-db", 6), wait_timeout_s=30)
    assert world.calls == [] and not outcome.changed and "ITS DOMAIN RUNS" in outcome.results["vms"][0]["reason"]


def test_what_was_recreated_and_scheduled_at_once_is_what_was_asked_for():
    world = World(Machine(6, "UNKNOWN"))
    plain, body = world.vm_recover_demanded, world.machines[6].xml

    def call(number, operation):
        plain(number, operation)
        world.enter(world.machines[6], "PROLOG")
        world.machines[6].xml = lambda: body().replace("<SEQ>1<", "<SEQ>2<")

    world.vm_recover_demanded = call
    outcome = recover(world, Hosts(world), demanded=want("recreate", 6))
    assert results(outcome) == {6: "recovered"} and len(world.calls) == 1 and world.clock < 1110


def test_a_daemon_that_accepts_a_demand_and_does_nothing_is_told():
    world = World(Machine(6, "UNKNOWN"))
    world.vm_recover_demanded = lambda number, operation: world.calls.append((number, operation, "UNKNOWN"))
    with pytest.raises(NotConverged, match="VM 6 unfinished in UNKNOWN"):
        recover(world, Hosts(world), demanded=want("delete", 6), wait_timeout_s=15)
    assert len(world.calls) == 1


def test_the_table_of_a_demand_on_a_vm_that_rests():
    world = World(Machine(6, "RUNNING", ["kvm2"]))
    lines = recovery_table.table(plan(world, Hosts(world), demanded=want("delete", 6)), "alpha")
    assert lines[0] == "zone alpha: no VM is stuck" and lines[2].split()[:7] == ["6", "vm6", "kvm2", "RUNNING", "delete", "->", "DONE"]
    assert "destroys the VM and its disks" in lines[2]


def test_both_modules_know_the_same_demands():
    assert vm_recovery.SPEC["demanded"] == vm_recovery_info.SPEC["demanded"]


@pytest.mark.parametrize("check_mode", [True, False])
def test_what_still_works_on_a_vm_that_rests_is_waited_for(check_mode):
    world = World(Machine(6, "RUNNING", ["kvm2"]), transfers=[6], ends_transfers=True)
    outcome = recover(world, Hosts(world), check_mode, demanded=want("delete", 6))
    assert results(outcome) == {6: "predicted" if check_mode else "recovered"} and len(outcome.plan.as_list()) == 1


def test_a_clean_up_under_a_new_record_is_not_yet_what_was_asked_for():
    world = World(Machine(6, "UNKNOWN"))
    plain, body = world.vm_recover_demanded, world.machines[6].xml

    def call(number, operation):
        plain(number, operation)
        world.machines[6].driven = False
        world.machines[6].xml = lambda: body().replace("<SEQ>1<", "<SEQ>2<")

    world.vm_recover_demanded = call
    with pytest.raises(NotConverged, match="VM 6 unfinished in CLEANUP_RESUBMIT"):
        recover(world, Hosts(world), demanded=want("recreate", 6), wait_timeout_s=15)


def test_the_front_end_is_looked_at_for_disks_only_where_a_vm_parks_them_there():
    """One that copies its disks has no such datastore until then, so that nothing could be said of other copies."""
    def asked(state):
        world = World(Machine(6, state))
        hosts = Hosts(world, {(others.FRONT_END, 6): 8 * MIB})
        return others.FRONT_END in hosts.asked or f"on {others.FRONT_END}" in told(world, hosts, demanded=want("delete", 6))["reason"]

    assert [state for state in ("UNKNOWN", "POWEROFF", "STOPPED", "UNDEPLOYED", "PROLOG_RESUME_FAILURE", "PROLOG_FAILURE", "EPILOG_STOP") if asked(state)] == [
        "STOPPED", "UNDEPLOYED", "PROLOG_RESUME_FAILURE", "EPILOG_STOP"]


def test_the_folder_of_one_that_is_done_is_told_as_left_over():
    world = World(Machine(6, "DONE"), Machine(9, "PROLOG"))
    world.clock = 2000000
    hosts = Hosts(world)
    hosts.stored = {("kvm2", 6): (1000, 1)}
    assert [left["vm"] for left in plan(world, hosts, demanded=want("delete", 6))["leftovers"]] == [6]


def test_no_demand_can_be_written_as_nothing_and_hosts_may_say_what_they_like():
    world = World(Machine(6, "UNKNOWN"))
    assert not recover(world, Hosts(world), demanded=None).changed
    hosts = Hosts(world)
    hosts.ask = lambda scripts: {host: CoreError("it says {0} and {}", host) for host in scripts}
    assert "it says {0} and {}" in told(world, hosts, demanded=want("delete", 6))["reason"]
