# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the steps of replication sources on a server (adapters/mariadb.py, given as an object) and wait until they run."""
from __future__ import annotations

from . import replication, replication_rules
from .errors import CoreError


def run_steps(server, todo, sources, passwords, require=None, accept=()):
    """Run the steps in order; a source that we made and that must not start is taken away again: a restarted server would start it.

    require: {server variable: value} that must hold before a start, besides the rules; accept: names of rules that need not.
    """
    _check_rules(server, [sources[step.source] for change in todo for step in change.step if step.verb == "start"], sources, require, accept)
    _refuse_tls_that_would_fail(server, todo, sources, passwords)
    _refuse_password_that_would_fail(server, todo, sources, passwords)
    _check_filters(server, todo, sources)
    created, halted = set(), set()
    for step in (step for change in todo for step in change.step):
        if step.verb == "check_filter":
            try:
                replication.check_filter(server.slaves(), sources[step.source], server.where)
            except CoreError:
                if step.source in created:
                    server.do("RESET SLAVE %s ALL", (step.source,))
                raise
        else:
            try:
                server.do(step.sql, step.args, (passwords.get(step.source),) if step.secret else ())
            except CoreError:
                if step.verb == "change" and step.source in halted and sources[step.source].state == "started":
                    server.do("START SLAVE %s", (step.source,))      # nothing was changed: it goes on as it is
                raise
            created |= {step.source} if step.verb == "create" else set()
            halted = halted | {step.source} if step.verb in ("stop", "reset") else halted - {step.source}
    if halted and server.variables(("rpl_semi_sync_slave_enabled",)).get("rpl_semi_sync_slave_enabled") == "ON":
        for name in replication.other_connections(server.slaves(), halted):
            server.do("STOP SLAVE %s IO_THREAD", (name,))
            server.do("START SLAVE %s IO_THREAD", (name,))


def _check_rules(server, starting, sources, require, accept):
    """Before anything is stopped or changed: a source that may not start again shall go on as it is."""
    if not starting:
        return
    rows = server.slaves()
    variables = server.variables((*replication_rules.RULES, *replication_rules.VARIABLES, *(require or {})))
    for source in starting:
        replication_rules.refuse(source, rows, variables, list(sources.values()), require, accept, server.where)


def _check_filters(server, todo, sources):
    """Before a running connection is stopped. The filter of one that is still to be made shows only then."""
    names = [step.source for change in todo for step in change.step if step.verb == "check_filter"]
    rows = server.slaves() if names else []
    for name in dict.fromkeys(names):
        if name in replication.by_name(rows):
            replication.check_filter(rows, sources[name], server.where)


def _refuse_tls_that_would_fail(server, todo, sources, passwords):
    """Try each source's server over TLS before a running connection is stopped for it. Nobody there yet is for ``settle`` to judge."""
    for source in replication.moves_to_tls(todo, sources.values()):
        if source.ssl_ca and source.ssl_verify:
            trouble = server.tls_trouble(source.host, source.port, source.user, passwords.get(source.name) or "", source.ssl_ca)
            if trouble:
                raise replication.refuse_tls(source, trouble, server.where)


def _refuse_password_that_would_fail(server, todo, sources, passwords):
    """One that runs goes on as it is until its server knows the new password, as in a run for one front-end only."""
    for source in replication.renewed(server.slaves(), todo, sources.values()):
        if not source.ssl or source.ssl_ca and source.ssl_verify:
            trouble = server.login_refused(source.host, source.port, source.user, passwords[source.name], source.ssl_ca if source.ssl else None)
            if trouble:
                raise replication.refuse_password(source, trouble, server.where)


def settle(server, wanted, wait_for, timeout_s):
    """Wait until the sources that shall run do so, or raise what is wrong with the first that does not."""
    started = [source for source in wanted if source.state == "started"]
    if not started:
        return
    begun = server.clock()
    patience_s = max(source.connect_retry_s for source in started) + 1
    connecting = wait_for == replication.CONNECTING

    def judged(rows, patient):
        live = replication.by_name(rows)
        return {source.name: replication.judge(live.get(source.name), wait_for, patient) for source in started}

    tried = {}

    def decided(rows):
        verdicts = judged(rows, patient=server.clock() < begun + patience_s)
        for name in sorted({name for name, verdict in verdicts.items() if verdict == "again"} | set(replication.broken_by_neighbour(rows))):
            if tried.get(name, begun - 1) + 1 <= server.clock():      # once a second; both threads, see core.failure_catalogue.Remedy
                tried[name] = server.clock()
                server.do("STOP SLAVE %s", (name,))
                server.do("START SLAVE %s", (name,))
        if "failed" in verdicts.values() or set(verdicts.values()) == {"ok"}:
            return True
        # One that is started again and again is waited for: what it needs comes from another connection, such as the federation's after seeding.
        return connecting and server.clock() >= max([begun + patience_s, *tried.values()]) + 1 and "again" not in verdicts.values()

    rows, reached = server.until(server.slaves, decided, timeout_s)
    live, verdicts = replication.by_name(rows), judged(rows, patient=False)
    for source in started:
        tries = connecting and verdicts[source.name] == "wait" and "No" not in replication.threads_of(live[source.name])
        if verdicts[source.name] != "ok" and not tries:
            raise replication.explain(live.get(source.name), source, server.where)
