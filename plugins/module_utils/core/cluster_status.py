# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What crm_mon and the fencing history say, as plain data (crm_mon --output-as=xml, api-version 2.25 of pacemaker 2.1.5)."""
from __future__ import annotations

import xml.etree.ElementTree as ET

from .errors import CoreError


def parse(text):
    """Return the state of a cluster: quorum, dc, nodes, resources, failed_actions, fencing."""
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise CoreError("cannot read the state of the cluster", "crm_mon", str(error)) from error
    dc = root.find("summary/current_dc")
    present = dc is not None and dc.get("present") == "true"
    return {
        "quorate": present and dc.get("with_quorum") == "true",
        "dc": dc.get("name") if present else None,
        "maintenance": _true(root.find("summary/cluster_options"), "maintenance-mode"),
        "stonith_enabled": _true(root.find("summary/cluster_options"), "stonith-enabled"),
        "nodes": [_node(node) for node in root.iterfind("nodes/node")],
        "resources": [_resource(element, group) for element, group in _resources(root.find("resources"), None)],
        "failed_actions": [_failure(failure) for failure in root.iterfind("failures/failure")],
        "fencing": fencing(root),
        "bans": [dict(ban.items()) for ban in root.iterfind("bans/ban")],
    }


def fencing(root):
    """Return the fencing operations, newest first."""
    return [{"target": event.get("target"), "action": event.get("action"), "status": event.get("status"), "by": event.get("delegate"),
             "completed": event.get("completed"), "reason": event.get("exit-reason")} for event in root.iterfind("fence_history/fence_event")]


def _node(node):
    flags = ("online", "standby", "maintenance", "pending", "unclean", "is_dc")
    return dict({flag: _true(node, flag) for flag in flags}, name=node.get("name"))


def _resources(holder, group):
    for element in holder if holder is not None else ():
        if element.tag == "resource":
            yield element, group
        elif element.tag in ("group", "clone", "replica", "bundle"):
            yield from _resources(element, element.get("id"))


def _resource(element, group):
    nodes = [node.get("name") for node in element.iterfind("node")]
    return {"id": element.get("id"), "agent": element.get("resource_agent"), "group": group, "role": element.get("role"), "nodes": nodes,
            "active": _true(element, "active"), "failed": _true(element, "failed"), "managed": _true(element, "managed"), "blocked": _true(element, "blocked"),
            "pending": element.get("pending")}


def _failure(failure):
    return {"resource": (failure.get("op_key") or "").rsplit("_", 2)[0], "task": failure.get("task"), "node": failure.get("node"),
            "status": failure.get("status"), "code": failure.get("exitstatus"), "reason": failure.get("exitreason"), "at": failure.get("last-rc-change")}


def _true(element, name):
    return element is not None and element.get(name) == "true"


def holder(state, resource):
    """Return the nodes on which a resource is active, [] when on none."""
    return [node for entry in state["resources"] if entry["id"] == resource and entry["active"] for node in entry["nodes"]]


def complaints(state, resources):
    """Return one sentence for each of the named resources that does not run, with the failed action that explains it.

    A cluster that may not start anything is the reason of all: it comes first.
    """
    found = list(_why_nothing_starts(state))
    for entry in state["resources"]:
        if entry["id"] in resources and (not entry["active"] or entry["failed"] or entry["blocked"]):
            why = [f"{failure['task']} on {failure['node']} ended with '{failure['code']}'" + (f" ({failure['reason']})" if failure["reason"] else "")
                   for failure in state["failed_actions"] if failure["resource"] == entry["id"]]
            found.append(f"{entry['id']} is {entry['role']}" + (f": {'; '.join(why)}" if why else ""))
    return found


def _why_nothing_starts(state):
    out = [node["name"] for node in state["nodes"] if not node["online"] or node["pending"]]
    if not state["quorate"]:
        yield "the cluster has no quorum" + (f" ({', '.join(out)} {'is' if len(out) == 1 else 'are'} not in it)" if out else "")
    elif state["maintenance"]:
        yield "the cluster is in maintenance mode"
