# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module frontend_service: services of the cluster are disabled without being stopped, and restarted where they run."""
import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, NotThere
from ansible_collections.constellation.opennebula.plugins.modules import frontend_service

FILES = {"opennebula": ["/etc/one/oned.conf"]}
STATE = """<pacemaker-result api-version="2.25"><summary/><nodes/><resources><group id="opennebula_zone">
<resource id="opennebula" resource_agent="systemd:opennebula" role="Started" active="true" failed="false" managed="{managed}"
 blocked="false"><node name="alpha1"/></resource>
</group></resources></pacemaker-result>"""


class FakeHost:
    """systemd and pacemaker of one front-end; a restart makes the process younger, unless the host is stubborn."""

    def __init__(self, node="alpha1", running=True, clustered=True, managed="true", installed=True, written=100.0, stubborn=False):
        self.now, self.started, self.running, self.clustered, self.managed = 200.0, 50.0, running, clustered, managed
        self.node, self.installed, self.written, self.stubborn = node, installed, written, stubborn
        self.enabled = {"opennebula.service": True, "opennebula-flow.service": False}
        self.did = []

    def units(self, names):
        rows = {}
        for name in names:
            active = self.clustered if name == "pacemaker.service" else self.running and name == "opennebula.service"
            rows[name] = {"Id": name, "LoadState": "loaded" if self.installed or name == "pacemaker.service" else "not-found",
                          "ActiveState": "active" if active else "inactive",
                          "UnitFileState": "enabled" if self.enabled.get(name) and self.installed else "disabled", "NeedDaemonReload": "no",
                          "ExecMainStartTimestampMonotonic": str(int(self.started * 1e6)) if active else "0"}
        return rows

    def changed_at(self, paths):
        return {path: self.written for path in paths}

    def monotonic(self):
        return self.now

    def do(self, step):
        self.did.append(("systemctl",) + step)
        if not self.stubborn:
            self.enabled[step[1]] = step[0] == "enable" if step[0] != "restart" else self.enabled.get(step[1])
            self.started = self.now if step[0] == "restart" else self.started

    def monitor(self):
        assert self.clustered
        return STATE.format(managed=self.managed)

    def local_node(self):
        return self.node

    def restart(self, resource, timeout_s):
        self.did.append(("cluster", resource, timeout_s))
        self.started = self.started if self.stubborn else self.now


def params(**options):
    return dict({"names": ["opennebula", "opennebula-flow"], "at_boot": None, "config_files": {}, "changing": [], "restart_timeout_s": 180}, **options)


@pytest.mark.parametrize("options, host, did", [
    ({"at_boot": False}, {}, [("systemctl", "disable", "opennebula.service")]),
    ({"at_boot": True}, {}, [("systemctl", "enable", "opennebula-flow.service")]),
    ({"config_files": FILES}, {}, [("cluster", "opennebula", 180)]),
    ({"config_files": FILES}, {"clustered": False}, [("systemctl", "restart", "opennebula.service")]),
    ({"config_files": FILES}, {"node": "alpha2"}, [("systemctl", "restart", "opennebula.service")]),
    ({"config_files": FILES}, {"managed": "false"}, [("systemctl", "restart", "opennebula.service")]),
    ({"config_files": FILES, "at_boot": False}, {}, [("systemctl", "disable", "opennebula.service"), ("cluster", "opennebula", 180)]),
])
def test_check_mode_foresees_what_a_run_does_and_a_second_run_changes_nothing(options, host, did):
    fake = FakeHost(**host)
    foreseen = frontend_service.ensure(params(**options), fake, fake, True)
    assert foreseen.changed and fake.did == []
    done = frontend_service.ensure(params(**options), fake, fake, False)
    assert done.plan.as_list() == foreseen.plan.as_list() and fake.did == did
    assert not frontend_service.ensure(params(**options), fake, fake,
                                       True).changed and not frontend_service.ensure(params(**options), fake, fake, False).changed
    assert fake.did == did


@pytest.mark.parametrize("host", [{"running": False}, {"written": 40.0}, {"written": None}, {"written": 999.0}])
def test_nothing_is_started_and_nothing_restarted_without_need(host):
    fake = FakeHost(**host)
    assert not frontend_service.ensure(params(config_files=FILES), fake, fake, False).changed and fake.did == []


def test_a_service_that_is_not_installed_is_refused_and_foreseen():
    fake = FakeHost(installed=False, running=False)
    assert not frontend_service.ensure(params(at_boot=False), fake, fake, True).changed
    with pytest.raises(NotThere, match="service opennebula is not installed"):
        frontend_service.ensure(params(at_boot=False), fake, fake, False)


def test_a_restart_without_effect_is_told():
    fake = FakeHost(stubborn=True)
    with pytest.raises(NotConverged, match="service opennebula did not converge"):
        frontend_service.ensure(params(config_files=FILES), fake, fake, False)


def test_an_unreadable_cluster_is_an_error_and_no_reason_to_restart_behind_its_back():
    fake = FakeHost()
    fake.monitor = lambda: "not XML"
    with pytest.raises(CoreError):
        frontend_service.ensure(params(config_files=FILES), fake, fake, False)
    assert fake.did == []


def test_files_of_a_service_that_is_not_named_are_refused():
    with pytest.raises(CoreError, match="config_files names oned: names does not. Use one of: opennebula, opennebula-flow"):
        frontend_service.ensure(params(config_files={"oned": ["/etc/one/oned.conf"]}), FakeHost(), FakeHost(), True)


def test_check_mode_foresees_the_restart_for_a_file_that_is_about_to_change():
    host = FakeHost(written=10.0)       # older than the process, as long as nobody writes it
    asked = params(config_files=FILES, changing=["/etc/one/oned.conf"])
    assert [change.target for change in frontend_service.ensure(asked, host, host, True).plan] == ["opennebula"]
    assert not frontend_service.ensure(asked, host, host, False).changed, "outside of check mode the file's own time tells"
    assert not frontend_service.ensure(params(config_files=FILES), host, host, True).changed
