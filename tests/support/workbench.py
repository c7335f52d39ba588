"""The real workbench for tests: started by its own command in a temporary home, a user for each role."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from tests.support.servers import free_port
from tests.support.site import PASSWORD, ROLES, Site

__all__ = ["ADMIN_PASSWORD", "PASSWORD", "ROLES", "Workbench", "command", "free_port"]

ADMIN_PASSWORD = "correct horse 7'\"<&>"
START_TIMEOUT = 240.0
#: Class-data archives of the JVM, made once for all workbenches that tests of this environment start.
CLASS_DATA = Path(sys.prefix) / "test-class-data"


def command() -> list[str]:
    """Return `couture-workflow` of the environment that the tests run in."""
    return [str(Path(sys.executable).with_name("couture-workflow"))]


def _folder(process: psutil.Process) -> Path | None:
    """Return where a process is, or None where the system cannot say: paths can be longer than it tells."""
    try:
        return Path(process.cwd())
    except OSError:
        return None


@dataclass
class Workbench(Site):
    """A workbench: `start` it, use `url`, `client` and `login`, then `stop` it.

    :param home: its home; the same home can be started again.
    :param arguments: more arguments of `couture-workflow run`.
    :param variables: more environment variables.
    """

    home: Path
    port: int = field(default_factory=free_port)
    #: Where it looks for a model server; a test may start one there.
    serving_port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    arguments: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    program: list[str] = field(default_factory=command)
    process: subprocess.Popen[bytes] | None = None
    clients: dict[str, httpx.Client] = field(default_factory=dict)
    _rests: bool = False

    @property
    def url(self) -> str:
        """Address of the workbench, without a slash at the end."""
        return f"http://localhost:{self.port}"

    @property
    def admin_password(self) -> str:
        """Password of the user superadmin."""
        return ADMIN_PASSWORD

    @property
    def console(self) -> Path:
        """What the command has printed so far."""
        return self.home.with_name(f"{self.home.name}.console")

    def start(self, *, wait: bool = True) -> Workbench:
        """Run the command, and wait until it says that it is ready."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        environment |= {
            "COUTURE_HOME": str(self.home),
            "COUTURE_PORT": str(self.port),
            "COUTURE_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "AIRFLOW__FAB__AUTH_RATE_LIMITED": "False",
            "AIRFLOW__COUTURE_WORKFLOW__SERVING_URL": f"http://127.0.0.1:{self.serving_port}",
            "AIRFLOW__COUTURE_WORKFLOW__SERVING_GRPC": f"127.0.0.1:{self.grpc_port}",
            **self.variables,
        }
        with self.console.open("wb") as output:
            self.process = subprocess.Popen(
                [*self.program, "run", *self.arguments],
                env={name: value for name, value in environment.items() if value},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.home.parent,
                start_new_session=True,
            )
        if wait:
            self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        """Wait for the line that says so; a command that ends before fails with what it has printed."""
        assert self.process is not None
        deadline = time.monotonic() + START_TIMEOUT
        while "is ready" not in self.console.read_text():
            assert self.process.poll() is None, self.console.read_text()
            assert time.monotonic() < deadline, self.console.read_text()
            time.sleep(0.1)
        self._share_class_data()

    def _share_class_data(self) -> None:
        CLASS_DATA.mkdir(exist_ok=True)
        cache = self.home / "cache"
        cache.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (cache / "class-data").symlink_to(CLASS_DATA)

    def processes(self) -> list[psutil.Process]:
        """Every process of this workbench that is alive, wherever it hangs in the tree."""
        found = []
        for process in psutil.process_iter():
            try:
                if self._owns(process):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def _owns(self, process: psutil.Process) -> bool:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        home = str(self.home)
        folder = _folder(process)
        if folder is not None and folder.is_relative_to(self.home):
            return True
        if any(home in word for word in process.cmdline()):
            return True
        return process.environ().get("COUTURE_HOME") == home

    def rest(self) -> None:
        """Let every process of it stand still: its DAG processor takes CPU from whatever else is tested."""
        for _ in range(0 if self._rests else 3):  # what was started meanwhile is found by the next look
            for process in self.processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.suspend()
        self._rests = True

    def wake(self) -> None:
        """Let it go on after ``rest``."""
        if self._rests:
            self._rests = False
            for process in self.processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def end(self) -> None:
        """End whatever is left of it; for the end of a test that may have failed."""
        left = self.processes()
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=10)

    def stop(self, number: int = signal.SIGTERM, *, timeout: float = 90) -> int:
        """Signal the command and return its exit code."""
        self.close()
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout)
