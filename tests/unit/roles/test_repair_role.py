# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role repair hands from task to task."""
from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import jinja2.nativetypes
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
ASIDE = ROOT / "roles/repair/tasks/aside.yml"


def test_replica_that_still_pulls_from_here_is_not_told_as_moved():
    """After the last try its result has failed=True, failed_when: false or not (ansible-core 2.19); the new binary log would stop it for good."""
    block = yaml.safe_load(ASIDE.read_text(encoding="utf-8"))[1]["block"]
    tasks = {task["name"]: task for task in block}
    wait, keep = tasks["Wait until the slave zones' front-ends pull from elsewhere"], tasks["Keep who has moved"]
    assert wait["retries"] and wait["until"] and wait["ignore_errors"], "before 2.19 the play would end here without saying why"
    results = [{"present": True, "failed": False, "item": {"server_id": 10001}}, {"present": True, "failed": True, "item": {"server_id": 10002}},
               {"present": False, "failed": False, "item": {"server_id": 10003}}, {"unreachable": True, "item": {"server_id": 10004}}]
    template = jinja2.nativetypes.NativeEnvironment(undefined=jinja2.StrictUndefined).from_string(keep["ansible.builtin.set_fact"]["__repair_moved"])
    assert list(template.render(__repair_pulling={"results": results})) == [10001]


# A module that does nothing but note that it was asked, and answer as the case says: its last answer again and again.
MODULE = """#!/usr/bin/python3
# WANT_JSON
import json, pathlib, sys
place, name = pathlib.Path("{place}"), "{name}"
asked = json.loads(pathlib.Path(sys.argv[1]).read_text())
with open(place / "log", "a") as log:
    print(name, asked.get("state") or asked.get("verb") or asked.get("node") or "", file=log)
answers = json.loads((place / "answers").read_text()).get(name) or [dict()]
count = sum(line.split()[0] == name for line in (place / "log").read_text().splitlines())
print(json.dumps(answers[min(count, len(answers)) - 1]))
"""
PLAY = """
- hosts: alpha2
  gather_facts: false
  vars:
    repair_verb: reseed_node
    repair_source: zone0-master
    opennebula_replication_password: secret
    repair_wait_timeout_s: 1
    opennebula_zone: {federation_vip: 10.0.0.9}
    opennebula_node: {address: 10.0.0.2, server_id: 2, federation_sources: []}
    opennebula_topology:
      tls: {ca: ''}
      nodes:
        alpha1: {name: alpha1, federation_slave: false, pair_sources: [{name: zone0-slave, host: 10.0.0.2}], federation_sources: []}
        alpha2: {name: alpha2, federation_slave: false, pair_sources: [{name: zone0-master, host: 10.0.0.1}], federation_sources: []}
  tasks:
    - ansible.builtin.include_role: {name: constellation.opennebula.repair, tasks_from: apply}
"""
NO_VERB = {"name": "1236", "source": "zone0-slave", "why": "two histories", "verb": ""}
DEMOTE = dict(NO_VERB, verb="demote")


@pytest.fixture
def play(tmp_path):
    """Run a repair of alpha2, where the federation address is, with modules that answer as told; return code, output and what was asked."""
    collection = tmp_path / "ansible_collections/constellation/opennebula"
    (collection / "plugins/modules").mkdir(parents=True)
    shutil.copytree(ROOT / "roles/repair", collection / "roles/repair")
    follow = collection / "roles/repair/tasks/follow.yml"
    text = follow.read_text(encoding="utf-8")
    assert "retries: 10\n" in text
    follow.write_text(text.replace("retries: 10\n", "retries: 1\n"), encoding="utf-8")
    (tmp_path / "ansible.cfg").write_text("")
    for name in ("cluster_info", "cluster_node", "replication_info", "database_repair", "database_repair_info"):
        (collection / f"plugins/modules/{name}.py").write_text(MODULE.format(place=tmp_path, name=name))
    (tmp_path / "play.yml").write_text(PLAY)
    (tmp_path / "hosts").write_text(f"[all:vars]\nansible_connection=local\nansible_python_interpreter={sys.executable}\n[all]\nalpha1\nalpha2\n")

    def run(**answers):
        (tmp_path / "log").write_text("")
        (tmp_path / "answers").write_text(json.dumps(dict({"cluster_info": [{"holders": {"federation_vip": ["alpha2"], "zone_vip": ["alpha1"]}}]}, **answers)))
        done = subprocess.run(["ansible-playbook", "-i", tmp_path / "hosts", tmp_path / "play.yml"], capture_output=True, text=True, timeout=120, check=False,
                              env=dict(os.environ, ANSIBLE_COLLECTIONS_PATH=str(tmp_path), ANSIBLE_CONFIG=str(tmp_path / "ansible.cfg"),
                                       ANSIBLE_NOCOLOR="1", HOME=str(tmp_path)))
        asked = (tmp_path / "log").read_text().splitlines()
        return done.returncode, done.stdout + done.stderr, [line for line in asked if not line.startswith(("cluster_info", "database_repair_info"))]

    return run


OUT, BACK = "cluster_node standby", "cluster_node online"
NEW_LOG = {"changed": True, "new_binary_log": True, "backup_file": "/b/x.sql"}


def test_repaired_front_end_takes_part_again_although_somebody_does_not_follow(play):
    left = {"findings": [NO_VERB], "lines": ["alpha1: two histories", "nothing to do here"]}
    code, said, asked = play(database_repair=[NEW_LOG], database_repair_info=[left])
    assert code == 0 and asked == [OUT, "database_repair reseed_node", BACK], said
    assert "alpha1: two histories" in said and "is not repaired" not in said


def test_repaired_front_end_takes_part_again_although_somebody_cannot_be_helped(play):
    code, said, asked = play(database_repair=[NEW_LOG, {"failed": True, "msg": "refusing to demote"}],
                             database_repair_info=[{"findings": [DEMOTE], "lines": []}])
    # What is left is told with its command at the end, which a run that failed here would not reach.
    assert code == 0 and asked == [OUT, "database_repair reseed_node", "database_repair demote", BACK], said
    assert "alpha2 is repaired; alpha1 does not follow it yet: refusing to demote" in said and "is not repaired" not in said


def test_front_end_that_was_not_repaired_stays_out_and_it_is_said_with_the_command(play):
    code, said, asked = play(database_repair=[{"failed": True, "msg": "refusing to reseed_node"}])
    assert code != 0 and asked == [OUT, "database_repair reseed_node"], said
    assert said.rindex("alpha2 is not repaired") > said.index("refusing to reseed_node") and said.count("pcs node unstandby alpha2") == 2


def test_cluster_that_did_not_move_in_time_leaves_its_node_out_and_it_is_said(play):
    code, said, asked = play(cluster_node=[{"failed": True, "msg": "the cluster is not idle"}])
    assert code != 0 and asked == [OUT] and said.count("pcs node unstandby alpha2") == 1, said
