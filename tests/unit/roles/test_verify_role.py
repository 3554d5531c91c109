# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When verify looks again."""
import pathlib

import pytest
import yaml

jinja2 = pytest.importorskip("jinja2")
ROUND = pathlib.Path(__file__).resolve().parents[3] / "roles/verify/tasks/round.yml"


@pytest.mark.parametrize("rounds", [3, "3"])      # -e verify_rounds=3 is a text
@pytest.mark.parametrize("bad, number, again", [([], 1, False), (["x"], 2, True), (["x"], 3, False)])
def test_it_looks_again_while_something_is_bad_and_rounds_are_left(rounds, bad, number, again):
    condition = next(task["when"] for task in yaml.safe_load(ROUND.read_text(encoding="utf-8")) if "block" in task)
    judge = jinja2.Environment().compile_expression(condition)
    assert judge(__verify_result={"bad": bad}, __verify_round=number, verify_rounds=rounds) is again
