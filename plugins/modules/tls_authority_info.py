#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: tls_authority_info
short_description: Read the certificate of the small authority of this host
version_added: "0.1.0"
description:
  - Tells whose certificate it is and how long it is good, and whether its key is here. The key is not read.
  - A missing authority is an empty result, so that it can run on bare hosts.
attributes:
  check_mode:
    description: Only reads.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
options:
  directory:
    description: Where the authority is kept.
    type: path
    default: /etc/constellation/authority
notes:
  - Needs C(openssl) 1.1.1 or newer on this host.
seealso:
  - module: constellation.opennebula.tls_authority
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Read the authority
  constellation.opennebula.tls_authority_info:
  register: seen
"""

RETURN = r"""
authorities:
  description: The authority, none when there is no certificate.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: File of its certificate.
      type: str
    ca:
      description: The certificate in PEM, which clients must trust.
      type: str
    key:
      description: Whether its key is here, so that it can sign.
      type: bool
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
"""

from ..module_utils import glue
from ..module_utils.adapters.openssl import OpenSsl
from ..module_utils.adapters.tree import Tree
from ..module_utils.core import authority, certificate


def read(params, tree, openssl):
    dummy, path = authority.paths(params["directory"])
    file = tree.read(path)
    if not file:
        return {"authorities": []}
    known = certificate.about(file["content"], openssl.about(file["content"]), openssl.now(), path)
    return {"authorities": [dict(known, path=path, ca=file["content"], key=authority.KEY in (tree.names(params["directory"]) or ()))]}


def main():
    module = glue.module(argument_spec=dict(directory=dict(type="path", default="/etc/constellation/authority")))
    glue.run(module, lambda: read(module.params, Tree(), OpenSsl()))


if __name__ == "__main__":
    main()
