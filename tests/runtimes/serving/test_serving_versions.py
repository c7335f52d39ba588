"""Versions come and go while requests are sent all the time, and none of these fails."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.model_server import CHILD, MODELS, ModelServer, configuration, model, python, rounds_for

#: Loads a model, and prints what the log says and which version requests get by then.
LOOK = """
import logging, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from serving.versions import manager
class Engine:
    alive, signatures, close = True, {}, lambda self: None
class Look(logging.Handler):
    def emit(self, record):
        got = [found.peek("dense", None, label) for label in (None, "stable")]
        print(record.getMessage()[:23], *(each and each.version for each in got))
manager.log.addHandler(Look())
manager.log.setLevel(logging.INFO)
how = {"check": lambda _: None, "opened": lambda _: Engine(), "remembered": None}
found = manager.Manager(Path(sys.argv[2]), default_label="stable", **how)
found.poll()
found._loaders.shutdown()
"""

X = {"instances": [[1, 2, 3, 4]]}
SCORES = {60.0: 1, 120.0: 2}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ModelServer]:
    found = ModelServer(tmp_path, "--state-file", str(tmp_path / "served.json"))
    yield found
    if found.process is not None and found.process.poll() is None:
        found.kill()


@pytest.fixture
def trusting(tmp_path: Path) -> Iterator[ModelServer]:
    """A server that loads without a check, which takes a second for each version."""
    found = ModelServer(tmp_path, "--unchecked")
    yield found
    if found.process is not None and found.process.poll() is None:
        found.kill()


def dense(*versions: int, **labels: int) -> dict[str, Any]:
    return {"name": "dense", "base_path": MODELS / "dense", "versions": versions, "labels": labels}


@contextmanager
def requests_all_the_while(server: ModelServer, path: str) -> Iterator[Counter[Any]]:
    """Send requests until the end and count which version answered; anything else counts as what it is."""
    end, found = threading.Event(), Counter[Any]()

    def send() -> None:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            while not end.is_set():
                time.sleep(0.02)
                answer = client.post(path, json=X)
                if answer.status_code == 200:
                    found[SCORES[answer.json()["predictions"][0][0]]] += 1
                else:
                    found[answer.text] += 1

    senders = [threading.Thread(target=send) for _ in range(3)]
    for each in senders:
        each.start()
    try:
        yield found
    finally:
        end.set()
        for each in senders:
            each.join()


@pytest.mark.always
def test_promotion_rollback_and_a_broken_version_lose_no_request(server: ModelServer, tmp_path: Path) -> None:
    server.configure(dense(1, stable=1))
    server.start().wait_until_served("dense", 1)
    with requests_all_the_while(server, "/v1/models/dense/labels/stable:predict") as found:
        server.wait_for(lambda: found[1] > 20)

        # A canary beside it gets no traffic of the label.
        server.configure(dense(1, 2, stable=1, canary=2))
        server.wait_until_served("dense", 2)
        assert set(found) == {1}

        # Promoted, the old version goes.
        server.configure(dense(2, stable=2))
        server.wait_for(lambda: server.states("dense").get(1) == "END")
        server.wait_for(lambda: found[2] > 20)
        before = found[1]

        # A version that is no model gets no traffic, and its label stays.
        server.configure(dense(2, 3, stable=3))
        server.wait_for(lambda: server.states("dense").get(3) == "END")
        assert "Could not find the folder" in server.error("dense", 3)
        assert found[1] == before

        # An empty file may be one that is being written: it ends nothing.
        server.file.write_text("")
        server.wait_for(lambda: server.get("/monitoring/models").json()["configuration_error"])
        assert server.states("dense")[2] == "AVAILABLE"

        # A configuration that is none changes nothing and is told of.
        server.file.write_text("model_config_list { config { nonsense: 1 } }")
        server.wait_for(lambda: "nonsense" in server.get("/monitoring/models").json()["configuration_error"])

        # Rolled back.
        server.configure(dense(1, stable=1))
        server.wait_for(lambda: server.states("dense").get(2) == "END")
        assert server.get("/monitoring/models").json()["configuration_error"] == ""
        before = found[1]
        server.wait_for(lambda: found[1] > before)

    assert set(found) == {1, 2}


def test_what_is_told_to_be_available_gets_its_requests_by_then(tmp_path: Path) -> None:
    config = tmp_path / "models.config"
    config.write_text(configuration(dense(1, stable=1)))

    done = subprocess.run(
        [python(), "-I", "-c", LOOK, str(CHILD.parent), str(config)], capture_output=True, text=True
    )

    assert (done.stdout, done.stderr) == ("dense version 1: loaded 1 1\n", "")


@pytest.mark.always
def test_a_killed_server_comes_back_with_what_it_served(server: ModelServer) -> None:
    server.configure(dense(1, stable=1))
    server.start().wait_until_served("dense", 1)
    server.configure(dense(7, stable=7))
    server.wait_for(lambda: server.states("dense").get(7) == "END")

    server.kill()
    server.start()

    server.wait_until_served("dense", 1)
    answer = server.wait_for(
        lambda: server.post("/v1/models/dense/labels/stable:predict", X).json().get("predictions")
    )
    assert answer == [[60.0, 70.0, 80.0]]
    server.configure(dense(2, stable=2))
    server.wait_for(lambda: server.states("dense").get(1) == "END")
    assert json.loads((server.folder / "served.json").read_text())["dense"]["versions"] == [2]


def test_while_a_server_starts_requests_are_to_come_again_and_none_goes_astray(tmp_path: Path) -> None:
    files = model("dense", tmp_path / "models", versions=(1, 2))
    shutil.copytree(MODELS / "dense" / "2", tmp_path / "models" / "dense" / "3")
    server = ModelServer(tmp_path, "--default-label", "stable")
    # Two versions are loaded at once: the first ones are there before the one that is stable.
    server.configure({**files, "versions": (1, 2, 3), "labels": {"canary": 1, "stable": 3}})
    paths = ("/v1/models/dense:predict", "/v1/models/dense/labels/stable:predict")
    found = Counter[Any]()

    def are_answered() -> bool:
        answers = [server.post(path, X) for path in paths]
        found.update(each.json()["predictions"][0][0] for each in answers if each.status_code == 200)
        found.update(each.status_code for each in answers if each.status_code != 200)
        return all(each.status_code == 200 for each in answers)

    server.launch()
    try:
        server.wait_for(are_answered)
    finally:
        server.kill()

    assert found.keys() == {503, 120.0}


def test_sigterm_lets_requests_end(trusting: ModelServer) -> None:
    trusting.configure(model("slow"))
    trusting.start().wait_until_served("slow", 1)
    rounds = {"instances": [rounds_for(trusting, 2.0)]}
    answers: list[int] = []
    # One thread each: the event loop stays free for the others.
    senders = [
        threading.Thread(
            target=lambda: answers.append(trusting.post("/v1/models/slow:predict", rounds).status_code)
        )
        for _ in range(2)
    ]
    for each in senders:
        each.start()
    trusting.wait_for(lambda: trusting.newest("slow")["busy"] == 2)

    assert trusting.stop() == 0
    for each in senders:
        each.join()

    assert answers == [200, 200]


def test_the_newest_folder_is_served_and_its_name_is_a_number(trusting: ModelServer, tmp_path: Path) -> None:
    place = tmp_path / "models"
    copy = model("two", place)
    trusting.configure({"name": "two", "base_path": copy["base_path"]})
    trusting.start().wait_until_served("two", 1)

    model("two", place, versions=(10,))
    (place / "two" / "tmp-11").mkdir()
    trusting.wait_until_served("two", 10)

    trusting.wait_for(lambda: trusting.states("two") == {10: "AVAILABLE", 1: "END"})


def test_a_repaired_version_is_taken(server: ModelServer, tmp_path: Path) -> None:
    copy = model("two", tmp_path / "models")
    pb = copy["base_path"] / "1" / "saved_model.pb"
    whole = pb.read_bytes()
    pb.write_bytes(whole[: len(whole) // 2])
    server.configure(copy)
    server.start()
    server.wait_for(lambda: server.states("two") == {1: "END"})
    assert "only a part of one" in server.error("two", 1)

    pb.write_bytes(whole)

    server.wait_until_served("two", 1)


def test_removed_models_are_gone(trusting: ModelServer) -> None:
    trusting.configure(dense(1), model("two"))
    trusting.start().wait_until_served("dense", 1)
    trusting.wait_until_served("two", 1)

    trusting.configure(model("two"))

    trusting.wait_for(lambda: trusting.post("/v1/models/dense:predict", X).status_code == 404)
    trusting.wait_for(lambda: trusting.get("/v1/models/dense").status_code == 404)
    assert trusting.states("two") == {1: "AVAILABLE"}


def test_requests_without_a_version_may_go_to_a_label(tmp_path: Path) -> None:
    server = ModelServer(tmp_path, "--default-label", "stable", "--unchecked")
    server.configure(dense(1, 2, stable=1), model("two"))
    server.start().wait_until_served("dense", 1)
    server.wait_until_served("dense", 2)
    server.wait_until_served("two", 1)
    try:
        assert server.post("/v1/models/dense:predict", X).json()["predictions"][0][0] == 60
        assert server.post("/v1/models/two:predict", {"instances": [[1, 2]]}).status_code == 200
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("nonsense", "is no model configuration"),
        ("", "is empty"),
        ('model_config_list { config { name: "a/b" base_path: "/x" } }', "a name has no '/'"),
        ('model_config_list { config { name: "a" base_path: "x" } }', "to have an absolute path"),
        ('model_config_list { config { name: "a" base_path: "/x" model_platform: "caffe" } }', "'caffe'"),
        (
            'model_config_list { config { name: "a" base_path: "/x" } config { name: "a" base_path: "/y" } }',
            "Illegal to list model a multiple times in config list",
        ),
        (
            'model_config_list { config { name: "a" base_path: "/x" model_version_policy { specific {} } } }',
            "without versions",
        ),
        (None, "cannot be read"),
    ],
)
def test_a_wrong_configuration_is_refused_at_the_start(tmp_path: Path, text: str | None, error: str) -> None:
    import subprocess

    from tests.support.model_server import CHILD, python

    file = tmp_path / "models.config"
    if text is not None:
        file.write_text(text)

    done = subprocess.run(
        [python(), "-I", str(CHILD), "serve", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 1
    assert error in done.stderr.splitlines()[-1]


def test_a_stopped_server_leaves_nothing(trusting: ModelServer) -> None:
    trusting.configure(dense(1))
    trusting.start().wait_until_served("dense", 1)
    assert trusting.process is not None
    os.kill(trusting.process.pid, signal.SIGINT)

    assert trusting.process.wait(30) == 0
