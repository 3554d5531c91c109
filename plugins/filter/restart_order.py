# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: restart_order
short_description: Decide which front-ends restart their database server together
version_added: "0.1.0"
description:
  - Of each zone one front-end at a time, and its writer only after the zone has moved.
author:
  - The constellation.opennebula team (@constellation)
positional: hosts, reachable, fact
options:
  _input:
    description: What M(constellation.opennebula.topology) returned.
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
    description: Name of the registered result of M(constellation.opennebula.database_service).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Restart one front-end of each zone after the other
  ansible.builtin.include_tasks: restart.yml
  loop: "{{ (opennebula_topology | constellation.opennebula.restart_order(hostvars, ansible_play_hosts, 'service')).turns }}"
"""

RETURN = r"""
_value:
  description: C(turns), a list of lists of front-ends, and C(writers), the front-ends whose zone must move first.
  type: dict
"""

from ansible_collections.constellation.opennebula.plugins.module_utils.core import restart_order as core


def restart_order(topology, hosts, reachable, fact):
    return core.order(topology["zones"], {node: hosts[node].get(fact) for node in reachable}, reachable)


class FilterModule:
    """Who restarts when."""

    @staticmethod
    def filters():
        return {"restart_order": restart_order}
