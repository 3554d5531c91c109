#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: database_repair_info
version_added: "0.1.0"
short_description: Show what is wrong with the replication of a MariaDB server, and the verb that repairs it
description:
  - Looks at every replication source of the server, at the server it pulls from, and compares the contents of their tables exactly, while both keep working.
    Rows that differ are named by their keys.
  - For each finding it names the verb of M(constellation.opennebula.database_repair), or that there is nothing to do here.
attributes:
  check_mode:
    description: Only reads.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
options:
  sources:
    description:
      - The sources that this server should have. One that is missing, pulls from elsewhere, or has another live table filter, is a finding.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the source.
        type: str
        required: true
      host:
        description: Address of its server. Pulling from another one is a finding. Not looked at when absent.
        type: str
      other_hosts:
        description: Other addresses that are right, too, because the keeper of a ring chooses among them.
        type: list
        elements: str
      port:
        description: Port of its server.
        type: int
        default: 3306
      do_tables:
        description: The tables (V(database.table)) that its filter must list. When absent there must be no filter.
        type: list
        elements: str
  node:
    description:
      - Name of this server's host in the inventory, for the commands.
    type: str
    default: this-host
  inventory:
    description:
      - The inventories of this run (C(ansible_inventory_sources)), for the commands.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - constellation.opennebula.mariadb
  - constellation.opennebula.mariadb.repair
seealso:
  - module: constellation.opennebula.database_repair
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Show what is wrong here
  constellation.opennebula.database_repair_info:
    user: opennebula_seed
    password: "{{ vault_opennebula_replication_password }}"
  register: __repair
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
findings:
  description:
    - What is wrong. C(name) is the error number, C(stopped), C(filter), C(file), C(elsewhere), C(missing source), C(taken back), C(difference), C(behind) or
      C(unknown contents);
      C(verb), C(source), C(table) and C(key) are options of M(constellation.opennebula.database_repair), C(site) is the playbook site.yml,
      and an empty verb means that there is nothing to do here.
  returned: always
  type: list
  elements: dict
  sample:
    - {name: "1062", source: zone0, why: "IO=Yes SQL=No, SQL error 1062: a row is there that the source does not know", verb: remove_row, table: user_pool,
       key: "100", hint: Never skip., command: "ansible-playbook constellation.opennebula.repair --limit beta1 -e repair_verb=remove_row"}
lines:
  description: The same for people.
  returned: always
  type: list
  elements: str
  sample: ["beta1: nothing to repair"]
"""

from ..module_utils import glue
from ..module_utils.adapters import mariadb
from ..module_utils.core import repair_findings, repair_look
from ..module_utils.core.errors import NotThere


def read(params, servers):
    expected = {item["name"]: item.get("do_tables") or [] for item in params["sources"]}
    addresses = {item["name"]: (item["host"], item.get("port") or 3306, *(item.get("other_hosts") or [])) for item in params["sources"] if item.get("host")}
    try:
        found = repair_look.report(servers, params["database"], expected, addresses)
    except NotThere as absent:
        return {"present": False, "why_absent": str(absent), "findings": [], "lines": [f"{params['node']}: {absent}"]}
    return {"present": True, "findings": [one.as_dict(params["node"], params["inventory"]) for one in found],
            "lines": repair_findings.lines(params["node"], found, params["inventory"])}


def main():
    module = glue.module(argument_spec=dict(
        mariadb.SPEC, database={"type": "str", "default": "opennebula"}, user={"type": "str", "required": True},
        password={"type": "str", "required": True, "no_log": True}, tls_ca={"type": "path"}, node={"type": "str", "default": "this-host"},
        inventory={"type": "list", "elements": "str", "default": []},
        sources={"type": "list", "elements": "dict", "default": [], "options": {
            "name": {"type": "str", "required": True}, "host": {"type": "str"}, "other_hosts": {"type": "list", "elements": "str"},
            "port": {"type": "int", "default": 3306},
            "do_tables": {"type": "list", "elements": "str"}}}))
    glue.run(module, lambda: read(module.params, mariadb.Servers(module.params)))


if __name__ == "__main__":
    main()
