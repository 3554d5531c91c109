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
  - A node of O(nodes) that is no member of the standing cluster is added and started. A member that is not in O(nodes) is refused, unless
    O(remove_nodes) has it.
  - Options of C(corosync.conf) are compared with O(corosync), changed on all nodes and brought into force by a reload, without a restart. What corosync takes
    only when it starts is refused while the cluster runs. Corosync checks the new file before any node gets it.
  - C(two_node) follows from the number of nodes and O(quorum_device).
  - A node that is out of a running cluster is left alone, because it was fenced or stopped. The cluster is never destroyed and never enabled at boot.
options:
  name:
    description: Name of the cluster.
    type: str
    required: true
  nodes:
    description:
      - Addresses of each node, by its name. Each address is a link of corosync's, and all nodes have as many.
      - An address that every node has more than the standing cluster becomes a new link of it, without a restart.
    type: dict
    required: true
  password:
    description:
      - Password of the account C(hacluster), also on the host of the quorum device. It is only used to authenticate hosts that are not authenticated yet,
        and is passed by standard input.
    type: str
    required: true
  states:
    description:
      - RV(constellation.opennebula.cluster_host#module:state) of each node that can be reached, by its name.
      - A node that is missing here is taken as unreachable.
    type: dict
    required: true
  remove_nodes:
    description:
      - Members to take out of the standing cluster, by name. Their cluster configuration is removed on them, too, unless they are down.
      - A name that is no member any more changes nothing.
    type: list
    elements: str
    default: []
  remove_links:
    description:
      - Links to take out of the standing cluster, each named by the address that any of its nodes has on it. Corosync reloads, nothing restarts.
      - Together with other addresses in O(nodes) a network is replaced. The new link comes first.
      - An address that is on no link any more changes nothing.
    type: list
    elements: str
    default: []
  corosync:
    description:
      - Options of C(corosync.conf) by section and name, as in the examples. Others stay as they are. A null takes an option out.
      - Nodes, C(two_node) and the quorum device have options of their own.
    type: dict
    default: {}
  quorum_device:
    description:
      - The third vote of two nodes. When absent, what is there stays.
      - A device is declared whole, so a suboption that is not given (any more) goes back to its default. Options of the device that are none of these stay.
    type: dict
    suboptions:
      state:
        description: Whether the cluster has a quorum device.
        type: str
        choices: [present, absent]
        default: present
      host:
        description: Address at which the nodes reach the host that runs C(corosync-qnetd) and C(pcsd). An address, since a name could get lost.
        type: str
      algorithm:
        description: V(ffsplit) gives the vote to one half of the nodes, V(lms) to the last node as well.
        type: str
        choices: [ffsplit, lms]
        default: ffsplit
      tie_breaker:
        description: Which side gets the vote when the nodes lose each other, C(lowest) or C(highest) or a node's number. The default is corosync's, C(lowest).
        type: str
      timeout_ms:
        description: After how long a device that does not answer counts as lost. The default is corosync's, 10 seconds.
        type: int
      sync_timeout_ms:
        description: How long a new membership waits for the vote. The default is corosync's, 30 seconds.
        type: int
      prefer:
        description:
          - Command that succeeds on the node that shall get the vote when the nodes lose each other, before O(quorum_device.tie_breaker) decides.
            It is run without a shell, so it begins with a path.
        type: str
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

- name: Give the pair a third vote, and detect a lost node after 3 seconds
  constellation.opennebula.cluster_membership:
    name: one-alpha
    nodes: {fe1: [192.0.2.11], fe2: [192.0.2.12]}
    password: "{{ vault_hacluster_password }}"
    states: "{{ states }}"
    corosync: {totem: {token: 3000}}
    quorum_device: {host: 192.0.2.9, algorithm: ffsplit}

- name: Take a front-end out of the cluster
  constellation.opennebula.cluster_membership:
    name: one-alpha
    nodes: {fe1: [192.0.2.11], fe2: [192.0.2.12]}
    remove_nodes: [fe3]
    password: "{{ vault_hacluster_password }}"
    states: "{{ states }}"

- name: Take the second link out
  constellation.opennebula.cluster_membership:
    name: one-alpha
    nodes: {fe1: [192.0.2.11], fe2: [192.0.2.12]}
    remove_links: [198.51.100.11]
    password: "{{ vault_hacluster_password }}"
    states: "{{ states }}"
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
from ..module_utils.core import cib, cluster_members, cluster_status, corosync_conf, quorum_device
from ..module_utils.core.cluster_members import Wanted, parse_corosync_conf
from ..module_utils.core.converge import converge
from ..module_utils.core.errors import CoreError, NotThere, Problems


def ensure(params, cluster, check_mode, clock=pacemaker.Clock):
    wanted, first = _wanted(params), []
    nodes = wanted.nodes

    def read():
        states = {name: state for name, state in params["states"].items() if name in nodes and state}
        if first:                                        # only after a change: the given states are older than it
            states = _now(cluster, states, nodes)
        first.append(True)
        return states, cluster_members.parse_known_hosts(cluster.known_hosts()), _here(cluster, states)

    def plan(found):
        todo = cluster_members.plan(wanted, *found)
        _check_options(cluster, [change.step for change in todo], cluster_members.conductor(list(nodes), found[0]))
        return todo

    def apply(todo):
        steps = [change.step for change in todo]
        untold = [host for step in steps if step[0] == "authenticate" for host in step[1]]
        if untold:
            cluster.authenticate({host: nodes.get(host, [host]) for host in untold}, "hacluster", params["password"])
        if any(step[0] == "setup" for step in steps):
            cluster.setup(wanted.cluster_name, nodes)
        _change_device(cluster, steps, ("remove",))      # first: pcs gives certificates of the device to each node that comes
        _change_members(cluster, nodes, steps)
        _change_options(cluster, steps)
        _change_device(cluster, steps, ("replace", "add", "update"))
        starting = [step[1] for step in steps if step[0] == "start"]
        if starting:
            if not cluster.has_cib() and len(starting) == len(nodes):
                cluster.seed(_first_cib(cluster, params["first_properties"]))
            cluster.start(starting)
            _await(cluster, starting, params["wait_timeout_s"], clock)
        if any(step[:1] == ("device",) and step[1] != "remove" for step in steps):
            _await_vote(cluster, params["wait_timeout_s"], clock)

    return converge(read, plan, apply, check_mode, header=f"cluster {params['name']}")


def _wanted(params):
    nodes = {name: [addresses] if isinstance(addresses, str) else list(addresses) for name, addresses in params["nodes"].items()}
    options = corosync_conf.flat(params["corosync"])
    problems = corosync_conf.problems(options)
    if problems:
        raise Problems("the options for corosync are not usable", problems, hint="Nothing was changed.")
    return Wanted(params["name"], nodes, tuple(params["remove_nodes"] or ()), options, quorum_device.declared(params["quorum_device"]),
                  tuple(params["remove_links"] or ()))


def _here(cluster, states):
    """Return what this node knows of the running cluster, {} when it does not run here."""
    if not any(state.get("running") for state in states.values()):
        return {}
    try:
        return {"nodes": cluster_status.parse(cluster.monitor())["nodes"], "options": corosync_conf.parse_running(cluster.running_options())}
    except NotThere:
        return {}


def _edits(steps):
    return {step[1]: step[2] for step in steps if step[0] == "option"}


def _check_options(cluster, steps, here):
    """Let corosync look at the configuration before any node gets it: a reload that fails would leave all with a file that no start survives."""
    text = cluster.members()
    if text and {"start", "distribute", "add"} & {step[0] for step in steps} and "setup" not in {step[0] for step in steps}:
        wrong = cluster.check_members(corosync_conf.edited(text, _edits(steps)))
        if wrong:
            raise Problems(f"corosync does not take the {corosync_conf.PATH} of {here}", wrong,
                           hint="Nothing was changed, and no other node got it. Mend that file, or copy that of a peer, then run again.")
    wrong = cluster.check_members(corosync_conf.edited(text, _edits(steps))) if text and _edits(steps) else []
    wrong = [line for line in wrong if line not in cluster.check_members(text)] if wrong else []
    if wrong:
        raise Problems("corosync does not take these options", wrong, hint="Nothing was changed.")


def _change_members(cluster, nodes, steps):
    for step in steps:
        if step[0] == "remove":
            cluster.remove_node(step[1], offline=not step[2])
    for step in steps:
        if step[0] == "link":
            cluster.add_link(step[1])
    for step in steps:
        if step[0] == "unlink":
            cluster.remove_link(corosync_conf.Document(cluster.members()).link(step[1]))
    for step in steps:
        if step[0] == "add":
            cluster.add_node(step[1], cluster_members.in_order(nodes, step[1], parse_corosync_conf(cluster.members())["nodes"]))


def _change_options(cluster, steps):
    """Edit this node's corosync.conf, send it to all, and reload what runs."""
    if _edits(steps):
        text = cluster.members()
        new = corosync_conf.edited(text, _edits(steps))
        wrong = cluster.check_members(new)               # after a setup it is the first look
        if wrong and not cluster.check_members(text):
            raise Problems("corosync does not take these options", wrong, hint="corosync.conf is as it was.")
        cluster.write_members(new)
    if _edits(steps) or any(step[0] == "distribute" for step in steps):
        cluster.distribute()
    if (_edits(steps) or any(step[0] in ("distribute", "reload") for step in steps)) and cluster.quorum():
        cluster.reload()


def _change_device(cluster, steps, verbs):
    for verb, options in (step[1:] for step in steps if step[0] == "device" and step[1] in verbs):
        if verb in ("remove", "replace"):
            cluster.change_device("remove")
        if verb != "remove":
            cluster.change_device("add" if verb == "replace" else verb, *quorum_device.arguments(options))


def _now(cluster, states, nodes):
    """Return the states as this node sees them now: who is online has its corosync.conf and takes part in the quorum."""
    text = cluster.members()
    conf = parse_corosync_conf(text) if text else None
    try:
        seen = cluster_status.parse(cluster.monitor())
    except NotThere:
        return {name: dict(state, corosync=conf) for name, state in states.items()}
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
            if not missing and seen["dc"] and seen["quorate"]:
                return
        except NotThere:
            missing = nodes
        if clock.now() > deadline:
            raise CoreError(f"{', '.join(missing or nodes)} did not join the cluster", why=f"not online after {timeout_s} s",
                            hint="Look at 'journalctl -u corosync -u pacemaker' there, and whether udp port 5405 is open between the nodes.")
        clock.sleep(0.3)


def _await_vote(cluster, timeout_s, clock):
    """Wait until the quorum device gives this side its vote: pcs reports success either way."""
    if not cluster.quorum():                             # the cluster does not run; its start asks for the vote
        return
    deadline = clock.now() + timeout_s
    while True:
        device = (quorum_device.parse_quorum(cluster.quorum()) or {}).get("device")
        if device and device["votes"]:
            return
        if clock.now() > deadline:
            raise CoreError("the quorum device gives no vote", why=f"{'connected' if device and device['connected'] else 'not connected'} after {timeout_s} s",
                            hint="Look at 'corosync-qdevice-tool -s' here and at 'journalctl -u corosync-qnetd' on its host; tcp 5403 must be open there.")
        clock.sleep(0.5)


SPEC = {
    "name": {"type": "str", "required": True},
    "nodes": {"type": "dict", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "states": {"type": "dict", "required": True},
    "remove_nodes": {"type": "list", "elements": "str", "default": []},
    "remove_links": {"type": "list", "elements": "str", "default": []},
    "corosync": {"type": "dict", "default": {}},
    "quorum_device": {"type": "dict", "required_if": [("state", "present", ("host",))], "options": {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"}, "host": {"type": "str"},
        "algorithm": {"type": "str", "choices": ["ffsplit", "lms"], "default": "ffsplit"}, "tie_breaker": {"type": "str"},
        "timeout_ms": {"type": "int"}, "sync_timeout_ms": {"type": "int"}, "prefer": {"type": "str"}}},
    "first_properties": {"type": "dict", "default": {"dc-deadtime": "1s"}},
    "wait_timeout_s": {"type": "int", "default": 120},
}


def main():
    module = glue.module(argument_spec=SPEC)
    glue.run(module, lambda: ensure(module.params, pacemaker.Pacemaker(module.tmpdir), module.check_mode))


if __name__ == "__main__":
    main()
