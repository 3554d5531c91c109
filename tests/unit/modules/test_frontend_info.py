# SPDX-License-Identifier: GPL-3.0-or-later
"""What a front-end says of itself: a silent daemon is a result, not a failure."""
import json
import os

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotThere
from ansible_collections.constellation.opennebula.plugins.modules import frontend_info

SHOWN = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "disabled"}


LINK = {"ifname": "eth0", "link_type": "ether", "address": "02:00:00:00:00:0b",
        "addr_info": [{"local": "192.0.2.100", "prefixlen": 24}, {"local": "192.0.2.11", "prefixlen": 24}, {"local": "fe80::1", "prefixlen": 64}]}


class Daemon:
    """A daemon that answers, or that raises."""

    def __init__(self, error=None):
        self.error = error

    def __call__(self, endpoint, session, timeout_s):
        assert session == "oneadmin:CANARY-1" and timeout_s == 5
        return self

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        pass

    def version(self):
        if self.error:
            raise self.error
        return "5.0.2"

    def zone_pool(self):
        return "<ZONE_POOL><ZONE><ID>0</ID><NAME>OpenNebula</NAME><TEMPLATE><ENDPOINT>http://a/RPC2</ENDPOINT></TEMPLATE></ZONE></ZONE_POOL>"


@pytest.fixture
def world(monkeypatch, tmp_path):
    auth = tmp_path / "one_auth"
    auth.write_text("oneadmin:CANARY-1\n")

    def look(daemon, unit=None, shared=(), who_has=None):
        monkeypatch.setattr(frontend_info.system, "units", lambda names: {name: dict(SHOWN, **(unit or {})) for name in names})
        monkeypatch.setattr(frontend_info.system, "links", lambda: [LINK])
        monkeypatch.setattr(frontend_info.system, "who_has", who_has)
        monkeypatch.setattr(frontend_info.opennebula, "OpenNebula", daemon)
        return frontend_info.look({"services": ["opennebula"], "endpoint": "http://x/RPC2", "auth_file": str(auth), "timeout_s": 5,
                                   "shared_addresses": list(shared), "paths": [str(tmp_path), str(auth), "/nowhere", "/proc"]})

    return look


def test_answering_daemon_gives_version_and_zones(world):
    seen = world(Daemon())
    assert seen["daemon"] == {"endpoint": "http://x/RPC2", "answers": True, "version": "5.0.2", "why": "",
                              "zones": [{"id": 0, "name": "OpenNebula", "endpoint": "http://a/RPC2"}]}
    assert seen["units"]["opennebula"] == {"installed": True, "active": True, "enabled": False}
    assert set(seen["units"]) == {"opennebula", "corosync", "pacemaker", "pcsd", "mariadb"}
    assert "CANARY" not in json.dumps(seen)


def test_disks_are_told_once_each_and_only_where_there_are_paths(world, tmp_path):
    first, second = world(Daemon())["disks"]
    room = os.statvfs(tmp_path)
    assert first["path"] == str(tmp_path) and abs(first["free_mb"] - room.f_bavail * room.f_frsize // 2 ** 20) < 1000
    assert second == {"path": "/proc", "free_mb": 0, "free_files": None}


def test_path_that_cannot_be_looked_at_is_named(world, monkeypatch):
    def stale(path):
        raise OSError(116, "Stale file handle", path)

    monkeypatch.setattr(frontend_info.system.os, "statvfs", stale)
    with pytest.raises(CoreError, match="cannot read the free space at .*: Stale file handle. Look at the mount there"):
        world(Daemon())


def test_silent_daemon_is_a_result_with_its_reason(world):
    seen = world(Daemon(NotThere("OpenNebula does not answer", "http://x/RPC2", "Connection refused")))
    assert seen["daemon"]["answers"] is False and "Connection refused" in seen["daemon"]["why"]


def test_unit_that_is_not_installed_says_so(world):
    seen = world(Daemon(), {"LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": ""})
    assert seen["units"]["opennebula"] == {"installed": False, "active": False, "enabled": False}


def test_network_is_asked_who_else_has_a_shared_address(world):
    asked = []

    def who_has(address, link, own):
        asked.append((address, link["ifname"], own))
        return ["02:00:00:00:00:0c"]
    seen = world(Daemon(), shared=["192.0.2.100", "192.0.2.101", "2001:db8::1", "198.51.100.1"], who_has=who_has)
    assert asked == [("192.0.2.100", "eth0", "192.0.2.11"), ("192.0.2.101", "eth0", "192.0.2.100")]
    assert seen["others"] == {"192.0.2.100": ["02:00:00:00:00:0c"], "192.0.2.101": ["02:00:00:00:00:0c"], "2001:db8::1": None, "198.51.100.1": None}
    assert seen["macs"] == ["02:00:00:00:00:0b"] and seen["addresses"] == ["192.0.2.100", "192.0.2.11", "fe80::1"]


def test_network_that_may_not_be_asked_is_unknown(world):
    def who_has(address, link, own):
        raise PermissionError(1, "Operation not permitted")
    assert world(Daemon(), shared=["192.0.2.100"], who_has=who_has)["others"] == {"192.0.2.100": None}


def test_shared_address_that_is_none_is_refused(world):
    with pytest.raises(CoreError, match="'192.0.2.100/24' of shared_addresses is no address"):
        world(Daemon(), shared=["192.0.2.100/24"])
