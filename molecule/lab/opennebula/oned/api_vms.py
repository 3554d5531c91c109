# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls on virtual machines."""
from __future__ import annotations

from . import body, machine, pools, template
from .actions import HOTPLUG, Refusal
from .api import ACTION, AUTHORIZATION, INTERNAL, NO_EXISTS, XML_RPC_API, ApiError, call
from .api_objects import good_name, parsed
from .vm import VM

# attributes that belong to the machine itself; everything else of a template is the user's
_OWN = set("CPU MEMORY VCPU DISK NIC OS FEATURES RAW CONTEXT GRAPHICS INPUT SNAPSHOT PCI TEMPLATE_ID VMID CPU_COST MEMORY_COST DISK_COST".split())
NOT_DONE = "state <> 6"


def machine_of(request, vm_id, right):
    """Return a machine the user has this right on (USE, MANAGE, ADMIN)."""
    vm = request.api.lifecycle.load(vm_id) if vm_id >= 0 else None
    if vm is None:
        raise ApiError(NO_EXISTS, f"Error getting virtual machine [{vm_id}].")
    owner = body.number(vm.element, "UID") == request.uid
    if not (request.admin or (owner and right != "ADMIN")):
        raise ApiError(AUTHORIZATION, f"User [{request.uid}] : Not authorized to perform {right} VM [{vm_id}].")
    return vm


def changing(request, vm_id, right, change):
    """Run a change of a machine under the lifecycle's lock; a refusal becomes the daemon's answer."""
    with request.api.lifecycle.lock:
        vm = machine_of(request, vm_id, right)
        try:
            change(vm)
        except Refusal as refusal:
            raise ApiError(ACTION, str(refusal)) from None
    return vm_id


def create(request, attributes, hold):
    """Make a machine out of a template's attributes."""
    name = template.take(attributes, "NAME")
    if name:
        good_name(name)
    own = [attribute for attribute in attributes if attribute.tag in _OWN and attribute.tag != "VMID"]
    lifecycle = request.api.lifecycle
    with lifecycle.lock:
        vm_id = lifecycle.vms.next_id()
        for number, disk in enumerate(attribute for attribute in own if attribute.tag == "DISK"):
            body.put(disk, "DISK_ID", body.get(disk, "DISK_ID") or number)
        own += [template.attribute("VMID", str(vm_id)), template.attribute("AUTOMATIC_DS_REQUIREMENTS", '"CLUSTERS/ID" @> 0'),
                template.attribute("AUTOMATIC_REQUIREMENTS", "(CLUSTER_ID = 0) & !(PUBLIC_CLOUD = YES)")]
        element = pools.owned("VM", name or f"one-{vm_id}", request.user, pools.permissions(request.api.config.get("DEFAULT_UMASK")), LAST_POLL=0,
                              STATE=2 if hold else 1, LCM_STATE=0, PREV_STATE=0, PREV_LCM_STATE=0, RESCHED=0, STIME=machine.now(), ETIME=0, DEPLOY_ID="")
        body.put(element, "ID", vm_id)
        element.append(body.new("MONITORING"))
        element.append(template.element("TEMPLATE", own))
        element.append(template.element("USER_TEMPLATE", [attribute for attribute in attributes if attribute.tag not in _OWN]))
        lifecycle.vms.save(VM(element), created=True)
        lifecycle.files.loaded(vm_id)
    return vm_id


@call("one.vm.allocate", "VirtualMachineAllocate", "s|b")
def vm_allocate(request, text, hold=False):
    return create(request, parsed(text), hold or request.api.config.get("VM_SUBMIT_ON_HOLD").upper() == "YES")


@call("one.template.instantiate", "TemplateInstantiate", "is|bsb")
def template_instantiate(request, oid, name, hold=False, extra="", _persistent=False):
    stored = request.object("VMTEMPLATE", oid)
    merged = template.merge(stored.find("TEMPLATE"), parsed(extra), append=True)
    attributes = list(merged) + [template.attribute("TEMPLATE_ID", str(oid))]
    with request.api.lifecycle.lock:
        name = name or f"{body.get(stored, 'NAME')}-{request.api.lifecycle.vms.next_id()}"
        return create(request, attributes + [template.attribute("NAME", name)], hold)


@call("one.vm.info", "VirtualMachineInfo", "i")
def vm_info(request, vm_id):
    return machine_of(request, vm_id, "USE").dump()


@call("one.vm.deploy", "VirtualMachineDeploy", "ii|bi")
def vm_deploy(request, vm_id, host_id, _enforce=False, _datastore=-1):
    request.require_admin(f"ADMIN VM [{vm_id}]")
    host = request.object("HOST", host_id)
    return changing(request, vm_id, "ADMIN", lambda vm: request.api.actions.deploy(vm, host))


@call("one.vm.migrate", "VirtualMachineMigrate", "iib|bi")
def vm_migrate(request, vm_id, host_id, live, _enforce=False, _datastore=-1):
    host = request.object("HOST", host_id)
    return changing(request, vm_id, "ADMIN", lambda vm: request.api.actions.migrate(vm, host, live))


@call("one.vm.action", "VirtualMachineAction", "si")
def vm_action(request, name, vm_id):
    return changing(request, vm_id, "MANAGE", lambda vm: request.api.actions.action(vm, name))


@call("one.vm.recover", "VirtualMachineRecover", "ii")
def vm_recover(request, vm_id, operation):
    def recover(vm):
        reply = request.api.lifecycle.recover(vm, operation)
        if not reply.accepted:
            raise ApiError(reply.code, reply.text)
    return changing(request, vm_id, "ADMIN", recover)


@call("one.vm.update", "VirtualMachineUpdateTemplate", "is|i")
def vm_update(request, vm_id, text, mode=0):
    if mode not in (0, 1):
        raise ApiError(XML_RPC_API, "Wrong update type")
    new = parsed(text, "Cannot update template. ")

    def change(vm):
        old = vm.element.find("USER_TEMPLATE")
        vm.element[list(vm.element).index(old)] = template.merge(old, new, append=mode == 1)
        request.api.lifecycle.vms.save(vm)
    return changing(request, vm_id, "MANAGE", change)


@call("one.vm.rename", "VirtualMachineRename", "is")
def vm_rename(request, vm_id, name):
    good_name(name, INTERNAL)

    def change(vm):
        body.put(vm.element, "NAME", name)
        request.api.lifecycle.vms.save(vm)
    return changing(request, vm_id, "MANAGE", change)


# Of 5.6, not of 5.0.2: so that recovery meets a locked machine
@call("one.vm.lock", "VirtualMachineLock", "ii")
def vm_lock(request, vm_id, level):
    def change(vm):
        vm.element.append(body.new("LOCK", LOCKED=level, OWNER=request.uid, TIME=machine.now()))
        request.api.lifecycle.vms.save(vm)
    return changing(request, vm_id, "MANAGE", change)


@call("one.vm.unlock", "VirtualMachineUnlock", "i")
def vm_unlock(request, vm_id):
    def change(vm):
        for lock in vm.element.findall("LOCK"):
            vm.element.remove(lock)
        request.api.lifecycle.vms.save(vm)
    return changing(request, vm_id, "MANAGE", change)


def _operation(name, label, takes):
    @call(f"one.vm.{name}", label, takes)
    def operate(request, vm_id, *arguments):
        return changing(request, vm_id, "MANAGE", lambda vm: request.api.actions.operate(vm, name, arguments))
    return operate


_LABELS = {"attach": ("Attach", "is"), "detach": ("Detach", "ii"), "attachnic": ("AttachNic", "is"), "detachnic": ("DetachNic", "ii"),
           "snapshotcreate": ("SnapshotCreate", "is"), "disksaveas": ("DiskSaveas", "iis|si"), "disksnapshotcreate": ("DiskSnapshotCreate", "iis"),
           "disksnapshotrevert": ("DiskSnapshotRevert", "iii"), "disksnapshotdelete": ("DiskSnapshotDelete", "iii")}
assert set(_LABELS) == set(HOTPLUG)
for _name, (_label, _takes) in _LABELS.items():
    _operation(_name, "VirtualMachine" + _label, _takes)


@call("one.vmpool.info", "VirtualMachinePoolInfo", "iii|i")
def vmpool_info(request, owner, start, end, state=-1):
    """owner: -4 primary group, -3 own, -2 all, -1 own and groups', or a user; state: -2 any, -1 any but DONE."""
    if owner < -4:
        raise ApiError(XML_RPC_API, "Incorrect filter_flag")
    conditions, arguments = [], []
    if state == -1:
        conditions.append(NOT_DONE)
    elif state >= 0:
        conditions.append("state = %s")
        arguments.append(state)
    if owner >= 0 or owner == -3 or not request.admin:
        conditions.append("uid = %s")
        arguments.append(owner if owner >= 0 and request.admin else request.uid)
    elif owner == -4:
        conditions.append("gid = %s")
        arguments.append(body.number(request.user, "GID"))
    paged = end < -1
    if start >= 0 and not paged:
        conditions.append("oid >= %s")
        arguments.append(start)
    if end >= 0:
        conditions.append("oid <= %s")
        arguments.append(end)
    bodies = request.api.lifecycle.vms.bodies(" AND ".join(conditions) or "1 = 1", *arguments)
    if paged:                           # start is an offset, -end the length of the page
        bodies = bodies[max(start, 0):max(start, 0) - end]
    return f"<VM_POOL>{''.join(bodies)}</VM_POOL>"
