#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: driver_scripts
short_description: Install and check the probes and actions of a driver of one's own
version_added: "0.1.0"
description:
  - Puts an operator's scripts for a cloud provider where OpenNebula's C(one_im_sh) and C(one_vmm_sh) look for them, C(im/<name>.d) and C(vmm/<name>).
  - The actions that the release may call must all be there, and be executable. What begins with C(#!) gets mode C(0755), other files C(0644).
  - Before anything in place is replaced, the probes are run, as O(owner), in a copy of the folders, with the arguments that OpenNebula gives them and
    with a time limit. They must end with 0 and print C(PUBLIC_CLOUD="YES") and C(HYPERVISOR), in OpenNebula's syntax; else nothing is changed.
  - Probes run only when something is to be changed, and in an environment of their own that has nothing of the daemon's or Ansible's.
  - In check mode nothing is written and no script is run, so only what shows in the scripts themselves is checked.
  - Contents are neither shown nor logged. An error shows the end of what a probe printed, without values that the scripts assign to names such as
    C(API_KEY).
options:
  name:
    description: Name of the folders, as it stands in the ARGUMENTS of the driver's stanzas.
    type: str
    required: true
  release:
    description: OpenNebula's release. It decides which actions there must be.
    type: str
    required: true
  generation:
    description: V(5) has probes. V(3) is monitored by C(one_im_dummy) and has none.
    type: int
    choices: [3, 5]
    default: 5
  probes:
    description: Texts by file name. Without it probes must be in place already. Other files in the folder stay, and run as well.
    type: dict
  actions:
    description:
      - Texts by file name. Without it the actions must be in place already.
      - Files that are no action, such as libraries and settings, are welcome.
    type: dict
  required_actions:
    description: Actions that there must be, for a driver that can do less. Without it these are all that the release may call.
    type: list
    elements: str
  hypervisor:
    description: What the probes must print as C(HYPERVISOR). The scheduler compares it with C(TYPE) of a template's C(PUBLIC_CLOUD). O(name) by default.
    type: str
  host:
    description: Name of an OpenNebula host of this driver, for the arguments of the trial run. O(name) by default.
    type: str
  host_id:
    description: The host's ID, for the arguments of the trial run. A host that is still to be made has none.
    type: int
    default: -1
  probe_timeout_s:
    description: Seconds that all probes together may take.
    type: int
    default: 60
  remotes:
    description: OpenNebula's folder of drivers' scripts. It must be there, except in check mode.
    type: path
    default: /var/lib/one/remotes
  owner:
    description: User that owns the files and runs the probes.
    type: str
    default: oneadmin
  group:
    description: Group that owns the files.
    type: str
    default: oneadmin
  state:
    description: V(absent) removes the files that O(probes) and O(actions) name, and the driver's folders once they are empty.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: constellation.opennebula.driver_scripts_info
  - plugin: constellation.opennebula.script_tree
    plugin_type: lookup
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Install the scripts for My Cloud
  constellation.opennebula.driver_scripts:
    name: mycloud
    release: "5.0"
    probes: "{{ lookup('constellation.opennebula.script_tree', 'mycloud/probes') }}"
    actions: "{{ lookup('constellation.opennebula.script_tree', 'mycloud/actions') }}"
    host: remote_provider

- name: Check scripts that came in a package
  constellation.opennebula.driver_scripts:
    name: mycloud
    release: "5.0"
    required_actions: [deploy, shutdown, cancel, poll]
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode. Contents are not shown.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: script
      target: /var/lib/one/remotes/vmm/mycloud/deploy
      before: null
      after: {mode: "0755", owner: oneadmin, group: oneadmin, content: changed}
"""

from ..module_utils import glue
from ..module_utils.adapters.scripts import Scripts
from ..module_utils.core import driver_scripts
from ..module_utils.core.converge import converge
from ..module_utils.core.errors import Problems


def ensure(params, scripts, check_mode):
    driver_scripts.check(params)
    places = driver_scripts.folders(params["name"], params["remotes"])
    present = params["state"] == "present"
    if present and scripts.names(params["remotes"]) is None and not check_mode:
        raise driver_scripts.not_installed(params["remotes"])
    files = driver_scripts.wanted(params["name"], params["remotes"], params["probes"], params["actions"], params["owner"], params["group"])
    if present and not (check_mode and scripts.names(params["remotes"]) is None):
        found = driver_scripts.in_place_problems(params, rows_of(scripts, places))
        if found:
            raise driver_scripts.missing(found)

    def read():
        return {path: scripts.read(path) for path in files}

    def plan(have):
        if present:
            return driver_scripts.plan_present(have, files)
        return driver_scripts.plan_absent(have, files, {folder: scripts.names(folder) for folder in places.values()})

    def apply(todo):
        if not present:
            for change in todo:
                scripts.remove(change.target)
            return
        try_out(params, scripts, files, places)
        for option, folder in places.items():
            for path in (folder.rpartition("/")[0], folder) if params[option] else ():
                scripts.make_folder(path, params["owner"], params["group"])
        for change in todo:
            scripts.write(change.target, **files[change.target])

    return converge(read, plan, apply, check_mode)


def rows_of(scripts, places):
    """Return {"probes": {file name: row}, "actions": …}; None where there is no folder."""
    names = {option: scripts.names(folder) for option, folder in places.items()}
    return {option: None if names[option] is None else {name: scripts.row(f"{folder}/{name}") for name in names[option]} for option, folder in places.items()}


def try_out(params, scripts, files, places):
    """Refuse scripts that cannot run here, and probes that do not say what they must."""
    programs = sorted({driver_scripts.interpreter(file["content"]) for file in files.values() if file["mode"] == driver_scripts.EXECUTABLE})
    lacking = [program for program in programs if not scripts.can_run(program)]
    if lacking:
        raise Problems("the driver's scripts cannot run here", [f"there is no interpreter {program}" for program in lacking], "Install it first.")
    if params["generation"] != 5:
        return
    arguments = driver_scripts.probe_arguments(params["name"], params["host"] or params["name"], params["host_id"])
    runs = scripts.try_probes(params["remotes"], places["probes"], files, arguments, params["owner"], params["group"], params["probe_timeout_s"])
    driver_scripts.judge(runs, params["hypervisor"] or params["name"], params["release"], [file["content"] for file in files.values()])


def main():
    module = glue.module(argument_spec=dict(
        name=dict(type="str", required=True),
        release=dict(type="str", required=True),
        generation=dict(type="int", choices=[3, 5], default=5),
        probes=dict(type="dict", no_log=True),
        actions=dict(type="dict", no_log=True),
        required_actions=dict(type="list", elements="str"),
        hypervisor=dict(type="str"),
        host=dict(type="str"),
        host_id=dict(type="int", default=-1),
        probe_timeout_s=dict(type="int", default=60),
        remotes=dict(type="path", default="/var/lib/one/remotes"),
        owner=dict(type="str", default="oneadmin"),
        group=dict(type="str", default="oneadmin"),
        state=dict(type="str", choices=["present", "absent"], default="present"),
    ))
    glue.run(module, lambda: ensure(module.params, Scripts(), module.check_mode))


if __name__ == "__main__":
    main()
