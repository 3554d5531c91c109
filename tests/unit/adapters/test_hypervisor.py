# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypervisor adapter before it reaches anybody; against real sshd: tests/servers/test_hypervisor_ssh.py."""
import os
import subprocess
import time

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters.hypervisor import Hypervisors
from ansible_collections.constellation.opennebula.plugins.module_utils.core import hypervisor
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError

pytest.importorskip("paramiko")
pytest.importorskip("tenacity")


@pytest.mark.parametrize("name, text, words", [
    ("config", "Match final all\n User oneadmin\n", "config: paramiko does not understand this file"), ("config", "Host\n", "does not understand this file"),
    ("config", "\udcff\n", "does not understand this file"), ("config", "Host kvm1\n Port ssh\n", "does not understand what is in"),
    ("known_hosts", "kvm9 ssh-ed25519 AAAA!!!notbase64\n", "does not understand what is in")])
def test_files_that_only_ssh_reads_silence_the_hosts_and_not_the_front_end(tmp_path, name, text, words):
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    answers = Hypervisors(directory=tmp_path).ask({"kvm1": "true", hypervisor.FRONT_END: "echo here"})
    assert answers[hypervisor.FRONT_END] == "here\n"
    assert isinstance(answers["kvm1"], CoreError) and words in str(answers["kvm1"]) and "Mend the file" in str(answers["kvm1"])


@pytest.mark.parametrize("tool, lost", [("find", "processes-end"), ("grep", "processes-end"), ("", "")])
def test_a_host_whose_tools_are_too_small_does_not_say_that_nothing_works_there(tmp_path, tool, lost):
    """busybox has a find without -printf and a grep without -a: they would list no process at all, as if there were none."""
    if tool:
        (tmp_path / tool).write_text("#!/bin/sh\necho unrecognized option >&2\nexit 1\n")
        (tmp_path / tool).chmod(0o755)
    rows = [hypervisor.Question(7, "one-7", "", f"{tmp_path}/0/7", "f")]
    text = f"PATH={tmp_path}:$PATH\n" + hypervisor.script(rows, location=str(tmp_path))
    answer = Hypervisors(directory=tmp_path).ask({hypervisor.FRONT_END: text})[hypervisor.FRONT_END]
    read = hypervisor.parse(answer, rows)
    assert ("== processes-end" in answer) is not bool(lost) and (read.busy is None) is bool(lost) and read.folders[rows[0].folder] is None


def listing(tmp_path, text="", **more):
    """Return what this machine says of the folders in datastores 0 and 100 below ``tmp_path``."""
    answer = Hypervisors(directory=tmp_path).ask({hypervisor.FRONT_END: text + hypervisor.script([], location=str(tmp_path), stores=[0, 100], **more)})
    return hypervisor.parse(answer[hypervisor.FRONT_END], [], str(tmp_path)).stored


def test_every_vms_folder_of_a_datastore_is_listed_with_age_and_size(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "100").symlink_to("real")
    for name in ("0/7", "0/8", "0/08", "0/replica_snaps", "0/7/9", "0/1a", "100/42", "1/13"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "0/11").write_text("no folder")
    (tmp_path / "0/12").symlink_to("8")
    (tmp_path / "0/7/disk.0").write_bytes(b"x" * (3 << 20))
    os.utime(tmp_path / "0/7", (time.time() - 5000, time.time() - 5000))
    stored = listing(tmp_path)
    assert set(stored) == {(0, 7), (0, 8), (100, 42)}
    assert 5000 <= stored[0, 7].age_s < 5100 and 3 << 10 <= stored[0, 7].kib < 4 << 10 and stored[0, 8].age_s < 100
    assert stored[0, 7].inode == str((tmp_path / "0/7").stat().st_ino) and stored[100, 42].local is stored[0, 7].local
    assert listing(tmp_path, "stat() { [ $1 = -f ] && echo nfs; }\ntimeout() { shift 3; \"$@\"; }\n")[0, 7].local is False
    assert listing(tmp_path, "timeout() { shift 3; \"$@\"; }\ndu() { return 1; }\n")[0, 7].kib is None


@pytest.mark.parametrize("place", ["0/7", "100/42"])
def test_a_folder_that_a_process_has_open_is_told_as_open(tmp_path, place):
    (tmp_path / "real").mkdir()
    (tmp_path / "100").symlink_to("real")
    for name in ("0/7", "0/8", "100/42"):
        (tmp_path / name).mkdir(parents=True)
    with open(tmp_path / place / "disk.0", "wb") as held:
        sleeper = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL, stdout=held)
    try:
        stored = listing(tmp_path)
    finally:
        sleeper.kill()
        sleeper.wait()
    assert {f"{store}/{number}" for (store, number), folder in stored.items() if folder.open} == {place}


def test_a_listing_that_failed_lists_nothing(tmp_path):
    (tmp_path / "0/7").mkdir(parents=True)
    assert listing(tmp_path) and not listing(tmp_path, "timeout() { case $4 in find) return 1 ;; esac; shift 3; \"$@\"; }\n")
    assert not listing(tmp_path, "timeout() { return 124; }\n")
