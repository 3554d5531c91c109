#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: vm_template
short_description: Manage OpenNebula's templates of virtual machines, hybrid ones too
version_added: "0.1.0"
description:
  - Creates, changes, hands over and removes templates. A hybrid template has a local part and any number of PUBLIC_CLOUD sections, one for each
    provider, or for each host of a provider.
  - Names are unique per owner. A template is looked for among those of O(templates[].owner), by default among those of the user who is logged in.
  - Sections of one kind are compared in their order, which names the disks and NICs inside of the VM. PUBLIC_CLOUD sections are compared in any order.
  - In check mode a daemon that does not run yet counts as one without templates.
options:
  templates:
    description: The templates. Others stay as they are.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description: The template's number. A template found by it is renamed to O(templates[].name). Leave it out for one that is to be created.
        type: int
      name:
        description: The template's name.
        type: str
      owner:
        description:
          - Name of the user to whom the template shall belong. Left out, a new one belongs to who is logged in.
          - A template that somebody else has is handed over only when O(templates[].id) names it.
        type: str
      group:
        description: Name of the template's group.
        type: str
      mode:
        description: Who may use (4), manage (2) and administer (1) it - owner, group and others as three octal digits, quoted.
        type: str
      template:
        description:
          - The local part by attribute name (in any case), added to what the template has. A dictionary is one section, a list of dictionaries is a section
            that repeats, such as DISK and NIC; all sections of a declared kind are owned together. Null or an empty list removes the attribute.
        type: dict
        default: {}
      public_clouds:
        description:
          - The PUBLIC_CLOUD sections, each with its TYPE (V(ec2), V(azure), V(opennebula)) and what the provider needs, such as AMI, IMAGE or TEMPLATE_ID.
            HOST or LOCATION names the host or region that a section is for, where a provider has several.
          - Left out, the sections that there are stay. An empty list removes them.
        type: list
        elements: dict
      secrets:
        description: Like O(templates[].template), for values that are never shown. A dictionary with the secret keys of a section joins the section there.
        type: dict
        default: {}
      exclusive:
        description: Remove attributes that are not declared here.
        type: bool
        default: false
      state:
        description: Whether the template is there. Images are never deleted with it.
        type: str
        choices: [present, absent]
        default: present
  update_secrets:
    description:
      - V(always) compares secrets with what the daemon tells, and writes those that differ. Releases that encrypt them (VM_ENCRYPTED_ATTR in C(oned.conf))
        decrypt them for users of group oneadmin only. For other users every run changes these.
      - V(on_create) writes a secret only where the template has no such attribute.
    type: str
    choices: [always, on_create]
    default: always
extends_documentation_fragment:
  - constellation.opennebula.api
  - constellation.opennebula.api.wait
seealso:
  - module: constellation.opennebula.vm_template_info
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: A web server that runs here, in two regions of EC2, and at a partner's OpenNebula
  constellation.opennebula.vm_template:
    templates:
      - name: web
        mode: "640"
        template:
          CPU: 1
          MEMORY: 1024
          DISK: {IMAGE: debian-12}
          NIC:
            - {NETWORK: front}
            - {NETWORK: back}
          SCHED_RANK: FREE_CPU
        public_clouds:
          - {TYPE: ec2, HOST: us-east-1, AMI: ami-00bafcb5, INSTANCETYPE: m1.small}
          - {TYPE: ec2, HOST: eu-west-1, AMI: ami-03324cc9, INSTANCETYPE: m1.small}
          - {TYPE: opennebula, TEMPLATE_ID: 0}

- name: Remove a template
  constellation.opennebula.vm_template:
    templates:
      - name: old
        state: absent
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode. Values of secrets are not shown.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: template
      target: web
      before: {attributes: {MEMORY: "512"}}
      after: {attributes: {MEMORY: "1024"}}
templates:
  description: The templates afterwards; in check mode the ones before, and without a daemon none. Attributes that hold secrets are left out.
  returned: always
  type: list
  elements: dict
  sample:
    - {id: 7, name: web, owner: oneadmin, group: oneadmin, mode: "640", template: {CPU: "1"}, public_clouds: [{TYPE: ec2, AMI: ami-00bafcb5}]}
"""

from ..module_utils import glue
from ..module_utils.adapters import opennebula
from ..module_utils.core import pool_objects, templates, vm_templates

SPEC = {
    "templates": {
        "type": "list", "elements": "dict", "required": True,
        "options": {
            "id": {"type": "int"},
            "name": {"type": "str"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "str"},
            "template": {"type": "dict", "default": {}},
            "public_clouds": {"type": "list", "elements": "dict"},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "exclusive": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
    "update_secrets": {"type": "str", "choices": ["always", "on_create"], "default": "always", "no_log": False},
}


def ensure(params, connect, check_mode):
    """Converge the templates; ``connect()`` gives the daemon, and raises NotThere where none answers."""
    want = vm_templates.wanted(params["templates"], params["update_secrets"])
    return pool_objects.ensure(vm_templates, want, opennebula.reaching(connect, vm_templates.KIND, params, check_mode), check_mode)


def main():
    module = glue.module(argument_spec=dict(opennebula.ARGUMENTS, **opennebula.WAIT, **SPEC), required_together=opennebula.TOGETHER)
    # a secret among the attributes is hidden in the result, although only ``secrets`` is the place for one
    module.no_log_values.update(templates.exposed(module.params["templates"]))
    glue.run(module, lambda: ensure(module.params, lambda: opennebula.OpenNebula.from_params(module.params), module.check_mode))


if __name__ == "__main__":
    main()
