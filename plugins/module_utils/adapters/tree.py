# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files of a host: their text, mode and owner; written beside and moved into place. Nothing is decided here."""
from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
import tempfile

from ..core.errors import CoreError


class Tree:
    """The files below ``root`` (which only tests move)."""

    def __init__(self, root="/"):
        self.root = root

    def read(self, path):
        """Return {content, mode, owner, group} of a file, None when there is none."""
        real = self._real(path)
        try:
            status = os.stat(real)
            with open(real, encoding="utf-8", errors="surrogateescape", newline="") as stream:      # a CR is a byte like any other
                content = stream.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CoreError("cannot read file", path, error.strerror or str(error), "Is something else in its place?") from None
        return {"content": content, "mode": format(stat.S_IMODE(status.st_mode), "04o"), "owner": _name(pwd.getpwuid, status.st_uid),
                "group": _name(grp.getgrgid, status.st_gid)}

    def names(self, directory):
        """Return the names in a directory, None when there is none."""
        try:
            return os.listdir(self._real(directory))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise CoreError("cannot list directory", directory, error.strerror or str(error), "Run as root (become: true).") from None

    def write(self, path, content, mode, owner, group):
        """Replace the file as a whole; its directories are made (0755, root)."""
        real = self._real(path)
        draft = None
        try:
            os.makedirs(os.path.dirname(real), mode=0o755, exist_ok=True)
            handle, draft = tempfile.mkstemp(dir=os.path.dirname(real), prefix=f".{os.path.basename(real)}.")
            with open(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
                stream.write(content)
                os.fchown(handle, pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid)
                os.fchmod(handle, int(mode, 8))
                stream.flush()
                os.fsync(handle)
            os.replace(draft, real)
        except KeyError as error:
            raise CoreError("cannot write file", path, f"no such user or group: {error.args[0]}", "Install the package that makes it first.") from None
        except OSError as error:
            raise CoreError("cannot write file", path, error.strerror or str(error), "Run as root (become: true); look at the file system.") from None
        finally:
            if draft is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(draft)

    def _real(self, path):
        return os.path.join(self.root, path.lstrip("/"))


def _name(lookup, number):
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)
