# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Amazon EC2.

One declaration for all releases; where it ends up depends on what the driver reads (versions.credentials)::

    to 4.2     vmm_ec2rc (paths of X.509 files), im_ec2.conf (how many small, large, extra large instances), vmm_ec2.conf (defaults)
    4.4 - 5.2  ec2_driver.conf: regions; the driver takes the one that is called like the host, else ``default``
    5.4 -      attributes of the host: EC2_ACCESS, EC2_SECRET, REGION_NAME, CAPACITY; here they come from the same regions by the same rule
"""
from __future__ import annotations

import re

from .. import versions
from . import common
from .driver import Driver, Option, filled, mistakes

OPTIONS = {
    "proxy": Option(),
    "state_wait_timeout_s": Option("int"),
    "regions": Option("dict", default={}),
    "instance_types": Option("dict", default={}),
    "defaults": Option("dict", default={}),
    "environment": Option("dict", default={}),
}
REGION = {
    "region_name": Option(),
    "access_key_id": Option(required=True),
    "secret_access_key": Option(required=True),
    "capacity": Option("dict", default={}),
}
CONF, DEFAULT = "/etc/one/ec2_driver.conf", "/etc/one/ec2_driver.default"
SINCE = {"proxy": (4, 6), "state_wait_timeout_s": (5, 0), "instance_types": (4, 4)}
UNTIL = {"environment": (4, 2)}

# ec2_driver.conf of 4.4 to 5.2
SHIPPED_REGIONS = ("default", "us-east-1", "us-west-2", "us-west-1", "eu-west-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "sa-east-1")
SHIPPED_CAPACITY = {"m1.small": 5, "m1.large": 0, "m1.xlarge": 0}
SHIPPED_DEFAULTS = {"INSTANCETYPE": "m1.small"}
SHIPPED_TIMEOUT = {(5, 0): 300, (5, 8): 1500}
OLD_CAPACITY = {"m1.small": "SMALL_INSTANCES", "m1.large": "LARGE_INSTANCES", "m1.xlarge": "EXTRALARGE_INSTANCES"}
OLD_SHIPPED_CAPACITY = {"SMALL_INSTANCES": 5, "LARGE_INSTANCES": None, "EXTRALARGE_INSTANCES": None}

# instance_types of ec2_driver.conf, 4.4 to 5.2 together; later ones list many more, there only the form of a name is looked at
KNOWN_TYPES = frozenset(f"{family}.{size}" for family, sizes in {
    "c1": "medium xlarge", "c3": "large xlarge 2xlarge 4xlarge 8xlarge", "c4": "large xlarge 2xlarge 4xlarge 8xlarge", "cc1": "4xlarge", "cc2": "8xlarge",
    "cg1": "4xlarge", "cr1": "8xlarge", "d2": "xlarge 2xlarge 4xlarge 8xlarge", "g2": "2xlarge 8xlarge", "hi1": "4xlarge", "hs1": "8xlarge",
    "i2": "xlarge 2xlarge 4xlarge 8xlarge", "m1": "small medium large xlarge", "m2": "xlarge 2xlarge 4xlarge", "m3": "medium large xlarge 2xlarge",
    "m4": "large xlarge 2xlarge 4xlarge 10xlarge", "r3": "large xlarge 2xlarge 4xlarge 8xlarge", "t1": "micro", "t2": "nano micro small medium large",
    "x1": "32xlarge",
}.items() for size in sizes.split())
TYPE_FORM = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)?[.][a-z0-9]+\Z")

# what the drivers' ec2_driver.rb (4.4 to 6.10) take from the section, and vmm_ec2.conf before
KNOWN_DEFAULTS = frozenset((
    "AKI AMI AUTHORIZEDPORTS AVAILABILITYZONE BLOCKDEVICEMAPPING CLIENTTOKEN EBS_OPTIMIZED ELASTICIP INSTANCETYPE KEYPAIR LICENSEPOOL PLACEMENTGROUP "
    "PRIVATEIP RAMDISK SECURITYGROUPIDS SECURITYGROUPS SUBNETID TAGS TENANCY USERDATA").split())


def problems(cloud, release):
    """Return all mistakes of a declared cloud, sentences that begin with the option they mean."""
    cloud, found = common.check(cloud, release, OPTIONS)
    regions = common.dictionary(cloud, "regions")
    found += [f"{option}: OpenNebula {release} has no such thing; from {versions.text(first)}" for option, first in SINCE.items()
              if cloud.get(option) and versions.number(release) < first]
    found += [f"{option}: OpenNebula {release} has no such thing; to {versions.text(last)}" for option, last in UNTIL.items()
              if cloud.get(option) and versions.number(release) > last]
    place = versions.credentials("ec2", release)
    if cloud["state"] == "present" and not regions and place != "rc":
        found.append("regions is missing: the driver takes its credentials from the region that is called like the host, or from default")
    for name, region in regions.items():
        found += _region_problems(name, region, place, cloud["state"] != "absent")
    found += common.region_host_problems(common.named_hosts(cloud), regions)
    for item in common.named_hosts(cloud) if place == "host" else ():
        found += common.too_long(item, _host_secrets(common.region_of(item.get("name"), regions)[0]), release)
    if cloud.get("proxy") is not None:
        found += filter(None, [common.url_problem(cloud["proxy"], "proxy")])
    if isinstance(cloud.get("state_wait_timeout_s"), int) and cloud["state_wait_timeout_s"] < 1:
        found.append("state_wait_timeout_s must be at least 1 second")
    found += common.instance_type_problems(common.dictionary(cloud, "instance_types")) + common.defaults_problems(common.dictionary(cloud, "defaults"))
    found += [f"environment.{name} is no name of a shell variable" for name in common.dictionary(cloud, "environment")
              if not re.match(r"[A-Za-z_][A-Za-z0-9_]*\Z", str(name))]
    return found


def _region_problems(name, region, place, complete):
    where = f"regions.{name}"
    if not isinstance(region, dict):
        return [f"{where} must be a dictionary"]
    needs = complete and place != "rc"
    found = mistakes(region, {key: Option(option.kind, option.required and needs) for key, option in REGION.items()}, f"{where}.")
    if name == "default" and not region.get("region_name") and needs:
        found.append(f"{where}.region_name is missing: default says nothing about where it is")
    if isinstance(region.get("region_name"), str) and not re.match(r"[a-z0-9-]+\Z", region["region_name"]):
        found.append(f"{where}.region_name {region['region_name']!r} is no name of a region such as us-east-1")
    if place == "rc":
        found += [f"{where}: this release knows one region only, default"] if name != "default" else []
        found += [f"{where}.{key}: this release logs in with X.509 files: environment EC2_PRIVATE_KEY and EC2_CERT" for key in REGION
                  if region.get(key) and key != "capacity"]
        found += [f"{where}.capacity.{size}: this release knows {', '.join(OLD_CAPACITY)}" for size in common.dictionary(region, "capacity")
                  if size not in OLD_CAPACITY]
    if place == "host":
        found += common.capacity_attribute_problems(common.dictionary(region, "capacity"), f"{where}.capacity")
    return found + common.capacity_problems(region, f"{where}.capacity", needs)


def describe(cloud, release):
    """Return the Driver of a cloud without problems."""
    cloud = filled(cloud, {**common.COMMON, **OPTIONS})
    cloud["name"] = cloud["name"] or "ec2"
    place = versions.credentials("ec2", release)
    files = () if cloud["state"] == "commented" else _old_files(cloud) if place == "rc" else _files(cloud, release, place)
    return Driver(
        files=tuple(files),
        hosts=tuple(_host(cloud, release, item, place) for item in cloud["hosts"]),
        warnings=tuple(_warnings(cloud, release, place)),
        **common.stanzas(cloud, release, ("one_im_ec2", "one_vmm_ec2")))


def _host_secrets(region):
    """Return the host's attributes that log in."""
    return {"EC2_ACCESS": region.get("access_key_id"), "EC2_SECRET": region.get("secret_access_key")} if isinstance(region, dict) else {}


def _host(cloud, release, item, place):
    if place != "host":
        return common.host(cloud, release, item)
    name = item["name"] if item["name"] in cloud["regions"] else "default"
    region = cloud["regions"].get(name)
    if region is None:                          # an absent cloud may have no regions any more
        return common.host(cloud, release, item)
    attributes = {"REGION_NAME": region.get("region_name") or name, "CAPACITY": common.capacity_attribute(region.get("capacity") or {})}
    return common.host(cloud, release, item, attributes, _host_secrets(region))


def _files(cloud, release, place):
    settings, secrets, remove, gone = {}, {}, [], cloud["state"] == "absent"
    if cloud["proxy"]:
        (secrets if common.has_login(cloud["proxy"]) else settings)[versions.key("proxy_uri", release)] = None if gone else cloud["proxy"]
    if cloud["state_wait_timeout_s"]:
        settings[versions.key("state_wait_timeout_seconds", release)] = shipped_timeout(release) if gone else cloud["state_wait_timeout_s"]
    if place == "file" and cloud["regions"]:
        settings["regions"], secrets["regions"] = {}, {}
        for name, region in cloud["regions"].items():
            if not gone:
                settings["regions"][name] = {"region_name": region.get("region_name") or name, "capacity": region.get("capacity") or {}}
                secrets["regions"][name] = {key: region[key] for key in ("access_key_id", "secret_access_key")}
            elif name in SHIPPED_REGIONS:
                settings["regions"][name] = {"region_name": "us-east-1" if name == "default" else name,
                                             "capacity": dict(SHIPPED_CAPACITY) if name == "default" else dict.fromkeys(SHIPPED_CAPACITY)}
                secrets["regions"][name] = {"access_key_id": None, "secret_access_key": None}
                remove += [["regions", name, "capacity", size] for size in region.get("capacity") or {} if size not in SHIPPED_CAPACITY]
            else:
                remove.append(["regions", name])
    types, gone_types = common.instance_types(cloud, release, KNOWN_TYPES if place == "file" else cloud["instance_types"])
    settings.update(types)
    remove += gone_types
    found = [common.file(CONF, "yaml", settings, secrets, remove, create=not gone)] if settings or secrets or remove else []
    return found + _defaults(cloud, DEFAULT, versions.defaults_element("ec2", release))


def _defaults(cloud, path, element):
    if not cloud["defaults"]:
        return []
    if cloud["state"] != "absent":
        return [common.file(path, "template_xml", {"TEMPLATE": {element: cloud["defaults"]}})]
    shipped = {name: value for name, value in SHIPPED_DEFAULTS.items() if name in cloud["defaults"]}
    return [common.file(path, "template_xml", {"TEMPLATE": {element: shipped}},
                        remove=[["TEMPLATE", element, name] for name in cloud["defaults"] if name not in shipped], create=False)]


def _old_files(cloud):
    found, gone = [], cloud["state"] == "absent"
    capacity = (cloud["regions"].get("default") or {}).get("capacity") or {}
    if capacity:
        wanted = {OLD_CAPACITY[name]: count for name, count in capacity.items()}
        found.append(common.file("/etc/one/im_ec2/im_ec2.conf", "shell", {name: OLD_SHIPPED_CAPACITY[name] for name in wanted} if gone else wanted,
                                 create=not gone))
    if cloud["environment"]:
        found.append(common.file("/etc/one/vmm_ec2/vmm_ec2rc", "shell", {} if gone else dict(cloud["environment"]),
                                 remove=[[name] for name in cloud["environment"]] if gone else (), create=not gone))
    return found + _defaults(cloud, "/etc/one/vmm_ec2/vmm_ec2.conf", "EC2")


def shipped_timeout(release):
    """Return state_wait_timeout_seconds of the release's ec2_driver.conf: 300 from 5.0, 1500 from 5.8."""
    return [value for first, value in SHIPPED_TIMEOUT.items() if first <= versions.number(release)][-1]


def _warnings(cloud, release, place):
    told = [] if place == "rc" or cloud["state"] == "absent" else common.region_warnings(cloud["hosts"], cloud["regions"], "ec2")
    told += [] if place == "rc" else common.type_warnings(cloud, CONF, KNOWN_TYPES, TYPE_FORM if place == "host" else None)
    told += [f"ec2: the driver knows no attribute {name} (defaults); it takes {', '.join(sorted(KNOWN_DEFAULTS))}"
             for name in cloud["defaults"] if name not in KNOWN_DEFAULTS]
    if cloud["state"] == "absent":
        told += [f"ec2: the size of instance type {name} in {CONF} stays as it is; what was shipped is not known"
                 for name in cloud["instance_types"] if place == "host" or name in KNOWN_TYPES]
    return told
