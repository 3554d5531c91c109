# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another OpenNebula as a cloud (5.6 to 6.10). The driver has no file: where it goes and how it logs in are attributes of the host.

opennebula_driver.rb refuses to work when one of ONE_USER, ONE_PASSWORD, ONE_ENDPOINT, ONE_CAPACITY/CPU and ONE_CAPACITY/MEMORY is missing or empty, so
all are written. CPU is in hundredths of a core (200 = 2 cores), MEMORY in MB; 0 means what the quotas of the remote user and group allow.
"""
from __future__ import annotations

from . import common
from .driver import Driver, Option, filled, mistakes

OPTIONS = {
    "sunstone_name": Option(),
    "keep_snapshots": Option("bool", default=False),
}
HOST = {
    "user": Option(required=True),
    "password": Option(required=True),
    "endpoint": Option(required=True),
    "capacity": Option("dict", default={}),
}
CAPACITY = {"cpu": Option("int", default=0), "memory": Option("int", default=0)}


def problems(cloud, release):
    """Return all mistakes of a declared cloud, sentences that begin with the option they mean."""
    complete = cloud.get("state") != "absent"
    cloud, found = common.check(cloud, release, OPTIONS, {name: Option(option.kind, option.required and complete) for name, option in HOST.items()})
    for place, item in enumerate(common.hosts_of(cloud)):
        where = f"hosts.{item.get('name') or place}"
        if item.get("endpoint") is not None:
            found += filter(None, [common.url_problem(item["endpoint"], f"{where}.endpoint", login=False)])
        capacity = common.dictionary(item, "capacity")
        found += mistakes(capacity, CAPACITY, f"{where}.capacity.")
        found += [f"{where}.capacity.{name} must be 0 (what the remote quotas allow) or more" for name in CAPACITY
                  if isinstance(capacity.get(name), int) and capacity[name] < 0]
        if isinstance(item.get("user"), str) and ":" in item["user"]:
            found.append(f"{where}.user has a ':', which separates user and password")
        found += common.too_long(item, {"ONE_PASSWORD": item.get("password")}, release)
    return found


def describe(cloud, release):
    """Return the Driver of a cloud without problems."""
    cloud = filled(cloud, {**common.COMMON, **OPTIONS})
    cloud["name"] = cloud["name"] or "one"
    more = {"KEEP_SNAPSHOTS": cloud["keep_snapshots"] and cloud["state"] != "absent"}
    return Driver(hosts=tuple(_host(cloud, release, item) for item in cloud["hosts"]), **common.stanzas(cloud, release, more=more))


def _host(cloud, release, item):
    capacity = filled(item.get("capacity") or {}, CAPACITY)
    attributes = {"ONE_USER": item.get("user"), "ONE_ENDPOINT": item.get("endpoint"), "ONE_CAPACITY": {"CPU": capacity["cpu"], "MEMORY": capacity["memory"]}}
    return common.host(cloud, release, item, attributes, {"ONE_PASSWORD": item.get("password")})
