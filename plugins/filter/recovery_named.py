# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter recovery_named: a thin reader over core/recovery_demands.py."""
from __future__ import annotations

from ..module_utils.core import recovery_demands

DOCUMENTATION = r"""
name: recovery_named
short_description: Tell which VMs that were named by id are meant in a zone
version_added: "0.1.0"
description:
  - Every zone counts its VMs for itself, so that an id alone is clear only in a run of one zone.
positional: _input, vms, zone, zones
options:
  _input:
    description: What is demanded, as O(constellation.opennebula.vm_recovery#module:demanded), each with a C(zone) where there are several.
    type: list
    elements: dict
    required: true
  vms:
    description: VMs that were named without an operation.
    type: list
    elements: int
    required: true
  zone:
    description: Name of the zone.
    type: str
    required: true
  zones:
    description: Names of the zones of the run.
    type: list
    elements: str
    required: true
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Make sure that every VM is named clearly
  ansible.builtin.assert:
    that: (recovery_demanded | constellation.opennebula.recovery_named(recovery_vms, 'alpha', ['alpha', 'beta'])).problems == []
"""

RETURN = r"""
_value:
  description: C(demanded), what is demanded in the zone, and C(problems), what is not clear in the run, as texts.
  type: dict
"""


class FilterModule:
    def filters(self):
        return {"recovery_named": recovery_demands.named}
