# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has an IPv6 address: the question as a kernel would put it, and only right answers count."""
import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import arp, ndp

ASKED = "2001:db8::100"
# As a Linux host with 2001:db8::100 answers (router no, solicited, override); then as one that puts an option we do not know before its address.
ANSWER = bytes.fromhex("88 00 7d6a 60000000 20010db8000000000000000000000100 02 01 02000000000c")
WITH_NONCE = ANSWER[:24] + bytes.fromhex("0e 02 0102030405060708090a0b0c0d0e") + ANSWER[24:]


def test_question_is_a_solicitation_that_names_who_asks_and_what_is_wanted():
    message = ndp.question("02:00:00:00:00:0b", ASKED)
    assert message.hex() == "87000000" "00000000" "20010db8000000000000000000000100" "0101" "02000000000b"
    assert ndp.group(ASKED) == "ff02::1:ff00:100" and ndp.group("fe80::ff:feab:cdef") == "ff02::1:ffab:cdef"


@pytest.mark.parametrize("message", [ANSWER, WITH_NONCE], ids=["plain", "behind another option"])
def test_answer_gives_the_mac(message):
    assert ndp.answer(message, "2001:DB8:0::100") == "02:00:00:00:00:0c"


@pytest.mark.parametrize("message", [
    b"", ANSWER[:23], ANSWER[:24], ANSWER[:31], ndp.question("02:00:00:00:00:0b", ASKED), b"\x88\x01" + ANSWER[2:], ANSWER[:23] + b"\x01" + ANSWER[24:],
    ANSWER[:24] + b"\x01" + ANSWER[25:], ANSWER[:25] + b"\x00" + ANSWER[26:], WITH_NONCE[:32]],
    ids=["empty", "short", "no option", "cut off", "question", "other code", "other address", "sender's MAC", "option of no length", "cut off in an option"])
def test_everything_else_is_no_answer(message):
    assert ndp.answer(message, ASKED) is None


def link(*addresses, name="eth0", kind="ether"):
    """As `ip -json address` has it; an address is "text/prefix", followed by a flag or not."""
    info = [dict({"local": one.split()[0].split("/")[0], "prefixlen": int(one.split()[0].split("/")[1])}, **dict.fromkeys(one.split()[1:], True))
            for one in addresses]
    return {"ifname": name, "link_type": kind, "address": "02:00:00:00:00:0b", "addr_info": info}


@pytest.mark.parametrize("addresses, own", [
    (["2001:db8::11/64", "fe80::b/64"], "fe80::b"), (["2001:db8::100/64", "fe80::b/64", "192.0.2.1/24"], "fe80::b"), (["2001:db8::11/64"], "2001:db8::11"),
    (["2001:db8::11/64 tentative", "2001:db8::12/64"], "2001:db8::12"), (["2001:db8::100/128", "2001:db8::12/64"], "2001:db8::12"),
    (["2001:db8:0::100/64", "fe80::b/64 dadfailed", "fe80::c/64"], "fe80::c")])
def test_who_asks_has_an_address_that_moves_with_nobody(addresses, own):
    assert arp.road(ASKED, [link("192.0.2.11/24"), link(*addresses, name="eth1")]) == (link(*addresses, name="eth1"), own)


@pytest.mark.parametrize("addresses", [
    ["2001:db8::100/64"], ["2001:db8::100/64", "fe80::b/64 tentative"], ["2001:db8:1::11/64", "fe80::b/64"], ["192.0.2.11/24"]],
    ids=["no other address", "none known to be free", "other network", "no IPv6"])
def test_nobody_asks_from_the_unspecified_address_or_where_the_address_cannot_be(addresses):
    assert arp.road(ASKED, [link(*addresses), link("2001:db8::11/64", "fe80::d/64", name="tun0", kind="none")]) == (None, "")
