"""The thread of a server that works on uploads: one of several works, no fault ends it, it ends at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.models import library, work
from couture_workflow.services.models.arrival import background
from couture_workflow.services.models.arrival.uploads import Reception, Wishes
from couture_workflow.services.models.arrival.worker import Worker
from couture_workflow.store.home import Store

NAME = "couture-models"


def until(said: Callable[[], object]) -> None:
    for _ in range(1200):
        if said():
            return
        work.wake()
        time.sleep(0.05)
    raise AssertionError("it did not come")


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith(NAME)]


@pytest.fixture
def started() -> Iterator[Callable[[Callable[[], Store | None]], Worker]]:
    made: list[Worker] = []

    def start(store: Callable[[], Store | None]) -> Worker:
        made.append(Worker(store, on_label=lambda *_: None))
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        each.stop()
    until(lambda: not threads())


def test_of_two_servers_one_takes_an_upload(
    store: Store, started: Callable[[Callable[[], Store | None]], Worker]
) -> None:
    with Reception(store, "tensorflow", "net", user="ada", may_replace=True, wishes=Wishes()) as reception:
        reception.write(b"PK\x03\x04 no model")
        reception.finish()
    with background._working(store):
        assert not background.run_due(store)
    started(lambda: store)
    started(lambda: store)
    until(lambda: not work.listed(store))
    assert "a zip file" in library.get(store, "tensorflow", "net").version(1).about.check["error"]
    assert [each.message for each in library.history(store, "tensorflow", "net")] == [
        "Check version 1 of the model net: it cannot be served"
    ]


def test_a_home_that_cannot_be_written_is_told_once_and_looked_at_again(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    started: Callable[[Callable[[], Store | None]], Worker],
) -> None:
    (tmp_path / "file").touch()
    looks: list[int] = []

    def opened() -> Store:
        looks.append(1)
        return Store.open(tmp_path / "file" / "home")

    with pytest.raises(CoutureError) as error:
        opened()
    with caplog.at_level(logging.WARNING):
        started(opened)
        until(lambda: len(looks) > 3)
    assert [each.getMessage() for each in caplog.records] == [f"Uploads of models wait: {error.value}"]


def test_where_there_are_no_models_nothing_is_made(
    store: Store, started: Callable[[Callable[[], Store | None]], Worker]
) -> None:
    looks: list[int] = []

    def opened() -> Store | None:
        looks.append(1)
        return store if len(looks) > 1 else None

    started(opened)
    until(lambda: len(looks) > 3)
    assert not (store.root / "models").exists()
