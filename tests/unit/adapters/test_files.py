# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One configuration file: old bytes or new bytes, never anything between; mode, owner and links stay."""
import os
import stat

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


@pytest.mark.parametrize("call", ["stat", "fchown", "fchmod", "fsync", "replace", "open"])
def test_a_failure_at_any_point_leaves_the_old_file_and_nothing_else(conf, monkeypatch, call):
    def fail(*args, **options):
        raise OSError(28, "No space left on device")

    store = files.Store(str(conf))
    with monkeypatch.context() as patched:
        patched.setattr(files.os, call, fail)
        if call == "open":      # the backup's
            patched.setattr(files.tempfile, "mkstemp", lambda dir, prefix: fail())
        with pytest.raises(CoreError, match="No space left"):
            store.replace(NEW)
    assert conf.read_bytes() == OLD and os.listdir(conf.parent) == ["oned.conf"]


@pytest.mark.parametrize("stop", range(8))
def test_a_kill_between_two_steps_leaves_the_old_or_the_new_file(conf, stop):
    child = os.fork()
    if child == 0:
        steps = iter(range(stop))

        def step(real):
            def call(*args, **options):
                if next(steps, None) is None:
                    os._exit(9)
                return real(*args, **options)
            return call

        for name in ("stat", "fchown", "fchmod", "fsync", "replace", "unlink"):
            setattr(files.os, name, step(getattr(os, name)))
        files.Store(str(conf)).replace(NEW)
        os._exit(0)
    os.waitpid(child, 0)
    assert conf.read_bytes() in (OLD, NEW)


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
