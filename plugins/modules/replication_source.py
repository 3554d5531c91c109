#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: replication_source
version_added: "0.1.0"
short_description: Manage the named replication connections of a MariaDB server
description:
  - Compares the declared connections with C(SHOW ALL SLAVES STATUS) and does the smallest possible C(STOP), C(CHANGE MASTER) and C(START).
    A connection that is right is not touched, running or not.
  - Every option is written explicitly, so that no default of the server, which change between versions, matters.
  - A connection whose live table filter is not the declared one is refused before it starts, because a misspelt prefix in the configuration file is
    silently no filter at all.
  - Afterwards it waits until the connections run; if one does not, the error names the connection, the server, the error number, its cause and what
    is safe to do about it.
  - All options but the name may also be given once for all connections, outside of O(sources).
attributes:
  check_mode:
    description: Predicts exactly what a run changes; on a host without MariaDB everything is predicted as to be created.
    support: full
  diff_mode:
    description: Shows the options that change; passwords only as C((secret)).
    support: full
  idempotent:
    description: A second run changes nothing, except with O(update_password=always).
    support: partial
options:
  sources:
    description:
      - The connections of this server, by name.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the connection, case sensitive; filters in the configuration file begin with it.
        type: str
        required: true
      host:
        description: Address of the server to pull from. Required unless O(sources[].state=absent).
        type: str
      other_hosts:
        description:
          - Addresses that an existing connection may pull from instead of O(sources[].host); it is left as it is then. In a zone of three and more
            front-ends the keeper of the ring chooses among them. A new connection pulls from O(sources[].host).
        type: list
        elements: str
      port:
        description: As O(port), for this connection.
        type: int
      user:
        description: As O(user), for this connection.
        type: str
      password:
        description: As O(password), for this connection.
        type: str
      connect_retry_s:
        description: As O(connect_retry_s), for this connection.
        type: int
      heartbeat_s:
        description: As O(heartbeat_s), for this connection.
        type: float
      delay_s:
        description: As O(delay_s), for this connection.
        type: int
      use_gtid:
        description: As O(use_gtid), for this connection.
        type: str
        choices: [slave_pos, current_pos, 'no']
      log_file:
        description: Binary log file of the dump that this server was loaded from, with V(no) for O(use_gtid).
        type: str
      log_pos:
        description: Position in O(sources[].log_file).
        type: int
      ssl:
        description: As O(ssl), for this connection.
        type: bool
      ssl_ca:
        description: As O(ssl_ca), for this connection.
        type: path
      ssl_cert:
        description: As O(ssl_cert), for this connection.
        type: path
      ssl_key:
        description: As O(ssl_key), for this connection.
        type: path
      ssl_verify:
        description: As O(ssl_verify), for this connection.
        type: bool
      do_tables:
        description:
          - The tables (V(database.table)) that the live filter of this connection must list, no more and no less. An empty list means that there must be
            no table filter. When absent the filter is not looked at.
          - This module does not set the filter. It belongs into the configuration file, where it survives a restart.
        type: list
        elements: str
      state:
        description: As O(state), for this connection.
        type: str
        choices: [started, stopped, absent]
  port:
    description:
      - TCP port of the servers to pull from.
    type: int
    default: 3306
  user:
    description:
      - User that replicates; it needs C(REPLICATION SLAVE) there.
    type: str
  password:
    description:
      - Password of O(user).
    type: str
  update_password:
    description:
      - The server does not show the password it has. With V(on_create) it is set when the connection is created, whenever another option changes,
        when the source refuses the present one (error 1045), and when it differs from the one that the server of this host keeps in its data
        directory, where that can be read. A running connection whose source does not take the new one is left as it is, and the run fails.
      - With V(always) it is set in every run, which stops and starts the connection and is never idempotent.
    type: str
    choices: [on_create, always]
    default: on_create
  connect_retry_s:
    description:
      - Seconds between two attempts to connect.
    type: int
    default: 2
  heartbeat_s:
    description:
      - Seconds of silence after which the source sends a sign of life. Half of C(slave_net_timeout) is a good value.
    type: float
    default: 5.0
  delay_s:
    description:
      - Seconds by which this server stays behind on purpose.
    type: int
    default: 0
  use_gtid:
    description:
      - How the position is kept. V(slave_pos) is crash safe and right for pairs that pull from each other.
      - V(no) keeps a file and a position; a new connection then needs O(sources[].log_file) and O(sources[].log_pos).
    type: str
    choices: [slave_pos, current_pos, 'no']
    default: slave_pos
  ssl:
    description:
      - Whether to connect over TLS.
    type: bool
    default: false
  ssl_ca:
    description:
      - File with the certificate authorities to trust.
    type: path
    default: ''
  ssl_cert:
    description:
      - File with the certificate to show.
    type: path
    default: ''
  ssl_key:
    description:
      - File with the key of O(ssl_cert).
    type: path
    default: ''
  ssl_verify:
    description:
      - Whether the source's certificate must carry the name or address used as host. Only with O(ssl=true).
    type: bool
    default: true
  state:
    description:
      - V(started) and V(stopped) describe both threads. V(absent) stops the connection and forgets it, position in file mode included
        (C(RESET SLAVE ALL)); GTID positions stay.
    type: str
    choices: [started, stopped, absent]
    default: started
  exclusive:
    description:
      - Whether connections that are not declared are removed.
    type: bool
    default: false
  require:
    description:
      - Server variables and the values that they must have before a connection is started, besides the rules that always hold, such as
        C(gtid_strict_mode), C(binlog_format) and C(log_slave_updates). A variable given here replaces the rule of its name.
    type: dict
  accept:
    description:
      - Names of rules that need not hold, those of O(require) included. Before a start each broken rule is an error that gives its name and what it
        costs.
      - Besides server variables there are V(applied_twice), V(current_pos), V(delay), V(domain_filter), V(duplicates_by_number), V(file_position),
        V(semi_sync_on_standby) and V(taken_back).
    type: list
    elements: str
  wait_for:
    description:
      - What a started connection must reach. V(running) is both threads saying Yes.
      - V(connecting) also accepts that nobody answers at the address yet, as with a service address whose cluster is not up. Wrong credentials
        and errors of the replication itself are still failures.
    type: str
    choices: [running, connecting]
    default: running
  wait_timeout_s:
    description:
      - How long to wait for it, in seconds.
    type: int
    default: 30
extends_documentation_fragment:
  - constellation.opennebula.mariadb
seealso:
  - module: constellation.opennebula.replication_info
  - module: constellation.opennebula.federated_tables
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Pull from the other node of the pair
  constellation.opennebula.replication_source:
    sources:
      - {name: zone0-slave, host: 10.90.1.12}
    user: opennebula_repl
    password: "{{ vault_opennebula_replication_password }}"

- name: Pull the federated tables from the master zone, whose address may not be up yet
  constellation.opennebula.replication_source:
    sources: "{{ opennebula_node.federation_sources }}"
    user: opennebula_repl
    password: "{{ vault_opennebula_replication_password }}"
    wait_for: connecting

- name: Forget the channels of the reference guide
  constellation.opennebula.replication_source:
    sources:
      - name: zone0-master1
      - name: zone0-master2
    state: absent
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: source
      target: zone0
      before: {host: 10.90.1.11}
      after: {host: 10.90.1.101}
    - kind: source_threads
      target: zone0-slave
      before: IO=Yes SQL=No (error SQL 1062)
      after: running
status:
  description: The declared connections as they are afterwards; see M(constellation.opennebula.replication_info).
  returned: always
  type: list
  elements: dict
  sample:
    - {name: zone0-slave, io: "Yes", sql: "Yes", io_errno: 0, sql_errno: 0, behind_s: 0}
error:
  description: What failed, where, why and what to do, with the error number as C(errno) and the source's C(status).
  returned: failure
  type: dict
  sample:
    what: source zone0 does not run
    where: root@/run/mysqld/mysqld.sock
    why: "towards 10.90.1.101:3306 IO=Connecting SQL=Yes, error 1045 (Access denied for user 'repl'@'10.90.2.11'): wrong user, password or address"
    hint: Check the user and its hosts on the source (database_access) and the password given here.
    errno: 1045
"""

from ..module_utils import glue
from ..module_utils.adapters import mariadb
from ..module_utils.core import converge, replication, replication_rules
from ..module_utils.core.errors import CoreError, NotThere
from ..module_utils.core.replication_run import run_steps, settle

COMMON = ("port", "user", "connect_retry_s", "heartbeat_s", "delay_s", "use_gtid", "ssl", "ssl_ca", "ssl_cert", "ssl_key", "ssl_verify", "state")


def ensure(params, server, check_mode):
    wanted = replication.wanted_sources(params["sources"], {name: params[name] for name in COMMON})
    passwords = {item["name"]: item.get("password") or params["password"] for item in params["sources"]}
    results = {"status": []}
    rules = sorted({*replication_rules.names(), *(params.get("require") or ())})
    unknown = sorted(set(params.get("accept") or ()) - set(rules))
    if unknown:
        raise CoreError(f"cannot accept {', '.join(unknown)}", why="there is no such rule", hint=f"Rules: {', '.join(rules)}.")

    def read():
        try:
            rows = server.slaves()
        except NotThere:
            if not check_mode:
                raise
            rows = []
        names = {source.name for source in wanted}
        results["status"] = [replication.status_of(row) for row in rows if row["Connection_name"] in names]
        return rows

    def plan(rows):
        return replication.plan(rows, wanted, passwords, params["update_password"], params["exclusive"], server.stored_passwords(rows))

    def apply(todo):
        run_steps(server, todo, {source.name: source for source in wanted}, passwords, params.get("require"), params.get("accept") or ())
        settle(server, wanted, params["wait_for"], params["wait_timeout_s"])

    outcome = converge.converge(read, plan, apply, check_mode, results, header=server.where)
    if not check_mode and not outcome.changed:
        settle(server, wanted, params["wait_for"], params["wait_timeout_s"])
    return outcome


def main():
    choice = {"type": "str", "choices": list(replication.GTID_MODES)}
    state = {"type": "str", "choices": list(replication.STATES)}
    module = glue.module(argument_spec=dict(
        mariadb.SPEC,
        sources={"type": "list", "elements": "dict", "required": True, "options": {
            "name": {"type": "str", "required": True}, "host": {"type": "str"}, "other_hosts": {"type": "list", "elements": "str"},
            "port": {"type": "int"}, "user": {"type": "str"}, "password": {"type": "str", "no_log": True}, "connect_retry_s": {"type": "int"},
            "heartbeat_s": {"type": "float"}, "delay_s": {"type": "int"},
            "use_gtid": choice, "log_file": {"type": "str"}, "log_pos": {"type": "int"}, "ssl": {"type": "bool"}, "ssl_ca": {"type": "path"},
            "ssl_cert": {"type": "path"}, "ssl_key": {"type": "path", "no_log": False}, "ssl_verify": {"type": "bool"},
            "do_tables": {"type": "list", "elements": "str"}, "state": state}},
        port={"type": "int", "default": 3306}, user={"type": "str"}, password={"type": "str", "no_log": True},
        update_password={"type": "str", "choices": ["on_create", "always"], "default": "on_create", "no_log": False},
        connect_retry_s={"type": "int", "default": 2}, heartbeat_s={"type": "float", "default": 5.0}, delay_s={"type": "int", "default": 0},
        use_gtid=dict(choice, default="slave_pos"), ssl={"type": "bool", "default": False}, ssl_ca={"type": "path", "default": ""},
        ssl_cert={"type": "path", "default": ""}, ssl_key={"type": "path", "default": "", "no_log": False}, ssl_verify={"type": "bool", "default": True},
        state=dict(state, default="started"), exclusive={"type": "bool", "default": False},
        require={"type": "dict"}, accept={"type": "list", "elements": "str"},
        wait_for={"type": "str", "choices": [replication.RUNNING, replication.CONNECTING], "default": "running"},
        wait_timeout_s={"type": "int", "default": 30}))
    glue.run(module, lambda: ensure(module.params, mariadb.Server(module.params), module.check_mode))


if __name__ == "__main__":
    main()
