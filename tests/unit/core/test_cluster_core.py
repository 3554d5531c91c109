# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a zone to its cluster's description; agents' metadata; corosync.conf; crm_mon."""
from __future__ import annotations

import pathlib

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import agents, cib, cluster_members, cluster_status, fencing, opennebula_cluster
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "fixtures/cluster"
CANARY = "CANARY-bmc-4d18"
FENCE = {"agent": "fence_ilo_ssh", "username": "fence", "password": CANARY, "power_wait": 1,
         "ssh_options": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"}
FENCES = {"alpha1": dict(FENCE, ip="10.87.1.111"), "alpha2": dict(FENCE, ip="10.87.1.112")}
SERVICES = ["opennebula", "opennebula-sunstone", "opennebula-gate", "opennebula-flow", "opennebula-novnc"]


def zone(**changes):
    return dict({"nodes": ["alpha1", "alpha2"], "services": SERVICES, "laboratory": False, "vip": {"ip": "10.86.1.100", "prefix": 16, "nic": ""},
                 "federation_vip": {"ip": "10.86.1.101", "prefix": 16, "nic": ""}}, **changes)


def described(fences=None, settings=None, **changes):
    found = opennebula_cluster.describe(zone(**changes), FENCES if fences is None else fences, settings)
    cib.declared(found["description"], found["secrets"])                      # raises when it is not usable
    return found["description"]


def named(description, key):
    return {entry["id"]: entry for entry in description[key]}


def test_zone_of_the_laboratory_is_what_runs_there():
    found = opennebula_cluster.describe(zone(), FENCES, {"writer_agent": ""})
    live = cib.parse((FIXTURES / "cib_pair.xml").read_text(encoding="utf-8"))
    todo = cib.plan(live, cib.declared(found["description"], found["secrets"]), found["description"]["absent"])
    assert todo.as_list() == []


def test_group_is_address_writer_daemon_and_the_daemon_has_the_priority():
    description = described()
    assert description["groups"] == [{"id": "opennebula_zone", "members": ["zone_vip", "database_writer", "opennebula"]}]
    assert named(description, "resources")["opennebula"]["meta"]["priority"] == 10
    assert named(description, "resources")["database_writer"]["agent"] == "ocf:constellation:mariadb-writer"
    assert description["alerts"] == [{"id": "semisync_release", "path": "/usr/local/libexec/constellation/fencing-alert", "kinds": ["fencing"]}]


def test_defaults_are_the_measured_ones_and_can_be_changed_one_by_one():
    properties = described(settings={"properties": {"dc-deadtime": "9s"}})["properties"]
    assert properties == {"stonith-enabled": "true", "no-quorum-policy": "stop", "priority-fencing-delay": "5s", "dc-deadtime": "9s"}
    options = named(described(), "fence_devices")["fence_alpha1"]["options"]
    assert (options["pcmk_reboot_action"], options["power_wait"], options["ssh"], options["pcmk_host_list"]) == ("off", 1, 1, "alpha1")
    assert "pcmk_delay_base" not in options


@pytest.mark.parametrize("changes, delay", [
    ({}, "5s"), ({"quorum_device": None}, "5s"), ({"quorum_device": {"state": "absent"}}, "5s"), ({"quorum_device": {"state": "present"}}, "0"),
    ({"nodes": ["alpha1", "alpha2", "alpha3"]}, "0"),
])
def test_only_a_third_vote_takes_the_fencing_delay_away(changes, delay):
    assert described(**changes)["properties"]["priority-fencing-delay"] == delay
    assert described(settings={"properties": {"priority-fencing-delay": "9s"}}, **changes)["properties"]["priority-fencing-delay"] == "9s"


def test_fence_device_of_a_removed_front_end_goes_with_it():
    absent = described(settings={"removed_nodes": ["alpha3", "alpha1"]})["absent"]
    assert {"fence_alpha3", "fence_alpha3-never-on-alpha3"} <= set(absent) and "fence_alpha1" not in absent


def test_every_service_follows_the_group_and_cannot_drag_it_away():
    description = described()
    for unit in SERVICES[1:]:
        assert named(description, "colocations")[f"{unit}-with-opennebula_zone"] == {
            "id": f"{unit}-with-opennebula_zone", "resource": unit, "with": "opennebula_zone", "score": "INFINITY", "influence": "false"}
        assert named(description, "orders")[f"{unit}-after-opennebula_zone"]["first"] == "opennebula_zone"


def test_service_that_is_not_wanted_any_more_goes_with_its_constraints():
    description = described(services=["opennebula"])
    assert {"opennebula-gate", "opennebula-gate-with-opennebula_zone", "opennebula-gate-after-opennebula_zone"} <= set(description["absent"])
    assert set(named(description, "resources")) == {"zone_vip", "database_writer", "opennebula", "federation_vip"}


def test_service_that_was_named_once_and_stayed_is_found_in_what_runs():
    live = described(services=SERVICES + ["my-report", "opennebula-econe"])
    live["resources"] += [{"id": "mine", "agent": "systemd:mine"}, {"id": "theirs", "agent": "ocf:heartbeat:apache"}]
    live["colocations"] += [{"id": "mine-with-mine", "resource": "mine", "with": "opennebula_zone", "score": "INFINITY"},
                            {"id": "theirs-with-opennebula_zone", "resource": "theirs", "with": "opennebula_zone", "score": "INFINITY"}]
    assert opennebula_cluster.forgotten(live, SERVICES) == ["my-report", "opennebula-econe"]
    assert opennebula_cluster.forgotten(live, SERVICES + ["opennebula-econe", "my-report"]) == [] and opennebula_cluster.forgotten({}, SERVICES) == []


def test_federation_address_stays_away_from_the_active_front_end_and_only_where_declared():
    assert named(described(), "colocations")["federation_vip-away-from-zone_vip"]["score"] == "-1000"
    assert named(described(), "locations")["federation_vip-off-semisync_waits"] == {
        "id": "federation_vip-off-semisync_waits", "resource": "federation_vip",
        "rules": [{"score": "-INFINITY", "expressions": [{"expression": {"attribute": "semisync_waits", "operation": "eq", "value": "1"}}]}]}
    description = described(federation_vip=None)
    assert "federation_vip" not in named(description, "resources")
    assert {"federation_vip", "federation_vip-away-from-zone_vip", "federation_vip-off-semisync_waits"} <= set(description["absent"])
    for nobody_tells in (description, described(settings={"writer_agent": ""})):
        assert "federation_vip-off-semisync_waits" in nobody_tells["absent"] and "federation_vip-off-semisync_waits" not in named(nobody_tells, "locations")


def test_fence_devices_never_run_on_the_node_they_fence():
    for node in ("alpha1", "alpha2"):
        assert named(described(), "locations")[f"fence_{node}-never-on-{node}"] == {
            "id": f"fence_{node}-never-on-{node}", "resource": f"fence_{node}", "node": node, "score": "-INFINITY"}


def test_laboratory_without_fencing_says_so_and_no_other_zone_can():
    assert described(fences={}, laboratory=True)["properties"]["stonith-enabled"] == "false"
    assert described(fences={})["properties"]["stonith-enabled"] == "true"
    assert "fence_alpha1" in described(fences={}, laboratory=True)["absent"]


def test_several_devices_of_a_front_end_become_levels_and_go_again():
    outlet = {"agent": "fence_apc", "ip": "192.0.2.50", "plug": 4, "passwd": CANARY}
    found = opennebula_cluster.describe(zone(), dict(FENCES, alpha1=[FENCES["alpha1"], outlet]))
    wanted, description = cib.declared(found["description"], found["secrets"]), found["description"]
    assert set(named(description, "fence_devices")) == {"fence_alpha1", "fence_alpha1_level2", "fence_alpha2"}
    assert description["fence_levels"] == [{"id": f"fence_alpha1-level-{level}", "target": "alpha1", "level": level, "devices": [device]}
                                           for level, device in ((1, "fence_alpha1"), (2, "fence_alpha1_level2"))]
    assert named(description, "locations")["fence_alpha1_level2-never-on-alpha1"]["node"] == "alpha1"
    assert found["secrets"]["fence_alpha1_level2"] == {"passwd": CANARY}
    root = cib.parse(cib.render(cib.parse(cib.EMPTY), cib.plan(cib.parse(cib.EMPTY), wanted, description["absent"])))
    one = opennebula_cluster.describe(zone(), FENCES)
    todo = cib.plan(root, cib.declared(one["description"], one["secrets"]), one["description"]["absent"])
    assert {(change.target, change.after) for change in todo} == {
        (name, None) for name in ("fence_alpha1_level2", "fence_alpha1_level2-never-on-alpha1", "fence_alpha1-level-1", "fence_alpha1-level-2")}


@pytest.mark.parametrize("codes, levels, expected", [
    ((0, 0), [["a"], ["b"]], "on"), ((2, 0), [["a"], ["b"]], "off"), ((1, 2), [["a"], ["b"]], "off"), ((1, 0), [["a"], ["b"]], None),
    ((2, 0), [["a", "b"]], "on"), ((2, 2), [["a", "b"]], "off"), ((2, 1), [["a", "b"]], None), ((2, 0), [], None), ((0, 0), [], "on"),
])
def test_power_of_a_node_with_several_devices(codes, levels, expected):
    answers = [("a", codes[0], ""), ("b", codes[1], "")]
    if expected:
        assert fencing.power("n", answers, levels) == expected
    else:
        with pytest.raises(CoreError, match="the power of node n is unknown"):
            fencing.power("n", answers, levels)


def test_every_address_the_writer_and_the_services_are_checked_as_often():
    intervals = {operation["interval"] for resource in described(settings={"monitor_interval_s": 7})["resources"]
                 for operation in resource["operations"] if operation["name"] == "monitor"}
    assert intervals == {"7s"}


def test_delay_interface_and_own_options_win():
    fences = {"alpha1": dict(FENCE, ip="1", delay_s=7, pcmk_reboot_action="reboot", secure=True), "alpha2": {"agent": "fence_xvm"}}
    description = described(fences=fences, vip={"ip": "2001:db8::1", "prefix": 64, "nic": "eth7"})
    options = named(description, "fence_devices")["fence_alpha1"]["options"]
    assert options["pcmk_delay_base"] == "7s" and options["pcmk_reboot_action"] == "reboot" and "ssh" not in options
    assert "power_wait" not in named(description, "fence_devices")["fence_alpha2"]["options"]
    assert named(description, "resources")["zone_vip"]["options"] == {"ip": "2001:db8::1", "cidr_netmask": 64, "nic": "eth7"}


def test_action_of_the_guide_is_what_a_reboot_does():
    fences = {"alpha1": dict(FENCE, ip="1", action="reboot"), "alpha2": dict(FENCE, ip="2", action="off", pcmk_reboot_action="reboot")}
    options = named(described(fences=fences), "fence_devices")
    assert [options[f"fence_alpha{number}"]["options"]["pcmk_reboot_action"] for number in (1, 2)] == ["reboot", "reboot"]
    assert "action" not in options["fence_alpha1"]["options"]
    fences = {"alpha1": dict(FENCE, ip="1", action=False), "alpha2": dict(FENCE, ip="2", action=None)}          # YAML's off without quotes, and nothing
    found = opennebula_cluster.describe(zone(), fences, {"fence_options": {"pcmk_reboot_action": "reboot"}})
    objects = cib.declared(found["description"], found["secrets"])
    assert [objects[("fence device", f"fence_alpha{number}")]["options"]["pcmk_reboot_action"] for number in (1, 2)] == ["off", "reboot"]


def test_secrets_are_apart():
    found = opennebula_cluster.describe(zone(), FENCES)
    assert found["secrets"] == {"fence_alpha1": {"password": CANARY}, "fence_alpha2": {"password": CANARY}}
    assert CANARY not in repr(found["description"])


@pytest.mark.parametrize("option", ["password", "passwd", "snmp_priv_passwd", "community", "secret_key", "token", "api_token", "apikey", "hexadecimal_kg"])
def test_secret_of_any_fence_agent_is_apart(option):
    """All options of the agents of fence-agents 4.17 (tests/data/metadata) by which somebody else could log in."""
    found = opennebula_cluster.describe(zone(), {"alpha1": {"agent": "fence_x", "ip": "1", option: CANARY}})
    assert found["secrets"] == {"fence_alpha1": {option: CANARY}} and CANARY not in repr(found["description"])


@pytest.mark.parametrize("option", ["password_script", "passwd_script", "token_file", "key_file", "auth", "snmp_auth_prot", "identity_file", "power_wait"])
def test_option_that_is_no_secret_is_shown(option):
    assert opennebula_cluster.describe(zone(), {"alpha1": {"agent": "fence_x", "ip": "1", option: "shown"}})["secrets"] == {}


# --- agents ------------------------------------------------------------------------------------------------------------------------------

def test_metadata_is_read_and_its_obsolete_names_are_accepted():
    known = agents.parse((FIXTURES / "metadata_fence_ilo_ssh.xml").read_text(encoding="utf-8"))
    assert known["username"].required and known["username"].obsoletes == "login" and known["login"].deprecated
    for name in ("username", "login"):
        assert agents.problems("f", {name: "x", "ip": "1"}, known, fencing=True) == []
    assert agents.parse("no xml") is None and agents.parse("<resource-agent") is None


def test_resource_agent_is_told_from_a_fence_agent():
    known = agents.parse((FIXTURES / "metadata_IPaddr2.xml").read_text(encoding="utf-8"))
    assert agents.problems("vip", {"ip": "1", "cidr_netmask": "16"}, known) == []
    assert agents.problems("vip", {"cidr_netmaks": "16"}, known) == [
        "vip: the agent has no option 'cidr_netmaks'; did you mean 'cidr_netmask'?", "vip: the agent needs option 'ip'"]
    assert "no option 'pcmk_host_list'" in agents.problems("vip", {"ip": "1", "pcmk_host_list": "a"}, known)[0]


def test_status_request_is_the_devices_own_options_without_the_fencers():
    request = agents.status_request({"ip": "1", "password": "p q", "pcmk_host_list": "a b", "pcmk_reboot_action": "off"}, "a")
    assert request == "ip=1\npassword=p q\naction=status\nnodename=a\n"
    assert "action=monitor\n" in agents.status_request({"ip": "1"}, "a", agents.question('<actions><action name="off"/><action name="monitor"/></actions>'))
    assert agents.question((FIXTURES / "metadata_fence_ilo_ssh.xml").read_text(encoding="utf-8")) == "status"
    assert agents.fenced_nodes({"pcmk_host_list": "a, b", "pcmk_host_map": "c:1;a:2"}) == ["c", "a", "b"]


# --- corosync.conf, crm_mon -----------------------------------------------------------------------------------------------------------------

def test_corosync_conf_of_a_pair():
    found = cluster_members.parse_corosync_conf((FIXTURES / "corosync_pair.conf").read_text(encoding="utf-8"))
    assert found.pop("options")["totem.crypto_cipher"] == "aes256"
    assert found == {"cluster_name": "one-alpha", "two_node": True, "wait_for_all": True, "device": None,
                     "nodes": {"alpha1": ["10.86.1.11"], "alpha2": ["10.86.1.12"]}}


@pytest.mark.parametrize("text, message",
                         [("totem {", "'totem' is never closed"), ("}", "closes nothing"), ("totem {\n what\n}", "corosync.conf:2.*not 'name: value'")])
def test_damaged_corosync_conf_is_named_with_its_line(text, message):
    with pytest.raises(CoreError, match=f"{message}.* Mend that file, or copy the one of a peer"):
        cluster_members.parse_corosync_conf(text)


@pytest.mark.parametrize("states, expected", [
    ({}, None),
    ({"a": {}, "b": {"running": False}}, "b"),
    ({"a": {"corosync": None, "running": False}, "b": {"corosync": {"x": 1}, "running": False}}, "b"),
    ({"a": {"corosync": 1, "running": True, "quorate": False}, "b": {"corosync": 1, "running": True, "quorate": True}}, "b"),
    ({"a": {"corosync": 1, "running": True, "quorate": True}, "b": {"corosync": 1, "running": True, "quorate": True}}, "a"),
])
def test_node_that_speaks_for_the_cluster(states, expected):
    assert cluster_members.conductor(["a", "b"], states) == expected


def test_crm_mon_of_a_pair():
    state = cluster_status.parse((FIXTURES / "crm_mon_pair.xml").read_text(encoding="utf-8"))
    assert state["quorate"] and state["stonith_enabled"] and not state["maintenance"]
    assert [(node["name"], node["online"]) for node in state["nodes"]] == [("alpha1", True), ("alpha2", True)]
    assert cluster_status.holder(state, "zone_vip") == ["alpha1"] and cluster_status.holder(state, "nothing") == []
    assert {entry["id"]: entry["group"] for entry in state["resources"]}["opennebula"] == "opennebula_zone"
    assert cluster_status.complaints(state, {"zone_vip", "fence_alpha1"}) == []


def test_resource_that_does_not_run_is_explained_by_its_failed_action():
    text = (FIXTURES / "crm_mon_pair.xml").read_text(encoding="utf-8")
    text = text.replace('<resource id="opennebula" resource_agent="systemd:opennebula" role="Started" active="true"',
                        '<resource id="opennebula" resource_agent="systemd:opennebula" role="Stopped" active="false"')
    text = text.replace("<node_history>", '<failures>'
                        '<failure op_key="opennebula_start_0" node="alpha1" exitstatus="error" exitreason="no licence" task="start"/></failures><node_history>')
    assert cluster_status.complaints(cluster_status.parse(text), {"opennebula"}) == ["opennebula is Stopped: start on alpha1 ended with 'error' (no licence)"]


def test_cluster_that_may_start_nothing_says_so_first():
    text = (FIXTURES / "crm_mon_pair.xml").read_text(encoding="utf-8")
    alone = text.replace('with_quorum="true"', 'with_quorum="false"').replace('name="alpha2" id="2" online="true"', 'name="alpha2" id="2" online="false"')
    assert alone.count('online="false"') == 1
    assert cluster_status.complaints(cluster_status.parse(alone), set()) == ["the cluster has no quorum (alpha2 is not in it)"]
    paused = text.replace('maintenance-mode="false"', 'maintenance-mode="true"')
    assert paused != text and cluster_status.complaints(cluster_status.parse(paused), set()) == ["the cluster is in maintenance mode"]
