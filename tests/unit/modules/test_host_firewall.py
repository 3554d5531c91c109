# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_firewall: opens where a firewall runs, says nothing where none does."""
from __future__ import annotations

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import firewall as adapter
from ansible_collections.constellation.opennebula.plugins.module_utils.core import firewall
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, Problems
from ansible_collections.constellation.opennebula.plugins.modules import host_firewall, host_firewall_info
from hypothesis import given, settings
from hypothesis import strategies as st

WANTED = {"services": ["high-availability", "mysql"], "ports": ["2633/tcp", "9869/tcp"], "zone": ""}


def joined(ports):
    """Join ranges that touch each other, as firewalld 1.3 does."""
    open_ = {(number, port.split("/")[1]) for port in ports
             for number in range(int(port.split("/")[0].split("-")[0]), int(port.split("/")[0].split("-")[-1]) + 1)}
    spans = []
    for number, protocol in sorted(open_, key=lambda one: one[::-1]):
        if spans and spans[-1][1:] == [number - 1, protocol]:
            spans[-1][1] = number
        else:
            spans.append([number, number, protocol])
    return [f"{first}/{protocol}" if first == last else f"{first}-{last}/{protocol}" for first, last, protocol in spans]


class Firewalld:
    """firewall-cmd 1.3: the zone that runs and the one that is kept."""

    def __init__(self, now=("ssh",), later=("ssh",), ports=()):
        self.open = {"now": {"service": list(now), "port": joined(ports)}, "after a restart": {"service": list(later), "port": joined(ports)}}
        self.argv, self.deaf = [], False

    def __call__(self, argv, **unused):
        self.argv.append(argv)
        if argv[0] != "firewall-cmd":
            return 127, "", "not found"
        if argv[1:] == ["--state"]:
            return 0, "running\n", ""
        zone = self.open["after a restart" if "--permanent" in argv else "now"]
        verb = argv[-1]
        if verb.startswith("--list-"):
            return 0, " ".join(zone[verb[len("--list-"):-1]]) + "\n", ""
        what, name = verb[len("--add-"):].split("=")
        if name == "unknown":
            return 101, "", "Error: INVALID_SERVICE: unknown"
        if not self.deaf:
            zone[what].append(name)
            zone["port"] = joined(zone["port"])
        return 0, "success\n", ""


class Ufw:
    """ufw 0.36."""

    def __init__(self, active=True, rules=()):
        self.active, self.rules = active, list(rules)

    def __call__(self, argv, **unused):
        if argv[0] != "ufw":
            return 127, "", "not found"
        if argv[1:] == ["status"]:
            return 0, f"Status: {'active' if self.active else 'inactive'}\n", ""
        if argv[1:] == ["show", "added"]:
            return 0, "Added user rules (see 'ufw status' for running firewall):\n" + "".join(f"ufw allow {rule}\n" for rule in self.rules), ""
        assert argv[1] == "allow"
        self.rules.append(argv[2])
        return 0, "Rule added\n", ""


@pytest.fixture(name="system")
def system_(monkeypatch):
    def use(program):
        monkeypatch.setattr(adapter.system, "run", program)
        return adapter.Firewall()
    return use


def test_services_and_ports_are_opened_now_and_for_good_as_predicted(system):
    program = Firewalld()
    wall = system(program)
    predicted = host_firewall.ensure(WANTED, wall, True)
    assert not any("--add" in word for argv in program.argv for word in argv)
    done = host_firewall.ensure(WANTED, wall, False)
    assert done.plan.as_list() == predicted.plan.as_list() and done.as_result()["firewall"] == "firewalld"
    assert program.open["now"] == program.open["after a restart"] == {"service": ["ssh", "high-availability", "mysql"], "port": ["2633/tcp", "9869/tcp"]}
    assert not host_firewall.ensure(WANTED, wall, False).changed
    assert host_firewall_info.look(wall) == {"firewall": "firewalld", "services": ["ssh", "high-availability", "mysql"], "ports": ["2633/tcp", "9869/tcp"]}


@pytest.mark.parametrize("now, later, before", [
    (("mysql",), (), "open now only"), ((), ("mysql",), "open after a restart only"), ((), (), None)])
def test_half_open_is_told_and_completed(system, now, later, before):
    program = Firewalld(now, later)
    done = host_firewall.ensure({"services": ["mysql"], "ports": [], "zone": ""}, system(program), False)
    assert done.plan.as_list() == [{"kind": "service", "target": "mysql", "before": before, "after": "open"}]
    assert "mysql" in program.open["now"]["service"] and "mysql" in program.open["after a restart"]["service"]


def test_zone_is_named_in_every_question(system):
    program = Firewalld()
    system(program)
    host_firewall.ensure(WANTED, adapter.Firewall("internal"), False)
    assert all("--zone=internal" in argv for argv in program.argv if argv[0] == "firewall-cmd" and argv[1:] != ["--state"])


def test_ufw_gets_ports(system):
    program = Ufw(rules=["3306/tcp", "5405:5412/udp"])
    wall = system(program)
    predicted = host_firewall.ensure(WANTED, wall, True)
    done = host_firewall.ensure(WANTED, wall, False)
    assert done.plan.as_list() == predicted.plan.as_list()
    assert program.rules == ["3306/tcp", "5405:5412/udp", "2224/tcp", "3121/tcp", "5403/tcp", "5404/udp", "2633/tcp", "9869/tcp"]
    assert not host_firewall.ensure(WANTED, wall, False).changed


@pytest.mark.parametrize("program", [Ufw(active=False), lambda argv, **unused: (127, "", "not found"), lambda argv, **unused: (252, "not running\n", "")],
                         ids=["ufw inactive", "nothing installed", "firewalld stopped"])
def test_nothing_is_done_where_no_firewall_runs(system, program):
    outcome = host_firewall.ensure(WANTED, system(program), False)
    assert not outcome.changed and outcome.as_result()["firewall"] is None
    assert host_firewall_info.look(adapter.Firewall()) == {"firewall": None, "services": [], "ports": []}


def test_bad_rules_are_refused_all_together_before_anything_is_asked():
    with pytest.raises(Problems) as refused:
        host_firewall.ensure({"services": ["ssh"], "ports": ["80", "x/tcp"], "zone": ""}, None, False)
    assert len(refused.value.problems) == 3


def test_firewall_that_refuses_or_ignores_is_an_error(system):
    program = Firewalld()
    wall = system(program)
    program.deaf = True
    with pytest.raises(NotConverged, match="service mysql did not converge"):
        host_firewall.ensure({"services": ["mysql"], "ports": [], "zone": ""}, wall, False)
    with pytest.raises(CoreError, match="firewall-cmd refused: .*INVALID_SERVICE"):
        wall.open(("service", "unknown", (firewall.NOW,)))


PORTS = st.lists(st.sampled_from(["1/tcp", "2/tcp", "2/udp", "3-9/tcp", "5-6/tcp"]), max_size=4)
NAMES = st.lists(st.sampled_from(sorted(firewall.SERVICES)), max_size=3)


@settings(max_examples=80, deadline=None)
@given(NAMES, PORTS, NAMES, NAMES, PORTS, st.booleans())
def test_any_rules_end_open_and_are_silent_then(services, ports, now, later, there, ufw):
    program = Ufw(rules=there) if ufw else Firewalld(now, later, there)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter.system, "run", program)
        wanted = {"services": services, "ports": ports, "zone": ""}
        host_firewall.ensure(wanted, adapter.Firewall(), False)
        assert not host_firewall.ensure(wanted, adapter.Firewall(), False).changed
        if not ufw:
            assert all(set(services) <= set(zone["service"]) and zone["port"] == joined(zone["port"] + ports) for zone in program.open.values())
