"""Zoom, as a person uses it: a master DAG of the examples, its children's graphs, level by level."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import FrameLocator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.workbench, pytest.mark.slow]

MASTER = "stock_master"


@pytest.fixture(scope="module")
def run(workbench: Any) -> str:
    """Run the master DAG of the examples to its end and return its run."""
    client = workbench.client("superadmin")
    deadline = time.monotonic() + 180
    while client.patch(f"/api/v2/dags/{MASTER}", json={"is_paused": False}).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    answer = client.post(f"/api/v2/dags/{MASTER}/dagRuns", json={"logical_date": None})
    found = str(answer.raise_for_status().json()["dag_run_id"])
    while client.get(f"/api/v2/dags/{MASTER}/dagRuns/{found}").json()["state"] not in ("success", "failed"):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return found


@pytest.fixture
def frame(workbench: Any, page: Page, run: str) -> FrameLocator:
    """Open the tab on the page of the DAG."""
    workbench.login(page, "superadmin")
    page.goto(f"{workbench.url}/dags/{MASTER}")
    page.get_by_role("link", name="Zoom", exact=True).click()
    return page.frame_locator("iframe")


def node(scope: Any, name: str) -> Any:
    return scope.get_by_role("button", name=re.compile(rf"^Task, {name},"))


def test_pointing_shows_the_children_and_opening_zooms_in(frame: FrameLocator, page: Page) -> None:
    main, side = frame.locator(".zoom-main"), frame.get_by_label("Preview", exact=True)
    expect(main.locator(".dag-node.state-skipped")).to_have_count(1)

    node(main, "order_north").hover()
    expect(side.get_by_role("heading", name="stock_order")).to_be_visible()
    node(side, "deliver").hover()
    expect(side.get_by_role("heading", name="stock_delivery")).to_be_visible()
    expect(side.locator(".dag-node.state-success")).to_have_count(4)

    node(main, "order_north").click()
    expect(frame.get_by_role("heading", level=1)).to_have_text("stock_order")
    node(main, "deliver").click()
    expect(frame.get_by_role("heading", level=1)).to_have_text("stock_delivery")
    frame.get_by_label("Levels").get_by_role("button", name=MASTER).click()
    expect(frame.get_by_role("heading", level=1)).to_have_text(MASTER)


def test_the_keyboard_reaches_a_preview(frame: FrameLocator, page: Page) -> None:
    main = frame.locator(".zoom-main")
    expect(node(main, "order_south")).to_be_visible()

    node(main, "order_south").focus()
    expect(
        frame.get_by_label("Preview", exact=True).get_by_role("heading", name="stock_order")
    ).to_be_visible()
    page.keyboard.press("Enter")

    expect(frame.get_by_role("heading", level=1)).to_have_text("stock_order")


def test_a_task_that_runs_no_dag_opens_its_page(frame: FrameLocator, page: Page, run: str) -> None:
    node(frame.locator(".zoom-main"), "report").click()

    expect(page).to_have_url(re.compile(rf"/dags/{MASTER}/runs/[^/]+/tasks/report"))


def test_the_button_of_a_task_leads_into_its_child(workbench: Any, page: Page, run: str) -> None:
    client = workbench.client("superadmin")
    path = f"/api/v2/dags/{MASTER}/dagRuns/{run}/taskInstances/order_north/links"
    address = client.get(path).json()["extra_links"]["Zoom into DAG"]
    workbench.login(page, "superadmin")

    page.goto(workbench.url + address)

    expect(page.get_by_role("heading", level=1)).to_have_text("stock_order")
    expect(page.locator(".zoom-main .dag-node.state-success")).to_have_count(2)


def test_before_it_ran_the_newest_run_of_the_child_is_shown(workbench: Any, page: Page, run: str) -> None:
    workbench.login(page, "superadmin")

    page.goto(f"{workbench.url}/couture/zoom/{MASTER}?run_id={run.replace('+', '%2B')}&task_id=order_east")

    expect(page.get_by_text("has not run this DAG yet; this is its newest run")).to_be_visible()


def test_it_fits_a_phone(workbench: Any, new_page: Any, run: str) -> None:
    page = new_page(viewport={"width": 390, "height": 800})
    workbench.login(page, "superadmin")

    page.goto(f"{workbench.url}/couture/zoom/{MASTER}")

    expect(page.locator(".zoom-main .dag-node").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
