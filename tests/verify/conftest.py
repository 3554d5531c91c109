# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that take ``zone`` or ``node`` run once for each of the inventory; ``federation`` is the whole."""
from __future__ import annotations

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import look  # noqa: E402  pylint: disable=wrong-import-position


def pytest_addoption(parser):
    parser.addoption("--extra-vars", action="append", default=[], help="what site.yml was given by -e and the inventory does not say; can be repeated")


def pytest_configure(config):
    config.addinivalue_line("markers", "changes: creates and deletes an object of OpenNebula")
    chosen = config.getoption("ansible_inventory", None)
    if chosen == os.environ.get("MOLECULE_INVENTORY_FILE", ""):      # molecule hands over a copy of its own, without our group_vars
        chosen = None
    inventory = chosen or look.ROOT / "inventories/lab"
    config.federation = look.read_inventory(inventory, config.getoption("extra_vars"))


def pytest_generate_tests(metafunc):
    federation = metafunc.config.federation
    if "zone" in metafunc.fixturenames:
        metafunc.parametrize("zone", federation.zones, ids=[zone.name for zone in federation.zones])
    if "slave_zone" in metafunc.fixturenames:
        metafunc.parametrize("slave_zone", federation.slaves, ids=[zone.name for zone in federation.slaves])
    if "node" in metafunc.fixturenames:
        metafunc.parametrize("node", federation.nodes, ids=[node.name for node in federation.nodes])


@pytest.fixture(scope="session")
def federation(request):
    return request.config.federation
