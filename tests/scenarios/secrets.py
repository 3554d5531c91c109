#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No password of the inventory in any output at -vvv, nor for a moment in a process list.

    tests/scenarios/secrets.py [--fresh]        --fresh: on bare nodes, where the passwords are set for the first time

While the playbooks run, a watcher on every node and on the controller reads all arguments and environments every 20 ms.
"""
import argparse
import json
import os
import shlex
import subprocess
import sys

import stage
import look  # of tests/verify; stage puts it on the path

# Runs on the nodes too. Patterns come in on its standard input, which also ends it: they must not become arguments of ours.
# A young process is looked at in every round (a shell becomes another program), an old one every second. What runs in the containers
# belongs to the nodes' watchers, not to the controller's: hence only our own pid namespace.
WATCHER = r'''
import json, os, select, sys, time
patterns = [pattern.encode() for pattern in json.loads(sys.stdin.buffer.readline())]
seen, rounds, born, own = {}, 0, {}, os.readlink("/proc/self/ns/pid")
sys.stdout.write("watching\n"); sys.stdout.flush()
while not select.select([sys.stdin], [], [], 0.02)[0]:
    rounds, now = rounds + 1, time.monotonic()
    there = {name for name in os.listdir("/proc") if name.isdigit()}
    born = {name: since for name, since in born.items() if name in there}
    for name in there:
        try:
            if name not in born:
                born[name] = now if os.readlink(f"/proc/{name}/ns/pid") == own else None
            if born[name] is None or (now - born[name] > 1 and rounds % 50):
                continue
            for kind in ("cmdline", "environ"):
                with open(f"/proc/{name}/{kind}", "rb") as file:
                    text = file.read()
                for pattern in patterns:
                    if pattern in text:
                        with open(f"/proc/{name}/comm") as file:
                            program = file.read().strip()
                        around = text[max(0, text.find(pattern) - 120):][:240].replace(b"\0", b" ").replace(pattern, b"<SECRET>")
                        seen.setdefault(f"{program} {kind}", around.decode(errors="replace"))
        except OSError:
            pass
print(json.dumps({"seen": seen, "rounds": rounds}))
'''


class Watcher:
    """One place that is watched."""

    def __init__(self, name, argv, patterns):
        self.name = name
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        self.process.stdin.write(json.dumps(patterns) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "watching\n", f"no watcher on {name}"

    def end(self):
        return json.loads(self.process.communicate(input="\n", timeout=30)[0])


def watch(federation):
    watchers = [Watcher("controller", [sys.executable, "-c", WATCHER], federation.secrets)]
    for node in federation.nodes:
        login = node.login
        argv = ["ssh", *shlex.split(login["options"]), "-i", login["key"], f"{login['user']}@{login['host']}", f"python3 -c {shlex.quote(WATCHER)}"]
        watchers.append(Watcher(node.name, argv, federation.secrets))
    return watchers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fresh", action="store_true", help="begin with bare nodes")
    if parser.parse_args().fresh:
        stage.fresh_lab()
    federation, checks = look.read_inventory(stage.ROOT / stage.INVENTORY), stage.Checks()
    checks.that(len(federation.secrets) >= 5, "the inventory has secrets to look for", len(federation.secrets))
    # see the watcher red once: it finds what we show it
    planted = Watcher("planted", [sys.executable, "-c", WATCHER], ["planted-canary-1b7e"])
    with subprocess.Popen(["sleep", "1"], env=dict(os.environ, SHOWN="planted-canary-1b7e")):
        pass
    checks.that(planted.end()["seen"], "the watcher finds a planted canary")
    for playbook, arguments in (("playbooks/site.yml", ()), ("playbooks/site.yml", ("--check", "--diff")), ("playbooks/verify.yml", ()),
                                ("playbooks/recover.yml", ())):
        name = " ".join((playbook, "-vvv", *arguments))
        watchers = watch(federation)
        try:
            run = stage.play(playbook, "-vvv", *arguments, name=f"secrets-{os.path.basename(playbook)}{''.join(arguments)}")
        finally:
            found = {watcher.name: watcher.end() for watcher in watchers}
        checks.that(run.rc == 0, f"{name} succeeds", run.log)
        text = run.log.read_text(encoding="utf-8", errors="replace")
        leaks = [f"{run.log}:{number}" for number, line in enumerate(text.splitlines(), 1) if any(secret in line for secret in federation.secrets)]
        checks.that(text and not leaks, f"{name}: no secret in {len(text.splitlines())} lines of output", leaks[:5])
        for where, one in found.items():
            checks.that(one["rounds"] and not one["seen"], f"{name}: none in the process list of {where} ({one['rounds']} looks)", one["seen"])
    checks.that(stage.verified("-k", "secret"), "no file, log or process holds one afterwards")
    return checks.end()


if __name__ == "__main__":
    sys.exit(main())
