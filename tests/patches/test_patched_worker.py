"""What a worker does before its first task, while it reaches the broker and when a supervisor is killed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.celery_process import in_fresh_process

pytest.importorskip("airflow.providers.celery")


def test_a_worker_touches_its_file_at_each_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from celery.signals import heartbeat_sent

    import couture_workflow.celery_config  # noqa: F401 - connects the signals
    from couture_workflow.patches import celery_worker

    alive = tmp_path / "alive"
    monkeypatch.setenv(celery_worker.ALIVE, str(alive))

    heartbeat_sent.send(sender=None)
    os.utime(alive, (1, 1))
    heartbeat_sent.send(sender=None)

    assert time.time() - alive.stat().st_mtime < 60


def test_a_heartbeat_survives_a_folder_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from couture_workflow.patches import celery_worker

    monkeypatch.setenv(celery_worker.ALIVE, str(tmp_path / "gone" / "alive"))

    celery_worker.touch_alive()

    assert not (tmp_path / "gone").exists()


@pytest.mark.slow
def test_a_worker_has_loaded_what_a_task_needs_before_it_forks() -> None:
    code = """
import gc, sys
from celery.signals import worker_init
from airflow.providers.celery.executors.celery_executor_utils import app
worker_init.send(sender=type("Worker", (), {"app": app}))
from couture_workflow.patches import celery_worker
missing = [name for name in celery_worker._EVERY_TASK
           if name not in sys.modules]
print(missing, gc.get_freeze_count() > 100_000, "confirm_publish" in app.conf.broker_transport_options)
"""
    said = in_fresh_process(
        code, AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS="couture_workflow.celery_config.CELERY_CONFIG"
    )

    assert said == "[] True False"


def test_old_results_are_removed_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    from couture_workflow.patches import celery_worker

    calls: list[str] = []
    backend = SimpleNamespace(cleanup=lambda: calls.append("cleanup"))
    task = SimpleNamespace(app=SimpleNamespace(backend=backend))
    monkeypatch.setattr(celery_worker, "_next_cleanup", time.monotonic() + 60)

    celery_worker.clean_up(task=task)
    assert calls == []

    monkeypatch.setattr(celery_worker, "_next_cleanup", time.monotonic() - 1)
    celery_worker.clean_up(task=task)
    celery_worker.clean_up(task=task)
    assert calls == ["cleanup"]


def test_a_task_ends_when_its_supervisor_is_killed() -> None:
    code = """
import os, signal, time
from couture_workflow.patches import celery_worker
heard, tell = os.pipe()
supervisor = os.fork()
if not supervisor:
    celery_worker.end_with_supervisor()
    if not os.fork():
        signal.signal(signal.SIGTERM, lambda *_: os.write(tell, b"told"))
        os.write(tell, b"here")
        time.sleep(60)
        os.write(tell, b"went on")
    time.sleep(60)
assert os.read(heard, 4) == b"here"
os.kill(supervisor, signal.SIGKILL)
os.close(tell)
print(os.read(heard, 4), os.read(heard, 100))
"""

    assert in_fresh_process(code) == "b'told' b''"
