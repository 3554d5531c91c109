# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules vm_template and vm_template_info against the stand-in daemon."""
import json
import pathlib
import sys

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import NotConverged, NotThere, Problems
from ansible_collections.constellation.opennebula.plugins.modules import vm_template, vm_template_info

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from daemon_fakes import Daemon, nobody, world_in  # noqa: E402

CANARY = "CANARY-5b1d"
WEB = {
    "name": "web", "mode": "640",
    "template": {"cpu": 1, "MEMORY": 1024, "DISK": [{"IMAGE": "debian"}, {"IMAGE": "data", "SIZE": 10}], "NIC": {"network": "front"},
                 "CONTEXT": {"NETWORK": True, "NOTE": 'a "b" \\ $NAME'}},
    "public_clouds": [{"TYPE": "ec2", "HOST": "us-east-1", "AMI": "ami-1"}, {"TYPE": "ec2", "HOST": "eu-west-1", "AMI": "ami-2"},
                      {"type": "opennebula", "TEMPLATE_ID": 0}],
    "secrets": {"CONTEXT": {"PASSWORD": CANARY}},
}


@pytest.fixture(name="world")
def world_(tmp_path):
    return world_in(tmp_path)


@pytest.fixture(name="daemon")
def daemon_(world):
    return Daemon(world)


def run(daemon, *items, check_mode=False, **options):
    return vm_template.ensure({"templates": list(items), "update_secrets": "always", **options}, lambda: daemon, check_mode)


def sections(world, name, number=0):
    return [child.text or {key.tag: key.text for key in child} for child in world.xml("one.template.info", number).findall(f"TEMPLATE/{name}")]


def test_check_mode_foresees_what_a_run_does_and_a_second_run_reads_the_pool_once(world, daemon):
    foreseen = run(daemon, WEB, check_mode=True)
    assert foreseen.changed and daemon.changing == []
    daemon.methods()
    done = run(daemon, WEB)
    assert done.plan.as_list() == foreseen.plan.as_list()
    assert daemon.methods() == ["one.templatepool.info", "one.template.allocate", "one.template.chmod", "one.templatepool.info"]
    assert sections(world, "PUBLIC_CLOUD") == [{"TYPE": "ec2", "HOST": "us-east-1", "AMI": "ami-1"}, {"TYPE": "ec2", "HOST": "eu-west-1", "AMI": "ami-2"},
                                               {"TYPE": "opennebula", "TEMPLATE_ID": "0"}]
    assert sections(world, "DISK") == [{"IMAGE": "debian"}, {"IMAGE": "data", "SIZE": "10"}] and sections(world, "CPU") == ["1"]
    assert sections(world, "CONTEXT") == [{"NETWORK": "YES", "NOTE": 'a "b" \\ $NAME', "PASSWORD": CANARY}]
    assert not run(daemon, WEB).changed and daemon.methods() == ["one.templatepool.info"]
    assert not run(daemon, WEB, check_mode=True).changed


def test_what_the_info_module_returns_can_be_given_back(daemon):
    run(daemon, WEB, {"name": "plain"})
    told = vm_template_info.read(lambda: daemon)
    assert [(one["name"], one["owner"], one["group"], one["mode"]) for one in told["templates"]] == [("web", "oneadmin", "oneadmin", "640"),
                                                                                                     ("plain", "oneadmin", "oneadmin", "600")]
    assert told["details"][0]["hidden"] == ["CONTEXT"] and len(told["templates"][0]["public_clouds"]) == 3 and told["templates"][1]["public_clouds"] == []
    assert set(told["templates"][0]) <= set(vm_template.SPEC["templates"]["options"])
    assert not run(daemon, *told["templates"]).changed


def test_order_counts_for_disks_and_not_for_clouds(daemon):
    run(daemon, WEB)
    assert not run(daemon, dict(WEB, public_clouds=WEB["public_clouds"][::-1])).changed
    assert run(daemon, {"name": "web", "template": {"DISK": WEB["template"]["DISK"][::-1]}}, check_mode=True).changed


def test_declared_kinds_are_owned_whole_and_the_others_stay(world, daemon):
    run(daemon, WEB)
    done = run(daemon, {"name": "web", "template": {"NIC": [{"NETWORK": "a"}, {"NETWORK": "b"}]}, "public_clouds": [WEB["public_clouds"][0]]})
    assert [change["target"] for change in done.plan.as_list()] == ["web"] and daemon.changing[-1][-1] == 1
    assert len(sections(world, "PUBLIC_CLOUD")) == 1 and len(sections(world, "NIC")) == 2 and len(sections(world, "DISK")) == 2
    run(daemon, {"name": "web", "public_clouds": [], "template": {"DISK": None}})
    assert sections(world, "PUBLIC_CLOUD") == [] and sections(world, "DISK") == [] and sections(world, "CONTEXT")[0]["PASSWORD"] == CANARY
    run(daemon, {"name": "web", "template": {"CPU": 2}, "exclusive": True, "secrets": WEB["secrets"]})
    assert [child.tag for child in world.xml("one.template.info", 0).find("TEMPLATE")] == ["CONTEXT", "CPU"]


def test_a_name_belongs_to_its_owner_and_a_template_can_be_handed_over(world, daemon):
    number = world.ok("one.user.allocate", "bob", "secret", "core")
    world.ok("one.template.allocate", "NAME=web", session="bob:secret")
    run(daemon, WEB)
    assert world.xml("one.template.info", 1).findtext("UNAME") == "oneadmin"
    with pytest.raises(Exception, match="already owns virtual machine template"):
        world.ok("one.template.chown", 1, number, -1)
    given = {"name": "db", "owner": "bob", "group": "users", "template": {"CPU": 1}}
    foreseen = run(daemon, given, check_mode=True)
    done = run(daemon, given)
    assert done.plan.as_list() == foreseen.plan.as_list()
    assert [call[0] for call in daemon.changing[-2:]] == ["one.template.allocate", "one.template.chown"] and daemon.changing[-1][2:] == (number, 1)
    assert not run(daemon, given).changed
    with pytest.raises(Problems, match="user nobody does not exist. There are: oneadmin"):
        run(daemon, dict(given, owner="nobody"))
    with pytest.raises(Problems, match="cannot create template web for carl: oneadmin has a template of this name, 1. Say id: 1 to hand that one over"):
        run(daemon, {"name": "web", "owner": "carl"})
    assert not run(daemon, {"name": "web", "owner": "carl", "state": "absent"}).changed
    world.ok("one.user.allocate", "carl", "secret", "core")
    run(daemon, {"id": 1, "owner": "carl"})
    assert world.xml("one.template.info", 1).findtext("UNAME") == "carl"
    plain = Daemon(world, "bob:secret")
    assert run(plain, {"name": "db", "template": {"CPU": 2}}).changed and not run(plain, {"name": "db", "owner": "bob", "template": {"CPU": "2"}}).changed


def test_mode_rename_and_removal(world, daemon):
    run(daemon, WEB, {"name": "other"})
    assert run(daemon, {"name": "web", "mode": "0664"}).plan.as_list()[0]["after"] == {"mode": "664"}
    assert [leaf.text for leaf in world.xml("one.template.info", 0).find("PERMISSIONS")] == list("110110100")
    run(daemon, {"id": 0, "name": "www"})
    with pytest.raises(Problems, match=r"cannot rename template 0 \(www\) to other: template 1 has this name"):
        run(daemon, {"id": 0, "name": "other"})
    with pytest.raises(Problems, match="cannot create template 9: there is no template 9"):
        run(daemon, {"id": 9})
    assert run(daemon, {"name": "www", "state": "absent"}).changed and not run(daemon, {"name": "www", "state": "absent"}).changed


def test_all_mistakes_of_the_input_come_at_once(daemon):
    with pytest.raises(Problems) as caught:
        run(daemon, {}, {"name": "x", "mode": "rw", "template": {"NAME": "y", "public_cloud": []}, "public_clouds": [{"AMI": "a"}]}, {"name": "x"},
            {"name": "z", "secrets": {"NAME": "y"}})
    assert caught.value.problems == [
        "a template has neither id nor name", "template x: NAME is the template's name: use the option name",
        "template x: PUBLIC_CLOUD has an option of its own: public_clouds", "template x: section 1 of public_clouds has no TYPE (ec2, azure, opennebula, …)",
        "template x: mode 'rw' is not three octal digits such as '640' (quoted in YAML)", "template z: NAME is the template's name: use the option name",
        "template x is given twice"]


def test_what_a_whole_new_template_cannot_carry_is_told(world, daemon):
    world.ok("one.template.allocate", "<T><NAME>t</NAME><A>1</A><DIR>C:\\a b\\</DIR></T>")
    assert run(daemon, {"name": "t", "template": {"B": 1}}).changed
    with pytest.raises(Problems, match="cannot remove A at template t: DIR: the value cannot be written.*Change that value first"):
        run(daemon, {"name": "t", "template": {"A": None}})
    assert run(daemon, {"name": "t", "template": {"A": None, "DIR": "C:/a b"}}).changed


def test_a_daemon_that_ignores_a_change_is_told(world):
    run(Daemon(world), WEB)
    with pytest.raises(NotConverged, match="template web did not converge"):
        run(Daemon(world, deaf=("one.template.update",)), {"name": "web", "template": {"CPU": 7}})


def test_no_secret_in_any_result_or_log(world, daemon):
    told = [run(daemon, WEB, check_mode=True).as_result(), run(daemon, WEB).as_result(), vm_template_info.read(lambda: daemon)]
    told.append(run(daemon, {"name": "web", "template": {"CONTEXT": {"A": 1}}, "secrets": {"context": {"PASSWORD": CANARY * 2}}}).as_result())
    told.append(run(daemon, {"name": "web", "template": {"CONTEXT": {"A": 1}}}).as_result())
    told.append(run(daemon, {"name": "web", "state": "absent"}).as_result())
    assert CANARY not in json.dumps(told)
    assert "CANAR" not in (world.places.log / "oned.log").read_text(encoding="utf-8")
    assert vm_template.SPEC["templates"]["options"]["secrets"]["no_log"]


def test_without_a_daemon_check_mode_foresees_everything_and_a_run_fails(daemon):
    params = {"templates": [WEB, {"name": "old", "state": "absent"}, {"name": "db", "owner": "bob"}], "update_secrets": "always"}
    foreseen = vm_template.ensure(params, nobody, True)
    assert [change["target"] for change in foreseen.plan.as_list()] == ["web", "db"]
    assert foreseen.plan.as_list()[0] == run(daemon, WEB, check_mode=True).plan.as_list()[0]
    with pytest.raises(NotThere):
        vm_template.ensure(params, nobody, False)
    assert vm_template_info.read(nobody)["answers"] is False
