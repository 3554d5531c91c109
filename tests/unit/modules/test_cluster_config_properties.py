# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated configurations changed into other generated ones by the module and pacemaker's own crm_verify, crm_diff and cibadmin.

CIB files need no running cluster. What check mode predicts is what happens, and a patch names only what the prediction names.
"""
from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from unittest import mock

import pytest

hypothesis = pytest.importorskip("hypothesis")
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import pacemaker  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.module_utils.core import cib  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import Problems  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.modules import cluster_config  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "core"))
from cib_examples import bare, descriptions, foreign, holds, named, paths_are_ours, step  # noqa: E402
from cluster_fakes import Clock, Cluster  # noqa: E402

pytestmark = pytest.mark.skipif(not shutil.which("crm_diff"), reason="pacemaker-cli-utils is not installed")
AGENT = "<resource-agent><parameters>" + "".join(f'<parameter name="{name}"/>' for name in ("o1", "o2", "passwd_file")) + "</parameters></resource-agent>"


class OnFile(pacemaker.Pacemaker):
    """The real programs on a CIB file; only what needs a running cluster is made up."""

    def __init__(self, path):
        super().__init__()
        self.path, self.patches, self.between = path, [], None

    def cib(self):
        with mock.patch.dict(os.environ, CIB_file=str(self.path)):
            return super().cib()

    def patch(self, patch):
        if self.between:
            self.between()
        with mock.patch.dict(os.environ, CIB_file=str(self.path)):
            if not super().patch(patch):
                return False
        self.patches.append(patch)
        return True

    def metadata(self, agent):
        return AGENT

    def property_metadata(self):
        return []

    monitor = staticmethod(Cluster().monitor)
    local_node = staticmethod(Cluster.local_node)

    def wait_idle(self, timeout_s):
        return True


def ensure(cluster, description, absent, check_mode=False, **changes):
    params = {"description": dict(description, absent=sorted(absent)), "secrets": None, "exclusive": False, "verify_fencing": "none", "wait_timeout_s": 5}
    return cluster_config.ensure(dict(params, **changes), cluster, check_mode, Clock()).as_result()


@hypothesis.settings(max_examples=int(os.environ.get("EXAMPLES", "3")), suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(descriptions(), descriptions(), foreign())
def test_pacemakers_own_programs_make_of_it_what_was_predicted(tmp_path_factory, first, second, strangers):
    live = tmp_path_factory.mktemp("cib") / "live.xml"
    live.write_text(ET.tostring(bare(strangers), encoding="unicode"), encoding="utf-8")
    cluster, previous = OnFile(live), frozenset()
    for description in (first, second):
        before = cib.parse(cluster.cib())
        wanted, todo, absent = step(before, description, previous)
        predicted = ensure(cluster, description, absent, check_mode=True)
        assert cib.objects(cib.parse(cluster.cib())) == cib.objects(before)
        cluster.patches.clear()
        done = ensure(cluster, description, absent)
        assert (done["changes"], done["diff"]) == (predicted["changes"], predicted["diff"]) and done["changed"] == bool(cluster.patches)
        for patch in cluster.patches:
            paths_are_ours(patch, todo)
        after = cib.parse(cluster.cib())
        assert cib.objects(after) == cib.objects(cib.parse(cib.render(before, todo))), "the patch gives what was rendered"
        holds(before, after, wanted, todo, absent, strangers)
        assert not ensure(cluster, description, absent)["changed"] and len(cluster.patches) <= 1
        previous = frozenset(named(description))


VIP = {"resources": [{"id": "vip", "agent": "ocf:heartbeat:Dummy", "options": {"o1": "1"}}], "properties": {"dc-deadtime": "5s"}}


@pytest.mark.parametrize("theirs, expected", [
    # somebody else's object: stays, ours is done as predicted
    (["--create", "--scope", "resources", "--xml-text", '<primitive id="theirs" class="systemd" type="x"/>'], ["dc-deadtime", "vip"]),
    # somebody else drifts an object of ours that was right: repaired in the same patch, and told
    (["--modify", "--xml-text", '<nvpair id="no-fencing" value="true"/>'], ["stonith-enabled", "dc-deadtime", "vip"]),
])
def test_configuration_that_moves_in_between_is_read_again_and_never_half_written(tmp_path, theirs, expected):
    live = tmp_path / "live.xml"
    live.write_text(ET.tostring(bare({}), encoding="unicode"), encoding="utf-8")
    cluster = OnFile(live)
    description = dict(VIP, properties={"stonith-enabled": "false", "dc-deadtime": "5s"})

    def between():
        cluster.between = None
        done = subprocess.run(["cibadmin", *theirs], env=dict(os.environ, CIB_file=str(live)), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    predicted = ensure(cluster, description, (), check_mode=True)
    cluster.between = between
    done = ensure(cluster, description, ())
    assert [change["target"] for change in predicted["changes"]] == ["dc-deadtime", "vip"]
    assert [change["target"] for change in done["changes"]] == expected and len(cluster.patches) == 1
    found = cib.objects(cib.parse(cluster.cib()))
    assert found[("property", "stonith-enabled")] == "false" and found[("property", "dc-deadtime")] == "5s" and ("resource", "vip") in found
    assert (("resource", "theirs") in found) == ("theirs" in theirs[-1])


def test_patch_that_does_not_fit_changes_nothing(tmp_path):
    live = tmp_path / "live.xml"
    live.write_text(ET.tostring(bare({}), encoding="unicode"), encoding="utf-8")
    cluster = OnFile(live)
    text = cluster.cib()
    root = cib.parse(text)
    patch = cluster.diff(text, cib.render(root, cib.plan(root, cib.declared(VIP))))
    assert cluster.patch(patch) is True
    after = cluster.cib()
    assert cluster.patch(patch) is False and cluster.cib() == after


def test_error_that_crm_verify_finds_is_told_in_check_mode_too_and_nothing_is_written(tmp_path):
    live = tmp_path / "live.xml"
    live.write_text(ET.tostring(bare({}), encoding="unicode"), encoding="utf-8")
    cluster = OnFile(live)
    before = cluster.cib()
    description = dict(VIP, tickets=[{"id": "t", "resource": "vip", "ticket": "T", "loss_policy": "fence"}])
    for mode in (True, False):
        with pytest.raises(Problems, match="Resetting 'loss-policy' for ticket 'T' to 'stop' because fencing is not configured"):
            ensure(cluster, description, (), check_mode=mode)
    assert cluster.cib() == before and cluster.patches == []
