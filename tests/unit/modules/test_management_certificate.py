# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module management_certificate: made once, never replaced unasked, .cer follows .pem, the key nowhere; with a stand-in and with the real openssl."""
from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotConverged, NotThere, Problems
from ansible_collections.constellation.opennebula.plugins.modules import management_certificate
from ansible_collections.constellation.opennebula.tests.unit.modules.certificate_fakes import (
    CANARY, CER, PEM, FakeOpenSsl, RecordedOpenSsl, RecordedTree, block, params, pem_of, unblock)

real = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")


@pytest.fixture
def tree(tmp_path):
    return RecordedTree(tmp_path)


def both(tree, openssl=None, **options):
    """Return the outcome of a run that check mode foresaw and that a second run finds done."""
    openssl = openssl or FakeOpenSsl()
    foreseen = management_certificate.ensure(params(**options), tree, openssl, True)
    assert tree.writes == []
    done = management_certificate.ensure(params(**options), tree, openssl, False)
    assert done.plan.as_list() == foreseen.plan.as_list() and tree.writes == [change.target for change in done.plan]
    options.pop("renew", None)
    for check_mode in (True, False):
        again = management_certificate.ensure(params(**options), tree, openssl, check_mode)
        assert not again.changed and again.results["certificate"]["fingerprint_sha256"] == done.results["certificate"]["fingerprint_sha256"]
    assert CANARY not in json.dumps([outcome.as_result() for outcome in (foreseen, done)])
    assert "PRIVATE KEY" not in json.dumps([outcome.as_result() for outcome in (foreseen, done)])
    return done


def cer_of(pem):
    return unblock("".join(pem.partition("-----BEGIN PRIVATE")[0])).encode().decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("openssl", [FakeOpenSsl(), pytest.param(RecordedOpenSsl(), marks=real)], ids=["fake", "real"])
def test_made_when_there_is_none(tree, openssl):
    done = both(tree, openssl, common_name="alpha 1", days=40)
    assert [(change.kind, change.target, change.before) for change in done.plan] == [("certificate", PEM, None), ("file", CER, None)]
    assert done.plan.as_list()[0]["after"]["content"] == "made" and done.results["certificate"]["days_left"] in (39, 40)
    assert tree.read(PEM)["mode"] == "0600" and tree.read(CER)["mode"] == "0644"


@real
def test_real_files_are_what_the_driver_and_azure_read(tree, tmp_path):
    openssl = RecordedOpenSsl()
    both(tree, openssl, common_name="alpha 1")
    pem, cer = tmp_path / PEM[1:], tmp_path / CER[1:]
    told = [subprocess.run(["openssl", "x509", "-noout", "-subject", "-fingerprint", "-in", str(path), "-inform", kind], capture_output=True, check=True,
                           text=True).stdout for path, kind in ((pem, "PEM"), (cer, "DER"))]
    assert told[0] == told[1] and "alpha 1" in told[0]
    assert subprocess.run(["openssl", "rsa", "-check", "-noout", "-in", str(pem)], capture_output=True, check=True).returncode == 0
    key = [line for line in pem.read_text().partition("PRIVATE KEY")[2].splitlines() if len(line) == 64]
    assert len(key) > 20 and not any(line in argument for call in openssl.calls for argument in call for line in key)


@real
def test_real_pair_that_does_not_belong_together_is_refused(tree):
    openssl = RecordedOpenSsl()
    one, other = openssl.make("one", 10), openssl.make("other", 10)
    mixed = one.partition("-----BEGIN PRIVATE")[0] + "-----BEGIN PRIVATE" + other.partition("-----BEGIN PRIVATE")[2]
    with pytest.raises(CoreError, match="does not belong to the certificate"):
        management_certificate.ensure(params(content=mixed), tree, openssl, False)
    done = both(tree, openssl, content=one.replace("\n", "\r\n"))
    assert done.results["certificate"]["subject"] == "CN=one" and tree.read(PEM)["content"] == one
    assert re.search(r"ends in (9|10) days, on 20", done.plan.warnings[0])
    assert tree.writes == [PEM, CER]
    with pytest.raises(CoreError, match="cannot read the private key"):
        management_certificate.ensure(params(content=one.partition("-----BEGIN PRIVATE")[0] + block("PRIVATE KEY", "junk")), tree, openssl, False)


@pytest.mark.parametrize("label", ["PRIVATE KEY", "RSA PRIVATE KEY"])
def test_given_replaces_what_is_there(tree, label):
    tree.put(PEM, pem_of("old"))
    done = both(tree, content="Bag Attributes\n" + pem_of("new", label=label) + "\n\n")
    assert done.plan.as_list()[0]["after"]["content"] == "changed" and done.results["certificate"]["subject"] == "CN=of new"
    assert tree.read(PEM)["content"].endswith("-----\n") and tree.read(CER)["content"].startswith("new ")


def test_one_that_is_there_is_kept_and_its_cer_follows(tree):
    tree.put(PEM, pem_of("old"), "0644")
    tree.put(CER, "of another", "0600")
    done = both(tree, days=9)
    assert [change["after"] for change in done.plan.as_list()] == [
        dict(mode="0600", owner=params()["owner"], group=params()["group"]),
        dict(mode="0644", owner=params()["owner"], group=params()["group"], content="changed")]
    assert tree.read(PEM)["content"] == pem_of("old") and tree.read(CER)["content"].encode("utf-8", "surrogateescape") == unblock(
        pem_of("old").partition("-----BEGIN PRIVATE")[0]).encode()


def test_cer_with_wrong_mode_alone_is_put_right(tree):
    both(tree)
    tree.writes.clear()
    tree.put(CER, tree.read(CER)["content"], "0600")
    assert [change.target for change in both(tree).plan] == [CER]


def test_renew_makes_another_one_each_time(tree):
    tree.put(PEM, pem_of("old"))
    openssl = FakeOpenSsl()
    assert both(tree, openssl, renew=True).results["certificate"]["subject"] == "CN=of made1"
    assert management_certificate.ensure(params(renew=True), tree, openssl, False).results["certificate"]["subject"] == "CN=of made2"


def test_renew_replaces_what_is_no_certificate(tree):
    tree.put(PEM, "junk")
    assert both(tree, renew=True).changed


@pytest.mark.parametrize("text, why", [
    ("junk", "it has no certificate (-----BEGIN CERTIFICATE-----), it has no private key"),
    (pem_of("a").partition("-----BEGIN PRIVATE")[0], "it has no private key"),
    (pem_of("a") + block("PRIVATE KEY", "b"), "it has 2 private keys"),
    (pem_of("a", label="ENCRYPTED PRIVATE KEY"), "its private key is encrypted"),
    (pem_of("a", label="RSA PRIVATE KEY").replace("RSA PRIVATE KEY-----\n", "RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n", 1),
     "its private key is encrypted"),
    (pem_of("a").replace("CERTIFICATE-----\n", "CERTIFICATE-----\n*", 1), "the lines of its certificate are no base64"),
])
def test_what_is_no_certificate_with_its_key_is_refused_given_or_there(tree, text, why):
    with pytest.raises(CoreError) as given:
        management_certificate.ensure(params(content=text), tree, FakeOpenSsl(), False)
    tree.put(PEM, text)
    with pytest.raises(CoreError) as there:
        management_certificate.ensure(params(), tree, FakeOpenSsl(), False)
    assert why in given.value.why and why in there.value.why
    assert (given.value.where, there.value.where) == ("content", PEM) and tree.writes == [] and tree.read(PEM)["content"] == text
    assert CANARY not in json.dumps([given.value.as_dict(), there.value.as_dict()])


def test_a_key_of_another_certificate_is_refused(tree):
    mixed = pem_of("a").partition("-----BEGIN PRIVATE")[0] + block("PRIVATE KEY", f"b {CANARY}")
    with pytest.raises(CoreError, match="does not belong") as caught:
        management_certificate.ensure(params(content=mixed), tree, FakeOpenSsl(), True)
    assert CANARY not in json.dumps(caught.value.as_dict())


@pytest.mark.parametrize("days, words", [(365, None), (30, None), (29, "ends in 29 days, on 2026-12-"), (1, "ends in 1 day, on"), (-1, "ended on 2026-11-")])
def test_an_end_that_is_near_is_told(tree, days, words):
    for options in ({"content": pem_of("a", days)}, {}):
        warnings = management_certificate.ensure(params(**options), tree, FakeOpenSsl(), False).plan.warnings
        assert (len(warnings) == 1 and words in warnings[0] and PEM in warnings[0]) if words else warnings == ()


def test_without_openssl_check_mode_foresees_and_a_run_tells_what_to_install(tree):
    bare = FakeOpenSsl(there=False)
    for options in ({}, {"content": pem_of("a")}):
        assert len(management_certificate.ensure(params(**options), tree, bare, True).plan.changes) == 2
        with pytest.raises(NotThere, match="Install the package openssl"):
            management_certificate.ensure(params(**options), tree, bare, False)
    assert tree.writes == []


def test_mistakes_are_told_together(tree):
    with pytest.raises(Problems) as caught:
        management_certificate.ensure(params(cer_path=PEM, common_name="a/O=b", days=0, content=pem_of("a"), renew=True), tree, FakeOpenSsl(), False)
    assert len(caught.value.problems) == 4 and CANARY not in str(caught.value)


def test_a_file_that_forgets_is_told(tree):
    tree.write = lambda *args, **options: None
    with pytest.raises(NotConverged):
        management_certificate.ensure(params(), tree, FakeOpenSsl(), False)


def test_a_crash_between_the_files_is_mended_by_the_next_run(tree):
    whole = tree.write

    def crash(path, **file):
        if path == CER:
            raise KeyboardInterrupt
        whole(path, **file)

    tree.write = crash
    with pytest.raises(KeyboardInterrupt):
        management_certificate.ensure(params(), tree, FakeOpenSsl(), False)
    tree.write, made = whole, tree.read(PEM)["content"]
    tree.writes.clear()
    assert [change.target for change in both(tree).plan] == [CER] and tree.read(PEM)["content"] == made
