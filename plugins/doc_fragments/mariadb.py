# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:

    DOCUMENTATION = r"""
options:
  login_unix_socket:
    description:
      - Unix socket of the server. When absent, the places where Debian and EL put it are tried.
    type: path
  login_host:
    description:
      - Speak to the server over TCP at this address instead of the unix socket.
    type: str
  login_port:
    description:
      - TCP port that goes with O(login_host).
    type: int
    default: 3306
  login_user:
    description:
      - User to log in as. C(root) on the unix socket needs no password on Debian and EL.
    type: str
    default: root
  login_password:
    description:
      - Password of O(login_user), when it needs one.
    type: str
  login_tls_ca:
    description:
      - File with the certificate authorities to trust. With it a connection over TCP is made over TLS or not at all, and the server's certificate must
        name O(login_host).
    type: path
  connect_timeout_s:
    description:
      - How long to wait for the server to accept the connection, in seconds.
    type: int
    default: 10
requirements:
  - PyMySQL on the managed host (python3-pymysql; the role C(constellation.opennebula.database) installs it)
"""

    REPAIR = r"""
options:
  database:
    description:
      - Name of the database, on both sides.
    type: str
    default: opennebula
  user:
    description:
      - User on the servers that this one pulls from. It needs C(SELECT) on the database and C(SLAVE MONITOR).
    type: str
    required: true
  password:
    description:
      - Password of O(user). The client programs get it in a file that only root can read.
    type: str
    required: true
  tls_ca:
    description:
      - File with the certificate authorities to trust. With it the servers that this one pulls from are asked over TLS or not at all.
    type: path
"""
