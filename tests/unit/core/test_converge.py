# SPDX-License-Identifier: GPL-3.0-or-later
"""read → plan → apply → read again, with a world that behaves and one that is stubborn."""
import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core.converge import converge
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, Problems, afterwards, each
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


def failing(*names):
    def step(name):
        done.append(name)
        if name in names:
            raise NotConverged(f"cannot {name}", "here", f"{name} is broken.", f"Mend {name}.")

    done = []
    return step, done


def test_error_of_the_block_stays_the_cause_and_what_failed_after_it_is_added():
    step, done = failing("copy", "start", "drop")
    with pytest.raises(NotConverged) as raised, afterwards(lambda: each(lambda name=name: step(name) for name in ("start", "mark", "drop"))):
        step("copy")
    assert done == ["copy", "start", "mark", "drop"], "each is tried"
    error = raised.value
    assert error.what == "cannot copy" and error.hint == "Mend copy." and [one["what"] for one in error.as_dict()["also"]] == ["cannot start"]
    assert str(error).startswith("cannot copy at here: copy is broken; afterwards, too: cannot start at here: start is broken; afterwards, too: cannot drop at")
    assert error.as_dict()["also"][0]["also"][0]["what"] == "cannot drop"


@pytest.mark.parametrize("broken, told", [((), None), (("start",), "cannot start"), (("copy",), "cannot copy")])
def test_one_error_alone_is_told_as_it_is(broken, told):
    step, done = failing(*broken)
    try:
        with afterwards(lambda: step("start")):
            step("copy")
        error = None
    except CoreError as raised:
        error = raised
    assert done == ["copy", "start"] and (error.what if error else None) == told and not (error and "also" in error.as_dict())


def test_bug_is_not_hidden_by_what_fails_after_it():
    step, done = failing("start")
    with pytest.raises(AssertionError, match="our own"), afterwards(lambda: step("start")):
        raise AssertionError("our own")
    assert done == ["start"]
