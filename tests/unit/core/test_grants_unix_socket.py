# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts that belong to a user of the host and have no password (pacemaker's alert agents run as hacluster)."""
from __future__ import annotations

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import grants
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import Problems

WANT = [{"name": "hacluster", "hosts": ["localhost"], "unix_socket": True, "privileges": {"*.*": ["REPLICATION MASTER ADMIN"]}}]
LIVE = {"hash": "", "plugin": "unix_socket", "tls": False, "grants": {"*.*": {"REPLICATION MASTER ADMIN"}}}


def steps(live):
    state = {"databases": set(), "accounts": {("hacluster", "localhost"): live} if live else {}}
    return [step.sql for change in grants.plan(state, [], grants.wanted_accounts(WANT)) for step in change.step]


@pytest.mark.parametrize("live, wanted", [
    (None, ["CREATE USER %s@%s IDENTIFIED VIA unix_socket REQUIRE NONE", "GRANT REPLICATION MASTER ADMIN ON *.* TO %s@%s"]),
    (LIVE, []),
    (dict(LIVE, plugin="mysql_native_password", hash="*D8"), ["ALTER USER %s@%s IDENTIFIED VIA unix_socket"]),
])
def test_steps(live, wanted):
    assert steps(live) == wanted


@pytest.mark.parametrize("change, says", [({"password": "CANARY-9f2c"}, "unix_socket takes no password"), ({"unix_socket": False}, "password is missing")])
def test_password_or_socket_not_both_not_neither(change, says):
    with pytest.raises(Problems, match=says) as raised:
        grants.wanted_accounts([dict(WANT[0], **change)])
    assert "CANARY" not in str(raised.value)
