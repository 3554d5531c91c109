# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each kind of object looks in a CIB: element → plain values, and plain values → element, edited in place.

An object is a plain dictionary of strings (a property is one string). What an element holds beyond what we can express
(rules, utilization, references) is listed under ``beyond``: on an object of ours that is drift, elsewhere it is left alone.
Elements keep the ids they have; new ones get the names that pcs would give.
"""
from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from .cib_values import interval

BEYOND = "beyond"


class Ids:
    """Hands out ids that no other element of the document has."""

    def __init__(self, root):
        self._taken = {element.get("id") for element in root.iter() if element.get("id")}

    def new(self, wanted):
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", wanted)
        name = name if re.match(r"[A-Za-z_]", name) else f"_{name}"
        free, count = name, 0
        while free in self._taken:
            count += 1
            free = f"{name}-{count}"
        self._taken.add(free)
        return free

    def forget(self, element):
        self._taken -= {inner.get("id") for inner in element.iter()}


def set_attributes(element, wanted):
    """Give an element exactly these attributes besides its id. Those that stay keep their place: crm_diff's digest depends on the order."""
    for name in [name for name in element.keys() if name != "id" and name not in wanted]:
        del element.attrib[name]
    element.attrib.update(wanted)


# --- sets of name/value pairs -------------------------------------------------------------------------------------------------------

def read_pairs(owner, tag):
    """Return ({name: value}, [what cannot be expressed]) of all sets with this tag in ``owner``."""
    values, beyond = {}, []
    for pairs in owner.findall(tag):
        if pairs.get("id-ref"):
            beyond.append(f"{tag} by reference to {pairs.get('id-ref')}")
        for child in pairs:
            if child.tag == "nvpair" and child.get("name"):
                values.setdefault(child.get("name"), child.get("value", ""))
            else:
                beyond.append(f"{tag} with {child.tag} {child.get('id') or child.get('id-ref')}")
    return values, beyond


def write_pairs(owner, tag, wanted, ids, position=None, base=None, only=False):
    """Make the sets of ``owner`` say what is wanted. only=True: other names of the first set stay (cluster properties)."""
    base = base or f"{owner.get('id')}-{tag}"
    sets = [pairs for pairs in owner.findall(tag) if not pairs.get("id-ref") and pairs.find("rule") is None]
    for pairs in owner.findall(tag):
        if not only and (pairs not in sets or pairs is not sets[0]):
            owner.remove(pairs)
    if not wanted and not (sets and len(sets[0])):
        return
    if not sets:
        sets = [ET.Element(tag, {"id": ids.new(base)})]
        owner.insert(len(owner) if position is None else position, sets[0])
    present = {}
    for pairs in sets if only else sets[:1]:
        for pair in list(pairs):
            name = pair.get("name")
            if not only and (pair.tag != "nvpair" or name not in wanted or name in present):
                pairs.remove(pair)
            elif name:
                present.setdefault(name, pair)
    for name, value in wanted.items():
        if name not in present:
            present[name] = ET.SubElement(sets[0], "nvpair", {"id": ids.new(f"{sets[0].get('id')}-{name}"), "name": name})
        present[name].set("value", value)
    if not only and not len(sets[0]):
        owner.remove(sets[0])


# --- primitives: resources and fence devices ----------------------------------------------------------------------------------------

_PRIMITIVE = {"id", "class", "provider", "type", "description"}
_OPERATION = {"id", "name", "interval", "description"}


def read_primitive(element):
    agent = ":".join(part for part in (element.get("class"), element.get("provider"), element.get("type")) if part)
    if element.get("class") == "stonith":
        agent = element.get("type")
    options, beyond = read_pairs(element, "instance_attributes")
    meta, more = read_pairs(element, "meta_attributes")
    beyond += more + sorted(set(element.keys()) - _PRIMITIVE)
    beyond += [child.tag for child in element if child.tag not in ("instance_attributes", "meta_attributes", "operations")]
    operations = {}
    for operation in element.iterfind("operations/op"):
        operations[operation_key(operation)], more = _read_operation(operation)
        beyond += more
    found = {"agent": agent, "options": options, "meta": meta, "operations": operations}
    if beyond:
        found[BEYOND] = beyond
    return found


def operation_key(operation):
    """Name an operation as people do: "start", "monitor 20s", "monitor 10s Promoted"."""
    every = interval(operation.get("interval"))
    return " ".join([operation.get("name")] + ([every] if every != "0" else []) + ([operation.get("role")] if operation.get("role") else []))


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
        if child.tag not in ("instance_attributes", "meta_attributes", "operations"):
            element.remove(child)
    write_pairs(element, "instance_attributes", wanted.get("options", {}), ids, position=0)
    write_pairs(element, "meta_attributes", wanted.get("meta", {}), ids, position=1 if element.find("instance_attributes") is not None else 0)
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
        name, every, role = _split_key(key)
        if operation is None:
            operation = ET.SubElement(holder, "op", {"id": ids.new(f"{element.get('id')}-{name}-interval-{every}" + (f"-{role}" if role else ""))})
        attributes = {"name": name, "interval": operation.get("interval", every)}
        attributes.update({"role": role} if role else {})
        attributes.update({attribute.replace("_", "-"): value for attribute, value in values.items() if not isinstance(value, dict)})
        set_attributes(operation, attributes)
        write_pairs(operation, "instance_attributes", values.get("options", {}), ids, position=0)
        write_pairs(operation, "meta_attributes", values.get("meta", {}), ids)
    if not len(holder):
        element.remove(holder)


def _split_key(key):
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
    position = list(resources).index(element)
    for child in list(element):
        if child.tag in RESOURCE_TAGS and child.get("id") not in wanted["members"]:
            element.remove(child)
            resources.insert(position, child)
        elif child.tag not in RESOURCE_TAGS + ("meta_attributes",):
            element.remove(child)
    members = [take(resources, name) for name in wanted["members"]]
    write_pairs(element, "meta_attributes", wanted.get("meta", {}), ids, position=0)
    first = 0 if element.find("meta_attributes") is None else 1
    for at, member in enumerate(members):
        element.insert(first + at, member)


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
    """One element; ``names``: our name → attribute; ``defaults``: what an absent attribute means."""

    def __init__(self, tag, names, defaults=None):
        self.tag, self.names, self.defaults = tag, names, defaults or {}

    def read(self, element):
        ours = {attribute: name for name, attribute in self.names.items()}
        found = {ours[attribute]: value for attribute, value in element.items() if attribute in ours}
        beyond = sorted(set(element.keys()) - set(ours) - {"id"}) + [child.tag for child in element]
        found = self.without_defaults(found)
        if beyond:
            found[BEYOND] = beyond
        return found

    def without_defaults(self, values):
        return {name: value for name, value in values.items() if self.defaults.get(name) != value}

    def write(self, element, wanted, dummy_ids=None):
        for child in list(element):
            element.remove(child)
        set_attributes(element, {self.names[name]: value for name, value in wanted.items()})


COLOCATION = Attributes("rsc_colocation", {"resource": "rsc", "with": "with-rsc", "score": "score", "role": "rsc-role", "with_role": "with-rsc-role",
                                           "influence": "influence"})
ORDER = Attributes("rsc_order", {"first": "first", "then": "then", "kind": "kind", "symmetrical": "symmetrical", "first_action": "first-action",
                                 "then_action": "then-action"}, {"kind": "Mandatory", "symmetrical": "true", "first_action": "start"})
LOCATION = Attributes("rsc_location", {"resource": "rsc", "node": "node", "score": "score", "role": "role"})
TICKET = Attributes("rsc_ticket", {"resource": "rsc", "ticket": "ticket", "role": "rsc-role", "loss_policy": "loss-policy"})
FENCE_LEVEL = Attributes("fencing-level", {"target": "target", "level": "index", "devices": "devices"})


# --- alerts ----------------------------------------------------------------------------------------------------------------------------

def read_alert(element):
    options, beyond = read_pairs(element, "instance_attributes")
    meta, more = read_pairs(element, "meta_attributes")
    kinds = [child.tag.replace("select_", "", 1) for child in element.iterfind("select/*")]
    recipients = [{"id": child.get("id"), "value": child.get("value")} for child in element.iterfind("recipient")]
    beyond += more + [f"{child.tag} of recipient" for child in element.iterfind("recipient/*")]
    beyond += [child.tag for child in element.iterfind("select/*/*")]
    found = {"path": element.get("path"), "kinds": sorted(kinds), "options": options, "meta": meta, "recipients": recipients}
    if beyond:
        found[BEYOND] = beyond
    return found


def write_alert(element, wanted, ids):
    for child in list(element):
        if child.tag not in ("instance_attributes", "meta_attributes"):
            element.remove(child)
            ids.forget(child)
    element.set("path", wanted["path"])
    write_pairs(element, "meta_attributes", wanted.get("meta", {}), ids, position=0)
    write_pairs(element, "instance_attributes", wanted.get("options", {}), ids)
    if wanted.get("kinds"):
        select = ET.Element("select")
        for kind in wanted["kinds"]:
            ET.SubElement(select, f"select_{kind}")
        element.insert(0, select)
    for recipient in wanted.get("recipients", []):
        ET.SubElement(element, "recipient", {"id": ids.new(recipient["id"]), "value": recipient["value"]})
