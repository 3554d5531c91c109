# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules zone and zone_info against a daemon that behaves, its destructive rename included."""
import json

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, NotThere
from ansible_collections.constellation.opennebula.plugins.modules import zone, zone_info

VIP, OTHER = "http://10.90.1.100:2633/RPC2", "http://10.90.2.100:2633/RPC2"


class FakeOned:
    """5.0.2's zone calls: ids from 100 on, update merges, rename to a taken name drops the other zone."""

    def __init__(self, deaf=False, next_id=100):
        self.zones = {0: {"NAME": "OpenNebula", "ENDPOINT": "http://localhost:2633/RPC2"}}
        self.calls, self.deaf, self.next_id, self.reads = [], deaf, next_id, 0

    def pool(self, kind):
        assert kind == "zone"
        body = "".join(f"<ZONE><ID>{number}</ID><NAME>{values['NAME']}</NAME><TEMPLATE><ENDPOINT><![CDATA[{values['ENDPOINT']}]]></ENDPOINT></TEMPLATE></ZONE>"
                       for number, values in self.zones.items())
        self.reads += 1
        return f"<ZONE_POOL>{body}</ZONE_POOL>"

    def version(self):
        return "5.0.2"

    def call(self, method, *arguments):
        verb = method.rpartition(".")[2]
        self.calls.append(verb)
        return getattr(self, verb)(*arguments)

    def _values(self, text):
        return {key: value.strip('"') for key, value in (line.split("=", 1) for line in text.splitlines())}

    def allocate(self, text, cluster):
        assert cluster == -1
        number, self.next_id = self.next_id, self.next_id + 1
        self.zones[number] = self._values(text)
        return number

    def update(self, number, text, append):
        assert append == 1              # replacing a zone's template without ENDPOINT sets ENDPOINT to "-" (5.0 to 7.4)
        if not self.deaf:
            self.zones[number].update(self._values(text))

    def rename(self, number, name):
        self.zones = {other: values for other, values in self.zones.items() if values["NAME"] != name}
        self.zones[number]["NAME"] = name

    def delete(self, number):
        del self.zones[number]


WANT = {"zones": [{"id": 100, "name": "beta", "endpoint": OTHER}, {"id": 0, "endpoint": VIP}]}


def test_check_mode_foresees_what_a_run_does_and_a_second_run_changes_nothing():
    oned = FakeOned()
    foreseen = zone.ensure(WANT, lambda: oned, True)
    assert foreseen.changed and oned.calls == []
    done = zone.ensure(WANT, lambda: oned, False)
    assert done.plan.as_list() == foreseen.plan.as_list() and oned.calls == ["update", "allocate"]
    assert done.results["zones"] == [{"id": 0, "name": "OpenNebula", "endpoint": VIP}, {"id": 100, "name": "beta", "endpoint": OTHER}]
    assert not zone.ensure(WANT, lambda: oned, True).changed
    reads = oned.reads
    assert not zone.ensure(WANT, lambda: oned, False).changed and oned.reads == reads + 1


def test_what_the_info_module_returns_can_be_given_back():
    oned = FakeOned()
    zone.ensure(WANT, lambda: oned, False)
    told = zone_info.read(lambda: oned)
    assert told["answers"] and told["release"] == "5.0.2" and len(told["zones"]) == 2
    assert not zone.ensure({"zones": told["zones"]}, lambda: oned, True).changed


def test_rename_and_delete():
    oned = FakeOned()
    zone.ensure(WANT, lambda: oned, False)
    zone.ensure({"zones": [{"id": 100, "name": "gamma"}]}, lambda: oned, False)
    assert oned.zones[100]["NAME"] == "gamma" and oned.calls[-1] == "rename"
    with pytest.raises(CoreError, match="refusing to rename"):
        zone.ensure({"zones": [{"id": 100, "name": "OpenNebula"}]}, lambda: oned, False)
    assert set(oned.zones) == {0, 100}
    zone.ensure({"zones": [{"name": "gamma", "state": "absent"}]}, lambda: oned, False)
    assert set(oned.zones) == {0}


def test_another_id_than_wanted_fails():
    with pytest.raises(CoreError, match="gave it 101, wanted 100"):
        zone.ensure(WANT, lambda: FakeOned(next_id=101), False)


def test_a_daemon_that_ignores_the_update_is_told():
    with pytest.raises(NotConverged, match="zone OpenNebula did not converge"):
        zone.ensure(WANT, lambda: FakeOned(deaf=True), False)


def nobody():
    raise NotThere("OpenNebula does not answer", "http://localhost:2633/RPC2", "Connection refused")


def test_without_a_daemon_check_mode_foresees_everything_and_a_run_fails():
    foreseen = zone.ensure(WANT, nobody, True)
    assert [change["target"] for change in foreseen.plan.as_list()] == ["0", "beta"]
    with pytest.raises(NotThere):
        zone.ensure(WANT, nobody, False)
    told = zone_info.read(nobody)
    assert told == {"answers": False, "reason": "OpenNebula does not answer at http://localhost:2633/RPC2: Connection refused.", "zones": []}


def test_no_password_in_the_result():
    oned, canary = FakeOned(), "CANARY-9f2c"
    params = dict(WANT, username="oneadmin", password=canary)
    assert canary not in json.dumps([zone.ensure(params, lambda: oned, False).as_result(), zone_info.read(lambda: oned)])
    assert zone.SPEC and zone.opennebula.ARGUMENTS["password"]["no_log"]


def test_a_daemon_that_still_starts_is_waited_for():
    oned, tries = FakeOned(), []

    def late():
        if len(tries) < 2:
            nobody()
        return oned

    assert zone.opennebula.wait_for(late, "zone", 5, pause=tries.append)[0] is oned and tries == [0.5, 0.5]
    with pytest.raises(NotThere):
        zone.opennebula.wait_for(nobody, "zone", 0)
