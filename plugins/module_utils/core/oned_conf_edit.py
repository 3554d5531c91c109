# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change oned.conf documents: smallest edits of the text, planned from what is wanted; everything else keeps its bytes.

An edit is (start, end, text). Commenting out puts one '#' at the start of each line, un-commenting takes the first '#' of each
line away: one undoes the other exactly. The edited text is read again, and refused when the daemon would not load what was wanted.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field

from . import oned_conf
from .errors import CoreError, Problems
from .plan import SECRET, Change, Plan

LINE_WIDTH = 79
REPEATED = re.compile(r"(_RESTRICTED_ATTR|_ENCRYPTED_ATTR)$|^INHERIT_.*_ATTR$")        # the daemon takes all of them
CASE_FREE = {("FEDERATION", "MODE"), ("LOG", "SYSTEM")}                               # measured: any case is accepted
SECRET_NAME = re.compile(r"(PASSWD|PASSWORD|PASS|SECRET|SECRET_KEY|ACCESS_KEY|PRIVATE_KEY|TOKEN|EHAUTH)$", re.IGNORECASE)
SECRET_IN_PROSE = re.compile(r'((?:PASSWD|PASSWORD|SECRET|ACCESS_KEY|TOKEN|EHAUTH)[ \t]*=[ \t]*)("(?!\(secret)[^"\n]*"|[^ \t\n,\]"#]+)', re.IGNORECASE)
SECRET_CHANGED = "(secret, changed)"

_NAME = re.compile(r"[A-Za-z0-9_]+\Z")
_BARE_SAFE = re.compile(r'[^=# \t\n,\[\]"\r\0]+\Z')
_REST_OF_LINE = re.compile(r"[ \t]*(#[^\n]*)?(\n|\Z)")


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
    elif text.endswith("\\") and not _BARE_SAFE.match(text):
        problems.append(f"{where}: a value that ends in '\\' and needs quotes cannot be written: the daemon would run over its closing quote")


def value_text(value):
    """Return a value as the daemon reads it: YES and NO for booleans; lists and dictionaries come back as they are.

    >>> value_text(True), value_text(5), value_text("a")
    ('YES', '5', 'a')
    """
    if isinstance(value, bool):
        return "YES" if value else "NO"
    if isinstance(value, (int, float)):
        return str(value)
    return value


def spell(value, before=""):
    """Return how a value is written: as bare as the one before, numbers bare, everything else quoted."""
    text = value_text(value)
    bare = _BARE_SAFE.match(text)
    was_bare = before and not before.startswith('"')
    if bare and (was_bare or text.endswith("\\") or (not before and isinstance(value, (int, float)) and not isinstance(value, bool))):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def same(name, key, found, value):
    """Tell whether the daemon takes both for the same: yes and no in any case, a number given as a number as a number."""
    text = value_text(value)
    if found == text:
        return True
    upper = found.upper()
    if upper == text.upper() and (upper in ("YES", "NO") or (name, key) in CASE_FREE):
        return True
    return isinstance(value, int) and not isinstance(value, bool) and re.match(r"-?[0-9]+\Z", found) is not None and int(found) == value


# -- planning

def plan(document, items):
    """Return the Plan that brings the document to the wanted items; its diff has the secrets masked."""
    return _both(document, items)[0]


def edit(document, items):
    """Return the text after the plan."""
    return _both(document, items)[1]


def _both(document, items):
    changes, edits, warnings, problems = _work_out(document, items)
    if problems:
        raise Problems(f"cannot change {document.origin or 'the file'}", problems)
    told = tuple(str(warning) for warning in document.warnings) + tuple(warnings)
    if not changes:
        return Plan((), told), document.text
    text = _applied(document.text, edits)
    after = _read_again(document, text, items)
    return Plan(tuple(changes), told, *_masked_pair(document, after, items)), text


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
    targets = {(item.name, item.label) for item in items}
    return [(attribute.name, attribute.value) for attribute in document.attributes if (attribute.name, attribute.label) not in targets]


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
        except _Refused as refused:
            problems.append(f"{item.target}: {refused}")
            continue
        if change:
            changes.append(change)
            edits.extend(new for new in more if new not in edits)       # one newline at the end of the file serves all
    return changes, edits, warnings, problems


class _Refused(Exception):
    """A wanted item that cannot be done; becomes one of the problems."""


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
        return _changed(item, before[0], texts[0]), [_revalued(text, first, value)]
    candidate = next((candidate for candidate in commented if same(item.name, None, candidate.attribute.text, value)), commented[0] if commented else None)
    if candidate:
        edits = [] if same(item.name, None, candidate.attribute.text, value) else [_revalued(candidate.bare, candidate.attribute, value)]
        return _changed(item, None, texts[0]), [(candidate.start, candidate.end, _applied(candidate.bare, edits))]
    return _changed(item, None, texts[0]), _at_end(text, f"{item.name} = {spell(value)}\n")


def _attribute_list(document, item, found, commented):
    before = [attribute.text for attribute in found]
    missing = [value for value in item.values if not any(same(item.name, None, text, value) for text in before)]
    extra = [attribute for attribute in found if item.exclusive and not any(same(item.name, None, attribute.text, value) for value in item.values)]
    if not missing and not extra:
        return None, []
    edits, new = [cut for attribute in extra for cut in _cut(document.text, attribute.start, attribute.end)], []
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
        edits += _after_siblings(document, kept or found, commented, lines)
    after = [attribute.text for attribute in kept] + [value_text(value) for value in missing]
    return _changed(item, before or None, after), edits


def _stanza(document, item, found, commented):
    """Return (Change or None, edits) of a stanza."""
    text = document.text
    if item.state == "commented" and found and _pair_edits(text, found[0], item):
        change, edits = _put_away(text, item, found[1:], None)
        return _changed(item, found[0].value, None), [_comment_with(text, found[0], item)] + (edits if change else [])
    if item.state != "present":
        return _put_away(text, item, found, found[0].value if found else None)
    if found:
        edits = _pair_edits(text, found[0], item)
        if not edits:
            return None, []
        before, after = found[0].value, _settled(found[0].value, item)
        keys = [key for key in list(before) + list(after) if before.get(key) != after.get(key)]
        return _changed(item, {key: before[key] for key in keys if key in before}, {key: after[key] for key in keys if key in after}), edits
    if commented:
        candidate = commented[0]
        bare = _applied(candidate.bare, _pair_edits(candidate.bare, candidate.attribute, item))
        return _changed(item, None, _settled(candidate.attribute.value, item)), [(candidate.start, candidate.end, bare)]
    after = _settled({}, item)
    if not set(after) - {"NAME"}:
        raise _Refused("there is no such stanza in the file, not even commented out; give its settings")
    siblings = [candidate for candidate in document.commented if candidate.attribute.name == item.name and candidate.attribute.is_stanza]
    live = [attribute for attribute in document.find(item.name) if attribute.is_stanza]
    return _changed(item, None, after), _after_siblings(document, live, siblings, _written(item), blank=True)


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
    hide = _cut if item.state == "absent" else _comment_out
    return _changed(item, before, None), [change for attribute in found for change in hide(text, attribute.start, attribute.end)]


def _changed(item, before, after):
    if not item.is_stanza:
        return Change("attribute", item.target, _printable(before), _printable(after), secret=item.is_secret(item.name))
    hidden = [None if side is None else {key: SECRET if item.is_secret(key) else _printable(value) for key, value in side.items()} for side in (before, after)]
    return Change("stanza", item.target, *hidden)


def _printable(value):
    if isinstance(value, list):
        return [oned_conf.printable(text) for text in value]
    return value if value is None else oned_conf.printable(value)


# -- edits of the text

def _applied(text, edits):
    """Return the text after the edits; what is inserted into a stretch that goes away stands in its place."""
    parts, pos, covering = [], 0, None
    for start, end, new in sorted(edits, key=lambda change: change[:2]):       # stable: insertions at one place keep their order
        if start < pos and (covering or start != end):
            raise AssertionError("edits overlap")
        parts += [text[pos:start], new]
        if end >= pos:
            pos, covering = end, new
    return "".join(parts + [text[pos:]])


def _line_start(text, offset):
    return text.rfind("\n", 0, offset) + 1


def _lead(text, offset):
    return text[_line_start(text, offset):offset]


def _revalued(text, attribute, value):
    """Return the edit that gives a plain attribute another value; an empty one gets a blank behind its '='."""
    start, end = attribute.value_start, attribute.end
    blank = " " if start == end and text[start - 2:start] == " =" else ""
    return start, end, blank + spell(value, text[start:end])


def _cut(text, start, end):
    rest = _REST_OF_LINE.match(text, end)
    if rest and not _lead(text, start).strip(" \t"):
        return [(_line_start(text, start), rest.end(), "")]
    return [(start, end + len(re.compile(r"[ \t]*").match(text, end).group()), "")]


def _comment_out(text, start, end):
    first = start if _lead(text, start).strip(" \t") else _line_start(text, start)
    edits = [(first, first + 1, ("\n#" if _lead(text, first) else "#") + text[first])]       # with its character: additions before it stay before it
    edits += [(match.end(), match.end() + 1, "#" + text[match.end()]) for match in re.compile("\n").finditer(text, start, end)]
    rest = _REST_OF_LINE.match(text, end)
    if not rest:
        edits.append((end, end, "\n"))
    elif not rest.group(2):
        edits += _newline_at_end(text)
    return edits


def _comment_with(text, attribute, item):
    """Return the edit that brings the settings into a stanza and makes it a comment: what was changed for our sake can go back as it was shipped."""
    first = attribute.start if _lead(text, attribute.start).strip(" \t") else _line_start(text, attribute.start)
    rest = _REST_OF_LINE.match(text, attribute.end)
    last = rest.end() if rest else attribute.end
    changed = oned_conf.parse(_applied(text[:last], _pair_edits(text[:last], attribute, item))[first:])
    target = changed.attributes[0]
    piece = _applied(changed.text, _comment_out(changed.text, target.start, target.end))
    return first, last, ("\n" + piece if first == attribute.start and _lead(text, first) else piece)


def _at_end(text, lines):
    return _newline_at_end(text) + [(len(text), len(text), lines)]


def _newline_at_end(text):
    """Return the edit that ends the last line; several additions share one."""
    return [] if not text or text.endswith("\n") else [(len(text), len(text), "\n")]


def _after_siblings(document, live, commented, lines, blank=False):
    """Return the insertion of whole lines behind the last sibling, at the end of the file when there is none."""
    text = document.text
    ends = [attribute.end for attribute in live] + [candidate.end - 1 for candidate in commented]
    if not ends:
        return _at_end(text, ("\n" if blank and text else "") + lines)
    end = max(ends)
    rest = _REST_OF_LINE.match(text, end)
    lines = ("\n" if blank else "") + lines
    if not rest:
        return [(end, end, "\n" + lines)]
    return ([] if rest.group(2) else _newline_at_end(text)) + [(rest.end(), rest.end(), lines)]


def _written(item):
    """Return a new stanza in the style of the shipped file."""
    pairs = [(key, value) for key, value in item.settings.items() if value is not None]
    width = max(len(key) for key, unused in pairs)
    return f"{item.name} = [\n" + ",\n".join(f"    {key.ljust(width)} = {spell(value)}" for key, value in pairs) + " ]\n"


def _pair_edits(text, attribute, item):
    """Return the edits inside a stanza: values changed in place, keys added behind the last, keys removed with their comma."""
    pairs, edits, seen = attribute.pairs, [], set()
    gone = [index for index, pair in enumerate(pairs)
            if (item.exclusive and pair.key not in item.settings) or (pair.key in item.settings and item.settings[pair.key] is None)]
    for pair in pairs:
        value = item.settings.get(pair.key)
        if value is not None and pair.key not in seen and not same(item.name, pair.key, pair.value, value):
            edits.append((pair.value_start, pair.end, spell(value, text[pair.value_start:pair.end])))
        seen.add(pair.key)
    new = [(key, value) for key, value in item.settings.items() if value is not None and key not in seen]
    kept = [index for index in range(len(pairs)) if index not in gone]
    if not kept and not new and gone:
        raise _Refused("no setting would be left; use state absent or commented")
    if not kept and new:
        return [(attribute.value_start, attribute.end, _written(item).partition("= ")[2].rstrip("\n"))]
    tail_goes = bool(gone) and gone[-1] > kept[-1]
    if tail_goes and "#" not in text[pairs[kept[-1]].end:pairs[-1].end]:
        edits.append((pairs[kept[-1]].end, pairs[-1].end, ""))
        gone = [index for index in gone if index < kept[-1]]
    for index in gone:
        comma = index if index < kept[-1] else index - 1
        edits += _pair_cut(text, pairs[index], pairs[comma].comma)
    return edits + (_pair_additions(text, attribute, pairs[kept[-1]], new, tail_goes) if new else [])


def _pair_cut(text, pair, comma):
    """Return the edits that take a pair away, and the comma at that offset."""
    own = pair.comma == comma and not text[pair.end:comma].strip(" \t")
    end = comma + 1 if own else pair.end
    return _cut(text, pair.start, end) + ([] if own else [(comma, comma + 1, "")])


def _pair_additions(text, attribute, last, new, tail_goes):
    """Return the edits that add pairs behind ``last``, in the layout that the stanza has."""
    heads = [text[pair.start:pair.value_start] for pair in attribute.pairs]
    equal = " = " if any(" =" in head for head in heads) else "="
    if all(head[:len(pair.key)] == pair.key.lower() for head, pair in zip(heads, attribute.pairs)):
        new = [(key.lower(), value) for key, value in new]
    line = text[_line_start(text, attribute.start):attribute.end]
    inline = "".join(f", {key}{equal}{spell(value)}" for key, value in new)
    if "\n" not in line and len(line) + len(inline) <= LINE_WIDTH:
        return [(last.end, last.end, inline)]
    lead = _lead(text, attribute.pairs[0].start)
    indent = lead if not lead.strip(" \t") else " " * len(lead)
    width = max([len(head.partition("=")[0].rstrip(" \t")) for head in heads] + [len(key) for key, unused in new]) if equal == " = " else 0
    column = max(len(head.partition("=")[0]) - 1 for head in heads)
    width = max(width, column) if "\n" in line else width
    lines = ",\n".join(f"{indent}{key.ljust(width)}{equal}{spell(value)}" for key, value in new)
    rest = None if tail_goes else _REST_OF_LINE.match(text, last.end)
    if rest and rest.group(1) and rest.group(2):        # its comment stays with it
        return [(last.end, last.end, ","), (rest.end() - 1, rest.end() - 1, "\n" + lines)]
    return [(last.end, last.end, ",\n" + lines)]


# -- secrets

def _masked_pair(before, after, items):
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
    return oned_conf.printable(SECRET_IN_PROSE.sub(r'\1"%s"' % SECRET, _applied(document.text, edits)))


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
    column = offset - _line_start(commented.bare, offset)
    start = _line_start(text, commented.marks[line])
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
