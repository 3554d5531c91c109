#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: management_certificate
short_description: Keep the certificate with which OpenNebula manages an Azure subscription
version_added: "0.1.0"
description:
  - Writes a certificate with its private key into one C(.pem) file, for the driver, and the same certificate in DER into a C(.cer) file, to be uploaded
    to Azure. The C(.cer) always follows the C(.pem).
  - The certificate is given with O(content), or made when there is none. One that is there is never replaced by a made one unless O(renew) asks for it,
    because Azure accepts a new one only after its C(.cer) was uploaded.
  - The private key is neither shown nor logged, and passes to C(openssl) through a pipe. Each file is replaced as a whole.
  - Warns when fewer than 30 days are left.
options:
  path:
    description: The C(.pem) file. It is readable by its owner alone.
    type: path
    required: true
  cer_path:
    description: The C(.cer) file. By default it is beside the other one.
    type: path
  content:
    description: A certificate and its private key in PEM, without a passphrase. Whatever else is in O(path) is replaced by it.
    type: str
  common_name:
    description: The name in a certificate that is made.
    type: str
    default: opennebula
  days:
    description: How long a certificate that is made is good.
    type: int
    default: 365
  renew:
    description: Make a new certificate although there is one. With it every run makes another one.
    type: bool
    default: false
  owner:
    description: User that owns the files.
    type: str
    default: oneadmin
  group:
    description: Group that owns the files.
    type: str
    default: oneadmin
notes:
  - Needs C(openssl) on the managed host. In check mode it may be missing; then the files are not looked into.
seealso:
  - module: constellation.opennebula.management_certificate_info
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Make the certificate for Azure on the first front-end, if there is none
  constellation.opennebula.management_certificate:
    path: /etc/one/azure.pem
    common_name: opennebula alpha
    days: 730

- name: Give this front-end the one of the first
  constellation.opennebula.management_certificate:
    path: /etc/one/azure.pem
    content: "{{ hostvars['alpha1'].azure.contents['/etc/one/azure.pem'] }}"
"""

RETURN = r"""
certificate:
  description: What is known of the certificate that is in the file.
  returned: always, empty in check mode for one that is still to be made
  type: dict
  sample:
    subject: CN=opennebula
    not_after: "2027-11-21T05:00:00Z"
    days_left: 364
    fingerprint_sha256: "5F:0A:…"
changes:
  description: What was changed, or would be in check mode. Contents are not shown.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: certificate
      target: /etc/one/azure.pem
      before: null
      after: {mode: "0600", owner: oneadmin, group: oneadmin, content: made, common_name: opennebula, days: 365}
"""

from ..module_utils import glue
from ..module_utils.adapters.openssl import OpenSsl
from ..module_utils.adapters.tree import Tree
from ..module_utils.core import certificate
from ..module_utils.core.converge import Outcome, converge
from ..module_utils.core.errors import NotThere


def ensure(params, tree, openssl, check_mode):
    options = certificate.checked(params)
    given = None if options["content"] is None else certificate.normal(options["content"])
    where = options["path"] if given is None else "content"
    made, known = [], {}

    def read():
        return {path: tree.read(path) for path in (options["path"], options["cer_path"])}

    def plan(state):
        there = state[options["path"]]
        fresh = options["renew"] and not made
        content = given if given is not None else None if fresh or not there else there["content"]
        known.clear()
        if content is not None:
            known.update(look(content) or {})
        return certificate.plan(state, options, content, known or None)

    def look(content):
        pem = certificate.split(content, where)
        try:
            return certificate.facts(pem, openssl.tell(pem.certificate, pem.key), openssl.now(), where)
        except NotThere:
            if not check_mode:
                raise
            return None         # openssl comes with what the run installs before

    def apply(todo):
        content = given
        if given is None:
            there = None if options["renew"] else read()[options["path"]]
            content = there["content"] if there else openssl.make(options["common_name"], options["days"])
        made.append(True)
        files = certificate.wanted_files(options, content)
        for change in todo:
            tree.write(change.target, **files[change.target])

    outcome = converge(read, plan, apply, check_mode)
    return Outcome(outcome.plan, {"certificate": dict(known)})


def main():
    module = glue.module(argument_spec=dict(
        path=dict(type="path", required=True),
        cer_path=dict(type="path"),
        content=dict(type="str", no_log=True),
        common_name=dict(type="str", default="opennebula"),
        days=dict(type="int", default=365),
        renew=dict(type="bool", default=False),
        owner=dict(type="str", default="oneadmin"),
        group=dict(type="str", default="oneadmin"),
    ))
    glue.run(module, lambda: ensure(module.params, Tree(), OpenSsl(), module.check_mode))


if __name__ == "__main__":
    main()
