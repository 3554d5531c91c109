# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules host and host_info against the stand-in daemon: what 5.0.2 refuses is refused, what it keeps is kept."""
import json
import pathlib
import random
import sys
import threading

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import opennebula
from ansible_collections.constellation.opennebula.plugins.module_utils.core import hosts
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import NotConverged, NotThere, Problems
from ansible_collections.constellation.opennebula.plugins.modules import host, host_info

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from daemon_fakes import SESSION, Daemon, Encrypting, nobody, world_in  # noqa: E402

CANARY = "CANARY-9f2c"
CLOUDS = [
    {"name": "us-east-1", "im": "ec2", "vm": "ec2", "cluster": "clouds", "enabled": False},
    {"name": "partner", "im": "one", "vm": "one", "attributes": {"one_user": "hybrid", "ONE_CAPACITY": {"cpu": 0, "MEMORY": 0}, "PUBLIC_CLOUD": True},
     "secrets": {"ONE_PASSWORD": CANARY}},
]


@pytest.fixture(name="world")
def world_(tmp_path):
    world = world_in(tmp_path)
    world.ok("one.cluster.allocate", "clouds")
    return world


@pytest.fixture(name="daemon")
def daemon_(world):
    return Daemon(world)


def run(daemon, *items, check_mode=False, **options):
    return host.ensure({"hosts": list(items), "update_secrets": "always", **options}, lambda: daemon, check_mode)


def attributes(world, number=0):
    return {child.tag: child.text or {key.tag: key.text for key in child} for child in world.xml("one.host.info", number).find("TEMPLATE")}


def test_check_mode_foresees_what_a_run_does_and_a_second_run_reads_the_pool_once(world, daemon):
    foreseen = run(daemon, *CLOUDS, check_mode=True)
    assert foreseen.changed and daemon.changing == []
    daemon.methods()
    done = run(daemon, *CLOUDS)
    assert done.plan.as_list() == foreseen.plan.as_list()
    assert daemon.methods() == ["one.hostpool.info", "one.clusterpool.info", "one.host.allocate", "one.host.status", "one.host.allocate", "one.host.update",
                                "one.hostpool.info"]
    assert world.xml("one.host.info", 0).findtext("CLUSTER") == "clouds" and world.xml("one.host.info", 0).findtext("STATE") == "4"
    assert attributes(world, 1) == {"IM_MAD": "one", "VM_MAD": "one", "ONE_USER": "hybrid", "ONE_CAPACITY": {"CPU": "0", "MEMORY": "0"},
                                    "PUBLIC_CLOUD": "YES", "ONE_PASSWORD": CANARY, "RESERVED_CPU": {}, "RESERVED_MEM": {}}
    assert not run(daemon, *CLOUDS).changed
    assert daemon.methods() == ["one.hostpool.info"]
    assert not run(daemon, *CLOUDS, check_mode=True).changed


def test_what_the_info_module_returns_can_be_given_back(world, daemon):
    run(daemon, *CLOUDS)
    world.monitor.once()
    daemon.methods()
    told = host_info.read(lambda: daemon)
    assert daemon.methods() == ["one.hostpool.info", "one.system.version"]
    assert told["answers"] and told["release"] == "5.0.2" and [one["name"] for one in told["hosts"]] == ["us-east-1", "partner"]
    assert told["hosts"][1] == {"id": 1, "name": "partner", "im": "one", "vm": "one", "cluster": "default", "enabled": True,
                                "attributes": {"ONE_USER": "hybrid", "ONE_CAPACITY": {"CPU": "0", "MEMORY": "0"}, "PUBLIC_CLOUD": "YES"}}
    assert told["details"][1]["state"] == "MONITORED" and told["details"][1]["hidden"] == ["ONE_PASSWORD"]
    assert set(told["hosts"][0]) <= set(host.SPEC["hosts"]["options"])
    assert not run(daemon, *told["hosts"]).changed


def test_undeclared_attributes_stay_and_null_removes_one(world, daemon):
    run(daemon, {"name": "h", "im": "kvm", "vm": "kvm", "attributes": {"A": "1", "B": "2"}, "secrets": {"ONE_PASSWORD": CANARY}})
    world.ok("one.host.update", 0, 'HYPERVISOR="kvm"\nNOTE="say \\"hi\\""', 1)
    done = run(daemon, {"name": "h", "attributes": {"b": 3, "C": "c"}})
    assert done.plan.as_list() == [{"kind": "host", "target": "h", "before": {"attributes": {"B": "2"}}, "after": {"attributes": {"B": "3", "C": "c"}}}]
    assert daemon.changing[-1] == ("one.host.update", 0, 'B=3\nC="c"', 1)
    done = run(daemon, {"name": "h", "attributes": {"A": None, "GONE": None}})
    assert done.plan.as_list()[0]["before"] == {"attributes": {"A": "1"}} and done.plan.as_list()[0]["after"] == {"attributes": {}}
    assert attributes(world) == {"IM_MAD": "kvm", "VM_MAD": "kvm", "B": "3", "C": "c", "HYPERVISOR": "kvm", "NOTE": 'say "hi"', "ONE_PASSWORD": CANARY,
                                 "RESERVED_CPU": {}, "RESERVED_MEM": {}}
    assert CANARY not in (world.places.log / "oned.log").read_text(encoding="utf-8")


def test_a_host_in_error_is_managed_and_stays_in_its_cluster(world, daemon):
    run(daemon, {"name": "h", "im": "kvm", "vm": "kvm", "cluster": "100", "attributes": {"LAB_STATE": "ERROR"}})
    world.monitor.once()
    assert world.xml("one.host.info", 0).findtext("STATE") == "3"
    done = run(daemon, {"name": "h", "enabled": True, "attributes": {"A": "1"}})
    assert [call[0] for call in daemon.changing[-1:]] == ["one.host.update"] and done.results["hosts"][0]["cluster"] == "clouds"
    assert world.xml("one.host.info", 0).findtext("STATE") == "3"           # enabling again would have hidden the error
    run(daemon, {"name": "h", "cluster": "default"})
    assert world.xml("one.host.info", 0).findtext("CLUSTER_ID") == "0" and "<HOSTS><ID>0</ID></HOSTS>" in world.ok("one.cluster.info", 0)


def test_enable_disable_and_offline(world, daemon):
    run(daemon, {"name": "h", "im": "kvm", "vm": "kvm"})
    assert run(daemon, {"name": "h", "enabled": False}).plan.as_list()[0]["after"] == {"enabled": False}
    assert world.xml("one.host.info", 0).findtext("STATE") == "4" and not run(daemon, {"name": "h", "enabled": False}).changed
    run(daemon, {"name": "h", "enabled": True})
    assert world.xml("one.host.info", 0).findtext("STATE") == "0"
    world.ok("one.host.status", 0, 2)
    assert not run(daemon, {"name": "h", "enabled": False}).changed
    assert run(daemon, {"name": "h", "enabled": True}).changed


def test_rename_by_id(world, daemon):
    run(daemon, {"name": "a", "im": "kvm", "vm": "kvm"}, {"name": "b", "im": "kvm", "vm": "kvm"})
    run(daemon, {"id": 0, "name": "c"})
    assert world.xml("one.host.info", 0).findtext("NAME") == "c"
    with pytest.raises(Problems, match=r"cannot rename host 0 \(c\) to b: host 1 has this name"):
        run(daemon, {"id": 0, "name": "b"})
    with pytest.raises(Problems, match="cannot create host 7: there is no host 7, and the daemon gives the ids"):
        run(daemon, {"id": 7, "im": "kvm", "vm": "kvm"})


@pytest.mark.parametrize("item, words", [
    ({"name": "kvm1", "im": "ec2"}, "cannot change the driver of host kvm1: im is kvm, wanted ec2. Move its VMs away, remove the host"),
    ({"name": "kvm1", "cluster": "nosuch"}, r"cluster nosuch does not exist. There are: default \(0\), clouds \(100\)."),
    ({"name": "new", "im": "ec2"}, "cannot create host new: it does not exist, and a new host needs vm. Declare them"),
    ({"name": "kvm1", "state": "absent"}, r"cannot remove host kvm1: it has VMs \(0\), and the daemon removes no host with VMs. Move or terminate them first"),
    ({"name": "nosuch", "state": "flushed"}, "cannot flush host nosuch: it does not exist"),
])
def test_what_cannot_be_done_is_told_before_anything_is_touched(world, daemon, item, words):
    world.add_host("kvm1")
    world.lifecycle.hosts.place(0, world.lifecycle.vms.get(world.ok("one.vm.allocate", "", True)))
    with pytest.raises(Problems, match=words) as caught:
        run(daemon, {"name": "first", "im": "kvm", "vm": "kvm"}, item)
    assert daemon.changing == [] and "nothing was changed" in str(caught.value)


def test_all_mistakes_of_the_input_come_at_once(daemon):
    with pytest.raises(Problems) as caught:
        run(daemon, {}, {"name": "a;b"}, {"name": "x", "attributes": {"IM_MAD": "kvm", "1A": 1, "B": [[1]], "C": {}, "D": {"E": {}}, "F": 'a "b\\', "G": "]]>",
                                                                      "H": "a\rb", "I": "1"}, "secrets": {"i": "2"}},
            {"name": "x", "state": "flushed", "enabled": True})
    assert caught.value.problems == [
        "a host has neither id nor name", "host a;b: the name has ';', which OpenNebula does not allow",
        "host x: IM_MAD is the host's driver: use the options im and vm", "host x: '1A' is no name: letters, digits and '_' only, and no digit first",
        "host x: B: a list inside of a list; give text, numbers, booleans or dictionaries", "host x: C: a vector needs at least one key with a value",
        "host x: D: E is a dict; vectors do not nest: give text, a number or a boolean", "host x: D: a vector needs at least one key with a value",
        "host x: F: the value cannot be written: OpenNebula's templates know no escape for a '\\' at the end or for ']]>'",
        "host x: G: the value cannot be written: OpenNebula's templates know no escape for a '\\' at the end or for ']]>'",
        "host x: H: the value has a control character, which XML-RPC does not carry", "host x: I is declared twice",
        "host x: a flushed host is disabled; leave enabled out", "name 'x' is given twice"]


def test_flush_disables_and_reschedules_what_runs(world, daemon):
    world.add_host("kvm1"), world.add_host("kvm2")
    vms = {state: world.machine_in(state) for state in ("RUNNING", "UNKNOWN", "PROLOG", "POWEROFF")}
    for number in vms.values():
        world.lifecycle.hosts.place(1, world.lifecycle.vms.get(number))
    foreseen = run(daemon, {"name": "kvm2", "state": "flushed"}, check_mode=True)
    assert daemon.changing == []
    done = run(daemon, {"name": "kvm2", "state": "flushed"})
    assert done.plan.as_list() == foreseen.plan.as_list() == [
        {"kind": "host", "target": "kvm2", "before": {"enabled": True}, "after": {"enabled": False, "rescheduled": [vms["RUNNING"], vms["UNKNOWN"]]}}]
    assert done.plan.warnings == (f"host kvm2: only running VMs can be rescheduled; these stay: {vms['PROLOG']} (PROLOG), {vms['POWEROFF']} (POWEROFF)",)
    assert {state: world.xml("one.vm.info", number).findtext("RESCHED") for state, number in vms.items()} == {
        "RUNNING": "1", "UNKNOWN": "1", "PROLOG": "0", "POWEROFF": "0"}
    assert not run(daemon, {"name": "kvm2", "state": "flushed"}).changed
    late = Daemon(world, release="5.10.5")          # from 5.10 on a VM that is off can be moved, too
    assert run(late, {"name": "kvm2", "state": "flushed"}, check_mode=True).plan.as_list()[0]["after"]["rescheduled"] == [vms["POWEROFF"]]


def test_removed_only_once(world, daemon):
    run(daemon, *CLOUDS)
    gone = [{"name": one["name"], "state": "absent"} for one in CLOUDS]
    assert [change["after"] for change in run(daemon, *gone).plan.as_list()] == [None, None]
    assert world.ok("one.hostpool.info") == "<HOST_POOL></HOST_POOL>" and not run(daemon, *gone).changed


def test_a_daemon_that_ignores_a_change_is_told(world):
    run(Daemon(world), {"name": "h", "im": "kvm", "vm": "kvm"})
    with pytest.raises(NotConverged, match="host h did not converge"):
        run(Daemon(world, deaf=("one.host.update",)), {"name": "h", "attributes": {"A": "1"}})
    with pytest.raises(NotConverged, match="host secrets h did not converge"):
        run(Daemon(world, deaf=("one.host.update",)), {"name": "h", "secrets": {"A": CANARY}})


def test_secrets_in_clear_are_compared(world, daemon):
    run(daemon, CLOUDS[1])
    other = dict(CLOUDS[1], secrets={"ONE_PASSWORD": CANARY + "x"})
    done = run(daemon, other)
    assert done.plan.as_list() == [{"kind": "host secrets", "target": "partner", "before": {"ONE_PASSWORD": "(secret)"},
                                    "after": {"ONE_PASSWORD": "(secret, changed)"}}]
    assert attributes(world)["ONE_PASSWORD"] == CANARY + "x" and not run(daemon, other).changed
    assert not run(daemon, CLOUDS[1], update_secrets="on_create").changed


def test_secrets_that_come_back_encrypted(world):
    daemon = Encrypting(world)
    run(daemon, CLOUDS[1])
    daemon.methods()
    assert not run(daemon, CLOUDS[1]).changed and daemon.methods() == ["one.hostpool.info", "one.host.info"]
    assert run(daemon, dict(CLOUDS[1], secrets={"ONE_PASSWORD": "another"})).changed and attributes(world)["ONE_PASSWORD"] == "another"
    stranger = Encrypting(world, admin=False)
    assert run(stranger, CLOUDS[1]).changed and run(stranger, CLOUDS[1]).changed         # cannot know, says so, and does not fail
    assert not run(stranger, CLOUDS[1], update_secrets="on_create").changed
    assert host_info.read(lambda: stranger)["details"][0]["hidden"] == ["ONE_PASSWORD"]


def test_one_encrypted_secret_among_several_keeps_all_from_confirming(world):
    stranger = Encrypting(world, admin=False)
    item = {"name": "h", "im": "kvm", "vm": "kvm", "secrets": {"ONE_PASSWORD": "a", "PIN": "b"}}
    run(stranger, item)
    changes = run(stranger, dict(item, secrets={"ONE_PASSWORD": "c", "PIN": "d"})).plan.changes
    assert [change.readable for change in changes] == [False] and set(changes[0].after) == {"ONE_PASSWORD", "PIN"}


def test_a_vector_with_secret_keys(world, daemon):
    item = {"name": "h", "im": "kvm", "vm": "kvm", "attributes": {"PROVISION": {"ID": 1}}, "secrets": {"provision": {"PIN": CANARY}}}
    done = run(daemon, item)
    assert done.plan.as_list()[0]["after"]["attributes"] == {"PROVISION": {"ID": "1", "PIN": "(secret)"}}
    assert attributes(world)["PROVISION"] == {"ID": "1", "PIN": CANARY} and not run(daemon, item).changed


def test_no_secret_in_any_result_or_log(world, daemon):
    told = [run(daemon, *CLOUDS, check_mode=True).as_result(), run(daemon, *CLOUDS).as_result(), host_info.read(lambda: daemon)]
    told.append(run(daemon, dict(CLOUDS[1], secrets={"ONE_PASSWORD": CANARY * 2})).as_result())
    told.append(run(daemon, {"name": "partner", "secrets": {"ONE_PASSWORD": None}}).as_result())
    run(daemon, {"name": "partner", "attributes": {"ONE_PASSWORD": CANARY}})            # declared in the wrong place
    told.append(run(daemon, {"name": "partner", "attributes": {"ONE_PASSWORD": CANARY + "y"}}).as_result())
    told.append(run(daemon, {"name": "partner", "state": "absent"}).as_result())
    assert CANARY not in json.dumps(told)
    log = (world.places.log / "oned.log").read_text(encoding="utf-8")
    assert '"# constellation.open..."' in log and "CANAR" not in log
    assert host.SPEC["hosts"]["options"]["secrets"]["no_log"] and host.opennebula.ARGUMENTS["password"]["no_log"]


def test_without_a_daemon_check_mode_foresees_everything_and_a_run_fails(daemon):
    foreseen = host.ensure({"hosts": CLOUDS, "update_secrets": "always"}, nobody, True)
    assert foreseen.plan.as_list() == run(daemon, *CLOUDS, check_mode=True).plan.as_list() and foreseen.results["hosts"] == []
    gone = [{"name": "a", "state": "absent"}, {"name": "b", "state": "flushed"}]
    assert not host.ensure({"hosts": gone, "update_secrets": "always"}, nobody, True).changed
    with pytest.raises(NotThere):
        host.ensure({"hosts": CLOUDS, "update_secrets": "always"}, nobody, False)
    assert host_info.read(nobody) == {"answers": False, "reason": "OpenNebula does not answer at http://localhost:2633/RPC2: Connection refused.", "hosts": []}


def test_many_declarations_of_seed_20261121(daemon):
    """Whatever is accepted is foreseen, done, and silent in the second run."""
    chance, done, refused = random.Random(20261121), 0, 0

    def scalar():
        return chance.choice(["".join(chance.choices('ab "\\=,[]#\n<&;é$', k=chance.randrange(7))), chance.randrange(-5, 99), chance.random() < .5, "yes"])

    def value():
        vector = {chance.choice("KLM"): scalar() for unused in range(chance.randrange(1, 4))}
        return chance.choice([scalar(), scalar(), vector, [vector, {"K": scalar()}], [scalar(), scalar()], None])

    for unused in range(100):
        item = {"name": chance.choice("hi"), "im": "kvm", "vm": "kvm", "attributes": {chance.choice("ABcD"): value() for unused in range(chance.randrange(5))},
                "secrets": {"PIN": scalar()}}
        try:
            foreseen = run(daemon, item, check_mode=True)
        except Problems:
            refused += 1
            continue
        assert run(daemon, item).plan.as_list() == foreseen.plan.as_list() and not run(daemon, item, check_mode=True).changed, item
        done += 1
    assert done > 60 and refused > 0


def test_through_the_stand_ins_own_server(world):
    from oned.server import Server
    server = Server(("127.0.0.1", 0), world.api.answer)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        with opennebula.OpenNebula(f"http://127.0.0.1:{server.server_port}/RPC2", SESSION) as daemon:
            item = dict(CLOUDS[1], attributes={"NOTE": 'ä "quoted" <&> \\ C:\\dir\nsecond line'})
            assert run(daemon, item).changed and not run(daemon, item).changed
            assert host_info.read(lambda: daemon)["hosts"][0]["attributes"] == item["attributes"]
            with pytest.raises(opennebula.Refused, match="HostAllocate"):
                daemon.call("one.host.allocate", "partner", "one", "one", -1)
    finally:
        server.shutdown()
        server.server_close()


def test_every_state_has_a_name():
    assert len(hosts.STATES) == 9 and hosts.STATES[8] == "OFFLINE" and set(hosts.OUT_OF_USE) < set(hosts.STATES)


def test_an_attribute_vm_of_an_owners_template_is_no_vm():
    page = ("<VM_POOL><VM><ID>7</ID><STATE>3</STATE><LCM_STATE>3</LCM_STATE><RESCHED>0</RESCHED><USER_TEMPLATE><VM><ID>8</ID><STATE>mine</STATE></VM>"
            "</USER_TEMPLATE></VM></VM_POOL>")
    assert hosts._vms([page]) == {7: hosts.Vm(7, "RUNNING", False)}                                             # pylint: disable=protected-access
