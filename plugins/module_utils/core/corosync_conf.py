# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""corosync.conf as a lossless document: read by meaning, edited line by line (corosync.conf(5) and exec/coroparse.c of corosync 3.1.7).

    file    = line*
    line    = blank | '#' anything | section '{' | '}' | name ':' value        each on a line of its own
    option  = the names of the sections around it and its own, joined by dots; where one is given twice, corosync takes the last

What can be changed while corosync runs: everything but READ_ONLY (exec/cfg.c remove_ro_entries); a reload keeps the old value of those and says so
in the log only. quorum.wait_for_all is about the next start, so that the file has it is enough.
"""
from __future__ import annotations

import difflib
import re

from .errors import CoreError
from .plan import SECRET

PATH = "/etc/corosync/corosync.conf"
HINT = "Nothing was changed. Mend that file, or copy the one of a peer, then run again."
READ_ONLY = frozenset("""totem.secauth totem.crypto_hash totem.crypto_cipher totem.keyfile totem.key totem.version totem.threads totem.ip_version totem.ip_dscp
totem.rrp_mode totem.netmtu totem.transport totem.cluster_name quorum.provider system.move_to_root_cgroup
system.allow_knet_handle_fallback system.sched_rr system.priority system.qb_ipc_type system.state_dir""".split())
# corosync.conf(5) of corosync 3.1; what corosync does not know it passes over in silence
KNOWN = READ_ONLY | frozenset(f"totem.{name}" for name in """token token_warning token_coefficient token_retransmit knet_compression_model
knet_compression_threshold knet_compression_level hold token_retransmits_before_loss_const join send_join consensus merge downcheck fail_recv_const
seqno_unchanged_const heartbeat_failures_allowed max_network_delay window_size max_messages miss_count_const knet_pmtud_interval knet_mtu
block_unlisted_ips cancel_token_hold_on_retransmit link_mode crypto_model clear_node_high_bit nodeid cluster_uuid autogenerate_nodeid""".split()) | frozenset(
    f"quorum.{name}" for name in """expected_votes votes two_node wait_for_all last_man_standing last_man_standing_window auto_tie_breaker
auto_tie_breaker_node allow_downscale ev_tracking""".split())
NOT_HERE = {"nodelist": "nodes", "quorum.device": "quorum_device", "quorum.two_node": "the number of nodes and quorum_device", "totem.cluster_name": "name",
            "totem.interface": "pcs cluster link", "totem.key": "totem.keyfile, which no one else reads,"}
_OPEN = re.compile(r"^\s*([\w.-]+)\s*\{\s*$")
_CLOSE = re.compile(r"^\s*\}\s*$")
_OPTION = re.compile(r"^(\s*)([\w./-]+)\s*:\s*(.*?)\s*$")


class Document:
    """The lines of a corosync.conf, and where its options are."""

    def __init__(self, text):
        self._lines = text.splitlines(keepends=True)
        self._read()

    def _read(self):
        self._options, self._ends, self.nodes, stack = {}, {}, [], []
        for number, line in enumerate(self._lines):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            if _OPEN.match(line):
                stack.append(_OPEN.match(line).group(1))
                if stack == ["nodelist", "node"]:
                    self.nodes.append({})
            elif _CLOSE.match(line):
                if not stack:
                    raise CoreError("cannot read corosync.conf", f"{PATH}:{number + 1}", "'}' closes nothing", HINT)
                self._ends.setdefault(".".join(stack), number)
                stack.pop()
            elif _OPTION.match(line):
                name, value = _OPTION.match(line).group(2, 3)
                if stack == ["nodelist", "node"]:
                    self.nodes[-1][name] = value
                elif stack[:2] != ["totem", "interface"]:   # one section for each link, told apart by linknumber: pcs' business
                    self._options.setdefault(".".join(stack + [name]), []).append((number, value))
            else:
                raise CoreError("cannot read corosync.conf", f"{PATH}:{number + 1}", f"not 'name: value' and not a section: {line.strip()!r}",
                                HINT)
        if stack:
            raise CoreError("cannot read corosync.conf", PATH, f"section '{stack[-1]}' is never closed", HINT)

    def options(self):
        """Return {option: value} of everything but nodes and links."""
        return {name: SECRET if name == "totem.key" else places[-1][1] for name, places in self._options.items()}

    def link(self, address):
        """Return the number of the link that an address belongs to."""
        return next(key[len("ring"):-len("_addr")] for node in self.nodes for key, value in node.items()
                    if value == address and key.startswith("ring") and key.endswith("_addr"))

    def set(self, option, value):
        """Give an option a value, in its place or at the end of its section; None takes it out."""
        places = self._options.get(option, [])
        keep = [] if value is None else places[-1:]
        for number, dummy in keep:
            indent, name = _OPTION.match(self._lines[number]).group(1, 2)
            self._lines[number] = f"{indent}{name}: {value}\n"
        for number, dummy in reversed(places[:len(places) - len(keep)]):
            del self._lines[number]
        if value is not None and not places:
            self._insert(option.split("."), value)
        self._read()

    def _insert(self, path, value):
        depth = max((depth for depth in range(1, len(path)) if ".".join(path[:depth]) in self._ends), default=0)
        block = ["    " * level + f"{name} {{\n" for level, name in enumerate(path[depth:-1], depth)]
        block += ["    " * (len(path) - 1) + f"{path[-1]}: {value}\n"]
        block += ["    " * level + "}\n" for level in range(len(path) - 2, depth - 1, -1)]
        if depth:
            at = self._ends[".".join(path[:depth])]
        else:
            at = len(self._lines)
            block = ["\n"] * bool(at) + block
        self._lines[at:at] = block

    def render(self):
        return "".join(self._lines)


def spelled(option, value):
    """Return a value as corosync.conf has it, None for an option that shall not be there.

    >>> spelled("totem.token", 3000), spelled("quorum.two_node", True), spelled("logging.debug", False), spelled("totem.token", None)
    ('3000', '1', 'no', None)
    """
    if isinstance(value, bool):
        return ("1" if value else "0") if option.startswith("quorum.") else ("yes" if value else "no")
    return None if value is None else str(value).strip()


def flat(sections, above=""):
    """Return {option: value} of nested sections.

    >>> flat({"totem": {"token": 3000}, "quorum": {"device": {"votes": 1}}})
    {'totem.token': '3000', 'quorum.device.votes': '1'}
    """
    found = {}
    for name, value in (sections or {}).items():
        path = f"{above}.{name}" if above else str(name)
        found.update(flat(value, path) if isinstance(value, dict) else {path: spelled(path, value)})
    return found


def problems(wanted):
    """Return what is wrong with declared options ({option: value}); corosync itself checks the values.

    >>> problems({"totem.tokn": "3000"})
    ["corosync has no option 'totem.tokn'; did you mean 'totem.token'?"]
    """
    found = []
    for option, value in wanted.items():
        instead = next((instead for name, instead in NOT_HERE.items() if option == name or option.startswith(f"{name}.")), None)
        near = difflib.get_close_matches(option, KNOWN, n=1, cutoff=0.85) if option not in KNOWN else []
        if instead:
            found.append(f"'{option}' is not set here; {instead} says it")
        elif "." not in option:
            found.append(f"'{option}' is no section of corosync.conf; write it as totem: {{token: 3000}}")
        elif near:
            found.append(f"corosync has no option '{option}'; did you mean '{near[0]}'?")
        elif value is not None and re.search(r"[\n{}]", value):
            found.append(f"'{option}' has a value that corosync.conf cannot hold: {value!r}")
    token, consensus = wanted.get("totem.token"), wanted.get("totem.consensus")
    if token and consensus and token.isdigit() and consensus.isdigit() and int(consensus) < 1.2 * int(token):
        found.append(f"totem.consensus is {consensus}; it must be at least 1.2 times totem.token ({token}), or memberships never form")
    return found


def edited(text, wanted):
    """Return the text with the wanted {option: value}; what is right already keeps its bytes."""
    document = Document(text)
    for option, value in wanted.items():
        if document.options().get(option) != value:
            document.set(option, value)
    return document.render()


def parse_running(text):
    """Return {option: value} of what corosync runs with (corosync-cmapctl 3.1: ``totem.token (u32) = 3000``)."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"^(\S+) \((\w+)\) = (.*)$", line)
        if match:
            found[match.group(1)] = match.group(3)
    return found
