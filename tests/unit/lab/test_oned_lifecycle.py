# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in's virtual machines: actions, drivers, loss of the daemon, monitoring, history records."""
import pathlib
import shutil
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from oned_world import STANDIN, World  # noqa: E402

from oned import body, hosts, mads, pools  # noqa: E402
from oned.server import Server  # noqa: E402


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
    lasts_s = 1.5                           # long enough to be killed in, on a busy machine too
    stuck = {step: world.create(f'LAB_SECONDS="{step}={lasts_s}"', state=step) for step in ("PROLOG", "BOOT")}
    world.kill()
    log_before = {vm_id: world.vm_log(vm_id) for vm_id in stuck.values()}
    time.sleep(lasts_s + 0.1)
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


# -- hosts that stand for clouds

DRIVERS = {"kvm": mads.Driver("kvm", "/x/one_im_ssh", "-r 3 -t 15 kvm"), "ec2": mads.Driver("ec2", "/x/one_im_sh", "-c -t 1 -r 0 ec2"),
           "az": mads.Driver("az", "/x/one_im_sh", "-c -t 1 -r 0 az"), "mine": mads.Driver("mine", "/x/one_im_sh", "-c -t 1 -r 0 mine")}


@pytest.fixture(name="cloud")
def cloud_(world):
    """A world with our files of drivers, whose oned.conf names DRIVERS."""
    places = world.places
    for target, source, mode in (("im/run_probes", "run_probes", 0o755), ("im/ec2.d/poll", "cloud_poll", 0o755), ("im/az.d/poll", "cloud_poll", 0o755),
                                 ("im/one.d/poll", "one_poll", 0o755)):
        path = places.remotes / target
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(STANDIN / "drivers" / source, path)
        path.chmod(mode)
    for name in ("ec2_driver.conf", "az_driver.conf"):
        shutil.copy(STANDIN / "etc" / name, places.etc)
    world.monitor = hosts.Monitor(world.hosts, world.lifecycle, 5, world.log, dict(DRIVERS), places)
    return world


def monitored(world, name, driver):
    """Add a host, if it is new, and look at it once; return it."""
    known = [host for host in world.xml("one.hostpool.info") if host.findtext("NAME") == name]
    number = int(known[0].findtext("ID")) if known else world.ok("one.host.allocate", name, driver, driver, 0)
    world.monitor.once()
    return over(world, number)


def over(world, number):
    deadline = time.monotonic() + 10
    while number in world.monitor._probing:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return world.xml("one.host.info", number)


def probe(world, text, name="mine", file="10_probe"):
    path = world.places.remotes / "im" / f"{name}.d" / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def configure(world, file, *changes):
    path = world.places.etc / file
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def shown(host, *names):
    return [host.findtext(name) for name in names]


CREDENTIALS = (("access_key_id:", "access_key_id: AKIA"), ("secret_access_key:", "secret_access_key: 'CANARY-9'"))


def test_ec2_host_without_credentials_is_in_error_and_with_them_has_the_capacity_of_its_region(cloud):
    host = monitored(cloud, "us-west-2", "ec2")
    assert host.findtext("STATE") == "3" and host.findtext("TEMPLATE/HYPERVISOR") is None
    assert host.findtext("TEMPLATE/ERROR").endswith("Error monitoring Host us-west-2 (2): Error executing poll: access_key_id not defined for us-west-2")
    configure(cloud, "ec2_driver.conf", *CREDENTIALS,
              ("        region_name: us-west-2\n", "        region_name: us-west-2 # here\n"), (" " * 12 + "m1.large:\n", " " * 12 + "m1.large: 2\n"))
    host = monitored(cloud, "us-west-2", "ec2")
    assert shown(host, "STATE", "TEMPLATE/ERROR", "TEMPLATE/HYPERVISOR", "TEMPLATE/PUBLIC_CLOUD", "TEMPLATE/PRIORITY") == ["2", None, "ec2", "YES", "-1"]
    assert shown(host, "HOST_SHARE/MAX_CPU", "HOST_SHARE/MAX_MEM") == ["400", str(2 * int(7.5 * 1024 * 1024))]
    assert host.findtext("TEMPLATE/TOTALCPU") is None               # the daemon moves it out of the template
    assert "CANARY" not in (cloud.places.log / "oned.log").read_text(encoding="utf-8")


def test_host_that_no_region_is_called_after_takes_the_default_one(cloud):
    configure(cloud, "ec2_driver.conf", *CREDENTIALS)
    host = monitored(cloud, "somewhere", "ec2")
    assert shown(host, "STATE", "HOST_SHARE/MAX_CPU", "HOST_SHARE/FREE_CPU") == ["2", "500", "500"]
    configure(cloud, "ec2_driver.conf", ("    default:\n", "    other:\n"))
    assert "no region somewhere and no default" in monitored(cloud, "somewhere", "ec2").findtext("TEMPLATE/ERROR")


def test_azure_host_needs_a_certificate_that_can_be_read(cloud):
    configure(cloud, "az_driver.conf", ("pem_management_cert:\n", f"pem_management_cert: {cloud.places.etc}/az.pem\n"),
              ("subscription_id:", "subscription_id: 77-1"))
    assert "az.pem of west-europe cannot be read" in monitored(cloud, "west-europe", "az").findtext("TEMPLATE/ERROR")
    (cloud.places.etc / "az.pem").touch()
    host = monitored(cloud, "west-europe", "az")
    assert shown(host, "STATE", "TEMPLATE/HYPERVISOR", "HOST_SHARE/MAX_CPU", "HOST_SHARE/MAX_MEM") == ["2", "AZURE", "700", str(5 * 1835008 + 3670016)]


def test_own_probes_are_run_in_order_with_the_arguments_of_5_0_2(cloud):
    probe(cloud, '#!/bin/sh\necho "SAID=\\"$*\\""\necho HYPERVISOR=first\n')
    probe(cloud, '#!/bin/sh\necho "WHERE=$(basename "$PWD")"\necho HYPERVISOR=mine\necho PUBLIC_CLOUD=YES\n', file="20_probe")
    probe(cloud, "#!/bin/sh\nexit 9\n", file="30_probe.dpkg-old")
    host = monitored(cloud, "h", "mine")
    assert shown(host, "STATE", "TEMPLATE/SAID", "TEMPLATE/WHERE") == ["2", f"mine {cloud.places.datastores} 4124 20 2 h", "mine.d"]
    assert [one.text for one in host.findall("TEMPLATE/HYPERVISOR")] == ["first", "mine"]


@pytest.mark.parametrize("text, error", [
    ("#!/bin/sh\necho no luck >&2\nexit 3\n", "Error executing 10_probe: no luck"),
    ("#!/bin/sh\nexit 3\n", "Error executing 10_probe"),
    ("#!/bin/sh\necho A B\n", "Error parsing monitor information. Check oned.log for more details."),
])
def test_probe_that_fails_leaves_its_reason_on_the_host(cloud, text, error):
    probe(cloud, text)
    host = monitored(cloud, "h", "mine")
    assert host.findtext("STATE") == "3" and host.findtext("TEMPLATE/ERROR").endswith(f"Error monitoring Host h (2): {error}")


def test_probe_that_hangs_is_ended_and_keeps_nobody_waiting(cloud, monkeypatch):
    monkeypatch.setattr(mads.probe, "__defaults__", (1,))
    probe(cloud, "#!/bin/sh\nsleep 60 & echo $! > pid\nwait\n")
    number = cloud.ok("one.host.allocate", "h", "mine", "mine", 0)
    began = time.monotonic()
    cloud.monitor.once()
    assert time.monotonic() - began < 0.8 and cloud.xml("one.host.info", 0).findtext("STATE") == "2"
    assert over(cloud, number).findtext("TEMPLATE/ERROR").endswith("Error executing run_probes: no answer in 1 s")
    child = pathlib.Path("/proc") / (cloud.places.remotes / "im/mine.d/pid").read_text(encoding="utf-8").strip()
    assert not child.exists() or "Z" in (child / "stat").read_text(encoding="utf-8").split()[2]


def test_host_with_an_information_driver_that_is_not_loaded_is_in_error(cloud):
    host = monitored(cloud, "h", "nosuchim")                          # host_allocate_unknown_driver.json: it is accepted
    assert shown(host, "STATE", "TEMPLATE/ERROR") == ["3", None]
    assert "[InM][E]: Could not find information driver nosuchim" in (cloud.places.log / "oned.log").read_text(encoding="utf-8")


def test_elastichosts_capacity_is_that_of_im_ehrc(cloud):
    program = cloud.places.root / "one_im_eh"
    shutil.copy(STANDIN / "drivers/one_im_eh", program)
    shutil.copytree(STANDIN / "etc/im_eh", cloud.places.etc / "im_eh")
    cloud.monitor.drivers["im_eh"] = mads.Driver("im_eh", str(program), "im_eh/im_eh.conf")
    host = monitored(cloud, "eh", "im_eh")
    assert shown(host, "STATE", "TEMPLATE/PUBLIC_CLOUD", "HOST_SHARE/MAX_CPU", "HOST_SHARE/MAX_MEM") == ["2", "YES", "200", str(2048 * 1024)]


def test_opennebula_host_needs_its_attributes(cloud, monkeypatch):
    server = hosts_server(cloud)
    monkeypatch.setenv("ONE_XMLRPC", f"http://127.0.0.1:{server.server_address[1]}/RPC2")
    cloud.monitor.drivers["one"] = mads.Driver("one", "/x/one_im_sh", "-c -t 1 -r 0 one")
    host = monitored(cloud, "far", "one")
    assert host.findtext("TEMPLATE/ERROR").endswith("ONE_USER not defined for far")
    cloud.ok("one.host.update", 2, 'ONE_USER=u\nONE_PASSWORD=p\nONE_ENDPOINT="http://far:2633/RPC2"\nONE_CAPACITY=[CPU=2,MEMORY=1024]', 1)
    host = monitored(cloud, "far", "one")
    server.server_close()
    assert shown(host, "STATE", "TEMPLATE/HYPERVISOR", "HOST_SHARE/MAX_CPU", "HOST_SHARE/MAX_MEM") == ["2", "opennebula", "200", str(1024 * 1024)]


def hosts_server(world):
    server = Server(("127.0.0.1", 0), world.api.answer, 15, 30)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


# -- sched.conf


def scheduling(world, text):
    path = world.places.etc / "sched.conf"
    path.write_text(text, encoding="utf-8")
    return hosts.Scheduler(world.hosts, world.lifecycle, world.actions.deploy, 1, world.log, path)


HYBRID = 'CPU=1\nMEMORY=64\nPUBLIC_CLOUD=[TYPE="ec2"]'


def placed(world, scheduler, templates):
    """Create machines, run one cycle; return the host of each, None for one that waits."""
    numbers = [world.ok("one.vm.allocate", text, False) for text in templates]
    scheduler.once()
    return [next((record.findtext("HOSTNAME") for record in world.history(number)), None) for number in numbers]


def test_policy_4_fills_local_hosts_before_the_cloud(cloud):
    configure(cloud, "ec2_driver.conf", *CREDENTIALS)
    monitored(cloud, "us-east-1x", "ec2")
    scheduler = scheduling(cloud, "MAX_DISPATCH = 30\nMAX_HOST = 30\nDEFAULT_SCHED = [ policy = 4 ]\n")
    where = placed(cloud, scheduler, [HYBRID] * 20)
    assert set(where[:16]) == {"kvm1", "kvm2"} and set(where[16:]) == {"us-east-1x"}       # eight CPUs each; the fifth on EC2 is the region's last
    assert placed(cloud, scheduler, [HYBRID, HYBRID]) == ["us-east-1x", None]


def test_striping_sends_machines_to_the_empty_cloud_host(cloud):
    configure(cloud, "ec2_driver.conf", *CREDENTIALS)
    monitored(cloud, "us-east-1x", "ec2")
    assert placed(cloud, scheduling(cloud, "MAX_HOST = 30\nDEFAULT_SCHED = [ POLICY = 1 ]\n"), [HYBRID] * 3) == ["kvm1", "kvm2", "us-east-1x"]


def test_machine_without_public_cloud_stays_at_home(cloud):
    configure(cloud, "ec2_driver.conf", *CREDENTIALS)
    monitored(cloud, "us-east-1x", "ec2")
    scheduler = scheduling(cloud, "MAX_HOST = 30\n")
    assert placed(cloud, scheduler, ["CPU=8\nMEMORY=1"] * 3) == ["kvm1", "kvm2", None]
    assert placed(cloud, scheduler, [HYBRID.replace("ec2", "azure")]) == [None]


def test_max_dispatch_and_max_host_hold_for_one_cycle(world):
    assert placed(world, scheduling(world, "MAX_HOST = 1\n"), ["CPU=0.1"] * 3) == ["kvm1", "kvm2", None]
    assert placed(world, scheduling(world, "MAX_HOST = 9\nMAX_DISPATCH = 2\n"), ["CPU=0.1"] * 3).count(None) == 2      # the one that waited came first
    assert placed(world, scheduling(world, "MAX_HOST = 0\n"), ["CPU=0.1"]) == [None]


def test_priority_of_the_cluster_counts_for_hosts_without_one(world):
    world.ok("one.host.update", 1, "PRIORITY=3", 1)
    assert placed(world, scheduling(world, "MAX_HOST = 9\nDEFAULT_SCHED=[POLICY=4]\n"), ["CPU=0.1"] * 2) == ["kvm2", "kvm2"]
    clusters = pools.Pool(world.database, "CLUSTER")
    cluster = clusters.get(0)
    body.put(cluster.find("TEMPLATE"), "PRIORITY", 5)
    clusters.save(cluster)
    assert placed(world, scheduling(world, "MAX_HOST = 9\nDEFAULT_SCHED=[POLICY=4]\n"), ["CPU=0.1"]) == ["kvm1"]


def test_sched_conf_that_does_not_parse_leaves_machines_waiting_and_says_so(world):
    assert placed(world, scheduling(world, "A = 1\nB\n"), ["CPU=1"]) == [None]
    assert "[SCHED][E]" in (world.places.log / "oned.log").read_text(encoding="utf-8")
