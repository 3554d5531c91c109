# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What oned leaves under /var/lib/one/vms/<id>/: vm.log, transfer scripts, deployment files (opennebula-failover.md, section 4)."""
from __future__ import annotations

import socket

from . import body, machine

# state → the transfer file that is written when the step is sent to the driver
TRANSFER = {
    "PROLOG": "prolog", "PROLOG_MIGRATE": "migrate", "PROLOG_MIGRATE_POWEROFF": "migrate", "PROLOG_MIGRATE_SUSPEND": "migrate",
    "PROLOG_MIGRATE_UNKNOWN": "migrate", "PROLOG_RESUME": "resume", "PROLOG_UNDEPLOY": "resume", "EPILOG_STOP": "stop", "EPILOG_UNDEPLOY": "stop",
    "EPILOG": "epilog", "HOTPLUG_PROLOG_POWEROFF": "prolog_attach", "HOTPLUG_EPILOG_POWEROFF": "epilog_detach", "HOTPLUG_SAVEAS": "disk_saveas",
    "HOTPLUG_SAVEAS_POWEROFF": "disk_saveas", "HOTPLUG_SAVEAS_SUSPENDED": "disk_saveas",
}
TRANSFER.update({f"DISK_SNAPSHOT{operation}_{where}": "disk_snapshot" for operation in ("", "_REVERT", "_DELETE") for where in ("POWEROFF", "SUSPENDED")})
DEPLOYED = {"BOOT", "BOOT_POWEROFF", "BOOT_UNDEPLOY", "BOOT_UNKNOWN"}


class VmFiles:
    """The directory of each machine, made when this daemon first loads it."""

    def __init__(self, places, zone):
        self.places, self.zone = places, zone
        self._seen = set()

    def loaded(self, vm_id):
        """Make the directory the first time; one that vanishes later stays away, as with the real daemon."""
        if vm_id not in self._seen:
            self._seen.add(vm_id)
            (self.places.vms / str(vm_id)).mkdir(parents=True, exist_ok=True)

    def log(self, vm_id, module, level, text):
        try:
            with open(self.places.vms / str(vm_id) / "vm.log", "a", encoding="utf-8") as file:
                file.write(machine.line(self.zone, module, level, text))
        except FileNotFoundError:
            pass                            # no directory, no log, no message anywhere: measured

    def write(self, vm, state):
        """Write what the step needs; False when the directory is not there."""
        folder, sequence = self.places.vms / str(vm.id), len(vm.records) - 1
        try:
            if state in TRANSFER:
                (folder / f"transfer.{sequence}.{TRANSFER[state]}").write_text(self.script(vm, TRANSFER[state]), encoding="utf-8")
            if state in DEPLOYED:
                (folder / f"deployment.{sequence}").write_text(vm.dump(only_last=True), encoding="utf-8")
        except FileNotFoundError:
            return False
        return True

    def script(self, vm, kind):
        """Return the transfer commands, one line per disk and one for the directory."""
        path = f"{self.places.datastores}/0/{vm.id}"
        here = f"{vm.last.findtext('HOSTNAME')}:{path}"
        front = f"{machine_name()}:{path}"
        source = f"{vm.previous.findtext('HOSTNAME')}:{path}" if vm.previous is not None else here
        lines = []
        disks = vm.element.findall("TEMPLATE/DISK")
        for disk in disks:
            number, store = body.get(disk, "DISK_ID", "0"), body.get(disk, "DATASTORE_ID", "1")
            lines.append({
                "prolog": f"CLONE ssh {machine_name()}:{body.get(disk, 'SOURCE') or 'image'} {here}/disk.{number} {vm.id} {store}",
                "migrate": f"MV ssh {source}/disk.{number} {here}/disk.{number} {vm.id} {store}",
                "resume": f"MV ssh {front}/disk.{number} {here}/disk.{number} {vm.id} {store}",
                "stop": f"MV ssh {here}/disk.{number} {front}/disk.{number} {vm.id} {store}",
                "epilog": f"DELETE ssh {here}/disk.{number} {vm.id} {store}",
                "prolog_attach": f"CLONE ssh {machine_name()}:image {here}/disk.{number} {vm.id} {store}",
                "epilog_detach": f"DELETE ssh {here}/disk.{number} {vm.id} {store}",
                "disk_saveas": f"CPDS ssh {here}/disk.{number} image -1 {vm.id} {store}",
                "disk_snapshot": f"SNAP_CREATE ssh {here}/disk.{number} 0 {vm.id} {store}",
            }[kind])
        whole = {"migrate": f"MV ssh {source} {here} {vm.id} 0", "resume": f"MV ssh {front} {here} {vm.id} 0", "stop": f"MV ssh {here} {front} {vm.id} 0",
                 "epilog": f"DELETE ssh {here} {vm.id} 0"}
        if kind in whole:
            lines.append(whole[kind])
        return "".join(line + "\n" for line in lines)


def machine_name():
    return socket.gethostname()
