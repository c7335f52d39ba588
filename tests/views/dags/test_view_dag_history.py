"""The calls of DAG History: versions, texts, graphs, runs that the account may read, restore."""

from __future__ import annotations

import re
import uuid
from typing import Any

import httpx
import pytest

from couture_workflow.services.dags import drafts as dag_drafts
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer

PAGE = "/couture/dag-history"
HOSTILE = "a'b\"<&>ü"
DAG = 'from airflow.sdk import DAG\n\nwith DAG("{dag_id}", schedule="{schedule}"):\n    pass\n'


@pytest.fixture
def folder() -> str:
    return f"history_{uuid.uuid4().hex[:8]}"


def save(
    store: Store, changes: dict[str, str | bytes | None], *, author: str = "eva", message: str = "m"
) -> str:
    encoded = {path: text.encode() if isinstance(text, str) else text for path, text in changes.items()}
    return store.dags.save(encoded, author=author, message=message, base=store.dags.head()).id


class Visitor:
    """A person with the page open."""

    def __init__(self, server: ApiServer, account: str = "admin") -> None:
        self.client: httpx.Client = server.client(account, headers={"Accept": "application/json"})
        text = self.client.get(f"{PAGE}/").text
        self.headers = {"X-CSRFToken": re.findall(r'name="csrf-token" content="([^"]+)"', text)[0]}

    def get(self, page: str, /, **params: Any) -> httpx.Response:
        return self.client.get(PAGE + page, params=params)

    def post(self, verb: str, **body: Any) -> httpx.Response:
        return self.client.post(f"{PAGE}/{verb}", json=body, headers=self.headers)


@pytest.fixture
def visitor(api_server: ApiServer) -> Visitor:
    return Visitor(api_server)


def listed(text: str) -> list[str]:
    return re.findall(r'data-commit="([0-9a-f]{40})"', text)


def test_versions_of_a_file_and_a_folder(folder: str, store: Store, visitor: Visitor) -> None:
    path = f"{folder}/a.sql"
    first = save(store, {path: "1\n"}, author=HOSTILE, message=f"<b>{HOSTILE}</b>\n\nmore")
    other = save(store, {f"{folder}/b.sql": "1\n"})
    last = save(store, {path: None})

    file, whole = visitor.get("/", path=path).text, visitor.get("/", path=folder).text

    assert listed(file) == [last, first]
    assert listed(whole) == [last, other, first]
    assert "<b>" not in whole
    assert "&lt;b&gt;a&#39;b&#34;&lt;&amp;&gt;ü&lt;/b&gt;" in whole
    assert f'data-restore="{first}"' in file
    assert f'data-restore="{last}"' not in file


def test_versions_are_paged(folder: str, store: Store, visitor: Visitor) -> None:
    commits = [save(store, {f"{folder}/a.sql": f"{number}\n"}) for number in range(33)]

    first, second = (visitor.get("/", path=folder, skip=skip).text for skip in (0, 30))

    assert listed(first) == commits[:2:-1]
    assert listed(second) == commits[2::-1]
    assert ("Older" in first, "Newer" in first, "Older" in second) == (True, False, False)
    assert f'data-newer="{commits[3]}"' in second


def test_version_with_its_texts_and_graphs(folder: str, store: Store, visitor: Visitor) -> None:
    path = f"{folder}/{folder}.py"
    daily, hourly = (DAG.format(dag_id=folder, schedule=when) for when in ("@daily", "@hourly"))
    first, second = save(store, {path: daily}), save(store, {path: hourly})

    page = visitor.get(f"/{second}").text
    text = visitor.get("/text", old=first, new=second, path=path).json()
    (dag,) = visitor.get("/graphs", old=first, new=second).json()["dags"]

    assert f'data-path="{path}"' in page
    assert text == {"old": daily, "new": hourly, "shown": True}
    assert (dag["dag_id"], dag["summary"]) == (folder, "schedule @daily → @hourly")


def test_file_of_a_version(folder: str, store: Store, visitor: Visitor) -> None:
    path = f"{folder}/a.bin"
    first = save(store, {path: b"\0\1", f"{folder}/b.sql": f"-- {HOSTILE}\n"})
    save(store, {path: None})

    shown = visitor.get("/file", commit=first, path=f"{folder}/b.sql").text
    binary = visitor.get("/file", commit=first, path=path).text
    loaded = visitor.get("/download", commit=first, path=path)

    assert 'data-text="-- a&#39;b&#34;&lt;&amp;&gt;ü\n"' in shown
    assert "no text that can be shown (2 bytes)" in binary
    assert (loaded.content, loaded.headers["content-disposition"]) == (
        b"\0\1",
        "attachment; filename*=UTF-8''a.bin",
    )


@pytest.mark.parametrize("commit", ["0" * 40, "--output=x", "main"])
def test_no_such_version(commit: str, visitor: Visitor) -> None:
    assert visitor.get(f"/{commit}").status_code == 404
    assert visitor.get("/file", commit=commit, path="a.py").status_code == 404
    assert visitor.post("restore", commit=commit, path="a.py").status_code == 404


def test_restored_file_becomes_a_draft(folder: str, store: Store, visitor: Visitor) -> None:
    path = f"{folder}/a.sql"
    first, second = save(store, {path: "1\n"}), save(store, {path: "2\n"})

    same = visitor.post("restore", commit=second, path=path)
    begun = visitor.post("restore", commit=first, path=path)
    dag_drafts.put(store, "admin", path, base=second, content="mine\n")
    asked = visitor.post("restore", commit=first, path=path)
    mine = dag_drafts.get(store, "admin", path)
    replaced = visitor.post("restore", commit=first, path=path, replace=True)

    assert same.status_code == 422
    assert begun.json()["review"].endswith(f"/couture/dag-review/?path={path}")
    assert (asked.status_code, mine and mine.content) == (409, "mine\n")
    draft = dag_drafts.get(store, "admin", path)
    assert replaced.status_code == 200
    assert draft is not None
    assert (draft.content, draft.base) == ("1\n", second)
    assert store.dags.read(path) == b"2\n"


def test_restored_folder_is_planned_and_saved(folder: str, store: Store, visitor: Visitor) -> None:
    first = save(store, {f"{folder}/a.sql": "1\n", f"{folder}/b.bin": b"\0"})
    save(store, {f"{folder}/a.sql": "2\n", f"{folder}/b.bin": None, f"{folder}/c.sql": "3\n"})

    assert visitor.post("restore", commit=first, path=folder).json() == {"plan": True}
    plan = visitor.post("plan", commit=first, path=folder).json()
    saved = visitor.post("apply", commit=first, path=folder, base=plan["base"], message="Back").json()
    again = visitor.post("plan", commit=first, path=folder)

    assert [(file["path"], file["kind"]) for file in plan["files"]] == [
        (f"{folder}/a.sql", "changed"),
        (f"{folder}/b.bin", "added"),
        (f"{folder}/c.sql", "removed"),
    ]
    assert store.dags.commit(saved["commit"]).message == "Back"
    assert store.dags.paths(f"{folder}/") == (f"{folder}/a.sql", f"{folder}/b.bin")
    assert again.status_code == 404


def test_restore_after_another_save_is_refused(folder: str, store: Store, visitor: Visitor) -> None:
    first = save(store, {f"{folder}/a.sql": "1\n"})
    base = save(store, {f"{folder}/a.sql": "2\n"})
    save(store, {f"{folder}/a.sql": "3\n"})

    answer = visitor.post("apply", commit=first, path=folder, base=base)

    assert answer.status_code == 409
    assert store.dags.read(f"{folder}/a.sql") == b"3\n"


def add_run(server: ApiServer, dag_id: str, path: str, version: str) -> str:
    """Write rows as Airflow does for a DAG of the repository and a run of it."""
    server.sql("insert or ignore into dag_bundle (name, active) values ('dags', 1)")

    def insert(table: str, values: dict[str, Any]) -> None:
        required = server.sql(
            f"select name from pragma_table_info('{table}') where [notnull] and dflt_value is null and not pk"
        )
        row = {**{name: 0 for (name,) in required}, **values}
        marks = ", ".join("?" * len(row))
        server.sql(f"insert or ignore into {table} ({', '.join(row)}) values ({marks})", *row.values())

    shared = {"relative_fileloc": path, "is_paused": 0, "is_stale": 0}
    insert("dag", {"dag_id": dag_id, "bundle_name": "dags", **shared})
    run_id = f"manual__{uuid.uuid4().hex}"
    now = "2026-01-01 00:00:00.000000"
    run = {
        "dag_id": dag_id,
        "run_id": run_id,
        "state": "success",
        "start_date": now,
        "bundle_version": version,
    }
    moments = {"run_after": now, "updated_at": now, "queued_at": now, "logical_date": None, "conf": "{}"}
    insert("dag_run", {**run, **moments, "run_type": "manual"})
    return run_id


def test_runs_used_the_newest_version_of_the_file_then(
    folder: str, store: Store, visitor: Visitor, api_server: ApiServer
) -> None:
    path = f"{folder}/{folder}.py"
    first = save(store, {path: DAG.format(dag_id=folder, schedule="@daily")})
    between = save(store, {f"{folder}/x.sql": "1\n"})
    second = save(store, {path: DAG.format(dag_id=folder, schedule="@hourly")})
    at_first, at_between, at_second = (
        add_run(api_server, folder, path, version) for version in (first, between, second)
    )
    add_run(api_server, f"{folder}_other", "other.py", between)

    def runs(commits: list[str], where: str, **more: str) -> dict[str, set[str]]:
        found = visitor.get("/runs", commit=commits, path=where, **more).json()["runs"]
        return {commit: {run["run_id"] for run in its} for commit, its in found.items()}

    assert runs([second, first], path) == {second: {at_second}, first: {at_first, at_between}}
    assert runs([first], path, newer=second) == {first: {at_first, at_between}}
    assert runs([first], "") == {first: {at_first}}


def test_runs_of_dags_that_may_not_be_read_are_not_told(
    folder: str, store: Store, api_server: ApiServer
) -> None:
    path = f"{folder}/{folder}.py"
    commit = save(store, {path: DAG.format(dag_id=folder, schedule="@daily")})
    run_id = add_run(api_server, folder, path, commit)
    told = Visitor(api_server, "dev").get("/runs", commit=commit, path=path).json()["runs"]

    assert [run["run_id"] for run in told[commit]] == [run_id]
    assert api_server.client("viewer").get(f"{PAGE}/runs?commit={commit}").status_code == 403
