# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of a front-end: who starts them at boot, and whether one runs with an older configuration than its files hold.

Rows are those of unit_plan. Whether the cluster owns a service is read from the cluster's state: a resource of the service's name that is
active on this node is restarted by pacemaker, anything else that runs by systemd. What does not run here is never started.
"""
from __future__ import annotations

from .errors import CoreError, NotThere
from .plan import Change, Plan
from .unit_plan import RUNNING, installed, newer_files


def check_names(names, config_files):
    """Refuse files for services that are not named: nothing would be done with them."""
    strange = sorted(set(config_files) - set(names))
    if strange:
        raise CoreError(f"config_files names {', '.join(strange)}", why="names does not", hint=f"Use one of: {', '.join(names)}.")


def unit(name):
    return f"{name}.service"


def at_boot(row):
    return row["UnitFileState"].startswith("enabled")


def described(names, rows, owned):
    """Return one dictionary for each service."""
    return [{"name": name, "installed": installed(rows[unit(name)]), "running": rows[unit(name)]["ActiveState"] in RUNNING,
             "at_boot": at_boot(rows[unit(name)]),
             "clustered": name in owned} for name in names]


def owned_here(state, node):
    """Return the ids of resources that pacemaker manages and runs on this node (state of cluster_status)."""
    return {entry["id"] for entry in state["resources"] if entry["active"] and entry["managed"] and node in entry["nodes"]}


def plan(names, wanted_at_boot, config_files, rows, owned, changed_at, now, lenient, changing=()):
    """Return the Plan.

    config_files: {service: [files that it reads when it starts]}; lenient (check mode): pass over services that are not installed yet.
    changing: files that are about to change; in check mode they are as old as they were.
    """
    changes = []
    for name in names:
        row = rows[unit(name)]
        if not installed(row):
            if lenient:
                continue
            raise NotThere(f"service {name} is not installed", unit(name), "systemd knows no such unit",
                           "Install its package, or take it out of zone_services.")
        if wanted_at_boot is not None and at_boot(row) != wanted_at_boot:
            verb = "enable" if wanted_at_boot else "disable"
            changes.append(Change("unit", name, row["UnitFileState"], verb + "d", step=("systemd", verb, unit(name))))
        read = {path: changed_at[path] for path in config_files.get(name, ()) if row["ActiveState"] in RUNNING}
        newer = newer_files(int(row["ExecMainStartTimestampMonotonic"] or 0) / 1e6, read, now)
        newer = [path for path in read if path in newer or (lenient and path in changing)]
        if newer:
            step = ("cluster", name) if name in owned else ("systemd", "restart", unit(name))
            changes.append(Change("service", name, f"runs since before {', '.join(newer)} was changed", "running as configured", step=step))
    return Plan(tuple(changes))
