# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules tls_authority and tls_certificate with the real openssl: made, signed, renewed in time, refused when nobody would accept it; keys nowhere."""
from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core import tls
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotThere, Problems
from ansible_collections.constellation.opennebula.plugins.modules import tls_authority, tls_authority_info, tls_certificate, tls_certificate_info
from ansible_collections.constellation.opennebula.tests.unit.modules.certificate_fakes import RecordedOpenSsl, RecordedTree, me

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None or os.geteuid() != 0, reason="needs openssl, and root for the owners of the files")
NAMES = ("alpha1", "10.0.1.11", "10.0.1.100", "fd00::1")
DAY = 86400


class OpenSsl(RecordedOpenSsl):
    """The real one with a clock that tests move; check mode on a bare host has no program."""

    def __init__(self):
        super().__init__()
        self.later_s, self.there, self.quick = 0, True, True

    def now(self):
        return RecordedOpenSsl.now() + self.later_s

    def key(self):
        """RSA keys take half a second each; only one test needs what is really made."""
        return self._run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256".split(), None, "make a private key") if self.quick else super().key()

    def _run(self, argv, stdin, what):
        if not self.there:
            raise NotThere("cannot do it", why="there is no program openssl")
        return super()._run(argv, stdin, what)


class Host:
    """One front-end and the authority's host, with files below a temporary folder."""

    def __init__(self, place):
        self.tree, self.openssl, self.results = RecordedTree(place), OpenSsl(), []
        self.owner = dict(zip(("owner", "group"), me()))

    def authority(self, check=False, **options):
        params = dict({"directory": "/ca", "common_name": "ours", "days": 3650, "request": None, "names": [], "certificate_days": 730}, **options)
        return self.keep(tls_authority.ensure(params, self.tree, self.openssl, check))

    def certificate(self, check=False, **options):
        params = dict({"directory": "/tls", "names": list(NAMES), "ca": "", "certificate": None, "key": None, "renew_days": 90}, **self.owner, **options)
        return self.keep(tls_certificate.ensure(params, self.tree, self.openssl, check))

    def keep(self, outcome):
        self.results.append(json.dumps(outcome.as_result()))
        return outcome

    def signed(self, names=NAMES, later_s=0, **options):
        """Bring the host to a certificate of the authority, as the role does; return why it needed one (asked that much later)."""
        ca = self.authority().results["ca"]
        self.openssl.later_s = later_s
        asked = self.certificate(names=names, ca=ca)
        self.openssl.later_s = 0
        if asked.results["reason"]:
            signed = self.authority(request=asked.results["request"], names=names, **options).results["certificate"]
            self.certificate(names=names, ca=ca, certificate=signed)
        return asked.results["reason"]

    def text(self, path):
        return self.tree.read(path)["content"]

    def read(self):
        return tls_certificate_info.read({"directory": "/tls"}, self.tree, self.openssl)["certificates"][0]


@pytest.fixture
def host(tmp_path):
    found = Host(tmp_path)
    yield found
    keys = {line for path in ("/ca/ca.key", "/tls/server.pem") if found.tree.read(path) for key in [tls.key_of(found.text(path))] if key
            for line in key.splitlines()[1:-1]}
    shown = "\n".join(found.results) + "\n".join(" ".join(argv) for argv in found.openssl.calls)
    assert not [line for line in keys if line in shown] and "PRIVATE KEY" not in shown, "a private key in a result or in argv"


def test_first_run_is_foreseen_and_the_second_silent(host):
    bare = [host.authority(check=True), host.certificate(check=True), host.certificate(check=True, certificate="")]
    assert [change.kind for outcome in bare for change in outcome.plan] == ["key", "certificate", "certificate", "certificate"]
    assert host.tree.writes == [] and bare[1].results["reason"] == "there is none" and bare[1].results["request"] == ""
    assert host.signed() == "there is none"
    assert [(host.tree.read(path)["mode"]) for path in ("/ca/ca.key", "/ca/ca.pem", "/tls/server.pem", "/tls/ca.pem")] == ["0600", "0644", "0600", "0644"]
    host.tree.writes.clear()
    assert host.signed() == "" and host.tree.writes == []
    host.openssl.later_s = 3600  # made and read in the same second, it would have all its 730 days
    known = host.read()
    assert known["names"] == sorted(NAMES) and known["untrusted"] == "" and known["days_left"] == 729 and known["subject"] == "CN=alpha1"
    assert tls_authority_info.read({"directory": "/ca"}, host.tree, host.openssl)["authorities"][0]["key"] is True


def test_no_program_is_fine_in_check_mode_and_an_error_in_a_run(host):
    host.signed()
    host.openssl.there = False
    assert host.certificate(check=True, ca=host.text("/ca/ca.pem")).results["reason"] == "there is none"
    host.authority(check=True)
    for run in (host.authority, lambda: host.certificate(ca=host.text("/ca/ca.pem"))):
        with pytest.raises(NotThere):
            run()


def test_what_it_signs_passes_strict_verification(host, tmp_path):
    host.openssl.quick = False
    host.signed()
    (tmp_path / "leaf").write_text(tls.chain_of(host.text("/tls/server.pem")))
    done = subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_ip", "10.0.1.100", "-CAfile", tmp_path / "ca/ca.pem",
                           tmp_path / "leaf"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert subprocess.run(["openssl", "verify", "-verify_ip", "10.0.1.101", "-CAfile", tmp_path / "ca/ca.pem", tmp_path / "leaf"], capture_output=True,
                          check=False).returncode != 0
    context = ssl.create_default_context(cafile=str(tmp_path / "ca/ca.pem"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(str(tmp_path / "tls/server.pem"))      # certificate and key of one file belong together


@pytest.mark.parametrize("change, later_s, reason", [
    (None, 650 * DAY, r"it ends on 20\d\d-"),
    (None, 800 * DAY, r"it ended on 20\d\d-"),
    (lambda host: [os.unlink(host.tree._real(f"/ca/{name}")) for name in ("ca.key", "ca.pem")], 0, r"the authority does not vouch for it \("),
    (lambda host: host.tree.put("/tls/server.pem", "rubbish\n"), 0, "there is none"),
])
def test_certificate_is_replaced_in_time_with_the_same_key(host, change, later_s, reason):
    host.signed()
    before = host.read()["fingerprint_sha256"], tls.key_of(host.text("/tls/server.pem"))
    if change:
        change(host)
    assert re.match(reason, host.signed(later_s=later_s))
    after = host.read()["fingerprint_sha256"], tls.key_of(host.text("/tls/server.pem"))
    assert after[0] != before[0] and (after[1] == before[1] or reason == "there is none")
    assert host.read()["untrusted"] == "" and host.signed() == ""


def test_new_name_needs_a_new_certificate(host):
    host.signed(NAMES[:2])
    assert host.signed(NAMES) == "it does not name 10.0.1.100, fd00::1"
    assert host.signed(NAMES[:2]) == "", "one name more does no harm"


def test_interrupted_between_request_and_signature_goes_on(host):
    ca = host.authority().results["ca"]
    first = host.certificate(ca=ca)
    again = host.certificate(ca=ca)
    assert first.changed and not again.changed and again.results["request"] and again.results["reason"] == "there is none"
    assert host.signed() == "there is none" and host.read()["untrusted"] == ""


def test_authority_is_renewed_with_its_key_and_what_it_signed_stays_good(host):
    host.authority(days=800)
    host.signed()
    old = host.text("/ca/ca.pem"), host.text("/ca/ca.key")
    outcome = host.authority(certificate_days=801)
    assert [change.as_dict()["after"]["content"] for change in outcome.plan] == ["renewed"]
    assert host.text("/ca/ca.pem") != old[0] and host.text("/ca/ca.key") == old[1]
    assert host.certificate(ca=host.text("/ca/ca.pem")).results["reason"] == ""
    assert host.text("/tls/ca.pem") == host.text("/ca/ca.pem"), "clients get the renewed one"


def test_lost_key_of_the_authority_is_no_reason_for_another_one(host):
    host.authority()
    os.unlink(host.tree._real("/ca/ca.key"))
    with pytest.raises(CoreError, match="has lost its key.*Put the key back"):
        host.authority()


def test_loose_mode_of_the_key_is_mended(host):
    host.signed()
    os.chmod(host.tree._real("/tls/server.pem"), 0o644)
    os.chmod(host.tree._real("/ca/ca.key"), 0o644)
    before = host.text("/tls/server.pem"), host.text("/ca/ca.key")
    host.signed()
    assert [host.tree.read(path)["mode"] for path in ("/tls/server.pem", "/ca/ca.key")] == ["0600", "0600"]
    assert (host.text("/tls/server.pem"), host.text("/ca/ca.key")) == before


def given(host, names=NAMES):
    host.signed(names)
    text = host.text("/tls/server.pem")
    return {"ca": host.text("/ca/ca.pem"), "certificate": tls.chain_of(text), "key": tls.key_of(text)}


def test_given_certificate_is_put_into_place_and_not_touched_again(host, tmp_path):
    options = given(host)
    other = Host(tmp_path / "other")
    foreseen, done = other.certificate(check=True, **options), other.certificate(**options)
    assert foreseen.plan.as_list() == done.plan.as_list() and len(done.plan.changes) == 2 and done.results["reason"] == ""
    assert not other.certificate(**options).changed and not other.certificate(check=True, **options).changed
    assert other.read()["names"] == sorted(NAMES)
    host.results += other.results


def foreign(host, options):
    return dict(options, key=host.openssl.key())


@pytest.mark.parametrize("spoil, says", [
    (foreign, "the private key does not belong to the certificate"),
    (lambda host, options: dict(options, names=[*NAMES, "10.0.1.101"]), "it does not name 10.0.1.101"),
    (lambda host, options: setattr(host.openssl, "later_s", 800 * DAY) or options, "it ended on"),
    (lambda host, options: dict(options, ca=host.authority(directory="/another").results["ca"]), "the authority does not vouch for it"),
    (lambda host, options: dict(options, certificate="nonsense"), "it has no certificate"),
    (lambda host, options: dict(options, key="CANARY-9f2c"), "it has no private key"),
])
def test_given_certificate_that_clients_would_refuse_is_refused_before_anything_is_written(host, tmp_path, spoil, says):
    options = spoil(host, given(host))
    host.tree.writes.clear()
    with pytest.raises(CoreError, match=says) as caught:
        host.certificate(directory="/new", **options)
    assert host.tree.writes == [] and "CANARY" not in str(caught.value) and "Nothing was changed" in str(caught.value)
    assert options["key"].splitlines()[-2 if "-----" in options["key"] else 0] not in json.dumps(caught.value.as_dict())


def test_given_certificate_that_ends_soon_is_a_warning(host):
    options = given(host)
    host.openssl.later_s = 700 * DAY
    outcome = host.certificate(**options)
    assert not outcome.changed and "ends in" in outcome.plan.warnings[0]


@pytest.mark.parametrize("options", [{"names": []}, {"names": ["a b"]}, {"names": ["a\nbasicConstraints=CA:TRUE"]}, {"key": "x"}, {"renew_days": -1}])
def test_mistakes_of_a_certificate(host, options):
    with pytest.raises(Problems):
        host.certificate(**options)


@pytest.mark.parametrize("options", [{"common_name": "a/b"}, {"days": 100}, {"request": "x"}, {"request": "x", "names": ["a,DNS:evil"]}])
def test_mistakes_of_an_authority(host, options):
    with pytest.raises(Problems):
        host.authority(**options)
