# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout of the federation's replication: what each derives, which inventories it refuses, what it warns of."""
import importlib.util
import pathlib

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import layouts, topology
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import Problems

_spec = importlib.util.spec_from_file_location("topology_inventory", pathlib.Path(__file__).with_name("test_topology.py"))
base = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(base)


def guide(**more):
    """Return the inventory of test_topology with layout guide and without the address that it has no use for."""
    found = base.changed("alpha1 alpha2", zone_federation_vip=None)
    for variables in found.values():
        variables["opennebula_replication_layout"] = "guide"
        variables.update(more)
    return found


def test_guide_has_a_channel_from_each_front_end_of_the_master_zone():
    found = topology.derive(guide())
    assert found.layout == "guide"
    for node in ("beta1", "beta2"):
        assert [(one["name"], one["host"], len(one["do_tables"])) for one in found.nodes[node].federation_sources] == [
            ("zone0-master1", "10.90.1.11", 8), ("zone0-master2", "10.90.1.12", 8)]
    assert found.nodes["alpha1"].federation_sources == () and found.nodes["beta1"].pair_sources[0]["name"] == "zone100-slave"


def test_guide_has_a_domain_for_each_server_and_passes_nothing_on():
    found = topology.derive(guide())
    assert {name: node.gtid_domain_id for name, node in found.nodes.items()} == {name: node.server_id for name, node in found.nodes.items()}
    assert len({node.gtid_domain_id for node in found.nodes.values()}) == 4
    assert {(node.log_slave_updates, node.gtid_ignore_duplicates) for node in found.nodes.values()} == {(False, False)}
    assert found.zones["alpha"].gtid_domains == (1, 2)
    assert {name for name, node in found.nodes.items() if node.semi_sync} == {"alpha1", "alpha2"}, "a slave zone's would count for the standby's"


def test_standby_has_a_domain_for_each_zone_and_passes_everything_on():
    found = topology.derive(base.inventory())
    assert found.layout == "standby" and found.zones["alpha"].gtid_domains == (0,) and found.zones["beta"].gtid_domains == (100,)
    assert {name: (node.log_slave_updates, node.gtid_ignore_duplicates) for name, node in found.nodes.items()} == {
        "alpha1": (True, False), "alpha2": (True, False), "beta1": (True, True), "beta2": (True, True)}


def test_what_must_hold_on_a_server_is_derived_with_its_layout():
    always = {"rpl_semi_sync_master_wait_point": "AFTER_SYNC", "sync_binlog": 1, "innodb_flush_log_at_trx_commit": 1}
    assert topology.derive(base.inventory()).nodes["beta2"].settings == dict(
        always, server_id=10002, gtid_domain_id=100, log_slave_updates=True, gtid_ignore_duplicates=True, rpl_semi_sync_slave_enabled=True)
    assert topology.derive(guide()).nodes["beta2"].settings == dict(
        always, server_id=10002, gtid_domain_id=10002, log_slave_updates=False, gtid_ignore_duplicates=False, rpl_semi_sync_slave_enabled=False)


def test_guide_leaves_a_zone_outside_of_the_federation_as_it_is():
    hosts = guide()
    for name, address in (("gamma1", "10.90.4.11"), ("gamma2", "10.90.4.12")):
        hosts[name] = dict(hosts["beta1"], zone_name="gamma", zone_mode="standalone", zone_vip="10.90.4.100/16", ansible_host=address,
                           fence=dict(base.FENCE, ip=address))
    found = topology.derive(hosts)
    assert {found.nodes[name].gtid_domain_id for name in ("gamma1", "gamma2")} == {found.zones["gamma"].id}
    assert found.nodes["gamma1"].log_slave_updates and not found.nodes["gamma1"].federation_sources


def test_guide_warns_of_what_it_can_lose_and_of_an_address_without_use():
    (warning,) = topology.derive(guide()).warnings
    assert warning == layouts.GUIDE_LOSES and "can lose" in warning
    with_address = guide()
    for node in ("alpha1", "alpha2"):
        with_address[node]["zone_federation_vip"] = "10.90.1.101/16"
    assert "zone_federation_vip has no use" in topology.derive(with_address).warnings[1]
    assert topology.derive(base.inventory()).warnings == ()


def three(layout):
    hosts = guide() if layout == "guide" else base.inventory()
    hosts["alpha3"] = dict(hosts["alpha1"], ansible_host="10.90.1.13", fence=dict(base.FENCE, ip="10.91.1.113"))
    return hosts


REFUSED = {
    "unknown": (guide(opennebula_replication_layout="master-master"), "is 'master-master'; use one of: standby, guide"),
    "not the same everywhere": ({**guide(), "beta2": dict(guide()["beta2"], opennebula_replication_layout="standby")},
                                "is 'guide on some front-ends, on others standby'"),
    "no master zone": ({name: dict(variables, zone_mode="standalone") for name, variables in guide().items() if name.startswith("beta")},
                       "there is no master zone"),
    "more than two": (three("guide"), "zone alpha has 3 front-ends (alpha1, alpha2, alpha3), and layout guide contradicts itself"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_combinations_are_refused_with_a_reason(case):
    hosts, words = REFUSED[case]
    with pytest.raises(Problems) as refused:
        topology.derive(hosts)
    assert words in str(refused.value)


def test_more_than_two_are_the_guides_problem_only():
    assert layouts.problems("standby", {"alpha": ("master", ["alpha1", "alpha2", "alpha3"])}) == []
