"""The REST API of sources and uploaded data: rights, previews, conflicts, uses, limits, audit."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from couture_workflow.services.eda import document, sources
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer

API = "/api/eda"
HOSTILE = "a'b\"<&>/../ü"
ROWS = ("007;<script>alert(1)</script>;1,5;2024-01-31", "008;NULL;2,5;2024-02-01", "broken")
TABLE = "\n".join((f"id;{HOSTILE};price;when", *ROWS, ""))


@pytest.fixture
def admin(api_server: ApiServer, store: Store) -> Iterator[httpx.Client]:
    paths = store.config.paths(document.FOLDER)
    if paths:
        gone = dict.fromkeys(paths)
        store.config.save(gone, author="t", message="Empty", base=store.config.head())
    for file in store.data.list():
        store.data.delete(file.name)
    with httpx.Client(base_url=api_server.url, auth=("admin", "admin"), timeout=90) as client:
        yield client


def put(client: httpx.Client, name: str, content: bytes | str = TABLE) -> httpx.Response:
    return client.put(f"{API}/data/{name}", content=content)


def source(name: str = "orders", **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "file", "file": {"data": "orders.csv"}, **more}


def test_a_file_is_uploaded_previewed_and_made_a_source(admin: httpx.Client, api_server: ApiServer) -> None:
    first = put(admin, "orders.csv")
    same = put(admin, "orders.csv")
    packed = put(admin, "orders.csv.gz", gzip.compress(TABLE.encode()))
    assert [(each.status_code, each.json()["outcome"]) for each in (first, same, packed)] == [
        (201, "created"),
        (200, "unchanged"),
        (201, "created"),
    ]

    preview = admin.post(f"{API}/preview", json=source(sensitive=["id"])).json()
    assert [each["name"] for each in preview["columns"]] == ["id", HOSTILE, "price", "when"]
    assert preview["columns"][0]["hidden"] is True
    assert preview["rows"][0][:2] == [None, "<script>alert(1)</script>"]
    assert (preview["reading"]["delimiter"], preview["reading"]["decimal"]) == (";", ",")
    assert preview["version"] == "orders.csv@1"
    assert preview["bad"]["count"] == 1 and preview["bad"]["first"][0]["line"] == 4

    added = admin.post(f"{API}/sources", json=source(sensitive=["id"]), params={"message": HOSTILE})
    again = admin.post(f"{API}/sources", json=source("ORDERS"))
    read = admin.get(f"{API}/sources/orders")
    shown = admin.get(f"{API}/sources/orders/preview").json()
    assert (added.status_code, again.status_code, again.json()["field"]) == (201, 422, "name")
    assert read.headers["etag"] == added.headers["etag"] == f'"{read.json()["commit"]}"'
    assert shown["rows"] == preview["rows"]
    assert admin.get(f"{API}/sources/orders/history").json()[0]["message"] == HOSTILE

    used = admin.delete(f"{API}/data/orders.csv")
    assert (used.status_code, used.json()["users"]) == (409, ["source orders"])
    assert admin.delete(f"{API}/data/orders.csv", params={"force": True}).status_code == 200
    gone = admin.get(f"{API}/sources/orders/preview")
    assert gone.status_code == 404 and "orders.csv" in gone.json()["detail"]
    assert admin.post(f"{API}/data/orders.csv/undelete").json()["version"] == 1
    events = {row[0] for row in api_server.sql("select event from log where event like 'eda%'")}
    assert {"eda_data.upload", "eda_data.delete", "eda_data.undelete", "eda.add"} <= events


def test_two_save_at_once_and_the_second_sees_the_difference(admin: httpx.Client) -> None:
    put(admin, "orders.csv")
    base = admin.post(f"{API}/sources", json=source()).headers["etag"]
    theirs = admin.put(f"{API}/sources/orders", json=source(description="Theirs"), headers={"If-Match": base})
    mine = source(tags=["mine"])

    refused = admin.put(f"{API}/sources/orders", json=mine, headers={"If-Match": base})
    found = admin.post(f"{API}/sources/orders/changes", json=mine, params={"base": base.strip('"')}).json()
    saved = admin.put(f"{API}/sources/orders", json=mine, headers={"If-Match": f'"{found["commit"]}"'})

    assert (theirs.status_code, refused.status_code, refused.json()["error"]) == (200, 412, "conflict")
    assert [(each["name"], each["new"]) for each in found["theirs"]] == [("description", "Theirs")]
    assert {(each["name"], each["old"], each["new"]) for each in found["changes"]} == {
        ("description", "Theirs", ""),
        ("tags", "", "mine"),
    }
    assert saved.status_code == 200
    assert admin.get(f"{API}/sources/orders").json()["source"]["tags"] == ["mine"]
    assert admin.put(f"{API}/sources/orders", json=source("other")).json()["field"] == "name"
    assert admin.put(f"{API}/sources/nothing", json=source("nothing")).status_code == 404


def test_a_source_that_a_dag_file_names_stays_until_that_is_forced(admin: httpx.Client, store: Store) -> None:
    put(admin, "orders.csv")
    admin.post(f"{API}/sources", json=source())
    text = 'CoutureEdaOperator(task_id="t", source="orders")\n'
    store.dags.save({"eda_use.py": text.encode()}, author="t", message="x", base=store.dags.head())

    renamed = admin.post(f"{API}/sources/orders/rename", json={"name": "sales"})
    deleted = admin.delete(f"{API}/sources/orders")
    users = ["DAG file eda_use.py, line 1"]
    assert [(each.status_code, each.json()["users"]) for each in (renamed, deleted)] == [(409, users)] * 2

    store.dags.save({"eda_use.py": None}, author="t", message="x", base=store.dags.head())
    assert admin.post(f"{API}/sources/orders/rename", json={"name": "sales"}).json()["name"] == "sales"
    assert admin.delete(f"{API}/sources/sales", params={"force": True}).status_code == 200
    commit = admin.get(f"{API}/sources/sales/history").json()[1]["commit"]
    assert admin.post(f"{API}/sources/sales/restore", json={"commit": commit}).status_code == 200
    assert [each["name"] for each in admin.get(f"{API}/sources").json()["sources"]] == ["sales"]


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{", b'{"a":' * 100_000, b"\xff", b'"' + b"x" * 600_000 + b'"'],
    ids=["list", "broken", "deep", "bytes", "large"],
)
def test_bodies_are_bounded_json_objects(admin: httpx.Client, body: bytes) -> None:
    for method, path in (("POST", "sources"), ("PUT", "sources/x"), ("POST", "preview")):
        answer = admin.request(method, f"{API}/{path}", content=body)
        assert answer.status_code == (413 if len(body) > 512 * 2**10 else 422), path


def test_bodies_that_are_parsed_are_bounded_before(admin: httpx.Client) -> None:
    large = b'{"name": "' + b"x" * 2**20 + b'"}'
    steps = [("POST", "rename"), ("POST", "restore"), ("POST", "run")]
    for method, step in [*steps, ("PUT", "schedule"), ("POST", "schedule/times"), ("POST", "schedule/pause")]:
        answer = admin.request(method, f"{API}/sources/x/{step}", content=iter((large[:9], large[9:])))
        assert (answer.status_code, answer.json()["error"]) == (413, "too_large"), step
        assert "at most 1048576 bytes" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["x.exe", "a b.csv", "..", "%2e%2e%2fx.csv", "x.csv.bz2"])
def test_data_has_a_sound_name(admin: httpx.Client, name: str) -> None:
    assert put(admin, name).status_code in (404, 405, 422)


def test_who_may_not_gets_in_nowhere(api_server: ApiServer, admin: httpx.Client) -> None:
    put(admin, "orders.csv")
    admin.post(f"{API}/sources", json=source())
    calls = [
        ("GET", "sources"),
        ("GET", "sources/orders"),
        ("GET", "sources/orders/preview"),
        ("POST", "preview"),
        ("POST", "sources"),
        ("PUT", "sources/orders"),
        ("DELETE", "sources/orders"),
        ("POST", "sources/orders/rename"),
        ("GET", "data"),
        ("PUT", "data/x.csv"),
        ("DELETE", "data/orders.csv"),
    ]
    for account in ("viewer", "user"):
        client = api_server.client(account, headers={"X-Requested-With": "tests"})
        for method, path in calls:
            body = json.dumps(source()).encode() if method in ("POST", "PUT") else None
            assert client.request(method, f"{API}/{path}", content=body).status_code == 403, path


def test_a_connection_is_used_by_those_alone_who_may_read_it(
    api_server: ApiServer, admin: httpx.Client, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("create table people (name text, age int)")
        database.execute("insert into people values (?, 7)", (HOSTILE,))
    airflow = api_server.client("admin")
    airflow.delete("/api/v2/connections/eda_lite")
    connection = {"connection_id": "eda_lite", "conn_type": "sqlite", "host": str(tmp_path / "a.db")}
    assert airflow.post("/api/v2/connections", json=connection).status_code == 201
    body = {"name": "people", "kind": "sql", "sql": {"connection": "eda_lite", "table": "people"}}

    assert admin.post(f"{API}/preview", json=body).json()["rows"] == [[HOSTILE, "7"]]
    commit = admin.post(f"{API}/sources", json=body).json()["commit"]
    assert admin.put(f"{API}/sources/people", json={**body, "tags": ["x"]}).status_code == 200
    unknown = {**body, "sql": {"connection": "nothing", "table": "people"}}
    assert admin.post(f"{API}/preview", json=unknown).status_code == 404

    developer = api_server.client("dev", headers={"X-Requested-With": "tests"})
    assert developer.get(f"{API}/sources/people").status_code == 200
    refused = [
        developer.post(f"{API}/preview", json=body),
        developer.post(f"{API}/preview", json=unknown),  # nobody learns which ones there are
        developer.post(f"{API}/sources", json={**body, "name": "mine"}),
        developer.put(f"{API}/sources/people", json=body),
        developer.get(f"{API}/sources/people/preview"),
        developer.post(f"{API}/sources/people/restore", json={"commit": commit}),
    ]
    assert [(each.status_code, each.json()["error"]) for each in refused] == [(403, "not_allowed")] * 6


def test_of_those_who_add_one_name_at_once_one_is_first(admin: httpx.Client, store: Store) -> None:
    put(admin, "orders.csv")
    names = ["same", "Same", "SAME", "same"]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda name: admin.post(f"{API}/sources", json=source(name)), names))

    assert sorted(each.status_code for each in found)[0] == 201
    assert {each.status_code for each in found} <= {201, 409, 422}
    assert len(sources.all(store)) == [each.status_code for each in found].count(201) == 1


def test_a_damaged_source_is_told_on_its_pages_and_brought_back(
    api_server: ApiServer, admin: httpx.Client, store: Store
) -> None:
    put(admin, "orders.csv")
    commit = admin.post(f"{API}/sources", json=source()).json()["commit"]
    head = store.config.head()
    store.config.save({"eda/orders.yaml": b"kind: ftp"}, author="t", message="x", base=head)
    browser = api_server.client("admin")

    pages = [browser.get(f"/couture/exploratory-data-analysis/{path}") for path in ("", "history/orders")]

    assert [each.status_code for each in pages] == [200, 200]
    assert all("is damaged: kind must be one of file, sql, spark" in each.text for each in pages)
    assert f'data-bring-back="{commit}"' in pages[1].text
    assert admin.get(f"{API}/sources").json()["damaged"].keys() == {"orders"}
    assert admin.post(f"{API}/sources/orders/restore", json={"commit": commit}).status_code == 200
    assert browser.get("/couture/exploratory-data-analysis/source/orders").status_code == 200
