# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone that is connected to a cloud of every kind (molecule/drivers/inventory)."""
from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
import yaml

from clouds import FOLDERS, HOSTS, PRIVATE, SECRETS, TWINS, drivers, hosts, loaded
from look import until


def test_daemon_loaded_every_driver(zone):
    assert {im for im, unused in HOSTS.values()} <= drivers(zone, "IM_MAD")
    assert {vm for unused, vm in HOSTS.values()} <= drivers(zone, "VM_MAD")


def test_every_cloud_has_its_hosts(zone):
    seen = {name: (host.findtext("IM_MAD"), host.findtext("VM_MAD")) for name, host in hosts(zone).items() if name in HOSTS}
    assert seen == HOSTS


@pytest.mark.parametrize("name", HOSTS)
def test_host_is_monitored_as_a_public_cloud(zone, name):
    def seen():
        host = hosts(zone)[name]
        return host.findtext("STATE") == "2" and host.findtext("TEMPLATE/PUBLIC_CLOUD") == "YES"
    host = until(seen, within_s=60) and hosts(zone)[name]
    assert host, ET.tostring(hosts(zone)[name], encoding="unicode")[:1500]
    assert host.findtext("TEMPLATE/PRIORITY") == "-1", "local hosts come first"


def test_remote_opennebula_is_an_attribute_of_its_host(zone):
    host = hosts(zone)["other-opennebula"]
    assert (host.findtext("TEMPLATE/ONE_USER"), host.findtext("TEMPLATE/ONE_ENDPOINT")) == ("hybrid", "http://192.0.2.9:2633/RPC2")
    assert {part.tag: part.text for part in host.find("TEMPLATE/ONE_CAPACITY")} == {"CPU": "400", "MEMORY": "0"}
    assert host.findtext("TEMPLATE/ONE_PASSWORD") in SECRETS


def test_front_ends_are_twins(zone):
    sums = [node.read("sha256sum /etc/one/oned.conf " + " ".join(TWINS)) for node in zone.nodes]
    assert len(sums[0].splitlines()) == len(TWINS) + 1 and sums[0] == sums[1]
    look = f"cd /var/lib/one/remotes && find {' '.join(FOLDERS)} -type f -printf '%p %m %u\\n' -exec sha256sum {{}} + | sort"
    trees = [node.read(look) for node in zone.nodes]
    assert trees[0] and trees[0] == trees[1]


def test_files_with_credentials_are_private(zone):
    for node in zone.nodes:
        assert set(node.read("stat --format '%a %U %G' " + " ".join(PRIVATE)).splitlines()) == {"600 oneadmin oneadmin"}
        assert node.read("stat --format %a /etc/one/oned.conf").strip() in ("600", "640")


def test_every_secret_arrived_and_is_nowhere_else(zone):
    for node in zone.nodes:
        # the pattern comes from the standard input, so that it is on no command line
        found = node.feed("grep -rlFf /dev/stdin /etc/one /var/lib/one/remotes /var/log /etc/cron* /root/.ansible /tmp 2>/dev/null; true",
                          "\n".join(SECRETS) + "\n")
        assert set(found.split()) == {"/etc/one/ec2_driver.conf", "/etc/one/az_driver.conf", "/etc/one/vmm_eh/vmm_ehrc"}


def test_ec2_driver_reads_what_was_declared(zone):
    text = zone.active.read("cat /etc/one/ec2_driver.conf")
    seen = yaml.safe_load(text)
    assert seen["state_wait_timeout_seconds"] == 240
    assert seen["regions"]["us-east-1"]["capacity"]["m1.small"] == 7 and seen["regions"]["eu-west-1"]["capacity"]["m1.small"] == 2
    assert seen["regions"]["us-east-1"]["secret_access_key"] in SECRETS and not seen["regions"]["us-west-2"]["secret_access_key"]
    assert len(seen["instance_types"]) > 3, "what was not declared stays"
    assert "<KEYPAIR>laboratory</KEYPAIR>" in zone.active.read("cat /etc/one/ec2_driver.default")


def test_azure_driver_finds_its_certificate(zone):
    region = yaml.safe_load(zone.active.read("cat /etc/one/az_driver.conf"))["regions"]["west-europe"]
    assert region["pem_management_cert"] == "/etc/one/az_management.pem" and region["capacity"] == {"Small": 3, "Medium": 1, "Large": 0}
    pem = zone.active.read("openssl x509 -in /etc/one/az_management.pem -noout -fingerprint -sha256 -subject")
    cer = zone.active.read("openssl x509 -in /etc/one/az_management.cer -inform DER -noout -fingerprint -sha256 -subject")
    assert pem == cer and "laboratory" in pem
    assert "BEGIN" in zone.active.read("openssl pkey -in /etc/one/az_management.pem -pubout")


def test_scheduler_prefers_local_hosts(zone):
    plain = [re.sub(r"\s", "", line) for line in zone.active.read("grep -v '^ *#' /etc/one/sched.conf").splitlines()]
    assert any(line.lower().startswith("policy=4") for line in plain)
    assert "MAX_HOST=30" in plain and "MAX_DISPATCH=30" in plain


def test_hook_fences_before_it_migrates(zone):
    hook = next(line for line in loaded(zone) if line.startswith("HOST_HOOK="))
    assert "COMMAND=ft/constellation_host_error" in hook and "ARGUMENTS=$ID -m -p 3" in hook


def test_template_names_each_cloud(zone):
    pool = ET.fromstring(zone.call("one.templatepool.info", -2, -1, -1))
    template = next(one for one in pool.findall("VMTEMPLATE") if one.findtext("NAME") == "anywhere")
    clouds = [{part.tag: part.text for part in section} for section in template.findall("TEMPLATE/PUBLIC_CLOUD")]
    assert sorted((cloud["TYPE"], cloud.get("HOST", "")) for cloud in clouds) == [("ec2", "eu-west-1"), ("ec2", "us-east-1"), ("opennebula", "")]
    assert template.findtext("TEMPLATE/MEMORY") == "128"
