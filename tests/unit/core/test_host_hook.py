# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HOST_HOOK on ERROR: right for each release, never without fencing where a VM could run twice; the wrapper is run with stand-ins for its programs."""
from __future__ import annotations

import base64
import pathlib
import subprocess

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core import host_hook, oned_conf, oned_conf_edit

SHIPPED = sorted((pathlib.Path(__file__).resolve().parents[4] / "shared/fixtures/config").glob("*/oned.conf"))
SCRIPT = "#!/bin/sh\nfence_ipmilan -a \"$1\" -A password -S /etc/one/fence_password\n"
FENCE = {"script": SCRIPT}
SMALL = '\n#HOST_HOOK = [\n#    NAME      = "error",\n#    ON        = "ERROR",\n#    COMMAND   = "ft/host_error.rb",\n' \
        '#    ARGUMENTS = "$ID -m -p 5",\n#    REMOTE    = "no" ]\n'

# What 5.2 ships, in short; the order of what it does is what counts.
TEMPLATE = "#!/bin/bash\n# To enable remove this line\n{first}\n\nXPATH_ELEMENTS[i++]=x\nif [ -z \"$FENCE_IP\" ]; then\n" \
           "    echo \"Fence ip not found\"\n    exit 1\nfi\n\n" \
           "# Example:\n# fence_ilo -a $FENCE_IP -l <username> -p <password>\n"


def settings(options, release):
    assert host_hook.problems(options, release) == []
    return host_hook.describe(options, release).stanzas[0]["settings"]


@pytest.mark.parametrize("release, options, command, arguments", [
    ("3.2.1", {"action": "recreate", "fence": FENCE}, "ft/constellation_host_error", "$HID -p 5 -r n"),
    ("3.6", {"action": "delete", "force_suspended": True, "cycles": 0}, "ft/constellation_host_error", "$HID -p 0 -u -d y"),
    ("3.8", {"action": "recreate", "fence": FENCE}, "ft/constellation_host_error", "$ID -r -p 5"),
    ("4.14.2", {"action": "migrate", "force_suspended": True, "cycles": 3, "fence": FENCE}, "ft/constellation_host_error", "$ID -m -f -p 3"),
    ("5.0.2", {"action": "migrate", "fence": FENCE}, "ft/constellation_host_error", "$ID -m -p 5"),
    ("5.0.2", {"action": "delete"}, "ft/constellation_host_error", "$ID -d -p 5 -u"),
    ("5.2.1", {"action": "migrate", "fence": FENCE}, "ft/host_error.rb", "$ID -m -p 5"),
    ("5.8.5", {"action": "recreate", "force_suspended": True, "cycles": 0, "fence": FENCE}, "ft/host_error.rb", "$ID -r -f -p 0"),
    ("5.8.5", {"action": "delete"}, "ft/host_error.rb", "$ID -d -p 5 -u"),
])
def test_arguments_are_the_ones_of_the_release(release, options, command, arguments):
    assert settings(options, release) == {"ON": "ERROR", "COMMAND": command, "ARGUMENTS": arguments, "REMOTE": "no"}


@pytest.mark.parametrize("release", ["4.14.2", "5.0.2", "5.2.1"])
@pytest.mark.parametrize("action", ["migrate", "recreate"])
@pytest.mark.parametrize("fence", [None, {}])
def test_starting_vms_elsewhere_without_fencing_is_refused_with_the_reason(release, action, fence):
    found = host_hook.problems({"action": action, "fence": fence}, release)
    assert len(found) == 1 and found[0].startswith(f"fence is missing: action {action} starts the VMs") and "twice" in found[0]


@pytest.mark.parametrize("options, release, begins", [
    ({"action": "migrate", "fence": FENCE}, "5.10", "state: OpenNebula 5.10 has no HOST_HOOK in oned.conf"),
    ({"state": "absent"}, "5.12.13", "state: OpenNebula 5.12.13 has no HOST_HOOK"),
    ({"action": "migrate", "fence": FENCE}, "4.6", "action must be recreate or delete: host_error.rb of OpenNebula 4.6 cannot migrate"),
    ({"action": "resched"}, "5.0.2", "action must be one of migrate, recreate, delete"),
    ({"cycles": 3}, "5.0.2", "action is missing"),
    ({"action": "delete", "cycles": -1}, "5.0.2", "cycles must be between 0 and 1000"),
    ({"action": "delete", "cycle": 1}, "5.0.2", "cycle is no option; did you mean cycles?"),
    ({"action": "delete", "fence": {"agent": "x"}}, "5.0.2", "fence.agent is no option"),
    ({"action": "delete", "fence": {"script": SCRIPT, "program": "/x"}}, "5.0.2", "fence.script and fence.program exclude each other"),
    ({"action": "migrate", "fence": {"program": "/sbin/fence; reboot"}}, "5.0.2", "fence.program must be an absolute path"),
    ({"action": "migrate", "fence": {"script": " \n"}}, "5.0.2", "fence.script is empty"),
    ({"action": "migrate", "fence": {"script": "fence_ilo"}}, "5.0.2", "fence.script must begin with #!"),
    ({"action": "migrate", "fence": {"script": "#!/bin/sh\n# later\nset -e\nexit 0\n"}}, "5.0.2", "fence.script does nothing"),
    ({"action": "migrate", "fence": {"script": "#!/bin/sh\n# later\n"}}, "5.0.2", "fence.script is empty"),
    ({"action": "migrate", "fence": {"script": TEMPLATE.format(first="exit 1")}}, "5.2.1", "fence.script fails before it fences"),
    ({"action": "migrate", "fence": {"script": TEMPLATE.format(first='echo ""Fence host not configured"" && exit 1')}}, "5.8.5",
     "fence.script fails before it fences"),
    ({"action": "migrate", "fence": {"script": TEMPLATE.format(first="")}}, "5.2.1", "fence.script is the shipped one without its first line"),
])
def test_mistakes_are_told(options, release, begins):
    found = host_hook.problems(options, release)
    assert len(found) == 1 and found[0].startswith(begins), found


def test_nothing_declared_is_nothing_to_do():
    assert host_hook.problems({}, "7.4.0") == [] and host_hook.describe({}, "7.4.0") == host_hook.HostHook()


def test_files_come_with_the_stanza():
    hooks = "/var/lib/one/remotes/hooks/ft"
    found = host_hook.describe({"action": "migrate", "fence": FENCE}, "5.0.2")
    assert [(file["path"], file["mode"], file["owner"]) for file in found.files] == [
        (f"{hooks}/fence_host.sh", "0700", "oneadmin"), (f"{hooks}/constellation_host_error", "0755", "oneadmin")]
    assert found.files[0]["content"] == SCRIPT and found.programs == (f"{hooks}/host_error.rb",)
    found = host_hook.describe({"action": "migrate", "fence": {"program": "/usr/local/sbin/fence-host"}}, "5.2.1")
    assert [file["path"] for file in found.files] == [f"{hooks}/fence_host.sh"] and 'exec /usr/local/sbin/fence-host "$@"\n' in found.files[0]["content"]
    assert found.programs == ("/usr/local/sbin/fence-host", f"{hooks}/host_error.rb")
    own = host_hook.describe({"action": "migrate", "fence": {"program": f"{hooks}/fence_host.sh"}}, "5.2.1")
    assert own.files == () and own.programs[0] == f"{hooks}/fence_host.sh"


@pytest.mark.parametrize("options, release, words", [
    ({"action": "delete"}, "5.0.2", ["action delete without fence"]),
    ({"action": "delete", "fence": FENCE}, "5.2.1", ["deletes suspended and powered-off VMs with it"]),
    ({"action": "migrate", "fence": {"script": "#!/bin/sh\nfence_ilo -l admin -p hunter2\n"}}, "5.0.2", ["seems to hold a password"]),
    ({"action": "migrate", "cycles": 0, "fence": FENCE}, "5.0.2", ["acted upon at once"]),
    ({"action": "migrate", "force_suspended": True, "fence": FENCE}, "5.0.2", ["reschedules no suspended VM"]),
    ({"action": "recreate", "force_suspended": True, "fence": FENCE}, "5.0.2", []),
    ({"action": "migrate", "fence": FENCE}, "5.0.2", []),
])
def test_what_is_allowed_but_harmful_is_told(options, release, words):
    warnings = host_hook.describe(options, release).warnings
    assert len(warnings) == len(words) and all(word in warning for word, warning in zip(words, warnings))


# -- in oned.conf

def after(text, options, release):
    return oned_conf_edit.edit(oned_conf.parse(text, "oned.conf", release), oned_conf_edit.wanted((), host_hook.describe(options, release).stanzas))


def in_place(text, release):
    """Assert that the shipped stanza is taken out of its comment and put back, and nothing else is touched."""
    options = {"action": "recreate", "fence": FENCE}
    on = after(text, options, release)
    assert oned_conf.parse(on, release=release).stanzas("HOST_HOOK") == [dict(settings(options, release), NAME="error")]
    assert len(on.splitlines()) == len(text.splitlines()) and after(on, options, release) == on
    off = after(on, {"state": "commented"}, release)
    assert oned_conf.parse(off, release=release).stanzas("HOST_HOOK") == []
    assert after(text, {"state": "absent"}, release) == text


def test_shipped_stanza_is_uncommented_in_place():
    in_place(SMALL, "5.0.2")


@pytest.mark.skipif(not SHIPPED, reason="the shared fixtures are not here")
def test_every_shipped_file_takes_the_hook_in_place():
    files = [path for path in SHIPPED if host_hook.problems({"action": "delete"}, path.parent.name) == []]
    for path in files:
        in_place(oned_conf.decode(path.read_bytes()), path.parent.name)
    assert len(files) == 4, [path.parent.name for path in files]


@pytest.mark.skipif(not SHIPPED, reason="the shared fixtures are not here")
def test_shipped_settings_are_what_the_files_ship():
    for path in SHIPPED:
        commented = [found.attribute.value for found in oned_conf.parse(path.read_bytes(), release=path.parent.name).commented
                     if found.attribute.name == "HOST_HOOK" and found.attribute.label == "error"]
        if commented:
            assert commented == [dict(host_hook.shipped(path.parent.name), NAME="error")], path


# -- the wrapper, run

class Front:
    """A front-end in a folder: onehost, host_error.rb, fence_host.sh and sleep are stand-ins that write down what they were given."""

    def __init__(self, path, state="3", fence=0, onehost=0, config="MONITORING_INTERVAL=60\n", release="5.0.2"):
        self.log = path / "log"
        self.hooks = path / "remotes/hooks/ft"
        self.hooks.mkdir(parents=True)
        (path / "bin").mkdir()
        (path / "config").write_text(config)
        states = f"  <STATE>{state}</STATE>\n  <TEMPLATE><STATE>1</STATE></TEMPLATE>\n" if state else ""
        self.host = f"<HOST>\n  <ID>7</ID>\n  <NAME>kvm1</NAME>\n{states}</HOST>"
        (path / "host.xml").write_text(self.host + "\n")
        self.program(path / "bin/onehost", f"echo onehost \"$@\" >> {self.log}; cat {path}/host.xml; exit {onehost}")
        self.program(path / "bin/sleep", f"echo sleep \"$@\" >> {self.log}")
        self.program(self.hooks / "host_error.rb", f"echo host_error.rb \"$@\" >> {self.log}")
        self.program(self.hooks / "fence_host.sh", f"echo fence \"$@\" >> {self.log}; exit {fence}")
        self.program(self.hooks / "constellation_host_error", "", host_hook.wrapper(release, str(path)))
        self.path = path

    @staticmethod
    def program(path, line, text=None):
        path.write_text(text or f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def error(self, *arguments):
        """Run the hook for host 7; return (exit code, output, the steps taken)."""
        done = subprocess.run([str(self.hooks / "constellation_host_error"), "7", *arguments], capture_output=True, text=True, check=False, timeout=30,
                              env={"PATH": f"{self.path}/bin:/usr/bin:/bin"})
        return done.returncode, done.stdout + done.stderr, self.log.read_text().splitlines() if self.log.exists() else []


def test_wrapper_waits_looks_fences_and_only_then_acts(tmp_path):
    front = Front(tmp_path)
    code, said, steps = front.error("-m", "-f", "-p", "5")
    assert code == 0 and steps[0] == "sleep 300" and steps[1] == "onehost show -x 7" and steps[3] == "host_error.rb 7 -m -f" and len(steps) == 4
    kind, host = steps[2].split()
    assert kind == "fence" and base64.b64decode(host).decode().strip() == front.host


@pytest.mark.parametrize("front, arguments, steps, code, said", [
    ({"fence": 1}, ("-m", "-p", "5"), ["sleep", "onehost", "fence"], 1, "fence_host.sh failed; its VMs were not touched"),
    ({"state": "2"}, ("-m", "-p", "5"), ["sleep", "onehost"], 0, "not in error any more (state 2)"),
    ({"state": ""}, ("-m", "-p", "5"), ["sleep", "onehost"], 1, "onehost show tells no state"),
    ({"onehost": 255}, ("-m", "-p", "5"), ["sleep", "onehost"], 1, "onehost show failed"),
    ({"config": "DB=BACKEND=mysql\nHOST_MONITORING_INTERVALS=9\n"}, ("-m", "-p", "5"), [], 1, "MONITORING_INTERVAL is not in"),
    ({"state": "5"}, ("-d", "-p", "0", "-u"), ["onehost", "host_error.rb"], 0, ""),
    ({"release": "3.2.1", "config": "HOST_MONITORING_INTERVAL=600\n"}, ("-p", "1", "-r", "n"), ["sleep", "onehost", "fence", "host_error.rb"], 0, ""),
])
def test_wrapper_stops_where_it_must(tmp_path, front, arguments, steps, code, said):
    ended, output, taken = Front(tmp_path, **front).error(*arguments)
    assert (ended, [step.split()[0] for step in taken]) == (code, steps) and said in output


def test_wrapper_without_a_fence_script_touches_nothing(tmp_path):
    front = Front(tmp_path)
    (front.hooks / "fence_host.sh").unlink()
    code, said, steps = front.error("-m", "-p", "0")
    assert code == 1 and [step.split()[0] for step in steps] == ["onehost"] and "fence_host.sh failed" in said
