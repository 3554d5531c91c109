#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On the converged lab, zone beta: what goes wrong with a cluster ends in one error that names it, and nothing is half-applied.

    tests/scenarios/cluster_errors.py [CASE …]

Each case prints the error. Before and after it, corosync.conf and the configuration (CIB) of both front-ends are compared byte for byte.
"""
import contextlib
import json
import re
import shlex
import sys
import time
import xml.etree.ElementTree as ET

import stage
import look

POWER = """
- hosts: "{{ asked }}"
  gather_facts: false
  tasks:
    - constellation.opennebula.cluster_power: {name: "{{ node }}", state: "off", timeout_s: 60}
"""
CONF = "/etc/corosync/corosync.conf"
# In the place of crm_diff, between reading the configuration and patching it: somebody else changes it, once or always.
MEDDLER = """#!/bin/sh
/usr/sbin/crm_diff "$@"; code=$?
if {always} || ! test -e /run/meddled; then touch /run/meddled; crm_attribute --name their-count --update "$(date +%s%N)" >/dev/null; fi
exit $code
"""
OPTIONS = {"pcmk_reboot_action": "off", "login_timeout": 7}   # a change to each fence device, so that each has to prove itself


class Zone:
    def __init__(self, checks):
        self.checks = checks
        self.federation = look.read_inventory(stage.ROOT / stage.INVENTORY)
        self.nodes = {node.name: node for node in self.federation.zones[1].nodes}
        self.secrets = sorted({secret for zone in self.federation.zones for node in zone.nodes for dummy, secret in node.secrets}) + ["CANARY-wrong"]
        self.playbook = stage.ROOT / "build/scenarios/power.yml"
        self.playbook.parent.mkdir(parents=True, exist_ok=True)
        self.playbook.write_text(POWER, encoding="utf-8")
        self.down = set()

    @property
    def active(self):
        return self.federation.zones[1].active

    @property
    def standby(self):
        return next(node for node in self.nodes.values() if node is not self.active)

    def seen(self, processes=True):
        """Return what must not change: corosync.conf, the configuration, and the processes of what runs."""
        query = "if pidof -q corosync; then cibadmin --query --scope configuration; else cat /var/lib/pacemaker/cib/cib.xml; fi"
        found = {}
        for name, node in self.nodes.items():
            if name not in self.down:
                root = ET.fromstring(node.read(query))
                configuration = root if root.tag == "configuration" else root.find("configuration")
                for pairs in configuration.iterfind("crm_config/cluster_property_set"):
                    for pair in [pair for pair in pairs if pair.get("name") == "their-count"]:
                        pairs.remove(pair)
                found[name] = (node.read(f"cat {CONF}"), ET.canonicalize(ET.tostring(configuration), strip_text=True),
                               node.read("pidof corosync pacemakerd || true") if processes else "")
        return found

    def site(self, *arguments, **variables):
        given = ("-e", json.dumps(variables)) if variables else ()
        limit = () if "--limit" in arguments else ("--limit", "zone_beta")
        return stage.play("playbooks/site.yml", "--tags", "cluster", *limit, *arguments, *given, name="cluster-errors")

    def refused(self, what, words, run, processes=True):
        """Do something that must be refused: one error with all the words in it, in this order, and nothing changed."""
        before = self.seen(processes)
        done = run()
        failed = done.results("failed", "unreachable")
        said = "\n".join(f"{event['host']}: {event['said']}" for event in failed)
        stage.say(f"{what}, {done.seconds:.0f} s:\n    " + said.replace("\n", "\n    "))
        self.checks.that(done.rc and len(failed) == 1 and re.search(".*".join(map(re.escape, words)), said, re.S), f"{what}: one error that names it", words)
        self.checks.that(not done.changed and self.seen(processes) == before, f"{what}: nothing was changed", done.changed)
        text = done.log.read_text(encoding="utf-8")
        self.checks.that(not any(secret in text for secret in self.secrets), f"{what}: no password is shown", done.log)

    @contextlib.contextmanager
    def board(self, node, fault):
        stage.lab("bmc-fault", node.name, fault)
        try:
            yield
        finally:
            stage.lab("bmc-fault", node.name, "none")

    def lose(self, node):
        self.down = {node.name}
        stage.lab("kill", node.name)

    def boot(self, node):
        stage.lab("power", node.name, "on")
        deadline = time.monotonic() + 120
        while True:
            try:
                node.read("true")
                break
            except (RuntimeError, AssertionError):       # testinfra raises the first where ssh itself fails
                assert time.monotonic() < deadline, f"{node.name} does not boot"
                time.sleep(1)
        self.down = set()

    def power_off(self, node):
        return stage.play(str(self.playbook), "-e", json.dumps({"asked": self.active.name, "node": node.name}), name="cluster-errors-power")


# --- the cluster runs -------------------------------------------------------------------------------------------------------------------------

def password(zone):
    words = ("fencing cannot be relied on", "fence_ilo_ssh at", "does not answer for beta", "Nothing was changed. Check address, account and password")
    for mode in (("--check",), ()):
        zone.refused(" ".join(["a wrong fence password", *mode]), words, lambda mode=mode: zone.site(*mode, lab_bmc_password="CANARY-wrong"))


def hang(zone):
    with zone.board(zone.standby, "hang"):
        zone.refused("a fence device that hangs", ("fencing cannot be relied on", f"fence_{zone.standby.name} (fence_ilo_ssh at",
                                                   f"does not answer for {zone.standby.name}", "Nothing was changed."),
                     lambda: zone.site(cluster_fence_options=OPTIONS))


def lie(zone):
    name = zone.standby.name
    with zone.board(zone.standby, "says-off"):
        zone.refused("a device that calls a member off", (f"fence_{name} (fence_ilo_ssh at", f"says that {name} is off, but {name} is a member", "lies"),
                     lambda: zone.site(cluster_fence_options=OPTIONS))
        zone.refused("fencing by a device that calls a member off", (f"power of node {name} is unknown", f"fence_{name}: off, but {name} is a member"),
                     lambda: zone.power_off(zone.standby))
    with zone.board(zone.standby, "says-on"):
        zone.refused("fencing by a device that says on and does nothing", ("the fencer did not switch", name, "stonith_admin --history"),
                     lambda: zone.power_off(zone.standby))
    zone.active.read(f"stonith_admin --cleanup --history {name}; crm_resource --cleanup >/dev/null; crm_resource --wait --timeout=60")


def options(zone):
    zone.refused("unknown options of agent and cluster", (
        "does not fit the agents", "fence device fence_beta1: the agent has no option 'logn_timeout'; did you mean 'login_timeout'?",
        "property no-quorum-polcy: pacemaker does not know it; did you mean 'no-quorum-policy'?", "Nothing was changed."),
        lambda: zone.site(cluster_fence_options={"logn_timeout": 7}, cluster_properties={"no-quorum-polcy": "stop"}))
    zone.refused("an unknown option of corosync", ("corosync has no option 'totem.tokn'; did you mean 'totem.token'?", "Nothing was changed."),
                 lambda: zone.site(cluster_corosync={"totem": {"tokn": 3000}}))
    zone.refused("a value that corosync does not take", ("corosync does not take these options", "5 ms", "Nothing was changed."),
                 lambda: zone.site(cluster_corosync={"totem": {"token": 5}}))


def moved(zone):
    node, path = zone.active, "/usr/local/sbin/crm_diff"     # the active front-end need not be the one that speaks for the cluster, so both get it

    def meddle(always):
        for each in zone.nodes.values():
            each.read(f"rm -f /run/meddled; printf %s {shlex.quote(MEDDLER.replace('{always}', always))} >{path}; chmod 755 {path}")
    wanted = {"cluster_properties": {"cluster-recheck-interval": "11min"}}
    try:
        meddle("true")
        zone.refused("a configuration that somebody else keeps changing", ("the cluster's configuration kept moving", "patches came too late", "Run again."),
                     lambda: zone.site(**wanted))
        meddle("false")
        before = node.read("crm_attribute --name their-count --query --quiet")
        run = zone.site("--diff", **wanted)
        told = [change for event in run.results("ok") if event["changed"] for change in event["changes"]]
        after = node.read("crm_attribute --name their-count --query --quiet")
        zone.checks.that(run.rc == 0 and [(change["kind"], change["target"]) for change in told] == [("property", "cluster-recheck-interval")],
                         "a configuration that somebody else changes once in between takes ours, too", told)
        zone.checks.that(after != before and node.read("crm_attribute --name cluster-recheck-interval --query --quiet").strip() == "11min",
                         "and keeps what the other one did", after)
    finally:
        for each in zone.nodes.values():
            each.read(f"rm -f {path} /run/meddled")
        node.read("crm_attribute --name their-count --delete; crm_attribute --name cluster-recheck-interval --delete")


def peer(zone):
    """The standby lost its power and the survivor has fenced it."""
    lost, left = zone.standby, zone.active
    zone.lose(lost)
    left.read(f"timeout 90 sh -c 'until crm_mon -1 | grep -q \"OFFLINE: \\[ {lost.name} \\]\"; do sleep 1; done'; crm_resource --wait --timeout=120")
    zone.refused("a peer that is off", (f"{lost.name}: ", "ssh"), zone.site)
    before = zone.seen()
    run = zone.site("--limit", left.name, cluster_corosync={"totem": {"token": 4000}})
    text = run.log.read_text(encoding="utf-8")
    zone.checks.that(f"{lost.name} cannot be reached: corosync.conf of" in text and "totem.token" in text,
                     "an option of corosync waits for the peer that is off, and the run says so", run.log)
    zone.checks.that(run.rc == 0 and not run.changed and zone.seen() == before, "nothing was changed on the survivor", run.changed)
    zone.boot(lost)
    stage.play("playbooks/rejoin.yml", "--limit", lost.name, name="cluster-errors-rejoin").must_succeed()


# --- the cluster is stopped -------------------------------------------------------------------------------------------------------------------

def start(zone):
    first, second = zone.nodes.values()
    first.read("pcs cluster stop --all")
    zone.lose(second)
    zone.refused("a start without the peer", (f"cannot be started: {second.name} cannot be reached", "wait_for_all", f"Power {second.name} on"),
                 lambda: zone.site("--limit", first.name))
    zone.boot(second)
    second.read("systemctl start mariadb")

    def broken(node, edit, what, words):
        node.read(f"cp -p {CONF} /root/corosync.conf.scenario && sed -i {shlex.quote(edit)} {CONF} && ! cmp -s {CONF} /root/corosync.conf.scenario")
        try:
            zone.refused(what, words, zone.site)
        finally:
            node.read(f"mv /root/corosync.conf.scenario {CONF}")
    broken(first, "s/crypto_hash:.*/crypto_hash: md4/", "a corosync.conf that corosync does not take",
           (f"corosync does not take the {CONF} of {first.name}", "hash type", "no other node got it. Mend that file"))
    broken(second, "s/^quorum {/quorum/", "a corosync.conf that is damaged",
           ("cannot read corosync.conf", f"{CONF}:", "not 'name: value' and not a section", "Mend that file"))
    second.read("mv /etc/corosync/authkey /root/authkey.scenario")
    try:                                                 # the other one starts and waits for it: no processes before, so they are not compared
        zone.refused("a corosync that does not start", (f"cannot be started on {second.name}:", "journalctl -u corosync"), zone.site, processes=False)
    finally:
        second.read("mv /root/authkey.scenario /etc/corosync/authkey")
    run = zone.site()
    zone.checks.that(run.rc == 0, "the next run starts the cluster", run.log)


def apart(zone):
    """Somebody has corosync's port on one front-end: corosync runs there, and is alone."""
    first, second = zone.nodes.values()
    first.read("pcs cluster stop --all")
    binder = f"import socket,time; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('{second.address}',5405)); time.sleep(3600)"
    second.read(f"systemd-run --quiet --unit=scenario-port python3 -c {shlex.quote(binder)}; "
                f"until ss -Hlun sport = :5405 | grep -q {second.address}; do sleep 0.2; done")
    try:
        zone.refused("a link address that is taken", (f"{second.name} did not join the cluster: not online after", "journalctl -u corosync", "udp port 5405"),
                     zone.site, processes=False)
    finally:
        second.read("systemctl stop scenario-port")
    zone.refused("front-ends that run and do not see each other", ("has no quorum", "do not see each other", "corosync-cfgtool -s", "Nothing was changed."),
                 zone.site)
    first.read("pcs cluster stop --all --force")
    run = zone.site()
    zone.checks.that(run.rc == 0, "the next run starts the cluster", run.log)


CASES = {case.__name__: case for case in (password, hang, lie, options, moved, peer, start, apart)}


def main():
    checks = stage.Checks()
    zone = Zone(checks)
    for name in sys.argv[1:] or CASES:
        CASES[name](zone)
    run = zone.site()
    checks.that(run.rc == 0 and not run.changed, "a run afterwards changes nothing", run.changed)
    checks.that(stage.verified(), "all checks from outside pass")
    return checks.end()


if __name__ == "__main__":
    sys.exit(main())
