# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that wait for, or failed in, an operation of their datastore: found and explained, never changed.

States from Image.h (5.0 to 7.4): 4 LOCKED, 9 and 10 LOCKED with VMs that wait for it, 5 ERROR, 6 CLONE, 7 DELETE. Like a VM's, an operation that was under way
when the daemon died is not taken up again. The only time that an image keeps is when it was registered: one that is locked since before the running
daemon started was either left so, or this daemon began something on it; nothing in its body tells these apart.
"""
from __future__ import annotations

from xml.etree import ElementTree

from .errors import CoreError

STATES = {4: "LOCKED", 5: "ERROR", 6: "CLONE", 7: "DELETE", 9: "LOCKED_USED", 10: "LOCKED_USED_PERS"}
_LOST = ("a file operation on it was under way; it was registered before the running daemon started, and that daemon does not take up again what another left",
         "See oned.log and the datastore's processes whether something still works on it. If nothing does, and its file is not whole, delete it and "
         "register or save it again; its VMs wait until then.")
_AT_WORK = ("it was registered after the running daemon started, which is at work on it", "Wait.")
_FAILED = ("an operation of its datastore failed", "See its ERROR attribute and oned.log. If its file is whole, oneimage enable; else delete it and register "
           "or save it again.")


def told(text, started):
    """Return, as data, the images of a pool that are not simply there, with VMs that use them, the reason and what to do. started: the running daemon."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise CoreError("cannot read the image pool", why=f"it is not XML: {error}") from None
    return [_told(node, started) for node in root.findall("IMAGE") if int(node.findtext("STATE") or 0) in STATES]


def _told(node, started):
    state, registered = int(node.findtext("STATE")), int(node.findtext("REGTIME") or 0)
    reason, remedy = _FAILED if state == 5 else _LOST if registered < int(started) else _AT_WORK
    return {"id": int(node.findtext("ID")), "name": node.findtext("NAME") or "", "owner": node.findtext("UNAME") or "", "state": STATES[state],
            "datastore": node.findtext("DATASTORE") or "", "registered": registered, "vms": sorted(int(vm.text) for vm in node.iterfind("VMS/ID")),
            "error": node.findtext("TEMPLATE/ERROR") or "", "reason": reason, "remedy": remedy}
