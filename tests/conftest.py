# SPDX-License-Identifier: GPL-3.0-or-later
"""Make ``ansible_collections.constellation.opennebula`` importable from the checkout; core tests need no Ansible."""
import importlib.machinery
import pathlib
import sys
import types

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

for name, path in (("ansible_collections", None), ("ansible_collections.constellation", None), ("ansible_collections.constellation.opennebula", ROOT)):
    package = types.ModuleType(name)
    package.__path__ = [str(path)] if path else []
    package.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
    sys.modules.setdefault(name, package)

# The same examples in every run: what CI sees can be seen again. tests/fuzz is for looking further.
try:
    import hypothesis
except ImportError:
    pass
else:
    hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
    hypothesis.settings.load_profile("repeatable")
