# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drivers' own files: which settings they shall have, what changes, and what of it may be shown.

Every format is a module with ``leaves(text, origin)`` → {path: value}, ``edit(text, settings, remove, origin)`` → text and ``normal(path)``;
the files of oned.conf's grammar get the same three here, from oned_conf_edit.
"""
from __future__ import annotations

import math
import re
from dataclasses import dataclass

from . import block_yaml, oned_conf, oned_conf_edit, shell_rc, template_xml
from .errors import CoreError, Problems
from .plan import SECRET, Change, Plan

SECRET_CHANGED = "(secret, changed)"
META = ("mode", "owner", "group")
SECRET_NAME = re.compile(r"(password|passwd|secret|token|access_key|access_key_id|secret_access_key|subscription_id|ehauth|private_key)\Z", re.IGNORECASE)
PROSE = re.compile(r"""((?:password|passwd|secret|token|access_key|access_key_id|secret_access_key|subscription_id|ehauth)[ \t]*(?::[ \t]|[=>])[ \t]*)"""
                   r"""(?!"?\(secret)(?!["']?<)([^\s<]+)""", re.IGNORECASE)


class OnedFormat:
    """Files of oned.conf's grammar: (NAME,) is an attribute, (SECTION, KEY) a key of the only stanza of that section."""

    @staticmethod
    def normal(path):
        return tuple(str(part).upper() for part in path)

    @staticmethod
    def leaves(text, origin=""):
        found = {}
        for attribute in oned_conf.parse(text, origin).attributes:
            if not attribute.is_stanza:
                found.setdefault((attribute.name,), attribute.text or None)
            for pair in attribute.pairs if attribute.is_stanza else ():
                found.setdefault((attribute.name, pair.key), pair.value or None)
        return found

    @staticmethod
    def edit(text, settings, remove=(), origin=""):
        document = oned_conf.parse(text, origin)
        attributes, stanzas = {}, {}
        for path in map(OnedFormat.normal, remove):
            if len(path) == 1:
                (stanzas if any(found.is_stanza for found in document.find(path[0])) else attributes)[path[0]] = None
            else:
                stanzas.setdefault(path[0], {})[path[1]] = None
        for path, value in settings:
            path = OnedFormat.normal(path)
            if len(path) == 1 and not isinstance(value, dict):
                attributes[path[0]] = "" if value is None else value
            elif len(path) == 2 and not isinstance(value, dict):
                stanzas.setdefault(path[0], {})[path[1]] = "" if value is None else value
            elif value != {}:
                raise CoreError("cannot change the file", origin, f"{'/'.join(path)} has more levels than SECTION and KEY",
                                "Give NAME: value or SECTION: {KEY: value}.")
        items = oned_conf_edit.wanted(
            [dict(name=name, value=value, state="present" if value is not None else "absent") for name, value in attributes.items()],
            [OnedFormat.stanza(document, section, keys) for section, keys in stanzas.items()])
        return oned_conf_edit.edit(document, items)

    @staticmethod
    def stanza(document, section, keys):
        """Return the option of a stanza; one that is left without keys goes as a whole, since the daemon refuses an empty one."""
        label = next((found.label for found in document.find(section) if found.is_stanza), None)
        gone = {key for key, value in (keys or {}).items() if value is None}
        left = {key for found in document.find(section) if found.is_stanza for key in found.value} - gone
        if keys is None or not (left or any(value is not None for value in keys.values())):
            return dict(section=section, name=label, state="absent")
        return dict(section=section, name=label, settings=keys)


FORMATS = {"yaml": block_yaml, "template_xml": template_xml, "shell": shell_rc, "oned": OnedFormat}


@dataclass(frozen=True)
class Wanted:
    """One file: settings [(path, value)], the paths of secrets (as the format compares them), the paths that shall not be there."""

    path: str
    format: str
    settings: tuple
    secret: frozenset
    remove: tuple
    create: bool
    meta: dict

    @property
    def shape(self):
        return FORMATS[self.format]


def wanted(files):
    """Return the list of Wanted for a module's option ``files``; raises Problems with all mistakes at once."""
    problems, found = [], []
    for option in files:
        where, shape = option["path"], FORMATS[option["format"]]
        open_ones, secrets = _flat(option.get("settings") or {}), _flat(option.get("secrets") or {})
        for path, value in open_ones + secrets:
            problems += [f"{where}: {'/'.join(path)}: {why}" for why in _faults(value, option["format"])]
        given = [shape.normal(path) for path, value in open_ones + secrets if value != {}]
        problems += [f"{where}: {'/'.join(path)} is there twice" for path in sorted(set(given)) if given.count(path) > 1]
        remove = tuple(tuple(map(str, path)) for path in option.get("remove") or ())
        for path in remove:
            if not path:
                problems.append(f"{where}: remove has an empty path")
            elif any(other[:len(path)] == shape.normal(path) for other in given):
                problems.append(f"{where}: {'/'.join(path)} is wanted and to be removed")
        secret = frozenset(shape.normal(path) for path, value in secrets)
        meta = {"mode": (option.get("mode") or "0600").rjust(4, "0"), "owner": option.get("owner") or "oneadmin", "group": option.get("group") or "oneadmin"}
        found.append(Wanted(where, option["format"], tuple(_in_order(open_ones, secrets)), secret, remove, option.get("create") is not False, meta))
    paths = [file.path for file in found]
    problems += [f"{path} is declared {paths.count(path)} times" for path in sorted(set(paths)) if paths.count(path) > 1]
    if problems:
        raise Problems("the wanted driver files have mistakes", problems)
    return found


def _flat(settings, above=()):
    """Return [(path, value)] of nested settings; an empty dictionary is a section without settings."""
    found = []
    for name, value in settings.items():
        path = above + (str(name),)
        found += _flat(value, path) if isinstance(value, dict) and value else [(path, value)]
    return found


def _in_order(open_ones, secrets):
    """Put the secrets of a section behind its plain values and before its subsections, as people write such files."""
    left, ordered = list(secrets), []
    for path, value in open_ones:
        if not ordered or ordered[-1][0][:-1] != path[:-1]:
            above = ordered[-1][0][:-1] if ordered else None
            ordered += [left.pop(left.index(item)) for item in list(left) if above and item[0][:-1] == above]
        ordered.append((path, value))
    return ordered + left


def _faults(value, kind):
    """Yield why a value cannot be written."""
    if isinstance(value, (list, tuple)):
        yield "a list cannot be written"
    if isinstance(value, float) and not math.isfinite(value):
        yield "this is no number that the driver could use"
    if isinstance(value, bool) and kind in ("template_xml", "shell"):
        yield "say as text how this truth value is written there, such as 'YES' or 'true'"
    if isinstance(value, str):
        if re.search("[\ud800-\udfff]", value):
            yield "the text is no UTF-8"
        if kind != "yaml" and re.search(r"[\x00-\x08\x0b-\x1f\x7f]", value):
            yield "the text has a control character"
        if kind == "shell" and "\n" in value:
            yield "the text has several lines"
        if kind == "yaml" and "\0" in value:
            yield "the text has a NUL character"


def plan(state, files):
    """Return the Plan for the files of ``state`` ({path: what Tree.read returned}); its texts for the diff are masked."""
    changes, before, after = [], [], []
    for file in files:
        now = state[file.path]
        if now is None and not file.create:
            continue
        text = now["content"] if now else ""
        new, found = _edited(text, file)
        meta = {name: file.meta[name] for name in META}
        had = now and {name: now[name] for name in META}
        if had != meta:
            found.insert(0, Change("file", file.path, had, meta))
        if found:
            changes += found
            shown = _masked_pair(text, new, file)
            before += [_head(file.path, had), shown[0]] if now else []
            after += [_head(file.path, meta), shown[1]]
    return Plan(tuple(changes), before="".join(before), after="".join(after)) if changes else Plan()


def edited(state, file):
    """Return what Tree.write takes for a file of the plan."""
    now = state[file.path]
    return dict(file.meta, path=file.path, content=_edited(now["content"] if now else "", file)[0])


def _edited(text, file):
    """Return (new text, [Change]) of the settings; raises CoreError when the new text does not say what is wanted."""
    shape = file.shape
    old = shape.leaves(text, file.path)
    new_text = shape.edit(text, file.settings, file.remove, file.path)
    if new_text == text:
        return text, []
    new = shape.leaves(new_text, file.path)
    if shape.edit(new_text, file.settings, file.remove, file.path) != new_text:
        raise CoreError("the changed file would not say what is wanted; it stays as it is", file.path, "what surrounds the change alters its meaning",
                        "Mend the file by hand first.")
    changes = [Change("setting", f"{file.path} {'/'.join(path)}", _simple(old.get(path)), _simple(new.get(path)), secret=_is_secret(path, file))
               for path in [*old, *(path for path in new if path not in old)] if not _equal(old, new, path)]
    return new_text, changes or [Change("file", file.path, "as it was", "without empty sections")]


def _equal(old, new, path):
    return (path in old) == (path in new) and type(old.get(path)) is type(new.get(path)) and old.get(path) == new.get(path)


def _simple(value):
    return value.text if isinstance(value, block_yaml.Unread) else value


def _is_secret(path, file):
    return SECRET_NAME.search(path[-1]) is not None or file.shape.normal(path) in file.secret


def _head(path, meta):
    return f"==> {path} ({meta['owner']}:{meta['group']} {meta['mode']})\n"


# -- secrets

def _masked_pair(before, after, file):
    """Return both texts with secrets replaced; one that changes is marked, so that the diff shows its line."""
    old = {file.shape.normal(path): value for path, value in file.shape.leaves(before, file.path).items()}
    values = [value for path, value in [*old.items(), *file.settings] if value is not None and _is_secret(path, file)]
    first = masked(before, file, lambda path, value: SECRET, values)
    return first, masked(after, file, lambda path, value: SECRET if old.get(path, value) == value else SECRET_CHANGED, values)


def masked(text, file, shown, values=()):
    """Return the text without secrets: those declared, those whose key says so, and such words in comments."""
    if file.format == "yaml":
        text = block_yaml.without_kept(text, SECRET_NAME.search, SECRET)
    spots = [(path, value) for path, value in file.shape.leaves(text, file.path).items() if value is not None and _is_secret(path, file)]
    for path, value in spots:
        try:
            text = file.shape.edit(text, [(path, shown(file.shape.normal(path), value))], (), file.path)
        except CoreError:
            continue                                    # a key that is there twice; the words below find it
    for value in sorted({str(value) for value in [*values, *(value for dummy, value in spots)] if len(str(value)) > 3}, key=len, reverse=True):
        text = text.replace(value, SECRET)
    return oned_conf.printable(PROSE.sub(r"\1" + SECRET, text))


# -- reading

def described(path, kind, file):
    """Return (what the module takes to leave the file as it is, the paths of secrets that are left out)."""
    shape, settings, hidden = FORMATS[kind], {}, []
    found = [item for item in shape.leaves(file["content"], path).items() if not isinstance(item[1], block_yaml.Unread)]
    if not _can_be_given_back(shape, file["content"], found):
        found = [item for item in found if _can_be_given_back(shape, file["content"], [item])]
    for place, value in found:
        if SECRET_NAME.search(place[-1]) and value is not None:
            hidden.append(list(place))
            continue
        level = settings
        for name in place[:-1]:
            level = level.setdefault(name, {})
        level[place[-1]] = value
    return {"path": path, "format": kind, "settings": settings, **{name: file[name] for name in META}}, hidden


def _can_be_given_back(shape, text, settings):
    """Tell whether values that were read are ones that could be set: not so where a key is there twice."""
    try:
        return shape.edit(text, settings) == text
    except CoreError:
        return False


def secrets_among(files):
    """Return the values, in the module's option ``files``, of settings whose key names a secret."""
    found = [(path, value) for option in files for path, value in _flat(option.get("settings") or {})]
    return {str(value) for path, value in found if SECRET_NAME.search(path[-1]) and value not in (None, "", {})}
