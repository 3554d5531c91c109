# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate with its private key in one .pem file, and the same certificate in DER beside it (.cer), as Azure's management API wants them.

The .cer is derived from the .pem and never the other way round: DER is what the base64 between the PEM lines decodes to (RFC 7468).
What only openssl can tell (does the key belong to the certificate, until when is it good) comes in as its raw output.
"""
from __future__ import annotations

import base64
import datetime
import hashlib
import re
from dataclasses import dataclass

from .errors import CoreError, Problems
from .plan import Change, Plan

PEM_MODE, CER_MODE = "0600", "0644"
SOON_DAYS = 30
MAX_DAYS = 36500
GIVE_OR_RENEW = "Give a right one as content, or ask for a new one with renew; the file stays as it is."

_BLOCK = re.compile(r"^-----BEGIN ([A-Z0-9 ]+)-----[ \t]*\n(.*?)^-----END \1-----[ \t]*$", re.MULTILINE | re.DOTALL)
_COMMON_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}\Z")
_PUBLIC = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
_END = re.compile(r"^notAfter=([A-Z][a-z]{2}) +([0-9]+) ([0-9]+):([0-9]+):([0-9]+) ([0-9]+)", re.MULTILINE)
_SUBJECT = re.compile(r"^subject= *(.*)$", re.MULTILINE)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")       # what openssl writes in the C locale
META = ("mode", "owner", "group")


@dataclass(frozen=True)
class Pem:
    """The certificate and its private key, each a PEM block with its lines."""

    certificate: str
    key: str

    def __repr__(self):
        return "Pem(…)"         # never in a traceback


def problems(options):
    """Return the mistakes in what is asked for, as sentences that begin with the option they mean."""
    found = []
    if options["cer_path"] == options["path"]:
        found.append("cer_path is the same file as path")
    if not is_common_name(options["common_name"]):
        found.append("common_name must be up to 64 letters, digits, blanks and ._@-")
    if not 1 <= options["days"] <= MAX_DAYS:
        found.append(f"days must be between 1 and {MAX_DAYS}")
    if options["content"] is not None and options["renew"]:
        found.append("content and renew exclude each other: what is given is not made")
    return found


def is_common_name(text):
    return bool(_COMMON_NAME.match(text))


def cer_path(path):
    """Return where the .cer goes when nothing is said.

    >>> cer_path("/etc/one/azure.pem"), cer_path("/etc/one/azure")
    ('/etc/one/azure.cer', '/etc/one/azure.cer')
    """
    return (path[:-len(".pem")] if path.endswith(".pem") else path) + ".cer"


def normal(text):
    """Return PEM text with the line ends that openssl and the Azure driver expect, and one at the end."""
    return text.replace("\r\n", "\n").strip() + "\n"


def split(text, where):
    """Return the Pem in a text; raises CoreError, which never carries any of it."""
    blocks = [(match.group(1), match.group(0).rstrip() + "\n") for match in _BLOCK.finditer(normal(text))]
    certificates = [block for label, block in blocks if label in ("CERTIFICATE", "X509 CERTIFICATE")]
    keys = [(label, block) for label, block in blocks if label.endswith("PRIVATE KEY")]
    faults = [] if certificates else ["it has no certificate (-----BEGIN CERTIFICATE-----)"]
    if len(keys) != 1:
        faults.append("it has no private key" if not keys else f"it has {len(keys)} private keys")
    elif keys[0][0].startswith("ENCRYPTED") or "ENCRYPTED" in keys[0][1].partition("\n\n")[0]:
        faults.append("its private key is encrypted, the driver could not read it")
    if not faults and _decoded(certificates[0]) is None:
        faults.append("the lines of its certificate are no base64")
    if faults:
        raise CoreError("this is no certificate with its private key", where, ", ".join(faults), GIVE_OR_RENEW)
    return Pem(certificates[0], keys[0][1])


def _decoded(block):
    lines = block.strip().splitlines()[1:-1]
    try:
        return base64.b64decode("".join(line.strip() for line in lines), validate=True) or None
    except ValueError:
        return None


def cer(pem):
    """Return the certificate in DER, as the text that adapters/tree.py writes byte for byte."""
    return _decoded(pem.certificate).decode("utf-8", "surrogateescape")


def facts(pem, told, now, where):
    """Return what is known of a certificate: subject, not_after, days_left, fingerprint_sha256; raises CoreError for a key that is another's.

    told: {"x509": output of openssl x509 -subject -enddate -pubkey, "public": output of openssl pkey -pubout}; now: seconds since 1970.
    """
    of_certificate, of_key = _PUBLIC.search(told["x509"]), _PUBLIC.search(told["public"])
    known = about(pem.certificate, told["x509"], now, where)
    if not of_certificate or not of_key:
        raise CoreError("cannot read the certificate", where, "openssl does not tell its public key", GIVE_OR_RENEW)
    if of_certificate.group(0).split() != of_key.group(0).split():
        raise CoreError("the private key does not belong to the certificate", where, "their public keys differ", GIVE_OR_RENEW)
    return known


def about(block, told, now, where):
    """Return the facts of a certificate that need no key; told: output of openssl x509 -subject -enddate."""
    end = _END.search(told)
    if not end:
        raise CoreError("cannot read the certificate", where, "openssl does not tell its end", GIVE_OR_RENEW)
    month, day, hour, minute, second, year = end.groups()
    until = datetime.datetime(int(year), MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=datetime.timezone.utc)
    subject = _SUBJECT.search(told)
    return {"subject": subject.group(1).strip() if subject else "", "not_after": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "days_left": int((until.timestamp() - now) // 86400), "fingerprint_sha256": fingerprint(block)}


def fingerprint(block):
    """Return the SHA-256 fingerprint of a certificate in PEM, as openssl spells it."""
    digest = hashlib.sha256(_decoded(block)).hexdigest().upper()
    return ":".join(digest[at:at + 2] for at in range(0, len(digest), 2))


def warnings(known, where):
    """Return what the operator should know about the end of a certificate."""
    if known is None or known["days_left"] >= SOON_DAYS:
        return ()
    left = known["days_left"]
    when = f"ended on {known['not_after']}" if left < 0 else f"ends in {left} day{'s' if left != 1 else ''}, on {known['not_after']}"
    return (f"{where}: the certificate {when}; ask for a new one with renew and upload its .cer, or give one as content",)


def plan(state, options, content, known):
    """Return the Plan for both files.

    state: {path: file or None}; content: the text that shall be in the .pem, None for one that is still to be made; known: its facts, or None.
    """
    pem, other = state[options["path"]], state[options["cer_path"]]
    made = content is None
    after = {"mode": PEM_MODE, "owner": options["owner"], "group": options["group"]}
    changes = []
    if made or pem is None or pem["content"] != content:
        told = {"content": "made", "common_name": options["common_name"], "days": options["days"]} if made else {"content": "changed"}
        changes.append(Change("certificate", options["path"], _meta(pem), dict(after, **told)))
    elif _meta(pem) != after:
        changes.append(Change("certificate", options["path"], _meta(pem), after))
    after = dict(after, mode=CER_MODE)
    if made or other is None or other["content"] != cer(split(content, options["path"])):
        changes.append(Change("file", options["cer_path"], _meta(other), dict(after, content="changed")))
    elif _meta(other) != after:
        changes.append(Change("file", options["cer_path"], _meta(other), after))
    return Plan(tuple(changes), () if made else warnings(known, options["path"]))


def _meta(file):
    return file and {name: file[name] for name in META}


def wanted_files(options, content):
    """Return {path: {content, mode, owner, group}} for the text of a .pem."""
    owner = {"owner": options["owner"], "group": options["group"]}
    return {options["path"]: dict(owner, content=content, mode=PEM_MODE),
            options["cer_path"]: dict(owner, content=cer(split(content, options["path"])), mode=CER_MODE)}


def checked(options):
    """Return the options with defaults that depend on others; raises Problems."""
    options = dict(options, cer_path=options["cer_path"] or cer_path(options["path"]))
    found = problems(options)
    if found:
        raise Problems("the management certificate is declared with mistakes", found)
    return options
