"""What is inside an uploaded file: is it sound, and what does the viewer show of it.

Archives and Python files are looked into by a child process with limits (``reader``): a hostile file can
make that process fail, never the API server.
"""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import tokenize
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from couture_workflow.exceptions import InvalidError, RuntimeMissingError
from couture_workflow.services.files import reader
from couture_workflow.store.names import quote

log = logging.getLogger(__name__)

SHOWN_SOURCE = 128 * 2**10
_CHECKED_SOURCE = 8 * 2**20
_TIMEOUT = 30

Token = tuple[str, str]


@dataclass(frozen=True)
class Member:
    """One file in an archive."""

    name: str
    size: int


@dataclass(frozen=True)
class Archive:
    """What an archive holds.

    :param members: the first of them; ``count`` and ``size`` are those of all.
    :param manifest: the main section of a jar's manifest.
    :param main_classes: the classes of a jar that can be run.
    :param main_classes_complete: whether every class was looked at.
    """

    members: tuple[Member, ...]
    count: int
    size: int
    manifest: tuple[tuple[str, str], ...] = ()
    main_classes: tuple[str, ...] = ()
    main_classes_complete: bool = True

    @property
    def main_class(self) -> str:
        """The class that the manifest names, "" if it names none."""
        return next((value for name, value in self.manifest if name.casefold() == "main-class"), "")


@dataclass(frozen=True)
class Source:
    """Python source, ready to be shown.

    :param lines: each a sequence of (CSS class, text); the class is Pygments' short name, "" for plain text.
    :param complete: whether it is the whole file.
    """

    lines: tuple[tuple[Token, ...], ...]
    complete: bool


def check(path: Path, name: str) -> str:
    """Return a warning about a file, "" if there is none; ``InvalidError`` if nobody could use it.

    :param name: what the file is called; its end says what it should be.
    """
    if name.casefold().endswith(".py"):
        return _syntax_warning(path, name)
    suffix = name[name.rindex(".") :]
    found = _look("check", path)
    problem = "it could not be read within the limits" if found is None else str(found.get("problem", ""))
    if problem:
        raise InvalidError(
            f"{quote(name)} is refused: it is not a sound {suffix} file ({problem}). A {suffix} file is a "
            "zip archive. Build or download it again, then upload it.",
            field="file",
        )
    return ""


def _syntax_warning(path: Path, name: str) -> str:
    if path.stat().st_size > _CHECKED_SOURCE:
        return ""
    found = _look("syntax", path, python=_runtime_python())
    if found is None:
        return f"{name} could not be checked: it is too deep or too long for Python."
    if not found:
        return ""
    where = f" in line {found['line']}" if found.get("line") else ""
    return f"{name} does not compile in Python {found['python']}{where}: {found['problem']}."


def _runtime_python() -> str:
    """Return the Python that runs the jobs; our own if there is no Spark runtime yet."""
    from couture_workflow.services.runtimes import installed

    try:
        python = installed.spark().python
    except RuntimeMissingError:
        return sys.executable
    return python if Path(python).is_file() else sys.executable


def _look(look: str, path: Path, *, python: str = sys.executable) -> dict[str, Any] | None:
    """Run the child process; None if the file made it fail."""
    command = [python, "-I", "-S", reader.__file__, look, str(path)]
    try:
        done = subprocess.run(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
            env={"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("Looking into %s failed: %s", path, error)
        return None
    if done.returncode:
        log.warning("Looking into %s failed: %s", path, done.stderr[-500:].decode(errors="replace"))
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@lru_cache(maxsize=32)
def archive(path: Path) -> Archive | None:
    """Return what an archive holds, None if it cannot be read.

    :param path: of a content in the store, which never changes.
    """
    found = _look("contents", path)
    if found is None:
        return None
    return Archive(
        members=tuple(Member(name, size) for name, size in found["members"]),
        count=found["count"],
        size=found["size"],
        manifest=tuple((name, value) for name, value in found["manifest"]),
        main_classes=tuple(found["main_classes"]),
        main_classes_complete=found["main_classes_complete"],
    )


@lru_cache(maxsize=8)
def source(path: Path) -> Source:
    """Return Python source in coloured lines, its first part if it is long.

    :param path: of a content in the store, which never changes.
    """
    from pygments.lexers.python import PythonLexer

    with path.open("rb") as file:
        content = file.read(SHOWN_SOURCE + 1)
    complete = len(content) <= SHOWN_SOURCE
    if not complete:
        content = content[: content.rfind(b"\n", 0, SHOWN_SOURCE) + 1 or SHOWN_SOURCE]
    lines: list[list[Token]] = [[]]
    for kind, value in PythonLexer(stripnl=False, ensurenl=False).get_tokens(_decoded(content)):
        name = _css_class(kind)
        for number, part in enumerate(value.split("\n")):
            if number:
                lines.append([])
            if part:
                lines[-1].append((name, part))
    if not lines[-1]:
        lines.pop()
    return Source(tuple(tuple(line) for line in lines), complete)


def _css_class(kind: Any) -> str:
    """Return Pygments' short name of a kind of token, or of the nearest kind that has one."""
    from pygments.token import STANDARD_TYPES

    while kind is not None and kind not in STANDARD_TYPES:
        kind = kind.parent
    return STANDARD_TYPES.get(kind, "")


def _decoded(content: bytes) -> str:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError:
        encoding = "utf-8"
    return content.decode(encoding, "replace")
