#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_node
short_description: Put a cluster node into standby, forget failures, restart resources where they run
version_added: "0.1.0"
description:
  - Works on one node of a pacemaker cluster and waits until the cluster is idle.
options:
  name:
    description: Node, as the cluster calls it. This host when absent.
    type: str
  state:
    description:
      - V(standby) moves everything away from the node, V(online) lets it run resources again.
      - V(maintenance) leaves its resources running and unwatched.
    type: str
    choices: [online, standby, maintenance]
  cleanup:
    description: Resources whose failures on this node are forgotten.
    type: list
    elements: str
    default: []
  restart:
    description:
      - Resources that are restarted if they run on this node now. Meant for handlers, since it restarts each time it is asked.
      - Where no cluster runs, there is nothing to restart and that is no error.
    type: list
    elements: str
    default: []
  wait_timeout_s:
    description: How long the cluster may take, in seconds, until it is idle.
    type: int
    default: 300
author:
  - The constellation.opennebula team (@constellation)
seealso:
  - module: constellation.opennebula.cluster_info
"""

EXAMPLES = r"""
- name: Move everything away from this front-end
  constellation.opennebula.cluster_node:
    state: standby

- name: Restart oned where the cluster runs it
  constellation.opennebula.cluster_node:
    restart: [opennebula]
"""

RETURN = r"""
changes:
  description: What was done.
  returned: always
  type: list
  elements: dict
  sample: [{"kind": "node", "target": "fe1", "before": "online", "after": "standby"}]
"""

from ..module_utils import glue
from ..module_utils.adapters import pacemaker
from ..module_utils.core import cluster_node, cluster_status
from ..module_utils.core.converge import Outcome, converge
from ..module_utils.core.errors import CoreError, NotThere


def ensure(params, cluster, check_mode):
    try:
        node = params["name"] or cluster.local_node()
        cluster.monitor()
    except NotThere:
        if params["state"] and not check_mode:
            raise
        return Outcome()

    def plan(seen):
        return cluster_node.plan(seen, node, params["state"], params["cleanup"], params["restart"])

    def apply(todo):
        for step, *rest in (change.step for change in todo):
            if step == "state":
                _set_state(cluster, node, *rest)
            elif step == "cleanup":
                cluster.cleanup(rest[0], node)
            else:
                cluster.restart(rest[0], params["wait_timeout_s"])
        if not cluster.wait_idle(params["wait_timeout_s"]):
            raise CoreError(f"the cluster did not become idle after the change of {node}", why=f"it still works after {params['wait_timeout_s']} s",
                            hint="Look at 'crm_mon -1r' and the journal of pacemaker.")

    return converge(lambda: cluster_status.parse(cluster.monitor()), plan, apply, check_mode, header=f"node {node}")


def _set_state(cluster, node, before, after):
    setters = {"standby": cluster.set_standby, "maintenance": cluster.set_maintenance}
    if after in setters and after not in before:         # first: in between the node must not count as online, and start something
        setters[after](node, True)
    for flag, setter in setters.items():                 # under maintenance the end of standby moves nothing
        if flag in before and flag != after:
            setter(node, False)


SPEC = {
    "name": {"type": "str"},
    "state": {"type": "str", "choices": ["online", "standby", "maintenance"]},
    "cleanup": {"type": "list", "elements": "str", "default": []},
    "restart": {"type": "list", "elements": "str", "default": []},
    "wait_timeout_s": {"type": "int", "default": 300},
}


def main():
    module = glue.module(argument_spec=SPEC, required_one_of=[("state", "cleanup", "restart")])
    glue.run(module, lambda: ensure(module.params, pacemaker.Pacemaker(), module.check_mode))


if __name__ == "__main__":
    main()
