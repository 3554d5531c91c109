# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the laboratory up, repair it, look at it, take it down. Everything carries the label lab=<LAB_NAME>."""
from __future__ import annotations

import ctypes
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import addresses
import faults
import image
from podman import LIMITS, LabError, containers, exists, podman, run, say

INVENTORY = image.HERE.parents[1] / "inventories/lab/group_vars/all.yml"
# corosync, pacemaker and corosync-qdevice share memory for each connection: podman's 64 MB were full (seen)
INOTIFY = 6                                              # instances that a node's systemd and systemd-logind hold
NODE_FLAGS = ["--systemd=always", "--privileged", "--no-hosts", "--shm-size=256m", *LIMITS]


class Lab:
    """One laboratory: its plan and its folder of state (key, password, BMC log, journals)."""

    def __init__(self, environ=None):
        environ = os.environ if environ is None else environ
        net = environ.get("LAB_NET") or "10.90"
        try:
            self.plan = addresses.plan(environ.get("LAB_NAME") or "constellation", net, environ.get("LAB_BMC_NET") or addresses.default_bmc_net(net),
                                       environ.get("LAB_ZONES") or addresses.SHAPE, environ.get("LAB_HYPERVISORS") or "0")
        except ValueError as problem:
            raise LabError(str(problem)) from problem
        self.state = image.STATE / self.plan.name
        self.key = self.state / "id_ed25519"
        self.bmc_state = self.state / "bmc"              # mounted in the BMC: plan.json, password, faults/<node>, log.jsonl
        self.runtime = pathlib.Path("/run/constellation-lab") / self.plan.name
        self.socket = self.runtime / "podman.sock"

    def node(self, name):
        if name not in self.plan.machines:
            raise LabError(f"no node {name!r}: use one of {', '.join(self.plan.machines)}")
        return self.plan.machines[name]

    def states(self):
        return containers(f"lab={self.plan.name}")

    def inside(self, name, *argv, **options):
        """Run a command in a node without ssh."""
        return run("podman", "exec", "--interactive", self.node(name).container, *argv, **options)

    def ssh_argv(self, name, *command):
        return ["ssh", "-i", str(self.key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                "-o", "ConnectTimeout=5", f"root@{self.node(name).address}", *command]

    # -- up ------------------------------------------------------------------------------------------------------------
    def up(self, from_snapshot=False):
        images = image.build(hypervisors=bool(self.plan.hypervisors))
        tags = {name: self.snapshot_tag(name) if from_snapshot else images["node"] for name in self.plan.nodes}
        tags.update(dict.fromkeys(self.plan.hypervisors, images["hypervisor"]))
        missing = [name for name, tag in tags.items() if not exists("image", tag)]
        if missing:
            raise LabError(f"no snapshot of {', '.join(missing)}: make one of a converged lab with `lab snapshot`")
        self.make_state()
        self.make_networks()
        self.start_podman_service()
        states = self.states()
        leave_room([node for node in self.plan.nodes.values() if states.get(node.container) != "running"])
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda node: self.start_node(node, states.get(node.container), tags[node.name]), self.plan.machines.values()))
        self.start_bmc(states.get(self.plan.bmc_container), images["bmc"])
        self.pin_bridges()
        say("containers run; waiting for ssh")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self.wait_for_ssh, self.plan.machines))
        self.introduce_hypervisors()
        say(f"{self.plan.name} is up: {', '.join(f'{node.name} {node.address}' for node in self.plan.machines.values())}")

    def make_state(self):
        for folder in (self.bmc_state / "faults", self.runtime):
            folder.mkdir(parents=True, exist_ok=True)
        if not self.key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {self.plan.name}", "-f", self.key)
        password = self.bmc_state / "password"
        password.touch(0o600)
        password.write_text(inventory_value("lab_bmc_password"), encoding="ascii")
        targets = {node.bmc: {"node": node.name, "container": node.container} for node in self.plan.machines.values()}
        peers = {node.fence_address: node.name for node in self.plan.nodes.values()}
        (self.bmc_state / "plan.json").write_text(json.dumps({"targets": targets, "peers": peers}, indent=1), encoding="ascii")
        overlay = self.state / "overlay"                 # copied over each new node's root
        for path, text in (("root/.ssh/authorized_keys", self.key.with_suffix(".pub").read_text(encoding="ascii")),
                           ("etc/hosts", addresses.hosts_file(self.plan)),
                           *([("etc/apt/sources.list.d/opennebula.list", self.repo_line() + "\n")] if self.repo_line() else [])):
            put(overlay / path, text, 0o600 if "ssh" in path else 0o644)
        if self.plan.hypervisors:
            self.make_hypervisor_state()

    def make_hypervisor_state(self):
        """Make what hypervisors and front-ends know of each other: oneadmin's key, and one host key for all hypervisors, who share an image anyway."""
        keys = {}
        for name in ("oneadmin", "hypervisor"):
            key = self.state / f"{name}_ed25519"
            if not key.exists():
                run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name} of lab {self.plan.name}", "-f", key)
            keys[name] = (key.read_text(encoding="ascii"), key.with_suffix(".pub").read_text(encoding="ascii"))
        hosts = addresses.hosts_file(self.plan)
        for path, text, mode in (("root/.ssh/authorized_keys", self.key.with_suffix(".pub").read_text(encoding="ascii"), 0o600),
                                 ("etc/hosts", hosts, 0o644),
                                 ("var/lib/one/.ssh/authorized_keys", keys["oneadmin"][1], 0o644),
                                 ("etc/ssh/ssh_host_ed25519_key", keys["hypervisor"][0], 0o600),
                                 ("etc/ssh/ssh_host_ed25519_key.pub", keys["hypervisor"][1], 0o644)):
            put(self.state / "overlay-hypervisor" / path, text, mode)
        known = "".join(f"{node.name},{node.address} {keys['hypervisor'][1]}" for node in self.plan.hypervisors.values())
        for path, text, mode in (("etc/hosts", hosts, 0o644), ("var/lib/one/.ssh/id_ed25519", keys["oneadmin"][0], 0o600),
                                 ("var/lib/one/.ssh/known_hosts", known, 0o644)):
            put(self.state / "overlay-oneadmin" / path, text, mode)

    def introduce_hypervisors(self):
        """Give the front-ends oneadmin's key and the hypervisors' names, those that ran before the hypervisors included.

        A key put there before the package made oneadmin becomes his with the package.
        """
        if not self.plan.hypervisors:
            return
        for node in self.plan.nodes.values():
            podman("cp", f"{self.state / 'overlay-oneadmin'}/.", f"{node.container}:/")
            self.inside(node.name, "sh", "-c", "chmod 700 /var/lib/one/.ssh; ! id -u oneadmin > /dev/null 2>&1 || "
                                               "{ chown oneadmin:oneadmin /var/lib/one; chown -R oneadmin:oneadmin /var/lib/one/.ssh; }")

    @staticmethod
    def repo_line():
        kind, _, line = os.environ.get("LAB_OPENNEBULA", "").partition(":")
        return line if kind == "repo" else ""

    def make_networks(self):
        wanted = [(self.plan.data_network, self.plan.net), (self.plan.bmc_network, self.plan.bmc_net)]
        for name, net in wanted:
            if not exists("network", name):
                podman("network", "create", "--internal", "--disable-dns", "--label", f"lab={self.plan.name}",
                       "--subnet", f"{net}.0.0/16", "--gateway", f"{net}.0.1", name)
        if self.repo_line() and not exists("network", self.plan.uplink_network):
            podman("network", "create", "--label", f"lab={self.plan.name}", self.plan.uplink_network)

    def pin_bridges(self):
        """Give the host's side of each network a fixed MAC.

        Left alone, a bridge takes the lowest MAC among its ports, which changes whenever a node is powered on: every other
        node then keeps the old one in its ARP table, and ssh sessions from the host stall for one to two minutes (seen).
        """
        for name, net in ((self.plan.data_network, self.plan.net), (self.plan.bmc_network, self.plan.bmc_net)):
            bridge = podman("network", "inspect", name, "--format", "{{.NetworkInterface}}")
            run("ip", "link", "set", "dev", bridge, "address", addresses.mac(f"{net}.0.1"))

    def start_node(self, node, state, tag):
        if state in ("created", "configured", "initialized"):    # an `up` died between create and start
            podman("rm", "--force", "--time", "0", node.container)
            state = None
        if state is None:
            journal = self.state / "journal" / node.name
            journal.mkdir(parents=True, exist_ok=True)
            uplink = ["--network", self.plan.uplink_network] if self.repo_line() else []
            podman("create", "--pull=never", "--name", node.container, "--hostname", node.name, "--label", f"lab={self.plan.name}", *NODE_FLAGS,
                   # podman would put a tmpfs here; the journal of a fenced node is worth keeping
                   "--volume", f"{journal}:/var/log/journal",
                   "--network", f"{self.plan.data_network}:ip={node.address},mac={node.mac},interface_name=eth0",
                   "--network", f"{self.plan.bmc_network}:ip={node.fence_address},mac={node.fence_mac},interface_name=eth1", *uplink, tag,
                   image.HYPERVISOR_INIT if node.name in self.plan.hypervisors else "/sbin/init")
            overlay = "overlay-hypervisor" if node.name in self.plan.hypervisors else "overlay"
            podman("cp", f"{self.state / overlay}/.", f"{node.container}:/")
        if state != "running":
            podman("start", node.container)
            say(f"{node.name} powered on")

    def start_bmc(self, state, tag):
        program = hashlib.sha256((image.HERE / "bmc.py").read_bytes()).hexdigest()[:12]
        if state == "running" and podman("inspect", "--format", '{{index .Config.Labels "program"}}', self.plan.bmc_container) == program:
            return
        if state:
            podman("rm", "--force", "--time", "0", self.plan.bmc_container)
        address = f"{self.plan.bmc_net}.0.2"
        podman("run", "--detach", "--pull=never", "--name", self.plan.bmc_container, "--hostname", "bmc",
               *LIMITS, "--label", f"lab={self.plan.name}", "--label", f"program={program}",
               "--cap-add", "NET_ADMIN", "--init=false", "--network", f"{self.plan.bmc_network}:ip={address},mac={addresses.mac(address)},interface_name=eth0",
               "--volume", f"{image.HERE / 'bmc.py'}:/bmc.py:ro", "--volume", f"{self.bmc_state}:/bmc", "--volume", f"{self.runtime}:/podman",
               tag, "python3", "/bmc.py")

    def start_podman_service(self):
        """Give the BMC its power switch: podman's REST socket, for this lab only."""
        if self.service_pid():
            return
        self.socket.unlink(missing_ok=True)
        with open(self.state / "podman-service.log", "ab") as log:
            service = subprocess.Popen(["podman", "--runtime", "runc", "system", "service", "--time", "0", f"unix://{self.socket}"],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        (self.state / "podman-service.pid").write_text(str(service.pid), encoding="ascii")

    def service_pid(self):
        """Return the pid of this lab's podman service, None when it is gone (a pid alone could be another program's by now)."""
        try:
            pid = int((self.state / "podman-service.pid").read_text(encoding="ascii"))
            return pid if str(self.socket).encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() else None
        except (OSError, ValueError):
            return None

    def wait_for_ssh(self, name, within_s=60):
        deadline = time.monotonic() + within_s
        while True:
            done = run(*self.ssh_argv(name, "true"), check=False)
            if done.returncode == 0:
                return
            if time.monotonic() > deadline:
                raise LabError(f"{name} does not answer ssh after {within_s} s: {done.stderr.strip()}")
            time.sleep(0.3)

    # -- snapshot ------------------------------------------------------------------------------------------------------
    def snapshot_tag(self, name):
        return f"{image.NAME}-snapshot-{self.plan.name}:{name}"

    def snapshot(self):
        """Keep the nodes' disks as images, shut down cleanly as hosts would be, and bring the lab back up. The clusters start by rejoin.yml."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda node: podman("stop", "--time", "120", node.container), self.plan.nodes.values()))
        say("shut down")
        for node in self.plan.nodes.values():
            podman("commit", "--quiet", node.container, self.snapshot_tag(node.name))
        say("kept; `lab up --from-snapshot` makes a lab of it, `lab forget` removes it")
        self.up()

    def forget(self):
        for name in self.plan.nodes:
            run("podman", "image", "rm", self.snapshot_tag(name), check=False)

    # -- look ----------------------------------------------------------------------------------------------------------
    def status(self):
        """Return rows for people: name, power, address, ssh, what is wrong."""
        states, cut = self.states(), faults.cuts(self)
        rows = []
        for node in self.plan.machines.values():
            state = states.get(node.container, "absent")
            notes = ["cut off"] if node.mac in cut else []
            notes += [f"cut from {other.name}" for other in self.plan.machines.values() if tuple(sorted((node.mac, other.mac))) in cut]
            fault = self.bmc_state / "faults" / node.name
            notes += [f"BMC {fault.read_text(encoding='ascii').strip()}"] if fault.exists() else []
            rows.append((node.name, state, node.address, "answers" if state == "running" and port_open(node.address, 22) else "-", ", ".join(notes)))
        rows.append(("bmc", states.get(self.plan.bmc_container, "absent"), f"{self.plan.bmc_net}.0.2", "-", "" if self.service_pid() else "no podman service"))
        return rows

    # -- down ----------------------------------------------------------------------------------------------------------
    def down(self):
        """Remove every trace; fine on a lab that is half there or not at all."""
        names = list(self.states())
        if names:
            podman("rm", "--force", "--ignore", "--volumes", "--time", "0", *names)
        for network in (self.plan.data_network, self.plan.bmc_network, self.plan.uplink_network):
            if exists("network", network):
                podman("network", "rm", network)
        faults.forget_cuts(self)
        pid = self.service_pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + 10
            while self.service_pid() and time.monotonic() < deadline:
                time.sleep(0.05)
        for folder in (self.runtime, self.state):
            shutil.rmtree(folder, ignore_errors=True)
        if self.runtime.parent.exists() and not any(self.runtime.parent.iterdir()):
            self.runtime.parent.rmdir()
        say(f"{self.plan.name} is gone")


def leave_room(starting):
    """Refuse to start nodes without what their systemds need of the kernel: they would hang in the middle of booting, and so would other labs' nodes."""
    libc, open_ = ctypes.CDLL(None), []
    try:
        while len(open_) < INOTIFY * len(starting):
            number = libc.inotify_init1(os.O_CLOEXEC)
            if number < 0:
                raise LabError(f"{len(starting)} nodes need {INOTIFY * len(starting)} inotify instances, this machine has {len(open_)} left: "
                               "take another lab down, or raise fs.inotify.max_user_instances (sysctl)")
            open_.append(number)
    finally:
        for number in open_:
            os.close(number)


def put(file, text, mode):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(0o600)
    file.write_text(text, encoding="ascii")
    file.chmod(mode)


def inventory_value(name):
    """Return a plain value of the lab's inventory; no YAML parser in the standard library, and none needed for `name: value`."""
    text = INVENTORY.read_text(encoding="utf-8")
    found = re.search(rf"^{name}:\s*(\S+)\s*$", text, flags=re.M)
    if not found:
        raise LabError(f"{INVENTORY}: no plain value {name}")
    return found.group(1).strip("\"'")


def port_open(address, port, timeout_s=1.0):
    try:
        with socket.create_connection((address, port), timeout_s):
            return True
    except OSError:
        return False
