"""Files as sources: what kind of file it is, and from there to a table or a preview."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from .. import engine, preview
from ..protocol import EdaError, Messages
from ..table import Table
from . import csv_dialect, csv_direct, csv_load, encodings, json_lines, parquet
from .byte_stream import File, beginning, refuse_inner
from .column_types import Text
from .csv_dialect import Dialect
from .text_table import Texts, made

#: Bytes of a beginning; with too few lines for a preview it is a longer one.
_BEGINNING, _LONG_BEGINNING, _LINES = 1024 * 1024, 16 * 1024 * 1024, 60
#: Codes of what may be wrong with a file because it is another one by now.
_OF_CONTENT = ("not_readable", "missing", "empty")
FORMATS = ("csv", "tsv", "json", "parquet")
_TABS = (".tsv", ".tab")
_KEYS = ("delimiter", "quote", "escape", "encoding", "header", "decimal", "nulls", "skip", "types")


@dataclass(frozen=True)
class Request:
    """A file, and how it is to be read.

    :param reading: what somebody has fixed.
    :param format: csv, tsv, json or parquet.
    """

    file: File
    reading: Mapping[str, Any]
    format: str
    temporary: Path
    limits: Mapping[str, Any]
    progress: Messages


@dataclass(frozen=True)
class Head:
    """The beginning of a text file.

    :param text: in UTF-8.
    :param whole: this is all.
    :param share: of the file that it is.
    """

    text: bytes
    encoding: str
    whole: bool
    share: float


@contextmanager
def opened(
    source: Mapping[str, Any], folder: Path, limits: Mapping[str, Any], progress: Messages
) -> Iterator[Table]:
    """Open a file for a profile: all its rows."""
    request = _request(source, folder, limits, progress)
    progress.stage("reading", share=0.0, words=f"Reading {request.file.name}")
    with _connected(request) as connection:
        if request.format == "parquet":
            table = parquet.table(connection, request.file)
        else:
            head = _head(request)
            table = _text_table(connection, request, head, pieces=_pieces(request, head.encoding))
        yield replace(table, bytes=request.file.bytes, changed=request.file.changed)


def previewed(
    source: Mapping[str, Any], folder: Path, limits: Mapping[str, Any], progress: Messages
) -> dict[str, Any]:
    """Return the first rows of a file and how it is read."""
    request = _request(source, folder, limits, progress)
    with _connected(request) as connection:
        if request.format == "parquet":
            table = parquet.table(connection, request.file)
            rows: int | None = parquet.rows(connection, request.file)
        else:
            head = _head(request)
            text = head.text if head.whole else _cut(head.text, request.reading.get("quote"))
            table = _text_table(
                connection, request, replace(head, text=text), pieces=lambda: iter((text,)), quick=True
            )
            rows = _estimate(connection, table, head, len(text))
            table = replace(table, bad={**table.bad, "whole": head.whole})
        shown = preview.made(table, rows=rows, size=request.file.bytes)
    return shown


def _request(
    source: Mapping[str, Any], folder: Path, limits: Mapping[str, Any], progress: Messages
) -> Request:
    file = File(Path(str(source.get("path", ""))), str(source.get("name") or ""))
    if not file.bytes:
        raise EdaError(f"{file.name!r} is empty: it has no bytes. Choose a file with rows.", code="empty")
    reading = source.get("reading") or {}
    if unknown := sorted(set(reading) - {*_KEYS, "format", "compression"}):
        raise EdaError(f"There is no setting {unknown[0]!r} of reading.", field=f"reading.{unknown[0]}")
    format_ = _format(file, str(source.get("format") or "auto"))
    return Request(file, reading, format_, folder / "tmp", limits, progress)


def _format(file: File, wanted: str) -> str:
    if wanted not in ("auto", *FORMATS):
        raise EdaError(f"The format {wanted!r} is not one of auto, {', '.join(FORMATS)}.", field="format")
    is_parquet = file.magic.startswith(b"PAR1")
    if is_parquet and wanted not in ("auto", "parquet"):
        raise EdaError(
            f"{file.name!r} is a Parquet file, whatever its name says. Choose the format Parquet.",
            field="format",
        )
    if is_parquet:
        return "parquet"
    if wanted == "parquet":
        raise EdaError(f"{file.name!r} is no Parquet file: it does not begin as one.", field="format")
    if wanted != "auto":
        return wanted
    suffixes = [suffix.lower() for suffix in Path(file.name).suffixes]
    text, _ = beginning(file.pieces(), 4096)
    if file.compression != "none":
        refuse_inner(file.name, file.compression, text)
    start = b"".join(encodings.to_utf_8(iter((text,)), encodings.detect(text))).lstrip()
    if start.startswith(b"{") or start.startswith(b"[") and ".json" in suffixes:
        return "json"
    return "tsv" if any(suffix in _TABS for suffix in suffixes) else "csv"


@contextmanager
def _connected(request: Request) -> Iterator[duckdb.DuckDBPyConnection]:
    """Close the connection in the end; what fails because of the file itself says so."""
    connection = _connection(request)
    try:
        yield connection
    except (duckdb.Error, EdaError) as error:
        is_of_settings = isinstance(error, EdaError) and error.code not in _OF_CONTENT
        if not is_of_settings and (sentence := request.file.changed()):
            raise EdaError(sentence, code="changed", field="path") from error
        if request.format == "parquet" and isinstance(error, duckdb.Error):
            raise parquet.explained(request.file, error) or error from error
        raise
    finally:
        connection.close()


def _connection(request: Request) -> duckdb.DuckDBPyConnection:
    if request.file.compression != "none":
        return engine.connect(request.temporary, request.limits)
    doubted = request.format == "parquet"
    return engine.connect(request.temporary, request.limits, reach=(request.file.path,), doubted=doubted)


def _head(request: Request) -> Head:
    """Read the beginning of a text file: longer where lines are long."""
    for size in (_BEGINNING, 4 * _BEGINNING, _LONG_BEGINNING):
        shares: list[float] = []
        raw, whole = beginning(request.file.pieces(shares.append), size)
        if whole or raw.count(b"\n") + raw.count(b"\r") > _LINES:
            break
    if not raw:
        raise EdaError(f"{request.file.name!r} is empty. Choose a file with rows.", code="empty")
    fixed = request.reading.get("encoding")
    encoding = encodings.named(str(fixed)) if fixed else encodings.detect(raw)
    text = b"".join(encodings.to_utf_8(iter((raw,)), encoding))
    if not fixed and not encodings.is_text(text):
        raise EdaError(
            f"{request.file.name!r} is no text: its beginning has control characters that none has. Choose a "
            "file of CSV, TSV, JSON lines or Parquet. If it is text after all, choose its encoding.",
            code="not_readable",
            field="path",
        )
    return Head(text, encoding, whole, shares[-1] if shares else 1.0)


def _cut(text: bytes, quote: object) -> bytes:
    """Return a beginning without its last line, or what is quoted and goes on behind its end."""
    end = text.rfind(b"\n") if b"\n" in text else text.rfind(b"\r")
    sign = b'"' if quote is None else str(quote).encode()
    if sign and text.count(sign, 0, end + 1) & 1:
        end = text.rfind(b"\n", 0, text.rfind(sign, 0, end + 1))
    return text[: end + 1] or text


def _pieces(request: Request, encoding: str) -> Callable[[], Iterator[bytes]]:
    def tell(share: float) -> None:
        request.progress.stage("reading", share=share, words=f"Reading {request.file.name}")

    return lambda: encodings.to_utf_8(request.file.pieces(tell), encoding)


def _text_table(
    connection: duckdb.DuckDBPyConnection,
    request: Request,
    head: Head,
    *,
    pieces: Callable[[], Iterator[bytes]],
    quick: bool = False,
) -> Table:
    encoding = "utf-16" if head.encoding.startswith("utf-16") else head.encoding
    about: dict[str, Any] = {
        "encoding": encoding,
        "format": request.format,
        "compression": request.file.compression,
    }
    chosen = {str(name): str(type_) for name, type_ in (request.reading.get("types") or {}).items()}
    if request.format == "json":
        if head.text.lstrip().startswith(b"["):
            raise EdaError(
                f"{request.file.name!r} is one JSON array. JSON lines have one object on each line: convert "
                "it, for example with jq -c '.[]'.",
                code="not_readable",
                field="format",
            )
        texts = json_lines.load(connection, pieces, request.temporary, name=request.file.name)
        return made(connection, texts, chosen=chosen, about=about, warn=request.progress.warning, quick=quick)
    dialect = csv_dialect.detect(_whole_lines(head), request.reading, tabs=request.format == "tsv")
    if not dialect.names:
        raise _nothing_left(request.file, dialect.skip if request.reading.get("skip") else 0, head.text)
    nulls = _nulls(request.reading.get("nulls"))
    about |= {
        "delimiter": dialect.delimiter,
        "quote": dialect.quote,
        "escape": dialect.escape,
        "header": dialect.header,
        "decimal": dialect.decimal,
        "skip": dialect.skip,
    }
    if not quick and not chosen and (direct := _direct(connection, request, head, dialect, nulls, about)):
        return direct
    path, bad = csv_load.load(connection, pieces, dialect, folder=request.temporary)
    columns = [Text(name, f"c{place}") for place, name in enumerate(dialect.names)]
    return made(
        connection,
        Texts(path, columns, bad, top=dialect.top, decimal=dialect.decimal),
        chosen=chosen,
        nulls=nulls,
        about=about,
        warn=request.progress.warning,
        quick=quick,
    )


def _nothing_left(file: File, skip: int, text: bytes) -> EdaError:
    if b"".join(text.splitlines()[skip:]).strip():
        return EdaError(
            f"No line of {file.name!r} can be read with these signs: the quotes are not as they should be. "
            "Choose another quote, or none.",
            code="not_readable",
            field="reading.quote",
        )
    if not skip:
        return EdaError(f"{file.name!r} has no columns: it has empty lines alone.", code="empty")
    return EdaError(
        f"{file.name!r} has nothing below the {skip:,} lines that are skipped. Skip fewer lines.",
        code="empty",
        field="reading.skip",
    )


def _direct(
    connection: duckdb.DuckDBPyConnection,
    request: Request,
    head: Head,
    dialect: Dialect,
    nulls: list[str] | None,
    about: Mapping[str, Any],
) -> Table | None:
    """Read a plain CSV file the quick way; None if it is not plain."""
    if not csv_direct.may_be(request.file, head.encoding, head.text, dialect):
        return None

    def tell(share: float) -> None:
        request.progress.stage("reading", share=share, words=f"Reading {request.file.name}")

    text = head.text if head.whole else _cut(head.text, request.reading.get("quote"))
    plain = csv_direct.Plain(request.file, text, dialect, nulls, tell)
    return csv_direct.table(connection, plain, folder=request.temporary, about=about)


def _whole_lines(head: Head) -> bytes:
    return head.text if head.whole else head.text[: head.text.rfind(b"\n") + 1] or head.text


def _nulls(given: object) -> list[str] | None:
    if given is None:
        return None
    if not isinstance(given, list) or len(given) > 100 or not all(isinstance(word, str) for word in given):
        raise EdaError("The words for null are a list of at most 100 texts.", field="reading.nulls")
    return ["", *(word for word in dict.fromkeys(given) if word)]


def _estimate(connection: duckdb.DuckDBPyConnection, table: Table, head: Head, used: int) -> int | None:
    row = connection.execute(f"select count(*) from {table.relation}").fetchone()  # noqa: S608
    rows = int(row[0]) if row else 0
    if head.whole:
        return rows
    part = head.share * used / max(len(head.text), 1)
    return round(rows / part) if part else None
