"""Run by the runtime's Python: requests of SQL as lines of JSON, one process for all of them.

    python -I sql_requests.py FOLDER-OF-THE-PACKAGE TEMPORARY-FOLDER

A line is ``{"verb", "source", "limits"}``; the answer has ``result`` or ``error``, and ``said``: warnings and
stages. The verb ``rows`` gives the whole table with the types of its columns, ``count`` how many rows and
characters it has and the most memory that this process has had, in bytes.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])

from eda import main, opening, protocol  # type: ignore[import-not-found]
from eda.sql import source as sql  # type: ignore[import-not-found]
from eda.table import quoted  # type: ignore[import-not-found]


class Said:
    """What the child would tell."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.stages: list[str] = []

    def stage(self, name: str, **more: Any) -> None:
        """Keep a stage."""
        self.stages.append(name)

    def warning(self, sentence: str) -> None:
        """Keep a warning."""
        self.warnings.append(sentence)


def rows(source: dict[str, Any], folder: Path, limits: dict[str, Any], said: Said) -> dict[str, Any]:
    """Return all rows, as DuckDB writes their values."""
    with opening.open_table(source, folder, limits, said) as table:
        names = ", ".join(f"cast({quoted(column.name)} as varchar)" for column in table.columns)
        found = table.connection.execute(f"select {names} from {table.relation}").fetchall()
        return {
            "columns": {column.name: column.type for column in table.columns},
            "rows": found,
            "bad": table.bad,
        }


def counted(source: dict[str, Any], folder: Path, limits: dict[str, Any], said: Said) -> dict[str, Any]:
    """Return how many rows and characters there are, and the most memory that this process has had."""
    with opening.open_table(source, folder, limits, said) as table:
        sizes = " + ".join(f"sum(length(cast({quoted(each.name)} as varchar)))" for each in table.columns)
        ((rows, size),) = table.connection.execute(
            f"select count(*), {sizes} from {table.relation}"
        ).fetchall()
    state = Path("/proc/self/status").read_text()
    peak = int(state.partition("VmHWM:")[2].split()[0]) * 1024
    return {"rows": rows, "characters": int(size), "peak": peak}


def answer(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Do one request."""
    said, source = Said(), request["source"]
    limits = request["limits"] or {"memory": 1024**3}
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tmp").mkdir(parents=True)
    try:
        if request["verb"] in ("tables", "columns"):
            result = getattr(sql, request["verb"])(source, said)
        elif request["verb"] == "rows":
            result = rows(source, folder, limits, said)
        elif request["verb"] == "count":
            result = counted(source, folder, limits, said)
        else:
            result = opening.preview(source, folder, limits, said)
        done = {"result": result}
    except protocol.EdaError as error:
        done = {"error": {"code": error.code, "message": str(error), "field": error.field}}
    except Exception as error:  # noqa: BLE001 (the way of main)
        explained = main.explained(error)
        done = {"error": {"code": explained.code, "message": str(explained), "field": "", "unknown": True}}
    done["said"] = {"warnings": said.warnings, "stages": said.stages}
    return done


for line in sys.stdin:
    sys.stdout.write(json.dumps(answer(json.loads(line), Path(sys.argv[2]))) + "\n")
    sys.stdout.flush()
