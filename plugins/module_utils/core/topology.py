# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory variables → zones, front-ends, server ids, replication sources, addresses, fence devices.

Everything that can be derived is derived here, once, and every mistake of the inventory is reported together
before anything is touched. Secrets are checked for presence and never become part of the topology.

Sources of the rules: MariaDB field measurements (one GTID domain per zone, one federation channel per node, pulled
from the master zone's standby), OpenNebula 5.0 federation guide (zone 0 is the master, new zones start at 100).
"""
from __future__ import annotations

import difflib
import ipaddress
import itertools
import json
import re
from dataclasses import asdict, dataclass

from . import fencing, layouts, quorum_device
from .errors import Problems
from .versions import federation_transport

FEDERATED_TABLES = ("user_pool", "group_pool", "marketplace_pool", "marketplaceapp_pool", "vdc_pool", "zone_pool", "db_versioning", "acl")

MODES = ("master", "slave", "standalone")
SERVICES = ("opennebula", "opennebula-sunstone", "opennebula-gate", "opennebula-flow", "opennebula-novnc")
ZONE_VARIABLES = ("zone_name", "zone_mode", "zone_id", "zone_vip", "zone_federation_vip", "zone_endpoint", "zone_vip_nic", "zone_laboratory", "zone_services",
                  "zone_quorum_device")
NODE_VARIABLES = ("node_address", "node_links", "server_id", "fence")
CLUSTER_VARIABLES = ("cluster_properties", "cluster_fence_options")     # of the role; only what they do to fencing is judged here
TLS_VARIABLES = ("database_tls", "database_tls_required", "database_tls_ca", "database_tls_certificate", "database_tls_key")
# "opennebula_topology" and its two companions are set by us; an inventory must not.
GLOBAL_VARIABLES = ("opennebula_release", "opennebula_db_password", "opennebula_replication_password", "opennebula_oneadmin_password",
                    "opennebula_hacluster_password", "opennebula_replication_layout")
DERIVED_VARIABLES = ("opennebula_topology", "opennebula_zone", "opennebula_node")
SECRETS = ("opennebula_db_password", "opennebula_replication_password", "opennebula_oneadmin_password", "opennebula_hacluster_password")
DELAYS = ("delay_s", "delay", "pcmk_delay_base")

TLS_MODES = ("off", "given", "made")
TLS_FOLDER = "/etc/constellation/tls"

# Succeeds on the front-end that runs OpenNebula: in a partition the third vote is its, and nothing moves.
PREFERRED = "/usr/bin/systemctl is-active --quiet opennebula.service"
MASTER_ZONE_ID = 0
FIRST_SLAVE_ZONE_ID = 100  # oned gives the first new zone this id (RequestManagerAllocate, seen on 5.0.2 and 7.4.0)
MARIADB_PORT = 3306
ONED_PORT = 2633


@dataclass(frozen=True)
class Address:
    """An address that the cluster puts on one of a zone's nodes."""

    ip: str
    prefix: int
    nic: str = ""


@dataclass(frozen=True)
class Zone:
    name: str
    id: int
    mode: str
    endpoint: str
    cluster_name: str
    vip: Address
    federation_vip: object  # Address, or None: the federation is then pulled from the zone's address
    nodes: tuple
    addresses: dict
    services: tuple
    laboratory: bool
    links: dict                                          # {node: [address, …]}, one for each link of corosync
    quorum_device: object                                # {state, host: address, algorithm, …}; None: nothing is said about one
    quorum_host: str                                     # inventory name of the device's host, "" without one
    gtid_domains: tuple                                  # those that its front-ends write in

    @property
    def seed(self):
        """The front-end that bootstraps the zone's database."""
        return self.nodes[0]


@dataclass(frozen=True)
class Node:
    name: str
    zone: str
    address: str
    server_id: int
    gtid_domain_id: int
    peers: tuple
    federation_slave: bool
    gtid_ignore_duplicates: bool
    log_slave_updates: bool
    semi_sync: bool  # it acknowledges what it receives
    settings: dict  # server variables that must hold before a source is started, and are verified
    pair_sources: tuple
    federation_sources: tuple
    replication_clients: tuple
    certificate_names: tuple
    fence: object  # {device, devices, agent, delay_s} of the first device and the names of all, or None in a laboratory without fencing


@dataclass(frozen=True)
class Topology:
    release: str
    layout: str
    zones: dict
    nodes: dict
    master_zone: object
    tls: dict  # of the databases: mode, used, and where each front-end has the files
    warnings: tuple = ()

    def as_dict(self):
        """Return plain data for Ansible facts: dictionaries and lists."""
        facts = json.loads(json.dumps(asdict(self)))
        for name, zone in self.zones.items():
            facts["zones"][name]["seed"] = zone.seed
        facts["quorum_hosts"] = sorted({zone.quorum_host for zone in self.zones.values() if zone.quorum_host})
        return facts


def derive(inventory, known_variables=(), prefixes=()):
    """Return the Topology of ``inventory`` ({host: {variable: value}}, in inventory order) or raise Problems.

    known_variables / prefixes: public variable names of the roles and the name prefixes that belong to us; a variable
    that has our prefix and is not known is a misspelling, which Ansible would silently ignore.

    >>> derive({})
    Traceback (most recent call last):
    ...
    core.errors.Problems: the inventory is not usable: 1 problem
    """
    problems = _unknown_variables(inventory, known_variables, prefixes)
    members = {}
    for host, variables in inventory.items():
        if variables.get("zone_name"):
            members.setdefault(str(variables["zone_name"]), []).append(host)
    if not members:
        problems.append("no zone: give each zone's group the variables zone_name, zone_mode and zone_vip")
    modes = {name: _zone_value(inventory, hosts, "zone_mode", name, problems) for name, hosts in members.items()}
    _check_modes(modes, problems)
    ids = _zone_ids(inventory, members, modes, problems)
    zones = {name: _zone(inventory, name, hosts, modes[name], ids[name], problems) for name, hosts in members.items()}
    addresses = {host: _node_address(inventory[host], host, problems) for hosts in members.values() for host in hosts}
    server_ids = _server_ids(inventory, members, ids, {name: mode == "standalone" for name, mode in modes.items()}, problems)
    _check_secrets(inventory, members, problems)
    release = str(_first(inventory, members, "opennebula_release", "5.0"))
    if "slave" in modes.values() and federation_transport(release) != "database":
        problems.append(
            f"opennebula_release {release}: since 5.4 oned itself carries the federated tables; replicating them by database would corrupt the slave zones. "
            "Use this collection's federation with 5.0 to 5.2 only")
    warnings = []
    for name, hosts in members.items():
        _check_zone(inventory, zones[name], hosts, addresses, problems)
        device = inventory[hosts[0]].get("zone_quorum_device")
        told = fencing.judge(name, zones[name]["laboratory"], bool(device) and isinstance(device, dict), {host: inventory[host] for host in hosts})
        problems += told[0]
        warnings += told[1]
    _check_addresses(zones, addresses, problems)
    links = {name: _links(inventory, name, hosts, addresses, problems) for name, hosts in members.items()}
    devices = {name: _quorum_device(inventory, name, hosts, problems) for name, hosts in members.items()}
    layout = _layout(inventory, members)
    problems += layouts.problems(layout, {name: (modes[name], hosts) for name, hosts in members.items()})
    tls = _tls(inventory, [host for hosts in members.values() for host in hosts], problems)
    if problems:
        raise Problems("the inventory is not usable", problems, hint="Nothing was touched. Mend the inventory and run again.")
    for name, zone in zones.items():
        given = inventory[members[name][0]].get("zone_quorum_device")
        zone.update(links=links[name], quorum_device=devices[name], quorum_host=str(given["host"]) if given and isinstance(given, dict) else "")
    return _build(release, layout, zones, members, addresses, server_ids, inventory, tls, warnings)


def _build(release, layout, zones, members, addresses, server_ids, inventory, tls, warnings):
    master = next((name for name, zone in zones.items() if zone["mode"] == "master"), None)
    slaves = [host for name in members if zones[name]["mode"] == "slave" for host in members[name]]
    final = {}
    for name, zone in zones.items():
        domains = {layouts.domain(layout, zone["mode"], zone["id"], server_ids[host]) for host in members[name]}
        final[name] = Zone(nodes=tuple(members[name]), addresses={host: addresses[host] for host in members[name]}, gtid_domains=tuple(sorted(domains)), **zone)
    nodes = {}
    for name, zone in final.items():
        for index, host in enumerate(zone.nodes):
            nodes[host] = _node(inventory[host], host, index, layout, zone, final.get(master), server_ids[host],
                                [addresses[slave] for slave in slaves] if zone.mode == "master" else [])
    warnings = layouts.warnings(layout, final.get(master), bool(slaves)) + warnings
    warnings += [f"zone {name} is a laboratory without fencing: a partition can corrupt its database" for name, zone in final.items()
                 if zone.laboratory and not all(nodes[host].fence for host in zone.nodes)]
    return Topology(release, layout, final, nodes, master, tls, tuple(warnings))


def _node(variables, host, index, layout, zone, master, server_id, federation_clients):
    peers = [{"name": peer, "address": zone.addresses[peer]} for peer in zone.nodes if peer != host]
    slave = zone.mode == "slave"
    pair = [_pair_source(zone, index)]
    federation = [{"name": channel, "host": address, "port": MARIADB_PORT, "do_tables": [f"opennebula.{table}" for table in FEDERATED_TABLES]}
                  for channel, address in (layouts.channels(layout, master) if slave else ())]
    fence = fencing.declared(variables.get("fence"))
    return Node(
        name=host, zone=zone.name, address=zone.addresses[host], server_id=server_id,
        gtid_domain_id=layouts.domain(layout, zone.mode, zone.id, server_id), peers=tuple(peers), federation_slave=slave,
        **layouts.settings(layout, zone.mode), settings=layouts.variables(layout, zone.mode, zone.id, server_id), pair_sources=tuple(pair),
        federation_sources=tuple(federation),
        replication_clients=tuple([peer["address"] for peer in peers] + federation_clients),
        certificate_names=tuple([host, zone.addresses[host], zone.vip.ip] + ([zone.federation_vip.ip] if zone.federation_vip else [])),
        fence={"device": fencing.device_id(host), "devices": [fencing.device_id(host, level) for level in range(1, len(fence) + 1)],
               "agent": fence[0]["agent"], "delay_s": int(fence[0].get("delay_s") or 0)} if fence else None)


def _pair_source(zone, index):
    """Return the one channel of a node inside its zone: from its predecessor in the ring, of which a pair is the smallest.

    Names of the reference guide: all pull 'zone<ID>-master' from the one before them, the first 'zone<ID>-slave' from the last.
    """
    before = zone.nodes[index - 1]
    source = {"name": f"zone{zone.id}-{'master' if index else 'slave'}", "host": zone.addresses[before], "port": MARIADB_PORT}
    # Around a front-end that is out the ring closes: then the channel leads to another one, and that is right (role database, ring-keeper).
    others = [zone.addresses[node] for node in zone.nodes if node not in (before, zone.nodes[index])]
    return dict(source, other_hosts=others) if others else source


def _zone(inventory, name, hosts, mode, zone_id, problems):
    """Return the keyword arguments of Zone that come from the zone's variables."""
    def value(variable, default=None):
        return _zone_value(inventory, hosts, variable, name, problems, default)

    nic = str(value("zone_vip_nic", "") or "")
    vip = _interface(value("zone_vip"), f"zone {name}: zone_vip", problems, nic, required=True)
    federation = value("zone_federation_vip")
    if federation and mode != "master":
        problems.append(f"zone {name}: zone_federation_vip belongs to the master zone only; this one is {mode}")
    services = value("zone_services", list(SERVICES))
    if not isinstance(services, (list, tuple)) or "opennebula" not in services:
        problems.append(f"zone {name}: zone_services is {services!r}; it must be a list that contains opennebula")
        services = SERVICES
    endpoint = value("zone_endpoint") or f"http://{_url_host(vip)}:{ONED_PORT}/RPC2"
    return {"name": name, "id": zone_id, "mode": mode, "endpoint": str(endpoint), "cluster_name": f"one-{name}", "vip": vip,
            "federation_vip": _interface(federation, f"zone {name}: zone_federation_vip", problems, nic) if federation else None,
            "services": tuple(services), "laboratory": _true(value("zone_laboratory", False))}


def _url_host(address):
    if address is None:
        return ""
    return f"[{address.ip}]" if ":" in address.ip else address.ip


def _zone_value(inventory, hosts, variable, zone, problems, default=None):
    """Return the variable's value, which all nodes of a zone must share."""
    values = [inventory[host].get(variable, default) for host in hosts]
    if any(value != values[0] for value in values):
        shown = ", ".join(f"{host}: {value!r}" for host, value in zip(hosts, values))
        problems.append(f"zone {zone}: {variable} differs between its nodes ({shown}); set it once, for the group")
    return values[0]


def _check_modes(modes, problems):
    for name, mode in modes.items():
        if mode not in MODES:
            problems.append(f"zone {name}: zone_mode is {mode!r}; use one of: {', '.join(MODES)}")
    masters = [name for name, mode in modes.items() if mode == "master"]
    slaves = [name for name, mode in modes.items() if mode == "slave"]
    if len(masters) > 1:
        problems.append(f"two master zones: {', '.join(masters)}; a federation has exactly one zone with zone_mode: master")
    if slaves and not masters:
        problems.append(f"no master zone: {', '.join(slaves)} {'is a slave zone' if len(slaves) == 1 else 'are slave zones'}; "
                        "one zone needs zone_mode: master")


def _zone_ids(inventory, members, modes, problems):
    ids, taken = {}, {}
    for name, hosts in members.items():
        given = _zone_value(inventory, hosts, "zone_id", name, problems)
        if given is not None:
            ids[name] = _integer(given, f"zone {name}: zone_id", problems)
            if modes[name] == "slave" and ids[name] is not None and ids[name] < FIRST_SLAVE_ZONE_ID:
                problems.append(f"zone {name}: zone_id {ids[name]}: oned gives slave zones ids from {FIRST_SLAVE_ZONE_ID}")
            if modes[name] == "master" and ids[name] != MASTER_ZONE_ID:
                problems.append(f"zone {name}: zone_id {ids[name]}: the master zone is zone {MASTER_ZONE_ID}")
    following = FIRST_SLAVE_ZONE_ID
    for name in members:
        if name not in ids:
            if modes[name] == "slave":
                while following in ids.values():
                    following += 1
                ids[name] = following
            else:
                ids[name] = MASTER_ZONE_ID
        if modes[name] != "standalone":
            if ids[name] in taken and not modes[name] == "master" == modes[taken[ids[name]]]:
                problems.append(f"zone_id {ids[name]} is given to two zones: {taken[ids[name]]} and {name}")
            taken.setdefault(ids[name], name)
    return ids


def _server_ids(inventory, members, ids, standalone, problems):
    """Return {host: server id}. Derived ids keep their value when zones or nodes are added behind the existing ones."""
    result, owners = {}, {}
    for name, hosts in members.items():
        for index, host in enumerate(hosts):
            given = inventory[host].get("server_id")
            result[host] = _integer(given, f"{host}: server_id", problems) if given is not None else (ids[name] or 0) * 100 + index + 1
            if result[host] is not None and not 0 < result[host] < 2 ** 32:
                problems.append(f"{host}: server_id {result[host]}: MariaDB takes 1 to {2 ** 32 - 1}")
            # A standalone zone replicates with nobody else, so only its own two ids must differ.
            owners.setdefault((name if standalone[name] else None, result[host]), []).append(host)
    for (dummy, server_id), hosts in owners.items():
        if len(hosts) > 1 and server_id is not None:
            problems.append(f"server_id {server_id} is given to {' and '.join(hosts)}: replication between equal ids stops (error 1593)")
    return result


def _node_address(variables, host, problems):
    address = str(variables.get("node_address") or variables.get("ansible_host") or host)
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        problems.append(f"{host}: node_address is {address!r}; set node_address to the IP address that its peers reach it at")
        return None


def _links(inventory, zone, hosts, addresses, problems):
    """Return {node: [address, …]}: the node's own, then those of node_links."""
    found = {}
    for host in hosts:
        more = inventory[host].get("node_links") or []
        found[host] = [addresses[host]] + [str(address) for address in (more if isinstance(more, (list, tuple)) else [more])]
        for address in found[host][1:]:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                problems.append(f"{host}: node_links has {address!r}; give IP addresses at which its peers reach it, one for each further network")
    if len({len(given) for given in found.values()}) > 1:
        shown = ", ".join(f"{host}: {len(given) - 1}" for host, given in found.items())
        problems.append(f"zone {zone}: node_links differs in length between its nodes ({shown}); corosync's links join all of them")
    return found


def _quorum_device(inventory, zone, hosts, problems):
    """Return the zone's third vote: {state: present, host: its address, algorithm, …}, {state: absent}, or None."""
    given, label = _zone_value(inventory, hosts, "zone_quorum_device", zone, problems), f"zone {zone}: zone_quorum_device"
    if not given or given == quorum_device.ABSENT:
        return {"state": quorum_device.ABSENT} if given else None
    if not isinstance(given, dict) or not given.get("host"):
        problems.append(f"{label} must be a mapping with at least host, as in {{host: arbiter, algorithm: ffsplit}}, or absent")
        return None
    for name in set(given) - set(quorum_device.OPTIONS):
        near = difflib.get_close_matches(name, quorum_device.OPTIONS, n=1)
        problems.append(f"{label} has no option {name}; " + (f"did you mean {near[0]}?" if near else f"it has {', '.join(quorum_device.OPTIONS)}"))
    if given.get("algorithm", quorum_device.ALGORITHMS[0]) not in quorum_device.ALGORITHMS:
        problems.append(f"{label}: algorithm is {given['algorithm']!r}; use one of: {', '.join(quorum_device.ALGORITHMS)}")
    if len(hosts) != 2:
        problems.append(f"{label}: the zone has {len(hosts)} front-ends; the third vote is for a zone of two")
    name = str(given["host"])
    if name in hosts:
        problems.append(f"{label}: host {name} is a front-end of the zone itself; a vote that is lost with a front-end helps nobody")
        return None
    if name not in inventory:
        problems.append(f"{label}: host {name} is not in the inventory; it needs no group, only an entry")
        return None
    address = _node_address(inventory[name], name, problems)
    if not inventory[name].get("opennebula_hacluster_password"):
        problems.append(f"{label}: opennebula_hacluster_password is not set for {name}; the front-ends get their certificates from its pcsd")
    return {"prefer": PREFERRED, **given, "state": "present", "host": address}


def _check_zone(inventory, zone, hosts, addresses, problems):
    name = zone["name"]
    if len(hosts) < 2:
        problems.append(f"zone {name} has 1 front-end ({', '.join(hosts)}); a zone is a pair, or a ring of three and more")
    for label, vip in (("zone_vip", zone["vip"]), ("zone_federation_vip", zone["federation_vip"])):
        if vip is None:
            continue
        network = ipaddress.ip_interface(f"{vip.ip}/{vip.prefix}").network
        outside = [f"{host} ({addresses[host]})" for host in hosts if addresses[host] and ipaddress.ip_address(addresses[host]) not in network]
        if outside:
            problems.append(f"zone {name}: {label} {vip.ip}/{vip.prefix} is outside the network of {', '.join(outside)}; it must be in the same one")
    _check_fencing(inventory, zone, hosts, problems)


def _check_fencing(inventory, zone, hosts, problems):
    devices = {host: inventory[host].get("fence") for host in hosts}
    for host, device in devices.items():
        if device is None or device == []:
            if not zone["laboratory"]:
                problems.append(f"{host}: no fencing: without it a partition runs both front-ends. Set fence: {{agent: fence_…, …}} "
                                "(or, where no data matters, zone_laboratory: true)")
        elif not isinstance(device, (dict, list)) or not all(map(fencing.is_usable, fencing.declared(device))):
            problems.append(f"{host}: fence must be a mapping with at least agent, as in fence: {{agent: fence_ilo_ssh, ip: …, username: …, password: …}}, "
                            "or a list of such mappings, tried in this order")
        elif len(fencing.declared(device)) > fencing.LEVELS:
            problems.append(f"{host}: fence has {len(device)} devices; at most {fencing.LEVELS} are tried one after the other")
    every = {host: [one for one in fencing.declared(device) if fencing.is_usable(one)] for host, device in devices.items()}
    for host, one in [(host, one) for host, found in every.items() for one in found if one.get("delay_s")]:
        _integer(one["delay_s"], f"{host}: fence: delay_s", problems)
    usable = {host: found[0] for host, found in every.items() if found}
    for first, second in itertools.combinations(usable, 2):
        for option in DELAYS if len(hosts) == 2 else ():      # of three and more the majority fences, the others have no quorum to
            if option in usable[first] and usable[first].get(option) == usable[second].get(option):
                problems.append(f"zone {zone['name']}: {first} and {second} have equal fence delays "
                                f"({option}: {usable[first][option]}): in a partition they kill "
                                "each other. Leave both out (the front-end that runs OpenNebula is then favoured) or make them different")
        target = [{tuple(str(one.get(name)) for name in ("agent", "ip", "port", "plug")) for one in every[host] if one.get("ip")} for host in (first, second)]
        for same in sorted(target[0] & target[1]):
            problems.append(f"zone {zone['name']}: {first} and {second} have the same fence device {same[1]}: fencing one would hit the other")


def _check_addresses(zones, addresses, problems):
    owners = {}
    for host, address in addresses.items():
        owners.setdefault(address, []).append(host)
    for name, zone in zones.items():
        for label in ("vip", "federation_vip"):
            if zone[label]:
                owners.setdefault(zone[label].ip, []).append(f"zone {name}'s zone_{label}")
    for address, users in owners.items():
        if address and len(users) > 1:
            problems.append(f"address {address} is given to {' and '.join(users)}")


def _check_secrets(inventory, members, problems):
    hosts = [host for group in members.values() for host in group]
    for secret in SECRETS:
        missing = [host for host in hosts if not inventory[host].get(secret)]
        if missing:
            where = "" if len(missing) == len(hosts) else f" for {', '.join(missing)}"
            problems.append(f"{secret} is not set{where}; put it into a vaulted file of group_vars/all")
        broken = [host for host in hosts if re.search(r"[\r\n]", str(inventory[host].get(secret) or ""))]
        if broken:
            where = "" if len(broken) == len(hosts) else f" for {', '.join(broken)}"
            problems.append(f"{secret} has a line break{where}; no program that reads it from a line can take that. "
                            "What is piped into ansible-vault keeps the one at its end: printf instead of echo")


def _tls(inventory, hosts, problems):
    """Return how the databases speak TLS: one answer for all of them, since each follows others."""
    modes = {host: _tls_mode(inventory[host].get("database_tls", "off")) for host in hosts}
    required = {host: _true(inventory[host].get("database_tls_required", True)) for host in hosts}
    for variable, values in (("database_tls", modes), ("database_tls_required", required)):
        if len(set(values.values())) > 1:
            shown = ", ".join(f"{host}: {value}" for host, value in values.items())
            problems.append(f"{variable} differs between front-ends ({shown}); they replicate from each other, so set it once, for all")
    mode = next(iter(modes.values()), "off")
    if mode not in TLS_MODES:
        problems.append(f"database_tls is {mode!r}; use one of: {', '.join(TLS_MODES)}")
    for variable in ("database_tls_ca", "database_tls_certificate", "database_tls_key") if mode == "given" else ():
        missing = [host for host in hosts if not inventory[host].get(variable)]
        if missing:
            problems.append(f"database_tls is given, and {variable} is not set for {', '.join(missing)}; give its text in PEM, a key from a vaulted file")
    used = mode != "off" and all(required.values())
    return {"mode": mode, "used": used, "ca": f"{TLS_FOLDER}/ca.pem" if used else "", "folder": TLS_FOLDER}


def _tls_mode(value):
    """Return the mode; YAML reads a bare off as false."""
    return "off" if value is False or value is None else str(value)


def _unknown_variables(inventory, known, prefixes):
    allowed = set(ZONE_VARIABLES) | set(GLOBAL_VARIABLES) | set(DERIVED_VARIABLES) | set(known)
    seen = {}
    for host, variables in inventory.items():
        for name in variables:
            if name not in allowed and name.startswith(("zone_", "opennebula_") + tuple(prefixes)):
                seen.setdefault(name, []).append(host)
    return [_unknown(name, hosts, allowed) for name, hosts in seen.items()]


def _unknown(name, hosts, allowed):
    near = difflib.get_close_matches(name, sorted(allowed), n=1)
    return f"unknown variable {name} ({', '.join(hosts)})" + (f"; did you mean {near[0]}?" if near else "")


def _interface(value, label, problems, nic, required=False):
    if value is None and not required:
        return None
    try:
        interface = ipaddress.ip_interface(str(value))
        if "/" not in str(value):
            raise ValueError("no prefix")
    except ValueError:
        problems.append(f"{label} is {value!r}; give the address with its network's prefix, as in 192.0.2.10/24")
        return None
    return Address(str(interface.ip), interface.network.prefixlen, nic)


def _integer(value, label, problems):
    try:
        return int(str(value))
    except ValueError:
        problems.append(f"{label} is {value!r}; it must be a whole number")
        return None


def _layout(inventory, members):
    """Return the layout, or what the front-ends say when they do not agree: no layout has such a name."""
    said = {str(inventory[host].get("opennebula_replication_layout") or layouts.STANDBY) for hosts in members.values() for host in hosts}
    return " on some front-ends, on others ".join(sorted(said)) if said else layouts.STANDBY


def _true(value):
    return value is True or str(value).lower() in ("yes", "true", "1", "on")


def _first(inventory, members, variable, default):
    return next((inventory[host][variable] for hosts in members.values() for host in hosts if inventory[host].get(variable)), default)
