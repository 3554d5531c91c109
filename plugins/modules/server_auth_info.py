#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: server_auth_info
short_description: Read the files with which OpenNebula's tools and servers log in
version_added: "0.1.0"
description:
  - Lists the files, and on demand their contents, so that M(constellation.opennebula.server_auth) can write them on other front-ends.
  - A missing directory is an empty result, so that it can run on bare hosts.
options:
  directory:
    description: Where the files are.
    type: path
    default: /var/lib/one/.one
  names:
    description: Patterns of file names.
    type: list
    elements: str
    default: ['*_auth', one_key]
  except:
    description: Names to leave out.
    type: list
    elements: str
    default: []
  reveal:
    description: Return the contents as well. They are secrets, so give the task C(no_log=true).
    type: bool
    default: false
seealso:
  - module: constellation.opennebula.server_auth
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Read the accounts that the daemon made
  constellation.opennebula.server_auth_info:
    except: [one_auth]
    reveal: true
  register: accounts
  no_log: true
"""

RETURN = r"""
files:
  description: The files, sorted by name.
  returned: always
  type: list
  elements: dict
  sample:
    - {name: sunstone_auth, mode: "0600", owner: oneadmin, group: oneadmin}
contents:
  description: Content by file name.
  returned: when O(reveal) is true
  type: dict
"""

from ..module_utils import glue
from ..module_utils.adapters.tree import Tree
from ..module_utils.core import server_auth


def read(params, tree):
    directory = params["directory"]
    names = server_auth.chosen(tree.names(directory) or [], params["names"], params["except"])
    found = {name: tree.read(f"{directory}/{name}") for name in names}
    result = {"files": server_auth.described(found)}
    return dict(result, contents={name: file["content"] for name, file in found.items() if file}) if params["reveal"] else result


def main():
    module = glue.module(argument_spec={
        "directory": dict(type="path", default="/var/lib/one/.one"),
        "names": dict(type="list", elements="str", default=["*_auth", "one_key"]),
        "except": dict(type="list", elements="str", default=[]),
        "reveal": dict(type="bool", default=False),
    })
    glue.run(module, lambda: read(module.params, Tree()))


if __name__ == "__main__":
    main()
