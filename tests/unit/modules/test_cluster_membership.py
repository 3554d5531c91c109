# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cluster_membership: from nothing, from every half-way point, and never more than is asked."""
from __future__ import annotations

import json
import pathlib
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ansible_collections.constellation.opennebula.plugins.module_utils.core import cib
from ansible_collections.constellation.opennebula.plugins.module_utils.core.cluster_members import parse_corosync_conf
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, Problems
from ansible_collections.constellation.opennebula.plugins.modules import cluster_membership

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cluster_fakes import COROSYNC, Clock, Cluster  # noqa: E402

CANARY = "CANARY-hacluster"
CONF = parse_corosync_conf(COROSYNC)
NODES = {"alpha1": "10.86.1.11", "alpha2": ["10.86.1.12"]}
NOTHING = {"corosync": None, "running": False, "quorate": False}
STOPPED = dict(NOTHING, corosync=CONF)
RUNNING = {"corosync": CONF, "running": True, "quorate": True}


def params(nodes=None, remove_nodes=(), corosync=None, quorum_device=None, remove_links=(), **states):
    return {"name": "one-alpha", "nodes": nodes or NODES, "password": CANARY, "states": states, "first_properties": {"dc-deadtime": "1s"}, "wait_timeout_s": 10,
            "remove_nodes": list(remove_nodes), "remove_links": list(remove_links), "corosync": corosync or {}, "quorum_device": quorum_device}


def states_of(cluster, *nodes):
    """What cluster_host finds on the nodes."""
    conf = parse_corosync_conf(cluster.conf)
    return {node: {"corosync": conf if node in conf["nodes"] else None, "running": node in cluster.online, "quorate": node in cluster.online} for node in nodes}


def ensure(wanted, cluster, check_mode=False):
    return cluster_membership.ensure(wanted, cluster, check_mode, Clock())


def bare():
    return Cluster(online=(), members=None, known=())


def test_from_nothing_prediction_is_what_happens_and_the_second_run_is_silent():
    cluster = bare()
    wanted = params(alpha1=NOTHING, alpha2=NOTHING)
    predicted = ensure(wanted, cluster, check_mode=True)
    assert cluster.writes == []
    done = ensure(wanted, cluster)
    assert cluster.writes == ["authenticate", "setup one-alpha", "start alpha1 alpha2"]
    assert done.plan.as_list() == predicted.plan.as_list()
    assert [(change.kind, change.target) for change in done.plan] == [
        ("host authentication", "one-alpha"), ("cluster", "one-alpha"), ("node", "alpha1"), ("node", "alpha2")]
    assert not ensure(params(alpha1=RUNNING, alpha2=RUNNING), cluster).changed
    assert CANARY not in json.dumps([predicted.as_result(), done.as_result()]) and cluster_membership.SPEC["password"]["no_log"]


@pytest.mark.parametrize("known", [("alpha1", "alpha2"), ("alpha1",)], ids=["old token", "no token"])
def test_member_that_was_installed_anew_is_authenticated_before_it_gets_the_file(known):
    cluster = Cluster(online=("alpha1",), known=known)
    wanted = params(alpha1=RUNNING, alpha2=dict(NOTHING, key=True))
    predicted = ensure(wanted, cluster, check_mode=True)
    done = ensure(wanted, cluster)
    assert done.plan.as_list() == predicted.plan.as_list() and cluster.writes == ["authenticate", "distribute", "reload"] and "alpha2" in cluster.told
    assert any("joins through the rejoin playbook" in warning for warning in done.plan.warnings)
    assert not ensure(params(alpha1=RUNNING, alpha2=STOPPED), cluster).changed


@pytest.mark.parametrize("options, refused", [
    ({}, True), ({"totem.crypto_cipher": "none"}, False), ({"totem.keyfile": "/etc/corosync/other"}, False),
])
def test_member_without_the_key_is_told_where_to_get_it(options, refused):
    conf = dict(CONF, options=dict(CONF["options"], **options))
    cluster = Cluster(online=("alpha1",))
    wanted = params(alpha1=dict(RUNNING, corosync=conf), alpha2=dict(NOTHING, key=False))
    if not refused:
        assert ensure(wanted, cluster, check_mode=True).changed
        return
    for mode in (True, False):
        with pytest.raises(CoreError, match="alpha2 cannot come back into cluster one-alpha: .*installed anew. Copy /etc/corosync/authkey from alpha1"):
            ensure(wanted, cluster, check_mode=mode)
    assert cluster.writes == []


def test_way_out_that_an_error_names_is_written_down():
    with pytest.raises(CoreError) as caught:
        ensure(params(alpha1=STOPPED), Cluster(online=()))
    heading = str(caught.value).split("README of role cluster, '")[1].split("'")[0]
    readme = pathlib.Path(__file__).parents[3] / "roles/cluster/README.md"
    assert f"\n## {heading}" in readme.read_text(encoding="utf-8")


def test_first_configuration_is_there_before_the_first_start_and_older_than_any_other():
    cluster = bare()
    ensure(params(alpha1=NOTHING, alpha2=NOTHING), cluster)
    root = cib.parse(cluster.seeded)
    assert cib.objects(root) == {("property", "dc-deadtime"): "1s"} and (root.get("admin_epoch"), root.get("epoch")) == ("0", "1")


@pytest.mark.parametrize("states, known, writes", [
    ({"alpha1": NOTHING, "alpha2": NOTHING}, ("alpha1", "alpha2"), ["setup one-alpha", "start alpha1 alpha2"]),
    ({"alpha1": STOPPED, "alpha2": NOTHING}, ("alpha1", "alpha2"), ["distribute", "start alpha1 alpha2"]),
    ({"alpha1": STOPPED, "alpha2": STOPPED}, ("alpha1", "alpha2"), ["start alpha1 alpha2"]),
    ({"alpha1": dict(RUNNING, quorate=False), "alpha2": STOPPED}, ("alpha1", "alpha2"), ["start alpha2"]),
    ({"alpha1": RUNNING, "alpha2": RUNNING}, (), ["authenticate"]),
], ids=["authenticated", "file on one node", "set up", "one started", "tokens lost"])
def test_interrupted_setup_is_completed(states, known, writes):
    running = [name for name, state in states.items() if state["running"]]
    cluster = Cluster(online=running, members=COROSYNC if states["alpha1"]["corosync"] else None, known=known)
    ensure(params(**states), cluster)
    assert cluster.writes == writes


def test_node_that_is_out_of_a_quorate_cluster_is_left_alone():
    cluster = Cluster(online=["alpha1"])
    outcome = ensure(params(alpha1=RUNNING, alpha2=STOPPED), cluster)
    assert not outcome.changed and cluster.writes == [] and "rejoin" in outcome.plan.warnings[0]
    assert not ensure(params(alpha1=RUNNING), cluster).changed


def test_pair_is_not_set_up_nor_started_without_its_peer():
    with pytest.raises(CoreError, match="cannot be set up.*alpha2 cannot be reached"):
        ensure(params(alpha1=NOTHING), bare())
    with pytest.raises(CoreError, match="cannot be started.*alpha2 cannot be reached"):
        ensure(params(alpha1=STOPPED), Cluster(online=()))


@pytest.mark.parametrize("old, new, message", [
    ("cluster_name: one-alpha", "cluster_name: theirs", "alpha1 belongs to cluster 'theirs', not 'one-alpha'"),
    ("10.86.1.12", "10.86.1.99", "corosync.conf has alpha2 = 10.86.1.99, the inventory 10.86.1.12"),
])
def test_another_cluster_is_refused_and_never_changed(old, new, message):
    cluster = Cluster(members=COROSYNC.replace(old, new))
    with pytest.raises(Problems, match=message):
        ensure(params(alpha1=dict(RUNNING, corosync=parse_corosync_conf(cluster.conf)), alpha2=NOTHING), cluster)
    assert cluster.writes == []


def test_nodes_that_run_and_do_not_see_each_other_are_no_success():
    cluster = Cluster(online=["alpha1"])
    apart = params(alpha1=dict(RUNNING, quorate=False), alpha2=dict(RUNNING, quorate=False))
    for check_mode in (True, False):
        with pytest.raises(CoreError, match="cluster one-alpha has no quorum: alpha1, alpha2 run, and do not see each other. Look at 'corosync-cfgtool -s'"):
            ensure(apart, cluster, check_mode)
    assert cluster.writes == []


def test_node_that_does_not_join_is_an_error_with_a_hint():
    cluster = bare()
    cluster.start = lambda nodes: cluster.online.append("alpha1")
    with pytest.raises(CoreError, match="alpha2 did not join the cluster: not online after 10 s"):
        ensure(params(alpha1=NOTHING, alpha2=NOTHING), cluster)


# --- a standing cluster: members, options, the third vote ----------------------------------------------------------------------------------

THREE = dict(NODES, alpha3=["10.86.1.13"])
DEVICE = {"state": "present", "host": "10.86.9.11", "algorithm": "ffsplit", "tie_breaker": None, "timeout_ms": None, "sync_timeout_ms": None,
          "prefer": None}


def run(cluster, *nodes, **wanted):
    """Predict, do, and look again; return what was done."""
    given = params(**wanted, **states_of(cluster, *(nodes or wanted.get("nodes") or NODES)))
    before = len(cluster.writes)
    predicted = ensure(given, cluster, check_mode=True)
    assert len(cluster.writes) == before
    done = ensure(given, cluster)
    assert done.plan.as_list() == predicted.plan.as_list()
    again = ensure(params(**wanted, **states_of(cluster, *(nodes or wanted.get("nodes") or NODES))), cluster)
    assert not again.changed, again.plan.as_list()
    return cluster.writes[before:], done


def test_third_node_is_added_and_started_and_two_node_goes():
    cluster = Cluster()
    writes, done = run(cluster, nodes=THREE)
    assert writes == ["authenticate", "add alpha3 10.86.1.13", "start alpha3"]
    assert [(change.kind, change.target) for change in done.plan] == [
        ("host authentication", "one-alpha"), ("member", "alpha3"), ("corosync option", "quorum.two_node"), ("node", "alpha3")]
    assert not parse_corosync_conf(cluster.conf)["two_node"]


def test_node_that_was_added_and_never_started_is_started_by_the_next_run():
    cluster = Cluster()
    started, cluster.unseen = cluster.start, {"alpha3"}

    def refuse(nodes):
        raise CoreError("the cluster cannot be started on alpha3")
    cluster.start = refuse
    with pytest.raises(CoreError, match="cannot be started on alpha3"):
        ensure(params(nodes=THREE, **states_of(cluster, *THREE)), cluster)
    cluster.start = started
    assert run(cluster, nodes=THREE)[0] == ["start alpha3"]
    cluster.online.remove("alpha3")
    cluster.unseen = set()
    assert run(cluster, nodes=THREE)[0] == []


def test_third_node_brings_wait_for_all_without_a_stop():
    cluster = Cluster()
    assert run(cluster, nodes=THREE, corosync={"quorum": {"wait_for_all": "1"}})[0] == [
        "authenticate", "add alpha3 10.86.1.13", "write", "distribute", "reload", "start alpha3"]
    assert run(cluster, remove_nodes=["alpha3"])[0] == ["remove alpha3"]
    assert parse_corosync_conf(cluster.conf)["two_node"] and parse_corosync_conf(cluster.conf)["wait_for_all"]


def test_member_goes_only_by_name_and_two_node_comes_back():
    cluster = Cluster()
    run(cluster, nodes=THREE)
    with pytest.raises(Problems, match=r"alpha3 = 10.86.1.13, the inventory nothing; remove_nodes: \[alpha3\]"):
        ensure(params(**states_of(cluster, "alpha1", "alpha2")), cluster)
    with pytest.raises(Problems, match="alpha2 is to be removed and is a node of the inventory"):
        ensure(params(remove_nodes=["alpha2", "alpha3"], **states_of(cluster, "alpha1", "alpha2")), cluster)
    writes, done = run(cluster, remove_nodes=["alpha3"])
    assert writes == ["remove alpha3"] and parse_corosync_conf(cluster.conf)["two_node"]
    assert done.plan.as_list()[0] == {"kind": "member", "target": "alpha3", "before": "10.86.1.13", "after": None}


def test_second_address_of_every_node_becomes_a_link_and_a_new_node_gets_both():
    cluster = Cluster()
    linked = {"alpha1": ["10.86.1.11", "10.87.1.11"], "alpha2": ["10.86.1.12", "10.87.1.12"]}
    assert run(cluster, nodes=linked)[0] == ["link 10.87.1.11 10.87.1.12"]
    assert run(cluster, nodes=dict(linked, alpha3=["10.86.1.13", "10.87.1.13"]))[0][1:] == ["add alpha3 10.86.1.13 10.87.1.13", "start alpha3"]
    with pytest.raises(Problems, match=r"alpha1, alpha2, alpha3: corosync.conf has alpha1 = 10.86.1.11, 10.87.1.11, the inventory 10.86.1.11; "
                                       r"remove_links: \[10.87.1.11\] \(cluster_remove_links\) takes that link out"):
        ensure(params(nodes=THREE, **states_of(cluster, *THREE)), cluster)


def test_link_goes_only_by_name_and_leaves_no_trap_for_the_next_one():
    cluster = Cluster()
    linked = {"alpha1": ["10.86.1.11", "10.87.1.11"], "alpha2": ["10.86.1.12", "10.87.1.12"]}
    run(cluster, nodes=linked)
    writes, done = run(cluster, remove_links=["10.87.1.12"])
    assert writes == ["unlink 1"] and parse_corosync_conf(cluster.conf)["nodes"] == {"alpha1": ["10.86.1.11"], "alpha2": ["10.86.1.12"]}
    assert done.plan.as_list() == [{"kind": "link", "target": "10.87.1.11, 10.87.1.12",
                                    "before": {"alpha1": "10.87.1.11", "alpha2": "10.87.1.12"}, "after": None}]
    run(cluster, nodes=linked)
    first_gone = {node: addresses[1:] for node, addresses in linked.items()}
    assert run(cluster, nodes=first_gone, remove_links=["10.86.1.11"])[0] == ["unlink 0"]
    back = {node: [addresses[1], addresses[0]] for node, addresses in linked.items()}       # pcs gives it number 0 again
    assert run(cluster, nodes=back)[0] == ["link 10.86.1.11 10.86.1.12"] and run(cluster, nodes=linked)[0] == []


def test_new_node_gets_its_addresses_in_the_order_in_which_the_members_have_them():
    cluster = Cluster()
    swapped = {"alpha1": ["10.87.1.11", "10.86.1.11"], "alpha2": ["10.87.1.12", "10.86.1.12"]}
    run(cluster, nodes=swapped)
    assert run(cluster, nodes=dict(swapped, alpha3=["10.87.1.13", "10.86.1.13"]))[0] == ["authenticate", "add alpha3 10.86.1.13 10.87.1.13", "start alpha3"]


def test_network_is_replaced_new_link_first():
    cluster = Cluster()
    moved = {"alpha1": ["10.99.1.11"], "alpha2": ["10.99.1.12"]}
    assert run(cluster, nodes=moved, remove_links=["10.86.1.11"])[0] == ["link 10.99.1.11 10.99.1.12", "unlink 0"]
    assert parse_corosync_conf(cluster.conf)["nodes"] == moved


def test_link_that_the_inventory_has_is_not_removed_and_crossed_addresses_are_refused():
    cluster = Cluster()
    with pytest.raises(Problems, match="the link of 10.86.1.12 is to be removed, and alpha2 has that address"):
        ensure(params(remove_links=["10.86.1.12"], **states_of(cluster, *NODES)), cluster)
    run(cluster, nodes={"alpha1": ["10.86.1.11", "10.87.1.11"], "alpha2": ["10.86.1.12", "10.87.1.12"]})
    crossed = {"alpha1": ["10.86.1.11", "10.87.1.11"], "alpha2": ["10.87.1.12", "10.86.1.12"]}
    with pytest.raises(Problems, match="alpha2 = 10.86.1.12, 10.87.1.12, the inventory 10.87.1.12, 10.86.1.12"):
        ensure(params(nodes=crossed, **states_of(cluster, *crossed)), cluster)


def test_member_that_is_down_is_removed_and_one_of_unknown_state_is_not():
    cluster = Cluster()
    run(cluster, nodes=THREE)
    cluster.online.remove("alpha3")
    cluster.unclean = {"alpha3"}
    with pytest.raises(CoreError, match="alpha3 cannot be removed: it is unclean"):
        ensure(params(remove_nodes=["alpha3"], **states_of(cluster, "alpha1", "alpha2")), cluster)
    cluster.unclean = set()
    assert run(cluster, remove_nodes=["alpha3"])[0] == ["remove alpha3 offline"]


def test_members_change_only_while_the_cluster_has_quorum_and_all_are_there():
    cluster = Cluster()
    with pytest.raises(CoreError, match="cluster one-alpha cannot be changed: alpha2 cannot be reached"):
        ensure(params(nodes=THREE, **states_of(cluster, "alpha1", "alpha3")), cluster)
    run(cluster, nodes=THREE)
    stopped = {node: dict(state, running=False, quorate=False) for node, state in states_of(cluster, "alpha1", "alpha2").items()}
    with pytest.raises(CoreError, match="alpha3 cannot be removed: the cluster does not run"):
        ensure(params(remove_nodes=["alpha3"], **stopped), cluster)


def test_node_with_files_of_an_earlier_membership_is_refused():
    cluster = Cluster()
    states = dict(states_of(cluster, "alpha1", "alpha2"), alpha3={"corosync": CONF, "running": False, "quorate": False})
    with pytest.raises(Problems, match="alpha3 has a corosync.conf of 'one-alpha', which does not have it as a member"):
        ensure(params(nodes=THREE, **states), cluster)


def test_option_is_changed_on_all_nodes_by_a_reload_and_by_nothing_else():
    cluster = Cluster()
    writes, done = run(cluster, corosync={"totem": {"token": 3000, "consensus": 3600}})
    assert writes == ["write", "distribute", "reload"] and cluster.running["totem.token"] == "3000"
    assert done.plan.diff()["after"] == "corosync option totem.token: 3000\ncorosync option totem.consensus: 3600\n"
    assert run(cluster, corosync={"totem": {"token": None}})[0] == ["write", "distribute", "reload"]
    assert "token" not in cluster.conf and "consensus: 3600" in cluster.conf


def test_file_that_differs_on_one_node_is_replaced_there_and_the_difference_is_named():
    cluster = Cluster()
    states = states_of(cluster, "alpha1", "alpha2")
    states["alpha2"]["corosync"] = parse_corosync_conf(COROSYNC.replace("version: 2", "version: 2\n    token: 9000"))
    done = ensure(params(**states), cluster)
    assert done.plan.as_list() == [{"kind": "corosync.conf", "target": "alpha2", "before": "totem.token is 9000", "after": "as on alpha1"}]
    assert cluster.writes == ["distribute", "reload"]


def test_option_that_is_in_the_file_and_not_in_force_is_reloaded():
    cluster = Cluster(members=COROSYNC.replace("version: 2", "version: 2\n    token: 3000"))
    cluster.running["totem.token"] = "1000"
    writes, done = run(cluster, corosync={"totem": {"token": 3000}})
    assert writes == ["reload"] and done.plan.as_list() == [{"kind": "running corosync", "target": "totem.token", "before": "1000", "after": "3000"}]


def test_option_that_needs_a_stop_is_refused_while_the_cluster_runs_and_done_when_it_does_not():
    cluster, crypto = Cluster(), {"totem": {"crypto_cipher": "aes128"}}
    with pytest.raises(Problems, match="totem.crypto_cipher is aes256, wanted aes128"):
        ensure(params(corosync=crypto, **states_of(cluster, "alpha1", "alpha2")), cluster)
    assert cluster.writes == []
    cluster.online = []
    assert run(cluster, corosync=crypto)[0] == ["write", "distribute", "start alpha1 alpha2"]
    cluster.running["totem.crypto_cipher"] = "aes256"
    outcome = ensure(params(corosync=crypto, **states_of(cluster, "alpha1", "alpha2")), cluster)
    assert not outcome.changed and "runs with totem.crypto_cipher aes256 in place of aes128 until one-alpha is stopped" in outcome.plan.warnings[0]


def test_pair_that_could_start_one_sided_is_mended():
    cluster = Cluster(members=COROSYNC.replace("two_node: 1", "two_node: 1\n    wait_for_all: 0"))
    assert run(cluster)[0] == ["write", "distribute", "reload"] and cluster.conf == COROSYNC
    cluster = Cluster(members=COROSYNC.replace("    two_node: 1\n", ""))
    assert run(cluster)[0] == ["write", "distribute", "reload"] and "two_node: 1" in cluster.conf


def test_options_that_corosync_does_not_take_reach_no_node():
    cluster = Cluster()
    cluster.bad_options = {"totem.token": "The token timeout parameter (5 ms) may not be less than (30 ms)."}
    for check_mode in (True, False):
        with pytest.raises(Problems, match="may not be less than"):
            ensure(params(corosync={"totem": {"token": 5}}, **states_of(cluster, "alpha1", "alpha2")), cluster, check_mode)
    assert cluster.writes == [] and cluster.conf == COROSYNC


@pytest.mark.parametrize("states", [
    {"alpha1": STOPPED, "alpha2": STOPPED}, {"alpha1": RUNNING, "alpha2": dict(RUNNING, corosync=dict(CONF, options={}))}], ids=["start", "distribute"])
def test_file_that_corosync_does_not_take_is_neither_started_nor_distributed(states):
    cluster = Cluster(online=[name for name, state in states.items() if state["running"]])
    cluster.bad_options = {"totem.crypto_hash": "crypto_hash: md4 is none"}
    for check_mode in (True, False):
        with pytest.raises(Problems, match="does not take the /etc/corosync/corosync.conf of alpha1: 1 problem\n  - crypto_hash: md4 is none\nNothing was"):
            ensure(params(**states), cluster, check_mode)
    assert cluster.writes == [] and cluster.conf == COROSYNC


def test_options_wait_until_every_node_can_be_reached():
    cluster = Cluster()
    outcome = ensure(params(corosync={"totem": {"token": 3000}}, **states_of(cluster, "alpha1")), cluster)
    assert not outcome.changed and cluster.writes == []
    assert "alpha2 cannot be reached: corosync.conf of one-alpha is left as it is" in outcome.plan.warnings[0] and "totem.token" in outcome.plan.warnings[0]


def test_unencrypted_cluster_is_told():
    cluster = Cluster(members=COROSYNC.replace("crypto_cipher: aes256", "crypto_cipher: none"))
    assert "not encrypted" in ensure(params(**states_of(cluster, "alpha1", "alpha2")), cluster).plan.warnings[0]


def test_quorum_device_is_added_changed_moved_and_removed_by_name():
    cluster = Cluster()
    writes, done = run(cluster, quorum_device=DEVICE)
    assert writes == ["authenticate", "device add host=10.86.9.11 algorithm=ffsplit"] and not parse_corosync_conf(cluster.conf)["two_node"]
    assert [change.as_dict()["target"] for change in done.plan] == ["one-alpha", "quorum.two_node", "one-alpha"]
    assert run(cluster, quorum_device=dict(DEVICE, algorithm="lms", timeout_ms=5000))[0] == ["device update timeout=5000 algorithm=lms"]
    active = dict(DEVICE, algorithm="lms", timeout_ms=5000, prefer="/usr/bin/systemctl is-active --quiet opennebula")
    assert run(cluster, quorum_device=active)[0] == ["device update mode=sync exec_prefer=/usr/bin/systemctl is-active --quiet opennebula"]
    assert run(cluster, quorum_device=dict(DEVICE, host="10.86.9.12"))[0] == [
        "authenticate", "device remove", "device add host=10.86.9.12 algorithm=ffsplit"]
    outcome = ensure(params(**states_of(cluster, "alpha1", "alpha2")), cluster)
    assert not outcome.changed and "quorum device at 10.86.9.12 that is not declared" in outcome.plan.warnings[0]
    assert run(cluster, quorum_device={"state": "absent"})[0] == ["device remove"] and parse_corosync_conf(cluster.conf)["two_node"]
    assert run(cluster, quorum_device={"state": "absent"})[0] == []


def test_option_of_the_device_that_is_not_declared_any_more_goes_back_to_its_default():
    cluster = Cluster()
    run(cluster, quorum_device=dict(DEVICE, tie_breaker="highest", timeout_ms=5000, sync_timeout_ms=20000, prefer="/bin/true"))
    cluster.change_device("update", ["votes=1"], ["tls=on"], ["exec_theirs=/bin/false"])
    writes, done = run(cluster, quorum_device=dict(DEVICE, sync_timeout_ms=20000))
    assert writes == ["device update timeout= tie_breaker= exec_prefer="]
    (change,) = done.plan.as_list()
    assert change["before"] == {"tie_breaker": "highest", "timeout_ms": "5000", "prefer": "/bin/true"} and set(change["after"].values()) == {None}
    options = parse_corosync_conf(cluster.conf)["options"]
    assert {name: value for name, value in options.items() if name.startswith("quorum.device.")} == {
        "quorum.device.model": "net", "quorum.device.net.host": "10.86.9.11", "quorum.device.net.algorithm": "ffsplit", "quorum.device.sync_timeout": "20000",
        "quorum.device.votes": "1", "quorum.device.net.tls": "on", "quorum.device.heuristics.mode": "sync",
        "quorum.device.heuristics.exec_theirs": "/bin/false"}, "what others have set stays"


def test_default_of_the_device_that_is_spelled_out_is_no_difference():
    cluster = Cluster()
    run(cluster, quorum_device=DEVICE)
    spelled_out = dict(DEVICE, tie_breaker="lowest", timeout_ms=10000, sync_timeout_ms=30000)
    assert run(cluster, quorum_device=spelled_out)[0] == []
    cluster.change_device("update", ["timeout=10000", "sync_timeout=30000"], ["tie_breaker=lowest"])
    assert run(cluster, quorum_device=DEVICE)[0] == [] and run(cluster, quorum_device=spelled_out)[0] == []


def test_device_goes_before_a_third_node_comes():
    cluster = Cluster()
    run(cluster, quorum_device=DEVICE)
    assert run(cluster, nodes=THREE, quorum_device={"state": "absent"})[0] == ["authenticate", "device remove", "add alpha3 10.86.1.13", "start alpha3"]


def test_cluster_is_set_up_with_its_options_and_its_third_vote_before_it_starts():
    cluster = bare()
    wanted = dict(corosync={"totem": {"token": 3000}}, quorum_device=DEVICE)
    done = ensure(params(alpha1=NOTHING, alpha2=NOTHING, **wanted), cluster)
    assert cluster.writes == ["authenticate", "setup one-alpha", "write", "distribute", "device add host=10.86.9.11 algorithm=ffsplit", "start alpha1 alpha2"]
    assert [change.kind for change in done.plan] == ["host authentication", "cluster", "corosync option", "quorum device", "node", "node"]
    assert not ensure(params(**wanted, **states_of(cluster, "alpha1", "alpha2")), cluster).changed


def test_device_that_gives_no_vote_is_an_error_whatever_pcs_says():
    cluster = Cluster()
    cluster.vote = 0
    with pytest.raises(CoreError, match="the quorum device gives no vote: not connected after 10 s"):
        ensure(params(quorum_device=DEVICE, **states_of(cluster, "alpha1", "alpha2")), cluster)


@pytest.mark.parametrize("options, message", [
    ({"totem": {"tokn": 1}}, "did you mean 'totem.token'"), ({"quorum": {"two_node": 0}}, "'quorum.two_node' is not set here; the number of nodes"),
    ({"quorum": {"device": {"model": "net"}}}, "quorum_device says it"), ({"token": 3}, "'token' is no section"),
    ({"totem": {"token": 3000, "consensus": 3000}}, "at least 1.2 times"), ({"totem": {"token": "1\n}"}}, "cannot hold"),
])
def test_options_that_cannot_be_meant_are_refused_before_anything_is_read(options, message):
    with pytest.raises(Problems, match=message):
        ensure(params(corosync=options), None)


STEP = st.fixed_dictionaries({"three": st.booleans(), "device": st.sampled_from([None, "add", "lms", "slow", "absent"]),
                              "token": st.sampled_from([None, 1000, 3000]), "merge": st.sampled_from([None, 200])})


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, min_size=1, max_size=4))
def test_any_way_through_members_options_and_votes_ends_as_declared(steps):
    cluster = Cluster()
    for step in steps:
        nodes = THREE if step["three"] else NODES
        device = {None: None, "add": DEVICE, "lms": dict(DEVICE, algorithm="lms"), "slow": dict(DEVICE, timeout_ms=20000, prefer="/bin/true"),
                  "absent": {"state": "absent"}}[step["device"]]
        run(cluster, *nodes, nodes=nodes, remove_nodes=() if step["three"] else ("alpha3",), quorum_device=device,
            corosync={"totem": {"token": step["token"], "merge": step["merge"]}})
        found = parse_corosync_conf(cluster.conf)
        assert list(found["nodes"]) == list(nodes) and found["options"].get("totem.token") == (str(step["token"]) if step["token"] else None)
        assert found["two_node"] == (len(nodes) == 2 and not found["device"])
        assert step["device"] is None or bool(found["device"]) == (step["device"] != "absent")
        assert step["device"] in (None, "absent") or ("quorum.device.timeout" in found["options"]) == (step["device"] == "slow")
        assert set(cluster.online) == set(nodes)
