# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates of pool objects: what the daemon has, what is wanted, and the text between them.

A template is {NAME: [value, …]}: the daemon keeps attributes of one name in their order and sorts the names. A value is text, or a dictionary for a
vector such as ``ONE_CAPACITY = [ CPU = "0", MEMORY = "0" ]``. Names and keys are upper-case in the daemon whatever was written.
one.*.update either merges (attributes of the names that are sent replace all that there are of these names) or replaces the whole template;
so merging cannot remove a name. Source: Template::merge, PoolObjectSQL::replace_template and append_template, 5.0.2 to 7.4.0.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field

from . import oned_conf
from .errors import CoreError
from .oned_conf_shown import SECRET_CHANGED, SECRET_NAME
from .oned_conf_text import same, spell, value_text
from .plan import SECRET

ORDER_FREE = {"PUBLIC_CLOUD"}       # each is for a provider and host of its own; the order of disks and NICs names them inside of the VM
# oned.log shows the first 20 characters of a call's text (5.0.2: of its first line): with this in front none of a secret's are among them
HEAD = "# constellation.opennebula\n"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_UNSENDABLE = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")      # XML has no such characters, and turns CR into LF
_ENCRYPTED = re.compile(r"[A-Za-z0-9+/\n]{22,}={0,2}\n?\Z")                      # what aes256cbc_encrypt leaves: blocks of 16 bytes in base64


@dataclass(frozen=True)
class Wanted:
    """The declared attributes: ``values`` {NAME: tuple of values, or None for no such attribute}; ``secret`` holds NAME or (NAME, KEY)."""

    values: dict = field(default_factory=dict)
    secret: frozenset = frozenset()

    def is_secret(self, name):
        return name in self.secret or any(name == pair[0] for pair in self.secret if isinstance(pair, tuple))


def wanted(attributes, secrets, where, problems, reserved=()):
    """Return the Wanted of two options; what is wrong with them goes into ``problems``. ``reserved``: {NAME: why it cannot be given}."""
    values, secret = {}, set()
    for given, hidden in ((attributes or {}, False), (secrets or {}, True)):
        for word, value in given.items():
            name = str(word).upper()
            label = f"{where}: {name}"
            if not _NAME.match(str(word)):
                problems.append(f"{where}: {word!r} is no name: letters, digits and '_' only, and no digit first")
            elif name in reserved:
                problems.append(f"{label} {reserved[name]}")
            read = _values(value, label, problems)
            if name in values and not _joins(values[name], read):
                problems.append(f"{label} is declared twice")
            elif name in values:
                read = (dict(values[name][0], **read[0]),)
            if hidden:
                secret |= {(name, str(key).upper()) for key in value} if isinstance(value, dict) else {name}
            values[name] = read
    return Wanted(values, frozenset(secret))


def _joins(one, other):
    """Tell whether both are parts of one vector, its secret keys declared apart."""
    vectors = [values for values in (one, other) if values and len(values) == 1 and isinstance(values[0], dict)]
    return len(vectors) == 2 and not set(one[0]) & set(other[0])


def _values(value, label, problems):
    """Return the tuple of values of one attribute, None for none of it."""
    if value is None or value == []:
        return None
    return tuple(_value(one, label, problems) for one in (value if isinstance(value, list) else [value]))


def _value(value, label, problems):
    if isinstance(value, dict):
        pairs = {}
        for word, text in value.items():
            key = str(word).upper()
            if not _NAME.match(str(word)):
                problems.append(f"{label}: {word!r} is no name: letters, digits and '_' only, and no digit first")
            elif key in pairs:
                problems.append(f"{label}: {key} is given twice")
            elif isinstance(text, (dict, list)):
                problems.append(f"{label}: {key} is a {type(text).__name__}; vectors do not nest: give text, a number or a boolean")
            elif text is not None:
                problems += unspeakable(text, f"{label}/{key}")
                pairs[key] = text
        if not pairs:
            problems.append(f"{label}: a vector needs at least one key with a value")
        return pairs
    if isinstance(value, list) or value is None:
        problems.append(f"{label}: a {type(value).__name__} inside of a list; give text, numbers, booleans or dictionaries")
        return ""
    problems += unspeakable(value, label)
    return value


def unspeakable(value, label):
    """Return why a value cannot be written: nothing can, that the daemon would read as something else."""
    written = value_text(value)
    if not isinstance(written, str):
        return [f"{label}: the value is a {type(value).__name__}; give text, a number or a boolean"]
    if _UNSENDABLE.search(written):
        return [f"{label}: the value has a control character, which XML-RPC does not carry"]
    try:
        read = oned_conf.parse(f'A={spell(value)}\nB="1"\n').values()      # a quote that is not the last one of the text
    except oned_conf.NotParsed:
        read = None
    if read != [("A", written), ("B", "1")]:
        return [f"{label}: the value cannot be written: OpenNebula's templates know no escape for a '\\' at the end or for ']]>'"]
    return []


def read(node):
    """Return the template in an object's TEMPLATE element."""
    found = {}
    for child in () if node is None else node:
        value = {key.tag.upper(): key.text or "" for key in child} if len(child) else child.text or ""
        found.setdefault(child.tag.upper(), []).append(value)
    return found


def equal(name, have, want):
    """Tell whether the daemon's values of one name mean what is wanted (None: nothing of that name)."""
    have, want = list(have or ()), list(want or ())
    if len(have) != len(want):
        return False
    if name not in ORDER_FREE:
        return all(_same(name, found, value) for found, value in zip(have, want))
    for value in want:
        place = next((place for place, found in enumerate(have) if _same(name, found, value)), None)
        if place is None:
            return False
        del have[place]
    return True


def _same(name, found, value):
    if isinstance(found, dict) != isinstance(value, dict):
        return False
    if isinstance(found, dict):
        return set(found) == set(value) and all(same(name, key, found[key], value[key]) for key in value)
    return same(name, None, found, value)


def differences(have, want, exclusive=False):
    """Return {NAME: values or None} for what is to be changed; ``exclusive`` removes what is not declared."""
    changed = {name: values for name, values in want.items() if not equal(name, have.get(name), values)}
    if exclusive:
        changed.update({name: None for name in have if name not in want})
    return changed


def update(have, changed, secret=False):
    """Return (text, append) of the one.*.update that makes the changes: merged where that does, else the whole template anew."""
    if all(values is not None for values in changed.values()):
        return text(changed, secret), 1
    whole = {name: values for name, values in dict(have, **changed).items() if values is not None}
    problems = [problem for name, values in whole.items() for value in values for problem in _kept(name, value)]
    if problems:
        raise CoreError("cannot remove " + ", ".join(name for name, values in changed.items() if values is None), why=problems[0],
                        hint="The daemon removes an attribute only by taking the whole template anew. Change that value first.")
    return text(whole, secret), 0


def _kept(name, value):
    pairs = value.items() if isinstance(value, dict) else [(None, value)]
    return [problem for key, one in pairs for problem in unspeakable(one, name if key is None else f"{name}/{key}")]


def text(template, secret=False):
    """Return a template in OpenNebula's own grammar; the one place of the collection that writes it for a call.

    >>> text({"NAME": ["a"], "NIC": [{"NETWORK_ID": 7}]})
    'NAME="a"\\nNIC=[NETWORK_ID=7]'
    """
    lines = [f"{name}={_spelled(value)}" for name, values in template.items() for value in values]
    return (HEAD if secret or any(map(hides, template)) else "") + "\n".join(lines)


def _spelled(value):
    return "[" + ",".join(f"{key}={spell(one)}" for key, one in value.items()) + "]" if isinstance(value, dict) else spell(value)


def looks_encrypted(values):
    """Tell whether the daemon may have encrypted these values (from 5.10 on, HOST_ENCRYPTED_ATTR and its kin in oned.conf)."""
    texts = [one for value in values or () for one in (value.values() if isinstance(value, dict) else [value])]
    return any(_ENCRYPTED.match(one) and len(one.replace("\n", "")) % 4 == 0 for one in texts)


def shown(values, name, secret=frozenset(), mark=SECRET):
    """Return the values of one attribute for a result: secrets masked, a single one without its list."""
    told = [_shown(value, name, secret, mark) for value in values]
    return told[0] if len(told) == 1 else told


def _shown(value, name, secret, mark):
    if isinstance(value, dict):
        return {key: mark if hides(key) or name in secret or (name, key) in secret else value_text(one) for key, one in value.items()}
    return mark if hides(name) or name in secret else value_text(value)


def hides(name):
    return bool(SECRET_NAME.search(name))


def exposed(value):
    """Return the values of keys that name secrets, wherever they are in what was declared in the wrong option."""
    if isinstance(value, list):
        return set().union(*map(exposed, value))
    if not isinstance(value, dict):
        return set()
    plain = {str(one) for name, one in value.items() if hides(str(name)) and one not in (None, "") and not isinstance(one, (dict, list))}
    return plain.union(*map(exposed, value.values()))


def told(have, changed, secret):
    """Return (before, after) of changed attributes, secrets masked."""
    before = {name: shown(have[name], name, secret) for name in changed if name in have}
    after = {name: shown(values, name, secret, SECRET_CHANGED if name in have else SECRET) for name, values in changed.items() if values is not None}
    return before, after


def described(template, ignored=(), hidden=hides):
    """Return (attributes, names left out): what can be declared again, without attributes that hold a secret."""
    attributes, left = {}, []
    for name, values in template.items():
        if name in ignored:
            continue
        if hidden(name) or any(hidden(key) for value in values if isinstance(value, dict) for key in value):
            left.append(name)
        else:
            attributes[name] = values[0] if len(values) == 1 else values
    return attributes, left
