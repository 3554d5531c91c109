# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drivers that oned.conf names: looked for at the start as 5.0.2 does, in its order and with its words, but not started.

Of information drivers two kinds are run when a host is monitored: one_im_sh runs the probes of its folder, one_im_eh (the lab's add-on package)
answers itself. Hosts of all others are simulated.
"""
from __future__ import annotations

import contextlib
import getopt
import os
import signal
import stat
import subprocess
import time
from dataclasses import dataclass

from . import template

PROBES_LIMIT_S = 20
VM_TYPES = ("XEN", "KVM", "QEMU", "XML")
# section → its part of the log, what is said before, without a stanza, after; only the first stanza counts
SINGLE = (
    ("TM_MAD", "TM", "Loading Transfer Manager driver.", "E", "Failed to load Transfer Manager driver.", "\tTransfer manager driver loaded"),
    ("HM_MAD", "HKM", "Loading Hook Manager driver.", "I", "Failed to load Hook Manager driver.", "\tHook Manager loaded"),
    ("DATASTORE_MAD", "ImM", "Loading Image Manager driver.", "I", "Failed to load Image Manager driver.", "\tImage Manager loaded"),
    ("MARKET_MAD", "MKP", "Loading Marketplace Manager driver.", "I", "Failed to load Marketplace Manager driver.", "\tMarketplace Manager loaded"),
    ("AUTH_MAD", "AuM", "Loading Auth. Manager driver.", "E", None, "\tAuth Manager loaded"),         # may be missing
)


class NotLoaded(Exception):
    """A driver is missing: 5.0.2 then neither listens nor ends."""


class ProbeError(Exception):
    """Monitoring failed; the message is what the host's ERROR shows."""


@dataclass(frozen=True)
class Driver:
    """A loaded information driver."""

    name: str
    executable: str
    arguments: str = ""

    def command(self, places, host_id, host):
        """Return what to run to monitor a host, None for a simulated one."""
        base = os.path.basename(self.executable)
        if base == "one_im_eh":
            return [self.executable, "--probe", str(host_id), host]
        if base != "one_im_sh":
            return None
        try:
            _options, words = getopt.gnu_getopt(self.arguments.split(), "r:t:lc", ["retries=", "threads=", "local", "force-copy"])
        except getopt.GetoptError as error:
            raise ProbeError(f"{self.name}: ARGUMENTS {self.arguments}: {error}") from None
        # hypervisor, datastores, port and interval of the collector, host; 5.0.2 gives the same
        return [str(places.remotes / "im/run_probes"), words[0] if words else "", str(places.datastores), "4124", "20", str(host_id), host]


def load(config, places, log):
    """Look for the drivers of oned.conf; return name → Driver of the information drivers."""
    def stanzas(section):
        return [value for name, value in config.attributes if name == section and isinstance(value, dict)]

    log.info("VMM", "Loading Virtual Machine Manager drivers.")
    for stanza in stanzas("VM_MAD"):
        name, kind = stanza.get("NAME", ""), stanza.get("TYPE", "").upper()
        log.info("VMM", f"\tLoading driver: {name} ({kind})")
        if kind not in VM_TYPES:
            log.error("VMM", f"\tUnknown driver type: {kind}")          # and goes on without it
            continue
        executable(stanza, places, log)
        log.info("VMM", f"\tDriver {name} loaded.")
    log.info("InM", "Loading Information Manager drivers.")
    found = {}
    for stanza in stanzas("IM_MAD"):
        name = stanza.get("NAME", "")
        log.info("InM", f"\tLoading driver: {name}")
        driver = Driver(name, executable(stanza, places, log), stanza.get("ARGUMENTS", ""))
        found.setdefault(name, driver)                                  # of two with one name the first is found
        log.info("InM", f"\tDriver {name} loaded")
    for section, part, before, level, missing, after in SINGLE:
        stanza = next(iter(stanzas(section)), None)
        if stanza is None and missing is None:
            continue
        log.info(part, before)
        if stanza is None:
            log.write(part, level, missing)
            raise NotLoaded(section)
        executable(stanza, places, log)
        log.info(part, after)
    return found


def executable(stanza, places, log):
    """Return the path of a stanza's executable, which has to be a program that may be run."""
    given = stanza.get("EXECUTABLE", "")
    if not given:
        log.error("MAD", "Wrong attributes for the driver")
        raise NotLoaded(given)
    path = given if given.startswith("/") else str(places.mads / given)
    try:
        runs = stat.S_ISREG(os.stat(path).st_mode) and os.access(path, os.X_OK)
        problem = "" if runs else "Permission denied"
    except OSError as error:
        problem = error.strerror
    if problem:
        log.error("MAD", f"Cannot load driver {path}, {problem}")
        log.error("MAD", "MAD did not answer INIT command")
        raise NotLoaded(path)
    return path


def probe(command, places, log, limit_s=PROBES_LIMIT_S):
    """Run a host's probes; return what they say as a list of template elements."""
    environment = {**os.environ, "LANG": "C", "ONE_STANDIN_ROOT": str(places.root)}
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd="/",
                                   start_new_session=True)
    except OSError as error:
        raise ProbeError(f"{command[0]}: {error.strerror}") from None
    try:
        said, complaint = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise ProbeError(f"Error executing {os.path.basename(command[0])}: no answer in {limit_s} s") from None
    lines = [line for line in complaint.decode(errors="replace").splitlines() if line.strip()]
    for line in lines:
        log.write("InM", "I", f"Command execution: {line}")
    if process.returncode:
        errors = [line for line in lines if line.startswith("Error executing ")]
        others = [line for line in lines if line not in errors and not line.startswith("ERROR MESSAGE ")]
        raise ProbeError(": ".join([*errors, *others[-1:]]) or f"Error executing {os.path.basename(command[0])}")     # the last line is the exception
    try:
        return template.read(said.decode(errors="replace"))
    except template.TemplateError as error:
        log.error("ONE", f"Error parsing host information: {error}")
        raise ProbeError("Error parsing monitor information. Check oned.log for more details.") from None


def stamped(text):
    """Return an error as templates keep it: with the time before it."""
    return f"{time.strftime('%a %b %e %H:%M:%S %Y')} : {text}"
