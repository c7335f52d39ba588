"""Ruff's other services for the text of one Python file: its layout, and the order of its imports."""

from __future__ import annotations

import subprocess
import sys

from couture_workflow.exceptions import InvalidError, TooLargeError
from couture_workflow.services.dags.drafts import LARGEST
from couture_workflow.store.names import quote

#: Characters in a line of formatted code.
LINE_LENGTH = 110

_PATIENCE = 10.0
_TARGET = f"--target-version=py3{sys.version_info.minor}"


def formatted(path: str, source: str) -> str:
    """Return Python source laid out by ``ruff format``; ``InvalidError`` if it is not Python."""
    return _run(path, source, "format", f"--line-length={LINE_LENGTH}")


def organised(path: str, source: str) -> str:
    """Return Python source with its imports sorted and grouped; ``InvalidError`` if it is not Python."""
    line_length = f"--config=line-length={LINE_LENGTH}"
    return _run(path, source, "check", "--select=I", "--fix-only", "--exit-zero", line_length)


def _run(path: str, source: str, *arguments: str) -> str:
    from ruff import find_ruff_bin

    if not path.endswith(".py"):
        raise InvalidError(f"{quote(path)} is not a Python file, so ruff cannot format it.")
    if len(source) > LARGEST:
        raise TooLargeError(f"{quote(path)} is too large to be formatted here.")
    command = [
        find_ruff_bin(),
        *arguments,
        "--isolated",
        "--no-cache",
        _TARGET,
        "--stdin-filename=dag.py",
        "-",
    ]
    try:
        done = subprocess.run(  # noqa: S603
            command,
            input=source.encode("utf-8", "replace"),
            capture_output=True,
            timeout=_PATIENCE,
            cwd="/",
        )
    except subprocess.TimeoutExpired as error:
        raise InvalidError(f"Ruff gave up on {quote(path)}. It was left as it is.") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0].removeprefix("error: ")
        raise InvalidError(
            f"{quote(path)} was left as it is, because it is not valid Python yet: "
            f"{said.replace('Failed to parse dag.py:', 'line ')}. Correct it, then format it."
        )
    return done.stdout.decode("utf-8")
