# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts: their capacity, the machines on them, monitoring, and where the scheduler puts a new machine."""
from __future__ import annotations

import collections
import re
import threading
import time
import traceback

from . import body, config, machine, mads, pools, template
from .database import DatabaseError

MONITORED, ERROR, DISABLED, OFFLINE = 2, 3, 4, 8
_CAPACITY = {"MAX_DISK": 204800, "MAX_MEM": 16777216, "MAX_CPU": 800, "FREE_DISK": 204800, "FREE_MEM": 16777216, "FREE_CPU": 800}
# what probes say and the daemon moves out of the template
_SHARE = {"MAX_CPU": "TOTALCPU", "MAX_MEM": "TOTALMEMORY", "MAX_DISK": "DS_LOCATION_TOTAL_MB", "FREE_CPU": "FREECPU", "FREE_MEM": "FREEMEMORY",
          "FREE_DISK": "DS_LOCATION_FREE_MB", "USED_CPU": "USEDCPU", "USED_MEM": "USEDMEMORY", "USED_DISK": "DS_LOCATION_USED_MB"}
_NOT_KEPT = {*_SHARE.values(), "ERROR", "VM", "VM_POLL", "DS", "PCI"}


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

    def monitored(self, host, said=None):
        """Note that the host answered; ``said``: what its probes say (template elements), None: a simulated host of one size."""
        with self.lock:
            fresh = self._seen(host, MONITORED)
            if fresh is None:
                return
            kept = fresh.find("TEMPLATE")
            merged = template.merge(kept, said or [], append=True)
            share = dict(_CAPACITY) if said is None else {name: _whole(body.get(merged, source)) for name, source in _SHARE.items()}
            kept[:] = [attribute for attribute in merged if attribute.tag not in _NOT_KEPT]
            for name, value in share.items():
                body.put(fresh, f"HOST_SHARE/{name}", value)
            self.pool.save(fresh)

    def failed(self, host, problem):
        """Note that the host could not be monitored; what is known of its size stays."""
        with self.lock:
            fresh = self._seen(host, ERROR)
            if fresh is not None:
                if problem:
                    body.put(fresh.find("TEMPLATE"), "ERROR", mads.stamped(problem))
                self.pool.save(fresh)

    def _seen(self, host, state):
        fresh = self.pool.get(body.number(host, "ID"))
        if fresh is None:
            return None
        now = body.number(fresh, "STATE")
        wanted = ERROR if body.get(fresh, "TEMPLATE/LAB_STATE") == "ERROR" else state
        body.put(fresh, "STATE", now if now in (DISABLED, OFFLINE) else wanted)
        body.put(fresh, "LAST_MON_TIME", machine.now())
        return fresh

    def candidates(self, policy="1"):
        """Return the monitored hosts, best first: the emptiest, with policy 0 the fullest, with 4 those of the highest PRIORITY."""
        hosts = [host for host in self.pool.all() if body.number(host, "STATE") == MONITORED]
        machines = {"0": -1}.get(policy, 1)
        clusters = {}
        if policy == "4":
            clusters = {body.number(cluster, "ID"): body.get(cluster, "TEMPLATE/PRIORITY") for cluster in pools.Pool(self.pool.database, "CLUSTER").all()}

        def rank(host):
            given = body.get(host, "TEMPLATE/PRIORITY") or clusters.get(body.number(host, "CLUSTER_ID"))
            return (-_whole(given) if policy == "4" else 0, machines * len(host.findall("VMS/ID")), body.number(host, "ID"))
        return sorted(hosts, key=rank)


def _whole(text):
    try:
        return int(float(text or 0))
    except ValueError:
        return 0


class Monitor:
    """Probes the hosts every MONITORING_INTERVAL, and follows what they say of machines."""

    def __init__(self, hosts, lifecycle, interval, log, drivers=None, places=None):
        """``drivers``: the information drivers of oned.conf by name; None: every host is simulated."""
        self.hosts, self.lifecycle, self.interval, self.log = hosts, lifecycle, max(interval, 1), log
        self.drivers, self.places = drivers, places
        self._missing = {}
        self._probing = set()

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
            if body.number(host, "STATE") != OFFLINE:
                self.look(host)

    def look(self, host):
        """Monitor one host: a simulated one at once, one with probes in a thread of its own, so that it keeps nobody waiting but itself."""
        name, number = body.get(host, "NAME"), body.number(host, "ID")
        driver = None
        if self.drivers is not None:
            driver = self.drivers.get(body.get(host, "IM_MAD"))
            if driver is None:
                self.log.error("InM", f"Could not find information driver {body.get(host, 'IM_MAD')}")
                self.hosts.failed(host, "")
                return
        try:
            command = driver and driver.command(self.places, number, name)
        except mads.ProbeError as problem:
            self.failed(host, problem)
            return
        if not command:
            self.seen(host)
        elif number not in self._probing:                       # the last run may not be over
            self._probing.add(number)
            threading.Thread(target=self.probe, args=(host, command), daemon=True, name=f"probe {number}").start()

    def probe(self, host, command):
        try:
            self.seen(host, mads.probe(command, self.places, self.log))
        except mads.ProbeError as problem:
            self.failed(host, problem)
        except Exception:                                       # noqa: BLE001  the next look comes; the log says why
            self.log.error("InM", traceback.format_exc())
        finally:
            self._probing.discard(body.number(host, "ID"))

    def failed(self, host, problem):
        text = f"Error monitoring Host {body.get(host, 'NAME')} ({body.get(host, 'ID')}): {problem}"
        self.log.error("ONE", text)
        self.hosts.failed(host, text)

    def seen(self, host, said=None):
        name, number = body.get(host, "NAME"), body.number(host, "ID")
        self.hosts.monitored(host, said)
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
    """The stand-in has no mm_sched: PENDING machines go to the best host that has room and that their SCHED_REQUIREMENTS allow.

    Of sched.conf it heeds DEFAULT_SCHED, MAX_DISPATCH and MAX_HOST; without that file there are no limits.
    """

    def __init__(self, hosts, lifecycle, deploy, interval, log, conf=None):
        self.hosts, self.lifecycle, self.deploy, self.interval, self.log, self.conf = hosts, lifecycle, deploy, interval, log, conf

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

    def settings(self):
        """Return policy, MAX_DISPATCH (0: no limit) and MAX_HOST as sched.conf has them now."""
        if self.conf is None or not self.conf.exists():
            return "1", 0, None
        loaded = config.Config.read(self.conf)
        return loaded.vector("DEFAULT_SCHED").get("POLICY", "1"), loaded.number("MAX_DISPATCH", 30), loaded.number("MAX_HOST", 1)

    def once(self):
        waiting = self.lifecycle.vms.ids("state = 1")
        if not waiting:
            return
        try:
            policy, max_dispatch, max_host = self.settings()
        except (OSError, config.SyntaxProblem) as problem:
            self.log.error("SCHED", f"{self.conf}: {problem}")
            return
        deployed = collections.Counter()
        for vm_id in waiting:
            if max_dispatch and sum(deployed.values()) >= max_dispatch:
                break
            with self.lifecycle.lock:
                vm = self.lifecycle.load(vm_id)
                if vm is None or vm.state != "PENDING":
                    continue
                for host in self.hosts.candidates(policy):
                    number = body.number(host, "ID")
                    if (max_host is None or deployed[number] < max_host) and clouded(host, vm) and suits(host, vm.user("SCHED_REQUIREMENTS")) \
                            and self.fits(host, vm):
                        self.deploy(vm, host)
                        deployed[number] += 1
                        break

    def fits(self, host, vm):
        """Tell whether the host has as much CPU and memory left as the machine wants."""
        here = [vm] + [other for other in map(self.lifecycle.vms.get, body.ids(host, "VMS")) if other is not None]
        cpu = sum(_number(other, "CPU") * 100 for other in here)
        memory = sum(_number(other, "MEMORY") * 1024 for other in here)
        return cpu <= body.number(host, "HOST_SHARE/MAX_CPU") + 1e-6 and memory <= body.number(host, "HOST_SHARE/MAX_MEM")


def _number(vm, name):
    try:
        return float(body.get(vm.element, f"TEMPLATE/{name}") or 0)
    except ValueError:
        return 0.0


def clouded(host, vm):
    """Tell whether a machine may go to a host that stands for a cloud: one with a PUBLIC_CLOUD of that cloud's TYPE may, as 5.0.2 requires by itself."""
    if body.get(host, "TEMPLATE/PUBLIC_CLOUD").upper() != "YES":
        return True
    types = {body.get(cloud, "TYPE").lower() for cloud in vm.element.findall("USER_TEMPLATE/PUBLIC_CLOUD")}
    types |= {"ec2"} if vm.element.find("USER_TEMPLATE/EC2") is not None else set()
    return body.get(host, "TEMPLATE/HYPERVISOR").lower() in types


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
