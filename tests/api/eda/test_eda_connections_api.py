"""The REST API of connections: who sees which, trees of a real database, and no password anywhere."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.services.postgresql import USER as POSTGRES
from tests.services.postgresql import Postgresql, postgresql
from tests.services.sql_servers import PASSWORD as POSTGRES_PASSWORD
from tests.support.api_server import ApiServer

__all__ = ["postgresql"]

API = "/api/eda"
HOSTILE = "a'b\"<&>`ü"
PASSWORD = "pw <never> shown"
IDS = ("eda.files", "eda-lost", "eda-web")


@pytest.fixture
def admin(api_server: ApiServer, tmp_path: Path) -> Iterator[httpx.Client]:
    file = tmp_path / "sales.db"
    with sqlite3.connect(file) as database:
        name = HOSTILE.replace('"', '""')
        database.execute(f'create table "{name}" (id integer not null, "{name}" text)')
        database.execute(f'insert into "{name}" values (1, ?)', (HOSTILE,))
    fields: list[dict[str, Any]] = [
        {"connection_id": IDS[0], "conn_type": "sqlite", "host": str(file), "description": HOSTILE},
        {"connection_id": IDS[1], "conn_type": "postgres", "host": "127.0.0.1", "port": 1, "login": "me"},
        {"connection_id": IDS[2], "conn_type": "http", "host": "example.org"},
    ]
    token = {"Authorization": f"Bearer {api_server.token('admin')}"}
    with httpx.Client(base_url=api_server.url, headers=token, timeout=90) as client:
        for each in fields:
            answer = client.post("/api/v2/connections", json={**each, "password": PASSWORD})
            assert answer.status_code == 201, answer.text
        yield client
        for conn_id in IDS:
            client.delete(f"/api/v2/connections/{quote(conn_id, safe='')}")


def test_a_tree_is_read_by_whoever_may_read_the_connection(
    admin: httpx.Client, api_server: ApiServer
) -> None:
    listed = {each["id"]: each for each in admin.get(f"{API}/connections").json()}
    assert listed[IDS[0]]["description"] == HOSTILE and listed[IDS[0]]["dialect"] == "sqlite"
    assert listed[IDS[1]]["place"] == "127.0.0.1:1" and IDS[2] not in listed

    address = f"{API}/connections/{IDS[0]}"
    tree = admin.get(f"{address}/tables", params={"filter": HOSTILE[:4].upper()})
    assert tree.json() == {
        "schemas": [{"name": "main", "tables": [{"name": HOSTILE, "kind": "table", "rows": None}]}],
        "more": False,
    }
    columns = admin.get(f"{address}/columns", params={"table": HOSTILE, "schema": "main"}).json()["columns"]
    assert columns[0] == {"name": "id", "type": "INTEGER", "nullable": False}
    gone = admin.get(f"{address}/columns", params={"table": "nowhere"})
    assert (gone.status_code, gone.json()["field"]) == (422, "sql.table")

    preview = admin.post(
        f"{API}/preview",
        json={"name": "x", "kind": "sql", "sql": {"connection": IDS[0], "table": HOSTILE}},
    ).json()
    assert preview["rows"] == [["1", HOSTILE]]

    lost = admin.get(f"{API}/connections/{IDS[1]}/tables")
    assert lost.status_code == 422 and "cannot be reached" in lost.json()["detail"]
    other = admin.get(f"{API}/connections/{IDS[2]}/tables")
    assert other.status_code == 422 and "of the type http" in other.json()["detail"]
    assert admin.get(f"{API}/connections/nowhere/tables").status_code == 404
    assert admin.get(f"{address}/tables", params={"filter": "x" * 201}).status_code == 422

    answers = json.dumps([listed, tree.json(), preview, lost.json(), other.json()])
    assert PASSWORD not in answers


def test_airflows_form_offers_the_types_that_sources_read(admin: httpx.Client) -> None:
    shown = {each["connection_type"]: each for each in admin.get("/ui/connections/hook_meta").json()}

    assert {name: shown[name]["hook_name"] for name in ("postgres", "mysql", "sqlite")} == {
        "postgres": "PostgreSQL",
        "mysql": "MySQL or MariaDB",
        "sqlite": "SQLite",
    }
    assert shown["sqlite"]["standard_fields"]["host"]["title"] == "Database file"
    assert shown["sqlite"]["standard_fields"]["password"]["hidden"]
    assert shown["postgres"]["standard_fields"]["url_schema"]["title"] == "Database"
    assert "verify-full" in shown["postgres"]["extra_fields"]["sslmode"]["schema"]["enum"]


def test_a_connection_is_tried_from_airflows_form(
    admin: httpx.Client, postgresql: Postgresql, tmp_path: Path
) -> None:
    place = {"conn_type": "postgres", "host": "127.0.0.1", "port": postgresql.port, "schema": "postgres"}
    bodies: list[dict[str, Any]] = [
        {"conn_type": "sqlite", "host": str(tmp_path / "sales.db")},
        {**place, "login": POSTGRES, "password": POSTGRES_PASSWORD, "extra": '{"sslmode": "require"}'},
        {**place, "login": POSTGRES, "password": PASSWORD},
    ]
    tried = [
        admin.post("/api/v2/connections/test", json={"connection_id": "eda-tried", **body}).json()
        for body in bodies
    ]

    assert [each["status"] for each in tried] == [True, True, False], tried
    assert tried[0]["message"] == "The database answers. Tables and views that its user may read: 1."
    assert tried[2]["message"].startswith(
        "The database of the connection refuses its user"
    ) and PASSWORD not in str(tried)


def test_a_developer_sees_no_connection_without_the_right(admin: httpx.Client, api_server: ApiServer) -> None:
    for account, status in (("dev", 403), ("viewer", 403)):
        token = {"Authorization": f"Bearer {api_server.token(account)}"}
        with httpx.Client(base_url=api_server.url, headers=token, timeout=90) as client:
            listed = client.get(f"{API}/connections")
            tables = client.get(f"{API}/connections/{IDS[0]}/tables")
            unknown = client.get(f"{API}/connections/nowhere/tables")
        assert tables.status_code == unknown.status_code == status
        if account == "dev":
            page = api_server.client(account).get("/couture/exploratory-data-analysis/new").text
            assert "ask an administrator to add one under Admin > Connections" in page
            assert listed.json() == [] and "may not read the connection" in tables.json()["detail"]
        else:
            assert listed.status_code == 403
