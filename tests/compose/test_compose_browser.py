"""The pages of the stack of containers in Chromium: what each role sees, and that nothing fails in it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import ConsoleMessage, FrameLocator, Page, Response, expect

from couture_workflow.services.workbench import demo
from tests.support.stack import Stack

pytestmark = [pytest.mark.compose, pytest.mark.browser, pytest.mark.timeout(600)]

FRAME = "iframe[title='Developer']"
SOURCE = """
import logging

from airflow.sdk import DAG, task

with DAG("in_the_browser", schedule=None):

    @task
    def speak():
        logging.getLogger(__name__).info("spoken in the worker")

    speak()
"""


@pytest.fixture
def quiet(new_page: Callable[..., Page]) -> Iterator[Callable[[], Page]]:
    """Return a function that opens a page; any error in its console fails the test."""
    errors: list[str] = []

    def open_page() -> Page:
        page = new_page()

        def note(text: str) -> None:
            errors.append(f"{page.url}: {text}")

        def answered(response: Response) -> None:
            # Airflow's own pages ask for some things that a viewer may not have; ours must not.
            ours = re.search(r"/couture/|/api/(?!v2/)", response.url)
            if response.status >= (400 if ours else 500):
                note(f"{response.url} answered {response.status}")

        def said(message: ConsoleMessage) -> None:
            if message.type == "error" and "Failed to load resource" not in message.text:
                note(message.text)

        page.on("response", answered)
        page.on("console", said)
        page.on("pageerror", lambda error: note(str(error)))
        return page

    yield open_page
    assert not errors, "\n".join(errors)


def open_hub(stack: Stack, page: Page, role: str) -> FrameLocator:
    """Log in, go to the hub by the menu, and return its frame."""
    stack.login(page, role)
    page.get_by_role("link", name="Developer").click()
    frame = page.frame_locator(FRAME)
    expect(frame.get_by_role("heading", name="Developer", level=1)).to_be_visible()
    return frame


@pytest.mark.always
@pytest.mark.parametrize("role", ["admin", "developer"])
def test_who_develops_finds_every_page(role: str, stack: Stack, quiet: Callable[[], Page]) -> None:
    page = quiet()
    frame = open_hub(stack, page, role)

    names = frame.get_by_role("main").get_by_role("link").all_inner_texts()
    assert {"Manage DAGs", "Code Artifacts"} <= {name.splitlines()[0] for name in names}
    for path in ("manage-dags", "code-artifacts", "code-bricks"):
        page.goto(f"{stack.url}/couture/{path}/")
        expect(page.get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.always
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

    for path in ("developer", "manage-dags", "spark-configuration", "dag-repository"):
        answer = page.goto(f"{stack.url}/couture/{path}/")
        assert answer is not None
        assert answer.status == 403, path
        expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()


def test_an_admin_changes_the_spark_configuration(stack: Stack, quiet: Callable[[], Page]) -> None:
    page = quiet()
    stack.login(page, "admin")
    page.goto(f"{stack.url}/couture/spark-configuration/")

    name = "spark.couture.browser"
    if page.get_by_role("button", name=f"Delete {name}").count():
        page.get_by_role("button", name=f"Delete {name}").click()
    names = page.get_by_role("combobox", name=re.compile(r"configuration \d+ name", re.IGNORECASE))
    before = names.count()
    page.get_by_role("button", name="Add configuration").press("Enter")
    expect(names).to_have_count(before + 1)
    names.last.fill(name)
    page.get_by_label(f"Value of {name}").fill(str(time.time()))
    page.get_by_role("button", name="Review changes").click()
    page.get_by_role("dialog", name="Review changes").get_by_role("button", name="Save").click()

    expect(page.get_by_text("Saved. Jobs that start from now on use it.")).to_be_visible()
    assert name in stack.api.get("/api/configs/spark").json()["configurations"]


def test_a_developer_saves_a_dag_runs_it_and_reads_its_log(stack: Stack, quiet: Callable[[], Page]) -> None:
    stack.save_dag("in_the_browser.py", SOURCE)
    page = quiet()
    stack.login(page, "developer")
    page.goto(f"{stack.url}/couture/dag-editor/?path=in_the_browser.py")
    page.locator("#code .cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(f"# {time.time()}")
    page.get_by_role("button", name="Review & Save").click()
    expect(page.get_by_role("heading", name="Review & Save")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("Saved as version"))).to_be_visible()

    run_id = stack.trigger("in_the_browser")
    stack.wait_run("in_the_browser", run_id)
    page.goto(f"{stack.url}/dags/in_the_browser/runs/{run_id}/tasks/speak")

    expect(page.get_by_text("spoken in the worker")).to_be_visible()


def test_run_details_tell_what_a_spark_job_used(stack: Stack, quiet: Callable[[], Page]) -> None:
    if not (runs := dag_runs(stack, "my_penguins")):
        who = {"user": "superadmin", "password": stack.admin_password}
        demo.run_at(stack.url, **who, report=lambda line: None)
        runs = dag_runs(stack, "my_penguins")
    page = quiet()
    stack.login(page, "developer")

    page.goto(f"{stack.url}/couture/runs/my_penguins/{quote(runs[-1], safe='')}/summarize")

    expect(page.get_by_role("heading", name="summarize", level=1)).to_be_visible()
    expect(page.get_by_text("penguin_rules.py").first).to_be_visible()


def dag_runs(stack: Stack, dag_id: str) -> list[str]:
    """Return the ids of the runs of a DAG that went well."""
    found = stack.api.get(f"/api/v2/dags/{dag_id}/dagRuns", params={"state": "success"})
    return [run["dag_run_id"] for run in found.json().get("dag_runs", [])]
