# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: driver_skeleton
short_description: Make the scripts of a driver of one's own, ready to be filled in
version_added: "0.1.0"
description:
  - Returns a probe that works and one script for each action that the release may call, which fails and says that it is not implemented.
  - The playbook C(constellation.opennebula.driver_skeleton) writes them.
author:
  - The constellation.opennebula team (@constellation)
positional: directory, release
options:
  _input:
    description: Name of the driver.
    type: str
    required: true
  directory:
    description: Where the files are to be.
    type: str
    required: true
  release:
    description: OpenNebula's release. It decides which actions there are and what arguments they get.
    type: str
    required: true
  generation:
    description: V(5) has probes, V(3) has none. The release's own by default.
    type: int
    choices: [3, 5]
  hypervisor:
    description: What the probe says, and C(PUBLIC_CLOUD) of templates in C(TYPE). The driver's name by default.
    type: str
  owner:
    description: User that is to own the files.
    type: str
    default: root
  group:
    description: Group that is to own the files.
    type: str
    default: root
"""

EXAMPLES = r"""
- name: List the scripts that a driver for OpenNebula 5.0 has
  ansible.builtin.debug:
    msg: "{{ 'mycloud' | constellation.opennebula.driver_skeleton('/srv/mycloud', '5.0') | map(attribute='path') }}"
"""

RETURN = r"""
_value:
  description: Files as M(constellation.opennebula.host_files) takes them.
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.constellation.opennebula.plugins.module_utils.core import driver_skeleton as skeletons
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError


def driver_skeleton(name, directory, release, generation=None, hypervisor=None, owner="root", group="root"):
    try:
        tree = skeletons.skeleton(name, release, int(generation) if generation else None, hypervisor or None)
    except CoreError as error:
        raise AnsibleFilterError(str(error)) from None
    return skeletons.files(tree, directory, owner, group)


class FilterModule:
    """Skeletons of drivers."""

    @staticmethod
    def filters():
        return {"driver_skeleton": driver_skeleton}
