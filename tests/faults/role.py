# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role database would write and do on a node, from the role's own files: templates and variables rendered with jinja2."""
import pathlib

import jinja2.meta
import jinja2.nativetypes
import yaml

ROLE = pathlib.Path(__file__).resolve().parents[2] / "roles/database"


class Role:
    """The role's variables on one node; ``given`` overrides them (paths, ports, addresses, sizes) and brings the topology."""

    def __init__(self, given):
        self.variables = {}
        for part in ("defaults", "vars"):
            self.variables.update(yaml.safe_load((ROLE / part / "main.yml").read_text(encoding="utf-8")))
        self.variables.update(given)
        self.native = jinja2.nativetypes.NativeEnvironment(undefined=jinja2.StrictUndefined)
        self.text = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
        for environment in (self.native, self.text):
            environment.filters["ternary"] = lambda value, yes, no: yes if value else no

    def __getitem__(self, name):
        return self._resolved(self.variables[name])

    def _resolved(self, value):
        if isinstance(value, dict):
            return {key: self._resolved(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._resolved(item) for item in value]
        if isinstance(value, str) and "{{" in value:
            rendered = self.native.from_string(value.strip()).render(self._needed(self.native, value))
            return list(rendered) if isinstance(rendered, tuple) else rendered
        return value

    def _needed(self, environment, text):
        names = jinja2.meta.find_undeclared_variables(environment.parse(text))
        return {name: self[name] for name in names if name in self.variables}

    def template(self, name):
        """Return the text of templates/<name>.j2."""
        text = (ROLE / "templates" / f"{name}.j2").read_text(encoding="utf-8")
        return self.text.from_string(text).render(self._needed(self.text, text))

    @staticmethod
    def program(name):
        """Return the text of files/<name>."""
        return (ROLE / "files" / name).read_text(encoding="utf-8")
