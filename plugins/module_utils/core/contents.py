# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rows of a table differ between a server and its source, by primary key, while the source is written to.

The source is read before and after this server, each in a consistent snapshot. A row that is the same in both snapshots of the source, and
another here, differs; that is proven when this server's position lies between theirs, else the row may be one that is still to come.
Only rows of differing buckets are read one by one.
"""
from __future__ import annotations

import re
from dataclasses import dataclass

from . import federated, gtid

KEYS = "SELECT TABLE_NAME AS t, COLUMN_NAME AS c FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX"
MOST = 100      # keys of one kind that a result lists
_LONG = 120
# OpenNebula keeps hashes of passwords and login tokens in the bodies of its objects.
_SECRET = re.compile(r"<([A-Z_]*(?:PASSWORD|TOKEN|PASSWD|SECRET)[A-Z_]*)>.*?</\1>", re.S | re.I)


@dataclass(frozen=True)
class Table:
    """One table that differs. missing, extra, differing: primary keys, each as text ("5", "vid=3,seq=0"); why: when there are no keys to name."""

    name: str
    missing: tuple = ()
    extra: tuple = ()
    differing: tuple = ()
    why: str = ""

    def keys(self):
        return self.missing + self.extra + self.differing

    def as_dict(self, most=None):
        """Return it as data, with at most so many keys of each kind."""
        return {"table": self.name, "missing_here": list(self.missing[:most]), "only_here": list(self.extra[:most]),
                "differing": list(self.differing[:most]), "count": len(self.keys()), "why": self.why}

    def __str__(self):
        parts = [f"{len(keys)} {what} ({', '.join(keys[:5])}{', …' if len(keys) > 5 else ''})"
                 for keys, what in ((self.missing, "missing here"), (self.extra, "only here"), (self.differing, "differing")) if keys]
        return f"{self.name}: " + ("; ".join(parts) or self.why)


@dataclass(frozen=True)
class Comparison:
    """All compared tables. proven: what differs is not merely still to come; error: why nothing could be compared."""

    tables: tuple = ()
    proven: bool = True
    here: str = ""
    there: str = ""
    error: str = ""

    @property
    def equal(self):
        return not self.tables and not self.error

    def table(self, name):
        return next((one for one in self.tables if one.name == name), None)

    def __str__(self):
        if self.error:
            return f"the contents could not be compared: {self.error}"
        return "; ".join(map(str, self.tables)) or "the contents are equal"


def differing(before, here, after):
    """Return {table: why} of the tables that need a look at their rows; each argument is {table: {"checksum", "columns"}}."""
    found = {}
    for name in sorted(set(before) | set(here) | set(after)):
        ours, theirs = here.get(name), [side.get(name) for side in (before, after)]
        if any(ours == one for one in theirs):
            continue
        if ours is None:
            found[name] = "the table is missing here"
        elif None in theirs:
            found[name] = "the source does not have the table"
        elif ours["columns"] != theirs[1]["columns"]:
            found[name] = "the columns differ"
        else:
            found[name] = ""
    return found


def proven(before, here, after, domain):
    """Tell whether this server's position lies between those of the source (all positions as text)."""
    first, mine, second = (gtid.sequence(position, domain) for position in (before, here, after))
    return first <= mine <= second


def rows_of(table, before, here, after):
    """Return the Table of differing rows, or None. Each argument is {key: hash}."""
    kinds = {"missing": [], "extra": [], "differing": []}
    for key in sorted(set(before) | set(here), key=_natural):
        if before.get(key) == after.get(key) != here.get(key):
            kinds["missing" if key not in here else "extra" if key not in before else "differing"].append(key)
    found = Table(table, **{kind: tuple(keys) for kind, keys in kinds.items()})
    return found if found.keys() else None


def _natural(key):
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", key)]


# --- statements --------------------------------------------------------------------------------------------------------------

_HASHED = "(SELECT {key} AS k, {row} AS h FROM `{database}`.`{table}`) AS hashed"


def buckets_sql(database, table, columns, key):
    """Return a query for one checksum per bucket of rows."""
    return (f"SELECT {_bucket()} AS b, CONCAT(COUNT(*), ' ', HEX(BIT_XOR(CAST(CONV(SUBSTR(h, 1, 16), 16, 10) AS UNSIGNED))), ' ', "
            f"SUM(CAST(CONV(SUBSTR(h, 17, 16), 16, 10) AS DECIMAL(20)))) AS s FROM {_hashed(database, table, columns, key)} GROUP BY b")


def rows_sql(database, table, columns, key, count):
    """Return a query for key and hash of the rows in ``count`` buckets, its arguments."""
    return f"SELECT k, h FROM {_hashed(database, table, columns, key)} WHERE {_bucket()} IN ({', '.join(['%s'] * count)})"


def _bucket():
    return "CAST(CONV(SUBSTR(MD5(k), 1, 2), 16, 10) AS UNSIGNED)"


def _hashed(database, table, columns, key):
    federated.must_be_names(database, table, *key)
    shown = f"CAST(`{key[0]}` AS CHAR)" if len(key) == 1 else "CONCAT(" + ", ',', ".join(f"'{column}=', `{column}`" for column in key) + ")"
    return _HASHED.format(key=shown, row=federated.row_hash(columns), database=database, table=table)


def shown(row):
    """Return a row for people: secrets out, long texts cut."""
    return None if row is None else {column: _shown(value) for column, value in row.items()}


def _shown(value):
    if value is None or isinstance(value, (int, float)):
        return value
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    text = _SECRET.sub(r"<\1>(secret)</\1>", text)
    return text if len(text) <= _LONG else text[:_LONG] + f"… ({len(text)} characters)"
