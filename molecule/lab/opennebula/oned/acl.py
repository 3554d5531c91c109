# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access rules: four numbers in the table, one line for people."""
from __future__ import annotations

_GROUP, _ALL = 0x200000000, 0x400000000
_WHO = ((0x100000000, "#"), (_GROUP, "@"), (0x800000000, "%"))
_RESOURCES = ("VM HOST NET IMAGE USER TEMPLATE GROUP - DATASTORE CLUSTER DOCUMENT ZONE SECGROUP VDC VROUTER MARKETPLACE MARKETPLACEAPP").split()
_RIGHTS = "USE MANAGE ADMIN CREATE".split()
_NUMBER = 0xFFFFFFFF

# user, resource, rights, zone: the five rules of a new database
DEFAULTS = (
    (_GROUP | 1, 0x1429400000000, 8, _ALL),
    (_ALL, 0x800400000000, 1, _ALL),
    (_ALL, 0x18000400000000, 1, _ALL),
    (_GROUP | 1, 0x2400000000, 2, 0x100000000),
    (_GROUP | 1, 0x104400000000, 1, 0x100000000),
)


def sentence(user, resource, rights, zone):
    """Write a rule as ``oneacl list`` does.

    >>> sentence(*DEFAULTS[0])
    '@1 VM+IMAGE+TEMPLATE+DOCUMENT+SECGROUP/* CREATE *'
    """
    kinds = "+".join(name for bit, name in enumerate(_RESOURCES) if resource >> 36 & 1 << bit)
    allowed = "+".join(name for bit, name in enumerate(_RIGHTS) if rights & 1 << bit)
    return f"{_who(user)} {kinds}/{_who(resource & (_ALL * 2 - 1 | 0x800000000))} {allowed} {_who(zone)}"


def _who(number):
    if number & _ALL:
        return "*"
    mark = next((mark for bit, mark in _WHO if number & bit), "")
    return f"{mark}{number & _NUMBER}"
