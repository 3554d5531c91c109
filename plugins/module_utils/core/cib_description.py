# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A description, as people write it ⇄ the objects that cib.py compares; everything that is wrong in it is told together.

A description is a dictionary of these lists and dictionaries; each entry of a list becomes one object, found in the CIB by its id:

    properties, resource_defaults, operation_defaults   {name: value}; only the named ones are ours, null takes one out
    node_attributes, node_utilization                   {node: {name: value}}, likewise
    resource_default_sets, operation_default_sets       {id, rule, values, score}
    fence_devices, resources                            {id, agent, options, meta, utilization, operations: [{name, interval, timeout, …}]}
    groups {id, members, meta}     clones {id, member, meta}     fence_levels {id, target | target_pattern | target_attribute, level, devices}
    colocations {id, resource, with | sets, score, …}   orders {id, first, then | sets, kind, …}
    locations {id, resource | resource_pattern | sets, node, score | rules, …}   tickets {id, resource | sets, ticket, loss_policy}
    alerts {id, path, kinds, attributes, options, recipients}
    absent  [id, …]                                     objects that must not exist

Rules and sets: cib_trees.py.
"""
from __future__ import annotations

import difflib
import re

from . import cib_trees, cib_values
from .cib_kinds import BEYOND, KINDS, elements, split_key
from .cib_pairs import PAIRS, clean_id
from .cib_trees import choice, unknown_fields
from .cib_values import KEEP, SECRET
from .errors import Problems

KEYS = tuple(pairs.key for pairs in PAIRS) + tuple(kind.key for kind in KINDS)
_OPERATION_FIELDS = ("name", "interval", "timeout", "on_fail", "role", "start_delay", "interval_origin", "enabled", "record_pending", "options", "meta")
_ALERT_KINDS = ("attributes", "fencing", "nodes", "resources")          # alerts-2.10.rng
_SHAPED = ("options", "meta", "utilization", "values", "rule", "rules", "sets", "operations", "devices", "recipients")
_ACTION = re.compile(r"^pcmk_\w+_action$")                              # on and off, which YAML reads as true and false
_ID = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]*$")
_CHOICES = {                            # constraints-3.9.rng, resources-3.9.rng
    "role": cib_trees.ROLES, "with_role": cib_trees.ROLES, "first_action": cib_trees.ACTIONS, "then_action": cib_trees.ACTIONS, "kind": cib_trees.ORDERS,
    "symmetrical": cib_trees.BOOLEAN, "require_all": cib_trees.BOOLEAN, "influence": cib_trees.BOOLEAN,
    "enabled": cib_trees.BOOLEAN, "record_pending": cib_trees.BOOLEAN,
    "loss_policy": ("stop", "demote", "fence", "freeze"), "resource_discovery": ("always", "never", "exclusive"),
    "on_fail": ("ignore", "block", "demote", "stop", "restart", "standby", "fence", "restart-container"),
}


# --- what people write → objects -------------------------------------------------------------------------------------------------------

def declared(description, secrets=None):
    """Return {(label, id): values} of a description (a value that must not be set: None); raise Problems naming everything that is wrong in it.

    secrets: {object id: {option: value}}, merged into the options; a password among the visible options is refused.
    """
    problems, found, ids = [], {}, {}
    description = {key: value for key, value in (description or {}).items() if value is not None}
    problems += [one.replace("field", "key").replace("description: ", "") for one in unknown_fields("description", set(description), KEYS + ("absent",))]
    for owner, own in (secrets or {}).items():           # before anything else: none of what follows may print them
        if not isinstance(own or {}, dict) or any(cib_trees.not_single("", name, value) for name, value in (own or {}).items()):
            raise Problems("the description of the cluster is not usable", [f"secrets for '{owner}' are written as a mapping of option to value"])
    for pairs in PAIRS:
        for name, value in _single_values(pairs, description.get(pairs.key) or {}, problems):
            problems += cib_trees.not_single(pairs.key, name, value)
            found[(pairs.label, name)] = None if value is None else cib_values.text(value)
    problems += _slips("resource_defaults", description.get("resource_defaults") or ())
    for kind in KINDS:
        for entry in description.get(kind.key) or []:
            entry = {name: value for name, value in entry.items() if value is not None}
            name = entry.get("id")
            where = f"{kind.label} {name}"
            wrong = [] if name else [f"{where}: 'id' is missing"]
            wrong += [one for field, value in entry.items() if field in _SHAPED for one in cib_trees.misshapen(where, field, value)]
            shapeless = bool(wrong)
            wrong += [f"{where}: {one}" for one in kind.lacks(entry)] + unknown_fields(where, set(entry), kind.all_fields())
            if name and not _ID.match(name):
                wrong.append(f"{where}: an id has letters, digits, '_', '-' and '.' only, and begins with a letter or '_'")
            if name in ids:
                wrong.append(f"{where}: the id is used twice (also by a {ids[name]})")
            ids[name] = kind.label
            problems += wrong + _slips(where, entry.get("meta") or () if kind.section == "resources" and not shapeless else ())
            if not wrong:
                found[(kind.label, name)] = _values(kind, entry, (secrets or {}).get(name, {}), where, problems)
    for name in sorted(set(secrets or {}) - {name for label, name in found if label in _WITH_OPTIONS}):
        problems.append(f"secrets for '{name}', which is not declared" if name not in ids else f"secrets for '{name}': a {ids[name]} has no options")
    for name in sorted(set(description.get("absent") or []) & set(ids)):
        problems.append(f"'{name}' is declared and listed as absent")
    if problems:
        raise Problems("the description of the cluster is not usable", problems)
    return found


# Pacemaker Explained 2.1; anybody may add others, so only what looks like a slip is refused: pacemaker would not say a word.
_META = ("priority", "critical", "target-role", "is-managed", "maintenance", "resource-stickiness", "requires", "migration-threshold", "failure-timeout",
         "multiple-active", "allow-migrate", "allow-unhealthy-nodes", "container-attribute-target", "remote-node", "remote-addr", "remote-port",
         "remote-connect-timeout", "remote-allow-migrate", "globally-unique", "clone-max", "clone-node-max", "clone-min", "notify", "ordered", "interleave",
         "promotable", "promoted-max", "promoted-node-max", "master-max", "master-node-max")


def _slips(where, names):
    near = {name: difflib.get_close_matches(name, _META, n=1, cutoff=0.85) for name in names if name not in _META}
    return [f"{where}: pacemaker does not know the meta attribute '{name}'; did you mean '{found[0]}'?" for name, found in near.items() if found]


_WITH_OPTIONS = ("fence device", "resource", "alert")


def _single_values(pairs, values, problems):
    if not pairs.of_nodes:
        return values.items()
    problems += [f"{pairs.key}: '{node}' is followed by a mapping of names to values" for node, own in values.items() if not isinstance(own or {}, dict)]
    return [(f"{node} {name}", value) for node, own in values.items() if isinstance(own, dict) for name, value in own.items()]


def _values(kind, entry, secrets, where, problems):
    if kind.tag == "primitive":
        return _primitive(kind, entry, secrets, where, problems)
    if kind.tag == "group":
        return {"members": [cib_values.text(member) for member in entry["members"]], "meta": _texts(entry.get("meta"))}
    if kind.tag == "clone":
        return {"member": entry["member"], "meta": _texts(entry.get("meta"))}
    if kind.tag == "alert":
        return _alert(entry, secrets, where, problems)
    values = {}
    for name, value in [(name, value) for name, value in entry.items() if name != "id"]:
        if name in ("rules", "sets"):
            values[name] = [cib_trees.declared({"rules": "rule", "sets": "resource_set"}[name], one, where, problems) for one in value]
        elif name == "rule":
            values[name] = cib_trees.declared("rule", value, where, problems)
        elif name == "values":
            values[name] = _texts(value)
        elif name == "devices" and isinstance(value, (list, tuple)):
            values[name] = ",".join(map(cib_values.text, value))
        else:
            values[name] = choice(where, name, value, _CHOICES.get(name), problems)
    return {name: value for name, value in values.items() if kind.codec.defaults.get(name) != value}


def _primitive(kind, entry, secrets, where, problems):
    agent, parts = entry["agent"], len(entry["agent"].split(":"))
    if kind.key == "fence_devices":
        agent = agent.replace("stonith:", "", 1)
        if ":" in agent:
            problems.append(f"{where}: agent '{agent}' is not the name of a fence agent (fence_…)")
    elif parts not in (2, 3) or agent.startswith("stonith:") or (agent.startswith("ocf:") and parts != 3):
        problems.append(f"{where}: agent '{agent}' is not written as class:type or ocf:provider:type")
    operations = {}
    for operation in entry.get("operations") or []:
        key, values = _operation(operation, where, problems)
        if key in operations:
            problems.append(f"{where}: operation '{key}' is declared twice")
        operations[key] = values
    return {"agent": agent, "options": _options(entry["id"], entry.get("options"), secrets, where, problems), "meta": _texts(entry.get("meta")),
            "utilization": _texts(entry.get("utilization")), "operations": operations}


def _options(owner, options, secrets, where, problems):
    options = {name: ("off", "on")[value] if isinstance(value, bool) and _ACTION.match(name) else value for name, value in (options or {}).items()}
    options = _texts(options)
    for name in sorted(options):
        if cib_values.is_secret(name) and options[name] != KEEP:
            problems.append(f"{where}: option '{name}' is a secret; it goes into secrets: {{{owner}: {{{name}: …}}}}")
    return dict(options, **_texts(secrets))


def _operation(operation, where, problems):
    operation = {name: value for name, value in operation.items() if value is not None}
    problems += unknown_fields(f"{where}: operation", set(operation), _OPERATION_FIELDS)
    if not operation.get("name"):
        problems.append(f"{where}: an operation has no name")
    every = cib_values.interval(operation.get("interval"))
    role = cib_values.role(choice(where, "role", operation["role"], _CHOICES["role"], problems)) if operation.get("role") else ""
    key = " ".join([str(operation.get("name"))] + ([every] if every != "0" else []) + ([role] if role else []))
    where = f"{where}: operation {key}"
    values = {name: _texts(value) if isinstance(value, dict) else choice(where, name, value, _CHOICES.get(name), problems)
              for name, value in operation.items() if name not in ("name", "interval", "role") and value not in ({}, "")}
    problems += [f"{where}: {name} '{value}' is not a duration" for name, value in [("interval", every), ("timeout", values.get("timeout"))]
                 if value is not None and cib_values.number(value) is None]
    return key, values


def _alert(entry, secrets, where, problems):
    problems += [f"{where}: there are no events '{one}'; use some of: {', '.join(_ALERT_KINDS)}" for one in entry.get("kinds") or []
                 if one not in _ALERT_KINDS]
    if entry.get("attributes") and "attributes" not in (entry.get("kinds") or []):
        problems.append(f"{where}: attributes are named, but 'attributes' is not among its kinds")
    recipients = {}
    for one in entry.get("recipients") or []:
        one = dict(one) if isinstance(one, dict) else {"value": cib_values.text(one)}
        name = clean_id(cib_values.text(one.get("id") or f"{entry['id']}-recipient-{one.get('value')}"))
        problems += unknown_fields(f"{where}: recipient", set(one), ("id", "value", "options", "meta"))
        if not one.get("value") or name in recipients:
            problems.append(f"{where}: recipient {name} " + ("is there twice" if one.get("value") else "has no value"))
        recipients[name] = {"value": cib_values.text(one.get("value"))}
        parts = {"options": _options(entry["id"], one.get("options"), {}, f"{where}: recipient {name}", problems), "meta": _texts(one.get("meta"))}
        recipients[name].update({part: values for part, values in parts.items() if values})
    return {"path": entry["path"], "kinds": sorted(entry.get("kinds") or []), "attributes": sorted(entry.get("attributes") or []),
            "options": _options(entry["id"], entry.get("options"), secrets, where, problems), "meta": _texts(entry.get("meta")), "recipients": recipients}


def _texts(values):
    return {name: cib_values.text(value) for name, value in (values or {}).items() if value is not None}


# --- objects → what people write --------------------------------------------------------------------------------------------------------

def describe(root, found):
    """Return (description, [ids that it cannot express]) of a live configuration; secrets show as "(secret)", which means "keep".

    found: the configuration's objects (cib.objects).
    """
    description, left = {}, []
    kinds, singles = {kind.label: kind for kind in KINDS}, {pairs.label: pairs for pairs in PAIRS}
    for (label, name), values in found.items():
        if label in singles:
            owner = description.setdefault(singles[label].key, {})
            if singles[label].of_nodes:
                node, name = name.split(" ", 1)
                owner = owner.setdefault(node, {})
            owner[name] = values
        elif BEYOND in values:
            left.append(name)
        else:
            description.setdefault(kinds[label].key, []).append(dict(_public(masked(values)), id=name))
    return description, left + _foreign(root.find("configuration"))


def _foreign(configuration):
    """Return the ids of whole things that no kind covers; they are kept as they are."""
    known = {element for kind in KINDS for element in elements(configuration, kind)}
    found = [element for name in ("resources", "constraints", "tags", "acls", "alerts", "fencing-topology") for element in configuration.iterfind(f"{name}/*")]
    return [element.get("id") for element in found if element not in known and element.get("id")]


def _public(values):
    shown = dict(values)
    if "operations" in values:
        shown["operations"] = []
        for key, fields in values["operations"].items():
            name, every, role = split_key(key)
            shown["operations"].append(dict(fields, name=name, interval=every, **({"role": role} if role else {})))
    if "recipients" in values:
        shown["recipients"] = [dict(fields, id=name) for name, fields in values["recipients"].items()]
    return shown


def masked(values, names=()):
    """Return an object's values with its secrets replaced, wherever it has options. names: further options that are secret.

    >>> masked({"agent": "x", "options": {"ip": "1", "passwd": "2"}})
    {'agent': 'x', 'options': {'ip': '1', 'passwd': '(secret)'}}
    """
    if not isinstance(values, dict):
        return values
    shown = {}
    for key, value in values.items():
        if key == "options" and isinstance(value, dict):
            shown[key] = {name: SECRET if name in names or cib_values.is_secret(name) else text for name, text in value.items()}
        else:
            shown[key] = masked(value, names)
    return shown
