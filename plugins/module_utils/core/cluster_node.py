# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left to do for one node of a cluster: standby, maintenance, forgotten failures, restarted resources."""
from __future__ import annotations

from .errors import CoreError
from .plan import Change, Plan

STATES = ("online", "standby", "maintenance")


def plan(seen, node, state=None, cleanup=(), restart=()):
    """Return the Plan for ``node``. seen: what cluster_status.parse returned.

    A resource restarts only where it runs now, so the same request can be sent to every node of a cluster.
    """
    found = next((entry for entry in seen["nodes"] if entry["name"] == node), None)
    if found is None:
        raise CoreError(f"node {node} is not in the cluster", why=f"the cluster knows {', '.join(entry['name'] for entry in seen['nodes'])}",
                        hint="Use the name that 'crm_node --name' shows on that node.")
    changes = []
    now = [flag for flag in ("maintenance", "standby") if found[flag]]
    if state and [state] != (now or ["online"]):
        changes.append(Change("node", node, " and ".join(now) or "online", state, step=("state", now, state)))
    for resource in cleanup:
        failures = [failure for failure in seen["failed_actions"] if failure["resource"] == resource and failure["node"] == node]
        if failures:
            changes.append(Change("failures", resource, [f"{failure['task']}: {failure['code']}" for failure in failures], [], readable=False,
                                  step=("cleanup", resource)))
    for resource in restart:
        if any(entry["id"] == resource and entry["active"] and node in entry["nodes"] for entry in seen["resources"]):
            changes.append(Change("resource", resource, "running", "restarted", readable=False, step=("restart", resource)))
    return Plan(tuple(changes))
