# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_conductor
short_description: Gather what the nodes of a zone know of their cluster
version_added: "0.1.0"
description:
  - Collects the C(state) that M(constellation.opennebula.cluster_host) found on each node that can be reached,
    and says which node runs the cluster's one-time tasks.
  - That is a node that is in the running cluster, else one that knows it, else the first.
author:
  - The constellation.opennebula team (@constellation)
positional: hosts, reachable, fact
options:
  _input:
    description: The C(zone) that M(constellation.opennebula.topology) returned.
    type: dict
    required: true
  hosts:
    description: Variables of all hosts (C(hostvars)).
    type: dict
    required: true
  reachable:
    description: Hosts that are still in the play (C(ansible_play_hosts)).
    type: list
    elements: str
    required: true
  fact:
    description: Name of the registered result of M(constellation.opennebula.cluster_host).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Choose the node that configures the cluster
  ansible.builtin.set_fact:
    conductor: "{{ opennebula_zone | constellation.opennebula.cluster_conductor(hostvars, ansible_play_hosts, 'host') }}"
"""

RETURN = r"""
_value:
  description: C(node), and the C(states) of the zone's nodes by name.
  type: dict
"""

from ansible_collections.constellation.opennebula.plugins.module_utils.core import cluster_members


def cluster_conductor(zone, hosts, reachable, fact):
    found = {node: hosts[node].get(fact) for node in zone["nodes"] if node in reachable}
    states = {node: result["state"] for node, result in found.items() if result and result.get("state")}
    return {"node": cluster_members.conductor(list(zone["nodes"]), states), "states": states}


class FilterModule:
    """Who speaks for a cluster."""

    @staticmethod
    def filters():
        return {"cluster_conductor": cluster_conductor}
