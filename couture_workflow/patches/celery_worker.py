"""What a Celery worker does at Celery's signals: of it, ``loaded-once`` and ``orphaned-task`` are patches."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from couture_workflow.patches import celery_log, guard, supervisor

#: Names the file that a worker touches as long as it reaches the broker; the health check looks at its age.
ALIVE = "COUTURE_WORKER_ALIVE"

_ALIVE_FILE = "/dev/shm/couture-worker-alive"  # noqa: S108 - in a container, where docker/healthcheck looks

#: Seconds between two times that a process of a worker removes old results.
_CLEANUP_INTERVAL = 3600

#: Of the system call prctl: the signal that the kernel sends when the parent has ended.
_SET_PARENT_DEATH_SIGNAL = 1
#: That signal: one that nobody else uses.
_SUPERVISOR_ENDED = signal.SIGRTMIN
#: Seconds that a task without a supervisor has to end what it started.
_LAST_SECONDS = 15

#: What every task imports. Loaded once in the worker, it is there in each process that is forked from it.
_EVERY_TASK = (
    "airflow.dag_processing.dagbag",
    "airflow.dag_processing.importers.python_importer",
    "airflow.executors.workloads",
    "airflow.sdk.definitions.asset.decorators",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.execution_time.coordinator",
    "airflow.sdk.execution_time.secrets.execution_api",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.secrets.environment_variables",
    "celery.backends.database",
    "couture_workflow.bundles",
    "couture_workflow.operators.spark",
)


def touch_alive(**_: Any) -> None:
    """Note that this worker reaches its broker: Celery sends a heartbeat every two seconds while it does."""
    with contextlib.suppress(OSError):
        Path(os.environ.get(ALIVE) or _ALIVE_FILE).touch()


def prepare(sender: Any, **_: Any) -> None:
    """Load what every task needs before the processes of the pool are forked.

    Otherwise each of them would do it at its first task, which takes seconds of CPU.
    """
    # A worker publishes heartbeats alone. It must not wait for an answer to one when the network is cut.
    sender.app.conf.broker_transport_options.pop("confirm_publish", None)
    celery_log.tell_in_a_line()
    preload()


def preload() -> None:
    """Import the modules, plugins and certificates that every task uses; keep them from the collector.

    The collector writes into each object that it looks at, and with that copies the page that the processes
    would share.
    """
    for name in _EVERY_TASK:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    supervisor.notice_ends()
    supervisor.start_counts_as_heartbeat()
    guard.fits("orphaned-task")  # looked at here, once, for the processes of the pool
    if guard.fits("loaded-once"):
        from airflow.sdk.api.client import API_SSL_CA_FILE_PATH, API_SSL_CERT_PATH, Client
        from airflow.sdk.listener import get_listener_manager

        get_listener_manager()
        Client._get_ssl_context_cached(API_SSL_CA_FILE_PATH, API_SSL_CERT_PATH)
    gc.collect()
    gc.freeze()


def end_with_supervisor(**_: Any) -> None:
    """End a task whose supervisor, this process of the pool, is killed.

    Celery and Airflow notice the death and try the task again. It must not go on beside the next attempt.
    """
    if not guard.fits("orphaned-task"):
        return
    prctl = ctypes.CDLL(None).prctl
    signal.signal(_SUPERVISOR_ENDED, _end_task)
    os.register_at_fork(after_in_child=lambda: prctl(_SET_PARENT_DEATH_SIGNAL, _SUPERVISOR_ENDED, 0, 0, 0))


def _end_task(_: int, frame: FrameType | None) -> None:
    """Let the operator end what it started (``on_kill``, Airflow's answer to SIGTERM), and end.

    SIGTERM itself would not do: a task whose operator has no ``on_kill`` goes on.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_LAST_SECONDS)
    try:
        if callable(handler := signal.getsignal(signal.SIGTERM)):
            handler(signal.SIGTERM, frame)
    finally:
        os.kill(os.getpid(), signal.SIGKILL)


_next_cleanup = time.monotonic() + _CLEANUP_INTERVAL


def clean_up(task: Any, **_: Any) -> None:
    """Remove results that nobody will read any more: nothing else in Airflow does it."""
    global _next_cleanup
    if time.monotonic() >= _next_cleanup:
        _next_cleanup = time.monotonic() + _CLEANUP_INTERVAL
        task.app.backend.cleanup()
