# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls on hosts."""
from __future__ import annotations

from . import body, pools
from .api import ACTION, INTERNAL, ApiError, call
from .api_objects import free_name, good_name, list_ids, rename, update


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
