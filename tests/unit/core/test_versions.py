# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What releases differ in."""
import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core import versions


@pytest.mark.parametrize("release, transport", [
    ("4.14.2", "database"), ("5.0", "database"), (5.0, "database"), ("5.2.1", "database"),
    ("5.4", "oned"), ("5.10", "oned"), ("5.12.13", "oned"),
    (6.10, "oned"), ("7.4.0", "oned"),
])
def test_federation_transport_changes_with_5_4(release, transport):
    assert versions.federation_transport(release) == transport


@pytest.mark.parametrize("release, number", [("5.0.2", (5, 0)), ("5.12", (5, 12)), ("7", (7, 0)), (5, (5, 0))])
def test_number_compares_by_parts_and_not_as_text(release, number):
    assert versions.number(release) == number
