# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the front-ends of a zone need for its clouds, its scheduler and its host hook: options of our modules, ready to use.

The kinds of cloud are in clouds/, one file each; here they are checked together and put together.
"""
from __future__ import annotations

import re
from dataclasses import fields

from . import driver_conf, host_hook, hosts, oned_conf_edit, scheduler, versions
from .clouds import azure, common, custom, driver, ec2, elastichosts, opennebula
from .errors import Problems

ONED_CONF, MONITORD_CONF, REMOTES = "/etc/one/oned.conf", "/etc/one/monitord.conf", "/var/lib/one/remotes"
PROVIDERS = {"ec2": ec2, "azure": azure, "opennebula": opennebula, "elastichosts": elastichosts, "custom": custom}
LOCAL = re.compile(r"((im|vmm)_)?(kvm|qemu|xen[34]?|vmware|vcenter|lx[cd]|firecracker)\Z")       # hypervisors' drivers of 3.0 to 7.0
ONE_FILE = ("ec2", "azure", "elastichosts")             # providers whose driver has one file for all its hosts


def plan(wanted, release):
    """Return the plan of a zone as plain data: problems, warnings and the options of each module (see Driver; texts are for host_files).

    wanted: {clouds: [...], scheduler: {...}, host_hook: {...}} as the role's variables have them. With problems (sentences, all of them at
    once) everything else is empty, so that nothing can be done with half of it.
    """
    clouds, hook, schedule = (wanted.get(part) or empty for part, empty in (("clouds", []), ("host_hook", {}), ("scheduler", {})))
    problems = cloud_problems(clouds, release)
    problems += [f"drivers_host_hook: {problem}" for problem in host_hook.problems(hook, release)]
    problems += [f"drivers_{problem}" for problem in scheduler.problems(schedule, release)]
    drivers = [] if problems else [(cloud, PROVIDERS[cloud["provider"]].describe(cloud, release)) for cloud in clouds]
    problems += _stanza_problems(drivers) or _refused_later(drivers)
    if problems:
        drivers, hook, schedule = [], {}, {}
    parts = {part.name: [item for unused, found in drivers for item in getattr(found, part.name)] for part in fields(driver.Driver)}
    hooked, scheduled = host_hook.describe(hook, release), scheduler.describe(schedule, release)
    listed = [_prioritized(host, cloud, schedule, release) for cloud, found in drivers for host in found.hosts]
    del parts["hosts"]
    scripts = parts.pop("scripts")
    return dict(
        parts, problems=problems, texts=list(hooked.files),
        programs=[path for cloud, unused in drivers for path in _installed_by_hand(cloud, release)] + list(hooked.programs),
        stanzas=_once(parts["stanzas"] + list(hooked.stanzas)), warnings=parts["warnings"] + list(hooked.warnings + scheduled.warnings),
        scripts_present=[item for item in scripts if item["state"] == "present"],
        scripts_absent=[item for item in scripts if item["state"] == "absent"],
        hosts_present=[host for host in listed if host["state"] == "present"], hosts_absent=[host for host in listed if host["state"] == "absent"],
        update_secrets="always" if versions.tells_secrets(release) else "on_create",
        config_files=_config_files(parts, scheduled, hooked),
        scheduler={"path": scheduled.path, "attributes": list(scheduled.attributes), "stanzas": list(scheduled.stanzas)})


def _stanza_problems(drivers):
    """Return the sentences about clouds whose stanza is another driver's: one would undo what the other does, or a zone's own hosts would be lost."""
    found, owners = [], {}
    for number, (cloud, made) in enumerate(drivers):
        where = f"drivers_clouds[{number}]"
        for stanza in _stanzas(made):
            what, known = f"{stanza['section']} {stanza['name']}", owners.setdefault((stanza["section"], stanza["name"]), (where, stanza))
            if LOCAL.match(stanza["name"]):
                found.append(f"{where} ({cloud['provider']}): {what} is the driver of local hosts; a cloud must have another name")
            elif known[1] != stanza:
                found.append(f"{where} ({cloud['provider']}): {what} is {known[0]}'s, with other settings; two drivers need two names")
    return found


def _refused_later(drivers):
    """Return what the modules would refuse, each in its turn, when others have changed something already."""
    found = []
    for unused, made in drivers:
        for check, options in ((hosts.wanted, made.hosts), (driver_conf.wanted, made.files),
                               (lambda stanzas: oned_conf_edit.wanted((), stanzas), _stanzas(made))):
            try:
                check(options)
            except Problems as error:
                found += [f"drivers_clouds: {problem}" for problem in error.problems]
    return found


def _stanzas(made):
    return made.stanzas + made.monitor_stanzas


def _once(stanzas):
    """Return the stanzas without repetitions: several clouds may need the same shared one, such as that of the dummy driver."""
    return [stanza for place, stanza in enumerate(stanzas) if stanza not in stanzas[:place]]


def _config_files(parts, scheduled, hooked):
    """Return the files for which the daemon must be restarted when they are newer than it.

    mm_sched starts and stops with the daemon: by the script "one" in the Debian packages, by BindTo of their units in those of EL (5.0.2).
    """
    files = [ONED_CONF] if parts["stanzas"] or hooked.stanzas else []
    files += [MONITORD_CONF] if parts["monitor_stanzas"] else []
    files += [scheduled.path] if scheduled.attributes or scheduled.stanzas else []
    return files + parts["read_at_start"]


def _installed_by_hand(cloud, release):
    """Return what must be on the host of an add-on whose scripts are in remotes/. ElasticHosts has none there; custom ones are checked with their scripts."""
    if not cloud.get("addon") or cloud.get("state", "present") != "present" or cloud["provider"] in ("elastichosts", "custom"):
        return []
    name = cloud.get("name") or common.default_name(cloud["provider"])
    folder = [f"{REMOTES}/im/{name}.d"] if versions.information_driver(release) == versions.ONE_IM_SH else []
    return folder + [f"{REMOTES}/vmm/{name}/deploy"]


def _prioritized(host, cloud, schedule, release):
    """Return the host with the priority that it needs behind local ones; what the inventory says of it wins."""
    if not schedule.get("local_first") or host.get("state") == "absent":
        return host
    given = host.get("attributes") or {}
    known = {name.upper() for name in given}
    needed = scheduler.host_attributes(cloud["provider"], release, bool(cloud.get("addon")))
    return dict(host, attributes={**{name: value for name, value in needed.items() if name not in known}, **given})


def cloud_problems(clouds, release):
    """Return the mistakes of all declared clouds, each with the place it is at."""
    found, seen = [], {}
    for number, cloud in enumerate(clouds):
        where = f"drivers_clouds[{number}]"
        kind = PROVIDERS.get(str(cloud.get("provider"))) if isinstance(cloud, dict) else None
        if kind is None:
            found.append(f"{where}: provider must be one of {', '.join(PROVIDERS)}")
            continue
        found += [f"{where} ({cloud['provider']}): {problem}" for problem in kind.problems(cloud, release)]
        name = cloud.get("name") or common.default_name(cloud["provider"])
        twin = seen.setdefault(cloud["provider"] if cloud["provider"] in ONE_FILE else (cloud["provider"], str(name)), where)
        if twin != where:
            found.append(f"{where} ({cloud['provider']}): is the same driver as {twin}; declare it once, with all its regions and hosts")
    names = [host["name"] for cloud in clouds if isinstance(cloud, dict) for host in common.named_hosts(cloud)]
    found += [f"drivers_clouds: host {name} is there {names.count(name)} times" for name in sorted(set(filter(None, names))) if names.count(name) > 1]
    return found
