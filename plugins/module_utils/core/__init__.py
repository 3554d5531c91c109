# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure logic: values in, values out.

May import: the standard library's pure parts and other files of core. Never ansible, sockets, files, subprocess, clocks.
Read first: errors.py, plan.py, converge.py; then the file named after what you look for.
"""
