"""Fixtures of the tests of ``docker-compose.yml``; ``make test-compose`` runs them.

- ``docker``   the client of the engine: the one that runs, or one of our own
- ``images``   the images, pulled, stood in for, or built; says which database it is
- ``stack``    the whole stack (one for all tests), brought up by ``up -d worker``, with a user for each role
- ``first_start``  how long that took, how long it might have taken, and the logs of it
- ``another``  makes a further stack, of its own project, that is not up yet; ``another_for_all`` for a module

With ``COUTURE_KEEP_STACK=NAME`` the stack stays afterwards, under this name, and the next run uses it again.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.docker import engine
from tests.support.images import CACHE, NAMES, Docker, Images, prepare
from tests.support.stack import COLOURS, FirstStart, Stack, start_limit

# Modules of tests read the names when they are imported.
os.environ.update(NAMES)

LOGS = CACHE / "logs"
KEEP = os.environ.get("COUTURE_KEEP_STACK", "")
STACKS = pytest.StashKey[list[Stack]]()
SAID = pytest.StashKey[list[str]]()
FIRST = pytest.StashKey[FirstStart]()


def pytest_configure(config: pytest.Config) -> None:
    """Prepare what is collected during the run."""
    config.stash[STACKS] = []
    config.stash[SAID] = []


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that tells the person at the terminal a line at once, and again in the summary."""
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    capture = request.config.pluginmanager.get_plugin("capturemanager")

    one_at_a_time = threading.Lock()

    def tell(line: str) -> None:
        with one_at_a_time, capture.global_and_fixture_disabled():
            request.config.stash[SAID].append(line)
            terminal.write_line(f"  {line}")

    return tell


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Repeat what was told, and where the logs are."""
    if config.stash[SAID]:
        terminalreporter.section("the stack of containers")
        for line in config.stash[SAID]:
            terminalreporter.write_line(line)
        terminalreporter.write_line(f"The logs of its services are in {LOGS}.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show the ends of the services' logs with a test that failed."""
    found: Any = yield
    if found.failed:
        for stack in item.config.stash[STACKS]:
            found.sections.append((f"services of {stack.project}", stack.state(tail=15)))
    return found  # type: ignore[return-value]


@pytest.fixture(scope="session")
def docker(report: Callable[[str], None]) -> Iterator[Docker]:
    """Have an engine; everything that a test starts finds it too."""
    folder = Path(tempfile.mkdtemp(prefix="couture-"))
    try:
        with engine(folder, data=CACHE / "engine") as host:
            client = Docker(host, report)
            client.publish()
            yield client
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def images(docker: Docker, report: Callable[[str], None]) -> Images:
    """Have every image, and say what the database and the broker are."""
    began = time.monotonic()
    found = prepare(docker)
    report(f"Database: {found.database}. Broker: {found.broker}.")
    report(f"All images are there after {time.monotonic() - began:.0f} s.")
    return found


@pytest.fixture(scope="session", autouse=True)
def _ready(images: Images) -> None:
    """Every test here uses the images."""


def keep_logs(stack: Stack) -> None:
    """Write the log of every container into a file."""
    folder = LOGS / stack.project
    folder.mkdir(parents=True, exist_ok=True)
    for each in stack.containers(stopped=True):
        said = stack.docker.run("logs", each["Id"], check=False).stdout
        (folder / f"{each['Name'].strip('/')}.log").write_text(COLOURS.sub("", said))


def forget_old_logs() -> None:
    """Remove the logs of runs of earlier days."""
    for folder in LOGS.glob("*"):
        if time.time() - folder.stat().st_mtime > 24 * 3600:
            shutil.rmtree(folder, ignore_errors=True)


def take_down(stack: Stack, stacks: list[Stack]) -> None:
    """Keep the logs and take everything of a stack away."""
    try:
        keep_logs(stack)
    finally:
        stack.down()
        stacks.remove(stack)


@pytest.fixture(scope="session")
def stack(
    docker: Docker,
    images: Images,
    report: Callable[[str], None],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Stack]:
    """Bring the stack up from a fresh copy of the compose file, and take it down."""
    stacks = request.config.stash[STACKS]
    forget_old_logs()
    folder = CACHE / KEEP if KEEP else tmp_path_factory.mktemp("stack")
    made = Stack(docker, folder, KEEP or f"couture-tests-{os.getpid()}", **kept_ports(docker))
    stacks.append(made)
    try:
        limit = start_limit()
        seconds = made.up()
        report(f"docker compose up -d worker: all healthy after {seconds:.0f} s.")
        request.config.stash[FIRST] = FirstStart(seconds, limit, made.logs())
        made.create_users()
        yield made
    finally:
        if KEEP:
            keep_logs(made)
            report(f"The stack {KEEP} stays at {made.url}: superadmin, {made.admin_password}")
        else:
            take_down(made, stacks)


@pytest.fixture(scope="session")
def first_start(stack: Stack, request: pytest.FixtureRequest) -> FirstStart:
    """Return how the stack came up."""
    if KEEP:
        pytest.skip("a stack that is kept may have been up already")
    return request.config.stash[FIRST]


def kept_ports(docker: Docker) -> dict[str, Any]:
    """Return the ports of the stack that an earlier run has kept, if there is one."""
    found = {}
    published = {"port": ("api-server", "8080/tcp"), "serving_port": ("serving", "8501/tcp")}
    for name, (service, port) in published.items() if KEEP else ():
        words = ["ps", "--quiet", "--filter", f"label=com.docker.compose.project={KEEP}"]
        words += ["--filter", f"label=com.docker.compose.service={service}"]
        if ids := docker.run(*words).stdout.split():
            ports = json.loads(docker.run("inspect", ids[0]).stdout)[0]["NetworkSettings"]["Ports"]
            found[name] = int(ports[port][0]["HostPort"])
    return found


@pytest.fixture
def another(
    docker: Docker, images: Images, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Stack]]:
    """Return a function that makes a stack of another project; all of them are taken down."""
    with further_stacks(docker, tmp_path, request.config.stash[STACKS]) as make:
        yield make


@pytest.fixture(scope="module")
def another_for_all(
    docker: Docker, images: Images, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Stack]]:
    """Return what ``another`` does; its stacks are there until the last test of the module."""
    with further_stacks(docker, tmp_path_factory.mktemp("stacks"), request.config.stash[STACKS]) as make:
        yield make


@contextmanager
def further_stacks(docker: Docker, folder: Path, stacks: list[Stack]) -> Iterator[Callable[..., Stack]]:
    """Give a function that makes stacks, and take them all down."""
    made: list[Stack] = []

    def make(name: str, **options: Any) -> Stack:
        project = f"couture-tests-{os.getpid()}-{name}"
        made.append(Stack(docker, folder / name, project, **options))
        stacks.append(made[-1])
        return made[-1]

    try:
        yield make
    finally:
        for each in made:
            take_down(each, stacks)
