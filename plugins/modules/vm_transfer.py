#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: vm_transfer
short_description: Run or skip steps of a VM's failed transfer, and report its success
version_added: "0.1.0"
description:
  - Does what C(onevm recover --retry --interactive) lets a person do at a terminal. Runs the steps of the VM's transfer script as the daemon runs them,
    skips those that are named with their text, and then tells the daemon that the transfer succeeded, which the terminal leaves to the person.
  - Only for VMs in the states that C(onevm) accepts, PROLOG_FAILURE, EPILOG_FAILURE and their relatives; M(constellation.opennebula.vm_transfer_info)
    lists them and their steps.
  - Steps go in the order of the script. The first one that fails ends the task with its message; none before it is run again by the next task.
    A step that was begun and whose end was not seen (the host died, the time was over) is run again only with O(again).
  - Before each step, and before reporting, the state of the VM, its script and the transfers that run on this host are read again;
    when one of them changed, the task ends.
  - Runs on the front-end on which the daemon runs. Transfers that a dead daemon left running on a hypervisor or on another front-end are not seen.
options:
  vm:
    description: The VM, by id.
    type: int
    required: true
  run:
    description:
      - Which steps to run, by number.
      - V(rest) is every step that is neither done nor skipped; V(all) is the same, and with O(again) really every step, but for those in O(skip).
    type: list
    elements: str
    default: []
  skip:
    description: Steps to pass over, because they were done by hand or are not needed. Nothing is skipped that is not named here.
    type: list
    elements: dict
    default: []
    suboptions:
      step:
        description: The number of the step.
        type: int
        required: true
      expect:
        description: The step's own text, as C(text) of M(constellation.opennebula.vm_transfer_info) shows it. Another text is refused.
        type: str
        required: true
  report:
    description:
      - Whether to tell the daemon that the transfer succeeded, and to follow the VM until nothing of it is under way.
      - Refused, before anything is run, unless every step was run with success or skipped by name in this task or an earlier one.
    type: bool
    default: false
  again:
    description: Whether to run steps that are done, skipped, or begun without a known end. A copy that is made again may delete the first one.
    type: bool
    default: false
  step_timeout_s:
    description: Seconds that one step may take. It is stopped then, with what it started on this host.
    type: int
    default: 3600
  wait_timeout_s:
    description: Seconds that the VM may take to come to rest after success was reported.
    type: int
    default: 300
  poll_s:
    description: Seconds between two looks at it.
    type: float
    default: 1.0
extends_documentation_fragment:
  - constellation.opennebula.api
  - constellation.opennebula.transfer
seealso:
  - module: constellation.opennebula.vm_transfer_info
  - module: constellation.opennebula.vm_recovery
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Run the first step of a failed transfer
  constellation.opennebula.vm_transfer:
    vm: 42
    run: [1]

- name: Run what is left of it, but for a clean-up that was made by hand, and let the VM go on
  constellation.opennebula.vm_transfer:
    vm: 42
    run: rest
    skip:
      - {step: 2, expect: "DELETE ssh kvm1:/var/lib/one/datastores/0/42 42 0"}
    report: true
"""

RETURN = r"""
changes:
  description: The steps that were run or skipped, then the VM if success was reported; or what would be in check mode.
  returned: always
  type: list
  elements: dict
  sample:
    - {kind: step, target: "42/1 DELETE ssh kvm1:/var/lib/one/datastores/0/42/disk.0 42 1", before: failed, after: done}
    - {kind: step, target: "42/2 DELETE ssh kvm1:/var/lib/one/datastores/0/42 42 0", before: not_run, after: skipped}
    - {kind: vm, target: 42 web, before: EPILOG_FAILURE, after: DONE}
steps:
  description:
    - Every step of the script, as M(constellation.opennebula.vm_transfer_info) tells it, with what became of it. One that this task ran has its exit C(code)
      and its C(seconds), one that failed its C(error). In check mode as they were before. After a failure of the module it is under C(error.steps).
    - Empty when success was reported before and the VM is where that leads.
  returned: always
  type: list
  elements: dict
  sample:
    - number: 1
      line: 1
      text: DELETE ssh kvm1:/var/lib/one/datastores/0/42/disk.0 42 1
      command: delete
      driver: ssh
      arguments: ["kvm1:/var/lib/one/datastores/0/42/disk.0", "42", "1"]
      script: /var/lib/one/remotes/tm/ssh/delete
      exists: true
      executable: true
      problem: ""
      result: done
      code: 0
      seconds: 0.4
file:
  description: The VM's transfer script.
  returned: always
  type: str
  sample: /var/lib/one/vms/42/transfer.0.epilog
state:
  description: The state the VM was in.
  returned: always
  type: str
  sample: EPILOG_FAILURE
state_after:
  description: The state the VM was in when it was read last.
  returned: always
  type: str
  sample: DONE
"""

import time

from ..module_utils import glue
from ..module_utils.adapters import frontend, opennebula, transfer
from ..module_utils.core import transfer_run
from ..module_utils.core.converge import Outcome
from ..module_utils.core.errors import NotThere
from ..module_utils.core.transfer import Request

SPEC = {
    "vm": {"type": "int", "required": True},
    "run": {"type": "list", "elements": "str", "default": []},
    "skip": {"type": "list", "elements": "dict", "default": [],
             "options": {"step": {"type": "int", "required": True}, "expect": {"type": "str", "required": True}}},
    "report": {"type": "bool", "default": False},
    "again": {"type": "bool", "default": False},
    "step_timeout_s": {"type": "int", "default": 3600},
    "wait_timeout_s": {"type": "int", "default": 300},
    "poll_s": {"type": "float", "default": 1.0},
    "journal": {"type": "path", "default": "/var/log/one/recovery.log"},
    "one_location": {"type": "path"},
    "user": {"type": "str", "default": "oneadmin"},
}


def ensure(params, connect, host, place, check_mode, pause=time.sleep):
    """Do what is asked of the transfer; in check mode a front-end without a daemon has none."""
    request = Request(**{name: params[name] for name in Request._fields})
    options = transfer_run.Options(**{name: params[name] for name in transfer_run.Options._fields})
    try:
        run = transfer_run.Run(connect(), host, place, request, options, check_mode, pause)
        plan = run.go()
    except NotThere:
        if not check_mode:
            raise
        return Outcome(results={"steps": [], "file": None, "state": None, "state_after": None}, header="transfer")
    return Outcome(plan, run.results(), f"transfer of VM {params['vm']}")


def main():
    module = glue.module(argument_spec=dict(opennebula.ARGUMENTS, **SPEC), required_together=opennebula.TOGETHER)
    params = module.params
    host = frontend.Frontend(journal=params["journal"])
    place = transfer.Transfers(journal=params["journal"], location=params["one_location"], user=params["user"])
    glue.run(module, lambda: ensure(params, lambda: opennebula.OpenNebula.from_params(params), host, place, module.check_mode))


if __name__ == "__main__":
    main()
