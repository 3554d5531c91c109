# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand what every front-end reported to core/verification.py, on the controller."""
from __future__ import annotations

from ansible.plugins.action import ActionBase

from ..module_utils.core import report, verification


class ActionModule(ActionBase):
    """Judge registered results of all front-ends together."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        dummy, arguments = self.validate_argument_spec(argument_spec={
            "reports": {"type": "dict", "required": True}, "certificate_days": {"type": "int", "default": 30},
            "free_mb": {"type": "int", "default": 500}})
        limits = {name: arguments[name] for name in ("certificate_days", "free_mb") if name in arguments}
        hostvars, topology = task_vars["hostvars"], task_vars["opennebula_topology"]
        seen = {node: {part: hostvars[node].get(variable) for part, variable in arguments["reports"].items()} for node in topology["nodes"]}
        hosts = task_vars.get("ansible_play_hosts_all", topology["nodes"])
        checks = verification.verify(topology, seen, task_vars.get("ansible_inventory_sources") or (), hosts=hosts, **limits)
        result.update(changed=False, checks=[one.as_dict() for one in checks], bad=[one.as_dict() for one in report.bad(checks)],
                      lines=report.lines(checks, verification.left_out(topology, hosts)))
        return result
