# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one.vm.recover does in OpenNebula 5.0.2, for every state and operation.

Recorded on a real daemon (../../../../../shared/field-notes/opennebula-recover.md; tests compare every row where the record is present).
The first three columns say more than recovery: recover 0 and 1 *are* what the core does when a driver answers failure or success,
so lifecycle.py reads the same table when a step of its own ends.

``-``      accepted, and nothing happens
``again``  the driver's action is sent again, the state stays
``*X``     the VM leaves ACTIVE for the whole-VM state X
"""
from __future__ import annotations

import collections

FAILURE, SUCCESS, RETRY, DELETE, RECREATE, DELETE_DB = range(6)
WRONG_STATE = 2048          # ErrorCode ACTION
NOTHING, AGAIN = "-", "again"

Reply = collections.namedtuple("Reply", "accepted next text code")        # next: NOTHING, AGAIN or the first state it goes to

_LCM = """
# state                          failure                          success              retry
PROLOG                           PROLOG_FAILURE                   BOOT                 again
BOOT                             BOOT_FAILURE                     RUNNING              again
RUNNING                          -                                -                    -
MIGRATE                          RUNNING                          RUNNING              again
SAVE_STOP                        RUNNING                          EPILOG_STOP          again
SAVE_SUSPEND                     RUNNING                          *SUSPENDED           again
SAVE_MIGRATE                     RUNNING                          PROLOG_MIGRATE       again
PROLOG_MIGRATE                   PROLOG_MIGRATE_FAILURE           BOOT_MIGRATE         again
PROLOG_RESUME                    PROLOG_RESUME_FAILURE            BOOT_STOPPED         again
EPILOG_STOP                      EPILOG_STOP_FAILURE              *STOPPED             again
EPILOG                           EPILOG_FAILURE                   *DONE                again
SHUTDOWN                         RUNNING                          EPILOG               again
CLEANUP_RESUBMIT                 *PENDING                         *PENDING             -
UNKNOWN                          RUNNING                          RUNNING              -
HOTPLUG                          RUNNING                          RUNNING              -
SHUTDOWN_POWEROFF                RUNNING                          *POWEROFF            again
BOOT_UNKNOWN                     UNKNOWN                          RUNNING              again
BOOT_POWEROFF                    *POWEROFF                        RUNNING              again
BOOT_SUSPENDED                   *SUSPENDED                       RUNNING              again
BOOT_STOPPED                     BOOT_STOPPED_FAILURE             RUNNING              again
CLEANUP_DELETE                   *DONE                            *DONE                -
HOTPLUG_SNAPSHOT                 RUNNING                          RUNNING              -
HOTPLUG_NIC                      RUNNING                          RUNNING              -
HOTPLUG_SAVEAS                   RUNNING                          RUNNING              -
HOTPLUG_SAVEAS_POWEROFF          *POWEROFF                        *POWEROFF            -
HOTPLUG_SAVEAS_SUSPENDED         *SUSPENDED                       *SUSPENDED           -
SHUTDOWN_UNDEPLOY                RUNNING                          EPILOG_UNDEPLOY      again
EPILOG_UNDEPLOY                  EPILOG_UNDEPLOY_FAILURE          *UNDEPLOYED          again
PROLOG_UNDEPLOY                  PROLOG_UNDEPLOY_FAILURE          BOOT_UNDEPLOY        again
BOOT_UNDEPLOY                    BOOT_UNDEPLOY_FAILURE            RUNNING              again
HOTPLUG_PROLOG_POWEROFF          *POWEROFF                        *POWEROFF            -
HOTPLUG_EPILOG_POWEROFF          *POWEROFF                        *POWEROFF            -
BOOT_MIGRATE                     BOOT_MIGRATE_FAILURE             RUNNING              again
BOOT_FAILURE                     -                                RUNNING              BOOT
BOOT_MIGRATE_FAILURE             -                                RUNNING              BOOT_MIGRATE
PROLOG_MIGRATE_FAILURE           -                                BOOT_MIGRATE         PROLOG_MIGRATE
PROLOG_FAILURE                   -                                BOOT                 PROLOG
EPILOG_FAILURE                   -                                EPILOG               EPILOG
EPILOG_STOP_FAILURE              -                                EPILOG_STOP          EPILOG_STOP
EPILOG_UNDEPLOY_FAILURE          -                                EPILOG_UNDEPLOY      EPILOG_UNDEPLOY
PROLOG_MIGRATE_POWEROFF          PROLOG_MIGRATE_POWEROFF_FAILURE  *POWEROFF            again
PROLOG_MIGRATE_POWEROFF_FAILURE  -                                *POWEROFF            PROLOG_MIGRATE_POWEROFF
PROLOG_MIGRATE_SUSPEND           PROLOG_MIGRATE_SUSPEND_FAILURE   *SUSPENDED           again
PROLOG_MIGRATE_SUSPEND_FAILURE   -                                *SUSPENDED           PROLOG_MIGRATE_SUSPEND
BOOT_UNDEPLOY_FAILURE            -                                RUNNING              BOOT_UNDEPLOY
BOOT_STOPPED_FAILURE             -                                RUNNING              BOOT_STOPPED
PROLOG_RESUME_FAILURE            -                                BOOT_STOPPED         PROLOG_RESUME
PROLOG_UNDEPLOY_FAILURE          -                                BOOT_UNDEPLOY        PROLOG_UNDEPLOY
DISK_SNAPSHOT_POWEROFF           *POWEROFF                        *POWEROFF            -
DISK_SNAPSHOT_REVERT_POWEROFF    *POWEROFF                        *POWEROFF            -
DISK_SNAPSHOT_DELETE_POWEROFF    *POWEROFF                        *POWEROFF            -
DISK_SNAPSHOT_SUSPENDED          *SUSPENDED                       *SUSPENDED           -
DISK_SNAPSHOT_REVERT_SUSPENDED   *SUSPENDED                       *SUSPENDED           -
DISK_SNAPSHOT_DELETE_SUSPENDED   *SUSPENDED                       *SUSPENDED           -
DISK_SNAPSHOT                    RUNNING                          RUNNING              -
DISK_SNAPSHOT_DELETE             RUNNING                          RUNNING              -
PROLOG_MIGRATE_UNKNOWN           PROLOG_MIGRATE_UNKNOWN_FAILURE   BOOT                 again
PROLOG_MIGRATE_UNKNOWN_FAILURE   -                                BOOT                 PROLOG_MIGRATE_UNKNOWN
"""
LCM = {row[0]: tuple(row[1:]) for row in (line.split() for line in _LCM.splitlines()) if row and row[0] != "#"}

# success on a failed EPILOG first writes EPILOG, then the end state: no driver is asked
PASSED_THROUGH = {"EPILOG_FAILURE", "EPILOG_STOP_FAILURE", "EPILOG_UNDEPLOY_FAILURE"}
# recreate on these triggers no clean-up: the VM stays in CLEANUP_RESUBMIT until it is recovered once more
NO_CLEANUP = {"HOTPLUG_SAVEAS_POWEROFF", "HOTPLUG_SAVEAS_SUSPENDED"}

# whole-VM states: what delete and recreate do; failure, success and retry are refused (but see CLONING_FAILURE below)
_RECREATE_REFUSED = {
    "SUSPENDED": "Cannot delete-recreate a suspended VM. Resume it first",
    "POWEROFF": "Cannot delete-recreate a powered off VM. Resume it first",
    "DONE": "Cannot delete-recreate a VM already in DONE state",
}
_WHOLE = {
    "PENDING": ("*DONE", NOTHING), "HOLD": ("*DONE", "*PENDING"), "STOPPED": ("*DONE", "*PENDING"), "SUSPENDED": ("*DONE", None),
    "DONE": (NOTHING, None), "POWEROFF": ("*DONE", None), "UNDEPLOYED": ("*DONE", "*PENDING"), "CLONING": ("*DONE", NOTHING),
    "CLONING_FAILURE": ("*DONE", NOTHING),
}
STATES = tuple(_WHOLE) + tuple(LCM)


def answer(state, operation, vm_id):
    """Return the Reply to one.vm.recover(vm_id, operation) for a VM in this state (one word, see core/vm_states.py)."""
    if operation not in (FAILURE, SUCCESS, RETRY, DELETE, RECREATE):
        return Reply(False, NOTHING, "Wrong recovery operation code", WRONG_STATE)
    if state in _WHOLE:
        return _whole(state, operation, vm_id)
    if operation == DELETE:
        return Reply(True, "*DONE" if state == "CLEANUP_DELETE" else "CLEANUP_DELETE", "", 0)
    if operation == RECREATE:
        return Reply(True, {"CLEANUP_DELETE": NOTHING, "CLEANUP_RESUBMIT": "*PENDING"}.get(state, "CLEANUP_RESUBMIT"), "", 0)
    return Reply(True, LCM[state][operation], "", 0)


def _whole(state, operation, vm_id):
    delete, recreate = _WHOLE[state]
    if operation == DELETE:
        return Reply(True, delete, "", 0)
    if operation == RECREATE:
        return Reply(recreate is not None, recreate or NOTHING, _RECREATE_REFUSED.get(state, ""), 0 if recreate else WRONG_STATE)
    if state == "CLONING_FAILURE" and operation != RETRY:
        return Reply(True, "*CLONING_FAILURE", "", 0)      # it only reads the state of its images again
    verb = "a retry" if operation == RETRY else "a recover operation"
    return Reply(False, NOTHING, f"Could not perform {verb} on VM {vm_id}, wrong state {state}.", WRONG_STATE)


def path(state, operation, vm_id=0):
    """Return the states a VM passes after the call while every driver answers success at once.

    >>> path("PROLOG_FAILURE", RETRY)
    ['PROLOG', 'BOOT', 'RUNNING']
    """
    reply = answer(state, operation, vm_id)
    passed = [reply.next] if reply.next not in (NOTHING, AGAIN) else []
    current = state if reply.next == AGAIN else passed[-1] if passed else None
    if state in NO_CLEANUP and operation == RECREATE:
        return passed
    while current in LCM and current not in ("RUNNING", "UNKNOWN") and not current.endswith("_FAILURE"):
        current = LCM[current][SUCCESS]
        passed.append(current)
    return passed
