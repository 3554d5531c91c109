# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone of the lab as it looks from outside: who has the address, what answers, what its cluster and its databases say."""
from __future__ import annotations

import pathlib
import re
import socket

import faults
from client import PORT, Client
from nodes import inventory_value
from podman import LabError

FEDERATED = "user_pool group_pool marketplace_pool marketplaceapp_pool vdc_pool zone_pool db_versioning acl".split()


def fenced_at(journal, victim):
    """Return when (seconds since 1970) pacemaker held a node's fencing for done, from a journal with such times; None if it did not.

    Not `stonith_admin --history`: 2.1.5 kept showing an older event after the survivor itself had been fenced before (seen).
    """
    found = re.search(rf"^(\d+\.\d+) .*Operation '\w+' targeting {re.escape(victim)} by \S+ for \S+: OK", journal, flags=re.M)
    return float(found.group(1)) if found else None


class Zone:
    def __init__(self, lab, name):
        if name not in lab.plan.vips:
            raise LabError(f"no zone {name!r}: use one of {', '.join(lab.plan.vips)}")
        self.lab, self.vip = lab, lab.plan.vips[name]
        self.nodes = [node.name for node in lab.plan.zone_nodes(name)]
        self.client = Client(self.vip, inventory_value("opennebula_oneadmin_password"))

    def active(self):
        """Return the one node that holds the address."""
        holders = [name for name in self.nodes if f"inet {self.vip}/" in self.lab.inside(name, "ip", "-o", "-4", "address", check=False).stdout]
        if len(holders) != 1:
            raise LabError(f"{self.vip} is on {' and '.join(holders) or 'no node'}: converge first (make lab), or see molecule/lab/lab status")
        return holders[0]

    def peer(self, name):
        return next(node for node in self.nodes if node != name)

    def address_answers_at(self, name):
        """Tell whether a node answers under the zone's address: it refuses or accepts, and the neighbour table says who.

        An answer alone proves nothing: a dead container's network goes seconds after its processes, and refuses meanwhile.
        """
        try:
            socket.create_connection((self.vip, PORT), 0.3).close()
        except ConnectionRefusedError:
            pass
        except OSError:
            return False
        neighbours = [line.split() for line in pathlib.Path("/proc/net/arp").read_text(encoding="ascii").splitlines()]
        return any(row[0] == self.vip and row[3] == self.lab.node(name).mac for row in neighbours)

    def fenced_at(self, survivor, victim, since):
        done = self.lab.inside(survivor, "journalctl", "--quiet", "--unit=pacemaker", f"--since=@{since:.0f}", "--output=short-unix", check=False)
        return fenced_at(done.stdout, victim)

    def offline(self):
        """Return what the cluster says of nodes that are not in it."""
        listing = self.lab.inside(self.active(), "crm_mon", "--one-shot", "--include=none,nodes", "--output-as=xml", check=False).stdout
        rows = [row for row in listing.split("<node ")[1:] if 'online="' in row]
        return [f"{name} is not online in the cluster" for name in self.nodes if not any(f'name="{name}"' in row and 'online="true"' in row for row in rows)]

    def channels(self, name):
        return faults.mariadb(self.lab, name, "SHOW ALL SLAVES STATUS")

    def federated_contents(self, name):
        """Return a node's federated tables as checksums; comparable between equal servers while nobody writes."""
        rows = faults.mariadb(self.lab, name, f"CHECKSUM TABLE {', '.join('opennebula.' + table for table in FEDERATED)}")
        return {row["Table"].partition(".")[2]: row["Checksum"] for row in rows}
