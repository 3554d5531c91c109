# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stand-in's bodies say of devices and snapshots under way, and of locks: recovery reads it there."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from oned_world import World  # noqa: E402  pylint: disable=wrong-import-position

FAILURE, SUCCESS = 0, 1
DISK, NIC = 'DISK=[SIZE="1",TARGET="vdb"]', 'NIC=[MAC="02:00:0a:00:00:01"]'


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    for host in ("kvm1", "kvm2"):
        made.add_host(host)
    return made


def devices(world, vm_id, kind):
    """Return the devices of a kind as (id, under way)."""
    return [(int(one.findtext(f"{kind}_ID")), one.findtext("ATTACH") == "YES") for one in world.xml("one.vm.info", vm_id).iterfind(f"TEMPLATE/{kind}")]


OPERATIONS = [
    # call, arguments, state, kind, before, while it is under way, after success, after failure
    ("attach", (DISK,), "HOTPLUG", "DISK", [(0, False), (1, True)], [(0, False), (1, False)], [(0, False)]),
    ("detach", (0,), "HOTPLUG", "DISK", [(0, True)], [], [(0, False)]),
    ("attachnic", (NIC,), "HOTPLUG_NIC", "NIC", [(0, True)], [(0, False)], []),
]


@pytest.mark.parametrize("call, arguments, state, kind, under_way, done, failed", OPERATIONS, ids=[row[0] for row in OPERATIONS])
@pytest.mark.parametrize("operation", [SUCCESS, FAILURE])
def test_device_is_marked_and_stays_or_goes_by_the_answer(world, call, arguments, state, kind, under_way, done, failed, operation):
    vm_id = world.create('LAB_SECONDS="HOTPLUG=never"')
    world.ok(f"one.vm.{call}", vm_id, *arguments)
    assert (world.state(vm_id), devices(world, vm_id, kind)) == (state, under_way)
    world.ok("one.vm.recover", vm_id, operation)
    assert (world.state(vm_id), devices(world, vm_id, kind)) == ("RUNNING", done if operation == SUCCESS else failed)


def test_snapshot_of_a_disk_is_marked_while_it_is_made(world):
    vm_id = world.create('LAB_SECONDS="SNAPSHOT=never"\nLAB_TM_MAD="qcow2"')
    world.ok("one.vm.disksnapshotcreate", vm_id, 0, "before")
    disk = world.xml("one.vm.info", vm_id).find("TEMPLATE/DISK")
    assert (disk.findtext("DISK_SNAPSHOT_ACTIVE"), disk.findtext("DISK_SNAPSHOT_ID")) == ("YES", "0")
    assert world.history(vm_id)[-1].findtext("TM_MAD") == "qcow2"
    world.ok("one.vm.recover", vm_id, SUCCESS)
    assert world.xml("one.vm.info", vm_id).find("TEMPLATE/DISK/DISK_SNAPSHOT_ACTIVE") is None


def test_lock_is_in_the_body_until_it_is_taken_off(world):
    vm_id = world.create()
    world.ok("one.vm.lock", vm_id, 4)
    assert world.xml("one.vm.info", vm_id).findtext("LOCK/LOCKED") == "4"
    world.ok("one.vm.unlock", vm_id)
    assert world.xml("one.vm.info", vm_id).find("LOCK") is None
