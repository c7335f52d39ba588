"""The rows of a source as a frame whose columns are called c0, c1, ...: hostile names never reach a query."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from . import lines, said
from .columns import Column
from .input_files import InputFiles
from .said import SourceError

#: Rows that a preview is made from.
PREVIEWED = 1_000
#: Of the reader: what a source says in its own fields, and what would read another place.
_REFUSED_OPTIONS = ("path", "paths", "avroschemaurl")
#: The column with the text of a line that cannot be read.
_LOST = "couture\0lost"
_FIRST, _LONGEST = 20, 1_000


@dataclass(frozen=True)
class Data:
    """What was opened.

    :param frame: columns c0, c1, ...; lines that cannot be read are not among its rows.
    :param bytes: of the files, None where nobody knows.
    :param changed: "" or, after all scans, the sentence that the files changed meanwhile.
    """

    frame: DataFrame
    columns: tuple[Column, ...]
    reading: Mapping[str, Any] = field(default_factory=dict)
    bad: Mapping[str, Any] = field(default_factory=lambda: {"count": 0, "whole": True, "first": []})
    bytes: int | None = None
    changed: Callable[[], str] = lambda: ""


@contextmanager
def opened(spark: SparkSession, request: Mapping[str, Any]) -> Iterator[Data]:
    """Open what a request names."""
    options = {str(name).lower(): str(value) for name, value in (request.get("options") or {}).items()}
    if refused := sorted(set(options) & set(_REFUSED_OPTIONS)):
        raise SourceError(
            f"The option {refused[0]} of Spark's reader is not for a source: it names another place to read. "
            "Leave it out.",
            field="spark.options",
        )
    files = InputFiles(spark, request)
    said.stage("reading", words=f"Reading {request.get('table') or request['path']}")
    if request.get("table"):
        frame = spark.read.options(**options).table(str(request["table"]))
        yield _found(request, frame, files)
        return
    files.check_path(str(request["path"]))
    if request["format"] in ("csv", "json"):
        yield _lines(spark, request, options, files)
        return
    frame = spark.read.format(str(request["format"])).options(**options).load(str(request["path"]))
    yield _found(request, frame, files)


def _found(request: Mapping[str, Any], frame: DataFrame, files: InputFiles) -> Data:
    files.look(frame)
    return _data(request, frame, frame.columns, files)


def _data(request: Mapping[str, Any], frame: DataFrame, names: Sequence[str], files: InputFiles) -> Data:
    """Return the columns of a frame under names that are safe in a query.

    :param names: what people call the columns.
    """
    if not names:
        raise SourceError(
            "There is no column: the source is empty, or it is not of the format that was chosen.",
            code="empty",
            field="spark.path",
        )
    frame = frame.toDF(*(f"c{number}" for number in range(len(names))))
    sensitive = set(request.get("sensitive") or ())
    columns = tuple(
        Column(number, name, each.dataType, name in sensitive)
        for number, (name, each) in enumerate(zip(names, frame.schema.fields, strict=True))
    )
    reading = {
        "format": "table" if request.get("table") else request["format"],
        "options": dict(request.get("options") or {}),
    }
    return Data(frame, columns, reading, bytes=files.bytes, changed=files.changed)


def _lines(
    spark: SparkSession, request: Mapping[str, Any], options: Mapping[str, str], files: InputFiles
) -> Data:
    """Read CSV or lines of JSON, among which some may not be readable."""
    is_csv = request["format"] == "csv"
    preview = request["verb"] == "preview"
    frame, names = (_csv if is_csv else _json)(spark, str(request["path"]), options, preview)
    files.look(frame)
    if not names:
        return _data(request, frame, names, files)
    inner = [f"c{number}" for number in range(len(names))]
    has_lost = _LOST in frame.columns
    looked = frame.limit(PREVIEWED) if preview else frame
    infer = is_csv and options.get("inferschema", "").lower() != "true"
    types: Mapping[str, T.DataType] = {}
    count = 0
    if infer or has_lost:
        types, count = lines.looked_through(looked, inner if infer else [], lost=_LOST if has_lost else "")
    good = frame.where(F.col(_LOST).isNull()) if has_lost else frame
    selected = good.select(*(lines.typed(name, types.get(name)) for name in inner))
    first = _first(looked) if count else []
    if request.get("sensitive"):
        first = [{**line, "text": ""} for line in first]
    bad = {"count": count, "whole": not preview, "first": first}
    return replace(_data(request, selected, names, files), bad=bad)


def _csv(
    spark: SparkSession, path: str, options: Mapping[str, str], preview: bool
) -> tuple[DataFrame, list[str]]:
    """Return the rows as texts with a column of lost lines, and the names that the header gives."""
    given = {"header": "true", "escape": '"', "columnnameofcorruptrecord": _LOST, **options}
    if options.get("inferschema", "").lower() == "true":
        frame = spark.read.options(**given).csv(path)
        return frame.toDF(*(f"c{number}" for number in range(len(frame.columns)))), frame.columns
    names = spark.read.options(**given).csv(path).columns
    schema = T.StructType([T.StructField(name, T.StringType()) for name in (*names, _LOST)])
    frame = spark.read.schema(schema).options(**given).csv(path)
    return frame.toDF(*(f"c{number}" for number in range(len(names))), _LOST), names


def _json(
    spark: SparkSession, path: str, options: Mapping[str, str], preview: bool
) -> tuple[DataFrame, list[str]]:
    """Return the rows, with a column of lost lines if there are such, and the names of the others."""
    given = {"columnnameofcorruptrecord": _LOST, **options}
    reader = spark.read.options(**given)
    if preview and options.get("multiline", "").lower() != "true":
        reader = spark.read.options(**given).schema(_json_schema(spark, path, given))
    frame = reader.json(path)
    names = [name for name in frame.columns if name != _LOST]
    inner = {name: f"c{number}" for number, name in enumerate(names)}
    return frame.toDF(*(inner.get(name, _LOST) for name in frame.columns)), names


def _json_schema(spark: SparkSession, path: str, options: Mapping[str, str]) -> T.StructType:
    """Return what the first lines of JSON look like; in the JVM, so that no Python worker has to start."""
    first: Any = spark.read.text(path).limit(PREVIEWED)._jdf
    texts = getattr(first, "as")(spark._jvm.org.apache.spark.sql.Encoders.STRING())
    reader: Any = spark.read.options(**options)._jreader
    return T.StructType.fromJson(json.loads(reader.json(texts).schema().json()))


def _first(frame: DataFrame) -> list[dict[str, Any]]:
    rows = frame.where(F.col(_LOST).isNotNull()).limit(_FIRST).collect()
    return [
        {"line": None, "reason": "Spark cannot read this line.", "text": str(row[_LOST])[:_LONGEST]}
        for row in rows
    ]
