# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory → topology: what is derived, and every mistake refused by name, all in one message."""
import copy
import json

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core import topology
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import Problems

SECRETS = {name: f"CANARY-{name}" for name in topology.SECRETS}


def host(zone, address, bmc, **more):
    shared = {
        "alpha": {"zone_name": "alpha", "zone_mode": "master", "zone_vip": "10.90.1.100/16", "zone_federation_vip": "10.90.1.101/16"},
        "beta": {"zone_name": "beta", "zone_mode": "slave", "zone_vip": "10.90.2.100/16"},
    }[zone]
    fence = {"agent": "fence_ilo_ssh", "ip": bmc, "username": "fence", "password": "CANARY-fence"}
    return dict(shared, ansible_host=address, fence=fence, **SECRETS, **more)


def inventory():
    return {
        "alpha1": host("alpha", "10.90.1.11", "10.91.1.111"), "alpha2": host("alpha", "10.90.1.12", "10.91.1.112"),
        "beta1": host("beta", "10.90.2.11", "10.91.2.111"), "beta2": host("beta", "10.90.2.12", "10.91.2.112"),
        "kvm1": {"ansible_host": "10.90.3.1"},
    }


def changed(hosts, **variables):
    found = inventory()
    for name in hosts.split():
        for key, value in variables.items():
            if value is None:
                found[name].pop(key, None)
            else:
                found[name][key] = copy.deepcopy(value)
    return found


def test_derive_two_zones_returns_names_ids_and_sources():
    found = topology.derive(inventory())
    assert [(zone.name, zone.id, zone.endpoint, zone.seed) for zone in found.zones.values()] == [
        ("alpha", 0, "http://10.90.1.100:2633/RPC2", "alpha1"), ("beta", 100, "http://10.90.2.100:2633/RPC2", "beta1")]
    assert {name: node.server_id for name, node in found.nodes.items()} == {"alpha1": 1, "alpha2": 2, "beta1": 10001, "beta2": 10002}
    assert {name: node.gtid_domain_id for name, node in found.nodes.items()} == {"alpha1": 0, "alpha2": 0, "beta1": 100, "beta2": 100}
    assert found.nodes["alpha1"].pair_sources == ({"name": "zone0-slave", "host": "10.90.1.12", "port": 3306},)
    assert found.nodes["alpha2"].pair_sources == ({"name": "zone0-master", "host": "10.90.1.11", "port": 3306},)
    assert found.nodes["alpha1"].federation_sources == ()
    (channel,) = found.nodes["beta2"].federation_sources
    assert (channel["name"], channel["host"], len(channel["do_tables"])) == ("zone0", "10.90.1.101", 8)
    assert found.nodes["alpha2"].replication_clients == ("10.90.1.11", "10.90.2.11", "10.90.2.12")
    assert found.nodes["beta2"].replication_clients == ("10.90.2.11",)


def test_derive_holds_no_secret():
    assert "CANARY" not in json.dumps(topology.derive(inventory()).as_dict())


def test_derive_without_federation_address_falls_back_and_warns():
    found = topology.derive(changed("alpha1 alpha2", zone_federation_vip=None))
    assert found.nodes["beta1"].federation_sources[0]["host"] == "10.90.1.100"
    assert "zone_federation_vip" in found.warnings[0]


def test_derive_keeps_server_ids_when_a_zone_is_added_behind():
    more = inventory()
    for name, address in (("gamma1", "10.90.4.11"), ("gamma2", "10.90.4.12")):
        more[name] = dict(host("beta", address, "10.91.4." + address[-2:]), zone_name="gamma", zone_vip="10.90.4.100/16")
    before, after = topology.derive(inventory()), topology.derive(more)
    assert {name: after.nodes[name].server_id for name in before.nodes} == {name: node.server_id for name, node in before.nodes.items()}
    assert after.zones["gamma"].id == 101


def test_derive_laboratory_may_lack_fencing_and_says_so():
    found = topology.derive(changed("beta1 beta2", fence=None, zone_laboratory=True))
    assert found.nodes["beta1"].fence is None and "laboratory" in found.warnings[0]


def test_derive_guides_quorum_policy_is_possible_and_warned_about():
    found = topology.derive(changed("alpha1 alpha2", cluster_properties={"no-quorum-policy": "ignore", "dc-deadtime": "9s"}))
    assert found.warnings == ("zone alpha: cluster_properties has no-quorum-policy: ignore: a front-end that starts while it does not see "
                              "its peer fences that, however healthy it is. Without the line it is stop, and waits",)
    assert topology.derive(changed("alpha1 alpha2", cluster_properties={"no-quorum-policy": "stop"})).warnings == ()


def fenced(delays, actions=(None, None), **more):
    """The front-ends of alpha with these values of the guide."""
    own = {name: {option: value for option, value in (("delay_s", delay), ("action", action)) if value is not None}
           for name, delay, action in zip(("alpha1", "alpha2"), delays, actions)}
    return {name: dict(host, fence=dict(host["fence"], **own[name]), **more) if name in own else host for name, host in inventory().items()}


REBOOTS = ("zone alpha: fencing reboots {}: nobody takes over before the machine has power again. Without action and pcmk_reboot_action it is switched off, "
           "which is sooner done, and rejoin.yml lets it back in")
DELAYED = ("zone alpha: fencing of {} is delayed in any case (delay_s, delay, pcmk_delay_base): so much later its crash is answered, and in a partition the "
           "delay may level out what favours whoever runs OpenNebula. Without it priority-fencing-delay favours that one")


@pytest.mark.parametrize("hosts, warnings", [
    (fenced((30, 15), ("reboot", "reboot")), (REBOOTS.format("alpha1 and alpha2"), DELAYED.format("alpha1 by 30 s and alpha2 by 15 s"))),
    (fenced((2, None)), (DELAYED.format("alpha1 by 2 s"),)),
    (fenced((5, None), cluster_properties={"priority-fencing-delay": "10s"}), (DELAYED.format("alpha1 by 5 s"),)),
    (fenced((5, None), cluster_properties={"priority-fencing-delay": "0s"}), ()),
    (fenced((30, 15), ("reboot", None), cluster_properties={"priority-fencing-delay": 0}), (REBOOTS.format("alpha1"),)),
    (fenced((None, None), cluster_fence_options={"pcmk_reboot_action": "reboot"}), (REBOOTS.format("alpha1 and alpha2"),)),
    (fenced((None, None), ("off", "reboot"), cluster_fence_options={"pcmk_reboot_action": "reboot"}), (REBOOTS.format("alpha2"),)),
    (fenced((None, None), cluster_fence_options={"pcmk_delay_max": "9s"}), ()),
    (fenced((None, 0), ("off", None)), ())])
def test_derive_guides_fencing_is_possible_and_warned_about(hosts, warnings):
    assert topology.derive(hosts).warnings == warnings


@pytest.mark.parametrize("hosts", [
    changed("beta1 beta2", cluster_properties={"stonith-enabled": False}, zone_laboratory=True),
    changed("beta1 beta2", cluster_properties={"stonith-enabled": "yes", "priority-fencing-delay": "9s"}),
    changed("beta1 beta2", cluster_properties={"priority-fencing-delay": 0}) | {
        "beta1": dict(inventory()["beta1"], cluster_properties={"priority-fencing-delay": 0}, fence={"agent": "fence_x", "ip": "x", "delay_s": "5"})},
    changed("beta1 beta2", cluster_properties={"priority-fencing-delay": 0}, cluster_fence_options={"pcmk_delay_max": "9s"}),
    changed("beta1 beta2", cluster_properties=None, cluster_fence_options={}),
])
def test_derive_cluster_settings_that_leave_a_partition_an_end_are_no_problem(hosts):
    assert topology.derive(hosts).zones["beta"].mode == "slave"


def test_derive_with_a_third_vote_nobody_needs_to_wait():
    hosts = with_device()
    for name in ("alpha1", "alpha2"):
        hosts[name]["cluster_properties"] = {"priority-fencing-delay": 0}
    assert topology.derive(hosts).warnings == ()


def test_derive_empty_third_vote_says_nothing():
    assert topology.derive(changed("alpha1 alpha2", zone_quorum_device={})).zones["alpha"].quorum_device is None


def test_derive_static_delay_with_a_third_vote_only_costs():
    hosts = with_device()
    hosts["alpha2"]["fence"] = dict(hosts["alpha2"]["fence"], delay="4")
    (warning,) = topology.derive(hosts).warnings
    assert "alpha2 by 4 s" in warning and warning.endswith("Without it the majority fences at once")


def with_device(**more):
    found = changed("alpha1 alpha2", zone_quorum_device=dict({"host": "arbiter"}, **more))
    return dict(found, arbiter={"ansible_host": "10.90.9.11", "opennebula_hacluster_password": "CANARY-hacluster"})


def test_derive_quorum_device_is_reached_by_address_and_its_host_is_named():
    found = topology.derive(with_device(algorithm="lms", timeout_ms=5000)).as_dict()
    assert found["zones"]["alpha"]["quorum_device"] == {
        "prefer": "/usr/bin/systemctl is-active --quiet opennebula.service", "state": "present", "host": "10.90.9.11", "algorithm": "lms", "timeout_ms": 5000}
    assert found["zones"]["alpha"]["quorum_host"] == "arbiter" and found["zones"]["beta"]["quorum_device"] is None
    assert found["quorum_hosts"] == ["arbiter"] and "arbiter" not in found["nodes"]
    gone = topology.derive(changed("alpha1 alpha2", zone_quorum_device="absent")).as_dict()
    assert gone["zones"]["alpha"]["quorum_device"] == {"state": "absent"} and gone["quorum_hosts"] == []


def test_derive_quorum_device_may_be_a_front_end_of_another_zone():
    assert topology.derive(changed("alpha1 alpha2", zone_quorum_device={"host": "beta1"})).zones["alpha"].quorum_device["host"] == "10.90.2.11"


def test_derive_links_are_the_nodes_addresses_in_order():
    found = topology.derive(changed("alpha1", node_links=["10.99.1.11"]) | {"alpha2": dict(inventory()["alpha2"], node_links="10.99.1.12")})
    assert found.zones["alpha"].links == {"alpha1": ["10.90.1.11", "10.99.1.11"], "alpha2": ["10.90.1.12", "10.99.1.12"]}
    assert found.zones["beta"].links == {"beta1": ["10.90.2.11"], "beta2": ["10.90.2.12"]}


FENCE = inventory()["alpha1"]["fence"]
REFUSED = {
    "no zone": ({"kvm1": {}}, "no zone"),
    "no master": (changed("alpha1 alpha2", zone_mode="slave", zone_federation_vip=None), "no master zone"),
    "two masters": (changed("beta1 beta2", zone_mode="master"), "two master zones: alpha, beta"),
    "unknown mode": (changed("beta1 beta2", zone_mode="salve"), "zone_mode is 'salve'; use one of: master, slave, standalone"),
    "mode differs in a zone": (changed("beta2", zone_mode="standalone"), "zone_mode differs between its nodes"),
    "equal server ids": (changed("beta1", server_id=1), "server_id 1 is given to alpha1 and beta1"),
    "server id no number": (changed("beta1", server_id="one"), "server_id is 'one'"),
    "server id out of range": (changed("beta1", server_id=0), "server_id 0"),
    "vip outside the network": (changed("beta1 beta2", zone_vip="192.0.2.100/24"), "outside the network of beta1 (10.90.2.11), beta2"),
    "federation vip outside": (changed("alpha1 alpha2", zone_federation_vip="192.0.2.1/24"), "zone_federation_vip 192.0.2.1/24 is outside"),
    "vip without prefix": (changed("beta1 beta2", zone_vip="10.90.2.100"), "zone_vip is '10.90.2.100'; give the address with its network's prefix"),
    "vip missing": (changed("beta1 beta2", zone_vip=None), "zone beta: zone_vip is None"),
    "vip is a node's address": (changed("beta1 beta2", zone_vip="10.90.2.11/16"), "address 10.90.2.11 is given to"),
    "vip twice": (changed("beta1 beta2", zone_vip="10.90.1.100/16"), "address 10.90.1.100 is given to zone alpha's zone_vip and zone beta's zone_vip"),
    "federation vip on a slave": (changed("beta1 beta2", zone_federation_vip="10.90.2.101/16"), "belongs to the master zone only"),
    "no fencing": (changed("alpha1", fence=None), "alpha1: no fencing"),
    "fence without agent": (changed("alpha1", fence={"ip": "10.91.1.111"}), "alpha1: fence must be a mapping with at least agent"),
    "equal fence delays": (changed("alpha1", fence=dict(FENCE, delay_s=5)) | {"alpha2": dict(inventory()["alpha2"], fence=dict(FENCE, ip="x", delay_s=5))},
                           "alpha1 and alpha2 have equal fence delays (delay_s: 5)"),
    "fence delay no number": (changed("alpha1", fence=dict(FENCE, delay_s="soon")), "alpha1: fence: delay_s is 'soon'; it must be a whole number"),
    "fencing switched off": (changed("alpha1 alpha2", cluster_properties={"stonith-enabled": False}),
                             "zone alpha: cluster_properties has stonith-enabled: False: without fencing a partition runs both front-ends"),
    "nobody waits": (changed("alpha1 alpha2", cluster_properties={"priority-fencing-delay": 0}),
                     "zone alpha: cluster_properties has priority-fencing-delay: 0: nobody waits before it fences"),
    "properties as a list": (changed("beta1", cluster_properties=["no-quorum-policy"]), "zone beta: cluster_properties of beta1 must be a mapping"),
    "fence options as a text": (changed("beta1 beta2", cluster_fence_options="password=CANARY"), "cluster_fence_options of beta2 must be a mapping"),
    "property that is a number": (changed("beta1", cluster_properties={1: 2}), "cluster_properties of beta1 must be a mapping of names to values"),
    "fence as a number": (changed("beta1", fence=5), "beta1: fence must be a mapping"),
    "fence of numbers": (changed("beta1", fence={1: 2}), "beta1: fence must be a mapping"),
    "agent as a number": (changed("beta1", fence=[{"agent": 5}]), "beta1: fence must be a mapping with at least agent"),
    "addresses as lists": (changed("beta1 beta2", fence={"agent": "fence_x", "ip": ["a"]}), "have the same fence device ['a']"),
    "both wait equally long": (fenced((None, 5)), "zone alpha: fencing of alpha2 by 5 s is delayed, as much as priority-fencing-delay adds"),
    "both wait equally long as told": (fenced((30, 15), cluster_properties={"priority-fencing-delay": "15s"}),
                                       "both may wait equally long and kill each other"),
    "nobody waits longer": (changed("alpha1 alpha2", cluster_properties={"priority-fencing-delay": None}, cluster_fence_options={"pcmk_delay_base": "5s"}),
                            "priority-fencing-delay: None: nobody waits"),
    "fence list without agent": (changed("alpha1", fence=[FENCE, "fence_apc"]), "alpha1: fence must be a mapping with at least agent"),
    "too many fence devices": (changed("alpha1", fence=[FENCE] * 4), "alpha1: fence has 4 devices; at most 3 are tried"),
    "same second fence device": (changed("alpha1", fence=[dict(FENCE, ip="q"), FENCE]) | {"alpha2": dict(inventory()["alpha2"], fence=[
        dict(FENCE, ip="p"), FENCE])}, "have the same fence device 10.91.1.111"),
    "same fence device": (changed("alpha2", fence=FENCE), "have the same fence device 10.91.1.111"),
    "address is a name": (changed("beta1", ansible_host="beta1.example.org"), "beta1: node_address is 'beta1.example.org'"),
    "same address": (changed("beta1", ansible_host="10.90.2.12"), "address 10.90.2.12 is given to beta1 and beta2"),
    "one node": ({name: value for name, value in inventory().items() if name != "beta2"}, "zone beta has 1 front-end (beta1)"),
    "missing secret": (changed("beta1", opennebula_db_password=None), "opennebula_db_password is not set for beta1"),
    "secret of two lines": (changed("alpha1 alpha2 beta1 beta2", opennebula_hacluster_password="CANARY\n"),
                            "opennebula_hacluster_password has a line break; no program"),
    "secret of two lines on one": (changed("beta1", opennebula_db_password="CANARY\nx"), "opennebula_db_password has a line break for beta1; no program"),
    "unknown zone variable": (changed("beta1", zone_vpi="x"), "unknown variable zone_vpi (beta1); did you mean zone_vip?"),
    "unknown role variable": (changed("beta1", database_sokcet="x"), "unknown variable database_sokcet (beta1); did you mean database_socket?"),
    "slave id too low": (changed("beta1 beta2", zone_id=7), "zone_id 7: oned gives slave zones ids from 100"),
    "master id not zero": (changed("alpha1 alpha2", zone_id=3), "the master zone is zone 0"),
    "release with its own federation": (changed("alpha1 alpha2 beta1 beta2", opennebula_release="5.4"), "would corrupt the slave zones"),
    "third vote without a host": (changed("alpha1 alpha2", zone_quorum_device={"algorithm": "lms"}),
                                  "zone_quorum_device must be a mapping with at least host"),
    "third vote of a member": (changed("alpha1 alpha2", zone_quorum_device={"host": "alpha2"}), "host alpha2 is a front-end of the zone itself"),
    "third vote of a stranger": (changed("alpha1 alpha2", zone_quorum_device={"host": "nobody"}), "host nobody is not in the inventory"),
    "third vote by a name": (with_device() | {"arbiter": {"opennebula_hacluster_password": "x"}}, "arbiter: node_address is 'arbiter'"),
    "third vote without a password": (with_device() | {"arbiter": {"ansible_host": "10.90.9.11"}}, "opennebula_hacluster_password is not set for arbiter"),
    "third vote for three": ({**with_device(), "alpha3": dict(with_device()["alpha1"], ansible_host="10.90.1.13", fence={"agent": "a", "ip": "10.91.1.113"})},
                             "zone_quorum_device: the zone has 3 front-ends; the third vote is for a zone of two"),
    "third vote misspelt": (with_device(algoritm="lms"), "zone_quorum_device has no option algoritm; did you mean algorithm?"),
    "third vote by dice": (with_device(algorithm="dice"), "algorithm is 'dice'; use one of: ffsplit, lms"),
    "third vote differs": (changed("alpha1", zone_quorum_device="absent"), "zone_quorum_device differs between its nodes"),
    "links differ": (changed("beta1", node_links=["10.99.2.11"]), "node_links differs in length between its nodes (beta1: 1, beta2: 0)"),
    "link by a name": (changed("beta1 beta2", node_links=["storage"]), "beta1: node_links has 'storage'"),
    "services without oned": (changed("beta1 beta2", zone_services=["opennebula-sunstone"]), "must be a list that contains opennebula"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_derive_bad_inventory_is_refused_by_name(case):
    hosts, words = REFUSED[case]
    with pytest.raises(Problems) as refused:
        topology.derive(hosts, {"database_socket"}, ["database_"])
    assert words in str(refused.value)
    assert "CANARY" not in str(refused.value)


def test_derive_reports_all_problems_at_once():
    hosts = changed("alpha1", fence=None, server_id=2)
    hosts["beta1"]["zone_vpi"] = "x"
    with pytest.raises(Problems) as refused:
        topology.derive(hosts)
    assert len(refused.value.problems) == 3


def ring(count=3):
    found = {f"alpha{number}": host("alpha", f"10.90.1.1{number}", f"10.91.1.11{number}") for number in range(1, count + 1)}
    return dict(found, **{name: variables for name, variables in inventory().items() if not name.startswith("alpha")})


def test_derive_ring_pulls_from_the_one_before_and_knows_the_others():
    found = topology.derive(ring())
    assert {name: node.pair_sources for name, node in found.nodes.items() if node.zone == "alpha"} == {
        "alpha1": ({"name": "zone0-slave", "host": "10.90.1.13", "port": 3306, "other_hosts": ["10.90.1.12"]},),
        "alpha2": ({"name": "zone0-master", "host": "10.90.1.11", "port": 3306, "other_hosts": ["10.90.1.13"]},),
        "alpha3": ({"name": "zone0-master", "host": "10.90.1.12", "port": 3306, "other_hosts": ["10.90.1.11"]},)}
    assert found.nodes["alpha3"].replication_clients == ("10.90.1.11", "10.90.1.12", "10.90.2.11", "10.90.2.12")
    assert found.nodes["beta1"].pair_sources == ({"name": "zone100-slave", "host": "10.90.2.12", "port": 3306},)


def test_derive_keeps_ids_and_names_when_a_pair_becomes_a_ring():
    before, after = topology.derive(inventory()), topology.derive(ring())
    for name, node in before.nodes.items():
        kept = after.nodes[name]
        assert (kept.server_id, kept.gtid_domain_id, [one["name"] for one in kept.pair_sources]) == (
            node.server_id, node.gtid_domain_id, [one["name"] for one in node.pair_sources])


def test_derive_ring_may_have_equal_fence_delays_but_no_shared_device():
    hosts = ring()
    for number in (1, 2, 3):
        hosts[f"alpha{number}"]["fence"]["delay_s"] = 5
    topology.derive(hosts)
    hosts["alpha3"]["fence"]["ip"] = hosts["alpha1"]["fence"]["ip"]
    with pytest.raises(Problems, match="alpha1 and alpha3 have the same fence device"):
        topology.derive(hosts)


# --- TLS of the databases ---

@pytest.mark.parametrize("variables, mode, used", [
    ({}, "off", False), ({"database_tls": False}, "off", False), ({"database_tls": "off"}, "off", False), ({"database_tls": "made"}, "made", True),
    ({"database_tls": "made", "database_tls_required": False}, "made", False),
    ({"database_tls": "given", "database_tls_ca": "CANARY-a", "database_tls_certificate": "CANARY-b", "database_tls_key": "CANARY-c"}, "given", True)])
def test_tls_is_one_answer_for_all(variables, mode, used):
    found = topology.derive(changed("alpha1 alpha2 beta1 beta2", **variables))
    assert (found.tls["mode"], found.tls["used"]) == (mode, used)
    assert found.tls["ca"] == ("/etc/constellation/tls/ca.pem" if used else "")
    assert "CANARY" not in json.dumps(found.as_dict())


def test_certificate_names_every_address_that_the_front_end_may_have():
    found = topology.derive(inventory())
    assert found.nodes["alpha2"].certificate_names == ("alpha2", "10.90.1.12", "10.90.1.100", "10.90.1.101")
    assert found.nodes["beta1"].certificate_names == ("beta1", "10.90.2.11", "10.90.2.100")
    asked = {source["host"] for node in found.nodes.values() for source in node.pair_sources + node.federation_sources}
    assert asked <= {name for node in found.nodes.values() for name in node.certificate_names}


@pytest.mark.parametrize("hosts, variables, says", [
    ("alpha1", {"database_tls": "made"}, "database_tls differs between front-ends (alpha1: made, alpha2: off"),
    ("alpha1 alpha2 beta1 beta2", {"database_tls": "on"}, "database_tls is 'on'; use one of: off, given, made"),
    ("alpha1 alpha2 beta1 beta2", {"database_tls": "given", "database_tls_ca": "x", "database_tls_certificate": "x"},
     "database_tls is given, and database_tls_key is not set for alpha1, alpha2, beta1, beta2"),
    ("beta1 beta2", {"database_tls_required": False}, "database_tls_required differs between front-ends")])
def test_tls_mistakes_are_refused(hosts, variables, says):
    with pytest.raises(Problems) as refused:
        topology.derive(changed(hosts, **variables))
    assert says in str(refused.value)
