# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls on users, groups and access rules."""
from __future__ import annotations

import hashlib
import secrets
import time

from . import acl, body, pools
from .api import ACTION, INTERNAL, NO_EXISTS, ApiError, call
from .api_objects import EMPTY_QUOTAS, free_name, good_name, list_ids, update


# -- users


@call("one.user.allocate", "UserAllocate", "sss")
def user_allocate(request, name, password, driver):
    request.require_admin("CREATE USER")
    good_name(name)
    users = request.api.pool("USER")
    free_name(users, name, "USER")
    digest = hashlib.sha1(password.encode()).hexdigest() if (driver or "core") == "core" else password
    oid = users.insert(pools.user(name, digest, driver or "core", 1, "users", secrets.token_hex(20)))
    request.api.database.write(("REPLACE INTO user_quotas VALUES (%s, %s)", oid, f"<QUOTAS><ID>{oid}</ID>{EMPTY_QUOTAS}</QUOTAS>"))
    _members(request, 1, oid, present=True)
    return oid


def _members(request, gid, uid, present):
    group = request.api.pool("GROUP").get(gid)
    if group is not None:
        numbers = set(body.ids(group, "USERS"))
        numbers = numbers | {uid} if present else numbers - {uid}
        list_ids(group.find("USERS"), numbers)
        request.api.pool("GROUP").save(group)


@call("one.user.delete", "UserDelete", "i")
def user_delete(request, oid):
    user = request.object("USER", oid)
    request.require_admin(f"ADMIN USER [{oid}]")
    if oid in (0, 1):
        raise ApiError(ACTION, f"Cannot delete user. {body.get(user, 'NAME')} cannot be deleted.")
    request.api.pool("USER").delete(oid)
    _members(request, body.number(user, "GID"), oid, present=False)
    return oid


@call("one.user.info", "UserInfo", "i")
def user_info(request, oid):
    oid = request.uid if oid == -1 else oid
    user = request.object("USER", oid)
    if oid != request.uid:
        request.require_admin(f"USE USER [{oid}]")
    return body.dump(user)[:-len("</USER>")] + f"{EMPTY_QUOTAS}<DEFAULT_USER_QUOTAS>{EMPTY_QUOTAS}</DEFAULT_USER_QUOTAS></USER>"


@call("one.user.update", "UserUpdateTemplate", "is|i")
def user_update(request, oid, text, mode=0):
    return update(request, "USER", oid, text, mode)


@call("one.user.passwd", "UserChangePassword", "is")
def user_passwd(request, oid, password):
    user = request.object("USER", oid)
    if oid != request.uid:
        request.require_admin(f"MANAGE USER [{oid}]")
    if not password:
        raise ApiError(INTERNAL, "Invalid password, it cannot be empty")
    body.put(user, "PASSWORD", hashlib.sha1(password.encode()).hexdigest())
    request.api.pool("USER").save(user)
    return oid


@call("one.user.login", "UserLogin", "ssi")
def user_login(request, name, token, seconds):
    users = request.api.pool("USER")
    user = users.find(name)
    if user is None:
        raise ApiError(NO_EXISTS, f"Error getting user {name}.")
    if body.number(user, "ID") != request.uid:
        request.require_admin(f"MANAGE USER [{body.get(user, 'ID')}]")
    token = token or secrets.token_hex(20)
    login = user.find("LOGIN_TOKEN")
    login[:], login.text = [], ""
    if seconds != 0:
        body.leaf(login, "TOKEN", token)
        body.leaf(login, "EXPIRATION_TIME", -1 if seconds < 0 else int(time.time()) + seconds)
    users.save(user)
    return token if seconds != 0 else ""


@call("one.user.quota", "UserSetQuota", "is")
def user_quota(request, oid, _text):
    request.object("USER", oid)
    request.require_admin(f"ADMIN USER [{oid}]")
    return oid


# -- groups


@call("one.group.allocate", "GroupAllocate", "s")
def group_allocate(request, name):
    request.require_admin("CREATE GROUP")
    good_name(name)
    groups = request.api.pool("GROUP")
    free_name(groups, name, "GROUP")
    oid = groups.insert(pools.group(name))
    request.api.database.write(("REPLACE INTO group_quotas VALUES (%s, %s)", oid, f"<QUOTAS><ID>{oid}</ID>{EMPTY_QUOTAS}</QUOTAS>"))
    return oid


@call("one.group.info", "GroupInfo", "i")
def group_info(request, oid):
    group = request.object("GROUP", body.number(request.user, "GID") if oid == -1 else oid)
    return body.dump(group)[:-len("</GROUP>")] + f"{EMPTY_QUOTAS}<DEFAULT_GROUP_QUOTAS>{EMPTY_QUOTAS}</DEFAULT_GROUP_QUOTAS></GROUP>"


@call("one.group.update", "GroupUpdateTemplate", "is|i")
def group_update(request, oid, text, mode=0):
    return update(request, "GROUP", oid, text, mode)


@call("one.group.delete", "GroupDelete", "i")
def group_delete(request, oid):
    group = request.object("GROUP", oid)
    request.require_admin(f"ADMIN GROUP [{oid}]")
    if oid < pools.FIRST_USER_OBJECT:
        raise ApiError(ACTION, "Cannot delete group. System Groups (ID < 100) cannot be deleted.")
    if len(group.find("USERS")):
        raise ApiError(ACTION, f"Cannot delete group. Group {oid} is not empty.")
    request.api.pool("GROUP").delete(oid)
    return oid


# -- rules


@call("one.acl.info", "AclInfo")
def acl_info(request):
    rows = request.api.database.rows("SELECT oid, user, resource, rights, zone FROM acl ORDER BY oid")
    rules = [body.new("ACL", ID=oid, USER=f"{user:x}", RESOURCE=f"{resource:x}", RIGHTS=f"{rights:x}", ZONE=f"{zone:x}",
                      STRING=acl.sentence(user, resource, rights, zone)) for oid, user, resource, rights, zone in rows]
    return body.dump(body.new("ACL_POOL", *rules))


@call("one.acl.addrule", "AclAddRule", "sss|s")
def acl_addrule(request, user, resource, rights, zone="400000000"):
    request.require_admin("CREATE ACL")
    try:
        rule = [int(text, 16) for text in (user, resource, rights, zone)]
    except ValueError:
        raise ApiError(INTERNAL, "A rule is made of four hexadecimal numbers") from None
    database = request.api.database
    found = database.rows("SELECT oid FROM acl WHERE user = %s AND resource = %s AND rights = %s AND zone = %s", *rule)
    if found:
        raise ApiError(INTERNAL, f"Rule {acl.sentence(*rule)} already exists")
    oid = (database.rows("SELECT MAX(oid) FROM acl")[0][0] or -1) + 1
    database.write(("INSERT INTO acl (oid, user, resource, rights, zone) VALUES (%s, %s, %s, %s, %s)", oid, *rule))
    return oid


@call("one.acl.delrule", "AclDelRule", "i")
def acl_delrule(request, oid):
    request.require_admin("MANAGE ACL")
    if not request.api.database.rows("SELECT 1 FROM acl WHERE oid = %s", oid):
        raise ApiError(INTERNAL, f"Rule {oid} does not exist")
    request.api.database.write(("DELETE FROM acl WHERE oid = %s", oid))
    return oid
