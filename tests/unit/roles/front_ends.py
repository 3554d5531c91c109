# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Front-ends for one entry point of a role: ansible-playbook is real, ssh and the programs of the cluster are ours.

All front-ends share one cluster (state.json): the nodes, which of them are in standby, and the one that has the zone. The programs that ask or
change it are copies of ``PROGRAM`` by their names. A front-end in ``lost`` does not answer ssh any more.
"""
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
NAMES = ("crm_attribute", "crm_mon", "crm_node", "crm_resource", "cibadmin", "corosync-quorumtool", "ip", "ssh", "systemctl")
PROGRAM = r'''#!%(python)s
import json, os, pathlib, sys

FOLDER = pathlib.Path("%(folder)s")
STATE = FOLDER / "state.json"
name, argv = os.path.basename(sys.argv[0]), sys.argv[1:]
state = json.loads(STATE.read_text())
me = os.environ.get("FRONT_END", "")


def option(word):
    return argv[argv.index(word) + 1]


def save():
    with open(FOLDER / "told", "a") as told:
        told.write(" ".join([me, name] + argv) + "\n")
    STATE.write_text(json.dumps(state))


if name == "ssh":
    host = next(word for word in argv if word in state["nodes"])
    if host in state["lost"]:
        sys.exit(255)
    os.environ.update(FRONT_END=host, PATH="%(folder)s:" + os.environ["PATH"])
    os.execvp("sh", ["sh", "-c", argv[-1]])
elif name == "crm_node":
    print(me)
elif name in ("crm_mon", "cibadmin", "crm_resource", "crm_attribute") and not state["running"]:
    sys.exit(102)
elif name == "crm_attribute":
    node, standby = option("--node"), "--update" in argv
    state["standby"] = sorted(set(state["standby"]) - {node} | ({node} if standby else set()))
    state["lost"] += state["loses"].get(node + (" standby" if standby else " online"), [])
    save()
elif name == "crm_resource":
    able = [node for node in state["nodes"] if node not in state["standby"] + state["dead"]]
    if state["active"] not in able and able:
        state["active"] = able[0]
    save()
elif name == "crm_mon":
    nodes = "".join('<node name="%%s" online="%%s" standby="%%s"/>' %% (node, str(node not in state["dead"]).lower(), str(node in state["standby"]).lower())
                    for node in state["nodes"])
    print('<pacemaker-result><summary><current_dc present="true" with_quorum="true" name="%%s"/></summary><nodes>%%s</nodes></pacemaker-result>'
          %% (me, nodes))
elif name == "cibadmin":
    print("<cib><configuration><crm_config/><nodes/><resources/><constraints/></configuration></cib>")
elif name == "ip":
    print("[]")
elif name == "systemctl" and argv[-1] in ("mariadb", "pacemaker") and argv[0] in ("start", "stop"):
    save()
elif name == "systemctl":
    blocks = []
    for unit in [word for word in argv[1:] if not word.startswith("-")]:
        active = "active" if unit.split(".")[0] in state["units"] else "inactive"
        blocks.append("Id=%%s\nLoadState=loaded\nActiveState=%%s\nUnitFileState=disabled" %% (unit, active))
    print("\n\n".join(blocks))
'''


class FrontEnds:
    """A cluster of front-ends as a play sees it."""

    def __init__(self, folder, nodes, **state):
        self.folder, self.nodes = folder, nodes
        for name in NAMES:
            (folder / name).write_text(PROGRAM % {"python": sys.executable, "folder": folder}, encoding="utf-8")
            (folder / name).chmod(0o755)
        self.state = dict({"nodes": nodes, "standby": [], "active": nodes[0], "lost": [], "dead": [], "loses": {}, "running": True, "units": []}, **state)
        (folder / "told").write_text("", encoding="utf-8")

    def play(self, tasks, *words, on="all", **variables):
        """Run an entry point of role cluster; return (exit code, what is on the screen). on: a front-end that has it all to do, which takes less time."""
        hosts = {node: {"ansible_ssh_executable": str(self.folder / "ssh"), "ansible_connection": "ssh", "ansible_python_interpreter": sys.executable,
                        "ansible_remote_tmp": str(self.folder / "remote"), "ansible_ssh_control_path_dir": str(self.folder / "cp")} for node in self.nodes}
        play = {"hosts": on, "gather_facts": False, "any_errors_fatal": True, "vars": variables,
                "tasks": [{"ansible.builtin.import_role": {"name": "constellation.opennebula.cluster", "tasks_from": tasks}}]}
        (self.folder / "state.json").write_text(json.dumps(self.state), encoding="utf-8")
        (self.folder / "inventory.yml").write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
        (self.folder / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
        done = subprocess.run(["ansible-playbook", "-i", str(self.folder / "inventory.yml"), str(self.folder / "play.yml"), *words], cwd=ROOT, check=False,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env=dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), PYTHONDONTWRITEBYTECODE="1"))
        self.state = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
        return done.returncode, done.stdout + done.stderr

    def program(self, name, text):
        """Put a program of a test's own into place and return its path."""
        (self.folder / name).write_text(text, encoding="utf-8")
        (self.folder / name).chmod(0o755)
        return str(self.folder / name)

    def told(self):
        """Return what changed something, as "front-end program arguments"."""
        return (self.folder / "told").read_text(encoding="utf-8").splitlines()
