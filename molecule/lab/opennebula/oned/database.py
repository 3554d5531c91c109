# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to MariaDB: a few pooled connections, every statement its own transaction unless given as a batch."""
from __future__ import annotations

import queue

import pymysql

READ_ONLY = 1290
NO_SUCH_TABLE = 1146


class DatabaseError(Exception):
    """A statement that the server refused; ``number`` is the server's error number."""

    def __init__(self, sql, error):
        self.number = error.args[0] if error.args else 0
        self.text = str(error.args[1]) if len(error.args) > 1 else str(error)
        self.sql = sql
        super().__init__(f"SQL command was: {sql}, error {self.number} : {self.text}")


class Database:
    """Ask with ``rows``, change with ``write``."""

    def __init__(self, server, user, password, name, port=0, connections=12):
        self.name = name
        self._where = {"user": user, "password": password, "database": name, "charset": "utf8mb4", "autocommit": True, "connect_timeout": 5}
        if server == "localhost":       # the client library's meaning of localhost: the socket
            self._where["unix_socket"] = "/run/mysqld/mysqld.sock"
        elif server.startswith("/"):
            self._where["unix_socket"] = server
        else:
            self._where.update(host=server, port=port or 3306)
        self._idle = queue.Queue()
        for _number in range(connections):
            self._idle.put(None)        # connected when first needed

    def rows(self, sql, *arguments):
        return self._with(lambda cursor: self._ask(cursor, sql, arguments))

    def write(self, *statements):
        """Run statements (sql, argument, …) as one transaction."""
        def run(cursor):
            if len(statements) > 1:
                cursor.execute("START TRANSACTION")
            for sql, *arguments in statements:
                self._ask(cursor, sql, arguments)
            if len(statements) > 1:
                cursor.execute("COMMIT")
        return self._with(run)

    def tables(self):
        return {row[0] for row in self.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", self.name)}

    def read_only(self):
        return bool(self.rows("SELECT @@read_only")[0][0])

    @staticmethod
    def _ask(cursor, sql, arguments):
        try:
            cursor.execute(sql, arguments or None)
        except pymysql.MySQLError as error:
            raise DatabaseError(sql if not arguments else cursor.mogrify(sql, arguments), error) from error
        return cursor.fetchall() if cursor.description else ()

    def _with(self, work):
        connection = self._idle.get()
        try:
            if connection is None:
                connection = pymysql.connect(**self._where)
            else:
                connection.ping(reconnect=True)
            with connection.cursor() as cursor:
                return work(cursor)
        except DatabaseError:
            _close(connection)          # an aborted transaction ends with its connection
            connection = None
            raise
        except pymysql.MySQLError as error:
            _close(connection)
            connection = None
            raise DatabaseError("connect", error) from error
        finally:
            self._idle.put(connection)


def _close(connection):
    if connection is not None:
        try:
            connection.close()
        except pymysql.MySQLError:
            pass                        # it was gone already
