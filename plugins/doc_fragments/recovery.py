# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that planning and applying a recovery share."""
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  vms:
    description: Only these VMs, by id. By default all VMs of the zone. An id that the daemon does not have is an error, before anything is done.
    type: list
    elements: int
  demanded:
    description:
      - VMs that are to be deleted or recreated, one operation each. The decisions never choose these operations; they are for what somebody has looked at.
      - Evidence is gathered for them as for others, and the reason in the result says what the operation destroys, what it leaves behind, what runs where,
        which copies of the disks were seen, and whether there is only one.
      - Not done, with the reason, while a transfer or the running daemon is at work on the VM, when it is locked, when a host that may have something of it
        does not answer (unless it is in O(hosts_off)), when its domain is on two hosts or where it should not be, or when the daemon would refuse the
        operation in the VM's state, or accept and ignore it.
      - Asked are the VM's host and the one before. Other hosts count as far as they are asked for other VMs.
      - These VMs are taken besides those of O(vms). To leave all others alone, name them in O(vms), too.
      - An id that the daemon does not have, two operations for one VM, and an operation that the daemon's release does not have, are one error before
        anything is done. A VM that is DONE already, or PENDING for V(recreate), needs nothing.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The VM.
        type: int
        required: true
      operation:
        description:
          - V(delete) destroys the VM with its disks in the system datastore. It is DONE at once, and the clean-up goes on without anyone waiting for it.
            A domain that runs goes with it only as far as that clean-up reaches; not done where the domain is on a host that the VM left, or where the VM
            is said to be at rest.
          - V(recreate) destroys the disks in the system datastore and puts the VM back to PENDING, to be made anew. Not done unless it is known that no
            domain of it runs, because it is PENDING even if the clean-up fails. A second call is made where the daemon needs one (states
            HOTPLUG_SAVEAS_POWEROFF and _SUSPENDED in 5.0, HOTPLUG_SAVEAS_UNDEPLOYED and _STOPPED from 6.10 on; no clean-up runs there).
            VMs in POWEROFF and SUSPENDED only from 6.10 on. Not idempotent once the VM was deployed anew.
          - V(delete-db) writes DONE into the database and cleans up nothing; domain, folders and disks stay where they are. Not done unless it is known that no
            domain of it runs. From 5.8 on.
        type: str
        choices: [delete, recreate, delete-db]
        required: true
  transfer_settle_s:
    description:
      - Seconds that the daemon must have run before a lost transfer counts as ended.
      - The transfer scripts of a dead daemon go on as orphans. Those on this host and those of O(transfers_elsewhere) are known; those on a hypervisor
        get this time.
    type: int
    default: 30
  monitoring_settle_s:
    description:
      - Seconds after the daemon's start from which on a host's report counts as newer than what was lost. Use at least one monitoring interval.
    type: int
    default: 60
  stuck_after_s:
    description:
      - Seconds after which a transition that began after the running daemon's start is looked at like one that was lost. V(0) is never, and such a VM is
        left to the daemon. How long a copy of a disk may take is known to you only; set it above that.
      - The age is not enough. Nothing is done unless no driver of the daemon runs anything for any VM on this front-end (what waits behind that cannot be
        seen), no transfer or lock is there, and every host that may be at work on the VM was asked and is not. What then decides is the same as after a lost
        daemon.
      - Only where the daemon's log on this front-end or the VM's history tells when the transition began.
      - At least O(transfer_settle_s) and O(monitoring_settle_s).
    type: int
    default: 0
  retry_failures:
    description:
      - Whether VMs that were in a C(_FAILURE) state by themselves are taken in. By default only those are retried that recovery brought there.
    type: bool
    default: false
  journal:
    description:
      - File on the front-end in which recovery notes its calls before it makes them. By it an interrupted recovery is finished by the next run,
        and it tells afterwards what was done and why, and how each of these VMs ended (C(result), C(state_after), C(why) when it was given up). A call
        without an end is one of a run that was killed. A file beside it that ends in C(.lock) keeps a second recovery out.
    type: path
    default: /var/log/one/recovery.log
  transfers_elsewhere:
    description:
      - VMs, by id, that transfer scripts on other front-ends work on, as RV(constellation.opennebula.vm_transfer_info#module:running) tells them there.
        They are left alone. The role finds them.
    type: list
    elements: int
    default: []
  ask_hypervisors:
    description:
      - Whether the KVM hosts of stuck VMs are asked over ssh what they have of them. One session for each host; the script that runs there only reads.
      - Needs the Python libraries paramiko and tenacity on the front-end. Without hypervisors, what only they can tell leads to a refusal.
      - VMs with something on a host that does not answer are left alone.
    type: bool
    default: true
  hosts_off:
    description:
      - Hosts, by name, that somebody has made sure are without power. Nothing runs there, and they are not asked. Say it only of what you saw;
        a host that is merely cut off goes on running its VMs.
      - One that reported to the daemon within the last O(monitoring_settle_s) is not believed to be off. Its VMs are left alone.
      - What was lost and can only be done on such a host is neither tried again nor waited for.
    type: list
    elements: str
    default: []
  datastore_location:
    description: Where datastores are on the hypervisors and on this front-end (C(DATASTORE_LOCATION) of C(oned.conf)).
    type: path
    default: /var/lib/one/datastores
  ssh_directory:
    description: Where the daemon's user has its C(config), C(known_hosts) and keys (C(id_ed25519), C(id_ecdsa), C(id_rsa), or what C(config) names).
    type: path
    default: /var/lib/one/.ssh
  ssh_user:
    description: The user that logs in on the hypervisors.
    type: str
    default: oneadmin
  ssh_timeout_s:
    description: Seconds for connecting to a hypervisor. A lost connection is tried three times.
    type: int
    default: 10
  ssh_sessions:
    description: How many hypervisors are asked at the same time.
    type: int
    default: 16
"""
