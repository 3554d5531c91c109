# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords of local accounts: compared by crypt(3), set through chpasswd's standard input."""
from __future__ import annotations

import ctypes
import ctypes.util
import hmac

from ..core.errors import CoreError
from . import system

SHADOW = "/etc/shadow"


class Accounts:
    """The accounts in /etc/shadow."""

    def has_password(self, name, password):
        """Tell whether the account has this password. Raises LookupError when there is no such account."""
        stored = self._stored(name)
        if not stored.startswith("$"):                   # locked, empty, or none
            return False
        computed = _crypt(password, stored)
        # A hash that libcrypt does not know cannot be compared; then the password counts as different and is set again.
        return bool(computed) and hmac.compare_digest(computed, stored)

    @staticmethod
    def _stored(name):
        with open(SHADOW, encoding="utf-8") as stream:
            for line in stream:
                fields = line.split(":")
                if fields[0] == name:
                    return fields[1]
        raise LookupError(name)

    @staticmethod
    def set_password(name, password):
        code, dummy, err = system.run(["chpasswd"], stdin=f"{name}:{password}\n")
        if code != 0:
            raise CoreError(f"the password of account '{name}' cannot be set", why=f"chpasswd ended with {code}: {err.strip()}")


def _crypt(password, setting):
    """crypt(3) of the C library; Python's own crypt module is gone since 3.13."""
    for name in (ctypes.util.find_library("crypt"), "libcrypt.so.1", "libcrypt.so.2"):
        try:
            function = ctypes.CDLL(name).crypt
        except (OSError, AttributeError, TypeError):
            continue
        function.restype, function.argtypes = ctypes.c_char_p, (ctypes.c_char_p, ctypes.c_char_p)
        result = function(password.encode(), setting.encode())
        return result.decode() if result else None
    return None
