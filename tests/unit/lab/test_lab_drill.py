# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drill calls lost, stuck, doubled and broken; and its table."""
import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "molecule/lab"))

import client  # noqa: E402  pylint: disable=wrong-import-position
import drill  # noqa: E402  pylint: disable=wrong-import-position
import workload  # noqa: E402  pylint: disable=wrong-import-position
import zone  # noqa: E402  pylint: disable=wrong-import-position

KIND = {kind.name: kind for kind in workload.KINDS}


def test_stuck_names_every_machine_that_does_not_rest_where_it_may():
    machines = {1: KIND["PROLOG"], 2: KIND["SAVE_SUSPEND"], 3: KIND["EPILOG"], 4: KIND["BOOT"]}
    assert drill.stuck(machines, {1: "RUNNING", 2: "SUSPENDED", 3: "DONE", 4: "RUNNING"}) == []
    problems = drill.stuck(machines, {1: "PROLOG", 2: "POWEROFF", 3: "DONE"})
    assert [problem.split(" is ")[1] for problem in problems] == ["PROLOG, not RUNNING", "POWEROFF, not RUNNING or SUSPENDED", "gone, not RUNNING"]


@pytest.mark.parametrize("rows, wrong", [
    ([("1", "a", "running", "0"), ("1", "b", "off", "0")], 0),
    ([("1", "a", "running", "0"), ("1", "b", "running", "0")], 1),
    ([("1", "a", "running", "1")], 1),                   # a start found it running already
    ([("2", "a", "running", "1")], 0),                   # not one of ours
    ([], 0),
])
def test_twice_finds_machines_that_ran_on_two_hosts_or_were_started_again(rows, wrong):
    named = [dict(zip(("vmid", "host", "state", "collisions"), row)) for row in rows]
    assert len(drill.twice(named, {1: KIND["MIGRATE"]})) == wrong


def test_missing_compares_names_and_numbers():
    assert drill.missing({"a": 3, "b": 4}, {"a": 3, "b": 4, "c": 5}) == []
    assert drill.missing({"a": 3, "b": 4}, {"b": 7}) == ["user a (3) was acknowledged and is gone", "user b (4) was acknowledged and is number 7 now"]


def test_broken_accepts_a_source_that_keeps_trying_only_while_its_server_is_down():
    row = {"Connection_name": "zone0-slave", "Slave_IO_Running": "Connecting", "Slave_SQL_Running": "Yes", "Last_IO_Errno": "2003", "Last_SQL_Errno": "0"}
    assert drill.broken("alpha2", [row], peer_is_down=True) == []
    assert drill.broken("alpha2", [row]) == ["alpha2 source zone0-slave: IO=Connecting(2003) SQL=Yes(0)"]
    assert drill.broken("alpha2", [{**row, "Slave_SQL_Running": "No", "Last_SQL_Errno": "1062"}], peer_is_down=True)
    assert drill.broken("alpha2", [{**row, "Slave_IO_Running": "No"}], peer_is_down=True) == []  # parked by the writer agent
    assert drill.broken("alpha2", [{**row, "Slave_IO_Running": "No", "Last_IO_Errno": "1236"}], peer_is_down=True)
    assert drill.broken("alpha2", []) == ["alpha2 has no replication source"]


JOURNAL = """\
1795230229.114 alpha2 pacemaker-controld[319]: notice: Requesting fencing (reboot) of node alpha1
1795230230.532 alpha2 pacemaker-fenced[315]: notice: Operation 'reboot' [750] targeting alpha1 using fence_alpha1 returned 0
1795230230.541 alpha2 pacemaker-fenced[315]: notice: Operation 'reboot' targeting alpha1 by alpha2 for pacemaker-controld.319@alpha2: {result}
"""


@pytest.mark.parametrize("result, victim, when", [
    ("OK (complete)", "alpha1", 1795230230.541), ("Timer expired (time out)", "alpha1", None), ("OK (complete)", "alpha", None),
    ("OK (complete)", "alpha2", None)])
def test_fenced_at_takes_the_cluster_wide_success(result, victim, when):
    assert zone.fenced_at(JOURNAL.format(result=result), victim) == when


def test_table_has_a_row_a_round_and_three_of_statistics():
    rounds = [drill.Round("alpha1", {"fenced": 8.0, "daemon": 9.0}), drill.Round("alpha2", {"fenced": 10.0}, ["x"])]
    lines = [line.split() for line in drill.table(rounds)]
    assert lines[1] == ["1", "alpha1", "8.0", "-", "9.0", "-", "-", "ok"]
    assert lines[2] == ["2", "alpha2", "10.0", "-", "-", "-", "-", "1", "failed"]
    assert [line[:2] for line in lines[3:]] == [["min", "8.0"], ["median", "9.0"], ["max", "10.0"]]


def test_kinds_are_states_the_client_can_name():
    assert {kind.state for kind in workload.KINDS} <= set(client.LCM_STATES.values())
    assert all(kind.ends <= {"RUNNING", "DONE", "SUSPENDED", "STOPPED", "POWEROFF", "UNDEPLOYED"} for kind in workload.KINDS)


def test_template_is_slow_only_where_it_shall_be_caught():
    text = workload.template(KIND["MIGRATE-done"], "x", 120)
    assert "MIGRATE=120" in text and "PROLOG=0.2" in text and 'LAB_EFFECT = "EARLY"' in text and text.count("120") == 1
