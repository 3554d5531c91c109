# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zone of molecule/drivers, seen by the means of tests/verify: ssh and XML-RPC, none of it the collection's code."""
from __future__ import annotations

import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "verify")]

import look  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture(scope="session", name="zone")
def fixture_zone():
    return look.read_inventory(look.ROOT / "inventories/lab-one").zones[0]
