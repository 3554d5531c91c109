#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On the converged lab: the master zone's commits wait for its standby as long as that may take over, and no slave zone acknowledges in its place.

    tests/scenarios/acknowledgements.py

A replica has one switch for all its channels, so a slave zone's node acknowledges to whomever it follows. It may follow the standby, or an active
front-end from which nobody can take over. So the federation address is asked to the active front-end, banned from the standby, which then is put
aside, leaves, and comes back.
"""
import shlex
import sys
import time

import stage
import look

ADDRESS = "federation_vip"


class World:
    def __init__(self):
        federation = look.read_inventory(stage.ROOT / stage.INVENTORY)
        self.zone, self.slaves = federation.master, federation.slaves
        self.active, self.standby = self.zone.active, self.zone.standbys[0]
        self.row = int(time.time())

    def place(self):
        return [node.name for node in self.zone.holders(self.zone.federation_vip)]

    def waits(self):
        return self.active.variables("rpl_semi_sync_master_enabled")["rpl_semi_sync_master_enabled"] == "ON"

    def is_on(self, names, within_s=60):
        return bool(look.until(lambda: self.place() == names, within_s))

    def commits(self, within_s=4):
        """Return whether a commit on the active front-end returns in time."""
        self.row += 1
        statement = f"INSERT INTO vdc_pool (oid, name, body, uid, gid) VALUES ({self.row}, 'wait-{self.row}', '', 0, 0)"
        return self.active.host.run(f"timeout {within_s} mariadb opennebula -e {shlex.quote(statement)}").rc == 0

    def pull(self, verb):
        """Let the standby fetch from the active front-end, or not."""
        for name in self.standby.channels():
            self.standby.read(f'''mariadb -e "{verb} SLAVE '{name}' IO_THREAD"''')

    def slaves_follow(self):
        channels = [row for zone in self.slaves for node in zone.nodes for name, row in node.channels().items() if name == "zone0"]
        return {row["Slave_IO_Running"] for row in channels} == {"Yes"}


def only_the_standby_acknowledges(checks, world, when):
    checks.that(world.waits() and world.commits(), f"{when}: a commit that the standby gets returns")
    world.pull("STOP")
    checks.that(not world.commits(), f"{when}: a commit that it does not get waits, and nobody else acknowledges")
    world.pull("START")
    checks.that(look.until(world.commits, 30), f"{when}: commits return when it pulls again")


def main():
    checks, world = stage.Checks(), World()
    active, standby = world.active, world.standby
    checks.that(world.is_on([standby.name]) and look.until(world.waits, 30), f"the federation address is on {standby.name}, and commits on {active.name} wait")
    only_the_standby_acknowledges(checks, world, "as usual")

    active.read(f"crm_resource --resource {ADDRESS} --move --node {active.name} && crm_resource --wait --timeout=60")
    time.sleep(3)
    checks.that(world.place() == [standby.name], f"asked to {active.name}, the address stays", world.place())
    only_the_standby_acknowledges(checks, world, "asked to the active front-end")
    active.read(f"crm_resource --resource {ADDRESS} --ban --node {standby.name} && crm_resource --wait --timeout=60")
    checks.that(world.is_on([]), f"banned from {standby.name}, the address is nowhere", world.place())
    only_the_standby_acknowledges(checks, world, "with the address nowhere")
    active.read(f"crm_resource --resource {ADDRESS} --clear")
    checks.that(world.is_on([standby.name]) and look.until(world.slaves_follow, 60), "it is back, and the slave zones follow again", world.place())

    active.read(f"pcs node standby {standby.name}")
    checks.that(world.is_on([active.name]) and world.waits(), f"{standby.name} may not take over: the address comes to {active.name}", world.place())
    checks.that(world.commits() and look.until(world.slaves_follow, 60), "commits return, and the slave zones follow")
    active.read(f"pcs node unstandby {standby.name}")
    checks.that(world.is_on([standby.name]), f"{standby.name} may take over again: the address is there", world.place())
    only_the_standby_acknowledges(checks, world, "then")

    standby.read("pcs cluster stop")
    checks.that(world.is_on([active.name]) and not world.waits(), f"{standby.name} has left in order: commits do not wait, the address is on {active.name}",
                (world.place(), world.waits()))
    checks.that(world.commits(1) and look.until(world.slaves_follow, 60), "commits return at once, and the slave zones follow")
    standby.read("pcs cluster start")
    checks.that(world.is_on([standby.name]) and look.until(world.waits, 30), f"{standby.name} is back: the address is there, and commits wait", world.place())
    only_the_standby_acknowledges(checks, world, "afterwards")

    active.read("mariadb opennebula -e \"DELETE FROM vdc_pool WHERE name LIKE 'wait-%'\"")
    stage.play("playbooks/verify.yml", name="acknowledgements-verify").must_succeed()
    return checks.end()


if __name__ == "__main__":
    sys.exit(main())
