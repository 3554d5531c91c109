# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection promises about itself: every module has its docs, test and twin; every role tells one truth about its variables."""
from __future__ import annotations

import ast
import pathlib
import re

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py") if path.stem != "__init__")
ACTIONS = {path.stem for path in (ROOT / "plugins/action").glob("*.py")}
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
PYTHON = sorted(path for top in ("plugins", "tests") for path in (ROOT / top).rglob("*.py") if "__pycache__" not in path.parts)

# The reading twin of a module is <module>_info. Several that change one thing share a reader, and some change nothing.
TWINS = {
    "cluster_config": "cluster_info", "cluster_host": "cluster_info", "cluster_membership": "cluster_info", "cluster_node": "cluster_info",
    "cluster_power": "cluster_info",
    "database_access": "replication_info", "replication_source": "replication_info",
}
NO_TWIN = {
    "database_service": "ansible.builtin.service_facts reads units",
    "host_files": "ansible.builtin.slurp and stat read files",
    "topology": "reads the inventory on the controller and changes nothing",
    "verification": "judges what the _info modules read and changes nothing",
}
SECRET_OPTION = re.compile(r"(^|_)(password|secret|token|passwd)$")


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def strings_of(module):
    """Return the module's DOCUMENTATION, EXAMPLES and RETURN as loaded YAML, without importing it."""
    tree = ast.parse((ROOT / f"plugins/modules/{module}.py").read_text(encoding="utf-8"))
    return {node.targets[0].id: yaml.safe_load(node.value.value) for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant)
            and node.targets[0].id in ("DOCUMENTATION", "EXAMPLES", "RETURN")}


def unit_tests_of(module):
    """Return the text of all unit tests that import ``module``, or its action plugin."""
    importing = re.compile(rf"plugins\.(modules|action)(\.| import (\(|.*\b)?){module}\b")
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests/unit").rglob("test_*.py"))]
    return "\n".join(text for text in texts if importing.search(text))


def options_below(options):
    """Yield (name, spec) of an options tree, suboptions included."""
    for name, spec in (options or {}).items():
        yield name, spec
        yield from options_below(spec.get("suboptions") or spec.get("options"))


def test_there_is_something_to_check():
    assert MODULES and ROLES and PYTHON


def test_action_group_lists_every_module():
    listed = load(ROOT / "meta/runtime.yml")["action_groups"]["opennebula"]
    assert listed == MODULES, "run: make generate"


@pytest.mark.parametrize("module", MODULES)
class TestModule:
    """One module, looked at from outside."""

    def test_documents_itself(self, module):
        docs = strings_of(module)
        assert set(docs) == {"DOCUMENTATION", "EXAMPLES", "RETURN"}
        assert docs["DOCUMENTATION"]["module"] == module
        assert re.fullmatch(r".*\(@[\w-]+\)", docs["DOCUMENTATION"]["author"][0])
        used = {key for task in docs["EXAMPLES"] for key in task if "." in key}
        assert f"constellation.opennebula.{module}" in used, "EXAMPLES do not use the module"
        assert all(task.get("name", "")[:1].isupper() for task in docs["EXAMPLES"]), "each example is a task with a name"

    def test_has_a_unit_test(self, module):
        assert unit_tests_of(module), f"no unit test imports it: write tests/unit/modules/test_{module}.py"

    def test_has_a_reading_twin(self, module):
        if module in NO_TWIN:
            return
        if module.endswith("_info"):
            return
        twin = TWINS.get(module, f"{module}_info")
        assert twin in MODULES, f"{module} changes things, and no {twin} reads them"

    def test_secret_options_have_a_canary(self, module):
        secrets = [name for name, spec in options_below(strings_of(module)["DOCUMENTATION"].get("options")) if SECRET_OPTION.search(name)]
        if secrets:
            assert "CANARY" in unit_tests_of(module).upper(), f"{module} takes {secrets}; no canary in its test"


@pytest.mark.parametrize("role", ROLES)
class TestRole:
    """One role: its folder, and that defaults and argument specs are the same names and values."""

    def test_has_its_files(self, role):
        missing = [name for name in ("README.md", "meta/main.yml", "meta/argument_specs.yml", "defaults/main.yml", "tasks/main.yml")
                   if not (ROOT / "roles" / role / name).exists()]
        assert missing == []

    def test_defaults_equal_argument_specs(self, role):
        defaults = load(ROOT / f"roles/{role}/defaults/main.yml") or {}
        specs = {}
        for entry in load(ROOT / f"roles/{role}/meta/argument_specs.yml")["argument_specs"].values():
            specs.update(entry.get("options") or {})
        own = {name: spec for name, spec in specs.items() if name.startswith(f"{role}_")}
        assert {name for name in defaults if not name.startswith("__")} == {name for name, spec in own.items() if not spec.get("required")}
        assert {name: defaults[name] for name in own if "default" in own[name]} == {name: spec["default"] for name, spec in own.items() if "default" in spec}
        undeclared = [name for name, spec in own.items() if not spec.get("required") and "default" not in spec and defaults[name] not in (None, "", [], {})
                      and "{{" not in str(defaults[name])]
        assert undeclared == [], "defaults/main.yml has a value that argument_specs.yml does not tell"

    def test_variables_carry_the_role_name(self, role):
        names = set(load(ROOT / f"roles/{role}/defaults/main.yml") or {})
        for path in (ROOT / f"roles/{role}/vars").glob("*.yml"):
            names |= set(load(path) or {})
        assert [name for name in names if not re.match(rf"(__)?{role}_", name)] == []

    def test_readme_names_the_role_and_its_entry(self, role):
        text = (ROOT / f"roles/{role}/README.md").read_text(encoding="utf-8")
        assert f"constellation.opennebula.{role}" in text
        assert "argument_specs.yml" in text, "link the variables to the spec instead of copying them"


def test_python_files_carry_the_licence():
    missing = [str(path.relative_to(ROOT)) for path in PYTHON if path.stat().st_size and path.name != "conftest.py"
               and "SPDX-License-Identifier: GPL-3.0-or-later" not in "".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:6])]
    assert missing == []


def test_changelog_fragments_are_sentences_for_operators():
    fragments = sorted((ROOT / "changelogs/fragments").glob("*.yml"))
    kinds = set(dict(load(ROOT / "changelogs/config.yaml")["sections"]))
    for fragment in fragments:
        assert re.match(r"\d+-[a-z0-9-]+\.yml$", fragment.name), f"{fragment.name}: name it <issue>-<slug>.yml"
        for kind, sentences in load(fragment).items():
            assert kind in kinds | {"trivial"}, f"{fragment.name}: {kind}"
            assert isinstance(sentences, list) and all(isinstance(sentence, str) and sentence for sentence in sentences), fragment.name


def test_fixed_names_of_hosts_stay_out():
    """The lab and CI use what the machine's package managers are set to use; no index or mirror is named."""
    naming = [str(path.relative_to(ROOT)) for top in (".ci", "molecule", "tests", "roles", "playbooks") for path in (ROOT / top).rglob("*")
              if path.is_file() and path.suffix in ("", ".sh", ".py", ".yml", ".cfg", ".txt", ".j2") and ".state" not in path.parts
              and "__pycache__" not in path.parts and path != pathlib.Path(__file__)
              and re.search(rb"https?://[a-z.]*(debian|pypi|python)", path.read_bytes())]
    assert naming == []
