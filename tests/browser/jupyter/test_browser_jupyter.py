"""JupyterLab in Airflow's frame, and the administrator's list, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from tests.browser.test_web_frame import log_in
from tests.support.api_server import ApiServer
from tests.support.jupyter import Lab, host_of

pytestmark = pytest.mark.browser

LAB = "iframe[title='Jupyter Notebook']"
#: The launcher is there before its cards are: those of notebooks come with the kernels that there are.
CARD = ".jp-LauncherCard[data-category='Notebook']"


@pytest.fixture(scope="module")
def with_host(api_server: ApiServer) -> Iterator[ApiServer]:
    """Give the API server a host of Jupyter servers."""
    with host_of(api_server):
        yield api_server


def lab_in(page: Page, server: ApiServer) -> FrameLocator:
    """Open the page in Airflow's frame and return JupyterLab, once it is there."""
    page.goto(f"{server.url}/plugin/jupyter-notebook")
    lab = page.frame_locator(LAB).frame_locator("#lab-frame")
    begun = lab.locator(f"{CARD}, .jp-NotebookPanel").filter(visible=True).first
    expect(begun).to_be_visible(timeout=180_000)
    return lab


def run_cell(page: Page, lab: FrameLocator, code: str) -> None:
    """Make a notebook and run code in its first cell."""
    card = lab.locator(CARD).filter(visible=True).first
    shown = lab.locator(".lm-DockPanel-widget:not(.lm-mod-hidden)")
    if not card.is_visible():  # JupyterLab shows again what was open the last time
        lab.locator(".lm-TabBar-addButton:visible").first.click()
    card.click()
    cell = shown.locator(".jp-Notebook .cm-content").first
    expect(cell).to_be_visible()
    expect(lab.get_by_text("| Idle")).to_be_visible(timeout=180_000)  # what is run before is not run at all
    cell.click()
    page.keyboard.type(code)
    page.keyboard.press("Shift+Enter")


def test_a_developer_runs_a_cell_in_airflows_frame(page: Page, with_host: ApiServer) -> None:
    log_in(page, with_host, "dev")

    lab = lab_in(page, with_host)
    run_cell(page, lab, "6 * 7 + 1000000")

    expect(lab.locator(".jp-OutputArea-output", has_text="1000042")).to_be_visible(timeout=120_000)
    expect(page.get_by_role("link", name="Developer")).to_be_visible()


def test_schedule_in_a_notebooks_toolbar_saves_it_and_opens_the_form_below_the_prefix(
    page: Page, with_host: ApiServer
) -> None:
    log_in(page, with_host, "dev")
    lab = lab_in(page, with_host)
    run_cell(page, lab, "6 * 7 + 2000000")
    expect(lab.locator(".jp-OutputArea-output", has_text="2000042")).to_be_visible(timeout=120_000)

    lab.get_by_role("button", name="Schedule", exact=True).click()

    frame = lab.locator("iframe[src*='notebook-schedules/new']")
    expect(frame).to_have_attribute("src", re.compile(f"{with_host.prefix}/couture/notebook-schedules/new"))
    form = frame.content_frame
    expect(form.locator("#schedule-notebook")).to_have_value(re.compile(r"dev/Untitled.*\.ipynb"))
    path = form.locator("#schedule-notebook").input_value()
    assert (
        "2000000" in (with_host.home / "couture" / "notebooks" / path).read_text()
    )  # what was not saved yet


def test_the_tab_of_its_own_has_lab_and_a_log_out_ends_it(page: Page, with_host: ApiServer) -> None:
    log_in(page, with_host, "dev")
    page.goto(f"{with_host.url}/plugin/jupyter-notebook")
    link = page.frame_locator(LAB).get_by_role("link", name="Open in a tab of its own")
    expect(link).to_be_visible()

    with page.context.expect_page() as opened:
        link.click()
    tab = opened.value
    tab.set_default_timeout(180_000)
    expect(tab.locator(".jp-LabShell")).to_be_visible(timeout=180_000)
    assert f"{with_host.prefix}/jupyter/dev/lab" in tab.url

    page.goto(f"{with_host.url}/auth/logout")
    tab.reload()
    expect(tab.locator("input[name=username]")).to_be_visible()


def test_a_tab_without_a_server_starts_it_and_goes_on(page: Page, with_host: ApiServer) -> None:
    lab = Lab(with_host.url, "dev", with_host.token("dev"))
    lab.http.delete("/api/notebooks/servers/mine")
    lab.close()
    log_in(page, with_host, "dev")

    page.goto(f"{with_host.url}/jupyter/dev/lab/tree/dev")

    page.wait_for_url(lambda url: "/jupyter/dev/lab" in url, timeout=180_000)
    expect(page.locator(".jp-LabShell")).to_be_visible(timeout=180_000)


def test_others_have_no_page(page: Page, with_host: ApiServer) -> None:
    log_in(page, with_host, "op")

    page.goto(f"{with_host.url}/couture/jupyter-notebook/")
    expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
    answer = page.goto(f"{with_host.url}/jupyter/")
    assert answer is not None
    assert answer.status == 403


def test_an_administrator_sees_a_server_and_stops_it(page: Page, with_host: ApiServer) -> None:
    lab = Lab(with_host.url, "dev", with_host.token("dev"))
    lab.start()
    lab.kernel()
    log_in(page, with_host, "admin")

    page.goto(f"{with_host.url}/plugin/jupyter-servers")
    frame = page.frame_locator("iframe[title='Jupyter Servers']")
    row = frame.locator("tr[data-account='dev']")
    expect(row).to_contain_text("MiB")
    row.get_by_role("button", name="Stop the server of dev").click()
    frame.get_by_role("dialog").get_by_role("button", name="Stop").click()

    expect(frame.get_by_text("The Jupyter server of dev is stopped.")).to_be_visible()
    expect(row).to_have_count(0)
    lab.close()


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_what_cannot_be_started_is_told_with_a_way_on(
    mode: str, new_page: Callable[..., Page], with_host: ApiServer
) -> None:
    page = new_page(viewport={"width": 390, "height": 800})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.add_init_script(f"localStorage.setItem('theme', '{mode}')")
    log_in(page, with_host, "admin")
    told: dict[str, Any] = {
        "error": "jupyter",
        "detail": "Ten people have a server, which is the most at once.",
    }
    page.route("**/servers/mine", lambda route: route.fulfill(status=503, json=told))

    page.goto(f"{with_host.url}/couture/jupyter-notebook/")
    expect(page.get_by_role("alert")).to_contain_text(told["detail"])
    page.unroute("**/servers/mine")
    ready = {"state": "starting", "waits_for": "Waiting for JupyterLab to answer.", "address": ""}
    page.route("**/servers/mine", lambda route: route.fulfill(json=ready))
    page.get_by_role("button", name="Try again").click()

    expect(page.get_by_text(ready["waits_for"])).to_be_visible()
    assert page.locator("html").get_attribute("class") == mode
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert errors == []
