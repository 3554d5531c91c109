# SPDX-License-Identifier: GPL-3.0-or-later
"""A green federation, broken in one way at a time: verification names exactly that."""
import copy
import json
import pathlib

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import report, topology, verification

ROOT = pathlib.Path(__file__).parents[3]
RECORDED = pathlib.Path(__file__).parents[1] / "fixtures/mariadb/slaves_beta1_10_11_19.json"
ROW = json.loads(RECORDED.read_text(encoding="utf-8"))["rows"][0]
VARIABLES = {"log_bin": "ON", "log_slave_updates": "ON", "gtid_strict_mode": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL",
             "relay_log_recovery": "ON", "slave_exec_mode": "STRICT", "slave_skip_errors": "OFF", "rpl_semi_sync_slave_enabled": "ON",
             "rpl_semi_sync_master_wait_point": "AFTER_SYNC", "sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1"}
TABLES = {table: {"rows": 2, "checksum": f"sum-{table}", "columns": ["oid"]} for table in topology.FEDERATED_TABLES}


def hosts_of_two_zones():
    hosts = {}
    for zone, mode, third in (("alpha", "master", 1), ("beta", "slave", 2)):
        for number in (1, 2):
            hosts[f"{zone}{number}"] = {
                "zone_name": zone, "zone_mode": mode, "zone_vip": f"10.90.{third}.100/16", "ansible_host": f"10.90.{third}.1{number}",
                "fence": {"agent": "fence_ilo_ssh", "ip": f"10.91.{third}.11{number}"}, **{secret: "x" for secret in topology.SECRETS}}
            if mode == "master":
                hosts[f"{zone}{number}"]["zone_federation_vip"] = "10.90.1.101/16"
    return hosts


HOSTS = hosts_of_two_zones()
FACTS = topology.derive(HOSTS).as_dict()


def seen():
    """Return the reports of four healthy front-ends; the first of each zone is the active one."""
    return {name: _reports(FACTS["nodes"][name], FACTS["zones"][FACTS["nodes"][name]["zone"]]) for name in FACTS["nodes"]}


def mac_of(name):
    return "02:00:00:00:00:" + name.encode()[-1:].hex()


def ban(name, resource, node, weight="-1000000"):
    return {"id": name, "resource": resource, "node": node, "weight": weight}


def _reports(node, zone, facts=None):
    facts = facts or FACTS
    active = node["name"] == zone["nodes"][0]
    units = {name: {"installed": True, "active": active, "enabled": False} for name in zone["services"]}
    units.update({name: {"installed": True, "active": True, "enabled": name in ("pcsd", "mariadb")} for name in ("corosync", "pacemaker", "pcsd", "mariadb")})
    zones = [{"id": other["id"], "name": other["name"], "endpoint": other["endpoint"]} for other in facts["zones"].values()]
    rows = [_row(source) for source in list(node["pair_sources"]) + list(node["federation_sources"])]
    names = verification._resources(zone) + [facts["nodes"][one]["fence"]["device"] for one in zone["nodes"]]
    return {
        "frontend": {"addresses": [node["address"]] + ([zone["vip"]["ip"]] if active else []), "units": units, "macs": [mac_of(node["name"])],
                     "disks": [{"path": "/", "free_mb": 500, "free_files": None}, {"path": "/var/log", "free_mb": 9000, "free_files": 1}],
                     "others": {address: [] if active else [mac_of(zone["nodes"][0])] for address in verification._addresses(zone)},
                     "daemon": {"endpoint": zone["endpoint"], "answers": True, "version": "5.0.2", "why": "", "zones": zones}},
        "cluster": {"running": True, "quorate": True, "maintenance": False, "failed_actions": [],
                    "resources": [{"id": name, "active": True, "failed": False, "managed": True} for name in names],
                    "nodes": [{"name": one, "online": True, "standby": False, "unclean": False, "maintenance": False} for one in zone["nodes"]],
                    "bans": [ban(f"fence_{one}-never-on-{one}", f"fence_{one}", one) for one in zone["nodes"]]
                    + [ban("federation_vip-off-semisync_waits-rule", "federation_vip", zone["nodes"][0])],
                    "description": {"properties": {"no-quorum-policy": "stop", "stonith-enabled": "true", "priority-fencing-delay": "5s"}, "fence_devices": [
                        {"id": f"fence_{one}", "options": {"pcmk_host_list": one}} for one in zone["nodes"]]}},
        "replication": {"present": True, "read_only": not active, "rows": rows, "sources": verification.replication.parse(rows),
                        "semi_sync": {"rpl_semi_sync_master_status": "ON", "rpl_semi_sync_master_clients": "1"},
                        "gtid": {"binlog_pos": f"0-1-48,{node['gtid_domain_id']}-{node['server_id']}-7", "slave_pos": "0-1-48"},
                        "variables": dict(VARIABLES, server_id=str(node["server_id"]), gtid_domain_id=str(node["gtid_domain_id"]),
                                          gtid_ignore_duplicates="ON" if node["gtid_ignore_duplicates"] else "OFF")},
        "tables": {"present": True, "position": f"0-1-50,100-{node['server_id']}-7", "tables": copy.deepcopy(TABLES), "missing": [],
                   "server_id": node["server_id"], "gtid_domain_id": node["gtid_domain_id"], "read_only": not active,
                   "comparison": {"reference": active and node["zone"] == "alpha", "with": "", "equal": True, "sequence": 50, "tables": [], "why": ""}},
    }


def _row(source):
    return dict(ROW, Connection_name=source["name"], Master_Host=source["host"], Master_Port=source["port"], Slave_IO_Running="Yes", Slave_SQL_Running="Yes",
                Last_IO_Errno=0, Last_SQL_Errno=0, Replicate_Do_Table=",".join(source.get("do_tables", [])))


def bad(reports):
    return [(one.target, one.status, one.what) for one in report.bad(verification.verify(FACTS, reports))]


def test_zone_that_the_run_leaves_out_is_not_judged_and_named():
    reports = {name: found for name, found in seen().items() if name.startswith("beta")}
    assert {one.target for one in report.bad(verification.verify(FACTS, reports))} == {"alpha", "alpha1", "alpha2"}
    assert report.bad(verification.verify(FACTS, reports, hosts=["beta1", "beta2"])) == []
    away = verification.left_out(FACTS, ["beta1", "beta2"])
    assert away == {"alpha": ["alpha1", "alpha2"]}
    assert report.lines([], away)[-1] == "  -       alpha: not looked at, it is not part of this run (--limit)"
    one_of_two = {"beta1": reports["beta1"]}      # its other front-end belongs to what was asked for
    assert "beta2" in {one.target for one in report.bad(verification.verify(FACTS, one_of_two, hosts=["beta1"]))}


def test_healthy_federation_is_green_and_everything_was_looked_at():
    checks = verification.verify(FACTS, seen())
    assert report.bad(checks) == []
    assert {one.target for one in checks} == {"alpha", "beta", "alpha1", "alpha2", "beta1", "beta2"}
    assert {one.area for one in checks} == {"zone", "frontend", "cluster", "replication", "federation"}


def lines_of(reports):
    return [line.strip() for line in report.lines(verification.verify(FACTS, reports)) if line.strip().startswith(("RED", "UNKNOWN"))]


def test_address_on_two_front_ends_is_named_with_both_and_by_the_network_too():
    reports = seen()
    split_brain(reports)
    reports["alpha1"]["frontend"]["others"]["10.90.1.100"] = [mac_of("alpha2")]
    on_both, answered = (line for line in lines_of(reports) if "10.90.1.100" in line)
    assert on_both.startswith("RED     alpha: its address 10.90.1.100 is on one front-end: seen on alpha1, alpha2 → ")
    assert answered.startswith("RED     alpha: one machine answers for its address 10.90.1.100: these do: alpha1, alpha2 → ")


def test_front_end_that_cannot_be_asked_and_still_answers_is_seen_by_its_peer():
    reports = seen()
    reports["alpha2"] = {}
    assert "one machine answers" not in "".join(lines_of(reports))
    reports["alpha1"]["frontend"]["others"]["10.90.1.100"] = [mac_of("alpha2")]
    (line,) = (line for line in lines_of(reports) if "one machine answers" in line)
    assert f"these do: a machine with MAC {mac_of('alpha2')}, alpha1 → " in line


def test_ipv6_address_that_two_machines_answer_for_is_red():
    alpha = {name: dict(values, zone_vip="2001:db8::100/64", zone_federation_vip="2001:db8::101/64", ansible_host=f"2001:db8::1{name[-1]}")
             for name, values in HOSTS.items() if name.startswith("alpha")}
    facts = topology.derive(dict(HOSTS, **alpha)).as_dict()
    reports = {name: _reports(node, facts["zones"][node["zone"]], facts) for name, node in facts["nodes"].items()}
    reports["alpha2"]["frontend"]["others"]["2001:db8::100"] = [mac_of("alpha1"), "02:00:00:00:00:99"]
    (found,) = (one for one in verification.verify(facts, reports) if one.what == "one machine answers for its address 2001:db8::100")
    assert (found.status, found.why) == ("red", "these do: a machine with MAC 02:00:00:00:00:99, alpha1")


@pytest.mark.parametrize("others, status", [(None, "unknown"), ([], "green")])
def test_network_that_nobody_could_ask_is_unknown(others, status):
    reports = seen()
    for name in ("alpha1", "alpha2"):
        reports[name]["frontend"]["others"] = dict.fromkeys(("10.90.1.100", "10.90.1.101"), others)
    found = [one.status for one in verification.verify(FACTS, reports) if one.what == "one machine answers for its address 10.90.1.101"]
    assert found == [status]


def test_third_vote_must_be_given_to_every_front_end_that_is_in():
    facts = copy.deepcopy(FACTS)
    facts["zones"]["alpha"].update(quorum_device={"state": "present", "host": "10.90.9.11"}, quorum_host="arbiter")
    reports, given = seen(), {"device": {"votes": 1, "connected": True, "voting": True}}
    for node in ("alpha1", "alpha2"):
        reports[node]["cluster"]["quorum"] = given
    assert report.bad(verification.verify(facts, reports)) == []
    for lost in ({"device": dict(given["device"], votes=0)}, {"device": None}, None):
        reports["alpha2"]["cluster"]["quorum"] = lost
        (one,) = report.bad(verification.verify(facts, reports))
        assert (one.target, one.what) == ("alpha", "the quorum device at 10.90.9.11 gives its vote") and "none for alpha2" in str(one)
    facts["zones"]["alpha"]["quorum_device"] = {"state": "absent"}
    assert report.bad(verification.verify(facts, reports)) == []


def front(node):
    return lambda reports: reports[node]["frontend"]


def cluster(reports):
    for node in ("alpha1", "alpha2"):
        yield reports[node]["cluster"]


def split_brain(reports):
    reports["alpha2"]["frontend"]["addresses"].append("10.90.1.100")


def answers_twice(reports):
    """Nobody has it configured twice, as far as could be asked, but a machine nobody knows answers, too."""
    reports["alpha1"]["frontend"]["others"]["10.90.1.100"] = ["02:00:00:00:00:99"]


def no_address(reports):
    reports["alpha1"]["frontend"]["addresses"].remove("10.90.1.100")


def daemon_twice(reports):
    reports["alpha2"]["frontend"]["units"]["opennebula"]["active"] = True


def enabled(reports):
    reports["beta2"]["frontend"]["units"]["opennebula"]["enabled"] = True


def silent(reports):
    reports["beta2"]["frontend"]["daemon"].update(answers=False, why="Connection refused")


def offline(reports):
    for view in cluster(reports):
        view["nodes"][1]["online"] = False


def fence_down(reports):
    for view in cluster(reports):
        view["resources"] = [dict(one, active=one["id"] != "fence_alpha2") for one in view["resources"]]


def failed_action(reports):
    for view in cluster(reports):
        view["failed_actions"] = [{"resource": "opennebula", "task": "start", "node": "alpha2", "code": "error", "reason": "", "status": "complete"}]


def ignores_quorum(reports):
    for view in cluster(reports):
        view["description"]["properties"]["no-quorum-policy"] = "ignore"


def both_may_fence(reports):
    for view in cluster(reports):
        view["description"]["properties"]["priority-fencing-delay"] = "0"


def forgotten_service(reports):
    for view in cluster(reports):
        view["description"].update(resources=[{"id": "my-report", "agent": "systemd:my-report"}],
                                   colocations=[{"id": "my-report-with-opennebula_zone", "resource": "my-report", "with": "opennebula_zone"}])


def maintenance_mode(reports):
    for view in cluster(reports):
        view.update(maintenance=True, resources=[dict(one, managed=False) for one in view["resources"]])


def standby_in_maintenance(reports):
    for view in cluster(reports):
        view["nodes"][1]["maintenance"] = True


def unmanaged(reports):
    for view in cluster(reports):
        view["resources"][0]["managed"] = False


def left_by_pcs_resource_move(reports):
    for view in cluster(reports):
        view["bans"].append(ban("cli-ban-opennebula_zone-on-alpha2", "opennebula_zone", "alpha2"))


def full_disk(reports):
    reports["alpha2"]["frontend"]["disks"][0]["free_mb"] = 499


def no_more_files(reports):
    reports["alpha2"]["frontend"]["disks"][1]["free_files"] = 0


def service_not_installed(reports):
    reports["alpha2"]["frontend"]["units"]["opennebula-gate"]["installed"] = False


def two_writers(reports):
    reports["alpha2"]["replication"]["read_only"] = False


def no_semisync(reports):
    reports["beta1"]["replication"]["semi_sync"]["rpl_semi_sync_master_status"] = "OFF"


def taken_back(report):
    server, domain = report["variables"]["server_id"], report["variables"]["gtid_domain_id"]
    report["variables"]["read_only"] = "ON"
    report.update(gtid={"slave_pos": f"{domain}-{server}-8", "binlog_pos": f"{domain}-{server}-7"})


def stopped(reports):
    reports["beta2"]["replication"]["rows"][1].update(Slave_SQL_Running="No", Last_SQL_Errno=1062, Last_SQL_Error="Duplicate entry")


def no_filter(reports):
    reports["beta2"]["replication"]["rows"][1]["Replicate_Do_Table"] = ""


def deleted_source(reports):
    rows = reports["alpha2"]["replication"]
    rows["rows"], rows["sources"] = [], []


def other_row(reports):
    row = {"table": "user_pool", "missing_here": [], "only_here": [], "differing": ["3"], "count": 1, "why": ""}
    reports["beta2"]["tables"]["comparison"].update(equal=False, tables=[row], why="user_pool: 1 differing (3)")


def endpoint(reports):
    for node in ("beta1", "beta2"):
        reports[node]["frontend"]["daemon"]["zones"][0]["endpoint"] = "http://localhost:2633/RPC2"


CASES = {
    split_brain: ("alpha", "red", "its address 10.90.1.100 is on one front-end"),
    answers_twice: ("alpha", "red", "one machine answers for its address 10.90.1.100"),
    no_address: ("alpha", "red", "its address 10.90.1.100 is on one front-end"),
    daemon_twice: ("alpha", "red", "opennebula runs where the address is"),
    enabled: ("beta2", "red", "systemd starts none of the cluster's services at boot"),
    silent: ("beta2", "red", "the daemon answers it at http://10.90.2.100:2633/RPC2"),
    offline: ("alpha", "red", "all front-ends are online in the cluster"),
    fence_down: ("alpha", "red", "every fence device is watched"),
    failed_action: ("alpha", "red", "no action failed"),
    ignores_quorum: ("alpha", "red", "fencing and quorum are obeyed"),
    both_may_fence: ("alpha", "red", "fencing and quorum are obeyed"),
    forgotten_service: ("alpha", "red", "its services are those of the inventory"),
    maintenance_mode: ("alpha", "red", "every front-end may take over"),
    standby_in_maintenance: ("alpha", "red", "every front-end may take over"),
    unmanaged: ("alpha", "red", "every front-end may take over"),
    left_by_pcs_resource_move: ("alpha", "red", "every front-end may take over"),
    full_disk: ("alpha2", "red", "500 MB are free wherever it writes"),
    no_more_files: ("alpha2", "red", "500 MB are free wherever it writes"),
    service_not_installed: ("alpha2", "red", "has every service of the zone"),
    two_writers: ("alpha", "red", "its database is writable where the address is"),
    no_semisync: ("beta", "red", "commits wait for the standby (semi-sync)"),
    stopped: ("beta2", "red", "source zone0 does not run (IO=Yes SQL=No)"),
    no_filter: ("beta2", "red", "source zone0 does not have its table filter"),
    deleted_source: ("alpha2", "red", "source zone0-master is missing"),
    other_row: ("beta2", "red", "its federated tables equal the master zone's"),
    endpoint: ("beta", "red", "knows every zone and its endpoint"),
}


@pytest.mark.parametrize("broken", CASES, ids=lambda case: case.__name__)
def test_one_fault_is_named(broken):
    reports = seen()
    broken(reports)
    assert CASES[broken] in bad(reports)


@pytest.mark.parametrize("broken, why", [
    (maintenance_mode, "the cluster is in maintenance mode"), (standby_in_maintenance, "alpha2 is in maintenance"), (unmanaged, "zone_vip is not managed"),
    (left_by_pcs_resource_move, "opennebula_zone must not run on alpha2 (cli-ban-opennebula_zone-on-alpha2)"),
    (full_disk, "/ has 499 MB and room for any number of files"), (no_more_files, "/var/log has 9000 MB and room for 0 files"),
    (service_not_installed, "systemd cannot start: opennebula-gate"),
    (both_may_fence, "no fence device has a delay: in a partition both front-ends would kill each other"),
])
def test_what_would_stop_a_takeover_is_said(broken, why):
    reports = seen()
    broken(reports)
    (line,) = lines_of(reports)
    assert f": {why} → " in line


@pytest.mark.parametrize("delays, quorum_device, green", [
    (("0", "0"), None, False), (("5s", "5"), None, False), (("5s", None), None, True), ((None, None), {"state": "present", "host": "10.90.9.11"}, True),
])
def test_one_side_of_a_pair_must_fence_first_however_it_is_told(delays, quorum_device, green):
    facts, reports = copy.deepcopy(FACTS), seen()
    facts["zones"]["alpha"].update(quorum_device=quorum_device, quorum_host="arbiter")
    for view in cluster(reports):
        view["quorum"] = {"device": {"votes": 1, "connected": True, "voting": True}}
        del view["description"]["properties"]["priority-fencing-delay"]
        for device, delay in zip(view["description"]["fence_devices"], delays):
            device["options"].update({} if delay is None else {"pcmk_delay_base": delay})
    assert (report.bad(verification.verify(facts, reports)) == []) is green


def test_room_that_must_be_free_is_the_operators():
    for free_mb, targets in ((400, set()), (600, {"alpha1", "alpha2", "beta1", "beta2"})):
        assert {one.target for one in report.bad(verification.verify(FACTS, seen(), free_mb=free_mb))} == targets


def test_ban_counts_however_its_score_is_spelled():
    reports = seen()
    for view in cluster(reports):
        view["bans"].append(ban("never", "zone_vip", "alpha2", "-INFINITY"))
    assert bad(reports) == [("alpha", "red", "every front-end may take over")]


def test_soft_dislike_is_no_ban():
    reports = seen()
    for view in cluster(reports):
        view["bans"].append(ban("rather-not", "opennebula_zone", "alpha2", "-50"))
    assert bad(reports) == []


@pytest.mark.parametrize("position, equal, status", [
    ("0-1-50,100-10001-7", True, None), ("0-1-50,100-10001-9", True, None), ("0-1-50,100-10001-6", True, "red"), ("0-1-50", None, "red"),
    (None, True, "unknown")])
def test_standby_of_a_slave_zone_must_have_what_its_writer_wrote(position, equal, status):
    """Its threads run, and nobody compares the zone's own tables: a stuck applier would show at the takeover."""
    reports = seen()
    reports["beta2"]["tables"]["comparison"]["equal"] = equal
    reports["beta2"]["tables"].update(position=position) if position else reports["beta2"].update(tables={"unreachable": True})
    found = [(one.status, one.why) for one in verification.verify(FACTS, reports) if one.what == "has everything that beta1 wrote" and one.target == "beta2"]
    assert [one[0] for one in found] == [status or "green"]
    assert status != "red" or "of GTID domain 100, beta1 was at 7" in found[0][1]


def test_zone_with_two_writers_is_measured_by_neither():
    reports = seen()
    two_writers(reports)
    for name in ("alpha2", "beta2"):
        reports[name]["replication"]["read_only"] = False
    assert not [one for one in verification.verify(FACTS, reports) if "has everything that" in one.what]


def test_front_end_that_cannot_be_asked_is_unknown_and_never_green():
    reports = seen()
    reports["alpha2"] = {part: {"unreachable": True, "msg": "No route to host"} for part in reports["alpha2"]}
    found = verification.verify(FACTS, reports)
    assert not [one for one in found if one.target == "alpha2" and one.status == report.GREEN]
    assert any("No route to host" in one.why for one in report.bad(found))


def test_address_that_may_be_where_nobody_could_look_is_unknown():
    reports = seen()
    reports["alpha1"] = {}
    assert ("alpha", "unknown", "its address 10.90.1.100 is on one front-end") in bad(reports)


def test_every_line_that_is_not_green_says_why_and_what_to_do():
    for broken in CASES:
        reports = seen()
        broken(reports)
        for one in report.bad(verification.verify(FACTS, reports)):
            assert one.why and one.hint, one


def test_red_lines_of_replication_name_the_command():
    reports = seen()
    stopped(reports)
    reports["beta2"]["replication"]["rows"][1]["Last_SQL_Error"] = "on table opennebula.acl; Duplicate entry '7' for key 'PRIMARY'"
    other_row(reports)
    hints = [one.hint for one in report.bad(verification.verify(FACTS, reports)) if one.target == "beta2"]
    command = "ansible-playbook constellation.opennebula.repair --limit beta2 -e repair_verb="
    assert any(f"{command}remove_row -e repair_source=zone0 -e repair_table=acl -e repair_key=7" in hint for hint in hints)
    assert any(f"{command}reseed_table -e repair_source=zone0 -e repair_table=user_pool" in hint for hint in hints)


@pytest.mark.parametrize("part", ["frontend", "cluster", "replication", "tables"])
def test_reading_module_that_crashed_is_unknown_and_says_its_last_line(part):
    """failed_when: false leaves a result that did not fail, and has nothing of what the module returns."""
    reports = seen()
    crash = {"changed": False, "failed": False, "failed_when_result": False, "rc": 1, "msg": "MODULE FAILURE\nSee stdout/stderr for the exact error",
             "module_stdout": "", "module_stderr": "Traceback (most recent call last):\n  File \"x\"\nModuleNotFoundError: No module named 'pymysql'\n"}
    for node in ("beta1", "beta2"):
        reports[node][part] = crash
    found = report.bad(verification.verify(FACTS, reports))
    assert found and {one.status for one in found} == {report.UNKNOWN} and {one.target for one in found} <= {"beta", "beta1", "beta2"}
    assert part == "tables" or any("MODULE FAILURE: ModuleNotFoundError: No module named 'pymysql'" in one.why for one in found)


@pytest.mark.parametrize("part", sorted(verification.OWN))
def test_every_reading_module_documents_what_makes_its_result_a_look(part):
    module = {"frontend": "frontend_info", "cluster": "cluster_info", "replication": "replication_info", "tables": "federated_tables_info",
              "certificate": "tls_certificate_info"}[part]
    returned = (ROOT / f"plugins/modules/{module}.py").read_text(encoding="utf-8").split('RETURN = r"""', 1)[1].split('"""', 1)[0]
    assert all(f"\n{name}:\n" in returned for name in verification.OWN[part])


def test_source_that_pulls_from_elsewhere_names_the_server_it_should_pull_from():
    reports = seen()
    rows = reports["beta2"]["replication"]
    rows["rows"][1]["Master_Host"] = "10.9.9.9"
    rows["sources"] = verification.replication.parse(rows["rows"])
    hints = [one.hint for one in report.bad(verification.verify(FACTS, reports, ["/my/hosts"])) if one.target == "beta2"]
    assert hints == ["Let it pull from the right server: ansible-playbook -i /my/hosts constellation.opennebula.repair --limit beta2 -e repair_verb=repoint "
                     "-e repair_source=zone0 -e repair_host=10.90.1.101"]


def test_lines_say_nothing_that_a_shell_would_not_take():
    for broken in CASES:
        reports = seen()
        broken(reports)
        assert not [one.hint for one in report.bad(verification.verify(FACTS, reports)) if "<" in one.hint]


# --- a ring of three ---------------------------------------------------------------------------------------------------------

RING = topology.derive(dict(HOSTS, alpha3=dict(
    HOSTS["alpha1"], ansible_host="10.90.1.13", fence={"agent": "fence_ilo_ssh", "ip": "10.91.1.113"}))).as_dict()


def ring_lines(break_it):
    reports = {name: _reports(RING["nodes"][name], RING["zones"][RING["nodes"][name]["zone"]], RING) for name in RING["nodes"]}
    (source,) = reports["alpha3"]["replication"]["sources"]
    reports["alpha3"]["replication"]["rows"][0]["Master_Host"] = source["host"] = "10.90.1.11"      # around alpha2
    break_it(reports)
    checks = verification.verify(RING, reports)
    return [one.what for one in report.bad(checks) if one.target == "alpha3"], [one.what for one in checks if "as long as" in one.what]


def test_ring_that_stays_closed_around_a_front_end_that_is_in_is_red():
    red, told = ring_lines(lambda reports: None)
    assert red == ["source zone0-master is set up differently"] and told == []


@pytest.mark.parametrize("break_it", [
    lambda reports: reports["alpha2"].update(replication={"unreachable": True, "msg": "off"}),
    lambda reports: reports["alpha2"].get("cluster").update(running=False),
    lambda reports: reports["alpha2"]["replication"]["rows"][0].update(Slave_SQL_Running="No"),
])
def test_ring_closed_around_a_front_end_that_is_out_is_told_as_what_it_is(break_it):
    assert ring_lines(break_it) == ([], ["source zone0-master pulls from 10.90.1.11 as long as alpha2 is out"])


def test_ring_that_leads_to_a_stranger_is_red():
    red, told = ring_lines(lambda reports: (reports["alpha2"].pop("replication"), reports["alpha3"]["replication"]["sources"][0].update(host="10.9.9.9"),
                                            reports["alpha3"]["replication"]["rows"][0].update(Master_Host="10.9.9.9")))
    assert red == ["source zone0-master is set up differently"] and told == []


# --- layout guide ----------------------------------------------------------------------------------------------------------------

def guide_seen():
    """Return topology and reports of a healthy federation in layout guide: each front-end has written up to 50."""
    hosts = {name: dict({key: value for key, value in variables.items() if key != "zone_federation_vip"}, opennebula_replication_layout="guide")
             for name, variables in HOSTS.items()}
    facts = topology.derive(hosts).as_dict()
    position = ",".join(f"{node['gtid_domain_id']}-{node['server_id']}-50" for node in facts["nodes"].values())
    reports = {}
    for name, node in facts["nodes"].items():
        reports[name] = _reports(node, facts["zones"][node["zone"]], facts)
        reports[name]["tables"]["position"] = position
        reports[name]["replication"]["gtid"] = {"slave_pos": position, "binlog_pos": f"{node['gtid_domain_id']}-{node['server_id']}-50"}
        reports[name]["replication"]["variables"].update(log_slave_updates="OFF", rpl_semi_sync_slave_enabled="ON" if name.startswith("alpha") else "OFF")
        if name.startswith("beta"):
            reports[name]["replication"]["semi_sync"] = {"rpl_semi_sync_master_status": "OFF", "rpl_semi_sync_master_clients": "0"}
    return facts, reports


def guide_bad(change=lambda reports: None):
    facts, reports = guide_seen()
    change(reports)
    return [(one.target, one.status, f"{one.what}: {one.why} → {one.hint}") for one in report.bad(verification.verify(facts, reports))]


def test_layout_guide_is_green_when_every_channel_runs_and_nobody_has_more_than_its_writer():
    assert guide_bad() == []


@pytest.mark.parametrize(("target", "status", "words", "change"), [
    ("alpha1", "red", "sequence 49 (domain 1), more has alpha2, beta1, beta2",
     lambda reports: reports["alpha1"]["tables"].update(position="1-1-49,2-2-50,10001-10001-50,10002-10002-50")),
    ("alpha2", "unknown", "what it had not handed on is missing on all others", lambda reports: reports["alpha2"].update(tables={"unreachable": True})),
    ("beta2", "red", "has everything that beta1 wrote: it is at sequence 49 of GTID domain 10001, beta1 was at 50",
     lambda reports: reports["beta2"]["tables"].update(position="1-1-50,2-2-50,10001-10001-49,10002-10002-50")),
    ("beta2", "unknown", "has everything that beta1 wrote: its position could not be read",
     lambda reports: reports["beta2"]["tables"]["comparison"].update(equal=None, why="it stands still")),
    ("beta1", "red", "source zone0-master2 is missing", lambda reports: reports["beta1"]["replication"]["rows"].pop()),
    ("beta1", "red", "variable log_slave_updates is ON, wanted False",
     lambda reports: reports["beta1"]["replication"]["variables"].update(log_slave_updates="ON")),
    ("beta1", "red", "variable rpl_semi_sync_slave_enabled is ON, wanted False",
     lambda reports: reports["beta1"]["replication"]["variables"].update(rpl_semi_sync_slave_enabled="ON")),
    ("alpha", "red", "commits wait for the standby", lambda reports: reports["alpha1"]["replication"]["semi_sync"].update(rpl_semi_sync_master_status="OFF")),
    ("beta2", "red", "rule taken_back is broken", lambda reports: taken_back(reports["beta2"]["replication"])),
    ("beta1", "red", "rule applied_twice is broken", lambda reports: reports["beta1"]["replication"]["variables"].update(log_slave_updates="ON")),
    ("beta2", "red", "repair_verb=reseed_tables -e repair_source=zone0-master2", lambda reports: reports["beta2"]["tables"]["comparison"].update(
        {"equal": False, "with": "10.90.1.12", "tables": [{"table": "acl"}], "why": "acl: 1 differing (3)"})),
])
def test_layout_guide_says_what_is_wrong_and_what_cannot_be_known(target, status, words, change):
    found = guide_bad(change)
    assert [one for one in found if one[:2] == (target, status) and words in one[2]], found


def test_zone_that_the_inventory_does_not_have_is_told_by_the_master_zone_only():
    reports = seen()
    for name in reports:
        reports[name]["frontend"]["daemon"]["zones"].append({"id": 102, "name": "gamma", "endpoint": "e"})
    told = [(one.target, one.status) for one in verification.verify(FACTS, reports) if "102 (gamma)" in one.what]
    assert told == [("alpha", "green")]
    assert not any("also knows" in one.what for one in verification.verify(FACTS, seen()))


# --- a zone that is alone ---

ALONE = topology.derive({name: dict(values, zone_mode="standalone") for name, values in HOSTS.items() if name.startswith("beta")}).as_dict()


def alone_bad(change=lambda reports: None):
    reports = {name: _reports(node, ALONE["zones"]["beta"], ALONE) for name, node in ALONE["nodes"].items()}
    for name, comparison in (("beta1", {"reference": True, "with": ""}), ("beta2", {"reference": False, "with": "10.90.2.11"})):
        reports[name]["tables"]["comparison"].update(comparison)
    change(reports)
    return [(one.target, one.status, f"{one.area}: {one.what}: {one.why} → {one.hint}") for one in report.bad(verification.verify(ALONE, reports))]


def test_zone_that_is_alone_is_green_when_its_standby_equals_its_writer():
    assert alone_bad() == []


@pytest.mark.parametrize(("comparison", "status", "words"), [
    ({"equal": None, "why": "it stands still at sequence 3 of GTID domain 0, its writer at 50"}, "unknown", "it stands still at sequence 3"),
    ({"equal": False, "tables": [{"table": "acl"}], "why": "acl: 1 differing (3)"}, "red", "repair_verb=reseed_table -e repair_source=zone0-master"),
])
def test_standby_of_a_zone_that_is_alone_must_have_what_its_writer_has(comparison, status, words):
    (found,) = alone_bad(lambda reports: reports["beta2"]["tables"]["comparison"].update(comparison))
    assert found[:2] == ("beta2", status) and "replication: its users, groups and ACLs equal those of zone beta's writer" in found[2] and words in found[2]


# --- TLS ---

PRINT = "AA:BB"


def encrypted():
    """Return the topology with TLS and the reports of a federation that uses it."""
    facts, reports = copy.deepcopy(FACTS), seen()
    facts["tls"] = {"mode": "made", "used": True, "ca": "/ca.pem", "folder": "/"}
    for name, parts in reports.items():
        for row in parts["replication"]["rows"]:
            row.update(Master_SSL_Allowed="Yes", Master_SSL_CA_File="/ca.pem", Master_SSL_Verify_Server_Cert="Yes")
        parts["replication"].update(sources=verification.replication.parse(parts["replication"]["rows"]), certificate_fingerprint=PRINT)
        parts["certificate"] = {"certificates": [{"names": sorted(facts["nodes"][name]["certificate_names"]), "days_left": 400, "untrusted": "",
                                                  "not_after": "2027-12-24T00:00:00Z", "fingerprint_sha256": PRINT}]}
    return facts, reports


def test_federation_over_tls_is_green_and_its_certificates_were_looked_at():
    checks = verification.verify(*encrypted())
    assert report.bad(checks) == [] and len([one for one in checks if one.area == "tls"]) == 20
    assert [one.target for one in checks if one.what == "source zone0"].count("beta1") == 3      # encrypted, filter, runs


def test_without_tls_no_certificate_is_looked_at():
    assert [one for one in verification.verify(FACTS, seen()) if one.area == "tls"] == []


def spoil_certificate(**facts):
    return lambda parts: parts["certificate"]["certificates"][0].update(facts)


@pytest.mark.parametrize("spoil, status, what", [
    (lambda parts: parts.update(certificate={"certificates": []}), "red", "its certificate can be read"),
    (lambda parts: parts.update(certificate={"failed": True, "msg": "no openssl"}), "unknown", "its certificate can be read"),
    (spoil_certificate(names=["alpha1", "10.90.1.11"]), "red", "its certificate names all addresses that it may have"),
    (spoil_certificate(untrusted="unable to get local issuer certificate"), "red", "its authority vouches for its certificate"),
    (spoil_certificate(days_left=29), "red", "its certificate is good for 30 more days"),
    (spoil_certificate(days_left=-1), "red", "its certificate is good for 30 more days"),
    (lambda parts: parts["replication"].update(certificate_fingerprint="CC"), "red", "its MariaDB shows that certificate"),
    (lambda parts: parts["replication"].update(certificate_fingerprint=""), "red", "its MariaDB shows that certificate"),
    (lambda parts: parts["replication"]["rows"][0].update(Master_SSL_Allowed="No"), "red", "source zone0-slave is set up differently"),
    (lambda parts: parts["replication"]["rows"][0].update(Master_SSL_Verify_Server_Cert="No"), "red", "source zone0-slave is set up differently"),
])
def test_tls_that_is_wrong_is_named(spoil, status, what):
    facts, reports = encrypted()
    spoil(reports["alpha1"])
    if "sources" in reports["alpha1"]["replication"]:
        reports["alpha1"]["replication"]["sources"] = verification.replication.parse(reports["alpha1"]["replication"]["rows"])
    wrong = report.bad(verification.verify(facts, reports))
    assert [(one.target, one.status, one.what) for one in wrong] == [("alpha1", status, what)] and wrong[0].why and wrong[0].hint


def test_days_that_a_certificate_must_be_good_are_the_operators():
    facts, reports = encrypted()
    assert len(report.bad(verification.verify(facts, reports, certificate_days=500))) == 4


def test_source_with_tls_is_red_where_tls_is_off():
    facts, reports = encrypted()
    facts["tls"] = FACTS["tls"]
    assert {one.what for one in report.bad(verification.verify(facts, reports)) if one.target == "alpha1"} == {"source zone0-slave is set up differently"}
