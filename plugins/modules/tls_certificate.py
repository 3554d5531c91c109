#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: tls_certificate
short_description: Keep the certificate with which a server of this host proves who it is
version_added: "0.1.0"
description:
  - Keeps two files in O(directory). C(server.pem) is the certificate with its chain and its private key, for the server alone. C(ca.pem) are the
    authorities that its clients trust.
  - The certificate is given with O(certificate) and O(key), or signed by an authority, such as that of M(constellation.opennebula.tls_authority). Then
    the private key is made here and never leaves the host; RV(reason) says whether a certificate is needed and RV(request) is what the authority signs;
    given back as O(certificate), without a key, it is put into place.
  - A certificate is needed when there is none, when O(ca) does not vouch for it, when it lacks one of the names, or when it ends soon.
  - A given certificate that its clients would refuse is refused here, before anything is written.
  - The private key is neither shown nor logged, and passes to C(openssl) through a pipe. Each file is replaced as a whole.
attributes:
  check_mode:
    description: Predicts which files change. Whether a certificate is needed can be told without changing anything.
    support: full
  diff_mode:
    description: Shows that the files change, not their contents.
    support: partial
  idempotent:
    description: A certificate that is right is not touched.
    support: full
options:
  directory:
    description: Where the files are.
    type: path
    default: /etc/constellation/tls
  names:
    description: Addresses and host names under which clients connect to this server. The first is also the common name.
    type: list
    elements: str
    required: true
  ca:
    description: Certificates of the authorities that clients trust, in PEM. Empty in check mode when the authority is still to be made.
    type: str
    required: true
  certificate:
    description: The certificate in PEM, followed by those between it and O(ca), if any.
    type: str
  key:
    description: The private key of O(certificate) in PEM, without a passphrase.
    type: str
  renew_days:
    description: A signed certificate is needed when fewer days are left. For a given one this only warns.
    type: int
    default: 90
  owner:
    description: User that the server runs as.
    type: str
    default: mysql
  group:
    description: Group of the files.
    type: str
    default: mysql
notes:
  - Needs C(openssl) 1.1.1 or newer on the managed host. In check mode it may be missing.
  - A running server takes up a new certificate with M(constellation.opennebula.database_service).
seealso:
  - module: constellation.opennebula.tls_certificate_info
  - module: constellation.opennebula.tls_authority
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Give the database its certificate
  constellation.opennebula.tls_certificate:
    names: [alpha1, 10.90.1.11, 10.90.1.100]
    ca: "{{ lookup('ansible.builtin.file', 'tls/ca.pem') }}"
    certificate: "{{ lookup('ansible.builtin.file', 'tls/alpha1.pem') }}"
    key: "{{ vault_database_key }}"

- name: Ask whether a certificate of our own authority is needed
  constellation.opennebula.tls_certificate:
    names: [alpha1, 10.90.1.11, 10.90.1.100]
    ca: "{{ authority.ca }}"
  register: wanted

- name: Put the signed certificate into place
  constellation.opennebula.tls_certificate:
    names: [alpha1, 10.90.1.11, 10.90.1.100]
    ca: "{{ authority.ca }}"
    certificate: "{{ signed.certificate }}"
  when: wanted.reason | length > 0
"""

RETURN = r"""
reason:
  description: Why a certificate of the authority is needed; empty when the one in place is right.
  returned: always
  type: str
  sample: it does not name 10.90.1.100
request:
  description: What the authority signs. Empty in check mode.
  returned: when RV(reason) is not empty
  type: str
  sample: |
    -----BEGIN CERTIFICATE REQUEST-----
    …
certificate:
  description: What is known of the certificate that is in place; empty when there is none.
  returned: always
  type: dict
  sample:
    subject: CN=alpha1
    not_after: "2028-11-21T05:00:00Z"
    days_left: 730
    fingerprint_sha256: "5F:0A:…"
    names: [10.90.1.100, 10.90.1.11, alpha1]
    untrusted: ""
changes:
  description: What was changed, or would be in check mode. Contents are not shown.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: certificate
      target: /etc/constellation/tls/server.pem
      before: null
      after: {mode: "0600", owner: mysql, group: mysql, content: signed}
"""

from ..module_utils import glue
from ..module_utils.adapters.openssl import OpenSsl
from ..module_utils.adapters.tree import Tree
from ..module_utils.core import certificate, tls
from ..module_utils.core.converge import converge
from ..module_utils.core.errors import CoreError, NotThere


def ensure(params, tree, openssl, check_mode):
    tls.checked(params)
    ca = certificate.normal(params["ca"]) if params["ca"].strip() else ""
    path, ca_path = tls.paths(params["directory"])
    owner = {"owner": params["owner"], "group": params["group"]}
    results = {}

    def read():
        return {name: tree.read(name) for name in (path, ca_path)}

    def known_of(file):
        """Return the facts of what is in place, None when it is missing or unusable: then another one is due anyway."""
        try:
            return tls.facts(file["content"], openssl, ca, path) if file and tls.key_of(file["content"]) else None
        except NotThere:
            if not check_mode:
                raise
        except CoreError:
            pass
        return None

    def plan(files):
        known = known_of(files[path])
        given = params["key"] is not None
        results.update(certificate=known or {}, reason="" if given else tls.why_new(known, params["names"], params["renew_days"]))
        now = files[path] and files[path]["content"]
        notes = ()
        if given:
            content, told, notes = from_given()
        elif params["certificate"] is not None:
            content, told = from_authority(now)
        else:
            content, told = (now, "changed") if tls.key_of(now) else (None, "key made")
        wanted = {path: dict(owner, content=content, mode=tls.PEM_MODE)}
        # While a certificate is asked for, clients still meet servers with one of the former authority.
        if ca and (files[ca_path] is None or not results["reason"] or params["certificate"] is not None):
            wanted[ca_path] = dict(owner, content=ca, mode=tls.PUBLIC_MODE)
        return tls.plan(files, wanted, {path: {"content": told}}, notes)

    def from_given():
        text = certificate.normal(params["certificate"]) + certificate.normal(params["key"])
        try:
            facts = tls.facts(text, openssl, ca, "certificate and key")
        except NotThere:
            if not check_mode:
                raise
            return text, "changed", ()
        except CoreError as error:
            raise CoreError(error.what, "certificate and key", error.why, "Give both in PEM, the key without a passphrase. Nothing was changed.") from None
        tls.refuse_given(facts, params["names"], "certificate")
        return text, "changed", tls.warnings(facts, params["renew_days"], path)

    def from_authority(now):
        if check_mode and not params["certificate"]:
            return None, "signed"
        text = certificate.normal(params["certificate"]) + (tls.key_of(now) or "")
        if text != now:
            tls.refuse_given(tls.facts(text, openssl, ca, path), params["names"], "certificate")
        return text, "signed"

    def apply(todo):
        for change in todo:
            want = change.step
            tree.write(change.target, **(want if want["content"] is not None else dict(want, content=openssl.key())))

    outcome = converge(read, plan, apply, check_mode, results)
    if results["reason"] and check_mode:
        results["request"] = ""
    elif results["reason"]:
        key = tls.key_of((tree.read(path) or {}).get("content"))
        results["request"] = openssl.request(key, params["names"][0]) if key else ""
    return outcome


def main():
    module = glue.module(argument_spec=dict(
        directory=dict(type="path", default="/etc/constellation/tls"),
        names=dict(type="list", elements="str", required=True),
        ca=dict(type="str", required=True),
        certificate=dict(type="str"),
        key=dict(type="str", no_log=True),
        renew_days=dict(type="int", default=90),
        owner=dict(type="str", default="mysql"),
        group=dict(type="str", default="mysql"),
    ))
    glue.run(module, lambda: ensure(module.params, Tree(), OpenSsl(), module.check_mode))


if __name__ == "__main__":
    main()
