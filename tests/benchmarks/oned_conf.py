#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time per byte of oned.conf's editor, and of its module against lineinfile; ratios of one run, which is all that means anything.

``tests/benchmarks/oned_conf.py [FILE]``; without a file, one as large as the largest shipped one is made up.

First table: processor time of read + parse + three edits + render of the file ×1 … ×16, against a plain read and a pass of ``re`` over its lines.
Second: wall time of `ansible localhost -m …` doing one line, the two modules in turns, and of `-m ping`, which is what Ansible itself takes.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
import conftest  # noqa: E402,F401  # registers the collection
from ansible_collections.constellation.opennebula.plugins.module_utils.core import oned_conf, oned_conf_edit  # noqa: E402

PROSE = "".join(f"#  ATTRIBUTE_{number}: what it is for, in words, up to the end of the line\n" for number in range(40))
STANZA = ('#VM_MAD = [\n#    NAME       = "x{0}",\n#    EXECUTABLE = "one_vmm_sh" ]\n'
          'VM_MAD = [\n    NAME       = "y{0}",\n    ARGUMENTS  = "-t 15" ]\nVM_RESTRICTED_ATTR = "A/{0}"\n')
MADE_UP = "PORT = 2633\n" + "".join(PROSE + STANZA.format(number) for number in range(18))
LINE = re.compile(r"^\s*(#?)\s*(\w+)\s*=\s*(.*)$")
TIMES = (1, 2, 4, 8, 16)
ROUNDS = 7


def three_edits(path):
    items = oned_conf_edit.wanted([{"name": "PORT", "value": 2634}, {"name": "VM_RESTRICTED_ATTR", "values": ["BENCH"]}],
                                  [{"section": "X_BENCH", "name": "new", "settings": {"A": 1}}])
    return oned_conf.encode(oned_conf_edit.edit(oned_conf.parse(path.read_bytes()), items))


def plain(path):
    return [LINE.match(line) for line in path.read_bytes().decode("utf-8", "surrogateescape").split("\n")]


def best(work, path):
    times = []
    for unused in range(ROUNDS):
        start = time.process_time()
        work(path)
        times.append(time.process_time() - start)
    return min(times)


def editor(text, folder):
    rows = []
    for times in TIMES:
        path = folder / "oned.conf"
        path.write_bytes(text * times)
        edit, reference = best(three_edits, path), best(plain, path)
        rows.append({"bytes": len(text) * times, "edit_ns_per_byte": edit / len(text) / times * 1e9, "re_ns_per_byte": reference / len(text) / times * 1e9,
                     "edit_per_re": edit / reference})
    return rows


def modules(text, folder):
    path = folder / "oned.conf"
    calls = {"ping": ("ansible.builtin.ping", ""), "lineinfile": ("ansible.builtin.lineinfile", f"path={path} regexp=^PORT line='PORT = 2634'"),
             "oned_conf": ("constellation.opennebula.oned_conf", json.dumps({"path": str(path), "attributes": [{"name": "PORT", "value": 2634}]}))}
    best_of = dict.fromkeys(calls, float("inf"))
    environment = dict(os.environ, ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"), ANSIBLE_LOCALHOST_WARNING="false")
    for unused in range(ROUNDS):
        for name, (module, arguments) in calls.items():
            path.write_bytes(text)
            start = time.monotonic()
            done = subprocess.run([shutil.which("ansible"), "localhost", "-c", "local", "-m", module, "-a", arguments], env=environment, capture_output=True,
                                  check=False, text=True)
            best_of[name] = min(best_of[name], time.monotonic() - start)
            if done.returncode or (name != "ping" and b"PORT = 2634" not in path.read_bytes()):
                raise SystemExit(f"{name} did not do it: {done.stdout}{done.stderr}")
    return best_of


def main():
    text = pathlib.Path(sys.argv[1]).read_bytes() if len(sys.argv) > 1 else MADE_UP.encode()
    with tempfile.TemporaryDirectory() as name:
        rows, walls = editor(text, pathlib.Path(name)), modules(text, pathlib.Path(name))
    print(f"{'bytes':>9} {'edit ns/byte':>13} {'re ns/byte':>11} {'edit/re':>8} {'ns/byte against x1':>19}")
    for row in rows:
        print(f"{row['bytes']:9} {row['edit_ns_per_byte']:13.0f} {row['re_ns_per_byte']:11.1f} {row['edit_per_re']:8.1f} "
              f"{row['edit_ns_per_byte'] / rows[0]['edit_ns_per_byte']:19.2f}")
    print(f"module wall time, best of {ROUNDS}: " + ", ".join(f"{name} {wall:.2f} s" for name, wall in walls.items())
          + f"; oned_conf/lineinfile {walls['oned_conf'] / walls['lineinfile']:.2f}")
    build = ROOT / "build" / "benchmarks"
    build.mkdir(parents=True, exist_ok=True)
    (build / "oned_conf.json").write_text(json.dumps({"editor": rows, "modules": walls}, indent=1) + "\n")


if __name__ == "__main__":
    main()
