# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of documents and edits, over generated files as a person writes them."""
from __future__ import annotations

import importlib.util
import pathlib

import pytest

from ansible_collections.constellation.opennebula.plugins.module_utils.core import oned_conf, oned_conf_edit

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies
SPEC = importlib.util.spec_from_file_location("fuzz_oned_conf", pathlib.Path(__file__).resolve().parents[2] / "fuzz" / "oned_conf.py")
FUZZ = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(FUZZ)

LIGHT = hypothesis.settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck))
NAMES = st.sampled_from(["A", "Port", "VM_RESTRICTED_ATTR", "TOKEN"])
KEYS = st.sampled_from(["K1", "k2", "LONG_KEY", "PASSWD"])
WORDS = st.text(st.characters(codec="utf-8", exclude_characters='"\\\0>', exclude_categories=("Cs",)), max_size=8)
SPELLED = st.one_of(st.integers(0, 99).map(str), WORDS.map(lambda word: f'"{word}"'), st.just('"q\\"q"'), st.just("/var/lib"))
NOTES = st.sampled_from(["", "", "", "   # note", " "])
BLANKS = st.sampled_from(["", " ", "  "])


@st.composite
def stanzas(draw):
    """Return a stanza on lines of its own, as the shipped file has them or on one line."""
    section, label = draw(st.sampled_from([("DB", None), ("VM_MAD", "a"), ("VM_MAD", "b")]))
    pairs = [("NAME", f'"{label}"')] if label else []
    pairs += [(key, draw(SPELLED)) for key in draw(st.lists(KEYS, min_size=1, max_size=3, unique=True))]
    if draw(st.booleans()):
        return f"{section} = [ " + ", ".join(f"{key} = {value}" for key, value in pairs) + " ]" + draw(NOTES)
    commented = draw(st.sampled_from(["", "#    K3 = 3\n", '    # K3 = "x",  # why\n']))
    body = "".join(f"    {key.ljust(8)} = {value}{',' if number < len(pairs) - 1 else ''}{draw(NOTES)}\n" for number, (key, value) in enumerate(pairs))
    return f"{section} = [\n{body}{commented}]{draw(NOTES)}"


PLAIN = st.builds("{}{} ={}{}{}".format, BLANKS, NAMES, BLANKS, SPELLED, NOTES)
LIVE = st.one_of(PLAIN, stanzas())
ASLEEP = LIVE.map(lambda text: "\n".join("#" + line for line in text.split("\n")))
PROSE = st.sampled_from(["", "#****", "# K1: in words", "#  A = the first and the last"])
DOCUMENTS = st.lists(st.one_of(LIVE, ASLEEP, PROSE), max_size=7).map(lambda lines: "".join(line + "\n" for line in lines))
VALUES = st.one_of(st.integers(-5, 99), st.booleans(), WORDS, st.sampled_from(["", 'q"q', "a b", "#", "x\ny", "C:\\dir\\"]))
STATES = st.sampled_from(["present", "present", "absent", "commented"])
ATTRIBUTES = st.lists(st.one_of(
    st.fixed_dictionaries({"name": st.sampled_from(["A", "PORT", "TOKEN", "NEW"]), "value": VALUES, "state": STATES}),
    st.fixed_dictionaries({"name": st.just("VM_RESTRICTED_ATTR"), "values": st.lists(WORDS, max_size=3, unique=True), "exclusive": st.booleans(),
                           "state": STATES}),
), max_size=2, unique_by=lambda option: option["name"])
STANZAS = st.lists(st.fixed_dictionaries({
    "section": st.just("VM_MAD"), "name": st.sampled_from(["a", "b", "c"]), "exclusive": st.booleans(), "state": STATES,
    "settings": st.dictionaries(st.sampled_from(["K1", "K2", "K3", "LONG_KEY"]), st.one_of(st.none(), VALUES), max_size=3),
}), max_size=2, unique_by=lambda option: option["name"])


@LIGHT
@hypothesis.given(st.one_of(DOCUMENTS, st.text(max_size=30), st.binary(max_size=30).map(oned_conf.decode)))
def test_every_byte_comes_back_and_two_readers_agree(text):
    document = FUZZ.check_reading(text, "5.0")
    assert document is None or oned_conf.encode(document.render()) == oned_conf.encode(text)


@LIGHT
@hypothesis.given(DOCUMENTS, ATTRIBUTES, STANZAS)
def test_an_edit_loads_what_is_wanted_and_nothing_else_changes(text, attributes, wanted):
    document = FUZZ.check_reading(text, "5.0")
    FUZZ.check_edit(document, attributes, wanted)      # twice = once, others letter for letter, the plan tells the truth


@LIGHT
@hypothesis.given(DOCUMENTS, st.sets(st.sampled_from(["A", "PORT", "DB", "VM_MAD a", "VM_MAD b"]), min_size=1))
def test_what_is_alone_on_its_lines_goes_into_a_comment_and_comes_back_as_it_was(text, targets):
    document = oned_conf.parse(text)
    found = {}
    for attribute in document.attributes:
        found.setdefault(" ".join(filter(None, (attribute.name, attribute.label))), []).append(attribute)
    commented = {" ".join(filter(None, (sleeper.attribute.name, sleeper.attribute.label))) for sleeper in document.commented}
    # of several the first is meant, so only what is there once can be promised to come back
    targets = [target for target in sorted(targets) if len(found.get(target, ())) == 1 and target not in commented]
    hypothesis.assume(targets)

    def options(state):
        names = [target.split(" ") + [None] for target in targets]
        return ([{"name": name, "value": found[name][0].text, "state": state} for name, *unused in names if not found_stanza(name)],
                [{"section": name, "name": label, "state": state} for name, label, *unused in names if found_stanza(name)])

    def found_stanza(name):
        return name in ("DB", "VM_MAD")

    off = oned_conf_edit.edit(document, oned_conf_edit.wanted(*options("commented")))
    assert off != text and not [attribute for attribute in oned_conf.parse(off).attributes if attribute.name in targets]
    lines = list(zip(text.split("\n"), off.split("\n")))
    assert all(new in (old, "#" + old) for old, new in lines) and off.count("\n") == text.count("\n")
    assert oned_conf_edit.edit(oned_conf.parse(off), oned_conf_edit.wanted(*options("present"))) == text
