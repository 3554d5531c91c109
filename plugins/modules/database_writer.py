#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: database_writer
short_description: Open or close a MariaDB server for OpenNebula's writes
version_added: "0.1.0"
description:
  - Sets or lifts C(read_only) of the running server. The configuration file keeps every server closed, so a restart closes it again.
  - In a standing zone the cluster's resource C(database_writer) does this, on one front-end at a time. Where the cluster configuration of the
    host has that resource, running or not, the module refuses to change anything; two open servers of one zone lose data.
  - Needed only to bootstrap a zone's database before its cluster exists.
options:
  state:
    description: Whether ordinary database users, OpenNebula among them, may write.
    type: str
    choices: [writable, read_only]
    required: true
extends_documentation_fragment:
  - constellation.opennebula.mariadb
seealso:
  - module: constellation.opennebula.database_writer_info
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Open the database of the zone's first front-end
  constellation.opennebula.database_writer:
    state: writable
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode.
  returned: always
  type: list
  elements: dict
  sample:
    - {kind: database, target: read_only, before: read_only, after: writable}
"""

from ..module_utils import glue
from ..module_utils.adapters import frontend, mariadb
from ..module_utils.core.converge import converge
from ..module_utils.core.errors import CoreError, NotThere
from ..module_utils.core.plan import Change, Plan

WRITER = "database_writer"


def ensure(params, server, host, check_mode):
    def read():
        try:
            return "writable" if server.variables(("read_only",))["read_only"] == "OFF" else "read_only"
        except NotThere:
            if not check_mode:
                raise
            return "read_only"          # as the configuration that is still to come will have it

    def plan(state):
        if state == params["state"]:
            return Plan()
        if host.cluster_owns(WRITER):
            raise CoreError("refusing to change who may write to the database", why=f"the cluster has the resource {WRITER}, which does this",
                            hint="Start, stop or move the zone with pcs; leave the database alone.")
        return Plan((Change("database", "read_only", state, params["state"]),))

    def apply(todo):
        for change in todo:
            server.do("SET GLOBAL read_only = %s", (int(change.after == "read_only"),))

    return converge(read, plan, apply, check_mode, header="database")


def main():
    module = glue.module(argument_spec=dict(mariadb.SPEC, state={"type": "str", "choices": ["writable", "read_only"], "required": True}))
    glue.run(module, lambda: ensure(module.params, mariadb.Server(module.params), frontend.Frontend(), module.check_mode))


if __name__ == "__main__":
    main()
