# SPDX-License-Identifier: GPL-3.0-or-later
"""The MariaDB adapter without a server: what it says when there is none, secrets, and dumps through stand-in programs."""
import os
import pathlib
import stat
import subprocess
import sys

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import mariadb
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotThere

SECRET = 'CANARY"9\\f2c'
LOGIN = {"login_host": "127.0.0.1", "login_port": 1, "login_user": "seed", "login_password": SECRET, "connect_timeout_s": 1}


def test_without_the_driver_the_hint_names_the_package(monkeypatch):
    monkeypatch.setattr(mariadb, "pymysql", None)
    with pytest.raises(NotThere, match="python3-pymysql"):
        mariadb.Server({}).slaves()


def test_without_a_server_it_is_not_there(tmp_path):
    pytest.importorskip("pymysql")
    for login in (LOGIN, {"login_unix_socket": str(tmp_path / "none.sock")}):
        with pytest.raises(NotThere) as absent:
            mariadb.Server(login).slaves()
        assert "CANARY" not in str(absent.value) and absent.value.data["errno"] in (2002, 2003)


def test_option_file_is_private_quoted_and_gone_afterwards():
    with mariadb._option_file(mariadb.Server(LOGIN)) as path:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        with open(path, encoding="utf-8") as stream:
            assert 'password="CANARY\\"9\\\\f2c"' in stream.read()
    assert not os.path.exists(path)


def test_deadline_counts_on_the_given_clock():
    server, now = mariadb.Server(LOGIN), [0.0]
    server.clock = lambda: now[0]
    server.pause = lambda seconds: now.__setitem__(0, now[0] + seconds)
    assert server.until(lambda: now[0], lambda state: state >= 3, 10)[1] is True and 3 <= now[0] < 3.5
    assert server.until(lambda: "never", lambda state: False, 10) == ("never", False) and now[0] >= 13


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Stand-ins for mariadb-dump and mariadb that write down how they were called."""
    def make(name, body):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho \"{name} $*\" >>{tmp_path}/argv\n{body}\n")
        path.chmod(0o755)

    make("mariadb-dump", "echo \"-- SET GLOBAL gtid_slave_pos='0-1-17';\"; echo 'INSERT …'; echo '-- Dump completed on today'")
    make("mariadb", f"cat >{tmp_path}/loaded")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path, make


def copy_into(timeout_s=20):
    return mariadb.Copy(timeout_s).into(mariadb.Server(LOGIN), "opennebula", ["acl"], mariadb.Server({"login_unix_socket": "/s.sock"}), "staging")


def test_dump_is_piped_with_its_comments_and_without_secrets_in_argv(programs):
    folder, dummy = programs
    assert "gtid_slave_pos='0-1-17'" in copy_into()
    assert "INSERT" in (folder / "loaded").read_text()
    argv = (folder / "argv").read_text()
    assert "CANARY" not in argv and "--master-data=2" in argv and "--single-transaction" in argv and "sql_log_bin=0" in argv
    assert argv.count("--defaults-extra-file=") == 2


@pytest.mark.parametrize(("program", "body", "says"), [
    ("mariadb-dump", "echo \"-- SET GLOBAL gtid_slave_pos='0-1-17';\"; exit 0", "cannot dump"),           # cut off
    ("mariadb-dump", "echo 'Access denied' >&2; exit 2", "Access denied"),
    ("mariadb", "cat >/dev/null; echo 'disk full' >&2; exit 1", "disk full"),
    ("mariadb", "exit 1", "cannot load")])
def test_broken_copy_is_an_error(programs, program, body, says):
    programs[1](program, body)
    with pytest.raises(CoreError, match=says):
        copy_into()


def test_copy_that_takes_too_long_is_ended(programs):
    programs[1]("mariadb-dump", "exec sleep 30")
    with pytest.raises(CoreError, match="cannot dump"):
        copy_into(timeout_s=0.3)


@pytest.mark.parametrize("every_s, lines", [(0.0, 2), (60.0, 0)])
def test_long_copy_tells_how_far_it_is(programs, every_s, lines):
    programs[1]("mariadb-dump", "printf '%s\\n' '-- Dumping data for table `acl`' '-- Dumping data for table `user_pool`' INSERT '-- Dump completed on today'")
    told = []
    copy = mariadb.Copy(20, told.append, every_s)
    copy.into(mariadb.Server(LOGIN), "opennebula", ["acl"], mariadb.Server({"login_unix_socket": "/s.sock"}), "staging")
    assert len(told) == lines and not any(SECRET in line for line in told)
    assert not told or told[0].startswith("copying opennebula of seed@127.0.0.1:1: 0.0 MB in 0 s, at user_pool") and told[1].startswith("copied opennebula of ")


def test_backup_is_private(programs):
    path = mariadb.Copy().to_file(mariadb.Server(LOGIN), "opennebula", ["acl"], str(programs[0] / "backup"))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700


def test_backup_that_cannot_be_written_is_told_and_its_part_does_not_stay(programs, monkeypatch):
    folder, make = programs
    (folder / "file").write_text("")
    with pytest.raises(CoreError, match=f"cannot write the backup at {folder}/file: File exists"):
        mariadb.Copy().to_file(mariadb.Server(LOGIN), "opennebula", ["acl"], str(folder / "file"))
    full = mariadb.Copy()
    monkeypatch.setattr(full, "_dump", lambda *dummy: os.write(os.open("/dev/full", os.O_WRONLY), b"x"))
    with pytest.raises(CoreError, match=f"cannot write the backup at {folder}/backup: No space left on device. Nothing was changed. Make room there"):
        full.to_file(mariadb.Server(LOGIN), "opennebula", ["acl"], str(folder / "backup"))
    make("mariadb-dump", "echo half; exit 2")
    with pytest.raises(CoreError, match="cannot dump"):
        mariadb.Copy().to_file(mariadb.Server(LOGIN), "opennebula", ["acl"], str(folder / "backup"))
    assert not os.listdir(folder / "backup")


@pytest.mark.parametrize(("errno", "text"), [
    (1470, f"String '{SECRET[:6]}...' is too long for MASTER_PASSWORD (should be no longer than 96)"),
    (1064, "You have an error in your SQL syntax; … to use near '-1, MASTER_PASSWORD='CANARY\\\"9\\\\f2c'' at line 1")])
def test_error_that_quotes_a_part_of_a_secret_does_not_tell_it(errno, text):
    pymysql = pytest.importorskip("pymysql")

    class Refusing:
        def cursor(self):
            return self

        __enter__ = cursor

        def __exit__(self, *dummy):
            return False

        def execute(self, sql, args):
            if sql.startswith("CHANGE"):
                raise pymysql.err.DataError(errno, text)

        def fetchall(self):
            return ()

    server = mariadb.Server({"login_unix_socket": "/s.sock"})
    server._connection = Refusing()
    with pytest.raises(CoreError, match=f"MariaDB refused CHANGE MASTER .*{errno}") as refused:
        server.do("CHANGE MASTER %s TO MASTER_PASSWORD=%s", ("zone0", SECRET), (SECRET,))
    assert "CANARY" not in str(refused.value)


def test_missing_client_programs_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotThere, match="mariadb-client"):
        copy_into()


def test_rows_are_dumped_without_their_table_and_no_backup_replaces_another(programs):
    folder, copy = programs[0], mariadb.Copy()
    paths = {copy.to_file(mariadb.Server(LOGIN), "opennebula", ["acl"], str(folder / "backup"), where="`oid` = 5") for dummy in range(3)}
    assert len(paths) == 3
    argv = (folder / "argv").read_text()
    assert argv.count("--where=`oid` = 5 opennebula acl") == 3 == argv.count("--no-create-info") and "CANARY" not in argv


def test_other_servers_are_logged_in_to_with_the_other_user():
    servers = mariadb.Servers({"login_unix_socket": "/s.sock", "login_user": "root", "user": "seed", "password": SECRET, "connect_timeout_s": 1})
    assert (servers.here().where, servers.at("10.0.0.1", 3307).where) == ("root@/s.sock", "seed@10.0.0.1:3307")
    assert isinstance(servers.at("10.0.0.1", 3307, servers.Snapshot), mariadb.Snapshot)


def test_authority_to_trust_goes_to_the_client_programs_too_but_not_to_the_unix_socket():
    for login, wanted in ((dict(LOGIN, login_tls_ca="/ca.pem"), True), (LOGIN, False), ({"login_unix_socket": "/s", "login_tls_ca": "/ca.pem"}, False)):
        with mariadb._option_file(mariadb.Server(login)) as path, open(path, encoding="utf-8") as stream:
            lines = stream.read().splitlines()
        assert ("ssl-ca=/ca.pem" in lines, "ssl-verify-server-cert" in lines) == (wanted, wanted)


def test_other_servers_get_the_authority_of_the_module(monkeypatch):
    params = dict({"user": "seed", "password": SECRET, "connect_timeout_s": 1}, tls_ca="/ca.pem")
    assert mariadb.Servers(params).at("10.0.0.1", 3306).tls_ca == "/ca.pem" and mariadb.Servers(params).here().tls_ca is None


def test_server_without_tls_is_not_spoken_to_in_clear(tmp_path, monkeypatch):
    """PyMySQL 1.0 (Debian 12) takes ssl= and goes on without it."""
    pymysql = pytest.importorskip("pymysql")

    class Plain:
        _sock, closed = object(), False

        def close(self):
            Plain.closed = True

    asked = []
    monkeypatch.setattr(pymysql, "connect", lambda **options: asked.append(options) or Plain())
    with pytest.raises(CoreError, match="TLS with MariaDB at seed@127.0.0.1:1: the server offers no TLS. Give that server a certificate") as refused:
        mariadb.Server(dict(LOGIN, login_tls_ca="/ca.pem")).rows("SELECT 1")
    assert Plain.closed and asked[0]["ssl"] == {"ca": "/ca.pem"} and refused.value.data["errno"] == 2026 and "CANARY" not in str(refused.value)
    assert mariadb.Server({}).tls_trouble("127.0.0.1", 1, "u", SECRET, "/ca.pem") == "the server offers no TLS"


def test_authority_that_cannot_be_read_is_told():
    pytest.importorskip("pymysql")
    with pytest.raises(CoreError, match="cannot read the authorities for TLS at /nowhere/ca.pem: No such file"):
        mariadb.Server(dict(LOGIN, login_tls_ca="/nowhere/ca.pem")).rows("SELECT 1")


FILE = "33\nmysql-bin.000001\n4\n10.0.0.2\nrepl\nCANARY\"#\\é\n3306\n2\n"      # of 10.11.19


@pytest.mark.parametrize("name, content, found", [
    ("master-zone0@002dslave.info", FILE, 'CANARY"#\\é'), ("master-zone0@002dslave.info", FILE.replace("repl", "later"), None),
    ("master-zone0@002dslave.info", "33\n10.0.0.2\nrepl\n", None), ("master.info", FILE, None)])
def test_password_of_a_connection_is_read_where_the_server_keeps_it(tmp_path, monkeypatch, name, content, found):
    (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.setattr(mariadb.Server, "value", lambda self, sql: str(tmp_path))
    row = {"Connection_name": "zone0-Slave", "Master_Host": "10.0.0.2", "Master_User": "repl"}
    assert mariadb.Server({}).stored_passwords([row]) == {"zone0-Slave": found}
    assert mariadb.Server(LOGIN).stored_passwords([row]) == {"zone0-Slave": None}, "another host's files are not here"


@pytest.mark.parametrize("errno, says", [(1045, "1045 no"), (1130, "1130 no"), (2003, None)])
def test_login_that_is_refused_is_told_from_nobody_there(errno, says, monkeypatch):
    pymysql = pytest.importorskip("pymysql")

    def refuse(**options):
        raise pymysql.err.OperationalError(errno, "no")

    monkeypatch.setattr(pymysql, "connect", refuse)
    assert mariadb.Server({}).login_refused("127.0.0.1", 1, "u", SECRET) == says


@pytest.mark.parametrize("errno", [2003, 1045, 1130])
def test_nobody_there_and_no_entry_are_no_trouble_with_tls(errno, monkeypatch):
    pymysql = pytest.importorskip("pymysql")

    def refuse(**options):
        raise pymysql.err.OperationalError(errno, "no")

    monkeypatch.setattr(pymysql, "connect", refuse)
    assert mariadb.Server({}).tls_trouble("127.0.0.1", 1, "u", SECRET, "/ca.pem") is None


@pytest.mark.parametrize("code, told", [(0, ["--defaults-file=/x.cnf", "--print-defaults"]), (1, None)])
def test_arguments_of_the_next_start_come_from_the_files_that_the_running_server_was_started_with(tmp_path, monkeypatch, code, told):
    (tmp_path / "server").write_text(f"#!{sys.executable}\nimport sys, time\nif '--print-defaults' in sys.argv:\n    print(*sys.argv[1:])\n"
                                     f"    sys.exit({code})\ntime.sleep(60)\n")
    running = subprocess.Popen([sys.executable, tmp_path / "server", "--defaults-file=/x.cnf", "--user=mysql"])
    (tmp_path / "pid").write_text(f"{running.pid}\n")
    monkeypatch.setattr(mariadb.Server, "rows", lambda self, sql: [{"folder": str(tmp_path), "file": "pid"}])
    monkeypatch.setattr(mariadb.os, "readlink", lambda path: str(tmp_path / "server"))
    (tmp_path / "server").chmod(0o755)
    while not (begun := pathlib.Path(f"/proc/{running.pid}/cmdline").read_text()):      # it has its arguments a moment after it has begun
        assert running.poll() is None, begun
    try:
        found = mariadb.Server({}).next_arguments()
        assert found == told or found.split()[:2] == told and "--user=mysql" in found
        assert mariadb.Server({"login_host": "10.0.0.1"}).next_arguments() is None
    finally:
        running.kill()
        running.wait()
    assert mariadb.Server({}).next_arguments() is None, "nobody with that number runs"
