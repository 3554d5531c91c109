# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeding plan and the comparison of contents."""
import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import federated
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError

ALL = federated.FEDERATED_TABLES
SEEDED = federated.Facts(ALL, False, 100, "0-1-9,100-3-4", "0-1-9,100-3-4", "0-1-8,100-3-4")
T = ("acl",)


def plan(facts, **options):
    return federated.plan(facts, "opennebula", 0, "10.90.1.11", **options)


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
    with pytest.raises(CoreError, match="refusing to seed.*replace: true"):
        plan(facts)
    assert plan(facts, replace=True)


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
    federated.check_position(SEEDED, "0-1-8", 0)
    with pytest.raises(CoreError, match="already has sequence 8"):
        federated.check_position(SEEDED, "0-1-7", 0)


def test_only_the_master_zones_domain_is_replaced():
    assert federated.new_slave_pos(SEEDED, "0-1-20", 0) == "0-1-20,100-3-4"


def test_tables_are_placed_in_one_statement():
    steps = federated.place_steps("opennebula", ("acl", "vdc_pool"), ("acl",))
    assert steps == ["DROP TABLE `opennebula`.`acl`",
                     "RENAME TABLE `constellation_seed`.`acl` TO `opennebula`.`acl`, `constellation_seed`.`vdc_pool` TO `opennebula`.`vdc_pool`"]


def candidate(address, **more):
    return dict({"address": address, "domain": 0, "read_only": 1, "tables": list(ALL)}, **more)


def test_writer_is_preferred_and_refusals_are_told():
    assert federated.choose_master([candidate("a"), candidate("b", read_only=0)], ALL, 0)["address"] == "b"
    assert federated.choose_master([{"address": "a", "error": "2003"}, candidate("b")], ALL, 0)["address"] == "b"
    with pytest.raises(CoreError) as refused:
        federated.choose_master([{"address": "a", "error": "2003 refused"}, candidate("b", tables=[]), candidate("c", domain=100)], ALL, 0)
    for fragment in ("a: 2003 refused", "b: has no table acl", "c: writes in GTID domain 100"):
        assert fragment in str(refused.value)


def report(node, position, checksum="A", domain=100, read_only=True, rows=3):
    tables = {"acl": {"rows": rows, "checksum": checksum, "columns": ["oid"]}} if checksum else {}
    return {"node": node, "position": position, "gtid_domain_id": domain, "read_only": read_only, "tables": tables, "present": True}


def master(position, checksum="A", read_only=False):
    return report("alpha1", position, checksum, domain=0, read_only=read_only)


@pytest.mark.parametrize(("reports", "verdict"), [
    ([master("0-1-9"), report("beta1", "0-1-9")], "equal"),
    ([master("0-1-9"), report("beta1", "0-1-5")], "equal"),                                      # only other tables changed in between
    ([master("0-1-9"), report("beta1", "0-1-9", "B")], "different"),
    ([master("0-1-9"), report("beta1", "0-1-5", "B")], "retry"),                                 # may be behind
    ([master("0-1-9"), report("beta1", "0-1-15", "B")], "retry"),                                # read later
    ([master("0-1-9"), report("beta1", "0-1-12", "B"), master("0-1-15")], "different"),          # the same before and after
    ([master("0-1-9"), report("beta1", "0-1-12", "B"), master("0-1-15", "C")], "retry"),
    ([master("0-1-9"), report("beta1", "0-1-9", None)], "different"),
    ([report("beta1", "0-1-9")], "retry"),
    ([master("0-1-9", None), report("beta1", "0-1-9")], "retry")])
def test_contents_are_compared_at_positions(reports, verdict):
    found = {one.node: one.verdict for one in federated.compare(reports, 0, T)}
    assert found["beta1"] == verdict


def test_standby_of_the_master_zone_is_compared_with_the_writer():
    standby = report("alpha2", "0-1-9", "B", domain=0)
    assert {one.node: one.verdict for one in federated.compare([master("0-1-9"), standby], 0, T)} == {"alpha1": "equal", "alpha2": "different"}


def test_without_a_writer_the_farthest_server_is_the_reference():
    standby = report("alpha2", "0-1-11", "B", domain=0)
    assert {one.node: one.verdict for one in federated.compare([master("0-1-9", read_only=True), standby], 0, T)} == {"alpha1": "retry", "alpha2": "equal"}


def test_summary_is_the_worst():
    verdicts = federated.compare([master("0-1-9"), report("beta1", "0-1-9", "B"), report("beta2", "0-1-5", "C")], 0, T)
    assert federated.summary(verdicts) == "different" and federated.summary([]) == "retry"
    assert federated.summary([verdict for verdict in verdicts if verdict.node != "beta1"]) == "retry"


def full(node, position, domain, read_only, **changed):
    tables = {table: {"rows": 3, "checksum": changed.get(table, "A"), "columns": ["oid"]} for table in ALL}
    return {"present": True, "position": position, "gtid_domain_id": domain, "read_only": read_only, "tables": tables}


def test_checks_name_node_and_table():
    reports = {"alpha1": full("alpha1", "0-1-9", 0, False), "alpha2": None, "beta1": full("beta1", "0-1-9", 100, True, acl="B"),
               "beta2": full("beta2", "0-1-5", 100, True, acl="B")}
    found = {one.target: one for one in federated.checks(reports, ["alpha1", "alpha2"])}
    assert {target: one.status for target, one in found.items()} == {"alpha1": "green", "alpha2": "unknown", "beta1": "red", "beta2": "unknown"}
    assert "acl" in found["beta1"].why and "user_pool" not in found["beta1"].why
    assert all(one.status == "unknown" for one in federated.checks(dict(reports, alpha1=None), ["alpha1", "alpha2"]))


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
