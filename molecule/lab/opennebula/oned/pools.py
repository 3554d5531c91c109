# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pools of objects: rows with a body. One class, and what differs from pool to pool in a table."""
from __future__ import annotations

import collections

from . import body, machine

# what a pool is called: its table, the element of one object and of the pool, and the words of messages
Kind = collections.namedtuple("Kind", "table tag pool what first user_space")

KINDS = {kind.tag: kind for kind in (
    Kind("user_pool", "USER", "USER_POOL", "user", 0, True),
    Kind("group_pool", "GROUP", "GROUP_POOL", "group", 0, True),
    Kind("vdc_pool", "VDC", "VDC_POOL", "VDC", 0, True),
    Kind("zone_pool", "ZONE", "ZONE_POOL", "zone", 0, True),
    Kind("marketplace_pool", "MARKETPLACE", "MARKETPLACE_POOL", "marketplace", 0, True),
    Kind("marketplaceapp_pool", "MARKETPLACEAPP", "MARKETPLACEAPP_POOL", "marketplace app", 0, False),
    Kind("cluster_pool", "CLUSTER", "CLUSTER_POOL", "cluster", 0, True),
    Kind("host_pool", "HOST", "HOST_POOL", "host", 0, False),
    Kind("datastore_pool", "DATASTORE", "DATASTORE_POOL", "datastore", 0, True),
    Kind("image_pool", "IMAGE", "IMAGE_POOL", "image", 0, False),
    Kind("network_pool", "VNET", "VNET_POOL", "virtual network", 0, False),
    Kind("template_pool", "VMTEMPLATE", "VMTEMPLATE_POOL", "virtual machine template", 0, False),
    Kind("secgroup_pool", "SECURITY_GROUP", "SECURITY_GROUP_POOL", "security group", 0, False),
    Kind("document_pool", "DOCUMENT", "DOCUMENT_POOL", "document", 0, False),
    Kind("vm_pool", "VM", "VM_POOL", "virtual machine", 0, False),
)}
FIRST_USER_OBJECT = 100         # ids below are the system's in pools that have system objects


class Pool:
    """Objects of one kind, read from the database at each call: what replication brings is seen at once."""

    def __init__(self, database, tag):
        self.database = database
        self.kind = KINDS[tag]

    def get(self, oid):
        """Return the body as an element, None when there is no such object."""
        rows = self.database.rows(f"SELECT body FROM {self.kind.table} WHERE oid = %s", oid)
        return body.parse(rows[0][0]) if rows else None

    def find(self, name):
        rows = self.database.rows(f"SELECT oid, body FROM {self.kind.table} WHERE name = %s ORDER BY oid", name)
        return body.parse(rows[0][1]) if rows else None

    def all(self):
        return [body.parse(row[0]) for row in self.database.rows(f"SELECT body FROM {self.kind.table} ORDER BY oid")]

    def insert(self, element, oid=None, **columns):
        """Give the object an id (the next one, or ``oid``) and store it; return the id."""
        if oid is None:
            oid = self.next_id()
        body.put(element, "ID", oid)
        self.database.write(self._store("INSERT", element, columns),
                            ("REPLACE INTO pool_control (tablename, last_oid) VALUES (%s, %s)", self.kind.table, oid))
        return oid

    def save(self, element, **columns):
        self.database.write(self.saving(element, **columns))

    def saving(self, element, **columns):
        """Return the statement that stores the object; like the daemon's own it takes no heed of UNIQUE(name)."""
        return self._store("REPLACE", element, columns)

    def delete(self, oid):
        self.database.write((f"DELETE FROM {self.kind.table} WHERE oid = %s", oid))

    def next_id(self):
        rows = self.database.rows("SELECT last_oid FROM pool_control WHERE tablename = %s", self.kind.table)
        after = int(rows[0][0]) if rows else -1
        highest = self.database.rows(f"SELECT MAX(oid) FROM {self.kind.table}")[0][0]
        following = max(after, -1 if highest is None else highest) + 1
        system = self.kind.tag in ("GROUP", "ZONE", "VDC", "CLUSTER", "DATASTORE", "MARKETPLACE")
        return max(following, FIRST_USER_OBJECT) if system else following

    def _store(self, verb, element, columns):
        rights = element.find("PERMISSIONS")
        values = {
            "oid": body.number(element, "ID"), "name": body.get(element, "NAME"), "body": body.dump(element),
            "uid": body.number(element, "UID"), "gid": body.number(element, "GID"),
            "owner_u": body.number(rights, "OWNER_U") if rights is not None else 1,
            "group_u": body.number(rights, "GROUP_U") if rights is not None else 1,
            "other_u": body.number(rights, "OTHER_U") if rights is not None else 0, **columns}
        if self.kind.tag == "HOST":
            values.update(state=body.number(element, "STATE"), last_mon_time=body.number(element, "LAST_MON_TIME"), cid=body.number(element, "CLUSTER_ID"))
        if self.kind.tag == "VNET":
            values.update(pid=-1)
        names = ", ".join(values)
        return (f"{verb} INTO {self.kind.table} ({names}) VALUES ({', '.join(['%s'] * len(values))})", *values.values())


def permissions(umask="177"):
    """Return the PERMISSIONS element that this umask leaves: USE, MANAGE, ADMIN for owner, group and others."""
    allowed = 0o666 & ~int(umask or "177", 8)
    bits = [(allowed >> shift) & 7 for shift in (6, 3, 0)]
    names = [("OWNER", bits[0]), ("GROUP", bits[1]), ("OTHER", bits[2])]
    return body.new("PERMISSIONS", **{f"{who}_{letter}": int(bool(value & bit)) for who, value in names for letter, bit in (("U", 4), ("M", 2), ("A", 1))})


def owned(tag, name, user, rights, *children, **leaves):
    """Return an object with an owner: the common head of images, templates, datastores, …"""
    head = body.new(tag, ID=-1, UID=body.get(user, "ID"), GID=body.get(user, "GID"), UNAME=body.get(user, "NAME"), GNAME=body.get(user, "GNAME"), NAME=name)
    head.append(rights)
    for key, value in leaves.items():
        body.leaf(head, key, value)
    head.extend(children)
    return head


def user(name, password_hash, driver, gid, group, token):
    groups = body.new("GROUPS", ID=gid)
    element = body.new("USER", ID=-1, GID=gid)
    element.append(groups)
    for key, value in (("GNAME", group), ("NAME", name), ("PASSWORD", password_hash), ("AUTH_DRIVER", driver), ("ENABLED", 1), ("LOGIN_TOKEN", "")):
        body.leaf(element, key, value)
    element.append(body.new("TEMPLATE", TOKEN_PASSWORD=token))
    return element


def group(name, *template):
    element = body.new("GROUP", ID=-1, NAME=name)
    element.append(body.new("TEMPLATE", *template))
    element.append(body.new("USERS"))
    element.append(body.new("ADMINS"))
    return element


def zone(name, attributes):
    return body.new("ZONE", body.new("TEMPLATE", *attributes), ID=-1, NAME=name)


def host(name, im, vm, cluster, cluster_name):
    share = "DISK_USAGE MEM_USAGE CPU_USAGE MAX_DISK MAX_MEM MAX_CPU FREE_DISK FREE_MEM FREE_CPU USED_DISK USED_MEM USED_CPU RUNNING_VMS".split()
    element = body.new("HOST", ID=-1, NAME=name, STATE=0, IM_MAD=im, VM_MAD=vm, LAST_MON_TIME=0, CLUSTER_ID=cluster, CLUSTER=cluster_name)
    element.append(body.new("HOST_SHARE", body.new("DATASTORES"), body.new("PCI_DEVICES"), **{name: 0 for name in share}))
    element.append(body.new("VMS"))
    element.append(body.new("TEMPLATE", IM_MAD=im, RESERVED_CPU="", RESERVED_MEM="", VM_MAD=vm))
    return element


def vm_template(name, owner, rights, attributes):
    return owned("VMTEMPLATE", name, owner, rights, body.new("TEMPLATE", *attributes), REGTIME=machine.now())


def name_problem(name):
    """Return the daemon's text for a name that it refuses, None for a good one."""
    if not name:
        return "Invalid NAME, it cannot be empty"
    if len(name) > 128:
        return "Invalid NAME, max length is 128 chars"
    bad = next((character for character in name if character in "&|:\\\";/'#{}$<>"), None)
    return f"Invalid NAME, char '{bad}' is not allowed" if bad else None
