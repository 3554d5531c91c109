# SPDX-License-Identifier: GPL-3.0-or-later
"""Transfer scripts on a front-end: real files and real scripts in a tree of their own."""
import fcntl
import getpass
import json
import os
import pathlib
import subprocess
import tempfile
import time

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters.transfer import Transfers
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError


@pytest.fixture
def place(tmp_path):
    for folder in ("var/lib/one/vms/7", "var/lib/one/remotes/tm/ssh", "var/log/one", "etc/one", "run/lock"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "var/lib/one/config").write_text("PORT=2633\nSCRIPTS_REMOTE_DIR=/var/tmp/one\nTM_MAD=ARGUMENTS=-t 15,EXECUTABLE=one_tm\n")
    return Transfers(tmp_path, tmp_path / "var/log/one/recovery.log", user=getpass.getuser())


def script(place, text, name="ssh/clone", mode=0o755):
    path = place.var / "remotes/tm" / name
    path.write_text("#!/bin/bash\n" + text + "\n")
    path.chmod(mode)
    return str(path)


def test_the_file_of_a_vm_is_read_with_the_time_it_was_written(place):
    path = place.var / "vms/7/transfer.0.prolog"
    path.write_bytes(b"CLONE\n")
    os.utime(path, ns=(1, 123456789))
    assert place.read("7/transfer.0.prolog") == (str(path), b"CLONE\n", 123456789)
    with pytest.raises(CoreError, match="cannot read the VM's transfer script at .*transfer.1.stop: No such file or directory"):
        place.read("7/transfer.1.stop")


def test_scripts_are_found_missing_or_not_executable(place):
    path = script(place, "exit 0")
    script(place, "exit 0", "ssh/mv", 0o644)
    assert place.script(["ssh/clone.x", "ssh/clone"]) == {"script": path, "exists": True, "executable": True, "problem": ""}
    assert place.script(["ssh/mv"])["problem"] == "its script is not executable" and place.script(["ssh/mv"])["exists"]
    missing = {"script": str(place.var / "remotes/tm/ssh/ln"), "exists": False, "executable": False, "problem": "its script is not there"}
    assert place.script(["ssh/ln"]) == missing
    assert place.script(["ceph/ln"])["problem"] == "its transfer driver is not on this front-end"
    assert place.script([])["script"] is None


def test_what_the_daemon_tells_its_drivers_is_needed(place):
    assert place.config()["SCRIPTS_REMOTE_DIR"] == "/var/tmp/one" and place.config()["TM_MAD"] == "ARGUMENTS=-t 15,EXECUTABLE=one_tm"
    (place.var / "config").unlink()
    with pytest.raises(CoreError, match="cannot read what the daemon tells its drivers"):
        place.config()


def test_a_step_gets_its_arguments_as_they_are_and_the_daemons_environment(place, monkeypatch):
    monkeypatch.setenv("ANSIBLE_CANARY", "x")
    (place.root / "etc/one/defaultrc").write_text("PRIORITY=7\n")
    (place.root / "etc/one/tmrc").write_text("# comment\nTM_SPECIAL=yes\n")
    out = place.root / "seen"
    path = script(place, f'{{ pwd; nice; printf "%s\\n" "$@"; env; }} > {out}')
    ended = place.run([path, "a  b", "$(x)", "'q'"], place.config(), 10)
    assert (ended["code"], ended["why"], ended["ended"], ended["err"]) == (0, "", True, "")
    lines = out.read_text().splitlines()
    assert lines[:5] == [str(place.var), str(min(19, os.nice(0) + 7)), "a  b", "$(x)", "'q'"]
    names = {line.partition("=")[0] for line in lines[5:]}
    assert {"PATH", "HOME", "LANG", "SCRIPTS_REMOTE_DIR", "TM_SPECIAL"} <= names and not {"ANSIBLE_CANARY", "ONE_LOCATION"} & names


def test_a_self_contained_installation_has_its_own_places(place, tmp_path):
    inside = Transfers(tmp_path, tmp_path / "var/log/one/recovery.log", location="/srv/one", user=getpass.getuser())
    assert inside.var == tmp_path / "srv/one/var"
    (inside.var / "remotes/tm/ssh").mkdir(parents=True)
    path = script(inside, f'echo "$ONE_LOCATION" > {tmp_path}/seen')
    assert inside.run([path], {}, 10)["code"] == 0 and (tmp_path / "seen").read_text() == "/srv/one\n"


def test_a_failure_brings_its_code_and_what_was_said(place):
    path = script(place, 'echo "ERROR MESSAGE --8<------" >&2; echo full >&2; echo "ERROR MESSAGE ------>8--" >&2; exit 3')
    ended = place.run([path], {}, 10)
    assert ended["code"] == 3 and "full" in ended["err"] and ended["ended"]
    assert place.run([str(place.var / "nothing")], {}, 10)["code"] == 127


def test_a_step_that_takes_too_long_is_stopped_with_its_children(place):
    path = script(place, f"sleep 300 & echo $! > {place.root}/child; wait")
    begun = time.monotonic()
    ended = place.run([path], {}, 1)
    assert ended["code"] is None and ended["why"] == "it did not end within 1 s and was stopped" and not ended["ended"] and time.monotonic() - begun < 9
    child = (place.root / "child").read_text().strip()
    state = subprocess.run(["ps", "-o", "stat=", "-p", child], capture_output=True, text=True, check=False).stdout.strip()
    assert state in ("",) or state.startswith("Z")


def test_what_a_step_leaves_in_the_background_is_not_waited_for_nor_ended(place):
    path = script(place, f"sleep 5 & echo $! > {place.root}/child")
    begun = time.monotonic()
    assert place.run([path], {}, 10)["code"] == 0 and time.monotonic() - begun < 4
    os.kill(int((place.root / "child").read_text()), 0)


def test_without_the_daemons_user_nothing_runs(place):
    nobody = Transfers(place.root, place.records, user="nobody-of-that-name")
    for use in (nobody.config, lambda: nobody.run(["/bin/true"], {}, 1)):
        with pytest.raises(CoreError, match="cannot run transfer scripts at user nobody-of-that-name: there is no such user"):
            use()


def test_another_user_is_put_on_for_the_step(place):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for folder in [place.root, *place.root.parents][:4]:
        if folder != pathlib.Path(tempfile.gettempdir()):       # it is everybody's already, and must stay so
            folder.chmod(0o755)
    out = place.root / "seen"
    out.write_text("")
    out.chmod(0o666)
    path = script(place, f"id -un > {out}; id -G >> {out}; echo $HOME >> {out}")
    assert Transfers(place.root, place.records, user="nobody").run([path], {}, 10)["code"] == 0
    name, groups, home = out.read_text().splitlines()
    assert name == "nobody" and "0" not in groups.split() and home != os.environ.get("HOME")


def test_records_are_kept_in_order_and_torn_lines_passed_over(place):
    assert place.entries(7) == []
    place.note({"vm": 7, "step": 1, "result": "begun"})
    place.note({"vm": 8, "step": 1, "result": "begun"})
    with open(place.records, "a", encoding="utf-8") as file:
        file.write('{"vm": 7, "st')
    place.note({"vm": 7, "step": 1, "result": "done"})
    assert [entry["result"] for entry in place.entries(7)] == ["begun", "done"]
    assert json.loads(place.records.read_text().splitlines()[0]) == {"vm": 7, "step": 1, "result": "begun"}
    with pytest.raises(CoreError, match="cannot write the record of transfer steps at /nowhere/recovery-transfers.log"):
        Transfers(place.root, "/nowhere/x").note({})


def test_a_transfer_is_ours_alone_while_we_hold_it(place):
    other = Transfers(place.root, place.records)
    with place.locked(7, make=False):           # nobody ever locked it, and looking makes no file
        assert list((place.root / "run/lock").iterdir()) == []
    with place.locked(7):
        with other.locked(8):
            pass
        for make in (True, False):
            with pytest.raises(CoreError, match="the VM's transfer is busy at VM 7"):
                with other.locked(7, make):
                    raise AssertionError("two at once")
    with other.locked(7):
        pass


def test_a_step_holds_the_transfer_also_when_we_are_gone(place):
    path = script(place, "sleep 300")
    with place.locked(7):
        held = place._now_locked
        process = subprocess.Popen([path], pass_fds=(held,), start_new_session=True)        # what run() does, and then we die
    try:
        with pytest.raises(CoreError, match="a step that one began still runs"):
            with place.locked(7):
                raise AssertionError("the lock was free")
    finally:
        os.killpg(process.pid, 9)
        process.wait()
    deadline = time.monotonic() + 5
    while True:
        handle = os.open(place.root / "run/lock/vm_transfer.7.lock", os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        finally:
            os.close(handle)


def test_run_hands_the_lock_to_the_step(place):
    out = place.root / "seen"
    path = script(place, f"ls -l /proc/self/fd > {out}")
    with place.locked(7):
        place.run([path], {}, 10)
    assert "vm_transfer.7.lock" in out.read_text()
