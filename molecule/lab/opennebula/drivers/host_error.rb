#!/bin/sh
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Laboratory stand-in, not OpenNebula: the place of the hook for hosts in error. The stand-in's oned calls no hooks; called by a wrapper or by hand
# it writes its arguments to a log and touches no machine. (The real one is Ruby; a shebang is a shebang.)
echo "$(date '+%F %T') host_error.rb $*" >> "${ONE_STANDIN_ROOT:-}/var/log/one/host_error.log"
