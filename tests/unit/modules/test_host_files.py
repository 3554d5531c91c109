# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module host_files on a real directory tree."""
from __future__ import annotations

import getpass
import grp
import os

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters.tree import Tree
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged
from ansible_collections.constellation.opennebula.plugins.modules import host_files

ME = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid())[0]}
WANT = {"files": [
    {"path": "/etc/a/unit.conf", "content": "[Service]\nRestart=no\n", "mode": "0644", **ME},
    {"path": "/usr/agent", "content": "#!/bin/sh\n", "mode": "755", **ME},
]}


@pytest.fixture
def tree(tmp_path):
    return Tree(str(tmp_path))


def test_check_mode_foresees_what_a_run_does_and_a_second_run_changes_nothing(tree, tmp_path):
    foreseen = host_files.ensure(WANT, tree, True)
    assert foreseen.changed and list(tmp_path.iterdir()) == []
    done = host_files.ensure(WANT, tree, False)
    assert done.plan.as_list() == foreseen.plan.as_list() and [item["target"] for item in done.plan.as_list()] == ["/etc/a/unit.conf", "/usr/agent"]
    assert (tmp_path / "etc/a/unit.conf").read_text() == "[Service]\nRestart=no\n"
    assert (tmp_path / "usr/agent").stat().st_mode & 0o7777 == 0o755 and (tmp_path / "etc/a").stat().st_mode & 0o7777 == 0o755
    assert not host_files.ensure(WANT, tree, False).changed and not host_files.ensure(WANT, tree, True).changed


def test_carriage_returns_stay(tree, tmp_path):
    text = "one\r\ntwo\rthree\n"
    want = {"files": [{"path": "/a", "content": text, "mode": "0644", **ME}]}
    assert host_files.ensure(want, tree, False).changed and not host_files.ensure(want, tree, False).changed
    assert (tmp_path / "a").read_bytes() == text.encode()


@pytest.mark.parametrize("drift, shown", [("content", True), ("mode", False)])
def test_only_what_differs_is_written(tree, tmp_path, drift, shown):
    host_files.ensure(WANT, tree, False)
    before = (tmp_path / "etc/a/unit.conf").stat().st_mtime_ns
    if drift == "content":
        (tmp_path / "usr/agent").write_text("#!/bin/sh\nrm -rf /\n")
    else:
        (tmp_path / "usr/agent").chmod(0o600)
    done = host_files.ensure(WANT, tree, False)
    assert [item["target"] for item in done.plan.as_list()] == ["/usr/agent"] and ("content" in done.plan.as_list()[0]["after"]) == shown
    assert (tmp_path / "etc/a/unit.conf").stat().st_mtime_ns == before
    diff = done.plan.diff()
    assert "unit.conf" not in diff["before"] and ("rm -rf" in diff["before"]) == shown and "#!/bin/sh" in diff["after"]
    assert list((tmp_path / "usr").iterdir()) == [tmp_path / "usr/agent"], "a draft was left behind"


def test_unknown_owner_is_named_and_nothing_is_left(tree, tmp_path):
    with pytest.raises(CoreError, match="cannot write file at /x: no such user or group"):
        host_files.ensure({"files": [{"path": "/x", "content": "", "mode": "0644", "owner": "nobody-of-that-name", "group": ME["group"]}]}, tree, False)
    assert list(tmp_path.iterdir()) == []


def test_directory_in_its_place_is_an_error(tree, tmp_path):
    (tmp_path / "usr/agent").mkdir(parents=True)
    with pytest.raises(CoreError, match="cannot read file at /usr/agent: Is a directory"):
        host_files.ensure(WANT, tree, False)


def test_file_system_that_ignores_writes_is_found_out(tree):
    tree.write = lambda *given, **named: None
    with pytest.raises(NotConverged, match="file /etc/a/unit.conf did not converge"):
        host_files.ensure(WANT, tree, False)
