# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two layouts of the federation's replication: which GTID domains, settings and channels each has, where it cannot be, what it can lose.

standby: one GTID domain for each zone, everything passed on (log_slave_updates), one channel a slave-zone node, pulled from the master zone's standby.
guide: the channels of the reference guide, one from each front-end of the master zone. Made as right as it can be, that is: a GTID domain for each
server, because there is no order between the two channels; nothing passed on, because what came by two roads would be applied twice; positions instead
of files, because they survive a crash of the replica together with the rows; no acknowledgements by slave zones, because they would count for those of
the master zone's standby. Measurements: field note "mariadb", sections 1 to 3.
"""
from __future__ import annotations

STANDBY, GUIDE = "standby", "guide"
LAYOUTS = (STANDBY, GUIDE)


def problems(layout, zones):
    """Return why the layout cannot be; zones: {name: (mode, hosts)}."""
    if layout not in LAYOUTS:
        return [f"opennebula_replication_layout is {layout!r}; use one of: {', '.join(LAYOUTS)}"]
    if layout != GUIDE:
        return []
    found = []
    if "master" not in [mode for mode, dummy in zones.values()]:
        found.append("opennebula_replication_layout is guide, and there is no master zone; it says how slave zones follow one, and has no other use")
    for name, (mode, hosts) in zones.items():
        if len(hosts) > 2 and mode != "standalone":
            found.append(
                f"zone {name} has {len(hosts)} front-ends ({', '.join(hosts)}), and layout guide contradicts itself with more than two: a ring needs "
                "log_slave_updates, with which each federated event comes once for each front-end of the master zone (error 1062, or 5 increments counted "
                "as 10); without it the rows of one never reach the next but one. Use layout standby")
    return found


def domain(layout, mode, zone_id, server_id):
    """Return the GTID domain in which a front-end writes."""
    return server_id if layout == GUIDE and mode != "standalone" else zone_id


def settings(layout, mode):
    """Return the server variables that depend on the layout."""
    alone = layout == GUIDE and mode != "standalone"
    # Ignoring duplicates goes by sequence number only; with two channels it skipped rows that nobody had (field note).
    # MariaDB has one switch for the acknowledgements of all channels. A slave zone's node that is on would also acknowledge to the master zone's writer, in
    # place of its standby, and what only a slave zone has is lost when the writer dies.
    return {"log_slave_updates": not alone, "gtid_ignore_duplicates": mode == "slave" and not alone, "semi_sync": not (alone and mode == "slave")}


def variables(layout, mode, zone_id, server_id):
    """Return the server variables that a front-end must have, besides replication_rules.RULES, by their names in MariaDB."""
    own = settings(layout, mode)
    return {"server_id": server_id, "gtid_domain_id": domain(layout, mode, zone_id, server_id), "log_slave_updates": own["log_slave_updates"],
            "gtid_ignore_duplicates": own["gtid_ignore_duplicates"], "rpl_semi_sync_slave_enabled": own["semi_sync"],
            "rpl_semi_sync_master_wait_point": "AFTER_SYNC", "sync_binlog": 1, "innodb_flush_log_at_trx_commit": 1}


def channels(layout, master):
    """Return (name, address) of the channels of a slave-zone node; master: the master zone, with id, vip, federation_vip and addresses by node."""
    if layout == GUIDE:
        return [(f"zone{master.id}-master{number}", master.addresses[node]) for number, node in enumerate(master.nodes, 1)]
    return [(f"zone{master.id}", (master.federation_vip or master.vip).ip)]


def warnings(layout, master, slaves):
    """Return what an operator should know; master: the master zone or None, slaves: whether there are slave zones."""
    if not slaves:
        return []
    if layout == GUIDE:
        unused = [f"zone {master.name}: zone_federation_vip has no use in layout guide, slave zones pull from both front-ends themselves"]
        return [GUIDE_LOSES] + (unused if master.federation_vip else [])
    if not master.federation_vip:
        return [f"zone {master.name} has no zone_federation_vip: slave zones pull the federated tables from its active front-end and can be ahead of the "
                "next active one after a crash, which stops their replication (error 1236) until they are seeded again; and they acknowledge commits in the "
                "standby's place, so that a partition can lose acknowledged ones"]
    return []


GUIDE_LOSES = (
    "layout guide can lose federated rows: what a front-end of the master zone had not sent when it died is missing in the slave zones until it is back, and "
    "coming late it overwrites what is newer, with every thread saying Yes; a crash can take back what was sent already, and then its gate stays shut and "
    "slave zones stop (1236) until they are seeded again; a slave zone's own acknowledged writes can be lost with its active front-end. After each failover "
    "run verify.yml, and repair.yml for what it names. Layout standby lost and stopped nothing in the same faults (roles/database/README.md)")
