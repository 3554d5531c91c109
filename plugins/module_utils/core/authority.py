# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small certificate authority: two files and what it signs. Its key is in no text of this module."""
from __future__ import annotations

from . import certificate, tls
from .errors import CoreError, Problems
from .plan import Change, Plan

PEM, KEY = "ca.pem", "ca.key"
# The key stays when the certificate is renewed, and what it signs names it by that key only (keyid), so what it has signed stays good.
CONFIG = """[req]
distinguished_name = name
x509_extensions = authority
prompt = no
[name]
CN = {common_name}
[authority]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""
KEY_META = {"mode": "0600", "owner": "root", "group": "root"}
PEM_META = {"mode": "0644", "owner": "root", "group": "root"}


def paths(directory):
    """Return the files of the key and of the certificate."""
    return f"{directory.rstrip('/')}/{KEY}", f"{directory.rstrip('/')}/{PEM}"


def checked(options):
    """Raise Problems about what is asked for."""
    found = []
    if not certificate.is_common_name(options["common_name"]):
        found.append("common_name must be up to 64 letters, digits, blanks and ._@-")
    if not 1 <= options["certificate_days"] < options["days"] <= certificate.MAX_DAYS:
        found.append(f"certificate_days must be at least 1 and below days, and days at most {certificate.MAX_DAYS}")
    if options["request"] is not None and not options["names"]:
        found.append("a request without names: nobody could verify the certificate")
    found += tls.strange(options["names"])
    if found:
        raise Problems("the authority is declared with mistakes", found, "Nothing was changed.")


def config(common_name):
    return CONFIG.format(common_name=common_name)


def plan(files, paths, options, known, signed):
    """Return the Plan. files: (key, certificate) as they are; known: facts of the certificate, None without one; signed: the request was done."""
    key, pem = files
    if pem and not key:
        raise CoreError("the authority has lost its key", paths[1], f"there is no {paths[0]}",
                        "Put the key back from its copy. To begin with a new authority, remove the certificate too; every server then gets a new certificate.")
    changes = _file("key", paths[0], key, KEY_META, "made" if key is None else "")
    due = "made" if known is None else "renewed" if known["days_left"] < options["certificate_days"] else ""
    changes += _file("certificate", paths[1], pem, PEM_META, due)
    if options["request"] is not None and not signed:
        changes += (Change("signature", options["names"][0], None, {"names": options["names"], "days": options["certificate_days"]}),)
    return Plan(changes)


def _file(kind, path, now, want, told):
    have = now and {name: now[name] for name in certificate.META}
    return (Change(kind, path, have, dict(want, content=told) if told else want),) if told or have != want else ()
