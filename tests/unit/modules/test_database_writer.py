# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may write: opened and closed by name, never where the cluster does it."""
import json

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, NotThere
from ansible_collections.constellation.opennebula.plugins.modules import database_writer, database_writer_info


class FakeServer:
    def __init__(self, read_only="ON", deaf=False):
        self.read_only, self.deaf, self.writes = read_only, deaf, []

    def variables(self, names):
        assert tuple(names) == ("read_only",)
        if self.read_only is None:
            raise NotThere("MariaDB does not answer", "root@socket", "2002")
        return {"read_only": self.read_only}

    def rows(self, sql, args):
        assert args == ("opennebula",)
        return [{"name": "acl"}, {"name": "zone_pool"}]

    def do(self, sql, args):
        self.writes.append(sql % args)
        if not self.deaf:
            self.read_only = "ON" if args == (1,) else "OFF"


class FakeHost:
    def __init__(self, owned=False):
        self.owned = owned

    def cluster_owns(self, resource):
        assert resource == "database_writer"
        return self.owned


def ensure(state, server, check_mode=False, owned=False):
    return database_writer.ensure({"state": state}, server, FakeHost(owned), check_mode)


@pytest.mark.parametrize("state, before, statement", [("writable", "ON", "SET GLOBAL read_only = 0"), ("read_only", "OFF", "SET GLOBAL read_only = 1")])
def test_check_mode_foresees_what_a_run_does_and_a_second_run_changes_nothing(state, before, statement):
    server = FakeServer(before)
    foreseen = ensure(state, server, True)
    assert foreseen.changed and server.writes == []
    assert ensure(state, server).plan.as_list() == foreseen.plan.as_list() and server.writes == [statement]
    assert not ensure(state, server).changed and server.writes == [statement]


def test_refused_where_the_cluster_does_it_but_only_if_something_would_change():
    server = FakeServer()
    assert not ensure("read_only", server, owned=True).changed
    for check_mode in (True, False):
        with pytest.raises(CoreError, match="refusing to change who may write to the database: the cluster has the resource database_writer"):
            ensure("writable", server, check_mode, owned=True)
    assert server.writes == []


def test_without_a_server_check_mode_foresees_and_a_run_fails():
    assert ensure("writable", FakeServer(None), True).changed and not ensure("read_only", FakeServer(None), True).changed
    with pytest.raises(NotThere):
        ensure("writable", FakeServer(None))


def test_a_server_that_ignores_it_is_told():
    with pytest.raises(NotConverged, match="database read_only did not converge"):
        ensure("writable", FakeServer(deaf=True))


def test_info_tells_state_tables_and_owner_and_a_missing_server_is_an_answer():
    params = {"database": "opennebula", "login_password": "CANARY-77aa"}
    told = database_writer_info.read(params, FakeServer("OFF"), FakeHost(True))
    assert told == {"present": True, "state": "writable", "tables": ["acl", "zone_pool"], "owned_by_cluster": True}
    assert database_writer_info.read(params, FakeServer(None), FakeHost()) == {"present": False, "state": None, "tables": [], "owned_by_cluster": False}
    assert "CANARY" not in json.dumps(told)
