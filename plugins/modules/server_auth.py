#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: server_auth
short_description: Write the files with which OpenNebula's tools and servers log in
version_added: "0.1.0"
description:
  - Writes files such as C(one_auth), C(sunstone_auth) and C(oneflow_auth), which must be equal on all front-ends of a federation.
    The accounts behind them are in tables that all zones share; only the daemon that made these tables made the files.
  - Each file is readable by its owner alone and is replaced as a whole. Their contents are neither shown nor logged.
  - Server files must not be there when the daemon makes its tables, it refuses to start then. Write them afterwards; C(one_auth) must be there before.
options:
  directory:
    description: Where the files are. It must exist, except in check mode.
    type: path
    default: /var/lib/one/.one
  files:
    description: Contents by file name. Other files stay as they are.
    type: dict
    required: true
  keep:
    description:
      - Names of files that may be added but never be replaced by another content. C(one_key) encrypts attributes in the database;
        with another key the daemon could not read them any more.
    type: list
    elements: str
    default: [one_key]
  owner:
    description: User that owns the files.
    type: str
    default: oneadmin
  group:
    description: Group that owns the files.
    type: str
    default: oneadmin
seealso:
  - module: constellation.opennebula.server_auth_info
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Say who oneadmin is before OpenNebula is started for the first time
  constellation.opennebula.server_auth:
    files:
      one_auth: "oneadmin:{{ vault_oneadmin_password }}\n"

- name: Give this front-end the accounts of the one that made the tables
  constellation.opennebula.server_auth:
    files: "{{ hostvars['alpha1'].accounts.contents }}"
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode. Contents are not shown.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: file
      target: /var/lib/one/.one/sunstone_auth
      before: null
      after: {mode: "0600", owner: oneadmin, group: oneadmin, content: changed}
"""

from ..module_utils import glue
from ..module_utils.adapters.tree import Tree
from ..module_utils.core import server_auth
from ..module_utils.core.converge import converge
from ..module_utils.core.errors import NotThere


def ensure(params, tree, check_mode):
    directory = params["directory"]
    wanted = server_auth.wanted(params["files"], directory, params["owner"], params["group"])

    def read():
        if tree.names(directory) is None and not check_mode:
            raise NotThere("there is no directory for the server accounts", directory, "no such directory", "Install the package opennebula first.")
        return {path: tree.read(path) for path in wanted}

    def apply(todo):
        for change in todo:
            tree.write(change.target, **wanted[change.target])

    return converge(read, lambda have: server_auth.plan(have, wanted, params["keep"]), apply, check_mode)


def main():
    module = glue.module(argument_spec=dict(
        directory=dict(type="path", default="/var/lib/one/.one"),
        files=dict(type="dict", required=True, no_log=True),
        keep=dict(type="list", elements="str", default=["one_key"], no_log=False),
        owner=dict(type="str", default="oneadmin"),
        group=dict(type="str", default="oneadmin"),
    ))
    glue.run(module, lambda: ensure(module.params, Tree(), module.check_mode))


if __name__ == "__main__":
    main()
