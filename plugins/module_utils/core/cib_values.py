# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of a CIB: equal in meaning although spelled differently, and which of them are secret.

Pacemaker reads "20s", "20" and "20000ms" as one duration, "yes" and "true" as one boolean, "INFINITY" and "1000000" as one
score (crm_parse_interval_spec, crm_str_to_boolean, char2score of 2.1.5). Options of agents are the agent's own business:
only booleans are compared by meaning there.
"""
from __future__ import annotations

import re

SECRET = "(secret)"
KEEP = SECRET                           # given back as a value it means: leave what is there

_SECRET_NAME = re.compile(r"(passw|secret|token|passphrase|private_key|api_?key|_pass$|^pass$|^community$|^hexadecimal_kg$)", re.IGNORECASE)
_NOT_SECRET_NAME = re.compile(r"(_script|_file|_path|_timeout|identity)$", re.IGNORECASE)
_NUMBER = re.compile(r"^([+-]?\d+)\s*(us|usec|ms|msec|s|sec|m|min|h|hr)?$", re.IGNORECASE)
_SECONDS = {"us": 1e-6, "usec": 1e-6, "ms": 1e-3, "msec": 1e-3, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hr": 3600, None: 1}
_TRUE, _FALSE = ("true", "on", "yes", "y", "1"), ("false", "off", "no", "n", "0")
_SCORE = re.compile(r"^[+-]?(\d+|INFINITY)$")
_ROLES = {"master": "promoted", "slave": "unpromoted"}       # the names before pacemaker 2.1
_INFINITY = {"INFINITY": 1000000, "+INFINITY": 1000000, "-INFINITY": -1000000}


def text(value):
    """Return a value as the CIB spells it.

    >>> text(True), text(5), text(" a ")
    ('true', '5', ' a ')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def same(live, wanted, agent_option=False):
    """Tell whether two spellings mean the same.

    >>> same("20", "20s"), same("60000ms", "1min"), same("yes", "true"), same("+INFINITY", "1000000"), same("5", "6")
    (True, True, True, True, False)
    >>> same("20", "20s", agent_option=True), same("1", "true", agent_option=True)
    (False, True)
    """
    if live == wanted:
        return True
    if live is None or wanted is None:
        return False
    words = {_ROLES.get(word.lower(), word.lower()) for word in (live, wanted)}
    if len(words) == 1 and words <= set(_ROLES.values()):
        return True
    if words - {"0", "1"} and (words <= set(_TRUE) or words <= set(_FALSE)):
        return True
    if agent_option:
        return False
    numbers = (number(live), number(wanted))
    return None not in numbers and numbers[0] == numbers[1]


def number(value):
    """Return a score, or a duration in seconds, or None.

    >>> number("-INFINITY"), number("1500ms"), number("0s"), number("soon")
    (-1000000, 1.5, 0, None)
    """
    if value in _INFINITY:
        return _INFINITY[value]
    match = _NUMBER.match(value)
    if not match:
        return None
    seconds = int(match.group(1)) * _SECONDS[match.group(2).lower() if match.group(2) else None]
    return int(seconds) if seconds == int(seconds) else seconds


def is_score(value):
    return bool(_SCORE.match(value))


def is_boolean(value):
    return value.lower() in _TRUE + _FALSE


def boolean(value):
    """Return a boolean as the schema of the CIB wants it, anything else as it is.

    >>> boolean("True"), boolean("no"), boolean("maybe")
    ('true', 'false', 'maybe')
    """
    word = value.lower()
    return "true" if word in _TRUE else "false" if word in _FALSE else value


def role(value):
    """Return the present name of a role.

    >>> role("Master"), role("Started")
    ('Promoted', 'Started')
    """
    return _ROLES.get(value.lower(), value).capitalize()


def interval(value):
    """Return the one spelling of an interval that we use as a key: "0", "20s", "1500ms"."""
    seconds = number(text(value or "0"))
    if seconds is None or seconds < 0:
        return text(value)
    if not seconds:
        return "0"
    return f"{seconds}s" if seconds == int(seconds) else f"{int(seconds * 1000)}ms"


def is_secret(name):
    """Tell whether an option of this name holds a secret, whoever declared it.

    >>> [is_secret(name) for name in ("password", "snmp_priv_passwd", "apikey", "password_script", "token_file", "ip")]
    [True, True, True, False, False, False]
    """
    return bool(_SECRET_NAME.search(name)) and not _NOT_SECRET_NAME.search(name)


def lines(value, indent=0):
    """Return a value as the lines of a YAML-like text, for people.

    >>> lines({"agent": "x", "options": {"ip": "1"}, "members": ["a", "b"]})
    ['agent: x', 'members: [a, b]', 'options:', '  ip: 1']
    """
    shown = []
    for key in sorted(value):
        item = value[key]
        if isinstance(item, dict):
            shown.append(f"{' ' * indent}{key}:" + ("" if item else " {}"))
            shown += lines(item, indent + 2)
        elif isinstance(item, (list, tuple)) and item and isinstance(item[0], dict):
            shown.append(f"{' ' * indent}{key}:")
            for entry in item:
                shown += [f"{' ' * indent}  {'- ' if not at else '  '}{line}" for at, line in enumerate(lines(entry))]
        elif isinstance(item, (list, tuple)):
            shown.append(f"{' ' * indent}{key}: [{', '.join(item)}]")
        else:
            shown.append(f"{' ' * indent}{key}: {item}")
    return shown
