# SPDX-License-Identifier: GPL-3.0-or-later
"""What verification says of the captured rows of a real server, and of each fault in them."""
import json
import pathlib

from ansible_collections.constellation.opennebula.plugins.module_utils.core import replication, replication_health

ROWS = json.loads((pathlib.Path(__file__).parents[1] / "fixtures/mariadb/slaves_beta1_10_11_19.json").read_text(encoding="utf-8"))["rows"]
GOOD = {"log_bin": "ON", "log_slave_updates": "ON", "gtid_strict_mode": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL", "relay_log_recovery": "ON",
        "slave_exec_mode": "STRICT", "slave_skip_errors": "OFF", "gtid_domain_id": "100", "server_id": "3"}


def wanted():
    return replication.wanted_sources(replication.parse(ROWS))


def red(verdicts):
    return [(verdict.subject, verdict.what, verdict.errno) for verdict in verdicts if verdict.level == "red"]


def row(**columns):
    return dict(ROWS[0], **columns)


def test_healthy_server_has_no_red_line():
    verdicts = replication_health.health(ROWS, GOOD, wanted(), {"gtid_domain_id": 100, "server_id": 3})
    assert verdicts and red(verdicts) == []


def test_every_fault_has_its_red_line():
    broken = [row(Slave_IO_Running="No", Last_IO_Errno=1236, Last_IO_Error="purged"), dict(ROWS[1], Replicate_Ignore_Domain_Ids="0", Master_Host="10.9.9.9")]
    extra = [dict(ROWS[0], Connection_name="zone0-master2")]
    asked = wanted() + replication.wanted_sources([{"name": "zone7", "host": "h", "user": "u"}])
    lines = red(replication_health.health(broken + extra, dict(GOOD, gtid_strict_mode="OFF", server_id="9"), asked, {"server_id": 3}))
    text = "\n".join(f"{subject} {what}" for subject, what, dummy in lines)
    for fragment in ("zone0 does not run (IO=No", "zone100-slave is set up differently", "zone100-slave has filters that nobody declared", "zone7 is missing",
                     "zone0-master2 is not declared", "gtid_strict_mode is OFF", "server_id is 9, wanted 3"):
        assert fragment in text
    assert len(lines) == 7 and 1236 in [errno for dummy, dummy2, errno in lines]


def filters_of_file(configured):
    return red(replication_health.health(ROWS, GOOD, wanted(), configured=configured))


def test_filter_that_the_next_start_brings_is_looked_at_though_the_live_one_is_right():
    tables = replication.filter_of(ROWS[0])
    assert ROWS[0]["Connection_name"] == "zone0" and tables
    assert filters_of_file(None) == filters_of_file({"zone0": tables, "zone9": ["a.b"]}) == []
    wrong = [("source zone0", "has another table filter in the configuration file", 0)]
    assert filters_of_file({}) == filters_of_file({"zone_0": tables}) == filters_of_file({"zone0": tables[1:]}) == wrong
    (verdict,) = [one for one in replication_health.health(ROWS, GOOD, wanted(), configured={"zone_0": tables}) if one.level == "red"]
    assert "brings: none; wanted: opennebula.acl" in verdict.why and "(zone_0)" in verdict.why and verdict.verb == "site"


def test_filters_are_read_from_the_arguments_of_a_server():
    """As mariadbd 10.11.19 prints them; the prefix is not corrected, because the server does not either."""
    text = ("mariadbd would have been started with the following arguments:\n--zone0.replicate-do-table=opennebula.acl --port=3306 "
            "--zone0.replicate_do_table=opennebula.user_pool --Zone0-master1.replicate-do-table=opennebula.x --replicate-do-table=a.b \n")
    assert replication.configured_filters(text) == {"zone0": ["opennebula.acl", "opennebula.user_pool"], "Zone0-master1": ["opennebula.x"]}


def test_lost_filter_and_missed_position_are_red():
    lines = red(replication_health.health([row(Replicate_Do_Table="", Gtid_Slave_Pos="0-1-5"), ROWS[1]], GOOD, wanted(), targets={"zone0": "0-1-6"}))
    assert [what for dummy, what, dummy2 in lines] == ["does not have its table filter", "is behind"]
