"""``python -m benchmarks.kill_proof``: nothing that was acknowledged is lost when processes are killed.

Writers save variables, connections, files and configuration through the API and note what was acknowledged.
Meanwhile the API server is killed with ``kill -9`` again and again, then the whole command, once the command
alone and once with all of its processes. In the end everything that was acknowledged must be there, and
``couture-workflow doctor`` must find nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import math
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from couture_workflow.services.workbench import airflow_settings, checks, database

PASSWORD = "correct horse"
#: Seconds that a start may take.
PATIENCE = 300.0
DOCTOR_EVERY = 50

#: Loads the API server once; for each line it forks one that serves, as gunicorn does, and tells its number.
_PRELOADED = """
import os, signal, sys
os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import uvicorn
from airflow.api_fastapi.main import app
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    if not (pid := os.fork()):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
        os._exit(0)
    answer.write(f"{pid}\\n")
    answer.flush()
"""
#: Seconds between something that was acknowledged and a kill, at most.
MOMENT = 0.5


def _save_variable(client: httpx.Client, name: str) -> httpx.Response:
    return client.post("/api/v2/variables", json={"key": name, "value": f"of {name}"})


def _save_connection(client: httpx.Client, name: str) -> httpx.Response:
    content = {"connection_id": name, "conn_type": "http", "password": f"of {name}"}
    return client.post("/api/v2/connections", json=content)


def _save_artifact(client: httpx.Client, name: str) -> httpx.Response:
    return client.put(f"/api/artifacts/files/{name}.py", content=f"# of {name}\n".encode())


def _save_file(client: httpx.Client, name: str) -> httpx.Response:
    content = {"content": f"select '{name}'\n", "message": name}
    return client.put(f"/api/dags/files/sql/{name}.sql", json=content)


#: What is saved -> how.
SAVES: dict[str, Callable[[httpx.Client, str], httpx.Response]] = {
    "variable": _save_variable,
    "connection": _save_connection,
    "artifact": _save_artifact,
    "file": _save_file,
}


def is_kept(client: httpx.Client, kind: str, name: str) -> bool:
    """Tell whether something that was acknowledged is there, with its content."""
    paths = {
        "variable": f"/api/v2/variables/{name}",
        "connection": f"/api/v2/connections/{name}",
        "artifact": f"/api/artifacts/files/{name}.py/content",
        "file": f"/api/dags/files/sql/{name}.sql",
    }
    answer = client.get(paths[kind])
    return answer.status_code == 200 and (kind == "connection" or name in answer.text)


@dataclass
class Ledger:
    """What was acknowledged, and what was answered that is no acknowledgement."""

    kept: list[tuple[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    cut: int = 0
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(int(time.time())))

    def __str__(self) -> str:
        kinds = ", ".join(f"{sum(k == kind for k, _ in self.kept)} {kind}s" for kind in SAVES)
        said = "; ".join(self.refused[:3])
        return f"acknowledged {kinds}; cut off {self.cut}; refused {len(self.refused)} {said}".strip()


class Writer(threading.Thread):
    """Saves one thing after the other until it is told to end; waits while nobody answers."""

    def __init__(self, kind: str, url: str, token: str, ledger: Ledger) -> None:
        super().__init__(daemon=True)
        self.kind, self.url, self.token, self.ledger = kind, url, token, ledger
        self.end = threading.Event()

    def run(self) -> None:
        """Save until the end."""
        while not self.end.is_set():
            with connect(self.url, self.token) as client:
                try:
                    while not self.end.is_set():
                        self._save(client, f"{self.kind}-{next(self.ledger.numbers)}")
                except httpx.TransportError:
                    self.ledger.cut += 1
                    self.end.wait(0.2)

    def _save(self, client: httpx.Client, name: str) -> None:
        answer = SAVES[self.kind](client, name)
        if answer.is_success:
            self.ledger.kept.append((self.kind, name))
        else:
            self.ledger.refused.append(f"{name}: {answer.status_code} {answer.text[:300]}")
        self.end.wait(0.02)


def _is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def connect(url: str, token: str) -> httpx.Client:
    """Return a client of the administrator."""
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60, verify=False)


class Proof:
    """A home, what runs on it, and what was acknowledged.

    :param preloaded: fork the API server from a process that has it loaded; a start takes a moment then.
    """

    def __init__(self, home: Path, port: int, *, preloaded: bool = False) -> None:
        self.preloaded = preloaded
        self.layout = checks.check_home(home)
        self.url, self.port = f"http://127.0.0.1:{port}", port
        airflow_settings.write_config(self.layout, host="127.0.0.1", port=port, examples=False)
        base = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        base["AIRFLOW__FAB__AUTH_RATE_LIMITED"] = "False"
        self.variables = airflow_settings.environment(self.layout, base=base)
        database.prepare(self.layout, environment=self.variables, password=PASSWORD)
        self.ledger = Ledger()
        self.token = ""
        self.running: psutil.Process | None = None
        self.loaded: subprocess.Popen[bytes] | None = None

    def start(self, *, command: bool) -> None:
        """Start the API server, or the whole command, and wait until it answers."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.running is None or not _is_alive(self.running):
                self.running = self._forked() if self.preloaded and not command else self._started(command)
            if self._answers():
                return
            time.sleep(0.1)
        raise RuntimeError(f"It does not start; see {self.layout.home / 'proof.log'}.")

    def _started(self, command: bool) -> psutil.Process:
        more = ["--home", str(self.layout.home), "--port", str(self.port)] if command else []
        module = ["couture_workflow.cli", "run", "--no-examples"] if command else ["airflow", "api-server"]
        return psutil.Process(self._popen(["-m", *module, *more]).pid)

    def _forked(self) -> psutil.Process:
        """Have the loaded server forked; the first time, it is loaded."""
        if self.loaded is None:
            self.loaded = self._popen(["-c", _PRELOADED, str(self.port)], talk=True)
        if self.loaded.stdin is None or self.loaded.stdout is None:
            raise RuntimeError("There is nobody to talk to.")
        self.loaded.stdin.write(b"\n")
        self.loaded.stdin.flush()
        return psutil.Process(int(self.loaded.stdout.readline()))

    def _popen(self, arguments: list[str], *, talk: bool = False) -> subprocess.Popen[bytes]:
        with (self.layout.home / "proof.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-P", *arguments],
                env=self.variables,
                cwd=self.layout.airflow,
                stdin=subprocess.PIPE if talk else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talk else log,
                stderr=log,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        try:
            if not self.token:
                account = {"username": database.ADMIN, "password": PASSWORD}
                answer = httpx.post(f"{self.url}/auth/token", json=account, timeout=60, verify=False)
                self.token = answer.json()["access_token"] if answer.is_success else ""
                return bool(self.token)
            return httpx.get(f"{self.url}/api/v2/version", timeout=10, verify=False).is_success
        except httpx.TransportError:
            return False

    def kill(self, *, tree: bool) -> None:
        """Kill what was started, with all that it has started where ``tree`` is true; the rest must end."""
        if self.running is None or not _is_alive(self.running):
            return
        others = self.running.children(recursive=True)
        for process in [self.running, *(others if tree else [])]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs([self.running], timeout=PATIENCE)
        if left := psutil.wait_procs(others, timeout=PATIENCE)[1]:
            raise RuntimeError(f"Processes go on without the one that started them: {left}")

    def unload(self) -> None:
        """End the process that has the API server loaded."""
        if self.loaded is not None and self.loaded.stdin is not None:
            self.loaded.stdin.close()
            self.loaded.wait()
            self.loaded = None

    def doctor(self) -> str:
        """Return what the doctor prints."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "couture_workflow.cli", "doctor", "--home", str(self.layout.home)],
            env=self.variables,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip() + done.stderr.strip()

    def lost(self) -> list[str]:
        """Return what was acknowledged and is not there."""
        with connect(self.url, self.token) as client:
            return [name for kind, name in self.ledger.kept if not is_kept(client, kind, name)]


def prove(
    proof: Proof, kills: int, *, command: bool, report: Callable[[str], None], seconds: float = math.inf
) -> int:
    """Kill what runs again and again while the writers save, and return how often.

    Each time it is a moment after something was acknowledged by what runs now.

    :param seconds: time after which it is enough.
    """
    number, end = 0, time.monotonic() + seconds
    proof.start(command=command)
    writers = [Writer(kind, proof.url, proof.token, proof.ledger) for kind in SAVES]
    for each in writers:
        each.start()
    try:
        while number < kills and time.monotonic() < end:
            _wait_for_more(proof.ledger)
            time.sleep(random.uniform(0, MOMENT))
            proof.kill(tree=command and number % 2 == 1)
            number += 1
            if number % DOCTOR_EVERY == 0:
                report(f"{number} kills, {len(proof.ledger.kept)} acknowledged: {proof.doctor()}")
            proof.start(command=command)
    finally:
        for each in writers:
            each.end.set()
        for each in writers:
            each.join()
    return number


def _wait_for_more(ledger: Ledger) -> None:
    """Wait until something more is acknowledged."""
    before, deadline = len(ledger.kept), time.monotonic() + PATIENCE
    while len(ledger.kept) == before:
        if time.monotonic() > deadline:
            raise RuntimeError(f"Nothing is acknowledged any more: {ledger}")
        time.sleep(0.005)


def run(
    proof: Proof, *, server: int, command: int, report: Callable[[str], None], seconds: float = math.inf
) -> list[str]:
    """Prove it; return what is wrong in the end, in sentences.

    :param server: how often the API server is killed.
    :param command: how often the whole command is killed.
    :param seconds: time after which each of the two is enough.
    """
    wrong: list[str] = []
    for kills, is_command in ((server, False), (command, True)):
        if not kills:
            continue
        began, done = time.monotonic(), 0
        try:
            done = prove(proof, kills, command=is_command, report=report, seconds=seconds)
            wrong += [f"{name} was acknowledged and is lost." for name in proof.lost()]
        finally:
            proof.kill(tree=True)
            proof.unload()
        what = "the whole command" if is_command else "the API server"
        report(f"{done} kills of {what} in {time.monotonic() - began:.0f} s: {proof.ledger}")
    if "all is well" not in (said := proof.doctor()):
        wrong.append(said)
    return wrong


def main() -> int:
    """Prove it, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill_proof", description=__doc__)
    parser.add_argument("--server", type=int, default=200, metavar="N", help="kills of the API server")
    parser.add_argument("--command", type=int, default=20, metavar="N", help="kills of the whole command")
    parser.add_argument(
        "--seconds", type=float, default=math.inf, metavar="N", help="time for each of the two"
    )
    parser.add_argument("--preloaded", action="store_true", help="fork a loaded API server, as gunicorn does")
    parser.add_argument("--home", type=Path, help="a folder to keep; default: one that is removed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="couture-proof-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        probe.close()
        home = (arguments.home or Path(folder) / "home").absolute()
        proof = Proof(home, port, preloaded=arguments.preloaded)
        wrong = run(
            proof, server=arguments.server, command=arguments.command, report=_say, seconds=arguments.seconds
        )
    for each in wrong:
        _say(each)
    _say("Something is wrong." if wrong else "Nothing is lost.")
    return 1 if wrong else 0


def _say(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
