# SPDX-License-Identifier: GPL-3.0-or-later
"""A seeding or a repair that is killed at any step: verification is never green while anything is unequal, and running it again ends it.

The points are every statement that changes something, before and after it, and moments within the copy; KILLED_REPAIR_POINTS picks how many (seeded).
"""
import contextlib
import importlib.util
import os
import pathlib
import random
import signal
import time

import pytest

pytest.importorskip("pymysql")

from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import mariadb  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.modules import database_repair  # noqa: E402

_spec = importlib.util.spec_from_file_location("failure_catalogue", pathlib.Path(__file__).with_name("test_failure_catalogue.py"))
catalogue = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(catalogue)
base, zones, pytestmark = catalogue.base, catalogue.zones, catalogue.pytestmark
POINTS = int(os.environ.get("KILLED_REPAIR_POINTS", "4"))
NODE, PEER = "beta2", "beta1"
CHANNEL, BACK = "zone100-master", "zone100-slave"
LONG = 60       # more steps than any verb has: the run ends by itself


def spoil(zones, oid):
    """A row too many, one too few and one that differs; and something that is still to come."""
    base.write(zones, base.pool(oid), base.pool(oid + 1))
    catalogue.arrived(zones, NODE, oid + 1)
    catalogue.quietly(zones[NODE], f"INSERT INTO user_pool VALUES ({oid + 2}, 'rogue{oid}', NULL)")
    catalogue.quietly(zones[NODE], f"DELETE FROM user_pool WHERE oid={oid}")
    catalogue.quietly(zones[NODE], f"UPDATE user_pool SET body='silent' WHERE oid={oid + 1}")


def part(zones, oid):
    """The standby's own history."""
    zones[NODE].rows(f"STOP SLAVE '{CHANNEL}' SQL_THREAD")
    catalogue.own(zones, oid)
    zones[NODE].rows(f"REPLACE INTO opennebula.vm_pool VALUES ({oid + 1}, 'wrong', NULL)")
    zones[NODE].rows(f"START SLAVE '{CHANNEL}' SQL_THREAD")


VERBS = {
    "reseed_table": (spoil, {"source": "zone0", "table": "user_pool"}),
    "reseed_tables": (spoil, {"source": "zone0"}),
    "reseed_node": (part, {"source": CHANNEL}),
    "federated_tables": (spoil, {}),
}


def run(zones, verb):
    if verb == "federated_tables":
        return base.seed(zones, NODE, force=True)
    tables = list(base.TABLES) if VERBS[verb][1]["source"] == "zone0" else []      # the role gives them with every verb
    params = dict(catalogue.ASKED, verb=verb, do_tables=tables, **dict(VERBS[verb][1], backup_dir=str(zones[NODE].folder / "backup")))
    return database_repair.ensure(params, catalogue.servers(zones, NODE), mariadb.Copy(60), False)


def run_and_die(zones, verb, step, moment):
    """Do it in a process of its own that is killed around its step-th change; return whether it was."""
    child = os.fork()
    if child == 0:
        count = [0]

        def dying(method):
            def wrapped(self, *arguments, **more):
                count[0] += 1
                if count[0] == step and moment == "before":
                    os.kill(os.getpid(), signal.SIGKILL)
                if count[0] == step and moment == "within":
                    signal.signal(signal.SIGALRM, lambda *unused: os.kill(os.getpid(), signal.SIGKILL))
                    signal.setitimer(signal.ITIMER_REAL, 0.01)
                result = method(self, *arguments, **more)
                if count[0] == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result
            return wrapped

        mariadb.Server.do, mariadb.Copy._dump = dying(mariadb.Server.do), dying(mariadb.Copy._dump)
        try:
            run(zones, verb)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def unequal(zones):
    """Compare by another road: each table as it is, with nobody writing."""
    wrong = [name for name in catalogue.federated.FEDERATED_TABLES if rows(zones, NODE, name) != rows(zones, "alpha1", name)]
    return wrong + [name for name in ("vm_pool",) if rows(zones, NODE, name) != rows(zones, PEER, name)]


def rows(zones, node, table):
    try:
        return zones[node].rows(f"SELECT * FROM opennebula.{table} ORDER BY oid")
    except Exception:  # the table is not there
        return None


def never_green_while_unequal(zones, what, seconds=1.5):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before = unequal(zones)
        told = catalogue.red(zones) or catalogue.info(zones, NODE)["findings"]
        assert told or not before or not unequal(zones), f"{what}: {before} differ, and everything is green"
        time.sleep(0.2)


def end(zones, what):
    """Follow what is named until nothing is: what the playbook does on the other node, and what an operator does with the words on the screen."""
    deadline = time.monotonic() + 2 * catalogue.PATIENCE_S
    while (left := catalogue.red(zones) + [line for name in zones for line in catalogue.info(zones, name)["lines"][1:]]):
        assert time.monotonic() < deadline, "\n".join([what, *left])
        for node in (PEER, NODE):
            for one in catalogue.info(zones, node)["findings"]:
                if one["verb"] in ("restart", "demote", "refilter"):
                    params = dict(catalogue.ASKED, verb=one["verb"], source=one["source"], do_tables=list(base.TABLES) if one["source"] == "zone0" else [])
                    try:
                        database_repair.ensure(params, catalogue.servers(zones, node), mariadb.Copy(60), False)
                    except CoreError as error:
                        left.append(str(error))
        time.sleep(0.5)


def points():
    everything = [(verb, step, moment, reboot) for verb in VERBS for step in range(1, 26) for moment in ("before", "after", "within")
                  for reboot in (False, True)]
    return random.Random(20261121).sample(everything, POINTS)


def test_killed_at_any_step_is_never_green_while_unequal_and_ends_when_it_is_run_again(zones):
    killed = 0
    for number, (verb, step, moment, reboot) in enumerate(points()):
        what = f"{verb}, killed {moment} step {step}{', server killed, too' if reboot else ''}"
        VERBS[verb][0](zones, 2000 + 10 * number)
        died = run_and_die(zones, verb, step, moment)
        killed += died
        print(f"{number}: {what}{'' if died else ' (had ended before)'}", flush=True)
        never_green_while_unequal(zones, what)
        if reboot:
            zones[NODE].kill()
            zones[NODE].start()
            for row in zones[NODE].server().slaves():      # what start-replication does
                zones[NODE].rows(f"START SLAVE '{row['Connection_name']}'")
        base.write(zones, base.pool(2000 + 10 * number + 5))
        never_green_while_unequal(zones, what)
        again(zones, verb, what)
        end(zones, what)
        assert not unequal(zones), what
    assert killed >= POINTS // 2


def again(zones, verb, what):
    """Run it again; a moment's cause may refuse it, as a channel that is just connecting."""
    for patience in range(20):
        try:
            run(zones, verb)
            return
        except CoreError as error:
            last = str(error)
            if "Use verb refilter first" in last:
                source = VERBS[verb][1]["source"]
                params = dict(catalogue.ASKED, verb="refilter", source=source, do_tables=list(base.TABLES) if source == "zone0" else [], wait_timeout_s=2)
                with contextlib.suppress(CoreError):      # done, and the contents are not equal yet
                    database_repair.ensure(params, catalogue.servers(zones, NODE), mariadb.Copy(60), False)
            time.sleep(0.5)
    raise AssertionError(f"{what}: run again: {last}")
