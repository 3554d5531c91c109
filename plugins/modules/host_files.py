#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Put several small files into place in one step
version_added: "0.1.0"
description:
  - Brings content, mode and owner of all given files to what is written, directories included, in one round trip instead of several for each file.
  - Each file is replaced as a whole, never written in place.
  - For text without secrets; the difference is shown. Use M(ansible.builtin.template) with C(no_log) for a file with a password.
options:
  files:
    description: The files, in the order in which they are written.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path of the file.
        type: path
        required: true
      content:
        description: The whole text.
        type: str
        required: true
      mode:
        description: Permissions in octal, quoted.
        type: str
        default: '0644'
      owner:
        description: User that owns the file.
        type: str
        default: root
      group:
        description: Group that owns the file.
        type: str
        default: root
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Install the cluster's agent for the database writer and the gate before corosync
  constellation.opennebula.host_files:
    files:
      - path: /usr/lib/ocf/resource.d/constellation/mariadb-writer
        content: "{{ lookup('ansible.builtin.file', 'mariadb-writer', rstrip=false) }}"
        mode: '0755'
      - path: /etc/systemd/system/corosync.service.d/50-constellation.conf
        content: "{{ lookup('ansible.builtin.template', 'gate.conf.j2') }}"
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode. The texts are in the diff.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: file
      target: /usr/local/libexec/constellation/rejoin-gate
      before: null
      after: {mode: "0755", owner: root, group: root, content: changed}
"""

from ..module_utils import glue
from ..module_utils.adapters.tree import Tree
from ..module_utils.core.converge import converge
from ..module_utils.core.plan import Change, Plan

META = ("mode", "owner", "group")


def ensure(params, tree, check_mode):
    wanted = {file["path"]: dict(file, mode=file["mode"].rjust(4, "0")) for file in params["files"]}

    def read():
        return {path: tree.read(path) for path in wanted}

    def plan(state):
        changes = tuple(change(path, state[path], wanted[path]) for path in wanted if differs(state[path], wanted[path]))
        return Plan(changes, before=texts(state, changes), after=texts(wanted, changes)) if changes else Plan()

    def apply(todo):
        for item in todo:
            tree.write(**wanted[item.target])

    return converge(read, plan, apply, check_mode)


def differs(now, want):
    return now is None or any(now[name] != want[name] for name in (*META, "content"))


def change(path, now, want):
    before = now and {name: now[name] for name in META}
    after = {name: want[name] for name in META}
    return Change("file", path, before, after if now and now["content"] == want["content"] else dict(after, content="changed"))


def texts(files, changes):
    """Return the changed files as one text, for the diff."""
    shown = [(item.target, files[item.target]) for item in changes if files[item.target]]
    return "".join(f"==> {path} ({file['owner']}:{file['group']} {file['mode']})\n{file['content']}" for path, file in shown)


def main():
    # no_log here keeps the texts out of the host's journal, nothing else: they are no secrets, but long
    module = glue.module(no_log=True, argument_spec=dict(
        files=dict(type="list", elements="dict", required=True, options=dict(
            path=dict(type="path", required=True),
            content=dict(type="str", required=True),
            mode=dict(type="str", default="0644"),
            owner=dict(type="str", default="root"),
            group=dict(type="str", default="root"),
        ))))
    glue.run(module, lambda: ensure(module.params, Tree(), module.check_mode))


if __name__ == "__main__":
    main()
