# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the inventory on the controller and hand it to core/topology.py; touches no host."""
from __future__ import annotations

import pathlib

import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils.core import topology
from ..module_utils.core.errors import CoreError

ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"
READ = topology.ZONE_VARIABLES + topology.NODE_VARIABLES + topology.GLOBAL_VARIABLES + topology.TLS_VARIABLES + topology.CLUSTER_VARIABLES + (
    "ansible_host",)


class ActionModule(ActionBase):
    """Validate the whole inventory, return the topology and this host's part of it."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        try:
            found = topology.derive(_inventory(task_vars), *_public_variables())
        except CoreError as error:
            raise AnsibleActionFail(str(error), result={"error": error.as_dict()}) from None
        facts = found.as_dict()
        node = facts["nodes"].get(task_vars["inventory_hostname"])
        result.update(changed=False, topology=facts, node=node, zone=facts["zones"][node["zone"]] if node else None, warnings=list(found.warnings))
        return result


def _inventory(task_vars):
    """Return {host: {variable: value}}; of variables that are not ours only the name is read, so nothing else is templated."""
    hostvars = task_vars["hostvars"]
    hosts = {}
    for host in task_vars["groups"]["all"]:
        variables = hostvars[host]
        hosts[host] = {name: variables[name] if name in READ else None for name in variables}
    return hosts


def _public_variables():
    """Return (public variable names, name prefixes) of all roles, from their argument specs."""
    names, prefixes = set(), []
    for spec in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        prefixes.append(f"{spec.parent.parent.name}_")
        for entry in yaml.safe_load(spec.read_text(encoding="utf-8"))["argument_specs"].values():
            names.update(entry.get("options", {}))
    return names, prefixes
