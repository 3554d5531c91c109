# SPDX-License-Identifier: GPL-3.0-or-later
"""Who restarts when: never two of a zone in one turn, never the writer before it has moved, nobody forgotten."""
from ansible_collections.constellation.opennebula.plugins.module_utils.core import restart_order
from hypothesis import given
from hypothesis import strategies as st

ZONES = {"alpha": {"nodes": ["a1", "a2", "a3"]}, "beta": {"nodes": ["b1", "b2"]}}
NEEDED, WRITER, DONE = {"restart_needed": True, "writer": False}, {"restart_needed": True, "writer": True}, {"restart_needed": False, "writer": False}


def order(**reports):
    return restart_order.order(ZONES, reports, list(reports))


def test_first_convergence_restarts_one_of_each_zone_at_a_time():
    assert order(a1=NEEDED, a2=NEEDED, a3=NEEDED, b1=NEEDED, b2=NEEDED) == {"turns": [["a1", "b1"], ["a2", "b2"], ["a3"]], "writers": []}


def test_standbys_come_first_and_the_writer_is_named_apart():
    assert order(a1=WRITER, a2=NEEDED, a3=NEEDED, b1=NEEDED, b2=WRITER) == {"turns": [["a2", "b1"], ["a3"]], "writers": ["a1", "b2"]}


def test_who_runs_as_configured_or_was_not_asked_or_left_the_play_is_left_alone():
    assert order(a1=DONE, b2=NEEDED) == {"turns": [["b2"]], "writers": []}
    assert restart_order.order(ZONES, {"a1": None, "a2": {"msg": "crashed"}, "b1": NEEDED}, ["a1", "a2"]) == {"turns": [], "writers": []}


@given(st.dictionaries(st.sampled_from(["a1", "a2", "a3", "b1", "b2"]), st.sampled_from([NEEDED, WRITER, DONE, None])), st.data())
def test_no_turn_has_two_of_a_zone_and_everybody_has_one_turn(reports, data):
    reachable = data.draw(st.lists(st.sampled_from(sorted(reports)), unique=True)) if reports else []
    found = restart_order.order(ZONES, reports, reachable)
    for turn in found["turns"]:
        assert turn and len({node[0] for node in turn}) == len(turn)
    turned = [node for turn in found["turns"] for node in turn]
    assert sorted(turned) == sorted(node for node in reachable if reports[node] == NEEDED)
    assert sorted(found["writers"]) == sorted(node for node in reachable if reports[node] == WRITER)
