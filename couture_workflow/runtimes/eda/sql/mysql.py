"""MySQL and MariaDB: one snapshot in a transaction that cannot write, rows one by one."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pymysql
from pymysql.constants import ER, FIELD_TYPE, FLAG
from pymysql.converters import encoders
from pymysql.cursors import Cursor, SSCursor

from ..protocol import EdaError
from .dialect import CONNECT_SECONDS, MOST_TABLES, Dialect, Incoming, TreeTable, shut

_BINARY = 63
_DIGITS = 38
_SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
_WHOLE = {
    FIELD_TYPE.TINY: "TINYINT",
    FIELD_TYPE.SHORT: "SMALLINT",
    FIELD_TYPE.INT24: "INTEGER",
    FIELD_TYPE.LONG: "INTEGER",
    FIELD_TYPE.LONGLONG: "BIGINT",
}
_TEXTS = (
    FIELD_TYPE.VARCHAR,
    FIELD_TYPE.VAR_STRING,
    FIELD_TYPE.STRING,
    FIELD_TYPE.TINY_BLOB,
    FIELD_TYPE.BLOB,
    FIELD_TYPE.MEDIUM_BLOB,
    FIELD_TYPE.LONG_BLOB,
    FIELD_TYPE.GEOMETRY,
)
_SIMPLE = {
    FIELD_TYPE.DOUBLE: Incoming("", "DOUBLE"),
    FIELD_TYPE.FLOAT: Incoming("", "FLOAT", "cast(cast({} as double) as float)"),
    FIELD_TYPE.DATE: Incoming("", "DATE", fallible=True),
    FIELD_TYPE.NEWDATE: Incoming("", "DATE", fallible=True),
    FIELD_TYPE.DATETIME: Incoming("", "TIMESTAMP", fallible=True),
    FIELD_TYPE.TIMESTAMP: Incoming(
        "", "TIMESTAMP WITH TIME ZONE", "try_cast({} || '+00' as timestamp with time zone)", fallible=True
    ),
    FIELD_TYPE.TIME: Incoming("", decided="time"),
    FIELD_TYPE.YEAR: Incoming("", "SMALLINT"),
    FIELD_TYPE.JSON: Incoming("", "JSON", fallible=True),
}
#: Types whose texts are not the values: type -> how they are asked for.
_ASKED = {FIELD_TYPE.FLOAT: "cast({} as double)", FIELD_TYPE.BIT: "cast({} as unsigned)"}

#: Errors of the server -> method that makes the sentence.
_SENTENCES = {
    ER.DBACCESS_DENIED_ERROR: "no_database",
    ER.BAD_DB_ERROR: "no_database",
    ER.ACCESS_DENIED_ERROR: "credentials",
    ER.TABLEACCESS_DENIED_ERROR: "forbidden",
    ER.COLUMNACCESS_DENIED_ERROR: "forbidden",
    ER.SPECIFIC_ACCESS_DENIED_ERROR: "forbidden",
    1370: "forbidden",
    1698: "credentials",
    1792: "writes",
    1290: "writes",
    1412: "changed",
    1927: "lost",
    1053: "lost",
    2006: "lost",
    2013: "lost",
}
_SYNTAX = re.compile(r"You have an error in your SQL syntax.*?syntax to use ")
_TIMES = (1969, 3024)
_TREE = """
select table_schema, table_name, if(table_type like '%%VIEW', 'view', 'table'), table_rows
from information_schema.tables
where if(%s = '', table_schema not in %s, table_schema = %s)
  and (%s = '' or locate(lower(%s), lower(concat(table_schema, '.', table_name))) > 0)
order by table_schema <> coalesce(database(), ''), 1, 2 limit %s
"""
_COLUMNS = """
select column_name, column_type, is_nullable = 'YES' from information_schema.columns
where table_schema = coalesce(nullif(%s, ''), database()) and table_name = %s order by ordinal_position
"""


class Mysql(Dialect):
    """A server of MySQL or MariaDB."""

    title = "MySQL"
    errors = (pymysql.Error, OSError, UnicodeError)

    def __init__(self, source: Mapping[str, Any], *, seconds: float) -> None:
        super().__init__(source, seconds=seconds)
        self._connection: Any = None
        self._cursor: SSCursor | None = None
        self._statement = ""
        self._connected = False
        self._end = shut(None)

    def connect(self) -> None:
        """Connect and begin a transaction that sees one state and cannot write."""
        given, options = self.options, dict(self.options.get("options") or {})
        self._connection = pymysql.connect(
            host=given.get("host") or "localhost",
            port=int(given.get("port") or 3306),
            user=str(given.get("user") or ""),
            password=str(given.get("password") or "").encode(),
            database=given.get("database") or None,
            charset="utf8mb4",
            conv=dict(encoders),  # and nothing that decodes: values arrive as texts
            local_infile=False,
            connect_timeout=CONNECT_SECONDS,
            program_name="Couture Workflow",
            defer_connect=True,
            **_tls(options),
        )
        line = self._line(options)
        self._end = shut(line.dup())
        self._connection.connect(line)
        self._connected = True
        self._settle()

    def _line(self, options: Mapping[str, Any]) -> socket.socket:
        if path := options.get("unix_socket"):
            line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            line.settimeout(CONNECT_SECONDS)
            line.connect(str(path))
            return line
        line = socket.create_connection(
            (self._connection.host, self._connection.port), timeout=CONNECT_SECONDS
        )
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return line

    def _settle(self) -> None:
        if "mariadb" in str(self._connection.get_server_info()).lower():
            self.title = "MariaDB"
        for statement in (
            "set session time_zone = '+00:00'",
            "set session sql_mode = ''",
            "set session net_write_timeout = 600",
            "set session transaction isolation level repeatable read",
            "set session transaction read only",
            "start transaction with consistent snapshot, read only",
        ):
            self._do(statement)

    def _do(self, statement: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
        with self._connection.cursor(Cursor) as cursor:
            cursor.execute(statement, values or None)
            return tuple(cursor.fetchall())

    def limit_time(self) -> None:
        """Tell the server how long a statement may take from now on."""
        if self.title == "MariaDB":
            self._do(f"set session max_statement_time = {self.seconds:.3f}")
        else:
            self._do(f"set session max_execution_time = {int(self.seconds * 1000)}")

    def describe(self) -> tuple[Incoming, ...]:
        """Ask for no row of what is read: the answer says the columns."""
        self.limit_time()
        inner = self._checked() if self.query else self._name()
        # Between the parentheses of a derived table no statement but one that reads has a place.
        place = f"(\n{inner}\n) as couture" if self.query else inner
        with self._connection.cursor(SSCursor) as cursor:
            cursor.execute(f"select * from {place} limit 0")  # noqa: S608
            fields = list(cursor._result.fields)  # the only place that says whether a number has a sign
        wanted = ", ".join(
            _ASKED.get(field.type_code, "{}").format(_identifier(field.name)) for field in fields
        )
        self._statement = f"select {wanted} from {place}"  # noqa: S608
        return tuple(_incoming(field) for field in fields)

    def _checked(self) -> str:
        """Have the server read the query alone: what is one statement cannot leave the parentheses."""
        self._do("prepare couture from %s", (self.query,))
        self._do("deallocate prepare couture")
        return self.query

    def _name(self) -> str:
        return ".".join(_identifier(part) for part in (self.schema, self.table) if part)

    def rows(self, limit: int | None) -> Iterator[Sequence[Any]]:
        """Give the rows one by one."""
        self._cursor = self._connection.cursor(SSCursor)
        self._cursor.execute(self._statement if limit is None else f"{self._statement} limit {limit:d}")
        return iter(self._cursor.fetchone, None)

    def tables(self, wanted: str, schema: str) -> list[TreeTable]:
        """Return tables and views that the user may see; those of the connection's own database first."""
        found = self._do(_TREE, (schema, _SYSTEM, schema, wanted, wanted, MOST_TABLES + 1))
        return [
            TreeTable(place, name, kind, int(rows) if rows is not None else None)
            for place, name, kind, rows in found
        ]

    def columns(self) -> list[dict[str, Any]]:
        """Return the columns of the table."""
        found = self._do(_COLUMNS, (self.schema, self.table))
        if not found:
            raise self.missing()
        return [{"name": name, "type": kind, "nullable": nullable == "1"} for name, kind, nullable in found]

    def explained(self, error: Exception) -> EdaError:
        """Return the sentence for an error of MySQL or MariaDB."""
        number, said = _number(error), self.said(error.args[-1] if error.args else error)
        if not self._connected and number not in _SENTENCES:
            return self.unreachable(said)
        if number in _TIMES:
            return self._too_long()
        if number in (ER.NO_SUCH_TABLE, ER.BAD_DB_ERROR) and self.table and self._connected:
            return self.missing()
        if number == ER.NO_SUCH_TABLE:
            return self.failed(said)
        if number == ER.NO_DB_ERROR:
            return self._no_schema()
        if name := _SENTENCES.get(number):
            sentence: EdaError = getattr(self, name)(said)
            return sentence
        if number == ER.PARSE_ERROR and self.query:
            return self._unread(said)
        return self.failed(said) if number else self.lost(said)

    def _no_schema(self) -> EdaError:
        return EdaError(
            f"{self.place[0].upper()}{self.place[1:]} names no schema (database) in which {self.what} would "
            "be. Choose the table from the tree, which says its schema, or write the schema before its "
            "name.",
            code="invalid",
            field="sql.query" if self.query else "sql.schema",
        )

    def _unread(self, said: str) -> EdaError:
        said = _SYNTAX.sub("syntax error ", said).replace(") as couture limit 0", "")
        return EdaError(
            f"The query is not one statement that reads, as {self.place} understands it: {said}. Write one "
            "SELECT, and nothing after it.",
            code="query",
            field="sql.query",
        )

    def abort(self) -> None:
        """Cut the line."""
        self._end()

    def close(self) -> None:
        """Leave the database; rows that are still on their way are not waited for."""
        self._end()
        if self._cursor is not None and self._cursor._result is not None:
            self._cursor._result.unbuffered_active = (
                False  # it would read them all, even when it is forgotten
            )
        if self._connection is not None and self._connected:
            with suppress(pymysql.Error, OSError):
                self._connection.close()


def _number(error: Exception) -> int:
    number = error.args[0] if error.args else 0
    return number if isinstance(error, pymysql.Error) and isinstance(number, int) else 0


def _identifier(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


def _tls(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the driver's arguments for encryption: without any of ours it encrypts where the server can."""
    if options.get("ssl_disabled"):
        return {"ssl_disabled": True}
    if not any(name.startswith("ssl_") for name in options):
        return {}
    context = ssl.create_default_context(cafile=options.get("ssl_ca"))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # what MySQL makes for itself does not pass that
    context.check_hostname = bool(options.get("ssl_verify_identity"))
    context.verify_mode = ssl.CERT_REQUIRED if options.get("ssl_verify_cert") else ssl.CERT_NONE
    if certificate := options.get("ssl_cert"):
        context.load_cert_chain(certificate, options.get("ssl_key"), options.get("ssl_key_password"))
    return {"ssl": context}


def _incoming(field: Any) -> Incoming:
    """Return how a column of a type of MySQL is kept."""
    name, kind = str(field.name), field.type_code
    unsigned = bool(field.flags & FLAG.UNSIGNED)
    if whole := _WHOLE.get(kind):
        return Incoming(name, f"U{whole}" if unsigned else whole)
    if kind == FIELD_TYPE.BIT:
        return Incoming(name, "BOOLEAN" if field.length == 1 else "UBIGINT")
    if kind in (FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL):
        return _decimal(name, field, unsigned=unsigned)
    if kind in _TEXTS and field.charsetnr == _BINARY:
        return Incoming(name, "BLOB", binary=True)
    return replace(_SIMPLE.get(kind, Incoming(name)), name=name)


def _decimal(name: str, field: Any, *, unsigned: bool) -> Incoming:
    places = field.scale
    digits = field.length - (1 if places else 0) - (0 if unsigned else 1)
    if not 0 < digits <= _DIGITS or places > digits:
        return Incoming(name, decided="number")
    return Incoming(name, f"DECIMAL({digits},{places})", fallible=True)
