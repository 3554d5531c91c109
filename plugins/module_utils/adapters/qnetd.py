# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""corosync-qnetd of this host: its certificates and what it says. Decides nothing (corosync-qnetd 3.0.3)."""
from __future__ import annotations

import os
import pwd
import stat

from ..core.errors import CoreError
from . import system

USER, DIRECTORY = "coroqnetd", "/etc/corosync/qnetd"
DATABASE = ("cert9.db", "key4.db", "pkcs11.txt")


class Qnetd:
    """The daemon that gives the third vote."""

    def has_certificates(self):
        """Tell whether there is a certificate database; Debian's package brings one, EL's does not."""
        return os.path.exists(os.path.join(DIRECTORY, "nssdb", DATABASE[0]))

    def unreadable(self):
        """Return the paths of the database that the daemon's account may not read."""
        try:
            account = pwd.getpwnam(USER)
        except KeyError:
            return []
        folder = os.path.join(DIRECTORY, "nssdb")
        paths = [folder] + [path for path in (os.path.join(folder, name) for name in DATABASE) if os.path.exists(path)] if os.path.isdir(folder) else []
        groups = os.getgrouplist(USER, account.pw_gid)
        return [path for path in paths if not _may_read(os.stat(path), account.pw_uid, groups)]

    def make_certificates(self):
        code, out, err = system.run(["corosync-qnetd-certutil", "-i"], timeout_s=120)
        if code != 0:
            raise CoreError("the certificates of the quorum device cannot be made",
                            why=(err or out).strip()[-300:] or f"corosync-qnetd-certutil ended with {code}", hint=f"Look at {DIRECTORY}/nssdb.")

    def give_to_daemon(self):
        """Let the daemon's account own its directory; what pcs makes there belongs to root."""
        account = pwd.getpwnam(USER)
        for folder, dummy, names in os.walk(DIRECTORY):
            for path in [folder] + [os.path.join(folder, name) for name in names]:
                os.lchown(path, account.pw_uid, account.pw_gid)

    def clusters(self):
        """Return the clusters as corosync-qnetd-tool lists them, None when the daemon does not answer."""
        code, out, dummy = system.run(["corosync-qnetd-tool", "-l", "-v"])
        return out if code == 0 else None


def _may_read(status, user, groups):
    bits = 6 if status.st_uid == user else 3 if status.st_gid in groups else 0
    needed = 5 if stat.S_ISDIR(status.st_mode) else 4
    return status.st_mode >> bits & needed == needed
