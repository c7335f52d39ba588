"""The page Spark Jobs and Notebooks and its API: filters, order, pages, and that rights hold for each DAG."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from couture_workflow.services.runs import records as run_records
from couture_workflow.services.runs.records import Run, RunKey
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer
from tests.web.runs.test_web_runs import airflow_has

START = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
HOSTILE = "a'b\"<&>ü"


@pytest.fixture
def store(api_server: ApiServer) -> Store:
    return api_server.store()


@pytest.fixture
def dag() -> str:
    """Return the id of a DAG that no other test has."""
    return f"dag-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def client(api_server: ApiServer) -> Iterator[httpx.Client]:
    with api_server.client("viewer") as client:
        yield client


def add(store: Store, dag: str, number: int, **given: Any) -> Run:
    started = START + timedelta(minutes=number)
    run = Run(
        **{
            "key": RunKey(dag, f"run_{number}", "clean"),
            "state": "success",
            "started_at": started,
            "ended_at": started + timedelta(seconds=60),
            **given,
        }
    )
    run_records.write(store, run)
    return run


def listed(client: httpx.Client, **params: Any) -> list[str]:
    answer = client.get("/api/runs/", params=params)
    assert answer.status_code == 200, answer.text
    return [run["key"]["run_id"] for run in answer.json()["runs"]]


def test_filters_order_and_pages_of_the_api(client: httpx.Client, store: Store, dag: str) -> None:
    add(store, dag, 1, triggered_by="mary", kind="notebook", app_name="day.ipynb")
    add(store, dag, 2, state="failed", ended_at=START + timedelta(minutes=9))
    add(store, dag, 3, app_name=HOSTILE, owner=HOSTILE)

    assert listed(client, dag_id=dag) == ["run_3", "run_2", "run_1"]
    assert listed(client, dag_id=dag, user="mary", kind="notebook") == ["run_1"]
    assert listed(client, dag_id=dag, user=HOSTILE, q=HOSTILE.upper()) == ["run_3"]
    assert listed(client, dag_id=dag, state="failed", at_least=100, at_most=1000) == ["run_2"]
    assert listed(client, dag_id=dag, since="2026-05-01T12:02:00+02:00", until="2026-05-01T10:02") == [
        "run_2"
    ]
    assert listed(client, dag_id=dag, sort="duration", order="asc") == ["run_1", "run_3", "run_2"]
    first = client.get("/api/runs/", params={"dag_id": dag, "limit": 2}).json()
    assert [run["key"]["run_id"] for run in first["runs"]] == ["run_3", "run_2"]
    assert (first["more"], first["cut"]) == (True, False)
    assert listed(client, dag_id=dag, limit=2, offset=2) == ["run_1"]
    assert listed(client, dag_id="no such DAG") == []


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"state": "over"}, "state"),
        ({"kind": HOSTILE}, "kind"),
        ({"sort": "-"}, "sort"),
        ({"order": "up"}, "order"),
        ({"since": "yesterday"}, "since"),
        ({"until": "9999-12-31T23:59:59-12:00"}, "until"),
        ({"at_least": "nan"}, "at_least"),
        ({"at_most": "-1"}, "at_most"),
        ({"offset": "-1"}, "offset"),
        ({"limit": "9" * 30}, "limit"),
        ({"q": "x" * 1001}, "q"),
    ],
)
def test_what_cannot_be_read_is_told(client: httpx.Client, params: dict[str, str], field: str) -> None:
    answer = client.get("/api/runs/", params=params)
    page = client.get("/couture/runs/", params=params)

    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert page.status_code == 200
    assert 'role="alert"' in page.text
    assert HOSTILE not in page.text


def test_nobody_sees_a_run_of_a_dag_that_they_may_not_read(
    api_server: ApiServer, store: Store, dag: str
) -> None:
    name = f"reader-{uuid.uuid4().hex[:8]}"
    add(store, dag, 1)
    add(store, f"{dag}-secret", 2)
    read = (f"DAG:{dag}", "DAG Runs", "Task Instances")
    api_server.add_account(name, *(("can_read", resource) for resource in read))
    reader = api_server.client(name)

    for sort in ("started", "duration"):
        assert listed(reader, q=dag, sort=sort) == ["run_1"]
    page = reader.get("/couture/runs/", params={"q": dag}).text
    assert f">{dag}<" in page
    assert f"{dag}-secret" not in page
    assert listed(api_server.client("viewer"), q=dag) == ["run_2", "run_1"]


def test_who_may_read_no_task_instance_is_refused(api_server: ApiServer) -> None:
    nobody = api_server.client("nobody")

    for address in ("/couture/runs/", "/api/runs/"):
        answer = nobody.get(address)
        assert answer.status_code == 403
        assert "can read on a DAG's task instance" in answer.text.replace("&#39;", "'")


def test_what_runs_is_told_from_what_was_killed(
    client: httpx.Client, api_server: ApiServer, store: Store, dag: str
) -> None:
    going_on = add(store, dag, 1, state="running", ended_at=None)
    add(store, dag, 2, state="running", ended_at=None)
    airflow_has(api_server, going_on.key, "running", "CouturePySparkOperator")

    assert listed(client, dag_id=dag, state="running") == ["run_1"]
    assert listed(client, dag_id=dag, state="lost") == ["run_2"]
    page = client.get("/couture/runs/", params={"dag_id": dag}).text
    assert re.findall(r'class="badge badge-\w+">([^<]+)<', page) == ["ended, not recorded", "running"]


def test_the_page_leads_to_the_details_of_any_name(client: httpx.Client, store: Store) -> None:
    key = RunKey(f"{HOSTILE}-{uuid.uuid4().hex[:8]}" + "x" * 200, f"{HOSTILE} run", HOSTILE, 3, 2)
    add(store, key.dag_id, 1, key=key, app_name=HOSTILE * 40, triggered_by=HOSTILE)

    page = client.get("/couture/runs/", params={"dag_id": key.dag_id})
    (address,) = re.findall(r'<a href="([^"]+)">a&#39;b&#34;&lt;&amp;&gt;ü \[3\]</a>', page.text)

    assert "<&>" not in page.text
    details = client.get(html.unescape(address).removeprefix(api_server_prefix(client)))
    assert details.status_code == 200
    assert "Run details of DAG" in details.text


def api_server_prefix(client: httpx.Client) -> str:
    return client.base_url.path.rstrip("/")


def test_columns_and_pages_keep_the_filters(client: httpx.Client, store: Store, dag: str) -> None:
    for number in range(51):
        add(store, dag, number, owner=HOSTILE)
    page = client.get("/couture/runs/", params={"dag_id": dag, "user": HOSTILE}).text

    (older,) = re.findall(r'rel="next" href="([^"]+)"', page)
    again = client.get(html.unescape(older).removeprefix(api_server_prefix(client))).text
    assert len(re.findall(r'<th scope="row"', page)) == 50
    assert len(re.findall(r'<th scope="row"', again)) == 1
    assert 'rel="prev"' in again
    assert all("user=a%27b" in href for href in re.findall(r'class="sort" href="([^"]+)"', page))


def test_only_mine_is_a_filter_by_the_account(client: httpx.Client, store: Store, dag: str) -> None:
    add(store, dag, 1, triggered_by="viewer")
    add(store, dag, 2, triggered_by="mary")

    page = client.get("/couture/runs/", params={"dag_id": dag}).text
    (mine,) = re.findall(r'href="([^"]+)" role="button" aria-pressed="false"', page)
    page = client.get(html.unescape(mine).removeprefix(api_server_prefix(client))).text

    assert "run_1" in page
    assert "run_2" not in page
    assert 'aria-pressed="true"' in page


def test_an_empty_list_says_why(client: httpx.Client) -> None:
    assert "No run fits" in client.get("/couture/runs/", params={"q": "no such run at all"}).text
