# SPDX-License-Identifier: GPL-3.0-or-later
"""A daemon and a front-end that behave as measured: operations take time, recover believes what it is told, monitoring resolves what it can."""
import contextlib

from ansible_collections.constellation.opennebula.plugins.module_utils.adapters.opennebula import Refused
from ansible_collections.constellation.opennebula.plugins.module_utils.core import recovery, vm_states

NEXT = {"PROLOG": "BOOT", "PROLOG_MIGRATE": "BOOT_MIGRATE", "PROLOG_RESUME": "BOOT_STOPPED", "PROLOG_UNDEPLOY": "BOOT_UNDEPLOY", "EPILOG": "DONE",
        "EPILOG_STOP": "STOPPED", "EPILOG_UNDEPLOY": "UNDEPLOYED", "SAVE_SUSPEND": "SUSPENDED", "SHUTDOWN": "EPILOG", "SHUTDOWN_POWEROFF": "POWEROFF",
        "CLEANUP_RESUBMIT": "PENDING"}
STARTED = 1000.0


class Machine:
    def __init__(self, number, state, runs=False, began=900, tm_mad="ssh", fails=0, action=0, seen=True):
        self.id, self.state, self.runs, self.began, self.tm_mad, self.fails, self.action, self.seen = number, state, runs, began, tm_mad, fails, action, seen
        self.driven = False             # whether the running daemon is at work on it
        self.last_poll, self.error, self.starts = 0, "", 0
        self.logged = None              # what its log of the running daemon ends with

    vm_mad = "kvm"

    def xml(self):
        codes = vm_states.code(self.state)
        poll = "<STATE>a</STATE>" if self.runs and self.last_poll else ""
        return (f"<VM><ID>{self.id}</ID><UNAME>oneadmin</UNAME><NAME>vm{self.id}</NAME><LAST_POLL>{self.last_poll}</LAST_POLL><STATE>{codes[0]}</STATE>"
                f"<LCM_STATE>{codes[1]}</LCM_STATE><MONITORING>{poll}</MONITORING><USER_TEMPLATE><ERROR>{self.error}</ERROR></USER_TEMPLATE>"
                f"<HISTORY_RECORDS><HISTORY>"
                f"<SEQ>0</SEQ><HOSTNAME>kvm1</HOSTNAME><HID>0</HID><VM_MAD>{self.vm_mad}</VM_MAD><TM_MAD><![CDATA[{self.tm_mad}]]></TM_MAD>"
                f"<DS_ID>0</DS_ID><STIME>{self.began}</STIME>"
                f"<PSTIME>{self.began}</PSTIME><RSTIME>{self.began}</RSTIME><ESTIME>{self.began}</ESTIME><ACTION>{self.action}</ACTION>"
                f"</HISTORY></HISTORY_RECORDS></VM>")


class World:
    """Daemon and front-end in one; ``pause`` is the only thing that lets time pass."""

    def __init__(self, *machines, monitoring=True, transfers=(), ends_transfers=False, deaf=False, dies_after=None):
        self.machines = {machine.id: machine for machine in machines}
        self.clock, self.monitoring, self._transfers = 1100.0, monitoring, set(transfers)
        self.ends_transfers, self.deaf, self.dies_after = ends_transfers, deaf, dies_after
        self.images, self.held = "", False
        self.datastores = [(0, "ssh", 1), (1, "ssh", 0)]
        self.outcomes, self.by_hand, self.release = [], set(), "7.4.0"
        self.at_work = []
        self.calls, self.notes, self.monitored_at, self.started, self.requests = [], [], 0, STARTED, 0

    # the daemon

    def vm_pool(self, state):
        self.requests += 1
        return ["<VM_POOL>" + "".join(m.xml() for m in self.machines.values() if vm_states.code(m.state)[0] == state) + "</VM_POOL>"]

    def vm(self, number):
        self.requests += 1
        if number not in self.machines:
            raise Refused("one.vm.info", "here", 1024, f"[one.vm.info] Error getting virtual machine [{number}].")
        return self.machines[number].xml()

    def pool(self, kind):
        if kind == "datastore":
            return "<DATASTORE_POOL>" + "".join(f"<DATASTORE><ID>{number}</ID><TM_MAD>{tm_mad}</TM_MAD><TYPE>{type_}</TYPE></DATASTORE>"
                                                for number, tm_mad, type_ in self.datastores) + "</DATASTORE_POOL>"
        assert kind == "image", kind
        return f"<IMAGE_POOL>{self.images}</IMAGE_POOL>"

    def host_pool(self):
        return f"<HOST_POOL><HOST><ID>0</ID><NAME>kvm1</NAME><STATE>2</STATE><LAST_MON_TIME>{int(self.monitored_at)}</LAST_MON_TIME></HOST></HOST_POOL>"

    def vm_recover(self, number, operation):
        assert operation in ("failure", "success", "retry"), operation
        if self.dies_after is not None and len(self.calls) >= self.dies_after:
            from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import NotThere
            raise NotThere("OpenNebula does not answer", "here", "Connection refused")
        machine = self.machines[number]
        self.calls.append((number, operation, machine.state))
        if vm_states.code(machine.state)[0] != 3:
            raise Refused("one.vm.recover", "here", 2048, f"Could not perform a recover operation on VM {number}, wrong state {machine.state}.")
        if self.deaf:
            return
        if operation == "failure":
            failed = vm_states.failure_of(machine.state)
            self.enter(machine, failed or recovery.leads_to(machine.state, "failure"), drive=False)
        elif operation == "retry" and vm_states.is_failure(machine.state):
            self.enter(machine, vm_states.under_way(machine.state))
        elif operation == "success":
            self.enter(machine, recovery.leads_to(machine.state, "success"), drive=False)

    def vm_recover_demanded(self, number, operation):
        """As recorded: DONE at once, or a clean-up that ends in PENDING, with the traps."""
        assert operation in ("delete", "recreate", "delete-db"), operation
        machine, series = self.machines[number], vm_states.series(self.release)
        self.calls.append((number, operation, machine.state))
        if operation == "delete-db" and series < (5, 8):
            raise Refused("one.vm.recover", "here", 2048, "Wrong recovery operation code")
        if operation != "recreate":
            return self.enter(machine, "DONE")
        if machine.state in ("POWEROFF", "SUSPENDED") and series < (6, 10):
            raise Refused("one.vm.recover", "here", 2048, "Cannot delete-recreate a powered off VM. Resume it first")
        if machine.state in ("PENDING", "CLONING", "CLONING_FAILURE", "CLEANUP_DELETE"):
            return None
        if machine.state == "CLEANUP_RESUBMIT" or vm_states.code(machine.state)[0] != 3:
            return self.enter(machine, "PENDING", drive=False)
        return self.enter(machine, "CLEANUP_RESUBMIT", drive=machine.state not in ("HOTPLUG_SAVEAS_STOPPED", "HOTPLUG_SAVEAS_UNDEPLOYED"))

    def version(self):
        return self.release

    def enter(self, machine, state, drive=True):
        if state == "RUNNING" and machine.state.startswith("BOOT") and drive:
            assert not machine.runs, f"VM {machine.id} started twice"
            machine.runs, machine.starts = True, machine.starts + 1
        machine.state, machine.driven = state, drive and not vm_states.is_settled(state)
        machine.logged = (self.clock, state)

    # the front-end

    def now(self):
        return self.clock

    def daemon_started(self):
        return self.started

    def logs_since(self, unused):
        return True

    def transfers(self):
        return self._transfers

    def drivers_at_work(self):
        return self.at_work

    def transfers_by_hand(self):
        return self.by_hand

    def last_state(self, number):
        return self.machines[number].logged

    @contextlib.contextmanager
    def alone(self):
        assert not self.held, "two recoveries at once"
        self.held = True
        try:
            yield
        finally:
            self.held = False

    def journal(self):
        return {note["vm"]: note for note in self.notes}

    def record(self, note, sync=True):
        assert sync is ("operation" in note), "calls are on disk before they are made; how it ended need not be"
        (self.notes if sync else self.outcomes).append(note)

    # time

    def pause(self, seconds):
        self.clock += seconds
        if self.ends_transfers:
            self._transfers = set()
        if self.monitoring and self.clock > 1103:
            self.monitored_at = self.clock
            self.monitor()
        for machine in self.machines.values():
            if machine.driven:
                if machine.fails:
                    machine.fails -= 1
                    machine.error = "no space left on device"
                    self.enter(machine, vm_states.failure_of(machine.state))
                else:
                    self.enter(machine, NEXT.get(machine.state, "RUNNING"))

    def monitor(self):
        for machine in self.machines.values():
            if machine.runs and machine.seen:
                machine.last_poll = int(self.clock)
                if machine.state.startswith("BOOT") or machine.state == "UNKNOWN":
                    self.enter(machine, "RUNNING", drive=False)
            elif machine.state == "SHUTDOWN_POWEROFF":
                self.enter(machine, "POWEROFF", drive=False)
