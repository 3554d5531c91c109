# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The OCF agent mariadb-writer against a `mariadb` client that behaves: it keeps state, and every statement is on record."""
from __future__ import annotations

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import textwrap
import time
from xml.etree import ElementTree

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core.opennebula_cluster import SEMISYNC

FILES = pathlib.Path(__file__).resolve().parents[3] / "roles/database/files"
RUNNING, ERROR, CONFIGURED, STOPPED = 0, 1, 6, 7

SHELLFUNCS = """
OCF_SUCCESS=0 OCF_ERR_GENERIC=1 OCF_ERR_UNIMPLEMENTED=3 OCF_ERR_INSTALLED=5 OCF_ERR_CONFIGURED=6 OCF_NOT_RUNNING=7
ocf_log() { echo "$@" >&2; }
ocf_exit_reason() { echo "reason: $*" >&2; }
__OCF_ACTION=$1
ocf_is_probe() { [ "$__OCF_ACTION" = monitor ] && [ "${OCF_RESKEY_CRM_meta_interval:-0}" = 0 ]; }
have_binary() { command -v "$1" >/dev/null; }
check_binary() { have_binary "$1" || exit 5; }
"""

CLIENT = r'''#!/bin/sh
# A server that behaves: "state" holds its variables, "slaves" what SHOW ALL SLAVES STATUS prints, "log" what was changed.
cd "$(dirname "$0")" || exit 9
. ./state
for word; do case $word in --execute=*) sql=${word#--execute=} ;; --defaults-file=*) peer=yes ;; esac; done
put() { printf '%s\n' "$1=$2" >> state; }
log() { printf '%s\n' "$1" >> log; }
fail() { printf '%s\n' -------------- "$sql" -------------- '' "$1" >&2; exit 1; }
if [ "$peer" = yes ]; then
    log "PEER position"
    [ "$peer_up" = 1 ] || fail "ERROR 2002 (HY000): Can't connect to server on '10.0.0.2' (115)"
    echo "$peer_read_only $peer_domain $peer_gtid"; exit
fi
[ -z "$error" ] || fail "$error"
case $sql in *KILL*PROCESSLIST*) echo 'KILL CONNECTION 41;'; echo 'KILL CONNECTION 42;'; exit ;; esac
printf '%s\n' "$sql" | tr '\n' ' ' | sed 's/;/\n/g' > statements.$$; echo >> statements.$$
while read -r statement; do
    case $statement in
        '') ;;
        'SELECT IF(@@global.read_only'*) printf '%s\t%s\n' "$read_only" "$semisync" ;;
        'SHOW ALL SLAVES STATUS'*) cat slaves ;;
        'SELECT @@global.server_id'*) printf '1\t0\ts%s\tb%s\n' "$applied" "$binlog" ;;
        *PROCESSLIST*) for address in $dump_to; do case $statement in *"\"$address\""*) echo "$address" ;; esac; done ;;
        'SELECT MASTER_GTID_WAIT'*) log "$statement"; echo "$gtid_wait" ;;
        'SELECT @@global.rpl_semi_sync_slave_enabled'*) echo "$acknowledges" ;;
        'SELECT VARIABLE_VALUE'*) echo "$clients" ;;
        'START SLAVE'*|'STOP SLAVE'*) while [ -e hold ]; do : > held; sleep 0.1; done; log "$statement" ;;
        'SET GLOBAL read_only = 1')
            [ "$stuck" = 0 ] || { log "(stuck) $statement"; fail "ERROR 1205 (HY000): Lock wait timeout exceeded; try restarting transaction"; }
            log "$statement"; put read_only 1 ;;
        'SET GLOBAL read_only = 0') log "$statement"; put read_only 0 ;;
        'SET GLOBAL rpl_semi_sync_master_enabled = '*) log "$statement"; put semisync "${statement##* }"; put stuck 0 ;;
        'SET lock_wait_timeout = '*) ;;
        'KILL CONNECTION '*) log "$statement" ;;
        *) fail "nobody expected: $statement" ;;
    esac
done < statements.$$
'''


IN, ASIDE, LEFT, LOST, FAILED = (f'online="{online}" standby="{standby}" unclean="{unclean}"' for online, standby, unclean in (
    ("true", "false", "false"), ("true", "true", "false"), ("false", "false", "false"), ("false", "false", "true"), ("true", "false", "true")))


def slave(name="zone0-slave", host="10.0.0.2", **other):
    return {"Connection_name": name, "Slave_SQL_State": "Slave has read all relay log; waiting for more updates", "Master_Host": host, "Master_Port": 3306,
            "Slave_IO_Running": "Yes", "Slave_SQL_Running": "Yes", "Last_IO_Errno": 0, "Last_SQL_Errno": 0, "Gtid_IO_Pos": "0-2-7", **other}


class Node:
    def __init__(self, place):
        self.place = place
        (place / "ocf-shellfuncs").write_text(SHELLFUNCS)
        self._program("mariadb", CLIENT)
        self._program("attrd_updater", f'#!/bin/sh\necho "$*" >> "{place}/attributes"\n')
        self.members("alpha1 alpha2")
        text = (FILES / "mariadb-writer").read_text(encoding="utf-8")
        self.override = place / "promote-override"
        assert "/run/constellation/promote-override" in text
        self.parked, self.lock, self.hold = place / "parked", place / "parked.lock", place / "hold"
        text = text.replace("/run/constellation/promote-override", str(self.override))
        (place / "agent").write_text(text.replace("/run/constellation/parked", str(self.parked)))
        (place / "gate.cnf").write_text("[client]\n")
        self.state = {"error": "", "read_only": 1, "semisync": 0, "slaves": [slave()], "dump_to": "10.0.0.2", "clients": 1, "gtid_wait": 0, "stuck": 0,
                      "acknowledges": 1, "peer_up": 1, "peer_read_only": 1, "peer_domain": "0", "peer_gtid": "0-2-9", "applied": "0-1-7", "binlog": "0-1-7"}

    def _program(self, name, text):
        (self.place / name).write_text(text)
        (self.place / name).chmod(0o755)

    def members(self, names):
        self._program("crm_node", f"#!/bin/sh\necho {names}\n")
        self.nodes(alpha2=IN if "alpha2" in names else LEFT)

    def nodes(self, **others):
        """crm_mon of pacemaker 2.1.5: this node is in, the others as told; resources name nodes, too."""
        lines = [f'<node name="{name}" id="{number}" {state} pending="false"/>' for number, (name, state) in enumerate({"alpha1": IN, **others}.items(), 1)]
        text = "\n".join(["<pacemaker-result>", *lines, '<resource id="zone_vip"><node name="alpha1" id="1" cached="true"/></resource>', "</pacemaker-result>"])
        self._program("crm_mon", f"#!/bin/sh\ncat <<'X'\n{text}\nX\n")

    @property
    def told(self):
        """Return what the cluster was told about this node's commits since the last look, oldest first."""
        file = self.place / "attributes"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        assert all(line.startswith(f"--name {SEMISYNC} --update ") for line in lines), lines
        return [line.split()[-1] for line in lines]

    def run(self, action, interval=10000, **parameters):
        stars = "*" * 27
        slaves = "".join(f"{stars} {number}. row {stars}\n" + "".join(f"{key:>30}: {value}\n" for key, value in row.items())
                         for number, row in enumerate(self.state["slaves"], 1))
        (self.place / "slaves").write_text(slaves)
        (self.place / "state").write_text("".join(f"{key}={shlex.quote(str(value))}\n" for key, value in self.state.items() if key != "slaves"))
        (self.place / "log").write_text("")
        environment = {"PATH": f"{self.place}:{os.environ['PATH']}", "OCF_FUNCTIONS_DIR": str(self.place), "OCF_RESKEY_CRM_meta_interval": str(interval),
                       "OCF_RESKEY_credentials": str(self.place / "gate.cnf"), **{f"OCF_RESKEY_{key}": str(value) for key, value in parameters.items()}}
        done = subprocess.run(["sh", self.place / "agent", action], env=environment, capture_output=True, text=True, timeout=30, check=False)
        self.said, self.out = done.stderr, done.stdout
        if not self.hold.exists():
            self.rest()
        for line in (self.place / "state").read_text().splitlines():
            key, value = line.split("=", 1)
            if key in ("read_only", "semisync"):
                self.state[key] = int(value)
        # what is left of the 40 s is one less when a second ends in between
        self.log = re.sub(r"(MASTER_GTID_WAIT\('[^']*', )3[0-9]\)", r"\g<1>40)", (self.place / "log").read_text()).splitlines()
        assert "nobody expected" not in self.said
        return done.returncode

    def rest(self):
        """Wait for what the monitor does not wait for."""
        if self.lock.exists():
            subprocess.run(["flock", self.lock, "true"], check=True, timeout=30)

    @property
    def writable(self):
        return self.state["read_only"] == 0


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


NOBODY = "ERROR 2002 (HY000): Can't connect to local server through socket '/run/mysqld/mysqld.sock' (2)"
REFUSED = NOBODY.replace("(2)", "(111)")
FULL = NOBODY.replace("(2)", "(11)")


class TestMonitor:
    @pytest.mark.parametrize("interval", [0, 10000])
    @pytest.mark.parametrize("error, read_only, expected", [
        ("", 0, RUNNING), ("", 1, STOPPED),
        (NOBODY, 0, STOPPED), (REFUSED, 0, STOPPED),                                          # nobody can write
        (FULL, 0, ERROR), ("ERROR 2013 (HY000): Lost connection", 0, ERROR), ("ERROR 1040 (08004): Too many connections", 0, ERROR),
    ])
    def test_tells_the_truth(self, node, interval, error, read_only, expected):
        node.state.update(error=error, read_only=read_only, semisync=1)
        assert node.run("monitor", interval) == expected
        assert node.log == []

    def test_turns_semisync_on_when_the_peer_has_come(self, node):
        node.state.update(read_only=0)
        assert node.run("monitor") == RUNNING
        assert node.state["semisync"] == 1 and node.log == ["PEER position", "SET GLOBAL rpl_semi_sync_master_enabled = 1"]

    def test_probe_changes_nothing(self, node):
        node.state.update(read_only=0)
        assert node.run("monitor", interval=0) == RUNNING and node.log == []

    def test_leaves_semisync_off_where_this_zone_does_not_acknowledge(self, node):
        node.state.update(read_only=0, acknowledges=0)
        assert node.run("monitor") == RUNNING
        assert not any("rpl_semi_sync" in line for line in node.log) and "stays off" not in node.said

    @pytest.mark.parametrize("absence", [
        {"dump_to": ""}, {"dump_to": "10.0.0.9"}, {"slaves": []}, {"slaves": [slave("zone0", "10.0.0.2")]}, {"peer_up": 0}])
    def test_leaves_semisync_off_without_the_peer(self, node, absence):
        node.state.update(read_only=0, **absence)
        assert node.run("monitor") == RUNNING and node.state["semisync"] == 0
        assert not any("SET GLOBAL" in line for line in node.log)

    def test_dump_thread_of_a_fenced_peer_does_not_count(self, node):
        node.members("alpha1")
        node.state.update(read_only=0)
        assert node.run("monitor") == RUNNING and node.state["semisync"] == 0 and node.log == []

    def test_peer_that_never_acknowledges_would_block_every_commit(self, node):
        node.state.update(read_only=0, clients=0)
        assert node.run("monitor") == RUNNING and node.state["semisync"] == 0
        assert "rpl_semi_sync_slave_enabled" in node.said


class TestClusterIsTold:
    """Whether commits wait here: the cluster keeps the federation address away as long, and gives it back when they do not."""

    def test_before_the_first_commit_waits(self, node):
        node._program("attrd_updater", f'#!/bin/sh\necho "TOLD $*" >> "{node.place}/log"\n')
        assert node.run("start") == RUNNING
        assert node.log[-3:] == [f"TOLD --name {SEMISYNC} --update 1", "SET GLOBAL rpl_semi_sync_master_enabled = 1", "SET GLOBAL read_only = 0"]

    def test_after_the_last_commit_waited(self, node):
        node._program("attrd_updater", f'#!/bin/sh\necho "TOLD $*" >> "{node.place}/log"\n')
        node.state.update(read_only=0, semisync=1)
        assert node.run("stop") == RUNNING
        assert node.log[-2:] == ["SET GLOBAL rpl_semi_sync_master_enabled = 0", f"TOLD --name {SEMISYNC} --update 0"]

    @pytest.mark.parametrize("state, told", [
        ({"semisync": 1}, ["1"]), ({}, ["1"]), ({"peer_up": 0}, ["0"]), ({"slaves": []}, ["0"]), ({"acknowledges": 0}, ["0"]), ({"clients": 0}, ["1", "0"])])
    def test_monitor_tells_how_it_is(self, node, state, told):
        node.state.update(read_only=0, **state)
        assert node.run("monitor") == RUNNING and node.told == told

    def test_takeover_from_a_dead_peer_does_not_wait_for_the_cluster(self, node):
        node.members("alpha1")
        assert node.run("start") == RUNNING and node.writable and node.told == []

    def test_probe_tells_nothing(self, node):
        node.state.update(read_only=0, semisync=1)
        assert node.run("monitor", interval=0) == RUNNING and node.told == []

    def test_crashed_server_does_not_keep_the_address_away(self, node):
        node.state.update(error=REFUSED)
        assert node.run("stop") == RUNNING and node.told == ["0"]

    @pytest.mark.parametrize("others, semisync", [
        ({"alpha2": LEFT}, 0), ({"alpha2": LOST}, 1), ({"alpha2": FAILED}, 1),
        ({"alpha2": LEFT, "alpha3": LOST}, 1), ({"alpha2": LEFT, "alpha3": LEFT}, 0), ({"alpha2": LEFT, "alpha3": IN}, 1),
    ])
    def test_commits_stop_waiting_only_for_who_has_left_in_order(self, node, others, semisync):
        node.members("alpha1")
        node.nodes(**others)
        node.state.update(read_only=0, semisync=1)
        assert node.run("monitor") == RUNNING and node.state["semisync"] == semisync and node.told == [str(semisync)]

    @pytest.mark.parametrize("others, told", [({"alpha2": ASIDE}, "0"), ({"alpha2": ASIDE, "alpha3": IN}, "1"), ({"alpha2": ASIDE, "alpha3": LOST}, "1")])
    def test_address_may_come_while_nobody_can_take_over_and_commits_go_on_waiting(self, node, others, told):
        node.nodes(**others)
        node.state.update(read_only=0, semisync=1)
        assert node.run("monitor") == RUNNING and node.state["semisync"] == 1 and node.told == [told]

    @pytest.mark.parametrize("program", ["#!/bin/sh\nexit 102\n", "#!/bin/sh\necho '<pacemaker-result>'\n"])
    def test_cluster_that_does_not_answer_changes_nothing(self, node, program):
        node.members("alpha1")
        node._program("crm_mon", program)
        node.state.update(read_only=0, semisync=1)
        assert node.run("monitor") == RUNNING and node.state["semisync"] == 1 and node.told == []

    def test_membership_counts_although_the_cluster_shows_the_peer_as_gone(self, node):
        node.nodes(alpha2=LEFT)
        node.state.update(read_only=0, semisync=1)
        assert node.run("monitor") == RUNNING and node.state["semisync"] == 1

    @pytest.mark.parametrize("action, state", [("start", {}), ("stop", {"read_only": 0, "semisync": 1}), ("monitor", {"read_only": 0}),
                                               ("monitor", {"read_only": 0, "semisync": 1})])
    def test_cluster_that_does_not_take_it_changes_nothing_else(self, node, action, state):
        node._program("attrd_updater", "#!/bin/sh\nexit 1\n")
        node.state.update(state)
        assert node.run(action) == RUNNING
        assert node.state["semisync"] == (action != "stop") and node.writable == (action != "stop") and f"does not take the attribute {SEMISYNC}=" in node.said


class TestChannelOfAnAbsentPeer:
    """It must stay away until the peer has fetched what its crash recovery took back."""

    def test_promotion_without_the_peer_marks_it_and_the_monitor_parks_it(self, node):
        node.members("alpha1")
        node.state.update(slaves=[slave(Slave_IO_Running="Connecting", Last_IO_Errno=2003)], peer_up=0, dump_to="")
        assert node.run("start") == RUNNING and [path.name for path in node.parked.iterdir()] == ["zone0-slave"]
        assert not any("STOP SLAVE" in line for line in node.log), "stopping may wait for a connect; a start must not"
        assert node.run("monitor") == RUNNING and node.log == ["PEER position", "STOP SLAVE 'zone0-slave' IO_THREAD"]
        node.state["slaves"] = [slave(Slave_IO_Running="No")]
        assert node.run("monitor") == RUNNING and node.log == ["PEER position"]

    def test_monitor_does_not_wait_for_a_channel_that_takes_long_to_stop_and_does_not_stop_it_twice(self, node):
        node.parked.mkdir()
        (node.parked / "zone0-slave").touch()
        node.state.update(read_only=0, semisync=1, slaves=[slave(Slave_IO_Running="Connecting", Last_IO_Errno=2003)], peer_up=0)
        node.hold.touch()
        assert node.run("monitor") == RUNNING
        deadline = time.monotonic() + 20
        while not (node.place / "held").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert node.run("monitor") == RUNNING
        node.hold.unlink()
        node.rest()
        assert (node.place / "log").read_text().splitlines().count("STOP SLAVE 'zone0-slave' IO_THREAD") == 1

    def test_parking_lets_the_federations_channel_begin_anew(self, node):
        node.members("beta1")
        node.parked.mkdir()
        (node.parked / "zone100-slave").touch()
        node.state.update(read_only=0, peer_up=0, dump_to="", slaves=[
            slave("zone100-slave", Slave_IO_Running="Connecting", Last_IO_Errno=2003), slave("zone0", "10.0.9.9"),
            slave("zone7", "10.0.9.8", Slave_IO_Running="No")])
        assert node.run("monitor") == RUNNING
        assert node.log == ["PEER position", "STOP SLAVE 'zone100-slave' IO_THREAD", "STOP SLAVE 'zone0' IO_THREAD", "START SLAVE 'zone0' IO_THREAD"]

    @pytest.mark.parametrize("trouble, starts", [
        ({"Last_IO_Errno": 1595}, True), ({"Last_IO_Errno": 1593, "Last_IO_Error": "Failed to run 'after_read_event' hook"}, True),
        ({"Last_IO_Errno": 1593, "Last_IO_Error": "equal MariaDB server ids"}, False),
        ({"Last_IO_Errno": 1595, "Last_SQL_Errno": 1062}, False), ({"Last_IO_Errno": 1236}, False), ({}, False)])
    def test_channel_that_a_neighbours_end_has_stopped_is_started_again(self, node, trouble, starts):
        node.state.update(read_only=0, semisync=1, slaves=[slave(), slave("zone0", "10.0.9.9", **{"Slave_IO_Running": "No", **trouble})])
        assert node.run("monitor") == RUNNING
        assert node.log == (["STOP SLAVE 'zone0'", "START SLAVE 'zone0'"] if starts else [])

    @pytest.mark.parametrize("peer_gtid, follows", [("2-2-7", True), ("2-2-6", False), ("", False)])
    def test_layout_guide_counts_only_the_writes_of_a_peer_that_passes_nothing_on(self, node, peer_gtid, follows):
        node.parked.mkdir()
        (node.parked / "zone0-slave").touch()
        node.state.update(read_only=0, semisync=1, slaves=[slave(Slave_IO_Running="No", Gtid_IO_Pos="1-1-90,2-2-7")], peer_gtid=peer_gtid, peer_domain="2")
        assert node.run("monitor") == RUNNING
        assert ("START SLAVE 'zone0-slave'" in node.log) == follows and (node.parked / "zone0-slave").exists() != follows

    @pytest.mark.parametrize("peer_gtid, follows", [("0-1-6", False), ("0-2-7", True), ("0-1-9,100-5-3", True), ("", False), ("100-1-99", False)])
    def test_parked_channel_follows_again_when_the_peer_has_everything(self, node, peer_gtid, follows):
        node.parked.mkdir()
        (node.parked / "zone0-slave").touch()
        node.state.update(read_only=0, semisync=1, slaves=[slave(Slave_IO_Running="No")], peer_gtid=peer_gtid)
        assert node.run("monitor") == RUNNING
        assert ("START SLAVE 'zone0-slave'" in node.log) == follows and (node.parked / "zone0-slave").exists() != follows

    def test_parked_channel_of_a_slave_zone_does_not_wait_for_what_the_filter_kept_out(self, node):
        """10.11.19: 0-1-20 is a local row of the master zone, the peer's binary log ends at 0-1-15; and the IO thread alone asks for 0-1-20 for ever."""
        node.parked.mkdir()
        (node.parked / "zone100-slave").touch()
        node.state.update(read_only=0, semisync=1, slaves=[slave("zone100-slave", Slave_IO_Running="No", Gtid_IO_Pos="0-1-20,100-3-2")],
                          peer_gtid="0-1-15,100-3-2", peer_domain="100")
        assert node.run("monitor") == RUNNING
        assert node.log == ["PEER position", "STOP SLAVE 'zone100-slave'", "START SLAVE 'zone100-slave'"] and not list(node.parked.iterdir())

    @pytest.mark.parametrize("io_errno, sql, follows", [(1236, "Yes", True), (1236, "No", False), (1593, "Yes", False), (0, "Yes", False)])
    def test_without_a_mark_only_a_source_that_was_behind_is_asked_again(self, node, io_errno, sql, follows):
        node.state.update(read_only=0, semisync=1, slaves=[slave(Slave_IO_Running="No", Last_IO_Errno=io_errno, Slave_SQL_Running=sql)])
        assert node.run("monitor") == RUNNING and any("START SLAVE" in line for line in node.log) == follows

    def test_writer_restarts_on_the_survivor_though_its_channel_is_parked(self, node):
        node.members("alpha1")
        node.parked.mkdir()
        (node.parked / "zone0-slave").touch()
        node.state.update(slaves=[slave(Slave_IO_Running="No")])
        assert node.run("start") == RUNNING and node.writable

    def test_promotion_with_the_peer_parks_nothing(self, node):
        assert node.run("start") == RUNNING and not node.parked.exists()


class TestStart:
    def test_drains_then_semisync_then_writable(self, node):
        assert node.run("start") == RUNNING
        assert node.log == ["PEER position", "SELECT MASTER_GTID_WAIT('0-2-9', 40)", "SELECT MASTER_GTID_WAIT('0-2-7', 40)", "PEER position",
                            "SET GLOBAL rpl_semi_sync_master_enabled = 1", "SET GLOBAL read_only = 0"]

    def test_dead_peer_costs_no_question_and_no_semisync(self, node):
        node.members("alpha1")
        node.state.update(slaves=[slave(Slave_IO_Running="Connecting", Last_IO_Errno=2003)])
        assert node.run("start") == RUNNING
        assert node.log == ["SELECT MASTER_GTID_WAIT('0-2-7', 40)", "SET GLOBAL read_only = 0"]

    def test_member_with_a_dead_server_does_not_block_the_first_write(self, node):
        node.state.update(peer_up=0)
        assert node.run("start") == RUNNING and node.writable and node.state["semisync"] == 0

    def test_twice_is_once(self, node):
        node.run("start")
        assert node.run("start") == RUNNING and node.log == []

    def test_applies_what_was_received_when_the_thread_was_stopped_by_hand(self, node):
        node.state.update(slaves=[slave(Slave_SQL_Running="No")])
        assert node.run("start") == RUNNING and node.log[0] == "START SLAVE 'zone0-slave' SQL_THREAD"

    def test_channel_of_the_federation_is_not_drained(self, node):
        node.state.update(slaves=[slave(), slave("zone0", "10.0.9.9", Slave_SQL_Running="No", Last_SQL_Errno=1062)])
        assert node.run("start") == RUNNING and node.writable

    @pytest.mark.parametrize("trouble, members, says", [
        ({"error": NOBODY}, "alpha1 alpha2", "MariaDB does not run here"),
        ({"slaves": [slave(Slave_SQL_Running="No", Last_SQL_Errno=1950)]}, "alpha1", "channel zone0-slave has stopped with SQL error 1950"),
        ({"slaves": [slave(Slave_IO_Running="No", Last_IO_Errno=1236)]}, "alpha1", "does not receive (IO thread stopped, error 1236)"),
        ({"peer_read_only": 0}, "alpha1 alpha2", "10.0.0.2 still takes writes"),
        ({"gtid_wait": -1}, "alpha1 alpha2", "the peer's position 0-2-9 was not reached within 40 s"),
        ({"gtid_wait": -1}, "alpha1", "the relay log 0-2-7 was not reached within 40 s"),
    ])
    def test_refuses_where_rows_may_be_missing(self, node, trouble, members, says):
        node.members(members)
        node.state.update(trouble)
        assert node.run("start") == ERROR
        assert not node.writable and f"{says}" in node.said and "reason:" in node.said

    @pytest.mark.parametrize("applied, binlog, promoted", [
        ("0-1-663", "0-1-662", False), ("0-1-5", "", False), ("0-1-1000,100-3-7", "0-1-999", False),
        ("0-1-662", "0-1-662", True), ("0-2-663", "0-1-662", True), ("100-1-9", "0-1-3", True), ("", "", True)])
    def test_refuses_while_its_position_counts_what_its_crash_took_back(self, node, applied, binlog, promoted):
        node.state.update(applied=applied, binlog=binlog)
        assert (node.run("start") == RUNNING) == promoted == node.writable
        assert promoted or f"not promoted: {applied.split(',', maxsplit=1)[0]} of this node's own was taken back" in node.said

    def test_relay_log_that_is_never_read_ends_in_a_refusal(self, node):
        node.state.update(slaves=[slave(Slave_SQL_State="Reading event from the relay log")])
        assert node.run("start", drain_timeout=1) == ERROR
        assert not node.writable and "has not read its relay log within 1 s" in node.said

    def test_operators_reason_promotes_once(self, node):
        node.members("alpha1")
        node.state.update(slaves=[slave(Slave_SQL_Running="No", Last_SQL_Errno=1950)])
        node.override.write_text("alpha2 burnt down\n")
        assert node.run("start") == RUNNING and node.writable
        assert "alpha2 burnt down" in node.said and not node.override.exists()
        node.state.update(read_only=1)
        assert node.run("start") == ERROR

    def test_operators_reason_holds_for_all_that_one_promotion_finds(self, node):
        """The writer died while the applier here was held up: nothing comes, and what came is not applied. That is more than one doubt."""
        node.members("alpha1")
        node.state.update(gtid_wait=-1, slaves=[slave(Slave_IO_Running="No", Last_IO_Errno=1236, Slave_SQL_State="Reading event from the relay log")])
        node.override.write_text("alpha2 burnt down\n")
        assert node.run("start", drain_timeout=1) == RUNNING and node.writable and node.said.count("alpha2 burnt down") == 3 and not node.override.exists()

    def test_operators_reason_that_was_not_needed_is_not_kept_for_another_promotion(self, node):
        node.override.write_text("alpha2 burnt down\n")
        assert node.run("start") == RUNNING and node.writable and not node.override.exists()

    def test_two_writers_cannot_be_overridden(self, node):
        node.override.write_text("I want it\n")
        node.state.update(peer_read_only=0)
        assert node.run("start") == ERROR and not node.writable and node.override.exists()


class TestStop:
    def test_closes_before_semisync_goes_off(self, node):
        node.state.update(read_only=0, semisync=1)
        assert node.run("stop") == RUNNING
        assert node.log == ["SET GLOBAL read_only = 1", "SET GLOBAL rpl_semi_sync_master_enabled = 0"]

    def test_twice_is_once(self, node):
        assert node.run("stop") == RUNNING and node.run("stop") == RUNNING and not node.writable

    def test_server_that_is_down_is_stopped(self, node):
        node.state.update(error=REFUSED)
        assert node.run("stop") == RUNNING

    def test_server_that_hangs_is_not_stopped(self, node):
        node.state.update(error=FULL)
        assert node.run("stop") == ERROR

    def test_waiting_commits_lose_their_clients_before_they_are_released(self, node):
        node.state.update(read_only=0, semisync=1, stuck=1)
        assert node.run("stop", stop_wait=1) == RUNNING
        assert node.log[:4] == ["(stuck) SET GLOBAL read_only = 1", "KILL CONNECTION 41", "KILL CONNECTION 42", "SET GLOBAL rpl_semi_sync_master_enabled = 0"]
        assert not node.writable and node.state["semisync"] == 0


class TestItself:
    def test_metadata_is_complete(self, node):
        assert node.run("meta-data") == 0
        agent = ElementTree.fromstring(node.out)
        text = (FILES / "mariadb-writer").read_text(encoding="utf-8")
        assert {action.get("name") for action in agent.iter("action")} == {"start", "stop", "monitor", "validate-all", "meta-data"}
        for parameter in agent.iter("parameter"):
            default = parameter.find("content").get("default")
            assert f': "${{OCF_RESKEY_{parameter.get("name")}:={default}}}"' in text, parameter.get("name")
            assert parameter.find("longdesc").text and parameter.find("shortdesc").text

    @pytest.mark.parametrize("value, expected", [("12", 0), ("ten", CONFIGURED), ("", 0)])
    def test_parameters_are_checked(self, node, value, expected):
        assert node.run("validate-all", drain_timeout=value) == expected

    def test_unknown_action_is_unimplemented(self, node):
        assert node.run("promote") == 3

    def test_missing_client(self, node):
        os.remove(node.place / "mariadb")
        for tool in ("awk", "cat", "date", "dirname", "grep", "head", "sh", "sleep", "tail", "timeout", "tr"):
            (node.place / tool).symlink_to(shutil.which(tool))
        run = {"OCF_FUNCTIONS_DIR": str(node.place), "PATH": str(node.place)}
        probe = subprocess.run(["sh", node.place / "agent", "monitor"], env=dict(run, OCF_RESKEY_CRM_meta_interval="0"), check=False)
        start = subprocess.run(["sh", node.place / "agent", "start"], env=dict(run, OCF_RESKEY_CRM_meta_interval="0"), check=False)
        assert probe.returncode == STOPPED and start.returncode == 5

    @pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
    @pytest.mark.parametrize("name", ["mariadb-writer", "fencing-alert", "standby-return", "start-replication"])
    def test_shellcheck_has_nothing_to_say(self, name):
        done = subprocess.run(["shellcheck", "-s", "sh", "-e", "SC1090,SC1091", FILES / name], capture_output=True, text=True, check=False)
        assert done.returncode == 0, textwrap.indent(done.stdout, "  ")


@pytest.fixture
def ring(node):
    """Return a node of a ring of three whose keeper says what its file "said" has, and exits as "code" has."""
    (node.place / "ring.conf").write_text("# name server_id address port\nalpha1 1 10.0.0.1 3306\nalpha2 2 10.0.0.2 3306\nalpha3 3 10.0.0.3 3306\n")
    node._program("ring-keeper", f'#!/bin/sh\necho "KEEPER $*" >> "{node.place}/log"\ncat "{node.place}/said"\nexit $(cat "{node.place}/code")\n')
    node.members("alpha1 alpha2 alpha3")
    node.parameters = {"ring": node.place / "ring.conf", "ring_keeper": node.place / "ring-keeper"}

    def says(code, text=""):
        (node.place / "code").write_text(str(code))
        (node.place / "said").write_text(text)

    node.keeper_says = says
    says(0)
    return node


class TestRing:
    def test_promotion_asks_the_keeper_and_nobody_else(self, ring):
        ring.state.update(dump_to="10.0.0.3", slaves=[slave(host="10.0.0.2", Slave_IO_Running="Connecting")])
        assert ring.run("start", **ring.parameters) == RUNNING
        assert ring.log == ["KEEPER drain 40", "PEER position", "SET GLOBAL rpl_semi_sync_master_enabled = 1", "SET GLOBAL read_only = 0"]
        assert not ring.parked.exists()

    @pytest.mark.parametrize("code, override, writable", [(1, "", False), (1, "burnt down", True), (2, "burnt down", False)])
    def test_what_the_keeper_misses_is_not_promoted(self, ring, code, override, writable):
        ring.keeper_says(code, "alpha2 has received 0-1-60")
        if override:
            ring.override.write_text(override)
        assert (ring.run("start", **ring.parameters) == RUNNING) == writable == ring.writable
        assert "alpha2 has received 0-1-60" in ring.said

    @pytest.mark.parametrize("dump_to, members, semisync", [
        ("10.0.0.3", "alpha1 alpha2 alpha3", 1),           # not the one that we pull from, but a member that pulls from us
        ("10.0.0.3", "alpha1 alpha2", 0),                  # still catching up: commits would wait for it
        ("10.0.9.9", "alpha1 alpha2 alpha3", 0),           # a slave zone's node
        ("", "alpha1 alpha2 alpha3", 0),
    ])
    def test_whoever_pulls_and_is_a_member_acknowledges(self, ring, dump_to, members, semisync):
        ring.state.update(read_only=0, dump_to=dump_to)
        ring.members(members)
        assert ring.run("monitor", **ring.parameters) == RUNNING and ring.state["semisync"] == semisync

    def test_monitor_leaves_the_channels_to_the_keeper(self, ring):
        ring.state.update(read_only=0, semisync=1, slaves=[slave(Slave_IO_Running="No", Last_IO_Errno=1236)])
        assert ring.run("monitor", **ring.parameters) == RUNNING and ring.log == []
