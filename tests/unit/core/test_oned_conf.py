# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""oned.conf documents: what the daemon accepts, what it loads, and every byte back."""
from __future__ import annotations

import json
import pathlib
import random
import re

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core import oned_conf

FIXTURES = pathlib.Path(__file__).resolve().parents[3].parent / "shared" / "fixtures"
BASE = 'DB = [ BACKEND = "sqlite" ]\nLOG = [ SYSTEM = "file", DEBUG_LEVEL = 3 ]\nLISTEN_ADDRESS = "127.0.0.1"\n'

# The daemon's behaviour in short, release 5.0.2 (measured): text → values, or the step of the grammar that refuses.
LOADED = [
    ('PORT = "2640"\n', [("PORT", "2640")]),
    ("port = 2640\n", [("PORT", "2640")]),
    ("Port = 1\nPORT = 2\n", [("PORT", "1"), ("PORT", "2")]),
    ('X = [ A = "1", a = "2" ]\n', [("X", {"A": "1"})]),
    ('X = [\n  A = "1", # first\n# B = "2",\n  C = "3" # third\n]\n', [("X", {"A": "1", "C": "3"})]),
    ('X = [ A = "1" ] Y = [ B = "2" ]', [("X", {"A": "1"}), ("Y", {"B": "2"})]),
    ('X = "1" Y = 2 Z = 3\n', [("X", "1"), ("Y", "2"), ("Z", "3")]),
    ("X = abc#def\n", [("X", "abc")]),
    ("X = # note\nY = 1\n", [("X", "note"), ("Y", "1")]),
    ("X =   \nY = 1\n", [("X", ""), ("Y", "1")]),
    ('X = ""\n', [("X", "")]),
    ('X = "a\n  b\nc"\n', [("X", "a\n  b\nc")]),
    ('X = "a \\"b\\" c"\n', [("X", 'a "b" c')]),
    ('X = "a\\nb\\\\c"\n', [("X", "a\\nb\\\\c")]),
    ('X = "a\\"\n', [("X", "a\\")]),
    ('X = "abc\n', [("X", '"abc')]),
    ('X = "1";\n', [("X", '"1";')]),
    ('X = "1"abc\n', [("X", '"1"abc')]),
    ('X = "1"\r\nY =\r\n', [("X", '"1"\r'), ("Y", "\r")]),
    ("1X = 1\n", [("ONE_1X", "1")]),
    ("\ufeffX := 1\n", [("X", "1")]),
    ("X = ,a\n", [("X", "a")]),
    ("X = ,\nY\n", [("X", "Y")]),
    ('A = 1\nX = "a]]>b"\nY ]]]] = [ = \n', [("A", "1")]),
    ('X = "a\n]]>"\nY = 1\n', [("X", "a\n]]>"), ("Y", "1")]),
    ("# X = ]]>\nY = 1\n", [("Y", "1")]),
    ("", []),
    ("# nothing\n", []),
    ("\0\1\2\n", []),
    ('X = "a\0b"\n', [("X", "a")]),
]
REFUSED = [
    ("X = a,b\n", "file"), ("X = a]b\n", "file"), ("X = a=b\n", "file"), ("= 1\n", "file"),
    ("X\nY = 1\n", "name"), ("X 1\n", "name"), ("X: 1\n", "name"), ("X.Y = 1\n", "name"), ("[main]\nX = 1\n", "name"),
    ('X [ A = "1" ]\n', "name"), ("// comment\nX = 1\n", "name"), ("A = 1\n# last words", "name"),
    ("X =", "value"),
    ("X = [ ]\n", "vector"), ("X = []\n", "vector"), ("X = [ , ]\n", "vector"), ("X = [", "vector"),
    ("X = [ A ]\n", "key"), ("X = [ A =\n]\n", "key"),
    ('X = [ A = [ B = "1" ] ]\n', "key value"), ('X = [\n A = "x]]>"\n]\n', "key value"), ("X = [ A = ", "key value"),
    ('X = [ A = "1"\n B = "2" ]\n', "pair"), ("X = [ A = 1 # open\n", "pair"),
    ('X = [ A = "1", ]\n', "comma"),
]
WARNED = [
    ('X = "a]]>b"\n', "cdata", (1, 7)), ("A = 1\nX = 2\r\n", "crlf", (2, 6)), ("A = 1\nX-= 2\n", "dropped", (2, 2)), ("X = # a\n", "dropped", (1, 5)),
    ('X = "1";\n', "quotes", (1, 5)), ('X = "abc\n', "quotes", (1, 5)), ('X = "a\nY = "\n', "runaway", (1, 5)),
    ('A = "C:\\dir\\"\nB = 1\nC = "\n', "runaway", (1, 5)),
    ('X = [ A = "1",\n A = "2" ]\n', "duplicate", (2, 2)), ("X = a\0b\n", "nul", (1, 5)), ("X = [ ]\n", "empty", (1, 7)),
]


@pytest.mark.parametrize("text, values", LOADED)
def test_parse_loads_what_the_daemon_loads(text, values):
    document = oned_conf.parse(text, release="5.0.2")
    assert document.values() == values
    assert document.render() == text


@pytest.mark.parametrize("text, step", REFUSED)
def test_parse_refuses_what_the_daemon_refuses(text, step):
    with pytest.raises(oned_conf.NotParsed) as caught:
        oned_conf.parse(text, "/etc/one/oned.conf", "5.0.2")
    error = caught.value
    assert error.data["expected"] == step
    assert error.where.startswith("/etc/one/oned.conf:") and error.why and error.hint and error.data["daemon"].startswith("syntax error, unexpected ")


def test_every_way_to_be_refused_has_its_test():
    assert {step for unused, step in REFUSED} == set(oned_conf.EXPECTED)


@pytest.mark.parametrize("text, kind, place", WARNED)
def test_parse_warns_about_what_the_daemon_swallows(text, kind, place):
    try:
        found = oned_conf.parse(text).warnings
    except oned_conf.NotParsed:
        pytest.fail("the daemon accepts this")
    assert (kind, place) in [(warning.kind, (warning.line, warning.column)) for warning in found]


def test_warnings_never_carry_values():
    text = 'PASSWD = "CANARY-1";\nX = [ PASSWD = "CANARY-2\nY = "\n, Z = "CANARY-3"x ]\n'
    told = "".join(map(str, oned_conf.parse(text).warnings))
    assert "quote" in told and "CANARY" not in told


def test_empty_stanza_is_accepted_by_later_releases():
    assert oned_conf.parse("X = [ ]\n", release="7.4.0").values() == [("X", {})]
    with pytest.raises(oned_conf.NotParsed):
        oned_conf.parse("X = [ ]\n", release="5.2.1")


def test_bytes_survive_and_own_values_are_readable():
    data = b'X = "a\xf1o"\nY = "\xc3\xb1"\r\n'
    document = oned_conf.parse(data)
    assert oned_conf.encode(document.render()) == data
    assert document.get("y") == '"\xf1"\r'


def test_get_returns_the_first_and_stanzas_all():
    document = oned_conf.parse('A = 1\na = 2\nIM_MAD = [ NAME = "kvm" ]\nIM_MAD = [ name = "ec2" ]\n')
    assert document.get("A") == "1" and document.get("B", "none") == "none"
    assert document.stanzas("im_mad") == [{"NAME": "kvm"}, {"NAME": "ec2"}]


COMMENTED = '''# Prose: PORT = a port of your choice
#  MODE = one of A and B
#MANAGER_TIMER = 15
   # LISTEN = "a"   # note

# DB = [ BACKEND = "mysql",
#        PASSWD  = "x" ]
VNC_PORTS = [ START = 5900
#    RESERVED = "1"
]
#VM_MAD = [
#    NAME = "ec2",
##   DEFAULT = "x",
#    ACTIONS = "a,
#        b" ]
#---------
# X = [ NAME = "never closed",
'''


def test_commented_attributes_are_recognised_and_prose_is_not():
    document = oned_conf.parse(COMMENTED)
    found = [(commented.attribute.name, commented.attribute.value) for commented in document.commented]
    assert found == [("MANAGER_TIMER", "15"), ("LISTEN", "a"), ("DB", {"BACKEND": "mysql", "PASSWD": "x"}),
                     ("VM_MAD", {"NAME": "ec2", "ACTIONS": "a,\n        b"})]
    last = document.commented[-1]
    assert COMMENTED[last.start:last.end].count("\n") == len(last.marks) == 5 and all(COMMENTED[mark] == "#" for mark in last.marks)


def _random_text(rng):
    pieces = ["A", "NAME1", "=", " = ", "[", "]", ",", '"', "\\", "#", "\n", " ", "\t", "\r", '"v"', "v", "]]>", "-", "\udcff", "é", "\0", "=\n", '" "']
    return "".join(rng.choice(pieces) for unused in range(rng.randrange(24)))


def test_random_texts_round_trip_and_offsets_hold():
    rng, accepted = random.Random(20261121), 0
    for unused in range(3000):
        text = _random_text(rng)
        try:
            document = oned_conf.parse(text)
        except oned_conf.NotParsed:
            continue
        accepted += 1
        assert document.render() == text and list(document.commented) is not None and document.warnings is not None
        for attribute in document.attributes:
            for start, value, end in [(attribute.start, attribute.value_start, attribute.end)] + [(p.start, p.value_start, p.end) for p in attribute.pairs
                                                                                                  or ()]:
                assert 0 <= start < value <= end <= len(text)
    assert accepted > 300


# -- against what the real daemons said, when it is here

def _bytes(text):
    return re.sub(r"\\x([89a-f][0-9a-f])", lambda match: chr(0xdc00 + int(match.group(1), 16)), text)


def _dump(values):
    """Print values as the daemon does in $VAR/config."""
    lines = [f"{name}=" + (",".join(f"{key}={value[key]}" for key in sorted(value)) if isinstance(value, dict) else value) for name, value in values]
    return [part for line in lines for part in line.split("\n")]


@pytest.mark.skipif(not FIXTURES.exists(), reason="recordings of the real daemons are not here")
def test_recorded_cases_agree_with_the_daemons(record_property):
    cases = json.loads((FIXTURES / "oned_conf_cases.json").read_text())["cases"]
    assert cases
    for case in cases:
        text = _bytes(case["input"]) if case["whole_file"] else BASE + _bytes(case["input"])
        try:
            document, refusal = oned_conf.parse(text, release=case["version"]), None
        except oned_conf.NotParsed as error:
            document, refusal = None, error
        assert (refusal is None) == case["accepted_by_parser"], case
        if refusal:
            assert refusal.data["daemon"] in case["stdout"], case
            assert _bytes(case["stdout"]).startswith(refusal.data["echo"])
        else:
            assert document.echo == _bytes(case["stdout"]) and document.render() == text
            ours = _dump(oned_conf.parse(_bytes(case["input"]), release=case["version"]).values())
            dumped = [_bytes(line) for line in case["parsed"]["lines_added_to_the_dump"]]
            if "vector empty" in case["name"] and case["version"] != "7.4.0":
                continue        # 5.12 and 6.10 accept it and stop, or crash, while they dump it
            # what the daemon adds by itself is not in the input; a duplicate of the base file does not show in the dump
            ours = [line for line in ours if line not in dumped and not case["whole_file"]]
            assert not ours, (case["name"], case["version"], ours, dumped)
    print(f"{len(cases)} recorded cases agree")
    record_property("cases", len(cases))


@pytest.mark.skipif(not FIXTURES.exists(), reason="recordings of the real daemons are not here")
def test_shipped_files_load_as_the_daemon_loaded_them():
    files = sorted(path for path in (FIXTURES / "config").glob("*/*.conf") if path.with_name(path.name + ".parsed").exists())
    assert files
    for path in files:
        data = path.read_bytes()
        document = oned_conf.parse(data, str(path))
        assert oned_conf.encode(document.render()) == data
        # 3.2.1 ends in a row of stars without a newline
        assert not [warning for warning in document.warnings if (warning.kind, path.parent.name) != ("dropped", "3.2.1")]
        # the recording ran in a directory of its own
        dumped = path.with_name(path.name + ".parsed").read_bytes().decode("utf-8", "surrogateescape").split("\n")
        ours = [line.replace("=/srv/one", "=/var/tmp/one") if line.startswith("SCRIPTS_REMOTE_DIR=") else line for line in _dump(document.values())]
        assert not [line for line in ours if line not in dumped], path
        for name in {name for name, unused in document.values() if not name.endswith("_MAD_CONF")}:     # built-in ones of these are added
            assert [line for line in ours if line.startswith(name + "=")] == [line for line in dumped if line.startswith(name + "=")], (path, name)
    print(f"{len(files)} shipped files agree with the daemon")
