# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is declared and whatever else is in the CIB: the result is what was wanted, a second plan is empty, and what was not ours stays as it is."""
from __future__ import annotations

import os
import pathlib
import re
import sys

import pytest

hypothesis = pytest.importorskip("hypothesis")
from ansible_collections.constellation.opennebula.plugins.module_utils.core import cib  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cib_examples import bare, descriptions, foreign, holds, named, step  # noqa: E402

EXAMPLES = int(os.environ.get("EXAMPLES", "16"))


@hypothesis.settings(max_examples=EXAMPLES, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(descriptions(), descriptions(), foreign())
def test_what_is_rendered_is_what_was_wanted_and_nothing_else_moves(first, second, strangers):
    root, previous = bare(strangers), frozenset()
    for description in (first, second, first):
        wanted, todo, absent = step(root, description, previous)
        after = cib.parse(cib.render(root, todo))
        holds(root, after, wanted, todo, absent, strangers)
        root, previous = after, frozenset(named(description))


@hypothesis.settings(max_examples=EXAMPLES // 2, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(descriptions(), foreign())
def test_exclusive_takes_everything_else_that_can_be_described_and_harms_no_other(description, strangers):
    root = bare(strangers)
    wanted = cib.declared(description)
    texts = "".join(part for parts in strangers.values() for part in parts)
    cannot = set(re.findall(r"<(?:bundle|master|template|tag|acl_\w+) id=\"([^\"]+)\"", texts))
    todo = cib.plan(root, wanted, exclusive=True)
    after = cib.parse(cib.render(root, todo))
    assert {name for (label, name) in cib.objects(after) if label in cib._BY_LABEL} == {name for label, name in wanted if label in cib._BY_LABEL}
    assert cib.plan(after, wanted, exclusive=True).as_list() == []
    assert cannot <= {element.get("id") for element in after.iter()}
    assert {change.target for change in todo if change.after is None and change.before is not None} >= {
        name for label, name in cib.objects(root) if label in cib._BY_LABEL}
