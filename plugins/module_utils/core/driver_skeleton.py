# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts of a driver that are ready to be filled in: the probe works, every action says loudly that it is not written yet.

Written from the table in driver_scripts.py, so what is made here always passes what is checked there.
"""
from __future__ import annotations

import textwrap

from . import driver_scripts, versions
from .errors import Problems

MEANING = {
    "deployment_file": "file with the XML description of the virtual machine; PUBLIC_CLOUD in it is what the template says for this provider",
    "deploy_id": "the provider's id of the machine, as deploy printed it",
    "host": "name of the OpenNebula host that stands for the provider",
    "destination_host": "name of the OpenNebula host to which the machine moves",
    "checkpoint_file": "where a hypervisor would keep the machine's state; most providers keep it themselves",
    "snapshot_id": "number that OpenNebula gave the new snapshot",
    "snapshot_name": "the snapshot's name, as snapshot_create printed it",
    "mac": "hardware address of the interface",
    "bridge": "bridge of the interface's network",
    "model": "model of the interface, - for none",
    "network_driver": "VN_MAD of the interface's network",
    "target": "name of the device",
    "target_index": "number of the device, 0 for the first",
    "disk_path": "path of the disk on the host",
    "driver_message": "all that the driver knows of the machine: XML in Base64",
    "context_target": "device of the contextualisation",
    "context_path": "path of the contextualisation's image",
    "vm_id": "OpenNebula's id of the machine",
    "host_name": "name of the OpenNebula host",
}
PROBE = "monitor"
TOLD = ("deployment_file", "deploy_id", "vm_id", "host_name")
POLLED = "STATE=a CPU=12 MEMORY=262144 NETRX=0 NETTX=0"
POLLED_OLD = "STATE=a USEDCPU=12 USEDMEMORY=262144 NETRX=0 NETTX=0"     # POLL_ATTRIBUTE of VirtualMachineDriver.rb, to 4.12


def skeleton(name, release, generation=None, hypervisor=None):
    """Return {path: text} of the tree: probes/…, actions/… and a README. Raises Problems for what cannot be a driver."""
    generation = generation or driver_scripts.default_generation(release)
    found = [f"generation must be one of {', '.join(map(str, driver_scripts.GENERATIONS))}"] if generation not in driver_scripts.GENERATIONS else []
    found += driver_scripts.name_problems(str(name)) + (found or driver_scripts.generation_problems(generation, release))
    if found:
        raise Problems("cannot make a skeleton", list(dict.fromkeys(found)))
    tree = {f"actions/{action.name}": _action(action, release) for action in driver_scripts.actions(release)}
    if generation == 5:
        tree[f"probes/{PROBE}"] = _probe(hypervisor or name, release)
    tree["README.md"] = _readme(name, generation, hypervisor or name)
    return dict(sorted(tree.items()))


def files(tree, directory, owner, group):
    """Return the tree as options of host_files."""
    return [{"path": f"{directory}/{path}", "content": text, "mode": "0755" if text.startswith("#!") else "0644", "owner": owner, "group": group}
            for path, text in tree.items()]


def _action(action, release):
    names = driver_scripts.arguments(action, release)
    prints = action.prints.replace(POLLED, POLLED_OLD) if versions.number(release) < (4, 14) else action.prints
    told = ", ".join(f"{name} ${{{place}:-}}" for place, name in enumerate(names, 1) if name in TOLD)
    return f"""\
#!/bin/sh
# {action.does}.
#
# OpenNebula {release} runs this on the front-end as oneadmin, with these arguments:
{_arguments(names)}
#
{_comment(f"Prints on stdout when it succeeds: {prints}.")}
# Exit code: 0 when it is done, anything else when it failed. Why it failed goes to stderr between the two marks that
# fail prints; OpenNebula shows it to the user of the machine. Anything else on stderr goes to the machine's log.
set -eu

fail() {{
    printf 'ERROR MESSAGE --8<------\\n%s\\nERROR MESSAGE ------>8--\\n' "$1" >&2
    exit 1
}}

# Replace this line by what the provider needs, or leave it when the provider cannot do this.
fail "{action.name}: not implemented ({told})"
"""


def _arguments(names):
    return "\n".join(_comment(f"  ${place}  {name}: {MEANING[name]}", "      ") for place, name in enumerate(names, 1))


def _comment(text, further=""):
    return textwrap.fill(text, 118, initial_indent="# ", subsequent_indent=f"# {further}", break_long_words=False, break_on_hyphens=False)


def _probe(hypervisor, release):
    return f"""\
#!/bin/sh
# Tell OpenNebula what there is at the provider. It works as it is: the host appears, with no room for machines yet.
#
# OpenNebula {release} runs all executable files of this folder on the front-end as oneadmin, by name, at every monitoring of
# a host of this driver. One that does not end with 0 spoils the whole answer. Arguments:
#   $1  name of the driver, $2 to $4 are of no use here (folder of datastores, collectd's port and interval)
#   $5  id of the OpenNebula host, -1 when the scripts are tried before there is one
#   $6  name of the OpenNebula host, by which a driver of several regions or accounts tells them apart
#
# Prints attributes in the syntax of templates, NAME="value", a line each.
set -eu

# The scheduler gives this host the machines whose PUBLIC_CLOUD says TYPE="{hypervisor}".
echo 'PUBLIC_CLOUD="YES"'
echo 'HYPERVISOR="{hypervisor}"'
echo "HOSTNAME=\\"${{6:-}}\\""

# How much of the provider may be used: CPU in percent of one core, memory in KB. With 0 nothing is scheduled here.
echo 'TOTALCPU=0'
echo 'USEDCPU=0'
echo 'FREECPU=0'
echo 'CPUSPEED=1000'
echo 'TOTALMEMORY=0'
echo 'USEDMEMORY=0'
echo 'FREEMEMORY=0'

# Without more OpenNebula asks the action poll about every machine. To tell all at once, print VM_POLL=YES, and for each
# machine (ID is OpenNebula's, -1 for one that it did not start):
#   VM=[ ID=42, DEPLOY_ID="i-1234", POLL="STATE=a CPU=12 MEMORY=262144" ]
"""


def _readme(name, generation, hypervisor):
    probes = f"probes: \"{{{{ lookup('constellation.opennebula.script_tree', '{name}/probes') }}}}\"" if generation == 5 else "generation: 3"
    kind = hypervisor if generation == 5 else driver_scripts.DUMMY_HYPERVISOR
    return f"""\
# Driver {name}

Fill in `actions/deploy`, `actions/poll`, `actions/shutdown` and `actions/cancel` first. What the provider cannot do may stay as it is: it fails and says so.
Then declare the driver and run the playbook `constellation.opennebula.drivers`:

```yaml
drivers_clouds:
  - provider: custom
    name: {name}
    {probes}
    actions: "{{{{ lookup('constellation.opennebula.script_tree', '{name}/actions') }}}}"
    hosts:
      - name: {name}-provider
```

Machines go there when their template says `PUBLIC_CLOUD = [ TYPE = "{kind}" ]`.
"""
