#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: database_writer_info
short_description: Read who may write to a zone's database and what is in it
version_added: "0.1.0"
description:
  - Tells whether the server is open for writes, whether OpenNebula's tables are there, and whether the cluster owns both.
  - A server that is not installed or not running is an answer, not an error.
options:
  database:
    description: The name of OpenNebula's database.
    type: str
    default: opennebula
extends_documentation_fragment:
  - constellation.opennebula.mariadb
seealso:
  - module: constellation.opennebula.database_writer
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Look at the zone's database
  constellation.opennebula.database_writer_info:
  register: database
"""

RETURN = r"""
present:
  description: Whether a server answers.
  returned: always
  type: bool
  sample: true
state:
  description: V(writable) or V(read_only); none when no server answers.
  returned: always
  type: str
  sample: read_only
tables:
  description: The names of the tables in the database.
  returned: always
  type: list
  elements: str
  sample: [acl, zone_pool]
owned_by_cluster:
  description: Whether the host's cluster configuration has the resource C(database_writer), running or not.
  returned: always
  type: bool
  sample: false
"""

from ..module_utils import glue
from ..module_utils.adapters import frontend, mariadb
from ..module_utils.core.errors import NotThere
WRITER = "database_writer"

TABLES = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = %s ORDER BY table_name"


def read(params, server, host):
    told = {"present": False, "state": None, "tables": [], "owned_by_cluster": host.cluster_owns(WRITER)}
    try:
        told["state"] = "writable" if server.variables(("read_only",))["read_only"] == "OFF" else "read_only"
        told["tables"] = [row["name"] for row in server.rows(TABLES, (params["database"],))]
        told["present"] = True
    except NotThere:
        pass
    return told


def main():
    module = glue.module(argument_spec=dict(mariadb.SPEC, database={"type": "str", "default": "opennebula"}))
    glue.run(module, lambda: read(module.params, mariadb.Server(module.params), frontend.Frontend()))


if __name__ == "__main__":
    main()
