# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the daemon has to do with the machine: places, lock file, log files, telling systemd that it is ready."""
from __future__ import annotations

import os
import pathlib
import socket
import sys
import threading
import time


class Places:
    """Where things are; ``root`` moves all of them (tests)."""

    def __init__(self, root="/"):
        self.root = root = pathlib.Path(root)
        self.mads = root / "usr/lib/one/mads"
        self.etc = root / "etc/one"
        self.var = root / "var/lib/one"
        self.log = root / "var/log/one"
        self.lock = root / "var/lock/one/one"
        self.auth = self.var / ".one"
        self.vms = self.var / "vms"
        self.datastores = self.var / "datastores"
        self.remotes = self.var / "remotes"


class LockError(Exception):
    """Another oned runs, or one was killed and left its lock file."""


class Lock:
    """The daemon's lock file: made with O_EXCL, no pid in it, so a killed daemon leaves one that refuses the next start."""

    def __init__(self, path):
        self.path = path

    def take(self):
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640))
        except OSError:
            raise LockError(f"Error: Cannot start oned, opening lock file {self.path}") from None

    def release(self):
        self.path.unlink(missing_ok=True)


class Log:
    """oned.log: ``Fri Nov 20 18:36:05 2026 [Z0][ONE][I]: text``."""

    LEVELS = "EWID"

    def __init__(self, path, zone=0, level=3):
        self.zone, self.level = zone, level
        self._lock = threading.Lock()
        self._file = open(path, "w", encoding="utf-8", errors="backslashreplace")        # a new start, a new file, as 5.0.2 does

    def raw(self, text):
        with self._lock:
            self._file.write(text)
            self._file.flush()

    def write(self, module, level, text):
        if self.LEVELS.index(level) <= self.level:
            self.raw(line(self.zone, module, level, text))

    def info(self, module, text):
        self.write(module, "I", text)

    def error(self, module, text):
        self.write(module, "E", text)


def line(zone, module, level, text):
    return f"{time.strftime('%a %b %e %H:%M:%S %Y')} [Z{zone}][{module}][{level}]: {text}\n"


def notify(state):
    """Tell systemd (Type=notify), if it listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


def complain(text):
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def now():
    return int(time.time())
