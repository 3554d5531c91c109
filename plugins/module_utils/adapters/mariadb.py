# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One MariaDB server: raw rows out, statements in; values are quoted by the driver, nothing is decided here.

By default root speaks to the server of this host through its unix socket, as Debian and EL ship it (no password anywhere).
May import: core/errors.py, PyMySQL. Read first: Server.
"""
from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
import traceback

from ..core.errors import CoreError, NotThere

try:
    import pymysql
    import pymysql.cursors
    PYMYSQL_PROBLEM = None
except ImportError:
    pymysql = None
    PYMYSQL_PROBLEM = traceback.format_exc()

SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/var/run/mysqld/mysqld.sock", "/tmp/mysql.sock")
NOBODY_THERE = (2002, 2003, 2005)      # client errors: no socket, connection refused, unknown host
NO_ENTRY = (1044, 1045, 1130, 1698)    # access denied, host not allowed, unix_socket only
SPEC = {
    "login_unix_socket": {"type": "path"},
    "login_host": {"type": "str"},
    "login_port": {"type": "int", "default": 3306},
    "login_user": {"type": "str", "default": "root"},
    "login_password": {"type": "str", "no_log": True},
    "connect_timeout_s": {"type": "int", "default": 10},
}


class Server:
    """A connection made when first used. ``clock`` and ``pause`` exist so that tests need not wait."""

    clock = staticmethod(time.monotonic)
    pause = staticmethod(time.sleep)

    def __init__(self, params):
        self.host = params.get("login_host")
        self.port = params.get("login_port") or 3306
        self.user = params.get("login_user") or "root"
        self.password = params.get("login_password") or ""
        self.timeout_s = params.get("connect_timeout_s") or 10
        self.socket = None if self.host else (params.get("login_unix_socket") or next((path for path in SOCKETS if os.path.exists(path)), SOCKETS[0]))
        self._secrets = [self.password] if self.password else []
        self._connection = None

    @property
    def where(self):
        return f"{self.user}@{self.host}:{self.port}" if self.host else f"{self.user}@{self.socket}"

    def rows(self, sql, args=()):
        """Return the rows of a reading statement as dictionaries."""
        return list(self._execute(sql, args))

    def value(self, sql, args=()):
        """Return the first column of the first row, or None."""
        rows = self.rows(sql, args)
        return next(iter(rows[0].values())) if rows else None

    def do(self, sql, args=(), secrets=()):
        """Run a changing statement; with ``secrets`` it stays out of this server's logs and out of error texts."""
        self._secrets += [secret for secret in secrets if secret]
        if not secrets:
            self._execute(sql, args)
            return
        # neither the general log nor the slow log may see it; server_audit masks passwords by itself
        self._execute("SET SESSION sql_log_off=1, SESSION slow_query_log=0", ())
        try:
            self._execute(sql, args)
        finally:
            with contextlib.suppress(CoreError):
                self._execute("SET SESSION sql_log_off=0", ())

    def slaves(self):
        """Rows of every named connection, in the spelling that 10.5 to 12.x all know."""
        return self.rows("SHOW ALL SLAVES STATUS")

    def variables(self, names=()):
        if not names:
            return {row["Variable_name"].lower(): row["Value"] for row in self.rows("SHOW GLOBAL VARIABLES")}
        marks = ",".join(["%s"] * len(names))
        rows = self.rows(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({marks})", tuple(names))
        return {row["Variable_name"].lower(): row["Value"] for row in rows}

    def status(self, like):
        return {row["Variable_name"].lower(): row["Value"] for row in self.rows("SHOW GLOBAL STATUS LIKE %s", (like,))}

    def until(self, read, judge, timeout_s, every_s=0.2):
        """Read until ``judge(state)`` is true or the deadline passes; return the last state and whether it was reached."""
        deadline = self.clock() + timeout_s
        while True:
            state = read()
            if judge(state):
                return state, True
            if self.clock() >= deadline:
                return state, False
            self.pause(every_s)

    def close(self):
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None

    def _connect(self):
        if pymysql is None:
            raise NotThere("cannot speak to MariaDB", "this host", "the Python library PyMySQL is not installed",
                           "Install python3-pymysql (Debian, Ubuntu) or python3-PyMySQL (EL); the role database does.", traceback=PYMYSQL_PROBLEM)
        address = {"host": self.host, "port": self.port} if self.host else {"unix_socket": self.socket}
        try:
            return pymysql.connect(user=self.user, password=self.password, charset="utf8mb4", autocommit=True, connect_timeout=self.timeout_s,
                                   cursorclass=pymysql.cursors.DictCursor, **address)
        except pymysql.err.Error as error:
            errno, text = _errno_text(error)
            if errno in NOBODY_THERE:
                raise NotThere("MariaDB does not answer", self.where, f"{errno} {self._masked(text)}",
                               "Install and start mariadb-server (systemctl status mariadb; journalctl -u mariadb), or correct login_host, login_port "
                               "and login_unix_socket.", errno=errno) from None
            hint = ("Run as root on the database host (become: true), or give login_user and login_password." if errno in NO_ENTRY
                    else "Look at the server's error log.")
            raise CoreError("cannot log in to MariaDB", self.where, f"{errno} {self._masked(text)}", hint, errno=errno) from None

    def _execute(self, sql, args):
        if self._connection is None:
            self._connection = self._connect()
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, tuple(args) if args else None)
                return cursor.fetchall() or ()
        except pymysql.err.Error as error:
            errno, text = _errno_text(error)
            verb = " ".join(sql.split()[:3])
            raise CoreError(f"MariaDB refused {verb} …", self.where, f"{errno} {self._masked(text)}",
                            "The number is MariaDB's error code; the server's error log may say more.", errno=errno) from None

    def _masked(self, text):
        for secret in self._secrets:
            text = text.replace(secret, "********")
        return text


class Snapshot(Server):
    """The same server, read as of one moment: one transaction with a consistent snapshot, over InnoDB and the binary log."""

    def __enter__(self):
        self._execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", ())
        self._execute("START TRANSACTION WITH CONSISTENT SNAPSHOT", ())
        return self

    def __exit__(self, *nothing):
        with contextlib.suppress(CoreError):
            self._execute("COMMIT", ())
        self.close()


def _errno_text(error):
    errno = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    return errno, str(error.args[1] if len(error.args) > 1 else error)
