# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One configuration file, byte for byte: read, back up, replace as a whole. Decides nothing.

The new file is written beside the old one, flushed to the disk and moved into its place: whoever reads, or a crash at any point,
sees the old bytes or the new ones, and a backup is complete or not there. Mode, owner, group and SELinux label stay; a symbolic link
stays a link. What a killed writer left beside the file is removed by the next one.
"""
from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import time

from ..core.errors import CoreError, NotThere

LABEL = "security.selinux"
DRAFT = ".draft~"


class Store:
    def __init__(self, path):
        self.path = path

    @property
    def _real(self):
        return os.path.realpath(self.path)

    def read(self):
        """Return the bytes. Raises NotThere when there is no such file."""
        try:
            with open(self._real, "rb") as stream:
                return stream.read()
        except (FileNotFoundError, NotADirectoryError):
            raise NotThere("there is no configuration file", self.path, "no such file", "Install the package that brings it, or name the right path.") from None
        except OSError as error:
            raise CoreError("cannot read the configuration file", self.path, error.strerror or str(error), "Run as root (become: true).") from None

    def mode(self):
        """Return the permissions in octal; None when there is no such file."""
        try:
            return format(stat.S_IMODE(os.stat(self._real).st_mode), "04o")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def set_mode(self, mode):
        os.chmod(self._real, int(mode, 8))

    def replace(self, data, backup=False):
        """Put ``data`` into the file's place; return the path of the backup, None without one."""
        real = self._real
        saved = None
        try:
            status = os.stat(real)
            _clear_drafts(real)
            with _Draft(real, status, data) as draft:
                if backup:
                    saved = "{}.{}.{}~".format(real, os.getpid(), time.strftime("%Y-%m-%d@%H:%M:%S"))        # as Ansible names its backups
                    with open(real, "rb") as old, _Draft(real, status, old.read()) as copy:
                        copy.move_to(saved)
                draft.move_to(real)
            _flush_folder(os.path.dirname(real))
        except OSError as error:
            raise CoreError("cannot write the configuration file", self.path, error.strerror or str(error),
                            "Run as root (become: true); look at the file system. The file is as it was.") from None
        return saved


class _Draft:
    """A whole file beside the one that it is meant for, on the disk, with mode, owner, group and label of that; gone at the end unless moved.

    Its writer holds a lock on it: a draft that nobody holds is what a killed writer left.
    """

    def __init__(self, real, status, data):
        self.handle, self.path = tempfile.mkstemp(dir=os.path.dirname(real), prefix=_draft_prefix(real), suffix=DRAFT)
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX)
            with open(self.handle, "wb", closefd=False) as stream:
                stream.write(data)
            os.fchown(self.handle, status.st_uid, status.st_gid)
            os.fchmod(self.handle, stat.S_IMODE(status.st_mode))
            _same_label(real, self.path)
            os.fsync(self.handle)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def move_to(self, path):
        os.replace(self.path, path)

    def __exit__(self, *unused):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        os.close(self.handle)


def _draft_prefix(real):
    return f".{os.path.basename(real)}."


def _clear_drafts(real):
    """Remove what killed writers left beside the file; it may hold secrets."""
    folder, prefix = os.path.dirname(real), _draft_prefix(real)
    for name in os.listdir(folder):
        if not (name.startswith(prefix) and name.endswith(DRAFT)):
            continue
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError):          # another writer holds it, or has just moved it
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)
            finally:
                os.close(handle)


def look_for_programs(folder, names):
    """Return {name: (path, "executable" | "no program" | "missing")} of the programs in a folder, or by their whole path; None without the folder."""
    if not os.path.isdir(folder):
        return None
    found = {}
    for name in names:
        path = os.path.join(folder, name)           # a whole path stays as it is
        there = os.path.isfile(path)
        found[name] = (path, "missing" if not there else "executable" if os.stat(path).st_mode & 0o111 else "no program")
    return found


def _same_label(source, target):
    with contextlib.suppress(OSError, AttributeError):      # no SELinux, or a file system without labels
        os.setxattr(target, LABEL, os.getxattr(source, LABEL))


def _flush_folder(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
