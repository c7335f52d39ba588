"""Code bricks in a browser: find, add with review, history, restore; insert one in the editor."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.api_server import ApiServer

pytestmark = pytest.mark.browser

Open = Callable[..., Page]


@pytest.fixture
def open_page(api_server: ApiServer, new_page: Callable[..., Page]) -> Open:
    def open_as(path: str, account: str = "dev", **options: object) -> Page:
        page = new_page(**options)
        api_server.log_in(page, account)
        page.goto(f"{api_server.url}/couture{path}")
        return page

    return open_as


def code_of(page: Page) -> str:
    lines = page.locator(".cm-line").all_inner_texts()
    return "\n".join(line.rstrip("\n") for line in lines)


def test_a_search_leaves_what_fits(open_page: Open) -> None:
    page = open_page("/code-bricks/")
    bricks = page.get_by_role("list", name="Bricks").get_by_role("listitem")
    expect(bricks.filter(visible=True).first).to_be_visible()

    page.get_by_label("Search in titles").fill("one task per item")
    expect(bricks.filter(visible=True)).to_have_count(1)
    page.get_by_label("Search in titles").fill("nothing like this")
    expect(page.locator("#brick-count")).to_contain_text("No brick fits")
    page.get_by_label("Search in titles").fill("")
    page.get_by_label("Tag").select_option("sensor")
    expect(bricks.filter(visible=True)).to_have_count(1)


def test_add_change_restore_and_delete_a_brick(open_page: Open) -> None:
    page = open_page("/code-bricks/new")
    page.get_by_label("Name", exact=True).fill("say")
    page.get_by_label("Title").fill('Say "it" <b>loud</b>')
    page.get_by_label("Tags").fill("own, test")
    page.get_by_role("button", name="Add parameter").click()
    page.locator("#parameters [name=parameter]").fill("words")
    page.locator("#parameters [name=default]").fill('he said "hi"')
    page.get_by_label("Code of the brick").fill('print("${words}"')
    expect(page.locator("#brick-code-error")).to_contain_text("not Python")

    page.get_by_label("Code of the brick").fill('print("${words}")')
    expect(page.locator("#preview")).to_contain_text('print("he said \\"hi\\"")')
    page.get_by_role("button", name="Review & Save").click()
    expect(page.get_by_role("dialog")).to_contain_text("title:")
    page.get_by_label("Message").fill("First")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name='Say "it" <b>loud</b>')).to_be_visible()

    page.get_by_role("link", name="Edit Say").click()
    page.get_by_label("Title").fill("Say it again")
    page.get_by_role("button", name="Review & Save").click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="History of Say it again").click()
    versions = page.get_by_role("list", name="Versions").get_by_role("listitem")
    expect(versions).to_have_count(2)
    expect(versions.nth(1)).to_contain_text("First")

    versions.nth(1).get_by_role("link", name="Restore").click()
    expect(page.get_by_label("Title")).to_have_value('Say "it" <b>loud</b>')
    page.get_by_role("button", name="Review & Save").click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name='Delete Say "it"').click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name='Say "it" <b>loud</b>')).to_have_count(0)


def test_a_shipped_brick_can_be_deleted_and_brought_back(open_page: Open) -> None:
    page = open_page("/code-bricks/")
    page.get_by_role("button", name="Delete Task group").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Task group")).to_have_count(0)

    page.get_by_text("Deleted bricks that came").click()
    page.get_by_role("button", name="Bring back").click()
    page.get_by_role("dialog").get_by_role("button", name="Take it").click()
    expect(page.get_by_role("heading", name="Task group")).to_be_visible()


def test_what_another_person_saved_is_not_overwritten(open_page: Open, api_server: ApiServer) -> None:
    first, second = open_page("/code-bricks/sensor/edit"), open_page("/code-bricks/sensor/edit", "admin")
    for page, title in ((first, "First"), (second, "Second")):
        page.get_by_label("Title").fill(title)
        page.get_by_role("button", name="Review & Save").click()
        page.get_by_label("Message").fill(f"Why {title}")
        page.get_by_role("button", name="Save", exact=True).click()
        if page is first:
            expect(page.get_by_role("heading", name="First", exact=True)).to_be_visible()

    expect(second.locator("#review-error")).to_contain_text("meanwhile")
    second.get_by_role("button", name="Back").click()
    expect(second.get_by_label("Title")).to_have_value("Second")
    second.get_by_role("button", name="Review & Save").click()
    expect(second.get_by_label("Message")).to_have_value("Why Second")


def test_insert_puts_code_and_imports_in_their_places(open_page: Open) -> None:
    page = open_page("/dag-editor/?path=bricks_inserted.py")
    text = page.get_by_role("textbox", name="Text of bricks_inserted.py")
    text.fill("from airflow.sdk import DAG\n\nwith DAG('x') as dag:\n    pass")
    page.keyboard.press("Control+End")
    page.get_by_role("button", name="Insert brick").click()
    dialog = page.get_by_role("dialog", name="Insert brick")
    dialog.get_by_label("Search bricks").fill("python function")
    dialog.get_by_label("Search bricks").press("Enter")
    dialog.get_by_label("task").fill("two words")
    expect(dialog.get_by_role("alert")).to_contain_text("must be a Python name")
    dialog.get_by_label("task").fill("count_rows")
    expect(dialog.get_by_label("Code", exact=True)).to_contain_text("def count_rows")
    dialog.get_by_role("button", name="Insert").click()

    expect(dialog).to_have_count(0)
    code = code_of(page)
    assert code.splitlines()[0] == "from airflow.sdk import DAG, task"
    assert code.count("airflow.sdk") == 1
    assert "as dag:\n    @task\n    def count_rows() -> dict[str, int]:\n" in code  # in place of the pass


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_script_or_style_is_refused(open_page: Open, scheme: str) -> None:
    page = open_page("/code-bricks/", color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(page.url + "branch/edit")
    expect(page.locator("#preview")).to_contain_text("choose_join")

    assert said == []


def test_a_viewer_gets_neither_page_nor_answer(api_server: ApiServer) -> None:
    with httpx.Client(base_url=api_server.url, cookies={"_token": api_server.token("viewer")}) as client:
        for path in ("", "list", "new", "branch/edit", "branch/history"):
            assert client.get(f"/couture/code-bricks/{path}").status_code == 403, path
