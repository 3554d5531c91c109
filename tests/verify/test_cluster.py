# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clusters: all nodes in, fencing ready and on the other node, nothing that starts by itself at boot."""
from __future__ import annotations

import re

import pytest

from look import until


def started(zone):
    """Return {resource id: [nodes]} of what the cluster runs, fence devices included."""
    return {one.get("id"): [node.get("name") for node in one.findall("node")] for one in zone.status().iter("resource")
            if one.get("active") == "true" and one.get("failed") == "false"}


def test_all_nodes_are_in(zone):
    nodes = {node.get("name"): (node.get("online"), node.get("standby"), node.get("maintenance"), node.get("unclean"))
             for node in zone.status().findall("./nodes/node")}
    assert nodes == {node.name: ("true", "false", "false", "false") for node in zone.nodes}


def test_cluster_has_quorum_and_waits_for_all(zone):
    for node in zone.nodes:
        flags = node.host.run("corosync-quorumtool -s").stdout       # exit code 2 is "no quorum": the text says it better
        assert "Quorate:          Yes" in flags and ("2Node" in flags) == (len(zone.nodes) == 2 and not zone.third_vote), f"{node.name}: {flags}"
        assert zone.third_vote == bool(re.search(r"^\s*0+(x0+)?\s+1\s+Qdevice", flags, re.M)), f"{node.name}: {flags}"
        # about the next start, and read only then: a zone that has grown while it ran has it in the file alone
        waits = "WaitForAll" in flags or re.search(r"^\s*wait_for_all: 1$", node.read("cat /etc/corosync/corosync.conf"), re.M)
        assert waits, f"{node.name}: {flags}"


def test_nothing_has_failed(zone):
    assert [dict(one.attrib) for one in zone.status().findall("./failures/failure")] == []
    assert [one.get("target") for one in zone.status().findall("./fence_history/fence_event") if one.get("status") == "failed"] == []


def test_properties_are_the_proven_ones(zone):
    wanted = {"no-quorum-policy": "stop", "stonith-enabled": "true", "dc-deadtime": "5s",
              "priority-fencing-delay": "5s" if len(zone.nodes) == 2 and not zone.third_vote else "0"}
    if zone.laboratory and not any(node.fence for node in zone.nodes):
        wanted["stonith-enabled"] = "false"
    properties = zone.properties()
    assert {name: properties.get(name) for name in wanted} == wanted


def test_fence_devices_run_and_never_on_their_own_node(zone):
    devices = {device: node.name for node in zone.nodes for device in node.devices}
    until(lambda: devices.keys() <= started(zone).keys())
    running = started(zone)
    assert devices, "no node of this zone has a fence device"
    assert {device: len(running.get(device, [])) for device in devices} == {device: 1 for device in devices}
    assert [device for device, target in devices.items() if running[device] == [target]] == []
    banned = {(one.get("rsc"), one.get("node")) for one in zone.configuration().iter("rsc_location") if one.get("score") == "-INFINITY"}
    assert set(devices.items()) <= banned


def test_fence_devices_power_off_and_leave_off(zone):
    for node in zone.nodes:
        for device in node.devices:
            pairs = {pair.get("name"): pair.get("value") for pair in zone.configuration().findall(
                f".//primitive[@id='{device}']/instance_attributes/nvpair")}
            assert (pairs.get("pcmk_reboot_action"), pairs.get("pcmk_host_list")) == ("off", node.name)


def test_zone_resources_run_together(zone):
    wanted = ["zone_vip", "database_writer", *zone.services]
    until(lambda: set(wanted) <= started(zone).keys())
    running = started(zone)
    assert {resource: running.get(resource) for resource in wanted} == {resource: [zone.active.name] for resource in wanted}


def test_federation_address_is_on_a_standby(zone):
    if not zone.federation_vip:
        assert "federation_vip" not in started(zone)
        return
    holders = [node.name for node in zone.holders(zone.federation_vip)]
    assert len(holders) == 1 and holders[0] in [node.name for node in zone.standbys]


@pytest.mark.parametrize("unit", ["corosync", "pacemaker"])
def test_cluster_does_not_start_at_boot(node, unit):
    service = node.host.service(unit)
    assert service.is_running and not service.is_enabled


def test_services_belong_to_the_cluster_alone(node, federation):
    enabled = [unit for unit in federation.zone_of(node).services if node.host.service(unit).is_enabled]
    assert enabled == []


def test_gate_stands_before_both_daemons(node):
    for unit in ("corosync", "pacemaker"):
        assert "rejoin-gate" in node.read(f"systemctl show --property=ExecStartPre {unit}"), f"{node.name}: {unit} starts without the gate"
