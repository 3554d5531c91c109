# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates as calls bring them: OpenNebula's ``NAME = value`` text, or XML; kept as XML elements sorted by name."""
from __future__ import annotations

import xml.etree.ElementTree as ET

from . import config


class TemplateError(Exception):
    """The text is no template; the message is the daemon's."""


def read(text):
    """Return the attributes of a template as a list of elements."""
    if text.lstrip().startswith("<"):
        try:
            root = ET.fromstring(text)
        except ET.ParseError as error:
            raise TemplateError(f"Parse error: {error}") from None
        return [_plain(child) for child in root]
    try:
        return [attribute(name, value) for name, value in config.attributes(text, "template")]
    except config.SyntaxProblem as error:
        raise TemplateError(f"Parse error: {error}") from None


def attribute(name, value):
    element = ET.Element(name)
    if isinstance(value, dict):
        for key, text in sorted(value.items()):
            ET.SubElement(element, key).text = text
    else:
        element.text = value
    return element


def _plain(element):
    copy = ET.Element(element.tag.upper())
    copy.text = "" if len(element) else element.text or ""
    copy.extend(_plain(child) for child in sorted(element, key=lambda child: child.tag.upper()))
    return copy


def take(attributes, name):
    """Remove all attributes of this name and return the first one's text."""
    found = [attribute for attribute in attributes if attribute.tag == name]
    for one in found:
        attributes.remove(one)
    return (found[0].text or "") if found else ""


def element(tag, attributes):
    result = ET.Element(tag)
    result.extend(sorted(attributes, key=lambda attribute: attribute.tag))
    return result


def merge(old, new, append):
    """Return a template element: ``new`` instead of ``old``, or (append) over it, name by name."""
    names = {attribute.tag for attribute in new}
    kept = [attribute for attribute in old if append and attribute.tag not in names]
    return element(old.tag, kept + list(new))


def pairs(text):
    """Read ``PROLOG=30 BOOT=5`` (or separated by commas) of a LAB_ attribute.

    >>> pairs("PROLOG=30, boot")
    {'PROLOG': '30', 'BOOT': ''}
    """
    words = (text or "").replace(",", " ").split()
    return {name.upper(): value for name, _equal, value in (word.partition("=") for word in words)}
