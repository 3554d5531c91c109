# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the YAML files of OpenNebula's drivers without losing a byte of the rest.

Only the part of YAML that these files use, block mappings of scalars::

    file     = { blank | comment | "---" | entry }
    entry    = indent key ":" [ " " scalar ] [ " #" comment ]          indent: blanks; deeper than the entry that it is in
    key      = plain | quoted                                          ``:key`` (a Ruby symbol) and ``key`` are the same key, spelt as the file does
    scalar   = plain | "double" | 'single'                             on one line

Anything else below an entry (lists, flow collections, block scalars, anchors, values over several lines) stays as it is and is refused where it would
have to be changed. What makes the end of such a value uncertain (an open quote or bracket, tabs before a key) is refused for the whole file.
Plain scalars mean what YAML 1.1 says; a text is written plain only when no reader of YAML can take it for something else.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field

from .errors import CoreError

KEPT, VALUE, SECTION = "kept", "value", "section"
STEP = 4

_KEY = re.compile(r"""( *)("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|(?![-?](?:[ \t]|$))[^\s#&*!|>'"%@`,\[\]{}](?:[^\n#]|(?<!\s)#)*?)[ \t]*:(?=[ \t]|$)""")
_COMMENT = re.compile(r"[ \t]*(#.*)?$")
_DOUBLE, _SINGLE = re.compile(r'"(?:[^"\\]|\\.)*"'), re.compile(r"'(?:[^']|'')*'")
_PLAIN = re.compile(r"(?![-?:](?:\s|$))[^\s#&*!|>'\"%@`,\[\]{}](?:[^\s#:]|:(?!\s|$)|(?<!\s)#|[ \t]+(?![\s#]|$))*")
_ESCAPE = re.compile(r'\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)', re.DOTALL)
_ESCAPED = {"0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b", " ": " ", '"': '"', "/": "/",
            "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029"}
_ODD_BREAK = re.compile("\r(?!$)|[\x85\u2028\u2029]")

# YAML 1.1, as PyYAML and Ruby's Psych resolve plain scalars
_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)\Z")
_INT = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?)\Z")
_OTHER = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*"
                    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|=|<<)\Z")
# what is written plain: begins with a letter or '/', so it is no number, date or symbol in any reader; ':' only inside of a word
_SAFE = re.compile(r"[A-Za-z/](?:[A-Za-z0-9_./+=@%<>-]|:(?=[A-Za-z0-9_./+=@%<>-]))*\Z")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf", "infinity"}
_SAFE_KEY = re.compile(r":?[A-Za-z_][A-Za-z0-9_.-]*\Z")


@dataclass
class Entry:
    """A key of the file. lines: first and last one, children included; kind: kept (outside of the subset), value or section."""

    key: str = ""
    name: str = ""
    indent: int = -1
    first: int = -1
    last: int = -1
    kind: str = SECTION
    value: object = None
    text: str = ""
    start: int = 0
    why: str = ""
    children: list = field(default_factory=list)


@dataclass(frozen=True)
class Unread:
    """A plain scalar of YAML that is no text, number, truth value or null: a date, infinity, a merge."""

    text: str


def bare(name):
    """Return a key without the colon of a Ruby symbol.

    >>> bare(":proxy_uri")
    'proxy_uri'
    """
    return name[1:] if len(name) > 1 and name.startswith(":") else name


def normal(path):
    return tuple(bare(str(part)) for part in path)


def leaves(text, origin=""):
    """Return {path: value} of all values in the subset; a section without entries has the value None, as YAML says."""
    found = {}

    def walk(entry, path):
        for child in entry.children:
            if child.children:
                walk(child, path + (child.name,))
            elif child.kind != KEPT:
                found[path + (child.name,)] = child.value
    walk(_parse(_lines(text), origin), ())
    return found


def without_kept(text, chosen, shown):
    """Return the text with the values that we only keep replaced, where ``chosen(name)``: they may be secrets over several lines."""
    lines = _lines(text)
    found = []

    def walk(entry):
        for child in entry.children:
            found.extend([child] if child.kind == KEPT and chosen(child.name) else [])
            walk(child)
    walk(_parse(lines, ""))
    for entry in reversed(found):
        lines[entry.first:entry.last + 1] = [" " * entry.indent + f'{entry.key}: "{shown}"']
    return "\n".join(lines)


def edit(text, settings, remove=(), origin=""):
    """Return the text with the settings ([(path, value)]) made and the paths in ``remove`` gone; raises CoreError outside of the subset.

    >>> edit("regions:\\n  a: # first\\n    name: x\\n", [(("regions", "a", "name"), "z"), (("proxy",), None)])
    'regions:\\n  a: # first\\n    name: z\\nproxy:\\n'
    """
    lines = _lines(text)
    for path in remove:
        _remove(lines, path, origin)
    root = None
    for path, value in settings:
        root = root or _parse(lines, origin)
        if _set(lines, root, tuple(map(str, path)), value, origin):
            root = None
    return "\n".join(lines)


def _lines(text):
    return text.split("\n")


# -- reading

def _parse(lines, origin):
    """Return the root Entry. Its children are the entries of the first level."""
    root = Entry()
    stack = [root]
    begun = False
    for number, raw in enumerate(lines):
        line = raw[:-1] if raw.endswith("\r") else raw
        line = line[1:] if number == 0 and line.startswith("\ufeff") else line
        if _ODD_BREAK.search(line):
            raise _refusal(origin, number, "it has a line break that YAML counts and an editor does not", "Write it as an escape inside of double quotes.")
        if _COMMENT.match(line):
            continue
        indent = len(line) - len(line.lstrip(" "))
        if line.rstrip() == "---" and not begun and not root.children:
            begun = True
            continue
        if re.match(r"(---|\.\.\.)(\s|$)|%", line):
            raise _refusal(origin, number, "a directive or a second document", "Keep one document in the file.")
        holder = _holder(stack, indent, line)
        if holder is not None:                          # a line of a value that we only keep
            holder.last = number
            _stretch(stack, number)
            continue
        while stack[-1].indent >= indent:
            stack.pop()
        parent = stack[-1]
        if parent.children and parent.children[0].indent != indent or (parent is root and not parent.children and line.startswith("- ")):
            raise _refusal(origin, number, "its indentation fits to nothing above" if parent.children else "the file is a list", "Mend the file by hand first.")
        entry = _entry(line, raw, number, indent, origin)
        if entry is None:
            if parent is root:
                raise _refusal(origin, number, "this is no 'key: value'", "Mend the file by hand first.")
            parent.kind, parent.last, parent.why = KEPT, number, "is no mapping of keys and values"
            if parent.children:
                raise _refusal(origin, number, "this is no 'key: value'", "Mend the file by hand first.")
            _stretch(stack, number)
            continue
        parent.children.append(entry)
        stack.append(entry)
        _stretch(stack, number)
    return root


def _holder(stack, indent, line):
    """Return the entry whose kept value the line belongs to, None when the line is an entry of its own."""
    top = stack[-1]
    if top.indent >= 0 and indent > top.indent and (top.kind == KEPT or top.kind == VALUE):
        if top.kind == VALUE:
            top.kind, top.why = KEPT, "has a value over several lines"
        return top
    if top.indent >= 0 and indent == top.indent and re.match(r" *-(\s|$)", line) and not top.children and (top.kind == KEPT or top.kind == SECTION):
        top.kind, top.why = KEPT, "is a list"
        return top
    return None


def _stretch(stack, number):
    for entry in stack:
        entry.last = max(entry.last, number)


def _entry(line, raw, number, indent, origin):
    """Return the Entry of a line, None when it is none."""
    stripped = line[indent:]
    if stripped.startswith("\t"):
        raise _refusal(origin, number, "a tab before the key; YAML forbids it", "Use blanks.")
    offset = raw.index(line) if line in raw else 0
    match = _KEY.match(line)
    if not match:
        _refuse_open(line.strip(), number, origin)
        return None
    key = match.group(2)
    name = _unquoted(key) if key[0] in "\"'" else key
    entry = Entry(key, name, indent, number, number, SECTION, None, "", offset + match.end())
    rest = line[match.end():]
    value = rest.lstrip(" \t")
    if _COMMENT.match(rest):
        return entry
    entry.start = offset + match.end() + len(rest) - len(value)
    scalar = next((found for found in (_DOUBLE.match(value), _SINGLE.match(value), _PLAIN.match(value)) if found), None)
    tail = value[scalar.end():] if scalar else ""
    if scalar is None or not (_COMMENT.match(tail) and (not tail.strip() or tail[0] in " \t")):
        _refuse_open(value, number, origin)
        if scalar is not None and scalar.re is _PLAIN:
            raise _refusal(origin, number, "the value has a ':' that YAML takes for another key", "Put the value in quotes.")
        entry.kind, entry.why, entry.text = KEPT, "has a value that is no simple text or number", value
        return entry
    entry.kind, entry.text = VALUE, scalar.group()
    entry.value = _unquoted(entry.text) if entry.text[0] in "\"'" else resolved(entry.text)
    return entry


def _refuse_open(value, number, origin):
    """Refuse values that may end on a later line, whatever its indentation."""
    body = value[2:].lstrip() if value.startswith("- ") else value
    if (body[:1] == '"' and not _DOUBLE.match(body)) or (body[:1] == "'" and not _SINGLE.match(body)):
        raise _refusal(origin, number, "its quote is closed on another line, or nowhere", "Write the value on one line.")
    flat = _SINGLE.sub("", _DOUBLE.sub("", body.split(" #")[0])) if body[:1] in "[{" else ""
    if sum(map(flat.count, "[{")) != sum(map(flat.count, "]}")):
        raise _refusal(origin, number, "its bracket is closed on another line, or nowhere", "Write the value on one line.")


def _refusal(origin, number, why, hint):
    return CoreError("cannot change the YAML file", f"{origin or 'line'}:{number + 1}", why, hint)


def _unquoted(text):
    if text[0] == "'":
        return text[1:-1].replace("''", "'")
    return _ESCAPE.sub(_character, text[1:-1])


def _character(match):
    code = match.group(1)
    return _ESCAPED.get(code, "\\" + code) if len(code) == 1 else chr(int(code[1:], 16))


def resolved(text):
    """Return what a plain scalar means in YAML 1.1.

    >>> [resolved(text) for text in ("5", "7.50", "no", "~", "m1.small", "2026-11-21")]
    [5, 7.5, False, None, 'm1.small', Unread(text='2026-11-21')]
    """
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text.lower() in ("yes", "true", "on")
    if _INT.match(text):
        return _whole(text)
    if _FLOAT.match(text):
        return float(text.replace("_", ""))
    return Unread(text) if _OTHER.match(text) else text


def _whole(text):
    digits = text.replace("_", "").lstrip("+-")
    base = {"0b": 2, "0x": 16}.get(digits[:2], 8 if digits[0] == "0" and len(digits) > 1 else 10)
    try:
        number = int(digits[2:] if base in (2, 16) else digits, base)
    except ValueError:
        return Unread(text)
    return -number if text.startswith("-") else number


# -- writing

def same(found, wanted):
    """Tell whether a value of the file is the wanted one: numbers by value, 15 and 15.0 are the same; a text is never a number."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, (int, float)) and isinstance(wanted, (int, float)):
        return found == wanted
    return type(found) is type(wanted) and found == wanted


def spell(value):
    """Return how a value is written, plain where YAML allows it: in one way only, so that twins stay twins whatever was there before.

    >>> spell("us-east-1"), spell("5"), spell(5), spell("West Europe"), spell(None)
    ('us-east-1', '"5"', '5', '"West Europe"', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = repr(value)
        return text if "e" not in text or "." in text else text.replace("e", ".0e")
    if _SAFE.match(value) and value.lower() not in _WORDS:
        return value
    return _double(value)


def _double(value):
    """Return a text in double quotes; what cannot be seen is written as an escape."""
    return '"' + "".join(_escape(character) for character in value) + '"'


def _escape(character):
    if character in '\\"':
        return "\\" + character
    if character.isprintable():
        return character
    number = ord(character)
    if character in "\n\t\r":
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}[character]
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def _set(lines, entry, path, value, origin):
    """Make a setting below the root entry; tell whether lines were changed."""
    for depth, name in enumerate(path):
        child = _child(entry, name, path[:depth + 1], origin)
        if child is None:
            _add(lines, entry, path[depth:], value)
            return True
        entry = child
        if depth + 1 < len(path) and entry.kind != SECTION:
            raise _at(entry, path[:depth + 1], origin, entry.why or "has a value, but keys below it are wanted")
    if entry.kind == KEPT or entry.children:
        if value == {} and entry.children:
            return False
        raise _at(entry, path, origin, entry.why or "has keys below it, but a value is wanted")
    if isinstance(value, dict):                         # an empty section
        if entry.kind == VALUE and entry.value is not None:
            raise _at(entry, path, origin, "has a value, but keys below it are wanted")
        return False
    if same(entry.value, value):
        return False
    _revalue(lines, entry, value)
    return True


def _child(entry, name, path, origin):
    merged = next((child for child in entry.children if child.key == "<<"), None)
    if merged:
        raise _at(merged, path, origin, "has keys that are merged from elsewhere")
    exact = [child for child in entry.children if child.name == name]
    found = exact or [child for child in entry.children if bare(child.name) == bare(name)]
    if len(found) > 1:
        raise _at(found[1], path, origin, f"is there twice, first in line {found[0].first + 1}")
    return found[0] if found else None


def _at(entry, path, origin, why):
    return CoreError(f"cannot change {'/'.join(map(str, path))}", f"{origin or 'line'}:{entry.first + 1}", why, "Mend this place by hand first.")


def _revalue(lines, entry, value):
    line = lines[entry.first]
    written = spell(value)
    if entry.kind == VALUE:
        start = entry.start if written else len(line[:entry.start].rstrip(" \t"))
        lines[entry.first] = line[:start] + written + line[entry.start + len(entry.text):]
    else:
        lines[entry.first] = line[:entry.start] + " " + written + line[entry.start:]


def _add(lines, parent, path, value):
    """Add the entries of a path below a section, behind what it has."""
    last = parent.last if parent.indent >= 0 else max([child.last for child in parent.children], default=-1)
    end = "\r" if any(line.endswith("\r") for line in lines) else ""
    indent = parent.children[0].indent if parent.children else parent.indent + _step(lines) if parent.indent >= 0 else 0
    place, new = last + 1, []
    for depth, name in enumerate(path):
        symbols = depth == 0 and parent.children and all(child.name.startswith(":") for child in parent.children)
        plain = depth == 0 and parent.children and not any(child.name.startswith(":") for child in parent.children)
        key = f":{bare(name)}" if symbols else bare(name) if plain else name
        written = spell(value) if depth + 1 == len(path) and not isinstance(value, dict) else ""
        new.append(" " * (indent + depth * _step(lines)) + _key(key) + ":" + (" " + written if written else "") + end)
    if last < 0:                                        # behind comments and blank lines of a file without entries
        place = len(lines) - 1 if not lines[-1].strip() else len(lines)
        place = max(place, 0)
    lines[place:place] = new


def _key(name):
    return name if _SAFE_KEY.match(name) and name.lower() not in _WORDS else _double(name)


def _step(lines):
    """Return the indentation of the first entry that is indented, STEP when there is none."""
    return next((len(line) - len(line.lstrip(" ")) for line in lines if line.startswith(" ") and not _COMMENT.match(line)), STEP)


def _remove(lines, path, origin):
    entry = _parse(lines, origin)
    for depth, name in enumerate(path):
        child = _child(entry, str(name), path[:depth + 1], origin)
        if child is None:
            return
        entry = child
    anchor = next((number for number in range(entry.first, entry.last + 1) if re.search(r"[:-][ \t]+&", lines[number])), None)
    if anchor is not None:
        raise _at(entry, path, origin, f"has an anchor in line {anchor + 1} that others may refer to")
    del lines[entry.first:entry.last + 1]
