# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a real server: read, compared, judged."""
import dataclasses
import json
import pathlib

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import replication

ROWS = json.loads((pathlib.Path(__file__).parents[1] / "fixtures/mariadb/slaves_beta1_10_11_19.json").read_text(encoding="utf-8"))["rows"]


def wanted():
    return replication.wanted_sources(replication.parse(ROWS))


def row(**columns):
    return dict(ROWS[0], **columns)


def test_captured_rows_are_read_and_need_no_change():
    sources = {source.name: source for source in wanted()}
    assert sorted(sources) == ["zone0", "zone100-slave"] and len(sources["zone0"].do_tables) == 8 and sources["zone100-slave"].do_tables == ()
    assert sources["zone0"].use_gtid == "slave_pos" and sources["zone0"].heartbeat_s == 5.0 and sources["zone0"].ssl is False
    assert not replication.plan(ROWS, wanted(), exclusive=True)


@pytest.mark.parametrize(("columns", "running", "connecting"), [
    ({}, "ok", "ok"),
    ({"Slave_IO_Running": "Connecting", "Last_IO_Errno": 0}, "wait", "wait"),
    ({"Slave_IO_Running": "Preparing", "Last_IO_Errno": 0}, "wait", "wait"),
    ({"Slave_IO_Running": "Connecting", "Last_IO_Errno": 2003}, "wait", "ok"),
    ({"Slave_IO_Running": "Connecting", "Last_IO_Errno": 1045}, "failed", "failed"),
    ({"Slave_IO_Running": "No", "Last_IO_Errno": 1236, "Last_IO_Error": "not in the master's binlog"}, "again", "again"),
    ({"Slave_IO_Running": "No", "Last_IO_Errno": 1236, "Last_IO_Error": "have been purged"}, "failed", "failed"),
    ({"Slave_IO_Running": "No", "Last_IO_Errno": 0}, "wait", "wait"),
    ({"Slave_SQL_Running": "No", "Last_SQL_Errno": 1062}, "failed", "failed"),
    ({"Slave_SQL_Running": "No", "Last_SQL_Errno": 0}, "wait", "wait")])
def test_a_row_is_judged(columns, running, connecting):
    assert replication.judge(row(**columns)) == running
    assert replication.judge(row(**columns), replication.CONNECTING) == connecting


def test_a_missing_row_has_failed():
    assert replication.judge(None) == "failed"


def test_tls_options_only_count_with_tls():
    off, on = (replication.Source("a", "h", user="u", ssl=ssl, ssl_ca="/ca.pem") for ssl in (False, True))
    assert off.options()["ssl_ca"] == "" and off.options()["ssl_verify"] is False
    assert on.options()["ssl_ca"] == "/ca.pem" and on.options()["ssl_verify"] is True


def test_file_positions_are_written_only_where_the_host_is():
    rows = [row(Connection_name="f", Using_Gtid="No")]
    source = replication.wanted_sources([dict(replication.parse(rows)[0], log_file="b.1", log_pos=4, do_tables=None, connect_retry_s=9)])
    (change,) = replication.plan(rows, source).changes
    assert "MASTER_LOG_FILE" not in change.step[1].sql
    (change,) = replication.plan([dict(rows[0], Master_Host="other")], source).changes
    assert "MASTER_LOG_FILE" in change.step[1].sql


@pytest.mark.parametrize(("version", "numbers"), [
    ("10.11.19-MariaDB-0+deb12u1-log", (10, 11, 19)), ("10.5.27-MariaDB", (10, 5, 27)), ("11.4.2-MariaDB-ubu2404", (11, 4, 2)), ("12.0.2", (12, 0, 2))])
def test_releases_compare_as_numbers(version, numbers):
    assert replication.release(version) == numbers
    assert (replication.release(version) < (10, 10)) == version.startswith("10.5")


def test_source_that_a_ring_leads_elsewhere_is_left_there_and_changed_in_all_else():
    have = dict(replication.parse([row()])[0], do_tables=None)
    wanted = replication.wanted_sources([dict(have, host="declared", other_hosts=["another", have["host"]])])
    assert replication.plan([row()], wanted).changes == ()
    (change,) = replication.plan([row()], [dataclasses.replace(wanted[0], connect_retry_s=9)]).changes
    assert change.after == {"connect_retry_s": 9}
    (change,) = replication.plan([row(Master_Host="stranger")], wanted).changes
    assert change.after == {"host": "declared"}
    assert replication.plan([], wanted).changes[0].after["host"] == "declared"


@pytest.mark.parametrize("text, cause", [      # as 10.11.19 says it
    ("SSL connection error: SSL certificate validation failure", "does not name the address"),
    ("SSL connection error: SSL is required, but the server does not support it", "offers no TLS"),
    ("SSL connection error: SSL_CTX_set_default_verify_paths failed", "cannot be read here"),
    ("SSL connection error: error:00000000:lib(0)::reason(0)", "is over, or of an authority")])
def test_what_went_wrong_with_tls_is_told_with_source_server_and_remedy(text, cause):
    shown = row(Connection_name="zone0", Slave_IO_Running="Connecting", Last_IO_Errno=2026, Last_IO_Error=f"error connecting … {text}")
    error = replication.explain(shown, replication.Source("zone0", "10.0.1.101", user="u"), "root@beta1")
    assert str(error).startswith("source zone0 does not run at root@beta1: towards 10.0.1.101:3306") and cause in error.why and error.hint
    assert error.data["errno"] == 2026 and replication.judge(shown) == "failed" and replication.judge(shown, wait_for="connecting") == "failed"
