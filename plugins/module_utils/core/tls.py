# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates with which servers prove who they are: what one must say, whether the one that is there still does, and how one is signed.

A server's certificate (with its chain) and its key are one file, so that both are replaced in one step. Who connects compares the address that it
used with the certificate's subject alternative names, so a service address belongs into the certificates of all servers that may have it.
What only openssl can tell comes in as its raw output. Keys are in no text of this module.
"""
from __future__ import annotations

import ipaddress
import re

from . import certificate
from .errors import CoreError, Problems
from .plan import Change, Plan

PEM, CA = "server.pem", "ca.pem"
PEM_MODE, PUBLIC_MODE = "0600", "0644"
_SECTION = re.compile(r"X509v3 Subject Alternative Name: *(?:critical)? *\n *(.*)")
_KEY = re.compile(r"^-----BEGIN [A-Z ]*PRIVATE KEY-----.*?^-----END [A-Z ]*PRIVATE KEY-----", re.MULTILINE | re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9_*]([A-Za-z0-9_.-]{0,250}[A-Za-z0-9])?\Z")

# Strict verification (Python 3.13, OpenSSL's -x509_strict) wants the key identifiers and a critical basicConstraints.
SERVER_EXTENSIONS = """basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth,clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""


def paths(directory):
    """Return the files of the certificate with its key, and of the authorities."""
    return f"{directory.rstrip('/')}/{PEM}", f"{directory.rstrip('/')}/{CA}"


# --- names -------------------------------------------------------------------------------------------------------------------

def normal_name(name):
    """Return a name for comparison: an address in its short form, a host name in lower case.

    >>> normal_name("FD00:0:0:0:0:0:0:1"), normal_name("Alpha1")
    ('fd00::1', 'alpha1')
    """
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


def entry(name):
    """Return one subject alternative name as openssl wants it.

    >>> entry("10.0.0.1"), entry("alpha1")
    ('IP:10.0.0.1', 'DNS:alpha1')
    """
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def names_told(text):
    """Return the subject alternative names in the output of openssl x509 -text."""
    section = _SECTION.search(text)
    entries = [one.strip().partition(":") for one in section.group(1).split(",")] if section else []
    return sorted({normal_name(value.strip()) for kind, dummy, value in entries if kind in ("DNS", "IP Address")})


def missing_names(wanted, have):
    return [name for name in wanted if normal_name(name) not in have]


def strange(names):
    """Return what is wrong with names that shall be in a certificate, as sentences."""
    return [f"names: {name!r} is neither an address nor a host name" for name in names if not entry(name).startswith("IP:") and not _HOST.match(name)]


def extensions(names):
    return SERVER_EXTENSIONS.format(names=",".join(entry(name) for name in names))


# --- asked for ---------------------------------------------------------------------------------------------------------------

def checked(options):
    """Raise Problems about the options of a server's certificate."""
    found = [] if options["names"] else ["names is empty: nobody could verify the certificate"]
    found += strange(options["names"])
    found += [f"names: {name!r} is longer than the 64 characters of a common name" for name in options["names"][:1] if len(name) > 64]
    if options["key"] is not None and not options["certificate"]:
        found.append("a key is given without its certificate")
    if not 0 <= options["renew_days"] <= certificate.MAX_DAYS:
        found.append(f"renew_days must be between 0 and {certificate.MAX_DAYS}")
    if found:
        raise Problems("the certificate is declared with mistakes", found, "Nothing was changed.")


# --- read --------------------------------------------------------------------------------------------------------------------

def key_of(text):
    """Return the private key in a text, None without exactly one that can be used without a passphrase."""
    keys = [match.group(0) + "\n" for match in _KEY.finditer(certificate.normal(text or ""))]
    return keys[0] if len(keys) == 1 and "ENCRYPTED" not in keys[0].partition("\n\n")[0] else None


def chain_of(text):
    """Return everything but the private keys: the certificate and those above it."""
    return certificate.normal(_KEY.sub("", certificate.normal(text)))


def facts(content, openssl, ca, where):
    """Return what is known of a server's certificate: that of core.certificate, its names, and why ``ca`` does not vouch for it ("" when it does).

    openssl: the adapter. Raises CoreError for what is no certificate with its key.
    """
    pem = certificate.split(content, where)
    told = openssl.tell(pem.certificate, pem.key)
    known = certificate.facts(pem, told, openssl.now(), where)
    return dict(known, names=names_told(told["x509"]), untrusted=openssl.distrust(ca, chain_of(content), pem.certificate) if ca else "")


def why_new(known, names, renew_days):
    """Return why a certificate must be replaced, "" for one that is right."""
    if known is None:
        return "there is none"
    if known["untrusted"]:
        return f"the authority does not vouch for it ({known['untrusted']})"
    left_out = missing_names(names, known["names"])
    if left_out:
        return f"it does not name {', '.join(left_out)}"
    if known["days_left"] < renew_days:
        return f"it ended on {known['not_after']}" if known["days_left"] < 0 else f"it ends on {known['not_after']}"
    return ""


def refuse_given(known, names, where):
    """Raise CoreError for a given certificate that nobody would accept."""
    reason = why_new(known, names, 0)
    if reason:
        raise CoreError("refusing the given certificate", where, reason,
                        "Give one of this authority that names " + ", ".join(names) + ". Nothing was changed.", names=known["names"])


# --- compare -----------------------------------------------------------------------------------------------------------------

def warnings(known, soon_days, where):
    if known and known["days_left"] < soon_days:
        return (f"{where}: the certificate ends in {known['days_left']} days, on {known['not_after']}; give a new one",)
    return ()


def file_change(kind, path, now, want, told=None):
    """Return the Changes of one file; contents are not shown. want: {content, mode, owner, group}; content None is still to be made."""
    meta = {name: want[name] for name in certificate.META}
    same = now is not None and want["content"] is not None and now["content"] == want["content"]
    if same and {name: now[name] for name in certificate.META} == meta:
        return ()
    before = now and {name: now[name] for name in certificate.META}
    return (Change(kind, path, before, meta if same else dict(meta, **(told or {"content": "changed"})), step=want),)


def plan(files, wanted, told, notes=()):
    """Return the Plan of a server's files. files: as they are; wanted: {path: {content, mode, owner, group}}; told: {path: what to say about it}."""
    changes = ()
    for path, want in wanted.items():
        changes += file_change("certificate" if path.endswith(PEM) else "file", path, files[path], want, told.get(path))
    return Plan(changes, tuple(notes))
