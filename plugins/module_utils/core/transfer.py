# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transfer script of a VM, step by step: which file, which commands, what was done of it, and what a request makes of it.

The daemon writes $VAR/vms/<id>/transfer.<SEQ of the last history record>.<kind> each time it triggers a step, and leaves it there. One command a line:
  <COMMAND> <driver> <arguments …> <VM id> <datastore id>          blank lines and lines that begin with # are skipped
and runs for each $VAR/remotes/tm/<driver>/<command in lower case> with the arguments (src/tm_mad/one_tm.rb). Words end at blanks only. Up to 5.4 they are
then joined and given to a shell, which takes quotes away (files of a context are written as source:'name'); from 5.6 every word arrives as it stands
in the file. From 5.10 a command with a suffix runs the script without it where there is none with it.

What was done is bound to the file's bytes *and* to when it was written: after a retry by the daemon the same text stands for a new attempt.
A step that was begun and whose end nobody saw is neither done nor undone: tm/ssh/mv begins by deleting the target, so it is run again only on request.
"""
from __future__ import annotations

import hashlib
import re
from collections import namedtuple

from . import recovery, vm_states
from .errors import CoreError, Problems
from .plan import Change, Plan

# What `onevm recover --retry --interactive` accepts, the same from 5.0 to 7.2 (src/cli/one_helper/onevm_helper.rb).
KINDS = {
    "PROLOG_FAILURE": "prolog", "PROLOG_MIGRATE_FAILURE": "migrate", "PROLOG_MIGRATE_POWEROFF_FAILURE": "migrate",
    "PROLOG_MIGRATE_SUSPEND_FAILURE": "migrate", "PROLOG_MIGRATE_UNKNOWN_FAILURE": "migrate", "PROLOG_RESUME_FAILURE": "resume",
    "PROLOG_UNDEPLOY_FAILURE": "resume", "EPILOG_FAILURE": "epilog", "EPILOG_STOP_FAILURE": "stop", "EPILOG_UNDEPLOY_FAILURE": "stop",
}
TO_SHELL_UNTIL = (5, 4)
REST, ALL = "rest", "all"
NOT_RUN, DONE, SKIPPED, FAILED, BEGUN = "not_run", "done", "skipped", "failed", "unknown"
RESULTS = {"begun": BEGUN, "done": DONE, "skipped": SKIPPED, "failed": FAILED}        # a record's word → the step's result
SETTLED = (DONE, SKIPPED)

# number: of the command, from 1; line: in the file; text: as shown and compared; problem: why it cannot be run, or ""
Step = namedtuple("Step", "number line text command driver arguments problem")
# stamp: checksum and time of writing; results: step number → result of earlier calls; scripts: step number → {script, exists, executable, problem}
Transfer = namedtuple("Transfer", "vm path stamp steps results scripts", defaults=((), {}, {}))
Request = namedtuple("Request", "run skip report again", defaults=((), (), False, False))

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# What a shell passes on after taking quotes and backslashes away; everything else it would act upon.
_WORD = re.compile(r"""(?:[^\s'"\\$`;&|<>()*?\[\]{}~#!]|'[^']*'|"[^"$`\\]*"|\\.)+(?=\s|$)""", re.DOTALL)
_PIECE = re.compile(r"""'([^']*)'|"([^"]*)"|\\(.)""", re.DOTALL)
_ERROR = re.compile(r"^ERROR MESSAGE --8<------\n(.*?)ERROR MESSAGE ------>8--$", re.MULTILINE | re.DOTALL)
_PASSWORD = re.compile(r"(?<=://)[^/\s@:]*:[^/\s@]+(?=@)")
MOST_SAID = 2000


def kind_of(vm):
    """Return which transfer script a VM's state belongs to; refuse in the words of onevm, and say what leads on."""
    if vm.state in KINDS:
        return KINDS[vm.state]
    failed = vm.state + "_FAILURE"
    if failed in KINDS:
        hint = f"Recover it with failure first: that brings it to {failed}, from where its steps can be run."
    elif vm_states.is_settled(vm.state) and not vm_states.is_failure(vm.state):
        hint = "Nothing of it is under way."
    else:
        hint = "Its operation has no transfer script: see vm_recovery_info."
    raise CoreError("the transfer cannot be run step by step", f"VM {vm.id}", f"Current LCM STATE '{vm.state}' not compatible with RECOVER RETRY action",
                    f"{hint} Steps are there in {', '.join(KINDS)}.")


def file_of(vm):
    """Return the name of the VM's transfer script within $VAR/vms.

    An old file of an earlier step stays beside the current one, so state and SEQ choose it, not its date.
    """
    return f"{vm.id}/transfer.{vm.seq}.{kind_of(vm)}"


def stamp(data, written):
    """Return what identifies one writing of the file."""
    return {"checksum": hashlib.sha256(data).hexdigest(), "written": written}


def parse(data, release):
    """Return the Steps of a file's bytes.

    >>> parse(b"CLONE ssh fe:/img host:/disk.0 7 1\\n", "5.0.2")[0].arguments
    ('fe:/img', 'host:/disk.0', '7', '1')
    """
    text = data.decode("utf-8", "surrogateescape")
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip() and not line.lstrip().startswith("#")]
    return tuple(_step(number, line, words.split(), release) for number, (line, words) in enumerate(lines, 1))


def _step(number, line, words, release):
    command, driver, arguments, problem = words[0].lower(), "".join(words[1:2]), tuple(words[2:]), ""
    if not _NAME.fullmatch(command) or not _NAME.fullmatch(driver):
        driver, problem = "", "it does not begin with a command and the name of a driver"
    elif vm_states.series(release) <= TO_SHELL_UNTIL:
        arguments, problem = _as_a_shell(" ".join(words[2:]))
    return Step(number, line, shown(" ".join(words)), command, driver, arguments, problem)


def _as_a_shell(text):
    words, place = [], 0
    while place < len(text):
        word = _WORD.match(text, place)
        if not word:
            return (), "a shell, to which this release gives it, would act on its special characters"
        words.append(_PIECE.sub(lambda piece: next(part for part in piece.groups() if part is not None), word.group()))
        place = word.end() + 1
    return tuple(words), ""


def shown(text):
    """Return a text fit for results: printable, and without the password of a URL."""
    return _PASSWORD.sub("(secret)", text).encode("utf-8", "backslashreplace").decode()


def scripts(step):
    """Return the places below remotes/tm at which the step's script may be, best first."""
    names = [step.command, step.command.rpartition(".")[0]]
    return [f"{step.driver}/{name}" for name in names if name and step.driver]


def error_message(stderr):
    """Return why a step failed: what it wrote between the marks, else its last line.

    >>> error_message("INFO: x\\nERROR MESSAGE --8<------\\nno space left\\nERROR MESSAGE ------>8--\\n")
    'no space left'
    """
    marked = _ERROR.search(stderr)
    text = marked.group(1).strip() if marked else next((line.strip() for line in reversed(stderr.splitlines()) if line.strip()), "")
    return shown(text)[-MOST_SAID:] or "it said nothing"


def progress(entries, vm, now):
    """Return step number → result, from the records of this VM that were made with this very file (``now``: its stamp)."""
    return {entry["step"]: RESULTS[entry["result"]] for entry in entries if entry.get("result") in RESULTS and isinstance(entry.get("step"), int)
            and _same(entry, vm, now)}


def reported(entries, vm):
    """Tell whether success was reported for the VM's last step and it is where that leads."""
    last = next((entry for entry in reversed(entries) if entry.get("result") == "reported"), None)
    return bool(last) and last.get("seq") == vm.seq and last.get("leads_to") == vm.state


def record(transfer, step, result, now, **more):
    """Return the entry that notes what became of a step."""
    return dict({"vm": transfer.vm.id, "seq": transfer.vm.seq, "state": transfer.vm.state, "file": transfer.path, "step": step.number, "text": step.text,
                 "result": result, "time": int(now)}, **transfer.stamp, **more)


def _same(entry, vm, now):
    return (entry.get("vm"), entry.get("seq"), entry.get("state")) == (vm.id, vm.seq, vm.state) and {name: entry.get(name) for name in now} == now


def plan(transfer, request):
    """Return the Plan of a request; each change's step is ("run" or "skip", Step), the last one's ("report", None).

    Steps go in the file's order, and none before the ones above it are done or skipped: a directory is moved after what is in it.
    """
    problems = [] if request.run or request.skip or request.report else ["nothing is asked for: use run, skip or report"]
    skips = _skips(transfer, request, problems)
    runs = _runs(transfer, request, problems, set(skips))
    after = dict(transfer.results)
    changes = []
    for step in transfer.steps:
        before = transfer.results.get(step.number, NOT_RUN)
        if step.number in skips and (before not in SETTLED):
            changes.append(_change(transfer, step, before, SKIPPED, "skip"))
            after[step.number] = SKIPPED
        elif step.number in runs and step.number not in skips:
            problems += _obstacles(transfer, step, before, after, request.again)
            changes.append(_change(transfer, step, before, DONE, "run"))
            after[step.number] = DONE
    left = [step for step in transfer.steps if after.get(step.number) not in SETTLED]
    if request.report:
        problems += [f"step {step.number} ({step.text}) is neither run nor skipped, so success cannot be reported" for step in left]
        if not transfer.steps:
            problems.append("the file has no step: nothing shows that the disks are where they should be")
        changes.append(Change("vm", f"{transfer.vm.id} {transfer.vm.name}".strip(), transfer.vm.state, recovery.leads_to(transfer.vm.state, recovery.SUCCESS),
                              step=("report", None)))
    if problems:
        raise Problems(f"cannot do that with the transfer of VM {transfer.vm.id}, {transfer.path}", problems,
                       "Nothing was run. vm_transfer_info lists the steps, their scripts and what was done.")
    return Plan(tuple(changes))


def _change(transfer, step, before, after, verb):
    return Change("step", f"{transfer.vm.id}/{step.number} {step.text}", before, after, step=(verb, step))


def _skips(transfer, request, problems):
    """Return the numbers of the steps to skip: each by its number and its own text."""
    known = {step.number: step for step in transfer.steps}
    wanted = []
    for item in request.skip:
        number, expect = item["step"], " ".join(item["expect"].split())
        if number not in known:
            problems.append(_no_step(number, known))
        elif shown(expect) != known[number].text:
            problems.append(f"step {number} is not skipped: it reads '{known[number].text}', not '{shown(expect)}'")
        else:
            wanted.append(number)
    return wanted


def _runs(transfer, request, problems, skips):
    """Return the numbers of the steps to run; those that are done stay out, unless asked for again."""
    words = [str(word).strip().lower() for word in request.run]
    numbers = [step.number for step in transfer.steps]
    settled = {number for number, result in transfer.results.items() if result in SETTLED}
    if REST in words or ALL in words:
        if len(words) > 1:
            problems.append(f"run names {', '.join(words)}: rest and all stand alone")
        return [number for number in numbers if number not in settled or (ALL in words and request.again)]
    wanted = set()
    for word in words:
        number = int(word) if word.isdigit() else 0
        if number not in numbers:
            problems.append(_no_step(word, numbers))
        elif number in skips:
            problems.append(f"step {number} is to be run and to be skipped")
        elif number not in settled or request.again:
            wanted.add(number)
    return sorted(wanted)


def _no_step(number, known):
    return f"there is no step {number}: " + (f"steps are numbered 1 to {max(known)}" if known else "the file has none") + " (or use rest or all)"


def _obstacles(transfer, step, before, after, again):
    if before == BEGUN and not again:
        yield (f"step {step.number} ({step.text}) was begun and its end was not seen, so what it did is not known: look at its disks, then run it with "
               "again, or skip it")
    above = [other.number for other in transfer.steps if other.number < step.number and after.get(other.number, NOT_RUN) not in SETTLED]
    if above:
        yield f"step {step.number} comes after {_numbers(above)}, which must be run or skipped first"
    if step.problem:
        yield f"step {step.number} ({step.text}) cannot be run: {step.problem}; run it by hand as the daemon's user, then skip it"
    elif transfer.scripts[step.number]["problem"]:
        yield f"step {step.number} ({step.text}) cannot be run: {transfer.scripts[step.number]['problem']}"


def _numbers(numbers):
    return ("step " if len(numbers) == 1 else "steps ") + ", ".join(map(str, numbers))


def told(transfer):
    """Return the steps as data: what info returns, and what a run begins with."""
    return [dict({"number": step.number, "line": step.line, "text": step.text, "command": step.command, "driver": step.driver,
                  "arguments": [shown(word) for word in step.arguments], "result": transfer.results.get(step.number, NOT_RUN)},
                 **dict(transfer.scripts[step.number], problem=step.problem or transfer.scripts[step.number]["problem"])) for step in transfer.steps]
