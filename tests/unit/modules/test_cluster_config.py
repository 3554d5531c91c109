# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cluster_config: prediction = result, one patch, agents asked first, secrets kept."""
from __future__ import annotations

import json
import pathlib
import sys

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import cib
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, NotThere, Problems
from ansible_collections.constellation.opennebula.plugins.modules import cluster_config

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cluster_fakes import Clock, Cluster  # noqa: E402

CANARY = "CANARY-9f2c"


def wanted(**changes):
    description = {"properties": {"no-quorum-policy": "freeze"}, "fence_devices": [
        {"id": "fence_new", "agent": "fence_ilo_ssh", "options": {"ip": "192.0.2.7", "username": "fence", "pcmk_host_list": "alpha2"}}]}
    return {"description": dict(description, **changes), "secrets": {"fence_new": {"password": CANARY}}, "verify_fencing": "all", "wait_timeout_s": 5,
            "exclusive": False}


def ensure(params, cluster, check_mode=False):
    return cluster_config.ensure(params, cluster, check_mode, Clock())


def test_prediction_is_what_happens_and_the_second_run_is_silent():
    cluster = Cluster()
    predicted = ensure(wanted(), cluster, check_mode=True).as_result()
    assert predicted["changed"] and cluster.writes == [] and len(cluster.requests) == 1, "the device is asked in check mode, too"
    done = ensure(wanted(), cluster).as_result()
    assert cluster.writes == ["patch"]
    assert done["changes"] == predicted["changes"] and done["diff"] == predicted["diff"]
    assert [change["target"] for change in done["changes"]] == ["no-quorum-policy", "fence_new"]
    assert not ensure(wanted(), cluster).changed and not ensure(wanted(), cluster, check_mode=True).changed


def test_secret_reaches_the_cluster_and_no_result():
    cluster = Cluster()
    results = [ensure(wanted(), cluster, check_mode=mode).as_result() for mode in (True, False, False)]
    assert CANARY in cluster.text and f"password={CANARY}" in cluster.requests[0][1]
    assert CANARY not in json.dumps(results)
    assert cluster_config.SPEC["secrets"]["no_log"] is True


def test_off_without_quotes_in_yaml_is_off_and_not_false():
    cluster = Cluster()
    options = {"ip": "192.0.2.7", "username": "fence", "pcmk_host_list": "alpha2", "pcmk_reboot_action": False, "pcmk_on_action": True, "ssh": True,
               "pcmk_delay_base": "alpha1:5s;alpha2:0", "pcmk_off_timeout": "2min", "pcmk_host_check": "static-list", "pcmk_action_limit": "-1"}
    assert ensure(wanted(fence_devices=[{"id": "fence_new", "agent": "fence_ilo_ssh", "options": options}]), cluster).changed
    found = cib.objects(cib.parse(cluster.text))[("fence device", "fence_new")]["options"]
    assert [found[name] for name in ("pcmk_reboot_action", "pcmk_on_action", "ssh")] == ["off", "on", "true"]


def test_old_names_of_fence_options_become_the_agents_present_ones():
    cluster = Cluster()
    old = {"id": "fence_new", "agent": "fence_ilo_ssh", "options": {"ipaddr": "192.0.2.7", "login": "fence", "secure": "1", "pcmk_host_list": "alpha2"}}
    params = dict(wanted(fence_devices=[old]), secrets={"fence_new": {"passwd": CANARY}})
    done = ensure(params, cluster)
    options = cib.objects(cib.parse(cluster.text))[("fence device", "fence_new")]["options"]
    assert options == {"ip": "192.0.2.7", "username": "fence", "ssh": "1", "pcmk_host_list": "alpha2", "password": CANARY}
    assert "fence_new: fence_ilo_ssh calls 'login' now 'username'; it is set under that name" in done.plan.warnings and len(done.plan.warnings) == 4
    assert not ensure(params, cluster).changed
    assert CANARY not in json.dumps(done.as_result()) + str(done.plan.warnings)


def test_bare_host_predicts_everything_in_check_mode_only():
    cluster = Cluster(online=())
    predicted = ensure(wanted(), cluster, check_mode=True)
    assert [change.before for change in predicted.plan] == [None, None]
    with pytest.raises(NotThere):
        ensure(wanted(), cluster)


def test_moved_configuration_is_read_again_until_the_patch_fits():
    cluster = Cluster()
    cluster.interfere = 3
    assert ensure(wanted(), cluster).changed and cluster.writes == ["patch"]
    assert cib.objects(cib.parse(cluster.text))[("property", "no-quorum-policy")] == "freeze"
    cluster = Cluster()
    cluster.interfere = 10 ** 6
    with pytest.raises(CoreError, match="kept moving"):
        ensure(wanted(), cluster)
    assert cluster.writes == []


def test_what_moves_right_after_the_examination_is_examined_too():
    """Somebody takes the device out between the first look and the next: it is not put back unasked."""
    cluster = Cluster()
    ensure(wanted(), cluster)
    with_device, cluster.text, cluster.writes = cluster.text, None, []
    without = cib.parse(with_device)
    resources = without.find("configuration/resources")
    resources.remove(next(one for one in resources if one.get("id") == "fence_new"))
    texts = [with_device]
    cluster.cib = lambda node=None: texts.pop() if texts else cluster.text
    cluster.text = cib.ET.tostring(without, encoding="unicode")
    cluster.answers["fence_ilo_ssh"] = (1, "Unable to connect/login")
    with pytest.raises(Problems, match="fence_new .* does not answer for alpha2"):
        ensure(wanted(), cluster)
    assert cluster.writes == []


def test_cluster_that_ignores_the_patch_is_named():
    cluster = Cluster()
    cluster.stubborn = True
    with pytest.raises(NotConverged, match="no-quorum-policy"):
        ensure(wanted(), cluster)


@pytest.mark.parametrize("options, message", [
    ({"ip": "1", "pcmk_host_lst": "a", "username": "u"}, "no option 'pcmk_host_lst'; did you mean 'pcmk_host_list'?"),
    ({"ip": "1", "usernam": "u"}, "no option 'usernam'; did you mean 'username'?"),
    ({"ip": "1"}, "the agent needs option 'username'"),
    ({"ip": "1", "username": "u", "power_wait": "soon"}, "'power_wait' is 'soon', which is not a duration"),
    ({"ip": "1", "username": "u", "ipport": "ssh"}, "'ipport' is 'ssh', which is not a whole number"),
    ({"ip": "1", "username": "u", "ssh": "maybe"}, "'ssh' is 'maybe', which is neither yes nor no"),
    ({"ip": "1", "username": "u", "pcmk_reboot_action": "of"},
     "'pcmk_reboot_action' is 'of', which the agent cannot do; use one of: monitor, off, on, reboot, status"),
    ({"ip": "1", "username": "u", "pcmk_host_check": "static"}, "'pcmk_host_check' is 'static'; use one of: dynamic-list, static-list, status, none"),
    ({"ip": "1", "username": "u", "pcmk_delay_base": "alpha1:5s;alpha2:soon"}, "'pcmk_delay_base' is 'alpha1:5s;alpha2:soon', which is not a duration"),
    ({"ip": "1", "username": "u", "pcmk_off_timeout": "2 minutes"}, "'pcmk_off_timeout' is '2 minutes', which is not a duration"),
    ({"ip": "1", "username": "u", "pcmk_off_retries": "twice"}, "'pcmk_off_retries' is 'twice', which is not a whole number"),
])
def test_options_that_the_agent_does_not_know_are_refused_before_anything_changes(options, message):
    cluster = Cluster()
    with pytest.raises(Problems) as caught:
        ensure(wanted(fence_devices=[{"id": "fence_new", "agent": "fence_ilo_ssh", "options": options}]), cluster)
    assert message in str(caught.value) and cluster.writes == [] and cluster.requests == []


@pytest.mark.parametrize("agent, message", [
    ("ocf:nowhere:nothing", "resource r: agent 'ocf:nowhere:nothing' is not installed on this host"),
    ("ocf:heartbeat:IPadr2", "resource r: agent 'ocf:heartbeat:IPadr2' is not installed on this host; did you mean 'ocf:heartbeat:IPaddr2'?"),
    ("ocf:heartbeat:mute", "resource r: agent 'ocf:heartbeat:mute' is installed on this host, but does not describe itself; "
                           "see 'crm_resource --show-metadata ocf:heartbeat:mute'"),
    ("systemd:opennebula-gat", "resource r: systemd of this host has no unit 'opennebula-gat'"),
])
def test_agent_that_is_not_there_is_refused_and_predicted_with_a_warning(agent, message):
    params, cluster = wanted(resources=[{"id": "r", "agent": agent}]), Cluster()
    cluster.agents["ocf:heartbeat:mute"], cluster.missing_units = "", ("opennebula-gat",)
    predicted = ensure(params, cluster, check_mode=True)
    assert message in predicted.plan.warnings and predicted.as_result()["not_here"] == [message]
    with pytest.raises(Problems) as caught:
        ensure(params, cluster)
    assert message in caught.value.problems and cluster.writes == []


def test_alert_without_its_program_is_refused_and_predicted_with_a_warning():
    cluster, message = Cluster(), "alert told: there is no program /usr/local/bin/tell on this host"
    cluster.missing_programs = ("/usr/local/bin/tell",)
    params = wanted(alerts=[{"id": "told", "path": "/usr/local/bin/tell"}])
    assert ensure(params, cluster, check_mode=True).as_result()["not_here"] == [message]
    with pytest.raises(Problems) as caught:
        ensure(params, cluster)
    assert message in caught.value.problems and cluster.writes == []
    cluster.missing_programs = ()
    assert ensure(params, cluster).as_result()["not_here"] == []
    cluster.missing_programs = ("/usr/local/bin/tell",)
    assert ensure(wanted(alerts=[], absent=["told"]), cluster).changed, "what goes needs nothing"


@pytest.mark.parametrize("properties, message", [
    ({"no-quorum-polcy": "stop"}, "property no-quorum-polcy: pacemaker does not know it; did you mean 'no-quorum-policy'?"),
    ({"no-quorum-policy": "stopp"}, "'no-quorum-policy' is 'stopp'; use one of: stop, freeze, ignore, demote, suicide"),
    ({"stonith-enabled": "maybe"}, "'stonith-enabled' is 'maybe', which is neither yes nor no"),
    ({"stonith-timeout": "soon"}, "'stonith-timeout' is 'soon', which is not a duration"),
])
def test_property_is_checked_against_pacemakers_own_list(properties, message):
    cluster = Cluster()
    for mode in (True, False):
        with pytest.raises(Problems, match=message.replace("?", "[?]")):
            ensure(wanted(properties=properties), cluster, check_mode=mode)
    assert cluster.writes == [] and ensure(wanted(properties={"our-own-note": "x", "stonith-timeout": "90s"}), cluster).changed


def test_device_that_calls_a_member_off_is_that_of_another_machine():
    for mode in (True, False):
        cluster = Cluster()
        cluster.answers["fence_ilo_ssh"] = (2, "Status: OFF")
        with pytest.raises(Problems, match="says that alpha2 is off, but alpha2 is a member of this cluster: it is the device of another machine, or lies"):
            ensure(wanted(), cluster, check_mode=mode)
        assert cluster.writes == []
    cluster = Cluster(online=["alpha1"])
    cluster.answers["fence_ilo_ssh"] = (2, "Status: OFF")
    assert ensure(wanted(), cluster).changed, "a peer that is off is no reason to refuse"


def test_device_that_hangs_is_named():
    cluster = Cluster()
    cluster.answers["fence_ilo_ssh"] = (124, "no answer after 60 s")
    with pytest.raises(Problems, match="fence_new .fence_ilo_ssh at 192.0.2.7. does not answer for alpha2: no answer after 60 s"):
        ensure(wanted(), cluster)
    assert cluster.writes == []


def test_what_somebody_else_has_done_meanwhile_is_not_done_again_nor_told():
    cluster, other = Cluster(), Cluster()
    ensure(wanted(), other)
    first, cluster.cib = cluster.text, lambda: cluster.reads.pop(0) if cluster.reads else other.text
    cluster.reads = [first, first]
    assert not ensure(wanted(), cluster).changed and cluster.writes == []


def test_fence_device_that_does_not_answer_stops_everything():
    cluster = Cluster()
    cluster.answers["fence_ilo_ssh"] = (1, f"ERROR: login with {CANARY} failed")
    with pytest.raises(Problems) as caught:
        ensure(wanted(), cluster)
    assert "fence_new (fence_ilo_ssh at 192.0.2.7) does not answer for alpha2: ERROR: login with (secret) failed" in str(caught.value)
    assert cluster.writes == [] and CANARY not in str(caught.value) + json.dumps(caught.value.as_dict())
    assert ensure(dict(wanted(), verify_fencing="none"), cluster).changed


def test_own_device_can_be_left_out_of_the_proof():
    own = wanted(fence_devices=[{"id": "fence_new", "agent": "fence_ilo_ssh", "options": {"ip": "1", "username": "u", "pcmk_host_list": "alpha1"}}])
    cluster = Cluster()
    ensure(dict(own, verify_fencing="others"), cluster)
    assert cluster.requests == [] and cluster.writes == ["patch"]


@pytest.mark.parametrize("nodes, question", [({"pcmk_host_list": "alpha2"}, "action=status\nnodename=alpha2\n"), ({}, "action=monitor\n"),
                                             ({"pcmk_host_check": "dynamic-list"}, "action=monitor\n"),
                                             ({"port": "7"}, "plug=7\naction=status\n")])
def test_device_that_finds_its_nodes_itself_is_asked_how_it_is(nodes, question):
    cluster = Cluster()
    ensure(wanted(fence_devices=[{"id": "fence_new", "agent": "fence_ilo_ssh", "options": dict(nodes, ip="192.0.2.7", username="fence")}]), cluster)
    ((agent, request),) = cluster.requests
    assert agent == "fence_ilo_ssh" and request.endswith(question)


def test_unchanged_devices_are_not_asked_again():
    cluster = Cluster()
    ensure(wanted(), cluster)
    cluster.requests.clear()
    ensure(wanted(properties={"no-quorum-policy": "stop"}), cluster)
    assert cluster.requests == []


def test_errors_that_crm_verify_finds_stop_the_patch():
    cluster = Cluster()
    cluster.errors = ["element primitive: Relax-NG validity error"]
    for mode in (True, False):
        with pytest.raises(Problems, match="Relax-NG"):
            ensure(wanted(), cluster, check_mode=mode)
    assert cluster.writes == []


def test_cluster_that_never_becomes_idle_is_an_error_with_the_reason():
    cluster = Cluster()
    cluster.idle = False
    with pytest.raises(CoreError, match="did not become idle"):
        ensure(wanted(), cluster)


def two_copies(older_at_dc):
    """A cluster whose DC is the other member, with another copy than ours."""
    cluster = Cluster()
    cluster.dc = "alpha2"
    root = cib.parse(cluster.text)
    root.set("epoch", str(cib.version(root)[1] + (-1 if older_at_dc else 1)))
    cluster.dc_text = cib.ET.tostring(root, encoding="unicode")
    return cluster


@pytest.mark.parametrize("older_at_dc", [True, False])
def test_members_with_different_copies_get_one_before_the_patch(older_at_dc):
    cluster = two_copies(older_at_dc)
    assert ensure(wanted(), cluster).changed and cluster.writes == ["replace", "patch"]
    again = Cluster(cluster.text)
    again.dc = "alpha2"
    assert not ensure(wanted(), again).changed and again.writes == []


def test_copies_that_become_equal_by_themselves_are_left_alone():
    cluster, clock = two_copies(True), Clock()
    real, clock.sleep = clock.sleep, lambda seconds: (real(seconds), setattr(cluster, "dc_text", None) if seconds else None)
    cluster_config.ensure(wanted(), cluster, False, clock)
    assert cluster.writes == ["patch"]


def test_check_mode_and_a_cluster_that_is_right_do_not_compare_copies():
    cluster = two_copies(True)
    ensure(wanted(), cluster, check_mode=True)
    assert cluster.writes == []
