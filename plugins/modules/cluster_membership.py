#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_membership
short_description: Set up and start a pacemaker cluster
version_added: "0.1.0"
description:
  - Authenticates the nodes to each other, sets corosync up with encryption and (for a pair) C(two_node) with C(wait_for_all), and starts the cluster.
    Run it once for each cluster, on the node that O(states) favours, after M(constellation.opennebula.cluster_host) on every node.
  - What is there is read, not remembered, so an interrupted setup is completed by the next run.
  - A node that is out of a running cluster is left alone, because it was fenced or stopped. Members of a standing cluster are compared with O(nodes) and never
    changed. The cluster is never destroyed and never enabled at boot.
options:
  name:
    description: Name of the cluster.
    type: str
    required: true
  nodes:
    description: Addresses of each node, by its name.
    type: dict
    required: true
  password:
    description: Password of the account C(hacluster). It is only used to authenticate nodes that are not authenticated yet, and is passed by standard input.
    type: str
    required: true
  states:
    description:
      - RV(constellation.opennebula.cluster_host#module:state) of each node that can be reached, by its name.
      - A node that is missing here is taken as unreachable.
    type: dict
    required: true
  first_properties:
    description: Cluster properties that already hold at the very first start. A short C(dc-deadtime) saves 15 seconds.
    type: dict
    default:
      dc-deadtime: 1s
  wait_timeout_s:
    description: How long the start may take, in seconds.
    type: int
    default: 120
author:
  - The constellation.opennebula team (@constellation)
seealso:
  - module: constellation.opennebula.cluster_host
  - module: constellation.opennebula.cluster_config
"""

EXAMPLES = r"""
- name: Set up and start the cluster
  constellation.opennebula.cluster_membership:
    name: one-alpha
    nodes: {fe1: [192.0.2.11], fe2: [192.0.2.12]}
    password: "{{ vault_hacluster_password }}"
    states:
      fe1: "{{ hostvars.fe1.host.state }}"
      fe2: "{{ hostvars.fe2.host.state }}"
  run_once: true
"""

RETURN = r"""
changes:
  description: What was done.
  returned: always
  type: list
  elements: dict
  sample: [{"kind": "node", "target": "fe1", "before": "stopped", "after": "started"}]
"""

from ..module_utils import glue
from ..module_utils.adapters import pacemaker
from ..module_utils.core import cib, cluster_members, cluster_status
from ..module_utils.core.cluster_members import parse_corosync_conf
from ..module_utils.core.converge import converge
from ..module_utils.core.errors import CoreError, NotThere


def ensure(params, cluster, check_mode, clock=pacemaker.Clock):
    nodes = {name: [addresses] if isinstance(addresses, str) else list(addresses) for name, addresses in params["nodes"].items()}
    wanted, first = {"cluster_name": params["name"], "nodes": nodes}, []

    def read():
        states = {name: state for name, state in params["states"].items() if name in nodes and state}
        if first:                                        # only after a change: the given states are older than it
            states = _now(cluster, states, nodes)
        first.append(True)
        return states, cluster_members.parse_known_hosts(cluster.known_hosts())

    def plan(found):
        return cluster_members.plan(wanted, *found)

    def apply(todo):
        steps = [change.step for change in todo]
        if any(step == "authenticate" for step, dummy in steps):
            cluster.authenticate(nodes, "hacluster", params["password"])
        if any(step == "setup" for step, dummy in steps):
            cluster.setup(params["name"], nodes)
        if any(step == "distribute" for step, dummy in steps):
            cluster.distribute()
        starting = [node for step, node in steps if step == "start"]
        if starting:
            if not cluster.has_cib() and len(starting) == len(nodes):
                cluster.seed(_first_cib(cluster, params["first_properties"]))
            cluster.start(starting)
            _await(cluster, starting, params["wait_timeout_s"], clock)

    return converge(read, plan, apply, check_mode, header=f"cluster {params['name']}")


def _now(cluster, states, nodes):
    """Return the states as this node sees them now: who is online has its corosync.conf and takes part in the quorum."""
    try:
        seen = cluster_status.parse(cluster.monitor())
    except NotThere:
        return states
    conf = parse_corosync_conf(cluster.members() or "")
    online = [node["name"] for node in seen["nodes"] if node["online"]]
    return {name: {"corosync": conf, "running": name in online, "quorate": seen["quorate"]} for name in nodes if name in states or name in online}


def _first_cib(cluster, properties):
    root = cib.parse(cluster.empty_cib())
    text = cib.render(root, cib.plan(root, cib.declared({"properties": properties})))
    root = cib.parse(text)
    root.set("epoch", "0")                               # older than any configuration that another node may still have
    return cib.render(root, ())


def _await(cluster, nodes, timeout_s, clock):
    """Wait until every started node is a full member and a coordinator is there."""
    deadline, missing = clock.now() + timeout_s, nodes
    while missing:
        try:
            seen = cluster_status.parse(cluster.monitor())
            missing = [name for name in nodes if not any(node["name"] == name and node["online"] and not node["pending"] for node in seen["nodes"])]
            if not missing and seen["dc"]:
                return
        except NotThere:
            missing = nodes
        if clock.now() > deadline:
            raise CoreError(f"{', '.join(missing or nodes)} did not join the cluster", why=f"not online after {timeout_s} s",
                            hint="Look at 'journalctl -u corosync -u pacemaker' there, and whether udp port 5405 is open between the nodes.")
        clock.sleep(0.3)


SPEC = {
    "name": {"type": "str", "required": True},
    "nodes": {"type": "dict", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "states": {"type": "dict", "required": True},
    "first_properties": {"type": "dict", "default": {"dc-deadtime": "1s"}},
    "wait_timeout_s": {"type": "int", "default": 120},
}


def main():
    module = glue.module(argument_spec=SPEC)
    glue.run(module, lambda: ensure(module.params, pacemaker.Pacemaker(module.tmpdir), module.check_mode))


if __name__ == "__main__":
    main()
