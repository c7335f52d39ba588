"""A notebook's way in the real workbench: a cell in JupyterLab, a schedule, its run, the HTML it leaves."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from tests.browser.jupyter.test_browser_jupyter import LAB
from tests.browser.schedules.test_browser_notebook_schedules import ended, opened
from tests.support.jupyter_runtime import jupyter_or_skip
from tests.support.people_notebooks import notebook, write

pytestmark = [pytest.mark.browser, pytest.mark.workbench, pytest.mark.slow]

#: Seconds, in milliseconds, that the first start of a Jupyter server or kernel may take on a busy machine.
STARTS = 180_000
REPORT = notebook(("rows = 10  # how many", ["parameters"]), "print('rows:', rows, 'of', 6 * 7)")


def lab_of(page: Page, workbench: Any) -> FrameLocator:
    """Open JupyterLab in Airflow's frame."""
    page.goto(f"{workbench.url}/plugin/jupyter-notebook")
    return page.frame_locator(LAB).frame_locator("#lab-frame")


def run_all_cells(page: Page, lab: FrameLocator, count: int) -> None:
    """Run the cells of the open notebook, as a person does."""
    expect(lab.get_by_text("| Idle")).to_be_visible(timeout=STARTS)
    lab.locator(".jp-Notebook .cm-content").first.click()
    for _ in range(count):
        page.keyboard.press("Shift+Enter")


def form_in(lab: FrameLocator) -> FrameLocator:
    """Return the form that *Schedule* opens beside the notebook."""
    return lab.frame_locator("iframe[src*='couture/notebook-schedules/new']")


def html_of_the_last_run(page: Page, workbench: Any, name: str) -> FrameLocator:
    """Go from the list of schedules to the output of a run, and return its frame."""
    frame = opened(page, workbench)
    row = frame.get_by_role("row").filter(has_text=name)
    row.get_by_role("link", name="Run details").click()
    frame.get_by_role("link", name="With code").click()
    return frame.frame_locator("iframe[title='Output of the notebook']")


def test_from_a_cell_in_lab_to_the_html_of_its_scheduled_run(
    workbench: Any, new_page: Callable[..., Page]
) -> None:
    jupyter_or_skip()
    name = f"story_{uuid.uuid4().hex[:8]}"
    path = f"developer/{name}.ipynb"
    write(workbench.home, path, REPORT)
    page = new_page()
    workbench.login(page, "developer")

    lab = lab_of(page, workbench)
    file = lab.locator(".jp-DirListing-item").filter(has_text=name)
    expect(file).to_be_visible(timeout=STARTS)
    file.dblclick()
    run_all_cells(page, lab, 2)
    expect(lab.locator(".jp-OutputArea-output").filter(has_text="rows: 10 of 42")).to_be_visible(
        timeout=STARTS
    )

    file.click(button="right")
    lab.get_by_role("menuitem", name="Schedule Notebook…").click()
    form = form_in(lab)
    expect(form.locator("#schedule-notebook")).to_have_value(path)
    lab.locator(".lm-TabBar-tab").filter(has_text=f"Schedule {name}").locator(
        ".lm-TabBar-tabCloseIcon"
    ).click()
    expect(form.locator("body")).to_have_count(0)

    lab.get_by_role("button", name="Schedule", exact=True).click()
    expect(form.locator("#schedule-notebook")).to_have_value(path)
    expect(form.locator("#schedule-name")).to_have_value(name)
    expect(form.get_by_label("rows", exact=True)).to_have_value("10")
    form.get_by_label("rows", exact=True).fill("7")
    form.get_by_role("button", name="Schedule", exact=True).click()
    expect(form.get_by_role("heading", name=f"{name} is scheduled")).to_be_visible()
    expect(form.get_by_role("link", name="Open the DAG in Airflow")).to_be_visible()
    expect(lab.locator(".jp-Notebook")).to_be_visible()  # the notebook stays where it was

    ended(workbench.client("superadmin"), name, 1)
    output = html_of_the_last_run(page, workbench, name)
    expect(output.get_by_text("rows: 7 of 42")).to_be_visible()
    others_see_the_run_and_no_lab(workbench, new_page, name)


def others_see_the_run_and_no_lab(workbench: Any, new_page: Callable[..., Page], name: str) -> None:
    """An administrator finds run and server; a viewer has no JupyterLab."""
    admin, viewer = new_page(), new_page()
    workbench.login(admin, "admin")
    expect(html_of_the_last_run(admin, workbench, name).get_by_text("rows: 7 of 42")).to_be_visible()
    admin.goto(f"{workbench.url}/plugin/jupyter-servers")
    servers = admin.frame_locator("iframe[title='Jupyter Servers']")
    expect(servers.locator("tr[data-account='developer']")).to_contain_text("MiB")
    answer = admin.goto(f"{workbench.url}/jupyter/developer/lab")
    assert answer is not None
    assert answer.status == 403

    workbench.login(viewer, "viewer")
    for address in ("couture/jupyter-notebook/", "jupyter/developer/lab", "couture/notebook-schedules/"):
        answer = viewer.goto(f"{workbench.url}/{address}")
        assert answer is not None
        assert answer.status == 403, address
