"""Where results go: a folder of this machine, or one of the cluster if the driver runs there."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

#: Milliseconds after which what another run left on the cluster belongs to nobody any more.
_STALE = 24 * 3600 * 1000
_PRIVATE = "700"


class Place:
    """The folder that results are put into.

    :param name: behind ``file:`` an absolute path of this machine, else a path of the cluster's file system.
    """

    def __init__(self, spark: SparkSession, name: str) -> None:
        self._local = Path(name.removeprefix("file:")) if name.startswith("file:") else None
        if self._local is None:
            self._jvm: Any = spark.sparkContext._jvm
            self._hadoop = spark.sparkContext._jsc.hadoopConfiguration()
            self._folder = self._jvm.org.apache.hadoop.fs.Path(name)
            self._system = self._folder.getFileSystem(self._hadoop)

    def sweep(self) -> None:
        """Remove what runs that were killed left beside this one's folder."""
        if self._local is not None:
            return
        parent = self._folder.getParent()
        if not self._system.exists(parent):
            return
        for status in self._system.listStatus(parent):
            if status.getModificationTime() < time.time() * 1000 - _STALE:
                self._system.delete(status.getPath(), True)

    @contextmanager
    def filled(self) -> Iterator[Path]:
        """Return a folder to write to; what is in it at the end is there, and only its owner may read it."""
        if self._local is not None:
            yield self._local
            return
        # The working directory is the container's and goes with it, whatever ends the driver.
        with tempfile.TemporaryDirectory(dir=".") as temporary:
            folder = Path(temporary).resolve()
            yield folder
            fs = self._jvm.org.apache.hadoop.fs
            self._system.mkdirs(self._folder, fs.permission.FsPermission(_PRIVATE))
            for path in sorted(folder.iterdir()):
                self._system.copyFromLocalFile(False, True, fs.Path(path.as_uri()), self._folder)
