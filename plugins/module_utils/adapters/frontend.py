# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a front-end shows of OpenNebula besides its API: the daemon's process, transfers under way, VM logs, our own journal, who owns the services.

Everything is read from files and /proc; ``root`` moves all of it (tests). Nothing is decided here.
"""
from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import re
import time
from xml.etree import ElementTree

from ..core.errors import CoreError

JOURNAL = "var/log/one/recovery.log"
LOCKS = "run/lock"
STATE_LINE = re.compile(r"^(\w{3} \w{3} +\d+ [\d:]+ \d{4}) \[.*New (?:VM )?(?:LCM )?state is (\w+)", re.MULTILINE)
INFORMATION = re.compile(r"^[^\[\n]*\[[^\]\n]*\](?:\[[^\]\n]*\])?\[[ID]\]: ", re.MULTILINE)
# what the daemon's drivers run for VMs: transfers, and actions of hypervisors and networks, here or in the ssh that runs them there; poll only looks
SCRIPT = re.compile(r"/(?:remotes/tm|vmm|vnm)/[\w-]+/(?!poll\b)[\w-]+")
SAMPLES, APART_S = 5, 0.2
TAIL = 64 * 1024
JOURNAL_TAIL = 8 * 1024 * 1024


class Frontend:
    def __init__(self, root="/", journal=None):
        self.root = pathlib.Path(root)
        self.journal_path = pathlib.Path(journal) if journal else self.root / JOURNAL

    @staticmethod
    def now():
        return time.time()

    def daemon_started(self):
        """Return when the running oned was started (seconds since 1970), None when none runs here.

        /proc/PID/stat field 22 counts clock ticks since boot; the command name in it may contain blanks and brackets.
        """
        boot = self._boot_time()
        started = [boot + float(stat.rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
                   for stat, command in self._processes()
                   if stat.split("(", 1)[1].rpartition(")")[0] == "oned" or "oned" in [os.path.basename(word) for word in command[:2]]]
        return min(started) if started else None

    def transfers(self):
        """Return the ids of VMs that a transfer script (remotes/tm/<driver>/<command> … VMID DSID) works on, on this host."""
        found = set()
        for unused, command in self._processes():
            script = next((index for index, word in enumerate(command) if "/remotes/tm/" in word), None)
            if script is not None and len(command) - script > 2:
                found |= {int(word) for word in command[script + 1:][-2:-1] if word.isdigit()}
                found |= {int(number) for word in command[script + 1:] for number in re.findall(r"/datastores/\d+/(\d+)(?:/|$)", word)}
        return found

    def drivers_at_work(self, pause=time.sleep):
        """Return, sorted, the scripts for VMs that the drivers of this front-end run. Looked at several times, because between two of them none runs."""
        found = set()
        for sample in range(SAMPLES):
            if sample:
                pause(APART_S)
            found |= {match.group().lstrip("/") for match in (SCRIPT.search(" ".join(command)) for unused, command in self._processes()) if match}
            if found:
                break
        return sorted(found)

    def transfers_by_hand(self):
        """Return the ids of VMs whose transfer the module vm_transfer holds, also between two of its steps (locks of adapters/transfer.py)."""
        names = ((path, re.fullmatch(r"vm_transfer\.(\d+)\.lock", path.name)) for path in (self.root / LOCKS).glob("vm_transfer.*.lock"))
        return {int(name.group(1)) for path, name in names if name and _is_held(path)}

    def last_state(self, vm_id):
        """Return (time, state) of the last state that a daemon of this host logged for a VM; None without a log or a line."""
        for path in (self.root / f"var/log/one/{vm_id}.log", self.root / f"var/lib/one/vms/{vm_id}/vm.log"):
            lines = STATE_LINE.findall(_tail(path))
            if lines:
                return time.mktime(time.strptime(lines[-1][0], "%a %b %d %H:%M:%S %Y")), lines[-1][1]
        return None

    def logs_since(self, started):
        """Tell whether the daemon that runs since then writes its logs into files here (LOG = [ SYSTEM = "file" ]), states of VMs among them.

        It tells these at level 2 (information); with DEBUG_LEVEL 0 or 1 a VM's log that says nothing of a new state says nothing at all.
        """
        path = self.root / "var/log/one/oned.log"
        try:
            return path.stat().st_mtime >= started and bool(INFORMATION.search(_tail(path)))
        except OSError:
            return False

    def journal(self):
        """Return VM id → our last call for it (recovery's own record, oldest lines first). How its VMs ended stands there for people, and is no call."""
        last = {}
        for text in _tail(self.journal_path, JOURNAL_TAIL).splitlines():
            try:
                entry = json.loads(text)
                if "operation" in entry:
                    last[int(entry["vm"])] = entry
            except (ValueError, KeyError, TypeError):
                continue        # a line cut off by the tail or by a crash
        return last

    def record(self, entry, sync=True):
        """Append one entry; with ``sync`` it is on disk when this returns, so that an interrupted recovery is known to the next one."""
        try:
            with open(self.journal_path, "a+b") as file:
                end = file.seek(0, os.SEEK_END)
                if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
                    file.write(b"\n")               # after a torn line ours would be torn as well
                file.write(json.dumps(entry, sort_keys=True).encode() + b"\n")
                file.flush()
                if sync:
                    os.fsync(file.fileno())
        except OSError as error:
            raise CoreError("cannot write recovery's journal", str(self.journal_path), error.strerror,
                            "Without it an interrupted recovery cannot be taken up again. Mend the place, or name another journal.") from None

    @contextlib.contextmanager
    def alone(self):
        """Hold recovery on this front-end for us alone; the lock goes with the process. It lies where the journal has to be written anyway."""
        path = pathlib.Path(f"{self.journal_path}.lock")
        try:
            lock = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_CREAT, 0o600)
        except OSError as error:
            raise CoreError("cannot lock the recovery of VMs", str(path), error.strerror,
                            "Run this as root (become: true)." if path.parent.is_dir() else "Make its folder, or name another journal.") from None
        with contextlib.closing(os.fdopen(lock)):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CoreError("another recovery of VMs is at work on this front-end", str(path), "two of them could call recover twice for one VM",
                                f"Wait for it, then run again. Who it is: fuser {path}") from None
            yield

    def cluster_owns(self, resource):
        """Tell whether this host's cluster configuration has a resource, running or not (the CIB as pacemaker keeps it on disk)."""
        path = self.root / "var/lib/pacemaker/cib/cib.xml"
        try:
            return any(node.get("id") == resource for node in ElementTree.parse(path).iter("primitive"))
        except FileNotFoundError:
            return False
        except (OSError, ElementTree.ParseError) as error:
            raise CoreError("cannot read the cluster's configuration", str(path), str(error), "Run this as root.") from None

    def _boot_time(self):
        for text in (self.root / "proc/stat").read_text(encoding="ascii").splitlines():
            if text.startswith("btime "):
                return int(text.split()[1])
        raise CoreError("cannot read when this host was booted", "/proc/stat", "it has no line btime")

    def _processes(self):
        """Yield (stat, command words) of every process; one that ends meanwhile is left out."""
        for place in (self.root / "proc").iterdir():
            if place.name.isdigit():
                try:
                    stat = (place / "stat").read_text(encoding="utf-8", errors="replace")
                    command = (place / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ").split()     # sh -c "…" is one argument
                except OSError:
                    continue
                yield stat, command


def _is_held(path):
    """Tell whether somebody holds a lock file of ours; anybody may make files in that folder."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return os.fstat(lock).st_uid in (0, os.geteuid())
    finally:
        os.close(lock)


def _tail(path, size=TAIL):
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
