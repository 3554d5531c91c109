#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time per byte of: parse + three edits + render of oned.conf, ×1 … ×16, against a plain pass of ``re`` over the same lines in the same run.

``tests/benchmarks/oned_conf.py [FILE]``; without a file, one like the shipped 5.0.2's is made up.
"""
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import conftest  # noqa: E402,F401  # registers the collection
from ansible_collections.constellation.opennebula.plugins.module_utils.core import oned_conf, oned_conf_edit  # noqa: E402

PROSE = "".join(f"#  ATTRIBUTE_{number}: what it is for, in words, up to the end of the line\n" for number in range(40))
STANZA = ('#VM_MAD = [\n#    NAME       = "x{0}",\n#    EXECUTABLE = "one_vmm_sh" ]\n'
          'VM_MAD = [\n    NAME       = "y{0}",\n    ARGUMENTS  = "-t 15" ]\nVM_RESTRICTED_ATTR = "A/{0}"\n')
MADE_UP = "PORT = 2633\n" + "".join(PROSE + STANZA.format(number) for number in range(18))
LINE = re.compile(r"^\s*(#?)\s*(\w+)\s*=\s*(.*)$")


def edits(text):
    items = oned_conf_edit.wanted([{"name": "PORT", "value": 2634}, {"name": "VM_RESTRICTED_ATTR", "values": ["BENCH"]}],
                                  [{"section": "X_BENCH", "name": "new", "settings": {"A": 1}}])
    return oned_conf_edit.edit(oned_conf.parse(text), items)


def plain(text):
    return [LINE.match(line) for line in text.split("\n")]


def best(work, text):
    times = []
    for unused in range(5):
        start = time.process_time()
        work(text)
        times.append(time.process_time() - start)
    return min(times)


def main():
    text = pathlib.Path(sys.argv[1]).read_bytes().decode("utf-8", "surrogateescape") if len(sys.argv) > 1 else MADE_UP
    print(f"{'bytes':>9} {'parse ms':>9} {'edit ms':>9} {'re ms':>8} {'edit ns/byte':>13} {'edit/re':>8}")
    for times in (1, 2, 4, 8, 16):
        longer = text * times
        parse, edit, reference = best(oned_conf.parse, longer), best(edits, longer), best(plain, longer)
        print(f"{len(longer):9} {parse * 1e3:9.1f} {edit * 1e3:9.1f} {reference * 1e3:8.1f} {edit / len(longer) * 1e9:13.0f} {edit / reference:8.1f}")


if __name__ == "__main__":
    main()
