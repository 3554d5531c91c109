# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine: its body, its history records, and how both are stored."""
from __future__ import annotations

from . import body, pools
from .core import vm_states

_TIMES = "PSTIME PETIME RSTIME RETIME ESTIME EETIME".split()
USER = 2            # history REASON: the user wanted it


class VM:
    """One machine; ``state`` is one word (core/vm_states.py), history is oldest first."""

    def __init__(self, element, records=()):
        self.element = element
        self.records = list(records)
        kept = element.find("HISTORY_RECORDS")
        if kept is not None:
            element.remove(kept)

    @property
    def id(self):
        return body.number(self.element, "ID")

    @property
    def state(self):
        return vm_states.name(body.number(self.element, "STATE"), body.number(self.element, "LCM_STATE"))

    @property
    def active(self):
        return body.number(self.element, "STATE") == vm_states.ACTIVE

    @property
    def last(self):
        return self.records[-1] if self.records else None

    @property
    def previous(self):
        return self.records[-2] if len(self.records) > 1 else None

    @property
    def host(self):
        """Return the id of the host of the last record, None for a VM that was never deployed."""
        return None if self.last is None else body.number(self.last, "HID")

    def user(self, name):
        return body.get(self.element, f"USER_TEMPLATE/{name}")

    def move(self, state):
        codes = vm_states.code(state)
        for name, value in zip(("STATE", "LCM_STATE", "PREV_STATE", "PREV_LCM_STATE"), codes + codes):
            body.put(self.element, name, value)

    def complain(self, text):
        """Leave the error where OpenNebula does: USER_TEMPLATE/ERROR."""
        template = self.element.find("USER_TEMPLATE")
        body.put(template, "ERROR", text)
        template[:] = sorted(template, key=lambda child: child.tag)

    def add_record(self, host, cluster, when, **times):
        """Open a history record on a host: (id, name, vm_mad)."""
        hid, name, mad = host
        record = body.new("HISTORY", OID=self.id, SEQ=len(self.records), HOSTNAME=name, HID=hid, CID=cluster, STIME=when, ETIME=0, VM_MAD=mad,
                          TM_MAD=self.user("LAB_TM_MAD") or "ssh", DS_ID=0, **{key: times.get(key, 0) for key in _TIMES}, REASON=0, ACTION=0)
        self.records.append(record)
        return record

    def repeat_record(self, when, **times):
        """Open a record on the same host."""
        last = self.last
        return self.add_record((body.number(last, "HID"), body.get(last, "HOSTNAME"), body.get(last, "VM_MAD")), body.number(last, "CID"), when, **times)

    def dump(self, only_last=False):
        """Return the body: with the last history record (the pool and the table), or with all (one.vm.info)."""
        history = body.new("HISTORY_RECORDS", *(self.records[-1:] if only_last else self.records))
        children = list(self.element)
        position = next((index for index, child in enumerate(children) if child.tag == "SNAPSHOTS"), len(children))
        whole = body.new("VM", *children[:position], history, *children[position:])
        return body.dump(whole)


def stamp(record, when, *names, **values):
    for name in names:
        body.put(record, name, when)
    for name, value in values.items():
        body.put(record, name, value)


class Vms:
    """vm_pool and history."""

    def __init__(self, database):
        self.database = database
        self.pool = pools.Pool(database, "VM")

    def get(self, vm_id):
        element = self.pool.get(vm_id)
        if element is None:
            return None
        rows = self.database.rows("SELECT body FROM history WHERE vid = %s ORDER BY seq", vm_id)
        return VM(element, (body.parse(row[0]) for row in rows))

    def bodies(self, where="state <> 6", *arguments):
        return [row[0] for row in self.database.rows(f"SELECT body FROM vm_pool WHERE {where} ORDER BY oid", *arguments)]

    def ids(self, where, *arguments):
        return [row[0] for row in self.database.rows(f"SELECT oid FROM vm_pool WHERE {where} ORDER BY oid", *arguments)]

    def next_id(self):
        return self.pool.next_id()

    def seen(self, vm):
        """Store that monitoring saw the machine: nothing but the body and when."""
        self.database.write(("UPDATE vm_pool SET body = %s, last_poll = %s WHERE oid = %s", vm.dump(only_last=True),
                             body.number(vm.element, "LAST_POLL"), vm.id))

    def save(self, vm, *more, created=False):
        """Store body and history in one transaction, with further statements."""
        element = vm.element
        rights = element.find("PERMISSIONS")
        row = (vm.id, body.get(element, "NAME"), vm.dump(only_last=True), body.number(element, "UID"), body.number(element, "GID"),
               body.number(element, "LAST_POLL"), body.number(element, "STATE"), body.number(element, "LCM_STATE"),
               *(body.number(rights, name) for name in ("OWNER_U", "GROUP_U", "OTHER_U")))
        statements = [("REPLACE INTO vm_pool (oid, name, body, uid, gid, last_poll, state, lcm_state, owner_u, group_u, other_u)"
                       " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", *row)]
        if created:
            statements.append(("REPLACE INTO pool_control (tablename, last_oid) VALUES ('vm_pool', %s)", vm.id))
        statements.append(("DELETE FROM history WHERE vid = %s AND seq >= %s", vm.id, len(vm.records)))
        for record in vm.records[-2:]:          # older ones are closed
            statements.append(("REPLACE INTO history (vid, seq, body, stime, etime) VALUES (%s, %s, %s, %s, %s)", vm.id, body.number(record, "SEQ"),
                               body.dump(record), body.number(record, "STIME"), body.number(record, "ETIME")))
        self.database.write(*statements, *more)


