# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates and pools of objects: recorded ones are read, texts say to the daemon's parser what was meant."""
import json
import pathlib

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import hosts, oned_conf, pool_objects, templates, vm_templates
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError

XMLRPC = pathlib.Path(__file__).resolve().parents[3].parent / "shared" / "fixtures" / "xmlrpc"
VALUES = ["", "a", "a b", 'say "hi"', "C:\\dir", "C:\\dir\\", "a\\\\b", '\\"', "x=1, y=[2]",
          "# no comment", "line\nline", "ä€", "'", "yes", "  blanks  ", ";", "$NAME"]


@pytest.mark.parametrize("value", VALUES)
def test_what_is_written_is_what_the_daemon_reads(value):
    problems = []
    want = templates.wanted({"A": value, "V": {"K": value, "L": value}, "R": [{"K": value}, {"K": "2"}]}, {}, "host h", problems)
    assert problems == []
    text = templates.text(want.values)
    assert oned_conf.parse(text, release="5.0.2").values() == [("A", value), ("V", {"K": value, "L": value}), ("R", {"K": value}), ("R", {"K": "2"})]


@pytest.mark.parametrize("value", ["a b\\", 'a"\\', "]]>", "a\0b", "a\rb", "\x1b", b"bytes"])
def test_what_cannot_be_written_is_refused(value):
    assert len(templates.unspeakable(value, "X")) == 1
    problems = []
    templates.wanted({"A": {"K": value}}, {}, "host h", problems)
    assert len(problems) == 1 and problems[0].startswith("host h: A/K: ")


def test_values_compare_by_meaning():
    assert templates.equal("A", ["yes"], (True,)) and templates.equal("A", ["007"], (7,)) and not templates.equal("A", ["a"], ("A",))
    assert templates.equal("V", [{"CPU": "0", "MEMORY": "0"}], ({"MEMORY": 0, "CPU": 0},)) and not templates.equal("V", [{"CPU": "0"}], ("0",))
    assert not templates.equal("V", [{"CPU": "0", "X": "1"}], ({"CPU": 0},)) and templates.equal("A", [], None) and not templates.equal("A", ["1", "1"], (1,))
    two = [{"TYPE": "a"}, {"TYPE": "b"}]
    assert templates.equal("PUBLIC_CLOUD", two, tuple(two[::-1])) and not templates.equal("PUBLIC_CLOUD", two, ({"TYPE": "a"}, {"TYPE": "a"}))
    assert not templates.equal("NIC", two, tuple(two[::-1]))


def test_removal_takes_the_whole_template_anew():
    have = {"A": ["1"], "B": [{"C": "2"}], "D": ["3", "4"]}
    assert templates.update(have, {"A": ("9",)}) == ('A="9"', 1)
    assert templates.update(have, {"A": None, "E": (5,)}) == ('B=[C="2"]\nD="3"\nD="4"\nE=5', 0)
    with pytest.raises(CoreError, match="cannot remove A: B/C: the value cannot be written"):
        templates.update({"A": ["1"], "B": [{"C": "a b\\"}]}, {"A": None})


def test_a_secret_is_not_in_what_the_daemon_logs_of_a_call():
    assert templates.text({"ONE_PASSWORD": ("x",)})[:20] == templates.text({"A": ("x",)}, secret=True)[:20] == "# constellation.open"


def test_secrets_in_the_wrong_option_are_found():
    assert templates.exposed([{"attributes": {"ONE_PASSWORD": "p", "A": "a", "V": {"TOKEN": 5, "secret": None}}, "public_clouds": [{"KEY_SECRET": "s"}]}]) == {
        "p", "5", "s"}


@pytest.mark.parametrize("name, words", [("", "1 to 128"), ("x" * 129, "1 to 128"), ("a/b", "'/'"), ("a b.c-d_e", None)])
def test_names_are_checked_as_the_daemon_does(name, words):
    problem = pool_objects.name_problem(name)
    assert words in problem if words else problem is None


def test_a_number_is_an_id_and_a_name_is_a_name():
    pool = [pool_objects.Named(0, "default"), pool_objects.Named(100, "clouds")]
    assert pool_objects.referred(pool, "100", "cluster") is pool[1] is pool_objects.referred(pool, "clouds", "cluster")
    with pytest.raises(CoreError, match=r"cluster c does not exist. There are: default \(0\), clouds \(100\)."):
        pool_objects.referred(pool, "c", "cluster")
    assert pool_objects.means(pool[1], 100) and pool_objects.means(pool[1], "clouds") and not pool_objects.means(pool[1], "0")


def test_something_else_than_a_pool_is_told():
    with pytest.raises(CoreError, match="cannot read the HOST pool: it is not XML"):
        pool_objects.objects("<HOST_POOL>", "HOST")


@pytest.mark.skipif(not XMLRPC.is_dir(), reason="recorded replies are not on this machine")
def test_every_recorded_pool_of_hosts_and_templates_is_read():
    """And what is read can be declared: it is compared equal, and its text says the same to the daemon's parser."""
    pools = found = 0
    for kind, tag, module in (("hostpool", "HOST", hosts), ("templatepool", "VMTEMPLATE", vm_templates)):
        for path in sorted(XMLRPC.glob(f"**/{kind}_info*.json")):
            result = json.loads(path.read_text(encoding="utf-8"))["result"]
            if not result or not result[0]:
                continue
            objects = pool_objects.objects(result[1], tag)
            state = module.NOTHING._replace(**{module.PLURAL: objects})
            assert len(objects) == result[1].count(f"<{tag}>")
            again = module.wanted(module.described(state))
            assert module.plan(state._replace(**({"user": "oneadmin"} if kind == "templatepool" else {})), again).changes == (), path
            for one in objects:
                pairs = [(name, value) for name, values in one.template.items() for value in values]
                assert oned_conf.parse(templates.text(one.template)).values() == pairs, path
            pools, found = pools + 1, found + len(objects)
    print(f"{pools} recorded pools with {found} objects read")
    assert pools > 5 and found > 50
