# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of objects that are trees of their own: rules with their expressions, and sets of resources.

    a rule        {boolean_op, role, score, score_attribute, expressions: [expression, …]}
    an expression {expression: {attribute, operation, value, type, value_source}}   {rsc_expression: {class, provider, type}}
                  {date_expression: {operation, start, end, date_spec: {hours, …}, duration: {…}}}   {op_expression: {name, interval}}   {rule: {…}}
    a set         {members: [id, …], sequential, require_all, ordering, action, role, score, kind}

Names are those of pacemaker's schema (rule-3.9.rng, constraints-3.9.rng of 2.1.5) with _ for -. Ids are no part of a description: an
element keeps the one it has.
"""
from __future__ import annotations

import difflib
import xml.etree.ElementTree as ET

from . import cib_values

ROLES = ("Started", "Stopped", "Promoted", "Unpromoted", "Master", "Slave")
ACTIONS = ("start", "promote", "demote", "stop")
ORDERS = ("Mandatory", "Optional", "Serialize")
BOOLEAN = ("true", "false")

EXPRESSIONS = ("expression", "date_expression", "rsc_expression", "op_expression", "rule")
_DATE = ("years", "months", "weeks", "hours", "minutes", "seconds", "weekyears", "weekdays", "monthdays", "yeardays", "moon")
_FIELDS = {
    "rule": ("boolean_op", "role", "score", "score_attribute"),
    "expression": ("attribute", "operation", "value", "type", "value_source"),
    "date_expression": ("operation", "start", "end"),
    "date_spec": _DATE,
    "duration": ("years", "months", "weeks", "days", "hours", "minutes", "seconds"),
    "rsc_expression": ("class", "provider", "type"),
    "op_expression": ("name", "interval"),
    "resource_set": ("sequential", "require_all", "ordering", "action", "role", "score", "kind"),
}
_INNER = {"date_expression": ("date_spec", "duration")}
_LISTS = {"rule": "expressions", "resource_set": "members"}
_REQUIRED = {"expression": ("attribute", "operation"), "date_expression": ("operation",), "op_expression": ("name",)}
_DEFAULTS = {"rule": {"boolean_op": "and"}, "resource_set": {"sequential": "true", "require_all": "true"}}
_CHOICES = {
    ("rule", "boolean_op"): ("and", "or"),
    ("expression", "operation"): ("lt", "gt", "lte", "gte", "eq", "ne", "defined", "not_defined"),
    ("expression", "type"): ("string", "integer", "number", "version"),
    ("expression", "value_source"): ("literal", "param", "meta"),
    ("date_expression", "operation"): ("gt", "lt", "in_range", "date_spec"),
    ("resource_set", "ordering"): ("group", "listed"),
    ("resource_set", "sequential"): BOOLEAN, ("resource_set", "require_all"): BOOLEAN,
    ("resource_set", "action"): ACTIONS, ("resource_set", "role"): ROLES, ("resource_set", "kind"): ORDERS,
}
_SUFFIX = {"expression": "expr", "date_expression": "expr", "rsc_expression": "expr", "op_expression": "expr", "date_spec": "datespec", "resource_set": "set"}


# --- element ⇄ values ----------------------------------------------------------------------------------------------------------------

def read(element):
    """Return the values of a rule, an expression or a set; what its defaults say is left out."""
    tag = element.tag
    values = {name.replace("-", "_"): value for name, value in element.items() if name != "id"}
    values = {name: value for name, value in values.items() if _DEFAULTS.get(tag, {}).get(name) != value}
    if tag == "rule":
        values["expressions"] = [{child.tag: read(child)} for child in element]
    elif tag == "resource_set":
        values["members"] = [child.get("id") for child in element]
    else:
        values.update({child.tag: read(child) for child in element})
    return values


def beyond(element):
    """Return what of an element cannot be described."""
    inner = {"rule": EXPRESSIONS, "resource_set": ("resource_ref",)}.get(element.tag, _INNER.get(element.tag, ()))
    found = [f"{element.tag} with {name}" for name in element.keys() if name != "id" and name.replace("-", "_") not in _FIELDS[element.tag]]
    if element.tag in _LISTS and not len(element):
        found.append(f"{element.tag} without {_LISTS[element.tag]}")
    for child in element:
        if child.tag not in inner:
            found.append(f"{element.tag} with {child.tag}")
        elif child.tag != "resource_ref":
            found += beyond(child)
    return found


def write(element, values, ids):
    """Make an element say what is wanted, and touch nothing when it does already."""
    if read(element) == values and not beyond(element):
        return
    if element.tag == "resource_set":
        wanted = [("resource_ref", member) for member in values["members"]]
    elif element.tag == "rule":
        wanted = [pair for expression in values["expressions"] for pair in expression.items()]
    else:
        wanted = [(tag, values[tag]) for tag in _INNER.get(element.tag, ()) if tag in values]
    set_attributes(element, {name.replace("_", "-"): value for name, value in values.items() if isinstance(value, str)})
    write_children(element, wanted, ids)


def write_children(element, wanted, ids, others=()):
    """Give an element exactly these children, [(tag, values)]; each takes over the element in its place when that has its tag."""
    old = [child for child in element if child.tag not in others]
    new = []
    for at, (tag, values) in enumerate(wanted):
        if tag == "resource_ref":
            child = next((child for child in old if child.tag == tag and child.get("id") == values), None)
            new.append(ET.Element(tag, {"id": values}) if child is None else child)
            continue
        if at < len(old) and old[at].tag == tag:
            new.append(old[at])
        else:
            new.append(ET.Element(tag, {"id": ids.new(f"{element.get('id')}-{_SUFFIX.get(tag, tag)}")}))
        write(new[-1], values, ids)
    element[:] = [child for child in element if child.tag in others] + new


def set_attributes(element, wanted):
    """Give an element exactly these attributes besides its id. Those that stay keep their place: crm_diff's digest depends on the order."""
    for name in [name for name in element.keys() if name != "id" and name not in wanted]:
        del element.attrib[name]
    element.attrib.update(wanted)


# --- what people write → values ----------------------------------------------------------------------------------------------------------

def declared(tag, entry, where, problems):
    """Return the values of a declared rule, expression or set; add what is wrong with it to ``problems``."""
    if not isinstance(entry, dict):
        problems.append(f"{where}: a {tag} is written as a mapping, not as '{entry}'")
        return {}
    entry = {name: value for name, value in entry.items() if value is not None}
    inner, values = _INNER.get(tag, ()), {}
    problems += unknown_fields(f"{where}: {tag}", set(entry) - set(inner), _FIELDS[tag] + ((_LISTS[tag],) if tag in _LISTS else ()))
    problems += [f"{where}: {tag}: '{name}' is missing" for name in _REQUIRED.get(tag, ()) + ((_LISTS[tag],) if tag in _LISTS else ()) if not entry.get(name)]
    for name in [name for name in _FIELDS[tag] if name in entry]:
        values[name] = choice(f"{where}: {tag}", name, entry[name], _CHOICES.get((tag, name)), problems)
    values = {name: value for name, value in values.items() if _DEFAULTS.get(tag, {}).get(name) != value}
    values.update({name: declared(name, entry[name], where, problems) for name in inner if name in entry})
    if "date_spec" in inner and (values.get("operation") == "date_spec") != ("date_spec" in values):
        problems.append(f"{where}: {tag}: operation and field 'date_spec' belong together")
    if tag == "rule":
        values["expressions"] = [_expression(one, where, problems) for one in entry.get("expressions") or []]
    if tag == "resource_set":
        values["members"] = [cib_values.text(member) for member in entry.get("members") or []]
    return values


def _expression(entry, where, problems):
    if not isinstance(entry, dict) or len(entry) != 1 or set(entry) - set(EXPRESSIONS):
        problems.append(f"{where}: an expression is written as a mapping with one of these keys: {', '.join(EXPRESSIONS)}")
        return {}
    return {tag: declared(tag, values, where, problems) for tag, values in entry.items()}


_MANY = {"rules": "rule", "sets": "resource_set", "expressions": "entry", "members": "member", "recipients": "recipient", "operations": "op"}
_SINGLES = ("options", "meta", "utilization", "values", "date_spec", "duration")           # mappings of names to single values
_MAPPINGS = EXPRESSIONS + _SINGLES + ("entry", "resource_set", "op")


def misshapen(where, name, value):
    """Return where a value is no list, mapping or single value although its name asks for one; its text would become something that nobody meant.

    >>> misshapen("resource r", "options", {"ip": ["192.0.2.1"]})
    ["resource r: options: 'ip' is a list; one text or number is wanted"]
    """
    if value is None:
        return []
    if name in _MANY or (name == "devices" and isinstance(value, (list, tuple))):
        if not isinstance(value, (list, tuple)):
            return [f"{where}: {name} is {kind_of(value)}; a list is wanted"]
        return [problem for one in value for problem in misshapen(where, _MANY.get(name, name[:-1]), one)]
    if name in _MAPPINGS or (name == "recipient" and isinstance(value, dict)):
        if not isinstance(value, dict):                  # of a rule and the like ``declared`` says more
            return [f"{where}: {name} is {kind_of(value)}; a mapping is wanted"] if name in _SINGLES + ("op",) else []
        look = not_single if name in _SINGLES else misshapen
        unknown = set(value) - set(_FIELDS[name]) - set(_MANY) - set(_MAPPINGS) if name in _FIELDS and name not in _SINGLES else ()
        return [problem for inner, one in value.items() if inner not in unknown for problem in look(f"{where}: {name}", inner, one)]
    return not_single(where, name, value)


def not_single(where, name, value):
    """Return what is wrong with the name or the value of a pair: neither can hold more than one text."""
    if not isinstance(name, str):
        return [f"{where}: the name {name!r} is no text"]
    return [f"{where}: '{name}' is {kind_of(value)}; one text or number is wanted"] if isinstance(value, (dict, list, tuple)) else []


def kind_of(value):
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, (list, tuple)) else "one value"


def choice(where, name, value, choices, problems):
    """Return a value as the CIB spells it; add to ``problems`` when it is none of ``choices``, or no score where it should be one."""
    value = cib_values.text(value)
    if choices == BOOLEAN:
        value = cib_values.boolean(value)
    if choices and value not in choices:
        problems.append(f"{where}: {name} '{value}' is unknown" + near(value, choices))
    if name == "score" and not cib_values.is_score(value):
        problems.append(f"{where}: score '{value}' is neither a number nor INFINITY")
    return value


def unknown_fields(where, given, known):
    return [f"{where}: unknown field '{name}'" + near(str(name), known) for name in sorted(given - set(known), key=str)]


def near(word, known):
    """Return the hint that follows a word that nobody knows.

    >>> near("scor", ("score", "node")), near("x", ("score", "node"))
    ("; did you mean 'score'?", '; use one of: score, node')
    """
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean '{found[0]}'?" if found else f"; use one of: {', '.join(known)}"
