"""The shipped DAG repository of generated DAGs, in a workbench with secrets and logs in other places.

Credentials are in a secrets backend alone, logs go to a server that speaks S3, the provider is an HTTP server
that wants a password.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.services import s3_provider
from tests.services.s3_server import BUCKET, S3Server
from tests.support.workbench import Workbench

pytestmark = pytest.mark.workbench

Found = TypeVar("Found")
EXAMPLE = Path(__file__).parents[2] / "examples" / "providers"
PASSWORD = "correct-horse-battery-staple"
#: A run of it waits for a file, so that something can be saved meanwhile.
GOING = """from airflow.sdk import DAG, task

with DAG("going", schedule=None):

    @task
    def wait():
        import time
        from pathlib import Path

        while not Path({gate!r}).exists():
            time.sleep(0.1)

    @task
    def last():
        print("the last task of the version that the run started with")

    {tasks}
"""


class Provider(BaseHTTPRequestHandler):
    """Delivers two tables to who has the password."""

    def do_GET(self) -> None:
        wanted = f"Basic {base64.b64encode(f'north:{PASSWORD}'.encode()).decode()}"
        self.send_response(200 if self.headers.get("Authorization") == wanted else 401)
        self.end_headers()
        self.wfile.write(b"id,name\n1,a'b\"<&>\n2,b\n" if self.path == "/orders.csv" else b"id\n")

    def log_message(self, *_: object) -> None:
        """Write nothing to the console of the tests."""


@dataclass
class Place:
    """A workbench and what stands around it."""

    workbench: Workbench
    s3: S3Server
    folder: Path

    def get(self, path: str) -> Any:
        answer = self.workbench.client("admin").get(f"/api/v2/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def put(self, path: str, text: str) -> dict[str, Any]:
        answer = self.workbench.client("admin").put(f"/api/dags/files/{path}", json={"content": text})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def start(self, dag_id: str) -> str:
        """Start a run as soon as Airflow has read the DAG, and return its id."""
        client = self.workbench.client("admin")
        url = f"/api/v2/dags/{dag_id}"
        wait_until(
            lambda: client.patch(url, json={"is_paused": False}).status_code == 200, f"no DAG {dag_id}"
        )
        answer = client.post(f"{url}/dagRuns", json={"logical_date": None})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["dag_run_id"])

    def states(self, dag_id: str, run: str) -> dict[str, str | None]:
        rows = self.get(f"dags/{dag_id}/dagRuns/{run}/taskInstances")["task_instances"]
        return {row["task_id"]: row["state"] for row in rows}

    def end(self, dag_id: str, run: str) -> str:
        """Wait for the end of a run and return its state."""
        url = f"dags/{dag_id}/dagRuns/{run}"
        return wait_until(
            lambda: state if (state := self.get(url)["state"]) in ("success", "failed") else "",
            f"no end of {run}",
        )

    def log(self, dag_id: str, run: str, task: str) -> str:
        return json.dumps(self.get(f"dags/{dag_id}/dagRuns/{run}/taskInstances/{task}/logs/1"))

    def sql(self, statement: str) -> list[Any]:
        database = f"file:{self.workbench.home}/airflow/airflow.db?mode=ro"
        with sqlite3.connect(database, uri=True, timeout=60) as connection:
            return connection.execute(statement).fetchall()


def wait_until(question: Callable[[], Found], why: str, seconds: float = 120) -> Found:
    """Return the first answer that is true."""
    deadline = time.monotonic() + seconds
    while not (found := question()):
        assert time.monotonic() < deadline, why
        time.sleep(0.2)
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("generated")
    path = s3_provider.path()
    provider = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    s3 = S3Server(folder)
    workbench = Workbench(folder / "home", arguments=("--no-examples",))
    workbench.variables = {
        "PYTHONPATH": ":".join([str(EXAMPLE.parents[1]), *path]),
        **secrets(folder, f"http://north:{PASSWORD}@127.0.0.1:{provider.server_port}", s3.url),
        "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS": "couture_workflow.task_logs.LOGGING_CONFIG",
        "AIRFLOW__LOGGING__REMOTE_LOGGING": "True",
        "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": f"s3://{BUCKET}/logs",
        "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID": "s3_logs",
    }
    try:
        s3.wait()
        workbench.start()
        workbench.create_users()
        yield Place(workbench, s3, folder)
        assert workbench.stop() == 0
    finally:
        workbench.end()
        s3.stop()
        provider.shutdown()
        provider.server_close()


def secrets(folder: Path, provider: str, s3: str) -> dict[str, str]:
    """Write the files of a secrets backend and return the settings of Airflow that name them."""
    account = {"endpoint_url": s3, "region_name": "eu-central-1"}
    logs = {"conn_type": "aws", "login": "tests", "password": "tests-secret-key", "extra": account}
    database = folder / "numbers.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("create table numbers (n integer)")
    numbers = {"conn_type": "sqlite", "host": str(database)}
    files = {
        "connections_file_path": {"provider_north": provider, "s3_logs": logs, "numbers": numbers},
        "variables_file_path": {"providers_folder": str(folder / "delivered")},
    }
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    paths = {name: str(folder / f"{name}.json") for name in files}
    return {
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(paths),
    }


def test_a_generated_dag_runs_with_what_only_the_secrets_backend_knows(place: Place) -> None:
    for file in (".airflowignore", "common/__init__.py", "common/ingest.py", "dags/north.py"):
        saved = place.put(file, (EXAMPLE / file).read_text())
        assert [each for each in saved["problems"] if each["level"] != "note"] == []

    run = place.start("provider_north")

    assert place.end("provider_north", run) == "success", place.log("provider_north", run, "load_orders")
    delivered = {path.name: path.read_text() for path in (place.folder / "delivered").rglob("*.csv")}
    assert delivered == {"orders.csv": "id,name\n1,a'b\"<&>\n2,b\n", "stock.csv": "id\n"}
    log = place.log("provider_north", run, "load_orders")
    assert "fetched as north with the password ***" in log and PASSWORD not in log
    services = {path.name: path.read_text() for path in (place.workbench.home / "logs").glob("*.log")}
    assert "scheduler.log" in services and not [name for name, text in services.items() if PASSWORD in text]
    assert place.sql("select count(*) from connection union all select count(*) from variable") == [
        (0,),
        (0,),
    ]
    (rows,) = place.sql("select group_concat(value) from xcom")[0]
    assert "2" in str(rows) and PASSWORD not in str(rows)
    # The log is sent once the task has told its end.
    key = f"logs/dag_id=provider_north/run_id={run}/task_id=load_orders/attempt=1.log"
    wait_until(lambda: key in place.s3.keys(), "the log is not in S3")

    for file in (place.workbench.home / "airflow" / "logs").rglob("attempt=*.log"):
        file.unlink()

    assert "fetched as north with the password ***" in place.log("provider_north", run, "load_orders")


def test_an_analysis_reads_a_connection_of_the_secrets_backend(place: Place) -> None:
    client = place.workbench.client("admin")

    found = client.get("/api/eda/connections/numbers/tables")
    missing = client.get("/api/eda/connections/letters/tables")

    assert found.status_code == 200, found.text
    assert [table["name"] for schema in found.json()["schemas"] for table in schema["tables"]] == ["numbers"]
    assert missing.status_code == 404 and "the secrets backend" in missing.text


def test_a_task_that_is_removed_is_told_and_a_run_under_way_still_does_it(place: Place) -> None:
    gate = str(place.folder / "gate")
    place.put("going.py", GOING.format(gate=gate, tasks="wait() >> last()"))
    run = place.start("going")
    wait_until(lambda: place.states("going", run).get("wait") == "running", "the run does not begin")

    saved = place.put("going.py", GOING.format(gate=gate, tasks="wait()"))

    told = [each for each in saved["problems"] if each["code"] == "removed-task"]
    assert [(each["level"], each["path"], each["line"]) for each in told] == [("warning", "going.py", 3)]
    assert told[0]["message"].startswith(
        'The task "last" of the DAG "going" is removed, and 1 unfinished run has still to do it. A run goes'
    )
    wait_until(
        lambda: place.sql("select count(*) from dag_version where dag_id = 'going'") == [(2,)],
        "the new version was not read",
    )
    Path(gate).touch()
    assert place.end("going", run) == "success"
    assert place.states("going", run) == {"wait": "success", "last": "success"}
    again = place.put("going.py", GOING.format(gate=gate, tasks="wait()") + "\n")
    assert [each for each in again["problems"] if each["code"] == "removed-task"] == []
