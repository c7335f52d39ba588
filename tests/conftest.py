"""Fixtures of all tests.

- ``store``       an empty ``Store`` below ``tmp_path``; the option ``home`` points at it too
- ``workbench``   the real workbench (one for all tests): ``.url .client(role) .login(page, role) .home``
- ``api_server``  Airflow's API server alone, an account for each role: ``.client(account) .token(account)``
- ``browser``     Chromium (one for all tests)
- ``page``        a fresh page of it, 1280 x 800; ``new_page(**options)`` makes others

A test that cannot run here skips with "needs ..." as its reason. With ``CI=true`` such a skip is a failure.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.group_times import lines
from tests.support.long_suites import is_left_out, leave_out
from tests.support.order import arrange, mark, scheduler

AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="couture-tests-"))
#: What tests in tests/compose are told by their caller; nothing else of ours may reach a test.
TOLD = ("COUTURE_KEEP_STACK", "COUTURE_TEST_DATABASE", "COUTURE_TEST_IMAGE")
for name in [name for name in os.environ if name.startswith(("AIRFLOW", "COUTURE_"))]:
    if name not in TOLD:
        del os.environ[name]
os.environ["AIRFLOW_HOME"] = str(AIRFLOW_HOME)
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__AUTH_MANAGER"] = (
    "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
)
os.environ["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] = "False"

BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Marker -> program that its tests need, and how the reason for a skip names it.
NEEDS = {
    "spark": (("java",), "needs Java 17 or newer"),
    "browser": (("chromium", "chromium-browser"), "needs Chromium"),
    "workbench": (("git",), "needs git"),
}

#: The workbench of all tests, once it runs.
SHARED_WORKBENCH: list[Any] = []


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave each suite that takes long out, unless the caller names its folder or something in it."""
    return True if is_left_out(collection_path, config) else None


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at its options
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the quick tests side by side without being told; never inside of a process that does so already."""
    option = config.option
    inside = "PYTEST_XDIST_WORKER" in os.environ or hasattr(config, "workerinput")
    asked = option.markexpr == "quick" and not option.usepdb and not option.collectonly
    if asked and not inside and getattr(option, "numprocesses", 0) is None:
        option.numprocesses = min(os.cpu_count() or 1, 4)
        option.dist, option.loadscopereorder = "loadscope", False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the quick tests, and arrange all for processes that run side by side."""
    leave_out(config, items)
    for item in items:
        mark(item)
    arrange(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let tests that share something that takes long to start run in one process."""
    return scheduler(config, log)


@pytest.hookimpl(trylast=True)  # after the dot
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name a failed test at once where processes run side by side: a run that is cut off has no summary."""
    if report.failed and hasattr(report, "node"):  # told by one of the processes
        name = f"{report.nodeid} ({report.when})".encode(errors="backslashreplace").decode()
        print(f"\nFAILED {name}", file=sys.__stderr__, flush=True)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say after a run side by side how long each process and each group took."""
    told = list(lines(report for reports in terminalreporter.stats.values() for report in reports))
    if told:
        terminalreporter.section("seconds of processes and groups")
        terminalreporter.write("\n".join(["", *told, ""]))


def program(*names: str) -> str | None:
    """Return the path of the first of these programs that is installed."""
    return next((found for name in names if (found := shutil.which(name))), None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a program that is not installed; let the workbench rest while it is not tested."""
    for workbench in SHARED_WORKBENCH:
        workbench.wake() if "workbench" in getattr(item, "fixturenames", ()) else workbench.rest()
    for marker, (names, reason) in NEEDS.items():
        if item.get_closest_marker(marker) and not program(*names):
            pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Turn a skip for want of something into a failure where everything must be there."""
    report: Any = yield
    if report.skipped and os.environ.get("CI") == "true" and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason.startswith("needs ") and not hasattr(report, "wasxfail"):
            report.outcome = "failed"
            report.longrepr = f"{reason}, and with CI=true everything must be there"
    return report  # type: ignore[return-value]


def pytest_unconfigure() -> None:
    """Remove the AIRFLOW_HOME of the tests."""
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """Give the next test variables and umask back: a command in this process takes those of a home."""
    umask = os.umask(0o022)
    os.umask(umask)
    before = {name: value for name, value in os.environ.items() if name.startswith(("AIRFLOW", "COUTURE_"))}
    yield
    os.umask(umask)
    for name in [name for name in os.environ if name.startswith(("AIRFLOW", "COUTURE_"))]:
        if name not in before:
            del os.environ[name]
    os.environ.update(before)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return an empty store with a key of its own."""
    from cryptography.fernet import Fernet

    from couture_workflow.store.home import Store

    home = tmp_path / "couture home"
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__HOME", str(home))
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__SECRET_KEY", Fernet.generate_key().decode())
    return Store.open(home)


@pytest.fixture(scope="session")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Run the real workbench with a user for each role."""
    from tests.support import databases
    from tests.support.servers import kept_port
    from tests.support.workbench import Workbench

    folder = tmp_path_factory.mktemp("workbench")
    # Where its tasks look for a container engine: a test that has one puts a link to it there.
    variables = {"DOCKER_HOST": f"unix://{folder}/docker.sock"}
    running = Workbench(folder / "home", port=kept_port(), variables=variables)
    if kind := databases.wanted():
        running.variables["COUTURE_DATABASE"] = databases.make(kind).url
    try:
        running.start()
        running.create_users()
        SHARED_WORKBENCH.append(running)
        yield running
    finally:
        SHARED_WORKBENCH.clear()
        running.wake()
        if running.process is not None and running.process.poll() is None:
            running.stop()


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Run Airflow's API server alone: two workers, a path in its base URL, an account for each role."""
    from tests.support import databases
    from tests.support.api_server import ApiServer

    kind = databases.wanted()
    database = databases.make(kind) if kind else None
    running = ApiServer(tmp_path_factory.mktemp("api server"), database=database)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Run the system's Chromium."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)  # two processes of tests share the cores
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=program("chromium", "chromium-browser"), args=BROWSER_FLAGS
        )
        yield running
        running.close()


@pytest.fixture
def new_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a page in a browser context of its own; options go to the context."""
    contexts = []

    def open_page(**options: Any) -> Any:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options}))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: Callable[..., Any]) -> Any:
    """Return a fresh page."""
    return new_page()
