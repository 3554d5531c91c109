# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in oned without a network and with SQLite in MariaDB's place, for the tests beside this file."""
import pathlib
import re
import sqlite3
import sys
import threading
import time
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared"
STANDIN = ROOT / "molecule" / "lab" / "opennebula"
if str(STANDIN) not in sys.path:
    sys.path.insert(0, str(STANDIN))

from oned import api_hosts, api_pools, api_users, api_vms, api_zones, hosts, machine  # noqa: E402,F401  pylint: disable=unused-import
from oned.actions import Actions  # noqa: E402
from oned.api import Api  # noqa: E402
from oned.bootstrap import Bootstrap  # noqa: E402
from oned.config import Config, Federation  # noqa: E402
from oned.database import DatabaseError  # noqa: E402
from oned.drivers import STEPS, Drivers  # noqa: E402
from oned.hypervisor import Hypervisors  # noqa: E402
from oned.lifecycle import Lifecycle  # noqa: E402
from oned.proxy import Proxy  # noqa: E402
from oned.vm import Vms  # noqa: E402
from oned.vmfiles import VmFiles  # noqa: E402

SESSION = "oneadmin:opennebula"
# SQLite's words for what the daemon says to MariaDB, and MariaDB's numbers for SQLite's refusals
TRANSLATION = ((r"%s", "?"), (r"INSERT IGNORE", "INSERT OR IGNORE"), (r"ON DUPLICATE KEY UPDATE", "ON CONFLICT DO UPDATE SET"),
               (r"VALUES\((\w+)\)", r"excluded.\1"))
NUMBERS = (("no such table", 1146), ("UNIQUE constraint", 1062))


class Database:
    """oned.database.Database, on SQLite in memory; ``refuses`` makes every write fail with that number."""

    def __init__(self):
        self._connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._lock = threading.RLock()
        self.refuses = None

    def _run(self, sql, arguments):
        text = sql
        for pattern, replacement in TRANSLATION[1:]:
            text = re.sub(pattern, replacement, text) if pattern[0] != "V" or "CONFLICT" in text else text
        try:
            return self._connection.execute(text.replace("%s", "?"), arguments).fetchall()
        except sqlite3.Error as error:
            number = next((number for words, number in NUMBERS if words in str(error)), 1064)
            raise DatabaseError(sql, Exception(number, str(error))) from error

    def rows(self, sql, *arguments):
        with self._lock:
            return self._run(sql, arguments)

    def write(self, *statements):
        with self._lock:
            if self.refuses:
                raise DatabaseError(statements[0][0], Exception(self.refuses, "The MariaDB server is running with the --read-only option"))
            for sql, *arguments in statements:
                self._run(sql, arguments)

    def tables(self):
        return {row[0] for row in self.rows("SELECT name FROM sqlite_master")}


class World:
    """One started daemon, called by ``call``; time is short: every driver answers after ``seconds``."""

    def __init__(self, folder, database=None, mode="MASTER", zone=0, master="http://127.0.0.1:1/RPC2", seconds=0.0):
        self.places = machine.Places(folder)
        for place in (self.places.auth, self.places.vms, self.places.log, self.places.lock.parent, self.places.etc):
            place.mkdir(parents=True, exist_ok=True)
        (self.places.auth / "one_auth").write_text(SESSION + "\n", encoding="utf-8")
        self.database = database or Database()
        self.config = Config([("FEDERATION", {"MODE": mode, "ZONE_ID": str(zone), "MASTER_ONED": master}), ("PORT", "2633")])
        self.federation = Federation(self.config)
        self.log = machine.Log(self.places.log / "oned.log", self.federation.zone)
        Bootstrap(self.database, self.federation, self.places, self.log, 2633).run()
        self.start(seconds, master)

    def start(self, seconds=0.0, master=""):
        """Start the daemon's parts; a second time is what a restart (or a takeover) is: the old drivers' answers are lost."""
        self.hosts, self.hypervisors = hosts.Hosts(self.database), Hypervisors(self.database)
        self.files = VmFiles(self.places, self.federation.zone)
        steps = {group: seconds for group in "PROLOG BOOT RESTORE SAVE SHUTDOWN CANCEL MIGRATE EPILOG CLEANUP HOTPLUG SNAPSHOT SAVEAS".split()}
        self.lifecycle = Lifecycle(Vms(self.database), self.hosts, self.hypervisors, self.files, self.log, steps)
        self.actions = Actions(self.lifecycle, self.hosts)
        self.monitor = hosts.Monitor(self.hosts, self.lifecycle, 5, self.log)
        self.scheduler = hosts.Scheduler(self.hosts, self.lifecycle, self.actions.deploy, 1, self.log)
        self.api = Api(self.database, self.config, self.federation, self.lifecycle, self.hosts, self.actions, Proxy(master, timeout=1), self.log)

    def kill(self, seconds=0.0):
        """Lose the daemon as ``kill -9`` does, and start another on the same database."""
        self.lifecycle.drivers.answered = lambda *_lost: None
        self.start(seconds)

    def call(self, name, *arguments, session=SESSION):
        return self.api.answer(name, [session, *arguments])

    def ok(self, name, *arguments, session=SESSION):
        accepted, value, code = self.call(name, *arguments, session=session)
        assert accepted and code == 0, (name, arguments, value)
        return value

    def xml(self, name, *arguments):
        return ET.fromstring(self.ok(name, *arguments))

    def take_time_in_hand(self):
        """Let drivers answer only in ``let_drivers_answer``: no threads, no waiting."""
        self.jobs = []
        drivers = Drivers.__new__(Drivers)
        drivers.__dict__.update(self.lifecycle.drivers.__dict__)
        drivers.start = lambda vm, state, step=None: self.jobs.append((vm.id, state, drivers._work(vm, state, step or STEPS[state], False)))
        self.lifecycle.drivers = drivers

    def let_drivers_answer(self):
        while self.jobs:
            self.lifecycle.answered(*self.jobs.pop(0))

    def machine_in(self, state, checkpoint=False):
        """Make a machine that is in a state without having lived its life: two records, a domain as the next step needs it (or a checkpoint)."""
        vm_id = self.ok("one.vm.allocate", "", True)
        vm = self.lifecycle.vms.get(vm_id)
        if state not in ("PENDING", "HOLD", "CLONING", "CLONING_FAILURE"):
            for host in ((0, "kvm1", "kvm"), (1, "kvm2", "kvm")):
                vm.add_record(host, 0, 1)
        if not state.startswith("PROLOG"):
            vm.element.find("DEPLOY_ID").text = f"one-{vm_id}"
        vm.move(state)
        self.lifecycle.vms.save(vm)
        effect = STEPS[state].effect if state in STEPS else None
        follows_restore = state in ("PROLOG_MIGRATE", "PROLOG_RESUME", "PROLOG_MIGRATE_FAILURE", "PROLOG_RESUME_FAILURE", "BOOT_MIGRATE_FAILURE",
                                    "BOOT_STOPPED_FAILURE")
        if checkpoint or effect == "restore" or follows_restore:
            self.put_domain(vm_id, "kvm2", "saved")
        elif effect in ("save", "migrate", "shutdown"):
            self.put_domain(vm_id, "kvm1" if state in ("MIGRATE", "SAVE_MIGRATE") else "kvm2", "running")
        return vm_id

    def put_domain(self, vm_id, host, state):
        self.database.write(
            ("INSERT INTO lab_domain (vmid, host, state) VALUES (%s, %s, %s) ON DUPLICATE KEY UPDATE state = VALUES(state)", vm_id, host, state)
        )

    def add_host(self, name):
        number = self.ok("one.host.allocate", name, "kvm", "kvm", 0)
        self.monitor.once()
        return number

    def create(self, text="", state="RUNNING"):
        """Create a machine and let it come to a state."""
        vm_id = self.ok("one.vm.allocate", "CPU=1\nMEMORY=64\nDISK=[IMAGE_ID=0]\n" + text, False)
        self.scheduler.once()
        self.wait(vm_id, state)
        return vm_id

    def state(self, vm_id):
        with self.lifecycle.lock:               # what belongs to a change of state is complete then, vm.log too
            return self.lifecycle.vms.get(vm_id).state

    def wait(self, vm_id, state, within_s=5):
        deadline = time.monotonic() + within_s
        while self.state(vm_id) != state:
            assert time.monotonic() < deadline, f"VM {vm_id} is {self.state(vm_id)}, not {state}; log: {self.vm_log(vm_id)}"
            time.sleep(0.002)

    def vm_log(self, vm_id):
        path = self.places.vms / str(vm_id) / "vm.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def passed(self, vm_id):
        """Return the states the machine passed, in order."""
        return re.findall(r"New VM (?:LCM )?state is (\w+)", self.vm_log(vm_id))

    def history(self, vm_id):
        return self.xml("one.vm.info", vm_id).findall("HISTORY_RECORDS/HISTORY")

    def domains(self, vm_id):
        rows = self.database.rows("SELECT host, state, starts, collisions FROM lab_domain WHERE vmid = %s ORDER BY host", vm_id)
        return {host: (state, starts, collisions) for host, state, starts, collisions in rows}
