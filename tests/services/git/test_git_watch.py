"""The watcher of the git remote: it looks at once when it is asked, and tells that it lives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.git import remote as git_remote
from couture_workflow.services.git import watch as git_watch
from couture_workflow.services.git.remote import Remote
from couture_workflow.store.home import Store
from tests.support.git_server import GitServer, git_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with git_server(tmp_path / "git", {}) as running:
        running.repository("central.git")
        running.commit("central.git", {"a.py": "one\n"})
        yield running


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.mark.slow
def test_it_looks_when_connected_and_when_asked(store: Store, server: GitServer) -> None:
    said: list[str] = []
    stop = threading.Event()
    assert not git_watch.is_watched(store)
    watcher = threading.Thread(target=git_watch.watch, args=(store, stop), kwargs={"report": said.append})
    watcher.start()
    try:
        until(lambda: git_watch.is_watched(store))
        remote = Remote(url=f"file://{server.root}/central.git", mode=git_remote.TWO_WAY, interval=86400)
        git_remote.save(store, remote, user="ann", base=None)
        until(lambda: store.dags.head() is not None)
        assert dag_repository.read(store, "a.py") == b"one\n"

        server.commit("central.git", {"a.py": "two\n"})
        git_watch.ask(store)
        until(lambda: dag_repository.read(store, "a.py") == b"two\n")

        store.dags.save({"b.py": b"mine\n"}, author="ann", message="x", base=store.dags.head())
        git_watch.ask(store)
        until(lambda: git_remote.state(store).message.startswith("Pushed"))
        assert server.file("central.git", "b.py") == "mine"
    finally:
        stop.set()
        watcher.join()
    assert not git_watch.is_watched(store)
    assert said[0].startswith("ok: Pulled what was new")
