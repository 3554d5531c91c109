# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_description
short_description: Describe the pacemaker cluster of a zone
version_added: "0.1.0"
description:
  - Turns a zone of the topology and the C(fence) variables of its front-ends into what M(constellation.opennebula.cluster_config) takes.
author:
  - The constellation.opennebula team (@constellation)
positional: hosts, settings
options:
  _input:
    description: The C(zone) that M(constellation.opennebula.topology) returned.
    type: dict
    required: true
  hosts:
    description: Variables of all hosts (C(hostvars)), for their C(fence).
    type: dict
    required: true
  settings:
    description: What differs from the measured defaults. The defaults of the role C(cluster) show the names.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Configure the cluster of this zone
  constellation.opennebula.cluster_config:
    description: "{{ cluster.description }}"
    secrets: "{{ cluster.secrets }}"
  vars:
    cluster: "{{ opennebula_zone | constellation.opennebula.cluster_description(hostvars) }}"
"""

RETURN = r"""
_value:
  description: C(description), and apart from it C(secrets), the passwords of the fence devices.
  type: dict
"""

from ansible_collections.constellation.opennebula.plugins.module_utils.core import opennebula_cluster


def cluster_description(zone, hosts, settings=None):
    fences = {node: hosts[node].get("fence") if node in hosts else None for node in zone["nodes"]}
    return opennebula_cluster.describe(zone, fences, settings)


class FilterModule:
    """Descriptions of clusters."""

    @staticmethod
    def filters():
        return {"cluster_description": cluster_description}
