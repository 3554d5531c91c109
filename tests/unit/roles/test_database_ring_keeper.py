# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keeper of a ring: from whom a node pulls, what it leaves alone, and when a node may become the writer. Real servers: tests/faults --nodes 3."""
from __future__ import annotations

import dataclasses
import importlib.machinery
import importlib.util
import pathlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

PATH = pathlib.Path(__file__).resolve().parents[3] / "roles/database/files/ring-keeper"


def load():
    loader = importlib.machinery.SourceFileLoader("ring_keeper", str(PATH))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("ring_keeper", loader))
    sys.modules["ring_keeper"] = module      # dataclasses look there
    loader.exec_module(module)
    return module


keeper = load()
READ = "Slave has read all relay log; waiting for more updates"
NAMES = ("a1", "a2", "a3")


def view(name, follows="", **more):
    told = {"answers": True, "member": True, "binlog": "0-1-50", "asks": "0-1-50", "received": "0-1-50", "channel": "zone0-master", "io": "Yes", "sql": "Yes",
            "state": READ, "source": (follows, 3306)}
    return keeper.View(name, name, 3306, **{**told, **more})


WRITER = {"read_only": False, "semisync": True}
DEAD = {"answers": False}
CONNECTING = {"io": "Connecting", "io_errno": 2003}
PURGED = {"io": "No", "io_errno": 1236, "io_error": "Could not find first log"}
BEHIND = {"io": "No", "io_errno": 1236, "io_error": "requested to start from GTID 0-1-50, which is not in the master's binlog"}
PARTED = {"io": "No", "io_errno": 1236, "io_error": BEHIND["io_error"] + ", higher sequence numbers"}
# this node (a3 of the ring a1 a2 a3), the others (nearest first), whether it is parked → what is done, about whom
DECISIONS = {
    "all are in: nothing": (view("a3", "a2"), [view("a2", "a1"), view("a1", "a3", **WRITER)], False, "stay", None),
    "predecessor dead: around it": (view("a3", "a2", **CONNECTING), [view("a2", **DEAD), view("a1", "a3", **WRITER)], False, "repoint", "a1"),
    "predecessor not a member: around it": (view("a3", "a2"), [view("a2", "a1", member=False), view("a1", "a3", **WRITER)], False, "repoint", "a1"),
    "predecessor stopped by somebody: around it": (view("a3", "a2"), [view("a2", "a1", io="No", sql="No"), view("a1", "a3", **WRITER)], False, "repoint", "a1"),
    "predecessor back: open again": (view("a3", "a1"), [view("a2", "a1"), view("a1", "a3", **WRITER)], False, "repoint", "a2"),
    "predecessor back, not yet a member: wait": (view("a3", "a1"), [view("a2", "a1", member=False), view("a1", "a3", **WRITER)], False, "stay", None),
    "writer dead, predecessor has less: stay where it is": (
        view("a3", "a1", **CONNECTING), [view("a2", "a1", binlog="0-1-49", **CONNECTING), view("a1", **DEAD)], False, "park", "a1"),
    "writer dead, successor has as much: follow it": (
        view("a2", "a1", **CONNECTING), [view("a1", **DEAD), view("a3", "a1", **CONNECTING)], False, "repoint", "a3"),
    "the source connects to nobody, but everybody is so: stay": (view("a3", "a2"), [view("a2", "a1", **CONNECTING), view("a1", **DEAD)], False, "stay", None),
    "alone: park": (view("a3", "a2", **CONNECTING), [view("a2", **DEAD), view("a1", **DEAD)], False, "park", "a2"),
    "alone, a dead source's connection still stands: nothing": (view("a3", "a2"), [view("a2", **DEAD), view("a1", **DEAD)], False, "stay", None),
    "parked, and it has caught up: again": (view("a3", "a2", io="No"), [view("a2", "a1"), view("a1", "a3", **WRITER)], True, "start", "a2"),
    "parked, and it has not: wait": (view("a3", "a2", io="No"), [view("a2", "a1", binlog="0-1-49"), view("a1", **DEAD)], True, "stay", None),
    "asked too early (1236), it has caught up: again": (view("a3", "a2", **BEHIND), [view("a2", "a1"), view("a1", "a3", **WRITER)], False, "start", "a2"),
    "two histories: an operator's": (
        view("a3", "a2", **PARTED), [view("a2", "a1"), view("a1", "a3", **WRITER)],
        False, "stay", None),
    "an error that no start heals: an operator's": (view("a3", "a2", **PURGED), [view("a2", "a1"), view("a1", "a3", **WRITER)], False, "stay", None),
    "stopped by somebody: stays so": (view("a3", "a2", io="No", sql="No"), [view("a2", **DEAD), view("a1", "a3", **WRITER)], False, "stay", None),
    "receiving stopped by somebody: stays so": (view("a3", "a2", io="No"), [view("a2", **DEAD), view("a1", "a3", **WRITER)], False, "stay", None),
    "cannot apply: stays so": (view("a3", "a2", sql="No", sql_errno=1062), [view("a2", **DEAD), view("a1", "a3", **WRITER)], False, "stay", None),
    "the writer's own channel goes around, too": (view("a3", "a2", **CONNECTING, **WRITER), [view("a2", **DEAD), view("a1", "a3")], False, "repoint", "a1"),
}


@pytest.mark.parametrize("case", DECISIONS)
def test_decision(case):
    here, others, parked, verb, about = DECISIONS[case]
    found, wish = keeper.decide(here, others, parked)
    assert (found, wish and wish.name) == (verb, about)


def test_one_that_did_not_catch_up_is_not_tried_again_at_once():
    here, others = view("a3", "a1"), [view("a2", "a1"), view("a1", "a3", **WRITER)]
    assert keeper.decide(here, others, held={"a2"}) == ("stay", None)
    assert keeper.decide(here, others, held={"a1"})[0] == "repoint"


@given(count=st.integers(3, 6), data=st.data())
def test_every_chain_ends_at_the_writer(count, data):
    """Whoever is out, stopped or misled: when each has done what it decides, everybody follows the writer, and a whole ring is as declared."""
    names = [f"n{number}" for number in range(count)]
    writer = data.draw(st.sampled_from(names))
    out = data.draw(st.sets(st.sampled_from([name for name in names if name != writer]), max_size=count - 2))
    follows = {name: data.draw(st.sampled_from([other for other in names if other != name])) for name in names}

    def views():
        for name in names:
            more = WRITER if name == writer else DEAD if name in out else {}
            yield name, view(name, follows[name], **more)

    for dummy in range(2):
        now = dict(views())
        for index, name in enumerate(names):
            others = [now[names[index - step]] for step in range(1, count)]
            verb, wish = keeper.decide(now[name], others) if name not in out else ("stay", None)
            follows[name] = wish.name if verb == "repoint" else follows[name]
    for name in names:
        if name not in out:
            chain = [name]
            while chain[-1] != writer:
                chain.append(follows[chain[-1]])
                assert len(chain) <= count and chain[-1] not in out, chain
    if not out:
        assert follows == {name: names[index - 1] for index, name in enumerate(names)}


@pytest.mark.parametrize("have, want, domain, enough", [
    ("0-1-5", "0-2-5", None, True), ("0-1-5", "0-2-6", None, False), ("0-1-5", "0-1-5,100-3-1", None, False), ("0-1-5", "0-1-5,100-3-1", 0, True),
    ("", "0-1-1", None, False), ("", "", None, True), ("0-1-5, 100-3-2", "100-3-2", None, True)])
def test_positions(have, want, domain, enough):
    assert keeper.covers(have, want, domain) is enough


@pytest.mark.parametrize("here, others, names", [
    (view("a3"), [view("a2"), view("a1", **WRITER)], ["a1", "a2", "a3"]),
    (view("a3"), [view("a2", **DEAD), view("a1", **WRITER)], ["a1", "a3"]),
    (view("a3", **WRITER), [view("a2", member=False), view("a1")], ["a1", "a3"]),
    (view("a3"), [view("a2"), view("a1")], None),                                              # no writer
    (view("a3"), [view("a2"), view("a1", read_only=False)], None),                             # nobody waits for an acknowledgement
    (view("a3", **WRITER), [view("a2"), view("a1", **WRITER)], None),
])
def test_who_was_in_is_noted_only_while_commits_are_on_two_nodes(here, others, names):
    assert keeper.last_seen(here, others) == names


@pytest.mark.parametrize("others, seen, missing", [
    ([view("a2"), view("a1", **DEAD)], None, []),
    ([view("a2", **DEAD), view("a1", **DEAD)], None, ["a2", "a1"]),
    ([view("a2", **DEAD), view("a1", **DEAD)], ["a1", "a2", "a3"], ["a2", "a1"]),
    ([view("a2", **DEAD), view("a1", **DEAD)], ["a1", "a3"], []),                              # a2 was out before: what it has is old
    ([view("a2", member=False), view("a1", **DEAD)], ["a1", "a2", "a3"], ["a2", "a1"]),
])
def test_two_that_are_missing_at_once_may_be_both_copies(others, seen, missing):
    assert keeper.missing_copies(others, seen) == missing


# --- a zone that behaves ----------------------------------------------------------------------------------------------------------------


class FakeZone(keeper.Zone):
    """This node and what the others tell; statements are on record, and the channel is as they leave it."""

    uptime_s = 60

    def __init__(self, place, here, others):  # pylint: disable=super-init-not-called
        self.here, self.views, self.log, self.now, self.channel, self.held = here, others, [], 0.0, "zone0-master", {}
        self.place, self.clock = place, lambda: self.now
        keeper.PARKED, keeper.LOCK, keeper.SEEN = place / "parked", place / "lock", place / "seen"
        keeper.PARKED.mkdir()
        keeper.gate.rows_of = self.statement

    def pause(self, seconds):  # pylint: disable=method-hidden
        self.now += seconds

    def server(self):
        return keeper.contextlib.nullcontext(self)

    def own(self, server):
        return self.here

    def look(self, server):
        return self.here, self.views

    def ask(self, node, members=None):
        return next(view for view in self.views if view.name == node[0])

    def statement(self, server, sql, values=()):
        if "Uptime" in sql:
            return [{"Value": self.uptime_s}]
        if sql.startswith("SHOW"):
            return [{"Connection_name": "zone0-master", "Slave_IO_Running": "Yes", "Last_IO_Errno": 0, "Last_IO_Error": "", "Last_SQL_Errno": 0}]
        self.log.append(sql.replace(" %s", "").split(" TO ")[0])
        if sql.startswith("CHANGE"):
            self.here = dataclasses.replace(self.here, source=values[1:])
        io, sql_thread = {"STOP SLAVE": ("No", "No"), "STOP SLAVE IO_THREAD": ("No", self.here.sql), "START SLAVE": ("Yes", "Yes"),
                          "START SLAVE IO_THREAD": ("Yes", self.here.sql), "START SLAVE SQL_THREAD": (self.here.io, "Yes")}.get(
                              self.log[-1], (self.here.io, self.here.sql))
        self.here = dataclasses.replace(self.here, io=io, sql=sql_thread)
        return []


AROUND = (view("a3", "a2", **CONNECTING), [view("a2", **DEAD), view("a1", "a3", **WRITER)])


def test_channel_is_changed_only_when_everything_received_is_applied(tmp_path):
    zone = FakeZone(tmp_path, *AROUND)
    assert "follows a1" in zone.tend()
    assert zone.log == ["STOP SLAVE IO_THREAD", "STOP SLAVE", "CHANGE MASTER", "START SLAVE"]
    assert zone.here.source == ("a1", 3306) and not zone.parked
    zone = FakeZone(make(tmp_path), dataclasses.replace(AROUND[0], state="Reading event from the relay log"), AROUND[1])
    assert zone.tend() == ""
    assert zone.log == ["STOP SLAVE IO_THREAD", "START SLAVE IO_THREAD"] and zone.here.source == ("a2", 3306)
    zone = FakeZone(make(tmp_path), dataclasses.replace(AROUND[0], asks="0-1-49", binlog="0-1-49"), AROUND[1])      # the last event is still on its way
    assert zone.tend() == "" and zone.log == ["STOP SLAVE IO_THREAD", "START SLAVE IO_THREAD"]


def make(place):
    folder = place / str(len(list(place.iterdir())))
    folder.mkdir()
    return folder


def test_source_that_is_behind_is_left_alone_for_a_while(tmp_path):
    zone = FakeZone(tmp_path, view("a3", "a1"), [view("a2", "a1", binlog="0-1-40"), view("a1", "a3", **WRITER)])
    assert zone.tend() == "" and zone.log == ["STOP SLAVE IO_THREAD", "START SLAVE IO_THREAD"] and not zone.parked
    assert zone.tend() == "" and len(zone.log) == 2
    zone.now += keeper.HOLD_S
    zone.views[0] = view("a2", "a1")
    assert "follows a2" in zone.tend()


def test_parked_channel_is_remembered_and_found_again(tmp_path):
    zone = FakeZone(tmp_path, view("a3", "a2", **CONNECTING), [view("a2", **DEAD), view("a1", **DEAD)])
    assert "parked" in zone.tend() and zone.parked and zone.log == ["STOP SLAVE IO_THREAD"]
    zone.here, zone.views = dataclasses.replace(zone.here, io_errno=0), [view("a2", "a1"), view("a1", "a3", **WRITER)]
    assert "follows a2 (a2) again" in zone.tend() and not zone.parked


def test_keeper_that_was_killed_in_between_ends_what_it_began(tmp_path):
    zone = FakeZone(tmp_path, view("a3", "a2", io="No", sql="No"), AROUND[1])
    zone.begin()
    assert zone.log == []
    zone.mark(True)
    zone.begin()
    assert zone.log == ["START SLAVE"] and not zone.parked


def test_server_that_has_started_since_is_left_to_its_own_start(tmp_path):
    zone = FakeZone(tmp_path, view("a3", "a2", io="No", sql="No"), AROUND[1])
    zone.mark(True)
    zone.uptime_s = -5
    zone.begin()
    assert zone.log == [] and not zone.parked


def test_only_one_at_a_time_changes_the_channel(tmp_path):
    zone = FakeZone(tmp_path, *AROUND)
    with zone.lock() as first:
        assert first and zone.tend() == "" and zone.log == []


BEST = view("a2", "a1", binlog="0-1-50", received="0-1-60", **CONNECTING)


@pytest.mark.parametrize("here, others, seen, code, says", [
    (view("a3", "a2"), [view("a2", "a1", **CONNECTING), view("a1", **DEAD)], None, 0, ""),
    (view("a3", "a2"), [BEST, view("a1", **DEAD)], None, 1, "a2 has received 0-0-60, this node has 0-0-50, within 9 s"),
    (view("a3", "a2"), [view("a2", "a1", binlog="0-2-70"), view("a1", **DEAD)], None, 1, "a2 has 0-2-70"),
    (view("a3", "a2"), [view("a2", "a1", **DEAD), view("a1", **DEAD)], "a1 a2 a3", 1, "a2 and a1 are missing at once"),
    (view("a3", "a1"), [view("a2", "a1", **DEAD), view("a1", **DEAD)], "a1 a3", 0, ""),
    (view("a3", "a2"), [view("a2", "a1"), view("a1", "a3", **WRITER)], None, 2, "MariaDB on a1 still takes writes"),
    (view("a3", "a2", sql="No", sql_errno=1062), [view("a2", "a1"), view("a1", **DEAD)], None, 1, "SQL error 1062"),
    (view("a3", "a2", state="Reading event"), [view("a2", "a1"), view("a1", **DEAD)], None, 1, "has not read its relay log"),
    (view("a3", "a2", received="0-1-51"), [view("a2", "a1"), view("a1", **DEAD)], None, 1, "has not read its relay log"),
])
def test_drain(tmp_path, here, others, seen, code, says):
    zone = FakeZone(tmp_path, here, others)
    if seen:
        keeper.note_seen(seen.split())
    found, why = zone.drain(9)
    assert found == code and says in why


def test_drain_starts_what_was_stopped_by_hand(tmp_path):
    zone = FakeZone(tmp_path, view("a3", "a2", sql="No"), [view("a2", "a1"), view("a1", **DEAD)])
    assert zone.drain(9) == (0, "") and zone.log == ["START SLAVE SQL_THREAD"]


def test_drain_fetches_from_whoever_has_it_when_the_source_is_dead(tmp_path):
    zone = FakeZone(tmp_path, view("a2", "a1", **CONNECTING), [view("a1", **DEAD), view("a3", "a1", binlog="0-1-60", **CONNECTING)])
    code, why = zone.drain(1)
    assert code == 1 and "a3 has 0-1-60" in why and zone.here.source == ("a3", 3306)
    zone.here = dataclasses.replace(zone.here, asks="0-1-60", binlog="0-1-60")
    assert zone.drain(1) == (0, "")


def test_ring_of_the_configuration_begins_with_the_predecessor(tmp_path, monkeypatch):
    monkeypatch.setattr(keeper, "PARKED", tmp_path / "parked")
    (tmp_path / "ring.conf").write_text("# name server_id address port\na1 1 10.0.0.1 3306\na2 2 10.0.0.2 3306\na3 3 10.0.0.3 3307\na4 4 10.0.0.4 3306\n")
    (tmp_path / "gate.conf").write_text("[gate]\nname = a2\nsocket = /s\nchannels = zone0-master\nring = yes\npeers =\n")
    (tmp_path / "gate.cnf").write_text("[client]\nuser = g\npassword = p\n")
    zone = keeper.Zone(tmp_path / "ring.conf", tmp_path / "gate.conf", tmp_path / "gate.cnf")
    assert zone.me == ("a2", "10.0.0.2", 3306) and zone.channel == "zone0-master" and zone.config.ring
    assert zone.others == [("a1", "10.0.0.1", 3306), ("a4", "10.0.0.4", 3306), ("a3", "10.0.0.3", 3307)]


@pytest.mark.parametrize("program, names", [
    ("echo a1 a2", ["a1", "a2"]), ("echo a1", None), ("exit 102", None), ("echo a2; exit 1", None)])
def test_membership_counts_only_for_members(tmp_path, monkeypatch, program, names):
    (tmp_path / "crm_node").write_text(f"#!/bin/sh\n{program}\n")
    (tmp_path / "crm_node").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    zone = FakeZone(tmp_path, *AROUND)
    zone.config = type("Config", (), {"name": "a2"})
    assert zone.members() == names


def test_show_where_mariadb_does_not_answer_says_so(monkeypatch, capsys):
    class Silent:
        def server(self):
            raise OSError("connection refused")

    monkeypatch.setattr(keeper, "Zone", lambda *files: Silent())
    assert keeper.main(["show"]) == 1
    assert capsys.readouterr().out == "MariaDB here cannot be asked (OSError: connection refused); systemctl status mariadb\n"
