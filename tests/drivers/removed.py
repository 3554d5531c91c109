# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same zone after all of its clouds were declared absent. Not test_*.py: molecule/drivers/side_effect.yml runs it, after the removal."""
from __future__ import annotations

import difflib
import re
import xml.etree.ElementTree as ET

from clouds import FOLDERS, HOSTS, SECRETS, drivers, hosts, loaded

SHIPPED = "dpkg-deb --fsys-tarfile /srv/lab/apt/{package}_*.deb | tar --extract --to-stdout ./{path}"


def changed(node, path, package="opennebula"):
    """Return the lines that differ from the package's file."""
    before = node.read(SHIPPED.format(package=package, path=path.lstrip("/"))).splitlines()
    after = node.read(f"cat {path}").splitlines()
    return [line for line in difflib.unified_diff(before, after, n=0, lineterm="") if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def test_hosts_and_template_are_gone(zone):
    assert not set(hosts(zone)) & set(HOSTS)
    assert "anywhere" not in {one.findtext("NAME") for one in ET.fromstring(zone.call("one.templatepool.info", -2, -1, -1)).findall("VMTEMPLATE")}


def test_daemon_runs_without_the_drivers(zone):
    assert not {vm for unused, vm in HOSTS.values()} & drivers(zone, "VM_MAD")
    assert not any(line.startswith("HOST_HOOK=") for line in loaded(zone))


def test_shipped_files_are_as_shipped(zone):
    for node in zone.nodes:
        for path in ("/etc/one/ec2_driver.default", "/etc/one/az_driver.default"):
            assert changed(node, path) == [], f"{node.name}:{path}"
        left = changed(node, "/etc/one/oned.conf")
        ours = re.compile(r"[+-]#? *(DB|FEDERATION|SERVER|BACKEND|PORT|USER|PASSWD|DB_NAME|MODE|ZONE_ID|MASTER_ONED)\b|[+-]#?IM_MAD = \[ NAME=\"dummy\"")
        assert left and [line for line in left if not ours.match(line)] == [], f"{node.name}: only what says where database and federation are"


def test_scripts_are_gone(zone):
    for node in zone.nodes:
        assert node.host.run(f"ls {' '.join(FOLDERS)} 2>/dev/null").stdout.split() == []


def test_no_secret_is_left(zone):
    for node in zone.nodes:
        assert node.feed("grep -rlFf /dev/stdin /etc/one /var/lib/one/remotes /var/log /root/.ansible /tmp 2>/dev/null; true", "\n".join(SECRETS) + "\n") == ""
