#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: federated_tables_info
version_added: "0.1.0"
short_description: Compare the federated tables of one MariaDB server with the master zone's, exactly, while they are written to
description:
  - Brings this server and the one that writes in the master zone into consistent snapshots of the same GTID position, and compares all rows and columns
    there. Rows that differ are named by table and primary key.
  - Takes no lock and stops nothing; all servers keep working and replicating. A server that is behind is waited for, as long as it moves.
  - Without O(masters) it only reads position and checksums, in one consistent snapshot. Equal numbers of rows prove nothing, nor do checksums that were
    read at different positions.
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
  masters:
    description:
      - Addresses of the servers of the master zone, without its service address and without this server. The one that may be written is compared with; when
        none may, the one that is farthest.
      - On the server that writes there itself, nothing is compared; the others compare themselves with it.
    type: list
    elements: str
  master_port:
    description:
      - TCP port of these servers.
    type: int
    default: 3306
  user:
    description:
      - User on these servers. It needs C(SELECT) on the database and C(BINLOG MONITOR).
    type: str
  password:
    description:
      - Password of O(user).
    type: str
  tls_ca:
    description:
      - File with the certificate authorities to trust. With it O(masters) are read over TLS or not at all.
    type: path
  domain:
    description:
      - GTID domain of the master zone, which is its zone id.
    type: int
    default: 0
  domains:
    description:
      - GTID domains that the master zone's servers write in, instead of O(domain), where each has one of its own (replication layout V(guide)). Then the
        writes of the other servers, which stand still while one writes, must have come equally far on both sides; else nothing is compared.
    type: list
    elements: int
  wait_timeout_s:
    description:
      - How long to try to bring both servers to the same position, in seconds. A server that stands still is not waited for.
    type: int
    default: 30
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

- name: Compare them with those of the master zone
  constellation.opennebula.federated_tables_info:
    masters: [10.90.1.11, 10.90.1.12]
    user: opennebula_seed
    password: "{{ vault_seed_password }}"
  register: __compared
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
  description: For each table that exists, the number of rows, the checksum and the columns. Empty on the server that the others are compared with.
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
comparison:
  description:
    - What the comparison with the master zone found.
  returned: when O(masters) is given and RV(present)
  type: dict
  contains:
    reference:
      description: Whether this is the server that the others are compared with.
      type: bool
    with:
      description: Address of the server that was compared with.
      type: str
    equal:
      description: Whether all rows are equal; C(null) when they could not be read at one position.
      type: bool
    sequence:
      description: Sequence number in the master zone's GTID domain at which both were read.
      type: int
    tables:
      description:
        - The tables that differ, each with the primary keys of the rows that are C(missing_here), C(only_here) and C(differing), at most 100 of each,
          and their C(count).
      type: list
      elements: dict
    why:
      description: The same in one sentence, or why nothing could be compared.
      type: str
  sample:
    reference: false
    with: 10.90.1.11
    equal: false
    sequence: 922
    tables: [{table: user_pool, missing_here: [], only_here: [], differing: ["3"], count: 1, why: ""}]
    why: "user_pool: 1 differing (3)"
"""

from ..module_utils import glue
from ..module_utils.adapters import mariadb
from ..module_utils.core.federated_compare import read


def main():
    module = glue.module(argument_spec=dict(
        mariadb.SPEC, database={"type": "str", "default": "opennebula"}, tables={"type": "list", "elements": "str"},
        masters={"type": "list", "elements": "str"}, master_port={"type": "int", "default": 3306}, user={"type": "str"}, tls_ca={"type": "path"},
        password={"type": "str", "no_log": True}, domain={"type": "int", "default": 0},
        domains={"type": "list", "elements": "int"}, wait_timeout_s={"type": "int", "default": 30}),
        required_by={"masters": ["user", "password"]})
    glue.run(module, lambda: read(module.params, mariadb.Servers(module.params)))


if __name__ == "__main__":
    main()
