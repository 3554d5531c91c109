# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases of tests/scenarios/evidence.py: each leads to its state on the stand-in, each expects words that the decision table has."""
import pathlib
import sys

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import recovery, vm_states

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "scenarios"))

import evidence_cases as cases  # noqa: E402  pylint: disable=wrong-import-position
from oned_world import World  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    for host in ("kvm1", "kvm2", "kvm3"):
        made.add_host(host)
    return made


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_life_of_a_case_leads_to_its_state(world, case):
    hosts = {"kvm1": 0, "kvm2": 1, "kvm3": 2}
    vm_id = world.ok("one.vm.allocate", cases.template(case).replace("0.2", "0"), True)
    world.ok("one.vm.deploy", vm_id, hosts[case.on])
    for name, *arguments in case.life:
        if name == "one.vm.lock":
            world.wait(vm_id, case.state)
        elif world.state(vm_id) != "POWEROFF":
            world.wait(vm_id, "RUNNING")
        if name == "sql":
            world.database.write((arguments[0].format(vm=vm_id).replace("opennebula.", ""),))
            world.monitor.once()
        elif name == "one.vm.action":
            world.ok(name, arguments[0], vm_id)
            if case.life[-1] != (name, *arguments):
                world.wait(vm_id, "POWEROFF")
        else:
            world.ok(name, vm_id, *(hosts.get(argument, argument) if isinstance(argument, str) else argument for argument in arguments))
    world.wait(vm_id, case.state)


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_words_of_a_case_are_those_of_the_table(case):
    reasons = [row.reason for row in recovery.TABLE[case.state] if row.action == case.verdict]
    assert case.verdict == "-" or "locked" in case.words or any(case.words.split(" (")[0] in reason for reason in reasons), reasons


def test_every_family_in_which_something_can_be_lost_has_its_cases():
    assert len({case.name for case in cases.CASES}) == len(cases.CASES)
    # 5.0.2, which the stand-in stands in for, cannot resize disks or make backups; CLONING waits for images, which it does not have
    assert {vm_states.family(case.state) for case in cases.CASES} == set(vm_states.FAMILIES) - {"REST", "CLONING", "RESIZE", "BACKUP"}


def test_inventory_asks_the_hypervisors():
    """group_vars/all wins over variables of groups in hosts.yml (seen: nobody was asked), and of its files the last one."""
    files = sorted((pathlib.Path(__file__).resolve().parents[3] / "inventories/lab-hypervisors/group_vars/all").iterdir())
    assert [file.name for file in files] == ["10-lab.yml", "20-hypervisors.yml"]
    said = [file.read_text(encoding="utf-8") for file in files]
    assert "recovery_ask_hypervisors: false" in said[0] and "recovery_ask_hypervisors: true" in said[1]
