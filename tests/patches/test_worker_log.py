"""What a worker's log says when its broker has gone away: a line that says what happened, no traceback."""

from __future__ import annotations

import pytest

from tests.support.celery_process import in_fresh_process

pytest.importorskip("airflow.providers.celery")

#: Sends what Celery logs to a handler that keeps it as text, and prints all of it as one line of JSON.
PROGRAM = """
import io, json, logging, sys
from couture_workflow.patches import celery_log
celery_log.tell_in_a_line()
kept = io.StringIO()
handler = logging.StreamHandler(kept)
handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
for name in ("celery.app.trace", "celery.worker.consumer.consumer", "celery.worker.request", "py.warnings"):
    logging.getLogger(name).handlers = [handler]
    logging.getLogger(name).setLevel("DEBUG")
{body}
print(json.dumps(kept.getvalue()))
"""
#: A task that Airflow's API refuses to start; Celery traces and logs it as it does in a worker.
REFUSED = """
import httpx
from celery import Celery
from airflow.sdk.api.client import ServerResponseError
app = Celery("test", set_as_current=False)

@app.task(name="execute_workload", bind=True)
def work(self):
    request = httpx.Request("PATCH", "http://api/task-instances/1/run")
    detail = {{"reason": "invalid_state", "message": "not in a state", "previous_state": "{state}"}}
    response = httpx.Response({status}, json={{"detail": detail}}, request=request)
    raise ServerResponseError.from_response(response)

work.apply(task_id="some-task")
"""


def logged(body: str) -> str:
    """Return what the loggers have written."""
    return in_fresh_process(PROGRAM.format(body=body))


def test_a_message_that_comes_again_is_told_in_a_line() -> None:
    said = logged(REFUSED.format(state="success", status=409))

    assert "INFO The message of task some-task came again and was left alone: in Airflow the task is" in said
    assert "success" in said
    assert "Traceback" not in said


def test_any_other_error_of_the_api_keeps_its_traceback() -> None:
    said = logged(REFUSED.format(state="success", status=500))

    assert "ERROR Task execute_workload[some-task] raised unexpected" in said
    assert "Traceback" in said


def test_a_lost_connection_and_what_could_not_be_acknowledged_are_lines() -> None:
    body = """
from amqp.exceptions import RecoverableConnectionError
import warnings
from celery.exceptions import CPendingDeprecationWarning
from celery.worker.consumer.consumer import (
    CANCEL_TASKS_BY_DEFAULT, CONNECTION_ERROR, CONNECTION_RETRY, error, warn)
from celery.worker import request
from kombu.message import Message

class Channel:
    no_ack_consumers = frozenset()
    def basic_ack(self, *_, **__):
        raise RecoverableConnectionError("connection already closed")

try:
    raise ConnectionResetError(104, "Connection reset by peer")
except ConnectionResetError:
    warn(CONNECTION_RETRY, exc_info=True)
warnings.filterwarnings("always", category=CPendingDeprecationWarning)
logging.captureWarnings(True)
warnings.warn(CANCEL_TASKS_BY_DEFAULT, CPendingDeprecationWarning)
error(CONNECTION_ERROR, "amqp://broker", OSError("refused"), "Trying again in 2.00 seconds...")
Message(channel=Channel(), delivery_tag=7).ack_log_error(request.logger, (RecoverableConnectionError,))
"""

    said = logged(body)

    assert "Traceback" not in said
    assert said.count("\\n") == 3
    assert "WARNING consumer: Connection to broker lost." in said
    assert "ConnectionResetError: [Errno 104] Connection reset by peer" in said
    assert "Cannot connect to amqp://broker: refused. Trying again in 2.00 seconds..." in said
    assert "WARNING A task ended while RabbitMQ was away; its message will come again" in said


def test_other_warnings_are_told() -> None:
    body = """
import warnings
logging.captureWarnings(True)
warnings.warn("mind this")
"""

    assert "UserWarning: mind this" in logged(body)


def test_another_error_of_the_consumer_keeps_its_traceback() -> None:
    body = """
from celery.worker.consumer.consumer import logger
try:
    raise ValueError("a fault of the worker")
except ValueError:
    logger.error("Something else", exc_info=True)
"""

    said = logged(body)

    assert "ERROR Something else" in said
    assert "Traceback" in said
