# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module oned_conf_info: what the daemon loads, without secrets, and good to be given back to oned_conf."""
import json
import pathlib

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.adapters.files import Store
from ansible_collections.constellation.opennebula.plugins.modules import oned_conf, oned_conf_info

CANARY = "CANARY-9f2c"
SHARED = pathlib.Path(__file__).resolve().parents[3].parent / "shared"
TEXT = f"""# OpenNebula\r
PORT = 2633
ONE_PASSWORD = {CANARY}
DB = [ BACKEND = "mysql", PASSWD = "{CANARY}" ]
#MANAGER_TIMER = 15
#IM_MAD = [ NAME="ec2", EXECUTABLE="one_im_sh" ]
IM_MAD = [ NAME="kvm", EXECUTABLE="one_im_ssh" ]
VM_RESTRICTED_ATTR = "RANK"
VM_RESTRICTED_ATTR = "NIC/MAC"
"""


@pytest.fixture
def conf(tmp_path):
    path = tmp_path / "oned.conf"
    path.write_text(TEXT, newline="")
    return str(path)


def read(path):
    return oned_conf_info.read({"path": path, "release": None}, Store(path))


def given_back(path, found):
    options = {"path": path, "release": None, "attributes": found["attributes"], "stanzas": found["stanzas"], "backup": False, "mode": None, "mads_dir": None}
    return oned_conf.ensure(options, Store(path), True)


def test_info_returns_what_the_daemon_loads_without_secrets(conf):
    found = read(conf)
    assert found == {
        "exists": True,
        "attributes": [{"name": "PORT", "value": "2633"}, {"name": "VM_RESTRICTED_ATTR", "values": ["RANK", "NIC/MAC"]}],
        "stanzas": [{"section": "DB", "settings": {"BACKEND": "mysql"}},
                    {"section": "IM_MAD", "name": "kvm", "settings": {"NAME": "kvm", "EXECUTABLE": "one_im_ssh"}}],
        "commented": ["MANAGER_TIMER", "IM_MAD ec2"],
        "swallowed": [{"kind": "crlf", "line": 1, "column": 13,
                       "text": "1 line ending in CR LF: the daemon takes the CR as part of the value, quotes included"}],
    }
    assert CANARY not in json.dumps(found)


def test_what_info_returns_changes_nothing(conf):
    assert not given_back(conf, read(conf)).changed


def test_values_that_are_no_utf8_are_left_out_and_never_break_the_answer(tmp_path):
    path = tmp_path / "oned.conf"
    path.write_bytes(b'A = "caf\xe9"\nB = "caf\xc3\xa9"\nX = [ K = \xff, L = 1 ]\n#IM_MAD = [ NAME = \xff ]\n')
    found = read(str(path))
    assert found["attributes"] == [{"name": "B", "value": "caf\u00e9"}] and found["stanzas"] == [{"section": "X", "settings": {"L": "1"}}]
    options = {"path": str(path), "release": None, "attributes": [{"name": "A", "value": "x"}], "stanzas": [], "backup": False, "mode": None, "mads_dir": None}
    foreseen = oned_conf.ensure(options, Store(str(path)), True).as_result()
    assert foreseen["changes"][0]["before"] == "caf\\xe9"
    json.dumps([found, foreseen], ensure_ascii=False).encode("utf-8")       # strict: no surrogate is left
    assert not given_back(str(path), found).changed


def test_a_missing_file_is_empty(tmp_path):
    assert read(str(tmp_path / "none")) == {"attributes": [], "stanzas": [], "commented": [], "swallowed": [], "exists": False}


@pytest.mark.skipif(not SHARED.exists(), reason="the shipped files are not here")
def test_shipped_files_can_be_given_back():
    paths = [path for path in sorted((SHARED / "fixtures/config").glob("*/*.conf")) if path.name in ("oned.conf", "sched.conf", "monitord.conf")]
    assert paths
    for path in paths:
        found = read(str(path))
        assert found["stanzas"] and not given_back(str(path), found).changed, path
