"""Celery's settings, built on those of Airflow's provider."""

from __future__ import annotations

from typing import Any

from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG

CELERY_CONFIG: dict[str, Any] = {
    **DEFAULT_CELERY_CONFIG,
    # A task is acknowledged when it ends, so that one of a killed worker goes to another.
    "task_acks_late": True,
    # A worker takes what it can run, and leaves the rest to others.
    "worker_prefetch_multiplier": 1,
}
