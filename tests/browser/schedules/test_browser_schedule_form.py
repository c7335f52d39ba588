"""The form Schedule a notebook in a browser: fields of the notebook, errors beside them, nothing is lost."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import FrameLocator, Page, Route, expect

from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer
from tests.support.people_notebooks import notebook, write

pytestmark = pytest.mark.browser

HOSTILE = "a'b\"<&>ü"
PARAMETERS = """\
rows = 10  # how many
share: float = 0.5
name = 'Ann'
full = False
day = '2026-01-31'
words = ['a', 'b']
until = date.today()
nothing = None
"""
Open = Callable[..., Page]


@pytest.fixture
def home(api_server: ApiServer, store: Store) -> Iterator[Store]:
    """Return the store; a developer has a notebook, and the shared folder one of a hostile name."""
    write(store.root, "dev/report.ipynb", notebook((PARAMETERS, ["parameters"]), "print(rows)"))
    write(store.root, f"shared/{HOSTILE}.ipynb", notebook("print(1)"))
    write(store.root, f"dev/{HOSTILE}.csv", "1\n" * 1000)
    yield store
    shutil.rmtree(store.root / "notebooks")


@pytest.fixture
def open_page(api_server: ApiServer, home: Store, new_page: Callable[..., Page]) -> Iterator[Open]:
    """Return a function that opens a page; an error of a script fails the test."""
    errors: list[str] = []

    def open_as(path: str = "/new?path=dev/report.ipynb", account: str = "dev", **options: Any) -> Page:
        page = new_page(**options)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if "Content Security" in said.text else None)
        api_server.log_in(page, account)
        page.goto(f"{api_server.url}/couture/notebook-schedules{path}")
        return page

    yield open_as
    assert errors == []


def name() -> str:
    return f"s_{uuid.uuid4().hex[:8]}"


def schedule(server: ApiServer, **form: Any) -> str:
    """Make a schedule by the REST API and return its name."""
    body = {"name": name(), "notebook": "dev/report.ipynb", "when": {"kind": "cron", "cron": "0 6 * * *"}}
    with server.client("dev", headers={"X-Requested-With": "tests"}) as client:
        answer = client.post("/api/notebooks/schedules/", json={**body, **form})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["name"])


def saved(server: ApiServer, schedule: str) -> dict[str, Any]:
    with server.client("dev") as client:
        answer = client.get(f"/api/notebooks/schedules/{schedule}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["form"])


def submit(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^(Schedule|Save)$")).click()


def test_fields_come_from_the_notebook_and_go_into_the_schedule(
    open_page: Open, api_server: ApiServer
) -> None:
    page, made = open_page(), name()
    expect(page.get_by_label("rows", exact=True)).to_have_value("10")
    expect(page.locator("#schedule-name")).to_have_value("report")
    expect(page.get_by_text("how many")).to_be_visible()
    for label, value in {"share": "0.5", "name": "Ann", "full": "False", "day": "2026-01-31"}.items():
        expect(page.get_by_label(label, exact=True)).to_have_value(value)
    expect(page.get_by_label("words", exact=True)).to_have_value('["a","b"]')
    expect(page.get_by_label("until", exact=True)).to_have_value("")
    expect(page.get_by_label("nothing", exact=True)).to_have_value("")
    expect(page.get_by_text("The notebook computes it: date.today().")).to_be_visible()

    page.locator("#schedule-name").fill(made)
    page.get_by_label("rows", exact=True).fill("12345678901234567890")
    page.get_by_label("full", exact=True).select_option("True")
    page.get_by_label("words", exact=True).fill('["ü", {"a": 1}]')
    page.get_by_role("button", name="Take the day of the run for day").click()
    page.get_by_role("button", name="Add parameter").click()
    page.locator(".parameter-own input").first.fill("note")
    page.locator(".parameter-own").get_by_label("Value").fill(HOSTILE)
    page.get_by_label(f"{HOSTILE}.csv").check()
    expect(page.locator("#files-help")).to_contain_text("1 file, 2.0 KiB")
    page.get_by_label("Again and again").check()
    page.get_by_label("Cron expression").fill("30 7 * * 1")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    expect(page.locator("#when-told")).to_contain_text("At 07:30, only on Monday (Europe/Berlin)")
    expect(page.get_by_role("list", name="Next times").get_by_role("listitem")).to_have_count(5)
    page.get_by_label("Retries").fill("2")
    page.get_by_label("Time limit").fill("1,5")
    submit(page)

    expect(page.get_by_role("heading", name=f"{made} is scheduled")).to_be_focused()
    form = saved(api_server, made)
    assert form["parameters"] == {
        "rows": 12345678901234567890,
        "full": True,
        "words": ["ü", {"a": 1}],
        "day": "{{ ds }}",
        "note": HOSTILE,
    }
    assert (form["files"], form["retries"], form["time_limit"]) == ([f"{HOSTILE}.csv"], 2, 90)
    assert form["when"] == {"kind": "cron", "at": "", "cron": "30 7 * * 1", "zone": "Europe/Berlin"}


def test_what_is_wrong_stands_beside_its_field(open_page: Open, api_server: ApiServer) -> None:
    taken = schedule(api_server)
    page = open_page()
    expect(page.get_by_label("rows", exact=True)).to_have_value("10")
    page.locator("#schedule-name").fill(taken)
    expect(page.locator("#schedule-name-error")).to_contain_text("already")
    expect(page.locator("#schedule-name")).to_have_attribute("aria-invalid", "true")

    page.get_by_label("Again and again").check()
    page.get_by_label("Cron expression").fill("0 0 30 2 *")
    expect(page.get_by_label("Cron expression")).to_have_accessible_description(re.compile("never fires"))
    page.get_by_label("Time zone").fill("Mars/Olympus")
    page.get_by_label("rows", exact=True).fill("many")
    expect(page.locator("#schedule-when\\.zone-error")).to_contain_text("no time zone")
    row = page.locator("[data-parameter=rows]")
    expect(row.locator(".field-error")).to_contain_text("whole number")
    page.get_by_role("button", name="Add parameter").click()
    page.locator(".parameter-own input").first.fill("api_key")
    expect(page.locator(".parameter:has(.parameter-own) .field-error")).to_contain_text("looks like a secret")
    page.get_by_label("Retries").fill("often")
    expect(page.locator("#schedule-retries-error")).to_contain_text("whole number")

    submit(page)
    expect(page.get_by_label("Retries")).to_be_focused()
    page.get_by_label("Retries").fill("")
    submit(page)
    expect(page.locator("#schedule-name")).to_be_focused()
    expect(page.get_by_label("rows", exact=True)).to_have_value("many")
    expect(page.locator(".parameter-own input").first).to_have_value("api_key")


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (
            500,
            {"error": "server_error", "detail": "The disk burns."},
            "The disk burns. What you typed is kept.",
        ),
        (409, {"error": "conflict", "detail": "Somebody was faster."}, "Somebody was faster."),
        (401, {"error": "not_authenticated", "detail": "x"}, "Your login has expired"),
        (0, {}, "The server cannot be reached"),
    ],
)
def test_save_that_fails_loses_nothing(
    status: int, body: dict[str, str], words: str, open_page: Open, api_server: ApiServer
) -> None:
    page, made = open_page(), name()
    page.get_by_label("rows", exact=True).fill("77")
    page.locator("#schedule-name").fill(made)
    page.get_by_label("Tags").fill(HOSTILE)

    def refuse(route: Route) -> None:
        if status:
            route.fulfill(status=status, json=body)
        else:
            route.abort()

    page.route("**/api/notebooks/schedules/", refuse)
    submit(page)
    expect(page.get_by_role("alert").filter(has_text=words)).to_be_visible()
    page.reload()
    expect(page.get_by_text("What you typed before is back.")).to_be_visible()
    for label, value in {"rows": "77", "Name": made, "Tags": HOSTILE}.items():
        expect(page.get_by_label(label, exact=True)).to_have_value(value)

    page.unroute("**/api/notebooks/schedules/")
    submit(page)
    expect(page.get_by_role("heading", name=f"{made} is scheduled")).to_be_visible()
    assert saved(api_server, made)["parameters"] == {"rows": 77}


def test_answer_that_comes_late_does_not_replace_a_newer_one(open_page: Open) -> None:
    page = open_page()
    expect(page.get_by_label("rows", exact=True)).to_have_value("10")
    held: list[Route] = []

    def hold(route: Route) -> None:
        if '"name":"slow"' in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/schedules/check", hold)
    with page.expect_request(lambda request: '"name":"slow"' in (request.post_data or "")):
        page.locator("#schedule-name").fill("slow")
    page.locator("#schedule-name").fill("a b")
    expect(page.locator("#schedule-name-error")).to_contain_text("a b")
    finding = {"field": "name", "message": "from long ago", "level": "error"}
    for route in held:
        route.fulfill(json={"findings": [finding], "passed": False, "words": "old", "times": []})
    page.get_by_label("Owner").fill("ann")
    expect(page.locator("#schedule-state")).to_have_text("Not saved yet.")

    expect(page.locator("#schedule-name-error")).to_contain_text("a b")
    expect(page.locator("#schedule-name-error")).not_to_contain_text("from long ago")


def test_second_of_two_people_chooses_whose_form_counts(open_page: Open, api_server: ApiServer) -> None:
    made = schedule(api_server)
    first, second = open_page(f"/{made}/edit"), open_page(f"/{made}/edit")
    for page, cron in ((first, "0 7 * * *"), (second, "0 8 * * *")):
        page.get_by_label("Cron expression").fill(cron)
        submit(page)
        if page is first:
            expect(page.get_by_role("heading", name=f"{made} is saved")).to_be_visible()

    expect(second.locator("#told-failed")).to_be_focused()
    expect(second.get_by_label("Cron expression")).to_have_value("0 8 * * *")
    assert saved(api_server, made)["when"]["cron"] == "0 7 * * *"
    second.get_by_role("button", name="Save mine over it").click()
    expect(second.get_by_role("heading", name=f"{made} is saved")).to_be_visible()
    assert saved(api_server, made)["when"]["cron"] == "0 8 * * *"


def test_file_that_was_edited_by_hand_is_written_anew_only_after_a_question(
    open_page: Open, api_server: ApiServer, home: Store
) -> None:
    made = schedule(api_server)
    path = f"notebook_schedules/{made}/{made}.py"
    content = home.dags.read(path).replace(b"0 6 * * *", b"0 9 * * *")
    home.dags.save({path: content}, author="eva", message="Mine", base=home.dags.head())
    page = open_page(f"/{made}/edit")

    expect(page.locator("#told-edited")).to_contain_text("by hand")
    expect(page.get_by_label("Cron expression")).to_have_value("0 9 * * *")
    page.get_by_label("Retries").fill("3")
    submit(page)
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert home.dags.read(path) == content
    submit(page)
    page.get_by_role("dialog").get_by_role("button", name="Write it anew").click()
    expect(page.get_by_role("heading", name=f"{made} is saved")).to_be_visible()
    assert b"retries=3" in home.dags.read(path)


def test_notebook_is_chosen_by_the_keyboard(open_page: Open) -> None:
    page = open_page("/new")
    expect(page.get_by_text("Choose a notebook")).to_be_visible()
    page.locator("#schedule-notebook").focus()
    page.keyboard.type("shared")
    expect(page.get_by_role("option", name=f"shared/{HOSTILE}.ipynb")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    expect(page.locator("#schedule-notebook")).to_have_value(f"shared/{HOSTILE}.ipynb")
    expect(page.locator("#parameters-help")).to_contain_text("no cell that is tagged")
    expect(page.locator("#schedule-name")).to_have_value("a_b_u")
    page.locator("#schedule-notebook").fill("viewer/hers.ipynb")
    expect(page.locator("#schedule-notebook-error")).to_contain_text("There is no")


def in_lab(page: Page, server: ApiServer, *, light: bool) -> FrameLocator:
    """Open the form as a tab of JupyterLab does: in a sandboxed frame of a page below /jupyter."""
    inner = f"{server.prefix}/couture/notebook-schedules/new?path=dev/report.ipynb"
    body = f"""<!doctype html><body data-jp-theme-light="{str(light).lower()}">
      <iframe sandbox="allow-same-origin allow-scripts allow-forms" width="700" height="700"
              src="{inner}"></iframe>
    """
    page.route("**/jupyter/dev/lab", lambda route: route.fulfill(content_type="text/html", body=body))
    page.goto(f"{server.url}/jupyter/dev/lab")
    return page.frame_locator("iframe")


@pytest.mark.parametrize("light", [True, False], ids=["light", "dark"])
def test_form_works_in_a_tab_of_lab(light: bool, open_page: Open, api_server: ApiServer, home: Store) -> None:
    page, made = open_page(), name()
    frame = in_lab(page, api_server, light=light)
    expect(frame.locator("html")).to_contain_class("light" if light else "dark")
    page.evaluate("light => { document.body.dataset.jpThemeLight = light }", str(not light).lower())
    expect(frame.locator("html")).to_contain_class("dark" if light else "light")

    frame.locator("#schedule-name").fill(made)
    frame.get_by_label("Again and again").check()
    frame.get_by_label("Cron expression").fill("0 6 * * *")
    page.route("**/live?**", lambda route: route.fulfill(json={"state": "parsed", "error": ""}))
    frame.get_by_role("button", name="Schedule", exact=True).click()
    link = frame.get_by_role("link", name="Open the DAG in Airflow")
    with page.expect_popup() as opened:
        link.click()

    assert opened.value.url.startswith(f"{api_server.url}/dags/{made}")
    assert page.url.endswith("/jupyter/dev/lab")  # Lab stays


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit(width: int, mode: str, open_page: Open, api_server: ApiServer) -> None:
    made = schedule(
        api_server, parameters={"rows": 3, "name": HOSTILE * 30}, tags=[HOSTILE], owner=HOSTILE * 5
    )
    options: dict[str, Any] = {"viewport": {"width": width, "height": 900}, "color_scheme": mode}
    for path in ("/", "/new?path=dev/report.ipynb", f"/{made}/edit"):
        page = open_page(path, **options)
        expect(page.locator("html")).to_contain_class(mode)
        expect(page.locator("main")).to_contain_text("rows")
        assert page.evaluate("document.documentElement.scrollWidth") == width, path


def test_after_the_save_the_page_of_the_dag_opens(open_page: Open, api_server: ApiServer) -> None:
    page, made = open_page(), name()
    page.locator("#schedule-name").fill(made)
    page.get_by_label("Again and again").check()
    page.get_by_label("Cron expression").fill("0 6 * * *")
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        state = "waiting" if len(asked) < 3 else "parsed"
        route.fulfill(json={"state": state, "error": ""})

    page.route("**/live?**", answer)
    submit(page)
    page.wait_for_url(f"{api_server.url}/dags/{made}**")

    assert f"/{made}/live?commit=" in asked[0]


def test_error_of_the_dag_file_is_shown(open_page: Open) -> None:
    page, made = open_page(), name()
    page.locator("#schedule-name").fill(made)
    page.route("**/live?**", lambda route: route.fulfill(json={"state": "error", "error": f"Boom {HOSTILE}"}))
    submit(page)

    expect(page.get_by_label("Error of the DAG file")).to_have_text(f"Boom {HOSTILE}")


def test_a_role_of_schedules_alone_is_told_what_it_lacks(api_server: ApiServer, open_page: Open) -> None:
    made = schedule(api_server)
    ours = [(f"can_{action}", "Notebook Schedules") for action in ("read", "create", "edit", "delete")]
    blind, seeing = name(), name()
    api_server.add_account(blind, *ours)
    api_server.add_account(seeing, *ours, ("can_read", "DAGs"))

    page = open_page("/", blind)
    expect(page.get_by_role("heading", name="No schedule that you may see")).to_be_visible()
    page.goto(f"{api_server.url}/couture/notebook-schedules/new?path=shared/{HOSTILE}.ipynb")
    page.locator("#schedule-name").fill(name())
    page.get_by_role("button", name="Schedule", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="can read on DAGs")).to_be_visible()

    page = open_page("/", seeing)
    row = page.get_by_role("row").filter(has_text=made)
    expect(row.get_by_role("link", name="Edit")).to_be_visible()
    expect(row.get_by_role("button", name="Run now")).to_have_count(0)
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def test_the_files_that_changed_and_what_becomes_readable_are_told(
    api_server: ApiServer, home: Store, open_page: Open
) -> None:
    made = schedule(api_server, files=[f"{HOSTILE}.csv"])
    write(home.root, f"dev/{HOSTILE}.csv", "2\n" * 1000)

    page = open_page("/")
    row = page.get_by_role("row").filter(has_text=made)
    expect(row).to_contain_text("the copy is behind")
    row.get_by_role("button", name="Update the copy").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("listitem")).to_have_text([f"{HOSTILE}.csv"])
    expect(dialog).to_contain_text(f"can read what is copied: dev/report.ipynb, {HOSTILE}.csv.")
    dialog.get_by_role("button", name="Update the copy").click()
    expect(row).not_to_contain_text("the copy is behind")
