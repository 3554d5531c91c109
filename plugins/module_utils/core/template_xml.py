# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the drivers' files of defaults (ec2_driver.default, az_driver.default, vmm_ec2.conf) without losing a byte of the rest.

They are no whole XML: lines that begin with '#', a long comment with an example in it, then the one live ``<TEMPLATE>``::

    file     = { anything but "<" | comment | element }
    element  = "<" name ">" { element | comment | text } "</" name ">" | "<" name "/>"
    comment  = "<!--" ... "-->"

An element has elements or text. Attributes, CDATA and instructions are refused; only what lies outside of comments counts.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from .errors import CoreError

STEP = 2
_TOKEN = re.compile(r"<!--.*?-->|<(?P<close>/?)(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)[ \t\r\n]*(?P<empty>/?)>|<", re.DOTALL)
_ENTITY = re.compile(r"&(#[0-9]+|#x[0-9A-Fa-f]+|[A-Za-z]+);")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


@dataclass
class Element:
    """start, end: the whole element; inner, inner_end: between its tags (both are ``end`` in <NAME/>)."""

    name: str
    start: int
    end: int = -1
    inner: int = -1
    inner_end: int = -1
    children: list = field(default_factory=list)
    comments: int = 0


def normal(path):
    return tuple(map(str, path))


def leaves(text, origin=""):
    """Return {path: text} of all elements without elements; an empty one has None."""
    found = {}

    def walk(element, path):
        for child in element.children:
            if child.children:
                walk(child, path + (child.name,))
            else:
                found.setdefault(path + (child.name,), _text(text, child, origin) or None)
    walk(_parse(text, origin), ())
    return found


def edit(text, settings, remove=(), origin=""):
    """Return the text with the settings ([(path, value)]) made and the paths in ``remove`` gone.

    >>> edit("<!-- <A>x</A> -->\\n<A>\\n  <B>1</B>\\n</A>\\n", [(("A", "B"), 2), (("A", "C"), "a&b")])
    '<!-- <A>x</A> -->\\n<A>\\n  <B>2</B>\\n  <C>a&amp;b</C>\\n</A>\\n'
    """
    for path in remove:
        text = _remove(text, path, origin)
    for path, value in settings:
        text = _set(text, tuple(map(str, path)), value, origin)
    return text


def written(value):
    """Return a value as it is read back: the text of the element, None for an empty one."""
    return None if value is None or value == "" else str(value)


def _parse(text, origin):
    root = Element("", 0, len(text), 0, len(text))
    stack = [root]
    for token in _TOKEN.finditer(text):
        if token.group().startswith("<!--"):
            stack[-1].comments += 1
            continue
        if token.group("name") is None:
            raise _refusal(origin, text, token.start(), "this is no element such as <NAME>, no comment, or one that is never closed")
        name = token.group("name")
        if token.group("close"):
            if len(stack) == 1 or stack[-1].name != name or token.group("empty"):
                raise _refusal(origin, text, token.start(), f"</{name}> closes " + (f"<{stack[-1].name}>" if len(stack) > 1 else "nothing"))
            stack[-1].inner_end, stack[-1].end = token.start(), token.end()
            stack.pop()
            continue
        element = Element(name, token.start(), token.end(), token.end(), token.end())
        stack[-1].children.append(element)
        if not token.group("empty"):
            stack.append(element)
    if len(stack) > 1:
        raise _refusal(origin, text, stack[-1].start, f"<{stack[-1].name}> is never closed")
    return root


def _refusal(origin, text, offset, why):
    return CoreError("cannot change the XML file", f"{origin or 'line'}:{_line(text, offset)}", why, "Mend the file by hand first.")


def _line(text, offset):
    return text.count("\n", 0, offset) + 1


def _text(text, element, origin):
    return _ENTITY.sub(lambda match: _character(match, text, element, origin), text[element.inner:element.inner_end]) if not element.comments else None


def _character(match, text, element, origin):
    code = match.group(1)
    if not code.startswith("#") and code not in _ENTITIES:
        raise _refusal(origin, text, element.start, f"&{code}; is nothing that XML knows by itself")
    return _ENTITIES.get(code) or chr(int(code[2:], 16) if code[1] == "x" else int(code[1:]))


def _child(text, element, name, path, origin):
    found = [child for child in element.children if child.name == name]
    if len(found) > 1:
        raise CoreError(f"cannot change {'/'.join(path)}", f"{origin or 'line'}:{_line(text, found[1].start)}",
                        f"it is there twice, first in line {_line(text, found[0].start)}", "Keep one of them.")
    return found[0] if found else None


def _set(text, path, value, origin):
    element, want = _parse(text, origin), None if isinstance(value, dict) else written(value)
    for depth, name in enumerate(path):
        child = _child(text, element, name, path[:depth + 1], origin)
        if child is None:
            return _add(text, element, path[depth:], None if isinstance(value, dict) else written(value))
        element = child
        if depth + 1 < len(path) and not element.children and text[element.inner:element.inner_end].strip() and not element.comments:
            raise _at(text, element, path[:depth + 1], origin, "it has a text, but elements in it are wanted")
    if isinstance(value, dict):
        return text
    if element.children or element.comments:
        raise _at(text, element, path, origin, "it has " + ("elements" if element.children else "a comment") + " in it, but a text is wanted")
    if (_text(text, element, origin) or None) == want:
        return text
    if text[element.inner - 2:element.inner] == "/>":
        return text[:element.start] + _leaf(element.name, want) + text[element.end:]
    return text[:element.inner] + escape(want or "") + text[element.inner_end:]


def _at(text, element, path, origin, why):
    return CoreError(f"cannot change {'/'.join(path)}", f"{origin or 'line'}:{_line(text, element.start)}", why, "Mend this place by hand first.")


def _leaf(name, want):
    return f"<{name}>{escape(want or '')}</{name}>"


def _add(text, parent, path, want):
    """Add an element with what is in it, on lines of its own, behind the parent's last one."""
    end = "\r\n" if "\r\n" in text else "\n"
    top = not parent.name
    if parent.children:
        place, indent = parent.children[-1].end, _indent(text, parent.children[-1].start)
        before, after = end, ""
    elif top:
        place, indent = len(text), ""
        before, after = ("" if not text or text.endswith("\n") else end), end
    else:
        indent = _indent(text, parent.start) + " " * STEP
        if text[parent.inner - 2:parent.inner] == "/>":
            text = text[:parent.start] + f"<{parent.name}></{parent.name}>" + text[parent.end:]
            parent = Element(parent.name, parent.start, 0, parent.start + len(parent.name) + 2, parent.start + len(parent.name) + 2)
        place = len(text[:parent.inner_end].rstrip()) if parent.comments else parent.inner
        before, after = end, "" if "\n" in text[place:parent.inner_end] else end + _indent(text, parent.start)
    return text[:place] + before + _block(path, want, indent, end) + after + text[place:]


def _block(path, want, indent, end):
    if len(path) == 1:
        return indent + _leaf(path[0], want)
    return f"{indent}<{path[0]}>{end}{_block(path[1:], want, indent + ' ' * STEP, end)}{end}{indent}</{path[0]}>"


def _indent(text, offset):
    """Return the blanks before an element, nothing when something else is before it on its line."""
    blanks = text[text.rfind("\n", 0, offset) + 1:offset]
    return blanks if not blanks.strip() else ""


def _remove(text, path, origin):
    element = _parse(text, origin)
    for depth, name in enumerate(path):
        child = _child(text, element, str(name), tuple(map(str, path[:depth + 1])), origin)
        if child is None:
            return text
        element = child
    start, end = element.start, element.end
    line = text.rfind("\n", 0, start) + 1
    rest = re.compile(r"[ \t]*(\r?\n|\Z)").match(text, end)
    if not text[line:start].strip() and rest:           # alone on its lines
        start, end = line, rest.end()
    return text[:start] + text[end:]
