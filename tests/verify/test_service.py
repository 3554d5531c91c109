# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenNebula as its users meet it: one daemon a zone behind the zone's address, and one federation."""
from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from look import until


def stanza(text, name):
    """Return {attribute: value} of the last stanza ``name = [ … ]`` that is no comment."""
    plain = re.sub(r"(?m)^\s*#.*$", "", text)
    bodies = re.findall(rf"(?ms)^\s*{name}\s*=\s*\[(.*?)\]", plain)
    assert len(bodies) == 1, f"{len(bodies)} stanzas {name}"
    return {key.upper(): value.strip().strip('"') for key, value in re.findall(r'(\w+)\s*=\s*("[^"]*"|[^\s,\]]+)', bodies[0])}


def test_zone_address_is_on_exactly_one_node(zone):
    assert len(zone.holders()) == 1


def test_zone_address_answers_xmlrpc(zone):
    assert re.match(r"\d+\.\d+", zone.call("one.system.version"))


def test_daemon_runs_only_behind_the_zone_address(zone):
    running = [node.name for node in zone.nodes if node.host.run("pgrep -x oned || pgrep -f '^[^ ]*python3? .*/oned( |$)'").rc == 0]
    listening = [node.name for node in zone.nodes if node.listens()]
    assert running == listening == [zone.active.name]


def test_services_of_the_zone_run_only_on_the_active_node(zone):
    running = {node.name: [unit for unit in zone.services if node.host.service(unit).is_running] for node in zone.nodes}
    assert running == {node.name: list(zone.services) if node is zone.active else [] for node in zone.nodes}


def test_zones_are_registered_with_their_endpoints(zone, federation):
    pool = ET.fromstring(zone.call("one.zonepool.info"))
    seen = {int(one.findtext("ID")): (one.findtext("NAME"), one.findtext("TEMPLATE/ENDPOINT")) for one in pool.findall("ZONE")}
    wanted = {one.id: one.endpoint for one in federation.zones if one.mode != "standalone"}
    if wanted:
        assert {number: endpoint for number, (name, endpoint) in seen.items()} == wanted
    assert {number: name for number, (name, endpoint) in seen.items() if number >= 100} == {one.id: one.name for one in federation.slaves}


def test_configuration_file_has_the_stanzas(node, federation):
    zone = federation.zone_of(node)
    text = node.read("cat /etc/one/oned.conf")
    database = stanza(text, "DB")
    assert {key: database.get(key) for key in ("BACKEND", "SERVER", "USER", "DB_NAME")} == {
        "BACKEND": "mysql", "SERVER": "localhost", "USER": "oneadmin", "DB_NAME": "opennebula"}
    right = database["PASSWD"] == dict(node.secrets)["db"]
    assert right, "PASSWD is another one than the inventory's"       # no comparison in the assert: pytest would print both
    wanted = {"MODE": zone.mode.upper(), "ZONE_ID": str(zone.id)}
    if zone.mode == "slave":
        wanted["MASTER_ONED"] = federation.master.endpoint
    found = stanza(text, "FEDERATION")
    assert {key: found.get(key) for key in wanted} == wanted


def test_configuration_file_is_closed_to_others(node):
    assert node.host.file("/etc/one/oned.conf").mode & 0o007 == 0


@pytest.mark.changes
def test_user_made_in_a_slave_zone_is_in_every_database(slave_zone, federation):
    name = "verify-probe"

    def having():
        return [node.name for node in federation.nodes if node.rows(f"SELECT oid FROM opennebula.user_pool WHERE name='{name}'")]

    for left in federation.master.active.rows(f"SELECT oid FROM opennebula.user_pool WHERE name='{name}'"):
        slave_zone.call("one.user.delete", int(left[0]))
    number = slave_zone.call("one.user.allocate", name, "no-login", "core")
    try:
        everywhere = [node.name for node in federation.nodes]
        until(lambda: having() == everywhere)
        assert having() == everywhere
    finally:
        slave_zone.call("one.user.delete", number)
    until(lambda: not having())
    assert having() == []
