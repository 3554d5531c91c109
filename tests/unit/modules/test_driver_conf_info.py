# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module driver_conf_info: what it reads is what its twin takes."""
from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters.tree import Tree
from ansible_collections.constellation.opennebula.plugins.modules import driver_conf, driver_conf_info

FIXTURES = pathlib.Path(__file__).resolve().parents[3].parent / "shared" / "fixtures" / "config"
SECRET = "CANARY-9f2c"
FILES = {
    "ec2.conf": ("yaml", "proxy_uri:\nlist: [1, 2]\nsince: 2026-11-21\ntwice: 1\ntwice: 2\nregions:\n  default:\n    access_key_id:\n"
                         f"    secret_access_key: {SECRET}\n    capacity:\n      m1.small: 5\n"),
    "az.default": ("template_xml", f"<TEMPLATE><AZURE><VM_USER>joe</VM_USER><VM_PASSWORD>{SECRET}</VM_PASSWORD></AZURE></TEMPLATE>\n"),
    "rc": ("shell", f"EHAUTH='{SECRET}'\nexport TOTAL_CPU=2\nHOME=$(pwd)\n"),
    "eh.conf": ("oned", f"EH = [ CPUMHZ = \"500\", VNCPASSWORD = \"{SECRET}\" ]\n"),
}


def test_what_is_read_can_be_given_back_and_changes_nothing(tmp_path):
    tree = Tree(str(tmp_path))
    for name, (dummy, text) in FILES.items():
        (tmp_path / name).write_text(text)
    told = driver_conf_info.read({"files": [{"path": "/" + name, "format": kind} for name, (kind, dummy) in FILES.items()]
                                  + [{"path": "/none", "format": "yaml"}]}, tree)
    assert SECRET not in json.dumps(told)
    assert told["hidden"] == {"/ec2.conf": [["regions", "default", "secret_access_key"]], "/az.default": [["TEMPLATE", "AZURE", "VM_PASSWORD"]],
                              "/rc": [["EHAUTH"]], "/eh.conf": [["EH", "VNCPASSWORD"]]}
    assert [file["settings"] for file in told["files"]] == [
        {"proxy_uri": None, "regions": {"default": {"access_key_id": None, "capacity": {"m1.small": 5}}}}, {"TEMPLATE": {"AZURE": {"VM_USER": "joe"}}},
        {"TOTAL_CPU": "2"}, {"EH": {"CPUMHZ": "500"}}]
    assert [(file["path"], file["mode"]) for file in told["files"]] == [("/" + name, "0644") for name in FILES]
    assert not driver_conf.ensure({"files": told["files"]}, tree, False).changed


def test_what_is_read_of_shipped_files_can_be_given_back(tmp_path):
    kinds = {"ec2_driver.conf": "yaml", "az_driver.conf": "yaml", "ec2_driver.default": "template_xml", "az_driver.default": "template_xml"}
    count = 0
    for folder in sorted(FIXTURES.iterdir()) if FIXTURES.is_dir() else []:
        root = tmp_path / folder.name
        for name in kinds:
            if (folder / name).exists():
                root.mkdir(exist_ok=True)
                (root / name).write_bytes((folder / name).read_bytes())
                told = driver_conf_info.read({"files": [{"path": "/" + name, "format": kinds[name]}]}, Tree(str(root)))
                assert told["files"][0]["settings"] and not driver_conf.ensure({"files": told["files"]}, Tree(str(root)), False).changed
                count += 1
    if not count:
        pytest.skip("the shared fixtures are not here")
    print(f"{count} shipped files read and given back")
    assert count >= 20
