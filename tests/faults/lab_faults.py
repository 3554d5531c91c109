# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that need a real cluster: what systemd, corosync, pacemaker and the gate make of them is the question. Otherwise as in faults.py."""
import time

import faults
from faults import ALPHA, BETA


def mariadb_of_the_active_killed(cluster, random, look):
    """The machine lives on: the writer moves, the server comes back as standby, nobody is fenced."""
    zone = random.choice([ALPHA, ALPHA, BETA])
    old = cluster.active[zone]
    cluster.nodes[old].inside("systemctl", "kill", "--signal=KILL", "mariadb.service")
    cluster.takeover(old)


def mariadb_of_the_standby_killed(cluster, random, look):
    gone = cluster.standby(random.choice([ALPHA, ALPHA, BETA]))
    cluster.nodes[gone].inside("systemctl", "kill", "--signal=KILL", "mariadb.service")
    cluster.wait(random.uniform(1.0, 3.0))


def short_partition(cluster, random, look):
    """Shorter than corosync's patience: nothing must happen."""
    old = cluster.active[ALPHA]
    links = cluster.network.between(old, cluster.peer(old))
    cluster.network("cut", *links)
    cluster.wait(random.uniform(1.0, 2.5))
    cluster.network("heal", *links)


def partition_until_fenced(cluster, random, look):
    names = cluster.zones[ALPHA]
    cluster.network("cut", *cluster.network.between(*names))
    begun = time.time()
    if not cluster.wait_until(lambda: not all(cluster.nodes[name].up for name in names), 90):
        cluster.say("nobody was fenced within 90 s")
        return
    gone = next(name for name in names if not cluster.nodes[name].up)
    cluster.off[gone] = begun
    cluster.fenced(gone)
    cluster.network("heal", *cluster.network.between(*names))
    cluster.takeover(gone)
    look(f"{gone} is off")
    cluster.power_on(gone)


def federation_address_moves(cluster, random, look):
    """Asked to the active front-end, where it must not go while commits wait for the standby; then banned from the standby for a while."""
    active, standby = cluster.active[ALPHA], cluster.standby(ALPHA)
    node = cluster.nodes[active]
    node.inside("crm_resource", "--resource", "federation_vip", "--move", "--node", active)
    cluster.must(not cluster.wait_until(lambda: cluster.federation_holder() == active, 15, 0.1), f"the federation address does not go to {active}")
    node.inside("crm_resource", "--resource", "federation_vip", "--clear")
    node.inside("crm_resource", "--resource", "federation_vip", "--ban", "--node", standby)
    cluster.must(cluster.wait_until(lambda: cluster.federation_holder() is None, 60, 0.1), f"it is nowhere while {standby} may not hold it")
    cluster.wait(15)      # longer than slave_net_timeout: until then the slave zone holds the silent connection for a live one
    begun = time.monotonic()
    node.inside("crm_resource", "--resource", "federation_vip", "--clear")
    cluster.must(cluster.wait_until(lambda: cluster.federation_holder() == standby, 60, 0.1), f"it is on {standby} again")
    cluster.say(f"the federation address is on {standby} again after {time.monotonic() - begun:.1f} s")


def standby_returns_behind(cluster, random, look):
    """Fenced, and its replication does not catch up at first: it has to stay out until it does."""
    late, delayed = cluster.standby(ALPHA), random.random() < 0.5
    sources = [source["name"] for source in cluster.nodes[late].facts["pair_sources"]]
    links = cluster.network.between(late, cluster.peer(late))
    if delayed:
        for name in sources:
            cluster.delay(late, name, 3600)
    cluster.kill(late)
    cluster.fenced(late)
    if not delayed:
        cluster.network("cut", *links)
    begun = time.time()
    cluster.power_on(late)
    cluster.wait_until(lambda: any("REFUSED" in line for line in cluster.gate_says(late, begun)), 120, 1)
    cluster.must(late not in cluster.members[ALPHA], f"{late} stays out while it is behind ({'delayed' if delayed else 'cut off'})")
    look(f"{late} is behind and out")
    cluster.wait(20)      # it has tried once more
    refusals = [line for line in cluster.gate_says(late, begun) if "REFUSED" in line]
    cluster.must(len(refusals) >= 1 and late not in cluster.members[ALPHA], f"the gate of {late} said {len(refusals)} times: {(refusals or ['nothing'])[-1]}")
    if delayed:
        for name in sources:
            cluster.delay(late, name, 0)
    else:
        cluster.network("heal", *links)
    healed = time.monotonic()
    cluster.must(cluster.wait_until(lambda: late in cluster.members[ALPHA], 120), f"{late} came in by itself, {time.monotonic() - healed:.1f} s after it could")


OWN = (mariadb_of_the_active_killed, mariadb_of_the_standby_killed, short_partition, partition_until_fenced, federation_address_moves, standby_returns_behind)
DECK = OWN + tuple(faults.WEIGHTS)
NAMES = {fault.__name__: fault for fault in DECK}


def sequence(random, count):
    """Return the faults of a seed: each once before any comes again."""
    found = []
    while len(found) < count:
        found += random.sample(DECK, len(DECK))
    return found[:count]
