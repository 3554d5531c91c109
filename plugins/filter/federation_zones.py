# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter federation_zones: a thin reader over core/zones.py."""
from __future__ import annotations

from ..module_utils.core import zones

DOCUMENTATION = r"""
name: federation_zones
short_description: The zones that a topology wants in the federation
version_added: "0.1.0"
description:
  - Turns the derived topology into the list that M(constellation.opennebula.zone) takes as O(constellation.opennebula.zone#module:zones).
positional: _input, zone
options:
  _input:
    description: The topology as the role C(preflight) derives it (C(opennebula_topology)).
    type: dict
    required: true
  zone:
    description: Name of the zone whose daemon is to know them, a master zone or one outside of a federation.
    type: str
    required: true
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Announce all zones
  constellation.opennebula.zone:
    zones: "{{ opennebula_topology | constellation.opennebula.federation_zones(opennebula_zone.name) }}"
"""

RETURN = r"""
_value:
  description: The zone itself by id with its endpoint and, in the master zone, the slave zones.
  type: list
  elements: dict
"""


class FilterModule:
    def filters(self):
        return {"federation_zones": zones.of_topology}
