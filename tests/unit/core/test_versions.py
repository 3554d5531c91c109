# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What releases differ in."""
import pathlib

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core import oned_conf, versions

SHARED = pathlib.Path(__file__).resolve().parents[3].parent / "shared"


@pytest.fixture
def shared():
    if not (SHARED / "fixtures/config").is_dir():
        pytest.skip("the shared fixtures are not here")
    return SHARED


@pytest.mark.parametrize("release, transport", [
    ("4.14.2", "database"), ("5.0", "database"), (5.0, "database"), ("5.2.1", "database"),
    ("5.4", "oned"), ("5.10", "oned"), ("5.12.13", "oned"),
    (6.10, "oned"), ("7.4.0", "oned"),
])
def test_federation_transport_changes_with_5_4(release, transport):
    assert versions.federation_transport(release) == transport


@pytest.mark.parametrize("release, number", [("5.0.2", (5, 0)), ("5.12", (5, 12)), ("7", (7, 0)), (5, (5, 0))])
def test_number_compares_by_parts_and_not_as_text(release, number):
    assert versions.number(release) == number


# share/etc/oned.conf and install.sh of the release's tag: is the driver there, are its stanzas in the configuration
@pytest.mark.parametrize("release, shipped, stanzas", [
    ("3.2.1", {"ec2"}, {"ec2"}),
    ("4.6.2", {"ec2"}, {"ec2"}),
    ("4.8", {"ec2", "azure", "softlayer"}, {"ec2", "azure", "softlayer"}),
    ("4.14.2", {"ec2", "azure", "softlayer", "vcenter"}, {"ec2", "azure", "softlayer", "vcenter"}),
    ("5.0.2", {"ec2", "azure", "vcenter"}, {"ec2", "azure", "vcenter"}),
    ("5.4.15", {"ec2", "azure", "vcenter"}, {"ec2", "azure", "vcenter"}),
    ("5.6.2", {"ec2", "azure", "opennebula", "vcenter"}, {"ec2", "azure", "opennebula", "vcenter"}),
    ("5.12.13", {"ec2", "azure", "opennebula", "vcenter"}, {"ec2", "azure", "opennebula", "vcenter"}),
    ("6.0.3", {"ec2", "azure", "opennebula", "vcenter"}, {"vcenter"}),
    ("6.10.5", {"ec2", "azure", "opennebula", "vcenter"}, {"vcenter"}),
    ("7.0.2", set(), set()),
    ("7.4.0", set(), set()),
])
def test_shipped_drivers_are_those_of_the_release(release, shipped, stanzas):
    assert {name for name in versions.DRIVERS if versions.ships(name, release)} == shipped
    assert {name for name in versions.DRIVERS if versions.ships_stanza(name, release)} == stanzas


@pytest.mark.parametrize("provider, release, addon, expected", [
    ("ec2", "5.0.2", False, None),
    ("ec2", "7.0.2", False, "provider ec2: OpenNebula 7.0.2 has no EC2 driver: it comes with 2.0 to 6.10. Who has installed its files says addon: true"),
    ("ec2", "7.0.2", True, None),
    ("opennebula", "5.0.2", False,
     "provider opennebula: OpenNebula 5.0.2 has no OpenNebula driver: it comes with 5.6 to 6.10. Who has installed its files says addon: true"),
    ("elastichosts", "5.0.2", False, "provider elastichosts: no release of OpenNebula has this driver (ElasticHosts: an add-on that was written for "
                                     "OpenNebula 2.0). Who has installed its files says addon: true"),
    ("elastichosts", "5.0.2", True, None),
    ("custom", "7.4", False, None),
])
def test_missing_driver_is_refused_by_name(provider, release, addon, expected):
    assert versions.driver_problem(provider, release, addon) == expected


@pytest.mark.parametrize("release, kind, names", [
    ("3.2.1", versions.OWN_EXECUTABLES, ("im_ec2", "vmm_ec2")), ("3.8.5", versions.OWN_EXECUTABLES, ("im_ec2", "vmm_ec2")),
    ("4.0.1", versions.OWN_EXECUTABLES, ("ec2", "ec2")), ("4.2", versions.OWN_EXECUTABLES, ("ec2", "ec2")),
    ("4.4.1", versions.ONE_IM_SH, ("ec2", "ec2")), ("5.10.5", versions.ONE_IM_SH, ("ec2", "ec2")),
    ("5.12.13", versions.MONITORD, ("ec2", "ec2")), ("6.10.5", versions.MONITORD, ("ec2", "ec2")),
])
def test_information_driver_and_names_of_the_release(release, kind, names):
    assert versions.information_driver(release) == kind
    assert versions.driver_names("ec2", release) == names


@pytest.mark.parametrize("provider, release, expected", [
    ("ec2", "3.2.1", ("im_ec2/im_ec2.conf", "vmm_ec2/vmm_ec2.conf")),
    ("ec2", "5.0.2", ("-c -t 1 -r 0 ec2", "-t 15 -r 0 ec2")),
    ("ec2", "5.2.1", ("-c -t 1 -r 0 -w 600 ec2", "-t 15 -r 0 -w 600 -p ec2")),
    ("azure", "5.2.1", ("-c -t 1 -r 0 az", "-t 15 -r 0 az")),
    ("opennebula", "5.10.5", ("-c -t 1 -r 0 one", "-t 15 -r 0 one")),
])
def test_arguments_are_the_shipped_ones(provider, release, expected):
    assert versions.arguments(provider, release) == expected


@pytest.mark.parametrize("provider, release, place", [
    ("ec2", "4.2", "rc"), ("ec2", "4.4.1", "file"), ("ec2", "5.2.1", "file"), ("ec2", "5.4.0", "host"), ("ec2", "6.10.5", "host"),
    ("azure", "4.8", "file"), ("azure", "5.4.15", "file"), ("azure", "5.6.0", "host"), ("azure", "5.12.13", "host"), ("opennebula", "5.8", "host"),
])
def test_credentials_are_where_the_driver_reads_them(provider, release, place):
    assert versions.credentials(provider, release) == place


@pytest.mark.parametrize("release, expected", [("2.0", False), ("2.2", True), ("3.2.1", True), ("5.8.5", True), ("5.10.0", False), ("5.12.13", False)])
def test_host_hook_is_in_oned_conf_from_2_2_to_5_8(release, expected):
    assert versions.has_host_hook(release) is expected


@pytest.mark.parametrize("release, types", [
    ("2.0", {"XEN", "KVM", "VMWARE", "XML"}), ("4.0.1", {"XEN", "KVM", "VMWARE", "XML"}), ("4.2", {"XEN", "KVM", "QEMU", "VMWARE", "XML"}),
    ("5.0.2", {"XEN", "KVM", "QEMU", "XML"}), ("7.4.0", {"XEN", "KVM", "QEMU", "XML"}),
])
def test_vm_types_are_those_that_the_daemon_loads(release, types):
    assert set(versions.vm_types(release)) == types


@pytest.mark.parametrize("release, key, element", [
    ("4.14.2", "proxy_uri", "EC2"), ("5.0.2", "proxy_uri", "PUBLIC_CLOUD"), ("5.12", ":proxy_uri", "PUBLIC_CLOUD"),
])
def test_driver_files_have_the_spelling_of_the_release(release, key, element):
    assert versions.key("proxy_uri", release) == key
    assert versions.defaults_element("ec2", release) == element
    assert versions.defaults_element("azure", release) == "AZURE"


def test_shipped_configurations_agree_with_the_table(shared):
    """The stanzas of each shipped oned.conf and monitord.conf, live or commented out, are those that the table says, with its ARGUMENTS."""
    cases = 0
    for release in sorted(path.name for path in (shared / "fixtures/config").iterdir() if path.is_dir()):
        found = {}
        for name in ("oned.conf", "monitord.conf"):
            path = shared / "fixtures/config" / release / name
            if path.exists():
                document = oned_conf.parse(path.read_bytes(), release=release)
                for attribute in [*document.attributes, *(commented.attribute for commented in document.commented)]:
                    if attribute.is_stanza and attribute.name in ("IM_MAD", "VM_MAD"):
                        found[(name, attribute.name, attribute.label)] = attribute.value.get("ARGUMENTS")
        for provider, short in (("ec2", "ec2"), ("azure", "az"), ("opennebula", "one")):
            im_name, vm_name = versions.driver_names(short, release)
            im_file = "monitord.conf" if versions.information_driver(release) == versions.MONITORD else "oned.conf"
            expected = versions.arguments(provider, release) if versions.ships_stanza(provider, release) else (None, None)
            assert (found.get((im_file, "IM_MAD", im_name)), found.get(("oned.conf", "VM_MAD", vm_name))) == expected, (release, provider)
            cases += 1
    print(f"{cases} stanza pairs of shipped files agree")
    assert cases >= 18
