#!/usr/bin/env python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml killed at any task and run again ends in the same verified state.

    tests/scenarios/interrupt.py [--points 12] [--each]

On bare nodes, site.yml is killed at a task, started again, killed at a later task … and at last left alone and verified. --each begins
with bare nodes at every point and verifies after each. Kills alternate between a hard one (SIGKILL, as a lost controller) and Ctrl-C, and come
0, 0.4 or 1.5 s into the task.
"""
import argparse
import signal
import sys
import time

import stage

DELAYS = (0.0, 0.4, 1.5)
SIGNALS = (signal.SIGKILL, signal.SIGINT)


def interrupted(point, number):
    """Run site.yml until its task ``point`` begins, then kill it; return the task's name, None when the run ended before."""
    play = stage.Play("playbooks/site.yml", name=f"interrupt-{point}")
    while play.process.poll() is None:
        started = [event for event in play.events() if event["event"] == "task"]
        if len(started) >= point:
            time.sleep(DELAYS[number % len(DELAYS)])
            if play.process.poll() is None:
                play.kill(SIGNALS[number % len(SIGNALS)])
                return f"{started[point - 1]['task']} ({SIGNALS[number % len(SIGNALS)].name} after {DELAYS[number % len(DELAYS)]} s)"
        time.sleep(0.05)
    play.wait().must_succeed()
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=12, help="how many interruptions, evenly spread over the tasks")
    parser.add_argument("--each", action="store_true", help="bare nodes and verification for each point")
    options = parser.parse_args()
    checks = stage.Checks()
    stage.fresh_lab()
    total = stage.play("playbooks/site.yml", name="interrupt-none").must_succeed().tasks
    points = sorted({max(1, round(total * (index + 0.5) / options.points)) for index in range(options.points)})
    stage.say(f"{total} tasks; interrupting at {points}")
    stage.fresh_lab()
    hits = 0
    for number, point in enumerate(points):
        where = interrupted(point, number)
        hits += where is not None
        stage.say(f"killed at task {point} of {total}: {where}" if where else f"the run ended before task {point}")
        if options.each:
            finish(checks, f"after a kill at task {point}")
            stage.fresh_lab()
    checks.that(hits >= min(10, options.points), f"{hits} interruptions took place")
    if not options.each:
        finish(checks, f"after {hits} kills")
    return checks.end()


def finish(checks, when):
    run = stage.play("playbooks/site.yml", name="interrupt-again")
    checks.that(run.rc == 0, f"{when} the next run succeeds", run.log)
    again = stage.play("playbooks/site.yml", name="interrupt-silent")
    checks.that(again.rc == 0 and not again.changed, f"{when} the run after that changes nothing", again.changed)
    checks.that(stage.verified(), f"{when} all checks from outside pass")


if __name__ == "__main__":
    sys.exit(main())
