# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls on users, groups, rules, zones, hosts, and the reading of every other pool."""
from __future__ import annotations

import hashlib
import secrets
import time

from . import acl, body, pools, template
from .api import ACTION, ALLOCATE, AUTHORIZATION, INTERNAL, NO_EXISTS, XML_RPC_API, ApiError, call

VERSION = "5.0.2"
EMPTY_QUOTAS = "<DATASTORE_QUOTA></DATASTORE_QUOTA><NETWORK_QUOTA></NETWORK_QUOTA><VM_QUOTA></VM_QUOTA><IMAGE_QUOTA></IMAGE_QUOTA>"


@call("one.system.version", "SystemVersion")
def system_version(_request):
    return VERSION


@call("one.system.config", "SystemConfig")
def system_config(request):
    if request.uid != 0:
        raise ApiError(AUTHORIZATION, "The oned configuration can only be retrieved by users in the oneadmin group")
    attributes = [template.attribute(name, value) for name, value in request.api.config.attributes]
    return body.dump(template.element("TEMPLATE", attributes))


# -- what several kinds have in common


def parsed(text, prefix=""):
    try:
        return template.read(text)
    except template.TemplateError as error:
        raise ApiError(INTERNAL, f"{prefix}{error}") from None


def good_name(name, code=INTERNAL):
    problem = pools.name_problem(name)
    if problem:
        raise ApiError(code, problem)


def free_name(pool, name, what, end="."):
    taken = pool.find(name)
    if taken is not None:
        raise ApiError(INTERNAL, f"NAME is already taken by {what} {body.get(taken, 'ID')}{end}")


def update(request, tag, oid, text, mode, path="TEMPLATE", after=None):
    """Replace (0) or extend (1) an object's template."""
    element = request.object(tag, oid)
    request.require_admin(f"MANAGE {tag} [{oid}]")
    if mode not in (0, 1):
        raise ApiError(XML_RPC_API, "Wrong update type")
    new = parsed(text, "Cannot update template. ")
    old = element.find(path)
    merged = template.merge(old, new, append=mode == 1)
    if after:
        after(merged, old)
    element[list(element).index(old)] = merged
    request.api.pool(tag).save(element)
    return oid


def rename(request, tag, oid, name):
    element = request.object(tag, oid)
    request.require_admin(f"MANAGE {tag} [{oid}]")
    good_name(name, ACTION)
    body.put(element, "NAME", name)
    request.api.pool(tag).save(element)     # REPLACE INTO … UNIQUE(name): an object that has the name already is gone, as in 5.0.2
    return oid


# -- users


@call("one.user.allocate", "UserAllocate", "sss")
def user_allocate(request, name, password, driver):
    request.require_admin("CREATE USER")
    good_name(name)
    users = request.api.pool("USER")
    free_name(users, name, "USER")
    digest = hashlib.sha1(password.encode()).hexdigest() if (driver or "core") == "core" else password
    oid = users.insert(pools.user(name, digest, driver or "core", 1, "users", secrets.token_hex(20)))
    request.api.database.write(("REPLACE INTO user_quotas VALUES (%s, %s)", oid, f"<QUOTAS><ID>{oid}</ID>{EMPTY_QUOTAS}</QUOTAS>"))
    _members(request, 1, oid, present=True)
    return oid


def _members(request, gid, uid, present):
    group = request.api.pool("GROUP").get(gid)
    if group is not None:
        numbers = set(body.ids(group, "USERS"))
        numbers = numbers | {uid} if present else numbers - {uid}
        list_ids(group.find("USERS"), numbers)
        request.api.pool("GROUP").save(group)


def list_ids(element, numbers):
    element[:] = []
    for number in sorted(numbers):
        body.leaf(element, "ID", number)


@call("one.user.delete", "UserDelete", "i")
def user_delete(request, oid):
    user = request.object("USER", oid)
    request.require_admin(f"ADMIN USER [{oid}]")
    if oid in (0, 1):
        raise ApiError(ACTION, f"Cannot delete user. {body.get(user, 'NAME')} cannot be deleted.")
    request.api.pool("USER").delete(oid)
    _members(request, body.number(user, "GID"), oid, present=False)
    return oid


@call("one.user.info", "UserInfo", "i")
def user_info(request, oid):
    oid = request.uid if oid == -1 else oid
    user = request.object("USER", oid)
    if oid != request.uid:
        request.require_admin(f"USE USER [{oid}]")
    return body.dump(user)[:-len("</USER>")] + f"{EMPTY_QUOTAS}<DEFAULT_USER_QUOTAS>{EMPTY_QUOTAS}</DEFAULT_USER_QUOTAS></USER>"


@call("one.user.update", "UserUpdateTemplate", "is|i")
def user_update(request, oid, text, mode=0):
    return update(request, "USER", oid, text, mode)


@call("one.user.passwd", "UserChangePassword", "is")
def user_passwd(request, oid, password):
    user = request.object("USER", oid)
    if oid != request.uid:
        request.require_admin(f"MANAGE USER [{oid}]")
    if not password:
        raise ApiError(INTERNAL, "Invalid password, it cannot be empty")
    body.put(user, "PASSWORD", hashlib.sha1(password.encode()).hexdigest())
    request.api.pool("USER").save(user)
    return oid


@call("one.user.login", "UserLogin", "ssi")
def user_login(request, name, token, seconds):
    users = request.api.pool("USER")
    user = users.find(name)
    if user is None:
        raise ApiError(NO_EXISTS, f"Error getting user {name}.")
    if body.number(user, "ID") != request.uid:
        request.require_admin(f"MANAGE USER [{body.get(user, 'ID')}]")
    token = token or secrets.token_hex(20)
    login = user.find("LOGIN_TOKEN")
    login[:], login.text = [], ""
    if seconds != 0:
        body.leaf(login, "TOKEN", token)
        body.leaf(login, "EXPIRATION_TIME", -1 if seconds < 0 else int(time.time()) + seconds)
    users.save(user)
    return token if seconds != 0 else ""


@call("one.user.quota", "UserSetQuota", "is")
def user_quota(request, oid, _text):
    request.object("USER", oid)
    request.require_admin(f"ADMIN USER [{oid}]")
    return oid


# -- groups


@call("one.group.allocate", "GroupAllocate", "s")
def group_allocate(request, name):
    request.require_admin("CREATE GROUP")
    good_name(name)
    groups = request.api.pool("GROUP")
    free_name(groups, name, "GROUP")
    oid = groups.insert(pools.group(name))
    request.api.database.write(("REPLACE INTO group_quotas VALUES (%s, %s)", oid, f"<QUOTAS><ID>{oid}</ID>{EMPTY_QUOTAS}</QUOTAS>"))
    return oid


@call("one.group.info", "GroupInfo", "i")
def group_info(request, oid):
    group = request.object("GROUP", body.number(request.user, "GID") if oid == -1 else oid)
    return body.dump(group)[:-len("</GROUP>")] + f"{EMPTY_QUOTAS}<DEFAULT_GROUP_QUOTAS>{EMPTY_QUOTAS}</DEFAULT_GROUP_QUOTAS></GROUP>"


@call("one.group.update", "GroupUpdateTemplate", "is|i")
def group_update(request, oid, text, mode=0):
    return update(request, "GROUP", oid, text, mode)


@call("one.group.delete", "GroupDelete", "i")
def group_delete(request, oid):
    group = request.object("GROUP", oid)
    request.require_admin(f"ADMIN GROUP [{oid}]")
    if oid < pools.FIRST_USER_OBJECT:
        raise ApiError(ACTION, "Cannot delete group. System Groups (ID < 100) cannot be deleted.")
    if len(group.find("USERS")):
        raise ApiError(ACTION, f"Cannot delete group. Group {oid} is not empty.")
    request.api.pool("GROUP").delete(oid)
    return oid


# -- rules


@call("one.acl.info", "AclInfo")
def acl_info(request):
    rows = request.api.database.rows("SELECT oid, user, resource, rights, zone FROM acl ORDER BY oid")
    rules = [body.new("ACL", ID=oid, USER=f"{user:x}", RESOURCE=f"{resource:x}", RIGHTS=f"{rights:x}", ZONE=f"{zone:x}",
                      STRING=acl.sentence(user, resource, rights, zone)) for oid, user, resource, rights, zone in rows]
    return body.dump(body.new("ACL_POOL", *rules))


@call("one.acl.addrule", "AclAddRule", "sss|s")
def acl_addrule(request, user, resource, rights, zone="400000000"):
    request.require_admin("CREATE ACL")
    try:
        rule = [int(text, 16) for text in (user, resource, rights, zone)]
    except ValueError:
        raise ApiError(INTERNAL, "A rule is made of four hexadecimal numbers") from None
    database = request.api.database
    found = database.rows("SELECT oid FROM acl WHERE user = %s AND resource = %s AND rights = %s AND zone = %s", *rule)
    if found:
        raise ApiError(INTERNAL, f"Rule {acl.sentence(*rule)} already exists")
    oid = (database.rows("SELECT MAX(oid) FROM acl")[0][0] or -1) + 1
    database.write(("INSERT INTO acl (oid, user, resource, rights, zone) VALUES (%s, %s, %s, %s, %s)", oid, *rule))
    return oid


@call("one.acl.delrule", "AclDelRule", "i")
def acl_delrule(request, oid):
    request.require_admin("MANAGE ACL")
    if not request.api.database.rows("SELECT 1 FROM acl WHERE oid = %s", oid):
        raise ApiError(INTERNAL, f"Rule {oid} does not exist")
    request.api.database.write(("DELETE FROM acl WHERE oid = %s", oid))
    return oid


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


# -- hosts


@call("one.host.allocate", "HostAllocate", "sss|i")
def host_allocate(request, name, im_mad, vm_mad, cluster_id=-1):
    cluster_id = 0 if cluster_id == -1 else cluster_id
    request.require_admin(f"CREATE HOST; Not authorized to perform ADMIN CLUSTER [{cluster_id}]")
    cluster = request.object("CLUSTER", cluster_id)
    good_name(name)
    for word, value in (("IM_MAD_NAME", im_mad), ("VMM_MAD_NAME", vm_mad)):
        if not value:
            raise ApiError(INTERNAL, f"{word} cannot be empty.")
    hosts = request.api.pool("HOST")
    free_name(hosts, name, "HOST")
    oid = hosts.insert(pools.host(name, im_mad, vm_mad, cluster_id, body.get(cluster, "NAME")))
    _cluster_host(request, cluster, oid, present=True)
    return oid


def _cluster_host(request, cluster, oid, present):
    numbers = set(body.ids(cluster, "HOSTS"))
    list_ids(cluster.find("HOSTS"), numbers | {oid} if present else numbers - {oid})
    request.api.pool("CLUSTER").save(cluster)


@call("one.host.info", "HostInfo", "i")
def host_info(request, oid):
    return body.dump(request.object("HOST", oid))


@call("one.host.update", "HostUpdateTemplate", "is|i")
def host_update(request, oid, text, mode=0):
    def keep(merged, old):          # the daemon keeps these whatever the caller replaces
        for name in ("IM_MAD", "VM_MAD", "RESERVED_CPU", "RESERVED_MEM"):
            if merged.find(name) is None and old.find(name) is not None:
                body.put(merged, name, body.get(old, name))
        merged[:] = sorted(merged, key=lambda child: child.tag)
    return update(request, "HOST", oid, text, mode, after=keep)


@call("one.host.rename", "HostRename", "is")
def host_rename(request, oid, name):
    return rename(request, "HOST", oid, name)


@call("one.host.status", "HostStatus", "ii")
def host_status(request, oid, status):
    """0 enables, 1 disables, 2 takes offline; 5.0 has no one.host.enable any more."""
    host = request.object("HOST", oid)
    request.require_admin(f"ADMIN HOST [{oid}]")
    if status not in (0, 1, 2):
        raise ApiError(INTERNAL, f"Status {status} is not supported")
    body.put(host, "STATE", {0: 0, 1: 4, 2: 8}[status])
    request.api.pool("HOST").save(host)
    return oid


@call("one.host.delete", "HostDelete", "i")
def host_delete(request, oid):
    host = request.object("HOST", oid)
    request.require_admin(f"ADMIN HOST [{oid}]")
    if body.number(host, "HOST_SHARE/RUNNING_VMS"):
        raise ApiError(ACTION, "Cannot delete host. Can not remove a host with running VMs")
    request.api.pool("HOST").delete(oid)
    cluster = request.api.pool("CLUSTER").get(body.number(host, "CLUSTER_ID"))
    if cluster is not None:
        _cluster_host(request, cluster, oid, present=False)
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


# -- virtual machine templates


@call("one.template.allocate", "TemplateAllocate", "s")
def template_allocate(request, text):
    attributes = parsed(text)
    name = template.take(attributes, "NAME")
    good_name(name)
    rights = pools.permissions(request.api.config.get("DEFAULT_UMASK"))
    return request.api.pool("VMTEMPLATE").insert(pools.vm_template(name, request.user, rights, template.element("TEMPLATE", attributes)))


@call("one.template.info", "TemplateInfo", "i|b")
def template_info(request, oid, _extended=False):
    return body.dump(request.object("VMTEMPLATE", oid))


@call("one.template.update", "TemplateUpdateTemplate", "is|i")
def template_update(request, oid, text, mode=0):
    return update(request, "VMTEMPLATE", oid, text, mode)


@call("one.template.delete", "TemplateDelete", "i|b")
def template_delete(request, oid, _images=False):
    request.object("VMTEMPLATE", oid)
    request.require_admin(f"MANAGE TEMPLATE [{oid}]")
    request.api.pool("VMTEMPLATE").delete(oid)
    return oid


# -- reading single objects and pools


def _reader(name, label, tag):
    @call(name, label, "i")
    def info(request, oid):
        return body.dump(request.object(tag, oid))
    return info


for _name, _label, _tag in (
        ("one.vdc.info", "VdcInfo", "VDC"), ("one.market.info", "MarketPlaceInfo", "MARKETPLACE"), ("one.cluster.info", "ClusterInfo", "CLUSTER"),
        ("one.datastore.info", "DatastoreInfo", "DATASTORE"), ("one.image.info", "ImageInfo", "IMAGE"), ("one.vn.info", "VirtualNetworkInfo", "VNET"),
        ("one.secgroup.info", "SecurityGroupInfo", "SECURITY_GROUP")):
    _reader(_name, _label, _tag)


def _pool_reader(name, label, tag, takes=""):
    @call(name, label, takes)
    def info(request, *_filters):
        if tag == "HOST" and not request.admin:
            return "<HOST_POOL></HOST_POOL>"
        rows = request.api.database.rows(f"SELECT body FROM {pools.KINDS[tag].table} ORDER BY oid")
        pool = pools.KINDS[tag].pool
        return f"<{pool}>{''.join(row[0] for row in rows)}</{pool}>"
    return info


for _name, _label, _tag, _takes in (
        ("one.zonepool.info", "ZonePoolInfo", "ZONE", ""), ("one.hostpool.info", "HostPoolInfo", "HOST", ""),
        ("one.clusterpool.info", "ClusterPoolInfo", "CLUSTER", ""), ("one.datastorepool.info", "DatastorePoolInfo", "DATASTORE", ""),
        ("one.vdcpool.info", "VdcPoolInfo", "VDC", ""), ("one.imagepool.info", "ImagePoolInfo", "IMAGE", "iii"),
        ("one.vnpool.info", "VirtualNetworkPoolInfo", "VNET", "iii"), ("one.templatepool.info", "TemplatePoolInfo", "VMTEMPLATE", "iii"),
        ("one.marketpool.info", "MarketPlacePoolInfo", "MARKETPLACE", "iii"), ("one.marketapppool.info", "MarketPlaceAppPoolInfo", "MARKETPLACEAPP", "iii"),
        ("one.secgrouppool.info", "SecurityGroupPoolInfo", "SECURITY_GROUP", "iii"), ("one.documentpool.info", "DocumentPoolInfo", "DOCUMENT", "iii")):
    _pool_reader(_name, _label, _tag, _takes)


def _with_quotas(request, tag, quotas, key):
    """Return user or group bodies, each followed by its quotas where this zone has any."""
    table = {oid: text for oid, text in request.api.database.rows(f"SELECT {key}, body FROM {quotas}")}
    rows = request.api.database.rows(f"SELECT oid, body FROM {pools.KINDS[tag].table} ORDER BY oid")
    inner = "".join(text + table.get(oid, "") for oid, text in rows)
    return f"<{tag}_POOL>{inner}<DEFAULT_{tag}_QUOTAS>{EMPTY_QUOTAS}</DEFAULT_{tag}_QUOTAS></{tag}_POOL>"


@call("one.userpool.info", "UserPoolInfo")
def userpool_info(request):
    return _with_quotas(request, "USER", "user_quotas", "user_oid")


@call("one.grouppool.info", "GroupPoolInfo")
def grouppool_info(request):
    return _with_quotas(request, "GROUP", "group_quotas", "group_oid")


