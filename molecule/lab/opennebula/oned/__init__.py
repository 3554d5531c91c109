# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A laboratory stand-in for OpenNebula's oned 5.0.2: what it does and what it does not is in ../README.md.

Start reading at daemon.py (what happens at start), then api.py (a call), then lifecycle.py (a virtual machine's life).
"""
