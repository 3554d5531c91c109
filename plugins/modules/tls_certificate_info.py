#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: tls_certificate_info
short_description: Read the certificate with which a server of this host proves who it is
version_added: "0.1.0"
description:
  - Tells whose certificate it is, how long it is good, which names it carries and whether its clients trust it. The private key stays where it is.
  - A missing file is an empty result, so that it can run on bare hosts.
attributes:
  check_mode:
    description: Only reads.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
options:
  directory:
    description: Where the files are.
    type: path
    default: /etc/constellation/tls
notes:
  - Needs C(openssl) 1.1.1 or newer on the managed host.
seealso:
  - module: constellation.opennebula.tls_certificate
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Read the database's certificate
  constellation.opennebula.tls_certificate_info:
  register: seen
"""

RETURN = r"""
certificates:
  description: The certificate, none when there is no file.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The file.
      type: str
    mode:
      description: Its permissions.
      type: str
    owner:
      description: User that owns it.
      type: str
    group:
      description: Group that owns it.
      type: str
    subject:
      description: Whose certificate it is.
      type: str
    not_after:
      description: Until when it is good.
      type: str
    days_left:
      description: Days until then; negative when it is over.
      type: int
    fingerprint_sha256:
      description: Its SHA-256 fingerprint.
      type: str
    names:
      description: Its subject alternative names.
      type: list
      elements: str
    untrusted:
      description: Why C(ca.pem) beside it does not vouch for it, empty when it does.
      type: str
"""

from ..module_utils import glue
from ..module_utils.adapters.openssl import OpenSsl
from ..module_utils.adapters.tree import Tree
from ..module_utils.core import certificate, tls


def read(params, tree, openssl):
    path, ca_path = tls.paths(params["directory"])
    file, ca = tree.read(path), tree.read(ca_path)
    if not file:
        return {"certificates": []}
    known = tls.facts(file["content"], openssl, ca["content"] if ca else "", path)
    if not ca:
        known["untrusted"] = f"there is no {ca_path}"
    return {"certificates": [dict(known, path=path, **{name: file[name] for name in certificate.META})]}


def main():
    module = glue.module(argument_spec=dict(directory=dict(type="path", default="/etc/constellation/tls")))
    glue.run(module, lambda: read(module.params, Tree(), OpenSsl()))


if __name__ == "__main__":
    main()
