"""A source in a SQL database, in a browser: connection, tree, table, preview, save; then a query."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from couture_workflow.services.eda import sources
from couture_workflow.services.eda.document import SqlPlace
from tests.support.api_server import ApiServer

pytestmark = pytest.mark.browser

HOSTILE = "a'b\"<img src=x onerror=alert(1)>&/../ü"
NAME, CONNECTION = "sql-story", "sql.story"


@pytest.fixture
def page(api_server: ApiServer, new_page: Callable[..., Page], tmp_path: Path) -> Iterator[Page]:
    """The form of a new source in the browser of an admin; Airflow has a connection to a file of SQLite."""
    file = tmp_path / "sales.db"
    name = HOSTILE.replace('"', '""')
    with sqlite3.connect(file) as database:
        database.execute(f'create table "{name}" (id integer, "{name}" text)')
        database.execute(f'insert into "{name}" values (7, ?)', (HOSTILE,))
        database.execute(f'insert into "{name}" values (8, cast(? as text))', (b"caf\xe9",))
        database.execute("create view plain as select 1 as one")
    token = api_server.token("admin")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{api_server.url}/api/v2", headers=headers, timeout=60) as client:
        fields = {"connection_id": CONNECTION, "conn_type": "sqlite", "host": str(file)}
        assert client.post("/connections", json=fields).status_code == 201
        page = new_page()
        api_server.log_in(page)
        page.goto(f"{api_server.url}/couture/exploratory-data-analysis/new")
        yield page
        client.delete(f"/connections/{CONNECTION}")
    if NAME in {source.name for source in sources.all(api_server.store())}:
        sources.delete(api_server.store(), NAME, user="tests")


def test_a_table_is_found_looked_at_and_saved_and_a_query_takes_its_place(
    page: Page, api_server: ApiServer
) -> None:
    page.on("dialog", lambda dialog: pytest.fail(f"a script of the data ran: {dialog.message}"))
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    table, query, preview = (
        page.locator(f"#{place}") for place in ("source-sql-table", "source-sql-query", "preview")
    )

    page.get_by_role("radio", name="SQL database").check()
    expect(page.get_by_text("Choose a connection to see its tables.")).to_be_visible()
    page.get_by_label("Connection", exact=True).select_option(CONNECTION)
    tree = page.get_by_role("group", name="Schemas and tables")
    expect(tree.get_by_role("button")).to_have_count(2, timeout=30_000)
    page.get_by_label("Find a table").fill("<IMG")
    expect(tree.get_by_role("button")).to_have_count(1, timeout=30_000)
    found = tree.get_by_role("button", name=HOSTILE)
    tree.get_by_text("Columns", exact=True).click()
    expect(tree.locator(".sql-columns li")).to_have_text(["id INTEGER", f"{HOSTILE} TEXT"], timeout=30_000)
    found.click()
    expect(found).to_have_attribute("aria-pressed", "true")
    expect(table).to_have_value(HOSTILE)
    expect(page.get_by_label("Schema", exact=True)).to_have_value("main")
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(preview.get_by_role("cell", name=HOSTILE, exact=True)).to_be_visible(timeout=30_000)
    expect(page.locator("#bad-lines")).to_contain_text(
        "1 value of the part that was looked at cannot be kept as"
    )
    odd = preview.get_by_role("region", name="Values that cannot be kept as they are").get_by_role("row")
    expect(odd.nth(0)).to_have_text("RowWhyValue")
    expect(odd.nth(1)).to_contain_text("2column")

    table.fill("nowhere")
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(page.locator("#source-sql-table-error")).to_contain_text("no table main.nowhere", timeout=30_000)
    found.click()
    page.get_by_label("Name", exact=True).fill(NAME)
    page.get_by_role("button", name="Add source").click()
    expect(page.get_by_role("heading", name=NAME, exact=True)).to_be_visible()
    kept = sources.get(api_server.store(), NAME)
    assert kept.sql == SqlPlace(connection=CONNECTION, schema="main", table=HOSTILE)

    page.get_by_role("radio", name="Query").check()
    expect(table).to_be_hidden()
    query.fill("select nowhere from plain")
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(page.locator("#source-sql-query-error")).to_contain_text("no such column", timeout=30_000)
    query.fill("select one + 41 as answer from plain")
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(preview.get_by_role("cell", name="42", exact=True)).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Review & Save").click()
    page.get_by_role("dialog", name="Review changes").get_by_role("button", name="Save").click()
    expect(page.locator("#source-state")).to_be_empty()
    expect(query).to_have_value("select one + 41 as answer from plain")
    kept = sources.get(api_server.store(), NAME)
    assert kept.sql == SqlPlace(connection=CONNECTION, query="select one + 41 as answer from plain")
