# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames that ask an Ethernet who has an IPv4 address (RFC 826), and what their answers say; ndp.py is the same for IPv6. Where to ask is here."""
from __future__ import annotations

import ipaddress

BROADCAST, NOBODY = b"\xff" * 6, bytes(6)
# EtherType, then hardware (Ethernet) and protocol (IPv4) with the lengths of their addresses; what follows is the operation.
TYPE, KINDS, REQUEST, REPLY = b"\x08\x06", b"\x00\x01\x08\x00\x06\x04", b"\x00\x01", b"\x00\x02"


def question(mac, address, wanted):
    """Return the frame in which the host with this MAC and address asks everybody for the one wanted.

    >>> len(question("02:00:00:00:00:01", "192.0.2.11", "192.0.2.100"))
    42
    """
    own = bytes.fromhex(mac.replace(":", ""))
    return b"".join((BROADCAST, own, TYPE, KINDS, REQUEST, own, ipaddress.IPv4Address(address).packed, NOBODY, ipaddress.IPv4Address(wanted).packed))


def answer(frame, wanted):
    """Return the MAC that a frame gives for an address, None when it is no such answer."""
    if len(frame) < 42 or frame[12:22] != TYPE + KINDS + REPLY or frame[28:32] != ipaddress.IPv4Address(wanted).packed:
        return None
    return frame[22:28].hex(":")


def macs(links):
    """Return the MACs of interfaces (those of `ip -json address`)."""
    return [link["address"].lower() for link in links if link.get("link_type") == "ether"]


def road(address, links):
    """Return the interface on whose Ethernet an address would be, and this host's own address there; (None, "") when it cannot ask.

    For IPv6 the own address is the link-local one, which moves with nobody; one that is not known yet to be free is none.

    >>> eth0 = {"ifname": "eth0", "link_type": "ether", "address": "02:00:00:00:00:01", "addr_info": [{"local": "192.0.2.11", "prefixlen": 24}]}
    >>> road("192.0.2.100", [eth0]) == (eth0, "192.0.2.11"), road("198.51.100.1", [eth0])
    (True, (None, ''))
    """
    wanted = ipaddress.ip_address(address)
    near = {}
    for link in links:
        own = [(ipaddress.ip_interface(f"{info['local']}/{info['prefixlen']}"), info) for info in link.get("addr_info", []) if "local" in info]
        own = [(one, info) for one, info in own if one.version == wanted.version]
        if link.get("link_type") == "ether" and any(wanted in one.network for one, unused in own):
            free = sorted((one.ip for one, info in own if one.ip != wanted and not (info.get("tentative") or info.get("dadfailed"))),
                          key=lambda ip: wanted.version == 6 and not ip.is_link_local)
            here = any(one.ip == wanted for one, unused in own)
            if free or wanted.version == 4:
                near.setdefault(here, (link, str(free[0]) if free else "0.0.0.0"))
    return near.get(True) or near.get(False) or (None, "")
