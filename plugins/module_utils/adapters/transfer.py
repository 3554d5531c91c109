# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transfer scripts of VMs on a front-end: their files, what was done of them, and a run of one step as one_tm runs it. Nothing is decided here.

``root`` moves everything (tests). A step runs as the daemon's user with the daemon's environment, not ours: what Ansible or the operator has stays out.
"""
from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import pwd
import signal
import subprocess
import tempfile
import time

from ..core.errors import CoreError
from .frontend import LOCKS

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"       # systemd's for services
PACKAGES = {"var": "var/lib/one", "etc": "etc/one"}
RECORDS = "recovery-transfers.log"      # beside recovery's journal
GRACE_S = 10                            # from the polite signal to the other one
MOST_BYTES = 1 << 20                    # of what a step printed; the end is kept
# one_tm exports what these two files assign and is niced (src/mad/sh/madcommon.sh); they are shell, so a shell reads them. exec: the script is our child.
LIKE_ONE_TM = 'set -a; for rc in "$1" "$2"; do [ ! -f "$rc" ] || . "$rc"; done; set +a; shift 2; exec nice -n "${PRIORITY:-19}" "$@"'


class Transfers:
    """The transfer scripts of one front-end; ``location``: where a self-contained installation is ($ONE_LOCATION), None for packages."""

    def __init__(self, root="/", journal="/var/log/one/recovery.log", location=None, user="oneadmin"):
        self.root, self.location, self.user = pathlib.Path(root), location, user
        self.records = pathlib.Path(journal).with_name(RECORDS)
        self._now_locked = None

    @property
    def var(self):
        return self._place("var")

    def read(self, name):
        """Return (path, bytes, when written) of a file in $VAR/vms."""
        path = self.var / "vms" / name
        try:
            with open(path, "rb") as file:
                return str(path), file.read(), os.fstat(file.fileno()).st_mtime_ns
        except OSError as error:
            raise CoreError("cannot read the VM's transfer script", str(path), error.strerror,
                            "The daemon writes it when it begins the transfer: recover the VM with retry, or look for it on the other front-end.") from None

    def script(self, places):
        """Return {script, exists, executable, problem} of the first of ``places`` (below remotes/tm) that is there."""
        paths = [self.var / "remotes/tm" / place for place in places]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            problem = "its script is not there" if paths and paths[0].parent.is_dir() else "its transfer driver is not on this front-end"
            return {"script": str(paths[0]) if paths else None, "exists": False, "executable": False, "problem": problem}
        executable = bool(os.stat(path).st_mode & 0o111)
        return {"script": str(path), "exists": True, "executable": executable, "problem": "" if executable else "its script is not executable"}

    def config(self):
        """Return what the daemon told its drivers when it started ($VAR/config), name → value. Refuses where no step could be run."""
        self._account()
        path = self.var / "config"
        try:
            lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        except OSError as error:
            raise CoreError("cannot read what the daemon tells its drivers", str(path), error.strerror,
                            "The daemon writes it when it starts; run this as root on the front-end on which it runs.") from None
        return {name.strip().upper(): value.strip() for name, equals, value in (line.partition("=") for line in lines) if equals}

    # what was done

    def entries(self, vm_id):
        """Return the records about one VM, oldest first; a line cut off by a crash is passed over."""
        try:
            lines = self.records.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CoreError("cannot read the record of transfer steps", str(self.records), error.strerror, "Run this as root.") from None
        found = []
        for line in lines:
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict) and entry.get("vm") == vm_id:
                    found.append(entry)
        return found

    def note(self, entry):
        """Append one record; it is on disk when this returns, so that a step is known to have begun whatever happens to us."""
        try:
            with open(self.records, "a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                end = file.seek(0, os.SEEK_END)
                if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
                    file.write(b"\n")               # after a torn line ours would be torn as well
                file.write(json.dumps(entry, sort_keys=True).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CoreError("cannot write the record of transfer steps", str(self.records), error.strerror,
                            "Without it a step could run twice. Mend the place, or name another journal.") from None

    @contextlib.contextmanager
    def locked(self, vm_id, make=True):
        """Hold the VM's transfer for us alone; a step that runs holds it too, even when we are gone. ``make`` False: only see whether it is free."""
        path = self.root / LOCKS / f"vm_transfer.{vm_id}.lock"
        try:
            lock = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if make else 0), 0o600)
        except FileNotFoundError:
            if make:
                raise CoreError("cannot lock the VM's transfer", str(path), "its folder does not exist") from None
            yield
            return
        except OSError as error:
            raise CoreError("cannot lock the VM's transfer", str(path), error.strerror, "Run this as root (become: true).") from None
        try:
            self._take(lock, path, vm_id)
            self._now_locked = lock
            yield
        finally:
            self._now_locked = None
            os.close(lock)

    @staticmethod
    def _take(lock, path, vm_id):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CoreError("the VM's transfer is busy", f"VM {vm_id}", "another vm_transfer is at work on it, or a step that one began still runs",
                            f"Wait for it. Who it is: fuser {path}") from None

    # a run

    def run(self, argv, config, timeout_s):
        """Run a script; return {code, err, seconds, why, ended}. why: it could not be started, or it did not end in time (and may not have ended at all)."""
        begun = time.monotonic()
        with tempfile.TemporaryFile() as err:       # not a pipe: whoever the script leaves in the background may keep it open
            try:
                process = subprocess.Popen(self._command(argv), cwd=self.var, env=self._environment(config), stdin=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL, stderr=err, start_new_session=True,
                                           pass_fds=() if self._now_locked is None else (self._now_locked,), **self._identity())
            except OSError as error:
                return {"code": None, "err": "", "seconds": 0.0, "why": f"it cannot be started: {error.strerror}", "ended": True}
            why = ""
            try:
                code = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                code, why = None, f"it did not end within {timeout_s} s and was stopped"
                _stop(process)
            except BaseException:
                _stop(process)
                raise
            err.seek(max(0, err.seek(0, os.SEEK_END) - MOST_BYTES))
            return {"code": code, "err": err.read().decode("utf-8", "replace"), "seconds": round(time.monotonic() - begun, 1), "why": why, "ended": not why}

    def _command(self, argv):
        etc = self._place("etc")
        return ["/bin/bash", "-c", LIKE_ONE_TM, "one_tm", str(etc / "defaultrc"), str(etc / "tmrc"), *argv]

    def _environment(self, config):
        account = self._account()
        environment = {"PATH": PATH, "HOME": account.pw_dir, "USER": self.user, "LOGNAME": self.user, "SHELL": "/bin/sh", "LANG": "C"}
        if self.location:
            environment["ONE_LOCATION"] = str(self.location)
        if config.get("SCRIPTS_REMOTE_DIR"):
            environment["SCRIPTS_REMOTE_DIR"] = config["SCRIPTS_REMOTE_DIR"].strip('"')
        return environment

    def _identity(self):
        account = self._account()
        if os.geteuid() == account.pw_uid:
            return {}
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": os.getgrouplist(self.user, account.pw_gid)}

    def _account(self):
        try:
            return pwd.getpwnam(self.user)
        except KeyError:
            raise CoreError("cannot run transfer scripts", f"user {self.user}", "there is no such user",
                            "Name the user that the daemon runs as.") from None

    def _place(self, which):
        if self.location:
            return self.root / str(self.location).lstrip("/") / which
        return self.root / PACKAGES[which]


def _stop(process):
    """End a script with all that it started: asked first, then made to."""
    for number, patience in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
