# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module server_auth_info: lists the files, reveals contents only when told, and what it reveals can be written elsewhere."""
import json

from ansible_collections.constellation.opennebula.plugins.module_utils.adapters.tree import Tree
from ansible_collections.constellation.opennebula.plugins.modules import server_auth, server_auth_info

CANARY = "CANARY-9f2c"


def params(**options):
    return dict({"directory": "/one", "names": ["*_auth", "one_key"], "except": ["one_auth"], "reveal": False}, **options)


def a_front_end(path):
    (path / "one").mkdir(parents=True)
    for name in ("one_auth", "sunstone_auth", "one_key", "id_rsa"):
        (path / "one" / name).write_text(f"{name}:{CANARY}\n")
        (path / "one" / name).chmod(0o600)
    return Tree(str(path))


def test_info_lists_and_reveals_only_when_told(tmp_path):
    tree = a_front_end(tmp_path)
    found = server_auth_info.read(params(), tree)
    assert [(file["name"], file["mode"]) for file in found["files"]] == [("one_key", "0600"), ("sunstone_auth", "0600")]
    assert CANARY not in json.dumps(found)
    assert server_auth_info.read(params(reveal=True), tree)["contents"] == {name: f"{name}:{CANARY}\n" for name in ("one_key", "sunstone_auth")}


def test_what_info_reveals_changes_nothing_where_it_came_from(tmp_path):
    tree = a_front_end(tmp_path)
    file = tree.read("/one/one_key")
    options = {"directory": "/one", "files": server_auth_info.read(params(reveal=True), tree)["contents"], "keep": ["one_key"], "owner": file["owner"],
               "group": file["group"]}
    assert not server_auth.ensure(options, tree, False).changed


def test_a_bare_host_is_empty(tmp_path):
    assert server_auth_info.read(params(reveal=True), Tree(str(tmp_path))) == {"files": [], "contents": {}}
