"""How long a saved DAG takes until Airflow shows it, beside a file written into a plain folder.

A real DAG processor reads both bundles. Ours is a commit and the request that pages and API make after it;
the other is the file in place and the request behind Airflow's own button "Reparse DAG". Both are over when
the database, which Airflow's pages and API read, has the new text.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.measure import Result, in_fresh_process
from benchmarks.server import AIRFLOW, run_airflow

ROUNDS = 15

MEASURE = """
import json, sys, time
from pathlib import Path
from sqlalchemy import select
from airflow.models.dag import DagModel
from airflow.models.dagbag import DagPriorityParsingRequest
from airflow.utils.session import create_session
from couture_workflow.store.home import Store
from couture_workflow.web.dags.processing import request_parse

plain, rounds = Path(sys.argv[1]), int(sys.argv[2])
store = Store.open()
DAG = "from airflow.sdk import DAG\\nwith DAG('%s', schedule=None, description='%s'): pass\\n"

def save(text):
    content = (DAG % ("ours", text)).encode()
    store.dags.save({"ours.py": content}, author="admin", message=text, base=store.dags.head())
    request_parse(["ours.py"])

def write(text):
    (plain / "plain.py").write_text(DAG % ("plain", text))
    with create_session() as session:
        session.merge(DagPriorityParsingRequest("plain", "plain.py"))

def shown(dag_id):
    with create_session() as session:
        return session.scalar(select(DagModel.description).where(DagModel.dag_id == dag_id))

def seconds(change, dag_id, text):
    start = time.perf_counter()
    change(text)
    while shown(dag_id) != text:
        if time.perf_counter() - start > 120:
            raise SystemExit(f"{dag_id} does not show {text}")
        time.sleep(0.02)
    return time.perf_counter() - start

found = [], []
for number in range(rounds + 1):
    time.sleep(number * 0.37 % 1)  # the processor looks once a second: meet it at any moment of it
    found[0].append(seconds(save, "ours", str(number)))
    time.sleep(number * 0.37 % 1)
    found[1].append(seconds(write, "plain", str(number)))
print(json.dumps([series[1:] for series in found]))
"""


def run() -> list[Result]:
    """Start a DAG processor and change DAGs."""
    with tempfile.TemporaryDirectory(prefix="couture-benchmark-") as folder:
        home = Path(folder)
        plain = home / "plain"
        plain.mkdir()
        env = _environment(home, plain)
        run_airflow(env, "db", "migrate")
        with (home / "dag-processor.log").open("wb") as log:
            process = subprocess.Popen(
                [AIRFLOW, "dag-processor"],
                env={**os.environ, **env},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            ours, theirs = json.loads(in_fresh_process(MEASURE, str(plain), str(ROUNDS), env=env))
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
    figure = "saved DAG visible in Airflow"
    return [
        Result(
            f"{figure}, over a file in a plain folder",
            f"{median(ours):.1f} s",
            f"plain folder {median(theirs):.1f} s",
            median(ours) / median(theirs),
            1.5,
        ),
        Result(
            figure, f"{median(ours):.1f} s, slowest {max(ours):.1f} s", "", median(ours) * 1000, 3000, "ms"
        ),
    ]


def _environment(home: Path, plain: Path) -> dict[str, str]:
    bundles = [
        ("dags", "couture_workflow.bundles.DagRepositoryBundle", {}),
        ("plain", "airflow.dag_processing.bundles.local.LocalDagBundle", {"path": str(plain)}),
    ]
    entries = [{"name": name, "classpath": path, "kwargs": options} for name, path, options in bundles]
    return {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__COUTURE_WORKFLOW__HOME": str(home / "couture"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(entries),
    }
