# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layouts of the federation that the run compares, made by the collection's own modules on the servers.

Both are what core.topology derives and the roles do: standby, and guide, the reference guide's channels made as right as they can be.
"""
import json
import pathlib

from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import mariadb
from ansible_collections.constellation.opennebula.plugins.module_utils.core import federated, topology
from ansible_collections.constellation.opennebula.plugins.modules import database_access, database_repair, federated_tables, replication_source

from links import Network
from servers import PASSWORD, Node, template_directory
from workload import COUNTERS, body

POOL = ("oid INTEGER PRIMARY KEY, name VARCHAR(128), body MEDIUMTEXT, uid INTEGER, gid INTEGER, owner_u INTEGER, group_u INTEGER, other_u INTEGER, "
        "UNIQUE(name)")
COLUMNS = {"db_versioning": "oid INTEGER PRIMARY KEY, version VARCHAR(256), timestamp INTEGER, comment VARCHAR(256), is_slave BOOLEAN",
           "acl": "oid INT PRIMARY KEY, user BIGINT, resource BIGINT, rights BIGINT, zone BIGINT, UNIQUE(user, resource, rights, zone)"}
SOURCE = {"port": 3306, "user": "opennebula_repl", "password": PASSWORD["opennebula_replication_password"], "update_password": "on_create",
          "connect_retry_s": 2, "heartbeat_s": 5.0, "delay_s": 0, "use_gtid": "slave_pos", "ssl": False, "ssl_ca": "", "ssl_cert": "", "ssl_key": "",
          "ssl_verify": True, "state": "started", "exclusive": True, "wait_for": "running", "wait_timeout_s": 20}


def derive(net, layout="standby", prefix=24, nodes=(2, 2)):
    """Return the topology of two zones on the network net (two numbers of an address); nodes: how many front-ends each has."""
    inventory = {}
    for zone, mode, number, count in (("alpha", "master", 1, nodes[0]), ("beta", "slave", 2, nodes[1])):
        for index in range(1, count + 1):
            inventory[f"{zone}{index}"] = dict(PASSWORD, zone_name=zone, zone_mode=mode, zone_vip=f"{net}.{number}.100/{prefix}", zone_laboratory=True,
                                               opennebula_replication_layout=layout, node_address=f"{net}.{number}.{10 + index}", opennebula_release="5.0")
    for host in [name for name in inventory if name.startswith("alpha") and layout == "standby"]:
        inventory[host]["zone_federation_vip"] = f"{net}.1.101/{prefix}"
    return topology.derive(inventory).as_dict()


def counters(node):
    """Make what the workload counts with."""
    for table, oids in COUNTERS.items():
        node.rows(f"INSERT INTO {table} (oid, name, body, gid) VALUES " + ", ".join(f"({oid}, '{table} {oid}', '{body('counter')}', 0)" for oid in oids),
                  "opennebula")


class Layout:
    """The servers of one run. ``folder`` is theirs alone."""

    name = "standby"

    def __init__(self, folder, port=23306, nodes=(2, 2)):
        self.folder, self.network = pathlib.Path(folder), Network()
        for net in range(10, 250):
            try:
                self.topology = derive(f"127.{net}", self.name, nodes=nodes)
                self._links(port)
                break
            except OSError:      # another run has these addresses
                self.network.close()
                self.network = Network()
        self._adapt()
        template = template_directory(self.folder / "template")
        self.nodes = {name: Node(self.folder, template, name, self.topology, self.inner(name), self.ports[name])
                      for name in self.topology["nodes"]}
        for node in self.nodes.values():
            node.start()

    def inner(self, name):
        """Return the address at which the server really listens."""
        first, dot, last = self.topology["nodes"][name]["address"].rpartition(".")
        return f"{first}{dot}{int(last) + 10}"

    def _links(self, port):
        nodes = self.topology["nodes"]
        self.ports = {name: port + index for index, name in enumerate(nodes)}
        federation = self.topology["zones"]["alpha"]["federation_vip"]
        for one, facts in nodes.items():
            for other in nodes:
                if one != other:
                    self.network("add", f"{one}->{other}", nodes[other]["address"], self.ports[one], facts["address"])
                    self.network("point", f"{one}->{other}", self.inner(other), self.ports[other])
            if facts["federation_slave"] and federation:
                self.network("add", f"{one}->federation", federation["ip"], self.ports[one], facts["address"])

    def _adapt(self):
        """The topology knows one port for everybody; here each node has its own."""
        for name, facts in self.topology["nodes"].items():
            for source in facts["pair_sources"] + facts["federation_sources"]:
                source["port"] = self.ports[name]

    # --- the collection's modules on a node -----------------------------------------------------------------------------------

    @staticmethod
    def server(node, kind=mariadb.Server):
        return kind({"login_unix_socket": node.socket})

    @staticmethod
    def servers(node):
        return mariadb.Servers({"login_unix_socket": node.socket, "user": "opennebula_seed", "password": PASSWORD["opennebula_replication_password"],
                                "connect_timeout_s": 5})

    def access(self, node):
        users = [dict({"unix_socket": False, "require_tls": False, "exclusive": False, "state": "present", "hosts": ["localhost"], "privileges": {}}, **user)
                 for user in node.role["__database_accounts"]]
        return database_access.ensure({"databases": ["opennebula"], "charset": "utf8mb4", "users": users}, self.server(node), False)

    def sources(self, node, federation=True, **more):
        wanted = (node.facts["federation_sources"] if federation else []) + node.facts["pair_sources"]
        params = dict(SOURCE, sources=wanted, exclusive=False, require=node.facts["settings"], wait_for="connecting" if federation else "running")
        return replication_source.ensure(dict(params, **more), self.server(node), False)

    def seed(self, node, **more):
        alpha = self.topology["zones"]["alpha"]
        params = {"masters": list(alpha["addresses"].values()), "domains": alpha["gtid_domains"], "database": "opennebula", "tables": None,
                  "replace": False, "force": False, "backup_dir": str(self.folder / "backup")}
        masters = [mariadb.Server({"login_host": host, "login_port": self.ports[node.name], "login_user": "opennebula_seed",
                                   "login_password": PASSWORD["opennebula_replication_password"]}) for host in params["masters"]]
        return federated_tables.ensure(dict(params, **more), self.server(node), masters, mariadb.Copy(120), False)

    # --- from bare servers to a federation ------------------------------------------------------------------------------------

    def tables(self, node):
        """Make the tables that OpenNebula would; USE matters, see binlog-do-db."""
        for table in federated.FEDERATED_TABLES + ("vm_pool",):
            node.rows(f"CREATE TABLE {table} ({COLUMNS.get(table, POOL)})", "opennebula")
        counters(node)

    def begin(self, cluster):
        """Two zones that are no federation yet."""
        for node in self.nodes.values():
            self.access(node)
        for node in self.nodes.values():
            self.sources(node, federation=False)
        for name in self.nodes:
            cluster.keep_ring(name)
        cluster.promote("alpha1")
        self.tables(self.nodes["alpha1"])

    def converge(self, cluster):
        """The order of site.yml."""
        self.begin(cluster)
        for node in self.topology["zones"]["beta"]["nodes"]:
            self.seed(self.nodes[node])
        for node in self.topology["zones"]["beta"]["nodes"]:
            self.sources(self.nodes[node])
        cluster.promote("beta1")
        self.nodes["beta1"].rows(f"CREATE TABLE vm_pool ({POOL})", "opennebula")

    def repair(self, node):
        """What an operator runs on a node that stays red: site.yml's tasks; return what it was."""
        return "started again" if self.sources(node).changed else "nothing to do"

    def close(self):
        for node in self.nodes.values():
            if node.up:
                node.kill()
        self.network.close()


class Guide(Layout):
    name = "guide"

    def repair(self, node):
        """What an operator runs here when anything is red: the verbs that copy everything of one moment; the zone's writer is the truth of its own tables."""
        done = [name for name, verb in (("zone's channel", "reseed_node"), ("federation channel", "reseed_tables")) if self._reseed(node, verb)]
        return "seeded again" if done else super().repair(node)

    def _reseed(self, node, verb):
        writer = {name for name, one in self.nodes.items() if one.up and not int(one.value("SELECT @@read_only"))}
        sources = node.facts["pair_sources"] if verb == "reseed_node" else node.facts["federation_sources"]
        source = next((one["name"] for one in sources if self._at(one["host"]) in writer), None)
        if source is None or (verb == "reseed_node" and node.name in writer):
            return False
        servers = mariadb.Servers({"login_unix_socket": node.socket, "user": "opennebula_seed", "password": PASSWORD["opennebula_replication_password"],
                                   "connect_timeout_s": 5})
        params = {"verb": verb, "source": source, "table": "", "key": "", "host": "", "port": 0, "do_tables": None, "moved_replicas": [],
                  "database": "opennebula",
                  "backup_dir": str(self.folder / "backup"), "wait_timeout_s": 20}
        return database_repair.ensure(params, servers, mariadb.Copy(120), False).changed

    def _at(self, address):
        return next(name for name, facts in self.topology["nodes"].items() if facts["address"] == address)

LAYOUTS = {"standby": Layout, "guide": Guide}
