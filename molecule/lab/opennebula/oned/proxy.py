# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A federation slave hands calls on shared objects to the master; it waits 15 seconds at most (measured)."""
from __future__ import annotations

import http.client
import urllib.parse
import xmlrpc.client

TIMEOUT_S = 15
INTERNAL = 8192
# 5.0.2's RequestManager.cc, seen on the daemon: opennebula-federation.md
_CALLS = """
one.group.allocate one.group.delete one.group.update one.group.addadmin one.group.deladmin
one.user.allocate one.user.update one.user.delete one.user.passwd one.user.chgrp one.user.addgroup one.user.delgroup one.user.chauth one.user.login
one.acl.addrule one.acl.delrule one.zone.allocate one.zone.update one.zone.delete one.zone.rename
one.vdc.allocate one.vdc.update one.vdc.delete one.vdc.rename
one.market.update one.market.delete one.market.chmod one.market.chown one.market.rename
""".split()


class Proxy:
    """The way to MASTER_ONED."""

    def __init__(self, endpoint, timeout=TIMEOUT_S):
        self.endpoint = urllib.parse.urlsplit(endpoint)
        self.timeout = timeout

    @staticmethod
    def takes(name):
        return name in _CALLS

    def forward(self, name, parameters):
        """Return the master's reply, whatever it is."""
        try:
            return self.post(name, parameters)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return [False, f"[RequestManagerProxy.{name}] Could not connect to the federation master oned", INTERNAL]

    def post(self, name, parameters):
        kind = http.client.HTTPSConnection if self.endpoint.scheme == "https" else http.client.HTTPConnection
        connection = kind(self.endpoint.hostname, self.endpoint.port or 2633, timeout=self.timeout)
        try:
            connection.request("POST", self.endpoint.path or "/RPC2", xmlrpc.client.dumps(tuple(parameters), name).encode(),
                               {"Content-Type": "text/xml"})
            (reply,), _method = xmlrpc.client.loads(connection.getresponse().read())
            return reply
        finally:
            connection.close()
