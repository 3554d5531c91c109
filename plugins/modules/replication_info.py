#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: replication_info
version_added: "0.1.0"
short_description: Read everything about the replication of a MariaDB server
description:
  - Returns all named connections with their live filters and errors, GTID positions, semi-synchronous state and the variables that matter, as data.
  - C(sources) can be given back to M(constellation.opennebula.replication_source) and changes nothing.
  - Can wait until this server has applied a GTID position of another one; "IO=Yes, SQL=Yes, 0 s behind" proves nothing about the last
    C(slave_net_timeout) seconds, the position does.
attributes:
  check_mode:
    description: Only reads.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
options:
  names:
    description:
      - Only these connections. When absent, all.
    type: list
    elements: str
  wait_gtid_pos:
    description:
      - Wait until this GTID position has been applied here.
    type: str
  wait_timeout_s:
    description:
      - How long to wait for O(wait_gtid_pos), in seconds. Not reaching it is not a failure, see RV(gtid.reached).
    type: float
    default: 30.0
extends_documentation_fragment:
  - constellation.opennebula.mariadb
seealso:
  - module: constellation.opennebula.replication_source
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Read the replication of this node
  constellation.opennebula.replication_info:
  register: __replication

- name: Wait until this node has what its peer had
  constellation.opennebula.replication_info:
    wait_gtid_pos: "{{ hostvars['alpha1'].__replication.gtid.binlog_pos }}"
"""

RETURN = r"""
present:
  description: Whether a MariaDB server answers. When not, everything else is empty and RV(why_absent) says why.
  returned: always
  type: bool
  sample: true
why_absent:
  description: Why no server answers.
  returned: when RV(present) is false
  type: str
  sample: "MariaDB does not answer at root@/run/mysqld/mysqld.sock: 2002 Can't connect"
sources:
  description: The connections, in the form that M(constellation.opennebula.replication_source) takes.
  returned: always
  type: list
  elements: dict
  sample:
    - {name: zone0-slave, host: 10.90.1.12, port: 3306, user: opennebula_repl, use_gtid: slave_pos,
       connect_retry_s: 2, heartbeat_s: 5.0, state: started, do_tables: []}
status:
  description: What the running connections say, one entry for each.
  returned: always
  type: list
  elements: dict
  sample:
    - {name: zone0-slave, io: "Yes", sql: "Yes", io_errno: 0, io_error: "", sql_errno: 0, sql_error: "", behind_s: 0, gtid_slave_pos: 0-1-46}
rows:
  description: The raw rows of SHOW ALL SLAVES STATUS.
  returned: always
  type: list
  elements: dict
  sample: []
gtid:
  description: Positions of this server, and C(reached) when O(wait_gtid_pos) was given.
  returned: always
  type: dict
  contains:
    slave_pos:
      description: What was applied from others.
      type: str
      returned: always
    binlog_pos:
      description: What the binary log ends with, by domain.
      type: str
      returned: always
    current_pos:
      description: The newer of both, by domain.
      type: str
      returned: always
    binlog_state:
      description: The last event of each server in each domain.
      type: str
      returned: always
    reached:
      description: Whether the position waited for has been applied.
      type: bool
      returned: when O(wait_gtid_pos) was given
  sample: {slave_pos: 0-1-46, binlog_pos: 0-1-46, current_pos: 0-1-46, binlog_state: 0-1-46}
configured_filters:
  description:
    - The table filters that the next start of the server brings, by the connection's name, as its configuration files have them now. Those that are live are in
      RV(sources). Null where it cannot be told, as of a server on another host.
  returned: always
  type: dict
  sample: {zone0: [opennebula.acl, opennebula.db_versioning]}
variables:
  description: The global variables that matter for replication, as the server spells their values.
  returned: always
  type: dict
  sample: {server_id: "1", gtid_domain_id: "0", read_only: "ON", gtid_strict_mode: "ON", binlog_format: ROW}
semi_sync:
  description: Status variables of semi-synchronous replication.
  returned: always
  type: dict
  sample: {rpl_semi_sync_master_status: "ON", rpl_semi_sync_master_clients: "1", rpl_semi_sync_slave_status: "OFF"}
certificate_fingerprint:
  description: SHA-256 fingerprint of the certificate that the server shows; empty when it offers no TLS.
  returned: when RV(present)
  type: str
  sample: "5F:0A:…"
server_id:
  description: Number of this server.
  returned: when RV(present)
  type: int
  sample: 1
gtid_domain_id:
  description: GTID domain that this server writes in.
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
from ..module_utils.core import certificate, replication
from ..module_utils.core.errors import NotThere

VARIABLES = (
    "version", "hostname", "server_id", "gtid_domain_id", "gtid_strict_mode", "gtid_ignore_duplicates", "log_bin", "log_slave_updates", "binlog_format",
    "binlog_row_image", "sync_binlog", "innodb_flush_log_at_trx_commit", "binlog_expire_logs_seconds", "relay_log_recovery", "slave_net_timeout",
    "slave_exec_mode", "slave_skip_errors", "slave_parallel_mode", "slave_parallel_threads", "read_only", "skip_name_resolve", "init_rpl_role",
    "rpl_semi_sync_master_enabled", "rpl_semi_sync_slave_enabled", "rpl_semi_sync_master_timeout", "rpl_semi_sync_master_wait_point", "have_ssl",
    "general_log", "port", "bind_address", "datadir")
POSITIONS = ("SELECT @@GLOBAL.gtid_slave_pos AS slave_pos, @@GLOBAL.gtid_binlog_pos AS binlog_pos, @@GLOBAL.gtid_current_pos AS current_pos, "
             "@@GLOBAL.gtid_binlog_state AS binlog_state")


def read(params, server):
    try:
        reached = None
        if params["wait_gtid_pos"]:
            reached = server.value("SELECT MASTER_GTID_WAIT(%s, %s)", (params["wait_gtid_pos"], params["wait_timeout_s"])) == 0
        rows = [row for row in server.slaves() if params["names"] is None or row["Connection_name"] in params["names"]]
        variables = server.variables(VARIABLES)
        gtid = dict(server.rows(POSITIONS)[0])
        arguments = server.next_arguments()
        shown = server.shown_certificate() if variables.get("have_ssl") == "YES" else None
    except NotThere as absent:
        return {"present": False, "why_absent": str(absent), "sources": [], "status": [], "rows": [], "gtid": {}, "variables": {}, "semi_sync": {},
                "configured_filters": None}
    if reached is not None:
        gtid["reached"] = reached
    return {
        "present": True, "configured_filters": None if arguments is None else replication.configured_filters(arguments),
        "sources": replication.parse(rows), "status": [replication.status_of(row) for row in rows], "rows": rows, "gtid": gtid,
        "variables": variables, "semi_sync": server.status("rpl_semi_sync%"), "server_id": int(variables["server_id"]),
        "gtid_domain_id": int(variables["gtid_domain_id"]), "read_only": variables["read_only"] != "OFF",
        "certificate_fingerprint": certificate.fingerprint(shown) if shown else ""}


def main():
    module = glue.module(argument_spec=dict(
        mariadb.SPEC, names={"type": "list", "elements": "str"}, wait_gtid_pos={"type": "str"}, wait_timeout_s={"type": "float", "default": 30.0}))
    glue.run(module, lambda: read(module.params, mariadb.Server(module.params)))


if __name__ == "__main__":
    main()
