# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenNebula 5.0's tables (database version 4.90.0), and one of our own: ``lab_domain``, the simulated hypervisors."""
from __future__ import annotations

VERSION = "4.90.0"
FEDERATED = ("user_pool", "group_pool", "marketplace_pool", "marketplaceapp_pool", "vdc_pool", "zone_pool", "db_versioning", "acl")

_OBJECT = "oid INTEGER PRIMARY KEY, name VARCHAR(128), body MEDIUMTEXT," \
          " {extra}uid INTEGER, gid INTEGER, owner_u INTEGER, group_u INTEGER, other_u INTEGER{unique}"


def _pool(extra="", unique=", UNIQUE(name)"):
    return _OBJECT.format(extra=extra, unique=unique)


SHARED = {
    "user_pool": _pool(),
    "group_pool": _pool(),
    "vdc_pool": _pool(),
    "zone_pool": _pool(),
    "marketplace_pool": _pool(),
    "marketplaceapp_pool": _pool(unique=", UNIQUE(name,uid)"),
    "acl": "oid INT PRIMARY KEY, user BIGINT, resource BIGINT, rights BIGINT, zone BIGINT, UNIQUE(user, resource, rights, zone)",
    "db_versioning": "oid INTEGER PRIMARY KEY, version VARCHAR(256), timestamp INTEGER, comment VARCHAR(256)",
}
LOCAL = {
    "local_db_versioning": "oid INTEGER PRIMARY KEY, version VARCHAR(256), timestamp INTEGER, comment VARCHAR(256), is_slave BOOLEAN",
    "pool_control": "tablename VARCHAR(32) PRIMARY KEY, last_oid BIGINT UNSIGNED",
    "system_attributes": "name VARCHAR(128) PRIMARY KEY, body MEDIUMTEXT",
    "user_quotas": "user_oid INTEGER PRIMARY KEY, body MEDIUMTEXT",
    "group_quotas": "group_oid INTEGER PRIMARY KEY, body MEDIUMTEXT",
    "cluster_pool": _pool(),
    "cluster_datastore_relation": "cid INTEGER, oid INTEGER, PRIMARY KEY(cid, oid)",
    "cluster_network_relation": "cid INTEGER, oid INTEGER, PRIMARY KEY(cid, oid)",
    "host_pool": "oid INTEGER PRIMARY KEY, name VARCHAR(128), body MEDIUMTEXT, state INTEGER, last_mon_time INTEGER, uid INTEGER, gid INTEGER,"
                 " owner_u INTEGER, group_u INTEGER, other_u INTEGER, cid INTEGER, UNIQUE(name)",
    "host_monitoring": "hid INTEGER, last_mon_time INTEGER, body MEDIUMTEXT, PRIMARY KEY(hid, last_mon_time)",
    "datastore_pool": _pool(),
    "image_pool": _pool(unique=", UNIQUE(name,uid)"),
    "network_pool": _pool(extra="pid INTEGER, ", unique=", UNIQUE(name,uid)"),
    "network_vlan_bitmap": "id INTEGER, map LONGTEXT, PRIMARY KEY(id)",
    "template_pool": _pool(unique=""),
    "document_pool": _pool(extra="type INTEGER, ", unique=""),
    "secgroup_pool": _pool(unique=", UNIQUE(name,uid)"),
    "vrouter_pool": _pool(unique=""),
    "vm_pool": "oid INTEGER PRIMARY KEY, name VARCHAR(128), body MEDIUMTEXT, uid INTEGER, gid INTEGER, last_poll INTEGER, state INTEGER,"
               " lcm_state INTEGER, owner_u INTEGER, group_u INTEGER, other_u INTEGER",
    "vm_monitoring": "vmid INTEGER, last_poll INTEGER, body MEDIUMTEXT, PRIMARY KEY(vmid, last_poll)",
    "vm_import": "deploy_id VARCHAR(128), vmid INTEGER, PRIMARY KEY(deploy_id)",
    "vm_showback": "vmid INTEGER, year INTEGER, month INTEGER, body MEDIUMTEXT, PRIMARY KEY(vmid, year, month)",
    "history": "vid INTEGER, seq INTEGER, body MEDIUMTEXT, stime INTEGER, etime INTEGER, PRIMARY KEY(vid, seq)",
}
# Two tables that OpenNebula has not: they are in the database because that is what survives a failover.
LAB = {
    # the simulated hypervisors: which domain is where, how often it was started, how often a start found it running already
    "lab_domain": "vmid INTEGER, host VARCHAR(128), state VARCHAR(16), starts INTEGER NOT NULL DEFAULT 0, collisions INTEGER NOT NULL DEFAULT 0,"
                  " last_started INTEGER, PRIMARY KEY(vmid, host)",
    # how often a driver was sent into a step: more than once is a retry
    "lab_step": "vmid INTEGER, state VARCHAR(40), runs INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(vmid, state)",
}


def create(tables):
    """Return the statements that make these tables."""
    return [(f"CREATE TABLE IF NOT EXISTS {name} ({columns})",) for name, columns in tables.items()]
