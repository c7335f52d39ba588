"""A notebook is scheduled, listed, run with another parameter and deleted, in the real workbench."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import FrameLocator, Page, expect

from tests.support.people_notebooks import notebook, write

pytestmark = [pytest.mark.browser, pytest.mark.workbench, pytest.mark.slow]

FRAME = "iframe[title='Notebook Schedules']"
REPORT = notebook(("rows = 10  # how many", ["parameters"]), "print('rows:', rows)")


@pytest.fixture
def report(workbench: Any) -> str:
    """Write a notebook of the developer's and return its path; its name is of no other test."""
    path = f"developer/report_{uuid.uuid4().hex[:8]}.ipynb"
    write(workbench.home, path, REPORT)
    return path


def opened(page: Page, workbench: Any) -> FrameLocator:
    page.goto(f"{workbench.url}/plugin/notebook-schedules")
    frame = page.frame_locator(FRAME)
    expect(frame.get_by_role("heading", name="Notebook Schedules", level=1)).to_be_visible()
    return frame


def outputs(workbench: Any, name: str) -> list[str]:
    """Return what the runs of a schedule printed, in their order."""
    folder = Path(workbench.home) / "outputs" / "notebook-runs"
    found = [path for path in folder.rglob("output.ipynb") if name in str(path)]
    cells = [
        json.loads(path.read_text())["cells"][-1]
        for path in sorted(found, key=lambda path: path.stat().st_mtime)
    ]
    return ["".join(cell["outputs"][0]["text"]) for cell in cells]


def ended(client: httpx.Client, name: str, count: int) -> None:
    """Wait until so many runs of a DAG have ended well."""
    deadline = time.monotonic() + 240
    while True:
        found = client.get(f"/api/v2/dags/{name}/dagRuns")
        states = [run["state"] for run in found.json()["dag_runs"]] if found.status_code == 200 else []
        assert "failed" not in states
        if states.count("success") >= count:
            return
        assert time.monotonic() < deadline, states
        time.sleep(0.3)


def test_a_notebook_is_scheduled_run_with_another_parameter_and_deleted(
    workbench: Any, page: Page, report: str
) -> None:
    name, client = Path(report).stem, workbench.client("superadmin")
    workbench.login(page, "developer")
    frame = opened(page, workbench)
    frame.get_by_role("link", name="Schedule a notebook").first.click()
    frame.locator("#schedule-notebook").fill(report)
    expect(frame.locator("#schedule-name")).to_have_value(name)
    frame.get_by_label("rows", exact=True).fill("7")
    frame.get_by_role("button", name="Schedule", exact=True).click()

    page.wait_for_url(f"{workbench.url}/dags/{name}**")
    ended(client, name, 1)
    frame = opened(page, workbench)
    row = frame.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("Once, when it was saved")
    expect(row).to_contain_text("success")
    expect(row).to_contain_text("rows 7")
    expect(row.get_by_role("link", name="Run details")).to_be_visible()

    row.get_by_role("button", name="Run now").click()
    dialog = frame.get_by_role("dialog")
    expect(dialog.get_by_label("rows", exact=True)).to_have_value("7")
    dialog.get_by_label("rows", exact=True).fill("many")
    dialog.get_by_role("button", name="Run now").click()
    expect(dialog).to_contain_text("whole number")
    dialog.get_by_label("rows", exact=True).fill("8")
    dialog.get_by_role("button", name="Run now").click()
    expect(frame.get_by_role("link", name="Open the run in Airflow")).to_be_visible()
    ended(client, name, 2)
    assert outputs(workbench, name) == ["rows: 7\n", "rows: 8\n"]
    expect(row).to_contain_text("rows 7")  # the schedule keeps its own

    row.get_by_role("switch").click()
    expect(row.get_by_role("switch")).to_have_attribute("aria-checked", "false")
    assert client.get(f"/api/v2/dags/{name}").json()["is_paused"] is True

    write(workbench.home, report, notebook(("rows = 20", ["parameters"]), "print('now:', rows)"))
    page.reload()
    expect(row).to_contain_text("the copy is behind")
    row.get_by_role("button", name="Update the copy").click()
    expect(dialog).to_contain_text("Cell 2")
    expect(dialog).to_contain_text("now:")
    dialog.get_by_role("button", name="Update the copy").click()
    expect(row).not_to_contain_text("the copy is behind")

    row.get_by_role("button", name="Delete").click()
    dialog.get_by_label("Delete them too").check()
    dialog.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    assert outputs(workbench, name) == []


def test_others_find_no_entry_and_no_page(workbench: Any, page: Page) -> None:
    workbench.login(page, "viewer")
    page.goto(workbench.url)
    expect(page.get_by_role("link", name="Notebook Schedules")).to_have_count(0)

    answer = page.goto(f"{workbench.url}/couture/notebook-schedules/")

    assert answer is not None
    assert answer.status == 403
    expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
