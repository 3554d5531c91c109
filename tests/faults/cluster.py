# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pacemaker, systemd and the fence devices do in a real zone, for servers that have none of them. The decisions are the role's own programs':

promotion, demotion and monitor are mariadb-writer's, the release of waiting commits is fencing-alert's, the return of a node is
start-replication's and rejoin-gate's. Here is only who is a member (told through a stand-in for crm_node), who runs what, and where the
federation address is: on the standby, or on the active front-end while there is no standby.
"""
import json
import os
import random
import shutil
import subprocess
import sys
import time

MONITOR_S = 2.0
RETRY_S = 2.0      # of a node whose gate stayed shut; constellation-rejoin.service has 15


class Cluster:
    """Both zones. ``say`` takes lines for the run's log; ``writers`` is told where each zone's workload may go."""

    def __init__(self, layout, say, writers, seed=1):
        self.layout, self.nodes, self.network, self.say, self.writers = layout, layout.nodes, layout.network, say, writers
        self.zones = {name: list(zone["nodes"]) for name, zone in layout.topology["zones"].items()}
        self.members = {name: set(nodes) for name, nodes in self.zones.items()}
        self.active = {name: None for name in self.zones}
        self.gates, self.again, self.next_monitor, self.refusals, self.keepers, self.federation = {}, {}, 0.0, [], {}, None
        self.random = random.Random(f"who takes over {seed}")
        self.bin = layout.folder / "bin"
        self.bin.mkdir(exist_ok=True)
        for program, text in (("crm_node", f'#!/bin/sh\ncat "{layout.folder}/members-$FAULTS_ZONE"\n'),
                              ("attrd_updater", "#!/bin/sh\n"), ("crm_mon", "#!/bin/sh\nexit 1\n"),
                              ("logger", f'#!/bin/sh\necho "$@" >> "{layout.folder}/syslog"\n')):
            (self.bin / program).write_text(text)
            (self.bin / program).chmod(0o755)
        for zone in self.zones:
            self._tell_members(zone)

    def zone_of(self, name):
        return self.nodes[name].zone["name"]

    def others(self, name):
        return [one for one in self.zones[self.zone_of(name)] if one != name]

    def living(self, zone):
        return [name for name in self.zones[zone] if name in self.members[zone] and self.nodes[name].up]

    def standby(self, zone):
        """Return a node that may take over, one of several at random."""
        return self.random.choice([name for name in self.living(zone) if name != self.active[zone]])

    def following(self, name):
        """Return the node that pulls from this one as declared: it acknowledges."""
        nodes = self.zones[self.zone_of(name)]
        return nodes[(nodes.index(name) + 1) % len(nodes)]

    def _tell_members(self, zone):
        (self.layout.folder / f"members-{zone}").write_text(" ".join(sorted(self.members[zone])) + "\n")

    # --- the role's programs --------------------------------------------------------------------------------------------------

    def run(self, name, *argv, within_s=90, **environment):
        node = self.nodes[name]
        begun = time.monotonic()
        done = subprocess.run([str(node.folder / argv[0]), *argv[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=within_s,
                              check=False, env=self._environment(name, **environment))
        with open(node.folder / "agent.log", "a", encoding="utf-8") as log:
            log.write(f"--- {time.strftime('%H:%M:%S')} {' '.join(argv)}: {done.returncode} in {time.monotonic() - begun:.1f} s\n{done.stdout}")
        return done

    def _environment(self, name, **more):
        environment = self.nodes[name].environment(FAULTS_ZONE=self.zone_of(name), **more)
        environment["PATH"] = f"{self.bin}:{environment['PATH']}"
        return environment

    def promote(self, name):
        """Start the writer on a node; True when it is the writer now."""
        zone = self.zone_of(name)
        begun = time.monotonic()
        done = self.run(name, "mariadb-writer", "start")
        if done.returncode:
            self.say(f"{name} was not promoted: {last(done.stdout)}")
            return False
        self.active[zone] = name
        self.say(f"{name} is the writer after {time.monotonic() - begun:.1f} s")
        self.writers.go(zone, unix_socket=self.nodes[name].socket)
        self.place_federation()
        return True

    def demote(self, name):
        self.writers.hold(self.zone_of(name))
        done = self.run(name, "mariadb-writer", "stop")
        if done.returncode:
            raise RuntimeError(f"{name} did not stop: {done.stdout}")
        self.active[self.zone_of(name)] = None

    def switch(self, zone):
        old, new = self.active[zone], self.standby(zone)
        self.demote(old)
        if not self.promote(new):
            self.say(f"{new} refused; {old} takes it back")
            self.promote(old)

    # --- nodes go and come ----------------------------------------------------------------------------------------------------

    def keep_ring(self, name):
        """Start what constellation-ring.service runs in zones of three and more."""
        node = self.nodes[name]
        if node.ring:
            log = open(node.folder / "ring.log", "a", encoding="utf-8")
            self.keepers[name] = subprocess.Popen([str(node.folder / "ring-keeper"), "keep"], stdout=log, stderr=subprocess.STDOUT,
                                                  env=self._environment(name))

    def kill(self, name):
        """The machine is off: what was on its way is lost when its links were cut."""
        if name in self.keepers:
            keeper = self.keepers.pop(name)
            keeper.kill()
            keeper.wait()
            for rest in self.nodes[name].folder.glob("run-*"):      # /run is empty after a boot
                if rest.is_dir():
                    shutil.rmtree(rest)
                else:
                    rest.unlink()
        self.nodes[name].kill()
        self.network("drop", *self.network.towards(name))

    def fenced(self, name):
        """The others know for certain that it is off: it leaves the membership, the alert runs, the federation address moves."""
        zone = self.zone_of(name)
        self.members[zone].discard(name)
        self._tell_members(zone)
        if self.active[zone] == name:
            self.active[zone] = None
        for survivor in self.living(zone):
            done = self.run(survivor, "fencing-alert", CRM_alert_kind="fencing", CRM_alert_node=name, CRM_alert_rc="0", CRM_alert_desc="Operation off")
            if done.returncode:
                self.say(f"fencing-alert on {survivor}: {last(done.stdout)}")
        self.place_federation()

    def cold_stop(self, zone, names):
        """All nodes of a zone are off at once."""
        for name in names:
            self.kill(name)
            self.members[zone].discard(name)
        self.active[zone] = None
        self._tell_members(zone)

    def takeover(self, dead):
        """Fence and promote a survivor, as often as pacemaker would try."""
        self.fenced(dead)
        return self.elect(self.zone_of(dead))

    def elect(self, zone):
        candidates = self.living(zone)
        self.random.shuffle(candidates)
        return self.wait_until(lambda: self.active[zone] or any(self.promote(name) for name in candidates), 60, every_s=1)

    def power_on(self, name):
        """The node boots: MariaDB as standby, then its gate; it is a member once the gate has opened."""
        node = self.nodes[name]
        node.start()
        self.start_replication(name)
        self.keep_ring(name)
        self.knock(name)

    def start_replication(self, name):
        done = self.run(name, "start-replication")
        if done.returncode or "again from" in done.stdout:
            self.say(f"start-replication on {name}: {last(done.stdout)}")

    def knock(self, name):
        """Start the gate in the background: meanwhile the peer's monitor must go on."""
        node = self.nodes[name]
        log = open(node.folder / "gate.out", "w", encoding="utf-8")
        argv = [sys.executable, str(node.folder / "rejoin-gate"), "corosync", "--config", str(node.folder / "rejoin-gate.conf"),
                "--credentials", str(node.folder / "gate.cnf")]
        self.gates[name] = (subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT, env=self._environment(name)), time.monotonic())

    def attend(self):
        """What happens by itself: monitors, gates that open, the federation address."""
        if time.monotonic() >= self.next_monitor:
            for zone, name in self.active.items():
                if name and self.nodes[name].up:
                    self.run(name, "mariadb-writer", "monitor")
            self.next_monitor = time.monotonic() + MONITOR_S
        for name, (process, begun) in list(self.gates.items()):
            if process.poll() is None:
                continue
            del self.gates[name]
            said = (self.nodes[name].folder / "gate.out").read_text()
            if process.returncode == 0:
                self.members[self.zone_of(name)].add(name)
                self._tell_members(self.zone_of(name))
                self.say(f"the gate of {name} opened after {time.monotonic() - begun:.1f} s")
                self.place_federation()
                if not self.active[self.zone_of(name)]:
                    self.promote(name)
            else:
                if self.refusals[-1:] != [(name, last(said))]:
                    self.say(f"the gate of {name} stays shut: {last(said)}")
                self.refusals.append((name, last(said)))
                self.again[name] = time.monotonic() + RETRY_S
        for name in [name for name, due in self.again.items() if time.monotonic() >= due]:
            del self.again[name]
            if self.nodes[name].up and name not in self.gates:
                self.knock(name)

    def place_federation(self):
        active = self.active["alpha"]
        standbys = [name for name in self.living("alpha") if name != active]
        holder = self.federation if self.federation in standbys else standbys[0] if standbys else active
        self.federation = holder
        for name in self.nodes:
            if self.nodes[name].facts["federation_slave"] and f"{name}->federation" in self.network.names:
                self.network("point", f"{name}->federation", self.layout.inner(holder) if holder else None, self.layout.ports[holder] if holder else 0)

    def wait(self, seconds):
        self.wait_until(lambda: False, seconds)

    def wait_until(self, condition, within_s, every_s=0.2):
        deadline = time.monotonic() + within_s
        while True:
            self.attend()
            if condition():
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(every_s)

    def complete(self):
        """Everybody is a member and every zone has a writer."""
        return all(len(self.members[zone]) == len(nodes) and self.active[zone] for zone, nodes in self.zones.items()) and not self.gates and not self.again

    def close(self):
        for process in [*self.keepers.values(), *(process for process, _ in self.gates.values())]:
            process.kill()
            process.wait()


def last(text):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1][:400] if lines else ""


class Writers:
    """The workloads, one a zone, and their ledgers."""

    def __init__(self, folder, seed, rates, **login):
        self.folder, self.processes, self.ledgers, self.login = folder, {}, {}, login
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "workload.py")
        for zone, (kind, rate) in rates.items():
            self.ledgers[zone] = str(folder / f"ledger-{zone}.jsonl")
            open(self.ledgers[zone], "w", encoding="utf-8").close()
            log = open(folder / f"workload-{zone}.err", "w", encoding="utf-8")
            self.processes[zone] = subprocess.Popen([sys.executable, program, self.ledgers[zone], str(random.Random(f"{seed} {zone}").randrange(2 ** 31)), kind,
                                                     str(rate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.on, self.places = False, {}

    def go(self, zone, **where):
        self.places[zone] = f"go {json.dumps(dict(self.login, **where))}"
        if self.on:
            self._send(zone, self.places[zone])

    def hold(self, zone):
        self.places.pop(zone, None)

    def start(self):
        self.on = True
        for zone, command in self.places.items():
            self._send(zone, command)

    def pause(self):
        """Stop writing; return when nothing is in flight."""
        self.on = False
        for zone in self.processes:
            self._send(zone, "pause")
        for process in self.processes.values():
            process.stdout.readline()

    def _send(self, zone, line):
        self.processes[zone].stdin.write(line + "\n")
        self.processes[zone].stdin.flush()

    def close(self):
        for process in self.processes.values():
            process.stdin.close()
        for process in self.processes.values():
            try:
                process.wait(50)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
