# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rejoin gate: what opens it, what keeps it shut, and what it says."""
from __future__ import annotations

import importlib.machinery
import importlib.util
import pathlib

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import failure_catalogue

PATH = pathlib.Path(__file__).resolve().parents[3] / "roles/database/files/rejoin-gate"


def load():
    loader = importlib.machinery.SourceFileLoader("rejoin_gate", str(PATH))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("rejoin_gate", loader))
    loader.exec_module(module)
    return module


@pytest.fixture
def gate(tmp_path):
    module = load()
    module.OVERRIDE = tmp_path / "rejoin-override"
    return module


def row(name="zone0-slave", io="Yes", sql="Yes", io_errno=0, sql_errno=0):
    return {"Connection_name": name, "Slave_IO_Running": io, "Slave_SQL_Running": sql, "Last_IO_Errno": io_errno, "Last_SQL_Errno": sql_errno,
            "Last_IO_Error": "io text" if io_errno else "", "Last_SQL_Error": "sql text" if sql_errno else ""}


PAIR = [  # row, problem?, final?
    (row(), False, False),
    (row(io="Connecting", io_errno=2003), True, False),
    (row(io="Preparing"), True, False),
    (row(io="No"), True, False),
    (row(io="No", io_errno=1236), True, True),
    (row(io="No", io_errno=1593), True, True),
    (row(sql="No"), True, False),
    (row(sql="No", sql_errno=1950), True, True),
    (row(io="No", sql="No", io_errno=1236, sql_errno=1950), True, True),
]
FEDERATION = [  # row, problem?
    (row("zone0"), False),
    (row("zone0", io="Connecting", io_errno=2003), False),
    (row("zone0", io="No"), False),
    (row("zone0", io="No", io_errno=2013), False),
    (row("zone0", io="No", io_errno=1236), True),
    (row("zone0", io="No", io_errno=1045), True),
    (row("zone0", sql="No", sql_errno=1062), True),
    (row("zone0", sql="No"), False),
    (row("zone0-slave", sql="No", sql_errno=1950), False),      # the pair's, judged there
]


@pytest.mark.parametrize("status, problem, final", PAIR)
def test_pair_channel(gate, status, problem, final):
    found = gate.judge_pair([status], "alpha1", ["zone0-slave"])
    assert bool(found) == problem
    assert [item.final for item in found] == ([final] if problem else [])
    assert all("alpha1: channel zone0-slave IO=" in item.why and item.remedy for item in found)


@pytest.mark.parametrize("status, problem", FEDERATION)
def test_federation_channel(gate, status, problem):
    assert bool(gate.judge_federation([status], "beta1")) == problem


def test_gate_and_catalogue_agree_on_what_passes_and_on_what_a_start_mends(gate):
    """The gate is a program of its own on the host and cannot import the catalogue."""
    assert {entry.errno for entry in failure_catalogue.CATALOGUE if entry.passing} <= gate.TRANSIENT_IO
    assert {(entry.errno, entry.text) for entry in failure_catalogue.CATALOGUE if entry.again} == set(gate.AGAIN_IO)


def test_peer_that_asked_too_early_will_ask_again(gate):
    early = dict(row(io="No", io_errno=1236), Last_IO_Error="connecting slave requested to start from GTID 0-1-663, which is not in the master's binlog")
    assert [item.final for item in gate.judge_pair([early], "alpha2")] == [False]


def test_peer_whose_history_has_parted_will_not_be_helped_by_asking_again(gate):
    parted = dict(row(io="No", io_errno=1236), Last_IO_Error="start from GTID 0-2-47, which is not in the master's binlog. Since the master's binlog contains "
                  "GTIDs with higher sequence numbers, it probably means that the slave has diverged")
    assert [item.final for item in gate.judge_pair([parted], "alpha2")] == [True] and not gate.healable([parted], True)


def test_missing_channel_is_no_health(gate):
    assert "zone0-slave does not exist" in gate.judge_pair([], "alpha1", ["zone0-slave"])[0].why
    assert "from its peer does not exist" in gate.judge_pair([row("zone0")], "alpha2")[0].why


class FakeServer:
    """One server as the gate sees it."""

    def __init__(self, slaves, read_only=1, position="0-1-5", wait_result=0, **more):
        self.slaves, self.read_only, self.position, self.wait_result, self.more = slaves, read_only, position, wait_result, more

    def close(self):
        pass

    def cursor(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        pass

    def execute(self, statement, values=()):
        if "MASTER_GTID_WAIT" in statement:
            self.answer = [{"result": self.wait_result}]
        elif "SLAVES STATUS" in statement:
            self.answer = self.slaves
        elif "read_only" in statement:
            self.answer = [dict({"read_only": self.read_only, "position": self.position, "applied": self.position, "domain": 0, "server_id": 1, "passes_on": 1},
                                **self.more)]
        elif "gtid_slave_pos" in statement:
            self.answer = [{"position": "0-1-3"}]
        else:
            raise AssertionError(f"nobody expected: {statement}")

    def fetchall(self):
        return self.answer


@pytest.fixture
def config(gate, tmp_path):
    (tmp_path / "gate.conf").write_text("[gate]\nname = alpha1\nsocket = /s\nwait_s = 3\nchannels = zone0-slave\npeers = alpha2=10.0.0.2:3306\n")
    (tmp_path / "gate.cnf").write_text('[client]\nuser = opennebula_gate\npassword = "a\\\\b#c"\n')
    return gate.Config(tmp_path / "gate.conf", tmp_path / "gate.cnf")


def world(gate, here=None, peer=None):
    def connect(**where):
        server = here if "unix_socket" in where else peer
        if server is None:
            raise OSError("connection refused")
        return server

    gate.connect = connect


def refused(gate, config):
    problems, unused = gate.look(config, 1)
    return [problem.why for problem in problems]


def test_configuration_is_read_as_the_client_reads_it(config):
    assert config.password == "a\\b#c" and config.peers == [("alpha2", "10.0.0.2", 3306)] and config.channels == ["zone0-slave"]


def test_healthy_and_caught_up_opens(gate, config):
    world(gate, FakeServer([row()]), FakeServer([row("zone0-master")]))
    assert gate.look(config, 1) == ([], "caught up with alpha2 to 0-1-5")


@pytest.mark.parametrize("here, peer, says", [
    (None, FakeServer([row("zone0-master")]), "alpha1: MariaDB does not answer"),
    (FakeServer([row()]), None, "MariaDB on alpha2 (10.0.0.2:3306) does not answer"),
    (FakeServer([row(sql="No", sql_errno=1950)]), FakeServer([row("zone0-master")]), "alpha1: channel zone0-slave IO=Yes SQL=No (error 1950: sql text)"),
    (FakeServer([row()]), FakeServer([row("zone0-master", io="No", io_errno=1236)]), "alpha2: channel zone0-master IO=No SQL=Yes (error 1236: io text)"),
    (FakeServer([row(sql="No")]), FakeServer([row("zone0-master")]), "alpha1: channel zone0-slave IO=Yes SQL=No"),
    (FakeServer([row()]), FakeServer([]), "alpha2: channel from its peer does not exist"),
    (FakeServer([row()], wait_result=-1), FakeServer([row("zone0-master")]), "alpha1 has not caught up with alpha2: it has 0-1-3, alpha2 has 0-1-5"),
    (FakeServer([row()], read_only=0), FakeServer([row("zone0-master")], read_only=0), "alpha1 and alpha2 both take writes"),
    (FakeServer([row()], applied="100-3-9,0-1-6"), FakeServer([row("zone0-master")]), "alpha1 counts its own event 0-1-6 as applied, and its binary log ends"),
])
def test_everything_else_is_refused_with_its_reason(gate, config, here, peer, says):
    world(gate, here, peer)
    found = refused(gate, config)
    assert len(found) == 1 and says in found[0]


def test_lost_peer_is_told_with_the_command_that_opens_the_gate(gate):
    """/run is empty after a boot, so a bare echo into the file would fail."""
    problem = gate.not_asked("alpha2", "10.0.0.2:3306", OSError(2003, "timed out"))
    assert f"mkdir -p {gate.OVERRIDE.parent}; echo REASON > {gate.OVERRIDE}; pcs cluster start" in problem.remedy


def test_both_sides_are_reported_together(gate, config):
    world(gate, FakeServer([row(sql="No", sql_errno=1950)]), FakeServer([row("zone0-master", sql="No", sql_errno=1950)]))
    assert len(refused(gate, config)) == 2


def test_writer_whose_pacemaker_was_restarted_is_let_in_without_its_peer(gate, config):
    world(gate, FakeServer([row(io="Connecting")], read_only=0), None)
    assert gate.look(config, 1) == ([], "this node is the zone's writer")


def test_waits_for_what_can_heal_and_not_for_what_cannot(gate, config):
    now = [0.0]

    def pause(seconds):
        now[0] += seconds
        if now[0] > 1:
            world(gate, FakeServer([row()]), FakeServer([row("zone0-master")]))

    world(gate, FakeServer([row(io="Connecting")]), FakeServer([row("zone0-master")]))
    assert gate.wait(config, lambda: now[0], pause)[0] == [] and now[0] > 1
    now[0] = 0.0
    world(gate, FakeServer([row(sql="No", sql_errno=1950)]), FakeServer([row("zone0-master")]))
    assert gate.wait(config, lambda: now[0], pause)[0] and now[0] == 0
    world(gate, None, None)
    assert gate.wait(config, lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds))[0] and now[0] >= config.wait_s


def test_override_lasts_for_one_start_of_both_units(gate, config, tmp_path, capsys):
    world(gate, None, None)
    argv = ["--config", str(tmp_path / "gate.conf"), "--credentials", str(tmp_path / "gate.cnf")]
    config_wait = gate.wait
    gate.wait = lambda config, heal=False: config_wait(config, iter(range(0, 100, 2)).__next__, lambda seconds: None)
    gate.OVERRIDE.write_text("both nodes were off\n")
    assert gate.main(["check", *argv]) == 1
    assert gate.main(["corosync", *argv]) == 0 and gate.main(["pacemaker", *argv]) == 0
    assert gate.main(["corosync", *argv]) == 1
    said = capsys.readouterr().out
    assert said.count("gate: open by hand for") == 2 and "both nodes were off" in said
    assert "gate: REFUSED: alpha1: MariaDB does not answer (connection refused), do: systemctl start mariadb" in said


@pytest.mark.parametrize("when", ["read_only", "SLAVES STATUS", "MASTER_GTID_WAIT"])
def test_server_that_breaks_off_is_told_and_looked_at_again(gate, config, tmp_path, capsys, when):
    """A traceback in the journal says neither why nor what to do."""
    class Breaking(FakeServer):
        def execute(self, statement, values=()):
            if when in statement:
                raise RuntimeError(2013, "Lost connection to MySQL server during query")
            super().execute(statement, values)

    world(gate, Breaking([row()]), FakeServer([row("zone0-master")]))
    now, looks = [0.0], []
    monotone = gate.look
    gate.look = lambda *some: looks.append(0) or monotone(*some)
    problems, unused = gate.wait(config, lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds))
    assert len(looks) > 1 and [problem.why for problem in problems] == ["alpha1: MariaDB broke off ((2013, 'Lost connection to MySQL server during query'))"]
    assert "journalctl -u mariadb" in problems[0].remedy


@pytest.mark.parametrize("errno", [1045, 1130, 1227])
def test_peer_that_refuses_the_login_is_not_taken_for_dead(gate, config, errno):
    """The hint to open the gate by hand would let in a node that is behind."""
    def connect(**where):
        if "unix_socket" in where:
            return FakeServer([row()])
        raise RuntimeError(errno, "Access denied")

    gate.connect = connect
    (problem,), unused = gate.look(config, 1)
    assert f"alpha2 (10.0.0.2:3306) does not let the gate in (({errno}" in problem.why
    assert "site.yml" in problem.remedy and str(gate.OVERRIDE) not in problem.remedy


def test_gate_that_cannot_look_stays_shut(gate, tmp_path, capsys):
    assert gate.main(["corosync", "--config", str(tmp_path / "none")]) == 1
    assert "gate: REFUSED: the gate cannot look (FileNotFoundError" in capsys.readouterr().out


def test_password_is_in_no_output(gate, config, tmp_path, capsys):
    (tmp_path / "gate.cnf").write_text('[client]\nuser = opennebula_gate\npassword = "CANARY-9f2c"\n')
    gate.wait = lambda config, heal=False: gate.look(config, 0)
    world(gate, None, None)
    gate.main(["check", "--config", str(tmp_path / "gate.conf"), "--credentials", str(tmp_path / "gate.cnf")])
    assert "CANARY" not in "".join(capsys.readouterr())


def test_channels_that_a_start_heals_are_started_again_federation_first(gate, config):
    hole = dict(row(io="No", io_errno=1236), Last_IO_Error="The binlog on the master is missing the GTID 0-1-46 requested by the slave")
    neighbour = dict(row("zone0", io="No", io_errno=1595), Last_IO_Error="Relay log write failure: could not queue event from master")
    purged = dict(row("zone0", io="No", io_errno=1236), Last_IO_Error="required binlog files have been purged")
    wrote = []

    class Server(FakeServer):
        def execute(self, statement, values=()):
            if statement.startswith(("STOP", "START")):
                wrote.append((statement, values[0]))
                self.slaves = [row(), row("zone0")] if wrote[-1] == ("START SLAVE %s", "zone0-slave") else self.slaves
                self.answer = []
            else:
                super().execute(statement, values)

    assert not gate.starts_again(purged) and not gate.starts_again(dict(hole, Last_SQL_Errno=1062))
    assert [problem.final for problem in gate.judge_pair([hole], "beta2") + gate.judge_federation([neighbour, purged], "beta2")] == [False, False, True]
    world(gate, Server([hole, neighbour]), FakeServer([row("zone0-master")]))
    now = [0.0]
    problems, reached = gate.wait(config, clock=lambda: now[0], pause=lambda seconds: now.__setitem__(0, now[0] + seconds), heal=True)
    assert problems == [] and reached
    assert wrote == [("STOP SLAVE %s", "zone0"), ("START SLAVE %s", "zone0"), ("STOP SLAVE %s", "zone0-slave"), ("START SLAVE %s", "zone0-slave")]


def test_looking_only_starts_nothing(gate, config):
    hole = dict(row(io="No", io_errno=1236), Last_IO_Error="is missing the GTID 0-1-46")
    world(gate, FakeServer([hole]), FakeServer([row("zone0-master")]))      # the fake refuses every statement that changes something
    assert refused(gate, config)


@pytest.fixture
def ring(gate, config):
    """Return a function that says what keeps alpha1 out of a ring; peers: {port: FakeServer or None}."""
    config.ring, config.peers = True, [("alpha2", "10.0.0.2", 2), ("alpha3", "10.0.0.3", 3)]

    def why(here, peers):
        def connect(**where):
            server = here if "unix_socket" in where else peers[where["port"]]
            if server is None:
                raise OSError("connection refused")
            return server

        gate.connect = connect
        return refused(gate, config)

    return why


WRITES = {"read_only": 0}


def test_ring_needs_no_more_than_its_writer(ring):
    assert ring(FakeServer([row()]), {2: FakeServer([row()], **WRITES), 3: None}) == []
    found = ring(FakeServer([row()]), {2: FakeServer([row()]), 3: None})
    assert len(found) == 1 and "alpha3 (10.0.0.3:3) does not answer" in found[0]


def test_ring_that_is_closed_around_this_node_is_not_broken(ring):
    parked = row("zone0-master", io="No")
    assert ring(FakeServer([row()]), {2: FakeServer([parked], **WRITES), 3: FakeServer([row(sql="No", sql_errno=1062)])}) == []
    found = ring(FakeServer([row(sql="No", sql_errno=1950)]), {2: FakeServer([row()], **WRITES), 3: FakeServer([row()])})
    assert len(found) == 1 and "zone0-slave" in found[0]


def test_ring_must_have_caught_up_with_its_writer(ring):
    found = ring(FakeServer([row()], wait_result=-1), {2: FakeServer([row()], **WRITES), 3: FakeServer([row()])})
    assert len(found) == 1 and "not caught up with alpha2" in found[0]


@pytest.mark.parametrize(("applied", "shut"), [("1-1-9,2-2-4", False), ("2-2-4", False), ("1-1-10,2-2-4", True)])
def test_layout_guide_keeps_out_a_node_whose_crash_took_back_what_its_peer_has(gate, config, applied, shut):
    here = FakeServer([row("zone0-slave")], position="1-1-9", applied="2-2-4", domain=1, passes_on=0)
    world(gate, here, FakeServer([row("zone0-master")], read_only=0, position="2-2-4", applied=applied, domain=2, passes_on=0))
    reasons = refused(gate, config)
    assert bool(reasons) == shut
    assert not shut or reasons == ["alpha2 has writes of alpha1 up to 1-10, alpha1 itself only up to 1-9: its crash took them back"]


@pytest.mark.parametrize("here, there, opens", [
    ({}, {}, True),
    ({"applied": "2-2-4"}, {}, False),                   # nothing of the peer's was taken back: 1236 has another cause
    ({}, {"read_only": 0}, False),                       # the peer serves the zone
    ({"passes_on": 1}, {}, False),                       # layout standby: the peer fetches it again
    ({}, {"applied": "1-1-10"}, False),                  # each has what the other lost
    ({"slaves": [row("zone0-slave", sql="No", io="No", io_errno=1236, sql_errno=1062)]}, {}, False),
])
def test_layout_guide_lets_in_the_node_that_has_what_its_peers_crash_took_back(gate, config, here, there, opens):
    own = dict({"slaves": [row("zone0-slave", io="No", io_errno=1236)], "position": "1-1-9", "applied": "2-2-5", "domain": 1, "passes_on": 0}, **here)
    peer = dict({"position": "2-2-4", "applied": "1-1-9", "domain": 2, "passes_on": 0}, **there)
    world(gate, FakeServer(**own), FakeServer([row("zone0-master")], **peer))
    problems, reached = gate.look(config, 5)
    assert (problems == []) is opens
    assert not opens or reached.startswith("this node has what the crash of alpha2 took back there; load alpha2 anew")


def test_layout_guide_does_not_try_a_channel_again_that_has_more_than_its_source(gate):
    lost = dict(row("zone0-master1", io="No", io_errno=1236), Last_IO_Error="connecting slave requested GTID 1-1-9, which is not in the master's binlog")
    assert not gate.starts_again(lost) and gate.starts_again(dict(lost, Connection_name="zone0"))
    (problem,) = gate.judge_federation([lost], "beta1")
    assert problem.final


HOLE = dict(row(io="No", io_errno=1236), Last_IO_Error="The binlog on the master is missing the GTID 0-1-46 requested by the slave")
NEIGHBOUR = dict(row("zone0", io="No", io_errno=1595), Last_IO_Error="Relay log write failure: could not queue event from master")


class Healing(FakeServer):
    """Channels that start; each start of one stops the other with 1595 as often as told."""

    def __init__(self, slaves, disturbs=0, **more):
        super().__init__(slaves, **more)
        self.wrote, self.disturbs = [], disturbs

    def execute(self, statement, values=()):
        if not statement.startswith(("STOP", "START")):
            super().execute(statement, values)
            return
        self.wrote.append((statement.split()[0], values[0]))
        self.answer = []
        if statement.startswith("START"):
            self.slaves = [row(values[0]) if one["Connection_name"] == values[0] else one for one in self.slaves]
            if self.disturbs and values[0] == "zone0-slave":
                self.disturbs -= 1
                self.slaves = [NEIGHBOUR if one["Connection_name"] == "zone0" else one for one in self.slaves]


@pytest.mark.parametrize("slaves, read_only, healed", [
    ([HOLE, row("zone0")], 1, ["zone0-slave"]),
    ([row(), NEIGHBOUR], 1, ["zone0"]),
    ([HOLE, NEIGHBOUR], 1, ["zone0", "zone0-slave"]),
    ([HOLE, NEIGHBOUR], 0, ["zone0"]),                                             # the writer's own channel is the agent's business
    ([dict(HOLE, Slave_SQL_Running="No")], 1, []),                                 # somebody stopped it
    ([dict(HOLE, Last_SQL_Errno=1062, Slave_SQL_Running="No")], 1, []),
    ([row(io="No")], 1, []),
    ([row(io="No", io_errno=1236)], 1, []),                                        # purged, diverged: no start mends that
    ([row(io="Connecting", io_errno=2003), row("zone0")], 1, []),
])
def test_healer_starts_what_only_needs_that_and_nothing_else(gate, config, slaves, read_only, healed):
    server = Healing(slaves, read_only=read_only)
    world(gate, server)
    assert sorted(gate.heal(config, pause=lambda seconds: None)) == healed
    assert sorted({name for verb, name in server.wrote if verb == "START"}) == healed == sorted({name for verb, name in server.wrote if verb == "STOP"})


def test_healer_looks_again_for_a_neighbour_that_it_stopped_and_gives_up_in_the_end(gate, config):
    server = Healing([HOLE, row("zone0")], disturbs=1)
    world(gate, server)
    assert gate.heal(config, pause=lambda seconds: None).keys() == {"zone0-slave", "zone0"} and all(one["Slave_IO_Running"] == "Yes" for one in server.slaves)
    stubborn = type("Stubborn", (Healing,), {"execute": lambda self, statement, values=(): (self.wrote.append(statement), setattr(self, "answer", []))
                                             if statement.startswith(("STOP", "START")) else FakeServer.execute(self, statement, values)})([HOLE])
    world(gate, stubborn)
    gate.heal(config, pause=lambda seconds: None)
    assert len(stubborn.wrote) == 2 * gate.HEAL_ROUNDS


def test_healer_leaves_a_channel_that_the_agent_has_parked(gate, config, tmp_path):
    gate.PARKED = tmp_path
    (tmp_path / "zone0-slave").touch()
    server = Healing([HOLE, NEIGHBOUR])
    world(gate, server)
    assert list(gate.heal(config, pause=lambda seconds: None)) == ["zone0"]


@pytest.mark.parametrize("position, read_only, followed", [
    ("0-1-9,100-3-4", 1, True),
    ("0-1-5,100-3-4", 1, True),                # the master zone's domain: the filter keeps most of it out of the peer's binary log
    ("0-1-9,100-3-3", 1, False),               # has not fetched from us yet what its crash took back
    ("0-1-9", 1, False),
    ("0-1-9,100-3-4", 0, False),               # the writer's agent does it
])
def test_parked_channel_of_a_stopped_zone_is_followed_again_when_the_peer_has_everything(gate, config, tmp_path, capsys, position, read_only, followed):
    gate.PARKED = tmp_path
    (tmp_path / "zone0-slave").touch()
    parked, other = dict(row(io="No"), Gtid_IO_Pos="0-1-9, 100-3-4"), dict(row("zone0", io="No"), Gtid_IO_Pos="0-1-9")
    server = Healing([parked, other], read_only=read_only)
    world(gate, server, FakeServer([row("zone0-master")], position=position, domain=100))
    assert gate.heal(config, pause=lambda seconds: None) == {}
    assert server.wrote == ([("STOP", "zone0-slave"), ("START", "zone0-slave")] if followed else []) and (tmp_path / "zone0-slave").exists() != followed
    assert ("alpha2 has everything of ours" in capsys.readouterr().out) == followed


@pytest.mark.parametrize("parked", [dict(row(io="No"), Gtid_IO_Pos="0-1-5"), dict(row(io="No", sql="No"), Gtid_IO_Pos="0-1-5"),
                                    dict(row(io="Connecting"), Gtid_IO_Pos="0-1-5")])
def test_channel_is_not_followed_that_somebody_else_stopped_or_whose_peer_is_away(gate, config, tmp_path, parked):
    gate.PARKED = tmp_path
    if parked["Slave_SQL_Running"] == "No" or parked["Slave_IO_Running"] != "No":
        (tmp_path / "zone0-slave").touch()
    server = Healing([parked])
    world(gate, server, FakeServer([row("zone0-master")]))
    gate.heal(config, pause=lambda seconds: None)
    assert server.wrote == []
    (tmp_path / "zone0-slave").touch()
    server.slaves = [dict(row(io="No"), Gtid_IO_Pos="0-1-5")]
    world(gate, server, None)
    gate.heal(config, pause=lambda seconds: None)
    assert server.wrote == []


@pytest.mark.parametrize("age_s, io, read_only, stays", [(500, "Yes", 1, False), (5, "Yes", 1, True), (500, "Connecting", 1, True), (500, "Yes", 0, True)])
def test_mark_of_a_channel_that_is_followed_does_not_excuse_it_for_ever(gate, config, tmp_path, age_s, io, read_only, stays):
    """A restarted MariaDB starts its channels; a promotion that finds the mark does not ask why one of them stopped."""
    gate.PARKED = tmp_path
    (tmp_path / "zone0-slave").touch()
    gate.time = type("Time", (), {"time": staticmethod(lambda: (tmp_path / "zone0-slave").stat().st_mtime + age_s)})
    server = Healing([dict(row(io=io), Gtid_IO_Pos="0-1-5")], read_only=read_only)
    world(gate, server, FakeServer([row("zone0-master")]))
    gate.heal(config, pause=lambda seconds: None)
    assert server.wrote == [] and (tmp_path / "zone0-slave").exists() == stays


def test_parked_channel_that_a_restarted_server_started_too_early_is_started_again(gate, config, tmp_path):
    gate.PARKED = tmp_path
    (tmp_path / "zone0-slave").touch()
    early = dict(row(io="No", io_errno=1236), Gtid_IO_Pos="0-1-5", Last_IO_Error="requested to start from GTID 0-1-5, which is not in the master's binlog")
    server = Healing([early])
    world(gate, server, FakeServer([row("zone0-master")], position="0-1-4"))
    gate.heal(config, pause=lambda seconds: None)
    assert server.wrote == []
    world(gate, server, FakeServer([row("zone0-master")], position="0-1-5"))
    gate.heal(config, pause=lambda seconds: None)
    assert server.wrote == [("STOP", "zone0-slave"), ("START", "zone0-slave")]


def test_healer_without_a_server_or_a_configuration_is_silent_and_one_that_healed_says_so(gate, config, tmp_path, capsys):
    files = ["--config", str(tmp_path / "gate.conf"), "--credentials", str(tmp_path / "gate.cnf")]
    gate.HEAL_PAUSE_S = 0
    world(gate, None)
    assert gate.main(["heal", *files]) == 0 and gate.main(["heal", "--config", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out == ""
    world(gate, Healing([HOLE]))
    assert gate.main(["heal", *files]) == 0
    assert capsys.readouterr().out.startswith("<4>heal: channel zone0-slave stopped with 1236: The binlog")


def test_gate_asks_its_peer_over_tls_or_not_at_all(gate, tmp_path, monkeypatch):
    (tmp_path / "gate.conf").write_text("[gate]\nsocket = /s\n")
    (tmp_path / "gate.cnf").write_text('[client]\nuser = g\npassword = "CANARY-9f2c"\nssl-ca = /ca.pem\nssl-verify-server-cert\n')
    config, asked = gate.Config(tmp_path / "gate.conf", tmp_path / "gate.cnf"), []

    class Plain:
        _sock = object()

        def close(self):
            asked.append("closed")

    monkeypatch.setattr(gate, "connect", lambda **where: asked.append(where) or Plain())
    with pytest.raises(OSError, match="offers no TLS"):
        gate.connect_peer(config, "10.0.0.2", 3306)
    assert asked[0]["ssl"] == {"ca": "/ca.pem"} and asked[1] == "closed"
    config.ca = None
    assert isinstance(gate.connect_peer(config, "10.0.0.2", 3306), Plain) and "ssl" not in asked[2]


def test_certificate_that_keeps_a_node_out_is_named_and_waited_for(gate):
    row = {"Connection_name": "zone0-slave", "Slave_IO_Running": "Connecting", "Slave_SQL_Running": "Yes", "Last_IO_Errno": 2026, "Last_SQL_Errno": 0,
           "Last_IO_Error": "SSL connection error: SSL certificate validation failure", "Last_SQL_Error": ""}
    (problem,) = gate.judge_pair([row], "alpha1", ["zone0-slave"])
    assert "error 2026: SSL connection error" in problem.why and "renews the certificates" in problem.remedy and not problem.final
