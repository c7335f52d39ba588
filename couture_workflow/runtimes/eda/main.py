"""One request from its first line to the last message: verbs, limits, and what errors mean to people."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import resource
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import protocol
from .protocol import EdaError, Messages

#: Address space beyond the memory that may be used: programs, threads' stacks, mapped files, and what DuckDB
#: keeps room for: 10,000 columns of 60 rows take 9 GiB of it, and half a GiB of memory.
_SPACE = 32 * 1024**3
_LOOK = 0.1
#: Characters of a column's name in a sentence.
_NAMED = 200
_LOG = logging.getLogger(__name__)

Request = Mapping[str, Any]


def main(arguments: list[str]) -> None:
    """Read the request, do it, tell the result and end this process."""
    channel = protocol.messages()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    code = 1
    try:
        code = _run(arguments, channel)
    finally:
        sys.stderr.flush()
        os._exit(code)  # what libraries would print while they are taken down belongs to nobody's log


def _run(arguments: list[str], channel: Messages) -> int:
    temporary: Path | None = None
    request: Request = {}
    try:
        request = _request(arguments)
        folder = Path(request["folder"])
        temporary = folder / "tmp"
        temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
        _bound(request.get("limits") or {}, temporary, channel)
        result = _verbs()[request["verb"]](request, folder, channel)
    except EdaError as error:
        return _failed(channel, error)
    except Exception as error:  # noqa: BLE001 (the one place where whatever went wrong becomes a sentence)
        return _failed(
            channel, explained(error, doing=channel.doing(), hidden=bool(request.get("sensitive")))
        )
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    channel.result(result)
    return 0


def _request(arguments: list[str]) -> dict[str, Any]:
    if arguments:
        with Path(arguments[0]).open("rb") as pipe:
            line = pipe.readline()
    else:
        line = sys.stdin.buffer.read()
    request = json.loads(line)
    if not isinstance(request, dict) or request.get("verb") not in _verbs():
        raise EdaError(f"A request has a verb: {', '.join(_verbs())}.", field="verb")
    if not Path(str(request.get("folder", ""))).is_absolute():
        raise EdaError("A request names its folder by an absolute path.", field="folder")
    return request


def _verbs() -> dict[str, Callable[[Request, Path, Messages], dict[str, Any]]]:
    return {"preview": _preview, "profile": _profile, "tables": _tables, "columns": _columns}


def _preview(request: Request, folder: Path, channel: Messages) -> dict[str, Any]:
    from . import opening

    result = opening.preview(request["source"], folder, request.get("limits") or {}, channel)
    result["warnings"] = channel.warnings()
    return _hidden(result, set(request.get("sensitive") or ()))


def _hidden(result: dict[str, Any], sensitive: set[str]) -> dict[str, Any]:
    """Take the values of sensitive columns out of a preview, and texts of lines, which may have them.

    Where a sensitive column is not found, because the file is read in another way, it may be part of others.
    """
    lost = sensitive.difference(column["name"] for column in result["columns"])
    for place, column in enumerate(result["columns"]):
        name = str(column["name"])
        if name in sensitive or any(each in name for each in lost):
            column["hidden"] = True
            for row in result["rows"]:
                row[place] = None
    if sensitive:
        for line in result.get("bad", {}).get("first", ()):
            line["text"] = ""
    return result


def _profile(request: Request, folder: Path, channel: Messages) -> dict[str, Any]:
    from . import profile

    return profile.made(request, folder, channel)


def _tables(request: Request, folder: Path, channel: Messages) -> dict[str, Any]:
    from .sql import source as sql

    return sql.tables(request["source"], channel)


def _columns(request: Request, folder: Path, channel: Messages) -> dict[str, Any]:
    from .sql import source as sql

    return sql.columns(request["source"], channel)


def _failed(channel: Messages, error: EdaError) -> int:
    channel.error(error)
    return 1


def _bound(limits: Mapping[str, Any], temporary: Path, channel: Messages) -> None:
    """Keep this process to its memory and its disk: a look-out ends it, and far beyond allocations fail."""
    memory, disk = int(limits.get("memory") or 0), int(limits.get("disk") or 0)
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory + _SPACE, memory + _SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory or disk:
        arguments = (memory or sys.maxsize, disk or sys.maxsize, temporary, channel)
        threading.Thread(target=_look_out, args=arguments, daemon=True).start()


def _look_out(memory: int, disk: int, temporary: Path, channel: Messages) -> None:
    page = os.sysconf("SC_PAGESIZE")
    while True:
        if int(Path("/proc/self/statm").read_text().split()[1]) * page > memory:
            channel.error(_too_much(memory))
            os._exit(1)
        if _size(temporary) > disk:
            channel.error(_too_big(f"more than the {disk // 1024**2:,} MiB that it may use"))
            shutil.rmtree(temporary, ignore_errors=True)
            os._exit(1)
        time.sleep(_LOOK)


def _size(folder: Path) -> int:
    """Return the bytes of the files in a folder, of which some may go while they are counted."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total


def _too_big(why: str) -> EdaError:
    return EdaError(
        f"The temporary files of this run do not fit: {why}. They are removed; free some space or read less, "
        "then run it again.",
        code="disk",
    )


def _too_much(memory: int = 0) -> EdaError:
    limit = f" the {memory // 1024**2:,} MiB" if memory else " the memory"
    return EdaError(
        f"This needs more memory than{limit} that one run may use. Give it more with the option "
        "[couture_workflow] eda_memory, or read fewer columns or rows.",
        code="memory",
    )


def explained(error: BaseException, *, doing: tuple[str, str] = ("", ""), hidden: bool = False) -> EdaError:
    """Return an unexpected error as a sentence; its details go to the log.

    :param doing: the stage and the column that were worked on, each may be "".
    :param hidden: what libraries say may have sensitive values in it: it is neither told nor logged.
    """
    name, text = type(error).__name__, str(error)
    starved = name == "OutOfMemoryException" and "max_temp" not in text or "pin block" in text
    if starved or isinstance(error, MemoryError):
        return _too_much()
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or "No space left" in text or "max_temp_directory_size" in text:
        return _too_big("the disk is full")
    stage, column = doing
    where = f" at the stage {stage}" if stage else ""
    where += f", at the column {column[:_NAMED]!r}," if column else ""
    if hidden:
        trace = "".join(traceback.format_tb(error.__traceback__))
        _LOG.error("The request failed%s with %s:\n%s", where, name, trace)
        return EdaError(
            f"This failed{where} with {name}. What it said is not shown: it may have sensitive values in it.",
            code="failed",
        )
    _LOG.error("The request failed%s", where, exc_info=error)
    first = f": {text.strip().splitlines()[0]}" if text.strip() else "."
    return EdaError(f"This failed{where} with {name}{first}", code="failed")
