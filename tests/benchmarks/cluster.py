#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the cluster part of site.yml, first and again, against the pcs commands of the procedure, and what one more resource costs.

    tests/benchmarks/cluster.py

On the converged lab, zone beta, whose cluster is destroyed twice and stands again at the end. Only ratios of one run mean anything: the machine is shared.
Writes build/benchmarks/cluster.json, too.
"""
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scenarios"))

import stage  # noqa: E402
import look  # noqa: E402

MORE = 16


def destroy(zone):
    """Take the zone's cluster away on both nodes, as pcs does."""
    zone.nodes[0].read("pcs cluster destroy --all >/dev/null 2>&1; ! test -e /etc/corosync/corosync.conf")
    for node in zone.nodes:
        node.read("systemctl stop opennebula opennebula-sunstone opennebula-gate opennebula-flow opennebula-novnc; ! systemctl is-active --quiet corosync")


def timed(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start


def reference(zone):
    node = zone.nodes[0]
    done = subprocess.run([str(stage.ROOT / "tests/benchmarks/reference.sh"), "cluster", node.name], check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                          env=dict(os.environ, LAB_KEY=node.login["key"], FENCE_PASSWORD=dict(node.secrets)["fence"]))
    if done.returncode:
        raise SystemExit(f"{done.stdout}\nFAILED: reference.sh cluster: exit {done.returncode}")


def play(*arguments):
    return stage.play("playbooks/site.yml", "--tags", "cluster", "--limit", "zone_beta", *arguments, name="bench-cluster").must_succeed()


def module(node, description):
    """Run cluster_config once, by itself."""
    done = subprocess.run(["ansible", "-i", stage.INVENTORY, node.name, "-m", "constellation.opennebula.cluster_config", "-a",
                           json.dumps({"description": description})], cwd=stage.ROOT, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8")
    if done.returncode:
        raise SystemExit(f"{done.stdout}\nFAILED: cluster_config")


def resources(first, number):
    return [{"id": f"bench{at}", "agent": "ocf:heartbeat:Dummy", "meta": {"target-role": "Stopped"}, "operations": [{"name": "monitor", "interval": "10s"}]}
            for at in range(first, first + number)]


def one_more(node):
    """Return the seconds of cluster_config and of pcs for 1 and for MORE further resources that do not start."""
    numbers, names = {}, [f"bench{at}" for at in range(MORE + 1)]
    numbers["cluster_config, 1 resource"] = timed(lambda: module(node, {"resources": resources(0, 1)}))
    numbers[f"cluster_config, {MORE} more in one task"] = timed(lambda: module(node, {"resources": resources(1, MORE)}))
    numbers[f"cluster_config, the same {MORE} again"] = timed(lambda: module(node, {"resources": resources(1, MORE)}))
    module(node, {"absent": names})
    create = "pcs resource create bench{} ocf:heartbeat:Dummy op monitor interval=10s --disabled"
    numbers["pcs, 1 resource"] = timed(lambda: node.read(create.format(0)))
    numbers[f"pcs, {MORE} more"] = timed(lambda: node.read(" && ".join(create.format(at) for at in range(1, MORE + 1))))
    module(node, {"absent": names})
    return numbers


def main():
    zone = look.read_inventory(stage.ROOT / stage.INVENTORY).zones[1]
    numbers = {}
    stage.say("reference.sh cluster")
    destroy(zone)
    numbers["reference.sh cluster"] = timed(lambda: reference(zone))
    stage.say("site.yml --tags cluster")
    destroy(zone)
    for name in ("first", "again"):
        run = play()
        numbers[f"site.yml --tags cluster, {name}"] = run.seconds
        if name == "again" and run.changed:
            raise SystemExit(f"FAILED: the second run changed {run.changed}")
        tasks = {}
        for before, after in zip(run.events, run.events[1:]):
            tasks[before["task"]] = tasks.get(before["task"], 0) + after["at"] - before["at"]
        stage.say(", ".join(f"{task} {seconds:.1f} s" for task, seconds in sorted(tasks.items(), key=lambda item: -item[1])[:6]))
    numbers.update(one_more(zone.active))
    load = os.getloadavg()[0]
    for name, seconds in numbers.items():
        print(f"{name:45}{seconds:8.1f} s{seconds / numbers['reference.sh cluster']:7.2f}")
    print(f"one more resource: {numbers[f'cluster_config, {MORE} more in one task'] - numbers['cluster_config, 1 resource']:.2f} s / {MORE - 1} with "
          f"cluster_config, {numbers[f'pcs, {MORE} more'] / MORE:.2f} s with pcs; load {load:.0f}")
    out = stage.ROOT / "build/benchmarks/cluster.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(dict(numbers, load=load), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
