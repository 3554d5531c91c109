# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of oned.conf may be shown: texts and values without their secrets, and the description that oned_conf takes back."""
from __future__ import annotations

import re

from . import oned_conf
from .oned_conf_text import applied, line_start
from .plan import SECRET

REPEATED = re.compile(r"(_RESTRICTED_ATTR|_ENCRYPTED_ATTR)$|^INHERIT_.*_ATTR$")        # the daemon takes all of them
SECRET_NAME = re.compile(r"(PASSWD|PASSWORD|PASS|SECRET|SECRET_KEY|ACCESS_KEY|PRIVATE_KEY|TOKEN|EHAUTH)$", re.IGNORECASE)
SECRET_IN_PROSE = re.compile(r'((?:PASSWD|PASSWORD|SECRET|ACCESS_KEY|TOKEN|EHAUTH)[ \t]*=[ \t]*)("(?!\(secret)[^"\n]*"|[^ \t\n,\]"#]+)', re.IGNORECASE)
SECRET_CHANGED = "(secret, changed)"


def masked_pair(before, after, items):
    """Return both texts without secrets; one that changes is marked, so that the diff shows its line."""
    extra = {(item.name, item.label, key) for item in items for key in item.secret}
    known = {}
    for target, value, *dummy in _secret_spans(before, extra):
        known.setdefault(target, value)
    first = _masked(before, extra, lambda target, value: SECRET)
    second = _masked(after, extra, lambda target, value: SECRET if known.get(target, value) == value else SECRET_CHANGED)
    return first, second


def masked(document):
    """Return the text with the values of keys that name secrets replaced."""
    return _masked(document, set(), lambda target, value: SECRET)


def _masked(document, extra, shown):
    edits = [(start, end, f'"{shown(target, value)}"') for target, value, start, end in _secret_spans(document, extra)]
    return oned_conf.printable(SECRET_IN_PROSE.sub(r'\1"%s"' % SECRET, applied(document.text, edits)))


def _secret_spans(document, extra):
    """Yield (target, value, start, end) of every secret value, also in commented-out stanzas."""
    for attribute in document.attributes:
        for target, value, start, end in _secrets_of(attribute, extra):
            yield target, value, start, end
    for commented in document.commented:
        for target, value, start, end in _secrets_of(commented.attribute, extra):
            places = [_place_in_document(document.text, commented, offset) for offset in (start, end - 1)]
            yield ("#", target), value, places[0], places[1] + 1


def _secrets_of(attribute, extra):
    if not attribute.is_stanza:
        return [((attribute.name, None, None), attribute.text, attribute.value_start,
                 attribute.end)] if SECRET_NAME.search(attribute.name) and attribute.text else []
    return [((attribute.name, attribute.label, pair.key), pair.value, pair.value_start, pair.end) for pair in attribute.pairs
            if SECRET_NAME.search(pair.key) or (attribute.name, attribute.label, pair.key) in extra]


def _place_in_document(text, commented, offset):
    """Return where an offset of a commented-out attribute's bare text is in the document."""
    line = commented.bare.count("\n", 0, offset)
    column = offset - line_start(commented.bare, offset)
    start = line_start(text, commented.marks[line])
    return start + column + (1 if start + column >= commented.marks[line] else 0)


def secrets_among(attributes, stanzas):
    """Return the values, in a module's options, of keys that name secrets."""
    pairs = [(option.get("name"), option.get("value")) for option in attributes or ()]
    pairs += [pair for option in stanzas or () for pair in (option.get("settings") or {}).items()]
    return {str(value) for name, value in pairs if value not in (None, "") and SECRET_NAME.search(str(name))}


def described(document):
    """Return what the daemon loads, in the shape that wanted() takes; duplicates of one stanza once, as the daemon reads them.

    Left out are secrets, and values that are no UTF-8: they could not be given back as they are.
    """
    attributes, stanzas = {}, {}
    for attribute in document.attributes:
        if attribute.is_stanza:
            settings = {key: value for key, value in attribute.value.items() if _told(key, value)}
            stanzas.setdefault((attribute.name, attribute.label), settings)
        elif _told(attribute.name, attribute.text):
            attributes.setdefault(attribute.name, []).append(attribute.text)
    return {
        "attributes": [dict(name=name, values=values) if REPEATED.search(name) else dict(name=name, value=values[0]) for name, values in attributes.items()],
        "stanzas": [dict(section=section, settings=settings, **({} if name is None else {"name": name})) for (section, name), settings in stanzas.items()],
        "commented": [oned_conf.printable(" ".join(filter(None, (found.attribute.name, found.attribute.label)))) for found in document.commented],
        "swallowed": [{"kind": notice.kind, "line": notice.line, "column": notice.column, "text": notice.text} for notice in document.warnings],
    }


def _told(key, value):
    return not SECRET_NAME.search(key) and oned_conf.printable(value) == value
