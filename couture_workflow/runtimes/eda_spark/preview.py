"""The first rows and the columns as they will be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .reading import Data
from .sampling import cells, shown

ROWS = 50


def made(data: Data, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a preview; nothing of a sensitive column leaves the cluster."""
    texts = data.frame.selectExpr(
        *(f"CAST(NULL AS STRING) AS {each.inner}" if each.sensitive else shown(each) for each in data.columns)
    )
    rows = [cells(data.columns, row) for row in texts.limit(ROWS).collect()]
    return {
        "columns": [
            {
                "name": each.name,
                "type": each.type,
                "kind": each.kind,
                **({"hidden": True} if each.sensitive else {}),
            }
            for each in data.columns
        ],
        "rows": rows,
        "reading": {**data.reading, "compression": None},
        "bad": dict(data.bad),
        "bytes": data.bytes,
        "rows_estimate": len(rows) if len(rows) < ROWS else None,
    }
