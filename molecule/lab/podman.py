# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run podman and other host programs; say what failed, and show progress with seconds."""
from __future__ import annotations

import json
import subprocess
import sys
import time

# crun fails on hybrid cgroups and podman's default limits fail in nested machines (seen with podman 4.3.1), so every container gets these.
LIMITS = ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096"]
BEGAN = time.monotonic()


class LabError(Exception):
    """What the person in front of the lab can act on."""


def say(text):
    print(f"[{time.monotonic() - BEGAN:6.1f} s] {text}", file=sys.stderr, flush=True)


def run(*argv, check=True, stdin=None, quiet=False):
    """Run a program, return its completed process; with ``check`` a failure is a LabError holding its last words."""
    done = subprocess.run([str(word) for word in argv], input=stdin, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if check and done.returncode:
        raise LabError(f"{' '.join(str(word) for word in argv)[:300]}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-1500:]}")
    if done.stderr and not quiet and check is None:
        sys.stderr.write(done.stderr)
    return done


def podman(*argv, **options):
    return run("podman", "--runtime", "runc", *argv, **options).stdout.strip()


def exists(kind, name):
    """Tell whether a container, image or network of this name exists."""
    return run("podman", kind, "exists", name, check=False).returncode == 0


def containers(label):
    """Return name -> state ('running', 'exited', 'created', …) of the containers with a label."""
    rows = json.loads(podman("ps", "--all", "--format", "json", "--filter", f"label={label}") or "[]")
    return {row["Names"][0]: row["State"] for row in rows}
