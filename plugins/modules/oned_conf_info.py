#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: oned_conf_info
short_description: Read oned.conf as the daemon does
version_added: "0.1.0"
description:
  - Reads C(oned.conf), or any other file of its grammar, and returns what the daemon loads from it. Defaults of the daemon are not among it.
  - What it returns can be given to M(constellation.opennebula.oned_conf) and changes nothing. Left out are
    values of keys whose names end like a secret's, and values that are no UTF-8.
  - A missing file is an empty result, so that it can run on bare hosts.
options:
  path:
    description: The file on the managed host.
    type: path
    default: /etc/one/oned.conf
  release:
    description: OpenNebula's release. Up to V(5.2) an empty stanza is refused.
    type: str
seealso:
  - module: constellation.opennebula.oned_conf
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Read oned.conf
  constellation.opennebula.oned_conf_info:
  register: oned

- name: Show the ports
  ansible.builtin.debug:
    msg: "{{ oned.attributes | selectattr('name', 'eq', 'PORT') | map(attribute='value') }}"
"""

RETURN = r"""
exists:
  description: Whether there is such a file.
  returned: always
  type: bool
attributes:
  description: Plain attributes in the order of the file; C(values) instead of C(value) for those that the daemon takes several times.
  returned: always
  type: list
  elements: dict
  sample:
    - {name: PORT, value: "2633"}
    - {name: VM_RESTRICTED_ATTR, values: [CONTEXT/FILES, NIC/MAC]}
stanzas:
  description: Stanzas in the order of the file. C(name) is there where the stanza has a NAME.
  returned: always
  type: list
  elements: dict
  sample:
    - {section: DB, settings: {BACKEND: mysql, SERVER: localhost}}
    - {section: IM_MAD, name: kvm, settings: {NAME: kvm, EXECUTABLE: one_im_ssh}}
commented:
  description: What the file has as a comment and could be switched on, as C(SECTION) or C(SECTION NAME).
  returned: always
  type: list
  elements: str
  sample: [MANAGER_TIMER, IM_MAD ec2]
swallowed:
  description: What the daemon swallows silently, with line and column.
  returned: always
  type: list
  elements: dict
  sample:
    - {kind: quotes, line: 12, column: 8, text: "something is glued to the quoted value, its quotes are part of the value"}
"""

from ..module_utils import glue
from ..module_utils.adapters import files
from ..module_utils.core import oned_conf, oned_conf_shown
from ..module_utils.core.errors import NotThere

SPEC = dict(path=dict(type="path", default="/etc/one/oned.conf"), release=dict(type="str"))


def read(params, store):
    try:
        document = oned_conf.parse(store.read(), store.path, params["release"])
    except NotThere:
        return dict(oned_conf_shown.described(oned_conf.parse("")), exists=False)
    return dict(oned_conf_shown.described(document), exists=True)


def main():
    module = glue.module(argument_spec=SPEC)
    glue.run(module, lambda: read(module.params, files.Store(module.params["path"])))


if __name__ == "__main__":
    main()
