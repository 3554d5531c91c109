# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that behaves: keeps its CIB, versions it as pacemaker does, starts and stops nodes."""
from __future__ import annotations

import json
import pathlib

from ansible_collections.constellation.opennebula.plugins.module_utils.core import cib, corosync_conf
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import NotThere

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "fixtures/cluster"
COROSYNC = (FIXTURES / "corosync_pair.conf").read_text(encoding="utf-8")
CRM_MON = (FIXTURES / "crm_mon_pair.xml").read_text(encoding="utf-8")
CIB = (FIXTURES / "cib_pair.xml").read_text(encoding="utf-8")


def metadata(name):
    return (FIXTURES / f"metadata_{name}.xml").read_text(encoding="utf-8")


class Clock:
    """Time passes only when somebody sleeps."""

    def __init__(self):
        self.time = 0.0

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds


class Cluster:
    """What pacemaker.Pacemaker offers; ``writes`` lists everything that changed something."""

    def __init__(self, text=CIB, online=("alpha1", "alpha2"), members=COROSYNC, known=("alpha1", "alpha2")):
        self.text, self.online, self.conf, self.known = text, list(online), members, list(known)
        self.unclean, self.unseen = set(), set()         # unseen: members that never joined, so pacemaker does not list them
        self.dc_text, self.dc = None, "alpha1"
        self.writes, self.requests, self.answers, self.errors = [], [], {}, []
        self.agents = {"fence_ilo_ssh": metadata("fence_ilo_ssh"), "ocf:heartbeat:IPaddr2": metadata("IPaddr2")}
        self.running, self.bad_options, self.vote = corosync_conf.Document(members).options() if members else {}, {}, 1
        self.missing_units, self.missing_programs = (), ()
        self.idle, self.interfere, self.stubborn, self.seeded, self.standby = True, 0, False, None, set()
        self.maintained, self.key = set(), True

    # configuration
    def cib(self, node=None):
        """The copy of this host, or the DC's (alpha2 when it is told to be), which differs where ``dc_text`` is set."""
        self._running()
        return self.dc_text if node and self.dc_text else self.text

    def replace(self, text):
        newest = max(cib.version(cib.parse(copy)) for copy in (self.text, self.dc_text))
        assert cib.version(cib.parse(text)) > newest, "pacemaker does not take an older configuration"
        self.writes.append("replace")
        self.text, self.dc_text = text, None

    def verify(self, text):
        return list(self.errors) if text != self.text else []

    @staticmethod
    def diff(old, new):
        return json.dumps([old, new])

    def patch(self, patch):
        old, new = json.loads(patch)
        if self.interfere:
            self.interfere -= 1
            self.text = self.text.replace('no-quorum-policy" value="', f'no-quorum-policy" value="moved{self.interfere}', 1)
        if old != self.text:
            return False
        assert not self.dc_text, "the DC does not take a patch that is made from another copy, and starts nothing"
        assert cib.parse(new).get("epoch") != cib.parse(old).get("epoch"), "pacemaker refuses a patch that does not raise the version"
        self.writes.append("patch")
        if not self.stubborn:
            self.text = new
        return True

    def wait_idle(self, dummy_timeout_s):
        return self.idle

    def metadata(self, agent):
        return self.agents.get(agent, "")

    def installed_agents(self, standard):
        return [name.split(":")[-1] for name in self.agents if (name.rsplit(":", 1)[0] if ":" in name else "stonith") == standard]

    @staticmethod
    def property_metadata():
        return [metadata("schedulerd")]

    def unit_is_known(self, unit):
        return unit not in self.missing_units

    def is_program(self, path):
        return path not in self.missing_programs

    def fence_status(self, agent, request):
        self.requests.append((agent, request))
        return self.answers.get(agent, (0, "Status: ON"))

    # state
    def monitor(self):
        self._running()
        text = CRM_MON
        if self.dc != "alpha1":
            text = text.replace('<current_dc present="true" version="2.1.5-a3f44794f94" name="alpha1"',
                                f'<current_dc present="true" version="2.1.5-a3f44794f94" name="{self.dc}"')
        if "alpha3" in self.online or (self.conf and "alpha3" in self.conf and "alpha3" not in self.unseen):
            line = next(line for line in text.splitlines() if line.strip().startswith('<node name="alpha2"'))
            text = text.replace(line, line + "\n" + line.replace("alpha2", "alpha3").replace('id="2"', 'id="3"').replace(
                'unclean="false"', f'unclean="{str("alpha3" in self.unclean).lower()}"'))
        for node in ("alpha1", "alpha2", "alpha3"):
            flags = (f'online="{str(node in self.online).lower()}" standby="{str(node in self.standby).lower()}" standby_onfail="false" '
                     f'maintenance="{str(node in self.maintained).lower()}"')
            before = 'online="true" standby="false" standby_onfail="false" maintenance="false"'
            text = text.replace(f'<node name="{node}" id="{node[-1]}" {before}', f'<node name="{node}" id="{node[-1]}" {flags}')
        return text

    def members(self):
        return self.conf

    def has_key(self):
        return self.key

    def set_members_aside(self):
        self.conf = None

    def known_hosts(self):
        return {"known_hosts": {name: {"token": "t"} for name in self.known}}

    @staticmethod
    def local_node():
        return "alpha1"

    def _running(self):
        if "alpha1" not in self.online:
            raise NotThere("cannot read the cluster", why="the cluster does not run on this host")

    # membership
    def authenticate(self, nodes, user, password):
        assert user == "hacluster" and password
        self.writes.append("authenticate")
        self.known = list(dict.fromkeys([*self.known, *nodes]))
        self.told = list(nodes)

    def setup(self, name, nodes):
        assert set(self.known) >= set(nodes), "pcs refuses unknown hosts"
        self.writes.append(f"setup {name}")
        self.conf = COROSYNC
        self._nodes(nodes)

    def distribute(self):
        self.writes.append("distribute")

    def check_members(self, text):
        return [why for option, why in self.bad_options.items() if option in corosync_conf.Document(text).options()]

    def write_members(self, text):
        self.writes.append("write")
        self.conf = text

    def reload(self):
        self._running()
        self.writes.append("reload")
        new = corosync_conf.Document(self.conf).options()
        self.running = {name: self.running.get(name) if name in corosync_conf.READ_ONLY else value for name, value in new.items()}

    def running_options(self):
        self._running()
        return "".join(f"{name} (str) = {value}\n" for name, value in self.running.items())

    def quorum(self):
        if "alpha1" not in self.online:
            return ""
        device = f"\n         0          {self.vote}            Qdevice\n" if "quorum.device.model" in self.running else ""
        flags = "A,V,NMW" if self.vote else "NA,NV,NMW"
        return f"Quorate:          Yes\nExpected votes:   2\nTotal votes:      2\nQuorum:           2\n 1 1 {flags} alpha1 (local){device}"

    def add_node(self, name, addresses):
        assert name in self.known, "pcs refuses unknown hosts"
        self._running()
        self.writes.append(f"add {name} {' '.join(addresses)}")
        self._nodes(dict(self._members(), **{name: addresses}))
        self.running = corosync_conf.Document(self.conf).options()

    def add_link(self, addresses):
        assert set(addresses) == set(self._members()), "pcs wants an address for each node"
        self.writes.append("link " + " ".join(addresses.values()))
        free = min(set(map(str, range(8))) - set(next(iter(self._rings().values()))))
        self._nodes({node: dict(known, **{free: addresses[node]}) for node, known in self._rings().items()})

    def remove_link(self, number):
        rings = self._rings()
        assert all(number in known and len(known) > 1 for known in rings.values()), "pcs leaves one link"
        self.writes.append(f"unlink {number}")
        self._nodes({node: {at: address for at, address in known.items() if at != number} for node, known in rings.items()})

    def remove_node(self, name, offline):
        self.writes.append(f"remove {name}" + (" offline" if offline else ""))
        assert offline or name in self.online, "pcs asks the pcsd of the node that goes"
        self._nodes({node: addresses for node, addresses in self._members().items() if node != name})
        self.online = [node for node in self.online if node != name]
        self.running = corosync_conf.Document(self.conf).options()

    def change_device(self, verb, general=(), model=(), heuristics=()):
        document = corosync_conf.Document(self.conf)
        have = "quorum.device.model" in document.options()
        assert have == (verb != "add"), "pcs refuses a second device, and to change none"
        self.writes.append(" ".join(["device", verb, *general, *model, *heuristics]))
        if verb == "remove":
            for option in [name for name in document.options() if name.startswith("quorum.device.")]:
                document.set(option, None)
        else:
            document.set("quorum.device.model", "net")
            for place, words in (("quorum.device.", general), ("quorum.device.net.", model), ("quorum.device.heuristics.", heuristics)):
                for name, value in (word.split("=", 1) for word in words):
                    assert not place.endswith("net.") or name != "host" or value in self.known, "pcs needs the host's token"
                    assert value or verb == "update", "pcs takes nothing out of a device that it adds"
                    document.set(place + name, value or None)
        self.conf = document.render()
        self._nodes(self._members())
        self.running = corosync_conf.Document(self.conf).options()

    def _members(self):
        return {name: list(known.values()) for name, known in self._rings().items()}

    def _rings(self):
        return {node["name"]: {key[4:-5]: node[key] for key in sorted(node) if key.startswith("ring")} for node in corosync_conf.Document(self.conf).nodes}

    def _nodes(self, nodes):
        """Rewrite the nodelist and two_node as pcs does."""
        document = corosync_conf.Document(COROSYNC)
        for name, value in corosync_conf.Document(self.conf).options().items():
            document.set(name, value)
        head, tail = document.render().split("nodelist {")
        given = {name: known if isinstance(known, dict) else dict(enumerate(known)) for name, known in nodes.items()}
        rings = {name: "".join(f"        ring{link}_addr: {address}\n" for link, address in sorted(known.items())) for name, known in given.items()}
        entries = "".join(f"    node {{\n{rings[name]}        name: {name}\n        nodeid: {number}\n    }}\n"
                          for number, name in enumerate(nodes, 1))
        document = corosync_conf.Document(head + "nodelist {\n" + entries + "}\n\nquorum {" + tail.split("quorum {", 1)[1])
        document.set("quorum.two_node", "1" if len(nodes) == 2 and "quorum.device.model" not in document.options() else None)
        self.conf = document.render()

    @staticmethod
    def empty_cib():
        return cib.EMPTY

    def has_cib(self):
        return bool(self.seeded)

    def seed(self, text):
        assert not self.online
        self.seeded = text

    def start(self, nodes):
        assert self.conf, "pcs refuses to start what is not set up"
        self.writes.append(f"start {' '.join(nodes)}")
        self.online += list(nodes)
        self.running = corosync_conf.Document(self.conf).options()

    # nodes and resources
    def set_standby(self, node, standby):
        self.writes.append(f"standby {node} {standby}")
        (self.standby.add if standby else self.standby.discard)(node)

    def set_maintenance(self, node, maintenance):
        self.writes.append(f"maintenance {node} {maintenance}")
        (self.maintained.add if maintenance else self.maintained.discard)(node)

    def cleanup(self, resource, node=None):
        self.writes.append(f"cleanup {resource} {node}")

    def restart(self, resource, dummy_timeout_s):
        self.writes.append(f"restart {resource}")
