# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup script_tree and filter driver_skeleton, as a playbook uses them: what the filter makes, the lookup reads back."""
import grp
import os
import pwd

import pytest
from ansible.errors import AnsibleError, AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret

from ansible_collections.constellation.opennebula.plugins.filter import driver_skeleton
from ansible_collections.constellation.opennebula.plugins.lookup import script_tree
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters.tree import Tree
from ansible_collections.constellation.opennebula.plugins.module_utils.core import driver_skeleton as core
from ansible_collections.constellation.opennebula.plugins.modules import host_files

ME = {"owner": pwd.getpwuid(os.getuid())[0], "group": grp.getgrgid(os.getgid())[0]}


def read(*folders, loader=None):
    lookup = script_tree.LookupModule(loader=loader or DataLoader())
    lookup.set_options = lambda **given: None
    return lookup.run([str(folder) for folder in folders], variables={})


def test_what_the_filter_makes_the_lookup_reads(tmp_path):
    skeleton = driver_skeleton.FilterModule.filters()["driver_skeleton"]
    files = skeleton("mycloud", str(tmp_path), "5.0", generation="5", **ME)
    assert host_files.ensure({"files": files}, Tree(), False).changed and not host_files.ensure({"files": files}, Tree(), False).changed
    (tmp_path / "probes/.hidden").write_text("x")
    (tmp_path / "probes/monitor~").write_text("x")
    probes, actions = read(tmp_path / "probes", tmp_path / "actions")
    tree = core.skeleton("mycloud", "5.0")
    assert {f"probes/{name}": text for name, text in probes.items()} | {f"actions/{name}": text for name, text in actions.items()} == {
        path: text for path, text in tree.items() if "/" in path}
    assert os.access(tmp_path / "actions/deploy", os.X_OK) and not os.access(tmp_path / "README.md", os.X_OK)


def test_impossible_skeleton_is_an_error_of_the_filter():
    with pytest.raises(AnsibleFilterError, match="cannot make a skeleton: 1 problem"):
        driver_skeleton.driver_skeleton("ec2", "/x", "5.0")


def test_vaulted_script_is_decrypted(tmp_path):
    secret = VaultSecret(b"word")
    secret.load()
    loader = DataLoader()
    loader.set_vault_secrets([("default", secret)])
    (tmp_path / "monitor").write_bytes(VaultLib([("default", secret)]).encrypt(b"#!/bin/sh\n"))
    assert read(tmp_path, loader=loader) == [{"monitor": "#!/bin/sh\n"}]


def test_what_is_no_folder_of_scripts_is_named(tmp_path):
    with pytest.raises(AnsibleError, match="cannot read scripts: there is no folder .*/none on the controller"):
        read(tmp_path / "none")
    (tmp_path / "lib").mkdir()
    with pytest.raises(AnsibleError, match="lib is a folder, and OpenNebula would not look into it"):
        read(tmp_path)
    (tmp_path / "lib").rmdir()
    (tmp_path / "program").write_bytes(b"\x7fELF\xff\xfe")
    with pytest.raises(AnsibleError, match="program: it is no UTF-8 text"):
        read(tmp_path)
