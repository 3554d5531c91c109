# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for openssl that behaves, and the real one that writes down what it was called with."""
from __future__ import annotations

import base64
import datetime
import os
import pwd
import grp
import re

from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import openssl
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters.tree import Tree
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotThere

NOW = 1795230000        # 2026-11-21
CANARY = "CANARY-9f2c"
PEM, CER = "/etc/one/azure.pem", "/etc/one/azure.cer"


def block(label, text):
    return f"-----BEGIN {label}-----\n{base64.b64encode(text.encode()).decode()}\n-----END {label}-----\n"


def unblock(pem):
    return base64.b64decode("".join(pem.splitlines()[1:-1])).decode()


def pem_of(number, days=365, label="PRIVATE KEY"):
    """Return a .pem of the stand-in: certificate and key carry the number of their pair."""
    return block("CERTIFICATE", f"{number} {NOW + days * 86400} \r\n\xff") + block(label, f"{number} {CANARY}")


class FakeOpenSsl:
    def __init__(self, there=True):
        self.there, self.made = there, 0

    @staticmethod
    def now():
        return NOW

    def make(self, common_name, days):
        if not self.there:
            raise NotThere("cannot make a private key", why="there is no program openssl", hint="Install the package openssl.")
        assert common_name
        self.made += 1
        return pem_of(f"made{self.made}", days)

    def tell(self, certificate, key):
        if not self.there:
            raise NotThere("cannot read the certificate", why="there is no program openssl", hint="Install the package openssl.")
        assert re.match(r"-----BEGIN CERTIFICATE-----\n.*\n-----END CERTIFICATE-----\n\Z", certificate) and key.startswith("-----BEGIN ")
        try:
            number, until = unblock(certificate).split()[:2]
        except ValueError:
            raise CoreError("cannot read the certificate", why="unable to load certificate") from None
        end = datetime.datetime.fromtimestamp(int(until), datetime.timezone.utc).strftime("%b %e %H:%M:%S %Y GMT")
        return {"x509": f"subject=CN=of {number}\nnotAfter={end}\n{block('PUBLIC KEY', number)}", "public": block("PUBLIC KEY", unblock(key).split()[0])}


class RecordedOpenSsl(openssl.OpenSsl):
    """The real one; ``calls`` has its arguments."""

    def __init__(self):
        self.calls = []

    def _run(self, argv, stdin, what):
        self.calls.append(argv)
        return openssl.OpenSsl._run(argv, stdin, what)


class RecordedTree(Tree):
    """Files below a temporary folder; ``writes`` are the paths in their order."""

    def __init__(self, root):
        super().__init__(str(root))
        self.writes = []

    def write(self, path, content, mode, owner, group):
        self.writes.append(path)
        super().write(path, content, mode, owner, group)

    def put(self, path, content, mode="0600"):
        super().write(path, content, mode, *me())


def me():
    return pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name


def params(**options):
    owner, group = me()
    return dict({"path": PEM, "cer_path": None, "content": None, "common_name": "opennebula", "days": 365, "renew": False, "owner": owner, "group": group},
                **options)
