# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab of molecule/lab behind the words that the faults use (those of layouts.Layout and cluster.Cluster in one).

What those play on bare servers, pacemaker, systemd, the fence devices and the gate do here; this only breaks, waits and looks. It looks by other
roads than the collection: the nodes' sockets and network namespaces seen from this machine, crm_mon, journals.
"""
from __future__ import annotations

import json
import os
import pathlib
import re
import secrets
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET

import layouts
import pymysql
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import mariadb
from servers import Server
from workload import FIRST

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "molecule/lab"))
import addresses  # noqa: E402  pylint: disable=wrong-import-position

PAIR = re.compile(r"^zone\d+-(master|slave)$")
REJOIN = "constellation-rejoin.service"
# A node that is off costs verify.yml one attempt for each part that it reads.
QUICK = json.dumps({"ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=2"})
ALPHA, BETA = "alpha", "beta"


def plan():
    """Return the address plan that the environment names."""
    net = os.environ.get("LAB_NET") or "10.90"
    return addresses.plan(os.environ.get("LAB_NAME") or "constellation", net, os.environ.get("LAB_BMC_NET") or addresses.default_bmc_net(net),
                          os.environ.get("LAB_ZONES") or addresses.SHAPE)


# --- pure ------------------------------------------------------------------------------------------------------------------------

def members(crm_mon):
    """Return the names of the nodes that take part in the cluster, from crm_mon's XML.

    >>> members('<x><nodes><node name="a" online="true" standby="false" pending="false" unclean="false"/><node name="b" online="false"/></nodes></x>')
    {'a'}
    """
    right = {"online": "true", "standby": "false", "pending": "false", "unclean": "false"}
    return {node.get("name") for node in ET.fromstring(crm_mon).iterfind("./nodes/node") if all(node.get(key) == value for key, value in right.items())}


def red(output):
    """Return the lines of verify.yml's report that are not green, from Ansible's output; None when there is no report.

    >>> red('fatal: [a]: FAILED! => {"msg": "1 of 2 checks are green, 1 are not:\\\\n  RED     a: runs: no → start it\\\\n  green   a: x 1"}')
    ['RED a: runs: no']
    """
    for found in re.findall(r"^fatal: \[.*?\]: FAILED! => (\{.*\})$", output, flags=re.M):
        report = str(json.loads(found).get("msg") or "-").splitlines()
        if "checks are green" in report[0]:
            lines = [line.split(" → ")[0] for line in report if re.match(r"\s+(RED|UNKNOWN)\s", line)]
            return [" ".join(line.split())[:300] for line in lines]
    return [] if re.search(r"\b(\d+) of \1 checks are green", output) else None


def silence(ledger, since, until):
    """Return the longest time without an acknowledgement between two moments, from the lines of a ledger.

    >>> silence(['{"outcome": "ack", "at": 1.0}', '{"outcome": "?", "at": 4.0}', '{"outcome": "ack", "at": 9.0}'], 2.0, 10.0)
    7.0
    """
    acks = [one["at"] for one in map(json.loads, ledger) if one["outcome"] == "ack" and one["at"] <= until]
    moments = [since] + [at for at in acks if at > since] + [until]
    return round(max(after - before for before, after in zip(moments, moments[1:])), 1)


def fenced(journal):
    """Return {node: (by whom, when)} of the fencing that pacemaker holds for done, from lines of journals with times.

    Not from the BMCs' log: the agent does not press the button of a machine that is off.

    >>> fenced(["9.5 a2 pacemaker-fenced[1]: notice: Operation 'reboot' targeting a1 by a2 for pacemaker-controld.7@a2: OK (complete)"])
    {'a1': ('a2', 9.5)}
    """
    found = {}
    for line in journal:
        match = re.search(r"^(\d+\.\d+) .*Operation '\w+' targeting (\S+) by (\S+) for \S+: OK", line)
        if match:
            found[match.group(2)] = (match.group(3), float(match.group(1)))
    return found


# --- the lab ---------------------------------------------------------------------------------------------------------------------

def run(*argv, check=True, within_s=300, **options):
    done = subprocess.run([str(word) for word in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=within_s,
                          stdin=subprocess.DEVNULL, **options)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))}: exit {done.returncode}: {done.stdout.strip()[-1500:]}")
    return done.stdout


def began(pid):
    """Return when a process began, in the kernel's ticks; None when there is none."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19]
    except OSError:
        return None


def lab(*words):
    return run(ROOT / "molecule/lab/lab", *words)


class Machine(Server):
    """One front-end. Its MariaDB is asked through the container's file system, so no network and no login is in between."""

    def __init__(self, node, facts):
        self.name, self.zone, self.container, self.facts, self._init = node.name, node.zone, node.container, facts, None
        self.kind = "slave" if facts["federation_slave"] else "master"

    @property
    def pid(self):
        """Return the pid of its init, None while it is off."""
        if self._init is None or began(self._init[0]) != self._init[1]:
            state = run("podman", "inspect", "--format", "{{.State.Running}} {{.State.Pid}}", self.container).split()
            self._init = (int(state[1]), began(int(state[1]))) if state[0] == "true" and int(state[1]) else None
        return self._init and self._init[0]

    @property
    def up(self):
        return self.pid is not None

    @property
    def socket(self):
        return f"/proc/{self.pid}/root/run/mysqld/mysqld.sock"

    def has(self, address):
        return self.up and f"inet {address}/" in run("nsenter", "--target", self.pid, "--net", "ip", "-o", "-4", "address", check=False)

    def inside(self, *argv, check=True):
        return run("podman", "exec", self.container, *argv, check=check)

    def journal(self, since, *units, output="cat"):
        """Return the lines of units since a moment, also those of before a power cycle."""
        unit = [f"--unit={name}" for name in units]
        return self.inside("journalctl", "--quiet", f"--since=@{int(since)}", f"--output={output}", *unit, check=False).splitlines() if self.up else []


class Doors(mariadb.Servers):
    """What a module asks at other addresses it finds at those nodes' sockets: from this machine nobody may log in there."""

    def __init__(self, params, nodes):
        super().__init__(params)
        self.nodes = nodes

    def at(self, host, port, kind=mariadb.Server):
        return kind({"login_unix_socket": self.nodes[host].socket})


class Laboratory:
    """Both zones. ``say`` takes lines for the run's log."""

    name = "lab"
    server = staticmethod(layouts.Layout.server)

    def __init__(self, say, writers):
        self.say, self.writers, self.plan, self.network = say, writers, plan(), Wires(plan())
        self.zones = {zone: [node.name for node in self.plan.zone_nodes(zone)] for zone in self.plan.vips}
        self.topology = layouts.derive(self.plan.net, prefix=16)
        self.nodes = {name: Machine(node, self.topology["nodes"][name]) for name, node in self.plan.nodes.items()}
        self.ports = dict.fromkeys(self.nodes, 3306)
        self.federation_address = f"{self.plan.net}.1.101"
        self.off, self.uncalled, self.failed, self.refusals = {}, [], [], []
        lazy = [name for name, node in self.nodes.items() if node.inside("systemctl", "is-enabled", REJOIN, check=False).strip() != "enabled"]
        if lazy:
            raise SystemExit(f"{', '.join(lazy)} would not come back by themselves: converge with site.yml -e database_auto_rejoin=true (make faults-lab does)")

    def servers(self, node):
        return Doors({"login_unix_socket": node.socket}, {one.facts["address"]: one for one in self.nodes.values()})

    def zone_of(self, name):
        return self.nodes[name].zone

    def peer(self, name):
        return next(one for one in self.zones[self.zone_of(name)] if one != name)

    def others(self, name):
        return [one for one in self.zones[self.zone_of(name)] if one != name]

    def following(self, name):
        """Return the node that pulls from this one: the peer, in a pair."""
        return self.peer(name)

    def standby(self, zone):
        active = self.active[zone]
        return next(name for name in self.zones[zone] if name != active)

    @property
    def active(self):
        """Return {zone: the front-end whose database takes writes, or None}."""
        return {zone: next((name for name in names if self.nodes[name].up and self.nodes[name].value("SELECT @@global.read_only = 0") == 1), None)
                for zone, names in self.zones.items()}

    @property
    def members(self):
        """Return {zone: those that every front-end with a cluster holds for members}."""
        found = {}
        for zone, names in self.zones.items():
            views = [self.nodes[name].inside("crm_mon", "--one-shot", "--output-as=xml", check=False) for name in names if self.nodes[name].up]
            views = [members(view) for view in views if "<nodes>" in view]
            found[zone] = set.intersection(*views) if views else set()
        return found

    def complete(self):
        """Everybody is a member and every zone has a writer. Who is off without a fault's doing gets its power back."""
        for name, node in self.nodes.items():
            if not node.up and name not in self.off:
                self.uncalled.append(name)
                self.say(f"{name} is off and no fault took it (a stall of this machine?): {self.fenced_since(time.time() - 120).get(name)}")
                lab("power", name, "on")
        return all(self.active.values()) and all(found == set(self.zones[zone]) for zone, found in self.members.items())

    def wait(self, seconds):
        time.sleep(seconds)

    def wait_until(self, condition, within_s, every_s=0.5):
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() >= deadline:
                return False
            time.sleep(every_s)
        return True

    def attend(self):
        """Pacemaker does."""

    # --- what a fault does, and what it waits for ------------------------------------------------------------------------------------

    def kill(self, name):
        self.off[name] = time.time()
        lab("kill", name)

    def fenced_since(self, since):
        """Return {node: (by whom, when)}."""
        return fenced(line for node in self.nodes.values() for line in node.journal(since, "pacemaker", output="short-unix"))

    def fenced(self, name, within_s=120):
        """Wait until its peers hold its fencing for done."""
        begun = self.off.setdefault(name, time.time())
        if not self.wait_until(lambda: name in self.fenced_since(begun), within_s, 1):
            self.say(f"{name} was not fenced within {within_s} s")
            return
        by, when = self.fenced_since(begun)[name]
        self.say(f"{name} was fenced by {by} after {when - begun:.1f} s")

    def takeover(self, dead, within_s=180):
        zone, peer, begun = self.zone_of(dead), self.peer(dead), time.monotonic()
        if not self.wait_until(lambda: self.active[zone] == peer, within_s):
            self.say(f"{peer} did not take over within {within_s} s")
            return False
        self.say(f"{peer} is the writer {time.monotonic() - begun:.1f} s later")
        return True

    def promote(self, name):
        """Pacemaker decides who; wait until somebody is."""
        return self.wait_until(lambda: self.active[self.zone_of(name)], 120)

    def power_on(self, name):
        """The node boots; whether it comes in is its gate's business."""
        self.off.pop(name, None)
        lab("power", name, "on")

    def switch(self, zone):
        old = self.active[zone]
        self.nodes[old].inside("pcs", "node", "standby", old)
        try:
            self.takeover(old, 120)
        finally:
            self.nodes[old].inside("pcs", "node", "unstandby", old)

    def cold_stop(self, zone, names):
        for name in names:
            self.kill(name)

    def federation_holder(self):
        return next((name for name in self.zones[ALPHA] if self.nodes[name].has(self.federation_address)), None)

    def gate_says(self, name, since):
        return [line for line in self.nodes[name].journal(since, "corosync", "pacemaker") if line.startswith("gate:")]

    def delay(self, name, source, seconds):
        """Let a node apply what it receives so many seconds late."""
        for statement in (f"STOP SLAVE '{source}'", f"CHANGE MASTER '{source}' TO MASTER_DELAY={seconds}", f"START SLAVE '{source}'"):
            self.nodes[name].rows(statement)

    def must(self, holds, what):
        """What a fault expects besides what the oracle and verification say."""
        self.say(f"{'ok' if holds else 'FAILED'}: {what}")
        if not holds:
            self.failed.append(what)

    # --- what a run needs ------------------------------------------------------------------------------------------------------------

    def converge(self, dummy):
        """Let the writers in from this machine, and forget the rows of earlier runs."""
        if not self.wait_until(self.complete, 240):
            raise RuntimeError(f"the lab is not complete: members {self.members}, writers {self.active}")
        password, gateway = secrets.token_hex(12), f"{self.plan.net}.0.1"
        for node in self.nodes.values():
            for statement in (f"CREATE OR REPLACE USER 'faults'@'{gateway}' IDENTIFIED BY '{password}'", f"GRANT ALL ON opennebula.* TO 'faults'@'{gateway}'"):
                node.rows(f"SET STATEMENT sql_log_bin=0 FOR {statement}")
        for zone, name in self.active.items():
            for table in ("user_pool", "marketplaceapp_pool", "vdc_pool", "group_pool", "marketplace_pool", "vm_pool") if zone == ALPHA else ("vm_pool",):
                self.nodes[name].rows(f"DELETE FROM {table} WHERE oid >= {FIRST}", "opennebula", 120)
            self.writers.go(zone, host=self.plan.vips[zone], port=3306, user="faults", password=password, connect_timeout=1)
        layouts.counters(self.nodes[self.active[ALPHA]])

    def verify(self):
        """Return what verify.yml does not find green, at one look."""
        output = run("ansible-playbook", "-i", "inventories/lab", "playbooks/verify.yml", "-e", "verify_rounds=1", "-e", QUICK, check=False, cwd=ROOT,
                     env=dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_FORCE_COLOR="0", ANSIBLE_CALLBACK_RESULT_FORMAT="json"))
        found = red(output)
        return [f"verify.yml does not report: {output[-600:]}"] if found is None else found

    def evidence(self):
        """Return what to read when something stayed broken."""
        for zone, names in self.zones.items():
            there = next((name for name in names if self.nodes[name].up), None)
            if there:
                yield from self.nodes[there].inside("crm_mon", "-1rAf", check=False).splitlines()
        for name, node in self.nodes.items():
            try:
                for row in node.rows("SHOW ALL SLAVES STATUS"):
                    yield f"{name} " + " ".join(str(row[key]) for key in ("Connection_name", "Slave_IO_Running", "Slave_SQL_Running", "Last_IO_Errno",
                                                                          "Last_IO_Error", "Last_SQL_Errno", "Last_SQL_Error", "Gtid_IO_Pos", "Gtid_Slave_Pos"))
                yield f"{name} {node.rows('SELECT @@read_only, @@gtid_binlog_pos, @@gtid_slave_pos, @@rpl_semi_sync_master_enabled')}"
            except pymysql.err.MySQLError as error:
                yield f"{name} {error}"
            yield from (f"{name} {line}" for line in node.journal(time.time() - 300, "corosync", "pacemaker", "mariadb", REJOIN,
                                                                  "constellation-standby")[-80:])

    def repair(self, dummy):
        return "nothing to do"

    def close(self):
        self.network("heal", *sorted(self.network.cut))


class Wires:
    """The links between the nodes, with the words of links.Network. A cut takes both directions."""

    def __init__(self, of):
        self.nodes, self.cut = of.nodes, set()
        self.names = {f"{one}->{other}" for one in of.nodes for other in of.nodes if one != other}
        self.names |= {f"{node.name}->federation" for node in of.nodes.values() if node.zone != ALPHA}

    def pairs(self, name):
        one, other = name.split("->")
        return {tuple(sorted((one, end))) for end in ([node.name for node in self.nodes.values() if node.zone == ALPHA] if other == "federation" else [other])}

    def __call__(self, verb, *names):
        for pair in sorted(set().union(*map(self.pairs, names))) if names else ():
            lab({"cut": "cut", "heal": "heal"}[verb], *pair)
        self.cut = self.cut | set(names) if verb == "cut" else self.cut - set(names)

    @staticmethod
    def between(one, other):
        return [f"{one}->{other}", f"{other}->{one}"]


class Watch(threading.Thread):
    """How long a slave zone's node, while it was up, had no news of the master zone, and whom it followed."""

    def __init__(self, nodes, every_s=0.2):
        super().__init__(daemon=True)
        self.nodes, self.every_s, self.ended = nodes, every_s, threading.Event()
        self.connections, self.seen, self.longest, self.followed = {}, {}, {node.name: 0.0 for node in nodes}, {node.name: [] for node in nodes}

    def run(self):
        while not self.ended.wait(self.every_s):
            for node in self.nodes:
                try:
                    self.look(node)
                except (pymysql.err.MySQLError, OSError, RuntimeError):
                    self.connections.pop(node.name, None)
                    self.seen.pop(node.name, None)

    def look(self, node):
        if node.name not in self.connections:
            self.connections[node.name] = pymysql.connect(unix_socket=node.socket, user="root", autocommit=True, connect_timeout=1, read_timeout=5,
                                                          cursorclass=pymysql.cursors.DictCursor)
        with self.connections[node.name].cursor() as cursor:
            cursor.execute("SHOW ALL SLAVES STATUS")
            row = next(row for row in cursor.fetchall() if not PAIR.match(row["Connection_name"]))
        now, position = time.monotonic(), next((part for part in row["Gtid_Slave_Pos"].split(",") if part.startswith("0-")), "")
        source = row["Master_Server_Id"]
        if row["Slave_IO_Running"] == "Yes" and self.followed[node.name][-1:] != [source]:
            self.followed[node.name].append(source)
        before = self.seen.get(node.name)
        if before is None or before[0] != position:
            self.seen[node.name] = (position, now)
        if before is not None:
            self.longest[node.name] = max(self.longest[node.name], now - before[1])

    def stop(self):
        """Return {node: (seconds, server ids followed)}."""
        self.ended.set()
        self.join(10)
        return {name: (round(self.longest[name], 1), self.followed[name]) for name in self.longest}
