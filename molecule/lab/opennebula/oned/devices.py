# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the body of a machine says of the disk, NIC or disk snapshot that an operation is about (VirtualMachine.cc: set_attach_disk and its like).

While an attach or detach is under way its device has ATTACH="YES"; whether it then stays in the list is all that success and failure decide.
"""
from __future__ import annotations

from . import body, template

_ATTACHING = {"attach": "DISK", "attachnic": "NIC"}
_DETACHING = {"detach": "DISK", "detachnic": "NIC"}
_DETACH_ACTIONS = (22, 24)
_OPERATIONS = ("HOTPLUG", "HOTPLUG_NIC", "HOTPLUG_PROLOG_POWEROFF", "HOTPLUG_EPILOG_POWEROFF")


def begin(vm, operation, arguments):
    """Mark what one.vm.<operation> is about; ``arguments`` are the call's, after the machine's id. A device that is not there is nobody's fault here."""
    devices = vm.element.find("TEMPLATE")
    if operation in _ATTACHING:
        kind = _ATTACHING[operation]
        device = next((attribute for attribute in template.read(arguments[0]) if attribute.tag == kind), None)
        if device is not None:
            taken = [body.number(one, f"{kind}_ID", -1) for one in devices.findall(kind)]
            body.put(device, f"{kind}_ID", max(taken, default=-1) + 1)
            body.put(device, "ATTACH", "YES")
            devices.append(device)
    elif operation in _DETACHING:
        for device in _numbered(devices, _DETACHING[operation], arguments[0]):
            body.put(device, "ATTACH", "YES")
    elif operation.startswith("disksnapshot"):
        for disk in _numbered(devices, "DISK", arguments[0]):
            body.put(disk, "DISK_SNAPSHOT_ACTIVE", "YES")
            body.put(disk, "DISK_SNAPSHOT_ID", 0 if operation == "disksnapshotcreate" else arguments[1])


def end(vm, state, success):
    """Clear the marks when the machine leaves ``state``."""
    devices = vm.element.find("TEMPLATE")
    for disk in devices.findall("DISK[DISK_SNAPSHOT_ACTIVE]") if state.startswith("DISK_SNAPSHOT") else ():
        for name in ("DISK_SNAPSHOT_ACTIVE", "DISK_SNAPSHOT_ID"):
            disk.remove(disk.find(name))
    detach = state == "HOTPLUG_EPILOG_POWEROFF" or (vm.previous is not None and state in ("HOTPLUG", "HOTPLUG_NIC")
                                                    and body.number(vm.previous, "ACTION") in _DETACH_ACTIONS)
    for device in (one for one in list(devices) if state in _OPERATIONS and one.find("ATTACH") is not None):
        if success == detach:
            devices.remove(device)
        else:
            device.remove(device.find("ATTACH"))


def _numbered(devices, kind, number):
    return [device for device in devices.findall(kind) if body.number(device, f"{kind}_ID", -1) == number]
