"""The git remote over the REST API: the web hook's secret in each of its forms, a look on demand."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from couture_workflow.services.git import remote as git_remote
from couture_workflow.services.git import sync as git_sync
from couture_workflow.services.git import watch as git_watch
from couture_workflow.services.git.remote import Credential, Remote
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer
from tests.support.git_server import GitServer, git_server


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
        with httpx.Client(base_url=api_server.url) as client:
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
    with httpx.Client(base_url=api_server.url) as client:
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
