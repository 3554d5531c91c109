# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts: their capacity, the machines on them, monitoring, and where the scheduler puts a new machine."""
from __future__ import annotations

import re
import threading
import time
import traceback

from . import body, machine, pools
from .database import DatabaseError

MONITORED, ERROR, DISABLED, OFFLINE = 2, 3, 4, 8
_CAPACITY = {"MAX_DISK": 204800, "MAX_MEM": 16777216, "MAX_CPU": 800, "FREE_DISK": 204800, "FREE_MEM": 16777216, "FREE_CPU": 800}


class Hosts:
    """host_pool, as far as machines are concerned."""

    def __init__(self, database):
        self.pool = pools.Pool(database, "HOST")
        self.lock = threading.RLock()

    def place(self, host_id, vm):
        self._change(host_id, vm.id, present=True)

    def remove(self, host_id, vm_id):
        self._change(host_id, vm_id, present=False)

    def _change(self, host_id, vm_id, present):
        with self.lock:
            host = self.pool.get(host_id)
            if host is None:
                return
            vms = host.find("VMS")
            numbers = {int(child.text) for child in vms}
            numbers = numbers | {vm_id} if present else numbers - {vm_id}
            vms[:] = [body.new("ID") for _number in numbers]
            for child, number in zip(vms, sorted(numbers)):
                child.text = str(number)
            body.put(host, "HOST_SHARE/RUNNING_VMS", len(numbers))
            self.pool.save(host)

    def monitored(self, host):
        """Note that the host answered its probe."""
        with self.lock:
            fresh = self.pool.get(body.number(host, "ID"))
            if fresh is None:
                return
            state = body.number(fresh, "STATE")
            wanted = ERROR if body.get(fresh, "TEMPLATE/LAB_STATE") == "ERROR" else MONITORED
            body.put(fresh, "STATE", state if state in (DISABLED, OFFLINE) else wanted)
            body.put(fresh, "LAST_MON_TIME", machine.now())
            for name, value in _CAPACITY.items():
                body.put(fresh, f"HOST_SHARE/{name}", value)
            self.pool.save(fresh)

    def candidates(self):
        """Return the monitored hosts, the emptiest first."""
        hosts = [host for host in self.pool.all() if body.number(host, "STATE") == MONITORED]
        return sorted(hosts, key=lambda host: (len(host.findall("VMS/ID")), body.number(host, "ID")))


class Monitor:
    """Probes the hosts every MONITORING_INTERVAL, and follows what they say of machines."""

    def __init__(self, hosts, lifecycle, interval, log):
        self.hosts, self.lifecycle, self.interval, self.log = hosts, lifecycle, max(interval, 1), log
        self._missing = {}

    def start(self):
        threading.Thread(target=self._run, daemon=True, name="monitor").start()

    def _run(self):
        while True:
            time.sleep(self.interval)
            try:
                self.once()
            except DatabaseError as error:
                self.log.error("InM", str(error))
            except Exception:                                       # noqa: BLE001  the thread has to live on; the log says why
                self.log.error("InM", traceback.format_exc())

    def once(self):
        for host in self.hosts.pool.all():
            name, number = body.get(host, "NAME"), body.number(host, "ID")
            if body.number(host, "STATE") == OFFLINE:
                continue
            self.hosts.monitored(host)
            self.log.write("InM", "D", f"Host {name} ({number}) successfully monitored.")
            if body.get(host, "TEMPLATE/LAB_STATE") != "ERROR":
                self.machines(number, self.lifecycle.hypervisors.report(name))

    def machines(self, host_id, report):
        for vm_id in self.lifecycle.vms.ids("state IN (3, 8)"):
            with self.lifecycle.lock:
                vm = self.lifecycle.load(vm_id)
                if vm is None:
                    continue
                if vm.host == host_id:
                    self.machine(vm, report.get(vm_id))
                elif vm_id in report and leaves(vm, host_id):
                    self.machine(vm, report[vm_id])

    def machine(self, vm, said):
        if said is None:
            self._missing[vm.id] = self._missing.get(vm.id, 0) + 1
            polled = body.number(vm.element, "LAST_POLL") > 0
            if polled and self._missing[vm.id] > 2:     # two missing reports are waited for, and only for a machine that was seen once
                self.lifecycle.reported(vm, "d")
            return
        self._missing.pop(vm.id, None)
        body.put(vm.element, "LAST_POLL", machine.now())
        body.put(vm.element.find("MONITORING"), "STATE", said)
        if not self.lifecycle.reported(vm, said):
            self.lifecycle.vms.seen(vm)


class Scheduler:
    """The stand-in has no mm_sched: PENDING machines go to the emptiest host that their SCHED_REQUIREMENTS allow."""

    def __init__(self, hosts, lifecycle, deploy, interval, log):
        self.hosts, self.lifecycle, self.deploy, self.interval, self.log = hosts, lifecycle, deploy, interval, log

    def start(self):
        threading.Thread(target=self._run, daemon=True, name="scheduler").start()

    def _run(self):
        while True:
            time.sleep(self.interval)
            try:
                self.once()
            except DatabaseError as error:
                self.log.error("SCHED", str(error))
            except Exception:                                       # noqa: BLE001
                self.log.error("SCHED", traceback.format_exc())

    def once(self):
        for vm_id in self.lifecycle.vms.ids("state = 1"):
            with self.lifecycle.lock:
                vm = self.lifecycle.load(vm_id)
                if vm is not None and vm.state == "PENDING":
                    host = next((host for host in self.hosts.candidates() if suits(host, vm.user("SCHED_REQUIREMENTS"))), None)
                    if host is not None:
                        self.deploy(vm, host)


def leaves(vm, host_id):
    """Tell whether the machine is on its way from this host: until it has arrived both hosts own it, and either may report it."""
    return vm.state in ("MIGRATE", "SAVE_MIGRATE") and vm.previous is not None and body.number(vm.previous, "HID") == host_id


def suits(host, requirements):
    """Tell whether a host fulfils requirements; of the language only NAME="…" and ID="…", joined by | or &, are understood.

    Anything else suits no host: the machine stays PENDING, as with requirements that nobody fulfils.
    """
    if not requirements.strip():
        return True
    facts = {"NAME": body.get(host, "NAME"), "ID": body.get(host, "ID")}
    return any(all(_term(term, facts) for term in part.split("&")) for part in requirements.split("|"))


def _term(text, facts):
    match = re.fullmatch(r'\s*\(?\s*(\w+)\s*=\s*"?([^"]*?)"?\s*\)?\s*', text)
    return bool(match) and facts.get(match.group(1).upper()) == match.group(2)
