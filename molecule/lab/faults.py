# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, on demand: power, network, units, replication sources, the BMC. None of it needs ssh."""
from __future__ import annotations

import os
import re
import signal
import time

from podman import LabError, run

BMC_FAULTS = ("deny", "hang", "stuck", "slow", "says-on", "says-off")


# -- power -------------------------------------------------------------------------------------------------------------
def power(lab, name, verb):
    """Do what the button on the machine's front does; return 'on' or 'off'."""
    container = lab.node(name).container
    if verb == "off":
        kill(lab, name)
    elif verb == "on":
        for attempt in range(20):                        # a killed container is still being cleaned up for a moment
            done = run("podman", "--runtime", "runc", "start", container, check=False)
            if done.returncode == 0:
                break
            time.sleep(0.25)
        else:
            raise LabError(f"{name} does not power on: {done.stderr.strip()}")
        lab.pin_bridges()                                # the bridge may have gone with its last port
    return "on" if lab.states().get(container) == "running" else "off"


def kill(lab, name):
    """Cut the power: SIGKILL to the container's init takes every process with it, nothing is told or flushed. Return when (monotonic)."""
    pid = run("podman", "inspect", "--format", "{{.State.Pid}}", lab.node(name).container, check=False).stdout.strip()
    when = time.monotonic()
    if pid.isdigit() and int(pid):                       # 0: off already
        os.kill(int(pid), signal.SIGKILL)
        while lab.states().get(lab.node(name).container) == "running":
            time.sleep(0.05)
    return when


# -- network -----------------------------------------------------------------------------------------------------------
# A node is cut at the bridge, by MAC: ARP is cut as well as IP, the host still gets in by ssh, and unlike rules inside the
# node the cut stays while the node is fenced and powered on again, as a dead switch port would.
def _table(lab):
    return "lab_" + re.sub(r"\W", "_", lab.plan.name)


MAC = r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"


def _elements(lab, name):
    """Return the elements of one of the table's sets as nft spells them."""
    pattern = MAC if name == "cut" else rf"{MAC} \. {MAC}"
    return set(re.findall(pattern, run("nft", "list", "set", "bridge", _table(lab), name, check=False).stdout))


def cuts(lab):
    """Return what is cut: a MAC for a node off the network, a pair of MACs (sorted) for two nodes of which one at least does not reach the other."""
    return _elements(lab, "cut") | {tuple(sorted(text.split(" . "))) for text in _elements(lab, "apart")}


def _cut(lab, name, peer, one_way=False):
    """Return (set, the elements that a cut is in it)."""
    mac = lab.node(name).mac
    if peer is None:
        return "cut", {mac}
    other = lab.node(peer).mac
    return "apart", {f"{mac} . {other}"} | (set() if one_way else {f"{other} . {mac}"})


def cut(lab, name, peer=None, one_way=False):
    """Cut a node off the network, or from one other node only; one_way: what it sends there is lost, what comes from there arrives."""
    if one_way and peer is None:
        raise LabError(f"one way between {name} and whom? Name the other node")
    table = f"bridge {_table(lab)}"
    where, elements = _cut(lab, name, peer, one_way)
    run("nft", "-f", "-", stdin=f"""
        add table {table}
        add set {table} cut {{ type ether_addr; }}
        add set {table} apart {{ type ether_addr . ether_addr; }}
        add chain {table} ports {{ type filter hook forward priority 0; }}
        flush chain {table} ports
        add rule {table} ports ether saddr @cut drop
        add rule {table} ports ether daddr @cut drop
        add rule {table} ports ether saddr . ether daddr @apart drop
        add element {table} {where} {{ {", ".join(sorted(elements))} }}
    """)


def heal(lab, name, peer=None):
    where, elements = _cut(lab, name, peer)
    there = elements & _elements(lab, where)
    if there:
        run("nft", "delete", "element", "bridge", _table(lab), where, "{", ", ".join(sorted(there)), "}")


def forget_cuts(lab):
    run("nft", "delete", "table", "bridge", _table(lab), check=False)


# -- units and sources -------------------------------------------------------------------------------------------------
def stop(lab, name, unit):
    lab.inside(name, "systemctl", "stop", unit)


def mariadb(lab, name, sql):
    """Run SQL as the node's root; return its rows, column -> text."""
    lines = lab.inside(name, "mariadb", "--batch", stdin=sql).stdout.splitlines()
    return [dict(zip(lines[0].split("\t"), line.split("\t"))) for line in lines[1:]]


SOURCE_FAULTS = {
    "stop": "STOP SLAVE '{channel}'",
    "sql": "STOP SLAVE '{channel}' SQL_THREAD",
    "io": "STOP SLAVE '{channel}' IO_THREAD",
    # the next user made upstream gets this oid and stops the channel with 1062
    "rogue": "SET sql_log_bin=0; INSERT INTO opennebula.user_pool (oid, name, body, uid, gid, owner_u, group_u, other_u)"
             " SELECT MAX(oid) + 1, CONCAT('rogue-', MAX(oid) + 1), '<USER/>', 0, 0, 1, 0, 0 FROM opennebula.user_pool",
}


def break_source(lab, name, channel, how):
    """Break one replication source of a node; refuse when it has no such source."""
    channels = sorted(row["Connection_name"] for row in mariadb(lab, name, "SHOW ALL SLAVES STATUS"))
    if channel not in channels:
        raise LabError(f"{name} has no source {channel!r}: it has {', '.join(channels) or 'none'}")
    mariadb(lab, name, SOURCE_FAULTS[how].format(channel=channel))


# -- the BMC -----------------------------------------------------------------------------------------------------------
def bmc_fault(lab, name, fault):
    """Make a node's BMC misbehave until 'none': deny logins, hang, accept without acting (stuck), answer slowly."""
    file = lab.bmc_state / "faults" / lab.node(name).name
    if fault == "none":
        file.unlink(missing_ok=True)
    else:
        file.write_text(fault, encoding="ascii")
