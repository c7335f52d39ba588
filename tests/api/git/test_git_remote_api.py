"""The git remote over the REST API: the web hook's secret in each of its forms, a look on demand."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from couture_workflow.services.git import remote as git_remote
from couture_workflow.services.git import sync as git_sync
from couture_workflow.services.git import watch as git_watch
from couture_workflow.services.git.remote import Credential, Remote
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer
from tests.support.git_server import GitServer, git, git_server


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[GitServer]:
    with git_server(tmp_path / "git", {"ci": "token"}) as running:
        running.repository("central.git")
        running.commit("central.git", {"remote_one.py": "one = 1\n"})
        prefix = f"{running.url}/"
        remote = Remote(
            url=f"{prefix}central.git", mode=git_remote.TWO_WAY, credentials=(Credential(prefix, "ci"),)
        )
        base = store.config.head()
        git_remote.save(store, remote, user="ann", base=base, values={prefix: "token"})
        yield running
        git_remote.save(store, Remote(), user="ann", base=git_remote.load(store).commit)


def test_a_look_on_demand_takes_what_is_new_and_is_audited(
    api_server: ApiServer, store: Store, server: GitServer
) -> None:
    answer = api_server.client("admin").post("/api/git-remote/sync", headers={"X-Requested-With": "tests"})

    assert answer.json()["result"] == "ok", answer.text
    assert store.dags.read("remote_one.py") == b"one = 1\n"
    assert api_server.client("admin").get("/api/git-remote/").json() == answer.json()
    rows = api_server.sql("select owner, extra from log where event = 'dag_repository.sync'")
    assert rows[-1][0] == "admin"
    requested = api_server.sql("select bundle_name, relative_fileloc from dag_priority_parsing_request")
    assert ("dags", "remote_one.py") in requested


def test_a_reload_says_what_came_and_what_the_gate_thinks_of_it(
    api_server: ApiServer, store: Store, server: GitServer
) -> None:
    client, headers = api_server.client("admin"), {"X-Requested-With": "tests"}
    url = "/api/git-remote/reload"
    first = client.post(url, headers=headers).json()
    assert (first["result"], first["passed"]) == ("ok", True), first
    server.commit("central.git", {"remote_one.py": None, "remote_bad.py": "def f(:\n"})

    told = client.post(url, headers=headers).json()

    assert told["before"] == first["local"] != told["local"]
    assert told["changes"] == {"remote_bad.py": "added", "remote_one.py": "deleted"}
    assert told["passed"] is False
    assert [(each["path"], each["code"]) for each in told["problems"]][0] == ("remote_bad.py", "syntax")
    assert client.post(url, headers=headers).json()["changes"] == {}
    again = client.post(url, params={"since": first["local"]}, headers=headers).json()
    assert again["changes"] == told["changes"]
    assert client.post(url, params={"since": "0" * 40}, headers=headers).status_code == 404
    assert api_server.client("viewer").post(url, headers=headers).status_code == 403
    server.commit("central.git", {"remote_bad.py": None})
    assert client.post(url, headers=headers).json()["changes"] == {"remote_bad.py": "deleted"}


def test_a_remote_that_does_not_answer_holds_nobody_up(
    api_server: ApiServer, store: Store, server: GitServer
) -> None:
    server.commit("central.git", {"remote_two.py": "two = 2\n"})
    server.answering.clear()
    client = api_server.client("admin")

    answer = client.post("/api/git-remote/sync", headers={"X-Requested-With": "tests"})

    assert (answer.status_code, answer.json()["result"]) == (202, "running")
    assert git_sync.is_looking(store)
    server.answering.set()
    deadline = time.monotonic() + 60
    while git_sync.is_looking(store):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert client.get("/api/git-remote/").json()["result"] == "ok"
    assert store.dags.read("remote_two.py") == b"two = 2\n"


def test_a_rewritten_history_is_taken_with_ours_on_top_or_without(
    api_server: ApiServer, store: Store, server: GitServer
) -> None:
    client = api_server.client("admin")
    headers = {"X-Requested-With": "tests"}
    assert client.post("/api/git-remote/sync", headers=headers).json()["result"] == "ok"
    secret = server.commit("central.git", {"remote_secret.py": "secret = 1\n"})
    assert client.post("/api/git-remote/sync", headers=headers).json()["local"] == secret
    nothing = client.post("/api/git-remote/rebase", headers=headers)
    assert (nothing.status_code, nothing.json()["error"]) == (409, "conflict")

    save(store, {"remote_mine.py": b"mine = 1\n"})
    amend(server, "remote_secret.py")
    state = client.post("/api/git-remote/sync", headers=headers).json()
    assert (state["result"], state["rewritten"], state["ahead"]) == ("conflict", True, 1)
    assert api_server.client("viewer").post("/api/git-remote/rebase", headers=headers).status_code == 403

    answer = client.post("/api/git-remote/rebase", headers=headers)
    assert answer.json()["result"] == "ok", answer.text
    assert server.file("central.git", "remote_mine.py") == "mine = 1"
    assert secret not in git(server.root / "central.git", "rev-list", "--all")
    rows = api_server.sql("select owner, extra from log where event = 'dag_repository.rebase'")
    assert rows[-1][0] == "admin" and answer.json()["local"] in rows[-1][1]

    save(store, {"remote_mine.py": b"mine = 2\n"})
    amend(server, "remote_mine.py")
    assert client.post("/api/git-remote/sync", headers=headers).json()["rewritten"]
    refused = client.post("/api/git-remote/rebase", headers=headers)
    assert (refused.status_code, refused.json()["paths"]) == (409, ["remote_mine.py"])
    taken = client.post("/api/git-remote/take", headers=headers)
    assert taken.json()["result"] == "ok", taken.text
    assert "remote_mine.py" not in store.dags.paths()
    rows = api_server.sql("select owner from log where event = 'dag_repository.take_remote'")
    assert rows[-1][0] == "admin"


def test_a_file_with_a_space_in_its_name_is_edited_and_another_one_is_refused(
    api_server: ApiServer, store: Store, server: GitServer
) -> None:
    name = "remote 'of' <them>&.py"
    server.commit("central.git", {name: "one = 1\n"})
    client = api_server.client("admin")
    client.post("/api/git-remote/sync", headers={"X-Requested-With": "tests"})
    body = {"content": "one = 2\n", "message": "two"}

    saved = client.put(f"/api/dags/files/{quote(name)}", json=body, headers={"X-Requested-With": "tests"})
    other = client.put("/api/dags/files/not%20there.py", json=body, headers={"X-Requested-With": "tests"})

    assert saved.status_code == 200, saved.text
    assert store.dags.read(name) == b"one = 2\n"
    assert (other.status_code, other.json()["error"]) == (422, "invalid_name")
    page = client.get("/couture/dag-editor/", params={"path": name})
    assert (page.status_code, "one = 2" in page.text) == (200, True)


def save(store: Store, files: dict[str, bytes]) -> None:
    """Save files here."""
    store.dags.save(files, author="ann", message="Mine", base=store.dags.head())


def amend(server: GitServer, path: str) -> None:
    """Take a file out of the newest commit of the remote."""
    clone = server.root / "clone-of-central.git"
    for words in (
        ("fetch", "-q", "origin", "main"), ("reset", "-q", "--hard", "origin/main"), ("rm", "-q", path),
        ("commit", "-q", "--amend", "--allow-empty", "-m", "without"),
        ("push", "-q", "--force", "origin", "HEAD:main"),
    ):  # fmt: skip
        git(clone, *words)


def test_the_web_hook_asks_for_a_look(api_server: ApiServer, store: Store) -> None:
    secret = git_remote.hook_secret(store)
    body = b'{"ref": "refs/heads/main"}'
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    for headers in (
        {"X-Gitlab-Token": secret},
        {"Authorization": f"Bearer {secret}"},
        {"X-Hub-Signature-256": f"sha256={signature}"},
    ):
        (store.root / git_watch.WANTED).unlink(missing_ok=True)
        with api_server.client() as client:
            answer = client.post("/api/git-remote/hook", content=body, headers=headers)
        assert answer.status_code == 202, answer.text
        assert (store.root / git_watch.WANTED).exists()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Gitlab-Token": ""},
        {"X-Gitlab-Token": "wrong"},
        {"Authorization": "Bearer x"},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature-256": "sha256=ü".encode("latin-1").decode("latin-1")},
    ],
)
def test_the_web_hook_without_its_secret_does_nothing(
    api_server: ApiServer, store: Store, headers: dict[str, str]
) -> None:
    (store.root / git_watch.WANTED).unlink(missing_ok=True)
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    with api_server.client() as client:
        answer = client.post("/api/git-remote/hook", content=b"{}", headers=encoded)

    assert answer.status_code == 401
    assert answer.json()["error"] == "not_authenticated"
    assert not (store.root / git_watch.WANTED).exists()


def test_nobody_else_reads_or_starts_anything(api_server: ApiServer) -> None:
    for account in ("dev", "op", "viewer", "nobody", "ci"):
        client = api_server.client(account)
        assert client.get("/api/git-remote/").status_code == 403
        answer = client.post("/api/git-remote/sync", headers={"X-Requested-With": "tests"})
        assert answer.status_code == 403
