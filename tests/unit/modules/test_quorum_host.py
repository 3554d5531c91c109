# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""quorum_host: certificates that the daemon can read, and a daemon that runs."""
from __future__ import annotations

import os
import pwd

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import qnetd
from ansible_collections.constellation.opennebula.plugins.module_utils.core import quorum_device
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError
from ansible_collections.constellation.opennebula.plugins.modules import quorum_host, quorum_host_info


class Daemon:
    """corosync-qnetd, as qnetd.Qnetd shows it."""

    def __init__(self, certificates=True, unreadable=()):
        self.certificates, self.lost, self.writes = certificates, list(unreadable), []

    def has_certificates(self):
        return self.certificates

    def unreadable(self):
        return self.lost

    def make_certificates(self):
        self.writes.append("make")
        self.certificates = True

    def give_to_daemon(self):
        self.writes.append("give")
        self.lost = []


class Units:
    """systemd with one unit."""

    def __init__(self, active="inactive", enabled="disabled", load="loaded"):
        self.row, self.done = {"LoadState": load, "ActiveState": active, "UnitFileState": enabled}, []

    def units(self, names):
        return {name: dict(self.row) for name in names}

    def do(self, step):
        self.done.append(step[0])
        self.row["UnitFileState" if step[0] == "enable" else "ActiveState"] = "enabled" if step[0] == "enable" else "active"


@pytest.mark.parametrize("daemon, units, writes, done", [
    (Daemon(), Units("active", "enabled"), [], []),                                              # Debian's package
    (Daemon(False), Units(), ["make", "give"], ["enable", "restart"]),                           # EL's package
    (Daemon(True, ["/etc/corosync/qnetd/nssdb"]), Units("failed", "disabled"), ["give"], ["enable", "restart"]),     # after 'pcs qdevice setup'
    (Daemon(), Units("active", "disabled"), [], ["enable", "restart"]),
], ids=["debian", "el", "root's files", "not at boot"])
def test_daemon_ends_running_as_predicted(daemon, units, writes, done):
    predicted = quorum_host.ensure(daemon, units, True)
    assert daemon.writes == [] and units.done == []
    outcome = quorum_host.ensure(daemon, units, False)
    assert daemon.writes == writes and units.done == done and outcome.plan.as_list() == predicted.plan.as_list()
    assert not quorum_host.ensure(daemon, units, False).changed


def test_missing_package_is_predicted_and_otherwise_refused():
    assert quorum_host.ensure(Daemon(False), Units(load="not-found"), True).changed
    with pytest.raises(CoreError, match="corosync-qnetd is not installed"):
        quorum_host.ensure(Daemon(False), Units(load="not-found"), False)


def test_files_that_the_daemon_cannot_read_are_found_and_given(monkeypatch, tmp_path):
    me = pwd.getpwuid(os.getuid())
    monkeypatch.setattr(qnetd, "DIRECTORY", str(tmp_path))
    monkeypatch.setattr(qnetd, "USER", "nobody")
    adapter = qnetd.Qnetd()
    assert not adapter.has_certificates() and adapter.unreadable() == []
    folder = tmp_path / "nssdb"
    folder.mkdir(mode=0o755)
    (folder / "cert9.db").touch(0o600)
    (folder / "pkcs11.txt").touch(0o644)
    assert adapter.has_certificates()
    assert adapter.unreadable() == [str(folder / "cert9.db")]
    monkeypatch.setattr(qnetd, "USER", me.pw_name)
    assert adapter.unreadable() == []
    owned = []
    monkeypatch.setattr(qnetd.os, "lchown", lambda path, user, group: owned.append((os.path.relpath(path, tmp_path), user, group)))
    adapter.give_to_daemon()
    assert sorted(owned) == [(name, me.pw_uid, me.pw_gid) for name in sorted([".", "nssdb", "nssdb/cert9.db", "nssdb/pkcs11.txt"])]
    monkeypatch.setattr(qnetd, "USER", "no-such-account")
    assert adapter.unreadable() == []


def test_certificates_that_cannot_be_made_are_an_error(monkeypatch):
    monkeypatch.setattr(qnetd.system, "run", lambda argv, **unused: (1, "", "Certificate database already exists"))
    with pytest.raises(CoreError, match="cannot be made: Certificate database already exists"):
        qnetd.Qnetd().make_certificates()


CLUSTERS = """Cluster "one-bare":
    Algorithm:\t\tFifty-Fifty split (KAP Tie-breaker)
    Tie-breaker:\tNode with lowest node ID
    Node ID 1:
        Client address:\t\t::ffff:10.222.0.11:54550
        HB interval:\t\t8000ms
        Configured node list:\t1, 2
        Ring ID:\t\t1.27
        Membership node list:\t1, 2
        Heuristics:\t\tFail (membership: Fail, regular: Undefined)
        TLS active:\t\tYes (client certificate verified)
        Vote:\t\t\tNo change (ACK)
    Node ID 2:
        Client address:\t\t[2001:db8::12]:53310
        HB interval:\t\t8000ms
        Configured node list:\t1, 2
        Ring ID:\t\t1.27
        Membership node list:\t1, 2
        Heuristics:\t\tFail (membership: Fail, regular: Undefined)
        TLS active:\t\tNo
        Vote:\t\t\tWait for reply (NACK)
"""


def test_connected_clusters_are_read(monkeypatch):
    monkeypatch.setattr(qnetd.system, "run", lambda argv, **unused: (0, CLUSTERS, ""))
    assert quorum_host_info.look(qnetd.Qnetd()) == {"running": True, "clusters": [{"name": "one-bare", "nodes": [
        {"id": 1, "address": "10.222.0.11", "encrypted": True, "vote": True}, {"id": 2, "address": "2001:db8::12", "encrypted": False, "vote": False}]}]}
    monkeypatch.setattr(qnetd.system, "run", lambda argv, **unused: (1, "", "Can't connect to QNetd socket"))
    assert quorum_host_info.look(qnetd.Qnetd()) == {"running": False, "clusters": []}
    assert quorum_device.parse_clusters("") == []
