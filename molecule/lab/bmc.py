#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A board management controller per node, as fence_ilo_ssh and people expect it: ssh, a password, a prompt, a power switch.

Runs in the BMC container. /bmc holds plan.json, password, faults/<node> and log.jsonl; /podman/podman.sock is the switch.
What the agent says (fence-agents 4.12, its source): lines ended by CR; SMCLP; show /system1 -> EnabledState=…;
power off hard; start /system1; reset /system1 hard; exit. The agent takes EnabledState=(.*) from what has arrived, and half
an answer reads as "off". So each answer goes out in one write, and answers are short: the agent reads at most 100 characters
at a time (fspawn.read_nonblocking), so what can pile up between two reads must stay below that.
"""
from __future__ import annotations

import datetime
import hmac
import http.client
import json
import pathlib
import socket
import subprocess
import threading
import time

PROMPT = "\r\nhpiLO-> "
SLOW_S = 8
LIES = {"says-on": "on", "says-off": "off"}              # a board that tells this whatever happens, and switches nothing
STATE = pathlib.Path("/bmc")


# -- the protocol: pure ------------------------------------------------------------------------------------------------
VERBS = {
    "power off": "off", "power off hard": "off", "stop /system1": "off", "stop /system1 hard": "off",
    "power on": "on", "start /system1": "on",
    "power reset": "reset", "reset /system1": "reset", "reset /system1 hard": "reset", "reset hard /system1": "reset",
}


def verb_of(command):
    """Return what a command asks for: 'off', 'on', 'reset', 'show', 'exit' or None.

    >>> verb_of("power  off hard")
    'off'
    """
    command = " ".join(command.lower().split())
    if command in ("exit", "quit", "logout"):
        return "exit"
    if command in ("show /system1", "show system1", "power"):
        return "show"
    return VERBS.get(command)


def answer(command, power):
    """Return the whole answer to a command, prompt included; power is the state after it, 'on' or 'off'."""
    verb = verb_of(command)
    if verb == "exit":
        return "\r\nCLI session stopped\r\n"
    if verb == "show" and command.strip().lower() != "power":
        return f"\r\n/system1\r\n  EnabledState={'enabled' if power == 'on' else 'disabled'}\r\n{PROMPT}"
    return f"\r\nServer power is {power}.\r\n{PROMPT}" if verb else PROMPT


# -- the switch --------------------------------------------------------------------------------------------------------
class PodmanConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect("/podman/podman.sock")


def ask_podman(method, container, what):
    connection = PodmanConnection("podman")
    try:
        connection.request(method, f"/v4.0.0/libpod/containers/{container}/{what}")
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def power_of(container):
    status, body = ask_podman("GET", container, "json")
    return "on" if status == 200 and json.loads(body)["State"]["Status"] == "running" else "off"


def press(container, verb, within_s=10):
    """Bring a container to the state a verb asks for; a start is tried again while the killed one is being cleaned up."""
    for wanted in {"reset": ("off", "on")}.get(verb, (verb,)):
        deadline = time.monotonic() + within_s
        while power_of(container) != wanted and time.monotonic() < deadline:
            ask_podman("POST", container, "start" if wanted == "on" else "kill?signal=SIGKILL")
            if power_of(container) == wanted:
                break
            time.sleep(0.1)


# -- one board ---------------------------------------------------------------------------------------------------------
class Board:
    lock = threading.Lock()                              # one log for all boards

    def __init__(self, address, target, peers):
        self.address, self.node, self.container = address, target["node"], target["container"]
        self.peers = peers

    def fault(self):
        file = STATE / "faults" / self.node
        return file.read_text(encoding="ascii").strip() if file.exists() else ""

    def log(self, by, command, **more):
        entry = {"time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds"), "node": self.node,
                 "by": self.peers.get(by, by), "command": command, **more}
        with self.lock, open(STATE / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")

    def do(self, by, command):
        """Carry out one line of a session; return the answer."""
        verb, fault = verb_of(command), self.fault()
        if fault == "hang":
            time.sleep(3600)
        if verb in ("on", "off", "reset"):
            if fault == "slow":
                time.sleep(SLOW_S)
            self.log(by, command, verb=verb, **({"fault": fault} if fault else {}))
            if fault != "stuck" and fault not in LIES:
                press(self.container, verb)
        power = LIES.get(fault) or power_of(self.container)
        if verb in ("on", "off", "reset"):
            self.log(by, "done", verb=verb, power=power)
        elif verb == "show":
            self.log(by, command, power=power)
        return answer(command, power)


def serve(board, key):
    import paramiko                                      # only in the container: the protocol above is tested without it

    class Login(paramiko.ServerInterface):
        def __init__(self, by):
            self.by, self.shell = by, threading.Event()

        def get_allowed_auths(self, username):
            return "password"

        def check_auth_password(self, username, password):
            expected = (STATE / "password").read_text(encoding="ascii").strip()
            good = username == "fence" and hmac.compare_digest(password, expected) and board.fault() != "deny"
            if not good:
                board.log(self.by, "login", refused=True)
            return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

        def check_channel_request(self, kind, chanid):
            return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

        def check_channel_pty_request(self, *_args):
            return True

        def check_channel_shell_request(self, channel):
            self.shell.set()
            return True

    def session(connection, by):
        transport = paramiko.Transport(connection)
        transport.add_server_key(key)
        login = Login(by)
        try:
            transport.start_server(server=login)
            channel = transport.accept(20)
            if channel and login.shell.wait(10):
                talk(channel, by)
        except (OSError, EOFError, paramiko.SSHException):
            pass                                         # the peer went away in the middle: fencing a fencer does that
        finally:
            transport.close()

    def talk(channel, by):
        channel.sendall(f"User:fence logged-in to {board.node}.bmc\r\n{PROMPT}".encode())
        waiting = ""
        while data := channel.recv(1024):
            waiting += data.decode("utf-8", "replace").replace("\n", "\r")
            while "\r" in waiting:
                command, _, waiting = waiting.partition("\r")
                if command.strip():
                    channel.sendall(board.do(by, command.strip()).encode())
                    if verb_of(command) == "exit":
                        return

    listener = socket.create_server((board.address, 22), backlog=20)
    while True:
        connection, (by, _port) = listener.accept()
        threading.Thread(target=session, args=(connection, by), daemon=True).start()


def main():
    import paramiko
    plan = json.loads((STATE / "plan.json").read_text(encoding="ascii"))
    key_file = STATE / "host_key"                        # kept: a changed host key makes every agent fail
    if not key_file.exists():
        paramiko.RSAKey.generate(2048).write_private_key_file(str(key_file))
    key = paramiko.RSAKey.from_private_key_file(str(key_file))
    threads = []
    for address, target in plan["targets"].items():
        subprocess.run(["ip", "address", "replace", f"{address}/16", "dev", "eth0"], check=True)
        threads.append(threading.Thread(target=serve, args=(Board(address, target, plan["peers"]), key), daemon=True))
        threads[-1].start()
    while all(thread.is_alive() for thread in threads):  # one dead listener ends the container, where it can be seen
        time.sleep(1)


if __name__ == "__main__":
    main()
