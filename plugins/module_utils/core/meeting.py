# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring two servers into snapshots of one position while both go on working: nothing is locked, paused or stopped.

A snapshot has a position in the master zone's GTID domain: its contents are what all events up to there have made of them. Snapshots at the same
position must have the same rows, and a row that is not the same is a difference, whatever was written before or after it. So the writer is put into
a consistent snapshot and this server into one when it reaches the writer's position; the two are then read at leisure. When this server has already
passed the position, the writer gets a new snapshot: an attempt takes milliseconds.

Why not less: rows read at different positions prove nothing, however often they are read. A row that was changed and changed back has, on a server
that is merely behind, a value that the writer has neither before nor after (red for lag); a server that lost a change is equal to what the writer had
before (green for unequal contents). Why not START SLAVE … UNTIL: it stops the applier at the position, and a module that is killed leaves it so.

The writer's position is that of its binary log as of the snapshot (binlog_snapshot_*). Here it is that of mysql.gtid_slave_pos, whose rows are written
by the transactions that they count and are read in the snapshot itself; for what this server once wrote as a writer, its binary log's.
"""
from __future__ import annotations

import re

from . import gtid
from .errors import CoreError

COORDINATES = "SHOW STATUS LIKE 'binlog_snapshot_%'"
APPLIED = "SELECT MAX(seq_no) AS n FROM mysql.gtid_slave_pos WHERE domain_id = %s"
EVENTS = "SHOW BINLOG EVENTS IN %s FROM %s LIMIT %s"
CHUNK = 200         # events read at once; the server may keep its binary log to itself meanwhile
HELD = 3            # snapshots held here; an older one may be at the position that the writer turns out to have
WAIT_S = 0.5
STILL_S = 5.0       # neither server moves, and they are not at one position: they will not meet
_GTID = re.compile(r"\bGTID \d+-\d+-\d+")


def coordinates(server):
    """Return file and offset of the binary log as of the server's snapshot, ("", 0) without a binary log."""
    found = {one["Variable_name"].lower(): one["Value"] for one in server.rows(COORDINATES)}
    return found.get("binlog_snapshot_file") or "", int(found.get("binlog_snapshot_position") or 0)


class There:
    """Snapshots of the server that is compared with. BINLOG_GTID_POS reads its file from the beginning, so that is asked once a file."""

    def __init__(self, snapshot, domain):
        self.server, self.domain = snapshot, domain
        self._file, self._offset, self._sequence = None, 0, 0

    def renew(self):
        """Take a new snapshot; return its sequence number in the domain."""
        self.server.renew()
        file, offset = coordinates(self.server)
        if not file:
            raise CoreError("the contents cannot be compared", self.server.where, "this server has no binary log, so its snapshots have no position",
                            "Run site.yml with --tags database.")
        if file == self._file:
            self._walk(offset)
        else:
            self._sequence = gtid.sequence(self.server.value("SELECT BINLOG_GTID_POS(%s, %s)", (file, offset)) or "", self.domain)
        self._file, self._offset = file, offset
        return self._sequence

    def _walk(self, end):
        at = self._offset
        while at < end:
            events = self.server.rows(EVENTS, (self._file, at, CHUNK))
            if not events:
                raise CoreError("the contents cannot be compared", self.server.where, f"its binary log {self._file} ends at {at}, before its snapshot at {end}",
                                "Look again; then at the server's error log.")
            for event in events:
                if int(event["Pos"]) >= end:
                    return
                match = _GTID.search(event["Info"]) if event["Event_type"] == "Gtid" else None
                if match:
                    self._sequence = gtid.sequence(match.group(0)[5:], self.domain) or self._sequence
                at = int(event["End_log_pos"])


class Here:
    """Snapshots of this server; ``new`` makes one. ``own``: sequence number of the last event that it wrote itself, 0 for none."""

    def __init__(self, server, new, domain, own=0):
        self.server, self.new, self.domain, self.own, self.held = server, new, domain, own, []

    def renew(self, goal=0):
        """Take a new snapshot, at once or when the applier reaches ``goal``, at last after WAIT_S; give up the oldest; return its sequence number."""
        snapshot = self.held.pop(0)[1] if len(self.held) == HELD else self.new()
        snapshot.renew(*((f"{self.domain}-1-{goal}", WAIT_S) if goal else ()))
        number = max(self.own, int(snapshot.value(APPLIED, (self.domain,)) or 0))
        self.held.append((number, snapshot))
        return number

    def at(self, number):
        return next((snapshot for held, snapshot in reversed(self.held) if held == number), None)

    def close(self, besides=None):
        for dummy, snapshot in self.held:
            if snapshot is not besides:
                snapshot.close()
        self.held = [one for one in self.held if one[1] is besides]


def meet(there, here, wait_s=30.0, clock=None, pause=None):
    """Return (sequence number, snapshot of this server) with ``there`` at the same number; raise CoreError when they do not meet in time."""
    clock, pause = clock or here.server.clock, pause or here.server.pause
    deadline = clock() + wait_s
    seen, since = None, clock()
    while True:
        here.renew()
        goal = there.renew()
        number = here.renew()
        while True:
            found = here.at(goal)
            if found is not None:
                here.close(besides=found)
                return goal, found
            now = clock()
            if seen != (goal, number):
                seen, since = (goal, number), now
            elif number > goal:
                pause(0.05)
            if now >= deadline or now - since >= STILL_S:
                here.close()
                raise CoreError("the contents could not be read at one position", here.server.where,
                                f"it {'stands still' if now - since >= STILL_S else 'was last seen'} at sequence {number} of GTID domain {there.domain}, "
                                f"{there.server.where} at {goal}", "It is catching up, or its replication is broken; look again.")
            if number > goal:
                break
            number = here.renew(goal)
