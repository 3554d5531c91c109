# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd and the network of this host, as they answer."""
from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import time

from ..core import arp, ndp
from ..core.errors import CoreError

ARP = 0x0806                                             # EtherType; socket has no name for it
ICMP6_FILTER = 1                                         # linux/icmpv6.h; nor for this
# A bit for each type of message, 1 blocks it (RFC 3542, 3.2).
ONLY_ADVERTISEMENTS = struct.pack("=8I", *(0xffffffff ^ (1 << ndp.ADVERTISEMENT % 32 if word == ndp.ADVERTISEMENT // 32 else 0) for word in range(8)))
PROPERTIES = ("Id", "LoadState", "ActiveState", "UnitFileState", "ActiveEnterTimestampMonotonic", "MainPID")


def run(argv, stdin=None, timeout_s=60):
    """Run a reading command in the C locale; return (exit code, stdout, stderr). A missing program is exit code 127."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False, env=dict(os.environ, LC_ALL="C"))
    except FileNotFoundError:
        return 127, "", f"{argv[0]}: not found"
    except subprocess.TimeoutExpired:
        raise CoreError(f"{argv[0]} did not answer", why=f"no end after {timeout_s} s", hint="Look at the load of the host, then run again.") from None
    return done.returncode, done.stdout, done.stderr


def units(names):
    """Return {unit: {property: text}} of systemd units, in one call (systemctl show, systemd 241 to 256)."""
    code, out, err = run(["systemctl", "show", "--property=" + ",".join(PROPERTIES)] + [f"{name}.service" for name in names])
    if code != 0:
        raise CoreError("cannot read systemd units", why=err.strip() or f"systemctl ended with {code}", hint="Is systemd running here?")
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in out.strip().split("\n\n")]
    return {name: {**dict.fromkeys(PROPERTIES, ""), **block} for name, block in zip(names, blocks)}


def links():
    """Return this host's interfaces that are up, loopback left out, as they are listed (ip -json address, iproute2)."""
    code, out, err = run(["ip", "-json", "address", "show", "up"])
    if code != 0:
        raise CoreError("cannot read the addresses of this host", why=err.strip(), hint="Install iproute2.")
    return [link for link in json.loads(out or "[]") if link.get("link_type") != "loopback"]


def addresses():
    """Return the IP addresses of this host's interfaces, loopback left out."""
    return [info["local"] for link in links() for info in link.get("addr_info", []) if "local" in info]


def who_has(address, link, own, within_s=0.7):
    """Ask an Ethernet twice who has an IP address, as the host with the address ``own``; return the other hosts' MACs, sorted."""
    found, deadline, six = set(), time.monotonic() + within_s, ":" in address
    with (_icmp6 if six else _ethernet)() as wire:
        wire.bind((own, 0, 0, link["ifindex"]) if six else (link["ifname"], ARP))
        for ends in (deadline - within_s / 2, deadline):
            if six:
                wire.sendto(ndp.question(link["address"], address), (ndp.group(address), 0, 0, link["ifindex"]))
            else:
                wire.send(arp.question(link["address"], own, address))
            while (left := ends - time.monotonic()) > 0:
                wire.settimeout(left)
                try:
                    mac = (ndp if six else arp).answer(wire.recv(256), address)
                except socket.timeout:
                    break
                found |= {mac} if mac and mac != link["address"] else set()
    return sorted(found)


def _ethernet():
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP))


def _icmp6():
    """Return a socket that hears advertisements only; from one for all of IPv6 a busy host would read too slowly."""
    wire = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    wire.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, ONLY_ADVERTISEMENTS)
    wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)       # others are no question (RFC 4861, 7.1.1)
    wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    return wire


def filesystems(paths):
    """Return {path: (device, bytes that are free for everybody, files that still fit or None)} of those paths that exist."""
    found = {}
    for path in paths:
        try:
            device, room = os.stat(path).st_dev, os.statvfs(path)
        except FileNotFoundError:
            continue
        except OSError as error:                         # a stale NFS mount, for example
            raise CoreError("cannot read the free space", path, error.strerror, "Look at the mount there.") from None
        found[path] = device, room.f_bavail * room.f_frsize, room.f_favail if room.f_files else None
    return found


def uptime_s():
    """Return the seconds since boot."""
    with open("/proc/uptime", encoding="ascii") as text:
        return float(text.read().split()[0])
