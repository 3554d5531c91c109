#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: driver_scripts_info
short_description: Read the probes and actions of a driver of one's own
version_added: "0.1.0"
description:
  - Lists the scripts of a driver and which actions it lacks, and on demand their contents, so that M(constellation.opennebula.driver_scripts) can write
    them on other front-ends.
  - Missing folders are an empty result, so that it can run on bare hosts. No script is run.
options:
  name:
    description: Name of the folders, C(im/<name>.d) and C(vmm/<name>).
    type: str
    required: true
  release:
    description: OpenNebula's release. It decides which actions there must be.
    type: str
    required: true
  remotes:
    description: OpenNebula's folder of drivers' scripts.
    type: path
    default: /var/lib/one/remotes
  reveal:
    description: Return the contents as well. They may have secrets, so give the task C(no_log=true).
    type: bool
    default: false
seealso:
  - module: constellation.opennebula.driver_scripts
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Read the scripts for My Cloud
  constellation.opennebula.driver_scripts_info:
    name: mycloud
    release: "5.0"
    reveal: true
  register: mycloud
  no_log: true
"""

RETURN = r"""
probes:
  description: The files in C(im/<name>.d), sorted by name.
  returned: always
  type: list
  elements: dict
  sample:
    - {name: monitor, mode: "0755", owner: oneadmin, group: oneadmin, executable: true}
actions:
  description: The files in C(vmm/<name>), sorted by name.
  returned: always
  type: list
  elements: dict
  sample:
    - {name: deploy, mode: "0755", owner: oneadmin, group: oneadmin, executable: true}
missing_actions:
  description: Actions that the release may call and that are not there, or not executable.
  returned: always
  type: list
  elements: str
  sample: [reset]
contents:
  description: Texts by file name, in C(probes) and C(actions).
  returned: when O(reveal) is true
  type: dict
"""

from ..module_utils import glue
from ..module_utils.adapters.scripts import Scripts
from ..module_utils.core import driver_scripts


def read(params, scripts):
    places = driver_scripts.folders(params["name"], params["remotes"])
    rows = {option: {name: scripts.row(f"{folder}/{name}") for name in scripts.names(folder) or []} for option, folder in places.items()}
    result = driver_scripts.described(rows, params["release"])
    if params["reveal"]:
        result["contents"] = {option: {file["name"]: scripts.read(f"{place}/{file['name']}")["content"] for file in result[option]}
                              for option, place in places.items()}
    return result


def main():
    module = glue.module(argument_spec=dict(
        name=dict(type="str", required=True),
        release=dict(type="str", required=True),
        remotes=dict(type="path", default="/var/lib/one/remotes"),
        reveal=dict(type="bool", default=False),
    ))
    glue.run(module, lambda: read(module.params, Scripts()))


if __name__ == "__main__":
    main()
