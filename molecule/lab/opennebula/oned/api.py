# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls: which exist, what they take, who may make them, and how they are answered: [true, value, 0] or [false, "[Label] text", code].

api_{users,zones,hosts,pools,vms}.py register theirs with ``@call``; on a federation slave proxy.py takes those that belong to the master.
"""
from __future__ import annotations

import collections
import contextlib
import hashlib
import itertools
import threading
import time

from . import body, pools
from .database import DatabaseError

AUTHENTICATION, AUTHORIZATION, NO_EXISTS, ACTION, XML_RPC_API, INTERNAL, ALLOCATE = 256, 512, 1024, 2048, 4096, 8192, 16384
Call = collections.namedtuple("Call", "label takes handler")
CALLS = {}
_TYPES = {"i": (int, "integer"), "s": (str, "a string"), "b": (bool, "boolean")}


class ApiError(Exception):
    """The call is refused: a code and the daemon's text, without the label."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Fault(Exception):
    """The call is no proper call: answered by an XML-RPC fault."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def call(name, label, takes=""):
    """Register a method. ``takes``: one letter per parameter after the session (i, s, b), optional ones after a bar."""
    def register(handler):
        CALLS[name] = Call(label, takes, handler)
        return handler
    return register


class Api:
    """The running daemon as calls see it."""

    def __init__(self, database, config, federation, lifecycle, hosts, actions, proxy, log):
        self.database, self.config, self.federation, self.log = database, config, federation, log
        self.lifecycle, self.hosts, self.actions, self.proxy = lifecycle, hosts, actions, proxy
        self._numbers = itertools.count()
        self._writing = threading.RLock()

    def pool(self, tag):
        return pools.Pool(self.database, tag)

    def lock_for(self, name):
        """Return what a call holds: reading nothing; changes go one after another, those of hosts with the monitor's own."""
        if name.endswith(".info") or name.startswith(("one.system.", "one.vm.")):
            return contextlib.nullcontext()             # changes of machines hold the lifecycle's lock
        return self.hosts.lock if name.startswith("one.host.") else self._writing

    def answer(self, name, parameters):
        """Return the reply of one call as a list of three."""
        if name not in CALLS:
            raise Fault(-506, f"Method '{name}' not defined")
        known = CALLS[name]
        proxied = self.federation.slave and self.proxy.takes(name)
        label = f"RequestManagerProxy.{name}" if proxied else known.label
        session, arguments = check(known.takes, parameters)
        number, uid = next(self._numbers) * 16 % 10000, "-"
        try:
            user = authenticate(self.pool("USER"), session)
            if user is None:
                raise ApiError(AUTHENTICATION, "User couldn't be authenticated, aborting call.")
            uid = body.get(user, "ID")
            self.log.write("ReM", "D", f"Req:{number} UID:{uid} {label} invoked {_shown(name, arguments)}")
            if proxied:
                return self.proxy.forward(name, parameters)
            with self.lock_for(name):
                value = known.handler(Request(self, user), *arguments)
            self.log.write("ReM", "D", f"Req:{number} UID:{uid} {label} result SUCCESS, {str(value)[:20]!r}")
            return [True, value, 0]
        except ApiError as error:
            reply = [False, f"[{label}] {error}", error.code]
        except DatabaseError as error:
            self.log.error("ONE", str(error))
            reply = [False, f"[{label}] The database refused: error {error.number} : {error.text}", INTERNAL]
        self.log.write("ReM", "E", f"Req:{number} UID:{uid} {label} result FAILURE {reply[1]}")
        return reply


class Request:
    """One call of one user."""

    def __init__(self, api, user):
        self.api, self.user = api, user
        self.uid = body.number(user, "ID")

    @property
    def admin(self):
        return 0 in body.ids(self.user, "GROUPS")

    def require_admin(self, what):
        if not self.admin:
            raise ApiError(AUTHORIZATION, f"User [{self.uid}] : Not authorized to perform {what}.")

    def object(self, tag, oid):
        """Return an object, or refuse in the daemon's words."""
        element = self.api.pool(tag).get(oid) if oid >= 0 else None
        if element is None:
            what = pools.KINDS[tag].what
            raise ApiError(NO_EXISTS, f"Error getting {what} [{oid}]." if oid >= 0 else f"Error getting {what} Pool.")
        return element


def check(takes, parameters):
    """Return (session, arguments) of the right number and types; superfluous parameters are dropped, as xmlrpc-c does."""
    needed, _bar, optional = ("s" + takes).partition("|")
    if len(parameters) < len(needed):
        raise Fault(-501, "Not enough parameters")
    given = parameters[:len(needed) + len(optional)]
    for letter, value in zip(needed + optional, given):
        kind, name = _TYPES[letter]
        if type(value) is not kind:
            raise Fault(-501, f"Parameter that is supposed to be {name} is not")
    return given[0], given[1:]


def authenticate(users, session):
    """Return the user of ``name:password`` or ``name:token``, None if the secret is wrong; only the core driver is known."""
    name, _colon, secret = session.partition(":")
    user = users.find(name) if name and secret else None
    if user is None or body.get(user, "ENABLED") != "1" or body.get(user, "AUTH_DRIVER") != "core":
        return None
    if hashlib.sha1(secret.encode()).hexdigest() == body.get(user, "PASSWORD"):
        return user
    token, until = body.get(user, "LOGIN_TOKEN/TOKEN"), body.number(user, "LOGIN_TOKEN/EXPIRATION_TIME")
    return user if token and token == secret and (until < 0 or until > time.time()) else None


def _shown(name, arguments):
    """Return the arguments for the log, secrets as stars; of a text its first line, and of that 20 characters (Request::log_xmlrpc_value)."""
    hidden = {"one.user.allocate": {1}, "one.user.passwd": {1}, "one.user.login": {1}, "one.user.chauth": {2}}.get(name, ())
    return "".join(", " + ("****" if place in hidden else _brief(value)) for place, value in enumerate(arguments))


def _brief(value):
    if not isinstance(value, str):
        return repr(value)
    short = value.partition("\n")[0][:20]
    return f'"{short}{"..." if len(value) > len(short) else ""}"'
