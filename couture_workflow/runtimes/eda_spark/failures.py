"""Errors of Spark and of file systems as sentences for people: the thing, what is wrong, what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .said import SourceError

_LONGEST = 600
#: What the error says -> code, field, sentence; the first that fits counts.
_SENTENCES: tuple[tuple[str, str, str, str], ...] = (
    (
        r"PATH_NOT_FOUND|Path does not exist|Input path does not exist",
        "missing",
        "spark.path",
        "There is nothing at {place}. Correct the path, or let whoever writes it finish first.",
    ),
    (
        r"TABLE_OR_VIEW_NOT_FOUND|NoSuchTableException|SCHEMA_NOT_FOUND|NoSuchDatabaseException|CATALOG_NOT_FOUND",
        "missing",
        "spark.table",
        "There is no table {place}. Correct its name (database.table), or let the Spark configuration and "
        "the Hadoop group (hive-site.xml) lead to the catalog that has it.",
    ),
    (
        r"PARSE_SYNTAX_ERROR|UNSUPPORTED_DATASOURCE_FOR_DIRECT_QUERY|INVALID_EMPTY_QUERY|PARSE_EMPTY_STATEMENT",
        "invalid",
        "spark.table",
        "{place} is not the name of a table. Write database.table, a part with odd letters in `backticks`.",
    ),
    (
        r"AVRO_NOT_LOADED_SQL_FUNCTIONS|DATA_SOURCE_NOT_FOUND|Failed to find data source|Avro is built-in",
        "not_readable",
        "spark.format",
        "Spark cannot read the format {format}: its package is not there. Add it in Spark Configuration (for "
        "avro the jar spark-avro, or --packages org.apache.spark:spark-avro_2.13 in Spark's own version).",
    ),
    (
        r"UNABLE_TO_INFER_SCHEMA|Unable to infer schema",
        "empty",
        "spark.path",
        "There is no {format} file at {place}: it is empty, or of another format. Correct the path or the "
        "format.",
    ),
    (
        r"FAILED_READ_FILE\.FILE_NOT_EXIST|java\.io\.FileNotFoundException|File does not exist",
        "changed",
        "spark.path",
        "Files at {place} vanished while they were read. Run it again when nobody writes there.",
    ),
    (
        r"is not a Parquet file|CANNOT_READ_FILE_FOOTER|Malformed ORC file|Not an Avro data file|"
        r"Could not read footer|not a data file|Invalid postscript",
        "not_readable",
        "spark.format",
        "What is at {place} is not {format}, or a file of it is damaged. Choose the format that it has.",
    ),
    (
        r"AccessControlException|Permission denied|AccessDenied|Status Code: 403|403 Forbidden",
        "refused",
        "spark.path",
        "This account may not read {place}: {cause} Ask its owner for the right, or take a Hadoop group "
        "whose keytab has it.",
    ),
    (
        r"No FileSystem for scheme|UNSUPPORTED_FILESYSTEM|UnsupportedFileSystemException|"
        r"ClassNotFoundException: Class \S*FileSystem",
        "not_readable",
        "spark.path",
        "Spark has no driver for the file system of {place}. Add its jar in Spark Configuration (for s3a "
        "org.apache.hadoop:hadoop-aws in Hadoop's version).",
    ),
    (
        r"NoAuthWithAWSException|Unable to load AWS credentials|No AWS Credentials",
        "credentials",
        "spark.path",
        "The object store of {place} wants credentials. Put them into Spark Configuration "
        "(spark.hadoop.fs.s3a.access.key and secret.key, which are kept sealed) or into the Hadoop group.",
    ),
    (
        r"Client cannot authenticate|GSS initiate failed|SIMPLE authentication is not enabled|No Kerberos|"
        r"Failed to find any Kerberos tgt",
        "credentials",
        "spark.hadoop_group",
        "The cluster wants a Kerberos ticket and took none: {cause} Choose the Hadoop group whose keytab "
        "counts there.",
    ),
    (
        r"UnknownHostException|Connection refused|ConnectException|NoRouteToHost|ConnectTimeoutException|"
        r"SocketTimeoutException|Network is unreachable",
        "connection",
        "spark.path",
        "The file system of {place} does not answer: {cause} See whether the cluster runs, and whether the "
        "Hadoop group names its address.",
    ),
    (
        r"URISyntaxException|IllegalArgumentException.*(URI|[Pp]ath)|Wrong FS|Expected authority",
        "invalid",
        "spark.path",
        "{place} is not a path that Spark understands: {cause}",
    ),
    (
        r"No space left on device",
        "disk",
        "",
        "A disk of the cluster is full: Spark's temporary files do not fit. Free some space, then run it "
        "again.",
    ),
    (
        r"OutOfMemoryError|ExecutorLostFailure|maxResultSize|Cannot allocate|exceeds the limit .* memory",
        "memory",
        "",
        "Spark's memory does not suffice. Give the executors and the driver more (executor-memory and "
        "driver-memory in Spark Configuration), or take a smaller sample: {cause}",
    ),
)
_CAUSE = re.compile(r"Caused by: ([^\n]+)")


def explained(error: BaseException, request: Mapping[str, Any]) -> SourceError:
    """Return an error as a sentence with what it is about."""
    whole = _text(error)
    told = {
        "place": str(request.get("table") or request.get("path")),
        "format": "table" if request.get("table") else str(request.get("format")),
        "cause": _cause(whole),
    }
    for pattern, code, field, sentence in _SENTENCES:
        if re.search(pattern, whole):
            return SourceError(sentence.format(**told), code=code, field=field)
    return SourceError(f"Spark cannot read {told['place']}: {told['cause']}", code="failed")


def _text(error: BaseException) -> str:
    """Return all that an error says, the causes in the JVM included."""
    parts = [str(error)]
    java = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    if java is not None:
        seen = 0
        while java is not None and seen < 10:
            parts.append(f"Caused by: {java.toString()}")
            java, seen = java.getCause(), seen + 1
    return "\n".join(parts)


def _cause(whole: str) -> str:
    """Return the innermost cause in one line, without the class that Java gives it."""
    causes = _CAUSE.findall(whole)
    line = causes[-1] if causes else next((each for each in whole.splitlines() if each.strip()), "")
    line = re.sub(r"^([\w$]+\.)+[\w$]+(Exception|Error): ", "", line.strip())[:_LONGEST]
    return line if line.endswith((".", "!", "?")) else f"{line}."
