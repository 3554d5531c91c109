# SPDX-License-Identifier: GPL-3.0-or-later
"""delete, recreate and delete-db: over the whole product of operation, state, release and evidence, and true to what daemons did."""
import itertools
import json
import pathlib

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import recovery, recovery_demands, vm_states
from ansible_collections.constellation.opennebula.plugins.module_utils.core.recovery import Evidence

SHARED = pathlib.Path(__file__).resolve().parents[3].parent / "shared" / "fixtures"
RELEASES = ("5.0.2", "5.6.1", "5.12.13", "6.8.0", "6.10.5", "7.4.0")
QUIET = {"began": "before", "transfer": "none", "domain": "absent", "source": "absent", "hypervisors": "answered"}


def every(releases=("5.0.2", "7.4.0")):
    """Yield (operation, state, release, evidence, decision) of the whole product of what a demand depends on."""
    values = [recovery.EVIDENCE[column] for column in recovery_demands.COLUMNS]
    known = [Evidence(**dict(zip(recovery_demands.COLUMNS, combination))) for combination in itertools.product(*values)]
    for operation, release in itertools.product(recovery_demands.OPERATIONS, releases):
        for state in [*vm_states.names(release), "LCM_STATE_99", "STATE_7"]:
            for evidence in known:
                yield operation, state, release, evidence, recovery_demands.decide(operation, state, release, evidence)


def test_no_evidence_that_is_missing_or_speaks_against_it_lets_a_demand_through():
    seen, acted = 0, set()
    for operation, state, release, evidence, decision in every():
        seen += 1
        where = (operation, state, release, evidence, decision)
        assert decision.action in (operation, recovery.WAIT, recovery.REFUSE, recovery.LEAVE) and len(decision.reason.split()) >= 4, where
        if decision.action != operation:
            continue
        acted.add((operation, state, release))
        assert evidence.transfer == "none" and evidence.hypervisors != "silent" and "unclear" not in (evidence.domain, evidence.source), where
        assert vm_states.is_settled(state) or evidence.began == "before" or (evidence.began == "overdue" and evidence.hypervisors != "unknown"), where
        assert evidence.source != "running", where
        if operation != "delete":
            assert evidence.domain == "absent" and evidence.source == "absent", where
        elif evidence.domain == "running":
            assert vm_states.code(state)[0] == vm_states.ACTIVE, where
        else:
            assert evidence.domain == "absent" or evidence.hypervisors == "unknown", where
    print(f"{seen} combinations decided")
    assert seen > 200000 and len(acted) > 300


def test_what_the_daemon_refuses_or_ignores_is_never_called():
    for operation, release, state in itertools.product(recovery_demands.OPERATIONS, RELEASES, [*vm_states.names(), "LCM_STATE_99", "STATE_7"]):
        series = vm_states.series(release)
        if recovery_demands.decide(operation, state, release, Evidence(**QUIET)).action != operation:
            continue
        assert state != "DONE" and vm_states.family(state), (operation, state)
        assert operation != "delete-db" or series >= (5, 8)
        if operation == "recreate":
            assert state not in ("PENDING", "CLONING", "CLONING_FAILURE", "CLEANUP_DELETE", "CLEANUP_RESUBMIT"), state
            assert state not in ("POWEROFF", "SUSPENDED") or series >= (6, 10), (state, release)


@pytest.mark.skipif(not SHARED.is_dir(), reason="recorded matrices are not on this machine")
@pytest.mark.parametrize("release", ["5.0.2", "5.12.13", "6.10.5", "7.4.0"])
def test_every_demand_ends_where_real_daemons_went(release):
    rows = [row for row in json.loads((SHARED / f"recover_matrix_{release}.json").read_text())["rows"] if row["op"] > 2 and row.get("observed")]
    called = 0
    for row in rows:
        operation, state, observed = ("delete", "recreate", "delete-db")[row["op"] - 3], row["state"], row["observed"]
        decision = recovery_demands.decide(operation, state, release, Evidence(**QUIET))
        where = (operation, state, observed, decision)
        moves = observed["accepted"] and observed["transitions"]
        if state == "CLEANUP_RESUBMIT" and operation == "recreate":
            assert decision.action == recovery.WAIT and recovery_demands.decide(operation, state, release, Evidence(**QUIET), again=True).action == operation
            continue
        assert (decision.action == operation) is bool(moves), where
        if moves:
            called += 1
            twice = operation == "recreate" and recovery_demands.takes_two(state, vm_states.series(release))
            assert observed["final"] == ("CLEANUP_RESUBMIT" if twice else recovery_demands.leads_to(operation)), where
    assert called > (120 if release == "5.0.2" else 190), called


def test_what_is_to_be_done_is_done_already():
    for operation, state, action in (("delete", "DONE", "leave"), ("delete-db", "DONE", "leave"), ("recreate", "PENDING", "leave"),
                                     ("recreate", "DONE", "refuse")):
        assert recovery_demands.decide(operation, state, "7.4.0", Evidence(**QUIET)).action == action


@pytest.mark.parametrize("state, release, twice", [
    ("HOTPLUG_SAVEAS_POWEROFF", "5.0.2", True), ("HOTPLUG_SAVEAS_POWEROFF", "5.12.13", False), ("HOTPLUG_SAVEAS_STOPPED", "7.4.0", True),
    ("HOTPLUG_SAVEAS_POWEROFF", "5.6.1", None), ("HOTPLUG_SAVEAS_STOPPED", "6.4.7", None)])
def test_a_recreate_that_takes_two_calls_says_so_and_what_nobody_recorded_is_refused(state, release, twice):
    decision = recovery_demands.decide("recreate", state, release, Evidence(**QUIET))
    assert (decision.action == "refuse" and "never recorded" in decision.reason) if twice is None else decision.action == "recreate"
    if twice is not None:
        assert ("two calls" in recovery_demands.consequences("recreate", state, release)[0]) is twice


def test_a_vm_that_never_had_a_host_needs_no_evidence_of_one():
    nothing = Evidence(transfer="none")
    for operation, state in (("delete", "PENDING"), ("delete-db", "HOLD"), ("recreate", "HOLD"), ("delete", "CLONING"), ("delete", "CLONING_FAILURE")):
        assert recovery_demands.decide(operation, state, "7.4.0", nothing, placed=False, moved=False).action == operation
        assert recovery_demands.decide(operation, state, "7.4.0", Evidence(transfer="running"), placed=False).action == "wait"


def test_the_host_before_counts_only_where_there_was_one():
    known = Evidence(**dict(QUIET, source="unknown"))
    assert recovery_demands.decide("delete-db", "UNKNOWN", "7.4.0", known).action == "refuse"
    assert recovery_demands.decide("delete-db", "UNKNOWN", "7.4.0", known, moved=False).action == "delete-db"


def test_words_say_what_is_destroyed_and_what_is_left():
    def said(operation, *more):
        return "; ".join(recovery_demands.consequences(operation, "UNKNOWN", "7.4.0", *more))

    assert "only writes DONE" in said("delete-db") and "domain, its folders and its disks stays" in said("delete-db")
    assert "destroys its disks" in said("recreate") and "PENDING even if the clean-up fails" in said("recreate")
    assert "destroys the VM and its disks" in said("delete") and "nobody waits" in said("delete")
    assert "persistent: disk.0, disk.2; see first" in said("delete", [0, 2]) and "persistent" not in said("delete")


def test_demands_that_contradict_each_other_or_the_release_are_named():
    demanded = [{"id": 7, "operation": "delete"}, {"id": 7, "operation": "delete-db"}, {"id": 8, "operation": "delete-db"}]
    assert recovery_demands.check(demanded) == ["VM 7 is demanded 2 times; one operation for each VM"]
    assert [problem[:5] for problem in recovery_demands.check(demanded, "5.6.1")] == ["VM 7 ", "VM 7:", "VM 8:"]
    assert len(recovery_demands.check(demanded, "5.8.0")) == 1


ALPHA, BETA = {"id": 7, "operation": "delete", "zone": "alpha"}, {"id": 7, "operation": "delete-db", "zone": "beta"}


def test_a_number_means_a_vm_of_one_zone_only():
    bare = {"id": 7, "operation": "delete"}
    assert recovery_demands.named([ALPHA, BETA], [], "beta", ["alpha", "beta"]) == {"demanded": [{"id": 7, "operation": "delete-db"}], "problems": []}
    assert recovery_demands.named([bare], [4], "alpha", ["alpha"]) == {"demanded": [bare], "problems": []}
    for demanded, vms, zones, words in (([bare], [], ["alpha", "beta"], "names no zone, and the run has zones alpha, beta"),
                                        ([BETA], [], ["alpha"], "names zone beta, which is not in the run: it has alpha"),
                                        ([], [4], ["alpha", "beta"], "recovery_vms names VMs by id")):
        (problem,) = recovery_demands.named(demanded, vms, "alpha", zones)["problems"]
        assert words in problem
    assert len(recovery_demands.named([bare, BETA], [4], "alpha", ["alpha", "gamma"])["problems"]) == 3
