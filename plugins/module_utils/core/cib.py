# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a pacemaker configuration that we declared: description ⇄ CIB, compared by meaning, changed by id.

A description is a dictionary of the lists and dictionaries below; each entry becomes one object, found in the CIB by its id:

    properties, resource_defaults, operation_defaults   {name: value}; only the named ones are ours
    fence_devices, resources                            {id, agent, options, meta, operations: [{name, interval, timeout, …}]}
    groups {id, members, meta}     clones {id, member, meta}     fence_levels {id, target, level, devices}
    colocations {id, resource, with, score, …}   orders {id, first, then, kind, …}   locations {id, resource, node, score}
    tickets {id, resource, ticket, loss_policy}  alerts {id, path, kinds, options, recipients}
    absent  [id, …]                                     objects that must not exist

An object of ours is ours completely: an option, operation or meta attribute that was not declared is drift. All other objects of
the CIB stay as they are. Read next: cib_kinds.py (XML of each kind), cib_values.py (what is equal).
"""
from __future__ import annotations

import copy
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from . import cib_kinds, cib_values
from .cib_kinds import BEYOND
from .cib_values import KEEP, SECRET
from .errors import CoreError, Problems
from .plan import Change, Plan


@dataclass(frozen=True)
class Kind:
    """One kind of object: its list in a description, its name for people, its place in the CIB."""

    key: str
    label: str
    section: str                        # path below <configuration>
    tag: str
    required: tuple = ()
    fields: tuple = ()                  # optional ones
    attributes: object = None           # for kinds that are one element with attributes


KINDS = (
    Kind("fence_devices", "fence device", "resources", "primitive", ("agent",), ("options", "meta", "operations")),
    Kind("resources", "resource", "resources", "primitive", ("agent",), ("options", "meta", "operations")),
    Kind("groups", "group", "resources", "group", ("members",), ("meta",)),
    Kind("clones", "clone", "resources", "clone", ("member",), ("meta",)),
    Kind("fence_levels", "fence level", "fencing-topology", "fencing-level", ("target", "level", "devices"), (), cib_kinds.FENCE_LEVEL),
    Kind("locations", "location", "constraints", "rsc_location", ("resource", "node", "score"), ("role",), cib_kinds.LOCATION),
    Kind("colocations", "colocation", "constraints", "rsc_colocation", ("resource", "with", "score"), ("role", "with_role", "influence"), cib_kinds.COLOCATION),
    Kind("orders", "order", "constraints", "rsc_order", ("first", "then"), ("kind", "symmetrical", "first_action", "then_action"), cib_kinds.ORDER),
    Kind("tickets", "ticket", "constraints", "rsc_ticket", ("resource", "ticket"), ("role", "loss_policy"), cib_kinds.TICKET),
    Kind("alerts", "alert", "alerts", "alert", ("path",), ("kinds", "options", "meta", "recipients")),
)
PAIRS = (                               # description key, label, section, tag of the set, id of a new set
    ("properties", "property", "crm_config", "cluster_property_set", "cib-bootstrap-options"),
    ("resource_defaults", "resource default", "rsc_defaults", "meta_attributes", "rsc_defaults-options"),
    ("operation_defaults", "operation default", "op_defaults", "meta_attributes", "op_defaults-options"),
)
KEYS = tuple(pair[0] for pair in PAIRS) + tuple(kind.key for kind in KINDS)
_ORDER = [pair[1] for pair in PAIRS] + [kind.label for kind in KINDS]
_OPERATION_FIELDS = ("name", "interval", "timeout", "on_fail", "role", "start_delay", "enabled", "record_pending", "options", "meta")
_ALERT_KINDS = ("attributes", "fencing", "nodes", "resources")          # alerts-2.10.rng
_SCORE = re.compile(r"^[+-]?(\d+|INFINITY)$")

EMPTY = '<cib admin_epoch="0" epoch="0" num_updates="0"><configuration><crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>'


# --- CIB → objects ----------------------------------------------------------------------------------------------------------------------

def parse(text):
    """Return the root element of a CIB."""
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise CoreError("cannot read the cluster's configuration", "CIB", str(error), "Is this the output of 'cibadmin --query'?") from error
    if root.tag != "cib" or root.find("configuration") is None:
        raise CoreError("cannot read the cluster's configuration", "CIB", f"it is <{root.tag}>, not <cib> with <configuration>")
    return root


def objects(root):
    """Return {(label, id): values} of everything in the configuration that has one of our kinds."""
    configuration, found = root.find("configuration"), {}
    for dummy, label, section, tag, dummy_id in PAIRS:
        holder = configuration.find(section)
        values = cib_kinds.read_pairs(holder, tag)[0] if holder is not None else {}
        found.update({(label, name): value for name, value in values.items()})
    for kind in KINDS:
        for element in _elements(configuration, kind):
            found[(kind.label, element.get("id"))] = _read(kind, element)
    return found


def _elements(configuration, kind):
    holder = configuration.find(kind.section)
    for element in () if holder is None else holder.iter(kind.tag):
        if kind.tag != "primitive" or (element.get("class") == "stonith") == (kind.key == "fence_devices"):
            yield element


def _read(kind, element):
    if kind.attributes is not None:
        return kind.attributes.read(element)
    if kind.tag == "primitive":
        return cib_kinds.read_primitive(element)
    if kind.tag == "alert":
        return cib_kinds.read_alert(element)
    found = cib_kinds.read_group(element)
    if kind.tag == "clone":
        found["member"] = "".join(found.pop("members"))
    return found


# --- description → objects ------------------------------------------------------------------------------------------------------------------

def declared(description, secrets=None):
    """Return {(label, id): values} of a description; raise Problems naming everything that is wrong in it.

    secrets: {object id: {option: value}}, merged into the options; a password among the visible options is refused.
    """
    problems, found, ids = [], {}, {}
    description = {key: value for key, value in (description or {}).items() if value is not None}
    for key in sorted(set(description) - set(KEYS) - {"absent"}):
        problems.append(f"unknown key '{key}'; use some of: {', '.join(KEYS + ('absent',))}")
    for key, label, *dummy in PAIRS:
        for name, value in (description.get(key) or {}).items():
            found[(label, name)] = cib_values.text(value)
    for kind in KINDS:
        for entry in description.get(kind.key) or []:
            entry = {name: value for name, value in entry.items() if value is not None}
            name = entry.get("id")
            where = f"{kind.label} {name}"
            wrong = [f"{where}: '{field}' is missing" for field in ("id",) + kind.required if entry.get(field) in (None, "", [])]
            wrong += [f"{where}: unknown field '{field}'; use some of: {', '.join(('id',) + kind.required + kind.fields)}"
                      for field in sorted(set(entry) - {"id"} - set(kind.required) - set(kind.fields))]
            if name in ids:
                wrong.append(f"{where}: the id is used twice (also by a {ids[name]})")
            ids[name] = kind.label
            problems += wrong
            if not wrong:
                found[(kind.label, name)] = _values(kind, entry, (secrets or {}).get(name, {}), where, problems)
    for name in sorted(set(secrets or {}) - set(ids)):
        problems.append(f"secrets for '{name}', which is not declared")
    for name in sorted(set(description.get("absent") or []) & set(ids)):
        problems.append(f"'{name}' is declared and listed as absent")
    if problems:
        raise Problems("the description of the cluster is not usable", problems)
    return found


def _values(kind, entry, secrets, where, problems):
    if kind.tag == "primitive":
        return _primitive(kind, entry, secrets, where, problems)
    if kind.tag == "group":
        return {"members": [cib_values.text(member) for member in entry["members"]], "meta": _texts(entry.get("meta"))}
    if kind.tag == "clone":
        return {"member": entry["member"], "meta": _texts(entry.get("meta"))}
    if kind.tag == "alert":
        problems += [f"{where}: there are no events '{one}'; use some of: {', '.join(_ALERT_KINDS)}" for one in entry.get("kinds") or []
                     if one not in _ALERT_KINDS]
        recipients = [{"id": f"{entry['id']}-recipient-{cib_values.text(one)}", "value": cib_values.text(one)} if not isinstance(one, dict) else _texts(one)
                      for one in entry.get("recipients") or []]
        return {"path": entry["path"], "kinds": sorted(entry.get("kinds") or []), "options": _texts(entry.get("options")),
                "meta": _texts(entry.get("meta")), "recipients": recipients}
    values = {name: cib_values.text(value) for name, value in entry.items() if name != "id" and not isinstance(value, (list, tuple))}
    if isinstance(entry.get("devices"), (list, tuple)):
        values["devices"] = ",".join(entry["devices"])
    if "score" in values and not _SCORE.match(values["score"]):
        problems.append(f"{where}: score '{values['score']}' is neither a number nor INFINITY")
    return kind.attributes.without_defaults(values)


def _primitive(kind, entry, secrets, where, problems):
    agent, parts = entry["agent"], len(entry["agent"].split(":"))
    if kind.key == "fence_devices":
        agent = agent.replace("stonith:", "", 1)
        if ":" in agent:
            problems.append(f"{where}: agent '{agent}' is not the name of a fence agent (fence_…)")
    elif parts not in (2, 3) or agent.startswith("stonith:") or (agent.startswith("ocf:") and parts != 3):
        problems.append(f"{where}: agent '{agent}' is not written as class:type or ocf:provider:type")
    options = _texts(entry.get("options"))
    for name in sorted(options):
        if cib_values.is_secret(name) and options[name] != KEEP:
            problems.append(f"{where}: option '{name}' is a secret; it goes into secrets: {{{entry['id']}: {{{name}: …}}}}")
    options.update(_texts(secrets))
    operations = {}
    for operation in entry.get("operations") or []:
        key, values = _operation(operation, where, problems)
        if key in operations:
            problems.append(f"{where}: operation '{key}' is declared twice")
        operations[key] = values
    return {"agent": agent, "options": options, "meta": _texts(entry.get("meta")), "operations": operations}


def _operation(operation, where, problems):
    operation = {name: value for name, value in operation.items() if value is not None}
    unknown = sorted(set(operation) - set(_OPERATION_FIELDS))
    if unknown or not operation.get("name"):
        problems.append(f"{where}: an operation has unknown fields {', '.join(unknown)}" if unknown else f"{where}: an operation has no name")
    every = cib_values.interval(operation.get("interval"))
    key = " ".join([str(operation.get("name"))] + ([every] if every != "0" else []) + ([operation["role"]] if operation.get("role") else []))
    values = {name: _texts(value) if isinstance(value, dict) else cib_values.text(value)
              for name, value in operation.items() if name not in ("name", "interval", "role") and value not in ({}, "")}
    return key, values


def _texts(values):
    return {name: cib_values.text(value) for name, value in (values or {}).items() if value is not None}


def describe(root):
    """Return (description, [ids that it cannot express]) of a live configuration; secrets show as "(secret)", which means "keep"."""
    description, left = {}, []
    labels = {kind.label: kind for kind in KINDS}
    for (label, name), values in objects(root).items():
        if label not in labels:
            key = next(pair[0] for pair in PAIRS if pair[1] == label)
            description.setdefault(key, {})[name] = values
        elif isinstance(values, dict) and BEYOND in values:
            left.append(name)
        else:
            description.setdefault(labels[label].key, []).append(dict(_public(masked(values)), id=name))
    return description, left


def _public(values):
    if "operations" not in values:
        return values
    operations = []
    for key, fields in values["operations"].items():
        name, every, role = cib_kinds._split_key(key)
        operations.append(dict(fields, name=name, interval=every, **({"role": role} if role else {})))
    return dict(values, operations=operations)


# --- compare ------------------------------------------------------------------------------------------------------------------------------

def plan(root, wanted, absent=(), secrets=None, exclusive=False):
    """Return the Plan that turns the live configuration into one that has the wanted objects (see ``declared``).

    exclusive: every other object that a description can name goes; properties and defaults stay, because the cluster writes some itself.
    Each change's step is (label, id, values or None): what ``render`` writes.
    """
    live = objects(root)
    absent = set(absent) | ({name for label, name in set(live) - set(wanted) if label in {kind.label for kind in KINDS}} if exclusive else set())
    _refuse_conflicts(root, live, wanted, absent)
    names = {name for options in (secrets or {}).values() for name in options}
    changes, before, after = [], [], []
    for key in sorted(wanted, key=lambda key: _ORDER.index(key[0])):
        target = settled(live.get(key), wanted[key])
        if live.get(key) != target:
            changes.append(_change(key, live.get(key), target, names))
    for key in sorted((key for key in live if key[1] in set(absent) and key[0] not in [pair[1] for pair in PAIRS]), key=lambda key: -_ORDER.index(key[0])):
        changes.append(_change(key, live[key], None, names))
    for change in changes:
        dummy_label, dummy_name, values = change.step
        old, new = _shown_pair(live.get(change.step[:2]), values, names)
        before += _text(change, old)
        after += _text(change, new)
    return Plan(tuple(changes), before="\n".join(before + [""]) if changes else None, after="\n".join(after + [""]) if changes else None)


def settled(live, wanted, path=()):
    """Return the wanted values in the spelling of the live ones wherever both mean the same."""
    if isinstance(wanted, dict):
        live = live if isinstance(live, dict) else {}
        return {name: settled(live.get(name), value, path + (name,)) for name, value in wanted.items()}
    if not isinstance(wanted, str) or not isinstance(live, str):
        return wanted
    if wanted == KEEP:
        return live
    agent_option = path[:1] == ("options",) and not path[-1].startswith("pcmk_")
    return live if cib_values.same(live, wanted, agent_option) else wanted


def _change(key, live, target, names):
    label, name = key
    if isinstance(live, dict) and isinstance(target, dict):
        before, after = _differing(live, target, names)
    else:
        before, after = _shown_pair(live, target, names)
    return Change(label, name, before, after, step=(label, name, target))


def _differing(live, target, names):
    """Return the two sides reduced to the leaves that differ: {"options.ip": …}."""
    left, right = _leaves(live), _leaves(target)
    paths = [path for path in sorted(set(left) | set(right)) if left.get(path) != right.get(path)]
    hide = {path for path in paths if path[0] == "options" and (path[-1] in names or cib_values.is_secret(path[-1]))}

    def side(values, mark):
        return {".".join(path): mark if path in hide else values[path] for path in paths if path in values}
    return side(left, SECRET), side(right, "(secret, changed)" if left else SECRET)


def _leaves(values, path=()):
    if not isinstance(values, dict):
        return {path: values}
    found = {}
    for name, value in values.items():
        if isinstance(value, dict) and value:
            found.update(_leaves(value, path + (name,)))
        elif value not in ({}, []):
            found[path + (name,)] = value
        elif path == ("operations",):                    # an operation without any attribute is one all the same
            found[path + (name,)] = ""
    return found


def masked(values, names=()):
    """Return an object's values with its secrets replaced."""
    if not isinstance(values, dict) or not isinstance(values.get("options"), dict):
        return values
    options = {name: SECRET if name in names or cib_values.is_secret(name) else value for name, value in values["options"].items()}
    return dict(values, options=options)


def _shown_pair(live, target, names):
    """Mask both sides; a secret that changes is seen to change."""
    old, new = masked(live, names), masked(target, names)
    if isinstance(live, dict) and isinstance(new, dict) and "options" in new:
        options = {name: "(secret, changed)" if value == SECRET and name in live.get("options", {}) and live["options"][name] != target["options"][name]
                   else value
                   for name, value in new["options"].items()}
        new = dict(new, options=options)
    return old, new


def _text(change, values):
    if values is None:
        return []
    if not isinstance(values, dict):
        return [f"{change.kind} {change.target}: {values}"]
    return [f"{change.kind} {change.target}:"] + cib_values.lines({name: value for name, value in values.items() if value not in ({}, [])}, 2)


def _refuse_conflicts(root, live, wanted, absent):
    """Refuse what the CIB could not take: ids of another kind, references to nothing, secrets to keep that are not there."""
    problems = []
    taken = {element.get("id"): element for element in root.find("configuration").iter() if element.get("id")}
    resources = {name for label, name in list(live) + list(wanted) if label in ("resource", "fence device", "group", "clone")} - set(absent)
    resources |= {element.get("id") for element in root.iterfind("configuration/resources//") if element.tag in ("master", "bundle")}
    labels = [kind.label for kind in KINDS]
    for (label, name), values in wanted.items():
        if label in labels and (label, name) not in live and name in taken:
            problems.append(f"{label} {name}: the CIB has this id already, for a <{taken[name].tag}>")
        for reference in _references(label, values):
            if reference not in resources:
                problems.append(f"{label} {name}: there is no resource '{reference}'")
        if isinstance(values, dict):
            known = (live.get((label, name)) or {}).get("options", {})
            problems += [f"{label} {name}: secret '{option}' is to be kept, but there is none" for option, value in values.get("options", {}).items()
                         if value == KEEP and option not in known]
    if problems:
        raise Problems("the description does not fit the cluster", problems)


def _references(label, values):
    if label == "group":
        return values["members"]
    if label == "fence level":
        return values["devices"].split(",")
    fields = {"clone": ("member",), "colocation": ("resource", "with"), "order": ("first", "then"), "location": ("resource",), "ticket": ("resource",)}
    return [values[field] for field in fields.get(label, ()) if field in values]


# --- objects → CIB --------------------------------------------------------------------------------------------------------------------------

def render(root, changes):
    """Return the live CIB's text with the changes' steps written into it and its epoch one higher; the rest is untouched."""
    new = copy.deepcopy(root)
    configuration, ids = new.find("configuration"), cib_kinds.Ids(new)
    groups = []
    for label, name, values in (change.step for change in changes):
        pair = next((pair for pair in PAIRS if pair[1] == label), None)
        if pair:
            holder = _section(configuration, pair[2])
            cib_kinds.write_pairs(holder, pair[3], {name: values}, ids, base=pair[4], only=True)
            continue
        kind = next(kind for kind in KINDS if kind.label == label)
        if values is None:
            _remove(configuration, kind, name)
        elif kind.tag in ("group", "clone"):
            groups.append((kind, name, values))
        else:
            _write(kind, _element(configuration, kind, name, ids), values, ids)
    for kind, name, values in groups:   # after their members exist
        element = _element(configuration, kind, name, ids)
        members = values["members"] if kind.tag == "group" else [values["member"]]
        cib_kinds.write_group(element, dict(values, members=members), ids, _section(configuration, "resources"))
    new.set("epoch", str(int(new.get("epoch", "0")) + 1))
    new.set("num_updates", "0")
    return ET.tostring(new, encoding="unicode")


def _write(kind, element, values, ids):
    if kind.attributes is not None:
        kind.attributes.write(element, values)
    elif kind.tag == "alert":
        cib_kinds.write_alert(element, values, ids)
    else:
        cib_kinds.write_primitive(element, values, ids)


def _section(configuration, name):
    """Return a section, made in the place that the schema gives it."""
    order = ["crm_config", "rsc_defaults", "op_defaults", "nodes", "resources", "constraints", "acls", "fencing-topology", "tags", "alerts"]
    holder = configuration.find(name)
    if holder is None:
        holder = ET.Element(name)
        before = order[:order.index(name)]
        configuration.insert(sum(1 for child in configuration if child.tag in before), holder)
    return holder


def _element(configuration, kind, name, ids):
    holder = _section(configuration, kind.section)
    for element in holder.iter(kind.tag):
        if element.get("id") == name:
            return element
    return ET.SubElement(holder, kind.tag, {"id": ids.new(name)})


def _remove(configuration, kind, name):
    """Take an object out; what lives inside a removed group or clone moves to the top instead of vanishing with it."""
    holder = _section(configuration, kind.section)
    parent = next(parent for parent in holder.iter() for child in parent if child.get("id") == name and child.tag == kind.tag)
    element = next(child for child in parent if child.get("id") == name)
    if kind.tag in ("group", "clone"):
        for child in [child for child in element if child.tag in cib_kinds.RESOURCE_TAGS]:
            holder.append(child)
    parent.remove(element)
