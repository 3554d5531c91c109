# SPDX-License-Identifier: GPL-3.0-or-later
"""The failure catalogue: every error has a cause and a repair that loses nothing."""
import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import failure_catalogue, repair


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
    (1040, "IO", "error connecting to master 'repl@127.0.0.44:33944' - retry-time: 1  maximum-retries: 100000  message: Too many connections",
     "retries by itself", False),
    (1947, "SQL", "Specified GTID conflicts", "MASTER_DEMOTE_TO_SLAVE", False),
    (4711, "IO", "something new", "do not skip", False)])
def test_catalogue_knows_cause_and_safe_repair(errno, thread, text, says, again):
    entry = failure_catalogue.remedy(errno, text, thread)
    assert says in entry.hint and entry.cause and entry.again is again


def test_no_remedy_skips_anything():
    assert failure_catalogue.CATALOGUE
    for entry in failure_catalogue.CATALOGUE:
        assert "skip_counter" not in entry.hint and "slave_skip" not in entry.hint


def test_every_entry_has_a_verb_unless_it_passes_by_itself():
    for entry in failure_catalogue.CATALOGUE:
        assert (entry.verb in repair.VERBS or entry.verb == repair.SITE) != entry.passing, entry
