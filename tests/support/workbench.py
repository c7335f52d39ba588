"""The real workbench for tests: started by its own command in a temporary home, a user for each role."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from playwright.sync_api import Page

ADMIN_PASSWORD = "correct horse 7'\"<&>"
PASSWORD = "a password for tests 7'\"<&>"
#: The users besides superadmin, by the name that tests call them; the name is also the log-in name.
ROLES = {
    "admin": "Admin",
    "developer": "Developer",
    "user": "User",
    "op": "Op",
    "viewer": "Viewer",
    "public": "Public",
    "deployer": "Deployer",
}
START_TIMEOUT = 240.0


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command() -> list[str]:
    """Return `couture-workflow` of the environment that the tests run in."""
    return [str(Path(sys.executable).with_name("couture-workflow"))]


@dataclass
class Workbench:
    """A workbench: `start` it, use `url`, `client` and `login`, then `stop` it.

    :param home: its home; the same home can be started again.
    :param arguments: more arguments of `couture-workflow run`.
    :param variables: more environment variables.
    """

    home: Path
    port: int = field(default_factory=free_port)
    arguments: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    program: list[str] = field(default_factory=command)
    process: subprocess.Popen[bytes] | None = None
    clients: dict[str, httpx.Client] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Address of the workbench, without a slash at the end."""
        return f"http://localhost:{self.port}"

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
        if Path(process.cwd()).is_relative_to(self.home) or any(home in word for word in process.cmdline()):
            return True
        return process.environ().get("COUTURE_HOME") == home

    def end(self) -> None:
        """End whatever is left of it; for the end of a test that may have failed."""
        left = self.processes()
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=10)

    def stop(self, number: int = signal.SIGTERM, *, timeout: float = 90) -> int:
        """Signal the command and return its exit code."""
        for client in self.clients.values():
            client.close()
        self.clients.clear()
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def token(self, name: str) -> str:
        """Return a bearer token of a user."""
        password = ADMIN_PASSWORD if name == "superadmin" else PASSWORD
        answer = httpx.post(
            f"{self.url}/auth/token", json={"username": name, "password": password}, timeout=60
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["access_token"])

    def client(self, role: str) -> httpx.Client:
        """Return an HTTP client that is logged in as the user of a role, or anonymous for ""."""
        if role not in self.clients:
            headers = {"Authorization": f"Bearer {self.token(role)}"} if role else {}
            self.clients[role] = httpx.Client(base_url=self.url, headers=headers, timeout=60)
        return self.clients[role]

    def login(self, page: Page, role: str) -> None:
        """Log a browser page in as the user of a role, through the log-in form."""
        page.goto(f"{self.url}/auth/login/")
        page.locator("input[name=username]").fill(role)
        page.locator("input[name=password]").fill(ADMIN_PASSWORD if role == "superadmin" else PASSWORD)
        with page.expect_navigation():
            page.locator("input[type=submit], button[type=submit]").first.click()

    def create_users(self) -> None:
        """Create the user of each role."""
        admin = self.client("superadmin")
        for name, role in ROLES.items():
            answer = admin.post(
                "/auth/fab/v1/users",
                json={
                    "username": name,
                    "first_name": name,
                    "last_name": "a'b\"<&>ü",
                    "email": f"{name}@example.org",
                    "password": PASSWORD,
                    "roles": [{"name": role}],
                },
            )
            assert answer.status_code == 200, (role, answer.text)
