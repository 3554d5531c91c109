# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with which OpenNebula's tools and servers log in (/var/lib/one/.one): one account per file, for its owner's eyes only.

5.0.2 makes one_auth's servers (sunstone_auth, oneflow_auth, onegate_auth, ec2_auth) and one_key when it makes its tables, and refuses to make the
tables while server files are there; a slave zone's daemon makes one_key only (measured).
"""
from __future__ import annotations

import re

from .errors import CoreError, Problems
from .plan import Change, Plan

MODE = "0600"
SHOWN = ("mode", "owner", "group")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")


def wanted(files, directory, owner, group):
    """Return {path: {content, mode, owner, group}}; raises Problems."""
    problems = [f"{name!r} is no file name" for name in files if not _NAME.match(str(name))]
    problems += [f"{name}: the content is no text" for name, content in files.items() if not isinstance(content, str) or not content.strip()]
    if problems:
        raise Problems("the files of server accounts have mistakes", problems)
    return {f"{directory}/{name}": {"content": content, "mode": MODE, "owner": owner, "group": group} for name, content in files.items()}


def plan(have, want, keep):
    """Return the Plan; a kept file with another content is refused."""
    changes = []
    for path, file in want.items():
        now = have[path]
        if now == file:
            continue
        other = now is None or now["content"] != file["content"]
        if now is not None and other and path.rpartition("/")[2] in keep:
            raise CoreError("refusing to replace a key", path,
                            "it differs from the one that is to be written, and the database may hold attributes that only it decrypts",
                            "Copy the zone's own key to all of its front-ends, or remove this file if nothing was encrypted with it.")
        after = {name: file[name] for name in SHOWN}
        changes.append(Change("file", path, now and {name: now[name] for name in SHOWN}, dict(after, content="changed") if other else after))
    return Plan(tuple(changes))


def chosen(names, patterns, excluded):
    """Return the names that match one of the patterns ('*' stands for anything), sorted.

    >>> chosen(["b_auth", "one_key", "one_auth", "ssh"], ["*_auth", "one_key"], ["one_auth"])
    ['b_auth', 'one_key']
    """
    expressions = [re.compile(".*".join(re.escape(part) for part in pattern.split("*")) + r"\Z") for pattern in patterns]
    return sorted(name for name in names if name not in excluded and any(expression.match(name) for expression in expressions))


def described(found):
    return [dict({"name": name}, **{key: file[key] for key in SHOWN}) for name, file in found.items() if file]
