#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: driver_conf
short_description: Manage settings in the files of OpenNebula's drivers
version_added: "0.1.0"
description:
  - Changes C(ec2_driver.conf), C(az_driver.conf), their C(.default) files and the files of add-ons, in as few bytes as possible.
    Comments, order and spelling of everything else stay, byte for byte.
  - Settings that are not named stay. Several files can be changed in one task.
  - The files hold credentials, so they are written for their owner alone. Each is replaced in one step.
  - A place that cannot be changed safely (a list, a value over several lines, a key that is there twice) is refused with its line; the file stays as it is.
options:
  files:
    description: The files and what they shall say.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The file. A missing one is made, with what is given here only.
        type: path
        required: true
      format:
        description:
          - V(yaml) for C(ec2_driver.conf) and C(az_driver.conf). A key is the same with and without the colon of a Ruby symbol (C(:proxy_uri:), C(proxy_uri:));
            new ones are written as the file does it.
          - V(template_xml) for C(ec2_driver.default), C(az_driver.default). Only the live C(TEMPLATE) counts, not the example in the comment.
          - V(shell) for files of C(NAME=value) that a shell reads.
          - V(oned) for files of the grammar of C(oned.conf).
        type: str
        required: true
        choices: [yaml, template_xml, shell, oned]
      settings:
        description: Settings, nested as in the file. V(null) is an empty value.
        type: dict
        default: {}
      secrets:
        description: Like O(files[].settings), for values that must not be shown or logged anywhere.
        type: dict
        default: {}
      remove:
        description: Settings or whole sections that shall not be there, each as the list of keys that leads to it.
        type: list
        elements: list
        default: []
      create:
        description: Whether a missing file is made. Otherwise it is as good as one that has no settings.
        type: bool
        default: true
      mode:
        description: Permissions in octal, quoted.
        type: str
        default: '0600'
      owner:
        description: User that owns the file.
        type: str
        default: oneadmin
      group:
        description: Group that owns the file.
        type: str
        default: oneadmin
notes:
  - Values of keys that name secrets (C(secret_access_key), C(subscription_id), C(VM_PASSWORD), C(EHAUTH), …) are masked in the diff whether declared as
    secrets or not.
  - Numbers are compared as numbers and texts as texts, in V(yaml); V(15) and V(15.0) are the same, V(5) and V("5") are not.
seealso:
  - module: constellation.opennebula.driver_conf_info
  - module: constellation.opennebula.oned_conf
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Use two regions of EC2, and small instances unless a template says otherwise
  constellation.opennebula.driver_conf:
    files:
      - path: /etc/one/ec2_driver.conf
        format: yaml
        settings:
          proxy_uri: http://10.0.0.1:3128
          regions:
            default: {region_name: us-east-1, capacity: {m1.small: 5}}
            eu-west-1: {region_name: eu-west-1, capacity: {m1.small: 10, m1.large: 2}}
        secrets:
          regions:
            default: {access_key_id: "{{ vault_ec2_id }}", secret_access_key: "{{ vault_ec2_key }}"}
            eu-west-1: {access_key_id: "{{ vault_ec2_id }}", secret_access_key: "{{ vault_ec2_key }}"}
      - path: /etc/one/ec2_driver.default
        format: template_xml
        settings: {TEMPLATE: {PUBLIC_CLOUD: {INSTANCETYPE: m1.small}}}

- name: Take a region and the proxy out again
  constellation.opennebula.driver_conf:
    files:
      - path: /etc/one/ec2_driver.conf
        format: yaml
        settings: {proxy_uri: null}
        remove: [[regions, my-region]]
        create: false
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode. Values of secrets are not shown.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: setting
      target: /etc/one/ec2_driver.conf regions/default/capacity/m1.small
      before: 5
      after: 10
changed_files:
  description: The files that were changed, or would be in check mode. M(constellation.opennebula.frontend_service) takes them as C(changing).
  returned: always
  type: list
  elements: str
  sample: [/etc/one/ec2_driver.conf]
"""

from dataclasses import replace

from ..module_utils import glue
from ..module_utils.adapters.tree import Tree
from ..module_utils.core import driver_conf
from ..module_utils.core.converge import converge


def ensure(params, tree, check_mode):
    files = driver_conf.wanted(params["files"])

    def read():
        return {file.path: tree.read(file.path) for file in files}

    def apply(todo):
        state = read()
        for file in files:
            if driver_conf.plan(state, [file]):
                tree.write(**driver_conf.edited(state, file))

    outcome = converge(read, lambda state: driver_conf.plan(state, files), apply, check_mode)
    targets = {change.target.partition(" ")[0] for change in outcome.plan}
    changed = [file.path for file in files if file.path in targets]
    return replace(outcome, results={"changed_files": changed}, header=", ".join(changed))


def main():
    module = glue.module(argument_spec=dict(
        files=dict(type="list", elements="dict", required=True, options=dict(
            path=dict(type="path", required=True),
            format=dict(type="str", required=True, choices=["yaml", "template_xml", "shell", "oned"]),
            settings=dict(type="dict", default={}),
            secrets=dict(type="dict", default={}, no_log=True),
            remove=dict(type="list", elements="list", default=[]),
            create=dict(type="bool", default=True),
            mode=dict(type="str", default="0600"),
            owner=dict(type="str", default="oneadmin"),
            group=dict(type="str", default="oneadmin"),
        ))))
    # a secret among the settings is hidden in the result, although only ``secrets`` is the place for one
    module.no_log_values.update(driver_conf.secrets_among(module.params["files"]))
    glue.run(module, lambda: ensure(module.params, Tree(), module.check_mode))


if __name__ == "__main__":
    main()
