# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults, each a function (cluster, random numbers, look): break it, let the cluster answer, bring back what went.

``look("what is broken")`` asks our verification while it is broken. What a fault takes away it returns; the run then waits until all is complete.
"""

ALPHA, BETA = "alpha", "beta"


def kill_of_the_active(cluster, random, look, zone=ALPHA):
    old = cluster.active[zone]
    cluster.kill(old)
    cluster.wait(random.uniform(0.2, 1.0))
    look(f"{old} is off")
    cluster.takeover(old)
    cluster.wait(random.uniform(0.5, 2.0))
    look(f"{old} is off")
    cluster.power_on(old)


def partition_then_kill(cluster, random, look, zone=ALPHA):
    old = cluster.active[zone]
    links = [link for other in cluster.others(old) for link in cluster.network.between(old, other)]
    cluster.network("cut", *links)
    cluster.wait(random.uniform(1.0, 3.0))
    cluster.kill(old)
    cluster.network("heal", *links)
    look(f"{old} is off")
    cluster.takeover(old)
    cluster.wait(random.uniform(0.5, 2.0))
    cluster.power_on(old)


def standby_killed(cluster, random, look):
    gone = cluster.standby(ALPHA)
    cluster.kill(gone)
    cluster.wait(random.uniform(0.3, 1.5))
    look(f"{gone} is off")
    cluster.fenced(gone)
    cluster.wait(random.uniform(0.5, 2.0))
    cluster.power_on(gone)


def lagging_standby_then_kill(cluster, random, look):
    old = cluster.active[ALPHA]
    late = cluster.following(old)
    for source in cluster.nodes[late].facts["pair_sources"]:
        cluster.nodes[late].rows(f"STOP SLAVE '{source['name']}' SQL_THREAD")
    cluster.wait(random.uniform(0.7, 2.0))
    look(f"the SQL thread of {late} is stopped")
    cluster.kill(old)
    cluster.wait(random.uniform(0.0, 0.5))
    cluster.takeover(old)
    cluster.wait(random.uniform(0.5, 1.5))
    cluster.power_on(old)


def slave_zone_node_killed(cluster, random, look):
    gone = random.choice(cluster.zones[BETA])
    was_active = cluster.active[BETA] == gone
    cluster.kill(gone)
    cluster.wait(random.uniform(0.2, 1.0))
    look(f"{gone} is off")
    if was_active:
        cluster.takeover(gone)
    else:
        cluster.fenced(gone)
    cluster.wait(random.uniform(0.5, 2.0))
    cluster.power_on(gone)


def federation_cut_during_a_switch(cluster, random, look):
    links = [name for name in sorted(cluster.network.names) if name.startswith("beta") and ("federation" in name or "alpha" in name)]
    cut = random.choice([links, [name for name in links if name.startswith("beta1")], [name for name in links if name.startswith("beta2")]])
    cluster.network("cut", *cut)
    cluster.wait(random.uniform(0.2, 1.0))
    old = cluster.active[ALPHA]
    killed = random.random() < 0.4
    if killed:
        cluster.kill(old)
        cluster.takeover(old)
    else:
        cluster.switch(ALPHA)
    cluster.wait(random.uniform(0.5, 2.0))
    cluster.network("heal", *cut)
    if killed:
        look(f"{old} is off")
        cluster.power_on(old)


def planned_switch(cluster, random, look):
    cluster.switch(random.choice([ALPHA, ALPHA, BETA]))
    cluster.wait(random.uniform(0.3, 1.0))


def slave_zone_pair_cut(cluster, random, look):
    old = cluster.active[BETA]
    links = [link for other in cluster.others(old) for link in cluster.network.between(old, other)]
    cluster.network("cut", *links)
    cluster.wait(random.uniform(1.0, 3.0))
    killed = random.random() < 0.4
    if killed:
        cluster.kill(old)
    cluster.network("heal", *links)
    if killed:
        look(f"{old} is off")
        cluster.takeover(old)
        cluster.wait(random.uniform(0.5, 1.5))
        cluster.power_on(old)


def standby_down_for_long(cluster, random, look):
    gone = cluster.standby(ALPHA)
    cluster.kill(gone)
    cluster.wait(random.uniform(0.3, 1.0))
    cluster.fenced(gone)
    for _ in range(4):
        cluster.wait(random.uniform(1.0, 2.0))
        cluster.nodes[cluster.active[ALPHA]].rows("FLUSH BINARY LOGS")
    look(f"{gone} is off")
    cluster.power_on(gone)


def both_slave_zone_nodes_restarted(cluster, random, look):
    names = list(cluster.zones[BETA])
    random.shuffle(names)
    cluster.cold_stop(BETA, names)
    look(f"{names[0]} and {names[1]} are off")
    cluster.wait(random.uniform(0.3, 1.5))
    for name in names:
        cluster.power_on(name)
    cluster.wait_until(lambda: cluster.members[BETA] == set(names), 60)
    cluster.elect(BETA)


# --- zones of three and more ---------------------------------------------------------------------------------------------------

def acknowledger_killed(cluster, random, look):
    """Whoever pulls from the active is gone for a while, and the zone moves to the one that is left."""
    gone = cluster.following(cluster.active[ALPHA])
    cluster.kill(gone)
    cluster.wait(random.uniform(0.3, 1.5))
    look(f"{gone} is off")
    cluster.fenced(gone)
    cluster.wait(random.uniform(0.5, 8.0))
    cluster.switch(ALPHA)
    cluster.wait(random.uniform(0.3, 2.0))
    cluster.power_on(gone)


def next_killed_when_the_first_is_back(cluster, random, look):
    for _ in range(2):
        kill_of_the_active(cluster, random, look)
        cluster.wait_until(cluster.complete, 60)
        cluster.wait(random.uniform(0.0, 3.0))


def server_of_the_active_crashes(cluster, random, look):
    """MariaDB alone dies; its machine stays a member and brings it back as standby."""
    old = cluster.active[ALPHA]
    cluster.nodes[old].kill()
    look(f"MariaDB on {old} is down")
    cluster.active[ALPHA] = None
    cluster.elect(ALPHA)
    cluster.wait(random.uniform(0.0, 3.0))
    cluster.nodes[old].start()
    cluster.start_replication(old)
    cluster.place_federation()


def broken_member_is_bypassed(cluster, random, look):
    """Somebody has stopped the channel of whoever acknowledges; the active dies, or not, while the ring leads around it."""
    old = cluster.active[ALPHA]
    late = cluster.following(old)
    name = cluster.nodes[late].facts["pair_sources"][0]["name"]
    cluster.nodes[late].rows(f"STOP SLAVE '{name}'")
    cluster.wait(random.uniform(0.5, 8.0))
    look(f"the channel of {late} is stopped")
    killed = random.random() < 0.5
    if killed:
        cluster.kill(old)
        cluster.fenced(old)
    cluster.wait(random.uniform(0.0, 1.0))
    cluster.nodes[late].rows(f"START SLAVE '{name}'")
    if killed:
        cluster.elect(ALPHA)
        cluster.wait(random.uniform(0.5, 1.5))
        cluster.power_on(old)


def all_restarted(cluster, random, look):
    names = list(cluster.zones[ALPHA])
    random.shuffle(names)
    cluster.cold_stop(ALPHA, names)
    look("zone alpha is off")
    cluster.wait(random.uniform(0.3, 1.5))
    for name in names:
        cluster.power_on(name)
    cluster.wait_until(lambda: cluster.members[ALPHA] == set(names), 60)
    cluster.elect(ALPHA)


WEIGHTS = {kill_of_the_active: 4, partition_then_kill: 4, standby_killed: 2, lagging_standby_then_kill: 3, slave_zone_node_killed: 3,
           federation_cut_during_a_switch: 3, planned_switch: 2, slave_zone_pair_cut: 2, standby_down_for_long: 1, both_slave_zone_nodes_restarted: 1}
RING_WEIGHTS = {acknowledger_killed: 4, next_killed_when_the_first_is_back: 3, server_of_the_active_crashes: 3, broken_member_is_bypassed: 3,
                all_restarted: 1}
NAMES = {fault.__name__: fault for fault in {**WEIGHTS, **RING_WEIGHTS}}


def sequence(random, count, ring=False):
    """Return the faults of a seed."""
    weights = {**WEIGHTS, **RING_WEIGHTS} if ring else WEIGHTS
    return random.choices(list(weights), list(weights.values()), k=count)
