# SPDX-License-Identifier: GPL-3.0-or-later
"""Repair verbs: what each needs, when it refuses, what it plans; the table is the specification."""
import json
import re
import shlex
from dataclasses import replace

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import contents, gtid, repair, repair_findings, replication
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError

FED = "opennebula.user_pool,opennebula.acl"
DUPLICATE = "Could not execute Write_rows_v1 event on table opennebula.user_pool; Duplicate entry '5' for key 'PRIMARY', Error_code: 1062"
ABSENT = "Could not execute Update_rows_v1 event on table opennebula.user_pool; Can't find record in 'user_pool', Error_code: 1032"


def row(name="zone0", io="Yes", sql="Yes", io_errno=0, sql_errno=0, text="", tables=None):
    return {"Connection_name": name, "Slave_IO_Running": io, "Slave_SQL_Running": sql, "Last_IO_Errno": io_errno, "Last_SQL_Errno": sql_errno,
            "Last_IO_Error": text if io_errno else "", "Last_SQL_Error": text if sql_errno else "", "Master_Host": "10.0.0.1", "Master_Port": 3306,
            "Master_User": "repl", "Connect_Retry": 2, "Slave_heartbeat_period": 5.0, "Using_Gtid": "Slave_Pos",
            "Replicate_Do_Table": (FED if name == "zone0" else "") if tables is None else tables}


def side(**more):
    return repair.Side("there", **{"server_id": 1, "domain": 0, "read_only": False, "binlog_pos": "0-1-9", "binlog_state": "0-1-9", "rows": (), "replicas": (),
                                   **more})


def facts(*rows, source=None, here=None, **more):
    own = dict({"server_id": 3, "domain": 100, "read_only": True, "slave_pos": "0-1-9", "current_pos": "0-1-9,100-4-2", "binlog_state": "0-1-9,100-4-2",
                "replicas": (4,)}, **(here or {}))
    peers = {"zone100-master": side(server_id=4, domain=100, binlog_state="100-4-2")}
    return repair.Facts(repair.Side("here", rows=rows or (row(), row("zone100-master")), **own), source=source or side(), **{"peers": peers, **more})


def ask(verb, given, **more):
    return repair.plan(repair.Request(verb, **{"source": "zone0", **more}), given)


STOPPED = row(sql="No", sql_errno=1062, text=DUPLICATE)
EXTRA = contents.Comparison((contents.Table("user_pool", extra=("5",)),))
MISSING = contents.Comparison((contents.Table("user_pool", missing=("5",)),))
OPEN = contents.Comparison(MISSING.tables, proven=False, here="0-1-3", there="0-1-9")
OPEN_EXTRA = contents.Comparison(EXTRA.tables, proven=False, here="0-1-3", there="0-1-9")
ROW, OTHER = {"oid": 5, "name": "x"}, {"oid": 5, "name": "y"}
USER = {"table": "user_pool", "key": "5"}
PAIR = row("zone100-master")

PLANNED = [
    ("restart", facts(row(io="No", io_errno=1595, text="could not queue event"), PAIR), {}, "source_threads"),
    ("restart", facts(row(io="No", sql="No"), PAIR), {}, "source_threads"),
    ("repoint", facts(target=side()), {"host": "10.0.0.2"}, "source"),
    ("refilter", facts(), {"do_tables": ["opennebula.acl"]}, "source_filter"),
    ("demote", facts(row("zone0-slave", io="No", io_errno=1236, text="purged"), here={"domain": 0, "read_only": False, "binlog_state": "0-1-9,0-2-4"},
                     source=side(read_only=True, binlog_state="0-2-4")), {"source": "zone0-slave"}, "source_threads"),
    ("remove_row", facts(STOPPED, PAIR, comparison=EXTRA, row_here=ROW, row_there=OTHER, culprit="5"), USER, "row"),
    ("remove_row", facts(comparison=EXTRA, row_here=ROW), USER, "row"),
    ("insert_row", facts(row(sql="No", sql_errno=1032, text=ABSENT), PAIR, comparison=OPEN, row_there=ROW), USER, "row"),
    ("insert_row", facts(comparison=MISSING, row_there=ROW), USER, "row"),
    ("reseed_table", facts(comparison=MISSING), {"table": "user_pool"}, "table"),
    ("reseed_tables", facts(comparison=MISSING), {}, "tables"),
    ("reseed_node", facts(source=side(domain=100), comparison=MISSING), {"source": "zone100-master"}, "database"),
]


@pytest.mark.parametrize(("verb", "given", "more", "kind"), PLANNED)
def test_verb_is_planned(verb, given, more, kind):
    assert kind in [change.kind for change in ask(verb, given, **more)]


TAKEN_BACK = {"slave_pos": "0-1-9,100-3-8", "binlog_pos": "100-3-7"}      # server 3 in domain 100


@pytest.mark.parametrize(("verb", "given", "more", "kind"), PLANNED)
def test_nothing_starts_from_a_position_that_counts_what_a_crash_took_back(verb, given, more, kind):
    given = replace(given, here=replace(given.here, **TAKEN_BACK))
    if verb == "reseed_node" or not given.here.read_only:
        assert kind in [change.kind for change in ask(verb, given, **more)]
        return
    with pytest.raises(CoreError, match="position has 100-3-8, an event of its own that its binary log has not.*start-replication there as root"):
        ask(verb, given, **more)


def test_position_that_counts_what_a_crash_took_back_is_told_with_its_remedy():
    stopped = [row(io="No", sql="No"), row("zone100-master", io="No", sql="No")]
    given = facts(*stopped, here=TAKEN_BACK)
    found = [one for one in repair_findings.findings(dict.fromkeys(("zone0", "zone100-master"), given)) if one.name == "taken back"]
    assert [(one.source, one.verb) for one in found] == [("zone0", ""), ("zone100-master", "reseed_node")]
    assert all("100-3-8" in one.why and "start-replication" in one.hint for one in found)


NOTHING = [("restart", {}), ("repoint", {"host": "10.0.0.1"}), ("refilter", {"do_tables": FED.split(",")}), ("demote", {}), ("remove_row", USER),
           ("insert_row", USER), ("reseed_table", {"table": "user_pool"}), ("reseed_tables", {})]


@pytest.mark.parametrize(("verb", "more"), NOTHING)
def test_what_runs_and_is_equal_is_not_touched(verb, more):
    assert not ask(verb, facts(row_here=ROW, row_there=dict(ROW)), **more)


def test_equal_node_is_not_loaded_again():
    assert not ask("reseed_node", facts(source=side(domain=100)), source="zone100-master")


WRITER = {"read_only": False}
REFUSED = [
    ("restart", facts(STOPPED, PAIR), {}, "would come again.*remove_row"),
    ("restart", facts(row(io="Connecting", io_errno=2003), PAIR), {}, "tries again by itself.*Nothing to do here"),
    ("restart", facts(), {"source": "zone7"}, "no source 'zone7', only: zone0, zone100-master"),
    ("repoint", facts(), {}, "needs host"),
    ("repoint", facts(target=side(error="2003 refused")), {"host": "x"}, "cannot be asked: 2003"),
    ("repoint", facts(target=side(server_id=3)), {"host": "x"}, "own server_id"),
    ("repoint", facts(target=side(binlog_pos="0-1-8")), {"host": "x"}, "already at 0-1-9"),
    ("repoint", facts(target=side(), here={"slave_pos": "100-4-2"}), {"host": "x"}, "no GTID position"),
    ("demote", facts(row(io="No", io_errno=1236), PAIR), {}, "another zone"),
    ("demote", facts(PAIR, row(io="No", io_errno=1236, tables=""), source=side(domain=100)), {}, "two writers"),
    ("demote", facts(row("zone0-slave", io="No", io_errno=1236), here={"domain": 0, "binlog_state": "0-1-9"},
                     source=side(read_only=True, binlog_state="0-1-9,0-2-10")), {"source": "zone0-slave"}, "0-2-10.*two histories"),
    ("remove_row", facts(), {}, "needs table and key"),
    ("remove_row", facts(comparison=EXTRA, row_here=ROW), dict(USER, source="zone100-master"), "zone0 is"),
    ("remove_row", facts(STOPPED, PAIR, comparison=EXTRA), USER, "no such row here|exactly the same"),
    ("remove_row", facts(STOPPED, PAIR, row_here=ROW, row_there=dict(ROW), culprit="5"), USER, "exactly the same row"),
    ("remove_row", facts(row_here=ROW, row_there=OTHER), USER, "nothing stopped at it"),
    ("remove_row", facts(STOPPED, PAIR, row_here=ROW, row_there=OTHER, culprit="6"), USER, "nothing stopped at it"),
    ("remove_row", facts(comparison=OPEN_EXTRA, row_here=ROW), USER, "not proven"),
    ("remove_row", facts(source=side(error="1045 denied"), row_here=ROW), USER, "cannot be asked: 1045"),
    ("remove_row", facts(comparison=contents.Comparison(error="1142 SELECT denied"), row_here=ROW), USER, "cannot be compared: 1142"),
    ("remove_row", facts(here=WRITER, source=side(domain=100), row_here=ROW), {"table": "vm_pool", "key": "5", "source": "zone100-master"}, "zone's writer"),
    ("insert_row", facts(row_here=ROW), USER, "does not have this row"),
    ("insert_row", facts(row_here=ROW, row_there=OTHER), USER, "with other contents"),
    ("insert_row", facts(STOPPED, PAIR, row_here=ROW, row_there=dict(ROW)), USER, "something else stopped"),
    ("insert_row", facts(comparison=OPEN, row_there=ROW), USER, "may still be to come"),
    ("reseed_table", facts(STOPPED, PAIR), {"table": "acl"}, "equals the source's"),
    ("reseed_table", facts(comparison=MISSING, source=side(rows=None)), {"table": "user_pool"}, "cannot be seen.*SLAVE MONITOR"),
    ("reseed_table", facts(comparison=MISSING, source=side(read_only=True, rows=(STOPPED,))), {"table": "user_pool"}, "own replication stopped"),
    ("reseed_table", facts(comparison=MISSING, here={"replicas": (4, 9)}), {"table": "user_pool"}, "servers 9 .* pull from this node"),
    ("reseed_table", facts(comparison=MISSING, here={"binlog_state": "0-1-9,100-3-5"}), {"table": "user_pool"}, "100-3-5.*would lose them"),
    ("reseed_table", facts(comparison=MISSING, peers={"zone100-master": side(error="2003")}), {"table": "user_pool"}, "other node .* cannot be asked"),
    ("reseed_tables", facts(comparison=MISSING), {"source": "zone100-master"}, "no table filter"),
    ("reseed_tables", facts(comparison=MISSING, here=WRITER, peers={"zone100-slave": side(server_id=4, rows=(STOPPED,))}), {}, "Repair the standby first"),
    ("reseed_node", facts(comparison=MISSING, here=WRITER), {"source": "zone100-master"}, "its data is the zone's data"),
    ("reseed_node", facts(comparison=MISSING), {}, "of another zone"),
    ("reseed_node", facts(comparison=MISSING, source=side(domain=100, read_only=True)), {"source": "zone100-master"}, "whose data is right"),
    ("reseed_node", facts(comparison=MISSING, source=side(domain=100), here={"replicas": (9,)}), {"source": "zone100-master"}, "pull from this node"),
]


@pytest.mark.parametrize(("verb", "given", "more", "says"), REFUSED)
def test_verb_is_refused_with_its_reason(verb, given, more, says):
    with pytest.raises(CoreError, match=f"refusing to {verb}.*(?:{says})") as refusal:
        ask(verb, given, **more)
    assert refusal.value.hint


def test_every_verb_has_a_plan_and_none_skips():
    assert set(repair.VERBS) == set(repair._PLANS) == {case[0] for case in PLANNED} == {case[0] for case in REFUSED} | {"refilter"}
    assert not any("skip" in verb.does for verb in repair.VERBS.values())


@pytest.mark.parametrize(("given", "writer", "expected"), [
    (row(), False, ("", "", "")),
    (row(io="Connecting"), False, ("", "", "")),
    (row(io="No", sql="No"), False, ("restart", "", "")),
    (STOPPED, False, ("remove_row", "user_pool", "5")),
    (row(sql="No", sql_errno=1062, text=DUPLICATE.replace("'5' for key 'PRIMARY'", "'x' for key 'name'")), False, ("remove_row", "user_pool", "")),
    (row(sql="No", sql_errno=1032, text=ABSENT), False, ("insert_row", "user_pool", "")),
    (row(sql="No", sql_errno=1146, text="Error executing row event: 'Table 'opennebula.vdc_pool' doesn't exist'"), False, ("reseed_table", "vdc_pool", "")),
    (row("zone0-slave", sql="No", sql_errno=1950), False, ("reseed_node", "", "")),
    (row("zone0-slave", sql="No", sql_errno=1950), True, ("demote", "", "")),
    (row(io="No", io_errno=1236, text="... the master has purged binary logs"), False, ("reseed_tables", "", "")),
    (row(io="No", io_errno=1236, text="GTID 0-2-47, which is not in the master's binlog"), False, ("restart", "", "")),
    (row(io="No", io_errno=1236, text="0-2-47, which is not in the master's binlog. Since ... higher sequence numbers"), False, ("reseed_tables", "", "")),
    (row(io="Connecting", io_errno=2003), False, ("", "", "")),
    (row(io="Connecting", io_errno=1045), False, ("site", "", "")),
    (row(io="No", io_errno=9999), False, ("", "", "")),
])
def test_verb_of_an_error(given, writer, expected):
    assert repair.from_status(given, writer) == expected


def test_command_can_be_pasted_as_it_is():
    book = "ansible-playbook constellation.opennebula."
    assert repair.command("beta1", "remove_row", "zone0", "acl", "5") == (
        book + "repair --limit beta1 -e repair_verb=remove_row -e repair_source=zone0 -e repair_table=acl -e repair_key=5")
    assert repair.command("beta1", "site") == book + "site --tags database,federation" and repair.command("beta1", "") == ""
    assert repair.command("a", "reseed_node", "s", "acl").endswith("-e repair_source=s")
    assert repair.command("a", "repoint", "s", host="10.0.0.1", port=3307).endswith("-e repair_host=10.0.0.1 -e repair_port=3307")
    assert repair.command("a", "restart", "s", port=3307).endswith("-e repair_source=s")
    assert repair.command("a", "restart", "s", inventory=["/my hosts"]).startswith("ansible-playbook -i '/my hosts' constellation.opennebula.repair --limit a ")


@pytest.mark.parametrize("lacks", [{}, {"table": "acl"}, {"key": "5"}])
def test_command_that_lacks_the_row_is_the_one_that_names_it(lacks):
    assert repair.command("beta1", "insert_row", "zone0", **lacks) == "ansible-playbook constellation.opennebula.repair --limit beta1"


@pytest.mark.parametrize("key", ["5", "vid=3,seq=0", "two words", "it's", '"', "$(reboot)", "a=b", "{}", "#"])
def test_key_reaches_the_playbook_as_it_was_written(key):
    words = shlex.split(repair.command("n", "remove_row", "zone0", "acl", key))
    given = words[len(words) - words[::-1].index("-e"):][0]
    assert (json.loads(given)["repair_key"] if given.startswith("{") else given) == (key if given.startswith("{") else f"repair_key={key}")
    assert given.startswith("{") or not re.search(r"[ '\"#$]", given)


def test_keys_become_conditions_without_quotes():
    assert repair.where_sql(repair.parse_key("5", ["oid"])) == "`oid` = 5" == repair.where_sql(repair.parse_key("oid=5", ["oid"]))
    assert repair.where_sql(repair.parse_key("vid=3,seq=0", ["vid", "seq"])) == "`vid` = 3 AND `seq` = 0"
    assert repair.where_sql({"name": "x' OR 1=1"}) == "`name` = CONVERT(X'7827204f5220313d31' USING utf8mb4)"
    with pytest.raises(CoreError, match="does not give vid, seq"):
        repair.parse_key("3", ["vid", "seq"])
    with pytest.raises(CoreError, match="no primary key"):
        repair.parse_key("3", [])


def found(*rows, expected=None, servers=None, **more):
    given = facts(*rows, **more)
    return {(one.name, one.verb, one.table, one.key) for one in repair_findings.findings({one["Connection_name"]: given for one in rows}, expected, servers)}


def test_findings_name_the_verb_that_the_evidence_supports():
    gap = contents.Comparison((contents.Table("acl", missing=("1", "2")), contents.Table("user_pool", differing=("7",))))
    assert found(row(), comparison=gap) == {("difference", "insert_row", "acl", "1"), ("difference", "insert_row", "acl", "2"),
                                            ("difference", "reseed_table", "user_pool", "")}
    assert found(row(), comparison=OPEN) == {("behind", "", "user_pool", "")}
    assert found(row(sql="No", sql_errno=1032, text=ABSENT), comparison=OPEN) == {("1032", "insert_row", "user_pool", "5")}
    assert found(row(sql="No", sql_errno=1032, text=ABSENT)) == {("1032", "reseed_table", "user_pool", "")}
    several = contents.Comparison((contents.Table("user_pool", missing=("5", "6")),), proven=False)
    assert found(row(sql="No", sql_errno=1032, text=ABSENT), comparison=several) == {("1032", "insert_row", "user_pool", key) for key in "56"}
    assert found(STOPPED, comparison=OPEN_EXTRA, row_here=ROW, row_there=OTHER, culprit="5") == {("1062", "remove_row", "user_pool", "5")}
    assert found(STOPPED, row_here=ROW, row_there=dict(ROW)) == {("1062", "reseed_table", "user_pool", "")}
    assert found(row(), expected={"zone0": ["opennebula.acl"]}) == {("filter", "refilter", "", "")}
    assert repair_findings.findings({"zone9": facts()})[0].verb == "site"
    rebuilt = row("zone0-slave", io="No", io_errno=1236, text="purged")
    assert found(rebuilt, here={"domain": 0}, source=side(read_only=True, binlog_state="0-1-9")) == {("1236", "demote", "", "")}
    assert repair_findings.lines("beta1", []) == ["beta1: nothing to repair"]


def test_events_beyond_are_counted_by_server():
    assert gtid.beyond("0-1-50,0-2-51,100-4-9", "0-1-55", 0) == "0-2-51" and gtid.beyond("0-1-50", "0-2-3,0-1-50", 0) == ""


def test_comparison_of_keys_in_a_moving_table():
    before, after = {"1": "a", "2": "b", "10": "x"}, {"1": "a", "2": "B", "10": "x", "3": "c"}
    table = contents.rows_of("acl", before, {"2": "old", "7": "rogue", "10": "y"}, after)
    assert (table.missing, table.extra, table.differing) == (("1",), ("7",), ("10",)), "row 2 changed meanwhile and row 3 is new: nothing is known"
    assert contents.rows_of("acl", before, dict(before), after) is None
    assert contents.proven("0-1-5", "0-1-6", "0-1-7", 0) and not contents.proven("0-1-5", "0-1-4", "0-1-7", 0)


def test_tables_are_compared_by_checksum_first():
    one, two = {"checksum": "1", "columns": ["oid"]}, {"checksum": "2", "columns": ["oid"]}
    wide = {"checksum": "3", "columns": ["oid", "x"]}
    before, after = {"a": one, "b": one, "c": one, "d": one}, {"a": two, "b": one, "c": one, "d": one}
    assert contents.differing(before, {"a": one, "b": two, "c": wide, "e": one}, after) == {
        "b": "", "c": "the columns differ", "d": "the table is missing here", "e": "the source does not have the table"}


def test_secrets_of_a_row_are_not_shown():
    shown = contents.shown({"oid": 1, "body": "<USER><PASSWORD><![CDATA[canary]]></PASSWORD><LOGIN_TOKEN><T>canary</T></LOGIN_TOKEN>" + "x" * 300})
    assert "canary" not in shown["body"] and len(shown["body"]) < 200 and shown["oid"] == 1 and contents.shown(None) is None


def test_newest_position_keeps_one_domain():
    assert gtid.newest("0-1-5,100-3-7", "0-1-9,100-4-8,7-7-7", keep=100) == "0-1-9,7-7-7,100-3-7"
    assert gtid.newest("0-1-10", "0-1-9") == "0-1-10" and gtid.newest("", "0-1-9") == "0-1-9"


def test_source_that_pulls_from_elsewhere_is_pointed_back_before_anything_else_is_judged():
    stopped = row(sql="No", sql_errno=1032, text=ABSENT)
    assert found(stopped, servers={"zone0": ("10.9.9.9", 3306)}, comparison=OPEN) == {("elsewhere", "repoint", "", "")}
    finding = repair_findings.findings({"zone0": facts(row())}, servers={"zone0": ("10.9.9.9", 3307)})[0]
    assert finding.as_dict("n")["command"].endswith("-e repair_source=zone0 -e repair_host=10.9.9.9 -e repair_port=3307")
    assert found(row(), servers={"zone0": (row()["Master_Host"], int(row()["Master_Port"]))}) == set()


def test_error_on_the_pair_s_channel_names_the_source_that_has_the_truth():
    pair = row("zone100-master", sql="No", sql_errno=1062, text=DUPLICATE, tables="")
    given = facts(row(), pair, row_here=ROW, row_there=OTHER, culprit="5", comparison=OPEN_EXTRA)
    assert {one.source for one in repair_findings.findings({"zone100-master": given})} == {"zone0"}
    both = facts(STOPPED, pair, row_here=ROW, row_there=OTHER, culprit="5", comparison=OPEN_EXTRA)
    found = repair_findings.findings({"zone0": both, "zone100-master": both})
    assert [(one.source, one.verb) for one in found] == [("zone0", "remove_row")], "one fault, told once"
    assert repair.source_for([row(), pair], "vm_pool", "zone100-master") == "zone100-master" == repair.source_for([row(), pair], "", "zone100-master")


def test_several_candidates_are_told_once_with_a_command_each_and_many_are_seeded():
    def missing(*keys):
        return {"comparison": contents.Comparison((contents.Table("user_pool", missing=keys),))}

    stopped = row(sql="No", sql_errno=1032, text=ABSENT)
    lines = repair_findings.lines("n", repair_findings.findings({"zone0": facts(stopped, **missing("5", "6"))})[:2])
    assert [line.split()[0] for line in lines] == ["n:", "1032", "It", "→", "→"] and lines[-1].endswith("repair_key=6")
    assert ("1032", "reseed_table", "user_pool", "") in found(stopped, **missing("5", "6", "7", "8"))


# --- layout guide: nothing is passed on, a domain for each server ------------------------------------------------------------------

GUIDE_HERE = {"server_id": 10002, "domain": 10002, "passes_on": False, "binlog_pos": "10002-10002-5", "slave_pos": "1-1-9,10001-10001-3"}
FED1 = row("zone0-master1", tables=FED)


def guide(*rows, **more):
    more["here"] = dict(GUIDE_HERE, **more.get("here", {}))
    return facts(*rows, **{"source": side(domain=1, passes_on=False), **more})


def zone_writer(**more):
    return side(domain=10001, passes_on=False, **{"slave_pos": "1-1-9,10002-10002-5", **more})


@pytest.mark.parametrize("verb", repair.NOT_IN_GUIDE)
def test_layout_guide_refuses_what_one_position_cannot_prove(verb):
    more = {"table": "user_pool", "key": "5", "host": "10.0.0.9"}
    with pytest.raises(CoreError, match="layout guide"):
        ask(verb, guide(FED1, PAIR, comparison=MISSING), source="zone0-master1", **more)


def test_layout_guide_copies_from_writers_only():
    assert ask("reseed_tables", guide(FED1, PAIR, comparison=MISSING), source="zone0-master1")
    with pytest.raises(CoreError, match="not its zone's writer"):
        ask("reseed_tables", guide(FED1, PAIR, comparison=MISSING, source=side(domain=1, read_only=True)), source="zone0-master1")
    assert ask("reseed_node", guide(FED1, PAIR, comparison=MISSING, source=zone_writer()), source="zone100-master")
    with pytest.raises(CoreError, match="zone's writer"):
        ask("reseed_node", guide(FED1, PAIR, comparison=MISSING, source=zone_writer(), here={"read_only": False}), source="zone100-master")


@pytest.mark.parametrize(("theirs", "needed"), [("1-1-9,10002-10002-5", False), ("1-1-9,10002-10002-6", True), ("1-1-9", True)])
def test_layout_guide_seeds_a_node_that_lost_its_own_writes_though_the_rows_agree(theirs, needed):
    assert bool(ask("reseed_node", guide(FED1, PAIR, source=zone_writer(slave_pos=theirs)), source="zone100-master")) == needed


def test_layout_guide_copies_when_any_of_its_channels_has_stopped():
    """A copy from the writer sets the position of the other channel, too."""
    other = row("zone0-master2", io="No", io_errno=1236, text="not in the master's binlog", tables=FED)
    assert not ask("reseed_tables", guide(FED1, row("zone0-master2", tables=FED), PAIR), source="zone0-master1")
    assert ask("reseed_tables", guide(FED1, other, PAIR), source="zone0-master1")


def test_layout_guide_names_the_verbs_that_it_has():
    broken = row("zone0-master1", sql="No", sql_errno=1062, text=DUPLICATE, tables=FED)
    (finding,) = repair_findings.findings({"zone0-master1": guide(broken, PAIR, comparison=contents.Comparison())})
    assert (finding.name, finding.verb, finding.table) == ("1062", "reseed_tables", "")
    (finding,) = repair_findings.findings({"zone0-master1": guide(FED1, PAIR, comparison=MISSING)})
    assert (finding.name, finding.verb) == ("difference", "reseed_tables")


def test_layout_guide_does_not_start_what_has_more_than_its_source():
    """After the source's next writes a start would pass by them."""
    ahead = row("zone0-master1", io="No", io_errno=1236, text="requested GTID 1-1-9, which is not in the master's binlog", tables=FED)
    assert repair.from_status(ahead)[0] == "reseed_tables" and replication.judge(ahead) == "failed"
    assert repair.from_status(dict(ahead, Connection_name="zone0"))[0] == "restart" and replication.judge(dict(ahead, Connection_name="zone0")) == "again"
    with pytest.raises(CoreError, match="would be missing"):
        ask("restart", guide(ahead, PAIR), source="zone0-master1")


def test_each_federation_channel_of_layout_guide_is_a_source_of_its_tables():
    rows = [FED1, row("zone0-master2", tables=FED), PAIR]
    assert repair.tables_of(rows, "zone0-master2", "opennebula", ["acl", "vm_pool"]) == ("acl", "user_pool")
    assert repair.tables_of(rows, "zone100-master", "opennebula", ["acl", "vm_pool"]) == ("vm_pool",)


def test_killed_seeding_left_a_filter_that_is_set_right_first():
    less, ignoring = row(tables="opennebula.acl"), dict(row("zone100-master"), Replicate_Ignore_Table="opennebula.vm_pool")
    for given, source, tables in ((less, "zone0", FED.split(",")), (ignoring, "zone100-master", [])):
        with pytest.raises(CoreError, match="refusing to reseed_table.*live filter lists.*Use verb refilter first"):
            ask("reseed_table", facts(given), source=source, table="user_pool", do_tables=tables)
        assert ask("refilter", facts(given), source=source, do_tables=tables)
        assert ("filter", "refilter", "", "") in found(given, expected={source: tables})
    assert not ask("refilter", facts(row()), source="zone0", do_tables=FED.split(","))
