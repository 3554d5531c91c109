#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: vm_transfer_info
short_description: List the steps of the transfer scripts of VMs whose transfer failed
version_added: "0.1.0"
description:
  - When the disks of a VM cannot be prepared, moved or cleaned up, the daemon's transfer script for it stays on the front-end, one command a line.
    C(onevm recover --retry --interactive) shows it to a person at a terminal; this returns it as data. Changes nothing and runs nothing.
  - Runs on the front-end on which the daemon runs. On another one it tells only RV(running), the transfers that a daemon left there.
options:
  vms:
    description: These VMs, by id. By default every VM in a state whose transfer can be run step by step.
    type: list
    elements: int
extends_documentation_fragment:
  - constellation.opennebula.api
  - constellation.opennebula.transfer
seealso:
  - module: constellation.opennebula.vm_transfer
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: List the steps of every failed transfer
  constellation.opennebula.vm_transfer_info:
  register: transfers
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
running:
  description: The ids of VMs that a transfer script works on, on this host, whether a daemon answers or not.
  returned: always
  type: list
  elements: int
  sample: [42]
transfers:
  description:
    - A row for each VM, by id. C(running) tells whether a transfer script works on it on this host now, C(problem) why its steps cannot be run,
      C(leads_to) the state in which reporting success ends when everything goes well.
    - The C(result) of a step is not_run, done, skipped, failed, or unknown (begun, and its end was not seen). Its C(text) is what O(ignore:skip[].expect)
      of M(constellation.opennebula.vm_transfer) wants. Passwords in URLs are left out.
  returned: always
  type: list
  elements: dict
  sample:
    - id: 42
      name: web
      state: PROLOG_FAILURE
      host: kvm1
      seq: 0
      file: /var/lib/one/vms/42/transfer.0.prolog
      running: false
      problem: ""
      leads_to: RUNNING
      steps:
        - number: 1
          line: 1
          text: CLONE ssh fe1:/var/lib/one/datastores/1/a1b2 kvm1:/var/lib/one/datastores/0/42/disk.0 42 1
          command: clone
          driver: ssh
          arguments: ["fe1:/var/lib/one/datastores/1/a1b2", "kvm1:/var/lib/one/datastores/0/42/disk.0", "42", "1"]
          script: /var/lib/one/remotes/tm/ssh/clone
          exists: true
          executable: true
          problem: ""
          result: not_run
"""

from ..module_utils import glue
from ..module_utils.adapters import frontend, opennebula, transfer
from ..module_utils.core import transfer_run
from ..module_utils.core.errors import NotThere

SPEC = {
    "vms": {"type": "list", "elements": "int"},
    "journal": {"type": "path", "default": "/var/log/one/recovery.log"},
    "one_location": {"type": "path"},
    "user": {"type": "str", "default": "oneadmin"},
}


def read(params, connect, host, place):
    """Return the steps; no daemon is an answer."""
    running = sorted(host.transfers())
    try:
        return {"answers": True, "running": running, "transfers": transfer_run.survey(connect(), host, place, params["vms"])}
    except NotThere as error:
        return {"answers": False, "reason": str(error), "running": running, "transfers": []}


def main():
    module = glue.module(argument_spec=dict(opennebula.ARGUMENTS, **SPEC), required_together=opennebula.TOGETHER)
    params = module.params
    host = frontend.Frontend(journal=params["journal"])
    place = transfer.Transfers(journal=params["journal"], location=params["one_location"], user=params["user"])
    glue.run(module, lambda: read(params, lambda: opennebula.OpenNebula.from_params(params), host, place))


if __name__ == "__main__":
    main()
