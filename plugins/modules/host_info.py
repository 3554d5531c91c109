#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Read OpenNebula's hosts
version_added: "0.1.0"
description:
  - Returns the hosts as the daemon on this host knows them. What it returns under C(hosts) can be given to
    M(constellation.opennebula.host) and changes nothing.
  - Attributes that hold secrets, and those that monitoring writes, are left out.
  - A daemon that does not run is an answer, not an error.
extends_documentation_fragment:
  - constellation.opennebula.api
seealso:
  - module: constellation.opennebula.host
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Read the hosts
  constellation.opennebula.host_info:
  register: found
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
hosts:
  description: The hosts.
  returned: always
  type: list
  elements: dict
  sample:
    - {id: 4, name: partner, im: one, vm: one, cluster: default, enabled: true, attributes: {ONE_USER: hybrid}}
details:
  description: What else is known of each host. C(hidden) names the attributes that are left out because they hold secrets.
  returned: when it answered
  type: list
  elements: dict
  sample:
    - {id: 4, name: partner, state: MONITORED, vms: [12, 13], last_monitored: 1795199670, hidden: [ONE_PASSWORD]}
"""

from ..module_utils import glue
from ..module_utils.adapters import opennebula
from ..module_utils.core import hosts, pool_objects


def read(connect):
    """Return the hosts and the release, or why nobody answered."""
    return pool_objects.told(hosts, connect, lambda state: {"details": hosts.details(state)})


def main():
    module = glue.module(argument_spec=dict(opennebula.ARGUMENTS), required_together=opennebula.TOGETHER)
    glue.run(module, lambda: read(lambda: opennebula.OpenNebula.from_params(module.params)))


if __name__ == "__main__":
    main()
