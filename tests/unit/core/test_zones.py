# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones: what is refused before the daemon would take it, and what is changed."""
import json
import pathlib

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import zones
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, Problems

XMLRPC = pathlib.Path(__file__).resolve().parents[3].parent / "shared" / "fixtures" / "xmlrpc"
URL = "http://10.90.1.100:2633/RPC2"
# one.zonepool.info of 5.0.2 and of 7.4.0 (shortened to two zones)
POOL_5_0 = ("<ZONE_POOL><ZONE><ID>0</ID><NAME>OpenNebula</NAME><TEMPLATE><ENDPOINT><![CDATA[http://localhost:2633/RPC2]]></ENDPOINT></TEMPLATE></ZONE>"
            "<ZONE><ID>100</ID><NAME>beta</NAME><TEMPLATE><ENDPOINT><![CDATA[http://b:2633/RPC2]]></ENDPOINT></TEMPLATE></ZONE></ZONE_POOL>")
POOL_7_4 = ("<ZONE_POOL><ZONE><ID>103</ID><NAME>zone-xml</NAME><STATE>0</STATE><TEMPLATE><ENDPOINT><![CDATA[http://127.0.0.1:2996/RPC2]]></ENDPOINT></TEMPLATE>"
            "<SERVER_POOL></SERVER_POOL></ZONE></ZONE_POOL>")
HAVE = zones.parse(POOL_5_0)


def plan(*items):
    return zones.plan(HAVE, zones.wanted(items)).as_list()


def test_pools_of_old_and_new_releases_are_read():
    assert HAVE == [zones.Zone(0, "OpenNebula", "http://localhost:2633/RPC2"), zones.Zone(100, "beta", "http://b:2633/RPC2")]
    assert zones.parse(POOL_7_4) == [zones.Zone(103, "zone-xml", "http://127.0.0.1:2996/RPC2")]
    with pytest.raises(CoreError, match="cannot read the zone pool: it is not XML"):
        zones.parse("<ZONE_POOL>")


def test_what_is_right_is_left_alone():
    assert plan({"id": 0, "endpoint": "http://localhost:2633/RPC2"}, {"id": 100, "name": "beta"}) == []
    assert plan({"name": "gone", "state": "absent"}) == []


def test_endpoint_of_the_first_zone_is_changed_by_id_and_its_name_is_kept():
    assert plan({"id": 0, "endpoint": URL}) == [{"kind": "zone", "target": "OpenNebula",
                                                 "before": {"id": 0, "name": "OpenNebula", "endpoint": "http://localhost:2633/RPC2"},
                                                 "after": {"id": 0, "name": "OpenNebula", "endpoint": URL}}]


def test_new_zones_are_created_in_the_order_of_their_ids():
    assert [change["target"]
            for change in plan({"id": 102, "name": "delta", "endpoint": URL}, {"id": 101, "name": "gamma", "endpoint": URL})] == ["gamma", "delta"]


@pytest.mark.parametrize("item, words", [
    ({"id": 100, "name": "OpenNebula"},
     r"refusing to rename zone 100 \(beta\) to OpenNebula: zone 0 has this name, and up to 5.4.9 the daemon would delete it"),
    ({"id": 101, "name": "beta", "endpoint": URL}, "zone beta has another id than wanted: it is zone 100, wanted 101. Set zone_id: 100"),
    ({"id": 100, "name": "OpenNebula", "endpoint": URL}, "refusing to rename"),
    ({"name": "new"}, "cannot create zone new: it does not exist and a new zone needs a name and an endpoint"),
    ({"name": "OpenNebula", "state": "absent"}, r"refusing to delete zone 0 \(OpenNebula\): the first zone cannot be deleted"),
    ({"id": 105, "endpoint": URL}, "cannot create zone 105: it does not exist and a new zone needs"),
])
def test_what_would_go_wrong_is_refused_before_anything_is_called(item, words):
    with pytest.raises(CoreError, match=words):
        plan(item)


def test_an_id_that_was_passed_already_is_refused():
    have = [zones.Zone(0, "a", URL), zones.Zone(103, "d", URL)]
    with pytest.raises(CoreError, match="cannot create zone c with id 101: zone 103 exists and ids only grow"):
        zones.plan(have, zones.wanted([{"id": 101, "name": "c", "endpoint": URL}]))


def test_a_lost_first_zone_is_told_not_created():
    with pytest.raises(CoreError, match="zone 0 is gone.*Restore table zone_pool"):
        zones.plan([], zones.wanted([{"id": 0, "endpoint": URL}]))


def test_all_mistakes_of_the_input_come_at_once():
    with pytest.raises(Problems) as caught:
        zones.wanted([{"id": 7}, {"name": "a<b"}, {"name": "x", "endpoint": "not a url"}, {}, {"id": 0, "state": "absent"}, {"name": "x"}])
    assert len(caught.value.problems) == 6, caught.value.problems
    assert "name 'x' is given twice" in str(caught.value) and "the first zone cannot be deleted" in str(caught.value)


def test_another_id_than_wanted_is_told_with_the_way_out():
    with pytest.raises(CoreError, match="the daemon gave it 101, wanted 100.*Set zone_id: 101"):
        zones.check_id(zones.Wanted(100, "beta", URL, "present"), 101)
    zones.check_id(zones.Wanted(None, "beta", URL, "present"), 101)


def test_a_topology_becomes_the_list_of_zones():
    topology = {"zones": {"gamma": {"id": 101, "name": "gamma", "mode": "slave", "endpoint": "c"},
                          "alpha": {"id": 0, "name": "alpha", "mode": "master", "endpoint": "a"},
                          "beta": {"id": 100, "name": "beta", "mode": "slave", "endpoint": "b"},
                          "solo": {"id": 0, "name": "solo", "mode": "standalone", "endpoint": "s"}}}
    assert zones.of_topology(topology, "alpha") == [{"id": 0, "endpoint": "a"}, {"id": 100, "name": "beta", "endpoint": "b"},
                                                    {"id": 101, "name": "gamma", "endpoint": "c"}]
    assert zones.of_topology(topology, "solo") == [{"id": 0, "endpoint": "s"}]


def test_a_backslash_is_written_as_the_daemon_reads_it():
    """It was doubled once, and the daemon, which knows no such escape, kept both."""
    change = zones.plan([], zones.wanted([{"name": "a b", "endpoint": "http://a/\\d"}])).changes[0]
    assert change.step.calls == (("one.zone.allocate", 'NAME="a b"\nENDPOINT="http://a/\\d"', -1),)
    with pytest.raises(Problems, match="the name has .*, which OpenNebula does not allow"):
        zones.wanted([{"name": "a\\b"}])


def test_foreseen_plan_of_a_bare_host_equals_the_plan_of_an_empty_pool():
    want = zones.wanted([{"id": 100, "name": "beta", "endpoint": URL}, {"name": "old", "state": "absent"}])
    assert zones.foresee(want).as_list() == zones.plan([], want).as_list() != []


@pytest.mark.skipif(not XMLRPC.is_dir(), reason="recorded replies are not on this machine")
def test_every_recorded_zone_pool_is_read():
    cases = 0
    for path in sorted(XMLRPC.glob("**/*zonepool_info.json")):
        result = json.loads(path.read_text())["result"]
        if result[0]:
            found = zones.parse(result[1])
            assert found and len(found) == result[1].count("<ZONE>") and all(zone.endpoint for zone in found), path
            cases += 1
    print(f"{cases} recorded zone pools read")
    assert cases > 5
