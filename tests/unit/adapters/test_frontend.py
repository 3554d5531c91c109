# SPDX-License-Identifier: GPL-3.0-or-later
"""What a front-end shows, from a made-up /proc, logs and CIB."""
import json
import os
import time

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters.frontend import Frontend
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters.transfer import Transfers
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError

TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def root(tmp_path):
    for folder in ("proc", "var/log/one", "var/lib/one/vms/7", "var/lib/pacemaker/cib"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "proc/stat").write_text("cpu  1 2 3\nbtime 1700000000\nprocesses 5\n")
    return tmp_path


def process(root, pid, name, seconds, *command):
    place = root / "proc" / str(pid)
    place.mkdir()
    fields = ["S"] + ["0"] * 18 + [str(int(seconds * TICKS))] + ["0"] * 10
    (place / "stat").write_text(f"{pid} ({name}) " + " ".join(fields))
    (place / "cmdline").write_bytes("\0".join(command).encode() + b"\0")


def test_start_of_the_daemon_is_read_from_its_process(root):
    process(root, 1, "systemd", 0, "/sbin/init")
    process(root, 30, "a (oned) b", 5, "x")
    assert Frontend(root).daemon_started() is None
    process(root, 40, "oned", 12.5, "/usr/bin/oned", "-f")
    assert Frontend(root).daemon_started() == 1700000012.5


def test_transfers_are_found_by_the_script_and_its_last_arguments(root):
    process(root, 50, "bash", 5, "/bin/bash", "/var/lib/one/remotes/tm/ssh/clone", "fe:/var/lib/one/datastores/1/abc",
            "kvm1:/var/lib/one/datastores/0/42/disk.0", "42", "1")
    process(root, 51, "bash", 5, "bash", "/var/lib/one/remotes/tm/ssh/mv", "a:/var/lib/one/datastores/0/43", "b:/var/lib/one/datastores/0/43/", "43", "0")
    process(root, 52, "vi", 5, "vi", "/etc/one/oned.conf", "99", "1")
    assert Frontend(root).transfers() == {42, 43}


def test_what_the_drivers_run_is_looked_for_several_times(root):
    pauses = []
    process(root, 52, "vi", 5, "vi", "/etc/one/oned.conf", "99", "1")
    process(root, 53, "ruby", 5, "ruby", "/usr/lib/one/mads/one_vmm_exec.rb", "-t", "15", "-r", "0", "kvm")
    process(root, 54, "ssh", 5, "ssh", "kvm1", "/var/tmp/one/vmm/kvm/poll one-42 kvm1 42 kvm1")
    assert Frontend(root).drivers_at_work(pauses.append) == [] and pauses == [0.2] * 4

    def begin(seconds):
        if len(pauses) == 6:            # between two scripts nothing runs for a moment
            process(root, 60, "ssh", 5, "ssh", "kvm1", "if [ -x /var/tmp/one/vmm/kvm/migrate ]; then /var/tmp/one/vmm/kvm/migrate one-42 kvm2; fi")
            process(root, 61, "bash", 5, "/bin/bash", "/var/lib/one/remotes/tm/ssh/clone", "a", "b", "42", "1")
        pauses.append(seconds)

    assert Frontend(root).drivers_at_work(begin) == ["remotes/tm/ssh/clone", "vmm/kvm/migrate"]


def test_last_state_comes_from_the_log_of_packages_or_the_vm_directory(root):
    frontend = Frontend(root)
    assert frontend.last_state(7) is None
    (root / "var/lib/one/vms/7/vm.log").write_text("Fri Nov 20 18:34:44 2026 [Z0][VM][I]: New state is ACTIVE\n"
                                                   "Fri Nov 20 18:34:44 2026 [Z0][VM][I]: New LCM state is PROLOG\n"
                                                   "Fri Nov 20 18:34:50 2026 [Z0][TM][I]: cp done\n")
    assert frontend.last_state(7) == (time.mktime((2026, 11, 20, 18, 34, 44, 0, 0, -1)), "PROLOG")
    (root / "var/log/one/7.log").write_text("Fri Nov 20 18:35:01 2026 [Z0][VM][I]: New LCM state is BOOT\n")
    assert frontend.last_state(7)[1] == "BOOT"


@pytest.mark.parametrize("line, told", [
    ("Fri Nov 20 18:34:44 2026 [Z0][ONE][I]: Log level:3 [0=ERROR,1=WARNING,2=INFO,3=DEBUG]", True),
    ("Fri Nov 20 18:34:44 2026 [Z0][ReM][D]: Req:16 UID:0 one.vm.info invoked", True), ("Fri Nov 20 18:34:44 2026 [ONE][I]: Starting", True),
    ("Fri Nov 20 18:34:44 2026 [Z0][ONE][E]: VM said [VMM][I]: x", False), ("Fri Nov 20 18:34:44 2026 [Z0][ONE][W]: x", False), ("", False)])
def test_logs_tell_of_states_only_at_a_level_that_has_them(root, line, told):
    log = root / "var/log/one/oned.log"
    log.write_text("Fri Nov 20 18:34:43 2026 [Z0][ONE][E]: x\n" + line + "\n")
    written = log.stat().st_mtime
    assert Frontend(root).logs_since(written - 1) is told and not Frontend(root).logs_since(written + 1)
    log.unlink()
    assert not Frontend(root).logs_since(0)


def test_the_journal_keeps_the_last_entry_and_skips_a_torn_line(root):
    frontend = Frontend(root)
    assert frontend.journal() == {}
    frontend.record({"vm": 7, "operation": "failure"})
    frontend.record({"vm": 7, "operation": "retry"})
    with open(frontend.journal_path, "a", encoding="utf-8") as file:
        file.write('{"vm": 8, "opera')
    assert frontend.journal() == {7: {"vm": 7, "operation": "retry"}}
    frontend.record({"vm": 8, "operation": "success"})          # and is none itself after one
    assert frontend.journal()[8] == {"vm": 8, "operation": "success"} and frontend.journal_path.read_text(encoding="utf-8").count("\n") == 4
    frontend.record({"vm": 8, "result": "recovered", "state_after": "RUNNING"}, sync=False)
    assert frontend.journal()[8] == {"vm": 8, "operation": "success"}, "how it ended is no call, and hides none"
    assert json.loads(frontend.journal_path.read_text(encoding="utf-8").splitlines()[-1])["result"] == "recovered"
    with pytest.raises(CoreError, match="cannot write recovery's journal at /nowhere/x"):
        Frontend(root, "/nowhere/x").record({"vm": 1})


def test_transfers_that_the_module_vm_transfer_holds_are_seen_between_its_steps(root):
    (root / "run/lock").mkdir(parents=True)
    front, place = Frontend(root), Transfers(root, root / "var/log/one/recovery.log")
    assert front.transfers_by_hand() == set()
    with place.locked(7), place.locked(8):
        assert front.transfers_by_hand() == {7, 8}
    assert front.transfers_by_hand() == set() and (root / "run/lock/vm_transfer.7.lock").exists()
    os.mkfifo(root / "run/lock/vm_transfer.9.lock")
    (root / "run/lock/vm_transfer.3.lock").mkdir()
    (root / "run/lock/vm_transfer.x.lock").symlink_to("/etc/shadow")
    (root / "run/lock/vm_transfer.5.lock").symlink_to("vm_transfer.7.lock")
    with place.locked(7):
        assert front.transfers_by_hand() == {7}


def test_two_recoveries_are_never_at_work_at_once(root):
    with pytest.raises(CoreError, match="cannot lock the recovery of VMs at /nowhere/x.lock: No such file .*name another journal"), \
            Frontend(root, "/nowhere/x").alone():
        pass
    with Frontend(root).alone():
        with pytest.raises(CoreError, match="another recovery of VMs is at work on this front-end .*Wait for it, then run again. Who it is: fuser"), \
                Frontend(root).alone():
            raise AssertionError("both hold it")
    with pytest.raises(BlockingIOError, match="inside"), Frontend(root).alone():
        raise BlockingIOError("inside")
    with Frontend(root).alone():
        pass


def test_the_cluster_owns_what_its_configuration_has(root):
    frontend = Frontend(root)
    assert not frontend.cluster_owns("database_writer")
    cib = root / "var/lib/pacemaker/cib/cib.xml"
    cib.write_text('<cib><configuration><resources><group id="g"><primitive id="database_writer"/></group></resources></configuration></cib>')
    assert frontend.cluster_owns("database_writer") and not frontend.cluster_owns("zone_vip")
    cib.write_text("<cib>")
    with pytest.raises(CoreError, match="cannot read the cluster's configuration"):
        frontend.cluster_owns("database_writer")
