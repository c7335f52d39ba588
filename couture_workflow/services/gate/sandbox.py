"""Parse DAG files where they can do no harm: in processes of their own, behind the walls of the sandbox.

This is the side that asks. It keeps one *nursery* (``inside.child``) with Airflow loaded, writes the
tree into a folder (``places``), and for each file lets the nursery fork a process that parses it. What comes
back is data from a hostile process: of limited size, read with care, never executed.
"""

from __future__ import annotations

import array
import atexit
import json
import math
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from couture_workflow.exceptions import StorageError
from couture_workflow.services.gate import answer, places, progress
from couture_workflow.services.gate import sandbox_paths as paths
from couture_workflow.services.processes.walls import Grants, Limits

#: Files that are parsed at the same time, by one process of the server.
PARALLEL = max(1, min(4, os.cpu_count() or 1))
#: Bytes that a process may answer.
OUTPUT = 16 * 2**20
#: Seconds that Airflow may take to load, on a busy machine.
_START = 120.0
#: Seconds beyond a file's limit after which the guard itself is given up.
_PATIENCE = 15.0
#: Walls of which each alone keeps a file from writing into the tree.
_READ_ONLY = frozenset({"landlock", "mounts", "seccomp"})
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from couture_workflow.services.gate.inside.child import main; main()"
)


@dataclass(frozen=True)
class Question:
    """What a DAG file is told when it asks.

    :param variables: None: every variable has a made-up value.
    :param connections: None: every connection exists.
    :param environment: variables of the environment that it may see.
    :param bundle: name of the DAG bundle.
    :param complete: whether what is not given does not exist.
    """

    variables: Mapping[str, str] | None = None
    connections: Sequence[str] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    bundle: str = "dags"
    complete: bool = True


@dataclass(frozen=True)
class Parsed:
    """What became of one file.

    :param found: the answer of ``inside.parse.run``, empty if there is none.
    :param why: why there is none: "time", "memory", "threads", "scratch", "output", "ended", "forged",
        "failed", or "late" if it was not begun.
    :param status: how the process ended: an exit code, or a signal as a negative number.
    :param walls: which walls stood.
    """

    path: str
    found: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    status: int = 0
    seconds: float = 0.0
    walls: frozenset[str] = frozenset()


class Tree:
    """A tree of files in a temporary folder, to be parsed: ``with Tree(files) as tree: tree.parse(...)``.

    :param files: content by path.
    :param limits: what each file may use.
    :param without: walls to leave out, which is how tests show that the others hold.
    :param keep: the next check is about nearly the same files: leave the folder to it.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        *,
        limits: Limits | None = None,
        without: Sequence[str] = (),
        keep: bool = False,
    ) -> None:
        self._files = files
        self._limits = limits or Limits()
        self._without = list(without)
        self._keep = keep and not without
        self._root = Path()

    def __enter__(self) -> Tree:
        self._place = _places.take(self._files)
        self._root = self._place.root
        return self

    def __exit__(self, *_: object) -> None:
        _places.give_back(self._place, keep=self._keep)

    def dag_files(self) -> Parsed:
        """Ask which files Airflow would parse: ``found["files"]``."""
        return self._run("", {"list": True}, {})

    def data_files(self, data_files: Sequence[str]) -> Parsed:
        """Ask which YAML and JSON files cannot be read: ``found["problems"]``."""
        return self._run("", {"data": list(data_files)}, {})

    def parse(
        self,
        dag_files: Sequence[str],
        question: Question,
        *,
        seconds: float = math.inf,
        told: progress.Told = progress.to_nobody,
    ) -> list[Parsed]:
        """Parse some DAG files, each in a process of its own.

        :param seconds: after which those that have not begun are left out.
        """
        deadline = time.monotonic() + seconds
        asked = {
            "variables": None if question.variables is None else dict(question.variables),
            "connections": None if question.connections is None else list(question.connections),
            "bundle": question.bundle,
            "complete": question.complete,
        }

        def one(path: str) -> Parsed:
            if time.monotonic() > deadline:
                return Parsed(path, why="late")
            return self._run(path, {"path": path, **asked}, question.environment)

        with ThreadPoolExecutor(PARALLEL) as pool:
            found = pool.map(one, dag_files)
            return list(progress.counted(found, what="loaded", total=len(dag_files), told=told))

    def _run(self, path: str, question: Mapping[str, Any], environment: Mapping[str, str]) -> Parsed:
        place = Path(tempfile.mkdtemp(dir=self._root, prefix="scratch-"))
        try:
            found = self._ask(place, path, question, environment)
        finally:
            places.remove(place)
        if not found.walls & _READ_ONLY:  # then it could write, or nobody knows whether it could
            self._keep = False
        return found

    def _ask(
        self, place: Path, path: str, question: Mapping[str, Any], environment: Mapping[str, str]
    ) -> Parsed:
        tree = self._place.tree
        scratch = place / "scratch"
        scratch.mkdir()
        grants = Grants((*paths.readable(), str(tree)), str(scratch), paths.hidden())
        job = {
            "question": {"tree": str(tree), **question},
            "grants": asdict(grants),
            "limits": asdict(self._limits),
            "environment": {**environment, **_environment(scratch, self._limits)},
            "without": self._without,
            "output": OUTPUT,
        }
        request = place / "request.json"
        request.write_text(json.dumps(job), encoding="utf-8")
        return _parsed(path, _nursery.ask(request, patience=self._limits.seconds + _PATIENCE))


def start() -> None:
    """Start the nursery, so that the first parse need not wait for it."""
    _nursery.start()


def _environment(scratch: Path, limits: Limits) -> dict[str, str]:
    folder = str(scratch)
    return {
        "HOME": folder,
        "TMPDIR": folder,
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": str(limits.seconds),
    }


def _parsed(path: str, told_by_guard: bytes | None) -> Parsed:
    if not told_by_guard:
        return Parsed(path, why="failed")
    head, _, rest = told_by_guard.partition(b"\n")
    first, _, body = rest.partition(b"\n")
    told = json.loads(head)
    standing = frozenset(json.loads(first or b"[]"))
    why, status, seconds = str(told["why"]), int(told["status"]), float(told["seconds"])
    if why or not body:
        return Parsed(path, {}, why or "ended", status, seconds, standing)
    try:
        return Parsed(path, answer.read(body, path=path), "", status, seconds, standing)
    except answer.AnswerError as error:
        why = "output" if error.too_many else "forged"
    return Parsed(path, {}, why, status, seconds, standing)


class _Nursery:
    """The process with Airflow loaded, started when it is first needed and again whenever it is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._home = ""
        self._owner = 0

    def start(self) -> None:
        """Make sure that it runs."""
        with self._lock:
            self._ensure()

    def ask(self, request: Path, *, patience: float) -> bytes | None:
        """Return the answer to a request, None if there is none.

        :param patience: seconds.
        """
        answer = self._ask(request, patience)
        return self._ask(request, patience) if answer == b"" else answer  # the nursery ended in this instant

    def _ask(self, request: Path, patience: float) -> bytes | None:
        receive, send = os.pipe()
        try:
            try:
                self._send(os.fsencode(request), send)
            finally:
                os.close(send)
            return _read(receive, patience, most=OUTPUT + 2**20)
        finally:
            os.close(receive)

    def _send(self, message: bytes, descriptor: int) -> None:
        with self._lock:
            for attempt in (1, 2):
                control = self._ensure()
                try:
                    rights = array.array("i", [descriptor])
                    control.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                    return
                except OSError:  # it ended, after a while without work for one
                    self._forget()
                    if attempt == 2:
                        raise

    def _ensure(self) -> socket.socket:
        if self._owner != os.getpid():  # a fork of the process that started it
            self._process = self._control = None
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control
        self._forget()
        places.sweep()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._home = tempfile.mkdtemp(prefix="couture-nursery-")
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-c", _BOOT, json.dumps(paths.import_path())],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=paths.environment(self._home),
                start_new_session=True,
            )
        ours.settimeout(_START)
        self._control, self._owner = ours, os.getpid()
        try:
            ready = ours.recv(16)
        except OSError:
            ready = b""
        if ready != b"ready":
            self._forget()
            raise StorageError(
                "DAG files cannot be checked: the process that checks them does not start. Try again; if "
                f"that does not help, see what {sys.executable} -c 'import airflow' says."
            )
        return ours

    def _forget(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None and self._owner == os.getpid():
            self._process.kill()
            self._process.wait()
        if self._home and self._owner == os.getpid():
            shutil.rmtree(self._home, ignore_errors=True)
        self._process = self._control = None
        self._home = ""

    def stop(self) -> None:
        """End it."""
        with self._lock:
            self._forget()


def _read(descriptor: int, patience: float, *, most: int) -> bytes | None:
    """Read to the end, None if that does not come in time or there is too much."""
    parts: list[bytes] = []
    size, deadline = 0, time.monotonic() + patience
    while (left := deadline - time.monotonic()) > 0 and size <= most:
        if select.select([descriptor], [], [], left)[0]:
            chunk = os.read(descriptor, 65536)
            if not chunk:
                return b"".join(parts)
            parts.append(chunk)
            size += len(chunk)
    return None


_nursery = _Nursery()
_places = places.Places()
atexit.register(_nursery.stop)
atexit.register(_places.remove)
