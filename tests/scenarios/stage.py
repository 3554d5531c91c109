# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scenarios and benchmarks share: run a playbook and know what it did; call the lab; count ssh."""
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
INVENTORY = "inventories/lab"

sys.path.insert(0, str(ROOT / "tests/verify"))

# Stands in for ssh: a line for each call (one round trip of Ansible over a kept connection), then the real one.
COUNTING_SSH = '#!/bin/sh\necho "$$" >>"$SSH_COUNT"\nexec ssh "$@"\n'


@dataclass(frozen=True)
class Run:
    """A playbook run that has ended."""

    rc: int
    seconds: float
    events: tuple
    ssh_calls: int
    log: pathlib.Path

    @property
    def tasks(self):
        return sum(1 for event in self.events if event["event"] == "task")

    def results(self, *statuses):
        return [event for event in self.events if event["event"] == "result" and (not statuses or event["status"] in statuses)]

    @property
    def changed(self):
        """Return [(host, task)] of what changed, in order."""
        return [(event["host"], event["task"]) for event in self.results("ok") if event["changed"]]

    def must_succeed(self):
        if self.rc:
            tail = self.log.read_text(encoding="utf-8", errors="replace")[-4000:]
            raise SystemExit(f"{tail}\nFAILED: exit {self.rc}, all output in {self.log}")
        return self


class Play:
    """A playbook run that goes on; ``wait`` for it, or follow ``tasks()`` and ``kill`` it."""

    def __init__(self, playbook, *arguments, name=None, environment=None):
        self.temporary = tempfile.TemporaryDirectory(prefix="constellation-play-")      # goes with the object, at the latest at exit
        self.folder = pathlib.Path(self.temporary.name)
        self.log = ROOT / "build/scenarios" / f"{name or pathlib.Path(playbook).stem}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        counting = self.folder / "ssh"
        counting.write_text(COUNTING_SSH, encoding="ascii")
        counting.chmod(0o700)
        self.started = time.monotonic()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["ansible-playbook", "-i", INVENTORY, playbook, *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True, env=dict(
                    os.environ, ANSIBLE_CALLBACK_PLUGINS=str(HERE / "callbacks"), ANSIBLE_CALLBACKS_ENABLED="tally", ANSIBLE_SSH_EXECUTABLE=str(counting),
                    ANSIBLE_FORCE_COLOR="0", TALLY=str(self.folder / "tally"), SSH_COUNT=str(self.folder / "ssh.count"), **(environment or {})))

    def events(self):
        """Return what the run has told so far."""
        tally = self.folder / "tally"
        lines = tally.read_text(encoding="utf-8").splitlines(keepends=True) if tally.exists() else []
        return tuple(json.loads(line) for line in lines if line.endswith("\n"))

    def kill(self, number):
        """Send the signal to Ansible and all its workers, and see them go."""
        os.killpg(self.process.pid, number)
        return self.process.wait(timeout=60)

    def wait(self):
        code = self.process.wait()
        count = self.folder / "ssh.count"
        calls = len(count.read_text(encoding="ascii").splitlines()) if count.exists() else 0
        return Run(code, time.monotonic() - self.started, self.events(), calls, self.log)


def play(playbook, *arguments, **options):
    """Run a playbook to its end."""
    return Play(playbook, *arguments, **options).wait()


def lab(*arguments):
    """Run the lab's program; return (output, seconds)."""
    start = time.monotonic()
    done = subprocess.run([str(ROOT / "molecule/lab/lab"), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding="utf-8", check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout}\nFAILED: lab {' '.join(arguments)}: exit {done.returncode}")
    return done.stdout, time.monotonic() - start


def fresh_lab():
    lab("down")
    lab("up")


def verified(*arguments):
    """Return whether the checks from outside pass; print what they say when they do not."""
    done = subprocess.run(["pytest", "--import-mode=importlib", "-q", "-p", "no:cacheprovider", "tests/verify", *arguments], cwd=ROOT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False)
    print(done.stdout if done.returncode else done.stdout.strip().splitlines()[-1], flush=True)
    return done.returncode == 0


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


class Checks:
    """Count what held and what did not; the last line is the one that CI reads."""

    def __init__(self):
        self.passed, self.failed = 0, 0

    def that(self, holds, what, seen=""):
        self.passed, self.failed = self.passed + bool(holds), self.failed + (not holds)
        say(f"{'ok    ' if holds else 'FAILED'} {what}" + (f": {seen}" if seen and not holds else ""))
        return bool(holds)

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0
