"""Manage DAGs in a browser: create, upload, search, rename, delete, conflicts, states that refresh."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer
from tests.support.dropping import drop

pytestmark = pytest.mark.browser

HOSTILE = "a'b\"<&>ü.py"
DAG = 'from airflow.sdk import DAG\n\nwith DAG(dag_id="{}", schedule=None):\n    pass\n'


def paths(store: Store) -> list[str]:
    return [file.path for file in dag_repository.files(store)]


def put(store: Store, files: dict[str, str], *, author: str = "bob", message: str = "Put") -> None:
    changes = {path: text.encode() for path, text in files.items()}
    store.dags.save(changes, author=author, message=message, base=store.dags.head())


@pytest.fixture
def open_page(
    api_server: ApiServer, store: Store, new_page: Callable[..., Page]
) -> Iterator[Callable[..., Page]]:
    errors: list[str] = []

    def open_as(account: str = "admin", **options: Any) -> Page:
        page = new_page(**options)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: errors.append(message.text) if "Content Security" in message.text else None,
        )
        api_server.log_in(page, account)
        page.goto(f"{api_server.url}/couture/manage-dags/")
        expect(page.locator("#loading")).to_be_hidden()
        return page

    yield open_as
    assert errors == []


def row(page: Page, name: str) -> Locator:
    """Return the row of a file or folder, by what is shown of its name."""
    found = page.get_by_role("rowheader", name=re.compile(rf"(^|folder ){re.escape(name)}(?!\S)"))
    return page.get_by_role("table", name="DAG files").get_by_role("row").filter(has=found)


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


def choose(page: Page, files: dict[str, bytes]) -> None:
    page.get_by_label("Upload files").first.set_input_files(
        [{"name": name, "mimeType": "", "buffer": content} for name, content in files.items()]
    )


def packed(members: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, text in members.items():
            file.writestr(name, text)
    return content.getvalue()


def test_empty_page_explains_and_offers_an_example(open_page: Callable[..., Page], store: Store) -> None:
    page = open_page()
    expect(page.get_by_role("heading", name="No DAG files yet")).to_be_visible()

    page.locator("#empty").get_by_role("button", name="Copy an example").click()
    dialog(page).get_by_label("word_count.py").check()
    expect(dialog(page)).to_contain_text("examples/dags/word_count.py")
    dialog(page).get_by_role("button", name="Save").click()

    expect(page.get_by_role("status").filter(has_text="Copy the example word_count.py")).to_be_visible()
    expect(row(page, "examples")).to_contain_text("2 files")
    assert paths(store) == ["examples/dags/word_count.py", "examples/data/jackass-penguin.txt"]


def test_new_file_gets_a_name_by_the_rule_and_opens_the_editor(
    open_page: Callable[..., Page], store: Store
) -> None:
    put(store, {"daily.py": "x = 1\n"})
    page = open_page()

    page.get_by_role("button", name="New file").click()
    path = dialog(page).get_by_label("Path")
    path.fill(HOSTILE)
    path.press("Enter")
    expect(dialog(page)).to_contain_text('The path "a\'b"<&>ü.py" is refused.')
    path.fill("daily.py")
    path.press("Enter")
    expect(dialog(page)).to_contain_text('There is already "daily.py"')
    path.fill("reports/weekly.py")
    path.press("Enter")

    page.wait_for_url("**/couture/dag-editor/?path=reports%2Fweekly.py")
    assert paths(store) == ["daily.py"]


def test_upload_of_files_and_a_zip_with_problems_names_and_one_message(
    open_page: Callable[..., Page], store: Store
) -> None:
    put(store, {"team/daily.py": DAG.format("daily"), "team/same.sql": "select 1\n"})
    page = open_page()
    archive = packed({"pkg/__init__.py": "", "pkg/tables.py": "NAMES = 1\n", "__pycache__/x.pyc": ""})

    choose(
        page,
        {
            "daily.py": (DAG.format("daily") + "# more\n").encode(),
            "same.sql": b"select 1\n",
            "modules.zip": archive,
            HOSTILE: b"x = 1\n",
            "bad.py": b"def (\n",
        },
    )
    folder = dialog(page).get_by_role("combobox", name="Folder")
    folder.fill("../x")
    folder.press("Enter")
    expect(dialog(page).get_by_role("alert")).to_contain_text('The path "../x" is refused')
    folder.fill("team")
    folder.press("Enter")
    files = dialog(page).get_by_role("region", name="Files")
    expect(files.get_by_role("row").filter(has_text="team/daily.py")).to_contain_text("Replaces")
    expect(files.get_by_role("row").filter(has_text="team/daily.py")).to_contain_text("+1 line")
    expect(files.get_by_role("row").filter(has_text="team/same.sql")).to_contain_text("Same")
    expect(files.get_by_role("row").filter(has_text="team/pkg/tables.py")).to_contain_text("New")
    expect(dialog(page)).to_contain_text(
        "Left out as caches or folders of tools: modules.zip!__pycache__/x.pyc"
    )
    save = dialog(page).get_by_role("button", name="Save", exact=True)
    problems = dialog(page).get_by_role("region", name="Problems")
    expect(problems).to_contain_text("team/bad.py")
    expect(problems).to_contain_text("line 1")
    expect(save).to_be_disabled()
    dialog(page).get_by_role("button", name="Leave out team/bad.py").click()
    expect(problems).to_have_count(0)
    expect(save).to_be_enabled()
    dialog(page).get_by_role("button", name="Put back the file left out").click()
    expect(problems).to_contain_text("team/bad.py")
    expect(save).to_be_disabled()

    refused = files.get_by_role("row").filter(has_text="Refused")
    expect(refused).to_contain_text("A path has parts separated by /")
    expect(refused.get_by_label("Save it as")).to_have_value("a_b_ü.py")
    refused.get_by_role("button", name="Use this name").click()
    expect(files.get_by_role("row").filter(has_text="team/a_b_ü.py")).to_contain_text("New")
    dialog(page).get_by_label("Message").fill("Bring <all> of it")
    dialog(page).get_by_label("Save in spite of the errors").check()
    save.click()

    expect(
        page.get_by_role("status").filter(has_text="in spite of errors: Bring <all> of it")
    ).to_be_visible()
    assert paths(store) == [
        "team/a_b_ü.py",
        "team/bad.py",
        "team/daily.py",
        "team/pkg/__init__.py",
        "team/pkg/tables.py",
        "team/same.sql",
    ]
    assert [commit.message for commit in dag_repository.history(store, limit=1)] == ["Bring <all> of it"]


def test_old_code_is_upgraded_on_its_way_in(open_page: Callable[..., Page], store: Store) -> None:
    old = (
        "from airflow import DAG\nfrom airflow.operators.dummy_operator import DummyOperator\n\n"
        'with DAG("old", schedule_interval=None) as dag:\n    DummyOperator(task_id="a")\n'
    )
    page = open_page()

    choose(page, {"old.py": old.encode()})
    expect(dialog(page).get_by_role("region", name="Problems")).to_contain_text("dummy_operator")
    # The offer comes first: what the text before it gets wrong is folded. The reason stands beside Save.
    expect(dialog(page).get_by_role("region", name="Problems").get_by_role("listitem")).to_have_count(0)
    expect(dialog(page).get_by_text("Upgrade the old code first.")).to_be_in_viewport()
    dialog(page).get_by_label("Upgrade: this looks like code for Airflow 1 or 2").check()
    expect(dialog(page).get_by_role("region", name="Upgrade of old.py")).to_contain_text("schedule=None")
    expect(dialog(page).get_by_role("button", name="Save", exact=True)).to_be_in_viewport()
    for part in (dialog(page), dialog(page).locator(".plan-files"), dialog(page).locator(".upgrades")):
        assert part.evaluate("node => node.scrollWidth <= node.clientWidth")
    dialog(page).get_by_role("button", name="Save", exact=True).click()

    expect(row(page, "old.py")).to_be_visible()
    assert b"schedule_interval" not in dag_repository.read(store, "old.py")


def test_files_are_dropped_and_a_save_in_between_is_shown(
    open_page: Callable[..., Page], store: Store
) -> None:
    put(store, {"daily.py": "x = 1\n"})
    page = open_page()
    drop(page, {"daily.py": "x = 2\n", "new.py": "y = 1\n"})
    expect(dialog(page).get_by_role("region", name="Files")).to_contain_text("Replaces")
    expect(dialog(page).get_by_text("No problems found.")).to_be_visible()
    dialog(page).get_by_label("Message").fill("Mine")

    put(store, {"daily.py": "x = 'theirs <b>'\n"}, author="bob", message="Theirs")
    dialog(page).get_by_role("button", name="Save", exact=True).click()

    expect(dialog(page).get_by_role("alert")).to_contain_text("Somebody else saved daily.py meanwhile")
    meanwhile = dialog(page).get_by_role("region", name="What was saved meanwhile")
    expect(meanwhile).to_contain_text("bob saved “Theirs”")
    expect(meanwhile).to_contain_text("+x = 'theirs <b>'")
    expect(dialog(page).get_by_label("Message")).to_have_value("Mine")
    dialog(page).get_by_role("button", name="Check again").click()
    expect(dialog(page).get_by_role("alert")).to_have_count(0)
    expect(dialog(page).get_by_text("No problems found.")).to_be_visible()
    dialog(page).get_by_role("button", name="Save", exact=True).click()
    expect(dialog(page)).to_have_count(0)
    assert dag_repository.read(store, "daily.py") == b"x = 2\n"
    assert [commit.message for commit in dag_repository.history(store, limit=2)] == ["Mine", "Theirs"]


def test_folder_is_uploaded_whole(open_page: Callable[..., Page], store: Store, tmp_path: Path) -> None:
    (tmp_path / "package" / "sub").mkdir(parents=True)
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "sub" / "q.sql").write_text("select 1\n")
    page = open_page()

    page.get_by_label("Upload a folder").set_input_files(tmp_path / "package")
    expect(dialog(page)).to_contain_text("package/sub/q.sql")
    dialog(page).get_by_role("button", name="Save", exact=True).click()

    expect(row(page, "package")).to_contain_text("2 files")
    assert paths(store) == ["package/__init__.py", "package/sub/q.sql"]


def test_tree_and_list_are_searched_sorted_and_remembered(
    open_page: Callable[..., Page], store: Store
) -> None:
    put(store, {"b/two.py": "TEXT = 'needle'\n", "b/c/three.sql": "select 1\n"}, author="ada")
    put(store, {"a.py": "x = 1\n"}, author="bob")
    page = open_page()

    # the tree, by keyboard
    page.get_by_role("button", name="Open the folder b", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(row(page, "two.py")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Open the folder b/c")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    expect(row(page, "two.py")).to_have_count(0)

    page.get_by_label("Search by name, DAG or owner").fill("three")
    expect(row(page, "three.sql")).to_be_visible()
    expect(page.get_by_text("1 file of 3")).to_be_visible()
    page.get_by_label("Search by name, DAG or owner").fill("")

    page.get_by_role("button", name="Search in contents").click()
    page.get_by_label("Text in the files").fill("needle")
    match = page.get_by_role("link", name="b/two.py, line 1")
    expect(match).to_have_attribute("href", re.compile(r"/couture/dag-editor/\?path=b%2Ftwo\.py#L1$"))
    page.get_by_label("Regular expression").check()
    page.get_by_label("Text in the files").fill("(")
    expect(page.get_by_role("search").locator("..").get_by_role("alert")).to_be_visible()

    page.get_by_role("button", name="List", exact=True).click()
    names = page.locator("tbody th")
    expect(names).to_have_text(["a.py", "b/c/three.sql", "b/two.py"])
    page.get_by_role("button", name="File", exact=True).click()
    expect(names).to_have_text(["b/two.py", "b/c/three.sql", "a.py"])
    page.reload()
    expect(names).to_have_text(["b/two.py", "b/c/three.sql", "a.py"])


def test_rename_and_delete_name_who_uses_the_file(open_page: Callable[..., Page], store: Store) -> None:
    put(
        store,
        {
            "common/tables.py": "NAMES = 1\n",
            "daily.py": "from common.tables import NAMES\n" + DAG.format("daily"),
            "q.sql": "select 1\n",
        },
    )
    page = open_page()

    page.get_by_role("button", name="Rename q.sql").click()
    dialog(page).get_by_label("New path").fill("sql/query.sql")
    dialog(page).get_by_role("button", name="Continue").click()
    expect(dialog(page)).to_contain_text("q.sql → sql/query.sql")
    dialog(page).get_by_role("button", name="Rename", exact=True).click()
    expect(row(page, "sql")).to_contain_text("1 file")

    page.get_by_role("button", name="Delete the folder common").click()
    expect(dialog(page).get_by_role("region", name="Used by")).to_contain_text(
        "daily.py, line 1: imports common/tables.py"
    )
    expect(dialog(page).get_by_role("region", name="Problems")).to_contain_text("No module named")
    expect(dialog(page).get_by_role("button", name="Delete", exact=True)).to_be_disabled()
    dialog(page).get_by_role("button", name="Cancel").click()

    page.get_by_label("Select the folder common").check()
    page.get_by_label("Select daily.py").check()
    expect(page.get_by_text("2 files selected")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("region", name="Selection").get_by_role("button", name="Download").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist() == ["common/tables.py", "daily.py"]
    page.get_by_role("region", name="Selection").get_by_role("button", name="Delete").click()
    expect(dialog(page)).to_contain_text("Delete 2 files?")
    dialog(page).get_by_role("button", name="Delete", exact=True).click()
    expect(row(page, "daily.py")).to_have_count(0)
    assert paths(store) == ["sql/query.sql"]


def test_state_comes_by_itself_with_traceback_and_link_to_the_line(
    open_page: Callable[..., Page], store: Store, api_server: ApiServer
) -> None:
    put(store, {"broken.py": DAG.format("broken")})
    page = open_page()
    expect(row(page, "broken.py")).to_contain_text("Waiting to be parsed")

    api_server.sql(
        "insert into dag_bundle (name, active) select 'dags', 1 where not exists "
        "(select 1 from dag_bundle where name = 'dags')"
    )
    api_server.sql(
        "insert into import_error (timestamp, filename, bundle_name, stacktrace) values "
        "('2099-01-01 00:00:00', 'broken.py', 'dags', ?)",
        'Traceback:\n  File "/x/broken.py", line 3, in <module>\nNameError: <b>x</b>\n',
    )

    row(page, "broken.py").get_by_role("button", name="Import error, line 3").click()
    expect(page.get_by_label("Traceback of broken.py")).to_contain_text("NameError: <b>x</b>")
    expect(page.get_by_role("link", name="Open line 3")).to_have_attribute(
        "href", re.compile(r"/couture/dag-editor/\?path=broken\.py#L3$")
    )


def test_links_and_names_stay_text(
    open_page: Callable[..., Page], store: Store, api_server: ApiServer
) -> None:
    put(store, {"plain.py": "x = 1\n"}, author="<b>ö</b>", message="<script>alert(1)</script> &amp; 'x'")
    page = open_page("dev", viewport={"width": 390, "height": 800}, color_scheme="dark")

    expect(row(page, "plain.py")).to_contain_text("by <b>ö</b>")
    expect(row(page, "plain.py")).to_contain_text("<script>alert(1)</script> &amp; 'x'")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390


def test_list_is_drawn_a_part_at_a_time(open_page: Callable[..., Page], store: Store) -> None:
    put(store, {f"m{number:04}.sql": "select 1\n" for number in range(400)})
    page = open_page()

    expect(page.get_by_text("400 files")).to_be_visible()
    for shown in (150, 300, 400):
        expect(page.locator("tbody tr")).to_have_count(shown)
        if shown < 400:
            page.locator("#more").scroll_into_view_if_needed()
    expect(row(page, "m0399.sql")).to_have_count(1)


def test_viewer_has_no_page(open_page: Callable[..., Page], api_server: ApiServer) -> None:
    assert api_server.client("viewer").get("/couture/manage-dags/").status_code == 403


def test_the_example_of_the_address_is_chosen_for_a_copy(
    open_page: Callable[..., Page], api_server: ApiServer
) -> None:
    page = open_page()

    page.goto(f"{api_server.url}/couture/manage-dags/?example=penguins.py")

    expect(dialog(page).get_by_label("penguins.py")).to_be_checked()
    expect(dialog(page).get_by_label("word_count.py")).not_to_be_checked()
    expect(dialog(page).get_by_role("region", name="Files")).to_contain_text("examples/dags/penguins.py")
    assert page.url.endswith("/couture/manage-dags/")
    page.goto(f"{api_server.url}/couture/manage-dags/?example=%3Cb%3Ex")
    expect(page.get_by_text("There is no example <b>x.")).to_be_visible()
