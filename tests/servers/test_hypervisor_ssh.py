# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypervisor adapter against real sshd: one that answers, and hosts that refuse, hang, changed their key, or are not there."""
import getpass
import pathlib
import shutil
import socket
import subprocess
import time

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters.hypervisor import Hypervisors
from ansible_collections.constellation.opennebula.plugins.module_utils.core import hypervisor
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class World:
    """One sshd on loopback, and a .ssh folder whose config gives it names."""

    def __init__(self, folder):
        self.folder, self.port, self.names = folder, free_port(), {}
        self.ssh = folder / "ssh"
        self.ssh.mkdir(mode=0o700)
        for path in (self.ssh / "id_ed25519", folder / "host", folder / "other"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        (folder / "authorized").write_text((self.ssh / "id_ed25519.pub").read_text())
        config = [f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {folder / 'host'}", f"AuthorizedKeysFile {folder / 'authorized'}", "StrictModes no",
                  "UsePAM no", "PidFile none", "PasswordAuthentication no", "MaxStartups 100", "PermitRootLogin yes"]
        (folder / "sshd_config").write_text("\n".join(config) + "\n")
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)
        self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=(folder / "log").open("w"))
        for dummy in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError((folder / "log").read_text())

    def host(self, name, port=None, key="host", **options):
        """Add a name for our sshd (or for another port) to config, and its key to known_hosts (key: which, None for none)."""
        port = port or self.port
        with (self.ssh / "config").open("a") as file:
            file.write(f"Host {name}\n HostName 127.0.0.1\n Port {port}\n" + "".join(f" {option} {value}\n" for option, value in options.items()))
        if key:
            public = " ".join((self.folder / f"{key}.pub").read_text().split()[:2])
            with (self.ssh / "known_hosts").open("a") as file:
                file.write(f"[127.0.0.1]:{port} {public}\n")

    def ask(self, scripts, **options):
        return Hypervisors(getpass.getuser(), self.ssh, **dict({"timeout_s": 3, "answer_timeout_s": 20}, **options)).ask(scripts)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.process.terminate()
    made.process.wait()


def test_many_hosts_answer_one_session_each(world):
    names = [f"kvm{number}" for number in range(8)]
    world.host("kvm*")
    answers = world.ask({name: f"echo {name}; head -c 300000 /dev/zero | tr '\\0' x; echo loud >&2" for name in names}, sessions=4)
    assert {name: answer[:5] for name, answer in answers.items()} == {name: f"{name}\n" for name in names}
    assert all(len(answer) == 300005 for answer in answers.values())
    assert (world.folder / "log").read_text().count("Accepted publickey") == len(names)


def test_the_real_script_answers_here_and_sees_the_files(world, tmp_path):
    world.host("kvm1")
    place = tmp_path / "datastores" / "0" / "0"
    place.mkdir(parents=True)
    (place / "disk.0").write_bytes(b"\0" * (1 << 20))
    (tmp_path / "link").symlink_to(tmp_path / "datastores")
    place = tmp_path / "link" / "0" / "0"
    rows = [hypervisor.Question(0, "one-0", "", str(place), "fqc"), hypervisor.Question(43, "one-43", "", str(place.parent / "43"), "fqc"),
            hypervisor.Question(44, "one-44", "", str(tmp_path / "link" / "1" / "44"), "fqc")]
    held = subprocess.Popen(["sleep", "60"], cwd=place)
    try:
        answer = world.ask({"kvm1": hypervisor.script(rows, location=str(tmp_path / "link"))})["kvm1"]
    finally:
        held.kill()
        held.wait()
    seen = hypervisor.parse(answer, rows)
    found = [seen.folders[row.folder] for row in rows]
    assert sorted(found[0]) == [".", "disk.0"] and found[0]["disk.0"][:3] == ("f", "f", 1 << 20) and found[0]["disk.0"].mtime > 10 ** 9
    assert found[1:] == [{}, None] and seen.busy == {0}, "seen through a link to the datastore, with a VM called 0"
    assert (seen.domains is None) == (shutil.which("virsh") is None)


@pytest.mark.parametrize("case, words", [
    ("unknown key", "host key is not known"), ("other key", "host key is another one"), ("no login", "does not let us in"), ("closed port", "cannot be asked"),
    ("no name", "its name is not known"), ("mute", "cannot be asked")])
def test_a_host_that_cannot_be_asked_is_told_with_the_reason_and_the_others_still_answer(world, case, words):
    mute = socket.socket()
    mute.bind(("127.0.0.1", 0))
    mute.listen(8)
    closed = free_port()
    {"unknown key": lambda: world.host("bad", key=None), "other key": lambda: world.host("bad", key="other"),
     "no login": lambda: world.host("bad", User="nobody-here"), "closed port": lambda: world.host("bad", port=closed),
     "no name": lambda: None, "mute": lambda: world.host("bad", port=mute.getsockname()[1])}[case]()
    bad = "bad" if case != "no name" else "no-such-host.invalid"
    found = world.ask({bad: "echo never"}, timeout_s=1)[bad]
    mute.close()
    assert isinstance(found, CoreError) and words in str(found) and bad in str(found), found
    assert found.hint


def test_key_of_an_unknown_host_is_taken_only_where_openssh_would_take_it_and_never_written_down(world):
    world.host("lenient", key=None, StrictHostKeyChecking="no")
    (world.ssh / "known_hosts").write_text("")
    assert world.ask({"lenient": "echo yes"})["lenient"] == "yes\n"
    assert (world.ssh / "known_hosts").read_text() == ""


def test_a_script_that_hangs_is_given_up(world):
    world.host("slow")
    begun = time.monotonic()
    found = world.ask({"slow": "echo begun; sleep 30"}, answer_timeout_s=2, timeout_s=1)["slow"]
    assert isinstance(found, CoreError) and "no whole answer within 2 s" in str(found)
    assert time.monotonic() - begun < 20


def test_a_lost_connection_is_tried_again(world, monkeypatch):
    world.host("flaky")
    real, tries = Hypervisors._connect, []

    def connect(self, *arguments):
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionResetError("gone")
        return real(self, *arguments)

    monkeypatch.setattr(Hypervisors, "_connect", connect)
    assert world.ask({"flaky": "echo there"})["flaky"] == "there\n" and len(tries) == 3


def test_no_libraries_is_one_clear_error(world, monkeypatch):
    import builtins
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "paramiko":
            raise ImportError("gone", name="paramiko")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CoreError) as caught:
        world.ask({"kvm1": "echo"})
    assert "no Python library paramiko" in str(caught.value) and "ask_hypervisors: false" in caught.value.hint


def test_this_front_end_is_asked_without_ssh(world):
    assert world.ask({hypervisor.FRONT_END: "echo here"}) == {hypervisor.FRONT_END: "here\n"}
    assert "Accepted publickey" not in (world.folder / "log").read_text()
    found = world.ask({hypervisor.FRONT_END: "sleep 9"}, answer_timeout_s=1)[hypervisor.FRONT_END]
    assert isinstance(found, CoreError)
