# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One MariaDB server: raw rows out, statements in; values are quoted by the driver, nothing is decided here.

By default root speaks to the server of this host through its unix socket, as Debian and EL ship it (no password anywhere).
May import: core/errors.py, PyMySQL. Read first: Server.
"""
from __future__ import annotations

import concurrent.futures
import contextlib
import os
import re
import shutil
import ssl
import subprocess
import syslog
import tempfile
import threading
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
ANSWER_S = 600      # longest wait for an answer over TCP; checksums of large tables take a while
NO_ENTRY = (1044, 1045, 1130, 1698)    # access denied, host not allowed, unix_socket only
NO_TLS = 2026
# Errors that quote a part of the statement (1064) or of a value (1470, a password that is too long): cut off or escaped, a secret in it is not recognized.
QUOTING = (1064, 1470)
_QUOTED = re.compile("'.*'", re.S)
SPEC = {
    "login_unix_socket": {"type": "path"},
    "login_host": {"type": "str"},
    "login_port": {"type": "int", "default": 3306},
    "login_user": {"type": "str", "default": "root"},
    "login_password": {"type": "str", "no_log": True},
    "login_tls_ca": {"type": "path"},
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
        self.tls_ca = (params.get("login_tls_ca") or None) if self.host else None      # the unix socket leaves the host with nobody
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
        # a link that is cut without a word must not hold us for ever
        address = {"host": self.host, "port": self.port, "read_timeout": ANSWER_S} if self.host else {"unix_socket": self.socket}
        try:
            connection = pymysql.connect(user=self.user, password=self.password, charset="utf8mb4", autocommit=True, connect_timeout=self.timeout_s,
                                         cursorclass=pymysql.cursors.DictCursor, **address, **({"ssl": {"ca": self.tls_ca}} if self.tls_ca else {}))
            return self._encrypted(connection) if self.tls_ca else connection
        except OSError as error:      # reading the file is the only thing that PyMySQL does not wrap
            raise CoreError("cannot read the authorities for TLS", self.tls_ca or self.where, error.strerror or str(error), "Run site.yml; it writes the file.",
                            errno=NO_TLS) from None
        except pymysql.err.Error as error:
            errno, text = _errno_text(error)
            if self.tls_ca and (errno == NO_TLS or isinstance(getattr(error, "original_exception", None), ssl.SSLError)):
                raise CoreError("cannot speak TLS with MariaDB", self.where, self._masked(text),
                                "Give that server a certificate that names this address, by an authority of " + self.tls_ca + "; site.yml does.",
                                errno=NO_TLS) from None
            if errno in NOBODY_THERE:
                raise NotThere("MariaDB does not answer", self.where, f"{errno} {self._masked(text)}",
                               "Install and start mariadb-server (systemctl status mariadb; journalctl -u mariadb), or correct login_host, login_port "
                               "and login_unix_socket.", errno=errno) from None
            hint = ("Run as root on the database host (become: true), or give login_user and login_password." if errno in NO_ENTRY
                    else "Look at the server's error log.")
            raise CoreError("cannot log in to MariaDB", self.where, f"{errno} {self._masked(text)}", hint, errno=errno) from None

    @staticmethod
    def _encrypted(connection):
        """PyMySQL up to 1.0 goes on in clear where the server offers no TLS."""
        if not isinstance(connection._sock, ssl.SSLSocket):
            connection.close()
            raise pymysql.err.OperationalError(NO_TLS, "the server offers no TLS")
        return connection

    def shown_certificate(self):
        """Return the certificate (PEM) that the server shows to whoever asks for TLS; None when it offers none."""
        self.rows("SELECT 1")      # a server that cannot be asked is an error as everywhere
        address = {"host": self.host, "port": self.port} if self.host else {"unix_socket": self.socket}
        try:
            connection = pymysql.connect(user=self.user, password=self.password, connect_timeout=self.timeout_s,
                                         ssl={"check_hostname": False, "verify_mode": "none"}, **address)
        except pymysql.err.Error:
            return None
        try:
            return ssl.DER_cert_to_PEM_cert(connection._sock.getpeercert(True)) if isinstance(connection._sock, ssl.SSLSocket) else None
        finally:
            connection.close()

    def stored_passwords(self, rows):
        """Return {connection: the password that it has, None where that cannot be told}: this host's server keeps it in a file of its data directory."""
        folder = None if self.host or not rows else self.value("SELECT @@GLOBAL.datadir")
        return {row["Connection_name"]: _stored_password(folder, row) if folder else None for row in rows}

    def next_arguments(self):
        """Return the arguments with which this host's server would be started now as text, None where it cannot be told.

        Those of its files as ``mariadbd --print-defaults`` writes them, and those that the running one was given besides.
        """
        if self.host:
            return None
        where = self.rows("SELECT @@GLOBAL.datadir AS folder, @@GLOBAL.pid_file AS file")[0]
        try:
            with open(os.path.join(where["folder"], where["file"]), encoding="utf-8") as stream:
                process = f"/proc/{int(stream.read())}"
            with open(f"{process}/cmdline", encoding="utf-8") as stream:
                program, *given = stream.read().split("\0")
            if not program:
                return None
            files = [one for one in given if one.startswith(("--defaults-", "--no-defaults"))]
            done = subprocess.run([os.readlink(f"{process}/exe"), *files, "--print-defaults"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, timeout=self.timeout_s, check=False, encoding="utf-8", errors="replace")
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return None
        return " ".join([done.stdout, *given]) if done.returncode == 0 else None

    def login_refused(self, host, port, user, password, ca=None):
        """Return the words with which ``host`` refuses this login, "" when it lets us in, None when it cannot be told."""
        other = Server({"login_host": host, "login_port": port, "login_user": user, "login_password": password, "login_tls_ca": ca,
                        "connect_timeout_s": self.timeout_s})
        try:
            other.rows("SELECT 1")
            return ""
        except CoreError as error:
            return error.why if error.data.get("errno") in NO_ENTRY else None
        finally:
            other.close()

    def tls_trouble(self, host, port, user, password, ca):
        """Return why ``host`` could not be followed over TLS (its words), "" when it could, None when it cannot be told: nobody there, no entry."""
        other = Server({"login_host": host, "login_port": port, "login_user": user, "login_password": password, "login_tls_ca": ca,
                        "connect_timeout_s": self.timeout_s})
        try:
            other.rows("SELECT 1")
            return ""
        except CoreError as error:
            return error.why if error.data.get("errno") == NO_TLS else None
        finally:
            other.close()

    def _execute(self, sql, args):
        if self._connection is None:
            self._connection = self._connect()
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, tuple(args) if args else None)
                return cursor.fetchall() or ()
        except pymysql.err.Error as error:
            errno, text = _errno_text(error)
            if errno in QUOTING and self._secrets:
                text = _QUOTED.sub("'…'", text)
            verb = " ".join(sql.split()[:3])
            raise CoreError(f"MariaDB refused {verb} …", self.where, f"{errno} {self._masked(text)}",
                            "The number is MariaDB's error code; the server's error log may say more.", errno=errno) from None

    def _masked(self, text):
        for secret in self._secrets:
            text = text.replace(secret, "********")
        return text


def to_journal(line):
    """A module cannot show anything before it ends; whoever waits for a long copy looks here (journalctl -t constellation-copy)."""
    syslog.openlog("constellation-copy")
    syslog.syslog(syslog.LOG_INFO, line)
    syslog.closelog()


class Copy:
    """Dumps of some tables, by the client programs; users and passwords go through 0600 files, never through argv.

    tell(line): how far one is that takes longer than ``every_s``.
    """

    HEAD = TAIL = 65536      # where mariadb-dump writes its comments
    _TABLE = re.compile(rb"^-- Dumping data for table `([^`]+)`", re.M)

    def __init__(self, timeout_s=600, tell=to_journal, every_s=5.0):
        self.timeout_s, self.tell, self.every_s = timeout_s, tell, every_s

    def into(self, source, database, tables, target, schema, where=""):
        """Pipe the tables of ``source`` into ``schema`` of ``target`` (Servers), not binlogged; return the comments of the dump.

        No tables: all of the database. where: only these rows, into a table that is there.
        """
        load = [_program("mariadb", "mysql"), "", "--init-command=SET SESSION sql_log_bin=0", "--default-character-set=utf8mb4", schema]
        with _option_file(source) as read_as, _option_file(target) as write_as:
            load[1] = f"--defaults-extra-file={write_as}"
            with tempfile.TemporaryFile() as complaints:
                client = subprocess.Popen(load, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=complaints)
                try:
                    comments = self._dump(source, database, tables, read_as, client.stdin, where)
                    client.stdin.close()
                    failed = client.wait(self.timeout_s)
                except (BrokenPipeError, subprocess.TimeoutExpired):
                    failed = True
                    comments = ""
                finally:
                    if client.poll() is None:
                        client.kill()
                    client.wait()
                if failed:
                    raise CoreError("cannot load the dump", f"{schema} of {target.where}", _last_words(complaints), "Nothing was put into place; run it again.")
        return comments

    def to_file(self, source, database, tables, folder, where=""):
        """Dump the tables, or only the rows ``where``, into a new 0600 file of ``folder`` (made 0700); return its path. A part of a dump does not stay."""
        path = None
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            stem = os.path.join(folder, f"{database}.{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.{os.getpid()}")
            name = next(name for name in (f"{stem}{number}.sql" for number in ("", *(f".{more}" for more in range(1, 1000)))) if not os.path.exists(name))
            with _option_file(source) as read_as, os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as sink:
                path = name
                self._dump(source, database, tables, read_as, sink, where)
        except (CoreError, OSError) as error:
            if path:
                os.unlink(path)
            if isinstance(error, CoreError):
                raise
            raise CoreError("cannot write the backup", folder, error.strerror or str(error), "Nothing was changed. Make room there, or name another "
                            "backup_dir.", errno=error.errno) from None
        return path

    def _dump(self, source, database, tables, read_as, sink, where=""):
        """Write the dump to ``sink``; return its head and tail. A dump without its last line is an error."""
        argv = [_program("mariadb-dump", "mysqldump"), f"--defaults-extra-file={read_as}", "--single-transaction", "--gtid", "--master-data=2",
                "--no-tablespaces", "--skip-lock-tables", "--hex-blob", "--default-character-set=utf8mb4",
                *(["--no-create-info", "--skip-add-locks", "--skip-disable-keys", "--complete-insert", f"--where={where}"] if where else []),
                database, *tables]
        head, tail, size, table = b"", b"", 0, "its first table"
        begun = told = time.monotonic()
        with tempfile.TemporaryFile() as complaints:
            dump = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints)
            overdue = threading.Timer(self.timeout_s, dump.kill)
            overdue.start()
            try:
                for chunk in iter(lambda: dump.stdout.read(65536), b""):
                    sink.write(chunk)
                    head = head if len(head) >= self.HEAD else head + chunk
                    tail = (tail + chunk)[-self.TAIL:]
                    size, table = size + len(chunk), (self._TABLE.findall(chunk) or [table])[-1]
                    if time.monotonic() >= told + self.every_s:
                        told = time.monotonic()
                        self.tell(f"copying {database} of {source.where}: {size / 1e6:.1f} MB in {told - begun:.0f} s, at {_shown(table)}")
                failed = dump.wait()
            finally:
                overdue.cancel()
                if dump.poll() is None:
                    dump.kill()
                dump.wait()
                dump.stdout.close()
            if failed or b"-- Dump completed" not in tail[-500:]:
                raise CoreError("cannot dump the tables", f"{database} of {source.where}", _last_words(complaints) or f"mariadb-dump ended with {failed}",
                                "The user needs SELECT on the database; nothing was changed here.")
        if told > begun:
            self.tell(f"copied {database} of {source.where}: {size / 1e6:.1f} MB in {time.monotonic() - begun:.0f} s")
        return (head + b"\n" + tail).decode("utf-8", "replace")


class Snapshot(Server):
    """The same server, read as of one moment: one transaction with a consistent snapshot, over InnoDB and the binary log."""

    def __enter__(self):
        self.renew()
        return self

    def renew(self, reached="", within_s=0):
        """Read as of now, or as of when the applier has reached this GTID position; the moment before is given up.

        Waiting and beginning are one statement: between two, a busy applier is many events further.
        """
        if self._connection is None:
            self._execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", ())
        if reached:
            self._execute("BEGIN NOT ATOMIC DO MASTER_GTID_WAIT(%s, %s); START TRANSACTION WITH CONSISTENT SNAPSHOT; END", (reached, within_s))
        else:
            self._execute("START TRANSACTION WITH CONSISTENT SNAPSHOT", ())

    def __exit__(self, *nothing):
        with contextlib.suppress(CoreError):
            self._execute("COMMIT", ())
        self.close()


class Servers:
    """This host's server, and others by their address with another login."""

    def __init__(self, params):
        self.params, self.Snapshot = params, Snapshot

    def here(self, kind=Server):
        return kind(self.params)

    def at(self, host, port, kind=Server):
        return kind({"login_host": host, "login_port": port, "login_user": self.params["user"], "login_password": self.params["password"],
                     "login_tls_ca": self.params.get("tls_ca"), "connect_timeout_s": self.params["connect_timeout_s"]})

    @staticmethod
    def together(*calls):
        """Return what the calls return; they run at once, so each needs a connection of its own."""
        with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
            return [future.result() for future in [pool.submit(call) for call in calls]]


def _stored_password(folder, row):
    """Return line 6 of master-<name>.info, where host and user are what SHOW ALL SLAVES STATUS says: else the file is laid out in another way."""
    name = "".join(one if re.match(r"\w", one, re.A) else f"@{ord(one):04x}" for one in row["Connection_name"].lower())
    try:
        with open(os.path.join(folder, f"master-{name}.info"), encoding="utf-8") as stream:
            lines = stream.read().split("\n")
    except (OSError, ValueError):
        return None
    return lines[5] if len(lines) > 7 and lines[3:5] == [row["Master_Host"], row["Master_User"]] else None


def _program(*names):
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        raise NotThere("cannot copy tables", "this host", f"the program {names[0]} is not installed",
                       "Install mariadb-client (Debian, Ubuntu) or mariadb (EL).")
    return found


@contextlib.contextmanager
def _option_file(server):
    """A client option file for the server's login; it is there, 0600, as long as the block runs."""
    address = [f"host={server.host}", f"port={server.port}", "protocol=tcp"] if server.host else [f"socket={server.socket}"]
    address += [f"ssl-ca={server.tls_ca}", "ssl-verify-server-cert"] if server.tls_ca else []
    quoted = server.password.replace("\\", "\\\\").replace('"', '\\"')
    descriptor, path = tempfile.mkstemp(prefix="constellation-", suffix=".cnf")      # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write("\n".join(["[client]", f"user={server.user}", *([f'password="{quoted}"'] if server.password else []), *address, ""]))
        yield path
    finally:
        os.unlink(path)


def _shown(name):
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name


def _last_words(stream):
    stream.seek(0)
    return stream.read().decode("utf-8", "replace").strip()[-600:]


def _errno_text(error):
    errno = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    return errno, str(error.args[1] if len(error.args) > 1 else error)
