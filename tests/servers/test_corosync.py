# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cluster_membership on two real corosync daemons, each in its own network and with its own files; pcs' part (sending a file) is a copy here."""
from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import time

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import pacemaker
from ansible_collections.constellation.opennebula.plugins.module_utils.core import cluster_members, corosync_conf, quorum_device
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import Problems
from ansible_collections.constellation.opennebula.plugins.modules import cluster_membership

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not all(map(shutil.which, ("corosync", "ip", "unshare"))), reason="needs root, corosync, iproute2")
PAIR = (pathlib.Path(__file__).parents[1] / "unit/fixtures/cluster/corosync_pair.conf").read_text(encoding="utf-8")
INSIDE = """set -e; folder=$1; shift; hostname "$(basename "$folder")"; mount --make-rprivate /; mkdir -p /var/log/corosync /var/lib/corosync
for part in etc:/etc/corosync lib:/var/lib/corosync log:/var/log/corosync run:/run shm:/dev/shm; do mount --bind "$folder/${part%%:*}" "${part#*:}"; done
exec "$@" """


class Node:
    def __init__(self, folder, name, address):
        self.folder, self.name, self.space = folder / name, name, f"corosync-{os.getpid()}-{name}"
        for part in ("etc", "lib", "log", "run", "shm"):
            (self.folder / part).mkdir(parents=True)
        self.conf, self.address, self.daemon = self.folder / "etc/corosync.conf", address, None

    def argv(self, argv):
        return ["ip", "netns", "exec", self.space, "unshare", "--mount", "--ipc", "--uts", "sh", "-c", INSIDE, "sh", str(self.folder), *argv]

    def run(self, argv, stdin=None, timeout_s=60):
        done = subprocess.run(self.argv(argv), input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
        return done.returncode, done.stdout, done.stderr

    def token(self):
        return self.run(["corosync-cmapctl", "-g", "runtime.config.totem.token"])[1].split(" = ")[-1].strip()


class Cluster(pacemaker.Pacemaker):
    """The real adapter on the first node; what pcs and pacemaker would say is said here."""

    def __init__(self, nodes):
        super().__init__("/tmp")
        self.nodes = nodes

    def members(self):
        return self.nodes[0].conf.read_text(encoding="utf-8")

    def write_members(self, text):
        self.nodes[0].conf.write_text(text, encoding="utf-8")

    def distribute(self):
        for node in self.nodes[1:]:
            node.conf.write_text(self.members(), encoding="utf-8")

    def known_hosts(self):
        return {"known_hosts": {node.name: {"token": "t"} for node in self.nodes}}

    def monitor(self):
        rows = "".join(f'<node name="{node.name}" online="true" pending="false" unclean="false"/>' for node in self.nodes)
        return f'<p><summary><current_dc present="true" name="n1" with_quorum="true"/></summary><nodes>{rows}</nodes><resources/></p>'

    def ensure(self, check_mode=False, **options):
        states = {node.name: {"corosync": cluster_members.parse_corosync_conf(node.conf.read_text(encoding="utf-8")), "running": True, "quorate": True}
                  for node in self.nodes}
        return cluster_membership.ensure({
            "name": "one-alpha", "nodes": {node.name: node.address for node in self.nodes}, "password": "CANARY", "states": states, "first_properties": {},
            "wait_timeout_s": 10, "remove_nodes": [], "remove_links": [], "corosync": options, "quorum_device": None}, self, check_mode)


@pytest.fixture(name="cluster", scope="module")
def cluster_(tmp_path_factory):
    nodes = [Node(tmp_path_factory.mktemp("corosync"), f"n{number}", f"10.222.0.1{number}") for number in (1, 2)]
    text = corosync_conf.edited(PAIR, {"system.sched_rr": "no", "system.allow_knet_handle_fallback": "yes", "logging.to_syslog": "no"})
    for node, old in zip(nodes, ("1", "2")):
        text = text.replace(f"10.86.1.1{old}", node.address).replace(f"alpha{old}", node.name)
    key = os.urandom(256)
    try:
        for node in nodes:
            subprocess.run(["ip", "netns", "add", node.space], check=True)
            (node.folder / "etc/authkey").write_bytes(key)
            node.conf.write_text(text, encoding="utf-8")
        subprocess.run(["ip", "link", "add", "eth0", "netns", nodes[0].space, "type", "veth", "peer", "name", "eth0", "netns", nodes[1].space], check=True)
        for node in nodes:
            for words in (["addr", "add", f"{node.address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"], ["link", "set", "lo", "up"]):
                subprocess.run(["ip", "-n", node.space, *words], check=True)
            node.daemon = subprocess.Popen(node.argv(["corosync", "-f"]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while (quorum_device.parse_quorum(nodes[0].run(["corosync-quorumtool", "-s"])[1]) or {}).get("total_votes") != 2:
            assert time.monotonic() < deadline, (nodes[0].folder / "log/corosync.log").read_text(encoding="utf-8")[-2000:]
            time.sleep(0.3)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pacemaker.system, "run", nodes[0].run)
            yield Cluster(nodes)
    finally:
        for node in nodes:
            if node.daemon:
                node.daemon.terminate()
                node.daemon.wait(30)
            subprocess.run(["ip", "netns", "del", node.space], check=False)


def test_options_come_into_force_on_both_nodes_without_a_restart(cluster):
    wanted = {"totem": {"token": 2000, "consensus": 2400}}
    predicted = cluster.ensure(check_mode=True, **wanted)
    assert [node.token() for node in cluster.nodes] == ["3000", "3000"]
    done = cluster.ensure(**wanted)
    assert done.plan.as_list() == predicted.plan.as_list() and [change.target for change in done.plan] == ["totem.token", "totem.consensus"]
    assert [node.token() for node in cluster.nodes] == ["2000", "2000"] and all(node.daemon.poll() is None for node in cluster.nodes)
    assert not cluster.ensure(**wanted).changed


def test_value_that_somebody_set_in_the_running_corosync_is_taken_back(cluster):
    cluster.ensure(totem={"token": 2000})
    cluster.nodes[0].run(["corosync-cmapctl", "-s", "totem.token", "u32", "4000"])
    done = cluster.ensure(totem={"token": 2000})
    assert done.plan.as_list() == [{"kind": "running corosync", "target": "totem.token", "before": "4000", "after": "2000"}]
    assert cluster.nodes[0].token() == "2000"


@pytest.mark.parametrize("options, message", [
    ({"token": 5}, r"token timeout parameter \(5 ms\) may not be less than"), ({"token": "soon"}, "expected to be integer"),
    ({"crypto_cipher": "aes128"}, "aes256, wanted aes128")])
def test_option_that_corosync_would_not_take_reaches_no_file(cluster, options, message):
    before = [node.conf.read_text(encoding="utf-8") for node in cluster.nodes]
    with pytest.raises(Problems, match=message):
        cluster.ensure(totem=options)
    assert [node.conf.read_text(encoding="utf-8") for node in cluster.nodes] == before
    assert "exiting" not in (cluster.nodes[0].folder / "log/corosync.log").read_text(encoding="utf-8")


def test_pair_without_two_node_gets_it_back_and_keeps_quorum_when_its_peer_dies(cluster):
    text = corosync_conf.edited(cluster.members(), {"quorum.two_node": None})
    for node in cluster.nodes:
        node.conf.write_text(text, encoding="utf-8")
    cluster.reload()
    assert quorum_device.parse_quorum(cluster.quorum())["quorum"] == 2
    done = cluster.ensure()
    assert [(change.target, change.after) for change in done.plan] == [("quorum.two_node", "1")]
    cluster.nodes[1].daemon.kill()
    deadline = time.monotonic() + 60
    while quorum_device.parse_quorum(cluster.quorum())["total_votes"] == 2 and time.monotonic() < deadline:
        time.sleep(0.3)
    votes = quorum_device.parse_quorum(cluster.quorum())
    assert (votes["total_votes"], votes["quorum"], votes["quorate"]) == (1, 1, True)
