#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: tls_authority
short_description: Keep a small certificate authority, and sign with it
version_added: "0.1.0"
description:
  - Keeps the private key (C(ca.key), for root alone) and the certificate (C(ca.pem)) of an authority in O(directory) of this host, and makes both where
    there is neither.
  - With O(request) it signs a certificate for a server. Which names that carries is decided here, by O(names), whatever the request says.
  - Its own certificate is renewed with the same key before it could end earlier than one that it signs, so nothing that it has signed becomes invalid.
  - An authority whose key was taken away is an error, never a reason to make another one.
  - The private key is neither shown nor logged, and passes to C(openssl) through a pipe.
attributes:
  check_mode:
    description: Predicts what is made or signed; nothing is.
    support: full
  diff_mode:
    description: Shows that the files change, not their contents.
    support: partial
  idempotent:
    description: Every O(request) is signed anew; give one only when a certificate is needed.
    support: partial
options:
  directory:
    description: Where the authority is kept.
    type: path
    default: /etc/constellation/authority
  common_name:
    description: Name in the certificate of an authority that is made.
    type: str
    default: constellation.opennebula databases
  days:
    description: How long the authority's certificate is good.
    type: int
    default: 3650
  request:
    description: A certificate request in PEM. Empty in check mode for one that is still to be made.
    type: str
  names:
    description: Addresses and host names that the signed certificate carries.
    type: list
    elements: str
    default: []
  certificate_days:
    description: How long the signed certificate is good.
    type: int
    default: 730
notes:
  - Needs C(openssl) 1.1.1 or newer on this host. In check mode it may be missing.
  - Whoever has C(ca.key) can be any of the servers. Keep a copy where you keep your passwords; without it a new authority is made, and every server needs
    a new certificate at the same time.
seealso:
  - module: constellation.opennebula.tls_authority_info
  - module: constellation.opennebula.tls_certificate
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Keep the authority
  constellation.opennebula.tls_authority:
  register: authority

- name: Sign what a server asks for
  constellation.opennebula.tls_authority:
    request: "{{ wanted.request }}"
    names: [alpha1, 10.90.1.11, 10.90.1.100]
  register: signed
"""

RETURN = r"""
ca:
  description: The authority's certificate, which clients must trust. Empty in check mode while there is none.
  returned: always
  type: str
  sample: |
    -----BEGIN CERTIFICATE-----
    …
certificate:
  description: The signed certificate. Empty in check mode.
  returned: when O(request) is given
  type: str
changes:
  description: What was changed, or would be in check mode. Contents are not shown.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: signature
      target: alpha1
      before: null
      after: {names: [alpha1, 10.90.1.11, 10.90.1.100], days: 730}
"""

from ..module_utils import glue
from ..module_utils.adapters.openssl import OpenSsl
from ..module_utils.adapters.tree import Tree
from ..module_utils.core import authority, tls
from ..module_utils.core.converge import converge
from ..module_utils.core.errors import NotThere


def ensure(params, tree, openssl, check_mode):
    authority.checked(params)
    paths = authority.paths(params["directory"])
    results = {} if params["request"] is None else {"certificate": ""}

    def read():
        return tuple(tree.read(name) for name in paths)

    def plan(files):
        results["ca"] = files[1]["content"] if files[1] else ""
        return authority.plan(files, paths, params, known(*files), bool(results.get("certificate")))

    def known(key, pem):
        try:
            return tls.facts(pem["content"] + key["content"], openssl, "", paths[1]) if pem and key else None
        except NotThere:
            if not check_mode:
                raise
            return None

    def apply(todo):
        for change in todo:
            key, pem = read()
            if change.kind == "signature":
                results["certificate"] = openssl.sign(params["request"], pem["content"], key["content"], tls.extensions(params["names"]),
                                                      params["certificate_days"])
                continue
            meta = {name: change.after[name] for name in ("mode", "owner", "group")}
            if change.kind == "key":
                content = key["content"] if key else openssl.key()
            elif "content" in change.after:
                content = openssl.authority(key["content"], authority.config(params["common_name"]), params["days"])
            else:
                content = pem["content"]
            tree.write(change.target, content, **meta)

    return converge(read, plan, apply, check_mode, results)


def main():
    module = glue.module(argument_spec=dict(
        directory=dict(type="path", default="/etc/constellation/authority"),
        common_name=dict(type="str", default="constellation.opennebula databases"),
        days=dict(type="int", default=3650),
        request=dict(type="str"),
        names=dict(type="list", elements="str", default=[]),
        certificate_days=dict(type="int", default=730),
    ))
    glue.run(module, lambda: ensure(module.params, Tree(), OpenSsl(), module.check_mode))


if __name__ == "__main__":
    main()
