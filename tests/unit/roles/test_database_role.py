# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role database puts on a host: the configuration's rules, the alert agent, the way back after a crash."""
from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess

import jinja2
import jinja2.nativetypes
import pytest
import yaml
from ansible_collections.constellation.opennebula.plugins.module_utils.core import topology
from ansible_collections.constellation.opennebula.plugins.module_utils.core.opennebula_cluster import SEMISYNC

ROLE = pathlib.Path(__file__).resolve().parents[3] / "roles/database"


@pytest.fixture(scope="module")
def nodes():
    fence = {"agent": "fence_ilo_ssh"}
    zone = {"opennebula_release": "5.0", **{f"opennebula_{name}_password": "x" for name in ("db", "replication", "oneadmin", "hacluster")}}
    alpha = dict(zone, zone_name="alpha", zone_mode="master", zone_vip="10.0.1.100/16", zone_federation_vip="10.0.1.101/16")
    beta = dict(zone, zone_name="beta", zone_mode="slave", zone_vip="10.0.2.100/16")
    return topology.derive({
        "alpha1": dict(alpha, ansible_host="10.0.1.11", fence=dict(fence, ip="1")), "alpha2": dict(alpha, ansible_host="10.0.1.12", fence=dict(fence, ip="2")),
        "beta1": dict(beta, ansible_host="10.0.2.11", fence=dict(fence, ip="3")), "beta2": dict(beta, ansible_host="10.0.2.12", fence=dict(fence, ip="4")),
    }).as_dict()


def render(template, facts, node):
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    environment.filters["ternary"] = lambda value, yes, no: yes if value else no
    own = facts["nodes"][node]
    values = yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
    values.update({"__database_os": {"socket": "/s"}, "__database_users": {"gate": "opennebula_gate"}, "__database_libexec": "/l"})
    return environment.from_string((ROLE / "templates" / template).read_text(encoding="utf-8")).render(
        opennebula_node=own, opennebula_zone=facts["zones"][own["zone"]], opennebula_topology=facts, **values)


def settings(text):
    lines = [line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return [(key.strip(), value.strip()) for key, value in lines]


# What the experiments proved; a change of any of them loses data or hides that it was lost.
RULES = {
    "gtid_strict_mode": "1", "log-bin": "mysql-bin", "relay-log": "mysql-relay", "binlog-do-db": "opennebula", "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "log_slave_updates": "1", "sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1", "relay_log_recovery": "1", "slave_net_timeout": "10", "read_only": "1",
    "skip-name-resolve": "1", "init-rpl-role": "SLAVE", "rpl_semi_sync_slave_enabled": "1", "rpl_semi_sync_master_enabled": "0", "slave_skip_errors": "OFF",
    "rpl_semi_sync_master_wait_point": "AFTER_SYNC", "rpl_semi_sync_master_timeout": "30000", "loose-binlog_expire_logs_seconds": "864000",
    "expire_logs_days": "10",
    "slave_exec_mode": "STRICT",
    "skip-slave-start": "1",
}


@pytest.mark.parametrize("node, server_id, domain, ignore", [
    ("alpha1", "1", "0", "0"), ("alpha2", "2", "0", "0"), ("beta1", "10001", "100", "1"), ("beta2", "10002", "100", "1")])
def test_configuration(nodes, node, server_id, domain, ignore):
    found = settings(render("90-constellation.cnf.j2", nodes, node))
    filters = [(key, value) for key, value in found if "replicate-do-table" in key]
    plain = dict(pair for pair in found if pair not in filters)
    assert {key: plain.get(key) for key in RULES} == RULES
    assert (plain["server-id"], plain["gtid_domain_id"], plain["gtid_ignore_duplicates"]) == (server_id, domain, ignore)
    wanted = [("zone0.replicate-do-table", f"opennebula.{table}") for table in topology.FEDERATED_TABLES] if node.startswith("beta") else []
    assert filters == wanted


def test_configuration_in_layout_guide(nodes):
    """A domain for each server, nothing passed on, two filtered channels; all else as measured."""
    zone = {f"opennebula_{name}_password": "x" for name in ("db", "replication", "oneadmin", "hacluster")}
    facts = topology.derive({
        f"{name}{number}": dict(zone, zone_name=name, zone_mode=mode, zone_vip=f"10.0.{third}.100/16", ansible_host=f"10.0.{third}.1{number}",
                                fence={"agent": "fence_ilo_ssh", "ip": f"{third}{number}"}, opennebula_replication_layout="guide")
        for name, mode, third in (("alpha", "master", 1), ("beta", "slave", 2)) for number in (1, 2)}).as_dict()
    for node, domain in (("alpha1", "1"), ("alpha2", "2"), ("beta1", "10001"), ("beta2", "10002")):
        found = settings(render("90-constellation.cnf.j2", facts, node))
        filters = [(key, value) for key, value in found if "replicate-do-table" in key]
        plain = dict(pair for pair in found if pair not in filters)
        acknowledges = "1" if node.startswith("alpha") else "0"
        assert {key: plain.get(key) for key in RULES} == dict(RULES, log_slave_updates="0", rpl_semi_sync_slave_enabled=acknowledges)
        assert (plain["server-id"], plain["gtid_domain_id"], plain["gtid_ignore_duplicates"]) == (domain, domain, "0")
        both = [(f"zone0-master{number}.replicate-do-table", f"opennebula.{table}") for number in (1, 2) for table in topology.FEDERATED_TABLES]
        assert filters == (both if node.startswith("beta") else [])


def test_gate_knows_its_peer_and_its_channel(nodes):
    assert dict(settings(render("rejoin-gate.conf.j2", nodes, "beta1"))) == {
        "name": "beta1", "socket": "/s", "wait_s": "25", "channels": "zone100-slave", "peers": "beta2=10.0.2.12:3306"}


def test_tls_is_in_the_configuration_and_in_the_credentials_where_it_is_on(nodes):
    assert not [key for key, dummy in settings(render("90-constellation.cnf.j2", nodes, "alpha1")) if "ssl" in key or "tls" in key]
    assert "ssl" not in render("gate.cnf.j2", nodes, "alpha1")
    used = dict(nodes, tls={"mode": "made", "used": True, "ca": "/t/ca.pem", "folder": "/t"})
    plain = dict(settings(render("90-constellation.cnf.j2", used, "alpha1")))
    assert {key: plain[key] for key in ("ssl_ca", "ssl_cert", "ssl_key", "tls_version")} == {
        "ssl_ca": "/t/ca.pem", "ssl_cert": "/t/server.pem", "ssl_key": "/t/server.pem", "tls_version": "TLSv1.2,TLSv1.3"}
    assert render("gate.cnf.j2", used, "alpha1").splitlines()[-2:] == ["ssl-ca = /t/ca.pem", "ssl-verify-server-cert"]
    offered = dict(used, tls={"mode": "made", "used": False, "ca": "", "folder": "/t"})
    assert "ssl_cert" in render("90-constellation.cnf.j2", offered, "alpha1") and "ssl" not in render("gate.cnf.j2", offered, "alpha1")


@pytest.mark.parametrize("password", ["plain", 'a"b#c', "a'b#c", "a\\b", 'a\\"b', "a\\nb", "#;= %(x)s"])
def test_gate_and_agent_read_the_same_password(nodes, tmp_path, password):
    """The client takes what follows a # behind an unescaped quote for a comment; then the agent is refused and semi-sync stays off."""
    text = (ROLE / "templates/gate.cnf.j2").read_text(encoding="utf-8")
    (tmp_path / "gate.cnf").write_text(jinja2.Template(text, trim_blocks=True, keep_trailing_newline=True).render(
        __database_users={"gate": "g"}, database_gate_password=password, opennebula_topology=nodes), encoding="utf-8")
    (tmp_path / "gate.conf").write_text("[gate]\nsocket = /s\n", encoding="utf-8")
    loader = importlib.machinery.SourceFileLoader("rejoin_gate", str(ROLE / "files/rejoin-gate"))
    gate = importlib.util.module_from_spec(importlib.util.spec_from_loader("rejoin_gate", loader))
    loader.exec_module(gate)
    assert gate.Config(tmp_path / "gate.conf", tmp_path / "gate.cnf").password == password
    if shutil.which("my_print_defaults"):
        done = subprocess.run(["my_print_defaults", f"--defaults-file={tmp_path}/gate.cnf", "client"], capture_output=True, text=True, check=True)
        assert f"--password={password}" in done.stdout.splitlines()


class Shell:
    """Runs an agent with programs that record their arguments."""

    def __init__(self, place):
        self.place = place

    def program(self, name, text):
        (self.place / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{self.place}/log"\n{text}\n')
        (self.place / name).chmod(0o755)

    def run(self, agent, **environment):
        (self.place / "log").write_text("")
        done = subprocess.run(["sh", ROLE / "files" / agent], env=dict(environment, PATH=f"{self.place}:{os.environ['PATH']}"), capture_output=True, text=True,
                              timeout=30, check=False)
        self.said = done.stderr
        return done.returncode, (self.place / "log").read_text()


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


RELEASE = "SET GLOBAL rpl_semi_sync_master_enabled = 0"
# Environment of pacemaker 2.1.5 for an alert about fencing.
FENCED = {"CRM_alert_kind": "fencing", "CRM_alert_node": "alpha2", "CRM_alert_rc": "0", "CRM_alert_task": "off",
          "CRM_alert_desc": "Operation off of alpha2 by alpha1 for pacemaker-controld.1@alpha1: OK (complete)"}


@pytest.mark.parametrize("change, releases, says", [
    ({}, True, "alpha2 is fenced"),
    ({"CRM_alert_rc": "1", "CRM_alert_desc": "Operation off of alpha2 by alpha1: No such device"}, False, "fencing of alpha2 is NOT confirmed"),
    ({"CRM_alert_rc": ""}, False, "NOT confirmed"),
    ({"CRM_alert_task": "on", "CRM_alert_desc": "Operation on of alpha2 by alpha1: OK"}, False, ""),
    ({"CRM_alert_kind": "node", "CRM_alert_desc": "lost"}, False, ""),
    ({"CRM_alert_node": os.uname().nodename}, False, ""),
])
def test_commits_are_released_only_when_fencing_is_confirmed(shell, change, releases, says):
    shell.program("mariadb", "")
    shell.program("logger", "")
    shell.program("attrd_updater", "")
    code, log = shell.run("fencing-alert", **{**FENCED, **change})
    assert code == 0 and (RELEASE in log) == releases and says in log
    assert (f"attrd_updater --name {SEMISYNC} --update 0" in log) == releases, "the federation address may come exactly when commits do not wait"


def test_cluster_that_does_not_take_the_attribute_does_not_keep_commits_waiting(shell):
    shell.program("mariadb", "")
    shell.program("logger", "")
    shell.program("attrd_updater", "exit 1")
    code, log = shell.run("fencing-alert", **FENCED)
    assert code == 0 and log.index(RELEASE) < log.index("attrd_updater") and f"does not take the attribute {SEMISYNC}=0" in log


def test_release_that_fails_is_loud(shell):
    shell.program("mariadb", "echo 'ERROR 1045 (28000): Access denied' >&2; exit 1")
    shell.program("logger", "")
    shell.program("attrd_updater", "")
    code, log = shell.run("fencing-alert", **FENCED)
    assert code == 1 and "daemon.err" in log and "Access denied" in log and "attrd_updater" not in log


SYSTEMCTL = 'case "$*" in "is-active --quiet pacemaker.service") exit {pacemaker} ;; esac'


def test_crashed_server_waits_until_the_writer_has_gone(shell):
    shell.program("systemctl", SYSTEMCTL.format(pacemaker=0))
    shell.program("crm_node", "echo alpha1")
    shell.program("crm_resource", f'case "$*" in *--locate*) [ "$(grep -c locate {shell.place}/log)" -gt 1 ] && on=alpha2 || on=alpha1;'
                  'echo "resource database_writer is running on: $on" ;; esac')
    code, log = shell.run("standby-return")
    assert code == 0
    order = re.findall(r"--locate|start mariadb.service|--cleanup", log)
    assert order == ["--locate", "--locate", "start mariadb.service", "--cleanup"]


def test_crashed_server_without_a_cluster_starts_at_once(shell):
    shell.program("systemctl", SYSTEMCTL.format(pacemaker=3))
    code, log = shell.run("standby-return")
    assert code == 0 and "start mariadb.service" in log and "crm_resource" not in log


def test_crashed_server_waits_for_the_peer_to_take_over(shell):
    shell.program("systemctl", SYSTEMCTL.format(pacemaker=0))
    shell.program("crm_node", "echo alpha1")
    shell.program("crm_resource", f'case "$*" in *--locate*) case $(grep -c locate {shell.place}/log) in'
                  ' 1) echo "resource database_writer is running on: alpha1" ;; 2) echo "resource database_writer is NOT running" ;;'
                  ' *) echo "resource database_writer is running on: alpha2" ;; esac ;; esac')
    code, log = shell.run("standby-return")
    assert code == 0 and re.findall(r"--locate|start mariadb.service", log) == ["--locate"] * 3 + ["start mariadb.service"]


@pytest.mark.parametrize("silent", ["crm_resource", "crm_node"])
@pytest.mark.parametrize("times, starts", [(4, True), (99, False)])
def test_crashed_server_does_not_take_the_silence_of_a_busy_cluster_for_its_leave(shell, silent, times, starts):
    """Back too early, it drops what nobody acknowledged while its peer still follows it."""
    shell.program("systemctl", SYSTEMCTL.format(pacemaker=0))
    shell.program("date", f"echo $(($(grep -c 'date ' {shell.place}/log) * 15))")
    shell.program("sleep", "")
    shell.program("timeout", f'shift; [ "$1" = {silent} ] && [ "$(grep -c "timeout 10 {silent}" {shell.place}/log)" -le {times} ] && exit 124; exec "$@"')
    shell.program("crm_node", "echo alpha1")
    shell.program("crm_resource", 'case "$*" in *--locate*) echo "resource database_writer is running on: alpha2" ;; esac')
    code, log = shell.run("standby-return")
    asked = re.findall(rf"timeout 10 {silent}|start mariadb.service", log)
    assert (code, "start mariadb.service" in asked) == ((0, True) if starts else (1, False)) and asked.count(f"timeout 10 {silent}") > 4


def test_crashed_server_waits_on_when_the_cluster_counts_the_writer_here_again(shell):
    shell.program("systemctl", SYSTEMCTL.format(pacemaker=0))
    shell.program("crm_node", "echo alpha1")
    shell.program("crm_resource", f'case "$*" in *--locate*) case $(grep -c locate {shell.place}/log) in'
                  ' 1) echo "resource database_writer is NOT running" ;; 2) echo "resource database_writer is running on: alpha1" ;;'
                  ' *) echo "resource database_writer is running on: alpha2" ;; esac ;; esac')
    code, log = shell.run("standby-return")
    assert code == 0 and re.findall(r"--locate|start mariadb.service", log) == ["--locate"] * 3 + ["start mariadb.service"]


# server id, domain, gtid_slave_pos, gtid_binlog_pos -> the position that replication starts from, None for as it is
POSITIONS = [
    (1, 0, "0-1-663", "0-1-662", "0-1-662"),                          # the reproduced case: the echo came before the acknowledgement
    (1, 0, "0-1-663", "0-2-640", "0-2-640"),
    (1, 0, "0-1-3", "", ""),
    (10001, 100, "0-1-9, 100-10001-5", "0-1-9, 100-10002-4", "0-1-9,100-10002-4"),
    (1, 0, "0-1-662", "0-1-662", None),
    (1, 0, "0-2-700", "0-1-662", None),                               # another node's events: whatever that is, it is not this
    (1, 0, "0-1-600", "0-2-662", None),
    (10001, 100, "0-10001-99,100-10002-5", "100-10002-5", None),      # seeded from another zone: no business of ours
    (1, 0, "", "", None),
    (1, 0, "0-1-1000", "0-1-999", "0-1-999"),                         # numbers, not text
]


@pytest.mark.parametrize("server, domain, slave, binlog, position", POSITIONS)
def test_replication_starts_where_crash_recovery_left_the_binary_log(shell, server, domain, slave, binlog, position):
    (shell.place / "answer").write_text(f"{server}\t{domain}\ts{slave}\tb{binlog}\n")
    shell.program("mariadb", f'case "$*" in *server_id*) cat {shell.place}/answer ;;'
                  ' *SHOW*) echo "  Connection_name: zone0-slave"; echo "  Replicate_Do_Table: "; echo "  Connection_name: zone0";'
                  ' echo "  Replicate_Do_Table: opennebula.acl" ;; esac')
    code, log = shell.run("start-replication")
    assert code == 0
    changed = re.findall(r"--execute=((?:SET|START) .*)", log)
    assert changed == ([f"SET GLOBAL gtid_slave_pos = '{position}'"] if position is not None else []) + ["START SLAVE 'zone0-slave'", "START SLAVE 'zone0'"]


@pytest.mark.parametrize("channel, started", [("zone0", False), ("zone0-master2", False), ("zone0-master", True), ("zone100-slave", True), ("backup", True)])
def test_federation_channel_that_has_lost_its_filter_is_not_started(shell, channel, started):
    (shell.place / "answer").write_text("3\t100\ts0-1-5\tb100-3-5\n")
    shell.program("mariadb", f'case "$*" in *server_id*) cat {shell.place}/answer ;;'
                  f' *SHOW*) echo "  Connection_name: {channel}"; echo "  Replicate_Do_Table: "; echo "  Connection_name: zone100-master" ;; esac')
    code, log = shell.run("start-replication")
    assert code == 0 and (f"START SLAVE '{channel}'" in log) == started and "START SLAVE 'zone100-master'" in log


def test_replication_stays_off_when_the_position_cannot_be_mended(shell):
    (shell.place / "answer").write_text("1\t0\ts0-1-663\tb0-1-662\n")
    shell.program("mariadb", f'case "$*" in *server_id*) cat {shell.place}/answer ;; *gtid_slave_pos*) echo "ERROR 1198 (HY000)" >&2; exit 1 ;; esac')
    shell.program("sleep", "")
    code, log = shell.run("start-replication")
    assert code == 1 and "START SLAVE" not in log and log.count("--execute=SET GLOBAL gtid_slave_pos") == 3
    for words in ("MariaDB stays up", "the position 0-1-663 is beyond the binary log's end 0-1-662", "ERROR 1198", "verb reseed_node"):
        assert words in shell.said


@pytest.mark.parametrize("silent", ["server_id", "SHOW"])
@pytest.mark.parametrize("times, starts", [(2, True), (3, False)])
def test_replication_of_a_busy_server_is_asked_for_again(shell, silent, times, starts):
    (shell.place / "answer").write_text("1\t0\ts0-1-662\tb0-1-662\n")
    shell.program("mariadb", f'case "$*" in *{silent}*) [ "$(grep -c {silent} {shell.place}/log)" -gt {times} ] || {{ echo ERROR 2013 >&2; exit 1; }} ;; esac;'
                  ' case "$*" in *server_id*) cat ' f'{shell.place}/answer ;; *SHOW*) echo "Connection_name: zone0-slave" ;; esac')
    shell.program("sleep", "")
    code, log = shell.run("start-replication")
    assert (code == 0) == starts == ("START SLAVE 'zone0-slave'" in log)
    assert starts or "MariaDB stays up" in shell.said and "start-replication again" in shell.said


def test_mariadb_stays_up_where_replication_cannot_be_started():
    """Stopped with it, no repair and no verification would reach it; the positions keep it from following and from being promoted."""
    unit = (ROLE / "templates/mariadb.conf.j2").read_text(encoding="utf-8")
    assert re.findall(r"^ExecStartPost=(\S*)\{\{ __database_libexec \}\}/start-replication$", unit, re.M) == ["+-"]


@pytest.mark.parametrize("pulling, gone, releases", [
    ("3\t\t3306\t1", "alpha2", False),                    # alpha3 pulls from here and acknowledges
    ("2\t\t3306\t1", "alpha2", True),                     # only the dead one did
    ("10001\t\t3306\t1", "alpha2", True),                 # a slave zone's node acknowledges nothing
    ("", "alpha2", True),
])
def test_commits_of_a_ring_are_released_only_when_nobody_else_acknowledges(shell, tmp_path, pulling, gone, releases):
    shell.program("mariadb", f'case "$*" in *"SHOW SLAVE HOSTS"*) printf \'{pulling}\\n\' ;; esac')
    shell.program("logger", "")
    shell.program("attrd_updater", "")
    (tmp_path / "ring.conf").write_text("# name server_id address port\nalpha1 1 10.0.0.1 3306\nalpha2 2 10.0.0.2 3306\nalpha3 3 10.0.0.3 3306\n")
    code, log = shell.run("fencing-alert", **{**FENCED, "CRM_alert_node": gone, "CONSTELLATION_RING": str(tmp_path / "ring.conf")})
    assert code == 0 and (RELEASE in log) == ("attrd_updater" in log) == releases and f"{gone} is fenced" in log


def test_ring_is_written_in_its_order(nodes):
    text = render("ring.conf.j2", dict(nodes, zones=dict(nodes["zones"], alpha=dict(nodes["zones"]["alpha"], nodes=["alpha2", "alpha1"]))), "alpha1")
    assert text.splitlines()[1:] == ["# name server_id address port", "alpha2 2 10.0.1.12 3306", "alpha1 1 10.0.1.11 3306"]


def test_gate_knows_that_its_zone_is_a_ring(nodes):
    zone = dict(nodes["zones"]["alpha"], nodes=["alpha1", "alpha2", "alpha3"])
    found = dict(settings(render("rejoin-gate.conf.j2", dict(nodes, zones=dict(nodes["zones"], alpha=zone)), "alpha1")))
    assert found["ring"] == "yes" and found["peers"] == "alpha2=10.0.1.12:3306"


def test_accounts_that_come_over_the_network_can_read_and_follow_and_nothing_else():
    """RELOAD would let whoever reads the master zone's tables for seeding RESET MASTER there (10.11.19)."""
    users = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))
    accounts = {account["name"]: account["privileges"] for account in users["__database_zone_accounts"] + users["__database_seed_accounts"]}
    rendered = {name: value if isinstance(value, dict) else jinja2.nativetypes.NativeEnvironment().from_string(value).render(database_name="opennebula")
                for name, value in accounts.items()}
    assert rendered == {
        "{{ database_user }}": {"opennebula.*": ["ALL"]}, "{{ __database_users.replication }}": {"*.*": ["REPLICATION SLAVE"]},
        "{{ __database_users.gate }}": {"*.*": ["SLAVE MONITOR"]}, "{{ __database_users.alerts }}": {"*.*": ["REPLICATION MASTER ADMIN"]},
        "{{ __database_users.seed }}": {"*.*": ["BINLOG MONITOR", "SLAVE MONITOR"], "opennebula.*": ["SELECT"]}}


def server(number, position="0-1-7"):
    return {"present": True, "server_id": number, "gtid": {"binlog_pos": position}}


@pytest.mark.parametrize("before, other, wanted, asked, passes", [
    ({"present": False}, server(1), 1, False, True),
    (server(3, ""), server(1), 1, False, True),           # a fresh server
    (server(2), server(1), 1, False, True),
    (server(3), server(2), 1, False, False),              # the first of three was taken out: 2 and 3 would become 1 and 2
    (server(3), {"present": False}, 1, False, False),
    (server(3), server(2), 1, "true", True),
    (server(1), server(1), 1, False, True),               # a copied configuration, here
    (server(1), server(1), 3, False, False),              # two wrong ones: nobody has it by right
])
def test_server_that_has_written_keeps_its_number_unless_it_is_asked_for(before, other, wanted, asked, passes):
    """With the number of a front-end that was taken out it would leave out what that one wrote."""
    tasks = yaml.safe_load((ROLE / "tasks/configure.yml").read_text(encoding="utf-8"))
    (refuse,) = [task["ansible.builtin.assert"] for task in tasks if task["name"] == "Refuse another server id for a server that has written"]
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    environment.filters.update(bool=lambda value: str(value).lower() == "true", extract=lambda key, where: where[key],
                               difference=lambda one, other: [x for x in one if x not in other])
    (twins,) = [task["vars"]["__database_twins"] for task in tasks if task["name"] == "Refuse another server id for a server that has written"]
    known = {"__database_before": before, "opennebula_node": {"server_id": 2, "name": "alpha2"}, "database_new_server_id": asked,
             "inventory_hostname": "alpha2", "ansible_play_hosts": ["alpha1", "alpha2", "alpha3"], "hostvars": {
                 "alpha1": {"__database_before": other, "opennebula_node": {"server_id": wanted, "name": "alpha1"}}, "alpha3": {}}}
    known["__database_twins"] = environment.compile_expression(twins.strip().strip("{} "))(known)
    assert environment.compile_expression(refuse["that"])(known) is passes
    assert "server_id: {{ __database_before.server_id" in refuse["fail_msg"]
    assert [task["name"] for task in tasks].index("Refuse another server id for a server that has written") < [
        task["name"] for task in tasks].index("Write the configuration, the cluster's agents and the rejoin gate")
