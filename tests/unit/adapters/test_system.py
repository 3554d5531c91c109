# SPDX-License-Identifier: GPL-3.0-or-later
"""How the network is asked: over which socket, from where, to whom, and until when."""
import socket
import sys

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import system
from ansible_collections.constellation.opennebula.plugins.module_utils.core import arp, ndp

LINK = {"ifname": "eth0", "ifindex": 7, "address": "02:00:00:00:00:0b"}
V4, V6 = "192.0.2.100", "2001:db8::100"
ARP_ANSWER = bytes.fromhex("02000000000b 02000000000c 0806 0001 0800 0604 0002 02000000000c c0000264 02000000000b c000020b")
NDP_ANSWER = bytes.fromhex("88 00 7d6a 60000000 20010db8000000000000000000000100 02 01 02000000000c")


class Wire:
    """A socket on which the given messages arrive after the first question, and nothing after that."""

    def __init__(self, *arriving):
        self.arriving, self.done, self.kind = list(arriving), [], None

    def __call__(self, *kind):
        self.kind = kind
        return self

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.done.append("closed")

    def setsockopt(self, *option):
        self.done.append(option)

    def bind(self, where):
        self.done.append(("bound", where))

    def send(self, message):
        self.done.append(("asked", message))

    def sendto(self, message, where):
        self.done.append(("asked", message, where))

    def settimeout(self, left):
        assert 0 < left < 1

    def recv(self, size):
        if not self.arriving:
            raise socket.timeout
        return self.arriving.pop(0)[:size]


@pytest.fixture
def who_has(monkeypatch):
    def ask(wire, address, own):
        monkeypatch.setattr(system.socket, "socket", wire)
        return system.who_has(address, LINK, own, within_s=0.02)
    return ask


def test_ipv4_is_asked_for_twice_by_arp(who_has):
    wire = Wire(ARP_ANSWER, ARP_ANSWER.replace(b"\x0c", b"\x0b"), ARP_ANSWER[:20])
    assert who_has(wire, V4, "192.0.2.11") == ["02:00:00:00:00:0c"]
    question = ("asked", arp.question(LINK["address"], "192.0.2.11", V4))
    assert wire.done == [("bound", ("eth0", 0x0806)), question, question, "closed"] and wire.kind[:2] == (socket.AF_PACKET, socket.SOCK_RAW)


def test_ipv6_is_asked_for_twice_by_neighbour_solicitation(who_has):
    wire = Wire(NDP_ANSWER, NDP_ANSWER[:26] + bytes.fromhex("02000000000b"), NDP_ANSWER[:20])
    assert who_has(wire, V6, "fe80::b") == ["02:00:00:00:00:0c"]
    question = ("asked", ndp.question(LINK["address"], V6), ("ff02::1:ff00:100", 0, 0, 7))
    assert wire.done[-4:] == [("bound", ("fe80::b", 0, 0, 7)), question, question, "closed"] and wire.kind == (socket.AF_INET6, socket.SOCK_RAW, 58)
    assert set(wire.done[:-4]) == {(58, 1, system.ONLY_ADVERTISEMENTS), (41, socket.IPV6_MULTICAST_HOPS, 255), (41, socket.IPV6_MULTICAST_LOOP, 0)}


@pytest.mark.parametrize("address, own", [(V4, "192.0.2.11"), (V6, "fe80::b")])
def test_silence_ends_in_time(who_has, address, own):
    assert who_has(Wire(), address, own) == []


def test_filter_lets_only_answers_through():
    words = [int.from_bytes(system.ONLY_ADVERTISEMENTS[at:at + 4], sys.byteorder) for at in range(0, 32, 4)]
    assert [kind for kind in range(256) if not words[kind >> 5] >> (kind & 31) & 1] == [136]
