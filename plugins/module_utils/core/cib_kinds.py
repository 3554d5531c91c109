# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each kind of object looks in a CIB: element → plain values, and plain values → element, edited in place.

An object is a plain dictionary of strings (a property is one string). What an element holds beyond what we can express
(references, lifetimes) is listed under ``beyond``: on an object of ours that is drift, elsewhere it is left alone.
Elements keep the ids they have; new ones get the names that pcs would give.
"""
from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

from . import cib_trees
from .cib_pairs import read_pairs, write_pairs
from .cib_trees import set_attributes
from .cib_values import interval, role

BEYOND = "beyond"


# --- primitives: resources and fence devices ----------------------------------------------------------------------------------------

_PRIMITIVE = {"id", "class", "provider", "type", "description"}
_PRIMITIVE_PARTS = ("instance_attributes", "meta_attributes", "operations", "utilization")
_OPERATION = {"id", "name", "interval", "description"}


def read_primitive(element):
    agent = ":".join(part for part in (element.get("class"), element.get("provider"), element.get("type")) if part)
    if element.get("class") == "stonith":
        agent = element.get("type")
    options, beyond = read_pairs(element, "instance_attributes")
    meta, more = read_pairs(element, "meta_attributes")
    beyond += more + sorted(set(element.keys()) - _PRIMITIVE)
    utilization, still_more = read_pairs(element, "utilization")
    beyond += still_more + [child.tag for child in element if child.tag not in _PRIMITIVE_PARTS]
    beyond += [f"operations by reference to {holder.get('id-ref')}" for holder in element.findall("operations") if holder.get("id-ref")]
    operations = {}
    for operation in element.iterfind("operations/op"):
        values, more = _read_operation(operation)
        beyond += more + ([f"operation {operation_key(operation)} twice"] if operation_key(operation) in operations else [])
        operations.setdefault(operation_key(operation), values)
    found = {"agent": agent, "options": options, "meta": meta, "utilization": utilization, "operations": operations}
    if beyond:
        found[BEYOND] = beyond
    return found


def operation_key(operation):
    """Name an operation as people do: "start", "monitor 20s", "monitor 10s Promoted"."""
    every = interval(operation.get("interval"))
    return " ".join([operation.get("name")] + ([every] if every != "0" else []) + ([role(operation.get("role"))] if operation.get("role") else []))


def _read_operation(operation):
    found = {name.replace("-", "_"): value for name, value in operation.items() if name not in _OPERATION and name != "role"}
    options, beyond = read_pairs(operation, "instance_attributes")
    meta, more = read_pairs(operation, "meta_attributes")
    found.update({name: value for name, value in (("options", options), ("meta", meta)) if value})
    return found, beyond + more


def write_primitive(element, wanted, ids):
    agent = wanted["agent"].split(":")
    names = {3: ("class", "provider", "type"), 2: ("class", "type"), 1: ("type",)}[len(agent)]
    attributes = dict(zip(names, agent), **({"class": "stonith"} if len(agent) == 1 else {}))
    set_attributes(element, dict({name: value for name, value in element.items() if name == "description"}, **attributes))
    for child in list(element):
        if child.tag not in _PRIMITIVE_PARTS or (child.tag == "operations" and child.get("id-ref")):
            element.remove(child)
    write_pairs(element, "instance_attributes", wanted.get("options", {}), ids, position=0)
    write_pairs(element, "meta_attributes", wanted.get("meta", {}), ids, position=1 if element.find("instance_attributes") is not None else 0)
    write_pairs(element, "utilization", wanted.get("utilization", {}), ids)
    _write_operations(element, wanted.get("operations", {}), ids)


def _write_operations(element, wanted, ids):
    holder = element.find("operations")
    if holder is None:
        holder = ET.SubElement(element, "operations")
    present = {}
    for operation in list(holder):
        key = operation_key(operation) if operation.tag == "op" else None
        if key not in wanted or key in present:
            holder.remove(operation)
        else:
            present[key] = operation
    for key, values in wanted.items():
        operation = present.get(key)
        name, every, its_role = split_key(key)
        if operation is None:
            operation = ET.SubElement(holder, "op", {"id": ids.new(f"{element.get('id')}-{name}-interval-{every}" + (f"-{its_role}" if its_role else ""))})
        attributes = {"name": name, "interval": operation.get("interval", every)}
        attributes.update({"role": operation.get("role", its_role)} if its_role else {})
        attributes.update({attribute.replace("_", "-"): value for attribute, value in values.items() if not isinstance(value, dict)})
        set_attributes(operation, attributes)
        write_pairs(operation, "instance_attributes", values.get("options", {}), ids, position=0)
        write_pairs(operation, "meta_attributes", values.get("meta", {}), ids)
    if not len(holder):
        element.remove(holder)


def split_key(key):
    """'monitor 20s Promoted' → ('monitor', '20s', 'Promoted')."""
    name, *rest = key.split(" ")
    every = rest.pop(0) if rest and rest[0][0].isdigit() else "0"
    return name, every, rest[0] if rest else None


# --- groups and clones ---------------------------------------------------------------------------------------------------------------

RESOURCE_TAGS = ("primitive", "group", "clone", "master", "bundle")


def read_group(element):
    meta, beyond = read_pairs(element, "meta_attributes")
    beyond += [child.tag for child in element if child.tag not in RESOURCE_TAGS + ("meta_attributes",)]
    found = {"members": [child.get("id") for child in element if child.tag in RESOURCE_TAGS], "meta": meta}
    if beyond:
        found[BEYOND] = beyond
    return found


def write_group(element, wanted, ids, resources):
    """Give a group (or a clone: one member) its members in order; who is no member any more moves to the top."""
    if [child.get("id") for child in element if child.tag in RESOURCE_TAGS] == wanted["members"]:
        _write_group_parts(element, wanted, ids)
        return
    position = next(at for at, top in enumerate(resources) if element in top.iter())        # the group may be cloned
    for child in list(element):
        if child.tag in RESOURCE_TAGS and child.get("id") not in wanted["members"]:
            element.remove(child)
            resources.insert(position, child)
    members = [take(resources, name) for name in wanted["members"]]
    _write_group_parts(element, wanted, ids)
    element.extend(members)


def _write_group_parts(element, wanted, ids):
    for child in [child for child in element if child.tag not in RESOURCE_TAGS + ("meta_attributes",)]:
        element.remove(child)
    write_pairs(element, "meta_attributes", wanted.get("meta", {}), ids, position=0)


def take(resources, name):
    """Take the resource out of where it is now and return it."""
    for holder in resources.iter():
        for child in holder:
            if child.tag in RESOURCE_TAGS and child.get("id") == name:
                holder.remove(child)
                return child
    raise AssertionError(f"member {name} was validated before")


# --- objects that are one element with attributes: constraints, fence levels ----------------------------------------------------------

class Attributes:
    """One element; ``names``: our name → attribute; ``parts``: our name → tag of the trees in it; ``defaults``: what an absent attribute means."""

    def __init__(self, names, parts=None, defaults=None):
        self.names, self.parts, self.defaults = names, parts or {}, defaults or {}

    def read(self, element):
        ours = {attribute: name for name, attribute in self.names.items()}
        found = {ours[attribute]: value for attribute, value in element.items() if attribute in ours}
        beyond = sorted(set(element.keys()) - set(ours) - {"id"})
        for child in element:
            name = next((name for name, tag in self.parts.items() if tag == child.tag), None)
            if name:
                found.setdefault(name, []).append(cib_trees.read(child))
            beyond += cib_trees.beyond(child) if name else [child.tag]
        found = self.without_defaults(found)
        if beyond:
            found[BEYOND] = beyond
        return found

    def without_defaults(self, values):
        return {name: value for name, value in values.items() if self.defaults.get(name) != value}

    def write(self, element, wanted, ids):
        set_attributes(element, {self.names[name]: value for name, value in wanted.items() if name in self.names})
        cib_trees.write_children(element, [(tag, values) for name, tag in self.parts.items() for values in wanted.get(name, [])], ids)


_SETS = {"sets": "resource_set"}
COLOCATION = Attributes({"resource": "rsc", "with": "with-rsc", "score": "score", "role": "rsc-role", "with_role": "with-rsc-role", "influence": "influence",
                         "node_attribute": "node-attribute"}, _SETS)
ORDER = Attributes({"first": "first", "then": "then", "kind": "kind", "symmetrical": "symmetrical", "first_action": "first-action",
                    "then_action": "then-action", "require_all": "require-all"}, _SETS,
                   {"kind": "Mandatory", "symmetrical": "true", "first_action": "start", "require_all": "true"})
LOCATION = Attributes({"resource": "rsc", "resource_pattern": "rsc-pattern", "node": "node", "score": "score", "role": "role",
                       "resource_discovery": "resource-discovery"}, dict(_SETS, rules="rule"), {"resource_discovery": "always"})
TICKET = Attributes({"resource": "rsc", "ticket": "ticket", "role": "rsc-role", "loss_policy": "loss-policy"}, _SETS)
FENCE_LEVEL = Attributes({"target": "target", "target_pattern": "target-pattern", "target_attribute": "target-attribute", "target_value": "target-value",
                          "level": "index", "devices": "devices"})


# --- defaults that hold only under a rule ------------------------------------------------------------------------------------------------

def read_default_set(element):
    rule, values, beyond = element.find("rule"), {}, []
    for child in element:
        if child.tag == "nvpair" and child.get("name") and not child.get("id-ref"):
            values.setdefault(child.get("name"), child.get("value", ""))
        elif child is not rule:
            beyond.append(f"{child.tag} {child.get('id') or child.get('id-ref')}")
    found = dict({"values": values, "rule": cib_trees.read(rule)}, **({"score": element.get("score")} if element.get("score") else {}))
    beyond += cib_trees.beyond(rule)
    return dict(found, **({BEYOND: beyond} if beyond else {}))


def write_default_set(element, wanted, ids):
    set_attributes(element, {"score": wanted["score"]} if "score" in wanted else {})
    pairs = {}
    for pair in element.findall("nvpair"):
        if pair.get("id-ref") or pair.get("name") not in wanted["values"] or pair.get("name") in pairs:
            element.remove(pair)
        else:
            pairs[pair.get("name")] = pair
    for name, value in wanted["values"].items():
        if name not in pairs:
            pairs[name] = ET.SubElement(element, "nvpair", {"id": ids.new(f"{element.get('id')}-{name}"), "name": name})
        pairs[name].set("value", value)
    rule = element.find("rule")
    if rule is None:
        rule = ET.Element("rule", {"id": ids.new(f"{element.get('id')}-rule")})
        element.insert(0, rule)
    cib_trees.write(rule, wanted["rule"], ids)


# --- alerts ----------------------------------------------------------------------------------------------------------------------------

def read_alert(element):
    """Return an alert's values; its recipients by id, because their order means nothing."""
    found = _told(element)
    beyond = found.pop(BEYOND) + [child.tag for child in element if child.tag not in ("instance_attributes", "meta_attributes", "select", "recipient")]
    found.update(path=element.get("path"), kinds=sorted(child.tag.replace("select_", "", 1) for child in element.iterfind("select/*")),
                 attributes=sorted(child.get("name", "") for child in element.iterfind("select/select_attributes/attribute")), recipients={})
    for recipient in element.iterfind("recipient"):
        values = _told(recipient)
        beyond += values.pop(BEYOND)
        found["recipients"][recipient.get("id")] = dict({name: pairs for name, pairs in values.items() if pairs}, value=recipient.get("value"))
    return dict(found, **({BEYOND: beyond} if beyond else {}))


def _told(element):
    options, beyond = read_pairs(element, "instance_attributes")
    meta, more = read_pairs(element, "meta_attributes")
    return {"options": options, "meta": meta, BEYOND: beyond + more}


def write_alert(element, wanted, ids):
    for child in [child for child in element if child.tag not in ("instance_attributes", "meta_attributes", "select", "recipient")]:
        element.remove(child)
    element.set("path", wanted["path"])
    _write_told(element, wanted, ids)
    _write_select(element, wanted, ids)
    for recipient in element.findall("recipient"):
        if recipient.get("id") not in wanted["recipients"]:
            element.remove(recipient)
    for name, values in wanted["recipients"].items():
        recipient = next((one for one in element.findall("recipient") if one.get("id") == name), None)
        if recipient is None:
            recipient = ET.SubElement(element, "recipient", {"id": ids.new(name)})
        recipient.set("value", values["value"])
        _write_told(recipient, values, ids)


def _write_told(element, wanted, ids):
    write_pairs(element, "meta_attributes", wanted.get("meta", {}), ids, position=0)
    write_pairs(element, "instance_attributes", wanted.get("options", {}), ids, position=1 if element.find("meta_attributes") is not None else 0)


def _write_select(element, wanted, ids):
    select = element.find("select")
    if select is None and wanted["kinds"]:
        select = ET.Element("select")
        element.insert(0, select)
    elif select is not None and not wanted["kinds"]:
        element.remove(select)
    for child in list(select) if wanted["kinds"] else []:
        if child.tag.replace("select_", "", 1) not in wanted["kinds"]:
            select.remove(child)
    for kind in wanted["kinds"]:
        if select.find(f"select_{kind}") is None:
            ET.SubElement(select, f"select_{kind}")
    attributes = select.find("select_attributes") if wanted["kinds"] else None
    for attribute in list(attributes) if attributes is not None else []:
        if attribute.get("name") not in wanted["attributes"]:
            attributes.remove(attribute)
    for name in wanted["attributes"]:
        if all(attribute.get("name") != name for attribute in attributes):
            ET.SubElement(attributes, "attribute", {"id": ids.new(f"{element.get('id')}-attribute-{name}"), "name": name})


# --- the kinds -----------------------------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Kind:
    """One kind of object: its list in a description, its name for people, its place in the CIB."""

    key: str
    label: str
    section: str                        # path below <configuration>
    tag: str
    required: tuple = ()
    fields: tuple = ()                  # optional ones
    one_of: tuple = ()                  # choices, each ((fields that belong together), …): exactly one of these groups
    codec: object = None                # read(element) → values; write(element, values, ids), which groups and clones lack (write_group)

    def all_fields(self):
        return ("id",) + self.required + tuple(name for choice in self.one_of for group in choice for name in group) + self.fields

    def lacks(self, entry):
        """Return what is missing in an object's values, or excludes each other."""
        found = [f"'{name}' is missing" for name in self.required if entry.get(name) in (None, "", [], {})]
        for choice in self.one_of:
            groups = [group for group in choice if set(group) & set(entry)]
            if len(groups) == 1:
                found += [f"'{name}' is missing" for name in groups[0] if entry.get(name) in (None, "", [])]
            else:
                found.append("it needs " + ("only one" if groups else "one") + " of: " + "; ".join(" and ".join(group) for group in choice))
        return found


class Codec:
    defaults = {}

    def __init__(self, read, write=None):
        self.read, self.write = read, write


def _clone(element):
    found = read_group(element)
    found["member"] = "".join(found.pop("members"))
    return found


_PRIMITIVE_FIELDS, _PRIMITIVE_CODEC = ("options", "meta", "utilization", "operations"), Codec(read_primitive, write_primitive)
_DEFAULTS, _SET = Codec(read_default_set, write_default_set), ("sets",)

KINDS = (
    Kind("resource_default_sets", "resource default set", "rsc_defaults", "meta_attributes", ("rule", "values"), ("score",), codec=_DEFAULTS),
    Kind("operation_default_sets", "operation default set", "op_defaults", "meta_attributes", ("rule", "values"), ("score",), codec=_DEFAULTS),
    Kind("fence_devices", "fence device", "resources", "primitive", ("agent",), _PRIMITIVE_FIELDS, codec=_PRIMITIVE_CODEC),
    Kind("resources", "resource", "resources", "primitive", ("agent",), _PRIMITIVE_FIELDS, codec=_PRIMITIVE_CODEC),
    Kind("groups", "group", "resources", "group", ("members",), ("meta",), codec=Codec(read_group)),
    Kind("clones", "clone", "resources", "clone", ("member",), ("meta",), codec=Codec(_clone)),
    Kind("fence_levels", "fence level", "fencing-topology", "fencing-level", ("level", "devices"), (),
         ((("target",), ("target_pattern",), ("target_attribute", "target_value")),), FENCE_LEVEL),
    Kind("locations", "location", "constraints", "rsc_location", (), ("role", "resource_discovery"),
         ((("resource",), ("resource_pattern",), _SET), (("node", "score"), ("rules",))), LOCATION),
    Kind("colocations", "colocation", "constraints", "rsc_colocation", ("score",), ("role", "with_role", "influence", "node_attribute"),
         ((("resource", "with"), _SET),), COLOCATION),
    Kind("orders", "order", "constraints", "rsc_order", (), ("kind", "symmetrical", "require_all", "first_action", "then_action"),
         ((("first", "then"), _SET),), ORDER),
    Kind("tickets", "ticket", "constraints", "rsc_ticket", ("ticket",), ("role", "loss_policy"), ((("resource",), _SET),), TICKET),
    Kind("alerts", "alert", "alerts", "alert", ("path",), ("kinds", "attributes", "options", "meta", "recipients"), codec=Codec(read_alert, write_alert)),
)


def elements(configuration, kind):
    """Return a configuration's elements of one kind; what is inside a bundle or another thing that we cannot describe is part of that."""
    holder = configuration.find(kind.section)
    return [element for element in _reachable(holder) if element.tag == kind.tag and _is(kind, element)] if holder is not None else []


def _reachable(holder):
    for element in holder:
        yield element
        if element.tag in ("group", "clone"):
            yield from _reachable(element)


def _is(kind, element):
    if kind.tag == "primitive":
        return (element.get("class") == "stonith") == (kind.key == "fence_devices")
    if kind.tag == "meta_attributes":
        return element.find("rule") is not None
    return True
