# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection's own verification says of the servers: core.verification on what the reading modules read."""
from ansible_collections.constellation.opennebula.plugins.module_utils.core import report, verification
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError
from ansible_collections.constellation.opennebula.plugins.modules import federated_tables_info, replication_info

MINE = ("replication", "federation")      # the areas of checks that speak of databases; the daemons and pacemaker are not here


def read(layout, node, part):
    """Return what one module reads of one node, as verify.yml collects it; a module that fails is a failed result there, too."""
    if not node.up:
        return {"unreachable": True, "msg": "off"}
    try:
        if part == "tables":
            return federated_tables_info.read(comparing(layout, node), layout.servers(node))
        return replication_info.read({"names": None, "wait_gtid_pos": None, "wait_timeout_s": 1}, layout.server(node))
    except CoreError as error:
        return {"failed": True, "msg": str(error)}


def comparing(layout, node):
    """Return what verify.yml gives the module."""
    masters = [address for address in layout.topology["zones"]["alpha"]["addresses"].values() if address != node.facts["address"]]
    return {"database": "opennebula", "tables": None, "masters": masters, "master_port": layout.ports[node.name],
            "domains": layout.topology["zones"]["alpha"]["gtid_domains"], "wait_timeout_s": 10}


def checks(layout, cluster):
    """Return the Checks that concern the databases. The front-ends' addresses and services are told as the cluster stands."""
    # Of all nodes the positions first, then the contents, as verify.yml does: whoever has less then is behind.
    seen = {name: {"replication": read(layout, node, "replication")} for name, node in layout.nodes.items()}
    for name, node in layout.nodes.items():
        zone = layout.topology["zones"][node.facts["zone"]]
        here = cluster.active[zone["name"]] == name
        seen[name]["tables"] = read(layout, node, "tables")
        seen[name]["frontend"] = {"addresses": [zone["vip"]["ip"]] if here else [], "units": {"mariadb": {"enabled": True}},
                                  "disks": [], "daemon": {"answers": False, "why": "there is none", "zones": []}}
    found = [one for one in verification.verify(layout.topology, seen) if one.area in MINE or "database" in one.what]
    return found


def bad(layout, cluster, writing=False):
    """Return the lines that are not green. While writers are at work, contents of different moments prove nothing yet and do not count."""
    found = [one for one in report.bad(checks(layout, cluster)) if not (writing and one.area == "federation" and one.status == report.UNKNOWN)]
    return [f"{one.target}: {one.what}: {one.why}"[:300] for one in found]
