#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: federated_tables_info
version_added: "0.1.0"
short_description: Read position and contents of the federated tables of one MariaDB server
description:
  - Reads, in one consistent snapshot, the GTID position of the server and for each federated table the number of rows and a checksum over all rows and
    columns.
  - Equal numbers of rows prove nothing. Reports of several servers are compared on the controller; equal checksums are equal contents, and different
    ones prove a difference when both were read at the same position.
  - Takes no lock; the server keeps working.
attributes:
  check_mode:
    description: Only reads.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
options:
  database:
    description:
      - Name of the database.
    type: str
    default: opennebula
  tables:
    description:
      - The federated tables. When absent, those of OpenNebula 5.0 and 5.2.
    type: list
    elements: str
extends_documentation_fragment:
  - constellation.opennebula.mariadb
seealso:
  - module: constellation.opennebula.federated_tables
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Read the federated tables of this node
  constellation.opennebula.federated_tables_info:
  register: __tables
"""

RETURN = r"""
present:
  description: Whether a MariaDB server answers. When not, RV(why_absent) says why.
  returned: always
  type: bool
  sample: true
why_absent:
  description: Why no server answers.
  returned: when RV(present) is false
  type: str
  sample: "MariaDB does not answer at root@/run/mysqld/mysqld.sock: 2002 Can't connect"
position:
  description: GTID position of the snapshot, per domain the newer of binary log and C(mysql.gtid_slave_pos).
  returned: always
  type: str
  sample: 0-1-922,100-3-40
tables:
  description: For each table that exists, the number of rows, the checksum and the columns.
  returned: always
  type: dict
  sample: {acl: {rows: 4, checksum: 5D1F0A3377AB11C4-36893488147419103232, columns: [oid, resource, rights, user, zone]}}
missing:
  description: Tables that do not exist.
  returned: always
  type: list
  elements: str
  sample: []
server_id:
  description: Number of this server.
  returned: when RV(present)
  type: int
  sample: 1
gtid_domain_id:
  description: GTID domain that this server writes in, which is its zone's id.
  returned: when RV(present)
  type: int
  sample: 0
read_only:
  description: Whether ordinary users may not write here.
  returned: when RV(present)
  type: bool
  sample: true
"""

from ..module_utils import glue
from ..module_utils.adapters import mariadb
from ..module_utils.core.federated_run import read


def main():
    module = glue.module(argument_spec=dict(mariadb.SPEC, database={"type": "str", "default": "opennebula"}, tables={"type": "list", "elements": "str"}))
    glue.run(module, lambda: read(module.params, mariadb.Snapshot(module.params)))


if __name__ == "__main__":
    main()
