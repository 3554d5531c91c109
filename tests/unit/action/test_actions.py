# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugins are thin: what they hand to core and what they return. What core does with it is tested there."""
from __future__ import annotations

import json
from unittest import mock

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.constellation.opennebula.plugins.action import topology
from ansible_collections.constellation.opennebula.plugins.action import verification

SECRET = "CANARY-action-91d4"


def inventory():
    """Return variables of the two zones as an inventory gives them."""
    hosts = {}
    for zone, octet, mode in (("alpha", 1, "master"), ("beta", 2, "slave")):
        for number in (1, 2):
            hosts[f"{zone}{number}"] = {
                "zone_name": zone, "zone_mode": mode, "zone_vip": f"10.90.{octet}.100/16", "ansible_host": f"10.90.{octet}.1{number}",
                "fence": {"agent": "fence_ilo_ssh", "ip": f"10.91.{octet}.11{number}", "username": "fence", "password": SECRET},
                "opennebula_release": "5.0", "opennebula_db_password": SECRET, "opennebula_replication_password": SECRET,
                "opennebula_oneadmin_password": SECRET, "opennebula_hacluster_password": SECRET, "unrelated": "left alone"}
    return hosts


def plugin(module, arguments=None):
    task = mock.Mock(args=arguments or {}, async_val=0, check_mode=False, environment=[], action="", diff=False, collections=[])
    action = module.ActionModule(task=task, connection=mock.Mock(), play_context=mock.Mock(), loader=mock.Mock(), templar=mock.Mock(), shared_loader_obj=None)
    if arguments is not None:
        action.validate_argument_spec = mock.Mock(return_value=(None, arguments))
    return action


def test_topology_returns_the_whole_and_this_hosts_part_without_secrets():
    hosts = inventory()
    result = plugin(topology).run(task_vars={"hostvars": hosts, "groups": {"all": list(hosts)}, "inventory_hostname": "beta2"})
    assert result["changed"] is False
    assert (result["zone"]["name"], result["node"]["name"], result["node"]["federation_slave"]) == ("beta", "beta2", True)
    assert set(result["topology"]["nodes"]) == set(hosts)
    assert SECRET not in json.dumps(result, default=str)
    assert any("zone_federation_vip" in warning for warning in result["warnings"])


def test_topology_on_a_host_of_no_zone_returns_the_whole_only():
    hosts = dict(inventory(), bystander={"ansible_host": "10.90.3.1"})
    result = plugin(topology).run(task_vars={"hostvars": hosts, "groups": {"all": list(hosts)}, "inventory_hostname": "bystander"})
    assert (result["zone"], result["node"]) == (None, None)


def test_topology_reads_no_value_that_is_not_ours():
    class Untemplatable(dict):
        def __getitem__(self, name):
            assert name != "unrelated", "a foreign variable was templated"
            return super().__getitem__(name)

    hosts = {name: Untemplatable(variables) for name, variables in inventory().items()}
    plugin(topology).run(task_vars={"hostvars": hosts, "groups": {"all": list(hosts)}, "inventory_hostname": "alpha1"})


def test_topology_judges_what_the_inventory_says_of_fencing():
    hosts = inventory()
    for name in ("alpha1", "alpha2"):
        hosts[name]["cluster_properties"] = {"stonith-enabled": "no"}
    with pytest.raises(AnsibleActionFail, match="stonith-enabled: no: without fencing a partition runs both"):
        plugin(topology).run(task_vars={"hostvars": hosts, "groups": {"all": list(hosts)}, "inventory_hostname": "alpha1"})


def test_topology_reports_all_problems_as_one_failure_with_data():
    hosts = inventory()
    for name in ("beta1", "beta2"):
        hosts[name].update(zone_mode="master", zone_vip="192.0.2.1/24")
    with pytest.raises(AnsibleActionFail) as caught:
        plugin(topology).run(task_vars={"hostvars": hosts, "groups": {"all": list(hosts)}, "inventory_hostname": "alpha1"})
    assert "two master zones" in str(caught.value) and "outside the network" in str(caught.value)
    assert len(caught.value.result["error"]["problems"]) >= 2
    assert SECRET not in str(caught.value)


def test_verification_hands_every_front_ends_reports_to_core():
    topology = {"nodes": {"alpha1": {}, "alpha2": {}}, "zones": {"alpha": {"nodes": ["alpha1", "alpha2"]}}}
    hostvars = {"alpha1": {"front": {"a": 1}, "database": {"b": 2}}, "alpha2": {"front": {"a": 3}}}
    bad = mock.Mock(as_dict=lambda: {"ok": False})
    with mock.patch.object(verification.verification, "verify", return_value=[bad]) as verify, \
            mock.patch.object(verification.report, "bad", side_effect=list), mock.patch.object(verification.report, "lines", return_value=["red"]):
        result = plugin(verification, {"reports": {"frontend": "front", "replication": "database"}}).run(
            task_vars={"hostvars": hostvars, "opennebula_topology": topology, "ansible_play_hosts_all": ["alpha1"]})
    assert verify.call_args.kwargs["hosts"] == ["alpha1"]
    seen = {"alpha1": {"frontend": {"a": 1}, "replication": {"b": 2}}, "alpha2": {"frontend": {"a": 3}, "replication": None}}
    assert verify.call_args.args[:2] == (topology, seen)
    assert (result["changed"], result["bad"], result["lines"]) == (False, [{"ok": False}], ["red"])
