# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The third vote of a zone of two front-ends: declared, compared with corosync.conf, and counted.

corosync-qdevice (3.0) asks a qnetd on a third machine, which gives its vote to one side only. With it a pair needs neither two_node nor a fencing
delay: the side without the vote has no quorum and fences nobody (corosync-qdevice(8); measured in the lab's field notes, section 4).
"""
from __future__ import annotations

import re

from .plan import Change

ALGORITHMS = ("ffsplit", "lms")
# an option of zone_quorum_device -> where corosync.conf has it
OPTIONS = {"host": "net.host", "algorithm": "net.algorithm", "tie_breaker": "net.tie_breaker", "timeout_ms": "timeout", "sync_timeout_ms": "sync_timeout",
           "prefer": "heuristics.exec_prefer"}
GENERIC = ("timeout_ms", "sync_timeout_ms")
# What holds where nothing is said (corosync-qdevice(8) 3.0), so that to say it or not means the same.
DEFAULTS = {"tie_breaker": "lowest", "timeout_ms": "10000", "sync_timeout_ms": "30000"}
MODE = "quorum.device.heuristics.mode"                   # sync: prefer is asked at each new membership, when it matters
ABSENT = "absent"


def declared(given):
    """Return {option: text} of what is declared, ABSENT, or None when nothing is.

    >>> declared({"host": "192.0.2.9", "timeout_ms": 5000})
    {'host': '192.0.2.9', 'timeout_ms': '5000', 'algorithm': 'ffsplit'}
    """
    if not given or given == ABSENT or given.get("state") == ABSENT:
        return ABSENT if given else None
    found = {name: str(value) for name, value in given.items() if name in OPTIONS and value not in (None, "")}
    return dict(found, algorithm=found.get("algorithm", ALGORITHMS[0]))


def there(options):
    """Return {option: text} of the device in corosync.conf ({option: value}), with the names of OPTIONS; None without one.

    >>> there({"quorum.device.model": "net", "quorum.device.net.host": "q", "quorum.device.votes": "1"})
    {'host': 'q'}
    """
    if "quorum.device.model" not in options:
        return None
    asked = options.get(MODE) in ("sync", "on")
    return {name: options[f"quorum.device.{path}"] for name, path in OPTIONS.items() if f"quorum.device.{path}" in options and (asked or name != "prefer")}


def plan(cluster, wanted, found):
    """Return (Changes, warnings). A device that is not declared stays: taking a vote away is asked for by name.

    One that is declared is ours as a whole: an option that is not declared any more goes back to its default. Options that OPTIONS does not have stay.
    """
    if wanted is None or (wanted == ABSENT and found is None):
        return [], ([f"cluster {cluster} has a quorum device at {found.get('host')} that is not declared; 'absent' in its place removes it"]
                    if found is not None else [])
    if wanted == ABSENT:
        return [Change("quorum device", cluster, found, None, step=("device", "remove", None))], []
    differ = {name: wanted.get(name) for name in OPTIONS if _meant(name, wanted) != _meant(name, found or {})}
    if not differ:
        return [], []
    verb = "add" if found is None else "replace" if "host" in differ else "update"
    before = None if found is None else {name: found.get(name) for name in differ}
    return [Change("quorum device", cluster, before, wanted if verb != "update" else differ, step=("device", verb, wanted if verb != "update" else differ))], []


def _meant(name, options):
    return options.get(name, DEFAULTS.get(name))


def arguments(options):
    """Return pcs' words for a device's options: the general ones, then the model's, then those of the heuristics. None takes an option out.

    >>> arguments({"host": "q", "algorithm": "lms", "timeout_ms": "5000", "prefer": "/bin/true"})
    (['timeout=5000'], ['host=q', 'algorithm=lms'], ['mode=sync', 'exec_prefer=/bin/true'])
    >>> arguments({"tie_breaker": None, "prefer": None})         # without a command the mode means nothing, and others may have one
    ([], ['tie_breaker='], ['exec_prefer='])
    """
    words = {name: f"{OPTIONS[name].rpartition('.')[2]}={'' if value is None else value}" for name, value in options.items()}
    return ([word for name, word in words.items() if name in GENERIC], [word for name, word in words.items() if name not in GENERIC and name != "prefer"],
            (["mode=sync"] if options.get("prefer") else []) + [word for name, word in words.items() if name == "prefer"])


def parse_quorum(text):
    """Return {quorate, expected_votes, total_votes, quorum, device} of ``corosync-quorumtool -s`` (3.1); None when it says nothing of it.

    device: {votes, connected, voting} as this host sees it; None without one.
    """
    def number(name):
        match = re.search(rf"^{name}:\s+(\d+)", text, flags=re.M)
        return int(match.group(1)) if match else None

    if number("Expected votes") is None:
        return None
    quorate = re.search(r"^Quorate:\s+(\w+)", text, flags=re.M)
    device = re.search(r"\s0+(?:x0+)?\s+(\d+)\s+Qdevice\b", text)
    local = re.search(r"\s(\S+,\S+)\s+\S+ \(local\)", text)
    flags = local.group(1).split(",") if local else []
    return {"quorate": bool(quorate) and quorate.group(1) == "Yes", "expected_votes": number("Expected votes"), "total_votes": number("Total votes"),
            "quorum": number("Quorum"),
            "device": {"votes": int(device.group(1)), "connected": "A" in flags, "voting": "V" in flags} if device else None}


def parse_clusters(text):
    """Return [{name, nodes: [{id, address, encrypted, vote}]}] of ``corosync-qnetd-tool -l -v`` (3.0).

    The vote is printed as what was sent last and, in brackets, what was last neither "no change" nor "wait": that one holds.
    """
    clusters = []
    for line in text.splitlines():
        name, value = (part.strip() for part in (line.split(":", 1) if ":" in line else (line, "")))
        if line.startswith("Cluster "):
            clusters.append({"name": name[len("Cluster "):].strip('"'), "nodes": []})
        elif clusters and name.startswith("Node ID "):
            clusters[-1]["nodes"].append({"id": int(name[len("Node ID "):]), "address": "", "encrypted": False, "vote": False})
        elif clusters and clusters[-1]["nodes"]:
            node = clusters[-1]["nodes"][-1]
            if name == "Client address":
                node["address"] = value.rsplit(":", 1)[0].strip("[]").replace("::ffff:", "")
            elif name == "TLS active":
                node["encrypted"] = value.startswith("Yes")
            elif name == "Vote":
                node["vote"] = value.endswith("(ACK)")
    return clusters
