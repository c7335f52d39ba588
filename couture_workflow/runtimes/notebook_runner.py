"""Runs one notebook in the runtime ``jupyter`` and says what happens: a JSON object on each line.

``python notebook_runner.py REQUEST.json``, where the request has ``input``, ``output``, ``pages`` (path and
whether without code), ``parameters``, ``folder`` (where cells run), ``kernel`` (name; null: what the notebook
needs), ``kernels`` (what ``kernel.json`` says, by name), ``own`` (the one for Python), ``program`` (of Python
kernels), ``cell_timeout`` (or null). The exit code is 1 for a failure, which was told as an event.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from traitlets.config import Config

_OUT = sys.stdout
#: Characters of a text that an event has at most: a line of any of them is short enough for a reader.
_PIECE = 4_000
#: Characters of all results that a cell, and the notebook, keeps at most; results that a cell keeps at most.
_CELL, _NOTEBOOK, _RESULTS = 10_000_000, 50_000_000, 2_000
#: Characters of an error, of its traceback and of a cell's source that are told.
_ERROR, _TRACEBACK = 2_000, 40_000
#: Seconds that a kernel may take to start, and that results of a cell are waited for after its end: a busy
#: machine needs many, and a dead kernel is noticed at once. Milliseconds in which another result of it comes.
_START, _PATIENCE, _REST = 600, 3_600, 1_000
#: Seconds after which a line is told that has not come to its end, and how what streams have is told.
_PAUSE, _KINDS = 1.0, {"stdout": "output", "stderr": "warning"}
#: Languages that the kernel of Python runs.
_PYTHON = {"python", "python3", "ipython"}
#: What reading or showing a notebook that is none raises.
_WRONG = (nbformat.reader.NotJSONError, nbformat.ValidationError, OSError, ValueError, LookupError)
_FIELDS = {"cell_type", "id", "metadata", "source", "outputs", "execution_count", "attachments"}
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
#: What papermill says that is known already.
_KNOWN = ("Executing ", "Ending Cell", "Input Notebook:", "Output Notebook:", "Working dir")
_LOGGERS = ("papermill", "papermill.translators", "traitlets")


def tell(kind: str, **fields: Any) -> None:
    """Write one event."""
    _OUT.write(json.dumps({"event": kind, **fields}) + "\n")
    _OUT.flush()


def tell_text(kind: str, text: str) -> None:
    """Write a text of any length, in as many events as it takes; lines stay whole where they are short."""
    while text:
        end = text.rfind("\n", 0, _PIECE) + 1 if len(text) > _PIECE else 0
        tell(kind, text=text[: end or _PIECE])
        text = text[end or _PIECE :]


def shortened(text: str, limit: int) -> str:
    """Return a text without its middle where it is too long."""
    half = limit // 2
    if len(text) <= limit:
        return text
    return f"{text[:half]}\n[{len(text) - 2 * half:,} characters left out here]\n{text[-half:]}"


class Client(PapermillNotebookClient):  # type: ignore[misc]
    """Papermill's own client, which keeps results up to a limit and says what it leaves out."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kept = 0
        self._of_cell: dict[int, int] = {}
        self._displays: dict[str, int] = {}
        self._told: set[int] = set()
        self._stream, self._rest = "stdout", ""
        self._timer: asyncio.TimerHandle | None = None

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Take a message of the kernel."""
        kind, content = msg["msg_type"], msg["content"]
        if kind == "error" or (kind == "status" and content["execution_state"] == "idle"):
            self._tell_rest()
        if kind == "error":
            content["evalue"] = shortened(content["evalue"], _ERROR)
            content["traceback"] = shortened("\n".join(content["traceback"]), _TRACEBACK).split("\n")
        elif kind in {"stream", "display_data", "execute_result", "update_display_data"}:
            more = 0 if kind in {"stream", "update_display_data"} else 1
            if len(cell.outputs) + more > _RESULTS or not self._has_room(
                cell_index, self._growth(kind, content)
            ):
                return self._leave_out(cell, cell_index)
        return super().process_message(msg, cell, cell_index)

    def output(self, outs: list[Any], msg: dict[str, Any], display_id: str | None, cell_index: int) -> Any:
        """Keep a result; what is printed goes to the end of what was printed before."""
        made = super().output(outs, msg, display_id, cell_index)
        if made is not None and made.output_type == "stream":
            last = len(outs) - 1
            earliest = max(0, last - 1) if last < _RESULTS else 0
            before = (each for each in reversed(outs[earliest:last]) if each.get("name") == made.name)
            if (found := next(before, None)) is not None:
                outs.pop()
                found.text += made.text
        return made

    async def _async_poll_kernel_alive(self) -> None:
        """Look for the death of the kernel; the results that it has sent before are still taken."""
        while True:
            await asyncio.sleep(1)
            try:
                await self._async_check_alive()
            except DeadKernelError:
                while await self.kc.iopub_channel.socket.poll(_REST):
                    await asyncio.sleep(0)  # it is being read
                self.task_poll_for_reply.cancel()
                return

    def log_output_message(self, output: Any) -> None:
        """Tell an output; of a stream whole lines, so that none is told in two."""
        if self._timer:
            self._timer.cancel()
        stream = output.name if output.output_type == "stream" else ""
        if stream != self._stream:
            self._tell_rest()
        if not stream:
            super().log_output_message(output)
            return
        text = self._rest + "".join(output.text)
        end = max(text.rfind("\n"), text.rfind("\r")) + 1
        self._stream, self._rest = stream, text[end:]
        tell_text(_KINDS[stream], text[:end])
        if len(self._rest) > _PIECE:
            self._tell_rest()
        elif self._rest:
            self._timer = asyncio.get_running_loop().call_later(_PAUSE, self._tell_rest)

    def _tell_rest(self) -> None:
        """Tell what has not come to the end of its line."""
        text, self._rest = self._rest, ""
        tell_text(_KINDS[self._stream or "stdout"], text)

    def clear_output(self, outs: list[Any], msg: dict[str, Any], cell_index: int) -> None:
        """Drop the results of a cell, or once there is another one."""
        super().clear_output(outs, msg, cell_index)
        self._kept -= self._of_cell.pop(cell_index, 0)

    def _growth(self, kind: str, content: dict[str, Any]) -> int:
        """Return how many characters a result adds; an update takes the place of what was displayed."""
        size = _size(content)
        display = (content.get("transient") or {}).get("display_id") or ""
        before = self._displays.get(display, 0) if kind == "update_display_data" else 0
        if display:
            self._displays[display] = size
        return size - before

    def _has_room(self, cell_index: int, size: int) -> bool:
        kept = self._of_cell.get(cell_index, 0) + size
        fits = kept <= _CELL and self._kept + size <= _NOTEBOOK
        if fits:
            self._of_cell[cell_index] = kept
            self._kept += size
        return fits

    def _leave_out(self, cell: Any, cell_index: int) -> None:
        if cell_index not in self._told:
            self._told.add(cell_index)
            rule = f"a cell keeps {_RESULTS:,} of them and {_CELL:,} characters at most, all {_NOTEBOOK:,}"
            text = f"[Results are left out from here on: {rule}]\n"
            cell.outputs.append(nbformat.v4.new_output("stream", name="stderr", text=text))
            tell("warning", text=text)


def _size(content: dict[str, Any]) -> int:
    """Return about how many characters a result has in the notebook."""
    values = content["data"].values() if "data" in content else [content.get("text", "")]
    return sum(len(each) if isinstance(each, str) else len(json.dumps(each)) for each in values)


class Lines(logging.Handler):
    """Tells what cells print, and what papermill warns of."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one record."""
        text = record.getMessage()
        if record.levelno >= logging.WARNING and record.name != "papermill":
            tell_text("warning", text)
        elif not text.startswith(_KNOWN):
            tell_text("warning" if record.levelno >= logging.WARNING else "output", text)


class Engine(NBClientEngine):  # type: ignore[misc]
    """Papermill's own engine, which also tells what cell begins, and how one ended."""

    @classmethod
    def execute_notebook(cls, nb: Any, *arguments: Any, **options: Any) -> Any:
        """Run a notebook, of which every state can be written."""
        nb.metadata.papermill["parameters"] = plain(nb.metadata.papermill.get("parameters"))
        return super().execute_notebook(nb, *arguments, **options)

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
        """Run the cells."""
        notebook = nb_man.nb
        code = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
        start, complete = nb_man.cell_start, nb_man.cell_complete

        def begin(cell: Any, cell_index: int | None = None, **more: Any) -> None:
            if cell_index in code:
                if cell_index == code[0]:
                    tell_kernel()
                tell("cell", number=code.index(cell_index) + 1, of=len(code), source=cell.source[:_PIECE])
            start(cell, cell_index, **more)

        def end(cell: Any, cell_index: int | None = None, **more: Any) -> None:
            complete(cell, cell_index, **more)
            if cell_index in code:
                said = cell.metadata.get("papermill", {})
                failed = bool(said.get("exception")) or sys.exc_info()[0] is not None
                seconds = said.get("duration")
                tell("cell-end", number=code.index(cell_index) + 1, seconds=seconds, failed=failed)

        nb_man.cell_start, nb_man.cell_complete = begin, end
        return super().execute_managed_notebook(nb_man, kernel_name, **options)


def plain(value: Any) -> Any:
    """Return a value with text for numbers that JSON has not, and without what is no text."""
    if isinstance(value, float) and value - value != 0:
        return str(value)
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def tell_kernel() -> None:
    """Tell what the kernel says of itself; only ours does."""
    said = Path(os.environ["JUPYTER_RUNTIME_DIR"], "kernel.json")
    if said.is_file():
        tell("kernel", **json.loads(said.read_text(encoding="utf-8")))


class Refused(Exception):
    """A notebook cannot be run; the text says why."""


def read_notebook(request: dict[str, Any]) -> Any:
    """Return the notebook in today's format, whatever wrote it."""
    try:
        text = Path(request["input"]).read_text(encoding="utf-8-sig")
        notebook = nbformat.v4.upgrade(nbformat.convert(nbformat.reader.reads(text), 4))
        for number, cell in enumerate(notebook.cells):
            for name in set(cell) - _FIELDS:
                del cell[name]
            if not _ID.fullmatch(str(cell.get("id", ""))):
                cell.id = f"cell-{number}"
            cell.source = plain(cell.source).replace("\r\n", "\n").replace("\r", "\n")
            if cell.cell_type == "code":
                cell.outputs = []
        notebook = nbformat.validator.normalize(notebook)[1]
        nbformat.validate(notebook, relax_add_props=True)
        return notebook
    except RecursionError:
        raise Refused("its lists are in each other too deeply") from None
    except (*_WRONG, AttributeError, TypeError) as error:
        raise Refused(shortened(f"{type(error).__name__}: {error}", _ERROR)) from error


def choose_kernel(notebook: Any, request: dict[str, Any]) -> str:
    """Return the kernel of a notebook: the one that was asked for, ours for Python, else its own."""
    kernel, language = (notebook.metadata.get(part, {}) for part in ("kernelspec", "language_info"))
    language = kernel.get("language") or language.get("name") or "python"
    if request["kernel"] or language.lower() in _PYTHON:
        return str(request["kernel"] or request["own"])
    name = str(kernel.get("name", "")).lower()
    if name in request["kernels"]:
        return name
    there = ", ".join(sorted(set(request["kernels"]) - {request["own"]})) or "none"
    raise Refused(
        f"it is written in {language}, and only Python can be run without a kernel for it. Install one where "
        f"JUPYTER_PATH leads, and name it in kernel (other kernels that there are: {there})"
    )


def write_kernel(name: str, request: dict[str, Any]) -> str:
    """Put a kernel where it is looked for, and return its language; one of IPython is run by our program."""
    said = dict(request["kernels"][name])
    words = [str(word) for word in said["argv"]]
    at = words.index("-m") if "-m" in words else len(words)
    if words[at + 1 : at + 2] in (["ipykernel_launcher"], ["ipykernel"]):
        words[at : at + 2] = [request["program"]]
    place = said.pop("folder", "")
    said["argv"] = [word.replace("{resource_dir}", place) for word in words]
    folder = Path(os.environ["JUPYTER_PATH"], "kernels", name)
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(said), encoding="utf-8")
    return str(said.get("language") or "python")


def run(request: dict[str, Any]) -> None:
    """Run the notebook."""
    notebook = read_notebook(request)
    kernel = choose_kernel(notebook, request)
    language = write_kernel(kernel, request)
    path = Path(request["output"]).with_name("input.ipynb")
    nbformat.write(notebook, path)
    Path(os.environ["JUPYTER_RUNTIME_DIR"]).mkdir(mode=0o700, parents=True, exist_ok=True)
    papermill_engines.register("couture", Engine)
    papermill.engines.PapermillNotebookClient = Client
    # Sockets of files: nobody else can listen. Without a path they would be in the current folder.
    sockets = {"transport": "ipc", "ip": f"{os.environ['JUPYTER_RUNTIME_DIR']}/kernel"}
    papermill.execute_notebook(
        path,
        request["output"],
        parameters=request["parameters"],
        engine_name="couture",
        kernel_name=kernel,
        language=language,
        progress_bar=False,
        log_output=True,
        cwd=request["folder"],
        config=Config({"KernelManager": sockets}),
        execution_timeout=request["cell_timeout"],
        start_timeout=_START,
        iopub_timeout=_PATIENCE,
        raise_on_iopub_timeout=False,
    )


def write_pages(request: dict[str, Any]) -> None:
    """Write the output as the pages that were asked for."""
    if not request["pages"] or not Path(request["output"]).is_file():
        return
    from nbconvert import HTMLExporter
    from nbconvert.utils.exceptions import ConversionException

    for path, without in request["pages"]:
        options = dict.fromkeys(("exclude_input", "exclude_input_prompt", "exclude_output_prompt"), without)
        try:
            notebook = nbformat.reader.reads(Path(request["output"]).read_text(encoding="utf-8"))
            if any("state" not in each for each in notebook.metadata.get("widgets", {}).values()):
                del notebook.metadata["widgets"]  # as others write it
            for cell in notebook.cells:
                cell.source = shortened(cell.source, _TRACEBACK)  # colours take much time and memory
            page, _ = HTMLExporter(embed_images=True, **options).from_notebook_node(notebook)
            Path(path).write_text(page, encoding="utf-8", errors="replace")
        except (*_WRONG, ConversionException, AttributeError, TypeError) as error:
            tell("warning", text=f"The page {Path(path).name} could not be made: {error!r}"[:_ERROR])


def errors(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Run a request; yield the event that says how it failed, if it did."""
    try:
        run(request)
    except papermill.PapermillExecutionError as error:
        tell_text("traceback", shortened("\n".join(error.traceback), _TRACEBACK))
        told = shortened(f"{error.ename}: {error.evalue}", _ERROR)
        yield {"kind": "error", "error": told, "name": error.ename}
    except (CellTimeoutError, DeadKernelError) as error:
        yield {"kind": "timeout" if isinstance(error, CellTimeoutError) else "died"}
    except Refused as refused:
        yield {"kind": "refused", "text": str(refused)}
    except papermill.PapermillException as error:
        yield {"kind": "refused", "text": shortened(f"it cannot be given parameters: {error}", _ERROR)}
    except RuntimeError as error:
        why = f"its kernel does not start, and its Python needs ipykernel: {str(error)[-_ERROR:]}"
        yield {"kind": "refused", "text": why}
    except (OSError, ValueError) as error:
        yield {"kind": "refused", "text": shortened(f"{type(error).__name__}: {error}", _ERROR)}


def main(path: str) -> int:
    """Run a request and tell how it ended."""
    request = json.loads(Path(path).read_text(encoding="utf-8"))
    warnings.simplefilter("ignore")
    handler = Lines()
    for logger in map(logging.getLogger, _LOGGERS):
        logger.setLevel(logging.INFO if logger.name == "papermill" else logging.WARNING)
        logger.addHandler(handler)
        logger.propagate = False
    ended = next(errors(request), {"kind": "done"})
    write_pages(request)
    tell(**ended)
    return 0 if ended["kind"] == "done" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
