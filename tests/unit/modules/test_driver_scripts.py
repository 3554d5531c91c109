# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules driver_scripts and driver_scripts_info on a real tree, with real scripts that this user runs."""
import getpass
import grp
import json
import os
import time

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.adapters.scripts import Scripts
from ansible_collections.constellation.opennebula.plugins.module_utils.core import driver_scripts as core
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, NotThere, Problems
from ansible_collections.constellation.opennebula.plugins.modules import driver_scripts, driver_scripts_info

CANARY = "CANARY-9f2c"
REMOTES = "/var/lib/one/remotes"
GOOD = '#!/bin/sh\necho \'PUBLIC_CLOUD="YES"\'\necho \'HYPERVISOR="mycloud"\'\necho "HOSTNAME=$6"\n'
ACTIONS = {action.name: f"#!/bin/sh\n# {CANARY}\nexit 1\n" for action in core.actions("5.0.2")}


def params(**options):
    given = {"name": "mycloud", "release": "5.0.2", "generation": 5, "probes": {"monitor": GOOD}, "actions": ACTIONS, "required_actions": None,
             "hypervisor": None,
             "host": "remote", "host_id": -1, "probe_timeout_s": 10, "remotes": REMOTES, "owner": getpass.getuser(), "group": grp.getgrgid(os.getgid())[0],
             "state": "present"}
    return dict(given, **options)


@pytest.fixture
def one(tmp_path):
    """/var/lib/one as the package leaves it."""
    folder = tmp_path / "var/lib/one"
    (folder / "remotes/im/kvm.d").mkdir(parents=True)
    (folder / "remotes/vmm/kvm").mkdir(parents=True)
    (folder / "remotes/scripts_common.sh").write_text("COMMON=here\n")
    return folder


@pytest.fixture
def scripts(tmp_path, one):
    return Scripts(str(tmp_path))


def snapshot(folder):
    return {path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns) if path.is_file() else None
            for path in sorted(folder.rglob("*"))}


def test_check_mode_foresees_what_a_run_does_and_a_second_run_changes_nothing(scripts, one):
    before = snapshot(one)
    foreseen = driver_scripts.ensure(params(), scripts, True)
    assert snapshot(one) == before
    done = driver_scripts.ensure(params(), scripts, False)
    assert foreseen.plan.as_list() == done.plan.as_list() and len(done.plan.changes) == len(ACTIONS) + 1
    probe, action = one / "remotes/im/mycloud.d/monitor", one / "remotes/vmm/mycloud/deploy"
    assert probe.read_text() == GOOD and [path.stat().st_mode & 0o7777 for path in (probe, probe.parent, action, action.parent)] == [0o755] * 4
    assert sorted(path.name for path in one.iterdir()) == ["remotes"], "the copy was left behind"
    after = snapshot(one)
    assert not driver_scripts.ensure(params(), scripts, True).changed and not driver_scripts.ensure(params(), scripts, False).changed
    assert snapshot(one) == after
    assert CANARY not in json.dumps([outcome.as_result() for outcome in (foreseen, done)])


def test_probe_runs_as_the_daemon_runs_it(scripts, one):
    (one / "remotes/im/mycloud.d").mkdir()
    (one / "remotes/im/mycloud.d/10-there").write_text('#!/bin/sh\necho "THERE=yes"\n')
    (one / "remotes/im/mycloud.d/10-there").chmod(0o755)
    (one / "remotes/im/mycloud.d/20-not-executable").write_text("rubbish [\n")
    (one / "remotes/im/mycloud.d/30-old.dpkg-old").write_text("#!/bin/sh\nexit 1\n")
    (one / "remotes/im/mycloud.d/30-old.dpkg-old").chmod(0o755)
    record = one / "record"
    record.touch()
    stopped = {"monitor": "#!/bin/sh\nexit 1\n", "next": f"#!/bin/sh\necho ran > {record}\n"}
    with pytest.raises(Problems, match="probe monitor ended with 1"):
        driver_scripts.ensure(params(probes=stopped), scripts, False)
    assert record.read_text() == ""
    spy = GOOD + f'. ../../scripts_common.sh\n. ../../vmm/mycloud/lib.sh\n{{ pwd; echo "$0 $*"; echo "$COMMON $LIB"; ls; env; }} > {record}\n'
    driver_scripts.ensure(params(probes={"monitor": spy}, actions=dict(ACTIONS, **{"lib.sh": "LIB=lib\n"})), scripts, False)
    told = record.read_text().splitlines()
    assert told[0].endswith("/var/lib/one/.driver_scripts-mycloud.d/im/mycloud.d")
    assert told[1:3] == ["./monitor mycloud /var/lib/one/datastores 4124 20 -1 remote", "here lib"]
    assert "10-there" in told and "LANG=C" in told
    assert (one / "remotes/vmm/mycloud/lib.sh").stat().st_mode & 0o777 == 0o644


BAD = [
    ("#!/bin/sh\necho out of order >&2\nexit 3\n", "probe monitor ended with 3: out of order"),
    ("#!/bin/sh\nexit 3\n", "probe monitor ended with 3, and said nothing"),
    ("#!/bin/sh\nkill -9 $$\n", "probe monitor ended with -9"),
    ("#!/bin/sh\nsleep 30\n", "probe monitor did not end within 0.4 s"),
    ("#!/bin/sh\nsleep 30 &\necho x=y\n", "probe monitor did not end within 0.4 s"),
    ("#!/bin/sh\nexec cat /dev/zero\n", "probe monitor printed more than 1048576 bytes"),
    ("#!/bin/sh\necho 'PUBLIC_CLOUD=[ YES'\n", "probe monitor: OpenNebula cannot read what it prints"),
    ("#!/bin/sh\necho 'HYPERVISOR=mycloud'\n", 'no probe prints PUBLIC_CLOUD="YES" (it is not there)'),
    ("#!/bin/sh\necho 'HYPERVISOR=mycloud PUBLIC_CLOUD=NO'\n", "no probe prints PUBLIC_CLOUD=\"YES\" (it is 'NO')"),
    ("#!/bin/sh\necho 'HYPERVISOR=other PUBLIC_CLOUD=YES'\n", "no probe prints HYPERVISOR=\"mycloud\" (it is 'other')"),
    ("#!/bin/sh\n", 'no probe prints PUBLIC_CLOUD="YES"'),
]


@pytest.mark.parametrize("probe, expected", BAD, ids=[expected[-40:] for unused, expected in BAD])
def test_bad_probe_leaves_everything_as_it_is(scripts, one, probe, expected):
    driver_scripts.ensure(params(generation=3, probes=None), scripts, False)
    before = snapshot(one)
    started = time.monotonic()
    with pytest.raises(Problems) as caught:
        driver_scripts.ensure(params(probes={"monitor": probe}, probe_timeout_s=0.4 if 'sleep' in probe else 10), scripts, False)
    assert expected in str(caught.value) and "were left alone" in str(caught.value)
    assert time.monotonic() - started < 10 and snapshot(one) == before
    assert driver_scripts.ensure(params(probes={"monitor": probe}), scripts, True).changed, "check mode runs nothing"


def test_output_of_one_probe_that_runs_into_the_next_is_found(scripts):
    probes = {"1": "#!/bin/sh\nprintf 'PUBLIC_CLOUD=YES A=1'\n", "2": "#!/bin/sh\necho HYPERVISOR=mycloud\n"}
    with pytest.raises(Problems, match="HYPERVISOR|together"):
        driver_scripts.ensure(params(probes=probes), scripts, False)


def test_error_shows_no_secrets(scripts, monkeypatch):
    monkeypatch.setenv("ANSIBLE_THING", "LEAK-7d11")
    leaky = f"#!/bin/sh\necho {'x' * 5000} >&2\nset -x\nAPI_KEY='{CANARY}'\nenv | grep ANSIBLE_ >&2\necho $API_KEY >&2\nexit 1\n"
    library = {"cloud.yml": f"  secret_access_key: {CANARY}-too\n"}
    with pytest.raises(Problems) as caught:
        driver_scripts.ensure(params(probes={"monitor": leaky}, actions=dict(ACTIONS, **library)), scripts, False)
    text = str(caught.value) + json.dumps(caught.value.as_dict())
    assert CANARY not in text and "LEAK-7d11" not in text and "(secret)" in text and len(str(caught.value)) < 1000


def test_scripts_that_are_there_are_only_looked_at(scripts, one):
    driver_scripts.ensure(params(), scripts, False)
    (one / "remotes/im/mycloud.d/monitor").write_text("#!/bin/sh\nexit 1\n")
    there = params(probes=None, actions=None)
    assert not driver_scripts.ensure(there, scripts, False).changed and not driver_scripts.ensure(there, scripts, True).changed
    (one / "remotes/vmm/mycloud/deploy").chmod(0o644)
    (one / "remotes/vmm/mycloud/poll").unlink()
    (one / "remotes/im/mycloud.d/monitor").chmod(0o644)
    for check_mode in (True, False):
        with pytest.raises(Problems) as caught:
            driver_scripts.ensure(there, scripts, check_mode)
        text = str(caught.value)
        assert "vmm/mycloud/deploy is not executable: its mode is 0644" in text and "vmm/mycloud/poll is missing" in text
        assert "im/mycloud.d has no executable file" in text and "3 problems" in text
    (one / "remotes/vmm/mycloud/deploy").chmod(0o755)
    assert not driver_scripts.ensure(dict(there, required_actions=["deploy"], generation=3), scripts, False).changed


def test_absent_takes_only_what_it_was_told_about(scripts, one):
    before = snapshot(one)
    driver_scripts.ensure(params(), scripts, False)
    (one / "remotes/vmm/mycloud/own.conf").write_text("mine\n")
    gone = params(state="absent")
    foreseen = driver_scripts.ensure(gone, scripts, True)
    done = driver_scripts.ensure(gone, scripts, False)
    assert foreseen.plan.as_list() == done.plan.as_list()
    assert [change["target"] for change in done.plan.as_list() if change["kind"] == "folder"] == [f"{REMOTES}/im/mycloud.d"]
    assert [path.name for path in (one / "remotes/vmm/mycloud").iterdir()] == ["own.conf"] and not (one / "remotes/im/mycloud.d").exists()
    assert not driver_scripts.ensure(gone, scripts, False).changed and not driver_scripts.ensure(gone, scripts, True).changed
    (one / "remotes/vmm/mycloud/own.conf").unlink()
    (one / "remotes/vmm/mycloud").rmdir()
    assert snapshot(one) == before
    with pytest.raises(Problems, match="no plain file name"):
        driver_scripts.ensure(params(state="absent", probes={"../../../../etc/passwd": ""}), scripts, False)


def test_bare_host_is_foreseen_and_refused(tmp_path):
    bare = Scripts(str(tmp_path))
    assert len(driver_scripts.ensure(params(), bare, True).plan.changes) == len(ACTIONS) + 1
    assert not driver_scripts.ensure(params(probes=None, actions=None), bare, True).changed
    with pytest.raises(NotThere, match="Install the package opennebula first"):
        driver_scripts.ensure(params(), bare, False)
    assert list(tmp_path.iterdir()) == []


def test_missing_interpreter_and_owner_are_named(scripts, one):
    before = snapshot(one)
    with pytest.raises(Problems, match="there is no interpreter no-such-language"):
        driver_scripts.ensure(params(actions=dict(ACTIONS, deploy="#!/usr/bin/env no-such-language\n")), scripts, False)
    with pytest.raises(CoreError, match="no such user or group: nobody-of-that-name"):
        driver_scripts.ensure(params(owner="nobody-of-that-name"), scripts, False)
    assert snapshot(one) == before


def test_mistakes_are_told_together(scripts, one):
    before = snapshot(one)
    with pytest.raises(Problems) as caught:
        driver_scripts.ensure(params(name="a b", probes={"x": f"echo {CANARY}"}, actions={"deploy": "#!/bin/sh\n"}), scripts, False)
    assert len(caught.value.problems) == 3 and CANARY not in str(caught.value) and snapshot(one) == before


def test_what_an_interrupted_run_left_is_cleared(scripts, one):
    (one / ".driver_scripts-mycloud.d/im").mkdir(parents=True)
    driver_scripts.ensure(params(), scripts, False)
    assert [path.name for path in one.iterdir()] == ["remotes"]


def test_file_system_that_ignores_writes_is_found_out(scripts):
    scripts.write = lambda *given, **named: None
    with pytest.raises(NotConverged, match="script .*monitor did not converge"):
        driver_scripts.ensure(params(), scripts, False)


def test_what_is_read_can_be_given_back(scripts, one):
    asked = {"name": "mycloud", "release": "5.0.2", "remotes": REMOTES, "reveal": True}
    empty = driver_scripts_info.read(asked, scripts)
    assert empty == {"probes": [], "actions": [], "missing_actions": list(ACTIONS), "contents": {"probes": {}, "actions": {}}}
    driver_scripts.ensure(params(actions=dict(ACTIONS, **{"lib.rb": "# library\n"})), scripts, False)
    found = driver_scripts_info.read(asked, scripts)
    assert found["missing_actions"] == [] and [file["name"] for file in found["probes"]] == ["monitor"]
    assert [file["name"] for file in found["actions"] if not file["executable"]] == ["lib.rb"]
    assert not driver_scripts.ensure(params(**found["contents"]), scripts, False).changed
    assert CANARY not in json.dumps(driver_scripts_info.read(dict(asked, reveal=False), scripts))
