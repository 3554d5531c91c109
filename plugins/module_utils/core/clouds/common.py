# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kinds of cloud have in common: their stanzas, hosts, and the checks of values that several of them take."""
from __future__ import annotations

import re
import urllib.parse

from .. import versions
from .driver import COMMON, HOST, filled, mistakes

OWNER = {"mode": "0600", "owner": "oneadmin", "group": "oneadmin"}
_ATTRIBUTE = re.compile(r"[A-Z][A-Z0-9_]*\Z")
_HOST_NAME = re.compile(r"[^\s\"'<>&,=\[\]#]+\Z")


def check(cloud, release, options, host_options=None):
    """Return (cloud with its defaults, the mistakes that every kind of cloud can have)."""
    found = mistakes(cloud, {**COMMON, **options})
    refused = versions.driver_problem(cloud.get("provider"), release, bool(cloud.get("addon")))
    found += [refused] if refused else []
    for place, host in enumerate(cloud["hosts"] if isinstance(cloud.get("hosts"), (list, tuple)) else ()):
        found += check_host(host, place, {**HOST, **(host_options or {})})
    return filled(cloud, {**COMMON, **options}), found


def check_host(host, place, options):
    if not isinstance(host, dict):
        return [f"hosts[{place}] must be a dictionary with a name"]
    where = f"hosts.{host.get('name') or place}."
    found = mistakes(host, options, where)
    if isinstance(host.get("name"), str) and not _HOST_NAME.match(host["name"]):
        found.append(f"{where}name {host['name']!r} has characters that a host's name cannot have")
    for part in ("attributes", "secrets"):
        found += [f"{where}{part}.{name} is no attribute name: capital letters, digits and '_'" for name in dictionary(host, part)
                  if not _ATTRIBUTE.match(str(name))]
    return found


def dictionary(given, name):
    """Return a dictionary of the declaration, an empty one when it is missing or something else (which is told elsewhere)."""
    value = given.get(name) if isinstance(given, dict) else None
    return value if isinstance(value, dict) else {}


def hosts_of(cloud):
    return [host for host in cloud["hosts"] if isinstance(host, dict)] if isinstance(cloud.get("hosts"), (list, tuple)) else []


def named_hosts(cloud):
    return [item for item in hosts_of(cloud) if isinstance(item.get("name"), str)]


def stanzas(cloud, release, executables=None, more=None):
    """Return {stanzas, monitor_stanzas} of a driver that OpenNebula ships.

    executables: (IM_MAD's, VM_MAD's) of a driver that had its own, to 4.2. more: further settings of VM_MAD.
    The settings of an absent driver are the shipped ones: whoever comments the stanza out can put them back first.
    """
    provider, where = cloud["provider"], versions.information_driver(release)
    im_name, vm_name = versions.driver_names(cloud["name"], release)
    im_default, vm_default = versions.arguments(provider, release)
    gone = cloud["state"] == "absent"
    im_program, vm_program = executables if executables and where == versions.OWN_EXECUTABLES else ("one_im_sh", "one_vmm_sh")
    im_mad = {"EXECUTABLE": im_program, "ARGUMENTS": im_default if gone else cloud["im_arguments"] or im_default}
    vm_mad = {"EXECUTABLE": vm_program, "ARGUMENTS": vm_default if gone else cloud["vm_arguments"] or vm_default, "TYPE": "xml"}
    if versions.number(release) >= (5, 0):
        shown = cloud.get("sunstone_name") or versions.DRIVERS[provider].sunstone_name
        shown = versions.DRIVERS[provider].sunstone_name if gone else shown
        im_mad["SUNSTONE_NAME"] = vm_mad["SUNSTONE_NAME"] = shown
        vm_mad.update(more or {})
    state = stanza_state(cloud["state"], versions.ships_stanza(provider, release) and cloud["name"] == default_name(provider))
    information, virtualization = stanza("IM_MAD", im_name, im_mad, state), stanza("VM_MAD", vm_name, vm_mad, state)
    if where == versions.MONITORD:
        return {"stanzas": (virtualization,), "monitor_stanzas": (information,)}
    return {"stanzas": (information, virtualization)}


def default_name(provider):
    return {"azure": "az", "opennebula": "one", "elastichosts": "eh"}.get(provider, provider)


def stanza(section, name, settings, state, secrets=None):
    return {"section": section, "name": name, "settings": settings, "secrets": secrets or {}, "exclusive": False, "state": state}


def stanza_state(state, shipped):
    """Return the state of a stanza: an absent cloud's goes back into the comment that the release ships, where it does."""
    return "commented" if state == "absent" and shipped else state


def host(cloud, release, given, attributes=None, secrets=None):
    """Return the options of module host; what the operator wrote himself in attributes and secrets wins."""
    im_name, vm_name = versions.driver_names(cloud["name"], release)
    gone = cloud["state"] == "absent"
    return {
        "name": given["name"], "im": im_name, "vm": vm_name, "cluster": given.get("cluster"),
        "attributes": {} if gone else {**(attributes or {}), **dictionary(given, "attributes")},
        "secrets": {} if gone else {**(secrets or {}), **dictionary(given, "secrets")},
        "state": "absent" if gone else "present",
        "enabled": cloud["state"] == "present" and given.get("enabled") is not False,
    }


def file(path, shape, settings, secrets=None, remove=(), create=True):
    return dict(OWNER, path=path, format=shape, settings=settings, secrets=secrets or {}, remove=list(remove), create=create)


def url_problem(value, where, schemes=("http", "https"), login=True):
    """Return why a value is no address of a server, None when it is one. login: whether user:password@ is allowed."""
    try:
        parts = urllib.parse.urlsplit(value)
        fine = parts.scheme in schemes and parts.hostname and (parts.port is None or parts.port > 0) and not re.search(r"[\s\"'<>\\]", value)
    except (ValueError, AttributeError, TypeError):
        fine = False
    if not fine:
        return f"{where} must be an address such as {schemes[0]}://host:port"
    if "@" in parts.netloc and not login:
        return f"{where} has a user and a password, which the driver does not support"
    return None


def has_login(address):
    return isinstance(address, str) and "@" in urllib.parse.urlsplit(address).netloc


def capacity_problems(region, where, complete):
    """Return the mistakes of a region's capacity. With none the driver fails while it monitors (it walks over nothing), so there must be one."""
    capacity = dictionary(region, "capacity")
    if complete and not capacity:
        return [f"{where} is missing: without it the driver fails or counts the host as empty"]
    return [f"{where}.{name} must be how many such instances may run, a whole number from 0" for name, count in capacity.items()
            if not isinstance(count, int) or isinstance(count, bool) or count < 0]


def instance_type_problems(types):
    """Return the mistakes of instance_types: {type: {cpu: cores, memory: GB}}."""
    found = []
    for name, size in types.items():
        if not isinstance(size, dict) or set(size) != {"cpu", "memory"}:
            found.append(f"instance_types.{name} must have cpu (cores) and memory (GB), nothing else")
            continue
        found += [f"instance_types.{name}.{part} must be a number above 0" for part in ("cpu", "memory")
                  if not isinstance(size[part], (int, float)) or isinstance(size[part], bool) or size[part] <= 0]
    return found


def instance_types(cloud, release, shipped):
    """Return (settings, paths to remove) of the instance types. Of an absent cloud those go that are not in ``shipped``; of the others the size stays."""
    if not cloud["instance_types"]:
        return {}, []
    key = versions.key("instance_types", release)
    if cloud["state"] != "absent":
        return {key: cloud["instance_types"]}, []
    return {}, [[key, name] for name in cloud["instance_types"] if name not in shipped]


def type_warnings(cloud, conf, known, form):
    """Return the sentences about types in a region's capacity that the driver may not know. form: what names of later releases look like, or None."""
    return [f"{cloud['provider']}: {size} in the capacity of region {name} is no instance type that {conf} is known to have; "
            "the driver counts it as nothing unless instance_types describes it"
            for name, region in cloud["regions"].items() for size in region.get("capacity") or {}
            if size not in known and size not in cloud["instance_types"] and not (form and form.match(size))]


def defaults_problems(defaults, nested=False):
    """Return the mistakes of attributes of the driver's .default: an XML element each."""
    found = [f"defaults.{name} is no attribute name: capital letters, digits and '_'" for name in defaults if not _ATTRIBUTE.match(str(name))]
    found += [f"defaults.{name} must be text or a number" for name, value in defaults.items() if isinstance(value, (dict, list, tuple)) or value is None]
    return found


def region_of(name, regions):
    """Return (the region that the driver takes for a host of this name, whether it is the host's own).

    >>> region_of("west", {"default": 1, "east": 2})
    (1, False)
    """
    return (regions[name], True) if name in regions else (regions.get("default"), False)


def region_host_problems(hosts, regions):
    if not regions or "default" in regions:
        return []
    return [f"hosts.{item.get('name')}: there is no region of this name and none called default, from which the driver takes the credentials"
            for item in hosts if item.get("name") not in regions]


def region_warnings(hosts, regions, where):
    """Return what a reader of the declaration may not expect: the driver finds a host's region by the host's name."""
    names = [item["name"] for item in hosts]
    told = [f"{where}: host {name} has no region of its name, so it uses the region default" for name in names if name not in regions]
    return told + [f"{where}: no host is called {name}, so nothing uses this region" for name in regions if name not in names and name != "default"]


def too_long(item, secrets, release):
    """Return the secrets of a host that the daemon of this release would keep as they are, although the driver decrypts them."""
    found = []
    for name, value in secrets.items():
        limit = versions.longest_secret(name, release)
        if limit and isinstance(value, str) and len(value) > limit:
            found.append(f"hosts.{item.get('name')}: {name} has {len(value)} characters; OpenNebula {release} encrypts up to {limit}, "
                         "and the driver could not read a longer one")
    return found


def capacity_attribute(capacity):
    """Return the host's CAPACITY: a type's name in capitals, with '_' where XML and templates allow no '.'.

    >>> capacity_attribute({"m1.small": 5})
    {'M1_SMALL': 5}
    """
    return {re.sub(r"[.]", "_", str(name)).upper(): count for name, count in capacity.items()}


def capacity_attribute_problems(capacity, where):
    return [f"{where}.{name} cannot be written in a host's CAPACITY: only letters, digits, '_' and '.' can" for name in capacity
            if not re.match(r"[A-Za-z][A-Za-z0-9_.]*\Z", str(name))]
