# SPDX-License-Identifier: GPL-3.0-or-later
"""read → plan → apply → read again, with a world that behaves and one that is stubborn."""
import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core.converge import converge
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, Problems
from ansible_collections.constellation.opennebula.plugins.module_utils.core.plan import Change, Plan


class World:
    def __init__(self, value, stubborn=False):
        self.value, self.stubborn, self.writes = value, stubborn, 0

    def ensure(self, wanted, check_mode, secret=False, readable=True):
        def plan(state):
            return Plan((Change("value", "x", state, wanted, secret=secret, readable=readable),) if state != wanted else ())

        def apply(todo):
            self.writes += 1
            if not self.stubborn:
                self.value = wanted

        return converge(lambda: self.value, plan, apply, check_mode)


def test_check_mode_predicts_what_the_run_does_and_writes_nothing():
    world = World(1)
    predicted = world.ensure(2, True)
    assert predicted.changed and world.writes == 0
    done = world.ensure(2, False)
    assert done.as_result() == predicted.as_result() and world.value == 2


def test_second_run_is_silent():
    world = World(2)
    outcome = world.ensure(2, False)
    assert not outcome.changed and world.writes == 0
    assert outcome.as_result()["diff"] == {"before": "", "after": "", "before_header": "", "after_header": ""}


def test_stubborn_world_is_an_error_now():
    with pytest.raises(NotConverged) as error:
        World(1, stubborn=True).ensure(2, False)
    assert "value x did not converge" in str(error.value) and "it is 1, wanted 2" in str(error.value)


def test_unreadable_change_needs_no_second_look():
    assert World(1, stubborn=True).ensure(2, False, readable=False).changed


def test_secret_is_shown_as_changed_and_nothing_else():
    result = World("CANARY-old").ensure("CANARY-new", True, secret=True).as_result()
    assert result["changes"] == [{"kind": "value", "target": "x", "before": "(secret)", "after": "(secret)"}]
    assert "CANARY" not in str(result)


def test_error_says_what_where_why_and_what_to_do():
    error = CoreError("cannot read driver stanza", "/etc/one/oned.conf:512", "'[' is never closed", "Close it.")
    assert str(error) == "cannot read driver stanza at /etc/one/oned.conf:512: '[' is never closed. Close it."
    assert error.as_dict() == {"what": "cannot read driver stanza", "where": "/etc/one/oned.conf:512", "why": "'[' is never closed", "hint": "Close it."}


def test_problems_are_listed_one_a_line():
    assert str(Problems("not usable", ["a", "b"], "Mend it.")) == "not usable: 2 problems\n  - a\n  - b\nMend it."
