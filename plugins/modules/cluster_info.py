#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_info
short_description: Read a pacemaker cluster
version_added: "0.1.0"
description:
  - Returns the state of the cluster that this host belongs to, and its configuration in the shape that M(constellation.opennebula.cluster_config) takes.
  - Secrets are shown as C((secret)), which M(constellation.opennebula.cluster_config) understands as "keep". Giving the description back changes nothing.
  - Works on every host. Where no cluster runs, RV(running) is false and the rest is empty.
options:
  fencing_history:
    description: Also ask for past fencing.
    type: bool
    default: true
author:
  - The constellation.opennebula team (@constellation)
seealso:
  - module: constellation.opennebula.cluster_config
  - module: constellation.opennebula.cluster_node
"""

EXAMPLES = r"""
- name: Read the cluster
  constellation.opennebula.cluster_info:
  register: cluster

- name: Show who holds the zone's address
  ansible.builtin.debug:
    var: cluster.holders.zone_vip
"""

RETURN = r"""
running:
  description: Whether the cluster runs on this host.
  returned: always
  type: bool
  sample: true
members:
  description: C(corosync.conf) in short, null when there is none.
  returned: always
  type: dict
  sample: {"cluster_name": "one-alpha", "nodes": {"fe1": ["192.0.2.11"]}, "two_node": true, "wait_for_all": true, "device": null}
quorate:
  description: Whether this partition has quorum.
  returned: always
  type: bool
  sample: true
dc:
  description: The designated coordinator.
  returned: always
  type: str
  sample: fe1
maintenance:
  description: Whether the whole cluster is in maintenance mode.
  returned: always
  type: bool
  sample: false
stonith_enabled:
  description: Whether the cluster fences.
  returned: always
  type: bool
  sample: true
nodes:
  description: Each node with C(online), C(standby), C(maintenance), C(pending), C(unclean).
  returned: always
  type: list
  elements: dict
  sample: [{"name": "fe1", "online": true, "standby": false, "unclean": false}]
quorum:
  description: The votes as this host counts them. C(device) tells of the quorum device, null without one. Null when the cluster does not run here.
  returned: always
  type: dict
  sample: {"quorate": true, "expected_votes": 3, "total_votes": 3, "quorum": 2, "device": {"votes": 1, "connected": true, "voting": true}}
resources:
  description: Each resource with its role and nodes, and whether the cluster manages it.
  returned: always
  type: list
  elements: dict
  sample: [{"id": "zone_vip", "role": "Started", "nodes": ["fe1"], "active": true, "failed": false, "managed": true}]
holders:
  description: The nodes on which each resource is active.
  returned: always
  type: dict
  sample: {"zone_vip": ["fe1"]}
failed_actions:
  description: What failed and was not forgotten yet.
  returned: always
  type: list
  elements: dict
  sample: [{"resource": "opennebula", "task": "start", "node": "fe1", "code": "error"}]
fencing:
  description: Past fencing, newest first.
  returned: always
  type: list
  elements: dict
  sample: [{"target": "fe1", "action": "off", "status": "success", "by": "fe2"}]
bans:
  description: Constraints that keep a resource off a node, also those that C(pcs resource move) leaves behind.
  returned: always
  type: list
  elements: dict
  sample: []
description:
  description: The configuration.
  returned: always
  type: dict
  sample: {"properties": {"no-quorum-policy": "stop"}}
not_described:
  description: Ids of objects that the description cannot express.
  returned: always
  type: list
  elements: str
  sample: []
"""

from ..module_utils import glue
from ..module_utils.adapters import pacemaker
from ..module_utils.core import cib, cluster_members, cluster_status, quorum_device
from ..module_utils.core.errors import NotThere

NOTHING = {"quorate": False, "dc": None, "maintenance": False, "stonith_enabled": False, "nodes": [], "resources": [], "failed_actions": [], "fencing": [],
           "bans": [], "quorum": None}


def look(params, cluster):
    text = cluster.members()
    members = cluster_members.parse_corosync_conf(text) if text else None
    try:
        state = cluster_status.parse(cluster.monitor())
        description, left = cib.describe(cib.parse(cluster.cib()))
    except NotThere:
        return dict(NOTHING, running=False, members=members, holders={}, description={}, not_described=[])
    if not params["fencing_history"]:
        state["fencing"] = []
    holders = {entry["id"]: cluster_status.holder(state, entry["id"]) for entry in state["resources"]}
    votes = quorum_device.parse_quorum(cluster.quorum())
    return dict(state, running=True, quorum=votes, members=members, holders=holders, description=description, not_described=left)


def main():
    module = glue.module(argument_spec={"fencing_history": {"type": "bool", "default": True}})
    glue.run(module, lambda: look(module.params, pacemaker.Pacemaker()))


if __name__ == "__main__":
    main()
