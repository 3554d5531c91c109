# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports point downwards only: roles → modules → glue → adapters → core. This walks the tree and proves it.

An import counts wherever it stands, inside functions and ``try`` too. Relative imports are resolved to full names first,
so ``from ...module_utils import glue`` cannot hide.
"""
from __future__ import annotations

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
OURS = "ansible_collections.constellation.opennebula.plugins"
UTILS = OURS + ".module_utils"

# core: values in, values out. Whatever is not listed here is refused; add a module only if it can touch nothing outside.
PURE = {
    "__future__", "abc", "base64", "bisect", "collections", "contextlib", "copy", "dataclasses", "datetime", "difflib", "enum", "fractions", "functools",
    "hashlib",
    "heapq", "html", "ipaddress", "itertools", "json", "keyword", "math", "numbers", "operator", "re", "statistics", "string", "textwrap", "types",
    "typing", "unicodedata", "urllib.parse", "xml.dom.minidom", "xml.etree", "xml.etree.ElementTree", "xml.sax.saxutils",
}
WORLDLY_CALLS = {"open", "input", "print", "eval", "exec", "compile", "__import__", "breakpoint"}
CLOCK_CALLS = {"now", "today", "utcnow"}

# modules: docs, spec, ensure(), main(). Parsing, SQL, XML, argv and files belong below.
NOT_IN_MODULES = {"re", "json", "xml", "shlex", "subprocess", "socket", "os", "shutil", "tempfile", "http", "urllib", "pymysql", "MySQLdb", "paramiko",
                  "ansible", "yaml"}


def files_of(folder):
    return sorted(path for path in (PLUGINS / folder).rglob("*.py") if "__pycache__" not in path.parts)


def imports(tree, package):
    """Return the full names imported anywhere in ``tree``, a file of ``package``.

    >>> sorted(imports(ast.parse("from ..a import b"), "x.y"))
    ['x.a.b']
    """
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[:len(package.split(".")) - (node.level - 1)] if node.level else []
            base = ".".join(above + ([node.module] if node.module else []))
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def package_of(path):
    return ".".join((OURS, *path.parent.relative_to(PLUGINS).parts))


def below(name, *parents):
    """Return whether ``name`` is one of ``parents`` or something inside of one."""
    return any(name == parent or name.startswith(parent + ".") for parent in parents)


def core_faults(tree, package):
    faults = [f"imports {name}" for name in imports(tree, package)
              if not below(name, UTILS + ".core") and not below(name, *(PURE - {"urllib", "xml"}))]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in WORLDLY_CALLS:
                faults.append(f"line {node.lineno} calls {node.func.id}()")
            if isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_CALLS and re.search(r"\bdate(time)?$", ast.unparse(node.func.value)):
                faults.append(f"line {node.lineno} asks the clock: .{node.func.attr}()")
    return faults


def adapter_faults(tree, package):
    return [f"imports {name}" for name in imports(tree, package)
            if below(name, "ansible", UTILS + ".glue") or (below(name, OURS) and not below(name, UTILS + ".core", UTILS + ".adapters"))]


def module_faults(tree, package):
    faults = [f"imports {name}" for name in imports(tree, package)
              if below(name, *NOT_IN_MODULES) or (below(name, OURS) and not below(name, UTILS))]
    faults += [f"line {node.lineno} leaves by itself: .{node.attr}" for node in ast.walk(tree)
               if isinstance(node, ast.Attribute) and node.attr in ("fail_json", "exit_json", "run_command")]
    return faults


def glue_faults(tree, package):
    return [f"imports {name}" for name in imports(tree, package)
            if below(name, OURS) and not below(name, UTILS + ".core", UTILS + ".adapters")]


def filter_faults(tree, package):
    return [f"imports {name}" for name in imports(tree, package) if below(name, OURS) and not below(name, UTILS + ".core")]


LAYERS = {
    "module_utils/core": core_faults,
    "module_utils/adapters": adapter_faults,
    "modules": module_faults,
}
LATER = {"filter": filter_faults, "lookup": filter_faults, "test": filter_faults}


@pytest.mark.parametrize("folder", LAYERS)
def test_layer_imports_point_downwards(folder):
    files = files_of(folder)
    assert len(files) > 1, f"found nothing in plugins/{folder}: this test proves nothing"
    faults = {str(path.relative_to(ROOT)): found for path in files if (found := LAYERS[folder](ast.parse(path.read_text(encoding="utf-8")), package_of(path)))}
    assert faults == {}


@pytest.mark.parametrize("folder", LATER)
def test_thin_plugins_know_core_only(folder):
    faults = {str(path.relative_to(ROOT)): found for path in files_of(folder)
              if (found := LATER[folder](ast.parse(path.read_text(encoding="utf-8")), package_of(path)))}
    assert faults == {}


def test_glue_is_the_only_file_of_module_utils_that_knows_ansible():
    knowing = [path.relative_to(PLUGINS / "module_utils").as_posix() for path in files_of("module_utils")
               if any(below(name, "ansible") for name in imports(ast.parse(path.read_text(encoding="utf-8")), package_of(path)))]
    assert knowing == ["glue.py"]
    assert glue_faults(ast.parse((PLUGINS / "module_utils/glue.py").read_text(encoding="utf-8")), UTILS) == []


@pytest.mark.parametrize("faults, source, expected", [
    (core_faults, "import os", ["imports os"]),
    (core_faults, "def f():\n    import subprocess", ["imports subprocess"]),
    (core_faults, "from ..adapters import mariadb", [f"imports {UTILS}.adapters.mariadb"]),
    (core_faults, "from .. import glue", [f"imports {UTILS}.glue"]),
    (core_faults, "from ansible.module_utils.basic import AnsibleModule", ["imports ansible.module_utils.basic.AnsibleModule"]),
    (core_faults, "from xml import sax", ["imports xml.sax"]),
    (core_faults, "from urllib import request", ["imports urllib.request"]),
    (core_faults, "import time", ["imports time"]),
    (core_faults, "import datetime\ndatetime.datetime.now()", ["line 2 asks the clock: .now()"]),
    (core_faults, "open('/etc/passwd')", ["line 1 calls open()"]),
    (core_faults, "from .errors import CoreError\nimport re\nimport xml.etree.ElementTree as ET", []),
    (adapter_faults, "from ..glue import run", [f"imports {UTILS}.glue.run"]),
    (adapter_faults, "try:\n    from ansible.module_utils import basic\nexcept ImportError:\n    pass", ["imports ansible.module_utils.basic"]),
    (adapter_faults, "import socket, subprocess\nfrom ..core import plan", []),
])
def test_layer_rules_see_what_they_forbid(faults, source, expected):
    assert faults(ast.parse(source), UTILS + ".core") == expected


@pytest.mark.parametrize("source, expected", [
    ("from ..module_utils import glue\nfrom ..module_utils.core import converge\nfrom ..module_utils.adapters import files", []),
    ("import re", ["imports re"]),
    ("from ansible.module_utils.basic import AnsibleModule", ["imports ansible.module_utils.basic.AnsibleModule"]),
    ("from . import other", [f"imports {OURS}.modules.other"]),
    ("module.fail_json(msg='no')", ["line 1 leaves by itself: .fail_json"]),
])
def test_module_rule_sees_what_it_forbids(source, expected):
    assert module_faults(ast.parse(source), OURS + ".modules") == expected
