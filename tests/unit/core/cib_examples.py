# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated descriptions and strangers' objects for the tests of the CIB, and what must hold of every change."""
from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from ansible_collections.constellation.opennebula.plugins.module_utils.core import cib
from hypothesis import strategies as st

NODES = ("a", "b.example")
SCORES = st.sampled_from(["INFINITY", "-INFINITY", "+INFINITY", "0", "-7", 1000])
TEXTS = st.sampled_from(["a & b", "<x>", "'q' \"q\"", "é", "1", "yes", " blank ", "10s"])
FOREIGN = {  # what we cannot describe, or must not mix up with ours
    "resources": (
        '<bundle id="f-bundle"><podman image="x" replicas="2"/><network control-port="9"/>'
        '<primitive id="f-inner" class="ocf" provider="heartbeat" type="Dummy"/></bundle>',
        '<master id="f-master"><meta_attributes id="f-master-meta"><nvpair id="f-master-n" name="notify" value="true"/></meta_attributes>'
        '<primitive id="f-db" class="ocf" provider="pacemaker" type="Stateful"/></master>',
        '<template id="f-template" class="ocf" provider="heartbeat" type="Dummy"/>', '<primitive id="f-made" template="f-template"/>',
        '<primitive id="f-ruled" class="ocf" provider="heartbeat" type="Dummy"><instance_attributes id="f-ia" score="2"><rule id="f-ia-rule" score="INFINITY">'
        '<expression id="f-ia-e" attribute="#uname" operation="eq" value="a"/></rule><nvpair id="f-ia-n" name="fake" value="1"/></instance_attributes>'
        '<instance_attributes id="f-ia-ref"><nvpair id-ref="f-ia-n" name="state"/></instance_attributes></primitive>',
        '<group id="f-group"><primitive id="f-g1" class="systemd" type="x"/><primitive id="f-g2" class="systemd" type="y"/></group>',
        '<clone id="f-clone"><primitive id="f-c1" class="ocf" provider="heartbeat" type="Dummy"/></clone>'),
    "constraints": (
        '<rsc_location id="cli-ban-f-made-on-a" rsc="f-made" node="a" score="-INFINITY"/>',
        '<rsc_location id="f-for-now" rsc="f-group" node="a" score="5"><lifetime><rule id="f-life" score="0"><date_expression id="f-life-e" operation="lt" '
        'end="2030-01-01"/></rule></lifetime></rsc_location>',
        '<rsc_order id="f-order" first="f-group" then="f-clone" score="5"/>'),
    "tags": ('<tag id="f-tag"><obj_ref id="f-made"/><obj_ref id="f-ruled"/></tag>',),
    "acls": ('<acl_target id="f-someone"><role id="f-reader"/></acl_target>',
             '<acl_role id="f-reader"><acl_permission id="f-reads" kind="read" xpath="/cib"/></acl_role>'),
    "rsc_defaults": ('<meta_attributes id="f-ruled-defaults" score="1"><rule id="f-rd"><rsc_expression id="f-rde" class="systemd"/></rule>'
                     '<nvpair id="f-rdn" name="resource-stickiness" value="9"/></meta_attributes>',),
    "crm_config": ('<cluster_property_set id="f-night" score="-1"><rule id="f-night-rule" score="0"><date_expression id="f-night-e" operation="date_spec">'
                   '<date_spec id="f-night-d" hours="22-23"/></date_expression></rule><nvpair id="f-night-n" name="cluster-recheck-interval" value="77min"/>'
                   '</cluster_property_set>',),
}


@st.composite
def rules(draw, kind, depth=2):
    """Return a rule for a location, a resource default or an operation default."""
    leaves = [
        st.fixed_dictionaries({"expression": st.fixed_dictionaries(
            {"attribute": st.just("rack"), "operation": st.sampled_from(["eq", "ne", "lt"]), "value": TEXTS},
            optional={"type": st.sampled_from(["string", "integer"])})}),
        st.just({"expression": {"attribute": "rack", "operation": "defined"}}),
        st.just({"date_expression": {"operation": "gt", "start": "2026-01-01"}}),
        st.fixed_dictionaries({"date_expression": st.fixed_dictionaries(
            {"operation": st.just("date_spec"),
             "date_spec": st.fixed_dictionaries({"hours": st.sampled_from(["1-5", "22"])}, optional={"weekdays": st.just(3)})})}),
        st.just({"date_expression": {"operation": "in_range", "start": "2026-01-01", "duration": {"days": 3}}}),
    ]
    leaves += {"rsc": [st.fixed_dictionaries({"rsc_expression": st.fixed_dictionaries({"class": st.just("ocf")}, optional={"type": st.just("Dummy")})})],
               "op": [st.fixed_dictionaries({"op_expression": st.fixed_dictionaries({"name": st.just("monitor")}, optional={"interval": st.just("10s")})})]
               }.get(kind, [])
    if depth:
        leaves.append(st.fixed_dictionaries({"rule": rules(kind, depth - 1)}))
    rule = {"expressions": draw(st.lists(st.one_of(leaves), min_size=1, max_size=3))}
    if draw(st.booleans()):
        rule["boolean_op"] = draw(st.sampled_from(["and", "or"]))
    if kind == "location":
        rule["score"] = draw(SCORES)
    return rule


def some(draw, sequence, most=3, least=0):
    return draw(st.lists(st.sampled_from(sequence), unique_by=repr, min_size=least, max_size=most)) if len(sequence) >= max(1, least) else []


def maybe(draw, **strategies):
    return {name: draw(strategy) for name, strategy in strategies.items() if draw(st.booleans())}


@st.composite
def descriptions(draw):
    """Return a description that a cluster can have."""
    names = some(draw, [f"r{number}" for number in range(7)], 7, 1)
    primitive = {"options": st.dictionaries(st.sampled_from(["o1", "o2", "passwd_file"]), TEXTS), "utilization": st.just({"memory": 5}),
                 "meta": st.sampled_from([{}, {"priority": 1}, {"failure-timeout": "60s", "target-role": "Stopped"}])}
    operation = {"timeout": st.sampled_from(["20s", "1min"]), "on_fail": st.sampled_from(["restart", "block"]), "enabled": st.booleans(),
                 "options": st.just({"OCF_CHECK_LEVEL": 10}), "start_delay": st.just("2s")}
    resources = [dict({"id": name, "agent": draw(st.sampled_from(["ocf:heartbeat:Dummy", "systemd:x", "ocf:pacemaker:Stateful"])),
                       "operations": [dict({"name": "monitor", "interval": every}, **maybe(draw, **operation)) for every in some(draw, ["10s", "11s", "1min"])]
                       + some(draw, [{"name": "start", "timeout": "2min"}], 1)}, **maybe(draw, **primitive)) for name in names]
    devices = [dict({"id": f"fence_{node}", "agent": "fence_watchdog", "options": {"pcmk_host_list": f"n{node}"}},
                    **maybe(draw, meta=st.just({"failure-timeout": "9s"}))) for node in some(draw, "ab", 2)]
    free = list(draw(st.permutations(names)))
    members = [free.pop() for dummy in range(min(len(free) - 1, draw(st.integers(0, 3))))]
    cloned = free.pop() if len(free) > 1 and draw(st.booleans()) else None
    groups = [dict({"id": "g", "members": members}, **maybe(draw, meta=st.just({"priority": 2})))] if members else []
    clones = [dict({"id": "c", "member": cloned}, **maybe(draw, meta=st.sampled_from([{"interleave": True}, {"clone-max": 2}])))] if cloned else []
    if groups and not clones and draw(st.booleans()):
        clones = [{"id": "gc", "member": "g", "meta": {"interleave": True}}]
    tops = free + (["c"] if cloned else ["gc"] if clones else []) + (["g"] if groups and (cloned or not clones) else [])
    pairs = [(one, other) for one in tops for other in tops if one < other]
    one_set = st.fixed_dictionaries({"members": st.lists(st.sampled_from(tops), unique=True, min_size=1, max_size=3)},
                                    optional={"sequential": st.booleans(), "role": st.just("Started")})
    return {
        "properties": draw(st.dictionaries(st.sampled_from(["cluster-recheck-interval", "dc-deadtime"]), st.sampled_from(["5min", "77min", "300s", None]))),
        "resource_defaults": draw(st.dictionaries(st.sampled_from(["resource-stickiness", "priority"]), st.sampled_from([1, 9, None]))),
        "operation_defaults": draw(st.sampled_from([{}, {"timeout": "60s"}, {"timeout": None}])),
        "node_attributes": draw(st.dictionaries(st.sampled_from(NODES), st.dictionaries(st.sampled_from(["rack", "site"]), st.one_of(st.none(), TEXTS)))),
        "node_utilization": draw(st.sampled_from([{}, {"a": {"memory": 9}}, {"a": {"memory": None}}])),
        "resource_default_sets": [{"id": name, "rule": draw(rules("rsc")), "values": {"priority": 3}} for name in some(draw, ["rs1", "rs2"], 2)],
        "operation_default_sets": [dict({"id": "os", "rule": draw(rules("op")), "values": {"timeout": "9s"}}, **maybe(draw, score=SCORES))
                                   for dummy in some(draw, "x", 1)],
        "fence_devices": devices, "resources": resources, "groups": groups, "clones": clones,
        "fence_levels": [dict(one, devices=[device["id"] for device in devices]) for one in some(draw, [
            {"id": "l1", "target": "a", "level": 1}, {"id": "l2", "target_pattern": "b.*", "level": 2},
            {"id": "l3", "target_attribute": "rack", "target_value": 1, "level": 1}])] if devices else [],
        "colocations": [dict({"id": f"{one}-with-{other}", "resource": other, "with": one, "score": draw(SCORES)}, **maybe(
            draw, influence=st.booleans(), node_attribute=st.just("rack"))) for one, other in some(draw, pairs)]
        + [{"id": "cs", "score": draw(SCORES), "sets": draw(st.lists(one_set, min_size=1, max_size=2))} for dummy in some(draw, "x", 1)],
        "orders": [dict({"id": f"{other}-after-{one}", "first": one, "then": other}, **maybe(
            draw, kind=st.sampled_from(["Optional", "Mandatory", "Serialize"]), first_action=st.sampled_from(["start"]))) for one, other in some(draw, pairs)],
        "locations": [dict({"id": f"{name}-at-a", "resource": name, "node": "a", "score": draw(SCORES)}, **maybe(
            draw, resource_discovery=st.sampled_from(["always", "never"]))) for name in some(draw, tops)]
        + [{"id": f"{name}-when", "resource": name, "rules": [draw(rules("location"))]} for name in some(draw, tops, 2)]
        + [{"id": "all-r", "resource_pattern": "r.*", "rules": [draw(rules("location")), draw(rules("location"))]} for dummy in some(draw, "x", 1)],
        "tickets": [dict({"id": "t", "resource": tops[0], "ticket": "T"}, **maybe(draw, loss_policy=st.sampled_from(["stop", "freeze"])))
                    for dummy in some(draw, "x", 1)],
        "alerts": [dict({"id": "al", "path": "/bin/true", "kinds": draw(st.sampled_from([[], ["nodes"], ["fencing", "attributes"]]))}, **maybe(
            draw, options=st.just({"who": "me"}),
            recipients=st.lists(st.sampled_from(["ops", "a b", {"id": "al-desk", "value": "x", "meta": {"timeout": "5s"}}]),
                                unique_by=str))) for dummy in some(draw, "x", 1)],
    }


@st.composite
def foreign(draw):
    """Return {section: [XML, …]} of somebody else's objects; those that others name stay together."""
    return FOREIGN if draw(st.booleans()) else {section: parts for section, parts in FOREIGN.items() if section in ("rsc_defaults", "crm_config", "acls")}


def bare(strangers):
    root = cib.parse('<cib crm_feature_set="3.0.14" validate-with="pacemaker-3.9" epoch="3" num_updates="4" admin_epoch="0"><configuration><crm_config>'
                     '<cluster_property_set id="cib-bootstrap-options"><nvpair id="no-fencing" name="stonith-enabled" value="false"/></cluster_property_set>'
                     '</crm_config><nodes><node id="1" uname="a"/><node id="2" uname="b.example"><instance_attributes id="nodes-2">'
                     '<nvpair id="nodes-2-standby" '
                     'name="standby" value="on"/></instance_attributes></node></nodes><resources/><constraints/></configuration><status/></cib>')
    for section, parts in strangers.items():
        for part in parts:
            cib._section(root.find("configuration"), section).append(ET.fromstring(part))
    return root


def named(description):
    return {entry["id"] for kind in cib.KINDS for entry in description.get(kind.key) or []}


def step(root, description, previous=frozenset()):
    """Return (wanted, plan, absent) of a description that takes the place of an earlier one."""
    absent = previous - named(description)
    wanted = cib.declared(description)
    return wanted, cib.plan(root, wanted, absent), absent


def pieces(root):
    """Return {id: canonical XML} of all objects, each without the other objects inside it."""
    found = {}
    for section in root.find("configuration"):
        for element in section.iter():
            if element.get("id") and element.tag not in cib.REFERENCES:
                parts = [(child.tag, child.get("id")) for child in element if child.tag not in OBJECTS]
                found[element.get("id")] = (element.tag, sorted(element.items()), parts)
    return found


OBJECTS = ("primitive", "group", "clone", "nvpair")


def inside(root, names):
    """Return the ids of everything that belongs to the named objects."""
    found = set()
    for element in root.find("configuration").iter():
        if element.get("id") in names:
            found |= {inner.get("id") for inner in element.iter() if inner.get("id")}
    return found


def holds(before, after, wanted, todo, absent, strangers):
    """Everything that must be true of a configuration that was changed."""
    found = cib.objects(after)
    assert {key: value for key, value in wanted.items() if value is None and key in found} == {}
    for key, values in wanted.items():
        if values is not None:
            assert found[key] == (cib.settled(found[key], values) if key[0] not in cib._EXACT else values)
    assert not [name for dummy, name in found if name in absent]
    assert cib.plan(after, wanted, absent).as_list() == []
    description, left = cib.describe(after)
    assert cib.plan(after, cib.declared(description)).as_list() == [], "what was read can be given back"
    assert set(left) >= {name for section in strangers for name in ("f-bundle", "f-master", "f-template", "f-tag", "f-someone", "f-reader") if any(
        f'id="{name}"' in part for part in strangers[section])}
    kept = {ET.canonicalize(ET.tostring(element), strip_text=True) for element in after.iter()}
    for parts in strangers.values():
        assert [part for part in parts if ET.canonicalize(part, strip_text=True) not in kept] == [], "foreign objects are byte for byte what they were"
    ids = [element.get("id") for element in after.find("configuration").iter() if element.get("id") and element.tag not in cib.REFERENCES]
    assert len(ids) == len(set(ids))
    changed = {change.target for change in todo}
    singles = {name.split(" ")[-1] for name in changed}
    old, new = pieces(before), pieces(after)
    ours = inside(before, changed) | inside(after, changed)
    touched = {name for name in set(old) | set(new) if old.get(name) != new.get(name) and name not in ours}
    allowed = {element.get("id") for root in (before, after) for element in root.iter() if element.tag == "nvpair" and element.get("name") in singles}
    allowed |= {"1", "2", "cib-bootstrap-options", "rsc_defaults-options", "op_defaults-options", "nodes-1", "nodes-2", "nodes-utilization-1"}
    assert touched <= allowed, "only what the plan names is touched"


def paths_are_ours(patch, todo):
    """Every change in a patch is inside of, or is, an object that the plan names, or the single value that it names."""
    names = {change.target.split(" ")[-1] for change in todo}
    for change in ET.fromstring(patch).iterfind("change"):
        about = change.get("path") + ET.tostring(change, encoding="unicode")
        named_in_plan = any(re.search(rf"""['"-]{re.escape(name)}['"]""", about) for name in names)
        assert named_in_plan or re.fullmatch(r"/cib|/cib/configuration(/\w+)?", change.get("path")), about
