"""The job that analyses a source of the kind Spark: its one file, what it is asked for, what it tells."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from couture_workflow import settings
from couture_workflow.exceptions import EdaError
from couture_workflow.services.eda.document import Source
from couture_workflow.services.processes.led_command import OUTPUT
from couture_workflow.services.spark.job_requests import JobRequest
from couture_workflow.store.files import Files
from couture_workflow.store.home import Store

#: What the job's file is called where people see it.
APPLICATION = "couture_eda_job.py"
#: Begins each line that the job means for the product.
MARK = "couture-eda: "

_RUNTIMES = Path(__file__).parents[2] / "runtimes"
_PACKAGE = "eda_spark"

OnMessage = Callable[[dict[str, Any]], None]
OnLine = Callable[[str, str], None]


def asked(source: Source, verb: str, *, results: str, sample_rows: int) -> dict[str, Any]:
    """Return what the job is asked for.

    :param verb: "profile" or "preview".
    :param results: where it puts its files: behind ``file:`` a path of its machine, else one of the cluster's
        file system.
    """
    place = source.spark
    return {
        "verb": verb,
        "name": source.name,
        "path": place.path,
        "format": place.format,
        "options": dict(place.options),
        "table": place.table,
        "sensitive": list(source.sensitive),
        "sample_rows": sample_rows,
        "results": results,
        "local_folders": [str(each) for each in settings.eda_folders()],
    }


def with_job(store: Store, request: Mapping[str, Any], folder: Path) -> Store:
    """Return the store as a job of this package needs it: its code artifacts are this one job, in the folder.

    :param request: what the job is asked for; it goes into the job's file.
    """
    root = folder / "files"
    for each in ("blobs", ".tmp", "artifacts"):
        (root / each).mkdir(mode=0o700, parents=True)
    files = Files(root, "artifacts")
    files.put(APPLICATION, [packed(request)], user="")
    prepared = copy.copy(store)
    prepared.artifacts = files
    return prepared


def packed(request: Mapping[str, Any]) -> bytes:
    """Return the job's file: an archive that Python runs, with the request in it.

    So one file is all that has to reach a driver, wherever it runs, and a request may be of any length.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(_RUNTIMES / "eda_spark_job.py", "__main__.py")
        for path in sorted((_RUNTIMES / _PACKAGE).glob("*.py")):
            archive.write(path, f"{_PACKAGE}/{path.name}")
        archive.writestr(f"{_PACKAGE}/request.json", json.dumps(request))
    return content.getvalue()


def job_request(source: Source, **news: Any) -> JobRequest:
    """Return the job as the Spark services take it, with the source's Hadoop group."""
    return JobRequest(
        app_name=f"Exploratory data analysis of {source.name}",
        code_artifact=APPLICATION,
        suffixes=(".py",),
        hadoop_group=source.spark.hadoop_group or None,
        **news,
    )


class Ear:
    """Hears what a job tells among all that its driver prints.

    :param on_message: called with each ``{"stage", ...}`` and ``{"warning"}``.
    :param on_line: called with "output" or "log" and every other line.
    """

    def __init__(self, on_message: OnMessage, on_line: OnLine) -> None:
        self._on_message = on_message
        self._on_line = on_line
        self.error: EdaError | None = None

    def hear(self, stream: str, line: str) -> None:
        """Take a line of the driver."""
        message = _message(line) if stream == OUTPUT and line.startswith(MARK) else None
        if message is None:
            self._on_line(stream, line)
        elif "error" in message:
            told = message["error"]
            self.error = EdaError(str(told["message"]), code=str(told["code"]), field=str(told["field"]))
        else:
            self._on_message(message)


def _message(line: str) -> dict[str, Any] | None:
    try:
        message = json.loads(line.removeprefix(MARK))
    except ValueError:
        return None
    return message if isinstance(message, dict) else None
