# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has an address: the question as a kernel would put it, and only right answers count."""
import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import arp

ASKED = "192.0.2.100"
# As a Linux host with 192.0.2.100 answers 192.0.2.11; Ethernet pads it to 60 bytes.
ANSWER = bytes.fromhex("02000000000b 02000000000c 0806 0001 0800 0604 0002 02000000000c c0000264 02000000000b c000020b") + bytes(18)


def test_question_is_a_broadcast_that_names_who_asks_and_what_is_wanted():
    frame = arp.question("02:00:00:00:00:0b", "192.0.2.11", ASKED)
    assert frame.hex() == "ffffffffffff" "02000000000b" "0806" "0001" "0800" "0604" "0001" "02000000000b" "c000020b" "000000000000" "c0000264"


def test_answer_gives_the_mac():
    assert arp.answer(ANSWER, ASKED) == "02:00:00:00:00:0c"


@pytest.mark.parametrize("frame", [
    ANSWER[:41], b"", arp.question("02:00:00:00:00:0b", "192.0.2.11", ASKED), ANSWER.replace(bytes.fromhex("c0000264"), bytes.fromhex("c0000265")),
    ANSWER[:12] + b"\x08\x00" + ANSWER[14:]], ids=["short", "empty", "question", "other address", "not ARP"])
def test_everything_else_is_no_answer(frame):
    assert arp.answer(frame, ASKED) is None


def test_road_prefers_the_interface_that_has_the_address_and_never_loopback_or_tunnels():
    def link(name, kind, *local):
        return {"ifname": name, "link_type": kind, "address": "02:00:00:00:00:01", "addr_info": [{"local": one, "prefixlen": 24} for one in local]}
    near, has, tunnel = link("eth0", "ether", "192.0.2.5"), link("eth1", "ether", ASKED), link("tun0", "none", "192.0.2.6")
    assert arp.road(ASKED, [tunnel, near, has]) == (has, "0.0.0.0")
    assert arp.road(ASKED, [tunnel, near]) == (near, "192.0.2.5")
    assert arp.road(ASKED, [tunnel]) == (None, "")
    assert arp.macs([near, tunnel]) == ["02:00:00:00:00:01"]
