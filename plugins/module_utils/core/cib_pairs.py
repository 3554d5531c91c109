# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name/value pairs of a CIB: the sets that an object has for itself, and those that hold single values of which only some are ours.

A set that is given by reference, or that holds only under a rule, is never mixed up with the plain ones.
"""
from __future__ import annotations

import re
import xml.etree.ElementTree as ET


def clean_id(wanted):
    """Return a text as an id may be spelled (NCName).

    >>> clean_id("ops@example"), clean_id("1st")
    ('ops_example', '_1st')
    """
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", wanted)
    return name if re.match(r"[A-Za-z_]", name) else f"_{name}"


REFERENCES = ("resource_ref", "obj_ref", "role")          # elements whose id is that of another one


class Ids:
    """Hands out ids that no other element of the document has."""

    def __init__(self, root):
        self._taken = {element.get("id") for element in root.iter() if element.get("id") and element.tag not in REFERENCES}

    def new(self, wanted):
        name, count = clean_id(wanted), 0
        free = name
        while free in self._taken:
            count += 1
            free = f"{name}-{count}"
        self._taken.add(free)
        return free


# --- sets of name/value pairs -------------------------------------------------------------------------------------------------------

def read_pairs(owner, tag):
    """Return ({name: value}, [what cannot be expressed]) of all sets with this tag in ``owner``."""
    values, beyond = {}, []
    for pairs in owner.findall(tag):
        if pairs.get("id-ref"):
            beyond.append(f"{tag} by reference to {pairs.get('id-ref')}")
        for child in pairs:
            if child.tag == "nvpair" and child.get("name") and not child.get("id-ref"):
                values.setdefault(child.get("name"), child.get("value", ""))
            else:
                beyond.append(f"{tag} with {child.tag} {child.get('id') or child.get('id-ref')}")
    return values, beyond


def write_pairs(owner, tag, wanted, ids, position=None):
    """Make the sets of ``owner`` say exactly what is wanted."""
    sets = plain_sets(owner, tag)
    for pairs in owner.findall(tag):
        if pairs not in sets:
            owner.remove(pairs)
    present = set()
    for pairs in sets:
        for pair in list(pairs):
            if pair.tag != "nvpair" or pair.get("id-ref") or pair.get("name") not in wanted or pair.get("name") in present:
                pairs.remove(pair)
            else:
                present.add(pair.get("name"))
    set_pairs(owner, tag, wanted, ids, f"{owner.get('id')}-{tag}", position)
    for pairs in sets:
        if not len(pairs):
            owner.remove(pairs)


def plain_sets(owner, tag):
    """Return the sets that always hold: no reference, no rule."""
    return [pairs for pairs in owner.findall(tag) if not pairs.get("id-ref") and pairs.find("rule") is None]


def set_pairs(owner, tag, wanted, ids, base, position=None):
    """Set some pairs (None: take them out) where they are, new ones in the first set; all others stay."""
    sets = plain_sets(owner, tag)
    for pairs in sets:
        for pair in [pair for pair in pairs if pair.get("name") in wanted]:
            if wanted[pair.get("name")] is None:
                pairs.remove(pair)
    present = {}
    for pairs in sets:
        for pair in pairs.findall("nvpair"):
            present.setdefault(pair.get("name"), pair)
    for name, value in wanted.items():
        if value is None:
            continue
        if name not in present:
            if not sets:
                sets = [ET.Element(tag, {"id": ids.new(base)})]
                owner.insert(len(owner) if position is None else position, sets[0])
            present[name] = ET.SubElement(sets[0], "nvpair", {"id": ids.new(f"{sets[0].get('id')}-{name}"), "name": name})
        present[name].set("value", value)


# --- single values that share a set with others: properties, defaults, attributes of nodes --------------------------------------------

class Pairs:
    """Named values of which only the declared ones are ours. ``base``: id of a new set; ``of_nodes``: one set for each node."""

    def __init__(self, key, label, section, tag, base, of_nodes=False):
        self.key, self.label, self.section, self.tag, self.base, self.of_nodes = key, label, section, tag, base, of_nodes

    def read(self, configuration):
        """Return {name: value}; the name of a node's value is "<node> <name>"."""
        holder, found = configuration.find(self.section), {}
        for owner in () if holder is None else holder if self.of_nodes else [holder]:
            for pairs in sorted(plain_sets(owner, self.tag), key=lambda pairs: pairs.get("id") != self.base):    # the cluster's own set wins
                for pair in pairs.findall("nvpair"):
                    if pair.get("name") and not pair.get("id-ref"):
                        name = f"{owner.get('uname')} {pair.get('name')}" if self.of_nodes else pair.get("name")
                        found.setdefault(name, pair.get("value", ""))
        return found

    def write(self, holder, name, value, ids):
        owner, base = holder, self.base
        if self.of_nodes:
            node, name = name.split(" ", 1)
            owner = next((one for one in holder if one.get("uname") == node), None)
            if owner is None:                            # only in the prediction for a host without a cluster
                owner = ET.SubElement(holder, "node", {"id": node, "uname": node})
            base = f"{self.base}-{owner.get('id')}"
        set_pairs(owner, self.tag, {name: value}, ids, base)


PAIRS = (
    Pairs("properties", "property", "crm_config", "cluster_property_set", "cib-bootstrap-options"),
    Pairs("resource_defaults", "resource default", "rsc_defaults", "meta_attributes", "rsc_defaults-options"),
    Pairs("operation_defaults", "operation default", "op_defaults", "meta_attributes", "op_defaults-options"),
    Pairs("node_attributes", "node attribute", "nodes", "instance_attributes", "nodes", of_nodes=True),
    Pairs("node_utilization", "node utilization", "nodes", "utilization", "nodes-utilization", of_nodes=True),
)
