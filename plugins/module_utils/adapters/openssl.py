# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""openssl on this host. Keys travel through pipes: never in argv, never in a file that is not theirs. Works with openssl 1.1.1 to 3."""
from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
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
        key = self.key()
        request = ["openssl", "req", "-x509", "-new", "-sha256", "-days", str(days), "-subj", f"/CN={common_name}", "-key", "/dev/stdin"]
        return self._run(request, key, "make a certificate") + key

    def key(self):
        """Return a new private key in PEM (RSA, 2048 bits: what every TLS library that MariaDB is built with can use)."""
        return self._run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], None, "make a private key")

    def authority(self, key, config, days):
        """Return the certificate of an authority that signs with ``key``; config: the text of its configuration file."""
        with _files(config) as (path,):
            return self._run(["openssl", "req", "-x509", "-new", "-sha256", "-days", str(days), "-config", path, "-key", "/dev/stdin"], key,
                             "make the authority's certificate")

    def request(self, key, common_name):
        """Return the request for a certificate of ``key``."""
        return self._run(["openssl", "req", "-new", "-sha256", "-subj", f"/CN={common_name}", "-key", "/dev/stdin"], key, "ask for a certificate")

    def sign(self, request, authority, key, extensions, days):
        """Return the certificate that the authority (its certificate and key) gives for a request; what it may say is in ``extensions`` only."""
        with _files(request, authority, extensions) as (asked, signer, says):
            return self._run(["openssl", "x509", "-req", "-in", asked, "-CA", signer, "-CAkey", "/dev/stdin", "-set_serial", f"0x{secrets.token_hex(16)}",
                              "-days", str(days), "-sha256", "-extfile", says], key, "sign the certificate")

    @staticmethod
    def distrust(ca, chain, certificate):
        """Return why ``ca`` does not vouch for a certificate, whatever the time is; "" when it does."""
        with _files(ca, chain) as (trusted, between):
            code, out, err = run(["openssl", "verify", "-no_check_time", "-CAfile", trusted, "-untrusted", between], certificate)
        if code == 0:
            return ""
        lines = [line.rpartition(":")[2].strip() for line in (out + err).splitlines() if " lookup:" in line]
        return lines[0] if lines else "openssl cannot verify it"

    def tell(self, certificate, key):
        """Return {"x509", "public"}: what openssl says about a certificate, and the public half of a private key."""
        return {
            "x509": self.about(certificate),
            # an empty passphrase: never ask for one at a terminal
            "public": self._run(["openssl", "pkey", "-pubout", "-passin", "pass:"], key, "read the private key"),
        }

    def about(self, certificate):
        """Return what openssl says about a certificate, its names included."""
        return self._run(["openssl", "x509", "-noout", "-subject", "-enddate", "-pubkey", "-text", "-nameopt", "RFC2253"], certificate, "read the certificate")

    @staticmethod
    def _run(argv, stdin, what):
        code, out, err = run(argv, stdin)
        if code == 127:
            raise NotThere(f"cannot {what}", why="there is no program openssl", hint="Install the package openssl.")
        if code != 0:
            lines = [line for line in err.splitlines() if line.strip()]
            raise CoreError(f"cannot {what}", why=lines[-1] if lines else f"openssl ended with {code}", hint="Is it complete, and in PEM?")
        return out


@contextlib.contextmanager
def _files(*texts):
    """Give each text, none of them a secret, a file for openssl; they are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="constellation-") as folder:
        paths = [os.path.join(folder, str(number)) for number in range(len(texts))]
        for path, text in zip(paths, texts):
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(text)
        yield paths
