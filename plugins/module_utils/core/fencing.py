# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node has power, as its fence devices answer, and what is left to do so that it has, or has not.

A fence agent's ``status`` ends with 0 for on and 2 for off (FenceAgentAPI.md of fence-agents 4.12); anything else is no answer.
"""
from __future__ import annotations

from . import agents
from .errors import CoreError
from .plan import Change, Plan

POWER = {0: "on", 2: "off"}


def devices(objects, node):
    """Return [(device, its values)] of the fence devices that are declared for a node (objects: cib.objects)."""
    found = [(name, values) for (kind, name), values in objects.items() if kind == "fence device" and node in agents.fenced_nodes(values["options"])]
    if not found:
        raise CoreError(f"node {node} has no fence device", why="the cluster's configuration names none for it",
                        hint="Declare its fence variable and run site.yml with --tags cluster.")
    return found


def power(node, answers):
    """Return "on" or "off" from [(device, exit code of status, what it said)]; raise when the devices do not agree on an answer."""
    states = {POWER.get(code) for unused, code, unused_text in answers}
    if len(states) != 1 or None in states:
        said = "; ".join(f"{device}: {POWER.get(code) or f'no answer ({code}) {text}'.strip()}" for device, code, text in answers)
        raise CoreError(f"the power of node {node} is unknown", why=said, hint="Check address, account and password of the device. Nothing was switched.")
    return states.pop()


def plan(node, now, wanted):
    """Return the Plan that switches a node's power."""
    return Plan((Change("power", node, now, wanted),) if now != wanted else ())
