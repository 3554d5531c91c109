#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On the converged lab: a hand's change to each kind of object in zone alpha's cluster shows as exactly that, one patch repairs it, strangers stay.

    tests/scenarios/cib.py
"""
import json
import sys
import xml.etree.ElementTree as ET

import stage
import look

ARGUMENTS = ("--tags", "cluster", "--limit", "zone_alpha")
STRANGERS = {
    "resources": '<primitive id="their-dummy" class="ocf" provider="heartbeat" type="Dummy"><meta_attributes id="their-meta">'
                 '<nvpair id="their-role" name="target-role" value="Stopped"/></meta_attributes></primitive>',
    "constraints": '<rsc_location id="their-ban" rsc="their-dummy"><rule id="their-rule" score="-INFINITY">'
                   '<expression id="their-expression" attribute="#uname" operation="eq" value="alpha1"/></rule></rsc_location>',
    "tags": '<tag id="their-tag"><obj_ref id="their-dummy"/></tag>',
    "alerts": '<alert id="their-alert" path="/bin/true"><recipient id="their-recipient" value="ops"/></alert>',
}
MODIFY = "cibadmin --modify --xml-text '{}'"
DRIFT = {  # the object → the hand's command, what the prediction says of it (kind, before, after)
    "fence_alpha2": ("crm_resource --resource fence_alpha2 --set-parameter power_wait --parameter-value 3",
                     ("fence device", {"options.power_wait": "3"}, {"options.power_wait": "1"})),
    "opennebula": (MODIFY.format('<op id="opennebula-monitor-interval-10s" timeout="61s"/>'),
                   ("resource", {"operations.monitor 10s.timeout": "61s"}, {"operations.monitor 10s.timeout": "60s"})),
    "opennebula-flow": ("crm_resource --resource opennebula-flow --meta --set-parameter failure-timeout --parameter-value 99s",
                        ("resource", {"meta.failure-timeout": "99s"}, {"meta.failure-timeout": "120s"})),
    "federation_vip-away-from-zone_vip": (MODIFY.format('<rsc_colocation id="federation_vip-away-from-zone_vip" score="-5"/>'),
                                          ("colocation", {"score": "-5"}, {"score": "-1000"})),
    "opennebula-gate-after-opennebula_zone": (MODIFY.format('<rsc_order id="opennebula-gate-after-opennebula_zone" kind="Optional"/>'),
                                              ("order", {"kind": "Optional"}, {})),
    "fence_alpha2-never-on-alpha2": (MODIFY.format('<rsc_location id="fence_alpha2-never-on-alpha2" score="-7"/>'),
                                     ("location", {"score": "-7"}, {"score": "-INFINITY"})),
    "dc-deadtime": ("crm_attribute --name dc-deadtime --update 17s", ("property", "17s", "5s")),
    "resource-stickiness": (MODIFY.format('<nvpair id="rsc_defaults-options-resource-stickiness" value="7"/>'), ("resource default", "7", "100")),
    "semisync_release": (MODIFY.format('<alert id="semisync_release" path="/bin/true"/>'),
                         ("alert", {"path": "/bin/true"}, {"path": "/usr/local/libexec/constellation/fencing-alert"})),
}
DELETED = {"fence_alpha1": "pcs stonith delete fence_alpha1", "fence_alpha1-never-on-alpha1": "true"}       # pcs takes the constraint along


# What the role does not declare: an object of each other kind, all harmless. our-held waits for a ticket that nobody grants.
DUMMY = "ocf:heartbeat:Dummy"
OURS = {
    "operation_defaults": {"timeout": "35s"}, "node_attributes": {"alpha1": {"our-rack": "1"}}, "node_utilization": {"alpha1": {"our-cores": 8}},
    "resource_default_sets": [{"id": "our-set", "rule": {"expressions": [{"rsc_expression": {"class": "ocf", "provider": "heartbeat", "type": "Dummy"}}]},
                               "values": {"failure-timeout": "33s"}, "score": "1"}],
    "fence_levels": [{"id": "our-level", "target": "alpha2", "level": 1, "devices": ["fence_alpha2"]}],
    "resources": [{"id": name, "agent": DUMMY, "operations": [{"name": "monitor", "interval": "60s"}]}
                  for name in ("our-a", "our-b", "our-cloned", "our-held")],
    "groups": [{"id": "our-group", "members": ["our-a", "our-b"]}],
    "clones": [{"id": "our-clone", "member": "our-cloned", "meta": {"interleave": "true"}}],
    "orders": [{"id": "our-order", "sets": [{"members": ["our-group", "our-clone"]}]}],
    "locations": [{"id": "our-rule", "resource": "our-group", "rules": [
        {"score": "10", "expressions": [{"expression": {"attribute": "our-rack", "operation": "eq", "value": "1"}}]}]}],
    "tickets": [{"id": "our-ticket", "resource": "our-held", "ticket": "site", "loss_policy": "stop"}],
    "alerts": [{"id": "our-alert", "path": "/bin/true", "kinds": ["nodes"], "recipients": [{"id": "our-recipient", "value": "ops"}]}],
}
TAKEN_OUT = {"operation_defaults": {"timeout": None}, "node_attributes": {"alpha1": {"our-rack": None}}, "node_utilization": {"alpha1": {"our-cores": None}},
             "absent": [one["id"] for listed in OURS.values() if isinstance(listed, list) for one in listed]}
OUR_DRIFT = {  # as DRIFT; {set} is the id of our-set's only value
    "timeout": ("crm_attribute --type op_defaults --name timeout --update 61s", ("operation default", "61s", "35s")),
    "alpha1 our-rack": ("crm_attribute --node alpha1 --name our-rack --update 9", ("node attribute", "9", "1")),
    "alpha1 our-cores": ("crm_attribute --node alpha1 --utilization --name our-cores --update 9", ("node utilization", "9", "8")),
    "our-set": (MODIFY.format('<nvpair id="{set}" value="99s"/>'),
                ("resource default set", {"values.failure-timeout": "99s"}, {"values.failure-timeout": "33s"})),
    "our-level": (MODIFY.format('<fencing-level id="our-level" index="2"/>'), ("fence level", {"level": "2"}, {"level": "1"})),
    "our-held": ("crm_resource --resource our-held --set-parameter fake --parameter-value handmade", ("resource", {"options.fake": "handmade"}, {})),
    "our-group": ("pcs resource group add our-group our-b --before our-a", ("group", {"members": ["our-b", "our-a"]}, {"members": ["our-a", "our-b"]})),
    "our-clone": ("pcs resource meta our-clone interleave=false", ("clone", {"meta.interleave": "false"}, {"meta.interleave": "true"})),
    "our-ticket": (MODIFY.format('<rsc_ticket id="our-ticket" loss-policy="freeze"/>'), ("ticket", {"loss_policy": "freeze"}, {"loss_policy": "stop"})),
    "our-alert": ("pcs alert recipient update our-recipient value=nobody",
                  ("alert", {"recipients.our-recipient.value": "nobody"}, {"recipients.our-recipient.value": "ops"})),
}
OUR_DELETED = {"our-order": "pcs constraint delete our-order", "our-rule": "pcs constraint delete our-rule"}
ONE_TASK = """
- hosts: zone_alpha
  gather_facts: false
  tasks:
    - constellation.opennebula.cluster_info:
      register: cluster
      run_once: true
    - constellation.opennebula.cluster_config:
        description: "{{ described | default(cluster.description) }}"
      run_once: true
"""


def told(run):
    """Return {object: (kind, before, after)} of what the run's modules tell of the cluster."""
    return {change["target"]: (change["kind"], change["before"], change["after"]) for event in run.results("ok") if event["changed"]
            for change in event["changes"]}


def strangers(root):
    """Return the strangers' elements of the configuration as canonical XML; the status has some of the ids, too."""
    found = {element.get("id"): ET.canonicalize(ET.tostring(element), strip_text=True) for element in root.find("configuration").iter() if element.get("id")}
    return {name: found.get(name) for name in ("their-dummy", "their-ban", "their-tag", "their-alert")}


class Cluster:
    """Zone alpha's cluster as seen from its active node."""

    def __init__(self, checks):
        self.checks = checks
        self.node = look.read_inventory(stage.ROOT / stage.INVENTORY).zones[0].active
        self.playbook = stage.ROOT / "build/scenarios/one-task.yml"
        self.playbook.parent.mkdir(parents=True, exist_ok=True)
        self.playbook.write_text(ONE_TASK, encoding="utf-8")

    def query(self):
        return ET.fromstring(self.node.read("cibadmin --query"))

    def patches(self):                                   # the epoch does not tell: pacemaker raises it once more than the patch says
        return int(self.node.read("grep -c 'Completed cib_apply_diff operation.*/cibadmin/' /var/log/pacemaker/pacemaker.log || true"))

    def site(self, name, *arguments):
        return stage.play("playbooks/site.yml", *ARGUMENTS, *arguments, name=f"cib-{name}")

    def task(self, name, *arguments, described=None):
        """Run cluster_config alone, with a description or with what cluster_info returns."""
        given = ("-e", json.dumps({"described": described})) if described else ()
        return stage.play(str(self.playbook), *given, *arguments, name=f"cib-{name}")

    def drift(self, drift, deleted, **ids):
        commands = [command.replace("{set}", ids.get("set", "")) for command in [command for command, dummy in drift.values()] + list(deleted.values())]
        for command in commands:
            self.node.read(command)
        stage.say(f"drifted by hand: {', '.join([*drift, *deleted])}")

    def shown_and_repaired(self, name, run, drift, deleted, theirs):
        """The drift shows as exactly that; one patch repairs it; the run after that is silent."""
        checks = self.checks
        predicted = run(f"{name}-shown", "--check", "--diff")
        checks.that(predicted.rc == 0, "--check --diff with drift ends without an error", predicted.log)
        shown = told(predicted)
        for target, (dummy, expected) in drift.items():
            checks.that(shown.get(target) == expected, f"{target} shows as {expected}", shown.get(target))
        checks.that(all(target in shown and shown[target][1] is None for target in deleted), f"to be created: {', '.join(deleted)}", shown)
        checks.that(set(shown) == set(drift) | set(deleted), "nothing else shows", sorted(set(shown) ^ (set(drift) | set(deleted))))
        before = self.patches()
        repaired = run(f"{name}-repaired", "--diff")
        checks.that(repaired.rc == 0, "the run that repairs succeeds", repaired.log)
        checks.that(told(repaired) == shown, "it does exactly what the check predicted", told(repaired))
        checks.that(diff(repaired) == diff(predicted) != [], "and shows the same diff", (predicted.log, repaired.log))
        checks.that(self.patches() == before + 1, "in one patch", (before, self.patches()))
        checks.that(strangers(self.query()) == theirs, "objects of others are byte for byte what they were", strangers(self.query()))
        again = run(f"{name}-again")
        checks.that(again.rc == 0 and not again.changed, "the next run changes nothing", again.changed)


def diff(run):
    """Return the lines of the diffs that the run printed."""
    return [line for line in run.log.read_text(encoding="utf-8").splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def other_kinds(cluster, theirs):
    """The same with an object of each kind that the role does not declare: made, drifted, repaired, taken out."""
    checks = cluster.checks

    def run(name, *arguments):
        return cluster.task(name, *arguments, described=OURS)

    predicted, made, again = run("made-shown", "--check"), run("made"), run("made-again")
    checks.that(made.rc == 0 and told(made) == told(predicted) and len(told(made)) == len(TAKEN_OUT["absent"]) + 3,
                "an object of each other kind is made as predicted", (told(predicted), told(made), made.log))
    checks.that(again.rc == 0 and not again.changed, "the next run changes nothing", again.changed)
    pair = next(element for element in cluster.query().iter("meta_attributes") if element.get("id") == "our-set").find("nvpair")
    cluster.drift(OUR_DRIFT, OUR_DELETED, set=pair.get("id"))
    cluster.shown_and_repaired("kinds", run, OUR_DRIFT, OUR_DELETED, theirs)
    silent = cluster.site("kinds-foreign", "--check")
    checks.that(silent.rc == 0 and not silent.changed, "to the role they are objects of others", silent.changed)
    predicted, gone = cluster.task("gone-shown", "--check", described=TAKEN_OUT), cluster.task("gone", described=TAKEN_OUT)
    left = [element.get("id") for element in cluster.query().find("configuration").iter() if (element.get("id") or "").startswith("our-")]
    checks.that(gone.rc == 0 and told(gone) == told(predicted) and not left, "and they go as predicted", (told(gone), left, gone.log))


def main():
    checks = stage.Checks()
    cluster = Cluster(checks)
    node = cluster.node
    for section, text in STRANGERS.items():
        node.read(f"cibadmin --modify --allow-create --xml-text '<configuration><{section}>{text}</{section}></configuration>'")
    theirs = strangers(cluster.query())
    checks.that(all(theirs.values()), "there are objects of others", theirs)
    run = cluster.site("strangers", "--check", "--diff")
    checks.that(run.rc == 0 and not run.changed, "they are no drift", run.changed)
    run = cluster.task("fed-back")
    checks.that(run.rc == 0 and not run.changed, "what cluster_info returns can be given back and changes nothing", run.log)
    cluster.drift(DRIFT, DELETED)
    cluster.shown_and_repaired("role", cluster.site, DRIFT, DELETED, theirs)
    other_kinds(cluster, theirs)
    checks.that(strangers(cluster.query()) == theirs, "objects of others are still byte for byte what they were", strangers(cluster.query()))
    for section, names in (("constraints", "rsc_location their-ban"), ("tags", "tag their-tag"), ("alerts", "alert their-alert"),
                           ("resources", "primitive their-dummy")):
        tag, name = names.split()
        node.read(f"cibadmin --delete --scope {section} --xml-text '<{tag} id=\"{name}\"/>'")
    node.read("crm_resource --wait --timeout=120")
    checks.that(stage.verified(), "all checks from outside pass")
    return checks.end()


if __name__ == "__main__":
    sys.exit(main())
