# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: switchover_plan
short_description: Decide whether a zone may be moved, from where and where to
version_added: "0.1.0"
description:
  - Takes the checks of M(constellation.opennebula.verification). Whatever is not green about the zone or its front-ends is a reason to stay.
author:
  - The constellation.opennebula team (@constellation)
positional: zone, cluster, target
options:
  _input:
    description: The C(checks) that M(constellation.opennebula.verification) returned.
    type: list
    elements: dict
    required: true
  zone:
    description: The C(zone) that M(constellation.opennebula.topology) returned.
    type: dict
    required: true
  cluster:
    description: What M(constellation.opennebula.cluster_info) returned on a front-end of the zone.
    type: dict
    required: true
  target:
    description: The front-end to move to. By default the only other one.
    type: str
"""

EXAMPLES = r"""
- name: Refuse to move what is not healthy
  ansible.builtin.assert:
    that: move.problems == []
  vars:
    move: "{{ verdict.checks | constellation.opennebula.switchover_plan(opennebula_zone, cluster_seen) }}"
"""

RETURN = r"""
_value:
  description: C(from) and C(to), two front-ends, and C(problems), the reasons to stay.
  type: dict
"""

from ansible_collections.constellation.opennebula.plugins.module_utils.core import switchover


def switchover_plan(checks, zone, cluster, target=None):
    return switchover.plan(zone, checks, cluster if "resources" in cluster else None, target or None)


class FilterModule:
    """Planned moves of a zone."""

    @staticmethod
    def filters():
        return {"switchover_plan": switchover_plan}
