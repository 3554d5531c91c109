# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A provider for which the operator wrote the driver's scripts; both generations of them (see driver_scripts).

Names of the drivers are those of the guides (cloud_provider_driver of 3.2, Cloud Bursting Driver of 5.0): vmm_<name>, and im_<name> or the dummy.

Generation 3 from 4.4 on: one_im_dummy does not say PUBLIC_CLOUD, and without it the scheduler takes the host for a local one and the daemon
transfers images to it. Monitoring leaves attributes alone that it does not bring (Host::update_info merges), so the host gets PUBLIC_CLOUD as an
attribute of its own. Its HYPERVISOR is one_im_dummy's, and PUBLIC_CLOUD TYPE of templates must be the same.
"""
from __future__ import annotations

from .. import driver_scripts, versions
from . import common
from .driver import Driver, Option, filled

OPTIONS = {
    "generation": Option("int", choices=tuple(driver_scripts.GENERATIONS)),
    "im_name": Option(),
    "vm_name": Option(),
    "type": Option(default="xml"),
    "sunstone_name": Option(),
    "keep_snapshots": Option("bool"),
    "defaults": Option("dict", default={}),
    "hypervisor": Option(),
    "probes": Option("dict"),
    "actions": Option("dict"),
    "required_actions": Option("list"),
    "probe_timeout_s": Option("int", default=60),
}
SINCE = {"keep_snapshots": (5, 0), "sunstone_name": (5, 0)}
CONF = "vmm_exec/vmm_exec_{name}.conf"
CLOUDS_SINCE = (4, 4)           # Host.cc, VirtualMachineXML.cc: the first release that reads PUBLIC_CLOUD of a host
DUMMY = {"section": "TM_MAD", "key": "ARGUMENTS", "flag": "-d", "value": "dummy",
         "why": "virtual machines of a driver of generation 3 need the transfer driver dummy"}


def problems(cloud, release):
    """Return all mistakes of a declared cloud, sentences that begin with the option they mean."""
    cloud, listed = _with_files(cloud)
    cloud, found = common.check(cloud, release, OPTIONS)
    found = listed + found
    if not cloud.get("name"):
        found.append("name is missing: it is the name of the folders of scripts, such as mycloud")
    found += driver_scripts.name_problems(cloud.get("name"))
    generation = cloud["generation"] or driver_scripts.default_generation(release)
    if not isinstance(generation, int) or generation not in driver_scripts.GENERATIONS:
        return found
    impossible = driver_scripts.generation_problems(generation, release)
    if impossible:
        return found + impossible
    if isinstance(cloud["type"], str) and cloud["type"].upper() not in versions.vm_types(release):
        known = ", ".join(name.lower() for name in versions.vm_types(release))
        found.append(f"type {cloud['type']}: the daemon of OpenNebula {release} loads {known} only, and passes the driver over otherwise")
    found += [f"{option}: OpenNebula {release} has no such thing; from {versions.text(first)}" for option, first in SINCE.items()
              if cloud[option] is not None and versions.number(release) < first]
    found += _argument_problems(cloud, generation)
    found += common.defaults_problems(common.dictionary(cloud, "defaults"))
    if isinstance(cloud["probe_timeout_s"], int) and cloud["probe_timeout_s"] < 1:
        found.append("probe_timeout_s must be at least 1 second")
    return found + (_script_problems(cloud, generation, release) if cloud["state"] != "absent" else [])


def _with_files(cloud):
    """Return (the cloud with its scripts as {file: text}, mistakes): a list of {name, content} is as good as a dictionary."""
    found, changed = [], {}
    for option in ("probes", "actions"):
        value = cloud.get(option)
        if not isinstance(value, (list, tuple)):
            continue
        whole = all(isinstance(item, dict) and set(item) == {"name", "content"} and isinstance(item["name"], str) for item in value)
        names = [item["name"] for item in value] if whole else []
        if not whole:
            found.append(f"{option} must be a dictionary of file names and texts, or a list of name and content")
        found += [f"{option}: {name} is there twice" for name in sorted({str(name) for name in names if names.count(name) > 1})]
        changed[option] = {item["name"]: item["content"] for item in value} if whole else None
    return dict(cloud, **changed), found


def _argument_problems(cloud, generation):
    found = [f"{option}: {cloud['name']} must be one of its words, the driver finds its folder of scripts by it" for option in ("im_arguments", "vm_arguments")
             if isinstance(cloud[option], str) and isinstance(cloud["name"], str) and cloud["name"] not in cloud[option].split()]
    if generation == 3:
        found += ["im_arguments: one_im_dummy, which monitors generation 3, takes none"] if cloud["im_arguments"] else []
        if cloud["hypervisor"] not in (None, driver_scripts.DUMMY_HYPERVISOR):
            found.append(f"hypervisor: one_im_dummy, which monitors generation 3, always says {driver_scripts.DUMMY_HYPERVISOR}")
    elif cloud["defaults"]:
        found.append("defaults is only for generation 3, whose VM_MAD has a DEFAULT")
    return found


def _script_problems(cloud, generation, release):
    probes, actions, needed = (cloud[option] for option in ("probes", "actions", "required_actions"))
    found = [f"{option} is missing; who has put the scripts into place says addon: true" for option in ("probes", "actions")[generation == 3:]
             if cloud[option] is None and not cloud["addon"] and cloud["state"] == "present"]
    fine = all(given is None or isinstance(given, dict) for given in (probes, actions)) and (needed is None or isinstance(needed, (list, tuple)))
    return found + (driver_scripts.problems(generation, release, probes, actions, needed) if fine else [])


def describe(cloud, release):
    """Return the Driver of a cloud without problems."""
    cloud = filled(_with_files(cloud)[0], {**common.COMMON, **OPTIONS})
    name, state = cloud["name"], cloud["state"]
    generation = cloud["generation"] or driver_scripts.default_generation(release)
    im_name = cloud["im_name"] or (_dummy_name(release) if generation == 3 else f"im_{name}")
    vm_name = cloud["vm_name"] or f"vmm_{name}"
    virtualization = common.stanza("VM_MAD", vm_name, _virtualization(cloud, generation), state)
    own = {"PUBLIC_CLOUD": "YES"} if generation == 3 and versions.number(release) >= CLOUDS_SINCE else {}
    shared, needs = _dummies(cloud, im_name, release) if generation == 3 else ((), ())
    information = () if generation == 3 else (common.stanza("IM_MAD", im_name, _information(cloud), state),)
    return Driver(
        stanzas=information + (virtualization,) + shared,
        files=tuple(_files(cloud)) if generation == 3 and state != "commented" else (),
        scripts=tuple(_scripts(cloud, generation, release)),
        hosts=tuple(dict(common.host(cloud, release, item, own), im=im_name, vm=vm_name) for item in cloud["hosts"]),
        needs=needs,
        warnings=tuple(_warnings(cloud, generation, release, im_name)))


def _dummy_name(release):
    """Return the name of the shipped one_im_dummy stanza: share/etc/oned.conf to 3.8, and from 4.0."""
    return "im_dummy" if versions.number(release) < (4, 0) else "dummy"


def _information(cloud):
    shown = {"SUNSTONE_NAME": cloud["sunstone_name"]} if cloud["sunstone_name"] else {}
    return {"EXECUTABLE": "one_im_sh", "ARGUMENTS": cloud["im_arguments"] or f"-c -t 1 -r 0 {cloud['name']}", **shown}


def _virtualization(cloud, generation):
    settings = {"EXECUTABLE": "one_vmm_sh", "ARGUMENTS": cloud["vm_arguments"] or f"-t 15 -r 0 {cloud['name']}"}
    settings.update({"DEFAULT": CONF.format(name=cloud["name"])} if generation == 3 else {})
    settings["TYPE"] = cloud["type"]
    settings.update({"SUNSTONE_NAME": cloud["sunstone_name"]} if cloud["sunstone_name"] else {})
    settings.update({"KEEP_SNAPSHOTS": "yes" if cloud["keep_snapshots"] else "no"} if cloud["keep_snapshots"] is not None else {})
    return settings


def _dummies(cloud, im_name, release):
    """Return (stanzas, needs). A cloud that goes or rests leaves the dummies alone: other hosts may use them."""
    if cloud["state"] != "present":
        return (), ()
    information = common.stanza("IM_MAD", im_name, {"EXECUTABLE": "one_im_dummy"}, "present")
    if versions.transfer_stanzas(release):
        return (information, common.stanza("TM_MAD", "tm_dummy", {"EXECUTABLE": "one_tm", "ARGUMENTS": "tm_dummy/tm_dummy.conf"}, "present")), ()
    return (information,), (DUMMY,) if versions.number(release) < CLOUDS_SINCE else ()    # nothing is transferred to a public cloud


def _files(cloud):
    """Return the file that DEFAULT names; the daemon logs an error when it is missing."""
    gone = cloud["state"] == "absent"
    names = {str(name).upper(): value for name, value in cloud["defaults"].items()}
    return [common.file(f"/etc/one/{CONF.format(name=cloud['name'])}", "oned", {} if gone else names, remove=[[name] for name in names] if gone else (),
                        create=not gone)]


def _scripts(cloud, generation, release):
    if cloud["state"] == "commented" or (cloud["state"] == "absent" and not (cloud["probes"] or cloud["actions"])):
        return []
    host = next((item["name"] for item in cloud["hosts"]), cloud["name"])
    return [{"name": cloud["name"], "generation": generation, "release": str(release), "probes": cloud["probes"] if generation == 5 else None,
             "actions": cloud["actions"], "required_actions": driver_scripts.required(cloud["required_actions"], release),
             "hypervisor": cloud["hypervisor"] or cloud["name"], "host": host, "probe_timeout_s": cloud["probe_timeout_s"], "state": cloud["state"]}]


def _warnings(cloud, generation, release, im_name):
    if generation != 3 or cloud["state"] != "present" or versions.number(release) < CLOUDS_SINCE:
        return []
    return [f"custom {cloud['name']}: hosts of generation 3 are monitored by {im_name}, with made-up capacity and HYPERVISOR = "
            f"{driver_scripts.DUMMY_HYPERVISOR}, so PUBLIC_CLOUD TYPE of templates must be {driver_scripts.DUMMY_HYPERVISOR}, and the scheduler tells "
            "such clouds apart by SCHED_REQUIREMENTS only"]
