# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a server must be started or restarted, from what systemctl show prints (captured on systemd 252)."""
from __future__ import annotations

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import unit_plan

FILE = "/etc/mysql/mariadb.conf.d/90-constellation.cnf"


def row(load="loaded", active="active", enabled="enabled", reload="no", started="100000000"):
    return {"LoadState": load, "ActiveState": active, "UnitFileState": enabled, "NeedDaemonReload": reload, "ExecMainStartTimestampMonotonic": started}


BARE = row("not-found", "inactive", "", "no", "0")
CASES = [
    # server, socket, corosync, file changed at → steps
    (row(), row("masked", "inactive", "masked"), row(), 99.0, []),
    (row(), BARE, BARE, None, []),
    (row(), BARE, BARE, 101.0, [("restart", "mariadb.service")]),
    (row(active="activating"), BARE, BARE, 101.0, [("restart", "mariadb.service")]),
    (row(), BARE, BARE, 999.0, []),                                                  # a clock that was set back: no restart can mend that
    (row(active="inactive"), BARE, BARE, 101.0, [("start", "mariadb.service")]),
    (row(active="failed"), BARE, BARE, 99.0, [("start", "mariadb.service")]),
    (row(enabled="disabled"), BARE, BARE, 99.0, [("enable", "mariadb.service")]),
    (row(), row(active="inactive", enabled="disabled"), BARE, 99.0, [("mask", "mariadb.socket")]),
    (row(reload="yes"), BARE, row(reload="yes"), 101.0, [("daemon-reload",), ("restart", "mariadb.service")]),
    (row(), BARE, row(active="inactive", enabled="disabled", reload="yes"), 99.0, [("daemon-reload",)]),
    (BARE, BARE, BARE, None, [("enable", "mariadb.service"), ("start", "mariadb.service")]),      # check mode on a bare host
]


@pytest.mark.parametrize("server, socket, corosync, changed, steps", CASES)
def test_plan(server, socket, corosync, changed, steps):
    rows = {"mariadb.service": server, "mariadb.socket": socket, "corosync.service": corosync}
    found = unit_plan.plan("mariadb", ["mariadb.service", "corosync.service"], ["mariadb.socket"], rows, {FILE: changed}, 500.0)
    assert [change.step for change in found] == steps


def test_reason_of_a_restart_names_the_file():
    found = unit_plan.plan("mariadb", ["mariadb.service"], [], {"mariadb.service": row()}, {FILE: 101.0}, 500.0)
    assert FILE in found.as_list()[0]["before"]
