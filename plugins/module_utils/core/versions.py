# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each OpenNebula release has, where releases differ in a way that matters to us."""
from __future__ import annotations


def number(release):
    """Return (major, minor) of a release such as "5.0", "5.0.2" or 5.12."""
    parts = str(release).split(".")
    return int(parts[0]), int(parts[1]) if len(parts) > 1 else 0


def federation_transport(release):
    """Return how the federated tables travel: "database" (MariaDB replication, up to 5.2) or "oned" (its own log, from 5.4).

    Source: OpenNebula 5.4 release notes and src/rm/FedReplicaManager.cc; replicating by database from 5.4 on would
    write the tables twice.
    """
    return "database" if number(release) < (5, 4) else "oned"
