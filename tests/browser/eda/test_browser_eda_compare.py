"""Comparing outputs in a browser: two ticks, both histograms, their numbers; the rules of a schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from couture_workflow.services.eda import outputs, schedules, sources
from tests.support.api_server import ApiServer
from tests.support.eda_profiles import add_output, add_source, column, profile

pytestmark = pytest.mark.browser

NAME = "compare-story"
HOSTILE = "a'b\"<img src=x onerror=alert(1)>&/../ü"
PAGES = "/couture/exploratory-data-analysis"


@pytest.fixture
def dev_page(api_server: ApiServer, new_page: Callable[..., Page]) -> Iterator[Page]:
    """The page of a source with three outputs, in the browser of a developer."""
    store = api_server.store()
    add_source(store, NAME)
    for shift in (0, 10, 60):
        numbers = profile(
            column("age", [n + shift for n in range(100)]),
            column(HOSTILE, [HOSTILE] * (100 - shift) + ["</svg>"] * shift, "text"),
            column("same", [1.0] * 100),
        )
        add_output(store, NAME, numbers)
    page = new_page()
    api_server.log_in(page, "dev")
    page.goto(f"{api_server.url}{PAGES}/source/{NAME}")
    yield page
    outputs.delete_all(store, NAME)
    schedules.delete(store, NAME, user="tests")
    sources.delete(store, NAME, user="tests")


def test_two_outputs_are_ticked_compared_and_guarded(dev_page: Page, api_server: ApiServer) -> None:
    page, said = dev_page, list[str]()
    page.on("console", lambda message: said.append(message.text) if "/compare/" in page.url else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    compare = page.get_by_role("button", name="Compare", exact=True)
    expect(compare).to_be_disabled()
    page.get_by_label("Compare output 3").check()
    expect(page.get_by_text("Tick one more.")).to_be_visible()
    page.get_by_label("Compare output 1").check()
    expect(page.get_by_label("Compare output 2")).to_be_disabled()

    compare.click()

    page.wait_for_url("**/compare/*?a=1&b=3")
    expect(page.get_by_role("heading", level=3)).to_have_count(3)
    expect(page.get_by_role("heading", level=3).first).to_contain_text(HOSTILE)
    picture = page.get_by_role("img", name="Histograms of age in both outputs")
    expect(picture).to_be_visible()
    page.locator("summary", has_text="Shares of age").click()
    shares = page.get_by_role("table", name="Shares of age")
    expect(shares.get_by_role("row")).to_have_count(21)
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.className = theme; }", theme)
        seen = picture.evaluate(
            """svg => [getComputedStyle(document.documentElement).backgroundColor,
                       getComputedStyle(svg.querySelector(".hist-old")).fill,
                       getComputedStyle(svg.querySelector(".hist-new")).stroke,
                       getComputedStyle(svg.querySelector("text")).fill]"""
        )
        assert len(set(seen)) == 4, theme
    page.get_by_role("link", name="Swap them").click()
    page.wait_for_url("**a=3&b=1")
    page.get_by_label("Search by name").fill("AGE")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", level=3)).to_have_count(1)
    assert said == []

    page.goto(f"{api_server.url}{PAGES}/source/{NAME}")
    page.get_by_text("Change the schedule").click()
    page.get_by_label("Cron expression").fill("0 6 * * 1-5")
    page.get_by_label("Rows, fewer than").fill("1,000")
    page.get_by_label("Missing in any column, more than").fill("10 %")
    page.get_by_label("Drift (PSI) of any column, more than").fill("much")
    page.get_by_label("A column went").check()
    page.get_by_role("button", name="A rule for one column").click()
    page.get_by_label("Column", exact=True).fill("any")
    page.get_by_role("button", name="A rule for one column").click()
    page.get_by_label("Column", exact=True).nth(1).fill(HOSTILE)
    page.get_by_label("Rule", exact=True).nth(1).select_option("new_categories")
    expect(page.get_by_label("Limit", exact=True).nth(1)).to_be_hidden()
    save = page.get_by_role("button", name="Save the schedule")
    save.click()
    expect(page.get_by_text("fail_when.drift.any: 'much' is no limit of a drift")).to_be_visible()
    page.get_by_label("Drift (PSI) of any column, more than").fill("0.25")
    save.click()
    expect(page.get_by_text("The schedule is saved.")).to_be_visible()
    saved = schedules.get(api_server.store(), NAME)
    assert saved is not None
    assert saved.fail_when == {
        "rows": {"min": 1000},
        "missing": {"any": "10 %", "column:any": None},
        "drift": {"any": 0.25},
        "columns": ["removed"],
        "new_categories": [HOSTILE],
    }
    page.reload()
    page.get_by_text("Change the schedule").click()
    expect(page.get_by_label("Rows, fewer than")).to_have_value("1000")
    expect(page.get_by_label("Missing in any column, more than")).to_have_value("10 %")
    expect(page.get_by_label("Column", exact=True).nth(1)).to_have_value(HOSTILE)
    page.get_by_role("button", name="Remove this rule").first.click()
    save.click()
    expect(page.get_by_text("The schedule is saved.")).to_be_visible()
    again = schedules.get(api_server.store(), NAME)
    assert again is not None
    assert again.fail_when["missing"] == {"any": "10 %"}

    schedules.save(api_server.store(), replace(again, cron="@weekly"), user="eve")
    page.get_by_label("Rows, fewer than").fill("7")
    save.click()
    expect(page.get_by_text("what you typed is kept: save again to put it in its place")).to_be_visible()
    expect(page.get_by_text("for eve.")).to_be_visible()
    expect(page.get_by_label("Rows, fewer than")).to_have_value("7")
    save.click()
    expect(page.get_by_text("for dev.")).to_be_visible()
    mine = schedules.get(api_server.store(), NAME)
    assert mine is not None
    assert (mine.cron, mine.fail_when["rows"]) == (again.cron, {"min": 7})


def test_outputs_are_cards_on_a_phone(dev_page: Page) -> None:
    dev_page.set_viewport_size({"width": 400, "height": 800})
    box = dev_page.locator("#eda-runs [data-list]")
    expect(box.locator("[data-label='Rows']")).to_have_count(3)

    assert box.evaluate("node => node.scrollWidth - node.clientWidth") == 0
    for control in (box.get_by_role("checkbox"), box.get_by_role("button", name="Delete output")):
        control.first.click(trial=True)


def test_a_page_that_is_not_renewed_says_so_and_keeps_what_was_typed(dev_page: Page) -> None:
    page, said = dev_page, list[str]()
    ticks = page.get_by_role("checkbox", name="Compare output")
    expect(ticks).to_have_count(3)
    page.set_viewport_size({"width": 400, "height": 800})
    right = page.locator("#eda-runs-title").evaluate(
        """title => {
          const text = document.createRange();
          text.selectNodeContents(title);
          const one = text.getBoundingClientRect();
          const other = document.querySelector("#eda-compare").getBoundingClientRect();
          return one.right <= other.left || one.bottom <= other.top;
        }"""
    )
    assert right, "the title and the form beside it lie on each other"

    problem = page.locator("[data-problem]")
    look = "document.dispatchEvent(new Event('visibilitychange'))"
    page.route("**/api/eda/outputs/**", lambda route: route.fulfill(status=401, json={}))
    page.evaluate(look)
    expect(problem).to_be_visible()
    expect(ticks).to_have_count(3)
    page.unroute("**/api/eda/outputs/**")
    page.evaluate(look)
    expect(problem).to_be_hidden()

    page.get_by_text("Change the schedule").click()
    page.get_by_label("Cron expression").fill("0 6 * * 1-5")
    page.once("dialog", lambda dialog: (said.append(dialog.type), dialog.dismiss()))
    page.get_by_role("link", name="← Exploratory Data Analysis").click()
    expect(page.get_by_label("Cron expression")).to_have_value("0 6 * * 1-5")
    assert said == ["beforeunload"]

    page.get_by_label("Time zone").fill("UTC")
    page.get_by_role("button", name="Save the schedule").click()
    expect(page.get_by_text("The schedule is saved.")).to_be_visible()
    page.route("**/schedule", lambda route: route.fulfill(status=503, json={}))
    page.reload()  # nobody asks: all is saved
    expect(page.locator("[data-schedule-told]")).to_contain_text("could not be asked")
    page.get_by_text("Change the schedule").click()
    expect(page.get_by_label("Cron expression")).to_be_disabled()


def test_who_works_by_the_keyboard_keeps_the_place(dev_page: Page) -> None:
    page = dev_page
    page.get_by_role("button", name="Delete output").nth(1).press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
    outputs_box = page.locator("#eda-runs [data-list]")
    expect(outputs_box.get_by_role("rowheader")).to_have_count(2)
    expect(outputs_box).to_be_focused()

    page.get_by_text("Change the schedule").press("Enter")
    add = page.get_by_role("button", name="A rule for one column")
    remove = page.get_by_role("button", name="Remove this rule")
    for _ in range(2):
        add.press("Enter")
    remove.first.press("Enter")
    expect(remove).to_be_focused()
    remove.press("Enter")
    expect(add).to_be_focused()

    page.get_by_label("Cron expression").fill("0 6 * * 1-5")
    save = page.get_by_role("button", name="Save the schedule")
    save.press("Enter")
    expect(page.get_by_text("The schedule is saved.")).to_be_visible()
    expect(save).to_be_focused()
    page.get_by_role("button", name="Delete the schedule").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete").press("Enter")
    expect(page.locator("[data-schedule-told]")).to_contain_text("It runs when somebody presses Play")
    expect(page.locator("[data-schedule] summary")).to_be_focused()


def test_a_long_name_of_a_column_fits_a_phone(dev_page: Page, api_server: ApiServer) -> None:
    store = api_server.store()
    numbers = [add_output(store, NAME, profile(column("x" * 180, [1.0, 2.0]))) for _ in range(2)]
    dev_page.set_viewport_size({"width": 390, "height": 800})
    dev_page.goto(f"{api_server.url}{PAGES}/compare/{NAME}?a={numbers[0]}&b={numbers[1]}")

    expect(dev_page.locator("summary", has_text="Shares of x")).to_be_visible()
    assert dev_page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    field = dev_page.get_by_label("Search by name").bounding_box()
    assert field is not None and field["width"] >= 160
