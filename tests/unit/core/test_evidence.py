# SPDX-License-Identifier: GPL-3.0-or-later
"""What pools, logs and the journal say about a VM."""
import json
import pathlib

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import evidence, vm_states
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError

SHARED = pathlib.Path(__file__).resolve().parents[3].parent / "shared" / "fixtures"
STARTED = 1000.4
SCENE = evidence.Scene(now=1100, started=STARTED, logs=False, hosts={0: evidence.Host(0, "kvm1", 2, 1090)}, transfers=set(), journal={}, transfer_settle_s=30,
                       monitoring_settle_s=60, retry_failures=False)


def vm(state, last_poll=0, poll="", action="none", seq=0, tm_mad="ssh", **times):
    record = evidence.Record(seq, "kvm1", 0, tm_mad, 0, 0, dict({"STIME": 100, "RSTIME": 100}, **times), "kvm")
    return evidence.Vm(7, "web", "alice", state, "kvm1", 0, None, seq, action, last_poll, poll, (record,), "")


@pytest.mark.parametrize("state, times, logs, logged, entry, began", [
    ("PROLOG", {"PSTIME": 999}, False, None, None, "before"),
    ("PROLOG", {"PSTIME": 1000}, False, None, None, "after"),                       # the same second: the side that does nothing
    ("PROLOG", {"PSTIME": 1050}, True, None, None, "after"),
    ("PROLOG", {}, False, None, None, "unknown"),
    ("PROLOG", {"PSTIME": 900}, False, (1040, "PROLOG"), None, "after"),            # retried by an administrator: the record keeps the old time
    ("PROLOG", {"PSTIME": 900}, False, (950, "PROLOG"), None, "before"),
    ("PROLOG", {"PSTIME": 900}, False, (1040, "BOOT"), None, "unknown"),            # log and daemon disagree
    ("PROLOG", {"PSTIME": 1050}, False, (950, "PROLOG"), None, "after"),            # a log of an earlier time, when it was in the same state
    ("SAVE_SUSPEND", {"RSTIME": 1020}, True, (950, "SAVE_SUSPEND"), None, "after"),
    ("PROLOG", {"PSTIME": 900}, True, None, {"operation": "retry", "time": 1020, "state": "PROLOG_FAILURE"}, "after"),
    ("PROLOG", {"PSTIME": 900}, True, None, {"operation": "retry", "time": 950, "state": "PROLOG_FAILURE"}, "before"),
    ("SAVE_SUSPEND", {}, False, None, None, "unknown"),                             # leaves no time: running since 100 says nothing
    ("SAVE_SUSPEND", {}, True, None, None, "before"),                               # but the running daemon never logged it
    ("SAVE_SUSPEND", {"RSTIME": 1020}, False, None, None, "after"),
    ("BOOT_UNKNOWN", {}, False, None, None, "unknown"),
    ("EPILOG", {"ESTIME": 990}, False, None, None, "before"),
    ("MIGRATE", {"STIME": 990}, False, None, None, "before"),
])
def test_when_the_transition_began(state, times, logs, logged, entry, began):
    scene = SCENE._replace(logs=logs, journal={7: entry} if entry else {})
    assert evidence.weigh(vm(state, **times), scene, logged).began == began


@pytest.mark.parametrize("transfers, now, transfer", [({7}, 1100, "running"), ({8}, 1100, "none"), (set(), 1020, "unknown")])
def test_transfers(transfers, now, transfer):
    assert evidence.weigh(vm("PROLOG"), SCENE._replace(transfers=transfers, now=now), None).transfer == transfer


@pytest.mark.parametrize("host, monitored", [((2, 1090), "yes"), ((2, 1030), "no"), ((3, 1090), "no"), ((4, 1090), "yes"), (None, "unknown")])
def test_monitoring_counts_when_it_is_newer_than_the_daemon_and_the_host_is_well(host, monitored):
    hosts = {} if host is None else {0: evidence.Host(0, "kvm1", *host)}
    assert evidence.weigh(vm("BOOT"), SCENE._replace(hosts=hosts), None).monitored == monitored


@pytest.mark.parametrize("state, last_poll, poll, domain", [
    ("BOOT", 0, "", "absent"), ("BOOT_FAILURE", 0, "", "absent"), ("SHUTDOWN", 1050, "a", "running"), ("SHUTDOWN", 990, "a", "unknown"),
    ("SHUTDOWN", 1050, "", "unknown"),
    ("SAVE_SUSPEND", 1050, "a", "running"), ("SAVE_MIGRATE", 1050, "a", "unknown"), ("MIGRATE", 1050, "a", "unknown"), ("CLEANUP_RESUBMIT", 0, "", "unknown"),
])
def test_what_monitoring_says_of_the_domain(state, last_poll, poll, domain):
    assert evidence.weigh(vm(state, last_poll, poll), SCENE, None).domain == domain


def test_a_report_that_does_not_tell_of_the_vms_says_nothing_of_their_domains():
    scene = SCENE._replace(hosts={0: evidence.Host(0, "kvm1", 2, 1090, whole=False)})
    assert evidence.weigh(vm("BOOT"), scene, None)[2:5:2] == ("yes", "unknown") and evidence.weigh(vm("BOOT"), SCENE, None).domain == "absent"


def test_a_host_that_the_daemon_does_not_know_any_more_says_nothing():
    leaving = vm("MIGRATE", seq=1)
    leaving = leaving._replace(hid=9, host="kvm9", records=(leaving.records[0], leaving.records[0]._replace(seq=1, host="kvm9", hid=9)))
    assert evidence.weigh(leaving, SCENE, None).monitored == "yes" and evidence.weigh(leaving, SCENE, None).domain == "unknown"


@pytest.mark.parametrize("state, poll, shown, domain", [
    ("BOOT", "", "absent", "absent"), ("BOOT", "", "running", "unknown"), ("BOOT", "", "unclear", "unclear"),
    ("SAVE_SUSPEND", "a", "absent", "unknown"), ("SAVE_SUSPEND", "a", "unclear", "unclear"),
])
def test_what_a_host_shows_against_what_monitoring_says(state, poll, shown, domain):
    """A domain that is paused is missing in reports of running ones; that is no contradiction, and the host's word says more."""
    assert evidence.weigh(vm(state, 1050, poll), SCENE, None, {"domain": shown}).domain == domain


def test_a_domain_that_is_being_saved_for_migration_runs_where_it_was_if_it_runs():
    assert evidence.weigh(vm("SAVE_MIGRATE", 1050, "a"), SCENE, None).source == "running"
    assert evidence.weigh(vm("SAVE_MIGRATE", 990, "a"), SCENE, None).source == evidence.weigh(vm("MIGRATE", 1050, "a"), SCENE, None).source == "unknown"


@pytest.mark.parametrize("entry, asked, origin", [
    (None, False, "other"), (None, True, "asked"), ({"operation": "failure", "state": "PROLOG", "time": 1050}, False, "ours"),
    ({"operation": "failure", "state": "BOOT", "time": 1050}, False, "other"),
    ({"operation": "retry", "state": "PROLOG_FAILURE", "time": 1050}, False, "spent"),
    ({"operation": "retry", "state": "PROLOG_FAILURE", "time": 500}, False, "ours"),
    ({"operation": "retry", "state": "PROLOG_FAILURE", "time": 1050}, True, "asked"),
])
def test_whose_failure_it_is(entry, asked, origin):
    scene = SCENE._replace(journal={7: entry} if entry else {}, retry_failures=asked)
    assert evidence.weigh(vm("PROLOG_FAILURE"), scene, None).origin == origin


@pytest.mark.parametrize("tm_mad, move", [("ssh", "copying"), ("shared", "in_place"), ("qcow2", "in_place"), ("ceph", "copying"), ("", "unknown")])
def test_whether_a_move_moves_anything(tm_mad, move):
    assert evidence.weigh(vm("EPILOG_STOP", tm_mad=tm_mad), SCENE, None).move == move


def test_a_pool_that_is_no_xml_is_told():
    with pytest.raises(CoreError, match="cannot read the VM pool: it is not XML"):
        evidence.parse_vms("<VM_POOL><VM>")
    with pytest.raises(CoreError, match="cannot read the host pool"):
        evidence.parse_hosts("")


@pytest.mark.skipif(not SHARED.is_dir(), reason="recorded replies are not on this machine")
def test_recorded_vms_and_hosts_of_all_releases_are_read():
    cases = 0
    for path in sorted((SHARED / "xmlrpc").glob("*/vm_info_*.json")) + sorted((SHARED / "xmlrpc").glob("*/vmpool_info*.json")):
        result = json.loads(path.read_text())["result"]
        if not isinstance(result, list) or not result[0]:
            continue
        for machine in evidence.parse_vms(result[1]):
            assert machine.state in vm_states.names() and machine.id > 0 and machine.owner == "oneadmin", path
            cases += 1
        if path.name.startswith("vm_info_") and path.stem.split("_", 2)[2] in vm_states.names():
            assert machine.state == path.stem.split("_", 2)[2]
    hotplug = evidence.parse_vms(json.loads((SHARED / "xmlrpc/5.0.2/vm_info_HOTPLUG.json").read_text())["result"][1])[0]
    assert evidence.weigh(hotplug, SCENE, None).operation == "attach" and hotplug.action == "disk-attach"
    migrate = evidence.parse_vms(json.loads((SHARED / "xmlrpc/5.0.2/vm_info_MIGRATE.json").read_text())["result"][1])[0]
    assert (migrate.host, migrate.previous_host, migrate.action) == ("hostB", "hostA", "live-migrate")
    for release in ("5.0.2", "7.4.0"):
        hosts = evidence.parse_hosts(json.loads((SHARED / f"xmlrpc/{release}/hostpool_info_with_vms.json").read_text())["result"][1])
        assert len(hosts) >= 3 and (release != "5.0.2" or hosts[0].monitored_at > 0) and all(host.whole is (release == "5.0.2") for host in hosts.values())
    alone = evidence.parse_hosts(json.loads((SHARED / "xmlrpc/7.4.0/host_info_with_vms.json").read_text())["result"][1])
    assert hosts[0].monitored_at == 0 and alone[0].monitored_at == 1795200765 and not alone[0].whole, "its pool has no time, the host by itself has"
    print(f"{cases} recorded VMs read")
    assert cases > 100


@pytest.mark.skipif(not SHARED.is_dir(), reason="recorded failovers are not on this machine")
@pytest.mark.parametrize("run", ["5.0.2_kill9", "5.0.2_term"])
def test_recorded_failovers_began_before_the_restart(run):
    """Every VM of the recorded restarts was stuck from before; where a time is left, it must say so, and nowhere the opposite."""
    known = 0
    rows = json.loads((SHARED / f"failover/{run}.json").read_text())["rows"]
    for row in rows:
        records = tuple(evidence.Record(int(h["SEQ"]), h["HOSTNAME"], 0, "dummy", 0, int(h["ACTION"]),
                                        {k: int(v) for k, v in h.items() if k in evidence._TIMES})
                        for h in row["history_before"])
        machine = vm(row["before"])._replace(records=records)
        latest = max((time for record in records for time in record.times.values()), default=0)
        began = evidence.weigh(machine, SCENE._replace(started=latest + 2, now=latest + 100), None).began
        assert began in ("before", "unknown"), row["state"]
        known += began == "before"
    print(f"{known} of {len(rows)} dated by their history alone")
    assert known >= 25
