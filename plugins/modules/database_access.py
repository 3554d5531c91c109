#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: database_access
version_added: "0.1.0"
short_description: Manage databases and the accounts that may use them on one MariaDB server
description:
  - Creates databases and accounts and brings passwords, privileges and the demand for TLS of declared accounts to what is written, all in one call.
  - Nothing is written to the binary log, every server owns its accounts. A replica cannot be broken by an account that it already has.
  - Passwords are compared and set as C(mysql_native_password) hashes, so a changed password is seen as a change, the same one is none, and no SQL
    text carries it in clear.
  - Privileges are compared by meaning. C(ALL) is C(ALL PRIVILEGES), C(REPLICATION CLIENT) is C(BINLOG MONITOR) and so on.
  - Accounts and databases that are not declared are left alone.
attributes:
  check_mode:
    description: Predicts exactly what a run changes; on a host without MariaDB everything is predicted as to be created.
    support: full
  diff_mode:
    description: Shows what changes; passwords only as C((secret)).
    support: full
  idempotent:
    description: A second run changes nothing, passwords included.
    support: full
options:
  databases:
    description:
      - Names of databases (schemas) that must exist. Existing ones are not touched.
    type: list
    elements: str
    default: []
  charset:
    description:
      - Character set of databases that are created.
    type: str
    default: utf8mb4
  users:
    description:
      - Users, each with one account per host.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user.
        type: str
        required: true
      hosts:
        description:
          - Where the user may come from, V(localhost) (the unix socket), addresses, or patterns with C(%).
        type: list
        elements: str
        default: [localhost]
      password:
        description: Password; required unless O(users[].state=absent) or O(users[].unix_socket=true).
        type: str
      unix_socket:
        description: Whether the account belongs to the host's user of the same name, who needs no password on the unix socket.
        type: bool
        default: false
      privileges:
        description:
          - Privileges by level, a level being V(*.*), V(database.*) or V(database.table).
          - On a declared level the account has exactly these; other levels are left alone unless O(users[].exclusive=true).
        type: dict
        default: {}
      require_tls:
        description:
          - Whether the account may only log in over TLS. When absent, an account that is there is left as it is in this, and a new one needs no TLS.
        type: bool
      exclusive:
        description:
          - Whether privileges on other levels, and accounts of this user at other hosts, are removed.
        type: bool
        default: false
      state:
        description: Whether the accounts exist.
        type: str
        choices: [present, absent]
        default: present
extends_documentation_fragment:
  - constellation.opennebula.mariadb
seealso:
  - module: constellation.opennebula.replication_source
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Give OpenNebula its database and the replication its user
  constellation.opennebula.database_access:
    databases: [opennebula]
    users:
      - name: oneadmin
        hosts: [localhost, 10.90.1.11, 10.90.1.12]
        password: "{{ vault_opennebula_db_password }}"
        privileges:
          "opennebula.*": [ALL]
      - name: opennebula_repl
        hosts: [10.90.1.11, 10.90.1.12, 10.90.2.11, 10.90.2.12]
        password: "{{ vault_opennebula_replication_password }}"
        privileges:
          "*.*": [REPLICATION SLAVE]

- name: Remove the account of a front-end that is gone
  constellation.opennebula.database_access:
    users:
      - name: opennebula_repl
        hosts: [10.90.1.13]
        state: absent
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: database_privileges
      target: opennebula_repl@10.90.1.12 on *.*
      before: []
      after: [REPLICATION SLAVE]
    - kind: database_password
      target: oneadmin@localhost
      before: (secret)
      after: (secret)
error:
  description: What failed, where, why and what to do, with the server's error number as C(errno).
  returned: failure
  type: dict
  sample:
    what: cannot log in to MariaDB
    where: root@/run/mysqld/mysqld.sock
    why: 1698 Access denied for user 'root'@'localhost'
    hint: "Run as root on the database host (become: true), or give login_user and login_password."
    errno: 1698
"""

from ..module_utils import glue
from ..module_utils.adapters import mariadb
from ..module_utils.core import converge, grants
from ..module_utils.core.errors import NotThere

ACCOUNTS = ("SELECT User, Host, plugin, authentication_string, ssl_type FROM mysql.user WHERE is_role = 'N' AND User = %s")


def read(server, accounts):
    """Return the databases and the accounts of the declared users."""
    state = {"databases": {row["name"] for row in server.rows("SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA")}, "accounts": {}}
    for user in sorted({account.user for account in accounts}):
        for row in server.rows(ACCOUNTS, (user,)):
            lines = [next(iter(line.values())) for line in server.rows("SHOW GRANTS FOR %s@%s", (row["User"], row["Host"]))]
            state["accounts"][(row["User"], row["Host"])] = {
                "hash": row["authentication_string"] or "", "plugin": row["plugin"] or "mysql_native_password", "tls": bool(row["ssl_type"]),
                "grants": grants.parse_grants(lines)}
    return state


def ensure(params, server, check_mode):
    accounts = grants.wanted_accounts(params["users"])

    def state():
        try:
            return read(server, accounts)
        except NotThere:
            if check_mode:
                return {"databases": set(), "accounts": {}}
            raise

    def apply(todo):
        server.do("SET SESSION sql_log_bin=0")
        for step in (step for change in todo for step in change.step):
            server.do(step.sql, step.args, step.secrets)

    return converge.converge(state, lambda now: grants.plan(now, params["databases"], accounts, params["charset"]), apply, check_mode, header=server.where)


def main():
    module = glue.module(argument_spec=dict(
        mariadb.SPEC,
        databases={"type": "list", "elements": "str", "default": []},
        charset={"type": "str", "default": "utf8mb4"},
        users={"type": "list", "elements": "dict", "default": [], "options": {
            "name": {"type": "str", "required": True},
            "hosts": {"type": "list", "elements": "str", "default": ["localhost"]},
            "password": {"type": "str", "no_log": True},
            "unix_socket": {"type": "bool", "default": False},
            "privileges": {"type": "dict", "default": {}},
            "require_tls": {"type": "bool"},
            "exclusive": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        }}))
    glue.run(module, lambda: ensure(module.params, mariadb.Server(module.params), module.check_mode))


if __name__ == "__main__":
    main()
