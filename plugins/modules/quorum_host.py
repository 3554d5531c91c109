#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: quorum_host
short_description: Let this host give clusters their third vote
version_added: "0.1.0"
description:
  - Makes the certificates of C(corosync-qnetd) where the package did not, gives them to the account that the daemon runs as, and runs it.
  - C(pcs qdevice setup) refuses what Debian's package has made already, and leaves files that the daemon cannot read; this does neither.
  - The nodes get their certificates from C(pcsd) of this host, which M(constellation.opennebula.cluster_host) prepares.
author:
  - The constellation.opennebula team (@constellation)
seealso:
  - module: constellation.opennebula.quorum_host_info
  - module: constellation.opennebula.cluster_membership
"""

EXAMPLES = r"""
- name: Run the daemon that gives the third vote
  constellation.opennebula.quorum_host:
"""

RETURN = r"""
changes:
  description: What was done.
  returned: always
  type: list
  elements: dict
  sample: [{"kind": "service", "target": "corosync-qnetd.service", "before": "stopped", "after": "running, started at boot"}]
"""

from ..module_utils import glue
from ..module_utils.adapters import qnetd, services
from ..module_utils.core.converge import converge
from ..module_utils.core.errors import CoreError
from ..module_utils.core.plan import Change, Plan

UNIT = "corosync-qnetd.service"
READY = "running, started at boot"


def ensure(daemon, units, check_mode):
    def read():
        return units.units((UNIT,))[UNIT], daemon.has_certificates(), daemon.unreadable()

    def plan(found):
        unit, certificates, unreadable = found
        if unit["LoadState"] != "loaded" and not check_mode:         # the package comes before, except in a prediction
            raise CoreError("corosync-qnetd is not installed", hint="Install the package corosync-qnetd (role constellation.opennebula.cluster, "
                                                                    "tasks_from quorum_device).")
        changes = []
        if not certificates:
            changes.append(Change("certificates", "corosync-qnetd", None, "made", step=("make",)))
        if unreadable:
            changes.append(Change("owner", ", ".join(unreadable), "not readable by corosync-qnetd", "readable", step=("give",)))
        if _shown(unit) != READY:
            changes.append(Change("service", UNIT, _shown(unit), READY, step=("run",)))
        return Plan(tuple(changes))

    def apply(todo):
        for step in (change.step[0] for change in todo):
            if step == "make":
                daemon.make_certificates()
                daemon.give_to_daemon()
            elif step == "give":
                daemon.give_to_daemon()
            else:
                units.do(("enable", UNIT))
                units.do(("restart", UNIT))              # also where it failed on files that it could not read

    return converge(read, plan, apply, check_mode, header="quorum host")


def _shown(unit):
    return ("running" if unit["ActiveState"] == "active" else "stopped") + (", started at boot" if unit["UnitFileState"] == "enabled" else "")


def main():
    module = glue.module(argument_spec={})
    glue.run(module, lambda: ensure(qnetd.Qnetd(), services.Systemd(), module.check_mode))


if __name__ == "__main__":
    main()
