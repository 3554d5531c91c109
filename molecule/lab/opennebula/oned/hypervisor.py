# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated hypervisors: the table lab_domain.

States of a domain: running, saved (a checkpoint lies on the host), off, and what a fault injector may write: shutoff (the guest powered
itself off), crashed. Like libvirt they refuse a domain that runs already on the same host, and cannot know of one on another.
"""
from __future__ import annotations

from . import machine


class DriverError(Exception):
    """The driver's answer is FAILURE, with this message."""


class Hypervisors:
    """What drivers do on hosts, and what monitoring sees there."""

    REPORTS = {"running": "a", "shutoff": "d", "crashed": "e"}

    def __init__(self, database):
        self.database = database

    def domains(self, vm_id):
        return dict(self.database.rows("SELECT host, state FROM lab_domain WHERE vmid = %s", vm_id))

    def report(self, host):
        """Return what the host's probe says: VM id → a, d or e; a domain that is off is not reported."""
        rows = self.database.rows("SELECT vmid, state FROM lab_domain WHERE host = %s", host)
        return {vm_id: self.REPORTS[state] for vm_id, state in rows if state in self.REPORTS}

    def deploy(self, vm_id, host, _source):
        self._start(vm_id, host)

    def restore(self, vm_id, host, _source):
        saved = [where for where, state in self.domains(vm_id).items() if state == "saved"]
        if not saved:
            raise DriverError(f"Could not restore from checkpoint: no checkpoint of one-{vm_id} on {host}")
        self._start(vm_id, host)
        for where in saved:
            if where != host:
                self._set(vm_id, where, "off")

    def save(self, vm_id, host, _source):
        if self.domains(vm_id).get(host) != "running":
            raise DriverError(f"Could not save one-{vm_id}: Domain not found")
        self._set(vm_id, host, "saved")

    def shutdown(self, vm_id, host, _source):
        if host in self.domains(vm_id):         # gone already is as good
            self._set(vm_id, host, "off")

    def migrate(self, vm_id, host, source):
        if self.domains(vm_id).get(source) != "running":
            raise DriverError(f"Could not migrate one-{vm_id} from {source}: Domain not found")
        self.database.write(("UPDATE lab_domain SET state = 'off' WHERE vmid = %s AND host = %s", vm_id, source),
                            ("INSERT INTO lab_domain (vmid, host, state) VALUES (%s, %s, 'running') ON DUPLICATE KEY UPDATE state = 'running'", vm_id, host))

    def destroy(self, vm_id):
        self.database.write(("UPDATE lab_domain SET state = 'off' WHERE vmid = %s", vm_id))

    def _set(self, vm_id, host, state):
        self.database.write(("UPDATE lab_domain SET state = %s WHERE vmid = %s AND host = %s", state, vm_id, host))

    def _start(self, vm_id, host):
        running = [where for where, state in self.domains(vm_id).items() if state == "running"]
        if host in running:
            self.database.write(("UPDATE lab_domain SET collisions = collisions + 1 WHERE vmid = %s AND host = %s", vm_id, host))
            raise DriverError(f"Could not create domain: domain 'one-{vm_id}' already exists")
        self.database.write(("INSERT INTO lab_domain (vmid, host, state, starts, collisions, last_started) VALUES (%s, %s, 'running', 1, %s, %s)"
                             " ON DUPLICATE KEY UPDATE state = 'running', starts = starts + 1, collisions = collisions + VALUES(collisions),"
                             " last_started = VALUES(last_started)", vm_id, host, int(bool(running)), machine.now()))
