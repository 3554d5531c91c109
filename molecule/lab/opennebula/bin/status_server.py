#!/usr/bin/python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for Sunstone, OneGate, OneFlow or noVNC: answers a status page on the service's port, and does nothing else."""
import http.server
import os
import re
import signal
import socket
import sys

# name → what it is, its configuration file, and the setting and default of its port
SERVICES = {
    "sunstone": ("OpenNebula Sunstone", "/etc/one/sunstone-server.conf", "port", 9869),
    "gate": ("OpenNebula OneGate", "/etc/one/onegate-server.conf", "port", 5030),
    "flow": ("OpenNebula OneFlow", "/etc/one/oneflow-server.conf", "port", 2474),
    "novnc": ("OpenNebula noVNC proxy", "/etc/one/sunstone-server.conf", "vnc_proxy_port", 29876),
}


def setting(path, name, default):
    """Return one ``:name: value`` of a configuration file."""
    try:
        with open(path, encoding="utf-8") as file:
            found = re.search(rf"^:{name}:[ \t]*(\S+)[ \t]*$", file.read(), re.MULTILINE)
    except FileNotFoundError:
        found = None
    return found.group(1) if found else default


def notify(state):
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(state, "\0" + address[1:] if address.startswith("@") else address)


def main(name):
    title, path, key, default = SERVICES[name]
    page = f"{title}: laboratory stand-in on {socket.gethostname()}, not OpenNebula\n".encode()

    class Page(http.server.BaseHTTPRequestHandler):
        """The same page for every path."""

        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(page)

        do_HEAD = do_GET

        def log_message(self, *_arguments):
            """The journal has better things to keep."""

    class Server(http.server.ThreadingHTTPServer):
        """As HTTPServer, without asking DNS for our own name."""

        daemon_threads = True

        def server_bind(self):
            http.server.socketserver.TCPServer.server_bind(self)
            self.server_name, self.server_port = name, self.server_address[1]

    server = Server((setting(path, "host", "0.0.0.0") if key == "port" else "0.0.0.0", int(setting(path, key, default))), Page)
    signal.signal(signal.SIGTERM, lambda *_ignored: os._exit(0))
    notify(b"READY=1")
    server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in SERVICES:
        main(sys.argv[1])
    sys.exit(f"usage: status_server.py {'|'.join(SERVICES)}")
