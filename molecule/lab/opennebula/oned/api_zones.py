# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls on zones, and on markets as far as a federation needs to be seen with them."""
from __future__ import annotations

from . import body, pools, template
from .api import ACTION, ALLOCATE, INTERNAL, ApiError, call
from .api_objects import free_name, good_name, parsed, rename, update


# -- zones


@call("one.zone.allocate", "ZoneAllocate", "s|i")
def zone_allocate(request, text, _cluster=-1):
    if request.api.federation.mode != "MASTER":
        raise ApiError(ALLOCATE, "Error allocating a new zone. New zones can only be created at federation master")
    request.require_admin("CREATE ZONE")
    attributes = parsed(text)
    name = template.take(attributes, "NAME")
    good_name(name)
    zones = request.api.pool("ZONE")
    free_name(zones, name, "Zone")
    if not any(attribute.tag == "ENDPOINT" and attribute.text for attribute in attributes):
        raise ApiError(INTERNAL, "ENDPOINT not present in template.")
    return zones.insert(pools.zone(name, template.element("TEMPLATE", attributes)))


@call("one.zone.info", "ZoneInfo", "i")
def zone_info(request, oid):
    return body.dump(request.object("ZONE", oid))


@call("one.zone.update", "ZoneUpdateTemplate", "is|i")
def zone_update(request, oid, text, mode=0):
    def endpoint(merged, _old):
        if not body.get(merged, "ENDPOINT"):
            merged[:] = [child for child in merged if child.tag != "ENDPOINT"]
            body.put(merged, "ENDPOINT", "-")
            merged[:] = sorted(merged, key=lambda child: child.tag)
    return update(request, "ZONE", oid, text, mode, after=endpoint)


@call("one.zone.rename", "ZoneRename", "is")
def zone_rename(request, oid, name):
    return rename(request, "ZONE", oid, name)


@call("one.zone.delete", "ZoneDelete", "i")
def zone_delete(request, oid):
    request.object("ZONE", oid)
    request.require_admin(f"ADMIN ZONE [{oid}]")
    if oid < pools.FIRST_USER_OBJECT:
        raise ApiError(ACTION, "Cannot delete zone. System Zones (ID < 100) cannot be deleted.")
    request.api.pool("ZONE").delete(oid)
    return oid


# -- markets: only what a federation needs to be seen with


@call("one.market.allocate", "MarketPlaceAllocate", "s")
def market_allocate(request, text):
    request.require_admin("CREATE MARKETPLACE")
    attributes = parsed(text)
    mad = next((attribute.text for attribute in attributes if attribute.tag == "MARKET_MAD"), "")
    if not mad:
        raise ApiError(INTERNAL, "No marketplace driver (MARKET_MAD) in template.")
    name = template.take(attributes, "NAME")
    good_name(name)
    markets = request.api.pool("MARKETPLACE")
    free_name(markets, name, "MARKETPLACE", end="")
    if request.api.federation.slave:
        raise ApiError(INTERNAL, "Cannot allocate market at federation master: the laboratory stand-in does not hand this call on")
    market = pools.owned("MARKETPLACE", name, request.user, body.new("MARKET_MAD"), ZONE_ID=request.api.federation.zone, TOTAL_MB=0, FREE_MB=0, USED_MB=0)
    body.put(market, "MARKET_MAD", mad)
    for part in (body.new("MARKETPLACEAPPS"), pools.permissions(), template.element("TEMPLATE", attributes)):
        market.append(part)
    return markets.insert(market)


@call("one.market.update", "MarketPlaceUpdateTemplate", "is|i")
def market_update(request, oid, text, mode=0):
    return update(request, "MARKETPLACE", oid, text, mode)


@call("one.market.delete", "MarketPlaceDelete", "i")
def market_delete(request, oid):
    request.object("MARKETPLACE", oid)
    request.require_admin(f"ADMIN MARKETPLACE [{oid}]")
    request.api.pool("MARKETPLACE").delete(oid)
    return oid
