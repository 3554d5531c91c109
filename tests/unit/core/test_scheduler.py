# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sched.conf for "local hosts first": a model of the scheduler's dispatch loop is the judge, the shipped files of six releases are the ground."""
from __future__ import annotations

import pathlib

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core import oned_conf, oned_conf_edit, scheduler

SHIPPED = sorted((pathlib.Path(__file__).resolve().parents[4] / "shared/fixtures/config").glob("*/sched.conf"))
SMALL = 'MAX_VM       = 5000\nMAX_DISPATCH = 30\nMAX_HOST     = 1\n\n' \
        'DEFAULT_SCHED = [\n    policy = 1\n]\n\n#DEFAULT_SCHED = [\n#   policy = 3,\n#   rank   = "x"\n#]\n'


def dispatch(vms, hosts, values):
    """Return the host of each VM after one cycle: Scheduler::dispatch of 5.0.2. hosts: {name: (priority, room)}; a full host is passed over."""
    limit, per_host = int(values["MAX_DISPATCH"]), int(values["MAX_HOST"])
    ranked = sorted(hosts, key=lambda name: -hosts[name][0])
    taken, placed = dict.fromkeys(hosts, 0), []
    for _vm in range(vms):
        if 0 < limit <= len(placed):
            break
        host = next((name for name in ranked if taken[name] < hosts[name][1] and taken[name] < per_host), None)
        if host:
            taken[host] += 1
            placed.append(host)
    return placed


def after(text, settings, release):
    items = oned_conf_edit.wanted(settings.attributes, settings.stanzas)
    return oned_conf_edit.edit(oned_conf.parse(text, "sched.conf", release), items)


def loaded(settings, release="5.0.2"):
    return dict(oned_conf.parse(after(SMALL, settings, release), release=release).values())


def test_shipped_limits_send_the_second_vm_to_the_cloud_and_ours_do_not():
    hosts = {"kvm1": (0, 10), "ec2": (-1, 99)}
    assert dispatch(2, hosts, {"MAX_DISPATCH": 30, "MAX_HOST": 1}) == ["kvm1", "ec2"], "the reference's own example"
    assert dispatch(12, hosts, loaded(scheduler.describe({"local_first": True}, "5.0.2"))) == ["kvm1"] * 10 + ["ec2"] * 2


@pytest.mark.parametrize("options", [{}, {"max_dispatch": 1}, {"max_dispatch": 5}, {"max_dispatch": 200}, {"max_dispatch": 5, "max_host": 7}])
def test_without_a_warning_nothing_goes_to_a_cloud_while_a_local_host_has_room(options):
    settings = scheduler.describe(dict(options, local_first=True), "5.0.2")
    assert settings.warnings == ()
    placed = dispatch(300, {"kvm1": (0, 300), "kvm2": (0, 0), "ec2": (-1, 999)}, loaded(settings))
    assert placed and set(placed) == {"kvm1"}


@pytest.mark.parametrize("options, local_hosts, warned", [
    ({"max_host": 1}, None, "takes 1 VM of a scheduling cycle while up to 30 are deployed"),
    ({"max_host": 1}, 4, "set max_dispatch to 4"),
    ({"max_host": 2, "max_dispatch": 9}, 4, "takes 2 VMs of a scheduling cycle while up to 9 are deployed, and there are 4 local hosts"),
    ({"max_host": 1, "max_dispatch": 0}, 4, "any number of"),
    ({"max_host": 1, "max_dispatch": 4}, 4, None),
    ({"max_host": 1, "max_dispatch": 1}, None, None),
])
def test_limits_that_defeat_local_first_are_told(options, local_hosts, warned):
    warnings = scheduler.describe(dict(options, local_first=True), "5.0.2", local_hosts).warnings
    assert (len(warnings) == 1 and warned in warnings[0]) if warned else warnings == ()


@pytest.mark.parametrize("options, release, begins", [
    ({"max_host": 0}, "5.0.2", "max_host must be at least 1"),
    ({"max_dispatch": -1}, "5.0.2", "max_dispatch must not be negative"),
    ({"max_vm": -1}, "5.0.2", "max_vm must not be negative"),
    ({"max_host": 2 ** 31}, "5.0.2", "max_host must be at most 2147483647"),
    ({"local_first": "yes"}, "5.0.2", "local_first must be true or false"),
    ({"max_dispach": 1}, "5.0.2", "max_dispach is no option; did you mean max_dispatch?"),
    ({"local_first": True, "max_dispatch": 0}, "5.0.2", "max_host is missing"),
    ({"local_first": True}, "7.4.0", "local_first: OpenNebula 7.4.0 has no sched.conf"),
])
def test_mistakes_are_told(options, release, begins):
    found = scheduler.problems(options, release)
    assert len(found) == 1 and found[0].startswith(begins)


@pytest.mark.parametrize("options, release", [
    ({}, "7.4.0"), ({"local_first": None}, "7.4.0"), ({"local_first": False, "max_vm": 0, "max_dispatch": 0}, "5.0.2"),
])
def test_what_is_right_has_no_problems(options, release):
    assert scheduler.problems(options, release) == []


def test_nothing_asked_touches_nothing():
    assert scheduler.describe({}, "5.0.2") == scheduler.Scheduler()
    assert scheduler.describe({"local_first": None, "max_host": 3}, "5.0.2").attributes == ({"name": "MAX_HOST", "value": 3, "state": "present"},)


def test_before_the_fixed_policy_the_custom_one_ranks_by_priority():
    assert scheduler.describe({"local_first": True}, "4.2").stanzas[0]["settings"] == {"POLICY": 3, "RANK": "PRIORITY"}
    assert scheduler.describe({"local_first": False}, "4.2").stanzas[0]["settings"] == {"POLICY": 1, "RANK": None}
    assert scheduler.describe({"local_first": True}, "4.4").stanzas[0]["settings"] == {"POLICY": 4}


@pytest.mark.parametrize("provider, release, needed", [
    ("ec2", "4.2", True), ("ec2", "4.4", False), ("ec2", "6.10.5", False), ("azure", "4.6", True), ("azure", "5.0.2", False),
    ("opennebula", "5.4", True), ("opennebula", "5.6", False), ("elastichosts", "5.0.2", True), ("custom", "6.10", True),
])
def test_hosts_need_a_priority_where_the_driver_reports_none(provider, release, needed):
    assert scheduler.host_attributes(provider, release) == ({"PRIORITY": "-1"} if needed else {})
    assert scheduler.host_attributes(provider, release, addon=True) == {"PRIORITY": "-1"}


def round_trip(text, release):
    for wanted in ({"local_first": True}, {"local_first": True, "max_dispatch": 4, "max_host": 1}):
        on = after(text, scheduler.describe(wanted, release), release)
        assert on != text and after(on, scheduler.describe(wanted, release), release) == on
        assert sum(old != new for old, new in zip(text.splitlines(), on.splitlines())) <= 3 or release.startswith("3")
        assert after(on, scheduler.describe({"local_first": False}, release), release) == text
    assert after(text, scheduler.describe({"local_first": False}, release), release) == text


def test_switching_it_off_gives_the_bytes_back():
    round_trip(SMALL, "5.0.2")


@pytest.mark.skipif(not SHIPPED, reason="the shared fixtures are not here")
def test_every_shipped_file_comes_back_byte_for_byte():
    for path in SHIPPED:
        round_trip(oned_conf.decode(path.read_bytes()), path.parent.name)
    print(f"{len(SHIPPED)} shipped sched.conf")
