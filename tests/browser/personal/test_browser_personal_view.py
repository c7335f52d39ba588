"""A person's workbench in a browser: the filtered home, the own folder, and the way to everything else."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.store.home import Store
from tests.support.servers import kept_port
from tests.support.workbench import Workbench

pytestmark = [pytest.mark.browser, pytest.mark.workbench]

DAG = (
    "from airflow.providers.standard.operators.empty import EmptyOperator\n"
    "from airflow.sdk import DAG\n\n"
    'with DAG("{}", schedule=None, default_args={}):\n'
    '    EmptyOperator(task_id="a")\n'
)
FILES = {
    "alice/mine.py": DAG.format("mine", {}),
    "bob/his.py": DAG.format("his", {"owner": "bob"}),
    "bob/nobodys.py": DAG.format("nobodys", {}),
    "common/tables.py": "NAMES = 1\n",
}


@pytest.fixture(scope="module")
def alices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """Run Alice's workbench, with DAGs of hers and of Bob's."""
    variables = {"COUTURE_WORKFLOW_USER": "alice"}
    home = tmp_path_factory.mktemp("alice") / "home"
    running = Workbench(home, port=kept_port(), variables=variables)
    running.arguments = ("--no-examples",)
    try:
        running.start()
        running.create_users()
        put(running, FILES)
        wait_for_dags(running, {"mine": ["alice"], "his": ["bob"], "nobodys": ["alice"]})
        yield running
    finally:
        if running.process is not None and running.process.poll() is None:
            running.stop()


def put(workbench: Workbench, files: dict[str, str]) -> None:
    store = Store.open(workbench.home)
    changes = {path: text.encode() for path, text in files.items()}
    store.dags.save(changes, author="bob", message="Put", base=store.dags.head())


def wait_for_dags(workbench: Workbench, owners: dict[str, list[str]]) -> None:
    deadline = time.monotonic() + 120
    found: dict[str, list[str]] = {}
    while found != owners:
        assert time.monotonic() < deadline, found
        listed = workbench.client("superadmin").get("/api/v2/dags").json()["dags"]
        found = {dag["dag_id"]: dag["owners"] for dag in listed if dag["dag_id"] != "couture_eda"}
        time.sleep(0.5)


@pytest.fixture
def log_in(alices: Workbench, new_page: Callable[..., Page]) -> Callable[..., Page]:
    def as_account(account: str = "developer", **options: Any) -> Page:
        page = new_page(**options)
        alices.login(page, account)
        return page

    return as_account


def manage_dags(page: Page, workbench: Workbench) -> None:
    page.goto(f"{workbench.url}/couture/manage-dags/")
    expect(page.locator("#loading")).to_be_hidden()


def bar(page: Page) -> Locator:
    return page.get_by_test_id("couture-personal-view")


def dag(page: Page, name: str) -> Locator:
    return page.get_by_test_id("main-content").get_by_role("link", name=name, exact=True)


@pytest.mark.parametrize(("account", "scheme"), [("developer", "dark"), ("superadmin", "light")])
def test_home_is_filtered_and_the_filter_can_be_taken_away(
    alices: Workbench, log_in: Callable[..., Page], account: str, scheme: str
) -> None:
    page = log_in(account, color_scheme=scheme)

    expect(page).to_have_url(f"{alices.url}/dags?owners=alice")
    expect(bar(page)).to_have_text(re.compile("alice's workbench · Only Dags with the owner alice are shown"))
    expect(dag(page, "mine")).to_be_visible()
    expect(dag(page, "nobodys")).to_be_visible()
    expect(dag(page, "his")).to_have_count(0)

    page.get_by_role("button", name="Show all Dags").click()
    expect(dag(page, "his")).to_be_visible()
    expect(bar(page)).to_contain_text("Dags of all owners are shown.")
    page.get_by_role("button", name="Show only alice's").click()
    expect(dag(page, "his")).to_have_count(0)
    page.get_by_role("link", name="Dags", exact=True).first.click()
    expect(dag(page, "his")).to_be_visible()


def test_home_and_its_reload_stay_home(alices: Workbench, log_in: Callable[..., Page]) -> None:
    page = log_in()
    expect(bar(page)).to_be_visible()

    page.get_by_role("link", name="Home").first.click()
    expect(page).to_have_url(f"{alices.url}/")
    expect(bar(page)).to_have_count(0)
    page.reload()
    expect(page.get_by_text("Stats")).to_be_visible()
    expect(page).to_have_url(f"{alices.url}/")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Home").first.click(modifiers=["Control"])
    expect(opened.value.get_by_text("Stats")).to_be_visible()
    expect(opened.value).to_have_url(f"{alices.url}/")

    page.goto(f"{alices.url}/")
    expect(page).to_have_url(f"{alices.url}/dags?owners=alice")


def test_an_account_that_sees_no_bar_finds_the_usual_home(
    alices: Workbench, log_in: Callable[..., Page]
) -> None:
    page = log_in("viewer", color_scheme="dark")

    expect(page.get_by_text("Stats")).to_be_visible()
    expect(page).to_have_url(f"{alices.url}/")
    page.goto(f"{alices.url}/dags")
    expect(dag(page, "his")).to_be_visible()


def test_manage_dags_begins_in_the_own_folder(alices: Workbench, log_in: Callable[..., Page]) -> None:
    page = log_in()
    manage_dags(page, alices)
    table = page.get_by_role("table", name="DAG files")

    expect(page.get_by_role("heading", name="Manage DAGs").locator("..")).to_contain_text("alice's workbench")
    expect(page.get_by_text("1 file of 4")).to_be_visible()
    expect(table.get_by_role("link", name="mine.py", exact=True)).to_be_visible()
    expect(table.get_by_role("button", name="Open the folder bob")).to_have_count(0)

    page.get_by_role("button", name="All folders").click()
    expect(table.get_by_role("button", name="Open the folder bob")).to_be_visible()
    page.get_by_label("Select the folder bob").check()
    page.reload()
    expect(table.get_by_role("button", name="Open the folder bob")).to_be_visible()
    page.get_by_label("Select the folder bob").check()
    expect(page.get_by_text("2 files selected")).to_be_visible()
    page.get_by_role("group", name="Folders").get_by_role("button", name="alice").click()
    expect(table.get_by_role("button", name="Open the folder bob")).to_have_count(0)
    expect(page.get_by_text("2 files selected")).to_be_hidden()


def test_new_files_go_to_the_own_folder(alices: Workbench, log_in: Callable[..., Page]) -> None:
    page = log_in()
    manage_dags(page, alices)

    page.get_by_role("button", name="New file").first.click()
    path = page.get_by_label("Path")
    expect(path).to_have_value("alice/")
    path.press("End")
    page.keyboard.type("daily.py")
    page.get_by_role("button", name="Open the editor").click()
    expect(page).to_have_url(re.compile(r"\?path=alice%2Fdaily\.py$"))
    page.get_by_role("button", name="Insert brick").click()
    page.get_by_role("dialog").get_by_label("Search bricks").fill("skeleton")
    page.get_by_role("dialog").get_by_role("button", name="DAG skeleton", exact=True).click()
    expect(page.get_by_role("dialog").get_by_label("Code")).to_contain_text('"owner": "alice"')

    manage_dags(page, alices)
    content = {"name": "q.sql", "mimeType": "", "buffer": b"select 1\n"}
    page.get_by_label("Upload files").first.set_input_files([content])
    expect(page.get_by_role("dialog").get_by_label("Folder")).to_have_value("alice")
    page.get_by_role("dialog").get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("link", name="q.sql", exact=True)).to_be_visible()
    assert "alice/q.sql" in [file.path for file in dag_repository.files(Store.open(alices.home))]

    page.get_by_role("button", name="Copy an example").first.click()
    expect(page.get_by_role("dialog").get_by_label("Folder")).to_have_value("alice/examples")
    expect(page.get_by_role("dialog")).to_contain_text("the ending _alice")


def test_a_file_elsewhere_shows_all_folders(alices: Workbench, log_in: Callable[..., Page]) -> None:
    page = log_in()
    manage_dags(page, alices)
    content = {"name": "r.sql", "mimeType": "", "buffer": b"select 1\n"}
    page.get_by_label("Upload files").first.set_input_files([content])
    files = page.get_by_role("dialog").get_by_role("region", name="Files")
    expect(files).to_contain_text("alice/r.sql")
    page.get_by_role("dialog").get_by_label("Folder").fill("")
    page.get_by_role("dialog").get_by_label("Folder").press("Tab")
    expect(files).not_to_contain_text("alice/r.sql")
    page.get_by_role("dialog").get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_role("link", name="r.sql", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="All folders")).to_have_attribute("aria-pressed", "true")
