"""The calls of Review & Save: what is shown, checked and saved, by whom, and how far Airflow is with it."""

from __future__ import annotations

import html
import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from couture_workflow.services.dags import drafts as dag_drafts
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer

PAGE = "/couture/dag-review"
HOSTILE = "a'b\"<&>ü"
DAG = 'from airflow.sdk import DAG\n\nwith DAG("{dag_id}", schedule=None):\n    pass\n'


@pytest.fixture
def path(store: Store) -> str:
    """Return the path of a file that is saved, with a draft of the administrator."""
    name = f"review_{uuid.uuid4().hex[:8]}.sql"
    commit = store.dags.save({name: b"select 1\n"}, author="eva", message="Add", base=store.dags.head())
    dag_drafts.put(store, "admin", name, base=commit.id, content=f"select 2 -- {HOSTILE}\n")
    return name


class Reviewer:
    """A person with the page open."""

    def __init__(self, server: ApiServer, query: str, account: str = "admin") -> None:
        self.client: httpx.Client = server.client(account, headers={"Accept": "application/json"})
        text = self.client.get(f"{PAGE}/?{query}").text
        (token,) = re.findall(r'name="csrf-token" content="([^"]+)"', text)
        self.headers = {"X-CSRFToken": token}
        self.state: dict[str, Any] = json.loads(html.unescape(re.findall(r'data-state="([^"]+)"', text)[0]))

    def call(self, verb: str, **body: Any) -> httpx.Response:
        headers = {**self.headers, "Content-Type": "application/json"}
        return self.client.post(f"{PAGE}/{verb}", content=json.dumps(body), headers=headers)

    def save(self, **more: Any) -> httpx.Response:
        files = [
            {"path": file["path"], "content": file["mine"], "revision": file["revision"]}
            for file in self.state["files"]
        ]
        return self.call("save", **{"files": files, "base": self.state["head"], "message": "m", **more})


def test_review_and_save(path: str, store: Store, api_server: ApiServer) -> None:
    person = Reviewer(api_server, f"path={path}")

    (file,) = person.state["files"]
    assert (file["old"], file["mine"], file["meanwhile"]) == (
        "select 1\n",
        f"select 2 -- {HOSTILE}\n",
        "nothing",
    )
    saved = person.save(message=f"Because {HOSTILE}").json()

    assert saved["files"] == [{"path": path, "state": "none", "dags": [], "error": "", "line": None}]
    assert store.dags.read(path).decode() == f"select 2 -- {HOSTILE}\n"
    newest = store.dags.commit(saved["commit"])
    assert (newest.author, newest.message) == ("admin", f"Because {HOSTILE}")
    assert Reviewer(api_server, f"path={path}").state["missing"] == [path]
    rows = api_server.sql("select owner from log where event = 'dags.save' and extra like ?", f"%{path}%")
    assert rows == [("admin",)]


def test_drafts_of_others_are_not_shown(path: str, api_server: ApiServer) -> None:
    assert Reviewer(api_server, f"path={path}", "dev").state["files"] == []


def test_save_after_another_one_loses_nothing(path: str, store: Store, api_server: ApiServer) -> None:
    person = Reviewer(api_server, f"path={path}")
    store.dags.save({path: b"theirs\n"}, author="eva", message="Theirs", base=store.dags.head())

    refused = person.save()
    state = person.client.get(f"{PAGE}/state?path={path}").json()

    assert (refused.status_code, refused.json()["error"]) == (409, "conflict")
    (file,) = state["files"]
    assert (file["meanwhile"], file["theirs"]["author"], file["old"]) == ("changed", "eva", "theirs\n")
    assert file["mine"].startswith("select 2")
    assert store.dags.read(path) == b"theirs\n"


def test_errors_need_the_right_to_override(store: Store, api_server: ApiServer) -> None:
    path = f"broken_{uuid.uuid4().hex[:8]}.py"
    for account in ("dev", "admin"):
        dag_drafts.put(store, account, path, base=store.dags.head(), content="import airflow.no_such dag\n")
    developer, admin = (Reviewer(api_server, f"path={path}", account) for account in ("dev", "admin"))

    (file,) = developer.state["files"]
    checked = developer.call("check", files=[{"path": path, "content": file["mine"]}]).json()
    blocked, forbidden = developer.save(), developer.save(override=True)
    saved = admin.save(override=True)

    assert (checked["passed"], checked["problems"][0]["path"]) == (False, path)
    assert (developer.state["mayOverride"], admin.state["mayOverride"]) == (False, True)
    assert (blocked.status_code, blocked.json()["error"]) == (422, "gate")
    assert forbidden.status_code == 403
    assert saved.json()["overridden"] is True
    assert dag_drafts.get(store, "dev", path) is not None


def test_draft_is_kept_moved_and_discarded(path: str, store: Store, api_server: ApiServer) -> None:
    person = Reviewer(api_server, f"path={path}")
    (file,) = person.state["files"]

    kept = person.call("draft", path=path, content="3\n", base=file["begun"], revision=file["revision"])
    stale = person.call("draft", path=path, content="4\n", base=file["begun"], revision=file["revision"])
    moved = person.call("move", path=path, new_path=f"moved/{path}")
    gone = person.call("discard", path=f"moved/{path}")

    assert (kept.status_code, stale.status_code) == (200, 409)
    assert moved.json() == {"path": f"moved/{path}"}
    assert gone.json() == {"discarded": True}
    assert dag_drafts.get(store, "admin", path) is None


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        pytest.param("save", {"files": []}, id="nothing"),
        pytest.param("save", {"files": [{"path": 1, "content": None}]}, id="no texts"),
        pytest.param("check", {"files": [{"path": "a.py", "content": "\ud800"}]}, id="half a character"),
        pytest.param("save", {"files": [{"path": "../a.py", "content": "1"}]}, id="outside"),
        pytest.param("draft", {"path": "../a.py", "content": "1"}, id="draft outside"),
    ],
)
def test_odd_calls_are_refused_in_words(verb: str, body: dict[str, Any], api_server: ApiServer) -> None:
    answer = Reviewer(api_server, "path=no.py").call(verb, **body)

    assert answer.status_code == 422
    assert answer.json()["detail"].endswith((".", "long."))


@pytest.fixture
def parsed(store: Store, api_server: ApiServer) -> Any:
    """Return a function that saves a DAG file and does what Airflow's DAG processor does with it."""

    def parse(*, version: str | None = None, ago: float = 0.0, error: str = "") -> tuple[str, str, str]:
        dag_id = f"live_{uuid.uuid4().hex[:8]}"
        path = f"{dag_id}.py"
        content = DAG.format(dag_id=dag_id).encode()
        commit = store.dags.save({path: content}, author="eva", message="Add", base=store.dags.head())
        when = (datetime.now(UTC) + timedelta(seconds=1 - ago)).strftime("%Y-%m-%d %H:%M:%S.%f")
        api_server.sql("insert or ignore into dag_bundle (name, active, version) values ('dags', 1, null)")
        if error:
            api_server.sql(
                "insert into import_error (timestamp, filename, bundle_name, stacktrace) "
                "values (?, ?, 'dags', ?)",
                when,
                path,
                error,
            )
        else:
            columns = api_server.sql(
                "select name from pragma_table_info('dag') where [notnull] and dflt_value is null"
            )
            values = {
                "dag_id": dag_id,
                "bundle_name": "dags",
                "bundle_version": version or commit.id,
                "fileloc": f"/dags/{path}",
                "relative_fileloc": path,
                "last_parsed_time": when,
                "is_paused": 0,
                "is_stale": 0,
                "owners": "eva",
                **{
                    name: 0
                    for (name,) in columns
                    if name not in ("dag_id", "bundle_name", "is_paused", "is_stale")
                },
            }
            names, marks = ", ".join(values), ", ".join("?" * len(values))
            api_server.sql(f"insert into dag ({names}) values ({marks})", *values.values())
        return path, commit.id, dag_id

    return parse


def live(server: ApiServer, path: str, commit: str) -> dict[str, Any]:
    (found,) = server.client("dev").get(f"{PAGE}/live?commit={commit}&path={path}").json()["files"]
    return dict(found)


def test_live_after_a_parse(parsed: Any, api_server: ApiServer) -> None:
    path, commit, dag_id = parsed()

    assert live(api_server, path, commit) == {
        "path": path,
        "state": "parsed",
        "dags": [dag_id],
        "error": "",
        "line": None,
    }


def test_live_waits_for_the_version(parsed: Any, store: Store, api_server: ApiServer) -> None:
    old = store.dags.save({"x.md": b"1"}, author="eva", message="Old", base=store.dags.head()).id

    before, commit, _ = parsed(ago=60)
    other, newer, _ = parsed(version=old)

    assert live(api_server, before, commit)["state"] == "waiting"
    assert live(api_server, other, newer)["state"] == "waiting"


def test_live_tells_an_import_error(parsed: Any, api_server: ApiServer) -> None:
    path, commit, _ = parsed(error="Traceback\nValueError: no\n")

    found = live(api_server, path, commit)

    assert (found["state"], "ValueError: no" in found["error"]) == ("error", True)


@pytest.mark.parametrize("stale", [0, 1])
def test_a_traceback_is_for_those_who_may_read_the_code_of_the_dag(
    stale: int, parsed: Any, api_server: ApiServer
) -> None:
    path, commit, dag_id = parsed()
    when = (datetime.now(UTC) + timedelta(seconds=5)).strftime("%Y-%m-%d %H:%M:%S.%f")
    api_server.sql(
        "insert into import_error (timestamp, filename, bundle_name, stacktrace) values (?, ?, 'dags', ?)",
        when,
        path,
        "Traceback\nValueError: no password hunter2\n",
    )
    api_server.sql("update dag set is_stale = ? where dag_id = ?", stale, dag_id)
    of_code = """from ab_permission_view_role
        where role_id = (select id from ab_role where name = 'Developer')
        and permission_view_id in (
            select pv.id from ab_permission_view pv
            join ab_permission p on p.id = pv.permission_id join ab_view_menu v on v.id = pv.view_menu_id
            where p.name = 'can_read' and v.name = 'DAG Code')"""
    kept = api_server.sql(f"select id, permission_view_id, role_id {of_code}")
    assert len(kept) == 1
    person, address = api_server.client("dev"), f"/couture/manage-dags/error?path={path}"
    assert "hunter2" in live(api_server, path, commit)["error"]
    assert "hunter2" in person.get(address).json()["error"]

    api_server.sql(f"delete {of_code}")
    try:
        told = live(api_server, path, commit)
        on_the_list = person.get(address).json()["error"]
    finally:
        api_server.sql(
            "insert into ab_permission_view_role (id, permission_view_id, role_id) values (?, ?, ?)", *kept[0]
        )

    assert told["state"] == "error"
    for text in (told["error"], on_the_list):
        assert "hunter2" not in text
        assert "does not include to read the code" in text
