# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts of drivers on a front-end: folders, removal, and a run of probes as OpenNebula runs them, on a copy. Nothing is decided here."""
from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import selectors
import shutil
import signal
import stat
import subprocess
import time

from ..core.errors import CoreError
from .tree import Tree, _name

STAGE = ".driver_scripts-"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"       # systemd's for services
MOST_BYTES = 1 << 20
PASSED_OVER = (".rpmnew", ".rpmsave")


class Scripts(Tree):
    """A Tree that also removes files, and runs probes."""

    def row(self, path):
        """Return {mode, owner, group} of a file, None for a folder, a link to nothing, or when there is none."""
        try:
            status = os.stat(self._real(path))
        except OSError:
            return None
        return None if not stat.S_ISREG(status.st_mode) else {
            "mode": format(stat.S_IMODE(status.st_mode), "04o"), "owner": _name(pwd.getpwuid, status.st_uid), "group": _name(grp.getgrgid, status.st_gid)}

    def make_folder(self, path, owner, group):
        """Make a folder (0755) for the owner where there is none."""
        real = self._real(path)
        try:
            if not os.path.isdir(real):
                os.mkdir(real, 0o755)
                os.chown(real, *_ids(owner, group))
                os.chmod(real, 0o755)
        except OSError as error:
            raise CoreError("cannot make folder", path, error.strerror or str(error), "Run as root (become: true).") from None

    def remove(self, path):
        """Remove a file, or a folder that is empty; nothing when it is gone already, or not empty any more."""
        real = self._real(path)
        try:
            (os.rmdir if os.path.isdir(real) and not os.path.islink(real) else os.unlink)(real)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                raise CoreError("cannot remove", path, error.strerror or str(error), "Run as root (become: true).") from None

    @staticmethod
    def can_run(program):
        """Tell whether there is an executable program of this path or name."""
        return shutil.which(program, path=PATH) is not None

    def try_probes(self, remotes, folder, files, arguments, owner, group, timeout_s):
        """Run the probes of a copy of ``remotes`` in which ``files`` are in place; return rows {probe, code, out, err, why}.

        The copy is beside the original, so on a file system that may have programs; links stand for what does not change.
        Like run_probes: by name, in their folder, and none behind one that failed. why: "" or how the probe ended otherwise.
        """
        stage = self._real(os.path.join(os.path.dirname(remotes), STAGE + os.path.basename(folder)))
        ids = _ids(owner, group)
        try:
            _clear(stage)
            os.mkdir(stage, 0o700)
            _overlay(self._real(remotes), stage, {os.path.relpath(path, remotes): file for path, file in files.items()}, ids)
            os.chown(stage, *ids)
            return _run_all(os.path.join(stage, os.path.relpath(folder, remotes)), arguments, owner, ids, timeout_s)
        except OSError as error:
            raise CoreError("cannot try the probes", stage, error.strerror or str(error), "Run as root (become: true); look at the file system.") from None
        finally:
            _clear(stage)


def _ids(owner, group):
    try:
        return pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid
    except KeyError:
        raise CoreError("cannot write the driver's scripts", why=f"no such user or group: {owner}:{group}",
                        hint="Install the package that makes it first.") from None


def _clear(stage):
    if os.path.islink(stage):
        os.unlink(stage)
    elif os.path.lexists(stage):
        shutil.rmtree(stage)


def _overlay(source, target, files, ids):
    """Fill ``target`` with links to what ``source`` has and with the files, given by path relative to both."""
    own = {path: file for path, file in files.items() if os.sep not in path}
    below = {}
    for path, file in files.items():
        head, unused, tail = path.partition(os.sep)
        if tail:
            below.setdefault(head, {})[tail] = file
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for name in os.listdir(source):
            if name not in own and name not in below:
                os.symlink(os.path.join(source, name), os.path.join(target, name))
    for name, file in own.items():
        handle = os.open(os.path.join(target, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write(file["content"])
            os.fchown(handle, *ids)
            os.fchmod(handle, int(file["mode"], 8))
    for name, inside in below.items():
        folder = os.path.join(target, name)
        os.mkdir(folder, 0o755)
        _overlay(os.path.join(source, name), folder, inside, ids)
        os.chown(folder, *ids)


def _run_all(folder, arguments, owner, ids, timeout_s):
    account, rows = pwd.getpwnam(owner), []
    # The daemon's environment is not ours: whatever Ansible or the operator has in his stays out.
    environment = {"PATH": PATH, "HOME": account.pw_dir, "USER": owner, "LOGNAME": owner, "SHELL": "/bin/sh", "LANG": "C"}
    identity = {} if os.geteuid() == ids[0] else {"user": ids[0], "group": ids[1], "extra_groups": os.getgrouplist(owner, ids[1])}
    deadline = time.monotonic() + timeout_s
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.startswith(".") or name.endswith(PASSED_OVER) or ".dpkg-" in name or not os.path.isfile(path) or not os.stat(path).st_mode & 0o111:
            continue
        rows.append(dict(_run_one([f"./{name}", *arguments], folder, environment, identity, deadline, timeout_s), probe=name))
        if rows[-1]["code"] != 0 or rows[-1]["why"]:
            break
    return rows


def _run_one(argv, folder, environment, identity, deadline, timeout_s):
    try:
        process = subprocess.Popen(argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True, **identity)
    except OSError as error:
        return {"code": None, "out": "", "err": "", "why": f"cannot be started ({error.strerror}); does its interpreter exist?"}
    said, why = _listen(process, deadline)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)          # also what it left running in the background
    code = process.wait()
    why = {"time": f"did not end within {timeout_s} s", "size": f"printed more than {MOST_BYTES} bytes"}.get(why, "")
    return {"code": code, "out": said[process.stdout], "err": said[process.stderr], "why": why}


def _listen(process, deadline):
    """Return ({pipe: text}, "" or what made us stop) when both pipes are closed and the process ended, or before."""
    pipes = {process.stdout: b"", process.stderr: b""}
    why = ""
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map() and not why:
            left = deadline - time.monotonic()
            ready = selector.select(left) if left > 0 else []
            if not ready:
                why = "time"
            for key, unused in ready:
                piece = os.read(key.fd, 65536)
                pipes[key.fileobj] += piece
                if not piece:
                    selector.unregister(key.fileobj)
            if sum(map(len, pipes.values())) > MOST_BYTES:
                why = "size"
    if not why:
        try:
            process.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            why = "time"
    texts = {pipe: text.decode("utf-8", "surrogateescape") for pipe, text in pipes.items()}
    for pipe in pipes:
        pipe.close()
    return texts, why
