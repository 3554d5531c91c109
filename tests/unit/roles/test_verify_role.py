# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When verify looks again."""
import pathlib

import pytest
import yaml

jinja2 = pytest.importorskip("jinja2.nativetypes") and pytest.importorskip("jinja2")
ROUND = pathlib.Path(__file__).resolve().parents[3] / "roles/verify/tasks/round.yml"


VARS = ROUND.parents[1] / "vars/main.yml"


@pytest.mark.parametrize("node, mode, masters, domains", [
    ("beta1", "slave", ["10.0.1.1", "10.0.1.2"], [0]), ("alpha1", "master", ["10.0.1.2"], [0]), ("solo2", "standalone", ["10.0.3.1"], [7])])
def test_front_end_is_compared_with_the_master_zone_and_where_there_is_none_with_its_own_zone(node, mode, masters, domains):
    zones = {name: {"name": name, "mode": kind, "addresses": {f"{name}{number}": f"10.0.{third}.{number}" for number in (1, 2)}, "gtid_domains": [domain]}
             for name, kind, third, domain in (("alpha", "master", 1, 0), ("beta", "slave", 2, 100), ("solo", "standalone", 3, 7))}
    environment = jinja2.nativetypes.NativeEnvironment(undefined=jinja2.StrictUndefined)
    environment.filters.update(ternary=lambda value, yes, no: yes if value else no, difference=lambda one, other: [x for x in one if x not in other])
    texts = yaml.safe_load(VARS.read_text(encoding="utf-8"))
    known = {"opennebula_zone": zones[node[:-1]], "opennebula_node": {"address": zones[node[:-1]]["addresses"][node]},
             "opennebula_topology": {"zones": zones, "master_zone": None if mode == "standalone" else "alpha"}}
    known["__verify_reference"] = environment.from_string(texts["__verify_reference"]).render(known)
    assert environment.from_string(texts["__verify_masters"]).render(known) == masters and known["__verify_reference"]["gtid_domains"] == domains
    (look,) = [task for task in yaml.safe_load((ROUND.parent / "look.yml").read_text(encoding="utf-8")) if task.get("register") == "__verify_tables"]
    assert "when" not in look and look["constellation.opennebula.federated_tables_info"]["domains"] == "{{ __verify_reference.gtid_domains }}"


@pytest.mark.parametrize("rounds", [3, "3"])      # -e verify_rounds=3 is a text
@pytest.mark.parametrize("bad, number, again", [([], 1, False), (["x"], 2, True), (["x"], 3, False)])
def test_it_looks_again_while_something_is_bad_and_rounds_are_left(rounds, bad, number, again):
    condition = next(task["when"] for task in yaml.safe_load(ROUND.read_text(encoding="utf-8")) if "block" in task)
    judge = jinja2.Environment().compile_expression(condition)
    assert judge(__verify_result={"bad": bad}, __verify_round=number, verify_rounds=rounds) is again
