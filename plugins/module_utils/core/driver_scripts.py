# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts of a driver that its operator wrote: which there must be, how they are called, and what their probes must say.

Two generations, and what OpenNebula's drivers do with the scripts (tags release-3.0 to release-5.10.5 of github.com/OpenNebula/one)::

    3   VM_MAD one_vmm_sh; hosts are monitored by one_im_dummy, which has no probes. one_im_dummy comes with 2.2 to 5.10.
    5   VM_MAD one_vmm_sh and IM_MAD one_im_sh with probes. The daemon knows PUBLIC_CLOUD from 4.4 on.

From 5.12 on both are otherwise: one_im_dummy is gone, and one_im_sh starts a client (im/<name>.d/monitord-client.rb) that runs probes of another
layout (im/<name>-probes.d/host/monitor, vm/status, …). Drivers of this kind are refused there.

src/im_mad/remotes/run_probes runs the executable files of im/<name>.d in the order of their names, in that folder, each with all its own
arguments; one that does not end with 0 spoils the whole answer. Names of packages' leftovers are passed over (from 4.14 on), and a name with a blank breaks.
"""
from __future__ import annotations

import re
from dataclasses import dataclass

from . import oned_conf, versions
from .errors import NotThere, Problems
from .plan import Change, Plan

REMOTES = "/var/lib/one/remotes"
EXECUTABLE, PLAIN = "0755", "0644"          # as install.sh and the packages leave OpenNebula's own
META = ("mode", "owner", "group")
GENERATIONS = {3: ((3, 0), (5, 10)), 5: ((4, 4), (5, 10))}
DUMMY_HYPERVISOR = "dummy"                  # src/im_mad/dummy/one_im_dummy.rb

# Folders below remotes/im and remotes/vmm that releases 3.2 to 5.10 bring themselves
TAKEN = frozenset("az collectd common dummy ec2 ganglia kvm kvm-probes lib lxd lxd-probes node-probes nsx one packet sl vcenter vmware xen xen-probes "
                  "xen3 xen3-probes xen4 xen4-probes".split())
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\Z")
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\Z")
LEFTOVER = re.compile(r"\.(rpmnew|rpmsave|dpkg-\w+)\Z")
SHOWN = 300                                 # characters of a probe's output in an error


@dataclass(frozen=True)
class Action:
    """A script that one_vmm_sh runs on the front-end. ``since``: the first release that does; arguments are those before the VM's id and the host's name."""

    name: str
    since: tuple
    does: str
    arguments: tuple
    prints: str = "nothing"


DEPLOY_ID = "deploy_id"
STATES = "a active, p paused, e error, d not there any more, - unknown"
# since: -l of src/vmm_mad/exec/one_vmm_sh; what it does not name there runs over SSH on a host that a cloud does not have. arguments: the steps in
# src/vmm_mad/exec/one_vmm_exec.rb. The 3.2 guide also lists "checkpoint": nothing calls it, in no release.
ACTIONS = (
    Action("deploy", (3, 0), "Start the virtual machine that the deployment file describes", ("deployment_file", "host"),
           "the id that the provider gave the machine, one word; later actions get it back as deploy_id"),
    Action("shutdown", (3, 0), "Shut the machine down in order; end when it is down", (DEPLOY_ID, "host")),
    Action("cancel", (3, 0), "Destroy the machine at once", (DEPLOY_ID, "host")),
    Action("save", (3, 0), "Suspend the machine and keep its state", (DEPLOY_ID, "checkpoint_file", "host")),
    Action("restore", (3, 0), "Resume a machine that was saved", ("checkpoint_file", "host", DEPLOY_ID)),
    Action("migrate", (3, 0), "Move the running machine to another host", (DEPLOY_ID, "destination_host", "host")),
    Action("poll", (3, 0), "Tell how the machine is", (DEPLOY_ID, "host"), f"one line, such as STATE=a CPU=12 MEMORY=262144 NETRX=0 NETTX=0; STATE: {STATES}"),
    Action("reboot", (3, 2), "Reboot the machine in order", (DEPLOY_ID, "host")),
    Action("snapshot_create", (4, 0), "Make a snapshot of the machine", (DEPLOY_ID, "snapshot_id"), "the name by which the snapshot is found again"),
    Action("snapshot_revert", (4, 0), "Go back to a snapshot", (DEPLOY_ID, "snapshot_name")),
    Action("snapshot_delete", (4, 0), "Delete a snapshot", (DEPLOY_ID, "snapshot_name")),
    Action("attach_nic", (4, 2), "Add a network interface to the running machine", (DEPLOY_ID, "mac", "bridge", "model", "network_driver", "target")),
    Action("detach_nic", (4, 2), "Take a network interface away", (DEPLOY_ID, "mac")),
    Action("reset", (4, 10), "Reset the machine at once", (DEPLOY_ID, "host")),
    Action("attach_disk", (5, 0), "Add a disk to the running machine", (DEPLOY_ID, "disk_path", "target", "target_index", "driver_message")),
    Action("detach_disk", (5, 0), "Take a disk away", (DEPLOY_ID, "disk_path", "target", "target_index")),
    Action("prereconfigure", (5, 0), "Get ready for new contextualisation", (DEPLOY_ID, "context_target")),
    Action("reconfigure", (5, 0), "Give the machine its new contextualisation", (DEPLOY_ID, "context_target", "context_path")),
)
# Arguments that came later than their action
LATER = {("restore", DEPLOY_ID): (4, 4), ("attach_nic", "target"): (5, 0)}


def actions(release):
    """Return the Actions that the release's one_vmm_sh runs on the front-end."""
    return tuple(action for action in ACTIONS if action.since <= versions.number(release))


def arguments(action, release):
    """Return the names of all arguments that the release gives the action."""
    own = tuple(name for name in action.arguments if LATER.get((action.name, name), (0, 0)) <= versions.number(release))
    return own + ("vm_id", "host_name")


def default_generation(release):
    """Return the generation that a release is meant for: 3 until the daemon knows clouds."""
    return 3 if versions.number(release) < GENERATIONS[5][0] else 5


def generation_problems(generation, release):
    """Return why a release cannot run drivers of a generation."""
    first, last = GENERATIONS[generation]
    if first <= versions.number(release) <= last:
        return []
    why = f"OpenNebula {release} cannot run it: it works with {versions.text(first)} to {versions.text(last)}"
    if versions.number(release) > last:
        why += "; later releases have no one_im_dummy and want a monitord client and probes of another layout (im/<name>-probes.d)"
    return [f"generation {generation}: {why}"]


def name_problems(name):
    if not isinstance(name, str):
        return []
    if not NAME.match(name):
        return [f"name {name!r} names folders and stands in the driver's arguments: letters, digits, '_' and '-' only, no '-' first"]
    return [f"name {name}: OpenNebula brings remotes/im/{name}.d or remotes/vmm/{name} itself; choose another"] if name in TAKEN else []


def required(names, release):
    """Return the names of the actions that there must be: the operator's, else all that the release may call."""
    return [str(name) for name in names] if names is not None else [action.name for action in actions(release)]


def problems(generation, release, probes, given_actions, required_actions):
    """Return the mistakes that show in the scripts themselves; nothing is run. None for probes or actions: they are in place already."""
    known = [action.name for action in actions(release)]
    found = [f"required_actions: {name} is no action that OpenNebula {release} calls on the front-end; use some of: {', '.join(known)}"
             for name in required_actions or () if name not in known]
    if required_actions is not None and "deploy" not in required_actions:
        found.append("required_actions must have deploy: without it there is no virtual machine")
    if generation == 3 and probes:
        found.append("probes: a driver of generation 3 is monitored by one_im_dummy, which runs none")
    if generation == 5 and probes is not None and not probes:
        found.append("probes is empty: without one the host never gets PUBLIC_CLOUD and counts as a local one")
    for option, files in (("probes", probes), ("actions", given_actions)):
        for name, content in (files or {}).items():
            found += _file_problems(option, name, content, option == "probes" or name in known)
    if given_actions is not None:
        missing = [name for name in required(required_actions, release) if name not in given_actions]
        found += [f"actions: {', '.join(missing)} missing; OpenNebula {release} may call {'them' if len(missing) > 1 else 'it'}"] if missing else []
    return found


def _file_problems(option, name, content, runs):
    where = f"{option}.{name}"
    if not isinstance(name, str) or not FILE_NAME.match(name):
        return [_file_name_problem(option, name)]
    found = []
    if option == "probes" and LEFTOVER.search(name):
        found.append(f"{where}: files of this ending are passed over when probes run")
    if not isinstance(content, str) or not content.strip():
        return found + [f"{where} is empty"]
    first = content.split("\n", 1)[0]
    if runs and not re.match(r"#!\s*/", first):
        found.append(f"{where} does not begin with #! and the path of its interpreter")
    elif runs and first.endswith("\r"):
        found.append(f"{where} has a carriage return at the end of its first line, so its interpreter would not be found; save it with Unix line ends")
    return found


def _file_name_problem(option, name):
    return f"{option}: {str(name)!r} is no plain file name: letters, digits, '.', '_' and '-' only"


def folders(name, remotes=REMOTES):
    """Return {"probes": folder, "actions": folder}.

    >>> folders("mycloud")["probes"]
    '/var/lib/one/remotes/im/mycloud.d'
    """
    return {"probes": f"{remotes}/im/{name}.d", "actions": f"{remotes}/vmm/{name}"}


def wanted(name, remotes, probes, given_actions, owner, group):
    """Return {path: {content, mode, owner, group}} of the files that were given. A file with #! is executable, others are read by scripts."""
    places = folders(name, remotes)
    files = {}
    for option, given in (("probes", probes), ("actions", given_actions)):
        for file, content in (given or {}).items():
            mode = EXECUTABLE if str(content).startswith("#!") else PLAIN
            files[f"{places[option]}/{file}"] = {"content": content, "mode": mode, "owner": owner, "group": group}
    return files


def probe_arguments(name, host, host_id):
    """Return what run_probes hands to each probe: one_im_exec.rb, action_monitor, and do_action, which adds id and host."""
    return [name, "/var/lib/one/datastores", "4124", "20", str(host_id), host]


def interpreter(content):
    """Return the program that the first line names, as its path or, behind env, its name.

    >>> interpreter("#!/usr/bin/env ruby -w\\n"), interpreter("#! /bin/sh\\n")
    ('ruby', '/bin/sh')
    """
    words = content.split("\n", 1)[0][2:].split()
    if words[0].rpartition("/")[2] == "env":
        named = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        return named[0] if named else words[0]
    return words[0]


def check(params):
    """Refuse scripts that are wrong in themselves; nothing is read or run."""
    found = name_problems(params["name"])
    if params["state"] == "present":
        impossible = generation_problems(params["generation"], params["release"])
        found += impossible or problems(params["generation"], params["release"], params["probes"], params["actions"], params["required_actions"])
    else:
        found += [_file_name_problem(option, name) for option in ("probes", "actions") for name in params[option] or {} if not FILE_NAME.match(str(name))]
    if found:
        raise Problems(f"cannot use the scripts of driver {params['name']}", found, "Nothing was touched.")


def in_place_problems(params, present):
    """Return what is missing among scripts that are in place already. present: {"probes": {name: row or None}, "actions": …}, None without a folder."""
    found, places = [], folders(params["name"], params["remotes"])
    if params["actions"] is None:
        rows = present["actions"] or {}
        for name in required(params["required_actions"], params["release"]):
            if rows.get(name) is None:
                found.append(f"{places['actions']}/{name} is missing; OpenNebula {params['release']} may call it")
            elif not executable(rows[name]):
                found.append(f"{places['actions']}/{name} is not executable: its mode is {rows[name]['mode']}")
    if params["probes"] is None and params["generation"] == 5:
        if not any(row and executable(row) for name, row in (present["probes"] or {}).items() if not LEFTOVER.search(name)):
            found.append(f"{places['probes']} has no executable file, so the host would never be monitored")
    return found


def executable(row):
    return bool(int(row["mode"], 8) & 0o111)


def judge(runs, hypervisor, release, texts=()):
    """Refuse what probes did. runs: rows {probe, code, out, err, why}; texts: contents in which secrets may be, so that an error shows none.

    Each output must be of the daemon's grammar, all together must say PUBLIC_CLOUD and HYPERVISOR.
    """
    found = []
    for run in runs:
        if run["why"] or run["code"] != 0:
            said = shown(run["err"] or run["out"], texts)
            found.append(f"probe {run['probe']} {run['why'] or 'ended with ' + str(run['code'])}" + (f": {said}" if said else ", and said nothing"))
            continue
        try:
            oned_conf.parse(run["out"] + "\n", release=release)
        except oned_conf.NotParsed as error:
            found.append(f"probe {run['probe']}: OpenNebula cannot read what it prints: {error.where}: {error.why}")
    if not runs:
        found.append("no probe is executable")
    if not found:
        found = _said_problems("".join(run["out"] for run in runs) + "\n", hypervisor, release, texts)
    if found:
        raise Problems("the probes do not work", found, "The scripts in place were left alone. Run a probe by hand as oneadmin to see more.")


def _said_problems(text, hypervisor, release, texts):
    try:
        said = oned_conf.parse(text, release=release)
    except oned_conf.NotParsed as error:
        return [f"OpenNebula cannot read what the probes print together: {error.why}; let each end its last line"]
    found, words = [], {name: said.get(name) for name in ("PUBLIC_CLOUD", "HYPERVISOR")}
    if words["PUBLIC_CLOUD"] != "YES":
        found.append(f"no probe prints PUBLIC_CLOUD=\"YES\" ({_told(words['PUBLIC_CLOUD'], texts)}): the host would count as a local one")
    if words["HYPERVISOR"] != hypervisor:
        found.append(f"no probe prints HYPERVISOR=\"{hypervisor}\" ({_told(words['HYPERVISOR'], texts)}): the scheduler compares it with PUBLIC_CLOUD TYPE of "
                     "the templates; say in option hypervisor what it is meant to be")
    return found


def _told(value, texts):
    return "it is not there" if value is None else f"it is {shown(str(value), texts)!r}"


_SECRET = re.compile(r"""(?i)(?<![\w.-])[\w.-]*(?:pass|secret|token|credential|auth|key)[\w.-]*["']?[ \t]*(?:=>|[:=])[ \t]*["']?([^\s"',;]{4,})""")


def shown(text, texts=()):
    """Return the end of a program's output as one line, without the values that the scripts assign to names such as API_KEY.

    >>> shown("+ curl -u me:hunter2\\nno route\\n", ["PASSWORD=hunter2"])
    '+ curl -u me:(secret) | no route'
    """
    secrets = {value for content in texts for value in _SECRET.findall(content)}
    for value in sorted(secrets, key=len, reverse=True):
        text = text.replace(value, "(secret)")
    line = " | ".join(part.strip() for part in text.split("\n") if part.strip())
    return oned_conf.printable(line if len(line) <= SHOWN else "… " + line[-SHOWN:])


def plan_present(have, files):
    """Return the Plan that puts files into place; texts are never shown, they may have secrets."""
    return Plan(tuple(_change(path, have[path], file) for path, file in files.items() if have[path] is None or have[path] != file))


def _change(path, now, want):
    before, after = now and {name: now[name] for name in META}, {name: want[name] for name in META}
    return Change("script", path, before, after if now and now["content"] == want["content"] else dict(after, content="changed"))


def plan_absent(have, files, names):
    """Return the Plan that takes files away, and folders that nothing else is in. names: {folder: file names in it, None without a folder}."""
    gone = [path for path in files if have[path] is not None]
    changes = [Change("script", path, {name: have[path][name] for name in META}, None) for path in gone]
    for folder, inside in names.items():
        if inside is not None and any(path.rpartition("/")[0] == folder for path in files) and all(f"{folder}/{name}" in gone for name in inside):
            changes.append(Change("folder", folder, "of the driver", None))
    return Plan(tuple(changes))


def not_installed(remotes):
    return NotThere("there is no folder for drivers' scripts", remotes, "no such directory", "Install the package opennebula first.")


def missing(found):
    return Problems("the driver's scripts are not all in place", found, "Install them, or give them in probes and actions.")


def described(rows, release):
    """Return {probes, actions, missing_actions}; rows: {"probes": {name: row or None}, "actions": …}."""
    lists = {option: [dict(row, name=name, executable=executable(row)) for name, row in sorted(found.items()) if row] for option, found in rows.items()}
    able = {file["name"] for file in lists["actions"] if file["executable"]}
    return dict(lists, missing_actions=[action.name for action in actions(release) if action.name not in able])
