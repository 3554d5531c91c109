# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a declared cloud becomes, and how its options are checked.

Each kind of cloud is a module of this package with three names::

    OPTIONS                          {option: Option}: what the inventory may say
    problems(cloud, release)         the mistakes of one declared cloud, as a list of sentences that begin with the option they mean
    describe(cloud, release)         the Driver; called only for a cloud without problems
"""
from __future__ import annotations

import difflib
from dataclasses import dataclass

STATES = ("present", "commented", "absent")


@dataclass(frozen=True)
class Option:
    """One option of a declared cloud. ``kind``: str, int, float, bool, list or dict; ``choices``: the allowed values."""

    kind: str = "str"
    required: bool = False
    default: object = None
    choices: tuple = ()


@dataclass(frozen=True)
class Driver:
    """What one cloud needs on a front-end; each tuple holds options of the module that is named.

    stanzas: oned_conf (with ``state``); files: driver_conf; certificates: management_certificate; scripts: driver_scripts;
    hosts: host (OpenNebula's hosts that stand for the cloud); monitor_stanzas: oned_conf for monitord.conf, where IM_MADs are from 5.12.
    needs: what the operator's own stanzas must say for the cloud, checked by ``unmet``. read_at_start: paths of files that the daemon or its
    drivers read only when they start; the drivers that are scripts read theirs at each call.
    """

    stanzas: tuple = ()
    monitor_stanzas: tuple = ()
    files: tuple = ()
    certificates: tuple = ()
    scripts: tuple = ()
    hosts: tuple = ()
    needs: tuple = ()
    read_at_start: tuple = ()
    warnings: tuple = ()


COMMON = {
    "provider": Option(required=True),
    "name": Option(),
    "state": Option(default="present", choices=STATES),
    "addon": Option("bool", default=False),
    "im_arguments": Option(),
    "vm_arguments": Option(),
    "hosts": Option("list", default=()),
}
HOST = {
    "name": Option(required=True),
    "cluster": Option(),
    "enabled": Option("bool", default=True),
    "attributes": Option("dict", default={}),
    "secrets": Option("dict", default={}),
}
KINDS = {"str": str, "int": int, "float": (int, float), "bool": bool, "list": (list, tuple), "dict": dict}


def filled(cloud, options):
    """Return the cloud with the defaults of what it does not say."""
    return {**{name: option.default for name, option in options.items()}, **{name: value for name, value in cloud.items() if value is not None}}


def mistakes(given, options, where=""):
    """Return the sentences about options that are unknown, missing, empty although they must be there, or of a wrong kind.

    >>> mistakes({"regoins": {}}, {"regions": Option("dict", required=True)})
    ['regoins is no option; did you mean regions?', 'regions is missing']
    """
    found = []
    for name in given:
        if name not in options:
            near = difflib.get_close_matches(str(name), list(options), 1)
            found.append(f"{where}{name} is no option" + (f"; did you mean {near[0]}?" if near else f"; use one of: {', '.join(options)}"))
    for name, option in options.items():
        value = given.get(name)
        if value is None:
            found += [f"{where}{name} is missing"] if option.required else []
        elif not isinstance(value, KINDS[option.kind]) or (option.kind in ("int", "float") and isinstance(value, bool)):
            found.append(f"{where}{name} must be {_article(option.kind)}, not {_article(_kind(value))}")
        elif option.required and value == "":
            found.append(f"{where}{name} is empty")
        elif option.choices and value not in option.choices:
            found.append(f"{where}{name} must be one of {', '.join(map(str, option.choices))}")
    return found


def unmet(needs, stanzas):
    """Return the sentences about needs that the file's stanzas, as oned_conf_info returns them, do not fulfil.

    >>> unmet([{"section": "TM_MAD", "key": "ARGUMENTS", "flag": "-d", "value": "dummy", "why": "w"}],
    ...       [{"section": "TM_MAD", "settings": {"ARGUMENTS": "-t 15 -d ssh,lvm"}}])
    ['TM_MAD: ARGUMENTS must have dummy in the list of -d: w']
    """
    found = []
    for need in needs:
        words = " ".join(str(stanza["settings"].get(need["key"], "")) for stanza in stanzas if stanza["section"] == need["section"]).split()
        lists = [words[place + 1].split(",") for place, word in enumerate(words[:-1]) if word == need["flag"]]
        if lists and not any(need["value"] in names for names in lists):        # without a list the daemon's driver takes all there are
            found.append(f"{need['section']}: {need['key']} must have {need['value']} in the list of {need['flag']}: {need['why']}")
    return found


def _kind(value):
    return next((name for name, types in KINDS.items() if isinstance(value, types) and not (name in ("int", "float") and isinstance(value, bool))), "str")


def _article(kind):
    words = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "list": "a list", "dict": "a dictionary"}
    return words[kind]
