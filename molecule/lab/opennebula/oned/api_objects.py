# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What calls on all kinds of objects have in common: templates, names, updating, renaming."""
from __future__ import annotations

from . import body, pools, template
from .api import ACTION, INTERNAL, XML_RPC_API, ApiError

EMPTY_QUOTAS = "<DATASTORE_QUOTA></DATASTORE_QUOTA><NETWORK_QUOTA></NETWORK_QUOTA><VM_QUOTA></VM_QUOTA><IMAGE_QUOTA></IMAGE_QUOTA>"


def parsed(text, prefix=""):
    try:
        return template.read(text)
    except template.TemplateError as error:
        raise ApiError(INTERNAL, f"{prefix}{error}") from None


def good_name(name, code=INTERNAL):
    problem = pools.name_problem(name)
    if problem:
        raise ApiError(code, problem)


def free_name(pool, name, what, end="."):
    taken = pool.find(name)
    if taken is not None:
        raise ApiError(INTERNAL, f"NAME is already taken by {what} {body.get(taken, 'ID')}{end}")


def require_manage(request, tag, element):
    """Refuse who is neither in oneadmin's group nor the owner."""
    if body.get(element, "UID", "0") != str(request.uid):
        request.require_admin(f"MANAGE {tag} [{body.get(element, 'ID')}]")


def update(request, tag, oid, text, mode, path="TEMPLATE", after=None, then=None):
    """Replace (0) or extend (1) an object's template."""
    element = request.object(tag, oid)
    require_manage(request, tag, element)
    if mode not in (0, 1):
        raise ApiError(XML_RPC_API, "Wrong update type")
    new = parsed(text, "Cannot update template. ")
    old = element.find(path)
    merged = template.merge(old, new, append=mode == 1)
    if after:
        after(merged, old)
    element[list(element).index(old)] = merged
    if then:
        then(element)
    request.api.pool(tag).save(element)
    return oid


def rename(request, tag, oid, name, unique=False):
    """Rename; ``unique``: refused when another object (of the same owner, where objects have owners) has the name. 5.0.2 asks that of all but zones."""
    element = request.object(tag, oid)
    require_manage(request, tag, element)
    good_name(name, ACTION)
    others = request.api.pool(tag).all() if unique else []
    other = next((other for other in others if body.get(other, "NAME") == name and body.get(other, "UID") == body.get(element, "UID")), None)
    if other is not None and body.number(other, "ID") != oid:
        what = pools.KINDS[tag].what
        raise ApiError(ACTION, f"{what} cannot be renamed to {name} because it collides with {what} {body.get(other, 'ID')}")
    body.put(element, "NAME", name)
    request.api.pool(tag).save(element)     # REPLACE INTO … UNIQUE(name): a zone that has the name already is gone, as in 5.0.2
    return oid


def list_ids(element, numbers):
    element[:] = []
    for number in sorted(numbers):
        body.leaf(element, "ID", number)
