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


def update(request, tag, oid, text, mode, path="TEMPLATE", after=None):
    """Replace (0) or extend (1) an object's template."""
    element = request.object(tag, oid)
    request.require_admin(f"MANAGE {tag} [{oid}]")
    if mode not in (0, 1):
        raise ApiError(XML_RPC_API, "Wrong update type")
    new = parsed(text, "Cannot update template. ")
    old = element.find(path)
    merged = template.merge(old, new, append=mode == 1)
    if after:
        after(merged, old)
    element[list(element).index(old)] = merged
    request.api.pool(tag).save(element)
    return oid


def rename(request, tag, oid, name):
    element = request.object(tag, oid)
    request.require_admin(f"MANAGE {tag} [{oid}]")
    good_name(name, ACTION)
    body.put(element, "NAME", name)
    request.api.pool(tag).save(element)     # REPLACE INTO … UNIQUE(name): an object that has the name already is gone, as in 5.0.2
    return oid


def list_ids(element, numbers):
    element[:] = []
    for number in sorted(numbers):
        body.leaf(element, "ID", number)
