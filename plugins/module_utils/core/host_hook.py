# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HOST_HOOK on ERROR: what becomes of the VMs of a host that OpenNebula does not reach any more.

What ft/host_error.rb of a release can do (share/hooks at the release's tag; installed in /var/lib/one/remotes/hooks/ft, which is also where the daemon
looks for a COMMAND that is no absolute path and not REMOTE, HostPool.cc from 3.2 to 5.8)::

    3.2 – 3.6   $HID -r|-d y|n        no -m, no -p; y takes suspended VMs, too
    3.8 – 4.6   $ID -r|-d [-f] [-p n]
    4.8 – 5.0   $ID -m|-r|-d [-f] [-p n]
    5.2 – 5.8   $ID -m|-r|-d [-f] [-p n] [-u]       runs ft/fence_host.sh <host as XML, base64> and stops when that fails, unless -u
    5.9.80 on   hooks are objects in the database, HOST_HOOK is not read

Up to 5.0 it fences nothing, and after the n cycles of -p it judges by the host's state from before them: a host that came back loses its VMs all the same
(5.2 reads again). There the hook is our WRAPPER, which takes the same arguments, -u included, waits, reads the host again, runs the same fence_host.sh,
and lets host_error.rb go on only then. Whatever it cannot find out ends it without a touch of any VM.
"""
from __future__ import annotations

import re
from dataclasses import dataclass

from .clouds.driver import STATES, Option, filled, mistakes
from .versions import has_host_hook, number

OPTIONS = {
    "action": Option(choices=("migrate", "recreate", "delete")),
    "force_suspended": Option("bool", default=False),
    "cycles": Option("int", default=5),
    "fence": Option("dict"),
    "state": Option(default="present", choices=STATES),
}
FENCE = {
    "script": Option(),         # the text of a program that gets the host (XML, base64) as its one argument and ends with 0 when it is off
    "program": Option(),        # the path of such a program, which is there already
}
SECTION, NAME = "HOST_HOOK", "error"
COMMAND = "ft/host_error.rb"
WRAPPER = "ft/constellation_host_error"
FENCE_FILE = "ft/fence_host.sh"
FLAGS = {"migrate": "-m", "recreate": "-r", "delete": "-d"}
GETOPT_SINCE = (3, 8)
MIGRATE_SINCE = (4, 8)
FENCES_SINCE = (5, 2)
MAX_CYCLES = 1000

_PATH = re.compile(r"(/[A-Za-z0-9_.+-]+)+\Z")
_FAILS_FIRST = re.compile(r"(echo\b.*(&&|;)\s*)?exit\s+[1-9][0-9]*\Z")
_DOES_NOTHING = re.compile(r"(set\s.*|true|:|exit\s+0|exit|echo\b[^;&|`$]*)\Z")
_PASSWORD = re.compile(r"(?i)(passw(or)?d|secret)=[^\s$(`<]|\s-p\s+[^\s$(`<-]")

_WRAPPER = r"""#!/bin/sh
# Written by constellation.opennebula. Waits, looks again and fences the host; only then host_error.rb acts on its VMs.
# Up to OpenNebula 5.0 host_error.rb fences nothing, and after -p cycles it goes by the state from before them.
# constellation_host_error <host id> [-p <cycles>] [-u: do not fence] <other arguments of host_error.rb>
here=$(dirname "$0")
id=$1
shift

refuse() {
    echo "host $id: $*; its VMs were not touched" >&2
    exit 1
}

cycles=0
fence=yes
left=$#
while [ "$left" -gt 0 ]; do
    word=$1
    shift
    left=$((left - 1))
    case $word in
        -p) cycles=$1; shift; left=$((left - 1)) ;;
        -u) fence=no ;;
        *) set -- "$@" "$word" ;;
    esac
done

if [ "$cycles" -gt 0 ]; then
    interval=$(sed -n 's/^ *@INTERVAL@ *= *"*\([0-9][0-9]*\).*/\1/p' @VAR@/config | head -n 1)
    [ -n "$interval" ] || refuse "@INTERVAL@ is not in @VAR@/config"
    sleep "$((cycles * interval))"
fi

host=$(onehost show -x "$id") || refuse "onehost show failed"
state=$(printf '%s\n' "$host" | sed -n 's:.*<STATE>\([0-9][0-9]*\)</STATE>.*:\1:p' | head -n 1)
case $state in
    3|5) ;;     # ERROR, and ERROR while it is monitored
    '') refuse "onehost show tells no state" ;;
    *) echo "host $id: it is not in error any more (state $state); its VMs were not touched"; exit 0 ;;
esac

if [ "$fence" = yes ]; then
    "$here/fence_host.sh" "$(printf '%s\n' "$host" | base64 -w 0)" || refuse "fence_host.sh failed"
fi
exec "$here/host_error.rb" "$id" "$@"
"""
_CALL = "#!/bin/sh\n# Written by constellation.opennebula: the program that fences a host; it gets the host as XML in base64.\nexec @PROGRAM@ \"$@\"\n"


@dataclass(frozen=True)
class HostHook:
    """stanzas: for oned_conf; files: for host_files, to be there before the stanza; programs: paths that must exist and be executable."""

    stanzas: tuple = ()
    files: tuple = ()
    programs: tuple = ()
    warnings: tuple = ()


def problems(options, release):
    """Return the mistakes as sentences that begin with the option they mean.

    >>> problems({"action": "delete", "cycles": -1}, "5.0.2")
    ['cycles must be between 0 and 1000']
    """
    if not options:
        return []
    found = mistakes(options, OPTIONS)
    if found:
        return found
    if not has_host_hook(release):
        return [f"state: OpenNebula {release} has no HOST_HOOK in oned.conf, its hooks are objects (onehook create); declared hooks are for releases up to 5.8"]
    given = filled(options, OPTIONS)
    found += mistakes(given["fence"] or {}, FENCE, "fence.")
    if found or given["state"] != "present":
        return found
    if given["action"] is None:
        found.append("action is missing; use one of: " + ", ".join(FLAGS))
    if given["action"] == "migrate" and number(release) < MIGRATE_SINCE:
        found.append(f"action must be recreate or delete: host_error.rb of OpenNebula {release} cannot migrate, 4.8 was the first")
    if not 0 <= given["cycles"] <= MAX_CYCLES:
        found.append(f"cycles must be between 0 and {MAX_CYCLES}")
    return found + _fence_problems(given["fence"] or {}, given["action"])


def _fence_problems(fence, action):
    script, program = (fence.get(name) for name in FENCE)
    if script is None and program is None:
        if action in ("migrate", "recreate"):
            return [f"fence is missing: action {action} starts the VMs of a host that does not answer on another one, and as long as nobody switched it off "
                    "they may still run there, twice on the same disks; give fence.script or fence.program, or choose delete"]
        return []
    if script is not None and program is not None:
        return ["fence.script and fence.program exclude each other"]
    if program is not None:
        return [] if _PATH.match(program) else ["fence.program must be an absolute path of letters, digits and _.+-"]
    return [f"fence.script {fault}" for fault in fence_faults(script)]


def fence_faults(text):
    """Return why a script cannot be one that fences; what is shipped as fence_host.sh from 5.2 on is recognised.

    >>> fence_faults("#!/bin/bash\\n# To enable remove this line\\nexit 1\\n")
    ['fails before it fences: remove the shipped line that exits with 1']
    """
    lines = [line.strip() for line in text.splitlines()]
    doing = [line for line in lines if line and not line.startswith("#")]
    if not doing:
        return ["is empty: it would report success without fencing"]
    if not text.startswith("#!"):
        return ["must begin with #! and its interpreter"]
    if _FAILS_FIRST.match(doing[0]):
        return ["fails before it fences: remove the shipped line that exits with 1"]
    if all(_DOES_NOTHING.match(line) for line in doing):
        return ["does nothing: it would report success without fencing"]
    if doing[-1] == "fi" and "XPATH_ELEMENTS" in text:
        return ["is the shipped one without its first line: the call at its end is still a comment, so it would report success without fencing"]
    return []


def describe(options, release, remotes="/var/lib/one/remotes"):
    """Return the HostHook for options without problems.

    >>> describe({"action": "migrate", "fence": {"program": "/usr/local/sbin/fence-host"}}, "5.2.1").stanzas[0]["settings"]["ARGUMENTS"]
    '$ID -m -p 5'
    """
    if not options:
        return HostHook()
    given = filled(options, OPTIONS)
    if given["state"] != "present":
        # the shipped file has this stanza as a comment: absent means its bytes are back
        settings = shipped(release) if given["state"] == "absent" else {}
        return HostHook(stanzas=({"section": SECTION, "name": NAME, "settings": settings, "state": "commented"},))
    fence, hooks = given["fence"] or {}, f"{remotes}/hooks/"
    wrapped = number(release) < FENCES_SINCE
    settings = {"ON": "ERROR", "COMMAND": WRAPPER if wrapped else COMMAND, "ARGUMENTS": _arguments(given, release), "REMOTE": "no"}
    files = []
    if fence.get("script") is not None:
        files.append(_file(hooks + FENCE_FILE, fence["script"], "0700"))
    elif fence.get("program") not in (None, hooks + FENCE_FILE):
        files.append(_file(hooks + FENCE_FILE, _CALL.replace("@PROGRAM@", fence["program"])))
    if wrapped:
        files.append(_file(hooks + WRAPPER, wrapper(release, remotes.rpartition("/")[0])))
    programs = tuple(path for path in (fence.get("program"), hooks + COMMAND) if path)
    stanza = {"section": SECTION, "name": NAME, "settings": settings, "state": "present"}
    return HostHook((stanza,), tuple(files), programs, tuple(_warnings(given, release)))


def shipped(release):
    """Return the settings of the commented-out stanza that the release ships."""
    if number(release) < GETOPT_SINCE:
        arguments = "$HID -r n"
    else:
        arguments = "$ID -r" if number(release) < MIGRATE_SINCE else "$ID -m -p 5"
    return {"ON": "ERROR", "COMMAND": COMMAND, "ARGUMENTS": arguments, "REMOTE": "no"}


def wrapper(release, var="/var/lib/one"):
    """Return the text of the wrapper; ``var`` is where the daemon writes the configuration that it runs with."""
    interval = "HOST_MONITORING_INTERVAL" if number(release) < (4, 0) else "MONITORING_INTERVAL"
    return _WRAPPER.replace("@INTERVAL@", interval).replace("@VAR@", var)


def _arguments(given, release):
    fenced = bool(given["fence"])
    if number(release) < GETOPT_SINCE:
        words = ["$HID", "-p", str(given["cycles"]), "" if fenced else "-u", FLAGS[given["action"]], "y" if given["force_suspended"] else "n"]
    else:
        words = ["$ID", FLAGS[given["action"]], "-f" if given["force_suspended"] else "", "-p", str(given["cycles"]), "" if fenced else "-u"]
    return " ".join(word for word in words if word)


def _file(path, content, mode="0755"):
    return {"path": path, "content": content, "mode": mode, "owner": "oneadmin", "group": "oneadmin"}


def _warnings(given, release):
    fence = given["fence"] or {}
    if not fence:
        yield "action delete without fence: OpenNebula forgets the VMs and gives their addresses away while they may still run on the host"
    if given["action"] == "migrate" and given["force_suspended"]:
        yield "force_suspended with action migrate: OpenNebula reschedules no suspended VM, so they stay where they are"
    if fence.get("script") is not None and _PASSWORD.search(fence["script"]):
        yield "fence.script seems to hold a password; its text is shown in the diff, so let it read the password from a file of its own"
    if number(release) >= FENCES_SINCE and given["action"] == "delete" and not given["force_suspended"]:
        yield f"action delete: host_error.rb of OpenNebula {release} deletes suspended and powered-off VMs with it, whatever force_suspended says"
    if given["cycles"] == 0:
        yield "cycles 0: one missed answer of a host is enough, it is acted upon at once"
