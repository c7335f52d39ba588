"""The page SLA Misses in a browser: filters, a note, CSV, hostile texts, and what a reader may not do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from couture_workflow.services.sla import misses, notes
from couture_workflow.services.sla.judging import Late
from couture_workflow.services.sla.misses import Miss, Notice
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer

pytestmark = pytest.mark.browser

HOSTILE = "a'b\"<&>ü"
LONG = "x" * 180
#: Nobody is told any more of what was due so long ago, and it is not yet swept.
DUE = (datetime.now(UTC) - timedelta(days=100)).replace(hour=8, minute=0, second=0, microsecond=0)


@pytest.fixture
def open_page(
    api_server: ApiServer, store: Store, new_page: Callable[..., Page]
) -> Iterator[Callable[..., Page]]:
    waiting = Notice("waiting", (f"{HOSTILE}@example.org",), 1, DUE, DUE, f"451 4.7.1 {HOSTILE}")
    for name, notice in ((HOSTILE, waiting), ("told", Notice("sent", ("ann@example.org",), 1, DUE))):
        late = (Late(HOSTILE, "running", DUE, None, 2, 3),)
        identity = misses.identity(name, HOSTILE, DUE, 90)
        made = Miss(
            id=identity,
            dag_id=name,
            run_id=HOSTILE,
            logical_date=DUE,
            interval_end=DUE,
            due=DUE,
            seconds=90,
            found_at=DUE,
            tasks=late,
            blocking=((HOSTILE, "running"), (LONG, "failed")),
            mail=notice,
        )
        misses.put(store, made)

    def open_as(account: str = "admin", **options: object) -> Page:
        page = new_page(**options)
        api_server.log_in(page, account)
        page.goto(f"{api_server.url}/couture/sla-misses/")
        return page

    yield open_as
    for part in ("misses", "notes"):  # not the lock of the server that looks: another one would look as well
        shutil.rmtree(store.root / "sla" / part, ignore_errors=True)


def test_a_miss_is_looked_at_noted_and_taken_along(
    open_page: Callable[..., Page], store: Store, tmp_path: Path
) -> None:
    page = open_page()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    row = rows.filter(has_text="mail not sent yet")
    for text in (f"451 4.7.1 {HOSTILE}", "SLA 1 min 30 s", "2 of 3", f"Blocking: {HOSTILE} (running)"):
        expect(row).to_contain_text(text)
    blocking = row.locator(".sla-more", has_text=LONG)
    assert blocking.evaluate("node => node.scrollWidth - node.clientWidth") == 0

    page.get_by_label("Notification").select_option("not sent")
    page.get_by_role("button", name="Search").click()
    expect(rows).to_have_count(1)

    row.get_by_role("button", name="Note of").click()
    page.get_by_label("Note", exact=True).last.fill(f"{HOSTILE}\nsecond line")
    page.get_by_label("Analyzed and documented").check()
    [missed] = [each for each in misses.newest_first(store) if each.mail.state == "waiting"]
    notes.write(store, missed, text="meanwhile", done=False, by="bob")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#notices")).to_contain_text("bob has changed this note meanwhile")
    expect(page.get_by_label("Note", exact=True).last).to_have_value(f"{HOSTILE}\nsecond line")
    (store.root / "sla" / "notes" / f"{missed.id}.json").unlink()
    page.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("documented")
    expect(row.locator(".sla-note")).to_have_text(f"{HOSTILE}\nsecond line")

    with page.expect_download() as download:
        page.locator("#csv").click()
    download.value.save_as(tmp_path / "misses.csv")
    assert "second line" in (tmp_path / "misses.csv").read_text()

    reader = open_page("viewer")
    expect(reader.locator("tbody tr")).to_have_count(2)
    expect(reader.get_by_role("button", name="Note of")).to_have_count(0)


def test_times_are_those_of_the_readers_zone_in_filters_and_list(open_page: Callable[..., Page]) -> None:
    page = open_page(timezone_id="America/New_York")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    due = page.locator("td[data-label='Due']").first
    local = DUE.astimezone(ZoneInfo("America/New_York"))
    expect(due).to_contain_text(f"{local:%Y-%m-%d %H:%M:%S}")
    expect(page.get_by_role("columnheader", name="Due (America/New_York)")).to_be_visible()

    page.get_by_label("Due after (America/New_York)").fill(f"{local:%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url(f"**since={DUE:%Y-%m-%dT%H%%3A%M}&**")
    expect(page.locator("tbody tr")).to_have_count(2)
    since = page.get_by_label("Due after (America/New_York)")
    expect(since).to_have_value(f"{local:%Y-%m-%dT%H:%M}")

    since.fill(f"{local + timedelta(minutes=1):%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("No miss fits")).to_be_visible()
    assert errors == []
