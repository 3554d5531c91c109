# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who belongs to a cluster: corosync.conf compared with the inventory, and what is left to do until every node is in.

Steps, each decided from what was read on every reachable node (``states``, see cluster_host), never from what a previous run did:

    no corosync.conf anywhere        authenticate, set up, seed the first configuration, start
    corosync.conf on some nodes      an interrupted setup (keys travel before the file): distribute it to the others
    another name, node or address    refuse: changing a cluster's members is asked for by name, never by an edited inventory
    the cluster runs nowhere         start it on all nodes (wait_for_all: one alone would only wait)
    it runs, without quorum          the first start was interrupted: start the others
    it runs, with quorum             a node that is out was fenced or stopped: the rejoin gate's business, not ours
"""
from __future__ import annotations

import re

from .errors import CoreError, Problems
from .plan import Change, Plan

_LINE = re.compile(r"^\s*(?:(?P<open>[\w.-]+)\s*\{|(?P<close>\})|(?P<name>[\w.-]+)\s*:\s*(?P<value>.*?))\s*$")


def parse_corosync_conf(text):
    """Return {cluster_name, nodes: {name: [addresses]}, two_node, wait_for_all, device} of a corosync.conf (3.1, corosync.conf(5)).

    >>> parse_corosync_conf("totem {\\n cluster_name: a\\n}\\nnodelist {\\n node {\\n ring0_addr: 1.2.3.4\\n name: n\\n }\\n}")["nodes"]
    {'n': ['1.2.3.4']}
    """
    stack, nodes, top = [], [], {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.match(line)
        if not match:
            raise CoreError("cannot read corosync.conf", f"/etc/corosync/corosync.conf:{number}", f"not 'name: value' and not a section: {line.strip()!r}")
        if match.group("open"):
            stack.append(match.group("open"))
            if stack == ["nodelist", "node"]:
                nodes.append({})
        elif match.group("close"):
            if not stack:
                raise CoreError("cannot read corosync.conf", f"/etc/corosync/corosync.conf:{number}", "'}' closes nothing")
            stack.pop()
        elif stack == ["nodelist", "node"]:
            nodes[-1][match.group("name")] = match.group("value")
        else:
            top[".".join(stack + [match.group("name")])] = match.group("value")
    if stack:
        raise CoreError("cannot read corosync.conf", "/etc/corosync/corosync.conf", f"section '{stack[-1]}' is never closed")
    two_node = top.get("quorum.two_node") == "1"
    return {"cluster_name": top.get("totem.cluster_name"), "two_node": two_node,
            "wait_for_all": top.get("quorum.wait_for_all", "1" if two_node else "0") == "1", "device": top.get("quorum.device.model"),
            "nodes": {node.get("name", node.get("ring0_addr")): [node[key] for key in sorted(node) if key.startswith("ring")] for node in nodes}}


def is_example(conf):
    """Tell whether this is the file that Debian's package brings (and starts): a cluster on the loopback address has no peers.

    >>> is_example({"nodes": {"node1": ["127.0.0.1"]}}), is_example({"nodes": {"fe1": ["192.0.2.1"]}}), is_example(None)
    (True, False, False)
    """
    addresses = [address for given in (conf or {}).get("nodes", {}).values() for address in given]
    return bool(addresses) and all(address.startswith("127.") or address == "::1" for address in addresses)


def parse_known_hosts(data):
    """Return the names that pcs can reach without a password (/var/lib/pcsd/known-hosts, JSON already read)."""
    return sorted(name for name, entry in (data or {}).get("known_hosts", {}).items() if entry.get("token"))


def conductor(nodes, states):
    """Return the node on which a cluster's one-time tasks run: one that is in the cluster, else one that knows it, else the first.

    >>> conductor(["a", "b"], {"a": {"running": False}, "b": {"running": True}})
    'b'
    """
    def rank(node):
        state = states[node]
        return (not (state.get("running") and state.get("quorate")), not state.get("running"), not state.get("corosync"), nodes.index(node))
    return min((node for node in nodes if states.get(node)), key=rank, default=None)


def plan(wanted, states, known_hosts):
    """Return the Plan for a cluster.

    wanted: {cluster_name, nodes: {name: [addresses]}}; states: {reachable node: {corosync: parsed or None, running, quorate}};
    known_hosts: what parse_known_hosts says on the conductor.
    """
    nodes, silent = list(wanted["nodes"]), [node for node in wanted["nodes"] if node not in states]
    _refuse_other_clusters(wanted, states)
    having = [node for node in states if states[node].get("corosync")]
    changes, warnings = [], []
    if not set(nodes) <= set(known_hosts):
        changes.append(Change("host authentication", wanted["cluster_name"], known_hosts or None, nodes, step=("authenticate", nodes)))
    if not having:
        _all_reachable(silent, "set up", wanted["cluster_name"])
        changes.append(Change("cluster", wanted["cluster_name"], None, {"nodes": {name: ", ".join(wanted["nodes"][name]) for name in nodes}},
                              step=("setup", nodes)))
    lacking = [node for node in states if node not in having]
    if having and lacking:
        changes.append(Change("corosync.conf", ", ".join(lacking), None, "distributed", step=("distribute", lacking)))
    start, warnings = _who_starts(wanted["cluster_name"], states, silent)
    changes += [Change("node", node, "stopped", "started", step=("start", node)) for node in start]
    return Plan(tuple(changes), tuple(warnings))


def _who_starts(name, states, silent):
    running = [node for node in states if states[node].get("running")]
    stopped = [node for node in states if node not in running]
    if any(states[node].get("quorate") for node in running):
        return [], [f"{node} is not in the running cluster {name}: it was fenced or stopped, and joins through the rejoin playbook" for node in stopped]
    _all_reachable(silent, "started", name)
    return stopped, []


def _all_reachable(silent, verb, name):
    if silent:
        raise CoreError(f"cluster {name} cannot be {verb}",
                        why=f"{', '.join(silent)} cannot be reached, and a pair starts only when both are there (wait_for_all)",
                        hint=f"Power {', '.join(silent)} on, or see the runbook for starting with one front-end.")


def _refuse_other_clusters(wanted, states):
    problems = []
    for node, state in states.items():
        found = state.get("corosync")
        if not found:
            continue
        if found["cluster_name"] != wanted["cluster_name"]:
            problems.append(f"{node} belongs to cluster '{found['cluster_name']}', not '{wanted['cluster_name']}'")
        elif found["nodes"] != wanted["nodes"]:
            for name in sorted(set(found["nodes"]) | set(wanted["nodes"])):
                if found["nodes"].get(name) != wanted["nodes"].get(name):
                    problems.append(f"{node}: corosync.conf has {name} = {_shown(found['nodes'].get(name))}, the inventory {_shown(wanted['nodes'].get(name))}")
    if problems:
        raise Problems("the cluster that stands is not the cluster of the inventory", problems,
                       hint="Correct the inventory, or change the members with pcs (cluster node add / remove), then run again.")


def _shown(addresses):
    return ", ".join(addresses) if addresses else "nothing"
