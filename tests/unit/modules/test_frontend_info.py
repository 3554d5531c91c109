# SPDX-License-Identifier: GPL-3.0-or-later
"""What a front-end says of itself: a silent daemon is a result, not a failure."""
import json

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import NotThere
from ansible_collections.constellation.opennebula.plugins.modules import frontend_info

SHOWN = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "disabled"}


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

    def look(daemon, unit=None):
        monkeypatch.setattr(frontend_info.system, "units", lambda names: {name: dict(SHOWN, **(unit or {})) for name in names})
        monkeypatch.setattr(frontend_info.system, "addresses", lambda: ["192.0.2.11"])
        monkeypatch.setattr(frontend_info.opennebula, "OpenNebula", daemon)
        return frontend_info.look({"services": ["opennebula"], "endpoint": "http://x/RPC2", "auth_file": str(auth), "timeout_s": 5})

    return look


def test_answering_daemon_gives_version_and_zones(world):
    seen = world(Daemon())
    assert seen["daemon"] == {"endpoint": "http://x/RPC2", "answers": True, "version": "5.0.2", "why": "",
                              "zones": [{"id": 0, "name": "OpenNebula", "endpoint": "http://a/RPC2"}]}
    assert seen["units"]["opennebula"] == {"installed": True, "active": True, "enabled": False}
    assert set(seen["units"]) == {"opennebula", "corosync", "pacemaker", "pcsd", "mariadb"}
    assert "CANARY" not in json.dumps(seen)


def test_silent_daemon_is_a_result_with_its_reason(world):
    seen = world(Daemon(NotThere("OpenNebula does not answer", "http://x/RPC2", "Connection refused")))
    assert seen["daemon"]["answers"] is False and "Connection refused" in seen["daemon"]["why"]


def test_unit_that_is_not_installed_says_so(world):
    seen = world(Daemon(), {"LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": ""})
    assert seen["units"]["opennebula"] == {"installed": False, "active": False, "enabled": False}
