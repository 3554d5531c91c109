# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The skeleton of a driver: real scripts, run by a real shell, and good for shellcheck and for our own check."""
import shutil
import subprocess

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core import driver_scripts
from ansible_collections.constellation.opennebula.plugins.module_utils.core.clouds import custom
from ansible_collections.constellation.opennebula.plugins.module_utils.core.driver_skeleton import MEANING, skeleton
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import Problems

RELEASES = ["3.0", "3.2.1", "3.8", "4.2", "4.4", "4.14.2", "5.0.2", "5.10.5"]


def parts(tree):
    return ({path.partition("/")[2]: text for path, text in tree.items() if path.startswith(folder + "/")} for folder in ("probes", "actions"))


def cases():
    return [(release, generation) for release in RELEASES for generation in (3, 5) if not driver_scripts.generation_problems(generation, release)]


@pytest.mark.parametrize("release, generation", cases())
def test_skeleton_passes_our_own_check(release, generation):
    probes, actions = parts(skeleton("mycloud", release, generation))
    declared = {"provider": "custom", "name": "mycloud", "generation": generation, "actions": actions, **({"probes": probes} if generation == 5 else {})}
    assert custom.problems(declared, release) == []
    assert set(actions) == {action.name for action in driver_scripts.actions(release)} and bool(probes) == (generation == 5)


@pytest.mark.parametrize("release, generation", [("3.2.1", 3), ("5.0.2", 5)])
def test_actions_fail_loudly_and_the_probe_works(release, generation, tmp_path):
    probes, actions = parts(skeleton("mycloud", release, generation))
    for name, text in {**probes, **actions}.items():
        (tmp_path / name).write_text(text)
    for action in driver_scripts.actions(release):
        given = driver_scripts.arguments(action, release)
        for argv in ([], [f"<{name}>" for name in given]) if action.name == "deploy" else ([f"<{name}>" for name in given],):
            done = subprocess.run(["sh", action.name, *argv], cwd=tmp_path, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.startswith("ERROR MESSAGE --8<------\n") and f"{action.name}: not implemented" in done.stderr
        assert "<vm_id>" in done.stderr
        assert all(f"#   ${place}  {name}: " in actions[action.name] for place, name in enumerate(given, 1))
        assert max(map(len, actions[action.name].splitlines())) <= 160
    for name in probes:
        argv = driver_scripts.probe_arguments("mycloud", "remote", 7)
        done = subprocess.run(["sh", name, *argv], cwd=tmp_path, capture_output=True, text=True, check=False)
        row = {"probe": name, "code": done.returncode, "out": done.stdout, "err": done.stderr, "why": ""}
        driver_scripts.judge([row], "mycloud", release)
        assert 'HOSTNAME="remote"' in done.stdout


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="no shellcheck here")
@pytest.mark.parametrize("release", ["3.2.1", "5.0.2"])
def test_skeleton_passes_shellcheck(release, tmp_path):
    scripts = [path for path, text in skeleton("mycloud", release).items() if text.startswith("#!")]
    for path in scripts:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(skeleton("mycloud", release)[path])
    done = subprocess.run(["shellcheck", *scripts], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert scripts and done.returncode == 0, done.stdout


def test_arguments_are_those_of_the_release():
    restore = next(action for action in driver_scripts.ACTIONS if action.name == "restore")
    assert driver_scripts.arguments(restore, "4.2") == ("checkpoint_file", "host", "vm_id", "host_name")
    assert driver_scripts.arguments(restore, "5.0.2") == ("checkpoint_file", "host", "deploy_id", "vm_id", "host_name")
    assert all(name in MEANING for action in driver_scripts.ACTIONS for name in action.arguments)
    assert "USEDCPU=12" in skeleton("a", "3.2.1")["actions/poll"] and "STATE=a CPU=12" in skeleton("a", "5.0.2")["actions/poll"]


@pytest.mark.parametrize("name, release, generation, expected", [
    ("a/b", "5.0.2", None, "name 'a/b' names folders"),
    ("kvm", "5.0.2", None, "name kvm: OpenNebula brings"), ("a", "5.12", None, "generation 5: OpenNebula 5.12"),
    ("a", "5.0.2", 4, "generation must be one of 3, 5"), ("a", "3.8", 5, "generation 5: OpenNebula 3.8 cannot run it")])
def test_impossible_skeleton_is_refused(name, release, generation, expected):
    with pytest.raises(Problems, match="cannot make a skeleton") as caught:
        skeleton(name, release, generation)
    assert expected in str(caught.value)
