"""What a cluster computed: the sample that came with the numbers, as JSON lines of texts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .protocol import EdaError
from .statistics.sample import Sample

#: Rows that are put together at a time.
_BATCH = 5_000


def sample(path: Path, *, rows: int, columns: Sequence[Mapping[str, Any]]) -> Sample:
    """Read a sample: each line is a list of texts, of the columns that are not sensitive.

    :param rows: of the whole table.
    :param columns: all columns of the profile.
    """
    import pyarrow

    names = tuple(str(column["name"]) for column in columns if not column["sensitive"])
    if not names:
        return Sample((), None, 0, rows)
    schema = pyarrow.schema([(f"c{place}", pyarrow.string()) for place in range(len(names))])
    batches = [
        pyarrow.record_batch(
            [pyarrow.array(column, pyarrow.string()) for column in zip(*batch, strict=True)], schema
        )
        for batch in _batches(path, len(names))
    ]
    table = pyarrow.Table.from_batches(batches, schema)
    return Sample(names, table, table.num_rows, rows)


def _batches(path: Path, width: int) -> Iterator[list[list[str | None]]]:
    batch: list[list[str | None]] = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if len(row) != width:
                raise EdaError(
                    "The sample that Spark took does not have the columns of the profile.", code="failed"
                )
            batch.append(row)
            if len(batch) == _BATCH:
                yield batch
                batch = []
    if batch:
        yield batch
