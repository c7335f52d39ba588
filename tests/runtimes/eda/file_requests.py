"""Run by the data runtime's Python: opens files as the child does, and says what it finds, a line for each.

Arguments: the folder of the package ``eda``, a folder for temporary files. Each line of standard input is
``{"source", "limits", "then"}``, where ``then`` is what happens to the file meanwhile; the answer has
``preview`` and ``rows``, each a result or an error.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])

from eda import main, opening, protocol, table


def opened(request: dict[str, Any], folder: Path, channel: protocol.Messages) -> dict[str, Any]:
    """Return all rows, as DuckDB writes them."""
    with opening.open_table(request["source"], folder, request["limits"], channel) as found:
        cells = ", ".join(f"{table.quoted(column.name)}::varchar" for column in found.columns)
        described = table.described(found.connection, found.relation)
        rows = found.connection.execute(f"select {cells} from {found.relation} limit 200").fetchall()
        if request.get("then") == "grow":
            with Path(request["source"]["path"]).open("a") as file:
                file.write("1,2\n")
        elif request.get("then") == "remove":
            Path(request["source"]["path"]).unlink()
        elif request.get("then") == "rename":
            Path(request["source"]["path"]).rename(request["source"]["path"] + ".moved")
        elif request.get("then") == "link":
            Path(request["source"]["path"]).unlink()
            Path(request["source"]["path"]).symlink_to("/etc/hostname")
        every = ", ".join(f"count({table.quoted(column.name)})" for column in found.columns)
        count = found.connection.execute(f"select count(*), {every} from {found.relation}").fetchone()
        return {
            "columns": {column.name: column.type for column in found.columns},
            "described": {column.name: column.type for column in described},
            "kinds": {column.name: column.kind for column in found.columns},
            "rows": rows,
            "count": count[0],
            "bad": dict(found.bad),
            "reading": dict(found.reading),
            "changed": found.changed(),
        }


def previewed(request: dict[str, Any], folder: Path, channel: protocol.Messages) -> dict[str, Any]:
    """Return the preview."""
    return opening.preview(request["source"], folder, request["limits"], channel)


def tried(work: Any, request: dict[str, Any], folder: Path, channel: protocol.Messages) -> dict[str, Any]:
    """Return what the work says, or its error."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tmp").mkdir(parents=True)
    try:
        return work(request, folder, channel)
    except protocol.EdaError as error:
        return {"error": [error.code, error.field, str(error)]}
    except Exception as error:  # noqa: BLE001 (as the child does)
        told = main.explained(error)
        return {"error": [told.code, told.field, str(told)]}


if __name__ == "__main__":
    out = sys.stdout
    said = Path("/dev/null").open("w")
    for line in sys.stdin:
        asked = json.loads(line)
        channel = protocol.Messages(said.fileno())
        answer = {
            "preview": tried(previewed, asked, Path(sys.argv[2]), channel),
            "rows": tried(opened, asked, Path(sys.argv[2]), channel),
            "warnings": channel.warnings(),
        }
        out.write(json.dumps(answer) + "\n")
        out.flush()
