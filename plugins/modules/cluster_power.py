#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_power
short_description: Fence a cluster node, or give it power again, by its own fence devices
version_added: "0.1.0"
description:
  - Asks the fence devices of a node for its power, lets the cluster's fencer switch it, and asks again.
  - V(off) is fencing. The node dies at once, whatever it was doing. Meant for drills and for a node that must be dead before something else is done.
  - A device that gives no answer is an error, and so is one that calls a node off which is a member of the cluster. Nothing is switched then.
options:
  name:
    description: The node, as the cluster calls it.
    type: str
    required: true
  state:
    description: Whether the node shall have power.
    type: str
    choices: ['on', 'off']
    required: true
  timeout_s:
    description: Seconds that the fencer may take.
    type: int
    default: 120
author:
  - The constellation.opennebula team (@constellation)
seealso:
  - module: constellation.opennebula.cluster_info
"""

EXAMPLES = r"""
- name: Fence a front-end
  constellation.opennebula.cluster_power:
    name: fe2
    state: 'off'
  register: fenced

- name: Give it power again
  constellation.opennebula.cluster_power:
    name: fe2
    state: 'on'
"""

RETURN = r"""
changes:
  description: What was switched, or would be in check mode.
  returned: always
  type: list
  elements: dict
  sample: [{"kind": power, "target": fe2, "before": 'on', "after": 'off'}]
seconds:
  description: How long the fencer took. Absent where nothing was switched.
  returned: when something was switched
  type: float
  sample: 12.8
"""

from ..module_utils import glue
from ..module_utils.adapters import pacemaker
from ..module_utils.core import agents, cib, cluster_status, corosync_conf, fencing
from ..module_utils.core.converge import converge

LEAVES_S = 15                                            # at least this long a fenced member may still be counted in
TIMES = ("runtime.config.totem.token", "runtime.config.totem.consensus")     # of corosync, in ms: so long it takes until it knows


def ensure(params, cluster, clock, check_mode):
    node, results = params["name"], {}

    def read():
        objects = cib.objects(cib.parse(cluster.cib()))
        answers = [(name, *cluster.fence_status(values["agent"], agents.status_request(values["options"], node)))
                   for name, values in fencing.devices(objects, node)]
        power = fencing.power(node, answers, fencing.levels(objects, node))
        start, patience_s = clock.now(), None
        while power == "off" and fencing.is_member(node, cluster_status.parse(cluster.monitor())):
            patience_s = patience_s or _leaves_s(cluster)
            if clock.now() > start + patience_s:
                raise fencing.contradiction(node, [name for name, *unused in answers])
            clock.sleep(0.5)
        return power

    def apply(dummy_todo):
        start = clock.now()
        cluster.switch(node, params["state"] == "on", params["timeout_s"])
        results["seconds"] = round(clock.now() - start, 1)

    return converge(read, lambda now: fencing.plan(node, now, params["state"]), apply, check_mode, results, header=f"node {node}")


def _leaves_s(cluster):
    running = corosync_conf.parse_running(cluster.running_options())
    return max(LEAVES_S, 2 * sum(int(running.get(name, 0)) for name in TIMES) / 1000)


SPEC = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["on", "off"], "required": True},
    "timeout_s": {"type": "int", "default": 120},
}


def main():
    module = glue.module(argument_spec=SPEC)
    glue.run(module, lambda: ensure(module.params, pacemaker.Pacemaker(), pacemaker.Clock(), module.check_mode))


if __name__ == "__main__":
    main()
