# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drills call a duel, two at once, a wrong survivor; who they expect to lose; their times and their tables."""
import datetime
import json
import pathlib
import sys
import types
from dataclasses import asdict

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "molecule/lab"))

import drills  # noqa: E402  pylint: disable=wrong-import-position
import faults  # noqa: E402  pylint: disable=wrong-import-position
import nodes  # noqa: E402  pylint: disable=wrong-import-position
import watch  # noqa: E402  pylint: disable=wrong-import-position

# pacemaker 2.1.5, corosync 3.1.7: of the survivor of a crash, shortened
JOURNAL = """\
100.9 alpha2 corosync[1128]:   [KNET  ] link: host: 1 link: 0 is down
106.519 alpha2 corosync[1128]:   [TOTEM ] A new membership (2.d) was formed. Members left: 1
106.550 alpha2 pacemaker-controld[1145]:  notice: Requesting fencing (reboot) of node alpha1
106.561 alpha2 pacemaker-fenced[1141]:  notice: Delaying 'reboot' action targeting alpha1 using fence_alpha1 for 5s
112.778 alpha2 pacemaker-fenced[1141]:  notice: Operation 'reboot' [1284] targeting alpha1 using fence_alpha1 returned 0
112.780 alpha2 pacemaker-fenced[1141]:  notice: Operation 'reboot' targeting alpha1 by alpha2 for pacemaker-controld.1145@alpha2: OK (complete)
112.926 alpha2 pacemaker-controld[1145]:  notice: Initiating start operation database_writer_start_0 locally on alpha2
113.238 alpha2 pacemaker-controld[1145]:  notice: Result of start operation for database_writer on alpha2: ok
117.682 alpha2 pacemaker-controld[1145]:  notice: Initiating start operation opennebula_start_0 locally on alpha2
120.010 alpha2 pacemaker-controld[1145]:  notice: Result of start operation for opennebula on alpha2: ok
""".splitlines()


def crashed(**other):
    return drills.Round(**{"number": 1, "fault": "crash", "active": "alpha1", "expected": "alpha1", "survivors": ["alpha2"], "survivor": "alpha2",
                           "fenced": ["alpha1"], "load": 2.0, **other})


def test_events_are_seconds_after_the_fault_and_those_of_before_do_not_count():
    seen = drills.events(JOURNAL, "alpha1", 100.0)
    assert seen == {"lost": 6.52, "asked": 6.55, "delayed": 6.56, "delay": 5.0, "off": 12.78, "writer start": 12.93, "writer": 13.24,
                    "daemon start": 17.68, "started": 20.01}
    assert "asked" not in drills.events(JOURNAL, "alpha2", 100.0) and "lost" not in drills.events(JOURNAL, "alpha1", 107.0)


OK = ("alpha1", "alpha2", "OK (complete)")


@pytest.mark.parametrize("found, pressed, problems", [
    ({OK}, set(), []), ({OK}, {("alpha1", "alpha2")}, []),
    (set(), set(), ["alpha1 was fenced 0 times, not once"]),
    ({OK, ("alpha2", "alpha1", "OK (complete)")}, set(), ["alpha2 was fenced by alpha1 (OK (complete)), and only alpha1 should be"]),
    ({OK}, {("alpha2", "alpha1")}, ["alpha1 pressed the button of alpha2, and only alpha1 should be off"]),
    ({("alpha1", "alpha2", "Timed out")}, set(), ["alpha2 could not fence alpha1: Timed out", "alpha1 was fenced 0 times, not once"]),
    ({OK, ("alpha1", "alpha3", "OK (complete)")}, set(), ["alpha1 was fenced 2 times, not once"]),
])
def test_exactly_one_fencing_of_the_right_one_is_no_problem(found, pressed, problems):
    assert drills.fencing_problems(found, pressed, crashed()) == problems


def test_buttons_of_other_zones_and_of_before_do_not_count(tmp_path):
    rows = [(99, "alpha1", "power off hard"), (101, "alpha1", "power off hard"), (102, "alpha1", "done"), (103, "beta1", "power off hard")]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps({
        "time": datetime.datetime.fromtimestamp(when, datetime.timezone.utc).isoformat(), "node": node, "by": "alpha2", "command": command,
        "verb": "off"}) + "\n" for when, node, command in rows))
    zone = types.SimpleNamespace(lab=types.SimpleNamespace(bmc_state=tmp_path), nodes=["alpha1", "alpha2"])
    assert drills.pressed(zone, 100.0) == {("alpha1", "alpha2")}
    assert drills.pressed(zone, 101.5) == set()


def test_fencing_that_both_survivors_tell_is_one():
    lines = [JOURNAL[5], JOURNAL[5].replace("alpha2 pacemaker-fenced", "alpha3 pacemaker-fenced")]
    assert drills.fencings(lines) == {OK}


def look(at, **seen):
    return watch.Look(at, {key: tuple(seen.get(key, "a")) for key in watch.WHAT}, tuple(seen.get("answers", "a")))


@pytest.mark.parametrize("seen, what", [({"address": "ab"}, "has the zone's address"), ({"daemon": "ab"}, "runs oned"), ({"writer": "ab"}, "takes writes"),
                                        ({"answers": "ab"}, "answers for the address")])
def test_two_at_once_are_named_with_the_moment(seen, what):
    assert watch.twice([look(10.0), look(10.5, **seen), look(11.0, **seen)], 10.0) == [f"a and b each {what}, first after 0.5 s, in 2 of 3 looks"]


def test_one_here_and_another_thing_there_is_not_two_at_once():
    assert watch.twice([look(1.0, address="a", daemon="", writer="b"), look(2.0, address="b", answers="b")]) == []


@pytest.mark.parametrize("front_ends, third_vote, losers", [
    (2, False, {"standby"}), (2, True, {"standby", "active"}), (3, False, {"standby", "active"})])
def test_only_a_majority_takes_the_service_from_the_active_one(front_ends, third_vote, losers):
    among = drills.kinds(front_ends, third_vote)
    assert {fault.loser for fault in among} == losers
    assert [fault.name for fault in among if fault.loser == "active"] == ["port of the active dead"][:len(losers) - 1]
    assert {fault.name for fault in among} <= set(drills.DEALT)


def test_a_seed_deals_the_same_rounds_and_all_that_is_asked_for():
    among = drills.kinds(2, False)
    rounds = drills.deal(1, 20, 20, among)
    assert rounds == drills.deal(1, 20, 20, among) != drills.deal(2, 20, 20, among)
    assert {name: sum(fault.name == name for fault in rounds) for name in drills.DEALT} == drills.DEALT and rounds.count(drills.CRASH) == 20
    assert {fault.name for fault in drills.deal(1, 0, 6, among)} == set(drills.DEALT)


CRM_MON = """<pacemaker-result><nodes><node name="a" online="true" standby="false" pending="false" unclean="false"/>
<node name="b" online="{online}" standby="false" pending="{pending}" unclean="false"/></nodes>
<resources><resource id="vip" active="{active}" failed="false"/></resources></pacemaker-result>"""


@pytest.mark.parametrize("other, problems", [
    ({}, []), ({"online": "false"}, ["b is not a member"]), ({"pending": "true"}, ["b is not a member"]), ({"active": "false"}, ["vip does not run"])])
def test_whole_is_everybody_and_everything(other, problems):
    right = {"online": "true", "pending": "false", "active": "true"}
    assert drills.whole(CRM_MON.format(**{**right, **other}), ["a", "b"]) == problems
    assert drills.whole(CRM_MON.format(**right), ["a", "b", "c"]) == ["c is not a member"]


def test_tables_put_times_next_to_what_bounds_them_and_count_what_went_wrong():
    rounds = [crashed(times=drills.events(JOURNAL, "alpha1", 100.0), silence=20.5),
              crashed(times=drills.events(JOURNAL, "alpha1", 99.0), silence=21.5, failed=["a and b each runs oned, first after 9.0 s, in 1 of 9 looks"]),
              crashed(fault="apart", expected="alpha2", survivors=["alpha1"], survivor="", fenced=[], failed=["nobody survived, not alpha1"])]
    lines = drills.tables([{"bounds": {"token": 3000, "consensus": 3600, "delay": "5s"}, "cpus": 2, "rounds": [asdict(one) for one in rounds]}])
    cells = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:]] for line in lines if line.startswith("| ")}
    assert cells["fault → peer lost"][:5] == ["7.0", "7.5", "-", "-", "token 3.0 + consensus 3.6 s"]
    assert cells["→ off (fence run)"][:2] == ["1.2", "1.2"]              # without the delay
    assert cells["→ daemon start asked for"][:2] == ["4.4", "4.4"]
    assert cells["crash"][:8] == ["2", "2", "2", "1", "0", "1", "21.0", "21.5"] and cells["apart"][:6] == ["1", "0", "0", "0", "0", "1"]
    assert lines[-1].startswith("3 rounds, 0 looks, 2 rounds failed; load average 2 to 2")


class Table:
    """nft as far as the faults use it: the sets of one table."""

    def __init__(self):
        self.sets = {"cut": set(), "apart": set()}

    def __call__(self, *argv, stdin="", **dummy):
        words = stdin.splitlines()[-2] if stdin else " ".join(argv)
        text = ""
        if "element" in words:
            before, elements = words.split("{", maxsplit=1)
            name, elements = before.split()[-1], {one.strip() for one in elements.split("}", maxsplit=1)[0].split(",")}
            if argv[1] == "delete":
                assert elements <= self.sets[name], "nft refuses to delete what is not there"
                self.sets[name] -= elements
            else:
                self.sets[name] |= elements
        elif "list" in words:
            text = ", ".join(sorted(self.sets[argv[-1]]))
        return type("Done", (), {"stdout": text, "returncode": 0})


def test_cut_takes_one_direction_or_both_and_heal_whatever_is_there(monkeypatch):
    table, lab = Table(), nodes.Lab({"LAB_ZONES": "alpha:2"})
    monkeypatch.setattr(faults, "run", table)
    one, other = (lab.node(name).mac for name in ("alpha1", "alpha2"))
    faults.cut(lab, "alpha1", "alpha2", one_way=True)
    assert table.sets["apart"] == {f"{one} . {other}"} and faults.cuts(lab) == {tuple(sorted((one, other)))}
    faults.heal(lab, "alpha2", "alpha1")
    faults.heal(lab, "alpha2", "alpha1")
    assert faults.cuts(lab) == set()
    faults.cut(lab, "alpha1", "alpha2")
    faults.cut(lab, "alpha1")
    assert table.sets == {"apart": {f"{one} . {other}", f"{other} . {one}"}, "cut": {one}}
    with pytest.raises(faults.LabError, match="Name the other node"):
        faults.cut(lab, "alpha1", one_way=True)
