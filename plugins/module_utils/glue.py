# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one file that knows AnsibleModule: results out, errors as data, warnings passed on."""
from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from .core.converge import Outcome
from .core.errors import CoreError


def module(argument_spec, **options):
    """Return an AnsibleModule; every module of ours supports check mode.

    One that takes a secret anywhere does not write its invocation to the host's journal: Ansible writes a nested option there as Python spells
    it, and does not find a secret with quotes or backslashes again that way (ansible-core 2.16 to 2.19).
    """
    options.setdefault("supports_check_mode", True)
    options.setdefault("no_log", has_secret(argument_spec))
    return AnsibleModule(argument_spec=argument_spec, **options)


def has_secret(spec):
    """Tell whether an option, or a suboption, is a secret."""
    return any(option.get("no_log") is True or has_secret(option.get("options") or {}) for option in spec.values())


def run(ansible_module, action):
    """Run ``action()`` and leave with its Outcome (a module that changes) or dictionary (a module that reads)."""
    try:
        outcome = action()
    except CoreError as error:
        ansible_module.fail_json(msg=str(error), error=error.as_dict())
    if isinstance(outcome, Outcome):
        for warning in outcome.plan.warnings:
            ansible_module.warn(warning)
        ansible_module.exit_json(**outcome.as_result())
    ansible_module.exit_json(changed=False, **outcome)
