# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module driver_conf on a real directory tree."""
from __future__ import annotations

import getpass
import grp
import json
import os

import pytest
import yaml
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters.tree import Tree
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, Problems
from ansible_collections.constellation.opennebula.plugins.modules import driver_conf

ME = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid())[0]}
SECRET = "CANARY-9f2c"
EC2 = ("proxy_uri:\nregions:\n    default:\n        region_name: us-east-1\n        access_key_id:\n        secret_access_key:\n"
       "        capacity:\n            m1.small: 5\n")
DEFAULT = "# head\n<!-- <TEMPLATE/> -->\n<TEMPLATE>\n  <AZURE>\n    <LOCATION>west-europe</LOCATION>\n  </AZURE>\n</TEMPLATE>\n"
RC = "# EHAUTH=\n"
WANT = {"files": [
    {"path": "/etc/one/ec2_driver.conf", "format": "yaml", "settings": {"proxy_uri": "http://p:1", "regions": {"default": {"capacity": {"m1.small": 6}}}},
     "secrets": {"regions": {"default": {"access_key_id": SECRET + "-1", "secret_access_key": SECRET + "-2"}}}, **ME},
    {"path": "/etc/one/az_driver.default", "format": "template_xml", "settings": {"TEMPLATE": {"AZURE": {"VM_USER": "joe"}}},
     "secrets": {"TEMPLATE": {"AZURE": {"VM_PASSWORD": SECRET + "-3"}}}, **ME},
    {"path": "/etc/one/vmm_eh/vmm_ehrc", "format": "shell", "secrets": {"EHAUTH": SECRET + "-4"}, **ME},
    {"path": "/etc/one/vmm_eh/vmm_eh.conf", "format": "oned", "settings": {"EH": {"CPUMHZ": 500}}, "secrets": {"EH": {"VNCPASSWORD": SECRET + "-5"}}, **ME},
]}


@pytest.fixture
def tree(tmp_path):
    for name, text in {"ec2_driver.conf": EC2, "az_driver.default": DEFAULT, "vmm_eh/vmm_ehrc": RC}.items():
        (tmp_path / "etc/one" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "etc/one" / name).write_text(text)
        (tmp_path / "etc/one" / name).chmod(0o600)
    return Tree(str(tmp_path))


def texts(tmp_path):
    return {str(path.relative_to(tmp_path)): path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}


def targets(outcome):
    return [item["target"].replace("/etc/one/", "") for item in outcome.plan.as_list()]


def test_check_mode_foresees_what_a_run_does_and_a_second_run_changes_nothing(tree, tmp_path):
    before = texts(tmp_path)
    foreseen = driver_conf.ensure(WANT, tree, True)
    assert texts(tmp_path) == before
    done = driver_conf.ensure(WANT, tree, False)
    assert done.as_result() == foreseen.as_result()
    assert targets(done) == [
        "ec2_driver.conf proxy_uri", "ec2_driver.conf regions/default/access_key_id", "ec2_driver.conf regions/default/secret_access_key",
        "ec2_driver.conf regions/default/capacity/m1.small", "az_driver.default TEMPLATE/AZURE/VM_USER", "az_driver.default TEMPLATE/AZURE/VM_PASSWORD",
        "vmm_eh/vmm_ehrc EHAUTH", "vmm_eh/vmm_eh.conf", "vmm_eh/vmm_eh.conf EH/CPUMHZ", "vmm_eh/vmm_eh.conf EH/VNCPASSWORD"]
    data = yaml.safe_load((tmp_path / "etc/one/ec2_driver.conf").read_text())
    assert data == {"proxy_uri": "http://p:1", "regions": {"default": {
        "region_name": "us-east-1", "access_key_id": SECRET + "-1", "secret_access_key": SECRET + "-2", "capacity": {"m1.small": 6}}}}
    assert (tmp_path / "etc/one/vmm_eh/vmm_ehrc").read_text() == f"# EHAUTH=\nEHAUTH={SECRET}-4\n"
    assert (tmp_path / "etc/one/vmm_eh/vmm_eh.conf").stat().st_mode & 0o7777 == 0o600
    after = texts(tmp_path)
    assert not driver_conf.ensure(WANT, tree, False).changed and not driver_conf.ensure(WANT, tree, True).changed
    assert texts(tmp_path) == after


@pytest.mark.parametrize("check", [True, False])
def test_secrets_are_not_shown_old_or_new(tree, tmp_path, check):
    """Also those in comments, in sections that are not ours, and those that are given among the plain settings."""
    conf = tmp_path / "etc/one/ec2_driver.conf"
    conf.write_text(EC2.replace("access_key_id:\n", f"access_key_id: {SECRET}-old # was {SECRET}-old\n", 1)
                    + f"    other:\n        secret_access_key: '{SECRET}-other'\n#   secret_access_key: {SECRET}-comment\n"
                    f"more:\n    secret_access_key: |\n        {SECRET}\n        -block\nagain:\n"
                    f"    secret_access_key: {SECRET}-one\n    secret_access_key: {SECRET}-two\n")
    (tmp_path / "etc/one/az_driver.default").write_text(DEFAULT.replace("<TEMPLATE/>", f"<VM_PASSWORD>{SECRET}-example</VM_PASSWORD>"))
    (tmp_path / "etc/one/vmm_eh/vmm_ehrc").write_text(f"#EHAUTH={SECRET}-old\nPASSWORD='{SECRET}-old'\n")
    want = {"files": WANT["files"] + [{"path": "/etc/one/x", "format": "yaml", "settings": {"client_secret": SECRET + "-6"}, **ME}]}
    told = driver_conf.ensure(want, tree, check).as_result()
    assert SECRET not in json.dumps(told)
    assert {"kind": "setting", "target": "/etc/one/ec2_driver.conf regions/default/access_key_id", "before": "(secret)", "after": "(secret)"} in told["changes"]
    assert '-        access_key_id: "(secret)"' not in told["diff"]["after"] and 'access_key_id: "(secret, changed)"' in told["diff"]["after"]
    assert "<VM_PASSWORD>(secret, changed)</VM_PASSWORD>" in told["diff"]["after"] or "<VM_PASSWORD>(secret)</VM_PASSWORD>" in told["diff"]["after"]


def test_bare_host_is_foreseen_although_account_and_directory_are_missing(tmp_path):
    want = {"files": [dict(file, owner="no-such-user", group="no-such-group") for file in WANT["files"]]}
    tree = Tree(str(tmp_path))
    foreseen = driver_conf.ensure(want, tree, True)
    assert foreseen.changed and texts(tmp_path) == {}
    with pytest.raises(CoreError, match="no such user or group: .*no-such-user"):
        driver_conf.ensure(want, tree, False)
    assert texts(tmp_path) == {}
    assert [dict(item) for item in driver_conf.ensure({"files": [dict(file, **ME) for file in want["files"]]}, tree, False).plan.as_list()
            if item["kind"] == "setting"] == [item for item in foreseen.plan.as_list() if item["kind"] == "setting"]


def test_missing_file_is_made_unless_told_otherwise(tree, tmp_path):
    file = {"path": "/etc/one/new.conf", "format": "yaml", "settings": {":a": 1}, **ME}
    left = driver_conf.ensure({"files": [dict(file, create=False)]}, tree, False)
    assert not left.changed and left.results["changed_files"] == []
    assert not (tmp_path / "etc/one/new.conf").exists()
    assert driver_conf.ensure({"files": [file]}, tree, False).changed
    assert (tmp_path / "etc/one/new.conf").read_text() == ":a: 1\n"


def test_mode_and_owner_alone_are_mended(tree, tmp_path):
    driver_conf.ensure(WANT, tree, False)
    (tmp_path / "etc/one/ec2_driver.conf").chmod(0o644)
    before = texts(tmp_path)
    done = driver_conf.ensure(WANT, tree, False)
    assert done.plan.as_list() == [{"kind": "file", "target": "/etc/one/ec2_driver.conf", "before": {"mode": "0644", **ME}, "after": {"mode": "0600", **ME}}]
    assert (tmp_path / "etc/one/ec2_driver.conf").stat().st_mode & 0o7777 == 0o600 and texts(tmp_path) == before
    assert not driver_conf.ensure(WANT, tree, False).changed


def test_removal_gives_the_bytes_back(tree, tmp_path):
    before = texts(tmp_path)
    driver_conf.ensure(WANT, tree, False)
    back = {"files": [
        {"path": "/etc/one/ec2_driver.conf", "format": "yaml", "settings": {"proxy_uri": None, "regions": {"default": {"capacity": {"m1.small": 5}}}},
         "secrets": {"regions": {"default": {"access_key_id": None, "secret_access_key": None}}}, "create": False, **ME},
        {"path": "/etc/one/az_driver.default", "format": "template_xml", **ME,
         "remove": [["TEMPLATE", "AZURE", "VM_USER"], ["TEMPLATE", "AZURE", "VM_PASSWORD"]]},
        {"path": "/etc/one/vmm_eh/vmm_ehrc", "format": "shell", "remove": [["EHAUTH"]], **ME},
        {"path": "/etc/one/vmm_eh/vmm_eh.conf", "format": "oned", "remove": [["EH", "CPUMHZ"], ["EH", "VNCPASSWORD"]], **ME},
    ]}
    done = driver_conf.ensure(back, tree, False)
    assert SECRET not in json.dumps(done.as_result())
    assert {name: text for name, text in texts(tmp_path).items() if name in before} == before
    assert (tmp_path / "etc/one/vmm_eh/vmm_eh.conf").read_text().strip() == ""
    assert not driver_conf.ensure(back, tree, False).changed


def test_one_file_that_cannot_be_changed_leaves_all_as_they_are(tree, tmp_path):
    (tmp_path / "etc/one/ec2_driver.conf").write_text("regions: [a, b]\n")
    before = texts(tmp_path)
    for check in (True, False):
        with pytest.raises(CoreError) as caught:
            driver_conf.ensure({"files": list(reversed(WANT["files"]))}, tree, check)
        assert caught.value.where == "/etc/one/ec2_driver.conf:1" and SECRET not in str(caught.value)
    assert texts(tmp_path) == before


@pytest.mark.parametrize("change, expected", [
    ({"settings": {"a": [1]}}, "/f: a: a list cannot be written"),
    ({"settings": {"a": {"b": float("nan")}}}, "/f: a/b: this is no number that the driver could use"),
    ({"settings": {"a": "x\udcff"}}, "/f: a: the text is no UTF-8"),
    ({"settings": {"a": 1}, "secrets": {":a": SECRET}}, "/f: a is there twice"),
    ({"settings": {"a": {"b": 1}}, "remove": [["a"]]}, "/f: a is wanted and to be removed"),
    ({"remove": [[]]}, "/f: remove has an empty path"),
    ({"format": "shell", "settings": {"A": "x\ny"}}, "/f: A: the text has several lines"),
    ({"format": "template_xml", "settings": {"A": True}}, "/f: A: say as text how this truth value is written there, such as 'YES' or 'true'"),
    ({"format": "template_xml", "settings": {"A": "\x01"}}, "/f: A: the text has a control character"),
])
def test_mistakes_are_told_before_anything_is_read(tree, change, expected):
    with pytest.raises(Problems) as caught:
        driver_conf.ensure({"files": [{"path": "/f", "format": "yaml", **ME, **change}, *[{"path": "/g", "format": "yaml"}] * 2]}, tree, True)
    assert caught.value.problems == [expected, "/g is declared 2 times"]
    assert SECRET not in str(caught.value)


def test_tree_that_ignores_writes_is_told(tree):
    class Stubborn(Tree):
        def write(self, path, content, mode, owner, group):
            """Accept, and do nothing."""
    with pytest.raises(NotConverged, match="proxy_uri"):
        driver_conf.ensure(WANT, Stubborn(tree.root), False)


def test_diff_says_which_files_change(tree):
    driver_conf.ensure({"files": WANT["files"][:1]}, tree, check_mode=False)
    told = driver_conf.ensure({"files": WANT["files"][:3]}, tree, check_mode=True).as_result(diff=True)
    assert told["diff"]["before_header"] == told["diff"]["after_header"] == "/etc/one/az_driver.default, /etc/one/vmm_eh/vmm_ehrc"
    assert told["changed_files"] == ["/etc/one/az_driver.default", "/etc/one/vmm_eh/vmm_ehrc"]
