# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter recovery_table: a thin reader over core/recovery_table.py."""
from __future__ import annotations

from ..module_utils.core import recovery_table

DOCUMENTATION = r"""
name: recovery_table
short_description: Show a recovery as lines of text
version_added: "0.1.0"
description:
  - Turns the result of M(constellation.opennebula.vm_recovery_info) or M(constellation.opennebula.vm_recovery), failed or not, into a table.
  - The images and the leftovers that M(constellation.opennebula.vm_recovery_info) tells follow the VMs.
positional: _input, zone
options:
  _input:
    description: The registered result.
    type: dict
    required: true
  zone:
    description: Name of the zone, for the headline.
    type: str
    required: true
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Tell what recovery would do
  ansible.builtin.debug:
    msg: "{{ plan | constellation.opennebula.recovery_table('alpha') }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""


class FilterModule:
    def filters(self):
        return {"recovery_table": recovery_table.table}
