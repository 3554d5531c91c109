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
  - Lets the running server take up a new certificate (C(FLUSH SSL)), seen by the certificate that it shows; connections stay as they are.
  - Refuses to restart the server that is the zone's active writer. Move the zone to its other front-end first; that one has been restarted by then,
    so the two nodes of a zone are never down together.
  - With O(restart=false) it does everything else and says who would be restarted, so that a playbook can do that one node of a zone at a time.
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
  certificate:
    description: File with the certificate that the server must show, and its private key.
    type: path
  dependents:
    description: Other units whose changed files systemd must read again, where they are loaded.
    type: list
    elements: str
    default: []
  restart:
    description: Whether a running server is restarted when its configuration is newer. It is started in any case.
    type: bool
    default: true
extends_documentation_fragment:
  - constellation.opennebula.mariadb
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Run MariaDB as configured
  constellation.opennebula.database_service:
    config_files: [/etc/mysql/mariadb.conf.d/90-constellation.cnf]
    certificate: /etc/constellation/tls/server.pem
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
restart_needed:
  description: Whether the server still runs with an older configuration.
  returned: always
  type: bool
  sample: false
writer:
  description: Whether it does, and is its zone's active writer.
  returned: always
  type: bool
  sample: false
replicates:
  description: Whether it does, and has replication sources.
  returned: always
  type: bool
  sample: true
"""

from ..module_utils import glue
from ..module_utils.adapters import mariadb, services
from ..module_utils.adapters.tree import Tree
from ..module_utils.core import certificate, unit_plan
from ..module_utils.core.converge import converge
from ..module_utils.core.errors import CoreError, NotThere
from ..module_utils.core.plan import Plan


def ensure(params, systemd, server, check_mode, tree=None):
    unit, results = params["unit"], {"restart_needed": False, "writer": False, "replicates": False}
    watched = [name if "." in name else f"{name}.service" for name in (unit, *params["dependents"])]

    def read():
        state = systemd.units([*watched, *params["sockets"], "pacemaker.service"])
        if not unit_plan.installed(state[f"{unit}.service"]) and not check_mode:
            raise NotThere(f"{unit} is not installed", why="systemd knows no such service", hint="Install mariadb-server first; the role database does.")
        return state, systemd.changed_at(params["config_files"]), systemd.monotonic()

    def plan(state):
        todo = unit_plan.plan(unit, watched, params["sockets"], *state)
        later, todo = any(change.step[0] == "restart" for change in todo), now(todo)
        if params["certificate"] is not None and not any(change.kind == "server" for change in todo):      # one that starts now reads it anyway
            todo = unit_plan.with_certificate(todo, unit, *certificates())
            later, todo = later or any(change.step[0] == "restart" for change in todo), now(todo)
        results.update(restart_needed=later, writer=later and writes(), replicates=later and bool(server.slaves()))
        return todo

    def now(todo):
        return todo if params["restart"] else Plan(tuple(change for change in todo if change.step[0] != "restart"))

    def certificates():
        """Return the fingerprints of the certificate in the file and of the one that the server shows; None for neither."""
        file = tree.read(params["certificate"])
        server.close()      # it may have been restarted
        try:
            wanted = certificate.fingerprint(certificate.split(file["content"], params["certificate"]).certificate) if file else None
            shown = server.shown_certificate()
        except CoreError:
            if not check_mode:
                raise
            return None, None
        return wanted, certificate.fingerprint(shown) if shown else None

    def writes():
        return systemd.units(["pacemaker.service"])["pacemaker.service"]["ActiveState"] == "active" and server.variables(
            ("read_only",)).get("read_only") == "OFF"

    def apply(todo):
        for step in (change.step for change in todo):
            if step[0] == "restart" and writes():
                raise CoreError("refusing to restart MariaDB", server.where, "its configuration changed, and it is the zone's active writer",
                                "Move the zone to its other front-end first (playbook switchover), then run again; or run site.yml with "
                                "-e database_restart_active=switchover.")
            if step[0] == "flush":
                server.do("FLUSH SSL")
            else:
                systemd.do(step)

    return converge(read, plan, apply, check_mode, results)


def main():
    module = glue.module(argument_spec=dict(
        mariadb.SPEC,
        unit=dict(type="str", default="mariadb"),
        sockets=dict(type="list", elements="str", default=["mariadb.socket", "mariadb-extra.socket"]),
        config_files=dict(type="list", elements="path", default=[]),
        certificate=dict(type="path"),
        dependents=dict(type="list", elements="str", default=[]),
        restart=dict(type="bool", default=True),
    ))
    glue.run(module, lambda: ensure(module.params, services.Systemd(), mariadb.Server(module.params), module.check_mode, Tree()))


if __name__ == "__main__":
    main()
