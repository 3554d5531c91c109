# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One data model of what was checked → lines for people and data for programs."""
from __future__ import annotations

from dataclasses import asdict, dataclass

GREEN, RED, UNKNOWN = "green", "red", "unknown"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    area: the part ("replication", "cluster", …); target: where (a zone or a front-end); what: the statement that should
    hold; status: green (seen to hold), red (seen not to hold) or unknown (could not be seen, which is not good enough);
    why: the fact seen; hint: what to do about it.
    """

    area: str
    target: str
    what: str
    status: str = GREEN
    why: str = ""
    hint: str = ""

    def as_dict(self):
        return asdict(self)


def check(area, target, what, holds, why="", hint=""):
    """Return a Check; ``holds`` is True, False or None for "could not be seen"."""
    status = UNKNOWN if holds is None else GREEN if holds else RED
    return Check(area, target, what, status, "" if status == GREEN else why, "" if status == GREEN else hint)


def bad(checks):
    """Return the checks that are not green."""
    return [one for one in checks if one.status != GREEN]


def lines(checks, left_out=()):
    """Return what a tired person reads: first the summary, then every line that is not green, then how many are green where, then who was left out."""
    wrong = bad(checks)
    text = [f"{len(checks) - len(wrong)} of {len(checks)} checks are green" + (f", {len(wrong)} are not:" if wrong else "")]
    for one in wrong:
        text.append(f"  {one.status.upper():7} {one.target}: {one.what}: {one.why}" + (f" → {one.hint}" if one.hint else ""))
    green = {}
    for one in checks:
        if one.status == GREEN:
            areas = green.setdefault(one.target, {})
            areas[one.area] = areas.get(one.area, 0) + 1
    text += [f"  green   {target}: {', '.join(f'{area} {count}' for area, count in areas.items())}" for target, areas in green.items()]
    return text + [f"  -       {target}: not looked at, it is not part of this run (--limit)" for target in left_out]
