# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon itself, templates of machines, and the reading of every pool."""
from __future__ import annotations

from . import body, pools, template
from .api import AUTHORIZATION, INTERNAL, ApiError, call
from .api_objects import EMPTY_QUOTAS, good_name, parsed, rename, require_manage, update

VERSION = "5.0.2"


@call("one.system.version", "SystemVersion")
def system_version(_request):
    return VERSION


@call("one.system.config", "SystemConfig")
def system_config(request):
    if request.uid != 0:
        raise ApiError(AUTHORIZATION, "The oned configuration can only be retrieved by users in the oneadmin group")
    attributes = [template.attribute(name, value) for name, value in request.api.config.attributes]
    return body.dump(template.element("TEMPLATE", attributes))


# -- virtual machine templates


@call("one.template.allocate", "TemplateAllocate", "s")
def template_allocate(request, text):
    attributes = parsed(text)
    name = template.take(attributes, "NAME")
    good_name(name)
    taken = next((one for one in request.api.pool("VMTEMPLATE").all() if body.get(one, "NAME") == name and body.number(one, "UID") == request.uid), None)
    if taken is not None:
        raise ApiError(INTERNAL, f"NAME is already taken by TEMPLATE {body.get(taken, 'ID')}.")
    rights = pools.permissions(request.api.config.get("DEFAULT_UMASK"))
    return request.api.pool("VMTEMPLATE").insert(pools.vm_template(name, request.user, rights, template.element("TEMPLATE", attributes)))


@call("one.template.info", "TemplateInfo", "i|b")
def template_info(request, oid, _extended=False):
    return body.dump(request.object("VMTEMPLATE", oid))


@call("one.template.update", "TemplateUpdateTemplate", "is|i")
def template_update(request, oid, text, mode=0):
    return update(request, "VMTEMPLATE", oid, text, mode)


@call("one.template.rename", "TemplateRename", "is")
def template_rename(request, oid, name):
    return rename(request, "VMTEMPLATE", oid, name, unique=True)


@call("one.template.chmod", "TemplateChmod", "iiiiiiiiii|b")
def template_chmod(request, oid, *bits):
    element = request.object("VMTEMPLATE", oid)
    require_manage(request, "VMTEMPLATE", element)
    for leaf, bit in zip(element.find("PERMISSIONS"), bits[:9]):
        if bit not in (-1, 0, 1):
            raise ApiError(INTERNAL, "New permission values must be -1, 0 or 1")
        leaf.text = leaf.text if bit == -1 else str(bit)
    request.api.pool("VMTEMPLATE").save(element)
    return oid


@call("one.template.chown", "TemplateChown", "iii")
def template_chown(request, oid, uid, gid):
    user = request.object("USER", uid) if uid > -1 else None
    group = request.object("GROUP", gid) if gid > -1 else None
    element = request.object("VMTEMPLATE", oid)
    request.require_admin(f"MANAGE TEMPLATE [{oid}]")
    name, templates = body.get(element, "NAME"), request.api.pool("VMTEMPLATE")
    owned = next((one for one in templates.all() if user is not None and body.get(one, "NAME") == name and body.number(one, "UID") == uid), None)
    if owned is not None:
        what = pools.KINDS["VMTEMPLATE"].what
        raise ApiError(INTERNAL, f"user [{uid}] already owns {what} [{body.get(owned, 'ID')}] with NAME {name}")
    for number, word, new in (("UID", "UNAME", user), ("GID", "GNAME", group)):
        if new is not None:
            body.put(element, number, body.get(new, "ID"))
            body.put(element, word, body.get(new, "NAME"))
    templates.save(element)
    return oid


@call("one.template.delete", "TemplateDelete", "i|b")
def template_delete(request, oid, _images=False):
    require_manage(request, "VMTEMPLATE", request.object("VMTEMPLATE", oid))
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
