#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: frontend_service_info
short_description: Read which of OpenNebula's services run, start at boot, and belong to the cluster
version_added: "0.1.0"
description:
  - Reads systemd and, where it runs, pacemaker. Changes nothing.
options:
  names:
    description: The services.
    type: list
    elements: str
    required: true
seealso:
  - module: constellation.opennebula.frontend_service
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: See who runs OpenNebula here
  constellation.opennebula.frontend_service_info:
    names: [opennebula]
"""

RETURN = r"""
services:
  description: The services, in the order in which they were asked for. C(clustered) means that pacemaker runs it on this node.
  returned: always
  type: list
  elements: dict
  sample:
    - {name: opennebula, installed: true, running: true, at_boot: false, clustered: true}
"""

from ..module_utils import glue
from ..module_utils.adapters import pacemaker, services
from ..module_utils.core import cluster_status, frontend_service

PACEMAKER = "pacemaker.service"


def read(params, systemd, cluster):
    rows = systemd.units([frontend_service.unit(name) for name in params["names"]] + [PACEMAKER])
    running = rows[PACEMAKER]["ActiveState"] == "active"
    owned = frontend_service.owned_here(cluster_status.parse(cluster.monitor()), cluster.local_node()) if running else set()
    return {"services": frontend_service.described(params["names"], rows, owned)}


def main():
    module = glue.module(argument_spec=dict(names=dict(type="list", elements="str", required=True)))
    glue.run(module, lambda: read(module.params, services.Systemd(), pacemaker.Pacemaker()))


if __name__ == "__main__":
    main()
