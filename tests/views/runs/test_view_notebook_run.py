"""Runs of notebooks over HTTP: pages, the frame's limits, downloads, comparison, and who may see them."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from couture_workflow.services.notebooks import outputs, progress
from couture_workflow.services.runs import records
from couture_workflow.services.runs.notebook_use import CellRun
from couture_workflow.services.runs.records import RunKey
from couture_workflow.store.home import Store
from couture_workflow.views.runs.addresses import key_text
from tests.support.api_server import ApiServer
from tests.support.notebooks import HOSTILE
from tests.support.runs_of_notebooks import cell, ended, notebook, picture, png, shown, stream
from tests.web.runs.test_web_runs import airflow_has

FILE = f"files/{HOSTILE} %2e.csv"
SCRIPT = "<script>alert(1)</script>"
FILES = {
    outputs.NOTEBOOK: notebook(cell("print(1)", stream(SCRIPT), picture(png()), name="a")),
    outputs.HTML: b"<p>with code</p>" + SCRIPT.encode(),
    outputs.HTML_WITHOUT_CODE: b"<p>without</p>",
    FILE: b"a,b\n" * 100_000,
}


@pytest.fixture
def key() -> RunKey:
    return RunKey(f"{HOSTILE}-{uuid.uuid4().hex[:8]}", f"{HOSTILE}:+1", HOSTILE)


@pytest.fixture
def client(api_server: ApiServer) -> Iterator[httpx.Client]:
    with api_server.client("viewer") as client:
        yield client


def at(key: RunKey, part: str = "", root: str = "/couture/runs", **query: object) -> str:
    parts = "/".join(quote(each, safe="") for each in (key.dag_id, key.run_id, key.task_id))
    given = {"map_index": key.map_index, "try_number": key.try_number, **query}
    return f"{root}/{parts}{part}?" + "&".join(f"{name}={value}" for name, value in given.items())


def framed(key: RunKey, **query: object) -> str:
    return at(key, "/frame", root="/api/runs", **query)


def download(key: RunKey, name: str, **query: object) -> str:
    return at(key, f"/outputs/{quote(name)}", root="/api/runs", **query)


def test_the_page_shows_all_that_is_known_and_escapes_it(
    client: httpx.Client, store: Store, key: RunKey
) -> None:
    cells = [CellRun(1, SCRIPT, "success", 0.5), CellRun(2, "1 / 0", "failed", 2.0)]
    error = f"The notebook 'x' failed in cell 2 of 2.\n    1 / 0\nZeroDivisionError: {SCRIPT}"
    ended(store, key, FILES, parameters={"day": f'"{SCRIPT}"'}, cells=cells, error=error)
    page = client.get(at(key))

    assert page.status_code == 200
    assert SCRIPT not in page.text
    text = html.unescape(page.text)
    assert "Cell 2 of 2 failed" in text
    assert (
        text.index("Cell 2 of 2 failed")
        < text.index('id="parameters-title"')
        < text.index('id="output-title"')
    )
    for each in ("3.11.7", "pandas", "2.3.3", "reports/daily.ipynb", "390.6 KiB", "0.5 s", "2.0 s", HOSTILE):
        assert each in text
    assert re.search(r'<rect width="25.0"', page.text)
    (frame,) = re.findall(r"<iframe [^>]*>", page.text)
    assert 'sandbox="allow-scripts"' in frame
    links = [html.unescape(link) for link in re.findall(r'href="([^"]*/outputs/[^"]*)"', page.text)]
    assert len(links) == len(FILES)
    for link, content in zip(
        sorted(links), sorted(FILES.items(), key=lambda each: quote(each[0])), strict=True
    ):
        assert client.get(link.removeprefix("/airflow")).content == content[1]


def test_the_output_is_for_frames_alone_and_may_do_nothing_there(
    client: httpx.Client, store: Store, key: RunKey
) -> None:
    ended(store, key, FILES)
    answer = client.get(framed(key), headers={"Sec-Fetch-Dest": "iframe"})

    assert answer.content == FILES[outputs.HTML]
    policy = {
        part.split()[0]: part.split()[1:] for part in answer.headers["Content-Security-Policy"].split("; ")
    }
    assert policy["sandbox"] == ["allow-scripts"]
    assert policy["frame-ancestors"] == ["'self'"]
    for name in ("default-src", "connect-src", "form-action", "frame-src", "worker-src", "base-uri"):
        assert policy[name] == ["'none'"]
    assert policy["img-src"] == ["data:", "blob:"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"].startswith("text/html")
    without = client.get(framed(key, code=0), headers={"Sec-Fetch-Dest": "iframe"})
    assert without.content == FILES[outputs.HTML_WITHOUT_CODE]


def test_whoever_opens_the_address_of_the_frame_is_led_to_the_page_around_it(
    api_server: ApiServer, client: httpx.Client, store: Store, key: RunKey
) -> None:
    ended(store, key, FILES)
    page = client.get(at(key, "/output"))
    assert page.status_code == 200
    (given,) = re.findall(r'<iframe [^>]*src="([^"]+)"', page.text)
    frame = html.unescape(given).removeprefix("/airflow")

    assert (
        client.get(frame).content == FILES[outputs.HTML]
    )  # plain HTTP of another machine: no Sec-Fetch-Dest
    for headers in ({"Sec-Fetch-Dest": "document"}, {"Sec-Fetch-Dest": "object"}):
        away = client.get(frame, headers=headers)
        assert away.status_code == 302
        assert client.get(str(away.next_request and away.next_request.url)).text.count("<iframe") == 1
    assert client.get(framed(key)).status_code == 302
    assert client.get(framed(key, ticket="x")).status_code == 302
    assert api_server.client("admin").get(frame).status_code == 302  # it was given to another account
    other = replace(key, run_id="other")
    ended(store, other, FILES)
    assert client.get(framed(other, ticket=frame.rpartition("=")[2])).status_code == 302


def test_files_are_saved_never_shown(client: httpx.Client, store: Store, key: RunKey) -> None:
    ended(store, key, FILES)
    for name, content in FILES.items():
        answer = client.get(download(key, name))

        assert answer.content == content, name
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    assert (
        quote(f"{HOSTILE}.html", safe="")
        in client.get(download(key, outputs.HTML)).headers["Content-Disposition"]
    )
    assert client.get(download(key, outputs.HTML).replace("&try_number=1", "")).content == FILES[outputs.HTML]


def test_a_link_that_a_cell_made_leads_nobody_out(client: httpx.Client, store: Store, key: RunKey) -> None:
    ended(store, key, {**FILES, "files/passwd": b""})
    own = outputs.folder(store, key)
    for name in ("files/passwd", outputs.HTML):
        (own / name).unlink()
        (own / name).symlink_to("/etc/passwd")
    page = client.get(at(key))

    assert "passwd" not in page.text
    assert "root:" not in page.text
    for name in ("files/passwd", outputs.HTML, f"files/{'%2e%2e/' * 9}etc/passwd", "//etc/passwd"):
        answer = client.get(download(key, "{}").replace("%7B%7D", name))
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found"), name
    for address in (framed(key), at(key, "/output")):
        answer = client.get(address, headers={"Sec-Fetch-Dest": "iframe"})
        assert answer.status_code == 404
        assert "root:" not in answer.text


def test_who_may_not_read_the_task_sees_nothing(api_server: ApiServer, store: Store, key: RunKey) -> None:
    ended(store, key, FILES)
    other = replace(key, dag_id=f"{key.dag_id}-other")
    ended(store, other, FILES, minute=1)
    name = f"reader-{uuid.uuid4().hex[:8]}"
    read = (f"DAG:{other.dag_id}", "DAG Runs", "Task Instances")
    api_server.add_account(name, *(("can_read", resource) for resource in read))
    both = {"run": [key_text(key), key_text(other)]}

    for account in ("nobody", name):
        client = api_server.client(account)
        for address in (at(key), at(key, "/output"), framed(key), download(key, outputs.HTML)):
            assert client.get(address, headers={"Sec-Fetch-Dest": "iframe"}).status_code == 403, address
        assert client.get(at(key, "/progress", root="/api/runs")).status_code == 403
        answer = client.get("/couture/runs/compare", params=both)
        assert answer.status_code == 403
        assert "without" not in answer.text
    assert api_server.client(name).get(at(other, "/output")).status_code == 200
    assert api_server.client("viewer").get("/couture/runs/compare", params=both).status_code == 200
    anybody = api_server.client()
    for address in (framed(key), download(key, outputs.HTML), "/couture/runs/compare"):
        assert anybody.get(address).status_code in (302, 303, 401)


def test_progress_is_told_while_it_runs(
    api_server: ApiServer, client: httpx.Client, store: Store, key: RunKey
) -> None:
    run = ended(store, key, {}, state="running", ended_at=None)
    airflow_has(api_server, key, "running", "CoutureJupyterOperator")
    asked = at(key, "/progress", root="/api/runs")
    assert client.get(asked).json() == {"state": "running", "lost": False, "progress": None}
    outputs.folder(store, key).mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    told = progress.Progress(
        of=5,
        cells=(CellRun(1, "a", "success", 1.0), CellRun(2, "b", "running")),
        source=f"print('{SCRIPT}')",
        lines=(SCRIPT, "50%"),
        cell_started_at=now,
        updated_at=now,
    )
    progress.write(outputs.folder(store, key), told)

    answer = client.get(asked).json()["progress"]
    assert (answer["number"], answer["of"], answer["lines"]) == (2, 5, [SCRIPT, "50%"])
    page = client.get(at(key)).text
    assert "Cell 2 of 5" in page
    assert SCRIPT not in page
    airflow_has(api_server, key, "failed", "CoutureJupyterOperator")
    assert client.get(asked).json()["lost"] is True
    page = client.get(at(key)).text
    assert "Where it was when it was killed" in page
    assert "50%" in page
    records.write(store, replace(run, state="killed", ended_at=now))
    assert client.get(asked).json() == {"state": "killed", "lost": False, "progress": None}


def test_two_runs_are_compared_the_older_one_first(client: httpx.Client, store: Store, key: RunKey) -> None:
    old = replace(key, run_id="old")
    table = "<table><tr><td>{}</td></tr></table>"
    before = notebook(
        cell("a", stream(f"1 {SCRIPT}\n"), shown(text_html=table.format(5)), picture(png(shade=1)), name="a")
    )
    after = notebook(
        cell("a", stream("2\n"), shown(text_html=table.format(6)), picture(png(shade=2)), name="a")
    )
    cells = [CellRun(1, "a", "success", 1.0)]
    ended(store, old, {outputs.NOTEBOOK: before}, parameters={"n": SCRIPT}, cells=cells)
    job = ended(store, replace(key, run_id="middle"), {}, minute=1)
    records.write(store, replace(job, kind="spark"))
    ended(store, key, {outputs.NOTEBOOK: after}, minute=2, parameters={"n": "2"}, cells=cells)

    for given in ([key_text(key), key_text(old)], [key_text(old), key_text(key)], [key_text(key)]):
        page = client.get("/couture/runs/compare", params={"run": given})
        assert page.status_code == 200
        assert SCRIPT not in page.text
        text = html.unescape(page.text)
        assert text.index("<dd>old</dd>") < text.index(f"<dd>{key.run_id}</dd>")
        assert "source or results differ: 1; the same: 0." in text
        assert f"- 1 {SCRIPT}" in text
        assert "+ 2" in text
        assert page.text.count("<mark>") == 2
        assert page.text.count('src="data:image/png;base64,') == 2
        assert "1.0 s → 1.0 s" in text
        assert text.count(">differs<") == 2


def test_the_page_of_a_run_leads_to_the_comparison_with_the_one_before(
    client: httpx.Client, store: Store, key: RunKey
) -> None:
    ended(store, key, FILES)
    (link,) = re.findall(
        r'href="([^"]+)"[^>]*>[^C]*Compare with', client.get(at(key)).text.replace("\n", " ")
    )
    answer = client.get(html.unescape(link).removeprefix("/airflow"))

    assert answer.status_code == 404
    assert "has no earlier run on record" in answer.text
    ended(store, replace(key, try_number=2), FILES, minute=1)
    second = html.unescape(link).replace("+1%5D", "+2%5D")
    assert client.get(second.removeprefix("/airflow")).status_code == 200


@pytest.mark.parametrize(
    "runs",
    [
        [],
        ["x"],
        ["[]"],
        ['["a","b","c",-2,1]'],
        ['["a","b","c",-1,0]'],
        ['["a","b","c",-1,true]'],
        ['["a","b",5,-1,1]'],
        ['["a","b","c",-1,99999999999999999999]'],
        ["[" * 5_000],
        ['["a","b","c",-1,1]'] * 3,
    ],
)
def test_what_names_no_run_is_told(runs: list[str], client: httpx.Client) -> None:
    answer = client.get("/couture/runs/compare", params={"run": runs})

    assert answer.status_code == 422
    assert "Spark Jobs and Notebooks" in answer.text


def test_a_run_that_there_is_not_and_a_spark_job_are_told(
    client: httpx.Client, store: Store, key: RunKey
) -> None:
    ended(store, key, FILES)
    job = replace(key, task_id="spark")
    records.write(store, replace(ended(store, job, {}), kind="spark"))

    gone = client.get(
        "/couture/runs/compare", params={"run": [key_text(key), key_text(replace(key, run_id="gone"))]}
    )
    assert gone.status_code == 404
    refused = client.get("/couture/runs/compare", params={"run": [key_text(key), key_text(job)]})
    assert refused.status_code == 422
    assert "only runs of notebooks" in refused.text


def test_a_large_output_is_served_whole(
    client: httpx.Client, store: Store, key: RunKey, tmp_path: Path
) -> None:
    ended(store, key, {outputs.HTML: b"", "files/large": b""})
    for name in (outputs.HTML, "files/large"):
        with (outputs.folder(store, key) / name).open("wb") as file:
            file.truncate(60 * 2**20)

    with client.stream("GET", download(key, "files/large")) as answer:
        assert sum(map(len, answer.iter_bytes())) == 60 * 2**20
    with client.stream("GET", framed(key), headers={"Sec-Fetch-Dest": "iframe"}) as answer:
        assert sum(map(len, answer.iter_bytes())) == 60 * 2**20
    page = client.get(at(key)).text
    assert "The page is large" in page
    assert "<iframe" not in page
