# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lossless document of the grammar of oned.conf, sched.conf, monitord.conf and OpenNebula's templates.

The grammar, as measured on the daemons 5.0.2, 5.12.13, 6.10.5 and 7.4.0 (lexer: the longest match wins)::

    file    = ( NAME "=" value | NAME "=" "[" KEY "=" value { "," KEY "=" value } "]" | NAME "=" end-of-line )*
    comment = "#" … newline             only with its newline, and only where no value is expected
    blank   = " " | tab | newline       a carriage return is no blank
    name    = letters, digits and "_"   upper-cased; one that starts with a digit gets the prefix ONE_
    value   = '"' … '"'                 may span lines; '\\"' is a quote, there is no other escape
            | anything but = # blank newline , [ ]      longer than the quoted one, it wins: X = "1"; has the value "1";
    "]]>" behind a "=" ends the reading there, without a word
    "[ ]" (no pair) is refused up to 5.2.1 and accepted from 5.12 on
    any other character is dropped, without a word

Every way in which the daemon refuses a file is a row of EXPECTED below; what it swallows is a Notice.
Text is ``str`` decoded from UTF-8 with surrogateescape: every byte survives, values of our own are readable.
Changing a document is the business of oned_conf_edit.py.
"""
from __future__ import annotations

import bisect
import re
from dataclasses import dataclass

from .errors import CoreError

EMPTY_VECTOR_SINCE = (5, 12)        # measured: 5.0.2 refuses, 5.12.13 accepts; source of 5.2.1 refuses
COMMENTED_LINES = 100               # a commented-out stanza longer than this is prose; bounds the work per line

# What the grammar expects after each step, and what a person calls it. The daemon's own words come from the same table.
EXPECTED = {
    "file": ("$end", "NAME = value is expected here", "Write one attribute per line; a vector's pairs are separated by commas."),
    "name": ("EQUAL or EQUAL_EMPTY", "a name is not followed by '='", "A value with blanks needs double quotes; a name has letters, digits and '_' only."),
    "value": ("OBRACKET or CCDATA or STRING", "the value is missing and the file ends", "Add the value, or end the line with a newline."),
    "vector": ("VARIABLE", "'[' is not followed by KEY = value", "Give the stanza at least one pair, or remove it."),
    "key": ("EQUAL", "a key of a stanza is not followed by '= value'", "Write KEY = \"\" for an empty value."),
    "key value": ("STRING", "a key of a stanza has no value of its own", "Stanzas do not nest, and KEY = \"\" is the empty value."),
    "pair": ("COMMA or CBRACKET", "',' or ']' is missing after a pair", "Separate the pairs with commas and close the stanza with ']'."),
    "comma": ("VARIABLE", "',' is not followed by another pair", "Remove the comma before ']'."),
}
TOKEN_WORDS = {"END": "$end", "NAME": "VARIABLE", "EQUAL": "EQUAL", "EMPTY": "EQUAL_EMPTY", "COMMA": "COMMA", "OPEN": "OBRACKET", "CLOSE": "CBRACKET",
               "STRING": "STRING", "CDATA": "CCDATA"}

_SKIP = re.compile(r"(?:[ \t\n]+|#[^\n]*\n)*")
_PIECE = re.compile(r"[ \t]*#[^\n]*\n|[ \t\n]+")
_BLANKS = re.compile(r"[ \t\n]*")
_SPACES = re.compile(r"[ \t]*")
_NAME = re.compile(r"[A-Za-z0-9_]+")
_EQUAL = re.compile(r"=[ \t]*(\n)?")
_OPEN = re.compile(r"[ \t]*\[[ \t\n]*")
_BARE = re.compile(r"[^=# \t\n,\[\]]+")
_COMMENT_LINE = re.compile(r"^([ \t]*#)[^\n]*\n", re.MULTILINE)
_LOOKS_LIKE_SETTING = re.compile(r"\n[ \t]*[A-Za-z0-9_]+[ \t]*=")
_COMMENTED = re.compile(r'[ \t]*([A-Za-z0-9_]+)[ \t]*=[ \t]*([\["])?')
_REST_OF_LINE = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")


class NotParsed(CoreError):
    """The daemon refuses this text; ``data['daemon']`` is what it says itself, ``data['echo']`` what it prints before."""


@dataclass(frozen=True)
class Notice:
    """Something that the daemon swallows silently; never carries a value, which may be a secret."""

    kind: str
    line: int
    column: int
    text: str
    origin: str = ""

    def __str__(self):
        where = f"{self.origin}:" if self.origin else "line "
        return f"{where}{self.line}:{self.column}: {self.text}"


@dataclass(frozen=True)
class Pair:
    """KEY = value inside a stanza; offsets into the document's text. ``comma`` is the offset of the comma after it, or None."""

    key: str
    start: int
    value_start: int
    end: int
    value: str
    comma: object = None


@dataclass(frozen=True)
class Attribute:
    """NAME = value (``pairs`` is None) or a stanza NAME = [ … ]. ``end`` is behind the value or the ']'."""

    name: str
    start: int
    value_start: int
    end: int
    text: str = ""
    pairs: object = None

    @property
    def is_stanza(self):
        return self.pairs is not None

    @property
    def value(self):
        """Return what the daemon loads: a string, or a dictionary in which the first of two equal keys wins."""
        if self.pairs is None:
            return self.text
        loaded = {}
        for pair in self.pairs:
            loaded.setdefault(pair.key, pair.value)
        return loaded

    @property
    def label(self):
        """Return the NAME inside a stanza, None when it has none."""
        return self.value.get("NAME") if self.is_stanza else None


@dataclass(frozen=True)
class Commented:
    """A commented-out attribute: ``marks`` are the offsets of its '#', one per line; ``bare`` is the text without them.

    ``attribute`` has offsets into ``bare``; start and end are offsets of whole lines in the document.
    """

    attribute: Attribute
    bare: str
    marks: tuple
    start: int
    end: int


class Document:
    """A parsed text: ``values()`` is what the daemon loads, ``render()`` gives every byte back."""

    def __init__(self, text, origin, attributes, warnings, echo, stopped, release):
        self.text = text
        self.origin = origin
        self.attributes = attributes
        self.echo = echo                    # what the daemon prints on stdout: the characters it dropped
        self.stopped = stopped              # offset where "]]>" ended the reading, or None
        self.release = release
        self._found = warnings
        self._lines = None
        self._commented = None

    def render(self):
        return self.text

    def values(self):
        """Return [(NAME, str or dict)] in the order of the file, duplicates included: the daemon keeps them all."""
        return [(attribute.name, attribute.value) for attribute in self.attributes]

    def get(self, name, default=None):
        """Return the value that the daemon takes for a single one: the first of that name."""
        return next((attribute.value for attribute in self.attributes if attribute.name == name.upper()), default)

    def stanzas(self, section):
        """Return the stanzas of one section as dictionaries."""
        return [attribute.value for attribute in self.find(section) if attribute.is_stanza]

    def find(self, name):
        """Return the attributes of that name."""
        return [attribute for attribute in self.attributes if attribute.name == name.upper()]

    def place(self, offset):
        """Return (line, column) of an offset, both from 1."""
        if self._lines is None:
            self._lines = [0] + [match.end() for match in re.finditer("\n", self.text)]
        line = bisect.bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    @property
    def warnings(self):
        return [Notice(kind, *self.place(offset), text, self.origin) for kind, offset, text in sorted(self._found, key=lambda found: found[1])]

    @property
    def commented(self):
        """Return the commented-out attributes (Commented), in the order of the file."""
        if self._commented is None:
            self._commented = list(_commented(self))
        return self._commented


def parse(text, origin="", release=None):
    """Read text (str, or bytes) as the daemon does; raises NotParsed where the daemon refuses.

    release: "5.0.2", "5.0", …; None accepts what any release accepts and warns.

    >>> parse('port = 2633\\nDB = [ backend = "mysql" ] # comment\\n').values()
    [('PORT', '2633'), ('DB', {'BACKEND': 'mysql'})]
    """
    if isinstance(text, bytes):
        text = decode(text)
    reader = _Reader(text, origin, release)
    attributes = reader.read_all()
    return Document(text, origin, attributes, reader.warnings + _crlf(text), "".join(reader.echo), reader.stopped, release)


def decode(data):
    """Return bytes as the text that parse() takes; encode() is its exact inverse."""
    return data.decode("utf-8", "surrogateescape")


def encode(text):
    return text.encode("utf-8", "surrogateescape")


def printable(text):
    """Return text in which bytes that are no UTF-8 are written out: what Ansible carries to the controller must be UTF-8.

    >>> printable(decode(b"caf\\xe9"))
    'caf\\\\xe9'
    """
    return encode(text).decode("utf-8", "backslashreplace")


def _crlf(text):
    first = text.find("\r\n")
    if first < 0:
        return []
    count = text.count("\r\n")
    return [("crlf", first, f"{count} line{'s' if count > 1 else ''} ending in CR LF: the daemon takes the CR as part of the value, quotes included")]


class _Reader:
    """The daemon's lexer (flex: INITIAL and VALUE) and grammar (bison), in one pass over the text."""

    def __init__(self, text, origin="", release=None):
        self.text = text
        self.origin = origin
        self.release = release
        self.pos = 0
        self.skipped_from = 0           # where the blanks and comments before the current token began
        self.before = ((0, 0), 0)       # the same two of the token before
        self.token = (0, 0)             # span of the current token, without blanks before it
        self.last_newline = text.rfind("\n")
        self.next_cdata = text.find("]]>")
        self.next_newline = -1
        self.dropped_until = -1         # a run of dropped characters is one warning
        self.echo = []
        self.warnings = []
        self.stopped = None

    def read_all(self):
        attributes = []
        while True:
            attribute = self.attribute()
            if attribute is None:
                return attributes
            attributes.append(attribute)

    def attribute(self):
        """Return the next Attribute, or None at the end of what the daemon reads."""
        kind, start, end = self.plain()
        if kind == "END":
            return None
        self.expect(kind, "file", "NAME")
        name = self.text[start:end].upper()
        if name[0] in "0123456789":
            name = "ONE_" + name
        kind, begin, behind = self.plain()
        self.expect(kind, "name", "EQUAL", "EMPTY")
        if kind == "EMPTY":
            begin = min(begin + len(_EQUAL.match(self.text, begin).group().rstrip("\n")), behind)
            return Attribute(name, start, begin, begin)
        kind, begin, behind = self.valued()
        self.expect(kind, "value", "STRING", "OPEN", "CDATA")
        if kind == "CDATA":
            self.stopped = self.text.find("]]>", begin)
            self.warn("cdata", self.stopped, f"']]>' ends the reading of the file here, silently: {name} and everything after it is ignored")
            return None
        if kind == "STRING":
            return Attribute(name, start, begin, behind, self.value(begin, behind))
        pairs, end = self.pairs()
        return Attribute(name, start, begin, end, pairs=pairs)

    def pairs(self):
        """Return the pairs of a stanza after its '[', and the offset behind its ']'."""
        pairs, keys = [], set()
        kind, start, end = self.plain()
        if kind == "CLOSE" and self.accepts_empty():
            self.warn("empty", start, "an empty stanza '[ ]': releases up to 5.2.1 refuse it, 5.12 crashes when it dumps its configuration")
            return (), start + 1
        self.expect(kind, "vector", "NAME")
        while True:
            key = self.text[start:end].upper()
            self.expect(self.plain()[0], "key", "EQUAL")
            kind, value_start, behind = self.valued()
            self.expect(kind, "key value", "STRING")
            if key in keys:
                self.warn("duplicate", start, f"{key} is there twice in one stanza: the daemon takes the first")
            keys.add(key)
            value = self.value(value_start, behind)
            kind, mark, unused = self.plain()
            self.expect(kind, "pair", "COMMA", "CLOSE")
            pairs.append(Pair(key, start, value_start, behind, value, mark if kind == "COMMA" else None))
            if kind == "CLOSE":
                return tuple(pairs), mark + 1
            kind, start, end = self.plain()
            self.expect(kind, "comma", "NAME")

    def accepts_empty(self):
        return self.release is None or _numbers(self.release) >= EMPTY_VECTOR_SINCE

    # -- lexer

    def plain(self):
        """Return (kind, start, end) of the next token where a name or a sign is expected."""
        text, self.before = self.text, (self.token, self.skipped_from)
        while True:
            self.skipped_from = self.pos
            # without a newline behind it a comment is none: '#' is dropped and its words are read
            skip = _SKIP if self.pos <= self.last_newline else _BLANKS
            start = skip.match(text, self.pos).end()
            if start == len(text):
                self.pos = start
                self.token = (start, start)
                return "END", start, start
            sign = text[start]
            name = _NAME.match(text, start)
            if name:
                return self.take("NAME", start, name.end())
            if sign == "=":
                equal = _EQUAL.match(text, start)
                return self.take("EMPTY" if equal.group(1) else "EQUAL", start, equal.end())
            if sign in ",]":
                return self.take("COMMA" if sign == "," else "CLOSE", start, _BLANKS.match(text, start + 1).end())
            self.drop(start, start + 1)

    def valued(self):
        """Return (kind, start, end) of the next token behind a '='."""
        text, self.before = self.text, (self.token, self.skipped_from)
        while self.pos < len(text):
            start = self.skipped_from = self.pos
            if self.cdata_on_line(start):
                ends = [("CDATA", self.next_newline)]
            else:
                opened = _OPEN.match(text, start)
                if opened:
                    return self.take("OPEN", start, opened.end())
                ends = []
            if text[start] == '"':
                ends.append(("STRING", self.closing_quote(start)))
            bare = _BARE.match(text, start)
            if bare:
                ends.append(("STRING", bare.end()))
            if ends:
                kind, end = max(ends, key=lambda found: found[1])       # the first of the longest, as flex does
                return self.take(kind, start, end)
            spaces = _SPACES.match(text, start).end()
            self.drop(start, max(spaces, start + 1))
        self.skipped_from = self.pos
        self.token = (self.pos, self.pos)
        return "END", self.pos, self.pos

    def take(self, kind, start, end):
        self.token = (start, end)
        self.pos = end
        return kind, start, end

    def drop(self, start, end):
        """Go over characters that the daemon prints and forgets."""
        dropped = self.text[start:end]
        self.echo.append(dropped)
        self.before = ((end - 1, end), end - 1)
        self.pos = end
        if dropped.isspace():           # blanks harm nobody; a CR is told by _crlf()
            return
        if dropped == "#":
            text = ("a comment without a newline at the end of the file is no comment: its words are read" if start > self.last_newline
                    else "'#' behind '=' begins no comment: the next word is the value")
        else:
            text = f"the daemon drops {ascii(dropped)} silently"
        if start != self.dropped_until:
            self.warn("dropped", start, text)
        self.dropped_until = end

    def cdata_on_line(self, start):
        if 0 <= self.next_cdata < start:
            self.next_cdata = self.text.find("]]>", start)
        if self.next_newline < start:
            found = self.text.find("\n", start)
            self.next_newline = len(self.text) if found < 0 else found
        return 0 <= self.next_cdata < self.next_newline

    def closing_quote(self, start):
        """Return the offset behind the closing quote; ``start`` when there is none at all."""
        text, last, quote = self.text, start - 1, self.text.find('"', start + 1)
        while quote >= 0:
            last = quote
            if text[quote - 1] != "\\":
                break
            quote = text.find('"', quote + 1)
        return last + 1

    def value(self, start, end):
        """Return the value as the daemon loads it, and warn where it is not what it looks like."""
        raw = self.text[start:end]
        if raw[0] == '"' and end - start > 1 and self.closing_quote(start) == end:
            if "\n" in raw and _LOOKS_LIKE_SETTING.search(raw):
                self.warn("runaway", start, "this quote runs on over lines that look like settings: a closing quote is missing, or is taken as escaped by '\\'")
            raw = raw[1:-1]
        elif raw[0] == '"':
            rest = "this quote is never closed, it is" if self.closing_quote(start) == start else "something is glued to the quoted value, its quotes are"
            self.warn("quotes", start, f"{rest} part of the value")
        if "\0" in raw:
            self.warn("nul", start, "a NUL byte ends this value")
            raw = raw[:raw.index("\0")]
        return raw.replace('\\"', '"')

    def warn(self, kind, offset, text):
        self.warnings.append((kind, offset, text))

    # -- refusals

    def expect(self, kind, step, *kinds):
        if kind in kinds:
            return
        words, why, hint = EXPECTED[step]
        if step == "vector" and self.accepts_empty():
            words = "CBRACKET or VARIABLE"
        start = self.token[0]
        line = self.text.count("\n", 0, start) + 1
        column = start - (self.text.rfind("\n", 0, start) + 1) + 1
        where = f"{self.origin}:{line}:{column}" if self.origin else f"line {line}, column {column}"
        raise NotParsed("OpenNebula does not read this file", where, why, hint, line=line, column=column, expected=step, found=kind,
                        daemon=f"syntax error, unexpected {TOKEN_WORDS[kind]}, expecting {words} {self.daemon_place(kind)}", echo="".join(self.echo))

    def daemon_place(self, kind):
        """Return the place in the daemon's words: columns count bytes of the file, the line is the one behind the token."""
        start, end = self.whole(self.token, self.skipped_from)
        if kind == "END":       # the lexer ran no rule: the place of the last one that it ran remains
            pieces = [match.span() for match in _PIECE.finditer(self.text, self.skipped_from, self.pos)]
            start, end = pieces[-1] if pieces else self.whole(*self.before)
        columns = [len(encode(self.text[:offset])) + 1 for offset in (start, end)]
        return "at line %d, columns %d:%d" % (self.text.count("\n", 0, end) + 1, columns[0], columns[1])

    def whole(self, token, skipped_from):
        """Return the span of a token with the blanks before it that the daemon counts to it."""
        start, end = token
        blanks = "" if start == len(self.text) else {"=": " \t", ",": " \t\n", "]": " \t\n"}.get(self.text[start], "")
        skipped = self.text[skipped_from:start]
        comment = skipped.rfind("#")
        last_piece = skipped[skipped.find("\n", comment) + 1 if comment >= 0 else 0:]
        return (start - len(last_piece) if not last_piece.strip(blanks) else start), end


def _numbers(release):
    return tuple(int(part) for part in re.findall(r"[0-9]+", str(release))[:2])


def _commented(document):
    """Yield the commented-out attributes between the live ones; comments inside stanzas and strings are none."""
    stop = len(document.text) if document.stopped is None else document.stopped
    begins = [0] + [attribute.end for attribute in document.attributes]
    ends = [attribute.start for attribute in document.attributes] + [stop]
    for begin, end in zip(begins, ends):
        lines = list(_COMMENT_LINE.finditer(document.text, begin, end))
        at = 0
        while at < len(lines):
            found = _commented_at(document.text, lines, at)
            if found:
                yield found
            at += len(found.marks) if found else 1


def _commented_at(text, lines, at):
    """Return the commented-out attribute that begins in lines[at], or None: prose."""
    begins = _COMMENTED.match(text, lines[at].end(1))
    if not begins:
        return None
    window = [lines[at]]
    if begins.group(2):
        for line in lines[at + 1:at + COMMENTED_LINES]:
            if line.start() != window[-1].end():
                break
            window.append(line)
    bare = "".join(text[line.start():line.end(1) - 1] + text[line.end(1):line.end()] for line in window)
    try:
        attribute = _Reader(bare).attribute()
    except NotParsed:
        return None
    rest = attribute and _REST_OF_LINE.match(bare, attribute.end)
    if not rest:
        return None
    used = window[:bare.count("\n", 0, rest.end())]
    return Commented(attribute, bare[:rest.end()], tuple(line.end(1) - 1 for line in used), used[0].start(), used[-1].end())
