# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that planning and applying a recovery share."""
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  vms:
    description: Only these VMs, by id. By default all VMs of the zone.
    type: list
    elements: int
  transfer_settle_s:
    description:
      - Seconds that the daemon must have run before a lost transfer counts as ended.
      - The transfer scripts of a dead daemon go on as orphans. Those on this host are seen; those on a hypervisor get this time.
    type: int
    default: 30
  monitoring_settle_s:
    description:
      - Seconds after the daemon's start from which on a host's report counts as newer than what was lost. Use at least one monitoring interval.
    type: int
    default: 60
  retry_failures:
    description:
      - Whether VMs that were in a C(_FAILURE) state by themselves are taken in. By default only those are retried that recovery brought there.
    type: bool
    default: false
  journal:
    description:
      - File on the front-end in which recovery notes its calls before it makes them. By it an interrupted recovery is finished by the next run,
        and it tells afterwards what was done and why.
    type: path
    default: /var/log/one/recovery.log
"""
