#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: federated_tables
version_added: "0.1.0"
short_description: Seed the federated tables of a slave zone's database from the master zone
description:
  - Copies the federated tables from a server of the master zone, which keeps working, together with the GTID position at which they were read, so that
    replication continues exactly there.
  - The replication connections of this server are stopped meanwhile and started again. The dump is loaded into a staging schema; only when it is
    complete all tables are put into place in one statement, and the master zone's part of C(gtid_slave_pos) is set. An interrupted run can simply be
    run again.
  - Where a seeding or a repair was interrupted before it put anything into place, and the tables are right, only its staging schema
    (C(constellation_seed)) is dropped.
  - Nothing is written to the binary log; every node of a slave zone is seeded by itself.
  - A copy that takes longer says every five seconds how far it is, C(journalctl -f -t constellation-copy) on the seeded host.
  - Does nothing when all tables are there with a position in the master zone's GTID domain.
  - A server that belongs to the master zone itself is refused.
attributes:
  check_mode:
    description: Predicts whether this server would be seeded; the master zone is not asked.
    support: full
  diff_mode:
    description: Shows the tables and the position before and after.
    support: full
  idempotent:
    description: A seeded server is not touched, except with O(force=true).
    support: partial
options:
  masters:
    description:
      - Addresses of servers of the master zone, without its service address. The first that may be written is used, else the first that has all the tables.
    type: list
    elements: str
    required: true
  master_port:
    description:
      - TCP port of these servers.
    type: int
    default: 3306
  user:
    description:
      - User on these servers; it needs C(SELECT) on the database, nothing else.
    type: str
    required: true
  password:
    description:
      - Password of O(user). The client programs get it in a file that only root can read.
    type: str
    required: true
  tls_ca:
    description:
      - File with the certificate authorities to trust. With it O(masters) are read over TLS or not at all, and their certificates must name the addresses
        in O(masters).
    type: path
  domain:
    description:
      - GTID domain of the master zone, which is its zone id.
    type: int
    default: 0
  domains:
    description:
      - GTID domains that the master zone's servers write in, instead of O(domain), where each has one of its own (replication layout V(guide)).
      - The position in the domain of the server that is copied from is the dump's. In the others it is what that server had applied when the dump
        began and when it ended; if it went on meanwhile, because two servers of the master zone take writes, the dump is repeated, and after five
        the seeding is refused.
    type: list
    elements: int
  database:
    description:
      - Name of the database, on both sides.
    type: str
    default: opennebula
  tables:
    description:
      - The federated tables. When absent, those of OpenNebula 5.0 and 5.2.
    type: list
    elements: str
  replace:
    description:
      - Whether tables that are there already, and are no complete copy of the master zone's, are replaced. They are dumped into O(backup_dir) first.
    type: bool
    default: false
  force:
    description:
      - Seed even if the server looks seeded, for one whose contents are known to be wrong. Implies O(replace=true) and is never idempotent.
    type: bool
    default: false
  backup_dir:
    description:
      - Where replaced tables are dumped to, readable by root only.
    type: path
    default: /var/backups/constellation
  timeout_s:
    description:
      - How long the copy may take, in seconds.
    type: int
    default: 1800
extends_documentation_fragment:
  - constellation.opennebula.mariadb
notes:
  - Needs the client programs C(mariadb) and C(mariadb-dump) on the managed host.
  - Seed all nodes of a slave zone before the federation connection of any of them is started. A node whose own federation connection is behind would
    get newer rows through a freshly seeded neighbour, and never see the ones in between.
seealso:
  - module: constellation.opennebula.federated_tables_info
  - module: constellation.opennebula.replication_source
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Seed this node of a slave zone
  constellation.opennebula.federated_tables:
    masters: [10.90.1.11, 10.90.1.12]
    user: opennebula_seed
    password: "{{ vault_opennebula_replication_password }}"

- name: Seed again a node whose tables were found to differ
  constellation.opennebula.federated_tables:
    masters: [10.90.1.11, 10.90.1.12]
    user: opennebula_seed
    password: "{{ vault_opennebula_replication_password }}"
    force: true
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: federated_tables
      target: opennebula
      before:
      after: {tables: [acl, db_versioning], position: of the dump (domain 0), from: 10.90.1.11}
source:
  description: The server that was copied from.
  returned: when seeded
  type: str
  sample: 10.90.1.11
position:
  description: The position of the copy in the master zone's domain.
  returned: when seeded
  type: str
  sample: 0-1-922
backup_file:
  description: Where the replaced tables were dumped to.
  returned: when tables were replaced
  type: str
  sample: /var/backups/constellation/opennebula.20260321T101500Z.4711.sql
error:
  description: What failed, where, why and what to do.
  returned: failure
  type: dict
  sample:
    what: no server of the master zone can seed the federated tables
    where: ""
    why: "10.90.1.11: has no table acl, db_versioning, …"
    hint: Start the master zone's OpenNebula once so that it makes its tables, and give the seed user access (database_access).
"""

from ..module_utils import glue
from ..module_utils.adapters import mariadb
from ..module_utils.core import converge, federated
from ..module_utils.core.errors import NotThere
from ..module_utils.core.federated_run import clean, domains_of, look, seed


def ensure(params, server, masters, copy, check_mode):
    database, domains = params["database"], domains_of(params)
    tables = tuple(params["tables"] or federated.FEDERATED_TABLES)
    results = {}

    def read():
        try:
            return look(server, database, tables)
        except NotThere:
            if check_mode:
                return federated.Facts()
            raise

    def plan(facts):
        return federated.plan(facts, database, domains, ", ".join(params["masters"]), tables, params["replace"], params["force"])

    def apply(todo):
        if [change.kind for change in todo] == ["leftover"]:
            clean(server)
        else:
            seed(params, server, masters, copy, tables, results)

    return converge.converge(read, plan, apply, check_mode, results, header=server.where)


def main():
    module = glue.module(argument_spec=dict(
        mariadb.SPEC, masters={"type": "list", "elements": "str", "required": True}, master_port={"type": "int", "default": 3306},
        user={"type": "str", "required": True}, password={"type": "str", "required": True, "no_log": True}, tls_ca={"type": "path"},
        domain={"type": "int", "default": 0}, domains={"type": "list", "elements": "int"},
        database={"type": "str", "default": "opennebula"}, tables={"type": "list", "elements": "str"}, replace={"type": "bool", "default": False},
        force={"type": "bool", "default": False}, backup_dir={"type": "path", "default": "/var/backups/constellation"},
        timeout_s={"type": "int", "default": 1800}))
    params = module.params
    masters = [mariadb.Server({"login_host": host, "login_port": params["master_port"], "login_user": params["user"], "login_password": params["password"],
                               "login_tls_ca": params["tls_ca"], "connect_timeout_s": params["connect_timeout_s"]}) for host in params["masters"]]
    glue.run(module, lambda: ensure(params, mariadb.Server(params), masters, mariadb.Copy(params["timeout_s"]), module.check_mode))


if __name__ == "__main__":
    main()
