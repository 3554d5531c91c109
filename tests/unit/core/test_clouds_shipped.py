# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EC2, Azure, OpenNebula and ElasticHosts: what a declaration becomes in each release, which mistakes are told, and that it can be taken back."""
from __future__ import annotations

import copy
import pathlib

import pytest
import yaml
from ansible_collections.constellation.opennebula.plugins.module_utils.core import driver_conf, oned_conf, oned_conf_edit, versions
from ansible_collections.constellation.opennebula.plugins.module_utils.core.clouds import azure, common, driver, ec2, elastichosts, opennebula

FIXTURES = pathlib.Path(__file__).resolve().parents[3].parent / "shared" / "fixtures" / "config"
PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\ny\n-----END PRIVATE KEY-----\n"
EC2 = {
    "provider": "ec2", "proxy": "http://10.0.0.1:3128", "state_wait_timeout_s": 450,
    "regions": {
        "default": {"region_name": "eu-west-3", "access_key_id": "ID-1", "secret_access_key": "KEY-1", "capacity": {"m1.small": 7, "t2.nano": 3}},
        "eu-west-1": {"access_key_id": "ID-2", "secret_access_key": "KEY-2", "capacity": {"m1.large": 2}},
        "mine": {"region_name": "sa-east-1", "access_key_id": "ID-3", "secret_access_key": "KEY-3", "capacity": {"x9.huge": 1}},
    },
    "instance_types": {"x9.huge": {"cpu": 64, "memory": 512.5}},
    "defaults": {"INSTANCETYPE": "t2.nano", "KEYPAIR": "pair"},
    "hosts": [{"name": "ec2"}, {"name": "eu-west-1", "cluster": "cloud"}, {"name": "mine", "enabled": False}],
}
AZURE = {
    "provider": "azure", "proxy": "http://10.0.0.1:8080",
    "regions": {
        "default": {"region_name": "West Europe", "subscription_id": "SUB-1", "capacity": {"Small": 9, "A9": 1}},
        "mine": {"region_name": "East US", "subscription_id": "SUB-2", "pem_management_cert": "/etc/one/other.pem",
                 "management_endpoint": "https://management.example.org", "capacity": {"Huge": 4}},
    },
    "instance_types": {"Huge": {"cpu": 99, "memory": 999}},
    "defaults": {"LOCATION": "mine", "VM_USER": "joe", "VM_PASSWORD": "PASS-1"},
    "certificate": {"create": True, "common_name": "one.example.org", "days": 30},
    "hosts": [{"name": "az"}, {"name": "mine"}],
}
ACCOUNTS = {
    "provider": "azure",
    "regions": {"default": {"region_name": "westeurope", "subscription_id": "SUB-1", "client_id": "CLIENT-1", "client_secret": "KEY-1", "tenant_id": "TENANT-1",
                            "resource_group": "group", "capacity": {"Standard_B1ls": 5}}},
    "hosts": [{"name": "az"}],
}
ONE = {"provider": "opennebula", "sunstone_name": "Mars", "keep_snapshots": True, "hosts": [
    {"name": "mars", "user": "joe", "password": "PASS-1", "endpoint": "http://mars:2633/RPC2", "capacity": {"cpu": 400}, "attributes": {"NOTE": "far"}}]}
EH = {"provider": "elastichosts", "addon": True, "total_memory": 4096, "total_cpu": 8, "auth": "uuid:KEY-1", "domain_defaults": {"cpumhz": 500},
      "hosts": [{"name": "eh"}]}


def names(stanzas):
    return [(stanza["section"], stanza["name"], stanza["state"]) for stanza in stanzas]


def changed(text, file):
    """Return the text of a file after the module driver_conf did what describe() says."""
    return driver_conf._edited(text, driver_conf.wanted([file])[0])[0]


# -- where things go, by release

def test_ec2_of_5_0_has_its_credentials_in_the_file():
    assert ec2.problems(EC2, "5.0.2") == []
    found = ec2.describe(EC2, "5.0.2")
    assert names(found.stanzas) == [("IM_MAD", "ec2", "present"), ("VM_MAD", "ec2", "present")] and found.monitor_stanzas == ()
    assert found.stanzas[0]["settings"] == {"EXECUTABLE": "one_im_sh", "ARGUMENTS": "-c -t 1 -r 0 ec2", "SUNSTONE_NAME": "Amazon EC2"}
    assert found.stanzas[1]["settings"] == {"EXECUTABLE": "one_vmm_sh", "ARGUMENTS": "-t 15 -r 0 ec2", "TYPE": "xml", "SUNSTONE_NAME": "Amazon EC2"}
    conf, default = found.files
    assert (conf["path"], conf["format"], conf["mode"], conf["owner"]) == ("/etc/one/ec2_driver.conf", "yaml", "0600", "oneadmin")
    assert conf["settings"]["regions"]["eu-west-1"] == {"region_name": "eu-west-1", "capacity": {"m1.large": 2}}
    assert conf["secrets"]["regions"]["mine"] == {"access_key_id": "ID-3", "secret_access_key": "KEY-3"}
    assert default["settings"] == {"TEMPLATE": {"PUBLIC_CLOUD": EC2["defaults"]}}
    assert [(host["name"], host["im"], host["vm"], host["cluster"], host["enabled"], host["secrets"]) for host in found.hosts] == [
        ("ec2", "ec2", "ec2", None, True, {}), ("eu-west-1", "ec2", "ec2", "cloud", True, {}), ("mine", "ec2", "ec2", None, False, {})]
    assert found.warnings == ("ec2: host ec2 has no region of its name, so it uses the region default",)


def test_ec2_from_5_4_has_its_credentials_in_the_hosts_by_the_same_rule():
    assert ec2.problems(EC2, "5.8.5") == []
    found = ec2.describe(EC2, "5.8.5")
    assert found.hosts[0]["secrets"] == {"EC2_ACCESS": "ID-1", "EC2_SECRET": "KEY-1"}
    assert found.hosts[0]["attributes"] == {"REGION_NAME": "eu-west-3", "CAPACITY": {"M1_SMALL": 7, "T2_NANO": 3}}
    assert found.hosts[1]["attributes"] == {"REGION_NAME": "eu-west-1", "CAPACITY": {"M1_LARGE": 2}}
    assert "regions" not in found.files[0]["settings"] and found.files[0]["secrets"] == {}
    assert "KEY-" not in str(found.files)


def test_ec2_from_5_12_is_monitored_by_monitord_and_has_symbols_for_keys():
    found = ec2.describe(EC2, "5.12.13")
    assert names(found.stanzas) == [("VM_MAD", "ec2", "present")] and names(found.monitor_stanzas) == [("IM_MAD", "ec2", "present")]
    assert set(found.files[0]["settings"]) == {":proxy_uri", ":state_wait_timeout_seconds", ":instance_types"}


def test_ec2_to_4_2_has_programs_and_files_of_its_own():
    cloud = {"provider": "ec2", "regions": {"default": {"capacity": {"m1.small": 5, "m1.xlarge": 1}}}, "environment": {"EC2_CERT": "/etc/one/cert.pem"},
             "defaults": {"KEYPAIR": "pair"}, "hosts": [{"name": "ec2"}]}
    assert ec2.problems(cloud, "3.2.1") == []
    found = ec2.describe(cloud, "3.2.1")
    assert [stanza["settings"] for stanza in found.stanzas] == [{"EXECUTABLE": "one_im_ec2", "ARGUMENTS": "im_ec2/im_ec2.conf"},
                                                                {"EXECUTABLE": "one_vmm_ec2", "ARGUMENTS": "vmm_ec2/vmm_ec2.conf", "TYPE": "xml"}]
    assert (found.hosts[0]["im"], found.hosts[0]["vm"]) == ("im_ec2", "vmm_ec2")
    assert [(file["path"], file["format"], file["settings"]) for file in found.files] == [
        ("/etc/one/im_ec2/im_ec2.conf", "shell", {"SMALL_INSTANCES": 5, "EXTRALARGE_INSTANCES": 1}),
        ("/etc/one/vmm_ec2/vmm_ec2rc", "shell", {"EC2_CERT": "/etc/one/cert.pem"}),
        ("/etc/one/vmm_ec2/vmm_ec2.conf", "template_xml", {"TEMPLATE": {"EC2": {"KEYPAIR": "pair"}}})]
    assert (ec2.describe(cloud, "4.2").hosts[0]["im"], ec2.describe(cloud, "4.2").stanzas[0]["settings"]["EXECUTABLE"]) == ("ec2", "one_im_ec2")


def test_azure_to_5_4_has_regions_with_the_path_of_the_certificate():
    assert azure.problems(AZURE, "5.0.2") == []
    found = azure.describe(AZURE, "5.0.2")
    conf, default = found.files
    assert conf["settings"]["regions"]["default"] == {"region_name": "West Europe", "pem_management_cert": "/etc/one/az_management.pem",
                                                      "management_endpoint": None, "capacity": {"Small": 9, "A9": 1}}
    assert conf["settings"]["regions"]["mine"]["pem_management_cert"] == "/etc/one/other.pem"
    assert conf["settings"]["regions"]["mine"]["management_endpoint"] == "https://management.example.org"
    assert conf["secrets"] == {"regions": {"default": {"subscription_id": "SUB-1"}, "mine": {"subscription_id": "SUB-2"}}}
    assert default["settings"] == {"TEMPLATE": {"AZURE": {"LOCATION": "mine", "VM_USER": "joe"}}}
    assert default["secrets"] == {"TEMPLATE": {"AZURE": {"VM_PASSWORD": "PASS-1"}}}
    assert found.certificates == ({"path": "/etc/one/az_management.pem", "cer_path": "/etc/one/az_management.cer", "common_name": "one.example.org", "days": 30,
                                   "content": None},)
    assert [stanza["settings"]["ARGUMENTS"] for stanza in found.stanzas] == ["-c -t 1 -r 0 az", "-t 15 -r 0 az"]


def test_azure_5_6_to_5_10_has_the_certificate_in_the_host():
    cloud = {"provider": "azure", "regions": {"default": {"region_name": "West Europe", "subscription_id": "SUB-1", "management_endpoint": "https://m.example",
                                                          "capacity": {"Small": 5}}},
             "certificate": {"content": PEM}, "hosts": [{"name": "az"}]}
    assert azure.problems(cloud, "5.8.5") == []
    found = azure.describe(cloud, "5.8.5")
    assert found.hosts[0]["secrets"] == {"AZ_ID": "SUB-1", "AZ_CERT": PEM}
    assert found.hosts[0]["attributes"] == {"CAPACITY": {"SMALL": 5}, "REGION_NAME": "West Europe", "AZ_ENDPOINT": "https://m.example"}
    assert found.files == () and found.certificates == ()
    assert azure.problems(dict(cloud, certificate={"create": True}), "5.8.5") == [
        "regions.default: OpenNebula 5.8.5 keeps the certificate in the host's AZ_CERT; give the cloud's certificate.content"]


def test_azure_from_5_12_logs_in_with_an_account():
    assert azure.problems(ACCOUNTS, "5.12.13") == []
    host = azure.describe(ACCOUNTS, "5.12.13").hosts[0]
    assert host["secrets"] == {"AZ_SUB": "SUB-1", "AZ_CLIENT": "CLIENT-1", "AZ_SECRET": "KEY-1", "AZ_TENANT": "TENANT-1"}
    assert host["attributes"] == {"CAPACITY": {"STANDARD_B1LS": 5}, "AZ_REGION": "westeurope", "AZ_RGROUP": "group"}


@pytest.mark.parametrize("release, addon", [("5.0.2", True), ("5.8.5", False), ("6.10.5", False)])
def test_opennebula_is_in_the_host(release, addon):
    cloud = dict(ONE, addon=addon)
    assert opennebula.problems(cloud, release) == []
    found = opennebula.describe(cloud, release)
    assert found.files == () and found.stanzas[-1]["settings"] == {
        "EXECUTABLE": "one_vmm_sh", "ARGUMENTS": "-t 15 -r 0 one", "TYPE": "xml", "SUNSTONE_NAME": "Mars", "KEEP_SNAPSHOTS": True}
    assert found.hosts == ({"name": "mars", "im": "one", "vm": "one", "cluster": None, "state": "present", "enabled": True,
                            "secrets": {"ONE_PASSWORD": "PASS-1"},
                            "attributes": {"ONE_USER": "joe", "ONE_ENDPOINT": "http://mars:2633/RPC2", "ONE_CAPACITY": {"CPU": 400, "MEMORY": 0},
                                           "NOTE": "far"}},)


@pytest.mark.parametrize("release, kind", [("2.0", "eh"), ("3.2.1", "xml"), ("5.0.2", "xml"), ("7.4.0", "xml")])
def test_elastichosts_has_a_type_that_the_daemon_loads(release, kind):
    assert elastichosts.problems(EH, release) == []
    found = elastichosts.describe(EH, release)
    virtualization = next(stanza for stanza in found.stanzas if stanza["section"] == "VM_MAD")
    assert virtualization["name"] == "vmm_eh" and virtualization["settings"] == {"EXECUTABLE": "one_vmm_eh", "DEFAULT": "vmm_eh/vmm_eh.conf", "TYPE": kind}
    information = next(stanza for stanza in found.stanzas + found.monitor_stanzas if stanza["section"] == "IM_MAD")
    assert information["name"] == "im_eh" and information["settings"] == {"EXECUTABLE": "one_im_eh", "ARGUMENTS": "im_eh/im_eh.conf",
                                                                          "DEFAULT": "im_eh/im_eh.conf"}
    assert kind.upper() in versions.vm_types(release) + ("EH",)
    assert [(file["path"], file["settings"], file["secrets"]) for file in found.files] == [
        ("/etc/one/im_eh/im_ehrc", {"TOTAL_MEMORY": 4096, "TOTAL_CPU": 8}, {}), ("/etc/one/vmm_eh/vmm_ehrc", {}, {"EHAUTH": "uuid:KEY-1"}),
        ("/etc/one/vmm_eh/vmm_eh.conf", {"EH": {"CPUMHZ": 500}}, {})]


def test_elastichosts_needs_the_transfer_driver_dummy():
    assert names(elastichosts.describe(EH, "3.2.1").stanzas)[2] == ("TM_MAD", "tm_dummy", "present") and elastichosts.describe(EH, "3.2.1").needs == ()
    needs = elastichosts.describe(EH, "5.0.2").needs
    assert not any(stanza["section"] == "TM_MAD" for stanza in elastichosts.describe(EH, "5.0.2").stanzas)

    def stanzas(arguments):
        return [{"section": "TM_MAD", "settings": {"EXECUTABLE": "one_tm", "ARGUMENTS": arguments}}]
    assert driver.unmet(needs, stanzas("-t 15 -d dummy,lvm,shared")) == [] and driver.unmet(needs, stanzas("-t 15")) == []
    assert driver.unmet(needs, stanzas("-t 15 -d ssh,dummy2")) == [
        "TM_MAD: ARGUMENTS must have dummy in the list of -d: virtual machines at ElasticHosts need the transfer driver dummy"]


# -- every documented variable reaches its own key

def leaf_values(value):
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in leaf_values(inner)]
    if isinstance(value, (list, tuple)):
        return [leaf for inner in value for leaf in leaf_values(inner)]
    return [value]


@pytest.mark.parametrize("kind, release, make, where", [
    (ec2, "5.0.2", lambda v: {"proxy": v("http://{}")}, ("files", "proxy_uri")),
    (ec2, "5.0.2", lambda v: {"state_wait_timeout_s": v(int)}, ("files", "state_wait_timeout_seconds")),
    (ec2, "5.0.2", lambda v: {"regions": {"default": {"region_name": v()}}}, ("files", "region_name")),
    (ec2, "5.0.2", lambda v: {"regions": {"default": {"access_key_id": v()}}}, ("files", "access_key_id")),
    (ec2, "5.0.2", lambda v: {"regions": {"default": {"secret_access_key": v()}}}, ("files", "secret_access_key")),
    (ec2, "5.0.2", lambda v: {"regions": {"default": {"capacity": {"m3.large": v(int)}}}}, ("files", "m3.large")),
    (ec2, "5.0.2", lambda v: {"instance_types": {"z": {"cpu": v(int), "memory": 1}}}, ("files", "cpu")),
    (ec2, "5.0.2", lambda v: {"instance_types": {"z": {"cpu": 1, "memory": v(int)}}}, ("files", "memory")),
    (ec2, "5.0.2", lambda v: {"defaults": {"KEYPAIR": v()}}, ("files", "KEYPAIR")),
    (ec2, "5.0.2", lambda v: {"im_arguments": v()}, ("stanzas", "ARGUMENTS")),
    (ec2, "5.0.2", lambda v: {"vm_arguments": v()}, ("stanzas", "ARGUMENTS")),
    (ec2, "5.0.2", lambda v: {"hosts": [{"name": "ec2", "cluster": v()}]}, ("hosts", "cluster")),
    (ec2, "5.8.5", lambda v: {"regions": {"default": {"region_name": v()}}}, ("hosts", "REGION_NAME")),
    (ec2, "5.8.5", lambda v: {"regions": {"default": {"access_key_id": v()}}}, ("hosts", "EC2_ACCESS")),
    (ec2, "5.8.5", lambda v: {"regions": {"default": {"secret_access_key": v()}}}, ("hosts", "EC2_SECRET")),
    (ec2, "5.8.5", lambda v: {"regions": {"default": {"capacity": {"m3.large": v(int)}}}}, ("hosts", "M3_LARGE")),
    (ec2, "4.2", lambda v: {"environment": {"EC2_CERT": v()}}, ("files", "EC2_CERT")),
    (azure, "5.0.2", lambda v: {"proxy": v("http://{}")}, ("files", "proxy_uri")),
    (azure, "5.0.2", lambda v: {"regions": {"default": {"region_name": v()}}}, ("files", "region_name")),
    (azure, "5.0.2", lambda v: {"regions": {"default": {"subscription_id": v()}}}, ("files", "subscription_id")),
    (azure, "5.0.2", lambda v: {"regions": {"default": {"pem_management_cert": v("/{}")}}}, ("files", "pem_management_cert")),
    (azure, "5.0.2", lambda v: {"certificate": {"create": True, "path": v("/{}.pem")}}, ("files", "pem_management_cert")),
    (azure, "5.0.2", lambda v: {"certificate": {"create": True, "path": v("/{}.pem")}}, ("certificates", "path")),
    (azure, "5.0.2", lambda v: {"certificate": {"create": True, "cer_path": v("/{}")}}, ("certificates", "cer_path")),
    (azure, "5.0.2", lambda v: {"certificate": {"create": True, "common_name": v()}}, ("certificates", "common_name")),
    (azure, "5.0.2", lambda v: {"certificate": {"create": True, "days": v(int)}}, ("certificates", "days")),
    (azure, "5.0.2", lambda v: {"certificate": {"content": v(PEM + "{}")}}, ("certificates", "content")),
    (azure, "5.0.2", lambda v: {"regions": {"default": {"management_endpoint": v("https://{}")}}}, ("files", "management_endpoint")),
    (azure, "5.0.2", lambda v: {"regions": {"default": {"capacity": {"A9": v(int)}}}}, ("files", "A9")),
    (azure, "5.0.2", lambda v: {"instance_types": {"z": {"cpu": v(int), "memory": 1}}}, ("files", "cpu")),
    (azure, "5.0.2", lambda v: {"defaults": {"CLOUD_SERVICE": v()}}, ("files", "CLOUD_SERVICE")),
    (azure, "5.0.2", lambda v: {"defaults": {"VM_PASSWORD": v()}}, ("files", "VM_PASSWORD")),
    (azure, "5.12.13", lambda v: {"regions": {"default": {"subscription_id": v()}}}, ("hosts", "AZ_SUB")),
    (azure, "5.12.13", lambda v: {"regions": {"default": {"client_id": v()}}}, ("hosts", "AZ_CLIENT")),
    (azure, "5.12.13", lambda v: {"regions": {"default": {"client_secret": v()}}}, ("hosts", "AZ_SECRET")),
    (azure, "5.12.13", lambda v: {"regions": {"default": {"tenant_id": v()}}}, ("hosts", "AZ_TENANT")),
    (azure, "5.12.13", lambda v: {"regions": {"default": {"region_name": v()}}}, ("hosts", "AZ_REGION")),
    (azure, "5.12.13", lambda v: {"regions": {"default": {"resource_group": v()}}}, ("hosts", "AZ_RGROUP")),
    (opennebula, "5.8.5", lambda v: {"sunstone_name": v()}, ("stanzas", "SUNSTONE_NAME")),
    (opennebula, "5.8.5", lambda v: {"hosts": [dict(ONE["hosts"][0], user=v())]}, ("hosts", "ONE_USER")),
    (opennebula, "5.8.5", lambda v: {"hosts": [dict(ONE["hosts"][0], password=v())]}, ("hosts", "ONE_PASSWORD")),
    (opennebula, "5.8.5", lambda v: {"hosts": [dict(ONE["hosts"][0], endpoint=v("http://{}"))]}, ("hosts", "ONE_ENDPOINT")),
    (opennebula, "5.8.5", lambda v: {"hosts": [dict(ONE["hosts"][0], capacity={"cpu": v(int)})]}, ("hosts", "CPU")),
    (opennebula, "5.8.5", lambda v: {"hosts": [dict(ONE["hosts"][0], capacity={"memory": v(int)})]}, ("hosts", "MEMORY")),
    (elastichosts, "5.0.2", lambda v: {"total_memory": v(int)}, ("files", "TOTAL_MEMORY")),
    (elastichosts, "5.0.2", lambda v: {"total_cpu": v(int)}, ("files", "TOTAL_CPU")),
    (elastichosts, "5.0.2", lambda v: {"auth": v()}, ("files", "EHAUTH")),
    (elastichosts, "5.0.2", lambda v: {"domain_defaults": {"MEMORY": v()}}, ("files", "MEMORY")),
    (elastichosts, "5.0.2", lambda v: {"type": "kvm" if v else ""}, ("stanzas", "TYPE")),
])
def test_each_option_reaches_its_own_key_and_no_other(kind, release, make, where):
    """A value that is nowhere else is put into one option, and looked for in everything that describe() returns."""
    marks = []

    def mark(form="{}"):
        marks.append(424242 if form is int else form.format("mark-4242"))
        return marks[-1]
    base = {ec2: EC2, azure: ACCOUNTS if release == "5.12.13" else AZURE, opennebula: ONE, elastichosts: EH}[kind]
    cloud = {key: value for key, value in copy.deepcopy(base).items() if key in ("provider", "addon", "hosts", "regions", "certificate", "auth")}
    for key, value in make(mark).items():
        if key == "regions":
            cloud["regions"]["default"].update(value["default"])
        else:
            cloud[key] = value
    if release == "4.2":
        cloud.pop("regions", None)
    assert kind.problems(cloud, release) == []
    found, wanted = kind.describe(cloud, release), marks[0] if marks else "kvm"
    part, key = where
    holders = []

    def walk(value, name, place):
        if isinstance(value, dict):
            for inner, deeper in value.items():
                walk(deeper, inner, place)
        elif isinstance(value, (list, tuple)):
            for deeper in value:
                walk(deeper, name, place)
        elif value == wanted:
            holders.append((place, name))
    for name in ("stanzas", "monitor_stanzas", "files", "certificates", "hosts"):
        walk(getattr(found, name), None, name)
    paths = {("files", "pem_management_cert"), ("certificates", "path")}        # the created certificate is written and named in the file
    assert where in holders and set(holders) <= ({where} | paths if where in paths else {where})


# -- mistakes

@pytest.mark.parametrize("kind, base, change, release, expected", [
    (ec2, EC2, {}, "7.0.2", ["provider ec2: OpenNebula 7.0.2 has no EC2 driver: it comes with 2.0 to 6.10. Who has installed its files says addon: true"]),
    (ec2, EC2, {"regoins": {}}, "5.0.2", ["regoins is no option; did you mean regions?"]),
    (ec2, EC2, {"regions": {}}, "5.0.2",
     ["regions is missing: the driver takes its credentials from the region that is called like the host, or from default"]),
    (ec2, EC2, {"regions": {"eu-west-1": EC2["regions"]["eu-west-1"]}, "hosts": [{"name": "ec2"}]}, "5.0.2",
     ["hosts.ec2: there is no region of this name and none called default, from which the driver takes the credentials"]),
    (ec2, EC2, {"regions": {"default": {"capacity": {"m1.small": -1}}}}, "5.0.2",
     ["regions.default.access_key_id is missing", "regions.default.secret_access_key is missing",
      "regions.default.region_name is missing: default says nothing about where it is",
      "regions.default.capacity.m1.small must be how many such instances may run, a whole number from 0"]),
    (ec2, EC2, {"regions": {"default": dict(EC2["regions"]["default"], capacity={}, region_name="West Europe")}}, "5.0.2",
     ["regions.default.region_name 'West Europe' is no name of a region such as us-east-1",
      "regions.default.capacity is missing: without it the driver fails or counts the host as empty"]),
    (ec2, EC2, {"proxy": "10.0.0.1"}, "5.0.2", ["proxy must be an address such as http://host:port"]),
    (ec2, EC2, {"state_wait_timeout_s": 0}, "5.0.2", ["state_wait_timeout_s must be at least 1 second"]),
    (ec2, EC2, {}, "4.14.2", ["state_wait_timeout_s: OpenNebula 4.14.2 has no such thing; from 5.0"]),
    (ec2, EC2, {"environment": {"EC2_CERT": "x"}}, "5.0.2", ["environment: OpenNebula 5.0.2 has no such thing; to 4.2"]),
    (ec2, EC2, {"instance_types": {"a": {"cpu": 0, "memory": "much"}, "b": 1}}, "5.0.2",
     ["instance_types.a.cpu must be a number above 0", "instance_types.a.memory must be a number above 0",
      "instance_types.b must have cpu (cores) and memory (GB), nothing else"]),
    (ec2, EC2, {"defaults": {"keypair": "x", "AMI": ["a"]}}, "5.0.2",
     ["defaults.keypair is no attribute name: capital letters, digits and '_'", "defaults.AMI must be text or a number"]),
    (ec2, EC2, {"regions": {"default": dict(EC2["regions"]["default"], capacity={"u-6tb1.metal": 1}, access_key_id="A" * 22)}, "hosts": [{"name": "ec2"}]},
     "5.8.5",
     ["regions.default.capacity.u-6tb1.metal cannot be written in a host's CAPACITY: only letters, digits, '_' and '.' can",
      "hosts.ec2: EC2_ACCESS has 22 characters; OpenNebula 5.8.5 encrypts up to 21, and the driver could not read a longer one"]),
    (ec2, EC2, {"hosts": [{"nmae": "x"}, {"name": "a b"}, "c"]}, "5.0.2",
     ["hosts.0.nmae is no option; did you mean name?", "hosts.0.name is missing", "hosts.a b.name 'a b' has characters that a host's name cannot have",
      "hosts[2] must be a dictionary with a name"]),
    (azure, AZURE, {"certificate": {}, "regions": {"default": {"region_name": "West Europe", "subscription_id": "S", "capacity": {"Small": 1}}},
                    "hosts": [{"name": "az"}]}, "5.0.2",
     ["regions.default: there is no certificate; give pem_management_cert (a path on the front-ends) or the cloud's certificate"]),
    (azure, AZURE, {"certificate": {"content": "no pem", "create": True, "path": "x"}}, "5.0.2",
     ["certificate: either content is given or it is created, not both", "certificate.content must be the certificate and its private key, both PEM",
      "certificate.path must be an absolute path", "certificate.path must end in .pem"]),
    (azure, AZURE, {"proxy": "http://joe:pw@10.0.0.1:1"}, "5.0.2", ["proxy has a user and a password, which the driver does not support"]),
    (azure, AZURE, {"regions": {"default": dict(AZURE["regions"]["default"], management_endpoint="management", client_id="x")}, "hosts": []}, "5.0.2",
     ["regions.default.client_id: OpenNebula 5.0.2 does not use it, but a management certificate",
      "regions.default.management_endpoint must be an address such as https://host:port"]),
    (azure, ACCOUNTS, {"certificate": {"create": True}, "regions": {"default": {"region_name": "x", "subscription_id": "s", "capacity": {"Standard_A1": 1}}}},
     "6.10.5",
     ["certificate: OpenNebula 6.10.5 logs in with client_id, client_secret and tenant_id of each region; certificates are used to 5.10",
      "regions.default.client_id is missing", "regions.default.client_secret is missing", "regions.default.tenant_id is missing"]),
    (azure, AZURE, {"regions": {"default": dict(AZURE["regions"]["default"], subscription_id="")}, "hosts": []}, "5.0.2",
     ["regions.default.subscription_id is empty"]),
    (azure, AZURE, {}, "4.6.2",
     ["provider azure: OpenNebula 4.6.2 has no Azure driver: it comes with 4.8 to 6.10. Who has installed its files says addon: true"]),
    (opennebula, ONE, {"hosts": [{"name": "m", "endpoint": "mars", "user": "a:b", "password": "", "capacity": {"cpu": -1, "ram": 1}}]}, "5.8.5",
     ["hosts.m.password is empty", "hosts.m.endpoint must be an address such as http://host:port", "hosts.m.capacity.ram is no option; use one of: cpu, memory",
      "hosts.m.capacity.cpu must be 0 (what the remote quotas allow) or more",
      "hosts.m.user has a ':', which separates user and password"]),
    (opennebula, ONE, {"hosts": [dict(ONE["hosts"][0], password="p" * 23)]}, "5.8.5",
     ["hosts.mars: ONE_PASSWORD has 23 characters; OpenNebula 5.8.5 encrypts up to 22, and the driver could not read a longer one"]),
    (elastichosts, EH, {"addon": False}, "5.0.2",
     ["provider elastichosts: no release of OpenNebula has this driver (ElasticHosts: an add-on that was written for OpenNebula 2.0). "
      "Who has installed its files says addon: true"]),
    (elastichosts, EH, {"type": "eh", "auth": "a b", "total_cpu": 0, "domain_defaults": {"a-b": None}}, "5.0.2",
     ["type eh: the daemon of OpenNebula 5.0.2 loads xen, kvm, xml, qemu only, and passes the driver over otherwise", "total_cpu must be at least 1",
      "auth must be the value of EHAUTH, without blanks", "domain_defaults.a-b is no attribute name: letters, digits and '_'",
      "domain_defaults.a-b must be text or a number"]),
])
def test_all_mistakes_are_told_at_once(kind, base, change, release, expected):
    assert kind.problems({**base, **change}, release) == expected


@pytest.mark.parametrize("value", [None, 5, "text", [], {}, True, [None], {"a": None}, {"default": None}, [{}], {1: 2}])
@pytest.mark.parametrize("kind, base", [(ec2, EC2), (azure, AZURE), (opennebula, ONE), (elastichosts, EH)])
def test_no_wrong_kind_of_value_breaks_the_check(kind, base, value):
    for release in ("4.2", "5.0.2", "5.8.5", "5.12.13"):
        for option in {**driver.COMMON, **kind.OPTIONS}:
            if option != "provider":
                assert isinstance(kind.problems({**base, option: value}, release), list)
        for option in getattr(kind, "REGION", {}):
            assert isinstance(kind.problems({**base, "regions": {"default": {**base["regions"]["default"], option: value}}}, release), list)
        for option in {**driver.HOST, **getattr(kind, "HOST", {})}:
            assert isinstance(kind.problems({**base, "hosts": [{**base["hosts"][0], option: value}]}, release), list)


def test_warnings_name_types_regions_and_attributes_that_nothing_uses():
    cloud = {"provider": "ec2", "regions": {"default": dict(EC2["regions"]["default"], capacity={"m9.giant": 1}), "lonely": EC2["regions"]["mine"]},
             "instance_types": {"x9.huge": {"cpu": 1, "memory": 1}}, "defaults": {"KEYPIAR": "x"}, "hosts": [{"name": "ec2"}]}
    told = ec2.describe(cloud, "5.0.2").warnings
    assert [words.split(";")[0] for words in told] == [
        "ec2: host ec2 has no region of its name, so it uses the region default", "ec2: no host is called lonely, so nothing uses this region",
        "ec2: m9.giant in the capacity of region default is no instance type that /etc/one/ec2_driver.conf is known to have",
        "ec2: the driver knows no attribute KEYPIAR (defaults)"]


# -- states

@pytest.mark.parametrize("kind, cloud, release", [
    (ec2, EC2, "5.0.2"), (ec2, EC2, "5.8.5"), (azure, AZURE, "5.0.2"), (opennebula, ONE, "5.8.5"), (elastichosts, EH, "5.0.2"),
])
def test_commented_cloud_keeps_its_files_and_disables_its_hosts(kind, cloud, release):
    found = kind.describe(dict(cloud, state="commented"), release)
    assert {stanza["state"] for stanza in found.stanzas} == {"commented"} and found.files == () and found.certificates == () and found.needs == ()
    assert {(host["state"], host["enabled"]) for host in found.hosts} == {("present", False)}


@pytest.mark.parametrize("kind, cloud, release, state", [
    (ec2, EC2, "5.0.2", "commented"), (ec2, EC2, "6.0.3", "absent"), (ec2, dict(EC2, name="ec2b"), "5.0.2", "absent"), (azure, AZURE, "5.0.2", "commented"),
    (opennebula, ONE, "5.8.5", "commented"), (opennebula, dict(ONE, addon=True), "5.0.2", "absent"), (elastichosts, EH, "5.0.2", "absent"),
])
def test_absent_cloud_leaves_what_was_shipped(kind, cloud, release, state):
    assert kind.problems(dict(cloud, state="absent"), release) == []
    found = kind.describe(dict(cloud, state="absent", im_arguments="-x", vm_arguments="-y"), release)
    assert {stanza["state"] for stanza in found.stanzas} == {state}
    if kind is not elastichosts:
        assert [stanza["settings"]["ARGUMENTS"] for stanza in found.monitor_stanzas + found.stanzas] == list(versions.arguments(cloud["provider"], release))
    assert {(host["state"], str(host["secrets"]), str(host["attributes"])) for host in found.hosts} == {("absent", "{}", "{}")}
    assert all(file["create"] is False for file in found.files)


@pytest.mark.parametrize("release", ["4.14.2", "5.0.2", "5.2.1", "5.12.13", "6.10.5"])
@pytest.mark.parametrize("kind, cloud", [(ec2, EC2), (azure, AZURE)])
def test_shipped_files_come_back_byte_for_byte(kind, cloud, release):
    folder = FIXTURES / release
    if not folder.is_dir():
        pytest.skip("the shared fixtures are not here")
    if release == "4.14.2":
        cloud = {key: value for key, value in cloud.items() if key != "state_wait_timeout_s"}
    if kind is azure and release in ("5.12.13", "6.10.5"):
        cloud = dict(ACCOUNTS, proxy="http://p:1", defaults={"LOCATION": "here", "VM_USER": "joe"})
    if release in ("5.12.13", "6.10.5"):
        cloud = {key: value for key, value in cloud.items() if key != "instance_types"}
        if kind is ec2:
            cloud = dict(cloud, regions={name: dict(region, capacity={"m1.small": 1}) for name, region in cloud["regions"].items()})
    assert kind.problems(cloud, release) == []
    there, gone = kind.describe(cloud, release).files, kind.describe(dict(cloud, state="absent"), release).files
    assert [file["path"] for file in there] == [file["path"] for file in gone] and len(there) == 2
    for file, back in zip(there, gone):
        shipped = (folder / pathlib.Path(file["path"]).name).read_bytes().decode()
        text = changed(shipped, file)
        assert text != shipped and changed(text, file) == text
        assert changed(text, back) == shipped and changed(shipped, back) == shipped
        if file["format"] == "yaml" and kind is ec2 and release in ("5.0.2", "5.2.1"):
            data = yaml.safe_load(text)
            assert data["regions"]["mine"] == {"region_name": "sa-east-1", "access_key_id": "ID-3", "secret_access_key": "KEY-3", "capacity": {"x9.huge": 1}}
            assert list(data["regions"]["mine"]) == ["region_name", "access_key_id", "secret_access_key", "capacity"]
            assert data["instance_types"]["x9.huge"] == {"cpu": 64, "memory": 512.5} and data["proxy_uri"] == EC2["proxy"]


def test_shipped_tables_are_those_of_the_shipped_files():
    folders = [FIXTURES / release for release in ("4.14.2", "5.0.2", "5.2.1")]
    if not all(folder.is_dir() for folder in folders):
        pytest.skip("the shared fixtures are not here")
    for folder in folders:
        data = yaml.safe_load((folder / "ec2_driver.conf").read_text())
        assert set(data["regions"]) == set(ec2.SHIPPED_REGIONS) and set(data["instance_types"]) <= ec2.KNOWN_TYPES
        assert data.get("state_wait_timeout_seconds") == (None if "4.14" in folder.name else ec2.shipped_timeout(folder.name))
        data = yaml.safe_load((folder / "az_driver.conf").read_text())
        assert {name: region["region_name"] for name, region in data["regions"].items()} == azure.SHIPPED_REGIONS
        assert set(data["instance_types"]) <= azure.KNOWN_TYPES
    later = yaml.safe_load((FIXTURES / "5.12.13/ec2_driver.conf").read_text())
    assert later[":state_wait_timeout_seconds"] == ec2.shipped_timeout("5.12.13") and all(map(ec2.TYPE_FORM.match, later[":instance_types"]))
    assert all(map(azure.TYPE_FORM.match, yaml.safe_load((FIXTURES / "5.12.13/az_driver.conf").read_text())[":instance_types"]))


def test_secrets_are_in_no_open_part():
    for kind, cloud, release in ((ec2, EC2, "5.0.2"), (ec2, EC2, "5.8.5"), (azure, AZURE, "5.0.2"), (azure, ACCOUNTS, "5.12.13"), (opennebula, ONE, "5.8.5"),
                                 (elastichosts, EH, "5.0.2")):
        found = kind.describe(cloud, release)
        open_parts = [[{key: value for key, value in item.items() if key != "secrets"} for item in getattr(found, part)]
                      for part in ("stanzas", "monitor_stanzas", "files", "hosts", "scripts")]
        texts = [str(value) for value in leaf_values([open_parts, found.warnings])]
        assert not any(mark in text for text in texts for mark in ("KEY-", "PASS-", "SUB-", "CLIENT-", "TENANT-", "ID-1"))
    assert common.has_login("http://joe:pw@p:1")
    assert ec2.describe(dict(EC2, proxy="http://joe:pw@p:1"), "5.0.2").files[0]["secrets"]["proxy_uri"] == "http://joe:pw@p:1"


@pytest.mark.parametrize("release", ["3.2.1", "4.14.2", "5.0.2", "5.2.1", "5.12.13", "6.10.5"])
@pytest.mark.parametrize("kind", [ec2, azure, opennebula, elastichosts])
def test_shipped_stanzas_come_back_byte_for_byte(kind, release):
    """Switched on with other ARGUMENTS, then taken out: oned.conf and monitord.conf are the shipped ones again."""
    folder = FIXTURES / release
    if not folder.is_dir():
        pytest.skip("the shared fixtures are not here")
    provider = {ec2: "ec2", azure: "azure", opennebula: "opennebula", elastichosts: "elastichosts"}[kind]
    cloud = {"provider": provider, "addon": True, "im_arguments": "-c -t 2 x", "vm_arguments": "-t 9 x"}
    there, gone = kind.describe(cloud, release), kind.describe(dict(cloud, state="absent"), release)
    for name, part in (("oned.conf", "stanzas"), ("monitord.conf", "monitor_stanzas")):
        if not getattr(there, part):
            continue
        shipped = oned_conf.parse((folder / name).read_bytes(), release=release)
        on, off = (oned_conf_edit.wanted((), getattr(driver_, part)) for driver_ in (there, gone))
        text = oned_conf_edit.edit(shipped, on)
        assert text != shipped.text and oned_conf_edit.edit(oned_conf.parse(text, release=release), on) == text
        after = oned_conf.parse(text, release=release)
        assert all(any(found.label == item.label for found in after.find(item.name)) for item in on)
        back = oned_conf_edit.edit(after, off)
        if (kind, release) == (elastichosts, "3.2.1"):         # tm_dummy stays: other clouds may use it
            dummy = oned_conf_edit.wanted((), [common.stanza("TM_MAD", "tm_dummy", {}, "commented")])
            back = oned_conf_edit.edit(oned_conf.parse(back, release=release), dummy)
        if versions.ships_stanza(provider, release):
            assert back == shipped.text
        assert [line for line in back.split("\n") if line] == [line for line in shipped.text.split("\n") if line]       # a new stanza may leave its blank line
        assert oned_conf_edit.edit(shipped, off) == shipped.text
