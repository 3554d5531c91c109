# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write one JSON object a result to the file named by TALLY: what a scenario or a benchmark counts, whatever is shown on the screen."""
from __future__ import annotations

import json
import os
import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: tally
type: notification
short_description: Write each task result as a line of JSON
description: For the scenarios and benchmarks of this collection; not a part of it.
requirements:
  - environment variable TALLY names the file
"""


class CallbackModule(CallbackBase):
    """Append events; never fail a play."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "tally"
    CALLBACK_NEEDS_ENABLED = True

    def _write(self, **event):
        with open(os.environ["TALLY"], "a", encoding="utf-8") as out:
            out.write(json.dumps(dict(event, at=time.time())) + "\n")

    def _ended(self, status, result, **more):
        # a loop's items each end too; the task's own result carries the sum, so only that is written
        self._write(event="result", status=status, host=result._host.get_name(), task=result._task.get_name(), uuid=str(result._task._uuid),
                    changed=bool(result._result.get("changed")), changes=result._result.get("changes") or [],
                    said=result._result.get("msg") or "", vms=result._result.get("vms") or (result._result.get("error") or {}).get("vms") or [], **more)

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._write(event="task", task=task.get_name(), uuid=str(task._uuid))

    def v2_playbook_on_handler_task_start(self, task):
        self._write(event="task", task=task.get_name(), uuid=str(task._uuid), handler=True)

    def v2_runner_on_ok(self, result):
        self._ended("ok", result)

    def v2_runner_on_skipped(self, result):
        self._ended("skipped", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._ended("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result):
        self._ended("unreachable", result)
