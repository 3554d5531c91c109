# SPDX-License-Identifier: GPL-3.0-or-later
"""The state table against what the releases' own headers say (shared/fixtures/states, where present)."""
import json
import pathlib

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import vm_states
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError

STATES = pathlib.Path(__file__).resolve().parents[3].parent / "shared" / "fixtures" / "states"


def test_numbers_and_names_are_unique():
    for table in (vm_states.STATES, vm_states.LCM_STATES):
        assert len({state.number for state in table}) == len({state.name for state in table}) == len(table)
    assert {state.family for state in vm_states.LCM_STATES} <= set(vm_states.FAMILIES)


@pytest.mark.parametrize("codes, word", [((3, 1), "PROLOG"), ((8, 0), "POWEROFF"), ((8, 3), "POWEROFF"), ((3, 71), "RESTORE"),
                                         ((3, 99), "LCM_STATE_99"), ((7, 0), "STATE_7")])
def test_name_of_two_numbers_is_one_word(codes, word):
    assert vm_states.name(*codes) == word


def test_code_and_name_are_inverse_for_every_state():
    assert len(vm_states.names()) == 10 + 68
    for label, codes in vm_states.names().items():
        assert vm_states.code(label) == codes and vm_states.name(*codes) == label


def test_failure_states_belong_to_a_state_they_failed_in():
    failures = [label for label in vm_states.names() if label.endswith("_FAILURE")]
    assert len(failures) == 15
    for label in failures:
        assert vm_states.is_failure(label) and vm_states.failure_of(vm_states.under_way(label)) == label
    assert vm_states.failure_of("BOOT_POWEROFF") is None
    assert [label for label in vm_states.names() if vm_states.is_failure(label)] == failures


def test_unknown_states_are_never_settled_and_are_refused_by_name():
    assert vm_states.family("LCM_STATE_99") is None and not vm_states.is_settled("LCM_STATE_99")
    with pytest.raises(CoreError, match="unknown VM state 'NOPE'. Use one of: BACKUP, BACKUP_POWEROFF"):
        vm_states.code("NOPE")


@pytest.mark.parametrize("release, absent, present",
                         [("5.0", "DISK_RESIZE", "DISK_SNAPSHOT_REVERT_SUSPENDED"), ("5.12.13", "HOTPLUG_RESIZE", "HOTPLUG_NIC_POWEROFF"),
                          ("7.4", "DISK_SNAPSHOT_REVERT_SUSPENDED", "RESTORE")])
def test_release_decides_which_states_exist(release, absent, present):
    assert absent not in vm_states.names(release) and present in vm_states.names(release)


def test_release_that_cannot_be_read_is_refused():
    with pytest.raises(CoreError, match="cannot read OpenNebula release 'five'"):
        vm_states.names("five")


@pytest.mark.skipif(not STATES.is_dir(), reason="recorded states are not on this machine")
def test_table_equals_the_headers_of_every_recorded_release():
    cases = 0
    for path in sorted(STATES.glob("*.json")):
        recorded = json.loads(path.read_text())
        want = {label: (number, 0) for label, number in recorded["STATE"].items() if label != "ACTIVE"}
        want.update({label: (3, number) for label, number in recorded["LCM_STATE"].items() if label != "LCM_INIT"})
        assert vm_states.names(recorded["version"]) == want, path.name
        actions = {number: label[:-len("_ACTION")].lower().replace("_", "-") for label, number in recorded["HISTORY_ACTION"].items()}
        for number, label in vm_states.HISTORY_ACTIONS.items():
            assert actions.get(number, label) in (label, label.replace("poweroff-", "poff-")), (path.name, number)
        cases += len(want)
    print(f"{cases} recorded states compared")
    assert cases > 900
