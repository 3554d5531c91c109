#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: database_repair
version_added: "0.1.0"
short_description: Repair the replication of a MariaDB server by a named verb
description:
  - Gathers the evidence, refuses when it is missing or contradicts the verb, dumps what will change, does what the verb says, and reads again until the
    source runs and its contents are proven equal, row for row; anything else is an error.
  - M(constellation.opennebula.database_repair_info) shows the evidence and names the verb for each finding. This module chooses nothing by itself, skips
    no event, and writes nothing to the binary log.
  - Does nothing where the verb's goal is already reached.
  - A copy that takes longer says every five seconds how far it is, C(journalctl -f -t constellation-copy) on the host.
attributes:
  check_mode:
    description: Gathers the evidence and predicts or refuses exactly as a run does.
    support: full
  diff_mode:
    description: Shows rows and sources before and after; secrets and long texts in rows are left out.
    support: full
  idempotent:
    description: What runs and is equal is not touched.
    support: full
options:
  verb:
    description:
      - V(restart) stops and starts the source, which heals errors that only needed time, and loses nothing.
      - V(repoint) lets it pull from O(host), by GTID, once that server has this one's position. It also moves a source from file positions to GTID.
      - V(refilter) sets its live table filter to O(do_tables). The configuration file must say the same, or the next restart loses it.
      - V(remove_row) removes the row O(key) of O(table) that the source does not know, or at which it stopped with error 1062.
      - V(insert_row) inserts the source's row O(key) of O(table) that is missing here (error 1032). A row that was not the missing one is taken out again.
      - V(reseed_table) replaces O(table) by the source's. Everything else is first brought to the moment of the copy.
      - V(reseed_tables) replaces all tables of a federation source by the master zone's, with their position.
      - V(reseed_node) replaces the whole database of a standby by that of its zone's writer, with its position, and begins a new binary log.
      - V(demote) lets a writer follow its rebuilt peer again from its own position (errors 1947, 1236, 1950).
    type: str
    required: true
    choices: [restart, repoint, refilter, remove_row, insert_row, reseed_table, reseed_tables, reseed_node, demote]
  source:
    description:
      - Name of the source (connection) that is repaired, or whose server has the right rows.
    type: str
    required: true
  table:
    description:
      - The table, without its database.
    type: str
    default: ''
  key:
    description:
      - Primary key of the row, as in V(5), or V(vid=3,seq=0) for a key of several columns.
    type: str
    default: ''
  host:
    description:
      - The server to pull from, with O(verb=repoint).
    type: str
    default: ''
  port:
    description:
      - Its port. When absent, that of the present one.
    type: int
    default: 0
  do_tables:
    description:
      - The tables (V(database.table)) that the filter of the source must list; none for a source inside the zone. O(verb=refilter) sets that, and verbs
        that change rows refuse while the live filter is another one.
    type: list
    elements: str
  moved_replicas:
    description:
      - Server ids of replicas that are known to pull from another server by now, whatever this one still lists. A connection to an address that has moved away
        ends late.
    type: list
    elements: int
    default: []
  backup_dir:
    description:
      - Where what changes is dumped to before, readable by root only.
    type: path
    default: /var/backups/constellation
  wait_timeout_s:
    description:
      - How long the source may take to run, and the contents to become equal, in seconds.
    type: int
    default: 60
  timeout_s:
    description:
      - How long a copy may take, in seconds.
    type: int
    default: 1800
extends_documentation_fragment:
  - constellation.opennebula.mariadb
  - constellation.opennebula.mariadb.repair
notes:
  - The verbs that copy need the client programs C(mariadb) and C(mariadb-dump) on the managed host.
  - After a new binary log (RV(new_binary_log)) the zone's other node must find its way back. Use verb V(demote) or V(restart) there.
seealso:
  - module: constellation.opennebula.database_repair_info
  - module: constellation.opennebula.replication_source
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Start a source again
  constellation.opennebula.database_repair:
    verb: restart
    source: zone100-slave
    user: opennebula_seed
    password: "{{ vault_opennebula_replication_password }}"

- name: Remove a row that only this node has
  constellation.opennebula.database_repair:
    verb: remove_row
    source: zone0
    table: user_pool
    key: "100"
    user: opennebula_seed
    password: "{{ vault_opennebula_replication_password }}"

- name: Load a standby whose history has parted from the zone's writer
  constellation.opennebula.database_repair:
    verb: reseed_node
    source: zone0-master
    user: opennebula_seed
    password: "{{ vault_opennebula_replication_password }}"
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode.
  returned: always
  type: list
  elements: dict
  sample:
    - {kind: row, target: user_pool 100, before: {oid: 100, name: rogue}, after: null}
evidence:
  description: The source's status, the row on both sides, tables that differ with the keys of their rows, and positions, as they were last read.
  returned: always
  type: dict
  sample: {source: {name: zone0, io: "Yes", sql: "Yes"}, row_here: null, row_there: null, tables: [], proven: true, compared: true, positions: {}}
equal:
  description: Whether everything that the source has the truth about was proven equal afterwards.
  returned: when changed, except on a zone's writer
  type: bool
  sample: true
backup_file:
  description: The dump of what was changed, made before.
  returned: when rows were changed
  type: str
  sample: /var/backups/constellation/opennebula.20260321T101500Z.4711.sql
new_binary_log:
  description: Whether this server began a new binary log.
  returned: when it did
  type: bool
  sample: true
error:
  description: What failed, where, why and what to do, with C(verb) and C(source) of a refusal, and C(backup_file) when something was changed.
  returned: failure
  type: dict
  sample:
    what: refusing to remove_row zone0 user_pool 100
    where: root@/run/mysqld/mysqld.sock
    why: "the source has exactly the same row: not the row is wrong, but the position"
    hint: Use verb reseed_table.
"""

from ..module_utils import glue
from ..module_utils.adapters import mariadb
from ..module_utils.core import converge, repair, repair_run

ASKED = ("verb", "source", "table", "key", "host", "port", "do_tables", "database", "moved_replicas")


def ensure(params, servers, copy, check_mode):
    request = repair.Request(**{name: params[name] for name in ASKED})
    results, server = {}, servers.here()
    run = repair_run.Run(request, servers, server, copy, params, results)
    seen = []

    def read():
        seen.append(run.read())
        return seen[-1]

    return converge.converge(read, lambda facts: repair.plan(request, facts), lambda todo: run.apply(seen[-1], todo), check_mode, results,
                             header=server.where)


def main():
    module = glue.module(argument_spec=dict(
        mariadb.SPEC, verb={"type": "str", "required": True, "choices": list(repair.VERBS)}, source={"type": "str", "required": True},
        table={"type": "str", "default": ""}, key={"type": "str", "default": "", "no_log": False}, host={"type": "str", "default": ""},
        port={"type": "int", "default": 0}, do_tables={"type": "list", "elements": "str"},
        moved_replicas={"type": "list", "elements": "int", "default": []}, database={"type": "str", "default": "opennebula"},
        user={"type": "str", "required": True}, password={"type": "str", "required": True, "no_log": True}, tls_ca={"type": "path"},
        backup_dir={"type": "path", "default": "/var/backups/constellation"}, wait_timeout_s={"type": "int", "default": 60},
        timeout_s={"type": "int", "default": 1800}))
    glue.run(module, lambda: ensure(module.params, mariadb.Servers(module.params), mariadb.Copy(module.params["timeout_s"]), module.check_mode))


if __name__ == "__main__":
    main()
