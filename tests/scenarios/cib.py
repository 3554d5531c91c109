#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On the converged lab: a hand's change to each kind of object in zone alpha's cluster shows as exactly that, one patch repairs it, strangers stay.

    tests/scenarios/cib.py
"""
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


FED_BACK = """
- hosts: zone_alpha
  gather_facts: false
  tasks:
    - constellation.opennebula.cluster_info:
      register: cluster
      run_once: true
    - constellation.opennebula.cluster_config:
        description: "{{ cluster.description }}"
      run_once: true
"""


def told(run):
    """Return {object: (kind, before, after)} of what the run's modules tell of the cluster."""
    return {change["target"]: (change["kind"], change["before"], change["after"]) for event in run.results("ok") if event["changed"]
            for change in event["changes"]}


def strangers(root):
    """Return the strangers' elements as canonical XML."""
    found = {element.get("id"): ET.canonicalize(ET.tostring(element), strip_text=True) for element in root.iter() if element.get("id")}
    return {name: found.get(name) for name in ("their-dummy", "their-ban", "their-tag", "their-alert")}


def main():
    checks = stage.Checks()
    zone = look.read_inventory(stage.ROOT / stage.INVENTORY).zones[0]
    node = zone.active

    def query():
        return ET.fromstring(node.read("cibadmin --query"))

    def patches():                                       # the epoch does not tell: pacemaker raises it once more than the patch says
        return int(node.read("grep -c 'Completed cib_apply_diff operation.*/cibadmin/' /var/log/pacemaker/pacemaker.log || true"))

    for section, text in STRANGERS.items():
        node.read(f"cibadmin --modify --allow-create --xml-text '<configuration><{section}>{text}</{section}></configuration>'")
    theirs = strangers(query())
    checks.that(all(theirs.values()), "there are objects of others", theirs)
    run = stage.play("playbooks/site.yml", "--check", "--diff", *ARGUMENTS, name="cib-strangers")
    checks.that(run.rc == 0 and not run.changed, "they are no drift", run.changed)

    playbook = stage.ROOT / "build/scenarios/fed-back.yml"
    playbook.write_text(FED_BACK, encoding="utf-8")
    run = stage.play(str(playbook), name="cib-fed-back")
    checks.that(run.rc == 0 and not run.changed, "what cluster_info returns can be given back and changes nothing", run.log)

    for command in [command for command, dummy in DRIFT.values()] + list(DELETED.values()):
        node.read(command)
    stage.say(f"drifted by hand: {', '.join([*DRIFT, *DELETED])}")
    predicted = stage.play("playbooks/site.yml", "--check", "--diff", *ARGUMENTS, name="cib-shown")
    checks.that(predicted.rc == 0, "--check --diff with drift ends without an error", predicted.log)
    shown = told(predicted)
    for name, (dummy, expected) in DRIFT.items():
        checks.that(shown.get(name) == expected, f"{name} shows as {expected}", shown.get(name))
    checks.that(all(name in shown and shown[name][1] is None for name in DELETED), "what was deleted shows as to be created")
    checks.that(set(shown) == set(DRIFT) | set(DELETED), "nothing else shows", sorted(set(shown) ^ (set(DRIFT) | set(DELETED))))

    before = patches()
    repaired = stage.play("playbooks/site.yml", "--diff", *ARGUMENTS, name="cib-repaired")
    after = query()
    checks.that(repaired.rc == 0, "the run that repairs succeeds", repaired.log)
    checks.that(told(repaired) == shown, "it does exactly what the check predicted", told(repaired))
    checks.that(patches() == before + 1, "in one patch", (before, patches()))
    checks.that(strangers(after) == theirs, "objects of others are byte for byte what they were", strangers(after))
    again = stage.play("playbooks/site.yml", *ARGUMENTS, name="cib-again")
    checks.that(again.rc == 0 and not again.changed, "the next run changes nothing", again.changed)

    wanted = ("-e", '{"cluster_fence_options": {"pcmk_reboot_action": "off", "login_timeout": 7}}')
    for fault, words in (("deny", "does not answer for alpha2"), ("hang", "does not answer for alpha2")):
        stage.lab("bmc-fault", "alpha2", fault)
        epoch = query().get("epoch")                     # moves with every change of the configuration
        for mode in (("--check",), ()):
            run = stage.play("playbooks/site.yml", *ARGUMENTS, *wanted, *mode, name=f"cib-{fault}")
            failed = [event for event in run.results("failed")]
            checks.that(failed and all(words in event["said"] for event in failed), f"a device that {fault}s is named {' '.join(mode)}",
                        [event["said"] for event in failed])
        checks.that(query().get("epoch") == epoch, "and nothing was changed")
        stage.lab("bmc-fault", "alpha2", "none")

    for section, names in (("constraints", "rsc_location their-ban"), ("tags", "tag their-tag"), ("alerts", "alert their-alert"),
                           ("resources", "primitive their-dummy")):
        tag, name = names.split()
        node.read(f"cibadmin --delete --scope {section} --xml-text '<{tag} id=\"{name}\"/>'")
    node.read("crm_resource --wait --timeout=120")
    checks.that(stage.verified(), "all checks from outside pass")
    return checks.end()


if __name__ == "__main__":
    sys.exit(main())
