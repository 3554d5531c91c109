# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a firewall lets in, compared with what is wanted. Only opened, never closed; nothing is said to a firewall that does not run.

firewalld (1.x) knows services by name and has two configurations, what runs and what the next start brings; both are compared.
ufw (0.36) knows ports; a service is then the ports of SERVICES (/usr/lib/firewalld/services of firewalld 1.3).
"""
from __future__ import annotations

import re

from .errors import Problems
from .plan import Change, Plan

SERVICES = {"high-availability": ("2224/tcp", "3121/tcp", "5403/tcp", "5404/udp", "5405-5412/udp"), "mysql": ("3306/tcp",)}
PORT = re.compile(r"^\d{1,5}(-\d{1,5})?/(tcp|udp)$")
NOW, LATER = "now", "after a restart"


def check(services, ports):
    """Refuse what no firewall takes."""
    problems = [f"port {port!r}: write it as 2633/tcp or 5404-5412/udp" for port in ports if not PORT.match(str(port))]
    problems += [f"service {service!r}: use one of {', '.join(sorted(SERVICES))}, or name its ports" for service in services if service not in SERVICES]
    if problems:
        raise Problems("the firewall's rules are not usable", problems)


def plan(found, services, ports):
    """Return the Plan that opens services and ports.

    found: None when no firewall runs; {"kind": "firewalld", NOW: {"services": …, "ports": …}, LATER: …}; {"kind": "ufw", "ports": …}.
    """
    if found is None:
        return Plan()
    if found["kind"] == "ufw":
        wanted = list(dict.fromkeys([port for service in services for port in SERVICES[service]] + list(ports)))
        return Plan(tuple(Change("port", port, None, "open", step=("ufw", port)) for port in wanted if not _is_open(port, found["ports"])))
    changes = []
    for kind, plural, names in (("service", "services", services), ("port", "ports", ports)):
        for name in dict.fromkeys(names):
            lacking = [when for when in (NOW, LATER) if not (_is_open if kind == "port" else _is_listed)(name, found[when][plural])]
            if lacking:
                before = None if len(lacking) == 2 else f"open {LATER if lacking == [NOW] else NOW} only"
                changes.append(Change(kind, name, before, "open", step=(kind, name, tuple(lacking))))
    return Plan(tuple(changes))


def _is_listed(name, names):
    return name in names


def _is_open(port, ports):
    """Tell whether a port, or a whole range, lies in an open range: firewalld joins ranges that touch each other.

    >>> _is_open("80/tcp", ["79-81/tcp"]), _is_open("80-82/tcp", ["79-81/tcp"]), _is_open("80/udp", ["79-81/tcp"])
    (True, False, False)
    """
    def span(text):
        numbers, protocol = text.split("/")
        first, dummy, last = numbers.partition("-")
        return int(first), int(last or first), protocol

    first, last, protocol = span(port)
    return any(low <= first and last <= high and protocol == one for low, high, one in map(span, ports))


def parse_ufw(text):
    """Return the ports that ``ufw show added`` lists as allowed from everywhere, with ranges as firewalld writes them.

    >>> parse_ufw("ufw allow 3306/tcp\\nufw allow 5404:5405/udp\\nufw allow from 10.0.0.1 to any port 22\\nufw deny 25/tcp")
    ['3306/tcp', '5404-5405/udp']
    """
    return [match.group(1).replace(":", "-") for match in re.finditer(r"^ufw allow (?:in )?([\d:]+/(?:tcp|udp))(?: comment .*)?$", text, flags=re.M)]
