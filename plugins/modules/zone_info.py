#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: zone_info
short_description: Read the zones of an OpenNebula federation
version_added: "0.1.0"
description:
  - Returns the zones as the daemon on this host knows them. What it returns can be given to M(constellation.opennebula.zone) and changes nothing.
  - A daemon that does not run is an answer, not an error.
extends_documentation_fragment:
  - constellation.opennebula.api
seealso:
  - module: constellation.opennebula.zone
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Read the zones
  constellation.opennebula.zone_info:
  register: federation
"""

RETURN = r"""
answers:
  description: Whether a daemon answered.
  returned: always
  type: bool
  sample: true
reason:
  description: Why none answered.
  returned: when none answered
  type: str
  sample: "OpenNebula does not answer at http://localhost:2633/RPC2: Connection refused."
release:
  description: The daemon's release.
  returned: when it answered
  type: str
  sample: 5.0.2
zones:
  description: The zones.
  returned: always
  type: list
  elements: dict
  sample:
    - {id: 0, name: OpenNebula, endpoint: "http://10.90.1.100:2633/RPC2"}
"""

from ..module_utils import glue
from ..module_utils.adapters import opennebula
from ..module_utils.core import pool_objects, zones


def read(connect):
    """Return the zones and the release, or why nobody answered."""
    return pool_objects.told(zones, connect)


def main():
    module = glue.module(argument_spec=dict(opennebula.ARGUMENTS), required_together=opennebula.TOGETHER)
    glue.run(module, lambda: read(lambda: opennebula.OpenNebula.from_params(module.params)))


if __name__ == "__main__":
    main()
