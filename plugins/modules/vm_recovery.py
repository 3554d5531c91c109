#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: vm_recovery
short_description: Recover the VMs that a failover left stuck
version_added: "0.1.0"
description:
  - Finds the VMs whose operation was lost with the daemon, decides for each by the evidence,
    and calls the daemon's recover operations success, failure or retry.
    Without enough evidence a VM is left alone, and the result says what is missing.
  - Follows every VM to a state in which nothing is under way. That the daemon accepted a call proves nothing.
  - Deleting and recreating VMs is never chosen. It can be asked for by VM id and operation (O(demanded)).
  - Waits for monitoring and for transfers that still run, as long as O(wait_timeout_s) allows, and so does check mode, which calls no recover operation
    and foresees what a run would do.
  - One recovery runs on a front-end at a time; another one is refused.
  - Fails when a VM that it recovered did not come to rest; VMs that it left alone are in RV(left).
options:
  wait_timeout_s:
    description: Seconds for the whole recovery, waiting included. Recoveries begun and not ended by then are reported as unfinished.
    type: int
    default: 300
  poll_s:
    description: Seconds between two looks.
    type: float
    default: 1.0
  batch:
    description: How many VMs may be under recovery at the same time. Every recovery may copy disks.
    type: int
    default: 50
  order:
    description:
      - Families of states in the order in which their recoveries are begun; a C(_FAILURE) state counts with the one it failed in. Families that are not
        named come last.
      - Within a family VMs are begun in the order of O(vms), or by id. C(family) of M(constellation.opennebula.vm_recovery_info) tells a VM's.
    type: list
    elements: str
    choices: [PROLOG, BOOT, MIGRATE, SAVE, EPILOG, SHUTDOWN, CLEANUP, HOTPLUG, SNAPSHOT, RESIZE, BACKUP]
    default: []
  max_failures:
    description: Begin no further recovery when so many have failed.
    type: int
    default: 5
extends_documentation_fragment:
  - constellation.opennebula.api
  - constellation.opennebula.recovery
seealso:
  - module: constellation.opennebula.vm_recovery_info
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Recover every stuck VM that can be recovered safely
  constellation.opennebula.vm_recovery:
  register: recovery

- name: Recover two VMs, also if they had failed before
  constellation.opennebula.vm_recovery:
    vms: [42, 43]
    retry_failures: true

- name: Recover first what only has to be started, a few at a time
  constellation.opennebula.vm_recovery:
    order: [BOOT, MIGRATE]
    batch: 10

- name: Make one VM anew whose host is gone for good, and touch no other
  constellation.opennebula.vm_recovery:
    vms: [42]
    demanded:
      - {id: 42, operation: recreate}
    hosts_off: [kvm3]
"""

RETURN = r"""
changes:
  description: The VMs that were recovered, or would be in check mode, with the state they were in and the one they are brought to.
  returned: always
  type: list
  elements: dict
  sample:
    - {kind: vm, target: 42 web, before: PROLOG, after: RUNNING}
vms:
  description:
    - Every VM looked at, with all that M(constellation.opennebula.vm_recovery_info) tells and with the calls made and where they led.
    - C(result) is one of recovered (as foreseen), settled (at rest elsewhere), resolved (by itself), removed (somebody took it out of the daemon's
      database meanwhile; C(state_after) is then none), failed, unfinished, refused, waiting, left (nothing was lost), predicted (check mode), not_begun
      (the time was over, or too many had failed, before its turn).
      After a failure of the module it is under C(error.vms).
  returned: always
  type: list
  elements: dict
  sample:
    - id: 42
      state: PROLOG
      action: failure
      reason: the copy of its disks was lost with the daemon; it can be made again from the images
      calls:
        - {operation: failure, state: PROLOG, seq: 0, time: 1795200049,
           reason: the copy of its disks was lost with the daemon; it can be made again from the images}
        - {operation: retry, state: PROLOG_FAILURE, seq: 0, time: 1795200050, reason: "nothing of it is under way, so the step can be done again"}
      state_after: RUNNING
      result: recovered
left:
  description:
    - The ids of VMs that are still stuck, or in a C(_FAILURE) state that recovery was to end, or whose recovery was not begun, or that were not deleted or
      recreated as O(demanded).
  returned: always
  type: list
  elements: int
  sample: []
"""

import time

from ..module_utils import glue
from ..module_utils.adapters import frontend, hypervisor, opennebula
from ..module_utils.core import recovery_run
from ..module_utils.core.converge import Outcome
from ..module_utils.core.errors import NotThere

SPEC = {
    "wait_timeout_s": {"type": "int", "default": 300},
    "poll_s": {"type": "float", "default": 1.0},
    "batch": {"type": "int", "default": 50},
    "order": {"type": "list", "elements": "str", "default": [],
              "choices": ["PROLOG", "BOOT", "MIGRATE", "SAVE", "EPILOG", "SHUTDOWN", "CLEANUP", "HOTPLUG", "SNAPSHOT", "RESIZE", "BACKUP"]},
    "max_failures": {"type": "int", "default": 5},
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


def ensure(params, connect, host, check_mode, pause=time.sleep, hypervisors=None):
    """Recover; in check mode a front-end without a daemon has nothing to recover."""
    options = recovery_run.Options(**{name: params[name] for name in recovery_run.Options._fields if name in params})
    recovery_run.check(options)
    try:
        run = recovery_run.Run(connect(), host, options, check_mode, pause, recovery_run.Look(hypervisors, options) if hypervisors else None)
        plan = run.go()
    except NotThere:
        if not check_mode:
            raise
        return Outcome(results={"vms": [], "left": []}, header="VMs")
    return Outcome(plan, run.results(), "VMs")


def main():
    module = glue.module(argument_spec=dict(opennebula.ARGUMENTS, **SPEC), required_together=opennebula.TOGETHER)
    host = frontend.Frontend(journal=module.params["journal"])
    glue.run(module, lambda: ensure(module.params, lambda: opennebula.OpenNebula.from_params(module.params), host, module.check_mode,
                                    hypervisors=hypervisor.Hypervisors.from_params(module.params)))


if __name__ == "__main__":
    main()
