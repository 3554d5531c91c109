# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that podman's store caches: Debian (slow), on it the apt repository (seconds), on it the BMC (seconds); for hypervisors another Debian.

Each tag is a hash of everything that went into the layer, so an image is either right or absent.
"""
from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from podman import LIMITS, LabError, exists, podman, run, say

HERE = pathlib.Path(__file__).resolve().parent
STATE = HERE / ".state"
STORE = pathlib.Path("/var/lib/containers")
INDEX = HERE / "index"
NAME = "localhost/constellation-lab"
PREREQUISITES = {"podman": "podman", "runc": "runc", "mmdebstrap": "mmdebstrap", "nft": "nftables", "ssh-keygen": "openssh-client", "dpkg-deb": "dpkg"}

# What a front-end has before our roles come: the system and the programs that take long to install. What roles must prove
# they install (OpenNebula, Python libraries) lies in the node's own apt repository instead.
PACKAGES = """
systemd systemd-sysv dbus udev openssh-server sudo acl iproute2 iputils-ping iputils-arping iptables procps psmisc curl ca-certificates rsync openssl
mariadb-server mariadb-backup pacemaker pacemaker-cli-utils corosync pcs fence-agents resource-agents sshpass python3 python3-apt xmlstarlet
""".split()
REPOSITORY_PACKAGES = "python3-pymysql python3-paramiko python3-tenacity corosync-qnetd corosync-qdevice".split()
DISABLED = "corosync pacemaker pcsd mariadb logd".split()
MASKED = """systemd-udevd systemd-udev-trigger systemd-modules-load systemd-networkd systemd-resolved getty@tty1 console-getty
apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer""".split()
SUITE = "bookworm"                                       # without a mirror of ours mmdebstrap takes Debian's, with updates and security
HOOKS = [
    # the repository's packages with what they need and the system lacks; kept until the second layer indexes them
    'mkdir -p "$1/srv/lab/apt/partial" && APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -qq -y --no-install-recommends --download-only'
    f' -o Dir::Cache::archives="$1/srv/lab/apt/" install {" ".join(REPOSITORY_PACKAGES)} && rm -rf "$1/srv/lab/apt/partial" "$1/srv/lab/apt/lock"',
    'rm -f "$1/etc/corosync/corosync.conf" "$1"/etc/apt/sources.list.d/*',
    'echo "deb [trusted=yes] file:/srv/lab/apt ./" > "$1/etc/apt/sources.list"',
    f'chroot "$1" systemctl -q disable {" ".join(DISABLED)}',
    f'chroot "$1" systemctl -q mask {" ".join(MASKED)}',
    'mkdir -p "$1/root/.ssh" && chmod 700 "$1/root/.ssh"',
    'rm -f "$1/etc/machine-id" "$1/var/lib/dbus/machine-id" && : > "$1/etc/machine-id"',
    'rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/*',
]
# The node's own apt repository, and lists that are as fresh as on a host that was updated today
NODE_STEPS = ["COPY debs index /srv/lab/apt/",
              "RUN cd /srv/lab/apt && python3 index && rm index && echo 'Acquire::Languages \"none\";' > /etc/apt/apt.conf.d/90lab"
              " && apt-get -q update"]
# What OpenNebula's node packages make of a KVM host: oneadmin may use libvirt, and domains run as oneadmin on files that OpenNebula made
HYPERVISOR_PACKAGES = "openssh-server iproute2 iputils-ping procps libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-utils".split()
# No systemd there: one takes six of the 128 inotify instances that a kernel gives a user by default, and several labs run out of them (seen)
HYPERVISOR_INIT = "/usr/local/sbin/lab-hypervisor"
HYPERVISOR_HOOKS = [
    'chroot "$1" useradd --system --user-group --groups kvm,libvirt --home-dir /var/lib/one --shell /bin/bash oneadmin',
    'chroot "$1" install -d -o oneadmin -g oneadmin -m 0755 /var/lib/one /var/lib/one/datastores /var/lib/one/datastores/0',
    # software emulation in a container: no device of the kernel's, no security module, and disks that belong to oneadmin already
    """printf '%s\n' 'user = "oneadmin"' 'group = "oneadmin"' 'security_driver = "none"' 'dynamic_ownership = 0' >> "$1/etc/libvirt/qemu.conf" """,
    """printf '%s\n' 'unix_sock_group = "libvirt"' 'auth_unix_ro = "none"' 'auth_unix_rw = "none"' >> "$1/etc/libvirt/libvirtd.conf" """,
    f"""printf '%s\\n' '#!/bin/sh' 'mkdir -p /run/sshd' /usr/sbin/sshd 'virtlogd --daemon' 'libvirtd --daemon' 'while :; do sleep 1; done' """
    f"""> "$1{HYPERVISOR_INIT}" && chmod 755 "$1{HYPERVISOR_INIT}" """,
    'mkdir -p "$1/root/.ssh" && chmod 700 "$1/root/.ssh"',
    'rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/*',
]
BMC_STEPS = ["RUN apt-get -q -y --no-install-recommends install python3-paramiko"]


def digest(*parts):
    """Return 12 hex digits that change when any part does; a path counts with the names, modes and contents below it."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, pathlib.Path):
            for file in sorted(path for path in part.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
                total.update(f"{file.relative_to(part)} {file.stat().st_mode & 0o111}\n".encode() + file.read_bytes())
        else:
            total.update(repr(part).encode())
    return total.hexdigest()[:12]


@contextlib.contextmanager
def opennebula_debs():
    """Give a folder with the opennebula packages: the stand-in's, built afresh (half a second), or LAB_OPENNEBULA's."""
    kind, _, where = os.environ.get("LAB_OPENNEBULA", "").partition(":")
    if kind not in ("", "debs", "repo"):
        raise LabError(f"LAB_OPENNEBULA={kind}:…: use debs:<directory> or repo:<apt line>")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if kind == "debs":
            found = sorted(pathlib.Path(where).glob("*.deb"))
            if not found:
                raise LabError(f"LAB_OPENNEBULA=debs:{where}: no *.deb there")
            for deb in found:
                shutil.copy(deb, folder)
        elif not kind:
            run(HERE / "opennebula/build", folder)
        yield folder


def tags(debs):
    """Return the image names that the present inputs ask for."""
    base = f"{NAME}-base:{digest(PACKAGES, HOOKS, SUITE)}"
    node = f"{NAME}:{digest(base, NODE_STEPS, INDEX.read_text(encoding='utf-8'), debs)}"
    return {"base": base, "node": node, "bmc": f"{NAME}-bmc:{digest(node, BMC_STEPS)}",
            "hypervisor": f"{NAME}-hypervisor:{digest(HYPERVISOR_PACKAGES, HYPERVISOR_HOOKS, SUITE)}"}


@contextlib.contextmanager
def one_at_a_time():
    """Hold podman's store for ourselves: it is shared by all checkouts on this machine. Locks the directory, so no file is left behind."""
    STORE.mkdir(parents=True, exist_ok=True)
    store = os.open(STORE, os.O_RDONLY)
    try:
        fcntl.flock(store, fcntl.LOCK_EX)
        yield
    finally:
        os.close(store)


def build(hypervisors=False):
    """Make what is missing of the images; return their names. Two callers at once build once. hypervisors: theirs, too."""
    with one_at_a_time(), opennebula_debs() as debs:
        want = tags(debs)
        steps = {"base": lambda tag: make_debian(tag, PACKAGES, HOOKS), "node": lambda tag: container_build(tag, want["base"], NODE_STEPS, debs),
                 "bmc": lambda tag: container_build(tag, want["node"], BMC_STEPS)}
        if hypervisors:
            steps["hypervisor"] = lambda tag: make_debian(tag, HYPERVISOR_PACKAGES, HYPERVISOR_HOOKS)
        for kind, make in steps.items():
            if not exists("image", want[kind]):
                say(f"building {want[kind]}")
                make(want[kind])
                say(f"built {want[kind]}")
                prune(want[kind])
    return want


def make_debian(tag, packages, hooks):
    """Pipe a Debian root filesystem straight into podman's store."""
    say(f"mmdebstrap: {len(packages)} packages and what they need, a few minutes")
    options = [f"--customize-hook={hook}" for hook in hooks] + ["--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"]
    with tempfile.NamedTemporaryFile("w+") as log, subprocess.Popen(
            ["mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}", *options, SUITE, "-"],
            stdout=subprocess.PIPE, stderr=log) as maker:
        imported = subprocess.run(["podman", "import", "--quiet", "-", tag], stdin=maker.stdout, stdout=subprocess.DEVNULL, check=False).returncode
        if maker.wait() or imported:
            run("podman", "image", "rm", "--force", tag, check=False)
            raise LabError(f"mmdebstrap: exit {maker.returncode}: {pathlib.Path(log.name).read_text(encoding='utf-8')[-2000:]}")


def container_build(tag, base, steps, debs=None):
    """Lay steps (lines of a Containerfile) on an image."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if debs:
            shutil.copytree(debs, folder / "debs")
            shutil.copy(INDEX, folder)
        (folder / "Containerfile").write_text("\n".join([f"FROM {base}", *steps]) + "\n", encoding="ascii")
        # chroot isolation: the steps need neither network nor namespaces, and it works in nested machines
        podman("build", "--quiet", "--pull=never", "--isolation", "chroot", *LIMITS, "--tag", tag, folder)


def prune(kept, older_than_s=3600):
    """Drop superseded layers of this kind; young ones may be what another lab is about to start, and podman refuses those in use."""
    repository = kept.rpartition(":")[0]
    for row in json.loads(podman("images", "--format", "json") or "[]"):
        for name in row.get("Names") or []:
            if name.rpartition(":")[0] == repository and name != kept and time.time() - row["Created"] > older_than_s:
                run("podman", "image", "rm", name, check=False)


def prerequisites():
    """Install the host programs that are missing."""
    missing = sorted({package for program, package in PREREQUISITES.items() if not shutil.which(program)})
    if missing:
        say(f"installing {' '.join(missing)}")
        run("apt-get", "-q", "update")
        run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "--no-install-recommends", "install", *missing)
