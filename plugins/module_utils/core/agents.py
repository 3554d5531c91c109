# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of resource and fence agents checked against what the agent itself says about them (its XML metadata)."""
from __future__ import annotations

import difflib
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from .cib_values import KEEP, is_boolean, number

# Read by the fencer, not by the agent (pacemaker-fenced(7), pacemaker 2.1).
_FENCER = {"pcmk_host_argument", "pcmk_host_map", "pcmk_host_list", "pcmk_host_check", "pcmk_delay_max", "pcmk_delay_base", "pcmk_action_limit", "provides",
           "stonith-timeout", "priority"}
_FENCER |= {f"pcmk_{action}_{what}" for action in ("reboot", "off", "on", "list", "status", "monitor", "metadata") for what in ("action", "timeout", "retries")}
_GIVEN_BY_FENCER = {"action", "plug", "port", "nodename", "nodeid"}
_HOST_CHECKS = ("dynamic-list", "static-list", "status", "none")
_OWN_BUSINESS = {"metadata", "manpage", "validate-all", "start", "stop"}      # actions that no fencing is made of


# Names that fence agents have given up: the "deprecated" ones of all 82 agents of fence-agents 4.12. Whether one of them has, its metadata says.
OLD_NAMES = frozenset("login passwd passwd_script ipaddr port secure cmd_prompt sudo debug ribcl hidden_page node_name".split())


@dataclass(frozen=True)
class Option:
    name: str
    required: bool = False
    kind: str = "string"
    choices: tuple = ()
    obsoletes: str = ""
    deprecated: bool = False


def parse(text):
    """Return {name: Option} of an agent's metadata, or None when the agent says nothing usable."""
    start = text.find("<resource-agent")
    if start < 0:
        return None
    try:
        root = ET.fromstring(text[start:])
    except ET.ParseError:
        return None
    return {option.name: option for option in (_option(parameter) for parameter in root.iterfind("parameters/parameter"))}


def question(text):
    """Return the action that asks a fence device how it is: "status", or "monitor" of the few agents that have no other (fence_kdump)."""
    known = actions(text)
    return "monitor" if "monitor" in known and "status" not in known else "status"


def actions(text):
    """Return the names of an agent's actions.

    >>> sorted(actions('<actions><action name="off"/><action name="list-status"/></actions>'))
    ['list-status', 'off']
    """
    return set(re.findall(r'<action name="([\w-]+)"', text))


def _option(parameter):
    content = parameter.find("content")
    choices = tuple(option.get("value") for option in content.iterfind("option")) if content is not None else ()
    kind = content.get("type", "string") if content is not None else "string"
    # A default makes a "required" parameter optional in practice; IPaddr2's default="" of its required ip is none (resource-agents 4.12).
    default = content is not None and bool(content.get("default"))
    return Option(parameter.get("name"), parameter.get("required") == "1" and not default, kind, choices, parameter.get("obsoletes") or "",
                  parameter.get("deprecated") == "1")


def problems(where, options, known, fencing=False, able=()):
    """Return what is wrong with an object's options: unknown (with the nearest name), missing, or of a wrong type.

    able: the actions of a fence agent.
    """
    found = []
    for name, value in options.items():
        if fencing and name in _FENCER:
            found += _fencer_problem(where, name, value, able)
        elif name not in known:
            near = difflib.get_close_matches(name, sorted(set(known) | (_FENCER if fencing else set())), n=1, cutoff=0.5)
            found.append(f"{where}: the agent has no option '{name}'" + (f"; did you mean '{near[0]}'?" if near else f"; it has: {', '.join(sorted(known))}"))
        else:
            found += _value_problem(where, known[name], value)
    for option in known.values():
        covered = {option.name, option.obsoletes} | {other.name for other in known.values() if other.obsoletes == option.name}
        if option.required and not covered & set(options) and not (fencing and option.name in _GIVEN_BY_FENCER):
            found.append(f"{where}: the agent needs option '{option.name}'")
    return found


def property_problems(name, value, known):
    """Return what is wrong with a cluster property. One that pacemaker does not know may be somebody's own, unless it looks like a slip.

    >>> property_problems("no-quorum-polcy", "stop", {"no-quorum-policy": Option("no-quorum-policy")})
    ["property no-quorum-polcy: pacemaker does not know it; did you mean 'no-quorum-policy'?"]
    """
    if name in known:
        return _value_problem(f"property {name}", known[name], value)
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.8)
    return [f"property {name}: pacemaker does not know it; did you mean '{near[0]}'?"] if near else []


def missing(where, agent, installed):
    """Return what is wrong when an agent says nothing about itself. installed: names of the agents of its kind."""
    name = agent.split(":")[-1]
    if name in installed:
        return (f"{where}: agent '{agent}' is installed on this host, but does not describe itself; "
                f"see 'crm_resource --show-metadata {agent if ':' in agent else 'stonith:' + agent}'")
    near = difflib.get_close_matches(name, installed, n=1, cutoff=0.7)
    return f"{where}: agent '{agent}' is not installed on this host" + (f"; did you mean '{agent[:len(agent) - len(name)]}{near[0]}'?" if near else "")


def in_new_words(options, known):
    """Return (options under the names that the agent has now, {old name: new name}). What the agent still calls by the old name stays.

    >>> known = {"username": Option("username", obsoletes="login"), "login": Option("login", deprecated=True)}
    >>> in_new_words({"login": "fence", "ip": "1"}, known)
    ({'username': 'fence', 'ip': '1'}, {'login': 'username'})
    """
    heirs = {option.obsoletes: option.name for option in known.values() if option.obsoletes}
    renamed = {name: heirs[name] for name in options if name in heirs and heirs[name] not in options and (name not in known or known[name].deprecated)}
    return {renamed.get(name, name): value for name, value in options.items()}, renamed


def _fencer_problem(where, name, value, able):
    """Return what is wrong with an option of the fencer's own: it asks for what the agent cannot do, or takes a slip for its default, without a word."""
    where = f"{where}: option '{name}' is '{value}'"
    if value == KEEP:
        return []
    if name.endswith("_action") and able and value not in able:
        return [f"{where}, which the agent cannot do; use one of: {', '.join(sorted(set(able) - _OWN_BUSINESS))}"]
    if name == "pcmk_host_check" and value not in _HOST_CHECKS:
        return [f"{where}; use one of: {', '.join(_HOST_CHECKS)}"]
    if name.endswith(("_retries", "_limit")) and not re.match(r"^-?\d+$", value):
        return [f"{where}, which is not a whole number"]
    times = [one.split(":")[-1] for one in re.split(r"[;,\s]+", value) if one] if name == "pcmk_delay_base" else [value]
    if name.endswith(("timeout", "_delay_base", "_delay_max")) and None in map(number, times):
        return [f"{where}, which is not a duration"]
    return []


def _value_problem(where, option, value):
    if value == KEEP:
        return []
    if option.kind == "boolean" and not is_boolean(value):
        return [f"{where}: option '{option.name}' is '{value}', which is neither yes nor no"]
    if option.kind in ("select", "enum") and option.choices and value not in option.choices:
        return [f"{where}: option '{option.name}' is '{value}'; use one of: {', '.join(option.choices)}"]
    if option.kind == "integer" and not re.match(r"^-?\d+$", value):
        return [f"{where}: option '{option.name}' is '{value}', which is not a whole number"]
    if option.kind in ("second", "time") and number(value) is None:
        return [f"{where}: option '{option.name}' is '{value}', which is not a duration"]
    return []


def status_request(options, node=None, action="status"):
    """Return what a fence agent reads from its standard input to answer ``status`` for a node.

    >>> status_request({"ip": "1", "pcmk_host_list": "a", "pcmk_host_map": "a:7"}, "a")
    'ip=1\\naction=status\\nplug=7\\nport=7\\nnodename=a\\n'
    """
    lines = [f"{name}={value}" for name, value in options.items() if not name.startswith("pcmk_") and name not in _FENCER | _GIVEN_BY_FENCER]
    lines += [f"{name}={options[name]}" for name in ("plug", "port") if name in options] + [f"action={action}"]
    mapped = dict(part.split(":", 1) for part in re.split(r"[;,\s]+", options.get("pcmk_host_map", "")) if ":" in part)
    if node in mapped:
        lines += [f"plug={mapped[node]}", f"port={mapped[node]}"]
    return "\n".join(lines + ([f"nodename={node}"] if node else [])) + "\n"


def fenced_nodes(options):
    """Return the names of the nodes that a fence device is declared for."""
    mapped = [part.split(":", 1)[0] for part in re.split(r"[;,\s]+", options.get("pcmk_host_map", "")) if ":" in part]
    return mapped + [name for name in re.split(r"[;,\s]+", options.get("pcmk_host_list", "")) if name and name not in mapped]
