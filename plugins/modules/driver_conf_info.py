#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: driver_conf_info
short_description: Read the settings in the files of OpenNebula's drivers
version_added: "0.1.0"
description:
  - Returns what the files say, in the shape that M(constellation.opennebula.driver_conf) takes; given back to it, nothing changes.
  - Values of keys that name secrets are left out. A missing file is left out, so that it can run on bare hosts.
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The file.
        type: path
        required: true
      format:
        description: How it is written, as in M(constellation.opennebula.driver_conf).
        type: str
        required: true
        choices: [yaml, template_xml, shell, oned]
seealso:
  - module: constellation.opennebula.driver_conf
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Read which regions the EC2 driver knows
  constellation.opennebula.driver_conf_info:
    files:
      - {path: /etc/one/ec2_driver.conf, format: yaml}
  register: ec2
"""

RETURN = r"""
files:
  description: The files that are there, in the order in which they were asked for.
  returned: always
  type: list
  elements: dict
  sample:
    - path: /etc/one/ec2_driver.conf
      format: yaml
      settings: {proxy_uri: null, regions: {default: {region_name: us-east-1, access_key_id: null, capacity: {m1.small: 5}}}}
      mode: "0600"
      owner: oneadmin
      group: oneadmin
hidden:
  description: Which secrets are set, by file, each as the list of keys that leads to it.
  returned: always
  type: dict
  sample: {/etc/one/ec2_driver.conf: [[regions, default, secret_access_key]]}
"""

from ..module_utils import glue
from ..module_utils.adapters.tree import Tree
from ..module_utils.core import driver_conf


def read(params, tree):
    found = [(option["path"], option["format"], tree.read(option["path"])) for option in params["files"]]
    told = [driver_conf.described(*item) for item in found if item[2]]
    return {"files": [file for file, dummy in told], "hidden": {file["path"]: hidden for file, hidden in told if hidden}}


def main():
    module = glue.module(argument_spec=dict(
        files=dict(type="list", elements="dict", required=True, options=dict(
            path=dict(type="path", required=True),
            format=dict(type="str", required=True, choices=["yaml", "template_xml", "shell", "oned"]),
        ))))
    glue.run(module, lambda: read(module.params, Tree()))


if __name__ == "__main__":
    main()
