"""Exploratory Data Analysis in a browser: a source from a dropped file to its end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from couture_workflow.services.eda import document, sources
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer
from tests.support.dropping import drop

pytestmark = pytest.mark.browser

HOSTILE = "a'b\"<img src=x onerror=alert(1)>ü"
TABLE = f"id;{HOSTILE};price\n007;<script>alert(1)</script>;1,5\n008;;2,5\nbroken\n"


@pytest.fixture
def store(api_server: ApiServer) -> Iterator[Store]:
    """The server's store, without sources and data."""
    store = api_server.without_dags()
    paths = store.config.paths(document.FOLDER)
    if paths:
        gone = dict.fromkeys(paths)
        store.config.save(gone, author="tests", message="Empty", base=store.config.head())
    for file in store.data.list():
        store.data.delete(file.name)
    for path in (store.root / "files" / "data" / ".deleted").iterdir():
        path.unlink()
    yield store


@pytest.fixture
def open_page(api_server: ApiServer, new_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_as(account: str = "dev", address: str = "", **options: object) -> Page:
        page = new_page(**options)
        api_server.log_in(page, account)
        page.goto(f"{api_server.url}/couture/exploratory-data-analysis/{address}")
        return page

    return open_as


def test_a_source_from_a_dropped_file_to_its_end(open_page: Callable[..., Page], store: Store) -> None:
    page = open_page()
    page.on("dialog", lambda dialog: pytest.fail(f"a script of the data ran: {dialog.message}"))
    expect(page.get_by_text("No sources yet")).to_be_visible()
    drop(page, {"orders.txt.exe": "x"})
    expect(page.locator("#uploads-list")).to_contain_text("The name must end in")
    drop(page, {"orders.csv": TABLE})
    page.get_by_role("link", name="New source of orders.csv").click()

    # The form: what was detected is told, and can be changed with the preview made anew.
    expect(page.get_by_label("Name", exact=True)).to_have_value("orders")
    preview = page.locator("#preview")
    cells = preview.get_by_role("region", name="First rows")
    expect(preview.get_by_role("cell", name="<script>alert(1)</script>")).to_be_visible(timeout=30_000)
    expect(page.locator("#detected-delimiter")).to_have_text("Read with: ;")
    expect(page.locator("#detected-decimal")).to_have_text("Read with: Comma: 1,5")
    expect(preview.locator("#bad-lines")).to_contain_text("1 line of the whole file")
    expect(preview.get_by_text("2 rows", exact=True)).to_be_visible()
    expect(cells.get_by_role("columnheader").nth(1)).to_contain_text(HOSTILE)
    preview.get_by_label(f"{HOSTILE} is sensitive").check()
    expect(preview.get_by_role("cell", name="<script>alert(1)</script>")).to_have_count(0)
    page.get_by_label("Delimiter").fill("|")
    expect(cells.get_by_role("columnheader")).to_have_count(1, timeout=30_000)
    page.get_by_label("Delimiter").fill("ab")
    expect(page.locator("#source-file-reading-delimiter-error")).not_to_be_empty(timeout=30_000)
    page.get_by_label("Delimiter").fill("")
    expect(cells.get_by_role("columnheader")).to_have_count(3, timeout=30_000)
    page.get_by_label("Type of price").select_option("VARCHAR")
    expect(preview.get_by_role("cell", name="1,5", exact=True)).to_be_visible(timeout=30_000)

    # A save that is refused keeps what was typed.
    page.get_by_label("Name", exact=True).fill("a b")
    page.get_by_label("Description").fill(HOSTILE)
    page.get_by_role("button", name="Add source").click()
    expect(page.locator("#source-name-error")).to_contain_text("A name has only letters")
    expect(page.get_by_label("Description")).to_have_value(HOSTILE)
    page.get_by_label("Name", exact=True).fill("orders")
    page.get_by_label("Tags").fill("sales, ü")
    page.get_by_role("button", name="Add source").click()
    expect(page.get_by_role("heading", name="orders", exact=True)).to_be_visible()
    kept = sources.get(store, "orders")
    assert (kept.sensitive, kept.tags, kept.description) == ((HOSTILE,), ("sales", "ü"), HOSTILE)
    assert kept.file.reading == {"types": {"price": "VARCHAR"}}

    # Somebody else saves meanwhile: the difference is shown, and nothing typed is lost.
    page.get_by_label("Tags").fill("mine")
    theirs = document.normal({**kept.json(), "description": "Theirs"})
    sources.save(store, theirs, user="ann", base=None)
    page.get_by_role("button", name="Review & Save").click()
    dialog = page.get_by_role("dialog", name="Review changes")
    expect(dialog.get_by_role("alert")).to_contain_text("Somebody saved this source")
    expect(dialog.get_by_role("region", name="What they changed")).to_contain_text("Theirs")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("#source-state")).to_be_empty()
    assert sources.get(store, "orders").tags == ("mine",)

    # History, restore, rename, delete.
    page.get_by_role("link", name="History").click()
    page.locator("details").first.locator("summary").click()
    expect(page.locator("details").first).to_contain_text("mine")
    page.get_by_role("link", name="Restore version").nth(1).click()
    expect(page.get_by_label("Tags")).to_have_value("sales, ü")
    page.get_by_role("button", name="Rename…").click()
    expect(page.locator("#notices")).to_contain_text("Save what you typed first")
    page.get_by_role("button", name="Close this message").click()
    page.get_by_role("button", name="Review & Save").click()
    page.get_by_role("dialog", name="Review changes").get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile("/source/orders$"))
    assert sources.get(store, "orders").tags == ("sales", "ü")
    page.get_by_role("button", name="Rename…").click()
    page.get_by_label("New name").fill("sales")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", name="sales", exact=True)).to_be_visible()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No sources yet")).to_be_visible()
    assert sources.all(store) == ()


def test_the_pages_fit_a_phone(open_page: Callable[..., Page], store: Store) -> None:
    wide = ",".join(f"column_{number}" for number in range(300)) + "\n" + ",".join(["1"] * 300) + "\n"
    long = "ab ابجد 12 " * 80
    store.data.put("wide.csv", [wide.encode()], user="ann")
    store.data.put("long.csv", [f"a,b\n1,{long}\n".encode()], user="ann")
    sources.add(store, document.normal({"name": "w" * 150, "file": {"data": "wide.csv"}}), user="ann")
    sources.add(store, document.normal({"name": "long", "file": {"data": "long.csv"}}), user="ann")

    page = open_page(address="", viewport={"width": 390, "height": 800}, color_scheme="dark")
    addresses = (
        "",
        "?show=data",
        "?search=nothing",
        f"source/{'w' * 150}",
        f"history/{'w' * 150}",
        "source/long",
    )
    for address in addresses:
        page.goto(f"{page.url.split('/exploratory-data-analysis/')[0]}/exploratory-data-analysis/{address}")
        if address.startswith("source/w"):
            expect(page.locator(".eda-cells th")).to_have_count(300, timeout=30_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address

    # Long values make the page slow: their beginning is laid out, the title has the others.
    cell = page.locator(".eda-cells td").last
    assert cell.evaluate("node => node.textContent") == f"{long[:200]}…"
    assert (cell.get_attribute("title") or "").strip() == long.strip()
