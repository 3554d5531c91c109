# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No password of the inventory lies where another user of the host could read it."""
from __future__ import annotations

PLACES = "/etc /opt /root /run /srv /tmp /usr/lib/ocf /usr/local /var/lib /var/log /var/tmp"


def patterns(federation):
    assert federation.secrets, "the inventory has no secrets: nothing is looked for"
    return "".join(f"{secret}\n" for secret in federation.secrets)


def test_no_process_carries_a_secret(node, federation):
    # the patterns come in on standard input, so that this very search is not what it finds
    found = node.feed("grep -laF -f - /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null", patterns(federation))
    shown = [node.host.run(f"tr '\\0' ' ' < {path.rsplit('/', 1)[0]}/comm").stdout.strip() for path in found.split()]
    assert shown == []


def test_no_file_open_to_others_holds_a_secret(node, federation):
    found = node.feed(f"find {PLACES} -xdev -type f -perm -004 -size -4M -print0 2>/dev/null >/run/verify.files; "
                      "xargs -0 -a /run/verify.files grep -laF -f /dev/fd/3 3<&0 2>/dev/null; rm -f /run/verify.files", patterns(federation))
    assert found.split() == []


def test_no_log_holds_a_secret(node, federation):
    found = node.feed("exec 3<&0; journalctl --quiet --no-pager --output cat </dev/null | grep -aF -f /dev/fd/3 | head -n 3; "
                      "grep -rlaF -f /dev/fd/3 /var/log 2>/dev/null", patterns(federation))
    assert found == ""
