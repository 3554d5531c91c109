# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""openssl on this host. Keys travel through pipes: never in argv, never in a file that is not theirs. Works with openssl 1.0.2 to 3."""
from __future__ import annotations

import time

from ..core.errors import CoreError, NotThere
from .system import run


class OpenSsl:
    @staticmethod
    def now():
        """Return the seconds since 1970."""
        return int(time.time())

    def make(self, common_name, days):
        """Return the PEM text of a new self-signed certificate and its private key (RSA, 2048 bits)."""
        key = self._run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], None, "make a private key")
        request = ["openssl", "req", "-x509", "-new", "-sha256", "-days", str(days), "-subj", f"/CN={common_name}", "-key", "/dev/stdin"]
        return self._run(request, key, "make a certificate") + key

    def tell(self, certificate, key):
        """Return {"x509", "public"}: what openssl says about a certificate, and the public half of a private key."""
        return {
            "x509": self._run(["openssl", "x509", "-noout", "-subject", "-enddate", "-pubkey", "-nameopt", "RFC2253"], certificate, "read the certificate"),
            # an empty passphrase: never ask for one at a terminal
            "public": self._run(["openssl", "pkey", "-pubout", "-passin", "pass:"], key, "read the private key"),
        }

    @staticmethod
    def _run(argv, stdin, what):
        code, out, err = run(argv, stdin)
        if code == 127:
            raise NotThere(f"cannot {what}", why="there is no program openssl", hint="Install the package openssl.")
        if code != 0:
            lines = [line for line in err.splitlines() if line.strip()]
            raise CoreError(f"cannot {what}", why=lines[-1] if lines else f"openssl ended with {code}", hint="Is it complete, and in PEM?")
        return out
