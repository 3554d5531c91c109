#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: frontend_info
short_description: Read what a front-end is at this moment
version_added: "0.1.0"
description:
  - Reads the addresses of the host, the state of its OpenNebula and cluster services in systemd, the free space of its disks, and asks the zone's
    endpoint for the daemon's version and the zones of the federation.
  - Changes nothing. A daemon that does not answer is a result, not a failure.
author:
  - The constellation.opennebula team (@constellation)
options:
  services:
    description: OpenNebula's services, named as their systemd units.
    type: list
    elements: str
    default: [opennebula]
  endpoint:
    description: The endpoint to ask, usually the one at the zone's address.
    type: str
    default: http://localhost:2633/RPC2
  auth_file:
    description: File with C(user:password), by default the one of oneadmin's own tools.
    type: path
    default: /var/lib/one/.one/one_auth
  shared_addresses:
    description:
      - Addresses that move between front-ends, as in C(192.0.2.100). The network is asked who else has them.
      - Only addresses on the Ethernet of an interface of this host can be asked for (ARP, and neighbour solicitation for IPv6); needs root.
    type: list
    elements: str
    default: []
  paths:
    description: Where the database, OpenNebula and their logs write. Of those that are there the free space is told, once for each filesystem.
    type: list
    elements: path
    default: [/var/lib/mysql, /var/lib/one, /var/log]
  timeout_s:
    description: Seconds to wait for an answer of the daemon.
    type: int
    default: 5
attributes:
  check_mode:
    support: full
    description: Only reads.
"""

EXAMPLES = r"""
- name: Look at the front-end
  constellation.opennebula.frontend_info:
    services: [opennebula, opennebula-sunstone]
    endpoint: http://192.0.2.100:2633/RPC2
  register: seen
"""

RETURN = r"""
addresses:
  description: IP addresses of the host's interfaces, those that the cluster put there included.
  returned: success
  type: list
  elements: str
  sample: [192.0.2.11, 192.0.2.100]
macs:
  description: Hardware addresses of the host's interfaces.
  returned: success
  type: list
  elements: str
  sample: ["02:00:c0:00:02:0b"]
others:
  description: The hardware addresses of other hosts that answer for each of O(shared_addresses), V(null) where the network could not be asked.
  returned: success
  type: dict
  sample: {"192.0.2.100": ["02:00:c0:00:02:0c"]}
units:
  description: The services and the cluster's own units, by name.
  returned: success
  type: dict
  sample: {"opennebula": {"installed": true, "active": true, "enabled": false}}
disks:
  description: The filesystems of O(paths), each under the first of its paths. C(free_files) is null where files are not counted.
  returned: success
  type: list
  elements: dict
  sample: [{"path": "/var/lib/mysql", "free_mb": 8123, "free_files": 520192}]
daemon:
  description: What the endpoint answered.
  returned: success
  type: dict
  sample: {"endpoint": "http://192.0.2.100:2633/RPC2", "answers": true, "version": "5.0.2", "why": "",
           "zones": [{"id": 0, "name": "OpenNebula", "endpoint": "-"}]}
"""

from ..module_utils import glue
from ..module_utils.adapters import opennebula, system
from ..module_utils.core import arp, zones
from ..module_utils.core.errors import CoreError

CLUSTER_UNITS = ("corosync", "pacemaker", "pcsd", "mariadb")
SPEC = {
    "services": {"type": "list", "elements": "str", "default": ["opennebula"]},
    "endpoint": {"type": "str", "default": opennebula.ENDPOINT},
    "auth_file": {"type": "path", "default": opennebula.AUTH_FILE},
    "shared_addresses": {"type": "list", "elements": "str", "default": []},
    "paths": {"type": "list", "elements": "path", "default": ["/var/lib/mysql", "/var/lib/one", "/var/log"]},
    "timeout_s": {"type": "int", "default": 5},
}


def look(params):
    links = system.links()
    units = system.units(list(params["services"]) + list(CLUSTER_UNITS))
    return {
        "addresses": system.addresses(),
        "macs": arp.macs(links),
        "others": {address: others(address, links) for address in params["shared_addresses"]},
        "units": {name: {"installed": unit["LoadState"] == "loaded", "active": unit["ActiveState"] == "active",
                         "enabled": unit["UnitFileState"].startswith("enabled")}
                  for name, unit in units.items()},
        "disks": disks(params["paths"]),
        "daemon": ask(params),
    }


def disks(paths):
    """Return what is free, once for each filesystem."""
    found, devices = [], set()
    for path, (device, free, files) in system.filesystems(paths).items():
        if device not in devices:
            found.append({"path": path, "free_mb": free // 2 ** 20, "free_files": files})
            devices.add(device)
    return found


def others(address, links):
    """Return who else answers for an address; None when the network cannot be asked."""
    try:
        link, own = arp.road(address, links)
    except ValueError as error:
        raise CoreError(f"{address!r} of shared_addresses is no address", why=str(error), hint="Give it without a prefix, as in 192.0.2.100.") from None
    try:
        return system.who_has(address, link, own) if link else None
    except OSError:
        return None


def ask(params):
    """Return what the daemon at the endpoint says of itself; its silence is an answer too."""
    answer = {"endpoint": params["endpoint"], "answers": False, "version": "", "why": "", "zones": []}
    try:
        session = opennebula.read_session(params["auth_file"])
        with opennebula.OpenNebula(params["endpoint"], session, params["timeout_s"]) as daemon:
            answer["version"] = daemon.version()
            answer["zones"] = [zone._asdict() for zone in zones.parse(daemon.zone_pool())]
            answer["answers"] = True
    except CoreError as error:
        answer["why"] = str(error)
    return answer


def main():
    module = glue.module(argument_spec=SPEC)
    glue.run(module, lambda: look(module.params))


if __name__ == "__main__":
    main()
