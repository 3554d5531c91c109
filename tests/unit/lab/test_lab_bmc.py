# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The BMC's protocol, as fence_ilo_ssh of fence-agents 4.12 speaks it."""
import json
import pathlib
import re
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "molecule/lab"))

import bmc  # noqa: E402  pylint: disable=wrong-import-position

AT_ONCE = 100                                            # fspawn.read_nonblocking(size=100): what the agent reads in one go
AGENT_STATE = re.compile("EnabledState=(.*)", re.IGNORECASE)


class Machine:
    """A machine with a power switch, and a session at its BMC."""

    def __init__(self, power):
        self.power = power

    def say(self, command):
        verb = bmc.verb_of(command)
        if verb in ("on", "off"):
            self.power = verb
        elif verb == "reset":
            self.power = "on"
        return bmc.answer(command, self.power)

    def state_as_the_agent_reads_it(self):
        return "on" if AGENT_STATE.search(self.say("show /system1")[:AT_ONCE]).group(1).lower().startswith("enabled") else "off"


@pytest.mark.parametrize("command, power, after", [
    ("power off hard", "on", "off"), ("start /system1", "off", "on"), ("reset /system1 hard", "on", "on"),      # the agent
    ("power on", "off", "on"), ("power off", "on", "off"), ("power reset", "off", "on"), ("stop /system1", "on", "off"), ("stop /system1 hard", "on", "off"),
])
def test_answer_power_command_changes_what_show_says(command, power, after):
    machine = Machine(power)
    assert machine.state_as_the_agent_reads_it() == power
    assert machine.say(command).endswith("hpiLO-> ")
    assert machine.state_as_the_agent_reads_it() == after


def test_transcript_of_a_fencing_run_never_exceeds_one_read():
    """Between two reads of the agent an unread power answer and a show answer may pile up, hence the sums of neighbours."""
    machine = Machine("on")
    answers = [machine.say(line) for line in ("SMCLP", "show /system1", "power off hard", "show /system1", "start /system1", "show /system1")]
    sizes = [len(answer) for answer in answers]
    assert all(one + two < AT_ONCE for one, two in zip(sizes, sizes[1:])), sizes
    assert all(answer.endswith("hpiLO-> ") for answer in answers)
    assert "session stopped" in machine.say("exit")


@pytest.mark.parametrize("command, verb",
                         [("  Power   OFF hard ", "off"), ("power", "show"), ("help", None), ("", None), ("quit", "exit"), ("power offhard", None)])
def test_verb_of_reads_what_people_type(command, verb):
    assert bmc.verb_of(command) == verb


def test_board_stuck_fault_logs_and_does_nothing(tmp_path, monkeypatch):
    pressed = []
    monkeypatch.setattr(bmc, "STATE", tmp_path)
    monkeypatch.setattr(bmc, "press", lambda container, verb: pressed.append((container, verb)))
    monkeypatch.setattr(bmc, "power_of", lambda container: "on")
    (tmp_path / "faults").mkdir()
    board = bmc.Board("10.91.1.111", {"node": "alpha1", "container": "x-alpha1"}, {"10.91.1.12": "alpha2"})
    (tmp_path / "faults/alpha1").write_text("stuck", encoding="ascii")
    board.do("10.91.1.12", "power off hard")
    assert pressed == []
    (tmp_path / "faults/alpha1").unlink()
    board.do("10.91.1.12", "power off hard")
    assert pressed == [("x-alpha1", "off")]
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["command"] for row in log] == ["power off hard", "done"] * 2
    assert {row["by"] for row in log} == {"alpha2"} and log[0]["fault"] == "stuck" and log[1]["power"] == "on"


@pytest.mark.parametrize("fault, told", [("says-on", "enabled"), ("says-off", "disabled")])
def test_board_that_lies_tells_one_thing_and_switches_nothing(tmp_path, monkeypatch, fault, told):
    pressed = []
    monkeypatch.setattr(bmc, "STATE", tmp_path)
    monkeypatch.setattr(bmc, "press", lambda container, verb: pressed.append(verb))
    monkeypatch.setattr(bmc, "power_of", lambda container: "off" if fault == "says-on" else "on")
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults/alpha1").write_text(fault, encoding="ascii")
    board = bmc.Board("10.91.1.111", {"node": "alpha1", "container": "x-alpha1"}, {})
    answers = [board.do("10.91.1.12", command) for command in ("show /system1", "power off hard", "start /system1", "show /system1")]
    assert pressed == [] and f"EnabledState={told}" in answers[0] and answers[3] == answers[0]
