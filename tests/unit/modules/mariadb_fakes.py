# SPDX-License-Identifier: GPL-3.0-or-later
"""A MariaDB server that behaves as measured on 10.11: errors 1198, 1617, filters by exact prefix, a forgotten heartbeat, one semi-sync state for all."""
import json
import pathlib
import re

from ansible_collections.constellation.opennebula.plugins.module_utils.core import replication, replication_rules
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotThere

CAPTURED = json.loads((pathlib.Path(__file__).parents[1] / "fixtures/mariadb/slaves_beta1_10_11_19.json").read_text(encoding="utf-8"))["rows"]
COLUMNS = {option.keyword: option.column for option in replication.OPTIONS}
GTID = {"slave_pos": "Slave_Pos", "current_pos": "Current_Pos", "no": "No"}


class FakeServer:
    """Connections only. network: {(host, port): password that is right there, or an errno}; cnf: {connection name: tables of its filter}."""

    where = "root@fake"

    def __init__(self, network=None, cnf=None, absent=False, deaf=False, semi_sync=False):
        self.network, self.cnf, self.absent, self.deaf, self.semi_sync = network or {}, cnf or {}, absent, deaf, semi_sync
        self.settings = {}
        self.reads_file = True      # the passwords that the server keeps
        self.refuses = ""      # why it refuses CHANGE MASTER
        self.tls = {}      # {(host, port): why TLS would fail there}
        self.connections, self.passwords, self.writes, self.secrets, self.now = {}, {}, [], [], 0.0

    # --- reading
    def slaves(self):
        if self.absent:
            raise NotThere("MariaDB does not answer", self.where, "2002 no socket", "Start it.")
        for name in self.connections:
            self._connect(name)
        return [dict(row) for row in self.connections.values()]

    def variables(self, names=()):
        known = {name: value for name, (value, dummy) in replication_rules.RULES.items()}
        return dict(known, rpl_semi_sync_slave_enabled="ON" if self.semi_sync else "OFF", read_only="ON", rpl_semi_sync_master_enabled="OFF",
                    gtid_ignore_duplicates="ON") | self.settings

    def next_arguments(self):
        return " ".join(f"--{name}.replicate-do-table={table}" for name, tables in self.cnf.items() for table in tables)

    def stored_passwords(self, rows):
        return {row["Connection_name"]: self.passwords.get(row["Connection_name"]) if self.reads_file else None for row in rows}

    def login_refused(self, host, port, user, password, ca=None):
        answer = self.network.get((host, port), 2003)
        return None if isinstance(answer, int) else "" if answer == password else f"1045 Access denied for user '{user}'@'here'"

    def tls_trouble(self, host, port, user, password, ca):
        answer = self.network.get((host, port), 2003)
        return None if isinstance(answer, int) or answer != password else self.tls.get((host, port), "")

    def clock(self):
        return self.now

    def until(self, read, judge, timeout_s, every_s=0.2):
        deadline = self.now + timeout_s
        while True:
            state = read()
            if judge(state) or self.now >= deadline:
                return state, judge(state)
            self.now += every_s

    # --- writing
    def do(self, sql, args=(), secrets=()):
        assert sql.count("%s") == len(args), (sql, args)
        self.writes.append((sql, args))
        self.secrets += [secret for secret in secrets if secret]
        if self.deaf:
            return
        verb = sql.split()[0]
        getattr(self, f"_{verb.lower()}")(sql, args)

    def _change(self, sql, args):
        name, values = args[0], list(args[1:])
        row = self.connections.get(name)
        if row and (row["Slave_IO_Running"], row["Slave_SQL_Running"]) != ("No", "No"):
            raise CoreError("MariaDB refused CHANGE MASTER", self.where, "1198 running slave", errno=1198)
        if self.refuses:
            raise CoreError("MariaDB refused CHANGE MASTER", self.where, self.refuses)
        if row is None:
            base = {key: "" if isinstance(value, str) else 0 for key, value in CAPTURED[0].items()}
            row = dict(base, Connection_name=name, Slave_IO_Running="No", Slave_SQL_Running="No", Replicate_Do_Table=",".join(self.cnf.get(name, ())),
                       Master_Port=3306, Connect_Retry=60, Slave_heartbeat_period=30.0, Using_Gtid="Slave_Pos", Seconds_Behind_Master=None)
            self.connections[name] = row
        row["Slave_heartbeat_period"] = 30.0      # unless it is named in each CHANGE MASTER
        for word in re.findall(r"(\w+)=(%s|\w+)", sql):
            value = values.pop(0) if word[1] == "%s" else GTID[word[1]]
            if word[0] == "MASTER_PASSWORD":
                self.passwords[name] = value
            elif word[0] in COLUMNS:
                row[COLUMNS[word[0]]] = {0: "No", 1: "Yes"}[value] if word[0] in ("MASTER_SSL", "MASTER_SSL_VERIFY_SERVER_CERT") else value
        assert not values, values

    def _start(self, sql, args):
        row = self._row(args[0])
        row.update(Slave_IO_Running="Connecting", Slave_SQL_Running=row["Slave_SQL_Running"] if sql.endswith("IO_THREAD") else "Yes", Last_IO_Errno=0,
                   Last_IO_Error="")
        row.pop("next_try", None)

    def _stop(self, sql, args):
        row = self._row(args[0])
        row["Slave_IO_Running"] = "No"
        row["Slave_SQL_Running"] = row["Slave_SQL_Running"] if sql.endswith("IO_THREAD") else "No"

    def _reset(self, sql, args):
        assert self._row(args[0])["Slave_IO_Running"] == "No"
        del self.connections[args[0]]

    def _row(self, name):
        if name not in self.connections:
            raise CoreError("MariaDB refused a statement", self.where, f"1617 no connection '{name}'", errno=1617)
        return self.connections[name]

    def _connect(self, name):
        row = self.connections[name]
        if row["Slave_IO_Running"] != "Connecting" or self.now < row.get("next_try", 0):
            return
        answer = self.network.get((row["Master_Host"], row["Master_Port"]), 2003)
        if isinstance(answer, int):
            fatal = answer in (1236, 1593, 1597, 1595)
            row.update(Slave_IO_Running="No" if fatal else "Connecting", Last_IO_Errno=answer, Last_IO_Error=f"error {answer}")
        elif answer != self.passwords.get(name):
            row.update(Last_IO_Errno=1045, Last_IO_Error="Access denied")
        else:
            row.update(Slave_IO_Running="Yes", Last_IO_Errno=0, Last_IO_Error="")
