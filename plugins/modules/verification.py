#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: verification
short_description: Judge what all front-ends reported, together
version_added: "0.1.0"
description:
  - Compares the results of the reading modules of all front-ends with the topology and with each other, on the controller.
  - What could not be seen is C(unknown), which is as little green as C(red).
  - A zone all of whose front-ends are left out of the run (C(--limit)) is not judged; the report names it.
author:
  - The constellation.opennebula team (@constellation)
notes:
  - This is an action plugin; it runs on the controller only and needs the fact C(opennebula_topology).
options:
  reports:
    description:
      - Names of the variables that hold the registered results on each front-end, by part.
      - Parts are C(frontend) from M(constellation.opennebula.frontend_info), C(cluster) from M(constellation.opennebula.cluster_info),
        C(replication) from M(constellation.opennebula.replication_info), C(certificate) from M(constellation.opennebula.tls_certificate_info) and
        C(tables) from M(constellation.opennebula.federated_tables_info).
    type: dict
    required: true
  certificate_days:
    description: A certificate that is good for fewer days is red.
    type: int
    default: 30
  free_mb:
    description: A filesystem that is written to and has less space free, in MB, is red.
    type: int
    default: 500
"""

EXAMPLES = r"""
- name: Judge what was seen
  constellation.opennebula.verification:
    reports:
      frontend: frontend_seen
      cluster: cluster_seen
      replication: replication_seen
      tables: tables_seen
  run_once: true
  register: verdict
"""

RETURN = r"""
checks:
  description: Everything that was looked at.
  returned: success
  type: list
  elements: dict
  sample:
    - {"area": "cluster", "target": "alpha", "what": "all front-ends are online", "status": "green", "why": "", "hint": ""}
bad:
  description: The checks that are not green.
  returned: success
  type: list
  elements: dict
  sample: []
lines:
  description: The report for people, worst first.
  returned: success
  type: list
  elements: str
  sample: ["42 of 42 checks are green"]
"""
