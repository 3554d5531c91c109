# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Object bodies as OpenNebula stores and serves them: XML, with CDATA where the daemon writes CDATA."""
from __future__ import annotations

import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

# leaves below these are user data and go into CDATA; so do a few attributes of the objects themselves
_USER_DATA = {"TEMPLATE", "USER_TEMPLATE", "MONITORING", "SNAPSHOTS", "AR_POOL"}
_CDATA = set("PASSWORD AUTH_DRIVER IM_MAD VM_MAD TM_MAD DS_MAD BASE_PATH MARKET_MAD SOURCE PATH FSTYPE BRIDGE VN_MAD".split())
_SHORT = {"LOGIN_TOKEN", "HISTORY_RECORDS", "PHYDEV", "VLAN_ID", "PARENT_NETWORK_ID"}      # written <X/> when empty


def parse(text):
    return ET.fromstring(text)


def new(tag, *children, **leaves):
    """Build an element: leaves (NAME=value, in order) first, then children."""
    element = ET.Element(tag)
    for name, value in leaves.items():
        leaf(element, name, value)
    element.extend(children)
    return element


def leaf(parent, name, value=""):
    child = ET.SubElement(parent, name)
    child.text = str(value)
    return child


def get(element, path, default=""):
    found = element.find(path)
    return default if found is None else (found.text or "")


def number(element, path, default=0):
    text = get(element, path)
    try:
        return int(text)
    except ValueError:
        return default


def put(element, path, value):
    """Set the text of an existing child (or of a new last one)."""
    found = element.find(path)
    if found is None:
        found = ET.SubElement(element, path)
    found.text = str(value)


def ids(element, path):
    return [int(child.text) for child in element.findall(path + "/ID")]


def dump(element, user_data=False):
    """Write an element the way oned does."""
    tag = element.tag
    if len(element):
        inner = "".join(dump(child, user_data or tag in _USER_DATA) for child in element)
    else:
        text = element.text or ""
        if tag in _USER_DATA:
            inner = ""
        elif user_data or (tag in _CDATA and text):
            inner = "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"
        else:
            inner = escape(text)
    if not inner and tag in _SHORT:
        return f"<{tag}/>"
    return f"<{tag}>{inner}</{tag}>"
