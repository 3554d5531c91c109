# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold before a source starts: each rule broken by itself is named, with what it costs; layouts that are right break none."""
import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import replication
from ansible_collections.constellation.opennebula.plugins.module_utils.core import replication_rules as rules
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError

GOOD = dict({name: value for name, (value, dummy) in rules.RULES.items()}, gtid_ignore_duplicates="OFF", read_only="ON",
            rpl_semi_sync_master_enabled="OFF")
STANDBY = dict(GOOD, gtid_ignore_duplicates="ON")
GUIDE = dict(GOOD, log_slave_updates="OFF")
TAKEN_BACK = dict(GOOD, server_id="3", gtid_domain_id="100", gtid_slave_pos="0-1-5,100-3-9", gtid_binlog_pos="100-3-8")
PAIR = replication.Source("zone100-slave", "10.0.0.2", user="r")
FED = replication.Source("zone0", "10.0.0.3", user="r", do_tables=("opennebula.acl",))
FED1, FED2 = (replication.Source(f"zone0-master{number}", f"10.0.0.{number}", user="r", do_tables=("opennebula.acl",)) for number in (1, 2))
REQUIRE_GUIDE = {"log_slave_updates": False, "gtid_ignore_duplicates": False}


def row(name, tables="", **more):
    return dict({"Connection_name": name, "Slave_IO_Running": "Yes", "Slave_SQL_Running": "Yes", "Replicate_Do_Table": tables}, **more)


@pytest.mark.parametrize("wanted, variables, require", [
    ((PAIR, FED), STANDBY, {"log_slave_updates": True, "gtid_ignore_duplicates": True}), ((PAIR, FED1, FED2), GUIDE, REQUIRE_GUIDE), ((PAIR,), GOOD, None)])
def test_right_layouts_break_nothing(wanted, variables, require):
    assert [rules.broken(source, [], variables, wanted, require) for source in wanted] == [[]] * len(wanted)


BROKEN = {
    "current_pos": (replication.Source("x", "h", use_gtid="current_pos"), (), GOOD, "asks a rebuilt source"),
    "file_position": (replication.Source("x", "h", use_gtid="no", log_file="f", log_pos=4), (), GOOD, "does not survive a crash"),
    "delay": (replication.Source("zone0-slave", "h", delay_s=60), (), GOOD, "a promotion waits"),
    "duplicates_by_number": (FED1, (FED1, FED2), STANDBY, "skipped rows that nobody had"),
    "applied_twice": (FED1, (FED1, FED2), GOOD, "zone0-master1 and zone0-master2 can both bring"),
    "semi_sync_on_standby": (PAIR, (PAIR,), dict(GOOD, rpl_semi_sync_master_enabled="ON"), "hangs for the whole timeout"),
    "gtid_strict_mode": (PAIR, (PAIR,), dict(GOOD, gtid_strict_mode="OFF"), "parted histories"),
    "binlog_format": (PAIR, (PAIR,), dict(GOOD, binlog_format="MIXED"), "wanted ROW"),
    "log_slave_updates": (PAIR, (PAIR,), GUIDE, "could not pass on"),
    "taken_back": (PAIR, (PAIR,), TAKEN_BACK, "says 100-3-9, an event of this server's own, and its binary log ends at 100-3-8"),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_named_with_its_reason_and_can_be_accepted(rule):
    source, wanted, variables, words = BROKEN[rule]
    with pytest.raises(CoreError) as refused:
        rules.refuse(source, [], variables, wanted)
    assert f"{rule}: " in str(refused.value) and words in str(refused.value) and refused.value.data["rules"] == [rule]
    rules.refuse(source, [], variables, wanted, accept=[rule])
    assert rule in rules.names()


def test_what_a_writer_wrote_last_may_come_back_to_it():
    assert rules.broken(PAIR, [], dict(TAKEN_BACK, read_only="OFF"), (PAIR,)) == []


def test_one_federation_channel_and_the_pair_bring_a_row_twice():
    (found,) = rules.broken(FED, [], GOOD, (FED, PAIR))
    assert found.rule == "applied_twice" and "zone0 and zone100-slave both bring" in found.why
    assert rules.broken(FED, [], GOOD, (FED,)) == [], "without a pair it comes once"


def test_a_running_channel_that_nobody_declared_counts_and_a_stopped_one_does_not():
    old = row("zone0", "opennebula.acl")
    (found,) = rules.broken(FED1, [old], STANDBY, (FED1,))
    assert found.rule == "duplicates_by_number"
    assert rules.broken(FED1, [dict(old, Slave_IO_Running="No", Slave_SQL_Running="No")], STANDBY, (FED1,)) == []


def test_an_ignored_domain_is_refused_with_what_it_loses():
    (found,) = rules.broken(PAIR, [row("zone100-slave", Replicate_Ignore_Domain_Ids="0")], GOOD, (PAIR,))
    assert found.rule == "domain_filter" and "missing for ever" in found.why


def test_what_the_topology_derives_is_required():
    (found,) = rules.broken(PAIR, [], dict(GOOD, gtid_domain_id="0"), (PAIR,), {"gtid_domain_id": 100})
    assert found.why.startswith("gtid_domain_id is 0, wanted 100: two servers")


def test_verification_names_what_it_does_not_see_otherwise():
    (line,) = rules.checks("beta1", (FED1, FED2, PAIR), [], STANDBY)
    assert line.status == "red" and "duplicates_by_number" in line.what
    (line,) = rules.checks("beta1", (FED1, FED2, PAIR), [], GUIDE)
    assert line.status == "green"


@pytest.mark.parametrize(("have", "want", "equal"), [("ON", True, True), ("ON", 1, True), ("1", "ON", True), ("OFF", 0, True), ("OFF", "ON", False),
                                                     ("row", "ROW", True), ("100", 100, True),
                                                     ("10", "100", False)])
def test_variables_are_compared_by_meaning(have, want, equal):
    assert rules.same_value(have, want) is equal
