"""One run of the job: the session, what is asked for, where the result goes, what errors mean to people."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from . import failures, handing, passes, preview, reading, said, sampling
from .reading import Data
from .said import SourceError

#: What the numbers depend on, whatever the saved configuration says.
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.runSQLOnFiles": "false",
    "spark.sql.csv.parser.columnPruning.enabled": "false",
    "spark.sql.caseSensitive": "true",
}
#: What is told as a sentence.
EXPECTED = (SourceError, PySparkException, Py4JError)
#: What dates before 1900 in files of old programs need; a person may know better.
_REBASE = {
    f"spark.sql.{kind}RebaseModeInRead": "CORRECTED"
    for kind in ("parquet.datetime", "parquet.int96", "avro.datetime")
}


def main(request: Mapping[str, Any]) -> int:
    """Do what is asked for; return the exit code."""
    said.stage("connecting", words="Spark starts")
    try:
        spark = session(request)
        try:
            answer(spark, request)
        finally:
            spark.stop()
    except EXPECTED as error:
        told(error, request)
        return 1
    return 0


def told(error: SourceError | PySparkException | Py4JError, request: Mapping[str, Any]) -> None:
    """Say what an error means to people; all that Spark says of it goes to the log."""
    if not isinstance(error, SourceError):
        logging.getLogger(__name__).error("The analysis failed", exc_info=error)
        error = failures.explained(error, request)
    said.error(str(error), code=error.code, field=error.field)


def answer(spark: SparkSession, request: Mapping[str, Any]) -> None:
    """Read the source and put the result where the request says."""
    place = handing.Place(spark, str(request["results"]))
    place.sweep()
    with reading.opened(spark, request) as data, place.filled() as folder:
        if request["verb"] == "preview":
            _write(folder / "preview.json", preview.made(data, request))
        else:
            _profile(spark, data, request, folder)


def session(request: Mapping[str, Any]) -> SparkSession:
    """Return the session, with what the numbers depend on."""
    builder = SparkSession.builder
    if request.get("table"):
        builder = builder.enableHiveSupport()
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    for name, value in _SETTINGS.items():
        spark.conf.set(name, value)
    for name, value in _REBASE.items():
        if name not in dict(spark.sparkContext.getConf().getAll()):
            spark.conf.set(name, value)
    return spark


def _profile(spark: SparkSession, data: Data, request: Mapping[str, Any], folder: Path) -> None:
    with passes.kept(data) as kept:
        result = passes.profile(kept, request)
        result["sample"] = sampling.take(
            kept,
            result,
            rows=int(request["sample_rows"]),
            path=folder / "sample.jsonl",
            left_out=result["left_out"],
        )
    result["engine"] = f"Spark {spark.version}"
    if changed := data.changed():
        raise SourceError(changed, code="changed", field="spark.path")
    _write(folder / "profile.json", result)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
