#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_firewall_info
short_description: Read what a running firewall lets in
version_added: "0.1.0"
description:
  - Lists the open services and ports of firewalld, or the ports that ufw allows from everywhere.
options:
  zone:
    description: Zone of firewalld. Empty means its default zone.
    type: str
    default: ""
author:
  - The constellation.opennebula team (@constellation)
seealso:
  - module: constellation.opennebula.host_firewall
"""

EXAMPLES = r"""
- name: See what is open
  constellation.opennebula.host_firewall_info:
  register: firewall
"""

RETURN = r"""
firewall:
  description: The firewall that runs, C(firewalld) or C(ufw); null when none does.
  returned: always
  type: str
  sample: firewalld
services:
  description: Services that are open now.
  returned: always
  type: list
  elements: str
  sample: [ssh, high-availability]
ports:
  description: Ports that are open now, services left out.
  returned: always
  type: list
  elements: str
  sample: [2633/tcp]
"""

from ..module_utils import glue
from ..module_utils.adapters.firewall import Firewall
from ..module_utils.core.firewall import NOW


def look(wall):
    found = wall.read()
    if found is None:
        return {"firewall": None, "services": [], "ports": []}
    now = found.get(NOW, found)
    return {"firewall": found["kind"], "services": now.get("services", []), "ports": now["ports"]}


def main():
    module = glue.module(argument_spec={"zone": {"type": "str", "default": ""}})
    glue.run(module, lambda: look(Firewall(module.params["zone"])))


if __name__ == "__main__":
    main()
