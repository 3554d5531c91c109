# SPDX-License-Identifier: GPL-3.0-or-later
"""How tests/verify reads what it looks at."""
import dataclasses
import ipaddress
import pathlib
import sys

import pytest

pytest.importorskip("testinfra")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "verify"))

import look  # noqa: E402  pylint: disable=wrong-import-position

# ip -oneline address (iproute2 6.1)
FIRST = r"""1: lo    inet 127.0.0.1/8 scope host lo\       valid_lft forever preferred_lft forever
1: lo    inet6 ::1/128 scope host noprefixroute \       valid_lft forever preferred_lft forever
2: eth0    inet 10.90.1.11/16 brd 10.90.255.255 scope global eth0\       valid_lft forever preferred_lft forever
2: eth0    inet 10.90.1.100/16 brd 10.90.255.255 scope global secondary eth0\       valid_lft forever preferred_lft forever
2: eth0    inet6 fe80::ff:fe5a:10b/64 scope link \       valid_lft forever preferred_lft forever
"""
SECOND = FIRST.replace("10.90.1.11/16", "10.90.1.12/16").replace("10.90.1.100/16", "10.90.1.10/16").replace(
    "fe80::ff:fe5a:10b/64 scope link", "2001:db8::100/64")


class Front:
    def __init__(self, name, listed):
        self.name, self.listed = name, listed

    def read(self, command):
        assert command == "ip -oneline address"
        return self.listed


def zone(vip):
    found = {"name": "alpha1", "address": "10.90.1.11", "server_id": 1, "fence": ["fence_ilo_ssh", "fence_apc"], "login": {}, "zone": {
        "name": "alpha", "id": 0, "mode": "master", "vip": vip, "federation_vip": "", "endpoint": "", "laboratory": False, "services": [], "layout": "standby",
        "third_vote": True}, "secrets": {"db": "CANARY-db", "fence": ["CANARY-ilo", ""]}}
    federation = look.federation_of([found])
    made = federation.zones[0]
    assert made.third_vote and made.nodes[0].devices == ["fence_alpha1", "fence_alpha1_level2"] and federation.secrets == ["CANARY-db", "CANARY-ilo"]
    return dataclasses.replace(made, nodes=(Front("alpha1", FIRST), Front("alpha2", SECOND)))


@pytest.mark.parametrize("vip, holder, endpoint", [
    ("10.90.1.100/16", "alpha1", "http://10.90.1.100:2633/RPC2"), ("2001:DB8:0::100/64", "alpha2", "http://[2001:db8::100]:2633/RPC2")])
def test_holder_of_an_address_is_found_whatever_its_kind(vip, holder, endpoint):
    assert ([node.name for node in zone(vip).holders()], zone(vip).endpoint) == ([holder], endpoint)
    assert zone(vip).active.name == holder


def test_address_is_compared_whole():
    assert ipaddress.ip_address("10.90.1.1") not in look.configured(FIRST) and len(look.configured(FIRST)) == 5


@pytest.mark.parametrize("address", ["10.90.1.11", "2001:db8::11", "alpha1.example"])
def test_node_is_reached_whatever_its_address(address):
    login = {"host": address, "port": 2222, "user": "root", "key": "", "become": False, "options": ""}
    reached = look.Node("alpha1", address, login, 1, (), (), "alpha").host.backend.host
    assert (reached.name, reached.port, reached.user) == (address, "2222", "root")
