"""The process of a trial: makes the database, finds the DAG, runs it in this process as ``dag.test()`` does.

What happens is told as lines of JSON on standard output; everything else that is printed goes to standard
error. Its one argument is a JSON object, ``trial.run`` says with what.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.listeners import hookimpl

#: Characters of a reason that are told.
_LONGEST = 4000


class Told:
    """What is told to whoever started this process, on the standard output that it began with."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._began: dict[tuple[str, int], float] = {}
        self.ended: set[tuple[str, int]] = set()

    def say(self, **event: Any) -> None:
        """Write one event."""
        self._stream.write(json.dumps(event) + "\n")
        self._stream.flush()

    def watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Tell, as a hook of Python's audit events, of each file of the folder that is loaded.

        A file that ends the process on the spot is told by nothing else.
        """
        if event == "exec" and getattr(arguments[0], "co_name", "") == "<module>":
            name = arguments[0].co_filename
            if name.startswith(f"{self._folder}{os.sep}"):
                self.say(began=f"the file {name}")

    @hookimpl
    def on_task_instance_running(self, task_instance: Any) -> None:
        """Remember when a task began."""
        self._began.setdefault(_key(task_instance), time.monotonic())
        self.say(began=f"the task {task_instance.task_id}")

    @hookimpl
    def on_task_instance_success(self, task_instance: Any) -> None:
        """Tell of a success."""
        self._end(task_instance, "success")

    @hookimpl
    def on_task_instance_skipped(self, task_instance: Any) -> None:
        """Tell of a task that skipped itself."""
        self._end(task_instance, "skipped")

    @hookimpl
    def on_task_instance_failed(self, task_instance: Any, error: object) -> None:
        """Tell of a failure and its reason."""
        reason, place = self._why(error)
        self._end(task_instance, "failed", reason=reason, place=place)

    def _end(self, task_instance: Any, state: str, **more: str) -> None:
        key = _key(task_instance)
        self.ended.add(key)
        seconds = time.monotonic() - self._began.get(key, time.monotonic())
        self.say(task=key[0], map_index=key[1], state=state, seconds=seconds, **more)

    def _why(self, error: object) -> tuple[str, str]:
        if not isinstance(error, BaseException):
            return _masked(str(error or "It gives no reason."))[:_LONGEST], ""
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if Path(frame.filename).is_relative_to(self._folder)]
        place = f"{own[-1].filename}:{own[-1].lineno}" if own else ""
        return _masked(f"{type(error).__name__}: {error}")[:_LONGEST], place


def main() -> int:
    """Run the DAG that the argument names and return the exit code."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    folder = Path(asked["folder"])
    told = Told(folder)
    sys.addaudithook(told.watch)
    from airflow.utils.db import initdb

    initdb()
    dag = _found(folder, asked["dag_id"], told)
    if dag is None:
        return 1
    from airflow.sdk.listener import get_listener_manager

    listeners: Any = get_listener_manager()
    listeners.add_listener(told)
    for task in dag.tasks:
        if hasattr(task, "retries"):
            task.retries = 0  # the first failure is the answer
    try:
        with _secrets_masked():
            run = dag.test(logical_date=_date(asked["date"]), run_conf=asked["conf"] or None)
    except Exception as error:  # noqa: BLE001 (whatever Airflow or a DAG file raises is told to the caller)
        with _secrets_masked():
            traceback.print_exc()
        told.say(problem=_masked(f"The run cannot begin: {type(error).__name__}: {error}")[:_LONGEST])
        return 1
    for ti in sorted(run.get_task_instances(), key=_key):
        if _key(ti) not in told.ended:
            told.say(task=ti.task_id, map_index=ti.map_index, state=str(ti.state or "not run"))
    told.say(state=str(run.state))
    return 0 if run.state == "success" else 1


def _masked(text: str) -> str:
    """Return a text with ``***`` in the place of each secret that a task has asked for."""
    from airflow.sdk._shared.secrets_masker import redact

    return str(redact(text))


@contextmanager
def _secrets_masked() -> Iterator[None]:
    """Mask secrets in what tasks print, as a worker does; ``dag.test()`` masks what is logged only."""
    from airflow.sdk._shared.secrets_masker import RedactedIO

    output, errors = RedactedIO(), RedactedIO()  # type: ignore[no-untyped-call]
    errors.target = sys.stderr
    with redirect_stdout(output), redirect_stderr(errors):
        yield


def _date(text: str) -> datetime:
    return datetime.fromisoformat(text) if text else datetime.now(UTC)


def _key(ti: Any) -> tuple[str, int]:
    index = ti.map_index
    return str(ti.task_id), -1 if index is None else int(index)


def _found(folder: Path, dag_id: str, told: Told) -> Any:
    """Return the DAG, or tell why there is none."""
    from airflow.dag_processing.dagbag import BundleDagBag

    errors: dict[str, str] = {}
    known: set[str] = set()
    for path in _candidates(folder, dag_id):
        bag = BundleDagBag(dag_folder=path, bundle_path=folder, bundle_name="dags")
        if dag_id in bag.dags:
            return bag.dags[dag_id]
        errors |= bag.import_errors
        known |= bag.dags.keys()
    told.say(problem=_missing(dag_id, errors, known))
    return None


def _candidates(folder: Path, dag_id: str) -> Iterator[Path]:
    """Yield the files that name the DAG, then the whole folder."""
    word = dag_id.encode()
    for where, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(where, name)
            if name.endswith(".py") and word in path.read_bytes():
                yield path
    yield folder


def _missing(dag_id: str, errors: Mapping[str, str], known: set[str]) -> str:
    if errors:
        first, text = next(iter(errors.items()))
        last = text.strip().splitlines()[-1] if text.strip() else "no reason is given"
        return f"There is no DAG {dag_id!r}, and {first} cannot be loaded: {last}"
    there = f"There are {', '.join(sorted(known)[:20])}." if known else "There is no DAG at all."
    return (
        f"There is no DAG {dag_id!r} in this folder. {there} Name another DAG, or the folder with --folder."
    )


if __name__ == "__main__":
    sys.exit(main())
