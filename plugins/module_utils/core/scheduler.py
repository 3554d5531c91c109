# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sched.conf, so that hosts of our own are filled before hosts that stand for a cloud.

How the scheduler works (src/scheduler of 3.2, 4.4, 5.0.2, 5.12.13, 6.10.5)::

    rank        POLICY 4 ("fixed", since 4.4) is the rank expression PRIORITY, an attribute of the host or its cluster; a host without one has 0.
                Before 4.4 the custom POLICY 3 takes the same expression as its RANK. A VM's own SCHED_RANK wins over both.
    MAX_VM      pending VMs that are looked at in a cycle; 0: all.
    MAX_DISPATCH  VMs that are deployed in a cycle, on all hosts together (the comment in sched.conf up to 5.6 says "to a host"); 0: no limit.
    MAX_HOST    VMs that are deployed on one host in a cycle; then this host is passed over until the next one. 0 passes over every host, always.

So POLICY 4 alone does not keep VMs at home: with the shipped MAX_HOST = 1 and MAX_DISPATCH = 30 a single local host takes one VM of a cycle, and the
others go to the cloud while it is nearly empty. No local host can be passed over when MAX_HOST is at least MAX_DISPATCH; then only a full one is.
The price: ranks are worked out once per cycle, so the VMs of one cycle pile up on one local host. Who prefers to spread them says
max_host: 1 and max_dispatch: <number of local hosts>, as the reference does; that holds as long as each VM fits on each local host.
"""
from __future__ import annotations

from dataclasses import dataclass

from .clouds.driver import Option, filled, mistakes
from .versions import number

PATH = "/etc/one/sched.conf"
OPTIONS = {
    "local_first": Option("bool"),
    "max_dispatch": Option("int"),
    "max_host": Option("int"),
    "max_vm": Option("int"),
}
FIXED_SINCE = (4, 4)                # SchedulerTemplate.cc: "case 4"
GONE_SINCE = (7, 0)                 # install.sh of 7.0.0: rank.conf in /etc/one/schedulers, which has no MAX_DISPATCH
SHIPPED = {"POLICY": 1, "MAX_DISPATCH": 30, "MAX_HOST": 1}      # sched.conf of 3.2 to 6.10
LARGEST = 2147483647

# Since when the driver itself reports PRIORITY = -1 for its hosts: ec2_driver.rb, az_driver.rb, opennebula_driver.rb, since 5.12 PublicCloudDriver.rb
REPORTED_SINCE = {"ec2": (4, 4), "azure": (4, 8), "opennebula": (5, 6)}


@dataclass(frozen=True)
class Scheduler:
    """Options of the module oned_conf for ``path``; nothing to set is empty."""

    path: str = PATH
    attributes: tuple = ()
    stanzas: tuple = ()
    warnings: tuple = ()


def problems(options, release):
    """Return the mistakes as sentences that begin with the option they mean.

    >>> problems({"max_host": 0}, "5.0.2")
    ['max_host must be at least 1: with 0 the scheduler passes over every host']
    """
    found = mistakes(options, OPTIONS)
    if found:
        return found
    asked = [name for name in OPTIONS if options.get(name) is not None]
    if asked and number(release) >= GONE_SINCE:
        return [f"{name}: OpenNebula {release} has no sched.conf; its scheduler is set up in /etc/one/schedulers/rank.conf" for name in asked]
    given = filled(options, OPTIONS)
    if given["max_host"] is not None and given["max_host"] < 1:
        found.append("max_host must be at least 1: with 0 the scheduler passes over every host")
    found += [f"{name} must not be negative; 0 is no limit" for name in ("max_dispatch", "max_vm") if given[name] is not None and given[name] < 0]
    found += [f"{name} must be at most {LARGEST}" for name in asked if name != "local_first" and given[name] > LARGEST]
    if given["local_first"] and given["max_dispatch"] == 0 and given["max_host"] is None:
        found.append("max_host is missing: without a limit of max_dispatch there is no number that keeps local hosts in play")
    return found


def describe(options, release, local_hosts=None):
    """Return the Scheduler for options without problems; ``local_hosts`` is the number of hosts that are no cloud, if known.

    local_first true: by priority, with a MAX_HOST under which no local host is passed over; false: as shipped; None: untouched.

    >>> describe({"local_first": True}, "5.0.2").stanzas
    ({'section': 'DEFAULT_SCHED', 'settings': {'POLICY': 4}, 'state': 'present'},)
    """
    given = filled(options, OPTIONS)
    limits = {name.upper(): given[name] for name in ("max_vm", "max_dispatch", "max_host") if given[name] is not None}
    warnings = ()
    if given["local_first"]:
        dispatch = given["max_dispatch"] if given["max_dispatch"] is not None else SHIPPED["MAX_DISPATCH"]
        limits.setdefault("MAX_HOST", dispatch)
        limits.setdefault("MAX_DISPATCH", dispatch)         # MAX_HOST is right for this one only, so it must not be something else in the file
        warnings = _defeated(dispatch, limits["MAX_HOST"], local_hosts)
    elif given["local_first"] is False:
        limits.setdefault("MAX_HOST", SHIPPED["MAX_HOST"])
        limits.setdefault("MAX_DISPATCH", SHIPPED["MAX_DISPATCH"])
    attributes = tuple({"name": name, "value": limits[name], "state": "present"} for name in ("MAX_VM", "MAX_DISPATCH", "MAX_HOST") if name in limits)
    policy = _policy(given["local_first"], release)
    stanzas = ({"section": "DEFAULT_SCHED", "settings": policy, "state": "present"},) if policy else ()
    return Scheduler(PATH, attributes, stanzas, warnings)


def _policy(local_first, release):
    if local_first is None:
        return None
    custom = number(release) < FIXED_SINCE
    if local_first:
        return {"POLICY": 3, "RANK": "PRIORITY"} if custom else {"POLICY": 4}
    return {"POLICY": SHIPPED["POLICY"], **({"RANK": None} if custom else {})}


def _defeated(dispatch, per_host, local_hosts):
    """Return the warning that VMs go to the cloud while local hosts have room."""
    if 0 < dispatch <= per_host:
        return ()
    upto = f"up to {dispatch}" if dispatch else "any number of"
    head = f"a local host takes {per_host} VM{'s' if per_host > 1 else ''} of a scheduling cycle while {upto} are deployed"
    if local_hosts is None:
        return (f"{head}: the rest goes to a cloud although local hosts have room, unless there are enough of them; "
                "leave max_host out, or set max_dispatch to max_host times the number of local hosts",)
    if 0 < dispatch <= per_host * local_hosts:
        return ()           # the reference's own advice, fulfilled
    return (f"{head}, and there are {local_hosts} local hosts: the rest goes to a cloud although they have room; "
            f"leave max_host out, or set max_dispatch to {max(per_host * local_hosts, 1)}",)


def host_attributes(provider, release, addon=False):
    """Return the attributes that a cloud's hosts need so that local hosts come first; none where the driver reports them itself.

    >>> host_attributes("ec2", "5.0.2"), host_attributes("custom", "5.0.2")
    ({}, {'PRIORITY': '-1'})
    """
    since = REPORTED_SINCE.get(provider)
    return {} if since and not addon and number(release) >= since else {"PRIORITY": "-1"}
