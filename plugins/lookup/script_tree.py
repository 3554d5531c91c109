# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: script_tree
short_description: Read all files of a folder on the controller
version_added: "0.1.0"
description:
  - Returns the texts of a folder's files by file name, as the options C(probes) and C(actions) of a custom provider want them.
  - Hidden files and files whose name ends with C(~) are left out. A folder inside of the folder is an error, OpenNebula would not look into it.
  - Files that Ansible Vault encrypted are decrypted.
options:
  _terms:
    description: Folders, absolute or where the lookup P(ansible.builtin.file#lookup) would look for a file.
    type: list
    elements: str
    required: true
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Install the scripts for My Cloud
  constellation.opennebula.driver_scripts:
    name: mycloud
    release: "5.0"
    probes: "{{ lookup('constellation.opennebula.script_tree', 'mycloud/probes') }}"
    actions: "{{ lookup('constellation.opennebula.script_tree', 'mycloud/actions') }}"
"""

RETURN = r"""
_raw:
  description: One dictionary of texts by file name for each folder.
  type: list
  elements: dict
"""

import os

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """Folders of scripts."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        return [self._texts(term, self.find_file_in_search_path(variables, "files", term)) for term in terms]

    def _texts(self, term, folder):
        if not folder or not os.path.isdir(folder):
            raise AnsibleError(f"cannot read scripts: there is no folder {term} on the controller. Write its whole path, or put it beside the playbook.")
        names = sorted(name for name in os.listdir(folder) if not name.startswith(".") and not name.endswith("~"))
        inner = [name for name in names if os.path.isdir(os.path.join(folder, name))]
        if inner:
            raise AnsibleError(f"cannot read scripts at {folder}: {', '.join(inner)} is a folder, and OpenNebula would not look into it. Move it elsewhere.")
        return {name: self._text(os.path.join(folder, name)) for name in names}

    def _text(self, path):
        data, unused = self._loader._get_file_contents(path)       # as the lookup file does: the way to vaulted files
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise AnsibleError(f"cannot read script at {path}: it is no UTF-8 text. Install a program by a package, and say addon: true.") from None
