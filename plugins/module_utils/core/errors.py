# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that a tired operator can act on: what failed, where, why, and what to do next."""
from __future__ import annotations

import contextlib


class CoreError(Exception):
    """Everything that a user, a host or a server can cause; our own bugs are ``AssertionError``.

    >>> str(CoreError("cannot read driver stanza", "/etc/one/oned.conf:512", "'[' is never closed", "Close it."))
    "cannot read driver stanza at /etc/one/oned.conf:512: '[' is never closed. Close it."
    """

    def __init__(self, what, where="", why="", hint="", **data):
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.hint = hint
        self.data = data

    def __str__(self):
        head = self.what + (f" at {self.where}" if self.where else "")
        why = f": {self.why.rstrip('.')}." if self.why else "."
        return head.rstrip(".") + why + (f" {self.hint}" if self.hint else "")

    def also(self, other):
        """Add what failed after this, while putting back what was stopped: this one stays what is told first."""
        self.why = f"{self.why.rstrip('.')}{'; ' if self.why else ''}afterwards, too: {str(other).rstrip('.')}"
        self.data["also"] = [*self.data.get("also", ()), other.as_dict()]

    def as_dict(self):
        """Return the same four as data, for ``error`` in a module's result."""
        return dict(self.data, what=self.what, where=self.where, why=self.why, hint=self.hint)


def each(steps):
    """Run all the steps, whatever fails; raise the first error, with the others added."""
    first = None
    for step in steps:
        try:
            step()
        except CoreError as error:
            if first:
                first.also(error)
            first = first or error
    if first:
        raise first


@contextlib.contextmanager
def afterwards(step):
    """Run the step at the end of the block, whatever happens. Where both fail the block's error is raised, with the step's added: that one is the cause."""
    try:
        yield
    except BaseException as error:
        try:
            step()
        except CoreError as second:
            if isinstance(error, CoreError):
                error.also(second)
        raise
    step()


class NotThere(CoreError):
    """The program that should answer is not installed, not configured or not running yet.

    In check mode on a bare host this is the empty state, not a failure: whoever reads decides.
    """


class NotConverged(CoreError):
    """The change was made, and what is read afterwards still differs from what was wanted."""


class Problems(CoreError):
    """Many mistakes of one input, reported together so that the operator mends them once."""

    def __init__(self, what, problems, hint=""):
        super().__init__(what, hint=hint, problems=list(problems))
        self.problems = list(problems)

    def __str__(self):
        lines = [f"{self.what}: {len(self.problems)} problem{'s' if len(self.problems) != 1 else ''}"]
        lines += [f"  - {problem}" for problem in self.problems]
        return "\n".join(lines + ([self.hint] if self.hint else []))
