# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases: one writer a zone, every channel running, the same federated rows everywhere."""
from __future__ import annotations

import pytest
from look import FEDERATED, until

# Measured to lose nothing over random faults (field notes on MariaDB, section 2); the ids differ a node and a zone.
SETTINGS = {
    "gtid_strict_mode": "ON", "binlog_format": "ROW", "sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1",
    "relay_log_recovery": "ON", "slave_net_timeout": "10", "rpl_semi_sync_master_wait_point": "AFTER_SYNC",
    "log_bin": "ON", "slave_exec_mode": "STRICT",
}


def dump(node):
    return node.read("mariadb-dump --skip-comments --skip-extended-insert --order-by-primary --no-create-info --single-transaction opennebula "
                     + " ".join(FEDERATED))


def acknowledges(zone):
    """Return whether the zone's nodes acknowledge: in layout guide a slave zone's would do it to the master zone's writer, in place of its standby."""
    return not (zone.guide and zone.mode == "slave")


def test_only_the_active_node_takes_writes(zone):
    seen = {node.name: node.variables("read_only")["read_only"] for node in zone.nodes}
    assert seen == {node.name: "OFF" if node is zone.active else "ON" for node in zone.nodes}


def test_active_node_waits_for_its_peer(zone):
    seen = {node.name: node.variables("rpl_semi_sync_master_enabled")["rpl_semi_sync_master_enabled"] for node in zone.nodes}
    assert seen == {node.name: "ON" if node is zone.active and acknowledges(zone) else "OFF" for node in zone.nodes}


def test_settings_are_the_proven_ones(node, federation):
    zone = federation.zone_of(node)
    wanted = dict(SETTINGS, gtid_domain_id=str(zone.id), gtid_ignore_duplicates="ON" if zone.mode == "slave" else "OFF", log_slave_updates="ON",
                  rpl_semi_sync_slave_enabled="ON" if acknowledges(zone) else "OFF")
    if zone.guide:
        wanted.update(gtid_domain_id=node.variables("server_id")["server_id"], gtid_ignore_duplicates="OFF", log_slave_updates="OFF")
    assert node.variables(*wanted) == wanted


def test_server_ids_differ(federation):
    ids = [node.variables("server_id")["server_id"] for node in federation.nodes]
    assert len(set(ids)) == len(ids), ids


def test_every_channel_runs(node, federation):
    wanted = federation.expected_channels(node)
    channels = node.channels()
    assert {name: row["Master_Host"] for name, row in channels.items()} == wanted
    states = {name: (row["Slave_IO_Running"], row["Slave_SQL_Running"], row["Last_IO_Errno"], row["Last_SQL_Errno"]) for name, row in channels.items()}
    assert states == {name: ("Yes", "Yes", "0", "0") for name in wanted}
    assert {row["Using_Gtid"] for row in channels.values()} == {"Slave_Pos"}


def test_federation_channels_take_the_federated_tables_only(slave_zone, federation):
    wanted = sorted(f"opennebula.{table}" for table in FEDERATED)
    for node in slave_zone.nodes:
        channels = node.channels()
        filtered = {name: sorted(channels[name]["Replicate_Do_Table"].replace(" ", "").split(",")) for name in federation.federation_channels(slave_zone)}
        assert filtered == {name: wanted for name in filtered}, node.name


def test_federated_tables_are_equal_row_by_row(federation):
    def differing():
        texts = {node.name: dump(node) for node in federation.nodes if federation.zone_of(node).mode != "standalone"}
        first = next(iter(texts.values()))
        assert "INSERT INTO `user_pool`" in first and "INSERT INTO `zone_pool`" in first, "the tables are empty: nothing is compared"
        return {name: sorted(set(text.splitlines()) ^ set(first.splitlines()))[:4] for name, text in texts.items() if text != first}

    until(lambda: not differing())
    assert differing() == {}


def test_local_tables_are_equal_inside_the_zone(zone):
    def states():
        return [node.read("mariadb-dump --skip-comments --skip-extended-insert --order-by-primary --no-create-info --single-transaction opennebula "
                          "host_pool cluster_pool template_pool").splitlines() for node in zone.nodes]

    until(lambda: len(set(map(tuple, states()))) == 1)
    first, *others = states()
    assert [one == first for one in others] == [True] * (len(zone.nodes) - 1)


def test_socket_cannot_start_a_stopped_server(node):
    assert node.host.run("systemctl is-enabled mariadb.socket").stdout.strip() in ("masked", "not-found", "")
    assert node.host.service("mariadb").is_enabled and node.host.service("mariadb").is_running


def test_replication_user_may_only_replicate(node):
    grants = node.rows("SELECT DISTINCT privilege_type FROM information_schema.user_privileges WHERE grantee LIKE '%opennebula_repl%'")
    assert grants == [["REPLICATION SLAVE"]]


def test_keeper_of_the_ring_runs_where_there_is_one(node, federation):
    ring = len(federation.zone_of(node).nodes) > 2
    service = node.host.service("constellation-ring")
    assert (service.is_running, service.is_enabled) == (ring, ring)


def test_channels_and_accounts_use_tls_where_it_is_on(node):
    if node.variables("ssl_cert")["ssl_cert"] == "":
        pytest.skip("TLS is off (database_tls)")
    folder = "/etc/constellation/tls"
    for name, row in node.channels().items():
        assert (row["Master_SSL_Allowed"], row["Master_SSL_Verify_Server_Cert"], row["Master_SSL_CA_File"]) == ("Yes", "Yes", f"{folder}/ca.pem"), name
        shown = node.read(f"openssl s_client -starttls mysql -connect {row['Master_Host']}:{row['Master_Port']} -CAfile {folder}/ca.pem -verify_return_error "
                          f"-verify_ip {row['Master_Host']} </dev/null 2>/dev/null")
        assert "Verify return code: 0 (ok)" in shown, f"{name}: {shown}"
    demands = dict(node.rows("SELECT CONCAT(User, '@', Host), ssl_type FROM mysql.user "
                             "WHERE User IN ('opennebula_repl', 'opennebula_gate', 'opennebula_seed')"))
    assert demands and set(demands.values()) == {"ANY"}, demands
    assert node.read(f"stat -c '%a %U' {folder}/server.pem").split() == ["600", "mysql"]
    assert node.read("grep -l 'PRIVATE KEY' -r /etc/constellation/authority || true").split() in ([], ["/etc/constellation/authority/ca.key"])
