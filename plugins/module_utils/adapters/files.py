# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One configuration file, byte for byte: read, back up, replace as a whole. Decides nothing.

The new file is written beside the old one, flushed to the disk and moved into its place: whoever reads, or a crash at any point,
sees the old bytes or the new ones. Mode, owner, group and SELinux label stay; a symbolic link stays a link.
"""
from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time

from ..core.errors import CoreError, NotThere

LABEL = "security.selinux"


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
        folder, name = os.path.split(real)
        draft = None
        try:
            status = os.stat(real)
            handle, draft = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
            with open(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fchown(handle, status.st_uid, status.st_gid)
                os.fchmod(handle, stat.S_IMODE(status.st_mode))
                _same_label(real, draft)
                os.fsync(handle)
            saved = self._back_up(real, status) if backup else None
            os.replace(draft, real)
            _flush_folder(folder)
        except OSError as error:
            raise CoreError("cannot write the configuration file", self.path, error.strerror or str(error),
                            "Run as root (become: true); look at the file system. The file is as it was.") from None
        finally:
            if draft is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(draft)
        return saved

    @staticmethod
    def _back_up(real, status):
        """Keep the old file beside the new one, named as Ansible names its backups."""
        saved = "{}.{}.{}~".format(real, os.getpid(), time.strftime("%Y-%m-%d@%H:%M:%S"))
        handle = os.open(saved, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(real, "rb") as old, open(handle, "wb") as stream:
            stream.write(old.read())
            os.fchown(handle, status.st_uid, status.st_gid)
            os.fchmod(handle, stat.S_IMODE(status.st_mode))
        return saved


def _same_label(source, target):
    with contextlib.suppress(OSError, AttributeError):      # no SELinux, or a file system without labels
        os.setxattr(target, LABEL, os.getxattr(source, LABEL))


def _flush_folder(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
