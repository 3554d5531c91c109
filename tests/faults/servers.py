# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bare MariaDB servers of this machine with the settings that the role database writes; private data directories, private loopback addresses.

Each front-end has the address that the topology knows (there the proxies of ``links`` listen) and another one where its server really listens.
Who connects is told by the port: each node reaches all others at its own port number, so each directed link is a proxy of its own.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pymysql

from role import Role

SIZES = ["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=48M", "--performance-schema=0", "--max-connections=80", "--innodb-flush-neighbors=0"]
PASSWORD = {"opennebula_db_password": "CANARY-oneadmin", "opennebula_replication_password": "CANARY-repl", "opennebula_oneadmin_password": "CANARY-one",
            "opennebula_hacluster_password": "CANARY-ha"}


def until(condition, within_s, every_s=0.1):
    """Return whether the condition came true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every_s)
    return True


def template_directory(folder):
    """Make an empty data directory once; the nodes get copies."""
    scratch = folder.with_name("tmp")      # in /tmp two that run at once get in each other's way
    scratch.mkdir()
    if os.geteuid() == 0:
        shutil.chown(scratch, "mysql")
    done = subprocess.run(["mariadb-install-db", "--no-defaults", "--skip-test-db", f"--datadir={folder}", "--auth-root-authentication-method=socket",
                           *(["--user=mysql"] if os.geteuid() == 0 else [])], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=dict(os.environ, TMPDIR=str(scratch)))
    if done.returncode:
        raise RuntimeError(f"mariadb-install-db: {done.stdout[-2000:]}")
    return folder


class Server:
    """Somebody's MariaDB, asked as root at its ``socket``."""

    socket = None

    def rows(self, sql, database=None, timeout_s=30):
        with pymysql.connect(unix_socket=self.socket, user="root", database=database, autocommit=True, connect_timeout=5, read_timeout=timeout_s,
                             cursorclass=pymysql.cursors.DictCursor) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def value(self, sql):
        """Return the first value of the first row, or None when nobody answers."""
        try:
            rows = self.rows(sql)
        except pymysql.err.MySQLError:
            return None
        return next(iter(rows[0].values())) if rows else None


class Node(Server):
    """One front-end's MariaDB and the role's files for it."""

    def __init__(self, folder, template, name, topology, inner, port):
        self.name, self.folder, self.inner, self.port, self.process = name, pathlib.Path(folder) / name, inner, port, None
        self.facts = topology["nodes"][name]
        self.zone = topology["zones"][self.facts["zone"]]
        self.address, self.kind = self.facts["address"], "slave" if self.facts["federation_slave"] else "master"
        self.folder.mkdir()
        (self.folder / "tmp").mkdir()      # servers of several users fight for /tmp/SQL_LOAD-
        self.socket = str(self.folder / "s.sock")
        shutil.copytree(template, self.folder / "data")
        self.role = Role(dict(
            PASSWORD, opennebula_node=self.facts, opennebula_zone=self.zone, opennebula_topology=topology, database_bind_address=inner, database_port=port,
            __database_os={"socket": self.socket}, __database_libexec=str(self.folder), database_gate_wait_s=8))
        self.write("my.cnf", self.role.template("90-constellation.cnf"))
        self.write("gate.cnf", self.role.template("gate.cnf"), 0o600)
        self.write("rejoin-gate.conf", self.role.template("rejoin-gate.conf"))
        self.ring = len(self.zone["nodes"]) > 2
        if self.ring:
            self.write("ring.conf", self.role.template("ring.conf"))
        for program in ("mariadb-writer", "rejoin-gate", "fencing-alert", "start-replication", *(["ring-keeper"] if self.ring else [])):
            text = Role.program(program).replace("/run/constellation/", f"{self.folder}/run-")      # several nodes share this machine's /run
            text = text.replace("#!/usr/bin/python3", f"#!{sys.executable}", 1).replace("/etc/constellation/", f"{self.folder}/")
            self.write(program, text, 0o755)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "mysql", str(self.folder)], check=True)

    def write(self, name, text, mode=0o644):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)

    @property
    def up(self):
        return self.process is not None and self.process.poll() is None

    def start(self):
        self.process = subprocess.Popen(
            ["mariadbd", f"--defaults-file={self.folder}/my.cnf", f"--datadir={self.folder}/data", f"--socket={self.socket}", f"--pid-file={self.folder}/pid",
             f"--log-error={self.folder}/err.log", f"--tmpdir={self.folder}/tmp", *(["--user=mysql"] if os.geteuid() == 0 else []), *SIZES],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not until(lambda: self.value("SELECT 1") == 1, 60):
            raise RuntimeError(f"{self.name} does not start: {self.folder}/err.log")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for rest in ("s.sock", "pid"):
            (self.folder / rest).unlink(missing_ok=True)

    def environment(self, **more):
        return dict(os.environ, OCF_ROOT="/usr/lib/ocf", OCF_RESKEY_socket=self.socket, OCF_RESKEY_credentials=str(self.folder / "gate.cnf"),
                    OCF_RESKEY_ring_keeper=str(self.folder / "ring-keeper"), CONSTELLATION_SOCKET=self.socket,
                    HA_logfile=str(self.folder / "agent.log"), HA_debuglog=str(self.folder / "agent.log"),
                    OCF_RESOURCE_INSTANCE="database_writer", OCF_RESKEY_CRM_meta_interval="10000", **more)
