# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeding plan and the comparison of contents."""
import pathlib
from dataclasses import replace

import pytest
import yaml
from ansible_collections.constellation.opennebula.plugins.module_utils.core import federated
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError

ALL = federated.FEDERATED_TABLES
SEEDED = federated.Facts(ALL, False, 100, "0-1-9,100-3-4", "0-1-9,100-3-4", "0-1-8,100-3-4")


def plan(facts, **options):
    return federated.plan(facts, "opennebula", (0,), "10.90.1.11", **options)


def test_seeded_server_needs_nothing():
    assert len(ALL) == 8 and not plan(SEEDED)


@pytest.mark.parametrize("facts", [
    federated.Facts(own_domain=100), federated.Facts((), False, 100, "100-3-4"),
    federated.Facts(ALL, True, 100, "0-1-9"), federated.Facts(ALL[:3], True, 100)])
def test_empty_or_interrupted_server_is_seeded(facts):
    (change,) = plan(facts).changes
    assert change.after["from"] == "10.90.1.11" and change.readable


@pytest.mark.parametrize("facts",
                         [federated.Facts(ALL, False, 100, "100-3-4"), federated.Facts(ALL[:3], False, 100, "0-1-9"), federated.Facts(ALL[:1], False, 100)])
def test_foreign_tables_are_replaced_only_when_asked(facts):
    with pytest.raises(CoreError, match="refusing to seed.*replace: true.*-e federation_replace_tables=true"):
        plan(facts)
    assert plan(facts, replace=True)


def test_role_hands_on_what_the_refusal_asks_for():
    role = pathlib.Path(__file__).resolve().parents[3] / "roles/federation"
    (seed,) = yaml.safe_load((role / "tasks/seed.yml").read_text(encoding="utf-8"))
    assert seed["constellation.opennebula.federated_tables"]["replace"] == "{{ federation_replace_tables }}"
    assert yaml.safe_load((role / "defaults/main.yml").read_text(encoding="utf-8"))["federation_replace_tables"] is False


def test_copy_that_never_touched_the_tables_only_has_to_go():
    (change,) = plan(replace(SEEDED, leftover=True)).changes
    assert (change.kind, change.target, change.after) == ("leftover", "constellation_seed", None) and change.readable
    (change,) = plan(replace(SEEDED, leftover=True), force=True).changes
    assert change.kind == "federated_tables"


def test_tables_that_a_seeding_never_replaced_are_still_replaced_only_when_asked():
    foreign = federated.Facts(ALL[:3], False, 100, leftover=True)
    with pytest.raises(CoreError, match="refusing to seed.*replace: true"):
        plan(foreign)
    assert plan(foreign, replace=True)


def test_force_seeds_again_and_cannot_be_read_back():
    (change,) = plan(SEEDED, force=True).changes
    assert not change.readable and not plan(SEEDED, replace=True)


def test_node_of_the_master_zone_is_refused():
    with pytest.raises(CoreError, match="belongs to the master zone"):
        plan(federated.Facts(own_domain=0), force=True)


@pytest.mark.parametrize("comments", ["-- SET GLOBAL gtid_slave_pos='0-1-17,100-3-4';", "x\nSET GLOBAL gtid_slave_pos='0-1-17';\n"])
def test_position_is_read_from_the_dumps_comment(comments):
    assert federated.read_position(comments, 0) == "0-1-17"


@pytest.mark.parametrize("comments", ["", "-- SET GLOBAL gtid_slave_pos='100-3-4';", "INSERT INTO t VALUES ('-- SET GLOBAL gtid_slave_pos=''0-1-17'';')"])
def test_dump_without_position_is_refused(comments):
    with pytest.raises(CoreError, match="no GTID position of domain 0"):
        federated.read_position(comments, 0)


def test_position_below_the_own_binary_log_is_refused():
    federated.check_position(SEEDED, "0-1-8", (0,))
    with pytest.raises(CoreError, match="already has sequence 8"):
        federated.check_position(SEEDED, "0-1-7", (0,))


def test_only_the_master_zones_domain_is_replaced():
    assert federated.new_slave_pos(SEEDED, "0-1-20", (0,)) == "0-1-20,100-3-4"


def test_tables_are_placed_in_one_statement():
    steps = federated.place_steps("opennebula", ("acl", "vdc_pool"), ("acl",))
    assert steps == ["CREATE TABLE `constellation_seed`.`constellation_placing` (nothing INT)", "DROP TABLE `opennebula`.`acl`",
                     "RENAME TABLE `constellation_seed`.`acl` TO `opennebula`.`acl`, `constellation_seed`.`vdc_pool` TO `opennebula`.`vdc_pool`"]


def candidate(address, **more):
    return dict({"address": address, "domain": 0, "read_only": 1, "tables": list(ALL)}, **more)


def test_writer_is_preferred_and_refusals_are_told():
    assert federated.choose_master([candidate("a"), candidate("b", read_only=0)], ALL, (0,))["address"] == "b"
    assert federated.choose_master([{"address": "a", "error": "2003"}, candidate("b")], ALL, (0,))["address"] == "b"
    with pytest.raises(CoreError) as refused:
        federated.choose_master([{"address": "a", "error": "2003 refused"}, candidate("b", tables=[]), candidate("c", domain=100)], ALL, (0,))
    for fragment in ("a: 2003 refused", "b: has no table acl", "c: writes in GTID domain 100"):
        assert fragment in str(refused.value)


def report(equal, why="", reference=False, missing=(), tables=()):
    comparison = {"reference": reference, "with": "", "equal": equal, "sequence": 9, "tables": [{"table": name} for name in tables], "why": why}
    return {"present": True, "missing": list(missing), "comparison": comparison}


@pytest.mark.parametrize(("found", "status", "why", "hint"), [
    (report(True, reference=True), "green", "", ""),
    (report(True), "green", "", ""),
    (report(False, "user_pool: 1 differing (3)", tables=["user_pool"]), "red", "user_pool: 1 differing (3)", "seed user_pool"),
    (report(None, "it stands still at sequence 9"), "unknown", "stands still", "look again"),
    (report(True, reference=True, missing=["acl"]), "red", "does not have acl", "Start the master zone's OpenNebula"),
    ({"present": True, "missing": []}, "unknown", "not compared: no server of the master zone was given", ""),
    ({"present": False, "why_absent": "2002"}, "unknown", "could not be read", ""),
    (None, "unknown", "could not be read", "")])
def test_checks_say_what_was_compared(found, status, why, hint):
    (one,) = federated.checks({"beta1": found}, lambda node, tables: f"seed {', '.join(tables)} of {node}")
    assert (one.target, one.status) == ("beta1", status) and why in one.why and (status == "green" or hint in one.hint)


def test_position_takes_filtered_events_into_account():
    rows = [{"domain_id": 0, "server_id": 1, "seq_no": 28}, {"domain_id": 0, "server_id": 1, "seq_no": 29}]
    assert federated.position_of("0-1-24,100-3-7", rows) == "0-1-29,100-3-7"
    assert federated.position_of("0-1-46", rows) == "0-1-46"
    assert federated.position_of("", []) == ""


def test_checksum_hashes_every_column_by_itself():
    sql = federated.checksum_sql("opennebula", "acl", ["oid", "body"])
    assert "IFNULL(MD5(`body`), '-'), IFNULL(MD5(`oid`), '-')" in sql and "BIT_XOR" in sql and "CRC32" not in sql
    with pytest.raises(AssertionError):
        federated.checksum_sql("opennebula", "acl`; DROP", ["oid"])
