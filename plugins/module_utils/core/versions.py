# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each OpenNebula release has, where releases differ in a way that matters to us.

Source of everything about drivers: the tags of github.com/OpenNebula/one from release-2.0 to release-7.4.0, one of each minor release and the
first and last where something changed. Files: share/etc/oned.conf (stanzas, ARGUMENTS, HOST_HOOK), src/monitor/etc/monitord.conf,
install.sh (what is installed), src/vmm_mad/remotes/<driver>/<driver>_driver.{rb,conf,default} (what the driver reads) and src/vmm_mad/ec2.
"""
from __future__ import annotations

from dataclasses import dataclass

OWN_EXECUTABLES, ONE_IM_SH, MONITORD = "own executables", "one_im_sh", "monitord"


@dataclass(frozen=True)
class Shipped:
    """A driver that OpenNebula brings: first and last release with its scripts, last release whose oned.conf has its stanzas."""

    title: str
    first: tuple
    last: tuple
    last_stanza: tuple
    sunstone_name: str


# The EC2 driver is older than 2.0; older releases were not looked at. 6.0 to 6.10 install the scripts, but their oned.conf and monitord.conf name none.
DRIVERS = {
    "ec2": Shipped("EC2", (2, 0), (6, 10), (5, 12), "Amazon EC2"),
    "azure": Shipped("Azure", (4, 8), (6, 10), (5, 12), "Microsoft Azure"),
    "opennebula": Shipped("OpenNebula", (5, 6), (6, 10), (5, 12), "OpenNebula"),
    "softlayer": Shipped("SoftLayer", (4, 8), (4, 14), (4, 14), ""),
    "vcenter": Shipped("vCenter", (4, 10), (6, 10), (6, 10), "VMWare vCenter"),
}
NEVER_SHIPPED = {"elastichosts": "ElasticHosts: an add-on that was written for OpenNebula 2.0"}


def number(release):
    """Return (major, minor) of a release such as "5.0", "5.0.2" or 5.12."""
    parts = str(release).split(".")
    return int(parts[0]), int(parts[1]) if len(parts) > 1 else 0


def text(version):
    """Return a release as people write it.

    >>> text((5, 12))
    '5.12'
    """
    return ".".join(map(str, version))


def federation_transport(release):
    """Return how the federated tables travel: "database" (MariaDB replication, up to 5.2) or "oned" (its own log, from 5.4).

    Source: OpenNebula 5.4 release notes and src/rm/FedReplicaManager.cc; replicating by database from 5.4 on would
    write the tables twice.
    """
    return "database" if number(release) < (5, 4) else "oned"


def ships(provider, release):
    """Tell whether the release brings the driver's executables or scripts."""
    driver = DRIVERS.get(provider)
    return driver is not None and driver.first <= number(release) <= driver.last


def ships_stanza(provider, release):
    """Tell whether the release's configuration has the driver's stanzas, commented out."""
    return ships(provider, release) and number(release) <= DRIVERS[provider].last_stanza


def driver_problem(provider, release, addon=False):
    """Return why the driver cannot be used with the release, None when it can. addon: the operator installed its files."""
    if addon or ships(provider, release) or provider == "custom":
        return None
    if provider in DRIVERS:
        driver = DRIVERS[provider]
        who = f"OpenNebula {release} has no {driver.title} driver: it comes with {text(driver.first)} to {text(driver.last)}"
    else:
        who = f"no release of OpenNebula has this driver ({NEVER_SHIPPED[provider]})"
    return f"provider {provider}: {who}. Who has installed its files says addon: true"


def information_driver(release):
    """Return how hosts of a driver are monitored.

    own executables  IM_MAD with a program for each driver, such as one_im_ec2 (to 4.2; names begin with im_ and vmm_ to 3.8)
    one_im_sh        IM_MAD in oned.conf, one_im_sh for each driver (4.4 to 5.10)
    monitord         oned.conf has one IM_MAD, for monitord; those of the drivers are in monitord.conf (from 5.12)
    """
    version = number(release)
    return OWN_EXECUTABLES if version < (4, 4) else ONE_IM_SH if version < (5, 12) else MONITORD


def driver_names(name, release):
    """Return (IM_MAD's NAME, VM_MAD's NAME) of a driver: im_ec2 and vmm_ec2 to 3.8, one name for both from 4.0."""
    return (f"im_{name}", f"vmm_{name}") if number(release) < (4, 0) else (name, name)


def arguments(provider, release):
    """Return the shipped (IM_MAD's, VM_MAD's) ARGUMENTS. 5.2 gave ec2 its timeout (-w) and VM polling by the information driver (-p).

    >>> arguments("ec2", "5.0.2")
    ('-c -t 1 -r 0 ec2', '-t 15 -r 0 ec2')
    """
    short = {"azure": "az", "opennebula": "one"}.get(provider, provider)
    if provider == "ec2" and information_driver(release) == OWN_EXECUTABLES:
        return f"im_{short}/im_{short}.conf", f"vmm_{short}/vmm_{short}.conf"
    if provider == "ec2" and number(release) >= (5, 2):
        return "-c -t 1 -r 0 -w 600 ec2", "-t 15 -r 0 -w 600 -p ec2"
    return f"-c -t 1 -r 0 {short}", f"-t 15 -r 0 {short}"


def credentials(provider, release):
    """Return where a driver reads its credentials: "rc" (vmm_ec2rc, paths of X.509 files), "file" (regions of its .conf) or "host" (attributes).

    ec2: rc to 4.2, file 4.4 to 5.2, host from 5.4. azure: file to 5.4, host from 5.6 with other names from 5.12. opennebula: always the host's.
    """
    version = number(release)
    if provider == "ec2":
        return "rc" if version < (4, 4) else "file" if version < (5, 4) else "host"
    if provider == "azure":
        return "file" if version < (5, 6) else "host"
    return "host"


def key(name, release):
    """Return a first-level key of ec2_driver.conf or az_driver.conf as the driver looks it up: a Ruby symbol from 5.12.

    >>> key("proxy_uri", "5.0.2"), key("proxy_uri", "5.12")
    ('proxy_uri', ':proxy_uri')
    """
    return f":{name}" if number(release) >= (5, 12) else name


def defaults_element(provider, release):
    """Return the element of <TEMPLATE> in the driver's .default that the driver reads: ec2 has EC2 to 4.14, PUBLIC_CLOUD from 5.0."""
    if provider == "ec2":
        return "EC2" if number(release) < (5, 0) else "PUBLIC_CLOUD"
    return "AZURE"


# Host.cc of 5.4 to 5.8 encrypts an attribute only when it is not longer than this; the driver decrypts it always and fails on plain text.
LONGEST_SECRETS = {"EC2_ACCESS": 21, "EC2_SECRET": 41, "AZ_ID": 41, "AZ_CERT": 3130, "ONE_PASSWORD": 22}


def longest_secret(attribute, release):
    """Return how long the value of a host's attribute may be, None for no limit (5.10 encrypts what HOST_ENCRYPTED_ATTR names, of any length)."""
    return LONGEST_SECRETS.get(attribute) if (5, 4) <= number(release) <= (5, 8) else None


def tells_secrets(release):
    """Tell whether the daemon shows a host's secrets to oneadmin. 5.4 to 5.8 encrypt some and decrypt them for nobody but the driver (Host.cc)."""
    return not (5, 4) <= number(release) <= (5, 8)


def has_host_hook(release):
    """Tell whether oned.conf has HOST_HOOK: from 2.2 to 5.8. From 5.10 hooks are objects of the database (onehook)."""
    return (2, 2) <= number(release) <= (5, 8)


def transfer_stanzas(release):
    """Tell whether each transfer driver is a TM_MAD stanza of its own (to 3.2). From 3.4 one TM_MAD has a list of them in ARGUMENTS, -d."""
    return number(release) < (3, 4)


# VirtualMachineManager.cc, load_mads: any other TYPE is logged as "Unknown driver type" and the driver is passed over, while the daemon runs on.
def vm_types(release):
    """Return the TYPEs of a VM_MAD that the daemon loads."""
    version = number(release)
    return ("XEN", "KVM", "XML") + (("VMWARE",) if version <= (4, 14) else ()) + (("QEMU",) if version >= (4, 2) else ())
