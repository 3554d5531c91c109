# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What molecule/drivers declares, and how a test sees it from outside."""
from __future__ import annotations

import pathlib
import re
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECRETS = sorted(set(re.findall(r"CANARY-[\w-]+", (ROOT / "molecule/drivers/inventory/group_vars/all.yml").read_text(encoding="utf-8"))))
# host → (information driver, virtual machine driver)
HOSTS = {
    "us-east-1": ("ec2", "ec2"), "eu-west-1": ("ec2", "ec2"), "west-europe": ("az", "az"), "other-opennebula": ("one", "one"),
    "elastichosts": ("im_eh", "vmm_eh"), "mycloud-1": ("im_mycloud", "vmm_mycloud"), "oldcloud-1": ("dummy", "vmm_oldcloud"),
}
PRIVATE = ("/etc/one/ec2_driver.conf", "/etc/one/az_driver.conf", "/etc/one/az_management.pem", "/etc/one/im_eh/im_ehrc", "/etc/one/vmm_eh/vmm_ehrc")
TWINS = ("/etc/one/sched.conf", "/etc/one/ec2_driver.default", "/etc/one/az_management.cer", "/etc/one/vmm_exec/vmm_exec_oldcloud.conf",
         "/var/lib/one/remotes/hooks/ft/fence_host.sh", "/var/lib/one/remotes/hooks/ft/constellation_host_error", *PRIVATE)
FOLDERS = ("/var/lib/one/remotes/im/mycloud.d", "/var/lib/one/remotes/vmm/mycloud", "/var/lib/one/remotes/vmm/oldcloud")


def hosts(zone):
    pool = ET.fromstring(zone.call("one.hostpool.info"))
    return {host.findtext("NAME"): host for host in pool.findall("HOST")}


def loaded(zone):
    """Return what the daemon says that it loaded, an attribute or stanza each; values may have newlines."""
    return re.split(r"(?m)^(?=[A-Z_]+=)", zone.active.read("cat /var/lib/one/config"))


def drivers(zone, section):
    return {match.group(1) for line in loaded(zone) if line.startswith(f"{section}=") for match in [re.search(r"[=,]NAME=([^,\n]+)", line)] if match}
