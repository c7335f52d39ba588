"""A busy scheduler rests, and it is told why Celery gave a task up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.celery_process import in_fresh_process

pytest.importorskip("airflow.providers.celery")


@pytest.mark.slow
@pytest.mark.parametrize(("under_way", "seconds"), [(4, 1.6), (3, 0.0)])
def test_only_a_busy_scheduler_rests_between_two_looks(under_way: int, seconds: float) -> None:
    code = f"""
from types import SimpleNamespace
from couture_workflow import celery_config
from couture_workflow.patches import scheduler
from airflow.executors.base_executor import BaseExecutor
scheduler.pace()  # a second time changes nothing
now, looks = [1000.0], []
def sleep(seconds): now[0] += seconds
scheduler.time = SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)
class Executor(BaseExecutor):
    def sync(self): looks.append(now[0])
executor = Executor()
executor.running = set(range({under_way}))
for _ in range(4):
    executor.heartbeat()
print(looks[3] - looks[1])
"""

    assert float(in_fresh_process(code)) == pytest.approx(seconds)


@pytest.mark.slow
def test_the_scheduler_is_told_why_celery_gave_a_task_up(tmp_path: Path) -> None:
    code = """
from couture_workflow import celery_config
from airflow.providers.celery.executors.celery_executor_utils import BulkStateFetcher, app
from celery.exceptions import WorkerLostError
app.backend.mark_as_failure("one", WorkerLostError("signal 9 (SIGKILL)"))
app.backend.mark_as_failure("two", OSError(28, "No space left on device"))
app.backend.mark_as_done("three", None)
names = ["one", "two", "three"]
found = BulkStateFetcher(1)._get_many_from_db_backend([app.AsyncResult(name) for name in names])
print([found[name] for name in names])
"""

    assert in_fresh_process(
        code, AIRFLOW__CELERY__RESULT_BACKEND=f"db+sqlite:///{tmp_path}/results.db"
    ) == str(
        [
            ("FAILURE", "WorkerLostError: signal 9 (SIGKILL)"),
            ("FAILURE", "OSError: 28 No space left on device"),
            ("SUCCESS", None),
        ]
    )
