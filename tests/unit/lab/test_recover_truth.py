# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""one.vm.recover of the stand-in: the compact table against itself, against the recorded matrix, and the running engine against both."""
import json
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from oned_world import SHARED, World  # noqa: E402

from oned import recover_truth as truth  # noqa: E402
from oned.core import vm_states  # noqa: E402
from oned.drivers import STEPS  # noqa: E402

MATRIX = SHARED / "fixtures" / "recover_matrix_5.0.2.json"
MONITORED = SHARED / "fixtures" / "failover" / "5.0.2_monitor_effect.json"
OPERATIONS = range(6)
# the recording's dummy driver restores without a checkpoint; ours wants one, as a hypervisor does
WITH_CHECKPOINT = {("BOOT_UNDEPLOY", truth.RETRY), ("SAVE_MIGRATE", truth.SUCCESS)}


@pytest.fixture(name="world", scope="module")
def world_(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    world.add_host("kvm1")
    world.add_host("kvm2")
    world.take_time_in_hand()
    return world


def recorded():
    if not MATRIX.exists():
        return []
    return [row for row in json.loads(MATRIX.read_text(encoding="utf-8"))["rows"] if row["observed"]]


# -- the table itself


def test_table_knows_every_state_of_the_release():
    known = set(vm_states.names("5.0")) - {"INIT", "FAILED", "LCM_INIT"}
    assert set(truth.STATES) == known


def test_every_answer_leads_to_a_state_that_exists():
    for state in truth.STATES:
        for operation in OPERATIONS:
            reply = truth.answer(state, operation, 7)
            target = reply.next.lstrip("*")
            assert reply.next in (truth.NOTHING, truth.AGAIN) or target in vm_states.names("5.0"), (state, operation, reply)
            assert reply.accepted != bool(reply.text), (state, operation, reply)
            assert reply.code == (0 if reply.accepted else 2048)


def test_star_marks_exactly_the_whole_states():
    for row in truth.LCM.values():
        for cell in row:
            if cell not in (truth.NOTHING, truth.AGAIN):
                assert cell.startswith("*") == (vm_states.code(cell.lstrip("*"))[0] != vm_states.ACTIVE), cell


def test_every_state_with_a_driver_has_both_ends_in_the_table():
    assert set(STEPS) <= set(truth.LCM)
    for state in STEPS:
        assert truth.NOTHING not in truth.LCM[state][:2], state
    again = {state for state, row in truth.LCM.items() if row[truth.RETRY] == truth.AGAIN}
    assert again <= set(STEPS)


def test_retry_of_a_failure_goes_back_to_the_step_that_failed():
    failures = [state for state in truth.LCM if vm_states.is_failure(state)]
    assert len(failures) == 14
    for state in failures:
        assert truth.LCM[state][truth.RETRY] == vm_states.under_way(state)


def test_delete_db_is_refused_everywhere():
    assert {truth.answer(state, 5, 1)[:3] for state in truth.STATES} == {(False, truth.NOTHING, "Wrong recovery operation code")}


# -- the record


@pytest.mark.skipif(not MATRIX.exists(), reason="no ../shared/fixtures")
def test_table_equals_the_recorded_matrix():
    rows = recorded()
    for row in rows:
        observed, where = row["observed"], (row["state"], row["op"], row.get("variant"))
        vm_id = int((re.search(r"VM (\d+)", observed.get("error", "")) or [0, 0])[1])
        reply = truth.answer(row["state"], row["op"], vm_id)
        assert reply.accepted == observed["accepted"], where
        assert truth.path(row["state"], row["op"]) == observed["transitions"], where
        if not reply.accepted:
            assert (f"[VirtualMachineRecover] {reply.text}", reply.code) == (observed["error"], observed["error_code"]), where
    print(f"{len(rows)} recorded rows compared with the table")
    assert len(rows) == 423


@pytest.mark.skipif(not MATRIX.exists(), reason="no ../shared/fixtures")
def test_engine_does_what_was_recorded(world):
    rows = recorded()
    for row in rows:
        observed, state, operation = row["observed"], row["state"], row["op"]
        where = (state, operation, row.get("variant"))
        vm_id = world.machine_in(state, checkpoint=(state, operation) in WITH_CHECKPOINT)
        accepted, value, code = world.call("one.vm.recover", vm_id, operation)
        world.let_drivers_answer()
        assert accepted == observed["accepted"], (where, value)
        assert world.state(vm_id) == observed["final"], where
        passed = [step.lstrip("*") for step in observed["transitions"]]
        assert world.passed(vm_id) == passed, where
        if not accepted:
            assert value == re.sub(r"VM \d+", f"VM {vm_id}", observed["error"]) and code == observed["error_code"], where
    print(f"{len(rows)} recorded rows played on the engine")
    assert len(rows) == 423


@pytest.mark.skipif(not MONITORED.exists(), reason="no ../shared/fixtures")
def test_monitoring_does_what_was_recorded(world):
    rows = json.loads(MONITORED.read_text(encoding="utf-8"))
    for row in rows:
        state = row["before"]
        vm_id = world.machine_in(state)
        vm = world.lifecycle.load(vm_id)
        if row["reported"] in "ade":
            world.lifecycle.reported(vm, row["reported"])
        world.let_drivers_answer()
        assert world.state(vm_id) == row["after"], row
    print(f"{len(rows)} recorded reports played on the engine")
    assert len(rows) == 260


# -- without the record


@pytest.mark.skipif(MATRIX.exists(), reason="the recorded rows were played above")
def test_engine_follows_the_table_for_every_state_and_operation(world):
    for state in truth.STATES:
        for operation in OPERATIONS:
            vm_id = world.machine_in(state, checkpoint=(state, operation) in WITH_CHECKPOINT)
            assert world.call("one.vm.recover", vm_id, operation)[0] == truth.answer(state, operation, vm_id).accepted
            world.let_drivers_answer()
            assert world.passed(vm_id) == [step.lstrip("*") for step in truth.path(state, operation)], (state, operation)


def test_recover_of_an_unknown_machine_is_refused_before_its_operation_is_looked_at(world):
    assert world.call("one.vm.recover", 999999, 9) == [False, "[VirtualMachineRecover] Error getting virtual machine [999999].", 1024]


def test_recover_needs_admin_rights(world):
    world.ok("one.user.allocate", "plain", "secret", "core")
    vm_id = world.ok("one.vm.allocate", "", True, session="plain:secret")
    assert world.call("one.vm.recover", vm_id, 2, session="plain:secret") == [
        False, f"[VirtualMachineRecover] User [2] : Not authorized to perform ADMIN VM [{vm_id}].", 512]


def test_success_on_boot_without_deploy_id_invents_one(world):
    vm_id = world.machine_in("PROLOG")
    world.ok("one.vm.recover", vm_id, truth.SUCCESS)
    world.jobs.clear()
    world.ok("one.vm.recover", vm_id, truth.SUCCESS)
    assert world.xml("one.vm.info", vm_id).findtext("DEPLOY_ID") == f"one-{vm_id}"
