#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure site.yml, cold and again, against the same procedure as bare commands (reference.sh), on the same lab in one go.

    tests/benchmarks/site.py [--rounds 1]

Only ratios of one run mean anything: the machine is shared. Writes build/benchmarks/site.json, too. Begins with `lab down` and leaves the lab converged.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scenarios"))

import stage  # noqa: E402
import look  # noqa: E402

UNITS = {"B": 1 / 1e6, "kB": 1e-3, "KB": 1e-3, "MB": 1, "GB": 1e3, "KiB": 1.024e-3, "MiB": 1.048576, "GiB": 1073.741824}


def memory():
    """Return the megabytes that each of the lab's containers uses, page cache included (cgroup)."""
    name = os.environ.get("LAB_NAME") or "constellation"
    text = subprocess.run(["podman", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}"], stdout=subprocess.PIPE, check=True,
                          encoding="utf-8").stdout
    found = re.findall(rf"^{name}-(\w+) ([\d.]+)(\w+) /", text, flags=re.M)
    return {node: round(float(value) * UNITS[unit]) for node, value, unit in found}


def reference(federation):
    """Run reference.sh on bare nodes; return (seconds, ssh calls)."""
    login = federation.nodes[0].login
    with tempfile.TemporaryDirectory() as folder:
        ssh, count = pathlib.Path(folder, "ssh"), pathlib.Path(folder, "count")
        ssh.write_text(stage.COUNTING_SSH, encoding="ascii")
        ssh.chmod(0o700)
        start = time.monotonic()
        done = subprocess.run([str(stage.ROOT / "tests/benchmarks/reference.sh")], check=False, stdin=subprocess.DEVNULL, env=dict(
            os.environ, SSH=str(ssh), SSH_COUNT=str(count), LAB_KEY=login["key"], FENCE_PASSWORD=dict(federation.nodes[0].secrets)["fence"]))
        if done.returncode:
            raise SystemExit(f"FAILED: reference.sh: exit {done.returncode}")
        return time.monotonic() - start, len(count.read_text(encoding="ascii").splitlines())


def measure():
    """Return one round's numbers."""
    numbers = {}
    stage.lab("down")
    numbers["lab up"] = stage.lab("up")[1]
    federation = look.read_inventory(stage.ROOT / stage.INVENTORY)
    numbers["memory, bare (MB a node)"] = memory()
    stage.say("reference.sh")
    numbers["reference"] = dict(zip(("seconds", "ssh"), reference(federation)))
    numbers["memory, converged (MB a node)"] = memory()
    numbers["lab down"] = stage.lab("down")[1]
    stage.lab("up")
    for name, arguments in (("site, cold", ()), ("site, again", ()), ("site, --check --diff", ("--check", "--diff"))):
        stage.say(name)
        run = stage.play("playbooks/site.yml", *arguments, name=f"bench-{name.replace(', ', '-').replace(' ', '')}").must_succeed()
        numbers[name] = {"seconds": run.seconds, "tasks": run.tasks, "results": len(run.results("ok", "failed", "ignored")), "ssh": run.ssh_calls,
                         "changed": len(run.changed)}
    return numbers


def table(numbers):
    """Return the lines that a person reads."""
    base = numbers["reference"]
    lines = [f"{'':28}{'seconds':>9}{'ratio':>7}{'ssh':>7}{'ratio':>7}{'tasks':>7}{'results':>9}{'changed':>9}"]
    for name in ("reference", "site, cold", "site, again", "site, --check --diff"):
        one = numbers[name]
        counted = "".join(f"{one.get(key, ''):>{width}}" for key, width in (("tasks", 7), ("results", 9), ("changed", 9)))
        lines.append(f"{name:28}{one['seconds']:9.1f}{one['seconds'] / base['seconds']:7.2f}{one['ssh']:7d}{one['ssh'] / base['ssh']:7.2f}{counted}")
    lines += [f"{name:28}{numbers[name]:9.1f}" for name in ("lab up", "lab down")]
    lines += [f"{name}: " + ", ".join(f"{node} {value}" for node, value in sorted(numbers[name].items())) for name in numbers if name.startswith("memory")]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    rounds = []
    for number in range(parser.parse_args().rounds):
        rounds.append(measure())
        print("\n".join([f"round {number + 1}", *table(rounds[-1])]), flush=True)
    out = stage.ROOT / "build/benchmarks/site.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(rounds, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
