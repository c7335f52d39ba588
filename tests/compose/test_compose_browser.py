"""The pages of the stack of containers in Chromium: what each role sees, and that nothing fails in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import ConsoleMessage, FrameLocator, Page, expect

from tests.support.stack import Stack

pytestmark = [pytest.mark.compose, pytest.mark.browser, pytest.mark.timeout(600)]

FRAME = "iframe[title='Developer']"
SOURCE = """
from airflow.sdk import DAG, task

with DAG("in_the_browser", schedule=None):

    @task
    def speak():
        print("spoken in the worker")

    speak()
"""


@pytest.fixture
def quiet(new_page: Callable[..., Page]) -> Iterator[Callable[[], Page]]:
    """Return a function that opens a page; any error in its console fails the test."""
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(f"{message.text} ({message.location})")

    def open_page() -> Page:
        page = new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield open_page
    assert errors == []


def open_hub(stack: Stack, page: Page, role: str) -> FrameLocator:
    """Log in, go to the hub by the menu, and return its frame."""
    stack.login(page, role)
    page.get_by_role("link", name="Developer").click()
    frame = page.frame_locator(FRAME)
    expect(frame.get_by_role("heading", name="Developer", level=1)).to_be_visible()
    return frame


@pytest.mark.parametrize("role", ["admin", "developer"])
def test_who_develops_finds_every_page(role: str, stack: Stack, quiet: Callable[[], Page]) -> None:
    page = quiet()
    frame = open_hub(stack, page, role)

    names = frame.get_by_role("main").get_by_role("link").all_inner_texts()
    assert {"Manage DAGs", "Code Artifacts"} <= {name.splitlines()[0] for name in names}
    for path in ("dags", "code-artifacts", "bricks", "runs"):
        page.goto(f"{stack.url}/couture/{path}/")
        expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_a_viewer_sees_dags_and_no_page_of_ours(stack: Stack, quiet: Callable[[], Page]) -> None:
    page = quiet()
    stack.login(page, "viewer")

    expect(page).to_have_title("Home - Couture Workflow")
    page.goto(f"{stack.url}/dags")
    expect(page.get_by_role("link", name="penguins", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Developer")).to_have_count(0)


def test_a_viewer_is_refused_with_a_page(stack: Stack, new_page: Callable[..., Page]) -> None:
    page = new_page()
    stack.login(page, "viewer")

    for path in ("developer", "dags", "spark-configuration", "dag-repository"):
        answer = page.goto(f"{stack.url}/couture/{path}/")
        assert answer is not None
        assert answer.status == 403, path
        expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()


def test_an_admin_changes_the_spark_configuration(stack: Stack, quiet: Callable[[], Page]) -> None:
    page = quiet()
    stack.login(page, "admin")
    page.goto(f"{stack.url}/couture/spark-configuration/")

    expect(page.get_by_role("heading", name="Spark Configuration", level=1)).to_be_visible()
    before = stack.api.get("/api/configs/spark").json()
    changed = {**before, "message": "Test in the browser"}
    changed["configurations"] = {**before["configurations"], "spark.sql.shuffle.partitions": "3"}
    wanted = {name: changed[name] for name in ("arguments", "configurations", "jars", "py_files", "message")}
    assert stack.client("admin").put("/api/configs/spark", json=wanted).is_success
    page.reload()
    expect(page.locator("input[value='spark.sql.shuffle.partitions']")).to_be_visible()


def test_a_developer_saves_a_dag_runs_it_and_reads_its_log(stack: Stack, quiet: Callable[[], Page]) -> None:
    page = quiet()
    stack.login(page, "developer")
    page.goto(f"{stack.url}/couture/dag-editor/?new=in_the_browser.py")
    editor = page.locator(".cm-content")
    expect(editor).to_be_visible()
    editor.click()
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(SOURCE)
    page.get_by_role("button", name="Save", exact=True).first.click()
    expect(page.locator("body")).to_contain_text(re.compile("[Ss]aved"))

    stack.save_dag("in_the_browser.py", SOURCE)
    run_id = stack.trigger("in_the_browser")
    stack.wait_run("in_the_browser", run_id)
    page.goto(f"{stack.url}/dags/in_the_browser/runs/{run_id}/tasks/speak")

    expect(page.get_by_text("spoken in the worker")).to_be_visible()
