#!/usr/bin/python
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: oned_conf
short_description: Manage attributes and stanzas of oned.conf
version_added: "0.1.0"
description:
  - Changes C(oned.conf), and any other file of its grammar (C(sched.conf), C(monitord.conf), templates), in as few bytes as possible.
    Comments, spelling, order and alignment of everything else stay, byte for byte.
  - An attribute or stanza that the file ships commented out is un-commented in place rather than added a second time, and goes back into
    its comment with O(stanzas[].state=commented). What is new comes behind its siblings.
  - Names are compared as the daemon does, in any case. Values are quoted and escaped here.
  - The file is read by the daemon's own grammar. A result that the daemon would refuse, or load differently from what is asked for, is not written.
    What the daemon swallows silently (a quote that runs on, CR LF line ends, V(]]>)) is told as a warning with its line and column.
  - The file is replaced in one step; mode, owner and group stay.
options:
  path:
    description: The file on the managed host. In check mode a missing file counts as an empty one, so that a first run can be foreseen on bare hosts.
    type: path
    default: /etc/one/oned.conf
  release:
    description: OpenNebula's release, for the one rule that changed. Up to V(5.2) an empty stanza is refused.
    type: str
  attributes:
    description: Plain attributes, C(NAME = value).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The attribute's name.
        type: str
        required: true
      value:
        description:
          - Its value. Booleans are written as V(YES) and V(NO), numbers without quotes.
          - An attribute that is in the file several times is changed where the daemon reads it, at its first place.
        type: raw
      values:
        description:
          - The values of an attribute that the daemon takes several times, such as C(VM_RESTRICTED_ATTR). Missing ones are added.
          - With O(attributes[].state=absent) or V(commented), only these values are meant.
        type: list
        elements: raw
      exclusive:
        description: Remove the values that are not in O(attributes[].values).
        type: bool
        default: false
      state:
        description: Whether the daemon shall see the attribute. V(commented) keeps its lines as comments, V(absent) removes them.
        type: str
        choices: [present, absent, commented]
        default: present
  stanzas:
    description: Stanzas, C(SECTION = [ KEY = value, … ]).
    type: list
    elements: dict
    default: []
    suboptions:
      section:
        description: The name before the C(=), for example C(DB), C(FEDERATION), C(IM_MAD) or C(VM_MAD).
        type: str
        required: true
      name:
        description: The C(NAME) inside the stanza, for sections of which there are several.
        type: str
      settings:
        description:
          - Keys and values to set; other keys stay unless O(stanzas[].exclusive). A value of V(null) removes the key.
          - Without settings, a stanza that is there, live or commented out, is taken as it is.
          - With O(stanzas[].state=commented), a live stanza gets them before it becomes a comment, so that what was shipped can be brought back.
        type: dict
        default: {}
      secrets:
        description: Like O(stanzas[].settings), for values that must not be shown or logged anywhere.
        type: dict
        default: {}
      exclusive:
        description: Remove the keys that are neither in O(stanzas[].settings) nor in O(stanzas[].secrets).
        type: bool
        default: false
      state:
        description: Whether the daemon shall see the stanza. V(commented) keeps its lines as comments, V(absent) removes them.
        type: str
        choices: [present, absent, commented]
        default: present
  mads_dir:
    description:
      - The directory of the drivers' programs on the managed host, usually C(/usr/lib/one/mads). With it, each C(*_MAD) stanza that the task makes
        present must name an C(EXECUTABLE) that is there, or a whole path, and that may be executed; otherwise nothing is written.
        OpenNebula 5.0 hangs at its start when one is missing.
      - In check mode a missing directory is passed over, so that a first run can be foreseen on bare hosts.
    type: path
  backup:
    description: Keep the old file beside the new one, with the time in its name. It has the same secrets and the same mode.
    type: bool
    default: false
  mode:
    description: Permissions in octal, quoted. By default they stay as they are.
    type: str
notes:
  - Values of keys whose names end like a secret's (C(PASSWD), C(PASSWORD), C(SECRET), C(TOKEN), …) are masked in the diff whether declared as secrets or not.
seealso:
  - module: constellation.opennebula.oned_conf_info
author:
  - The constellation.opennebula team (@constellation)
"""

EXAMPLES = r"""
- name: Use MariaDB and join the federation
  constellation.opennebula.oned_conf:
    backup: true
    stanzas:
      - section: DB
        settings:
          BACKEND: mysql
          SERVER: localhost
          PORT: 0
          USER: oneadmin
          DB_NAME: opennebula
        secrets:
          PASSWD: "{{ vault_oned_db_password }}"
      - section: FEDERATION
        settings:
          MODE: SLAVE
          ZONE_ID: 100
          MASTER_ONED: http://10.90.1.100:2633/RPC2

- name: Switch the shipped EC2 drivers on, and those of vCenter off
  constellation.opennebula.oned_conf:
    stanzas:
      - {section: IM_MAD, name: ec2}
      - {section: VM_MAD, name: ec2, settings: {KEEP_SNAPSHOTS: false}}
      - {section: IM_MAD, name: vcenter, state: commented}
      - {section: VM_MAD, name: vcenter, state: commented}

- name: Monitor faster, and keep users from setting two more attributes
  constellation.opennebula.oned_conf:
    attributes:
      - name: MONITORING_INTERVAL
        value: 30
      - name: VM_RESTRICTED_ATTR
        values: [RANK, SCHED_RANK]
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode. Values of secrets are not shown.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: stanza
      target: DB
      before: {BACKEND: sqlite}
      after: {BACKEND: mysql, PASSWD: (secret)}
changed_files:
  description: The files that were changed, or would be in check mode. M(constellation.opennebula.frontend_service) takes them as C(changing).
  returned: always
  type: list
  elements: str
  sample: [/etc/one/oned.conf]
backup_file:
  description: The old file.
  returned: when O(backup) is true and the file was changed
  type: str
  sample: /etc/one/oned.conf.4711.2026-11-21@01:24:00~
"""

from ..module_utils import glue
from ..module_utils.adapters import files
from ..module_utils.core import oned_conf, oned_conf_edit, oned_conf_shown
from ..module_utils.core.converge import Outcome, converge
from ..module_utils.core.errors import NotThere
from ..module_utils.core.plan import Change, Plan

STATE = dict(type="str", choices=["present", "absent", "commented"], default="present")
SPEC = dict(
    path=dict(type="path", default="/etc/one/oned.conf"),
    release=dict(type="str"),
    attributes=dict(type="list", elements="dict", default=[], options=dict(
        name=dict(type="str", required=True),
        value=dict(type="raw"),
        values=dict(type="list", elements="raw"),
        exclusive=dict(type="bool", default=False),
        state=STATE,
    )),
    stanzas=dict(type="list", elements="dict", default=[], options=dict(
        section=dict(type="str", required=True),
        name=dict(type="str"),
        settings=dict(type="dict", default={}),
        secrets=dict(type="dict", default={}, no_log=True),
        exclusive=dict(type="bool", default=False),
        state=STATE,
    )),
    mads_dir=dict(type="path"),
    backup=dict(type="bool", default=False),
    mode=dict(type="str"),
)


def ensure(params, store, check_mode, look=files.look_for_programs):
    """Converge the file in ``store``; look(folder, names) tells which programs are there, None when the folder is missing."""
    items = oned_conf_edit.wanted(params["attributes"], params["stanzas"])
    results = {}

    def read():
        try:
            data, mode = store.read(), store.mode()
        except NotThere:
            if not check_mode:
                raise
            data, mode = b"", params["mode"]
        return oned_conf.parse(data, store.path, params["release"]), mode

    def plan(state):
        document, mode = state
        found = oned_conf_edit.plan(document, items)
        refuse_missing_programs(document)
        if params["mode"] and mode != params["mode"].rjust(4, "0"):
            change = Change("mode", store.path, mode, params["mode"].rjust(4, "0"))
            return Plan(found.changes + (change,), found.warnings, found.before, found.after)
        return found

    def refuse_missing_programs(document):
        programs = oned_conf_edit.executables(document, items) if params["mads_dir"] else {}
        there = look(params["mads_dir"], [name for name in programs.values() if name]) if programs else {}
        if there is None and check_mode:
            return
        missing = (params["mads_dir"], "missing")
        oned_conf_edit.refuse_missing({target: (there or {}).get(name, missing) if name else (None, None) for target, name in programs.items()},
                                      params["mads_dir"])

    def apply(todo):
        if params["mode"]:
            store.set_mode(params["mode"])      # first: a stricter mode protects what is written next
        document = read()[0]
        text = oned_conf_edit.edit(document, items)
        if text != document.text:
            saved = store.replace(oned_conf.encode(text), params["backup"])
            results.update({"backup_file": saved} if saved else {})

    outcome = converge(read, plan, apply, check_mode, header=store.path)
    return Outcome(outcome.plan, dict(results, changed_files=[store.path] if outcome.changed else []), outcome.header)


def main():
    module = glue.module(argument_spec=SPEC)
    # a secret among the settings is hidden in the result, although only ``secrets`` is the place for one
    module.no_log_values.update(oned_conf_shown.secrets_among(module.params["attributes"], module.params["stanzas"]))
    glue.run(module, lambda: ensure(module.params, files.Store(module.params["path"]), module.check_mode))


if __name__ == "__main__":
    main()
