# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cluster_membership: from nothing, from every half-way point, and never more than is asked."""
from __future__ import annotations

import json
import pathlib
import sys

import pytest
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


def params(**states):
    return {"name": "one-alpha", "nodes": NODES, "password": CANARY, "states": states, "first_properties": {"dc-deadtime": "1s"}, "wait_timeout_s": 10}


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


def test_node_that_does_not_join_is_an_error_with_a_hint():
    cluster = bare()
    cluster.start = lambda nodes: cluster.online.append("alpha1")
    with pytest.raises(CoreError, match="alpha2 did not join the cluster: not online after 10 s"):
        ensure(params(alpha1=NOTHING, alpha2=NOTHING), cluster)
