# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fence devices of a node: their names, what an inventory does to them, whether the node has power, as they answer, and what is left to do.

A fence agent's ``status`` ends with 0 for on and 2 for off (FenceAgentAPI.md of fence-agents 4.12); anything else is no answer.
"""
from __future__ import annotations

from . import agents
from .cib_values import boolean, number, text
from .errors import CoreError
from .plan import Change, Plan

LEVELS = 3                                               # ways to fence one node that an inventory may name


def declared(fence):
    """Return a host's fence variable as the list of its devices, in the order in which they are tried."""
    return [fence] if isinstance(fence, dict) else list(fence) if isinstance(fence, (list, tuple)) else []


def is_usable(device):
    """Tell whether one device of a fence variable is a mapping with at least the name of an agent."""
    return _is_mapping(device) and bool(device.get("agent")) and isinstance(device["agent"], str)


def device_id(node, level=1):
    """Return the name of a node's fence device.

    >>> device_id("fe1"), device_id("fe1", 2)
    ('fence_fe1', 'fence_fe1_level2')
    """
    return f"fence_{node}" + (f"_level{level}" if level > 1 else "")


def judge(zone, laboratory, third_vote, hosts):
    """Return (problems, warnings) of the cluster settings by which an inventory overrides what makes a partition end right.

    hosts: {front-end: its variables}.
    """
    problems = [f"zone {zone}: {name} of {host} must be a mapping of names to values" for host, variables in hosts.items()
                for name in ("cluster_properties", "cluster_fence_options") if variables.get(name) and not _is_mapping(variables[name])]
    warnings = []
    given = [(_mapping(variables.get("cluster_properties")), _mapping(variables.get("cluster_fence_options")), declared(variables.get("fence")))
             for variables in hosts.values()]
    properties = {name: value for own, dummy_options, dummy_fence in given for name, value in own.items()}
    label = f"zone {zone}: cluster_properties has"
    if boolean(text(properties.get("stonith-enabled", True))) == "false" and not laboratory:
        problems.append(f"{label} stonith-enabled: {properties['stonith-enabled']}: without fencing a partition runs both front-ends. Take it out "
                        "(or, where no data matters, zone_laboratory: true)")
    if text(properties.get("no-quorum-policy")) == "ignore":
        warnings.append(f"{label} no-quorum-policy: ignore: a front-end that starts while it does not see its peer fences that, however healthy it is. "
                        "Without the line it is stop, and waits")
    static = {host: _delay(options, _mapping(fence[0])) for host, (dummy_own, options, fence) in zip(hosts, given) if fence}
    head_start = number(text(properties.get("priority-fencing-delay", "5s") or 0))       # null and 0 are none
    if len(hosts) == len(static) == 2 and None not in static.values() and not third_vote:
        one, other = static.values()
        if head_start == 0 and one == other:
            problems.append(f"{label} priority-fencing-delay: {properties['priority-fencing-delay']}: nobody waits before it fences, and in a partition the "
                            "two front-ends kill each other. Take it out, or give the fence of one front-end a delay_s, or the zone a third vote")
        elif head_start and abs(one - other) == head_start:          # pacemaker adds it to the static delay of whoever runs the service
            problems.append(f"zone {zone}: fencing of {_told(static)} is delayed, as much as priority-fencing-delay adds for the one that runs OpenNebula: in "
                            "a partition both may wait equally long and kill each other. Take the static delay out, or make priority-fencing-delay "
                            "twice as long")
    rebooted = [host for host, (dummy_own, options, fence) in zip(hosts, given) if any(_reboots(options, _mapping(one)) for one in fence)]
    if rebooted:
        warnings.append(f"zone {zone}: fencing reboots {' and '.join(rebooted)}: nobody takes over before the machine has power again. Without action and "
                        "pcmk_reboot_action it is switched off, which is sooner done, and rejoin.yml lets it back in")
    if any(static.values()) and (head_start != 0 or len(hosts) != 2 or third_vote):       # otherwise it alone decides who fences first
        warnings.append(f"zone {zone}: fencing of {_told(static)} is delayed in any case (delay_s, delay, pcmk_delay_base): so much later its crash is "
                        "answered, and in a partition the delay may level out what favours whoever runs OpenNebula. Without it "
                        + ("the majority fences at once" if third_vote or len(hosts) > 2 else "priority-fencing-delay favours that one"))
    return problems, warnings


def _told(static):
    return " and ".join(f"{host} by {delay:g} s" for host, delay in static.items() if delay)


def _reboots(options, fence):
    """Tell whether a device reboots when the cluster asks for a reboot (the role makes that off)."""
    return text(fence.get("pcmk_reboot_action") or fence.get("action") or options.get("pcmk_reboot_action") or "off") == "reboot"


def _delay(options, fence):
    """Return the seconds that the fencing of a front-end waits in any case, None where they are random or unknown."""
    own = dict(options, **({"pcmk_delay_base": fence["delay_s"]} if fence.get("delay_s") else {}), **fence)
    parts = [number(text(own.get(name) or 0)) for name in ("pcmk_delay_base", "delay")]
    return None if None in parts or own.get("pcmk_delay_max") else sum(parts)


def _is_mapping(given):
    return isinstance(given, dict) and all(isinstance(name, str) for name in given)


def _mapping(given):
    return given if _is_mapping(given) else {}


POWER = {0: "on", 2: "off"}


def devices(objects, node):
    """Return [(device, its values)] of the fence devices that are declared for a node (objects: cib.objects)."""
    found = [(name, values) for (kind, name), values in objects.items() if kind == "fence device" and node in agents.fenced_nodes(values["options"])]
    if not found:
        raise CoreError(f"node {node} has no fence device", why="the cluster's configuration names none for it",
                        hint="Declare its fence variable and run site.yml with --tags cluster.")
    return found


def levels(objects, node):
    """Return [[device, …], …] of the fence levels that are declared for a node by name."""
    return [values["devices"].split(",") for (kind, unused), values in objects.items() if kind == "fence level" and values.get("target") == node]


def power(node, answers, topology=()):
    """Return "on" or "off" from [(device, exit code of status, what it said)]; raise when that is not certain.

    topology: the node's fence levels. All devices of one level off means off, though those of another level (an outlet behind a management
    board) still give power. Without levels all devices must say the same.
    """
    state = {device: POWER.get(code) for device, code, unused_text in answers}
    states = set(state.values())
    if topology and any(all(state.get(device) == "off" for device in level) for level in topology):
        return "off"
    if topology and all(any(state.get(device) == "on" for device in level) for level in topology):
        return "on"
    if topology or len(states) != 1 or None in states:
        said = "; ".join(f"{device}: {POWER.get(code) or f'no answer ({code}) {text}'.strip()}" for device, code, text in answers)
        raise CoreError(f"the power of node {node} is unknown", why=said, hint="Check address, account and password of the device. Nothing was switched.")
    return states.pop()


def is_member(node, state):
    """Tell whether a node takes part in the cluster (state: cluster_status.parse)."""
    return any(entry["name"] == node and entry["online"] for entry in state["nodes"])


def contradiction(node, names):
    """Return the error for devices that call a member of the cluster off: believing them would start a second copy of what runs there."""
    return CoreError(f"the power of node {node} is unknown", why=f"{', '.join(names)}: off, but {node} is a member of this cluster",
                     hint="The device is that of another machine, or lies. Nothing further was switched; look at the machine itself before anything else.")


def plan(node, now, wanted):
    """Return the Plan that switches a node's power."""
    return Plan((Change("power", node, now, wanted),) if now != wanted else ())
