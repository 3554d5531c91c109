# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall of this host, if one runs: firewalld or ufw, as they answer. Decides nothing."""
from __future__ import annotations

from ..core.errors import CoreError
from ..core.firewall import LATER, NOW, parse_ufw
from . import system


class Firewall:
    """firewalld's zone, or ufw."""

    def __init__(self, zone=""):
        self._zone = [f"--zone={zone}"] if zone else []

    def read(self):
        """Return what is open (see core/firewall.plan), None when no firewall runs."""
        code, out, dummy = system.run(["firewall-cmd", "--state"])
        if code == 0 and out.strip() == "running":
            return {"kind": "firewalld", NOW: self._listed(NOW), LATER: self._listed(LATER)}
        code, out, dummy = system.run(["ufw", "status"])
        if code == 0 and "Status: active" in out:
            return {"kind": "ufw", "ports": parse_ufw(self._run(["ufw", "show", "added"]))}
        return None

    def open(self, step):
        """Do one step of a plan."""
        if step[0] == "ufw":
            self._run(["ufw", "allow", step[1].replace("-", ":")])
        else:
            for when in step[2]:
                self._firewalld(when, f"--add-{step[0]}={step[1]}")

    def _listed(self, when):
        return {what: self._firewalld(when, f"--list-{what}").split() for what in ("services", "ports")}

    def _firewalld(self, when, verb):
        return self._run(["firewall-cmd", *(["--permanent"] if when == LATER else []), *self._zone, verb])

    @staticmethod
    def _run(argv):
        code, out, err = system.run(argv)
        if code != 0:
            raise CoreError(f"{argv[0]} refused", why=f"'{' '.join(argv)}' ended with {code}: {(err or out).strip()[-300:]}", argv=argv, rc=code)
        return out
