# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision table: whole, careful, and true to what daemons do with a recover call."""
import itertools
import json
import pathlib

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import recovery, recovery_demands, vm_states
from ansible_collections.constellation.opennebula.plugins.module_utils.core.recovery import Evidence, decide

SHARED = pathlib.Path(__file__).resolve().parents[3].parent / "shared" / "fixtures"
EVERY_STATE = sorted(vm_states.names()) + ["LCM_STATE_99", "STATE_7"]
LOST = {"began": "before", "transfer": "none"}


def every(state):
    """Yield every combination of the evidence that the state's decision depends on."""
    names = recovery.columns(state)
    for values in itertools.product(*(recovery.EVIDENCE[name] for name in names)):
        yield Evidence(**dict(zip(names, values)))


CASES = [(state, evidence, decide(state, evidence)) for state in EVERY_STATE for evidence in every(state)]


def test_every_state_and_evidence_has_a_verdict_and_a_reason_in_words():
    assert len(CASES) > 200000, len(CASES)
    for state, evidence, decision in CASES:
        assert decision.action in recovery.ACTIONS + (recovery.WAIT, recovery.REFUSE, recovery.LEAVE), (state, evidence)
        assert len(decision.reason.split()) >= 4 and not decision.reason.endswith("."), (state, decision)
    print(f"{len(CASES)} combinations decided")


def test_every_transient_state_is_in_the_table_and_no_other_state_is_acted_on():
    transient = {state for state in vm_states.names() if not vm_states.is_settled(state)}
    assert transient <= set(recovery.TABLE) and len(transient) > 45
    for state, evidence, decision in CASES:
        if vm_states.family(state) in ("REST", "UNKNOWN", None):
            assert decision.action not in recovery.ACTIONS, (state, evidence)
    assert decide("RUNNING", Evidence()).action == recovery.LEAVE and decide("LCM_STATE_99", Evidence(**LOST)).action == recovery.REFUSE


def test_the_table_never_chooses_what_destroys():
    assert not set(recovery_demands.OPERATIONS) & {decision.action for unused, unused2, decision in CASES}
    words = {row.action for rows in recovery.TABLE.values() for row in rows}
    assert words == {"success", "failure", "retry", "wait", "refuse", "leave"}


def test_retry_only_from_failure_states():
    assert any(decision.action == recovery.RETRY for unused, unused2, decision in CASES)
    for state, evidence, decision in CASES:
        assert decision.action != recovery.RETRY or vm_states.is_failure(state), (state, evidence)
        assert decision.action != recovery.FAILURE or not vm_states.is_failure(state), (state, evidence)


def test_nothing_acts_without_knowing_when_it_began_or_while_the_daemon_or_a_transfer_is_at_work():
    for state, evidence, decision in CASES:
        if decision.action in recovery.ACTIONS:
            assert evidence.transfer != "running" and evidence.began not in ("after", "behind"), (state, evidence)
            told = evidence.began in ("before", "overdue") or vm_states.is_failure(state)
            assert told or (decision.action == recovery.SUCCESS and evidence.domain == "running"), (state, evidence, decision)


def test_what_the_running_daemon_began_is_never_acted_on_without_proof_that_nothing_works_on_it():
    seen = acted = 0
    for state, evidence, decision in CASES:
        if evidence.began == "overdue" and not vm_states.is_settled(state):
            seen += 1
            if decision.action in recovery.ACTIONS:
                acted += 1
                assert evidence.transfer == "none" and evidence.hypervisors in ("answered", "off"), (state, evidence)
    assert seen > 10000 and acted > 100, (seen, acted)


def test_age_alone_never_gives_another_verdict_than_a_lost_daemon_does():
    for state, evidence, decision in CASES:
        if evidence.began == "overdue" and decision.action in recovery.ACTIONS:
            assert decision == decide(state, evidence._replace(began="before")), (state, evidence)


def test_success_only_with_something_seen():
    seen = {"domain": ("running",), "disks": ("arrived",), "checkpoint": ("complete",), "device": ("attached", "detached"), "snapshot": ("present", "absent")}
    for state, evidence, decision in CASES:
        if decision.action == recovery.SUCCESS:
            assert any(getattr(evidence, column) in values for column, values in seen.items()), (state, evidence)


def test_a_domain_that_is_there_and_does_not_simply_run_is_never_acted_on():
    seen = 0
    for state, evidence, decision in CASES:
        for column in {"domain", "source"} & set(recovery.columns(state)):
            if getattr(evidence, column) == "unclear":
                seen += 1
                assert decision.action not in recovery.ACTIONS, (state, evidence)
    assert seen > 1000


def test_a_host_that_does_not_answer_is_never_acted_upon():
    seen = 0
    for state, evidence, decision in CASES:
        if evidence.hypervisors == "silent":
            seen += 1
            assert decision.action not in recovery.ACTIONS, (state, evidence)
    assert seen > 1000
    acting = {state for state, unused, decision in CASES if decision.action in recovery.ACTIONS}
    assert all("hypervisors" in recovery.columns(state) for state in acting), "a verdict that acts does not ask whether its hosts answered"


def test_a_domain_that_runs_is_never_scheduled_again():
    for state, evidence, decision in CASES:
        if state == "CLEANUP_RESUBMIT" and "running" in (evidence.domain, evidence.source):
            assert decision.action not in recovery.ACTIONS, evidence
    assert decide("CLEANUP_RESUBMIT", Evidence(domain="absent", source="running", **LOST)).action == recovery.REFUSE


def test_disks_are_never_touched_under_a_domain():
    for state, evidence, decision in CASES:
        if state.startswith(("PROLOG", "EPILOG")) and "running" in (evidence.domain, evidence.source):
            assert decision.action not in recovery.ACTIONS, (state, evidence)


def test_nothing_known_at_all_never_acts():
    for state in EVERY_STATE:
        assert decide(state, Evidence()).action not in recovery.ACTIONS, state


def test_failures_that_are_not_ours_are_left_alone():
    for state, evidence, decision in CASES:
        if vm_states.is_failure(state) and state != "CLONING_FAILURE" and evidence.origin not in ("ours", "asked"):
            assert decision.action == recovery.LEAVE, (state, evidence)


@pytest.mark.parametrize("state, known, action", [
    ("PROLOG", LOST, "failure"), ("PROLOG", {"began": "before"}, "wait"), ("PROLOG", {"began": "before", "transfer": "running"}, "wait"),
    ("PROLOG", {"began": "after", "transfer": "none"}, "wait"), ("PROLOG", {"transfer": "none"}, "refuse"),
    ("PROLOG_FAILURE", {"origin": "ours", "transfer": "none"}, "retry"), ("PROLOG_FAILURE", {"origin": "other", "transfer": "none"}, "leave"),
    ("PROLOG_FAILURE", {"origin": "spent", "transfer": "none"}, "leave"), ("PROLOG_FAILURE", {"origin": "asked", "transfer": "running"}, "wait"),
    ("PROLOG_MIGRATE", LOST, "refuse"), ("PROLOG_MIGRATE", dict(LOST, move="in_place"), "failure"), ("PROLOG_MIGRATE", dict(LOST, move="copying"), "refuse"),
    ("PROLOG_MIGRATE", dict(LOST, move="copying", disks="arrived"), "success"), ("PROLOG_MIGRATE", dict(LOST, disks="at_source"), "failure"),
    ("PROLOG_MIGRATE_FAILURE", dict(origin="ours", transfer="none", move="in_place"), "retry"),
    ("PROLOG_MIGRATE_UNKNOWN", dict(LOST, move="in_place"), "refuse"), ("PROLOG_MIGRATE_UNKNOWN", dict(LOST, move="in_place", source="absent"), "failure"),
    ("EPILOG", LOST, "failure"), ("EPILOG_STOP", LOST, "refuse"), ("EPILOG_FAILURE", {"origin": "ours", "transfer": "none"}, "retry"),
    ("BOOT", {"began": "before"}, "wait"), ("BOOT", {"began": "before", "monitored": "yes"}, "refuse"),
    ("BOOT", {"began": "before", "monitored": "yes", "domain": "absent"}, "failure"),
    ("BOOT", {"began": "before", "monitored": "yes", "domain": "running"}, "success"),
    ("BOOT", {"monitored": "yes", "domain": "absent"}, "refuse"),
    ("BOOT_MIGRATE", {"began": "before", "monitored": "yes", "domain": "absent", "source": "running"}, "refuse"),
    ("BOOT_FAILURE", {"origin": "ours", "monitored": "yes", "domain": "absent"}, "retry"), ("BOOT_FAILURE", {"origin": "ours", "monitored": "no"}, "wait"),
    ("MIGRATE", {"began": "before", "source": "absent", "domain": "running"}, "success"),
    ("MIGRATE", {"began": "before", "source": "running", "domain": "absent"}, "failure"),
    ("MIGRATE", {"began": "before", "source": "running", "domain": "running"}, "refuse"),
    ("MIGRATE", {"began": "before", "source": "absent", "domain": "absent"}, "refuse"),
    ("MIGRATE", {"began": "before", "domain": "running"}, "refuse"),
    ("SAVE_MIGRATE", dict(LOST, source="absent", checkpoint="complete"), "success"),
    ("SAVE_MIGRATE", dict(LOST, source="absent", checkpoint="complete", hypervisors="off"), "refuse"),
    ("SAVE_SUSPEND", LOST, "wait"), ("SAVE_SUSPEND", dict(LOST, monitored="yes"), "refuse"), ("SAVE_MIGRATE", LOST, "wait"),
    ("SAVE_MIGRATE", dict(LOST, monitored="yes"), "refuse"),
    ("SAVE_MIGRATE", dict(LOST, source="running"), "failure"), ("SAVE_SUSPEND", dict(LOST, domain="running"), "failure"),
    ("SAVE_SUSPEND", dict(LOST, domain="absent"), "refuse"),
    ("SAVE_SUSPEND", dict(LOST, domain="absent", checkpoint="complete"), "success"),
    ("SHUTDOWN", {"began": "before"}, "wait"), ("SHUTDOWN", dict(LOST, monitored="yes", domain="absent"), "wait"),
    ("SHUTDOWN_POWEROFF", dict(LOST, monitored="yes", domain="running"), "failure"), ("SHUTDOWN", dict(LOST, monitored="yes"), "wait"),
    ("HOTPLUG", dict(LOST, operation="attach"), "refuse"), ("HOTPLUG", dict(LOST, operation="detach"), "failure"),
    ("HOTPLUG_NIC", dict(LOST, operation="attach", device="attached"), "success"),
    ("DISK_SNAPSHOT", LOST, "refuse"), ("DISK_SNAPSHOT_POWEROFF", dict(LOST, snapshot="present"), "success"),
    ("DISK_SNAPSHOT_DELETE", dict(LOST, snapshot="present"), "failure"),
    ("DISK_SNAPSHOT_REVERT_POWEROFF", dict(LOST, snapshot="present"), "refuse"), ("HOTPLUG_SAVEAS", LOST, "failure"), ("BACKUP", LOST, "failure"),
    ("RESTORE", LOST, "refuse"),
    ("CLEANUP_RESUBMIT", LOST, "refuse"), ("CLEANUP_RESUBMIT", dict(LOST, domain="absent"), "failure"),
    ("CLEANUP_RESUBMIT", dict(LOST, domain="running"), "refuse"),
    ("UNKNOWN", {"began": "before"}, "wait"), ("UNKNOWN", {"monitored": "yes"}, "leave"), ("CLONING", LOST, "wait"),
])
def test_verdicts_an_administrator_would_give(state, known, action):
    assert decide(state, Evidence(**known)).action == action


def test_evidence_that_a_state_does_not_depend_on_changes_nothing():
    noise = Evidence(*(values[-1] for values in recovery.EVIDENCE.values()))
    for state in EVERY_STATE:
        for evidence in itertools.islice(every(state), 0, None, 7):
            other = noise._replace(**{column: getattr(evidence, column) for column in recovery.columns(state)})
            assert decide(state, other) == decide(state, evidence), state


@pytest.mark.skipif(not SHARED.is_dir(), reason="recorded matrices are not on this machine")
@pytest.mark.parametrize("release", ["5.0.2", "5.12.13", "6.10.5", "7.4.0"])
def test_every_action_of_the_table_leads_where_real_daemons_went(release):
    rows = json.loads((SHARED / f"recover_matrix_{release}.json").read_text())["rows"]
    went = {(row["state"], row["op_name"]): row.get("observed") or {} for row in rows}
    cases = 0
    for state in vm_states.names(release):
        for action in sorted({decision.action for case, unused, decision in CASES if case == state} & set(recovery.ACTIONS)):
            observed = went.get((state, action))
            if not observed:
                continue
            assert observed["accepted"], (state, action)
            end = observed["final"]
            if action == recovery.FAILURE and vm_states.failure_of(state):
                assert end == vm_states.failure_of(state), (state, end)
                end = went[(end, "retry")]["final"]
            assert recovery.leads_to(state, action) == end, (state, action)
            cases += 1
    print(f"{cases} actions compared with {release}")
    assert cases > 60
