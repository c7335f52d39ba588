"""The calls of the page Edit DAG: who may type, drafts, problems, completion, other people's changes."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from couture_workflow.services.dags import drafts as dag_drafts
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer

PAGE = "/couture/dag-editor"
DAG = 'from airflow.sdk import DAG\n\nwith DAG("editor_test", schedule=None):\n    pass\n'


class Window:
    """A person with a file open."""

    def __init__(self, server: ApiServer, path: str, account: str = "dev") -> None:
        self.path = path
        self.client: httpx.Client = server.client(account)
        self.answer = self.client.get(f"{PAGE}/", params={"path": path})
        self.text = self.answer.text
        token = re.findall(r'name="csrf-token" content="([^"]+)"', self.text)
        self.headers = {"X-CSRFToken": token[0]} if token else {}
        state = re.findall(r'data-state="([^"]+)"', self.text)
        self.state: dict[str, Any] = json.loads(html.unescape(state[0])) if state else {}
        self.revision = (self.state.get("draft") or {}).get("revision")

    def call(self, verb: str, **payload: Any) -> httpx.Response:
        return self.client.post(f"{PAGE}/{verb}", json={"path": self.path, **payload}, headers=self.headers)

    def keep(self, content: str, **more: Any) -> httpx.Response:
        fields = {"base": self.state["base"], "expected": self.revision, **more}
        answer = self.call("draft", content=content, **fields)
        if answer.status_code == 200:
            self.revision = (answer.json()["draft"] or {}).get("revision")
        return answer


@pytest.fixture
def save(store: Store) -> Callable[..., str]:
    def write(path: str, content: bytes | None = DAG.encode(), author: str = "ada") -> str:
        saved = store.dags.save({path: content}, author=author, message="Made", base=store.dags.head())
        return saved.id

    return write


@pytest.fixture
def path(store: Store, save: Callable[..., str]) -> Iterator[str]:
    save("editor/view.py")
    yield "editor/view.py"
    for user in ("dev", "admin"):
        for draft in dag_drafts.all_of(store, user):
            dag_drafts.delete(store, user, draft.path)


def test_page_opens_a_file_and_a_new_one(api_server: ApiServer, path: str, store: Store) -> None:
    window = Window(api_server, path)
    fresh = Window(api_server, "editor/new.py")

    assert window.state == {
        "path": path,
        "exists": True,
        "user": "dev",
        "canType": True,
        "base": store.dags.head(),
        "text": DAG,
        "newest": None,
        "changed": None,
        "draft": None,
        "old": False,
    }
    assert (fresh.state["exists"], fresh.state["text"], fresh.state["canType"]) == (False, "", True)


def test_page_has_no_inline_code(api_server: ApiServer, path: str) -> None:
    text = Window(api_server, path).text

    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text)


@pytest.mark.parametrize("name", ["a'b\"<&>ü.py", "<script>alert(1)</script>.py", 'x" data-x="y.py'])
def test_hostile_names_of_pushed_files_are_text(
    api_server: ApiServer, store: Store, name: str, path: str
) -> None:
    # Others may push names that this product would not make.
    with store.dags.writing() as writer:
        head = store.dags.head()
        writer.run("read-tree", str(head))
        blob = writer.text("hash-object", "-w", "--stdin", stdin=b"x = 1\n")
        writer.run("update-index", "-z", "--index-info", stdin=f"100644 {blob}\t{name}\0".encode())
        tree = writer.text("write-tree")
        environment = {
            f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        commit = writer.text("commit-tree", tree, "-p", str(head), stdin=b"m", environment=environment)
        writer.run("update-ref", "refs/heads/main", commit)

    window = Window(api_server, name)
    download = window.client.get(f"{PAGE}/download", params={"path": name})

    assert window.state["path"] == name
    assert (window.state["text"], window.keep("x = 2\n").status_code) == ("x = 1\n", 200)
    assert "<script>alert" not in window.text
    assert html.unescape(re.findall(r"<title>(.*?) - Couture", window.text)[0]) == name
    assert ' data-x="y' not in window.text
    assert download.content == b"x = 1\n"
    assert (
        download.headers["content-disposition"]
        == f"attachment; filename*=UTF-8''{quote(name.split('/')[-1], safe='')}"
    )


def test_draft_is_kept_for_the_account_alone(api_server: ApiServer, path: str) -> None:
    window = Window(api_server, path)
    first = window.keep("x = 1\n").json()

    again = Window(api_server, path)
    other = Window(api_server, path, "admin")

    assert first["changed"] is None
    assert again.state["draft"]["content"] == "x = 1\n"
    assert again.state["draft"]["revision"] == first["draft"]["revision"]
    assert again.state["text"] == DAG
    assert other.state["draft"] is None
    assert window.keep(DAG).json() == {"draft": None, "changed": None}
    assert Window(api_server, path).state["draft"] is None


def test_two_windows_do_not_overwrite_each_other(api_server: ApiServer, path: str) -> None:
    one, other = Window(api_server, path), Window(api_server, path)
    one.keep("one\n")

    refused = other.keep("other\n")
    status = other.client.get(f"{PAGE}/status", params={"path": path, "base": other.state["base"]}).json()

    assert (refused.status_code, refused.json()["error"]) == (409, "conflict")
    assert (status["draft"]["content"], status["user"], status["newest"]) == ("one\n", "dev", None)
    assert other.keep("other\n", expected="*").status_code == 200


def test_version_of_somebody_else_is_told(api_server: ApiServer, path: str, save: Callable[..., str]) -> None:
    window = Window(api_server, path)
    window.keep("mine\n")
    theirs = save(path, b"theirs\n", author="bob")

    told = window.keep("mine, more\n").json()["changed"]
    again = Window(api_server, path)
    discarded = again.call("discard").json()

    assert (told["id"], told["author"], told["message"]) == (theirs, "bob", "Made")
    assert (again.state["changed"]["id"], again.state["base"]) == (theirs, window.state["base"])
    assert (again.state["text"], again.state["newest"]["text"]) == (DAG, "theirs\n")
    assert discarded == {"base": theirs, "text": "theirs\n", "exists": True}
    assert Window(api_server, path).state["draft"] is None


def test_what_cannot_be_edited_is_offered_for_download(
    api_server: ApiServer, path: str, save: Callable[..., str]
) -> None:
    save("editor/x.bin", b"\0\1\2")
    window = Window(api_server, "editor/x.bin")

    assert "It is a binary file." in window.text
    assert window.state["canType"] is False
    assert "dag_editor.js" not in window.text
    assert window.client.get(f"{PAGE}/download?path=editor/x.bin").content == b"\0\1\2"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"content": "x" * (2**20 + 1)}, 413),
        ({"content": 1}, 422),
        ({}, 422),
        ({"content": "x", "path": "../x.py"}, 422),
        ({"content": "x", "path": ["a"]}, 422),
        ({"content": "x", "base": "f" * 40}, 404),
        ({"content": "x", "base": "not a commit"}, 404),
    ],
    ids=["large", "number", "nothing", "outside", "list", "unknown", "rubbish"],
)
def test_draft_of_another_form_is_refused(
    api_server: ApiServer, path: str, body: dict[str, Any], status: int
) -> None:
    window = Window(api_server, path)

    assert window.call("draft", **body).status_code == status


def test_problems_come_with_their_fixes(api_server: ApiServer, path: str) -> None:
    window = Window(api_server, path)

    syntax = window.call("problems", content="def (\n").json()["problems"]
    unused = window.call("problems", content="import os\n").json()["problems"]

    assert (syntax[0]["level"], syntax[0]["line"], syntax[0]["fix"]) == ("error", 1, None)
    assert unused[0]["code"] == "F401"
    assert unused[0]["fix"]["edits"] == [[1, 1, 2, 1, ""]]
    assert window.call("problems", path="q.sql", content="SELECT").json() == {"problems": []}


def test_check_runs_the_gate(api_server: ApiServer, path: str) -> None:
    window = Window(api_server, path)

    passed = window.call("check", content=DAG).json()
    failed = window.call("check", content="import nothing_like_this\n" + DAG).json()

    assert passed["passed"]
    assert [graph["dag_id"] for graph in passed["graphs"] if graph["path"] == path] == ["editor_test"]
    assert not failed["passed"]
    assert any(problem["level"] == "error" and problem["line"] == 1 for problem in failed["problems"])


def test_layout_and_upgrade_return_text(api_server: ApiServer, path: str) -> None:
    window = Window(api_server, path)
    old = 'from airflow import DAG\nwith DAG("old", schedule_interval="@daily"):\n    pass\n'

    assert window.call("format", content="x = { 'a':1 }").json() == {"content": 'x = {"a": 1}\n'}
    assert window.call("format", content="import b\nimport a\n", what="imports").json() == {
        "content": "import a\nimport b\n"
    }
    refused = window.call("format", content="def (")
    assert (refused.status_code, "not valid Python" in refused.json()["detail"]) == (422, True)
    assert "schedule=" in window.call("upgrade", content=old).json()["content"]


def test_index_is_fetched_once(api_server: ApiServer, path: str) -> None:
    client = api_server.client("dev")

    first = client.get(f"{PAGE}/completion", timeout=120)
    again = client.get(f"{PAGE}/completion", headers={"If-None-Match": first.headers["etag"]})

    assert "airflow.sdk" in first.json()["modules"]
    assert first.headers["cache-control"] == "private, no-cache"
    assert (again.status_code, again.content) == (304, b"")


def test_names_are_those_that_the_account_may_read(
    api_server: ApiServer, store: Store, path: str, save: Callable[..., str]
) -> None:
    save("editor/tables.py", b"NAMES = []\n")
    store.artifacts.put("editor-names.py", [b"x = 1"], user="ada")
    api_server.sql(
        "insert or ignore into connection (conn_id, conn_type, is_encrypted, is_extra_encrypted) "
        "values ('editor_conn', 'http', 0, 0)"
    )
    api_server.sql(
        "insert or ignore into variable (key, val, is_encrypted) values ('editor_var', 's3cr3t', 0)"
    )

    admin = api_server.client("admin").get(f"{PAGE}/names")
    developer = api_server.client("dev").get(f"{PAGE}/names").json()

    assert "s3cr3t" not in admin.text
    assert "editor_conn" in admin.json()["connections"]
    assert "editor_var" in admin.json()["variables"]
    assert "default_pool" in admin.json()["pools"]
    assert developer["modules"]["editor.tables"] == ["NAMES"]
    assert "editor-names.py" in developer["artifacts"]
    # Developers have what Airflow's role User has: no connections and no variables.
    assert api_server.client("dev").get("/api/v2/connections").status_code == 403
    assert api_server.client("dev").get("/api/v2/variables").status_code == 403
    assert (developer["connections"], developer["variables"]) == ([], [])


def test_nobody_keeps_a_draft_without_the_token(api_server: ApiServer, path: str) -> None:
    window = Window(api_server, path)
    window.headers = {}

    refused = window.keep("x")

    assert (refused.status_code, refused.json()["error"]) == (400, "csrf")


def test_status_hands_out_a_token_that_works(api_server: ApiServer, path: str) -> None:
    """After the cookies are gone and a new log-in, the page goes on where it was."""
    window = Window(api_server, path)
    window.client = api_server.client("dev")
    assert window.keep("typed\n").json()["error"] == "csrf"

    status = window.client.get(f"{PAGE}/status", params={"path": path}).json()
    window.headers = {"X-CSRFToken": status["csrf"]}

    assert window.keep("typed\n").status_code == 200


@pytest.mark.parametrize(
    ("account", "path", "status", "leads_to"),
    [
        ("dev", "penguins.py", 302, "/couture/manage-dags/?example=penguins.py"),
        ("dev", "gone.py", 404, ""),
    ],
)
def test_the_tab_of_a_shipped_example_leads_to_its_copy(
    account: str, path: str, status: int, leads_to: str, api_server: ApiServer
) -> None:
    api_server.sql("insert or ignore into dag_bundle (name, active) values ('examples', 1)")
    api_server.sql(
        "insert into dag (dag_id, is_paused, is_stale, bundle_name, fileloc, relative_fileloc, owners, "
        "max_active_tasks, max_consecutive_failed_dag_runs, has_task_concurrency_limits, fail_fast, "
        "exceeds_max_non_backfill, timetable_type, timetable_partitioned, timetable_periodic, "
        "partition_mapper_info) values "
        "('shipped', 1, 0, 'examples', '/x.py', ?, 'ada', 1, 0, 0, 0, 0, 'x', 0, 0, '{}')",
        path,
    )

    answer = api_server.client(account).get(f"{PAGE}/of/shipped")
    api_server.sql("delete from dag where dag_id = 'shipped'")

    assert answer.status_code == status
    assert answer.headers.get("location", "").endswith(leads_to)
