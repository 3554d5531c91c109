# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypervisor adapter before it reaches anybody; against real sshd: tests/servers/test_hypervisor_ssh.py."""
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
