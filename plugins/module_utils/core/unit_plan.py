# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of systemd units → what is left to do so that a server runs with the configuration it has on disk.

Rows are what ``systemctl show`` prints (systemd 241 to 256). LoadState: loaded, masked, not-found. NeedDaemonReload: the unit's files are newer
than what systemd has loaded, drop-ins included. ExecMainStartTimestampMonotonic: microseconds since boot, when the main process was started.
"""
from __future__ import annotations

from .plan import Change, Plan

PROPERTIES = ("Id", "LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload", "ExecMainStartTimestampMonotonic")
RUNNING = ("active", "activating", "reloading")


def installed(row):
    return row["LoadState"] not in ("", "not-found")


def plan(unit, watched, sockets, rows, changed_at, now):
    """Return the Plan of one server.

    rows: {unit: properties}; changed_at: {file: seconds since boot, None when missing}; now: seconds since boot.
    """
    changes = []
    stale = [name for name in watched if rows[name]["NeedDaemonReload"] == "yes"]
    if stale:
        changes.append(Change("systemd", ", ".join(stale), "loaded before its files changed", "loaded", step=("daemon-reload",)))
    for name in sockets:
        if rows[name]["LoadState"] == "loaded":
            changes.append(Change("unit", name, rows[name]["UnitFileState"], "masked", step=("mask", name)))
    service = f"{unit}.service"
    row = rows[service]
    if row["UnitFileState"] != "enabled":
        changes.append(Change("unit", service, row["UnitFileState"] or None, "enabled", step=("enable", service)))
    if row["ActiveState"] not in RUNNING:
        changes.append(Change("server", unit, row["ActiveState"] or None, "running as configured", step=("start", service)))
    else:
        newer = newer_files(int(row["ExecMainStartTimestampMonotonic"] or 0) / 1e6, changed_at, now)
        if newer:
            changes.append(Change("server", unit, f"runs since before {', '.join(newer)} was changed", "running as configured", step=("restart", service)))
    return Plan(tuple(changes))


def with_certificate(todo, unit, wanted, shown):
    """Return the Plan so that the server shows the certificate of its file too. wanted, shown: fingerprints, None for none.

    A running server reads its certificate again (FLUSH SSL), unless it runs without TLS: then only a restart brings it (10.11.19).
    """
    if wanted in (None, shown):
        return todo
    how = ("flush",) if shown else ("restart", f"{unit}.service")
    return Plan((*todo.changes, Change("server_certificate", unit, shown, wanted, step=how)), todo.warnings)


def newer_files(started, changed_at, now):
    """Return the files that changed after the start. A time in the future (a clock set back) counts as unchanged: no restart can mend it.

    >>> newer_files(10.0, {"a": 9.0, "b": 11.0, "c": 99.0, "d": None}, 20.0)
    ['b']
    """
    return [path for path, moment in changed_at.items() if moment is not None and started < moment <= now]
