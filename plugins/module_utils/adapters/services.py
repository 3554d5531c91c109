# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd units, read with one ``systemctl show`` and changed one verb at a time. Nothing is decided here."""
from __future__ import annotations

import contextlib
import os
import time

from ..core.errors import CoreError
from ..core.unit_plan import PROPERTIES
from . import system

WANTS = ("/etc/systemd/system", "/usr/lib/systemd/system")
PATIENCE_S = 180        # a server that recovers from a crash may take long to start; its own unit allows 900 s


class Systemd:
    monotonic = staticmethod(time.monotonic)

    def units(self, names):
        """Return {unit: {property: text}}; unknown units have LoadState not-found."""
        code, out, err = system.run(["systemctl", "show", "--property=" + ",".join(PROPERTIES), *names])
        if code != 0:
            raise CoreError("cannot read systemd units", why=err.strip() or f"systemctl ended with {code}", hint="Is systemd running here?")
        blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in out.strip().split("\n\n")]
        return {name: {**dict.fromkeys(PROPERTIES, ""), **block} for name, block in zip(names, blocks)}

    def changed_at(self, paths):
        """Return {path: when its content or mode last changed, in seconds since boot}, None for a missing file."""
        offset = time.time() - time.monotonic()
        return {path: os.stat(path).st_mtime - offset if os.path.exists(path) else None for path in paths}

    @staticmethod
    def wants(unit):
        """Return the units that start with this one because of a link, ours or a package's."""
        found = []
        for above in WANTS:
            folder = os.path.join(above, f"{unit}.wants")
            found += os.listdir(folder) if os.path.isdir(folder) else []
        return found

    def drop_wants(self, unit, wanted):
        """Undo ``systemctl add-wants``."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(WANTS[0], f"{unit}.wants", wanted))
        self.do(("daemon-reload",))

    def do(self, step):
        """Run one step of a plan: (verb, unit …)."""
        verb = step[0]
        argv = ["systemctl", *(("mask", "--now") if verb == "mask" else (verb,)), *step[1:]]
        code, out, err = system.run(argv, timeout_s=PATIENCE_S)
        if code != 0:
            unit = step[1] if len(step) > 1 else "systemd"
            raise CoreError(f"cannot {verb} {unit}", why=(err or out).strip().splitlines()[0] if (err or out).strip() else f"systemctl ended with {code}",
                            hint=f"journalctl -u {unit} -n 50 says more.", rc=code, stderr=err)
