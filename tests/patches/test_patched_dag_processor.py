"""The DAG processor parses a file when it is due, also after a callback of a version of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.celery_process import in_fresh_process

#: A file whose callback ended an hour ago, after the file was parsed; it has not changed since yesterday.
_AFTER_CALLBACK = """
import os, time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from airflow.dag_processing.manager import DagFileInfo, DagFileProcessorManager, DagFileStat
from couture_workflow.patches import dag_processor
{before}
folder = Path({folder!r})
(folder / "dag.py").touch()
os.utime(folder / "dag.py", (time.time() - 86400,) * 2)
if (child := os.fork()) == 0:
    os._exit(0)  # what comes before it is there from the first file that is parsed
os.waitpid(child, 0)

def queued(minutes_ago):
    manager = DagFileProcessorManager(max_runs=-1)
    file = DagFileInfo(Path("dag.py"), "dags", folder)
    now = datetime.now(timezone.utc)
    manager._file_stats[file] = DagFileStat(last_finish_time=now - timedelta(minutes=minutes_ago))
    manager._file_stats[replace(file, bundle_version="a" * 40)] = DagFileStat(
        last_finish_time=now - timedelta(hours=1)
    )
    manager.prepare_file_queue(known_files={{"dags": {{file}}}})
    return list(manager._file_queue) == [file]

print(queued(minutes_ago=0), queued(minutes_ago=30))
"""

#: The DAG processor as Airflow alone has it.
_AIRFLOWS = "dag_processor.before_fork = lambda: None"


@pytest.mark.slow
@pytest.mark.parametrize(("before", "due"), [("", "False True"), (_AIRFLOWS, "True True")])
def test_a_file_is_due_by_its_own_time_after_a_callback(tmp_path: Path, before: str, due: str) -> None:
    assert in_fresh_process(_AFTER_CALLBACK.format(folder=str(tmp_path), before=before)) == due
