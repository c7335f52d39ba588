"""What Celery is told."""

from __future__ import annotations

import pytest

from tests.support.celery_process import in_fresh_process

pytest.importorskip("airflow.providers.celery")


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
