# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared part of a CIB: read, compared by meaning, written; checked against pacemaker's own programs where they are installed."""
from __future__ import annotations

import os
import pathlib
import random
import shutil
import subprocess
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
    "fence_devices": [{"id": f"fence_{node}", "agent": "fence_ilo_ssh", "options": {"ip": "192.0.2.1", "pcmk_host_list": node},
                       "operations": [{"name": "monitor", "interval": "60s"}]} for node in "ab"],
    "fence_levels": [{"id": "level_a", "target": "a", "level": 1, "devices": ["fence_a", "fence_b"]}],
    "resources": [
        {"id": "vip", "agent": "ocf:heartbeat:IPaddr2", "options": {"ip": "192.0.2.10", "cidr_netmask": 24}, "meta": {"priority": 10},
         "operations": [{"name": "start", "timeout": "20s"}, {"name": "monitor", "interval": "10s", "timeout": "20s", "options": {"OCF_CHECK_LEVEL": "10"}}]},
        {"id": "one", "agent": "systemd:opennebula"}, {"id": "web", "agent": "systemd:opennebula-sunstone"}, {"id": "ping", "agent": "ocf:pacemaker:ping"}],
    "groups": [{"id": "zone", "members": ["vip", "one"]}],
    "clones": [{"id": "ping-clone", "member": "ping", "meta": {"interleave": True}}],
    "locations": [{"id": "fence_a-not-a", "resource": "fence_a", "node": "a", "score": "-INFINITY"}],
    "colocations": [{"id": "web-with-zone", "resource": "web", "with": "zone", "score": "INFINITY"}],
    "orders": [{"id": "web-after-zone", "first": "zone", "then": "web"}],
    "tickets": [{"id": "one-ticket", "resource": "web", "ticket": "T", "loss_policy": "stop"}],
    "alerts": [{"id": "told", "path": "/bin/true", "kinds": ["fencing"], "options": {"who": "me"}, "recipients": ["ops"]}],
}


def applied(root, wanted, absent=(), secrets=None, exclusive=False):
    """Return (plan, the CIB after it)."""
    todo = cib.plan(root, wanted, absent, secrets, exclusive)
    return todo, cib.parse(cib.render(root, todo))


def built(description=None, secrets=None):
    return applied(cib.parse(cib.EMPTY), cib.declared(description or EVERYTHING, secrets))[1]


def shown(changes):
    return [(change.kind, change.target, change.before, change.after) for change in changes]


def test_everything_created_is_found_again_and_left_alone():
    todo, root = applied(cib.parse(cib.EMPTY), cib.declared(EVERYTHING))
    assert {change.kind for change in todo} == {pair[1] for pair in cib.PAIRS} | {kind.label for kind in cib.KINDS}
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


@pytest.mark.parametrize("kind", [kind for kind in cib.KINDS if kind.tag != "primitive"], ids=lambda kind: kind.label)
def test_deleted_object_is_created_again(kind):
    root = built()
    name = EVERYTHING[kind.key][0]["id"]
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
    ET.SubElement(root.find(".//rsc_order"), "resource_set", {"id": "x3"})
    todo, repaired = applied(root, cib.declared(EVERYTHING))
    assert [change.target for change in todo] == ["vip", "web-after-zone"]
    assert todo.changes[0].before == {"operations.monitor 99s": "", "options.nic": "eth0"} and todo.changes[1].before == {"beyond": ["resource_set"]}
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
                            '<utilization id="u"><nvpair id="n" name="cpu" value="1"/></utilization></primitive>',
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
    ids = [element.get("id") for element in repaired.iter() if element.get("id")]
    assert len(ids) == len(set(ids))


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


def test_what_does_not_fit_the_cluster_is_refused():
    wanted = cib.declared({"resources": [{"id": "zone", "agent": "systemd:x"}, {"id": "k", "agent": "systemd:k", "options": {"a": cib_values.KEEP}}],
                           "groups": [{"id": "g", "members": ["ghost"]}], "orders": [{"id": "o", "first": "vip", "then": "nothing"}]})
    with pytest.raises(Problems) as caught:
        cib.plan(built(), wanted)
    assert caught.value.problems == ["resource zone: the CIB has this id already, for a <group>", "resource k: secret 'a' is to be kept, but there is none",
                                     "group g: there is no resource 'ghost'", "order o: there is no resource 'nothing'"]


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


# --- against pacemaker's own programs (CIB files need no running cluster) ---------------------------------------------------------------

def run(*argv, **options):
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=dict(os.environ, LC_ALL="C", **options.pop("env", {})), **options)


def generated(seed):
    """Return a random description; the seed is part of the test's name."""
    dice = random.Random(seed)
    names = [f"r{number}" for number in range(dice.randint(1, 8))]
    resources = [{"id": name, "agent": dice.choice(["ocf:heartbeat:Dummy", "systemd:x", "ocf:pacemaker:Stateful"]),
                  "options": {f"o{n}": dice.choice(["a & b", "<x>", "'q' \"q\"", "é", "1"]) for n in range(dice.randint(0, 3))},
                  "meta": dice.choice([{}, {"priority": "1"}, {"failure-timeout": "60s"}]),
                  "operations": [{"name": "monitor", "interval": f"{10 + n}s", "timeout": "20s"} for n in range(dice.randint(0, 2))]} for name in names]
    free = list(names)
    dice.shuffle(free)
    members = [free.pop() for dummy in range(min(len(free), dice.randint(0, 3)))]
    cloned = [free.pop() for dummy in range(min(len(free), dice.randint(0, 1)))]
    tops = free + (["g"] if members else [])
    pairs = [(a, b) for a in tops for b in tops if a < b and dice.random() < 0.4]
    return {
        "properties": {"stonith-enabled": "false", "cluster-recheck-interval": f"{dice.randint(1, 9)}min"},
        "resources": dice.sample(resources, len(resources)),
        "groups": [{"id": "g", "members": members, "meta": dice.choice([{}, {"priority": "2"}])}] if members else [],
        "clones": [{"id": "c", "member": cloned[0], "meta": dice.choice([{}, {"interleave": "true"}])}] if cloned else [],
        "colocations": [{"id": f"{a}-with-{b}", "resource": b, "with": a, "score": dice.choice(["INFINITY", "-100"])} for a, b in pairs],
        "orders": [{"id": f"{b}-after-{a}", "first": a, "then": b} for a, b in pairs],
        "locations": [{"id": f"{name}-at-n", "resource": name, "node": "n", "score": str(dice.randint(-5, 5))} for name in tops if dice.random() < 0.5],
        "alerts": [{"id": "al", "path": "/bin/true", "kinds": dice.choice([[], ["nodes"], ["fencing", "resources"]])}] if dice.random() < 0.5 else [],
    }


@pytest.mark.skipif(not shutil.which("crm_diff"), reason="pacemaker-cli-utils is not installed")
@pytest.mark.parametrize("seed", range(6))
def test_generated_changes_survive_pacemakers_own_programs(seed, tmp_path):
    live = tmp_path / "live.xml"
    live.write_text(run("cibadmin", "--empty").stdout, encoding="utf-8")
    previous = set()
    for step in range(2):
        description = generated(seed * 2 + step)
        ids = {entry["id"] for kind in cib.KINDS for entry in description.get(kind.key, [])}
        wanted = cib.declared(description)
        todo, after = applied(cib.parse(live.read_text(encoding="utf-8")), wanted, previous - ids)
        new = tmp_path / "new.xml"
        new.write_text(ET.tostring(after, encoding="unicode"), encoding="utf-8")
        verified = run("crm_verify", "-V", "--xml-file", str(new))
        assert verified.returncode == 0, verified.stderr
        patch = run("crm_diff", "--cib", "--original", str(live), "--new", str(new))
        assert patch.returncode == 1 and todo
        done = run("cibadmin", "--patch", "--xml-pipe", input=patch.stdout, env={"CIB_file": str(live)})
        assert done.returncode == 0, done.stderr
        root = cib.parse(live.read_text(encoding="utf-8"))
        assert not cib.plan(root, wanted, previous - ids)
        assert {name for label, name in cib.objects(root) if label in {kind.label for kind in cib.KINDS}} == ids
        previous = ids
