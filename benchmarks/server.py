"""A real API server with an empty home and one administrator, for the benchmarks that speak HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from benchmarks.measure import in_fresh_process

AIRFLOW = str(Path(sys.executable).with_name("airflow"))


@dataclass(frozen=True)
class Server:
    """A running server.

    :param token: JWT of an administrator, good as a Bearer token and as Airflow's cookie ``_token``.
    """

    url: str
    token: str
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    folder: Path

    def run(self, code: str, *arguments: str) -> str:
        """Run Python code in a process of its own with the server's environment."""
        return in_fresh_process(code, *arguments, env=self.environment)

    def peak_memory(self) -> int:
        """Return the greatest resident size in bytes of one of its processes since the last reset."""
        return max(_peak(process.pid) for process in self._processes())

    def reset_peak_memory(self) -> None:
        """Make the present resident size the peak."""
        for process in self._processes():
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")

    def _processes(self) -> list[psutil.Process]:
        server = psutil.Process(self.process.pid)
        return [server, *server.children(recursive=True)]


def _peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


@contextmanager
def api_server() -> Iterator[Server]:
    """Start Airflow's API server with our plugin on a free port; stop it and remove its home at the end."""
    with tempfile.TemporaryDirectory(prefix="couture-benchmark-") as folder:
        home = Path(folder)
        environment = _environment(home)
        run_airflow(environment, "db", "migrate")
        run_airflow(
            environment, *"users create -u admin -p admin -r Admin -f A -l B -e admin@example.org".split()
        )
        url = f"http://127.0.0.1:{free_port()}"
        with (home / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    AIRFLOW,
                    "api-server",
                    "--host",
                    "127.0.0.1",
                    "--port",
                    url.rpartition(":")[2],
                    "--workers",
                    "1",
                ],
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            token = _log_in(url, process, home / "server.log")
            yield Server(url, token, process, environment, home)
        finally:
            _stop(process)


def _environment(home: Path) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__COUTURE_WORKFLOW__HOME": str(home / "couture"),
    }


def time_of_page(client: httpx.Client, url: str, expected: str) -> float:
    """Return the seconds that a page takes which must show a text."""
    start = time.perf_counter()
    answer = client.get(url)
    spent = time.perf_counter() - start
    answer.raise_for_status()
    if expected not in answer.text:
        raise RuntimeError(f"{url} does not show {expected}")
    return spent


def run_airflow(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [AIRFLOW, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"airflow {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _log_in(url: str, process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < deadline:
        try:
            answer = httpx.post(
                f"{url}/auth/token", json={"username": "admin", "password": "admin"}, timeout=60
            )
        except httpx.TransportError:
            time.sleep(0.5)
            continue
        answer.raise_for_status()
        return str(answer.json()["access_token"])
    raise RuntimeError(f"the API server did not start:\n{log.read_text()[-4000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
