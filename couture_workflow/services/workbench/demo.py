"""`couture-workflow demo`: a first day's work in a temporary home, or with a running installation, checked.

It logs in, sets a Spark configuration where there is none, uploads a dependency and a code artifact, saves a
DAG of its own (the example ``penguins`` under another name), triggers it, reads the table that the Spark job
printed and the provenance of the run, and compares both with what they must be.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from couture_workflow.exceptions import DemoError
from couture_workflow.services.dags.examples import examples_folder
from couture_workflow.services.workbench import server_address
from couture_workflow.services.workbench.database import ADMIN
from couture_workflow.services.workbench.demo_day import Day, Report

#: Has the password for an installation that runs already.
PASSWORD_VARIABLE = "COUTURE_ADMIN_PASSWORD"  # noqa: S105 (a name)
START_TIMEOUT, STOP_TIMEOUT = 300.0, 90.0
HEALTHY = ("metadatabase", "scheduler", "triggerer", "dag_processor")


def run(*, report: Report) -> int:
    """Do the whole demo in a temporary home and return 0; what is not as it must be raises ``DemoError``.

    :param report: gets each line that a person should read.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="couture-demo-") as temporary:
        demo = _Demo(examples=_examples(), home=Path(temporary) / "home", report=report)
        with demo.workbench():
            demo.day.work()
        demo.check_stopped()
    report(f"All of it is true. {time.monotonic() - began:.0f} s in all.")
    return 0


def run_at(url: str, *, user: str, report: Report, password: str = "") -> int:
    """Do the day's work with the installation at an address, and return 0.

    :param password: of the user; that of the variable COUTURE_ADMIN_PASSWORD if it is not given.
    """
    began = time.monotonic()
    given = password or os.environ.get(PASSWORD_VARIABLE, "")
    if not given:
        raise DemoError(f"The password of {user} is missing: set {PASSWORD_VARIABLE}.")
    try:
        with httpx.Client(base_url=url.rstrip("/"), timeout=60) as client:
            Day(_examples(), client, report, user, given).work()
    except httpx.TransportError as error:
        raise DemoError(f"{url} cannot be reached: {error}") from error
    report(f"All of it is true. {time.monotonic() - began:.0f} s in all.")
    return 0


def _examples() -> Path:
    folder = examples_folder()
    if folder is None:
        raise DemoError("The examples are not part of this installation: install the package anew.")
    return folder.parent


@dataclass
class _Demo:
    """One run of the demo with a workbench of its own."""

    examples: Path
    home: Path
    report: Report
    port: int = field(default_factory=lambda: _free_port())
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    client: httpx.Client = field(init=False)
    day: Day = field(init=False)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        self.day = Day(self.examples, self.client, self.report, ADMIN, self.password, whole=True)

    @contextlib.contextmanager
    def workbench(self) -> Iterator[None]:
        """Run the workbench in the temporary home."""
        # Its database goes with its home, whichever one the caller's own workbench has.
        given = {"COUTURE_ADMIN_PASSWORD": self.password, server_address.VARIABLE: server_address.SQLITE}
        environment = {**os.environ, **given}
        command = [sys.executable, "-P", "-m", "couture_workflow.cli", "run"]
        self.report(f"The workbench of the demo is at http://localhost:{self.port} in {self.home}")
        with self.home.with_name("console").open("wb") as console:
            self.process = subprocess.Popen(  # noqa: S603
                [*command, "--home", str(self.home), "--port", str(self.port)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            with self.day.step("start the workbench in an empty home"):
                self._wait_until_healthy()
            yield
        finally:
            self.client.close()
            with self.day.step("stop the workbench"):
                self._stop(self.process)

    def check_stopped(self) -> None:
        """Make sure that the workbench has ended as it should."""
        code = self.process.returncode if self.process else None
        if code != 0:
            raise DemoError(f"The workbench ended with exit code {code} instead of 0.")

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        missing: list[str] = list(HEALTHY)
        told = 0
        while missing:
            told = self._tell_start(told)
            if self.process is None or self.process.poll() is not None:
                raise DemoError(f"The workbench did not start: {self._console()}")
            if time.monotonic() > deadline:
                raise DemoError(f"After {START_TIMEOUT:.0f} s still not healthy: {', '.join(missing)}.")
            time.sleep(0.3)
            with contextlib.suppress(httpx.TransportError, ValueError):
                health = self.client.get("/api/v2/monitor/health").json()
                missing = [name for name in HEALTHY if health[name]["status"] != "healthy"]

    def _tell_start(self, told: int) -> int:
        """Report what the workbench has said of its start since so many lines; return how many it is now."""
        lines = self._said().split("\n")[:-1]
        for line in lines[told:]:
            if line.startswith(("Step ", "Starting ", "The ", "workbench ")):
                self.report(f"           {line}")
        return len(lines)

    def _said(self) -> str:
        return self.home.with_name("console").read_text(encoding="utf-8", errors="replace")

    def _console(self) -> str:
        lines = self._said().split("\n")
        return " / ".join([line for line in lines if line.strip()][-3:]) or "it printed nothing"

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
