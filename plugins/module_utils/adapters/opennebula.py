# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenNebula's XML-RPC interface: one kept connection, time limits, and errors that say what the daemon said.

Every call answers [true, value, 0] or [false, "[Method] text", code] (three elements up to 5.10, five from 5.12: object id and -1 follow),
or a Fault (unknown method, wrong parameter types). Samples: shared/fixtures/xmlrpc. Pools come back as the XML text that the daemon sent.

The daemon's server (Abyss) closes a connection after 15 s of silence and after 30 calls; it says so in the headers of the 30th answer.
"""
from __future__ import annotations

import http.client
import pathlib
import re
import socket
import ssl
import time
import urllib.parse
import xml.parsers.expat
import xmlrpc.client

from ..core.errors import CoreError, NotThere

ENDPOINT = "http://localhost:2633/RPC2"
AUTH_FILE = "/var/lib/one/.one/one_auth"
ARGUMENTS = {
    "endpoint": {"type": "str", "default": ENDPOINT},
    "auth_file": {"type": "path", "default": AUTH_FILE},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "timeout_s": {"type": "int", "default": 30},
    "ca_file": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
}
WAIT = {"wait_timeout_s": {"type": "int", "default": 0}}
TOGETHER = [("username", "password")]

CODES = {256: "authentication", 512: "authorization", 1024: "no such object", 2048: "wrong state or operation", 4096: "wrong request", 8192: "internal",
         16384: "not the federation master", 32768: "locked"}
FAULT_NO_METHOD = -506
IDLE_LIMIT_S = 10           # below the server's 15 s: never send a call that changes something into a connection that may just be closing
PAGE, OVERLAP = 500, 20     # VMs of a page, and how many of them are on the page before
VM_ID, CDATA = re.compile(r"<VM>\s*<ID>(\d+)</ID>"), re.compile(r"<!\[CDATA\[.*?\]\]>", re.DOTALL)       # what owners write is CDATA
ALL_USERS, EVERY_ID = -2, -1
OWNED = ("template", "image")       # kinds whose pools are asked for by owner and range
OPERATIONS = {"failure": 0, "success": 1, "retry": 2}      # one.vm.recover; the destructive ones are deliberately not here
DEMANDED = {"delete": 3, "recreate": 4, "delete-db": 5}     # they have a method of their own, so that no verdict can end in one by mistake


class Refused(CoreError):
    """The daemon answered, and its answer is no. ``code`` is its error code (see CODES), or the number of the Fault."""

    def __init__(self, method, where, code, text):
        meaning = CODES.get(code, "fault" if code < 0 else "error")
        super().__init__(f"{method} was refused", where, f"{text} ({meaning}, {code})", HINTS.get(code, ""), code=code)
        self.code = code


HINTS = {
    256: "Compare the user and password with the ones in the daemon's database; on a front-end they are in /var/lib/one/.one/one_auth.",
    16384: "Run it on the master zone: zones exist only there.",
}


class OpenNebula:
    """Calls to one daemon. Use as a context manager or call close()."""

    def __init__(self, endpoint=ENDPOINT, session="", timeout_s=30, ca_file=None, validate_certs=True):
        parts = urllib.parse.urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CoreError("cannot use OpenNebula endpoint", endpoint, "it is not a URL like http://10.90.1.100:2633/RPC2")
        self.endpoint = endpoint
        self._session, self._timeout_s = session, timeout_s
        self._parts, self._path = parts, parts.path or "/RPC2"
        self._tls = _tls(ca_file, validate_certs) if parts.scheme == "https" else None
        self._connection, self._used_at = None, 0.0

    @classmethod
    def from_params(cls, params):
        """Log in as the user named in the module's options, by default as oneadmin with the file that its own tools use."""
        if params.get("username"):
            session = f"{params['username']}:{params['password']}"
        else:
            session = read_session(params["auth_file"])
        return cls(params["endpoint"], session, params["timeout_s"], params.get("ca_file"), params["validate_certs"])

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # what the modules ask

    def version(self):
        return self.call("one.system.version")

    @property
    def user(self):
        """The name that the session logs in with."""
        return self._session.partition(":")[0]

    def pool(self, kind):
        """Return a whole pool: zone, host, cluster, template, image, user, group."""
        return self.call(f"one.{kind}pool.info", *(ALL_USERS, EVERY_ID, EVERY_ID) if kind in OWNED else ())

    def zone_pool(self):
        return self.pool("zone")

    def host_pool(self):
        return self.pool("host")

    def host(self, host_id):
        return self.call("one.host.info", host_id)

    def vm(self, vm_id):
        return self.call("one.vm.info", vm_id)

    def vm_pool(self, state):
        """Yield the pages of the VM pool in one STATE, with whole bodies (from 5.8 one.vmpool.info has none of a history's times).

        The daemon counts pages by offset, upwards or downwards by id: VMs that leave the state between two pages would hide as many of the second.
        So each page begins with VMs of the one before. One that has none of them is not taken, but asked for again from further back. A VM may
        therefore be on two pages; the later one is the newer.
        """
        method, start, before = "one.vmpool.infoextended", 0, set()
        while True:
            try:
                text = self.call(method, ALL_USERS, start, -PAGE, state)
            except Refused as error:
                if error.code != FAULT_NO_METHOD or method == "one.vmpool.info":
                    raise
                method = "one.vmpool.info"
                continue
            numbers = set(VM_ID.findall(CDATA.sub("", text)))
            if start and not before & numbers:
                start = max(0, start - PAGE + OVERLAP)
                continue
            yield text
            if len(numbers) < PAGE:
                return
            before, start = numbers, start + PAGE - OVERLAP

    def vm_recover(self, vm_id, operation):
        return self.call("one.vm.recover", vm_id, OPERATIONS[operation])

    def vm_recover_demanded(self, vm_id, operation):
        """Delete or recreate: for a VM and an operation that somebody named."""
        return self.call("one.vm.recover", vm_id, DEMANDED[operation])

    # how it gets there

    def call(self, method, *arguments):
        """Return what the daemon answers to one call; raise Refused when it says no, NotThere when nobody listens."""
        body = xmlrpc.client.dumps((self._session,) + arguments, method).encode()
        reply = self._post(method, body)
        try:
            answer = xmlrpc.client.loads(reply, use_builtin_types=True)[0][0]
        except xmlrpc.client.Fault as fault:
            raise Refused(method, self.endpoint, fault.faultCode, fault.faultString) from None
        except (xml.parsers.expat.ExpatError, xmlrpc.client.Error, ValueError, IndexError) as error:
            raise CoreError(f"cannot read the answer to {method}", self.endpoint, f"it is not XML-RPC: {error}",
                            "Is another program listening on this port?") from None
        if not isinstance(answer, list) or len(answer) < 3 or not isinstance(answer[0], bool):
            raise CoreError(f"cannot read the answer to {method}", self.endpoint, "it does not begin with true or false", "Is this an OpenNebula daemon?")
        if not answer[0]:
            raise Refused(method, self.endpoint, answer[2], answer[1])
        return answer[1]

    def _post(self, method, body):
        if time.monotonic() - self._used_at > IDLE_LIMIT_S:
            self.close()
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.request("POST", self._path, body, {"Content-Type": "text/xml", "Connection": "keep-alive"})
            response = self._connection.getresponse()
            reply = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unanswered(method, error) from None
        self._used_at = time.monotonic()
        if response.status != 200:
            raise CoreError(f"{method} was not answered", self.endpoint, f"HTTP {response.status} {response.reason}",
                            "Look at the proxy in front of the daemon, if there is one.")
        return reply

    def _connect(self):
        host, port = self._parts.hostname, self._parts.port
        if self._tls is not None:
            connection = http.client.HTTPSConnection(host, port or 443, timeout=self._timeout_s, context=self._tls)
        else:
            connection = http.client.HTTPConnection(host, port or 80, timeout=self._timeout_s)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _unanswered(self, method, error):
        if isinstance(error, ssl.SSLCertVerificationError):
            return CoreError("cannot trust the certificate", self.endpoint, error.verify_message, "Name the authority in ca_file.")
        if isinstance(error, ssl.SSLError):
            return CoreError("cannot speak TLS", self.endpoint, error.reason or str(error), "Is the endpoint http rather than https?")
        if isinstance(error, socket.timeout):
            return CoreError(f"{method} was not answered", self.endpoint, f"nothing came back within {self._timeout_s} s",
                             "The daemon is up but busy or hanging; what it was asked may still happen. Look at oned.log, then run again.")
        if isinstance(error, (http.client.HTTPException, ConnectionResetError, BrokenPipeError)):
            return CoreError(f"{method} was not answered", self.endpoint, f"the connection broke ({error or type(error).__name__})",
                             "The daemon stopped in the middle of it, or the port is not OpenNebula's. Read again before repeating it.")
        return NotThere("OpenNebula does not answer", self.endpoint, getattr(error, "strerror", None) or str(error),
                        "Start the service opennebula, or run this on the front-end that holds the zone's address.")


def wait_for(connect, kind, timeout_s, clock=time.monotonic, pause=time.sleep):
    """Return the daemon and its pool of one kind as soon as somebody answers; raise NotThere after ``timeout_s``."""
    deadline = clock() + timeout_s
    while True:
        try:
            api = connect()
            return api, api.pool(kind)
        except NotThere:
            if clock() >= deadline:
                raise
            pause(0.5)


def reaching(connect, kind, params, check_mode):
    """Return the function that reaches the daemon and its pool of one kind, with the patience of the module's options."""
    return lambda: wait_for(connect, kind, 0 if check_mode else params.get("wait_timeout_s", 0))


def read_session(path):
    """Return ``user:password`` from a file in the form of $ONE_AUTH."""
    try:
        session = pathlib.Path(path).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise NotThere("OpenNebula's credentials are not there", path, "the file does not exist",
                       "Install OpenNebula first, or name another auth_file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CoreError("cannot read OpenNebula's credentials", path, getattr(error, "strerror", None) or "it is not text",
                        "Run this as root or oneadmin.") from None
    if ":" not in session:
        raise CoreError("cannot use OpenNebula's credentials", path, "the file does not hold user:password")
    return session


def _tls(ca_file, validate_certs):
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise CoreError("cannot read the certificate authority", ca_file, str(error)) from None
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
