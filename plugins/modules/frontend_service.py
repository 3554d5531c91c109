#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: frontend_service
short_description: Leave OpenNebula's services to the cluster, and run them with the configuration that their files have now
version_added: "0.1.0"
description:
  - Says who starts services at boot. Services that pacemaker owns must not be enabled in systemd; disabling does not stop one that runs.
  - Restarts a service whose configuration file is newer than the running process, however that came about, so that an interrupted run is taken
    up by the next one. A service that the cluster runs on this node is restarted through the cluster, another one through systemd.
    One that does not run here is not started, so on two front-ends only the active one restarts.
options:
  names:
    description: The services, which are also the names of their systemd units and of the cluster's resources.
    type: list
    elements: str
    required: true
  at_boot:
    description: Whether systemd starts them at boot. By default this stays as it is.
    type: bool
  config_files:
    description: For a service, the list of files that it reads when it starts. A service that is not named here is not restarted.
    type: dict
    default: {}
  changing:
    description:
      - Files of O(config_files) that an earlier task changes. Only check mode needs it, where they are as old as they were, so that the restart is foreseen.
    type: list
    elements: str
    default: []
  restart_timeout_s:
    description: Seconds to wait for a restart through the cluster.
    type: int
    default: 180
seealso:
  - module: constellation.opennebula.frontend_service_info
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Leave the services to the cluster
  constellation.opennebula.frontend_service:
    names: [opennebula, opennebula-sunstone, opennebula-flow]
    at_boot: false

- name: Run oned with the oned.conf that is there
  constellation.opennebula.frontend_service:
    names: [opennebula]
    config_files:
      opennebula: [/etc/one/oned.conf]
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: service
      target: opennebula
      before: runs since before /etc/one/oned.conf was changed
      after: running as configured
"""

from ..module_utils import glue
from ..module_utils.adapters import pacemaker, services
from ..module_utils.core import cluster_status, frontend_service
from ..module_utils.core.converge import converge

PACEMAKER = "pacemaker.service"


def owned_here(rows, cluster):
    """Return the resources that the cluster runs on this node; none where pacemaker does not run."""
    if rows[PACEMAKER]["ActiveState"] != "active":
        return set()
    return frontend_service.owned_here(cluster_status.parse(cluster.monitor()), cluster.local_node())


def ensure(params, systemd, cluster, check_mode):
    names, config_files = params["names"], params["config_files"]
    frontend_service.check_names(names, config_files)
    paths = [path for files in config_files.values() for path in files]

    def read():
        rows = systemd.units([frontend_service.unit(name) for name in names] + [PACEMAKER])
        # the cluster is asked only where something could be restarted
        return rows, owned_here(rows, cluster) if paths else set(), systemd.changed_at(paths), systemd.monotonic()

    def plan(state):
        return frontend_service.plan(names, params["at_boot"], config_files, *state, lenient=check_mode, changing=params["changing"])

    def apply(todo):
        for change in todo:
            if change.step[0] == "cluster":
                cluster.restart(change.step[1], params["restart_timeout_s"])
            else:
                systemd.do(change.step[1:])

    return converge(read, plan, apply, check_mode)


def main():
    module = glue.module(argument_spec=dict(
        names=dict(type="list", elements="str", required=True),
        at_boot=dict(type="bool"),
        config_files=dict(type="dict", default={}),
        changing=dict(type="list", elements="str", default=[]),
        restart_timeout_s=dict(type="int", default=180),
    ))
    glue.run(module, lambda: ensure(module.params, services.Systemd(), pacemaker.Pacemaker(), module.check_mode))


if __name__ == "__main__":
    main()
