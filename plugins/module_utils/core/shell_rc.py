# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change files of settings that a shell reads (im_ehrc, vmm_ehrc, vmm_ec2rc, im_ec2.conf) without losing a byte of the rest.

    assignment = [ "export " ] NAME "=" word [ blanks "#" comment ]       at the beginning of a line
    word       = { bare characters | 'text' | "text without $ ` \\" }

Other lines are the operator's script and stay as they are. An assignment whose word needs a shell to be read (variables, commands, escapes) is refused
where it would have to be changed; a quote that is closed on another line is refused for the whole file, since nobody knows what is inside of it.
"""
from __future__ import annotations

import re

from .errors import CoreError

_LINE = re.compile(r"(?P<head>(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)=)(?P<rest>.*)\Z", re.DOTALL)
_WORD = re.compile(r"""(?:[^\s'"\\$`|&;<>()#]#*|'[^']*'|"[^"\\$`]*")*""")
_PIECE = re.compile(r"""'([^']*)'|"([^"]*)"|([^'"]+)""")
_TAIL = re.compile(r"[ \t]*(?:[ \t]#.*)?\r?\Z")
_SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def normal(path):
    return tuple(map(str, path))


def leaves(text, origin=""):
    """Return {(NAME,): value} of all assignments that can be read without a shell; an empty one has None."""
    return {(name,): value or None for name, places in _assignments(text.split("\n"), origin).items()
            for dummy, value in [places[-1]] if value is not None}


def edit(text, settings, remove=(), origin=""):
    """Return the text with the settings ([((NAME,), value)]) made and the names in ``remove`` gone.

    >>> edit("# memory\\nTOTAL_MEMORY=2048\\n", [(("TOTAL_MEMORY",), 4096), (("NOTE",), "it's")])
    '# memory\\nTOTAL_MEMORY=4096\\nNOTE=\\'it\\'"\\'"\\'s\\'\\n'
    """
    lines = text.split("\n")
    for path in remove:
        name, places = _find(lines, path, origin)
        for number, dummy in reversed(places):
            del lines[number]
    for path, value in settings:
        _set(lines, path, value, origin)
    return "\n".join(lines)


def written(value):
    """Return a value as it is read back."""
    return None if value is None or value == "" else str(value)


def spell(value, before=""):
    """Return a value as one word of a shell, in the quotes that were there before where they can hold it."""
    text = written(value) or ""
    if before[:1] == '"' and not re.search(r'["\\$`!\n]', text):
        return f'"{text}"'
    if before[:1] == "'" and "'" not in text:
        return f"'{text}'"
    if not text or _SAFE.match(text):
        return text
    return "'" + text.replace("'", "'\"'\"'") + "'"


def _assignments(lines, origin):
    """Return {name: [(line, value)]}; the value is None where a shell would be needed to know it."""
    found, held = {}, False
    for number, line in enumerate(lines):
        continued, held = held, line.rstrip("\r").endswith("\\") and not line.lstrip().startswith("#")
        match = _LINE.match(line)
        if match is None or continued:
            continue
        word = _WORD.match(match.group("rest")).group()
        tail = match.group("rest")[len(word):]
        if re.match(r"""['"]""", tail) and not re.search(r"""(?<!\\)""" + tail[0], tail[1:]):
            raise CoreError("cannot change the shell file", f"{origin or 'line'}:{number + 1}", "its quote is closed on another line, or nowhere",
                            "Write the value on one line.")
        plain = _TAIL.match(tail) is not None
        found.setdefault(match.group("name"), []).append((number, "".join("".join(filter(None, piece)) for piece in _PIECE.findall(word)) if plain else None))
    return found


def _find(lines, path, origin):
    name = str(path[0])
    if len(path) != 1 or not _NAME.match(name):
        raise CoreError("cannot change the shell file", origin, f"{'/'.join(map(str, path))} is no name of a variable", "Give NAME: value, without levels.")
    return name, _assignments(lines, origin).get(name, [])


def _set(lines, path, value, origin):
    name, places = _find(lines, path, origin)
    if isinstance(value, dict):
        raise CoreError("cannot change the shell file", origin, f"{name} cannot have settings below it", "Give NAME: value, without levels.")
    if len(places) > 1:
        raise CoreError(f"cannot change {name}", f"{origin or 'line'}:{places[1][0] + 1}", f"it is set twice, first in line {places[0][0] + 1}",
                        "Keep one of them.")
    if not places:
        _add(lines, name, value)
        return
    number, found = places[0]
    if found is None:
        raise CoreError(f"cannot change {name}", f"{origin or 'line'}:{number + 1}", "its value needs a shell to be read", "Write a plain value first.")
    if (found or None) != written(value):
        match = _LINE.match(lines[number])
        word = _WORD.match(match.group("rest")).group()
        lines[number] = match.group("head") + spell(value, word) + match.group("rest")[len(word):]


def _add(lines, name, value):
    """Add an assignment behind the line where it is commented out, else at the end."""
    example = next((number for number, line in enumerate(lines) if re.match(rf"#[ \t]*(export[ \t]+)?{name}=", line)), None)
    end = "\r" if any(line.endswith("\r") for line in lines) else ""
    place = example + 1 if example is not None else len(lines) - 1 if not lines[-1] else len(lines)
    lines.insert(place, f"{name}={spell(value)}{end}")
