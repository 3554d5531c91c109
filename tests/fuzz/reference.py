# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second, naive reader of oned.conf's grammar, to hold the real one against: the lexer's rules as a list, the grammar as one expression.

Written from the measured rules and nothing else; it shares no line with core/oned_conf.py. At each place every rule is tried, the longest
match wins, the first of equal ones: what flex does. It is slow, says nothing about what is wrong and knows no places: it only says
what the daemon loads, or that it refuses.
"""
import re

PLAIN = [(kind, re.compile(rule).match) for kind, rule in (
    ("", r"[ \t]*#[^\n]*\n"), ("", r"[ \t\n]+"), ("N", r"[A-Za-z0-9_]+"), ("=", r"[ \t]*=[ \t]*"), ("E", r"[ \t]*=[ \t]*\n"),
    (",", r"[ \t\n]*,[ \t\n]*"), ("]", r"[ \t\n]*\][ \t\n]*"))]
VALUE = [(kind, re.compile(rule).match) for kind, rule in (
    ("[", r"[ \t]*\[[ \t\n]*"), ("C", r"[^\n]*\]\]>[^\n]*"), ("Q", r'"(?:\\"|[^"])*"'), ("S", r"[^=# \t\n,\[\]]+"))]
FILE = re.compile(r"(?:N(?:E|=[QS]|=\[N=[QS](?:,N=[QS])*\]))*(?:N=C.*)?")
FILE_WITH_EMPTY = re.compile(r"(?:N(?:E|=[QS]|=\[(?:N=[QS](?:,N=[QS])*)?\]))*(?:N=C.*)?")


def tokens(text):
    """Return [(kind, text)] up to the end, or to the ']]>' that ends the reading."""
    found, pos, rules = [], 0, PLAIN
    while pos < len(text):
        kind, end = "", pos
        for candidate, rule in rules:
            match = rule(text, pos)
            if match and match.end() > end:
                kind, end = candidate, match.end()
        if kind:
            found.append((kind, text[pos:end]))
            rules = VALUE if kind == "=" else PLAIN
            if kind == "C":
                break
        pos = max(end, pos + 1)         # what no rule takes is dropped, character by character
    return found


def load(text, empty_vectors=True):
    """Return [(NAME, value or {KEY: value})] as the daemon loads it, None when it refuses."""
    found = tokens(text)
    if not (FILE_WITH_EMPTY if empty_vectors else FILE).fullmatch("".join(kind for kind, unused in found)):
        return None
    loaded, names, stanza = [], [], None
    for kind, piece in found:
        if kind == "N":
            names.append(piece.upper())
        elif kind == "[":
            stanza = {}
        elif kind == "]":
            loaded.append((_prefixed(names[0]), stanza))
            names, stanza = [], None
        elif kind in "QSE":
            value = "" if kind == "E" else (piece[1:-1] if kind == "Q" else piece).split("\0")[0].replace('\\"', '"')
            if stanza is None:
                loaded.append((_prefixed(names.pop()), value))
            else:
                stanza.setdefault(names[-1], value)
    return loaded


def _prefixed(name):
    return "ONE_" + name if name[0].isdigit() else name
