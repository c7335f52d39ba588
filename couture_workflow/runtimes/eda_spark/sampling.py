"""A sample of the rows, each as likely as any other: texts, one row a line."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, Row

from . import said
from .columns import Column
from .documents import SHOWN, text
from .reading import Data

#: Cells of a sample at most: they are in the driver's memory.
_CELLS = 2_000_000
_SEED = 20_000


def take(
    data: Data, profile: Mapping[str, Any], *, rows: int, path: Path, left_out: list[str]
) -> dict[str, Any]:
    """Write a sample of the columns that are not sensitive; return what the profile says of it.

    :param rows: how many were asked for.
    """
    total = int(profile["rows"])
    columns = [each for each in data.columns if not each.sensitive]
    size = min(rows, total, max(_CELLS // max(len(columns), 1), 20)) if columns else 0
    said.stage("sampling", rows=total, words=f"Taking a sample of {size:,} rows")
    chosen = _rows(data.frame, columns, total, size) if size else []
    with path.open("w", encoding="utf-8") as file:
        for row in chosen:
            file.write(json.dumps(row) + "\n")
    if columns and size < min(rows, total):
        left_out.append(
            f"The sample has {size:,} rows instead of {rows:,}: the table has {len(columns):,} columns."
        )
    return {"rows": len(chosen), "of": total, "method": "random"}


def _rows(frame: DataFrame, columns: Sequence[Column], total: int, size: int) -> list[list[str | None]]:
    texts = frame.selectExpr(*(shown(each) for each in columns))
    if size < total:
        # Some more than needed, so that hardly ever too few come; which ones go again is drawn, too.
        wanted = size + 6 * math.sqrt(size) + 20
        texts = texts.sample(fraction=min(wanted / total, 1.0), seed=_SEED)
    found = texts.collect()
    if len(found) > size:
        found = [found[place] for place in sorted(random.Random(_SEED).sample(range(len(found)), size))]  # noqa: S311
    return [cells(columns, row) for row in found]


def shown(column: Column) -> str:
    """Return as SQL the text of a value as it is shown, not longer than that; bytes by their number."""
    name = column.inner
    if column.kind == "binary":
        return f"CASE WHEN {name} IS NOT NULL THEN octet_length({name}) || ' bytes' END AS {name}"
    if column.is_float:
        return f"CAST({column.value} AS STRING) AS {name}"
    return f"substring({column.text}, 1, {SHOWN + 1}) AS {name}"


def cells(columns: Sequence[Column], row: Row) -> list[str | None]:
    """Return a row of texts as reports show them."""
    return [_cell(column, value) for column, value in zip(columns, row, strict=True)]


def _cell(column: Column, value: str | None) -> str | None:
    if column.is_float and value in ("NaN", "Infinity", "-Infinity"):
        return value
    return text(column, value)
