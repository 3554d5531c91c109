# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A planned move of a zone to its other front-end: may it be done, from where, and where to.

A move that is planned is made from a healthy zone only: whatever is not green about the zone or its front-ends is a reason to stay, because
the target would have to bear it alone. A zone that is not healthy is moved by fencing, which is the cluster's business.
"""
from __future__ import annotations

from .cluster_status import holder
from .opennebula_cluster import VIP
from .report import GREEN


def plan(zone, checks, state, target=None):
    """Return {"from": front-end, "to": front-end, "problems": [sentence]}; with problems nothing may be moved.

    zone: the topology's; checks: of the whole federation, as dictionaries (report.Check); state: what cluster_status.parse returned;
    target: a front-end's name, None for the only other one.
    """
    nodes = list(zone["nodes"])
    holders = holder(state or {"resources": []}, VIP)
    active = holders[0] if len(holders) == 1 else None
    others = [node for node in nodes if node != active]
    problems = [f"{check['target']}: {check['what']}: {check['why'] or check['status']}" for check in checks
                if check["target"] in (zone["name"], *nodes) and check["status"] != GREEN]
    if active is None:
        problems.append(f"{zone['name']}: its address is on {' and '.join(holders) or 'no front-end'}; there is nothing to move")
    if target is None:
        target = others[0] if len(others) == 1 else None
        if target is None and active is not None:
            problems.append(f"{zone['name']}: several front-ends could take over; name one of {', '.join(others)}")
    elif target not in nodes:
        problems.append(f"{target} is no front-end of zone {zone['name']}; use one of {', '.join(others)}")
    elif target == active:
        problems.append(f"zone {zone['name']} runs on {target} already")
    return {"from": active, "to": target, "problems": problems}
