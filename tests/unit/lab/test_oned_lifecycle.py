# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in's virtual machines: actions, drivers, loss of the daemon, monitoring, history records."""
import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from oned_world import World  # noqa: E402


@pytest.fixture(name="world")
def world_(tmp_path):
    world = World(tmp_path)
    world.add_host("kvm1")
    world.add_host("kvm2")
    return world


def times(record):
    """Return the names of the times that are set."""
    return [name for name in "PSTIME PETIME RSTIME RETIME ESTIME EETIME ETIME".split() if record.findtext(name) != "0"]


def test_new_machine_passes_prolog_and_boot(world):
    vm_id = world.create()
    assert world.passed(vm_id) == ["PROLOG", "BOOT", "RUNNING"]
    (record,) = world.history(vm_id)
    assert times(record) == ["PSTIME", "PETIME", "RSTIME"]
    assert record.findtext("HOSTNAME") == "kvm1"
    assert world.xml("one.host.info", 0).findtext("HOST_SHARE/RUNNING_VMS") == "1"


JOURNEYS = [
    # actions, the states passed after RUNNING, the history at the end: (SEQ, ACTION, REASON)
    (["poweroff"], "SHUTDOWN_POWEROFF POWEROFF", [("0", "19", "2")]),
    (["poweroff-hard"], "SHUTDOWN_POWEROFF POWEROFF", [("0", "20", "2")]),
    (["suspend"], "SAVE_SUSPEND SUSPENDED", [("0", "10", "2")]),
    (["stop"], "SAVE_STOP EPILOG_STOP STOPPED", [("0", "9", "2")]),
    (["undeploy"], "SHUTDOWN_UNDEPLOY EPILOG_UNDEPLOY UNDEPLOYED", [("0", "5", "2")]),
    (["terminate"], "SHUTDOWN EPILOG DONE", [("0", "27", "2")]),
    (["terminate-hard"], "SHUTDOWN EPILOG DONE", [("0", "28", "2")]),
    (["poweroff", "resume"], "SHUTDOWN_POWEROFF POWEROFF BOOT_POWEROFF RUNNING", [("0", "19", "2"), ("1", "0", "0")]),
    (["suspend", "resume"], "SAVE_SUSPEND SUSPENDED BOOT_SUSPENDED RUNNING", [("0", "10", "2"), ("1", "0", "0")]),
    (["poweroff", "terminate"], "SHUTDOWN_POWEROFF POWEROFF EPILOG DONE", [("0", "27", "2")]),
]


@pytest.mark.parametrize("actions, expected, history", JOURNEYS, ids=["+".join(row[0]) for row in JOURNEYS])
def test_action_leads_through_its_states(world, actions, expected, history):
    vm_id = world.create()
    ends = {"poweroff": "POWEROFF", "poweroff-hard": "POWEROFF", "suspend": "SUSPENDED", "stop": "STOPPED", "undeploy": "UNDEPLOYED", "terminate": "DONE",
            "terminate-hard": "DONE", "resume": "RUNNING"}
    for action in actions:
        assert world.call("one.vm.action", action, vm_id) == [True, vm_id, 0]
        world.wait(vm_id, ends[action])
    assert world.passed(vm_id)[3:] == expected.split()
    records = world.history(vm_id)
    assert [tuple(record.findtext(name) for name in ("SEQ", "ACTION", "REASON")) for record in records] == history
    running = [host for host, (state, _starts, _collisions) in world.domains(vm_id).items() if state == "running"]
    assert len(running) == (1 if world.state(vm_id) == "RUNNING" else 0)


@pytest.mark.parametrize("action, through", [("stop", "PROLOG_RESUME BOOT_STOPPED RUNNING"), ("undeploy", "PROLOG_UNDEPLOY BOOT_UNDEPLOY RUNNING")])
def test_resume_of_a_machine_without_host_deploys_it_again(world, action, through):
    vm_id = world.create()
    world.ok("one.vm.action", action, vm_id)
    world.wait(vm_id, {"stop": "STOPPED", "undeploy": "UNDEPLOYED"}[action])
    assert world.xml("one.host.info", 0).findall("VMS/ID") == []
    world.ok("one.vm.action", "resume", vm_id)
    world.scheduler.once()
    world.wait(vm_id, "RUNNING")
    assert " ".join(world.passed(vm_id)).endswith("PENDING " + through)
    assert (world.places.vms / str(vm_id) / "transfer.1.resume").exists() and (world.places.vms / str(vm_id) / "transfer.0.stop").exists()


@pytest.mark.parametrize("live, through", [(False, "SAVE_MIGRATE PROLOG_MIGRATE BOOT_MIGRATE RUNNING"), (True, "MIGRATE RUNNING")])
def test_migration_moves_domain_and_capacity(world, live, through):
    vm_id = world.create()
    assert world.call("one.vm.migrate", vm_id, 1, live, False) == [True, vm_id, 0]
    world.wait(vm_id, "RUNNING")
    assert world.passed(vm_id)[3:] == through.split()
    assert {host: state for host, (state, _starts, _collisions) in world.domains(vm_id).items()} == {"kvm1": "off", "kvm2": "running"}
    assert [record.findtext("ACTION") for record in world.history(vm_id)] == ["2" if live else "1", "0"]
    assert [[child.text for child in world.xml("one.host.info", host).findall("VMS/ID")] for host in (0, 1)] == [[], [str(vm_id)]]


def test_failed_live_migration_stays_on_its_host(world):
    vm_id = world.create('LAB_FAIL="MIGRATE"')
    world.ok("one.vm.migrate", vm_id, 1, True, False)
    world.wait(vm_id, "RUNNING")
    (record,) = world.history(vm_id)
    assert (record.findtext("HID"), record.findtext("ACTION")) == ("0", "0")
    assert world.xml("one.host.info", 1).findall("VMS/ID") == []
    assert "LAB_FAIL" in world.xml("one.vm.info", vm_id).findtext("USER_TEMPLATE/ERROR")


@pytest.mark.parametrize("fail, stuck", [("PROLOG", "PROLOG_FAILURE"), ("BOOT", "BOOT_FAILURE")])
def test_lab_fail_fails_once_and_retry_runs_the_step_again(world, fail, stuck):
    vm_id = world.create(f'LAB_FAIL="{fail}"', state=stuck)
    assert world.call("one.vm.recover", vm_id, 2) == [True, vm_id, 0]
    world.wait(vm_id, "RUNNING")
    assert world.database.rows("SELECT runs, failures FROM lab_step WHERE vmid = %s AND state = %s", vm_id, fail) == [(2, 1)]
    assert world.domains(vm_id) == {"kvm1": ("running", 1, 0)}


def test_killed_daemon_leaves_machines_where_they_are(world):
    stuck = {step: world.create(f'LAB_SECONDS="{step}=0.05"', state=step) for step in ("PROLOG", "BOOT")}
    world.kill()
    log_before = {vm_id: world.vm_log(vm_id) for vm_id in stuck.values()}
    time.sleep(0.15)
    world.monitor.once()
    assert {step: world.state(vm_id) for step, vm_id in stuck.items()} == {step: step for step in stuck}
    assert {vm_id: world.vm_log(vm_id) for vm_id in stuck.values()} == log_before      # not one line
    for step, vm_id in stuck.items():
        assert world.call("one.vm.recover", vm_id, 2)[0]
        world.wait(vm_id, "RUNNING")
        assert world.domains(vm_id) == {"kvm1": ("running", 1, 0)} or world.domains(vm_id) == {"kvm2": ("running", 1, 0)}, step


def test_early_effect_is_found_by_monitoring_after_the_daemon_was_lost(world):
    vm_id = world.create('LAB_SECONDS="BOOT=never"\nLAB_EFFECT="EARLY"', state="BOOT")
    world.kill()
    assert world.state(vm_id) == "BOOT"
    world.monitor.once()
    assert world.state(vm_id) == "RUNNING"
    assert world.domains(vm_id)["kvm1"] == ("running", 1, 0)


def test_second_start_of_a_running_domain_is_counted_as_a_collision(world):
    vm_id = world.create('LAB_SECONDS="BOOT=never"\nLAB_EFFECT="EARLY"', state="BOOT")
    world.kill()
    world.ok("one.vm.update", vm_id, 'LAB_SECONDS="BOOT=0"', 1)
    world.ok("one.vm.recover", vm_id, 2)                       # without a look at the host
    world.wait(vm_id, "BOOT_FAILURE")
    assert world.domains(vm_id)["kvm1"] == ("running", 1, 1)
    assert "already exists" in world.xml("one.vm.info", vm_id).findtext("USER_TEMPLATE/ERROR")


def test_late_answer_after_recover_is_dropped_with_a_line_in_vm_log(world):
    vm_id = world.create('LAB_SECONDS="PROLOG=0.05"', state="PROLOG")
    world.ok("one.vm.recover", vm_id, 0)
    assert world.state(vm_id) == "PROLOG_FAILURE"
    time.sleep(0.15)
    assert world.state(vm_id) == "PROLOG_FAILURE"
    assert f"Wrong state in TM answer for VM {vm_id}" in world.vm_log(vm_id)


def test_retry_without_vms_directory_fails_without_a_message(world):
    vm_id = world.create('LAB_FAIL="PROLOG"', state="PROLOG_FAILURE")
    for path in sorted((world.places.vms / str(vm_id)).iterdir()) + [world.places.vms / str(vm_id)]:
        path.unlink() if path.is_file() else path.rmdir()
    assert world.call("one.vm.recover", vm_id, 2) == [True, vm_id, 0]
    assert world.state(vm_id) == "PROLOG_FAILURE"
    world.kill()
    world.ok("one.vm.info", vm_id)                             # the new daemon loads it and makes the directory
    world.ok("one.vm.recover", vm_id, 2)
    world.wait(vm_id, "RUNNING")


def test_domain_that_powered_itself_off_and_one_that_crashed_are_followed(world):
    off, crashed = world.create(), world.create()
    world.database.write(("UPDATE lab_domain SET state = 'shutoff' WHERE vmid = %s", off), ("UPDATE lab_domain SET state = 'crashed' WHERE vmid = %s", crashed))
    world.monitor.once()
    assert (world.state(off), world.state(crashed)) == ("POWEROFF", "UNKNOWN")


def test_domain_that_vanished_is_off_after_two_missing_reports(world):
    vm_id = world.create()
    world.monitor.once()                                       # it was seen once
    world.hypervisors.destroy(vm_id)
    states = []
    for _cycle in range(3):
        world.monitor.once()
        states.append(world.state(vm_id))
    assert states == ["RUNNING", "RUNNING", "POWEROFF"]


def test_retry_of_boot_undeploy_sends_restore_and_fails_without_checkpoint(world):
    vm_id = world.create('LAB_SECONDS="BOOT_UNDEPLOY=never"')
    world.ok("one.vm.action", "undeploy", vm_id)
    world.wait(vm_id, "UNDEPLOYED")
    world.ok("one.vm.action", "resume", vm_id)
    world.scheduler.once()
    world.wait(vm_id, "BOOT_UNDEPLOY")
    world.kill()
    world.ok("one.vm.update", vm_id, 'LAB_SECONDS=""', 1)
    world.ok("one.vm.recover", vm_id, 2)
    world.wait(vm_id, "BOOT_UNDEPLOY_FAILURE")
    world.ok("one.vm.recover", vm_id, 2)                       # now it deploys
    world.wait(vm_id, "RUNNING")


@pytest.mark.parametrize("action, state, end", [("poweroff", "SHUTDOWN_POWEROFF", "POWEROFF"), ("undeploy", "SHUTDOWN_UNDEPLOY", "UNDEPLOYED")])
def test_retry_of_a_graceful_shutdown_is_hard_and_does_not_hang_with_it(world, action, state, end):
    vm_id = world.create(f'LAB_SECONDS="{state}=never"')
    world.ok("one.vm.action", action, vm_id)
    assert world.state(vm_id) == state
    world.ok("one.vm.recover", vm_id, 2)
    world.wait(vm_id, end)


def test_requirements_that_nobody_fulfils_keep_a_machine_pending(world):
    vm_id = world.ok("one.vm.allocate", 'SCHED_REQUIREMENTS="NAME=\\"nosuch\\""', False)
    chosen = world.ok("one.vm.allocate", 'SCHED_REQUIREMENTS="NAME=\\"kvm2\\""', False)
    world.scheduler.once()
    world.wait(chosen, "RUNNING")
    assert world.state(vm_id) == "PENDING" and world.history(chosen)[0].findtext("HOSTNAME") == "kvm2"


def test_database_that_refuses_loses_the_answer_and_says_so(world):
    vm_id = world.create('LAB_SECONDS="PROLOG=0.05"', state="PROLOG")
    world.database.refuses = 1290
    time.sleep(0.15)
    world.database.refuses = None
    assert world.state(vm_id) == "PROLOG"
    assert "is lost, the database refused it" in (world.places.log / "oned.log").read_text(encoding="utf-8")
