# SPDX-License-Identifier: GPL-3.0-or-later
"""Two servers meet at one position: against a model of histories, in which both go on between any two statements."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.constellation.opennebula.plugins.module_utils.core import meeting
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError

ALTERED = "altered by hand"
DOMAIN, ROTATE, EVENT = 7, 10, 100      # events of a file; an event group is a Gtid of 40 bytes and a row of 60


class World:
    """A writer's history of one small table, and a server that applies it. Few keys and values: rows are changed and changed back all the time."""

    def __init__(self, steps=(), stopped=False):
        self.history, self.here, self.applied, self.steps, self.stopped, self.time = [(1, 1), (2, 1)], {}, 0, iter(steps), stopped, 0.0
        self.apply(2)
        self.open, self.asked = 0, []

    def write(self, key, value):
        self.history.append((key, value))

    def apply(self, upto):
        while self.applied < min(upto, len(self.history)):
            key, value = self.history[self.applied]
            self.here[key], self.applied = value, self.applied + 1

    def there(self, count):
        return dict(self.history[:count])

    def go_on(self):
        """What happens between two statements of ours."""
        self.time += 0.001
        for step in next(self.steps, ()):
            if isinstance(step, tuple):
                self.write(*step)
            elif not self.stopped:
                self.apply(self.applied + step)


class Server:
    where = "fake"

    def __init__(self, world):
        self.world, self.closed = world, False
        world.open += 1

    def clock(self):
        return self.world.time

    def pause(self, seconds):
        self.world.time += seconds

    def close(self):
        assert not self.closed
        self.closed = True
        self.world.open -= 1


class Writer(Server):
    def renew(self):
        self.world.go_on()
        self.count = len(self.world.history)
        self.contents = self.world.there(self.count)

    def rows(self, sql, args=()):
        self.world.go_on()
        self.world.asked.append(sql)
        file, rest = divmod(self.count - 1, ROTATE)
        if sql == meeting.COORDINATES:
            return [{"Variable_name": "Binlog_snapshot_file", "Value": f"bin.{file}"},
                    {"Variable_name": "Binlog_snapshot_position", "Value": str(4 + EVENT * (rest + 1))}]
        assert sql == meeting.EVENTS
        first = int(args[0].split(".")[1]) * ROTATE
        events = []
        for number in range(first + 1, min(len(self.world.history), first + ROTATE) + 1):
            at = 4 + EVENT * (number - first - 1)
            events.append({"Pos": at, "Event_type": "Gtid", "End_log_pos": at + 40, "Info": f"BEGIN GTID {DOMAIN}-1-{number} cid=3"})
            events.append({"Pos": at + 40, "Event_type": "Annotate_rows", "End_log_pos": at + EVENT, "Info": f"SET x='GTID {DOMAIN}-1-{number + 5}'"})
        return [event for event in events if event["Pos"] >= args[1]][:args[2]]

    def value(self, sql, args):
        self.world.go_on()
        assert sql.startswith("SELECT BINLOG_GTID_POS(")
        file, offset = args
        return f"{DOMAIN}-1-{int(file.split('.')[1]) * ROTATE + (offset - 4) // EVENT},100-3-9999"


class Replica(Server):
    def renew(self, reached="", within_s=0):
        if reached:
            self.wait(int(reached.split("-")[2]), within_s)
        self.world.go_on()      # also between the two parts of one statement
        self.applied, self.contents = self.world.applied, dict(self.world.here)

    def wait(self, goal, within_s):
        if self.world.stopped or goal > len(self.world.history):
            self.world.time += within_s
        else:
            self.world.apply(goal)

    def value(self, sql, args):
        self.world.go_on()
        assert (sql, args) == (meeting.APPLIED, (DOMAIN,))
        return self.applied


def meet(world, own=0, wait_s=30.0):
    there = meeting.There(Writer(world), DOMAIN)
    here = meeting.Here(Replica(world), lambda: Replica(world), DOMAIN, own)
    number, snapshot = meeting.meet(there, here, wait_s)
    return number, there.server, snapshot


STEPS = st.lists(st.lists(st.one_of(st.tuples(st.integers(1, 3), st.integers(1, 2)), st.integers(1, 3)), max_size=3), max_size=120)


@pytest.mark.parametrize("chunk", [1, 3, 200])
@given(steps=STEPS)
def test_a_server_that_is_only_behind_is_equal(chunk, steps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meeting, "CHUNK", chunk)
        world = World(steps)
        number, there, here = meet(world)
    assert there.count == here.applied == number and there.contents == here.contents == world.there(number)
    assert world.open == 3      # the writer's, the one that asks for the time, and the snapshot that was met in


@given(steps=STEPS, altered=st.integers(1, 3), at=st.integers(0, 100))
def test_a_row_that_was_altered_or_lost_is_a_difference_until_it_is_written_again(steps, altered, at):
    world = World(steps)
    go_on, seen = world.go_on, [0]

    def go_on_and_break():
        go_on()
        seen[0] += 1
        if seen[0] == at:
            world.here[altered] = ALTERED

    world.go_on = go_on_and_break
    number, there, here = meet(world)
    differs = {key for key in {**there.contents, **here.contents} if there.contents.get(key) != here.contents.get(key)}
    assert differs == ({altered} if here.contents.get(altered) == ALTERED else set()) and there.contents == world.there(number)


def test_a_row_that_is_changed_and_changed_back_is_no_difference():
    """Read at different positions it would be: 1 before and after at the writer, 2 here."""
    world = World()
    for value in (2, 1):
        world.write(1, value)
    world.apply(3)
    number, there, here = meet(world)
    assert number == 4 and there.contents == here.contents


def test_a_server_that_lost_a_change_is_not_equal_to_what_the_writer_had_before():
    world = World()
    world.write(1, 2)
    world.applied = 3       # passed, not applied
    dummy, there, here = meet(world)
    assert there.contents[1] == 2 and here.contents[1] == 1


def test_a_server_that_stands_still_is_not_waited_for():
    world = World(stopped=True)
    world.write(1, 2)
    with pytest.raises(CoreError, match="one position.*stands still at sequence 2 of GTID domain 7, fake at 3"):
        meet(world)
    assert meeting.STILL_S <= world.time < meeting.STILL_S + 2 and world.open == 2


def test_a_server_that_is_ahead_and_stays_there_is_not_waited_for():
    world = World()
    world.applied = 5
    with pytest.raises(CoreError, match="stands still at sequence 5 of GTID domain 7, fake at 2"):
        meet(world)


def test_a_server_that_never_catches_up_is_given_up_in_time():
    world = World()
    for dummy in range(100):
        world.write(1, 1)

    class Slow(Replica):
        def wait(self, goal, within_s):
            self.world.time += within_s
            self.world.apply(self.world.applied + 1)

    with pytest.raises(CoreError, match="was last seen at sequence"):
        meeting.meet(meeting.There(Writer(world), DOMAIN), meeting.Here(Slow(world), lambda: Slow(world), DOMAIN), 10)
    assert 10 <= world.time < 12


def test_what_a_server_wrote_itself_counts():
    world = World()
    world.applied = 1      # its applier has not seen its own last event come back
    number, there, here = meet(world, own=2)
    assert number == there.count == 2 and here.applied == 1


def test_a_file_is_read_from_its_beginning_only_once():
    world = World([[(1, 1)]] * 6, stopped=True)
    there = meeting.There(Writer(world), DOMAIN)
    numbers = [there.renew() for dummy in range(6)]
    assert numbers == sorted(numbers) and numbers[-1] == there.server.count and world.asked.count(meeting.EVENTS) == 2


def test_a_server_without_a_binary_log_has_no_position():
    writer = Writer(World())
    writer.rows = lambda sql, args=(): []
    with pytest.raises(CoreError, match="no binary log"):
        meeting.There(writer, DOMAIN).renew()
