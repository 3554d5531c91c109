# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module database_service against a systemd that behaves."""
from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import services
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, NotThere
from ansible_collections.constellation.opennebula.plugins.modules import database_service

FILE = "/etc/mysql/mariadb.conf.d/90-constellation.cnf"
WANT = {"unit": "mariadb", "sockets": ["mariadb.socket"], "config_files": [FILE], "certificate": None, "dependents": ["corosync"], "restart": True}


class FakeSystemd:
    def __init__(self, installed=True, pacemaker="inactive", deaf=False):
        self.rows, self.steps, self.deaf, self.now = {}, [], deaf, 200.0
        self._unit("mariadb.service", installed, ActiveState="active", UnitFileState="enabled", NeedDaemonReload="yes",
                   ExecMainStartTimestampMonotonic="100000000")
        self._unit("mariadb.socket", installed, UnitFileState="disabled")
        self._unit("corosync.service", installed)
        self._unit("pacemaker.service", installed, ActiveState=pacemaker)

    def _unit(self, name, installed, **properties):
        self.rows[name] = {"LoadState": "loaded" if installed else "not-found", "ActiveState": "inactive", "UnitFileState": "", "NeedDaemonReload": "no",
                           "ExecMainStartTimestampMonotonic": "0", **(properties if installed else {})}

    def units(self, names):
        return {name: dict(self.rows[name]) for name in names}

    def changed_at(self, paths):
        return {path: 150.0 for path in paths}

    def monotonic(self):
        return self.now

    def do(self, step):
        self.steps.append(step)
        if self.deaf:
            return
        if step == ("daemon-reload",):
            self.rows["mariadb.service"]["NeedDaemonReload"] = "no"
        elif step[0] == "mask":
            self.rows[step[1]].update(LoadState="masked", UnitFileState="masked")
        elif step[0] in ("start", "restart"):
            self.rows[step[1]].update(ActiveState="active", ExecMainStartTimestampMonotonic=str(int(self.now * 1e6)))
        else:
            raise AssertionError(f"nobody expected {step}")


class FakeServer:
    where = "root@/run/mysqld/mysqld.sock"

    def __init__(self, read_only="ON"):
        self.read_only = read_only

    def variables(self, names):
        return {"read_only": self.read_only}

    def slaves(self):
        return [{"Connection_name": "zone0-slave"}]


def test_check_mode_foresees_what_a_run_does_and_a_second_run_changes_nothing():
    systemd = FakeSystemd()
    foreseen = database_service.ensure(WANT, systemd, FakeServer(), True)
    assert foreseen.changed and systemd.steps == []
    done = database_service.ensure(WANT, systemd, FakeServer(), False)
    assert done.plan.as_list() == foreseen.plan.as_list()
    assert systemd.steps == [("daemon-reload",), ("mask", "mariadb.socket"), ("restart", "mariadb.service")]
    assert not database_service.ensure(WANT, systemd, FakeServer(), False).changed and not database_service.ensure(WANT, systemd, FakeServer(), True).changed


@pytest.mark.parametrize("pacemaker, read_only, refused", [("active", "OFF", True), ("active", "ON", False), ("inactive", "OFF", False)])
def test_active_writer_is_never_restarted(pacemaker, read_only, refused):
    systemd = FakeSystemd(pacemaker=pacemaker)
    if not refused:
        assert database_service.ensure(WANT, systemd, FakeServer(read_only), False).changed
        return
    with pytest.raises(CoreError, match="refusing to restart MariaDB .*it is the zone's active writer. Move the zone to its other front-end"):
        database_service.ensure(WANT, systemd, FakeServer(read_only), False)
    assert ("restart", "mariadb.service") not in systemd.steps


def test_bare_host_is_foreseen_in_check_mode_and_an_error_otherwise():
    foreseen = database_service.ensure(WANT, FakeSystemd(installed=False), FakeServer(), True)
    assert [change["after"] for change in foreseen.plan.as_list()] == ["enabled", "running as configured"]
    with pytest.raises(NotThere, match="mariadb is not installed"):
        database_service.ensure(WANT, FakeSystemd(installed=False), FakeServer(), False)


def test_systemd_that_does_nothing_is_found_out():
    with pytest.raises(NotConverged, match="did not converge"):
        database_service.ensure(WANT, FakeSystemd(deaf=True), FakeServer(), False)


def test_systemctl_output_becomes_rows(monkeypatch):
    text = "LoadState=loaded\nActiveState=active\nNeedDaemonReload=no\nId=mariadb.service\n\nLoadState=not-found\nActiveState=inactive\nId=nobody.service\n"
    calls = []
    monkeypatch.setattr(services.system, "run", lambda argv, **options: calls.append(argv) or (0, text, ""))
    rows = services.Systemd().units(["mariadb.service", "nobody.service"])
    assert rows["mariadb.service"]["ActiveState"] == "active" and rows["nobody.service"]["LoadState"] == "not-found"
    assert rows["nobody.service"]["UnitFileState"] == "" and len(calls) == 1


def test_failed_start_says_what_systemd_said(monkeypatch):
    monkeypatch.setattr(services.system, "run", lambda argv, **options: (1, "", "Job for mariadb.service failed.\nSee \"systemctl status\"\n"))
    with pytest.raises(CoreError, match="cannot start mariadb.service: Job for mariadb.service failed. journalctl -u mariadb.service"):
        services.Systemd().do(("start", "mariadb.service"))


def test_times_of_files_are_on_the_clock_of_systemd(tmp_path):
    systemd = services.Systemd()
    before = systemd.monotonic()
    (tmp_path / "a").write_text("x")
    found = systemd.changed_at([str(tmp_path / "a"), str(tmp_path / "none")])
    assert before - 0.1 <= found[str(tmp_path / "a")] <= systemd.monotonic() + 0.1 and found[str(tmp_path / "none")] is None


@pytest.mark.parametrize("check", [True, False])
def test_restart_that_is_left_for_later_is_told_and_everything_else_is_done(check):
    systemd = FakeSystemd(pacemaker="active")
    outcome = database_service.ensure(dict(WANT, restart=False), systemd, FakeServer("OFF"), check)
    assert outcome.as_result()["restart_needed"] and outcome.as_result()["writer"] and outcome.as_result()["replicates"]
    assert systemd.steps == ([] if check else [("daemon-reload",), ("mask", "mariadb.socket")])
    again = database_service.ensure(dict(WANT, restart=False), systemd, FakeServer("ON"), False)
    assert not again.changed or check
    assert again.as_result()["restart_needed"] and not again.as_result()["writer"]
    done = database_service.ensure(WANT, systemd, FakeServer("ON"), False)
    assert done.changed and done.as_result()["restart_needed"] is False


def test_unit_that_is_no_service_is_watched_by_its_own_name():
    systemd = FakeSystemd()
    systemd._unit("heal.timer", True, NeedDaemonReload="yes")
    assert "heal.timer" in database_service.ensure(dict(WANT, dependents=["heal.timer"]), systemd, FakeServer(), True).plan.as_list()[0]["target"]


# --- the certificate that the server shows ---

def pem(number):
    return f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(b'certificate %d' % number).decode()}\n-----END CERTIFICATE-----\n"


class TlsServer(FakeServer):
    """shown: the certificate it reads at its start and on FLUSH SSL; None while it runs without TLS, which only a restart ends."""

    def __init__(self, tree, systemd, tls=True, deaf=False, read_only="ON"):
        super().__init__(read_only)
        self.tree, self.systemd, self.deaf, self.asked = tree, systemd, deaf, []
        self.shown, self.started = (pem(1) if tls else None), len(systemd.steps)

    def close(self):
        pass

    def shown_certificate(self):
        if ("restart", "mariadb.service") in self.systemd.steps[self.started:]:
            self.shown, self.started = self.tree.chain, len(self.systemd.steps)
        return self.shown

    def do(self, sql):
        assert sql == "FLUSH SSL" and self.shown, "10.11 does nothing without TLS"
        self.asked.append(sql)
        self.shown = self.shown if self.deaf else self.tree.chain


class FakeTree:
    def __init__(self, number):
        self.chain = pem(number)

    def read(self, path):
        assert path == CERTIFICATE
        return {"content": self.chain + "-----BEGIN PRIVATE KEY-----\nQ0FOQVJZLTlmMmM=\n-----END PRIVATE KEY-----\n"}


CERTIFICATE = "/etc/constellation/tls/server.pem"
WITH = dict(WANT, certificate=CERTIFICATE, config_files=[])


@pytest.mark.parametrize("number, asked", [(1, []), (2, ["FLUSH SSL"])])
def test_new_certificate_is_taken_up_without_a_restart(number, asked):
    tree, systemd = FakeTree(number), FakeSystemd(pacemaker="active")
    server = TlsServer(tree, systemd, read_only="OFF")      # even on the zone's writer
    foreseen = database_service.ensure(WITH, systemd, server, True, tree)
    assert server.asked == []
    done = database_service.ensure(WITH, systemd, server, False, tree)
    assert done.plan.as_list() == foreseen.plan.as_list() and server.asked == asked
    assert ("restart", "mariadb.service") not in systemd.steps
    assert not database_service.ensure(WITH, systemd, server, False, tree).changed
    assert "Q0FO" not in json.dumps(done.as_result())


def test_server_without_tls_is_restarted_unless_it_is_the_writer():
    tree, systemd = FakeTree(1), FakeSystemd(pacemaker="active")
    with pytest.raises(CoreError, match="refusing to restart MariaDB"):
        database_service.ensure(WITH, systemd, TlsServer(tree, systemd, tls=False, read_only="OFF"), False, tree)
    assert database_service.ensure(WITH, systemd, TlsServer(tree, systemd, tls=False), False, tree).changed
    assert ("restart", "mariadb.service") in systemd.steps


def test_restart_that_is_due_anyway_brings_the_certificate():
    tree, systemd = FakeTree(2), FakeSystemd()
    server = TlsServer(tree, systemd)
    database_service.ensure(dict(WITH, config_files=[FILE]), systemd, server, False, tree)
    assert server.asked == [] and server.shown == pem(2)


def test_server_that_keeps_its_old_certificate_is_found_out():
    tree, systemd = FakeTree(2), FakeSystemd()
    with pytest.raises(NotConverged, match="server_certificate mariadb did not converge"):
        database_service.ensure(WITH, systemd, TlsServer(tree, systemd, deaf=True), False, tree)


@pytest.mark.parametrize("tls, asked, needed", [(True, ["FLUSH SSL"], True), (False, [], True)])
def test_restart_that_is_left_for_later_does_not_keep_a_new_certificate_away(tls, asked, needed):
    tree, systemd = FakeTree(2), FakeSystemd(pacemaker="active")
    server = TlsServer(tree, systemd, tls=tls, read_only="OFF")
    for config_files in ([FILE], []):
        outcome = database_service.ensure(dict(WITH, config_files=config_files, restart=False), systemd, server, False, tree)
        assert outcome.as_result()["restart_needed"] == (needed if config_files or not tls else False)
        assert server.asked == asked and ("restart", "mariadb.service") not in systemd.steps
