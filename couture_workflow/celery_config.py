"""Celery's settings: what Airflow's provider makes of airflow.cfg, and what a task must survive (``[celery]
celery_config_options = couture_workflow.celery_config.CELERY_CONFIG``).

Only processes that speak to Celery import it: the workers and the scheduler.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery.signals import heartbeat_sent, task_postrun, worker_init, worker_process_init

from couture_workflow.patches import celery_worker, scheduler

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
    # The executor reads a result within seconds; see `celery_worker.clean_up`.
    "result_expires": 86400,
}

scheduler.tell_reasons()
scheduler.pace()
heartbeat_sent.connect(celery_worker.touch_alive)
worker_init.connect(celery_worker.prepare)
worker_process_init.connect(celery_worker.end_with_supervisor)
task_postrun.connect(celery_worker.clean_up)
