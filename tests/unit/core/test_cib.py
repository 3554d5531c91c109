# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared part of a CIB: read, compared by meaning, written."""
from __future__ import annotations

import pathlib
import xml.etree.ElementTree as ET

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import cib, cib_values
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, Problems

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "fixtures/cluster"
LIVE = (FIXTURES / "cib_pair.xml").read_text(encoding="utf-8")
CANARY = "CANARY-bmc-4d18"
EVERYTHING = {
    "properties": {"no-quorum-policy": "stop", "stonith-enabled": True},
    "resource_defaults": {"resource-stickiness": 100},
    "operation_defaults": {"timeout": "60s"},
    "node_attributes": {"a": {"rack": 1}},
    "node_utilization": {"a": {"memory": 4096}},
    "resource_default_sets": [{"id": "of-addresses", "rule": {"expressions": [{"rsc_expression": {"class": "ocf", "type": "IPaddr2"}}]},
                               "values": {"failure-timeout": "60s"}}],
    "operation_default_sets": [{"id": "of-monitors", "score": 10, "rule": {"expressions": [{"op_expression": {"name": "monitor"}}]},
                                "values": {"timeout": "30s"}}],
    "fence_devices": [{"id": f"fence_{node}", "agent": "fence_ilo_ssh", "options": {"ip": "192.0.2.1", "pcmk_host_list": node},
                       "operations": [{"name": "monitor", "interval": "60s"}]} for node in "ab"],
    "fence_levels": [{"id": "level_a", "target": "a", "level": 1, "devices": ["fence_a", "fence_b"]},
                     {"id": "level_rack", "target_attribute": "rack", "target_value": 1, "level": 2, "devices": "fence_a"},
                     {"id": "level_b", "target_pattern": "b.*", "level": 1, "devices": ["fence_b"]}],
    "resources": [
        {"id": "vip", "agent": "ocf:heartbeat:IPaddr2", "options": {"ip": "192.0.2.10", "cidr_netmask": 24}, "meta": {"priority": 10},
         "utilization": {"memory": 100},
         "operations": [{"name": "start", "timeout": "20s"}, {"name": "monitor", "interval": "10s", "timeout": "20s", "options": {"OCF_CHECK_LEVEL": "10"}}]},
        {"id": "one", "agent": "systemd:opennebula"}, {"id": "web", "agent": "systemd:opennebula-sunstone"}, {"id": "ping", "agent": "ocf:pacemaker:ping"}],
    "groups": [{"id": "zone", "members": ["vip", "one"]}],
    "clones": [{"id": "ping-clone", "member": "ping", "meta": {"interleave": True}}],
    "locations": [{"id": "fence_a-not-a", "resource": "fence_a", "node": "a", "score": "-INFINITY"},
                  {"id": "at-night", "resource_pattern": "web.*", "resource_discovery": "never", "rules": [
                      {"score": 50, "boolean_op": "or", "expressions": [
                          {"expression": {"attribute": "#uname", "operation": "eq", "value": "a"}},
                          {"date_expression": {"operation": "date_spec", "date_spec": {"hours": "20-23"}}},
                          {"rule": {"expressions": [{"date_expression": {"operation": "in_range", "start": "2026-01-01", "duration": {"months": 1}}}]}}]}]}],
    "colocations": [{"id": "web-with-zone", "resource": "web", "with": "zone", "score": "INFINITY", "node_attribute": "rack"},
                    {"id": "together", "score": 5, "sets": [{"members": ["web", "ping-clone"], "sequential": False}, {"members": ["vip"], "role": "Started"}]}],
    "orders": [{"id": "web-after-zone", "first": "zone", "then": "web"},
               {"id": "one-by-one", "kind": "Serialize", "sets": [{"members": ["web", "ping-clone"], "require_all": False}]}],
    "tickets": [{"id": "one-ticket", "resource": "web", "ticket": "T", "loss_policy": "stop"}],
    "alerts": [{"id": "told", "path": "/bin/true", "kinds": ["fencing", "attributes"], "attributes": ["rack"], "options": {"who": "me"},
                "recipients": ["ops@x", {"id": "told-desk", "value": "desk", "options": {"tone": "loud"}, "meta": {"timeout": "5s"}}]}],
}


def applied(root, wanted, absent=(), secrets=None, exclusive=False):
    """Return (plan, the CIB after it)."""
    todo = cib.plan(root, wanted, absent, secrets, exclusive)
    return todo, cib.parse(cib.render(root, todo))


def built(description=None, secrets=None):
    return applied(cib.parse(cib.EMPTY), cib.declared(description or EVERYTHING, secrets))[1]


def ids(root):
    return sorted(element.get("id") for element in root.iter() if element.get("id") and element.tag != "resource_ref")


def shown(changes):
    return [(change.kind, change.target, change.before, change.after) for change in changes]


def test_everything_created_is_found_again_and_left_alone():
    todo, root = applied(cib.parse(cib.EMPTY), cib.declared(EVERYTHING))
    assert {change.kind for change in todo} == {pairs.label for pairs in cib.PAIRS} | {kind.label for kind in cib.KINDS}
    assert all(change.before is None for change in todo)
    assert not cib.plan(root, cib.declared(EVERYTHING))


def test_live_configuration_described_and_fed_back_changes_nothing():
    root = cib.parse(LIVE)
    description, left = cib.describe(root)
    assert CANARY in LIVE and CANARY not in repr(description) and left == []
    assert len(description["resources"]) == 7 and len(description["fence_devices"]) == 2
    assert not cib.plan(root, cib.declared(description))


def test_description_built_from_a_description_is_the_same():
    first = cib.describe(built())[0]
    assert cib.describe(built(first))[0] == first


DRIFT = {  # what a hand changed → the one change that is seen
    "option": (".//nvpair[@name='cidr_netmask']", {"value": "16"}, ("resource", "vip", {"options.cidr_netmask": "16"}, {"options.cidr_netmask": "24"})),
    "meta": (".//nvpair[@name='priority']", {"value": "5"}, ("resource", "vip", {"meta.priority": "5"}, {"meta.priority": "10"})),
    "operation timeout": (".//primitive[@id='vip']//op[@name='start']", {"timeout": "1h"},
                          ("resource", "vip", {"operations.start.timeout": "1h"}, {"operations.start.timeout": "20s"})),
    "agent": (".//primitive[@id='web']", {"type": "apache2"}, ("resource", "web", {"agent": "systemd:apache2"}, {"agent": "systemd:opennebula-sunstone"})),
    "fence option": (".//primitive[@id='fence_b']//nvpair[@name='ip']", {"value": "192.0.2.9"},
                     ("fence device", "fence_b", {"options.ip": "192.0.2.9"}, {"options.ip": "192.0.2.1"})),
    "level": (".//fencing-level", {"devices": "fence_a"}, ("fence level", "level_a", {"devices": "fence_a"}, {"devices": "fence_a,fence_b"})),
    "location score": (".//rsc_location", {"score": "-1"}, ("location", "fence_a-not-a", {"score": "-1"}, {"score": "-INFINITY"})),
    "colocation score": (".//rsc_colocation", {"score": "5"}, ("colocation", "web-with-zone", {"score": "5"}, {"score": "INFINITY"})),
    "order kind": (".//rsc_order", {"kind": "Optional"}, ("order", "web-after-zone", {"kind": "Optional"}, {})),
    "level by attribute": (".//fencing-level[@id='level_rack']", {"target-value": "2"},
                           ("fence level", "level_rack", {"target_value": "2"}, {"target_value": "1"})),
    "node attribute": (".//nodes//nvpair[@name='rack']", {"value": "2"}, ("node attribute", "a rack", "2", "1")),
    "node utilization": (".//nodes//nvpair[@name='memory']", {"value": "1"}, ("node utilization", "a memory", "1", "4096")),
    "utilization": (".//primitive//nvpair[@name='memory']", {"value": "1"}, ("resource", "vip", {"utilization.memory": "1"}, {"utilization.memory": "100"})),
    "discovery": (".//rsc_location[@id='at-night']", {"resource-discovery": "always"},
                  ("location", "at-night", {}, {"resource_discovery": "never"})),
    "node attribute of a colocation": (".//rsc_colocation", {"node-attribute": "#uname"},
                                       ("colocation", "web-with-zone", {"node_attribute": "#uname"}, {"node_attribute": "rack"})),
    "score of a default set": (".//op_defaults/meta_attributes[@id='of-monitors']", {"score": "9"},
                               ("operation default set", "of-monitors", {"score": "9"}, {"score": "10"})),
    "value of a default set": (".//rsc_defaults//nvpair[@name='failure-timeout']", {"value": "9s"},
                               ("resource default set", "of-addresses", {"values.failure-timeout": "9s"}, {"values.failure-timeout": "60s"})),
    "alert attribute": (".//alert//attribute", {"name": "shelf"}, ("alert", "told", {"attributes": ["shelf"]}, {"attributes": ["rack"]})),
    "recipient": (".//recipient[@id='told-desk']", {"value": "lift"},
                  ("alert", "told", {"recipients.told-desk.value": "lift"}, {"recipients.told-desk.value": "desk"})),
    "recipient option": (".//recipient//nvpair[@name='tone']", {"value": "soft"},
                         ("alert", "told", {"recipients.told-desk.options.tone": "soft"}, {"recipients.told-desk.options.tone": "loud"})),
    "ticket": (".//rsc_ticket", {"loss-policy": "fence"}, ("ticket", "one-ticket", {"loss_policy": "fence"}, {"loss_policy": "stop"})),
    "property": (".//nvpair[@name='no-quorum-policy']", {"value": "ignore"}, ("property", "no-quorum-policy", "ignore", "stop")),
    "resource default": (".//nvpair[@name='resource-stickiness']", {"value": "0"}, ("resource default", "resource-stickiness", "0", "100")),
    "operation default": (".//op_defaults//nvpair", {"value": "9s"}, ("operation default", "timeout", "9s", "60s")),
    "alert path": (".//alert", {"path": "/bin/false"}, ("alert", "told", {"path": "/bin/false"}, {"path": "/bin/true"})),
    "alert option": (".//alert//nvpair", {"value": "you"}, ("alert", "told", {"options.who": "you"}, {"options.who": "me"})),
    "clone meta": (".//clone//nvpair", {"value": "false"}, ("clone", "ping-clone", {"meta.interleave": "false"}, {"meta.interleave": "true"})),
}


@pytest.mark.parametrize("case", DRIFT)
def test_drift_is_seen_exactly_and_repaired(case):
    path, attributes, expected = DRIFT[case]
    root = built()
    before = ET.tostring(root)
    root.find(path).attrib.update(attributes)
    todo, repaired = applied(root, cib.declared(EVERYTHING))
    assert shown(todo) == [expected]
    repaired.set("epoch", cib.parse(before).get("epoch"))
    assert cib.objects(repaired) == cib.objects(cib.parse(before))
    assert ids(repaired) == ids(cib.parse(before)) or case == "alert attribute"


IN_RULES = {  # a rule or a set shows as a whole; its elements keep their ids
    "expression value": (".//rsc_location//expression", {"value": "b"}, "at-night"),
    "hours": (".//rsc_location//date_spec", {"hours": "8"}, "at-night"),
    "boolean-op of the inner rule": (".//rsc_location/rule/rule", {"boolean-op": "or"}, "at-night"),
    "rule score": (".//rsc_location/rule", {"score": "-INFINITY"}, "at-night"),
    "duration": (".//duration", {"months": "2"}, "at-night"),
    "resource type": (".//rsc_expression", {"type": "IPaddr"}, "of-addresses"),
    "operation name": (".//op_expression", {"name": "start"}, "of-monitors"),
    "sequential": (".//rsc_colocation/resource_set", {"sequential": "true"}, "together"),
    "member": (".//rsc_order//resource_ref[@id='ping-clone']", {"id": "vip"}, "one-by-one"),
}


@pytest.mark.parametrize("case", IN_RULES)
def test_drift_inside_a_rule_or_set_is_seen_and_repaired_in_place(case):
    path, attributes, name = IN_RULES[case]
    root = built()
    root.find(path).attrib.update(attributes)
    todo, repaired = applied(root, cib.declared(EVERYTHING))
    assert [change.target for change in todo] == [name]
    assert cib.objects(repaired) == cib.objects(built()) and ids(repaired) == ids(built())


@pytest.mark.parametrize("kind", [kind for kind in cib.KINDS if kind.tag != "primitive"], ids=lambda kind: kind.label)
def test_deleted_object_is_created_again(kind):
    root = built()
    name = EVERYTHING[kind.key][0]["id"]
    assert (kind.label, name) in cib.objects(root)
    gone = cib.parse(cib.render(root, [type("C", (), {"step": (kind.label, name, None)})]))
    assert (kind.label, name) not in cib.objects(gone)
    todo, repaired = applied(gone, cib.declared(EVERYTHING))
    assert [(change.kind, change.target, change.before) for change in todo] == [(kind.label, name, None)]
    assert cib.objects(repaired) == cib.objects(root)


def test_added_option_operation_and_rule_are_drift():
    root = built()
    vip = root.find(".//primitive[@id='vip']")
    ET.SubElement(vip.find("instance_attributes"), "nvpair", {"id": "x1", "name": "nic", "value": "eth0"})
    ET.SubElement(vip.find("operations"), "op", {"id": "x2", "name": "monitor", "interval": "99s"})
    ET.SubElement(root.find(".//rsc_order"), "lifetime", {"id": "x3"})
    todo, repaired = applied(root, cib.declared(EVERYTHING))
    assert [change.target for change in todo] == ["vip", "web-after-zone"]
    assert todo.changes[0].before == {"operations.monitor 99s": "", "options.nic": "eth0"} and todo.changes[1].before == {"beyond": ["lifetime"]}
    assert cib.objects(repaired) == cib.objects(built())


def test_order_of_group_members_matters_and_strangers_leave_the_group_alive():
    root = built()
    group = root.find(".//group")
    group[:] = list(group)[::-1] + [ET.Element("primitive", {"id": "stranger", "class": "systemd", "type": "x"})]
    todo, repaired = applied(root, cib.declared(EVERYTHING))
    assert shown(todo) == [("group", "zone", {"members": ["one", "vip", "stranger"]}, {"members": ["vip", "one"]})]
    assert cib.objects(repaired)[("group", "zone")]["members"] == ["vip", "one"]
    assert repaired.find("configuration/resources/primitive[@id='stranger']") is not None


def test_foreign_objects_and_properties_survive():
    root = built()
    foreign = {"resources": '<primitive id="theirs" class="ocf" provider="heartbeat" type="Dummy">'
                            '<utilization id="u"><rule id="ur"/><nvpair id="n" name="cpu" value="1"/></utilization></primitive>',
               "constraints": '<rsc_location id="cli-ban" rsc="vip"><rule id="r" score="-INFINITY"/></rsc_location>'}
    for section, text in foreign.items():
        root.find(f"configuration/{section}").append(ET.fromstring(text))
    ET.SubElement(root.find(".//cluster_property_set"), "nvpair", {"id": "p", "name": "maintenance-mode", "value": "true"})
    root.find(".//nvpair[@name='cidr_netmask']").set("value", "9")
    todo, repaired = applied(root, cib.declared(EVERYTHING))
    assert len(todo.changes) == 1
    for section, text in foreign.items():
        kept = [ET.tostring(element) for element in repaired.find(f"configuration/{section}")]
        assert ET.tostring(ET.fromstring(text)) in kept
    assert cib.objects(repaired)[("property", "maintenance-mode")] == "true"
    assert cib.describe(repaired)[1] == ["theirs", "cli-ban"]


def kept(*ties):
    """Return the live configuration with one resource of somebody's, and these colocations."""
    more = "".join(f"<rsc_colocation {tie}/>" for tie in ties)
    return LIVE.replace("</resources>", '<primitive id="old" class="systemd" type="old"/></resources>').replace("</constraints>", more + "</constraints>")


@pytest.mark.parametrize("ties, named", [
    (['id="old-with-opennebula_zone" rsc="old" with-rsc="opennebula_zone" score="INFINITY"'], "old-with-opennebula_zone"),
    (['id="b" rsc="opennebula-gate" with-rsc="old" score="5"', 'id="a" rsc="old" with-rsc="zone_vip" score="+INFINITY"'], "a, b"),
    (['id="apart" rsc="old" with-rsc="opennebula_zone" score="-INFINITY"'], None), (['id="unscored" rsc="old" with-rsc="opennebula_zone"'], None),
    (['id="theirs" rsc="old" with-rsc="stranger" score="INFINITY"'], None), ([], None)])
def test_resource_of_others_that_is_kept_with_ours_is_named(ties, named):
    own, dummy = cib.describe(cib.parse(LIVE))
    wanted = cib.declared(own)
    warnings = cib.plan(cib.parse(kept(*ties)), wanted).warnings
    words = f"resource old is not declared, and stays with what is ({named}). If nobody wants it any more: pcs resource delete old"
    assert warnings == ((words,) if named else ())
    assert cib.plan(cib.parse(kept(*ties)), wanted, absent=["old"] + [tie.split('"')[1] for tie in ties]).warnings == ()
    assert cib.plan(cib.parse(kept(*ties)), wanted, exclusive=True).warnings == ()


def test_exclusive_removes_what_is_not_declared_and_shows_it():
    root = built()
    root.find("configuration/resources").append(ET.fromstring(
        '<group id="their-group"><primitive id="theirs" class="ocf" provider="heartbeat" type="Dummy"/></group>'))
    root.find("configuration/constraints").append(ET.fromstring('<rsc_location id="cli-prefer-vip" rsc="vip" node="a" score="INFINITY"/>'))
    ET.SubElement(root.find(".//cluster_property_set"), "nvpair", {"id": "p", "name": "dc-version", "value": "2.1.5"})
    todo, repaired = applied(root, cib.declared(EVERYTHING), exclusive=True)
    assert {(change.kind, change.target, change.after) for change in todo} == {
        ("location", "cli-prefer-vip", None), ("group", "their-group", None), ("resource", "theirs", None)}
    assert "location cli-prefer-vip:" in todo.before and "cli-prefer-vip" not in todo.after
    assert cib.objects(repaired)[("property", "dc-version")] == "2.1.5", "the cluster's own properties stay"
    assert not cib.plan(repaired, cib.declared(EVERYTHING), exclusive=True)


def test_absent_objects_go_and_what_was_inside_stays():
    root = built()
    description = {"absent": ["zone", "web-with-zone", "web-after-zone", "never-was"]}
    todo, repaired = applied(root, cib.declared(description), description["absent"])
    assert {(change.target, change.after) for change in todo} == {("zone", None), ("web-with-zone", None), ("web-after-zone", None)}
    assert ("resource", "vip") in cib.objects(repaired) and ("group", "zone") not in cib.objects(repaired)


def test_ids_that_exist_elsewhere_are_not_taken_twice():
    root = cib.parse(cib.EMPTY)
    root.find("configuration/resources").append(ET.fromstring('<primitive id="vip-instance_attributes" class="systemd" type="x"/>'))
    repaired = applied(root, cib.declared(EVERYTHING))[1]
    assert len(ids(repaired)) == len(set(ids(repaired)))


def test_secret_is_compared_and_never_shown():
    description = {"fence_devices": [{"id": "f", "agent": "fence_x", "options": {"ip": "1"}}]}
    root = applied(cib.parse(cib.EMPTY), cib.declared(description, {"f": {"password": "CANARY-old"}}))[1]
    assert "CANARY-old" in ET.tostring(root, encoding="unicode")
    assert not cib.plan(root, cib.declared(description, {"f": {"password": "CANARY-old"}}))
    todo = cib.plan(root, cib.declared(description, {"f": {"password": "CANARY-new"}}))
    assert shown(todo) == [("fence device", "f", {"options.password": "(secret)"}, {"options.password": "(secret, changed)"})]
    assert "password: (secret)" in todo.diff()["before"] and "password: (secret, changed)" in todo.diff()["after"]
    assert "CANARY" not in repr(todo.diff()) + repr(todo.as_list())
    created = cib.plan(cib.parse(cib.EMPTY), cib.declared(description, {"f": {"knock": "CANARY"}}), secrets={"f": {"knock": "CANARY"}})
    assert "CANARY" not in repr(created.diff()) + repr(created.as_list()) and "knock: (secret)" in created.after


def test_all_mistakes_of_a_description_are_told_together():
    with pytest.raises(Problems) as caught:
        cib.declared({"propertys": {}, "resources": [{"id": "a", "agent": "IPaddr2"}, {"id": "a", "agent": "systemd:x", "colour": "red"}, {"id": "b"}],
                      "fence_devices": [{"id": "f", "agent": "fence_x", "options": {"passwd": "x"}}],
                      "locations": [{"id": "l", "resource": "a", "node": "n", "score": "much"}], "alerts": [{"id": "x", "path": "/x", "kinds": ["fence"]}],
                      "absent": ["b"]}, {"nobody": {"p": "x"}})
    text = str(caught.value)
    for part in ("unknown key 'propertys'", "agent 'IPaddr2' is not written as", "unknown field 'colour'", "the id is used twice", "'agent' is missing",
                 "option 'passwd' is a secret", "score 'much'", "there are no events 'fence'", "secrets for 'nobody'", "declared and listed as absent"):
        assert part in text


WRONG = {  # a description → what is said about it
    "no member": ({"groups": [{"id": "g", "members": []}]}, "group g: 'members' is missing"),
    "neither": ({"orders": [{"id": "o", "kind": "Optional"}]}, "order o: it needs one of: first and then; sets"),
    "half": ({"orders": [{"id": "o", "first": "a"}]}, "order o: 'then' is missing"),
    "both": ({"tickets": [{"id": "t", "ticket": "T", "resource": "a", "sets": [{"members": ["a"]}]}]}, "ticket t: it needs only one of: resource; sets"),
    "node and rule": ({"locations": [{"id": "l", "resource": "a", "node": "n", "score": 1, "rules": [{"expressions": [{"expression": {
        "attribute": "x", "operation": "defined"}}]}]}]}, "location l: it needs only one of: node and score; rules"),
    "level": ({"fence_levels": [{"id": "l", "level": 1, "devices": ["a"]}]}, "it needs one of: target; target_pattern; target_attribute and target_value"),
    "id": ({"resources": [{"id": "a b", "agent": "systemd:x"}]}, "resource a b: an id has letters, digits, '_', '-' and '.' only"),
    "key": ({"propertys": {}}, "unknown key 'propertys'; did you mean 'properties'?"),
    "field": ({"orders": [{"id": "o", "first": "a", "then": "b", "symetrical": True}]}, "order o: unknown field 'symetrical'; did you mean 'symmetrical'?"),
    "kind": ({"orders": [{"id": "o", "first": "a", "then": "b", "kind": "mandatory"}]}, "order o: kind 'mandatory' is unknown; did you mean 'Mandatory'?"),
    "role": ({"resources": [{"id": "r", "agent": "systemd:x", "operations": [{"name": "monitor", "role": "Boss"}]}]}, "resource r: role 'Boss' is unknown"),
    "on_fail": ({"resources": [{"id": "r", "agent": "systemd:x", "operations": [{"name": "stop", "on_fail": "fenced"}]}]},
                "resource r: operation stop: on_fail 'fenced' is unknown; did you mean 'fence'?"),
    "meta": ({"resources": [{"id": "r", "agent": "systemd:x", "meta": {"migration-treshold": 1, "ours": 2}}]},
             "resource r: pacemaker does not know the meta attribute 'migration-treshold'; did you mean 'migration-threshold'?"),
    "default": ({"resource_defaults": {"resource-stickyness": 1}}, "did you mean 'resource-stickiness'?"),
    "timeout": ({"resources": [{"id": "r", "agent": "systemd:x", "operations": [{"name": "stop", "timeout": "soon"}]}]},
                "resource r: operation stop: timeout 'soon' is not a duration"),
    "rule": ({"locations": [{"id": "l", "resource": "a", "rules": ["#uname eq a"]}]}, "location l: a rule is written as a mapping, not as '#uname eq a'"),
    "list in options": ({"fence_devices": [{"id": "f", "agent": "fence_x", "options": {"pcmk_host_list": ["a", "b"]}}]},
                        "fence device f: options: 'pcmk_host_list' is a list; one text or number is wanted"),
    "mapping in a property": ({"properties": {"maintenance-mode": {"x": 1}}}, "properties: 'maintenance-mode' is a mapping; one text or number is wanted"),
    "number of options": ({"alerts": [{"id": "x", "path": "/x", "recipients": [{"value": "v", "meta": 5}]}]},
                          "alert x: recipient: meta is one value; a mapping is wanted"),
    "one member": ({"colocations": [{"id": "c", "score": 1, "sets": [{"members": 5}]}]}, "colocation c: resource_set: members is one value; a list is wanted"),
    "one expression": ({"locations": [{"id": "l", "resource": "a", "rules": [{"expressions": 5}]}]},
                       "location l: rule: expressions is one value; a list is wanted"),
    "list in an expression": ({"locations": [{"id": "l", "resource": "a", "rules": [{"expressions": [{"expression": {
        "attribute": ["x"], "operation": "defined"}}]}]}]}, "location l: rule: entry: expression: 'attribute' is a list; one text or number is wanted"),
    "list in an operation": ({"resources": [{"id": "r", "agent": "systemd:x", "operations": [{"name": "stop", "options": {"a": [1]}}]}]},
                             "resource r: op: options: 'a' is a list; one text or number is wanted"),
    "number as a name": ({"resources": [{"id": "r", "agent": "systemd:x", "options": {1: 2}}]}, "resource r: options: the name 1 is no text"),
    "number as a field": ({"colocations": [{"id": "c", "score": 1, "sets": [{"members": ["a"], 1: 2}]}]}, "colocation c: resource_set: unknown field '1'"),
    "expression": ({"locations": [{"id": "l", "resource": "a", "rules": [{"expressions": [{"attribute": "x"}]}]}]},
                   "location l: an expression is written as a mapping with one of these keys: expression, date_expression"),
    "no expression": ({"locations": [{"id": "l", "resource": "a", "rules": [{"score": 1}]}]}, "location l: rule: 'expressions' is missing"),
    "operation": ({"locations": [{"id": "l", "resource": "a", "rules": [{"expressions": [{"expression": {"attribute": "x", "operation": "equal"}}]}]}]},
                  "location l: expression: operation 'equal' is unknown"),
    "date": ({"locations": [{"id": "l", "resource": "a", "rules": [{"expressions": [{"date_expression": {"operation": "date_spec"}}]}]}]},
             "location l: date_expression: operation and field 'date_spec' belong together"),
    "score of a rule": ({"locations": [{"id": "l", "resource": "a", "rules": [{"score": "lots", "expressions": [{"expression": {
        "attribute": "x", "operation": "defined"}}]}]}]}, "location l: rule: score 'lots' is neither a number nor INFINITY"),
    "set": ({"colocations": [{"id": "c", "score": 1, "sets": [{"member": ["a"]}]}]},
            "colocation c: resource_set: unknown field 'member'; did you mean 'members'?"),
    "node": ({"node_attributes": {"a": "rack1"}}, "node_attributes: 'a' is followed by a mapping of names to values"),
    "attributes of an alert": ({"alerts": [{"id": "x", "path": "/x", "attributes": ["a"]}]}, "alert x: attributes are named, but 'attributes' is not among"),
    "recipient": ({"alerts": [{"id": "x", "path": "/x", "recipients": ["a", "a"]}]}, "alert x: recipient x-recipient-a is there twice"),
    "secret of an alert": ({"alerts": [{"id": "x", "path": "/x", "options": {"smtp_password": "x"}}]}, "alert x: option 'smtp_password' is a secret"),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistake_in_a_description_is_named_with_what_is_right(case):
    description, message = WRONG[case]
    with pytest.raises(Problems) as caught:
        cib.declared(description)
    assert [one for one in caught.value.problems if message in one], caught.value.problems


@pytest.mark.parametrize("own", ["CANARY", ["CANARY"], {"password": ["CANARY"]}, {"password": {"CANARY": 1}}, {1: "CANARY"}])
def test_secrets_of_another_shape_are_refused_unseen(own):
    with pytest.raises(Problems, match="secrets for 'f' are written as a mapping of option to value") as caught:
        cib.declared({"fence_devices": [{"id": "f", "agent": "fence_x"}]}, {"f": own})
    assert "CANARY" not in str(caught.value)


def test_booleans_are_spelled_as_the_schema_of_the_cib_wants_them():
    description = {"resources": [{"id": "r", "agent": "systemd:x", "operations": [{"name": "monitor", "interval": "9s", "enabled": "False"}]},
                                 {"id": "s", "agent": "systemd:y"}], "orders": [{"id": "o", "first": "r", "then": "s", "symmetrical": "no"}]}
    root = applied(cib.parse(cib.EMPTY), cib.declared(description))[1]
    assert root.find(".//op").get("enabled") == "false" and root.find(".//rsc_order").get("symmetrical") == "false"


def test_secrets_of_an_alert_reach_it_and_no_diff():
    description = {"alerts": [{"id": "mail", "path": "/x", "options": {"host": "h"}}]}
    todo, root = applied(cib.parse(cib.EMPTY), cib.declared(description, {"mail": {"smtp_password": CANARY}}))
    assert cib.objects(root)[("alert", "mail")]["options"]["smtp_password"] == CANARY
    assert CANARY not in repr(todo.diff()) + repr(todo.as_list()) + repr(cib.describe(root))
    assert not cib.plan(root, cib.declared(cib.describe(root)[0]))
    with pytest.raises(Problems, match="a group has no options"):
        cib.declared({"resources": [{"id": "r", "agent": "systemd:x"}], "groups": [{"id": "g", "members": ["r"]}]}, {"g": {"p": "x"}})


def test_value_of_null_takes_a_single_value_out_and_only_that():
    description = {"properties": {"no-quorum-policy": None, "never-was": None}, "resource_defaults": {"resource-stickiness": None},
                   "node_attributes": {"a": {"rack": None}}}
    todo, root = applied(built(), cib.declared(description))
    assert shown(todo) == [("property", "no-quorum-policy", "stop", None), ("resource default", "resource-stickiness", "100", None),
                           ("node attribute", "a rack", "1", None)]
    assert todo.before == "property no-quorum-policy: stop\nresource default resource-stickiness: 100\nnode attribute a rack: 1\n" and todo.after == ""
    assert set(cib.objects(built())) - set(cib.objects(root)) == {(kind, name) for kind, name, dummy, dummy2 in shown(todo)}
    assert not cib.plan(root, cib.declared(description))


def test_default_under_a_rule_is_not_taken_for_the_default():
    root = built()
    holder = root.find(".//rsc_defaults")
    holder.insert(0, ET.fromstring('<meta_attributes id="at-night" score="9"><rule id="at-night-r"><date_expression id="at-night-e" operation="gt" '
                                   'start="2026-01-01"/></rule><nvpair id="at-night-n" name="resource-stickiness" value="0"/></meta_attributes>'))
    assert not cib.plan(root, cib.declared(EVERYTHING))
    todo, after = applied(root, cib.declared({"resource_defaults": {"resource-stickiness": 5}}))
    assert shown(todo) == [("resource default", "resource-stickiness", "100", "5")]
    assert after.find(".//nvpair[@id='at-night-n']").get("value") == "0"


STRANGERS = {  # their object, our description → refused with
    "taken from a group": ('<group id="theirs"><primitive id="x" class="systemd" type="x"/><primitive id="y" class="systemd" type="y"/></group>',
                           {"resources": [{"id": "x", "agent": "systemd:x"}], "groups": [{"id": "mine", "members": ["x"]}]},
                           "group mine: x is in group theirs, which is not declared; declare that, or let it go (absent)"),
    "left empty": ('<group id="theirs"><primitive id="x" class="systemd" type="x"/></group>', {"absent": ["x"]},
                   "group theirs would be left empty; let it go, too (absent)"),
    "clone left empty": ('<clone id="theirs"><primitive id="x" class="systemd" type="x"/></clone>', {"absent": ["x"]},
                         "clone theirs would be left empty; let it go, too (absent)"),
    "inside a bundle": ('<bundle id="theirs"><podman image="i"/><primitive id="x" class="systemd" type="x"/></bundle>',
                        {"resources": [{"id": "x", "agent": "systemd:x"}]}, "resource x: the CIB has this id already, for a <primitive> inside theirs"),
}


@pytest.mark.parametrize("case", STRANGERS)
def test_what_would_change_an_object_of_others_unseen_is_refused(case):
    theirs, description, message = STRANGERS[case]
    root = cib.parse(cib.EMPTY)
    root.find("configuration/resources").append(ET.fromstring(theirs))
    with pytest.raises(Problems) as caught:
        cib.plan(root, cib.declared(description), description.get("absent", ()))
    assert caught.value.problems == [message]
    assert cib.plan(root, cib.declared(description if "absent" in description else {}), ["x", "theirs"]) or case == "inside a bundle"


def test_resource_that_constraints_of_others_name_does_not_go_alone():
    root = built()
    root.find("configuration/constraints").append(ET.fromstring('<rsc_location id="cli-ban-web-on-a" rsc="web" node="a" score="-INFINITY"/>'))
    gone = ["web", "web-with-zone", "web-after-zone", "one-ticket", "one-by-one", "together"]
    with pytest.raises(Problems, match="web is to go, but location cli-ban-web-on-a refers to it; let that go, too"):
        cib.plan(root, {}, gone)
    assert len(cib.plan(root, {}, gone + ["cli-ban-web-on-a"]).changes) == 7


def test_node_that_is_not_there_gets_no_attribute():
    root = built()
    with pytest.raises(Problems, match="node attribute c rack: there is no node 'c'; the cluster has a"):
        cib.plan(root, cib.declared({"node_attributes": {"c": {"rack": 1}}}))


def test_members_of_a_cloned_group_change():
    description = {"resources": [{"id": name, "agent": "systemd:x"} for name in "xyz"], "groups": [{"id": "g", "members": ["x", "y"]}],
                   "clones": [{"id": "c", "member": "g"}]}
    root = built(description)
    todo, after = applied(root, cib.declared(dict(description, groups=[{"id": "g", "members": ["z", "x"]}])))
    assert shown(todo) == [("group", "g", {"members": ["x", "y"]}, {"members": ["z", "x"]})]
    assert [element.get("id") for element in after.find("configuration/resources/clone/group")] == ["z", "x"]
    assert after.find("configuration/resources/primitive[@id='y']") is not None


def test_a_role_by_its_old_name_is_the_same_role():
    description = {"resources": [{"id": "r", "agent": "ocf:pacemaker:Stateful", "operations": [{"name": "monitor", "interval": "9s", "role": "Promoted"}]}],
                   "locations": [{"id": "l", "resource": "r", "node": "a", "score": 1, "role": "Promoted"}]}
    root = built(description)
    for element in root.findall(".//op") + root.findall(".//rsc_location"):
        element.set("role", "Master")
    assert not cib.plan(root, cib.declared(description))


def test_what_does_not_fit_the_cluster_is_refused():
    wanted = cib.declared({"resources": [{"id": "zone", "agent": "systemd:x"}, {"id": "k", "agent": "systemd:k", "options": {"a": cib_values.KEEP}}],
                           "groups": [{"id": "g", "members": ["ghost"]}], "orders": [{"id": "o", "first": "vip", "then": "nothing"}]})
    with pytest.raises(Problems) as caught:
        cib.plan(built(), wanted)
    known = "fence_a, fence_b, g, k, one, ping, ping-clone, vip, web, zone"
    assert caught.value.problems == [
        "resource zone: the CIB has this id already, for a <group>", f"group g: there is no resource 'ghost'; use one of: {known}",
        f"order o: there is no resource 'nothing'; use one of: {known}", "resource k: secret 'a' is to be kept, but there is none"]


@pytest.mark.parametrize("live, wanted, agent_option, expected", [
    ("10s", "10", False, True), ("10000ms", "10s", False, True), ("1m", "60", False, True), ("10s", "11s", False, False),
    ("yes", "true", False, True), ("1", "true", False, True), ("0", "true", False, False), ("off", "false", True, True), ("INFINITY", "1000000", False, True),
    ("-INFINITY", "INFINITY", False, False), ("10", "10s", True, False), ("16", "16", True, True), ("01", "1", True, False), ("stop", "Stop", False, False),
])
def test_values_equal_by_meaning(live, wanted, agent_option, expected):
    assert cib_values.same(live, wanted, agent_option) is expected


@pytest.mark.parametrize("text, why", [("<cib", "unclosed token"), ("<status/>", "it is <status>"), ("", "no element found")])
def test_what_is_no_cib_is_refused(text, why):
    with pytest.raises(CoreError, match=why):
        cib.parse(text)
