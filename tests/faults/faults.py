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
    links = cluster.network.between(old, cluster.peer(old))
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
    late = cluster.peer(old)
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
    links = cluster.network.between(old, cluster.peer(old))
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
    for _ in range(3):      # pacemaker tries the other node when one refuses
        if any(cluster.promote(name) for name in names):
            return
        cluster.wait(1)


WEIGHTS = {kill_of_the_active: 4, partition_then_kill: 4, standby_killed: 2, lagging_standby_then_kill: 3, slave_zone_node_killed: 3,
           federation_cut_during_a_switch: 3, planned_switch: 2, slave_zone_pair_cut: 2, standby_down_for_long: 1, both_slave_zone_nodes_restarted: 1}
NAMES = {fault.__name__: fault for fault in WEIGHTS}


def sequence(random, count):
    """Return the faults of a seed."""
    return random.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
