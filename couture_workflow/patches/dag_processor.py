"""The DAG processor does not take a version of a DAG file for the file itself (``callback-of-version``)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from couture_workflow.patches import guard

_MANAGER = "airflow.dag_processing.manager"


def before_fork() -> None:
    """Get ready for a process that parses a file or runs a callback; called before each fork."""
    if guard.fits("callback-of-version") and (manager := sys.modules.get(_MANAGER)):
        guard.replace(manager.DagFileProcessorManager, "prepare_file_queue", _without_versions)


def _without_versions(prepare: Callable[..., None]) -> Callable[..., None]:
    """Let the DAG processor forget what it did for versions when it looks which files are due.

    A callback of a run belongs to the version of the run, and Airflow notes its end beside that of the file
    itself, under the same name. The note that came last counts, and nothing ever renews that of a version:
    once it is old, the file is due each time that Airflow looks.
    """

    def prepare_without_versions(self: Any, *arguments: Any, **options: Any) -> None:
        for file in [each for each in self._file_stats if each.bundle_version is not None]:
            del self._file_stats[file]
        prepare(self, *arguments, **options)

    return prepare_without_versions
