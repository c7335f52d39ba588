"""Our pages inside Airflow's frame, in a real browser: menu, colours, deep links, an ended log-in."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.api_server import ApiServer

pytestmark = pytest.mark.browser

FRAME = "iframe[title='Developer']"


def log_in(page: Page, server: ApiServer, account: str) -> None:
    page.goto(f"{server.url}/auth/login/")
    page.locator("#username").fill(account)
    page.locator("#password").fill(account)
    page.locator("#password").press("Enter")
    page.wait_for_url(lambda url: "/auth/login" not in url)


def test_developer_finds_the_hub_in_the_menu_and_a_page_through_it(page: Page, api_server: ApiServer) -> None:
    log_in(page, api_server, "dev")

    page.get_by_role("link", name="Developer").click()
    frame = page.frame_locator(FRAME)
    expect(frame.get_by_role("heading", name="Developer", level=1)).to_be_visible()
    frame.get_by_role("link", name="Spark Configuration").click()
    expect(frame.get_by_role("heading", name="Spark Configuration", level=1)).to_be_visible()

    expect(page).to_have_url(f"{api_server.url}/plugin/developer/airflow/couture/spark-configuration/")
    page.reload()
    expect(frame.get_by_role("heading", name="Spark Configuration", level=1)).to_be_visible()


def test_code_artifacts_are_in_no_bar_and_keep_their_address(page: Page, api_server: ApiServer) -> None:
    log_in(page, api_server, "dev")

    page.goto(f"{api_server.url}/plugin/code-artifacts")

    frame = page.frame_locator("iframe[title='Code Artifacts']")
    expect(frame.get_by_role("heading", name="Code Artifacts", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="Developer")).to_be_visible()
    expect(page.get_by_role("link", name="Code Artifacts")).to_have_count(0)


def test_others_have_no_entry_and_no_page(page: Page, api_server: ApiServer) -> None:
    log_in(page, api_server, "op")

    expect(page.get_by_role("button", name="Admin")).to_be_visible()
    expect(page.get_by_role("link", name="Developer")).to_have_count(0)
    page.goto(f"{api_server.url}/couture/developer/")
    expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()


def test_whoever_may_not_open_the_hub_finds_runs_in_browse(page: Page, api_server: ApiServer) -> None:
    log_in(page, api_server, "op")

    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Spark Jobs and Notebooks").click()

    frame = page.frame_locator("iframe[title='Spark Jobs and Notebooks']")
    expect(frame.get_by_role("heading", name="Spark Jobs and Notebooks", level=1)).to_be_visible()


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_log_in_page_is_ours_and_has_no_script_error(
    mode: str, new_page: Any, api_server: ApiServer
) -> None:
    page = new_page(viewport={"width": 390, "height": 800})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.add_init_script(f"localStorage.setItem('theme', '{mode}')")

    page.goto(f"{api_server.url}/auth/login/")

    expect(page).to_have_title("Sign In - Couture Workflow")
    expect(page.get_by_role("link", name="Couture Workflow")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-color-scheme", mode)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert errors == []


def test_colours_follow_the_page_around_the_frame(page: Page, api_server: ApiServer) -> None:
    log_in(page, api_server, "dev")
    page.goto(f"{api_server.url}/plugin/developer")
    body = page.frame_locator(FRAME).locator("html")
    expect(page.frame_locator(FRAME).get_by_role("heading", level=1)).to_be_visible()

    for mode in ("dark", "light"):
        page.evaluate("mode => { document.documentElement.className = mode }", mode)
        expect(body).to_contain_class(mode)
        colour = page.evaluate(
            "getComputedStyle(document.documentElement).getPropertyValue('--chakra-colors-bg')"
        )
        ours: Any = body.evaluate("node => getComputedStyle(node).getPropertyValue('--bg')")
        assert ours.strip() == colour.strip()


def test_ended_log_in_offers_the_log_in_page(page: Page, api_server: ApiServer) -> None:
    log_in(page, api_server, "dev")
    page.goto(f"{api_server.url}/plugin/developer")
    frame = page.frame_locator(FRAME)
    expect(frame.get_by_role("heading", level=1)).to_be_visible()
    page.context.clear_cookies()

    frame.locator("html").evaluate("() => location.reload()")
    frame.get_by_role("link", name="Log in").click()

    page.wait_for_url(lambda url: "/auth/login/" in url)


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_hub_fits_every_width(width: int, new_page: Any, api_server: ApiServer) -> None:
    page = new_page(viewport={"width": width, "height": 900})
    log_in(page, api_server, "dev")

    page.goto(f"{api_server.url}/couture/developer/")

    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
