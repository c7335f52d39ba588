"""The Spark configuration page in a browser: review, save, history, restore, errors, secrets, conflicts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer

pytestmark = pytest.mark.browser

SECRET = "spark.hadoop.fs.s3a.secret.key"
HOSTILE = "a'b\"<&>ü"


@pytest.fixture
def admin(api_server: ApiServer) -> Iterator[httpx.Client]:
    """Return a client for the REST API; the configuration starts with local[2] and one setting."""
    with httpx.Client(base_url=api_server.url, auth=("admin", "admin"), timeout=30) as client:
        save(client, {"spark.executor.cores": "2"})
        yield client


def save(client: httpx.Client, configurations: dict[str, str], **more: Any) -> None:
    body = {"arguments": {"master": "local[2]"}, "configurations": configurations, **more}
    answer = client.put("/api/configs/spark", json=body)
    assert answer.status_code == 200, answer.text


def read(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/configs/spark").json()
    return found


@pytest.fixture
def open_page(api_server: ApiServer, new_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_as(account: str = "admin", path: str = "/", **options: Any) -> Page:
        page = new_page(**options)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        api_server.log_in(page, account)
        page.goto(f"{api_server.url}/couture/spark-configuration{path}")
        assert errors == []
        return page

    return open_as


def add(page: Page, kind: str, name: str, value: str) -> None:
    names = page.get_by_role("combobox", name=re.compile(rf"{kind} \d+ name", re.IGNORECASE))
    before = names.count()
    page.get_by_role("button", name=f"Add {kind}").press("Enter")
    expect(names).to_have_count(before + 1)
    names.last.fill(name)
    page.get_by_label(f"Value of {name}").fill(value)


def test_add_review_save_history_restore(
    admin: httpx.Client, store: Store, open_page: Callable[..., Page]
) -> None:
    store.dependencies.put("browser-test.jar", [b"1"], user="ada")
    store.dependencies.put("browser-test.jar", [b"2"], user="ada")
    page = open_page()

    # a suggested name, by keyboard alone
    page.get_by_role("button", name="Add argument").press("Enter")
    page.keyboard.type("driver-mem")
    expect(page.get_by_role("option", name="driver-memory")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Value of driver-memory")).to_be_focused()
    page.keyboard.type("1g")
    add(page, "configuration", "spark.hadoop.x", HOSTILE)
    page.get_by_role("button", name="Add jar").click()
    page.get_by_role("combobox", name="Jar 1", exact=True).fill("browser")
    page.get_by_role("option", name="browser-test.jar").click()
    page.get_by_label("Version of browser-test.jar").select_option("Version 1")
    page.get_by_role("button", name="Delete spark.executor.cores").click()

    expect(page.get_by_role("region", name="Command")).to_contain_text("--jars browser-test.jar@1")
    expect(page.get_by_role("region", name="Command")).to_contain_text("--driver-memory 1g")
    page.get_by_role("button", name="Review changes").click()
    review = page.get_by_role("dialog", name="Review changes")
    expect(review.get_by_role("row")).to_have_count(5)
    expect(review.get_by_role("row", name="Removed spark.executor.cores")).to_contain_text("2")
    expect(review.get_by_role("row", name="Added spark.hadoop.x")).to_contain_text(HOSTILE)
    review.get_by_label("Message (optional)").fill(f"Because {HOSTILE}")
    review.get_by_role("button", name="Save").click()

    expect(page.get_by_text("Saved. Jobs that start from now on use it.")).to_be_visible()
    assert {**read(admin), "commit": ""} == {
        "arguments": {"master": "local[2]", "driver-memory": "1g"},
        "configurations": {"spark.hadoop.x": HOSTILE},
        "jars": ["browser-test.jar@1"],
        "py_files": [],
        "commit": "",
    }

    page.get_by_role("link", name="History").click()
    newest, before = (page.get_by_role("listitem").nth(number) for number in (0, 1))
    expect(newest).to_contain_text(f"Because {HOSTILE}")
    expect(newest).to_contain_text("admin")
    newest.get_by_text("Changes", exact=True).click()
    expect(newest.get_by_role("row", name="Added driver-memory")).to_be_visible()
    before.get_by_role("link", name=re.compile("Restore")).click()
    review = page.get_by_role("dialog", name="Review changes")
    expect(review.get_by_role("row", name="Removed driver-memory")).to_be_visible()
    review.get_by_role("button", name="Save").click()

    expect(page.get_by_text("Saved. Jobs that start from now on use it.")).to_be_visible()
    assert read(admin)["configurations"] == {"spark.executor.cores": "2"}
    store.dependencies.delete("browser-test.jar")


def test_secret_is_set_replaced_and_never_shown(
    admin: httpx.Client, store: Store, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    add(page, "configuration", SECRET, "first")
    expect(page.get_by_label(f"Value of {SECRET}")).to_have_attribute("type", "password")
    expect(page.get_by_role("region", name="Command")).to_contain_text("--properties-file")
    expect(page.get_by_role("region", name="Command")).not_to_contain_text("first")
    page.get_by_role("button", name="Review changes").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("group", name=f"Saved secret {SECRET}")).to_be_visible()

    page.reload()

    expect(page.get_by_role("group", name=f"Saved secret {SECRET}")).to_be_visible()
    assert "first" not in page.content().replace("first-", "")
    page.get_by_role("button", name=f"Replace the secret {SECRET}").click()
    page.get_by_role("textbox", name=f"Value of {SECRET}").or_(
        page.get_by_role("combobox", name=f"Value of {SECRET}")
    ).fill("second")
    page.get_by_role("button", name="Review changes").click()
    expect(page.get_by_role("row", name=f"Changed {SECRET}")).to_contain_text("another secret")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. Jobs that start from now on use it.")).to_be_visible()
    assert spark_configuration.load(store).configurations[SECRET] == "second"


def test_error_stands_beside_its_field_and_nothing_is_lost(
    admin: httpx.Client, open_page: Callable[..., Page]
) -> None:
    before = read(admin)
    page = open_page()
    add(page, "argument", "driver-memory", "lots")
    add(page, "configuration", "spark.hadoop.x", HOSTILE)
    add(page, "configuration", SECRET, "typed")
    page.get_by_role("button", name="Review changes").click()

    field = page.get_by_label("Value of driver-memory")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(
        '"lots" is not an amount of memory. Use a whole number and k, m, g or t, such as 512m or 4g.'
    )
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.reload()

    expect(page.get_by_text("Your unsaved changes are back.")).to_be_visible()
    expect(page.get_by_label("Value of driver-memory")).to_have_value("lots")
    expect(page.get_by_label("Value of spark.hadoop.x")).to_have_value(HOSTILE)
    expect(page.get_by_text("Type the secret again")).to_be_visible()
    assert "typed" not in str(page.evaluate("JSON.stringify(sessionStorage)"))
    page.get_by_role("button", name="Discard changes").click()
    page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(page.get_by_label("Value of driver-memory")).to_have_count(0)
    assert read(admin) == before


def test_conflict_shows_the_difference_and_carries_changes_over(
    admin: httpx.Client, store: Store, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    add(page, "configuration", SECRET, "mine")
    page.get_by_label("Value of spark.executor.cores").fill("8")
    page.get_by_role("button", name="Review changes").click()
    expect(page.get_by_role("dialog", name="Review changes")).to_be_visible()
    save(admin, {"spark.executor.cores": "4", "spark.executor.memory": "2g"}, message="Meanwhile")

    page.get_by_role("button", name="Save").click()

    dialog = page.get_by_role("dialog", name="Somebody else saved meanwhile")
    expect(dialog).to_contain_text("admin saved “Meanwhile”")
    theirs = dialog.get_by_role("region", name="What they changed")
    expect(theirs.get_by_role("row", name="Added spark.executor.memory")).to_be_visible()
    both = dialog.get_by_role("region", name="What you both changed")
    expect(both.get_by_role("row", name="spark.executor.cores Configuration 4 8")).to_be_visible()
    dialog.get_by_role("button", name="Carry my changes over").click()
    review = page.get_by_role("dialog", name="Review changes")
    expect(review.get_by_role("row")).to_have_count(3)
    review.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. Jobs that start from now on use it.")).to_be_visible()
    assert spark_configuration.load(store).configurations == {
        "spark.executor.cores": "8",
        "spark.executor.memory": "2g",
        SECRET: "mine",
    }


def test_expired_login_loses_nothing(
    admin: httpx.Client, api_server: ApiServer, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.context.clear_cookies()
    add(page, "configuration", "spark.hadoop.x", "typed while logged out")

    expect(page.get_by_text("Your login has expired.")).to_be_visible()
    api_server.log_in(page)
    page.get_by_role("button", name="Reload the page").click()

    expect(page.get_by_label("Value of spark.hadoop.x")).to_have_value("typed while logged out")


@pytest.mark.parametrize("width", [390, 1280, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_every_width(
    admin: httpx.Client, open_page: Callable[..., Page], width: int, scheme: str
) -> None:
    page = open_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    add(page, "argument", "driver-memory", "lots")
    add(page, "configuration", "spark.executor.extraJavaOptions", "-Dx=" + "y" * 300)
    page.get_by_role("button", name="Review changes").click()
    expect(page.get_by_label("Value of driver-memory")).to_be_focused()

    assert page.evaluate("document.documentElement.scrollWidth") == width
    expect(page.get_by_role("button", name="Review changes")).to_be_in_viewport()


def test_developer_reads_without_controls(admin: httpx.Client, open_page: Callable[..., Page]) -> None:
    page = open_page("dev")

    expect(page.get_by_role("row", name="spark.executor.cores 2")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)
