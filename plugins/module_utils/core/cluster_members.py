# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who belongs to a cluster: corosync.conf compared with the inventory, and what is left to do until every node is in.

Steps, each decided from what was read on every reachable node (``states``, see cluster_host), never from what a previous run did:

    no corosync.conf anywhere        authenticate, set up, seed the first configuration, start
    corosync.conf on some members    an interrupted setup (keys travel before the file): distribute it to the others
    a member without any file        it was installed anew: authenticate it, send the file; refuse while it lacks the key
    a node that is no member         add it and start it; pcs gives it the keys, corosync reloads
    a member that nobody declares    refuse, unless it is to be removed by name
    another name, another address    refuse: that is another cluster
    one address more for each node   add it as a link, while corosync runs
    a link that nobody declares      refuse, unless one of its addresses is to be removed by name; new links come before old ones go
    an option differs                edit the file on one node, distribute, reload; refused where corosync takes it only when it starts
    a third vote differs             add, change or remove the quorum device (quorum_device.py)
    the cluster runs nowhere         start it on all nodes (wait_for_all: one alone would only wait)
    it runs, without quorum          the first start was interrupted: start the others; when all run, they do not see each other: refuse
    it runs, with quorum             a node that is out was fenced or stopped: the rejoin gate's business, not ours, unless pacemaker has never
                                     seen it: then it was added by an interrupted run, and is started

two_node follows from the number of nodes and the quorum device. Where pcs changes either, it changes two_node with it.
"""
from __future__ import annotations

from dataclasses import dataclass, field

from . import quorum_device
from .corosync_conf import PATH, READ_ONLY, Document
from .errors import CoreError, Problems
from .plan import Change, Plan

TWO_NODE, WAIT_FOR_ALL = "quorum.two_node", "quorum.wait_for_all"
KEY = "/etc/corosync/authkey"
BY_PCS = (TWO_NODE, "quorum.device.")                    # what pcs keeps right when it changes members or the device


@dataclass(frozen=True)
class Wanted:
    """nodes: {name: [addresses]}; remove: names; options: {option of corosync.conf: text or None}; device: what quorum_device.declared returned;
    remove_links: addresses, each of which stands for its link."""

    cluster_name: str
    nodes: dict
    remove: tuple = ()
    options: dict = field(default_factory=dict)
    device: object = None
    remove_links: tuple = ()


def parse_corosync_conf(text):
    """Return {cluster_name, nodes: {name: [addresses]}, two_node, wait_for_all, device, options} of a corosync.conf.

    >>> parse_corosync_conf("totem {\\n cluster_name: a\\n}\\nnodelist {\\n node {\\n ring0_addr: 1.2.3.4\\n name: n\\n }\\n}")["nodes"]
    {'n': ['1.2.3.4']}
    """
    document = Document(text)
    options = document.options()
    two_node = options.get(TWO_NODE) == "1"
    return {"cluster_name": options.get("totem.cluster_name"), "two_node": two_node,
            "wait_for_all": options.get(WAIT_FOR_ALL, "1" if two_node else "0") == "1", "device": options.get("quorum.device.model"), "options": options,
            "nodes": {node.get("name", node.get("ring0_addr")): [node[key] for key in sorted(node) if key.startswith("ring")] for node in document.nodes}}


def is_example(conf):
    """Tell whether this is the file that Debian's package brings (and starts): a cluster on the loopback address has no peers.

    >>> is_example({"nodes": {"node1": ["127.0.0.1"]}}), is_example({"nodes": {"fe1": ["192.0.2.1"]}}), is_example(None)
    (True, False, False)
    """
    addresses = [address for given in (conf or {}).get("nodes", {}).values() for address in given]
    return bool(addresses) and all(address.startswith("127.") or address == "::1" for address in addresses)


def parse_known_hosts(data):
    """Return the names that pcs can reach without a password (/var/lib/pcsd/known-hosts, JSON already read)."""
    return sorted(name for name, entry in (data or {}).get("known_hosts", {}).items() if entry.get("token"))


def conductor(nodes, states):
    """Return the node on which a cluster's one-time tasks run: one that is in the cluster, else one that knows it, else the first.

    >>> conductor(["a", "b"], {"a": {"running": False}, "b": {"running": True}})
    'b'
    """
    def rank(node):
        state = states[node]
        return (not (state.get("running") and state.get("quorate")), not state.get("running"), not state.get("corosync"), nodes.index(node))
    return min((node for node in nodes if states.get(node)), key=rank, default=None)


def plan(wanted, states, known_hosts, here=None):
    """Return the Plan for a cluster.

    wanted: a Wanted; states: {reachable node: {corosync: parsed or None, key, running, quorate}}; known_hosts: what parse_known_hosts says on the
    conductor; here: {"nodes": cluster_status' nodes, "options": what corosync runs with} of the running conductor, else nothing.
    """
    nodes, silent = list(wanted.nodes), [node for node in wanted.nodes if node not in states]
    standing = (states.get(conductor(nodes, states)) or {}).get("corosync")
    _refuse_other_clusters(wanted, states, standing)
    if standing is None:
        changes, warnings = _set_up(wanted, silent), []
        new, gone = [], []
    else:
        new, gone = [node for node in nodes if node not in standing["nodes"]], [node for node in wanted.remove if node in standing["nodes"]]
        changes, warnings = _change_members(wanted, states, standing, here or {}, new, gone, silent)
    hosts = nodes + ([wanted.device["host"]] if isinstance(wanted.device, dict) else [])
    untold = hosts if not set(hosts) <= set(known_hosts) else _with_old_tokens(states, changes)
    if untold:
        changes.insert(0, Change("host authentication", wanted.cluster_name, known_hosts or None, untold, step=("authenticate", untold)))
    seen = {entry["name"] for entry in (here or {}).get("nodes", ())} or set(nodes)
    start, left = _who_starts(wanted.cluster_name, states, silent, new + [node for node in nodes if node not in seen])
    changes += [Change("node", node, "stopped", "started", step=("start", node)) for node in start]
    return Plan(tuple(changes), tuple(warnings + left))


def _with_old_tokens(states, changes):
    """Return the nodes that get files of a running cluster and have none yet: a token for a machine that was installed anew is worth nothing there."""
    running = any(state.get("quorate") for state in states.values())
    return [change.step[1] for change in changes if running and change.step[0] in ("add", "distribute") and states[change.step[1]].get("corosync") is None]


def _set_up(wanted, silent):
    _all_reachable(silent, "set up", wanted.cluster_name)
    nodes = {name: ", ".join(addresses) for name, addresses in wanted.nodes.items()}
    device, unused = quorum_device.plan(wanted.cluster_name, wanted.device, None)
    return ([Change("cluster", wanted.cluster_name, None, {"nodes": nodes}, step=("setup", list(nodes)))]
            + [_option(name, None, value) for name, value in wanted.options.items() if value is not None] + device)


def _change_members(wanted, states, standing, here, new, gone, silent):
    """Return (Changes, warnings) that make a standing cluster's corosync.conf what is wanted, on every node."""
    name, speaker = wanted.cluster_name, conductor(list(wanted.nodes), states)
    device, warnings = quorum_device.plan(name, wanted.device, quorum_device.there(standing["options"]))
    changes = [Change("member", node, ", ".join(standing["nodes"][node]), None, step=("remove", node, _is_online(node, states[speaker], here)))
               for node in gone]
    links, dead = _links_to_change(wanted, standing)
    changes += [Change("link", ", ".join(addresses.values()), None, addresses, step=("link", addresses)) for addresses in links]
    changes += [Change("link", ", ".join(addresses.values()), addresses, None, step=("unlink", next(iter(addresses.values())))) for addresses in dead]
    changes += [Change("member", node, None, ", ".join(wanted.nodes[node]), step=("add", node)) for node in new]
    with_device = bool(standing["device"]) if not device else wanted.device != quorum_device.ABSENT
    options = dict(_two_node(len(wanted.nodes), with_device, standing["options"]), **wanted.options)
    changes += [_option(option, standing["options"].get(option), value, by_pcs=bool(new or gone or device) and option.startswith(BY_PCS))
                for option, value in options.items() if standing["options"].get(option) != value]
    changes += device + [Change("corosync.conf", node, _unlike(state["corosync"], standing), f"as on {speaker}" if state["corosync"] else "distributed",
                                step=("distribute", node))
                         for node, state in states.items() if node in standing["nodes"] and node not in gone and state["corosync"] != standing]
    if dict(standing["options"], **wanted.options).get("totem.crypto_cipher", "none") == "none":
        warnings.append(f"{name} is not encrypted: who reaches udp port 5405 can become a member (cluster_corosync: {{totem: {{crypto_cipher: aes256, "
                        "crypto_hash: sha256}}} while it is stopped)")
    _all_reachable(silent if new or gone or links or dead else [], "changed", name)
    if silent and changes:
        warnings.append(f"{', '.join(silent)} cannot be reached: corosync.conf of {name} is left as it is until all nodes are there "
                        f"({', '.join(f'{change.kind} {change.target}' for change in changes)})")
        return [], warnings
    running = any(state.get("running") for state in states.values())
    _refuse_without_key(name, speaker, [node for node, state in states.items() if node in standing["nodes"] and node not in gone
                                        and state["corosync"] is None and state.get("key") is False], standing["options"])
    _refuse_what_needs_a_stop(name, changes, running)
    late, stale = _not_in_force(options, standing["options"], here.get("options"))
    if not any(change.kind in ("corosync option", "corosync.conf") for change in changes):
        changes += late
    return changes, warnings + [f"corosync runs with {said} until {name} is stopped on all nodes and started again" for said in stale]


def _links(nodes, members):
    """Return the links as [{member: address}]; the numbers that corosync gives them mean nothing."""
    return [{node: nodes[node][at] for node in members} for at in range(min((len(nodes[node]) for node in members), default=0))]


def in_order(nodes, node, standing):
    """Return a new node's addresses in the order of the links that the members ({name: [addresses]}) have: pcs counts them, whatever the inventory does.

    >>> in_order({"a": ["1.1", "2.1"], "b": ["1.2", "2.2"]}, "b", {"a": ["2.1", "1.1"]})
    ['2.2', '1.2']
    """
    members = [name for name in standing if name in nodes]
    declared = _links(nodes, members)
    return [nodes[node][declared.index(link)] for link in _links(standing, members)]


def _links_to_change(wanted, standing):
    """Return (links to add, links to remove) among the members that stay; a link that nobody declares or removes is refused before this."""
    members = [node for node in standing["nodes"] if node in wanted.nodes]
    there, declared = _links(standing["nodes"], members), _links(wanted.nodes, members)
    return ([link for link in declared if link not in there], [link for link in there if set(link.values()) & set(wanted.remove_links)])


def _option(name, before, after, by_pcs=False):
    return Change("corosync option", name, before, after, step=("by pcs",) if by_pcs else ("option", name, after))


def _two_node(number, with_device, options):
    """Return what the number of nodes says about quorum. A pair that could start one-sided would fence its healthy half after a power cut."""
    if number != 2 or with_device:
        return {TWO_NODE: None}
    return dict({TWO_NODE: "1"}, **({WAIT_FOR_ALL: None} if options.get(WAIT_FOR_ALL) == "0" else {}))


def _is_online(node, state, here):
    """Tell whether a node that is to go is online; raise when that cannot be known."""
    if not (state.get("running") and state.get("quorate")):
        raise CoreError(f"node {node} cannot be removed", why="the cluster does not run, or has no quorum", hint="Start it first. Nothing was changed.")
    entry = next((entry for entry in here.get("nodes", []) if entry["name"] == node), None)
    if entry and entry["unclean"]:
        raise CoreError(f"node {node} cannot be removed", why="it is unclean: what runs there is unknown", hint="Let it be fenced first. Nothing was changed.")
    return bool(entry and entry["online"])


def _unlike(found, standing):
    if found is None:
        return None
    parts = [("", found["options"], standing["options"]), ("node ", found["nodes"], standing["nodes"])]
    return ", ".join(f"{label}{name} is {_shown(mine.get(name))}" for label, mine, theirs in parts
                     for name in sorted(set(mine) | set(theirs)) if mine.get(name) != theirs.get(name)) or "other settings of its links"


def _refuse_without_key(name, speaker, nodes, options):
    """pcs sends corosync.conf to a member, but the key to a new one only; without it corosync does not start there."""
    if nodes and options.get("totem.crypto_cipher", "none") != "none" and not {"totem.keyfile", "totem.key"} & set(options):
        raise CoreError(f"{', '.join(nodes)} cannot come back into cluster {name}",
                        why=f"it is a member, and has neither {PATH} nor {KEY}: it was installed anew",
                        hint=f"Copy {KEY} from {speaker} to it (owner root, mode 0400) and run again; rejoin.yml then lets it in. Nothing was changed.")


def _refuse_what_needs_a_stop(name, changes, running):
    fixed = [change for change in changes if change.kind == "corosync option" and change.target in READ_ONLY]
    if fixed and running:
        raise Problems(f"corosync of {name} takes some options only when it starts",
                       [f"{change.target} is {_shown(change.before)}, wanted {_shown(change.after)}" for change in fixed],
                       hint="Nothing was changed. Stop the cluster on all its nodes (pcs cluster stop --all) and run again, or take the options back.")


def _not_in_force(options, standing, running):
    """Return (Changes, texts): options that the file has right and the running corosync does not; texts for those that no reload can change."""
    if running is None:
        return [], []
    differ = [option for option, value in options.items() if standing.get(option) == value and running.get(option) != value]
    return ([Change("running corosync", option, running.get(option), options[option], step=("reload",)) for option in differ if option not in READ_ONLY],
            [f"{option} {_shown(running.get(option))} in place of {_shown(options[option])}" for option in differ if option in READ_ONLY])


def _who_starts(name, states, silent, new):
    running = [node for node in states if states[node].get("running")]
    stopped = [node for node in states if node not in running]
    if any(states[node].get("quorate") for node in running):
        return [node for node in stopped if node in new], [
            f"{node} is not in the running cluster {name}: it was fenced or stopped, and joins through the rejoin playbook"
            for node in stopped if node not in new]
    _all_reachable(silent, "started", name)
    if running and not stopped:
        raise CoreError(f"cluster {name} has no quorum", why=f"{', '.join(running)} run, and do not see each other",
                        hint="Look at 'corosync-cfgtool -s' and 'journalctl -u corosync' there, and whether udp port 5405 is open between them. "
                             "If they stay apart, stop it (pcs cluster stop --all) and run again. Nothing was changed.")
    return stopped, []


def _all_reachable(silent, verb, name):
    if silent:
        why = f"{', '.join(silent)} cannot be reached"
        raise CoreError(f"cluster {name} cannot be {verb}",
                        why=why if verb == "changed" else f"{why}, and a cluster is started with all nodes there (wait_for_all)",
                        hint=f"Power {', '.join(silent)} on. If it is lost: README of role cluster, 'The other front-end is lost'.")


def _refuse_other_clusters(wanted, states, standing):
    problems = [f"{node} is to be removed and is a node of the inventory, too" for node in wanted.remove if node in wanted.nodes]
    problems += [f"the link of {address} is to be removed, and {node} has that address in the inventory, too"
                 for node, addresses in wanted.nodes.items() for address in addresses if address in wanted.remove_links]
    files = {}                                           # what is wrong with the file → the nodes that have it so
    for node, state in states.items():
        found = state.get("corosync")
        if not found:
            continue
        if found["cluster_name"] != wanted.cluster_name:
            problems.append(f"{node} belongs to cluster '{found['cluster_name']}', not '{wanted.cluster_name}'")
            continue
        if node not in standing["nodes"]:
            problems.append(f"{node} has a corosync.conf of '{wanted.cluster_name}', which does not have it as a member: "
                            "'pcs cluster destroy' there removes it")
            continue
        for name in sorted(set(found["nodes"])):
            if name not in wanted.nodes and name not in wanted.remove:
                files.setdefault(f"corosync.conf has {name} = {_shown(found['nodes'][name])}, the inventory nothing; "
                                 f"remove_nodes: [{name}] (cluster_remove_nodes) takes it out", []).append(node)
        for name, surplus in _strange_links(wanted, found["nodes"]).items():
            files.setdefault(f"corosync.conf has {name} = {_shown(found['nodes'][name])}, the inventory {_shown(wanted.nodes[name])}"
                             + (f"; remove_links: [{surplus}] (cluster_remove_links) takes that link out" if surplus else ""), []).append(node)
    problems += [f"{', '.join(nodes)}: {text}" for text, nodes in files.items()]
    if problems:
        raise Problems("the cluster that stands is not the cluster of the inventory", problems,
                       hint="Nothing was changed. Correct the inventory, or the cluster with pcs, then run again.")


def _strange_links(wanted, nodes):
    """Return {member with a link that is neither declared nor to be removed: its address there when the link is one too many}."""
    members = sorted(name for name in nodes if name in wanted.nodes)
    declared = _links(wanted.nodes, members)
    strange = [link for link in _links(nodes, members) if link not in declared and not set(link.values()) & set(wanted.remove_links)]
    surplus = next((link for link in strange if all(link[name] not in wanted.nodes[name] for name in members)), {})
    named = [name for name in members if any(link[name] not in wanted.nodes[name] for link in strange)]
    return {name: surplus.get(name) for name in named or (members if strange else [])}


def _shown(value):
    return (", ".join(value) if isinstance(value, list) else str(value)) if value else "nothing"
