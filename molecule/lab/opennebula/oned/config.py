# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""oned.conf as the daemon loads it; the reading itself is the collection's own parser (core/oned_conf.py)."""
from __future__ import annotations

from .core import oned_conf

RELEASE = "5.0.2"
# what 5.0.2 assumes for names that the file does not give (those that matter here)
_DEFAULTS = (
    ("DB", {"BACKEND": "sqlite"}), ("LISTEN_ADDRESS", "0.0.0.0"), ("LOG", {"SYSTEM": "file", "DEBUG_LEVEL": "3"}), ("MANAGER_TIMER", "15"),
    ("MONITORING_INTERVAL", "60"), ("PORT", "2633"), ("FEDERATION", {"MODE": "STANDALONE", "ZONE_ID": "0", "MASTER_ONED": ""}),
    ("KEEPALIVE_TIMEOUT", "15"), ("KEEPALIVE_MAX_CONN", "30"), ("SESSION_EXPIRATION_TIME", "900"), ("DEFAULT_UMASK", "177"),
    ("VM_SUBMIT_ON_HOLD", "NO"),
)


class SyntaxProblem(Exception):
    """The text is refused; the message is the daemon's own, ``echo`` what it prints before it."""

    def __init__(self, message, echo=""):
        super().__init__(message)
        self.echo = echo


class Refused(Exception):
    """The configuration parses, and the daemon does not start with it."""


def attributes(text, origin):
    """Return [(NAME, str or dict)] as the 5.0.2 daemon loads them: the one place that knows the parser."""
    try:
        return oned_conf.parse(text, origin, release=RELEASE).values()
    except oned_conf.NotParsed as error:
        raise SyntaxProblem(error.data["daemon"], error.data.get("echo", "")) from None


class Config:
    """The loaded attributes; a reader of a single value gets the first of that name, as in the daemon."""

    def __init__(self, loaded):
        given = {name for name, _value in loaded}
        self.attributes = sorted(list(loaded) + [(name, value) for name, value in _DEFAULTS if name not in given], key=lambda pair: pair[0])

    @classmethod
    def read(cls, path):
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return cls(attributes(file.read(), str(path)))

    def get(self, name, default=""):
        value = next((value for known, value in self.attributes if known == name), default)
        return value if isinstance(value, str) else default

    def number(self, name, default=0):
        """Return the leading number, as strtol does: ``2633\\r`` is 2633, ``abc`` is 0."""
        digits = ""
        for character in self.get(name, str(default)):
            if not character.isdigit():
                break
            digits += character
        return int(digits or 0)

    def vector(self, name):
        value = next((value for known, value in self.attributes if known == name), {})
        return value if isinstance(value, dict) else {}

    def dump(self):
        """Return what oned writes to /var/lib/one/config and to the head of its log."""
        lines = [f"{name}={value if isinstance(value, str) else ','.join(f'{key}={text}' for key, text in sorted(value.items()))}"
                 for name, value in self.attributes]
        return "\n".join(lines) + "\n"


class Federation:
    """The FEDERATION stanza, checked as 5.0.2 checks it."""

    def __init__(self, config):
        stanza = config.vector("FEDERATION")
        self.mode = (stanza.get("MODE") or "STANDALONE").upper()
        self.master = stanza.get("MASTER_ONED", "")
        zone = stanza.get("ZONE_ID", "0")
        self.zone = int(zone) if zone.isdigit() else 0
        if self.mode not in ("STANDALONE", "MASTER", "SLAVE"):
            raise Refused("FEDERATION MODE must be one of STANDALONE, MASTER, SLAVE.")
        if self.mode == "SLAVE" and not self.master:
            raise Refused("FEDERATION MASTER_ONED endpoint is missing.")
        if self.mode != "SLAVE":
            self.zone = 0

    @property
    def slave(self):
        return self.mode == "SLAVE"
