"""PostgreSQL: one snapshot in a transaction that cannot write, rows in chunks, as texts for DuckDB."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.pq import ExecStatus
from psycopg.types.string import TextLoader

from ..protocol import EdaError
from . import stored_values
from .dialect import CONNECT_SECONDS, MOST_TABLES, Dialect, Incoming, TreeTable, shut

#: Rows that are fetched at a time: some, as one may have a cell of many MB.
_CHUNK = 10
#: oid -> type of DuckDB that holds every value.
_PLAIN = {
    16: "BOOLEAN",
    20: "BIGINT",
    21: "SMALLINT",
    23: "INTEGER",
    26: "UINTEGER",
    700: "FLOAT",
    701: "DOUBLE",
    1266: "TIME WITH TIME ZONE",
    114: "JSON",
    3802: "JSON",
    2950: "UUID",
}
_BYTEA, _NUMERIC, _DATE, _TIME, _TIMESTAMP, _TIMESTAMPTZ, _INTERVAL = 17, 1700, 1082, 1083, 1114, 1184, 1186
_DATES = {_DATE: "DATE", _TIMESTAMP: "TIMESTAMP", _TIMESTAMPTZ: "TIMESTAMP WITH TIME ZONE"}
_DIGITS = 38
#: DuckDB writes "(BC)" after the day, PostgreSQL writes "BC" at the end.
_BEFORE_CHRIST = (
    r"case when ends_with({0}, ' BC') then regexp_replace({0}, '^(\S+)(.*) BC$', '\1 (BC)\2') else {0} end"
)
#: What PostgreSQL has at hand and nobody else needs to know.
_SETTINGS = (
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
    ("lc_messages", "C"),
)
_READ_ALL = "pg_read_all_data"

_TREE = """
select n.nspname, c.relname, case when c.relkind in ('v', 'm') then 'view' else 'table' end,
       case when c.relkind <> 'v' and c.reltuples >= 0 then c.reltuples::bigint end
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
  and case when %(schema)s = '' then n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
           else n.nspname = %(schema)s end
  and pg_catalog.has_schema_privilege(n.oid, 'USAGE')
  and (pg_catalog.has_table_privilege(c.oid, 'SELECT')
       or pg_catalog.has_any_column_privilege(c.oid, 'SELECT'))
  and (%(wanted)s = '' or pg_catalog.strpos(lower(n.nspname || '.' || c.relname), lower(%(wanted)s)) > 0)
order by 1, 2 limit %(most)s
"""
_COLUMNS = """
select a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), not a.attnotnull
from pg_catalog.pg_attribute a
join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relname = %(table)s and a.attnum > 0 and not a.attisdropped
  and case when %(schema)s = '' then pg_catalog.pg_table_is_visible(c.oid) else n.nspname = %(schema)s end
order by a.attnum
"""
_NESTED = "select oid, typtype, typcategory from pg_catalog.pg_type where oid = any(%s)"


class Postgresql(Dialect):
    """A database of PostgreSQL."""

    title = "PostgreSQL"
    errors = (psycopg.Error, OSError, UnicodeError)

    def __init__(self, source: Mapping[str, Any], *, seconds: float) -> None:
        super().__init__(source, seconds=seconds)
        self._connection: psycopg.Connection[Any] | None = None
        self._statement: sql.Composable = sql.SQL("")
        self._oids: tuple[int, ...] = ()
        self._end = shut(None)

    @property
    def _open(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            raise RuntimeError("there is no connection")
        return self._connection

    def connect(self) -> None:
        """Connect and begin a transaction that sees one state and cannot write."""
        given = self.options
        arguments = {
            "host": given.get("host"),
            "port": given.get("port"),
            "user": given.get("user"),
            "password": given.get("password"),
            "dbname": given.get("database"),
            "connect_timeout": max(2, min(CONNECT_SECONDS, int(self.seconds))),
            "application_name": "Couture Workflow",
            "passfile": os.devnull,
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            **dict(given.get("options") or {}),
        }
        kept = {name: value for name, value in arguments.items() if value not in (None, "")}
        self._connection = psycopg.connect("", autocommit=True, prepare_threshold=None, **kept)
        self._end = shut(socket.socket(fileno=os.dup(self._connection.fileno())))
        self.lossy = self._connection.info.parameter_status("server_encoding") == "SQL_ASCII"
        self._connection.execute("begin isolation level repeatable read read only")
        self._set()

    def _set(self) -> None:
        for name, value in (*_SETTINGS, ("statement_timeout", str(int(self.seconds * 1000)))):
            with suppress(errors.InsufficientPrivilege):
                with self._open.transaction():
                    self._open.execute("select set_config(%s, %s, true)", (name, value))
        if self._open.info.parameter_status("is_superuser") == "on":
            self._read_only_role()

    def _read_only_role(self) -> None:
        """Take from a superuser what only reading does not need; rows that a policy hides are an error."""
        found = self._open.execute("select 1 from pg_roles where rolname = %s", (_READ_ALL,)).fetchone()
        if found:
            self._open.execute("set local row_security = off")
            self._open.execute(f"set local role {_READ_ALL}")

    def limit_time(self) -> None:
        """Tell the server how long a statement may take from now on."""
        self._open.execute(
            "select set_config('statement_timeout', %s, true)", (str(int(self.seconds * 1000)),)
        )

    def describe(self) -> tuple[Incoming, ...]:
        """Ask the server to prepare what is read: it takes one statement, and runs nothing."""
        self.limit_time()
        text = self.query or self._table_text()
        server = self._open.pgconn
        for result in (server.prepare(b"", text.encode()), server.describe_prepared(b"")):
            if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
                raise errors.error_from_result(result, encoding="utf-8")
        if self.query and not result.nfields:
            raise self.no_rows_statement()
        names = [(result.fname(place) or b"").decode(errors="replace") for place in range(result.nfields)]
        self._oids = tuple(result.ftype(place) for place in range(result.nfields))
        nested = self._nested()
        incoming = tuple(
            _incoming(name, oid, result.fmod(place), nested)
            for place, (name, oid) in enumerate(zip(names, self._oids, strict=True))
        )
        self._statement = self._wrapped(text, nested)
        return incoming

    def _table_text(self) -> str:
        parts = [part for part in (self.schema, self.table) if part]
        return f"select * from {sql.Identifier(*parts).as_string(self._open)}"  # noqa: S608

    def _nested(self) -> set[int]:
        """Return the oids of arrays and of rows in rows, which come as JSON."""
        found = self._open.execute(_NESTED, (list(set(self._oids)),)).fetchall()
        return {oid for oid, kind, category in found if category == "A" or kind == "c"}

    def _wrapped(self, text: str, nested: set[int]) -> sql.Composable:
        if not nested:
            return sql.SQL("{}").format(_Text(text))
        names = [sql.Identifier(f"c{place}") for place in range(len(self._oids))]
        wanted = [
            sql.SQL("to_json({})").format(name) if oid in nested else name
            for name, oid in zip(names, self._oids, strict=True)
        ]
        comma = sql.SQL(", ")
        return sql.SQL("select {} from (\n{}\n) as couture({})").format(
            comma.join(wanted), _Text(text), comma.join(names)
        )

    def rows(self, limit: int | None) -> Iterator[Sequence[Any]]:
        """Give the rows as they come."""
        cursor = self._open.cursor()
        loader = _Bytes if self.lossy else TextLoader
        for oid in {*self._oids, 0, 25, 114}:
            cursor.adapters.register_loader(oid, loader)
        statement = self._statement
        if limit is not None and self.table:
            statement = sql.SQL("{} limit {}").format(statement, sql.Literal(limit))
        text = statement.as_bytes(self._open)
        if self.lossy:  # the server would refuse what is not in UTF-8
            self._open.execute("select set_config('client_encoding', 'SQL_ASCII', true)")
        found: Iterator[Sequence[Any]] = cursor.stream(text, size=_CHUNK)
        return found

    def tables(self, wanted: str, schema: str) -> list[TreeTable]:
        """Return tables and views that the user may read."""
        values = {"wanted": wanted, "schema": schema, "most": MOST_TABLES + 1}
        return [TreeTable(*row) for row in self._open.execute(_TREE, values)]

    def columns(self) -> list[dict[str, Any]]:
        """Return the columns of the table."""
        found = self._open.execute(_COLUMNS, {"table": self.table, "schema": self.schema}).fetchall()
        if not found and not self._exists():
            raise self.missing()
        return [{"name": name, "type": kind, "nullable": nullable} for name, kind, nullable in found]

    def _exists(self) -> bool:
        name = sql.Identifier(*(part for part in (self.schema, self.table) if part)).as_string(self._open)
        found = self._open.execute("select pg_catalog.to_regclass(%s)", (name,)).fetchone()
        return bool(found and found[0])

    def explained(self, error: Exception) -> EdaError:
        """Return the sentence for an error of PostgreSQL."""
        said = self.said(getattr(getattr(error, "diag", None), "message_primary", None) or _last(str(error)))
        state = getattr(error, "sqlstate", None)
        if self._connection is None:
            return self._not_connected(error, said)
        if state is None or state in ("57P01", "57P02", "57P03", "08006", "08003"):
            return self.failed(said) if isinstance(error, psycopg.DataError) else self.lost(said)
        if state == "57014":
            return self._too_long()
        known = {
            "42P01": self.missing() if self.table else self.failed(said),
            "3F000": self.missing() if self.table else self.failed(said),
            "42501": self.forbidden(said),
            "25006": self.writes(said),
            "25001": self.writes(said),
            "0A000": self.changed(said) if "cached plan" in said else self.failed(said),
            "40001": self.changed(said),
        }
        if state == "42601" and "multiple commands" in said:
            return self.several()
        return known.get(state) or self.failed(said)

    def _not_connected(self, error: Exception, said: str) -> EdaError:
        state = getattr(error, "sqlstate", None)
        if state == "3D000" or 'database "' in said and "does not exist" in said:
            return self.no_database(said)
        words = ("password", "role ", "pg_hba.conf", "authentication", "Ident", "no password supplied")
        if state in ("28P01", "28000") or any(word in said for word in words):
            return self.credentials(said)
        return self.unreachable(said)

    def abort(self) -> None:
        """Ask the server to stop, then cut the line."""
        if self._connection is not None:
            with suppress(psycopg.Error, OSError):
                self._connection.cancel_safe(timeout=2)
        self._end()

    def close(self) -> None:
        """Leave the database."""
        if self._connection is not None:
            with suppress(psycopg.Error, OSError):
                self._connection.close()


class _Text(sql.Composable):  # type: ignore[misc]  # psycopg is not in the environment of the checks
    """A statement that a person wrote, as it is."""

    def __init__(self, text: str) -> None:
        super().__init__(text)

    def as_bytes(self, context: Any = None) -> bytes:
        return str(self._obj).encode()


class _Bytes(TextLoader):  # type: ignore[misc]
    """Texts in no known encoding."""

    def load(self, data: Any) -> str:
        return bytes(data).decode("utf-8", errors="replace")


def _last(text: str) -> str:
    """Return what counts of a message about several tries to connect."""
    if "FATAL:" in text:
        return text.rsplit("FATAL:", 1)[1].strip()
    return text.strip().partition("\n")[0].removeprefix("connection failed: ")


def _incoming(name: str, oid: int, modifier: int, nested: set[int]) -> Incoming:
    """Return how a column of a type of PostgreSQL is kept."""
    if oid in nested:
        return Incoming(name, "JSON")
    if kind := _PLAIN.get(oid):
        return Incoming(name, kind)
    if oid == _BYTEA:
        return Incoming(name, "BLOB", "unhex(substr({}, 3))")
    if oid in _DATES:
        kind = _DATES[oid]
        return Incoming(name, kind, stored_values.finite(_BEFORE_CHRIST, kind), fallible=True)
    if oid == _TIME:
        return Incoming(name, "TIME", fallible=True)
    if oid == _INTERVAL:
        return Incoming(name, "INTERVAL", "try_cast(replace({}, '+', '') as interval)", fallible=True)
    if oid == _NUMERIC:
        return _numeric(name, modifier)
    return Incoming(name)


def _numeric(name: str, modifier: int) -> Incoming:
    digits, places = ((modifier - 4) >> 16) & 0xFFFF, (modifier - 4) & 0x7FF
    if modifier < 4 or digits > _DIGITS or places > digits:
        return Incoming(name, decided="number")
    return Incoming(name, f"DECIMAL({digits},{places})", fallible=True)
