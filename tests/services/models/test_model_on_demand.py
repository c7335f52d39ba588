"""A workbench's model server from the first model on: it waits, is installed, serves, and leaves nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from couture_workflow.services.models import document, on_demand, readiness, server, serving, states, waiting
from couture_workflow.services.models.arrival.uploads import Reception
from couture_workflow.services.models.work import CHECKING, Work
from couture_workflow.services.workbench import model_service, supervisor
from couture_workflow.services.workbench.supervisor import Specification
from couture_workflow.store.home import Store
from tests.support.model_server import MODELS, PATIENCE, ModelServer, python
from tests.support.servers import free_port


@pytest.fixture
def home(tmp_path: Path) -> Path:
    store = Store.open(tmp_path / "home")
    (store.root / "airflow").mkdir()
    return store.root


def variables(found: ModelServer) -> dict[str, str]:
    places = {"SERVING_URL": found.url, "SERVING_GRPC": f"127.0.0.1:{found.grpc_port}"}
    return {f"AIRFLOW__COUTURE_WORKFLOW__{name}": place for name, place in places.items()}


def upload(home: Path) -> None:
    with Reception(Store(home), "tensorflow", "dense", user="ada", may_replace=False) as reception:
        reception.write(b"an archive")
        reception.finish()


def until(found: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 3 * PATIENCE
    while not found():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(found: ModelServer, path: str, word: str) -> bool:
    try:
        return word in found.get(path).text
    except httpx.TransportError:
        return False


def said(home: Path) -> readiness.Readiness:
    return readiness.read(model_service.state_file(home)) or readiness.Readiness("", "")


@pytest.fixture
def started(home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return what starts a program; whatever is left of it is ended after the test."""
    made: list[psutil.Process] = []

    def start(command: list[str], **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **more},
            start_new_session=True,
        )
        made.append(psutil.Process(process.pid))
        return process

    yield start
    for each in made:
        if each.is_running():
            for one in [*each.children(recursive=True), each]:
                one.kill()


@pytest.mark.slow
def test_the_first_model_starts_the_server_which_comes_back_and_ends_with_the_workbench(
    home: Path, tmp_path: Path, started: Callable[..., subprocess.Popen[str]]
) -> None:
    python()
    found = ModelServer(tmp_path / "server")
    command = model_service.command(home, variables(found))
    assert command is not None
    process = started([sys.executable, "-m", supervisor.__name__])
    assert process.stdin is not None and process.stdout is not None
    wanted = Specification({"serving": command}, str(tmp_path), verbose=False, never_last=["serving"])
    process.stdin.write(wanted.dump().decode())
    process.stdin.flush()

    until(lambda: said(home).state == waiting.IDLE, process)
    (service,) = psutil.Process(process.pid).children()
    assert service.memory_info().rss < 25 * 2**20
    assert not [each.path for each in service.memory_maps() if "site-packages" in each.path]
    assert not serving.config_of(home).exists()

    def served() -> bool:
        return answers(found, "/v1/models/dense/versions/2", "AVAILABLE")

    upload(home)
    found.file = serving.config_of(home)
    until(found.file.exists, process)
    found.configure({"name": "dense", "base_path": MODELS / "dense"})
    until(served, process)
    assert (
        psutil.Process(process.pid).children()[0].pid == service.pid and said(home).state == waiting.STARTED
    )

    service.kill()
    until(lambda: [each.pid for each in psutil.Process(process.pid).children()] != [service.pid], process)
    until(served, process)

    everything = psutil.Process(process.pid).children(recursive=True)
    console, _ = process.communicate(timeout=60)  # the end of the pipe is the end of the workbench
    assert (process.returncode, [each for each in everything if each.is_running()]) == (0, [])
    assert (
        console.count("\n") == 1 and "The serving ended with exit code -9; it starts again in 1 s" in console
    )


@pytest.mark.slow
def test_without_internet_it_is_tried_again_and_goes_on_as_soon_as_the_runtime_is_there(
    home: Path, tmp_path: Path, started: Callable[..., subprocess.Popen[str]]
) -> None:
    runtime = Path(python()).parents[1].resolve()
    found = ModelServer(tmp_path / "server")
    upload(home)
    command = model_service.command(home, variables(found))
    assert command is not None
    process = started(
        command,
        AIRFLOW__COUTURE_WORKFLOW__RUNTIMES_PATH=str(tmp_path / "runtimes"),
        PIP_INDEX_URL="http://127.0.0.1:9/simple",
        PIP_CONFIG_FILE=os.devnull,
        NO_PROXY="127.0.0.1",
        PIP_RETRIES="1",
    )
    assert process.stdout is not None

    until(lambda: said(home).state == waiting.INSTALLING, process)
    assert said(home).said.startswith("The model server is being installed")
    until(lambda: said(home).state == waiting.FAILED, process)
    why = "The model server could not be installed: the package index cannot be reached. "
    assert said(home).said.startswith(why) and "tried again every 10 minutes" in said(home).said
    told = [process.stdout.readline()]
    while why not in told[-1]:
        told.append(process.stdout.readline())
    notices = [line for line in told if supervisor.is_loud(line, before=False)]
    assert len(notices) == 2 and "is installed now, once (about 110 MB are downloaded)" in notices[0]
    assert "Step 1 of 1: the model server's runtime" in "".join(told)

    (tmp_path / "runtimes" / "serving").symlink_to(runtime)
    until(lambda: answers(found, "/monitoring/models", "models"), process)
    process.terminate()
    assert process.wait(PATIENCE) == 0


def test_ports_of_others_are_named_until_they_are_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waiting, "AGAIN", 0.1)
    monkeypatch.setattr(waiting, "LOOK", 0.05)
    file, config = tmp_path / "state.json", str(tmp_path / "another.config")
    monkeypatch.setenv(readiness.VARIABLE, str(file))
    rest, grpc = free_port(), free_port()
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__SERVING_URL", f"http://127.0.0.1:{rest}")
    wait = threading.Thread(target=waiting.for_ports, args=(str(file), config, str(rest), str(grpc), "0"))
    with socket.create_server(("127.0.0.1", grpc)):
        wait.start()
        while (own := readiness.now()) is None:
            time.sleep(0.01)
        assert own.said.startswith(f"Port {grpc} is taken by another program, so the models of this")
        assert "SERVING_URL=" in own.said and "SERVING_GRPC=" in own.said and own.is_in_the_way
        assert server.look().error == own.said  # whatever answers there is not asked
    wait.join(30)
    assert (readiness.read(file) or own).state == waiting.STARTED
    assert capfd.readouterr().out == f"NOTICE {own.said}\n"


def test_a_model_server_of_others_is_used_only_where_it_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python()
    found = ModelServer(tmp_path / "server")
    found.configure({"name": "dense", "base_path": MODELS / "dense"})
    found.launch()
    file = tmp_path / "state.json"
    monkeypatch.setattr(waiting, "_sleep", lambda seconds: sys.exit())

    def state(config: Path, chosen: str) -> str:
        with pytest.raises(SystemExit):
            waiting.for_ports(str(file), str(config), str(found.rest_port), str(found.grpc_port), chosen)
        return (readiness.read(file) or readiness.Readiness("", "")).state

    try:
        found.wait_for(lambda: found.get("/monitoring/models").status_code == 200)
        assert state(tmp_path / "another.config", "0") == waiting.TAKEN
        assert "by the model server of another workbench" in file.read_text()
        assert state(tmp_path / "another.config", "1") == waiting.OTHER  # somebody has set serving_url
        assert state(found.file, "0") == waiting.OTHER  # started by hand, for this very home
    finally:
        found.kill()


def test_a_version_that_waits_says_how_far_the_server_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "state.json"
    monkeypatch.setenv(readiness.VARIABLE, str(file))
    model = document.Document(kind="tensorflow", name="dense")
    waits = Work(name="dense", version=1, user="ada", state=CHECKING, message="before", waits=True)

    def state(work: Work = waits) -> tuple[str, str, bool, float | None]:
        found = states.of(model, 1, work, server.Look())
        return found.name, found.message, found.waits, found.share

    assert state() == ("checking", "before", True, None)
    waiting.tell(str(file), waiting.INSTALLING, "3 of 6 packages", 0.4)
    assert state() == ("checking", "3 of 6 packages", False, 0.4)
    waiting.tell(str(file), waiting.FAILED, "no internet")
    assert state() == ("checking", "no internet", True, None)
    assert state(Work(name="dense", version=1, user="ada", state=CHECKING)) == ("checking", "", False, None)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        (
            "pip says:\nWARNING: Retrying after connection broken by x\nERROR: No matching",
            "the package index",
        ),
        (
            "It could not be made. pip says:\nERROR: No matching distribution found\nmore",
            "ERROR: No matching",
        ),
        ("The disk is full. Free some.", "The disk is full. Free some."),
    ],
)
def test_why_an_installation_failed_is_one_sentence(text: str, short: str) -> None:
    assert on_demand.in_short(text).startswith(short)
