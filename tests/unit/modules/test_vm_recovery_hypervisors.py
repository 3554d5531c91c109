# SPDX-License-Identifier: GPL-3.0-or-later
"""Recovery with hypervisors that are asked: the world of recovery_fakes, and hosts that answer like the recorded one."""
import importlib.util
import pathlib
import re

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import recovery_table, vm_states
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError
from ansible_collections.constellation.opennebula.plugins.module_utils.core.hypervisor import FRONT_END
from ansible_collections.constellation.opennebula.plugins.modules import vm_recovery, vm_recovery_info

_spec = importlib.util.spec_from_file_location("recovery_fakes", pathlib.Path(__file__).with_name("recovery_fakes.py"))
fakes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fakes)

PARAMS = {name: spec.get("default") for name, spec in vm_recovery.SPEC.items()}
MIB = 1 << 20


class Machine(fakes.Machine):
    """A machine with one disk of 8 MiB, on its way from kvm1 to kvm2."""

    def __init__(self, number, state, runs_on=(), **more):
        super().__init__(number, state, runs=bool(runs_on), **more)
        self.runs_on = list(runs_on)

    def xml(self):
        disk = "<TEMPLATE><DISK><DISK_ID>0</DISK_ID><SIZE>8</SIZE><DISK_TYPE>FILE</DISK_TYPE><TARGET>vda</TARGET></DISK></TEMPLATE>"
        history = re.search("<HISTORY>.*</HISTORY>", super().xml()).group()
        second = history.replace("<SEQ>0<", "<SEQ>1<").replace("kvm1", "kvm2").replace("<HID>0<", "<HID>1<")
        return re.sub("<HISTORY>.*</HISTORY>", history + second, super().xml()).replace("<USER_TEMPLATE>", disk + "<USER_TEMPLATE>")


class Hosts:
    """Hypervisors that answer from the machines: domains by ``runs_on``, files by ``disks`` ({(host, vm): bytes})."""

    def __init__(self, world, disks=None, silent=(), busy=()):
        self.world, self.disks, self.silent, self.busy, self.asked = world, disks or {}, set(silent), set(busy), []
        self.stored, self.kind, self.scripts = {}, "xfs", []         # stored: (host, VM) → (age, inode) of a folder in datastore 0

    def ask(self, scripts):
        self.asked += sorted(scripts)
        self.scripts += scripts.values()
        return {host: CoreError("it does not let us in", host, "oneadmin is refused", "Log in") if host in self.silent else self.answer(host, text)
                for host, text in scripts.items()}

    def answer(self, host, text):
        rows = [line.split("\t") for line in re.search(r"vms='(.*?)'\nuri", text, re.DOTALL).group(1).split("\n")]
        running = [number for number, machine in self.world.machines.items() if host in machine.runs_on]
        domains = "\n".join(f" {number}   one-{number}   running" for number in running)
        details = "\n".join(f"@ one-{number}\nJob type: None" for number in running)
        files = [f"{folder}\td\td\t4096\t\n{folder}/disk.0\tf\tf\t{self.disks[host, int(number)]}\t\n{folder}\t." if (host, int(number)) in self.disks
                 else f"{folder}\tabsent" for number, unused, unused2, folder, wants in rows if "f" in wants]
        work = "\n".join(f"/proc/{number}/fd/3\t/var/lib/one/datastores/0/{number}/disk.0" for number in self.busy)
        stores = "/var/lib/one/datastores/0\t/var/lib/one/datastores/0"
        parts = (("domains", domains), ("domains-end", ""), ("details", details), ("stores", stores), ("processes", work), ("processes-end", ""),
                 ("files", "\n".join(files)), ("heads", ""), ("stored", self._stored(host) if "list='0'" in text else ""), ("end", ""))
        return "".join(f"\n== {name}\n{body}\n" for name, body in parts)

    def _stored(self, host):
        rows = [(number, *folder) for (place, number), folder in self.stored.items() if place == host]
        return "\n".join([f"store\t0\t/var/lib/one/datastores/0\t{self.kind}\t2000000",
                          *(f"{number}\t{2000000 - age}.5\t{inode}" for number, age, inode in rows), "whole",
                          *(f"2048\t/var/lib/one/datastores/0/{row[0]}" for row in rows), "9\t/var/lib/one/datastores/0/"])


def recover(world, hosts, check_mode=False, **params):
    return vm_recovery.ensure(dict(PARAMS, **params), lambda: world, world, check_mode, world.pause, hosts)


def plan(world, hosts, **params):
    return vm_recovery_info.read(dict(PARAMS, **params), lambda: world, world, hosts)


def told(world, hosts, **params):
    (only,) = plan(world, hosts, **params)["vms"]
    return only


@pytest.mark.parametrize("runs_on, action, words", [
    (["kvm2"], "success", "runs on the target and not on the source"), (["kvm1"], "failure", "runs on the source and not on the target"),
    (["kvm1", "kvm2"], "refuse", "runs on both hosts: fence one of them"), ([], "refuse", "runs on neither host")])
def test_live_migration_ends_where_the_domain_is(runs_on, action, words):
    world = fakes.World(Machine(6, "MIGRATE", runs_on))
    seen = told(world, Hosts(world))
    assert seen["action"] == action and words in seen["reason"] and seen["hosts"] == {"kvm1": "answered", "kvm2": "answered"}
    outcome = recover(world, Hosts(world))
    assert [operation for unused, operation, unused2 in world.calls] == ([action] if action != "refuse" else [])
    assert outcome.results["left"] == ([6] if action == "refuse" else [])


def three_hosts(*names):
    return "<HOST_POOL>" + "".join(f"<HOST><ID>{number}</ID><NAME>{name}</NAME><STATE>2</STATE><LAST_MON_TIME>1090</LAST_MON_TIME></HOST>"
                                   for number, name in enumerate(names)) + "</HOST_POOL>"


@pytest.mark.parametrize("state, action, runs_on", [
    ("SAVE_SUSPEND", "failure", ["kvm2"]), ("SHUTDOWN", "failure", ["kvm2"]), ("HOTPLUG_SAVEAS", "failure", ["kvm2"]), ("PROLOG", "failure", []),
    ("EPILOG", "failure", []), ("CLEANUP_RESUBMIT", "failure", []), ("MIGRATE", "success", ["kvm2"])])
def test_a_domain_that_also_is_where_it_should_not_be_keeps_its_vm_from_being_recovered(state, action, runs_on):
    """Whatever asked host it is on: there may be two of it. A third one has the domain, because another VM is stuck there."""
    def seen(more, names=("kvm1", "kvm2", "kvm3")):
        world = fakes.World(Machine(6, state, runs_on + more), Machine(9, "PROLOG"))
        plain = world.machines[9].xml
        world.machines[9].xml = lambda: plain().replace("kvm2", "kvm3").replace("<HID>1<", "<HID>2<")
        world.host_pool = lambda: three_hosts(*names)
        world.machines[6].last_poll = 1090 if runs_on else 0
        hosts = Hosts(world)
        told_ = {vm["id"]: vm for vm in plan(world, hosts)["vms"]}
        assert told_[9]["action"] == "failure"
        recover(world, hosts, vms=[6, 9])
        assert (6 in [call[0] for call in world.calls]) is (told_[6]["action"] == action)
        return told_[6]

    assert seen([])["action"] == action
    stray = seen(["kvm3"])
    assert stray["action"] == "refuse" and "something of its domain is on kvm3" in stray["reason"], stray
    assert seen(["kvm1"])["action"] == "refuse", "it should have left it, or never was there"
    if runs_on:
        assert seen(["kvm3"], ["kvm1", "kvm3", "other"])["action"] == action, "its own host under the name that it has now"


def test_a_vm_that_is_locked_between_the_look_and_the_call_is_left_alone():
    world = fakes.World(Machine(6, "MIGRATE", ["kvm2"]))
    plain, body = world.vm, world.machines[6].xml

    def vm(number):
        world.machines[6].xml = lambda: body().replace("<USER_TEMPLATE>", "<LOCK><LOCKED>1</LOCKED></LOCK><USER_TEMPLATE>")
        return plain(number)

    plan(world, Hosts(world))
    world.vm = vm
    outcome = recover(world, Hosts(world))
    assert world.calls == [] and not outcome.changed and "is locked" in outcome.results["vms"][0]["reason"]


def test_without_hypervisors_the_same_machine_is_refused():
    world = fakes.World(Machine(6, "MIGRATE", ["kvm2"]))
    seen = told(world, None)
    assert seen["action"] == "refuse" and "not known whether its domain runs" in seen["reason"] and seen["hosts"] == {}


@pytest.mark.parametrize("state", ["MIGRATE", "PROLOG", "PROLOG_MIGRATE", "EPILOG"])
def test_host_that_cannot_be_asked_leads_to_a_refusal_that_names_it(state):
    world = fakes.World(Machine(6, state, ["kvm2"]))
    seen = told(world, Hosts(world, silent=["kvm1"]))
    assert seen["action"] == "refuse" and "kvm1" in seen["reason"] and "does not let us in" in seen["reason"]
    recover(world, Hosts(world, silent=["kvm1"]))
    assert world.calls == []


def test_host_that_an_operator_vouches_for_as_off_is_not_asked():
    world = fakes.World(Machine(6, "MIGRATE", ["kvm2"]))
    hosts = Hosts(world, silent=["kvm1"])
    outcome = recover(world, hosts, hosts_off=["kvm1"])
    assert world.calls == [(6, "success", "MIGRATE")] and "kvm1" not in hosts.asked
    assert outcome.results["vms"][0]["hosts"] == {"kvm1": "off", "kvm2": "answered"}


def test_hosts_are_asked_again_before_the_retry_that_follows_our_failure():
    """The daemon logged that failure after its own start, and is still not at work on it (seen on the lab: refused for want of evidence)."""
    world = fakes.World(Machine(6, "PROLOG_MIGRATE"))
    hosts = Hosts(world, {("kvm1", 6): 8 * MIB, ("kvm2", 6): 3 * MIB})
    (only,) = recover(world, hosts).results["vms"]
    assert [(operation, state) for unused, operation, state in world.calls] == [("failure", "PROLOG_MIGRATE"), ("retry", "PROLOG_MIGRATE_FAILURE")]
    assert only["result"] == "recovered" and hosts.asked == ["kvm1", "kvm2"] * 2


def test_what_an_owner_writes_into_the_vms_template_is_no_evidence():
    """A HISTORY of his would name a host that oneadmin logs in to, and that says what he likes; a VM of his would stand for another one's."""
    world = fakes.World(Machine(7, "MIGRATE", ["kvm2"]), Machine(9, "MIGRATE", ["kvm1", "kvm2"]))
    hosts, pages, plain = Hosts(world), world.vm_pool, world.machines[9].xml
    world.vm_pool = lambda state: [re.sub("<HISTORY><SEQ>0<.*?</HISTORY>(?=<HISTORY>)", "", page) for page in pages(state)]       # a pool has the last record
    written = ("<HISTORY><SEQ>7</SEQ><HOSTNAME>evil</HOSTNAME><HID>9</HID><VM_MAD>kvm</VM_MAD><TM_MAD>ssh</TM_MAD><DS_ID>0</DS_ID></HISTORY>"
               "<VM><ID>7</ID><STATE>3</STATE><LCM_STATE>3</LCM_STATE></VM>")
    for place in ("<USER_TEMPLATE>", "<TEMPLATE>"):
        world.machines[9].xml = lambda place=place: plain().replace(place, place + written)
        seen = plan(world, hosts)["vms"]
        assert [(vm["id"], vm["action"]) for vm in seen] == [(7, "success"), (9, "refuse")] and "runs on both hosts" in seen[1]["reason"]
    assert set(hosts.asked) == {"kvm1", "kvm2"}


def test_host_that_is_said_to_be_off_and_reports_is_not_believed_to_be_off():
    """The wrong name: put back to PENDING, the VM would be started elsewhere while it runs here."""
    def world(ago, state):
        made = fakes.World(Machine(6, "CLEANUP_RESUBMIT", ["kvm2"]))
        made.host_pool = lambda: (f"<HOST_POOL><HOST><ID>1</ID><NAME>kvm2</NAME><STATE>{state}</STATE><LAST_MON_TIME>{int(made.clock - ago)}</LAST_MON_TIME>"
                                  "</HOST></HOST_POOL>")
        return made

    for ago, state, believed in ((20, 2, False), (59, 2, False), (60, 2, True), (20, 3, True), (20, 5, True)):
        lost = world(ago, state)
        hosts = Hosts(lost)
        seen = told(lost, hosts, hosts_off=["kvm2"])
        assert (seen["action"] == "failure") is believed and "kvm2" not in hosts.asked, (ago, state, seen)
        assert believed or f"kvm2: it is said to be off, and it reported to the daemon {ago} s ago" in seen["reason"]


class Later(fakes.World):
    """A daemon of 5.12 or later: its pool of hosts has no times, a host by itself has."""

    def __init__(self, *machines, reported):
        super().__init__(*machines, monitoring=False)
        self.reported, self.told = reported, []

    def host_pool(self):
        return "<HOST_POOL>" + "".join(f"<HOST><ID>{number}</ID><NAME>{name}</NAME><STATE>2</STATE><MONITORING/></HOST>"
                                       for number, name in enumerate(("kvm1", "kvm2", "kvm3"))) + "</HOST_POOL>"

    def host(self, number):
        self.told.append(number)
        if self.reported.get(number) is None:
            raise fakes.Refused("one.host.info", "here", 1024, f"[one.host.info] Error getting host [{number}].")
        return (f"<HOST><ID>{number}</ID><NAME>kvm{number + 1}</NAME><STATE>2</STATE><MONITORING><TIMESTAMP>{self.reported[number]}</TIMESTAMP></MONITORING>"
                "</HOST>")


@pytest.mark.parametrize("runs_on, action", [(["kvm2"], "success"), ([], "failure"), (["kvm1"], "refuse"), (["kvm1", "kvm2"], "refuse")])
def test_from_5_12_on_a_boot_is_ended_by_what_its_host_shows_once_that_was_monitored(runs_on, action):
    for reported, expected in ((1059, "wait" if "kvm1" not in runs_on else "refuse"), (None, "wait" if "kvm1" not in runs_on else "refuse"), (1060, action)):
        world = Later(Machine(6, "BOOT", runs_on), reported={0: 1090, 1: reported})
        seen = told(world, Hosts(world))
        assert seen["action"] == expected and set(world.told) == {0, 1}, (reported, seen)
    world = Later(Machine(6, "BOOT", runs_on), reported={0: 1090, 1: 1090})
    assert told(world, None)["action"] == "refuse", "a report of the host does not tell of its VMs"


def test_from_5_12_on_a_host_that_reports_is_not_believed_to_be_off_either():
    for ago, believed in ((20, False), (60, True), (None, True)):
        world = Later(Machine(6, "CLEANUP_RESUBMIT"), reported={0: 1090, 1: ago and 1100 - ago})
        seen = told(world, Hosts(world), hosts_off=["kvm2"])
        assert (seen["action"] == "failure") is believed, (ago, seen)
        assert believed or "it reported to the daemon 20 s ago" in seen["reason"]


@pytest.mark.parametrize("state", ["PROLOG", "BOOT", "EPILOG", "SHUTDOWN", "PROLOG_MIGRATE", "PROLOG_FAILURE", "BOOT_FAILURE"])
def test_what_can_only_be_done_on_a_host_that_is_off_is_neither_tried_nor_waited_for(state):
    world = fakes.World(Machine(6, state), monitoring=False)
    outcome = recover(world, Hosts(world, {("kvm1", 6): 8 * MIB}, silent=["kvm2"]), hosts_off=["kvm2"], retry_failures=True)
    (seen,) = outcome.results["vms"]
    assert world.calls == [] and (seen["result"], seen["evidence"]["hypervisors"]) == ("refused", "off") and "said to be off" in seen["reason"]
    assert world.clock - 1100 <= vm_recovery.SPEC["wait_timeout_s"]["default"] / 2, "it waited for a report that cannot come"


@pytest.mark.parametrize("disks, action, words", [
    ({("kvm1", 7): 8 * MIB}, "failure", "still where they came from"), ({("kvm2", 7): 8 * MIB}, "success", "seen at their destination"),
    ({("kvm1", 7): MIB, ("kvm2", 7): 7 * MIB}, "refuse", "in two places")])
def test_disks_on_the_move_are_looked_for_at_both_ends(disks, action, words):
    world = fakes.World(Machine(7, "PROLOG_MIGRATE"))
    seen = told(world, Hosts(world, disks))
    assert seen["action"] == action and words in seen["reason"], seen


def test_half_a_copy_that_still_grows_is_left_alone():
    world = fakes.World(Machine(7, "PROLOG_MIGRATE"))
    outcome = recover(world, Hosts(world, {("kvm1", 7): 8 * MIB}, busy=[7]), wait_timeout_s=5)
    assert world.calls == [] and outcome.results["left"] == [7] and "still runs" in outcome.results["vms"][0]["reason"]


def test_hosts_are_asked_once_for_all_their_machines_and_again_when_the_answer_is_old():
    world = fakes.World(*[Machine(number, "PROLOG_MIGRATE") for number in range(1, 21)])
    hosts = Hosts(world, {("kvm1", number): 8 * MIB for number in range(1, 21)})
    plan(world, hosts)
    assert hosts.asked == ["kvm1", "kvm2"]
    world.deaf, hosts.asked = True, []
    with pytest.raises(CoreError):
        recover(world, hosts, wait_timeout_s=25)
    assert 2 * 2 <= len(hosts.asked) <= 2 * 6           # at first, after the calls, and every 10 of 25 seconds


@pytest.mark.parametrize("clock", [1100.0, 1100.2, 1100.9])
def test_a_second_call_waits_for_a_look_that_is_newer_than_the_first(clock):
    """The source's deletion was under way while the first look still saw it whole. Calls are noted in whole seconds: one of the look's second came after it."""
    world = fakes.World(Machine(7, "PROLOG_MIGRATE"))
    world.clock = clock
    hosts = Hosts(world, {("kvm1", 7): 8 * MIB, ("kvm2", 7): 8 * MIB})
    plain = world.vm_recover

    def recover_and_delete(number, operation):
        world.clock += 0.05
        hosts.disks.pop(("kvm1", 7), None)
        plain(number, operation)

    world.vm_recover = recover_and_delete
    recover(world, hosts)
    assert [call[1] for call in world.calls] == ["failure", "success"], "a retry would have deleted the only copy"


@pytest.mark.parametrize("slow_s", [0.1, 3.0, 40.0])
def test_what_was_seen_long_before_a_call_is_looked_for_again(slow_s):
    """A daemon that takes its time over each call of a large batch."""
    world = fakes.World(*[Machine(number, "MIGRATE", ["kvm2"]) for number in range(1, 21)])
    hosts, ages, asked = Hosts(world), [], []
    ask, call = hosts.ask, world.vm_recover

    def vm_recover(number, operation):
        ages.append(world.clock - asked[-1])
        world.clock += slow_s
        call(number, operation)

    hosts.ask = lambda scripts: (asked.append(world.clock) if scripts else None, ask(scripts))[1]
    world.vm_recover = vm_recover
    outcome = recover(world, hosts, wait_timeout_s=3000)
    assert len(ages) == 20 and max(ages) <= 13 and {vm["result"] for vm in outcome.results["vms"]} == {"recovered"}
    assert len(asked) == {0.1: 1, 3.0: 5, 40.0: 20}[slow_s], len(asked)


def test_disks_are_not_moved_under_a_running_domain():
    world = fakes.World(Machine(7, "PROLOG_MIGRATE", ["kvm2"]), Machine(8, "PROLOG", ["kvm2"]), Machine(9, "EPILOG", ["kvm2"]))
    outcome = recover(world, Hosts(world, {("kvm1", 7): 8 * MIB}))
    assert world.calls == [] and outcome.results["left"] == [7, 8, 9]
    assert all("runs on the host" in seen["reason"] for seen in outcome.results["vms"])


def test_who_is_at_rest_or_still_at_work_is_not_asked_about():
    world = fakes.World(Machine(1, "RUNNING", ["kvm2"]), Machine(2, "PROLOG", began=1050), Machine(3, "PROLOG_FAILURE"))
    hosts = Hosts(world)
    plan(world, hosts)
    assert hosts.asked == []


def test_check_mode_foresees_what_a_run_does_with_the_same_hosts():
    def scene():
        world = fakes.World(Machine(1, "MIGRATE", ["kvm2"]), Machine(2, "MIGRATE", ["kvm1"]), Machine(3, "MIGRATE"), Machine(4, "PROLOG_MIGRATE"),
                            Machine(5, "PROLOG_MIGRATE"))
        return world, Hosts(world, {("kvm1", 4): 8 * MIB, ("kvm2", 5): 8 * MIB})
    world, hosts = scene()
    foreseen = recover(world, hosts, check_mode=True)
    assert world.calls == []
    world, hosts = scene()
    done = recover(world, hosts)
    assert foreseen.plan.as_list() == done.plan.as_list() and len(done.plan.as_list()) == 4
    assert all(vm_states.is_settled(machine.state) for number, machine in world.machines.items() if number != 3)


# --- leftovers: kvm1 and kvm2 are asked because of a migration that waits for ever; kvm1 has a folder of VM 42 as well ----------------------------------------

DAY = 86400


class Resting(fakes.Machine):
    """A machine that has been where it is for a day."""

    def __init__(self, number, state, host, **more):
        super().__init__(number, state, began=1000 - DAY, **more)
        self.host, self.runs_on = host, []

    def xml(self):
        if self.host is None:
            return re.sub("<HISTORY>.*</HISTORY>", "", super().xml())
        return super().xml().replace("kvm1", self.host).replace("<HID>0<", f"<HID>{self.host[-1]}<")


def attic(machine=None, folders=("kvm1", "kvm2"), **more):
    world = fakes.World(Machine(6, "MIGRATE", ["kvm2"]), *([machine] if machine else []))
    hosts = Hosts(world, **more)
    hosts.stored = {(host, 42): (DAY, number) for number, host in enumerate(folders)}
    return world, hosts


def leftovers(world, hosts, **params):
    return plan(world, hosts, **params)["leftovers"]


@pytest.mark.parametrize("state", ["RUNNING", "POWEROFF", "SUSPENDED"])
def test_folder_of_a_vm_that_rests_on_another_host_is_told(state):
    (left,) = leftovers(*attic(Resting(42, state, "kvm2")))
    assert left == {"host": "kvm1", "path": "/var/lib/one/datastores/0/42", "vm": 42, "name": "vm42", "state": state, "vm_host": "kvm2", "age_s": DAY,
                    "size_mib": 2, "reason": f"its VM is {state} on kvm2, which has a folder of it, too; nothing on this host uses this one",
                    "remedy": "Compare the disks of both. If those on kvm2 are whole and the newer ones, remove this folder by hand."}


@pytest.mark.parametrize("machine, words, remedy", [
    (Resting(42, "DONE", "kvm2"), "its VM is DONE", "is persistent, see first"), (Resting(42, "DONE", "kvm1"), "its VM is DONE", "saved back"),
    (None, "has no such VM", "all that is left of the VM")])
def test_folder_of_a_vm_that_is_no_more_is_told(machine, words, remedy):
    (left,) = leftovers(*attic(machine, ["kvm1"]))
    assert words in left["reason"] and remedy in left["remedy"] and (left["host"], left["vm_host"]) == ("kvm1", None)


@pytest.mark.parametrize("state", sorted(set(vm_states.names()) - {"RUNNING", "POWEROFF", "SUSPENDED", "DONE"}))
def test_folder_of_a_vm_that_is_under_way_or_waits_is_no_leftover(state):
    assert leftovers(*attic(Resting(42, state, "kvm2"))) == []


@pytest.mark.parametrize("why, machine, folders", [
    ("the VM is there", Resting(42, "POWEROFF", "kvm1"), ["kvm1"]),
    ("its own host has no folder: this may be the only copy", Resting(42, "POWEROFF", "kvm2"), ["kvm1"]),
    ("its own host was not asked", Resting(42, "POWEROFF", "kvm9"), ["kvm1", "kvm2"]), ("nobody knows where it is", Resting(42, "POWEROFF", None), ["kvm1"])])
def test_folder_that_may_be_in_use_is_no_leftover(why, machine, folders):
    assert leftovers(*attic(machine, folders)) == [], why


def test_what_moved_a_moment_ago_is_no_leftover():
    world, hosts = attic(Resting(42, "RUNNING", "kvm2"))
    hosts.stored["kvm1", 42] = (590, 0)
    assert leftovers(world, hosts) == []
    hosts.stored["kvm1", 42] = (610, 0)
    world.machines[42].began = 600                      # the world's clock says 1100
    assert leftovers(world, hosts) == []
    world.machines[42].began = 400
    assert len(leftovers(world, hosts)) == 1


@pytest.mark.parametrize("kind, tm_mad, type_, told_", [("xfs", "ssh", 1, 1), ("ext2/ext3", "local", 1, 1), ("nfs", "ssh", 1, 0), ("fuseblk", "ssh", 1, 0),
                                                        ("gfs/gfs2", "local", 1, 0), ("xfs", "shared", 1, 0), ("xfs", "qcow2", 1, 0), ("xfs", "ceph", 1, 0),
                                                        ("xfs", "ssh", 0, 0)])
@pytest.mark.parametrize("machine", [Resting(42, "RUNNING", "kvm2"), Resting(42, "DONE", "kvm2"), None])
def test_shared_datastores_have_no_leftovers(kind, tm_mad, type_, told_, machine):
    world, hosts = attic(machine, ["kvm1", "kvm2"] if machine and machine.state == "RUNNING" else ["kvm1"])
    world.datastores, hosts.kind = [(0, tm_mad, type_)], kind
    assert len(leftovers(world, hosts)) == told_


@pytest.mark.parametrize("machine", [Resting(42, "RUNNING", "kvm2"), Resting(42, "DONE", "kvm2"), None])
def test_the_same_folder_on_two_hosts_is_shared_or_one_host_under_two_names(machine):
    world, hosts = attic(machine)
    hosts.stored = {("kvm1", 42): (DAY, 5), ("kvm2", 42): (DAY, 5)}
    assert leftovers(world, hosts) == []


def test_folder_of_a_domain_that_is_there_or_that_something_works_on_is_no_leftover():
    world, hosts = attic(Resting(42, "RUNNING", "kvm2"))
    world.machines[42].runs_on = ["kvm1"]
    assert leftovers(world, hosts) == []
    world, hosts = attic(Resting(42, "RUNNING", "kvm2"), busy=[42])
    assert leftovers(world, hosts) == []
    world, hosts = attic()
    for more in ("\n/proc/9/comm\tqemu-kvm\n/proc/9/fd/3\t/var/lib/one/datastores/0/42/disk.0\n",
                 "\n/proc/9/cmdline\ttar -C /var/lib/one/datastores/0 -xf -\n"):
        plain = Hosts(world)
        plain.stored, answer = hosts.stored, plain.answer
        plain.answer = lambda host, text, answer=answer, more=more: answer(host, text).replace("\n== processes\n", "\n== processes" + more)
        assert leftovers(world, plain) == [], more


def test_folder_of_an_imported_vm_whose_domain_is_there_is_no_leftover():
    world, hosts = attic(Resting(42, "RUNNING", "kvm2"))
    plain, body = hosts.answer, world.machines[42].xml
    world.machines[42].xml = lambda: body().replace("<USER_TEMPLATE>", "<DEPLOY_ID>web</DEPLOY_ID><USER_TEMPLATE>")
    assert len(leftovers(world, hosts)) == 1
    hosts.answer = lambda host, text: plain(host, text).replace("\n== domains\n", "\n== domains\n 7   web   running\n")
    assert leftovers(world, hosts) == []


def test_folders_on_the_front_end_and_of_vms_that_the_daemon_does_not_tell_about_are_no_leftovers():
    world, hosts = attic(None, ["kvm1", FRONT_END])
    world.machines[7] = Machine(7, "EPILOG_STOP")               # its disks go to the front-end, which is asked for them
    assert [left["host"] for left in leftovers(world, hosts)] == ["kvm1"] and FRONT_END in hosts.asked
    plain = world.vm

    def vm(number):
        if number == 42:
            raise fakes.Refused("one.vm.info", "here", 512, "Not authorized to perform USE VM [42].")
        return plain(number)

    world.vm = vm
    assert leftovers(world, hosts) == []


@pytest.mark.parametrize("lost", ["domains-end", "processes-end"])
def test_half_an_answer_tells_no_leftovers(lost):
    world, hosts = attic()
    assert len(leftovers(world, hosts)) == 2
    plain = hosts.answer
    hosts.answer = lambda host, text: plain(host, text).replace(f"\n== {lost}\n", "\n")
    assert leftovers(world, hosts) == []


def test_leftovers_cost_no_session_no_verdict_and_no_call_for_what_rests_where_it_is():
    machines = [Resting(number, "POWEROFF", "kvm1") for number in range(100, 180)]
    world = fakes.World(Machine(6, "MIGRATE", ["kvm2"]), Resting(42, "RUNNING", "kvm2"), *machines)
    hosts = Hosts(world)
    before = plan(world, hosts)["vms"]
    hosts.asked, hosts.stored = [], {("kvm1", machine.id): (DAY, machine.id) for machine in machines}
    hosts.stored.update({("kvm1", 42): (DAY, 1), ("kvm2", 42): (DAY, 2)})
    world.requests = 0
    seen = plan(world, hosts)
    assert seen["vms"] == before and hosts.asked == ["kvm1", "kvm2"] and [left["vm"] for left in seen["leftovers"]] == [42] and world.requests < 10
    assert leftovers(world, hosts, vms=[6]) == [] and len(leftovers(world, hosts, vms=[6, 42])) == 1
    assert leftovers(world, None) == [] and world.calls == []


def test_a_recovery_lists_no_folders():
    world, hosts = attic(Resting(42, "RUNNING", "kvm2"))
    assert "leftovers" not in recover(world, hosts).results and all("list=''" in text for text in hosts.scripts)


def test_the_plan_shows_leftovers_with_what_to_do():
    lines = recovery_table.table(plan(*attic(Resting(42, "RUNNING", "kvm2"))), "alpha")
    at = lines.index("zone alpha: 1 folders on hypervisors seem to be left over; look at them by hand, recovery removes nothing")
    assert lines[at + 2].split()[:6] == ["kvm1", "/var/lib/one/datastores/0/42", "vm42", "24", "h", "2"]
    assert lines[at + 2].endswith("remove this folder by hand.")
