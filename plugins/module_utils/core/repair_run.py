# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry a repair verb out; servers and copies (adapters/mariadb.py) are given as objects.

What is decided, is decided in core/repair.py. Before anything changes, what changes is dumped; what ran is started again, whatever happens, but not from a
position that is not the tables'.
"""
from __future__ import annotations

import contextlib
from dataclasses import replace

from . import contents, federated, federated_run, gtid, replication, replication_run
from .errors import CoreError, NotConverged, afterwards, each
from .repair import VERBS, Request, is_federation, parse_key, where_sql
from .repair_look import LOOK, Look


PULLING = "SELECT ID AS id FROM information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump'"

DEMOTES = (10, 10)      # the first release that knows MASTER_DEMOTE_TO_SLAVE


class Run:
    """One verb on one server. results gets what happened."""

    def __init__(self, request, servers, server, copy, params, results):
        self.request, self.servers, self.server, self.copy, self.params, self.results = request, servers, server, copy, params, results
        self.database = request.database
        self.look = None
        self.placing = False      # while the tables here are newer than the position

    def read(self):
        self.look = Look(self.servers, self.database, self.server)
        facts = self.look.facts(self.request)
        row = facts.row(self.request.source)
        self.results["evidence"] = {
            "source": replication.status_of(row) if row else None, "row_here": contents.shown(facts.row_here), "row_there": contents.shown(facts.row_there),
            "tables": [one.as_dict() for one in facts.comparison.tables], "proven": facts.comparison.proven, "compared": not facts.comparison.error,
            "positions": {"here": facts.here.current_pos, "source": facts.source.current_pos if facts.source else ""}}
        return facts

    def apply(self, facts, todo):
        self.server.do("SET SESSION sql_log_bin=0")
        with afterwards(lambda: self.server.do("SET SESSION sql_log_bin=1")):
            getattr(self, "_" + self.request.verb)(facts, todo)
            self._settle(facts)
        self._await_equal(facts)

    # --- sources
    def _again(self, name):
        self.server.do("STOP SLAVE %s", (name,))
        self._start(name)

    def _start(self, name):
        self.server.do("START SLAVE %s", (name,))

    def _restart(self, facts, todo):
        self._again(self.request.source)

    def _repoint(self, facts, todo):
        wanted = [replication.wanted_sources(replication.parse([row]))[0] for row in facts.here.rows if row["Connection_name"] == self.request.source]
        wanted = [replace(one, use_gtid="slave_pos", log_file="", log_pos=0) for one in wanted]        # what it leads to, whatever it was before
        replication_run.run_steps(self.server, todo, {one.name: one for one in wanted}, {}, accept=("log_slave_updates",))

    def _refilter(self, facts, todo):
        self.server.do("STOP SLAVE %s", (self.request.source,))
        with afterwards(lambda: self._start(self.request.source)):
            self._filter("replicate_ignore_table", [])
            self._filter("replicate_do_table", self.request.do_tables)

    def _filter(self, name, tables):
        self.server.do("SET @@default_master_connection=%s", (self.request.source,))
        self.server.do(f"SET GLOBAL {name}=%s", (",".join(tables),))
        self.server.do("SET @@default_master_connection=''")

    def _demote(self, facts, todo):
        if replication.release(self.server.value("SELECT VERSION() AS version")) < DEMOTES:
            self._demote_by_position(facts)
            return
        self.server.do("STOP SLAVE %s", (self.request.source,))
        with afterwards(lambda: self._start(self.request.source)):
            self.server.do("CHANGE MASTER %s TO MASTER_DEMOTE_TO_SLAVE=1", (self.request.source,))

    def _demote_by_position(self, facts):
        """What MASTER_DEMOTE_TO_SLAVE does: by domain, the newer of what was applied and what was written here. All channels share the position."""
        running = [row["Connection_name"] for row in facts.here.rows if set(replication.threads_of(row)) != {"No"}]
        self.server.do("STOP ALL SLAVES")
        with afterwards(lambda: each(lambda name=name: self._start(name) for name in dict.fromkeys([*running, self.request.source]))):
            here = self.server.rows(LOOK)[0]
            self.server.do("SET GLOBAL gtid_slave_pos=%s", (gtid.newest(here["slave_pos"] or "", here["binlog_pos"] or ""),))

    # --- rows
    def _remove_row(self, facts, todo):
        with self._appliers_stopped(facts):
            where = self._unchanged_row(facts)
            self._back_up([self.request.table], where)
            self.server.do(f"DELETE FROM `{self.database}`.`{self.request.table}` WHERE {where}")

    def _at_the_same_place(self, facts):
        """The error names the event. The position alone does not tell that a source went on: all channels move it."""
        error = replication.status_of(replication.by_name(self.look.server.slaves())[self.request.source])["sql_error"]
        return (error == replication.status_of(facts.row(self.request.source))["sql_error"]
                or self.look.server.value("SELECT @@GLOBAL.gtid_slave_pos") == facts.here.slave_pos)

    def _insert_row(self, facts, todo):
        table, row = self.request.table, facts.row(self.request.source)
        with self._appliers_stopped(facts):
            where = self._unchanged_row(facts)
            self._back_up([table], where)
            self.copy.into(self.servers.at(row["Master_Host"], int(row["Master_Port"])), self.database, [table], self.server, self.database, where=where)
        if not replication.status_of(row)["sql_errno"]:
            return
        try:
            self._settle(facts)
        except CoreError:
            if not self._at_the_same_place(facts):
                raise      # it went on: this row was missing, and now another one is
            self.server.do(f"DELETE FROM `{self.database}`.`{table}` WHERE {where}")
            raise NotConverged(f"row {table} {self.request.key} is not the one that the source waits for", self.server.where,
                               "the source stopped at the same place again; the row was taken out again", "Look at the evidence for other missing rows, "
                               "or use verb reseed_table.", backup_file=self.results.get("backup_file")) from None

    def _unchanged_row(self, facts):
        """Read the row once more, with the appliers stopped: the ground may have moved since the evidence."""
        federated.must_be_names(self.database, self.request.table)
        where = where_sql(parse_key(self.request.key, self.look.keys().get(self.request.table, [])))
        row = next(iter(self.server.rows(f"SELECT * FROM `{self.database}`.`{self.request.table}` WHERE {where}")), None)
        if row != facts.row_here:
            raise CoreError(f"refusing to {self.request.verb} {self.request.table} {self.request.key}", self.server.where,
                            "the row has changed since it was looked at", "Run again.")
        return where

    @contextlib.contextmanager
    def _appliers_stopped(self, facts):
        """Stop what applies events, and only that: the IO threads go on acknowledging the writer's commits."""
        running = [row["Connection_name"] for row in facts.here.rows if replication.threads_of(row)[1] == "Yes"]

        def go_on(name):
            if replication.threads_of(facts.row(name))[0] == "No":
                self._again(name)
            else:
                self.server.do("START SLAVE %s SQL_THREAD", (name,))

        ordered = self._ordered(facts, running + self._broken(facts) + [self.request.source])
        with afterwards(lambda: each(lambda name=name: go_on(name) for name in ordered)):
            for name in running:
                self.server.do("STOP SLAVE %s SQL_THREAD", (name,))
            yield

    def _broken(self, facts):
        return [row["Connection_name"] for row in facts.here.rows if replication.status_of(row)["sql_errno"]]

    def _ordered(self, facts, names):
        """Federation channels first: a zone's own channel may ask for a position that they must have passed."""
        return sorted(dict.fromkeys(names), key=lambda name: not is_federation(facts.row(name)))

    # --- tables
    def _reseed_table(self, facts, todo):
        with self._seeding(facts) as (source, running):
            table, row = self.request.table, facts.row(self.request.source)
            existing = {table} & federated_run.present(self.server, self.database)
            self._back_up(sorted(existing))
            comments, staged = federated_run.stage(self.server, self.copy, source, self.database, [table])
            if table not in staged:
                raise federated.not_placed({table})
            position = federated.read_position(comments, facts.source.domain, source.where)
            self._check_gap(facts, position)
            have = self.server.value("SELECT @@GLOBAL.gtid_slave_pos") or ""
            if gtid.missing(position, gtid.only(have, facts.source.domain)):
                raise CoreError("refusing to put the table into place", self.server.where, f"this node is at {have}, the source only at {position}",
                                "Wait until the source has caught up.")
            self.server.do("STOP ALL SLAVES")
            self._catch_up(row, table, position)
            self._place([table], existing)
            if facts.here.read_only:
                self._new_binary_log(gtid.with_domain(self._positions()["slave_pos"], facts.here.domain, self._positions()["current_pos"]))

    def _catch_up(self, row, table, position):
        """Apply everything up to the dump's position except what concerns the table: the other tables reach the same moment."""
        listed, name = replication.filter_of(row), f"{self.database}.{table}"
        changed = "replicate_do_table" if listed else "replicate_ignore_table"
        with afterwards(lambda: self._filter(changed, listed if name in listed or not listed else listed + [name])):
            self._filter(changed, [one for one in listed if one != name] if listed else [name])
            self.server.do("START SLAVE %s UNTIL master_gtid_pos=%s", (self.request.source, position))
            status, reached = self.server.until(lambda: replication.status_of(replication.by_name(self.server.slaves())[self.request.source]),
                                                lambda one: one["sql"] == "No" or one["io"] == "No" and one["io_errno"], self.params["wait_timeout_s"])
            self.server.do("STOP SLAVE %s", (self.request.source,))
            if gtid.missing(self.server.value("SELECT @@GLOBAL.gtid_slave_pos") or "", position):
                errno = status["sql_errno"] or status["io_errno"]
                raise CoreError("cannot bring the other tables to the moment of the copy", self.server.where,
                                f"source {self.request.source} did not reach {position}" + (f", error {errno}: {status['sql_error'] or status['io_error']}"
                                                                                            if errno else " in time"),
                                "The table is as it was. Repair what the error names, or use verb reseed_tables or reseed_node.", errno=errno)

    def _reseed_tables(self, facts, todo):
        if not facts.here.passes_on:
            self._reseed_in_guide(facts, [name.split(".", 1)[1] for name in replication.filter_of(facts.row(self.request.source))])
            return
        with self._seeding(facts) as (source, running):
            wanted = [name.split(".", 1)[1] for name in replication.filter_of(facts.row(self.request.source))]
            existing = set(wanted) & federated_run.present(self.server, self.database)
            self._back_up(sorted(existing))
            comments, staged = federated_run.stage(self.server, self.copy, source, self.database, wanted)
            if set(wanted) - staged:
                raise federated.not_placed(set(wanted) - staged)
            position = federated.read_position(comments, facts.source.domain, source.where)
            before = federated_run.look(self.server, self.database, wanted)
            self._check_gap(facts, position)
            if not facts.here.read_only:
                federated.check_position(before, position, (facts.source.domain,))
            self.server.do("STOP ALL SLAVES")
            self._place(wanted, existing)
            new = federated.new_slave_pos(federated_run.look(self.server, self.database, wanted), position, (facts.source.domain,))
            if facts.here.read_only:
                self._new_binary_log(new)
            self.server.do("SET GLOBAL gtid_slave_pos=%s", (new,))

    def _reseed_node(self, facts, todo):
        if not facts.here.passes_on:
            self._reseed_in_guide(facts, ())
            return
        with self._seeding(facts) as (source, running):
            existing = federated_run.present(self.server, self.database)
            self._back_up(())
            comments, staged = federated_run.stage(self.server, self.copy, source, self.database, ())
            federated.read_position(comments, facts.here.domain, source.where)      # there is one
            # In a slave zone the binary log has the federated events only, and may end long before the position up to which the writer has seen
            # all of them. That one was read before the dump, so the dump has everything up to it.
            position = gtid.newest(federated.read_positions(comments), facts.source.slave_pos, keep=facts.here.domain)
            self.server.do("STOP ALL SLAVES")
            self._place(sorted(staged), existing)
            self._new_binary_log(position)
            self.server.do("SET GLOBAL gtid_slave_pos=%s", (position,))

    def _reseed_in_guide(self, facts, wanted):
        """Layout guide: the copy has what its server wrote and applied, a domain for each server; the binary log here has this server's own writes only.

        wanted (): the whole database. The binary log stays, unless the writer has another number of this server's writes than it has itself.
        """
        with self._seeding(facts) as (source, running):
            existing = (set(wanted) & federated_run.present(self.server, self.database)) if wanted else federated_run.present(self.server, self.database)
            self._back_up(sorted(existing) if wanted else ())
            domains = (facts.source.domain, *(domain for domain in gtid.parse(facts.source.slave_pos) if domain != facts.source.domain))
            staged, position = federated_run.exact_copy(self.server, self.copy, {"server": source, "domain": facts.source.domain, "address": source.where},
                                                        self.database, wanted, domains)
            if set(wanted) - staged:
                raise federated.not_placed(set(wanted) - staged)
            self.server.do("STOP ALL SLAVES")
            self._place(sorted(wanted or staged), existing)
            if wanted:
                position = federated.new_slave_pos(federated_run.look(self.server, self.database, wanted), position, domains)
            elif gtid.sequence(position, facts.here.domain) != gtid.sequence(self._positions()["binlog_pos"], facts.here.domain):
                self._new_binary_log(gtid.only(position, facts.here.domain))
            self.server.do("SET GLOBAL gtid_slave_pos=%s", (position,))

    @contextlib.contextmanager
    def _seeding(self, facts):
        """Appliers stopped for the copy, everything only for the moment of placing; at the end everything that ran or was broken is started.

        A failure starts no source that was stopped before, and none at all while the tables are newer than the position.
        """
        row = facts.row(self.request.source)
        source = self.servers.at(row["Master_Host"], int(row["Master_Port"]))
        running = [one["Connection_name"] for one in facts.here.rows if set(replication.threads_of(one)) != {"No"} or any(
            replication.status_of(one)[errno] for errno in ("io_errno", "sql_errno"))]
        wanted = list(running)

        def go_on():
            if self.placing:
                raise CoreError("no source is started", self.server.where, "tables were being put into place, and the position is not theirs yet",
                                f"Run the same verb again. The backup is {self.results.get('backup_file')}.")
            each([lambda: self.server.do(f"DROP DATABASE IF EXISTS `{federated.STAGING}`"),
                  *(lambda name=name: self._again(name) for name in self._ordered(facts, wanted))])

        with afterwards(go_on):
            for name in running:
                self.server.do("STOP SLAVE %s SQL_THREAD", (name,))
            yield source, running
            self.placing = False
            wanted.append(self.request.source)
        self.results["source"] = source.where

    def _place(self, tables, existing):
        for statement in federated.place_steps(self.database, tables, existing):
            self.server.do(statement)
            self.placing = True      # from the first one on, the mark

    def _positions(self):
        return {name: value or "" for name, value in self.server.rows(LOOK)[0].items()}

    def _new_binary_log(self, position):
        self.server.do("RESET MASTER")
        self.server.do("SET GLOBAL gtid_binlog_state=%s", (position,))
        self.results["new_binary_log"] = True
        # Who pulls from here would notice only at the next event. Ended, it comes again at once and says whether it can go on.
        for thread in self.server.rows(PULLING):
            with contextlib.suppress(CoreError):      # it may have ended by itself
                self.server.do("KILL CONNECTION %s", (int(thread["id"]),))

    def _check_gap(self, facts, position):
        """On a zone's writer, whose binary log stays: the zone's other nodes must be past what is passed over here."""
        if facts.here.read_only:
            return
        for name, peer in facts.peers.items():
            row = facts.row(name)
            other = self.servers.at(row["Master_Host"], int(row["Master_Port"]))
            have, reached = self.server.until(lambda one=other: one.value("SELECT @@GLOBAL.gtid_slave_pos") or "",
                                              lambda have: not gtid.missing(have, position), self.params["wait_timeout_s"])
            if not reached:
                raise CoreError("refusing to put the tables into place", self.server.where,
                                f"the zone's other node ({name}) is at {have or 'nothing'}, before {position}: it would read on over the gap",
                                "Let it catch up or repair it first.")

    def _back_up(self, tables, where=""):
        if where or tables or self.request.verb == "reseed_node":
            self.results["backup_file"] = self.copy.to_file(self.server, self.database, tables, self.params["backup_dir"], where)

    # --- afterwards
    def _settle(self, facts):
        rows = replication.by_name(self.server.slaves())
        names = dict.fromkeys([self.request.source] + (self._broken(facts) if VERBS[self.request.verb].data else []))
        wanted = replication.wanted_sources([dict(replication.parse([rows[name]])[0], state="started", do_tables=None, log_file="-", log_pos=4)
                                             for name in names])
        try:
            replication_run.settle(self.server, wanted, replication.RUNNING, self.params["wait_timeout_s"])
        except CoreError as error:
            raise NotConverged(error.what, error.where, error.why, error.hint, **dict(error.data, backup_file=self.results.get("backup_file"))) from None

    def _await_equal(self, facts):
        """Compare what the source has the truth about; both threads running proves nothing."""
        row = replication.by_name(self.server.slaves())[self.request.source]
        if not facts.here.read_only and facts.source.domain == facts.here.domain:
            return      # this node is the reference
        look = Look(self.servers, self.database, self.server)
        request = Request(self.request.verb, self.request.source, self.request.table, database=self.database)
        found, reached = self.server.until(lambda: look.compare(request, row)[0], lambda one: one.equal or one.tables and one.proven,
                                           self.params["wait_timeout_s"])
        self.results["equal"] = found.equal
        if not found.equal:
            backup = self.results.get("backup_file")
            raise NotConverged(f"{self.request.verb} {self.request.source} is done, and the contents are not proven equal", self.server.where, str(found),
                               "Run without a verb for the evidence." + (f" The backup is {backup}." if backup else ""), backup_file=backup)
