# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a pacemaker configuration that we declared: read from the CIB, compared by meaning, changed by id.

An object of ours is ours completely: an option, operation or meta attribute that was not declared is drift. All other objects of
the CIB stay as they are. Read next: cib_description.py (what people write), cib_kinds.py (XML of each kind), cib_values.py (what is equal).
"""
from __future__ import annotations

import copy
import xml.etree.ElementTree as ET

from . import cib_description, cib_kinds, cib_values
from .cib_description import masked
from .cib_kinds import BEYOND, KINDS
from .cib_pairs import PAIRS, REFERENCES, Ids
from .cib_trees import near
from .cib_values import KEEP, SECRET
from .errors import CoreError, Problems
from .plan import Change, Plan

_SINGLES = {pairs.label: pairs for pairs in PAIRS}
_BY_LABEL = {kind.label: kind for kind in KINDS}
_ORDER = list(_SINGLES) + list(_BY_LABEL)

SECRET_CHANGED = "(secret, changed)"
declared = cib_description.declared          # the other half of what our users ask this module for
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


def version(root):
    """Return what pacemaker compares to tell which of two configurations is newer; changes of the status alone do not count."""
    return int(root.get("admin_epoch", 0)), int(root.get("epoch", 0))


def advanced(text):
    """Return the same CIB as a newer one, which all members take in the place of theirs."""
    root = parse(text)
    root.set("epoch", str(version(root)[1] + 1))
    root.set("num_updates", "0")
    return ET.tostring(root, encoding="unicode")


def objects(root):
    """Return {(label, id): values} of everything in the configuration that has one of our kinds."""
    configuration, found = root.find("configuration"), {}
    for pairs in PAIRS:
        found.update({(pairs.label, name): value for name, value in pairs.read(configuration).items()})
    for kind in KINDS:
        for element in cib_kinds.elements(configuration, kind):
            values = kind.codec.read(element)
            lacks = kind.lacks(values)
            found[(kind.label, element.get("id"))] = dict(values, **{BEYOND: values.get(BEYOND, []) + lacks}) if lacks else values
    return found


def describe(root):
    """Return (description, [ids that it cannot express]) of a live configuration; secrets show as "(secret)", which means "keep"."""
    return cib_description.describe(root, objects(root))


# --- compare ------------------------------------------------------------------------------------------------------------------------------

def plan(root, wanted, absent=(), secrets=None, exclusive=False):
    """Return the Plan that turns the live configuration into one that has the wanted objects (see ``declared``).

    exclusive: every other object that a description can name goes; properties and defaults stay, because the cluster writes some itself.
    Each change's step is (label, id, values or None): what ``render`` writes.
    """
    live = objects(root)
    gone = {key for key in live if key[0] in _BY_LABEL and (key[1] in set(absent) or (exclusive and key not in wanted))}
    _refuse_conflicts(root, live, wanted, gone)
    names = {name for options in (secrets or {}).values() for name in options}
    changes, before, after = [], [], []
    for key in sorted(wanted, key=lambda key: _ORDER.index(key[0])):
        target = settled(live.get(key), wanted[key]) if key[0] not in _EXACT else wanted[key]
        if live.get(key) != target:
            changes.append(_change(key, live.get(key), target, names))
    for key in sorted((key for key in live if key in gone), key=lambda key: -_ORDER.index(key[0])):
        changes.append(_change(key, live[key], None, names))
    for change in changes:
        dummy_label, dummy_name, values = change.step
        old, new = _shown_pair(live.get(change.step[:2]), values, names)
        before += _text(change, old)
        after += _text(change, new)
    return Plan(tuple(changes), tuple(_followers(live, wanted, gone)), before="\n".join(before + [""]) if changes else None,
                after="\n".join(after + [""]) if changes else None)


_EXACT = ("node attribute", "node utilization")          # compared as texts by whoever reads them
_NAMES = ("agent", "member", "members", "devices", "resource", "with", "first", "then", "node", "ticket", "path", "target", "expressions", "utilization")


def settled(live, wanted, path=()):
    """Return the wanted values in the spelling of the live ones wherever both mean the same."""
    if isinstance(wanted, dict):
        live = live if isinstance(live, dict) else {}
        return {name: settled(live.get(name), value, path + (name,)) for name, value in wanted.items()}
    if wanted == KEEP and live is not None:
        return live
    if path[-1:] and path[-1] in _NAMES:
        return wanted
    if isinstance(wanted, list) and isinstance(live, list) and len(live) == len(wanted):
        return [settled(one, other, path) for one, other in zip(live, wanted)]
    if not isinstance(wanted, str) or not isinstance(live, str):
        return wanted
    agent_option = "options" in path[:-1] and not path[-1].startswith("pcmk_")
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
    hide = {path for path in paths if "options" in path[:-1] and (path[-1] in names or cib_values.is_secret(path[-1]))}

    def side(values, mark):
        return {".".join(path): mark if path in hide else values[path] for path in paths if path in values}
    return side(left, SECRET), side(right, SECRET_CHANGED if left else SECRET)


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


def _shown_pair(live, target, names):
    """Mask both sides; a secret that changes is seen to change."""
    return masked(live, names), _marked(live, target, masked(target, names))


def _marked(live, target, shown):
    if not isinstance(shown, dict):
        return SECRET_CHANGED if shown == SECRET and live is not None and live != target else shown
    live = live if isinstance(live, dict) else {}
    return {name: _marked(live.get(name), target[name], value) for name, value in shown.items()}


def _text(change, values):
    if values is None:
        return []
    if not isinstance(values, dict):
        return [f"{change.kind} {change.target}: {values}"]
    return [f"{change.kind} {change.target}:"] + cib_values.lines({name: value for name, value in values.items() if value not in ({}, [])}, 2)


def _refuse_conflicts(root, live, wanted, gone):
    """Refuse what the CIB could not take: ids of another kind, references to nothing, groups left empty, secrets to keep that are not there."""
    configuration = root.find("configuration")
    problems = _taken_ids(configuration, live, wanted) + _dangling(configuration, live, wanted, gone) + _robbed(live, wanted, gone)
    nodes = {node.get("uname") for node in configuration.iterfind("nodes/node")}
    for label, name in wanted:
        if label in _EXACT and nodes and name.split(" ", 1)[0] not in nodes:
            problems.append(f"{label} {name}: there is no node '{name.split(' ', 1)[0]}'; the cluster has {', '.join(sorted(nodes))}")
    for (label, name), values in wanted.items():
        known = live.get((label, name))
        problems += [f"{label} {name}: secret '{path[-1]}' is to be kept, but there is none" for path, value in _leaves(values or {}).items()
                     if value == KEEP and path not in _leaves(known or {})]
    if problems:
        raise Problems("the description does not fit the cluster", problems, hint="Nothing was changed.")


def _taken_ids(configuration, live, wanted):
    problems, taken, owner = [], {}, {}
    for section in configuration:
        for top in section:
            for element in top.iter():
                if element.get("id") and element.tag not in REFERENCES:
                    taken[element.get("id")], owner[element.get("id")] = element, top.get("id")
    for (label, name), values in wanted.items():
        if label in _BY_LABEL and (label, name) not in live and name in taken:
            inside = f" inside {owner[name]}" if owner[name] != name else ""
            problems.append(f"{label} {name}: the CIB has this id already, for a <{taken[name].tag}>{inside}")
        for recipient in values["recipients"] if label == "alert" else ():
            if recipient in taken and owner[recipient] != name:
                problems.append(f"{label} {name}: the CIB has the id of recipient {recipient} already, for a <{taken[recipient].tag}>")
    return problems


def _dangling(configuration, live, wanted, gone):
    """Return references of ours to nothing, and references of others to what goes."""
    resources = {name for label, name in [key for key in live if key not in gone] + list(wanted) if label in _RESOURCES}
    resources |= {element.get("id") for element in configuration.iterfind("resources//*") if element.tag in ("primitive", "master", "bundle", "template")
                  and element.get("id") not in {name for dummy, name in gone}}
    tags = {element.get("id") for element in configuration.iterfind("tags/tag")}
    problems = []
    for (label, name), values in wanted.items():
        known = resources | (tags if label not in ("group", "clone", "fence level") else set())
        problems += [f"{label} {name}: there is no resource '{one}'" + (near(one, sorted(known)) if known else "")
                     for one in _references(label, values) if one not in known]
    lost = {name for label, name in gone if label in _RESOURCES}
    for key, values in live.items():
        if key not in gone and key not in wanted and key[0] not in ("group", "clone"):
            problems += [f"{one} is to go, but {key[0]} {key[1]} refers to it; let that go, too (absent)" for one in _references(key[0], values) if one in lost]
    return problems


def _robbed(live, wanted, gone):
    """Return groups and clones of others that would change because of what we take from them."""
    problems, lost = [], {name for label, name in gone if label in _RESOURCES}
    holders = {member: key for key in wanted if key[0] in ("group", "clone") for member in _references(key[0], wanted[key])}
    for key, values in live.items():
        if key[0] not in ("group", "clone") or key in gone or key in wanted:
            continue
        members = _references(key[0], values)
        problems += [f"{' '.join(holders[one])}: {one} is in {key[0]} {key[1]}, which is not declared; declare that, or let it go (absent)"
                     for one in members if one in holders]
        if members and set(members) <= lost:
            problems.append(f"{key[0]} {key[1]} would be left empty; let it go, too (absent)")
    return problems


def _followers(live, wanted, gone):
    """Tell which resources of others are kept with ours: mostly something that was declared once and was then forgotten in the cluster."""
    ours, ties = {name for label, name in wanted if label in _RESOURCES}, {}
    for key, values in live.items():
        named = _references(key[0], values) if key[0] == "colocation" and key not in gone and key not in wanted else []
        if ours & set(named) and (cib_values.number(values.get("score", "0")) or 0) > 0:
            for one in named:
                ties.setdefault(one, []).append(key[1])
    lost = {name for label, name in gone if label in _RESOURCES}
    return [f"resource {one} is not declared, and stays with what is ({', '.join(sorted(names))}). If nobody wants it any more: pcs resource delete {one}"
            for one, names in sorted(ties.items()) if one not in ours | lost]


_RESOURCES = ("resource", "fence device", "group", "clone")


def _references(label, values):
    if label == "group":
        return values["members"]
    if label == "fence level":
        return values["devices"].split(",")
    fields = {"clone": ("member",), "colocation": ("resource", "with"), "order": ("first", "then"), "location": ("resource",), "ticket": ("resource",)}
    found = [values[field] for field in fields.get(label, ()) if field in values]
    return found + [member for one in (values or {}).get("sets", ()) for member in one["members"]] if label in fields else []


# --- objects → CIB --------------------------------------------------------------------------------------------------------------------------

def render(root, changes):
    """Return the live CIB's text with the changes' steps written into it and its epoch one higher; the rest is untouched."""
    new = copy.deepcopy(root)
    configuration, ids = new.find("configuration"), Ids(new)
    groups = []
    for label, name, values in (change.step for change in changes):
        if label in _SINGLES:
            _SINGLES[label].write(_section(configuration, _SINGLES[label].section), name, values, ids)
        elif values is None:
            _remove(configuration, _BY_LABEL[label], name)
        elif label in ("group", "clone"):
            groups.append((_BY_LABEL[label], name, values))
        else:
            _BY_LABEL[label].codec.write(_element(configuration, _BY_LABEL[label], name, ids), values, ids)
    for kind, name, values in groups:   # after their members exist
        element = _element(configuration, kind, name, ids)
        members = values["members"] if kind.tag == "group" else [values["member"]]
        cib_kinds.write_group(element, dict(values, members=members), ids, _section(configuration, "resources"))
    new.set("epoch", str(int(new.get("epoch", "0")) + 1))
    new.set("num_updates", "0")
    return ET.tostring(new, encoding="unicode")


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
    for element in cib_kinds.elements(configuration, kind):
        if element.get("id") == name:
            return element
    return ET.SubElement(_section(configuration, kind.section), kind.tag, dict({"id": ids.new(name)}, **_BIRTH.get(kind.key, {})))


_BIRTH = {"fence_devices": {"class": "stonith"}}         # by which an element is recognised before it is written


def _remove(configuration, kind, name):
    """Take an object out; what lives inside a removed group or clone moves to the top instead of vanishing with it."""
    holder = _section(configuration, kind.section)
    parent = next(parent for parent in holder.iter() for child in parent if child.get("id") == name and child.tag == kind.tag)
    element = next(child for child in parent if child.get("id") == name)
    if kind.tag in ("group", "clone"):
        for child in [child for child in element if child.tag in cib_kinds.RESOURCE_TAGS]:
            holder.append(child)
    parent.remove(element)
