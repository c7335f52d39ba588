"""Fixtures of the modules that run in the runtime: ``ask`` gives requests of SQL to one process of it.

``postgresql`` and ``mariadb`` are one server each for all modules.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import couture_workflow
from tests.services.mariadb import mariadb
from tests.services.postgresql import postgresql
from tests.services.sql_servers import PASSWORD
from tests.support.jupyter_runtime import jupyter_or_skip

__all__ = ["mariadb", "postgresql"]

_PACKAGE = Path(couture_workflow.__file__).parent / "runtimes"
_PROGRAM = Path(__file__).parent / "sql_requests.py"


class Ask:
    """A process of the runtime that answers requests of SQL.

    :param folder: for its temporary files.
    """

    def __init__(self, python: str, folder: Path) -> None:
        self._log = (folder / "log").open("w+b")
        self._process = subprocess.Popen(
            [python, "-I", str(_PROGRAM), str(_PACKAGE), str(folder / "work")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def __call__(self, verb: str, source: dict[str, Any], **limits: int) -> dict[str, Any]:
        """Return the answer to a request: ``result`` or ``error``, and ``said``. No password may be in it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"verb": verb, "source": source, "limits": limits}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line)
        self._log.seek(0)
        log = self._log.read().decode()
        assert PASSWORD not in json.dumps(answer, ensure_ascii=False) and PASSWORD not in log
        assert "unknown" not in answer.get("error", {}), log[-3000:]
        return answer

    def columns(self, source: dict[str, Any]) -> dict[str, tuple[str, list[str | None]]]:
        """Return name -> type and all values, as DuckDB writes them."""
        result = self("rows", source)["result"]
        return {
            name: (kind, [row[place] for row in result["rows"]])
            for place, (name, kind) in enumerate(result["columns"].items())
        }

    def error(self, source: dict[str, Any], verb: str = "rows") -> tuple[str, str, str]:
        """Return code, field and sentence of the error that a request must end with."""
        error = self(verb, source)["error"]
        return error["code"], error["field"], error["message"]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._log.close()


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Give a process of the runtime for the tests of a module."""
    running = Ask(jupyter_or_skip(), tmp_path_factory.mktemp("sql"))
    yield running
    running.close()
