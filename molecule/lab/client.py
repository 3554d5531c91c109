# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenNebula's XML-RPC as a user of the zone sees it. Not the collection's client: drills observe by another road."""
from __future__ import annotations

import http.client
import xml.etree.ElementTree as ET
import xmlrpc.client

PORT = 2633
# What is wrong when a front-end is gone or just coming: worth another try, unlike a Refused
GONE = (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError, ET.ParseError)
STATES = {1: "PENDING", 2: "HOLD", 4: "STOPPED", 5: "SUSPENDED", 6: "DONE", 8: "POWEROFF", 9: "UNDEPLOYED"}
LCM_STATES = dict(enumerate("""- PROLOG BOOT RUNNING MIGRATE SAVE_STOP SAVE_SUSPEND SAVE_MIGRATE PROLOG_MIGRATE PROLOG_RESUME EPILOG_STOP EPILOG SHUTDOWN - -
    CLEANUP_RESUBMIT UNKNOWN HOTPLUG SHUTDOWN_POWEROFF BOOT_UNKNOWN BOOT_POWEROFF BOOT_SUSPENDED BOOT_STOPPED CLEANUP_DELETE HOTPLUG_SNAPSHOT HOTPLUG_NIC
    HOTPLUG_SAVEAS HOTPLUG_SAVEAS_POWEROFF HOTPLUG_SAVEAS_SUSPENDED SHUTDOWN_UNDEPLOY EPILOG_UNDEPLOY PROLOG_UNDEPLOY BOOT_UNDEPLOY HOTPLUG_PROLOG_POWEROFF
    HOTPLUG_EPILOG_POWEROFF BOOT_MIGRATE BOOT_FAILURE BOOT_MIGRATE_FAILURE PROLOG_MIGRATE_FAILURE PROLOG_FAILURE EPILOG_FAILURE EPILOG_STOP_FAILURE
    EPILOG_UNDEPLOY_FAILURE PROLOG_MIGRATE_POWEROFF PROLOG_MIGRATE_POWEROFF_FAILURE PROLOG_MIGRATE_SUSPEND PROLOG_MIGRATE_SUSPEND_FAILURE
    BOOT_UNDEPLOY_FAILURE BOOT_STOPPED_FAILURE PROLOG_RESUME_FAILURE PROLOG_UNDEPLOY_FAILURE DISK_SNAPSHOT_POWEROFF DISK_SNAPSHOT_REVERT_POWEROFF
    DISK_SNAPSHOT_DELETE_POWEROFF DISK_SNAPSHOT_SUSPENDED DISK_SNAPSHOT_REVERT_SUSPENDED DISK_SNAPSHOT_DELETE_SUSPENDED DISK_SNAPSHOT - DISK_SNAPSHOT_DELETE
    PROLOG_MIGRATE_UNKNOWN PROLOG_MIGRATE_UNKNOWN_FAILURE""".split()))


class Refused(Exception):
    """The daemon answered no; the message is its own."""


class _Transport(xmlrpc.client.Transport):
    def __init__(self, timeout_s):
        super().__init__()
        self.timeout_s = timeout_s

    def make_connection(self, host):
        connection = super().make_connection(host)
        connection.timeout = self.timeout_s
        return connection


class Client:
    """Calls to one address; a new connection each time, because the address moves."""

    def __init__(self, address, password, timeout_s=5.0):
        self.url, self.session, self.timeout_s = f"http://{address}:{PORT}/RPC2", f"oneadmin:{password}", timeout_s

    def call(self, method, *arguments, timeout_s=None):
        with xmlrpc.client.ServerProxy(self.url, transport=_Transport(timeout_s or self.timeout_s)) as server:
            answer = getattr(server, method)(self.session, *arguments)
        if not answer[0]:
            raise Refused(f"{method}: {answer[1]}")
        return answer[1]

    def answers(self, timeout_s=0.5):
        try:
            self.call("one.userpool.info", timeout_s=timeout_s)
            return True
        except (*GONE, Refused):
            return False

    def machines(self):
        """Return VM id -> state as one word, of all machines, those that are done included."""
        root = ET.fromstring(self.call("one.vmpool.info", -2, -1, -1, -2))
        return {int(vm.findtext("ID")): state_name(int(vm.findtext("STATE")), int(vm.findtext("LCM_STATE"))) for vm in root.iter("VM")}

    def users(self):
        """Return name -> id."""
        return {user.findtext("NAME"): int(user.findtext("ID")) for user in ET.fromstring(self.call("one.userpool.info")).iter("USER")}

    def hosts(self):
        """Return name -> (id, state number)."""
        return {host.findtext("NAME"): (int(host.findtext("ID")), int(host.findtext("STATE")))
                for host in ET.fromstring(self.call("one.hostpool.info")).iter("HOST")}


def state_name(state, lcm_state):
    """Return a machine's state as one word.

    >>> state_name(3, 1), state_name(8, 0), state_name(3, 99)
    ('PROLOG', 'POWEROFF', 'LCM_STATE_99')
    """
    if state == 3:
        return LCM_STATES.get(lcm_state, f"LCM_STATE_{lcm_state}")
    return STATES.get(state, f"STATE_{state}")
