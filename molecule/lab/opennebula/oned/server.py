# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP with keep-alive and XML-RPC as xmlrpc-c writes it; knows nothing of what calls do."""
from __future__ import annotations

import http.server
import socketserver
import xmlrpc.client
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape

from .api import Fault

_VALUE = {bool: lambda value: f"<boolean>{int(value)}</boolean>", int: lambda value: f"<i4>{value}</i4>"}


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """One thread per connection."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address, answer, keep_alive_s=15, calls_per_connection=30):
        settings = {"answer": staticmethod(answer), "timeout": keep_alive_s, "most": calls_per_connection}
        super().__init__(address, type("Handler", (Handler,), settings))

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)        # HTTPServer would ask DNS for our own name
        self.server_name, self.server_port = "oned", self.server_address[1]

    def handle_error(self, request, client_address):
        """A client that went away is nobody's error."""


class Handler(http.server.BaseHTTPRequestHandler):
    """POST /RPC2. Like Abyss it closes a connection after some seconds of silence, and after so many calls."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Xmlrpc-c_Abyss/1.33.14", "(laboratory stand-in)"
    disable_nagle_algorithm = True
    wbufsize = -1                                       # head and body leave in one write
    served = 0

    def do_POST(self):
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path not in ("/RPC2", "/"):
            self.reply(404, "text/plain", b"oned answers on /RPC2\n")
            return
        try:
            reply = respond(self.answer(*decode(content)))
        except Fault as fault:
            reply = fault_reply(fault.code, str(fault))
        self.reply(200, "text/xml; charset=utf-8", reply.encode("utf-8", "replace"))

    def do_GET(self):
        self.reply(405, "text/plain", b"oned answers POST on /RPC2\n")

    def reply(self, status, kind, content):
        self.send_response(status)
        self.send_header("Content-type", kind)
        self.send_header("Content-length", str(len(content)))
        self.served += 1
        if self.served < self.most:
            self.send_header("Connection", "Keep-Alive")
            self.send_header("Keep-Alive", f"timeout={self.timeout}, max={self.most}")
        else:
            self.send_header("Connection", "close")     # which also makes the base class close it
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *_arguments):
        """The API logs calls itself."""


def decode(content):
    """Return (method, parameters) of a request."""
    try:
        parameters, method = xmlrpc.client.loads(content)
    except ExpatError:
        raise Fault(-503, "Call XML not a proper XML-RPC call.  Call is not valid XML.  syntax error") from None
    except Exception as error:                          # noqa: BLE001  whatever the unmarshaller dislikes is the caller's fault
        raise Fault(-503, f"Call XML not a proper XML-RPC call.  {error}") from None
    if method is None:
        raise Fault(-503, "Call XML not a proper XML-RPC call.  There is no methodCall.")
    return method, list(parameters)


def respond(values):
    """Write a reply: an array of scalars."""
    inner = "\r\n".join(f"<value>{_scalar(value)}</value>" for value in values)
    return ('<?xml version="1.0" encoding="UTF-8"?>\r\n<methodResponse>\r\n<params>\r\n<param><value><array><data>\r\n'
            f"{inner}\r\n</data></array></value></param>\r\n</params>\r\n</methodResponse>\r\n")


def fault_reply(code, text):
    return ('<?xml version="1.0" encoding="UTF-8"?>\r\n<methodResponse>\r\n<fault>\r\n<value><struct>\r\n'
            f"<member><name>faultCode</name>\r\n<value><i4>{code}</i4></value></member>\r\n"
            f"<member><name>faultString</name>\r\n<value><string>{escape(text)}</string></value></member>\r\n"
            "</struct></value>\r\n</fault>\r\n</methodResponse>\r\n")


def _scalar(value):
    return _VALUE[type(value)](value) if type(value) in _VALUE else f"<string>{escape(str(value))}</string>"
