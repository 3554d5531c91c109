# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How oned.conf is written: values, and the smallest edits of its text.

An edit is (start, end, text). Commenting out puts one '#' at the start of each line, un-commenting takes the first '#' of each line
away: one undoes the other exactly. What is decided to change is the business of oned_conf_edit.py.
"""
from __future__ import annotations

import re

from . import oned_conf

LINE_WIDTH = 79
CASE_FREE = {("FEDERATION", "MODE"), ("LOG", "SYSTEM")}                               # measured: any case is accepted

BARE_SAFE = re.compile(r'[^=# \t\n,\[\]"\r\0]+\Z')
_REST_OF_LINE = re.compile(r"[ \t]*(?:(#[^\n]*)?(\n)|\Z)")            # without its newline a comment is none: its words are read
_COMMENTED_PAIR = re.compile(r"""^(?P<lead>[ \t]*)\#(?P<indent>[ \t]*)(?P<head>(?P<key>[A-Za-z0-9_]+)[ \t]*=[ \t]*)
                                 (?P<value>"(?:\\"|[^"\n])*"|[^=\#\s,\[\]"]+)(?:[ \t]*,)?(?P<rest>[ \t]*(?:\#[^\n]*)?)\n""", re.MULTILINE | re.VERBOSE)


class Refused(Exception):
    """What is wanted cannot be written."""


# -- values

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
    bare = BARE_SAFE.match(text)
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


# -- edits

def applied(text, edits):
    """Return the text after the edits; what is inserted into a stretch that goes away stands in its place."""
    parts, pos, covering = [], 0, None
    for start, end, new in sorted(edits, key=lambda change: change[:2]):       # stable: insertions at one place keep their order
        if start < pos and (covering or start != end):
            raise AssertionError("edits overlap")
        parts += [text[pos:start], new]
        if end >= pos:
            pos, covering = end, new
    return "".join(parts + [text[pos:]])


def line_start(text, offset):
    return text.rfind("\n", 0, offset) + 1


def lead_of(text, offset):
    return text[line_start(text, offset):offset]


def revalued(text, attribute, value):
    """Return the edit that gives a plain attribute another value; an empty one gets a blank behind its '='."""
    start, end = attribute.value_start, attribute.end
    blank = " " if start == end and text[start - 2:start] == " =" else ""
    return start, end, blank + spell(value, text[start:end])


def cut(text, start, end, paragraph=False):
    """Return the edit that takes something out, with its line when it has one of its own, and a paragraph with the empty line before it."""
    rest = _REST_OF_LINE.match(text, end)
    if rest and not lead_of(text, start).strip(" \t"):
        first = line_start(text, start)
        empty = paragraph and first > 0 and text[max(first - 2, 0):first] in ("\n\n", "\n")
        return [(first - 1 if empty else first, rest.end(), "")]
    return [(start, end + len(re.compile(r"[ \t]*").match(text, end).group()), "")]


def comment_out(text, start, end):
    first = start if lead_of(text, start).strip(" \t") else line_start(text, start)
    edits = [(first, first + 1, ("\n#" if lead_of(text, first) else "#") + text[first])]       # with its character: additions before it stay before it
    edits += [(match.end(), match.end() + 1, "#" + text[match.end()]) for match in re.compile("\n").finditer(text, start, end)]
    rest = _REST_OF_LINE.match(text, end)
    if not rest:
        edits.append((end, end, "\n"))
    elif not rest.group(2):
        edits += _newline_at_end(text)
    return edits


def comment_with(text, attribute, item):
    """Return the edit that brings the settings into a stanza and makes it a comment: what was changed for our sake can go back as it was shipped."""
    first = attribute.start if lead_of(text, attribute.start).strip(" \t") else line_start(text, attribute.start)
    rest = _REST_OF_LINE.match(text, attribute.end)
    last = rest.end() if rest else attribute.end
    changed = oned_conf.parse(applied(text[:last], pair_edits(text[:last], attribute, item))[first:])
    target = changed.attributes[0]
    piece = applied(changed.text, comment_out(changed.text, target.start, target.end))
    return first, last, ("\n" + piece if first == attribute.start and lead_of(text, first) else piece)


def at_end(text, lines):
    return _newline_at_end(text) + [(len(text), len(text), lines)]


def _newline_at_end(text):
    """Return the edit that ends the last line; several additions share one."""
    return [] if not text or text.endswith("\n") else [(len(text), len(text), "\n")]


def after_siblings(document, live, commented, lines, blank=False):
    """Return the insertion of whole lines behind the last sibling, at the end of the file when there is none."""
    text = document.text
    ends = [attribute.end for attribute in live] + [candidate.end - 1 for candidate in commented]
    if not ends:
        return at_end(text, ("\n" if blank and text else "") + lines)
    end = max(ends)
    rest = _REST_OF_LINE.match(text, end)
    lines = ("\n" if blank else "") + lines
    if not rest:
        return [(end, end, "\n" + lines)]
    return ([] if rest.group(2) else _newline_at_end(text)) + [(rest.end(), rest.end(), lines)]


def written(item):
    """Return a new stanza in the style of the shipped file."""
    pairs = [(key, value) for key, value in item.settings.items() if value is not None]
    width = max(len(key) for key, unused in pairs)
    return f"{item.name} = [\n" + ",\n".join(f"    {key.ljust(width)} = {spell(value)}" for key, value in pairs) + " ]\n"


def pair_edits(text, attribute, item):
    """Return the edits inside a stanza: values changed in place, keys removed with their comma, un-commented in place, or added behind the last."""
    pairs = attribute.pairs
    gone = [pair for pair in pairs if _goes(pair.key, item)]
    kept = [pair for pair in pairs if pair not in gone]
    new = {key: value for key, value in item.settings.items() if value is not None and all(pair.key != key for pair in pairs)}
    if not kept and new:
        return [(attribute.value_start, attribute.end, written(item).partition("= ")[2].rstrip("\n"))]
    if not kept and gone:
        raise Refused("no setting would be left; use state absent or commented")
    if not kept:
        return []           # an empty stanza, which releases from 5.12 on accept, and nothing to add
    woken = _commented_pairs(text, attribute, item, new)
    added = [(key, value) for key, value in new.items() if key not in woken]
    tail = sorted((match for match in woken.values() if match.start() > kept[-1].start), key=lambda match: match.start())
    edits = _value_edits(text, pairs, item)
    edits += [_woken(match, item.name, new[key], bool(added) or match not in tail[-1:]) for key, match in woken.items()]
    edits += _removals(text, pairs, gone, kept, bool(tail))
    if added and tail:
        edits.append((tail[-1].end(), tail[-1].end(), _pair_lines(text, attribute, added) + "\n"))
    elif added:
        edits += _pair_additions(text, attribute, kept[-1], added, gone and gone[-1].start > kept[-1].start)
    return edits


def _goes(key, item):
    return item.settings[key] is None if key in item.settings else item.exclusive


def _value_edits(text, pairs, item):
    """Return the edits of the values that differ; of two equal keys the daemon takes the first."""
    first = {}
    for pair in pairs:
        first.setdefault(pair.key, pair)
    found = [(pair, item.settings.get(key)) for key, pair in first.items()]
    return [(pair.value_start, pair.end, spell(value, text[pair.value_start:pair.end])) for pair, value in found
            if value is not None and not same(item.name, pair.key, pair.value, value)]


def _removals(text, pairs, gone, kept, continued):
    """Return the edits that take pairs away; the last that stays has a comma only if it is ``continued`` by un-commented ones."""
    last, end = kept[-1], pairs[-1].end
    if last is not pairs[-1] and "#" not in text[last.end:end]:         # the closing bracket moves up to it
        edits, gone = [(last.end, end, "," if continued else "")], [pair for pair in gone if pair.start < last.start]
    elif continued:
        edits = [(last.end, last.end, ",")] if last.comma is None else []
    else:
        edits = [(last.comma, last.comma + 1, "")] if last.comma is not None else []
    for pair in gone:
        own = pair.comma is not None and not text[pair.end:pair.comma].strip(" \t")
        edits += cut(text, pair.start, pair.comma + 1 if own else pair.end)
        edits += [] if own or pair.comma is None else [(pair.comma, pair.comma + 1, "")]
    return edits


def _commented_pairs(text, attribute, item, new):
    """Return {key: match} of the comment lines inside a stanza that hold a key which is missing, the one with the wanted value first."""
    found = {}
    begins = [attribute.value_start + 1] + [pair.end if pair.comma is None else pair.comma + 1 for pair in attribute.pairs]
    ends = [pair.start for pair in attribute.pairs] + [attribute.end - 1]
    for begin, end in zip(begins, ends) if new else ():
        for match in _COMMENTED_PAIR.finditer(text, begin, end):
            key = match.group("key").upper()
            if key in new and (key not in found or _holds(match, item.name, new[key]) and not _holds(found[key], item.name, new[key])):
                found[key] = match
    return found


def _holds(match, name, value):
    found = oned_conf.parse(f"X = {match.group('value')}\n").get("X")       # None where "]]>" ends the reading
    return found is not None and same(name, match.group("key").upper(), found, value)


def _woken(match, name, value, comma):
    """Return the edit that un-comments one pair, with its alignment and its own comment."""
    lead, indent, old = match.group("lead"), match.group("indent"), match.group("value")
    if lead or len(indent) == 1:        # "    # KEY" stood where the key belongs, "#    KEY" had its indent behind the sign
        indent = lead + indent[1:]
    new = old if _holds(match, name, value) else spell(value, old)
    return match.start(), match.end(), f"{indent}{match.group('head')}{new}{',' if comma else ''}{match.group('rest')}\n"


def _pair_additions(text, attribute, last, new, tail_goes):
    """Return the edits that add pairs behind ``last``, in the layout that the stanza has."""
    line = text[line_start(text, attribute.start):attribute.end]
    equal, new = _in_style(text, attribute, new)
    inline = "".join(f", {key}{equal}{spell(value)}" for key, value in new)
    if "\n" not in line and len(line) + len(inline) <= LINE_WIDTH:
        return [(last.end, last.end, inline)]
    lines = _pair_lines(text, attribute, new)
    rest = None if tail_goes else _REST_OF_LINE.match(text, last.end)
    if rest and rest.group(1) and rest.group(2):        # its comment stays with it
        return [(last.end, last.end, ","), (rest.end() - 1, rest.end() - 1, "\n" + lines)]
    return [(last.end, last.end, ",\n" + lines)]


def _in_style(text, attribute, new):
    """Return (equal sign, pairs) as the stanza spells them: with or without blanks, keys in small letters where all are."""
    heads = [text[pair.start:pair.value_start] for pair in attribute.pairs]
    if all(head[:len(pair.key)] == pair.key.lower() for head, pair in zip(heads, attribute.pairs)):
        new = [(key.lower(), value) for key, value in new]
    return " = " if any(" =" in head for head in heads) else "=", new


def _pair_lines(text, attribute, new):
    """Return the lines of pairs to add, aligned with those that are there."""
    equal, new = _in_style(text, attribute, new)
    heads = [text[pair.start:pair.value_start].partition("=")[0] for pair in attribute.pairs]
    lead = lead_of(text, attribute.pairs[0].start)
    indent = lead if not lead.strip(" \t") else " " * len(lead)
    width = 0
    if equal == " = ":
        width = max([len(head.rstrip(" \t")) for head in heads] + [len(key) for key, unused in new])
    if "\n" in text[line_start(text, attribute.start):attribute.end]:
        width = max([width] + [len(head) - 1 for head in heads if head[-1:] in (" ", "\t")])
    return ",\n".join(f"{indent}{key.ljust(width)}{equal}{spell(value)}" for key, value in new)
