#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On the converged lab: each fault of replication is made, named by verify.yml, mended by the very commands that are printed, and verified.

    tests/scenarios/repairs.py [--check] [CASE ...]      without cases: all; "list" shows them, "mend" breaks nothing and mends what is broken;
                                                         --check also compares with what check mode foretells

The operator here reads nothing but the screen: he pastes the first command that repair.yml prints, if that is refused the next one, until it prints none.
"""
from __future__ import annotations

import re
import shlex
import sys
import time
from dataclasses import dataclass

import stage
import look

COMMAND = re.compile(r"ansible-playbook [^\n]*")
HALF = re.compile(r"\w+ \S+ is done, and the contents are not proven equal")     # a failure that went one step: more rows differ
ROUNDS = 6          # of showing and pasting


@dataclass(frozen=True)
class Fault:
    """What was broken: where it shows, the words of verify's line, and (name, verb) of what repair.yml finds there."""

    node: str
    says: tuple
    name: str
    verb: str


CASES = {}


def case(function):
    CASES[function.__name__.replace("_", "-")] = function
    return function


class World:
    """The four front-ends, by what they do now."""

    def __init__(self):
        federation = look.read_inventory(stage.ROOT / stage.INVENTORY)
        self.master, self.slave = federation.master, federation.slaves[0]
        self.nodes = {node.name: node for node in federation.nodes}
        self.writer, self.standby = self.slave.active, self.slave.standbys[0]
        self.source, self.federation_source = self.master.active, self.master.standbys[0]
        self.stamp, self.configured = int(time.time()), False

    def sql(self, node, *statements):
        node.read(f"mariadb opennebula -e {shlex.quote('; '.join(statements))}")

    def quietly(self, node, *statements):
        self.sql(node, "SET sql_log_bin=0", *statements)

    def insert(self, oid, name=None, body=""):
        return f"INSERT INTO vdc_pool (oid, name, body, uid, gid) VALUES ({oid}, '{name or f'vdc-{oid}'}', '{body}', 0, 0)"

    def pair_channel(self, node):
        return next(name for name in node.channels() if name != "zone0")

    def reached(self, node, query, within_s=20):
        assert look.until(lambda: node.rows(f"SELECT 1 FROM opennebula.{query}"), within_s), f"{node.name}: {query} never came"

    def configure(self, node, expression):
        """Edit MariaDB's configuration and let it run with that, as somebody by hand would."""
        self.configured = True
        path = "/etc/mysql/mariadb.conf.d/90-constellation.cnf"
        node.read(f"cp -p {path} /root/cnf && sed -i {shlex.quote(expression)} {path} && ! cmp -s {path} /root/cnf && rm /root/cnf "
                  "&& systemctl restart mariadb")


# --- the faults --------------------------------------------------------------------------------------------------------------

@case
def rogue_row(world):
    """1062: a row that nobody knows is in the way."""
    world.quietly(world.standby, world.insert(world.stamp, "rogue"))
    world.sql(world.source, world.insert(world.stamp))
    return [Fault(world.standby.name, ("1062", f"repair_verb=remove_row -e repair_source=zone0 -e repair_table=vdc_pool -e repair_key={world.stamp}"),
                  "1062", "remove_row")]


@case
def missing_row(world):
    """1032: a row that the master zone changes is missing."""
    world.sql(world.source, world.insert(world.stamp), world.insert(world.stamp + 1))
    world.reached(world.standby, f"vdc_pool WHERE oid={world.stamp + 1}")
    world.quietly(world.standby, f"DELETE FROM vdc_pool WHERE oid IN ({world.stamp}, {world.stamp + 1})")
    world.sql(world.source, f"UPDATE vdc_pool SET body='changed' WHERE oid={world.stamp + 1}")
    return [Fault(world.standby.name, ("1032", "constellation.opennebula.repair --limit"), "1032", "insert_row")]


@case
def dropped_table(world):
    """1146: a table is gone."""
    world.quietly(world.standby, "DROP TABLE vdc_pool")
    world.sql(world.source, world.insert(world.stamp))
    return [Fault(world.standby.name, ("1146", "repair_verb=reseed_table -e repair_source=zone0 -e repair_table=vdc_pool"), "1146", "reseed_table")]


@case
def silent_difference(world):
    """No error anywhere, another content."""
    world.sql(world.source, world.insert(world.stamp))
    world.reached(world.standby, f"vdc_pool WHERE oid={world.stamp}")
    world.quietly(world.standby, f"UPDATE vdc_pool SET body='other' WHERE oid={world.stamp}")
    return [Fault(world.standby.name, ("federated tables equal", "vdc_pool"), "difference", "reseed_table")]


@case
def errant_write(world):
    """A write on a slave zone: with its binary log, so it is on both nodes."""
    world.sql(world.writer, world.insert(world.stamp, "errant"))
    world.reached(world.standby, f"vdc_pool WHERE oid={world.stamp}")
    return [Fault(node.name, ("federated tables equal", "vdc_pool"), "difference", "remove_row") for node in (world.writer, world.standby)]


@case
def stopped_by_hand(world):
    """Both sources of a standby, stopped by someone who forgot it."""
    name = world.pair_channel(world.standby)
    world.sql(world.standby, "STOP ALL SLAVES")
    return [Fault(world.standby.name, (f"source {source} does not run", f"repair_verb=restart -e repair_source={source}"), "stopped", "restart")
            for source in ("zone0", name)]


@case
def pointed_elsewhere(world):
    """The federation source pulls from the writer's own address."""
    world.sql(world.standby, "STOP SLAVE 'zone0'", f"CHANGE MASTER 'zone0' TO MASTER_HOST='{world.source.address}'", "START SLAVE 'zone0'")
    return [Fault(world.standby.name, ("is set up differently", f"repair_verb=repoint -e repair_source=zone0 -e repair_host={world.master.federation_vip}"),
                  "elsewhere", "repoint")]


@case
def live_filter(world):
    """A table is missing in the live filter, and what happened to it meanwhile as well."""
    tables = ",".join(f"opennebula.{table}" for table in look.FEDERATED if table != "vdc_pool")
    world.sql(world.standby, "STOP SLAVE 'zone0'", "SET @@default_master_connection='zone0'", f"SET GLOBAL replicate_do_table='{tables}'",
              "START SLAVE 'zone0'")
    return [Fault(world.standby.name, ("does not have its table filter", "repair_verb=refilter -e repair_source=zone0"), "filter", "refilter")]


@case
def misspelt_filter(world):
    """The prefix in the configuration file is misspelt, which is silently no filter."""
    world.configure(world.standby, "s/^zone0[.]/zone_0./")
    return [Fault(world.standby.name, ("does not have its table filter", "live: none"), "filter", "refilter")]


@case
def equal_server_ids(world):
    """1593: a configuration copied from the other node."""
    world.configure(world.standby, f"s/^server-id .*/server-id = {world.writer.variables('server_id')['server_id']}/")
    return [Fault(world.standby.name, ("1593", "constellation.opennebula.site"), "1593", "site")]


@case
def wrong_password(world):
    """1045: somebody gave a source another password."""
    name = world.pair_channel(world.standby)
    world.sql(world.standby, f"STOP SLAVE '{name}'", f"CHANGE MASTER '{name}' TO MASTER_PASSWORD='wrong'", f"START SLAVE '{name}'")
    return [Fault(world.standby.name, ("1045", "constellation.opennebula.site"), "1045", "site")]


@case
def missing_grant(world):
    """1597: the replication user may not replicate any more."""
    name = world.pair_channel(world.standby)
    world.sql(world.writer, f"SET sql_log_bin=0; REVOKE REPLICATION SLAVE ON *.* FROM opennebula_repl@'{world.standby.address}'")
    world.sql(world.standby, f"STOP SLAVE '{name}'", f"START SLAVE '{name}'")
    return [Fault(world.standby.name, ("1597", "constellation.opennebula.site"), "1597", "site")]


@case
def diverged_standby(world):
    """1950: somebody wrote on the standby of the slave zone."""
    return [diverge(world, world.slave)]


@case
def diverged_master_standby(world):
    """1950 on the node that the slave zones pull from."""
    return [diverge(world, world.master)]


def diverge(world, zone):
    active, standby = zone.active, zone.standbys[0]
    name = world.pair_channel(standby)
    world.sql(standby, f"STOP SLAVE '{name}' SQL_THREAD")
    world.sql(active, f"REPLACE INTO system_attributes VALUES ('right-{world.stamp}', 'right')")
    world.sql(standby, f"REPLACE INTO system_attributes VALUES ('wrong-{world.stamp}', 'wrong')", f"START SLAVE '{name}' SQL_THREAD")
    return Fault(standby.name, ("1950", f"repair_verb=reseed_node -e repair_source={name}"), "1950", "reseed_node")


@case
def purged(world):
    """1236: what both nodes of the slave zone have not read yet is purged where they read."""
    for node in (world.writer, world.standby):
        world.sql(node, "STOP SLAVE 'zone0'")
    world.sql(world.source, world.insert(world.stamp))
    world.reached(world.federation_source, f"vdc_pool WHERE oid={world.stamp}")
    world.sql(world.federation_source, "FLUSH BINARY LOGS")
    assert look.until(lambda: purge(world), 30), "nothing was purged"
    for node in (world.writer, world.standby):
        world.sql(node, "START SLAVE 'zone0'")
    return [Fault(node.name, ("1236", "repair_verb=reseed_tables -e repair_source=zone0"), "1236", "reseed_tables") for node in (world.standby, world.writer)]


def purge(world):
    node = world.federation_source
    world.sql(node, f"PURGE BINARY LOGS TO '{node.rows('SHOW BINARY LOGS')[-1][0]}'")
    return len(node.rows("SHOW BINARY LOGS")) == 1


# --- the operator ------------------------------------------------------------------------------------------------------------

def said(run):
    """Return all that debug and fail tasks said, as lines."""
    texts = [event["said"] for event in run.results("ok", "failed") if event["said"]]
    return [line for text in texts for one in (text if isinstance(text, list) else [text]) for line in str(one).splitlines()]


def paste(command, name):
    """Run a printed command as it is."""
    words = shlex.split(command)
    assert words[:3] == ["ansible-playbook", "-i", str((stage.ROOT / stage.INVENTORY).resolve())], command
    return stage.play(*words[3:], name=name)


def mend(checks, name, foretell):
    """Show, paste the first command that does something, verify, and again until verify.yml is green. Return (the evidence shown first, what was done)."""
    first, done = None, []
    for number in range(ROUNDS):
        shown = said(stage.play("constellation.opennebula.repair", name=f"repairs-{name}-{number}-shown").must_succeed())
        first = first or shown
        commands = list(dict.fromkeys(found.group(0) for line in shown for found in [COMMAND.search(line)] if found))
        if commands and not any(paste_one(checks, f"repairs-{name}-{number}-{index}", command, foretell, done) for index, command in enumerate(commands)):
            checks.that(False, f"{name}: one of the commands works", commands)
            return first, done
        rest = [command for command in commands if "repair_verb=" in command and command.split("constellation.opennebula.")[1] not in done]
        if rest and number + 1 < ROUNDS:
            continue
        green = stage.play("playbooks/verify.yml", name=f"repairs-{name}-{number}-green")
        if green.rc == 0:
            stage.say(f"ok     {name}: verify.yml is green afterwards")
            return first, done
    return first, [*done, f"not green after {ROUNDS} rounds"]


def paste_one(checks, log, command, foretell, done):
    predicted = paste(f"{command} --check", f"{log}-check") if foretell else None
    run = paste(command, log)
    words, last = command.split("constellation.opennebula.")[1], " ".join(said(run)[-1:])
    did = not run.rc or bool(HALF.search(last))
    stage.say(f"{'pasted ' if did else 'refused'} {words} ({run.seconds:.0f} s)")
    if run.rc:
        stage.say("        " + last[:400])
    if did:
        done.append(words)
    if predicted:
        checks.that(bool(predicted.rc) == (not did), "--check foretold it", predicted.log)
    return did


def headed(lines, node):
    """Return the lines of one front-end of the evidence."""
    found, inside = [], False
    for line in lines:
        if not line.startswith(" "):
            inside = line.startswith(f"{node}:")
        elif inside:
            found.append(line)
    return found


def run_case(checks, name, foretell):
    world = World()
    stage.say(f"--- {name}: {CASES[name].__doc__}")
    faults = CASES[name](world)
    time.sleep(2)
    verdict = stage.play("playbooks/verify.yml", "-e", "verify_rounds=1", name=f"repairs-{name}-red")
    lines = said(verdict)
    for fault in faults:
        checks.that(any(all(text in "\n".join(lines[index:index + 3]) for text in (fault.node, *fault.says)) for index in range(len(lines))),
                    f"{name}: verify.yml names it on {fault.node}: {', '.join(fault.says)}", verdict.log)
    first, done = mend(checks, name, foretell)
    if world.configured and not any("site --tags" in command for command in done):
        # The evidence says that the file is wrong where it comes back after a restart, and what sets it right.
        checks.that(any("site.yml --tags database" in line for line in headed(first, world.standby.name)), f"{name}: repair.yml tells of the file", first)
        stage.play("playbooks/site.yml", "--tags", "database", name=f"repairs-{name}-file").must_succeed()
    for fault in faults:
        checks.that(any(fault.name in line for line in headed(first, fault.node)), f"{name}: repair.yml names {fault.name} on {fault.node}", first)
        words = f"repair_verb={fault.verb}" if fault.verb != "site" else "site --tags"
        checks.that(any(words in command for command in done), f"{name}: mended by {fault.verb}", done)
    checks.that(not done or "not green" not in done[-1], f"{name}: it ends green", done)


def main(names):
    if names == ["list"]:
        print("\n".join(f"{name:<24} {function.__doc__}" for name, function in CASES.items()))
        return 0
    checks, foretell = stage.Checks(), "--check" in names
    if names == ["mend"]:
        print(mend(checks, "mend", False)[1])
        return checks.end()
    for name in [name for name in names if name != "--check"] or CASES:
        run_case(checks, name, foretell)
    return checks.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
