# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""read → plan → apply → read again: the one way in which every module changes something."""
from __future__ import annotations

from dataclasses import dataclass, field

from .errors import NotConverged
from .plan import Plan


@dataclass(frozen=True)
class Outcome:
    """What a module tells: the plan (from which changed, changes and diff follow) and extra results."""

    plan: Plan = Plan()
    results: dict = field(default_factory=dict)
    header: str = ""

    @property
    def changed(self):
        return bool(self.plan)

    def as_result(self, diff=True):
        result = dict(self.results, changed=self.changed, changes=self.plan.as_list())
        if diff:
            result["diff"] = self.plan.diff(self.header)
        return result


def converge(read, plan, apply, check_mode, results=None, header=""):
    """Bring the state that ``read`` returns to where ``plan`` finds nothing left to do.

    read() → state; plan(state) → Plan; apply(Plan) does it. Raises NotConverged when the second read still differs:
    we say so now, not in the next run.
    """
    todo = plan(read())
    if todo and not check_mode:
        apply(todo)
        left = [change for change in plan(read()) if change.readable]
        if left:
            first = left[0].as_dict()
            raise NotConverged(
                f"{first['kind']} {first['target']} did not converge",
                why=f"after the change it is {first['before']!r}, wanted {first['after']!r}",
                hint="Something else changes it back or the server ignored it; look at its log, then run again.",
                left=[change.as_dict() for change in left])
    return Outcome(todo, results or {}, header)
