# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests look through: the inventory, ssh, the database, the cluster's status, XML-RPC. None of it is the collection's code."""
from __future__ import annotations

import functools
import ipaddress
import json
import pathlib
import re
import shlex
import socket
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ET
import xmlrpc.client
from dataclasses import dataclass, field

import testinfra

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
SERVICES = ("opennebula", "opennebula-sunstone", "opennebula-gate", "opennebula-flow", "opennebula-novnc")
FEDERATED = ("user_pool", "group_pool", "marketplace_pool", "marketplaceapp_pool", "vdc_pool", "zone_pool", "db_versioning", "acl")
PORT = 2633
# One connection a host for all tests: a command then costs milliseconds, not a login.
SOCKETS = tempfile.TemporaryDirectory(prefix="look-")  # pylint: disable=consider-using-with
KEPT = f"-o ControlMaster=auto -o ControlPersist=30s -o ControlPath={SOCKETS.name}/%C"


@dataclass(frozen=True)
class Node:
    """One front-end, over ssh."""

    name: str
    address: str
    login: dict = field(repr=False)
    server_id: int
    fence: tuple                       # the agents of its fence devices, in the order in which they are tried
    secrets: tuple = field(repr=False)
    zone_name: str

    @functools.cached_property
    def host(self):
        """Return testinfra's host."""
        options = {"ssh_extra_args": f"{self.login['options']} {KEPT}", "controlpersist": 0}
        if self.login["key"]:
            options["ssh_identity_file"] = self.login["key"]
        if self.login["become"]:
            options["sudo"] = True
        return testinfra.get_host(f"ssh://{self.login['user']}@{in_url(self.login['host'])}:{self.login['port']}", **options)

    @property
    def devices(self):
        """Return the names of its fence devices."""
        return [f"fence_{self.name}" + (f"_level{level}" if level > 1 else "") for level in range(1, len(self.fence) + 1)]

    def read(self, command):
        """Return what ``command`` prints; an exit code other than 0 fails the test with its error text."""
        done = self.host.run(command)
        assert done.rc == 0, f"{self.name}: {command}: exit {done.rc}: {done.stderr.strip()}"
        return done.stdout

    def feed(self, command, text):
        """Return what ``command`` prints with ``text`` as its input: secrets to look for must not become arguments."""
        key = ["-i", self.login["key"]] if self.login["key"] else []
        sudo = "sudo -n " if self.login["become"] else ""
        argv = ["ssh", *shlex.split(f"{self.login['options']} {KEPT}"), *key, "-p", str(self.login["port"]), f"{self.login['user']}@{self.login['host']}",
                f"{sudo}sh -c {shlex.quote(command)}"]
        return subprocess.run(argv, input=text, stdout=subprocess.PIPE, check=False, encoding="utf-8", errors="replace", timeout=120).stdout

    def rows(self, query):
        """Return the rows of ``query`` as lists of strings, asked as the local root."""
        text = self.read(f"mariadb --batch --raw --skip-column-names -e {shlex.quote(query)}")
        return [line.split("\t") for line in text.splitlines()]

    def variables(self, *names):
        """Return the server's global variables by name, as strings."""
        listed = ", ".join(f"'{name}'" for name in names)
        return dict(self.rows(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({listed})"))

    def channels(self):
        """Return {connection name: its row} of SHOW ALL SLAVES STATUS."""
        records = re.split(r"^\*+ \d+\. row \*+$", self.read("mariadb -e 'SHOW ALL SLAVES STATUS\\G'"), flags=re.M)[1:]
        rows = [dict(re.findall(r"^ *(\w+): ?(.*)$", record, flags=re.M)) for record in records]
        return {row["Connection_name"]: row for row in rows}

    def listens(self, port=PORT):
        """Return whether the node's own address accepts connections on ``port``."""
        try:
            socket.create_connection((self.address, port), timeout=3).close()
        except OSError:
            return False
        return True


@dataclass(frozen=True)
class Zone:
    """A zone as the inventory describes it."""

    name: str
    mode: str
    id: int
    vip: str
    federation_vip: str
    endpoint: str
    laboratory: bool
    third_vote: bool
    services: tuple
    layout: str
    nodes: tuple = field(default=())

    @property
    def guide(self):
        """Return whether the zone replicates as the reference guide has it, which a zone outside the federation never does."""
        return self.layout == "guide" and self.mode != "standalone"

    def holders(self, address=None):
        """Return the nodes that have the service address on one of their interfaces."""
        address = ipaddress.ip_address(address or self.vip)
        return [node for node in self.nodes if address in configured(node.read("ip -oneline address"))]

    @property
    def active(self):
        """Return the node that holds the zone's address; exactly one does."""
        holders = self.holders()
        assert len(holders) == 1, f"zone {self.name}: {self.vip} is on {[node.name for node in holders]}"
        return holders[0]

    @property
    def standbys(self):
        """Return all nodes but the active one: one of a pair, more of a ring."""
        active = self.active
        return [node for node in self.nodes if node is not active]

    def status(self):
        """Return crm_mon's view as XML, from the active node."""
        return ET.fromstring(self.active.read("crm_mon --one-shot --inactive --output-as=xml"))

    def configuration(self):
        """Return the live configuration (CIB) as XML."""
        return ET.fromstring(self.active.read("cibadmin --query --scope configuration"))

    def properties(self):
        """Return the cluster's own properties by name."""
        return {pair.get("name"): pair.get("value") for pair in self.configuration().findall("./crm_config/cluster_property_set/nvpair")}

    def call(self, method, *arguments):
        """Call ``method`` through the zone's address as oneadmin; return its value or fail with OpenNebula's message."""
        with xmlrpc.client.ServerProxy(f"http://{in_url(self.vip)}:{PORT}/RPC2", allow_none=True) as server:
            answer = getattr(server, method)(f"oneadmin:{dict(self.nodes[0].secrets)['oneadmin']}", *arguments)
        assert answer[0], f"zone {self.name}: {method}: {answer[1]}"
        return answer[1]


@dataclass(frozen=True)
class Federation:
    """All zones of the inventory."""

    zones: tuple

    @property
    def nodes(self):
        return tuple(node for zone in self.zones for node in zone.nodes)

    @property
    def master(self):
        return next((zone for zone in self.zones if zone.mode == "master"), None)

    @property
    def slaves(self):
        return tuple(zone for zone in self.zones if zone.mode == "slave")

    @property
    def secrets(self):
        """Return every secret of the inventory, once."""
        return sorted({value for node in self.nodes for value in dict(node.secrets).values() if value})

    def zone_of(self, node):
        return next(zone for zone in self.zones if zone.name == node.zone_name)

    def expected_channels(self, node):
        """Return {channel name: host it pulls from} by the rules of the README: from the node before it, and the federation in slave zones."""
        zone = self.zone_of(node)
        place = zone.nodes.index(node)
        return {f"zone{zone.id}-{'master' if place else 'slave'}": zone.nodes[place - 1].address, **self.federation_channels(zone)}

    def federation_channels(self, zone):
        """Return {channel name: host} of a zone's nodes towards the master zone: each of its front-ends in layout guide, else the federation address."""
        if zone.mode != "slave":
            return {}
        if zone.guide:
            return {f"zone{self.master.id}-master{number}": node.address for number, node in enumerate(self.master.nodes, 1)}
        return {f"zone{self.master.id}": self.master.federation_vip or self.master.vip}


def read_inventory(source, extra_vars=()):
    """Return the Federation that the inventory at ``source`` describes, with what the playbooks were given by -e."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["ansible-playbook", "-i", str(source), str(HERE / "inventory.yml"),
                               *(word for given in extra_vars for word in ("-e", given)), "-e", f"verify_out={folder}"],
                              cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False, encoding="utf-8")
        found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(pathlib.Path(folder).glob("*.json"))]
    if done.returncode or not found:
        raise RuntimeError(f"cannot read inventory {source}: no host has zone_name, or\n{done.stdout[-3000:]}")
    return federation_of(sorted(found, key=lambda one: int(one["order"])))


def federation_of(found):
    """Return the Federation of the front-ends' variables, each a dictionary as inventory.yml writes it.

    >>> federation_of([]).zones
    ()
    """
    zones, slave_ids = [], iter(range(100, 10000))
    for name in dict.fromkeys(one["zone"]["name"] for one in found):
        members = [one for one in found if one["zone"]["name"] == name]
        zone = members[0]["zone"]
        given = int(zone["id"])
        number = given if given >= 0 else next(slave_ids) if zone["mode"] == "slave" else 0
        vip = str(ipaddress.ip_interface(zone["vip"]).ip)
        nodes = tuple(Node(one["name"], one["address"], one["login"], int(one["server_id"]), tuple(one["fence"]), secrets_of(one["secrets"]), name)
                      for one in members)
        zones.append(Zone(
            name=name, mode=zone["mode"], id=number, vip=vip, endpoint=zone["endpoint"] or f"http://{in_url(vip)}:{PORT}/RPC2",
            federation_vip=str(ipaddress.ip_interface(zone["federation_vip"]).ip) if zone["federation_vip"] else "",
            laboratory=bool(zone["laboratory"]), third_vote=bool(zone["third_vote"]), services=tuple(zone["services"]) or SERVICES, layout=zone["layout"],
            nodes=nodes))
    return Federation(tuple(zones))


def secrets_of(found):
    """Return the pairs of (name, secret); of several fence devices each has one.

    >>> secrets_of({"db": "a", "fence": ["b", "c"]})
    (('db', 'a'), ('fence', 'b'), ('fence level 2', 'c'))
    """
    fence = [(f"fence level {level}" if level > 1 else "fence", secret) for level, secret in enumerate(found.get("fence", ()), 1)]
    return tuple([(name, secret) for name, secret in found.items() if name != "fence"] + fence)


def in_url(address):
    """Return an address as it stands in a URL.

    >>> in_url("192.0.2.100"), in_url("2001:db8::100")
    ('192.0.2.100', '[2001:db8::100]')
    """
    return f"[{address}]" if ":" in address else address


def configured(listed):
    """Return the IP addresses, of both kinds, that `ip -oneline address` lists."""
    return [ipaddress.ip_address(address) for address in re.findall(r" inet6? ([^ /]+)", listed)]


def until(look, within_s=15, every_s=0.5):
    """Return the first true value of ``look()``; after ``within_s`` return its last value, true or not."""
    deadline = time.monotonic() + within_s
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(every_s)
    return seen
