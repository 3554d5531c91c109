# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a real server, the failure catalogue, and health verdicts."""
import dataclasses
import json
import pathlib

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import replication

ROWS = json.loads((pathlib.Path(__file__).parents[1] / "fixtures/mariadb/slaves_beta1_10_11_19.json").read_text(encoding="utf-8"))["rows"]
GOOD = {"log_bin": "ON", "log_slave_updates": "ON", "gtid_strict_mode": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL", "relay_log_recovery": "ON",
        "slave_exec_mode": "STRICT", "slave_skip_errors": "OFF", "gtid_domain_id": "100", "server_id": "3"}


def wanted():
    return replication.wanted_sources(replication.parse(ROWS))


def red(verdicts):
    return [(verdict.subject, verdict.what, verdict.errno) for verdict in verdicts if verdict.level == "red"]


def row(**columns):
    return dict(ROWS[0], **columns)


def test_captured_rows_are_read_and_need_no_change():
    sources = {source.name: source for source in wanted()}
    assert sorted(sources) == ["zone0", "zone100-slave"] and len(sources["zone0"].do_tables) == 8 and sources["zone100-slave"].do_tables == ()
    assert sources["zone0"].use_gtid == "slave_pos" and sources["zone0"].heartbeat_s == 5.0 and sources["zone0"].ssl is False
    assert not replication.plan(ROWS, wanted(), exclusive=True)


@pytest.mark.parametrize(("errno", "thread", "text", "says", "again"), [
    (1062, "SQL", "Duplicate entry '100' for key 'PRIMARY'", "Never skip", False),
    (1032, "SQL", "Can't find record in 'user_pool'", "Never skip", False),
    (1146, "SQL", "Table 'opennebula.vdc_pool' doesn't exist", "Seed it", False),
    (1950, "SQL", "create which would create an out-of-order sequence number", "Never switch gtid_strict_mode off", False),
    (1236, "IO", "connecting slave requested to start from GTID 0-1-17, which is not in the master's binlog", "wait and start again", True),
    (1236, "IO", "The binlog on the master is missing the GTID 0-1-17 requested", "stop and start", True),
    (1236, "IO", "Could not find GTID state requested by slave in any binlog files. Probably the slave state is too old "
     "and required binlog files have been purged.",
     "binlog_expire_logs_seconds", True),
    (1236, "IO", "the master has purged binary logs", "binlog_expire_logs_seconds", False),
    (1236, "IO", "Could not find first log file name in binary log index file", "Follow by GTID", False),
    (1595, "IO", "Relay log write failure: could not queue event from master", "nothing is lost", True),
    (1593, "IO", "Fatal error: Failed to run 'after_read_event' hook", "nothing is lost", True),
    (1593, "IO", "master and slave have equal MariaDB server ids", "own server_id", False),
    (1597, "IO", "Master command COM_REGISTER_SLAVE failed: Access denied", "GRANT REPLICATION SLAVE", False),
    (1045, "IO", "Access denied", "database_access", False),
    (1130, "IO", "Host '10.0.0.1' is not allowed", "hosts", False),
    (2026, "IO", "SSL certificate validation failure", "subject alternative names", False),
    (2003, "IO", "Can't connect", "retries by itself", False),
    (1947, "SQL", "Specified GTID conflicts", "MASTER_DEMOTE_TO_SLAVE", False),
    (4711, "IO", "something new", "do not skip", False)])
def test_catalogue_knows_cause_and_safe_repair(errno, thread, text, says, again):
    entry = replication.remedy(errno, text, thread)
    assert says in entry.hint and entry.cause and entry.again is again


def test_no_remedy_skips_anything():
    assert replication.CATALOGUE
    for entry in replication.CATALOGUE:
        assert "skip_counter" not in entry.hint and "slave_skip" not in entry.hint


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


def test_healthy_server_has_no_red_line():
    verdicts = replication.health(ROWS, GOOD, wanted(), {"gtid_domain_id": 100, "server_id": 3})
    assert verdicts and red(verdicts) == []


def test_every_fault_has_its_red_line():
    broken = [row(Slave_IO_Running="No", Last_IO_Errno=1236, Last_IO_Error="purged"), dict(ROWS[1], Replicate_Ignore_Domain_Ids="0", Master_Host="10.9.9.9")]
    extra = [dict(ROWS[0], Connection_name="zone0-master2")]
    asked = wanted() + replication.wanted_sources([{"name": "zone7", "host": "h", "user": "u"}])
    lines = red(replication.health(broken + extra, dict(GOOD, gtid_strict_mode="OFF", server_id="9"), asked, {"server_id": 3}))
    text = "\n".join(f"{subject} {what}" for subject, what, dummy in lines)
    for fragment in ("zone0 does not run (IO=No", "zone100-slave is set up differently", "zone100-slave has filters that nobody declared", "zone7 is missing",
                     "zone0-master2 is not declared", "gtid_strict_mode is OFF", "server_id is 9, wanted 3"):
        assert fragment in text
    assert len(lines) == 7 and 1236 in [errno for dummy, dummy2, errno in lines]


def test_lost_filter_and_missed_position_are_red():
    lines = red(replication.health([row(Replicate_Do_Table="", Gtid_Slave_Pos="0-1-5"), ROWS[1]], GOOD, wanted(), targets={"zone0": "0-1-6"}))
    assert [what for dummy, what, dummy2 in lines] == ["does not have its table filter", "is behind"]


@pytest.mark.parametrize(("have", "want", "equal"), [("ON", True, True), ("ON", 1, True), ("1", "ON", True), ("OFF", 0, True), ("OFF", "ON", False),
                                                     ("row", "ROW", True), ("100", 100, True),
                                                     ("10", "100", False)])
def test_variables_are_compared_by_meaning(have, want, equal):
    assert replication.same_value(have, want) is equal


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
