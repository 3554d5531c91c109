# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in's calls: own cases always, and the recorded calls of 5.0.2 played again where ../shared is."""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ET

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from oned_world import SESSION, SHARED, World  # noqa: E402

from oned.api import CALLS, Fault  # noqa: E402
from oned.proxy import Proxy  # noqa: E402

RECORDED = SHARED / "fixtures" / "xmlrpc" / "5.0.2"
needs_record = pytest.mark.skipif(not RECORDED.exists(), reason="no ../shared/fixtures")
OPAQUE = {"TEMPLATE", "USER_TEMPLATE", "MONITORING", "PCI_DEVICES", "SNAPSHOTS", "IMAGES", "VMS", "HOSTS", "VNETS", "AR_POOL"}


@pytest.fixture(name="world")
def world_(tmp_path):
    world = World(tmp_path)
    world.take_time_in_hand()
    return world


def record(name):
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))


def play(world, call, session=SESSION):
    """Make a recorded call; a fault is returned as the record has it."""
    try:
        return world.api.answer(call["method"], [session if value == "<session>" else value for value in call["params"]])
    except Fault as fault:
        return {"faultCode": fault.code, "faultString": str(fault)}


def shape(element, path=""):
    """Return the paths below an element, lists as one, without what users and drivers put in."""
    here = f"{path}/{element.tag}"
    found = {here}
    if element.tag not in OPAQUE:
        for child in element:
            found |= shape(child, here)
    return found


def canonical(reply):
    """Return a reply with its XML in one form: a body compares as XML, not as text."""
    if isinstance(reply, list) and str(reply[1]).startswith("<"):
        return [reply[0], ET.canonicalize(reply[1]), reply[2]]
    return reply


# -- scenarios: the recorded calls in an order that makes sense of them

ZONES_ON_MASTER = """
allocate allocate_duplicate_name allocate_same_endpoint allocate_no_endpoint allocate_no_name allocate_empty allocate_bad_endpoint allocate_by_xml
allocate_name_128plus allocate_special_chars allocate_syntax_error info_new update_0_endpoint update_append update_endpoint update_empty_endpoint
update_bad_mode update_not_found update_syntax update_replace_without_endpoint info_after_replace info_after_update rename_empty rename delete_0
rename_to_existing zonepool_info delete delete_again delete_not_found
""".split()
ZONES_STANDALONE = """
allocate allocate_bad_endpoint allocate_by_xml allocate_duplicate_name allocate_empty allocate_name_128plus allocate_no_endpoint allocate_no_name
allocate_same_endpoint allocate_special_chars allocate_syntax_error delete delete_0 delete_again delete_not_found info_after_replace info_after_update
info_new rename rename_empty rename_to_existing update_0_endpoint update_append update_bad_mode update_empty_endpoint update_endpoint
update_not_found update_replace_without_endpoint update_syntax zonepool_info
""".split()
HOSTS = """
host_allocate host_allocate_duplicate host_allocate_unknown_driver host_allocate_cluster_-1 host_allocate_bad_cluster host_allocate_empty_im
host_allocate_empty_name host_info_not_found host_enable_true host_enable_false host_enable_not_found host_update_append host_update_replace
host_update_not_found host_rename host_delete host_delete_again host_delete_hostV host_delete_hostW host_delete_not_found
""".split()
GENERAL = """
system_version method_unknown no_params params_missing params_wrong_type zone_info_99_not_found zone_info_negative user_info_not_found user_allocate_duplicate
vm_info_not_found vm_recover_not_found vm_recover_bad_op_not_found vmpool_info_bad_filter vmpool_info_user_999 vmpool_infoextended
market_info_not_found market_allocate_no_mad market_allocate_syntax market_allocate_http market_allocate_duplicate market_update market_delete
market_delete_again marketapppool_info acl_info marketpool_info market_info_0
""".split()
SCENARIOS = {
    "zones_on_master": ("MASTER", [f"zone_master_{name}" for name in ZONES_ON_MASTER]),
    "zones_standalone": ("STANDALONE", [f"zone_standalone_{name}" for name in ZONES_STANDALONE]),
    "hosts": ("MASTER", HOSTS),
    "general": ("MASTER", GENERAL),
}


def test_no_recorded_zone_or_host_call_is_forgotten():
    if not RECORDED.exists():
        pytest.skip("no ../shared/fixtures")
    names = {path.stem for path in RECORDED.glob("zone_*_*.json")} | {path.stem for path in RECORDED.glob("host_*.json")}
    played = {name for _mode, calls in SCENARIOS.values() for name in calls}
    assert names - played <= {"host_info", "host_info_with_vms", "host_delete_with_vms", "zone_info_0", "host_update_not_found"}, names - played


@needs_record
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_recorded_calls_get_the_recorded_replies(tmp_path, scenario):
    mode, names = SCENARIOS[scenario]
    world = World(tmp_path, mode=mode)
    world.take_time_in_hand()
    for name in ("hostA", "hostB", "hostC"):
        world.ok("one.host.allocate", name, "dummy", "dummy", 0)
    for name in names:
        call = record(name)
        assert canonical(play(world, call)) == canonical(call["result"]), name
    print(f"{scenario}: {len(names)} recorded calls played")


@needs_record
@pytest.mark.parametrize("release", ["6.10.5", "7.4.0"])
def test_status_of_hosts_is_what_later_releases_recorded(world, release):
    """5.0.2 was asked for one.host.enable, which it has not; its one.host.status is later releases' own (HostStatus::request_execute, 5.0.2)."""
    for name in ("hostA", "hostB", "hostC", "hostZ"):
        world.ok("one.host.allocate", name, "dummy", "dummy", 0)
    names = sorted((RECORDED.parent / release).glob("host_status_*.json"))
    for path in names:
        call = json.loads(path.read_text(encoding="utf-8"))
        accepted, value, code = call["result"][:3]
        assert play(world, call) == [accepted, value if accepted else value.replace("one.host.status", "HostStatus"), code], path
    print(f"{release}: {len(names)} recorded calls played")
    assert len(names) == 4


@needs_record
def test_a_host_with_machines_is_not_deleted(world):
    for name in ("hostA", "hostB"):
        world.ok("one.host.allocate", name, "dummy", "dummy", 0)
    world.lifecycle.hosts.place(0, world.lifecycle.vms.get(world.machine_in("RUNNING")))
    call = record("host_delete_with_vms")
    assert play(world, call) == call["result"]


@needs_record
def test_recorded_refusals_of_machine_actions(world):
    for name in ("hostA", "hostB"):
        world.ok("one.host.allocate", name, "dummy", "dummy", 0)
    states = {"vm_action_bad": "RUNNING", "vm_action_on_boot": "BOOT", "vm_action_on_failure": "BOOT_FAILURE", "vm_action_on_prolog": "PROLOG",
              "vm_action_wrong_state": "RUNNING", "vm_recover_bad_op": "RUNNING", "vm_recover_pending": "PENDING", "vm_recover_string_op": "RUNNING",
              "vm_recover_prolog_failure_success": "PROLOG_FAILURE"}
    for name, state in states.items():
        call, vm_id = record(name), world.machine_in(state)
        recorded_id = next(value for value in reversed(call["params"]) if isinstance(value, int) and value > 100)
        call["params"] = [vm_id if value == recorded_id else value for value in call["params"]]
        expected = json.loads(re.sub(rf"\b{recorded_id}\b", str(vm_id), json.dumps(call["result"])))
        assert play(world, call) == expected, name
    print(f"{len(states)} recorded machine calls played")


@needs_record
def test_recorded_refusals_of_a_plain_user(world):
    world.ok("one.user.allocate", "plain", "secret", "core")
    vm_id = world.ok("one.vm.allocate", "", True)
    names = sorted(path.stem for path in RECORDED.glob("as_plain_user_*.json"))
    compared = 0
    for name in names:
        call = json.loads(json.dumps(record(name)).replace("565", str(vm_id)).replace("127.0.0.1:2633", "localhost:2633"))
        if name == "as_plain_user_zone_allocate":       # recorded on a standalone zone
            world.federation.mode = "STANDALONE"
        assert play(world, call, "plain:secret") == call["result"], name
        compared += 1
    print(f"{compared} recorded calls of a plain user played")
    assert compared == 10


@needs_record
@pytest.mark.parametrize("name, session", [("auth_bad_password", "oneadmin:wrong"), ("auth_bad_password_vm_info", "oneadmin:wrong"), ("auth_empty", ""),
                                           ("auth_no_colon", "oneadmin"), ("auth_unknown_user", "nobody:opennebula")])
def test_recorded_refusals_of_wrong_credentials(world, name, session):
    call = record(name)
    assert play(world, call, session) == call["result"]


@needs_record
@pytest.mark.parametrize("name", ["zone_info_0", "zonepool_info", "user_info_0", "user_info_-1", "userpool_info", "grouppool_info", "clusterpool_info",
                                  "datastorepool_info", "marketpool_info", "vdcpool_info", "acl_info", "host_info", "hostpool_info", "templatepool_info"])
def test_bodies_have_the_recorded_elements(world, name):
    call = record(name)
    for host in ("a", "b", "c", "d"):
        world.ok("one.host.allocate", host, "dummy", "dummy", 0)
    world.ok("one.template.allocate", "NAME=t\nCPU=1")
    world.ok("one.user.allocate", "bob", "x", "core")
    ours, theirs = (shape(ET.fromstring(reply[1])) for reply in (play(world, call), call["result"]))
    assert ours == theirs


@needs_record
def test_machine_bodies_have_the_recorded_elements_in_their_order(world):
    for name in ("hostA", "hostB"):
        world.ok("one.host.allocate", name, "dummy", "dummy", 0)
    compared = 0
    for path in sorted(RECORDED.glob("vm_info_*.json")):
        state = path.stem[len("vm_info_"):]
        if not state.isupper():
            continue
        theirs = ET.fromstring(record(path.stem)["result"][1])
        ours = world.xml("one.vm.info", world.machine_in(state))
        assert [child.tag for child in ours] == [child.tag for child in theirs if child.tag != "SNAPSHOTS"], state
        assert (ours.findtext("STATE"), ours.findtext("LCM_STATE")) == (theirs.findtext("STATE"), theirs.findtext("LCM_STATE"))
        if theirs.find("HISTORY_RECORDS/HISTORY") is not None:
            assert [child.tag for child in ours.find("HISTORY_RECORDS/HISTORY")] == [child.tag for child in theirs.find("HISTORY_RECORDS/HISTORY")]
        compared += 1
    print(f"{compared} recorded machines compared")
    assert compared >= 20


# -- history records as a life leaves them, against the recorded failover dump

LIVES = {
    # state: the calls that lead there from RUNNING; the last step is never answered
    "PROLOG": [], "BOOT": [], "RUNNING": [], "MIGRATE": [("migrate", True)], "SAVE_MIGRATE": [("migrate", False)], "PROLOG_MIGRATE": [("migrate", False)],
    "BOOT_MIGRATE": [("migrate", False)], "SAVE_STOP": ["stop"], "EPILOG_STOP": ["stop"], "STOPPED": ["stop"], "SAVE_SUSPEND": ["suspend"],
    "SUSPENDED": ["suspend"], "SHUTDOWN": ["terminate"], "EPILOG": ["terminate"], "DONE": ["terminate-hard"], "SHUTDOWN_POWEROFF": ["poweroff"],
    "POWEROFF": ["poweroff"], "SHUTDOWN_UNDEPLOY": ["undeploy"], "EPILOG_UNDEPLOY": ["undeploy"], "UNDEPLOYED": ["undeploy"],
    "BOOT_POWEROFF": ["poweroff", "resume"], "BOOT_SUSPENDED": ["suspend", "resume"], "PROLOG_RESUME": ["stop", "resume"], "BOOT_STOPPED": ["stop", "resume"],
    "PROLOG_UNDEPLOY": ["undeploy", "resume"], "BOOT_UNDEPLOY": ["undeploy", "resume"], "HOTPLUG": ["attach"], "HOTPLUG_NIC": ["attachnic"],
    "HOTPLUG_SNAPSHOT": ["snapshotcreate"], "HOTPLUG_SAVEAS": ["disksaveas"], "HOTPLUG_PROLOG_POWEROFF": ["poweroff", "attach"],
    "HOTPLUG_EPILOG_POWEROFF": ["poweroff", "detach"], "HOTPLUG_SAVEAS_POWEROFF": ["poweroff", "disksaveas"],
    "HOTPLUG_SAVEAS_SUSPENDED": ["suspend", "disksaveas"], "DISK_SNAPSHOT": ["disksnapshotcreate"], "CLEANUP_RESUBMIT": ["recreate"],
    "DISK_SNAPSHOT_POWEROFF": ["poweroff", "disksnapshotcreate"], "DISK_SNAPSHOT_SUSPENDED": ["suspend", "disksnapshotcreate"],
    "PROLOG_MIGRATE_POWEROFF": ["poweroff", ("migrate", False)], "PROLOG_MIGRATE_SUSPEND": ["suspend", ("migrate", False)],
    "PROLOG_MIGRATE_UNKNOWN": ["crash", ("migrate", False)], "BOOT_UNKNOWN": ["crash", "resume"], "UNKNOWN": ["crash"],
}
ARGUMENTS = {"attach": ("DISK=[IMAGE_ID=1]",), "detach": (0,), "attachnic": ("NIC=[NETWORK_ID=0]",), "snapshotcreate": ("s",), "disksaveas": (0, "s", "", -1),
             "disksnapshotcreate": (0, "s")}


def live(world, vm_id, step):
    if step == "crash":
        world.lifecycle.reported(world.lifecycle.load(vm_id), "e")
    elif step == "recreate":
        world.ok("one.vm.recover", vm_id, 4)
    elif isinstance(step, tuple):
        world.ok("one.vm.migrate", vm_id, 1, step[1], False)
    elif step in ARGUMENTS:
        world.ok(f"one.vm.{step}", vm_id, *ARGUMENTS[step])
    else:
        world.ok("one.vm.action", step, vm_id)
        world.scheduler.once() if step == "resume" else None


def answer_until(world, vm_id, state):
    while world.jobs and world.state(vm_id) != state:
        world.lifecycle.answered(*world.jobs.pop(0))


def marks(record_):
    names = "PSTIME PETIME RSTIME RETIME ESTIME EETIME ETIME".split()
    return (record_["SEQ"], record_["ACTION"], record_["REASON"], [name for name in names if record_[name] != "0"])


@pytest.mark.parametrize("state", LIVES)
def test_history_and_files_are_those_that_were_recorded(tmp_path, state):
    """Without ../shared the life alone is checked: it reaches its state."""
    world = World(tmp_path)
    world.take_time_in_hand()
    for name in ("hostA", "hostB"):
        world.ok("one.host.allocate", name, "dummy", "dummy", 0)
    world.monitor.once()
    vm_id = world.ok("one.vm.allocate", "DISK=[IMAGE_ID=0]", False)
    world.scheduler.once()
    answer_until(world, vm_id, state if not LIVES[state] else "RUNNING")
    for place, step in enumerate(LIVES[state]):
        live(world, vm_id, step)
        answer_until(world, vm_id, state if place == len(LIVES[state]) - 1 else None)
    assert world.state(vm_id) == state
    path = SHARED / "fixtures" / "failover" / "5.0.2_kill9.json"
    if path.exists():
        row = next(row for row in json.loads(path.read_text(encoding="utf-8"))["rows"] if row["state"].partition("(")[0] == state and "(" not in row["state"])
        ours = [{child.tag: child.text for child in element} for element in world.history(vm_id)]
        assert [marks(one) for one in ours] == [marks(one) for one in row["history_before"]]
        files = {file.name for file in (world.places.vms / str(vm_id)).iterdir()} - {"vm.log"}
        assert files == set(row["files_in_vms_dir"])


# -- own cases


def test_every_call_has_a_label_and_types_that_exist():
    assert len(CALLS) > 60
    for name, known in CALLS.items():
        assert name.startswith("one.") and re.fullmatch(r"[A-Z]\w+", known.label)
        assert set(known.takes) <= set("isb|")


def test_token_of_login_authenticates_until_it_ends(world):
    token = world.ok("one.user.login", "oneadmin", "", 60)
    assert world.ok("one.system.version", session=f"oneadmin:{token}") == "5.0.2"
    world.ok("one.user.login", "oneadmin", token, 0)
    assert world.call("one.system.version", session=f"oneadmin:{token}")[2] == 256


def test_changed_password_is_the_one_that_counts(world):
    world.ok("one.user.passwd", 0, "another")
    assert world.call("one.system.version")[2] == 256
    assert world.ok("one.system.version", session="oneadmin:another") == "5.0.2"


def test_secret_arguments_are_stars_in_the_log(world):
    world.ok("one.user.allocate", "bob", "CANARY-1", "core")
    world.ok("one.user.passwd", 2, "CANARY-2")
    log = (world.places.log / "oned.log").read_text(encoding="utf-8")
    assert "UserAllocate" in log and "CANARY" not in log


def test_log_shows_20_characters_of_a_texts_first_line(world):
    number = world.ok("one.host.allocate", "h", "kvm", "kvm", 0)
    world.ok("one.host.update", number, 'NOTE="twenty characters and more"', 1)
    world.ok("one.host.update", number, '# short\nNOTE="CANARY-3"', 1)
    log = (world.places.log / "oned.log").read_text(encoding="utf-8")
    assert 'invoked , 0, "NOTE="twenty charact...", 1' in log and 'invoked , 0, "# short...", 1' in log and "CANARY" not in log


def test_update_of_a_host_replaces_all_but_the_drivers(world):
    number = world.ok("one.host.allocate", "h", "kvm", "ssh", 0)

    def tags():
        host = world.xml("one.host.info", number)
        return [child.tag for child in host.find("TEMPLATE")], host.findtext("IM_MAD"), host.findtext("VM_MAD")
    world.ok("one.host.update", number, "A=1\nA=2\nB=[C=3]", 1)
    assert tags() == (["A", "A", "B", "IM_MAD", "RESERVED_CPU", "RESERVED_MEM", "VM_MAD"], "kvm", "ssh")
    world.ok("one.host.update", number, "A=3", 1)
    assert tags()[0] == ["A", "B", "IM_MAD", "RESERVED_CPU", "RESERVED_MEM", "VM_MAD"]
    world.ok("one.host.update", number, "D=4", 0)
    assert tags() == (["D", "IM_MAD", "VM_MAD"], "kvm", "ssh")
    world.ok("one.host.update", number, "IM_MAD=ec2\nVM_MAD=ec2", 0)
    assert tags() == (["IM_MAD", "VM_MAD"], "ec2", "ec2")


def test_a_host_is_in_one_cluster(world):
    number, cluster = world.ok("one.host.allocate", "h", "kvm", "kvm", -1), world.ok("one.cluster.allocate", "clouds")
    assert cluster == 100 and world.call("one.cluster.allocate", "clouds") == [False, "[ClusterAllocate] NAME is already taken by CLUSTER 100.", 8192]
    assert world.ok("one.cluster.addhost", cluster, number) == cluster == world.ok("one.cluster.addhost", cluster, number)
    host = world.xml("one.host.info", number)
    assert (host.findtext("CLUSTER_ID"), host.findtext("CLUSTER")) == ("100", "clouds")
    assert [len(one.findall("HOSTS/ID")) for one in world.xml("one.clusterpool.info")] == [0, 1]
    assert "is not empty, it contains 1 hosts" in world.call("one.cluster.delete", cluster)[1] and world.call("one.cluster.delete", 0)[2] == 2048
    world.ok("one.cluster.delhost", cluster, number)
    assert world.xml("one.host.info", number).findtext("CLUSTER_ID") == "0" and world.ok("one.cluster.delete", cluster) == cluster
    assert world.call("one.cluster.addhost", 100, number)[1:] == ["[ClusterAddHost] Error getting cluster [100].", 1024]


def test_names_of_hosts_and_templates_do_not_collide(world):
    for name in ("a", "b"):
        world.ok("one.host.allocate", name, "kvm", "kvm", 0)
        world.ok("one.template.allocate", f"NAME={name}")
    assert world.call("one.host.rename", 0, "b") == [False, "[HostRename] host cannot be renamed to b because it collides with host 1", 2048]
    assert world.call("one.template.rename", 0, "b")[1:] == [
        "[TemplateRename] virtual machine template cannot be renamed to b because it collides with virtual machine template 1", 2048]
    assert world.call("one.template.allocate", "NAME=a") == [False, "[TemplateAllocate] NAME is already taken by TEMPLATE 0.", 8192]
    assert world.ok("one.template.rename", 0, "a") == 0 and world.ok("one.host.rename", 0, "c") == 0


def test_a_template_is_its_owners(world):
    bob = world.ok("one.user.allocate", "bob", "secret", "core")
    own, other = world.ok("one.template.allocate", "NAME=a", session="bob:secret"), world.ok("one.template.allocate", "NAME=b")
    for name, arguments in (("update", ("A=1", 1)), ("rename", ("c",)), ("chmod", (-1, -1, -1, 1, 0, 0, -1, -1, -1)), ("delete", ())):
        assert world.call(f"one.template.{name}", other, *arguments, session="bob:secret")[2] == 512, name
        if name != "delete":
            world.ok(f"one.template.{name}", own, *arguments, session="bob:secret")
    assert [leaf.text for leaf in world.xml("one.template.info", own).find("PERMISSIONS")] == list("110100000")
    world.ok("one.template.chown", own, 0, 0)
    told = world.xml("one.template.info", own)
    assert [told.findtext(tag) for tag in ("UID", "GID", "UNAME", "GNAME")] == ["0", "0", "oneadmin", "oneadmin"]
    assert world.call("one.template.chown", own, 77, -1)[1:] == ["[TemplateChown] Error getting user [77].", 1024]
    world.ok("one.template.chown", other, bob, -1)
    world.ok("one.template.delete", other, session="bob:secret")


def test_database_that_refuses_is_reported_in_the_reply(world):
    world.database.refuses = 1290
    accepted, text, code = world.call("one.host.allocate", "h", "kvm", "kvm", 0)
    assert (accepted, code) == (False, 8192) and "error 1290" in text


def test_slave_without_master_refuses_shared_writes_and_serves_the_rest(tmp_path):
    master = World(tmp_path / "master")
    world = World(tmp_path / "slave", database=master.database, mode="SLAVE", zone=100)
    for name, arguments in (("one.zone.update", (0, "A=1", 1)), ("one.user.allocate", ("u", "p", "core")), ("one.acl.addrule", ("1", "1", "1", "1")),
                            ("one.user.login", ("oneadmin", "", 60))):
        assert world.call(name, *arguments) == [False, f"[RequestManagerProxy.{name}] Could not connect to the federation master oned", 8192]
    assert world.call("one.zone.update", 0, "A=1", 1, session="oneadmin:wrong") == [
        False, "[RequestManagerProxy.one.zone.update] User couldn't be authenticated, aborting call.", 256]
    assert world.ok("one.host.allocate", "h", "kvm", "kvm", 0) == 0
    assert "OpenNebula" in world.ok("one.zonepool.info")


@needs_record
def test_every_recorded_proxied_call_is_proxied():
    compared = 0
    for path in sorted((RECORDED / "slave_master_down").glob("*.json")):
        call = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(call["result"], list):
            assert Proxy.takes(call["method"]) == str(call["result"][1]).startswith("[RequestManagerProxy"), path.stem
            compared += 1
    print(f"{compared} recorded calls of a slave compared")
    assert compared >= 28


def test_paging_of_machines(world):
    ids = [world.ok("one.vm.allocate", "", True) for _number in range(5)]
    world.ok("one.vm.recover", ids[0], 3)

    def listed(*arguments):
        return [int(vm.findtext("ID")) for vm in world.xml("one.vmpool.info", *arguments)]
    assert listed(-2, -1, -1, -1) == ids[1:] and listed(-2, -1, -1, -2) == ids
    assert listed(-2, 0, -2, -1) == ids[1:3] and listed(-2, 2, -2, -1) == ids[3:5] and listed(-2, 4, -2, -1) == []
    assert listed(-2, ids[1], ids[2], -1) == ids[1:3] and listed(-2, -1, -1, 6) == [ids[0]]
