# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One file for each kind of cloud: from what the inventory declares to stanzas, files, scripts and hosts.

Pure, like all of core. Read driver.py first: it is the interface that every kind has.
"""
