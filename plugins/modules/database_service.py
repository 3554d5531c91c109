#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: database_service
short_description: Run MariaDB with the configuration that its files have now
version_added: "0.1.0"
description:
  - Enables MariaDB at boot, starts it, and restarts it when one of its configuration files is newer than the running server, however that came about.
    An interrupted run is therefore taken up by the next one.
  - Masks MariaDB's systemd sockets, which would start a stopped server with the first connection.
  - Makes systemd read its unit files again where they changed.
  - Refuses to restart the server that is the zone's active writer. Move the zone to its other front-end first; that one has been restarted by then,
    so the two nodes of a zone are never down together.
options:
  unit:
    description: Name of the server's service.
    type: str
    default: mariadb
  sockets:
    description: Socket units to mask, where they exist.
    type: list
    elements: str
    default: [mariadb.socket, mariadb-extra.socket]
  config_files:
    description: Files that the server reads when it starts.
    type: list
    elements: path
    default: []
  dependents:
    description: Other units whose changed files systemd must read again, where they are loaded.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - constellation.opennebula.mariadb
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Run MariaDB as configured
  constellation.opennebula.database_service:
    config_files: [/etc/mysql/mariadb.conf.d/90-constellation.cnf]
    dependents: [corosync, pacemaker]
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: server
      target: mariadb
      before: runs since before /etc/mysql/mariadb.conf.d/90-constellation.cnf was changed
      after: running as configured
"""

from ..module_utils import glue
from ..module_utils.adapters import mariadb, services
from ..module_utils.core import unit_plan
from ..module_utils.core.converge import converge
from ..module_utils.core.errors import CoreError, NotThere


def ensure(params, systemd, server, check_mode):
    unit = params["unit"]
    watched = [f"{name}.service" for name in (unit, *params["dependents"])]

    def read():
        state = systemd.units([*watched, *params["sockets"], "pacemaker.service"])
        if not unit_plan.installed(state[f"{unit}.service"]) and not check_mode:
            raise NotThere(f"{unit} is not installed", why="systemd knows no such service", hint="Install mariadb-server first; the role database does.")
        return state, systemd.changed_at(params["config_files"]), systemd.monotonic()

    def plan(state):
        return unit_plan.plan(unit, watched, params["sockets"], *state)

    def apply(todo):
        for step in (change.step for change in todo):
            if step[0] == "restart":
                refuse_if_writer()
            systemd.do(step)

    def refuse_if_writer():
        if systemd.units(["pacemaker.service"])["pacemaker.service"]["ActiveState"] != "active":
            return
        if server.variables(("read_only",)).get("read_only") == "OFF":
            raise CoreError("refusing to restart MariaDB", server.where, "its configuration changed, and it is the zone's active writer",
                            "Move the zone to its other front-end (pcs node standby here, wait until the other one serves, pcs node unstandby), "
                            "then run again.")

    return converge(read, plan, apply, check_mode)


def main():
    module = glue.module(argument_spec=dict(
        mariadb.SPEC,
        unit=dict(type="str", default="mariadb"),
        sockets=dict(type="list", elements="str", default=["mariadb.socket", "mariadb-extra.socket"]),
        config_files=dict(type="list", elements="path", default=[]),
        dependents=dict(type="list", elements="str", default=[]),
    ))
    glue.run(module, lambda: ensure(module.params, services.Systemd(), mariadb.Server(module.params), module.check_mode))


if __name__ == "__main__":
    main()
