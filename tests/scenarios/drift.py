#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On the converged lab: nothing to do shows nothing; a manual change shows as exactly that, and a run repairs exactly that.

    tests/scenarios/drift.py
"""
import os
import sys

import stage
import look

NET = os.environ.get("LAB_NET") or "10.90"


def drift_address(federation):
    """Give zone beta another address, in the live configuration of its cluster."""
    federation.zones[1].active.read(f"crm_resource --resource zone_vip --set-parameter ip --parameter-value {NET}.2.99 "
                                    "&& crm_resource --wait --timeout=60")


def drift_source(federation):
    """Delete the replication source of zone beta's standby that pulls from its peer."""
    node = federation.zones[1].standby
    name = next(name for name in node.channels() if name != "zone0")
    node.read(f"mariadb -e \"STOP SLAVE '{name}'; RESET SLAVE '{name}' ALL\"")
    return node.name, name


def drift_stanza(federation):
    """Edit the DB stanza on zone alpha's standby, where no daemon reads it before a failover."""
    node = federation.zones[0].standby
    node.read("cp -p /etc/one/oned.conf /root/oned.conf.drift "
              "&& sed -i '/^[^#]*DB *= *\\[/,/\\]/s/DB_NAME *= *\"opennebula\"/DB_NAME = \"elsewhere\"/' /etc/one/oned.conf "
              "&& ! cmp -s /etc/one/oned.conf /root/oned.conf.drift && rm /root/oned.conf.drift")
    return node.name


def told(run):
    """Return {(host, what)} of all changes that the run's modules tell. That a source's threads start again belongs to its repair."""
    seen = set()
    for event in run.results("ok"):
        if event["changed"]:
            seen |= {(event["host"], change["target"]) for change in event["changes"] if change["kind"] != "source_threads"}
            seen |= {(event["host"], event["task"])} if not event["changes"] else set()
    return seen


def main():
    checks = stage.Checks()
    run = stage.play("playbooks/site.yml", name="drift-second").must_succeed()
    checks.that(not run.changed, "a run on the converged lab changes nothing", run.changed)
    run = stage.play("playbooks/site.yml", "--check", "--diff", name="drift-check")
    checks.that(run.rc == 0 and not run.changed, "--check --diff on the converged lab reports no change", run.changed)
    checks.that("+++ after" not in run.log.read_text(encoding="utf-8"), "and shows no diff", run.log)

    federation = look.read_inventory(stage.ROOT / stage.INVENTORY)
    node, source = drift_source(federation)
    edited = drift_stanza(federation)
    drift_address(federation)
    stage.say(f"drifted: source {source} on {node} deleted, DB stanza on {edited} edited, zone_vip of beta set to {NET}.2.99")

    predicted = stage.play("playbooks/site.yml", "--check", "--diff", name="drift-shown")
    text = predicted.log.read_text(encoding="utf-8")
    checks.that(predicted.rc == 0, "--check --diff with drift ends without an error", predicted.log)
    shown = told(predicted)
    conductor = next((host for host, what in shown if what == "zone_vip"), None)
    checks.that(conductor in ("beta1", "beta2") and shown == {(node, source), (edited, "DB"), (conductor, "zone_vip")}, "exactly the drift is reported", shown)
    for what in (source, f"{NET}.2.99", "elsewhere"):
        checks.that(what in text, f"the diff shows {what}", predicted.log)

    repaired = stage.play("playbooks/site.yml", "--diff", name="drift-repaired")
    checks.that(repaired.rc == 0, "the run that repairs succeeds", repaired.log)
    checks.that(told(repaired) == shown, "it does exactly what the check predicted", (shown, told(repaired)))
    again = stage.play("playbooks/site.yml", name="drift-again")
    checks.that(again.rc == 0 and not again.changed, "the next run changes nothing", again.changed)
    checks.that(stage.verified(), "all checks from outside pass")
    return checks.end()


if __name__ == "__main__":
    sys.exit(main())
