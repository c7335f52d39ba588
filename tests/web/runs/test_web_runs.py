"""The page and the API of a run, on Airflow's own API server with its table of task instances."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from couture_workflow.services.runs import records as run_records
from couture_workflow.services.runs.records import FileUse, Run, RunKey
from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.store.home import Store
from couture_workflow.views.runs.details import seconds, task_path, wrapped
from tests.support.api_server import ApiServer

START = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script> a'b\"<&>ü"


@pytest.fixture
def store(api_server: ApiServer) -> Store:
    return api_server.store()


@pytest.fixture
def client(api_server: ApiServer) -> Iterator[httpx.Client]:
    with api_server.client("dev") as client:
        yield client


@pytest.fixture
def key() -> RunKey:
    """Return a run of its own for each test."""
    return RunKey(f"dag-{uuid.uuid4().hex[:8]}", "manual__2026-05-01T10:00:00+00:00", "clean")


def address(key: RunKey, **query: object) -> str:
    parts = "/".join(quote(part, safe="") for part in (key.dag_id, key.run_id, key.task_id))
    return f"/runs/{parts}?" + "&".join(f"{name}={value}" for name, value in query.items())


def airflow_has(api_server: ApiServer, key: RunKey, state: str | None, operator: str) -> None:
    """Put a task instance into Airflow's table, as the scheduler does."""
    values = {
        "id": str(uuid.uuid4()),
        "task_id": key.task_id,
        "dag_id": key.dag_id,
        "run_id": key.run_id,
        "map_index": key.map_index,
        "state": state,
        "try_number": key.try_number,
        "operator": operator,
        "max_tries": 0,
        "pool": "default_pool",
        "pool_slots": 1,
        "queue": "default",
        "priority_weight": 1,
        "executor_config": b"\x80\x04}\x94.",
        "span_status": "not_started",
    }
    api_server.sql("delete from task_instance where dag_id = ?", key.dag_id)
    api_server.sql(
        f"insert into task_instance ({', '.join(values)}) values ({', '.join('?' * len(values))})",
        *values.values(),
    )


def full(key: RunKey, store: Store) -> Run:
    saved = spark_configuration.save(
        store,
        spark_configuration.SparkConfiguration(arguments={"driver-memory": f"{uuid.uuid4().int % 999 + 1}m"}),
        user="mary",
        base=store.config.head(),
    )
    return Run(
        key=key,
        state="failed",
        started_at=START,
        ended_at=START + timedelta(seconds=75),
        configuration_commit=saved.commit,
        configuration={"arguments": {"master": "local[*]"}, "configurations": {"spark.x": HOSTILE}},
        files=(
            FileUse("application", "job.py", 2, "ab" * 32, 1200),
            FileUse("jar", HOSTILE, 1, "cd" * 32, 5),
        ),
        app_name=HOSTILE,
        application_arguments=(HOSTILE,),
        spark_version="4.2.1",
        command="/opt/spark/bin/spark-submit --master 'local[*]' --verbose /tmp/job.py --limit 'a b'",
        application_id="local-1",
        tracking_url="http://worker-1:4040",
        error=f"ValueError: {HOSTILE}\nLook at line 3.",
    )


def test_dag_versions_have_the_numbers_of_airflows_own_pages(
    client: httpx.Client, api_server: ApiServer, store: Store, key: RunKey
) -> None:
    old, new, deleted = (uuid.uuid4() for _ in range(3))
    for number, version in ((1, old), (2, new)):
        api_server.sql(
            "insert into dag_version (id, version_number, dag_id, created_at, last_updated)"
            " values (?, ?, ?, '2026-05-01', '2026-05-01')",
            version.hex,
            number,
            key.dag_id,
        )
    earlier = RunKey(key.dag_id, "manual__2026-04-30T10:00:00+00:00", key.task_id)
    run_records.write(
        store, Run(key=earlier, state="success", started_at=START - timedelta(days=1), dag_version=str(old))
    )
    run_records.write(store, Run(key=key, state="failed", started_at=START, dag_version=str(new)))

    answer = client.get("/api" + address(key)).json()

    assert answer["run"]["dag_version"] == "v2"
    assert answer["changes"] == [{"what": "DAG version", "old": "v1", "new": "v2"}]

    run_records.write(store, Run(key=key, state="failed", started_at=START, dag_version=str(deleted)))
    assert client.get("/api" + address(key)).json()["run"]["dag_version"] == str(deleted)


def test_the_page_shows_the_whole_record_and_nothing_in_it_is_markup(
    client: httpx.Client, store: Store, key: RunKey
) -> None:
    run_records.write(store, full(key, store))

    answer = client.get("/couture" + address(key, map_index=-1, try_number=1))

    assert answer.status_code == 200
    page = answer.text
    assert "<script>alert" not in page
    assert "ValueError: &lt;script&gt;alert(1)&lt;/script&gt;" in page
    for shown in (
        "1 min 15 s",
        "local-1",
        "4.2.1",
        "saved by mary",
        "no earlier success on record",
        "ab" * 32,
    ):
        assert shown in page
    assert f'href="/airflow/{task_path(key)}"' in page
    assert 'href="/airflow/couture/code-artifacts/files/job.py"' in page
    assert 'href="/airflow/couture/spark-configuration/history"' in page
    assert "data-follow" not in page


def test_the_api_tells_the_record_and_what_changed(client: httpx.Client, store: Store, key: RunKey) -> None:
    success = replace(full(key, store), key=replace(key, run_id="scheduled__1"), state="success", error=None)
    run_records.write(store, replace(success, started_at=START - timedelta(hours=1), spark_version="4.2.0"))
    run_records.write(store, full(key, store))
    run_records.write(store, replace(full(key, store), key=replace(key, try_number=2), state="killed"))

    first = client.get("/api" + address(key, try_number=1)).json()
    newest = client.get("/api" + address(key)).json()

    assert first["run"]["configuration"]["configurations"] == {"spark.x": HOSTILE}
    assert first["run"]["duration"] == 75
    assert first["run"]["files"][1] == {
        "role": "jar",
        "name": HOSTILE,
        "version": 1,
        "sha256": "cd" * 32,
        "size": 5,
    }
    assert first["last_success"]["run_id"] == "scheduled__1"
    assert {"what": "Spark version", "old": "4.2.0", "new": "4.2.1"} in first["changes"]
    assert (first["tries"], first["lost"]) == ([1, 2], False)
    assert newest["run"]["key"]["try_number"] == 2


@pytest.mark.parametrize("prefix", ["/couture", "/api"], ids=["page", "api"])
@pytest.mark.parametrize(
    ("account", "status"),
    [(None, 401), ("nobody", 403), ("viewer", 200), ("dev", 200), ("admin", 200)],
)
def test_whoever_may_read_the_task_instances_may_read_the_run(
    api_server: ApiServer, store: Store, key: RunKey, account: str | None, status: int, prefix: str
) -> None:
    run_records.write(store, full(key, store))

    with api_server.client(account) as client:
        assert client.get(prefix + address(key)).status_code == status


@pytest.mark.parametrize(
    ("state", "operator", "says"),
    [
        ("", "", "Airflow does not know it either"),
        (None, "CouturePySparkOperator", "has not started yet"),
        ("queued", "CouturePySparkOperator", "has not started yet"),
        ("success", "BashOperator", "The task is a BashOperator"),
        ("failed", "CouturePySparkOperator", "before it could write one, or the record was deleted"),
    ],
    ids=["unknown", "no state", "queued", "not Spark", "deleted"],
)
def test_a_missing_record_is_explained(
    api_server: ApiServer, client: httpx.Client, key: RunKey, state: str | None, operator: str, says: str
) -> None:
    if operator:
        airflow_has(api_server, key, state, operator)

    page = client.get("/couture" + address(key, try_number=1))
    answer = client.get("/api" + address(key, try_number=1))

    assert (page.status_code, answer.status_code) == (404, 404)
    assert says in page.text
    assert says in answer.json()["detail"]
    assert answer.json()["error"] == "not_found"


def test_a_try_without_a_record_names_those_that_have_one(
    client: httpx.Client, store: Store, key: RunKey
) -> None:
    run_records.write(store, full(key, store))

    assert (
        "Recorded tries of this task: 1." in client.get("/api" + address(key, try_number=7)).json()["detail"]
    )


def test_a_record_that_airflow_says_is_over_is_called_lost(
    api_server: ApiServer, client: httpx.Client, store: Store, key: RunKey
) -> None:
    run_records.write(store, replace(full(key, store), state="running", ended_at=None, error=None))

    def lost() -> bool:
        return bool(client.get("/api" + address(key)).json()["lost"])

    airflow_has(api_server, key, "running", "CouturePySparkOperator")
    assert not lost()
    airflow_has(api_server, key, "failed", "CouturePySparkOperator")
    assert lost()
    airflow_has(api_server, replace(key, try_number=2), "running", "CouturePySparkOperator")
    assert lost()
    assert "The end of this try was not recorded" in client.get("/couture" + address(key)).text


def test_spark_s_page_is_no_dead_link(
    client: httpx.Client, api_server: ApiServer, store: Store, key: RunKey
) -> None:
    ended = full(key, store)
    running = replace(ended, state="running", ended_at=None, error=None)
    airflow_has(api_server, key, "running", "CouturePySparkOperator")

    def look(run: Run) -> httpx.Response:
        run_records.write(store, run)
        where = "/couture" + address(key, map_index=-1, try_number=1, spark_ui=1)
        return client.get(where, follow_redirects=False)

    led_on = look(running)
    assert (led_on.status_code, led_on.headers["location"]) == (302, "http://worker-1:4040")
    elsewhere = look(replace(running, tracking_url="http://127.0.0.1:4040", host=HOSTILE))
    assert elsewhere.status_code == 200
    assert "for that machine alone" in elsewhere.text
    assert 'href="http://127.0.0.1:4040"' not in elsewhere.text
    here = look(replace(running, tracking_url="http://127.0.0.1:4040", host=socket.gethostname()))
    assert here.headers["location"] == "http://127.0.0.1:4040"
    over = look(ended)
    assert over.status_code == 200
    assert "The job has ended, and Spark&#39;s page with it." in over.text
    assert "http://worker-1:4040" not in over.text
    events = {"spark.eventLog.enabled": "true", "spark.yarn.historyServer.address": "history:18080"}
    history = look(replace(ended, configuration={"configurations": events}))
    assert history.headers["location"] == "http://history:18080/history/local-1/"


@pytest.mark.browser
def test_a_running_page_follows_the_job_without_a_reload(
    api_server: ApiServer, store: Store, key: RunKey, new_page: Any
) -> None:
    from playwright.sync_api import expect

    running = replace(full(key, store), state="running", ended_at=None, error=None)
    run_records.write(store, replace(running, application_id=None, tracking_url=None))
    airflow_has(api_server, key, "running", "CouturePySparkOperator")
    page = new_page(viewport={"width": 390, "height": 800})
    page.context.add_cookies(
        [{"name": "_token", "value": api_server.token("dev"), "domain": "127.0.0.1", "path": "/airflow"}]
    )
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)

    page.goto(api_server.url + "/couture" + address(key, map_index=-1, try_number=1))
    page.evaluate("window.sameDocument = true")
    expect(page.get_by_role("status").filter(has_text="running")).to_be_visible()
    page.wait_for_timeout(4000)
    run_records.write(store, running)
    expect(page.get_by_role("link", name="Spark UI")).to_have_attribute("href", "http://worker-1:4040")
    run_records.write(store, full(key, store))

    expect(page.get_by_role("region", name="Error")).to_contain_text("ValueError: <script>alert(1)</script>")
    expect(page.get_by_role("status").filter(has_text="failed")).to_be_visible()
    assert page.evaluate("window.sameDocument")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert problems == []


def test_the_command_is_shown_one_option_a_line() -> None:
    shown = wrapped("spark-submit --master 'local[*]' --verbose --conf a=b /tmp/job.py --limit 'a b'")

    assert shown.split(" \\\n  ") == [
        "spark-submit",
        "--master 'local[*]'",
        "--verbose",
        "--conf a=b",
        "/tmp/job.py --limit 'a b'",
    ]
    assert wrapped("") == ""
    assert wrapped("spark-submit 'unfinished") == "spark-submit 'unfinished"


def test_durations_are_words() -> None:
    assert [seconds(value) for value in (0.26, 59.94, 60, 3599, 7384)] == [
        "0.3 s",
        "59.9 s",
        "1 min 0 s",
        "59 min 59 s",
        "2 h 3 min",
    ]
