"""Celery's settings: what Airflow's provider makes of airflow.cfg, and what a task must survive (``[celery]
celery_config_options = couture_workflow.celery_config.CELERY_CONFIG``).

Only processes that speak to Celery import it: the workers and the scheduler.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import importlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from airflow.executors.base_executor import BaseExecutor
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery.backends.database.models import Task
from celery.signals import heartbeat_sent, task_postrun, worker_init, worker_process_init

#: Names the file that a worker touches as long as it reaches the broker; the health check looks at its age.
ALIVE = "COUTURE_WORKER_ALIVE"

_ALIVE_FILE = "/tmp/couture-worker-alive"  # noqa: S108 - in a container, where docker/healthcheck looks

#: Seconds between two times that a process of a worker removes old results.
_CLEANUP_INTERVAL = 3600

#: Seconds between two looks at a process that has closed everything and is about to end.
_END_INTERVAL = 0.02

#: Seconds between two looks of a busy scheduler at its DAG runs; tasks that wait at the workers last longer.
LOOK_INTERVAL = 0.8
#: Tasks that are queued or running in a scheduler that counts as busy.
_BUSY = 4

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

CELERY_CONFIG: dict[str, Any] = {
    **DEFAULT_CELERY_CONFIG,
    # --- A task is neither lost nor run twice. ---
    # A message leaves the queue when its task has ended: the one of a worker that died is given to another.
    # Airflow's API refuses a task that is running or has ended, so a message that comes twice does no harm.
    "task_acks_late": True,
    # A worker takes as many tasks as it has slots, so that none waits at a busy worker beside an idle one.
    "worker_prefetch_multiplier": 1,
    # The queue and its messages are on RabbitMQ's disk (Celery's default, written down).
    "task_default_delivery_mode": "persistent",
    # Classic, not quorum: on one node both survive a restart, and a quorum queue writes each message to a log
    # of its own first. With a RabbitMQ of three nodes, "quorum" keeps the queue when one of them is lost.
    "task_default_queue_type": "classic",
    # A task is sent when RabbitMQ says that it has it. Without that, what is sent into a broker that is just
    # going down is lost, and the task stays queued until Airflow gives it up.
    "broker_transport_options": {
        **DEFAULT_CELERY_CONFIG["broker_transport_options"],
        "confirm_publish": True,
    },
    # While the broker is away, sending goes on until the executor ends the attempt (`[celery]
    # operation_timeout`) and tries again in the next round; a refused connection would fail the task at once.
    "task_publish_retry_policy": {
        "max_retries": None,
        "interval_start": 0.1,
        "interval_step": 0.2,
        "interval_max": 1.0,
    },
    # --- A worker survives its broker. ---
    # It comes back however long the broker is away, instead of giving up after 100 attempts.
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    # A broker that answers nothing is noticed after some 40 seconds, not after four minutes.
    "broker_heartbeat": 20,
    # A busy host may need more than the usual four seconds for a handshake.
    "broker_connection_timeout": 10,
    # Running tasks go on while the broker is away: they speak to the API server, not to the broker.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # The message of a process that was killed is not run again by Celery: Airflow sees that the heartbeat
    # of its task has stopped, and decides by the retries of the task.
    "task_reject_on_worker_lost": False,
    # A worker that comes back asks for as many tasks as it has slots. Celery would ask for fewer, because of
    # those that still run, and for more as they end; but RabbitMQ 4 keeps to the number that a consumer began
    # with, and the worker would run one task at a time (https://github.com/celery/celery/issues/9512).
    "worker_enable_prefetch_count_reduction": False,
    # A process of the pool may need more than four seconds to come up while Spark has all cores.
    "worker_proc_alive_timeout": 60,
    # --- No work that nobody reads. ---
    # "Started" is in Airflow's database already; here it would be one more transaction for each task.
    "task_track_started": False,
    # Nobody reads Celery's events; the heartbeat of a worker is sent all the same.
    "worker_send_task_events": False,
    "task_send_sent_event": False,
    # A process of the pool writes one result at a time. The server ends idle connections after hours, a
    # firewall sooner; a restart of MySQL is noticed before a result is written, not by losing it.
    "database_engine_options": {
        "pool_size": 1,
        "max_overflow": 1,
        "pool_recycle": 1500,
        "pool_pre_ping": True,
        "isolation_level": "READ COMMITTED",
        **DEFAULT_CELERY_CONFIG["database_engine_options"],
    },
    # A result that cannot be written now is written when MySQL is back. If it were lost, the scheduler would
    # hold the slot of the task as taken until its own restart.
    "result_backend_always_retry": True,
    "result_backend_max_sleep_between_retries_ms": 3000,
    "result_backend_max_retries": 100,
    # The executor reads a result within seconds; see `clean_up` below.
    "result_expires": 86400,
}


def touch_alive(**_: Any) -> None:
    """Note that this worker reaches its broker: Celery sends a heartbeat every two seconds while it does."""
    with contextlib.suppress(OSError):
        Path(os.environ.get(ALIVE) or _ALIVE_FILE).touch()


def prepare_worker(sender: Any, **_: Any) -> None:
    """Load what every task needs before the processes of the pool are forked.

    Otherwise each of them would do it at its first task, which takes seconds of CPU.
    """
    # A worker publishes heartbeats alone. It must not wait for an answer to one when the network is cut.
    sender.app.conf.broker_transport_options.pop("confirm_publish", None)
    preload()


def preload() -> None:
    """Import the modules, plugins and certificates that every task uses; keep them from the collector.

    The collector writes into each object that it looks at, and with that copies the page that the processes
    would share.
    """
    for name in _EVERY_TASK:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    from airflow.sdk.api.client import API_SSL_CA_FILE_PATH, API_SSL_CERT_PATH, Client
    from airflow.sdk.listener import get_listener_manager

    notice_ends()
    start_counts_as_heartbeat()
    get_listener_manager()
    Client._get_ssl_context_cached(API_SSL_CA_FILE_PATH, API_SSL_CERT_PATH)
    gc.collect()
    gc.freeze()


def notice_ends() -> None:
    """Let the supervisor of a task see at once that the task has ended.

    The last sockets of a process are closed a moment before it can be waited for. Airflow looks once in
    between, finds it alive, and looks again after ``[workers] min_heartbeat_interval``: five seconds in which
    the slot does nothing, at about every second task of a busy machine.
    """
    from airflow.sdk.execution_time.supervisor import WatchedSubprocess

    def noticing(serve: Callable[..., Any]) -> Callable[..., Any]:
        def serve_and_notice(self: Any, max_wait_time: float, *arguments: Any, **options: Any) -> Any:
            if not self._open_sockets:
                max_wait_time = min(max_wait_time, _END_INTERVAL)
            return serve(self, max_wait_time, *arguments, **options)

        return serve_and_notice

    _replace(WatchedSubprocess, "_service_subprocess", noticing)


def start_counts_as_heartbeat() -> None:
    """Let the first heartbeat of a task come ``[workers] min_heartbeat_interval`` after its start.

    The call that starts it is a sign of life already, to Airflow's API and to the supervisor. Airflow sends
    another one a moment later: one request in five of a short task.
    """
    from airflow.sdk.execution_time.supervisor import ActivitySubprocess

    def counting(started: Callable[..., Any]) -> Callable[..., Any]:
        def started_with_heartbeat(self: Any, *arguments: Any, **options: Any) -> None:
            started(self, *arguments, **options)
            self._last_heartbeat_attempt = time.monotonic()

        return started_with_heartbeat

    _replace(ActivitySubprocess, "_on_child_started", counting)


def end_with_supervisor(**_: Any) -> None:
    """End a task whose supervisor, this process of the pool, is killed.

    Celery and Airflow notice the death and try the task again. It must not go on beside the next attempt.
    """
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


def tell_reasons() -> None:
    """Let the scheduler write into the audit log why Celery gave a task up.

    That is what the task could not tell itself: the signal that killed its supervisor, a full disk under its
    log. Airflow asks Celery's result for an "info" that results from a database do not have.
    """

    def telling(to_dict: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def to_dict_with_info(self: Any) -> dict[str, Any]:
            found = to_dict(self)
            result = found.get("result")
            if found.get("status") == "FAILURE" and isinstance(result, dict):
                message = result.get("exc_message")
                words = message if isinstance(message, list | tuple) else [message]
                found["info"] = f"{result.get('exc_type')}: {' '.join(str(word) for word in words)}"
            elif isinstance(result, BaseException):
                found["info"] = f"{type(result).__name__}: {result}"
            return found

        return to_dict_with_info

    _replace(Task, "to_dict", telling)


def pace_scheduler() -> None:
    """Let the scheduler look at all running DAGs at most every ``LOOK_INTERVAL`` while tasks are under way.

    Airflow's loop rests only when nothing has happened. On a busy machine something always has: it looks at
    everything for each task or two that has ended, and takes from the tasks the CPU that they wait for.
    """
    looked = 0.0

    def pacing(heartbeat: Callable[..., None]) -> Callable[..., None]:
        def paced_heartbeat(self: Any) -> None:
            nonlocal looked
            heartbeat(self)
            rest = looked + LOOK_INTERVAL - time.monotonic()
            if rest > 0 and len(self.running) >= _BUSY:
                time.sleep(rest)
            looked = time.monotonic()

        return paced_heartbeat

    _replace(BaseExecutor, "heartbeat", pacing)


def _replace(owner: type, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put what is made of a method in its place; once, however often it is asked for."""
    method = getattr(owner, name)
    if getattr(method, "__module__", "") != __name__:
        made = functools.update_wrapper(make(method), method)
        made.__module__ = __name__
        setattr(owner, name, made)


_next_cleanup = time.monotonic() + _CLEANUP_INTERVAL


def clean_up(task: Any, **_: Any) -> None:
    """Remove results that nobody will read any more: nothing else in Airflow does it."""
    global _next_cleanup
    if time.monotonic() >= _next_cleanup:
        _next_cleanup = time.monotonic() + _CLEANUP_INTERVAL
        task.app.backend.cleanup()


tell_reasons()
pace_scheduler()
heartbeat_sent.connect(touch_alive)
worker_init.connect(prepare_worker)
worker_process_init.connect(end_with_supervisor)
task_postrun.connect(clean_up)
