# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change oned.conf documents: planned from what is wanted, as the smallest edits of the text; everything else keeps its bytes.

The edited text is read again, and refused when the daemon would not load from it what is wanted, or anything else otherwise than before.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field

from . import oned_conf
from .errors import CoreError, Problems
from .oned_conf_shown import REPEATED, SECRET_NAME, masked_pair
from .oned_conf_text import (BARE_SAFE, Refused, after_siblings, applied, at_end, comment_out, comment_with, cut, pair_edits, revalued, same, spell, value_text,
                             written)
from .plan import SECRET, Change, Plan

_NAME = re.compile(r"[A-Za-z0-9_]+\Z")


@dataclass(frozen=True)
class Wanted:
    """What shall be in the file: a plain attribute (``values``) or a stanza (``settings``; a value of None means no such key)."""

    name: str
    state: str = "present"
    label: object = None
    is_stanza: bool = False
    values: object = None
    many: bool = False
    settings: dict = field(default_factory=dict)
    secret: frozenset = frozenset()
    exclusive: bool = False

    @property
    def target(self):
        return f"{self.name} {self.label}" if self.label is not None else self.name

    def is_secret(self, key):
        return key in self.secret or bool(SECRET_NAME.search(key))


def wanted(attributes=(), stanzas=()):
    """Return the list of Wanted for a module's options ``attributes`` and ``stanzas``; raises Problems with all mistakes at once."""
    problems, items = [], []
    for option in attributes or ():
        items.append(_wanted_attribute(option, problems))
    for option in stanzas or ():
        items.append(_wanted_stanza(option, problems))
    seen = {}
    for item in items:
        if (item.name, item.label) in seen:
            problems.append(f"{item.target} is declared twice")
        seen[(item.name, item.label)] = item
    if problems:
        raise Problems("the wanted configuration has mistakes", problems)
    return items


def _wanted_attribute(option, problems):
    name, state, values = _name(option["name"], problems), option.get("state") or "present", option.get("values")
    many = values is not None
    if many and option.get("value") is not None:
        problems.append(f"{name}: give either value or values")
    if not many and option.get("value") is not None:
        values = [option["value"]]
    if values is None and state == "present":
        problems.append(f"{name}: value or values is missing")
    if values is not None and not many and state == "present" and REPEATED.search(name):
        problems.append(f"{name} is an attribute that the daemon takes several times: use values")
    texts = [value_text(value) for value in values] if values is not None else None
    for text in texts or ():
        _check(text, name, problems)
    return Wanted(name, state, values=values, many=many, exclusive=bool(option.get("exclusive")))


def _wanted_stanza(option, problems):
    section, label = _name(option["section"], problems), option.get("name")
    settings, secret = {}, {_name(key, problems) for key in option.get("secrets") or {}}
    for key, value in list((option.get("settings") or {}).items()) + list((option.get("secrets") or {}).items()):
        key = _name(key, problems)
        if key in settings:
            problems.append(f"{section}: {key} is declared twice")
        settings[key] = value
        if value is not None:
            _check(value_text(value), f"{section}/{key}", problems)
    if label is not None:
        if value_text(settings.get("NAME", label)) != label:
            problems.append(f"{section} {label}: the setting NAME says something else")
        settings = dict({"NAME": label}, **{key: value for key, value in settings.items() if key != "NAME"})
        _check(label, f"{section}/NAME", problems)
    return Wanted(section, option.get("state") or "present", label, True, settings=settings, secret=frozenset(secret), exclusive=bool(option.get("exclusive")))


def _name(text, problems):
    if not _NAME.match(str(text)) or str(text)[0].isdigit():
        problems.append(f"{text!r} is no name: letters, digits and '_' only, and no digit first")
    return str(text).upper()


def _check(text, where, problems):
    if not isinstance(text, str):
        problems.append(f"{where}: the value is a {type(text).__name__}; give text, a number or a boolean")
    elif "\0" in text:
        problems.append(f"{where}: the value has a NUL byte, where the daemon would end it")
    elif "]]>" in text:
        problems.append(f"{where}: the value has ']]>', where the daemon would end the reading of the whole file")
    elif text.endswith("\\") and not BARE_SAFE.match(text):
        problems.append(f"{where}: a value that ends in '\\' and needs quotes cannot be written: the daemon would run over its closing quote")


# -- planning

def plan(document, items):
    """Return the Plan that brings the document to the wanted items; its diff has the secrets masked."""
    return _both(document, items)[0]


def edit(document, items):
    """Return the text after the plan."""
    return _both(document, items)[1]


def executables(document, items):
    """Return {stanza: executable} of the drivers (*_MAD) that the items make present, as the edited document names them; None without one.

    OpenNebula 5.0.2 neither listens nor ends when one is missing (measured), so it is better asked before.
    """
    after = oned_conf.parse(edit(document, items), document.origin, document.release)
    drivers = [item for item in items if item.is_stanza and item.state == "present" and item.name.endswith("_MAD")]
    return {item.target: next(stanza for stanza in after.find(item.name) if stanza.label == item.label).value.get("EXECUTABLE") for item in drivers}


def refuse_missing(found, folder):
    """Raise Problems unless each driver's executable is one; found: {stanza: (path, "executable", "no program", "missing", or None without a path)}."""
    told = {"missing": "{path} is not there; install the driver first", "no program": "{path} is not executable", None: "the stanza names no EXECUTABLE"}
    problems = [f"{target}: {told[state].format(path=path)}" for target, (path, state) in found.items() if state != "executable"]
    if problems:
        raise Problems(f"OpenNebula would not start these drivers (mads_dir is {folder}); the file stays as it is", problems)


def _both(document, items):
    changes, edits, warnings, problems = _work_out(document, items)
    if problems:
        raise Problems(f"cannot change {document.origin or 'the file'}", problems)
    told = tuple(str(warning) for warning in document.warnings) + tuple(warnings)
    if not changes:
        return Plan((), told), document.text
    text = applied(document.text, edits)
    after = _read_again(document, text, items)
    return Plan(tuple(changes), told, *masked_pair(document, after, items)), text


def _read_again(document, text, items):
    """Return the edited document; raises CoreError when the daemon would not load from it what is wanted."""
    try:
        after = oned_conf.parse(text, document.origin, document.release)
    except oned_conf.NotParsed as error:
        raise CoreError("the changed file would not be read by OpenNebula; it stays as it is", error.where, error.why,
                        "Mend the lines around this place by hand first.", daemon=error.data["daemon"]) from error
    left, problems = _work_out(after, items)[::3]
    if left or problems:
        stopped = after.stopped is not None
        where = "{}:{}:{}".format(document.origin or "line", *after.place(after.stopped)) if stopped else document.origin
        raise CoreError("OpenNebula would not load {} from the changed file; it stays as it is".format(", ".join(change.target for change in left)), where,
                        "']]>' ends the reading before it" if stopped else "what surrounds it changes its meaning", "Mend the file by hand first.")
    others, others_after = (_others(read, items) for read in (document, after))
    if others != others_after:
        lost = next((name for (name, value), new in zip(others, others_after + [None]) if (name, value) != new), "something more")
        raise CoreError(f"OpenNebula would load {lost} otherwise from the changed file; it stays as it is", document.origin,
                        "a comment without a newline, or a quote that is never closed, stands where it changes", "Mend the file by hand first.")
    return after


def _others(document, items):
    """Return what the daemon loads beside the items."""
    targets = {}
    for item in items:
        targets.setdefault((item.name, item.label), []).append(item)
    return [(attribute.name, attribute.value) for attribute in document.attributes
            if not any(_covers(item, attribute) for item in targets.get((attribute.name, attribute.label), ()))]


def _covers(item, attribute):
    """Tell whether the item decides about an attribute of its name; with several values, it does about these only."""
    if item.is_stanza or item.values is None or item.exclusive or (item.state == "present" and not item.many):
        return True
    return any(same(item.name, None, attribute.text, value) for value in item.values)


def _work_out(document, items):
    """Return (changes, edits, warnings, problems)."""
    changes, edits, warnings, problems = [], [], [], []
    for item in items:
        found, commented = _matching(document, item, problems, warnings)
        if len(found) > 1 and not item.many and item.state == "present":
            lines = ", ".join(str(document.place(attribute.start)[0]) for attribute in found)
            warnings.append(f"{document.origin or 'the file'}: {item.target} is there {len(found)} times (lines {lines}); the first is changed")
        work = _stanza if item.is_stanza else _attribute
        try:
            change, more = work(document, item, found, commented)
        except Refused as refused:
            problems.append(f"{item.target}: {refused}")
            continue
        if change:
            changes.append(change)
            edits.extend(new for new in more if new not in edits)       # one newline at the end of the file serves all
    return changes, edits, warnings, problems


def _matching(document, item, problems, warnings):
    """Return the attributes that the item means, live and commented out."""
    live = document.find(item.name)
    commented = [found for found in document.commented if found.attribute.name == item.name and found.attribute.is_stanza == item.is_stanza]
    other = [attribute for attribute in live if attribute.is_stanza != item.is_stanza]
    if other:
        kinds = ("a stanza", "a plain attribute")
        where = document.place(other[0].start)[0]
        problems.append(f"{item.target} is {kinds[item.is_stanza]} in line {where}, wanted is {kinds[not item.is_stanza]}; remove that line first")
        live = [attribute for attribute in live if attribute.is_stanza == item.is_stanza]
    if not item.is_stanza:
        return live, commented
    meant = [attribute for attribute in live if attribute.label == item.label]
    names = sorted({attribute.label for attribute in live if attribute.label is not None})
    if item.label is None and names and not meant:
        told = problems if item.state == "present" else warnings      # they are as absent as wanted, but is that what was meant?
        told.append(f"{item.name} has several stanzas, told apart by NAME; give name as one of: {', '.join(names)}")
    return meant, [found for found in commented if found.attribute.label == item.label]


def _attribute(document, item, found, commented):
    """Return (Change or None, edits) of a plain attribute."""
    text, before = document.text, [attribute.text for attribute in found]
    texts = None if item.values is None else [value_text(value) for value in item.values]
    if item.state != "present":
        gone = [attribute for attribute in found if texts is None or attribute.text in texts]
        return _put_away(text, item, gone, [attribute.text for attribute in gone])
    if item.many:
        return _attribute_list(document, item, found, commented)
    value = item.values[0]
    if found:
        first = found[0]
        if same(item.name, None, first.text, value):
            return None, []
        return _changed(item, before[0], texts[0]), [revalued(text, first, value)]
    candidate = next((candidate for candidate in commented if same(item.name, None, candidate.attribute.text, value)), commented[0] if commented else None)
    if candidate:
        edits = [] if same(item.name, None, candidate.attribute.text, value) else [revalued(candidate.bare, candidate.attribute, value)]
        return _changed(item, None, texts[0]), [(candidate.start, candidate.end, applied(candidate.bare, edits))]
    return _changed(item, None, texts[0]), at_end(text, f"{item.name} = {spell(value)}\n")


def _attribute_list(document, item, found, commented):
    before = [attribute.text for attribute in found]
    missing = [value for value in item.values if not any(same(item.name, None, text, value) for text in before)]
    extra = [attribute for attribute in found if item.exclusive and not any(same(item.name, None, attribute.text, value) for value in item.values)]
    if not missing and not extra:
        return None, []
    edits, new = [piece for attribute in extra for piece in cut(document.text, attribute.start, attribute.end)], []
    kept = [attribute for attribute in found if attribute not in extra]
    for value in missing:
        candidate = next((candidate for candidate in commented if same(item.name, None, candidate.attribute.text, value)), None)
        if candidate:
            edits.append((candidate.start, candidate.end, candidate.bare))
        else:
            new.append(value)
    if new:
        head = document.text[found[-1].start:found[-1].value_start] if found else f"{item.name} = "
        lines = "".join(f"{head}{spell(value, '' if not found else document.text[found[-1].value_start:found[-1].end])}\n" for value in new)
        edits += after_siblings(document, kept or found, commented, lines)
    after = [attribute.text for attribute in kept] + [value_text(value) for value in missing]
    return _changed(item, before or None, after), edits


def _stanza(document, item, found, commented):
    """Return (Change or None, edits) of a stanza."""
    text = document.text
    if item.state == "commented" and found and pair_edits(text, found[0], item):
        change, edits = _put_away(text, item, found[1:], None)
        return _changed(item, found[0].value, None), [comment_with(text, found[0], item)] + (edits if change else [])
    if item.state != "present":
        return _put_away(text, item, found, found[0].value if found else None)
    if found:
        edits = pair_edits(text, found[0], item)
        if not edits:
            return None, []
        before, after = found[0].value, _settled(found[0].value, item)
        keys = [key for key in list(before) + list(after) if before.get(key) != after.get(key)]
        return _changed(item, {key: before[key] for key in keys if key in before}, {key: after[key] for key in keys if key in after}), edits
    if commented:
        candidate = commented[0]
        bare = applied(candidate.bare, pair_edits(candidate.bare, candidate.attribute, item))
        return _changed(item, None, _settled(candidate.attribute.value, item)), [(candidate.start, candidate.end, bare)]
    after = _settled({}, item)
    if not set(after) - {"NAME"}:
        raise Refused("there is no such stanza in the file, not even commented out; give its settings")
    siblings = [candidate for candidate in document.commented if candidate.attribute.name == item.name and candidate.attribute.is_stanza]
    live = [attribute for attribute in document.find(item.name) if attribute.is_stanza]
    return _changed(item, None, after), after_siblings(document, live, siblings, written(item), blank=True)


def _settled(before, item):
    """Return the values of a stanza after the item is applied."""
    after = {} if item.exclusive else dict(before)
    for key, value in item.settings.items():
        if value is None:
            after.pop(key, None)
        else:
            after[key] = before[key] if key in before and same(item.name, key, before[key], value) else value_text(value)
    return after


def _put_away(text, item, found, before):
    """Return (Change or None, edits) for what shall be absent or commented out."""
    if not found:
        return None, []
    edits = [change for attribute in found for change in (
        cut(text, attribute.start, attribute.end, paragraph=item.is_stanza) if item.state == "absent" else comment_out(text, attribute.start, attribute.end))]
    return _changed(item, before, None), edits


def _changed(item, before, after):
    if not item.is_stanza:
        return Change("attribute", item.target, _printable(before), _printable(after), secret=item.is_secret(item.name))
    hidden = [None if side is None else {key: SECRET if item.is_secret(key) else _printable(value) for key, value in side.items()} for side in (before, after)]
    return Change("stanza", item.target, *hidden)


def _printable(value):
    if isinstance(value, list):
        return [oned_conf.printable(text) for text in value]
    return value if value is None else oned_conf.printable(value)
