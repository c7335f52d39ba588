"""What a worker's log says of a broker that went away: one line for each thing (filters of logging).

A filter is what logging offers for that, so none of this is in the list of patches. What is not recognised
stays as Celery wrote it.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from amqp.exceptions import AMQPError

#: Celery's logger of tasks, and those of a worker that speak of its connection.
_TASKS = "celery.app.trace"
_CONNECTION = ("celery.worker.consumer.consumer", "celery.worker.request")
#: The logger of Python's warnings. Celery lets its own through whatever the filters of warnings say.
_WARNINGS = "py.warnings"


def tell_in_a_line() -> None:
    """Let this process, and those that are forked from it, tell in a line what happened to the connection."""
    logging.getLogger(_TASKS).addFilter(_tell_of_refusal)
    for name in _CONNECTION:
        logging.getLogger(name).addFilter(_tell_of_connection)
    logging.getLogger(_WARNINGS).addFilter(_needed)


def _tell_of_refusal(record: logging.LogRecord) -> bool:
    """Tell of a message that came again although its task runs or has ended: the API server refused it."""
    error = record.exc_info[1] if record.exc_info else None
    detail: Any = getattr(error, "detail", None)
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status != HTTPStatus.CONFLICT or not isinstance(detail, dict) or not isinstance(record.args, dict):
        return True
    if detail.get("reason") == "invalid_state":
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        record.msg = "The message of task %s came again and was left alone: in Airflow the task is %s."
        record.args = (record.args.get("id"), detail.get("previous_state"))
        record.exc_info = record.exc_text = None
    return True


def _tell_of_connection(record: logging.LogRecord) -> bool:
    """Leave out the traceback of a connection that the broker ended, and put the message into one line."""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and not isinstance(error, OSError | AMQPError):
        return True
    message = " ".join(record.getMessage().split())
    if message.startswith("Couldn't ack"):
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        message = "A task ended while RabbitMQ was away; its message will come again and be left alone"
    if error is not None:
        message = f"{message} ({type(error).__name__}: {error})"
    record.msg, record.args = "%s", (message,)
    record.exc_info = record.exc_text = None
    return True


def _needed(record: logging.LogRecord) -> bool:
    """Leave out nine lines, at each loss of the connection, about a setting that celery_config.py sets."""
    return "worker_cancel_long_running_tasks_on_connection_loss" not in record.getMessage()
