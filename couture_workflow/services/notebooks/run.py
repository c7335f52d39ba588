"""One run of a notebook: papermill in the runtime ``jupyter``, below the reaper, so a kill leaves nothing.

The output appears below ``outputs/notebooks`` of the home when the run has ended by itself, and not before:
the cells that ran and, in the one that failed, the error. A run that is killed leaves what was there.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from couture_workflow import settings
from couture_workflow.exceptions import InvalidError, NotebookError, NotFoundError
from couture_workflow.services.processes.led_command import OUTPUT, LedCommand, private_folder
from couture_workflow.services.runtimes import installed
from couture_workflow.store import atomic
from couture_workflow.store.home import Store
from couture_workflow.store.names import printable

_RUNNER = Path(__file__).parents[2] / "runtimes" / "notebook_runner.py"
_KERNEL_PROGRAM = _RUNNER.with_name("notebook_kernel.py")
_SUFFIX = ".ipynb"
_KERNEL = "couture"
#: Not for a notebook to see: Airflow's secrets, and what belongs to the Python of Airflow.
_HIDDEN = ("AIRFLOW__", "AIRFLOW_CONN_", "_AIRFLOW_", "PYTHON", "VIRTUAL_ENV", "JUPYTER")
_SHOWN_LINES = 12
#: Characters printed past the kernel that are handed on at most.
_STRAY = 500_000
#: Lists and dicts in each other that a parameter has at most.
_DEEPEST = 100
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

OnLine = Callable[[str, str], None]


@dataclass(frozen=True, kw_only=True)
class NotebookRequest:
    """What is to be run.

    :param source: the notebook; its cells run in its folder.
    :param output: where the notebook with its results goes, below ``outputs/notebooks``.
    :param parameters: values for the cell that is tagged ``parameters``.
    :param html: write the output as a page too, beside it.
    :param python: the Python of the kernel, which must have ipykernel; None: the one of the runtime.
    """

    source: Path
    output: Path
    parameters: Mapping[str, Any] = field(default_factory=dict)
    html: bool = False
    python: str | None = None


def find_input(name: str, folders: Sequence[Path]) -> Path:
    """Return a notebook by its name in the first folder that has it, or raise ``NotFoundError``.

    :param name: path below one of the folders, with or without ``.ipynb``.
    """
    relative = _relative(name, "input_nb")
    for folder in folders:
        path = folder / relative
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            return path
    looked = ", ".join(str(folder) for folder in folders)
    raise NotFoundError(
        f"There is no notebook {str(relative)!r}. Put it beside the DAG file, or correct input_nb. "
        f"Looked in: {looked}."
    )


def input_folders(dag_file: Path, *, top: Path | None, home: Path | None) -> list[Path]:
    """Return where the notebook of a task may be, the likeliest place first.

    :param top: the top of the DAG repository, None if there is none.
    :param home: None: what is below the home is not looked at.
    """
    beside = dag_file.parent
    found = [beside, beside / "notebooks", beside.parent / "notebooks"]
    found += [top, top / "notebooks"] if top else []
    found += [home / "notebooks"] if home else []
    return list(dict.fromkeys(found))


def output_path(store: Store, name: str) -> Path:
    """Return where an output of this name goes."""
    return store.outputs / "notebooks" / _relative(name, "output_nb")


def _relative(name: str, argument: str) -> PurePosixPath:
    path = PurePosixPath(name if name.endswith(_SUFFIX) else name + _SUFFIX)
    if not name.strip() or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise InvalidError(
            f"{argument} is {name!r}: give a path without .. that does not begin with a slash, such as "
            "'reports/day.ipynb'.",
            field=argument,
        )
    return path


def checked_parameters(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return parameters as a notebook can be given them, or raise ``InvalidError`` for one that cannot."""
    for name, value in (parameters or {}).items():
        if found := _unfit(value, f"parameter {name!r}", set()):
            raise InvalidError(
                f"The {found}. Give text, numbers, True, False, None, and lists and dicts of these; a "
                "date as text, such as '{{ ds }}', and None where there is no number.",
                field="parameters",
            )
        if not str(name).isidentifier():
            raise InvalidError(f"The parameter {name!r} is no name of Python.", field="parameters")
    return dict(parameters or {})


def _unfit(value: Any, name: str, above: set[int]) -> str:
    """Return which part of a value JSON cannot hold and why, "" if there is none.

    :param name: what the value is called in the sentence.
    :param above: ids of the lists and dicts that the value is in.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return f"{name} is {value}, which is no number of JSON"
    if value is None or isinstance(value, (str, int, float)):
        return ""
    if not isinstance(value, (list, tuple, dict)):
        return f"{name} is a {type(value).__name__}"
    if id(value) in above or len(above) > _DEEPEST:
        return f"{name} is nested in itself, or too deep"
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in parts:
        if isinstance(value, dict) and not isinstance(key, str):
            return f"{name} has the key {key!r}, which is not a text"
        if found := _unfit(each, f"{name}[{key!r}]", above | {id(value)}):
            return found
    return ""


class NotebookRun:
    """One run.

    :param on_line: called with "output", "log" or "cell" and each line for the task's log.
    :param keep_going: asked often; once it says no, the run is stopped.
    """

    def __init__(
        self, request: NotebookRequest, *, on_line: OnLine, keep_going: Callable[[], bool] = lambda: True
    ) -> None:
        self.request = request
        self.on_line = on_line
        self.keep_going = keep_going
        self._command: LedCommand | None = None
        self._stopped = False
        self._ended: dict[str, Any] = {}
        self._cell: dict[str, Any] = {}
        self._stray = 0

    def run(self) -> Path:
        """Run the notebook and return its output, or raise ``NotebookError``; its last line is the cause."""
        runner = installed.jupyter()
        python = self.request.python or runner
        if not os.access(python, os.X_OK):
            raise NotebookError(f"There is no Python {python} to run here. Correct python.")
        with private_folder() as folder:
            self._command = LedCommand(
                [runner, "-I", str(_RUNNER), str(self._write_request(folder, python))],
                environment=_environment(folder),
                folder=folder,
                grace=settings.termination_grace_period(),
                on_line=self._read,
                keep_going=self.keep_going,
            )
            if self._stopped:
                raise NotebookError(
                    f"The notebook {self.request.source.name!r} was killed before it started."
                )
            outcome = self._command.run()
            self._publish(folder)
        self._judge(outcome.exit_code, stopped=outcome.stopped, log=outcome.log)
        return self.request.output

    def stop(self) -> None:
        """Ask for the end of the run; ``run`` raises when nothing of it is left."""
        self._stopped = True
        if self._command is not None:
            self._command.stop()

    def _write_request(self, folder: Path, python: str) -> Path:
        """Write what the runner is to do, and the kernel that it shall use."""
        kernel = folder / "jupyter" / "kernels" / _KERNEL
        kernel.mkdir(parents=True)
        words = [python, str(_KERNEL_PROGRAM), "-f", "{connection_file}"]
        (kernel / "kernel.json").write_text(
            json.dumps({"argv": words, "display_name": "Python 3", "language": "python"})
        )
        path = folder / "request.json"
        path.touch(mode=0o600)
        path.write_text(
            json.dumps(
                {
                    "input": str(self.request.source),
                    "output": str(folder / "output.ipynb"),
                    "html": str(folder / "output.html") if self.request.html else None,
                    "parameters": dict(self.request.parameters),
                    "folder": str(self.request.source.parent),
                    "kernel": _KERNEL,
                }
            )
        )
        return path

    def _read(self, stream: str, line: str) -> None:
        """Understand a line of the runner; what is no event of it was printed by something below."""
        event: dict[str, Any] = {}
        if stream == OUTPUT and line.startswith("{"):
            try:
                event = json.loads(line)
            except ValueError:
                event = {}
        kind = event.get("event", "")
        if kind == "cell":
            self._cell = event
            first = next((each for each in event["source"].splitlines() if each.strip()), "").strip()
            self.on_line("cell", f"Cell {event['number']} of {event['of']}: {first[:100]}")
        elif kind in {"output", "warning", "traceback"}:
            for each in printable(_COLOUR.sub("", event["text"])).splitlines():
                self.on_line("output" if kind == "output" else "log", each)
        elif kind:
            self._ended = event
        elif line.strip():
            self._tell_stray(line)

    def _tell_stray(self, line: str) -> None:
        """Hand on a line that no cell printed through the kernel: a program below it, or a dying process."""
        if self._stray <= _STRAY < self._stray + len(line):
            self.on_line("log", "More that was printed past the kernel is left out here.")
        elif self._stray <= _STRAY:
            self.on_line("log", line)
        self._stray += len(line)

    def _publish(self, folder: Path) -> None:
        """Put what the runner wrote in its place, whole."""
        for name, target in (
            ("output.ipynb", self.request.output),
            ("output.html", self.request.output.with_suffix(".html")),
        ):
            if (folder / name).is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                atomic.write(target, (folder / name).read_bytes())

    def _judge(self, exit_code: int, *, stopped: bool, log: Sequence[str]) -> None:
        """Raise what the end of the runner means, if it is not success."""
        name = self.request.source.name
        kind = self._ended.get("event", "")
        if stopped:
            raise NotebookError(f"The notebook {name!r} was killed. Nothing of it is left running.")
        if exit_code == 0 and kind == "done":
            return
        if kind == "error":
            raise NotebookError(self._failure())
        if kind == "refused":
            raise NotebookError(f"The notebook {name!r} cannot be run: {self._ended['text']}.")
        if kind == "died":
            raise NotebookError(
                f"The notebook {name!r} failed in cell {self._cell.get('number', 1)}.\n{self._source()}\n"
                "The kernel died. It may have used more memory than there is: give the worker more, or read "
                "less at a time."
            )
        cause = next((line for line in reversed(log) if line.strip()), f"exit code {exit_code}")
        raise NotebookError(
            f"The notebook {name!r} could not be run. Look at the lines above; if a package is missing, the "
            f"Python of the kernel needs ipykernel.\n{cause}"
        )

    def _failure(self) -> str:
        return (
            f"The notebook {self.request.source.name!r} failed in cell {self._cell.get('number', '?')} of "
            f"{self._cell.get('of', '?')}. The cells with their results: {self.request.output}\n"
            f"{self._source()}\n{printable(_COLOUR.sub('', self._ended['error'])).strip()}"
        )

    def _source(self) -> str:
        """Return the first lines of the cell that ran last, indented."""
        lines = str(self._cell.get("source", "")).rstrip().splitlines()
        shown = [*lines[:_SHOWN_LINES], *(["..."] if len(lines) > _SHOWN_LINES else [])]
        return "\n".join("    " + line for line in shown)


def _environment(folder: Path) -> dict[str, str]:
    """Return this process's environment without Airflow's secrets and Python, Jupyter's folders private."""
    result = {name: value for name, value in os.environ.items() if not name.startswith(_HIDDEN)}
    private = {
        "JUPYTER_PATH": folder / "jupyter",
        "JUPYTER_RUNTIME_DIR": folder / "runtime",
        "JUPYTER_CONFIG_DIR": folder / "config",
        "JUPYTER_DATA_DIR": folder / "data",
        "IPYTHONDIR": folder / "ipython",
    }
    return {
        **result,
        **{name: str(path) for name, path in private.items()},
        "PYTHONUNBUFFERED": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


__all__ = ["NotebookRequest", "NotebookRun", "checked_parameters", "find_input", "output_path"]
