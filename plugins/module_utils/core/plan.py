# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What will change, as data: the one source of ``changed``, ``changes``, ``diff`` and check mode."""
from __future__ import annotations

from dataclasses import dataclass

SECRET = "(secret)"


@dataclass(frozen=True)
class Change:
    """One thing that becomes different.

    kind: what sort of thing ("source", "stanza", "resource"); target: which one;
    before / after: JSON-able values, None for "was not there" / "goes away";
    secret: the values are never shown, only that they change;
    readable: False when the effect cannot be read back (a password), so the second read cannot confirm it;
    step: private payload for whoever applies the change (an SQL step, an edit); never printed.
    """

    kind: str
    target: str
    before: object = None
    after: object = None
    secret: bool = False
    readable: bool = True
    step: object = None

    def as_dict(self):
        return {"kind": self.kind, "target": self.target, "before": self._shown(self.before), "after": self._shown(self.after)}

    def _shown(self, value):
        return SECRET if self.secret and value is not None else value


@dataclass(frozen=True)
class Plan:
    """Changes in the order in which they are made. An empty plan is false.

    before / after: optional whole texts for the diff (a file, a configuration); otherwise the diff is drawn from the changes.
    """

    changes: tuple = ()
    warnings: tuple = ()
    before: object = None
    after: object = None

    def __bool__(self):
        return bool(self.changes)

    def __iter__(self):
        return iter(self.changes)

    def readable(self):
        """Return the changes whose effect a second read can confirm."""
        return tuple(change for change in self.changes if change.readable)

    def as_list(self):
        return [change.as_dict() for change in self.changes]

    def diff(self, header=""):
        """Return Ansible's diff dictionary (unified diff is drawn by the callback)."""
        if self.before is not None or self.after is not None:
            before, after = self.before or "", self.after or ""
        else:
            before, after = (_lines(self.changes, side) for side in ("before", "after"))
        return {"before": before, "after": after, "before_header": header, "after_header": header}


def _lines(changes, side):
    shown = [(change.kind, change.target, change.as_dict()[side]) for change in changes]
    return "".join(f"{kind} {target}{_value(value)}\n" for kind, target, value in shown if value is not None)


def _value(value):
    if isinstance(value, dict):
        return "".join(f"\n    {key}: {value[key]}" for key in sorted(value))
    return f": {value}"
