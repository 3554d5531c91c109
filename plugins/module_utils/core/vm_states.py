# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every STATE and LCM_STATE of a virtual machine, by release (5.0 to 7.4), and the family it belongs to.

A VM has two numbers. STATE says what it is (PENDING, POWEROFF, …); only while STATE is ACTIVE does LCM_STATE say what is going on.
We call a VM's state by one word: the LCM_STATE's name when it is ACTIVE, otherwise the STATE's name.

>>> name(3, 1), name(8, 0), name(3, 99)
('PROLOG', 'POWEROFF', 'LCM_STATE_99')

Source: include/VirtualMachine.h of the releases recorded in shared/fixtures/states (5.0.2 … 7.4.0). A ``since`` that falls between two
recorded releases is the first release series in which upstream's release notes have the feature.
"""
from __future__ import annotations

from collections import namedtuple

from .errors import CoreError

FIRST, LAST = "5.0", "7.4"      # the release series this table was checked against
ACTIVE = 3

# number: STATE of a whole VM, or LCM_STATE while ACTIVE; until: the last release series that has it (None: still there)
State = namedtuple("State", "number name family since until")


def _state(number, label, family, since=FIRST, until=None):
    return State(number, label, family, since, until)


STATES = (
    _state(0, "INIT", "REST"),
    _state(1, "PENDING", "REST"),
    _state(2, "HOLD", "REST"),
    _state(3, "ACTIVE", "ACTIVE"),
    _state(4, "STOPPED", "REST"),
    _state(5, "SUSPENDED", "REST"),
    _state(6, "DONE", "REST"),
    # 7 was FAILED, reserved
    _state(8, "POWEROFF", "REST"),
    _state(9, "UNDEPLOYED", "REST"),
    _state(10, "CLONING", "CLONING"),
    _state(11, "CLONING_FAILURE", "FAILURE"),
)

LCM_STATES = (
    _state(0, "LCM_INIT", "REST"),
    _state(1, "PROLOG", "PROLOG"),
    _state(2, "BOOT", "BOOT"),
    _state(3, "RUNNING", "REST"),
    _state(4, "MIGRATE", "MIGRATE"),
    _state(5, "SAVE_STOP", "SAVE"),
    _state(6, "SAVE_SUSPEND", "SAVE"),
    _state(7, "SAVE_MIGRATE", "SAVE"),
    _state(8, "PROLOG_MIGRATE", "PROLOG"),
    _state(9, "PROLOG_RESUME", "PROLOG"),
    _state(10, "EPILOG_STOP", "EPILOG"),
    _state(11, "EPILOG", "EPILOG"),
    _state(12, "SHUTDOWN", "SHUTDOWN"),
    # 13 was CANCEL, 14 was FAILURE, reserved
    _state(15, "CLEANUP_RESUBMIT", "CLEANUP"),
    _state(16, "UNKNOWN", "UNKNOWN"),
    _state(17, "HOTPLUG", "HOTPLUG"),
    _state(18, "SHUTDOWN_POWEROFF", "SHUTDOWN"),
    _state(19, "BOOT_UNKNOWN", "BOOT"),
    _state(20, "BOOT_POWEROFF", "BOOT"),
    _state(21, "BOOT_SUSPENDED", "BOOT"),
    _state(22, "BOOT_STOPPED", "BOOT"),
    _state(23, "CLEANUP_DELETE", "CLEANUP"),
    _state(24, "HOTPLUG_SNAPSHOT", "SNAPSHOT"),
    _state(25, "HOTPLUG_NIC", "HOTPLUG"),
    _state(26, "HOTPLUG_SAVEAS", "HOTPLUG"),
    _state(27, "HOTPLUG_SAVEAS_POWEROFF", "HOTPLUG"),
    _state(28, "HOTPLUG_SAVEAS_SUSPENDED", "HOTPLUG"),
    _state(29, "SHUTDOWN_UNDEPLOY", "SHUTDOWN"),
    _state(30, "EPILOG_UNDEPLOY", "EPILOG"),
    _state(31, "PROLOG_UNDEPLOY", "PROLOG"),
    _state(32, "BOOT_UNDEPLOY", "BOOT"),
    _state(33, "HOTPLUG_PROLOG_POWEROFF", "HOTPLUG"),
    _state(34, "HOTPLUG_EPILOG_POWEROFF", "HOTPLUG"),
    _state(35, "BOOT_MIGRATE", "BOOT"),
    _state(36, "BOOT_FAILURE", "FAILURE"),
    _state(37, "BOOT_MIGRATE_FAILURE", "FAILURE"),
    _state(38, "PROLOG_MIGRATE_FAILURE", "FAILURE"),
    _state(39, "PROLOG_FAILURE", "FAILURE"),
    _state(40, "EPILOG_FAILURE", "FAILURE"),
    _state(41, "EPILOG_STOP_FAILURE", "FAILURE"),
    _state(42, "EPILOG_UNDEPLOY_FAILURE", "FAILURE"),
    _state(43, "PROLOG_MIGRATE_POWEROFF", "PROLOG"),
    _state(44, "PROLOG_MIGRATE_POWEROFF_FAILURE", "FAILURE"),
    _state(45, "PROLOG_MIGRATE_SUSPEND", "PROLOG"),
    _state(46, "PROLOG_MIGRATE_SUSPEND_FAILURE", "FAILURE"),
    _state(47, "BOOT_UNDEPLOY_FAILURE", "FAILURE"),
    _state(48, "BOOT_STOPPED_FAILURE", "FAILURE"),
    _state(49, "PROLOG_RESUME_FAILURE", "FAILURE"),
    _state(50, "PROLOG_UNDEPLOY_FAILURE", "FAILURE"),
    _state(51, "DISK_SNAPSHOT_POWEROFF", "SNAPSHOT"),
    _state(52, "DISK_SNAPSHOT_REVERT_POWEROFF", "SNAPSHOT"),
    _state(53, "DISK_SNAPSHOT_DELETE_POWEROFF", "SNAPSHOT"),
    _state(54, "DISK_SNAPSHOT_SUSPENDED", "SNAPSHOT"),
    _state(55, "DISK_SNAPSHOT_REVERT_SUSPENDED", "SNAPSHOT", until="6.8"),       # in 6.4.7, reserved in 6.10.5
    _state(56, "DISK_SNAPSHOT_DELETE_SUSPENDED", "SNAPSHOT"),
    _state(57, "DISK_SNAPSHOT", "SNAPSHOT"),
    # 58 was DISK_SNAPSHOT_REVERT, reserved
    _state(59, "DISK_SNAPSHOT_DELETE", "SNAPSHOT"),
    _state(60, "PROLOG_MIGRATE_UNKNOWN", "PROLOG"),
    _state(61, "PROLOG_MIGRATE_UNKNOWN_FAILURE", "FAILURE"),
    _state(62, "DISK_RESIZE", "RESIZE", "5.4"),
    _state(63, "DISK_RESIZE_POWEROFF", "RESIZE", "5.4"),
    _state(64, "DISK_RESIZE_UNDEPLOYED", "RESIZE", "5.4"),
    _state(65, "HOTPLUG_NIC_POWEROFF", "HOTPLUG", "5.12"),
    _state(66, "HOTPLUG_RESIZE", "RESIZE", "6.0"),
    _state(67, "HOTPLUG_SAVEAS_UNDEPLOYED", "HOTPLUG", "6.0"),
    _state(68, "HOTPLUG_SAVEAS_STOPPED", "HOTPLUG", "6.0"),
    _state(69, "BACKUP", "BACKUP", "6.6"),              # not in 6.4.7, in 6.10.5
    _state(70, "BACKUP_POWEROFF", "BACKUP", "6.6"),
    _state(71, "RESTORE", "BACKUP", "6.6"),
)

# What a history record's ACTION says the last operation was (the ones that tell something about a stuck VM; numbers are the same in every release).
HISTORY_ACTIONS = {
    0: "none", 1: "migrate", 2: "live-migrate", 5: "undeploy", 6: "undeploy-hard", 9: "stop", 10: "suspend", 11: "resume", 13: "delete",
    14: "delete-recreate", 15: "reboot", 16: "reboot-hard", 19: "poweroff", 20: "poweroff-hard", 21: "disk-attach", 22: "disk-detach",
    23: "nic-attach", 24: "nic-detach", 25: "disk-snapshot-create", 26: "disk-snapshot-delete", 27: "terminate", 28: "terminate-hard",
    29: "disk-resize", 30: "deploy", 35: "resize", 37: "snapshot-create", 38: "snapshot-delete", 39: "snapshot-revert", 40: "disk-saveas",
    41: "disk-snapshot-revert", 42: "recover", 43: "retry", 48: "poweroff-migrate", 49: "poweroff-hard-migrate", 50: "backup", 60: "restore",
}

FAMILIES = ("REST", "CLONING", "PROLOG", "BOOT", "MIGRATE", "SAVE", "EPILOG", "SHUTDOWN", "CLEANUP", "HOTPLUG", "SNAPSHOT", "RESIZE", "BACKUP",
            "UNKNOWN", "FAILURE")
SETTLED = ("REST", "FAILURE", "UNKNOWN")        # nothing is under way: the daemon waits for a user, for monitoring, or for nothing

_STATE = {state.number: state for state in STATES}
_LCM = {state.number: state for state in LCM_STATES}
# LCM_INIT is what LCM_STATE holds when a VM is not ACTIVE; ACTIVE alone is not a state that a VM rests in.
_BY_NAME = {state.name: (state, (state.number, 0)) for state in STATES if state.name != "ACTIVE"}
_BY_NAME.update({state.name: (state, (ACTIVE, state.number)) for state in LCM_STATES if state.name != "LCM_INIT"})


def name(state, lcm_state):
    """Return the one word for a VM's two numbers; a number that no release of ours has stays visible as a number."""
    if state == ACTIVE:
        return _LCM[lcm_state].name if lcm_state in _LCM else f"LCM_STATE_{lcm_state}"
    return _STATE[state].name if state in _STATE else f"STATE_{state}"


def code(state_name):
    """Return (STATE, LCM_STATE) of a name."""
    return _known(state_name)[1]


def family(state_name):
    """Return the family of a name, ``None`` for a state that we do not know."""
    return _BY_NAME[state_name][0].family if state_name in _BY_NAME else None


def is_failure(state_name):
    return family(state_name) == "FAILURE"


def is_settled(state_name):
    """Tell whether nothing is under way in this state; an unknown state is never settled."""
    return family(state_name) in SETTLED


def under_way(failure_state):
    """Return the state that a ``…_FAILURE`` state failed in, and to which retry goes back: PROLOG_FAILURE → PROLOG."""
    if not is_failure(failure_state):
        raise AssertionError(failure_state)
    return failure_state[:-len("_FAILURE")]


def failure_of(state_name):
    """Return the ``…_FAILURE`` state of a state, ``None`` where there is none (a failed BOOT_POWEROFF is POWEROFF again)."""
    failed = state_name + "_FAILURE"
    return failed if failed in _BY_NAME else None


def names(release=None):
    """Return name → (STATE, LCM_STATE) of all states a VM of this release can be in (``None``: of any release)."""
    return {label: codes for label, (state, codes) in _BY_NAME.items() if release is None or _has(state, series(release))}


def series(release):
    """Return a release's series as numbers: "5.12.13" → (5, 12)."""
    try:
        major, minor = str(release).split(".")[:2]
        return int(major), int(minor)
    except ValueError:
        raise CoreError(f"cannot read OpenNebula release {release!r}", why="it is not like 5.0 or 6.10.5") from None


def _has(state, wanted):
    return series(state.since) <= wanted and (state.until is None or wanted <= series(state.until))


def _known(state_name):
    if state_name not in _BY_NAME:
        raise CoreError(f"unknown VM state {state_name!r}", hint=f"Use one of: {', '.join(sorted(_BY_NAME))}.")
    return _BY_NAME[state_name]
