# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has the zone's address, runs its daemon and takes its writes, moment by moment, as this machine sees it: processes and addresses inside the
containers, and who answers on the wire. Neither ssh nor the cluster is asked, so it sees both halves of a split zone."""
from __future__ import annotations

import socket
import struct
import subprocess
import threading
import time
from dataclasses import dataclass

import addresses
from podman import podman, run

WHAT = {"address": "has the zone's address", "daemon": "runs oned", "writer": "takes writes"}
# One process a node and look. [o]: not this command itself.
LOOK = """
ip -o -4 address | grep -q 'inet {vip}/' && echo address
pgrep -f 'bin/[o]ned -f' >/dev/null && echo daemon
timeout 2 mariadb --batch --skip-column-names -e "SELECT IF(@@read_only = 0, 'writer', '')"
true
"""


# -- pure --------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Look:
    """One moment: which nodes have, run, take (names by the keys of WHAT), and which answer for the address on the wire."""

    at: float
    seen: dict
    answers: tuple = ()


def twice(looks, begun=0.0):
    """Return what was at two places in the same moment, each pair of places once, with the first moment and how often.

    >>> twice([Look(2.5, {"daemon": ("a", "b"), "address": ("a",)}, ("a",)), Look(3.0, {"daemon": ("a", "b")})])
    ['a and b each runs oned, first after 2.5 s, in 2 of 2 looks']
    """
    found = {}
    for look in looks:
        for what, names in [*((WHAT[key], names) for key, names in look.seen.items()), ("answers for the address", look.answers)]:
            if len(names) > 1:
                found.setdefault((tuple(names), what), []).append(look.at)
    return [f"{' and '.join(names)} each {what}, first after {moments[0] - begun:.1f} s, in {len(moments)} of {len(looks)} looks"
            for (names, what), moments in found.items()]


def silence(moments, since, until):
    """Return the longest time without one of the moments, between two others.

    >>> silence([1.0, 4.0, 4.5, 20.0], 2.0, 6.0)
    2.0
    """
    inside = [since, *sorted(moment for moment in moments if since < moment < until), until]
    return max(after - before for before, after in zip(inside, inside[1:]))


# -- the world ---------------------------------------------------------------------------------------------------------
class Wire:
    """Asks on the data network who has an address, and hears everybody who answers."""

    def __init__(self, lab):
        self.interface = podman("network", "inspect", lab.plan.data_network, "--format", "{{.NetworkInterface}}")
        self.own, self.names = f"{lab.plan.net}.0.1", {node.mac: node.name for node in lab.plan.nodes.values()}

    def ask(self, address, within_s=0.15):
        own = bytes.fromhex(addresses.mac(self.own).replace(":", ""))
        question = struct.pack("!6s6sHHHBBH6s4s6s4s", b"\xff" * 6, own, 0x0806, 1, 0x0800, 6, 4, 1, own, socket.inet_aton(self.own), bytes(6),
                               socket.inet_aton(address))
        found, deadline = set(), time.monotonic() + within_s
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806)) as wire:
            wire.bind((self.interface, 0x0806))
            wire.send(question)
            while (left := deadline - time.monotonic()) > 0:
                wire.settimeout(left)
                try:
                    frame = wire.recv(128)
                except socket.timeout:
                    break
                if len(frame) >= 42 and frame[20:22] == b"\0\2" and frame[28:32] == socket.inet_aton(address):
                    found.add(self.names.get(frame[22:28].hex(":"), frame[22:28].hex(":")))
        return found


def init_of(lab, name):
    """Return the pid of a node's init, None while it is off."""
    pid = run("podman", "inspect", "--format", "{{.State.Pid}}", lab.node(name).container, check=False).stdout.strip()
    return int(pid) if pid.isdigit() and int(pid) else None


def alive(pid):
    """Tell whether a process runs; one that was killed and not yet collected does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Watch(threading.Thread):
    """Looks at a zone every half second, from start() to stop()."""

    def __init__(self, zone, every_s=0.5):
        super().__init__(daemon=True)
        self.lab, self.names, self.vip, self.every_s = zone.lab, zone.nodes, zone.vip, every_s
        self.looks, self.pids, self.wire, self._ended = [], {}, Wire(zone.lab), threading.Event()

    def look(self):
        for name in self.names:
            if not (self.pids.get(name) and alive(self.pids[name])):
                self.pids[name] = init_of(self.lab, name)
        at = time.time()
        asked = {name: subprocess.Popen(["nsenter", "--target", str(pid), "--mount", "--net", "--pid", "sh", "-c", LOOK.format(vip=self.vip)],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True)
                 for name, pid in self.pids.items() if pid}
        answers = self.wire.ask(self.vip)
        said = {name: process.communicate()[0].split() for name, process in asked.items()}
        # The network of a dead container outlives its processes by seconds and still answers: what died meanwhile does not count.
        said = {name: words for name, words in said.items() if alive(self.pids[name])}
        return Look(at, {key: tuple(name for name, words in said.items() if key in words) for key in WHAT},
                    tuple(sorted(name for name in answers if name in said or name not in self.names)))

    def run(self):
        while not self._ended.is_set():
            began = time.monotonic()
            self.looks.append(self.look())
            self._ended.wait(max(0.0, self.every_s - (time.monotonic() - began)))

    def stop(self):
        self._ended.set()
        self.join(10)
        return self.looks
