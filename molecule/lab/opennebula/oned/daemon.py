# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""oned's start and end: configuration, lock, database, threads, then serving until SIGTERM."""
from __future__ import annotations

import os
import pathlib
import signal
import sys
import threading

from . import api_hosts, api_pools, api_users, api_vms, api_zones, machine, mads     # noqa: F401  (importing them registers their calls)
from .actions import Actions
from .api import Api
from .bootstrap import Bootstrap, NotStarted
from .config import Config, Federation, Refused, SyntaxProblem
from .database import Database
from .hosts import Hosts, Monitor, Scheduler
from .hypervisor import Hypervisors
from .lifecycle import Lifecycle
from .proxy import Proxy
from .server import Server
from .vm import Vms
from .vmfiles import VmFiles

FAILED = 255
STANDIN_CONF = "standin.conf"


def main(arguments=None, root=None):
    """Run the daemon; the return value is the exit status. ``-f`` is accepted: the stand-in never leaves the foreground."""
    arguments = sys.argv[1:] if arguments is None else arguments
    places = machine.Places(root or os.environ.get("ONE_STANDIN_ROOT", "/"))
    try:
        config = Config.read(places.etc / "oned.conf")
    except OSError:
        return _unread("Error opening template file")
    except SyntaxProblem as problem:
        sys.stdout.write(problem.echo)
        return _unread(str(problem))
    if "-i" in arguments:                               # only check the configuration and write what was loaded
        sys.stdout.write(config.dump())
        return 0
    lock = machine.Lock(places.lock)
    try:
        federation = Federation(config)
        lock.take()
    except (Refused, machine.LockError) as problem:
        machine.complain(str(problem))
        return FAILED
    try:
        return Daemon(places, config, federation).run()
    except (NotStarted, Refused) as problem:
        machine.complain(str(problem))
        return FAILED
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        lock.release()


def _unread(problem):
    """5.0.2 says so on stdout and stderr, and exits with 0."""
    sys.stdout.write(f"\nError while parsing configuration file:\n{problem}\n")
    sys.stdout.flush()
    machine.complain("Could not load nebula configuration file.")
    return 0


class Daemon:
    """One run."""

    def __init__(self, places, config, federation):
        self.places, self.config, self.federation = places, config, federation
        level = config.vector("LOG").get("DEBUG_LEVEL", "3")
        self.log = machine.Log(places.log / "oned.log", federation.zone, int(level) if level.isdigit() else 3)
        self.stopped = threading.Event()

    def run(self):
        signal.signal(signal.SIGTERM, lambda *_ignored: sys.exit(0))        # while starting: leave at once, the lock is given back
        self.announce()
        database = self.connect()
        Bootstrap(database, self.federation, self.places, self.log, self.config.number("PORT", 2633)).run()
        try:
            server = self.assemble(database, mads.load(self.config, self.places, self.log))
        except mads.NotLoaded:
            self.log.error("ONE", "Could not load driver")
            return self.hang()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_ignored: self.stopped.set())
        threading.Thread(target=server.serve_forever, daemon=True, name="rpc").start()
        self.log.info("ReM", "Request Manager started.")
        machine.notify("READY=1")
        self.stopped.wait()
        machine.notify("STOPPING=1")
        server.server_close()
        self.log.info("ONE", "All modules finalized, exiting.")
        return 0

    def hang(self):
        """Stay without listening, as 5.0.2 does when a driver is missing; SIGTERM ends it."""
        self.stopped.wait()
        return 0

    def announce(self):
        dump = self.config.dump()
        path = self.places.var / "config"
        path.touch(mode=0o640)
        path.write_text(dump, encoding="utf-8", errors="surrogateescape")
        self.log.info("ONE", "Starting OpenNebula 5.0.2 (laboratory stand-in, not OpenNebula)")
        rule = "-" * 40
        password = self.config.vector("DB").get("PASSWD")
        shown = dump.replace(f"PASSWD={password}", "PASSWD=***") if password else dump      # 5.0.2 writes it in the clear; we do not
        self.log.raw(f"{rule}\n     OpenNebula Configuration File      \n{rule}\n{shown}{rule}\n")

    def connect(self):
        stanza = self.config.vector("DB")
        if stanza.get("BACKEND", "sqlite").lower() != "mysql":
            raise Refused("The laboratory stand-in has no SQLite: set DB = [ BACKEND = \"mysql\", … ] in oned.conf.")
        port = stanza.get("PORT", "0")
        return Database(stanza.get("SERVER", "localhost"), stanza.get("USER", "oneadmin"), stanza.get("PASSWD", ""), stanza.get("DB_NAME", "opennebula"),
                        int(port) if port.isdigit() else 0)

    def assemble(self, database, drivers):
        hosts, hypervisors = Hosts(database), Hypervisors(database)
        files = VmFiles(self.places, self.federation.zone)
        lifecycle = Lifecycle(Vms(database), hosts, hypervisors, files, self.log, self.latencies())
        actions = Actions(lifecycle, hosts)
        api = Api(database, self.config, self.federation, lifecycle, hosts, actions, Proxy(self.federation.master), self.log)
        address = (self.config.get("LISTEN_ADDRESS"), self.config.number("PORT"))
        self.log.info("ReM", f"Starting XML-RPC server, port {address[1]} ...")
        try:
            server = Server(address, api.answer, self.config.number("KEEPALIVE_TIMEOUT"), self.config.number("KEEPALIVE_MAX_CONN"))
        except OSError as error:
            self.log.error("ReM", f"Cannot listen on {address[0]}:{address[1]}: {error}")
            raise NotStarted(f"Cannot listen on {address[0]}:{address[1]}: {error}") from None
        Monitor(hosts, lifecycle, self.config.number("MONITORING_INTERVAL", 60), self.log, drivers, self.places).start()
        Scheduler(hosts, lifecycle, actions.deploy, 1, self.log, self.places.etc / "sched.conf").start()
        return server

    def latencies(self):
        """Return step → seconds of standin.conf (same grammar as oned.conf)."""
        path = pathlib.Path(self.places.etc / STANDIN_CONF)
        if not path.exists():
            return {}
        found = {}
        for name, value in Config.read(path).attributes:
            try:
                found[name] = float(value.rstrip("s")) if isinstance(value, str) else 0.0
            except ValueError:
                pass                                    # Config adds oned's own defaults, which are no seconds
        return found
