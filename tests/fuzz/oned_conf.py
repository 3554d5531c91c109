# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Feed oned.conf's reader and editor with what nobody would write, and say what breaks.

``python tests/fuzz/oned_conf.py [--count 10000000] [--seed 1] [--jobs 2]``. An input is one text; shares of them (``--compared``, ``--edits``) are also
read by a second reader and edited.

Reading: only NotParsed may be raised; every byte comes back; offsets hold; what is loaded, or refused, is what the naive reader of reference.py says.
Editing: only CoreError may be raised; the edited text loads exactly what is wanted and everything else as before, letter for letter;
a second edit changes nothing; the masked diff shows no secret.
A text that breaks one of these is printed as it is, so that it can become a regression test.
"""
from __future__ import annotations

import argparse
import json
import multiprocessing
import pathlib
import random
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    import conftest  # noqa: F401  # registers the collection
sys.path.insert(0, str(HERE))
import reference  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.module_utils.core import oned_conf, oned_conf_edit  # noqa: E402
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, Problems  # noqa: E402

CHUNK = 2000
HANG_S = 20         # one input takes less than a millisecond, also on a loaded machine
SIGNS = ["A", "NAME", "1X", "=", " = ", "=\n", "[", " = [ ", "]", " ]\n", ",", ", ", '"', "\\", '\\"', "#", "\n#", "# ", "\n", "\n", " ", "\t", "\r", '"v"',
         '"a b"', "v", "0", "]]>", "-", ";", "'", "\0", "\ufeff", "\udcff", "é", "\x0b", "\x85", "\u2028", "ı", "ß", "٣"]
CORPUS = [
    'PORT = 2633\nLISTEN_ADDRESS = "0.0.0.0"\n',
    'DB = [ BACKEND = "sqlite" ]\n\n# DB = [ BACKEND = "mysql",\n#        PASSWD  = "CANARY-1",\n#        PORT    = 0 ]\n',
    'VNC_PORTS = [\n    START    = 5900\n#    RESERVED = "6800, 6801"\n]\n',
    '#VM_MAD = [\n#    NAME = "a",\n#    K1   = "x",\n##   K2   = "y",\n#    LONG_KEY = "p,\n#        q" ]\n',
    'VM_MAD = [\n    NAME = "b",   # note\n    K1   = "x" ]  # end\n',
    'VM_RESTRICTED_ATTR = "X"\nVM_RESTRICTED_ATTR = "NIC/MAC"\n#VM_RESTRICTED_ATTR = "Y/Z"\n',
    "#*****\n# PORT: a port of your choice\n#  K1 = one of these\n#-----\n\n#MANAGER_TIMER = 15\n",
    's = [k1=1,k2 = 2]\nA = 1 B = 2 C =\n',
    'S = [\n  K1 = 1, # one\n # K2 = "5",\n  K3 = 3 # three\n]',
    'A = "1";\r\nB = "x\\"y"\r\n',
    'A = "q\n# K1 = 2\n"\n',
    '#A = 1\n# A = 2\n   # A = "z"   # w\n',
    'S = [ K1 = 1, # "a\n K1 = 2 ] #A = 1\n',
    'VM_MAD = [ NAME = "a" ] VM_MAD = [ NAME = "b", TOKEN = CANARY-1 ]\n',
]
NAMES = ["A", "B", "port", "S2", "VM_RESTRICTED_ATTR", "MANAGER_TIMER", "TOKEN"]
TARGETS = [("S", None), ("VM_MAD", "a"), ("VM_MAD", "b"), ("VM_MAD", "c"), ("DB", None), ("VNC_PORTS", None), ("VM_MAD", None)]
KEYS = ["K1", "k2", "K3", "LONG_KEY", "RESERVED", "START", "PASSWD", "NAME"]
VALUES = [1, 0, "x", "", "x y", 'q"q', "z\nw", "\\", "a\\b", True, "5", "#", "é", "]", "no", "=", 'e\\"']
SECRET = "CANARY-9f2c"


# -- inputs

def signs(rng):
    return "".join(rng.choices(SIGNS, k=int(rng.random() * 13) + 1))


def mutated(rng):
    text = "".join(rng.choices(CORPUS, k=rng.choice((1, 1, 1, 2))))
    for unused in range(rng.randrange(4)):
        at = rng.randrange(len(text) + 1)
        to = at + rng.randrange(6)
        text = text[:at] + rng.choice(("", rng.choice(SIGNS), text[at:to] * 2)) + text[to if rng.random() < .5 else at:]
    return text


def random_text(rng):
    return signs(rng) if rng.random() < .85 else mutated(rng)


def random_wanted(rng):
    """Return the options (attributes, stanzas) of a module."""
    attributes, stanzas = [], []
    for name in rng.sample(NAMES, rng.choice((0, 0, 1, 1, 2))):
        many = name.endswith("_ATTR") or rng.random() < .1
        value = {"values": rng.sample(["X", "Y/Z", "NIC/MAC", "a b", 'q"'], rng.randrange(1, 4)), "exclusive": rng.random() < .4} if many else {
            "value": rng.choice(VALUES)}
        state = rng.choice(("present", "present", "absent", "commented"))
        if state != "present" and rng.random() < .5:
            value = {}
        attributes.append(dict(value, name=name, state=state))
    for section, name in rng.sample(TARGETS, rng.choice((0, 1, 1, 2, 3)) if attributes else rng.choice((1, 1, 2, 3))):
        chosen = rng.sample(KEYS[:6], rng.randrange(0, 4)) if rng.random() < .9 else rng.sample(KEYS, 2)
        settings = {key: None if rng.random() < .25 else rng.choice(VALUES) for key in chosen}
        state = rng.choice(("present", "present", "absent", "commented"))
        stanza = dict(section=section, name=name, settings=settings, exclusive=rng.random() < .25, state=state)
        if rng.random() < .2 and "PASSWD" not in settings:
            stanza["secrets"] = {"PASSWD": SECRET}
        stanzas.append(stanza)
    return attributes, stanzas


# -- what must hold

def check_reading(text, release, compared=True):
    """Return the Document, None when it is refused."""
    expected = reference.load(text, release != "5.0") if compared else None
    try:
        document = oned_conf.parse(text, "oned.conf", release)
    except oned_conf.NotParsed as error:
        assert not compared or expected is None, f"refused ({error.data['daemon']}), the naive reader loads {expected}"
        assert error.why and error.hint and error.data["daemon"]
        return None
    values = document.values()
    assert not compared or values == expected, f"loaded {values}, the naive reader {'refuses' if expected is None else expected}"
    assert document.render() == text
    at = 0
    for attribute in document.attributes:
        assert at <= attribute.start < attribute.value_start <= attribute.end <= len(text)
        at = attribute.start
        for pair in attribute.pairs or ():
            assert at < pair.start < pair.value_start < pair.end < attribute.end
            at = pair.end
        at = attribute.end
    for found in document.commented:
        assert all(text[mark] == "#" for mark in found.marks) and text[found.start:found.end].count("\n") == len(found.marks)
        assert len(found.bare) + len(found.marks) == found.end - found.start
    for notice in document.warnings:
        assert notice.line >= 1 and notice.column >= 1
    return document


def check_edit(document, attributes, stanzas):
    """Return whether the edit was made (rather than refused with a reason)."""
    try:
        items = oned_conf_edit.wanted(attributes, stanzas)
        plan = oned_conf_edit.plan(document, items)
        text = oned_conf_edit.edit(document, items)
    except CoreError as error:
        assert str(error) and SECRET not in str(error)
        return False
    assert bool(plan) == (text != document.text), "changed and the plan disagree"
    after = oned_conf.parse(text, "oned.conf", document.release)
    assert not oned_conf_edit.plan(after, items) and oned_conf_edit.edit(after, items) == text, "a second edit changes something"
    assert _others(after, items) == _others(document, items), "something else changed"
    for item in items:
        _check_item(document, after, item)
    shown = json.dumps([plan.as_list(), plan.diff(), plan.warnings])
    assert SECRET not in shown, "a secret is shown"
    shown.encode("utf-8")
    return True


def _meant(document, item):
    return [attribute for attribute in document.attributes if attribute.name == item.name and attribute.is_stanza == item.is_stanza
            and (not item.is_stanza or attribute.label == item.label)]


def _others(document, items):
    meant = [id(attribute) for item in items for attribute in _meant(document, item)]
    return [document.text[attribute.start:attribute.end] for attribute in document.attributes if id(attribute) not in meant]


def _check_item(before, after, item):
    was, now = ([attribute.value for attribute in _meant(document, item)] for document in (before, after))
    texts = None if item.values is None else [oned_conf_edit.value_text(value) for value in item.values]
    if item.state != "present":
        kept = [] if item.is_stanza or texts is None else [value for value in was if value not in texts]
        assert now == kept, f"{item.target}: {now} is left"
    elif item.is_stanza:
        assert now[1:] == was[1:] and now, f"{item.target}: {now}"
        for key, value in item.settings.items():
            assert (key not in now[0]) if value is None else oned_conf_edit.same(item.name, key, now[0][key], value), f"{item.target}: {key} in {now[0]}"
        if item.exclusive:
            assert set(now[0]) == {key for key, value in item.settings.items() if value is not None}
        elif was:
            assert {key: value for key, value in now[0].items() if key not in item.settings} == {
                key: value for key, value in was[0].items() if key not in item.settings}
    elif item.many:
        kept = [value for value in was if not item.exclusive or value in texts]
        added = [value for value in texts if value not in was]
        assert sorted(now) == sorted(kept + added), f"{item.target}: {now}"
    else:
        assert now[1:] == was[1:] and oned_conf_edit.same(item.name, None, now[0], item.values[0]), f"{item.target}: {now}"


# -- running

def _hangs(*unused):
    raise TimeoutError(f"no end within {HANG_S} s")


def run_chunk(task):
    """Return (inputs, accepted, edits made, failures) of one chunk; it depends on seed and number only."""
    seed, number, count, compared, edits = task
    rng = random.Random(f"{seed}:{number}")
    accepted = edited = 0
    failures = []
    signal.signal(signal.SIGALRM, _hangs)
    for unused in range(count):
        text, release, wanted = random_text(rng), rng.choice((None, "5.0", "7.4.0")), None
        signal.alarm(HANG_S)
        try:
            document = check_reading(text, release, rng.random() < compared)
            if document is None:
                continue
            accepted += 1
            if rng.random() < edits:
                wanted = random_wanted(rng)
                edited += check_edit(document, *wanted)
        except Exception as error:      # whatever it is, it is what we look for
            failures.append((text, release, wanted, f"{type(error).__name__}: {error}"))
    signal.alarm(0)
    return count, accepted, edited, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=10_000_000)
    parser.add_argument("--compared", type=float, default=.25, help="share of the inputs that the naive reader reads, too")
    parser.add_argument("--edits", type=float, default=.05, help="share of the accepted inputs that is edited")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    options = parser.parse_args()
    tasks = [(options.seed, number, CHUNK, options.compared, options.edits) for number in range(-(-options.count // CHUNK))]
    begin, inputs, accepted, edited, failures = time.monotonic(), 0, 0, 0, []
    with multiprocessing.Pool(options.jobs) as pool:
        for done in pool.imap_unordered(run_chunk, tasks, 8):
            inputs, accepted, edited = inputs + done[0], accepted + done[1], edited + done[2]
            failures += done[3]
            if inputs % 500_000 == 0:
                print(f"{inputs} inputs, {time.monotonic() - begin:.0f} s, {len(failures)} failures", file=sys.stderr, flush=True)
            if len(failures) > 50:
                pool.terminate()
                break
    spent = time.monotonic() - begin
    for text, release, wanted, why in sorted(failures, key=lambda found: len(found[0]))[:20]:
        print(f"{why}\n    text {text!r} release {release} wanted {wanted}")
    print(f"seed {options.seed}: {inputs} inputs in {spent:.0f} s ({inputs / spent:.0f}/s, {options.jobs} processes), {accepted} accepted, "
          f"{edited} edited, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
