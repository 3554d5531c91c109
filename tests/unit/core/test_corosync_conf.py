# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""corosync.conf as a document: every byte that is not asked for stays; what the running corosync prints; the third vote."""
from __future__ import annotations

import pathlib
import shutil
import subprocess

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import corosync_conf, quorum_device
from hypothesis import given, settings
from hypothesis import strategies as st

PAIR = (pathlib.Path(__file__).resolve().parents[1] / "fixtures/cluster/corosync_pair.conf").read_text(encoding="utf-8")
NAMES = st.sampled_from(["token", "consensus", "version", "crypto_hash", "x-y", "exec_a/b"])
VALUES = st.text(alphabet="abc019 ._-:/", max_size=8).map(str.strip)
OPTION = st.tuples(NAMES, VALUES, st.sampled_from(["", "  ", "\t"])).map(lambda part: f"{part[2]}{part[0]}: {part[1]}")
LINE = st.one_of(st.just(""), st.just("   # token: 3"), OPTION)
BODY = st.lists(LINE, max_size=5)


@st.composite
def documents(draw):
    lines = draw(BODY)
    for name in draw(st.lists(st.sampled_from(["totem", "quorum", "logging"]), max_size=4)):
        lines += [f"{name} {{", *draw(BODY)]
        if draw(st.booleans()):
            lines += ["  device {", *draw(BODY), "  }"]
        lines += ["}", *draw(BODY)]
    return "\n".join(lines) + draw(st.sampled_from(["", "\n"]))


OPTIONS = st.tuples(st.sampled_from(["totem", "quorum", "quorum.device", "nowhere", "logging.logger_subsys"]), NAMES).map(".".join)


@settings(max_examples=200, deadline=None)
@given(documents(), st.dictionaries(OPTIONS, st.one_of(st.none(), VALUES), max_size=4))
def test_edit_changes_what_is_wanted_and_no_other_byte(text, wanted):
    before = corosync_conf.Document(text)
    assert before.render() == text
    after = corosync_conf.edited(text, wanted)
    expected = {name: value for name, value in dict(before.options(), **wanted).items() if value is not None}
    assert corosync_conf.Document(after).options() == expected
    assert corosync_conf.edited(after, wanted) == after
    touched = {name for name, value in wanted.items() if before.options().get(name) != value}
    kept = [line for line in text.splitlines() if line.strip().startswith("#")]
    assert [line for line in after.splitlines() if line.strip().startswith("#")] == kept
    assert touched or after == text


def test_edit_of_a_pair_is_the_smallest():
    new, last = corosync_conf.edited(PAIR, {"totem.token": "3000", "quorum.two_node": None, "system.priority": "max"}), "9c79c26ed4224546\n"
    assert new == PAIR.replace(last, f"{last}    token: 3000\n").replace("    two_node: 1\n", "") + "\nsystem {\n    priority: max\n}\n"


def test_option_that_is_given_twice_is_what_corosync_takes_and_is_left_once():
    text = "totem {\n token: 1\n token: 2\n}\n"
    assert corosync_conf.Document(text).options() == {"totem.token": "2"}
    assert corosync_conf.edited(text, {"totem.token": "3"}) == "totem {\n token: 3\n}\n"
    assert corosync_conf.edited(text, {"totem.token": None}) == "totem {\n}\n"


def test_key_in_the_file_is_not_shown():
    assert "CANARY" not in str(corosync_conf.Document("totem {\n key: CANARY-corosync\n}\n").options())


@pytest.mark.skipif(not shutil.which("corosync"), reason="corosync is not installed")
def test_corosync_itself_reads_what_we_write(tmp_path):
    """The parser of the daemon, not ours: it names the line of the bad value, and of nothing else."""
    (tmp_path / "corosync.conf").write_text(corosync_conf.edited(PAIR, {"totem.token": "soon", "system.priority": "max"}), encoding="utf-8")
    said = subprocess.run(["corosync", "-t", "-c", tmp_path / "corosync.conf"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
    assert 'corosync.conf:8: Value of key "totem.token" is expected to be integer' in said


def test_running_options_are_read():
    text = "quorum.two_node (u8) = 1\ntotem.token (u32) = 3000\nnodelist.node.0.name (str) = alpha1\nruntime.x (str) = a = b\nbad line\n"
    assert corosync_conf.parse_running(text) == {"quorum.two_node": "1", "totem.token": "3000", "nodelist.node.0.name": "alpha1", "runtime.x": "a = b"}


# --- the third vote ---------------------------------------------------------------------------------------------------------------------------

QUORUM = """Quorum information
------------------
Date:             Sat Nov 21 08:00:00 2026
Quorum provider:  corosync_votequorum
Nodes:            2
Node ID:          1
Ring ID:          1.5
Quorate:          Yes

Votequorum information
----------------------
Expected votes:   3
Highest expected: 3
Total votes:      3
Quorum:           2
Flags:            Quorate Qdevice

Membership information
----------------------
    Nodeid      Votes    Qdevice Name
         1          1    A,V,NMW alpha1 (local)
         2          1    A,V,NMW alpha2
         0          1            Qdevice
"""


def test_votes_are_counted():
    assert quorum_device.parse_quorum(QUORUM) == {"quorate": True, "expected_votes": 3, "total_votes": 3, "quorum": 2,
                                                  "device": {"votes": 1, "connected": True, "voting": True}}
    lost = QUORUM.replace("A,V,NMW alpha1", "NA,NV,NMW alpha1").replace("0          1            Qdevice", "0          0            Qdevice (votes 1)")
    assert quorum_device.parse_quorum(lost)["device"] == {"votes": 0, "connected": False, "voting": False}
    without = QUORUM.replace("         0          1            Qdevice\n", "").replace("A,V,NMW ", "")
    assert quorum_device.parse_quorum(without)["device"] is None and quorum_device.parse_quorum("Cannot initialize CMAP service\n") is None


@pytest.mark.parametrize("given_, expected", [
    (None, None), ({}, None), ("absent", "absent"), ({"state": "absent", "algorithm": "lms"}, "absent"),
    ({"host": "q", "state": "present", "timeout_ms": None}, {"host": "q", "algorithm": "ffsplit"}),
])
def test_declared_device(given_, expected):
    assert quorum_device.declared(given_) == expected


def test_device_of_the_file_is_compared_by_what_is_declared():
    options = corosync_conf.Document("quorum {\n device {\n model: net\n votes: 1\n timeout: 9\n net {\n host: q\n algorithm: lms\n }\n }\n}\n").options()
    assert quorum_device.there(options) == {"host": "q", "algorithm": "lms", "timeout_ms": "9"}
    declared = {"host": "q", "algorithm": "lms", "timeout_ms": "9"}
    assert quorum_device.plan("c", declared, quorum_device.there(options)) == ([], [])
    (change,), unused = quorum_device.plan("c", dict(declared, algorithm="ffsplit"), quorum_device.there(options))
    assert change.step == ("device", "update", {"algorithm": "ffsplit"}) and change.as_dict()["before"] == {"algorithm": "lms"}
    (change,), unused = quorum_device.plan("c", {"host": "q", "algorithm": "lms"}, quorum_device.there(options))
    assert change.step == ("device", "update", {"timeout_ms": None}) and change.as_dict()["before"] == {"timeout_ms": "9"}
