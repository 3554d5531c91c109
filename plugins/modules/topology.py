#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: topology
short_description: Validate the inventory and derive zones, front-ends and replication from it
version_added: "0.1.0"
description:
  - Reads the inventory's zone and front-end variables on the controller and derives everything else from them,
    such as server ids, GTID domains, replication sources and the names of fence devices.
  - Reports all problems of the inventory in one message, before any host is touched. Connects to no host.
  - No password becomes part of the result.
author:
  - The constellation.opennebula team (@constellation)
notes:
  - This is an action plugin; it runs on the controller only.
"""

EXAMPLES = r"""
- name: Validate the inventory
  constellation.opennebula.topology:
  run_once: true
  register: derived
"""

RETURN = r"""
topology:
  description: The whole federation, with C(zones) and C(nodes) by name.
  returned: success
  type: dict
  sample: {"release": "5.0", "layout": "standby", "master_zone": "alpha", "zones": {}, "nodes": {}}
zone:
  description: The zone of this host.
  returned: when the host is a front-end
  type: dict
  sample: {"name": "alpha", "id": 0, "mode": "master", "seed": "alpha1"}
node:
  description: This host's part.
  returned: when the host is a front-end
  type: dict
  sample: {"name": "alpha1", "server_id": 1, "gtid_domain_id": 0}
"""
