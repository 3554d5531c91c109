# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls on hosts, and on the clusters that they are in."""
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
    def drivers(merged, _old):          # Host::post_update_template, 5.0.2: both are always there, and both are what the template says if it names IM_MAD
        host = request.object("HOST", oid)
        if body.get(merged, "IM_MAD"):
            named = {"IM_MAD": body.get(merged, "IM_MAD"), "VM_MAD": body.get(merged, "VM_MAD")}
        else:
            named = {name: body.get(host, name) for name in ("IM_MAD", "VM_MAD")}
        for name, value in named.items():
            merged[:] = [child for child in merged if child.tag != name]
            body.put(merged, name, value)
        merged[:] = sorted(merged, key=lambda child: child.tag)
    def own(host):
        for name in ("IM_MAD", "VM_MAD"):
            body.put(host, name, body.get(host, f"TEMPLATE/{name}"))
    return update(request, "HOST", oid, text, mode, after=drivers, then=own)


@call("one.host.rename", "HostRename", "is")
def host_rename(request, oid, name):
    return rename(request, "HOST", oid, name, unique=True)


@call("one.host.status", "HostStatus", "ii")
def host_status(request, oid, status):
    """0 enables, 1 disables, 2 takes offline; 5.0 has no one.host.enable any more."""
    host = request.object("HOST", oid)
    request.require_admin(f"ADMIN HOST [{oid}]")
    if status not in (0, 1, 2):
        raise ApiError(INTERNAL, "Wrong status code")
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


# -- clusters


@call("one.cluster.allocate", "ClusterAllocate", "s")
def cluster_allocate(request, name):
    request.require_admin("CREATE CLUSTER")
    good_name(name)
    clusters = request.api.pool("CLUSTER")
    free_name(clusters, name, "CLUSTER")
    parts = [body.new(tag) for tag in ("HOSTS", "DATASTORES", "VNETS")] + [body.new("TEMPLATE", RESERVED_CPU="", RESERVED_MEM="")]
    cluster = body.new("CLUSTER", ID=-1, NAME=name)
    cluster.extend(parts)
    return clusters.insert(cluster)


@call("one.cluster.delete", "ClusterDelete", "i")
def cluster_delete(request, oid):
    cluster = request.object("CLUSTER", oid)
    request.require_admin(f"ADMIN CLUSTER [{oid}]")
    if oid < pools.FIRST_USER_OBJECT:
        raise ApiError(ACTION, "Cannot delete cluster. System Clusters (ID < 100) cannot be deleted.")
    for tag in ("HOSTS", "DATASTORES", "VNETS"):
        if body.ids(cluster, tag):
            raise ApiError(ACTION, f"Cannot delete cluster. Cluster {oid} is not empty, it contains {len(body.ids(cluster, tag))} {tag.lower()}.")
    request.api.pool("CLUSTER").delete(oid)
    return oid


@call("one.cluster.addhost", "ClusterAddHost", "ii")
def cluster_addhost(request, cluster_id, host_id):
    """Move a host into a cluster: it is in one only, and leaves the other."""
    cluster, host = request.object("CLUSTER", cluster_id), request.object("HOST", host_id)
    request.require_admin(f"ADMIN CLUSTER [{cluster_id}]; Not authorized to perform ADMIN HOST [{host_id}]")
    old = request.api.pool("CLUSTER").get(body.number(host, "CLUSTER_ID"))
    if body.number(host, "CLUSTER_ID") == cluster_id:
        return cluster_id
    body.put(host, "CLUSTER_ID", cluster_id)
    body.put(host, "CLUSTER", body.get(cluster, "NAME"))
    request.api.pool("HOST").save(host)
    _cluster_host(request, cluster, host_id, present=True)
    if old is not None:
        _cluster_host(request, old, host_id, present=False)
    return cluster_id


@call("one.cluster.delhost", "ClusterDelHost", "ii")
def cluster_delhost(request, cluster_id, host_id):
    """Take a host out of a cluster: it goes to the default one."""
    request.object("CLUSTER", cluster_id)
    cluster_addhost(request, 0, host_id)
    return cluster_id
