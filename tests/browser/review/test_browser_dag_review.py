"""Review & Save and DAG History in a browser: revert, graph, save, three-way, gate, restore, a phone."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from couture_workflow.services.dags import drafts as dag_drafts
from couture_workflow.store.home import Store
from couture_workflow.store.repository import Commit
from tests.support.api_server import ApiServer

pytestmark = pytest.mark.browser

HOSTILE = "a'b\"<&>ü"


@pytest.fixture
def name() -> str:
    """Return the name of a file and DAG that no other test has."""
    return f"shop_{uuid.uuid4().hex[:8]}"


@pytest.fixture
def open_page(api_server: ApiServer, new_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_as(path: str, account: str = "admin", **options: Any) -> Page:
        page = new_page(**options)
        page.on("pageerror", lambda error: pytest.fail(f"{error} on {page.url}"))
        page.on("console", lambda message: refuse(message.text) if message.type == "error" else None)
        api_server.log_in(page, account)
        page.goto(f"{api_server.url}/couture{path}")
        return page

    def refuse(text: str) -> None:
        assert "Content Security Policy" not in text

    return open_as


def source(
    name: str, *, schedule: str = "@daily", load: str = "echo load", more: str = "", chain: str = ""
) -> str:
    gap = "".join(f"# line {number}\n" for number in range(12))
    return (
        "from datetime import datetime\n\n"
        "from airflow.providers.standard.operators.bash import BashOperator\n"
        "from airflow.sdk import DAG\n\n"
        f"{gap}\n"
        f'with DAG("{name}", schedule="{schedule}", start_date=datetime(2026, 1, 1), catchup=False):\n'
        '    start = BashOperator(task_id="start", bash_command="echo start")\n'
        f"{gap.replace('#', '    #')}"
        f'    load = BashOperator(task_id="load", bash_command="{load}")\n'
        f"{more}"
        f"    start >> load{chain}\n"
    )


def save(
    store: Store, changes: dict[str, str | None], *, author: str = "eva", message: str = "Save"
) -> Commit:
    contents = {path: None if text is None else text.encode() for path, text in changes.items()}
    return store.dags.save(contents, author=author, message=message, base=store.dags.head())


def begin(store: Store, path: str, old: str, draft: str, *, user: str = "admin") -> Commit:
    commit = save(store, {path: old})
    dag_drafts.put(store, user, path, base=commit.id, content=draft)
    return commit


REPORT = '    report = BashOperator(task_id="report", bash_command="echo report")\n'


def test_review_revert_and_save(store: Store, name: str, open_page: Callable[..., Page]) -> None:
    path = f"{name}.py"
    draft = source(name, schedule="@hourly", load="echo all", more=REPORT, chain=" >> report")
    begin(store, path, source(name), draft)
    page = open_page(f"/dag-review/?path={path}")

    # the text, the graph with its marks, the words
    file = page.get_by_role("region", name=path, exact=True)
    expect(file.get_by_text("2 changed blocks")).to_be_visible()
    dag = page.get_by_role("group", name=f"DAG {name}")
    expect(dag.get_by_text("task report added, task load changed, schedule @daily → @hourly")).to_be_visible()
    expect(dag.get_by_role("button", name="Task, report, BashOperator, added")).to_be_visible()
    expect(dag.get_by_role("button", name="Task, load, BashOperator, changed")).to_be_visible()
    expect(page.get_by_text("The gate found no problems.")).to_be_visible()
    message = page.get_by_label("Message", exact=True)
    expect(message).to_have_value(f"{name}: task report added, task load changed, schedule @daily → @hourly")

    # the first block goes back, by keyboard; check, graph and message follow
    file.get_by_role("button", name="Revert this block").first.press("Enter")
    expect(file.get_by_text("1 changed block")).to_be_visible()
    expect(dag.get_by_text("task report added, task load changed", exact=True)).to_be_visible()
    expect(message).to_have_value(f"{name}: task report added, task load changed")

    # it can be edited here too
    file.get_by_label(f"Your draft: {path}").get_by_text("echo all").click()
    page.keyboard.press("End")
    page.keyboard.type("  # all")
    message.fill("Report it")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_role("heading", name=re.compile("Saved as version"))).to_be_visible()
    expected = draft.replace("@hourly", "@daily").replace('"echo all")', '"echo all")  # all')
    assert store.dags.read(path).decode() == expected
    assert store.dags.history(path)[0].message == "Report it"
    assert store.dags.history(path)[0].author == "admin"
    assert dag_drafts.get(store, "admin", path) is None


def test_change_in_the_review_is_kept_as_draft(
    store: Store, name: str, open_page: Callable[..., Page]
) -> None:
    path = f"{name}.sql"
    begin(store, path, "select 1\n", "select 2\n")
    page = open_page(f"/dag-review/?path={path}")

    with page.expect_response("**/dag-review/draft"):
        page.get_by_role("button", name="Revert this block").click()

    expect(page.get_by_text("Nothing differs from what is saved.")).to_be_visible()
    kept = dag_drafts.get(store, "admin", path)
    assert kept is not None
    assert kept.content == "select 1\n"
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()


def test_changes_that_fit_are_merged(store: Store, name: str, open_page: Callable[..., Page]) -> None:
    path = f"{name}.py"
    begin(store, path, source(name), source(name, load="echo mine"))
    save(store, {path: source(name, schedule="@weekly")}, author=HOSTILE, message="Weekly is enough")
    page = open_page(f"/dag-review/?path={path}")

    told = page.get_by_role("status").filter(has_text="Both changes fit together")
    expect(told).to_contain_text(f"{HOSTILE} saved this file meanwhile")
    expect(told).to_contain_text("Weekly is enough")
    expect(page.get_by_text("1 changed block")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_role("heading", name=re.compile("Saved as version"))).to_be_visible()
    assert store.dags.read(path).decode() == source(name, schedule="@weekly", load="echo mine")


def test_clash_while_the_review_is_open(store: Store, name: str, open_page: Callable[..., Page]) -> None:
    path = f"{name}.py"
    begin(store, path, source(name), source(name, load="echo mine", schedule="@hourly"))
    page = open_page(f"/dag-review/?path={path}")
    expect(page.get_by_text("The gate found no problems.")).to_be_visible()
    save(store, {path: source(name, load="echo theirs", more=REPORT)}, author="eva", message="Theirs")

    # the save is refused, and both changes are shown; the draft is as it was
    page.get_by_role("button", name="Save", exact=True).click()
    clash = page.get_by_role("region", name="Clash 1")
    expect(clash).to_contain_text("echo theirs")
    expect(clash).to_contain_text("echo mine")
    expect(clash).to_contain_text("Not decided yet")
    use = page.get_by_role("button", name="Review the result")
    expect(use).to_be_disabled()
    kept = dag_drafts.get(store, "admin", path)
    assert kept is not None
    assert "echo mine" in kept.content

    # a choice survives a reload; the result is reviewed, then saved
    clash.get_by_role("radio", name="Both, theirs first").check()
    use.click()
    expect(page.get_by_text("You decided the clashes")).to_be_visible()
    page.reload()
    expect(page.get_by_text("You decided the clashes")).to_be_visible()
    page.get_by_role("button", name="Show the three-way view").click()
    expect(page.get_by_text("1 of 1 clash decided")).to_be_visible()
    page.get_by_role("region", name="Clash 1").get_by_role("radio", name="Edit", exact=True).check()
    page.get_by_label("Result of clash 1").fill(
        '    load = BashOperator(task_id="load", bash_command="echo theirs and mine")\n' + REPORT
    )
    page.get_by_role("button", name="Review the result").click()
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_role("heading", name=re.compile("Saved as version"))).to_be_visible()
    merged = source(name, load="echo theirs and mine", more=REPORT, schedule="@hourly")
    assert store.dags.read(path).decode() == merged
    assert dag_drafts.get(store, "admin", path) is None


def test_file_that_somebody_renamed(store: Store, name: str, open_page: Callable[..., Page]) -> None:
    path, new = f"{name}.py", f"{name}/orders.py"
    begin(store, path, source(name), source(name, load="echo mine"))
    save(store, {path: None, new: source(name, schedule="@weekly")}, author="eva", message="Move it")
    page = open_page(f"/dag-review/?path={path}")

    page.get_by_role("button", name=f"Take my changes to {new}").click()

    expect(page.get_by_role("heading", name=new)).to_be_visible()
    expect(page.get_by_text("Both changes fit together")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("Saved as version"))).to_be_visible()
    assert store.dags.read(new).decode() == source(name, schedule="@weekly", load="echo mine")
    assert [dag_drafts.get(store, "admin", each) for each in (path, new)] == [None, None]


def test_file_that_somebody_deleted(store: Store, name: str, open_page: Callable[..., Page]) -> None:
    path = f"{name}.sql"
    begin(store, path, "select 1\n", "select 2\n")
    save(store, {path: None}, author="eva", message="Clean up")
    page = open_page(f"/dag-review/?path={path}")

    expect(page.get_by_text("eva deleted this file meanwhile.")).to_be_visible()
    page.get_by_role("button", name="Keep mine, as a new file…").click()
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_role("heading", name=re.compile("Saved as version"))).to_be_visible()
    assert store.dags.read(path) == b"select 2\n"


def test_errors_block_and_an_administrator_saves_anyway(
    store: Store, name: str, open_page: Callable[..., Page], api_server: ApiServer
) -> None:
    path = f"{name}.py"
    broken = source(name).replace("    start >> load\n", "    start >> no_such_task\n")
    begin(store, path, source(name), broken)
    dag_drafts.put(store, "dev", path, base=store.dags.head(), content=broken)

    developer = open_page(f"/dag-review/?path={path}", account="dev")
    expect(developer.get_by_text(re.compile("The gate found 1 error"))).to_be_visible()
    expect(developer.get_by_text("Errors block the save.")).to_be_visible()
    expect(developer.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    expect(developer.get_by_role("button", name="Save anyway…")).to_be_hidden()
    developer.get_by_role("list", name="Problems").get_by_role("button", name=re.compile(path)).first.click()
    expect(developer.get_by_label(f"Your draft: {path}")).to_be_focused()

    page = open_page(f"/dag-review/?path={path}")
    page.get_by_role("button", name="Save anyway…").click()
    question = page.get_by_role("dialog", name="Save in spite of errors?")
    expect(question).to_contain_text("no_such_task")
    question.get_by_role("button", name="Save anyway").click()

    expect(page.get_by_text("Saved in spite of errors")).to_be_visible()
    assert store.dags.read(path).decode() == broken
    assert api_server.sql(
        "select count(*) from log where event = 'dags.save_overridden' and extra like ?", f"%{path}%"
    ) == [(1,)]


def test_several_drafts_are_one_version(store: Store, name: str, open_page: Callable[..., Page]) -> None:
    paths = [f"{name}_{letter}.sql" for letter in "abc"]
    base = save(store, dict.fromkeys(paths, "select 1\n"))
    for path in paths:
        dag_drafts.put(store, "admin", path, base=base.id, content="select 2\n")
    page = open_page("/dag-review/?" + "&".join(f"path={path}" for path in paths))

    page.get_by_role("checkbox", name=f"Save {paths[2]}").uncheck()
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_role("heading", name=re.compile("Saved as version"))).to_be_visible()
    newest = store.dags.head()
    assert [store.dags.read(path) for path in paths] == [b"select 2\n", b"select 2\n", b"select 1\n"]
    assert [store.dags.history(path)[0].id == newest for path in paths] == [True, True, False]
    assert [dag_drafts.get(store, "admin", path) is None for path in paths] == [True, True, False]


def test_history_compares_and_restores(store: Store, name: str, open_page: Callable[..., Page]) -> None:
    path = f"{name}/dag.py"
    save(store, {path: source(name)}, message="First")
    save(store, {path: source(name, schedule="@hourly")}, author=HOSTILE, message=f"Second {HOSTILE}")
    save(store, {path: source(name, schedule="@hourly", more=REPORT)}, message="Third")
    page = open_page(f"/dag-history/?path={path}")

    versions = page.get_by_role("list", name="Versions, newest first").locator("> li")
    expect(versions).to_have_count(3)
    expect(versions.nth(1)).to_contain_text(f"Second {HOSTILE}")
    for number in (0, 2):
        versions.nth(number).get_by_role("checkbox").check()
    page.get_by_role("button", name="Compare the chosen two").click()

    # compared: text and graph
    expect(page.get_by_role("heading", name="Two versions compared")).to_be_visible()
    expect(page.get_by_label(f"After: {path}")).to_contain_text("echo report")
    expect(page.get_by_role("button", name="Task, report, BashOperator, added")).to_be_visible()
    page.get_by_role("link", name="History").first.click()

    # a restore is a draft that is reviewed
    versions.nth(2).get_by_role("button", name=re.compile("Restore version")).click()
    expect(page.get_by_role("heading", name="Review & Save")).to_be_visible()
    expect(page.get_by_role("button", name="Task, report, BashOperator, removed")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("Saved as version"))).to_be_visible()
    assert store.dags.read(path).decode() == source(name)


def test_history_restores_a_folder_after_a_plan(
    store: Store, name: str, open_page: Callable[..., Page]
) -> None:
    first = save(store, {f"{name}/a.sql": "1\n", f"{name}/b.sql": "1\n"}, message="First")
    save(store, {f"{name}/a.sql": "2\n", f"{name}/b.sql": None, f"{name}/c.sql": "1\n"}, message="Second")
    page = open_page(f"/dag-history/?path={name}")

    page.get_by_role("button", name=f"Restore version {first.id[:10]}").click()
    plan = page.get_by_role("dialog", name=f"Restore {name}")
    files = plan.get_by_role("list", name="Files")
    expect(files.get_by_role("listitem")).to_have_text(
        [f"Changes back {name}/a.sql", f"Comes back {name}/b.sql", f"Goes away {name}/c.sql"]
    )
    plan.get_by_role("button", name="Restore", exact=True).click()

    expect(page.get_by_role("heading", name=re.compile("Saved as version"))).to_be_visible()
    assert store.dags.paths(f"{name}/") == (f"{name}/a.sql", f"{name}/b.sql")
    assert store.dags.read(f"{name}/a.sql") == b"1\n"


def test_narrow_screen(store: Store, name: str, open_page: Callable[..., Page]) -> None:
    path = f"{name}.py"
    begin(store, path, source(name), source(name, load="echo mine", schedule="@hourly"))
    page = open_page(f"/dag-review/?path={path}", viewport={"width": 390, "height": 800})

    page.get_by_role("button", name="Revert this block").first.click()

    expect(page.get_by_text("1 changed block")).to_be_visible()
    expect(page.get_by_role("button", name="Task, load, BashOperator, changed")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_graph_by_keyboard(store: Store, name: str, open_page: Callable[..., Page]) -> None:
    path = f"{name}.py"
    begin(store, path, source(name), source(name, more=REPORT, chain=" >> report"))
    page = open_page(f"/dag-review/?path={path}")
    start = page.get_by_role("button", name="Task, start, BashOperator")
    expect(start).to_be_visible()

    start.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="Task, load, BashOperator")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="Task, report, BashOperator, added")).to_be_focused()

    # Enter goes to the line
    page.keyboard.press("Enter")
    expect(page.get_by_label(f"Your draft: {path}")).to_be_focused()
    line = page.locator(".cm-merge-b .cm-activeLine, .cm-merge-b .cm-line").filter(has_text="report = Bash")
    expect(line.first).to_be_visible()


def test_nothing_to_review(open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page("/dag-review/?path=no/such.py")

    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    expect(page.get_by_text("You have no draft of no/such.py")).to_be_visible()


@pytest.mark.parametrize("width", [1600, 390])
def test_a_new_file_has_all_the_width_and_one_background(
    width: int, store: Store, name: str, open_page: Callable[..., Page]
) -> None:
    path, text = f"new/{name}.py", source(name)
    dag_drafts.put(store, "admin", path, base=None, content=text, expected=None)

    page = open_page(f"/dag-review/?path={path}", viewport={"width": width, "height": 900})
    box = page.locator(".file-difference")

    expect(box.locator(".cm-content")).to_have_count(1)
    assert box.locator(".cm-mergeView, .cm-changedText, .cm-changedLine, .cm-insertedLine").count() == 0
    wide = "node => node.querySelector('.cm-content').clientWidth / node.clientWidth"
    assert float(box.evaluate(wide)) > 0.75
    expect(page.get_by_text(f"{text.count(chr(10)) + 1} new lines")).to_be_visible()
    box.locator(".cm-content").press("Control+End")
    page.keyboard.type("# more")
    expect(page.get_by_text(f"{text.count(chr(10)) + 1} new lines")).to_be_visible()
