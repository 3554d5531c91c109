#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_host
short_description: Prepare this host to be a cluster node
version_added: "0.1.0"
description:
  - Sets the password of the account that pcs uses, runs pcsd, and keeps corosync and pacemaker from starting at boot
    (a node that was fenced joins through the rejoin gate only).
  - The one-node cluster on the loopback address that Debian's package starts is stopped, and its C(corosync.conf) renamed.
  - Returns what is known on this host about its cluster, for M(constellation.opennebula.cluster_membership).
options:
  password:
    description:
      - Password of the account O(account). It is compared with C(/etc/shadow) by C(crypt), so that setting it again changes nothing.
      - When absent the password is left alone.
    type: str
  account:
    description: Account that pcsd accepts.
    type: str
    default: hacluster
  quorum_device:
    description:
      - Whether C(corosync-qdevice) starts together with corosync. It must be installed then. When absent it is left alone.
      - It never starts at boot, since it would bring corosync with it, past the rejoin gate.
    type: bool
author:
  - The constellation.opennebula team (@constellation)
seealso:
  - module: constellation.opennebula.cluster_membership
"""

EXAMPLES = r"""
- name: Prepare the host for the cluster
  constellation.opennebula.cluster_host:
    password: "{{ vault_hacluster_password }}"
  register: host
"""

RETURN = r"""
state:
  description: What this host knows of its cluster, after the change.
  returned: always
  type: dict
  sample: {"corosync": {"cluster_name": "one-alpha", "nodes": {"fe1": ["192.0.2.11"]}}, "running": true, "quorate": true}
"""

from ..module_utils import glue
from ..module_utils.adapters import account, pacemaker, services
from ..module_utils.core import cluster_members, cluster_status
from ..module_utils.core.converge import converge
from ..module_utils.core.errors import CoreError, NotThere
from ..module_utils.core.plan import Change, Plan

PCSD = "pcsd.service"
MEMBERS = ("corosync.service", "pacemaker.service")
DEVICE = "corosync-qdevice.service"                      # started with corosync wherever that starts; at boot it would start corosync
BOOT = "multi-user.target"                               # systemd calls the device enabled for either link, so the links are what is compared
READY = "running, started at boot"


def ensure(params, accounts, units, cluster, check_mode):
    name, password, state = params["account"], params["password"], {}

    def read():
        state.update(look(cluster))
        links = DEVICE in units.wants(BOOT), None if params["quorum_device"] is None else DEVICE in units.wants(MEMBERS[0])
        return units.units((PCSD,) + MEMBERS), links, None if password is None else _has_password(accounts, name, password, check_mode)

    def plan(found):
        active, (at_boot, pulled), matches = found
        changes = []
        if matches is False:
            changes.append(Change("password", name, None, "set", secret=True, step=("password",)))
        if state["example"]:
            changes.append(Change("corosync.conf", "the package's example", "in use", "set aside", step=("set_aside",)))
        if _shown(active[PCSD]) != READY:
            changes.append(Change("service", PCSD, _shown(active[PCSD]), READY, step=("start",)))
        changes += [Change("service", unit, "started at boot", "not started at boot", step=("disable", unit))
                    for unit in MEMBERS if active[unit]["UnitFileState"] == "enabled"]
        if at_boot:
            changes.append(Change("service", DEVICE, "started at boot", "not started at boot", step=("unlink",)))
        if pulled is not None and pulled != params["quorum_device"]:
            changes.append(Change("service", DEVICE, *("not started with corosync", "started with corosync")[::1 if params["quorum_device"] else -1],
                                  step=("pull", params["quorum_device"])))
        return Plan(tuple(changes))

    def apply(todo):
        for step, *rest in (change.step for change in todo):
            if step == "password":
                accounts.set_password(name, password)
            elif step == "set_aside":
                units.do(("stop", *reversed(MEMBERS)))
                cluster.set_members_aside()
            elif step == "start":
                units.do(("enable", PCSD))
                units.do(("start", PCSD))
            elif step == "unlink":
                units.drop_wants(BOOT, DEVICE)
            elif step == "pull":
                units.do(("add-wants", MEMBERS[0], DEVICE)) if rest[0] else units.drop_wants(MEMBERS[0], DEVICE)
            else:
                units.do(("disable", rest[0]))

    return converge(read, plan, apply, check_mode, {"state": state}, header="cluster host")


def _has_password(accounts, name, password, check_mode):
    try:
        return accounts.has_password(name, password)
    except LookupError:
        if check_mode:                                   # the account comes with the package
            return False
        raise CoreError(f"there is no account '{name}'", hint="It comes with the package pacemaker; install that first.") from None


def _shown(unit):
    return ("running" if unit["ActiveState"] == "active" else "stopped") + (", started at boot" if unit["UnitFileState"] == "enabled" else "")


def look(cluster):
    """Return what this host knows of its cluster; an absent program means an absent cluster."""
    text = cluster.members()
    conf = cluster_members.parse_corosync_conf(text) if text else None
    example = cluster_members.is_example(conf)
    state = {"corosync": None if example else conf, "running": False, "quorate": False, "online": [], "example": example, "key": cluster.has_key()}
    if state["corosync"] is None:
        return state
    try:
        seen = cluster_status.parse(cluster.monitor())
    except NotThere:
        return state
    return dict(state, running=True, quorate=seen["quorate"], online=[node["name"] for node in seen["nodes"] if node["online"]])


SPEC = {"password": {"type": "str", "no_log": True}, "account": {"type": "str", "default": "hacluster"}, "quorum_device": {"type": "bool"}}


def main():
    module = glue.module(argument_spec=SPEC)
    glue.run(module, lambda: ensure(module.params, account.Accounts(), services.Systemd(), pacemaker.Pacemaker(), module.check_mode))


if __name__ == "__main__":
    main()
