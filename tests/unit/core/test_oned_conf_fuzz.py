# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A slice of tests/fuzz/oned_conf.py, and the second reader that it compares with, held against the daemons themselves."""
from __future__ import annotations

import importlib.util
import json
import pathlib
import re

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core import oned_conf_edit

TESTS = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = TESTS.parent.parent / "shared" / "fixtures"
BASE = 'DB = [ BACKEND = "sqlite" ]\nLOG = [ SYSTEM = "file", DEBUG_LEVEL = 3 ]\nLISTEN_ADDRESS = "127.0.0.1"\n'


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz_oned_conf", TESTS / "fuzz" / "oned_conf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("number, count, edits", [(0, 4000, 0), (1, 500, 1)], ids=["reading", "editing"])
def test_a_slice_of_the_fuzzing_run_finds_nothing(fuzz, number, count, edits):
    inputs, accepted, edited, failures = fuzz.run_chunk((20261121, number, count, 1, edits))
    assert failures == [] and inputs == count and accepted > count / 8 and (edited > accepted / 2 or not edits)


def test_the_fuzzing_run_sees_what_breaks(fuzz, monkeypatch):
    monkeypatch.setattr(fuzz.oned_conf_edit, "_others", lambda *unused: [])
    with pytest.raises(AssertionError, match="something else changed"):
        fuzz.check_edit(fuzz.check_reading("# S2=0", "5.0"), [{"name": "PORT", "value": 1}], [])
    monkeypatch.setattr(fuzz.reference, "load", lambda *unused: [])
    with pytest.raises(AssertionError, match="the naive reader"):
        fuzz.check_reading("A = 1\n", "5.0")


@pytest.mark.skipif(not FIXTURES.exists(), reason="recordings of the real daemons are not here")
def test_the_second_reader_agrees_with_the_daemons(fuzz):
    cases = json.loads((FIXTURES / "oned_conf_cases.json").read_text())["cases"]
    assert cases
    for case in cases:
        text = re.sub(r"\\x([89a-f][0-9a-f])", lambda match: chr(0xdc00 + int(match.group(1), 16)), case["input"])
        loaded = fuzz.reference.load(text if case["whole_file"] else BASE + text, case["version"] != "5.0.2")
        assert (loaded is not None) == case["accepted_by_parser"], case
    print(f"{len(cases)} recorded cases agree")


@pytest.mark.parametrize("text", ["# S2=0", "A = 1\n#\0B = 2", 'A = 1\n# "v" = 0'])
def test_an_addition_that_makes_the_last_line_a_comment_is_refused(fuzz, text):
    """Found by fuzzing: without its newline the last line was read; the addition gave it one."""
    document = fuzz.check_reading(text, "5.0")
    with pytest.raises(fuzz.CoreError, match=r"OpenNebula would load \w+ otherwise from the changed file"):
        oned_conf_edit.edit(document, oned_conf_edit.wanted([{"name": "PORT", "value": 1}]))


def test_a_live_word_behind_a_last_sign_is_no_comment_of_what_goes(fuzz):
    """Found by fuzzing (seed 20261121): the stanza took the rest of its line with it, which the daemon reads."""
    document = fuzz.check_reading('S = [ K1 = 1, # "a\n K1 = 2 ] #A = 1', "5.0")
    gone = [{"section": "S", "state": "absent"}]
    assert oned_conf_edit.edit(document, oned_conf_edit.wanted([], gone)) == "#A = 1"
    assert fuzz.check_edit(document, [{"name": "A", "state": "absent"}], gone)
    fuzz.check_edit(document, [{"name": "A", "state": "commented"}], gone)
