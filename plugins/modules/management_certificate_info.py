#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: management_certificate_info
short_description: Read the certificate with which OpenNebula manages an Azure subscription
version_added: "0.1.0"
description:
  - Tells whose certificate it is and how long it is good, and on demand the file, so that M(constellation.opennebula.management_certificate) can write it
    on other front-ends.
  - A missing file is an empty result, so that it can run on bare hosts.
options:
  path:
    description: The C(.pem) file.
    type: path
    required: true
  cer_path:
    description: The C(.cer) file. By default it is beside the other one.
    type: path
  reveal:
    description: Return the C(.pem) file as well, with its private key, so give the task C(no_log=true).
    type: bool
    default: false
seealso:
  - module: constellation.opennebula.management_certificate
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Read the certificate that the first front-end made
  constellation.opennebula.management_certificate_info:
    path: /etc/one/azure.pem
    reveal: true
  register: azure
  no_log: true
"""

RETURN = r"""
certificates:
  description: The certificate, none when there is no file.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The C(.pem) file.
      type: str
    cer_path:
      description: The C(.cer) file.
      type: str
    cer:
      description: Whether the C(.cer) file holds the same certificate.
      type: bool
    mode:
      description: Permissions of the C(.pem) file.
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
contents:
  description: Content of the C(.pem) file by path.
  returned: when O(reveal) is true
  type: dict
"""

from ..module_utils import glue
from ..module_utils.adapters.openssl import OpenSsl
from ..module_utils.adapters.tree import Tree
from ..module_utils.core import certificate


def read(params, tree, openssl):
    path = params["path"]
    cer_path = params["cer_path"] or certificate.cer_path(path)
    file, cer = tree.read(path), tree.read(cer_path)
    found = []
    if file:
        pem = certificate.split(file["content"], path)
        known = certificate.facts(pem, openssl.tell(pem.certificate, pem.key), openssl.now(), path)
        same = bool(cer) and cer["content"] == certificate.cer(pem)
        found.append(dict(known, path=path, cer_path=cer_path, cer=same, **{name: file[name] for name in certificate.META}))
    result = {"certificates": found}
    return dict(result, contents={path: file["content"]} if file else {}) if params["reveal"] else result


def main():
    module = glue.module(argument_spec=dict(
        path=dict(type="path", required=True),
        cer_path=dict(type="path"),
        reveal=dict(type="bool", default=False),
    ))
    glue.run(module, lambda: read(module.params, Tree(), OpenSsl()))


if __name__ == "__main__":
    main()
