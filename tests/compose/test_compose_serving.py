"""The model server of the stack: it serves what is uploaded, comes back after a kill, and writes nothing."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import httpx
import pytest

from tests.support.faults import inside, inspect, kill, until
from tests.support.model_server import MODELS
from tests.support.stack import Stack

pytestmark = [pytest.mark.compose, pytest.mark.timeout(600)]

API = "/api/models/tensorflow/stack-dense"
PREDICT = "/v1/models/stack-dense:predict"
X = {"instances": [[1.0, 2.0, 3.0, 4.0]]}
CURL = ["curl", "--silent", "--fail", "--data", json.dumps(X), f"http://serving:8501{PREDICT}"]
HOME = "/var/lib/couture-workflow"


def packed() -> bytes:
    """Return the archive of a SavedModel."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        archive.add(MODELS / "dense" / "1", "export")
    return made.getvalue()


def upload(stack: Stack) -> int:
    """Upload the model, wait until it has ended its way, and return the number of its version."""
    number = int(stack.api.put(API, content=packed()).raise_for_status().json()["version"])

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = stack.api.get(f"{API}/versions/{number}").json()
        return found if found["state"] in {"serving", "ready", "refused", "failed"} else None

    version = until(ended, seconds=120, what="the way of the model")
    assert (version["state"], version["labels"]) == ("serving", ["stable"]), version
    return number


def answer(stack: Stack) -> Any:
    """Return what the model answers a program of this machine, None as long as nothing does."""
    try:
        said = httpx.post(f"{stack.serving_url}{PREDICT}", json=X, timeout=30)
    except httpx.TransportError:
        return None
    return said.json().get("predictions")


@pytest.mark.always
def test_an_uploaded_model_is_served_also_after_a_kill(stack: Stack) -> None:
    number = upload(stack)
    before = until(lambda: answer(stack), seconds=30, what="an answer of the model")
    from_worker = json.loads(stack.exec("worker", *CURL).stdout)
    tried = stack.api.post(f"{API}/versions/{number}/try", json=X).raise_for_status().json()

    (server,) = [each for each in inside(stack, "serving") if "serving_child.py" in each.command]
    container = stack.container("serving")
    restarts = inspect(stack, container)["RestartCount"]
    kill(stack, "serving", server.pid)
    until(lambda: inspect(stack, container)["RestartCount"] > restarts, seconds=60, what="the restart")
    after = until(lambda: answer(stack), seconds=120, what="an answer after the kill")

    assert len(before) == 1
    assert from_worker == {"predictions": before}
    assert tried["status"] == 200
    assert tried["url"].startswith(stack.serving_url)
    assert after == before


def test_the_model_server_reads_the_home_and_nothing_else(stack: Stack) -> None:
    written = stack.exec("serving", "touch", f"{HOME}/models/serving/x", check=False)
    reached = "getent hosts serving && ! getent hosts mysql && ! getent hosts rabbitmq"

    assert "Read-only file system" in written.stdout
    assert stack.exec("serving", "bash", "-c", reached).returncode == 0


def test_the_doctor_names_a_model_server_that_does_not_answer(stack: Stack) -> None:
    doctor = ("scheduler", "couture-workflow", "doctor")
    sound = stack.exec(*doctor, check=False).stdout
    stack.compose("stop", "serving")
    try:
        said = stack.exec(*doctor, check=False)
    finally:
        stack.compose("start", "serving")
        stack.wait_healthy()

    assert "model server" not in sound
    assert said.returncode == 1
    assert "model server http://serving:8501: The model server does not answer" in said.stdout
    assert "docker compose up -d serving" in said.stdout
