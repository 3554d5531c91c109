# SPDX-License-Identifier: GPL-3.0-or-later
"""replication_source and its reading twin against a server that behaves."""
import importlib.util
import json
import pathlib

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, NotThere, Problems
from ansible_collections.constellation.opennebula.plugins.modules import replication_info, replication_source

_spec = importlib.util.spec_from_file_location("mariadb_fakes", pathlib.Path(__file__).with_name("mariadb_fakes.py"))
fakes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fakes)

SECRET = "CANARY-9f2c"
TABLES = ["opennebula.acl", "opennebula.user_pool"]
PEER, VIP = ("10.90.1.12", 3306), ("10.90.1.101", 3306)


def params(sources, **common):
    defaults = {"port": 3306, "user": "repl", "password": SECRET, "update_password": "on_create", "connect_retry_s": 2, "heartbeat_s": 5.0, "delay_s": 0,
                "use_gtid": "slave_pos", "ssl": False, "ssl_ca": "", "ssl_cert": "", "ssl_key": "", "ssl_verify": True, "state": "started", "exclusive": False,
                "wait_for": "running", "wait_timeout_s": 10}
    return dict(defaults, sources=sources, **common)


def pair(**more):
    return [dict({"name": "zone0-slave", "host": PEER[0]}, **more)]


def federation(**more):
    return [dict({"name": "zone0", "host": VIP[0], "do_tables": TABLES}, **more)]


def result(outcome):
    return outcome.as_result()


def ensure(wanted, server, check=False):
    return replication_source.ensure(wanted, server, check)


@pytest.fixture
def server():
    return fakes.FakeServer({PEER: SECRET, VIP: SECRET}, cnf={"zone0": TABLES})


def test_new_source_is_predicted_made_once_and_never_again(server):
    wanted = params(pair() + federation())
    predicted = ensure(wanted, server, check=True)
    assert predicted.changed and server.writes == []
    done = ensure(wanted, server)
    assert result(done)["changes"] == result(predicted)["changes"]
    assert [entry["io"] for entry in done.results["status"]] == ["Yes", "Yes"]
    server.writes.clear()
    assert not ensure(wanted, server, True).changed and not ensure(wanted, server).changed
    assert server.writes == [], "a source that is right is not touched"
    assert SECRET not in json.dumps([result(predicted), result(done)])
    assert server.secrets == [SECRET, SECRET], "the statement with the password is marked as secret"


def test_every_option_is_written_explicitly(server):
    ensure(params(pair()), server)
    sql = server.writes[0][0]
    for word in ("MASTER_HOST", "MASTER_PORT", "MASTER_USE_GTID=slave_pos", "MASTER_SSL=", "MASTER_SSL_VERIFY_SERVER_CERT", "MASTER_HEARTBEAT_PERIOD",
                 "MASTER_DELAY"):
        assert word in sql
    assert SECRET not in sql


def test_one_option_changes_and_only_it_is_written(server):
    ensure(params(pair()), server)
    server.writes.clear()
    done = ensure(params(pair(connect_retry_s=7)), server)
    assert result(done)["changes"] == [{"kind": "source", "target": "zone0-slave", "before": {"connect_retry_s": 2}, "after": {"connect_retry_s": 7}}]
    assert [sql.split()[0] for sql, dummy in server.writes] == ["STOP", "CHANGE", "START"]
    assert "MASTER_HOST" not in server.writes[1][0], "naming the host starts file positions anew"


@pytest.mark.parametrize(("state", "verbs"), [("stopped", ["STOP"]), ("absent", ["STOP", "RESET"])])
def test_stop_and_removal_are_what_was_asked_for(server, state, verbs):
    ensure(params(pair()), server)
    server.writes.clear()
    assert ensure(params(pair(), state=state), server).changed
    assert [sql.split()[0] for sql, dummy in server.writes] == verbs
    assert not ensure(params(pair(), state=state), server).changed


def test_undeclared_sources_stay_unless_exclusive(server):
    ensure(params(pair() + federation()), server)
    assert not ensure(params(pair()), server).changed
    done = ensure(params(pair(), exclusive=True), server)
    assert [change["target"] for change in result(done)["changes"]] == ["zone0"] and list(server.connections) == ["zone0-slave"]


def test_source_without_its_live_filter_is_refused_and_not_left_behind(server):
    server.cnf = {"Zone0": TABLES}      # the prefix in the file is misspelt: silently no filter
    with pytest.raises(CoreError, match="refusing to start source zone0.*it would replicate every table"):
        ensure(params(federation()), server)
    assert server.connections == {}, "a restarted server would start it"


def test_running_source_that_lost_its_filter_shows_as_drift_and_is_refused(server):
    ensure(params(federation()), server)
    server.connections["zone0"]["Replicate_Do_Table"] = "opennebula.acl"
    predicted = ensure(params(federation()), server, check=True)
    assert [change["kind"] for change in result(predicted)["changes"]] == ["source_filter"]
    with pytest.raises(CoreError, match="live table filter has 1 tables"):
        ensure(params(federation()), server)


def test_running_source_is_not_stopped_for_a_change_that_its_filter_forbids(server):
    ensure(params(federation()), server)
    server.connections["zone0"]["Replicate_Do_Table"] = "opennebula.acl"
    server.writes.clear()
    with pytest.raises(CoreError, match="live table filter has 1 tables"):
        ensure(params(federation(connect_retry_s=7)), server)
    assert server.writes == []


def test_source_whose_change_the_server_refuses_goes_on_as_it_was(server):
    ensure(params(pair()), server)
    server.writes.clear()
    server.refuses = "1470 String '…' is too long for MASTER_USER (should be no longer than 128)"
    with pytest.raises(CoreError, match="1470"):
        ensure(params(pair(user="u" * 129)), server)
    assert [sql.split()[0] for sql, dummy in server.writes] == ["STOP", "CHANGE", "START"]
    with pytest.raises(CoreError, match="1470"):
        ensure(params(pair(user="u" * 129), state="stopped"), server)
    assert [sql.split()[0] for sql, dummy in server.writes[3:]] == ["STOP", "CHANGE"], "it was to be stopped"


@pytest.mark.parametrize("mistake", [{"heartbeat_s": -1}, {"heartbeat_s": 0.0001}, {"heartbeat_s": 5000000}, {"delay_s": -1}, {"delay_s": 2 ** 31},
                                     {"connect_retry_s": 2 ** 32}])
def test_number_that_the_server_would_refuse_is_refused_before_a_running_source_is_stopped(server, mistake):
    ensure(params(pair()), server)
    server.writes.clear()
    with pytest.raises(Problems, match=next(iter(mistake))):
        ensure(params(pair(**mistake)), server)
    assert server.writes == [] and ensure(params(pair(heartbeat_s=0)), server).changed


def test_other_spelling_of_an_existing_name_is_refused(server):
    ensure(params(pair()), server)
    with pytest.raises(CoreError, match="differ only in upper and lower case"):
        ensure(params([{"name": "ZONE0-slave", "host": PEER[0]}]), server)


def test_address_that_is_not_up_yet_is_accepted_only_when_asked_for(server):
    del server.network[VIP]
    assert ensure(params(federation(), wait_for="connecting"), server).changed
    assert not ensure(params(federation(), wait_for="connecting"), server).changed
    with pytest.raises(CoreError, match="error 2003.*nobody answers"):
        ensure(params(federation()), server)


@pytest.mark.parametrize(("late_s", "comes"), [(8, True), (100, False)])
def test_channel_whose_peer_was_seeded_later_is_waited_for(server, late_s, comes):
    """Longer than an address that is not up: it runs as soon as the federation's channel has passed where the peer's binary log begins."""
    class Late(type(server)):
        def slaves(self):
            rows = super().slaves()
            if self.now < late_s:
                for row in (one for one in rows if one["Connection_name"] == "zone0-slave"):
                    row.update(Slave_IO_Running="No", Last_IO_Errno=1236, Last_IO_Error="Could not find GTID state requested by slave in any binlog files")
            return rows

    server.__class__ = Late
    if comes:
        assert ensure(params(pair() + federation(), wait_for="connecting"), server).changed and server.now >= late_s
    else:
        with pytest.raises(CoreError, match="source zone0-slave does not run.*seeded later"):
            ensure(params(pair() + federation(), wait_for="connecting"), server)


def test_wrong_password_names_source_server_error_and_remedy_and_is_healed_by_the_right_one(server):
    with pytest.raises(CoreError) as wrong:
        ensure(params(pair(), password="CANARY-wrong"), server)
    text = str(wrong.value)
    assert "zone0-slave" in text and "10.90.1.12:3306" in text and "1045" in text and "database_access" in text and "CANARY" not in text
    done = ensure(params(pair()), server)
    assert [change["kind"] for change in result(done)["changes"]] == ["source_password"]
    assert not ensure(params(pair()), server).changed


def test_rotated_password_reaches_a_running_source_before_its_next_connect(server):
    """The connection goes on with the old one until a failover, and is refused then."""
    ensure(params(pair()), server)
    server.network[PEER] = "CANARY-rotated"
    server.writes.clear()
    predicted, done = ensure(params(pair(), password="CANARY-rotated"), server, check=True), ensure(params(pair(), password="CANARY-rotated"), server)
    assert result(done)["changes"] == result(predicted)["changes"] == [
        {"kind": "source_password", "target": "zone0-slave", "before": "(secret)", "after": "(secret)"}]
    assert [sql.split()[0] for sql, dummy in server.writes] == ["STOP", "CHANGE", "START"] and server.passwords["zone0-slave"] == "CANARY-rotated"
    assert "CANARY" not in json.dumps(result(done)) and not ensure(params(pair(), password="CANARY-rotated"), server).changed


@pytest.mark.parametrize("other_hosts, host", [([], PEER[0]), ([PEER[0]], "10.90.1.13")])
def test_running_source_is_not_stopped_for_a_password_that_its_server_does_not_have_yet(server, other_hosts, host):
    ensure(params(pair()), server)
    server.writes.clear()
    with pytest.raises(CoreError, match="refusing to give source zone0-slave its new password .*10.90.1.12:3306: 1045.*for all front-ends") as refused:
        ensure(params(pair(host=host, other_hosts=other_hosts), password="CANARY-rotated"), server)
    assert server.writes == [] and "CANARY" not in str(refused.value)


def test_password_that_the_server_keeps_where_nobody_can_read_it_is_as_before(server):
    ensure(params(pair()), server)
    server.reads_file = False
    assert not ensure(params(pair(), password="CANARY-rotated"), server).changed


def test_refusal_of_yesterday_is_not_believed(server):
    ensure(params(pair()), server)
    server.connections["zone0-slave"].update(Slave_IO_Running="Connecting", Last_IO_Errno=1130, Last_IO_Error="Host is not allowed", next_try=1.5)
    assert not ensure(params(pair()), server).changed      # the server's next attempt succeeds


@pytest.mark.parametrize("errno", [1597, 1593, 1045, 1130, 2026])
def test_lasting_errors_fail_at_once_with_their_remedy(server, errno):
    server.network[PEER] = errno
    with pytest.raises(CoreError, match=str(errno)) as error:
        ensure(params(pair(), wait_timeout_s=600), server)
    assert error.value.hint and error.value.data["errno"] == errno and server.now < 10


def test_hole_in_the_peers_log_is_healed_by_stop_and_start(server):
    ensure(params(pair()), server)
    server.connections["zone0-slave"].update(Slave_IO_Running="No", Last_IO_Errno=1236,
                                             Last_IO_Error="The binlog on the master is missing the GTID 0-1-46 requested")
    server.writes.clear()
    done = ensure(params(pair()), server)
    assert result(done)["changes"][0]["before"] == "IO=No SQL=Yes (error IO 1236)"
    assert [sql for sql, dummy in server.writes] == ["STOP SLAVE %s", "START SLAVE %s"], "START alone asks for the old position again"


@pytest.mark.parametrize(("errno", "text"), [(1595, "could not queue event from master"), (1593, "Fatal error: Failed to run 'after_read_event' hook")])
def test_neighbour_broken_by_a_stop_is_started_again(server, errno, text):
    ensure(params(pair() + federation()), server)
    server.connections["zone0"].update(Slave_IO_Running="No", Last_IO_Errno=errno, Last_IO_Error=text)
    ensure(params(pair()), server)
    assert server.slaves()[1]["Slave_IO_Running"] == "Yes"


def test_stopping_one_source_renews_the_others_when_semi_sync_is_on(server):
    ensure(params(pair() + federation()), server)
    server.semi_sync = True
    server.writes.clear()
    ensure(params(pair(), state="stopped"), server)
    assert server.writes[1:] == [("STOP SLAVE %s IO_THREAD", ("zone0",)), ("START SLAVE %s IO_THREAD", ("zone0",))]


def test_sql_thread_with_an_error_is_started_again_but_never_skipped(server):
    ensure(params(pair()), server)
    server.connections["zone0-slave"].update(Slave_SQL_Running="No", Last_SQL_Errno=1062, Last_SQL_Error="Duplicate entry '100'")
    server.writes.clear()
    ensure(params(pair()), server, check=True)
    ensure(params(pair()), server)
    assert not any("skip" in sql.lower() for sql, dummy in server.writes)


def test_update_password_always_is_a_change_that_cannot_be_read_back(server):
    ensure(params(pair()), server)
    done = ensure(params(pair(), update_password="always"), server)
    assert result(done)["changes"] == [{"kind": "source_password", "target": "zone0-slave", "before": "(secret)", "after": "(secret)"}]


def test_host_without_mariadb_predicts_everything_and_fails_for_real():
    bare = fakes.FakeServer(absent=True)
    assert len(ensure(params(pair()), bare, check=True).plan.changes) == 2
    with pytest.raises(NotThere):
        ensure(params(pair()), bare)


def test_broken_rule_is_refused_before_anything_is_touched(server):
    server.settings = {"gtid_strict_mode": "OFF"}
    with pytest.raises(CoreError, match="gtid_strict_mode is OFF, wanted ON: two parted histories"):
        ensure(params(pair()), server)
    assert server.writes == []
    assert ensure(params(pair(), accept=["gtid_strict_mode"]), server).changed


def test_running_source_goes_on_when_it_could_not_start_again(server):
    ensure(params(pair()), server)
    server.writes.clear()
    server.settings = {"binlog_format": "MIXED"}
    assert not ensure(params(pair()), server).changed, "what is right is not looked at"
    with pytest.raises(CoreError, match="refusing to start source zone0-slave"):
        ensure(params(pair(connect_retry_s=7)), server)
    assert server.writes == [] and server.connections["zone0-slave"]["Slave_IO_Running"] == "Yes"


def test_what_the_topology_derives_must_hold(server):
    server.settings = {"gtid_domain_id": "0", "log_slave_updates": "OFF"}
    with pytest.raises(CoreError, match=r"gtid_domain_id is 0, wanted 100.*accept: \[gtid_domain_id\]"):
        ensure(params(pair(), require={"gtid_domain_id": 100, "log_slave_updates": False}), server)
    accepting = params(pair(), require={"gtid_domain_id": 100, "log_slave_updates": False}, accept=["gtid_domain_id"])
    assert ensure(accepting, server, check=True).changed, "what the error proposes is possible"
    accepting["sources"][0]["name"] = "zone0-master"
    assert ensure(accepting, server).changed
    assert ensure(params(pair(), require={"gtid_domain_id": 0, "log_slave_updates": False}), server).changed


def test_rule_that_does_not_exist_cannot_be_accepted(server):
    with pytest.raises(CoreError, match="cannot accept strict: there is no such rule"):
        ensure(params(pair(), accept=["strict"]), server)


def test_server_that_ignores_writes_is_told_now(server):
    ensure(params(pair()), server)
    server.deaf = True
    with pytest.raises(NotConverged, match="zone0-slave"):
        ensure(params(pair(connect_retry_s=30)), server)


def test_mistakes_are_reported_together(server):
    with pytest.raises(Problems) as mistakes:
        ensure(params([{"name": "a", "host": "h"}, {"name": "a"}, {"name": "f", "host": "h", "use_gtid": "no"}], port=0), server)
    assert len(mistakes.value.problems) == 6 and server.writes == []


class Reader(fakes.FakeServer):
    def value(self, sql, args):
        assert args == ("0-1-46", 3.0)
        return 0

    def rows(self, sql, args=()):
        return [{"slave_pos": "0-1-46", "binlog_pos": "0-1-46", "current_pos": "0-1-46", "binlog_state": "0-1-46"}]

    def variables(self, names=()):
        return dict(super().variables(names), server_id="1", gtid_domain_id="0")

    def status(self, like):
        return {"rpl_semi_sync_master_clients": "1"}


def test_what_the_info_module_returns_can_be_given_back():
    server = Reader({PEER: SECRET, VIP: SECRET}, cnf={"zone0": TABLES})
    ensure(params(pair() + federation()), server)
    report = replication_info.read({"names": None, "wait_gtid_pos": "0-1-46", "wait_timeout_s": 3.0}, server)
    assert report["gtid"]["reached"] and report["read_only"] and json.dumps(report)
    assert report["configured_filters"] == {"zone0": sorted(TABLES)}
    assert not ensure(params(report["sources"], exclusive=True), server).changed


@pytest.mark.parametrize(("word", "closed"), [("ON", True), ("OFF", False), ("NO_LOCK", True), ("NO_LOCK_NO_ADMIN", True)])
def test_read_only_is_a_word_since_12_0(word, closed):
    server = Reader({})
    server.variables = lambda names=(): dict(Reader.variables(server), read_only=word)
    assert replication_info.read({"names": None, "wait_gtid_pos": None, "wait_timeout_s": 3.0}, server)["read_only"] is closed


def test_info_of_a_host_without_mariadb_is_an_answer():
    report = replication_info.read({"names": None, "wait_gtid_pos": None, "wait_timeout_s": 3.0}, fakes.FakeServer(absent=True))
    assert report["present"] is False and report["sources"] == [] and "2002" in report["why_absent"]


# --- TLS ---

TLS = {"ssl": True, "ssl_ca": "/ca.pem"}
NAME = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: IP address mismatch, certificate is not valid for '10.90.1.12'. (_ssl.c:1006)"


@pytest.mark.parametrize("trouble, hint", [
    (NAME, "subject alternative names"), ("2026 SSL is required but the server doesn't support it", "let its MariaDB run with it"),
    ("2026 the server offers no TLS", "let its MariaDB run with it"), ("certificate has expired", "renew it, or correct ssl_ca")])
def test_running_source_is_not_stopped_for_tls_that_would_fail(server, trouble, hint):
    ensure(params(pair()), server)
    server.writes.clear()
    server.tls[PEER] = trouble
    with pytest.raises(CoreError) as refused:
        ensure(params(pair(), **TLS), server)
    error = refused.value
    assert server.writes == [] and error.data["source"] == "zone0-slave" and error.data["errno"] == 2026
    assert "10.90.1.12:3306" in str(error) and trouble in str(error) and hint in error.hint and "Nothing was changed" in str(error) and SECRET not in str(error)
    assert ensure(params(pair(), **TLS), server, check=True).changed, "in check mode its server may not have it yet"


def test_source_moves_to_tls_by_its_three_options_and_stays(server):
    ensure(params(pair()), server)
    done = ensure(params(pair(), **TLS), server)
    assert result(done)["changes"][0]["after"] == {"ssl": True, "ssl_ca": "/ca.pem", "ssl_verify": True}
    server.tls[PEER] = NAME
    assert not ensure(params(pair(), **TLS), server).changed, "one that is set up so is not tried again"


def test_nobody_at_the_address_yet_is_no_reason_to_refuse_tls():
    server = fakes.FakeServer({}, cnf={"zone0": TABLES})
    assert ensure(params(federation(), wait_for="connecting", **TLS), server).changed


def test_source_that_verifies_nothing_is_not_tried(server):
    server.tls[PEER] = NAME
    assert ensure(params(pair(), ssl_verify=False, **TLS), server).changed
