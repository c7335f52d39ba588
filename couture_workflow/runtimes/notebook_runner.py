"""Runs one notebook in the runtime ``jupyter`` and says what happens: a JSON object on each line.

``python notebook_runner.py REQUEST.json``, where the request has ``input``, ``output``, ``html`` (path or
null), ``parameters``, ``folder`` (where cells run) and ``kernel`` (name of the kernel). The output is written
after each cell. The exit code is 0 for success and 1 for a failure that was told as an event ``error``.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.engines import NBClientEngine, papermill_engines
from traitlets.config import Config

_OUT = sys.stdout
_LOGGERS = ("papermill", "papermill.translators", "traitlets")


def tell(kind: str, **fields: Any) -> None:
    """Write one event."""
    _OUT.write(json.dumps({"event": kind, **fields}) + "\n")
    _OUT.flush()


class Lines(logging.Handler):
    """Tells what cells print, and what papermill warns of."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one record."""
        text = record.getMessage()
        if record.levelno >= logging.WARNING and record.name != "papermill":
            tell("warning", text=text)
        elif not text.startswith(
            ("Executing ", "Ending Cell", "Input Notebook:", "Output Notebook:", "Working dir")
        ):
            tell("warning" if record.levelno >= logging.WARNING else "output", text=text)


class Engine(NBClientEngine):  # type: ignore[misc]
    """Papermill's own engine, which also tells what cell begins."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
        """Run the cells."""
        code = [index for index, cell in enumerate(nb_man.nb.cells) if cell.cell_type == "code"]
        start = nb_man.cell_start

        def begin(cell: Any, cell_index: int | None = None, **more: Any) -> None:
            if cell_index in code:
                tell("cell", number=code.index(cell_index) + 1, of=len(code), source=cell.source)
            start(cell, cell_index, **more)

        nb_man.cell_start = begin
        return super().execute_managed_notebook(nb_man, kernel_name, **options)


def run(request: dict[str, Any]) -> None:
    """Run the notebook."""
    papermill_engines.register("couture", Engine)
    # Sockets of files: nobody else can listen. Without a path they would be in the current folder.
    folder = Path(os.environ["JUPYTER_RUNTIME_DIR"])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    sockets = {"transport": "ipc", "ip": str(folder / "kernel")}
    papermill.execute_notebook(
        request["input"],
        request["output"],
        parameters=request["parameters"],
        engine_name="couture",
        kernel_name=request["kernel"],
        language="python",
        progress_bar=False,
        log_output=True,
        cwd=request["folder"],
        config=Config({"KernelManager": sockets}),
    )


def write_html(request: dict[str, Any]) -> None:
    """Write the output as a page, if that was asked for."""
    if not request["html"] or not Path(request["output"]).is_file():
        return
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter(embed_images=True).from_filename(request["output"])
    Path(request["html"]).write_text(page, encoding="utf-8")


def main(path: str) -> int:
    """Run a request and tell how it ended."""
    request = json.loads(Path(path).read_text(encoding="utf-8"))
    handler = Lines()
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO if name == "papermill" else logging.WARNING)
        logger.addHandler(handler)
        logger.propagate = False
    try:
        notebook = nbformat.read(request["input"], as_version=4)
        kernel, language = (notebook.metadata.get(part, {}) for part in ("kernelspec", "language_info"))
        language = kernel.get("language") or language.get("name") or "python"
        if language.lower() not in {"python", "ipython"}:
            tell("refused", text=f"it is written in {language}, and only Python can be run")
            return 1
        run(request)
    except papermill.PapermillExecutionError as error:
        write_html(request)
        tell(
            "error",
            cell=error.exec_count or 0,
            source=error.source,
            error=f"{error.ename}: {error.evalue}",
            traceback=error.traceback,
        )
        return 1
    except DeadKernelError:
        write_html(request)
        tell("died")
        return 1
    except RuntimeError as error:
        tell(
            "refused",
            text=f"its kernel does not start, and the Python of the kernel needs ipykernel: {error}",
        )
        return 1
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, OSError, ValueError) as error:
        tell("refused", text=f"{type(error).__name__}: {error}")
        return 1
    write_html(request)
    tell("done")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
