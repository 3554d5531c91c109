# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One configuration file: old bytes or new bytes, never anything between; mode, owner and links stay."""
import os
import signal
import stat
import sys

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import files
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotThere

OLD, NEW = b'PORT = 1\r\n\xff', b'PORT = 2\r\n\xff'


@pytest.fixture
def conf(tmp_path):
    path = tmp_path / "oned.conf"
    path.write_bytes(OLD)
    path.chmod(0o640)
    return path


def test_replace_keeps_bytes_mode_and_owner(conf):
    if os.getuid() == 0:
        os.chown(conf, 12, 34)
    before = conf.stat()
    store = files.Store(str(conf))
    assert store.read() == OLD and store.mode() == "0640"
    assert store.replace(NEW) is None
    after = conf.stat()
    assert conf.read_bytes() == NEW
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert os.listdir(conf.parent) == ["oned.conf"]


def test_backup_has_the_old_bytes_and_their_mode(conf):
    saved = files.Store(str(conf)).replace(NEW, backup=True)
    assert saved.startswith(str(conf) + ".") and saved.endswith("~")
    with open(saved, "rb") as stream:
        assert stream.read() == OLD
    assert stat.S_IMODE(os.stat(saved).st_mode) == 0o640


def test_a_link_stays_a_link(conf, tmp_path):
    link = tmp_path / "link.conf"
    link.symlink_to(conf)
    files.Store(str(link)).replace(NEW)
    assert link.is_symlink() and conf.read_bytes() == NEW


@pytest.mark.parametrize("call", ["stat", "listdir", "fchown", "fchmod", "fsync", "replace", "open"])
def test_a_failure_at_any_point_leaves_the_old_file_and_nothing_else(conf, monkeypatch, call):
    def fail(*args, **options):
        raise OSError(28, "No space left on device")

    store = files.Store(str(conf))
    with monkeypatch.context() as patched:
        patched.setattr(files.os, call, fail)
        if call == "open":      # the backup's
            patched.setattr(files.tempfile, "mkstemp", fail)
        with pytest.raises(CoreError, match="No space left"):
            store.replace(NEW)
    assert conf.read_bytes() == OLD and os.listdir(conf.parent) == ["oned.conf"]


def killed_at(path, call):
    """Replace the file in a child that is killed right before its ``call``-th call of anything written in C; return whether it came so far."""
    child = os.fork()
    if child == 0:
        left = iter(range(call))

        def profile(unused, event, *dummy):
            if event == "c_call" and next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)

        store = files.Store(str(path))
        sys.setprofile(profile)
        store.replace(NEW, backup=True)
        sys.setprofile(None)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_a_kill_at_any_call_leaves_the_old_or_the_new_file(conf):
    if os.getuid() == 0:
        os.chown(conf, 12, 34)
    owner, seen, litter, call = (conf.stat().st_uid, conf.stat().st_gid), set(), 0, 0
    while killed_at(conf, call):
        call += 1
        status = conf.stat()
        assert conf.read_bytes() in (OLD, NEW)
        assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o640, *owner)
        seen.add(conf.read_bytes())
        others = [path for path in conf.parent.iterdir() if path != conf]
        for saved in [path for path in others if not path.name.endswith(files.DRAFT)]:
            assert saved.read_bytes() == OLD and stat.S_IMODE(saved.stat().st_mode) == 0o640         # a backup is complete or not there
            saved.unlink()
        drafts = [path for path in others if path.name.endswith(files.DRAFT)]
        litter += bool(drafts)
        assert all(stat.S_IMODE(path.stat().st_mode) in (0o600, 0o640) for path in drafts)
        files.Store(str(conf)).replace(OLD)         # the next run clears up
        assert os.listdir(conf.parent) == ["oned.conf"] and conf.read_bytes() == OLD
    assert seen == {OLD, NEW} and litter and call > 30
    print(f"killed at {call} calls, {litter} of them left a draft")


def test_drafts_of_a_living_writer_and_files_of_others_stay(conf):
    with files._Draft(str(conf), conf.stat(), NEW) as draft:
        (conf.parent / ".oned.conf.swp").write_bytes(b"an editor's")
        files.Store(str(conf)).replace(NEW)
        assert os.path.exists(draft.path)
    assert sorted(os.listdir(conf.parent)) == [".oned.conf.swp", "oned.conf"]


def test_programs_are_looked_for(tmp_path):
    (tmp_path / "one_im_sh").write_text("#!/bin/sh\n")
    (tmp_path / "one_im_sh").chmod(0o755)
    (tmp_path / "one_vmm_sh").write_text("#!/bin/sh\n")
    whole = str(tmp_path / "one_im_sh")
    found = files.look_for_programs(str(tmp_path), ["one_im_sh", "one_vmm_sh", "none", whole])
    assert {name: state for name, (unused, state) in found.items()} == {
        "one_im_sh": "executable", "one_vmm_sh": "no program", "none": "missing", whole: "executable"}
    assert found["none"][0] == str(tmp_path / "none")
    assert files.look_for_programs(str(tmp_path / "none"), ["x"]) is None


def test_a_missing_file_is_not_there(tmp_path):
    for path in (tmp_path / "none", tmp_path / "none" / "none"):
        store = files.Store(str(path))
        assert store.mode() is None
        with pytest.raises(NotThere, match="there is no configuration file"):
            store.read()


def test_what_cannot_be_read_says_why(tmp_path):
    with pytest.raises(CoreError, match="cannot read the configuration file"):
        files.Store(str(tmp_path)).read()


def test_set_mode(conf):
    store = files.Store(str(conf))
    store.set_mode("0600")
    assert store.mode() == "0600"
