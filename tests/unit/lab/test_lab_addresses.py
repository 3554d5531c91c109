# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address plan of the laboratory."""
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "molecule/lab"))

import addresses  # noqa: E402  pylint: disable=wrong-import-position


def every_address(plan):
    return [value for node in plan.nodes.values()
            for value in (node.address, node.fence_address, node.bmc, node.mac, node.fence_mac)] + list(plan.vips.values())


def test_plan_default_gives_the_addresses_of_the_inventory():
    plan = addresses.plan("constellation", "10.90", "10.91")
    found = {name: (node.address, node.bmc) for name, node in plan.nodes.items()}
    assert found == {"alpha1": ("10.90.1.11", "10.91.1.111"), "alpha2": ("10.90.1.12", "10.91.1.112"),
                     "beta1": ("10.90.2.11", "10.91.2.111"), "beta2": ("10.90.2.12", "10.91.2.112")}
    assert plan.vips == {"alpha": "10.90.1.100", "beta": "10.90.2.100"}
    inventory = (ROOT / "inventories/lab/hosts.yml").read_text(encoding="utf-8")
    for name, (address, bmc) in found.items():
        assert f'{name}:' in inventory and address.replace("10.90", "{{ lab_net }}") in inventory and f"lab_bmc_net ~ '{bmc.replace('10.91', '')}'" in inventory


def test_plan_uses_every_address_once():
    plan = addresses.plan("a", "10.90", "10.91")
    assert len(set(every_address(plan))) == len(every_address(plan)) == 22


def test_plan_two_labs_share_no_address_and_no_name():
    one, two = addresses.plan("one", "10.84", addresses.default_bmc_net("10.84")), addresses.plan("two", "10.86", addresses.default_bmc_net("10.86"))
    assert not set(every_address(one)) & set(every_address(two))
    assert not {node.container for node in one.nodes.values()} & {node.container for node in two.nodes.values()}


def test_plan_bad_values_are_reported_all_at_once():
    with pytest.raises(ValueError) as problem:
        addresses.plan("No Good", "10.900", "10.900")
    assert all(word in str(problem.value) for word in ("LAB_NAME='No Good'", "LAB_NET='10.900'", "LAB_BMC_NET='10.900'", "are both"))


def test_hosts_file_names_each_node_once_with_its_data_address():
    text = addresses.hosts_file(addresses.plan("a", "10.90", "10.91"))
    assert [line for line in text.splitlines() if "beta2" in line] == ["10.90.2.12 beta2"]
    assert "10.91" not in text


def test_plan_shape_gives_each_zone_its_number_of_front_ends():
    plan = addresses.plan("a", "10.90", "10.91", "alpha:3,gamma:1")
    assert {name: node.address for name, node in plan.nodes.items()} == {
        "alpha1": "10.90.1.11", "alpha2": "10.90.1.12", "alpha3": "10.90.1.13", "gamma1": "10.90.3.11"}
    assert plan.vips == {"alpha": "10.90.1.100", "gamma": "10.90.3.100"}


def test_plan_hypervisors_have_power_and_names_but_are_no_front_ends():
    plan = addresses.plan("a", "10.90", "10.91", "alpha:1", "2")
    places = {name: (node.address, node.bmc) for name, node in plan.hypervisors.items()}
    assert places == {"kvm1": ("10.90.8.11", "10.91.8.111"), "kvm2": ("10.90.8.12", "10.91.8.112")}
    assert list(plan.nodes) == ["alpha1"] and list(plan.machines) == ["alpha1", "kvm1", "kvm2"] and list(plan.vips) == ["alpha"]
    assert addresses.hosts_file(plan).splitlines()[-3:] == ["10.90.1.11 alpha1", "10.90.8.11 kvm1", "10.90.8.12 kvm2"]


@pytest.mark.parametrize("number", ["-1", "10", "two"])
def test_plan_strange_number_of_hypervisors_is_refused(number):
    with pytest.raises(ValueError, match="LAB_HYPERVISORS"):
        addresses.plan("a", "10.90", "10.91", hypervisors=number)


@pytest.mark.parametrize("shape, word", [("alpha", "use zone:front-ends"), ("alpha:0", "use zone:front-ends"), ("omega:2", "no zone omega")])
def test_plan_strange_shape_is_refused(shape, word):
    with pytest.raises(ValueError, match=word):
        addresses.plan("a", "10.90", "10.91", shape)
