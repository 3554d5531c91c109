# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the entry points of role cluster do when a front-end is down, or goes down in the middle."""
from __future__ import annotations

import pathlib
import sys

import pytest

pytest.importorskip("ansible")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from front_ends import FrontEnds  # noqa: E402  pylint: disable=wrong-import-position


def test_check_of_rejoin_with_a_stopped_database_tells_what_a_run_would_do(tmp_path):
    front_ends = FrontEnds(tmp_path, ["alpha1"], running=False)
    code, screen = front_ends.play("rejoin", "--check", cluster_rejoin_tries=1)
    assert code == 0, screen
    assert "MariaDB of alpha1 is stopped" in screen and "changed=2" in screen and front_ends.told() == []
