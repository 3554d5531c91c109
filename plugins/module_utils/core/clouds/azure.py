# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft Azure.

One declaration for all releases that have the driver (4.8 to 6.10); where it ends up depends on what the driver reads::

    4.8 - 5.4   az_driver.conf: regions, each with the path of the management certificate; the region that is called like the host, else ``default``
    5.6 - 5.10  attributes of the host: AZ_ID, AZ_CERT (the certificate's text), REGION_NAME, AZ_ENDPOINT, CAPACITY
    5.12 -      attributes of the host: AZ_SUB, AZ_CLIENT, AZ_SECRET, AZ_TENANT, AZ_REGION, AZ_RGROUP, CAPACITY; no certificate any more
"""
from __future__ import annotations

import re

from .. import versions
from . import common
from .driver import Driver, Option, filled, mistakes

OPTIONS = {
    "proxy": Option(),
    "regions": Option("dict", default={}),
    "instance_types": Option("dict", default={}),
    "defaults": Option("dict", default={}),
    "certificate": Option("dict", default={}),
}
CERTIFICATE = {
    "path": Option(default="/etc/one/az_management.pem"),
    "cer_path": Option(),
    "create": Option("bool", default=False),
    "common_name": Option(default="opennebula"),
    "days": Option("int", default=365),
    "content": Option(),
}
REGION = {
    "region_name": Option(required=True),
    "subscription_id": Option(required=True),
    "pem_management_cert": Option(),
    "management_endpoint": Option(),
    "capacity": Option("dict", default={}),
    "client_id": Option(),
    "client_secret": Option(),
    "tenant_id": Option(),
    "resource_group": Option(),
}
CONF, DEFAULT = "/etc/one/az_driver.conf", "/etc/one/az_driver.default"
CERTIFICATES, ACCOUNTS = "certificates", "accounts"
OF_CERTIFICATES = ("pem_management_cert", "management_endpoint")
OF_ACCOUNTS = ("client_id", "client_secret", "tenant_id", "resource_group")

# az_driver.conf of 4.8 to 5.4
SHIPPED_REGIONS = {
    "default": "West Europe", "west-europe": "West Europe", "north-europe": "North Europe", "east-us": "East US", "south-central-us": "South Central US",
    "west-us": "West US", "east-asia": "East Asia", "southeast-asia": "Southeast Asia", "japan-west": "Japan West", "brazil-south": "Brazil South",
}
SHIPPED_CAPACITY = {"Small": 5, "Medium": 1, "Large": 0}
FILLED_REGIONS = ("default", "west-europe")
SHIPPED_DEFAULTS = {CERTIFICATES: {"LOCATION": "west-europe", "INSTANCE_TYPE": "Small"}, ACCOUNTS: {"LOCATION": "westeurope", "INSTANCE_TYPE": "Standard_B1ls"}}

# instance_types of az_driver.conf, 4.8 to 5.4 together; later ones list many more, there only the form of a name is looked at
KNOWN_TYPES = frozenset((
    "ExtraSmall Small Medium Large ExtraLarge A0 A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 "
    + " ".join("Standard_" + name for name in (
        "A1_v2 A2_v2 A2m_v2 A4_v2 A4m_v2 A8_v2 A8m_v2 D1 D2 D3 D4 D11 D12 D13 D14 D1_v2 D2_v2 D3_v2 D4_v2 D5_v2 D11_v2 D12_v2 D13_v2 D14_v2 D15_v2 "
        "DS1 DS2 DS3 DS4 DS11 DS12 DS13 DS14 G1 G2 G3 G4 G5 GS1 GS2 GS3 GS4 GS5 H8 H8m H16 H16m H16mr H16r").split())).split())
TYPE_FORM = re.compile(r"(Standard|Basic)_[A-Za-z0-9_-]+\Z")

# what az_driver.rb and the header of az_driver.default of these releases name
KNOWN_DEFAULTS = {
    CERTIFICATES: frozenset((
        "INSTANCE_TYPE IMAGE VM_USER VM_PASSWORD LOCATION STORAGE_ACCOUNT WIN_RM CLOUD_SERVICE TCP_ENDPOINTS SSHPORT AFFINITY_GROUP VIRTUAL_NETWORK_NAME "
        "SUBNET AVAILABILITY_SET").split()),
    ACCOUNTS: frozenset((
        "LOCATION INSTANCE_TYPE IMAGE_PUBLISHER IMAGE_OFFER IMAGE_SKU IMAGE_VERSION VM_USER VM_PASSWORD VIRTUAL_NETWORK_NAME PUBLIC_IP VNET_NAME "
        "VNET_ADDR_PREFIX VNET_DNS VNET_SUBNAME VNET_SUB_PREFIX SECURITY_GROUP PROXIMITY_GROUP AVAILABILITY_SET").split()),
}
SECRET_DEFAULTS = ("VM_PASSWORD",)


def way(release):
    """Return how the driver logs in: with a management certificate (to 5.10) or with an account of an application (from 5.12)."""
    return CERTIFICATES if versions.number(release) < (5, 12) else ACCOUNTS


def problems(cloud, release):
    """Return all mistakes of a declared cloud, sentences that begin with the option they mean."""
    cloud, found = common.check(cloud, release, OPTIONS)
    regions, place = common.dictionary(cloud, "regions"), versions.credentials("azure", release)
    certificate = common.dictionary(cloud, "certificate")
    if cloud["state"] == "present" and not regions:
        found.append("regions is missing: the driver takes its credentials from the region that is called like the host, or from default")
    if way(release) == ACCOUNTS and certificate:
        found.append(f"certificate: OpenNebula {release} logs in with client_id, client_secret and tenant_id of each region; certificates are used to 5.10")
    found += _certificate_problems(certificate)
    for name, region in regions.items():
        found += _region_problems(name, region, release, certificate, cloud["state"] != "absent")
    found += common.region_host_problems(common.named_hosts(cloud), regions)
    for item in common.named_hosts(cloud) if place == "host" else ():
        region = common.region_of(item.get("name"), regions)[0]
        found += common.too_long(item, _host_secrets(region, certificate, release) if isinstance(region, dict) else {}, release)
    if cloud.get("proxy") is not None:
        found += filter(None, [common.url_problem(cloud["proxy"], "proxy", login=False)])
    found += common.instance_type_problems(common.dictionary(cloud, "instance_types")) + common.defaults_problems(common.dictionary(cloud, "defaults"))
    return found


def _certificate_problems(certificate):
    if not certificate:
        return []
    found = mistakes(certificate, CERTIFICATE, "certificate.")
    content = certificate.get("content")
    if content and certificate.get("create"):
        found.append("certificate: either content is given or it is created, not both")
    if not content and not certificate.get("create"):
        found.append("certificate: give content (certificate and key, PEM) or say create: true")
    if isinstance(content, str) and not ("-----BEGIN CERTIFICATE-----" in content and re.search(r"-----BEGIN ([A-Z]+ )?PRIVATE KEY-----", content)):
        found.append("certificate.content must be the certificate and its private key, both PEM")
    for name in ("path", "cer_path"):
        if isinstance(certificate.get(name), str) and not re.match(r"/[^\s]+\Z", certificate[name]):
            found.append(f"certificate.{name} must be an absolute path")
    if isinstance(certificate.get("path"), str) and not certificate["path"].endswith(".pem"):
        found.append("certificate.path must end in .pem")
    if isinstance(certificate.get("days"), int) and certificate["days"] < 1:
        found.append("certificate.days must be at least 1")
    return found


def _region_problems(name, region, release, certificate, complete):
    where, place = f"regions.{name}", versions.credentials("azure", release)
    if not isinstance(region, dict):
        return [f"{where} must be a dictionary"]
    found = mistakes(region, {key: Option(option.kind, option.required and complete) for key, option in REGION.items()}, f"{where}.")
    accounts = way(release) == ACCOUNTS
    wrong = OF_CERTIFICATES if accounts else OF_ACCOUNTS
    found += [f"{where}.{key}: OpenNebula {release} does not use it, but {', '.join(OF_ACCOUNTS[:3]) if accounts else 'a management certificate'}"
              for key in wrong if region.get(key)]
    if complete and accounts:
        found += [f"{where}.{key} is missing" for key in ("client_id", "client_secret", "tenant_id") if not region.get(key)]
    if complete and not accounts and place == "file" and not region.get("pem_management_cert") and not certificate:
        found.append(f"{where}: there is no certificate; give pem_management_cert (a path on the front-ends) or the cloud's certificate")
    if complete and not accounts and place == "host" and not certificate.get("content"):
        found.append(f"{where}: OpenNebula {release} keeps the certificate in the host's AZ_CERT; give the cloud's certificate.content")
    if place == "host" and region.get("pem_management_cert") and not accounts:
        found.append(f"{where}.pem_management_cert: OpenNebula {release} reads no file, but the cloud's certificate.content")
    if isinstance(region.get("pem_management_cert"), str) and not re.match(r"/\S+\Z", region["pem_management_cert"]):
        found.append(f"{where}.pem_management_cert must be an absolute path")
    if region.get("management_endpoint"):
        found += filter(None, [common.url_problem(region["management_endpoint"], f"{where}.management_endpoint", ("https", "http"))])
    if place == "host":
        found += common.capacity_attribute_problems(common.dictionary(region, "capacity"), f"{where}.capacity")
    return found + common.capacity_problems(region, f"{where}.capacity", complete)


def describe(cloud, release):
    """Return the Driver of a cloud without problems."""
    cloud = filled(cloud, {**common.COMMON, **OPTIONS})
    cloud["name"] = cloud["name"] or "az"
    certificate, place = filled(cloud["certificate"], CERTIFICATE) if cloud["certificate"] else {}, versions.credentials("azure", release)
    return Driver(
        files=() if cloud["state"] == "commented" else tuple(_files(cloud, release, place, certificate)),
        certificates=_certificates(certificate, place) if cloud["state"] == "present" else (),
        hosts=tuple(_host(cloud, release, item, place) for item in cloud["hosts"]),
        warnings=tuple(_warnings(cloud, release, place)),
        **common.stanzas(cloud, release))


def _certificates(certificate, place):
    if not certificate or place != "file":
        return ()
    path = certificate["path"]
    return ({"path": path, "cer_path": certificate["cer_path"] or path[:-len(".pem")] + ".cer", "common_name": certificate["common_name"],
             "days": certificate["days"], "content": certificate["content"]},)


def _host_secrets(region, certificate, release):
    if way(release) == CERTIFICATES:
        return {"AZ_ID": region.get("subscription_id"), "AZ_CERT": certificate.get("content")}
    return {"AZ_SUB": region.get("subscription_id"), "AZ_CLIENT": region.get("client_id"), "AZ_SECRET": region.get("client_secret"),
            "AZ_TENANT": region.get("tenant_id")}


def _host(cloud, release, item, place):
    region = common.region_of(item["name"], cloud["regions"])[0]
    if place != "host" or region is None:
        return common.host(cloud, release, item)
    attributes = {"CAPACITY": common.capacity_attribute(region.get("capacity") or {})}
    if way(release) == CERTIFICATES:
        attributes.update({"REGION_NAME": region.get("region_name"), "AZ_ENDPOINT": region.get("management_endpoint")})
    else:
        attributes.update({"AZ_REGION": region.get("region_name"), "AZ_RGROUP": region.get("resource_group")})
    return common.host(cloud, release, item, {name: value for name, value in attributes.items() if value is not None},
                       _host_secrets(region, cloud["certificate"], release))


def _files(cloud, release, place, certificate):
    settings, secrets, remove, gone = {}, {}, [], cloud["state"] == "absent"
    if cloud["proxy"]:
        settings[versions.key("proxy_uri", release)] = None if gone else cloud["proxy"]
    if place == "file" and cloud["regions"]:
        settings["regions"], secrets["regions"] = {}, {}
        for name, region in cloud["regions"].items():
            if not gone:
                settings["regions"][name] = {
                    "region_name": region["region_name"], "pem_management_cert": region.get("pem_management_cert") or certificate.get("path"),
                    "management_endpoint": region.get("management_endpoint"), "capacity": region.get("capacity") or {}}
                secrets["regions"][name] = {"subscription_id": region["subscription_id"]}
            elif name in SHIPPED_REGIONS:
                settings["regions"][name] = {
                    "region_name": SHIPPED_REGIONS[name], "pem_management_cert": None, "management_endpoint": None,
                    "capacity": dict(SHIPPED_CAPACITY) if name in FILLED_REGIONS else dict.fromkeys(SHIPPED_CAPACITY)}
                secrets["regions"][name] = {"subscription_id": None}
                remove += [["regions", name, "capacity", size] for size in region.get("capacity") or {} if size not in SHIPPED_CAPACITY]
            else:
                remove.append(["regions", name])
    types, gone_types = common.instance_types(cloud, release, KNOWN_TYPES if place == "file" else cloud["instance_types"])
    settings.update(types)
    remove += gone_types
    found = [common.file(CONF, "yaml", settings, secrets, remove, create=not gone)] if settings or secrets or remove else []
    return found + _defaults(cloud, release)


def _defaults(cloud, release):
    if not cloud["defaults"]:
        return []
    shipped = SHIPPED_DEFAULTS[way(release)]
    if cloud["state"] == "absent":
        back = {name: value for name, value in shipped.items() if name in cloud["defaults"]}
        return [common.file(DEFAULT, "template_xml", {"TEMPLATE": {"AZURE": back}},
                            remove=[["TEMPLATE", "AZURE", name] for name in cloud["defaults"] if name not in shipped], create=False)]
    secrets = {name: value for name, value in cloud["defaults"].items() if name in SECRET_DEFAULTS}
    open_ones = {name: value for name, value in cloud["defaults"].items() if name not in secrets}
    return [common.file(DEFAULT, "template_xml", {"TEMPLATE": {"AZURE": open_ones}}, {"TEMPLATE": {"AZURE": secrets}} if secrets else {})]


def _warnings(cloud, release, place):
    told = [] if cloud["state"] == "absent" else common.region_warnings(cloud["hosts"], cloud["regions"], "azure")
    told += common.type_warnings(cloud, CONF, KNOWN_TYPES if way(release) == CERTIFICATES else (), TYPE_FORM if place == "host" else None)
    known = KNOWN_DEFAULTS[way(release)]
    told += [f"azure: the driver knows no attribute {name} (defaults); it takes {', '.join(sorted(known))}" for name in cloud["defaults"] if name not in known]
    if cloud["state"] == "absent":
        told += [f"azure: the size of instance type {name} in {CONF} stays as it is; what was shipped is not known"
                 for name in cloud["instance_types"] if place == "host" or name in KNOWN_TYPES]
        if cloud["certificate"]:
            told.append("azure: the management certificate stays where it is; remove it here and from Azure's settings when nothing uses it any more")
    return told
