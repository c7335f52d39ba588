"""A source as it stands on disk: ``eda/<name>.yaml`` in the configuration repository; rules of its form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

import yaml

from couture_workflow.exceptions import CorruptError, InvalidError
from couture_workflow.services.eda import checks
from couture_workflow.services.eda import reading as file_reading
from couture_workflow.services.texts import plain_yaml
from couture_workflow.store.names import check_name

FOLDER = "eda/"
SUFFIX = ".yaml"
VERSION = 1

Kind = Literal["file", "sql", "spark"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FORMATS = ("auto", "csv", "tsv", "json", "parquet")
SPARK_FORMATS = ("parquet", "csv", "json", "orc", "avro", "table")
#: Rows of the sample: what a report's plots and correlations may be made from, at most.
SAMPLE_ROWS, MOST_SAMPLE_ROWS = 20_000, 1_000_000
#: Bytes of one file.
MOST_BYTES = 512 * 2**10

_MOST_TAGS, _LONGEST_TAG = 20, 60
_LONGEST_TEXT, _LONGEST_NAME, _LONGEST_QUERY = 5000, 150, 100_000
_MOST_OPTIONS, _MOST_ROWS = 50, 2**53


@dataclass(frozen=True, kw_only=True)
class FilePlace:
    """A file.

    :param data: an uploaded file, ``name`` or ``name@3``; or
    :param path: an absolute path below a folder of the option ``eda_folders``.
    :param reading: what is not to be detected: ``delimiter``, ``quote``, ``escape``, ``encoding``,
        ``header``, ``decimal``, ``nulls``, ``skip`` (lines), ``types`` (column to type).
    """

    data: str = ""
    path: str = ""
    format: str = "auto"
    reading: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SqlPlace:
    """A table or a query of a database.

    :param connection: id of a connection of Airflow.
    :param limit: rows at most; None: all.
    """

    connection: str = ""
    schema: str = ""
    table: str = ""
    query: str = ""
    limit: int | None = None


@dataclass(frozen=True, kw_only=True)
class SparkPlace:
    """What Spark reads: files at a path (``hdfs://``, ``s3a://``, ...), or a table.

    :param options: of Spark's reader.
    :param hadoop_group: "" for the default one.
    """

    path: str = ""
    format: str = "parquet"
    table: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    hadoop_group: str = ""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where data is and how it is read; of the three places the one of its kind counts.

    :param sensitive: columns whose values are never shown.
    :param sample_rows: rows of the sample that a report is made with.
    """

    name: str
    description: str = ""
    tags: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    kind: Kind = "file"
    sample_rows: int = SAMPLE_ROWS
    file: FilePlace = field(default_factory=FilePlace)
    sql: SqlPlace = field(default_factory=SqlPlace)
    spark: SparkPlace = field(default_factory=SparkPlace)

    def json(self) -> dict[str, Any]:
        """Return it as plain data, with the place of its kind alone."""
        place = {each.name: _plain(getattr(self.place, each.name)) for each in fields(self.place)}
        return {
            "name": self.name,
            "description": self.description,
            "tags": list(self.tags),
            "sensitive": list(self.sensitive),
            "kind": self.kind,
            "sample_rows": self.sample_rows,
            self.kind: place,
        }

    @property
    def place(self) -> FilePlace | SqlPlace | SparkPlace:
        """Where it is."""
        return self.file if self.kind == "file" else self.sql if self.kind == "sql" else self.spark

    @property
    def where(self) -> str:
        """Where it is, in a few words for a list."""
        if self.kind == "file":
            return self.file.data or self.file.path
        if self.kind == "spark":
            return self.spark.table or self.spark.path
        table = ".".join(part for part in (self.sql.schema, self.sql.table) if part)
        return f"{self.sql.connection}: {table or ' '.join(self.sql.query.split())[:80]}"


def check_source_name(name: str) -> str:
    """Return a name that a source may have, or raise ``InvalidNameError``."""
    name = check_name(name, what="source")
    if len(name.encode()) > _LONGEST_NAME:
        raise InvalidError(
            f"The name of a source has at most {_LONGEST_NAME} bytes. Choose a shorter one.", field="name"
        )
    return name


def shortened(name: str) -> str:
    """Return the beginning of a name, with room for a number behind it."""
    return name.encode()[: _LONGEST_NAME - 10].decode(errors="ignore").rstrip(".")


def path_of(name: str) -> str:
    """Return where a source stands in the configuration repository."""
    return f"{FOLDER}{name}{SUFFIX}"


def name_of(path: str) -> str:
    """Return the source whose file this is, "" if it is none's."""
    name = path.removeprefix(FOLDER).removesuffix(SUFFIX)
    return name if path == path_of(name) and name and "/" not in name else ""


def normal(data: Any, *, name: str | None = None) -> Source:
    """Return a source that somebody sent, in its normal form, or raise ``InvalidError`` with the field.

    :param name: what it is called, where ``data`` does not say so.
    """
    data = checks.mapping(data, "source")
    checks.known(data, ("name", "description", "tags", "sensitive", "kind", "sample_rows", *KINDS), "")
    kind = checks.choice(data.get("kind", "file"), KINDS, "kind")
    for other in KINDS:
        if other != kind and data.get(other):
            raise InvalidError(
                f"The source is of the kind {kind} and says something of {other}, too. Leave that out.",
                field=other,
            )
    place = checks.mapping(data.get(kind) or {}, kind)
    return Source(
        name=check_source_name(checks.line(data.get("name", name), "name")),
        description=checks.text(data.get("description", ""), "description", most=_LONGEST_TEXT).strip(),
        tags=checks.words(data.get("tags", ()), "tags", most=_MOST_TAGS, longest=_LONGEST_TAG),
        sensitive=checks.columns(data.get("sensitive", ())),
        kind=kind,  # type: ignore[arg-type]
        sample_rows=checks.number(data.get("sample_rows", SAMPLE_ROWS), "sample_rows", 1, MOST_SAMPLE_ROWS),
        file=_file(place) if kind == "file" else FilePlace(),
        sql=_sql(place) if kind == "sql" else SqlPlace(),
        spark=_spark(place) if kind == "spark" else SparkPlace(),
    )


def _file(data: Mapping[str, Any]) -> FilePlace:
    checks.known(data, ("data", "path", "format", "reading"), "file")
    place = FilePlace(
        data=checks.line(data.get("data", ""), "file.data"),
        path=checks.line(data.get("path", ""), "file.path"),
        format=checks.choice(data.get("format", "auto"), FORMATS, "file.format"),
        reading=file_reading.normal(data.get("reading") or {}),
    )
    checks.one_of(place.data, place.path, "file.data", "an uploaded file or a path")
    return place


def _sql(data: Mapping[str, Any]) -> SqlPlace:
    checks.known(data, ("connection", "schema", "table", "query", "limit"), "sql")
    limit = data.get("limit")
    place = SqlPlace(
        connection=checks.line(data.get("connection", ""), "sql.connection"),
        schema=checks.name(data.get("schema", ""), "sql.schema"),
        table=checks.name(data.get("table", ""), "sql.table"),
        query=checks.text(data.get("query", ""), "sql.query", most=_LONGEST_QUERY).strip(),
        limit=None if limit is None else checks.number(limit, "sql.limit", 1, _MOST_ROWS),
    )
    if not place.connection:
        raise InvalidError("Choose a connection: it says where the database is.", field="sql.connection")
    checks.one_of(place.table, place.query, "sql.table", "a table or a query")
    return place


def _option(value: Any) -> str:
    text = checks.text(checks.scalar(value), "spark.options", most=checks.LONGEST)
    if "\n" in text or "\r" in text:
        raise InvalidError("spark.options: a value is one line.", field="spark.options")
    return text


def _spark(data: Mapping[str, Any]) -> SparkPlace:
    checks.known(data, ("path", "format", "table", "options", "hadoop_group"), "spark")
    options = checks.mapping(data.get("options") or {}, "spark.options")
    if len(options) > _MOST_OPTIONS:
        raise InvalidError(f"There are at most {_MOST_OPTIONS} options of Spark.", field="spark.options")
    place = SparkPlace(
        path=checks.line(data.get("path", ""), "spark.path"),
        format=checks.choice(data.get("format", "parquet"), SPARK_FORMATS, "spark.format"),
        table=checks.line(data.get("table", ""), "spark.table"),
        options={checks.line(name, "spark.options"): _option(value) for name, value in options.items()},
        hadoop_group=checks.line(data.get("hadoop_group", ""), "spark.hadoop_group"),
    )
    checks.one_of(place.path, place.table, "spark.path", "a path or a table")
    return replace(place, format="table") if place.table else place


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return list(value) if isinstance(value, tuple) else value


def parse(name: str, content: bytes) -> Source:
    """Read the text of a source's file, or raise ``InvalidError``."""
    if len(content) > MOST_BYTES:
        raise InvalidError(f"{path_of(name)} is larger than a source may be. Make it smaller.")
    try:
        data = plain_yaml.load(content.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise InvalidError(f"{path_of(name)} is no YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(data, dict):
        raise InvalidError(f"{path_of(name)} is no list of settings with their values.")
    if data.pop("version", VERSION) != VERSION:
        raise InvalidError(f"{path_of(name)} is of another version than {VERSION}, which this release reads.")
    data.pop("name", None)  # the name is the file's
    return normal(data, name=name)


def stored(name: str, content: bytes) -> Source:
    """Read a source that is kept here, or raise ``CorruptError``."""
    try:
        return parse(name, content)
    except InvalidError as error:
        raise CorruptError(
            f"The source {name} in the configuration repository is damaged: {error} Restore an earlier "
            "version from its history.",
            path=path_of(name),
        ) from error


def dump(source: Source) -> bytes:
    """Return the text of a source's file; what has its default is left out."""
    data = source.json()
    del data["name"]
    empty = Source(name=source.name, kind=source.kind).json()
    kept = {name: value for name, value in data.items() if name == "kind" or value != empty[name]}
    kept[source.kind] = {
        name: value for name, value in data[source.kind].items() if value != empty[source.kind][name]
    }
    return yaml.safe_dump(
        {"version": VERSION, **kept}, sort_keys=False, allow_unicode=True, width=1000
    ).encode()
