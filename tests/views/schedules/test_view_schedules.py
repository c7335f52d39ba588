"""The page Notebook Schedules: who sees what, what the list and the form are made of, hostile names."""

from __future__ import annotations

import html
import json
import re
import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from couture_workflow.services.notebooks import outputs as notebook_outputs
from couture_workflow.services.notebooks.outputs import Keep
from couture_workflow.services.runs.records import RunKey
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer
from tests.support.people_notebooks import notebook, write

PAGE = "/couture/notebook-schedules"
API = "/api/notebooks/schedules/"
HOSTILE = "a'b\"<&>ü"
SCRIPT = "<script>alert(1)</script>"
REPORT = notebook(("rows = 10  # how many\nday = '2026-01-31'", ["parameters"]), "print(rows)")


class Person:
    """Somebody with the pages open."""

    def __init__(self, server: ApiServer, account: str = "dev") -> None:
        self.client: httpx.Client = server.client(account, headers={"X-Requested-With": "tests"})

    def get(self, path: str = "/", /, **query: Any) -> httpx.Response:
        return self.client.get(PAGE + path, params=query)

    def page(self, path: str = "/", /, **query: Any) -> str:
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.text

    def state(self, path: str, /, **query: Any) -> dict[str, Any]:
        [found] = re.findall(r'data-state="([^"]+)"', self.page(path, **query))
        return dict(json.loads(html.unescape(found)))

    def schedule(self, name: str, **more: Any) -> str:
        body = {
            "notebook": "shared/report.ipynb",
            "name": name,
            "when": {"kind": "cron", "cron": "0 6 * * *"},
        }
        answer = self.client.post(API, json={**body, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["commit"])

    def names(self, **query: Any) -> list[str]:
        return re.findall(r'<tr data-name="([^"]+)">', self.page("/", **query))


@pytest.fixture
def dev(api_server: ApiServer, store: Store) -> Iterator[Person]:
    """Return a developer; the shared folder has a notebook, and one of a hostile name."""
    for path in ("shared/report.ipynb", f"shared/{HOSTILE}.ipynb", "dev/own.ipynb", "viewer/hers.ipynb"):
        write(store.root, path, REPORT)
    write(store.root, "shared/rows.csv", "1\n")
    person = Person(api_server)
    yield person
    person.client.close()
    shutil.rmtree(store.root / "notebooks")


def name() -> str:
    """Return a name that no other test has."""
    return f"s_{uuid.uuid4().hex[:8]}"


def parsed(server: ApiServer, dag_id: str, commit: str, *, paused: bool = False, next_in: float = 60) -> None:
    """Do what Airflow's DAG processor does with the file of a schedule."""
    now = datetime.now(UTC)
    server.sql("insert or ignore into dag_bundle (name, active, version) values ('dags', 1, null)")
    columns = server.sql("select name from pragma_table_info('dag') where [notnull] and dflt_value is null")
    path = f"notebook_schedules/{dag_id}/{dag_id}.py"
    values = {
        **{column: 0 for (column,) in columns},
        "dag_id": dag_id,
        "bundle_name": "dags",
        "bundle_version": commit,
        "fileloc": f"/dags/{path}",
        "relative_fileloc": path,
        "last_parsed_time": _text(now + timedelta(seconds=1)),
        "next_dagrun_create_after": _text(now + timedelta(seconds=next_in)),
        "is_paused": int(paused),
        "is_stale": 0,
        "owners": "eva",
    }
    marks = ", ".join("?" * len(values))
    server.sql(f"insert into dag ({', '.join(values)}) values ({marks})", *values.values())


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def test_list_shows_when_what_and_whose_in_escaped_words(dev: Person, api_server: ApiServer) -> None:
    dag = name()
    commit = dev.schedule(
        dag,
        notebook=f"shared/{HOSTILE}.ipynb",
        parameters={"rows": 3, "note": SCRIPT},
        owner=HOSTILE,
        tags=[HOSTILE],
    )
    waiting = dev.page()
    parsed(api_server, dag, commit)
    page = dev.page()

    assert "not read yet" in waiting
    for text in (HOSTILE, SCRIPT):
        assert text not in page
        assert html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in page
    assert "At 06:00 (UTC)" in page
    assert re.search(rf'href="/airflow/dags/{dag}">{dag}</a>', page)
    assert f'aria-label="{dag} is active"' in page
    assert 'aria-checked="true"' in page
    assert page.count("<time ") >= 1


def test_copy_that_is_behind_and_file_that_was_edited_are_marked(dev: Person, store: Store) -> None:
    dag = name()
    dev.schedule(dag)
    assert "the copy is behind" not in dev.page()

    write(store.root, "shared/report.ipynb", notebook(("rows = 20", ["parameters"])))
    path = f"notebook_schedules/{dag}/{dag}.py"
    [file] = [each for each in store.dags.paths(path) if each == path]
    content = store.dags.read(file) + b"\n# mine\n"
    store.dags.save({path: content}, author="eva", message="Mine", base=store.dags.head())
    page = dev.page()

    assert "the copy is behind" in page
    assert "edited by hand" in page
    assert f'aria-label="Update the copy: {dag}"' in page
    assert dev.state(f"/{dag}/edit")["edited"] is True


def test_schedule_of_a_dag_that_one_may_not_read_is_not_shown(dev: Person, api_server: ApiServer) -> None:
    mine, other, account = name(), name(), f"reader-{uuid.uuid4().hex[:8]}"
    dev.schedule(mine)
    dev.schedule(other)
    api_server.add_account(
        account,
        ("can_read", "Notebook Schedules"),
        ("can_edit", "Notebook Schedules"),
        ("can_read", f"DAG:{mine}"),
    )
    reader = Person(api_server, account)

    assert reader.names(q="s_") == [mine]
    assert other not in reader.page()
    assert reader.get(f"/{other}/edit").status_code == 404
    assert reader.get(f"/{other}/live").status_code == 404
    assert reader.get(f"/{mine}/edit").status_code == 200


def test_somebody_who_only_reads_gets_no_controls(dev: Person, api_server: ApiServer) -> None:
    dag, account = name(), f"reader-{uuid.uuid4().hex[:8]}"
    parsed(api_server, dag, dev.schedule(dag))
    api_server.add_account(account, ("can_read", "Notebook Schedules"), ("can_read", "DAGs"))
    reader = Person(api_server, account)
    page = reader.page(q=dag)

    assert reader.names(q=dag) == [dag]
    assert 'data-act="run"' not in page and 'data-act="delete"' not in page
    assert re.search(r'role="switch"[^>]*disabled', page)
    assert "Schedule a notebook</a>" not in page
    assert reader.get("/new").status_code == 403
    assert reader.get(f"/{dag}/edit").status_code == 403


@pytest.mark.parametrize("account", ["viewer", "user", "op", "nobody", "ci"])
def test_roles_without_the_right_are_refused(account: str, dev: Person, api_server: ApiServer) -> None:
    person = Person(api_server, account)

    for path in ("/", "/new", "/x/edit", "/notebooks", "/x/live", "/x/outputs"):
        assert person.get(path).status_code == 403, path


def test_search_owner_and_order(dev: Person, api_server: ApiServer) -> None:
    word = uuid.uuid4().hex[:6]
    first, second, third = (f"{letter}_{word}" for letter in "abc")
    dev.schedule(first, owner="zoe", tags=["Sales"])
    dev.schedule(second, owner="ann")
    commit = dev.schedule(third, owner="Ben")
    parsed(api_server, second, commit, next_in=500)
    parsed(api_server, third, commit, next_in=50)

    assert dev.names(q=word) == [first, second, third]
    assert dev.names(q=word, sort="name", order="desc") == [third, second, first]
    assert dev.names(q=word, sort="owner") == [second, third, first]
    assert dev.names(q=word, sort="next") == [third, second, first]
    assert dev.names(q=f"{word} SALES") == [first]
    assert dev.names(q=word, owner="ann") == [second]
    assert 'role="alert"' in dev.page("/", sort=HOSTILE)
    assert "No schedule fits" in dev.page("/", q=f"{word} {HOSTILE}")


def test_list_comes_in_parts(dev: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    word = uuid.uuid4().hex[:6]
    dev.schedule(f"a_{word}")

    assert dev.names(q=word, offset=1) == []
    assert ">Back</a>" in dev.page("/", q=word, offset=1)
    assert dev.names(q=word, offset="9" * 40) == []


def test_form_of_a_new_schedule_has_the_notebook_of_the_address(dev: Person) -> None:
    state = dev.state("/new", path=f"dev/{HOSTILE}.ipynb")

    assert state["form"]["notebook"] == f"dev/{HOSTILE}.ipynb"
    assert state["form"]["when"] == {"kind": "now"}
    assert "Europe/Berlin" in state["zones"]
    assert "python3" in [kernel["name"] for kernel in state["kernels"]]


def test_form_of_a_schedule_has_what_was_saved(dev: Person, store: Store) -> None:
    dag = name()
    commit = dev.schedule(dag, parameters={"rows": 3}, files=["rows.csv"], retries=2, html="results")
    write(store.root, "shared/report.ipynb", notebook("print(1)"))

    state = dev.state(f"/{dag}/edit")

    assert (state["editing"], state["base"]) == (True, commit)
    assert {key: state["form"][key] for key in ("parameters", "files", "retries", "html")} == {
        "parameters": {"rows": 3},
        "files": ["rows.csv"],
        "retries": 2,
        "html": "results",
    }
    assert [each["name"] for each in state["parameters"]] == [
        "rows",
        "day",
    ]  # of the copy, not of the notebook
    assert state["files"] == [{"path": "rows.csv", "size": 2}]
    assert dev.get("/nothing/edit").status_code == 404


def test_time_with_an_offset_is_shown_on_the_clocks_of_its_zone(dev: Person) -> None:
    dag = name()
    when = {"kind": "at", "at": "2040-01-01T06:00:00.250+03:00", "zone": "Europe/Berlin"}
    dev.schedule(dag, when=when)

    assert dev.state(f"/{dag}/edit")["form"]["when"]["at"] == "2040-01-01T04:00:00"


def test_notebooks_to_choose_are_ones_own_and_the_shared_ones(dev: Person, store: Store) -> None:
    write(store.root, "dev/deep/er/x.ipynb", REPORT)
    write(store.root, "dev/.ipynb_checkpoints/old.ipynb", REPORT)

    found = dev.get("/notebooks").json()["notebooks"]

    assert found == ["dev/own.ipynb", "dev/deep/er/x.ipynb", f"shared/{HOSTILE}.ipynb", "shared/report.ipynb"]


def test_dag_is_waited_for_until_airflow_has_read_it(dev: Person, api_server: ApiServer) -> None:
    dag = name()
    commit = dev.schedule(dag)
    before = dev.get(f"/{dag}/live", commit=commit).json()
    parsed(api_server, dag, commit)

    assert before == {"state": "waiting", "error": ""}
    assert dev.get(f"/{dag}/live", commit=commit).json() == {"state": "parsed", "error": ""}
    assert dev.get(f"/{dag}/live", commit=HOSTILE).status_code in (404, 422)


def test_what_the_runs_left_is_told_before_it_is_deleted(dev: Person, store: Store) -> None:
    dag = name()
    dev.schedule(dag)
    nothing = dev.get(f"/{dag}/outputs").json()
    own = notebook_outputs.begin(store, RunKey(dag, "manual__1", "notebook"), Keep())
    (own / "output.ipynb").write_bytes(b"x" * 10)

    found = dev.get(f"/{dag}/outputs").json()

    assert nothing == {"tries": 0, "bytes": 0, "whole": True}
    assert (found["tries"], found["bytes"] >= 10) == (1, True)


def test_browser_of_a_foreign_page_can_do_nothing(dev: Person, api_server: ApiServer) -> None:
    dag = name()
    dev.schedule(dag)
    browser = api_server.client("dev")  # with the cookie, without the header that only our pages send

    assert browser.post(API, json={}).status_code == 403
    assert browser.delete(API + dag).status_code == 403
    assert browser.post(f"{API}{dag}/run", json={}).status_code == 403
    assert dag in dev.names()


def test_pages_have_no_inline_code(dev: Person) -> None:
    dag = name()
    dev.schedule(dag)

    for path in ("/", "/new", f"/{dag}/edit"):
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", dev.page(path)), path
