"""What the watch over the SLAs of 1,000 DAGs takes of a core: an hour of looks, from its parts (CPU)."""

from __future__ import annotations

import json
import tempfile

from benchmarks.measure import Result, in_fresh_process

DAGS = 1_000
#: Runs of each DAG that Airflow still has a deadline of: hourly ones of two days, whose runs went on.
RUNS = 48
HOUR = 3_600.0

PROGRAM = """
import json, sys, time
from datetime import UTC, datetime, timedelta
from airflow import settings
from airflow.models import import_all_models
from airflow.models.base import Base

import_all_models()
Base.metadata.create_all(settings.engine)

from airflow.models.callback import Callback
from airflow.models.dagrun import DagRun
from airflow.models.deadline import Deadline
from airflow.models.taskinstance import TaskInstance
from uuid6 import uuid7

from couture_workflow.services.sla.declaring import CALLBACK, Declared
from couture_workflow.web.sla import keeper as slas

dags, runs = json.loads(sys.argv[1])
now = datetime.now(UTC) - slas.GRACE
data = {"path": CALLBACK, "kwargs": Declared({"load": ("ann@example.org",)}, 60.0).arguments()}


def rows(hour):
    end = now - timedelta(hours=hour, minutes=5)
    for number in range(dags):
        key, call = 1 + hour * dags + number, uuid7()
        dag_id, run_id = f"dag_{number}", f"scheduled__{end.isoformat()}"
        yield (
            {"id": call, "type": "triggerer", "fetch_method": "import_path", "data": data, "state": "success",
             "priority_weight": 1, "created_at": end},
            {"id": key, "dag_id": dag_id, "run_id": run_id, "run_type": "scheduled", "state": "running",
             "logical_date": end, "data_interval_start": end, "data_interval_end": end, "run_after": end,
             "log_template_id": None},
            {"id": uuid7(), "dagrun_id": key, "deadline_time": end + timedelta(minutes=1), "missed": True,
             "callback_id": call},
            {"id": uuid7(), "dag_id": dag_id, "run_id": run_id, "task_id": "load", "map_index": -1,
             "state": "success", "start_date": end, "end_date": end + timedelta(seconds=30), "pool": "p",
             "pool_slots": 1, "try_number": 1},
        )


def fill(hour):
    with settings.engine.begin() as connection:
        for table, values in zip((Callback, DagRun, Deadline, TaskInstance), zip(*rows(hour))):
            connection.execute(table.__table__.insert(), list(values))


def took(keeper):
    began = time.thread_time()
    assert keeper.look() == []
    return time.thread_time() - began


for hour in range(1, runs):
    fill(hour)
keeper = slas.Keeper()
took(keeper)
idle = sorted(took(keeper) for _ in range(9))[4]
keeper._everything_at = 0.0
full = took(keeper)
fill(0)
print(json.dumps([idle, full, took(keeper)]))
"""


def run() -> list[Result]:
    """Measure it on SQLite, in a fresh process."""
    from couture_workflow.web.sla import keeper as slas

    with tempfile.TemporaryDirectory() as home:
        env = {"AIRFLOW_HOME": home, "AIRFLOW__COUTURE_WORKFLOW__HOME": f"{home}/couture"}
        idle, full, judged = json.loads(in_fresh_process(PROGRAM, json.dumps([DAGS, RUNS]), env=env))
    looks, fulls = HOUR / slas.INTERVAL, HOUR / slas.EVERYTHING
    share = 100 * (idle * (looks - fulls) + full * fulls + judged) / HOUR
    return [
        Result(
            "watch over the SLAs of 1,000 DAGs, hourly ones, of a core (CPU)",
            f"a look {idle * 1000:.1f} ms, at everything {full * 1000:.0f} ms, 1,000 judged {judged:.1f} s",
            "",
            share,
            1,
            "%",
        )
    ]
