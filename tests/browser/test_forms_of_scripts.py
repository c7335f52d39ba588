"""What is typed, pressed or opened before the script of a page listens is not lost."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from couture_workflow.services.hadoop import files, groups
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer

pytestmark = pytest.mark.browser


def open_without(page: Page, script: str, address: str, held: list[Route]) -> None:
    """Open a page whose script does not come before it is let through."""
    page.route(f"**/{script}*", lambda route: held.append(route))
    with page.expect_request(f"**/{script}*"):
        page.goto(address, wait_until="commit")


@pytest.mark.parametrize(
    ("path", "script", "control"),
    [
        ("/code-bricks/new", "bricks/form.js", "#brick-name"),
        ("/dag-repository/", "git/repository.js", "#url"),
        ("/hadoop-configuration/", "hadoop/groups.js", "#group-name"),
        ("/notebook-schedules/new", "schedules/form.js", "#schedule-notebook"),
        ("/spark-configuration/", "spark/configuration.js", "[data-add]"),
    ],
)
def test_nothing_can_be_typed_before_the_script_listens(
    path: str, script: str, control: str, api_server: ApiServer, new_page: Callable[..., Page]
) -> None:
    page, held = new_page(), list[Route]()
    api_server.log_in(page)
    open_without(page, script, f"{api_server.url}/couture{path}", held)
    first = page.locator(control).first
    expect(first).to_be_visible()
    expect(first).to_be_disabled()
    expect(page.locator("form button[type=submit]").last).to_be_disabled()

    assert len(held) == 1
    held.pop().continue_()
    expect(first).to_be_enabled()
    assert urlsplit(page.url).query == ""


def test_a_button_that_is_pressed_early_does_its_work_once_the_script_listens(
    api_server: ApiServer, page: Page
) -> None:
    held: list[Route] = []
    api_server.log_in(page, "dev")
    open_without(page, "bricks/bricks.js", f"{api_server.url}/couture/code-bricks/", held)
    page.get_by_role("button", name="Delete Task group").click()

    expect(page.get_by_role("dialog")).to_have_count(0)
    held.pop().continue_()
    expect(page.get_by_role("dialog", name="Delete Task group?")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)  # it was pressed once


def test_a_version_that_is_opened_early_is_filled_once_the_script_listens(
    api_server: ApiServer, store: Store, page: Page
) -> None:
    groups.add(store, "early", user="ann")
    files.save(store, "early", {"core-site.xml": b"<configuration/>"}, user="ann")
    held: list[Route] = []
    api_server.log_in(page)
    address = f"{api_server.url}/couture/hadoop-configuration/groups/early/history"
    open_without(page, "hadoop/history.js", address, held)
    page.get_by_text("Changes", exact=True).first.click()

    held.pop().continue_()
    expect(page.get_by_role("heading", name="core-site.xml")).to_be_visible()
    groups.delete(store, "early", user="ann")
