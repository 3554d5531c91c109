# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that looking at transfer scripts and running their steps share."""
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  journal:
    description:
      - Recovery's journal on the front-end, as M(constellation.opennebula.vm_recovery) has it. What became of each step is noted in
        C(recovery-transfers.log) beside it, before it begins and after it ended.
      - A note counts for the transfer script as it was written that time. When the daemon writes it anew, even with the same text, no step of it is done.
    type: path
    default: /var/log/one/recovery.log
  one_location:
    description: Where a self-contained OpenNebula is installed, in the form of C($ONE_LOCATION). By default OpenNebula's packages are.
    type: path
  user:
    description: The user that the daemon and its drivers run as.
    type: str
    default: oneadmin
"""
