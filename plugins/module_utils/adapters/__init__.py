# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only code that touches the world: files, MariaDB, pacemaker, OpenNebula's API, hypervisors.

Adapters return raw rows and text and decide nothing. May import: core, the standard library, PyMySQL, paramiko, tenacity.
Read first: the adapter named after the program you look for.
"""
