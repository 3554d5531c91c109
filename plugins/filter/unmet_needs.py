# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: unmet_needs
short_description: Tell what the operator's own stanzas must say for a cloud, and do not
version_added: "0.1.0"
description:
  - Some drivers need a word in a stanza that is not theirs, such as C(dummy) among the transfer drivers. That stanza is the operator's; it is looked
    at and not changed.
author:
  - The constellation.opennebula team (@constellation)
positional: stanzas
options:
  _input:
    description: The C(needs) of what P(constellation.opennebula.driver_plan#filter) returned.
    type: list
    elements: dict
    required: true
  stanzas:
    description: The C(stanzas) that M(constellation.opennebula.oned_conf_info) returned.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse a driver whose needs are not met
  ansible.builtin.assert:
    that: plan.needs | constellation.opennebula.unmet_needs(seen.stanzas) == []
"""

RETURN = r"""
_value:
  description: A sentence for each need that is not met.
  type: list
  elements: str
"""

from ansible_collections.constellation.opennebula.plugins.module_utils.core.clouds import driver


class FilterModule:
    """Needs of cloud drivers."""

    @staticmethod
    def filters():
        return {"unmet_needs": driver.unmet}
