#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_config
short_description: Manage the pacemaker configuration of a cluster as one declaration
version_added: "0.1.0"
description:
  - Compares one declarative description with the live cluster information base (CIB) by meaning, applies the difference as one patch,
    waits until the cluster is idle and reads again. Run it once for each cluster, on a node where the cluster runs.
  - An object that is declared is managed completely. An option, operation or meta attribute of it that was not declared is removed.
    Cluster properties, defaults and attributes of nodes that were not declared, and all other objects, stay as they are.
    A resource that is not declared and that a colocation keeps with one that is gets a warning.
  - What it cannot describe (bundles, templates, tags, access control lists, lifetimes, values by reference) stays as it is, too.
  - Options of agents are checked against the agents' own metadata, properties against pacemaker's, the new configuration as a whole by C(crm_verify),
    and fence devices have to answer C(status), before anything changes. All this happens in check mode, too.
  - A fence device that calls a node off that is a member of the cluster belongs to another machine, and is refused.
  - In check mode on a host without a running cluster, everything is predicted as to be created.
options:
  description:
    description: What the cluster consists of. RV(constellation.opennebula.cluster_info#module:description) has the same shape.
    type: dict
    required: true
    suboptions:
      properties:
        description: Cluster properties, for example C(no-quorum-policy). A value of V(null) takes the property out.
        type: dict
      resource_defaults:
        description: Default meta attributes of resources, for example C(resource-stickiness). A value of V(null) takes the default out.
        type: dict
      operation_defaults:
        description: Default attributes of operations, for example C(timeout). A value of V(null) takes the default out.
        type: dict
      node_attributes:
        description: Permanent attributes of nodes, as a mapping of node to names and values. A value of V(null) takes the attribute out.
        type: dict
      node_utilization:
        description: What nodes have to offer, as a mapping of node to names and whole numbers. A value of V(null) takes it out.
        type: dict
      resource_default_sets:
        description: Default meta attributes that hold only under a rule.
        type: list
        elements: dict
        suboptions: &default_set
          id: &id
            description: Name in the cluster.
            type: str
            required: true
          rule:
            description:
              - Rule with C(expressions), a list of mappings with one key each, C(expression), C(date_expression), C(rsc_expression), C(op_expression)
                or C(rule), and with C(boolean_op), C(role), C(score) or C(score_attribute). Names are those of pacemaker's schema with C(_) for C(-).
            type: dict
            required: true
          values:
            description: Names and values.
            type: dict
            required: true
          score:
            description: The set with the highest score wins.
            type: str
      operation_default_sets:
        description: Default attributes of operations that hold only under a rule.
        type: list
        elements: dict
        suboptions: *default_set
      fence_devices:
        description: Fence devices.
        type: list
        elements: dict
        suboptions: &primitive
          id: *id
          agent:
            description: Agent, as C(fence_ilo_ssh) for a fence device, C(ocf:heartbeat:IPaddr2) or C(systemd:opennebula) for a resource.
            type: str
            required: true
          options:
            description:
              - Options of the agent. Passwords go into O(secrets) instead; one that is found here is refused.
              - The value C((secret)) means to keep what is there.
            type: dict
          meta:
            description: Meta attributes, for example C(failure-timeout).
            type: dict
          utilization:
            description: What it needs of O(description.node_utilization).
            type: dict
          operations:
            description: Operations.
            type: list
            elements: dict
            suboptions:
              name:
                description: Action, for example C(monitor).
                type: str
                required: true
              interval:
                description: How often, for a recurring action.
                type: str
              timeout:
                description: How long it may take.
                type: str
              on_fail:
                description: What follows when it fails.
                type: str
              role:
                description: Run it only in this role.
                type: str
              start_delay:
                description: Wait this long before the first run.
                type: str
              interval_origin:
                description: Moment from which intervals are counted.
                type: str
              enabled:
                description: Whether it is run.
                type: str
              record_pending:
                description: Whether its start is recorded.
                type: str
              options:
                description: Options for this action only, for example C(OCF_CHECK_LEVEL).
                type: dict
              meta:
                description: Meta attributes of this action.
                type: dict
      fence_levels:
        description: Which devices are tried in which order for a node.
        type: list
        elements: dict
        suboptions:
          id: *id
          target:
            description: Node that is fenced. Exactly one of this, O(description.fence_levels[].target_pattern) and
              O(description.fence_levels[].target_attribute) is given.
            type: str
          target_pattern:
            description: Regular expression for the names of the nodes.
            type: str
          target_attribute:
            description: Attribute of the nodes, with O(description.fence_levels[].target_value).
            type: str
          target_value:
            description: Value of the attribute.
            type: str
          level:
            description: Position, from 1.
            type: int
            required: true
          devices:
            description: Devices that must all succeed.
            type: raw
            required: true
      resources:
        description: Resources.
        type: list
        elements: dict
        suboptions: *primitive
      groups:
        description: Resources that run together and start in order.
        type: list
        elements: dict
        suboptions:
          id: *id
          members:
            description: Resources in the order of their start.
            type: list
            elements: str
            required: true
          meta:
            description: Meta attributes.
            type: dict
      clones:
        description: Resources that run on several nodes.
        type: list
        elements: dict
        suboptions:
          id: *id
          member:
            description: Resource or group that is cloned.
            type: str
            required: true
          meta:
            description: Meta attributes, for example C(promotable).
            type: dict
      locations:
        description: Location constraints, with O(description.locations[].node) and O(description.locations[].score), or with rules.
        type: list
        elements: dict
        suboptions:
          id: *id
          resource:
            description: Resource. Exactly one of this, O(description.locations[].resource_pattern) and O(description.locations[].sets) is given.
            type: str
          resource_pattern:
            description: Regular expression for the names of the resources.
            type: str
          node:
            description: Node.
            type: str
          score:
            description: Whole number, C(INFINITY) or C(-INFINITY).
            type: str
          rules:
            description: Rules, as in O(description.resource_default_sets[].rule).
            type: list
            elements: dict
          role:
            description: Only for this role.
            type: str
          resource_discovery:
            description: Whether the cluster looks there for a resource that already runs, C(always), C(never) or C(exclusive).
            type: str
          sets: &sets
            description:
              - Sets of resources instead of single ones, each with C(members) and with C(sequential), C(require_all), C(ordering), C(action), C(role),
                C(score) or C(kind).
            type: list
            elements: dict
      colocations:
        description: Colocation constraints.
        type: list
        elements: dict
        suboptions:
          id: *id
          resource:
            description: Resource that follows.
            type: str
          with:
            description: Resource that is followed.
            type: str
          sets: *sets
          score:
            description: Whole number, C(INFINITY) or C(-INFINITY).
            type: str
            required: true
          role:
            description: Role of the resource that follows.
            type: str
          with_role:
            description: Role of the resource that is followed.
            type: str
          influence:
            description: Whether the resource that follows can move the other one.
            type: str
          node_attribute:
            description: Not on the same node, but on nodes with the same value of this attribute.
            type: str
      orders:
        description: Ordering constraints.
        type: list
        elements: dict
        suboptions:
          id: *id
          first:
            description: Resource that comes first.
            type: str
          then:
            description: Resource that comes after it.
            type: str
          sets: *sets
          kind:
            description: C(Mandatory), C(Optional) or C(Serialize).
            type: str
          symmetrical:
            description: Whether the reverse order holds for stopping.
            type: str
          require_all:
            description: Whether all instances of a clone that comes first must have started.
            type: str
          first_action:
            description: Action of the first resource.
            type: str
          then_action:
            description: Action of the other resource.
            type: str
      tickets:
        description: Ticket constraints.
        type: list
        elements: dict
        suboptions:
          id: *id
          resource:
            description: Resource.
            type: str
          sets: *sets
          ticket:
            description: Ticket that it needs.
            type: str
            required: true
          role:
            description: Only for this role.
            type: str
          loss_policy:
            description: What happens when the ticket is lost.
            type: str
      alerts:
        description: Programs that are told of cluster events.
        type: list
        elements: dict
        suboptions:
          id: *id
          path:
            description: Program.
            type: path
            required: true
          kinds:
            description: Events that it is told of, all when absent.
            type: list
            elements: str
          attributes:
            description: Node attributes that it is told of, all when absent. Needs C(attributes) among its events.
            type: list
            elements: str
          options:
            description: Environment variables.
            type: dict
          meta:
            description: Meta attributes.
            type: dict
          recipients:
            description: Recipients, as values or as C(id), C(value), C(options) and C(meta).
            type: list
            elements: raw
      absent:
        description: Ids of objects that must not exist.
        type: list
        elements: str
  secrets:
    description: Options that must not be shown, as a mapping of object id to option and value. They are never printed.
    type: dict
  exclusive:
    description:
      - Remove every fence device, resource, group, clone, fence level, constraint and alert that O(description) does not have, also what C(pcs resource move)
        left behind. The diff shows them. Properties, defaults and attributes of nodes that are not declared stay, because the cluster writes some itself.
        Bundles and other things that cannot be described stay as well.
    type: bool
    default: false
  verify_fencing:
    description:
      - Which new or changed fence devices have to answer C(status) from this host before the configuration changes.
      - V(others) leaves out the device of this host itself, for machines that cannot reach their own BMC.
    type: str
    choices: [all, others, none]
    default: all
  wait_timeout_s:
    description: How long the cluster may take, in seconds, until it is idle after the change.
    type: int
    default: 300
author:
  - The constellation.opennebula team (@constellation)
seealso:
  - module: constellation.opennebula.cluster_info
  - module: constellation.opennebula.cluster_membership
"""

EXAMPLES = r"""
- name: Keep an address and a service together
  constellation.opennebula.cluster_config:
    description:
      properties:
        no-quorum-policy: stop
      fence_devices:
        - id: fence_fe1
          agent: fence_ilo_ssh
          options: {ip: 192.0.2.11, username: fence, pcmk_host_list: fe1}
      resources:
        - id: address
          agent: ocf:heartbeat:IPaddr2
          options: {ip: 192.0.2.10, cidr_netmask: 24}
          operations:
            - {name: monitor, interval: 10s, timeout: 20s}
        - id: opennebula
          agent: systemd:opennebula
      groups:
        - id: zone
          members: [address, opennebula]
    secrets:
      fence_fe1:
        password: "{{ vault_fence_password }}"

- name: Take an object out
  constellation.opennebula.cluster_config:
    description:
      absent: [opennebula-gate]
"""

RETURN = r"""
changes:
  description: What changed, one entry for each object.
  returned: always
  type: list
  elements: dict
  sample:
    - {"kind": "resource", "target": "zone_vip", "before": {"options.ip": "192.0.2.9"}, "after": {"options.ip": "192.0.2.10"}}
complaints:
  description: Declared resources that do not run after the change, with the failed action.
  returned: when something changed
  type: list
  elements: str
  sample: ["opennebula is Stopped: start on fe1 ended with 'error'"]
not_here:
  description: What new or changed objects need and this host does not have, agents, systemd units and programs. Outside check mode that is an error.
  returned: always
  type: list
  elements: str
  sample: ["fence device fence_fe1: agent 'fence_ilo_ssh' is not installed on this host"]
"""

import dataclasses

from ..module_utils import glue
from ..module_utils.adapters import pacemaker
from ..module_utils.core import agents, cib, cib_values, cluster_status
from ..module_utils.core.converge import converge
from ..module_utils.core.errors import CoreError, NotThere, Problems

ATTEMPTS = 20                                            # to place a patch while the cluster writes its own status


def ensure(params, cluster, check_mode, clock=pacemaker.Clock):
    description, secrets = params["description"], params["secrets"] or {}
    wanted, renamed = _in_new_words(cib.declared(description, secrets), cluster)
    absent, complaints, written = description.get("absent") or (), [], []

    def look():
        """Return the configuration as text, None on a host without a running cluster (only in check mode)."""
        try:
            return cluster.cib()
        except NotThere:
            if check_mode:
                return None
            raise

    def plan(text):
        return cib.plan(cib.parse(text or cib.EMPTY), wanted, absent, secrets, params["exclusive"])

    def apply(dummy_todo):                               # it may be newer than what was examined
        _one_copy(cluster, clock)
        written.append(_write(cluster, plan, examined, params["verify_fencing"], clock))
        idle = cluster.wait_idle(params["wait_timeout_s"])
        complaints.extend(cluster_status.complaints(cluster_status.parse(cluster.monitor()), {name for dummy, name in wanted}))
        if not idle:
            raise CoreError("the cluster did not become idle", why="; ".join(complaints) or f"it still works after {params['wait_timeout_s']} s",
                            hint="The new configuration is in place. Look at 'crm_mon -1r' and the journal of pacemaker.")

    text = look()
    examined = plan(text)
    not_here = _examine(text, examined, cluster, params["verify_fencing"], check_mode)
    outcome = converge(look, plan, apply, check_mode, {"complaints": complaints, "not_here": not_here}, header="cluster configuration")
    todo = written[0] if written else outcome.plan       # what was done, should the configuration have moved since it was predicted
    return dataclasses.replace(outcome, plan=dataclasses.replace(todo, warnings=todo.warnings + tuple(renamed + not_here + complaints)))


def _in_new_words(wanted, cluster):
    """Return (wanted with fence options under their agent's present names, texts that tell which). Only old names cost a question to the agent."""
    current, texts = {}, []
    for (label, name), values in wanted.items():
        if label == "fence device" and agents.OLD_NAMES & set(values["options"]):
            options, renamed = agents.in_new_words(values["options"], agents.parse(cluster.metadata(values["agent"])) or {})
            values = dict(values, options=options)
            texts += [f"{name}: {values['agent']} calls '{old}' now '{new}'; it is set under that name" for old, new in renamed.items()]
        current[(label, name)] = values
    return current, texts


def _examine(text, todo, cluster, verify_fencing, check_mode):
    """Check everything that can be checked before anything changes: agents, pacemaker's own opinion, answers of fence devices. Return what is not here."""
    problems, unknown, devices, properties = [], [], [], [change.step for change in todo if change.step[0] == "property" and change.step[2] is not None]
    for label, name, values in (change.step for change in todo):
        if label == "alert" and values is not None and not cluster.is_program(values["path"]):     # nothing else asks for it before an event does
            unknown.append(f"alert {name}: there is no program {values['path']} on this host")
        if label not in ("resource", "fence device") or values is None:
            continue
        if values["agent"].startswith("systemd:"):
            unit = values["agent"].split(":", 1)[1]
            unknown += [] if cluster.unit_is_known(unit) else [f"{label} {name}: systemd of this host has no unit '{unit}'"]
            continue
        said = cluster.metadata(values["agent"])
        known = agents.parse(said)
        if known is None:
            standard = values["agent"].rsplit(":", 1)[0] if ":" in values["agent"] else "stonith"
            unknown.append(agents.missing(f"{label} {name}", values["agent"], cluster.installed_agents(standard)))
            continue
        problems += agents.problems(f"{label} {name}", values["options"], known, label == "fence device", agents.actions(said))
        devices += [(name, values, agents.question(said))] if label == "fence device" else []
    known = {name: option for one in cluster.property_metadata() for name, option in (agents.parse(one) or {}).items()} if properties else {}
    problems += [problem for dummy, name, value in properties for problem in agents.property_problems(name, value, known)]
    if problems or (unknown and not check_mode):         # what is not there yet may come with what the run only predicts
        raise Problems("the description does not fit the agents", unknown + problems, hint="Nothing was changed.")
    if todo and text:
        _verify(cluster, text, cib.render(cib.parse(text), todo))
    if devices and verify_fencing != "none" and text:
        _prove(devices, cluster, verify_fencing)
    return unknown if text else []


def _verify(cluster, text, new):
    wrong = cluster.verify(new)
    old = cluster.verify(text) if wrong else []
    if set(wrong) - set(old):
        raise Problems("pacemaker finds errors in the new configuration", [line for line in wrong if line not in old], hint="Nothing was changed.")


def _prove(devices, cluster, verify_fencing):
    here = cluster.local_node() if verify_fencing == "others" else None
    online = [node["name"] for node in cluster_status.parse(cluster.monitor())["nodes"] if node["online"]]
    silent = []
    for name, values, question in devices:
        device = f"{name} ({values['agent']} at {values['options'].get('ip', 'its device')})"
        for node in agents.fenced_nodes(values["options"]) or [None]:
            if node is None or node != here:
                # status is about one outlet; a device that has many and finds out itself which is whose can only say how it is itself
                asked = question if node or {"plug", "port"} & set(values["options"]) else "monitor"
                code, said = cluster.fence_status(values["agent"], agents.status_request(values["options"], node, asked))
                if code not in (0, 2):
                    silent.append(f"{device} does not answer for {node or 'its nodes'}: {_clean(said, values)}")
                elif code == 2 and node in online:
                    silent.append(f"{device} says that {node} is off, but {node} is a member of this cluster: it is the device of another machine, or lies")
    if silent:
        raise Problems("fencing cannot be relied on", silent,
                       hint="Nothing was changed. Check address, account and password of the devices, and that this host reaches "
                            "them (verify_fencing: others leaves out this host's own device).")


def _clean(said, values):
    for name, value in values["options"].items():
        if cib_values.is_secret(name) and value:
            said = said.replace(value, cib_values.SECRET)
    return " ".join(said.split())[-300:]


def _one_copy(cluster, clock):
    """Make sure that the member which decides (the DC) has the configuration that the patch is made from.

    Two members that start at the same time for the first time may count the first changes differently (seen twice with pacemaker 2.1.5). The DC's
    copy is then the older one, the other member does not take it, every patch fails on the DC alone, and nothing is ever started.
    """
    dc = cluster_status.parse(cluster.monitor())["dc"]
    if dc in (None, cluster.local_node()):
        return
    for seconds in (0, 1, 2, 4):
        clock.sleep(seconds)
        copies = [cluster.cib(), cluster.cib(dc)]
        versions = [cib.version(cib.parse(text)) for text in copies]
        if versions[0] == versions[1]:
            return
    cluster.replace(cib.advanced(copies[versions.index(max(versions))]))


def _write(cluster, plan, examined, verify_fencing, clock):
    """Bring the whole change in as one patch and return the plan that it carries out.

    When the configuration moves in between, it starts again from what it is now; what that needs in addition is examined first.
    """
    for attempt in range(ATTEMPTS):
        text = cluster.cib()
        todo = plan(text)
        if todo.as_list() != examined.as_list():
            _examine(text, todo, cluster, verify_fencing, False)
            examined = todo
        if not todo:
            return todo
        new = cib.render(cib.parse(text), todo)
        _verify(cluster, text, new)
        if cluster.patch(cluster.diff(text, new)):
            return todo
        clock.sleep(0.05 * (attempt + 1))
    raise CoreError("the cluster's configuration kept moving", why=f"{ATTEMPTS} patches came too late",
                    hint="Somebody else changes it; nothing was changed here. Run again.")


PRIMITIVE = {
    "id": {"type": "str", "required": True}, "agent": {"type": "str", "required": True}, "options": {"type": "dict"}, "meta": {"type": "dict"},
    "utilization": {"type": "dict"},
    "operations": {"type": "list", "elements": "dict", "options": {
        "name": {"type": "str", "required": True}, "interval": {"type": "str"}, "timeout": {"type": "str"}, "on_fail": {"type": "str"}, "role": {"type": "str"},
        "start_delay": {"type": "str"}, "interval_origin": {"type": "str"}, "enabled": {"type": "str"},
        "record_pending": {"type": "str"}, "options": {"type": "dict"}, "meta": {"type": "dict"}}},
}


def _listed(required, optional=(), **special):
    options = {name: {"type": "str", "required": True} for name in ("id",) + required}
    options.update({name: {"type": "str"} for name in optional})
    options.update(special)
    return {"type": "list", "elements": "dict", "options": options}


_DICTS = {"type": "list", "elements": "dict"}
_DEFAULT_SET = _listed((), ("score",), rule={"type": "dict", "required": True}, values={"type": "dict", "required": True})

SPEC = {
    "description": {"type": "dict", "required": True, "options": {
        "properties": {"type": "dict"}, "resource_defaults": {"type": "dict"}, "operation_defaults": {"type": "dict"},
        "node_attributes": {"type": "dict"}, "node_utilization": {"type": "dict"},
        "resource_default_sets": _DEFAULT_SET, "operation_default_sets": _DEFAULT_SET,
        "fence_devices": {"type": "list", "elements": "dict", "options": PRIMITIVE},
        "fence_levels": _listed((), ("target", "target_pattern", "target_attribute", "target_value"), level={"type": "int", "required": True},
                                devices={"type": "raw", "required": True}),
        "resources": {"type": "list", "elements": "dict", "options": PRIMITIVE},
        "groups": _listed((), members={"type": "list", "elements": "str", "required": True}, meta={"type": "dict"}),
        "clones": _listed(("member",), meta={"type": "dict"}),
        "locations": _listed((), ("resource", "resource_pattern", "node", "score", "role", "resource_discovery"), rules=_DICTS, sets=_DICTS),
        "colocations": _listed(("score",), ("resource", "with", "role", "with_role", "influence", "node_attribute"), sets=_DICTS),
        "orders": _listed((), ("first", "then", "kind", "symmetrical", "require_all", "first_action", "then_action"), sets=_DICTS),
        "tickets": _listed(("ticket",), ("resource", "role", "loss_policy"), sets=_DICTS),
        "alerts": _listed((), path={"type": "path", "required": True}, kinds={"type": "list", "elements": "str"},
                          attributes={"type": "list", "elements": "str"}, options={"type": "dict"}, meta={"type": "dict"},
                          recipients={"type": "list", "elements": "raw"}),
        "absent": {"type": "list", "elements": "str"}}},
    "secrets": {"type": "dict", "no_log": True},
    "exclusive": {"type": "bool", "default": False},
    "verify_fencing": {"type": "str", "choices": ["all", "others", "none"], "default": "all"},
    "wait_timeout_s": {"type": "int", "default": 300},
}


def main():
    module = glue.module(argument_spec=SPEC)
    glue.run(module, lambda: ensure(module.params, pacemaker.Pacemaker(module.tmpdir), module.check_mode))


if __name__ == "__main__":
    main()
