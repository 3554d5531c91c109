# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who restarts its database server when: of each zone one front-end at a time, its writer last and only after the zone has moved.

With all servers of a zone down nobody answers; with all standbys of a writer down its commits wait for an acknowledgement.
"""
from __future__ import annotations


def order(zones, reports, reachable):
    """Return {"turns": [[front-end, …], …], "writers": [front-end, …]}.

    zones: the topology's; reports: {front-end: {"restart_needed", "writer"}} of database_service; reachable: front-ends that are still in the play.
    A turn has at most one front-end of each zone; the next one begins when that has caught up.

    >>> order({"a": {"nodes": ["a1", "a2"]}}, {"a1": {"restart_needed": True, "writer": True}, "a2": {"restart_needed": True, "writer": False}}, ["a1", "a2"])
    {'turns': [['a2']], 'writers': ['a1']}
    """
    turns, writers = [], []
    for zone in zones.values():
        needed = [node for node in zone["nodes"] if node in reachable and (reports.get(node) or {}).get("restart_needed")]
        writers += [node for node in needed if reports[node]["writer"]]
        for turn, node in enumerate(node for node in needed if not reports[node]["writer"]):
            turns += [[]] if turn == len(turns) else []
            turns[turn].append(node)
    return {"turns": turns, "writers": writers}
