"""Forms that a script fills and saves: nothing can be typed or sent before the script listens."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.api_server import ApiServer

pytestmark = pytest.mark.browser


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
    page.route(f"**/{script}*", lambda route: held.append(route))
    with page.expect_request(f"**/{script}*"):
        page.goto(f"{api_server.url}/couture{path}", wait_until="commit")
    first = page.locator(control).first
    expect(first).to_be_visible()
    expect(first).to_be_disabled()
    expect(page.locator("form button[type=submit]").last).to_be_disabled()

    assert len(held) == 1
    held.pop().continue_()
    expect(first).to_be_enabled()
    assert urlsplit(page.url).query == ""
