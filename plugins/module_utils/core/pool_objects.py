# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of an object in one of OpenNebula's pools: read the pool once, plan, allocate / update / rename / chown / chmod / delete, read again.

Each kind is a module (zones, hosts, vm_templates) with these names::

    KIND, PLURAL                     as in one.<KIND>pool.info, and the results' key
    NOTHING                          the state of a daemon that does not run yet
    read(api, text, want)            the state, from the pool's text; asks for more only where ``want`` needs it
    plan(state, want)                the Plan; every mistake is found here, before anything is changed. Its changes' steps are Calls
    allocated(change, oid)           called when the daemon has given a new object its id
    described(state)                 the objects in the shape of the module's option
"""
from __future__ import annotations

import re
from collections import namedtuple
from dataclasses import dataclass
from xml.etree import ElementTree

from . import templates
from .converge import Outcome, converge
from .errors import CoreError, NotThere, Problems
from .plan import Change

OID = object()                                      # in a call: the object's id, for a new one the id that allocate gave
NAME_LENGTH = 128
FORBIDDEN = "&|:\\\";/'#{}$<>"                      # PoolObjectSQL::INVALID_NAME_CHARS, 5.0.2 to 7.4.0

Named = namedtuple("Named", "id name")


@dataclass(frozen=True)
class Calls:
    """How one change is made: (method, argument, …) in their order, on the object ``oid`` or on the one that the first call makes."""

    calls: tuple
    oid: object = None


@dataclass(frozen=True)
class Object:
    """One object of a pool: its template ({NAME: [value, …]}) and the element that it was read from."""

    id: int
    name: str
    template: dict
    node: object = None

    def text(self, path):
        return self.node.findtext(path) or ""

    def number(self, path):
        found = self.text(path)
        return int(found) if re.match(r"-?\d+\Z", found) else 0


def objects(text, tag):
    """Return the objects of a pool, by id."""
    try:
        pool = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise CoreError(f"cannot read the {tag} pool", why=f"it is not XML: {error}") from None
    return sorted((one(node) for node in pool.findall(tag)), key=lambda found: found.id)


def one(node):
    return Object(int(node.findtext("ID")), node.findtext("NAME") or "", templates.read(node.find("TEMPLATE")), node)


def decrypted(api, kind, oid):
    """Return an object's template with what the daemon encrypted in clear: from 5.10 on and for oneadmin's group; others get it as it is."""
    text = api.call(f"one.{kind}.info", oid, *({"template": (False,)}.get(kind, ())), True)
    return one(ElementTree.fromstring(text)).template


def name_problem(name):
    """Return why the daemon refuses a name, None for a good one."""
    if not name or len(name) > NAME_LENGTH:
        return f"the name must have 1 to {NAME_LENGTH} characters"
    bad = next((character for character in name if character in FORBIDDEN), None)
    return f"the name has {bad!r}, which OpenNebula does not allow" if bad else None


def referred(pool, reference, what):
    """Return the object of a pool that a name or a number means; None for a pool that was not read."""
    if pool is None:
        return None
    text = str(reference)
    found = next((known for known in pool if (text.isdigit() and known.id == int(text)) or known.name == text), None)
    if found is None:
        raise CoreError(f"{what} {text} does not exist", hint=f"There are: {', '.join(f'{known.name} ({known.id})' for known in pool)}.")
    return found


def means(known, reference):
    """Tell whether a name or a number means this object."""
    text = str(reference)
    return text == (str(known.id) if text.isdigit() else known.name)


def twice(items, *fields):
    """Return the sentences about values that several items give."""
    found = []
    for name in fields:
        seen = [getattr(item, name) for item in items if getattr(item, name) is not None]
        found += [f"{name} {value!r} is given twice" for value in sorted(set(seen), key=str) if seen.count(value) > 1]
    return found


# -- what the kinds do alike; an item is what is wanted: id, name, attributes (templates.Wanted), update_secrets, …

def identify(item, what, problems):
    """Note what is wrong with an item's id and name."""
    if item.id is None and item.name is None:
        problems.append(f"a {what} has neither id nor name")
    if item.name is not None and name_problem(item.name):
        problems.append(f"{what} {item.name}: {name_problem(item.name)}")


def not_there(item, what):
    """Return the refusal to make an object that is asked for by an id."""
    return CoreError(f"cannot create {what} {item.name or item.id}", why=f"there is no {what} {item.id}, and the daemon gives the ids",
                     hint=f"Leave id out, or give the id of a {what} that exists.")


def rename(kind, known, item, others, before, after):
    """Return the call that renames, and note it; ``others``: the objects among which the name has to be unique."""
    if item.name in (None, known.name):
        return []
    other = next((other for other in others if other.name == item.name), None)
    if other is not None:
        raise CoreError(f"cannot rename {kind} {known.id} ({known.name}) to {item.name}", why=f"{kind} {other.id} has this name",
                        hint="Rename or remove the other one first.")
    before["name"], after["name"] = known.name, item.name
    return [(f"one.{kind}.rename", OID, item.name)]


def update(kind, known, item, before, after, exclusive=False):
    """Return the call that changes the attributes that are no secrets, and note it."""
    hidden = secrets(item)
    changed = templates.differences({name: values for name, values in known.template.items() if name not in hidden},
                                    {name: values for name, values in item.attributes.values.items() if name not in hidden}, exclusive)
    if not changed:
        return []
    before["attributes"], after["attributes"] = templates.told(known.template, changed, item.attributes.secret)
    try:
        return [(f"one.{kind}.update", OID, *templates.update(known.template, changed))]
    except CoreError as error:
        raise CoreError(error.what, f"{kind} {known.name}", error.why, error.hint) from None


def secrets(item):
    """Return the declared attributes that hold a secret; one to be removed is none."""
    return {name: values for name, values in item.attributes.values.items() if values is not None and item.attributes.is_secret(name)}


def clear(api, kind, pairs):
    """Return {id: template in clear} of the objects whose secrets differ, perhaps only because the daemon tells them encrypted."""
    def unclear(known, item):
        return known is not None and item.update_secrets == "always" and any(
            name in known.template and not templates.equal(name, known.template[name], values) and templates.looks_encrypted(known.template[name])
            for name, values in secrets(item).items())
    return {known.id: decrypted(api, kind, known.id) for known, item in pairs if unclear(known, item)}


def secret_update(kind, known, item, clear_templates):
    """Return the change of secrets. What comes back encrypted cannot confirm itself; what comes back in clear has to."""
    have = clear_templates.get(known.id, known.template)
    changed = {name: values for name, values in secrets(item).items()
               if not templates.equal(name, have.get(name), values) and (item.update_secrets == "always" or name not in have)}
    if not changed:
        return []
    before, after = templates.told(have, changed, item.attributes.secret)
    calls = ((f"one.{kind}.update", OID, *templates.update({}, changed, secret=True)),)
    readable = not any(templates.looks_encrypted(have.get(name)) for name in changed)
    return [Change(f"{kind} secrets", known.name, before or None, after, readable=readable, step=Calls(calls, known.id))]


def planned(changes_of, want, what):
    """Return the changes of all items; raises Problems when one of them cannot be brought where it is wanted: then nothing is touched."""
    changes, problems = [], []
    for item in want:
        try:
            changes += changes_of(item)
        except CoreError as error:
            problems.append(str(error))
    if problems:
        raise Problems(f"cannot bring the {what} to what is wanted; nothing was changed", problems)
    return tuple(changes)


# -- the life of all

def ensure(kind, want, reach, check_mode):
    """Converge the objects of one kind. ``reach()`` gives (daemon, text of the pool), and raises NotThere where none answers."""
    try:
        api, first = reach()
    except NotThere:
        if not check_mode:
            raise
        return Outcome(kind.plan(kind.NOTHING, want), {kind.PLURAL: []}, kind.PLURAL)
    texts, seen = [first], []

    def read():
        seen.append(kind.read(api, texts.pop() if texts else api.pool(kind.KIND), want))
        return seen[-1]

    outcome = converge(read, lambda state: kind.plan(state, want), lambda todo: apply(api, kind, todo), check_mode, header=kind.PLURAL)
    outcome.results[kind.PLURAL] = kind.described(seen[-1])
    return outcome


def apply(api, kind, todo):
    for change in todo:
        oid = change.step.oid
        for method, *arguments in change.step.calls:
            answer = api.call(method, *[oid if argument is OID else argument for argument in arguments])
            if method == f"one.{kind.KIND}.allocate":
                oid = answer
                kind.allocated(change, oid)


def told(kind, connect, more=None):
    """Return what a reading module tells; ``more(state)`` adds to it. A daemon that does not run is an answer."""
    try:
        api = connect()
        state = kind.read(api, api.pool(kind.KIND), ())
        return dict({"answers": True, "release": api.version(), kind.PLURAL: kind.described(state)}, **(more(state) if more else {}))
    except NotThere as error:
        return {"answers": False, "reason": str(error), kind.PLURAL: []}
