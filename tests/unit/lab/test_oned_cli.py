# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""onevm, onehost, oneuser, onezone: what they print, and how they end."""
import importlib.util
import io
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from oned_world import STANDIN, World  # noqa: E402

_SPEC = importlib.util.spec_from_file_location("onecli", STANDIN / "bin" / "onecli.py")
onecli = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(onecli)


@pytest.fixture(name="world")
def world_(tmp_path):
    world = World(tmp_path)
    world.take_time_in_hand()
    return world


def one(world, kind, *words):
    """Run a command against the world; return its exit status."""
    def call(method, *arguments):
        accepted, value, _code = world.call("one." + method, *arguments)
        if not accepted:
            raise onecli.Refused(value)
        return value
    return onecli.run(kind, list(words), call)


def test_machine_is_created_listed_and_recovered(world, capsys, monkeypatch):
    assert one(world, "host", "create", "kvm1") == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO("NAME=web\nCPU=1\n"))
    assert one(world, "vm", "create") == 0
    world.monitor.once()
    world.scheduler.once()
    assert one(world, "vm", "list") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-2].split() == ["ID", "NAME", "UNAME", "STATE", "HOST"] and out[-1].split() == ["0", "web", "oneadmin", "PROLOG", "kvm1"]
    assert one(world, "vm", "recover", "--failure", "0") == 0
    assert world.state(0) == "PROLOG_FAILURE"
    assert one(world, "vm", "show", "0") == 0
    assert capsys.readouterr().out.startswith("STATE: PROLOG_FAILURE\n")


def test_list_of_machines_goes_on_after_a_refusal_and_ends_with_255(world, capsys):
    first, second = (world.machine_in(state) for state in ("PENDING", "PROLOG_FAILURE"))
    assert one(world, "vm", "recover", "--retry", str(first), str(second)) == 255
    assert "Could not perform a retry on VM 0, wrong state PENDING." in capsys.readouterr().out
    assert world.state(second) == "PROLOG"


def test_actions_have_a_hard_form(world):
    for name in ("kvm1", "kvm2"):
        world.ok("one.host.allocate", name, "kvm", "kvm", 0)
    vm_id = world.machine_in("RUNNING")
    assert one(world, "vm", "poweroff", "--hard", str(vm_id)) == 0
    assert world.state(vm_id) == "SHUTDOWN_POWEROFF" and world.history(vm_id)[-1].findtext("ACTION") == "20"
    assert one(world, "vm", "resume", str(world.machine_in("POWEROFF"))) == 0


def test_users_and_zones_are_listed(world, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret\n"))
    assert one(world, "user", "create", "bob") == 0
    assert one(world, "user", "list") == 0 and one(world, "zone", "list") == 0
    out = capsys.readouterr().out
    assert "bob" in out and "secret" not in out and "http://localhost:2633/RPC2" in out
    assert world.ok("one.system.version", session="bob:secret") == "5.0.2"
