# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates of virtual machines, hybrid ones too: a local part and any number of PUBLIC_CLOUD sections; a kind of pool_objects.py.

Names are unique per owner, not in the pool. A template is made by the user who is logged in, and handed over (chown) afterwards.
"""
from __future__ import annotations

import re
from collections import namedtuple

from . import pool_objects, templates
from .errors import CoreError, Problems
from .plan import Change, Plan
from .pool_objects import OID, Calls

KIND, PLURAL = "template", "templates"
RESERVED = {"NAME": "is the template's name: use the option name", "PUBLIC_CLOUD": "has an option of its own: public_clouds"}
BITS = ("OWNER_U", "OWNER_M", "OWNER_A", "GROUP_U", "GROUP_M", "GROUP_A", "OTHER_U", "OTHER_M", "OTHER_A")

Wanted = namedtuple("Wanted", "id name owner group mode attributes exclusive state update_secrets")
State = namedtuple("State", "templates users groups clear user")
NOTHING = State((), None, None, {}, None)


def wanted(items, update_secrets="always"):
    """Return what the module was asked for; raises Problems with all mistakes at once."""
    problems, found = [], []
    for item in items:
        name, clouds = item.get("name"), item.get("public_clouds")
        label = f"template {name if name is not None else item.get('id')}"
        problems += [f"{label}: {key} {why}" for key, why in RESERVED.items() if key in map(str.upper, map(str, item.get("template") or {}))]
        problems += [f"{label}: section {place} of public_clouds has no TYPE (ec2, azure, opennebula, …)" for place, cloud in enumerate(clouds or (), 1)
                     if "TYPE" not in map(str.upper, map(str, cloud))]
        declared = dict({key: value for key, value in (item.get("template") or {}).items() if str(key).upper() not in RESERVED},
                        **({} if clouds is None else {"PUBLIC_CLOUD": clouds}))
        attributes = templates.wanted(declared, item.get("secrets"), label, problems, {"NAME": RESERVED["NAME"]})
        mode = item.get("mode")
        if mode is not None and not re.match(r"0?[0-7]{3}\Z", str(mode)):
            problems.append(f"{label}: mode {mode!r} is not three octal digits such as '640' (quoted in YAML)")
        found.append(Wanted(item.get("id"), name, item.get("owner"), item.get("group"), None if mode is None else str(mode)[-3:], attributes,
                            bool(item.get("exclusive")), item.get("state") or "present", update_secrets))
        pool_objects.identify(found[-1], KIND, problems)
    seen = [(one.name, one.owner) for one in found if one.name is not None]
    problems += [f"template {name} is given twice" for name, owner in sorted(set(seen), key=str) if seen.count((name, owner)) > 1]
    problems += pool_objects.twice(found, "id")
    if problems:
        raise Problems("cannot use these templates", problems)
    return found


def read(api, text, want):
    """Return the State; users and groups are asked for only where a template has to be handed over."""
    known = pool_objects.objects(text, "VMTEMPLATE")
    found = [(_find(known, api.user, one), one) for one in want if one.state == "present"]
    owners = any(one.owner is not None and one.owner != (have.text("UNAME") if have else api.user) for have, one in found)
    groups = any(one.group is not None and one.group != (have.text("GNAME") if have else None) for have, one in found)
    users = pool_objects.objects(api.pool("user"), "USER") if owners else None
    return State(known, users, pool_objects.objects(api.pool("group"), "GROUP") if groups else None, pool_objects.clear(api, KIND, found), api.user)


def plan(state, want):
    """Return the Plan; raises Problems before anything is touched when one of the templates cannot be brought there."""
    return Plan(pool_objects.planned(lambda one: _changes(state, one), want, PLURAL))


def allocated(change, oid):
    """Nothing to do: the daemon gives templates any id."""


def described(state):
    """Return the templates in the shape of the module's option, without attributes that hold a secret."""
    return [_described(one)[0] for one in state.templates]


def details(state):
    """Return what else the pool tells of each template."""
    return [{"id": one.id, "name": one.name, "registered": one.number("REGTIME"), "hidden": _described(one)[1]} for one in state.templates]


def _described(one):
    attributes, hidden = templates.described(one.template, {"PUBLIC_CLOUD"})
    clouds, more = templates.described({"PUBLIC_CLOUD": one.template.get("PUBLIC_CLOUD", [])})
    shape = {"id": one.id, "name": one.name, "owner": one.text("UNAME"), "group": one.text("GNAME"), "mode": _mode(one), "template": attributes}
    if not more:
        sections = clouds["PUBLIC_CLOUD"]
        shape["public_clouds"] = sections if isinstance(sections, list) else [sections]
    return shape, hidden + more


def _mode(one):
    bits = [one.number(f"PERMISSIONS/{name}") for name in BITS]
    return "".join(str(4 * bits[place] + 2 * bits[place + 1] + bits[place + 2]) for place in (0, 3, 6))


def _find(known, user, one):
    """Return the template that is meant: by id, else by name among its owner's; without an owner, among those of who is logged in."""
    if one.id is not None:
        return next((have for have in known if have.id == one.id), None)
    return _owned(known, one.name, one.owner or user)


def _owned(known, name, owner):
    return next((have for have in known if have.name == name and have.text("UNAME") == owner), None)


def _changes(state, one):
    have = _find(state.templates, state.user, one)
    if one.state == "absent":
        return [Change("template", have.name, {"id": have.id, "owner": have.text("UNAME")}, None,
                       step=Calls((("one.template.delete", OID),), have.id))] if have else []
    if have is None:
        return [_creation(state, one)]
    return _update(state, have, one) + pool_objects.secret_update(KIND, have, one, state.clear)


def _creation(state, one):
    if one.id is not None:
        raise pool_objects.not_there(one, KIND)
    mine = _owned(state.templates, one.name, state.user)
    if mine is not None:        # names are unique per owner, and a new template is ours until it is handed over
        raise CoreError(f"cannot create template {one.name} for {one.owner}", why=f"{state.user} has a template of this name, {mine.id}",
                        hint=f"Say id: {mine.id} to hand that one over, or rename it.")
    values = {name: found for name, found in one.attributes.values.items() if found is not None}
    text = templates.text(dict({"NAME": (one.name,)}, **values), any(map(one.attributes.is_secret, values)))
    calls, after = [("one.template.allocate", text)], {}
    calls += _rights(state, one, None, {}, after)
    after.update({"attributes": templates.told({}, values, one.attributes.secret)[1]})
    return Change("template", one.name, None, after, step=Calls(tuple(calls)))


def _rights(state, one, have, before, after):
    """Return the calls of chmod and chown, and note them in ``before`` and ``after``; the owner changes last, he may not be us."""
    calls = []
    if one.mode is not None and (have is None or one.mode != _mode(have)):
        before["mode"], after["mode"] = _mode(have) if have else None, one.mode
        calls.append(("one.template.chmod", OID, *[int(digit) >> shift & 1 for digit in one.mode for shift in (2, 1, 0)]))
    ids = []
    for option, path, pool, current in (("owner", "UNAME", state.users, state.user), ("group", "GNAME", state.groups, None)):
        name = getattr(one, option)
        if name is None or name == (have.text(path) if have else current):
            ids.append(-1)
            continue
        before[option], after[option] = have.text(path) if have else None, name
        found = pool_objects.referred(pool, name, "user" if option == "owner" else "group")
        ids.append(found.id if found else -1)
    return calls + ([("one.template.chown", OID, *ids)] if ids != [-1, -1] else [])


def _update(state, have, one):
    before, after = {}, {}
    own = [known for known in state.templates if known.text("UID") == have.text("UID")]
    calls = pool_objects.rename(KIND, have, one, own, before, after)
    calls += pool_objects.update(KIND, have, one, before, after, one.exclusive)
    calls += _rights(state, one, have, before, after)
    return [Change("template", have.name, before, after, step=Calls(tuple(calls), have.id))] if calls else []
