"""The files behind a frame: whether they may be read, how large they are, whether they changed meanwhile."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from .said import SourceError

#: Files that are looked at one by one; of more, the size is what Spark says.
_FILES = 1_000
_UNKNOWN = 2**62
#: File systems through which a source would reach what only the machine that runs this can reach.
_REFUSED = ("http", "https", "ftp", "sftp", "har", "jar")


class InputFiles:
    """The files of one source."""

    def __init__(self, spark: SparkSession, request: Mapping[str, Any]) -> None:
        self._jvm: Any = spark.sparkContext._jvm
        self._hadoop = spark.sparkContext._jsc.hadoopConfiguration()
        self._allowed = [Path(each).resolve() for each in request.get("local_folders") or ()]
        self._field = "spark.table" if request.get("table") else "spark.path"
        self._names: list[str] = []
        self._before: dict[str, tuple[int, int]] = {}
        self.bytes: int | None = None

    def check_path(self, path: str) -> None:
        """Refuse a path that leads where a source may not; patterns are followed."""
        place = self._jvm.org.apache.hadoop.fs.Path(path)
        scheme = place.toUri().getScheme()
        if scheme and scheme.lower() in _REFUSED:
            raise SourceError(
                f"A source cannot be read over {scheme}. Name a file system that data is kept in, such as "
                "hdfs:// or s3a://.",
                code="not_allowed",
                field="spark.path",
            )
        system = place.getFileSystem(self._hadoop)
        if system.getUri().getScheme() != "file":
            return
        found = system.globStatus(place) or ()
        for status in found:
            self._check_local(status.getPath().toUri().getPath())

    def look(self, frame: DataFrame) -> None:
        """Take note of a frame's files."""
        self._names = list(frame.inputFiles())
        if len(self._names) > _FILES:
            self.bytes = _planned(frame)
            return
        self._before = self._sizes()
        self.bytes = sum(size for size, _ in self._before.values()) if self._before else _planned(frame)

    def changed(self) -> str:
        """Return "" or the sentence that some files are not any more what they were."""
        if not self._before:
            return ""
        now = self._sizes()
        count = sum(now.get(name) != before for name, before in self._before.items())
        if not count:
            return ""
        return (
            f"{count} of the {len(self._before)} files changed or vanished while they were read: the numbers "
            "are of several states of the source. Run it again when nobody writes."
        )

    def _sizes(self) -> dict[str, tuple[int, int]]:
        found = {}
        for name in self._names:
            place = self._jvm.org.apache.hadoop.fs.Path(self._jvm.java.net.URI(name))
            if place.toUri().getScheme() in (None, "file"):
                self._check_local(place.toUri().getPath())
            system = place.getFileSystem(self._hadoop)
            if system.exists(place):
                status = system.getFileStatus(place)
                found[name] = (int(status.getLen()), int(status.getModificationTime()))
        return found

    def _check_local(self, path: str) -> None:
        real = Path(os.path.realpath(path))
        if not any(real.is_relative_to(folder) for folder in self._allowed):
            raise SourceError(
                "Files of the machine itself can be read only below the folders of the option "
                "[couture_workflow] eda_folders. Put the data into one of them, or name a path of the "
                "cluster, such as hdfs://...",
                code="not_allowed",
                field=self._field,
            )


def _planned(frame: DataFrame) -> int | None:
    """Return the bytes that Spark plans with, None if it does not know."""
    size = int(str(frame._jdf.queryExecution().optimizedPlan().stats().sizeInBytes()))
    return size if size < _UNKNOWN else None
