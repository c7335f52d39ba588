"""How a report grows with rows and with columns, its memory for 100 M rows of Parquet, and 10,000 columns.

Growth is in CPU time, each time for ten times as much. ``COUTURE_BENCHMARK_ROWS`` is another number of rows
than 100 M, whose file takes some 8 GB; as much again is needed for temporary files.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.eda_data import Run, ours, table, wide
from benchmarks.measure import Result

MOST = int(os.environ.get("COUTURE_BENCHMARK_ROWS", "100000000"))
ROWS = (MOST // 100, MOST // 10)
COLUMNS = (200, 2_000)
#: Rows of the wide table.
_LONG = MOST // 1_000
#: Columns and rows of the widest.
_WIDEST, _SHORT = 10_000, 1_000


def run() -> list[Result]:
    """Make reports of tables of growing size."""
    with tempfile.TemporaryDirectory(prefix="couture-benchmark-") as name:
        folder = Path(name)
        rows = [_report(table(folder / "rows.parquet", count), folder) for count in ROWS]
        columns = [_report(wide(folder / "wide.parquet", _LONG, count), folder) for count in COLUMNS]
        widest = _report(wide(folder / "widest.parquet", _SHORT, _WIDEST), folder)
        most = _report(table(folder / "most.parquet", MOST), folder)
    return [
        _growth(f"rows: {ROWS[1]:,} over {ROWS[0]:,}", rows),
        _growth(f"columns ({_LONG:,} rows): {COLUMNS[1]:,} over {COLUMNS[0]:,}", columns),
        _time(f"report of {COLUMNS[1]:,} columns and {_LONG:,} rows", columns[1]),
        _time(f"report of {_WIDEST:,} columns and {_SHORT:,} rows", widest),
        Result(
            f"peak memory of {MOST:,} rows (in {most.seconds:.0f} s)",
            f"{most.memory / 1024**2:.0f} MiB",
            "",
            most.memory / 1024**2,
            1536,
            "MiB",
        ),
    ]


def _time(what: str, run: Run) -> Result:
    return Result(what, run.told(), "", run.seconds, 600, "s")


def _report(source: Path, folder: Path) -> Run:
    made = ours(source, folder / "output")
    source.unlink()
    return made


def _growth(what: str, runs: list[Run]) -> Result:
    few, many = (each.cpu for each in runs)
    return Result(f"growth with {what}", f"{many:.1f} s of CPU", f"{few:.1f} s", many / few, 12)
