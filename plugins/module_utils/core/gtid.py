# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GTID positions of MariaDB: ``domain-server-sequence``, one entry per domain, joined by commas."""
from __future__ import annotations

from .errors import CoreError


def parse(text):
    """Return {domain: (server, sequence)}; of several entries of one domain (gtid_binlog_state) the highest counts.

    >>> parse("0-1-46,100-3-7")
    {0: (1, 46), 100: (3, 7)}
    """
    position = {}
    for entry in filter(None, (part.strip() for part in (text or "").split(","))):
        numbers = entry.split("-")
        if len(numbers) != 3 or not all(number.isdigit() for number in numbers):
            raise CoreError("cannot read GTID position", why=f"{entry!r} is not domain-server-sequence", hint="It looks like 0-1-46,100-3-7.")
        domain, server, sequence = map(int, numbers)
        if domain not in position or position[domain][1] < sequence:
            position[domain] = (server, sequence)
    return position


def render(position):
    return ",".join(f"{domain}-{server}-{sequence}" for domain, (server, sequence) in sorted(position.items()))


def only(text, domain):
    """Return the part of one domain as text, empty when the position does not have it."""
    position = parse(text)
    return render({domain: position[domain]}) if domain in position else ""


def among(text, domains):
    """Return the part of some domains as text.

    >>> among("1-1-5,2-2-9,100-3-7", (1, 2, 3))
    '1-1-5,2-2-9'
    """
    return render({domain: entry for domain, entry in parse(text).items() if domain in domains})


def with_domain(text, domain, part):
    """Return ``text`` with this one domain taken from ``part``; the other domains stay what they were.

    gtid_slave_pos is one variable for all channels: leaving a domain out makes its channel start from the beginning.

    >>> with_domain("0-1-5,100-3-7", 0, "0-2-90,7-7-7")
    '0-2-90,100-3-7'
    """
    position = parse(text)
    position.pop(domain, None)
    new = parse(part)
    if domain in new:
        position[domain] = new[domain]
    return render(position)


def sequence(text, domain):
    """Return the sequence number that the position has in this domain, 0 for none."""
    return parse(text).get(domain, (0, 0))[1]


def taken_back(slave_pos, binlog_pos, domain, server):
    """Return the entry of ``slave_pos`` that says this server has events of its own which its binary log has not; "" when there is none.

    A crash took them back after a peer had sent them here again: replication that goes on from there leaves them out for ever.

    >>> taken_back("0-1-663,100-3-7", "0-1-662", 0, 1)
    '0-1-663'
    """
    wrote, number = parse(slave_pos).get(domain, (0, 0))
    return f"{domain}-{wrote}-{number}" if wrote == server and number > sequence(binlog_pos, domain) else ""


def sequences(text, domains):
    """Return the sequence numbers in these domains, in their order: equal ones are the same moment of all of them."""
    return tuple(sequence(text, domain) for domain in domains)


def missing(have, target, domains=None):
    """Return the entries of ``target`` that ``have`` has not reached, as text; empty means caught up."""
    own = parse(have)
    late = {domain: entry for domain, entry in parse(target).items()
            if (domains is None or domain in domains) and own.get(domain, (0, 0))[1] < entry[1]}
    return render(late)


def newest(text, other, keep=None):
    """Return, by domain, the newer entry of two positions; the domain ``keep`` is always the first one's.

    >>> newest("0-1-5,100-3-7", "0-1-9,100-4-8", keep=100)
    '0-1-9,100-3-7'
    """
    position = parse(text)
    for domain, entry in parse(other).items():
        if domain != keep and position.get(domain, (0, 0))[1] < entry[1]:
            position[domain] = entry
    return render(position)


def beyond(state, other, domain):
    """Return the events of a domain that a binary log (gtid_binlog_state) has and the other has not, by server: two histories, when both have some.

    >>> beyond("0-1-50,0-2-51", "0-1-55", 0)
    '0-2-51'
    """
    known = _by_server(other, domain)
    return ",".join(f"{domain}-{server}-{number}" for server, number in sorted(_by_server(state, domain).items()) if number > known.get(server, 0))


def _by_server(state, domain):
    found = {}
    for entry in filter(None, (part.strip() for part in (state or "").split(","))):
        of, (server, number) = next(iter(parse(entry).items()))
        if of == domain:
            found[server] = max(number, found.get(server, 0))
    return found
