#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: vm_recovery_info
short_description: Find the VMs that a failover left stuck, and say what recovery would do
version_added: "0.1.0"
description:
  - Operations that were under way when the daemon died are never taken up again; their VMs stay in a transient state for ever.
  - Returns every VM in which something is under way or failed, the evidence about it, the verdict and the reason. Changes nothing, calls no recover operation.
  - Runs on the front-end on which the daemon runs, because the daemon's start time, its logs and its transfer scripts are part of the evidence.
extends_documentation_fragment:
  - constellation.opennebula.api
  - constellation.opennebula.recovery
seealso:
  - module: constellation.opennebula.vm_recovery
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Plan the recovery after a failover
  constellation.opennebula.vm_recovery_info:
  register: plan
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
vms:
  description: Every VM in which something is under way, was lost, or failed; by id.
  returned: always
  type: list
  elements: dict
  sample:
    - id: 42
      name: web
      owner: alice
      state: PROLOG
      family: PROLOG
      host: kvm1
      previous_host: null
      last_operation: none
      stuck: true
      action: failure
      reason: the copy of its disks was lost with the daemon; it can be made again from the images
      hosts: {kvm1: answered}
      demanded: null
      evidence: {began: before, transfer: none, domain: absent, source: unknown, hypervisors: answered}
      leads_to: RUNNING
images:
  description: Every image that is locked, being copied or deleted, or in error, with its VMs, the reason and what to do. They are never changed.
  returned: always
  type: list
  elements: dict
  sample:
    - id: 7
      name: web-saved
      owner: alice
      state: LOCKED
      datastore: default
      registered: 1795190000
      vms: [42]
      error: ""
      reason: a file operation on it was under way
      remedy: See oned.log and the datastore's processes whether something still works on it.
leftovers:
  description:
    - Folders of VMs in system datastores of the hypervisors that were asked, which nothing there uses and for which the daemon has no use, with
      how old and how large they are, the reason and what to do. They are never removed, and no verdict depends on them.
    - Told only where a host has its system datastore for itself (transfer drivers C(ssh) and C(local) on a local file system), and only after they and
      their VM were quiet for 10 minutes. What nobody can be sure about, and what is on hosts that were not asked or did not answer, is not told.
  returned: always
  type: list
  elements: dict
  sample:
    - host: kvm1
      path: /var/lib/one/datastores/0/17
      vm: 17
      name: web
      state: RUNNING
      vm_host: kvm2
      age_s: 86400
      size_mib: 2048
      reason: its VM is RUNNING on kvm2, which has a folder of it, too; nothing on this host uses this one
      remedy: Compare the disks of both. If those on kvm2 are whole and the newer ones, remove this folder by hand.
stuck:
  description: The ids of VMs that wait for something that nobody is doing.
  returned: always
  type: list
  elements: int
  sample: [42]
"""

from ..module_utils import glue
from ..module_utils.adapters import frontend, hypervisor, opennebula
from ..module_utils.core import recovery_images, recovery_leftovers, recovery_run
from ..module_utils.core.errors import NotThere

SPEC = {
    "vms": {"type": "list", "elements": "int"},
    "demanded": {"type": "list", "elements": "dict", "default": [],
                 "options": {"id": {"type": "int", "required": True},
                             "operation": {"type": "str", "required": True, "choices": ["delete", "recreate", "delete-db"]}}},
    "transfer_settle_s": {"type": "int", "default": 30},
    "monitoring_settle_s": {"type": "int", "default": 60},
    "stuck_after_s": {"type": "int", "default": 0},
    "retry_failures": {"type": "bool", "default": False},
    "journal": {"type": "path", "default": "/var/log/one/recovery.log"},
    "transfers_elsewhere": {"type": "list", "elements": "int", "default": []},
    "ask_hypervisors": {"type": "bool", "default": True},
    "hosts_off": {"type": "list", "elements": "str", "default": []},
    "datastore_location": {"type": "path", "default": "/var/lib/one/datastores"},
    "ssh_directory": {"type": "path", "default": "/var/lib/one/.ssh"},
    "ssh_user": {"type": "str", "default": "oneadmin"},
    "ssh_timeout_s": {"type": "int", "default": 10},
    "ssh_sessions": {"type": "int", "default": 16},
}


def read(params, connect, host, hypervisors=None):
    """Return the plan; no daemon is an answer."""
    options = recovery_run.Options(**{name: params[name] for name in recovery_run.Options._fields if name in params})
    recovery_run.check(options)
    try:
        api = connect()
        recovery_run.check_named(api, host, options)
        look = recovery_run.Look(hypervisors, options, recovery_leftovers.stores(api.pool("datastore"))) if hypervisors else None
        findings = recovery_run.survey(api, host, options, hypervisors=look)
        unrest = {finding.vm.id for finding in findings if finding.vm.state != "DONE"}          # one that is DONE, and was to be, has no verdict on its folder
        leftovers = recovery_leftovers.told(api, look.reports(), unrest, host.now(), options.vms, options.datastore_location) if look else []
        images = recovery_images.told(api.pool("image"), host.daemon_started() or host.now())
    except NotThere as error:
        return {"answers": False, "reason": str(error), "vms": [], "images": [], "leftovers": [], "stuck": []}
    return {"answers": True, "vms": [recovery_run.told(finding) for finding in findings], "images": images, "leftovers": leftovers,
            "stuck": [finding.vm.id for finding in findings if recovery_run.stuck(finding)]}


def main():
    module = glue.module(argument_spec=dict(opennebula.ARGUMENTS, **SPEC), required_together=opennebula.TOGETHER)
    host = frontend.Frontend(journal=module.params["journal"])
    glue.run(module, lambda: read(module.params, lambda: opennebula.OpenNebula.from_params(module.params), host,
                                  hypervisor.Hypervisors.from_params(module.params)))


if __name__ == "__main__":
    main()
