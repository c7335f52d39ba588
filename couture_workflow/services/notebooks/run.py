"""One run of a notebook: papermill in the runtime ``jupyter``, below the reaper, so a kill leaves nothing.

The output appears below ``outputs/notebooks`` of the home when the run has ended by itself, and not before:
the cells that ran and, in the one that failed, the error. A run that is killed leaves what was there. The
run's own folder (``outputs``) gets the same, and what the cells wrote.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from couture_workflow import settings
from couture_workflow.exceptions import NotebookError, StorageError
from couture_workflow.services.notebooks import cell_files, kernel_choice, outputs, workspace
from couture_workflow.services.notebooks.places import find_input, input_folders, output_path, surroundings
from couture_workflow.services.notebooks.report import Report, first_line
from couture_workflow.services.notebooks.values import checked_parameters, shown
from couture_workflow.services.processes.led_command import OUTPUT, LedCommand
from couture_workflow.services.processes.private_folders import private_folder
from couture_workflow.services.runs.notebook_use import NotebookUse, OutputFile
from couture_workflow.services.runtimes import installed
from couture_workflow.store import atomic
from couture_workflow.store.names import printable

_RUNNER = Path(__file__).parents[2] / "runtimes" / "notebook_runner.py"
#: Not for a notebook to see: Airflow's secrets, and what belongs to the Python of Airflow.
_HIDDEN = ("AIRFLOW__", "AIRFLOW_CONN_", "_AIRFLOW_", "PYTHON", "VIRTUAL_ENV", "JUPYTER")
_SHOWN_LINES = 12
#: Files that a record names.
_FILES = 200
#: Characters printed past the kernel that are handed on at most.
_STRAY = 500_000
#: What terminals are told: colours, the place of the cursor, titles of windows.
_TERMINAL = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,500}(?:\x07|\x1b\\)|[ -/]{1,9}[0-~]|[0-Z\\^-~])"
)
#: The error of a cell that asks for input.
_INPUT = "StdinNotImplementedError"

OnLine = Callable[[str, str], None]


@dataclass(frozen=True, kw_only=True)
class NotebookRequest:
    """What is to be run.

    :param source: the notebook.
    :param output: where the notebook with its results goes, below ``outputs/notebooks``.
    :param parameters: values for the cell that is tagged ``parameters``.
    :param html: write the output as a page too, beside it.
    :param hide_code: the page is without code; "both": there is another one that is.
    :param kernel: name of an installed kernel; None: the one of Python, or of the notebook's language.
    :param python: the Python of the kernel, which must have ipykernel; None: the one of the runtime.
    :param cell_timeout: seconds that a cell may take.
    :param top: the DAG repository or the person's folder that the notebook is in, which its cells see; None:
        its own folder.
    :param limits: what of it is copied.
    :param own: the run's own folder; None: there is none, and what cells write is lost.
    """

    source: Path
    output: Path
    parameters: Mapping[str, Any] = field(default_factory=dict)
    html: bool = False
    hide_code: bool | str = False
    kernel: str | None = None
    python: str | None = None
    cell_timeout: float | None = None
    top: Path | None = None
    limits: workspace.Limits = workspace.OF_REPOSITORY
    own: Path | None = None

    def pages(self) -> Iterator[tuple[str, Path, bool]]:
        """Yield the pages: the name in the run's own folder, where else it goes, whether without code."""
        if not (self.html or self.hide_code):
            return
        beside = self.output.with_suffix(".html")
        if self.hide_code is not True:
            yield outputs.HTML, beside, False
        if self.hide_code:
            without = beside.with_name(f"{beside.stem}-no-code.html")
            yield outputs.HTML_WITHOUT_CODE, beside if self.hide_code is True else without, True


def identified(use: NotebookUse, request: NotebookRequest, *, repository: Path | None) -> NotebookUse:
    """Return what a record says of a notebook: which one it is, in which version."""
    source, top = request.source.resolve(), repository.resolve() if repository else None
    inside = top is not None and source.is_relative_to(top)
    path = source.relative_to(top).as_posix() if top is not None and inside else str(request.source)
    with atomic.reading_errors(source):
        sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    return replace(use, path=path, sha256=sha256, in_repository=inside)


class NotebookRun:
    """One run.

    :param on_line: called with "output", "log" or "cell" and each line for the task's log.
    :param keep_going: asked often; once it says no, the run is stopped.
    :param redact: masks what is secret in a text that pages show.
    :param on_published: called with what was written where ``output_nb`` asks.
    :param on_kernel: called when the kernel runs, and so ``used`` knows more.
    :param surround: given the run's private folder, returns more environment variables of the kernel.
    """

    def __init__(
        self,
        request: NotebookRequest,
        *,
        on_line: OnLine,
        keep_going: Callable[[], bool] = lambda: True,
        redact: Callable[[str], str] = str,
        on_kernel: Callable[[], None] = lambda: None,
        surround: Callable[[Path], Mapping[str, str]] = lambda folder: {},
        on_published: Callable[[Sequence[Path]], None] = lambda paths: None,
    ) -> None:
        self.request = request
        self.on_kernel = on_kernel
        self.on_published = on_published
        self._surround = surround
        self.on_line = on_line
        self.keep_going = keep_going
        self.report = Report(request.own, redact=redact)
        self._command: LedCommand | None = None
        self._stopped = False
        self._ended: dict[str, Any] = {}
        self._stray = 0

    def run(self) -> Path:
        """Run the notebook and return its output, or raise ``NotebookError``; its last line is the cause."""
        runner = installed.jupyter()
        kernels = kernel_choice.Kernels(self.request.python or runner)
        kernels.check(self.request.kernel, python=self.request.python)
        with private_folder() as folder:
            try:
                made = self._workspace(self.request.own or folder)
                self._command = LedCommand(
                    [runner, "-I", str(_RUNNER), str(self._write_request(folder, made.folder, kernels))],
                    environment={
                        **_environment(folder, self.request.source.parent),
                        **self._surround(folder),
                    },
                    folder=folder,
                    grace=settings.termination_grace_period(),
                    on_line=self._read,
                    keep_going=self._goes_on,
                )
                if self._stopped:
                    raise NotebookError(
                        f"The notebook {self.request.source.name!r} was killed before it started."
                    )
                outcome = self._command.run()
                self._publish(folder)
            finally:
                self._keep(folder)
        self._judge(outcome.exit_code, stopped=outcome.stopped, log=outcome.log)
        return self.request.output

    def _goes_on(self) -> bool:
        self.report.tell()
        return self.keep_going()

    def _workspace(self, own: Path) -> workspace.Made:
        """Make the folder of the cells, and say what in it is no copy."""
        self.report.tell()
        with atomic.storage_errors(own):
            made = workspace.make(own, self.request.source, top=self.request.top, limits=self.request.limits)
        if made.linked:
            names = ", ".join(made.linked[:5]) + (", ..." if len(made.linked) > 5 else "")
            self.on_line(
                "log",
                f"Too large to be copied, so the cells see the originals and must not write to them: {names}",
            )
        return made

    def used(self, use: NotebookUse) -> NotebookUse:
        """Return what a record says of the run, with what is known of it by now."""
        use = self.report.use(replace(use, output=str(self.request.output)))
        if self.request.own is None:
            return use
        found = outputs.listed(self.request.own)
        shown = found.outputs[:_FILES]
        return replace(
            use,
            files=tuple(OutputFile(each.name, each.size) for each in shown),
            files_left_out=found.left_out + len(found.outputs) - len(shown),
        )

    def stop(self) -> None:
        """Ask for the end of the run; ``run`` raises when nothing of it is left."""
        self._stopped = True
        if self._command is not None:
            self._command.stop()

    def _write_request(self, folder: Path, cells: Path, kernels: kernel_choice.Kernels) -> Path:
        """Write what the runner is to do."""
        path = folder / "request.json"
        path.touch(mode=0o600)
        timeout = self.request.cell_timeout
        path.write_text(
            json.dumps(
                {
                    "input": str(self.request.source),
                    "output": str(folder / outputs.NOTEBOOK),
                    "pages": [[str(folder / name), without] for name, _, without in self.request.pages()],
                    "parameters": dict(self.request.parameters),
                    "folder": str(cells),
                    "cell_timeout": None if timeout is None else max(1, round(timeout)),
                    **kernels.asked(self.request.kernel),
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
            self.report.took_cell(event)
            self.on_line("cell", f"Cell {event['number']} of {event['of']}: {first_line(event['source'])}")
        elif kind in {"output", "warning", "traceback"}:
            for each in printable(_TERMINAL.sub("", event["text"])).splitlines():
                self.report.took_line(each)
                self.on_line("output" if kind == "output" else "log", each)
        elif kind == "cell-end":
            self.report.took_end(event)
        elif kind == "kernel":
            self.report.took_kernel(event)
            self.on_kernel()
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
        """Put what the runner wrote where ``output_nb`` asks, whole."""
        pages = [(name, target) for name, target, _ in self.request.pages()]
        written = []
        for name, target in ((outputs.NOTEBOOK, self.request.output), *pages):
            if (folder / name).is_file():
                with atomic.storage_errors(target):
                    target.parent.mkdir(parents=True, exist_ok=True)
                atomic.write(target, (folder / name).read_bytes())
                written.append(target)
        self.on_published(written)

    def _keep(self, folder: Path) -> None:
        """Put what the runner and the cells wrote into the run's own folder, also after a kill."""
        self.report.end()
        if self.request.own is None:
            cell_files.remove(folder / workspace.WORK)
            return
        try:
            for name in (outputs.NOTEBOOK, *(name for name, _, _ in self.request.pages())):
                if (folder / name).is_file():
                    atomic.write(self.request.own / name, (folder / name).read_bytes())
            if lost := workspace.collect(self.request.own):
                self.on_line("log", lost)
        except (StorageError, OSError) as error:
            self.on_line("log", f"The run's own folder does not have everything: {error}")

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
        if kind == "timeout":
            raise NotebookError(
                f"{self._where()}\n{self._source()}\nThe cell took longer than cell_timeout, "
                f"{self.request.cell_timeout:g} seconds. Give it more, or let it do less."
            )
        if kind == "died":
            raise NotebookError(
                f"The notebook {name!r} failed in cell {self.report.cell.get('number', 1)}.\n"
                f"{self._source()}\n"
                "The kernel died. It may have used more memory than there is: give the worker more, or read "
                "less at a time."
            )
        cause = next((line for line in reversed(log) if line.strip()), f"exit code {exit_code}")
        raise NotebookError(
            f"The notebook {name!r} could not be run. Look at the lines above; if a package is missing, the "
            f"Python of the kernel needs ipykernel.\n{cause}"
        )

    def _failure(self) -> str:
        error = printable(_TERMINAL.sub("", self._ended["error"])).strip()
        asks = (
            "\nNobody is there to answer input() or getpass() of a cell: make what it asks for a parameter, "
            "or take it from a connection of Airflow."
        )
        asked = asks if self._ended.get("name") == _INPUT else ""
        return f"{self._where()}\n{self._source()}{asked}\n{error}"

    def _where(self) -> str:
        cell = self.report.cell
        return (
            f"The notebook {self.request.source.name!r} failed in cell {cell.get('number', '?')} of "
            f"{cell.get('of', '?')}. The cells with their results: {self.request.output}"
        )

    def _source(self) -> str:
        """Return the first lines of the cell that ran last, indented."""
        lines = str(self.report.cell.get("source", "")).rstrip().splitlines()
        shown = [*lines[:_SHOWN_LINES], *(["..."] if len(lines) > _SHOWN_LINES else [])]
        return "\n".join("    " + line for line in shown)


def _environment(folder: Path, beside: Path) -> dict[str, str]:
    """Return this process's environment without Airflow's secrets and Python, Jupyter's folders private.

    :param beside: the folder of the notebook, of which the cells see a copy.
    """
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
        "COUTURE_NOTEBOOK_FOLDER": str(beside),
        "PYTHONUNBUFFERED": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


__all__ = [
    "NotebookRequest",
    "NotebookRun",
    "checked_parameters",
    "find_input",
    "identified",
    "input_folders",
    "output_path",
    "shown",
    "surroundings",
]
