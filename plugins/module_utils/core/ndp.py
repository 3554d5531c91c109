# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ICMPv6 messages that ask an Ethernet who has an IPv6 address (RFC 4861), and what their answers say. arp.py is the same for IPv4.

Who asks must have an address of its own on that Ethernet: the question from the unspecified address is the one of duplicate address detection, and makes
a host that is just taking the address over give it up again.
"""
from __future__ import annotations

import ipaddress

SOLICITATION, ADVERTISEMENT = 135, 136
SOURCE_MAC, TARGET_MAC = b"\x01\x01", b"\x02\x01"        # options with an Ethernet address: type, then length in units of 8 bytes
HEAD = 24                                                # type, code, checksum, flags, and the address that is asked for


def group(wanted):
    """Return the multicast address that whoever has the wanted one listens to.

    >>> group("2001:db8::1:800e:fb5a")
    'ff02::1:ff0e:fb5a'
    """
    return str(ipaddress.IPv6Address(ipaddress.IPv6Address("ff02::1:ff00:0").packed[:13] + ipaddress.IPv6Address(wanted).packed[13:]))


def question(mac, wanted):
    """Return the message in which the host with this MAC asks for an address; the kernel fills the checksum in.

    >>> len(question("02:00:00:00:00:01", "2001:db8::100"))
    32
    """
    return bytes((SOLICITATION,)) + bytes(7) + ipaddress.IPv6Address(wanted).packed + SOURCE_MAC + bytes.fromhex(mac.replace(":", ""))


def answer(message, wanted):
    """Return the MAC that a message gives for an address, None when it is no such answer. To a question by multicast every answer has it (7.2.4)."""
    if message[:2] != bytes((ADVERTISEMENT, 0)) or message[8:HEAD] != ipaddress.IPv6Address(wanted).packed:
        return None
    options = message[HEAD:]
    while len(options) >= 8 and options[1]:
        if options[:2] == TARGET_MAC:
            return options[2:8].hex(":")
        options = options[8 * options[1]:]
    return None
