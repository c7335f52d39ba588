"""Looks at a model before anybody relies on it: reads it, loads it and asks it, in a process with limits.

``look`` starts the process, watches its memory and its time, and returns what it found; ``inside`` is what
runs there. A model that crashes its engine, needs too much memory or never answers, ends that process and no
other.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from . import memory
from .engines.opening import Choices, open_engine
from .models import onnx_model, saved_model
from .status import INTERNAL, RESOURCE_EXHAUSTED, ServingError, UnsupportedError
from .versions import smoke

_CHILD = Path(__file__).parents[1] / "serving_child.py"
SECONDS = 300
_PAUSE = 0.02


def look(
    folder: Path, choices: Choices, *, seconds: int = SECONDS, limit: int | None = None
) -> dict[str, Any]:
    """Return what is known of the model in a folder; ``"ok": false`` and ``"error"`` if it cannot be served.

    :param limit: bytes of memory that it may take; None: as many as there are.
    """
    limit = limit if limit is not None else memory.available()
    if said := memory.lacking(folder, limit):
        return {"folder": str(folder), **_refused(ServingError(RESOURCE_EXHAUSTED, said))}
    arguments = [sys.executable, "-I", str(_CHILD), "check", "--inside", str(folder)]
    if choices.tensorflow_python:
        arguments += ["--tensorflow-python", str(choices.tensorflow_python)]
    answer = TemporaryFile()
    process = subprocess.Popen(  # noqa: S603 - this program itself
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=answer,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        reason = _watch(process, seconds, limit)
    finally:
        _end(process)
    with answer:
        answer.seek(0)
        written = b"" if reason else answer.read()
    try:
        found: dict[str, Any] = json.loads(written.splitlines()[-1])
    except (ValueError, IndexError):
        found = _refused(ServingError(INTERNAL, reason or _how(process.returncode)))
    return found


def check(folder: Path, choices: Choices) -> None:
    """Refuse a folder that cannot be served.

    :raises ServingError: with the reason.
    """
    found = look(folder, choices)
    if not found["ok"]:
        raise ServingError(found["code"], found["error"])


def _watch(process: subprocess.Popen[bytes], seconds: int, limit: int | None) -> str:
    """Wait for the end of the process; return why it had to be ended, or nothing."""
    until = time.monotonic() + seconds
    while True:
        try:
            process.wait(_PAUSE)
        except subprocess.TimeoutExpired:
            pass
        else:
            return ""
        if time.monotonic() > until:
            return f"The model did not load and answer within {seconds} s."
        if limit is not None and memory.family(process.pid) > limit:
            return f"The model needs more memory than the {limit >> 20} MiB that it may take."


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()


def _how(code: int) -> str:
    if code < 0:
        return f"The model crashed the program that loads it ({signal.Signals(-code).name})."
    return f"The program that loads the model ended with the code {code}."


def inside(folder: Path, choices: Choices) -> dict[str, Any]:
    """Read, load and ask the model in this process."""
    found: dict[str, Any] = {"folder": str(folder)}
    try:
        if not folder.is_dir():
            raise ServingError(5, f"There is no folder {folder}.")
        found |= {"bytes": memory.size(folder)} | _described(folder)
        before, began = memory.resident(), time.perf_counter()
        engine = open_engine(folder, choices)
        found |= {"engine": engine.name, "load_seconds": round(time.perf_counter() - began, 3)}
        found["signatures"] = {name: each.as_json() for name, each in engine.signatures.items()}
        began = time.perf_counter()
        found["smoke"] = smoke.run(engine, folder)
        found["smoke_seconds"] = round(time.perf_counter() - began, 6)
        process = getattr(engine, "process", None)
        found["memory_bytes"] = memory.resident(process) if process else max(memory.resident() - before, 0)
        engine.close()
    except ServingError as error:
        return {**found, **_refused(error)}
    except MemoryError:
        return {**found, **_refused(ServingError(RESOURCE_EXHAUSTED, "The memory does not suffice."))}
    return {**found, "ok": True}


def _described(folder: Path) -> dict[str, Any]:
    """Return what the files say before anything is loaded, so that a refusal comes with it."""
    if (folder / saved_model.FILE).exists():
        model = saved_model.read(folder)
        signatures = {name: each.as_json() for name, each in model.signatures.items()}
        return {
            "format": "SavedModel",
            "tensorflow": model.tensorflow,
            "operations": sorted(model.operations),
            "signatures": signatures,
        }
    if file := onnx_model.find(folder):
        return {"format": "ONNX", "operations": sorted(onnx_model.check(file).operations)}
    return {}


def _refused(error: ServingError) -> dict[str, Any]:
    unknown = list(error.operations) if isinstance(error, UnsupportedError) else []
    return {"ok": False, "code": error.code, "error": error.message, "unknown_operations": unknown}
