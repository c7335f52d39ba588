"""One DAG of a folder, run from its first task to its last without a workbench.

Everything that the run needs is made for it in a private folder and removed with it: the database, Airflow's
home, and a tree of links to the folder's files, so nothing is written beside them. The run is a process of
its own (``trial_run``) below the reaper: whatever ends it ends the processes of its tasks too.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.gate import folders
from couture_workflow.services.processes.led_command import LOG, LedCommand
from couture_workflow.services.processes.private_folders import private_folder
from couture_workflow.services.workbench import airflow_settings
from couture_workflow.services.workbench.airflow_settings import Layout
from couture_workflow.store.home import Store

#: Seconds that tasks get to clean up when the run is stopped.
_GRACE = 10.0
_AUTH_MANAGER = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"


@dataclass(frozen=True)
class TaskEnd:
    """How one task ended.

    :param map_index: of a mapped task, else -1.
    :param seconds: None if it never ran.
    :param reason: of a failure.
    :param place: ``file:line`` of the DAG files that the reason comes from, "" if it is none of theirs.
    """

    task: str
    state: str
    map_index: int = -1
    seconds: float | None = None
    reason: str = ""
    place: str = ""


@dataclass
class Trial:
    """How a run ended.

    :param state: ``success``, ``failed``, ``stopped``, or "" if it did not begin.
    :param problem: why it did not begin.
    :param log: the last lines that Airflow and the tasks wrote.
    :param began: what the process began last: a file that it loads, or a task.
    """

    state: str = ""
    problem: str = ""
    tasks: list[TaskEnd] = field(default_factory=list)
    log: tuple[str, ...] = ()
    began: str = ""


@dataclass(frozen=True)
class Asked:
    """What is to be run.

    :param folder: that DAG files import modules from.
    :param date: the logical date, None for now.
    :param conf: the configuration of the run.
    :param home: whose Spark configuration and files the tasks use; None: an empty one.
    :param seconds: after which the run is stopped.
    """

    dag_id: str
    folder: Path
    date: datetime | None = None
    conf: Mapping[str, Any] = field(default_factory=dict)
    home: Path | None = None
    seconds: float | None = None


def run(asked: Asked, *, ended: Callable[[TaskEnd], None], line: Callable[[str], None]) -> Trial:
    """Run a DAG and return how that ended.

    :param ended: is told of each task that ends.
    :param line: gets each line that Airflow and the tasks write.
    """
    root = asked.folder.resolve()
    if not root.is_dir():
        raise InvalidError(f"{root} is not a folder. Name the folder that DAG files import modules from.")
    trial = Trial()
    with _signals_as_interrupt(), private_folder() as place:
        dags = place / "dags"
        _link(root, dags)
        question = {
            "dag_id": asked.dag_id,
            "folder": str(dags),
            "date": asked.date.isoformat() if asked.date else "",
            "conf": dict(asked.conf),
        }
        deadline = time.monotonic() + asked.seconds if asked.seconds else None

        def took(stream: str, text: str) -> None:
            shown = _shown(text, dags, root)
            if stream == LOG:
                line(shown)
            else:
                _take(trial, json.loads(shown), ended)

        command = LedCommand(
            [sys.executable, "-P", "-m", f"{__package__}.trial_run", json.dumps(question)],
            environment=_environment(place, asked),
            folder=place,
            grace=_GRACE,
            on_line=took,
            keep_going=lambda: deadline is None or time.monotonic() < deadline,
        )
        outcome = command.run()
        trial.log = tuple(_shown(text, dags, root) for text in outcome.log)
        if outcome.stopped:
            trial.state = "stopped"
        elif not trial.state and not trial.problem:
            trial.problem = _ended(trial, outcome.exit_code)
    return trial


def _shown(text: str, dags: Path, root: Path) -> str:
    """Return a line with the folder that was asked for in the place of the one with the links."""
    return text.replace(f"{dags}/", "").replace(str(dags), str(root))


def _ended(trial: Trial, code: object) -> str:
    """Return the sentence for a process that ended without a word: os._exit, a crash, too little memory."""
    last = trial.log[-1] if trial.log else "nothing was printed"
    if not trial.began:
        return f"The process of the run ended with exit code {code}: {last}"
    return (
        f"The process of the run ended with exit code {code}. What it began last is {trial.began}: "
        f"look there for what ends a process, such as os._exit. The last line of its log: {last}"
    )


def _take(trial: Trial, event: Mapping[str, Any], ended: Callable[[TaskEnd], None]) -> None:
    match event:
        case {"task": _}:
            end = TaskEnd(**event)
            trial.tasks.append(end)
            ended(end)
        case {"began": began}:
            trial.began = began
        case {"state": state}:
            trial.state = state
        case {"problem": problem}:
            trial.problem = problem


@contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """Turn what ends a process in order into the KeyboardInterrupt that Ctrl-C raises."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _link(root: Path, target: Path) -> None:
    """Make a tree of links to the files below a folder: what Python compiles is written beside the links."""
    target.mkdir()
    for name, path in folders.walk(root):
        link = target / name
        link.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            link.symlink_to(path.resolve())


def _environment(place: Path, asked: Asked) -> dict[str, str]:
    """Return the variables of the run: the options of a workbench, and a database of its own."""
    layout = Layout(place / "home")
    Store.open(layout.home)
    for folder in (layout.airflow, layout.logs):
        folder.mkdir(parents=True, exist_ok=True)
    airflow_settings.write_config(layout, host="127.0.0.1", port=0, examples=False)
    bundle = {
        "name": "dags",
        "classpath": airflow_settings.LOCAL_BUNDLE,
        "kwargs": {"path": str(place / "dags")},
    }
    found = airflow_settings.environment(layout, base=os.environ) | {
        "AIRFLOW__CORE__AUTH_MANAGER": _AUTH_MANAGER,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(place / "bundles"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "NO_COLOR": "1",
    }
    if asked.home is not None:
        found |= {
            "COUTURE_HOME": str(asked.home),
            "AIRFLOW__COUTURE_WORKFLOW__HOME": str(asked.home),
            **airflow_settings.key_of(Layout(asked.home)),
        }
    return found
