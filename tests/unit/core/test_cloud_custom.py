# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Custom providers: what a declaration becomes in each generation, and every way in which it can be wrong."""
import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core import driver_scripts
from ansible_collections.constellation.opennebula.plugins.module_utils.core.clouds import custom

PROBE = {"capacity": "#!/bin/sh\necho PUBLIC_CLOUD=YES\n"}


def scripts(release):
    return {action.name: "#!/bin/sh\nexit 1\n" for action in driver_scripts.actions(release)}


def cloud(release="5.0.2", **options):
    given = {"provider": "custom", "name": "mycloud", "actions": scripts(release), "hosts": [{"name": "remote_provider"}]}
    if options.get("generation", driver_scripts.default_generation(release)) == 5:
        given["probes"] = PROBE
    given.update(options)
    return {name: value for name, value in given.items() if value is not None}


def stanzas(driver):
    return {f"{stanza['section']} {stanza['name']}": (stanza["settings"], stanza["state"]) for stanza in driver.stanzas}


def test_second_generation_on_5_0():
    declared = cloud(sunstone_name="My cloud", keep_snapshots=False)
    assert custom.problems(declared, "5.0.2") == []
    driver = custom.describe(declared, "5.0.2")
    assert stanzas(driver) == {
        "IM_MAD im_mycloud": ({"EXECUTABLE": "one_im_sh", "ARGUMENTS": "-c -t 1 -r 0 mycloud", "SUNSTONE_NAME": "My cloud"}, "present"),
        "VM_MAD vmm_mycloud": ({"EXECUTABLE": "one_vmm_sh", "ARGUMENTS": "-t 15 -r 0 mycloud", "TYPE": "xml", "SUNSTONE_NAME": "My cloud",
                                "KEEP_SNAPSHOTS": "no"}, "present")}
    assert driver.hosts == ({"name": "remote_provider", "im": "im_mycloud", "vm": "vmm_mycloud", "cluster": None, "attributes": {}, "secrets": {},
                             "state": "present", "enabled": True},)
    assert (driver.files, driver.needs, driver.warnings) == ((), (), ())
    script, = driver.scripts
    assert script == {"name": "mycloud", "generation": 5, "release": "5.0.2", "probes": PROBE, "actions": scripts("5.0.2"), "hypervisor": "mycloud",
                      "required_actions": list(scripts("5.0.2")), "host": "remote_provider", "probe_timeout_s": 60, "state": "present"}


@pytest.mark.parametrize("release, information, transfer, attributes, needs, warnings", [
    ("3.2.1", "im_dummy", True, {}, 0, 0),
    ("3.8", "im_dummy", False, {}, 1, 0),
    ("4.2", "dummy", False, {}, 1, 0),
    ("5.0.2", "dummy", False, {"PUBLIC_CLOUD": "YES"}, 0, 1),
])
def test_first_generation_uses_the_dummies_as_the_release_ships_them(release, information, transfer, attributes, needs, warnings):
    declared = cloud(release, generation=3)
    assert custom.problems(declared, release) == []
    driver = custom.describe(declared, release)
    expected = {
        "VM_MAD vmm_mycloud": ({"EXECUTABLE": "one_vmm_sh", "ARGUMENTS": "-t 15 -r 0 mycloud", "DEFAULT": "vmm_exec/vmm_exec_mycloud.conf", "TYPE": "xml"},
                               "present"),
        f"IM_MAD {information}": ({"EXECUTABLE": "one_im_dummy"}, "present")}
    if transfer:
        expected["TM_MAD tm_dummy"] = ({"EXECUTABLE": "one_tm", "ARGUMENTS": "tm_dummy/tm_dummy.conf"}, "present")
    assert stanzas(driver) == expected
    host, = driver.hosts
    assert (host["im"], host["vm"], host["attributes"]) == (information, "vmm_mycloud", attributes)
    file, = driver.files
    assert (file["path"], file["format"], file["create"]) == ("/etc/one/vmm_exec/vmm_exec_mycloud.conf", "oned", True)
    assert driver.scripts[0]["probes"] is None and (len(driver.needs), len(driver.warnings)) == (needs, warnings)


def test_generation_follows_the_release():
    assert [driver_scripts.default_generation(release) for release in ("3.2.1", "4.2", "4.4", "5.0.2", "5.10")] == [3, 3, 5, 5, 5]


@pytest.mark.parametrize("state, stanza, host, scripted", [
    ("absent", "absent", ("absent", False), "absent"), ("commented", "commented", ("present", False), None)])
@pytest.mark.parametrize("generation", [3, 5])
def test_cloud_that_goes_takes_its_own_and_leaves_the_dummies(generation, state, stanza, host, scripted):
    declared = cloud(generation=generation, state=state)
    assert custom.problems(declared, "5.0.2") == []
    driver = custom.describe(declared, "5.0.2")
    assert {found["state"] for found in driver.stanzas} == {stanza} and not any("dummy" in found["name"] for found in driver.stanzas)
    assert [(found["state"], found["enabled"]) for found in driver.hosts] == [host]
    assert [found["state"] for found in driver.scripts] == ([scripted] if scripted else [])
    assert all(not file["create"] for file in driver.files)


def test_addon_is_only_checked_and_lists_are_as_good_as_dictionaries():
    declared = cloud(addon=True, probes=None, actions=None, hosts=[])
    assert custom.problems(declared, "5.0.2") == []
    script, = custom.describe(declared, "5.0.2").scripts
    assert (script["probes"], script["actions"], script["host"]) == (None, None, "mycloud")
    listed = cloud(probes=[{"name": name, "content": content} for name, content in PROBE.items()])
    assert custom.problems(listed, "5.0.2") == [] and custom.describe(listed, "5.0.2") == custom.describe(cloud(), "5.0.2")


WRONG = [
    ({"name": None}, "5.0.2", "name is missing: it is the name of the folders of scripts, such as mycloud"),
    ({"name": "../ec2"}, "5.0.2", "name '../ec2' names folders and stands in the driver's arguments"),
    ({"name": "-r"}, "5.0.2", "no '-' first"),
    ({"name": "ec2"}, "5.0.2", "name ec2: OpenNebula brings remotes/im/ec2.d or remotes/vmm/ec2 itself"),
    ({"generation": 4}, "5.0.2", "generation must be one of 3, 5"),
    ({}, "5.12", "generation 5: OpenNebula 5.12 cannot run it: it works with 4.4 to 5.10; later releases have no one_im_dummy"),
    ({"generation": 3}, "6.10", "generation 3: OpenNebula 6.10 cannot run it: it works with 3.0 to 5.10"),
    ({"generation": 5}, "4.2", "generation 5: OpenNebula 4.2 cannot run it: it works with 4.4 to 5.10"),
    ({"type": "eh"}, "5.0.2", "type eh: the daemon of OpenNebula 5.0.2 loads xen, kvm, xml, qemu only"),
    ({"sunstone_name": "x"}, "4.14", "sunstone_name: OpenNebula 4.14 has no such thing; from 5.0"),
    ({"im_arguments": "-t 1 other"}, "5.0.2", "im_arguments: mycloud must be one of its words"),
    ({"generation": 3, "probes": None, "im_arguments": "mycloud"}, "5.0.2", "im_arguments: one_im_dummy, which monitors generation 3, takes none"),
    ({"generation": 3, "hypervisor": "mycloud"}, "5.0.2", "hypervisor: one_im_dummy, which monitors generation 3, always says dummy"),
    ({"defaults": {"CPU": 1}}, "5.0.2", "defaults is only for generation 3"),
    ({"generation": 3, "defaults": {"c-pu": 1}}, "5.0.2", "defaults.c-pu is no attribute name"),
    ({"probe_timeout_s": 0}, "5.0.2", "probe_timeout_s must be at least 1 second"),
    ({"probes": None}, "5.0.2", "probes is missing; who has put the scripts into place says addon: true"),
    ({"actions": None}, "5.0.2", "actions is missing; who has put the scripts into place says addon: true"),
    ({"generation": 3, "probes": PROBE}, "5.0.2", "probes: a driver of generation 3 is monitored by one_im_dummy, which runs none"),
    ({"probes": {}}, "5.0.2", "probes is empty: without one the host never gets PUBLIC_CLOUD"),
    ({"probes": ["x"]}, "5.0.2", "probes must be a dictionary of file names and texts, or a list of name and content"),
    ({"probes": [{"name": "a", "content": "#!/bin/sh\n"}] * 2}, "5.0.2", "probes: a is there twice"),
    ({"probes": {"../x": "#!/bin/sh\n"}}, "5.0.2", "probes: '../x' is no plain file name"),
    ({"probes": {1: "#!/bin/sh\n"}}, "5.0.2", "probes: '1' is no plain file name"),
    ({"required_actions": ["deploy", ["poll"]]}, "5.0.2", "required_actions: ['poll'] is no action"),
    ({"probes": {"x.dpkg-old": "#!/bin/sh\n"}}, "5.0.2", "probes.x.dpkg-old: files of this ending are passed over"),
    ({"probes": {"x": "echo\n"}}, "5.0.2", "probes.x does not begin with #! and the path of its interpreter"),
    ({"probes": {"x": "#!/bin/sh\r\n"}}, "5.0.2", "probes.x has a carriage return at the end of its first line"),
    ({"probes": {"x": " \n"}}, "5.0.2", "probes.x is empty"),
    ({"actions": dict(scripts("5.0.2"), deploy="exit 0\n")}, "5.0.2", "actions.deploy does not begin with #!"),
    ({"actions": {"deploy": "#!/bin/sh\n"}, "required_actions": ["deploy", "poll"]}, "5.0.2", "actions: poll missing; OpenNebula 5.0.2 may call it"),
    ({"required_actions": ["deploy", "checkpoint"]}, "5.0.2", "required_actions: checkpoint is no action that OpenNebula 5.0.2 calls on the front-end"),
    ({"required_actions": ["poll"]}, "5.0.2", "required_actions must have deploy"),
    ({"regions": {}}, "5.0.2", "regions is no option"),
]


@pytest.mark.parametrize("options, release, expected", WRONG, ids=[expected[:40] for unused, unused_too, expected in WRONG])
def test_mistake_is_named(options, release, expected):
    found = custom.problems(cloud(release, **options), release)
    assert [problem for problem in found if expected in problem], found


def test_mistakes_come_together():
    found = custom.problems({"provider": "custom", "name": "a b", "probes": {"x": "", "y": "echo"}, "actions": {"deploy": 1}, "type": "lxd"}, "5.0.2")
    assert len(found) == 6, found


def test_helper_without_interpreter_is_fine_beside_actions():
    declared = cloud(actions=dict(scripts("5.0.2"), **{"lib.rb": "class Cloud\nend\n"}))
    assert custom.problems(declared, "5.0.2") == []
