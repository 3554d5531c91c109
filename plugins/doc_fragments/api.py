# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every module that speaks with an OpenNebula daemon."""
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  endpoint:
    description: Where the daemon's XML-RPC interface answers. The default is the daemon on the host that the task runs on.
    type: str
    default: http://localhost:2633/RPC2
  auth_file:
    description:
      - File on the managed host that holds V(user:password), in the form of C($ONE_AUTH).
      - By default the module is oneadmin by the file of oneadmin's own tools, so that no password travels through Ansible.
    type: path
    default: /var/lib/one/.one/one_auth
  username:
    description: Log in as this user instead of by O(auth_file).
    type: str
  password:
    description: The password (or login token) of O(username).
    type: str
  timeout_s:
    description: Seconds to wait for an answer of the daemon.
    type: int
    default: 30
  ca_file:
    description: Certificate authorities to trust for an C(https) endpoint; by default the host's own.
    type: path
  validate_certs:
    description: Whether to check the certificate of an C(https) endpoint.
    type: bool
    default: true
"""

    WAIT = r"""
options:
  wait_timeout_s:
    description: Seconds to wait for a daemon that does not answer yet. Check mode does not wait.
    type: int
    default: 0
"""
