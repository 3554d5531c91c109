# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pacemaker.Pacemaker: argument lists, secrets by standard input, every exit code named."""
from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import pacemaker, system
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotThere

CANARY = "CANARY-9f2c"


@pytest.fixture(name="programs")
def programs_(monkeypatch):
    """Answers by program name; records (argv, stdin)."""
    calls, answers = [], {}

    def run(argv, stdin=None, timeout_s=60):
        calls.append((argv, stdin))
        answer = answers.get(argv[0], (0, "", ""))
        return answer(argv) if callable(answer) else answer
    monkeypatch.setattr(system, "run", run)
    return calls, answers


def test_password_goes_through_standard_input_only(programs):
    calls = programs[0]
    cluster = pacemaker.Pacemaker()
    cluster.authenticate({"a": ["192.0.2.1"], "b": ["192.0.2.2"]}, "hacluster", CANARY)
    cluster.fence_status("fence_x", f"password={CANARY}\n")
    cluster.patch(f"<diff>{CANARY}</diff>")
    cluster.verify(f"<cib>{CANARY}</cib>")
    assert calls[0] == (["pcs", "host", "auth", "a", "addr=192.0.2.1", "b", "addr=192.0.2.2", "-u", "hacluster"], CANARY + "\n")
    assert len(calls) == 4 and CANARY not in repr([argv for argv, dummy in calls])


def test_configurations_are_compared_in_files_that_only_their_owner_reads(programs, tmp_path):
    def look(argv):
        for path in (argv[3], argv[5]):
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
            with open(path, encoding="utf-8") as stream:
                assert CANARY in stream.read()
        return 1, "<diff/>", ""
    programs[1]["crm_diff"] = look
    assert pacemaker.Pacemaker(str(tmp_path)).diff(f"<a>{CANARY}</a>", f"<b>{CANARY}</b>") == "<diff/>"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code, expected", [(0, True), (103, False), (104, False)])
def test_patch_tells_a_moved_configuration_from_an_applied_one(programs, code, expected):
    programs[1]["cibadmin"] = (code, "", "Update was older than existing configuration")
    assert pacemaker.Pacemaker().patch("<diff/>") is expected


@pytest.mark.parametrize("code, error, message", [
    (127, NotThere, "cibadmin is not installed"), (102, NotThere, "the cluster does not run on this host"),
    (77, CoreError, r"ended with 77 \(not permitted\): said why"), (99, CoreError, r"ended with 99 \(unknown\)"),
])
def test_exit_codes_are_named(programs, code, error, message):
    programs[1]["cibadmin"] = (code, "", "said\n  why")
    with pytest.raises(error, match=message) as caught:
        pacemaker.Pacemaker().cib()
    assert isinstance(caught.value, NotThere) == (error is NotThere)


def test_verification_returns_what_is_wrong(programs):
    programs[1]["crm_verify"] = (78, "", "error: no good\nerror: worse\n-V may provide more details\n")
    assert pacemaker.Pacemaker().verify("<cib/>") == ["error: no good", "error: worse"]
    programs[1]["crm_verify"] = (0, "", "warning: only")
    assert pacemaker.Pacemaker().verify("<cib/>") == []


def test_what_pacemaker_only_warns_of_is_no_error(programs):
    programs[1]["crm_verify"] = (78, "", "crm_verify: Warnings found during check: config may not be valid\n")     # 2.1.5, a lifetime is deprecated
    assert pacemaker.Pacemaker().verify("<cib/>") == []
    programs[1]["crm_verify"] = (78, "", "(rsc_ticket_new) \terror: Resetting 'loss-policy' for ticket 'T' to 'stop' because fencing is not configured\n"
                                         "crm_verify: Errors found during check: config not valid\n")
    assert pacemaker.Pacemaker().verify("<cib/>") == [
        "(rsc_ticket_new) error: Resetting 'loss-policy' for ticket 'T' to 'stop' because fencing is not configured"]


def test_waiting_ends_with_an_answer_or_an_error(programs):
    for code, expected in ((0, True), (124, False)):
        programs[1]["crm_resource"] = (code, "", "")
        assert pacemaker.Pacemaker().wait_idle(5) is expected
    programs[1]["crm_resource"] = (1, "", "broken")
    with pytest.raises(CoreError, match="cannot wait for the cluster"):
        pacemaker.Pacemaker().wait_idle(5)


def test_fence_agent_that_hangs_ends_with_no_answer(tmp_path):
    agent = tmp_path / "fence_hang"
    agent.write_text("#!/bin/sh\nexec sleep 60\n", encoding="ascii")
    agent.chmod(0o700)
    assert pacemaker.Pacemaker().fence_status(str(agent), "action=status\n", timeout_s=0.2) == (124, "no answer after 0.2 s")


def test_units_agents_and_properties_are_asked_of_those_who_know(programs):
    calls, answers = programs
    answers["crm_resource"] = (0, "IPaddr2\nDummy\n", "")
    assert pacemaker.Pacemaker().installed_agents("ocf:heartbeat") == ["IPaddr2", "Dummy"]
    assert calls[-1][0] == ["crm_resource", "--list-agents", "ocf:heartbeat"]
    for text, known in (("LoadState=not-found\n", False), ("LoadState=loaded\n", True)):
        answers["systemctl"] = (0, text, "")
        assert pacemaker.Pacemaker().unit_is_known("opennebula") is known
    answers["/usr/lib/pacemaker/pacemaker-controld"] = (0, "<resource-agent/>", "")
    for program in ("schedulerd", "controld", "based"):
        answers[f"/usr/libexec/pacemaker/pacemaker-{program}"] = (127, "", "not found")
        answers.setdefault(f"/usr/lib/pacemaker/pacemaker-{program}", (127, "", "not found"))
    assert pacemaker.Pacemaker().property_metadata() == ["<resource-agent/>"]


def test_metadata_of_a_missing_agent_is_nothing(programs):
    programs[1]["crm_resource"] = (105, "", "No such object")
    assert pacemaker.Pacemaker().metadata("fence_x") == ""
    assert programs[0][0][0] == ["crm_resource", "--show-metadata", "stonith:fence_x"]


def test_seeded_configuration_never_replaces_one(monkeypatch, tmp_path):
    owner = type("O", (), {"pw_uid": os.getuid(), "gr_gid": os.getgid()})
    monkeypatch.setattr(pacemaker, "CIB_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(pacemaker.pwd, "getpwnam", lambda name: owner)
    monkeypatch.setattr(pacemaker.grp, "getgrnam", lambda name: owner)
    cluster = pacemaker.Pacemaker()
    assert not cluster.has_cib()
    cluster.seed("<first/>")
    with pytest.raises(FileExistsError):
        cluster.seed("<second/>")
    assert (tmp_path / "cib.xml").read_text(encoding="utf-8") == "<first/>" and [path.name for path in tmp_path.iterdir()] == ["cib.xml"]
    assert stat.S_IMODE((tmp_path / "cib.xml").stat().st_mode) == 0o600


def test_example_is_renamed_and_corosync_conf_is_the_last(monkeypatch, tmp_path):
    monkeypatch.setattr(pacemaker, "CIB_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(pacemaker, "COROSYNC_CONF", str(tmp_path / "corosync.conf"))
    moved = []
    monkeypatch.setattr(pacemaker.os, "replace", lambda old, new: moved.append((os.path.basename(old), os.path.basename(new))))
    (tmp_path / "corosync.conf").write_text("", encoding="utf-8")
    pacemaker.Pacemaker.set_members_aside()
    assert moved == [("corosync.conf", "corosync.conf.example")]
    (tmp_path / "cib.xml").write_text("", encoding="utf-8")
    pacemaker.Pacemaker.set_members_aside()
    assert moved[1:] == [("cib.xml", "cib.xml.example"), ("corosync.conf", "corosync.conf.example")]


@pytest.mark.parametrize("answers, calls", [
    ([(0, "", "")], 1),
    ([(1, "", "Error: alpha1: Connection timeout, check if pcsd is running there"), (0, "", "")], 2),
])
def test_setup_asks_a_busy_node_twice(monkeypatch, answers, calls):
    asked = []
    monkeypatch.setattr(pacemaker.system, "run", lambda argv, **unused: asked.append(argv) or answers[len(asked) - 1])
    pacemaker.Pacemaker().setup("one", {"alpha1": ["192.0.2.1"]})
    assert asked == [["pcs", "cluster", "setup", "one", "alpha1", "addr=192.0.2.1"]] * calls


def test_setup_that_fails_otherwise_is_not_repeated(monkeypatch):
    asked = []
    monkeypatch.setattr(pacemaker.system, "run", lambda argv, **unused: asked.append(argv) or (1, "", "Error: alpha1: the node seems to be in a cluster"))
    with pytest.raises(CoreError, match="cluster one cannot be set up: .*in a cluster"):
        pacemaker.Pacemaker().setup("one", {"alpha1": ["192.0.2.1"]})
    assert len(asked) == 1


def test_members_options_and_votes_are_pcs_and_corosyncs_words(programs):
    calls, answers = programs
    cluster = pacemaker.Pacemaker()
    cluster.add_node("c", ["192.0.2.3", "198.51.100.3"])
    cluster.add_link({"a": "198.51.100.1", "b": "198.51.100.2"})
    cluster.remove_node("c", offline=False)
    cluster.remove_node("c", offline=True)
    cluster.change_device("add", ["timeout=5000"], ["host=192.0.2.9", "algorithm=ffsplit"])
    cluster.change_device("update", [], ["algorithm=lms"])
    cluster.change_device("update", ["timeout=5000"], [], ["mode=sync", "exec_prefer=/bin/true x"])
    cluster.change_device("remove")
    cluster.reload()
    assert [" ".join(argv) for argv, unused in calls] == [
        "pcs cluster node add c addr=192.0.2.3 addr=198.51.100.3", "pcs cluster link add a=198.51.100.1 b=198.51.100.2",
        "pcs cluster node remove c", "pcs cluster node remove c --skip-offline --force",
        "pcs quorum device add timeout=5000 model net host=192.0.2.9 algorithm=ffsplit", "pcs quorum device update model algorithm=lms",
        "pcs quorum device update timeout=5000 heuristics mode=sync exec_prefer=/bin/true x",
        "pcs quorum device remove", "corosync-cfgtool -R"]
    answers["corosync-cfgtool"] = (1, "Reloading corosync.conf...", "Could not reload configuration. Error 28")
    with pytest.raises(CoreError, match="corosync did not take its new configuration.*Error 28"):
        cluster.reload()


@pytest.mark.parametrize("code, expected", [(0, "Quorate: Yes"), (2, "Quorate: Yes"), (1, ""), (127, "")])
def test_votes_are_read_also_without_quorum(programs, code, expected):
    programs[1]["corosync-quorumtool"] = (code, "Quorate: Yes", "")
    assert pacemaker.Pacemaker().quorum() == expected


@pytest.mark.parametrize("answer, expected", [
    ((0, "", "Nov 21 08:00:35 notice  [MAIN  ] Corosync Cluster Engine exiting normally"), []), ((127, "", "not found"), []),
    ((8, "", ""), ["corosync -t ended with 8"]),
    ((8, "", "Nov 21 error   [MAIN  ] parse error in config: The token timeout parameter (5 ms) may not be less than (30 ms).\n"
      "Nov notice x\nNov 21 error   [MAIN  ] Corosync Cluster Engine exiting with status 8 at main.c:1445."),
     ["parse error in config: The token timeout parameter (5 ms) may not be less than (30 ms)."]),
])
def test_corosync_checks_a_new_file_before_it_is_one(programs, tmp_path, answer, expected):
    def look(argv):
        with open(argv[3], encoding="utf-8") as stream:
            assert "to_logfile: no" in stream.read()
        return answer
    programs[1]["corosync"] = look
    assert pacemaker.Pacemaker(str(tmp_path)).check_members("totem {\n}\n") == expected
    assert programs[0][0][0][:3] == ["corosync", "-t", "-c"] and list(tmp_path.iterdir()) == []


def test_start_that_fails_names_the_nodes_that_failed(monkeypatch):
    said = ("b1: Starting Cluster...\nb2: Starting Cluster...\nb2: Error connecting to b2 - (HTTP error: 400)\n"
            "Error: unable to start all nodes\nb2: Error connecting to b2 - (HTTP error: 400)\n")      # pcs 0.11.5
    monkeypatch.setattr(pacemaker.system, "run", lambda argv, **unused: (1, "", said))
    with pytest.raises(CoreError, match="the cluster cannot be started on b2: .*HTTP error: 400.*journalctl"):
        pacemaker.Pacemaker().start(["b1", "b2"])
    monkeypatch.setattr(pacemaker.system, "run", lambda argv, **unused: (1, "", "Error: something else"))
    with pytest.raises(CoreError, match="cannot be started on b1, b2"):
        pacemaker.Pacemaker().start(["b1", "b2"])


def test_new_members_file_replaces_the_old_one_as_a_whole(monkeypatch, tmp_path):
    path = tmp_path / "corosync.conf"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr(pacemaker, "COROSYNC_CONF", str(path))
    pacemaker.Pacemaker.write_members("new")
    assert path.read_text(encoding="utf-8") == "new" and list(tmp_path.iterdir()) == [path]
