# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cluster_power on a cluster whose nodes really have power, or not."""
from __future__ import annotations

import json
import pathlib
import sys

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged
from ansible_collections.constellation.opennebula.plugins.modules import cluster_power

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cluster_fakes import CIB, Clock, Cluster  # noqa: E402


class Powered(Cluster):
    """Nodes behind fence devices: status tells their power, the fencer switches it."""

    def __init__(self, off=(), silent=(), lying=False):
        super().__init__(text=CIB)
        self.leaving, self.leaves_at = None, 14
        self.off, self.silent, self.lying, self.clock = set(off), set(silent), lying, Clock()
        self.online = [node for node in self.online if node not in self.off]

    def fence_status(self, agent, request, timeout_s=60):
        node = next(line.partition("=")[2] for line in request.splitlines() if line.startswith("nodename="))
        if node in self.silent:
            return 1, "Unable to connect/login to fencing device"
        return (2 if node in self.off else 0), ""

    def switch(self, node, power, timeout_s):
        self.writes.append(("switch", node, power))
        self.clock.sleep(12.84)
        if not self.lying:
            (self.off.discard if power else self.off.add)(node)
            self.leaving = node if not power else None

    def monitor(self):
        if self.leaving and self.clock.time > self.leaves_at:        # corosync notices later than the fencer
            self.online.remove(self.leaving)
            self.leaving = None
        return super().monitor()


def ensure(cluster, state, check_mode=False, name="alpha2"):
    return cluster_power.ensure({"name": name, "state": state, "timeout_s": 60}, cluster, cluster.clock, check_mode)


def test_fencing_is_predicted_done_and_silent_the_second_time():
    cluster = Powered()
    predicted = ensure(cluster, "off", check_mode=True)
    assert predicted.changed and cluster.writes == [] and "seconds" not in predicted.results
    done = ensure(cluster, "off")
    assert done.as_result()["changes"] == predicted.as_result()["changes"] == [{"kind": "power", "target": "alpha2", "before": "on", "after": "off"}]
    assert done.results["seconds"] == 12.8 and cluster.writes == [("switch", "alpha2", False)]
    assert not ensure(cluster, "off").changed and len(cluster.writes) == 1


@pytest.mark.parametrize("token, believed", [("10000", True), ("3000", False)])
def test_corosync_that_is_patient_may_count_a_fenced_node_in_for_longer(token, believed):
    cluster = Powered()
    cluster.leaves_at = 12.84 + 22
    cluster.running = {"runtime.config.totem.token": token, "runtime.config.totem.consensus": str(int(token) * 6 // 5)}
    if believed:
        assert ensure(cluster, "off").changed
    else:
        with pytest.raises(CoreError, match="alpha2 is a member of this cluster"):
            ensure(cluster, "off")


def test_power_comes_back():
    cluster = Powered(off=["alpha2"])
    assert ensure(cluster, "on").changed and cluster.off == set()


def test_device_without_an_answer_switches_nothing():
    cluster = Powered(silent=["alpha2"])
    with pytest.raises(CoreError, match="power of node alpha2 is unknown.*no answer .1. Unable to connect.*Nothing was switched"):
        ensure(cluster, "off")
    assert cluster.writes == []


def test_node_without_device_is_refused():
    with pytest.raises(CoreError, match="node omega has no fence device"):
        ensure(Powered(), "off", name="omega")


def test_device_that_lies_is_found_out():
    with pytest.raises(NotConverged, match="power alpha2 did not converge"):
        ensure(Powered(lying=True), "off")


@pytest.mark.parametrize("state", ["off", "on"])
def test_device_that_calls_a_member_off_is_not_believed(state):
    cluster = Powered()
    cluster.off = {"alpha2"}
    with pytest.raises(CoreError, match="power of node alpha2 is unknown: fence_alpha2: off, but alpha2 is a member of this cluster. The device is that"):
        ensure(cluster, state)
    assert cluster.writes == []


def test_passwords_of_devices_stay_out_of_the_result():
    cluster = Powered()
    cluster.text = CIB.replace('name="username" value="', 'name="username" value="CANARY-9f2c')
    assert "CANARY-9f2c" in cluster.text
    assert "CANARY-9f2c" not in json.dumps(ensure(cluster, "off").as_result())
