# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of oned.conf: the smallest change, in place, reversible, and refused when the daemon would not load it."""
from __future__ import annotations

import difflib
import json
import pathlib
import random

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core import oned_conf, oned_conf_edit, oned_conf_shown
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, Problems

FIXTURES = pathlib.Path(__file__).resolve().parents[3].parent / "shared" / "fixtures"
CANARY = "CANARY-9f2c"
SHIPPED = '''#*******
# Daemon configuration
#*******
LOG = [
  SYSTEM      = "file",
  DEBUG_LEVEL = 3
]

#MANAGER_TIMER = 15
PORT = 2633
LISTEN_ADDRESS = "0.0.0.0"

DB = [ BACKEND = "sqlite" ]

# Sample configuration for MySQL
# DB = [ BACKEND = "mysql",
#        SERVER  = "localhost",
#        PASSWD  = "oneadmin" ]

FEDERATION = [
    MODE        = "STANDALONE",
    ZONE_ID     = 0,
    MASTER_ONED = ""
]

#-------
#IM_MAD = [
#      NAME          = "ec2",
#      SUNSTONE_NAME = "Amazon EC2",
#      EXECUTABLE    = "one_im_sh",
#      ARGUMENTS     = "-c -t 1 -r 0 ec2" ]
#-------

IM_MAD = [
    NAME       = "kvm",     # the local one
    EXECUTABLE = "one_im_ssh",
    ARGUMENTS  = "-r 3 -t 15 kvm" ]

VM_RESTRICTED_ATTR = "CONTEXT/FILES"
VM_RESTRICTED_ATTR = "NIC/MAC"
#VM_RESTRICTED_ATTR = "RANK"
'''


def edited(text, attributes=(), stanzas=(), release="5.0.2"):
    """Return (text after, plan), having seen that a second plan finds nothing and that the changes are the differences."""
    items = oned_conf_edit.wanted(attributes, stanzas)
    document = oned_conf.parse(text, "oned.conf", release)
    plan = oned_conf_edit.plan(document, items)
    after = oned_conf_edit.edit(document, items)
    assert bool(plan) == (after != text)
    assert not oned_conf_edit.plan(oned_conf.parse(after, "oned.conf", release), items)
    return after, plan


def lines_of_diff(before, after):
    return [line for line in difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="") if line[:3] not in ("---", "+++")
            and line[0] != "@"]


EDITS = [
    ("a plain attribute", dict(attributes=[{"name": "port", "value": 2634}]), ["-PORT = 2633", "+PORT = 2634"]),
    ("the same value, spelled otherwise",
     dict(attributes=[{"name": "PORT", "value": "2633"}], stanzas=[{"section": "federation", "settings": {"mode": "standalone"}}]), []),
    ("a commented-out attribute, in place", dict(attributes=[{"name": "MANAGER_TIMER", "value": 30}]), ["-#MANAGER_TIMER = 15", "+MANAGER_TIMER = 30"]),
    ("an attribute goes into a comment", dict(attributes=[{"name": "PORT", "state": "commented"}]), ["-PORT = 2633", "+#PORT = 2633"]),
    ("an attribute goes away", dict(attributes=[{"name": "PORT", "state": "absent"}]), ["-PORT = 2633"]),
    ("an attribute that is not there", dict(attributes=[{"name": "X", "state": "absent"}, {"name": "X2", "state": "commented"}]), []),
    ("a new attribute at the end", dict(attributes=[{"name": "X", "value": 'a "b" \\c'}, {"name": "Y", "value": True}]),
     ['+X = "a \\"b\\" \\c"', '+Y = "YES"']),
    ("a list gets what is missing", dict(attributes=[{"name": "VM_RESTRICTED_ATTR", "values": ["NIC/MAC", "RANK", "NEW"]}]),
     ["-#VM_RESTRICTED_ATTR = \"RANK\"", '+VM_RESTRICTED_ATTR = "RANK"', '+VM_RESTRICTED_ATTR = "NEW"']),
    ("an exclusive list loses the others", dict(attributes=[{"name": "VM_RESTRICTED_ATTR", "values": ["NIC/MAC"], "exclusive": True}]),
     ['-VM_RESTRICTED_ATTR = "CONTEXT/FILES"']),
    ("some of a list go", dict(attributes=[{"name": "VM_RESTRICTED_ATTR", "values": ["NIC/MAC"], "state": "absent"}]), ['-VM_RESTRICTED_ATTR = "NIC/MAC"']),
    ("a stanza is un-commented in place", dict(stanzas=[{"section": "IM_MAD", "name": "ec2", "settings": {"ARGUMENTS": "-c -t 2 -r 0 ec2"}}]),
     ["-#IM_MAD = [", '-#      NAME          = "ec2",', '-#      SUNSTONE_NAME = "Amazon EC2",', '-#      EXECUTABLE    = "one_im_sh",',
      '-#      ARGUMENTS     = "-c -t 1 -r 0 ec2" ]', "+IM_MAD = [", '+      NAME          = "ec2",', '+      SUNSTONE_NAME = "Amazon EC2",',
      '+      EXECUTABLE    = "one_im_sh",', '+      ARGUMENTS     = "-c -t 2 -r 0 ec2" ]']),
    ("settings are added in the layout that is there", dict(stanzas=[{"section": "IM_MAD", "name": "kvm", "settings": {"THREADS": 0, "EXECUTABLE": "x"}}]),
     ['-    EXECUTABLE = "one_im_ssh",', '-    ARGUMENTS  = "-r 3 -t 15 kvm" ]', '+    EXECUTABLE = "x",', '+    ARGUMENTS  = "-r 3 -t 15 kvm",',
      "+    THREADS    = 0 ]"]),
    ("a setting is taken away", dict(stanzas=[{"section": "FEDERATION", "settings": {"ZONE_ID": None}}]), ["-    ZONE_ID     = 0,"]),
    ("the last setting is taken away", dict(stanzas=[{"section": "LOG", "settings": {"DEBUG_LEVEL": None}}]),
     ['-  SYSTEM      = "file",', "-  DEBUG_LEVEL = 3", '+  SYSTEM      = "file"']),
    ("an exclusive stanza has nothing else", dict(stanzas=[{"section": "LOG", "settings": {"SYSTEM": "syslog"}, "exclusive": True}]),
     ['-  SYSTEM      = "file",', "-  DEBUG_LEVEL = 3", '+  SYSTEM      = "syslog"']),
    ("the database stanza looks like the sample",
     dict(stanzas=[{"section": "DB", "settings": {"BACKEND": "mysql", "SERVER": "localhost", "PORT": 0, "DB_NAME": "opennebula"}}]),
     ['-DB = [ BACKEND = "sqlite" ]', '+DB = [ BACKEND = "mysql",', '+       SERVER  = "localhost",', "+       PORT    = 0,",
      '+       DB_NAME = "opennebula" ]']),
    ("a new stanza comes behind its siblings", dict(stanzas=[{"section": "IM_MAD", "name": "one", "settings": {"EXECUTABLE": "one_im_sh"}}]),
     ["+", "+IM_MAD = [", '+    NAME       = "one",', '+    EXECUTABLE = "one_im_sh" ]']),
    ("a stanza goes into a comment", dict(stanzas=[{"section": "LOG", "state": "commented"}]),
     ["-LOG = [", '-  SYSTEM      = "file",', "-  DEBUG_LEVEL = 3", "-]", "+#LOG = [", '+#  SYSTEM      = "file",', "+#  DEBUG_LEVEL = 3", "+#]"]),
    ("a stanza goes away", dict(stanzas=[{"section": "IM_MAD", "name": "kvm", "state": "absent"}]),
     ["-", "-IM_MAD = [", '-    NAME       = "kvm",     # the local one', '-    EXECUTABLE = "one_im_ssh",', '-    ARGUMENTS  = "-r 3 -t 15 kvm" ]']),
]


@pytest.mark.parametrize("wanted, lines", [case[1:] for case in EDITS], ids=[case[0] for case in EDITS])
def test_edit_changes_these_lines_and_no_other(wanted, lines):
    after, plan = edited(SHIPPED, **wanted)
    assert sorted(lines_of_diff(SHIPPED, after)) == sorted(lines)
    assert lines_of_diff(*(plan.diff()[side] for side in ("before", "after"))) == lines_of_diff(SHIPPED, after) or "DB" in str(wanted)


ON = [{"section": "IM_MAD", "name": "ec2"}, {"section": "LOG"}, {"section": "IM_MAD", "name": "kvm", "settings": {"ARGUMENTS": "-r 9"}}]
OFF = [{"section": "IM_MAD", "name": "ec2", "state": "commented"}, {"section": "LOG"},
       {"section": "IM_MAD", "name": "kvm", "settings": {"ARGUMENTS": "-r 3 -t 15 kvm"}}]


def test_undoing_everything_gives_the_original_bytes():
    on, plan = edited(SHIPPED, stanzas=ON)
    assert len(plan.changes) == 2
    assert edited(on, stanzas=OFF)[0] == SHIPPED
    off = edited(SHIPPED, attributes=[{"name": "PORT", "state": "commented"}], stanzas=[{"section": "LOG", "state": "commented"}])[0]
    assert edited(off, attributes=[{"name": "PORT", "value": 2633}], stanzas=[{"section": "LOG"}])[0] == SHIPPED


def test_several_new_stanzas_keep_their_order():
    stanzas = [{"section": "VM_HOOK", "name": name, "settings": {"ON": "DONE"}} for name in ("b", "a")]
    after = edited("PORT = 1", stanzas=stanzas)[0]
    assert after == 'PORT = 1\n\nVM_HOOK = [\n    NAME = "b",\n    ON   = "DONE" ]\n\nVM_HOOK = [\n    NAME = "a",\n    ON   = "DONE" ]\n'


@pytest.mark.parametrize("text, wanted, after", [
    ("A = 1 B = 2 C = 3\n", dict(attributes=[{"name": "B", "state": "absent"}]), "A = 1 C = 3\n"),
    ("A = 1 B = 2 C = 3\n", dict(attributes=[{"name": "B", "state": "commented"}]), "A = 1 \n#B = 2\n C = 3\n"),
    ("A =\nB = 1\n", dict(attributes=[{"name": "A", "value": "x"}]), 'A = "x"\nB = 1\n'),
    ('A = "x" # note', dict(attributes=[{"name": "A", "state": "commented"}]), None),
    ("X = [ a = 1 ]\n", dict(stanzas=[{"section": "X", "settings": {"B": 2}}]), "X = [ a = 1, b = 2 ]\n"),
    ('X=[A="1"]\n', dict(stanzas=[{"section": "X", "settings": {"B": 2}}]), 'X=[A="1", B=2]\n'),
    ("X = [\n  A = 1, # one\n  B = 2 # two\n]\n", dict(stanzas=[{"section": "X", "settings": {"C": 3}}]),
     "X = [\n  A = 1, # one\n  B = 2, # two\n  C = 3\n]\n"),
    ("X = [\n  A = 1, # one\n  B = 2 # two\n]\n", dict(stanzas=[{"section": "X", "settings": {"B": None}}]), "X = [\n  A = 1 # one\n]\n"),
    ("X = [\n  A = 1, # one\n  B = 2 # two\n]\n", dict(stanzas=[{"section": "X", "settings": {"A": None}}]), "X = [\n  B = 2 # two\n]\n"),
    ("X = [ A = 1 ]\n", dict(stanzas=[{"section": "X", "settings": {"B": 2}, "exclusive": True}]), "X = [\n    B = 2 ]\n"),
    ("A = /x\n", dict(attributes=[{"name": "A", "value": "C:\\dir\\"}]), "A = C:\\dir\\\n"),
    ("VNC_PORTS = [\n    START    = 5900\n#    RESERVED = \"6800\"   # note\n]\n", dict(stanzas=[{"section": "VNC_PORTS", "settings": {"RESERVED": 6800}}]),
     "VNC_PORTS = [\n    START    = 5900,\n    RESERVED = \"6800\"   # note\n]\n"),
    ("X = [\n    A = 1,\n    # B = \"2\",\n    C = 3 ]\n", dict(stanzas=[{"section": "X", "settings": {"b": "x"}}]),
     "X = [\n    A = 1,\n    B = \"x\",\n    C = 3 ]\n"),
    ("X = [\n    A = 1,\n    # B = 2\n    # B = 3\n    C = 3\n]\n", dict(stanzas=[{"section": "X", "settings": {"B": 3, "C": None, "D": 4}}]),
     "X = [\n    A = 1,\n    # B = 2\n    B = 3,\n    D = 4\n]\n"),
    ("X = [\n    A = 1\n    # B = 2\n    # C = 3\n]\n", dict(stanzas=[{"section": "X", "settings": {"B": 3, "C": 4}}]),
     "X = [\n    A = 1,\n    B = 3,\n    C = 4\n]\n"),
    ("X = [\n    A = 1\n    # B = 2\n, C = 3\n]\n", dict(stanzas=[{"section": "X", "settings": {"B": 3}}]),
     "X = [\n    A = 1\n    # B = 2\n, C = 3,\n    B = 3\n]\n"),
    ("#X = [\n#    A = 1,\n##   B = \"2\",\n#    C = 3 ]\n", dict(stanzas=[{"section": "X", "settings": {"B": "2"}}]),
     "X = [\n    A = 1,\n   B = \"2\",\n    C = 3 ]\n"),
])
def test_edit_of_unusual_layouts(text, wanted, after):
    if after is None:
        with pytest.raises(oned_conf.NotParsed):        # not a comment for the daemon either
            edited(text, **wanted)
    else:
        assert edited(text, **wanted)[0] == after


REFUSED = [
    (dict(attributes=[{"name": "A B", "value": 1}, {"name": "C"}, {"name": "D", "value": [1]}, {"name": "E", "value": "x]]>"}]),
     ["'A B' is no name", "C: value or values is missing", "D: the value is a list", "E: the value has ']]>'"]),
    (dict(attributes=[{"name": "A", "value": "a b\\"}]), ["ends in '\\'"]),
    (dict(attributes=[{"name": "A", "value": "a\0"}]), ["NUL"]),
    (dict(attributes=[{"name": "A", "value": 1}, {"name": "a", "value": 2}]), ["A is declared twice"]),
    (dict(attributes=[{"name": "A", "value": 1, "values": [2]}]), ["either value or values"]),
    (dict(attributes=[{"name": "VM_RESTRICTED_ATTR", "value": "X"}]), ["use values"]),
    (dict(stanzas=[{"section": "IM_MAD", "settings": {"ARGUMENTS": "x"}}]), ["IM_MAD has several stanzas, told apart by NAME; give name as one of: kvm"]),
    (dict(stanzas=[{"section": "PORT", "settings": {"A": "x"}}]), ["PORT is a plain attribute in line 10, wanted is a stanza"]),
    (dict(attributes=[{"name": "LOG", "value": "x"}]), ["LOG is a stanza in line 4, wanted is a plain attribute"]),
    (dict(stanzas=[{"section": "VM_MAD", "name": "x"}]), ["VM_MAD x: there is no such stanza in the file, not even commented out; give its settings"]),
    (dict(stanzas=[{"section": "LOG", "settings": {"SYSTEM": None, "DEBUG_LEVEL": None}}]), ["LOG: no setting would be left"]),
    (dict(stanzas=[{"section": "X", "name": "a", "settings": {"NAME": "b"}}]), ["the setting NAME says something else"]),
    (dict(stanzas=[{"section": "X", "settings": {"PASSWD": "b"}, "secrets": {"passwd": "c"}}]), ["X: PASSWD is declared twice"]),
]


@pytest.mark.parametrize("wanted, told", REFUSED)
def test_mistakes_are_refused_together(wanted, told):
    with pytest.raises(Problems) as caught:
        edited(SHIPPED, **wanted)
    assert len(caught.value.problems) == len(told)
    for problem, part in zip(caught.value.problems, told):
        assert part in problem


def test_edit_behind_the_end_of_reading_is_refused():
    with pytest.raises(CoreError, match=r"would not load B .*oned.conf:1:7: '\]\]>' ends the reading before it"):
        edited('A = "1]]>"\n', attributes=[{"name": "B", "value": 1}])


def test_duplicates_are_told_and_the_first_is_changed():
    after, plan = edited("A = 1\nA = 2\n", attributes=[{"name": "A", "value": 3}])
    assert after == "A = 3\nA = 2\n" and any("A is there 2 times (lines 1, 2)" in warning for warning in plan.warnings)


def test_a_section_of_named_stanzas_asks_for_the_name():
    after, plan = edited(SHIPPED, stanzas=[{"section": "IM_MAD", "state": "absent"}])
    assert after == SHIPPED and plan.warnings == ("IM_MAD has several stanzas, told apart by NAME; give name as one of: kvm",)


DATABASE = [{"section": "DB", "settings": {"BACKEND": "mysql", "USER": "oneadmin"}, "secrets": {"PASSWD": CANARY, "TOKEN_OF_MINE": CANARY + "2"}}]


def test_secrets_are_neither_in_changes_nor_in_diffs():
    after, plan = edited(SHIPPED, stanzas=DATABASE)
    assert f'PASSWD        = "{CANARY}"' in after
    shown = json.dumps([plan.as_list(), plan.diff(), plan.warnings])
    assert CANARY not in shown and "oneadmin" in shown and '\\"oneadmin\\" ]' not in shown
    other = [dict(DATABASE[0], secrets={"PASSWD": CANARY + "3", "TOKEN_OF_MINE": CANARY + "2"})]
    again, plan = edited(after, stanzas=other)
    assert plan.as_list() == [{"kind": "stanza", "target": "DB", "before": {"PASSWD": "(secret)"}, "after": {"PASSWD": "(secret)"}}]
    assert any("(secret, changed)" in line for line in lines_of_diff(plan.diff()["before"], plan.diff()["after"])) and CANARY not in json.dumps(plan.diff())
    hidden, plan = edited(again, stanzas=[dict(other[0], state="commented")])
    assert CANARY in hidden and CANARY not in json.dumps([plan.as_list(), plan.diff()])


def test_masked_hides_passwords_in_prose_too():
    text = "# like PASSWD = \"%s\" here\nX = 1\n# ONE_PASSWORD=%s\n#X = [ PASSWORD = \"a\n#%s\" ]\n" % (CANARY, CANARY, CANARY)
    shown = oned_conf_shown.masked(oned_conf.parse(text))
    assert CANARY not in shown and shown.count("(secret)") == 3 and "here\nX = 1\n" in shown


def _random_wanted(rng):
    attributes, stanzas = [], []
    for name in rng.sample(["A", "B", "PORT", "VM_RESTRICTED_ATTR"], rng.randrange(3)):
        many = name == "VM_RESTRICTED_ATTR"
        value = {"values": rng.sample(["X", "Y/Z", "NIC/MAC", "a b"], rng.randrange(1, 4)),
                 "exclusive": rng.random() < .5} if many else {"value": rng.choice([1, "x", 'q"q', ""])}
        attributes.append(dict(value, name=name, state=rng.choice(["present"] * 3 + ["absent", "commented"])))
    for section, name in rng.sample([("S", None), ("M", "a"), ("M", "b"), ("M", "c")], rng.randrange(4)):
        settings = {key: rng.choice([None, 1, "x y", "z\nw"]) for key in rng.sample(["K1", "K2", "K3", "LONG_KEY"], rng.randrange(1, 4))}
        stanzas.append(dict(section=section, name=name, settings=settings, exclusive=rng.random() < .3,
                            state=rng.choice(["present"] * 3 + ["absent", "commented"])))
    return attributes, stanzas


def _random_document(rng):
    def blank():
        return rng.choice(["", " ", "\n", " \n  ", " # note\n", "\n# prose K1 = here\n  "])

    def pairs():
        named = rng.choice([[], ['NAME = "a"'], ['NAME="b"']])
        return named + rng.sample(["K1 = 1", 'K2 = "x y"', "k3= z", 'K2 = "2"', 'LONG_KEY = "a\n  b"'], rng.randrange(1, 4))

    out = []
    for unused in range(rng.randrange(6)):
        kind = rng.randrange(5)
        if kind == 0:
            out.append(rng.choice(["A = 1", "B =\n", 'PORT = "x"', 'VM_RESTRICTED_ATTR = "X"', 'VM_RESTRICTED_ATTR = "NIC/MAC"'])
                       + rng.choice([" ", "\n", " # c\n"]))
        elif kind == 1:
            out.append(rng.choice(["\n", ""]) + rng.choice(["#A = 1\n", '# VM_RESTRICTED_ATTR = "Y/Z"\n', "# prose\n", '#M = [\n#  NAME = "c",\n#  K1 = 5 ]\n',
                                                            "#S = [ K1 = 1,\n# K2 = 3\n# ]\n"]))
        else:
            out.append(rng.choice("SM") + " = [" + rng.choice([" ", "\n  "]) + (blank() + "," + blank()).join(pairs()) + blank() + "]"
                       + rng.choice([" ", "\n", " # c\n"]))
    return "".join(out)


def test_random_edits_converge_and_touch_nothing_else():
    rng, done = random.Random(20261121), 0
    for unused in range(800):
        text, (attributes, stanzas) = _random_document(rng), _random_wanted(rng)
        try:
            before = oned_conf.parse(text)
            after, plan = edited(text, attributes, stanzas)
        except (oned_conf.NotParsed, Problems):
            continue
        done += 1
        targets = {change.target.split()[0] for change in plan.changes}
        again = oned_conf.parse(after)
        kept, still = ([pair for pair in document.values() if pair[0] not in targets] for document in (before, again))
        assert kept == still, (text, attributes, stanzas)
        for wanted in stanzas:
            found = [values for values in again.stanzas(wanted["section"]) if values.get("NAME") == wanted["name"]]
            if wanted["state"] != "present":
                assert not found
            elif wanted["exclusive"]:
                assert set(found[0]) == {key for key, value in wanted["settings"].items() if value is not None} | ({"NAME"} if wanted["name"] else set())
    assert done > 300
    print(f"{done} random edits")


@pytest.mark.skipif(not FIXTURES.exists(), reason="the shipped files are not here")
def test_shipped_5_0_2_clouds_on_and_off_again():
    text = oned_conf.decode((FIXTURES / "config/5.0.2/oned.conf").read_bytes())
    on = [{"section": section, "name": name} for section in ("IM_MAD", "VM_MAD") for name in ("ec2", "az")]
    after, plan = edited(text, stanzas=on + [{"section": "IM_MAD", "name": "kvm", "settings": {"ARGUMENTS": "-r 9 -t 15 kvm"}}])
    assert len(plan.changes) == 5
    for line in lines_of_diff(text, after):
        assert line[0] in "+-" and ("kvm" in line or line[1] == "#" or "-" + "#" + line[1:] in lines_of_diff(text, after))
    off = [dict(stanza, state="commented") for stanza in on] + [{"section": "IM_MAD", "name": "kvm", "settings": {"ARGUMENTS": "-r 3 -t 15 kvm"}}]
    assert edited(after, stanzas=off)[0] == text


@pytest.mark.parametrize("text, after", [
    ('A = 1\nVM_MAD = [\n    NAME      = "ec2",   # note\n    ARGUMENTS = "-t 1 mine ec2" ]   # end\nB = 2\n',
     'A = 1\n#VM_MAD = [\n#    NAME      = "ec2",   # note\n#    ARGUMENTS = "-t 15 ec2" ]   # end\nB = 2\n'),
    ('VM_MAD = [ NAME = "ec2", ARGUMENTS = "mine" ]', '#VM_MAD = [ NAME = "ec2", ARGUMENTS = "-t 15 ec2" ]\n'),
    ('A = 1 VM_MAD = [ NAME = "ec2", ARGUMENTS = "mine" ] B = 2\n', 'A = 1 \n#VM_MAD = [ NAME = "ec2", ARGUMENTS = "-t 15 ec2" ]\n B = 2\n'),
    ('#VM_MAD = [ NAME = "ec2", ARGUMENTS = "other" ]\n', '#VM_MAD = [ NAME = "ec2", ARGUMENTS = "other" ]\n'),
])
def test_commented_with_settings_brings_them_in_first(text, after):
    items = oned_conf_edit.wanted(stanzas=[{"section": "VM_MAD", "name": "ec2", "settings": {"ARGUMENTS": "-t 15 ec2"}, "state": "commented"}])
    assert oned_conf_edit.edit(oned_conf.parse(text), items) == after
    assert not oned_conf_edit.plan(oned_conf.parse(after), items)


@pytest.mark.parametrize("text, wanted, lines", [
    ('MESSAGE_SIZE = 1073741824\nONE_XMLRPC = "http://localhost:2633/RPC2"\nMAX_HOST = 1\nDEFAULT_SCHED = [\n    policy = 1\n]\n',
     dict(attributes=[{"name": "MAX_HOST", "value": 2}], stanzas=[{"section": "DEFAULT_SCHED", "settings": {"POLICY": 4, "RANK": "- RUNNING_VMS"}}]),
     ["-MAX_HOST = 1", "+MAX_HOST = 2", "-    policy = 1", "+    policy = 4,", '+    rank   = "- RUNNING_VMS"']),
    ('NETWORK = [\n    ADDRESS = "0.0.0.0",\n    PORT    = 4124,\n    PUBKEY  = ""\n]\nIM_MAD = [\n      NAME = "kvm",\n      THREADS = 0\n]\n',
     dict(stanzas=[{"section": "NETWORK", "settings": {"PORT": 4125}}, {"section": "IM_MAD", "name": "kvm", "state": "commented"}]),
     ["-    PORT    = 4124,", "+    PORT    = 4125,", "-IM_MAD = [", '-      NAME = "kvm",', "-      THREADS = 0", "-]",
      "+#IM_MAD = [", '+#      NAME = "kvm",', "+#      THREADS = 0", "+#]"]),
    ('NAME=vm\nCPU=1\nDISK=[IMAGE="a, b"]\nCONTEXT=[\n  SET_HOSTNAME="$NAME" ]\n',
     dict(attributes=[{"name": "CPU", "value": 0.5}], stanzas=[{"section": "CONTEXT", "settings": {"NETWORK": True}}]),
     ["-CPU=1", "+CPU=0.5", '-  SET_HOSTNAME="$NAME" ]', '+  SET_HOSTNAME="$NAME",', '+  NETWORK="YES" ]']),
], ids=["sched.conf", "monitord.conf", "a template"])
def test_other_files_of_the_grammar(text, wanted, lines):
    assert sorted(lines_of_diff(text, edited(text, **wanted)[0])) == sorted(lines)


@pytest.mark.parametrize("text", [
    'A = 1\nVM_MAD = [ NAME = "kvm" ]\n#-----\n\nB = 2\n', '#VM_MAD = [ NAME = "kvm" ]\n', 'A = 1\n', '', '\n',
    'VM_MAD = [ NAME = "kvm" ]\n\nVM_MAD = [ NAME = "qemu" ]\n\nB = 2\n'])
def test_stanzas_that_were_added_go_without_a_trace(text):
    def options(state):
        return oned_conf_edit.wanted(stanzas=[{"section": "VM_MAD", "name": name, "settings": {"TYPE": "xml"}, "state": state} for name in ("one", "two")])

    added = oned_conf_edit.edit(oned_conf.parse(text), options("present"))
    assert added != text
    assert oned_conf_edit.edit(oned_conf.parse(added), options("absent")) == text


def test_value_that_is_not_meant_is_not_lost_behind_a_last_hash():
    """Found by tests/fuzz, seed 2: the '#' of a last line without newline is no comment, until something is added behind it."""
    items = oned_conf_edit.wanted([{"name": "A", "value": "other", "state": "absent"}], [{"section": "VM_MAD", "name": "c", "settings": {"K": "x"}}])
    with pytest.raises(CoreError, match="would load A otherwise"):
        oned_conf_edit.edit(oned_conf.parse("# A = 1"), items)


@pytest.mark.parametrize("state, after", [("present", 'VNC_PORTS = [ ]\n'), ("commented", '#VNC_PORTS = [ ]\n'), ("absent", '')])
def test_empty_stanza_loses_nothing_more(state, after):
    """Found by tests/fuzz, seed 3."""
    items = oned_conf_edit.wanted(stanzas=[{"section": "VNC_PORTS", "settings": {"START": None}, "state": state}])
    assert oned_conf_edit.edit(oned_conf.parse('VNC_PORTS = [ ]\n', release="7.4.0"), items) == after


def test_commented_key_whose_value_would_end_the_reading_is_given_another():
    """Found by tests/fuzz, seed 4."""
    text = 'VNC_PORTS = [\n    START    = 5900\n#    RESERVED = "68]]>00"\n]\n'
    items = oned_conf_edit.wanted(stanzas=[{"section": "VNC_PORTS", "settings": {"RESERVED": "6800"}}])
    assert oned_conf_edit.edit(oned_conf.parse(text), items) == 'VNC_PORTS = [\n    START    = 5900,\n    RESERVED = "6800"\n]\n'
