#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: vm_template_info
short_description: Read OpenNebula's templates of virtual machines
version_added: "0.1.0"
description:
  - Returns the templates as the daemon on this host knows them. What it returns under C(templates) can be given to
    M(constellation.opennebula.vm_template) and changes nothing.
  - Attributes that hold secrets are left out.
  - A daemon that does not run is an answer, not an error.
extends_documentation_fragment:
  - constellation.opennebula.api
seealso:
  - module: constellation.opennebula.vm_template
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Read the templates
  constellation.opennebula.vm_template_info:
  register: found
"""

RETURN = r"""
answers:
  description: Whether a daemon answered.
  returned: always
  type: bool
  sample: true
reason:
  description: Why none answered.
  returned: when none answered
  type: str
  sample: "OpenNebula does not answer at http://localhost:2633/RPC2: Connection refused."
release:
  description: The daemon's release.
  returned: when it answered
  type: str
  sample: 5.0.2
templates:
  description: The templates.
  returned: always
  type: list
  elements: dict
  sample:
    - {id: 7, name: web, owner: oneadmin, group: oneadmin, mode: "600", template: {CPU: "1"}, public_clouds: [{TYPE: ec2, AMI: ami-00bafcb5}]}
details:
  description: What else is known of each template. C(hidden) names the attributes that are left out because they hold secrets.
  returned: when it answered
  type: list
  elements: dict
  sample:
    - {id: 7, name: web, registered: 1795199585, hidden: [CONTEXT]}
"""

from ..module_utils import glue
from ..module_utils.adapters import opennebula
from ..module_utils.core import pool_objects, vm_templates


def read(connect):
    """Return the templates and the release, or why nobody answered."""
    return pool_objects.told(vm_templates, connect, lambda state: {"details": vm_templates.details(state)})


def main():
    module = glue.module(argument_spec=dict(opennebula.ARGUMENTS), required_together=opennebula.TOGETHER)
    glue.run(module, lambda: read(lambda: opennebula.OpenNebula.from_params(module.params)))


if __name__ == "__main__":
    main()
