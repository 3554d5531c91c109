# SPDX-License-Identifier: GPL-3.0-or-later
"""What constellation-heal.timer runs, on real servers: a standby follows again by itself after 1236 and 1595; what a person stopped stays stopped."""
import importlib.util
import pathlib
import subprocess
import sys
import time

import pytest

pytest.importorskip("pymysql")

_spec = importlib.util.spec_from_file_location("failure_catalogue", pathlib.Path(__file__).with_name("test_failure_catalogue.py"))
catalogue = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(catalogue)
base, zones, pytestmark = catalogue.base, catalogue.zones, catalogue.pytestmark
GATE = pathlib.Path(__file__).resolve().parents[2] / "roles/database/files/rejoin-gate"


def heal(zones, node, peer=""):
    """Run it once, as the timer does; return what it says."""
    folder = zones[node].folder
    peers = f"{peer}=127.0.0.1:{zones[peer].port}" if peer else ""
    (folder / "gate.conf").write_text(f"[gate]\nname = {node}\nsocket = {folder}/s.sock\nchannels = {base.PAIRS[node][0]}\npeers = {peers}\n", encoding="utf-8")
    (folder / "gate.cnf").write_text(f"[client]\nuser = seed\npassword = {catalogue.SECRET}\n", encoding="utf-8")
    (folder / "gate").write_text(GATE.read_text(encoding="utf-8").replace("/run/constellation/parked", f"{folder}/parked"), encoding="utf-8")
    done = subprocess.run([sys.executable, f"{folder}/gate", "heal", "--config", f"{folder}/gate.conf", "--credentials", f"{folder}/gate.cnf"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def until_green(zones, node):
    """Let the timer tick; nobody else does anything."""
    said, deadline = "", time.monotonic() + catalogue.PATIENCE_S
    while (left := catalogue.red(zones, node)):
        assert time.monotonic() < deadline, "\n".join([said, *left])
        said += heal(zones, node)
        time.sleep(1)
    return said


def test_1595_of_a_standby_heals_by_itself(zones):
    zones["beta2"].rows("STOP SLAVE 'zone100-master' IO_THREAD")
    base.write(zones, base.pool(3000))
    catalogue.in_red(zones, "beta2", "1595")
    zones["beta2"].rows("START SLAVE 'zone100-master' IO_THREAD")
    assert "channel zone0 stopped with 1595" in until_green(zones, "beta2")
    assert heal(zones, "beta2") == ""
    assert catalogue.table(zones["beta2"]) == catalogue.table(zones["alpha1"])


def test_1236_of_a_standby_that_crashed_heals_by_itself(zones):
    base.write(zones, base.local(3))
    base.caught_up(zones)
    zones["beta2"].kill()
    base.write(zones, base.pool(3100), base.local(4))
    catalogue.arrived(zones, "beta1", 3100)
    zones["beta2"].start()
    catalogue.in_red(zones, "beta2", "1236", "missing the GTID")
    assert "channel zone100-master stopped with 1236" in until_green(zones, "beta2")
    assert catalogue.table(zones["beta2"]) == catalogue.table(zones["alpha1"])


def test_what_somebody_stopped_and_what_no_start_mends_stays(zones):
    zones["beta2"].rows("STOP SLAVE 'zone100-master'")
    zones["beta2"].rows("STOP SLAVE 'zone0' SQL_THREAD")
    assert heal(zones, "beta2") == ""
    assert catalogue.red(zones, "beta2")
    zones["beta2"].rows("START ALL SLAVES")
    until_green(zones, "beta2")
    catalogue.quietly(zones["beta2"], "INSERT INTO user_pool VALUES (3200, 'rogue', NULL)")
    base.write(zones, base.pool(3200))
    catalogue.in_red(zones, "beta2", "1062")
    assert heal(zones, "beta2") == "" and catalogue.named(zones, "beta2", "1062", "remove_row")


def test_channel_that_the_agent_parked_is_followed_again_once_the_peer_has_everything(zones):
    """The zone was stopped while its other front-end was away: no writer is there any more whose agent would do it."""
    node, channel = zones["alpha2"], base.PAIRS["alpha2"][0]
    (node.folder / "parked").mkdir()
    (node.folder / "parked" / channel).touch()
    node.rows(f"STOP SLAVE '{channel}' IO_THREAD")
    zones["alpha1"].kill()
    assert heal(zones, "alpha2", "alpha1") == "" and (node.folder / "parked" / channel).exists()
    zones["alpha1"].start()
    assert f"channel {channel}: alpha1 has everything of ours" in heal(zones, "alpha2", "alpha1")
    assert not (node.folder / "parked" / channel).exists()
    base.until(lambda: [row["Slave_IO_Running"] for row in node.server().slaves()] == ["Yes"], 20)
