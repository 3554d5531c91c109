# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module frontend_service_info: who runs OpenNebula's services here."""
from ansible_collections.constellation.opennebula.plugins.modules import frontend_service_info

STATE = """<pacemaker-result><summary/><nodes/><resources>
<resource id="opennebula" active="true" managed="true"><node name="alpha1"/></resource></resources></pacemaker-result>"""
ROWS = {
    "opennebula.service": {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "disabled"},
    "opennebula-flow.service": {"LoadState": "loaded", "ActiveState": "inactive", "UnitFileState": "enabled"},
    "none.service": {"LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": ""},
    "pacemaker.service": {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "disabled"},
}


class Host:
    def units(self, names):
        return {name: ROWS[name] for name in names}

    def monitor(self):
        return STATE

    def local_node(self):
        return "alpha1"


def test_info_tells_running_boot_and_owner():
    found = frontend_service_info.read({"names": ["opennebula", "opennebula-flow", "none"]}, Host(), Host())
    assert found == {"services": [
        {"name": "opennebula", "installed": True, "running": True, "at_boot": False, "clustered": True},
        {"name": "opennebula-flow", "installed": True, "running": False, "at_boot": True, "clustered": False},
        {"name": "none", "installed": False, "running": False, "at_boot": False, "clustered": False},
    ]}


def test_info_does_not_ask_a_cluster_that_does_not_run(monkeypatch):
    monkeypatch.setitem(ROWS["pacemaker.service"], "ActiveState", "inactive")
    host = Host()
    host.monitor = None
    assert not frontend_service_info.read({"names": ["opennebula"]}, host, host)["services"][0]["clustered"]
