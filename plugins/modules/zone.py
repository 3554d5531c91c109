#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: zone
short_description: Manage the zones of an OpenNebula federation
version_added: "0.1.0"
description:
  - Creates, renames, points and deletes zones in the federation's master zone. Runs on a front-end whose daemon answers.
  - Attributes of a zone that are not named here stay as they are; the template is never replaced.
  - A rename to the name of another zone is refused. Up to release 5.4.9 the daemon accepts it and deletes that other zone.
  - In check mode a daemon that does not run yet counts as one without zones, so that a first run can be foreseen on bare hosts.
options:
  zones:
    description: The zones. Others stay as they are.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description:
          - The zone's number. V(0) is the zone that exists from the beginning.
          - For a zone that is still to be created, the number that it must get. The daemon gives the numbers; another one is an error.
        type: int
      name:
        description: The zone's name. Needed for a new zone; a zone found by O(zones[].id) is renamed to it.
        type: str
      endpoint:
        description: URL under which the zone's daemon answers, on the zone's floating address. Needed for a new zone.
        type: str
      state:
        description: Whether the zone is there. A deleted zone's number is never used again.
        type: str
        choices: [present, absent]
        default: present
extends_documentation_fragment:
  - constellation.opennebula.api
  - constellation.opennebula.api.wait
seealso:
  - module: constellation.opennebula.zone_info
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Point the first zone at its floating address and announce the second
  constellation.opennebula.zone:
    zones:
      - id: 0
        endpoint: http://10.90.1.100:2633/RPC2
      - id: 100
        name: beta
        endpoint: http://10.90.2.100:2633/RPC2

- name: Remove a zone that was given up
  constellation.opennebula.zone:
    zones:
      - name: beta
        state: absent
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: zone
      target: beta
      before: null
      after: {id: 100, name: beta, endpoint: "http://10.90.2.100:2633/RPC2"}
zones:
  description: The zones afterwards; in check mode and without a daemon, the ones before.
  returned: always
  type: list
  elements: dict
  sample:
    - {id: 0, name: OpenNebula, endpoint: "http://10.90.1.100:2633/RPC2"}
"""

from ..module_utils import glue
from ..module_utils.adapters import opennebula
from ..module_utils.core import pool_objects, zones

SPEC = {
    "zones": {
        "type": "list", "elements": "dict", "required": True,
        "options": {
            "id": {"type": "int"},
            "name": {"type": "str"},
            "endpoint": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
}


def ensure(params, connect, check_mode):
    """Converge the zones; ``connect()`` gives the daemon, and raises NotThere where none answers."""
    want = zones.wanted(params["zones"])
    return pool_objects.ensure(zones, want, opennebula.reaching(connect, zones.KIND, params, check_mode), check_mode)


def main():
    module = glue.module(argument_spec=dict(opennebula.ARGUMENTS, **opennebula.WAIT, **SPEC), required_together=opennebula.TOGETHER)
    glue.run(module, lambda: ensure(module.params, lambda: opennebula.OpenNebula.from_params(module.params), module.check_mode))


if __name__ == "__main__":
    main()
