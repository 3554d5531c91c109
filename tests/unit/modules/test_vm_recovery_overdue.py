# SPDX-License-Identifier: GPL-3.0-or-later
"""What the running daemon itself began, and takes longer than stuck_after_s: left alone until it is seen that nothing works on it anywhere."""
import importlib.util
import pathlib

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError

_spec = importlib.util.spec_from_file_location("hypervisor_tests", pathlib.Path(__file__).with_name("test_vm_recovery_hypervisors.py"))
others = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(others)
Machine, Hosts, MIB, recover, plan, told = others.Machine, others.Hosts, others.MIB, others.recover, others.plan, others.told
World = others.fakes.World


def world_of(*machines, at=2000.0, **more):
    world = World(*machines, **more)
    world.clock = at
    return world


def results(outcome):
    return {vm["id"]: vm["result"] for vm in outcome.results["vms"]}


def test_age_counts_only_when_it_is_asked_for_and_reached():
    for limit, at, action in ((0, 9e6, "wait"), (600, 1649, "wait"), (600, 1650, "failure")):
        world = world_of(Machine(6, "PROLOG", began=1050), at=at)
        seen = told(world, Hosts(world), stuck_after_s=limit)
        assert seen["action"] == action and seen["evidence"]["began"] == ("after" if action == "wait" else "overdue") and seen["stuck"] is (action != "wait")
    assert "it takes longer than 600 s" in seen["reason"] and "neither a driver here nor a host works on it" in seen["reason"]


def test_what_is_overdue_is_recovered_as_foreseen():
    world = world_of(Machine(6, "PROLOG", began=1050), Machine(7, "PROLOG", began=1990))
    foreseen = recover(world, Hosts(world), True, stuck_after_s=600)
    assert world.calls == []
    done = recover(world, Hosts(world), stuck_after_s=600)
    assert done.plan.as_list() == foreseen.plan.as_list() and results(done) == {6: "recovered", 7: "waiting"} and done.results["left"] == []
    assert [call[:2] for call in world.calls] == [(6, "failure"), (6, "retry")] and "takes longer than 600 s" in world.notes[0]["reason"]


@pytest.mark.parametrize("runs_on, action", [(["kvm2"], "success"), (["kvm1"], "failure"), (["kvm1", "kvm2"], "refuse"), ([], "refuse")])
def test_an_overdue_migration_ends_where_the_domain_is(runs_on, action):
    world = world_of(Machine(6, "MIGRATE", runs_on, began=1050))
    assert told(world, Hosts(world), stuck_after_s=600)["action"] == action


def test_nothing_is_touched_while_a_driver_is_at_work_at_all_because_its_queue_cannot_be_seen():
    world = world_of(Machine(6, "PROLOG", began=1050))
    world.at_work = ["remotes/tm/ssh/clone"]
    seen = told(world, Hosts(world), stuck_after_s=600)
    assert seen["action"] == "wait" and seen["evidence"]["began"] == "behind" and seen["reason"].endswith("(remotes/tm/ssh/clone)") and not seen["stuck"]
    outcome = recover(world, Hosts(world), stuck_after_s=600)
    assert world.calls == [] and outcome.results["left"] == [] and world.clock < 2010, "it is not waited for: the daemon is at work"


@pytest.mark.parametrize("hosts", [None, {"silent": ["kvm1"]}, {"silent": ["kvm2"]}, {"busy": [6]}])
def test_nothing_is_touched_that_a_host_may_work_on(hosts):
    world = world_of(Machine(6, "PROLOG", began=1050))
    hosts = None if hosts is None else Hosts(world, **hosts)
    seen = told(world, hosts, stuck_after_s=600)
    assert seen["action"] == "wait" and "takes longer than stuck_after_s" in seen["reason"], seen
    outcome = recover(world, hosts, stuck_after_s=600, wait_timeout_s=9)
    assert world.calls == [] and outcome.results["left"] == [6]
    assert (world.clock > 2008) is bool(hosts and hosts.busy), "what ends is waited for, a host that is silent is not"


def test_a_transfer_or_a_lock_keeps_an_overdue_vm_alone():
    world = world_of(Machine(6, "PROLOG", began=1050), Machine(7, "PROLOG", began=1050), transfers=[6])
    world.by_hand = set()
    body = world.machines[7].xml
    world.machines[7].xml = lambda: body().replace("<USER_TEMPLATE>", "<LOCK><LOCKED>1</LOCKED></LOCK><USER_TEMPLATE>")
    assert {vm["id"]: vm["action"] for vm in plan(world, Hosts(world), stuck_after_s=600)["vms"]} == {6: "wait", 7: "refuse"}


def test_a_beginning_that_nothing_tells_for_certain_is_never_overdue():
    """A suspend leaves no time in the record; what the record has is of an earlier step."""
    world = world_of(Machine(6, "SAVE_SUSPEND", ["kvm2"], began=1050), at=9e6)
    assert told(world, Hosts(world), stuck_after_s=600)["evidence"]["began"] == "after"
    for logged, began in (((1060, "SAVE_SUSPEND"), "overdue"), ((990, "SAVE_SUSPEND"), "after"), ((1060, "RUNNING"), "after")):
        world.machines[6].logged = logged
        assert told(world, Hosts(world), stuck_after_s=600)["evidence"]["began"] == began, logged


def test_our_own_retry_starts_the_clock_again():
    world = world_of(Machine(6, "PROLOG", began=1050))
    world.record({"vm": 6, "operation": "retry", "state": "PROLOG_FAILURE", "seq": 1, "time": 1900})
    assert told(world, Hosts(world), stuck_after_s=600)["evidence"]["began"] == "after"
    world.clock = 2500
    assert told(world, Hosts(world), stuck_after_s=600)["evidence"]["began"] == "overdue"


def test_a_demand_on_what_is_overdue_needs_the_same_proof():
    for hosts, action in (({}, "delete"), ({"silent": ["kvm2"]}, "refuse"), ({"busy": [6]}, "wait"), (None, "wait")):
        world = world_of(Machine(6, "PROLOG", began=1050))
        wanted = {"demanded": [{"id": 6, "operation": "delete"}], "stuck_after_s": 600}
        assert told(world, None if hosts is None else Hosts(world, **hosts), **wanted)["action"] == action
        world.at_work = ["vmm/kvm/deploy"]
        assert told(world, Hosts(world), **wanted)["action"] == "wait"


@pytest.mark.parametrize("limit", [-1, 1, 59])
def test_a_limit_below_what_transfers_and_monitoring_get_is_refused(limit):
    world = world_of(Machine(6, "PROLOG", began=1050))
    for read in (recover, plan):
        with pytest.raises(CoreError, match=f"stuck_after_s is {limit}; it must be 0 .never., or at least .* here 60"):
            read(world, Hosts(world), stuck_after_s=limit)
    assert world.requests == 0


def test_a_failure_has_no_age_and_its_retry_still_waits_for_monitoring():
    world = world_of(Machine(6, "BOOT_FAILURE", began=1050), monitoring=True)
    world.machines[6].logged = (1060, "BOOT_FAILURE")
    world.host_pool = lambda: others.three_hosts("kvm1", "kvm2", "kvm3").replace(">1090<", f">{1050 if world.clock < 2003 else 2003}<")
    params = {"stuck_after_s": 600, "retry_failures": True, "monitoring_settle_s": 60}
    assert told(world, Hosts(world), **params)["reason"].startswith("its host was not monitored since")
    assert results(recover(world, Hosts(world), **params)) == {6: "recovered"} and "takes longer" not in world.notes[0]["reason"]
