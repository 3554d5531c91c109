# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests/faults/lab.py takes from the lab's outputs: who is a member, who was fenced, how long nobody was served, what is red."""
import json
import pathlib
import random
import sys

import pytest

pytest.importorskip("pymysql")
pytest.importorskip("jinja2")
FAULTS = str(pathlib.Path(__file__).resolve().parents[2] / "faults")


@pytest.fixture(scope="module")
def laboratory():
    """Import it without leaving its folder's faults.py and workload.py in the way of the lab's own."""
    names = {path.stem for path in pathlib.Path(FAULTS).glob("*.py")}
    before = {name: sys.modules.pop(name, None) for name in names}
    sys.path.insert(0, FAULTS)
    try:
        import lab_faults
        import laboratory as module
        module.lab_faults = lab_faults
        yield module
    finally:
        sys.path.remove(FAULTS)
        for name, old in before.items():
            sys.modules.pop(name, None)
            if old is not None:
                sys.modules[name] = old


def crm_mon(**nodes):
    right = {"online": "true", "standby": "false", "pending": "false", "unclean": "false"}
    rows = "".join(f"<node name='{name}' " + " ".join(f"{key}='{value}'" for key, value in dict(right, **other).items()) + "/>"
                   for name, other in nodes.items())
    return f"<pacemaker-result><nodes>{rows}</nodes><resources><resource><node name='x'/></resource></resources></pacemaker-result>"


@pytest.mark.parametrize("key, value", [("online", "false"), ("standby", "true"), ("pending", "true"), ("unclean", "true")])
def test_a_member_takes_part_without_any_reservation(laboratory, key, value):
    assert laboratory.members(crm_mon(a={}, b={key: value})) == {"a"}


def test_red_lines_come_without_their_remedies(laboratory):
    report = "3 of 5 checks are green, 2 are not:\n  RED     alpha: quorum: it has none → start it\n  UNKNOWN beta1: asked: off\n  green   alpha: zone 3"
    output = "fatal: [beta1]: UNREACHABLE! => {\"msg\": \"ssh\"}\nfatal: [alpha1]: FAILED! => " + json.dumps({"changed": False, "msg": report}) + "\n"
    assert laboratory.red(output) == ["RED alpha: quorum: it has none", "UNKNOWN beta1: asked: off"]


@pytest.mark.parametrize("output, expected", [
    ('    "msg": [\n        "106 of 106 checks are green",\n', []),
    ('    "msg": [\n        "106 of 107 checks are green",\n', None),
    ('fatal: [alpha1]: FAILED! => {"msg": "no such variable"}\n', None),
    ("", None),
])
def test_only_a_report_in_which_all_is_green_is_green(laboratory, output, expected):
    assert laboratory.red(output) == expected


def test_silence_counts_from_the_fault_to_the_end_and_acknowledgements_only(laboratory):
    outcomes = (("ack", 5.0), ("ack", 11.0), ("no", 14.0), ("?", 15.0), ("ack", 19.0), ("ack", 40.0))
    ledger = [json.dumps({"outcome": outcome, "at": at}) for outcome, at in outcomes]
    assert laboratory.silence(ledger, 10.0, 20.0) == 8.0
    assert laboratory.silence(ledger, 10.0, 35.0) == 16.0
    assert laboratory.silence([], 10.0, 12.0) == 2.0


def test_fenced_is_what_pacemaker_confirmed(laboratory):
    text = "%s alpha1 pacemaker-fenced[247]:  notice: Operation 'reboot' targeting %s by alpha1 for pacemaker-controld.251@alpha1: %s"
    journal = [text % ("12.25", "alpha2", "OK (complete)"), text % ("13.5", "beta1", "Timer expired"), "14.0 alpha1 kernel: x"]
    assert laboratory.fenced(journal) == {"alpha2": ("alpha1", 12.25)}


def test_a_cut_names_pairs_of_nodes_and_a_federation_link_all_of_the_master_zone(laboratory):
    wires = laboratory.Wires(laboratory.addresses.plan("lab", "10.90", "10.91"))
    assert wires.pairs("alpha1->alpha2") == wires.pairs("alpha2->alpha1") == {("alpha1", "alpha2")}
    assert wires.pairs("beta1->federation") == {("alpha1", "beta1"), ("alpha2", "beta1")}
    assert {"beta1->federation", "beta2->alpha1"} <= wires.names and "alpha1->federation" not in wires.names


def test_every_fault_comes_before_any_comes_again(laboratory):
    deck = laboratory.lab_faults.DECK
    first, again = (laboratory.lab_faults.sequence(random.Random("lab 1"), 20) for dummy in range(2))
    assert first == again and set(first[:len(deck)]) == set(deck)
    assert first != laboratory.lab_faults.sequence(random.Random("lab 2"), 20)
