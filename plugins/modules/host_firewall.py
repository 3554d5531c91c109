#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_firewall
short_description: Open services and ports where a firewall runs
version_added: "0.1.0"
description:
  - Opens what is named in firewalld, at once and for its next start, or in ufw. Where neither runs nothing is done.
  - Nothing is closed, and no firewall is installed, started or reloaded.
options:
  services:
    description: Services by firewalld's names. ufw gets their ports.
    type: list
    elements: str
    choices: [high-availability, mysql]
    default: []
  ports:
    description: Ports, as in V(2633/tcp) or V(5404-5412/udp).
    type: list
    elements: str
    default: []
  zone:
    description: Zone of firewalld. Empty means its default zone.
    type: str
    default: ""
author:
  - The constellation.opennebula team (@constellation)
seealso:
  - module: constellation.opennebula.host_firewall_info
"""

EXAMPLES = r"""
- name: Let the other front-ends and the users in
  constellation.opennebula.host_firewall:
    services: [high-availability, mysql]
    ports: [2633/tcp, 9869/tcp]
"""

RETURN = r"""
changes:
  description: What was opened.
  returned: always
  type: list
  elements: dict
  sample: [{"kind": "service", "target": "high-availability", "before": null, "after": "open"}]
firewall:
  description: The firewall that runs, C(firewalld) or C(ufw); null when none does.
  returned: always
  type: str
  sample: firewalld
"""

from ..module_utils import glue
from ..module_utils.adapters.firewall import Firewall
from ..module_utils.core import firewall
from ..module_utils.core.converge import converge


def ensure(params, wall, check_mode):
    firewall.check(params["services"], params["ports"])
    results = {"firewall": None}

    def read():
        found = wall.read()
        results["firewall"] = found and found["kind"]
        return found

    def plan(found):
        return firewall.plan(found, params["services"], params["ports"])

    def apply(todo):
        for change in todo:
            wall.open(change.step)

    return converge(read, plan, apply, check_mode, results, header="firewall")


SPEC = {"services": {"type": "list", "elements": "str", "default": [], "choices": sorted(firewall.SERVICES)},
        "ports": {"type": "list", "elements": "str", "default": []}, "zone": {"type": "str", "default": ""}}


def main():
    module = glue.module(argument_spec=SPEC)
    glue.run(module, lambda: ensure(module.params, Firewall(module.params["zone"]), module.check_mode))


if __name__ == "__main__":
    main()
