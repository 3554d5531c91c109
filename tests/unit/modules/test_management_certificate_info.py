# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module management_certificate_info: tells about the certificate, reveals the file only when told, and what it reveals makes a twin."""
from __future__ import annotations

import json

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError
from ansible_collections.constellation.opennebula.plugins.modules import management_certificate, management_certificate_info
from ansible_collections.constellation.opennebula.tests.unit.modules.certificate_fakes import CANARY, CER, PEM, FakeOpenSsl, RecordedTree, params, pem_of


def info(tree, **options):
    return management_certificate_info.read(dict({"path": PEM, "cer_path": None, "reveal": False}, **options), tree, FakeOpenSsl())


def test_info_tells_and_reveals_only_when_told(tmp_path):
    tree = RecordedTree(tmp_path)
    tree.put(PEM, pem_of("a", 100))
    found = info(tree)
    assert len(found["certificates"]) == 1 and "contents" not in found and CANARY not in json.dumps(found) and "PRIVATE" not in json.dumps(found)
    told = found["certificates"][0]
    assert (told["path"], told["cer_path"], told["cer"], told["mode"], told["days_left"], told["subject"]) == (PEM, CER, False, "0600", 100, "CN=of a")
    assert len(told["fingerprint_sha256"]) == 95
    assert info(tree, reveal=True)["contents"] == {PEM: pem_of("a", 100)}


def test_what_info_reveals_makes_a_twin_and_changes_nothing_where_it_came_from(tmp_path):
    first, second = RecordedTree(tmp_path / "first"), RecordedTree(tmp_path / "second")
    management_certificate.ensure(params(), first, FakeOpenSsl(), False)
    assert info(first)["certificates"][0]["cer"] is True
    content = info(first, reveal=True)["contents"][PEM]
    assert not management_certificate.ensure(params(content=content), first, FakeOpenSsl(), False).changed
    assert management_certificate.ensure(params(content=content), second, FakeOpenSsl(), False).changed
    assert [first.read(path) for path in (PEM, CER)] == [second.read(path) for path in (PEM, CER)]
    assert info(first) == info(second)


def test_a_bare_host_is_empty(tmp_path):
    assert info(RecordedTree(tmp_path), reveal=True) == {"certificates": [], "contents": {}}


def test_what_is_no_certificate_is_told(tmp_path):
    tree = RecordedTree(tmp_path)
    tree.put(PEM, CANARY)
    with pytest.raises(CoreError, match="no certificate with its private key") as caught:
        info(tree)
    assert CANARY not in str(caught.value)
