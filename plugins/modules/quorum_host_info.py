#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: quorum_host_info
short_description: Read which clusters get their third vote from this host
version_added: "0.1.0"
description:
  - Asks C(corosync-qnetd) for the clusters and nodes that are connected, and to which nodes it gives its vote.
author:
  - The constellation.opennebula team (@constellation)
seealso:
  - module: constellation.opennebula.quorum_host
"""

EXAMPLES = r"""
- name: See who is connected
  constellation.opennebula.quorum_host_info:
  register: third_vote
"""

RETURN = r"""
running:
  description: Whether the daemon answers.
  returned: always
  type: bool
  sample: true
clusters:
  description: Each connected cluster, with the connected nodes by their number and whether the vote is theirs.
  returned: always
  type: list
  elements: dict
  sample: [{"name": "one-alpha", "nodes": [{"id": 1, "address": "192.0.2.11", "encrypted": true, "vote": true}]}]
"""

from ..module_utils import glue
from ..module_utils.adapters import qnetd
from ..module_utils.core import quorum_device


def look(daemon):
    text = daemon.clusters()
    return {"running": text is not None, "clusters": quorum_device.parse_clusters(text or "")}


def main():
    module = glue.module(argument_spec={})
    glue.run(module, lambda: look(qnetd.Qnetd()))


if __name__ == "__main__":
    main()
