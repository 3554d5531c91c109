# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ElasticHosts: an add-on from outside of OpenNebula, written for 2.0, which its operator installs (addon: true).

Its own TYPE "eh" is known only to a 2.0 daemon with the add-on's core patch. Every daemon without it, 2.0 to 7.4, logs "Unknown driver type" for
anything but the types in versions.vm_types, passes the driver over and runs on, and virtual machines for it fail later. So the default is "xml" from
3.0 on, where the patch (three files of 2.0's sources) does not apply any more, and "eh" before.

Its virtual machines need no transfer: the host used to be created with tm_dummy, to 3.2 a TM_MAD stanza of its own. From 3.4 a single TM_MAD lists
the drivers in ARGUMENTS (-d); that list is the operator's, and all shipped ones from 3.4 to 7.4.0 have dummy. It is checked (Driver.needs), not changed.
"""
from __future__ import annotations

import re

from .. import versions
from . import common
from .driver import Driver, Option, filled

OPTIONS = {
    "type": Option(),
    "total_memory": Option("int"),
    "total_cpu": Option("int"),
    "auth": Option(),
    "domain_defaults": Option("dict", default={}),
}
# the add-on's im_ehrc as its guide shows it
SHIPPED_CAPACITY = {"TOTAL_MEMORY": 2048, "TOTAL_CPU": 2}
IM_RC, VMM_RC, VMM_CONF = "/etc/one/im_eh/im_ehrc", "/etc/one/vmm_eh/vmm_ehrc", "/etc/one/vmm_eh/vmm_eh.conf"
SECTION = "EH"
DUMMY = {"section": "TM_MAD", "key": "ARGUMENTS", "flag": "-d", "value": "dummy", "why": "virtual machines at ElasticHosts need the transfer driver dummy"}


def default_type(release):
    return "eh" if versions.number(release) < (3, 0) else "xml"


def problems(cloud, release):
    """Return all mistakes of a declared cloud, sentences that begin with the option they mean."""
    cloud, found = common.check(cloud, release, OPTIONS)
    if isinstance(cloud["type"], str) and cloud["type"].upper() not in versions.vm_types(release) + (("EH",) if versions.number(release) < (3, 0) else ()):
        known = ", ".join(name.lower() for name in versions.vm_types(release))
        found.append(f"type {cloud['type']}: the daemon of OpenNebula {release} loads {known} only, and passes the driver over otherwise")
    found += [f"{name} must be at least 1" for name in ("total_memory", "total_cpu") if isinstance(cloud[name], int) and cloud[name] < 1]
    if isinstance(cloud["auth"], str) and not re.match(r"\S+\Z", cloud["auth"]):
        found.append("auth must be the value of EHAUTH, without blanks")
    for name, value in common.dictionary(cloud, "domain_defaults").items():
        if not re.match(r"[A-Za-z][A-Za-z0-9_]*\Z", str(name)):
            found.append(f"domain_defaults.{name} is no attribute name: letters, digits and '_'")
        if isinstance(value, (dict, list, tuple)) or value is None:
            found.append(f"domain_defaults.{name} must be text or a number")
    return found


def describe(cloud, release):
    """Return the Driver of a cloud without problems."""
    cloud = filled(cloud, {**common.COMMON, **OPTIONS})
    name = cloud["name"] or common.default_name("elastichosts")
    im_name, vm_name = f"im_{name}", f"vmm_{name}"
    im_mad = {"EXECUTABLE": "one_im_eh", "ARGUMENTS": cloud["im_arguments"] or "im_eh/im_eh.conf", "DEFAULT": "im_eh/im_eh.conf"}
    vm_mad = {"EXECUTABLE": "one_vmm_eh", "DEFAULT": "vmm_eh/vmm_eh.conf", "TYPE": cloud["type"] or default_type(release)}
    vm_mad.update({"ARGUMENTS": cloud["vm_arguments"]} if cloud["vm_arguments"] else {})
    information, virtualization = common.stanza("IM_MAD", im_name, im_mad, cloud["state"]), common.stanza("VM_MAD", vm_name, vm_mad, cloud["state"])
    transfer, needs = _transfer(cloud, release)
    files = () if cloud["state"] == "commented" else tuple(_files(cloud))
    monitored = versions.information_driver(release) == versions.MONITORD
    return Driver(
        stanzas=((virtualization,) if monitored else (information, virtualization)) + transfer,
        monitor_stanzas=(information,) if monitored else (),
        files=files,
        read_at_start=tuple(file["path"] for file in files),
        hosts=tuple(dict(common.host(cloud, release, item), im=im_name, vm=vm_name) for item in cloud["hosts"]),
        needs=needs,
        warnings=tuple(_warnings(cloud, release)))


def _transfer(cloud, release):
    """Return (stanzas, needs). An absent or commented cloud leaves tm_dummy alone: other clouds may use it."""
    if cloud["state"] != "present":
        return (), ()
    if versions.transfer_stanzas(release):
        return (common.stanza("TM_MAD", "tm_dummy", {"EXECUTABLE": "one_tm", "ARGUMENTS": "tm_dummy/tm_dummy.conf"}, "present"),), ()
    return (), (DUMMY,)


def _files(cloud):
    gone = cloud["state"] == "absent"
    capacity = {"TOTAL_MEMORY": cloud["total_memory"], "TOTAL_CPU": cloud["total_cpu"]}
    capacity = {name: SHIPPED_CAPACITY[name] if gone else value for name, value in capacity.items() if value is not None}
    found = [common.file(IM_RC, "shell", capacity, create=not gone)] if capacity else []
    if cloud["auth"]:
        found.append(common.file(VMM_RC, "shell", {}, {} if gone else {"EHAUTH": cloud["auth"]}, [["EHAUTH"]] if gone else (), create=not gone))
    if cloud["domain_defaults"]:
        names = {str(name).upper(): value for name, value in cloud["domain_defaults"].items()}
        found.append(common.file(VMM_CONF, "oned", {} if gone else {SECTION: names}, remove=[[SECTION, name] for name in names] if gone else (),
                                 create=not gone))
    return found


def _warnings(cloud, release):
    told = []
    if cloud["state"] == "present" and versions.number(release) >= (3, 0):
        told.append(f"elastichosts: the add-on was written for OpenNebula 2.0; nobody has shown that it works with {release}")
    if cloud["state"] == "present" and not cloud["auth"]:
        told.append(f"elastichosts: auth is not given, so EHAUTH must be in {VMM_RC} or in the daemon's environment already")
    return told
