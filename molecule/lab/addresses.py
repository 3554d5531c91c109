# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address plan of a laboratory: names, addresses and MACs from three values. Pure: values in, values out.

>>> plan("constellation", "10.90", "10.91").nodes["beta1"].address
'10.90.2.11'
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field

ZONES = {"alpha": 1, "beta": 2, "gamma": 3, "quorum": 9}  # zone -> third octet; quorum: hosts that give zones a third vote
SHAPE = "alpha:2,beta:2"                                 # zones and how many front-ends each has
HYPERVISOR, HYPERVISORS = "kvm", 8                       # their names, and the third octet of their addresses


@dataclass(frozen=True)
class Node:
    name: str
    zone: str
    container: str
    address: str                                         # data network: ssh, MariaDB, corosync, the VIPs
    mac: str
    fence_address: str                                   # the node's own foot in the BMC network, from which it fences others
    fence_mac: str
    bmc: str                                             # its BMC's address there


@dataclass(frozen=True)
class Plan:
    name: str
    net: str
    bmc_net: str
    nodes: dict                                          # front-ends, and hosts that give zones a third vote
    hypervisors: dict = field(default_factory=dict)

    @property
    def data_network(self):
        return f"{self.name}-data"

    @property
    def bmc_network(self):
        return f"{self.name}-bmc"

    @property
    def uplink_network(self):
        return f"{self.name}-uplink"

    @property
    def bmc_container(self):
        return f"{self.name}-bmc"

    @property
    def vips(self):
        """Return zone -> its service address."""
        return {zone: f"{self.net}.{ZONES[zone]}.100" for zone in dict.fromkeys(node.zone for node in self.nodes.values())}

    @property
    def machines(self):
        """Return everything with a power button."""
        return {**self.nodes, **self.hypervisors}

    def zone_nodes(self, zone):
        return [node for node in self.nodes.values() if node.zone == zone]


def mac(address):
    """Return a fixed, locally administered MAC: a new one at an old address costs neighbours 5-60 s of ARP silence."""
    return "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def shaped(text):
    """Return {zone: number of front-ends}, or raise ValueError.

    >>> shaped("alpha:3,beta:2")
    {'alpha': 3, 'beta': 2}
    """
    if not re.fullmatch(r"[a-z]+:[1-9](,[a-z]+:[1-9])*", text):
        raise ValueError(f"LAB_ZONES={text!r}: use zone:front-ends, such as {SHAPE}")
    shape = {zone: int(number) for zone, _, number in (part.partition(":") for part in text.split(","))}
    strange = [zone for zone in shape if zone not in ZONES]
    if strange:
        raise ValueError(f"LAB_ZONES={text!r}: no zone {', '.join(strange)}; use {', '.join(ZONES)}")
    return shape


def plan(name, net, bmc_net, shape=SHAPE, hypervisors="0"):
    """Return the plan, or raise ValueError naming every value that cannot work."""
    problems = []
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,20}", name):
        problems.append(f"LAB_NAME={name!r}: use up to 21 lower-case letters, digits and '-'")
    for variable, value in (("LAB_NET", net), ("LAB_BMC_NET", bmc_net)):
        if not re.fullmatch(r"\d{1,3}\.\d{1,3}", value) or any(int(part) > 255 for part in value.split(".")):
            problems.append(f"{variable}={value!r}: use the first two octets of a /16, such as 10.90")
    if net == bmc_net:
        problems.append(f"LAB_NET and LAB_BMC_NET are both {net!r}: a partition must leave fencing its own road")
    if not re.fullmatch(r"[0-9]", str(hypervisors)):
        problems.append(f"LAB_HYPERVISORS={hypervisors!r}: use a number from 0 to 9")
    counts = {}
    try:
        counts = shaped(shape)
    except ValueError as problem:
        problems.append(str(problem))
    if problems:
        raise ValueError("; ".join(problems))
    nodes = {}
    for zone, count in counts.items():
        nodes.update(_machines(name, net, bmc_net, zone, ZONES[zone], count))
    return Plan(name, net, bmc_net, nodes, _machines(name, net, bmc_net, HYPERVISOR, HYPERVISORS, int(hypervisors)))


def _machines(name, net, bmc_net, kind, octet, count):
    found = {}
    for number in range(1, count + 1):
        node, address, fence = f"{kind}{number}", f"{net}.{octet}.1{number}", f"{bmc_net}.{octet}.1{number}"
        found[node] = Node(node, kind, f"{name}-{node}", address, mac(address), fence, mac(fence), f"{bmc_net}.{octet}.11{number}")
    return found


def default_bmc_net(net):
    """Return the /16 next to the data network, so that a second lab needs only LAB_NET.

    >>> default_bmc_net("10.90")
    '10.91'
    """
    head, _, tail = net.partition(".")
    return f"{head}.{int(tail) + 1}" if tail.isdigit() else net


def hosts_file(of):
    """Return /etc/hosts of every node. Ours rather than podman's: that one lists a node's BMC-side address under its name too."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    return "\n".join(lines + [f"{node.address} {node.name}" for node in of.machines.values()]) + "\n"
