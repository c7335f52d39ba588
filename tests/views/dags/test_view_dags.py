"""The calls of Manage DAGs on a real server: list, search, uploads, renames, deletions, downloads."""

from __future__ import annotations

import io
import json
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from couture_workflow.services.dags import drafts as dag_drafts
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer

PAGE = "/couture/manage-dags"
HOSTILE = "a'b\"<&>ü.py"
DAG = """from airflow.sdk import DAG

with DAG(dag_id="{}", schedule=None):
    pass
"""


@pytest.fixture
def store(store: Store) -> Store:
    """Return the server's store; its DAG files are those of the fixture at the start of each test."""
    put(store, {"daily.py": DAG.format("daily"), "common/tables.py": "NAMES = 1\n", "common/__init__.py": ""})
    return store


def put(store: Store, files: dict[str, str | None], *, author: str = "ada", message: str = "Put") -> str:
    changes = {path: None if text is None else text.encode() for path, text in files.items()}
    return store.dags.save(changes, author=author, message=message, base=store.dags.head()).id


class Person:
    """Somebody with the page open."""

    def __init__(self, server: ApiServer, account: str = "admin") -> None:
        self.client: httpx.Client = server.client(account, follow_redirects=False)
        shown = self.client.get(PAGE + "/")
        assert shown.status_code == (403 if account == "viewer" else 200)
        self.text = shown.text
        token = re.findall(r'name="csrf-token" content="([^"]+)"', self.text)
        self.headers = {"X-CSRFToken": token[0] if token else "", "Accept": "application/json"}

    def get(self, verb: str, **query: Any) -> httpx.Response:
        return self.client.get(f"{PAGE}/{verb}", params=query, headers=self.headers)

    def post(self, verb: str, **body: Any) -> httpx.Response:
        return self.client.post(f"{PAGE}/{verb}", json=body, headers=self.headers, timeout=120)

    def upload(self, verb: str, files: dict[str, bytes], **plan: Any) -> httpx.Response:
        body = {"paths": list(files), **plan}
        return self.client.post(
            f"{PAGE}/upload/{verb}",
            data={"plan": json.dumps(body)},
            files=[("files", ("file", content)) for content in files.values()],
            headers=self.headers,
            timeout=120,
        )

    def change(self, action: str, **body: Any) -> dict[str, Any]:
        """Look at a change and save it, as the dialog does."""
        plan = good(self.post(f"{action}/check", **body))
        return good(self.post(f"{action}/save", base=plan["base"], message=plan["message"], **body))


def good(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def admin(api_server: ApiServer, store: Store) -> Person:
    return Person(api_server)


def paths(store: Store) -> list[str]:
    return [file.path for file in dag_repository.files(store)]


def kinds(plan: dict[str, Any]) -> dict[str, str]:
    return {file["path"]: file["kind"] for file in plan["files"]}


def test_list_tells_who_changed_what_and_is_sent_only_when_it_is_new(admin: Person, store: Store) -> None:
    commit = put(store, {"daily.py": DAG.format("daily") + "\n"}, author="bob", message="Note <b>")

    found = good(admin.get("files"))

    rows = {row["path"]: row for row in found["files"]}
    assert list(rows) == ["common/__init__.py", "common/tables.py", "daily.py"]
    assert rows["daily.py"]["changed"] | {"when": ""} == {
        "author": "bob",
        "commit": commit,
        "message": "Note <b>",
        "when": "",
    }
    assert rows["daily.py"]["state"] == "waiting"
    assert rows["common/tables.py"]["state"] == "none"
    assert good(admin.get("files", known=found["digest"])) == {"same": True}
    put(store, {"new.py": "x = 1\n"})
    assert "new.py" in [row["path"] for row in good(admin.get("files", known=found["digest"]))["files"]]


def test_list_joins_what_airflow_knows(admin: Person, store: Store, api_server: ApiServer) -> None:
    put(store, {"broken.py": "import airflow.dag_nothing\n"})
    api_server.sql(
        "insert into dag_bundle (name, active) select 'dags', 1 where not exists "
        "(select 1 from dag_bundle where name = 'dags')"
    )
    api_server.sql(
        "insert into import_error (timestamp, filename, bundle_name, stacktrace) values "
        "('2099-01-01 00:00:00', 'broken.py', 'dags', ?)",
        'Traceback:\n  File "/x/broken.py", line 7, in <module>\nModuleNotFoundError: <nothing>\n',
    )

    found = good(admin.get("files"))
    rows = {row["path"]: row for row in found["files"]}
    api_server.sql("update import_error set timestamp = '2099-01-01 00:00:30'")

    assert good(admin.get("files", known=found["digest"])) == {"same": True}, "read again, looks the same"
    assert (rows["broken.py"]["state"], rows["broken.py"]["error_line"]) == ("error", 7)
    assert "ModuleNotFoundError: <nothing>" in good(admin.get("error", path="broken.py"))["error"]
    assert good(admin.get("error", path="daily.py")) == {"error": ""}
    api_server.sql("delete from import_error")


def test_list_marks_drafts_of_the_caller(admin: Person, store: Store, api_server: ApiServer) -> None:
    for path in ("daily.py", "begun.py"):
        dag_drafts.put(store, "admin", path, base=None, content="x")

    found = good(admin.get("files"))
    other = good(Person(api_server, "dev").get("files"))

    assert [row["path"] for row in found["files"] if row["draft"]] == ["daily.py"]
    assert (found["drafts"], other["drafts"]) == (["begun.py"], [])


def test_search_finds_lines_by_text_and_by_expression(admin: Person, store: Store) -> None:
    assert good(admin.get("search", text="dag_id=")) == {
        "matches": [{"path": "daily.py", "line": 3, "text": 'with DAG(dag_id="daily", schedule=None):'}],
        "more": False,
    }
    assert [m["path"] for m in good(admin.get("search", text="^NA.*1$", regex="1"))["matches"]] == [
        "common/tables.py"
    ]
    refused = admin.get("search", text="(", regex="1")
    assert (refused.status_code, refused.json()["error"]) == (422, "invalid")


def test_upload_is_planned_file_by_file_and_saved_as_one_commit(admin: Person, store: Store) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("pkg/__init__.py", "")
        file.writestr("pkg/q.sql", "select 1\n")
    files = {
        "daily.py": (DAG.format("daily") + "# more\n").encode(),
        "common/__init__.py": b"",
        "all.zip": archive.getvalue(),
        HOSTILE: b"x = 1\n",
    }

    plan = good(admin.upload("check", files))

    assert kinds(plan) == {
        "daily.py": "replaces",
        "common/__init__.py": "same",
        "pkg/__init__.py": "new",
        "pkg/q.sql": "new",
        HOSTILE: "refused",
    }
    changed = next(file for file in plan["files"] if file["path"] == "daily.py")
    assert (changed["added"], changed["removed"]) == (1, 0)
    assert (plan["count"], plan["passed"], plan["base"]) == (3, True, store.dags.head())
    saved = good(
        admin.upload("save", files, base=plan["base"], message="Bring <all>", names={HOSTILE: "ab_ü.py"})
    )
    assert saved["message"] == "Bring <all>"
    assert paths(store) == [
        "ab_ü.py",
        "common/__init__.py",
        "common/tables.py",
        "daily.py",
        "pkg/__init__.py",
        "pkg/q.sql",
    ]
    newest, previous = dag_repository.history(store, limit=2)
    assert (newest.author, previous.id) == ("admin", plan["base"])


def test_upload_with_an_error_is_blocked_and_an_admin_may_save_it_anyway(
    admin: Person, store: Store, api_server: ApiServer
) -> None:
    files = {"bad.py": b"def (\n"}
    developer = Person(api_server, "dev")

    plan = good(developer.upload("check", files))

    assert not plan["passed"]
    assert not plan["may_override"]
    assert [(one["level"], one["path"], one["line"]) for one in plan["problems"]][0] == ("error", "bad.py", 1)
    refused = developer.upload("save", files, base=plan["base"])
    assert (refused.status_code, refused.json()["error"]) == (422, "gate")
    assert refused.json()["problems"]
    assert developer.upload("save", files, base=plan["base"], override=True).status_code == 403
    assert good(admin.upload("check", files))["may_override"]
    assert good(admin.upload("save", files, base=plan["base"], override=True))["overridden"]
    assert "bad.py" in paths(store)


def test_bomb_and_broken_form_are_refused(admin: Person) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros.py", b"\0" * 20 * 2**20)

    answers = [
        admin.upload("check", {"bomb.zip": bomb.getvalue()}),
        admin.upload("check", {"a.py": b""}, folder="../x"),
        admin.upload("check", {"a.py": b""}, paths=["a.py", "b.py"]),
        admin.upload("check", {"a.py": b""}, names=[1]),
        admin.post("upload/check"),
        admin.post("delete/check", paths="a.py"),
    ]

    assert [answer.status_code for answer in answers] == [422] * 6
    assert "unpacks to more than" in answers[0].json()["detail"]


def test_upload_over_the_limit_is_refused_by_its_size(admin: Person) -> None:
    large = admin.upload("check", {"a.csv": b"x" * (34 * 2**20)})
    fits = admin.upload("check", {"a.csv": b"x," * (10 * 2**20)})

    assert large.status_code == 413
    assert fits.status_code == 200


def test_many_files_come_in_one_upload(admin: Person, store: Store) -> None:
    files = {f"many/m{number:04}.sql": b"select 1" for number in range(1500)}

    plan = good(admin.upload("check", files))

    assert plan["count"] == 1500


def test_rename_of_a_folder_names_who_imports_it(admin: Person, store: Store) -> None:
    put(store, {"user.py": "from common.tables import NAMES\n"})

    plan = good(admin.post("rename/check", old="common", new="shared/lib"))

    assert [(file["was"], file["path"], file["kind"]) for file in plan["files"]] == [
        ("common/__init__.py", "shared/lib/__init__.py", "renamed"),
        ("common/tables.py", "shared/lib/tables.py", "renamed"),
    ]
    assert {"path": "user.py", "line": 1, "what": "imports common/tables.py"} in plan["uses"]
    admin.change("rename", old="common", new="shared/lib")
    assert paths(store) == ["daily.py", "shared/lib/__init__.py", "shared/lib/tables.py", "user.py"]


def test_delete_names_callers_and_runs(admin: Person, store: Store, api_server: ApiServer) -> None:
    put(store, {"master.py": "TriggerDagRunOperator(task_id='t', trigger_dag_id='daily')\n"})
    api_server.sql(
        "insert into dag_bundle (name, active) select 'dags', 1 where not exists "
        "(select 1 from dag_bundle where name = 'dags')"
    )
    api_server.sql(
        "insert into dag (dag_id, is_paused, is_stale, bundle_name, fileloc, relative_fileloc, owners, "
        "max_active_tasks, max_consecutive_failed_dag_runs, has_task_concurrency_limits, fail_fast, "
        "exceeds_max_non_backfill, timetable_type, timetable_partitioned, timetable_periodic, "
        "partition_mapper_info) values "
        "('daily', 1, 0, 'dags', '/dags/daily.py', 'daily.py', 'ada', 1, 0, 0, 0, 0, 'x', 0, 0, '{}')"
    )
    api_server.sql(
        "insert into dag_run (dag_id, run_id, state, run_type, run_after, clear_number, span_status) "
        "values ('daily', 'manual__1', 'running', 'manual', '2026-01-01 00:00:00', 0, 'not_started')"
    )

    row = next(row for row in good(admin.get("files"))["files"] if row["path"] == "daily.py")
    plan = good(admin.post("delete/check", paths=["daily.py", "common"]))

    assert (row["dags"], row["owner"]) == ([{"id": "daily", "paused": True}], "ada")
    assert set(kinds(plan)) == {"daily.py", "common/__init__.py", "common/tables.py"}
    assert plan["uses"] == [{"path": "master.py", "line": 1, "what": "starts the DAG daily"}]
    assert plan["dags"] == ["daily"]
    assert plan["runs"] == [{"dag_id": "daily", "run_id": "manual__1", "state": "running"}]
    api_server.sql("delete from dag_run")
    api_server.sql("delete from dag")
    admin.change("delete", paths=["daily.py", "common"])
    assert paths(store) == ["master.py"]


def test_somebody_saved_meanwhile(admin: Person, store: Store) -> None:
    files = {"daily.py": b"x = 1\n"}
    plan = good(admin.upload("check", files))
    put(store, {"daily.py": "y = 2\n"}, author="bob", message="Mine <first>")

    refused = admin.upload("save", files, base=plan["base"])

    assert (refused.status_code, refused.json()["error"]) == (409, "conflict")
    assert refused.json()["paths"] == ["daily.py"]
    told = good(admin.get("meanwhile", base=plan["base"], path="daily.py"))
    assert [(commit["author"], commit["message"]) for commit in told["commits"]] == [("bob", "Mine <first>")]
    assert "+y = 2" in told["diff"]
    again = good(admin.upload("check", files))
    good(admin.upload("save", files, base=again["base"]))
    assert dag_repository.read(store, "daily.py") == b"x = 1\n"


def test_file_with_a_hostile_name_that_was_pushed_is_shown_and_can_be_deleted(
    admin: Person, store: Store, tmp_path: Path
) -> None:
    push(store, tmp_path, {HOSTILE: "x = 1\n"})

    assert HOSTILE in [row["path"] for row in good(admin.get("files"))["files"]]
    assert admin.get("download", path=HOSTILE).content == b"x = 1\n"
    assert admin.post("rename/check", old=HOSTILE, new="fine.py").status_code == 200
    admin.change("delete", paths=[HOSTILE])
    assert HOSTILE not in paths(store)


def push(store: Store, folder: Path, files: dict[str, str]) -> None:
    """Commit files by git alone, as somebody does who pushes."""
    work = folder / "work"
    clone = ["git", "clone", "-q", "-b", "main", str(store.dags.path), str(work)]
    subprocess.run(clone, check=True, capture_output=True)
    for name, text in files.items():
        (work / name).write_text(text)
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (
        ["add", "."],
        [*identity, "commit", "-q", "-m", "Push"],
        ["push", "-q", "origin", "main"],
    ):
        subprocess.run(["git", "-C", str(work), *command], check=True, capture_output=True)


def test_download_is_the_file_or_an_archive(admin: Person, store: Store) -> None:
    one = admin.get("download", path="common/tables.py")
    folder = admin.get("download", path="common")
    some = admin.get("download", path=["daily.py", "common/tables.py"])

    assert (one.content, one.headers["content-disposition"]) == (
        b"NAMES = 1\n",
        "attachment; filename*=UTF-8''tables.py",
    )
    assert folder.headers["content-disposition"] == "attachment; filename*=UTF-8''common.zip"
    with zipfile.ZipFile(io.BytesIO(folder.content)) as archive:
        assert archive.namelist() == ["common/__init__.py", "common/tables.py"]
    with zipfile.ZipFile(io.BytesIO(some.content)) as archive:
        assert sorted(archive.namelist()) == ["common/tables.py", "daily.py"]
    assert admin.get("download", path="nothing.py").status_code == 404
    assert admin.get("download").status_code == 404


def test_name_of_a_new_file_is_checked(admin: Person) -> None:
    assert good(admin.post("name", path="reports/u\u0308ber.py")) == {"path": "reports/über.py"}
    for path, words in {
        HOSTILE: 'Type "a_b_ü.py", for example.',
        "../x.py": "is refused",
        "daily.py": 'There is already "daily.py"',
        "DAILY.py": 'There is already "daily.py"',
    }.items():
        refused = admin.post("name", path=path)
        assert refused.status_code == 422
        assert words in refused.json()["detail"]


def test_example_is_copied(admin: Person, store: Store) -> None:
    names = [one["name"] for one in good(admin.get("examples"))["examples"]]

    saved = admin.change("examples", names=["word_count.py"], folder="examples")

    assert "word_count.py" in names
    assert {problem["level"] for problem in saved["problems"]} <= {"warning", "note"}
    assert {"examples/dags/word_count.py", "examples/data/jackass-penguin.txt"} <= set(paths(store))


def test_viewer_is_refused_and_pages_have_no_inline_code(api_server: ApiServer, admin: Person) -> None:
    viewer = Person(api_server, "viewer")

    assert viewer.get("files").status_code == 403
    assert viewer.post("delete/check", paths=["daily.py"]).status_code == 403
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", admin.text)


def test_save_writes_an_audit_row(admin: Person, api_server: ApiServer) -> None:
    saved = admin.change("delete", paths=["common/tables.py"])

    rows = api_server.sql("select owner, extra from log where event = 'dags.save' order by id desc limit 1")
    assert rows[0][0] == "admin"
    assert json.loads(rows[0][1])["commit"] == saved["commit"]
