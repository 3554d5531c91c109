# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter tls_accounts: a thin reader over core/grants.py."""
from __future__ import annotations

from ..module_utils.core import grants

DOCUMENTATION = r"""
name: tls_accounts
short_description: The database accounts that may demand TLS now
version_added: "0.1.0"
description:
  - Takes the users that C(database_access) would be given, with C(require_tls) for those that shall use TLS.
  - Without O(seen) it returns all of them, without that demand, so that accounts which have it keep it and others are not locked out by it.
  - With O(seen) it returns only those with the demand, for the front-ends that are seen to use TLS for all of their replication.
positional: _input, nodes, seen, foreseen
options:
  _input:
    description: The users, as M(constellation.opennebula.database_access) takes them.
    type: list
    elements: dict
    required: true
  nodes:
    description: The front-ends of the topology (C(opennebula_topology.nodes)). Required with O(seen).
    type: dict
  seen:
    description: Results of M(constellation.opennebula.replication_info) by front-end.
    type: dict
  foreseen:
    description: Whether the front-ends in O(seen) count as using it all the same, as in check mode, where nobody has changed yet.
    type: bool
    default: false
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Demand TLS of whoever uses it
  constellation.opennebula.database_access:
    users: "{{ accounts | constellation.opennebula.tls_accounts(opennebula_topology.nodes, seen) }}"
"""

RETURN = r"""
_value:
  description: The users, for M(constellation.opennebula.database_access).
  type: list
  elements: dict
"""


def tls_accounts(users, nodes=None, seen=None, foreseen=False):
    if seen is None:
        return grants.not_demanding_yet(users)
    return grants.demanding(users, [nodes[name]["address"] for name in seen if name in nodes] if foreseen else grants.tls_clients(nodes, seen))


class FilterModule:
    def filters(self):
        return {"tls_accounts": tls_accounts}
