# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module oned_conf on a file that behaves: predicted = done, second run silent, secrets nowhere."""
import json

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, NotThere, Problems
from ansible_collections.constellation.opennebula.plugins.modules import oned_conf

CANARY = "CANARY-9f2c"
TEXT = b'''# OpenNebula\r
PORT = 2633 # caf\xe9
DB = [ BACKEND = "sqlite" ]
# DB = [ BACKEND = "mysql",
#        PASSWD  = "oneadmin" ]
FEDERATION = [
    MODE        = "STANDALONE",
    MASTER_ONED = ""
]
#IM_MAD = [ NAME="ec2", EXECUTABLE="one_im_sh" ]
IM_MAD = [ NAME="kvm", EXECUTABLE="one_im_ssh" ]
VM_RESTRICTED_ATTR = "RANK"
'''
WANT = {
    "attributes": [{"name": "PORT", "value": 2634}, {"name": "VM_RESTRICTED_ATTR", "values": ["NIC/MAC"]}],
    "stanzas": [
        {"section": "DB", "settings": {"BACKEND": "mysql", "USER": "oneadmin"}, "secrets": {"PASSWD": CANARY}},
        {"section": "FEDERATION", "settings": {"MODE": "MASTER", "ZONE_ID": 0}},
        {"section": "IM_MAD", "name": "ec2"},
        {"section": "IM_MAD", "name": "kvm", "state": "commented"},
    ],
}


class FakeStore:
    """A file in memory; ``stubborn`` accepts writes and forgets them."""

    path = "/etc/one/oned.conf"

    def __init__(self, data=TEXT, mode="0640", stubborn=False):
        self.data, self.bits, self.stubborn, self.writes = data, mode, stubborn, []

    def read(self):
        if self.data is None:
            raise NotThere("there is no configuration file", self.path)
        return self.data

    def mode(self):
        return self.bits

    def set_mode(self, mode):
        self.writes.append("mode")
        self.bits = mode.rjust(4, "0")

    def replace(self, data, backup=False):
        self.writes.append("replace")
        if not self.stubborn:
            self.data = data
        return "/etc/one/oned.conf.backup~" if backup else None


def params(**options):
    return dict({"path": FakeStore.path, "release": "5.0", "attributes": [], "stanzas": [], "backup": False, "mode": None, "mads_dir": None}, **options)


@pytest.mark.parametrize("want", [WANT, {"attributes": [{"name": "PORT", "state": "absent"}]}, {"stanzas": [{"section": "DB", "state": "commented"}]},
                                  {"mode": "600"}, dict(WANT, mode="0600", backup=True)])
def test_check_mode_foresees_what_a_run_does_and_a_second_run_changes_nothing(want):
    store = FakeStore()
    foreseen = oned_conf.ensure(params(**want), store, True)
    assert foreseen.changed and store.writes == []
    done = oned_conf.ensure(params(**want), store, False)
    assert done.plan.as_list() == foreseen.plan.as_list() and done.plan.diff() == foreseen.plan.diff()
    written = list(store.writes)
    for check_mode in (True, False):
        again = oned_conf.ensure(params(**want), store, check_mode)
        assert not again.changed and again.as_result()["diff"]["before"] == again.as_result()["diff"]["after"]
        assert again.results["changed_files"] == []
    assert store.writes == written and len(written) <= 2
    assert foreseen.results["changed_files"] == [FakeStore.path]
    assert done.results == dict({"backup_file": "/etc/one/oned.conf.backup~"} if want.get("backup") else {}, changed_files=[FakeStore.path])


def test_everything_else_keeps_its_bytes():
    store = FakeStore()
    oned_conf.ensure(params(**WANT), store, False)
    kept = [line for line in TEXT.split(b"\n") if line[:1] == b"#" and b"ec2" not in line]
    assert all(line in store.data for line in kept) and b" # caf\xe9\n" in store.data and b'\nIM_MAD = [ NAME="ec2", EXECUTABLE="one_im_sh" ]\n' in store.data


def test_secrets_are_nowhere():
    store = FakeStore()
    outcomes = [oned_conf.ensure(params(**WANT), store, True), oned_conf.ensure(params(**WANT), store, False)]
    assert CANARY.encode() in store.data
    other = {"stanzas": [{"section": "DB", "settings": {}, "secrets": {"PASSWD": CANARY + "-2"}}]}
    outcomes.append(oned_conf.ensure(params(**other), store, False))
    outcomes.append(oned_conf.ensure(params(stanzas=[{"section": "DB", "state": "commented"}]), store, False))
    assert all(outcome.changed for outcome in outcomes)
    shown = json.dumps([outcome.as_result() for outcome in outcomes])
    assert CANARY not in shown and "(secret, changed)" in shown
    with pytest.raises(CoreError) as caught:
        oned_conf.ensure(params(**WANT), FakeStore(b'DB = [ PASSWD = "%s" X ]\n' % CANARY.encode()), False)
    assert CANARY not in str(caught.value) + json.dumps(caught.value.as_dict())


def test_secrets_among_the_settings_are_known():
    options = {"attributes": [{"name": "EHAUTH", "value": "a"}, {"name": "PORT", "value": 1}], "stanzas": [{"settings": {"PASSWD": "b", "USER": "u"}}]}
    assert oned_conf.oned_conf_shown.secrets_among(**options) == {"a", "b"}


def test_the_argument_spec_hides_secrets():
    assert oned_conf.SPEC["stanzas"]["options"]["secrets"]["no_log"] is True


def test_a_missing_file_is_foreseen_and_refused():
    store = FakeStore(data=None, mode=None)
    foreseen = oned_conf.ensure(params(**{**WANT, "stanzas": WANT["stanzas"][:2]}), store, True)
    assert {change["target"] for change in foreseen.plan.as_list()} == {"PORT", "VM_RESTRICTED_ATTR", "DB", "FEDERATION"}
    with pytest.raises(NotThere):
        oned_conf.ensure(params(**WANT), store, False)


def test_a_file_that_forgets_is_told():
    with pytest.raises(NotConverged, match="attribute PORT did not converge"):
        oned_conf.ensure(params(**WANT), FakeStore(stubborn=True), False)


def test_a_file_that_the_daemon_refuses_is_not_touched():
    store = FakeStore(b"PORT = 1\nX Y = 2\n")
    with pytest.raises(CoreError, match=r"/etc/one/oned.conf:2:3: a name is not followed by '='"):
        oned_conf.ensure(params(**WANT), store, False)
    assert store.writes == []


def test_warnings_about_what_the_daemon_swallows():
    outcome = oned_conf.ensure(params(), FakeStore(b'PORT = "1";\n'), True)
    assert not outcome.changed and outcome.plan.warnings == ("/etc/one/oned.conf:1:8: something is glued to the quoted value, its quotes are part of the value",
                                                             )


STATES = {"live": 'A = 1\nIM_MAD = [ NAME = "ec2", K = "x" ]\n', "commented": '#A = 1\n#IM_MAD = [\n#  NAME = "ec2", K = "x" ]\n', "missing": "B = 1\n",
          "several": 'A = 1\nA = 2\nIM_MAD = [ NAME = "ec2", K = "x" ]\n#A = 3\n#IM_MAD = [ NAME = "ec2" ]\nIM_MAD = [ NAME = "ec2", K = "y" ]\n'}


@pytest.mark.parametrize("kind", ["attribute", "list", "stanza", "stanza with settings"])
@pytest.mark.parametrize("state", ["present", "absent", "commented"])
@pytest.mark.parametrize("before", STATES)
def test_every_state_from_every_state(before, state, kind):
    want = {"attribute": {"attributes": [{"name": "A", "value": 5, "state": state}]}, "list": {"attributes": [{"name": "A", "values": [1, 5], "state": state}]},
            "stanza": {"stanzas": [{"section": "IM_MAD", "name": "ec2", "settings": {"L": 2} if before == "missing" else {}, "state": state}]},
            "stanza with settings": {"stanzas": [{"section": "IM_MAD", "name": "ec2", "settings": {"K": "z", "L": 2}, "state": state}]}}[kind]
    store = FakeStore(STATES[before].encode())
    foreseen = oned_conf.ensure(params(**want), store, True)
    assert store.data == STATES[before].encode()
    done = oned_conf.ensure(params(**want), store, False)
    assert (done.plan.as_list(), done.plan.diff(), done.plan.warnings) == (foreseen.plan.as_list(), foreseen.plan.diff(), foreseen.plan.warnings)
    assert done.changed == (store.data != STATES[before].encode())
    after = store.data
    for check_mode in (True, False):
        assert not oned_conf.ensure(params(**want), store, check_mode).changed and store.data == after


DRIVERS = {"stanzas": [{"section": "IM_MAD", "name": "ec2"}, {"section": "VM_MAD", "name": "x", "settings": {"EXECUTABLE": "/opt/x", "TYPE": "xml"}},
                       {"section": "IM_MAD", "name": "kvm", "state": "commented"}], "mads_dir": "/usr/lib/one/mads"}


def programs(**found):
    """Look into a directory that has these programs; it refuses to be asked for others."""
    def look(folder, names):
        assert folder == "/usr/lib/one/mads" and names == ["one_im_sh", "/opt/x"]
        return {name: (f"{folder}/{name}", found["state"]) for name in names} if found else None
    return look


def test_drivers_whose_programs_are_there_are_switched_on():
    store = FakeStore()
    assert oned_conf.ensure(params(**DRIVERS), store, False, programs(state="executable")).changed
    assert not oned_conf.ensure(params(**DRIVERS), store, False, programs(state="executable")).changed


@pytest.mark.parametrize("state, told", [("missing", "IM_MAD ec2: /usr/lib/one/mads/one_im_sh is not there"),
                                         ("no program", "IM_MAD ec2: /usr/lib/one/mads/one_im_sh is not executable")])
@pytest.mark.parametrize("check_mode", [True, False])
def test_a_driver_without_its_program_is_refused_before_writing(state, told, check_mode):
    store = FakeStore()
    with pytest.raises(Problems) as caught:
        oned_conf.ensure(params(**DRIVERS), store, check_mode, programs(state=state))
    assert told in str(caught.value) and len(caught.value.problems) == 2 and store.writes == []


def test_a_driver_stanza_that_names_no_program_is_refused():
    store = FakeStore()
    with pytest.raises(Problems, match="VM_MAD y: the stanza names no EXECUTABLE"):
        oned_conf.ensure(params(stanzas=[{"section": "VM_MAD", "name": "y", "settings": {"TYPE": "xml"}}], mads_dir="/usr/lib/one/mads"), store, True,
                         lambda folder, names: {})
    assert store.writes == []


def test_a_missing_directory_of_programs_is_passed_over_in_check_mode_only():
    store = FakeStore()
    assert oned_conf.ensure(params(**DRIVERS), store, True, programs()).changed
    with pytest.raises(Problems, match="/usr/lib/one/mads is not there"):
        oned_conf.ensure(params(**DRIVERS), store, False, programs())
    assert store.writes == []
