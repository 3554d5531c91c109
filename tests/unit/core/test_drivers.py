# SPDX-License-Identifier: GPL-3.0-or-later
"""All clouds of a zone together: what is refused, what comes out for the modules."""
import json

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import drivers

EC2 = {"provider": "ec2", "hosts": [{"name": "us-east-1"}],
       "regions": {"us-east-1": {"region_name": "us-east-1", "access_key_id": "AKIA", "secret_access_key": "CANARY-ec2", "capacity": {"m1.small": 5}}}}
ONE = {"provider": "opennebula", "addon": True,
       "hosts": [{"name": "other", "user": "hybrid", "password": "CANARY-one", "endpoint": "http://192.0.2.9:2633/RPC2"}]}
EH = {"provider": "elastichosts", "addon": True, "auth": "CANARY-eh", "total_cpu": 4, "hosts": [{"name": "eh"}]}


def plan(*clouds, release="5.0.2", **more):
    return drivers.plan({"clouds": list(clouds), **more}, release)


def test_nothing_declared_is_nothing_to_do():
    found = drivers.plan({"clouds": [], "host_hook": {}, "scheduler": {"local_first": None, "max_host": None}}, "5.0")
    assert [name for name, part in found.items() if part and name not in ("scheduler", "update_secrets")] == []
    assert not found["scheduler"]["attributes"] and not found["scheduler"]["stanzas"]


def test_several_clouds_come_out_together():
    found = plan(EC2, ONE, EH)
    assert found["problems"] == []
    assert [(stanza["section"], stanza["name"]) for stanza in found["stanzas"]] == [
        ("IM_MAD", "ec2"), ("VM_MAD", "ec2"), ("IM_MAD", "one"), ("VM_MAD", "one"), ("IM_MAD", "im_eh"), ("VM_MAD", "vmm_eh")]
    assert [host["name"] for host in found["hosts_present"]] == ["us-east-1", "other", "eh"]
    assert found["programs"] == ["/var/lib/one/remotes/im/one.d", "/var/lib/one/remotes/vmm/one/deploy"], "add-ons are looked for; ElasticHosts has none there"
    assert found["config_files"] == ["/etc/one/oned.conf", "/etc/one/im_eh/im_ehrc", "/etc/one/vmm_eh/vmm_ehrc"]


def test_secrets_stay_where_modules_hide_them():
    found = plan(EC2, ONE, EH)
    for part in ("stanzas", "files", "hosts_present"):
        for item in found[part]:
            assert "CANARY" not in json.dumps({name: value for name, value in item.items() if name != "secrets"}), item
    assert json.dumps(found).count("CANARY") == 3, "and each secret arrives once"


@pytest.mark.parametrize("clouds, sentence", [
    ([{"provider": "ec3"}], "drivers_clouds[0]: provider must be one of ec2, azure, opennebula, elastichosts, custom"),
    (["ec2"], "drivers_clouds[0]: provider must be one of ec2, azure, opennebula, elastichosts, custom"),
    ([EC2, EC2], "drivers_clouds[1] (ec2): is the same driver as drivers_clouds[0]; declare it once, with all its regions and hosts"),
    ([EC2, dict(EC2, name="second")], "drivers_clouds[1] (ec2): is the same driver as drivers_clouds[0]; declare it once, with all its regions and hosts"),
    ([EC2, dict(ONE, hosts=[dict(ONE["hosts"][0], name="us-east-1")])], "drivers_clouds: host us-east-1 is there 2 times"),
    ([{"provider": ["ec2"]}], "drivers_clouds[0]: provider must be one of ec2, azure, opennebula, elastichosts, custom"),
    ([dict(EC2, hosts=5)], "drivers_clouds[0] (ec2): hosts must be a list, not a whole number"),
    ([dict(ONE, name=["one"])], "drivers_clouds[0] (opennebula): name must be text, not a list"),
    ([EC2, dict(EH, hosts=[{"name": 2020}])], "drivers_clouds[1] (elastichosts): hosts.2020.name must be text, not a whole number"),
    ([EC2, dict(EH, hosts=[{"name": ["a"]}])], "drivers_clouds[1] (elastichosts): hosts.['a'].name must be text, not a list"),
])
def test_clouds_that_do_not_go_together_are_refused(clouds, sentence):
    assert sentence in plan(*clouds)["problems"]


SCRIPTS = {"provider": "custom", "name": "mycloud", "addon": True}


@pytest.mark.parametrize("clouds, sentence", [
    ([EC2, dict(ONE, name="ec2")], "drivers_clouds[1] (opennebula): IM_MAD ec2 is drivers_clouds[0]'s, with other settings; two drivers need two names"),
    ([SCRIPTS, dict(SCRIPTS, name="second", vm_name="vmm_mycloud")],
     "drivers_clouds[1] (custom): VM_MAD vmm_mycloud is drivers_clouds[0]'s, with other settings; two drivers need two names"),
    ([dict(EC2, name="kvm")], "drivers_clouds[0] (ec2): IM_MAD kvm is the driver of local hosts; a cloud must have another name"),
    ([dict(SCRIPTS, vm_name="kvm", state="commented")], "drivers_clouds[0] (custom): VM_MAD kvm is the driver of local hosts; a cloud must have another name"),
])
def test_cloud_does_not_take_the_stanza_of_another_driver(clouds, sentence):
    found = plan(*clouds)
    assert sentence in found["problems"] and not found["stanzas"]


@pytest.mark.parametrize("cloud, sentence", [
    (dict(EH, hosts=[{"name": "eh", "attributes": {"REGION": {"A": {"B": 1}, "C": 2}}}]),
     "drivers_clouds: host eh: REGION: A is a dict; vectors do not nest: give text, a number or a boolean"),
    (dict(EC2, vm_arguments="-t 15 ]]> ec2"),
     "drivers_clouds: VM_MAD/ARGUMENTS: the value has ']]>', where the daemon would end the reading of the whole file"),
    (dict(EH, auth="CANARY-eh\0"), "drivers_clouds: /etc/one/vmm_eh/vmm_ehrc: EHAUTH: the text has a control character"),
])
def test_what_a_module_would_refuse_later_is_refused_now(cloud, sentence):
    found = plan(cloud)
    assert found["problems"] == [sentence] and not found["stanzas"] and not found["files"]


def test_driver_that_the_release_lacks_is_refused_by_name():
    problems = plan(dict(ONE, addon=False))["problems"]
    assert len(problems) == 1
    assert problems[0].startswith("drivers_clouds[0] (opennebula): provider opennebula: OpenNebula 5.0.2 has no OpenNebula driver: it comes with 5.6")


def test_all_problems_come_at_once_and_nothing_else():
    found = plan(dict(EC2, regoins={}), dict(ONE, hosts=[{"name": "other"}]), host_hook={"action": "migrate"}, scheduler={"max_host": 0})
    told = "\n".join(found["problems"])
    for part in ("regoins is no option; did you mean regions?", "user is missing", "endpoint is missing", "drivers_host_hook: fence is missing",
                 "drivers_max_host must be"):
        assert part in told
    assert not [name for name, part in found.items() if part and name not in ("problems", "scheduler", "update_secrets")], "half of a plan is no plan"


def test_local_first_gives_hosts_the_priority_that_their_driver_does_not_report():
    hosts = {host["name"]: host["attributes"] for host in plan(EC2, ONE, EH, scheduler={"local_first": True})["hosts_present"]}
    assert "PRIORITY" not in hosts["us-east-1"], "the EC2 driver reports it"
    assert hosts["other"]["PRIORITY"] == hosts["eh"]["PRIORITY"] == "-1"
    own = dict(EH, hosts=[{"name": "eh", "attributes": {"PRIORITY": "-7"}}])
    assert plan(own, scheduler={"local_first": True})["hosts_present"][0]["attributes"]["PRIORITY"] == "-7", "what the inventory says wins"
    assert "PRIORITY" not in plan(EH)["hosts_present"][0]["attributes"]


def test_absent_cloud_deletes_its_hosts_and_comments_the_shipped_stanzas():
    found = plan(dict(EC2, state="absent"))
    assert [host["name"] for host in found["hosts_absent"]] == ["us-east-1"] and not found["hosts_present"]
    assert {stanza["state"] for stanza in found["stanzas"]} == {"commented"}


def test_host_hook_and_scheduler_need_a_restart():
    found = plan(host_hook={"action": "migrate", "fence": {"program": "/usr/local/sbin/fence-host"}}, scheduler={"local_first": True})
    assert found["config_files"] == ["/etc/one/oned.conf", "/etc/one/sched.conf"]
    assert found["programs"] == ["/usr/local/sbin/fence-host", "/var/lib/one/remotes/hooks/ft/host_error.rb"]
    assert [file["path"].rpartition("/")[2] for file in found["texts"]] == ["fence_host.sh", "constellation_host_error"]


def test_shared_stanza_comes_once():
    old = {"provider": "custom", "generation": 3, "actions": {"deploy": "#!/bin/sh\n"}, "required_actions": ["deploy"]}
    found = plan(dict(old, name="first"), dict(old, name="second"))
    assert found["problems"] == []
    assert [(stanza["section"], stanza["name"]) for stanza in found["stanzas"]] == [("VM_MAD", "vmm_first"), ("IM_MAD", "dummy"), ("VM_MAD", "vmm_second")]


@pytest.mark.parametrize("release, when", [("5.0", "always"), ("5.2.1", "always"), ("5.4", "on_create"), ("5.8.5", "on_create"), ("5.10", "always")])
def test_secrets_that_the_daemon_shows_to_nobody_are_written_once(release, when):
    assert plan(release=release)["update_secrets"] == when
