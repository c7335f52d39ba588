"""The page Edit DAG in a browser: typing, completion, problems, drafts that survive, colours, keyboard."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from couture_workflow.services.dags import drafts as dag_drafts
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer

pytestmark = pytest.mark.browser

DAG = """\
from airflow.sdk import DAG

with DAG("{}", schedule=None):
    pass
"""
OLD = """\
from airflow import DAG
from airflow.operators.bash_operator import BashOperator

with DAG("browser_old", schedule_interval="@daily"):
    BashOperator(task_id="x", bash_command="true")
"""


def save(store: Store, path: str, text: str, author: str = "ada", message: str = "Made") -> None:
    store.dags.save({path: text.encode()}, author=author, message=message, base=store.dags.head())


class Editor:
    """A person who has a file open; whatever the console has to complain about is collected."""

    def __init__(self, server: ApiServer, store: Store, page: Page, path: str) -> None:
        self.server, self.store, self.page, self.path = server, store, page, path
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        # A call that the server refuses is told by the browser too; the page says what it makes of it.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    @property
    def text(self) -> Locator:
        return self.page.locator("#code .cm-content")

    @property
    def state(self) -> Locator:
        return self.page.locator("#state")

    @property
    def draft(self) -> str | None:
        """What the server keeps."""
        found = dag_drafts.get(self.store, "dev", self.path)
        return found.content if found else None

    def accept(self, option: str) -> None:
        """Take a completion once it is offered."""
        self.page.get_by_role("option").filter(has_text=option).first.click()

    def log_in(self, account: str = "dev") -> None:
        self.server.log_in(self.page, account)

    def open(self, hash_: str = "") -> Editor:
        self.page.goto(f"{self.server.url}/couture/dag-editor/?path={self.path}{hash_}")
        expect(self.text).to_be_visible()
        return self

    def write(self, keys: str, *, at: str = "Control+End") -> None:
        self.text.click()
        self.page.keyboard.press(at)
        self.page.keyboard.type(keys)

    def do(self, name: str) -> None:
        self.page.get_by_label("More", exact=True).click()
        self.page.locator("#menu").get_by_text(name).click()


@pytest.fixture
def open_editor(
    api_server: ApiServer, store: Store, new_page: Callable[..., Page]
) -> Iterator[Callable[..., Editor]]:
    opened: list[Editor] = []

    def make(path: str = "", text: str = "", context: BrowserContext | None = None, **options: Any) -> Editor:
        path = path or f"browser/{uuid.uuid4().hex}.py"  # a page that closes may still send its draft
        if not context:
            save(store, path, text or DAG.format(path[8:16]))
        editor = Editor(api_server, store, context.new_page() if context else new_page(**options), path)
        opened.append(editor)
        if context is None:
            editor.log_in()
        return editor.open()

    yield make
    assert [complaint for editor in opened for complaint in editor.complaints] == []


def test_operator_and_argument_are_completed_with_the_import(open_editor: Callable[..., Editor]) -> None:
    editor = open_editor()
    page = editor.page

    editor.write("    CouturePyS")
    expect(page.locator(".cm-completionInfo")).to_contain_text("code_artifact")
    editor.accept("CouturePySparkOperator")
    expect(editor.text).to_contain_text("from couture_workflow.operators import CouturePySparkOperator")
    page.keyboard.type("(code_art")
    editor.accept("code_artifact")
    expect(editor.text).to_contain_text("CouturePySparkOperator(code_artifact=)")
    page.keyboard.type('"x.py", trigger_rule="all_do')
    editor.accept("all_done_min_one_success")

    expect(editor.state).to_have_text(re.compile(r"draft kept \d\d:\d\d:\d\d"))
    call = 'CouturePySparkOperator(code_artifact="x.py", trigger_rule="all_done_min_one_success")'
    assert call in (editor.draft or "")


def test_names_are_offered_where_they_belong(
    open_editor: Callable[..., Editor], store: Store, api_server: ApiServer
) -> None:
    store.artifacts.put("browser-editor.py", [b"x = 1"], user="ada")
    save(store, "browser/tables.py", "NAMES = []\n")
    editor = open_editor()
    options = editor.page.get_by_role("option")

    def offered(keys: str, name: str) -> None:
        editor.text.click()
        editor.page.keyboard.press("Control+End")
        editor.page.keyboard.press("Shift+Home")
        editor.page.keyboard.press("Delete")
        editor.page.keyboard.type(keys)
        expect(options.filter(has_text=name).first).to_be_visible()
        editor.page.keyboard.press("Escape")

    offered("from browser.tables import N", "NAMES")
    offered("from airflow.providers.standard.operators.ba", "airflow.providers.standard.operators.bash")
    offered('CoutureSparkOperator(code_artifact="bro', "browser-editor.py")
    offered("@task.bra", "branch")
    offered('x = "{{ ds_', "ds_nodash")
    offered('BashOperator(pool="def', "default_pool")


def test_problem_is_underlined_listed_and_fixed(open_editor: Callable[..., Editor]) -> None:
    editor = open_editor()
    page = editor.page
    editor.write("import os\n", at="Control+Home")

    expect(page.locator(".cm-lintRange-info")).to_have_text("os")
    expect(page.get_by_role("button", name="1 problem")).to_be_visible()
    page.get_by_role("button", name="1 problem").click()
    listed = page.locator(".cm-panel-lint")
    expect(listed).to_contain_text("`os` imported but unused.")
    listed.get_by_role("button", name="Fix").click()
    expect(page.get_by_role("button", name="No problems")).to_be_visible()
    expect(editor.text).not_to_contain_text("import os")
    page.get_by_role("button", name="No problems").click()

    editor.write("def (\n")
    expect(page.locator(".cm-lintRange-error, .cm-lintPoint-error").first).to_be_attached()
    editor.text.click()
    page.keyboard.press("Control+Home")
    page.keyboard.press("F8")
    expect(page.locator("#place")).to_contain_text("Line 5")


def test_check_shows_what_a_save_would(open_editor: Callable[..., Editor]) -> None:
    editor = open_editor()
    page = editor.page
    page.get_by_role("button", name="Check").click()
    dialog = page.get_by_role("dialog", name="Check")
    expect(dialog).to_contain_text(editor.path[8:16])
    expect(dialog).to_contain_text("it can be saved")
    dialog.get_by_role("button", name="Close").click()

    editor.write("import nothing_of_this_name\n", at="Control+Home")
    page.get_by_role("button", name="Check").click()
    expect(dialog).to_contain_text("It cannot be saved like this")
    dialog.get_by_role("button", name="Line 1").first.click()

    expect(page.locator("#place")).to_contain_text("Line 1")
    expect(page.locator(".cm-lintRange-error").first).to_be_attached()


def test_a_finding_underlines_its_argument_or_the_text_of_its_line(
    open_editor: Callable[..., Editor],
) -> None:
    editor = open_editor()
    page = editor.page
    editor.text.click()
    page.keyboard.press("Control+End")
    page.keyboard.insert_text(
        "import warnings\n"
        "from airflow.providers.standard.operators.bash import BashOperator\n"
        "with DAG('browser_places', schedule=None):\n"
        "    warnings.warn('mind')  \n"
        "    BashOperator(task_id='a', bash_command='run.sh', pool='nope')\n"
    )
    page.get_by_role("button", name="Check").click()
    page.get_by_role("dialog", name="Check").get_by_role("button", name="Close").click()

    page.wait_for_function(
        "text => text === [...document.querySelectorAll('.cm-lintRange-warning')]"
        ".map((each) => each.textContent).join('')",
        arg="warnings.warn('mind')bash_command='run.sh'pool='nope'",
    )


def test_draft_survives_a_closed_tab_and_an_expired_log_in(open_editor: Callable[..., Editor]) -> None:
    editor = open_editor()
    editor.write("# one\n")
    expect(editor.state).to_contain_text("draft kept")
    assert editor.draft == DAG.format(editor.path[8:16]) + "# one\n"

    editor.page.context.clear_cookies()
    editor.write("# two\n")
    expect(editor.state).to_contain_text("logged out")
    expect(editor.page.get_by_role("alert")).to_contain_text("Your log-in has expired")
    context = editor.page.context
    editor.page.close(run_before_unload=False)
    assert editor.draft == DAG.format(editor.path[8:16]) + "# one\n"

    editor.page = context.new_page()
    editor.log_in()
    editor.open()

    expect(editor.text).to_contain_text("# two")
    expect(editor.state).to_contain_text("draft kept")
    assert editor.draft == DAG.format(editor.path[8:16]) + "# one\n# two\n"
    expect(editor.page.get_by_text("This browser also keeps a text")).to_be_visible()
    editor.page.get_by_role("button", name="Show it instead").click()
    expect(editor.text).not_to_contain_text("# two")
    editor.page.get_by_role("button", name="Show it instead").click()
    expect(editor.text).to_contain_text("# two")
    editor.page.get_by_role("button", name="Delete it").click()
    expect(editor.page.get_by_text("This browser also keeps a text")).to_have_count(0)


def test_page_goes_on_after_a_new_log_in(open_editor: Callable[..., Editor]) -> None:
    editor = open_editor()
    editor.page.context.clear_cookies()
    editor.write("# typed while logged out\n")
    expect(editor.state).to_contain_text("logged out")

    editor.log_in()
    editor.page.evaluate("window.dispatchEvent(new Event('focus'))")

    expect(editor.state).to_contain_text("draft kept")
    expect(editor.page.locator("#expired")).to_be_hidden()
    assert editor.draft == DAG.format(editor.path[8:16]) + "# typed while logged out\n"


def test_last_words_before_the_tab_closes_are_kept(open_editor: Callable[..., Editor]) -> None:
    editor = open_editor()
    context = editor.page.context
    editor.write("# last words")
    editor.page.close()

    again = open_editor(editor.path, context=context)

    expect(again.text).to_contain_text("# last words")
    expect(again.state).to_contain_text("draft kept")
    assert editor.draft == DAG.format(editor.path[8:16]) + "# last words"


def test_offline_keeps_and_sends_later(open_editor: Callable[..., Editor]) -> None:
    editor = open_editor()
    editor.page.context.set_offline(True)
    editor.write("# offline\n")
    expect(editor.state).to_contain_text("offline")

    editor.page.context.set_offline(False)

    expect(editor.state).to_contain_text("draft kept")
    assert editor.draft == DAG.format(editor.path[8:16]) + "# offline\n"


def test_two_windows_keep_both_texts(open_editor: Callable[..., Editor]) -> None:
    one = open_editor()
    other = open_editor(one.path, context=one.page.context)
    one.write("# from one\n")
    expect(one.state).to_contain_text("draft kept")

    other.write("# from the other\n")

    expect(other.state).to_contain_text("another window")
    assert one.draft == DAG.format(one.path[8:16]) + "# from one\n"
    other.page.get_by_role("button", name="Use the other text").click()
    expect(other.text).to_contain_text("# from one")
    other.page.get_by_role("button", name="Show it instead").click()
    expect(other.text).to_contain_text("# from the other")
    expect(other.state).to_contain_text("draft kept")
    assert one.draft == DAG.format(one.path[8:16]) + "# from the other\n"


def test_version_of_somebody_else_is_told_and_nothing_is_lost(open_editor: Callable[..., Editor]) -> None:
    editor = open_editor()
    editor.write("# mine\n")
    expect(editor.state).to_contain_text("draft kept")
    save(editor.store, editor.path, "# theirs\n", author="bob", message="Theirs <b>&")

    editor.page.evaluate("window.dispatchEvent(new Event('focus'))")

    banner = editor.page.locator("[data-banner=changed]")
    expect(banner).to_contain_text("bob saved another version of this file")
    expect(banner).to_contain_text("Theirs <b>&")
    expect(editor.text).to_contain_text("# mine")
    banner.get_by_role("button", name="Discard my draft").click()
    editor.page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(editor.text).to_contain_text("# theirs")
    expect(editor.state).to_have_text("saved")
    assert editor.draft is None


def test_review_gets_the_text_as_it_is(open_editor: Callable[..., Editor]) -> None:
    editor = open_editor()
    editor.write("# for review")

    editor.page.keyboard.press("Control+s")

    editor.page.wait_for_url(re.compile(r"/couture/dag-review/\?path=browser%2F"))
    assert editor.draft == DAG.format(editor.path[8:16]) + "# for review"


def test_layout_imports_and_upgrade_can_be_undone(open_editor: Callable[..., Editor]) -> None:
    editor = open_editor(text=OLD)
    page = editor.page
    page.get_by_role("button", name="Upgrade").click()
    dialog = page.get_by_role("dialog", name="Upgrade this file")
    expect(dialog).to_contain_text("airflow.providers.standard.operators.bash")
    dialog.get_by_role("button", name="Apply to the text").click()
    expect(editor.text).to_contain_text('schedule="@daily"')

    editor.write("import  sys\nimport   os\n", at="Control+Home")
    editor.do("Organise imports")
    expect(page.locator("#code .cm-line").first).to_have_text("import os")
    editor.do("Format")
    expect(page.locator("#code .cm-line").nth(1)).to_have_text("import sys")
    for _ in range(60):  # whoever types slowly has more to undo
        editor.text.focus()
        page.keyboard.press("Control+z")
    expect(editor.text).to_contain_text("schedule_interval")


def test_colours_follow_the_page(open_editor: Callable[..., Editor]) -> None:
    editor = open_editor(color_scheme="light")
    keyword = editor.page.locator(".tok-keyword").first

    def colours() -> tuple[str, ...]:
        background = "node => getComputedStyle(node.closest('.cm-editor')).backgroundColor"
        return keyword.evaluate("node => getComputedStyle(node).color"), keyword.evaluate(background)

    light = colours()
    editor.page.emulate_media(color_scheme="dark")
    expect(editor.page.locator("html.dark")).to_be_attached()
    dark = colours()
    editor.page.emulate_media(color_scheme="light")
    expect(editor.page.locator("html.light")).to_be_attached()

    assert not set(light) & set(dark)
    assert colours() == light


def test_size_and_wrapping_are_remembered(open_editor: Callable[..., Editor]) -> None:
    editor = open_editor()
    size = "getComputedStyle(document.querySelector('.cm-content')).fontSize"
    assert editor.page.evaluate(size) == "13px"
    editor.do("Larger text")
    editor.page.locator("#menu").get_by_text("Wrap long lines").click()

    editor.open()

    assert editor.page.evaluate(size) == "14px"
    expect(editor.page.locator(".cm-lineWrapping")).to_be_attached()


def test_keyboard_reaches_everything(open_editor: Callable[..., Editor]) -> None:
    editor = open_editor()
    page = editor.page
    expect(editor.text).to_be_focused()
    page.keyboard.press("Tab")
    expect(editor.text).to_be_focused()
    expect(page.locator("#code .cm-line").first).to_have_text("    from airflow.sdk import DAG")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_label("More", exact=True)).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Review & Save")).to_be_focused()
    editor.text.focus()
    page.keyboard.press("F1")
    expect(page.get_by_role("dialog", name="Keyboard")).to_contain_text("Esc, then Tab")


def test_address_points_at_a_line(open_editor: Callable[..., Editor]) -> None:
    editor = open_editor()
    editor.open("#L3C6")

    expect(editor.page.locator("#place")).to_have_text("Line 3, column 6")


def test_windows_line_ends_stay(open_editor: Callable[..., Editor]) -> None:
    editor = open_editor(text="a = 1\r\nb = 2\r\n")
    editor.write("c = 3\n")

    expect(editor.state).to_contain_text("draft kept")
    assert editor.draft == "a = 1\r\nb = 2\r\nc = 3\r\n"


def test_who_may_only_look_cannot_type(api_server: ApiServer, open_editor: Callable[..., Editor]) -> None:
    rows = api_server.sql(
        "select pvr.id, pvr.permission_view_id, pvr.role_id from ab_permission_view_role pvr "
        "join ab_permission_view pv on pv.id = pvr.permission_view_id "
        "join ab_permission p on p.id = pv.permission_id join ab_view_menu v on v.id = pv.view_menu_id "
        "join ab_role r on r.id = pvr.role_id "
        "where v.name = 'DAG Files' and p.name = 'can_edit' and r.name = 'Developer'"
    )
    (row,) = rows
    api_server.sql("delete from ab_permission_view_role where id = ?", row[0])
    try:
        editor = open_editor()
        expect(editor.page.get_by_text("You can look at this file.")).to_be_visible()
        expect(editor.page.get_by_role("button", name="Review & Save")).to_have_count(0)
        editor.write("typed")
        expect(editor.text).not_to_contain_text("typed")
    finally:
        api_server.sql(
            "insert into ab_permission_view_role (id, permission_view_id, role_id) values (?, ?, ?)", *row
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_a_phone(open_editor: Callable[..., Editor], scheme: str) -> None:
    editor = open_editor(viewport={"width": 390, "height": 780}, color_scheme=scheme)

    assert editor.page.evaluate("document.documentElement.scrollWidth") == 390
    editor.page.get_by_label("More", exact=True).click()
    for name in ("Find and replace", "Keyboard"):
        expect(editor.page.locator("#menu").get_by_text(name)).to_be_in_viewport(ratio=1)
