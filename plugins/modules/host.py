#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host
short_description: Manage OpenNebula's hosts, local and cloud
version_added: "0.1.0"
description:
  - Creates, changes, enables, disables, flushes and removes hosts, many in one task and with one reading of the pool.
  - Attributes that are not declared stay as they are, those that monitoring writes among them. A host in ERROR is managed like any other.
  - Everything that the daemon would refuse of the whole task is told before anything is changed.
  - In check mode a daemon that does not run yet counts as one without hosts, so that a first run can be foreseen on bare front-ends.
options:
  hosts:
    description: The hosts. Others stay as they are.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description: The host's number. A host found by it is renamed to O(hosts[].name). Leave it out for a host that is to be created.
        type: int
      name:
        description: The host's name. For a cloud host, the name of the region or remote zone as the driver's own file has it.
        type: str
      im:
        description:
          - Name of the information driver, as the IM_MAD stanza in C(oned.conf) has it. Needed for a new host.
          - On a host that exists it cannot be changed; another one is refused.
        type: str
      vm:
        description: Name of the virtual machine driver, as the VM_MAD stanza has it. Otherwise like O(hosts[].im).
        type: str
      cluster:
        description:
          - Name or number of the cluster that the host shall be in.
          - Left out, a new host goes to the daemon's default cluster, and one that exists stays where it is.
        type: str
      attributes:
        description:
          - Attributes by name (in any case), added to those that the host has. A dictionary is a vector such as V(ONE_CAPACITY), owned as a whole;
            a list is an attribute that repeats; null removes the attribute.
          - The daemon cannot remove an attribute by merging. The whole template is written anew then, with what the host has.
        type: dict
        default: {}
      secrets:
        description: Like O(hosts[].attributes), for values that are never shown. A dictionary with the secret keys of a vector joins the vector there.
        type: dict
        default: {}
      state:
        description:
          - V(present) makes and changes the host, V(absent) removes it. A host with VMs is not removed; the task fails before anything is changed.
          - V(flushed) disables the host and has its running VMs rescheduled, like C(onehost flush). The scheduler moves them off when it can.
            VMs in a state that cannot be rescheduled are told in a warning. The host has to exist; its other options are not looked at.
        type: str
        choices: [present, absent, flushed]
        default: present
      enabled:
        description:
          - Whether the scheduler may use the host. Left out, it stays as it is, and a new host is enabled.
          - A host that is OFFLINE counts as not enabled, and is left offline.
        type: bool
  update_secrets:
    description:
      - V(always) compares secrets with what the daemon tells, and writes those that differ. Release 5.0 tells them in clear (but VCENTER_PASSWORD).
        From 5.10 on some are encrypted (HOST_ENCRYPTED_ATTR in C(oned.conf)), and told in clear only to users of group oneadmin, at one call per host.
      - Releases 5.4 to 5.8 encrypt EC2_ACCESS, EC2_SECRET, AZ_ID, AZ_CERT and VCENTER_PASSWORD and tell them to nobody. There every run writes these again,
        as it does for users outside of group oneadmin from 5.10 on.
      - V(on_create) writes a secret only where the host has no such attribute.
    type: str
    choices: [always, on_create]
    default: always
extends_documentation_fragment:
  - constellation.opennebula.api
  - constellation.opennebula.api.wait
seealso:
  - module: constellation.opennebula.host_info
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Make the hosts of two clouds
  constellation.opennebula.host:
    hosts:
      - name: us-east-1
        im: ec2
        vm: ec2
        cluster: clouds
      - name: partner
        im: one
        vm: one
        attributes:
          ONE_USER: hybrid
          ONE_ENDPOINT: http://one.partner.example:2633/RPC2
          ONE_CAPACITY: {CPU: 0, MEMORY: 0}
        secrets:
          ONE_PASSWORD: "{{ vault_partner_password }}"

- name: Take a hypervisor out of use and let the scheduler move its VMs away
  constellation.opennebula.host:
    hosts:
      - name: kvm1
        state: flushed

- name: Remove a host that has no VMs any more
  constellation.opennebula.host:
    hosts:
      - name: kvm1
        state: absent
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode. Values of secrets are not shown.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: host
      target: partner
      before: null
      after: {im: one, vm: one, attributes: {ONE_USER: hybrid, ONE_CAPACITY: {CPU: "0", MEMORY: "0"}, ONE_PASSWORD: (secret)}}
hosts:
  description:
    - The hosts afterwards; in check mode the ones before, and without a daemon none.
    - Attributes that monitoring writes and attributes that hold secrets are left out.
  returned: always
  type: list
  elements: dict
  sample:
    - {id: 4, name: partner, im: one, vm: one, cluster: default, enabled: true, attributes: {ONE_USER: hybrid, ONE_CAPACITY: {CPU: "0", MEMORY: "0"}}}
"""

from ..module_utils import glue
from ..module_utils.adapters import opennebula
from ..module_utils.core import hosts, pool_objects, templates

SPEC = {
    "hosts": {
        "type": "list", "elements": "dict", "required": True,
        "options": {
            "id": {"type": "int"},
            "name": {"type": "str"},
            "im": {"type": "str"},
            "vm": {"type": "str"},
            "cluster": {"type": "str"},
            "attributes": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "state": {"type": "str", "choices": ["present", "absent", "flushed"], "default": "present"},
            "enabled": {"type": "bool"},
        },
    },
    "update_secrets": {"type": "str", "choices": ["always", "on_create"], "default": "always", "no_log": False},
}


def ensure(params, connect, check_mode):
    """Converge the hosts; ``connect()`` gives the daemon, and raises NotThere where none answers."""
    want = hosts.wanted(params["hosts"], params["update_secrets"])
    return pool_objects.ensure(hosts, want, opennebula.reaching(connect, hosts.KIND, params, check_mode), check_mode)


def main():
    module = glue.module(argument_spec=dict(opennebula.ARGUMENTS, **opennebula.WAIT, **SPEC), required_together=opennebula.TOGETHER)
    # a secret among the attributes is hidden in the result, although only ``secrets`` is the place for one
    module.no_log_values.update(templates.exposed(module.params["hosts"]))
    glue.run(module, lambda: ensure(module.params, lambda: opennebula.OpenNebula.from_params(module.params), module.check_mode))


if __name__ == "__main__":
    main()
