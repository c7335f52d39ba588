"""Spark Jobs and Notebooks in a browser: a running job is found at once, followed, and opened."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from couture_workflow.services.runs import records as run_records
from couture_workflow.services.runs.records import FileUse, Run, RunKey
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer
from tests.web.runs.test_web_runs import airflow_has

pytestmark = pytest.mark.browser

HOSTILE = "a'b\"<&>ü"


@pytest.fixture
def open_page(api_server: ApiServer, new_page: Callable[..., Page]) -> Iterator[Callable[..., Page]]:
    errors: list[str] = []

    def open_at(path: str, account: str = "viewer", **options: Any) -> Page:
        page = new_page(**options)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        api_server.log_in(page, account)
        page.goto(f"{api_server.url}/couture{path}")
        return page

    yield open_at
    assert errors == []


@pytest.fixture
def run(store: Store, api_server: ApiServer) -> Run:
    """Return a job that runs, of names that are hostile."""
    dag = f"{HOSTILE}-{uuid.uuid4().hex[:8]}"
    job = Run(
        key=RunKey(dag, "manual__1", HOSTILE * 10),
        state="running",
        started_at=datetime.now(UTC) - timedelta(seconds=5),
        app_name="x" * 300,
        triggered_by="viewer",
        command="spark-submit --py-files /tmp/couture-1/py-files/rules.py /tmp/couture-1/application/job.py",
        files=(
            FileUse("application", "job.py", 1, "ab" * 32, 5),
            FileUse("py-file", "rules.py", 1, "cd" * 32, 5),
        ),
        dag_version="12" * 20,
    )
    run_records.write(store, job)
    airflow_has(api_server, job.key, "running", "CouturePySparkOperator")
    return job


def test_a_running_job_is_found_and_followed_without_a_reload(
    run: Run, store: Store, open_page: Callable[..., Page]
) -> None:
    page = open_page("/runs/", timezone_id="America/New_York")
    page.get_by_role("searchbox").fill(run.key.dag_id[-8:])
    page.get_by_role("button", name="Search").click()
    row = page.get_by_role("row").filter(has_text=run.key.dag_id)
    expect(row).to_contain_text("running")
    expect(row.locator("[data-since]")).to_have_text(re.compile(r"^(\d+ min )?\d+ s$"))

    run_records.write(store, replace(run, state="failed", ended_at=run.started_at + timedelta(seconds=65)))

    expect(row).to_contain_text("failed")
    expect(row).to_contain_text("1 min 5 s")
    expect(page.get_by_role("columnheader", name="Started (America/New_York)")).to_be_visible()
    expect(row.locator("time")).to_have_attribute("title", re.compile("America/New_York, which is .*Z$"))
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name=run.key.task_id, level=1)).to_be_visible()
    expect(page.get_by_role("link", name="Log", exact=True)).to_have_attribute(
        "href", re.compile(r"try_number=1$")
    )
    expect(page.locator("pre")).to_have_text("spark-submit \\\n  --py-files rules.py \\\n  job.py")
    for what in ("sha256 of job.py", "sha256 of rules.py", "commit of the DAG version"):
        expect(page.get_by_role("button", name=f"Copy the {what}")).to_be_visible()


def test_the_filters_stay_where_they_are_when_the_list_is_sorted(
    run: Run, open_page: Callable[..., Page]
) -> None:
    page = open_page("/runs/")
    box = page.get_by_role("searchbox")
    before = box.bounding_box()

    page.get_by_role("columnheader").get_by_role("link").first.click()

    expect(page).to_have_url(re.compile("sort="))
    page.wait_for_load_state()  # the page is there before its style sheets are
    assert box.bounding_box() == before


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1600])
def test_both_pages_fit(run: Run, width: int, mode: str, open_page: Callable[..., Page]) -> None:
    page = open_page("/runs/", viewport={"width": width, "height": 900}, color_scheme=mode)
    expect(page.locator("html")).to_contain_class(mode)
    assert page.evaluate("document.documentElement.scrollWidth") == width

    page.get_by_role("link", name=run.key.task_id).first.click()
    expect(page.locator("pre")).to_be_visible()
    page.wait_for_load_state()  # the text is there before its style sheets are
    assert page.evaluate("document.documentElement.scrollWidth") == width
    # In the dark a command lies on the page's own background.
    own = "getComputedStyle(document.documentElement).backgroundColor"
    if mode == "dark":
        assert page.locator("pre").evaluate(
            "node => getComputedStyle(node).backgroundColor"
        ) == page.evaluate(own)
