# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS between two real servers: switched on while they replicate, demanded, renewed without a restart, and every way in which it fails.

``pytest --import-mode=importlib tests/servers``
"""
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

pymysql = pytest.importorskip("pymysql")

from ansible_collections.constellation.opennebula.plugins.filter import tls_accounts  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import mariadb, openssl, tree  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.module_utils.core import replication, replication_health  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.modules import (  # noqa: E402
    database_access, database_service, replication_info, tls_authority, tls_certificate)

_spec = importlib.util.spec_from_file_location("mariadb_servers", pathlib.Path(__file__).with_name("test_mariadb_servers.py"))
base = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(base)
pytestmark = [base.pytestmark, pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("openssl"), reason="needs openssl, and root for owners of files")]
ROLE = pathlib.Path(__file__).resolve().parents[2] / "roles/database"
NAMES = ["alpha", "127.0.0.1"]
FACTS = {"alpha1": {"address": "127.0.0.1"}}


class Pair:
    """alpha2 follows alpha1. Each server has its own folder of TLS files."""

    def __init__(self, folder):
        self.folder, self.nodes = folder, {name: base.Node(folder, name) for name in ("alpha1", "alpha2")}

    def files(self, name):
        return self.folder / f"tls-{name}"

    def ca(self, name):
        return str(self.files(name) / "ca.pem")

    def certificate(self, name, names=tuple(NAMES), authority="authority", days=730):
        """Give the server a new certificate, as the role does."""
        sign = {"directory": str(self.folder / authority), "common_name": "ours", "days": 3650, "request": None, "names": [], "certificate_days": days}
        have = {"directory": str(self.files(name)), "names": list(names), "certificate": None, "key": None, "renew_days": 90, "owner": "mysql",
                "group": "mysql", "ca": tls_authority.ensure(sign, tree.Tree(), openssl.OpenSsl(), False).results["ca"]}
        asked = tls_certificate.ensure(dict(have, renew_days=9999), tree.Tree(), openssl.OpenSsl(), False).results
        signed = tls_authority.ensure(dict(sign, request=asked["request"], names=list(names)), tree.Tree(), openssl.OpenSsl(), False).results["certificate"]
        return tls_certificate.ensure(dict(have, certificate=signed), tree.Tree(), openssl.OpenSsl(), False)

    def start(self, name, tls=True):
        pem = self.files(name) / "server.pem"
        self.nodes[name].start(*([f"--ssl-ca={self.ca(name)}", f"--ssl-cert={pem}", f"--ssl-key={pem}"] if tls else []))

    def restart(self, name, tls=True):
        self.nodes[name].kill()
        self.start(name, tls)

    def take_up(self, name):
        """What the role's service task does with a running server and a new certificate."""
        params = {"unit": "mariadb", "sockets": [], "config_files": [], "certificate": str(self.files(name) / "server.pem"), "dependents": [], "restart": True}
        return database_service.ensure(params, RunningUnit(), self.nodes[name].server(), False, tree.Tree())

    def accounts(self):
        user = {"password": base.SECRET, "hosts": ["127.0.0.1"], "exclusive": False, "state": "present", "require_tls": True}
        return [dict(user, name="repl", privileges={"*.*": ["REPLICATION SLAVE"]}), dict(user, name="opennebula_gate", privileges={"*.*": ["SLAVE MONITOR"]}),
                dict(user, name="seed", privileges={"opennebula.*": ["SELECT"], "*.*": ["BINLOG MONITOR"]})]

    def access(self, demand=False):
        seen = {"alpha1": replication_info.read({"names": None, "wait_gtid_pos": None, "wait_timeout_s": 1}, self.nodes["alpha2"].server())}
        users = tls_accounts.tls_accounts(self.accounts(), *((FACTS, seen) if demand else ()))
        return database_access.ensure({"databases": ["opennebula"], "charset": "utf8mb4", "users": users}, self.nodes["alpha1"].server(), False)

    def follow(self, tls=True, **more):
        return base.sources(self.nodes, "alpha2", ssl=tls, ssl_ca=self.ca("alpha2") if tls else "", **more)

    def channel(self):
        return self.nodes["alpha2"].server().slaves()[0]

    def enter(self, user, **options):
        """Log in to alpha1 over the network by another road; return its cipher, or the number of the error."""
        argv = ["mariadb", "--no-defaults", "--host=127.0.0.1", f"--port={self.nodes['alpha1'].port}", f"--user={user}", "--batch", "--skip-column-names",
                *(f"--{key.replace('_', '-')}{'=' + value if value else ''}" for key, value in options.items()), "--execute=SHOW STATUS LIKE 'Ssl_cipher'"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=dict(os.environ, MYSQL_PWD=base.SECRET))
        return done.stdout.split()[-1] if done.returncode == 0 else done.stderr.split()[1]


class RunningUnit:
    """systemd with a MariaDB that runs and needs nothing."""

    def units(self, names):
        row = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": "no", "ExecMainStartTimestampMonotonic": "1"}
        return {name: row for name in names}

    def changed_at(self, paths):
        return {}

    def monotonic(self):
        return 2.0

    def do(self, step):
        raise AssertionError(f"nobody asked for {step}")


@pytest.fixture(scope="module")
def pair():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="constellation-tls-"))
    folder.chmod(0o755)
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o1777)
    found = None
    try:
        subprocess.run(["mariadb-install-db", "--no-defaults", "--skip-test-db", f"--datadir={folder}/template", f"--tmpdir={folder}/tmp",
                        "--auth-root-authentication-method=socket", "--user=mysql"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = Pair(folder)
        for name in found.nodes:
            found.certificate(name)
            found.start(name, tls=False)
        found.nodes["alpha1"].rows("SET GLOBAL read_only=0")
        yield found
    finally:
        for node in found.nodes.values() if found else ():
            if node.process and node.process.poll() is None:
                node.kill()
        shutil.rmtree(folder)


@pytest.fixture
def running(pair):
    """Both with TLS, the channel encrypted, the accounts demanding it."""
    pair.certificate("alpha1")
    for name in pair.nodes:
        if pair.nodes[name].value("SELECT @@have_ssl") != "YES":
            pair.restart(name)
    pair.nodes["alpha1"].rows("SET GLOBAL read_only=0")
    pair.take_up("alpha1")
    pair.access()
    pair.follow()
    pair.access(demand=True)
    yield pair


def test_switched_on_while_they_replicate(pair):
    assert pair.access().changed and not pair.access().changed
    pair.follow(tls=False)
    with pytest.raises(CoreError, match="refusing to let source zone0-master use TLS .*offers no TLS.*Give the source a certificate first") as refused:
        pair.follow()
    assert refused.value.data["source"] == "zone0-master" and (pair.channel()["Slave_IO_Running"], pair.channel()["Master_SSL_Allowed"]) == ("Yes", "No")
    for name in ("alpha2", "alpha1"):
        pair.restart(name)
        base.until(lambda: pair.channel()["Slave_IO_Running"] == "Yes", 20)
    assert not pair.access(demand=True).changed, "nobody uses it yet"
    done = pair.follow()
    assert [change.as_dict()["after"] for change in done.plan] == [{"ssl": True, "ssl_ca": pair.ca("alpha2"), "ssl_verify": True}]
    assert pair.channel()["Slave_IO_Running"] == "Yes" and not pair.follow().changed
    assert pair.enter("repl") not in ("1045", "2026"), "not demanded yet"
    assert len(pair.access(demand=True).plan.changes) == 3
    assert not pair.access(demand=True).changed and not pair.access().changed, "the first task takes nothing back"
    assert pair.enter("repl", skip_ssl="") == "1045" and pair.enter("repl", ssl_ca=pair.ca("alpha2"), ssl_verify_server_cert="").startswith("TLS")
    pair.nodes["alpha2"].rows("STOP ALL SLAVES")
    pair.follow()
    assert pair.channel()["Slave_IO_Running"] == "Yes" and pair.channel()["Master_SSL_Verify_Server_Cert"] == "Yes"


def test_new_certificate_is_taken_up_while_the_channel_runs(running):
    dump = "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump'"
    before = running.nodes["alpha1"].value(dump), running.nodes["alpha1"].server().shown_certificate()
    running.certificate("alpha1", days=400)
    assert running.nodes["alpha1"].server().shown_certificate() == before[1]
    assert running.take_up("alpha1").changed and not running.take_up("alpha1").changed
    assert running.nodes["alpha1"].server().shown_certificate() != before[1] and running.nodes["alpha1"].value(dump) == before[0]
    running.nodes["alpha2"].rows("STOP SLAVE 'zone0-master'")
    running.follow()
    assert running.channel()["Slave_IO_Running"] == "Yes"


def broken(pair, spoil):
    """Break TLS on the source, let the channel connect again, and return what verification and a run say about it."""
    spoil(pair)
    pair.take_up("alpha1")
    pair.nodes["alpha2"].rows("STOP SLAVE 'zone0-master'")
    pair.nodes["alpha2"].rows("START SLAVE 'zone0-master'")
    base.until(lambda: int(pair.channel()["Last_IO_Errno"]) == 2026, 20)
    with pytest.raises(CoreError) as failed:
        pair.follow(wait_timeout_s=5)
    report = replication_info.read({"names": None, "wait_gtid_pos": None, "wait_timeout_s": 1}, pair.nodes["alpha2"].server())
    red = [verdict for verdict in replication_health.health(report["rows"], report["variables"], replication.wanted_sources(report["sources"]))
           if verdict.level == "red" and verdict.subject.startswith("source")]
    assert [verdict.errno for verdict in red] == [2026] and red[0].hint
    return str(failed.value)


@pytest.mark.parametrize("spoil, says", [
    (lambda pair: pair.certificate("alpha1", ["alpha", "10.0.1.100"]), "does not name the address used as host.*a certificate with this address"),
    (lambda pair: pair.certificate("alpha1", authority="stranger"), "of an authority that is not in ssl_ca"),
])
def test_certificate_that_is_wrong_names_source_server_and_remedy(running, spoil, says):
    address = f"127.0.0.1:{running.nodes['alpha1'].port}"
    try:
        message = broken(running, spoil)
        assert "source zone0-master" in message and address in message and "2026" in message and re.search(says, message), message
    finally:
        running.certificate("alpha1")
        running.take_up("alpha1")
    base.until(lambda: running.channel()["Slave_IO_Running"] == "Yes", 20)


def test_running_channel_is_not_touched_for_a_certificate_without_the_address(running):
    running.access()
    database_access.ensure({"databases": [], "charset": "utf8mb4", "users": [dict(user, require_tls=False) for user in running.accounts()]},
                           running.nodes["alpha1"].server(), False)
    running.follow(tls=False)
    running.certificate("alpha1", ["alpha", "10.0.1.100"])
    running.take_up("alpha1")
    connected = running.nodes["alpha1"].value("SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump'")
    with pytest.raises(CoreError, match="refusing to let source zone0-master.*not valid for '127.0.0.1'.*subject alternative names.*Nothing was changed"):
        running.follow()
    assert running.nodes["alpha1"].value("SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump'") == connected


@pytest.fixture(scope="module")
def gate():
    loader = importlib.machinery.SourceFileLoader("rejoin_gate_tls", str(ROLE / "files/rejoin-gate"))
    spec = importlib.util.spec_from_loader("rejoin_gate_tls", loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["rejoin_gate_tls"] = module
    loader.exec_module(module)
    return module


def credentials(pair):
    (pair.folder / "gate.cnf").write_text(f'[client]\nuser = opennebula_gate\npassword = "{base.SECRET}"\n'
                                          f"ssl-ca = {pair.ca('alpha2')}\nssl-verify-server-cert\n")
    (pair.folder / "gate.conf").write_text("[gate]\nsocket = /s\n")
    return pair.folder / "gate.conf", pair.folder / "gate.cnf"


def test_gate_and_agent_use_it_and_refuse_a_peer_without(running, gate):
    config, login = gate.Config(*credentials(running)), str(credentials(running)[1])
    port = running.nodes["alpha1"].port
    argv = ["mariadb", f"--defaults-file={login}", "--host=127.0.0.1", f"--port={port}", "--execute=SELECT 1"]      # as the agent does
    with gate.connect_peer(config, "127.0.0.1", port) as peer:
        assert gate.rows_of(peer, "SHOW STATUS LIKE 'Ssl_cipher'")[0]["Value"].startswith("TLS")
    assert subprocess.run(argv, check=False, capture_output=True).returncode == 0
    running.certificate("alpha1", ["alpha", "10.0.1.100"])
    running.take_up("alpha1")
    with pytest.raises(Exception, match="not valid for '127.0.0.1'"):
        gate.connect_peer(config, "127.0.0.1", port)
    assert b"2026" in subprocess.run(argv, check=False, capture_output=True).stderr
    running.restart("alpha1", tls=False)
    with pytest.raises(Exception, match="TLS|SSL"):
        gate.connect_peer(config, "127.0.0.1", port)
    assert b"2026" in subprocess.run(argv, check=False, capture_output=True).stderr


def test_copies_go_over_tls_or_not_at_all(running):
    running.nodes["alpha1"].rows("CREATE TABLE IF NOT EXISTS opennebula.acl (oid INT PRIMARY KEY)")
    here = running.nodes["alpha2"].server()
    here.do("SET SESSION sql_log_bin=0")
    here.do("CREATE DATABASE IF NOT EXISTS staging")
    login = {"login_host": "127.0.0.1", "login_port": running.nodes["alpha1"].port, "login_user": "seed", "login_password": base.SECRET}
    assert running.enter("seed", skip_ssl="") == "1045"
    there = mariadb.Server(dict(login, login_tls_ca=running.ca("alpha2")))
    mariadb.Copy(60).into(there, "opennebula", ["acl"], here, "staging")
    assert there.rows("SHOW STATUS LIKE 'Ssl_cipher'")[0]["Value"].startswith("TLS") and here.rows("SHOW TABLES IN staging")
    running.certificate("alpha1", ["alpha", "10.0.1.100"])
    running.take_up("alpha1")
    strict = mariadb.Server(dict(login, login_tls_ca=running.ca("alpha2")))
    with pytest.raises(CoreError, match="cannot speak TLS with MariaDB at seed@127.0.0.1:.*not valid for") as refused:
        strict.rows("SELECT 1")
    assert refused.value.data["errno"] == 2026 and base.SECRET not in str(refused.value)
    with pytest.raises(CoreError, match="TLS|SSL"):
        mariadb.Copy(60).into(strict, "opennebula", ["acl"], here, "staging")
    with pytest.raises(CoreError, match="cannot read the authorities for TLS"):
        mariadb.Server(dict(login, login_tls_ca="/nowhere/ca.pem")).rows("SELECT 1")
