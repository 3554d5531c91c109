# SPDX-License-Identifier: GPL-3.0-or-later
"""When a zone may be moved, and from where to where."""
import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.core import switchover

ZONE = {"name": "alpha", "nodes": ["alpha1", "alpha2"]}
RING = {"name": "alpha", "nodes": ["alpha1", "alpha2", "alpha3"]}


def state(*holders):
    return {"resources": [{"id": "zone_vip", "active": bool(holders), "nodes": list(holders)}]}


def check(target, status="red"):
    return {"target": target, "what": "replicates", "why": "SQL=No", "status": status}


def test_healthy_pair_moves_to_the_other_one():
    assert switchover.plan(ZONE, [check("alpha1", "green")], state("alpha2")) == {"from": "alpha2", "to": "alpha1", "problems": []}


@pytest.mark.parametrize("zone, checks, seen, target, sentence", [
    (ZONE, [check("alpha1")], state("alpha2"), None, "alpha1: replicates: SQL=No"),
    (ZONE, [dict(check("alpha", "unknown"), why="")], state("alpha2"), None, "alpha: replicates: unknown"),
    (ZONE, [], state(), None, "alpha: its address is on no front-end; there is nothing to move"),
    (ZONE, [], None, "alpha1", "alpha: its address is on no front-end; there is nothing to move"),
    (ZONE, [], state("alpha1", "alpha2"), "alpha1", "alpha: its address is on alpha1 and alpha2; there is nothing to move"),
    (RING, [], state("alpha1"), None, "alpha: several front-ends could take over; name one of alpha2, alpha3"),
    (RING, [], state("alpha1"), "beta1", "beta1 is no front-end of zone alpha; use one of alpha2, alpha3"),
    (ZONE, [], state("alpha1"), "alpha1", "zone alpha runs on alpha1 already"),
])
def test_reason_to_stay_is_told(zone, checks, seen, target, sentence):
    assert switchover.plan(zone, checks, seen, target)["problems"] == [sentence]


def test_trouble_in_another_zone_is_no_reason():
    assert switchover.plan(ZONE, [check("beta"), check("beta1")], state("alpha1"))["problems"] == []


def test_named_target_of_three_is_taken():
    assert switchover.plan(RING, [], state("alpha1"), "alpha3") == {"from": "alpha1", "to": "alpha3", "problems": []}
