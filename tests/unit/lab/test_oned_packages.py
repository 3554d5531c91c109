# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in's Debian packages: what is in them, that they say what they are, and that building again gives the same bytes."""
import hashlib
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from oned_world import SHARED, STANDIN  # noqa: E402

NAMES = ["opennebula", "opennebula-addon-drivers", "opennebula-flow", "opennebula-gate", "opennebula-novnc", "opennebula-sunstone"]
DRIVER_FILES = ("ec2_driver.conf", "ec2_driver.default", "az_driver.conf", "az_driver.default", "vmm_exec/vmm_exec_kvm.conf")
CONFIG = SHARED / "fixtures" / "config" / "5.0.2"
pytestmark = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="no dpkg-deb")


@pytest.fixture(name="debs", scope="module")
def debs_(tmp_path_factory):
    out = tmp_path_factory.mktemp("debs")
    subprocess.run([STANDIN / "build", out], check=True, stdout=subprocess.DEVNULL)
    return {path.name.partition("_")[0]: path for path in out.glob("*.deb")}


def ask(*words):
    return subprocess.run(["dpkg-deb", *map(str, words)], check=True, stdout=subprocess.PIPE, text=True).stdout


def unpacked(deb, folder):
    ask("--raw-extract", deb, folder)
    return folder


def test_there_are_the_packages_of_one_version(debs):
    assert sorted(debs) == NAMES
    assert {ask("--field", path, "Version").strip() for path in debs.values()} == {"5.0.2-1~standin1"}


@pytest.mark.parametrize("name", NAMES)
def test_description_says_that_it_is_a_standin(debs, name):
    text = ask("--field", debs[name], "Description")
    assert "NOT OpenNebula" in text and "laboratory stand-in" in text.splitlines()[0]
    assert re.search(r"does nothing else|nothing runs on any hypervisor", text)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "opennebula-addon-drivers"])
def test_package_neither_enables_nor_starts_its_service(debs, name, tmp_path):
    tree = unpacked(debs[name], tmp_path / "tree")
    script = (tree / "DEBIAN" / "postinst").read_text(encoding="utf-8")
    assert not re.search(r"systemctl\S* (enable|start|preset)|deb-systemd|invoke-rc", script)
    unit = (tree / f"lib/systemd/system/{name}.service").read_text(encoding="utf-8")
    assert "Type=notify" in unit and "User=oneadmin" in unit and "Restart=no" in unit
    for scripts in ("postinst", "prerm"):
        subprocess.run(["sh", "-n", tree / "DEBIAN" / scripts], check=True)


def test_same_sources_give_the_same_bytes(debs, tmp_path):
    subprocess.run([STANDIN / "build", tmp_path], check=True, stdout=subprocess.DEVNULL)
    for name, path in debs.items():
        again = next(tmp_path.glob(f"{name}_*.deb"))
        assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(path.read_bytes()).digest(), name


def test_daemon_starts_from_the_package_alone(debs, tmp_path):
    """No path into the checkout: the copies of core/ are enough to read a configuration."""
    tree = unpacked(debs["opennebula"], tmp_path / "tree")
    (tree / "etc/one").mkdir(exist_ok=True)
    run = subprocess.run([sys.executable, "-c", "import sys; from oned.daemon import main; sys.exit(main(['-i']))"], cwd=tmp_path,
                         env={"PYTHONPATH": f"{tree}/usr/lib/one/standin:{':'.join(sys.path[1:])}", "ONE_STANDIN_ROOT": str(tree)},
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 0 and "FEDERATION=MASTER_ONED=,MODE=STANDALONE,ZONE_ID=0" in run.stdout, run.stderr
    core = {path.name for path in (tree / "usr/lib/one/standin/oned/core").glob("*.py")}
    assert {"oned_conf.py", "vm_states.py", "errors.py", "__init__.py"} <= core


def test_configuration_is_conffiles_and_daemon_files_are_programs(debs, tmp_path):
    tree = unpacked(debs["opennebula"], tmp_path / "tree")
    assert (tree / "DEBIAN/conffiles").read_text(encoding="utf-8").split() == [
        f"/etc/one/{name}" for name in ("oned.conf", "sched.conf", "standin.conf", *DRIVER_FILES)]
    for name in ("usr/bin/oned", "usr/bin/onevm", "usr/lib/one/standin/pre_cleanup"):
        assert (tree / name).stat().st_mode & 0o111, name
    subprocess.run(["sh", "-n", tree / "usr/lib/one/standin/pre_cleanup"], check=True)


@pytest.mark.parametrize("name, port", [("sunstone", 9869), ("gate", 5030), ("flow", 2474), ("novnc", 29876)])
def test_service_knows_its_port(debs, tmp_path, name, port):
    tree = unpacked(debs[f"opennebula-{name}"], tmp_path / "tree")
    source = (tree / f"usr/lib/one/standin-{name}/status_server.py").read_text(encoding="utf-8")
    assert re.search(rf'"{name}": .*{port}\)', source)
    shipped = [path.read_text(encoding="utf-8") for path in (tree / "etc/one").glob("*.conf")] if (tree / "etc/one").exists() else []
    assert not shipped or f":port: {port}\n" in shipped[0]


def executables(folder):
    return {path.name for path in folder.iterdir() if path.stat().st_mode & 0o111}


def test_drivers_are_where_release_5_0_2_has_them(debs, tmp_path):
    tree = unpacked(debs["opennebula"], tmp_path / "tree")
    mads, remotes = tree / "usr/lib/one/mads", tree / "var/lib/one/remotes"
    assert executables(mads) == set("one_vmm_exec one_vmm_sh one_vmm_ssh one_vmm_dummy one_im_exec one_im_ssh one_im_sh one_im_dummy collectd one_tm one_hm"
                                    " one_auth_mad one_datastore one_market".split())
    assert executables(remotes / "im/ec2.d") == executables(remotes / "im/az.d") == {"poll"} and executables(remotes / "im") >= {"run_probes"}
    assert {"deploy", "shutdown", "cancel", "poll", "save", "restore"} <= executables(remotes / "vmm/ec2") & executables(remotes / "vmm/az")
    assert not (remotes / "vmm/az/attach_disk").stat().st_mode & 0o111                     # so in the release's sources, and install.sh keeps modes
    assert {path.name for path in (remotes / "hooks/ft").iterdir()} == {"host_error.rb"}   # 5.0.2 has no fence_host.sh
    script = (tree / "DEBIAN/postinst").read_text(encoding="utf-8")
    assert "chown -R oneadmin:oneadmin /var/lib/one/remotes" in script and "ec2_driver.conf" in script


def test_every_stanza_of_our_oned_conf_finds_its_driver(debs, tmp_path):
    """Also those that are commented out: enabling one must not make oned hang."""
    tree = unpacked(debs["opennebula"], tmp_path / "tree")
    text = (tree / "etc/one/oned.conf").read_text(encoding="utf-8")
    named = set(re.findall(r'EXECUTABLE\s*=\s*"([^"]+)"', text))
    assert len(named) >= 11 and named <= executables(tree / "usr/lib/one/mads")


def test_addon_brings_the_two_drivers_that_the_release_lacks(debs, tmp_path):
    tree = unpacked(debs["opennebula-addon-drivers"], tmp_path / "tree")
    assert executables(tree / "usr/lib/one/mads") == {"one_im_eh", "one_vmm_eh"}
    assert executables(tree / "var/lib/one/remotes/im/one.d") == {"poll"} and "deploy" in executables(tree / "var/lib/one/remotes/vmm/one")
    assert (tree / "DEBIAN/conffiles").read_text(encoding="utf-8").split() == [
        "/etc/one/im_eh/im_eh.conf", "/etc/one/im_eh/im_ehrc", "/etc/one/vmm_eh/vmm_eh.conf", "/etc/one/vmm_eh/vmm_ehrc"]
    subprocess.run(["sh", "-n", tree / "DEBIAN/postinst"], check=True)


@pytest.mark.skipif(not CONFIG.is_dir(), reason="no recordings")
@pytest.mark.parametrize("name", ["ec2_driver.conf", "az_driver.conf"])
def test_driver_file_has_the_structure_of_the_shipped_one(name):
    yaml = pytest.importorskip("yaml")
    ours, shipped = (yaml.safe_load((folder / name).read_text(encoding="utf-8")) for folder in (STANDIN / "etc", CONFIG))
    assert list(ours) == list(shipped) and set(ours["regions"]) <= set(shipped["regions"]) and len(ours["regions"]) == 4
    for region, values in ours["regions"].items():
        assert list(values) == list(shipped["regions"][region]), region
        assert values["capacity"] == shipped["regions"][region]["capacity"], region
    assert ours["instance_types"].items() <= shipped["instance_types"].items()
