# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: topology_summary
short_description: Show a derived topology in a few readable lines
version_added: "0.1.0"
description:
  - Turns what M(constellation.opennebula.topology) derived into lines for people.
author:
  - The constellation.opennebula team (@constellation)
options:
  _input:
    description: The C(topology) that M(constellation.opennebula.topology) returned.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the topology
  ansible.builtin.debug:
    msg: "{{ opennebula_topology | constellation.opennebula.topology_summary }}"
"""

RETURN = r"""
_value:
  description: The replication layout, then one line for each zone, front-end and replication source.
  type: list
  elements: str
"""


def summary(topology):
    lines = [f"replication layout {topology['layout']}"]
    for zone in topology["zones"].values():
        federation = f", federation address {zone['federation_vip']['ip']}" if zone["federation_vip"] else ""
        lines.append(f"zone {zone['id']} {zone['name']} ({zone['mode']}): {zone['endpoint']}, address {zone['vip']['ip']}/{zone['vip']['prefix']}{federation}")
        if zone["quorum_host"]:
            lines.append(f"  third vote from {zone['quorum_host']} ({zone['quorum_device']['host']})")
        for name in zone["nodes"]:
            node = topology["nodes"][name]
            sources = ", ".join(f"{source['name']} from {source['host']}" for source in node["pair_sources"] + node["federation_sources"])
            fence = ", ".join(node["fence"]["devices"]) + " (" + node["fence"]["agent"] + ")" if node["fence"] else "none"
            lines.append(f"  {name} {node['address']}: server id {node['server_id']}, GTID domain {node['gtid_domain_id']}, pulls {sources}, fenced by {fence}")
    return lines + [f"warning: {warning}" for warning in topology["warnings"]]


class FilterModule:
    """Readable lines of a topology."""

    def filters(self):
        return {"topology_summary": summary}
