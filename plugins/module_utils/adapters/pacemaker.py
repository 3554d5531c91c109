# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pacemaker, corosync and pcs of this host: raw text in and out, decides nothing.

Written against pacemaker 2.1.5, corosync 3.1.7, pcs 0.11.5, fence-agents 4.12 (Debian 12). Secrets travel by standard input or in
files that only root can read, never as arguments.
"""
from __future__ import annotations

import grp
import json
import os
import pwd
import tempfile
import time

from ..core import cluster_members, corosync_conf
from ..core.errors import CoreError, NotThere
from . import files, system

# include/crm/common/results.h of pacemaker 2.1
EXIT = {1: "error", 2: "wrong parameter", 3: "not implemented", 4: "not permitted", 5: "not installed", 6: "not configured", 7: "not running",
        64: "wrong usage",
        65: "unusable data", 68: "unknown host", 69: "unavailable", 70: "internal error", 71: "operating system error", 76: "protocol error",
        77: "not permitted",
        78: "invalid configuration", 100: "fatal error", 102: "not connected to the cluster", 103: "older than what is there", 104: "digest differs",
        105: "no such object",
        106: "no quorum", 107: "unsafe", 108: "exists already", 109: "several match", 112: "cannot be determined", 113: "requirements not met",
        124: "timed out",
        127: "program is missing", 137: "killed"}
MISSING, DISCONNECTED, INVALID, TIMED_OUT = 127, 102, 78, 124
MOVED = (103, 104, 206)                                  # the configuration is not the one that the patch was made from
CIB_DIRECTORY, CIB_USER, CIB_GROUP = "/var/lib/pacemaker/cib", "hacluster", "haclient"
COROSYNC_CONF, KNOWN_HOSTS = "/etc/corosync/corosync.conf", "/var/lib/pcsd/known-hosts"
CHANGED = {"add": "added", "update": "changed", "remove": "removed"}
LIBEXEC = ("/usr/libexec/pacemaker", "/usr/lib/pacemaker")  # EL, Debian
DAEMONS = ("pacemaker-schedulerd", "pacemaker-controld", "pacemaker-based")
LATE = "Connection timeout"                               # pcs of a node that did not answer in time
INSTALL_HINT = "Install pacemaker and pcs (role constellation.opennebula.cluster), or run on a cluster node."


class Pacemaker:
    """The cluster as this host sees it."""

    def __init__(self, directory=None):
        self._directory = directory                      # for temporary files; None: the system's

    # --- configuration -------------------------------------------------------------------------------------------------------------

    def cib(self, node=None):
        """Return the live configuration as XML text: this host's copy, or another member's."""
        return self._run(["cibadmin", "--query"] + (["--node", node] if node else []), "cannot read the cluster's configuration")

    def replace(self, cib):
        """Replace the copies of all members; each takes only what is newer than its own."""
        self._run(["cibadmin", "--replace", "--xml-pipe"], "the cluster refused its own configuration", stdin=cib)

    def verify(self, cib):
        """Return the errors that crm_verify finds in a CIB, [] when it finds none, or only warnings (what is deprecated, or not there yet)."""
        code, out, err = system.run(["crm_verify", "--xml-pipe", "-V"], stdin=cib)
        if code == 0:
            return []
        if code != INVALID:
            self._fail(["crm_verify"], code, out, err, "cannot check the new configuration")
        lines = [line.replace("\t", "") for line in (out + err).splitlines() if line.strip() and "-V may provide" not in line]
        return [] if lines and "Warnings found during check" in lines[-1] else [line for line in lines if "Errors found during check" not in line] or lines

    def diff(self, old, new):
        """Return the patch between two CIBs, "" when they are equal."""
        with tempfile.TemporaryDirectory(prefix="cib-", dir=self._directory) as directory:     # made with mode 0700
            paths = []
            for name, text in (("old", old), ("new", new)):
                paths.append(os.path.join(directory, name))
                descriptor = os.open(paths[-1], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                    stream.write(text)
            argv = ["crm_diff", "--cib", "--original", paths[0], "--new", paths[1]]
            code, out, err = system.run(argv)
        if code not in (0, 1) or (code == 1 and not out.strip()):
            self._fail(argv, code, out, err, "cannot compute the change of the cluster's configuration")
        return out if code == 1 else ""

    def patch(self, patch):
        """Apply a patch; return False, with nothing applied, when the configuration has moved since the patch was made."""
        argv = ["cibadmin", "--patch", "--xml-pipe"]
        code, out, err = system.run(argv, stdin=patch)
        if code in MOVED:
            return False
        if code != 0:
            self._fail(argv, code, out, err, "the cluster refused the new configuration")
        return True

    def wait_idle(self, timeout_s):
        """Wait until nothing is left to do; return False when the time is over."""
        argv = ["crm_resource", "--wait", f"--timeout={timeout_s}"]
        code, out, err = system.run(argv, timeout_s=timeout_s + 30)
        if code not in (0, TIMED_OUT):
            self._fail(argv, code, out, err, "cannot wait for the cluster")
        return code == 0

    def metadata(self, agent):
        """Return what an agent says about itself, "" when it is not installed here."""
        code, out, dummy = system.run(["crm_resource", "--show-metadata", agent if ":" in agent else f"stonith:{agent}"], timeout_s=40)
        return out if code == 0 else ""

    def installed_agents(self, standard):
        """Return the names of the agents of a standard, or of a standard and provider ("ocf:heartbeat", "stonith"), that this host has."""
        code, out, dummy = system.run(["crm_resource", "--list-agents", standard], timeout_s=40)
        return out.split() if code == 0 else []

    def property_metadata(self):
        """Return what pacemaker's own programs say about cluster properties, [] where they cannot be asked."""
        answers = [system.run([os.path.join(directory, program), "metadata"]) for directory in LIBEXEC for program in DAEMONS]
        return [out for code, out, dummy in answers if code == 0]

    @staticmethod
    def unit_is_known(unit):
        """Tell whether systemd of this host has a unit."""
        code, out, dummy = system.run(["systemctl", "show", "--property=LoadState", unit])
        return code != 0 or "LoadState=not-found" not in out

    @staticmethod
    def is_program(path):
        """Tell whether this host has a program that may be run."""
        return os.path.isfile(path) and os.access(path, os.X_OK)

    def fence_status(self, agent, request, timeout_s=60):
        """Ask a fence agent for ``status``; return (exit code, what it said). 0 is on, 2 is off, anything else no answer."""
        try:
            code, out, err = system.run([agent], stdin=request, timeout_s=timeout_s)
        except CoreError:
            return TIMED_OUT, f"no answer after {timeout_s} s"
        return code, (err.strip() or out.strip())

    # --- state ---------------------------------------------------------------------------------------------------------------------

    def monitor(self):
        """Return crm_mon's XML."""
        return self._run(["crm_mon", "--output-as=xml"], "cannot read the state of the cluster")

    def members(self):
        """Return the text of corosync.conf, None when there is none."""
        return self._text(COROSYNC_CONF)

    @staticmethod
    def has_key():
        """Tell whether this host has the key by which corosync encrypts."""
        return os.path.exists(cluster_members.KEY)

    @staticmethod
    def set_members_aside():
        """Rename the configuration, and corosync.conf last, so that they are out of the way and not lost; pcs sets up only without both."""
        for path in (os.path.join(CIB_DIRECTORY, "cib.xml"), COROSYNC_CONF):
            if os.path.exists(path):
                os.replace(path, path + ".example")

    def known_hosts(self):
        """Return the parsed list of hosts that pcs knows, {} when there is none."""
        text = self._text(KNOWN_HOSTS)
        try:
            return json.loads(text) if text else {}
        except ValueError:
            return {}

    @staticmethod
    def _text(path):
        try:
            with open(path, encoding="utf-8") as stream:
                return stream.read()
        except FileNotFoundError:
            return None

    # --- membership ----------------------------------------------------------------------------------------------------------------

    def authenticate(self, nodes, user, password):
        """Give pcs here a token for pcsd on each node ({name: [addresses]})."""
        hosts = [word for name, addresses in nodes.items() for word in [name] + [f"addr={address}" for address in addresses[:1]]]
        self._run(["pcs", "host", "auth"] + hosts + ["-u", user], "the nodes did not let pcs in", stdin=password + "\n", timeout_s=90,
                  hint="Does pcsd run on all nodes, with the same password of the account hacluster?")

    def setup(self, name, nodes):
        hosts = [word for node, addresses in nodes.items() for word in [node] + [f"addr={address}" for address in addresses]]
        argv = ["pcs", "cluster", "setup", name] + hosts
        code, out, err = system.run(argv, timeout_s=180)
        if code != 0 and LATE in out + err:
            # pcs gives each node 60 s and takes no --request-timeout here (0.11); a busy node answers the second time
            code, out, err = system.run(argv, timeout_s=180)
        if code != 0:
            self._fail(argv, code, out, err, f"cluster {name} cannot be set up",
                       "A node that was in another cluster keeps its files: look at it, and remove them there by hand if they are of no use.")

    def distribute(self):
        """Send this node's corosync.conf to the other nodes."""
        self._run(["pcs", "cluster", "sync", "corosync"], "corosync.conf cannot be distributed", timeout_s=90)

    def check_members(self, text):
        """Return what corosync finds wrong with a configuration, [] when nothing (or when it is not installed yet)."""
        with tempfile.TemporaryDirectory(prefix="corosync-", dir=self._directory) as directory:
            path = os.path.join(directory, "corosync.conf")
            with open(path, "w", encoding="utf-8") as stream:        # a check would tell the log of the running corosync that it ends
                stream.write(corosync_conf.edited(text, {"logging.to_logfile": "no", "logging.to_syslog": "no", "logging.to_stderr": "yes"}))
            code, out, err = system.run(["corosync", "-t", "-c", path])
        if code in (0, MISSING):
            return []
        said = [line.split("] ")[-1].replace(f"{path}:", "line ") for line in (out + err).splitlines() if "error" in line]
        return [line for line in said if "exiting with status" not in line] or [f"corosync -t ended with {code}"]

    @staticmethod
    def write_members(text):
        """Replace this node's corosync.conf; ``distribute`` brings it to the others, ``reload`` into force."""
        files.Store(COROSYNC_CONF).replace(text.encode())

    def reload(self):
        """Let corosync on all nodes read corosync.conf again, without a restart."""
        self._run(["corosync-cfgtool", "-R"], "corosync did not take its new configuration", hint="The file is in place; 'journalctl -u corosync' says more.")

    def running_options(self):
        """Return what the running corosync has in its map, as corosync-cmapctl prints it."""
        return self._run(["corosync-cmapctl"], "cannot read what corosync runs with")

    def quorum(self):
        """Return the votes as corosync-quorumtool prints them, "" when corosync does not run (2: without quorum)."""
        code, out, dummy = system.run(["corosync-quorumtool", "-s"])
        return out if code in (0, 2) else ""

    def add_node(self, name, addresses):
        """Make a node a member of the running cluster: keys and configuration are sent to it, corosync reloads, nothing is started."""
        self._run(["pcs", "cluster", "node", "add", name] + [f"addr={address}" for address in addresses], f"node {name} cannot be added", timeout_s=180,
                  hint="Every member must be reachable, and the new node must not be in a cluster.")

    def add_link(self, addresses):
        """Give the running cluster one more link ({node: address})."""
        self._run(["pcs", "cluster", "link", "add"] + [f"{node}={address}" for node, address in addresses.items()], "the link cannot be added", timeout_s=90)

    def remove_link(self, number):
        """Take a link out of the running cluster."""
        self._run(["pcs", "cluster", "link", "remove", number], f"link {number} cannot be removed", timeout_s=90,
                  hint="Every member must be reachable, and one link must stay.")

    def remove_node(self, name, offline):
        """Take a member out of the cluster; its files are removed there.

        offline: it is known to be down. Then its pcsd need not answer, and pcs need not ask it whether the others keep quorum (--force).
        """
        self._run(["pcs", "cluster", "node", "remove", name] + (["--skip-offline", "--force"] if offline else []), f"node {name} cannot be removed",
                  timeout_s=300)

    def change_device(self, verb, general=(), model=(), heuristics=()):
        """Add, change or remove the quorum device; certificates, corosync.conf and the reload are pcs' part."""
        words = list(general) + (["model", *(["net"] if verb == "add" else []), *model] if model else []) + (["heuristics", *heuristics] if heuristics else [])
        self._run(["pcs", "quorum", "device", verb] + words, f"the quorum device cannot be {CHANGED[verb]}", timeout_s=180,
                  hint="Does pcsd run on the quorum device's host (role cluster, tasks_from quorum_device), and does tcp 5403 there answer the nodes?")

    def start(self, nodes):
        argv = ["pcs", "cluster", "start"] + list(nodes)
        code, out, err = system.run(argv, timeout_s=180)
        if code != 0:                                    # at its end pcs has a line for each node that failed, without the reason
            failed = [node for node in nodes if f"\n{node}: " in err.partition("unable to start all nodes")[2]]
            self._fail(argv, code, out, err, f"the cluster cannot be started on {', '.join(failed or nodes)}",
                       "Look at 'journalctl -u corosync -u pacemaker' there. A line 'REFUSED' means the rejoin gate is closed: run the rejoin playbook.")

    def empty_cib(self):
        """Return an empty configuration of this pacemaker's own schema."""
        return self._run(["cibadmin", "--empty"], "cannot make an empty configuration")

    def has_cib(self):
        return os.path.exists(os.path.join(CIB_DIRECTORY, "cib.xml"))

    def seed(self, cib):
        """Write the configuration that the first start finds. Only before it: never over an existing one."""
        path = os.path.join(CIB_DIRECTORY, "cib.xml")
        descriptor = os.open(path + ".seed", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(cib)
        os.chown(path + ".seed", pwd.getpwnam(CIB_USER).pw_uid, grp.getgrnam(CIB_GROUP).gr_gid)
        try:
            os.link(path + ".seed", path)                # fails when it exists
        finally:
            os.unlink(path + ".seed")

    # --- single nodes and resources --------------------------------------------------------------------------------------------------

    def local_node(self):
        return self._run(["crm_node", "--name"], "cannot learn this node's name").strip()

    def set_standby(self, node, standby):
        argv = ["crm_attribute", "--type", "nodes", "--node", node, "--name", "standby"] + (["--update", "on"] if standby else ["--delete"])
        self._run(argv, f"cannot change standby of {node}")

    def set_maintenance(self, node, maintenance):
        argv = ["crm_attribute", "--type", "nodes", "--node", node, "--name", "maintenance"] + (["--update", "true"] if maintenance else ["--delete"])
        self._run(argv, f"cannot change maintenance of {node}")

    def cleanup(self, resource, node=None):
        argv = ["crm_resource", "--cleanup"] + (["--resource", resource] if resource else []) + (["--node", node] if node else [])
        self._run(argv, f"cannot forget the failures of {resource or 'the resources'}", timeout_s=120)

    def switch(self, node, power, timeout_s):
        """Let the fencer switch a node on or off, and wait until it has."""
        argv = ["stonith_admin", "--unfence" if power else "--fence", node, f"--timeout={timeout_s}"]
        self._run(argv, f"the fencer did not switch {node} {'on' if power else 'off'}", timeout_s=timeout_s + 30,
                  hint="Look at 'stonith_admin --history=*' and at the journal of pacemaker on all nodes.")

    def restart(self, resource, timeout_s):
        self._run(["crm_resource", "--restart", "--resource", resource, f"--timeout={timeout_s}s"], f"resource {resource} did not restart",
                  timeout_s=timeout_s + 60,
                  hint="Look at the journal of the service and at 'crm_mon -1r'.")

    # --- plumbing ------------------------------------------------------------------------------------------------------------------

    def _run(self, argv, what, stdin=None, timeout_s=60, hint=""):
        code, out, err = system.run(argv, stdin=stdin, timeout_s=timeout_s)
        if code != 0:
            self._fail(argv, code, out, err, what, hint)
        return out

    @staticmethod
    def _fail(argv, code, out, err, what, hint=""):
        said = " ".join((err.strip() or out.strip()).split())[:600]
        why = f"'{' '.join(argv[:3])}' ended with {code} ({EXIT.get(code, 'unknown')})" + (f": {said}" if said else "")
        if code == MISSING:
            raise NotThere(what, why=f"{argv[0]} is not installed", hint=INSTALL_HINT)
        if code == DISCONNECTED:
            raise NotThere(what, why="the cluster does not run on this host", hint="Start it (pcs cluster start), or run on a node where it runs.")
        raise CoreError(what, why=why, hint=hint, argv=argv, rc=code)


class Clock:
    """Time, so that tests need not wait."""

    now = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)
