"""What Celery is told, and what a worker does before its first task and while it reaches the broker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("airflow.providers.celery")


def in_fresh_process(code: str, **environment: str) -> str:
    """Run Python code in a process of its own: a worker changes what all of a process share."""
    variables = {
        "AIRFLOW__CELERY__BROKER_URL": "amqp://user:word@broker:5672//",
        "AIRFLOW__CELERY__RESULT_BACKEND": "db+sqlite:///results.db",
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.slow
def test_airflow_builds_its_celery_app_with_our_settings() -> None:
    code = """
from airflow.providers.celery.executors.celery_executor_utils import app
conf = app.conf
print(conf.task_acks_late, conf.worker_prefetch_multiplier, conf.broker_connection_max_retries,
      conf.worker_cancel_long_running_tasks_on_connection_loss, conf.worker_enable_prefetch_count_reduction,
      conf.broker_transport_options["confirm_publish"], conf.task_default_queue, conf.broker_url)
"""
    said = in_fresh_process(
        code, AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS="couture_workflow.celery_config.CELERY_CONFIG"
    )

    assert said == "True 1 None False False True default amqp://user:word@broker:5672//"


@pytest.mark.slow
def test_a_queue_and_its_messages_are_kept_by_a_restart_of_the_broker() -> None:
    code = """
from celery import Celery
from couture_workflow.celery_config import CELERY_CONFIG
app = Celery(config_source=CELERY_CONFIG)
queue = app.amqp.queues["default"]
print(queue.durable, queue.exchange.durable, app.conf.task_default_delivery_mode)
"""
    assert in_fresh_process(code) == "True True persistent"


@pytest.mark.slow
def test_options_of_the_result_database_that_are_given_win() -> None:
    code = """
from couture_workflow.celery_config import CELERY_CONFIG
options = CELERY_CONFIG["database_engine_options"]
print(options["pool_recycle"], options["pool_pre_ping"])
"""
    given = '{"pool_recycle": 60}'

    assert in_fresh_process(code) == "1500 True"
    said = in_fresh_process(code, AIRFLOW__CELERY__RESULT_BACKEND_SQLALCHEMY_ENGINE_OPTIONS=given)
    assert said == "60 True"


def test_a_worker_touches_its_file_at_each_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from celery.signals import heartbeat_sent

    from couture_workflow import celery_config

    alive = tmp_path / "alive"
    monkeypatch.setenv(celery_config.ALIVE, str(alive))

    heartbeat_sent.send(sender=None)
    os.utime(alive, (1, 1))
    heartbeat_sent.send(sender=None)

    assert time.time() - alive.stat().st_mtime < 60


def test_a_heartbeat_survives_a_folder_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from couture_workflow import celery_config

    monkeypatch.setenv(celery_config.ALIVE, str(tmp_path / "gone" / "alive"))

    celery_config.touch_alive()

    assert not (tmp_path / "gone").exists()


@pytest.mark.slow
def test_a_worker_has_loaded_what_a_task_needs_before_it_forks() -> None:
    code = """
import gc, sys
from celery.signals import worker_init
from airflow.providers.celery.executors.celery_executor_utils import app
worker_init.send(sender=type("Worker", (), {"app": app}))
missing = [name for name in __import__("couture_workflow.celery_config").celery_config._EVERY_TASK
           if name not in sys.modules]
print(missing, gc.get_freeze_count() > 100_000, "confirm_publish" in app.conf.broker_transport_options)
"""
    said = in_fresh_process(
        code, AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS="couture_workflow.celery_config.CELERY_CONFIG"
    )

    assert said == "[] True False"


#: Forks as the supervisor of a task does; the child closes all that it shares and ends a moment later.
_SUPERVISED = """
import os, socket, sys, time
from pathlib import Path
from uuid import uuid4
from airflow.sdk.execution_time import supervisor
from couture_workflow import celery_config

if sys.argv[1] == "ours":
    celery_config.notice_ends()
    celery_config.notice_ends()  # a second time changes nothing

def target():
    os.closerange(0, 64)
    time.sleep(0.3)
    os._exit(0)

class Supervised(supervisor.WatchedSubprocess):
    decoder = None
    def _handle_request(self, msg, log, req_id): ...

process = Supervised.start(id=uuid4(), target=target)
began = time.monotonic()
while process._service_subprocess(5) is None:
    pass
print(round(time.monotonic() - began))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "seconds"), [("ours", {0, 1}), ("airflow", {5, 6})])
def test_the_end_of_a_task_is_noticed_at_once(settings: str, seconds: set[int]) -> None:
    code = f"import sys; sys.argv.append({settings!r})\n{_SUPERVISED}"

    assert int(in_fresh_process(code)) in seconds


@pytest.mark.slow
@pytest.mark.parametrize(("under_way", "seconds"), [(4, 1.6), (3, 0.0)])
def test_only_a_busy_scheduler_rests_between_two_looks(under_way: int, seconds: float) -> None:
    code = f"""
import time
from couture_workflow import celery_config
from airflow.executors.base_executor import BaseExecutor
celery_config.pace_scheduler()  # a second time changes nothing
looks = []
class Executor(BaseExecutor):
    def sync(self): looks.append(time.monotonic())
executor = Executor()
executor.running = set(range({under_way}))
for _ in range(4):
    executor.heartbeat()
print(looks[3] - looks[1])
"""

    assert float(in_fresh_process(code)) == pytest.approx(seconds, abs=0.3)


def test_old_results_are_removed_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    from couture_workflow import celery_config

    calls: list[str] = []
    backend = SimpleNamespace(cleanup=lambda: calls.append("cleanup"))
    task = SimpleNamespace(app=SimpleNamespace(backend=backend))
    monkeypatch.setattr(celery_config, "_next_cleanup", time.monotonic() + 60)

    celery_config.clean_up(task=task)
    assert calls == []

    monkeypatch.setattr(celery_config, "_next_cleanup", time.monotonic() - 1)
    celery_config.clean_up(task=task)
    celery_config.clean_up(task=task)
    assert calls == ["cleanup"]


@pytest.mark.slow
def test_a_task_ends_when_its_supervisor_is_killed() -> None:
    code = """
import os, signal, time
from couture_workflow import celery_config
heard, tell = os.pipe()
supervisor = os.fork()
if not supervisor:
    celery_config.end_with_supervisor()
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
