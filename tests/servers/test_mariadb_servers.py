# SPDX-License-Identifier: GPL-3.0-or-later
"""The MariaDB modules on four real servers of this machine: two zones of two nodes, private data directories, high ports on 127.0.0.1.

Skipped where mariadbd is not installed. About 15 s. ``pytest --import-mode=importlib tests/servers``
"""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

pymysql = pytest.importorskip("pymysql")

from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import mariadb  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.module_utils.core import federated, replication, replication_health  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.modules import (  # noqa: E402
    database_access, federated_tables, federated_tables_info, replication_info, replication_source)

pytestmark = pytest.mark.skipif(not shutil.which("mariadbd"), reason="mariadbd is not installed")
SECRET = "CANARY-9f2c"
NODES = {"alpha1": (1, 0), "alpha2": (2, 0), "beta1": (3, 100), "beta2": (4, 100)}
PAIRS = {"alpha1": ("zone0-slave", "alpha2"), "alpha2": ("zone0-master", "alpha1"), "beta1": ("zone100-slave", "beta2"), "beta2": ("zone100-master", "beta1")}
PATIENCE_S = 90      # of a busy machine; nothing waits that long when all is well
STOPPED_BY_ANOTHER = (1593, 1595)
TABLES = [f"opennebula.{table}" for table in federated.FEDERATED_TABLES]


class Node:
    def __init__(self, folder, name):
        self.name, self.folder, self.process = name, folder / name, None
        self.server_id, self.domain = NODES[name]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        shutil.copytree(folder / "template", self.folder)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "mysql", str(self.folder)], check=True)

    def start(self, *more, prefix="zone0"):
        filters = [f"--{prefix}.replicate-do-table={table}" for table in TABLES] if self.domain else []
        self.process = subprocess.Popen(
            ["mariadbd", "--no-defaults", f"--datadir={self.folder}", f"--socket={self.folder}/s.sock", f"--pid-file={self.folder}/pid",
             f"--log-error={self.folder}/err.log", f"--tmpdir={self.folder.parent}/tmp",
             *(["--user=mysql"] if os.geteuid() == 0 else []), "--bind-address=127.0.0.1", f"--port={self.port}", f"--server-id={self.server_id}",
             f"--gtid-domain-id={self.domain}", "--gtid-strict-mode=1", "--log-bin=mysql-bin", "--relay-log=mysql-relay", "--binlog-do-db=opennebula",
             "--binlog-format=ROW", "--log-slave-updates=1", f"--gtid-ignore-duplicates={int(bool(self.domain))}", "--relay-log-recovery=1",
             "--slave-net-timeout=10",
             "--read-only=1", "--skip-name-resolve", "--rpl-semi-sync-slave-enabled=1", "--innodb-buffer-pool-size=16M", *filters, *more],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: self.value("SELECT 1") == 1, PATIENCE_S)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for rest in ("s.sock", "pid"):
            (self.folder / rest).unlink(missing_ok=True)

    def start_again(self):
        """As mariadb-writer and constellation-heal.timer do: channels that start together may stop each other, there is one semi-sync switch for all."""
        for row in self.server().slaves():
            if row["Slave_IO_Running"] == "No" and int(row["Last_IO_Errno"]) in STOPPED_BY_ANOTHER:
                self.rows(f"STOP SLAVE '{row['Connection_name']}'")
                self.rows(f"START SLAVE '{row['Connection_name']}'")

    def running(self):
        self.start_again()
        return {(row["Slave_IO_Running"], row["Slave_SQL_Running"]) for row in self.server().slaves()} == {("Yes", "Yes")}

    def start_all(self):
        self.rows("START ALL SLAVES")
        until(self.running, PATIENCE_S)

    def server(self, kind=mariadb.Server):
        return kind({"login_unix_socket": str(self.folder / "s.sock")})

    def value(self, sql):
        return self.rows(sql, value=True)

    def rows(self, sql, value=False, database=None):
        """Ask by another road than the code under test."""
        try:
            with pymysql.connect(unix_socket=str(self.folder / "s.sock"), user="root", database=database,
                                 autocommit=True) as connection, connection.cursor() as cursor:
                cursor.execute(sql)
                rows = cursor.fetchall()
        except pymysql.err.OperationalError:
            return None
        return rows[0][0] if value else rows


def until(condition, within_s):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.1)


def caught_up(zones):
    """Wait until the slave zone's standby has everything of the master zone."""
    until(lambda: zones["beta2"].value("SELECT @@gtid_slave_pos").split(",")[0] == zones["alpha1"].value("SELECT @@gtid_binlog_pos"), PATIENCE_S)


@pytest.fixture(scope="module")
def zones():
    yield from four_servers()


def four_servers():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="constellation-servers-"))      # pytest's own are closed to the user mysql
    folder.chmod(0o755)
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o1777)
    nodes = {}
    try:
        subprocess.run(["mariadb-install-db", "--no-defaults", "--skip-test-db", f"--datadir={folder}/template", f"--tmpdir={folder}/tmp",
                        "--auth-root-authentication-method=socket", *(["--user=mysql"] if os.geteuid() == 0 else [])],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        nodes.update({name: Node(folder, name) for name in NODES})
        for node in nodes.values():
            node.start()
        yield nodes
    finally:
        for node in nodes.values():
            if node.process and node.process.poll() is None:
                node.kill()
        shutil.rmtree(folder)


def access(node):
    def user(name, privileges):
        return {"name": name, "hosts": ["127.0.0.1"], "password": SECRET, "privileges": privileges, "require_tls": False, "exclusive": False,
                "state": "present"}

    users = [user("repl", {"*.*": ["REPLICATION REPLICA"]}), user("seed", {"*.*": ["BINLOG MONITOR"], "opennebula.*": ["SELECT"]})]
    return database_access.ensure({"databases": ["opennebula"], "charset": "utf8mb4", "users": users}, node.server(), False)


def sources(zones, node, federation=False, **more):
    name, peer = PAIRS[node]
    wanted = [{"name": "zone0", "host": "127.0.0.1", "port": zones["alpha2"].port, "do_tables": TABLES}] if federation else []
    params = {"port": 3306, "user": "repl", "password": SECRET, "update_password": "on_create", "connect_retry_s": 2, "heartbeat_s": 5.0, "delay_s": 0,
              "use_gtid": "slave_pos",
              "ssl": False, "ssl_ca": "", "ssl_cert": "", "ssl_key": "", "ssl_verify": True, "state": "started", "exclusive": True, "wait_for": "running",
              "wait_timeout_s": 20}
    wanted.append({"name": name, "host": "127.0.0.1", "port": zones[peer].port})
    return replication_source.ensure(dict(params, sources=wanted, **more), zones[node].server(), False)


def seed(zones, node, **more):
    params = {"masters": ["127.0.0.1"], "domain": 0, "database": "opennebula", "tables": None, "replace": False, "force": False,
              "backup_dir": str(zones[node].folder / "backup")}
    master = mariadb.Server({"login_host": "127.0.0.1", "login_port": zones["alpha1"].port, "login_user": "seed", "login_password": SECRET})
    return federated_tables.ensure(dict(params, **more), zones[node].server(), [master], mariadb.Copy(60), False)


def report(zones, node, **more):
    servers = mariadb.Servers({"login_unix_socket": str(zones[node].folder / "s.sock"), "user": "seed", "password": SECRET, "connect_timeout_s": 5})
    params = {"database": "opennebula", "tables": None, "masters": ["127.0.0.1"], "domain": 0, "wait_timeout_s": 10,
              "master_port": zones["alpha2" if node == "alpha1" else "alpha1"].port}
    return federated_tables_info.read(dict(params, **more), servers)


def differing(zones):
    """Return what differs, {node: {table: keys}}; None for a node that could not compare."""
    found = {}
    for node in zones:
        comparison = report(zones, node)["comparison"]
        found[node] = {one["table"]: one["missing_here"] + one["only_here"] + one["differing"] for one in comparison["tables"]}
        found[node] = None if comparison["equal"] is None else found[node]
    return found


def equal(zones):
    return all(found == {} for found in differing(zones).values())


def write(zones, *statements):
    for statement in statements:
        zones["alpha1"].rows(statement, database="opennebula")      # with binlog-do-db, DDL from another default database is not logged


def pool(oid):
    return f"INSERT INTO opennebula.user_pool VALUES ({oid}, 'u{oid}', NULL)"


def local(oid):
    return f"REPLACE INTO opennebula.vm_pool VALUES ({oid}, 'v', RAND())"


def test_two_zones_converge_and_stay_silent(zones):
    assert all(access(node).changed for node in zones.values()) and not any(access(node).changed for node in zones.values())
    assert all(sources(zones, name).changed for name in zones) and not any(sources(zones, name).changed for name in zones)
    write(zones, "SET GLOBAL read_only=0", *(f"CREATE TABLE opennebula.{table} (oid INT PRIMARY KEY, name VARCHAR(128), body MEDIUMTEXT, UNIQUE(name))"
                                             for table in (*federated.FEDERATED_TABLES, "vm_pool")), pool(0), local(0))
    assert all(seed(zones, name).changed for name in ("beta1", "beta2")) and not seed(zones, "beta1").changed
    assert all(sources(zones, name, federation=True).changed for name in ("beta1", "beta2"))
    write(zones, local(1), pool(1), local(2))      # the first federated event after seeding used to stop the pair with 1236
    until(lambda: equal(zones), PATIENCE_S)
    assert not any(sources(zones, name, federation=True).changed for name in ("beta1", "beta2"))
    assert zones["beta2"].value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA='opennebula' AND TABLE_NAME='vm_pool'") == 0
    for name in ("beta1", "beta2"):
        info = replication_info.read({"names": None, "wait_gtid_pos": None, "wait_timeout_s": 1}, zones[name].server())
        bad = [verdict for verdict in replication_health.health(info["rows"], info["variables"], replication.wanted_sources(info["sources"]))
               if verdict.level == "red"]
        assert bad == []


def test_one_wrong_value_is_found_though_the_counts_agree(zones):
    zones["beta2"].rows("SET STATEMENT sql_log_bin=0 FOR UPDATE opennebula.user_pool SET body='' WHERE oid=0")      # NULL → ''
    assert differing(zones) == {"alpha1": {}, "alpha2": {}, "beta1": {}, "beta2": {"user_pool": ["0"]}}
    assert seed(zones, "beta2", force=True).as_result()["backup_file"]
    until(lambda: equal(zones), PATIENCE_S)


@contextlib.contextmanager
def writing(zones, rate=200, threads=4):
    """Change rows of a federated table and change them back, all the time."""
    done, counts = threading.Event(), [0] * threads

    def write_on(number):
        with pymysql.connect(unix_socket=str(zones["alpha1"].folder / "s.sock"), user="root", database="opennebula", autocommit=True) as connection:
            with connection.cursor() as cursor:
                while not done.is_set():
                    cursor.execute("REPLACE INTO user_pool VALUES (%s, %s, %s)", (1000 + number, f"writer {number}", counts[number] % 2))
                    counts[number] += 1
                    time.sleep(threads / rate)

    running = [threading.Thread(target=write_on, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield counts
    finally:
        done.set()
        for thread in running:
            thread.join()


def test_equality_is_proven_while_a_federated_table_is_written_to(zones):
    with writing(zones) as counts:
        until(lambda: sum(counts) > 50, PATIENCE_S)
        for dummy in range(5):
            before = sum(counts)
            assert differing(zones) == {node: {} for node in zones}
            assert sum(counts) > before + 3, "nothing was written meanwhile"
        zones["beta2"].rows("SET STATEMENT sql_log_bin=0 FOR UPDATE opennebula.user_pool SET body='altered' WHERE oid=0")
        zones["alpha2"].rows("SET STATEMENT sql_log_bin=0 FOR INSERT INTO opennebula.acl VALUES (77, 'errant', NULL)")
        assert differing(zones) == {"alpha1": {}, "alpha2": {"acl": ["77"]}, "beta1": {}, "beta2": {"user_pool": ["0"]}}
        zones["beta2"].rows("SET STATEMENT sql_log_bin=0 FOR UPDATE opennebula.user_pool SET body=NULL WHERE oid=0")
        zones["alpha2"].rows("SET STATEMENT sql_log_bin=0 FOR DELETE FROM opennebula.acl WHERE oid=77")
        assert equal(zones)


def test_a_server_that_lags_is_not_different(zones):
    with writing(zones) as counts:
        zones["beta1"].rows("STOP ALL SLAVES")
        before = sum(counts)
        until(lambda: sum(counts) > before + 50, PATIENCE_S)
        comparison = report(zones, "beta1")["comparison"]
        assert comparison["equal"] is None and comparison["tables"] == [] and "stands still at sequence" in comparison["why"]
        later = threading.Timer(1.0, zones["beta1"].start_all)
        later.start()
        comparison = report(zones, "beta1", wait_timeout_s=40)["comparison"]
        later.join()
        assert comparison["equal"], comparison
    states = {(row["Slave_IO_Running"], row["Slave_SQL_Running"]) for node in zones.values() for row in node.server().slaves()}
    assert states == {("Yes", "Yes")}, "nothing is stopped for it"


def test_killed_slave_zone_node_comes_back_by_stop_and_start(zones):
    write(zones, local(3))
    caught_up(zones)
    zones["beta2"].kill()
    write(zones, pool(100), local(4))
    zones["beta2"].start()
    write(zones, pool(101))
    until(lambda: repaired(zones), PATIENCE_S)


def repaired(zones):
    """Run the module on both nodes, as site.yml does, until nothing is broken: a hole shows only when the source has answered."""
    for node in ("beta1", "beta2"):
        try:
            sources(zones, node, federation=True)
        except CoreError:
            return False
    running = {(row["Slave_IO_Running"], row["Slave_SQL_Running"]) for node in ("beta1", "beta2") for row in zones[node].server().slaves()}
    return running == {("Yes", "Yes")} and equal(zones)


def test_rotated_password_is_there_at_the_next_connect(zones):
    def rotate(password):
        for name in ("alpha2", "beta2"):
            zones[name].rows(f"ALTER USER repl@'127.0.0.1' IDENTIFIED BY '{password}'")

    running = zones["beta1"].running
    until(running, PATIENCE_S)
    with pytest.raises(CoreError, match="refusing to give source zone0 its new password .*1045.*for all front-ends"):
        sources(zones, "beta1", federation=True, password="CANARY-rotated")
    assert running(), "it goes on with the old one"
    try:
        rotate("CANARY-rotated")
        done = sources(zones, "beta1", federation=True, password="CANARY-rotated")
        assert [change["kind"] for change in done.as_result()["changes"]] == ["source_password"] * 2
        assert not sources(zones, "beta1", federation=True, password="CANARY-rotated").changed
        zones["beta1"].rows("STOP ALL SLAVES")
        zones["beta1"].start_all()
    finally:
        rotate(SECRET)
    assert sources(zones, "beta1", federation=True).changed


def test_no_secret_is_left_in_any_log(zones):
    zones["beta1"].rows("SET GLOBAL general_log=1")
    zones["beta1"].rows("SET GLOBAL slow_query_log=1")
    assert sources(zones, "beta1", federation=True, update_password="always").changed
    logs = list(zones["beta1"].folder.glob("*.log"))
    assert len(logs) >= 2
    for log in logs:
        assert b"CANARY" not in log.read_bytes(), log
