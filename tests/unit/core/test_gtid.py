# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import gtid
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError


@pytest.mark.parametrize(("text", "expected"), [
    ("", {}), (None, {}), ("0-1-46", {0: (1, 46)}), ("0-1-46, 100-3-7", {0: (1, 46), 100: (3, 7)}), ("0-1-5,0-2-9,0-3-2", {0: (2, 9)})])
def test_positions_are_read_and_the_highest_of_a_domain_counts(text, expected):
    assert gtid.parse(text) == expected


@pytest.mark.parametrize("text", ["0-1", "a-b-c", "0-1-2-3", "mysql-bin.000001"])
def test_text_that_is_no_position_is_refused(text):
    with pytest.raises(CoreError, match="not domain-server-sequence"):
        gtid.parse(text)


def test_one_domain_is_replaced_and_the_others_stay():
    assert gtid.with_domain("0-1-5,100-3-7", 0, "0-2-90,7-7-7") == "0-2-90,100-3-7"
    assert gtid.with_domain("100-3-7", 0, "0-2-90") == "0-2-90,100-3-7"
    assert gtid.with_domain("0-1-5,100-3-7", 0, "") == "100-3-7"


@pytest.mark.parametrize(("have", "target", "late"), [
    ("0-1-46", "0-2-46", ""), ("0-1-45", "0-2-46", "0-2-46"), ("", "0-1-1,100-3-1", "0-1-1,100-3-1"), ("0-1-99", "", ""),
    ("0-1-9,100-3-2", "100-4-3", "100-4-3")])
def test_what_is_missing_is_told_by_domain(have, target, late):
    assert gtid.missing(have, target) == late


@pytest.mark.parametrize(("slave_pos", "binlog_pos", "taken"), [
    ("0-1-663", "0-1-662", "0-1-663"), ("0-1-3", "", "0-1-3"), ("0-1-663,100-1-4", "100-1-9,0-2-640", "0-1-663"), ("0-1-1000", "0-1-999", "0-1-1000"),
    ("0-1-662", "0-1-662", ""), ("0-2-700", "0-1-662", ""), ("0-1-600", "0-2-662", ""), ("100-1-9", "", ""), ("", "", "")])
def test_own_events_beyond_the_binary_log_were_taken_back(slave_pos, binlog_pos, taken):
    assert gtid.taken_back(slave_pos, binlog_pos, 0, 1) == taken


def test_domains_that_do_not_matter_are_left_out():
    assert gtid.missing("0-1-1", "0-1-1,100-3-9", domains={0}) == ""
