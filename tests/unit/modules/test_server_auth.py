# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module server_auth on files in memory: predicted = done, second run silent, contents nowhere, a key never replaced."""
import json

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, NotThere, Problems
from ansible_collections.constellation.opennebula.plugins.modules import server_auth

CANARY = "CANARY-9f2c"
DIRECTORY = "/var/lib/one/.one"
FILES = {"one_auth": f"oneadmin:{CANARY}\n", "sunstone_auth": f"serveradmin:{CANARY}", "one_key": CANARY}


class FakeTree:
    def __init__(self, files=None, there=True, stubborn=False):
        self.files, self.there, self.stubborn, self.writes = dict(files or {}), there, stubborn, []

    def names(self, directory):
        assert directory == DIRECTORY
        return [path.rpartition("/")[2] for path in self.files] if self.there else None

    def read(self, path):
        return self.files.get(path)

    def write(self, path, content, mode, owner, group):
        self.writes.append(path)
        if not self.stubborn:
            self.files[path] = {"content": content, "mode": mode, "owner": owner, "group": group}


def params(**options):
    return dict({"directory": DIRECTORY, "files": FILES, "keep": ["one_key"], "owner": "oneadmin", "group": "oneadmin"}, **options)


def file(content, mode="0600"):
    return {"content": content, "mode": mode, "owner": "oneadmin", "group": "oneadmin"}


@pytest.mark.parametrize("have, changed", [
    ({}, ["one_auth", "sunstone_auth", "one_key"]),
    ({"one_auth": file("oneadmin:other"), "one_key": file(CANARY)}, ["one_auth", "sunstone_auth"]),
    ({"one_auth": file(FILES["one_auth"], "0644"), "sunstone_auth": file(FILES["sunstone_auth"]), "one_key": file(CANARY, "0644")}, ["one_auth", "one_key"]),
])
def test_check_mode_foresees_what_a_run_does_and_a_second_run_changes_nothing(have, changed):
    tree = FakeTree({f"{DIRECTORY}/{name}": content for name, content in have.items()})
    foreseen = server_auth.ensure(params(), tree, True)
    assert [change["target"] for change in foreseen.plan.as_list()] == [f"{DIRECTORY}/{name}" for name in changed] and tree.writes == []
    done = server_auth.ensure(params(), tree, False)
    assert done.plan.as_list() == foreseen.plan.as_list() and len(tree.writes) == len(changed)
    assert not server_auth.ensure(params(), tree, True).changed and not server_auth.ensure(params(), tree, False).changed
    assert tree.files[f"{DIRECTORY}/one_auth"] == file(FILES["one_auth"])
    assert CANARY not in json.dumps([outcome.as_result() for outcome in (foreseen, done)])


def test_another_key_is_refused_and_nothing_written():
    tree = FakeTree({f"{DIRECTORY}/one_key": file("other " + CANARY)})
    with pytest.raises(CoreError, match="refusing to replace a key") as caught:
        server_auth.ensure(params(), tree, False)
    assert tree.writes == [] and CANARY not in str(caught.value) + json.dumps(caught.value.as_dict())


def test_a_missing_directory_is_foreseen_and_refused():
    tree = FakeTree(there=False)
    assert len(server_auth.ensure(params(), tree, True).plan.changes) == 3
    with pytest.raises(NotThere, match="Install the package opennebula first"):
        server_auth.ensure(params(), tree, False)


def test_nothing_to_write_is_no_change():
    assert not server_auth.ensure(params(files={}), FakeTree(), False).changed


def test_mistakes_are_told_together_without_contents():
    with pytest.raises(Problems) as caught:
        server_auth.ensure(params(files={"../one_auth": CANARY, "b_auth": "", "c_auth": [CANARY]}), FakeTree(), False)
    assert len(caught.value.problems) == 3 and CANARY not in str(caught.value)


def test_a_file_that_forgets_is_told():
    with pytest.raises(NotConverged):
        server_auth.ensure(params(), FakeTree(stubborn=True), False)
