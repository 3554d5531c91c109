# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module gets from glue."""
from __future__ import annotations

import pytest

pytest.importorskip("ansible.module_utils.basic")

from ansible_collections.constellation.opennebula.plugins.module_utils import glue  # noqa: E402


@pytest.mark.parametrize("spec, secret", [
    ({"path": {"type": "path"}}, False),
    ({"password": {"type": "str", "no_log": True}}, True),
    ({"update_password": {"type": "str", "no_log": False}}, False),
    ({"files": {"type": "list", "elements": "dict", "options": {"path": {"type": "path"}, "secrets": {"type": "dict", "no_log": True}}}}, True),
])
def test_module_with_a_secret_anywhere_keeps_its_invocation_out_of_the_journal(monkeypatch, spec, secret):
    seen = {}
    monkeypatch.setattr(glue, "AnsibleModule", lambda **options: seen.update(options))
    glue.module(spec)
    assert seen["no_log"] is secret and seen["supports_check_mode"]
