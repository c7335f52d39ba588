"""Python code in a process of its own that is configured for Celery."""

from __future__ import annotations

import os
import subprocess
import sys


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
