# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: driver_plan
short_description: Derive stanzas, files, scripts and hosts from declared clouds
version_added: "0.1.0"
description:
  - Turns what the variables of the role M(constellation.opennebula.drivers#role) declare into options of this collection's modules.
author:
  - The constellation.opennebula team (@constellation)
positional: release
options:
  _input:
    description: C(clouds), C(scheduler) and C(host_hook), as the role's variables have them.
    type: dict
    required: true
  release:
    description: OpenNebula's release. It decides which drivers there are and how their stanzas look.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse clouds that cannot be
  ansible.builtin.assert:
    that: plan.problems == []
  vars:
    plan: "{{ {'clouds': drivers_clouds} | constellation.opennebula.driver_plan('5.0') }}"
"""

RETURN = r"""
_value:
  description:
    - C(problems) and C(warnings), lists of sentences, and the options of each module, such as C(stanzas), C(files), C(hosts_present) and C(scheduler).
    - Parts of it are secret.
  type: dict
"""

from ansible_collections.constellation.opennebula.plugins.module_utils.core import drivers


def driver_plan(wanted, release):
    return drivers.plan(wanted, release)


class FilterModule:
    """Plans of cloud drivers."""

    @staticmethod
    def filters():
        return {"driver_plan": driver_plan}
