# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cluster_host, cluster_info, cluster_node on a cluster that behaves."""
from __future__ import annotations

import json
import pathlib
import sys

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import account
from ansible_collections.constellation.opennebula.plugins.module_utils.core import cib
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotThere
from ansible_collections.constellation.opennebula.plugins.modules import cluster_host, cluster_info, cluster_node

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cluster_fakes import Cluster  # noqa: E402

CANARY = "CANARY-hacluster"


class Accounts:
    """One account, or none."""

    def __init__(self, password=""):
        self.password = password

    def has_password(self, name, password):
        if self.password is None:
            raise LookupError(name)
        return self.password == password

    def set_password(self, dummy_name, password):
        self.password = password


class Units:
    """systemd, as services.Systemd shows it."""

    def __init__(self, pcsd=("inactive", "disabled"), members="enabled"):
        self.stopped = []
        self.links = set()
        self.state = {"pcsd.service": list(pcsd), "corosync.service": ["inactive", members], "pacemaker.service": ["inactive", members]}

    def wants(self, unit):
        return [wanted for above, wanted in self.links if above == unit]

    def drop_wants(self, unit, wanted):
        self.links.remove((unit, wanted))

    def units(self, names):
        return {name: {"ActiveState": self.state[name][0], "UnitFileState": self.state[name][1]} for name in names}

    def do(self, step):
        verb, name = step[:2]
        if verb == "stop":
            self.stopped += step[1:]
        elif verb == "add-wants":
            self.links.add(step[1:])
        elif verb == "start":
            self.state[name][0] = "active"
        else:
            self.state[name][1] = verb + "d"


def host(accounts, units, cluster, check_mode=False, quorum_device=None):
    return cluster_host.ensure({"account": "hacluster", "password": CANARY, "quorum_device": quorum_device}, accounts, units, cluster, check_mode)


def test_quorum_device_starts_with_corosync_and_never_at_boot():
    accounts, units, cluster = Accounts(CANARY), Units(("active", "enabled"), "disabled"), Cluster()
    units.links = {("multi-user.target", "corosync-qdevice.service")}
    assert host(accounts, units, cluster, quorum_device=None, check_mode=True).plan.as_list() == [
        {"kind": "service", "target": "corosync-qdevice.service", "before": "started at boot", "after": "not started at boot"}]
    done = host(accounts, units, cluster, quorum_device=True)
    assert done.plan.as_list()[1] == {
        "kind": "service", "target": "corosync-qdevice.service", "before": "not started with corosync", "after": "started with corosync"}
    assert units.links == {("corosync.service", "corosync-qdevice.service")}
    assert not host(accounts, units, cluster, quorum_device=True).changed and not host(accounts, units, cluster).changed
    assert host(accounts, units, cluster, quorum_device=False).changed and units.links == set()


def test_host_is_prepared_as_predicted_and_once():
    accounts, units, cluster = Accounts(), Units(), Cluster(online=(), members=None)
    predicted = host(accounts, units, cluster, check_mode=True)
    assert accounts.password == "" and units.state["pcsd.service"][0] == "inactive"
    done = host(accounts, units, cluster)
    assert done.plan.as_list() == predicted.plan.as_list()
    assert [change.target for change in done.plan] == ["hacluster", "pcsd.service", "corosync.service", "pacemaker.service"]
    assert not host(accounts, units, cluster).changed
    assert done.as_result()["state"] == {"corosync": None, "running": False, "quorate": False, "online": [], "example": False, "key": True}
    assert CANARY not in json.dumps([predicted.as_result(), done.as_result()]) and cluster_host.SPEC["password"]["no_log"]


def test_example_that_debian_starts_is_set_aside_and_no_cluster():
    example = "totem {\n\tcluster_name: debian\n}\nnodelist {\n\tnode {\n\t\tname: node1\n\t\tnodeid: 1\n\t\tring0_addr: 127.0.0.1\n\t}\n}\n"
    accounts, units, cluster = Accounts(CANARY), Units(("active", "enabled"), "disabled"), Cluster(members=example)
    predicted = host(accounts, units, cluster, check_mode=True)
    assert predicted.results["state"]["corosync"] is None and not predicted.results["state"]["running"] and cluster.conf == example
    done = host(accounts, units, cluster)
    assert done.plan.as_list() == predicted.plan.as_list() == [
        {"kind": "corosync.conf", "target": "the package's example", "before": "in use", "after": "set aside"}]
    assert units.stopped == ["pacemaker.service", "corosync.service"] and cluster.conf is None
    assert not host(accounts, units, cluster).changed


def test_host_without_the_account_is_predicted_and_otherwise_refused():
    assert host(Accounts(None), Units(), Cluster(online=()), check_mode=True).changed
    with pytest.raises(CoreError, match="no account 'hacluster'"):
        host(Accounts(None), Units(), Cluster(online=()))


def test_state_of_a_running_host_is_what_its_cluster_says():
    state = host(Accounts(CANARY), Units(("active", "enabled"), "disabled"), Cluster()).as_result()["state"]
    assert state["running"] and state["quorate"] and state["online"] == ["alpha1", "alpha2"] and state["corosync"]["two_node"]


@pytest.mark.parametrize("stored, expected", [
    ("$6$saltsalt$JcVDtuB6d1BHhCd5RPBh8g8xX/1CbY8EU2PN0MTaj2/Mypw4P./C6dN4j0HALhzBDTocyW1Jm.gYaTPjFGCV40", True),
    ("$6$saltsalt$other", False), ("!", False), ("*", False), ("", False),
])
def test_password_is_compared_with_the_stored_hash(stored, expected, tmp_path, monkeypatch):
    (tmp_path / "shadow").write_text(f"root:x:1\nhacluster:{stored}:19000:0:99999:7:::\n", encoding="utf-8")
    monkeypatch.setattr(account, "SHADOW", str(tmp_path / "shadow"))
    assert account.Accounts().has_password("hacluster", "note") is False
    assert account.Accounts().has_password("hacluster", "test") is expected
    with pytest.raises(LookupError):
        account.Accounts().has_password("nobody", "x")


def test_info_is_fed_back_without_a_change_and_hides_secrets():
    cluster = Cluster()
    seen = cluster_info.look({"fencing_history": True}, cluster)
    assert seen["running"] and seen["quorate"] and seen["dc"] == "alpha1" and seen["members"]["cluster_name"] == "one-alpha"
    assert seen["holders"]["zone_vip"] == ["alpha1"] and seen["holders"]["federation_vip"] == ["alpha2"]
    assert "CANARY" in cluster.text and "CANARY" not in json.dumps(seen)
    assert seen["quorum"] == {"quorate": True, "expected_votes": 2, "total_votes": 2, "quorum": 2, "device": None}
    assert not cib.plan(cib.parse(cluster.text), cib.declared(seen["description"]))


def test_info_of_a_bare_host_is_empty():
    seen = cluster_info.look({"fencing_history": False}, Cluster(online=(), members=None))
    assert seen["running"] is False and seen["nodes"] == [] and seen["members"] is None


def node(cluster, check_mode=False, **params):
    return cluster_node.ensure(dict({"name": None, "state": None, "cleanup": [], "restart": [], "wait_timeout_s": 5}, **params), cluster, check_mode)


def test_node_goes_into_standby_and_back_once_each():
    cluster = Cluster()
    assert node(cluster, True, state="standby").changed and cluster.writes == []
    assert node(cluster, state="standby").plan.as_list() == [{"kind": "node", "target": "alpha1", "before": "online", "after": "standby"}]
    assert not node(cluster, state="standby").changed
    node(cluster, state="online")
    assert cluster.writes == ["standby alpha1 True", "standby alpha1 False"]


@pytest.mark.parametrize("state, left", [("online", (False, False)), ("standby", (True, False)), ("maintenance", (False, True))])
def test_node_in_standby_and_maintenance_gets_what_is_asked_for_in_one_run(state, left):
    cluster = Cluster()
    cluster.standby, cluster.maintained = {"alpha1"}, {"alpha1"}
    predicted, done = node(cluster, True, state=state), node(cluster, state=state)
    assert predicted.plan.as_list() == done.plan.as_list() == [
        {"kind": "node", "target": "alpha1", "before": "maintenance and standby", "after": state}]
    assert ("alpha1" in cluster.standby, "alpha1" in cluster.maintained) == left
    assert not node(cluster, state=state).changed


@pytest.mark.parametrize("before, after", [("standby", "maintenance"), ("maintenance", "standby")])
def test_node_is_never_online_on_the_way_from_one_state_to_the_other(before, after):
    cluster = Cluster()
    node(cluster, state=before)
    cluster.writes.clear()
    node(cluster, state=after)
    assert cluster.writes == [f"{after} alpha1 True", f"{before} alpha1 False"]


def test_resource_restarts_only_where_it_runs():
    cluster = Cluster()
    assert node(cluster, name="alpha1", restart=["opennebula"]).changed
    assert not node(cluster, name="alpha2", restart=["opennebula"]).changed
    assert not node(cluster, name="alpha1", restart=["unknown"]).changed
    assert cluster.writes == ["restart opennebula"]
    assert not node(Cluster(online=()), restart=["opennebula"]).changed


def test_state_of_a_node_needs_a_running_cluster_and_a_known_name():
    with pytest.raises(NotThere):
        node(Cluster(online=()), state="standby")
    with pytest.raises(CoreError, match="node ghost is not in the cluster: the cluster knows alpha1, alpha2"):
        node(Cluster(), name="ghost", state="standby")
