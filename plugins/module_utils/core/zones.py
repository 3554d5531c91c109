# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The federation's zones: read the pool, compare it with what is wanted, refuse what would destroy a zone.

The daemon hands out the ids itself (0 exists from the start, then 100, 101, …), takes any text as ENDPOINT, and up to 5.4.9 lets a zone be renamed to
another zone's name, which deletes that other zone from the table for good (field-notes/opennebula-federation.md). So all of this is checked here, before.
"""
from __future__ import annotations

import re
from collections import namedtuple
from xml.etree import ElementTree

from . import pool_objects, templates
from .errors import CoreError, Problems
from .plan import Change, Plan
from .pool_objects import OID, Calls

KIND, PLURAL = "zone", "zones"
NOTHING = None              # of a daemon that does not run yet nothing is known, not even its first zone
FIRST_ID = 100              # ids below are the system's; they cannot be created or deleted
ENDPOINT = re.compile(r"https?://[^\s\"'/]+(:\d+)?/\S*$")

Zone = namedtuple("Zone", "id name endpoint")
Wanted = namedtuple("Wanted", "id name endpoint state")     # id None: any; name None: whatever it is called


def of_topology(topology, name):
    """Return what module zone is to make on the daemon of one zone: its own endpoint and, in the master zone, the slave zones by id and name.

    The first zone keeps the name that the daemon gave it; everything refers to it by its id. A zone outside of a federation has only itself.
    """
    zone = topology["zones"][name]
    slaves = [other for other in topology["zones"].values() if other["mode"] == "slave"] if zone["mode"] == "master" else []
    slaves = [{key: slave[key] for key in ("id", "name", "endpoint")} for slave in slaves]
    return [{"id": 0, "endpoint": zone["endpoint"]}] + sorted(slaves, key=lambda slave: slave["id"])


def parse(text):
    """Return the zones of a pool, by id. 7.x adds STATE and SERVER_POOL, which we leave alone."""
    try:
        pool = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise CoreError("cannot read the zone pool", why=f"it is not XML: {error}") from None
    zones = [Zone(int(node.findtext("ID")), node.findtext("NAME"), node.findtext("TEMPLATE/ENDPOINT") or "") for node in pool.iter("ZONE")]
    return sorted(zones)


def wanted(items):
    """Return what the module was asked for, lowest id first (ids are given in the order of creation); all mistakes at once."""
    zones = [Wanted(item.get("id"), item.get("name"), item.get("endpoint"), item.get("state") or "present") for item in items]
    problems = [problem for zone in zones for problem in _mistakes(zone)]
    for kind in ("id", "name"):
        seen = [getattr(zone, kind) for zone in zones if getattr(zone, kind) is not None]
        problems += [f"{kind} {value!r} is given twice" for value in sorted(set(seen), key=str) if seen.count(value) > 1]
    if problems:
        raise Problems("cannot use these zones", problems)
    return sorted(zones, key=lambda zone: (zone.id is None, zone.id or 0))


def read(_api, text, _want):
    return parse(text)


def described(have):
    """Return the zones in the shape of the module's option."""
    return [_values(zone) for zone in have]


def plan(have, want):
    """Return the changes from the zones there are to the ones wanted; raise when one of them would hit another zone."""
    if have is NOTHING:
        return foresee(want)
    todo = [_change(have, zone) for zone in want]
    return Plan(tuple(change for change in todo if change is not None))


def foresee(want):
    """Return the plan for a daemon that does not run yet: every zone is still to be made."""
    return Plan(tuple(Change("zone", _label(zone), None, _after(zone, Zone(zone.id, zone.name, None))) for zone in want if zone.state == "present"))


def allocated(change, oid):
    """Raise when the daemon gave a new zone another id than wanted."""
    check_id(Wanted(change.after.get("id"), change.target, None, None), oid)


def check_id(zone, given):
    """Raise when the daemon gave a new zone another id than the inventory says."""
    if zone.id is not None and zone.id != given:
        raise CoreError(f"zone {zone.name} has another id than wanted", why=f"the daemon gave it {given}, wanted {zone.id} (ids are never used twice)",
                        hint=f"Set zone_id: {given} for this zone in the inventory and run again: its front-ends are configured by that number.")


def _mistakes(zone):
    label = _label(zone)
    if zone.id is None and not zone.name:
        yield "a zone has neither id nor name"
    if zone.name is not None and pool_objects.name_problem(zone.name):
        yield f"zone {label}: {pool_objects.name_problem(zone.name)}"
    if zone.id is not None and zone.id != 0 and zone.id < FIRST_ID:
        yield f"zone {label}: id {zone.id} does not exist in OpenNebula (0 is the first zone, the others begin at {FIRST_ID})"
    if zone.endpoint is not None and not ENDPOINT.match(zone.endpoint):
        yield f"zone {label}: endpoint {zone.endpoint!r} is not a URL like http://10.90.1.100:2633/RPC2"
    elif zone.endpoint is not None:
        yield from templates.unspeakable(zone.endpoint, f"zone {label}: endpoint")
    if zone.state == "absent" and zone.id is not None and zone.id < FIRST_ID:
        yield f"zone {label}: the first zone cannot be deleted"


def _change(have, zone):
    found = _find(have, zone)
    if zone.state == "absent":
        return _deletion(found) if found else None
    if found is None:
        _may_allocate(have, zone)
        text = templates.text({"NAME": (zone.name,), "ENDPOINT": (zone.endpoint,)})
        return Change("zone", _label(zone), None, _after(zone, Zone(zone.id, zone.name, None)), step=Calls((("one.zone.allocate", text, -1),)))
    after, calls = Zone(found.id, zone.name or found.name, zone.endpoint or found.endpoint), []
    if after.endpoint != found.endpoint:
        calls.append(("one.zone.update", OID, *templates.update({}, {"ENDPOINT": (after.endpoint,)})))
    if after.name != found.name:
        _may_rename(have, found, after.name)
        calls.append(("one.zone.rename", OID, after.name))
    return Change("zone", _label(found), _values(found), _values(after), step=Calls(tuple(calls), found.id)) if calls else None


def _deletion(found):
    if found.id < FIRST_ID:
        raise CoreError(f"refusing to delete zone {found.id} ({found.name})", why="the first zone cannot be deleted")
    return Change("zone", _label(found), _values(found), None, step=Calls((("one.zone.delete", OID),), found.id))


def _find(have, zone):
    by_name = next((known for known in have if known.name == zone.name), None)
    if zone.id is None:
        return by_name
    found = next((known for known in have if known.id == zone.id), None)
    if found is None and by_name is not None:
        raise CoreError(f"zone {zone.name} has another id than wanted", why=f"it is zone {by_name.id}, wanted {zone.id}",
                        hint=f"Set zone_id: {by_name.id} for this zone in the inventory: its front-ends are configured by that number.")
    if found is None and zone.id == 0:
        raise CoreError("zone 0 is gone", why="the first zone is not in the pool; up to 5.4.9 renaming a zone to its name deletes it",
                        hint="Restore table zone_pool from a backup before anything else.")
    return found


def _may_allocate(have, zone):
    if not zone.name or not zone.endpoint:
        raise CoreError(f"cannot create zone {_label(zone)}", why="it does not exist and a new zone needs a name and an endpoint")
    taken = max((known.id for known in have), default=0)
    if zone.id is not None and zone.id <= taken:
        raise CoreError(f"cannot create zone {zone.name} with id {zone.id}", why=f"zone {taken} exists and ids only grow",
                        hint="Leave zone_id out, or give a greater one, in the inventory.")


def _may_rename(have, found, name):
    other = next((known for known in have if known.name == name), None)
    if other is not None:
        raise CoreError(f"refusing to rename zone {found.id} ({found.name}) to {name}",
                        why=f"zone {other.id} has this name, and up to 5.4.9 the daemon would delete it",
                        hint="Rename or delete the other zone first.")


def _label(zone):
    return zone.name or str(zone.id)


def _values(zone):
    return dict(zone._asdict())


def _after(zone, known):
    values = {"id": zone.id, "name": known.name, "endpoint": zone.endpoint}
    return {key: value for key, value in values.items() if value is not None}
