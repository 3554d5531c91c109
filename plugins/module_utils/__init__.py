# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules share: ``core`` thinks, ``adapters`` touch the world, ``glue.py`` speaks Ansible.

Imports point downwards only: modules → glue → adapters → core. tests/unit/test_layers.py proves it.
Read first: core/converge.py, then core/topology.py.
"""
