"""The runs of a source in the real workbench: Play, report, Kill, SIGKILL, schedule."""

from __future__ import annotations

import os
import re
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from couture_workflow.services.eda import outputs, sources
from couture_workflow.services.eda.document import FilePlace, Source
from couture_workflow.store.home import Store
from tests.support.jupyter_runtime import jupyter_or_skip
from tests.support.spark import processes_of, until

pytestmark = [pytest.mark.browser, pytest.mark.workbench, pytest.mark.slow]

HOSTILE = "a'b<img src=x onerror=alert(1)>ü"
ROWS = f"id,{HOSTILE}\n" + "".join(f"{number},<script>alert({number})</script>\n" for number in range(20))
#: A run of these takes long enough to be killed on the way: many columns take longer than many rows.
MANY = "\n".join(",".join(f"{row}{column}" for column in range(5_000)) for row in ("c", *range(60))).encode()


@pytest.fixture
def source(workbench: Any) -> Iterator[Source]:
    """Make a source with a name of no other test."""
    jupyter_or_skip()
    store, name = Store.open(workbench.home), f"sales_{uuid.uuid4().hex[:8]}"
    store.data.put(f"{name}.csv", [ROWS.encode()], user="developer")
    made = Source(name=name, file=FilePlace(data=f"{name}.csv"))
    sources.add(store, made, user="developer")
    yield made
    for output in outputs.running(store, name):
        outputs.ask_to_stop(store, output, "tests")


def task_process(folder: Path) -> int:
    """Return the process of the task whose child works in a folder: the reaper's command names it."""
    for process in processes_of(str(folder)):
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        if b"--parent" in words:
            return int(words[words.index(b"--parent") + 1])
    return 0


def row(page: Page, number: int) -> Any:
    return page.locator(f"tr[data-number='{number}']")


def play(page: Page, number: int) -> None:
    page.get_by_role("button", name="Play").click()
    expect(page.locator(f"[data-going='{number}'], tr[data-number='{number}']")).to_be_visible()


def test_source_is_run_killed_and_scheduled(workbench: Any, page: Page, source: Source) -> None:
    store, client = Store.open(workbench.home), workbench.client("superadmin")
    page.on("dialog", lambda dialog: pytest.fail(f"a script of the data ran: {dialog.message}"))
    workbench.login(page, "developer")
    page.goto(f"{workbench.url}/couture/exploratory-data-analysis/source/{source.name}")

    play(page, 1)
    expect(row(page, 1)).to_contain_text("success", timeout=120_000)
    expect(row(page, 1)).to_contain_text("developer")
    with page.context.expect_page() as opened:
        row(page, 1).get_by_role("link", name="1", exact=True).click()
    report = opened.value
    report.on("dialog", lambda dialog: pytest.fail(f"a script of the data ran: {dialog.message}"))
    expect(report.frame_locator("iframe").get_by_text(HOSTILE).first).to_be_attached()
    with report.expect_download() as download:
        report.get_by_role("link", name="JSON").click()
    assert download.value.suggested_filename == f"{source.name}-1.json"
    report.close()
    run = outputs.get(store, source.name, 1)
    pushed = client.get(
        f"/api/v2/dags/couture_eda/dagRuns/{run.run_id}/taskInstances/profile/xcomEntries/return_value"
    ).json()["value"]
    assert "20" in str(pushed) and source.name in str(pushed)

    store.data.put(f"{source.name}.csv", [MANY], user="developer")
    play(page, 2)
    going = page.locator("[data-going='2']")
    expect(going).to_contain_text(re.compile("Reading|Computing"))
    going.get_by_role("button", name="Kill").click()
    expect(row(page, 2)).to_contain_text("Stopped by developer")
    assert processes_of(str(outputs.folder(store, source.name, 2))) == []

    play(page, 3)
    folder = outputs.folder(store, source.name, 3)
    task = until(lambda: task_process(folder), what="the task")
    os.kill(task, signal.SIGKILL)
    until(lambda: not processes_of(str(folder)), seconds=20, what="the end of the child")
    expect(row(page, 3)).to_contain_text("over without a word", timeout=120_000)
    expect(row(page, 3).get_by_role("link", name="HTML")).to_have_count(0)

    store.data.put(f"{source.name}.csv", [ROWS.encode()], user="developer")
    page.get_by_text("Change the schedule").click()
    page.get_by_label("Cron expression").fill("0 6 1 1 *")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    expect(page.locator("[data-schedule-times]")).to_contain_text("Europe/Berlin")
    page.get_by_role("button", name="Save the schedule").click()
    told = page.locator("[data-schedule-told]")
    expect(told).to_contain_text("for developer. Next:", timeout=60_000)
    zone = page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    expect(told).to_contain_text(re.compile(rf"\d\d:\d\d:\d\d \({re.escape(zone)}\)\."))
    dag = f"/api/v2/dags/eda__{source.name}"
    client.post(f"{dag}/dagRuns", json={"logical_date": None}).raise_for_status()
    expect(row(page, 4)).to_contain_text("success", timeout=120_000)
    assert outputs.get(store, source.name, 4).dag_id == f"eda__{source.name}"
    page.get_by_role("button", name="Delete the schedule").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(told).to_contain_text("It runs when somebody presses Play")
    until(lambda: client.get(dag).json().get("is_paused"), what="the pause")
