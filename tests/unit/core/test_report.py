# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tired person reads: what is wrong first, with what to do; what is right only counted."""
from ansible_collections.constellation.opennebula.plugins.module_utils.core import report


def test_unknown_is_not_green():
    assert report.check("cluster", "alpha", "it runs", None).status == "unknown"
    assert report.bad([report.check("cluster", "alpha", "it runs", None)])


def test_lines_show_what_is_wrong_first_and_count_the_rest():
    checks = [report.check("frontend", "alpha1", "can be asked", True, "never shown", "never shown"),
              report.check("frontend", "alpha1", "MariaDB starts at boot", True),
              report.check("zone", "alpha", "its address is on one front-end", False, "seen on alpha1, alpha2", "Fence one.")]
    assert report.lines(checks) == [
        "2 of 3 checks are green, 1 are not:",
        "  RED     alpha: its address is on one front-end: seen on alpha1, alpha2 → Fence one.",
        "  green   alpha1: frontend 2",
    ]
