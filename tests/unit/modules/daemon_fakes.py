# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in daemon without a network, as adapters.opennebula speaks with it: what the modules' tests change is what the lab's daemon would hold."""
import base64
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))

from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import opennebula  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import NotThere  # noqa: E402
from oned_world import SESSION, World  # noqa: E402

from oned.api import Fault  # noqa: E402

READING = (".info", ".infoextended", "one.system.version")


class Daemon(opennebula.OpenNebula):
    """Every call goes to the stand-in's API; ``calls`` keeps them. ``deaf`` methods answer and do nothing."""

    def __init__(self, world, session=SESSION, deaf=(), release=None):
        super().__init__("http://stand-in:2633/RPC2", session)
        self.world, self.session, self.deaf, self.release, self.calls = world, session, deaf, release, []

    def call(self, method, *arguments):
        self.calls.append((method, *arguments))
        if method in self.deaf:
            return arguments[0]
        if method == "one.system.version" and self.release:
            return self.release
        try:
            accepted, value, code = self.world.api.answer(method, [self.session, *arguments])
        except Fault as fault:
            raise opennebula.Refused(method, self.endpoint, fault.code, str(fault)) from None
        if not accepted:
            raise opennebula.Refused(method, self.endpoint, code, value)
        return value

    @property
    def changing(self):
        return [call for call in self.calls if not call[0].endswith(READING)]

    def methods(self):
        made = [call[0] for call in self.calls]
        self.calls.clear()
        return made


class Encrypting(Daemon):
    """5.10 and later: ONE_PASSWORD is told encrypted, and in clear to who asks one.host.info so and may (``admin``)."""

    def __init__(self, world, admin=True):
        super().__init__(world)
        self.admin = admin

    def call(self, method, *arguments):
        text = super().call(method, *arguments)
        if not method.endswith(".info") or (arguments[-1:] == (True,) and self.admin):
            return text
        return re.sub(r"(<ONE_PASSWORD><!\[CDATA\[)(.*?)(\]\])", lambda found: found[1] + disguised(found[2]) + found[3], text)


def disguised(text):
    return base64.b64encode(text.encode().ljust(16 * (len(text) // 16 + 1), b"\x07")).decode()


def nobody():
    raise NotThere("OpenNebula does not answer", "http://localhost:2633/RPC2", "Connection refused")


def world_in(folder):
    world = World(folder)
    world.take_time_in_hand()
    return world
