# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The four formats of driver files: what is read, what is changed, what stays and what is refused. PyYAML is the oracle for YAML."""
from __future__ import annotations

import pathlib
import subprocess

import pytest
import yaml
from ansible_collections.constellation.opennebula.plugins.module_utils.core import block_yaml, shell_rc, template_xml
from ansible_collections.constellation.opennebula.plugins.module_utils.core.driver_conf import OnedFormat
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError
from hypothesis import given, settings
from hypothesis import strategies as st

FIXTURES = pathlib.Path(__file__).resolve().parents[3].parent / "shared" / "fixtures" / "config"
EC2 = """proxy_uri:
regions:
    default:
        region_name: "West Europe"
    # a comment at an odd place
        secret:   # none yet
        capacity:
            m1.small: 5
            m1.large:   # as many as you like

    other:
        region_name: other
instance_types:
    m1.small: {cpu: 1, memory: 1.7}
    m1.large:
        cpu: 2
        memory: 7.50
"""


def flat(data, above=()):
    found = {}
    for name, value in (data or {}).items():
        found.update(flat(value, above + (str(name),)) if isinstance(value, dict) and value else {above + (str(name),): value})
    return found


# -- YAML

@pytest.mark.parametrize("path, value, old, new", [
    (("proxy_uri",), "http://10.0.0.1:3128", "proxy_uri:", "proxy_uri: http://10.0.0.1:3128"),
    ((":proxy_uri",), "http://10.0.0.1:3128", "proxy_uri:", "proxy_uri: http://10.0.0.1:3128"),
    (("regions", "default", "region_name"), "North Europe", '"West Europe"', '"North Europe"'),
    (("regions", "default", "region_name"), None, 'region_name: "West Europe"', "region_name:"),
    (("regions", "default", "secret"), "a#b: c", "secret:   # none yet", 'secret: "a#b: c"   # none yet'),
    (("regions", "default", "secret"), "0123", "secret:   # none yet", 'secret: "0123"   # none yet'),
    (("regions", "default", "capacity", "m1.small"), 6, "m1.small: 5", "m1.small: 6"),
    (("regions", "default", "capacity", "m1.large"), 3, "m1.large:   #", "m1.large: 3   #"),
    (("regions", "default", "capacity", "t2.nano"), 1, "as many as you like\n", "as many as you like\n            t2.nano: 1\n"),
    (("regions", "other", "capacity", "m1.small"), 2, "region_name: other\n", "region_name: other\n        capacity:\n            m1.small: 2\n"),
    (("instance_types", "m1.large", "memory"), 8.0, "7.50", "8.0"),
    (("instance_types", "x", "cpu"), 1, "memory: 7.50\n", "memory: 7.50\n    x:\n        cpu: 1\n"),
    (("wait",), 300, "memory: 7.50\n", "memory: 7.50\nwait: 300\n"),
])
def test_yaml_change_touches_its_own_bytes_only(path, value, old, new):
    assert EC2.count(old) == 1
    changed = block_yaml.edit(EC2, [(path, value)])
    assert changed == EC2.replace(old, new)
    expected = flat(yaml.safe_load(EC2))
    expected.update({block_yaml.normal(path): value})
    expected.pop(("regions", "other", "capacity"), None)
    assert flat(yaml.safe_load(changed)) == expected
    assert block_yaml.edit(changed, [(path, value)]) == changed


@pytest.mark.parametrize("path, value", [
    (("instance_types", "m1.large", "memory"), 7.5), (("regions", "default", "capacity", "m1.small"), 5.0), (("proxy_uri",), None),
    (("regions", "default", "region_name"), "West Europe"), (("regions", "default"), {}),
])
def test_yaml_value_that_is_there_in_another_spelling_stays(path, value):
    assert block_yaml.edit(EC2, [(path, value)]) == EC2


def test_yaml_key_has_the_colon_that_its_file_uses():
    text = ":proxy_uri:\n:instance_types:\n    a1:\n        cpu: 8\n"
    assert block_yaml.edit(text, [(("proxy_uri",), "http://p:1"), (("wait",), 5), (("instance_types", "b1", "cpu"), 1)]) == (
        ":proxy_uri: http://p:1\n:instance_types:\n    a1:\n        cpu: 8\n    b1:\n        cpu: 1\n:wait: 5\n")
    assert block_yaml.edit("", [((":wait",), 5)]) == ":wait: 5\n"


@pytest.mark.parametrize("path, gone", [
    (("regions", "other"), "    other:\n        region_name: other\n"),
    (("regions", "default", "capacity", "m1.small"), "            m1.small: 5\n"),
    (("instance_types", "m1.small"), "    m1.small: {cpu: 1, memory: 1.7}\n"),
    (("nothing", "there"), ""),
])
def test_yaml_removal_takes_the_lines_of_the_entry(path, gone):
    assert block_yaml.edit(EC2, [], [path]) == EC2.replace(gone, "", 1)


@pytest.mark.parametrize("end", ["\n", "", "\r\n"])
def test_yaml_adding_and_removing_gives_the_same_bytes(end):
    text = end.join(["a: 1", "b:", "    c: 2"]) + end if end == "\r\n" else "a: 1\nb:\n    c: 2" + end
    added = block_yaml.edit(text, [(("d", "e"), "x"), (("b", "f"), 1)])
    assert flat(yaml.safe_load(added)) == {("a",): 1, ("b", "c"): 2, ("b", "f"): 1, ("d", "e"): "x"}
    assert added != text and block_yaml.edit(added, [], [("d",), ("b", "f")]) == text


@pytest.mark.parametrize("text, path, line, why", [
    ("a:\n  - 1\n", ("a", "b"), 1, "is no mapping"),
    ("a:\n- 1\nb: 2\n", ("a",), 1, "is a list"),
    ("a: [1, 2]\n", ("a",), 1, "no simple text"),
    ("x: 1\na: |\n  text: 1\n", ("a", "text"), 2, "no simple text"),
    ("a: &x 1\n", ("a",), 1, "no simple text"),
    ("a: one\n   two\n", ("a",), 1, "several lines"),
    ("a: 1\na: 2\n", ("a",), 2, "twice"),
    ("a: 1\n", ("a", "b"), 1, "has a value"),
    ("a:\n  b: 1\n", ("a",), 1, "keys below it"),
    ("a:\n  <<: {b: 1}\n", ("a", "b"), 2, "merged"),
])
def test_yaml_outside_of_the_subset_is_refused_where_it_would_change(text, path, line, why):
    with pytest.raises(CoreError) as caught:
        block_yaml.edit(text, [(path, "new")], (), "/f")
    assert caught.value.where == f"/f:{line}" and why in caught.value.why
    changed = block_yaml.edit(text, [(("z",), 1)])                  # the same file is changed elsewhere
    assert changed == text + "z: 1\n"


def test_yaml_entry_with_an_anchor_is_not_removed():
    with pytest.raises(CoreError, match="anchor in line 2"):
        block_yaml.edit("a:\n  b: &n 1\nc: *n\n", [], [("a",)])


@pytest.mark.parametrize("text, line, why", [
    ('a: "open\nb: 1\n', 1, "quote"), ("a: 'open\n", 1, "quote"), ("a: [1,\nb]\n", 1, "bracket"), ("a: {b: 1,\nc: 2}\n", 1, "bracket"),
    ("- a\n- b\n", 1, "list"), ("just text\n", 1, "no 'key: value'"), ("a:\n\tb: 1\n", 2, "tab"), ("a:\n    b: 1\n  c: 2\n", 3, "indentation"),
    ("a: 1\n---\nb: 2\n", 2, "second document"), ("%YAML 1.1\n---\na: 1\n", 1, "directive"), ("a: b: c\n", 1, "':'"), ("a: x\u2028b: 1\n", 1, "line break"),
    ("a: 1\rb: 2\n", 1, "line break"), ("{a: 1}\n", 1, "no 'key: value'"),
])
def test_yaml_file_that_cannot_be_understood_is_refused_as_a_whole(text, line, why):
    with pytest.raises(CoreError) as caught:
        block_yaml.edit(text, [(("z",), 1)], (), "/f")
    assert caught.value.where == f"/f:{line}" and why in caught.value.why and "open" not in str(caught.value).replace("closed", "")


@pytest.mark.parametrize("value, written", [
    ("us-east-1", "us-east-1"), ("http://10.0.0.1:8080", "http://10.0.0.1:8080"), ("/etc/one/a.pem", "/etc/one/a.pem"), ("yes", '"yes"'), ("Null", '"Null"'),
    ("n", '"n"'), ("0x1", '"0x1"'), ("1e5", '"1e5"'), ("12:30", '"12:30"'), (":symbol", '":symbol"'), ("~", '"~"'), ("a: b", '"a: b"'), ("a #b", '"a #b"'),
    ("", '""'),
    ("a\tb\n", '"a\\tb\\n"'), ('q"\\', '"q\\"\\\\"'), (5, "5"), (7.0, "7.0"), (1e16, "1.0e+16"), (True, "true"), (None, ""),
])
def test_yaml_text_has_quotes_where_a_reader_could_take_it_for_something_else(value, written):
    assert block_yaml.spell(value) == written and block_yaml.same(yaml.safe_load(f"a: {written}\n")["a"], value)


NAMES = st.one_of(st.sampled_from(["a", "b", ":c", "m1.small", "West Europe", "5", "yes", "null", "x y", "~", "a:b", "# no", "-", "ü", '"q"']),
                  # "::x" is a symbol's symbol: no driver has such a key, and which colon is the file's style cannot be told
                  st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=6).filter(lambda name: name[:2] != "::"))
TEXTS = st.one_of(st.sampled_from(["yes", "No", "null", "~", "1e5", "0x1f", "1_000", "12:30", "2026-11-21", ".5", "a: b", "a #b", " x", "x ", "", "-",
                                   "- a", "'", '"',
                                   "\\", "@x", "%y", "&z", "*z", "!t", "|", ">", "{", "[", "a\nb", "\t", "=", "<<", ":sym", "http://u:p@h:1/", "€",
                                   "\u2028", "\x07"]),
                  st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12))
LEAVES = st.one_of(TEXTS, st.integers(-10**6, 10**12), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False, width=32))
TREES = st.recursive(st.dictionaries(NAMES, LEAVES, min_size=1, max_size=4),
                     lambda inner: st.dictionaries(NAMES, st.one_of(LEAVES, inner), min_size=1, max_size=4),
                     max_leaves=12)


def plainly(tree):
    """Return the tree without keys that are one key for us, spelt twice."""
    seen = {}
    for name, value in tree.items():
        if block_yaml.bare(name) not in map(block_yaml.bare, seen):
            seen[name] = plainly(value) if isinstance(value, dict) else value
    return seen


def unify(data):
    """Return the flat tree with keys as the editor may have spelt them: the colon of the first sibling is everybody's."""
    return {block_yaml.normal(path): value for path, value in flat(data).items()}


@settings(max_examples=400, deadline=None)
@given(TREES)
def test_yaml_that_is_written_is_what_pyyaml_reads(tree):
    tree = plainly(tree)
    text = block_yaml.edit("", list(flat(tree).items()))
    read = yaml.load(text, Loader=yaml.SafeLoader)
    assert unify(read) == unify(tree), text
    assert {block_yaml.normal(path): value for path, value in block_yaml.leaves(text).items()} == unify(tree)


@settings(max_examples=400, deadline=None)
@given(TREES, TREES, st.integers(1, 6), st.sampled_from(["default", "single", "double", "folded"]))
def test_yaml_of_pyyaml_changes_to_what_is_wanted_and_nothing_else(tree, more, indent, style):
    """Files as PyYAML dumps them; what the editor refuses it must refuse, what it changes PyYAML must read as changed."""
    tree, more = plainly(tree), plainly(more)
    text = yaml.safe_dump(tree, indent=max(indent, 2), default_flow_style=False, sort_keys=False, width=10**6, allow_unicode=True,
                          default_style={"single": "'", "double": '"'}.get(style))
    wanted = list(flat(more).items())
    try:
        changed = block_yaml.edit(text, wanted)
    except CoreError as refused:
        assert refused.where and refused.why
        return
    expected = unify(tree)
    for path, value in unify(more).items():
        expected = {other: kept for other, kept in expected.items() if other[:len(path)] != path and path[:len(other)] != other}
        expected[path] = value
    found = unify(yaml.safe_load(changed))
    assert {path: repr(value) for path, value in found.items() if value != expected.get(path)} == {} and set(found) == set(expected)
    assert block_yaml.edit(changed, wanted) == changed


@settings(max_examples=300, deadline=None)
@given(TREES, st.data())
def test_yaml_addition_taken_back_gives_the_same_bytes(tree, data):
    text = block_yaml.edit("", list(flat(plainly(tree)).items()))
    name = data.draw(st.sampled_from(["new-1", "new key", "9"]))
    if block_yaml.bare(name) in map(block_yaml.bare, plainly(tree)):
        return
    added = block_yaml.edit(text, [((name, "a"), 1), ((name, "b"), "x")])
    assert added != text and block_yaml.edit(added, [], [(name,)]) == text


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab:#-'\"[]{}|>& \n\t1~!,?%\\"), max_size=40))
def test_yaml_editor_reads_what_pyyaml_reads_or_refuses(text):
    """Junk: whatever the editor believes to be a value is one for PyYAML, too."""
    try:
        found = block_yaml.leaves(text)
    except CoreError:
        return
    try:
        read = flat(yaml.safe_load(text))
    except (yaml.YAMLError, AttributeError, ValueError, TypeError):
        return                                          # an invalid file is left to whoever reads it
    for path, value in found.items():
        if not isinstance(value, block_yaml.Unread) and path in read and len(set(path)) == len(path):
            assert read[path] == value or text.count(path[-1]) > 1, text


LINES = st.lists(st.tuples(st.sampled_from(["", "", "  ", "    ", " "]), st.sampled_from([
    "a:", "b: 1", "c: 'x # y'", 'd: "q: \\" r"', "- e", "- f: 1", "# g", "", "h: |", "i: >-", "text", "j: [1, {k: 2}]", ":l: yes", "m: &n o",
    "p: *n", "'q r': s  # t", "u: v w",
    "x:   # y", "? z", "---", "j: [1,", "2]", "'open", "closed'", "<<: {a: 1}", "a: !!str 5", "\tb: 1", "b:  ", "c: d:e", "c: d : e", "k: -",
    "k: - 1", "k: #x", "k: a#b"])),
    max_size=9)


@settings(max_examples=600, deadline=None)
@given(LINES, st.sampled_from(["zz", "a", "b", "l"]), st.sampled_from([1, "x: y", None, "it's"]))
def test_yaml_change_of_any_file_that_pyyaml_reads_changes_that_key_alone(parts, name, value):
    """The strongest of these: whatever strange file it is, either it is refused, or PyYAML finds the one change and nothing else."""
    text = "\n".join(indent + line for indent, line in parts) + "\n"
    try:
        before = yaml.safe_load(text)
        assert before is None or isinstance(before, dict)
    except (yaml.YAMLError, AssertionError, ValueError, TypeError):
        return
    for edited in ([((name,), value)], []), ([], [(name,)]), ([((name, "sub"), value)], []):
        try:
            after = yaml.safe_load(block_yaml.edit(text, *edited)) or {}
        except CoreError:
            continue
        others = {key: kept for key, kept in (before or {}).items() if block_yaml.bare(str(key)) != name}
        assert {key: kept for key, kept in after.items() if block_yaml.bare(str(key)) != name} == others, (text, edited)
        found = [kept for key, kept in after.items() if block_yaml.bare(str(key)) == name]
        if edited[1]:
            assert found == []
        elif len(edited[0][0][0]) == 1:
            assert found == [value]
        else:
            assert found[0]["sub"] == value


# -- shipped files

def shipped(pattern):
    return sorted(FIXTURES.glob(pattern)) if FIXTURES.is_dir() else []


def test_shipped_yaml_files_read_as_pyyaml_reads_them_and_keep_their_bytes():
    files = shipped("*/ec2_driver.conf") + shipped("*/az_driver.conf")
    if not files:
        pytest.skip("the shared fixtures are not here")
    count = 0
    for path in files:
        text = path.read_bytes().decode()
        assert block_yaml.leaves(text) == flat(yaml.safe_load(text)), path
        everything = [item for item in block_yaml.leaves(text).items() if text.count(f"\n    {item[0][1] if len(item[0]) > 1 else ''}:\n") < 2]
        assert len(everything) > 100 and (len(everything) == len(block_yaml.leaves(text)) or path.match("4.14.2/az_driver.conf")), "types that are there twice"
        assert block_yaml.edit(text, everything) == text
        count += len(everything)
        for place, value in everything[::40]:
            changed = block_yaml.edit(text, [(place, "new value")])
            assert sum(one != two for one, two in zip(text.split("\n"), changed.split("\n"))) == 1
            if not any(line.rstrip().endswith("new value") and line.strip().startswith("#") for line in changed.split("\n")):
                assert block_yaml.leaves(block_yaml.edit(changed, [(place, value)])) == block_yaml.leaves(text)
    print(f"{len(files)} shipped YAML files, {count} values")
    assert len(files) >= 10 and count > 1000


def test_shipped_defaults_change_in_the_live_template_only():
    files = [(path, "EC2" if "4.14" in path.parent.name else "PUBLIC_CLOUD") for path in shipped("*/ec2_driver.default")]
    files += [(path, "AZURE") for path in shipped("*/az_driver.default")]
    if not files:
        pytest.skip("the shared fixtures are not here")
    for path, element in files:
        text = path.read_bytes().decode()
        found = template_xml.leaves(text)
        assert {place[:2] for place in found} == {("TEMPLATE", element)} and len(found) <= 2
        added = template_xml.edit(text, [(("TEMPLATE", element, "KEYPAIR"), "a<b")])
        assert added.count("<KEYPAIR>a&lt;b</KEYPAIR>") == 1 and added.split("-->")[0] == text.split("-->")[0]
        assert template_xml.leaves(added) == {**found, ("TEMPLATE", element, "KEYPAIR"): "a<b"}
        assert template_xml.edit(added, [], [("TEMPLATE", element, "KEYPAIR")]) == text
    print(f"{len(files)} shipped files of defaults")
    assert len(files) >= 10


# -- XML

XML = "# head\n<!-- <TEMPLATE><A>example</A></TEMPLATE> -->\n<TEMPLATE>\n  <A>\n     <B>1</B>\n  </A>\n  <E/>\n</TEMPLATE>\n\n\n"


@pytest.mark.parametrize("path, value, old, new", [
    (("TEMPLATE", "A", "B"), "2 & 3", "<B>1</B>", "<B>2 &amp; 3</B>"),
    (("TEMPLATE", "A", "B"), None, "<B>1</B>", "<B></B>"),
    (("TEMPLATE", "A", "C"), 5, "<B>1</B>\n", "<B>1</B>\n     <C>5</C>\n"),
    (("TEMPLATE", "E"), "x", "<E/>", "<E>x</E>"),
    (("TEMPLATE", "E", "F"), "x", "<E/>", "<E>\n    <F>x</F>\n  </E>"),
    (("TEMPLATE", "N", "F"), "x", "<E/>\n", "<E/>\n  <N>\n    <F>x</F>\n  </N>\n"),
])
def test_xml_change_touches_its_own_bytes_only(path, value, old, new):
    changed = template_xml.edit(XML, [(path, value)])
    assert changed == XML.replace(old, new)
    assert template_xml.leaves(changed)[path] == template_xml.written(value)
    assert template_xml.edit(changed, [(path, value)]) == changed


def test_xml_file_without_a_template_gets_one():
    assert template_xml.edit("", [(("TEMPLATE", "A", "B"), 1)]) == "<TEMPLATE>\n  <A>\n    <B>1</B>\n  </A>\n</TEMPLATE>\n"
    assert template_xml.edit("<!-- <TEMPLATE/> -->", [(("TEMPLATE", "A"), 1)]) == "<!-- <TEMPLATE/> -->\n<TEMPLATE>\n  <A>1</A>\n</TEMPLATE>\n"


@pytest.mark.parametrize("text, line, why", [
    ("<A>\n<B>\n</A>", 3, "</A> closes <B>"), ("<A>\n", 1, "<A> is never closed"), ("</A>", 1, "</A> closes nothing"), ("\n<A x='1'></A>", 2, "no element"),
    ("<A><![CDATA[x]]></A>", 1, "no element"), ("<!-- <A></A>", 1, "no element"), ("<A>1</A>\n<A>2</A>", 2, "twice"), ("<A><B>1</B></A>", 1, "elements in it"),
    ("<A>x<!-- c --></A>", 1, "a comment"), ("<A>&nope;</A>", 1, "&nope;"),
])
def test_xml_outside_of_the_subset_is_refused_with_its_line(text, line, why):
    with pytest.raises(CoreError) as caught:
        template_xml.edit(text, [(("A",), "new")], (), "/f")
    assert caught.value.where == f"/f:{line}" and why in caught.value.why


# -- shell

RC = "#!/bin/sh\n# EHAUTH=example\nTOTAL_MEMORY=2048   # MB\nexport TOTAL_CPU=\"2\"\nX='a b'\nY=$(hostname)\nif true; then\n  Z=1\nfi\n"


@pytest.mark.parametrize("name, value, old, new", [
    ("TOTAL_MEMORY", 4096, "=2048   #", "=4096   #"),
    ("TOTAL_CPU", 4, 'TOTAL_CPU="2"', 'TOTAL_CPU="4"'),
    ("TOTAL_CPU", "$x", 'TOTAL_CPU="2"', "TOTAL_CPU='$x'"),
    ("X", "it's", "X='a b'", "X='it'\"'\"'s'"),
    ("X", None, "X='a b'", "X=''"),
    ("EHAUTH", "id:key", "# EHAUTH=example\n", "# EHAUTH=example\nEHAUTH=id:key\n"),
    ("NEW", "a;b", "fi\n", "fi\nNEW='a;b'\n"),
])
def test_shell_change_touches_its_own_bytes_only(name, value, old, new):
    changed = shell_rc.edit(RC, [((name,), value)])
    assert changed == RC.replace(old, new)
    assert shell_rc.leaves(changed)[(name,)] == shell_rc.written(value)
    assert shell_rc.edit(changed, [((name,), value)]) == changed


@pytest.mark.parametrize("text, name, line, why", [
    ("A=$(date)\n", "A", 1, "a shell"), ("A=a\\ b\n", "A", 1, "a shell"), ("A=1\nA=2\n", "A", 2, "twice"), ("\nA='open\n", "B", 2, "quote"),
    ("A=1; B=2\n", "A", 1, "a shell"),
])
def test_shell_outside_of_the_subset_is_refused_with_its_line(text, name, line, why):
    with pytest.raises(CoreError) as caught:
        shell_rc.edit(text, [((name,), "new")], (), "/f")
    assert caught.value.where == f"/f:{line}" and why in caught.value.why


def test_shell_reads_every_value_as_it_was_given():
    values = ["plain", "a b", "it's", '"', "$HOME", "`x`", "\\", "a\\", "#", "x#y", "!", "*", "~", "ü", "", "a;b", "{a,b}", "=", "'"]
    text = shell_rc.edit("", [((f"V{number}",), value) for number, value in enumerate(values)])
    script = text + "".join(f'printf "%s\\0" "$V{number}"\n' for number in range(len(values)))
    assert subprocess.run(["sh"], input=script.encode(), capture_output=True, check=True).stdout.decode().split("\0")[:-1] == values
    assert [shell_rc.leaves(text)[(f"V{number}",)] or "" for number in range(len(values))] == values


def test_shell_removal_takes_the_line():
    assert shell_rc.edit(RC, [], [("TOTAL_MEMORY",)]) == RC.replace("TOTAL_MEMORY=2048   # MB\n", "")
    assert shell_rc.edit(RC, [], [("EHAUTH",), ("Z",)]) == RC


# -- oned.conf's grammar

def test_oned_format_sets_and_removes_keys_of_a_section():
    text = "# defaults\nEH = [ CPUMHZ = \"500\" ]\nA = 1\n"
    changed = OnedFormat.edit(text, [(("EH", "MEMORY"), 512), (("A",), 2)])
    assert OnedFormat.leaves(changed) == {("EH", "CPUMHZ"): "500", ("EH", "MEMORY"): "512", ("A",): "2"} and changed.startswith("# defaults\n")
    assert OnedFormat.edit(changed, [], [("EH", "MEMORY"), ("A",)]).replace(" ", "") == "# defaults\nEH = [ CPUMHZ = \"500\" ]\n".replace(" ", "")
    assert OnedFormat.leaves(OnedFormat.edit(changed, [], [("EH", "MEMORY"), ("EH", "CPUMHZ")])) == {("A",): "2"}
    assert OnedFormat.leaves(OnedFormat.edit("", [(("EH", "CPUMHZ"), 500)])) == {("EH", "CPUMHZ"): "500"}
