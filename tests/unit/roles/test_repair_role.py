# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role repair hands from task to task."""
from __future__ import annotations

import pathlib

import jinja2.nativetypes
import yaml

ASIDE = pathlib.Path(__file__).resolve().parents[3] / "roles/repair/tasks/aside.yml"


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
